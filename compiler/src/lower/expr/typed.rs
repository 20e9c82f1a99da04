//! Values with their types, and how one type becomes another.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use crate::plan::{DataType, Expr, Literal, Op, TimeUnit};
use crate::sources::Location;

/// The most digits of a decimal.
const DIGITS_MAX: u8 = 38;

/// An expression, its type, and where it stands.
#[derive(Clone, Debug)]
pub(in crate::lower) struct Typed {
    pub(in crate::lower) expr: Expr,
    pub(in crate::lower) data_type: DataType,
    pub(in crate::lower) nullable: bool,
    pub(super) at: Location,
    /// As written, for messages.
    pub(super) text: String,
}

impl Typed {
    /// A constant takes the type that its place asks for, if its value allows it.
    pub(super) fn is_constant(&self) -> bool {
        matches!(self.expr, Expr::Literal(_))
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self.expr, Expr::Literal(Literal::Null(_)))
    }

    /// Whether [`Typed::to`] gives a value.
    pub(super) fn fits(&self, data_type: &DataType) -> bool {
        match &self.expr {
            Expr::Literal(literal) => self.data_type == *data_type || constant(literal, data_type).is_some(),
            _ => true,
        }
    }

    /// The same value as `data_type`; explicit, so that the engine converts nothing by itself.
    ///
    /// # Errors
    /// The value itself: a constant that the type does not hold.
    pub(super) fn to(self, data_type: &DataType) -> Result<Self, Box<Self>> {
        if self.data_type == *data_type {
            return Ok(self);
        }
        let nullable = self.nullable;
        let expr = match &self.expr {
            Expr::Literal(literal) => match constant(literal, data_type) {
                Some(literal) => Expr::Literal(literal),
                None => return Err(Box::new(self)),
            },
            _ => Expr::call(Op::Cast { is_try: false }, vec![self.expr], data_type, nullable),
        };
        Ok(Self { expr, data_type: data_type.clone(), ..self })
    }
}

/// A constant as another type without losing anything.
fn constant(literal: &Literal, data_type: &DataType) -> Option<Literal> {
    let converted = match (literal, data_type) {
        (Literal::Null(_), data_type) => Literal::Null(data_type.clone()),
        (Literal::Int64(value), DataType::Int32) => Literal::Int32(i32::try_from(*value).ok()?),
        (Literal::Int32(value), DataType::Int64) => Literal::Int64(i64::from(*value)),
        (Literal::Int64(value), DataType::Float64 | DataType::Float32) => return float(&value.to_string(), data_type),
        (Literal::Decimal { unscaled, scale, .. }, DataType::Float64 | DataType::Float32) => {
            return float(&format!("{unscaled}e-{scale}"), data_type);
        }
        (Literal::Int64(value), DataType::Decimal { precision, scale }) => rescaled(i128::from(*value), 0, *precision, *scale)?,
        (Literal::Decimal { unscaled, scale: from, .. }, DataType::Decimal { precision, scale }) => {
            rescaled(*unscaled, *from, *precision, *scale)?
        }
        (Literal::Float64(text), DataType::Float32) => return float(text, data_type),
        (Literal::String(text), DataType::Timestamp(TimeUnit::Microsecond)) => Literal::Timestamp(timestamp(text)?),
        (Literal::String(text), DataType::Date) => Literal::Date(date(text)?),
        (Literal::String(text), DataType::Any) => Literal::String(text.clone()),
        (Literal::Date(days), DataType::Timestamp(TimeUnit::Microsecond)) => Literal::Timestamp(i64::from(*days) * 86_400_000_000),
        _ => return None,
    };
    Some(converted)
}

fn float(text: &str, data_type: &DataType) -> Option<Literal> {
    let value: f64 = text.parse().ok()?;
    // A real holds fewer digits: the comparison is made with doubles then.
    let fits = *data_type == DataType::Float64 && value.is_finite();
    fits.then(|| Literal::Float64(format!("{value:?}")))
}

fn rescaled(unscaled: i128, from: i8, precision: u8, scale: i8) -> Option<Literal> {
    let places = u32::try_from(scale.checked_sub(from)?).ok()?;
    let unscaled = unscaled.checked_mul(10_i128.checked_pow(places)?)?;
    let fits = unscaled.unsigned_abs() < 10_u128.pow(u32::from(precision));
    fits.then_some(Literal::Decimal { unscaled, precision, scale })
}

/// Microseconds of a time as RFC 3339 writes it; without a zone it is UTC, without a time the beginning of the day.
pub(super) fn timestamp(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Some(time.as_microsecond());
    }
    let civil = text.parse::<DateTime>().ok().or_else(|| text.parse::<Date>().ok().map(|date| date.at(0, 0, 0, 0)))?;
    civil.to_zoned(TimeZone::UTC).ok().map(|time| time.timestamp().as_microsecond())
}

