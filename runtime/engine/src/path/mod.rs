//! The data path: the stages in the order in which a batch goes through them, and the types that they hand on.
//!
//! | stage | module | in -> out |
//! |---|---|---|
//! | read | [`read`] | `Source` -> [`RawBatch`](crate::records::RawBatch) |
//! | decode | `decode` | `RawBatch` -> [`RowBatch`] + [`Reject`](crate::reject::Reject)s |
//! | filter | `filter` | [`RowBatch`] -> [`RowBatch`] with the rows that the condition takes |
//! | transform | `transform` | [`RowBatch`] -> [`RowBatch`] with the plan's output columns |
//! | partition | `partition` | [`RowBatch`] -> [`RouteRows`]; all routes of a batch make one [`PartBatch`] |
//! | roll | `roll` | [`PartBatch`] -> a closed set of open files and why |
//! | encode | `encode` | rows of one file -> bytes, through [`FileEncoder`] |
//! | upload | `upload` | [`EncodedSet`] -> [`StagedSet`] |
//! | sequence | `sequence` | [`StagedSet`] -> [`StagedSet`] in the order of their deltas |
//! | commit | `commit` | [`StagedSet`] -> `Checkpoint` |
//! | produce | `produce` | [`RowBatch`] -> `Checkpoint`: the other tail |
//!
//! A stage never imports another stage: what they share is here. Only `assemble` knows all of them, and it calls them so:
//!
//! ```text
//! per route, when a task starts
//!     decode::Decoder::new(&route.decode)                          -> Result<Decoder, StageError>
//!     filter::Filter::new(route)                                   -> Result<Filter, StageError>
//!     transform::Projector::new(route)                             -> Result<Projector, StageError>
//!         projector.schema()                                       -> Option<SchemaRef>; None passes payloads through
//!     partition::Partitioner::new(route, &file_tail)               -> Result<Partitioner, StageError>
//!     encode::Encoding::new(route, &file_tail, schema)             -> Result<Encoding, StageError>
//!     transform::Keys::new(route, &record_tail.key)                -> Result<Option<Keys>, StageError>; None: of the record
//!     encode::Values::new(route, &format, schema)                  -> Result<Values, StageError>; a record sink's values
//! per batch and route
//!     decoder.decode(&raw, route_index, &mut rejects)              -> RowBatch
//!     filter.keep(&raw, row_batch, &mut rejects)                   -> Result<(RowBatch, skipped), StageError>
//!     projector.project(&raw, row_batch, &mut rejects)             -> Result<RowBatch, StageError>; fills `output`
//!     partitioner.split(&raw, row_batch, &mut rejects)             -> Result<RouteRows, StageError>
//!     keys.make(&raw, row_batch, &mut rejects)                     -> Result<(RowBatch, BinaryArray), StageError>
//!     values.encode(&raw, &row_batch)                              -> Result<BinaryArray, StageError>
//! per file
//!     encoding.open()                                              -> Result<Box<dyn FileEncoder>, StageError>
//! ```

pub(crate) mod commit;
pub mod decode;
pub mod encode;
pub mod filter;
pub mod partition;
pub(crate) mod produce;
pub(crate) mod read;
pub(crate) mod roll;
pub(crate) mod sequence;
pub(crate) mod target;
pub mod transform;
pub(crate) mod upload;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::{filter, filter_record_batch};
use arrow::error::ArrowError;
use bytes::Bytes;

use crate::connector::{PartTag, UploadId};
use crate::error::{ConnectorError, ErrorKind};
use crate::position::{Delta, PartitionId, Position};
use crate::records::RawBatch;

/// The rows of a batch that one route keeps.
///
/// `decoded` and `output` have one entry per kept row, in the order of `rows`.
#[derive(Clone, Debug)]
pub struct RowBatch {
    /// Where the records came from.
    pub partition: PartitionId,
    /// The positions that the whole batch covers, whatever rows are left.
    pub delta: Delta,
    /// Index of the route in the plan.
    pub route: usize,
    /// The row in the [`RawBatch`] of each kept row, ascending.
    pub rows: Vec<u32>,
    /// One array per column of the plan's `Decode::columns`, of `rows.len()` values.
    pub decoded: Vec<ArrayRef>,
    /// The output columns; `None` until the transform stage ran, and for a route that passes payloads through.
    pub output: Option<RecordBatch>,
}

