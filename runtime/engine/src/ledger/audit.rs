//! Reads ledgers, objects and what the source says, and names everything that does not fit.
//!
//! | looked at | must hold |
//! |---|---|
//! | the records of a partition | numbered without a hole, each starting where the one before it ended, unchanged since they were written |
//! | the files of each record | there, with the length and the bytes that were committed |
//! | every object below the prefixes | named by a record, or older than the oldest record that is kept |
//! | the source's group | not ahead of the ledger; where its offsets say which records count, it names one |

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use kpipe_compiler::names::RESERVED_FOLDER;

use super::chain::{Chain, all, chains};
use super::keys::{self, Scope};
use super::progress::Progress;
use super::record::{FileEntry, Record, RecordNumber};
use crate::connector::{Bookmarks, FileStore, PartitionInspection};
use crate::error::ConnectorError;
use crate::limits::{FILES_IN_FLIGHT_MAX, LEDGER_KEEP_RECORDS, LEDGER_TRIM_EVERY};
use crate::position::Position;

/// What is audited.
pub struct Audited {
    /// The pipeline.
    pub pipeline: Arc<str>,
    /// The prefix of its ledger: that of its first statement.
    pub prefix: Arc<str>,
    /// The bucket of its ledger.
    pub bucket: String,
    /// Every bucket with the prefixes that are written below.
    pub outputs: BTreeMap<String, (Arc<dyn FileStore>, BTreeSet<String>)>,
    /// What the source says of its partitions; empty if it was not asked.
    pub source: Vec<PartitionInspection>,
    /// What the source system keeps beside its positions, if it can.
    pub bookmarks: Option<Box<dyn Bookmarks>>,
    /// How many statements it has: each writes a record into one file at most.
    pub statements: usize,
    /// How far whoever looks is.
    pub progress: Progress,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// One a partition.
    pub partitions: Vec<PartitionAudit>,
    /// Everything that does not fit, in the order of partitions, records and keys.
    pub findings: Vec<Finding>,
    /// Objects below the prefixes.
    pub objects: u64,
    /// Objects whose records were removed as too old: only their names can be looked at.
    pub objects_before: u64,
}

/// The ledger of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionAudit {
    /// Which.
    pub scope: Arc<Scope>,
    /// The oldest record that is kept.
    pub oldest: RecordNumber,
    /// The newest.
    pub newest: RecordNumber,
    /// Where the records that are kept begin.
    pub start: Position,
    /// Everything below counts.
    pub end: Position,
    /// Files that the records name.
    pub files: u64,
    /// Records in these files.
    pub records: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Files that count and are not visible yet: the next owner of the partition completes them.
    pub unpublished: u64,
}

/// Something that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// A hole in the numbers.
    #[error("{scope}: record {n} of the ledger is not there")]
    RecordMissing {
        /// Whose.
        scope: Arc<Scope>,
        /// Its number.
        n: RecordNumber,
    },
    /// An object that is no record, or was changed.
    #[error("{scope}: record {n} of the ledger ({key}): {why}")]
    RecordChanged {
        /// Whose.
        scope: Arc<Scope>,
        /// Its number.
        n: RecordNumber,
        /// The object.
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// Two records that do not follow each other.
    #[error("{scope}: record {n} of the ledger starts at {start}, the one before it ends at {end}")]
    RecordsApart {
        /// Whose.
        scope: Arc<Scope>,
        /// The later one.
        n: RecordNumber,
        /// Where it starts.
        start: Position,
        /// Where the one before ends.
        end: Position,
    },
    /// The source's group stands where no record reaches.
    #[error("{scope}: the group stands at {group}, the ledger ends at {end}: its newest records are gone, or somebody moved the group")]
    GroupAhead {
        /// Whose.
        scope: Arc<Scope>,
        /// The group.
        group: Position,
        /// The ledger.
        end: Position,
    },
    /// The source's group, which says which records count, names none.
    #[error(
        "{scope}: the group's offset names no record of the ledger, of which there are some up to {newest}: somebody moved it, or it expired"
    )]
    GroupForgot {
        /// Whose.
        scope: Arc<Scope>,
        /// The newest record that lies there.
        newest: RecordNumber,
    },
    /// A file that counts and is not there.
    #[error("{key} is not there: positions {first} to {last} of {scope}, {records} records (ledger record {n})")]
    ObjectMissing {
        /// Whose.
        scope: Arc<Scope>,
        /// The record that names it.
        n: RecordNumber,
        /// The object.
        key: String,
        /// Its first position.
        first: Position,
        /// Its last.
        last: Position,
        /// Records in it.
        records: u64,
    },
    /// A file of another length.
    #[error("{key} has {found} bytes, committed were {committed} (ledger record {n} of {scope})")]
    ObjectLength {
        /// Whose.
        scope: Arc<Scope>,
        /// The record that names it.
        n: RecordNumber,
        /// The object.
        key: String,
        /// Bytes that are there.
        found: u64,
        /// Bytes that were committed.
        committed: u64,
    },
    /// A file with other bytes.
    #[error("{key} holds other bytes than were committed (ledger record {n} of {scope})")]
    ObjectChanged {
        /// Whose.
        scope: Arc<Scope>,
        /// The record that names it.
        n: RecordNumber,
        /// The object.
        key: String,
    },
    /// A committed file under a second name: a reader of the prefix reads it twice.
    #[error("{key} is a copy of {of}: whoever reads the prefix reads its records twice")]
    ObjectCopy {
        /// The copy.
        key: String,
        /// The file that counts.
        of: String,
    },
    /// Somebody else's object.
    #[error("{key} is of no ledger record: somebody else wrote it")]
    ObjectForeign {
        /// The object.
        key: String,
    },
}