/// Days since 1970-01-01.
pub(super) fn date(text: &str) -> Option<i32> {
    let date: Date = text.trim().parse().ok()?;
    date.since(jiff::civil::date(1970, 1, 1)).ok().map(|span| span.get_days())
}

/// A number as it is written: whole numbers are `bigint`, a point makes a decimal, an exponent a double.
pub(super) fn number(text: &str) -> Option<(Literal, DataType)> {
    if text.contains(['e', 'E']) {
        return float(text, &DataType::Float64).map(|literal| (literal, DataType::Float64));
    }
    let Some((whole, fraction)) = text.split_once('.') else {
        return text.parse().ok().map(|value| (Literal::Int64(value), DataType::Int64));
    };
    let scale = i8::try_from(fraction.len()).ok()?;
    let digits = whole.trim_start_matches('-').trim_start_matches('0').len() + fraction.len();
    let precision = u8::try_from(digits.max(1)).ok().filter(|precision| *precision <= DIGITS_MAX)?;
    let unscaled = format!("{whole}{fraction}").parse().ok()?;
    Some((Literal::Decimal { unscaled, precision, scale }, DataType::Decimal { precision, scale }))
}

/// True for types that calculations take.
pub(super) fn is_number(data_type: &DataType) -> bool {
    match data_type {
        DataType::Int32 | DataType::Int64 | DataType::Float32 | DataType::Float64 | DataType::Decimal { .. } => true,
        DataType::Boolean
        | DataType::String
        | DataType::Bytes
        | DataType::Date
        | DataType::Timestamp(_)
        | DataType::Any
        | DataType::Json
        | DataType::Struct(_)
        | DataType::List(_) => false,
    }
}

/// True for types that are text: what no schema names is one, and so is JSON.
pub(super) fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::String | DataType::Any | DataType::Json)
}

/// Digits before and behind the point of a number that is no floating one.
fn digits(data_type: &DataType) -> Option<(u8, i8)> {
    match data_type {
        DataType::Int32 => Some((10, 0)),
        DataType::Int64 => Some((19, 0)),
        DataType::Decimal { precision, scale } => Some((*precision, *scale)),
        _ => None,
    }
}

/// The type that both of two values have or can take, a constant that of the other side.
pub(super) fn common(left: &Typed, right: &Typed) -> Option<DataType> {
    if left.is_null() || right.is_null() {
        return Some(if left.is_null() { right.data_type.clone() } else { left.data_type.clone() });
    }
    for (one, other) in [(left, right), (right, left)] {
        // `id = 5` does not make every id a bigint, and a text beside a time is one.
        // Constants have microseconds.
        let wanted = match &other.data_type {
            DataType::Timestamp(_) => DataType::Timestamp(TimeUnit::Microsecond),
            data_type if is_text(data_type) => DataType::String,
            data_type => data_type.clone(),
        };
        if one.is_constant() && !other.is_constant() && one.fits(&wanted) {
            return Some(wanted);
        }
    }
    common_type(&left.data_type, &right.data_type)
}

/// The narrowest type that holds all values of both.
pub(super) fn common_type(left: &DataType, right: &DataType) -> Option<DataType> {
    use DataType::{Any, Boolean, Bytes, Date, Float32, Float64, Int32, Int64, Json, List, String, Struct, Timestamp};
    match (left, right) {
        (Struct(_) | List(_), _) | (_, Struct(_) | List(_)) => None,
        (left, right) if left == right => Some(if is_text(left) { String } else { left.clone() }),
        (Int32 | Int64, Int32 | Int64) => Some(Int64),
        (left, right) if is_number(left) && is_number(right) => match (digits(left), digits(right)) {
            (Some(left), Some(right)) => Some(decimal(left, right)),
            _ => Some(Float64),
        },
        (String | Any | Json, String | Any | Json) => Some(String),
        (Date, Timestamp(_)) | (Timestamp(_), Date) | (Timestamp(_), Timestamp(_)) => Some(Timestamp(TimeUnit::Microsecond)),
        (Boolean | Bytes | Date | Float32 | Float64 | Int32 | Int64 | String | Timestamp(_) | Any | Json | DataType::Decimal { .. }, _) => {
            None
        }
    }
}

fn decimal(left: (u8, i8), right: (u8, i8)) -> DataType {
    let scale = left.1.max(right.1);
    let whole = |(precision, scale): (u8, i8)| i16::from(precision) - i16::from(scale);
    let precision = whole(left).max(whole(right)) + i16::from(scale);
    DataType::Decimal { precision: u8::try_from(precision).unwrap_or(DIGITS_MAX).min(DIGITS_MAX), scale }
}

