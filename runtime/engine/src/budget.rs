//! One budget of bytes for all tasks of a process.
//!
//! Bytes are either in open files (`open`: they go down when a set is closed) or on their way (`moving`: they go down when a part is
//! stored). The budget never blocks: a task looks at it and decides between closing a set, waiting, and going on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::format::spare::Spares;

/// What a task is to do about memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pressure {
    /// Go on.
    None,
    /// Close the largest open set.
    Close,
    /// Accept no records until bytes come back.
    Wait,
}

/// Counts bytes.
#[derive(Debug)]
pub(crate) struct Budget {
    limit_bytes: usize,
    open_bytes: AtomicUsize,
    moving_bytes: AtomicUsize,
    tasks: AtomicUsize,
    spares: Spares,
}

/// Where bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In open files and batches in work.
    Open,
    /// In parts and records on their way.
    Moving,
}

impl Budget {
    pub(crate) fn new(limit_bytes: usize) -> Arc<Self> {
        let (open_bytes, moving_bytes, tasks) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { limit_bytes, open_bytes, moving_bytes, tasks, spares: Spares::default() })
    }

    /// A task takes part.
    pub(crate) fn join(self: &Arc<Self>) -> Member {
        self.tasks.fetch_add(1, Ordering::Relaxed);
        Member { open: self.lease(Place::Open, 0) }
    }

    /// Counts bytes until the lease is dropped.
    pub(crate) fn lease(self: &Arc<Self>, place: Place, bytes: usize) -> Lease {
        self.counter(place).fetch_add(bytes, Ordering::Relaxed);
        Lease { budget: Arc::clone(self), place, bytes }
    }

    /// Buffers that came back, for parts to come.
    pub(crate) fn spares(&self) -> Spares {
        self.spares.clone()
    }

    /// Gives memory back that nobody uses and that does not fit beside what is in use.
    pub(crate) fn tidy(&self, now: Duration) {
        self.spares.tidy(now, self.limit_bytes.saturating_sub(self.used_bytes()));
    }

    /// Bytes counted now.
    pub(crate) fn used_bytes(&self) -> usize {
        self.open_bytes.load(Ordering::Relaxed) + self.moving_bytes.load(Ordering::Relaxed)
    }

    fn counter(&self, place: Place) -> &AtomicUsize {
        match place {
            Place::Open => &self.open_bytes,
            Place::Moving => &self.moving_bytes,
        }
    }

    fn pressure(&self, own_open_bytes: usize, own_moving: bool) -> Pressure {
        let moving = self.moving_bytes.load(Ordering::Relaxed);
        let used = self.used_bytes();
        let share = self.limit_bytes / self.tasks.load(Ordering::Relaxed).max(1);
        let nothing_comes_back = !own_moving || moving < self.limit_bytes / 4;
        let short = used >= self.limit_bytes / 4 * 3;
        if short && nothing_comes_back && own_open_bytes >= share / 2 {
            return Pressure::Close;
        }
        match used >= self.limit_bytes {
            true if own_open_bytes > 0 && !own_moving => Pressure::Close,
            true => Pressure::Wait,
            false => Pressure::None,
        }
    }
}

/// A task's part in the budget.
#[derive(Debug)]
pub(crate) struct Member {
    open: Lease,
}

impl Member {
    /// Says how much the task's open files hold, and asks what to do. `moving`: it has uploads under way.
    pub(crate) fn report(&mut self, open_bytes: usize, moving: bool) -> Pressure {
        self.open.resize(open_bytes);
        self.open.budget.pressure(open_bytes, moving)
    }

    /// The budget itself.
    pub(crate) fn budget(&self) -> &Arc<Budget> {
        &self.open.budget
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.open.budget.tasks.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Bytes that are counted while this lives.
#[derive(Debug)]
pub(crate) struct Lease {
    budget: Arc<Budget>,
    place: Place,
    bytes: usize,
}

impl Lease {
    /// Counts another number from now on.
    pub(crate) fn resize(&mut self, bytes: usize) {
        let counter = self.budget.counter(self.place);
        match bytes >= self.bytes {
            true => counter.fetch_add(bytes - self.bytes, Ordering::Relaxed),
            false => counter.fetch_sub(self.bytes - bytes, Ordering::Relaxed),
        };
        self.bytes = bytes;
    }

    /// These bytes came back.
    pub(crate) fn give_back(&mut self, bytes: usize) {
        self.resize(self.bytes.saturating_sub(bytes));
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.resize(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_count_until_they_are_dropped() {
        let budget = Budget::new(1000);
        let mut lease = budget.lease(Place::Moving, 300);
        lease.give_back(100);
        lease.give_back(1_000_000);
        assert_eq!(budget.used_bytes(), 0, "more than was taken cannot come back");
        lease.resize(50);
        assert_eq!(budget.used_bytes(), 50);
        drop(lease);
        assert_eq!(budget.used_bytes(), 0);
    }

    #[test]
    fn a_task_alone_closes_at_three_quarters() {
        let budget = Budget::new(1000);
        let mut task = budget.join();
        assert_eq!(task.report(749, false), Pressure::None);
        assert_eq!(task.report(750, false), Pressure::Close);
        let _moving = budget.lease(Place::Moving, 500);
        assert_eq!(task.report(250, true), Pressure::None, "half of it is on its way out");
        assert_eq!(task.report(600, true), Pressure::Wait, "full, and bytes will come back");
    }

    #[test]
    fn the_task_with_more_than_its_share_closes_first() {
        let budget = Budget::new(1000);
        let (mut large, mut small) = (budget.join(), budget.join());
        assert_eq!(large.report(700, false), Pressure::None);
        assert_eq!(small.report(100, false), Pressure::None, "short, but not its fault");
        assert_eq!(large.report(700, false), Pressure::Close);
    }

    #[test]
    fn a_full_budget_never_waits_for_nothing() {
        let budget = Budget::new(1000);
        let (mut full, mut other) = (budget.join(), budget.join());
        full.report(950, false);
        assert_eq!(other.report(60, false), Pressure::Close, "nothing of it is moving: only closing brings bytes back");
        assert_eq!(other.report(0, false), Pressure::None);
        full.report(1000, false);
        assert_eq!(other.report(0, false), Pressure::Wait);
        drop(full);
        assert_eq!(budget.used_bytes(), 0);
    }
}
