//! A flag that a thread can wait for.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Set by librdkafka's threads when a queue has something, waited for by the task.
#[derive(Debug, Default)]
pub(super) struct Signal {
    set: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    /// Wakes the waiting thread, or the next one that waits.
    pub(super) fn set(&self) {
        *self.set.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_one();
    }

    /// Waits until it is set, at most `wait`, and takes the flag back.
    pub(super) fn wait(&self, wait: Duration) {
        let deadline = Instant::now() + wait;
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        while !*set {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            set = self.changed.wait_timeout(set, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        *set = false;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_flag_set_before_the_wait_is_not_missed_and_counts_once() {
        let signal = Signal::default();
        signal.set();
        let start = Instant::now();
        signal.wait(Duration::from_secs(10));
        assert!(start.elapsed() < Duration::from_secs(1));
        signal.wait(Duration::from_millis(20));
        assert!(start.elapsed() >= Duration::from_millis(20));
    }

    #[test]
    fn another_thread_wakes_the_waiting_one() {
        let signal = Arc::new(Signal::default());
        let other = Arc::clone(&signal);
        let start = Instant::now();
        let thread = std::thread::spawn(move || other.set());
        signal.wait(Duration::from_secs(10));
        assert!(start.elapsed() < Duration::from_secs(5));
        thread.join().unwrap();
    }
}
