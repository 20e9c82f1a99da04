//! Offset commits on their way: at most one request at a time, always with the newest positions. No IO.

use std::collections::BTreeMap;

use kpipe_engine::position::{PartitionId, Position};

/// Positions that wait to be committed or confirmed.
#[derive(Debug, Default)]
pub(super) struct Commits {
    wanted: BTreeMap<PartitionId, Position>,
    sent: BTreeMap<PartitionId, Position>,
}

impl Commits {
    /// A position may be committed.
    pub(super) fn want(&mut self, id: PartitionId, position: Position) {
        let newest = self.wanted.entry(id).or_insert(position);
        *newest = position.max(*newest);
    }

    /// What to send now: nothing while a request is out, so that many small commits become few.
    pub(super) fn next(&mut self) -> Option<&BTreeMap<PartitionId, Position>> {
        if !self.sent.is_empty() || self.wanted.is_empty() {
            return None;
        }
        self.sent = std::mem::take(&mut self.wanted);
        Some(&self.sent)
    }

    /// The answer to the request: everything but `again` is confirmed, and that is sent once more unless something newer is wanted.
    pub(super) fn answered(&mut self, again: &[PartitionId]) -> Vec<(PartitionId, Position)> {
        let (again, confirmed): (Vec<_>, Vec<_>) = std::mem::take(&mut self.sent).into_iter().partition(|(id, _)| again.contains(id));
        again.into_iter().for_each(|(id, position)| self.want(id, position));
        confirmed
    }

    /// The request could not be sent at all.
    pub(super) fn unsent(&mut self) {
        let all: Vec<_> = self.sent.keys().copied().collect();
        self.answered(&all);
    }

    /// A partition is gone: nothing of it is sent any more. Returns what was not confirmed.
    pub(super) fn forget(&mut self, id: PartitionId) -> Option<Position> {
        self.wanted.remove(&id).max(self.sent.remove(&id))
    }

    /// True if something of these partitions is not confirmed.
    pub(super) fn holds(&self, ids: &[PartitionId]) -> bool {
        ids.iter().any(|id| self.wanted.contains_key(id) || self.sent.contains_key(id))
    }

    /// True if everything is confirmed.
    pub(super) fn is_settled(&self) -> bool {
        self.wanted.is_empty() && self.sent.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: PartitionId = PartitionId(0);
    const B: PartitionId = PartitionId(1);

    fn sent(commits: &mut Commits) -> Option<Vec<(PartitionId, i64)>> {
        commits.next().map(|sent| sent.iter().map(|(id, position)| (*id, position.0)).collect())
    }

    #[test]
    fn small_commits_become_one() {
        let mut commits = Commits::default();
        assert_eq!(sent(&mut commits), None);
        commits.want(A, Position(5));
        assert_eq!(sent(&mut commits), Some(vec![(A, 5)]));
        commits.want(A, Position(6));
        commits.want(A, Position(9));
        commits.want(B, Position(1));
        assert_eq!(sent(&mut commits), None, "one request at a time");
        assert_eq!(commits.answered(&[]), [(A, Position(5))]);
        assert_eq!(sent(&mut commits), Some(vec![(A, 9), (B, 1)]));
        assert!(!commits.is_settled());
        commits.answered(&[]);
        assert!(commits.is_settled());
    }

    #[test]
    fn what_failed_for_now_is_sent_again_unless_something_newer_is_there() {
        let mut commits = Commits::default();
        commits.want(A, Position(5));
        commits.want(B, Position(5));
        sent(&mut commits);
        commits.want(A, Position(8));
        commits.answered(&[A, B]);
        assert_eq!(sent(&mut commits), Some(vec![(A, 8), (B, 5)]));
        commits.unsent();
        assert_eq!(sent(&mut commits), Some(vec![(A, 8), (B, 5)]));
    }

    #[test]
    fn a_partition_that_is_gone_holds_nothing_up() {
        let mut commits = Commits::default();
        commits.want(A, Position(5));
        sent(&mut commits);
        commits.want(A, Position(6));
        assert!(commits.holds(&[B, A]) && !commits.holds(&[B]));
        assert_eq!(commits.forget(A), Some(Position(6)), "the newest that was not confirmed");
        assert!(commits.is_settled());
        assert_eq!(commits.forget(A), None);
    }
}
