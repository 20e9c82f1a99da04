//! What a connector is to the engine: a few traits, each called by one task, and a definition that joins them with the description
//! that the compiler reads.
//!
//! A task is a thread that runs its stages to completion, so [`Source`] and [`RecordSink`] are synchronous and never block longer than
//! they are told to. A [`FileStore`] is asynchronous: uploads wait, the task does not.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::BinaryArray;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use kpipe_compiler::catalog::ConnectorSpec;
use kpipe_compiler::plan::{Endpoint, Route, SecretRef};
use serde::{Deserialize, Serialize};

use crate::error::ConnectorError;
use crate::position::{PartitionId, Position};
use crate::records::RawBatch;

/// Opens one side of a connector.
pub type Open<T> = fn(&OpenRequest<'_>) -> Result<T, ConnectorError>;

/// Names and values of headers.
pub type Headers = Vec<(String, Vec<u8>)>;

/// A connector: its description and how to open it. The list of all of them is `kpipe_connectors::ALL`.
#[derive(Debug)]
pub struct ConnectorDef {
    /// What the compiler knows of it.
    pub spec: &'static ConnectorSpec,
    /// Opens a source.
    pub source: Option<Open<Box<dyn Source>>>,
    /// Opens a sink of records.
    pub records: Option<Open<Box<dyn RecordSink>>>,
    /// Opens a store of files.
    pub store: Option<Open<Arc<dyn FileStore>>>,
    /// Looks at the system without changing it: for `plan`, and before a start.
    pub inspect: Option<Open<Inspection>>,
    /// Copies the newest records of a source, one batch for each partition that has any, without reading on from there: for `plan`.
    pub newest: Option<Open<Vec<RawBatch>>>,
    /// Reads and writes the applied plan in the system, for a sink that can hold it.
    pub plans: Option<Open<Box<dyn PlanStore>>>,
    /// What a source system keeps beside the positions of its readers, from outside: for commands, while nobody reads.
    pub bookmarks: Option<Open<Box<dyn Bookmarks>>>,
}

/// What a connector is opened with.
pub struct OpenRequest<'a> {
    /// The pipeline's name.
    pub pipeline: &'a str,
    /// Number of this task among its pipeline's in this process, from 0.
    pub task: usize,
    /// The connector's options.
    pub endpoint: &'a Endpoint,
    /// The statements of the pipeline. A store is opened once per bucket, with the statements that write to it. For a look at the dead-letter
    /// topic: one that is from nowhere (`from` is empty).
    pub routes: &'a [Route],
    /// Reads secrets.
    pub secrets: &'a dyn Secrets,
    /// For whatever has to wait.
    pub runtime: tokio::runtime::Handle,
    /// The sink says where each assigned partition starts ([`Source::start`]); the source's own idea is advice. A store's uploads are then
    /// promises: they are safe once their parts are stored, and stay when their process ends.
    pub starts_in_sink: bool,
}

/// Reads secrets when something is opened. The value must not be kept longer than needed nor reach a log.
pub trait Secrets: Send + Sync {
    /// The value.
    ///
    /// # Errors
    /// The variable is not set or the file cannot be read; the message names it.
    fn read(&self, secret: &SecretRef) -> Result<String, ConnectorError>;
}

/// A source as one task reads it.
pub trait Source: Send {
    /// Waits at most `wait` for something to happen. With [`Accept::EventsOnly`] no records are handed over, but membership, keep-alives
    /// and acknowledgements go on: that is how back-pressure looks to a source.
    ///
    /// # Errors
    /// What the source cannot get over by itself; [`ConnectorError::retry`] says whether reopening can help.
    fn poll(&mut self, wait: Duration, accept: Accept) -> Result<SourceEvent, ConnectorError>;

    /// Begins a partition at a position; called once for each assigned partition, some time after [`SourceEvent::Assigned`], and only if
    /// [`OpenRequest::starts_in_sink`]: the sink knows where the last committed file ended, and nothing of the partition is handed out before.
    ///
    /// # Errors
    /// The partition does not reach to the position, or does not hold it any more ([`ErrorKind::Missing`](crate::error::ErrorKind::Missing),
    /// for good): the message names the partition, the position and what the partition holds. Never a silent jump.
    fn start(&mut self, partition: PartitionId, position: Position) -> Result<(), ConnectorError>;

    /// Everything below these positions is safe in the sink: commit the offsets, acknowledge the messages. Returns at once; what is not
    /// confirmed yet is confirmed by [`Source::settle`].
    ///
    /// # Errors
    /// As [`Source::poll`].
    fn commit(&mut self, positions: &[(PartitionId, Position)]) -> Result<(), ConnectorError>;

