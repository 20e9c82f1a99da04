//! What a record costs in each stage. `cargo bench -p kpipe-engine`; elements per second are records per second and core.

use std::hint::black_box;
use std::iter;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, AsArray, Float64Array, RecordBatch, StringArray};
use arrow::compute::and_kleene;
use arrow::compute::kernels::cmp::{eq, gt};
use arrow::datatypes::SchemaRef;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use kpipe_compiler::plan::{
    Compression, DataType, Decode, DecodeColumn, Expr, Field, FileFormat, FileTail, Literal, Naming, Op, PartitionItem, Projection, Route,
    Tail, ValueFormat,
};
use kpipe_engine::path::decode::Decoder;
use kpipe_engine::path::encode::Encoding;
use kpipe_engine::path::partition::Partitioner;
use kpipe_engine::path::transform::Projector;
use kpipe_engine::path::{FileRows, Pick, RowBatch};
use kpipe_engine::position::{Delta, PartitionId, Position};
use kpipe_engine::records::{RawBatch, Records};

const BATCH_ROWS: usize = 8192;
const FILE_BATCHES: usize = 16;

/// Values in one buffer, as a fetch response holds them.
struct Values {
    buffer: Vec<u8>,
    ends: Vec<usize>,
}

impl Records for Values {
    fn len(&self) -> usize {
        self.ends.len()
    }

    fn source_partition(&self) -> i32 {
        0
    }

    fn value(&self, row: usize) -> Option<&[u8]> {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        Some(&self.buffer[start..self.ends[row]])
    }

    fn key(&self, _row: usize) -> Option<&[u8]> {
        None
    }

    fn position(&self, row: usize) -> Position {
        Position(row as i64)
    }

    fn timestamp_ms(&self, row: usize) -> Option<i64> {
        Some(1_700_000_000_000 + row as i64 * 3)
    }

    fn topic(&self, _row: usize) -> &str {
        "bench"
    }

    fn headers(&self, _row: usize, _each: &mut dyn FnMut(&str, Option<&[u8]>)) {}
}

/// Numbers that look random and are always the same.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn fraction(&mut self, low: i64, high: i64, digits: u32) -> String {
        let scale = 10_i64.pow(digits);
        let number = low * scale + self.roll(((high - low) * scale) as u64) as i64;
        let (sign, number) = if number < 0 { ("-", -number) } else { ("", number) };
        format!("{sign}{}.{:0width$}", number / scale, number % scale, width = digits as usize)
    }
}

/// A sensor's record: ten fields, 249 bytes on average.
fn record(id: usize, dice: &mut Dice) -> String {
    const COUNTRIES: [&str; 6] = ["AT", "BE", "DE", "FR", "IT", "SE"];
    const MODES: [&str; 5] = ["auto", "manual", "eco", "boost", "standby"];
    const SITES: [&str; 4] = ["north-assembly-hall", "central-warehouse-2", "paint-shop-line-14", "test-bench-corridor"];
    format!(
        r#"{{"id":{id},"device":"device-{:05}","ts":{},"temperature":{},"humidity":{},"pressure":{},"voltage":{},"online":{},"meta":{{"firmware":"v{}.{}.{}","mode":"{}","site":"site-{:04}-{}"}},"country":"{}"}}"#,
        dice.roll(200) * 499,
        1_700_000_000_000_usize + id * 3,
        dice.fraction(-20, 45, 2),
        dice.fraction(0, 100, 1),
        dice.fraction(950, 1050, 3),
        dice.fraction(0, 5, 6),
        dice.roll(8) > 0,
        dice.roll(9),
        dice.roll(13),
        id % 7,
        MODES[dice.roll(5) as usize],
        dice.roll(400),
        SITES[dice.roll(4) as usize],
        COUNTRIES[dice.roll(6) as usize],
    )
}

fn batch(first: usize, dice: &mut Dice, change: impl Fn(String, usize) -> String) -> RawBatch {
    let (mut buffer, mut ends) = (Vec::new(), Vec::new());
    for id in first..first + BATCH_ROWS {
        buffer.extend_from_slice(change(record(id, dice), id).as_bytes());
        ends.push(buffer.len());
    }
    let bytes = buffer.len();
    let delta = Delta::new(Position(first as i64), Position((first + BATCH_ROWS) as i64));
    RawBatch { partition: PartitionId(0), delta, routes: Arc::new([0]), records: Box::new(Values { buffer, ends }), bytes }
}

fn sample() -> RawBatch {
    batch(0, &mut Dice(7), |record, _| record)
}

fn fields() -> Vec<(&'static str, DataType)> {
    let text = |name: &str| Field { name: name.to_owned(), data_type: DataType::String, nullable: true };
    vec![
        ("id", DataType::Int64),
        ("device", DataType::String),
        ("ts", DataType::Int64),
        ("temperature", DataType::Float64),
        ("humidity", DataType::Float64),
        ("pressure", DataType::Float64),
        ("voltage", DataType::Float64),
        ("online", DataType::Boolean),
        ("meta", DataType::Struct(vec![text("firmware"), text("mode"), text("site")])),
        ("country", DataType::String),
    ]
}

