//! Numbers: as whole numbers, as binary and decimal fractions, or only checked.
//!
//! Digits are read eight at a time, without a branch a digit. A fraction is exact if its digits fit 53 bits (a power of ten up to 10^22
//! is exact too, so one division rounds once); whatever does not fit goes to the standard library, which rounds correctly.

use super::error::{Bad, Step};
use super::scan::Text;

const POWERS: [f64; 23] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22];
const EXACT_MAX: u64 = 1 << 53;
const DIGITS_MAX: usize = 19;

/// How many of the eight bytes are digits, from the first on, and each byte as a digit.
#[inline(always)]
fn digits(text: Text<'_>, at: usize) -> (usize, u64) {
    let digits = text.word(at) ^ 0x3030_3030_3030_3030;
    // The first byte above 9 is marked exactly; a carry disturbs only the ones behind it.
    let others = (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080;
    (others.trailing_zeros() as usize / 8, digits)
}

/// The value of `count` digits, 1 to 8.
#[inline(always)]
fn value(count: usize, digits: u64) -> u64 {
    const MASK: u64 = 0x0000_00ff_0000_00ff;
    let digits = digits << (64 - 8 * count);
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let high = (pairs & MASK).wrapping_mul(0x000f_4240_0000_0064);
    let low = ((pairs >> 16) & MASK).wrapping_mul(0x0000_2710_0000_0001);
    high.wrapping_add(low) >> 32
}

const TENS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// Reads digits onto `sum`: the sum (wrapped if there are more than [`DIGITS_MAX`]) and how many there were.
#[inline(always)]
fn run(text: Text<'_>, mut at: usize, mut sum: u64) -> (u64, usize) {
    let start = at;
    loop {
        let (count, block) = digits(text, at);
        if count > 0 {
            sum = sum.wrapping_mul(TENS[count]).wrapping_add(value(count, block));
        }
        at += count;
        if count < 8 {
            return (sum, at - start);
        }
    }
}

/// The position behind the digits at `at`.
#[inline(always)]
fn skip_digits(text: Text<'_>, mut at: usize) -> usize {
    loop {
        let (count, _) = digits(text, at);
        at += count;
        if count < 8 {
            return at;
        }
    }
}

/// Checks a number.
#[inline(always)]
pub(super) fn skip(text: Text<'_>, start: usize) -> Step {
    let first = start + usize::from(text.peek(start) == b'-');
    let mut at = skip_digits(text, first);
    whole_part(text, first, at - first)?;
    if text.peek(at) == b'.' {
        let fraction = at + 1;
        at = skip_digits(text, fraction);
        fraction_part(text, at, at - fraction)?;
    }
    if text.peek(at) | 0x20 == b'e' { exponent(text, at) } else { Ok(at) }
}

fn exponent(text: Text<'_>, at: usize) -> Step {
    let first = at + 1 + usize::from(matches!(text.peek(at + 1), b'+' | b'-'));
    let end = skip_digits(text, first);
    if end == first { Err(Bad::expected(text, end, "a digit of an exponent")) } else { Ok(end) }
}

#[inline(always)]
fn whole_part(text: Text<'_>, first: usize, count: usize) -> Result<(), Box<Bad>> {
    if count == 0 {
        return Err(Bad::expected(text, first, "a digit"));
    }
    if count > 1 && text.peek(first) == b'0' {
        return Err(Bad::syntax(first, "a number with a leading zero"));
    }
    Ok(())
}

#[inline(always)]
fn fraction_part(text: Text<'_>, end: usize, count: usize) -> Result<(), Box<Bad>> {
    if count == 0 { Err(Bad::expected(text, end, "a digit behind the point")) } else { Ok(()) }
}

/// A whole number; `1.0` and `1e3` are whole too.
#[inline(always)]
pub(super) fn integer(text: Text<'_>, start: usize) -> Result<(i64, usize), Box<Bad>> {
    let negative = text.peek(start) == b'-';
    let first = start + usize::from(negative);
    let (sum, count) = run(text, first, 0);
    whole_part(text, first, count)?;
    let end = first + count;
    if count < DIGITS_MAX && !matches!(text.peek(end), b'.' | b'e' | b'E') {
        let sum = sum as i64;
        return Ok((if negative { -sum } else { sum }, end));
    }
    integer_slow(text, start)
}

#[cold]
fn integer_slow(text: Text<'_>, start: usize) -> Result<(i64, usize), Box<Bad>> {
    let end = skip(text, start)?;
    let number = decimal(&text.bytes()[start..end], 38, 0).map_err(|why| Bad::data(start, why.of_integer()))?;
    let number = i64::try_from(number).map_err(|_| Bad::data(start, "number out of the range of BIGINT"))?;
    Ok((number, end))
}

/// A 64-bit binary fraction, correctly rounded.
#[inline(always)]
pub(super) fn double(text: Text<'_>, start: usize) -> Result<(f64, usize), Box<Bad>> {
    let Parts { negative, sum, count, fraction, end } = parts(text, start)?;
    if sum <= EXACT_MAX && count <= DIGITS_MAX && text.peek(end) | 0x20 != b'e' {
        let number = sum as f64 / POWERS[fraction];
        return Ok((if negative { -number } else { number }, end));
    }
    slow::<f64>(text, start, f64::is_finite, "DOUBLE")
}

/// A 32-bit binary fraction, correctly rounded: by way of 64 bits it would be rounded twice.
#[inline]
pub(super) fn float(text: Text<'_>, start: usize) -> Result<(f32, usize), Box<Bad>> {
    let Parts { negative, sum, count, fraction, end } = parts(text, start)?;
    if sum <= 1 << 24 && count <= DIGITS_MAX && fraction <= 10 && text.peek(end) | 0x20 != b'e' {
        let number = sum as f32 / POWERS[fraction] as f32;
        return Ok((if negative { -number } else { number }, end));
    }
    slow::<f32>(text, start, f32::is_finite, "REAL")
}

struct Parts {
    negative: bool,
    /// All digits as one number, wrapped if there are more than [`DIGITS_MAX`].
    sum: u64,
    count: usize,
    /// Digits behind the point.
    fraction: usize,
    end: usize,
}

#[inline(always)]
fn parts(text: Text<'_>, start: usize) -> Result<Parts, Box<Bad>> {
    let negative = text.peek(start) == b'-';
    let first = start + usize::from(negative);
    let (mut sum, mut count) = run(text, first, 0);
    whole_part(text, first, count)?;
    let (mut end, mut fraction) = (first + count, 0);
    if text.peek(end) == b'.' {
        (sum, fraction) = run(text, end + 1, sum);
        end += 1 + fraction;
        count += fraction;
        fraction_part(text, end, fraction)?;
    }
    Ok(Parts { negative, sum, count, fraction, end })
}

#[cold]
fn slow<T: std::str::FromStr + Copy>(text: Text<'_>, start: usize, finite: fn(T) -> bool, name: &str) -> Result<(T, usize), Box<Bad>> {
    let end = skip(text, start)?;
    let number = std::str::from_utf8(&text.bytes()[start..end]).ok().and_then(|digits| digits.parse::<T>().ok());
    match number {
        Some(number) if finite(number) => Ok((number, end)),
        _ => Err(Bad::data(start, format!("number out of the range of {name}"))),
    }
}

/// Why a number is not a decimal of the wanted form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DecimalError {
    /// Not a number.
    NoNumber,
    /// Digits behind the point that the scale would cut off.
    Fraction,
    /// More digits than the precision.
    Range,
}