/// The type of a product: the scales add up.
pub(super) fn product(left: &DataType, right: &DataType) -> Option<DataType> {
    match (digits(left), digits(right)) {
        (Some(_), Some(_)) if !matches!((left, right), (DataType::Decimal { .. }, _) | (_, DataType::Decimal { .. })) => {
            common_type(left, right)
        }
        (Some((left, left_scale)), Some((right, right_scale))) => {
            let (precision, scale) = (left.saturating_add(right), left_scale.checked_add(right_scale)?);
            (scale <= 38).then_some(DataType::Decimal { precision: precision.min(DIGITS_MAX), scale })
        }
        _ => common_type(left, right),
    }
}

/// The type of a sum or difference: a decimal has room for one more digit.
pub(super) fn sum(common: DataType) -> DataType {
    match common {
        DataType::Decimal { precision, scale } => DataType::Decimal { precision: (precision + 1).min(DIGITS_MAX), scale },
        other => other,
    }
}

/// Whether CAST takes one to the other.
pub(super) fn can_cast(from: &DataType, to: &DataType) -> bool {
    use DataType::{Boolean, Bytes, Date, Json, List, Struct, Timestamp};
    match (from, to) {
        (Struct(_) | List(_), _) | (_, Struct(_) | List(_) | DataType::Any) => false,
        (from, to) if from == to => true,
        (_, Json) => false,
        (from, to) if is_text(from) || is_text(to) => true,
        (Bytes, _) | (_, Bytes) => false,
        (from, to) if is_number(from) && is_number(to) => true,
        (Boolean, to) => is_number(to) && !matches!(to, DataType::Decimal { .. }),
        (from, Boolean) => matches!(from, DataType::Int32 | DataType::Int64),
        (Date | Timestamp(_), Date | Timestamp(_)) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_they_are_written_as() {
        let read = |text: &str| number(text).map(|(_, data_type)| crate::schema::type_text(&data_type));
        assert_eq!(read("5").as_deref(), Some("bigint"));
        assert_eq!(read("-1.50").as_deref(), Some("decimal(3,2)"));
        assert_eq!(read("0.05").as_deref(), Some("decimal(2,2)"));
        assert_eq!(read("1e3").as_deref(), Some("double"));
        assert_eq!((read("99999999999999999999"), read("1e999")), (None, None));
        assert_eq!(number("-0.5").map(|(literal, _)| literal), Some(Literal::Decimal { unscaled: -5, precision: 1, scale: 1 }));
    }

    #[test]
    fn types_meet_without_losing_digits() {
        use DataType::{Date, Float32, Float64, Int32, Int64, String, Timestamp};
        let of = |precision, scale| DataType::Decimal { precision, scale };
        for (left, right, both) in [
            (Int32, Int64, Some(Int64)),
            (Int32, of(4, 2), Some(of(12, 2))),
            (of(38, 0), of(38, 38), Some(of(38, 38))),
            (Float32, Int32, Some(Float64)),
            (Float32, Float32, Some(Float32)),
            (DataType::Any, String, Some(String)),
            (DataType::Any, DataType::Any, Some(String)),
            (Date, Timestamp(TimeUnit::Millisecond), Some(Timestamp(TimeUnit::Microsecond))),
            (String, Int64, None),
            (DataType::Boolean, Int32, None),
        ] {
            assert_eq!(common_type(&left, &right), both, "{left:?} {right:?}");
            assert_eq!(common_type(&right, &left), both, "{right:?} {left:?}");
        }
        assert_eq!(product(&of(10, 2), &of(5, 3)), Some(of(15, 5)));
        assert_eq!(product(&Int32, &Int64), Some(Int64));
        assert_eq!(product(&of(38, 30), &of(38, 30)), None);
        assert_eq!(sum(of(38, 2)), of(38, 2));
    }

    #[test]
    fn times_are_read_with_and_without_a_zone() {
        assert_eq!(timestamp("1970-01-01T00:00:01.5Z"), Some(1_500_000));
        assert_eq!(timestamp("1970-01-02 00:00:00"), Some(86_400_000_000));
        assert_eq!(timestamp("1970-01-02"), Some(86_400_000_000));
        assert_eq!(timestamp("1970-01-01T01:00:00+01:00"), Some(0));
        assert_eq!((timestamp("soon"), date("1970-01-31"), date("x")), (None, Some(30), None));
    }

    #[test]
    fn casts_that_make_sense() {
        use DataType::{Boolean, Bytes, Date, Int32, String};
        for (from, to, can) in [
            (String, Int32, true),
            (Int32, String, true),
            (Bytes, String, true),
            (Bytes, Int32, false),
            (Date, Boolean, false),
            (Boolean, Int32, true),
            (Int32, Boolean, true),
            (DataType::Float64, Boolean, false),
            (DataType::Struct(Vec::new()), String, false),
        ] {
            assert_eq!(can_cast(&from, &to), can, "{from:?} {to:?}");
        }
    }
}