fn decode(names: &[&str]) -> Decode {
    let fields = fields().into_iter().filter(|(name, _)| names.is_empty() || names.contains(name));
    let columns = fields.map(|(name, data_type)| DecodeColumn { path: vec![name.to_owned()], data_type, nullable: true }).collect();
    Decode { format: ValueFormat::Json, columns }
}

fn route(decode: Decode, project: bool, partition: Vec<PartitionItem>, format: FileFormat) -> (Route, FileTail) {
    let projection = |(index, column): (usize, &DecodeColumn)| Projection {
        name: column.path[0].clone(),
        expr: Expr::Column(index),
        data_type: column.data_type.clone(),
        nullable: true,
    };
    let project = project.then(|| decode.columns.iter().enumerate().map(projection).collect());
    let tail =
        FileTail { bucket: "bench".into(), prefix: String::new(), partition, keep_partition_columns: true, format, naming: Naming::Kpipe };
    let route = Route { statement: String::new(), from: "bench".into(), decode, filter: None, project, tail: Tail::Files(tail.clone()) };
    (route, tail)
}

fn decoded(raw: &RawBatch, decode: &Decode) -> RowBatch {
    Decoder::new(decode).expect("the plan fits").decode(raw, 0, &mut Vec::new())
}

fn decoding(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Elements(BATCH_ROWS as u64));
    let raw = sample();
    let pretty = batch(0, &mut Dice(7), |record, _| record.replace(",\"", ", \"").replace("\":", "\": "));
    let turning = batch(0, &mut Dice(7), |record, id| match record.split_once(",\"ts\"") {
        Some((front, back)) if id % 2 == 0 => format!("{{\"ts\"{},{}}}", &back[..back.len() - 1], &front[1..]),
        _ => record,
    });
    let escaped = batch(0, &mut Dice(7), |record, _| record.replace("site-", "site\\t\u{e9}-"));
    let paths = ["firmware", "mode", "site"].map(|name| DecodeColumn {
        path: vec!["meta".to_owned(), name.to_owned()],
        data_type: DataType::String,
        nullable: true,
    });
    let flat = Decode { columns: decode(&[]).columns.into_iter().filter(|it| it.path != ["meta"]).chain(paths).collect(), ..decode(&[]) };
    for (name, raw, decode) in [
        ("ten columns", &raw, decode(&[])),
        ("twelve columns, three of them nested", &raw, flat),
        ("two columns", &raw, decode(&["device", "country"])),
        ("check only", &raw, Decode { columns: Vec::new(), ..decode(&[]) }),
        ("with spaces", &pretty, decode(&[])),
        ("two orders in turn", &turning, decode(&[])),
        ("escapes and accents", &escaped, decode(&[])),
    ] {
        let mut decoder = Decoder::new(&decode).expect("the plan fits");
        let mut rejects = Vec::new();
        group.bench_function(name, |b| b.iter(|| black_box(decoder.decode(black_box(raw), 0, &mut rejects))));
        assert!(rejects.is_empty(), "{name}: {:?}", rejects[0]);
    }
}

/// `temperature > 0 AND country = 'DE'` as a column.
fn condition_route() -> Route {
    let decode = decode(&["temperature", "country"]);
    let (mut route, _) = route(decode, false, Vec::new(), FileFormat::Json { compression: Compression::None });
    let compare = |op, column, literal| Expr::call(op, vec![Expr::Column(column), Expr::Literal(literal)], &DataType::Boolean, true);
    let warm = compare(Op::Greater, 0, Literal::Float64("0".to_owned()));
    let german = compare(Op::Equal, 1, Literal::String("DE".to_owned()));
    let expr = Expr::call(Op::And, vec![warm, german], &DataType::Boolean, true);
    route.project = Some(vec![Projection { name: "take".to_owned(), expr, data_type: DataType::Boolean, nullable: true }]);
    route
}

/// The same by Arrow's kernels.
fn by_hand(batch: &RowBatch, schema: &SchemaRef) -> RecordBatch {
    let warm = gt(&batch.decoded[0], &Float64Array::new_scalar(0.0)).expect("the types fit");
    let german = eq(&batch.decoded[1], &StringArray::new_scalar("DE")).expect("the types fit");
    let both: ArrayRef = Arc::new(and_kleene(&warm, &german).expect("the lengths fit"));
    RecordBatch::try_new(Arc::clone(schema), vec![both]).expect("the schema fits")
}

