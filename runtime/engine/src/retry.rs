//! Trying again: how long to pause, and when to say that a system is away and when that it is back.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kpipe_compiler::plan::ErrorPolicy;

use crate::connector::RecordSink;
use crate::env::{Env, Random};
use crate::error::{ConnectorError, ErrorKind, Retry};
use crate::event::{End, Event, Voice};
use crate::limits::{ACKS_MISSING, AWAY_AFTER, BACKOFF_FIRST};
use crate::path::Fence;

/// How patient a pipeline is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience {
    /// A system that is away longer stops the pipeline; `None`: it is waited for, however long.
    pub(crate) timeout: Option<Duration>,
    /// The longest pause between two attempts.
    pub(crate) pause_max: Duration,
}

impl Patience {
    pub(crate) fn of(policy: &ErrorPolicy) -> Self {
        Self {
            timeout: policy.retry_timeout_ms.map(Duration::from_millis),
            pause_max: Duration::from_millis(policy.retry_delay_max_ms).max(BACKOFF_FIRST),
        }
    }

    /// The pause after the `attempt`-th failure (from 0): doubling, at most the limit, between half and all of it.
    pub(crate) fn pause(&self, attempt: u32, random: &Random) -> Duration {
        let full = BACKOFF_FIRST.saturating_mul(2_u32.saturating_pow(attempt)).min(self.pause_max);
        let half_ms = u64::try_from(full.as_millis() / 2).unwrap_or(u64::MAX);
        full / 2 + Duration::from_millis(random.below(half_ms + 1))
    }

    /// True if a system that has been away for so long is not waited for any more.
    pub(crate) fn ran_out(&self, away: Duration) -> bool {
        self.timeout.is_some_and(|timeout| away >= timeout)
    }
}

/// Calls one system again until it answers. All calls of a task share it: the system is away for all of them or for none.
pub(crate) struct Retries {
    pub(crate) env: Env,
    pub(crate) voice: Voice,
    pub(crate) end: End,
    pub(crate) patience: Patience,
    outage: Mutex<Outage>,
    is_failing: AtomicBool,
    is_given_up: AtomicBool,
}

#[derive(Debug, Default)]
struct Outage {
    since: Option<Duration>,
    is_said: bool,
}

impl Retries {
    pub(crate) fn new(env: Env, voice: Voice, end: End, patience: Patience) -> Self {
        let (outage, is_failing, is_given_up) = (Mutex::default(), AtomicBool::new(false), AtomicBool::new(false));
        Self { env, voice, end, patience, outage, is_failing, is_given_up }
    }

    /// Every call ends with an error soon.
    pub(crate) fn give_up(&self) {
        self.is_given_up.store(true, Ordering::Relaxed);
    }

    /// Calls until it works, time has run out, trying again cannot help, or nobody wants it any more.
    pub(crate) async fn run<T, F>(&self, fence: &Fence, mut call: impl FnMut() -> F) -> Result<T, ConnectorError>
    where
        F: Future<Output = Result<T, ConnectorError>>,
    {
        let mut attempt = 0;
        loop {
            if self.is_given_up.load(Ordering::Relaxed) || !fence.is_up() {
                return Err(ConnectorError::new(ErrorKind::Fenced, "given up: the task stops or gave its partition away"));
            }
            let error = match call().await {
                Ok(value) => {
                    self.answered();
                    return Ok(value);
                }
                Err(error) => error,
            };
            if error.retry != Retry::Backoff {
                return Err(error);
            }
            if self.patience.ran_out(self.failed(&error)) {
                return Err(error.retry(Retry::No));
            }
            self.voice.say(&Event::Retried { end: self.end });
            self.env.clock.sleep(self.patience.pause(attempt, &self.env.random)).await;
            attempt += 1;
        }
    }

    fn failed(&self, error: &ConnectorError) -> Duration {
        let now = self.env.clock.monotonic();
        let mut outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_failing.store(true, Ordering::Relaxed);
        let away = now.saturating_sub(*outage.since.get_or_insert(now));
        if away >= AWAY_AFTER && !outage.is_said {
            outage.is_said = true;
            self.voice.say(&Event::Away { end: self.end, error: error.clone() });
        }
        away
    }

