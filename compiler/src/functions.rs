//! The functions of expressions: names, what they take and give, what they are for. The engine computes them by these names.
//!
//! Each example is a condition that is true; a test evaluates all of them.

use crate::plan::{DataType, TimeUnit};
use crate::time_pattern::TimePattern;

/// One function.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// As it is written, in small letters.
    pub name: &'static str,
    /// What it takes, in order.
    pub params: &'static [Param],
    /// How many of the last ones can be left out.
    pub optional: usize,
    /// The last one can stand any number of times.
    pub variadic: bool,
    /// What it gives.
    pub returns: Returns,
    /// When the result is null.
    pub nulls: Nulls,
    /// One sentence.
    pub summary: &'static str,
    /// Conditions that are true.
    pub examples: &'static [&'static str],
}

/// What stands in a place of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Param {
    /// A text. What no schema names is one.
    Text,
    /// A text that is written out in the statement, and what it is.
    Written(Written),
    /// One of these words, written out.
    Word(&'static [&'static str]),
    /// A whole number, taken as `bigint`.
    Integer,
    /// Any number, as it is.
    Number,
    /// A number, taken as `double`.
    Double,
    /// A timestamp, taken with microseconds.
    Timestamp,
    /// A value of any single type; all such places of a call have one type.
    Same,
}

/// What a text that is written out has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// A java.time pattern.
    TimePattern,
    /// The same, of a time that is to be read.
    TimeToRead,
    /// A name of the time zone database.
    Zone,
    /// A regular expression.
    Regex,
    /// Names and numbers with dots between them.
    JsonPath,
}

/// The largest regular expression, in bytes of its compiled form.
pub const REGEX_BYTES_MAX: usize = 1 << 20;

impl Written {
    /// As a signature shows it.
    fn name(self) -> &'static str {
        match self {
            Written::TimePattern | Written::TimeToRead => "'pattern'",
            Written::Zone => "'zone'",
            Written::Regex => "'regex'",
            Written::JsonPath => "'path'",
        }
    }

    /// Why a text is not what it has to be, and how to go on.
    ///
    /// # Errors
    ///
    /// Both as fragments of sentences.
    pub fn check(self, text: &str) -> Result<(), (String, &'static str)> {
        match self {
            Written::TimePattern | Written::TimeToRead => {
                let pattern = TimePattern::parse(text).map_err(|error| (error.to_string(), error.kind.help()))?;
                let readable = if self == Written::TimeToRead { pattern.can_be_read() } else { Ok(()) };
                readable.map_err(|why| (why.to_owned(), "for example `yyyy-MM-dd HH:mm:ss`"))
            }
            Written::Zone => match jiff::tz::TimeZone::get(text) {
                Ok(_) => Ok(()),
                Err(_) => Err((format!("`{}` is not a time zone", text.escape_debug()), "an IANA name as `Australia/Sydney`, or `UTC`")),
            },
            Written::Regex => match regex::RegexBuilder::new(text).size_limit(REGEX_BYTES_MAX).build() {
                Ok(_) => Ok(()),
                Err(error) => {
                    let said = error.to_string();
                    let why = said.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                    Err((format!("the regular expression cannot be used: {why}"), "signs that mean themselves stand behind a `\\`"))
                }
            },
            Written::JsonPath if text.split('.').any(str::is_empty) => {
                Err(("a path has no empty part".to_owned(), "names and numbers with dots between them: `orders.0.id`"))
            }
            Written::JsonPath => Ok(()),
        }
    }
}

/// The type of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returns {
    /// `string`.
    Text,
    /// `bigint`.
    Integer,
    /// `double`.
    Double,
    /// `boolean`.
    Boolean,
    /// `timestamp(6)`.
    Timestamp,
    /// The type of the first [`Param::Number`] or [`Param::Same`].
    AsGiven,
}

/// When a result is null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nulls {
    /// Where anything that it takes is.
    IfAny,
    /// Where everything that it takes is.
    IfAll,
    /// It can be, whatever it takes.
    Sometimes,
}

impl Returns {
    /// The type, given that of [`Returns::AsGiven`].
    #[must_use]
    pub fn data_type(self, given: &DataType) -> DataType {
        match self {
            Returns::Text => DataType::String,
            Returns::Integer => DataType::Int64,
            Returns::Double => DataType::Float64,
            Returns::Boolean => DataType::Boolean,
            Returns::Timestamp => DataType::Timestamp(TimeUnit::Microsecond),
            Returns::AsGiven => given.clone(),
        }
    }
}

const fn function(
    name: &'static str,
    params: &'static [Param],
    returns: Returns,
    summary: &'static str,
    examples: &'static [&'static str],
) -> Function {
    Function { name, params, optional: 0, variadic: false, returns, nulls: Nulls::IfAny, summary, examples }
}

