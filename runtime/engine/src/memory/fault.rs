//! What goes wrong in a world, and when.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::error::{ConnectorError, ErrorKind, Retry};

/// A call into the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// A source is polled.
    Poll,
    /// A source commits positions.
    SourceCommit,
    /// What a group keeps beside a position is read.
    ReadMark,
    /// It is replaced, with the position.
    WriteMark,
    /// Rows are handed to a sink of records.
    Send,
    /// Acknowledgements are asked for.
    Acks,
    /// An upload begins.
    Begin,
    /// A part is uploaded.
    Part,
    /// An upload is completed.
    Complete,
    /// An upload is given up.
    Abort,
    /// An object is written whole.
    Put,
    /// An object is written if there is none.
    Create,
    /// An object is read whole.
    Get,
    /// Objects are listed.
    List,
    /// Uploads under way are listed.
    Uploads,
    /// An object is looked at.
    Stat,
    /// Objects are removed.
    Remove,
}

/// Which calls are hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// The n-th call of this kind, from 1.
    Nth(u64),
    /// All of them while the world's clock is between these times after its start.
    Between(Duration, Duration),
    /// All of them.
    Always,
}

/// What happens.
#[derive(Clone, Debug)]
pub enum What {
    /// The call fails and has no effect.
    Fail(ConnectorError),
    /// The call has its effect, but the answer is lost.
    LoseAnswer(ConnectorError),
    /// The call takes so long.
    Slow(Duration),
    /// The process dies before the call has an effect.
    Crash,
    /// The process dies right after the call had its effect.
    CrashAfter,
}

impl What {
    /// No answer, as from a system that is away.
    #[must_use]
    pub fn away() -> Self {
        Self::Fail(ConnectorError::new(ErrorKind::Unreachable, "memory: no answer"))
    }

    /// A failure that only opening again can heal.
    #[must_use]
    pub fn broken() -> Self {
        Self::Fail(ConnectorError::new(ErrorKind::Unreachable, "memory: broken").retry(Retry::Reopen))
    }
}

/// A rule.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The kind of call.
    pub op: Op,
    /// Which of them.
    pub when: When,
    /// What happens.
    pub what: What,
}

/// The rules of a world and what was counted so far.
#[derive(Debug, Default)]
pub(super) struct Faults {
    rules: Vec<Fault>,
    counts: BTreeMap<Op, u64>,
    calls: u64,
    crash_at_call: Option<(u64, bool)>,
}

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        self.rules.push(fault);
    }

    /// The process dies at the n-th call from now, of whatever kind.
    pub(super) fn crash_at(&mut self, calls: u64, after: bool) {
        self.crash_at_call = Some((self.calls + calls, after));
    }

    /// Calls so far.
    pub(super) fn calls(&self) -> u64 {
        self.calls
    }

    /// Counts a call and says what happens to it.
    pub(super) fn hit(&mut self, op: Op, passed: Duration) -> Option<What> {
        self.calls += 1;
        let count = self.counts.entry(op).or_default();
        *count += 1;
        if let Some((_, after)) = self.crash_at_call.take_if(|(call, _)| *call <= self.calls) {
            return Some(if after { What::CrashAfter } else { What::Crash });
        }
        let hits = |fault: &&Fault| {
            fault.op == op
                && match fault.when {
                    When::Nth(number) => number == *count,
                    When::Between(from, to) => (from..to).contains(&passed),
                    When::Always => true,
                }
        };
        self.rules.iter().find(hits).map(|fault| fault.what.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_hit_by_number_and_by_time() {
        let mut faults = Faults::default();
        faults.add(Fault { op: Op::Part, when: When::Nth(2), what: What::away() });
        faults.add(Fault { op: Op::Poll, when: When::Between(Duration::from_secs(5), Duration::from_secs(6)), what: What::broken() });
        let hit = |faults: &mut Faults, op, seconds| faults.hit(op, Duration::from_secs(seconds)).is_some();
        assert_eq!([0, 0, 0].map(|second| hit(&mut faults, Op::Part, second)), [false, true, false]);
        assert_eq!([4, 5, 6].map(|second| hit(&mut faults, Op::Poll, second)), [false, true, false]);
    }

    #[test]
    fn a_crash_comes_once_at_its_call() {
        let mut faults = Faults::default();
        faults.hit(Op::Poll, Duration::ZERO);
        faults.crash_at(2, true);
        assert!(faults.hit(Op::Send, Duration::ZERO).is_none());
        assert!(matches!(faults.hit(Op::Acks, Duration::ZERO), Some(What::CrashAfter)));
        assert!(faults.hit(Op::Acks, Duration::ZERO).is_none());
        assert_eq!(faults.calls(), 4);
    }
}
