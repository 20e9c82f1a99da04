//! A task's share of the group's partitions: what it reads, what it must give away, what it may commit. No IO: events in, what to do out.
//!
//! | event | partition becomes | then |
//! |---|---|---|
//! | assigned | reading | it has a new number, and a position |
//! | revoked | leaving: not read, commits go on | when all of the revocation are released, librdkafka is told |
//! | lost | lost: not read, commits are refused | the same |
//! | released | gone | its number never comes again |

use std::collections::BTreeMap;
use std::sync::Arc;

use kpipe_engine::connector::Assigned;
use kpipe_engine::position::{Delta, PartitionId, Position};

/// A partition by its name in the cluster.
pub(super) type Named = (Arc<str>, i32);

/// What a task reads.
#[derive(Debug, Default)]
pub(super) struct Share {
    partitions: BTreeMap<PartitionId, Partition>,
    next_id: u32,
    /// What librdkafka wants to hear when everything of a revocation is released.
    revocation: Vec<Named>,
}

/// A partition of the share.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) name: Named,
    pub(super) state: State,
    /// The next position that a batch starts at.
    pub(super) position: Position,
    /// Its end when it was assigned.
    pub(super) end: Position,
    /// Where it started, and where the group stood as far as this member knows.
    pub(super) start: Position,
    pub(super) committed: Option<Position>,
}

/// How far a partition is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is read.
    Reading,
    /// It is given away as soon as the task has let go.
    Leaving,
    /// It belongs to somebody else.
    Lost,
}

/// Where a partition that is assigned starts and ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) name: Named,
    pub(super) position: Position,
    pub(super) end: Position,
    /// Where the group stands, if it ever committed.
    pub(super) committed: Option<Position>,
}

impl Share {
    /// Takes partitions in.
    pub(super) fn assign(&mut self, starts: Vec<Start>) -> Vec<Assigned> {
        let mut assigned = Vec::with_capacity(starts.len());
        for Start { name, position, end, committed } in starts {
            let id = PartitionId(self.next_id);
            self.next_id += 1;
            let (topic, partition) = (Arc::clone(&name.0), name.1);
            assigned.push(Assigned { id, topic, partition, start: Some(position), end: Some(end) });
            self.partitions.insert(id, Partition { name, state: State::Reading, position, end, start: position, committed });
        }
        assigned
    }

    /// Partitions must go, or are gone if `lost`. Returns their numbers; those that this task does not have need no release.
    pub(super) fn revoke(&mut self, names: &[Named], lost: bool) -> Vec<PartitionId> {
        let state = if lost { State::Lost } else { State::Leaving };
        let mut ids = Vec::with_capacity(names.len());
        for (id, partition) in &mut self.partitions {
            if names.contains(&partition.name) {
                partition.state = state;
                ids.push(*id);
            }
        }
        self.revocation.extend_from_slice(names);
        ids
    }

    /// The task let go of these. Returns what librdkafka may take, once nothing of the revocation is held any more.
    pub(super) fn release(&mut self, ids: &[PartitionId]) -> Option<Vec<Named>> {
        for id in ids {
            if self.partitions.get(id).is_some_and(|partition| partition.state != State::Reading) {
                self.partitions.remove(id);
            }
        }
        let held = self.partitions.values().any(|partition| partition.state != State::Reading);
        (!held && !self.revocation.is_empty()).then(|| std::mem::take(&mut self.revocation))
    }

    /// A batch was handed over up to `end`: what it covers, the gap before its first record included.
    pub(super) fn advance(&mut self, id: PartitionId, end: Position) -> Option<Delta> {
        let partition = self.partitions.get_mut(&id)?;
        let start = partition.position;
        partition.position = end.max(start);
        Some(Delta::new(start, partition.position))
    }

    /// The group stands here now.
    pub(super) fn confirmed(&mut self, id: PartitionId, position: Position) {
        if let Some(partition) = self.partitions.get_mut(&id) {
            partition.committed = Some(position);
        }
    }

    /// The partition of this number.
    pub(super) fn get(&self, id: PartitionId) -> Option<&Partition> {
        self.partitions.get(&id)
    }

    /// The number of a partition.
    pub(super) fn id(&self, topic: &str, partition: i32) -> Option<PartitionId> {
        self.iter().find(|(_, held)| held.name.1 == partition && &*held.name.0 == topic).map(|(id, _)| id)
    }

    /// All partitions with their numbers, those on their way out included.
    pub(super) fn iter(&self) -> impl Iterator<Item = (PartitionId, &Partition)> {
        self.partitions.iter().map(|(id, partition)| (*id, partition))
    }