impl RowBatch {
    /// Kept rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Drops the rows (by their index here, not in the [`RawBatch`]) for which `drop` holds. The delta stays.
    ///
    /// # Errors
    /// A bug: columns of another length.
    pub(crate) fn drop_rows(self, drop: &[bool]) -> Result<Self, ArrowError> {
        let keep: BooleanArray = drop.iter().map(|drop| Some(!drop)).collect();
        let decoded = self.decoded.iter().map(|array| filter(array, &keep)).collect::<Result<_, _>>()?;
        let output = self.output.map(|output| filter_record_batch(&output, &keep)).transpose()?;
        let rows = self.rows.iter().zip(drop).filter(|(_, drop)| !**drop).map(|(row, _)| *row).collect();
        Ok(Self { rows, decoded, output, ..self })
    }

    /// True if every row was dropped; the delta still counts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// The rows of one route with the folder that each belongs to.
#[derive(Clone, Debug)]
pub struct RouteRows {
    /// The rows.
    pub rows: RowBatch,
    /// The distinct folders, below the route's prefix, without slashes at the ends; `""` is the prefix itself. Encoded for use in a key:
    /// no segment is empty, `.` or `..`.
    pub folders: Vec<Arc<str>>,
    /// Per row the index into `folders`. Empty: all rows belong to `folders[0]`.
    pub folder_of_row: Vec<u32>,
}

/// A batch of one source partition, each row with its folder: all routes together and ONE delta.
#[derive(Clone, Debug)]
pub struct PartBatch {
    /// Where the records came from.
    pub partition: PartitionId,
    /// What the batch moves the position over.
    pub delta: Delta,
    /// The rows by route; empty if nothing is left.
    pub routes: Vec<RouteRows>,
}

/// The rows that go into one file: a part of a [`RowBatch`].
pub struct FileRows<'a> {
    /// The source records, for payloads and metadata: row `batch.rows[i]` of it belongs to row `i` of `batch`.
    pub raw: &'a RawBatch,
    /// The rows.
    pub batch: &'a RowBatch,
    /// Which of them.
    pub pick: Pick<'a>,
}

/// Which rows of a [`RowBatch`] are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pick<'a> {
    /// These, one after the other.
    Range(Range<usize>),
    /// These, ascending.
    Indices(&'a [u32]),
}

impl Pick<'_> {
    /// How many rows.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Range(range) => range.len(),
            Self::Indices(indices) => indices.len(),
        }
    }

    /// True if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Turns the rows of one file into bytes. Buffers what it needs (a column writer wants thousands of rows at a time) and says how much
/// it holds; no IO.
pub trait FileEncoder: Send {
    /// Appends rows.
    ///
    /// # Errors
    /// A row that cannot be encoded at all: the stages before are to reject such rows, so this stops the task.
    fn write(&mut self, rows: &FileRows<'_>) -> Result<(), StageError>;

    /// Everything it holds in memory, in bytes: builders, buffered rows, finished bytes that were not taken.
    fn memory_bytes(&self) -> usize;

    /// How long the file would be by now, in bytes, those taken included: exact for line formats, an estimate for column formats.
    fn file_bytes(&self) -> u64;

    /// Takes the next part of the file, if there is one: all have [`PART_BYTES`](crate::limits::PART_BYTES), but for the last one of a finished file.
    fn take_part(&mut self) -> Option<Bytes>;

    /// Ends the file, called once: what it holds are parts then.
    ///
    /// # Errors
    /// As [`FileEncoder::write`].
    fn finish(&mut self) -> Result<(), StageError>;
}

/// A stage that cannot go on: a plan that does not fit, or a bug. Messages are lower-case fragments.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{stage}: {message}")]
pub struct StageError {
    /// The stage: `decode`, `encode`.
    pub stage: &'static str,
    /// What is wrong.
    pub message: String,
}

impl StageError {
    /// An error of a stage.
    pub fn new(stage: &'static str, message: impl Into<String>) -> Self {
        Self { stage, message: message.into() }
    }
}

impl From<StageError> for ConnectorError {
    fn from(error: StageError) -> Self {
        Self::new(ErrorKind::Bug, error.to_string())
    }
}

/// Why a set of files was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RollReason {
    /// `flush.records`.
    Records,
    /// `flush.bytes`.
    Bytes,
    /// `flush.interval`: since the first record of the set.
    Interval,
    /// `flush.idle`: since the last record of the set.
    Idle,
    /// `flush.schedule`: the clock on the wall passed a point of the grid.
    Schedule,
    /// Memory was short.
    Memory,
    /// As many files were open as may be.
    Files,
    /// The pipeline stops and drains, or has caught up.
    Stop,
    /// Prepared files of a set were removed: it is written again as it was.
    Undone,
}

