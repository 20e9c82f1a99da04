//! Times: microseconds since 1970 in, calendars as for folders.

mod parse;

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use kpipe_compiler::plan::Call;
use kpipe_compiler::time_pattern::TimePattern;

use super::super::step::{Kernel, Operand, Problem};
use super::literal_text;
use crate::columns::UTC;
use crate::format::json::{civil, days};

const SECOND_US: i64 = 1_000_000;
const DAY_US: i64 = 86_400 * SECOND_US;

const OUT_OF_RANGE: Problem = Problem::new("time out of range");
const OPERANDS: Problem = Problem::new("not the operands of a time");

/// Whole numbers out of whole numbers; times are numbers too.
struct Map<F> {
    /// Which operand.
    operand: usize,
    is_time: bool,
    of: F,
}

impl<F> fmt::Debug for Map<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("times")
    }
}

impl<F: Fn(i64) -> Option<i64> + Send + Sync> Kernel for Map<F> {
    fn run(&self, args: &[Operand], rows: usize) -> Result<ArrayRef, Problem> {
        let operand = args.get(self.operand).ok_or(OPERANDS)?;
        let array = operand.array.as_ref();
        let values = match (array.as_primitive_opt::<Int64Type>(), array.as_primitive_opt::<TimestampMicrosecondType>()) {
            (Some(numbers), _) => numbers.values(),
            (_, Some(times)) => times.values(),
            _ => return Err(OPERANDS),
        };
        let value = |row: usize| {
            let at = operand.index(row);
            if array.is_null(at) { Ok(None) } else { (self.of)(values[at]).map(Some).ok_or(OUT_OF_RANGE) }
        };
        let values = (0..rows).map(value).collect::<Result<Int64Array, _>>()?;
        Ok(match self.is_time {
            true => Arc::new(values.reinterpret_cast::<TimestampMicrosecondType>().with_timezone(UTC)),
            false => Arc::new(values),
        })
    }
}

fn map(operand: usize, is_time: bool, of: impl Fn(i64) -> Option<i64> + Send + Sync + 'static) -> Result<Arc<dyn Kernel>, String> {
    Ok(Arc::new(Map { operand, is_time, of }))
}

pub(super) fn to_timestamp_seconds(_: &Call) -> Result<Arc<dyn Kernel>, String> {
    map(0, true, |seconds| seconds.checked_mul(SECOND_US))
}

pub(super) fn to_timestamp_millis(_: &Call) -> Result<Arc<dyn Kernel>, String> {
    map(0, true, |ms| ms.checked_mul(1000))
}

pub(super) fn to_timestamp_micros(_: &Call) -> Result<Arc<dyn Kernel>, String> {
    map(0, true, Some)
}

pub(super) fn epoch_ms(_: &Call) -> Result<Arc<dyn Kernel>, String> {
    map(0, false, |us| Some(us.div_euclid(1000)))
}

pub(super) fn date_trunc(call: &Call) -> Result<Arc<dyn Kernel>, String> {
    let unit = literal_text(call, 0)?.to_ascii_lowercase();
    let step = match unit.as_str() {
        "second" => SECOND_US,
        "minute" => 60 * SECOND_US,
        "hour" => 3600 * SECOND_US,
        "day" => DAY_US,
        "week" => {
            return map(1, true, |us| us.checked_sub(us.div_euclid(DAY_US).checked_add(3)?.rem_euclid(7) * DAY_US + us.rem_euclid(DAY_US)));
        }
        "month" => return map(1, true, |us| month(us, 1)),
        "quarter" => return map(1, true, |us| month(us, 3)),
        "year" => return map(1, true, |us| month(us, 12)),
        _ => return Err(format!("no unit `{unit}`")),
    };
    map(1, true, move |us| us.checked_sub(us.rem_euclid(step)))
}

/// The first moment of the run of `months` that a time lies in.
fn month(us: i64, months: u64) -> Option<i64> {
    let (year, month, _) = civil(us.div_euclid(DAY_US));
    let first = (month - 1) / months * months + 1;
    let days = days(i32::try_from(year).ok()?, i32::try_from(first).ok()?, 1);
    i64::from(days).checked_mul(DAY_US)
}

