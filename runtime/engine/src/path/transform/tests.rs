use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use kpipe_compiler::plan::{Compression, DecodeColumn, FileFormat, FileTail, Naming, RecordTail, TopicName, ValueFormat};

use super::*;
use crate::fixture::{self, Record};
use crate::path::decode::Decoder;

fn decode_column(path: &str, data_type: DataType, nullable: bool) -> DecodeColumn {
    DecodeColumn { path: vec![path.to_owned()], data_type, nullable }
}

fn decode() -> Decode {
    let columns = vec![decode_column("id", DataType::Int64, true), decode_column("name", DataType::Any, true)];
    Decode { format: ValueFormat::Json, columns }
}

fn projection(name: &str, expr: Expr, data_type: DataType, nullable: bool) -> Projection {
    Projection { name: name.to_owned(), expr, data_type, nullable }
}

fn files(project: Option<Vec<Projection>>, partition: Vec<PartitionItem>, keep: bool) -> Route {
    let tail = FileTail {
        bucket: "lake".into(),
        prefix: String::new(),
        partition,
        keep_partition_columns: keep,
        format: FileFormat::Json { compression: Compression::None },
        naming: Naming::Kpipe,
    };
    Route { statement: String::new(), from: "orders".into(), decode: decode(), filter: None, project, tail: Tail::Files(tail) }
}

fn decoded(raw: &RawBatch) -> RowBatch {
    let mut rejects = Vec::new();
    let batch = Decoder::new(&decode()).unwrap().decode(raw, 0, &mut rejects);
    assert_eq!(rejects, []);
    batch
}

fn project(route: &Route, raw: &RawBatch) -> (RowBatch, Vec<Reject>) {
    let mut rejects = Vec::new();
    let batch = Projector::new(route).unwrap().project(raw, decoded(raw), &mut rejects).unwrap();
    (batch, rejects)
}

