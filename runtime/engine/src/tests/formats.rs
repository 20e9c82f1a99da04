//! Files of every format, read back by other code than wrote them; values of records; columns from everywhere.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMillisecondType};
use bytes::Bytes;
use kpipe_compiler::plan::{Projection, TimeUnit};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;
use crate::memory::MemoryRecord;

fn projection(name: &str, expr: Expr, data_type: DataType) -> Projection {
    Projection { name: name.to_owned(), expr, data_type, nullable: true }
}

/// `id` as a number, the country, and where the record came from.
fn columns(case: &mut Case) {
    let column = |name: &str, data_type| DecodeColumn { path: vec![name.to_owned()], data_type, nullable: true };
    let route = &mut case.pipeline.routes[0];
    route.decode.columns = vec![column("c", DataType::String), column("id", DataType::Int64)];
    route.project = Some(vec![
        projection("id", Expr::Column(1), DataType::Int64),
        projection("country", Expr::Column(0), DataType::String),
        projection("offset", Expr::Offset, DataType::Int64),
        projection("at", Expr::Timestamp, DataType::Timestamp(TimeUnit::Millisecond)),
        projection("key", Expr::Key, DataType::String),
    ]);
}

fn file_tail(case: &mut Case) -> &mut FileTail {
    match &mut case.pipeline.routes[0].tail {
        Tail::Files(tail) => tail,
        Tail::Records(_) => panic!("a case of files"),
    }
}

fn fill(case: &Case, count: usize) {
    for id in 0..count {
        let (key, value) = (Some(format!("k{id}").into()), Some(order(id).into()));
        let timestamp_ms = Some(1_646_611_200_000 + id as i64 * 60_000);
        case.world.append("orders", 0, MemoryRecord { key, value, timestamp_ms, ..MemoryRecord::default() });
    }
}

fn read_parquet(data: Bytes) -> RecordBatch {
    let mut reader = ParquetRecordBatchReaderBuilder::try_new(data).unwrap().with_batch_size(1_000_000).build().unwrap();
    reader.next().unwrap().unwrap()
}

#[test]
fn parquet_files_hold_the_columns_of_the_plan() {
    for compression in [Compression::None, Compression::Snappy, Compression::Zstd(1)] {
        let mut case = Case::new(&format!("parquet-{compression:?}"), 1);
        columns(&mut case);
        file_tail(&mut case).format = FileFormat::Parquet { compression, row_group_bytes: 64 * 1024 * 1024 };
        fill(&case, 3_000);
        case.run().well();
        let mut rows = 0;
        for (key, data) in case.world.objects() {
            let batch = read_parquet(data);
            let names: Vec<_> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
            assert_eq!(names, ["id", "country", "offset", "at", "key"]);
            let (ids, offsets) = (batch.column(0).as_primitive::<Int64Type>(), batch.column(2).as_primitive::<Int64Type>());
            assert_eq!(ids, offsets);
            let at = batch.column(3).as_primitive::<TimestampMillisecondType>();
            let folder = format!("c={}", batch.column(1).as_string::<i32>().value(0));
            assert!(key.contains(&folder), "{key}");
            assert_eq!(at.value(0) - 1_646_611_200_000, ids.value(0) * 60_000);
            rows += batch.num_rows();
        }
        assert_eq!(rows, 3_000);
    }
}

#[test]
fn lines_are_the_records_or_the_columns() {
    let mut case = Case::new("lines", 1);
    columns(&mut case);
    case.pipeline.routes[0].project.as_mut().unwrap().truncate(3);
    fill(&case, 4);
    case.run().well();
    let lines = case.lines();
    assert_eq!(
        lines["lake/o/c=c0/orders-0-000000000000-000000000003.json"],
        ["{\"id\":0,\"country\":\"c0\",\"offset\":0}", "{\"id\":3,\"country\":\"c0\",\"offset\":3}"]
    );
}

