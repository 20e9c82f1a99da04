use arrow::array::{Array, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType as ArrowType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type, Schema};
use arrow::datatypes::{TimeUnit as ArrowUnit, TimestampMicrosecondType, TimestampMillisecondType};
use kpipe_compiler::plan::{DataType, Field, TimeUnit};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

mod documents;
mod edges;

fn column(path: &str, data_type: DataType, nullable: bool) -> DecodeColumn {
    let path = if path.is_empty() { Vec::new() } else { path.split('.').map(str::to_owned).collect() };
    DecodeColumn { path, data_type, nullable }
}

fn field(name: &str, data_type: DataType, nullable: bool) -> Field {
    Field { name: name.into(), data_type, nullable }
}

/// Decodes texts into one column: a cell or an error each.
fn decode(data_type: DataType, nullable: bool, texts: &[&str]) -> Vec<Result<Value, String>> {
    let columns = [column("a", data_type, nullable)];
    let mut decoder = JsonDecoder::new(&columns);
    let outcomes: Vec<_> = texts.iter().map(|text| decoder.push(text.as_bytes()).map_err(|bad| bad.to_string())).collect();
    let arrays = decoder.finish();
    let mut row = 0..;
    let rows: Vec<_> = outcomes.into_iter().map(|outcome| outcome.map(|()| cell(&arrays[0], row.next().unwrap()))).collect();
    assert_eq!(arrays[0].len(), row.next().unwrap(), "a refused text leaves no row");
    arrays[0].to_data().validate_full().unwrap();
    rows
}

/// A value of an array as JSON, far from how the writer does it.
fn cell(array: &ArrayRef, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        ArrowType::Boolean => json!(array.as_boolean().value(row)),
        ArrowType::Int32 => json!(array.as_primitive::<Int32Type>().value(row)),
        ArrowType::Int64 => json!(array.as_primitive::<Int64Type>().value(row)),
        ArrowType::Float32 => json!(array.as_primitive::<Float32Type>().value(row)),
        ArrowType::Float64 => json!(array.as_primitive::<Float64Type>().value(row)),
        ArrowType::Decimal128(..) => json!(array.as_primitive::<Decimal128Type>().value_as_string(row)),
        ArrowType::Date32 => json!(array.as_primitive::<Date32Type>().value(row)),
        ArrowType::Timestamp(ArrowUnit::Millisecond, _) => json!(array.as_primitive::<TimestampMillisecondType>().value(row)),
        ArrowType::Timestamp(..) => json!(array.as_primitive::<TimestampMicrosecondType>().value(row)),
        ArrowType::Utf8 => json!(array.as_string::<i32>().value(row)),
        ArrowType::Binary => json!(array.as_binary::<i32>().value(row)),
        ArrowType::List(_) => {
            let list = array.as_list::<i32>().value(row);
            (0..list.len()).map(|element| cell(&list, element)).collect()
        }
        ArrowType::Struct(fields) => {
            let columns = array.as_struct().columns();
            fields
                .iter()
                .zip(columns)
                .map(|(field, column)| (field.name().clone(), cell(column, row)))
                .collect::<serde_json::Map<_, _>>()
                .into()
        }
        other => panic!("no column has {other}"),
    }
}

fn ok(value: Value) -> Result<Value, String> {
    Ok(value)
}

fn error(message: &str) -> Result<Value, String> {
    Err(message.to_owned())
}

