//! A catalogue for tests: the shapes of options that real connectors have.

use std::collections::HashMap;

use crate::catalog::{Catalog, ConnectorSpec, MetadataColumn, NameKind, OptionKind, OptionSpec, Replay, SinkKind, SinkSpec, SourceSpec};
use crate::compile::{Compiled, compile};
use crate::plan::{Guarantee, Schema};
use crate::report::{Report, Severity};
use crate::sources::{Location, Lookups, Mode, Sources};

const PLAIN: OptionSpec = OptionSpec { example: "x", ..OptionSpec::PLAIN };

const fn text(path: &'static str) -> OptionSpec {
    OptionSpec { path, ..PLAIN }
}

const fn of(path: &'static str, kind: OptionKind, default: Option<&'static str>) -> OptionSpec {
    OptionSpec { path, kind, default, doc: "What it is about. More of it.", ..PLAIN }
}

static KAFKA: [OptionSpec; 13] = [
    OptionSpec { path: "brokers", kind: OptionKind::List(&OptionKind::HostPort), required: true, example: "[kafka:9092]", ..PLAIN },
    of("tls.enabled", OptionKind::Boolean, Some("false")),
    text("tls.ca"),
    of("sasl.mechanism", OptionKind::Choice(&["plain", "scram-sha-256"]), None),
    text("sasl.username"),
    OptionSpec { path: "sasl.password", secret: true, ..PLAIN },
    text("group"),
    of("from", OptionKind::StartPosition, Some("earliest")),
    of("value.format", OptionKind::Format, Some("json")),
    of("value.schema", OptionKind::Schema, None),
    of("value.registry", OptionKind::Url(&["http", "https"]), None),
    of("client", OptionKind::Map(&["fetch.min.bytes", "check.crcs"]), None),
    of("poll", OptionKind::Integer { min: 1, max: 100 }, None),
];

static KAFKA_SINK: [OptionSpec; 4] = [
    OptionSpec { path: "brokers", kind: OptionKind::List(&OptionKind::HostPort), required: true, example: "[kafka:9092]", ..PLAIN },
    OptionSpec { path: "sasl.password", secret: true, ..PLAIN },
    of("linger", OptionKind::Duration { min_ms: 0, max_ms: 10_000 }, Some("5ms")),
    of("topic.config", OptionKind::Map(&[]), None),
];

static MQTT: [OptionSpec; 5] = [
    OptionSpec { path: "url", kind: OptionKind::Url(&["mqtt", "mqtts"]), required: true, example: "mqtt://emqx:1883", ..PLAIN },
    of("version", OptionKind::Choice(&["3.1.1", "5"]), Some("3.1.1")),
    text("username"),
    OptionSpec { path: "password", secret: true, ..PLAIN },
    of("qos", OptionKind::Integer { min: 0, max: 2 }, Some("1")),
];

static S3: [OptionSpec; 10] = [
    of("endpoint", OptionKind::Url(&["http", "https"]), None),
    of("format", OptionKind::Format, Some("json")),
    of("prefix", OptionKind::Text, Some("\"\"")),
    of("partition_by", OptionKind::List(&OptionKind::Text), None),
    of("flush.records", OptionKind::Integer { min: 1, max: i64::MAX }, None),
    of("flush.bytes", OptionKind::Bytes { min: 1, max: 64 << 30 }, Some("128MiB")),
    of("flush.interval", OptionKind::Duration { min_ms: 100, max_ms: 86_400_000 }, Some("10m")),
    of("path_style", OptionKind::Boolean, None),
    of("credentials.access_key", OptionKind::Text, None),
    OptionSpec { path: "credentials.secret_key", secret: true, ..PLAIN },
];

static KAFKA_SPEC: ConnectorSpec = ConnectorSpec {
    name: "kafka",
    summary: "",
    example: "",
    source: Some(SourceSpec {
        options: &KAFKA,
        from: NameKind::KafkaTopic,
        clauses: &["WITHKEY"],
        columns: &[MetadataColumn::Topic, MetadataColumn::Timestamp],
        replay: Replay::FromPosition,
    }),
    sink: Some(SinkSpec {
        options: &KAFKA_SINK,
        into: NameKind::KafkaTopicOrSource,
        clauses: &["WITHKEY"],
        properties: &[],
        kind: SinkKind::Records,
        formats: &[],
        guarantee: Guarantee::AtLeastOnce,
    }),
};

static MQTT_SPEC: ConnectorSpec = ConnectorSpec {
    name: "mqtt",
    summary: "",
    example: "",
    source: Some(SourceSpec { options: &MQTT, from: NameKind::MqttFilter, clauses: &[], columns: &[], replay: Replay::Unacknowledged }),
    sink: None,
};

static S3_SPEC: ConnectorSpec = ConnectorSpec {
    name: "s3",
    summary: "",
    example: "",
    source: None,
    sink: Some(SinkSpec {
        options: &S3,
        into: NameKind::Bucket,
        clauses: &["PARTITIONBY", "STOREAS"],
        properties: &[],
        kind: SinkKind::Files,
        formats: &["json", "parquet"],
        guarantee: Guarantee::AtLeastOnce,
    }),
};