#[test]
fn payloads_pass_through() {
    let raw = fixture::values(&[r#"{"id":1}"#]);
    let route = files(None, Vec::new(), true);
    assert!(Projector::new(&route).unwrap().schema().is_none());
    let (batch, rejects) = project(&route, &raw);
    assert!(batch.output.is_none() && rejects.is_empty() && batch.len() == 1);
}

#[test]
fn columns_and_metadata_become_the_output() {
    let record = Record { key: Some(b"k".to_vec()), timestamp_ms: Some(5), ..Record::of(r#"{"id":1,"name":"x"}"#) };
    let raw = fixture::batch(vec![record]);
    let route = files(
        Some(vec![
            projection("number", Expr::Column(0), DataType::Int64, true),
            projection("name", Expr::Column(1), DataType::String, true),
            projection("key", Expr::Key, DataType::String, true),
            projection("raw_key", Expr::Key, DataType::Bytes, true),
            projection("part", Expr::Partition, DataType::Int64, false),
            projection("time", Expr::Timestamp, DataType::Timestamp(TimeUnit::Microsecond), true),
            projection("value", Expr::Value, DataType::Json, false),
        ]),
        Vec::new(),
        true,
    );
    let (batch, rejects) = project(&route, &raw);
    assert_eq!(rejects, []);
    let output = batch.output.unwrap();
    assert_eq!(Projector::new(&route).unwrap().schema(), Some(output.schema()));
    assert!(Arc::ptr_eq(output.column(0), &batch.decoded[0]), "a column is not copied");
    let text = |column: usize| output.column(column).as_string::<i32>().value(0).to_owned();
    assert_eq!((text(1).as_str(), text(2).as_str(), text(6).as_str()), ("x", "k", r#"{"id":1,"name":"x"}"#));
    assert_eq!(output.column(3).as_binary::<i32>().value(0), b"k");
    assert_eq!(output.column(4).as_primitive::<Int64Type>().value(0), 3);
    assert_eq!(output.column(5).as_primitive::<TimestampMicrosecondType>().value(0), 5000);
}

#[test]
fn rows_that_break_the_plan_are_dropped_once() {
    let record = |value: &str, key: &[u8]| Record { key: Some(key.to_vec()), ..Record::of(value) };
    let raw = fixture::batch(vec![
        record("{}", b"\xff"),
        record(r#"{"id":2}"#, b"b"),
        record(r#"{"id":null}"#, b"c"),
        record(r#"{"id":4}"#, b"\xff"),
        Record { timestamp_ms: Some(i64::MAX), ..record(r#"{"id":5}"#, b"e") },
    ]);
    let route = files(
        Some(vec![
            projection("id", Expr::Column(0), DataType::Int64, false),
            projection("key", Expr::Key, DataType::String, true),
            projection("time", Expr::Timestamp, DataType::Timestamp(TimeUnit::Microsecond), true),
        ]),
        Vec::new(),
        true,
    );
    let (batch, rejects) = project(&route, &raw);
    assert_eq!((batch.rows.as_slice(), batch.delta), ([1].as_slice(), raw.delta));
    assert_eq!(batch.decoded[0].len(), 1);
    let output = batch.output.unwrap();
    assert_eq!((output.column(0).as_primitive::<Int64Type>().value(0), output.column(1).as_string::<i32>().value(0)), (2, "b"));
    let found: Vec<_> = rejects.iter().map(|reject| (reject.row, reject.reason, reject.message.as_str())).collect();
    assert_eq!(
        found,
        [
            (0, RejectReason::MissingField, "field id: null where the schema says not null"),
            (2, RejectReason::MissingField, "field id: null where the schema says not null"),
            (3, RejectReason::WrongType, "field key: bytes that are not UTF-8"),
            (4, RejectReason::WrongType, "field time: time out of the range of TIMESTAMP(6)"),
        ]
    );
}

#[test]
fn folders_can_be_left_out_of_the_file() {
    let folder = PartitionItem::Value { name: Some("id".into()), expr: Expr::Column(0) };
    let columns = vec![projection("id", Expr::Column(0), DataType::Int64, true), projection("name", Expr::Column(1), DataType::Any, true)];
    let names = |route: &Route| {
        let schema = Projector::new(route).unwrap().schema().unwrap();
        schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&files(Some(columns.clone()), vec![folder.clone()], true)), ["id", "name"]);
    assert_eq!(names(&files(Some(columns.clone()), vec![folder.clone()], false)), ["name"]);
    let mut twice = files(Some(columns.clone()), vec![PartitionItem::Value { name: None, expr: Expr::Column(2) }], false);
    twice.decode.columns.push(decode_column("id", DataType::Any, true));
    assert_eq!(names(&twice), ["name"], "the same field under another type");
    assert!(Projector::new(&files(None, vec![folder.clone()], false)).is_err());
    let raw = fixture::values(&["{}", "{}"]);
    let (batch, _) = project(&files(Some(columns[..1].to_vec()), vec![folder], false), &raw);
    assert_eq!(batch.output.unwrap().num_rows(), 2, "a file without columns still has rows");
}

#[test]
fn plans_that_do_not_fit_are_refused() {
    for (expr, data_type) in [
        (Expr::Column(2), DataType::Int64),
        (Expr::Column(0), DataType::String),
        (Expr::Topic, DataType::Bytes),
        (Expr::Timestamp, DataType::Int64),
    ] {
        let route = files(Some(vec![projection("x", expr.clone(), data_type, true)]), Vec::new(), true);
        assert!(Projector::new(&route).is_err(), "{expr:?}");
    }
}

fn keys(key: &KeyPlan, raw: &RawBatch) -> (Vec<String>, RowBatch, Vec<Reject>) {
    let tail = RecordTail { topic: TopicName::Fixed("t".into()), key: key.clone(), format: None };
    let route = Route { tail: Tail::Records(tail), ..files(None, Vec::new(), true) };
    let mut rejects = Vec::new();
    let maker = Keys::new(&route, key).unwrap().unwrap();
    let (batch, keys) = maker.make(raw, decoded(raw), &mut rejects).unwrap();
    let keys = keys.iter().map(|key| String::from_utf8(key.unwrap().to_vec()).unwrap()).collect();
    (keys, batch, rejects)
}

#[test]
fn keys_are_fields_joined() {
    let raw = fixture::values(&[r#"{"id":1,"name":"a"}"#, r#"{"id":2}"#, r#"{"id":3,"name":"c"}"#]);
    let fields = vec![Expr::Column(0), Expr::Column(1), Expr::Topic];
    let (found, batch, rejects) = keys(&KeyPlan::Fields { fields, delimiter: "/".into() }, &raw);
    assert_eq!(
        (found.as_slice(), batch.rows.as_slice()),
        (["1/a/orders".to_owned(), "3/c/orders".to_owned()].as_slice(), [0, 2].as_slice())
    );
    assert_eq!(rejects, [Reject { row: 1, reason: RejectReason::Key, message: "key field name: null or missing".into() }]);
    assert_eq!(keys(&KeyPlan::SourceTopic, &raw).0, ["orders"; 3]);
    assert!(Keys::new(&files(None, Vec::new(), true), &KeyPlan::Keep).unwrap().is_none());
    let mut route = files(None, Vec::new(), true);
    route.decode.columns[0].data_type = DataType::Struct(Vec::new());
    assert!(Keys::new(&route, &KeyPlan::Fields { fields: vec![Expr::Column(0)], delimiter: String::new() }).is_err());
}
