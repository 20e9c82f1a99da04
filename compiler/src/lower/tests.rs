//! Pipelines of a small catalogue, lowered from statements and options.

mod columns;
mod ends;
mod examples;
mod exprs;
mod files;
mod names;
mod oddities;
mod texts;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kpipe_grammar::span::Span;

use super::*;
use crate::catalog::{ConnectorSpec, MetadataColumn, NameKind, OptionKind, OptionSpec, PropertySpec, Replay, SinkSpec, SourceSpec};
use crate::document::{DeadLetterDoc, EndpointDoc, ErrorsDoc, KcqlText, OptionPlace, SchemaDoc};
use crate::plan::{DataType, Guarantee, OptionValue, Options, Schedule, Tolerance};
use crate::report::{Severity, View};
use crate::schema::parse_type;
use crate::sources::{FileId, Located, Location, Sources};
use crate::yaml::{ScalarMap, Style};

const fn option(path: &'static str, kind: OptionKind) -> OptionSpec {
    OptionSpec { path, kind, ..OptionSpec::PLAIN }
}

/// Records with offsets, keys and headers, like Kafka.
static LOG: ConnectorSpec = ConnectorSpec {
    name: "log",
    summary: "",
    example: "",
    source: Some(SourceSpec {
        options: &LOG_OPTIONS,
        from: NameKind::KafkaTopic,
        clauses: &["WITHKEY", "KEYDELIMITER", "WITHCONVERTER"],
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
        options: &[
            option("brokers", OptionKind::List(&OptionKind::HostPort)),
            option("tls.ca", OptionKind::Text),
            option("client", OptionKind::Map(&["keep"])),
        ],
        into: NameKind::KafkaTopicOrSource,
        clauses: &[],
        properties: &[],
        kind: SinkKind::Records,
        formats: &[],
        guarantee: Guarantee::AtLeastOnce,
    }),
};

/// Messages that wait for their acknowledgement, like MQTT.
static QUEUE: ConnectorSpec = ConnectorSpec {
    name: "queue",
    summary: "",
    example: "",
    source: Some(SourceSpec {
        options: &QUEUE_OPTIONS,
        from: NameKind::MqttFilter,
        clauses: &["WITHKEY", "KEYDELIMITER", "WITHCONVERTER"],
        columns: &[MetadataColumn::Topic, MetadataColumn::Timestamp, MetadataColumn::Qos, MetadataColumn::Retained],
        replay: Replay::Unacknowledged,
    }),
    sink: None,
};

const fn with(path: &'static str, kind: OptionKind, default: &'static str) -> OptionSpec {
    OptionSpec { default: Some(default), ..option(path, kind) }
}

static LOG_OPTIONS: [OptionSpec; 5] = [
    option("brokers", OptionKind::List(&OptionKind::HostPort)),
    option("group", OptionKind::Text),
    with("value.format", OptionKind::Format, "bytes"),
    option("value.schema", OptionKind::Schema),
    option("value.registry", OptionKind::Text),
];

static QUEUE_OPTIONS: [OptionSpec; 3] = [
    with("qos", OptionKind::Integer { min: 0, max: 2 }, "1"),
    with("value.format", OptionKind::Format, "bytes"),
    option("value.schema", OptionKind::Schema),
];

static STORE_OPTIONS: [OptionSpec; 17] = [
    option("flush.records", OptionKind::Integer { min: 1, max: 1000 }),
    with("flush.bytes", OptionKind::Bytes { min: 1, max: 1 << 40 }, "128MiB"),
    with("flush.interval", OptionKind::Duration { min_ms: 100, max_ms: 86_400_000 }, "10m"),
    with("flush.idle", OptionKind::Duration { min_ms: 100, max_ms: 86_400_000 }, "5m"),
    option("flush.schedule", OptionKind::Duration { min_ms: 1000, max_ms: 86_400_000 }),
    with("flush.timezone", OptionKind::Text, "UTC"),
    with("partition.names", OptionKind::Boolean, "true"),
    with("partition.keep", OptionKind::Boolean, "true"),
    with("partition.timestamp", OptionKind::Text, "_timestamp"),
    with("partition.zone", OptionKind::Text, "UTC"),
    option("partition.parse", OptionKind::Choice(&["rfc3339", "millis", "micros"])),
    option("partition_by", OptionKind::List(&OptionKind::Text)),
    with("format", OptionKind::Format, "json"),
    with("prefix", OptionKind::Text, "\"\""),
    with("separator", OptionKind::Text, "\"\""),
    option("compat", OptionKind::Choice(&["confluent", "lenses"])),
    with("on_type_change", OptionKind::Choice(&["ask", "allow"]), "ask"),
];

