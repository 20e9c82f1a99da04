//! What the compiler knows about the connectors in memory.

use kpipe_compiler::catalog::{
    ChangeKind, ConnectorSpec, MetadataColumn, NameKind, OptionKind, OptionSpec, Replay, SinkKind, SinkSpec, SourceSpec,
};
use kpipe_compiler::plan::Guarantee;

use crate::files;

/// Logs: read and written.
pub(super) static LOGS: ConnectorSpec = ConnectorSpec {
    name: "memory",
    summary: "logs in the memory of this process, for tests",
    example: LOGS_EXAMPLE,
    source: Some(SourceSpec {
        options: &SOURCE,
        from: NameKind::Free,
        clauses: &["WITHKEY", "KEYDELIMITER"],
        columns: &[
            MetadataColumn::Topic,
            MetadataColumn::Partition,
            MetadataColumn::Offset,
            MetadataColumn::Timestamp,
            MetadataColumn::Key,
            MetadataColumn::Header,
        ],
        replay: Replay::FromPosition,
    }),
    sink: Some(SinkSpec {
        options: &[WORLD],
        into: NameKind::KafkaTopicOrSource,
        clauses: &[],
        properties: &[],
        kind: SinkKind::Records,
        formats: &["json"],
        guarantee: Guarantee::AtLeastOnce,
    }),
};

/// Files: written.
pub(super) static FILES: ConnectorSpec = ConnectorSpec {
    name: "memory_files",
    summary: "objects in the memory of this process, for tests",
    example: FILES_EXAMPLE,
    source: None,
    sink: Some(SinkSpec {
        options: &STORE,
        into: NameKind::Bucket,
        clauses: files::CLAUSES,
        properties: files::PROPERTIES,
        kind: SinkKind::Files,
        formats: files::FORMATS,
        guarantee: Guarantee::AtLeastOnce,
    }),
};

const LOGS_EXAMPLE: &str = "version: 1
pipeline: copy
source:
  memory: {}
sink:
  memory: {}
kcql: INSERT INTO copies SELECT * FROM orders
";

const FILES_EXAMPLE: &str = "version: 1
pipeline: keep
source:
  memory: { value: { format: json } }
sink:
  memory_files: { format: json }
kcql: INSERT INTO lake:orders SELECT * FROM orders
";

const WORLD: OptionSpec = OptionSpec {
    path: "world",
    kind: OptionKind::Text,
    required: false,
    default: None,
    secret: false,
    change: ChangeKind::Restart,
    doc: "The world. By default the one that has the pipeline's name.",
    example: "case-7",
};

static SOURCE: [OptionSpec; 3] = [
    WORLD,
    OptionSpec {
        path: "value.format",
        kind: OptionKind::Format,
        default: Some("bytes"),
        doc: "The format of values: `bytes`, `text` or `json`.",
        example: "json",
        ..WORLD
    },
    OptionSpec { path: "value.schema", kind: OptionKind::Schema, doc: "The columns of values.", example: "{ id: bigint }", ..WORLD },
];

static STORE: [OptionSpec; 1 + files::OPTIONS.len()] = files::join([WORLD], files::OPTIONS);
