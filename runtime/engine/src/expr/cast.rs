//! Conversions between types: the value is kept, or the row fails. `TRY_CAST` gives null instead.
//!
//! | to | from | fails |
//! |---|---|---|
//! | `BOOLEAN` | text `true`, `false` in any case, whole numbers (0 is false) | another text |
//! | `INT`, `BIGINT` | numbers, text, `BOOLEAN` | a fraction, beyond the range |
//! | `REAL`, `DOUBLE` | numbers, text, `BOOLEAN` | beyond the range |
//! | `DECIMAL` | numbers, text, `BOOLEAN` | more digits than there are places; of `REAL` and `DOUBLE` the nearest one is taken |
//! | `STRING` | everything but structs and arrays, as it stands in folders and keys | bytes that are not UTF-8 |
//! | `JSON` | text that is JSON | other text |
//! | `BYTES` | text | |
//! | `DATE` | text `2024-02-29`, `TIMESTAMP` (its day in UTC) | another text |
//! | `TIMESTAMP` | text as RFC 3339 (without a zone UTC), `DATE` (its beginning in UTC), the other resolution, rounded down | another text, beyond the range |

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryArray, BooleanArray, PrimitiveArray, StringArray, StringBuilder};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    DataType as ArrowType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type, TimeUnit as ArrowUnit,
    TimestampMicrosecondType, TimestampMillisecondType,
};
use kpipe_compiler::plan::{DataType, TimeUnit};
use kpipe_compiler::schema::type_text;

use super::decimal::{self, Loss, Shape};
use super::step::{Kernel, Operand, Problem};
use crate::columns::arrow_type;
use crate::format::json::{Cells, JsonDecoder, date, instant_us};

const DAY_US: i64 = 86_400_000_000;

/// A conversion.
#[derive(Debug)]
pub(super) struct Cast {
    from: DataType,
    to: DataType,
    how: How,
    is_try: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// The values are the same.
    Same,
    /// Arrow's conversion says what ours says.
    Arrow,
    /// From text.
    Read,
    /// To text.
    Write,
    /// UTF-8.
    Text,
    /// To bytes.
    Bytes,
    /// To whole numbers.
    Whole,
    /// To `REAL`, which can be too small.
    Real,
    /// To decimals.
    Decimal,
    /// Numbers to true and false.
    Truth,
    /// Days and instants.
    Time,
}

impl Cast {
    /// `None`: there is no such conversion.
    pub(super) fn new(from: &DataType, to: &DataType, is_try: bool) -> Option<Self> {
        Some(Self { from: from.clone(), to: to.clone(), how: how(from, to)?, is_try })
    }

    /// Values one by one; what cannot be converted is a problem, or null.
    fn each<T: ArrowPrimitiveType>(&self, array: &dyn Array, convert: impl Fn(usize) -> Option<T::Native>) -> Result<ArrayRef, Problem> {
        let convert = |row: usize| match array.is_valid(row) {
            true => self.check(convert(row)),
            false => Ok(None),
        };
        let values = (0..array.len()).map(convert).collect::<Result<PrimitiveArray<T>, _>>()?;
        Ok(Arc::new(values.with_data_type(arrow_type(&self.to))))
    }

    fn check<T>(&self, value: Option<T>) -> Result<Option<T>, Problem> {
        if value.is_some() || self.is_try { Ok(value) } else { Err(self.problem()) }
    }

    fn problem(&self) -> Problem {
        Problem(format!("the value cannot become {}", type_text(&self.to)).into())
    }

    fn read(&self, array: &StringArray) -> Result<ArrayRef, Problem> {
        match &self.to {
            DataType::Boolean => {
                let read = |text: Option<&str>| text.map_or(Ok(None), |text| self.check(truth(text)));
                Ok(Arc::new(array.iter().map(read).collect::<Result<BooleanArray, _>>()?))
            }
            DataType::Int32 => self.each::<Int32Type>(array, |row| whole(array.value(row)).and_then(|number| i32::try_from(number).ok())),
            DataType::Int64 => self.each::<Int64Type>(array, |row| whole(array.value(row))),
            DataType::Float32 => self.each::<Float32Type>(array, |row| float(array.value(row)).and_then(real)),
            DataType::Float64 => self.each::<Float64Type>(array, |row| float(array.value(row))),
            DataType::Decimal { precision, scale } => {
                self.each::<Decimal128Type>(array, |row| decimal::read(array.value(row), (*precision, *scale)))
            }
            DataType::Date => self.each::<Date32Type>(array, |row| date(array.value(row).trim().as_bytes())),
            DataType::Timestamp(TimeUnit::Millisecond) => {
                self.each::<TimestampMillisecondType>(array, |row| instant(array.value(row)).map(|us| us.div_euclid(1000)))
            }
            DataType::Timestamp(TimeUnit::Microsecond) => self.each::<TimestampMicrosecondType>(array, |row| instant(array.value(row))),
            DataType::Json => {
                let mut checker = JsonDecoder::new(&[]);
                let mut texts = StringBuilder::with_capacity(array.len(), array.value_data().len());
                for text in array {
                    let is_json = text.map(|text| checker.push(text.as_bytes()).is_ok());
                    texts.append_option(if is_json == Some(false) { self.check(None)? } else { text });
                }
                Ok(Arc::new(texts.finish()))
            }
            DataType::String | DataType::Any | DataType::Bytes | DataType::Struct(_) | DataType::List(_) => Err(self.problem()),
        }
    }

