//! Where a pipeline is in its life, as seen from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// The state of a pipeline or of one of its tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PipelineState {
    /// It opens its ends and waits for partitions.
    #[default]
    Starting,
    /// Records move, or there is none to move.
    Running,
    /// The source or the sink is away and is waited for.
    Away,
    /// A task failed and starts again after a pause.
    Restarting,
    /// It takes no more records and commits what it has.
    Draining,
    /// It ended as it should.
    Stopped,
    /// It ended with an error.
    Failed,
}

impl PipelineState {
    /// All of them, for metrics.
    pub const ALL: [Self; 7] = [Self::Starting, Self::Running, Self::Away, Self::Restarting, Self::Draining, Self::Stopped, Self::Failed];

    /// The word for people, logs and metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Away => "away",
            Self::Restarting => "restarting",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }

    /// True if it does its work: what `/readyz` asks.
    #[must_use]
    pub fn is_ready(self) -> bool {
        matches!(self, Self::Running)
    }
}

/// How urgently something is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopLevel {
    /// Go on.
    Run,
    /// Take no more records, commit what there is, end.
    Drain,
    /// End at once; what is not committed is given up.
    Now,
}

/// Asks pipelines to stop. Clones ask the same pipelines; a child is asked by its parent too.
#[derive(Clone, Debug, Default)]
pub struct StopHandle {
    inner: Arc<StopInner>,
}

#[derive(Debug, Default)]
struct StopInner {
    level: AtomicU8,
    parent: Option<StopHandle>,
}

impl StopHandle {
    /// First signal: drain.
    pub fn drain(&self) {
        self.inner.level.fetch_max(1, Ordering::Relaxed);
    }

    /// Second signal: stop at once.
    pub fn stop_now(&self) {
        self.inner.level.fetch_max(2, Ordering::Relaxed);
    }

    /// What was asked for so far.
    #[must_use]
    pub fn level(&self) -> StopLevel {
        let own = match self.inner.level.load(Ordering::Relaxed) {
            0 => StopLevel::Run,
            1 => StopLevel::Drain,
            _ => StopLevel::Now,
        };
        match &self.inner.parent {
            Some(parent) => own.max(parent.level()),
            None => own,
        }
    }

    pub(crate) fn child(&self) -> Self {
        Self { inner: Arc::new(StopInner { level: AtomicU8::new(0), parent: Some(self.clone()) }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_gets_only_more_urgent() {
        let stop = StopHandle::default();
        let same = stop.clone();
        assert_eq!(stop.level(), StopLevel::Run);
        same.stop_now();
        stop.drain();
        assert_eq!(stop.level(), StopLevel::Now);
    }

    #[test]
    fn a_child_hears_its_parent_but_not_the_other_way_round() {
        let process = StopHandle::default();
        let (one, other) = (process.child(), process.child());
        one.drain();
        assert_eq!((process.level(), one.level(), other.level()), (StopLevel::Run, StopLevel::Drain, StopLevel::Run));
        process.stop_now();
        assert_eq!((one.level(), other.level()), (StopLevel::Now, StopLevel::Now));
    }

    #[test]
    fn only_running_is_ready_and_words_differ() {
        let ready: Vec<_> = PipelineState::ALL.into_iter().filter(|state| state.is_ready()).collect();
        assert_eq!(ready, [PipelineState::Running]);
        let mut words: Vec<_> = PipelineState::ALL.into_iter().map(PipelineState::word).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), PipelineState::ALL.len());
    }
}