    fn answered(&self) {
        if !self.is_failing.load(Ordering::Relaxed) {
            return;
        }
        let outage = std::mem::take(&mut *self.outage.lock().unwrap_or_else(PoisonError::into_inner));
        self.is_failing.store(false, Ordering::Relaxed);
        if let (Some(since), true) = (outage.since, outage.is_said) {
            let after = self.env.clock.monotonic().saturating_sub(since);
            self.voice.say(&Event::Back { end: self.end, after });
        }
    }
}

/// Notices that a sink of records is away: it says so, or it has not acknowledged anything for long although records are in flight.
#[derive(Debug)]
pub(crate) struct AckWatch {
    end: End,
    waiting_since: Option<Duration>,
    is_said: bool,
}

impl AckWatch {
    pub(crate) fn new(end: End) -> Self {
        Self { end, waiting_since: None, is_said: false }
    }

    /// What the last poll of the sink found: `any` acknowledgement, or none.
    pub(crate) fn heard(&mut self, any: bool, sink: &dyn RecordSink, now: Duration, voice: &Voice) {
        let (away, in_flight) = (sink.away(), sink.in_flight());
        if away.is_none() && (any || in_flight == 0) {
            if let (Some(since), true) = (self.waiting_since, self.is_said) {
                voice.say(&Event::Back { end: self.end, after: now.saturating_sub(since) });
            }
            (self.waiting_since, self.is_said) = (None, false);
            return;
        }
        let waited = now.saturating_sub(*self.waiting_since.get_or_insert(now));
        if !self.is_said && (away.is_some() || waited >= ACKS_MISSING) {
            self.is_said = true;
            let silence = || {
                let message = format!("no acknowledgement for {} s, {in_flight} records wait", waited.as_secs());
                ConnectorError::new(ErrorKind::Unreachable, message)
            };
            voice.say(&Event::Away { end: self.end, error: away.unwrap_or_else(silence) });
        }
    }

