//! Date patterns of folders: java.time's letters, and Joda's where another sink's layout is kept.
//!
//! A pattern is checked and cut into tokens here, once; the engine writes times with the tokens.

mod format;

use thiserror::Error;

/// Longest pattern, in bytes.
pub const PATTERN_BYTES_MAX: usize = 256;

/// One piece of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// This text. A `/` in it begins a folder.
    Literal(String),
    /// A part of the time as a number, filled up with zeros on the left to `width` digits.
    Number {
        /// Which part.
        part: TimePart,
        /// Least number of digits.
        width: u8,
    },
    /// The year's last two digits.
    TwoDigitYear,
    /// The first digits of the fraction of the second, cut and not rounded.
    Fraction {
        /// How many digits, 1 to 9.
        digits: u8,
    },
    /// `Jan`, or `January`.
    MonthName {
        /// The whole word.
        full: bool,
    },
    /// `Mon`, or `Monday`.
    WeekdayName {
        /// The whole word.
        full: bool,
    },
    /// `AM` or `PM`.
    AmPm,
    /// The zone's distance from UTC.
    Offset {
        /// `Z` instead of zero.
        zulu: bool,
        /// How it is written.
        style: OffsetStyle,
    },
}

/// Parts of a time that are numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimePart {
    /// `y`, `u`: the calendar year.
    Year,
    /// `Y`: the year that the ISO week belongs to.
    WeekYear,
    /// `Q`: 1 to 4.
    Quarter,
    /// `M`, `L`: 1 to 12.
    Month,
    /// `w`: the ISO week, 1 to 53.
    Week,
    /// `D`: 1 to 366.
    DayOfYear,
    /// `d`: 1 to 31.
    Day,
    /// `H`: 0 to 23.
    Hour,
    /// `k`: 1 to 24.
    HourFrom1,
    /// `h`: 1 to 12.
    Hour12,
    /// `K`: 0 to 11.
    Hour12From0,
    /// `m`.
    Minute,
    /// `s`.
    Second,
}

/// How a distance from UTC is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OffsetStyle {
    /// `+10`, with minutes only where they are not zero.
    Hours,
    /// `+1000`.
    Basic,
    /// `+10:00`.
    Extended,
}

/// Whose letters a pattern is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Java,
    Joda,
}

/// A pattern that can be written for any time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimePattern {
    tokens: Vec<Token>,
    traps: Vec<Trap>,
    java: String,
}

/// Where in the pattern, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// A pattern that cannot be used, and where it goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{kind}")]
pub struct PatternError {
    /// What is wrong.
    pub kind: PatternErrorKind,
    /// The letters that are wrong.
    pub at: At,
}

/// What is wrong with a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PatternErrorKind {
    /// A letter without a meaning.
    #[error("`{0}` is not a letter of a date pattern")]
    Letter(char),
    /// `ddd`.
    #[error("`{letter}` is written at most {max} times, here {count} times")]
    Count {
        /// The letter.
        letter: char,
        /// How often it stands here.
        count: usize,
        /// How often it may.
        max: usize,
    },
    /// `'year`.
    #[error("the quote is not closed")]
    Quote,
    /// `[`, `{`, `#`.
    #[error("`{0}` is reserved in date patterns: quote it")]
    Reserved(char),
    /// `%Y`.
    #[error("`{0}` is a strftime letter, but a date pattern has java.time's")]
    Strftime(String),
    /// A control character or a backslash.
    #[error("a folder cannot have this character")]
    Character,
    /// `a//b`, `/a`, `..`.
    #[error("the pattern makes an empty folder, `.` or `..`")]
    Folder,
    /// Only literals.
    #[error("the pattern has no letter of a date or a time")]
    NoField,
    /// Longer than any sensible one.
    #[error("a date pattern has at most {PATTERN_BYTES_MAX} bytes")]
    TooLong,
}

impl PatternErrorKind {
    /// What to write instead.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::Strftime(_) => "`%Y-%m-%d` is written `yyyy-MM-dd`",
            Self::Letter(_) | Self::Reserved(_) => "text that is meant as it is stands in quotes: 'year'=yyyy",
            Self::Quote => "a quote as such is written ''",
            Self::Count { .. } | Self::NoField | Self::TooLong => "letters: y year, M month, d day, H hour, m minute, s second, S fraction",
            Self::Character | Self::Folder => "each `/` begins a folder: yyyy/MM/dd",
        }
    }
}

