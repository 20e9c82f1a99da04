//! Whole files, from YAML to plans and messages with lines and columns.

use super::*;
use crate::catalog::Catalog;
use crate::compile;
use crate::compile::Compiled;
use crate::diff::{Action, ChangeClass, diff};
use crate::document::tests::fixture::{World, shown};
use crate::plan::explain::explain;
use crate::plan::naming::FileNumbers;
use crate::plan::wire::{self, Inputs, SavedPlan};
use crate::sources::Mode;

pub(super) static CATALOG: Catalog = Catalog { connectors: &[&LOG, &QUEUE, &STORE, &DIR] };

fn compiled(text: &str, world: &World) -> (Sources, Compiled) {
    let mut sources = Sources::new();
    sources.add("p.yaml", text);
    let compiled = compile(&sources, &CATALOG, world, Mode::Plan);
    (sources, compiled)
}

#[track_caller]
fn pipelines(text: &str) -> Vec<Pipeline> {
    let (sources, compiled) = compiled(text, &World::default());
    assert!(!compiled.report.has_errors(), "{:#?}", shown(&sources, &compiled));
    compiled.pipelines
}

/// Every message as `line:column code message [label] help`.
fn said(text: &str) -> Vec<String> {
    let (sources, compiled) = compiled(text, &World::default());
    shown(&sources, &compiled).into_iter().map(|line| line.trim_start_matches("p.yaml:").to_owned()).collect()
}

const SEED: &str = "\
version: 1
pipeline: data-kafka-connect
source:
  log:
    brokers: [localhost:9092]
    value: { format: json }
sink:
  store:
    compat: confluent
    format: json
    flush: { records: 1, interval: 60s }
    partition_by: [_date.daily]
kcql: |
  INSERT INTO sample-sink-bucket:topics-dir SELECT * FROM sample-sink
";

#[test]
fn the_layout_of_a_replaced_connect_worker() {
    let pipeline = pipelines(SEED).remove(0);
    let Tail::Files(tail) = &pipeline.routes[0].tail else { panic!("a sink of files") };
    let file = FileNumbers { partition: 0, first_offset: 0, last_offset: 0, first_timestamp_ms: 0, last_timestamp_ms: 0 };
    let [crate::plan::PartitionItem::Time { pattern, zone, name: None, .. }] = &tail.partition[..] else { panic!("one folder of time") };
    let time = "2022-03-07T00:30:00Z".parse::<jiff::Timestamp>().unwrap().in_tz(zone).unwrap();
    let day = crate::time_pattern::TimePattern::parse(pattern).unwrap().format(&time);
    assert_eq!(tail.bucket, "sample-sink-bucket");
    assert_eq!(
        format!("{}/{day}/{}", tail.root("sample-sink"), tail.file_name("sample-sink", &file)),
        "topics-dir/sample-sink/year=2022/month=03/day=07/sample-sink+0+0000000000.json"
    );
    let flush = pipeline.flush.unwrap();
    assert_eq!((flush.records, flush.interval_ms), (Some(1), Some(60_000)));
    assert_eq!(pipeline.routes[0].project, None, "the text of the value is kept");
}

#[test]
fn a_plan_is_explained() {
    let lines: Vec<String> = explain(&pipelines(SEED)[0]).iter().map(ToString::to_string).collect();
    assert_eq!(lines[2], "statement  INSERT INTO sample-sink-bucket:topics-dir SELECT * FROM sample-sink");
    assert_eq!(lines[7], "  example  sample-sink-bucket/topics-dir/sample-sink/year=2022/month=03/day=07/sample-sink+0+0000001042.json");
    assert_eq!(lines[8], "flush      after 1 record, 128MiB, 1m since the first record, or 5m without one");
}

fn lake(schema: &str, sink: &str, kcql: &str) -> String {
    format!(
        "version: 1\npipeline: lake\nsource:\n  log:\n    brokers: [a:1]\n    value: {{ format: json{schema} }}\nsink:\n  store: {{ {sink} }}\nkcql: |\n{kcql}"
    )
}