impl Finding {
    /// The word for programs.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::RecordMissing { .. } => "record_missing",
            Self::RecordChanged { .. } => "record_changed",
            Self::RecordsApart { .. } => "records_apart",
            Self::GroupAhead { .. } => "group_ahead",
            Self::GroupForgot { .. } => "group_forgot",
            Self::ObjectMissing { .. } => "object_missing",
            Self::ObjectLength { .. } => "object_length",
            Self::ObjectChanged { .. } => "object_changed",
            Self::ObjectCopy { .. } => "object_copy",
            Self::ObjectForeign { .. } => "object_foreign",
        }
    }
}

/// Audits a pipeline, running or not.
///
/// # Errors
/// A store cannot be asked.
pub async fn audit(audited: &Audited) -> Result<Audit, ConnectorError> {
    // Objects first: every one that is seen has its record by then, whatever is committed meanwhile.
    let mut listed: Vec<(&str, String, u64)> = Vec::new();
    audited.progress.begin("listing objects", None);
    for (bucket, (store, prefixes)) in &audited.outputs {
        for prefix in prefixes {
            let found = data_objects(store.as_ref(), prefix, &audited.progress).await?;
            listed.extend(found.into_iter().map(|(key, bytes)| (&**bucket, key, bytes)));
        }
    }
    let (mut audit, files) = read_ledgers(audited).await?;
    let objects: Objects<'_> = listed.iter().map(|(bucket, key, bytes)| ((*bucket, &**key), *bytes)).collect();
    audit.objects = objects.len() as u64;
    check_files(audited, &files, &objects, &mut audit).await?;
    check_others(audited, &files, &objects, &mut audit).await?;
    Ok(audit)
}

/// The ledgers alone: no object is looked at but those that may not be visible yet.
///
/// # Errors
/// A store cannot be asked.
pub async fn ledgers(audited: &Audited) -> Result<Audit, ConnectorError> {
    let (mut audit, files) = read_ledgers(audited).await?;
    for committed in files.iter().filter(|committed| !committed.is_published) {
        if length(audited, &committed.file).await?.is_none() {
            audit.count_unpublished(&committed.scope);
        }
    }
    Ok(audit)
}

impl Audit {
    fn count_unpublished(&mut self, scope: &Scope) {
        let partition = self.partitions.iter_mut().find(|partition| *partition.scope == *scope);
        partition.into_iter().for_each(|partition| partition.unpublished += 1);
    }
}

async fn read_ledgers(audited: &Audited) -> Result<(Audit, Vec<Committed>), ConnectorError> {
    let (mut audit, mut files) = (Audit::default(), Vec::new());
    let Some((store, _)) = audited.outputs.get(&audited.bucket) else { return Ok((audit, files)) };
    let chains = chains(audited).await?;
    audited.progress.begin("reading the ledger", Some(chains.iter().map(Chain::len).sum()));
    for chain in chains {
        let records = chain.read(store.as_ref(), &audited.progress).await?;
        if let Some(newest) = records.keys().next_back().filter(|_| chain.is_forgotten) {
            audit.findings.push(Finding::GroupForgot { scope: Arc::clone(&chain.scope), newest: *newest });
        }
        follow(audited, &chain.scope, records, &mut audit, &mut files);
    }
    Ok((audit, files))
}