/// A pattern that is right by its letters but hardly what was meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TrapKind {
    /// `YYYY`.
    #[error("`Y` is the year of the week: the last days of December can show the next year")]
    WeekYear,
    /// `yyyy-mm-dd`.
    #[error("`m` is the minute; the month is `M`")]
    MinuteForMonth,
    /// `yyyy-MM-DD`.
    #[error("`D` is the day of the year; the day of the month is `d`")]
    DayOfYear,
    /// `hh` without `a`.
    #[error("`h` is an hour of twelve: morning and evening share a folder; the hour of 24 is `H`")]
    HalfDay,
}

/// A [`TrapKind`] and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trap {
    /// What it is.
    pub kind: TrapKind,
    /// The letters.
    pub at: At,
}

impl TimePattern {
    /// Reads a java.time pattern.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        parse(text, Dialect::Java)
    }

    /// Reads a Joda pattern, in which `YYYY` is the calendar year.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn parse_joda(text: &str) -> Result<Self, PatternError> {
        parse(text, Dialect::Joda)
    }

    /// Whether times can be read with it.
    ///
    /// # Errors
    ///
    /// Why not, as a fragment of a sentence.
    pub fn can_be_read(&self) -> Result<(), &'static str> {
        let has = |wanted: TimePart| self.tokens.iter().any(|token| matches!(token, Token::Number { part, .. } if *part == wanted));
        if has(TimePart::Week) || has(TimePart::WeekYear) || has(TimePart::Quarter) {
            return Err("a time is not read from weeks and quarters");
        }
        let has_year = has(TimePart::Year) || self.tokens.contains(&Token::TwoDigitYear);
        if has_year { Ok(()) } else { Err("a time is not read without its year") }
    }

    /// The pieces, in order. Never empty.
    #[must_use]
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// What is hardly meant.
    #[must_use]
    pub fn traps(&self) -> &[Trap] {
        &self.traps
    }

    /// True if a literal holds a `=`: then the folders have their names already, as in `'year'=yyyy`.
    #[must_use]
    pub fn names_folders(&self) -> bool {
        self.tokens.iter().any(|token| matches!(token, Token::Literal(text) if text.contains('=')))
    }

    /// The pattern in java.time's letters; as it was written, if it was written so.
    #[must_use]
    pub fn to_java(&self) -> &str {
        &self.java
    }
}

/// One run of equal letters, a quoted text or a single other character.
struct Run {
    letter: char,
    count: usize,
    at: At,
}

fn parse(text: &str, dialect: Dialect) -> Result<TimePattern, PatternError> {
    if text.len() > PATTERN_BYTES_MAX {
        return Err(PatternError { kind: PatternErrorKind::TooLong, at: At { start: 0, end: text.len() } });
    }
    let mut tokens: Vec<Token> = Vec::new();
    let mut runs: Vec<Run> = Vec::new();
    let mut rest = text.char_indices().peekable();
    while let Some((start, c)) = rest.next() {
        let fail = |kind, end| Err(PatternError { kind, at: At { start, end } });
        let next = start + c.len_utf8();
        match c {
            '\'' => {
                let (literal, end) = quoted(text, start, dialect)?;
                while rest.next_if(|(index, _)| *index < end).is_some() {}
                push_literal(&mut tokens, &literal);
            }
            '[' | ']' | '{' | '}' | '#' => return fail(PatternErrorKind::Reserved(c), next),
            '%' if rest.peek().is_some_and(|(_, c)| c.is_ascii_alphabetic()) => {
                return fail(PatternErrorKind::Strftime(text[start..=next].to_owned()), next + 1);
            }
            _ if c.is_ascii_alphabetic() => {
                let mut count = 1;
                while rest.next_if(|(_, other)| *other == c).is_some() {
                    count += 1;
                }
                let at = At { start, end: start + count };
                tokens.push(token(c, count, dialect).map_err(|kind| PatternError { kind, at })?);
                runs.push(Run { letter: c, count, at });
            }
            _ => push_literal(&mut tokens, c.encode_utf8(&mut [0; 4])),
        }
    }
    let whole = At { start: 0, end: text.len() };
    if runs.is_empty() {
        return Err(PatternError { kind: PatternErrorKind::NoField, at: whole });
    }
    check_folders(&tokens).map_err(|kind| PatternError { kind, at: whole })?;
    let java = match dialect {
        Dialect::Java => text.to_owned(),
        Dialect::Joda => java_text(&tokens),
    };
    Ok(TimePattern { traps: traps(&runs, dialect), tokens, java })
}