#[test]
fn an_unknown_field_is_shown_with_its_schema() {
    let schema = ", schema: { device_id: bigint, temperature: double }";
    assert_eq!(
        said(&lake(schema, "", "  INSERT INTO lake\n  SELECT device_id, temprature\n  FROM sensors.raw\n")),
        [
            "11:21 KP0401 `sensors.raw` has no field `temprature` [did you mean `temperature` (double)?] the fields are device_id, temperature"
        ]
    );
}

#[test]
fn a_time_partition_of_a_text() {
    assert_eq!(
        said(&lake(
            ", schema: { ts: string }",
            "partition: { timestamp: ts }",
            "  INSERT INTO lake SELECT * FROM t PARTITIONBY _date.daily\n"
        )),
        [
            "8:36 KP0412 a time partition needs a timestamp, but `ts` is string [string here] declare it in `value.schema` as `ts: timestamp`, \
          or say how it is read: `partition: { timestamp: ts, parse: rfc3339 }`"
        ]
    );
}

#[test]
fn a_promise_that_cannot_be_kept() {
    let text = lake("", "compat: confluent, flush: { interval: 10m }", "  INSERT INTO lake SELECT * FROM t\n");
    let text = text.replace("pipeline: lake\n", "pipeline: lake\ndelivery: exactly_once\n");
    let messages = said(&text);
    assert_eq!(messages.len(), 1);
    assert!(
        messages[0].starts_with("3:11 KP0501 `exactly_once` needs file boundaries that come out the same on every replay [asked for here]")
    );
}

#[test]
fn format_and_codec_in_yaml_are_pointed_at() {
    assert_eq!(
        said(&lake("", "format: { json: { compression: snappy } }", "  INSERT INTO lake SELECT * FROM t\n")),
        ["8:43 KP0512 `snappy` is not available for `json` files [works with parquet only] for `json` use `none`, `gzip` or `zstd`"]
    );
}

#[test]
fn kcql_in_every_style_of_text_points_into_the_file() {
    let base = lake("", "", "").replace("kcql: |\n", "");
    for (kcql, place) in [
        ("kcql: INSERT INTO lake SELECT * FROM a/b\n", "9:38"),
        ("kcql: 'INSERT INTO lake SELECT * FROM a/b'\n", "9:39"),
        ("kcql: \"INSERT INTO\\tlake SELECT * FROM a/b\"\n", "9:40"),
        ("kcql: >\n  INSERT INTO lake\n  SELECT * FROM a/b\n", "11:17"),
        ("kcql: |\n  INSERT INTO lake\n\n    SELECT * FROM a/b\n", "12:19"),
    ] {
        let messages = said(&format!("{base}{kcql}"));
        assert_eq!(messages.len(), 1, "{messages:?}");
        assert!(messages[0].starts_with(&format!("{place} KP0301 a Kafka topic cannot contain `/`")), "{kcql}: {messages:?}");
    }
}

