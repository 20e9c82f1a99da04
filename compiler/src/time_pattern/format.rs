//! Writing a time with a pattern.

use jiff::Zoned;
use jiff::tz::Offset;

use super::{OffsetStyle, TimePart, TimePattern, Token};

const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

impl TimePattern {
    /// The time in this pattern. Words are English, weeks are those of ISO 8601.
    #[must_use]
    pub fn format(&self, time: &Zoned) -> String {
        let mut out = String::with_capacity(32);
        for token in self.tokens() {
            match token {
                Token::Literal(text) => out.push_str(text),
                Token::Number { part, width } => digits(&mut out, number(time, *part), usize::from(*width)),
                Token::TwoDigitYear => digits(&mut out, i64::from(time.year()).rem_euclid(100), 2),
                Token::Fraction { digits } => {
                    let nanoseconds = format!("{:09}", time.subsec_nanosecond());
                    out.push_str(&nanoseconds[..usize::from(*digits).min(9)]);
                }
                Token::MonthName { full } => word(&mut out, &MONTHS, i64::from(time.month()), *full),
                Token::WeekdayName { full } => {
                    word(&mut out, &WEEKDAYS, i64::from(time.weekday().to_monday_one_offset()), *full);
                }
                Token::AmPm => out.push_str(if time.hour() < 12 { "AM" } else { "PM" }),
                Token::Offset { zulu, style } => offset(&mut out, time.offset(), *zulu, *style),
            }
        }
        out
    }
}

fn number(time: &Zoned, part: TimePart) -> i64 {
    let hour = i64::from(time.hour());
    match part {
        TimePart::Year => i64::from(time.year()),
        TimePart::WeekYear => i64::from(time.date().iso_week_date().year()),
        TimePart::Quarter => (i64::from(time.month()) - 1) / 3 + 1,
        TimePart::Month => i64::from(time.month()),
        TimePart::Week => i64::from(time.date().iso_week_date().week()),
        TimePart::DayOfYear => i64::from(time.day_of_year()),
        TimePart::Day => i64::from(time.day()),
        TimePart::Hour => hour,
        TimePart::HourFrom1 => {
            if hour == 0 {
                24
            } else {
                hour
            }
        }
        TimePart::Hour12 => (hour + 11) % 12 + 1,
        TimePart::Hour12From0 => hour % 12,
        TimePart::Minute => i64::from(time.minute()),
        TimePart::Second => i64::from(time.second()),
    }
}

fn digits(out: &mut String, number: i64, width: usize) {
    if number < 0 {
        out.push('-');
    }
    out.push_str(&format!("{:0width$}", number.unsigned_abs()));
}

/// The word with this number, counted from 1; its first three letters if not `full`.
fn word(out: &mut String, words: &[&str], number: i64, full: bool) {
    let index = usize::try_from(number - 1).unwrap_or(0);
    let text = words.get(index).copied().unwrap_or_default();
    out.push_str(if full { text } else { text.get(..3).unwrap_or(text) });
}