/// The text between the quote at `start` and its partner, and the index behind that one. `''` is a quote.
///
/// The dialects differ where a `''` comes first: to Joda it is a quote outside of any quoted text, so that `''''` is two. To java.time it is
/// already within the text that the first quote began, so that `''''` is one.
fn quoted(text: &str, start: usize, dialect: Dialect) -> Result<(String, usize), PatternError> {
    let inside = start + 1;
    let quotes = text[inside..].len() - text[inside..].trim_start_matches('\'').len();
    if quotes == 1 || (quotes > 0 && dialect == Dialect::Joda) {
        return Ok(("'".to_owned(), inside + 1));
    }
    let mut literal = String::new();
    let mut from = inside;
    while let Some(length) = text[from..].find('\'') {
        literal.push_str(&text[from..from + length]);
        from += length + 1;
        if !text[from..].starts_with('\'') {
            return Ok((literal, from));
        }
        literal.push('\'');
        from += 1;
    }
    Err(PatternError { kind: PatternErrorKind::Quote, at: At { start, end: text.len() } })
}

fn push_literal(tokens: &mut Vec<Token>, text: &str) {
    match tokens.last_mut() {
        Some(Token::Literal(literal)) => literal.push_str(text),
        Some(
            Token::Number { .. }
            | Token::TwoDigitYear
            | Token::Fraction { .. }
            | Token::MonthName { .. }
            | Token::WeekdayName { .. }
            | Token::AmPm
            | Token::Offset { .. },
        )
        | None => tokens.push(Token::Literal(text.to_owned())),
    }
}

fn token(letter: char, count: usize, dialect: Dialect) -> Result<Token, PatternErrorKind> {
    let joda = dialect == Dialect::Joda;
    let upto = |max: usize, token: Token| {
        if count <= max { Ok(token) } else { Err(PatternErrorKind::Count { letter, count, max }) }
    };
    // No arm allows more than nine letters.
    let width = u8::try_from(count).unwrap_or(u8::MAX);
    let number = |part| Token::Number { part, width };
    match letter {
        'y' | 'u' if letter == 'y' || !joda => year(TimePart::Year, count, letter),
        'Y' if joda => year(TimePart::Year, count, letter),
        'x' if joda => year(TimePart::WeekYear, count, letter),
        'Y' => year(TimePart::WeekYear, count, letter),
        'M' | 'L' if count > 2 && (letter == 'M' || !joda) => upto(4, Token::MonthName { full: count == 4 }),
        'M' => Ok(number(TimePart::Month)),
        'L' if !joda => Ok(number(TimePart::Month)),
        'E' => upto(4, Token::WeekdayName { full: count == 4 }),
        'Q' if !joda => upto(2, number(TimePart::Quarter)),
        'w' => upto(2, number(TimePart::Week)),
        'D' => upto(3, number(TimePart::DayOfYear)),
        'd' => upto(2, number(TimePart::Day)),
        'H' => upto(2, number(TimePart::Hour)),
        'k' => upto(2, number(TimePart::HourFrom1)),
        'h' => upto(2, number(TimePart::Hour12)),
        'K' => upto(2, number(TimePart::Hour12From0)),
        'm' => upto(2, number(TimePart::Minute)),
        's' => upto(2, number(TimePart::Second)),
        'S' => upto(9, Token::Fraction { digits: width }),
        'a' => upto(1, Token::AmPm),
        'Z' if joda => upto(2, offset(false, count + 1)),
        'Z' => upto(3, offset(false, 2)),
        'x' | 'X' if !joda => upto(3, offset(letter == 'X', count)),
        _ => Err(PatternErrorKind::Letter(letter)),
    }
}

