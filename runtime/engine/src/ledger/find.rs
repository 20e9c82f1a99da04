//! Which object holds a position: `kpipe verify --offset`.
//!
//! A record of the ledger names the files of a set with the first and the last position of each, and how many records are in it. That is enough
//! to say which file holds a position where a file has all positions of its range, or begins or ends there. In a set with several folders the
//! ranges of its files cross; then only the candidates can be named, for files keep no positions of their own.

use std::sync::Arc;

use super::audit::{Audited, data_objects};
use super::chain::{Chain, chains};
use super::keys::{self, Scope};
use super::record::{FileEntry, Kind, Record, RecordNumber};
use crate::connector::FileStore;
use crate::error::{ConnectorError, ErrorKind};
use crate::position::Position;

/// A position of a partition: `orders[3]@1234`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The topic.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
    /// The position.
    pub at: Position,
}

impl std::str::FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (partition, at) = text.rsplit_once('@')?;
            let (topic, number) = partition.strip_suffix(']')?.rsplit_once('[')?;
            let (partition, at) = (number.parse().ok()?, at.parse().ok().filter(|at| *at >= 0)?);
            (!topic.is_empty() && partition >= 0).then(|| Self { topic: topic.to_owned(), partition, at: Position(at) })
        };
        parse().ok_or_else(|| "a position is written `TOPIC[PARTITION]@OFFSET`, as `orders[3]@1234`".to_owned())
    }
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}[{}]@{}", self.topic, self.partition, self.at)
    }
}

/// What a ledger says about a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// A record covers it, with the files that hold it or may: none if the record was filtered or put aside, or the position is that of no record.
    Committed {
        /// The record.
        n: RecordNumber,
        /// The files, by their keys.
        files: Vec<Holder>,
    },
    /// A reset by hand went past it.
    Skipped {
        /// The record of the reset.
        n: RecordNumber,
    },
    /// Nothing reaches it yet.
    NotYet {
        /// Where the ledger ends.
        end: Position,
    },
    /// It is before the ledger's first record. Where the records of its time were removed as too old, the names of objects still tell.
    Before {
        /// Where the records that are kept begin.
        start: Position,
        /// The objects whose names span it.
        files: Vec<Holder>,
    },
    /// The record that may cover it is not there, or was changed.
    Damaged {
        /// Which.
        n: RecordNumber,
    },
}

/// A file that holds a position, or may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The bucket; for a directory the empty text.
    pub bucket: String,
    /// The object.
    pub key: String,
    /// Its first position.
    pub first: Position,
    /// Its last.
    pub last: Position,
    /// Records in it, where a ledger says so.
    pub records: Option<u64>,
    /// True if it holds the position for sure, false if its range spans it and others' do too.
    pub is_certain: bool,
    /// What became of the object.
    pub object: ObjectState,
}

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectState {
    /// It is there.
    Visible,
    /// It counts, and its upload is not completed yet.
    NotYet,
    /// It is not there, although it was completed.
    Missing,
}

/// Looks for a position in every ledger of its partition: a topic that was created anew has several.
///
/// # Errors
/// A store cannot be asked, or there is no ledger of the partition.
pub async fn find(audited: &Audited, wanted: &Wanted) -> Result<Vec<(Arc<Scope>, Whereabouts)>, ConnectorError> {
    let Some((store, _)) = audited.outputs.get(&audited.bucket) else { return Err(unknown(wanted, &[])) };
    let mut found = Vec::new();
    let chains = chains(audited).await?;
    let is_it = |chain: &&Chain| *chain.scope.topic == *wanted.topic && chain.scope.partition == wanted.partition;
    for chain in chains.iter().filter(is_it) {
        for whereabouts in in_chain(audited, store.as_ref(), chain, wanted).await? {
            found.push((Arc::clone(&chain.scope), whereabouts));
        }
    }
    if found.is_empty() { Err(unknown(wanted, &chains)) } else { Ok(found) }
}

fn unknown(wanted: &Wanted, chains: &[Chain]) -> ConnectorError {
    let message = format!("there is no ledger of {}[{}]", wanted.topic, wanted.partition);
    let known: Vec<String> = chains.iter().map(|chain| chain.scope.to_string()).collect();
    let help = if known.is_empty() { "nothing was committed yet".to_owned() } else { format!("there are those of {}", known.join(", ")) };
    ConnectorError::new(ErrorKind::Invalid, message).help(help)
}

