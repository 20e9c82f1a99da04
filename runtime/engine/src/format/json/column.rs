//! One column being filled: values straight into the buffers that Arrow takes over, nulls only once there is one.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, BooleanBufferBuilder, Date32Array, Decimal128Array, Float32Array, Float64Array, Int32Array,
    Int64Array, ListArray, NullBufferBuilder, StringArray, StructArray, TimestampMicrosecondArray, TimestampMillisecondArray,
};
use arrow::buffer::{Buffer, OffsetBuffer};
use arrow::datatypes::Fields;
use kpipe_compiler::plan::{DataType, Field, TimeUnit};

use super::error::{Bad, Step};
use super::number::{self, DecimalError};
use super::scan::{Text, append};
use super::shape::Shape;
use super::{DEPTH_MAX, base64, skip, string, time};
use crate::columns::{UTC, arrow_fields, element_field};

/// A column and the values of the records so far.
pub(super) struct Column {
    nullable: bool,
    nulls: NullBufferBuilder,
    values: Values,
}

enum Values {
    Boolean(BooleanBufferBuilder),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Float32(Vec<f32>),
    Float64(Vec<f64>),
    Decimal { values: Vec<i128>, precision: u8, scale: i8 },
    String(Pieces),
    Bytes(Pieces),
    Date(Vec<i32>),
    Timestamp(Vec<i64>, TimeUnit),
    Any(Pieces),
    Json(Pieces),
    Struct(Box<Shape>, Fields),
    List { offsets: Vec<i32>, element: Box<Column>, field: Field },
}

/// Values of any length, one after the other.
struct Pieces {
    offsets: Vec<i32>,
    bytes: Vec<u8>,
}

impl Column {
    pub(super) fn new(data_type: &DataType, nullable: bool) -> Self {
        let values = match data_type {
            DataType::Boolean => Values::Boolean(BooleanBufferBuilder::new(0)),
            DataType::Int32 => Values::Int32(Vec::new()),
            DataType::Int64 => Values::Int64(Vec::new()),
            DataType::Float32 => Values::Float32(Vec::new()),
            DataType::Float64 => Values::Float64(Vec::new()),
            DataType::Decimal { precision, scale } => Values::Decimal { values: Vec::new(), precision: *precision, scale: *scale },
            DataType::String => Values::String(Pieces::new()),
            DataType::Bytes => Values::Bytes(Pieces::new()),
            DataType::Date => Values::Date(Vec::new()),
            DataType::Timestamp(unit) => Values::Timestamp(Vec::new(), *unit),
            DataType::Any => Values::Any(Pieces::new()),
            DataType::Json => Values::Json(Pieces::new()),
            DataType::Struct(fields) => Values::Struct(Box::new(Shape::of_struct(fields)), arrow_fields(fields)),
            DataType::List(element) => Values::List {
                offsets: vec![0],
                element: Box::new(Self::new(&element.data_type, element.nullable)),
                field: Field::clone(element),
            },
        };
        Self { nullable, nulls: NullBufferBuilder::new(0), values }
    }

    /// Reads the value at `at`, which lies within `depth` objects and arrays. The most frequent types are read in place.
    #[inline(always)]
    pub(super) fn read(&mut self, text: Text<'_>, at: usize, depth: usize) -> Step {
        let first = text.peek(at);
        let end = match &mut self.values {
            Values::String(pieces) if first == b'"' => string(text, at, pieces)?,
            Values::Float64(values) if is_number(first) => {
                let (number, end) = number::double(text, at)?;
                values.push(number);
                end
            }
            Values::Int64(values) if is_number(first) => {
                let (number, end) = number::integer(text, at)?;
                values.push(number);
                end
            }
            _ => return self.read_other(text, at, depth),
        };
        self.nulls.append_non_null();
        Ok(end)
    }

