//! Records that are hard to take: each is stopped at or put aside as configured, and the position is never beyond it before that.

use std::path::Path;

use super::common::{Given, Ran, committed, consume, create_topic, delete_topic, files, kpipe, produce, unique, variable};

const SCHEMA: &str = "{ id: bigint not null, site: string }";

struct Case {
    dir: tempfile::TempDir,
    name: String,
}

impl Case {
    /// A pipeline from a new topic into a directory. `more` goes into the file as it is, `statement` follows FROM.
    fn new(name: &str, value: &str, more: &str, sink: &str, statement: &str) -> Self {
        let (dir, name) = (tempfile::tempdir().unwrap(), unique(name));
        create_topic(&name, 1);
        let text = format!(
            "version: 1\npipeline: {name}\nsource:\n  kafka: {{ brokers: [\"{}\"], value: {value} }}\n{more}\nsink:\n  local: {{ dir: out, {sink} }}\n\
             kcql: |\n  INSERT INTO here SELECT * FROM `{name}` {statement}\n",
            variable("KPIPE_TEST_KAFKA")
        );
        std::fs::write(dir.path().join("pipeline.yaml"), text).unwrap();
        Self { dir, name }
    }

    fn apply(&self) -> Ran {
        kpipe(self.dir.path(), "apply pipeline.yaml --yes --until-caught-up")
    }

    fn out(&self) -> Vec<(String, Vec<u8>)> {
        files(&self.dir.path().join("out"))
    }

    fn committed(&self) -> i64 {
        committed(&self.name, &self.name).unwrap_or(0)
    }
}

fn json() -> String {
    format!("{{ format: json, schema: {SCHEMA} }}")
}

