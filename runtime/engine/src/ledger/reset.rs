//! Moves the position of partitions by hand: a record of its own, so that nothing is silent and no running worker commits past it.

use std::sync::Arc;

use bytes::Bytes;

use super::audit::{Audited, heads};
use super::keys::Scope;
use super::record::{Kind, Marks, RESET, Record};
use crate::connector::{Created, NO_IDENTITY, PartitionInspection};
use crate::env::Random;
use crate::error::{ConnectorError, ErrorKind};
use crate::position::Position;

/// Where partitions are moved to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The oldest record that the source has.
    Earliest,
    /// The next record to come.
    Latest,
    /// Where the group stands.
    Group,
    /// This position.
    At(Position),
}

/// A partition and where it is moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Which.
    pub scope: Arc<Scope>,
    /// Where the ledger ends now; `None`: nothing was committed yet.
    pub from: Option<Position>,
    /// Where it goes on.
    pub to: Position,
    /// The newest record.
    head: Option<Record>,
}

impl Move {
    /// Positions that are read again, and that are skipped.
    #[must_use]
    pub fn cost(&self) -> (u64, u64) {
        let from = self.from.unwrap_or(self.to);
        (u64::try_from(from.0 - self.to.0).unwrap_or(0), u64::try_from(self.to.0 - from.0).unwrap_or(0))
    }
}

/// What a reset would do, partition by partition; those that stay where they are are left out.
///
/// # Errors
/// A store cannot be asked, a ledger cannot be read, or a target lies outside of what the source holds.
pub async fn plan(audited: &Audited, target: Target) -> Result<Vec<Move>, ConnectorError> {
    let mut heads = heads(audited).await?;
    let mut moves = Vec::new();
    for partition in &audited.source {
        let is_it = |(scope, _): &(Arc<Scope>, Record)| *scope.topic == *partition.topic && scope.partition == partition.partition;
        let (scope, head) = match heads.iter().position(is_it) {
            Some(index) => {
                let (scope, head) = heads.swap_remove(index);
                (scope, Some(head))
            }
            None => (Arc::new(new_scope(audited, partition)), None),
        };
        let to = position(partition, &scope, target)?;
        let from = head.as_ref().map(|head| head.end);
        if from != Some(to) {
            moves.push(Move { scope, from, to, head });
        }
    }
    Ok(moves)
}

/// Writes the record of a move. A worker that has the partition is fenced by it, and begins there.
///
/// # Errors
/// Another worker wrote a record since the plan was made; the store cannot be asked.
pub async fn reset(audited: &Audited, step: &Move, random: &Random) -> Result<(), ConnectorError> {
    let Some((store, _)) = audited.outputs.get(&audited.bucket) else {
        return Err(ConnectorError::new(ErrorKind::Bug, "a pipeline without a store"));
    };
    let Some(head) = &step.head else {
        let message = format!("{}: there is no ledger yet; it begins where `from` of the source says", step.scope);
        return Err(ConnectorError::new(ErrorKind::Invalid, message));
    };
    let marks = Marks {
        owner: "offsets".to_owned(),
        nonce: format!("{:016x}{:016x}", random.next(), random.next()),
        plan: head.plan.clone(),
        reason: RESET.to_owned(),
        // What the head committed may not be visible: the next owner sees to it.
        completed_through: head.completed_through,
    };
    let record = Record::after(Some(head), Kind::Reset, step.to, marks);
    let bytes = record.to_bytes().map_err(|error| ConnectorError::new(ErrorKind::Bug, error.to_string()))?;
    let key = step.scope.key(record.n);
    match store.create(&key, Bytes::from(bytes)).await? {
        Created::New => Ok(()),
        Created::Exists => {
            let message = format!("{}: a worker wrote record {} of the ledger meanwhile", step.scope, record.n);
            Err(ConnectorError::new(ErrorKind::Fenced, message).help("stop the pipeline, or try again"))
        }
    }
}

fn new_scope(audited: &Audited, partition: &PartitionInspection) -> Scope {
    Scope {
        prefix: Arc::clone(&audited.prefix),
        pipeline: Arc::clone(&audited.pipeline),
        topic: partition.topic.as_str().into(),
        identity: NO_IDENTITY.into(),
        partition: partition.partition,
    }
}

fn position(partition: &PartitionInspection, scope: &Scope, target: Target) -> Result<Position, ConnectorError> {
    let PartitionInspection { low, high, committed, .. } = partition;
    match target {
        Target::Earliest => Ok(*low),
        Target::Latest => Ok(*high),
        Target::Group => committed.ok_or_else(|| ConnectorError::new(ErrorKind::Invalid, format!("{scope}: the group never committed"))),
        Target::At(at) if at >= *low && at <= *high => Ok(at),
        Target::At(at) => {
            let message = format!("{scope}: {at} is outside of what the topic holds, {low} to {high}");
            Err(ConnectorError::new(ErrorKind::Invalid, message))
        }
    }
}
