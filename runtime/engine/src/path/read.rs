//! The read stage: checks what a source hands over before anything is done with it, and knows where each partition stands.

use std::collections::BTreeMap;

use crate::connector::Assigned;
use crate::error::{ConnectorError, ErrorKind};
use crate::event::{PartitionName, Progress};
use crate::position::{PartitionId, Position};
use crate::records::RawBatch;

/// The partitions of a task, from their assignment to their release.
#[derive(Debug, Default)]
pub(crate) struct Partitions {
    known: BTreeMap<PartitionId, Partition>,
    was_assigned: bool,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) name: PartitionName,
    /// Where it stands.
    pub(crate) progress: Progress,
    /// The end as it was on assignment.
    goal: Option<Position>,
}

impl Partitions {
    /// The source gave partitions to the task.
    pub(crate) fn assign(&mut self, assigned: &[Assigned]) -> Result<(), ConnectorError> {
        self.was_assigned = true;
        for Assigned { id, topic, partition, start, end, committed: _, identity: _, bookmark: _ } in assigned {
            let name = PartitionName { topic: topic.clone(), partition: *partition };
            let progress = Progress { end: *end, next: *start, committed: *start };
            if self.known.insert(*id, Partition { name, progress, goal: *end }).is_some() {
                return Err(bug(format!("the source assigned {id:?} twice")));
            }
        }
        Ok(())
    }

    /// Where these begin is not known yet, whatever the source says.
    pub(crate) fn wait(&mut self, assigned: &[Assigned]) {
        for partition in assigned {
            self.begun(partition.id, None);
        }
    }

    /// Where a partition begins, as the sink knows it.
    pub(crate) fn begin(&mut self, id: PartitionId, start: Position) {
        self.begun(id, Some(start));
    }

    fn begun(&mut self, id: PartitionId, start: Option<Position>) {
        if let Some(partition) = self.known.get_mut(&id) {
            (partition.progress.next, partition.progress.committed) = (start, start);
        }
    }

    /// They are not the task's any more.
    pub(crate) fn release(&mut self, ids: &[PartitionId]) -> Vec<PartitionName> {
        ids.iter().filter_map(|id| self.known.remove(id)).map(|partition| partition.name).collect()
    }

    /// Checks a batch and moves the reading position over it.
    pub(crate) fn read(&mut self, batch: &RawBatch) -> Result<&Partition, ConnectorError> {
        let RawBatch { partition, delta, routes: _, records, bytes: _ } = batch;
        let Some(known) = self.known.get_mut(partition) else {
            return Err(bug(format!("a batch of {partition:?}, which is not assigned")));
        };
        if known.progress.next.is_some_and(|next| delta.start < next) {
            let next = known.progress.next.unwrap_or(delta.start);
            let message = format!("{} came again from {}, read up to {next}", known.name, delta.start);
            return Err(bug(message));
        }
        if !records.is_empty() {
            let (first, last) = (records.position(0), records.position(records.len() - 1));
            if first < delta.start || last >= delta.end || first > last {
                return Err(bug(format!("{}: records from {first} to {last} lie outside {delta:?}", known.name)));
            }
        }
        known.progress.committed.get_or_insert(delta.start);
        known.progress.next = Some(delta.end);
        Ok(known)
    }

    /// Everything below a position is safe.
    pub(crate) fn committed(&mut self, id: PartitionId, position: Position) {
        if let Some(partition) = self.known.get_mut(&id) {
            partition.progress.committed = Some(position);
        }
    }

    /// The ends as the source knows them now. A partition whose end was not known on assignment gets its goal here.
    pub(crate) fn ends(&mut self, ends: &[(PartitionId, Position)]) {
        for (id, end) in ends {
            if let Some(partition) = self.known.get_mut(id) {
                partition.progress.end = Some(*end);
                partition.goal.get_or_insert(*end);
            }
        }
    }

