//! `kpipe fmt`: pipeline files in their canonical form.

use super::{findings, print};
use crate::args::{Common, Fmt, Voice};
use crate::compile::Compiled;
use crate::exit::Exit;
use crate::failure::{Failure, codes};
use crate::format::{NotFormatted, format};
use crate::host::Host;
use crate::load;
use crate::rewrite::rewrite;
use crate::secrets::masked;
use crate::unified::diff;

/// Formats, or says what formatting would change.
pub(crate) fn run(common: &Common, args: &Fmt, host: &mut Host<'_>) -> Result<Exit, Failure> {
    let mut exit = Exit::Done;
    for name in load::find(host, &args.paths)? {
        let file = load::read(host, &name)?;
        let formatted = match format(&file.name, &file.text) {
            Ok(formatted) => formatted,
            Err(NotFormatted::Mistakes(sources, report)) => {
                let mut compiled = Compiled::default();
                compiled.report(&sources, &report);
                findings(common, Voice::Human, host, &compiled)?;
                exit = exit.worst(Exit::Invalid);
                continue;
            }
            Err(NotFormatted::ChangesMeaning) => {
                return Err(Failure::new(
                    Exit::Bug,
                    format!("{}: formatting would change what the file means; it was left alone", file.name),
                )
                .code(codes::BUG)
                .help("please report this with the file"));
            }
        };
        if formatted == file.text {
            continue;
        }
        if args.diff {
            print(host, &diff(&file.name, &masked(&file.text), &masked(&formatted)))?;
        }
        if args.check {
            exit = exit.worst(Exit::WouldChange);
        } else {
            rewrite(&file, &formatted)?;
        }
        if !common.quiet && !args.diff {
            let verb = if args.check { "would change" } else { "changed" };
            print(host, &format!("{verb} {}\n", file.name))?;
        }
    }
    Ok(exit)
}
