//! Moves the position of partitions by hand: a record of its own, so that nothing is silent and no running worker commits past it.

use bytes::Bytes;

use super::audit::Audited;
use super::chain::{Chain, chains};
use super::keys::Scope;
use super::log::Name;
use super::record::{FileEntry, Kind, Marks, RESET, Record, RecordNumber};
use crate::connector::{Created, FileStore, IfExists, PartitionInspection};
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
pub struct Move {
    /// Where its ledger ends now.
    pub from: Position,
    /// Where it goes on.
    pub to: Position,
    /// The newest record.
    head: Record,
    chain: Chain,
}

impl Move {
    /// Positions that are read again, and that are skipped.
    #[must_use]
    pub fn cost(&self) -> (u64, u64) {
        let (from, to) = (self.from.0, self.to.0);
        (u64::try_from(from - to).unwrap_or(0), u64::try_from(to - from).unwrap_or(0))
    }

    /// Which partition: `orders[3]`.
    #[must_use]
    pub fn name(&self) -> String {
        self.chain.scope.to_string()
    }
}

/// What a reset would do, partition by partition; those that stay where they are are left out. `only` names partitions as `orders[3]`; empty:
/// all that have a ledger.
///
/// # Errors
/// A store cannot be asked, a ledger cannot be read, a target lies outside of what the source holds, or `only` names what has no ledger.
pub async fn plan(audited: &Audited, target: Target, only: &[String]) -> Result<Vec<Move>, ConnectorError> {
    let store = store(audited)?;
    let mut moves = Vec::new();
    let mut known = Vec::new();
    for chain in chains(audited).await? {
        let name = chain.scope.to_string();
        let is_it =
            |partition: &&PartitionInspection| *partition.topic == *chain.scope.topic && partition.partition == chain.scope.partition;
        let is_wanted = only.is_empty() || only.contains(&name);
        if let (Some(partition), true) = (audited.source.iter().find(is_it), is_wanted) {
            let to = position(partition, &chain.scope, target)?;
            // A bookmark that names no record is to name one again, also where nothing moves.
            if let Some(head) = chain.head(store).await?.filter(|head| head.end != to || chain.is_forgotten) {
                moves.push(Move { from: head.end, to, head, chain });
            }
        }
        known.push(name);
    }
    match only.iter().find(|name| !known.contains(name)) {
        Some(name) => {
            let message = format!("there is no ledger of {name}");
            Err(ConnectorError::new(ErrorKind::Invalid, message).help(format!("there are those of {}", known.join(", "))))
        }
        None => Ok(moves),
    }
}

/// Completes what was committed and is not visible, then writes the record of a move. A worker that has the partition is fenced by it, and
/// begins there.
///
/// # Errors
/// Another worker wrote a record since the plan was made; a committed file is gone and is not read again either; the store cannot be asked.
pub async fn reset(audited: &Audited, step: &Move, random: &Random) -> Result<(), ConnectorError> {
    let store = store(audited)?;
    let Move { from: _, to, head, chain } = step;
    for n in (head.completed_through.next().0..=head.n.0).map(RecordNumber) {
        for file in chain.record(store, n).await?.files {
            publish(audited, step, n, &file).await?;
        }
    }
    let marks = Marks {
        owner: "offsets".to_owned(),
        nonce: format!("{:016x}{:016x}", random.next(), random.next()),
        plan: head.plan.clone(),
        reason: RESET.to_owned(),
        completed_through: head.n,
        is_named: head.previous.is_some(),
    };
    let record = Record::after(Some(head), Kind::Reset, *to, marks);
    let bytes = Bytes::from(record.to_bytes().map_err(|error| ConnectorError::new(ErrorKind::Bug, error.to_string()))?);
    let key = chain.scope.key_of(&record);
    if let Some(bookmark) = &chain.bookmark {
        store.put(&key, bytes).await?;
        return bookmark.write(Name::mark(&record)).await;
    }
    match store.create(&key, bytes).await? {
        Created::New => Ok(()),
        Created::Exists => {
            let message = format!("{}: a worker wrote record {} of the ledger meanwhile", chain.scope, record.n);
            Err(ConnectorError::new(ErrorKind::Fenced, message).help("stop the pipeline, or try again"))
        }
    }
}

/// Makes a committed file visible. One whose upload is gone has to be read again.
async fn publish(audited: &Audited, step: &Move, n: RecordNumber, file: &FileEntry) -> Result<(), ConnectorError> {
    let Some((store, _)) = audited.outputs.get(&file.bucket) else {
        let message =
            format!("{}: record {n} of the ledger names bucket \"{}\", which no statement writes to", step.chain.scope, file.bucket);
        return Err(ConnectorError::new(ErrorKind::Fenced, message));
    };
    match store.complete(&file.key, &file.upload, &file.parts, IfExists::Keep).await {
        Err(error) if error.kind == ErrorKind::Missing && file.first >= step.to => Ok(()),
        Err(error) if error.kind == ErrorKind::Missing => {
            let FileEntry { key, first, last, .. } = file;
            let message = format!("{}: {key} is gone, and positions {first} to {last} would be in no object: {error}", step.chain.scope);
            Err(ConnectorError::new(ErrorKind::Fenced, message).help(format!("reset with `--to {first}` or lower")))
        }
        completed => completed.map(drop),
    }
}

fn store(audited: &Audited) -> Result<&dyn FileStore, ConnectorError> {
    let found = audited.outputs.get(&audited.bucket).map(|(store, _)| store.as_ref());
    found.ok_or_else(|| ConnectorError::new(ErrorKind::Bug, "a pipeline without a store"))
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
