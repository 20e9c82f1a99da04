use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use serde_json::Value;

use super::validator::validate;
use super::{Place, collect_yaml};
use crate::exit::Exit;

fn schema(of: &str) -> Value {
    Place::new().run(&format!("schema --json-schema={of}")).expect(Exit::Done).json()
}

/// The documents of a file as an editor sees them.
fn documents(text: &str) -> Vec<Value> {
    serde_yaml::Deserializer::from_str(text).map(|document| Value::deserialize(document).unwrap()).collect()
}

/// The root of the project.
fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

#[test]
fn every_pipeline_that_we_hand_out_fits() {
    let schema = schema("pipeline");
    let mut files = Vec::new();
    for folder in ["examples", "pipelines", "runtime/connectors/src"] {
        collect_yaml(&project().join(folder), &mut files);
    }
    assert!(files.len() >= 10, "{files:?}");
    for file in files {
        for document in documents(&std::fs::read_to_string(&file).unwrap()) {
            assert_eq!(validate(&schema, &document), Vec::<String>::new(), "{}", file.display());
        }
    }
}

/// Whatever the reader takes must not be underlined by an editor.
#[test]
fn what_check_accepts_fits_and_the_mistakes_of_keys_do_not() {
    let schema = schema("pipeline");
    let mut files = Vec::new();
    collect_yaml(&project().join("golden-tests/cases"), &mut files);
    let (mut accepted, mut refused) = (0, 0);
    for file in files.iter().filter(|file| file.file_name().is_some_and(|name| name == "pipeline.yaml")) {
        let place = Place::new();
        let text = std::fs::read_to_string(file).unwrap();
        place.write("pipeline.yaml", &text);
        let check = place.run("check pipeline.yaml --format plain");
        let Some(errors) = read(&text).map(|document| validate(&schema, &document)) else { continue };
        if check.exit == Exit::Done {
            accepted += 1;
            assert_eq!(errors, Vec::<String>::new(), "{}", file.display());
        } else if ["KP0201", "KP0222"].iter().any(|code| check.err.contains(code)) {
            refused += 1;
            assert!(!errors.is_empty(), "{}: {}", file.display(), check.err);
        }
    }
    assert!(accepted >= 8, "{accepted} of {} are right", files.len());
    assert!(refused > 0, "none has an unknown key");
}

/// One document, if a reader without our rules can read it.
fn read(text: &str) -> Option<Value> {
    serde_yaml::from_str(text).ok()
}

#[test]
fn the_examples_of_the_pages_fit() {
    let page = std::fs::read_to_string(project().join("docs/pipeline-file.md")).unwrap();
    let (mut pipelines, mut connections, mut profiles) = (0, 0, 0);
    for block in page.split("```yaml\n").skip(1).map(|block| block.split("\n```").next().unwrap()) {
        let (kind, count) = match block.lines().next().unwrap() {
            first if first.starts_with("# connections.yaml") => ("connections", &mut connections),
            first if first.starts_with("# profiles/") => ("profile", &mut profiles),
            "version: 1" => ("pipeline", &mut pipelines),
            _ => continue,
        };
        *count += 1;
        for document in documents(block) {
            assert_eq!(validate(&schema(kind), &document), Vec::<String>::new(), "{block}");
        }
    }
    assert!(pipelines > 5 && connections > 0 && profiles > 0, "{pipelines} {connections} {profiles}");
}

