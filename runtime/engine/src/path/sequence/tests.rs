use super::*;
use crate::path::{Fence, RollReason};
use crate::position::{Delta, Position};

fn staged(partition: u32, id: u64) -> StagedSet {
    let delta = Delta::new(Position(0), Position(1));
    StagedSet { id: SetId(id), partition: PartitionId(partition), delta, reason: RollReason::Stop, files: Vec::new() }
}

fn closed(sequence: &mut Sequence, partition: u32, id: u64, dead_letter: Option<u64>) {
    sequence.closed(PartitionId(partition), SetId(id), dead_letter.map(Ticket), None);
}

fn ready(sequence: &mut Sequence) -> Vec<u64> {
    sequence.take_ready(|_| true).iter().map(|set| set.id.0).collect()
}

#[test]
fn sets_of_a_partition_are_committed_in_the_order_in_which_they_were_closed() {
    let mut sequence = Sequence::default();
    [1, 2, 3].into_iter().for_each(|id| closed(&mut sequence, 0, id, None));
    assert!(sequence.staged(staged(0, 3)).is_none() && sequence.staged(staged(0, 2)).is_none());
    assert!(ready(&mut sequence).is_empty(), "the first one is not staged");
    sequence.staged(staged(0, 1));
    assert_eq!(ready(&mut sequence), [1]);
    assert!(ready(&mut sequence).is_empty(), "one at a time");
    assert!(!sequence.committed(PartitionId(0), SetId(2)), "not its turn");
    assert!(sequence.committed(PartitionId(0), SetId(1)));
    assert_eq!(ready(&mut sequence), [2]);
    assert_eq!((sequence.len(), sequence.waiting(PartitionId(0))), (2, 2));
}

#[test]
fn partitions_do_not_wait_for_each_other() {
    let mut sequence = Sequence::default();
    closed(&mut sequence, 0, 1, None);
    closed(&mut sequence, 1, 2, None);
    sequence.staged(staged(1, 2));
    assert_eq!(ready(&mut sequence), [2]);
}

#[test]
fn a_set_waits_for_its_dead_letters() {
    let mut sequence = Sequence::default();
    closed(&mut sequence, 0, 1, Some(7));
    sequence.staged(staged(0, 1));
    assert!(sequence.take_ready(|ticket| ticket < Ticket(7)).is_empty());
    assert_eq!(sequence.take_ready(|ticket| ticket <= Ticket(7)).len(), 1);
}

#[test]
fn what_was_given_away_comes_back_to_be_cleaned_up() {
    let mut sequence = Sequence::default();
    [1, 2, 3].into_iter().for_each(|id| closed(&mut sequence, 0, id, None));
    sequence.staged(staged(0, 2));
    let back: Vec<u64> = sequence.discard(PartitionId(0)).iter().map(|set| set.id.0).collect();
    assert_eq!(back, [2]);
    assert!(sequence.staged(staged(0, 3)).is_some(), "nobody waits for it any more");
    assert!(!sequence.committed(PartitionId(0), SetId(1)) && !sequence.has(PartitionId(0), SetId(1)));
    closed(&mut sequence, 1, 4, None);
    sequence.staged(staged(1, 4));
    assert_eq!((sequence.discard_all().len(), sequence.len()), (1, 0));
}

#[test]
fn work_for_a_partition_that_was_given_away_is_not_wanted() {
    let mut sequence = Sequence::default();
    let (upload, commit) = (Fence::default(), Fence::default());
    sequence.closed(PartitionId(0), SetId(1), None, None);
    sequence.staged(staged(0, 1));
    assert_eq!(ready(&mut sequence), [1]);
    sequence.committing(PartitionId(0), commit.hold());
    sequence.closed(PartitionId(0), SetId(2), None, Some(upload.hold()));
    assert!(upload.is_up() && commit.is_up());
    sequence.discard(PartitionId(0));
    assert!(!upload.is_up() && !commit.is_up());
}