impl DecimalError {
    fn of_integer(self) -> &'static str {
        match self {
            Self::NoNumber => "expected a number",
            Self::Fraction => "expected a whole number, found a fraction",
            Self::Range => "number out of the range of BIGINT",
        }
    }
}

/// A JSON number as a whole number of 10^-scale, exactly.
pub(super) fn decimal(number: &[u8], precision: u8, scale: i8) -> Result<i128, DecimalError> {
    let (negative, digits) = match number.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, number),
    };
    let (mantissa, exponent) = match digits.iter().position(|byte| byte | 0x20 == b'e') {
        Some(at) => (&digits[..at], exponent_value(&digits[at + 1..])?),
        None => (digits, 0),
    };
    let point = mantissa.iter().position(|byte| *byte == b'.');
    let fraction = point.map_or(0, |at| mantissa.len() - at - 1);
    let (mut sum, mut zeros) = (0_i128, 0_u32);
    for byte in mantissa.iter().filter(|byte| **byte != b'.') {
        let digit = byte.wrapping_sub(b'0');
        match digit {
            0 => zeros += 1,
            1..=9 => {
                let ten = 10_i128.checked_pow(zeros + 1).ok_or(DecimalError::Range);
                sum = if sum == 0 { i128::from(digit) } else { scaled(sum, ten?)? + i128::from(digit) };
                zeros = 0;
            }
            _ => return Err(DecimalError::NoNumber),
        }
    }
    if sum == 0 {
        return Ok(0);
    }
    let shift = i64::from(scale) + exponent + i64::from(zeros) - i64::try_from(fraction).unwrap_or(i64::MAX);
    let Ok(shift) = u32::try_from(shift) else { return Err(DecimalError::Fraction) };
    let sum = scaled(sum, 10_i128.checked_pow(shift).ok_or(DecimalError::Range)?)?;
    if sum >= 10_i128.pow(u32::from(precision.min(38))) {
        return Err(DecimalError::Range);
    }
    Ok(if negative { -sum } else { sum })
}

fn scaled(sum: i128, by: i128) -> Result<i128, DecimalError> {
    // One more digit is added by the caller: room for it is part of the check.
    sum.checked_mul(by).filter(|sum| *sum < i128::MAX - 9).ok_or(DecimalError::Range)
}

