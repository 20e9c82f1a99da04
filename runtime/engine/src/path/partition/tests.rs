use arrow::array::RecordBatch;
use kpipe_compiler::plan::{Compression, DecodeColumn, Expr, FileFormat, Tail, TimeUnit as Unit};
use proptest::prelude::*;

use super::*;
use crate::fixture::{self, Record};
use crate::path::decode::Decoder;

fn value(name: &str, expr: Expr) -> PartitionItem {
    PartitionItem::Value { name: Some(name.to_owned()), expr }
}

fn time(expr: Expr, pattern: &str, name: Option<&str>) -> PartitionItem {
    PartitionItem::Time { expr, pattern: pattern.to_owned(), zone: "UTC".to_owned(), name: name.map(str::to_owned) }
}

fn route(format: ValueFormat, columns: Vec<(&str, DataType)>, partition: Vec<PartitionItem>, naming: Naming) -> (Route, FileTail) {
    let tail = FileTail {
        bucket: "lake".into(),
        prefix: String::new(),
        partition,
        keep_partition_columns: true,
        format: FileFormat::Json { compression: Compression::None },
        naming,
    };
    let columns = columns.into_iter().map(|(name, data_type)| DecodeColumn { path: vec![name.to_owned()], data_type, nullable: true });
    let decode = Decode { format, columns: columns.collect() };
    let tail_of_route = Tail::Files(tail.clone());
    (Route { statement: String::new(), from: "orders".into(), decode, filter: None, project: None, tail: tail_of_route }, tail)
}

/// Splits one batch after the other.
struct Setup {
    decoder: Decoder,
    partitioner: Partitioner,
}

impl Setup {
    fn new(columns: Vec<(&str, DataType)>, partition: Vec<PartitionItem>, naming: Naming) -> Self {
        let (route, tail) = route(ValueFormat::Json, columns, partition, naming);
        Self { decoder: Decoder::new(&route.decode).unwrap(), partitioner: Partitioner::new(&route, &tail).unwrap() }
    }

    fn split(&mut self, raw: &RawBatch) -> (RouteRows, Vec<Reject>) {
        let mut rejects = Vec::new();
        let batch = self.decoder.decode(raw, 0, &mut rejects);
        assert_eq!(rejects, []);
        let rows = self.partitioner.split(raw, batch, &mut rejects).unwrap();
        assert_eq!(rows.rows.delta, raw.delta, "whatever is dropped, the delta stays");
        (rows, rejects)
    }

    /// The folder of every record, in order.
    fn folders(&mut self, values: &[&str]) -> Vec<String> {
        let (rows, rejects) = self.split(&fixture::values(values));
        assert_eq!(rejects, []);
        (0..rows.rows.len()).map(|row| folder(&rows, row).to_owned()).collect()
    }
}

fn folder(rows: &RouteRows, row: usize) -> &str {
    let index = if rows.folder_of_row.is_empty() { 0 } else { rows.folder_of_row[row] as usize };
    &rows.folders[index]
}

#[test]
fn without_partitions_nothing_is_done() {
    let mut setup = Setup::new(vec![], vec![], Naming::Kpipe);
    let (rows, _) = setup.split(&fixture::values(&["{}", "{}"]));
    assert_eq!((rows.folders.as_slice(), rows.folder_of_row.len(), rows.rows.len()), ([Arc::from("")].as_slice(), 0, 2));
}