#[test]
fn each_mistake_has_a_code_of_its_own() {
    let star = "  INSERT INTO lake SELECT * FROM t\n";
    let cases = [
        (lake("", "", "  INSERT INTO lake SELECT * FROM t PARTITONBY a\n"), "KP0107"),
        (lake("", "", "  INSERT INTO Lake SELECT * FROM t\n"), "KP0301"),
        (lake("", "", "  INSERT INTO lake SELECT * FROM t LIMIT 5\n"), "KP0310"),
        (lake("", "", "  INSERT INTO lake SELECT * FROM t WITHKEY(a)\n"), "KP0309"),
        (lake("", "", "  INSERT INTO lake SELECT * FROM t PROPERTIES('flush.cuont'=1)\n"), "KP0311"),
        (lake("", "", "  INSERT INTO lake SELECT * FROM t PROPERTIES('flush.count'=0)\n"), "KP0313"),
        (lake("", "", "  INSERT INTO lake SELECT *, _topic FROM t\n"), "KP0404"),
        (lake("", "", "  INSERT INTO lake SELECT * FROM t STOREAS PARQUET\n"), "KP0424"),
        (lake("", "", "  INSERT INTO lake SELECT * FROM t STOREAS PARKET\n"), "KP0336"),
        (lake("", "", "  INSERT INTO lake SELECT * FROM t PARTITIONBY _date.`yyyy/bb`\n"), "KP0601"),
        (lake(", schema: infer", "", star), "KP0422"),
        (lake("", "", star).replace("format: json", "format: bytes"), "KP0425"),
        (lake("", "", "  INSERT INTO lake SELECT a FROM t\n").replace("format: json", "format: text"), "KP0403"),
        (lake("", "partition: { zone: Moon/Base }", "  INSERT INTO lake SELECT * FROM t PARTITIONBY _date.daily\n"), "KP0604"),
    ];
    for (text, code) in cases {
        let messages = said(&text);
        let codes: Vec<&str> = messages.iter().filter_map(|line| line.split(' ').nth(1)).collect();
        assert_eq!(codes, [code], "{messages:?}");
    }
}

#[test]
fn schemas_come_from_files_beside_the_pipeline() {
    let text = lake(", schema: { file: orders.avsc }", "", "  INSERT INTO lake SELECT * FROM t STOREAS PARQUET\n");
    let avro = r#"{"type": "record", "name": "order", "fields": [
        {"name": "id", "type": "long"},
        {"name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}]}
    ]}"#;
    let (sources, compiled) = compiled(&text, &World::default().file("orders.avsc", avro));
    assert!(!compiled.report.has_errors(), "{:#?}", shown(&sources, &compiled));
    let columns = compiled.pipelines[0].routes[0].project.as_ref().unwrap();
    let names: Vec<String> = columns.iter().map(|column| format!("{} {:?} {}", column.name, column.data_type, column.nullable)).collect();
    assert_eq!(names, ["id Int64 false", "at Timestamp(Millisecond) true"]);
}

#[test]
fn a_field_that_the_schema_file_has_not_names_the_file() {
    let text = lake(", schema: { file: s.json }", "", "  INSERT INTO lake SELECT nmae FROM t\n");
    let json = r#"{"type": "object", "properties": {"name": {"type": "string"}}}"#;
    let (sources, compiled) = compiled(&text, &World::default().file("s.json", json));
    let views = compiled.report.views(&sources);
    assert_eq!(views.len(), 1);
    assert_eq!(views[0].message, "`t` has no field `nmae`");
    assert_eq!(views[0].secondary[0].text, "the fields come from s.json");
    assert_eq!(views[0].secondary[0].begin.to_string(), "6:36");
}

