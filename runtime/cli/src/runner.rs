//! Hands pipelines to the engine's supervisor.

use std::sync::Arc;
use std::time::Duration;

use kpipe_compiler::plan::Pipeline;
use kpipe_connectors::ALL;
use kpipe_engine::connector::Secrets;
use kpipe_engine::env::Env;
use kpipe_engine::event::Fanout;
use kpipe_engine::metrics::Metrics;
use kpipe_engine::state::StopHandle;
use kpipe_engine::supervise::{self, PipelineOutcome, RunOptions, RunOutcome};
use tokio::runtime::Handle;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::{Ear, Outcome};
use crate::signals::Signal;

/// What is to run, and how.
pub(crate) struct Job {
    /// The pipelines.
    pub(crate) pipelines: Vec<Pipeline>,
    /// Tasks of each.
    pub(crate) tasks: usize,
    /// The budget of all of them.
    pub(crate) memory_bytes: usize,
    /// Whether they end when what was there at the start is through.
    pub(crate) until_caught_up: bool,
    /// How long a drain may take.
    pub(crate) drain_timeout: Duration,
    /// Stops them.
    pub(crate) stop: StopHandle,
    /// Counts what they do.
    pub(crate) metrics: Metrics,
    /// Reads secrets.
    pub(crate) secrets: Arc<dyn Secrets>,
    /// For whatever waits.
    pub(crate) runtime: Handle,
}

/// How the pipelines ended.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    /// Why pipelines stopped by themselves.
    pub(crate) failures: Vec<Failure>,
    /// True if everything that was read is committed.
    pub(crate) is_complete: bool,
}

impl Ended {
    /// The exit code of a session that ended like this.
    pub(crate) fn exit(&self, outcome: Outcome) -> Exit {
        let by_signal = outcome.signal.filter(|_| outcome.is_cut_short || !self.is_complete).map_or(Exit::Done, Signal::exit);
        self.failures.iter().fold(by_signal, |worst, failure| worst.worst(failure.exit))
    }
}

/// Runs the pipelines until all of them ended.
pub(crate) fn run(job: Job, ear: Arc<Ear>) -> Ended {
    let Job { pipelines, tasks, memory_bytes, until_caught_up, drain_timeout, stop, metrics, secrets, runtime } = job;
    let options = RunOptions {
        tasks,
        until_caught_up,
        drain_timeout,
        memory_bytes,
        env: Env::system(),
        secrets,
        runtime,
        stop,
        events: Arc::new(Fanout(vec![Arc::new(metrics), ear])),
    };
    match supervise::run(pipelines, ALL, &options) {
        Ok(RunOutcome { pipelines }) => Ended {
            is_complete: pipelines.iter().all(|pipeline| pipeline.is_complete),
            failures: pipelines.into_iter().filter_map(failure).collect(),
        },
        Err(error) => Ended { failures: vec![error.into()], is_complete: false },
    }
}

fn failure(outcome: PipelineOutcome) -> Option<Failure> {
    let PipelineOutcome { name, error, is_complete: _ } = outcome;
    let failure = Failure::from(error?);
    Some(Failure { message: format!("{name}: {}", failure.message), ..failure })
}

#[cfg(test)]
mod tests {
    use kpipe_engine::error::{ConnectorError, ErrorKind};

    use super::*;

    fn ended(kinds: &[ErrorKind], is_complete: bool) -> Ended {
        let outcome = |kind: &ErrorKind| PipelineOutcome {
            name: "orders".to_owned(),
            error: Some(ConnectorError::new(*kind, "why")),
            is_complete: false,
        };
        Ended { failures: kinds.iter().map(outcome).filter_map(failure).collect(), is_complete }
    }

    #[test]
    fn the_exit_code_is_the_worst_of_failures_and_signals() {
        let quiet = Outcome { signal: None, is_cut_short: false };
        let first = Outcome { signal: Some(Signal::Terminate), is_cut_short: false };
        let second = Outcome { signal: Some(Signal::Interrupt), is_cut_short: true };
        assert_eq!(ended(&[], true).exit(quiet), Exit::Done);
        assert_eq!(ended(&[], true).exit(first), Exit::Done, "drained cleanly");
        assert_eq!(ended(&[], false).exit(first), Exit::Terminated, "the drain ran out of time");
        assert_eq!(ended(&[], true).exit(second), Exit::Interrupted);
        assert_eq!(ended(&[ErrorKind::Data, ErrorKind::Denied], false).exit(quiet), Exit::Denied);
        assert_eq!(ended(&[ErrorKind::Data], false).exit(quiet), Exit::StoppedByPolicy);
    }

    #[test]
    fn a_failure_names_its_pipeline() {
        assert_eq!(ended(&[ErrorKind::Data], false).failures[0].message, "orders: why");
    }
}
