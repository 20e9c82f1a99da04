//! Dates and instants as JSON carries them: RFC 3339 texts.

/// Days since 1970 of a `2024-02-29`; `None` if there is no such day.
pub(crate) fn date(text: &[u8]) -> Option<i32> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text else { return None };
    let year = number(&[*y1, *y2, *y3, *y4])?;
    let (month, day) = (number(&[*m1, *m2])?, number(&[*d1, *d2])?);
    let last = match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    (1..=last).contains(&day).then(|| days(year, month, day))
}

/// Microseconds since 1970 of a `2022-03-07T00:30:00.5+01:00`; digits finer than a microsecond are cut off, a leap second counts as the
/// first one of the next minute. A text without a zone is no instant.
pub(crate) fn instant_us(text: &[u8]) -> Option<i64> {
    let day = i64::from(date(text.get(..10)?)?);
    let [b'T' | b't' | b' ', h1, h2, b':', m1, m2, b':', s1, s2, rest @ ..] = text.get(10..)? else { return None };
    let (hour, minute, second) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?, number(&[*s1, *s2])?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (micros, zone) = match rest {
        [b'.', rest @ ..] => {
            let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let kept = number(&rest[..count.min(6)])?;
            (kept * 10_i32.pow(6 - count.min(6) as u32), &rest[count..])
        }
        _ => (0, rest),
    };
    let offset = match zone {
        b"Z" | b"z" => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let minutes = hours * 60 + minutes;
            if *sign == b'-' { -minutes } else { minutes }
        }
        _ => return None,
    };
    let seconds = day * 86_400 + i64::from(hour * 3600 + minute * 60 + second) - i64::from(offset) * 60;
    Some(seconds * 1_000_000 + i64::from(micros))
}

/// The value of digits; `None` if there is none or another byte among them.
fn number(digits: &[u8]) -> Option<i32> {
    let all = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    all.then(|| digits.iter().fold(0, |sum, digit| sum * 10 + i32::from(digit - b'0')))
}

/// Days since 1970 in the Gregorian calendar: years are counted from March, so that the leap day comes last.
pub(crate) fn days(year: i32, month: i32, day: i32) -> i32 {
    let year = if month > 2 { year } else { year - 1 };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Appends a day as `2024-02-29`.
pub(super) fn write_date(day: i32, out: &mut Vec<u8>) {
    let (year, month, day) = civil(i64::from(day));
    if year < 0 {
        out.push(b'-');
    }
    pad(year.unsigned_abs(), 4, out);
    out.push(b'-');
    pad(month, 2, out);
    out.push(b'-');
    pad(day, 2, out);
}

/// Appends an instant as `2024-02-29T12:00:00.000Z`.
pub(super) fn write_ms(ms: i64, out: &mut Vec<u8>) {
    write_instant(ms.div_euclid(1000), ms.rem_euclid(1000) as u64, 3, out);
}

/// Appends an instant as `2024-02-29T12:00:00.000000Z`.
pub(super) fn write_us(us: i64, out: &mut Vec<u8>) {
    write_instant(us.div_euclid(1_000_000), us.rem_euclid(1_000_000) as u64, 6, out);
}

fn write_instant(seconds: i64, fraction: u64, digits: usize, out: &mut Vec<u8>) {
    let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400) as u64);
    let (year, month, day) = civil(day);
    if year < 0 {
        out.push(b'-');
    }
    pad(year.unsigned_abs(), 4, out);
    for (before, part) in [(b'-', month), (b'-', day), (b'T', second / 3600), (b':', second / 60 % 60), (b':', second % 60)] {
        out.push(before);
        pad(part, 2, out);
    }
    out.push(b'.');
    pad(fraction, digits, out);
    out.push(b'Z');
}

fn pad(number: u64, width: usize, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let (mut rest, mut at) = (number, digits.len());
    while rest > 0 || digits.len() - at < width {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out.extend_from_slice(&digits[at..]);
}

/// Year, month and day of a day since 1970: the way back of [`days`].
pub(crate) fn civil(day: i64) -> (i64, u64, u64) {
    let day = day + 719_468;
    let (era, of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month as u64, (of_year - (153 * shifted + 2) / 5 + 1) as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn instants_of_the_standard() {
        assert_eq!(instant_us(b"1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(instant_us(b"2022-03-07T00:30:00.5+01:00"), Some(1_646_609_400_500_000));
        assert_eq!(instant_us(b"1969-12-31 23:59:59.9999999z"), Some(-1));
        assert_eq!(instant_us(b"2016-12-31T23:59:60Z"), Some(1_483_228_800_000_000));
    }

    #[test]
    fn no_instants() {
        for text in [
            "",
            "2022-03-07",
            "2022-03-07T00:30:00",
            "2022-03-07T24:00:00Z",
            "2022-02-29T00:00:00Z",
            "2022-03-07T00:30:00.Z",
            "2022-03-07T00:30:00+0100",
            "2022-3-7T0:30:00Z",
        ] {
            assert_eq!(instant_us(text.as_bytes()), None, "{text}");
        }
        for text in ["2023-02-29", "1900-02-29", "2024-13-01", "2024-00-01", "2024-04-31", "2024-01-00", "24-01-01", "2024-01-01 "] {
            assert_eq!(date(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn instants_agree_with_jiff(us in -62_135_596_800_000_000_i64..253_402_207_200_000_000) {
            let text = jiff::Timestamp::from_microsecond(us).unwrap().to_string();
            prop_assert_eq!(instant_us(text.as_bytes()), Some(us), "{}", text);
            let day = i32::try_from(us.div_euclid(86_400_000_000)).unwrap();
            prop_assert_eq!(date(&text.as_bytes()[..10]), Some(day));
            let mut out = Vec::new();
            write_date(day, &mut out);
            prop_assert_eq!(out.as_slice(), &text.as_bytes()[..10]);
            out.clear();
            write_us(us, &mut out);
            prop_assert_eq!(instant_us(&out), Some(us));
            out.clear();
            write_ms(us / 1000, &mut out);
            prop_assert_eq!(instant_us(&out), Some(us / 1000 * 1000));
        }

        #[test]
        fn any_instant_can_be_written(instant: i64) {
            let mut out = Vec::new();
            write_us(instant, &mut out);
            write_ms(instant, &mut out);
            write_date(instant as i32, &mut out);
            prop_assert!(out.is_ascii());
        }
    }
}
