//! The plan: everything the runtime needs to know, typed, and nothing else.
//!
//! It holds no secret, only references to them, and it is the same bytes for the same input. [`wire`] is its saved form.

pub mod explain;
mod expr;
pub mod naming;
pub mod options;
pub mod story;
pub mod types;
pub mod wire;
pub mod wording;

use serde::{Deserialize, Serialize};

pub use expr::{Call, Expr, Literal, Op};
pub use options::{OptionValue, Options, SecretRef};
pub use types::{DataType, Field, Schema, TimeUnit};

/// One pipeline, ready to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pipeline {
    /// Its name: also the default consumer group.
    pub name: String,
    /// Where records come from.
    pub source: Endpoint,
    /// Where they go.
    pub sink: Endpoint,
    /// The columns of values as samples showed them, for `schema: infer`: frozen here, so that the next plan takes them and does not
    /// sample again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampled: Option<Schema>,
    /// One per statement, in the order of the file.
    pub routes: Vec<Route>,
    /// When files are closed. `None` for a sink of records.
    pub flush: Option<Flush>,
    /// How sets of files are committed.
    #[serde(default, skip_serializing_if = "CommitProtocol::is_deterministic")]
    pub commit: CommitProtocol,
    /// What happens to a record or a system that fails.
    pub errors: ErrorPolicy,
    /// What the compiler proved.
    pub promise: Promise,
}

/// A connector and its options, checked and complete (defaults filled in).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The connector's name in the catalogue.
    pub connector: String,
    /// Its options by dotted path.
    pub options: Options,
}

/// What one statement does with the records it selects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The statement in canonical form: for people, it decides nothing.
    pub statement: String,
    /// A topic, an MQTT filter, a file.
    pub from: String,
    /// How a value becomes columns.
    pub decode: Decode,
    /// The condition of the records that are taken; the others are skipped, and counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Expr>,
    /// The columns of the output; `None` passes the payload through as it is.
    pub project: Option<Vec<Projection>>,
    /// The end of the path.
    pub tail: Tail,
}

/// How the bytes of a value become columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decode {
    /// The format of the value.
    pub format: ValueFormat,
    /// The columns that the rest of the route reads, by path into the value. May be empty: then the value is only checked to be
    /// well formed (`json`) or not looked at (`bytes`).
    pub columns: Vec<DecodeColumn>,
}

/// Formats of a record's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValueFormat {
    /// Not interpreted.
    Bytes,
    /// UTF-8 text.
    Text,
    /// One JSON text a record.
    Json,
}

/// One column to read from a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecodeColumn {
    /// Keys from the outside in.
    pub path: Vec<String>,
    /// What it must be. Without a schema this is [`DataType::Any`]: the scalar's text.
    pub data_type: DataType,
    /// False: a record without it, or with null, is rejected.
    pub nullable: bool,
}

/// One column of the output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Projection {
    /// Its name.
    pub name: String,
    /// What it is.
    pub expr: Expr,
    /// Its type.
    pub data_type: DataType,
    /// Whether it may be null.
    pub nullable: bool,
}

/// The end of the path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tail {
    /// Records into a log.
    Records(RecordTail),
    /// Files under a prefix.
    Files(FileTail),
}

/// Where and how records are produced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordTail {
    /// The topic.
    pub topic: TopicName,
    /// The key of the produced record.
    pub key: KeyPlan,
    /// How a projected row is written; `None` passes the value through.
    pub format: Option<FileFormat>,
}

/// The topic of a produced record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TopicName {
    /// This one.
    Fixed(String),
    /// `` `$` ``: the source's topic, runs of `/` as `_`, one leading `/` dropped.
    OfSource,
}

/// The key of a produced record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyPlan {
    /// The key of the source record (Kafka).
    Keep,
    /// The source's topic (MQTT).
    SourceTopic,
    /// WITHKEY: these values as text, joined by the delimiter. A record that lacks one is rejected.
    Fields {
        /// Each a column or metadata.
        fields: Vec<Expr>,
        /// KEYDELIMITER; `.` by default.
        delimiter: String,
    },
}

/// Where and how files are written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileTail {
    /// The bucket, or empty for a directory (its root is an option of the sink).
    pub bucket: String,
    /// Below it, without slashes at the ends; may be empty.
    pub prefix: String,
    /// The folders, from the outside in. Empty: no folder.
    pub partition: Vec<PartitionItem>,
    /// False: the partition columns are left out of the file.
    pub keep_partition_columns: bool,
    /// What is written.
    pub format: FileFormat,
    /// How objects are named.
    pub naming: Naming,
}