    /// Waits until the commits so far are confirmed, at most `wait`.
    ///
    /// # Errors
    /// As [`Source::poll`], and if time ran out.
    fn settle(&mut self, wait: Duration) -> Result<(), ConnectorError>;

    /// Gives partitions away after [`SourceEvent::Revoked`], when the task has let go of them.
    ///
    /// # Errors
    /// As [`Source::poll`].
    fn release(&mut self, partitions: &[PartitionId]) -> Result<(), ConnectorError>;

    /// The last position that the source system has, per assigned partition, as known now: for lag. Never asks the network.
    fn ends(&mut self) -> Vec<(PartitionId, Position)>;
}

/// Whether a poll may return records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accept {
    /// Yes.
    Records,
    /// No: the task has no room.
    EventsOnly,
}

/// What a poll found.
#[derive(Debug)]
pub enum SourceEvent {
    /// Records, or a moved position.
    Batch(RawBatch),
    /// Partitions that this task reads from now on.
    Assigned(Vec<Assigned>),
    /// Partitions that must be given away: the task drops or finishes what it holds of them, then calls [`Source::release`].
    Revoked(Vec<PartitionId>),
    /// Partitions that belong to somebody else already: nothing of them may be committed any more. [`Source::release`] follows too.
    Lost(Vec<PartitionId>),
    /// Nothing within the time.
    Idle,
    /// The connection is away and is being retried; said once per outage, with the cause.
    Away(ConnectorError),
    /// The connection is back.
    Back,
    /// A bounded source has come to its end: there will be no more records.
    End,
}

/// A partition that a task got.
#[derive(Clone, Debug)]
pub struct Assigned {
    /// Its number within the task.
    pub id: PartitionId,
    /// The topic, filter or file.
    pub topic: Arc<str>,
    /// Its number in the source system; 0 where there is none.
    pub partition: i32,
    /// The first position that will be read, if it is known before the first batch.
    pub start: Option<Position>,
    /// The end of the partition when it was assigned, for `--until-caught-up`.
    pub end: Option<Position>,
    /// Where the source system stands committed, if it ever was.
    pub committed: Option<Position>,
    /// What tells this partition from another of the same name: Kafka's topic id (base64 of the UUID); `-` where the source cannot say.
    pub identity: Arc<str>,
    /// What the source system keeps beside the position, if it can.
    pub bookmark: Option<Arc<dyn Bookmark>>,
}

/// Where a partition stands for those who read it, and a word about that, kept by the source system itself: Kafka's committed offset and its
/// metadata. Each time that a partition is assigned it is another one.
pub trait Bookmark: Send + Sync + std::fmt::Debug {
    /// What is kept, when every write that anybody began is done or never will be; `None` if nothing ever was.
    fn read(&self) -> BoxFuture<'_, Result<Option<Mark>, ConnectorError>>;

    /// Replaces it in one step, as long as the partition is the one that was assigned: whoever lost it is refused, knowing of that or not,
    /// and however late the request arrives. Whoever gets an error does not know whether it was written, and asks again with the same.
    fn write(&self, mark: Mark) -> BoxFuture<'_, Result<(), ConnectorError>>;
}

/// Bookmarks of partitions that nobody reads.
pub trait Bookmarks: Send + Sync {
    /// That of a partition. Writing it is refused while somebody reads.
    fn of(&self, topic: &Arc<str>, partition: i32) -> Arc<dyn Bookmark>;
}

/// What a [`Bookmark`] keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Where the partition stands.
    pub position: Position,
    /// The word about it; empty where somebody else moved it.
    pub word: String,
}

/// [`Assigned::identity`] where a source cannot say.
pub const NO_IDENTITY: &str = "-";