pub(super) fn date_part(call: &Call) -> Result<Arc<dyn Kernel>, String> {
    let part = literal_text(call, 0)?.to_ascii_lowercase();
    let of: fn(i64) -> Option<i64> = match part.as_str() {
        "year" => |us| Some(date(us).0),
        "quarter" => |us| Some((date(us).1 - 1) / 3 + 1),
        "month" => |us| Some(date(us).1),
        "week" => week,
        "day" => |us| Some(date(us).2),
        "doy" => day_of_year,
        // 1970-01-01 was a Thursday.
        "dow" => |us| Some((us.div_euclid(DAY_US) + 4).rem_euclid(7)),
        "hour" => |us| Some(us.rem_euclid(DAY_US) / (3600 * SECOND_US)),
        "minute" => |us| Some(us.rem_euclid(DAY_US) / (60 * SECOND_US) % 60),
        "second" => |us| Some(us.rem_euclid(DAY_US) / SECOND_US % 60),
        _ => return Err(format!("no part `{part}`")),
    };
    map(1, false, of)
}

fn date(us: i64) -> (i64, i64, i64) {
    let (year, month, day) = civil(us.div_euclid(DAY_US));
    (year, month as i64, day as i64)
}

fn day_of_year(us: i64) -> Option<i64> {
    let day = us.div_euclid(DAY_US);
    Some(day - i64::from(days(i32::try_from(civil(day).0).ok()?, 1, 1)) + 1)
}

/// The week of ISO 8601: that of the year that its Thursday lies in.
fn week(us: i64) -> Option<i64> {
    let day = us.div_euclid(DAY_US);
    let thursday = day - (day + 3).rem_euclid(7) + 3;
    let first = days(i32::try_from(civil(thursday).0).ok()?, 1, 1);
    Some((thursday - i64::from(first)) / 7 + 1)
}

/// A pattern and a zone.
#[derive(Debug)]
struct Format(TimePattern, TimeZone);

/// The same, the other way.
#[derive(Debug)]
struct Parse(TimePattern, TimeZone);

fn pattern(call: &Call) -> Result<(TimePattern, TimeZone), String> {
    let pattern = TimePattern::parse(literal_text(call, 1)?).map_err(|error| error.to_string())?;
    let zone = if call.args.len() > 2 { literal_text(call, 2)? } else { UTC };
    Ok((pattern, TimeZone::get(zone).map_err(|error| error.to_string())?))
}

pub(super) fn format_time(call: &Call) -> Result<Arc<dyn Kernel>, String> {
    let (pattern, zone) = pattern(call)?;
    Ok(Arc::new(Format(pattern, zone)))
}

pub(super) fn parse_time(call: &Call) -> Result<Arc<dyn Kernel>, String> {
    let (pattern, zone) = pattern(call)?;
    pattern.can_be_read()?;
    Ok(Arc::new(Parse(pattern, zone)))
}

impl Kernel for Format {
    fn run(&self, args: &[Operand], _rows: usize) -> Result<ArrayRef, Problem> {
        let times = args.first().and_then(|time| time.array.as_primitive_opt::<TimestampMicrosecondType>()).ok_or(OPERANDS)?;
        let format = |us: Option<i64>| {
            let time = us.map(|us| Timestamp::from_microsecond(us).map_err(|_| OUT_OF_RANGE)).transpose()?;
            Ok(time.map(|time| self.0.format(&time.to_zoned(self.1.clone()))))
        };
        Ok(Arc::new(times.iter().map(format).collect::<Result<StringArray, Problem>>()?))
    }
}

impl Kernel for Parse {
    fn run(&self, args: &[Operand], _rows: usize) -> Result<ArrayRef, Problem> {
        let texts = args.first().and_then(|text| text.array.as_string_opt::<i32>()).ok_or(OPERANDS)?;
        let parse = |text: Option<&str>| text.map(|text| parse::parse(&self.0, &self.1, text)).transpose();
        let times = texts.iter().map(parse).collect::<Result<TimestampMicrosecondArray, Problem>>()?;
        Ok(Arc::new(times.with_timezone(UTC)))
    }
}