/// What an expression costs, and by how much more than the kernels that it needs: medians of turns one after the other.
fn calculating(c: &mut Criterion) {
    let mut group = c.benchmark_group("calculate");
    group.throughput(Throughput::Elements(BATCH_ROWS as u64));
    let (raw, route) = (sample(), condition_route());
    let rows = decoded(&raw, &route.decode);
    let projector = Projector::new(&route).expect("the plan fits");
    let schema = projector.schema().expect("a column");
    let project = |rows: RowBatch| projector.project(&raw, rows, &mut Vec::new()).expect("the plan fits");
    let output = project(rows.clone()).output.expect("a column");
    assert_eq!(output, by_hand(&rows, &schema));
    assert!((1..BATCH_ROWS / 2).contains(&output.column(0).as_boolean().true_count()));
    const TURNS: usize = 2000;
    let mut times = [Vec::with_capacity(TURNS), Vec::with_capacity(TURNS)];
    for _ in 0..TURNS {
        let mine = rows.clone();
        let start = Instant::now();
        let batch = black_box(project(black_box(mine)));
        times[0].push(start.elapsed());
        drop(batch);
        let mine = rows.clone();
        let start = Instant::now();
        let batch = black_box(by_hand(black_box(&mine), &schema));
        times[1].push(start.elapsed());
        drop(batch);
    }
    times.iter_mut().for_each(|times| times.sort_unstable());
    let [expression, kernels] = times.map(|times| times[TURNS / 2]);
    println!("an expression: {expression:?}, by hand: {kernels:?}, {:.3} times as much", expression.as_secs_f64() / kernels.as_secs_f64());
    group.bench_function("expression", |b| b.iter_batched(|| rows.clone(), project, BatchSize::LargeInput));
    group.bench_function("by hand", |b| b.iter_batched(|| rows.clone(), |rows| by_hand(&rows, &schema), BatchSize::LargeInput));
}

fn partitioning(c: &mut Criterion) {
    let mut group = c.benchmark_group("partition");
    group.throughput(Throughput::Elements(BATCH_ROWS as u64));
    let raw = sample();
    let decode = decode(&["device", "country"]);
    let value = |index: usize, name: &str| PartitionItem::Value { name: Some(name.to_owned()), expr: Expr::Column(index) };
    let hour = || PartitionItem::Time { expr: Expr::Timestamp, pattern: "yyyy-MM-dd/HH".into(), zone: "Europe/Vienna".into(), name: None };
    for (name, items) in [
        ("none", vec![]),
        ("country", vec![value(1, "country")]),
        ("hour", vec![hour()]),
        ("device, country and hour", vec![value(0, "device"), value(1, "country"), hour()]),
    ] {
        let (route, tail) = route(decode.clone(), false, items, FileFormat::Json { compression: Compression::None });
        let mut partitioner = Partitioner::new(&route, &tail).expect("the plan fits");
        let rows = decoded(&raw, &decode);
        group.bench_function(name, |b| {
            b.iter_batched(|| rows.clone(), |rows| partitioner.split(&raw, rows, &mut Vec::new()), BatchSize::LargeInput);
        });
    }
}

fn encoding(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode");
    group.throughput(Throughput::Elements((BATCH_ROWS * FILE_BATCHES) as u64)).sample_size(20);
    let mut dice = Dice(7);
    let raws: Vec<RawBatch> = (0..FILE_BATCHES).map(|index| batch(index * BATCH_ROWS, &mut dice, |record, _| record)).collect();
    let parquet = |compression| FileFormat::Parquet { compression, row_group_bytes: 64 << 20 };
    let json = |compression| FileFormat::Json { compression };
    for (name, project, format) in [
        ("parquet snappy", true, parquet(Compression::Snappy)),
        ("parquet zstd", true, parquet(Compression::Zstd(1))),
        ("parquet without a codec", true, parquet(Compression::None)),
        ("json lines of payloads", false, json(Compression::None)),
        ("json lines of payloads, zstd", false, json(Compression::Zstd(1))),
        ("json lines of payloads, gzip", false, json(Compression::Gzip(1))),
        ("json lines of columns", true, json(Compression::None)),
    ] {
        let (route, tail) = route(decode(&[]), project, Vec::new(), format);
        let projector = Projector::new(&route).expect("the plan fits");
        let encoding = Encoding::new(&route, &tail, projector.schema()).expect("the plan fits");
        let project = |raw: &RawBatch| projector.project(raw, decoded(raw, &route.decode), &mut Vec::new()).expect("the plan fits");
        let batches: Vec<RowBatch> = raws.iter().map(project).collect();
        let file = || {
            let mut encoder = encoding.open().expect("the plan fits");
            let mut bytes = 0;
            for (raw, batch) in raws.iter().zip(&batches) {
                encoder.write(&FileRows { raw, batch, pick: Pick::Range(0..batch.len()) }).expect("the rows fit");
                bytes += iter::from_fn(|| encoder.take_part()).map(|part| part.len()).sum::<usize>();
            }
            encoder.finish().expect("the rows fit");
            bytes + iter::from_fn(|| encoder.take_part()).map(|part| part.len()).sum::<usize>()
        };
        println!("{name}: {:.1} bytes a record", file() as f64 / (BATCH_ROWS * FILE_BATCHES) as f64);
        group.bench_function(name, |b| b.iter(file));
    }
}

criterion_group! {
    name = stages;
    config = Criterion::default().measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_secs(1));
    targets = decoding, calculating, partitioning, encoding
}
criterion_main!(stages);