    fn write(&self, array: &ArrayRef) -> Result<ArrayRef, Problem> {
        let cells = Cells::new(array, &self.from).map_err(|_| self.problem())?;
        let (mut texts, mut bytes) = (StringBuilder::with_capacity(array.len(), array.len() * 8), Vec::new());
        for row in 0..array.len() {
            if cells.is_null(row) {
                texts.append_null();
                continue;
            }
            bytes.clear();
            cells.text(row, &mut bytes).map_err(|_| self.problem())?;
            texts.append_value(std::str::from_utf8(&bytes).map_err(|_| self.problem())?);
        }
        Ok(Arc::new(texts.finish()))
    }

    fn text(&self, array: &BinaryArray) -> Result<ArrayRef, Problem> {
        if let Ok(texts) = StringArray::try_from_binary(array.clone()) {
            return Ok(Arc::new(texts));
        }
        let text = |bytes: Option<&[u8]>| bytes.map_or(Ok(None), |bytes| self.check(std::str::from_utf8(bytes).ok().map(str::to_owned)));
        let texts = array.iter().map(text).collect::<Result<StringArray, _>>();
        Ok(Arc::new(texts.map_err(|_| Problem::new("bytes that are not UTF-8"))?))
    }

    /// Numbers to whole numbers.
    fn whole(&self, array: &ArrayRef) -> Result<ArrayRef, Problem> {
        let value = |row: usize| -> Option<i64> {
            match array.data_type() {
                ArrowType::Int64 => Some(array.as_primitive::<Int64Type>().value(row)),
                ArrowType::Float32 => whole_float(array.as_primitive::<Float32Type>().value(row).into()),
                ArrowType::Float64 => whole_float(array.as_primitive::<Float64Type>().value(row)),
                ArrowType::Decimal128(_, scale) => {
                    let value = decimal::fit(array.as_primitive::<Decimal128Type>().value(row), *scale, (38, 0), Loss::Refuse)?;
                    i64::try_from(value).ok()
                }
                _ => None,
            }
        };
        match self.to {
            DataType::Int32 => self.each::<Int32Type>(array, |row| value(row).and_then(|value| i32::try_from(value).ok())),
            _ => self.each::<Int64Type>(array, value),
        }
    }

    /// Numbers to decimals.
    fn decimal(&self, array: &ArrayRef, to: Shape) -> Result<ArrayRef, Problem> {
        let whole = |value: i64| decimal::fit(i128::from(value), 0, to, Loss::Refuse);
        self.each::<Decimal128Type>(array, |row| match array.data_type() {
            ArrowType::Boolean => whole(i64::from(array.as_boolean().value(row))),
            ArrowType::Int32 => whole(array.as_primitive::<Int32Type>().value(row).into()),
            ArrowType::Int64 => whole(array.as_primitive::<Int64Type>().value(row)),
            ArrowType::Float32 => decimal::of_float32(array.as_primitive::<Float32Type>().value(row), to),
            ArrowType::Float64 => decimal::of_float(array.as_primitive::<Float64Type>().value(row), to),
            ArrowType::Decimal128(_, scale) => decimal::fit(array.as_primitive::<Decimal128Type>().value(row), *scale, to, Loss::Refuse),
            _ => None,
        })
    }

    /// Days and instants.
    fn time(&self, array: &ArrayRef) -> Result<ArrayRef, Problem> {
        let micros = |row: usize| -> Option<i64> {
            match array.data_type() {
                ArrowType::Date32 => i64::from(array.as_primitive::<Date32Type>().value(row)).checked_mul(DAY_US),
                ArrowType::Timestamp(ArrowUnit::Millisecond, _) => {
                    array.as_primitive::<TimestampMillisecondType>().value(row).checked_mul(1000)
                }
                _ => Some(array.as_primitive::<TimestampMicrosecondType>().value(row)),
            }
        };
        match &self.to {
            DataType::Date => self.each::<Date32Type>(array, |row| {
                let days = match array.data_type() {
                    ArrowType::Timestamp(ArrowUnit::Millisecond, _) => {
                        array.as_primitive::<TimestampMillisecondType>().value(row).div_euclid(DAY_US / 1000)
                    }
                    _ => micros(row)?.div_euclid(DAY_US),
                };
                i32::try_from(days).ok()
            }),
            DataType::Timestamp(TimeUnit::Millisecond) => self.each::<TimestampMillisecondType>(array, |row| match array.data_type() {
                ArrowType::Date32 => i64::from(array.as_primitive::<Date32Type>().value(row)).checked_mul(DAY_US / 1000),
                _ => Some(micros(row)?.div_euclid(1000)),
            }),
            _ => self.each::<TimestampMicrosecondType>(array, micros),
        }
    }
}

