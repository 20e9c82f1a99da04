//! A task's share of the group's partitions: what it reads, what it must give away, what it may commit. No IO: events in, what to do out.
//!
//! | event | partition becomes | then |
//! |---|---|---|
//! | assigned | reading | it has a new number, and a position |
//! | assigned, and the sink says where it starts | waiting: librdkafka does not have it yet | reading when it began |
//! | revoked | leaving: not read, commits go on | when all of the revocation are released, librdkafka is told |
//! | lost | lost: not read, commits are refused | the same |
//! | released | gone | its number never comes again |

use std::collections::BTreeMap;
use std::sync::Arc;

use kpipe_engine::connector::{Assigned, NO_IDENTITY};
use kpipe_engine::position::{Delta, PartitionId, Position};

/// A partition by its name in the cluster.
pub(super) type Named = (Arc<str>, i32);

/// What a task reads.
#[derive(Debug, Default)]
pub(super) struct Share {
    partitions: BTreeMap<PartitionId, Partition>,
    next_id: u32,
    /// What librdkafka wants to hear when everything of a revocation is released: without those that it never had.
    revocation: Option<Vec<Named>>,
}

/// A partition of the share.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) name: Named,
    pub(super) state: State,
    /// The next position that a batch starts at.
    pub(super) position: Position,
    /// The oldest position that it held and its end when it was assigned.
    pub(super) low: Position,
    pub(super) end: Position,
    /// Where it started, and where the group stood as far as this member knows.
    pub(super) start: Position,
    pub(super) committed: Option<Position>,
}

/// How far a partition is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The sink has not said yet where it starts.
    Waiting,
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
    /// The oldest position there is.
    pub(super) low: Position,
    pub(super) end: Position,
    /// Where the group stands, if it ever committed.
    pub(super) committed: Option<Position>,
}

impl Share {
    /// Takes partitions in, to be read at once or when they begin.
    pub(super) fn assign(&mut self, starts: Vec<Start>, state: State) -> Vec<Assigned> {
        let mut assigned = Vec::with_capacity(starts.len());
        for Start { name, position, low, end, committed } in starts {
            let id = PartitionId(self.next_id);
            self.next_id += 1;
            let (topic, partition) = (Arc::clone(&name.0), name.1);
            let identity = NO_IDENTITY.into();
            assigned.push(Assigned { id, topic, partition, start: Some(position), end: Some(end), committed, identity, bookmark: None });
            self.partitions.insert(id, Partition { name, state, position, low, end, start: position, committed });
        }
        assigned
    }

    /// Partitions must go, or are gone if `lost`. Returns their numbers; those that this task does not have need no release.
    pub(super) fn revoke(&mut self, names: &[Named], lost: bool) -> Vec<PartitionId> {
        let state = if lost { State::Lost } else { State::Leaving };
        let (mut ids, mut gone) = (Vec::with_capacity(names.len()), names.to_vec());
        for (id, partition) in &mut self.partitions {
            if names.contains(&partition.name) {
                if partition.state == State::Waiting {
                    gone.retain(|name| *name != partition.name);
                }
                partition.state = state;
                ids.push(*id);
            }
        }
        self.revocation.get_or_insert_default().append(&mut gone);
        ids
    }

    /// The task let go of these. Returns what librdkafka may take, once nothing of the revocation is held any more.
    pub(super) fn release(&mut self, ids: &[PartitionId]) -> Option<Vec<Named>> {
        for id in ids {
            if self.partitions.get(id).is_some_and(|partition| partition.state.is_going()) {
                self.partitions.remove(id);
            }
        }
        let held = self.partitions.values().any(|partition| partition.state.is_going());
        if held { None } else { self.revocation.take() }
    }