/// A sink that takes records: Kafka.
pub trait RecordSink: Send {
    /// Hands over rows `from..` of a batch and returns how many were taken: fewer if the sink's queue is full, then call
    /// [`RecordSink::poll`] and again. A row that the sink refuses by itself (too large, bad topic) is reported by `poll` as failed.
    ///
    /// # Errors
    /// What the sink cannot get over.
    fn send(&mut self, batch: &OutBatch<'_>, from: usize) -> Result<usize, ConnectorError>;

    /// Serves acknowledgements for at most `wait`.
    ///
    /// # Errors
    /// What the sink cannot get over; everything not acknowledged by then was perhaps written.
    fn poll(&mut self, wait: Duration) -> Result<Vec<Delivery>, ConnectorError>;

    /// Rows handed over and not yet reported.
    fn in_flight(&self) -> usize;

    /// Why the system cannot be reached, while it cannot: what was handed over waits, and goes on its way when it is back.
    fn away(&self) -> Option<ConnectorError> {
        None
    }
}

/// The number of a batch in its task, ascending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Rows for a [`RecordSink`]. Keys and values that are `None` here are taken from the source records as they are.
pub struct OutBatch<'a> {
    /// Its number.
    pub ticket: Ticket,
    /// The source records.
    pub raw: &'a RawBatch,
    /// The row of `raw` for each row of this batch.
    pub rows: &'a [u32],
    /// Distinct target topics.
    pub topics: &'a [Arc<str>],
    /// Per row the index into `topics`; empty: all rows go to `topics[0]`.
    pub topic_of_row: &'a [u32],
    /// Keys, one a row.
    pub keys: Option<&'a BinaryArray>,
    /// Values, one a row.
    pub values: Option<&'a BinaryArray>,
    /// Headers added to those of the source record, per row in order: name and value.
    pub headers: Option<&'a [Headers]>,
}

/// What became of a batch.
#[derive(Debug)]
pub enum Delivery {
    /// Every row of it is acknowledged.
    Done(Ticket),
    /// A row of it was refused for good; the others go on, and `Done` follows when they are through.
    Refused {
        /// The batch.
        ticket: Ticket,
        /// The row within the batch.
        row: u32,
        /// Why.
        error: ConnectorError,
    },
}

/// Objects under keys: S3, or a directory. Keys have no leading slash.
pub trait FileStore: Send + Sync {
    /// Starts an upload; nothing is visible until it is completed.
    fn begin<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<UploadId, ConnectorError>>;

    /// Uploads one part; numbers start at 1; every part but the last has at least [`PART_BYTES_MIN`].
    fn part<'a>(&'a self, key: &'a str, upload: &'a UploadId, number: u32, data: Bytes) -> BoxFuture<'a, Result<PartTag, ConnectorError>>;

    /// Makes the object visible. With [`IfExists::Keep`] only if there is none under the key yet: one with the same bytes counts and this
    /// upload is given up, one with other bytes is [`ErrorKind::Fenced`](crate::error::ErrorKind::Fenced) and stays as it is. Called again
    /// after an answer was lost, it finds the object of the first call and says so.
    fn complete<'a>(
        &'a self,
        key: &'a str,
        upload: &'a UploadId,
        parts: &'a [PartTag],
        if_exists: IfExists,
    ) -> BoxFuture<'a, Result<Completed, ConnectorError>>;

    /// Gives an upload up. One that is gone already is no error.
    fn abort<'a>(&'a self, key: &'a str, upload: &'a UploadId) -> BoxFuture<'a, Result<(), ConnectorError>>;

    /// A small object whole; `None` if there is none.
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, ConnectorError>>;

    /// Writes a small object, replacing one that is there.
    fn put<'a>(&'a self, key: &'a str, data: Bytes) -> BoxFuture<'a, Result<(), ConnectorError>>;

    /// Writes a small object if there is none under the key: one atomic step of the store (S3: `If-None-Match: *`; a directory: a whole,
    /// fsynced file linked under its name). Whoever gets an error does not know whether it was written and asks again with the same data.
    fn create<'a>(&'a self, key: &'a str, data: Bytes) -> BoxFuture<'a, Result<Created, ConnectorError>>;

    /// Objects under a prefix behind the key `after` (empty: from the first), in byte order, at most `limit`.
    fn list<'a>(&'a self, prefix: &'a str, after: &'a str, limit: usize) -> BoxFuture<'a, Result<Vec<Listed>, ConnectorError>>;

    /// Uploads under way whose keys begin with `prefix`, whoever began them, at most `limit`; `None` if the store cannot tell.
    fn uploads<'a>(&'a self, prefix: &'a str, limit: usize) -> BoxFuture<'a, Result<Option<Vec<UnfinishedUpload>>, ConnectorError>>;

    /// What an object is, without its bytes; `None` if there is none.
    fn stat<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Stat>, ConnectorError>>;

    /// Removes objects. One that is gone already is no error.
    fn remove<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Result<(), ConnectorError>>;

    /// Where this is, for people: `s3://lake`, `file:///data`.
    fn place(&self) -> String;
}

/// The smallest part that S3 takes, but for the last one of an upload.
pub const PART_BYTES_MIN: usize = 5 * 1024 * 1024;

/// An upload under way: a mark of whoever began it, a slash, the store's own id; or the id alone where a store needs no mark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadId(pub String);

