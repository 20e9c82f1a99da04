//! Types as SQL writes them: `bigint`, `decimal(12,2) not null`, `array<struct<a: int>>`.

use thiserror::Error;

use super::DEPTH_MAX;
use crate::plan::{DataType, Field, TimeUnit};

/// A type that cannot be read, and where it goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{kind}")]
pub struct TypeError {
    /// What is wrong.
    pub kind: TypeErrorKind,
    /// First byte of the wrong part.
    pub start: usize,
    /// One past its last byte.
    pub end: usize,
}

/// What is wrong with a type.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TypeErrorKind {
    /// A word that is no type.
    #[error("`{word}` is not a type")]
    Unknown {
        /// The word.
        word: String,
        /// The type that looks most like it.
        nearest: Option<&'static str>,
    },
    /// A type that SQL has and kpipe has not yet.
    #[error("the type `{0}` is known, but not supported yet")]
    Unsupported(String),
    /// `decimal(50,2)`.
    #[error("a decimal has 1 to 38 digits, of them at most as many behind the point")]
    Decimal,
    /// `timestamp(9)`.
    #[error("a timestamp has 3 (milliseconds) or 6 (microseconds) digits of a second")]
    Timestamp,
    /// `bigint not nul`.
    #[error("expected `not null`")]
    NotNull,
    /// Something else than this should stand here.
    #[error("expected {0}")]
    Expected(&'static str),
    /// Too many levels.
    #[error("a type has at most {DEPTH_MAX} levels")]
    TooDeep,
}

impl TypeErrorKind {
    /// What would stand in the place of the wrong part, if it is a word with a typing mistake.
    #[must_use]
    pub fn nearest(&self) -> Option<&'static str> {
        match self {
            Self::Unknown { nearest, .. } => nearest.filter(|nearest| !nearest.contains(['(', '<'])),
            Self::NotNull => Some("not null"),
            Self::Unsupported(_) | Self::Decimal | Self::Timestamp | Self::Expected(_) | Self::TooDeep => None,
        }
    }

    /// What to write instead.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Unknown { nearest: Some(nearest), .. } => Some(format!("write `{nearest}`")),
            Self::Unknown { nearest: None, .. } | Self::Unsupported(_) => Some(format!("types: {}", NAMES.join(", "))),
            Self::Decimal => Some("for example `decimal(12,2)`".to_owned()),
            Self::Timestamp => Some("write `timestamp` or `timestamp(6)`".to_owned()),
            Self::NotNull => Some("write `not null`, or nothing where the field may be missing".to_owned()),
            Self::Expected(_) | Self::TooDeep => None,
        }
    }
}

/// The names shown where a word is no type; each has synonyms below.
pub const NAMES: [&str; 14] = [
    "boolean",
    "int",
    "bigint",
    "real",
    "double",
    "decimal(p,s)",
    "string",
    "bytes",
    "date",
    "timestamp",
    "json",
    "array<t>",
    "struct<name: t>",
    "varchar",
];