    #[inline(never)]
    fn read_other(&mut self, text: Text<'_>, at: usize, depth: usize) -> Step {
        if text.peek(at) == b'n' {
            return self.read_null(text, at);
        }
        let end = match &mut self.values {
            Values::Boolean(values) => boolean(text, at, values)?,
            Values::Int32(values) => int32(text, numeric(text, at, "a number")?, values)?,
            Values::Int64(_) | Values::Float64(_) => return Err(Bad::mismatch(text, at, "a number")),
            Values::Float32(values) => {
                let (number, end) = number::float(text, numeric(text, at, "a number")?)?;
                values.push(number);
                end
            }
            Values::Decimal { values, precision, scale } => decimal(text, at, *precision, *scale, values)?,
            Values::String(_) => return Err(Bad::mismatch(text, at, "a string")),
            Values::Bytes(pieces) => bytes(text, at, pieces)?,
            Values::Date(values) => date(text, at, values)?,
            Values::Timestamp(values, unit) => timestamp(text, at, *unit, values)?,
            Values::Any(pieces) => any(text, at, depth, pieces)?,
            Values::Json(pieces) => raw(text, at, depth, pieces)?,
            Values::Struct(shape, _) => shape.read(text, at, depth)?,
            Values::List { offsets, element, .. } => list(text, at, depth, offsets, element)?,
        };
        self.nulls.append_non_null();
        Ok(end)
    }

    #[cold]
    fn read_null(&mut self, text: Text<'_>, at: usize) -> Step {
        let end = skip::literal(text, at)?;
        if !self.nullable {
            return Err(Bad::missing(at, "null where the schema says not null"));
        }
        self.push_null();
        Ok(end)
    }

    /// Appends the null of a record that lacks the key.
    pub(super) fn read_nothing(&mut self, at: usize) -> Result<(), Box<Bad>> {
        if !self.nullable {
            return Err(Bad::missing(at, "no such key, and the schema says not null"));
        }
        self.push_null();
        Ok(())
    }

    /// Appends a null, also where the type forbids it: below a struct that is null itself.
    pub(super) fn push_null(&mut self) {
        match &mut self.values {
            Values::Boolean(values) => values.append(false),
            Values::Int32(values) | Values::Date(values) => values.push(0),
            Values::Int64(values) | Values::Timestamp(values, _) => values.push(0),
            Values::Float32(values) => values.push(0.0),
            Values::Float64(values) => values.push(0.0),
            Values::Decimal { values, .. } => values.push(0),
            Values::String(pieces) | Values::Bytes(pieces) | Values::Any(pieces) | Values::Json(pieces) => pieces.repeat(),
            Values::Struct(shape, _) => shape.push_null(),
            Values::List { offsets, .. } => repeat(offsets),
        }
        self.nulls.append_null();
    }

    /// Takes back everything behind the first `rows`.
    pub(super) fn truncate(&mut self, rows: usize) {
        match &mut self.values {
            Values::Boolean(values) => values.truncate(rows),
            Values::Int32(values) | Values::Date(values) => values.truncate(rows),
            Values::Int64(values) | Values::Timestamp(values, _) => values.truncate(rows),
            Values::Float32(values) => values.truncate(rows),
            Values::Float64(values) => values.truncate(rows),
            Values::Decimal { values, .. } => values.truncate(rows),
            Values::String(pieces) | Values::Bytes(pieces) | Values::Any(pieces) | Values::Json(pieces) => pieces.truncate(rows),
            Values::Struct(shape, _) => shape.truncate(rows),
            Values::List { offsets, element, .. } => {
                offsets.truncate(rows + 1);
                element.truncate(last(offsets));
            }
        }
        self.nulls.truncate(rows);
    }

