//! Decimals: brought to another scale, divided, read and made of other numbers.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array};
use arrow::datatypes::{DataType as ArrowType, Decimal128Type, i256};
use kpipe_compiler::plan::DataType;

use super::step::{BY_ZERO, Operand, Problem};

/// What becomes of digits that a scale has no place for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// They are rounded, halves away from zero.
    Round,
    /// They fail, unless they are zeros.
    Refuse,
}

/// Precision and scale.
pub(super) type Shape = (u8, i8);

/// A value that a shape cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unfit;

/// The values in another shape.
pub(super) fn rescale(array: &Decimal128Array, to: Shape, loss: Loss) -> Result<Decimal128Array, Unfit> {
    let ArrowType::Decimal128(precision, scale) = *array.data_type() else { return Err(Unfit) };
    if scale == to.1 && precision <= to.0 {
        let array = array.clone().with_precision_and_scale(to.0, to.1).map_err(|_| Unfit)?;
        return array.validate_decimal_precision(to.0).map(|()| array).map_err(|_| Unfit);
    }
    let values = array.try_unary::<_, Decimal128Type, _>(|value| {
        fit(value, scale, to, loss).ok_or(arrow::error::ArrowError::ComputeError(String::new()))
    });
    values.and_then(|values| values.with_precision_and_scale(to.0, to.1)).map_err(|_| Unfit)
}

/// A value with `scale` digits behind the point, in another shape.
pub(super) fn fit(value: i128, scale: i8, to: Shape, loss: Loss) -> Option<i128> {
    let places = i32::from(to.1) - i32::from(scale);
    let value = if places >= 0 {
        if value == 0 { 0 } else { value.checked_mul(10_i128.checked_pow(places.unsigned_abs())?)? }
    } else {
        // More digits than any decimal has: all of them go.
        let unit = 10_i128.checked_pow(places.unsigned_abs());
        let (whole, rest) = unit.map_or((0, value), |unit| (value / unit, value % unit));
        match loss {
            Loss::Refuse if rest != 0 => return None,
            Loss::Round if unit.is_some_and(|unit| rest.unsigned_abs() >= unit.unsigned_abs() - rest.unsigned_abs()) => {
                whole + value.signum()
            }
            Loss::Refuse | Loss::Round => whole,
        }
    };
    (value.unsigned_abs() < 10_u128.checked_pow(u32::from(to.0))?).then_some(value)
}

/// Left through right, rounded to the digits of `to`.
pub(super) fn divide(left: &Operand, right: &Operand, rows: usize, to: Shape) -> Result<ArrayRef, Problem> {
    let scale = |operand: &Operand| match operand.array.data_type() {
        ArrowType::Decimal128(_, scale) => i32::from(*scale),
        _ => 0,
    };
    let places = i32::from(to.1) - scale(left) + scale(right);
    let (left_values, right_values) = (left.array.as_primitive::<Decimal128Type>(), right.array.as_primitive::<Decimal128Type>());
    let quotient = |row: usize| {
        let (at, by) = (left.index(row), right.index(row));
        if left_values.is_null(at) || right_values.is_null(by) {
            return Ok(None);
        }
        let (dividend, divisor) = (left_values.value(at), right_values.value(by));
        if divisor == 0 {
            return Err(BY_ZERO);
        }
        let out_of_range = || Problem::out_of_range(&DataType::Decimal { precision: to.0, scale: to.1 });
        quotient(dividend, divisor, places).and_then(|value| fit(value, to.1, to, Loss::Refuse)).map(Some).ok_or_else(out_of_range)
    };
    let values = (0..rows).map(quotient).collect::<Result<Decimal128Array, _>>()?;
    let values = values.with_precision_and_scale(to.0, to.1).map_err(|_| Problem::new("no such decimal"))?;
    Ok(Arc::new(values))
}

/// `dividend * 10^places / divisor`, halves away from zero.
fn quotient(dividend: i128, divisor: i128, places: i32) -> Option<i128> {
    let power = i256::from_i128(10).checked_pow(places.unsigned_abs())?;
    let (mut dividend, mut divisor) = (i256::from_i128(dividend), i256::from_i128(divisor));
    if places >= 0 {
        dividend = dividend.checked_mul(power)?;
    } else {
        divisor = divisor.checked_mul(power)?;
    }
    let (whole, rest) = (dividend.checked_div(divisor)?, dividend.checked_rem(divisor)?);
    let is_negative = dividend.is_negative() != divisor.is_negative();
    let (rest, divisor) = (rest.wrapping_abs(), divisor.wrapping_abs());
    let up = rest >= divisor.checked_sub(rest)?;
    let one = i256::from_i128(i128::from(up) * if is_negative { -1 } else { 1 });
    whole.checked_add(one)?.to_i128()
}

/// The number that a text is: an optional sign, digits with at most one point, an optional exponent. Unscaled value and scale.
pub(super) fn parse(text: &str) -> Option<(i128, i32)> {
    let text = text.trim();
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (is_negative, digits) = match mantissa.as_bytes().first()? {
        b'-' => (true, &mantissa[1..]),
        b'+' => (false, &mantissa[1..]),
        _ => (false, mantissa),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    // Zeros at the end say nothing, and would fill the digits.
    let fraction = fraction.trim_end_matches('0');
    let mut value = 0_i128;
    for byte in whole.bytes().chain(fraction.bytes()) {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(i128::from(byte - b'0'))?;
    }
    let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    Some((if is_negative { -value } else { value }, scale))
}

/// The decimal of this shape that a text is.
pub(super) fn read(text: &str, to: Shape) -> Option<i128> {
    let (value, scale) = parse(text)?;
    match i8::try_from(scale) {
        Ok(scale) => fit(value, scale, to, Loss::Refuse),
        Err(_) => (value == 0).then_some(0),
    }
}

/// The decimal of this shape that is nearest to a number: that of its shortest text, rounded.
pub(super) fn of_float(number: f64, to: Shape) -> Option<i128> {
    if number.is_finite() { nearest(&format!("{number:e}"), to) } else { None }
}

/// As [`of_float`].
pub(super) fn of_float32(number: f32, to: Shape) -> Option<i128> {
    if number.is_finite() { nearest(&format!("{number:e}"), to) } else { None }
}

fn nearest(text: &str, to: Shape) -> Option<i128> {
    let (value, scale) = parse(text)?;
    match i8::try_from(scale) {
        Ok(scale) => fit(value, scale, to, Loss::Round),
        // Too small for any digit, or too large.
        Err(_) => (value == 0 || scale > 0).then_some(0),
    }
}