fn offset(out: &mut String, offset: Offset, zulu: bool, style: OffsetStyle) {
    let minutes = offset.seconds() / 60;
    if zulu && minutes == 0 {
        out.push('Z');
        return;
    }
    out.push(if minutes < 0 { '-' } else { '+' });
    let (hours, minutes) = (minutes.abs() / 60, minutes.abs() % 60);
    out.push_str(&format!("{hours:02}"));
    match style {
        OffsetStyle::Hours if minutes == 0 => {}
        OffsetStyle::Hours | OffsetStyle::Basic => out.push_str(&format!("{minutes:02}")),
        OffsetStyle::Extended => out.push_str(&format!(":{minutes:02}")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn format(pattern: &str, time: &str) -> String {
        TimePattern::parse(pattern).unwrap().format(&time.parse().unwrap())
    }

    const EVENING: &str = "2022-03-07T21:05:09.0123+11:00[Australia/Sydney]";

    /// What java.time's formatter writes in English for three times; weeks apart, which depend on a country there and are ISO's here.
    const JAVA: &[(&str, &str, &str, &str)] = &[
        ("yyyy/MM/dd/HH", "2022/03/07/21", "2024/12/30/00", "0987/01/01/12"),
        ("yy-M-d", "22-3-7", "24-12-30", "87-1-1"),
        ("y", "2022", "2024", "987"),
        ("yyy", "2022", "2024", "987"),
        ("uuuu", "2022", "2024", "0987"),
        ("Q", "1", "4", "1"),
        ("QQ", "01", "04", "01"),
        ("MMM", "Mar", "Dec", "Jan"),
        ("MMMM", "March", "December", "January"),
        ("LL", "03", "12", "01"),
        ("L", "3", "12", "1"),
        ("d", "7", "30", "1"),
        ("dd", "07", "30", "01"),
        ("D", "66", "365", "1"),
        ("DDD", "066", "365", "001"),
        ("E", "Mon", "Mon", "Mon"),
        ("EEE", "Mon", "Mon", "Mon"),
        ("EEEE", "Monday", "Monday", "Monday"),
        ("H", "21", "0", "12"),
        ("HH", "21", "00", "12"),
        ("k", "21", "24", "12"),
        ("kk", "21", "24", "12"),
        ("h a", "9 PM", "12 AM", "12 PM"),
        ("hh:mm a", "09:05 PM", "12:00 AM", "12:34 PM"),
        ("K a", "9 PM", "0 AM", "0 PM"),
        ("KK", "09", "00", "00"),
        ("m", "5", "0", "34"),
        ("mm", "05", "00", "34"),
        ("s", "9", "0", "56"),
        ("ss", "09", "00", "56"),
        ("S", "0", "0", "7"),
        ("SSS", "012", "000", "789"),
        ("SSSSSS", "012300", "000000", "789000"),
        ("SSSSSSSSS", "012300000", "000000000", "789000000"),
        ("X", "+11", "Z", "-0330"),
        ("XX", "+1100", "Z", "-0330"),
        ("HHXXX", "21+11:00", "00Z", "12-03:30"),
        ("x", "+11", "+00", "-0330"),
        ("xx", "+1100", "+0000", "-0330"),
        ("xxx", "+11:00", "+00:00", "-03:30"),
        ("Z", "+1100", "+0000", "-0330"),
        ("'year'=yyyy/'month'=MM/'day'=dd", "year=2022/month=03/day=07", "year=2024/month=12/day=30", "year=0987/month=01/day=01"),
        ("''yyyy''", "'2022'", "'2024'", "'0987'"),
        ("'o''clock' HH", "o'clock 21", "o'clock 00", "o'clock 12"),
        ("yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "2022-03-07T21:05:09.012+11:00", "2024-12-30T00:00:00.000Z", "0987-01-01T12:34:56.789-03:30"),
        ("yyyyMMdd", "20220307", "20241230", "09870101"),
        ("HH_mm", "21_05", "00_00", "12_34"),
        ("dd.MM.yyyy", "07.03.2022", "30.12.2024", "01.01.0987"),
    ];

    #[test]
    fn patterns_mean_what_they_mean_in_java() {
        let times = [EVENING, "2024-12-30T00:00:00Z[UTC]", "0987-01-01T12:34:56.789-03:30[-03:30]"];
        for (pattern, first, second, third) in JAVA {
            let written = times.map(|time| format(pattern, time));
            assert_eq!(written, [*first, *second, *third], "{pattern}");
        }
    }

    #[test]
    fn folders_of_a_day() {
        assert_eq!(format("yyyy/MM/dd/HH", EVENING), "2022/03/07/21");
        assert_eq!(format("'year'=yyyy/'month'=MM/'day'=dd", EVENING), "year=2022/month=03/day=07");
        assert_eq!(format("yy-M-d", EVENING), "22-3-7");
    }

    #[test]
    fn words_and_halves_of_the_day() {
        assert_eq!(format("EEE d MMM y", EVENING), "Mon 7 Mar 2022");
        assert_eq!(format("EEEE MMMM", EVENING), "Monday March");
        assert_eq!(format("hh:mm a", EVENING), "09:05 PM");
        assert_eq!(format("K k h a", "2022-01-01T00:00:00Z[UTC]"), "0 24 12 AM");
        assert_eq!(format("K k h a", "2022-01-01T12:00:00Z[UTC]"), "0 12 12 PM");
    }

    #[test]
    fn fractions_are_cut() {
        assert_eq!(format("ss.SSS", EVENING), "09.012");
        assert_eq!(format("SSSSSSSSS", EVENING), "012300000");
    }

    #[test]
    fn weeks_have_a_year_of_their_own() {
        let last_day = "2024-12-31T00:00:00Z[UTC]";
        assert_eq!(format("yyyy YYYY-'W'ww", last_day), "2024 2025-W01");
        assert_eq!(format("D Q", last_day), "366 4");
        assert_eq!(format("DDD", "2024-01-05T00:00:00Z[UTC]"), "005");
    }

    #[test]
    fn distances_from_utc() {
        assert_eq!(format("HHX", EVENING), "21+11");
        assert_eq!(format("HHXX", "2022-03-07T21:00:00+05:30[Asia/Kolkata]"), "21+0530");
        assert_eq!(format("HHx", "2022-03-07T21:00:00+05:30[Asia/Kolkata]"), "21+0530");
        assert_eq!(format("HHxxx", "2022-03-07T21:00:00-03:30[-03:30]"), "21-03:30");
        assert_eq!(format("HHX HHx", "2022-03-07T21:00:00Z[UTC]"), "21Z 21+00");
    }

    proptest! {
        #[test]
        fn what_a_day_pattern_writes_is_read_back(second in -2_000_000_000_i64..4_000_000_000) {
            let time = jiff::Timestamp::from_second(second).unwrap().in_tz("UTC").unwrap();
            let text = TimePattern::parse("yyyy-MM-dd'T'HH:mm:ssXXX").unwrap().format(&time);
            prop_assert_eq!(text.parse::<jiff::Timestamp>().unwrap(), time.timestamp());
        }
    }
}
