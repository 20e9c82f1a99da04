//! Times as folders. A pattern is written once per hour, day or whatever it shows; most rows only compare.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use kpipe_compiler::time_pattern::{TimePart, TimePattern, Token};

/// How many spans are remembered: late records switch between a few.
const SPANS_MAX: usize = 64;
const SECOND_US: i64 = 1_000_000;
const HOUR_US: i64 = 3600 * SECOND_US;
/// Zones change their distance to UTC at multiples of this, nowadays.
const QUARTER_US: i64 = HOUR_US / 4;
const DAY_US: i64 = 24 * HOUR_US;

/// One time level of a path.
pub(super) struct Times {
    pattern: TimePattern,
    zone: TimeZone,
    name: Option<String>,
    /// The finest unit that the pattern shows.
    step_us: i64,
    spans: Vec<Span>,
    /// The span of the last row.
    last: usize,
}

/// All times from `start` to before `end` have the same text.
#[derive(Clone, Copy)]
struct Span {
    start: i64,
    end: i64,
    number: u32,
}

impl Times {
    pub(super) fn new(pattern: &str, zone: &str, name: Option<&str>) -> Result<Self, String> {
        let pattern = TimePattern::parse(pattern).map_err(|error| error.to_string())?;
        let zone = TimeZone::get(zone).map_err(|error| error.to_string())?;
        let step_us = pattern.tokens().iter().map(step).min().unwrap_or(DAY_US);
        Ok(Self { pattern, zone, name: name.map(str::to_owned), step_us, spans: Vec::new(), last: 0 })
    }

    /// The number of the folders of a time, given by `number` where the text was not made yet.
    #[inline]
    pub(super) fn number(&mut self, us: i64, number: impl FnOnce(String) -> Result<u32, String>) -> Result<u32, String> {
        match self.spans.get(self.last) {
            Some(span) if span.start <= us && us < span.end => Ok(span.number),
            _ => self.find(us, number),
        }
    }

    #[cold]
    fn find(&mut self, us: i64, number: impl FnOnce(String) -> Result<u32, String>) -> Result<u32, String> {
        if let Some(index) = self.spans.iter().position(|span| span.start <= us && us < span.end) {
            self.last = index;
            return Ok(self.spans[index].number);
        }
        let out_of_range = || "time out of range".to_owned();
        let time = Timestamp::from_microsecond(us).map_err(|_| out_of_range())?;
        let text = self.pattern.format(&time.to_zoned(self.zone.clone()));
        let number = number(match &self.name {
            Some(name) => format!("{name}={text}"),
            None => text,
        })?;
        let (start, end) = self.span(us, time);
        let span = Span { start, end, number };
        self.last = if self.spans.len() < SPANS_MAX { self.spans.len() } else { (self.last + 1) % SPANS_MAX };
        match self.spans.get_mut(self.last) {
            Some(old) => *old = span,
            None => self.spans.push(span),
        }
        Ok(number)
    }

    /// The times around `us` with the same text: a day, hour or minute of the clock there, less where the clock is changed within it.
    fn span(&self, us: i64, time: Timestamp) -> (i64, i64) {
        let offset = self.zone.to_offset(time);
        let local = us + i64::from(offset.seconds()) * SECOND_US;
        let same = |us: i64| Timestamp::from_microsecond(us).is_ok_and(|time| self.zone.to_offset(time) == offset);
        [self.step_us, QUARTER_US]
            .into_iter()
            .filter(|step| *step <= self.step_us)
            .map(|step| {
                let start = us - local.rem_euclid(step);
                (start, start + step)
            })
            .find(|(start, end)| same(*start) && same(*end - 1))
            .unwrap_or((us, us + 1))
    }

    /// Forgets the numbers.
    pub(super) fn forget(&mut self) {
        self.spans.clear();
    }
}