fn exponent_value(text: &[u8]) -> Result<i64, DecimalError> {
    let digits = std::str::from_utf8(text).map_err(|_| DecimalError::NoNumber)?;
    // An exponent beyond 64 bits is far out of any range already.
    Ok(digits.parse().unwrap_or(if digits.starts_with('-') { -1_000_000 } else { 1_000_000 }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decimals_are_exact_or_refused() {
        let table: &[(&str, u8, i8, Result<i128, DecimalError>)] = &[
            ("12.30", 12, 2, Ok(1230)),
            ("-12.3", 12, 2, Ok(-1230)),
            ("12.300", 12, 2, Ok(1230)),
            ("12.305", 12, 2, Err(DecimalError::Fraction)),
            ("1e3", 12, 2, Ok(100_000)),
            ("1E-2", 12, 2, Ok(1)),
            ("0.000e99999999999999999999", 12, 2, Ok(0)),
            ("1e99999999999999999999", 12, 2, Err(DecimalError::Range)),
            ("1e-99999999999999999999", 12, 2, Err(DecimalError::Fraction)),
            ("9999999999.99", 12, 2, Ok(999_999_999_999)),
            ("10000000000", 12, 2, Err(DecimalError::Range)),
            ("99999999999999999999999999999999999999", 38, 0, Ok(10_i128.pow(38) - 1)),
            ("100000000000000000000000000000000000000", 38, 0, Err(DecimalError::Range)),
            ("170141183460469231731687303715884105729", 38, 0, Err(DecimalError::Range)),
            ("12000", 3, -3, Ok(12)),
            ("12x", 3, 0, Err(DecimalError::NoNumber)),
        ];
        for (text, precision, scale, expected) in table {
            assert_eq!(decimal(text.as_bytes(), *precision, *scale), *expected, "{text}");
        }
    }

    #[test]
    fn whole_numbers_at_the_edges() {
        assert_eq!(integer(Text::new(b"9223372036854775807"), 0), Ok((i64::MAX, 19)));
        assert_eq!(integer(Text::new(b"-9223372036854775808,"), 0), Ok((i64::MIN, 20)));
        assert_eq!(integer(Text::new(b"1.0"), 0), Ok((1, 3)));
        assert_eq!(integer(Text::new(b"-12e2]"), 0), Ok((-1200, 5)));
        for (text, message) in [
            ("9223372036854775808", "number out of the range of BIGINT at byte 0"),
            ("1.5", "expected a whole number, found a fraction at byte 0"),
            ("-", "not valid JSON: expected a digit, found the end at byte 1"),
            ("01", "not valid JSON: a number with a leading zero at byte 0"),
            ("1.", "not valid JSON: expected a digit behind the point, found the end at byte 2"),
            ("1e+", "not valid JSON: expected a digit of an exponent, found the end at byte 3"),
        ] {
            assert_eq!(integer(Text::new(text.as_bytes()), 0).unwrap_err().to_string(), message, "{text}");
        }
    }

    #[test]
    fn fractions_at_the_edges() {
        assert_eq!(double(Text::new(b"-0"), 0).map(|(number, _)| number.to_bits()), Ok((-0.0_f64).to_bits()));
        assert_eq!(double(Text::new(b"1e999"), 0).unwrap_err().to_string(), "number out of the range of DOUBLE at byte 0");
        assert_eq!(double(Text::new(b"9007199254740993"), 0), Ok((9_007_199_254_740_992.0, 16)));
        assert_eq!(double(Text::new(b"123456789012345678901234567890"), 0), Ok((1.234_567_890_123_456_8e29, 30)));
        assert_eq!(float(Text::new(b"1e39"), 0).unwrap_err().to_string(), "number out of the range of REAL at byte 0");
        assert_eq!(float(Text::new(b"16777217"), 0), Ok((16_777_216.0, 8)));
    }

    proptest! {
        #[test]
        fn numbers_agree_with_the_standard_library(number in "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,24})?([eE][+-]?[0-9]{1,2})?", before in 0_usize..10) {
            let text = format!("{}{number}", " ".repeat(before));
            let (found, end) = double(Text::new(text.as_bytes()), before).unwrap();
            prop_assert_eq!(found.to_bits(), number.parse::<f64>().unwrap().to_bits());
            prop_assert_eq!(end, text.len());
            let expected = number.parse::<f32>().unwrap();
            match float(Text::new(text.as_bytes()), before) {
                Ok((found, _)) => prop_assert_eq!(found.to_bits(), expected.to_bits()),
                Err(_) => prop_assert!(expected.is_infinite()),
            }
            prop_assert_eq!(skip(Text::new(text.as_bytes()), before), Ok(text.len()));
        }

        #[test]
        fn whole_numbers_agree_with_the_standard_library(number in any::<i64>()) {
            let text = format!("{number} ");
            prop_assert_eq!(integer(Text::new(text.as_bytes()), 0), Ok((number, text.len() - 1)));
        }
    }
}