impl Kernel for Cast {
    fn run(&self, args: &[Operand], _rows: usize) -> Result<ArrayRef, Problem> {
        let [Operand { array, .. }] = args else { return Err(Problem::new("one value is converted")) };
        match (self.how, &self.to) {
            (How::Same, _) => Ok(Arc::clone(array)),
            (How::Arrow, to) => {
                let options = CastOptions { safe: self.is_try, ..CastOptions::default() };
                cast_with_options(array, &arrow_type(to), &options).map_err(|_| self.problem())
            }
            (How::Read, _) => self.read(array.as_string()),
            (How::Write, _) => self.write(array),
            (How::Text, _) => self.text(array.as_binary()),
            (How::Bytes, _) => Ok(Arc::new(BinaryArray::from(array.as_string::<i32>().clone()))),
            (How::Whole, _) => self.whole(array),
            (How::Real, _) => match array.data_type() {
                ArrowType::Float64 => self.each::<Float32Type>(array, |row| real(array.as_primitive::<Float64Type>().value(row))),
                _ => Err(self.problem()),
            },
            (How::Decimal, DataType::Decimal { precision, scale }) => self.decimal(array, (*precision, *scale)),
            (How::Truth, _) => {
                let truths: BooleanArray = match array.data_type() {
                    ArrowType::Int32 => array.as_primitive::<Int32Type>().iter().map(|value| value.map(|value| value != 0)).collect(),
                    _ => array.as_primitive::<Int64Type>().iter().map(|value| value.map(|value| value != 0)).collect(),
                };
                Ok(Arc::new(truths))
            }
            (How::Time, _) => self.time(array),
            (How::Decimal, _) => Err(self.problem()),
        }
    }
}

fn how(from: &DataType, to: &DataType) -> Option<How> {
    use DataType as T;
    let is_text = |it: &T| matches!(it, T::String | T::Any | T::Json);
    Some(match (from, to) {
        (from, to) if from == to => How::Same,
        (T::Struct(_) | T::List(_), _) | (_, T::Struct(_) | T::List(_)) => return None,
        (from, T::String | T::Any) if is_text(from) => How::Same,
        (from, _) if is_text(from) && *to == T::Bytes => How::Bytes,
        (from, _) if is_text(from) => How::Read,
        (T::Bytes, T::String | T::Any) => How::Text,
        (T::Bytes, _) | (_, T::Bytes | T::Json) => return None,
        (_, T::String | T::Any) => How::Write,
        (T::Int32 | T::Int64, T::Boolean) => How::Truth,
        (_, T::Boolean) => return None,
        (T::Timestamp(_), T::Date) | (T::Date | T::Timestamp(_), T::Timestamp(_)) => How::Time,
        (T::Date | T::Timestamp(_), _) | (_, T::Date | T::Timestamp(_)) => return None,
        (_, T::Decimal { .. }) => How::Decimal,
        (T::Boolean | T::Int32, T::Int32 | T::Int64) => How::Arrow,
        (_, T::Int32 | T::Int64) => How::Whole,
        (T::Float64, T::Float32) => How::Real,
        (_, T::Float32 | T::Float64) => How::Arrow,
    })
}

fn truth(text: &str) -> Option<bool> {
    let text = text.trim();
    match () {
        () if text.eq_ignore_ascii_case("true") => Some(true),
        () if text.eq_ignore_ascii_case("false") => Some(false),
        () => None,
    }
}

/// A whole number; `1.0` and `1e3` are whole too.
fn whole(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    i64::try_from(decimal::read(text, (38, 0))?).ok()
}

fn whole_float(number: f64) -> Option<i64> {
    // 2^63 is the first number beyond.
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    (number.fract() == 0.0 && (-BEYOND..BEYOND).contains(&number)).then_some(number as i64)
}

fn float(text: &str) -> Option<f64> {
    let text = text.trim();
    // Words such as `inf` are numbers to Rust.
    let is_number = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    text.parse::<f64>().ok().filter(|number| is_number && number.is_finite())
}

fn real(number: f64) -> Option<f32> {
    let real = number as f32;
    real.is_finite().then_some(real)
}

/// Microseconds of a text. Without a zone it is UTC, without a time of day its beginning.
fn instant(text: &str) -> Option<i64> {
    let text = text.trim();
    instant_us(text.as_bytes()).or_else(|| match text.len() {
        10 => i64::from(date(text.as_bytes())?).checked_mul(DAY_US),
        _ => instant_us(format!("{text}Z").as_bytes()),
    })
}
