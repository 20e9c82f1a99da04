use std::collections::BTreeMap;
use std::io::Read;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::Int64Type;
use bytes::Bytes;
use kpipe_compiler::plan::{DataType, Decode, DecodeColumn, Expr, Field, Projection, Tail, TimeUnit, ValueFormat};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::basic::Encoding as Pages;
use proptest::prelude::*;

use super::*;
use crate::fixture::{self, Record};
use crate::path::decode::Decoder;
use crate::path::partition::Partitioner;
use crate::path::transform::Projector;
use crate::path::{FileRows, Pick};

mod types;

const PLAIN: FileFormat = FileFormat::Json { compression: Compression::None };

fn parquet(compression: Compression) -> FileFormat {
    FileFormat::Parquet { compression, row_group_bytes: 1 << 20 }
}

fn tail(format: FileFormat, naming: Naming) -> FileTail {
    FileTail { bucket: "lake".into(), prefix: String::new(), partition: Vec::new(), keep_partition_columns: true, format, naming }
}

fn route(decode: ValueFormat, columns: &[(&str, DataType)], format: FileFormat) -> Route {
    let decoded = columns.iter().map(|(name, data_type)| DecodeColumn {
        path: vec![(*name).to_owned()],
        data_type: data_type.clone(),
        nullable: true,
    });
    let project = columns.iter().enumerate().map(|(index, (name, data_type))| Projection {
        name: (*name).to_owned(),
        expr: Expr::Column(index),
        data_type: data_type.clone(),
        nullable: true,
    });
    Route {
        statement: String::new(),
        from: "orders".into(),
        decode: Decode { format: decode, columns: decoded.collect() },
        filter: None,
        project: (!columns.is_empty()).then(|| project.collect()),
        tail: Tail::Files(tail(format, Naming::Kpipe)),
    }
}

struct Setup {
    route: Route,
    encoding: Encoding,
}

impl Setup {
    fn new(decode: ValueFormat, columns: &[(&str, DataType)], format: &FileFormat, naming: Naming) -> Result<Self, StageError> {
        let route = route(decode, columns, format.clone());
        let encoding = Encoding::new(&route, &tail(format.clone(), naming), Projector::new(&route)?.schema())?;
        Ok(Self { route, encoding })
    }

    fn rows(&self, raw: &RawBatch) -> RowBatch {
        let mut rejects = Vec::new();
        let batch = Decoder::new(&self.route.decode).unwrap().decode(raw, 0, &mut rejects);
        let batch = Projector::new(&self.route).unwrap().project(raw, batch, &mut rejects).unwrap();
        assert_eq!(rejects, []);
        batch
    }

    /// One file of all records.
    fn file(&self, records: Vec<Record>) -> Vec<u8> {
        let raw = fixture::batch(records);
        let batch = self.rows(&raw);
        let mut encoder = self.encoding.open().unwrap();
        encoder.write(&FileRows { raw: &raw, batch: &batch, pick: Pick::Range(0..batch.len()) }).unwrap();
        let file = fixture::rest(encoder.as_mut());
        assert_eq!(encoder.file_bytes(), file.len() as u64);
        file
    }
}

fn lines(decode: ValueFormat, columns: &[(&str, DataType)], format: &FileFormat, values: &[&str]) -> String {
    let setup = Setup::new(decode, columns, format, Naming::Kpipe).unwrap();
    String::from_utf8(setup.file(values.iter().map(|value| Record::of(value)).collect())).unwrap()
}

