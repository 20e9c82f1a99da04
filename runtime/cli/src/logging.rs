//! Log lines of the engine, the connectors and their libraries. The command that runs pipelines takes them and writes them between
//! its own lines, so that a live view is not torn.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::args::LogFormat;

/// What libraries say is rarely for users: they are heard from `warn` on, brokers inside the process not at all.
const QUIET: &str = "rumqttd=off,rumqttc=error,librdkafka=error,rdkafka=error,aws=error,hyper=error";

/// Hands whole lines to a channel.
#[derive(Clone, Debug)]
struct Lines(Sender<String>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Nobody reads any more when the command is over.
        let _ = self.0.send(String::from_utf8_lossy(bytes).into_owned());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Starts collecting log lines. The first call of a process wins; a later one gets none.
pub(crate) fn collect(format: LogFormat, verbose: u8, quiet: bool, filter: Option<String>) -> Receiver<String> {
    let (sender, receiver) = channel();
    let filter = EnvFilter::new(filter.unwrap_or_else(|| directives(verbose, quiet)));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Lines(sender)).with_ansi(false).with_target(verbose > 0);
    let started = match format {
        LogFormat::Human => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    // A second command in one process (tests) finds the first one's subscriber.
    drop(started);
    receiver
}

fn directives(verbose: u8, quiet: bool) -> String {
    let own = match (quiet, verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "info",
        (false, 2) => "debug",
        (false, _) => "trace",
    };
    let others = if verbose > 2 { "debug" } else { "warn" };
    format!("{others},kpipe={own},kpipe_engine={own},kpipe_connectors={own},{QUIET}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_valid_and_follow_the_flags() {
        for (verbose, quiet, own) in [(0, false, "warn"), (0, true, "error"), (1, false, "info"), (2, false, "debug"), (9, false, "trace")]
        {
            let text = directives(verbose, quiet);
            assert!(text.contains(&format!("kpipe_engine={own},")), "{text}");
            assert!(EnvFilter::try_new(&text).is_ok(), "{text}");
        }
    }

    #[test]
    fn lines_arrive_whole() {
        let (sender, receiver) = channel();
        io::Write::write_all(&mut Lines(sender), b"one line\n").unwrap();
        assert_eq!(receiver.recv().unwrap(), "one line\n");
    }
}
