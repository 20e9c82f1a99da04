//! The clock of a process.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::workers;
use super::{ProcessId, Slot, World};
use crate::env::Clock;

/// When the world begins.
const BEGIN_MS: i64 = 1_700_000_000_000;

pub(super) struct SimClock {
    pub(super) world: World,
    pub(super) process: ProcessId,
}

/// The time of the store and of the brokers.
pub(super) fn server_ms(now: Duration) -> i64 {
    BEGIN_MS + i64::try_from(now.as_millis()).unwrap()
}

impl Clock for SimClock {
    fn wall_ms(&self) -> i64 {
        let mut state = self.world.state();
        server_ms(state.now) + state.process(self.process).skew_ms
    }

    fn monotonic(&self) -> Duration {
        self.world.now()
    }

    /// The others go on meanwhile.
    fn pause(&self, time: Duration) {
        workers::run_until(self.world.now() + time);
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        let slot = Slot::new(self.process);
        let filled = slot.clone();
        self.world.state().after(time, move |world| filled.fill(&mut world.state(), ()));
        slot.boxed()
    }
}
