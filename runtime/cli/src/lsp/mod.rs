//! The language server: what an editor asks while somebody writes pipeline files.
//!
//! One loop reads a message, answers it and goes on: a file is compiled in a few milliseconds, so nothing has to run beside it.
//!
//! | module | what it does |
//! |---|---|
//! | `wire` | messages on a stream, within limits |
//! | `server` | methods and their answers, the order of a session |
//! | `project` | open texts over the files on disk; compiles them |
//! | `text` | bytes to places as editors count, and back |
//! | `cursor`, `kcql` | where somebody writes, in texts that are not right yet |
//! | `complete`, `hover` | what can stand there, and what it means |

mod complete;
mod cursor;
mod facts;
mod hover;
mod kcql;
mod project;
mod server;
#[cfg(test)]
mod tests;
mod text;
mod wire;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::host::Host;
use server::Server;
use wire::Incoming;

/// Serves until the editor says `exit` or is gone. As the protocol has it, the end is only good after `shutdown`.
pub(crate) fn serve(host: &mut Host<'_>, profile: Option<String>) -> Result<Exit, Failure> {
    let mut server = Server::new(profile);
    loop {
        let answers = match wire::read(host.input)? {
            Incoming::Message(message) => server.handle(host, &message),
            Incoming::Broken(why) => vec![server::broken(&why)],
            Incoming::End => return Ok(server.ended()),
        };
        for answer in answers {
            wire::write(host.out, &answer)?;
        }
        if server.is_over() {
            return Ok(server.ended());
        }
    }
}
