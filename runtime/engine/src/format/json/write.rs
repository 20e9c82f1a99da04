//! Values of Arrow columns as JSON, and as plain text for keys and folders.
//!
//! | type | JSON | JSON as Kafka Connect writes it | text |
//! |---|---|---|---|
//! | numbers | shortest text that reads back the same | the same | the same |
//! | `DECIMAL` | number with all digits of its scale | the same | the same |
//! | `STRING`, any scalar | string | string | as it is |
//! | `JSON` | as it is, on one line | the same | as it is |
//! | `BYTES` | base64 | base64 | as it is, if it is UTF-8 |
//! | `DATE` | `"2024-02-29"` | days since 1970 | `2024-02-29` |
//! | `TIMESTAMP` | `"2024-02-29T12:00:00.000Z"` | milliseconds since 1970 | as JSON, without quotes |
//! | structs, arrays | object, array | the same | refused |

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int32Array, Int64Array,
    ListArray, StringArray, TimestampMicrosecondArray, TimestampMillisecondArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType as ArrowType, TimeUnit};
use kpipe_compiler::plan::DataType;

use super::minify::one_line;
use super::scan::special;
use super::{base64, time};

/// How times are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeStyle {
    /// As RFC 3339 texts.
    Text,
    /// As numbers, which is what Kafka Connect does.
    Number,
}

/// The values of one column, ready to be written row by row.
pub(crate) struct Cells<'a> {
    nulls: Option<&'a NullBuffer>,
    values: Values<'a>,
}

