//! Every type of a plan in a Parquet file: how other readers see it, and that its values come back.

use arrow::array::{ArrayRef, Int32Array};
use arrow::datatypes::{DataType as ArrowType, TimeUnit as ArrowUnit};
use parquet::basic::{LogicalType, Repetition, TimeUnit as ParquetUnit, Type as Physical};
use serde_json::{Value, json};

use super::*;

fn field(name: &str, data_type: DataType, nullable: bool) -> Field {
    Field { name: name.into(), data_type, nullable }
}

fn decimal(precision: u8, scale: i8) -> DataType {
    DataType::Decimal { precision, scale }
}

/// The records as one Parquet file, written by the stages that a task has.
fn parquet_file(columns: &[(&str, DataType)], values: &[&str]) -> Vec<u8> {
    let setup = Setup::new(ValueFormat::Json, columns, &parquet(Compression::Zstd(1)), Naming::Kpipe).unwrap();
    setup.file(values.iter().map(|value| Record::of(value)).collect())
}

#[test]
fn other_readers_see_the_types_that_they_know() {
    let text = || Some(LogicalType::String);
    let utc = |unit| Some(LogicalType::timestamp(true, unit));
    let rows: Vec<(&str, DataType, Physical, Option<LogicalType>)> = vec![
        ("boolean", DataType::Boolean, Physical::BOOLEAN, None),
        ("int", DataType::Int32, Physical::INT32, None),
        ("bigint", DataType::Int64, Physical::INT64, None),
        ("real", DataType::Float32, Physical::FLOAT, None),
        ("double", DataType::Float64, Physical::DOUBLE, None),
        ("small decimal", decimal(9, 2), Physical::INT32, Some(LogicalType::decimal(2, 9))),
        ("decimal", decimal(18, 0), Physical::INT64, Some(LogicalType::decimal(0, 18))),
        ("wide decimal", decimal(38, 38), Physical::FIXED_LEN_BYTE_ARRAY, Some(LogicalType::decimal(38, 38))),
        ("string", DataType::String, Physical::BYTE_ARRAY, text()),
        ("bytes", DataType::Bytes, Physical::BYTE_ARRAY, None),
        ("date", DataType::Date, Physical::INT32, Some(LogicalType::Date)),
        ("milliseconds", DataType::Timestamp(TimeUnit::Millisecond), Physical::INT64, utc(ParquetUnit::MILLIS)),
        ("microseconds", DataType::Timestamp(TimeUnit::Microsecond), Physical::INT64, utc(ParquetUnit::MICROS)),
        ("any", DataType::Any, Physical::BYTE_ARRAY, text()),
        ("json", DataType::Json, Physical::BYTE_ARRAY, text()),
    ];
    let columns: Vec<_> = rows.iter().map(|(name, data_type, ..)| (*name, data_type.clone())).collect();
    let file = reader(parquet_file(&columns, &["{}"]));
    for (leaf, (name, _, physical, logical)) in file.parquet_schema().columns().iter().zip(&rows) {
        assert_eq!(leaf.name(), *name);
        assert_eq!((leaf.physical_type(), leaf.logical_type_ref()), (*physical, logical.as_ref()), "{name}");
        assert_eq!(leaf.self_type().get_basic_info().repetition(), Repetition::OPTIONAL, "{name}");
    }
}

#[test]
fn lists_and_structs_have_the_three_levels_that_readers_expect() {
    let point = DataType::Struct(vec![field("x", DataType::Float64, false), field("y", DataType::Float64, true)]);
    let columns = [
        ("points", DataType::List(Box::new(field("whatever", point, true)))),
        ("tags", DataType::List(Box::new(field("t", DataType::String, false)))),
    ];
    let file = reader(parquet_file(&columns, &["{}"]));
    let leaves: Vec<_> =
        file.parquet_schema().columns().iter().map(|leaf| (leaf.path().string(), leaf.max_def_level(), leaf.max_rep_level())).collect();
    let expected = [("points.list.element.x", 3, 1), ("points.list.element.y", 4, 1), ("tags.list.element", 2, 1)];
    assert_eq!(leaves, expected.map(|(path, definition, repetition)| (path.to_owned(), definition, repetition)));
}

/// A cell as JSON, read with Arrow's own functions for people.
fn shown(array: &ArrayRef, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        ArrowType::Struct(fields) => {
            let columns = fields.iter().zip(array.as_struct().columns());
            Value::Object(columns.map(|(field, column)| (field.name().clone(), shown(column, row))).collect())
        }
        ArrowType::List(_) => {
            let list = array.as_list::<i32>().value(row);
            (0..list.len()).map(|element| shown(&list, element)).collect()
        }
        ArrowType::Timestamp(..) => {
            let units = arrow::compute::cast(array, &ArrowType::Int64).unwrap();
            json!(units.as_primitive::<Int64Type>().value(row))
        }
        _ => json!(arrow::util::display::array_value_to_string(array, row).unwrap()),
    }
}