/// `kafka` at both ends, `mqtt` as a source, `s3` as a sink.
pub(crate) static CATALOG: Catalog = Catalog { connectors: &[&KAFKA_SPEC, &MQTT_SPEC, &S3_SPEC] };

/// Variables and files of a test.
#[derive(Default)]
pub(crate) struct World {
    env: HashMap<&'static str, &'static str>,
    files: HashMap<&'static str, &'static str>,
    samples: HashMap<&'static str, Schema>,
}

impl World {
    pub(crate) fn env(mut self, name: &'static str, value: &'static str) -> Self {
        self.env.insert(name, value);
        self
    }

    pub(crate) fn file(mut self, path: &'static str, text: &'static str) -> Self {
        self.files.insert(path, text);
        self
    }

    pub(crate) fn sample(mut self, pipeline: &'static str, schema: Schema) -> Self {
        self.samples.insert(pipeline, schema);
        self
    }
}

impl Lookups for World {
    fn sampled(&self, pipeline: &str) -> Option<Schema> {
        self.samples.get(pipeline).cloned()
    }

    fn env(&self, name: &str) -> Option<String> {
        self.env.get(name).map(|value| (*value).to_owned())
    }

    fn file(&self, _base: &str, path: &str) -> Result<String, String> {
        self.files.get(path).map(|text| (*text).to_owned()).ok_or_else(|| "there is no such file".to_owned())
    }
}

/// Compiles in [`Mode::Plan`].
pub(crate) fn run(sources: &Sources, world: &World) -> Compiled {
    compile(sources, &CATALOG, world, Mode::Plan)
}

/// A pipeline from Kafka to S3 with these lines in place of the sink's options.
pub(crate) fn lake(sink: &str) -> String {
    format!(
        "version: 1\npipeline: lake\nsource:\n  kafka: {{ brokers: [a:1] }}\nsink:\n  s3:\n{sink}\nkcql: INSERT INTO lake SELECT * FROM t\n"
    )
}

/// The same with other lines for the source.
pub(crate) fn from_kafka(source: &str) -> String {
    format!(
        "version: 1\npipeline: lake\nsource:\n  kafka:\n    brokers: [a:1]\n{source}\nsink:\n  s3: {{}}\nkcql: INSERT INTO lake SELECT * FROM t\n"
    )
}

/// Every diagnostic of one file: `3:5 KP0201 message [label] help`.
pub(crate) fn said(text: &str) -> Vec<String> {
    let mut sources = Sources::new();
    sources.add("p.yaml", text);
    shown(&sources, &run(&sources, &World::default()))
}

/// The same of any sources.
pub(crate) fn shown(sources: &Sources, compiled: &Compiled) -> Vec<String> {
    let views = compiled.report.views(sources);
    let line = |view: &crate::report::View| {
        let primary = view.primary.as_ref().map(|label| format!("{}:{} ", label.name, label.begin)).unwrap_or_default();
        let label = view.primary.as_ref().map(|label| label.text.as_str()).unwrap_or_default();
        format!("{primary}{} {} [{label}] {}", view.code, view.message, view.help.as_deref().unwrap_or_default())
    };
    views.iter().map(line).collect()
}

/// Every diagnostic in full: the message, then each label with the text it points at, the help and the fixes.
pub(crate) fn told(sources: &Sources, report: &Report) -> String {
    let mut lines = Vec::new();
    for view in report.views(sources) {
        let severity = if view.severity == Severity::Error { "error" } else { "warning" };
        lines.push(format!("{severity} {}: {}", view.code, view.message));
        for label in view.primary.iter().chain(&view.secondary) {
            let text = sources.text(Location::new(label.file, label.span));
            let text = text.lines().next().unwrap_or_default();
            let name = if label.name == "p.yaml" { String::new() } else { format!("{}:", label.name) };
            lines.push(format!("  {name}{} {text:?} {}", label.begin, label.text));
        }
        lines.extend(view.help.map(|help| format!("  help: {help}")));
        for edit in view.fixes {
            lines.push(format!("  fix: {:?} -> {:?}", sources.text(edit.at), edit.replacement));
        }
    }
    lines.join("\n")
}

/// Compiles a pipeline and compares everything that is said with `expected`, whose lines may be indented.
#[track_caller]
pub(crate) fn says(text: &str, expected: &str) {
    let mut sources = Sources::new();
    sources.add("p.yaml", text);
    let world = World::default().env("SET", "value").file("bad.avsc", "{").file("enum.avsc", "{\"type\": \"enum\"}");
    let said = told(&sources, &run(&sources, &world).report);
    let expected: Vec<&str> = expected.lines().filter(|line| !line.trim().is_empty()).collect();
    let indent = expected.first().map_or(0, |line| line.len() - line.trim_start().len());
    let expected: Vec<&str> = expected.iter().map(|line| line.get(indent..).unwrap_or_default()).collect();
    assert_eq!(said, expected.join("\n"), "{text}");
}