impl UploadId {
    /// Whether both are the same upload. A store that lists uploads does not know their marks: there they are empty.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.0.split_once('/'), other.0.split_once('/'));
        match (ours, theirs) {
            (Some((ours, id)), Some((theirs, other))) => id == other && (ours == theirs || ours.is_empty() || theirs.is_empty()),
            _ => self.0 == other.0,
        }
    }

    /// What an object that this upload made is marked with ([`Stat::upload`]).
    #[must_use]
    pub fn mark(&self) -> &str {
        self.0.split_once('/').map_or(&*self.0, |(mark, _)| mark)
    }
}

/// What became of a create-only write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// The object is there now.
    New,
    /// There is one already, which was not touched. It may be this very one, of a call whose answer was lost.
    Exists,
}

/// An object of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// Its size.
    pub bytes: u64,
    /// By the store's clock, in milliseconds since 1970.
    pub modified_ms: i64,
}

/// An upload that is neither completed nor given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnfinishedUpload {
    /// The key of the object that it would make.
    pub key: String,
    /// Which one; compare with [`UploadId::is_same`].
    pub upload: UploadId,
    /// By the store's clock, in milliseconds since 1970. Where the store says seconds only, the end of that second.
    pub begun_ms: i64,
}

/// What an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Its size.
    pub bytes: u64,
    /// By the store's clock, in milliseconds since 1970; S3 says whole seconds here, rounded down.
    pub modified_ms: i64,
    /// The upload that wrote it, where the store kept the mark (S3: `x-amz-meta-kpipe-upload`): [`UploadId::mark`].
    pub upload: Option<String>,
    /// CRC64NVME of the whole, where the store knows it without reading.
    pub crc64: Option<u64>,
}

/// A part that was stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartTag {
    /// Its number, from 1.
    pub number: u32,
    /// What the store calls it.
    pub etag: String,
    /// Its checksum, where the store wants it again on completion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    /// What it held, for a store that has to tell its object from another's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<PartContent>,
}

/// What a part held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartContent {
    /// Its bytes.
    pub bytes: u64,
    /// Their CRC64NVME.
    pub crc64: u64,
}

/// What completing an upload does with an object that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfExists {
    /// Leaves it: names that hold the whole interval of offsets promise that it is the same data.
    Keep,
    /// Replaces it, as the connectors do whose names hold one offset only: what is there may end at another offset.
    Replace,
}

/// How an upload ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completed {
    /// The object is there now.
    Created,
    /// There was one already under this key with the same bytes: this upload was given up, the object was not touched.
    Existed,
}

/// Holds the applied plan where the pipeline commits.
pub trait PlanStore: Send {
    /// The plan that was applied last, as it was written.
    ///
    /// # Errors
    /// The system cannot be asked.
    fn read(&mut self, pipeline: &str) -> Result<Option<Vec<u8>>, ConnectorError>;

    /// Replaces it.
    ///
    /// # Errors
    /// The system refused; a missing right names what to create and how.
    fn write(&mut self, pipeline: &str, plan: &[u8]) -> Result<(), ConnectorError>;
}

/// What a look at a system found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// What answered, for people: `Kafka at localhost:9092, 1 broker`.
    pub system: String,
    /// The partitions that would be read, for a source.
    pub partitions: Vec<PartitionInspection>,
    /// What is missing.
    pub missing: Vec<ConnectorError>,
    /// For a sink of files: this machine itself creates a file only if there is none, so there is no server that could ignore it.
    pub creates_by_itself: bool,
}

/// One partition of a source as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionInspection {
    /// The topic.
    pub topic: String,
    /// Its number.
    pub partition: i32,
    /// The oldest position there is.
    pub low: Position,
    /// The next position to be written.
    pub high: Position,
    /// Where the group stands, if it ever committed.
    pub committed: Option<Position>,
    /// Where the pipeline would start.
    pub start: Position,
    /// Records that came within the last hour; `None` where nobody counts them.
    pub last_hour: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_is_known_with_and_without_its_mark() {
        let same = |left: &str, right: &str| UploadId(left.to_owned()).is_same(&UploadId(right.to_owned()));
        assert!(same("mark/a/b", "mark/a/b") && same("mark/a/b", "/a/b") && same("/a/b", "mark/a/b") && same("upload-1", "upload-1"));
        assert!(!same("mark/a", "other/a") && !same("mark/a", "mark/b") && !same("a", "mark/a") && !same("upload-1", "upload-2"));
        assert_eq!(["mark/a/b", "upload-1", "/a"].map(|id| UploadId(id.to_owned()).mark().to_owned()), ["mark", "upload-1", ""]);
    }
}
