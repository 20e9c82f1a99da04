//! The saved words of a plan: what one version writes, the next one reads.

use serde_json::{Value, json};

use super::*;

pub(crate) mod any;

#[track_caller]
fn check<T: Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(value: T, saved: Value) {
    assert_eq!(serde_json::to_value(&value).unwrap(), saved);
    assert_eq!(serde_json::from_value::<T>(saved).unwrap(), value);
}

#[test]
fn types() {
    let saved = [
        (DataType::Boolean, json!("boolean")),
        (DataType::Int32, json!("int32")),
        (DataType::Int64, json!("int64")),
        (DataType::Float32, json!("float32")),
        (DataType::Float64, json!("float64")),
        (DataType::Decimal { precision: 12, scale: 2 }, json!({"decimal": {"precision": 12, "scale": 2}})),
        (DataType::String, json!("string")),
        (DataType::Bytes, json!("bytes")),
        (DataType::Date, json!("date")),
        (DataType::Timestamp(TimeUnit::Millisecond), json!({"timestamp": "millisecond"})),
        (DataType::Timestamp(TimeUnit::Microsecond), json!({"timestamp": "microsecond"})),
        (DataType::Any, json!("any")),
        (DataType::Json, json!("json")),
    ];
    for (data_type, saved) in saved {
        check(data_type, saved);
    }
    let field = Field { name: "a".to_owned(), data_type: DataType::Int32, nullable: false };
    let saved = json!({"name": "a", "data_type": "int32", "nullable": false});
    check(DataType::List(Box::new(field.clone())), json!({"list": saved}));
    check(DataType::Struct(vec![field]), json!({"struct": [saved]}));
}

#[test]
fn expressions() {
    let saved = [
        (Expr::Column(3), json!({"column": 3})),
        (Expr::Topic, json!("topic")),
        (Expr::Partition, json!("partition")),
        (Expr::Offset, json!("offset")),
        (Expr::Timestamp, json!("timestamp")),
        (Expr::Key, json!("key")),
        (Expr::Header("h".to_owned()), json!({"header": "h"})),
        (Expr::Qos, json!("qos")),
        (Expr::Retained, json!("retained")),
        (Expr::Value, json!("value")),
    ];
    for (expr, saved) in saved {
        check(expr, saved);
    }
}

#[test]
fn formats() {
    check(FileFormat::Json { compression: Compression::None }, json!({"json": {"compression": "none"}}));
    check(FileFormat::Text { compression: Compression::Gzip(6) }, json!({"text": {"compression": {"gzip": 6}}}));
    check(FileFormat::Bytes { separator: "\n".to_owned() }, json!({"bytes": {"separator": "\n"}}));
    check(
        FileFormat::Parquet { compression: Compression::Zstd(1), row_group_bytes: 1024 },
        json!({"parquet": {"compression": {"zstd": 1}, "row_group_bytes": 1024}}),
    );
    check(Compression::Snappy, json!("snappy"));
    check([ValueFormat::Bytes, ValueFormat::Text, ValueFormat::Json], json!(["bytes", "text", "json"]));
}

#[test]
fn tails() {
    let records = |topic, key| Tail::Records(RecordTail { topic, key, format: None });
    check(
        records(TopicName::Fixed("t".to_owned()), KeyPlan::Keep),
        json!({"records": {"topic": {"fixed": "t"}, "key": "keep", "format": null}}),
    );
    check(
        records(TopicName::OfSource, KeyPlan::Fields { fields: vec![Expr::Topic], delimiter: "-".to_owned() }),
        json!({"records": {"topic": "of_source", "key": {"fields": {"fields": ["topic"], "delimiter": "-"}}, "format": null}}),
    );
    check(KeyPlan::SourceTopic, json!("source_topic"));
    let files = FileTail {
        bucket: "lake".to_owned(),
        prefix: "raw".to_owned(),
        partition: vec![
            PartitionItem::Value { name: Some("a".to_owned()), expr: Expr::Column(0) },
            PartitionItem::Time { expr: Expr::Timestamp, pattern: "yyyy".to_owned(), zone: "UTC".to_owned(), name: None },
        ],
        keep_partition_columns: true,
        format: FileFormat::Json { compression: Compression::None },
        naming: Naming::Kpipe,
    };
    check(
        Tail::Files(files),
        json!({"files": {
            "bucket": "lake",
            "prefix": "raw",
            "partition": [
                {"value": {"name": "a", "expr": {"column": 0}}},
                {"time": {"expr": "timestamp", "pattern": "yyyy", "zone": "UTC", "name": null}},
            ],
            "keep_partition_columns": true,
            "format": {"json": {"compression": "none"}},
            "naming": "kpipe",
        }}),
    );
    check([Naming::Confluent, Naming::Lenses], json!(["confluent", "lenses"]));
}