fn year(part: TimePart, count: usize, letter: char) -> Result<Token, PatternErrorKind> {
    match (part, count) {
        (TimePart::Year, 2) => Ok(Token::TwoDigitYear),
        (_, 1 | 3 | 4) => Ok(Token::Number { part, width: u8::try_from(count).unwrap_or(4) }),
        _ => Err(PatternErrorKind::Count { letter, count, max: 4 }),
    }
}

fn offset(zulu: bool, count: usize) -> Token {
    let style = match count {
        1 => OffsetStyle::Hours,
        2 => OffsetStyle::Basic,
        _ => OffsetStyle::Extended,
    };
    Token::Offset { zulu, style }
}

/// Folders are between slashes of literals; a number stands for any text that is neither empty nor dots.
fn check_folders(tokens: &[Token]) -> Result<(), PatternErrorKind> {
    let mut path = String::new();
    for token in tokens {
        match token {
            Token::Literal(text) if text.chars().any(|c| c.is_control() || c == '\\') => {
                return Err(PatternErrorKind::Character);
            }
            Token::Literal(text) => path.push_str(text),
            Token::Number { .. }
            | Token::TwoDigitYear
            | Token::Fraction { .. }
            | Token::MonthName { .. }
            | Token::WeekdayName { .. }
            | Token::AmPm
            | Token::Offset { .. } => path.push('0'),
        }
    }
    if path.split('/').any(|folder| matches!(folder, "" | "." | "..")) {
        return Err(PatternErrorKind::Folder);
    }
    Ok(())
}

fn traps(runs: &[Run], dialect: Dialect) -> Vec<Trap> {
    let has = |letters: &str| runs.iter().any(|run| letters.contains(run.letter));
    let mut traps = Vec::new();
    for run in runs {
        let kind = match run.letter {
            'Y' if dialect == Dialect::Java && !has("w") => TrapKind::WeekYear,
            'm' if !has("HhKk") && !has("M") => TrapKind::MinuteForMonth,
            'D' if run.count < 3 && has("Mm") => TrapKind::DayOfYear,
            'h' | 'K' if !has("a") => TrapKind::HalfDay,
            _ => continue,
        };
        traps.push(Trap { kind, at: run.at });
    }
    traps
}

/// The tokens of a Joda pattern in java.time's letters.
fn java_text(tokens: &[Token]) -> String {
    let mut out = String::new();
    for token in tokens {
        let letters = java(token);
        // Joda has two letters for a year: side by side they are two numbers, and must not become one.
        let other = if letters.starts_with('y') && out.ends_with('y') { letters.replace('y', "u") } else { letters };
        out.push_str(&other);
    }
    out
}

fn java(token: &Token) -> String {
    let letters = |letter: &str, count: u8| letter.repeat(usize::from(count));
    match token {
        Token::Literal(text) => java_literal(text),
        Token::Number { part, width } => letters(java_letter(*part), *width),
        Token::TwoDigitYear => "yy".to_owned(),
        Token::Fraction { digits } => letters("S", *digits),
        Token::MonthName { full } => letters("M", if *full { 4 } else { 3 }),
        Token::WeekdayName { full } => letters("E", if *full { 4 } else { 3 }),
        Token::AmPm => "a".to_owned(),
        Token::Offset { zulu, style } => {
            let count = match style {
                OffsetStyle::Hours => 1,
                OffsetStyle::Basic => 2,
                OffsetStyle::Extended => 3,
            };
            letters(if *zulu { "X" } else { "x" }, count)
        }
    }
}

fn java_letter(part: TimePart) -> &'static str {
    match part {
        TimePart::Year => "y",
        TimePart::WeekYear => "Y",
        TimePart::Quarter => "Q",
        TimePart::Month => "M",
        TimePart::Week => "w",
        TimePart::DayOfYear => "D",
        TimePart::Day => "d",
        TimePart::Hour => "H",
        TimePart::HourFrom1 => "k",
        TimePart::Hour12 => "h",
        TimePart::Hour12From0 => "K",
        TimePart::Minute => "m",
        TimePart::Second => "s",
    }
}