#[test]
fn scalars_are_read_and_what_does_not_fit_is_refused() {
    let texts = [r#"{"a":1}"#, r#"{"a":2147483648}"#, r#"{"a":"1"}"#, r#"{"a":null}"#, "{}", r#"{ "b" : [1] , "a" : 1.0 }"#];
    assert_eq!(
        decode(DataType::Int32, true, &texts),
        [
            ok(json!(1)),
            error("field a: number out of the range of INT at byte 5"),
            error("field a: expected a number, found a string at byte 5"),
            ok(Value::Null),
            ok(Value::Null),
            ok(json!(1)),
        ]
    );
    assert_eq!(
        decode(DataType::Boolean, false, &[r#"{"a":true}"#, r#"{"a":null}"#, "{}", r#"{"a":0}"#, r#"{"a":false}"#]),
        [
            ok(json!(true)),
            error("field a: null where the schema says not null at byte 5"),
            error("field a: no such key, and the schema says not null at byte 1"),
            error("field a: expected a boolean, found a number at byte 5"),
            ok(json!(false)),
        ]
    );
    let decimal = DataType::Decimal { precision: 6, scale: 2 };
    assert_eq!(
        decode(decimal, true, &[r#"{"a":12.5}"#, r#"{"a":"-0.01"}"#, r#"{"a":1.234}"#, r#"{"a":"x"}"#, r#"{"a":10000}"#]),
        [
            ok(json!("12.50")),
            ok(json!("-0.01")),
            error("field a: more digits behind the point than the scale of DECIMAL(6,2) at byte 5"),
            error("field a: expected a decimal number, found another text at byte 5"),
            error("field a: number out of the range of DECIMAL(6,2) at byte 5"),
        ]
    );
    assert_eq!(decode(DataType::Float32, true, &[r#"{"a":0.5}"#, r#"{"a":-3}"#]), [ok(json!(0.5)), ok(json!(-3.0))]);
    assert_eq!(
        decode(DataType::Bytes, true, &[r#"{"a":"AAH/"}"#, r#"{"a":"AAH"}"#, r#"{"a":""}"#]),
        [ok(json!([0, 1, 255])), error("field a: expected a base64 string, found another text at byte 5"), ok(json!([]))]
    );
}

#[test]
fn times_are_texts_or_numbers() {
    assert_eq!(
        decode(DataType::Date, true, &[r#"{"a":"1970-01-02"}"#, r#"{"a":-1}"#, r#"{"a":"2023-02-29"}"#]),
        [ok(json!(1)), ok(json!(-1)), error("field a: expected a date like 2024-02-29, found another text at byte 5")]
    );
    let texts = [r#"{"a":"1970-01-01T00:00:00.0019Z"}"#, r#"{"a":17}"#, r#"{"a":"1969-12-31T23:59:59.9999Z"}"#, r#"{"a":"now"}"#];
    let unknown = error("field a: expected a timestamp like 2024-02-29T12:00:00Z, found another text at byte 5");
    let milliseconds = decode(DataType::Timestamp(TimeUnit::Millisecond), true, &texts);
    assert_eq!(milliseconds, [ok(json!(1)), ok(json!(17)), ok(json!(-1)), unknown.clone()]);
    let microseconds = decode(DataType::Timestamp(TimeUnit::Microsecond), true, &texts);
    assert_eq!(microseconds, [ok(json!(1900)), ok(json!(17)), ok(json!(-100)), unknown]);
}

#[test]
fn texts_of_values_without_a_type() {
    let texts = [r#"{"a":"x\ty"}"#, r#"{"a":1e5}"#, r#"{"a":true}"#, r#"{"a":null}"#, r#"{"a":[1, {"b" : 2}]}"#];
    assert_eq!(
        decode(DataType::Any, true, &texts),
        [
            ok(json!("x\ty")),
            ok(json!("1e5")),
            ok(json!("true")),
            ok(Value::Null),
            error("field a: expected a scalar, found an array at byte 5")
        ]
    );
    assert_eq!(
        decode(DataType::Json, true, &texts),
        [ok(json!(r#""x\ty""#)), ok(json!("1e5")), ok(json!("true")), ok(Value::Null), ok(json!(r#"[1, {"b" : 2}]"#))]
    );
}

#[test]
fn structs_and_lists_nest() {
    let point = DataType::Struct(vec![field("x", DataType::Int64, false), field("y", DataType::Int64, true)]);
    let points = DataType::List(Box::new(field("point", point, true)));
    let texts = [
        r#"{"a":[{"x":1,"y":2},null,{"y":null,"x":3}]}"#,
        r#"{"a":[{"x":1},{"y":2}]}"#,
        r#"{"a":[]}"#,
        r#"{"a":null}"#,
        r#"{"a":{"x":1}}"#,
        r#"{"a":[{"x":1},]}"#,
        r#"{"a":[ {"x":9} ]}"#,
    ];
    assert_eq!(
        decode(points, true, &texts),
        [
            ok(json!([{"x": 1, "y": 2}, null, {"x": 3, "y": null}])),
            error("field a.[1].x: no such key, and the schema says not null at byte 20"),
            ok(json!([])),
            ok(Value::Null),
            error("field a: expected an array, found an object at byte 5"),
            error("not valid JSON: expected a value, found `]` at byte 14"),
            ok(json!([{"x": 9, "y": null}])),
        ]
    );
}

#[test]
fn one_value_can_feed_several_columns() {
    let columns = [
        column("m.a", DataType::Any, true),
        column("m", DataType::Json, true),
        column("m.b.c", DataType::Int64, true),
        column("m.a", DataType::Int64, true),
        column("", DataType::Json, false),
    ];
    let mut decoder = JsonDecoder::new(&columns);
    for text in [r#"{"m":{"a":1,"b":{"c":2}}}"#, r#"{"m":null}"#, r#" {"x":0,"m":{"b":null}} "#, r#"{"m":{"a":1},"m":{"b":{"c":3,"c":4}}}"#]
    {
        decoder.push(text.as_bytes()).unwrap();
    }
    assert_eq!(decoder.push(br#"{"m":5}"#).unwrap_err().to_string(), "field m: expected an object, found a number at byte 5");
    let arrays = decoder.finish();
    let rows: Vec<Vec<Value>> = (0..4).map(|row| arrays.iter().map(|array| cell(array, row)).collect()).collect();
    assert_eq!(
        rows,
        [
            vec![json!("1"), json!(r#"{"a":1,"b":{"c":2}}"#), json!(2), json!(1), json!(r#"{"m":{"a":1,"b":{"c":2}}}"#)],
            vec![json!(null), json!(null), json!(null), json!(null), json!(r#"{"m":null}"#)],
            vec![json!(null), json!(r#"{"b":null}"#), json!(null), json!(null), json!(r#"{"x":0,"m":{"b":null}}"#)],
            vec![json!(null), json!(r#"{"b":{"c":3,"c":4}}"#), json!(4), json!(null), json!(r#"{"m":{"a":1},"m":{"b":{"c":3,"c":4}}}"#)],
        ]
    );
}

#[test]
fn without_columns_a_value_is_only_checked() {
    let mut decoder = JsonDecoder::new(&[]);
    for text in ["1", " null ", "[]", "{\"a\":\n1}\n"] {
        assert_eq!(decoder.push(text.as_bytes()), Ok(()), "{text}");
    }
    for (text, message) in [
        ("", "not valid JSON: expected a value, found the end at byte 0"),
        ("{} {}", "not valid JSON: expected the end of the value, found `{` at byte 3"),
        ("\u{feff}{}", "not valid JSON: expected a value, found byte 0xef at byte 0"),
    ] {
        assert_eq!(decoder.push(text.as_bytes()).unwrap_err().to_string(), message);
    }
    assert_eq!(decoder.push(b"{\"a\":\"\xc3\"}").unwrap_err().to_string(), "not valid JSON: bytes that are not UTF-8 at byte 6");
    assert!(decoder.finish().is_empty());
}

#[test]
fn the_guess_of_the_order_is_only_a_guess() {
    let columns = [column("a", DataType::Int64, true), column("b", DataType::Int64, true), column("c", DataType::Int64, true)];
    let mut decoder = JsonDecoder::new(&columns);
    let texts = [
        (r#"{"a":1,"b":2,"c":3}"#, [1, 2, 3]),
        (r#"{"a":1,"c":3}"#, [1, 0, 3]),
        (r#"{"c":3,"b":2,"a":1}"#, [1, 2, 3]),
        (r#"{"a" : 1 , "b" : 2 , "c" : 3 }"#, [1, 2, 3]),
        (r#"{"a" : 1 , "b" : 2 , "c" : 3 }"#, [1, 2, 3]),
        (r#"{"x":{"a":9},"a":1,"\u0062":2,"b\u0000":7}"#, [1, 2, 0]),
        (r#"{"a": 1,"b": 2,"c":  3}"#, [1, 2, 3]),
        (r#"{"a":1,"b":2,"a":3,"a":4}"#, [4, 2, 0]),
        (r#"{"a":1,"b":2,"a":3,"a":5}"#, [5, 2, 0]),
        ("{}", [0, 0, 0]),
        (r#"{"a rather long key that does not fit into the memory of keys":0,"a":1}"#, [1, 0, 0]),
        (r#"{"a rather long key that does not fit into the memory of keys":0,"a":1}"#, [1, 0, 0]),
    ];
    for (text, _) in texts {
        decoder.push(text.as_bytes()).unwrap();
    }
    for text in
        [r#"{,"b":2}"#, r#"{"a":1{"a":1}"#, r#"{"a":1"b":2}"#, r#"{"a":1,}"#, r#"{"a":1"#, "{", r#"{"a":"#, r#"{"a":1,"b":2,,"c":3}"#]
    {
        assert_eq!(decoder.push(text.as_bytes()).unwrap_err().kind, BadKind::Syntax, "{text}");
    }
    let arrays = decoder.finish();
    for (row, (text, expected)) in texts.iter().enumerate() {
        let found: Vec<i64> = arrays.iter().map(|array| cell(array, row).as_i64().unwrap_or(0)).collect();
        assert_eq!(found, expected, "{text}");
    }
}

fn person() -> Vec<DecodeColumn> {
    let position = vec![field("lat", DataType::Float64, false), field("lon", DataType::Float64, true)];
    vec![
        column("id", DataType::Int64, true),
        column("name", DataType::String, false),
        column("ok", DataType::Boolean, true),
        column("x", DataType::Float64, true),
        column("meta.mode", DataType::Any, true),
        column("tags", DataType::List(Box::new(field("tag", DataType::String, true))), true),
        column("pos", DataType::Struct(position), true),
    ]
}

/// What a column must hold, by way of a tree of values. `Err`: refused.
fn expected(value: Option<&Value>, data_type: &DataType, nullable: bool) -> Result<Value, ()> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return if nullable { Ok(Value::Null) } else { Err(()) } };
    match (data_type, value) {
        (DataType::Int64, Value::Number(number)) => {
            let whole = number.as_f64().filter(|number| number.fract() == 0.0).map(|number| number as i64);
            number.as_i64().or(whole).map(|number| json!(number)).ok_or(())
        }
        (DataType::Float64, Value::Number(number)) => Ok(json!(number.as_f64().unwrap())),
        (DataType::String, Value::String(_)) | (DataType::Boolean, Value::Bool(_)) | (DataType::Any, Value::String(_)) => Ok(value.clone()),
        (DataType::Any, Value::Number(_) | Value::Bool(_)) => Ok(json!(value.to_string())),
        (DataType::List(element), Value::Array(elements)) => {
            elements.iter().map(|value| expected(Some(value), &element.data_type, element.nullable)).collect()
        }
        (DataType::Struct(fields), Value::Object(object)) => {
            let fields =
                fields.iter().map(|field| Ok((field.name.clone(), expected(object.get(&field.name), &field.data_type, field.nullable)?)));
            fields.collect::<Result<serde_json::Map<_, _>, ()>>().map(Value::Object)
        }
        _ => Err(()),
    }
}

fn expected_row(value: &Value, columns: &[DecodeColumn]) -> Result<Vec<Value>, ()> {
    let cell = |column: &DecodeColumn| {
        let mut found = Some(value);
        for key in &column.path {
            found = match found {
                Some(Value::Object(object)) => object.get(key),
                Some(Value::Null) | None => None,
                Some(_) => return Err(()),
            };
        }
        expected(found, &column.data_type, column.nullable)
    };
    columns.iter().map(cell).collect()
}

/// Fractions that the oracle reads exactly (its fast way of reading others is off by one place; `number` has its own oracle).
fn fraction() -> impl Strategy<Value = f64> {
    (-1_000_000..1_000_000).prop_map(|sixty_fourths| f64::from(sixty_fourths) / 64.0)
}

fn any_value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1000_i64..1000).prop_map(Value::from),
        fraction().prop_map(Value::from),
        "[a-z\"\\\\\u{0}\u{e9}\u{1f600}\n]{0,20}".prop_map(Value::from),
    ];
    scalar.prop_recursive(3, 12, 4, |inner| {
        let key = prop::sample::select(vec!["lat", "lon", "mode", "id", "k"]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..4)
                .prop_map(|pairs| pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

fn likely(key: &'static str) -> BoxedStrategy<Value> {
    match key {
        "id" => (-1_000_000_i64..1_000_000).prop_map(Value::from).boxed(),
        "name" => "[a-z]{0,30}".prop_map(Value::from).boxed(),
        "ok" => any::<bool>().prop_map(Value::from).boxed(),
        "x" => fraction().prop_map(Value::from).boxed(),
        "meta" => "[a-z]{0,3}".prop_map(|mode| json!({ "mode": mode, "site": 1 })).boxed(),
        "tags" => prop::collection::vec("[a-z]{0,3}", 0..4).prop_map(Value::from).boxed(),
        "pos" => (fraction(), fraction()).prop_map(|(lat, lon)| json!({ "lat": lat, "lon": lon })).boxed(),
        _ => any_value().boxed(),
    }
}

/// A text and the value that it means. Mostly records of one shape, sometimes anything.
fn record() -> impl Strategy<Value = String> {
    let keys = ["id", "name", "ok", "x", "meta", "tags", "pos", "more"];
    let fields: Vec<_> = keys
        .map(|key| prop_oneof![6 => likely(key).prop_map(Some), 1 => any_value().prop_map(Some), 1 => Just(None)])
        .into_iter()
        .collect();
    let shape = (fields, prop_oneof![4 => Just(0_usize), 1 => 0_usize..8], any::<bool>()).prop_map(move |(values, turn, pretty)| {
        let mut pairs: Vec<_> = keys.iter().zip(values).filter_map(|(key, value)| value.map(|value| ((*key).to_owned(), value))).collect();
        let turn = turn % pairs.len().max(1);
        pairs.rotate_left(turn);
        let value = Value::Object(pairs.into_iter().collect());
        if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() }
    });
    prop_oneof![8 => shape, 1 => any_value().prop_map(|value| value.to_string())]
}

proptest! {
    #[test]
    fn columns_agree_with_a_tree_of_values(texts in prop::collection::vec(record(), 1..8)) {
        let columns = person();
        let mut decoder = JsonDecoder::new(&columns);
        let mut rows = Vec::new();
        for text in &texts {
            let value: Value = serde_json::from_str(text).unwrap();
            let wanted = if value.is_object() { expected_row(&value, &columns) } else { Err(()) };
            match (decoder.push(text.as_bytes()), wanted) {
                (Ok(()), Ok(row)) => rows.push(row),
                (Err(_), Err(())) => {}
                (found, wanted) => prop_assert!(false, "{}: {:?}, expected {:?}", text, found, wanted),
            }
        }
        let arrays = decoder.finish();
        for (index, array) in arrays.iter().enumerate() {
            array.to_data().validate_full().unwrap();
            let found: Vec<Value> = (0..array.len()).map(|row| cell(array, row)).collect();
            let wanted: Vec<Value> = rows.iter().map(|row| row[index].clone()).collect();
            prop_assert_eq!(found, wanted);
        }
    }

    #[test]
    fn damaged_texts_are_refused_as_the_oracle_does(texts in prop::collection::vec((record(), any::<usize>(), any::<u8>(), 0..3), 1..6)) {
        let columns = [column("", DataType::Json, true), column("id", DataType::Json, true), column("meta.mode", DataType::Json, true)];
        let mut decoder = JsonDecoder::new(&columns[..1]);
        let mut paths = JsonDecoder::new(&columns[1..]);
        for (text, at, byte, how) in texts {
            let mut text = text.into_bytes();
            let at = at % text.len();
            match how {
                0 => text[at] = byte,
                1 => text.insert(at, byte),
                _ => text.truncate(at),
            }
            let valid = std::str::from_utf8(&text).is_ok_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok());
            prop_assert_eq!(decoder.push(&text).is_ok(), valid, "{}", String::from_utf8_lossy(&text));
            match paths.push(&text) {
                Ok(()) => prop_assert!(valid, "{}", String::from_utf8_lossy(&text)),
                Err(bad) => prop_assert!(bad.kind == BadKind::Type || !valid, "{}", bad),
            }
        }
        for array in decoder.finish().into_iter().chain(paths.finish()) {
            array.to_data().validate_full().unwrap();
        }
    }

    #[test]
    fn any_bytes_are_answered(texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..5)) {
        let mut decoder = JsonDecoder::new(&person());
        for text in texts {
            let _ = decoder.push(&text);
        }
        let arrays = decoder.finish();
        let schema = Schema::new(arrays.iter().map(|array| arrow::datatypes::Field::new("c", array.data_type().clone(), true)).collect::<Vec<_>>());
        prop_assert!(RecordBatch::try_new_with_options(schema.into(), arrays, &RecordBatchOptions::new()).is_ok());
    }
}