fn step(token: &Token) -> i64 {
    match token {
        Token::Literal(_) | Token::TwoDigitYear | Token::MonthName { .. } | Token::WeekdayName { .. } => DAY_US,
        Token::Fraction { .. } => 1,
        Token::AmPm | Token::Offset { .. } => HOUR_US,
        Token::Number { part, .. } => match part {
            TimePart::Year | TimePart::WeekYear | TimePart::Quarter | TimePart::Month | TimePart::Week => DAY_US,
            TimePart::DayOfYear | TimePart::Day => DAY_US,
            TimePart::Hour | TimePart::HourFrom1 | TimePart::Hour12 | TimePart::Hour12From0 => HOUR_US,
            TimePart::Minute => 60 * SECOND_US,
            TimePart::Second => SECOND_US,
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn us(time: &str) -> i64 {
        time.parse::<Timestamp>().unwrap().as_microsecond()
    }

    /// Texts of times by way of the cache, and how many were made.
    fn texts(pattern: &str, zone: &str, times: &[i64]) -> (Vec<String>, usize) {
        let mut cache = Times::new(pattern, zone, None).unwrap();
        let mut made: Vec<String> = Vec::new();
        let mut texts = Vec::new();
        for time in times {
            let number = cache.number(*time, |text| {
                made.push(text);
                Ok(made.len() as u32 - 1)
            });
            texts.push(made[number.unwrap() as usize].clone());
        }
        (texts, made.len())
    }

    #[test]
    fn a_day_is_written_once() {
        let day = us("2022-03-07T00:00:00Z");
        let times: Vec<i64> = (0..1000).map(|row| day + row * 86_399_999_999 / 999).collect();
        let (found, made) = texts("'year'=yyyy/'month'=MM/'day'=dd", "UTC", &times);
        assert!(made == 1 && found.iter().all(|text| text == "year=2022/month=03/day=07"));
        let (found, _) = texts("yyyy-MM-dd", "UTC", &[day - 1, day, day + DAY_US]);
        assert_eq!(found, ["2022-03-06", "2022-03-07", "2022-03-08"]);
    }

    #[test]
    fn late_records_are_remembered_too() {
        let hour = us("2022-03-07T05:00:00Z");
        let times: Vec<i64> = (0..100).map(|row| hour + row % 2 * HOUR_US + row).collect();
        assert_eq!(texts("HH", "UTC", &times).1, 2);
        let many: Vec<i64> = (0..300).map(|row| hour + row * HOUR_US).collect();
        assert_eq!(texts("yyyyMMddHH", "UTC", &many).1, 300);
    }

    #[test]
    fn names_stand_in_front() {
        let mut times = Times::new("yyyy-MM-dd'/hour='HH", "UTC", Some("date")).unwrap();
        let mut text = String::new();
        times
            .number(us("2022-03-07T05:00:00Z"), |made| {
                text = made;
                Ok(0)
            })
            .unwrap();
        assert_eq!(text, "date=2022-03-07/hour=05");
    }

    #[test]
    fn what_cannot_be_written_is_an_error() {
        let mut times = Times::new("yyyy", "UTC", None).unwrap();
        assert_eq!(times.number(i64::MAX, |_| Ok(0)), Err("time out of range".to_owned()));
        assert_eq!(times.number(i64::MIN, |_| Ok(0)), Err("time out of range".to_owned()));
        assert!(Times::new("yyyy", "Nowhere/Land", None).is_err());
        assert!(Times::new("'yyyy", "UTC", None).is_err());
    }

    proptest! {
        #[test]
        fn the_cache_changes_nothing(
            zone in prop::sample::select(vec!["UTC", "America/Los_Angeles", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Monrovia", "Pacific/Apia"]),
            pattern in prop::sample::select(vec!["yyyy-MM-dd", "yyyy/MM/dd/HH", "HHmm", "yyyy-MM-dd'T'HH:mm:ssXXX", "mm:ss.SSS", "YYYY-'W'ww a"]),
            base in prop::sample::select(vec!["2024-03-10T09:30:00Z", "2024-11-03T08:30:00Z", "2024-04-06T14:30:00Z", "1972-01-07T00:00:00Z", "2011-12-30T09:59:00Z", "1919-03-31T05:00:00Z"]),
            steps in prop::collection::vec(-40_000_000_000_i64..40_000_000_000, 1..60),
        ) {
            let mut time = us(base);
            let times: Vec<i64> = steps.iter().map(|step| { time += step; time }).collect();
            let (found, _) = texts(pattern, zone, &times);
            let pattern = TimePattern::parse(pattern).unwrap();
            for (time, found) in times.iter().zip(found) {
                let zoned = Timestamp::from_microsecond(*time).unwrap().to_zoned(TimeZone::get(zone).unwrap());
                prop_assert_eq!(found, pattern.format(&zoned));
            }
        }
    }
}