/// One answer, but where a reset made the pipeline read a position again: then one for each time.
async fn in_chain(audited: &Audited, store: &dyn FileStore, chain: &Chain, wanted: &Wanted) -> Result<Vec<Whereabouts>, ConnectorError> {
    let read = chain.read(store, &audited.progress).await?;
    let (Some(oldest), Some(newest)) = (read.keys().next().copied(), read.keys().next_back().copied()) else { return Ok(Vec::new()) };
    let mut records: Vec<Record> = Vec::new();
    let mut damaged = None;
    for n in (oldest.0..=newest.0).map(RecordNumber) {
        match read.get(&n).and_then(|(_, bytes)| Record::from_bytes(n, bytes).ok()) {
            Some(record) => records.push(record),
            None => damaged = damaged.or(Some(n)),
        }
    }
    let completed = records.last().map_or(RecordNumber::NONE, |head| head.completed_through);
    let mut found = Vec::new();
    for record in records.iter().filter(|record| record.start <= wanted.at && wanted.at < record.end) {
        found.push(match record.kind {
            Kind::Reset => Whereabouts::Skipped { n: record.n },
            Kind::Commit | Kind::Fence | Kind::Undo => {
                Whereabouts::Committed { n: record.n, files: holders(audited, record, wanted.at, record.n <= completed).await? }
            }
        });
    }
    if !found.is_empty() {
        return Ok(found);
    }
    Ok(vec![match (records.first(), records.last(), damaged) {
        (Some(first), _, _) if wanted.at < first.start && oldest.0 == 1 => Whereabouts::Before { start: first.start, files: Vec::new() },
        (Some(first), _, _) if wanted.at < first.start => {
            Whereabouts::Before { start: first.start, files: by_name(audited, wanted).await? }
        }
        (_, Some(head), None) => Whereabouts::NotYet { end: head.end },
        (_, _, damaged) => Whereabouts::Damaged { n: damaged.unwrap_or(newest) },
    }])
}

/// The files of a record whose range spans a position. With one statement a record is in one file, so one that is certain rules out the rest.
async fn holders(audited: &Audited, record: &Record, at: Position, is_published: bool) -> Result<Vec<Holder>, ConnectorError> {
    let mut files: Vec<(&FileEntry, bool)> =
        record.files.iter().filter(|file| file.first <= at && at <= file.last).map(|file| (file, holds(file, at))).collect();
    if audited.statements == 1 && files.iter().any(|(_, is_certain)| *is_certain) {
        files.retain(|(_, is_certain)| *is_certain);
    }
    let mut found = Vec::new();
    for (file, is_certain) in files {
        let object = match audited.outputs.get(&file.bucket) {
            Some((store, _)) if store.stat(&file.key).await?.is_some() => ObjectState::Visible,
            Some(_) | None if is_published => ObjectState::Missing,
            Some(_) | None => ObjectState::NotYet,
        };
        let FileEntry { bucket, key, first, last, records, .. } = file;
        let (bucket, key) = (bucket.as_str().to_owned(), key.as_str().to_owned());
        found.push(Holder { bucket, key, first: *first, last: *last, records: Some(*records), is_certain, object });
    }
    Ok(found)
}

/// Whether a file surely holds a position within its range: it has every one, or this is where it begins or ends.
fn holds(file: &FileEntry, at: Position) -> bool {
    let has_all = u64::try_from(file.last.0 - file.first.0).is_ok_and(|span| file.records == span + 1);
    has_all || file.first == at || file.last == at
}

/// The objects whose names span a position.
async fn by_name(audited: &Audited, wanted: &Wanted) -> Result<Vec<Holder>, ConnectorError> {
    let mut found = Vec::new();
    for (bucket, (store, prefixes)) in &audited.outputs {
        for prefix in prefixes {
            for (key, _) in data_objects(store.as_ref(), prefix, &audited.progress).await? {
                let span = keys::positions(&key, &wanted.topic, wanted.partition);
                let Some((first, last)) = span.filter(|(first, last)| *first <= wanted.at && wanted.at <= *last) else { continue };
                let (is_certain, bucket) = (first == wanted.at || last == wanted.at, bucket.as_str().to_owned());
                found.push(Holder { bucket, key, first, last, records: None, is_certain, object: ObjectState::Visible });
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::testing::entry;
    use super::*;

    #[test]
    fn positions_are_read_as_they_are_printed() {
        for text in ["orders[3]@1234", "a.b-c[0]@0", "odd[1][2]@5"] {
            assert_eq!(text.parse::<Wanted>().unwrap().to_string(), text);
        }
        for text in ["orders", "orders@5", "orders[3]", "orders[3]@", "orders[x]@1", "[3]@1", "orders[3]@-1", "orders[-1]@1", "orders[3@1"]
        {
            assert!(text.parse::<Wanted>().unwrap_err().contains("orders[3]@1234"), "{text}");
        }
    }

    #[test]
    fn a_file_without_gaps_holds_all_of_its_range() {
        let file = |records| FileEntry { records, ..entry("k", 10, 14) };
        let certain = |records| (10..=14).map(|at| holds(&file(records), Position(at))).collect::<Vec<_>>();
        assert_eq!(certain(5), [true; 5]);
        assert_eq!(certain(3), [true, false, false, false, true], "it begins and ends with records that it holds");
    }
}