impl RollReason {
    /// All of them, for metrics.
    pub const ALL: [Self; 9] =
        [Self::Records, Self::Bytes, Self::Interval, Self::Idle, Self::Schedule, Self::Memory, Self::Files, Self::Stop, Self::Undone];

    /// The word for people, logs and metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Bytes => "bytes",
            Self::Interval => "interval",
            Self::Idle => "idle",
            Self::Schedule => "schedule",
            Self::Memory => "memory",
            Self::Files => "files",
            Self::Stop => "stop",
            Self::Undone => "undone",
        }
    }
}

/// The number of a set within its task, in the order in which sets were closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetId(pub u64);

/// What a file holds, for its name and for whoever watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFacts {
    /// The whole object key.
    pub key: String,
    /// Index of the route in the plan.
    pub route: usize,
    /// Position of its first record.
    pub first: Position,
    /// Position of its last record.
    pub last: Position,
    /// Records in it.
    pub records: u64,
    /// Its length.
    pub bytes: u64,
}

/// A file whose bytes are complete.
#[derive(Clone, Debug)]
pub struct EncodedFile {
    /// What it is.
    pub facts: FileFacts,
    /// Its bytes, cut into parts. Never empty.
    pub parts: Vec<Bytes>,
}

/// The files of a closed set. `files` is empty if the set only moves the position.
#[derive(Debug)]
pub struct EncodedSet {
    /// Its number.
    pub id: SetId,
    /// The source partition.
    pub partition: PartitionId,
    /// What the set moves the position over.
    pub delta: Delta,
    /// Why it was closed.
    pub reason: RollReason,
    /// Its files.
    pub files: Vec<EncodedFile>,
}

/// A file that is stored but not visible yet.
#[derive(Clone, Debug)]
pub struct StagedFile {
    /// What it is.
    pub facts: FileFacts,
    /// The prepared upload.
    pub upload: UploadId,
    /// Its parts.
    pub parts: Vec<PartTag>,
}

/// A set whose files are all prepared: it can be committed.
#[derive(Clone, Debug)]
pub struct StagedSet {
    /// Its number.
    pub id: SetId,
    /// The source partition.
    pub partition: PartitionId,
    /// What the set moves the position over.
    pub delta: Delta,
    /// Why it was closed.
    pub reason: RollReason,
    /// Its files.
    pub files: Vec<StagedFile>,
}

/// A set that counts.
#[derive(Clone, Debug)]
pub struct CommittedSet {
    /// Its number.
    pub id: SetId,
    /// The source partition.
    pub partition: PartitionId,
    /// What the set moves the position over.
    pub delta: Delta,
    /// Its files.
    pub files: Vec<FileFacts>,
    /// How many of them had been there already.
    pub existed: usize,
}

/// What became of a set outside the task's thread.
#[derive(Debug)]
pub enum SetResult {
    /// All its files are prepared.
    Staged(StagedSet),
    /// It counts.
    Committed(CommittedSet),
    /// Neither will happen.
    Failed {
        /// Its number.
        id: SetId,
        /// The source partition.
        partition: PartitionId,
        /// Why.
        error: ConnectorError,
    },
}

/// Whether work outside the task's thread is still wanted.
#[derive(Clone, Debug, Default)]
pub struct Fence(Arc<AtomicBool>);

impl Fence {
    /// False once the task dropped the [`Hold`]: start nothing more.
    #[must_use]
    pub fn is_up(&self) -> bool {
        !self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn hold(&self) -> Hold {
        Hold(self.clone())
    }
}

/// The task's end of a [`Fence`]. Dropped with the set that the work is for: a partition that was given away, a task that ends.
#[derive(Debug)]
pub struct Hold(Fence);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}