enum Values<'a> {
    Boolean(&'a BooleanArray),
    Int32(&'a Int32Array),
    Int64(&'a Int64Array),
    Float32(&'a Float32Array),
    Float64(&'a Float64Array),
    Decimal(&'a Decimal128Array, i8),
    String(&'a StringArray),
    Json(&'a StringArray),
    Bytes(&'a BinaryArray),
    Date(&'a Date32Array),
    Milliseconds(&'a TimestampMillisecondArray),
    Microseconds(&'a TimestampMicrosecondArray),
    Struct(Vec<(String, Cells<'a>)>),
    List(&'a ListArray, Box<Cells<'a>>),
}

/// An array whose type no plan makes.
#[derive(Debug, thiserror::Error)]
#[error("values of type {0} cannot be written")]
pub(crate) struct UnknownType(ArrowType);

/// Why a value has no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoText {
    /// Null.
    #[error("null or missing")]
    Null,
    /// Bytes that are not UTF-8.
    #[error("bytes that are not UTF-8")]
    Utf8,
    /// An object or an array.
    #[error("not a scalar")]
    Nested,
}

impl<'a> Cells<'a> {
    /// The cells of an array. `data_type` is its type in the plan: only it tells JSON from other text.
    pub(crate) fn new(array: &'a ArrayRef, data_type: &DataType) -> Result<Self, UnknownType> {
        let values = match (array.data_type(), data_type) {
            (ArrowType::Boolean, _) => Values::Boolean(array.as_boolean()),
            (ArrowType::Int32, _) => Values::Int32(array.as_primitive()),
            (ArrowType::Int64, _) => Values::Int64(array.as_primitive()),
            (ArrowType::Float32, _) => Values::Float32(array.as_primitive()),
            (ArrowType::Float64, _) => Values::Float64(array.as_primitive()),
            (ArrowType::Decimal128(_, scale), _) => Values::Decimal(array.as_primitive(), *scale),
            (ArrowType::Utf8, DataType::Json) => Values::Json(array.as_string()),
            (ArrowType::Utf8, _) => Values::String(array.as_string()),
            (ArrowType::Binary, _) => Values::Bytes(array.as_binary()),
            (ArrowType::Date32, _) => Values::Date(array.as_primitive()),
            (ArrowType::Timestamp(TimeUnit::Millisecond, _), _) => Values::Milliseconds(array.as_primitive()),
            (ArrowType::Timestamp(TimeUnit::Microsecond, _), _) => Values::Microseconds(array.as_primitive()),
            (ArrowType::Struct(_), DataType::Struct(fields)) => {
                let columns = array.as_struct().columns().iter().zip(fields);
                let fields = columns.map(|(column, field)| Ok((key(&field.name), Self::new(column, &field.data_type)?)));
                Values::Struct(fields.collect::<Result<_, _>>()?)
            }
            (ArrowType::List(_), DataType::List(element)) => {
                let list: &ListArray = array.as_list();
                Values::List(list, Box::new(Self::new(list.values(), &element.data_type)?))
            }
            (other, _) => return Err(UnknownType(other.clone())),
        };
        Ok(Self { nulls: array.nulls(), values })
    }

    /// True if the value of a row is null.
    #[inline]
    pub(crate) fn is_null(&self, row: usize) -> bool {
        self.nulls.is_some_and(|nulls| nulls.is_null(row))
    }

    /// Appends the value of a row as JSON.
    pub(crate) fn json(&self, row: usize, style: TimeStyle, out: &mut Vec<u8>) {
        if self.is_null(row) {
            return out.extend_from_slice(b"null");
        }
        match &self.values {
            Values::Boolean(array) => out.extend_from_slice(if array.value(row) { b"true" } else { b"false" }),
            Values::Int32(array) => number(&array.value(row), out),
            Values::Int64(array) => number(&array.value(row), out),
            Values::Float32(array) => number(&array.value(row), out),
            Values::Float64(array) => number(&array.value(row), out),
            Values::Decimal(array, scale) => decimal(array.value(row), *scale, out),
            Values::String(array) => string(array.value(row), out),
            Values::Json(array) => one_line(array.value(row).as_bytes(), out),
            Values::Bytes(array) => quoted(out, |out| base64::encode(array.value(row), out)),
            Values::Date(array) if style == TimeStyle::Number => number(&array.value(row), out),
            Values::Date(array) => quoted(out, |out| time::write_date(array.value(row), out)),
            Values::Milliseconds(array) if style == TimeStyle::Number => number(&array.value(row), out),
            Values::Milliseconds(array) => quoted(out, |out| time::write_ms(array.value(row), out)),
            Values::Microseconds(array) if style == TimeStyle::Number => number(&array.value(row).div_euclid(1000), out),
            Values::Microseconds(array) => quoted(out, |out| time::write_us(array.value(row), out)),
            Values::Struct(fields) => object(fields, row, style, out),
            Values::List(list, elements) => {
                let (start, end) = (list.value_offsets()[row] as usize, list.value_offsets()[row + 1] as usize);
                out.push(b'[');
                for element in start..end {
                    if element > start {
                        out.push(b',');
                    }
                    elements.json(element, style, out);
                }
                out.push(b']');
            }
        }
    }

    /// Appends the value of a row as plain text.
    pub(crate) fn text(&self, row: usize, out: &mut Vec<u8>) -> Result<(), NoText> {
        if self.is_null(row) {
            return Err(NoText::Null);
        }
        match &self.values {
            Values::String(array) | Values::Json(array) => out.extend_from_slice(array.value(row).as_bytes()),
            Values::Bytes(array) => {
                let bytes = array.value(row);
                simdutf8::basic::from_utf8(bytes).map_err(|_| NoText::Utf8)?;
                out.extend_from_slice(bytes);
            }
            Values::Date(array) => time::write_date(array.value(row), out),
            Values::Milliseconds(array) => time::write_ms(array.value(row), out),
            Values::Microseconds(array) => time::write_us(array.value(row), out),
            Values::Boolean(_) | Values::Int32(_) | Values::Int64(_) | Values::Float32(_) | Values::Float64(_) | Values::Decimal(..) => {
                self.json(row, TimeStyle::Text, out);
            }
            Values::Struct(_) | Values::List(..) => return Err(NoText::Nested),
        }
        Ok(())
    }
}

/// The columns of rows, ready to be written as objects.
pub(crate) struct Rows<'a> {
    fields: Vec<(String, Cells<'a>)>,
    style: TimeStyle,
}

impl<'a> Rows<'a> {
    /// Rows of these columns, each with its name and its type in the plan.
    pub(crate) fn new(columns: impl Iterator<Item = (&'a ArrayRef, &'a str, &'a DataType)>, style: TimeStyle) -> Result<Self, UnknownType> {
        let fields = columns.map(|(array, name, data_type)| Ok((key(name), Cells::new(array, data_type)?)));
        Ok(Self { fields: fields.collect::<Result<_, _>>()?, style })
    }

    /// Appends a row as one object on one line.
    pub(crate) fn write(&self, row: usize, out: &mut Vec<u8>) {
        object(&self.fields, row, self.style, out);
    }
}

fn object(fields: &[(String, Cells<'_>)], row: usize, style: TimeStyle, out: &mut Vec<u8>) {
    let mut before = b'{';
    for (key, cells) in fields {
        out.push(before);
        out.extend_from_slice(key.as_bytes());
        cells.json(row, style, out);
        before = b',';
    }
    if before == b'{' {
        out.push(b'{');
    }
    out.push(b'}');
}

/// A key as it stands in front of its value: `"name":`.
fn key(name: &str) -> String {
    format!("{}:", serde_json::Value::from(name))
}

/// A number; one that JSON cannot write (no decoder makes it) is null.
fn number<T: serde::Serialize>(value: &T, out: &mut Vec<u8>) {
    if serde_json::to_writer(&mut *out, value).is_err() {
        out.extend_from_slice(b"null");
    }
}

fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

fn decimal(value: i128, scale: i8, out: &mut Vec<u8>) {
    let digits = value.unsigned_abs().to_string();
    let scale = isize::from(scale);
    if value < 0 {
        out.push(b'-');
    }
    if scale <= 0 {
        out.extend_from_slice(digits.as_bytes());
        let zeros = if value == 0 { 0 } else { scale.unsigned_abs() };
        return out.extend(std::iter::repeat_n(b'0', zeros));
    }
    let padded = format!("{digits:0>width$}", width = scale.unsigned_abs() + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale.unsigned_abs());
    out.extend_from_slice(whole.as_bytes());
    out.push(b'.');
    out.extend_from_slice(fraction.as_bytes());
}

/// Appends a text as a JSON string.
fn string(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let text = text.as_bytes();
    let mut from = 0;
    out.push(b'"');
    loop {
        let at = special(text, from);
        out.extend_from_slice(&text[from..at]);
        let Some(byte) = text.get(at) else { break };
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            other => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[HEX[usize::from(other >> 4)], HEX[usize::from(other & 15)]]);
            }
        }
        from = at + 1;
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use kpipe_compiler::plan::{DecodeColumn, Field, TimeUnit};
    use proptest::prelude::*;

    use super::super::JsonDecoder;
    use super::*;

    /// Reads texts into one column and writes them again.
    fn again(data_type: &DataType, style: TimeStyle, values: &[&str]) -> Vec<String> {
        let mut decoder = JsonDecoder::new(&[DecodeColumn { path: Vec::new(), data_type: data_type.clone(), nullable: true }]);
        for value in values {
            decoder.push(value.as_bytes()).unwrap();
        }
        let arrays = decoder.finish();
        let cells = Cells::new(&arrays[0], data_type).unwrap();
        let write = |row| {
            let mut out = Vec::new();
            cells.json(row, style, &mut out);
            String::from_utf8(out).unwrap()
        };
        (0..values.len()).map(write).collect()
    }

    fn text(data_type: &DataType, value: &str) -> Result<String, NoText> {
        let mut decoder = JsonDecoder::new(&[DecodeColumn { path: Vec::new(), data_type: data_type.clone(), nullable: true }]);
        decoder.push(value.as_bytes()).unwrap();
        let mut out = Vec::new();
        Cells::new(&decoder.finish()[0], data_type).unwrap().text(0, &mut out).map(|()| String::from_utf8(out).unwrap())
    }

    #[test]
    fn values_read_back_as_they_were() {
        let decimal = DataType::Decimal { precision: 10, scale: 2 };
        let thousands = DataType::Decimal { precision: 5, scale: -3 };
        let field = |name: &str, data_type| Field { name: name.into(), data_type, nullable: true };
        let fields =
            DataType::Struct(vec![field("a\"b", DataType::Int32), field("c", DataType::List(Box::new(field("x", DataType::Boolean))))]);
        let milliseconds = DataType::Timestamp(TimeUnit::Millisecond);
        for (data_type, values) in [
            (DataType::Boolean, &["true", "false", "null"][..]),
            (DataType::Int64, &["-9223372036854775808", "0"]),
            (DataType::Float64, &["0.1", "-1e-7", "1e+300", "100.0", "-0.0"]),
            (DataType::Float32, &["0.1", "16777216.0"]),
            (decimal, &["12.30", "-0.01", "0.00", "-12.00"]),
            (thousands, &["12000", "0", "-1000"]),
            (DataType::String, &[r#""a\"\\\n\t\u0001\u001fz""#, "\"\u{e9}\u{1f600}\"", "\"\""]),
            (DataType::Bytes, &[r#""AAH/""#]),
            (DataType::Date, &[r#""2024-02-29""#, r#""0001-01-01""#, r#""9999-12-31""#, r#""1969-12-31""#]),
            (milliseconds, &[r#""2024-02-29T12:00:00.005Z""#, r#""1969-12-31T23:59:59.999Z""#]),
            (DataType::Timestamp(TimeUnit::Microsecond), &[r#""2024-02-29T12:00:00.000005Z""#]),
            (fields, &[r#"{"a\"b":1,"c":[true,null]}"#, r#"{"a\"b":null,"c":[]}"#, "null"]),
            (DataType::Json, &[r#"{"b":[1, 2]}"#, "1.50", "null"]),
        ] {
            assert_eq!(again(&data_type, TimeStyle::Text, values), values, "{data_type:?}");
        }
    }

    #[test]
    fn an_array_of_another_type_is_refused() {
        let array: ArrayRef = std::sync::Arc::new(arrow::array::UInt8Array::from(vec![1]));
        assert_eq!(Cells::new(&array, &DataType::Int32).err().unwrap().to_string(), "values of type UInt8 cannot be written");
    }

    #[test]
    fn times_can_be_numbers() {
        assert_eq!(again(&DataType::Date, TimeStyle::Number, &[r#""1970-01-02""#]), ["1"]);
        assert_eq!(again(&DataType::Timestamp(TimeUnit::Millisecond), TimeStyle::Number, &["1700000000000"]), ["1700000000000"]);
        assert_eq!(again(&DataType::Timestamp(TimeUnit::Microsecond), TimeStyle::Number, &["-1"]), ["-1"]);
    }

    #[test]
    fn json_values_are_kept_on_one_line() {
        assert_eq!(again(&DataType::Json, TimeStyle::Text, &["{\n  \"a\": 1,\r\n  \"b\": \"x  y\"\n}"]), [r#"{"a":1,"b":"x  y"}"#]);
    }

    #[test]
    fn texts_have_no_quotes() {
        assert_eq!(text(&DataType::String, r#""a b""#).as_deref(), Ok("a b"));
        assert_eq!(text(&DataType::Int32, "-7").as_deref(), Ok("-7"));
        assert_eq!(text(&DataType::Boolean, "true").as_deref(), Ok("true"));
        assert_eq!(text(&DataType::Date, r#""2024-02-29""#).as_deref(), Ok("2024-02-29"));
        assert_eq!(text(&DataType::Bytes, r#""Zm9v""#).as_deref(), Ok("foo"));
        assert_eq!(text(&DataType::Bytes, r#""/w==""#), Err(NoText::Utf8));
        assert_eq!(text(&DataType::Int32, "null"), Err(NoText::Null));
        let list = DataType::List(Box::new(Field { name: "x".into(), data_type: DataType::Int32, nullable: true }));
        assert_eq!(text(&list, "[1]"), Err(NoText::Nested));
    }

    proptest! {
        #[test]
        fn strings_read_back(text: String) {
            let mut out = Vec::new();
            string(&text, &mut out);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }

        #[test]
        fn fractions_read_back(number in any::<f64>().prop_filter("finite", |number| number.is_finite())) {
            let text = serde_json::to_string(&number).unwrap();
            prop_assert_eq!(again(&DataType::Float64, TimeStyle::Text, &[&text]), [text.clone()]);
        }
    }
}