impl Function {
    const fn optional(self, optional: usize) -> Self {
        Self { optional, ..self }
    }

    const fn variadic(self) -> Self {
        Self { variadic: true, ..self }
    }

    const fn nulls(self, nulls: Nulls) -> Self {
        Self { nulls, ..self }
    }

    /// `substr(text, bigint[, bigint])`: how it is called, for messages and docs.
    #[must_use]
    pub fn signature(&self) -> String {
        let word = |param: &Param| match param {
            Param::Text => "text".to_owned(),
            Param::Written(written) => written.name().to_owned(),
            Param::Word(words) => words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join("|"),
            Param::Integer => "integer".to_owned(),
            Param::Number => "number".to_owned(),
            Param::Double => "double".to_owned(),
            Param::Timestamp => "timestamp".to_owned(),
            Param::Same => "value".to_owned(),
        };
        let needed = self.params.len() - self.optional;
        let mut text = self.params[..needed].iter().map(word).collect::<Vec<_>>().join(", ");
        for param in &self.params[needed..] {
            text.push_str(&format!("[, {}]", word(param)));
        }
        format!("{}({text}{})", self.name, if self.variadic { ", ..." } else { "" })
    }
}

/// The function of this name, in any case.
#[must_use]
pub fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name.eq_ignore_ascii_case(name))
}

const PARTS: &[&str] = &["year", "quarter", "month", "week", "day", "doy", "dow", "hour", "minute", "second"];
const UNITS: &[&str] = &["year", "quarter", "month", "week", "day", "hour", "minute", "second"];