/// A text with quotes around what would mean something else. A `'` is quoted too: several of them side by side are only plain in there.
fn java_literal(text: &str) -> String {
    let is_special = |c: char| c.is_ascii_alphabetic() || matches!(c, '\'' | '[' | ']' | '{' | '}' | '#' | '%');
    let mut out = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let plain = rest.find(is_special).unwrap_or(rest.len());
        let (before, behind) = rest.split_at(plain);
        let special = behind.find(|c| !is_special(c)).unwrap_or(behind.len());
        let (quoted, after) = behind.split_at(special);
        out.push_str(before);
        match quoted {
            "" => {}
            "'" => out.push_str("''"),
            other => out.push_str(&format!("'{}'", other.replace('\'', "''"))),
        }
        rest = after;
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(part: TimePart, width: u8) -> Token {
        Token::Number { part, width }
    }

    fn literal(text: &str) -> Token {
        Token::Literal(text.to_owned())
    }

    fn error(text: &str) -> (PatternErrorKind, usize, usize) {
        let error = TimePattern::parse(text).unwrap_err();
        (error.kind, error.at.start, error.at.end)
    }

    #[test]
    fn a_slash_is_a_literal_between_numbers() {
        let pattern = TimePattern::parse("yyyy/MM/dd/HH").unwrap();
        assert_eq!(
            pattern.tokens(),
            [
                number(TimePart::Year, 4),
                literal("/"),
                number(TimePart::Month, 2),
                literal("/"),
                number(TimePart::Day, 2),
                literal("/"),
                number(TimePart::Hour, 2),
            ]
        );
        assert!(pattern.traps().is_empty() && !pattern.names_folders());
    }

    #[test]
    fn quoted_text_is_meant_as_it_is() {
        let pattern = TimePattern::parse("'year'=yyyy/'o''clock'=HH''").unwrap();
        assert_eq!(
            pattern.tokens(),
            [literal("year="), number(TimePart::Year, 4), literal("/o'clock="), number(TimePart::Hour, 2), literal("'"),]
        );
        assert!(pattern.names_folders());
    }

    #[test]
    fn joda_years_are_calendar_years() {
        let joda = TimePattern::parse_joda("'year'=YYYY/'month'=MM/'day'=dd").unwrap();
        assert_eq!(joda.to_java(), "'year'=yyyy/'month'=MM/'day'=dd");
        assert!(joda.traps().is_empty());
        assert_eq!(TimePattern::parse_joda("xxxx-ww").unwrap().to_java(), "YYYY-ww");
        assert_eq!(TimePattern::parse_joda("HHZZ").unwrap().to_java(), "HHxxx");
        assert!(TimePattern::parse_joda("uuuu").is_err());
    }

    #[test]
    fn what_is_hardly_meant_is_said() {
        let traps = |text: &str| -> Vec<(TrapKind, usize)> {
            TimePattern::parse(text).unwrap().traps().iter().map(|trap| (trap.kind, trap.at.start)).collect()
        };
        assert_eq!(traps("YYYY/MM/dd"), [(TrapKind::WeekYear, 0)]);
        assert_eq!(traps("YYYY-'W'ww"), []);
        assert_eq!(traps("yyyy-mm-dd"), [(TrapKind::MinuteForMonth, 5)]);
        assert_eq!(traps("yyyy-MM-DD"), [(TrapKind::DayOfYear, 8)]);
        assert_eq!(traps("yyyy-DDD"), []);
        assert_eq!(traps("dd/hh"), [(TrapKind::HalfDay, 3)]);
        assert_eq!(traps("dd/hha"), []);
    }

    #[test]
    fn wrong_letters_are_pointed_at() {
        assert_eq!(error("yyyy/bb"), (PatternErrorKind::Letter('b'), 5, 7));
        assert_eq!(error("ddd"), (PatternErrorKind::Count { letter: 'd', count: 3, max: 2 }, 0, 3));
        assert_eq!(error("yyyyy"), (PatternErrorKind::Count { letter: 'y', count: 5, max: 4 }, 0, 5));
        assert_eq!(error("yyyy/'x"), (PatternErrorKind::Quote, 5, 7));
        assert_eq!(error("yyyy[MM]"), (PatternErrorKind::Reserved('['), 4, 5));
        assert_eq!(error("%Y-%m"), (PatternErrorKind::Strftime("%Y".to_owned()), 0, 2));
        assert_eq!(error("'abc'"), (PatternErrorKind::NoField, 0, 5));
        assert_eq!(error(""), (PatternErrorKind::NoField, 0, 0));
        assert_eq!(error(&"y/".repeat(200)).0, PatternErrorKind::TooLong);
    }

    #[test]
    fn folders_are_never_empty_and_never_leave() {
        for bad in ["yyyy//MM", "/yyyy", "yyyy/", "yyyy/../MM", "'.'/yyyy"] {
            assert_eq!(error(bad).0, PatternErrorKind::Folder, "{bad}");
        }
        assert_eq!(error("yyyy\\MM").0, PatternErrorKind::Character);
        assert_eq!(error("yyyy'\n'").0, PatternErrorKind::Character);
        assert!(TimePattern::parse("yyyy..MM").is_ok());
    }

    #[test]
    fn every_letter_is_written_back() {
        for text in [
            "yyyy",
            "yy",
            "y",
            "YYYY'w'ww",
            "Q",
            "MMM",
            "MMMM",
            "D",
            "DDD",
            "d",
            "E",
            "EEEE",
            "kk",
            "hha",
            "KKa",
            "m",
            "ss.SSS",
            "HHX",
            "HHXX",
            "HHxxx",
        ] {
            let pattern = TimePattern::parse(text).unwrap();
            let again = TimePattern::parse(pattern.to_java()).unwrap();
            assert_eq!(again.tokens(), pattern.tokens(), "{text}");
        }
        for (joda, java) in [("HHZ", "HHxx"), ("HHZZ", "HHxxx"), ("yyyyMMdd", "yyyyMMdd"), ("xxxx", "YYYY"), ("MMMM EEE a", "MMMM EEE a")] {
            assert_eq!(TimePattern::parse_joda(joda).unwrap().to_java(), java);
        }
    }

    #[test]
    fn quotes_side_by_side_are_what_each_dialect_says() {
        for (text, java, joda) in [
            ("''y", "'", "'"),
            ("''''y", "'", "''"),
            ("''''''y", "''", "'''"),
            ("'a'''y", "a'", "a'"),
            ("'''a'y", "'a", "'a"),
            ("'a''b'y", "a'b", "a'b"),
            ("'a'-''y", "a-'", "a-'"),
        ] {
            let first = |pattern: &TimePattern| pattern.tokens()[0].clone();
            assert_eq!(first(&TimePattern::parse(text).unwrap()), literal(java), "{text}");
            let pattern = TimePattern::parse_joda(text).unwrap();
            assert_eq!(first(&pattern), literal(joda), "{text} in Joda");
            assert_eq!(first(&TimePattern::parse(pattern.to_java()).unwrap()), literal(joda), "{text} as {}", pattern.to_java());
        }
        for open in ["'y", "'''y", "'''''''y"] {
            assert_eq!(error(open).0, PatternErrorKind::Quote, "{open}");
        }
    }

    #[test]
    fn two_letters_for_a_year_stay_two_numbers() {
        let (one, two) = (number(TimePart::Year, 1), Token::TwoDigitYear);
        for (joda, java, tokens) in [
            ("''''yY", "''''''yu", vec![literal("''"), one.clone(), one.clone()]),
            ("yYy", "yuy", vec![one.clone(), one.clone(), one]),
            ("yyYY", "yyuu", vec![two.clone(), two.clone()]),
            ("YYyyMM", "yyuuMM", vec![two.clone(), two, number(TimePart::Month, 2)]),
        ] {
            let pattern = TimePattern::parse_joda(joda).unwrap();
            assert_eq!((pattern.to_java(), pattern.tokens()), (java, &tokens[..]), "{joda}");
            assert_eq!(TimePattern::parse(java).unwrap().tokens(), tokens, "{java}");
        }
        assert_eq!(TimePattern::parse("uyMLZxx").unwrap().to_java(), "uyMLZxx", "what is java.time's already stays");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_survives_printing(text in "[a-zA-Z'/=.%\\[é -]{0,24}") {
            for pattern in [TimePattern::parse(&text), TimePattern::parse_joda(&text)] {
                match pattern {
                    Ok(pattern) => {
                        let again = TimePattern::parse(pattern.to_java()).unwrap();
                        prop_assert_eq!(again.tokens(), pattern.tokens());
                    }
                    Err(error) => prop_assert!(text.is_char_boundary(error.at.start) && text.is_char_boundary(error.at.end)),
                }
            }
        }
    }
}