#[test]
fn values_name_their_folders() {
    let columns = vec![("country", DataType::String), ("n", DataType::Int64)];
    let items = vec![value("country", Expr::Column(0)), value("n", Expr::Column(1)), value("partition", Expr::Partition)];
    let values =
        [r#"{"country":"DE","n":1}"#, r#"{"country":"a/../b","n":1}"#, r#"{"country":"DE","n":1}"#, r#"{"n":-2}"#, r#"{"country":""}"#];
    let mut kpipe = Setup::new(columns.clone(), items.clone(), Naming::Kpipe);
    let expected = [
        "country=DE/n=1/partition=3",
        "country=a%2F..%2Fb/n=1/partition=3",
        "country=DE/n=1/partition=3",
        "country=__HIVE_DEFAULT_PARTITION__/n=-2/partition=3",
        "country=__HIVE_DEFAULT_PARTITION__/n=__HIVE_DEFAULT_PARTITION__/partition=3",
    ];
    assert_eq!(kpipe.folders(&values), expected);
    assert_eq!(kpipe.folders(&values[3..]), expected[3..], "what is remembered serves the next batch");
    let mut confluent = Setup::new(columns.clone(), items.clone(), Naming::Confluent);
    assert_eq!(
        confluent.folders(&[r#"{"country":"a/b","n":1}"#, r#"{"country":"a/../b"}"#, r#"{"country":""}"#]),
        ["country=a/b/n=1/partition=3", "country=a%2F..%2Fb/n=null/partition=3", "country=/n=null/partition=3"]
    );
    let mut lenses = Setup::new(columns, items[..1].to_vec(), Naming::Lenses);
    assert_eq!(lenses.folders(&["{}"]), ["country=[missing]"]);
}

#[test]
fn folders_come_in_order_and_once() {
    let mut setup = Setup::new(vec![("c", DataType::Any)], vec![value("c", Expr::Column(0))], Naming::Kpipe);
    let (rows, _) = setup.split(&fixture::values(&[r#"{"c":"b"}"#, r#"{"c":1}"#, r#"{"c":"b"}"#, r#"{"c":true}"#]));
    assert_eq!(rows.folders, ["c=b", "c=1", "c=true"].map(Arc::from));
    assert_eq!(rows.folder_of_row, [0, 1, 0, 2]);
    let (rows, _) = setup.split(&fixture::values(&[r#"{"c":1}"#, r#"{"c":1}"#]));
    assert_eq!((rows.folders.as_slice(), rows.folder_of_row.len()), ([Arc::from("c=1")].as_slice(), 0));
}

#[test]
fn the_folders_of_the_daily_layout() {
    let mut setup = Setup::new(vec![], vec![time(Expr::Timestamp, "'year'=yyyy/'month'=MM/'day'=dd", None)], Naming::Confluent);
    let at = |timestamp_ms| Record { timestamp_ms, ..Record::of(r#"{"data":{"Id":"98cf1dc6"}}"#) };
    let raw = fixture::batch(vec![at(Some(1_646_613_000_000)), at(None), at(Some(i64::MAX))]);
    let (rows, rejects) = setup.split(&raw);
    assert_eq!((rows.rows.rows.as_slice(), folder(&rows, 0)), ([0].as_slice(), "year=2022/month=03/day=07"));
    let found: Vec<_> = rejects.iter().map(|reject| (reject.row, reject.reason, reject.message.as_str())).collect();
    let reason = RejectReason::PartitionValue;
    assert_eq!(found, [(1, reason, "field _timestamp: no time"), (2, reason, "field _timestamp: time out of range")]);
}

#[test]
fn times_of_fields_stand_beside_values() {
    let columns = vec![("at", DataType::Timestamp(Unit::Microsecond)), ("day", DataType::Date), ("c", DataType::String)];
    let items = vec![time(Expr::Column(0), "yyyy-MM-dd", Some("date")), value("c", Expr::Column(2)), time(Expr::Column(1), "MM", None)];
    let mut setup = Setup::new(columns, items, Naming::Kpipe);
    let folders = setup.folders(&[
        r#"{"at":"2024-02-29T23:59:59.999999Z","day":"2024-03-01","c":"x"}"#,
        r#"{"at":"2024-03-01T00:00:00Z","day":"2024-03-01","c":"x"}"#,
    ]);
    assert_eq!(folders, ["date=2024-02-29/c=x/03", "date=2024-03-01/c=x/03"]);
}

#[test]
fn values_that_cannot_be_folders_are_rejected() {
    let items = vec![value("k", Expr::Key), value("c", Expr::Column(0)), value("d", Expr::Column(0)), value("e", Expr::Column(0))];
    let mut setup = Setup::new(vec![("c", DataType::String)], items, Naming::Kpipe);
    let record =
        |key: &[u8], length: usize| Record { key: Some(key.to_vec()), ..Record::of(&format!(r#"{{"c":"{}"}}"#, "x".repeat(length))) };
    let (rows, rejects) = setup.split(&fixture::batch(vec![record(b"\xff", 1), record(b"a", 254), record(b"a", 250), record(b"a", 2)]));
    assert_eq!((rows.rows.rows.as_slice(), folder(&rows, 0)), ([3].as_slice(), "k=a/c=xx/d=xx/e=xx"));
    let found: Vec<_> = rejects.iter().map(|reject| (reject.row, reject.message.as_str())).collect();
    let expected = ["field _key: bytes that are not UTF-8", "field c: a folder of more than 255 bytes", "folders of more than 640 bytes"];
    assert_eq!(found, [(0, expected[0]), (1, expected[1]), (2, expected[2])]);
}

#[test]
fn payloads_of_bytes_must_be_there() {
    let raw = fixture::batch(vec![Record::of("a"), Record::default(), Record::of("b")]);
    for (items, expected) in [(vec![], ""), (vec![value("topic", Expr::Topic)], "topic=orders")] {
        let (route, tail) = route(ValueFormat::Bytes, vec![], items, Naming::Kpipe);
        let mut rejects = Vec::new();
        let batch = Decoder::new(&route.decode).unwrap().decode(&raw, 0, &mut rejects);
        let rows = Partitioner::new(&route, &tail).unwrap().split(&raw, batch, &mut rejects).unwrap();
        assert_eq!((rows.rows.rows.as_slice(), folder(&rows, 1)), ([0, 2].as_slice(), expected));
        assert_eq!(rejects, [Reject { row: 1, reason: RejectReason::NullValue, message: "null value".into() }]);
    }
}

#[test]
fn a_batch_of_rejects_still_moves_the_position() {
    let mut setup = Setup::new(vec![], vec![time(Expr::Timestamp, "yyyy", None)], Naming::Kpipe);
    let (rows, rejects) = setup.split(&fixture::values(&["{}", "{}"]));
    assert_eq!((rows.rows.len(), rejects.len(), rows.folders.len()), (0, 2, 1));
}

#[test]
fn dropped_rows_leave_the_output_too() {
    let mut setup =
        Setup::new(vec![("at", DataType::Timestamp(Unit::Millisecond))], vec![time(Expr::Column(0), "yyyy", None)], Naming::Kpipe);
    let raw = fixture::values(&[r#"{"at":1}"#, "{}", r#"{"at":2}"#]);
    let mut rejects = Vec::new();
    let mut batch = setup.decoder.decode(&raw, 0, &mut rejects);
    batch.output = Some(RecordBatch::try_from_iter([("at", Arc::clone(&batch.decoded[0]))]).unwrap());
    let rows = setup.partitioner.split(&raw, batch, &mut rejects).unwrap().rows;
    assert_eq!((rows.rows.as_slice(), rows.output.unwrap().num_rows(), rows.decoded[0].len()), ([0, 2].as_slice(), 2, 2));
}

#[test]
fn plans_that_do_not_fit_are_refused() {
    for (data_type, item) in [
        (DataType::Int64, time(Expr::Column(0), "yyyy", None)),
        (DataType::Struct(Vec::new()), value("c", Expr::Column(0))),
        (DataType::Int64, value("c", Expr::Column(1))),
        (DataType::Int64, time(Expr::Timestamp, "%Y", None)),
    ] {
        let (route, tail) = route(ValueFormat::Json, vec![("c", data_type)], vec![item], Naming::Kpipe);
        assert!(Partitioner::new(&route, &tail).is_err());
    }
}

#[test]
fn the_memory_of_values_is_bounded() {
    let mut setup = Setup::new(vec![("c", DataType::Int64)], vec![value("c", Expr::Column(0))], Naming::Kpipe);
    for batch in 0..4 {
        let values: Vec<String> = (0..30_000).map(|row| format!(r#"{{"c":{}}}"#, batch * 30_000 + row)).collect();
        let folders = setup.folders(&values.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(folders[29_999], format!("c={}", batch * 30_000 + 29_999));
    }
    assert!(setup.partitioner.paths.texts.len() < 60_000);
}

proptest! {
    #[test]
    fn every_row_gets_its_own_folder(values in prop::collection::vec((0..4, "[a-b/.]{0,3}"), 1..40), cut in 1_usize..40) {
        let columns = vec![("n", DataType::Int64), ("c", DataType::String)];
        let mut setup = Setup::new(columns, vec![value("n", Expr::Column(0)), value("c", Expr::Column(1))], Naming::Kpipe);
        let texts: Vec<String> = values.iter().map(|(n, c)| format!(r#"{{"n":{n},"c":"{c}"}}"#)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let folders: Vec<String> = texts.chunks(cut).flat_map(|texts| setup.folders(texts)).collect();
        for ((n, c), folder) in values.iter().zip(folders) {
            prop_assert_eq!(folder, format!("n={n}/{}", escape::hive(Some("c"), Some(c))));
        }
    }
}

#[test]
fn folders_that_never_repeat_do_not_fill_the_memory() {
    let items = vec![value("id", Expr::Column(0)), time(Expr::Column(1), "yyyy-MM-dd/HH", Some("date"))];
    let mut setup = Setup::new(vec![("id", DataType::Int64), ("at", DataType::Timestamp(Unit::Millisecond))], items, Naming::Kpipe);
    let hour = 3_600_000_i64;
    let mut most = 0;
    for batch in 0..50_i64 {
        let ids = batch * 2_000..(batch + 1) * 2_000;
        let values: Vec<String> = ids.clone().map(|id| format!(r#"{{"id":{id},"at":{}}}"#, id % 200 * hour)).collect();
        let folders = setup.folders(&values.iter().map(String::as_str).collect::<Vec<_>>());
        for (id, folder) in ids.zip(folders) {
            let hours = id % 200;
            assert_eq!(folder, format!("id={id}/date=1970-01-{:02}/{:02}", hours / 24 + 1, hours % 24));
        }
        most = most.max(setup.partitioner.paths.texts.len());
    }
    // An id, a time and both together are texts; a batch may add its own before the next one forgets.
    assert!((REMEMBERED_MAX / 2..=REMEMBERED_MAX + 3 * 2_000).contains(&most), "{most} texts");
}
