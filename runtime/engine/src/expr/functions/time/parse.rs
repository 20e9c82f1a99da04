//! Times read with a pattern.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use kpipe_compiler::time_pattern::{OffsetStyle, TimePart, TimePattern, Token};

use super::super::super::step::Problem;

const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

const OTHER: Problem = Problem::new("the text does not fit the pattern");
const NO_TIME: Problem = Problem::new("no such time");

/// What a text said.
#[derive(Default)]
struct Parts {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    hour: Option<i64>,
    hour12: Option<i64>,
    is_afternoon: bool,
    minute: i64,
    second: i64,
    nanosecond: i64,
    offset: Option<Offset>,
}

/// Microseconds since 1970 of a text. What the pattern does not show is the first of its kind.
pub(super) fn parse(pattern: &TimePattern, zone: &TimeZone, text: &str) -> Result<i64, Problem> {
    let (mut parts, mut rest) = (Parts::default(), text);
    for token in pattern.tokens() {
        rest = parts.take(token, rest).ok_or(OTHER)?;
    }
    if !rest.is_empty() {
        return Err(OTHER);
    }
    let time = parts.civil().ok_or(NO_TIME)?;
    let instant = match parts.offset {
        Some(offset) => offset.to_timestamp(time),
        // A time that a clock skips is moved on; of one that it shows twice the first is taken.
        None => zone.to_ambiguous_timestamp(time).compatible(),
    };
    instant.map(|instant| instant.as_microsecond()).map_err(|_| NO_TIME)
}

impl Parts {
    /// Reads a token from the beginning of a text, and gives the rest.
    fn take<'t>(&mut self, token: &Token, text: &'t str) -> Option<&'t str> {
        match token {
            Token::Literal(literal) => text.strip_prefix(literal.as_str()),
            Token::Number { part, width } => {
                let (number, rest) = match (width, part) {
                    (1, TimePart::Year) => digits(text, 1, 6)?,
                    (1, TimePart::DayOfYear) => digits(text, 1, 3)?,
                    (1, _) => digits(text, 1, 2)?,
                    (width, _) => digits(text, usize::from(*width), usize::from(*width))?,
                };
                self.number(*part, number)?;
                Some(rest)
            }
            Token::TwoDigitYear => {
                let (number, rest) = digits(text, 2, 2)?;
                self.year = Some(2000 + number);
                Some(rest)
            }
            Token::Fraction { digits: count } => {
                let count = usize::from(*count);
                let (number, rest) = digits(text, count, count)?;
                self.nanosecond = number * 10_i64.pow(9 - count.min(9) as u32);
                Some(rest)
            }
            Token::MonthName { full } => {
                let (index, rest) = word(text, &MONTHS, *full)?;
                self.month = Some(index as i64 + 1);
                Some(rest)
            }
            Token::WeekdayName { full } => word(text, &WEEKDAYS, *full).map(|(_, rest)| rest),
            Token::AmPm => {
                let (index, rest) = word(text, &["AM", "PM"], true)?;
                self.is_afternoon = index == 1;
                Some(rest)
            }
            Token::Offset { zulu, style } => {
                let (offset, rest) = offset(text, *zulu, *style)?;
                self.offset = Some(offset);
                Some(rest)
            }
        }
    }

    fn number(&mut self, part: TimePart, number: i64) -> Option<()> {
        match part {
            TimePart::Year => self.year = Some(number),
            TimePart::Month => self.month = Some(number),
            TimePart::Day => self.day = Some(number),
            TimePart::DayOfYear => self.day_of_year = Some(number),
            TimePart::Hour => self.hour = Some(number),
            TimePart::HourFrom1 => self.hour = (1..=24).contains(&number).then_some(number % 24),
            TimePart::Hour12 => self.hour12 = (1..=12).contains(&number).then_some(number % 12),
            TimePart::Hour12From0 => self.hour12 = (0..=11).contains(&number).then_some(number),
            TimePart::Minute => self.minute = number,
            TimePart::Second => self.second = number,
            TimePart::Week | TimePart::WeekYear | TimePart::Quarter => return None,
        }
        let is_hour = matches!(part, TimePart::HourFrom1 | TimePart::Hour12 | TimePart::Hour12From0);
        (!is_hour || self.hour.is_some() || self.hour12.is_some()).then_some(())
    }

    /// The time on the clock; `None` if there is none.
    fn civil(&self) -> Option<DateTime> {
        let small = |number: i64| i8::try_from(number).ok();
        let year = i16::try_from(self.year?).ok()?;
        let day = match self.day_of_year {
            Some(day) => {
                let first = Date::new(year, 1, 1).ok()?;
                let day = first.checked_add(jiff::Span::new().try_days(day - 1).ok()?).ok()?;
                (day.year() == year).then_some(day)?
            }
            None => Date::new(year, small(self.month.unwrap_or(1))?, small(self.day.unwrap_or(1))?).ok()?,
        };
        let hour = match (self.hour, self.hour12) {
            (Some(hour), _) => hour,
            (None, Some(hour)) => hour + if self.is_afternoon { 12 } else { 0 },
            (None, None) => 0,
        };
        let time = Time::new(small(hour)?, small(self.minute)?, small(self.second)?, i32::try_from(self.nanosecond).ok()?);
        Some(day.to_datetime(time.ok()?))
    }
}

/// The number of `least` to `most` digits, and the rest.
fn digits(text: &str, least: usize, most: usize) -> Option<(i64, &str)> {
    let count = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if count < least {
        return None;
    }
    let (digits, rest) = text.split_at(count);
    Some((digits.parse().ok()?, rest))
}

/// The index of the word that a text begins with, in any case; its first three letters if not `full`.
fn word<'t>(text: &'t str, words: &[&str], full: bool) -> Option<(usize, &'t str)> {
    words.iter().enumerate().find_map(|(index, word)| {
        let word = if full { word } else { word.get(..3).unwrap_or(word) };
        let head = text.get(..word.len())?;
        head.eq_ignore_ascii_case(word).then(|| (index, &text[word.len()..]))
    })
}

fn offset(text: &str, zulu: bool, style: OffsetStyle) -> Option<(Offset, &str)> {
    if zulu && let Some(rest) = text.strip_prefix('Z') {
        return Some((Offset::UTC, rest));
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, rest) = digits(&text[1..], 2, 2)?;
    let (minutes, rest) = match style {
        OffsetStyle::Hours => digits(rest, 2, 2).unwrap_or((0, rest)),
        OffsetStyle::Basic => digits(rest, 2, 2)?,
        OffsetStyle::Extended => digits(rest.strip_prefix(':')?, 2, 2)?,
    };
    if minutes > 59 {
        return None;
    }
    let seconds = i32::try_from(sign * (hours * 3600 + minutes * 60)).ok()?;
    Some((Offset::from_seconds(seconds).ok()?, rest))
}
