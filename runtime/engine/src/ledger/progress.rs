//! How far a long look at a store is, for whoever waits for it.

use std::sync::{Mutex, PoisonError};

/// One step of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// What is done, as `checking files`; empty before the first.
    pub what: &'static str,
    /// How much of it is done.
    pub done: u64,
    /// How much there is, where that is known.
    pub total: Option<u64>,
}

/// The step that is under way.
#[derive(Debug, Default)]
pub struct Progress(Mutex<Step>);

impl Progress {
    /// The step that is under way.
    #[must_use]
    pub fn now(&self) -> Step {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(&self, what: &'static str, total: Option<usize>) {
        let total = total.map(|total| total as u64);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Step { what, done: 0, total };
    }

    pub(super) fn add(&self, count: usize) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).done += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_counts_from_zero() {
        let progress = Progress::default();
        progress.begin("reading", Some(7));
        progress.add(3);
        progress.add(1);
        assert_eq!(progress.now(), Step { what: "reading", done: 4, total: Some(7) });
        progress.begin("listing", None);
        assert_eq!(progress.now(), Step { what: "listing", done: 0, total: None });
    }
}