    /// The array of all values so far; the column is empty again, with room for as many.
    pub(super) fn finish(&mut self) -> ArrayRef {
        let nulls = self.nulls.finish();
        match &mut self.values {
            Values::Boolean(values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Values::Int32(values) => Arc::new(Int32Array::new(renew(values).into(), nulls)),
            Values::Int64(values) => Arc::new(Int64Array::new(renew(values).into(), nulls)),
            Values::Float32(values) => Arc::new(Float32Array::new(renew(values).into(), nulls)),
            Values::Float64(values) => Arc::new(Float64Array::new(renew(values).into(), nulls)),
            Values::Decimal { values, precision, scale } => {
                let array = Decimal128Array::new(renew(values).into(), nulls);
                Arc::new(array.with_precision_and_scale(*precision, *scale).expect("the compiler checked precision and scale"))
            }
            Values::Date(values) => Arc::new(Date32Array::new(renew(values).into(), nulls)),
            Values::Timestamp(values, TimeUnit::Millisecond) => {
                Arc::new(TimestampMillisecondArray::new(renew(values).into(), nulls).with_timezone(UTC))
            }
            Values::Timestamp(values, TimeUnit::Microsecond) => {
                Arc::new(TimestampMicrosecondArray::new(renew(values).into(), nulls).with_timezone(UTC))
            }
            Values::String(pieces) | Values::Any(pieces) | Values::Json(pieces) => {
                let (offsets, bytes) = pieces.finish();
                Arc::new(StringArray::new(offsets, bytes, nulls))
            }
            Values::Bytes(pieces) => {
                let (offsets, bytes) = pieces.finish();
                Arc::new(BinaryArray::new(offsets, bytes, nulls))
            }
            Values::Struct(shape, fields) => {
                let (arrays, rows) = shape.finish(fields.len());
                Arc::new(StructArray::try_new_with_length(fields.clone(), arrays, nulls, rows).expect("a shape fills all its fields"))
            }
            Values::List { offsets, element, field } => {
                let offsets = OffsetBuffer::new(renew_offsets(offsets).into());
                Arc::new(ListArray::new(element_field(field).into(), offsets, element.finish(), nulls))
            }
        }
    }
}

impl Pieces {
    fn new() -> Self {
        Self { offsets: vec![0], bytes: Vec::new() }
    }

    /// Ends the value that was appended to the bytes.
    #[inline(always)]
    fn close(&mut self, at: usize) -> Result<(), Box<Bad>> {
        let Ok(end) = i32::try_from(self.bytes.len()) else { return Err(Bad::data(at, "more than 2 GiB of text in one batch")) };
        self.offsets.push(end);
        Ok(())
    }

    fn repeat(&mut self) {
        repeat(&mut self.offsets);
    }

    fn truncate(&mut self, rows: usize) {
        self.offsets.truncate(rows + 1);
        self.bytes.truncate(last(&self.offsets));
    }

