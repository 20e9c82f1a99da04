//! Why a value was not taken.

use std::borrow::Cow;
use std::fmt;

use super::scan::Text;

/// The position behind what was read, or what is wrong. Boxed: the good case must stay in two registers.
pub(super) type Step = Result<usize, Box<Bad>>;

/// What is wrong with a value, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bad {
    /// Whether the text is no JSON, or JSON that does not fit the columns.
    pub(crate) kind: BadKind,
    /// Byte offset in the value.
    pub(crate) at: usize,
    /// What is wrong there, a fragment.
    message: Cow<'static, str>,
    /// The keys that lead there, innermost first.
    path: Vec<String>,
}

/// What kind of mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadKind {
    /// The value is not one JSON text.
    Syntax,
    /// It does not fit the columns.
    Type,
    /// A value that must be there is missing or null.
    Missing,
}

impl Bad {
    #[cold]
    pub(super) fn syntax(at: usize, message: impl Into<Cow<'static, str>>) -> Box<Self> {
        Box::new(Self { kind: BadKind::Syntax, at, message: message.into(), path: Vec::new() })
    }

    #[cold]
    pub(super) fn data(at: usize, message: impl Into<Cow<'static, str>>) -> Box<Self> {
        Box::new(Self { kind: BadKind::Type, at, message: message.into(), path: Vec::new() })
    }

    #[cold]
    pub(super) fn missing(at: usize, message: &'static str) -> Box<Self> {
        Box::new(Self { kind: BadKind::Missing, at, message: message.into(), path: Vec::new() })
    }

    /// What was expected at `at`, and what stands there.
    #[cold]
    pub(super) fn expected(text: Text<'_>, at: usize, expected: &str) -> Box<Self> {
        Self::syntax(at, format!("expected {expected}, found {}", found(text, at)))
    }

    /// A well-formed value of another type, or no value at all.
    #[cold]
    pub(super) fn mismatch(text: Text<'_>, at: usize, expected: &str) -> Box<Self> {
        match kind(text, at) {
            Some(kind) => Self::data(at, format!("expected {expected}, found {kind}")),
            None => Self::expected(text, at, "a value"),
        }
    }

    /// Adds the key around the place.
    #[cold]
    pub(super) fn within(mut self: Box<Self>, key: &[u8]) -> Box<Self> {
        if self.kind != BadKind::Syntax {
            self.path.push(String::from_utf8_lossy(key).into_owned());
        }
        self
    }
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            BadKind::Syntax => f.write_str("not valid JSON: ")?,
            BadKind::Type | BadKind::Missing if self.path.is_empty() => {}
            BadKind::Type | BadKind::Missing => {
                let path: Vec<&str> = self.path.iter().rev().map(String::as_str).collect();
                write!(f, "field {}: ", path.join("."))?;
            }
        }
        write!(f, "{} at byte {}", self.message, self.at)
    }
}

fn kind(text: Text<'_>, at: usize) -> Option<&'static str> {
    match text.bytes().get(at)? {
        b'{' => Some("an object"),
        b'[' => Some("an array"),
        b'"' => Some("a string"),
        b'-' | b'0'..=b'9' => Some("a number"),
        b't' | b'f' => Some("a boolean"),
        b'n' => Some("null"),
        _ => None,
    }
}

fn found(text: Text<'_>, at: usize) -> String {
    match text.bytes().get(at) {
        None => "the end".to_owned(),
        Some(byte @ b'!'..=b'~') => format!("`{}`", char::from(*byte)),
        Some(byte) => format!("byte 0x{byte:02x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_the_field_and_the_byte() {
        let bad = Bad::mismatch(Text::new(b"{\"a\":{\"b\":1}}"), 10, "a string").within(b"b").within(b"a");
        assert_eq!(bad.to_string(), "field a.b: expected a string, found a number at byte 10");
        assert_eq!(
            Bad::expected(Text::new(b"[1"), 2, "`,` or `]`").to_string(),
            "not valid JSON: expected `,` or `]`, found the end at byte 2"
        );
        assert_eq!(
            Bad::expected(Text::new(b"\xff"), 0, "a value").to_string(),
            "not valid JSON: expected a value, found byte 0xff at byte 0"
        );
        assert_eq!(Bad::data(0, "null value").to_string(), "null value at byte 0");
    }
}