const RIGHT: &str = "\
version: 1
pipeline: lake
source:
  kafka: { brokers: [\"a:1\", \"${env:B}\"], from: 2024-05-01T00:00:00Z, value: { format: json, schema: { id: bigint, country: string, tags: [string], at: { x: int } } } }
errors: { tolerance: all, dead_letter: { topic: lost, kafka: { brokers: \"a:1\" } }, retry: { timeout: \"${env:T}\" } }
sink:
  s3: { endpoint: \"http://minio:9000\", region: r, flush: { bytes: 128 MiB, records: 10, interval: 1h30m, idle: 1m }, format: { parquet: { compression: SNAPPY } }, partition_by: country, path_style: true }
kcql: INSERT INTO lake SELECT * FROM b
";

#[test]
fn each_mistake_is_seen() {
    let schema = schema("pipeline");
    assert_eq!(validate(&schema, &documents(RIGHT)[0]), Vec::<String>::new());
    for (what, from, to) in [
        ("an unknown key of the document", "pipeline: lake", "pipeline: lake\nname: x"),
        ("an unknown key of a connector", "region: r", "regio: r"),
        ("an unknown key of a group", "records: 10", "count: 10"),
        ("an unknown key of a format", "compression: SNAPPY", "codec: snappy"),
        ("an unknown connector", "  s3:", "  s4:"),
        ("a connector that is no sink", "  s3:", "  mqtt:"),
        ("two connectors", "sink:\n", "sink:\n  local: { dir: x }\n"),
        ("no connector", "  s3: {", "  # s3: {"),
        ("a wrong word", "tolerance: all", "tolerance: some"),
        ("a wrong format of values", "format: json", "format: jsn"),
        ("a wrong format of files", "{ parquet:", "{ parket:"),
        ("a wrong codec", "SNAPPY", "lzo"),
        ("a wrong start", "2024-05-01T00:00:00Z", "yesterday"),
        ("a list for a text", "region: r", "region: [r]"),
        ("a text for a number", "records: 10", "records: ten"),
        ("a number below its limit", "records: 10", "records: 0"),
        ("a text for a flag", "path_style: true", "path_style: \"yes\""),
        ("a size of no unit", "128 MiB", "128 miles"),
        ("a time without a unit", "1h30m", "90"),
        ("a time in the wrong order", "1h30m", "30m1h"),
        ("an address without a port", "\"a:1\", ", "\"a\", "),
        ("another scheme", "http://minio", "ftp://minio"),
        ("a reference that is none", "\"${env:T}\"", "\"${nev:T}\""),
        ("a mapping for a text", "kcql: INSERT INTO lake SELECT * FROM b", "kcql: { a: b }"),
        ("no statement", "kcql: INSERT INTO lake SELECT * FROM b", ""),
        ("no version", "version: 1\n", ""),
        ("another version", "version: 1", "version: 2"),
        ("a name with a blank", "pipeline: lake", "pipeline: my lake"),
        ("a list of two types", "[string]", "[string, int]"),
        ("a dead letter without a topic", "topic: lost, ", ""),
        ("a cluster of dead letters without brokers", "kafka: { brokers: \"a:1\" }", "kafka: { acks: all }"),
        ("a source without brokers", "brokers: [\"a:1\", \"${env:B}\"], ", ""),
        ("a sink without its folder", "sink:\n  s3: { endpoint: \"http://minio:9000\", region: r, flush", "sink:\n  local: { flush"),
        ("a sink with nothing in it", "sink:\n  s3: {", "sink:\n  local:\n  # {"),
    ] {
        assert!(RIGHT.contains(from), "{what}");
        let wrong = RIGHT.replacen(from, to, 1);
        let errors = validate(&schema, &documents(&wrong)[0]);
        assert!(!errors.is_empty(), "{what}: nothing is wrong in\n{wrong}");
        let mut place = Place::new();
        place.set("B", "b:1");
        place.set("T", "1h");
        place.write("p.yaml", &wrong);
        assert_eq!(place.run("check p.yaml").exit, Exit::Invalid, "{what}: `check` takes it");
    }
    let place = Place::new();
    place.write("p.yaml", RIGHT);
    place.run("check p.yaml").expect(Exit::Done);
}

/// Every connector at every end: without what it needs, with it, and with a connection that gives it, in both ways to name one.
#[test]
fn what_a_connector_needs_stands_there_or_in_its_connection() {
    let schema = schema("pipeline");
    let mut place = Place::new();
    place.set("PW", "secret");
    let kafka = "brokers: [\"a:1\"]";
    for (end, connector, needs, more) in [
        ("source", "kafka", kafka, "group: g"),
        ("source", "mqtt", "url: \"mqtt://m:1883\"", "client_id: c"),
        ("source", "file", "dir: in", "mode: once"),
        ("sink", "kafka", kafka, "acks: all"),
        ("sink", "local", "dir: out", "format: json"),
        ("sink", "file", "dir: out", ""),
    ] {
        let json = if end == "source" { ", value: { format: json }" } else { "" };
        place.write("connections.yaml", &format!("connections: {{ main: {{ {connector}: {{ {needs}{json} }} }} }}"));
        for (body, fits) in [
            (format!("{connector}: {{ {needs}{json} }}"), true),
            (format!("{connector}: {{ {needs}, {more}{json} }}"), true),
            (format!("{connector}: {{ use: main }}"), true),
            (format!("{connector}: {{ use: main, {more} }}"), true),
            ("use: main".to_owned(), true),
            (format!("use: main\n  {connector}: {{ {more} }}"), true),
            (format!("{connector}: {{ {more}{json} }}"), false),
            (format!("{connector}: {{}}"), false),
            (format!("{connector}:"), false),
        ] {
            let (source, sink) = match end {
                "source" => (body.as_str(), "kafka: { brokers: [\"k:1\"] }"),
                _ => ("kafka: { brokers: [\"k:1\"], value: { format: json } }", body.as_str()),
            };
            let text = format!(
                "version: 1\npipeline: lake\nsource:\n  {source}\nsink:\n  {sink}\nkcql: INSERT INTO copies SELECT * FROM orders\n"
            );
            let errors = validate(&schema, &documents(&text)[0]);
            assert_eq!(errors.is_empty(), fits, "{errors:?} in\n{text}");
            place.write("p.yaml", &text);
            let check = place.run("check p.yaml --format plain");
            assert_eq!(check.exit == Exit::Done, fits, "{}{} of\n{text}", check.out, check.err);
        }
    }
}

#[test]
fn shared_files_have_schemas_too() {
    let (connections, profile) = (schema("connections"), schema("profile"));
    for (schema, text, fits) in [
        (&connections, "connections: { main: { kafka: { brokers: [\"a:1\"], group: g, linger: 5ms } } }", true),
        (&connections, "version: 1\nconnections:\n", true),
        (&connections, "connections: { main: { kafka: {}, mqtt: {} } }", false),
        (&connections, "connections: { main: }", false),
        (&connections, "connection: {}", false),
        (&profile, "version: 1\nall: { errors: { tolerance: all } }", true),
        (&profile, "pipelines: { lake: { sink.s3.endpoint: \"http://m:1\", source: { kafka: { value.format: json } } } }", true),
        (&profile, "all: { sink: { s3: {}, local: {} } }\nconnections: { main: { kafka: { brokers: [\"b:1\"] } } }", true),
        (&profile, "all: { eror: 1 }", false),
        (&profile, "all: { version: 1 }", false),
    ] {
        assert_eq!(validate(schema, &documents(text)[0]).is_empty(), fits, "{text}");
    }
}

/// The files that users point their editors to are those that the binary prints.
#[test]
fn the_schemas_of_the_docs_are_those_of_the_binary() {
    for of in ["pipeline", "connections", "profile"] {
        let path = project().join(format!("docs/editors/{of}.schema.json"));
        let printed = Place::new().run(&format!("schema --json-schema={of}")).expect(Exit::Done).out;
        if std::env::var_os("KPIPE_ACCEPT").is_some() {
            std::fs::write(&path, &printed).unwrap();
        }
        let stored = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(stored == printed, "{} is another: KPIPE_ACCEPT=1 writes it", path.display());
    }
    let place = Place::new();
    assert_eq!(place.run("schema").expect(Exit::Done).out, place.run("schema --json-schema").expect(Exit::Done).out);
    place.run("schema --json-schema=orders").expect(Exit::Usage);
}