/// Writes values of one type and shows what another reader finds.
fn found(data_type: &DataType, values: &[&str]) -> Vec<Value> {
    let texts: Vec<String> = values.iter().map(|value| format!("{{\"v\":{value}}}")).collect();
    let file = parquet_file(&[("v", data_type.clone())], &texts.iter().map(String::as_str).collect::<Vec<_>>());
    let batch = read_back(file);
    (0..batch.num_rows()).map(|row| shown(batch.column(0), row)).collect()
}

#[test]
fn values_of_every_type_come_back() {
    let meta = DataType::Struct(vec![field("site", DataType::String, true), field("rack", DataType::Int32, false)]);
    let list = DataType::List(Box::new(field("e", DataType::Int64, true)));
    let lists = DataType::List(Box::new(field("e", list.clone(), true)));
    for (data_type, rows) in [
        (DataType::Boolean, vec![("true", json!("true")), ("null", Value::Null), ("false", json!("false"))]),
        (DataType::Int32, vec![("-2147483648", json!("-2147483648")), ("2147483647", json!("2147483647"))]),
        (
            DataType::Int64,
            vec![("-9223372036854775808", json!("-9223372036854775808")), ("9223372036854775807", json!("9223372036854775807"))],
        ),
        (DataType::Float32, vec![("3.4028235e38", json!("3.4028235e38")), ("-0.5", json!("-0.5"))]),
        (DataType::Float64, vec![("5e-324", json!("5e-324")), ("1.7976931348623157e308", json!("1.7976931348623157e308"))]),
        (decimal(9, 2), vec![("-9999999.99", json!("-9999999.99")), ("0.01", json!("0.01"))]),
        (decimal(18, 3), vec![("999999999999999.999", json!("999999999999999.999"))]),
        (decimal(38, 0), vec![("99999999999999999999999999999999999999", json!("99999999999999999999999999999999999999"))]),
        (DataType::String, vec![("\"\"", json!("")), ("\"\\u0000\u{1f600}\"", json!("\0\u{1f600}")), ("null", Value::Null)]),
        (DataType::Bytes, vec![("\"AAH/\"", json!("0001ff")), ("\"\"", json!(""))]),
        (
            DataType::Date,
            vec![("\"0001-01-01\"", json!("0001-01-01")), ("\"9999-12-31\"", json!("9999-12-31")), ("-1", json!("1969-12-31"))],
        ),
        (DataType::Timestamp(TimeUnit::Millisecond), vec![("\"1969-12-31T23:59:59.9999Z\"", json!(-1))]),
        (DataType::Timestamp(TimeUnit::Microsecond), vec![("\"2024-02-29T01:00:00.000001+01:00\"", json!(1_709_164_800_000_001_i64))]),
        (DataType::Any, vec![("1.50", json!("1.50")), ("\"x\"", json!("x")), ("null", Value::Null)]),
        (DataType::Json, vec![("{\"b\" : [1]}", json!("{\"b\" : [1]}")), ("\"x\"", json!("\"x\"")), ("null", Value::Null)]),
        (meta, vec![("{\"rack\":1}", json!({"site": null, "rack": "1"})), ("null", Value::Null)]),
        (list, vec![("[]", json!([])), ("[1,null]", json!(["1", null])), ("null", Value::Null)]),
        (lists, vec![("[[1],null,[]]", json!([["1"], null, []])), ("[]", json!([]))]),
    ] {
        let (values, expected): (Vec<&str>, Vec<Value>) = rows.into_iter().unzip();
        assert_eq!(found(&data_type, &values), expected, "{data_type:?}");
    }
}

#[test]
fn times_are_instants_in_utc_for_arrow_too() {
    let at = DataType::Timestamp(TimeUnit::Millisecond);
    let batch = read_back(parquet_file(&[("at", at)], &[r#"{"at":0}"#]));
    assert_eq!(batch.schema().field(0).data_type(), &ArrowType::Timestamp(ArrowUnit::Millisecond, Some("UTC".into())));
}

#[test]
fn a_column_that_must_be_there_is_required_in_the_file() {
    let mut route = route(ValueFormat::Json, &[("id", DataType::Int32)], parquet(Compression::None));
    route.decode.columns[0].nullable = false;
    route.project.as_mut().unwrap()[0].nullable = false;
    let schema = Projector::new(&route).unwrap().schema();
    let encoding = Encoding::new(&route, &tail(parquet(Compression::None), Naming::Kpipe), schema).unwrap();
    let file = Setup { route, encoding }.file(vec![Record::of(r#"{"id":5}"#)]);
    let builder = reader(file.clone());
    assert_eq!(builder.parquet_schema().column(0).self_type().get_basic_info().repetition(), Repetition::REQUIRED);
    let expected: ArrayRef = std::sync::Arc::new(Int32Array::from(vec![5]));
    assert_eq!(read_back(file).column(0), &expected);
}

#[test]
fn a_column_without_a_value_is_a_column_of_nulls() {
    let columns = all_types();
    let batch = read_back(parquet_file(&columns, &["{}", "{}", "{\"more\":1}"]));
    assert_eq!(batch.num_columns(), columns.len());
    assert!(batch.columns().iter().all(|column| column.null_count() == 3));
}