const fn files(into: NameKind) -> SinkSpec {
    SinkSpec {
        options: &STORE_OPTIONS,
        into,
        clauses: &["PARTITIONBY", "NOPARTITION", "STOREAS", "PROPERTIES"],
        properties: &[
            PropertySpec { key: "flush.count", option: "flush.records", factor: 1 },
            PropertySpec { key: "flush.size", option: "flush.bytes", factor: 1 },
            PropertySpec { key: "flush.interval", option: "flush.interval", factor: 1000 },
            PropertySpec { key: "partition.include.keys", option: "partition.names", factor: 1 },
        ],
        kind: SinkKind::Files,
        formats: &["json", "parquet", "text", "bytes"],
        guarantee: Guarantee::AtLeastOnce,
    }
}

/// Objects in buckets.
static STORE: ConnectorSpec = ConnectorSpec { name: "store", summary: "", example: "", source: None, sink: Some(files(NameKind::Bucket)) };
/// Files in a directory.
static DIR: ConnectorSpec = ConnectorSpec { name: "dir", summary: "", example: "", source: None, sink: Some(files(NameKind::Folder)) };

/// A pipeline to be lowered.
struct Case {
    source: &'static ConnectorSpec,
    sink: &'static ConnectorSpec,
    source_options: Vec<(&'static str, OptionValue)>,
    sink_options: Vec<(&'static str, OptionValue)>,
    schema: Option<SchemaDoc>,
    kcql: &'static str,
    delivery: Option<Guarantee>,
    tolerance: Tolerance,
    dead_letter: Option<&'static str>,
    sampled: Option<Schema>,
    absent: Vec<&'static str>,
}

fn text(text: &str) -> OptionValue {
    OptionValue::Text(text.to_owned())
}

fn list(texts: &[&str]) -> OptionValue {
    OptionValue::List(texts.iter().map(|item| text(item)).collect())
}

/// A format and its options.
fn format(name: &str, options: &[(&str, OptionValue)]) -> OptionValue {
    let options = options.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    OptionValue::Map([(name.to_owned(), OptionValue::Map(options))].into())
}

/// JSON from a log into JSON files.
fn log_to_store(kcql: &'static str) -> Case {
    Case {
        source: &LOG,
        sink: &STORE,
        source_options: vec![("value.format", text("json")), ("brokers", list(&["a:9092"]))],
        sink_options: Vec::new(),
        schema: None,
        kcql,
        delivery: None,
        tolerance: Tolerance::None,
        dead_letter: None,
        sampled: None,
        absent: Vec::new(),
    }
}

/// From a queue into another log.
fn queue_to_log(kcql: &'static str) -> Case {
    Case { source: &QUEUE, sink: &LOG, source_options: Vec::new(), ..log_to_store(kcql) }
}

/// From one log into another.
fn log_to_log(kcql: &'static str) -> Case {
    Case { sink: &LOG, sink_options: vec![("brokers", list(&["b:9092"]))], ..log_to_store(kcql) }
}

impl Case {
    fn source_option(mut self, path: &'static str, value: OptionValue) -> Self {
        self.source_options.retain(|(other, _)| *other != path);
        self.source_options.push((path, value));
        self
    }

    fn sink_option(mut self, path: &'static str, value: OptionValue) -> Self {
        self.sink_options.push((path, value));
        self
    }

    /// Fields as in `struct<...>`: `id: bigint not null, name: string`.
    fn schema(mut self, fields: &str) -> Self {
        let DataType::Struct(schema) = parse_type(&format!("struct<{fields}>")).unwrap().0 else { panic!("a struct") };
        self.schema = Some(SchemaDoc::Inline { schema, fields: BTreeMap::new() });
        self
    }

    /// The pipeline, and every diagnostic as `code: message [text at the label: label]...`.
    fn lower(self) -> (Option<Lowered>, Vec<String>) {
        let mut sources = Sources::new();
        let kcql_file = sources.add("statements.kcql", self.kcql);
        let mut yaml = Yaml { text: String::new(), file: kcql_file };
        let document = self.document(&mut yaml, kcql_file);
        sources.add("pipeline.yaml", yaml.text);
        let mut report = Report::default();
        let lowered = lower(&document, self.sampled.as_ref(), &mut report);
        assert_eq!(lowered.is_some(), !report.has_errors() && self.absent.is_empty());
        let views = report.views(&sources);
        (lowered, views.iter().map(show).collect())
    }

    fn document(&self, yaml: &mut Yaml, kcql_file: FileId) -> Document {
        // The file of options is added behind the one of statements.
        let mut other = Sources::new();
        other.add("first", "");
        yaml.file = other.add("second", "");
        let kcql_at = Location::new(kcql_file, Span::new(0, self.kcql.len()));
        let whole = vec![crate::yaml::Segment { decoded: kcql_at.span, source: kcql_at.span, whole: false }];
        let mut source = yaml.endpoint(self.source, &self.source_options);
        if let Some(schema) = &self.schema {
            let at = yaml.write("value.schema: inline");
            source.places.insert("value.schema".to_owned(), OptionPlace { key: at, value: at });
            source.schemas.insert("value.schema".to_owned(), schema.clone());
        }
        source.absent = self.absent.iter().map(|path| (*path).to_owned()).collect::<BTreeSet<String>>();
        let sink = yaml.endpoint(self.sink, &self.sink_options);
        let dead_letter = self.dead_letter.map(|topic| {
            let at = yaml.write(&format!("dead_letter: {topic}"));
            DeadLetterDoc { topic: Located::new(topic.to_owned(), at), cluster: None }
        });
        Document {
            name: Located::new("p".to_owned(), yaml.write("pipeline: p")),
            delivery: self.delivery.map(|delivery| Located::new(delivery, yaml.write("delivery: asked"))),
            source,
            sink,
            kcql: KcqlText { text: self.kcql.to_owned(), map: Arc::new(ScalarMap::new(kcql_at, Style::Literal, whole)) },
            errors: ErrorsDoc {
                tolerance: self.tolerance,
                dead_letter,
                retry_timeout_ms: None,
                retry_delay_max_ms: 60_000,
                places: BTreeMap::new(),
            },
        }
    }

    /// The pipeline of a case without errors.
    #[track_caller]
    fn pipeline(self) -> Pipeline {
        let (lowered, messages) = self.lower();
        lowered.unwrap_or_else(|| panic!("{messages:#?}")).pipeline
    }

    /// Its only route.
    #[track_caller]
    fn route(self) -> Route {
        let mut routes = self.pipeline().routes;
        assert_eq!(routes.len(), 1);
        routes.remove(0)
    }

    /// Its only file tail.
    #[track_caller]
    fn tail(self) -> FileTail {
        match self.route().tail {
            Tail::Files(tail) => tail,
            Tail::Records(_) => panic!("a sink of files"),
        }
    }

    /// What is said about it.
    #[track_caller]
    fn said(self) -> Vec<String> {
        self.lower().1
    }
}

/// The text of options, one a line, while it is written.
struct Yaml {
    text: String,
    file: FileId,
}

impl Yaml {
    fn write(&mut self, line: &str) -> Location {
        let start = self.text.len();
        self.text.push_str(line);
        self.text.push('\n');
        Location::new(self.file, Span::new(start, start + line.len()))
    }

    fn endpoint(&mut self, connector: &'static ConnectorSpec, options: &[(&'static str, OptionValue)]) -> EndpointDoc {
        let at = self.write(connector.name);
        let mut places = BTreeMap::new();
        for (path, value) in options {
            let shown = crate::plan::wording::show(value);
            let at = self.write(&format!("{path}: {shown}"));
            places.insert((*path).to_owned(), OptionPlace { key: at, value: at });
        }
        EndpointDoc {
            connector,
            at,
            options: Options(options.iter().map(|(path, value)| ((*path).to_owned(), value.clone())).collect()),
            places,
            schemas: BTreeMap::new(),
            absent: BTreeSet::new(),
        }
    }
}

fn show(view: &View) -> String {
    let mut line = format!("{}: {}", view.code, view.message);
    if view.severity == Severity::Warning {
        line.insert_str(0, "warning ");
    }
    for label in view.primary.iter().chain(&view.secondary) {
        let at = &label.span;
        let place = if label.name == "pipeline.yaml" { "yaml".to_owned() } else { format!("{}-{}", at.start, at.end) };
        line.push_str(&format!(" [{place}: {}]", label.text));
    }
    line
}