    /// A partition that waited is read from here on.
    pub(super) fn begin(&mut self, id: PartitionId, position: Position) {
        if let Some(partition) = self.partitions.get_mut(&id).filter(|partition| partition.state == State::Waiting) {
            (partition.state, partition.position, partition.start) = (State::Reading, position, position);
        }
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

    /// Everything that has to go if the member leaves now; `None` if librdkafka waits for nothing.
    pub(super) fn pending(&self) -> Option<&[Named]> {
        self.revocation.as_deref()
    }
}

impl State {
    /// It is on its way out.
    pub(super) fn is_going(self) -> bool {
        match self {
            Self::Waiting | Self::Reading => false,
            Self::Leaving | Self::Lost => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(topic: &str, partition: i32) -> Named {
        (Arc::from(topic), partition)
    }

    fn start(topic: &str, partition: i32, position: i64) -> Start {
        Start { name: named(topic, partition), position: Position(position), low: Position(0), end: Position(100), committed: None }
    }

    fn states(share: &Share) -> Vec<(u32, State)> {
        share.iter().map(|(id, partition)| (id.0, partition.state)).collect()
    }

    #[test]
    fn numbers_are_handed_out_once() {
        let mut share = Share::default();
        let first = share.assign(vec![start("t", 0, 5), start("t", 1, 7)], State::Reading);
        assert_eq!(
            first.iter().map(|held| (held.id.0, held.partition, held.start)).collect::<Vec<_>>(),
            [(0, 0, Some(Position(5))), (1, 1, Some(Position(7)))]
        );
        let ids = share.revoke(&[named("t", 1)], false);
        assert_eq!(share.release(&ids), Some(vec![named("t", 1)]));
        let again = share.assign(vec![start("t", 1, 9)], State::Reading);
        assert_eq!((again[0].id, share.id("t", 1), share.id("t", 0)), (PartitionId(2), Some(PartitionId(2)), Some(PartitionId(0))));
        assert_eq!(share.id("u", 0), None);
    }

    #[test]
    fn a_revocation_ends_when_all_of_it_is_released() {
        let mut share = Share::default();
        share.assign(vec![start("t", 0, 0), start("t", 1, 0), start("t", 2, 0)], State::Reading);
        let ids = share.revoke(&[named("t", 0), named("t", 2)], false);
        assert_eq!(ids, [PartitionId(0), PartitionId(2)]);
        assert_eq!(states(&share), [(0, State::Leaving), (1, State::Reading), (2, State::Leaving)]);
        assert_eq!(share.release(&ids[..1]), None);
        assert_eq!(share.release(&[PartitionId(1)]), None, "what nobody asked for stays");
        assert_eq!(share.pending().map(<[Named]>::len), Some(2));
        assert_eq!(share.release(&ids[1..]), Some(vec![named("t", 0), named("t", 2)]));
        assert_eq!(states(&share), [(1, State::Reading)]);
        assert_eq!(share.release(&[]), None, "only once");
    }

    #[test]
    fn a_partition_that_never_began_is_not_given_back_to_librdkafka() {
        let mut share = Share::default();
        share.assign(vec![start("t", 0, 5), start("t", 1, 5), start("t", 2, 5)], State::Waiting);
        share.begin(PartitionId(1), Position(70));
        share.begin(PartitionId(1), Position(3));
        share.begin(PartitionId(9), Position(3));
        let began = share.get(PartitionId(1)).map(|held| (held.state, held.position.0, held.start.0));
        assert_eq!(began, Some((State::Reading, 70, 70)), "once");
        assert_eq!(share.release(&[PartitionId(0)]), None, "nobody asked for it");
        let ids = share.revoke(&[named("t", 0), named("t", 1)], false);
        share.begin(PartitionId(0), Position(7));
        assert_eq!(states(&share), [(0, State::Leaving), (1, State::Leaving), (2, State::Waiting)]);
        assert_eq!(share.release(&ids), Some(vec![named("t", 1)]));
        let ids = share.revoke(&[named("t", 2)], true);
        assert_eq!(share.release(&ids), Some(vec![]), "librdkafka waits for an answer all the same");
        assert_eq!(share.release(&ids), None);
    }

    #[test]
    fn lost_partitions_are_released_too() {
        let mut share = Share::default();
        share.assign(vec![start("t", 0, 0)], State::Reading);
        let ids = share.revoke(&[named("t", 0), named("t", 7)], true);
        assert_eq!(states(&share), [(0, State::Lost)]);
        assert_eq!(share.release(&ids), Some(vec![named("t", 0), named("t", 7)]));
        assert_eq!(share.iter().count(), 0);
    }

    #[test]
    fn deltas_join_without_a_gap() {
        let mut share = Share::default();
        share.assign(vec![start("t", 0, 10)], State::Reading);
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
        share.assign(vec![start("t", 0, 10), Start { committed: Some(Position(20)), ..start("t", 1, 20) }], State::Reading);
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
