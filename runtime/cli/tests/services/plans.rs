//! Plans against what runs.

use std::path::Path;

use kpipe_compiler::plan::{Compression, Decode, FileFormat, FileTail, Naming, Route, Tail, ValueFormat};

use super::common::{Given, create_topic, kpipe, produce, unique, variable};

/// A route into a bucket.
pub(crate) fn route_into(bucket: &Path) -> Route {
    let tail = FileTail {
        bucket: bucket.to_string_lossy().into_owned(),
        prefix: String::new(),
        partition: Vec::new(),
        keep_partition_columns: true,
        format: FileFormat::Json { compression: Compression::None },
        naming: Naming::Kpipe,
    };
    Route {
        statement: String::new(),
        from: "t".to_owned(),
        decode: Decode { format: ValueFormat::Json, columns: Vec::new() },
        filter: None,
        project: None,
        tail: Tail::Files(tail),
    }
}

struct Case {
    dir: tempfile::TempDir,
    topic: String,
}

impl Case {
    fn new() -> Self {
        let case = Self { dir: tempfile::tempdir().unwrap(), topic: unique("plans") };
        create_topic(&case.topic, 1);
        produce(&case.topic, &[Given::value(br#"{"id":1,"site":"a"}"#), Given::value(br#"{"id":2,"site":"b"}"#)]);
        case.write("");
        case
    }

    fn write(&self, more: &str) {
        let text = format!(
            "version: 1\npipeline: {topic}\nsource:\n  kafka:\n    brokers: [\"{kafka}\"]\n    value: {{ format: json, schema: {{ id: bigint, site: string }} \
             }}\nsink:\n  s3: {{ endpoint: \"{s3}\", region: us-east-1, format: parquet }}\nkcql: |\n  INSERT INTO lake:plans/{topic} SELECT * FROM \
             `{topic}` {more}\n",
            topic = self.topic,
            kafka = variable("KPIPE_TEST_KAFKA"),
            s3 = variable("KPIPE_TEST_S3"),
        );
        std::fs::write(self.dir.path().join("pipeline.yaml"), text).unwrap();
    }

    fn run(&self, words: &str, code: i32) -> String {
        let ran = kpipe(self.dir.path(), words).expect(code);
        format!("{}{}", ran.out, ran.err)
    }
}

#[test]
fn a_plan_says_what_a_change_means_and_scripts_can_tell() {
    let case = Case::new();
    let first = case.run("plan pipeline.yaml --detailed-exitcode", 2);
    assert!(first.contains("1 to create") && first.contains('2'), "2 records lie before it:\n{first}");
    case.run("apply pipeline.yaml --yes --until-caught-up", 0);
    let same = case.run("plan pipeline.yaml --detailed-exitcode", 0);
    assert!(same.contains("no change"), "{same}");
    case.write("PARTITIONBY site");
    let changed = case.run("plan pipeline.yaml --detailed-exitcode", 2);
    assert!(changed.contains("new layout"), "{changed}");
    case.run("plan pipeline.yaml", 0);
}

#[test]
fn without_a_terminal_a_new_layout_needs_consent() {
    let case = Case::new();
    case.run("apply pipeline.yaml --yes --until-caught-up", 0);
    case.write("PARTITIONBY site");
    let asked = case.run("apply pipeline.yaml --until-caught-up", 15);
    assert!(asked.contains("--yes"), "{asked}");
    case.run("apply pipeline.yaml --yes --until-caught-up", 0);
}

#[test]
fn a_saved_plan_is_applied_once_and_refused_when_it_is_stale() {
    let case = Case::new();
    case.run("plan pipeline.yaml --out next.kplan", 0);
    let saved = std::fs::read_to_string(case.dir.path().join("next.kplan")).unwrap();
    assert!(!saved.contains(&variable("KPIPE_TEST_PASSWORD")), "a plan holds no secret");
    case.run("apply next.kplan --yes --until-caught-up", 0);
    case.run("plan pipeline.yaml --out next.kplan", 0);
    case.write("PARTITIONBY site");
    let stale = case.run("apply next.kplan --yes --until-caught-up", 12);
    assert!(stale.contains("pipeline.yaml"), "what moved is named:\n{stale}");
}
