//! Sizes and times as people write them: `128MiB`, `64KB`, `10m`, `1h30m`.

const SIZES: [(&str, u64); 9] = [
    ("", 1),
    ("b", 1),
    ("kb", 1000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
];
const TIMES_MS: [(&str, u64); 5] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Bytes. A unit is written in any case, with or without a blank before it; none means bytes.
#[must_use]
pub fn parse_bytes(text: &str) -> Option<u64> {
    let (number, unit) = split(text.trim())?;
    let (_, size) = SIZES.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit.trim()))?;
    number.checked_mul(*size)
}

/// Milliseconds of a time with one or several units, the largest first. A number without a unit is none, except `0`.
#[must_use]
pub fn parse_duration_ms(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    if rest == "0" {
        return Some(0);
    }
    let mut total: u64 = 0;
    let mut smallest = u64::MAX;
    while !rest.is_empty() {
        let (number, after) = split(rest)?;
        let length = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (_, unit) = TIMES_MS.iter().find(|(name, _)| *name == &after[..length])?;
        if *unit >= smallest {
            return None;
        }
        smallest = *unit;
        total = total.checked_add(number.checked_mul(*unit)?)?;
        rest = &after[length..];
    }
    (smallest < u64::MAX).then_some(total)
}

/// What [`parse_bytes`] reads, as a regular expression of JSON Schema.
#[must_use]
pub fn bytes_pattern() -> String {
    let any_case = |unit: &str| unit.chars().map(|c| format!("[{c}{}]", c.to_ascii_uppercase())).collect::<String>();
    let units: Vec<String> = SIZES.iter().filter(|(unit, _)| !unit.is_empty()).map(|(unit, _)| any_case(unit)).collect();
    format!("^ *[0-9]+ *({})? *$", units.join("|"))
}

/// What [`parse_duration_ms`] reads but for `0`, as a regular expression of JSON Schema.
#[must_use]
pub fn duration_pattern() -> String {
    let part = |unit: &str| format!("([0-9]+{unit})");
    let units: Vec<&str> = TIMES_MS.iter().rev().map(|(unit, _)| *unit).collect();
    // One alternative for each unit that can come first, so that there is at least one.
    let first = |index: usize| {
        let rest: String = units[index + 1..].iter().map(|unit| part(unit) + "?").collect();
        part(units[index]) + &rest
    };
    format!("^ *({}) *$", (0..units.len()).map(first).collect::<Vec<_>>().join("|"))
}

/// Words for units of time, and the unit.
const TIME_WORDS: [(&[&str], &str); 5] = [
    (&["msec", "msecs", "millis", "millisecond", "milliseconds"], "ms"),
    (&["sec", "secs", "second", "seconds"], "s"),
    (&["min", "mins", "minute", "minutes"], "m"),
    (&["hr", "hrs", "hour", "hours"], "h"),
    (&["day", "days"], "d"),
];
/// The same for sizes.
const SIZE_WORDS: [(&[&str], &str); 7] = [
    (&["byte", "bytes"], "B"),
    (&["kilobyte", "kilobytes"], "KB"),
    (&["megabyte", "megabytes"], "MB"),
    (&["gigabyte", "gigabytes"], "GB"),
    (&["kibibyte", "kibibytes"], "KiB"),
    (&["mebibyte", "mebibytes"], "MiB"),
    (&["gibibyte", "gibibytes"], "GiB"),
];

/// A time with its unit written as a word, as it should be: `10 minutes` as `10m`.
#[must_use]
pub fn meant_duration(text: &str) -> Option<String> {
    meant(text, &TIME_WORDS)
}

/// The same of a size.
#[must_use]
pub fn meant_bytes(text: &str) -> Option<String> {
    meant(text, &SIZE_WORDS)
}

fn meant(text: &str, units: &[(&[&str], &str)]) -> Option<String> {
    let (number, unit) = split(text.trim())?;
    let unit = unit.trim().to_ascii_lowercase();
    let (_, short) = units.iter().find(|(words, _)| words.contains(&unit.as_str()))?;
    Some(format!("{number}{short}"))
}

/// The number at the beginning and the rest.
fn split(text: &str) -> Option<(u64, &str)> {
    let length = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..length].parse().ok()?, &text[length..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plan::wording::{show_bytes, show_ms};

    #[test]
    fn units_that_are_words_are_understood_where_there_is_no_doubt() {
        for (text, meant) in [("10 minutes", "10m"), ("1sec", "1s"), ("2 Hours", "2h"), ("500 millis", "500ms"), ("3 days", "3d")] {
            assert_eq!(meant_duration(text).as_deref(), Some(meant), "{text}");
            assert!(parse_duration_ms(text).is_none() && parse_duration_ms(meant).is_some(), "{text}");
        }
        for (text, meant) in [("64 megabytes", "64MB"), ("1 gibibyte", "1GiB"), ("7bytes", "7B")] {
            assert_eq!(meant_bytes(text).as_deref(), Some(meant), "{text}");
            assert!(parse_bytes(text).is_none() && parse_bytes(meant).is_some(), "{text}");
        }
        for text in ["5", "64M", "1 month", "x minutes", "-1 day", "1 hour 2 minutes"] {
            assert_eq!((meant_duration(text), meant_bytes(text)), (None, None), "{text}");
        }
    }

    #[test]
    fn sizes_have_binary_and_decimal_units() {
        let sizes = ["1000", "64KB", "64 KiB", "128MiB", "1gb", "0"].map(|text| parse_bytes(text).unwrap());
        assert_eq!(sizes, [1000, 64_000, 65_536, 134_217_728, 1_000_000_000, 0]);
        for bad in ["", "MiB", "1.5MiB", "-1", "10 furlongs", "99999999999999999999", "99999999999TiB"] {
            assert_eq!(parse_bytes(bad), None, "{bad}");
        }
    }

    #[test]
    fn times_go_from_large_to_small() {
        let times = ["500ms", "10m", "1h30m", "1d", "2m500ms", "0"].map(|text| parse_duration_ms(text).unwrap());
        assert_eq!(times, [500, 600_000, 5_400_000, 86_400_000, 120_500, 0]);
        for bad in ["", "10", "m", "30m1h", "1m1m", "1.5h", "-1s", "1h 30m", "99999999999999999d"] {
            assert_eq!(parse_duration_ms(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(number in 0_u64..1 << 50) {
            prop_assert_eq!(parse_bytes(&show_bytes(number)), Some(number));
            prop_assert_eq!(parse_duration_ms(&show_ms(number)), Some(number));
        }

        #[test]
        fn no_text_panics(text in ".{0,20}") {
            let _ = (parse_bytes(&text), parse_duration_ms(&text));
        }
    }
}