/// How long the object of a committed file is; `None` if it is not there.
async fn length(audited: &Audited, file: &FileEntry) -> Result<Option<u64>, ConnectorError> {
    let Some((store, _)) = audited.outputs.get(&file.bucket) else { return Ok(None) };
    Ok(store.stat(&file.key).await?.map(|stat| stat.bytes))
}

/// A file that counts.
struct Committed {
    scope: Arc<Scope>,
    n: RecordNumber,
    is_published: bool,
    file: FileEntry,
}

/// Follows the records of a partition and collects their files.
fn follow(
    audited: &Audited,
    scope: &Arc<Scope>,
    mut records: BTreeMap<RecordNumber, (&str, Bytes)>,
    audit: &mut Audit,
    files: &mut Vec<Committed>,
) {
    let (Some(oldest), Some(newest)) = (records.keys().next().copied(), records.keys().next_back().copied()) else { return };
    // What retention leaves: the numbers before the oldest are gone only if there are enough behind it.
    if oldest.0 > 1 && newest.0 - oldest.0 + LEDGER_TRIM_EVERY < LEDGER_KEEP_RECORDS {
        (1..oldest.0).for_each(|n| audit.findings.push(Finding::RecordMissing { scope: Arc::clone(scope), n: RecordNumber(n) }));
    }
    let mut last = None;
    let mut chain = Vec::new();
    for n in (oldest.0..=newest.0).map(RecordNumber) {
        let Some((key, bytes)) = records.remove(&n) else {
            audit.findings.push(Finding::RecordMissing { scope: Arc::clone(scope), n });
            last = None;
            continue;
        };
        match Record::from_bytes(n, &bytes) {
            Ok(record) => {
                if let Some(end) = last.filter(|end| *end != record.start) {
                    let start = record.start;
                    audit.findings.push(Finding::RecordsApart { scope: Arc::clone(scope), n, start, end });
                }
                last = Some(record.end);
                chain.push(record);
            }
            Err(error) => {
                let (key, why) = (key.to_owned(), error.to_string());
                audit.findings.push(Finding::RecordChanged { scope: Arc::clone(scope), n, key, why });
                last = None;
            }
        }
    }
    let (Some(first), Some(head)) = (chain.first(), chain.last()) else { return };
    check_group(audited, scope, head.end, audit);
    let (published, undone, end) = (head.completed_through, head.undone, head.end);
    // A set that was undone names its files a second time: the later record counts.
    let mut named: BTreeMap<(&str, &str), (RecordNumber, &FileEntry)> = BTreeMap::new();
    for record in &chain {
        named.extend(record.files.iter().map(|file| ((&*file.bucket, &*file.key), (record.n, file))));
    }
    let count = |what: fn(&FileEntry) -> u64| named.values().map(|(_, file)| what(file)).sum();
    audit.partitions.push(PartitionAudit {
        scope: Arc::clone(scope),
        oldest,
        newest,
        start: first.start,
        end,
        files: count(|_| 1),
        records: count(|file| file.records),
        bytes: count(|file| file.bytes),
        unpublished: 0,
    });
    let committed = named.into_values().map(|(n, file)| {
        let is_published = n <= published && undone.is_none_or(|undone| n != undone.n);
        Committed { scope: Arc::clone(scope), n, is_published, file: file.clone() }
    });
    files.extend(committed);
}

fn check_group(audited: &Audited, scope: &Arc<Scope>, end: Position, audit: &mut Audit) {
    let of_scope = |partition: &&PartitionInspection| *partition.topic == *scope.topic && partition.partition == scope.partition;
    if let Some(group) = audited.source.iter().find(of_scope).and_then(|partition| partition.committed)
        && group > end
    {
        audit.findings.push(Finding::GroupAhead { scope: Arc::clone(scope), group, end });
    }
}

/// Lengths by bucket and key.
type Objects<'b> = BTreeMap<(&'b str, &'b str), u64>;

/// Every file of a record: there, as long as it was, the same bytes.
async fn check_files(audited: &Audited, files: &[Committed], objects: &Objects<'_>, audit: &mut Audit) -> Result<(), ConnectorError> {
    let mut there = Vec::new();
    for committed in files {
        let Committed { scope, n, is_published, file } = committed;
        let found = match objects.get(&(&*file.bucket, &*file.key)) {
            Some(bytes) => Some(*bytes),
            // It may have become visible since the list was made.
            None => length(audited, file).await?,
        };
        match found {
            Some(found) if found == file.bytes => there.push(committed),
            Some(found) => {
                let (scope, key) = (Arc::clone(scope), file.key.as_str().to_owned());
                audit.findings.push(Finding::ObjectLength { scope, n: *n, key, found, committed: file.bytes });
            }
            None if *is_published => {
                let (first, last, records) = (file.first, file.last, file.records);
                let (scope, key) = (Arc::clone(scope), file.key.as_str().to_owned());
                audit.findings.push(Finding::ObjectMissing { scope, n: *n, key, first, last, records });
            }
            None => audit.count_unpublished(scope),
        }
    }
    audited.progress.begin("checking files", Some(there.len()));
    let calls: Vec<_> = there.into_iter().map(|committed| is_changed(audited, committed)).collect();
    let changed: Vec<Option<Finding>> = stream::iter(calls).buffered(FILES_IN_FLIGHT_MAX).try_collect().await?;
    audit.findings.extend(changed.into_iter().flatten());
    Ok(())
}