    /// The name of a partition, whatever became of it.
    pub(crate) fn name(&self, id: PartitionId) -> PartitionName {
        self.known.get(&id).map_or_else(|| PartitionName { topic: "?".into(), partition: -1 }, |partition| partition.name.clone())
    }

    /// Where all of them stand.
    pub(crate) fn progress(&self) -> Vec<(PartitionName, Progress)> {
        self.known.values().map(|partition| (partition.name.clone(), partition.progress)).collect()
    }

    /// True if everything that was there on assignment is read.
    pub(crate) fn are_read(&self) -> bool {
        self.was_assigned && self.known.values().all(|partition| partition.reached(partition.progress.next))
    }

    /// True if everything that was there on assignment is committed.
    pub(crate) fn are_caught_up(&self) -> bool {
        self.was_assigned && self.known.values().all(|partition| partition.reached(partition.progress.committed))
    }
}

impl Partition {
    fn reached(&self, position: Option<Position>) -> bool {
        match (self.goal, position) {
            (Some(goal), Some(position)) => position >= goal,
            (Some(goal), None) => goal == Position(0),
            (None, _) => false,
        }
    }
}

fn bug(message: String) -> ConnectorError {
    ConnectorError::new(ErrorKind::Bug, message).retry(crate::error::Retry::Reopen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::NO_IDENTITY;
    use crate::fixture;

    fn assigned(start: i64, end: i64) -> Assigned {
        let (start, end) = (Some(Position(start)), Some(Position(end)));
        Assigned {
            id: PartitionId(0),
            topic: "orders".into(),
            partition: 3,
            start,
            end,
            committed: None,
            identity: NO_IDENTITY.into(),
            bookmark: None,
        }
    }

    fn partitions(start: i64, end: i64) -> Partitions {
        let mut partitions = Partitions::default();
        partitions.assign(&[assigned(start, end)]).unwrap();
        partitions
    }

    #[test]
    fn a_batch_must_follow_the_last_one() {
        let mut partitions = partitions(100, 110);
        partitions.read(&fixture::values(&["a", "b"])).unwrap();
        let again = partitions.read(&fixture::values(&["a", "b"])).unwrap_err();
        insta::assert_snapshot!(again, @"orders[3] came again from 100, read up to 102");
        assert_eq!(again.kind, ErrorKind::Bug);
    }

    #[test]
    fn a_batch_must_be_of_an_assigned_partition_and_hold_its_records() {
        let mut none = Partitions::default();
        assert!(none.read(&fixture::values(&["a"])).unwrap_err().message.contains("not assigned"));
        let mut wrong = fixture::values(&["a", "b"]);
        wrong.delta.end = Position(101);
        assert!(partitions(0, 0).read(&wrong).unwrap_err().message.contains("lie outside"));
        assert!(partitions(0, 0).assign(&[assigned(0, 0)]).unwrap_err().message.contains("twice"));
    }

    #[test]
    fn caught_up_means_committed_up_to_the_end_on_assignment() {
        let mut partitions = partitions(100, 102);
        assert!(!partitions.are_read());
        partitions.read(&fixture::values(&["a", "b"])).unwrap();
        partitions.ends(&[(PartitionId(0), Position(500))]);
        assert!(partitions.are_read() && !partitions.are_caught_up(), "a later end is no new goal");
        partitions.committed(PartitionId(0), Position(102));
        assert!(partitions.are_caught_up());
    }

    #[test]
    fn an_empty_partition_is_caught_up_and_no_assignment_is_not() {
        assert!(partitions(7, 7).are_caught_up());
        assert!(!Partitions::default().are_caught_up(), "perhaps the partitions are yet to come");
        let mut nothing = Partitions::default();
        nothing.assign(&[]).unwrap();
        assert!(nothing.are_caught_up(), "other workers have all of them");
    }

    #[test]
    fn released_partitions_are_forgotten() {
        let mut partitions = partitions(100, 102);
        assert_eq!(partitions.release(&[PartitionId(0), PartitionId(9)]).len(), 1);
        assert!(partitions.progress().is_empty());
    }
}