    /// Everything that has to go if the member leaves now.
    pub(super) fn pending(&self) -> &[Named] {
        &self.revocation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(topic: &str, partition: i32) -> Named {
        (Arc::from(topic), partition)
    }

    fn start(topic: &str, partition: i32, position: i64) -> Start {
        Start { name: named(topic, partition), position: Position(position), end: Position(100), committed: None }
    }

    fn states(share: &Share) -> Vec<(u32, State)> {
        share.iter().map(|(id, partition)| (id.0, partition.state)).collect()
    }

    #[test]
    fn numbers_are_handed_out_once() {
        let mut share = Share::default();
        let first = share.assign(vec![start("t", 0, 5), start("t", 1, 7)]);
        assert_eq!(
            first.iter().map(|held| (held.id.0, held.partition, held.start)).collect::<Vec<_>>(),
            [(0, 0, Some(Position(5))), (1, 1, Some(Position(7)))]
        );
        let ids = share.revoke(&[named("t", 1)], false);
        assert_eq!(share.release(&ids), Some(vec![named("t", 1)]));
        let again = share.assign(vec![start("t", 1, 9)]);
        assert_eq!((again[0].id, share.id("t", 1), share.id("t", 0)), (PartitionId(2), Some(PartitionId(2)), Some(PartitionId(0))));
        assert_eq!(share.id("u", 0), None);
    }

    #[test]
    fn a_revocation_ends_when_all_of_it_is_released() {
        let mut share = Share::default();
        share.assign(vec![start("t", 0, 0), start("t", 1, 0), start("t", 2, 0)]);
        let ids = share.revoke(&[named("t", 0), named("t", 2)], false);
        assert_eq!(ids, [PartitionId(0), PartitionId(2)]);
        assert_eq!(states(&share), [(0, State::Leaving), (1, State::Reading), (2, State::Leaving)]);
        assert_eq!(share.release(&ids[..1]), None);
        assert_eq!(share.release(&[PartitionId(1)]), None, "what nobody asked for stays");
        assert_eq!(share.pending().len(), 2);
        assert_eq!(share.release(&ids[1..]), Some(vec![named("t", 0), named("t", 2)]));
        assert_eq!(states(&share), [(1, State::Reading)]);
        assert_eq!(share.release(&[]), None, "only once");
    }

    #[test]
    fn lost_partitions_are_released_too() {
        let mut share = Share::default();
        share.assign(vec![start("t", 0, 0)]);
        let ids = share.revoke(&[named("t", 0), named("t", 7)], true);
        assert_eq!(states(&share), [(0, State::Lost)]);
        assert_eq!(share.release(&ids), Some(vec![named("t", 0), named("t", 7)]));
        assert_eq!(share.iter().count(), 0);
    }

    #[test]
    fn deltas_join_without_a_gap() {
        let mut share = Share::default();
        share.assign(vec![start("t", 0, 10)]);
        let id = PartitionId(0);
        let delta = |start, end| Some(Delta::new(Position(start), Position(end)));
        assert_eq!(share.advance(id, Position(20)), delta(10, 20));
        assert_eq!(share.advance(id, Position(25)), delta(20, 25), "records 22..25: the gap before them is covered");
        assert_eq!(share.advance(id, Position(25)), delta(25, 25));
        assert_eq!(share.advance(id, Position(3)), delta(25, 25), "never backwards");
        assert_eq!(share.advance(PartitionId(9), Position(3)), None);
    }

    #[test]
    fn a_partition_knows_where_the_group_stands_until_it_goes() {
        let mut share = Share::default();
        let known = |share: &Share, id: u32| share.get(PartitionId(id)).map(|held| (held.start.0, held.committed.map(|at| at.0)));
        share.assign(vec![start("t", 0, 10), Start { committed: Some(Position(20)), ..start("t", 1, 20) }]);
        assert_eq!((known(&share, 0), known(&share, 1)), (Some((10, None)), Some((20, Some(20)))));
        share.confirmed(PartitionId(0), Position(15));
        share.confirmed(PartitionId(9), Position(1));
        share.advance(PartitionId(0), Position(40));
        assert_eq!(known(&share, 0), Some((10, Some(15))), "reading on confirms nothing");
        let ids = share.revoke(&[named("t", 0)], true);
        share.confirmed(PartitionId(0), Position(40));
        assert_eq!(known(&share, 0), Some((10, Some(40))), "an answer that was under way still counts");
        share.release(&ids);
        assert_eq!((known(&share, 0), known(&share, 1)), (None, Some((20, Some(20)))));
    }
}
