//! What the compiler knows about `file`.

use kpipe_compiler::catalog::{
    ChangeKind, ConnectorSpec, MetadataColumn, NameKind, OptionKind, OptionSpec, Replay, SinkKind, SinkSpec, SourceSpec,
};
use kpipe_compiler::plan::Guarantee;

/// The description.
pub(super) static SPEC: ConnectorSpec = ConnectorSpec {
    name: "file",
    summary: "text files, one record a line",
    example: EXAMPLE,
    source: Some(SourceSpec {
        options: &SOURCE,
        from: NameKind::File,
        clauses: &[],
        columns: &[MetadataColumn::Topic, MetadataColumn::Partition, MetadataColumn::Offset],
        replay: Replay::FromPosition,
    }),
    sink: Some(SinkSpec {
        options: &SINK,
        into: NameKind::File,
        clauses: &[],
        properties: &[],
        kind: SinkKind::Records,
        formats: &[],
        guarantee: Guarantee::AtLeastOnce,
    }),
};

const EXAMPLE: &str = "version: 1
pipeline: access-log
source:
  file:
    dir: /var/log/web
    mode: tail
    value: { format: text }
sink:
  kafka: { brokers: [localhost:9092] }
kcql: |
  INSERT INTO access_log SELECT * FROM `*.log`
";

static SOURCE: [OptionSpec; 6] = [
    OptionSpec {
        path: "dir",
        kind: OptionKind::Path,
        required: true,
        change: ChangeKind::Position,
        doc: "The directory that names in FROM are relative to.",
        example: "/var/log/web",
        ..OptionSpec::PLAIN
    },
    OptionSpec {
        path: "mode",
        kind: OptionKind::Choice(&["tail", "once"]),
        default: Some("tail"),
        doc: "`tail` follows the files as they grow and picks up new ones; `once` reads what is there and ends, a last line without a line break \
              included.",
        example: "once",
        ..OptionSpec::PLAIN
    },
    OptionSpec {
        path: "value.format",
        kind: OptionKind::Format,
        default: Some("bytes"),
        doc: "What a line is: `json`, `text` or `bytes`.",
        example: "json",
        ..OptionSpec::PLAIN
    },
    OptionSpec {
        path: "value.schema",
        kind: OptionKind::Schema,
        doc: "The fields of a JSON line and their types.",
        example: "{ id: bigint not null, name: string }",
        ..OptionSpec::PLAIN
    },
    OptionSpec {
        path: "line_max",
        kind: OptionKind::Bytes { min: 1024, max: 256 << 20 },
        default: Some("10MiB"),
        doc: "The longest line. A longer one stops the pipeline and is named by its file and position.",
        example: "1MiB",
        ..OptionSpec::PLAIN
    },
    OptionSpec {
        path: "positions",
        kind: OptionKind::Path,
        change: ChangeKind::Position,
        doc: "The file that remembers how far each file was read; `<dir>/.kpipe/positions/<pipeline>.json` by default.",
        example: "/var/lib/kpipe/access-log.json",
        ..OptionSpec::PLAIN
    },
];

static SINK: [OptionSpec; 1] = [OptionSpec {
    path: "dir",
    kind: OptionKind::Path,
    required: true,
    doc: "The directory that names in INTO are relative to; it is created.",
    example: "/var/lib/kpipe/out",
    ..OptionSpec::PLAIN
}];