#[test]
fn options() {
    let text = OptionValue::Text("x".to_owned());
    check(text.clone(), json!({"text": "x"}));
    check(OptionValue::Integer(-1), json!({"integer": -1}));
    check(OptionValue::Boolean(true), json!({"boolean": true}));
    check(OptionValue::Bytes(1), json!({"bytes": 1}));
    check(OptionValue::DurationMs(1), json!({"duration_ms": 1}));
    check(OptionValue::List(vec![text.clone()]), json!({"list": [{"text": "x"}]}));
    check(OptionValue::Map([("k".to_owned(), text)].into()), json!({"map": {"k": {"text": "x"}}}));
    check(OptionValue::Secret(SecretRef::Env("PW".to_owned())), json!({"secret": {"env": "PW"}}));
    check(OptionValue::Secret(SecretRef::File("/pw".to_owned())), json!({"secret": {"file": "/pw"}}));
}

#[test]
fn a_pipeline() {
    let pipeline = Pipeline {
        name: "p".to_owned(),
        source: Endpoint { connector: "kafka".to_owned(), options: Options::default() },
        sink: Endpoint { connector: "s3".to_owned(), options: Options::default() },
        sampled: None,
        routes: Vec::new(),
        flush: Some(Flush { records: None, bytes: 1, interval_ms: Some(2), idle_ms: Some(3), schedule: None }),
        errors: ErrorPolicy { tolerance: Tolerance::All, dead_letter: None, retry_timeout_ms: Some(4), retry_delay_max_ms: 5 },
        commit: CommitProtocol::Deterministic,
        promise: Promise { guarantee: Guarantee::AtLeastOnce, reason: "because".to_owned() },
    };
    check(
        pipeline,
        json!({
            "name": "p",
            "source": {"connector": "kafka", "options": {}},
            "sink": {"connector": "s3", "options": {}},
            "routes": [],
            "flush": {"records": null, "bytes": 1, "interval_ms": 2, "idle_ms": 3},
            "errors": {"tolerance": "all", "dead_letter": null, "retry_timeout_ms": 4, "retry_delay_max_ms": 5},
            "promise": {"guarantee": "at_least_once", "reason": "because"},
        }),
    );
    let guarantees = [Guarantee::AtMostOnce, Guarantee::AtLeastOnce, Guarantee::ExactlyOnce];
    assert!(guarantees.is_sorted(), "the weakest first");
    check(guarantees, json!(["at_most_once", "at_least_once", "exactly_once"]));
}

#[test]
fn a_sampled_schema_is_saved_and_older_plans_have_none() {
    let field = Field { name: "id".to_owned(), data_type: DataType::Int64, nullable: true };
    let saved = json!({
        "name": "p",
        "source": {"connector": "kafka", "options": {}},
        "sink": {"connector": "s3", "options": {}},
        "sampled": [{"name": "id", "data_type": "int64", "nullable": true}],
        "routes": [],
        "flush": null,
        "errors": {"tolerance": "none", "dead_letter": null, "retry_timeout_ms": null, "retry_delay_max_ms": 5},
        "promise": {"guarantee": "at_least_once", "reason": "because"},
    });
    let pipeline: Pipeline = serde_json::from_value(saved.clone()).unwrap();
    assert_eq!(pipeline.sampled, Some(vec![field]));
    let mut older = saved;
    older.as_object_mut().unwrap().remove("sampled");
    assert_eq!(serde_json::from_value::<Pipeline>(older).unwrap().sampled, None);
}
