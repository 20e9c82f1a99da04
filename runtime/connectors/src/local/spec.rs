//! What the compiler knows about the `local` sink.

use kpipe_compiler::catalog::{ChangeKind, ConnectorSpec, NameKind, OptionKind, OptionSpec, SinkKind, SinkSpec};
use kpipe_compiler::plan::Guarantee;

use crate::files;

/// The description.
pub(super) static SPEC: ConnectorSpec = ConnectorSpec {
    name: "local",
    summary: "files below a directory, written like the objects of a bucket",
    example: EXAMPLE,
    source: None,
    sink: Some(SinkSpec {
        options: &OPTIONS,
        into: NameKind::Folder,
        clauses: files::CLAUSES,
        properties: files::PROPERTIES,
        kind: SinkKind::Files,
        formats: files::FORMATS,
        guarantee: Guarantee::ExactlyOnce,
    }),
};

const EXAMPLE: &str = "version: 1
pipeline: orders-files
source:
  kafka:
    brokers: [localhost:9092]
    value: { format: json }
sink:
  local:
    dir: ./lake
    format: json
    flush: { records: 100000, idle: 30s }
kcql: |
  INSERT INTO orders SELECT * FROM orders PARTITIONBY _date.`yyyy/MM/dd`
";

static OPTIONS: [OptionSpec; 19] = files::join(STORE, files::OPTIONS);

const STORE: [OptionSpec; 1] = [OptionSpec {
    path: "dir",
    kind: OptionKind::Path,
    required: true,
    default: None,
    secret: false,
    change: ChangeKind::NewLayout,
    doc: "The directory that stands for the bucket; it is created. Targets of statements are folders below it.",
    example: "/var/lib/kpipe/lake",
}];