    fn finish(&mut self) -> (OffsetBuffer<i32>, Buffer) {
        (OffsetBuffer::new(renew_offsets(&mut self.offsets).into()), renew(&mut self.bytes).into())
    }
}

fn last(offsets: &[i32]) -> usize {
    offsets.last().map_or(0, |end| *end as usize)
}

fn repeat(offsets: &mut Vec<i32>) {
    offsets.push(last(offsets) as i32);
}

/// Takes the values and leaves room for as many and a few more.
fn renew<T>(values: &mut Vec<T>) -> Vec<T> {
    let room = values.len() + values.len() / 8;
    std::mem::replace(values, Vec::with_capacity(room))
}

fn renew_offsets(offsets: &mut Vec<i32>) -> Vec<i32> {
    let taken = renew(offsets);
    offsets.push(0);
    taken
}

#[inline(always)]
fn is_number(first: u8) -> bool {
    first.wrapping_sub(b'0') < 10 || first == b'-'
}

fn numeric(text: Text<'_>, at: usize, expected: &str) -> Step {
    if is_number(text.peek(at)) { Ok(at) } else { Err(Bad::mismatch(text, at, expected)) }
}

#[inline(always)]
fn string(text: Text<'_>, at: usize, pieces: &mut Pieces) -> Step {
    let end = string::read(text, at, &mut pieces.bytes)?;
    pieces.close(at)?;
    Ok(end)
}

fn boolean(text: Text<'_>, at: usize, values: &mut BooleanBufferBuilder) -> Step {
    let value = text.peek(at) == b't';
    if !value && text.peek(at) != b'f' {
        return Err(Bad::mismatch(text, at, "a boolean"));
    }
    let end = skip::literal(text, at)?;
    values.append(value);
    Ok(end)
}

fn int32(text: Text<'_>, at: usize, values: &mut Vec<i32>) -> Step {
    let (number, end) = number::integer(text, at)?;
    values.push(i32::try_from(number).map_err(|_| Bad::data(at, "number out of the range of INT"))?);
    Ok(end)
}

fn bytes(text: Text<'_>, at: usize, pieces: &mut Pieces) -> Step {
    if text.peek(at) != b'"' {
        return Err(Bad::mismatch(text, at, "a base64 string"));
    }
    let mut letters = Vec::new();
    let end = string::read(text, at, &mut letters)?;
    base64::decode(&letters, &mut pieces.bytes).map_err(|_| Bad::data(at, "expected a base64 string, found another text"))?;
    pieces.close(at)?;
    Ok(end)
}

/// A scalar's text: a string without its quotes, anything else as it is written.
fn any(text: Text<'_>, at: usize, depth: usize, pieces: &mut Pieces) -> Step {
    match text.peek(at) {
        b'"' => string(text, at, pieces),
        b'{' | b'[' => Err(Bad::mismatch(text, at, "a scalar")),
        _ => raw(text, at, depth, pieces),
    }
}

fn raw(text: Text<'_>, at: usize, depth: usize, pieces: &mut Pieces) -> Step {
    let end = skip::value(text, at, depth)?;
    append(&mut pieces.bytes, text.bytes(), at, end);
    pieces.close(at)?;
    Ok(end)
}

/// A decimal as a number, or as a string that holds one: many writers quote them to keep the digits.
fn decimal(text: Text<'_>, at: usize, precision: u8, scale: i8, values: &mut Vec<i128>) -> Step {
    let mut unquoted = Vec::new();
    let (digits, end) = if text.peek(at) == b'"' {
        let end = string::read(text, at, &mut unquoted)?;
        if number::skip(Text::new(&unquoted), 0).ok() != Some(unquoted.len()) {
            return Err(Bad::data(at, "expected a decimal number, found another text"));
        }
        (unquoted.as_slice(), end)
    } else {
        let end = number::skip(text, numeric(text, at, "a number")?)?;
        (&text.bytes()[at..end], end)
    };
    let number = number::decimal(digits, precision, scale).map_err(|why| {
        let why = match why {
            DecimalError::NoNumber => "expected a number of",
            DecimalError::Fraction => "more digits behind the point than the scale of",
            DecimalError::Range => "number out of the range of",
        };
        Bad::data(at, format!("{why} DECIMAL({precision},{scale})"))
    })?;
    values.push(number);
    Ok(end)
}

/// A date as `2024-02-29`, or as days since 1970 (Kafka Connect's form).
fn date(text: Text<'_>, at: usize, values: &mut Vec<i32>) -> Step {
    if text.peek(at) != b'"' {
        return int32(text, numeric(text, at, "a date")?, values);
    }
    let mut letters = Vec::new();
    let end = string::read(text, at, &mut letters)?;
    values.push(time::date(&letters).ok_or_else(|| Bad::data(at, "expected a date like 2024-02-29, found another text"))?);
    Ok(end)
}

fn timestamp(text: Text<'_>, at: usize, unit: TimeUnit, values: &mut Vec<i64>) -> Step {
    if text.peek(at) != b'"' {
        let (number, end) = number::integer(text, numeric(text, at, "a timestamp")?)?;
        values.push(number);
        return Ok(end);
    }
    let mut letters = Vec::new();
    let end = string::read(text, at, &mut letters)?;
    let us = time::instant_us(&letters);
    let us = us.ok_or_else(|| Bad::data(at, "expected a timestamp like 2024-02-29T12:00:00Z, found another text"))?;
    values.push(match unit {
        TimeUnit::Millisecond => us.div_euclid(1000),
        TimeUnit::Microsecond => us,
    });
    Ok(end)
}

fn list(text: Text<'_>, at: usize, depth: usize, offsets: &mut Vec<i32>, element: &mut Column) -> Step {
    if text.peek(at) != b'[' {
        return Err(Bad::mismatch(text, at, "an array"));
    }
    if depth >= DEPTH_MAX {
        return Err(skip::too_deep(at));
    }
    let (mut at, mut count) = (text.white(at + 1), 0);
    while text.peek(at) != b']' || count > 0 {
        at = element.read(text, at, depth + 1).map_err(|bad| bad.within(format!("[{count}]").as_bytes()))?;
        at = text.white(at);
        count += 1;
        match text.peek(at) {
            b',' => at = text.white(at + 1),
            b']' => break,
            _ => return Err(Bad::expected(text, at, "`,` or `]`")),
        }
    }
    let end = i32::try_from(last(offsets) + count).map_err(|_| Bad::data(at, "too many array elements in one batch"))?;
    offsets.push(end);
    Ok(at + 1)
}