/// One level of folders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartitionItem {
    /// `name=value`, or `value` alone.
    Value {
        /// The folder's name before the value; `None` writes the value alone.
        name: Option<String>,
        /// Its value.
        expr: Expr,
    },
    /// A time: the pattern's own `/` make levels. Hive names stand in the pattern as literals.
    Time {
        /// `_timestamp` or a timestamp column.
        expr: Expr,
        /// A java.time pattern, checked by the compiler.
        pattern: String,
        /// An IANA zone.
        zone: String,
        /// The folder's name before the value, as `date=`; `None` writes the value alone.
        name: Option<String>,
    },
}

/// How objects are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Naming {
    /// `<topic>-<partition>-<first offset>-<last offset>.<ext>`, offsets of 12 digits.
    Kpipe,
    /// Confluent's: `<prefix>/<topic>/<folders>/<topic>+<partition>+<first offset, 10 digits>.<ext>`.
    Confluent,
    /// Lenses': `<last offset, 12 digits>_<first ts>_<last ts>.<ext>` (kcql.md 4.5).
    Lenses,
}

/// The format of a file and its settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileFormat {
    /// One JSON text a line.
    Json {
        /// Of the whole file.
        compression: Compression,
    },
    /// Parquet.
    Parquet {
        /// Of the pages.
        compression: Compression,
        /// Largest row group before it is written out, in bytes of encoded data.
        row_group_bytes: u64,
    },
    /// UTF-8 text, one value a line.
    Text {
        /// Of the whole file.
        compression: Compression,
    },
    /// Values as they are, one after the other.
    Bytes {
        /// Between two values; empty by default.
        separator: String,
    },
}

/// A codec and its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// As it is.
    None,
    /// Snappy (Parquet only).
    Snappy,
    /// gzip of this level.
    Gzip(u32),
    /// Zstandard of this level.
    Zstd(i32),
}

/// When the files of one source partition are closed, all together. Any of them closes the set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flush {
    /// Records in the set.
    pub records: Option<u64>,
    /// Bytes of all files of the set as written so far.
    pub bytes: u64,
    /// Since the first record of the set, in milliseconds.
    pub interval_ms: Option<u64>,
    /// Since the last record of the set, in milliseconds.
    pub idle_ms: Option<u64>,
    /// When the clock on the wall passes a point of a grid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
}

/// A grid of times: the local midnights of a zone, and every whole number of steps after each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// The step in milliseconds, at least one and at most a day. Where it does not divide a day, the last one before midnight is shorter.
    pub every_ms: u64,
    /// The IANA time zone.
    pub zone: String,
}

/// What happens to a record or a system that fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorPolicy {
    /// `none` stops at the first bad record, `all` puts it aside.
    pub tolerance: Tolerance,
    /// Where bad records go under `all`; `None`: counted, logged and dropped.
    pub dead_letter: Option<DeadLetter>,
    /// How long a system that is away is waited for before the pipeline stops, in milliseconds; `None`: for ever.
    pub retry_timeout_ms: Option<u64>,
    /// Longest pause between two attempts, in milliseconds.
    pub retry_delay_max_ms: u64,
}

/// How many bad records are tolerated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tolerance {
    /// The first one stops the pipeline.
    None,
    /// All of them.
    All,
}

/// The dead-letter topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The topic.
    pub topic: String,
    /// The cluster it is on, as the options of a `kafka` sink. The pipeline's own where one of its ends is Kafka.
    pub cluster: Endpoint,
}

/// What the compiler proved about a pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    /// The guarantee.
    pub guarantee: Guarantee,
    /// Why, in one sentence for people.
    pub reason: String,
}

/// How a set of files comes to count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommitProtocol {
    /// As `Ledger` if the store honours conditional writes, else as `Kafka`: that is tried at the start.
    Auto,
    /// A record of the ledger names the prepared files of a set and the positions that it covers; then they become visible.
    Ledger,
    /// The same, but for what makes a record count: not that it is there, but that the committed offset of the group names it.
    Kafka,
    /// The files become visible, then the source's position moves. A crash in between writes them again, under the same names if they close
    /// at the same positions.
    #[default]
    Deterministic,
}

impl CommitProtocol {
    /// The word in `commit.protocol`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Ledger => "ledger",
            Self::Kafka => "kafka",
            Self::Deterministic => "deterministic",
        }
    }

    /// Records name what counts, and the source begins where they say.
    #[must_use]
    pub fn keeps_ledger(self) -> bool {
        match self {
            Self::Auto | Self::Ledger | Self::Kafka => true,
            Self::Deterministic => false,
        }
    }

    fn is_deterministic(&self) -> bool {
        *self == Self::Deterministic
    }
}

/// Delivery guarantees, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guarantee {
    /// A record can be lost (QoS 0).
    AtMostOnce,
    /// No record is lost; one can come twice.
    AtLeastOnce,
    /// Each record once.
    ExactlyOnce,
}

#[cfg(test)]
pub(crate) mod tests;
