//! The sequence stage: sets are uploaded at the same time and become ready in any order; they are committed in the order of their
//! deltas, one at a time per source partition, each when the dead letters of its records are acknowledged.

use std::collections::{BTreeMap, VecDeque};

use super::{Hold, SetId, StagedSet};
use crate::connector::Ticket;
#[cfg(test)]
use crate::planted::{PlantedBug, is_planted};
use crate::position::PartitionId;

/// The closed sets of a task that are not committed.
#[derive(Debug, Default)]
pub(crate) struct Sequence {
    partitions: BTreeMap<PartitionId, VecDeque<Slot>>,
}

#[derive(Debug)]
struct Slot {
    id: SetId,
    /// The last dead letter that was sent for it.
    dead_letter: Option<Ticket>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Held so that the upload goes on.
    Uploading {
        _hold: Option<Hold>,
    },
    Staged(StagedSet),
    /// Held so that the commit goes on.
    Committing {
        _hold: Option<Hold>,
    },
}

impl Sequence {
    /// A set was closed: its place in the order is now.
    pub(crate) fn closed(&mut self, partition: PartitionId, id: SetId, dead_letter: Option<Ticket>, hold: Option<Hold>) {
        let slots = self.partitions.entry(partition).or_default();
        debug_assert!(slots.back().is_none_or(|slot| slot.id < id), "sets are closed in order");
        slots.push_back(Slot { id, dead_letter, stage: Stage::Uploading { _hold: hold } });
    }

    /// A set is staged. It comes back if nobody waits for it: its partition was given away.
    pub(crate) fn staged(&mut self, set: StagedSet) -> Option<StagedSet> {
        let slot = self.partitions.get_mut(&set.partition).and_then(|slots| slots.iter_mut().find(|slot| slot.id == set.id));
        match slot {
            Some(slot) => {
                slot.stage = Stage::Staged(set);
                None
            }
            None => Some(set),
        }
    }

    /// Takes the sets that may be committed now. `is_acknowledged` says whether a dead letter and all before it are.
    pub(crate) fn take_ready(&mut self, is_acknowledged: impl Fn(Ticket) -> bool) -> Vec<StagedSet> {
        let mut ready = Vec::new();
        for slot in self.partitions.values_mut().filter_map(VecDeque::front_mut) {
            let waits = slot.dead_letter.is_some_and(|ticket| !is_acknowledged(ticket));
            #[cfg(test)]
            let waits = waits && !is_planted(PlantedBug::DeadLettersNotAwaited);
            if waits {
                continue;
            }
            match std::mem::replace(&mut slot.stage, Stage::Committing { _hold: None }) {
                Stage::Staged(set) => ready.push(set),
                other => slot.stage = other,
            }
        }
        ready
    }

    /// The commit of a set that was taken began.
    pub(crate) fn committing(&mut self, partition: PartitionId, hold: Hold) {
        if let Some(slot) = self.partitions.get_mut(&partition).and_then(VecDeque::front_mut) {
            slot.stage = Stage::Committing { _hold: Some(hold) };
        }
    }

    /// A set was committed. False if nobody waits for it.
    pub(crate) fn committed(&mut self, partition: PartitionId, id: SetId) -> bool {
        let Some(slots) = self.partitions.get_mut(&partition) else { return false };
        if slots.front().is_none_or(|slot| slot.id != id) {
            return false;
        }
        slots.pop_front();
        if slots.is_empty() {
            self.partitions.remove(&partition);
        }
        true
    }

    /// True if a set of the partition is in the order.
    pub(crate) fn has(&self, partition: PartitionId, id: SetId) -> bool {
        self.partitions.get(&partition).is_some_and(|slots| slots.iter().any(|slot| slot.id == id))
    }

    /// Forgets the sets of a partition; those that are staged come back, uploads and commits under way are given up.
    pub(crate) fn discard(&mut self, partition: PartitionId) -> Vec<StagedSet> {
        let slots = self.partitions.remove(&partition).unwrap_or_default();
        let staged = slots.into_iter().filter_map(|slot| match slot.stage {
            Stage::Staged(set) => Some(set),
            Stage::Uploading { .. } | Stage::Committing { .. } => None,
        });
        staged.collect()
    }

    /// Forgets everything, as [`Sequence::discard`].
    pub(crate) fn discard_all(&mut self) -> Vec<StagedSet> {
        let partitions: Vec<_> = self.partitions.keys().copied().collect();
        partitions.into_iter().flat_map(|partition| self.discard(partition)).collect()
    }

    /// Sets of a partition that are not committed.
    pub(crate) fn waiting(&self, partition: PartitionId) -> usize {
        self.partitions.get(&partition).map_or(0, VecDeque::len)
    }

    /// Sets that are not committed.
    pub(crate) fn len(&self) -> usize {
        self.partitions.values().map(VecDeque::len).sum()
    }
}

#[cfg(test)]
mod tests;