#[test]
fn compressed_lines_read_back() {
    for compression in [Compression::Gzip(1), Compression::Zstd(3)] {
        let mut case = Case::new(&format!("compressed-{compression:?}"), 1);
        file_tail(&mut case).format = FileFormat::Json { compression };
        file_tail(&mut case).partition.clear();
        fill(&case, 500);
        case.run().well();
        let (key, data) = case.world.objects().pop_first().unwrap();
        let text = match compression {
            Compression::Gzip(_) => std::io::read_to_string(flate2::read::GzDecoder::new(data.as_ref())).unwrap(),
            _ => String::from_utf8(zstd::decode_all(data.as_ref()).unwrap()).unwrap(),
        };
        assert_eq!(text.lines().map(id_of).collect::<Vec<_>>(), (0..500).collect::<Vec<_>>(), "{key}");
    }
}

#[test]
fn bytes_are_joined_as_they_are() {
    let mut case = Case::new("bytes", 1);
    case.pipeline.routes[0].decode = Decode { format: ValueFormat::Bytes, columns: Vec::new() };
    file_tail(&mut case).format = FileFormat::Bytes { separator: String::new() };
    file_tail(&mut case).partition.clear();
    ["a", "\u{0}b", "c\nd"].into_iter().for_each(|value| case.world.append_value("orders", 0, value));
    case.run().well();
    let (key, data) = case.world.objects().pop_first().unwrap();
    assert_eq!((key.as_str(), data.as_ref()), ("lake/o/orders-0-000000000000-000000000002.bin", &b"a\0bc\nd"[..]));
}

#[test]
fn days_are_folders() {
    let mut case = Case::new("days", 1);
    file_tail(&mut case).partition = vec![PartitionItem::Time {
        expr: Expr::Timestamp,
        pattern: "'year='yyyy/'month='MM/'day='dd".to_owned(),
        zone: "UTC".to_owned(),
        name: None,
    }];
    fill(&case, 2 * 24 * 60);
    case.run().well();
    let keys: Vec<String> = case.world.objects().into_keys().collect();
    assert_eq!(
        keys,
        [
            "lake/o/year=2022/month=03/day=07/orders-0-000000000000-000000001439.json",
            "lake/o/year=2022/month=03/day=08/orders-0-000000001440-000000002879.json"
        ]
    );
}

#[test]
fn produced_values_can_be_made_from_columns() {
    let mut case = Case::new("values", 1);
    case.pipeline = records("values");
    columns(&mut case);
    case.pipeline.routes[0].project.as_mut().unwrap().truncate(2);
    if let Tail::Records(tail) = &mut case.pipeline.routes[0].tail {
        tail.format = Some(FileFormat::Json { compression: Compression::None });
    }
    fill(&case, 2);
    case.run().well();
    let values: Vec<_> = case.world.produced().into_iter().map(|record| (record.key.unwrap(), record.value.unwrap())).collect();
    assert_eq!(values, [("k0".into(), "{\"id\":0,\"country\":\"c0\"}".into()), ("k1".into(), "{\"id\":1,\"country\":\"c1\"}".into())]);
}

#[test]
fn buckets_are_opened_one_by_one() {
    let mut case = Case::new("buckets", 1);
    let mut other = case.pipeline.routes[0].clone();
    if let Tail::Files(tail) = &mut other.tail {
        tail.bucket = "attic".to_owned();
        tail.partition.clear();
    }
    case.pipeline.routes.push(other);
    fill(&case, 3);
    case.run().well();
    let keys: Vec<String> = case.world.objects().into_keys().collect();
    assert_eq!((keys.len(), keys[0].as_str()), (4, "attic/o/orders-0-000000000000-000000000002.json"));
}

#[test]
fn null_values_are_rejected_where_a_field_is_read() {
    let case = Case::new("nulls", 1);
    case.world.append("orders", 0, MemoryRecord::default());
    let ran = case.run();
    assert!(ran.error().unwrap().message.contains("offset 0: null value"), "{:?}", ran.error());
}
