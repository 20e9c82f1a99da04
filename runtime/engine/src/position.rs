//! Positions, deltas and checkpoints: the algebra that delivery rests on.
//!
//! | checkpoint at | delta | result |
//! |---|---|---|
//! | 10 | `[10, 20)` | 20 |
//! | 10 | `[12, 20)` | 20; the gap is what the source skipped (transaction markers, compaction) |
//! | 10 | `[8, 20)` | refused: `[8, 10)` counts already |
//!
//! Intervals are half-open, as a committed Kafka offset is: the end is the next position to read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A source partition within one task: a small number that the source hands out on assignment and never reuses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PartitionId(pub u32);

impl std::fmt::Debug for PartitionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "partition#{}", self.0)
    }
}

/// The number of a record in its source partition: a Kafka offset, a byte position, a local sequence number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position(pub i64);

impl std::fmt::Debug for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "@{}", self.0)
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The half-open interval `[start, end)` that a batch moves its source partition over.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Delta {
    /// The first position covered.
    pub start: Position,
    /// The next position to read.
    pub end: Position,
}

impl std::fmt::Debug for Delta {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{}, {})", self.start, self.end)
    }
}

impl Delta {
    /// `[start, end)`.
    #[must_use]
    pub fn new(start: Position, end: Position) -> Self {
        debug_assert!(start <= end, "a delta cannot go backwards");
        Self { start, end }
    }

    /// This delta and the one that follows it.
    ///
    /// # Errors
    /// [`Overlap`] if `next` starts before this one ends.
    pub fn then(self, next: Self) -> Result<Self, Overlap> {
        if next.start < self.end {
            return Err(Overlap { checkpoint: self.end, delta: next });
        }
        Ok(Self::new(self.start, next.end))
    }
}

/// An interval that counts already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("positions {delta:?} overlap what is committed up to {checkpoint}")]
pub struct Overlap {
    /// The next position that does not count yet.
    pub checkpoint: Position,
    /// The interval that was refused.
    pub delta: Delta,
}

/// The next position to read of each source partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    positions: BTreeMap<PartitionId, Position>,
}

impl Checkpoint {
    /// Starts a partition at a position, as its source says on assignment.
    pub fn assign(&mut self, partition: PartitionId, position: Position) {
        self.positions.insert(partition, position);
    }

    /// Forgets a partition that was given away.
    pub fn release(&mut self, partition: PartitionId) {
        self.positions.remove(&partition);
    }

    /// The next position to read of a partition.
    #[must_use]
    pub fn position(&self, partition: PartitionId) -> Option<Position> {
        self.positions.get(&partition).copied()
    }

    /// Moves a partition over an interval.
    ///
    /// # Errors
    /// [`Overlap`] if part of the interval counts already; nothing is changed then.
    pub fn try_apply(&mut self, partition: PartitionId, delta: Delta) -> Result<(), Overlap> {
        let position = self.positions.entry(partition).or_insert(delta.start);
        if delta.start < *position {
            return Err(Overlap { checkpoint: *position, delta });
        }
        *position = delta.end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delta(start: i64, end: i64) -> Delta {
        Delta::new(Position(start), Position(end))
    }

    #[test]
    fn a_checkpoint_follows_the_table() {
        let mut checkpoint = Checkpoint::default();
        let partition = PartitionId(0);
        checkpoint.assign(partition, Position(10));
        assert_eq!(checkpoint.try_apply(partition, delta(10, 20)), Ok(()));
        assert_eq!(checkpoint.try_apply(partition, delta(22, 30)), Ok(()));
        assert_eq!(checkpoint.position(partition), Some(Position(30)));
        let refused = checkpoint.try_apply(partition, delta(28, 40));
        assert_eq!(refused, Err(Overlap { checkpoint: Position(30), delta: delta(28, 40) }));
        assert_eq!(checkpoint.position(partition), Some(Position(30)), "a refused delta changes nothing");
    }

    #[test]
    fn deltas_join_in_order_only() {
        assert_eq!(delta(1, 3).then(delta(3, 5)), Ok(delta(1, 5)));
        assert_eq!(delta(1, 3).then(delta(4, 5)), Ok(delta(1, 5)));
        assert!(delta(1, 3).then(delta(2, 5)).is_err());
    }
}
