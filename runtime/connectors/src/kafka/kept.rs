//! What is safe in the sink, but was not confirmed by the group before its partition was taken away. No IO.
//!
//! A broker that was away for longer than the session lets the member lose its partitions. If one comes back and the group stands where
//! this member left it, nobody else wrote what lies between: reading goes on behind it, and the commit is made up for.

use std::collections::BTreeMap;

use kpipe_engine::position::Position;

use super::rebalance::{Named, Partition};

/// Positions by partition.
#[derive(Debug, Default)]
pub(super) struct Kept {
    entries: BTreeMap<Named, Entry>,
    /// Nobody knows yet whose these partitions are.
    is_waiting: bool,
}

#[derive(Debug)]
struct Entry {
    /// Where this member began to read.
    start: Position,
    /// Where the group stood as far as this member knows.
    committed: Option<Position>,
    /// Everything before is safe.
    safe: Position,
}

impl Kept {
    /// A partition goes before this position of it was confirmed.
    pub(super) fn keep(&mut self, partition: &Partition, safe: Position) {
        let entry = Entry { start: partition.start, committed: partition.committed, safe };
        self.entries.insert(partition.name.clone(), entry);
        self.is_waiting = true;
    }

    /// A partition is this member's again. Returns what is to be committed, if the group stands where this member left it (or where an
    /// unanswered commit of its own moved it), and the partition still reaches as far.
    pub(super) fn take(&mut self, name: &Named, committed: Option<Position>, end: Position) -> Option<Position> {
        let Entry { start, committed: left, safe } = self.entries.remove(name)?;
        let is_unchanged = match (left, committed) {
            (None, None) => true,
            (None, Some(now)) => start < now && now <= safe,
            (Some(left), Some(now)) => left <= now && now <= safe,
            (Some(_), None) => false,
        };
        (is_unchanged && safe <= end).then_some(safe)
    }

    /// The group was assigned anew: what did not come back is somebody else's.
    pub(super) fn assigned(&mut self) {
        self.is_waiting = false;
    }

    /// False while it is not known whether something can be made up for.
    pub(super) fn is_settled(&self) -> bool {
        !self.is_waiting
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::rebalance::State;
    use super::*;

    const SAFE: i64 = 50;

    /// What is made up for after this member read from 10, knew `left`, and finds `now` in a partition that ends at `end`.
    fn taken(left: Option<i64>, now: Option<i64>, end: i64) -> Option<i64> {
        let name: Named = (Arc::from("t"), 3);
        let partition = Partition {
            name: name.clone(),
            state: State::Lost,
            position: Position(60),
            low: Position(0),
            end: Position(60),
            start: Position(10),
            committed: left.map(Position),
        };
        let mut kept = Kept::default();
        assert_eq!(kept.take(&name, now.map(Position), Position(end)), None, "nothing is kept");
        kept.keep(&partition, Position(SAFE));
        assert!(!kept.is_settled());
        let taken = kept.take(&name, now.map(Position), Position(end)).map(|position| position.0);
        kept.assigned();
        assert!(kept.is_settled());
        assert_eq!(kept.take(&name, now.map(Position), Position(end)), None, "once");
        taken
    }

    #[test]
    fn only_what_nobody_else_moved_is_made_up_for() {
        let table = [
            ("the group never committed, and still did not", None, None, Some(SAFE)),
            ("the first commit arrived, its answer did not", None, Some(30), Some(SAFE)),
            ("the group was set to where it began", None, Some(10), None),
            ("the group was set to before that", None, Some(0), None),
            ("the group stands where it was left", Some(20), Some(20), Some(SAFE)),
            ("a later commit arrived, its answer did not", Some(20), Some(40), Some(SAFE)),
            ("all of it arrived", Some(20), Some(SAFE), Some(SAFE)),
            ("another member went further", Some(20), Some(51), None),
            ("the group was set back", Some(20), Some(19), None),
            ("the offsets were removed", Some(20), None, None),
        ];
        for (what, left, now, expected) in table {
            assert_eq!(taken(left, now, 60), expected, "{what}");
        }
        assert_eq!(taken(Some(20), Some(20), 49), None, "the topic is another one by now");
    }
}
