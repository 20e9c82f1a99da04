//! The only door to time, chance and threads: with another clock and a seed the whole engine runs in a test, hours in seconds.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::future::BoxFuture;

/// Time: what it is and how to let it pass.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970 UTC. It may jump; for what people read.
    fn wall_ms(&self) -> i64;

    /// Time since some fixed moment. It never goes back; for every duration.
    fn monotonic(&self) -> Duration;

    /// Stops the calling thread.
    fn pause(&self, time: Duration);

    /// Completes after a time, without a thread.
    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()>;
}

/// The clock of the machine.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn wall_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn pause(&self, time: Duration) {
        std::thread::sleep(time);
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(time))
    }
}

/// A clock that moves when somebody waits: whoever pauses moves it on for all. A pause gives other threads a moment of real time, so
/// that work under way (an upload in memory) is not outrun.
#[derive(Debug)]
pub struct VirtualClock {
    start_wall_ms: i64,
    passed: Arc<Mutex<Duration>>,
}

/// The real time that a virtual pause takes.
const VIRTUAL_PAUSE: Duration = Duration::from_micros(50);

impl VirtualClock {
    /// A clock that stands at a moment, in milliseconds since 1970 UTC.
    #[must_use]
    pub fn at(start_wall_ms: i64) -> Self {
        Self { start_wall_ms, passed: Arc::default() }
    }

    /// Lets time pass.
    pub fn advance(&self, time: Duration) {
        *self.passed.lock().unwrap_or_else(PoisonError::into_inner) += time;
    }
}

impl Clock for VirtualClock {
    fn wall_ms(&self) -> i64 {
        self.start_wall_ms + i64::try_from(self.monotonic().as_millis()).unwrap_or(i64::MAX)
    }

    fn monotonic(&self) -> Duration {
        *self.passed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pause(&self, time: Duration) {
        self.advance(time);
        std::thread::sleep(VIRTUAL_PAUSE);
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        let passed = Arc::clone(&self.passed);
        Box::pin(async move {
            *passed.lock().unwrap_or_else(PoisonError::into_inner) += time;
            tokio::time::sleep(VIRTUAL_PAUSE).await;
        })
    }
}

/// Random numbers from a seed (SplitMix64): for jitter and for tests, never for secrets.
#[derive(Debug)]
pub struct Random {
    state: AtomicU64,
}

impl Random {
    /// The same seed gives the same numbers.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self { state: AtomicU64::new(seed) }
    }

    /// The next number.
    pub fn next(&self) -> u64 {
        let mut z = self.state.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed).wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 if `end` is 0.
    pub fn below(&self, end: u64) -> u64 {
        self.next().checked_rem(end).unwrap_or(0)
    }
}

/// What the engine gets from outside.
#[derive(Clone)]
pub struct Env {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub random: Arc<Random>,
}

impl Env {
    /// The machine's clock and a seed of its own.
    #[must_use]
    pub fn system() -> Self {
        let seed = RandomState::new().hash_one(std::process::id());
        Self { clock: Arc::new(SystemClock::default()), random: Arc::new(Random::seeded(seed)) }
    }

    /// A clock that moves only when somebody waits, and numbers from a seed.
    #[must_use]
    pub fn seeded(seed: u64, start_wall_ms: i64) -> Self {
        Self { clock: Arc::new(VirtualClock::at(start_wall_ms)), random: Arc::new(Random::seeded(seed)) }
    }

    /// Starts a thread.
    ///
    /// # Errors
    /// The system has no more threads.
    pub fn spawn(&self, name: String, work: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name(name).spawn(work)
    }
}

impl std::fmt::Debug for Env {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Env {{ {} ms }}", self.clock.wall_ms())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_virtual_hour_takes_no_time() {
        let clock = VirtualClock::at(1_000);
        let started = Instant::now();
        clock.pause(Duration::from_secs(3600));
        assert_eq!((clock.wall_ms(), clock.monotonic()), (3_601_000, Duration::from_secs(3600)));
        assert!(started.elapsed() < Duration::from_secs(5));
    }

    #[tokio::test]
    async fn sleeping_moves_a_virtual_clock_for_all() {
        let env = Env::seeded(1, 0);
        env.clock.sleep(Duration::from_secs(5)).await;
        assert_eq!(env.clock.wall_ms(), 5_000);
    }

    #[test]
    fn a_seed_gives_the_same_numbers() {
        let (one, other) = (Random::seeded(7), Random::seeded(7));
        let numbers: Vec<u64> = (0..5).map(|_| one.below(100)).collect();
        assert_eq!(numbers, (0..5).map(|_| other.below(100)).collect::<Vec<_>>());
        assert!(numbers.iter().any(|number| *number != numbers[0]), "{numbers:?}");
        assert_eq!(one.below(0), 0);
    }

    #[test]
    fn the_machines_clock_goes_forward() {
        let env = Env::system();
        let (wall, before) = (env.clock.wall_ms(), env.clock.monotonic());
        env.clock.pause(Duration::from_millis(2));
        assert!(env.clock.monotonic() > before && wall > 1_600_000_000_000);
    }
}