/// Reads one type and whether it may be null (it may, unless `not null` follows).
///
/// # Errors
///
/// The first thing that is wrong, with its place in the text.
pub fn parse_type(text: &str) -> Result<(DataType, bool), TypeError> {
    let mut reader = Reader { text, at: 0 };
    let parsed = reader.nullable_type(0)?;
    reader.blanks();
    if reader.at < text.len() {
        return Err(fail(TypeErrorKind::Expected("`not null` or the end of the type"), reader.at, text.len()));
    }
    Ok(parsed)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn blanks(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    /// The next run of letters, digits and `_`; may be empty.
    fn word(&mut self) -> (&'a str, usize) {
        self.blanks();
        let start = self.at;
        let rest = &self.text[start..];
        let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        self.at = start + length;
        (&rest[..length], start)
    }

    fn take(&mut self, c: char) -> bool {
        self.blanks();
        let found = self.text[self.at..].starts_with(c);
        if found {
            self.at += c.len_utf8();
        }
        found
    }

    fn expect(&mut self, c: char, what: &'static str) -> Result<(), TypeError> {
        if self.take(c) {
            return Ok(());
        }
        let end = self.text[self.at..].chars().next().map_or(self.at, |c| self.at + c.len_utf8());
        Err(fail(TypeErrorKind::Expected(what), self.at, end))
    }

    fn nullable_type(&mut self, depth: usize) -> Result<(DataType, bool), TypeError> {
        let data_type = self.data_type(depth)?;
        let before = self.at;
        let (word, start) = self.word();
        if word.eq_ignore_ascii_case("not") {
            let (null, _) = self.word();
            if !null.eq_ignore_ascii_case("null") {
                return Err(fail(TypeErrorKind::NotNull, start, self.at));
            }
            return Ok((data_type, false));
        }
        if is_near(word, "not") || is_near(word, "null") {
            let (next, _) = self.word();
            let end = if next.is_empty() { start + word.len() } else { self.at };
            if is_near(next, "null") || next.is_empty() && !word.eq_ignore_ascii_case("null") {
                return Err(fail(TypeErrorKind::NotNull, start, end));
            }
            self.at = start + word.len();
        }
        if !word.eq_ignore_ascii_case("null") {
            self.at = before;
        }
        Ok((data_type, true))
    }

    fn data_type(&mut self, depth: usize) -> Result<DataType, TypeError> {
        let (word, start) = self.word();
        let end = self.at;
        if depth >= DEPTH_MAX {
            return Err(fail(TypeErrorKind::TooDeep, start, end));
        }
        if word.is_empty() {
            return Err(fail(TypeErrorKind::Expected("a type"), start, end));
        }
        let name = word.to_ascii_lowercase();
        Ok(match name.as_str() {
            "boolean" | "bool" => DataType::Boolean,
            "int" | "integer" | "int32" => DataType::Int32,
            "bigint" | "long" | "int64" => DataType::Int64,
            "real" | "float" | "float32" => DataType::Float32,
            "double" | "float64" => {
                self.optional_word("precision");
                DataType::Float64
            }
            "string" | "text" => DataType::String,
            "varchar" | "char" => {
                self.numbers()?;
                DataType::String
            }
            "bytes" | "binary" | "varbinary" => DataType::Bytes,
            "date" => DataType::Date,
            "json" => DataType::Json,
            "decimal" | "numeric" => self.decimal(start)?,
            "timestamp" => self.timestamp(start)?,
            "array" => self.array(depth)?,
            "struct" | "row" => self.structure(depth)?,
            "tinyint" | "smallint" | "map" | "time" | "interval" | "uuid" => {
                return Err(fail(TypeErrorKind::Unsupported(name), start, end));
            }
            _ => {
                let nearest = crate::near::nearest(&name, NAMES.iter().map(|name| bare(name)));
                return Err(fail(TypeErrorKind::Unknown { word: word.to_owned(), nearest }, start, end));
            }
        })
    }

    fn optional_word(&mut self, expected: &str) {
        let before = self.at;
        if !self.word().0.eq_ignore_ascii_case(expected) {
            self.at = before;
        }
    }

    /// `(1, 2)`, if it is there.
    fn numbers(&mut self) -> Result<Vec<u32>, TypeError> {
        let mut numbers = Vec::new();
        if !self.take('(') {
            return Ok(numbers);
        }
        loop {
            let (word, start) = self.word();
            let number = word.parse().map_err(|_| fail(TypeErrorKind::Expected("a number"), start, self.at))?;
            numbers.push(number);
            if !self.take(',') {
                break;
            }
        }
        self.expect(')', "`)`")?;
        Ok(numbers)
    }

    fn decimal(&mut self, start: usize) -> Result<DataType, TypeError> {
        let numbers = self.numbers()?;
        let (precision, scale) = match numbers[..] {
            [] => (38, 0),
            [precision] => (precision, 0),
            [precision, scale] => (precision, scale),
            _ => return Err(fail(TypeErrorKind::Decimal, start, self.at)),
        };
        decimal(precision, scale).ok_or_else(|| fail(TypeErrorKind::Decimal, start, self.at))
    }

    fn timestamp(&mut self, start: usize) -> Result<DataType, TypeError> {
        match self.numbers()?[..] {
            [] | [3] => Ok(DataType::Timestamp(TimeUnit::Millisecond)),
            [6] => Ok(DataType::Timestamp(TimeUnit::Microsecond)),
            _ => Err(fail(TypeErrorKind::Timestamp, start, self.at)),
        }
    }

    fn array(&mut self, depth: usize) -> Result<DataType, TypeError> {
        self.expect('<', "`<`, as in `array<string>`")?;
        let (data_type, nullable) = self.nullable_type(depth + 1)?;
        self.expect('>', "`>`")?;
        Ok(list(data_type, nullable))
    }

    fn structure(&mut self, depth: usize) -> Result<DataType, TypeError> {
        self.expect('<', "`<`, as in `struct<name: string>`")?;
        let mut fields: Vec<Field> = Vec::new();
        loop {
            let (name, start) = self.word();
            if name.is_empty() || fields.iter().any(|field| field.name == name) {
                return Err(fail(TypeErrorKind::Expected("a name that no other field has"), start, self.at));
            }
            self.expect(':', "`:`")?;
            let (data_type, nullable) = self.nullable_type(depth + 1)?;
            fields.push(Field { name: name.to_owned(), data_type, nullable });
            if !self.take(',') {
                break;
            }
        }
        self.expect('>', "`>`")?;
        Ok(DataType::Struct(fields))
    }
}

fn fail(kind: TypeErrorKind, start: usize, end: usize) -> TypeError {
    TypeError { kind, start, end }
}

/// A decimal within the limits.
pub(super) fn decimal(precision: u32, scale: u32) -> Option<DataType> {
    let digits = u8::try_from(precision).ok().filter(|digits| (1..=38).contains(digits))?;
    let behind = i8::try_from(scale).ok().filter(|_| scale <= precision)?;
    Some(DataType::Decimal { precision: digits, scale: behind })
}

/// A list whose items have the name that readers of Parquet expect.
pub(super) fn list(data_type: DataType, nullable: bool) -> DataType {
    DataType::List(Box::new(Field { name: "element".to_owned(), data_type, nullable }))
}

/// True for a word that is another one with a typing mistake.
fn is_near(word: &str, other: &str) -> bool {
    !word.is_empty() && strsim::damerau_levenshtein(&word.to_ascii_lowercase(), other) <= 1
}

fn bare(name: &'static str) -> &'static str {
    name.split(['(', '<']).next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::show;
    use super::*;

    fn ok(text: &str) -> String {
        let (data_type, nullable) = parse_type(text).unwrap();
        show(&[Field { name: "x".to_owned(), data_type, nullable }])
    }

    fn error(text: &str) -> (TypeErrorKind, &str) {
        let error = parse_type(text).unwrap_err();
        (error.kind, &text[error.start..error.end])
    }

    #[test]
    fn precisions_have_their_limits() {
        for good in ["decimal(1,0)", "decimal(38,0)", "decimal(38,38)", "timestamp(3)", "timestamp(6)"] {
            assert!(parse_type(good).is_ok(), "{good}");
        }
        let decimal = "a decimal has 1 to 38 digits, of them at most as many behind the point";
        let timestamp = "a timestamp has 3 (milliseconds) or 6 (microseconds) digits of a second";
        for (text, message, help) in [
            ("decimal(39,0)", decimal, "for example `decimal(12,2)`"),
            ("decimal(0,0)", decimal, "for example `decimal(12,2)`"),
            ("decimal(5,6)", decimal, "for example `decimal(12,2)`"),
            ("timestamp(9)", timestamp, "write `timestamp` or `timestamp(6)`"),
            ("timestamp(0)", timestamp, "write `timestamp` or `timestamp(6)`"),
        ] {
            let (kind, _) = error(text);
            assert_eq!((kind.to_string().as_str(), kind.help().as_deref()), (message, Some(help)), "{text}");
        }
        let deep = format!("{}int{}", "array<".repeat(DEPTH_MAX + 1), ">".repeat(DEPTH_MAX + 1));
        assert_eq!(error(&deep).0.to_string(), "a type has at most 32 levels");
    }

    #[test]
    fn synonyms_mean_one_type() {
        for (text, canonical) in [
            ("BIGINT", "bigint"),
            ("long", "bigint"),
            ("Integer", "int"),
            ("bool", "boolean"),
            ("double precision", "double"),
            ("float", "real"),
            ("varchar(20)", "string"),
            ("varbinary", "bytes"),
            ("numeric(5)", "decimal(5,0)"),
            ("decimal ( 12 , 2 )", "decimal(12,2)"),
            ("timestamp(3)", "timestamp"),
            ("timestamp(6)", "timestamp(6)"),
            ("json null", "json"),
        ] {
            assert_eq!(ok(text), format!("{{ x: {canonical} }}"), "{text}");
        }
    }

    #[test]
    fn not_null_stands_anywhere_a_type_ends() {
        assert_eq!(ok("string NOT NULL"), "{ x: string not null }");
        assert_eq!(ok("array<bigint not null> not null"), "{ x: array<bigint not null> not null }");
        assert_eq!(ok("struct<a: int, b: array<struct<c: date>>>"), "{ x: { a: int, b: array<{ c: date }> } }");
    }

    #[test]
    fn wrong_types_are_pointed_at() {
        assert_eq!(error("bigimt"), (TypeErrorKind::Unknown { word: "bigimt".to_owned(), nearest: Some("bigint") }, "bigimt"));
        assert_eq!(error("qqqqqqqq"), (TypeErrorKind::Unknown { word: "qqqqqqqq".to_owned(), nearest: None }, "qqqqqqqq"));
        assert_eq!(error("decimal(39,2)"), (TypeErrorKind::Decimal, "decimal(39,2)"));
        assert_eq!(error("decimal(3,5)").0, TypeErrorKind::Decimal);
        assert_eq!(error("timestamp(9)"), (TypeErrorKind::Timestamp, "timestamp(9)"));
        assert_eq!(error("map<string, int>"), (TypeErrorKind::Unsupported("map".to_owned()), "map"));
        assert_eq!(error("int not"), (TypeErrorKind::NotNull, "not"));
        for text in ["mot null", "not nul", "no null", "not", "nut null", "nto null", "nott null"] {
            assert_eq!(error(&format!("int {text}")), (TypeErrorKind::NotNull, text), "{text}");
        }
        assert_eq!(error("int unsigned").1, "unsigned");
        assert_eq!(error("").0, TypeErrorKind::Expected("a type"));
        assert_eq!(error("array").0, TypeErrorKind::Expected("`<`, as in `array<string>`"));
        assert_eq!(error("array<int").0, TypeErrorKind::Expected("`>`"));
        assert_eq!(error("struct<a: int, a: int>").1, "a");
    }

    #[test]
    fn depth_has_a_limit() {
        let text = format!("{}int{}", "array<".repeat(40), ">".repeat(40));
        assert_eq!(error(&text).0, TypeErrorKind::TooDeep);
    }

    #[test]
    fn help_names_what_to_write() {
        assert_eq!(error("bigimt").0.help().as_deref(), Some("write `bigint`"));
        assert!(error("map").0.help().unwrap().starts_with("types: boolean"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-z<>(),: é0-9]{0,40}") {
            if let Err(error) = parse_type(&text) {
                prop_assert!(text.get(error.start..error.end).is_some());
            }
        }
    }
}