#[test]
fn samples_make_the_columns_and_stay() {
    let text = lake(", schema: infer", "", "  INSERT INTO lake SELECT * FROM t STOREAS PARQUET\n");
    let samples: [&[u8]; 2] = [br#"{"id": 1, "name": "a"}"#, br#"{"id": 2, "ok": true}"#];
    let schema = crate::schema::infer_schema(&samples).unwrap();
    let (_, compiled) = compiled(&text, &World::default().sample("lake", schema.clone()));
    assert_eq!(compiled.pipelines[0].sampled, Some(schema));
    assert_eq!(compiled.pipelines[0].routes[0].decode.columns.len(), 3);
}

#[test]
fn what_decides_nothing_changes_nothing() {
    let one = pipelines(SEED).remove(0);
    let other = SEED
        .replace("    compat: confluent\n    format: json\n", "    format: json   # as before\n    compat: confluent\n")
        .replace("SELECT * FROM", "select *\n  -- a comment\n  from")
        .replace("60s", "1m");
    let other = pipelines(&other).remove(0);
    assert_eq!(one, other);
    assert_eq!(diff(Some(&one), Some(&other), &CATALOG).unwrap().action, Action::None);
}

#[test]
fn a_changed_file_says_what_changes_and_where() {
    let before = pipelines(SEED).remove(0);
    let text = SEED.replace("_date.daily", "_date.hourly").replace("records: 1", "records: 5").replace("[localhost:9092]", "[other:9092]");
    let (sources, compiled) = compiled(&text, &World::default());
    let mut change = diff(Some(&before), Some(&compiled.pipelines[0]), &CATALOG).unwrap();
    change.locate(&compiled.places[0]);
    let lines: Vec<String> = change
        .changes
        .iter()
        .map(|change| {
            let place = change.place.map(|at| sources.place(at)).unwrap_or_default();
            format!("{} {} at {place}", change.class.word(), change.path)
        })
        .collect();
    assert_eq!(
        lines,
        [
            "restart source.log.brokers at p.yaml:5",
            "restart sink.store.flush.records at p.yaml:11",
            "new layout kcql[0].partition_by at p.yaml:12",
        ]
    );
    assert_eq!(change.worst(), ChangeClass::NewLayout);
}

#[test]
fn a_compiled_plan_survives_being_saved() {
    let saved = SavedPlan { pipelines: pipelines(SEED), inputs: Inputs::default() };
    let text = wire::write_out(&saved).unwrap();
    assert_eq!(wire::read(&text).unwrap(), saved);
    let again = SavedPlan { pipelines: pipelines(SEED), inputs: Inputs::default() };
    assert_eq!(wire::write_out(&again).unwrap(), text, "the same input is the same bytes");
}

#[test]
fn every_pipeline_of_a_file_is_compiled_and_every_mistake_told() {
    let good = lake("", "", "  INSERT INTO lake SELECT * FROM t\n");
    let bad = lake("", "", "  INSERT INTO lake SELECT * FROM a/b\n").replace("pipeline: lake", "pipeline: bad");
    let (sources, compiled) = compiled(&format!("{good}---\n{bad}"), &World::default());
    assert_eq!(compiled.pipelines.len(), 1);
    assert_eq!(compiled.pipelines[0].name, "lake");
    assert_eq!(shown(&sources, &compiled).len(), 1);
}

#[test]
fn a_variable_that_is_not_set_is_no_mistake_for_check() {
    let text = lake("", "", "  INSERT INTO lake SELECT * FROM t PARTITIONBY _date.`yyyy/bb`\n").replace("[a:1]", "[\"${env:BROKERS}\"]");
    let mut sources = Sources::new();
    sources.add("p.yaml", text);
    let compiled = compile(&sources, &CATALOG, &World::default(), Mode::Check);
    let messages = shown(&sources, &compiled);
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(messages[0].contains("KP0601"));
    assert_eq!(compiled.unknown, ["env:BROKERS"]);
}

fn unsampled_of(schema: &str, kcql: &str) -> Option<Pipeline> {
    let (_, compiled) = compiled(&lake(schema, "", kcql), &World::default());
    crate::lower::unsampled(&compiled.documents[0])
}

#[test]
fn a_pipeline_without_fields_has_its_ends_and_names() {
    let pipeline =
        unsampled_of(", schema: infer", "  INSERT INTO lake SELECT id, no.body FROM t STOREAS PARQUET PARTITIONBY id\n").unwrap();
    assert_eq!((pipeline.name.as_str(), pipeline.routes[0].from.as_str()), ("lake", "t"));
    assert!(matches!(&pipeline.routes[0].tail, Tail::Files(files) if files.bucket == "lake"), "{:?}", pipeline.routes[0].tail);
    assert!(pipeline.routes[0].decode.columns.is_empty() && pipeline.sampled.is_none());
}

#[test]
fn where_fields_are_known_or_names_are_not_there_is_nothing_to_sample() {
    assert!(unsampled_of(", schema: { id: int }", "  INSERT INTO lake SELECT * FROM t\n").is_none());
    assert!(unsampled_of(", schema: infer", "  INSERT INTO lake SELECT * FROM `bad topic`\n").is_none());
    assert!(unsampled_of(", schema: infer", "  INSERT\n").is_none());
}