/// Compares the store's checksum with that of the parts, where both are known.
async fn is_changed(audited: &Audited, committed: &Committed) -> Result<Option<Finding>, ConnectorError> {
    let Committed { scope, n, file, .. } = committed;
    let Some((store, _)) = audited.outputs.get(&file.bucket) else { return Ok(None) };
    let stat = store.stat(&file.key).await?;
    audited.progress.add(1);
    let Some(stat) = stat else { return Ok(None) };
    let differs = matches!((stat.crc64, file.crc64()), (Some(found), Some(committed)) if found != committed);
    Ok(differs.then(|| Finding::ObjectChanged { scope: Arc::clone(scope), n: *n, key: file.key.as_str().to_owned() }))
}

/// Objects that no record names.
async fn check_others(audited: &Audited, files: &[Committed], objects: &Objects<'_>, audit: &mut Audit) -> Result<(), ConnectorError> {
    let known: BTreeSet<(&str, &str)> = files.iter().map(|committed| (&*committed.file.bucket, &*committed.file.key)).collect();
    let mut by_bytes: BTreeMap<u64, Vec<&FileEntry>> = BTreeMap::new();
    files.iter().for_each(|committed| by_bytes.entry(committed.file.bytes).or_default().push(&committed.file));
    let mut findings = Vec::new();
    audited.progress.begin("looking at other objects", Some(objects.len()));
    for ((bucket, key), bytes) in objects {
        audited.progress.add(1);
        if known.contains(&(*bucket, *key)) {
            continue;
        }
        if is_before(audit, key) {
            audit.objects_before += 1;
            continue;
        }
        let alike = by_bytes.get(bytes).map_or(&[][..], Vec::as_slice);
        findings.push(match copied(audited, (bucket, key), alike).await? {
            Some(of) => Finding::ObjectCopy { key: (*key).to_owned(), of: of.key.as_str().to_owned() },
            None => Finding::ObjectForeign { key: (*key).to_owned() },
        });
    }
    audit.findings.extend(findings);
    Ok(())
}

/// Which of these files of the same length an object holds the bytes of.
async fn copied<'f>(
    audited: &Audited,
    (bucket, key): (&str, &str),
    alike: &[&'f FileEntry],
) -> Result<Option<&'f FileEntry>, ConnectorError> {
    let Some((store, _)) = audited.outputs.get(bucket).filter(|_| !alike.is_empty()) else { return Ok(None) };
    let ours = store.stat(key).await?.and_then(|stat| stat.crc64);
    for file in alike {
        let is_copy = match (ours, file.crc64(), audited.outputs.get(&file.bucket)) {
            (Some(ours), Some(theirs), _) => ours == theirs,
            (_, _, Some((other, _))) => store.get(key).await? == other.get(&file.key).await?,
            (_, _, None) => false,
        };
        if is_copy {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

/// An object of a partition whose records of that time were removed as too old.
fn is_before(audit: &Audit, key: &str) -> bool {
    audit.partitions.iter().any(|partition| {
        let PartitionAudit { scope, oldest, start, .. } = partition;
        oldest.0 > 1 && keys::positions(key, &scope.topic, scope.partition).is_some_and(|(_, last)| last < *start)
    })
}

/// Objects below a prefix that are not kpipe's own, with their lengths.
pub(super) async fn data_objects(store: &dyn FileStore, prefix: &str, progress: &Progress) -> Result<Vec<(String, u64)>, ConnectorError> {
    let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
    let mut objects = all(store, &prefix, progress).await?;
    // Tools that show folders leave empty objects for them.
    let is_folder = |key: &str, bytes: u64| key.ends_with('/') && bytes == 0;
    objects.retain(|(key, bytes)| !is_folder(key, *bytes) && key.split('/').all(|part| part != RESERVED_FOLDER));
    Ok(objects)
}
