//! The tree of a YAML document: each key and value with its place.

use crate::sources::Location;

/// A value.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it is written. For a scalar its text with the quotes; for a block scalar its lines; for a collection from its first to
    /// its last character.
    pub at: Location,
    /// Where an alias puts it, if it came through one; `at` is then the place of the anchor.
    pub alias: Option<Location>,
    /// What it is.
    pub value: Value,
}

/// What a value is.
#[derive(Clone, Debug)]
pub enum Value {
    /// Text or a plain word that may mean something else.
    Scalar(Scalar),
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values in the order of the file; no key twice, merge keys resolved.
    Mapping(Vec<Entry>),
}

/// A scalar as it was decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// Its text, quotes and escapes resolved.
    pub text: String,
    /// How it was written.
    pub style: Style,
}

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without quotes: may be null, a number or a boolean.
    Plain,
    /// Without quotes, but `!!str` stands before it.
    Tagged,
    /// `'...'`.
    Single,
    /// `"..."`.
    Double,
    /// `|`.
    Literal,
    /// `>`.
    Folded,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key's text.
    pub key: String,
    /// Where the key is written.
    pub at: Location,
    /// The value.
    pub value: Node,
}

impl Node {
    /// Where to point for a message: the alias, if there is one.
    #[must_use]
    pub fn place(&self) -> Location {
        self.alias.unwrap_or(self.at)
    }

    /// The entries, if it is a mapping.
    #[must_use]
    pub fn entries(&self) -> Option<&[Entry]> {
        match &self.value {
            Value::Mapping(entries) => Some(entries),
            Value::Scalar(_) | Value::Sequence(_) => None,
        }
    }

    /// The items, if it is a sequence.
    #[must_use]
    pub fn items(&self) -> Option<&[Node]> {
        match &self.value {
            Value::Sequence(items) => Some(items),
            Value::Scalar(_) | Value::Mapping(_) => None,
        }
    }

    /// The scalar, if it is one.
    #[must_use]
    pub fn scalar(&self) -> Option<&Scalar> {
        match &self.value {
            Value::Scalar(scalar) => Some(scalar),
            Value::Sequence(_) | Value::Mapping(_) => None,
        }
    }

    /// The entry of this key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries()?.iter().find(|entry| entry.key == key)
    }

    /// True for nothing at all, `~` and `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.scalar().is_some_and(Scalar::is_null)
    }

    /// What it is, in words, for messages. Never its content.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
            Value::Scalar(scalar) if scalar.is_null() => "nothing",
            Value::Scalar(_) => "a single value",
        }
    }
}

impl Scalar {
    /// True for nothing at all, `~` and `null` without quotes.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.style == Style::Plain && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }

    /// True if it was written without quotes, so that YAML may take it for something else than text.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.style == Style::Plain
    }
}
