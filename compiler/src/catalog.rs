//! What the compiler may know about connectors: plain data that each connector hands over beside its code.
//!
//! From one [`ConnectorSpec`] come option checking, `kpipe connectors`, the reference and the capability checks.

use crate::plan::Guarantee;

/// Every connector and format that this binary has.
#[derive(Clone, Copy, Debug)]
pub struct Catalog {
    /// The connectors, by name.
    pub connectors: &'static [&'static ConnectorSpec],
}

impl Catalog {
    /// The connector called `name`.
    #[must_use]
    pub fn connector(&self, name: &str) -> Option<&'static ConnectorSpec> {
        self.connectors.iter().copied().find(|spec| spec.name == name)
    }
}

/// One kind of system: its options, what it can do and what it promises.
#[derive(Debug)]
pub struct ConnectorSpec {
    /// The key under `source:` or `sink:`, in lower case.
    pub name: &'static str,
    /// One line.
    pub summary: &'static str,
    /// A complete pipeline file that uses it; compiled by a test.
    pub example: &'static str,
    /// What it can do as a source, if it can be one.
    pub source: Option<SourceSpec>,
    /// What it can do as a sink, if it can be one.
    pub sink: Option<SinkSpec>,
}

/// A connector as a source.
#[derive(Debug)]
pub struct SourceSpec {
    /// The options under its key.
    pub options: &'static [OptionSpec],
    /// What `FROM` names.
    pub from: NameKind,
    /// Clauses that this source honours, by canonical keyword (`WITHKEY`).
    pub clauses: &'static [&'static str],
    /// The metadata columns that its records have.
    pub columns: &'static [MetadataColumn],
    /// Whether a position survives the process, and so what can be promised.
    pub replay: Replay,
}

/// A connector as a sink.
#[derive(Debug)]
pub struct SinkSpec {
    /// The options under its key.
    pub options: &'static [OptionSpec],
    /// What `INTO` names.
    pub into: NameKind,
    /// Clauses that this sink honours, by canonical keyword (`PARTITIONBY`).
    pub clauses: &'static [&'static str],
    /// PROPERTIES that it takes. They mean the same as the option whose path stands in [`PropertySpec::option`].
    pub properties: &'static [PropertySpec],
    /// Whether it writes records or files.
    pub kind: SinkKind,
    /// The formats that it can write (`json`, `parquet`, ...); empty for one that writes records as they are.
    pub formats: &'static [&'static str],
    /// The strongest guarantee it can keep on its own side today.
    pub guarantee: Guarantee,
}

/// What kind of tail a sink gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkKind {
    /// Files under a prefix: partition, roll, encode, upload, commit.
    Files,
    /// Records, one by one in batches: produce.
    Records,
}

/// Whether a source can read again from a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// Positions outlive the process, and it begins at the one that the sink names: Kafka offsets.
    Seekable,
    /// Positions outlive the process, and it begins where it stood itself: byte positions in a file.
    FromPosition,
    /// What was not acknowledged comes again, under no stable number: MQTT.
    Unacknowledged,
}

/// What a name in `FROM` or `INTO` is, and so which rules it is checked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// A Kafka topic: 1 to 249 of `[A-Za-z0-9._-]`.
    KafkaTopic,
    /// A Kafka topic, or `` `$` `` for the name of the source's topic.
    KafkaTopicOrSource,
    /// An MQTT topic filter, `$share/group/` allowed.
    MqttFilter,
    /// `bucket` or `bucket:prefix`.
    Bucket,
    /// A path below the directory that the options name.
    Folder,
    /// A file path or a glob, below the directory that the options name.
    File,
    /// Any text.
    Free,
}

/// A column that every record of a source has beside its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataColumn {
    /// `_topic`.
    Topic,
    /// `_partition`.
    Partition,
    /// `_offset`.
    Offset,
    /// `_timestamp`: of the record, or its arrival.
    Timestamp,
    /// `_key`.
    Key,
    /// `_header.x`.
    Header,
    /// `_qos`.
    Qos,
    /// `_retained`.
    Retained,
}

/// One option: `flush.bytes`, `tls.ca`. The path is relative to the connector's key.
#[derive(Clone, Copy, Debug)]
pub struct OptionSpec {
    /// Dotted path.
    pub path: &'static str,
    /// Its type and limits.
    pub kind: OptionKind,
    /// Whether it must be given.
    pub required: bool,
    /// The default as it would be written in YAML, if there is one.
    pub default: Option<&'static str>,
    /// True if the value is never shown: it stays a reference in the plan.
    pub secret: bool,
    /// What a change of it means for what runs.
    pub change: ChangeKind,
    /// One sentence, then what a user must know: unit, effect.
    pub doc: &'static str,
    /// A value as it would be written.
    pub example: &'static str,
}

impl OptionSpec {
    /// What most options are, to be filled in: an optional text that is no secret and whose change is a restart.
    pub const PLAIN: Self = Self {
        path: "",
        kind: OptionKind::Text,
        required: false,
        default: None,
        secret: false,
        change: ChangeKind::Restart,
        doc: "",
        example: "",
    };
}

/// What an option takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OptionKind {
    /// Any text.
    Text,
    /// A file or directory of this machine; a relative one starts at the folder of the file that it is written in.
    Path,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A whole number within limits, both included.
    Integer {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// `true` or `false`.
    Boolean,
    /// `128MiB`, `64KB`, `1000`; within limits, in bytes.
    Bytes {
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
    },
    /// `10m`, `500ms`, `1h30m`; within limits, in milliseconds.
    Duration {
        /// Smallest.
        min_ms: u64,
        /// Largest.
        max_ms: u64,
    },
    /// A URL with one of these schemes.
    Url(&'static [&'static str]),
    /// `host:port`.
    HostPort,
    /// `earliest`, `latest` or a time stamp.
    StartPosition,
    /// A schema: inline, `{ file: ... }` or `infer`.
    Schema,
    /// A format name, or `{ name: { options } }`; which ones is the sink's or source's business.
    Format,
    /// One or more of another kind; a single value stands for a list of one.
    List(&'static OptionKind),
    /// Free keys, each a text; only these keys if the list is not empty.
    Map(&'static [&'static str]),
}

/// What a changed option does to a running pipeline (the classes of `plan`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// Takes effect without a restart, or is about what is shown only.
    InPlace,
    /// Drain, then go on where it stopped.
    Restart,
    /// New objects get other names.
    NewLayout,
    /// Another place in the source: records may be skipped or written again.
    Position,
}

/// A PROPERTIES key of a sink and the option that it stands for.
#[derive(Debug)]
pub struct PropertySpec {
    /// The key in KCQL, lower case: `flush.count`.
    pub key: &'static str,
    /// The option path: `flush.records`.
    pub option: &'static str,
    /// Multiplies a bare number to the option's unit, as in `flush.interval` (seconds to milliseconds).
    pub factor: u64,
}