/// All of them: texts, numbers, any type, times, hashes, patterns, JSON.
pub static FUNCTIONS: &[Function] = &[
    function("upper", &[Param::Text], Returns::Text, "In capitals.", &["upper('Straße') = 'STRASSE'"]),
    function("lower", &[Param::Text], Returns::Text, "In small letters.", &["lower('ÄB') = 'äb'"]),
    function("trim", &[Param::Text], Returns::Text, "Without blanks at both ends.", &["trim('  a b ') = 'a b'"]),
    function("ltrim", &[Param::Text], Returns::Text, "Without blanks at the beginning.", &["ltrim('  a ') = 'a '"]),
    function("rtrim", &[Param::Text], Returns::Text, "Without blanks at the end.", &["rtrim(' a  ') = ' a'"]),
    function(
        "substr",
        &[Param::Text, Param::Integer, Param::Integer],
        Returns::Text,
        "From a character on, the first being 1; the third says how many.",
        &["substr('kpipe', 2) = 'pipe'", "substr('kpipe', 2, 3) = 'pip'"],
    )
    .optional(1),
    function(
        "replace",
        &[Param::Text, Param::Text, Param::Text],
        Returns::Text,
        "Every occurrence of the second replaced by the third.",
        &["replace('a/b/c', '/', '_') = 'a_b_c'"],
    ),
    function("length", &[Param::Text], Returns::Integer, "How many characters.", &["length('größe') = 5"]),
    function(
        "concat",
        &[Param::Text],
        Returns::Text,
        "One after the other; null counts as nothing. `||` is null if one of its sides is.",
        &["concat('a', 'b', 'c') = 'abc'", "concat('a', NULL) = 'a'"],
    )
    .variadic()
    .nulls(Nulls::IfAll),
    function(
        "concat_ws",
        &[Param::Text, Param::Text],
        Returns::Text,
        "Joined with the first between them; nulls are left out.",
        &["concat_ws('-', 'a', NULL, 'b') = 'a-b'"],
    )
    .variadic()
    .nulls(Nulls::Sometimes),
    function("left", &[Param::Text, Param::Integer], Returns::Text, "The first characters.", &["left('kpipe', 2) = 'kp'"]),
    function("right", &[Param::Text, Param::Integer], Returns::Text, "The last characters.", &["right('kpipe', 2) = 'pe'"]),
    function(
        "lpad",
        &[Param::Text, Param::Integer, Param::Text],
        Returns::Text,
        "Filled up at the beginning to so many characters, or cut.",
        &["lpad('7', 3, '0') = '007'"],
    ),
    function(
        "rpad",
        &[Param::Text, Param::Integer, Param::Text],
        Returns::Text,
        "Filled up at the end to so many characters, or cut.",
        &["rpad('7', 3, '.') = '7..'"],
    ),
    function("starts_with", &[Param::Text, Param::Text], Returns::Boolean, "Begins with the second.", &["starts_with('kpipe', 'kp')"]),
    function("ends_with", &[Param::Text, Param::Text], Returns::Boolean, "Ends with the second.", &["ends_with('kpipe', 'pe')"]),
    function("contains", &[Param::Text, Param::Text], Returns::Boolean, "Holds the second.", &["contains('kpipe', 'pip')"]),
    function(
        "split_part",
        &[Param::Text, Param::Text, Param::Integer],
        Returns::Text,
        "The part with this number between separators, the first being 1; empty if there are fewer.",
        &["split_part('a/b/c', '/', 2) = 'b'"],
    ),
    function("reverse", &[Param::Text], Returns::Text, "The characters backwards.", &["reverse('abc') = 'cba'"]),
    function("abs", &[Param::Number], Returns::AsGiven, "Without its sign.", &["abs(-5) = 5"]),
    function("ceil", &[Param::Double], Returns::Double, "The least whole number that is not smaller.", &["ceil(1.2) = 2"]),
    function("floor", &[Param::Double], Returns::Double, "The greatest whole number that is not larger.", &["floor(-1.2) = -2"]),
    function(
        "round",
        &[Param::Double, Param::Integer],
        Returns::Double,
        "To so many places behind the point, 0 if not said; halves away from zero.",
        &["round(2.5) = 3", "round(1.256, 2) = 1.26"],
    )
    .optional(1),
    function("power", &[Param::Double, Param::Double], Returns::Double, "The first to the power of the second.", &["power(2, 10) = 1024"]),
    function("sqrt", &[Param::Double], Returns::Double, "The square root.", &["sqrt(81) = 9"]),
    function("ln", &[Param::Double], Returns::Double, "The natural logarithm.", &["ln(1) = 0"]),
    function("log10", &[Param::Double], Returns::Double, "The logarithm to base ten.", &["log10(1000) = 3"]),
    function("coalesce", &[Param::Same], Returns::AsGiven, "The first that is not null.", &["coalesce(NULL, 'a', 'b') = 'a'"])
        .variadic()
        .nulls(Nulls::IfAll),
    function(
        "nullif",
        &[Param::Same, Param::Same],
        Returns::AsGiven,
        "The first, or null if both are equal.",
        &["nullif('-', '-') IS NULL", "nullif(5, 0) = 5"],
    )
    .nulls(Nulls::Sometimes),
    function("greatest", &[Param::Same], Returns::AsGiven, "The greatest; nulls are left out.", &["greatest(1, 3, 2) = 3"])
        .variadic()
        .nulls(Nulls::IfAll),
    function("least", &[Param::Same], Returns::AsGiven, "The least; nulls are left out.", &["least(1, NULL, 2) = 1"])
        .variadic()
        .nulls(Nulls::IfAll),
    function(
        "date_trunc",
        &[Param::Word(UNITS), Param::Timestamp],
        Returns::Timestamp,
        "The beginning of the unit in UTC; a week begins on Monday.",
        &["date_trunc('hour', TIMESTAMP '2026-01-31T12:34:56Z') = TIMESTAMP '2026-01-31T12:00:00Z'"],
    ),
    function(
        "date_part",
        &[Param::Word(PARTS), Param::Timestamp],
        Returns::Integer,
        "A part of the time in UTC. `dow`: 0 is Sunday; `week`: of ISO 8601.",
        &["date_part('hour', TIMESTAMP '2026-01-31T12:34:56Z') = 12"],
    ),
    function(
        "to_timestamp_seconds",
        &[Param::Integer],
        Returns::Timestamp,
        "The time so many seconds after 1970-01-01T00:00:00Z.",
        &["to_timestamp_seconds(86400) = TIMESTAMP '1970-01-02T00:00:00Z'"],
    ),
    function(
        "to_timestamp_millis",
        &[Param::Integer],
        Returns::Timestamp,
        "The same in milliseconds.",
        &["to_timestamp_millis(86400000) = TIMESTAMP '1970-01-02T00:00:00Z'"],
    ),
    function(
        "to_timestamp_micros",
        &[Param::Integer],
        Returns::Timestamp,
        "The same in microseconds.",
        &["to_timestamp_micros(1000000) = TIMESTAMP '1970-01-01T00:00:01Z'"],
    ),
    function(
        "epoch_ms",
        &[Param::Timestamp],
        Returns::Integer,
        "Milliseconds since 1970-01-01T00:00:00Z, rounded down.",
        &["epoch_ms(TIMESTAMP '1970-01-01T00:00:01.5Z') = 1500"],
    ),
    function(
        "format_time",
        &[Param::Timestamp, Param::Written(Written::TimePattern), Param::Written(Written::Zone)],
        Returns::Text,
        "As a java.time pattern says, in a time zone, UTC if not said.",
        &[
            "format_time(TIMESTAMP '2026-01-31T23:30:00Z', 'yyyy-MM-dd') = '2026-01-31'",
            "format_time(TIMESTAMP '2026-01-31T23:30:00Z', 'yyyy-MM-dd HH', 'Europe/Berlin') = '2026-02-01 00'",
        ],
    )
    .optional(1),
    function(
        "parse_time",
        &[Param::Text, Param::Written(Written::TimeToRead), Param::Written(Written::Zone)],
        Returns::Timestamp,
        "Read as a java.time pattern says, in a time zone, UTC if not said.",
        &["parse_time('31.01.2026 12:30', 'dd.MM.yyyy HH:mm') = TIMESTAMP '2026-01-31T12:30:00Z'"],
    )
    .optional(1),
    function("md5", &[Param::Text], Returns::Text, "Its MD5 in hexadecimal digits.", &["md5('a') = '0cc175b9c0f1b6a831c399e269772661'"]),
    function("sha256", &[Param::Text], Returns::Text, "Its SHA-256 in hexadecimal digits.", &["left(sha256('a'), 8) = 'ca978112'"]),
    function(
        "regexp_like",
        &[Param::Text, Param::Written(Written::Regex)],
        Returns::Boolean,
        "Holds a match of the regular expression.",
        &["regexp_like('kpipe-7', '[0-9]$')"],
    ),
    function(
        "regexp_replace",
        &[Param::Text, Param::Written(Written::Regex), Param::Text],
        Returns::Text,
        "Every match replaced; `$1` in the third is the first group.",
        &["regexp_replace('a1b22', '[0-9]+', '#') = 'a#b#'"],
    ),
    function(
        "regexp_extract",
        &[Param::Text, Param::Written(Written::Regex), Param::Integer],
        Returns::Text,
        "The group with this number of the first match, 0 the whole if not said; null without a match.",
        &["regexp_extract('sensor-17', '([a-z]+)-([0-9]+)', 2) = '17'", "regexp_extract('x', '[0-9]') IS NULL"],
    )
    .optional(1)
    .nulls(Nulls::Sometimes),
    function(
        "json_get",
        &[Param::Text, Param::Written(Written::JsonPath)],
        Returns::Text,
        "The value at a path of names and numbers by dots in a JSON text: a text without its quotes; null if there is none.",
        &["json_get('{\"a\":{\"b\":[7,8]}}', 'a.b.1') = '8'", "json_get('{}', 'a') IS NULL"],
    )
    .nulls(Nulls::Sometimes),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found_in_any_case() {
        for (index, function) in FUNCTIONS.iter().enumerate() {
            assert!(FUNCTIONS[index + 1..].iter().all(|other| other.name != function.name), "{} twice", function.name);
            assert_eq!(find(&function.name.to_uppercase()).map(|found| found.name), Some(function.name));
            assert!(function.optional < function.params.len() && !function.examples.is_empty() && function.summary.ends_with('.'));
        }
        assert!(find("nope").is_none());
    }

    #[test]
    fn texts_that_are_written_out_are_what_they_have_to_be() {
        for (written, right) in [
            (Written::TimePattern, "Q yyyy"),
            (Written::TimeToRead, "dd.MM.yyyy HH:mm"),
            (Written::Zone, "Europe/Berlin"),
            (Written::Regex, "(a|b)*"),
            (Written::JsonPath, "a.0.b"),
        ] {
            assert_eq!(written.check(right), Ok(()), "{right}");
        }
        for (written, wrong, why) in [
            (Written::TimePattern, "a.b.0", "`b` is not a letter of a date pattern"),
            (Written::TimeToRead, "HH:mm", "a time is not read without its year"),
            (Written::TimeToRead, "yyyy'W'ww", "a time is not read from weeks and quarters"),
            (Written::Zone, "Berlin\n", "`Berlin\\n` is not a time zone"),
            (Written::Regex, "(", "the regular expression cannot be used: unclosed group"),
            (Written::Regex, "(a{999}){999}", "the regular expression cannot be used: Compiled regex exceeds size limit of 1048576 bytes."),
            (Written::JsonPath, "a..b", "a path has no empty part"),
        ] {
            assert_eq!(written.check(wrong).unwrap_err().0, why, "{wrong}");
        }
    }

    #[test]
    fn signatures_are_shown_as_calls() {
        let shown = |name: &str| find(name).map(Function::signature).unwrap_or_default();
        assert_eq!(shown("substr"), "substr(text, integer[, integer])");
        assert_eq!(shown("coalesce"), "coalesce(value, ...)");
        assert!(shown("date_trunc").starts_with("date_trunc('year'|'quarter'"));
    }
}