#[test]
fn a_record_that_is_no_json_stops_the_pipeline_before_it() {
    let case = Case::new("bad-json", &json(), "", "format: json", "");
    produce(&case.name, &[Given::value(br#"{"id":1}"#), Given::value(b"{\"id\":"), Given::value(br#"{"id":3}"#)]);
    let ran = case.apply().expect(14);
    for part in [case.name.as_str(), "partition 0", "offset 1"] {
        assert!(ran.err.contains(part), "the error names `{part}`:\n{}", ran.err);
    }
    assert!(case.committed() <= 1, "the position is not beyond the record");
}

#[test]
fn a_record_that_is_no_json_goes_to_the_dead_letters_with_its_context() {
    let dead = unique("dead");
    create_topic(&dead, 1);
    let case = Case::new("to-dlq", &json(), &format!("errors: {{ tolerance: all, dead_letter: {dead} }}"), "format: json", "");
    let bad = Given { key: Some(b"k"), ..Given::value(b"not json") };
    produce(&case.name, &[Given::value(br#"{"id":1}"#), bad, Given::value(br#"{"id":3}"#)]);
    case.apply().expect(0);
    let letter = consume(&dead, 1).remove(0);
    assert_eq!((letter.value.as_deref(), letter.key.as_deref()), (Some(b"not json".as_slice()), Some(b"k".as_slice())));
    assert_eq!(letter.header("__connect.errors.topic"), Some(case.name.as_str()));
    assert_eq!(letter.header("__connect.errors.partition"), Some("0"));
    assert_eq!(letter.header("__connect.errors.offset"), Some("1"));
    assert_eq!(case.committed(), 3);
    let lines: String = case.out().into_iter().map(|(_, bytes)| String::from_utf8(bytes).unwrap()).collect();
    assert_eq!(lines.lines().count(), 2, "{lines}");
}

#[test]
fn a_null_value_is_rejected_where_a_value_is_needed() {
    let case = Case::new("null", &json(), "", "format: json", "");
    produce(&case.name, &[Given { value: None, key: Some(b"k"), time_ms: 5 }]);
    let ran = case.apply().expect(14);
    assert!(ran.err.contains("offset 0") && ran.err.contains("null"), "{}", ran.err);
    assert_eq!(case.committed(), 0);
}

#[test]
fn a_record_of_ten_megabytes_is_written() {
    let case = Case::new("large", "{ format: json }", "", "format: json", "");
    let large = format!("{{\"id\":1,\"text\":\"{}\"}}", "x".repeat(10_000_000));
    produce(&case.name, &[Given::value(large.as_bytes()), Given::value(br#"{"id":2}"#)]);
    case.apply().expect(0);
    let bytes: usize = case.out().iter().map(|(_, bytes)| bytes.len()).sum();
    assert_eq!(bytes, large.len() + 1 + 9);
}

#[test]
fn a_line_break_inside_a_value_makes_no_second_line() {
    let case = Case::new("break", "{ format: json }", "", "format: json", "");
    produce(&case.name, &[Given::value(b"{\n  \"id\": 1,\n  \"text\": \"a b\"\n}"), Given::value(br#"{"id":2}"#)]);
    case.apply().expect(0);
    let (_, bytes) = case.out().remove(0);
    assert_eq!(String::from_utf8(bytes).unwrap(), "{\"id\":1,\"text\":\"a b\"}\n{\"id\":2}\n");
}

#[test]
fn partition_values_never_leave_the_prefix() {
    let case = Case::new("escape", &json(), "", "format: json", "PARTITIONBY site");
    let values = ["a/b", "..", "../../etc", "\\u0000\\u001b[31m", "c:\\\\d", ""];
    let records: Vec<String> = values.iter().enumerate().map(|(id, site)| format!("{{\"id\":{id},\"site\":\"{site}\"}}")).collect();
    produce(&case.name, &records.iter().map(|record| Given::value(record.as_bytes())).collect::<Vec<_>>());
    case.apply().expect(0);
    let out = case.out();
    assert_eq!(out.len(), values.len(), "{out:?}");
    for (path, _) in &out {
        let folders: Vec<&str> = Path::new(path).iter().map(|part| part.to_str().unwrap()).collect();
        assert_eq!((folders.len(), folders[0], &folders[1][..5]), (3, "here", "site="), "{path}");
        assert!(folders.iter().all(|part| !matches!(*part, "." | "..")) && !path.chars().any(char::is_control), "{path:?}");
    }
    let beside: Vec<_> = std::fs::read_dir(case.dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(beside.len(), 2, "only the pipeline and `out`: {beside:?}");
}

#[test]
fn an_empty_topic_is_caught_up_at_once() {
    let case = Case::new("empty", &json(), "", "format: json", "");
    case.apply().expect(0);
    assert!(case.out().is_empty());
}

#[test]
fn a_deleted_topic_is_named() {
    let case = Case::new("deleted", &json(), "", "format: json", "");
    produce(&case.name, &[Given::value(br#"{"id":1}"#)]);
    case.apply().expect(0);
    delete_topic(&case.name);
    let ran = case.apply().expect(10);
    assert!(ran.err.contains(&case.name), "{}", ran.err);
}

#[test]
fn the_sample_of_data_kafka_connect_gets_its_name_and_text() {
    let name = unique("confluent");
    let topic = "sample-sink";
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines/data-kafka-connect/pipeline.yaml")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let text: String =
        text.lines().map(|line| if line.starts_with("pipeline:") { format!("pipeline: {name}\n") } else { format!("{line}\n") }).collect();
    let text = text.replace("sample-sink-bucket:", "lake:");
    std::fs::write(dir.path().join("pipeline.yaml"), text).unwrap();
    recreate(topic);
    produce(
        topic,
        &[Given { value: Some(br#"{"data":{"Id":"98cf1dc6-6f2b-4d9d-b733-f45e7d71aded"}}"#), key: None, time_ms: 1_646_613_000_000 }],
    );
    let ran = kpipe(dir.path(), "apply pipeline.yaml --yes --until-caught-up").expect(0);
    let store = super::environment::bucket();
    let key = "topics-dir/sample-sink/year=2022/month=03/day=07/sample-sink+0+0000000000.json";
    let object = store.get(key).unwrap_or_else(|| panic!("{key} is not there:\n{}\n{}", ran.out, ran.err));
    assert_eq!(object, "{\"data\":{\"Id\":\"98cf1dc6-6f2b-4d9d-b733-f45e7d71aded\"}}\n");
}

/// A topic with nothing in it, whatever was there before.
fn recreate(topic: &str) {
    if std::panic::catch_unwind(|| create_topic(topic, 1)).is_err() {
        delete_topic(topic);
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while std::panic::catch_unwind(|| create_topic(topic, 1)).is_err() {
            assert!(std::time::Instant::now() < deadline, "{topic} cannot be created again");
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
    }
}