    /// How long it has been silent.
    pub(crate) fn silent_for(&self, now: Duration) -> Duration {
        self.waiting_since.map_or(Duration::ZERO, |since| now.saturating_sub(since))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::Arc;

    use super::*;
    use crate::connector::{Delivery, OutBatch};
    use crate::event::tests::Heard;

    fn retries(timeout: Option<Duration>) -> (Retries, Arc<Heard>) {
        let heard = Arc::new(Heard::default());
        let patience = Patience { timeout, pause_max: Duration::from_secs(8) };
        (Retries::new(Env::seeded(3, 0), Voice::new("p".into(), 0, heard.clone()), End::Sink, patience), heard)
    }

    fn no_answer() -> ConnectorError {
        ConnectorError::new(ErrorKind::Unreachable, "no answer")
    }

    #[test]
    fn pauses_double_up_to_the_limit_with_jitter() {
        let patience = Patience { timeout: None, pause_max: Duration::from_secs(8) };
        let random = Random::seeded(1);
        for (attempt, full_ms) in [(0, 200), (1, 400), (4, 3200), (5, 6400), (6, 8000), (100, 8000)] {
            let pause = patience.pause(attempt, &random);
            assert!(pause >= Duration::from_millis(full_ms / 2) && pause <= Duration::from_millis(full_ms), "{attempt}: {pause:?}");
        }
    }

    #[tokio::test]
    async fn an_outage_is_said_once_and_its_end_too() {
        let (retries, heard) = retries(None);
        let left = Cell::new(20);
        let call = || {
            left.set(left.get() - 1);
            let answer = if left.get() > 0 { Err(no_answer()) } else { Ok(7) };
            async move { answer }
        };
        assert_eq!(retries.run(&Fence::default(), call).await.unwrap(), 7);
        let words = heard.0.lock().unwrap().clone();
        assert_eq!(words.iter().filter(|word| word.contains("is away: no answer")).count(), 1, "{words:?}");
        assert_eq!(words.iter().filter(|word| word.contains("is back after")).count(), 1, "{words:?}");
        assert_eq!(words.iter().filter(|word| word.contains("trying")).count(), 19);
    }

    #[tokio::test]
    async fn a_hiccup_is_no_outage() {
        let (retries, heard) = retries(None);
        let left = Cell::new(2);
        let call = || {
            left.set(left.get() - 1);
            let answer = if left.get() > 0 { Err(no_answer()) } else { Ok(()) };
            async move { answer }
        };
        retries.run(&Fence::default(), call).await.unwrap();
        assert_eq!(heard.0.lock().unwrap().as_slice(), ["p/0 trying the sink again"]);
    }

    #[tokio::test]
    async fn patience_ends_and_some_errors_need_none() {
        let (retries, _) = retries(Some(Duration::from_secs(5)));
        let error = retries.run(&Fence::default(), || async { Err::<(), _>(no_answer()) }).await.unwrap_err();
        assert_eq!(error.message, "no answer");
        assert!(retries.env.clock.monotonic() >= Duration::from_secs(5));
        let calls = Cell::new(0);
        let denied = || {
            calls.set(calls.get() + 1);
            async { Err::<(), _>(ConnectorError::new(ErrorKind::Denied, "no right")) }
        };
        assert_eq!(retries.run(&Fence::default(), denied).await.unwrap_err().kind, ErrorKind::Denied);
        assert_eq!(calls.get(), 1);
    }

    /// A sink that has five rows in flight, or none.
    struct Silent(usize, Option<ConnectorError>);

    impl RecordSink for Silent {
        fn send(&mut self, _batch: &OutBatch<'_>, _from: usize) -> Result<usize, ConnectorError> {
            Ok(0)
        }

        fn poll(&mut self, _wait: Duration) -> Result<Vec<Delivery>, ConnectorError> {
            Ok(Vec::new())
        }

        fn in_flight(&self) -> usize {
            self.0
        }

        fn away(&self) -> Option<ConnectorError> {
            self.1.clone()
        }
    }

    #[test]
    fn silence_is_said_once_and_its_end_too() {
        let heard = Arc::new(Heard::default());
        let voice = Voice::new("p".into(), 0, heard.clone());
        let mut watch = AckWatch::new(End::Sink);
        for second in 0..30 {
            watch.heard(false, &Silent(5, None), Duration::from_secs(second), &voice);
        }
        assert_eq!(watch.silent_for(Duration::from_secs(30)), Duration::from_secs(30));
        watch.heard(true, &Silent(5, None), Duration::from_secs(30), &voice);
        watch.heard(false, &Silent(0, None), Duration::from_secs(90), &voice);
        let words = heard.0.lock().unwrap().clone();
        assert_eq!(words, ["p/0 sink is away: no acknowledgement for 10 s, 5 records wait", "p/0 sink is back after 30.0 s"]);
    }

    #[test]
    fn a_sink_that_knows_says_it_at_once() {
        let heard = Arc::new(Heard::default());
        let voice = Voice::new("p".into(), 0, heard.clone());
        let mut watch = AckWatch::new(End::Sink);
        for second in 0..3 {
            watch.heard(true, &Silent(0, Some(no_answer())), Duration::from_secs(second), &voice);
        }
        watch.heard(false, &Silent(0, None), Duration::from_secs(3), &voice);
        assert_eq!(heard.0.lock().unwrap().as_slice(), ["p/0 sink is away: no answer", "p/0 sink is back after 3.0 s"]);
    }

    #[tokio::test]
    async fn given_up_calls_end() {
        let (retries, _) = retries(None);
        let fence = Fence::default();
        drop(fence.hold());
        assert!(retries.run(&fence, || async { Ok(()) }).await.is_err());
        retries.give_up();
        assert!(retries.run(&Fence::default(), || async { Ok(()) }).await.is_err());
    }
}