#[test]
fn json_payloads_stay_as_they_are_one_a_line() {
    let values = [r#"{"data": {"Id":"98cf"}}"#, "{\n  \"a\": \"b \\n c\"\n}", "1"];
    assert_eq!(lines(ValueFormat::Json, &[], &PLAIN, &values), "{\"data\": {\"Id\":\"98cf\"}}\n{\"a\":\"b \\n c\"}\n1\n");
    assert!(Setup::new(ValueFormat::Bytes, &[], &PLAIN, Naming::Kpipe).is_err());
    assert!(Setup::new(ValueFormat::Text, &[], &PLAIN, Naming::Kpipe).is_err());
}

#[test]
fn columns_become_objects() {
    let columns = [("id", DataType::Int64), ("at", DataType::Timestamp(TimeUnit::Millisecond)), ("rest", DataType::Json)];
    let values = [r#"{"rest":{"b":[1, 2]},"id":1,"at":5,"more":1}"#, "{}"];
    let text = lines(ValueFormat::Json, &columns, &PLAIN, &values);
    assert_eq!(text, "{\"id\":1,\"at\":\"1970-01-01T00:00:00.005Z\",\"rest\":{\"b\":[1, 2]}}\n{\"id\":null,\"at\":null,\"rest\":null}\n");
    let confluent = Setup::new(ValueFormat::Json, &columns, &PLAIN, Naming::Confluent).unwrap();
    assert_eq!(confluent.file(vec![Record::of(values[0])]), b"{\"id\":1,\"at\":5,\"rest\":{\"b\":[1, 2]}}\n");
}

#[test]
fn text_and_bytes_are_written_as_they_are() {
    let text = FileFormat::Text { compression: Compression::None };
    assert_eq!(lines(ValueFormat::Text, &[], &text, &["a", "", "b"]), "a\n\nb\n");
    let bytes = |separator: &str| FileFormat::Bytes { separator: separator.into() };
    assert_eq!(lines(ValueFormat::Bytes, &[], &bytes(""), &["a", "b"]), "ab");
    assert_eq!(lines(ValueFormat::Bytes, &[], &bytes("--"), &["a", "b"]), "a--b--");
    assert!(Setup::new(ValueFormat::Json, &[("a", DataType::Int32)], &text, Naming::Kpipe).is_err());
}

#[test]
fn a_null_payload_stops_the_task() {
    let setup = Setup::new(ValueFormat::Bytes, &[], &FileFormat::Bytes { separator: String::new() }, Naming::Kpipe).unwrap();
    let raw = fixture::batch(vec![Record::default()]);
    let batch = setup.rows(&raw);
    let rows = FileRows { raw: &raw, batch: &batch, pick: Pick::Indices(&[0]) };
    assert_eq!(setup.encoding.open().unwrap().write(&rows).unwrap_err().to_string(), "encode: a null value cannot be written");
}

#[test]
fn compressed_lines_read_back() {
    let values: Vec<String> = (0..30_000).map(|id| format!("{{\"id\":{id}}}")).collect();
    let expected: String = values.iter().map(|value| format!("{value}\n")).collect();
    for compression in [Compression::Gzip(6), Compression::Zstd(3)] {
        let setup = Setup::new(ValueFormat::Json, &[], &FileFormat::Json { compression }, Naming::Kpipe).unwrap();
        let file = setup.file(values.iter().map(|value| Record::of(value)).collect());
        assert!(file.len() * 3 < expected.len());
        let mut text = String::new();
        match compression {
            Compression::Gzip(_) => flate2::read::GzDecoder::new(file.as_slice()).read_to_string(&mut text).unwrap(),
            _ => zstd::stream::read::Decoder::new(file.as_slice()).unwrap().read_to_string(&mut text).unwrap(),
        };
        assert!(text == expected);
    }
}

#[test]
fn codecs_that_do_not_fit_are_refused() {
    let columns = [("id", DataType::Int64)];
    assert!(Setup::new(ValueFormat::Json, &columns, &parquet(Compression::Gzip(1)), Naming::Kpipe).is_err());
    assert!(Setup::new(ValueFormat::Json, &columns, &parquet(Compression::Zstd(99)), Naming::Kpipe).is_err());
    assert!(Setup::new(ValueFormat::Json, &[], &parquet(Compression::Snappy), Naming::Kpipe).is_err(), "Parquet needs columns");
    assert!(Setup::new(ValueFormat::Json, &columns, &FileFormat::Json { compression: Compression::Snappy }, Naming::Kpipe).is_err());
}

fn reader(file: Vec<u8>) -> ParquetRecordBatchReaderBuilder<Bytes> {
    ParquetRecordBatchReaderBuilder::try_new(Bytes::from(file)).unwrap()
}

fn read_back(file: Vec<u8>) -> RecordBatch {
    let builder = reader(file);
    let schema = builder.schema().clone();
    let batches: Vec<_> = builder.build().and_then(|reader: ParquetRecordBatchReader| Ok(reader.collect::<Result<Vec<_>, _>>()?)).unwrap();
    concat_batches(&schema, &batches).unwrap()
}

#[test]
fn parquet_is_written_as_measured_best() {
    let columns = [("id", DataType::Int64), ("mode", DataType::String), ("name", DataType::String), ("x", DataType::Float64)];
    let records =
        (0..20_000).map(|id| Record::of(&format!(r#"{{"id":{id},"mode":"m{}","name":"name {id}","x":{id}.25}}"#, id % 7))).collect();
    let setup = Setup::new(ValueFormat::Json, &columns, &parquet(Compression::Zstd(1)), Naming::Kpipe).unwrap();
    let file = setup.file(records);
    let builder = reader(file.clone());
    let group = builder.metadata().row_group(0);
    let encodings = |column: usize| group.column(column).encodings().collect::<Vec<_>>();
    assert!(encodings(0).contains(&Pages::DELTA_BINARY_PACKED), "{:?}", encodings(0));
    assert!(encodings(1).contains(&Pages::RLE_DICTIONARY), "{:?}", encodings(1));
    assert!(encodings(2).contains(&Pages::DELTA_LENGTH_BYTE_ARRAY), "{:?}", encodings(2));
    assert!(group.column(0).statistics().is_some() && group.column(0).column_index_offset().is_none());
    assert!(builder.metadata().file_metadata().created_by().unwrap().starts_with("kpipe"));
    let batch = read_back(file);
    assert_eq!(batch.num_rows(), 20_000);
    assert_eq!(batch.column(0).as_primitive::<Int64Type>().values().to_vec(), (0..20_000).collect::<Vec<_>>());
    assert_eq!(batch.column(2).as_string::<i32>().value(19_999), "name 19999");
}

#[test]
fn a_large_file_comes_out_in_parts_and_row_groups() {
    let format = FileFormat::Parquet { compression: Compression::None, row_group_bytes: 100_000 };
    let setup = Setup::new(ValueFormat::Json, &[("id", DataType::Int64), ("name", DataType::String)], &format, Naming::Kpipe).unwrap();
    let setup = Setup { encoding: setup.encoding.sharing(Spares::new(50_000)), ..setup };
    let mut encoder = setup.encoding.open().unwrap();
    let (mut parts, mut most) = (Vec::new(), 0);
    for part in 0..20 {
        let values: Vec<String> =
            (0..2_000).map(|row| format!(r#"{{"id":{row},"name":"a rather long name {part} {}"}}"#, row * 7919)).collect();
        let raw = fixture::values(&values.iter().map(String::as_str).collect::<Vec<_>>());
        let batch = setup.rows(&raw);
        encoder.write(&FileRows { raw: &raw, batch: &batch, pick: Pick::Range(0..batch.len()) }).unwrap();
        while let Some(bytes) = encoder.take_part() {
            assert_eq!(bytes.len(), 50_000);
            parts.extend_from_slice(&bytes);
        }
        most = most.max(encoder.memory_bytes());
    }
    assert!(parts.len() > 500_000 && most < 1_500_000, "{} bytes out, {most} bytes held", parts.len());
    parts.extend_from_slice(&fixture::rest(encoder.as_mut()));
    assert_eq!(encoder.file_bytes(), parts.len() as u64);
    let groups = reader(parts.clone()).metadata().row_groups().iter().map(|group| group.total_byte_size()).collect::<Vec<_>>();
    assert!(groups.len() > 5 && groups.iter().all(|bytes| *bytes < 200_000), "{groups:?}");
    assert_eq!(read_back(parts).num_rows(), 40_000);
}

#[test]
fn values_of_produced_records() {
    let raw = fixture::values(&[r#"{"id":1}"#, r#"{"id":null}"#]);
    let route = route(ValueFormat::Json, &[("id", DataType::Int64)], PLAIN);
    let setup = Setup::new(ValueFormat::Json, &[("id", DataType::Int64)], &PLAIN, Naming::Kpipe).unwrap();
    let schema = Projector::new(&route).unwrap().schema();
    let write = |format: &FileFormat| {
        let values = Values::new(&route, format, schema.clone()).unwrap().encode(&raw, &setup.rows(&raw)).unwrap();
        values.iter().map(|value| String::from_utf8(value.unwrap().to_vec()).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(write(&PLAIN), [r#"{"id":1}"#, r#"{"id":null}"#]);
    assert!(Values::new(&route, &parquet(Compression::None), schema).is_err());
}

fn all_types() -> Vec<(&'static str, DataType)> {
    let field = |name: &str, data_type| Field { name: name.into(), data_type, nullable: true };
    let meta = vec![field("mode", DataType::String), field("tags", DataType::List(Box::new(field("tag", DataType::Int32))))];
    vec![
        ("ok", DataType::Boolean),
        ("small", DataType::Int32),
        ("id", DataType::Int64),
        ("x", DataType::Float64),
        ("price", DataType::Decimal { precision: 12, scale: 2 }),
        ("name", DataType::String),
        ("day", DataType::Date),
        ("at", DataType::Timestamp(TimeUnit::Microsecond)),
        ("raw", DataType::Bytes),
        ("meta", DataType::Struct(meta)),
    ]
}

fn record() -> impl Strategy<Value = String> {
    let scalars = (any::<bool>(), any::<i32>(), any::<i64>(), -1e9_f64..1e9, -1_000_000_i64..1_000_000, "[a-c]{0,3}");
    let rest = (0_i32..40_000, any::<i32>(), "([A-D]{4}){0,3}", prop::option::of(prop::collection::vec(prop::option::of(0_i32..9), 0..3)));
    (scalars, rest, any::<u16>()).prop_map(|((ok, small, id, x, cents, name), (day, at, raw, tags), drop)| {
        let tags = serde_json::json!({ "mode": name, "tags": tags });
        let price = format!("{}.{:02}", cents / 100, (cents % 100).abs());
        let values = [
            ok.to_string(),
            small.to_string(),
            id.to_string(),
            format!("{x}"),
            price,
            format!("{name:?}"),
            day.to_string(),
            at.to_string(),
            format!("{raw:?}"),
            tags.to_string(),
        ];
        let names = all_types();
        let pairs = names.iter().zip(values).enumerate().filter(|(index, _)| drop >> index & 1 == 0 || drop > 30_000);
        let pairs: Vec<String> = pairs.map(|(_, ((name, _), value))| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", pairs.join(","))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn parquet_reads_back(texts in prop::collection::vec(record(), 1..60), cut in any::<prop::sample::Index>(), snappy: bool) {
        let compression = if snappy { Compression::Snappy } else { Compression::Zstd(1) };
        let setup = Setup::new(ValueFormat::Json, &all_types(), &parquet(compression), Naming::Kpipe).unwrap();
        let raw = fixture::values(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        let batch = setup.rows(&raw);
        let cut = cut.index(texts.len());
        let rest: Vec<u32> = (cut as u32..texts.len() as u32).collect();
        let mut encoder = setup.encoding.open().unwrap();
        encoder.write(&FileRows { raw: &raw, batch: &batch, pick: Pick::Range(0..cut) }).unwrap();
        encoder.write(&FileRows { raw: &raw, batch: &batch, pick: Pick::Indices(&rest) }).unwrap();
        let found = read_back(fixture::rest(encoder.as_mut()));
        let expected = batch.output.unwrap();
        let (found_schema, expected_schema) = (found.schema(), expected.schema());
        prop_assert_eq!(found_schema.fields(), expected_schema.fields());
        for (found, expected) in found.columns().iter().zip(expected.columns()) {
            prop_assert_eq!(found.to_data(), expected.to_data());
        }
    }

    #[test]
    fn every_record_is_written_or_rejected_once(records in prop::collection::vec((0..3, "[ab/]{0,2}", any::<bool>()), 0..60), cut in 1_usize..20) {
        let texts = records.iter().enumerate().map(|(id, (kind, folder, spaced))| match kind {
            0 => format!(r#"{{"id":{id},"c":"{folder}"}}"#),
            1 if *spaced => format!("{{ \"c\" : \"{folder}\",\n\"id\":{id} }}"),
            1 => format!(r#"{{"id":{id},"x":[{{}}]}}"#),
            _ => format!(r#"{{"id":"{id}","c":"{folder}"}}"#),
        });
        let texts: Vec<String> = texts.collect();
        let mut route = route(ValueFormat::Json, &[("id", DataType::Int64), ("c", DataType::String)], PLAIN);
        let mut tail = tail(PLAIN, Naming::Kpipe);
        tail.partition = vec![kpipe_compiler::plan::PartitionItem::Value { name: Some("c".into()), expr: Expr::Column(1) }];
        route.tail = Tail::Files(tail.clone());
        let mut decoder = Decoder::new(&route.decode).unwrap();
        let projector = Projector::new(&route).unwrap();
        let mut partitioner = Partitioner::new(&route, &tail).unwrap();
        let encoding = Encoding::new(&route, &tail, projector.schema()).unwrap();
        let mut files: BTreeMap<String, Box<dyn FileEncoder>> = BTreeMap::new();
        let mut rejected = 0;
        for chunk in texts.chunks(cut) {
            let raw = fixture::values(&chunk.iter().map(String::as_str).collect::<Vec<_>>());
            let mut rejects = Vec::new();
            let batch = decoder.decode(&raw, 0, &mut rejects);
            let batch = projector.project(&raw, batch, &mut rejects).unwrap();
            let rows = partitioner.split(&raw, batch, &mut rejects).unwrap();
            rejected += rejects.len();
            for (index, folder) in rows.folders.iter().enumerate() {
                let all = || (0..rows.rows.len() as u32).collect();
                let of_folder = |(row, folder): (usize, &u32)| (*folder as usize == index).then_some(row as u32);
                let pick: Vec<u32> =
                    if rows.folder_of_row.is_empty() { all() } else { rows.folder_of_row.iter().enumerate().filter_map(of_folder).collect() };
                let file = files.entry(folder.to_string()).or_insert_with(|| encoding.open().unwrap());
                file.write(&FileRows { raw: &raw, batch: &rows.rows, pick: Pick::Indices(&pick) }).unwrap();
            }
        }
        let mut seen = Vec::new();
        for (folder, mut file) in files {
            let text = String::from_utf8(fixture::rest(file.as_mut())).unwrap();
            let mut last = -1;
            for line in text.lines() {
                let value: serde_json::Value = serde_json::from_str(line).unwrap();
                let id = value["id"].as_i64().unwrap();
                prop_assert!(id > last, "the order within a folder is that of the records");
                last = id;
                seen.push(id as usize);
                let expected = value["c"].as_str().filter(|c| !c.is_empty()).map_or("__HIVE_DEFAULT_PARTITION__".to_owned(), |c| c.replace('/', "%2F"));
                prop_assert_eq!(&folder, &format!("c={expected}"));
            }
        }
        seen.sort_unstable();
        let expected: Vec<usize> = (0..records.len()).filter(|id| records[*id].0 < 2).collect();
        prop_assert_eq!((seen, rejected), (expected.clone(), records.len() - expected.len()));
    }
}
