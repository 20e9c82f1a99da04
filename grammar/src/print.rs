//! A statement as text: canonical clause order, quotes only where they are needed.

use std::borrow::Cow;
use std::fmt;

use crate::ast::{Name, OptionValue, OtherClause, PartitionOffset, Statement, Tag, TagValue};
use crate::clauses::{Alone, PropertyList};
use crate::keyword::Keyword;
use crate::token::is_word_sign;

/// Words with a meaning inside a clause, quoted like keywords.
const INNER_WORDS: &[&str] = &["AS", "INTO", "BY", "INSERT", "UPSERT", "GROUP", "ORDER", "DISTINCT", "CASE", "NOT"];

/// Words of expressions, quoted where a field is called like one.
const EXPRESSION_WORDS: &[&str] =
    &["AND", "OR", "IS", "NULL", "TRUE", "FALSE", "IN", "BETWEEN", "LIKE", "ESCAPE", "WHEN", "THEN", "ELSE", "END", "CAST", "TRY_CAST"];

/// True for a word that means something else than a field within an expression.
pub(crate) fn is_expression_word(text: &str) -> bool {
    EXPRESSION_WORDS.iter().chain(&["AS", "CASE", "NOT"]).any(|word| word.eq_ignore_ascii_case(text))
}

/// True if a name can stand without back-ticks and is not mistaken for anything else.
pub(crate) fn is_bare_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || is_word_sign(byte) || byte == b'.' || byte == b'=';
    // `pk=x` reads as the clause PK, and a target `from.a` as FROM.
    let word = text.split_once(['=', '.']).map_or(text, |(word, _)| word);
    !text.is_empty() && text.bytes().all(fits) && !text.starts_with('=') && !text.starts_with("--") && !is_reserved(word)
}

fn is_reserved(word: &str) -> bool {
    Keyword::find(word, None).is_some() || INNER_WORDS.iter().any(|inner| inner.eq_ignore_ascii_case(word))
}

/// One name of a path, in back-ticks if it is not a plain word.
pub(crate) fn quoted_part(text: &str) -> Cow<'_, str> {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-@".contains(&byte));
    if plain && !is_number(text) && text != "_" && !text.starts_with("--") && !is_reserved(text) && !is_expression_word(text) {
        Cow::Borrowed(text)
    } else {
        ticked(text)
    }
}

/// `12`, `-5`, `1e3`, and `-` alone: what an expression does not read as a field.
fn is_number(text: &str) -> bool {
    let digits = text.trim_start_matches('-');
    digits.bytes().all(|byte| byte.is_ascii_digit())
        || digits.starts_with(|first: char| first.is_ascii_digit()) && text.parse::<f64>().is_ok()
}

/// A word that is quoted in back-ticks if it needs to be: a format.
pub(crate) fn quoted_word(text: &str) -> Cow<'_, str> {
    if is_identifier(text) { Cow::Borrowed(text) } else { ticked(text) }
}

/// A text that is quoted as a string if it needs to be: keys and values.
pub(crate) fn quoted_text(text: &str) -> Cow<'_, str> {
    if is_identifier(text) { Cow::Borrowed(text) } else { Cow::Owned(string(text)) }
}

fn is_identifier(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !is_reserved(text)
}

/// Back-ticks around a text; one inside is doubled.
pub(crate) fn ticked(text: &str) -> Cow<'_, str> {
    Cow::Owned(format!("`{}`", text.replace('`', "``")))
}

/// Single quotes around a text; back-ticks if it holds a line break, which a string cannot.
pub(crate) fn string(text: &str) -> String {
    if text.contains('\n') { ticked(text).into_owned() } else { format!("'{}'", text.replace('\'', "''")) }
}

/// `a, b, c`.
pub(crate) fn write_list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, items: impl IntoIterator<Item = T>) -> fmt::Result {
    for (index, item) in items.into_iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        write!(f, "{comma}{item}")?;
    }
    Ok(())
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_bare_name(&self.text) { f.write_str(&self.text) } else { f.write_str(&ticked(&self.text)) }
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Statement {
            span: _,
            mode,
            target,
            select,
            from,
            filter,
            partition_by,
            store_as,
            with_key,
            key_delimiter,
            with_converter,
            limit,
            properties,
            other,
        } = self;
        if let Some(target) = target {
            write!(f, "{} {} ", mode.node, target.node)?;
        }
        f.write_str("SELECT ")?;
        write_list(f, select.node.iter().map(|item| &item.node))?;
        write!(f, " FROM {}", from.node)?;
        if let Some(filter) = filter {
            write!(f, " WHERE {}", filter.node)?;
        }
        if let Some(partition_by) = partition_by {
            write!(f, " {}", partition_by.node)?;
        }
        if let Some(store_as) = store_as {
            write!(f, " {}", store_as.node)?;
        }
        if let Some(class) = with_converter {
            write!(f, " WITHCONVERTER={}", ticked(&class.node))?;
        }
        if let Some(values) = with_key {
            f.write_str(" WITHKEY(")?;
            write_list(f, values.node.iter().map(|value| Alone(&value.node)))?;
            f.write_str(")")?;
        }
        if let Some(delimiter) = key_delimiter {
            write!(f, " KEYDELIMITER={}", string(&delimiter.node))?;
        }
        if let Some(limit) = limit {
            write!(f, " LIMIT {}", limit.node)?;
        }
        for clause in other {
            write!(f, " {}", clause.node)?;
        }
        if let Some(properties) = properties {
            write!(f, " PROPERTIES{}", PropertyList(&properties.node))?;
        }
        Ok(())
    }
}

/// A value of the option table: bare wherever it can be.
fn option_text(text: &str) -> Cow<'_, str> {
    if is_bare_name(text) && !text.contains('=') { Cow::Borrowed(text) } else { ticked(text) }
}

impl fmt::Display for OtherClause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { keyword, text: _, value } = self;
        f.write_str(keyword)?;
        match value {
            OptionValue::Flag => Ok(()),
            OptionValue::Text(text) => write!(f, "={}", option_text(text)),
            OptionValue::Integer(number) => write!(f, "={number}"),
            OptionValue::Columns(columns) => {
                f.write_str(" ")?;
                write_list(f, columns.iter().map(|column| &column.node))
            }
            OptionValue::Tags(tags) => {
                f.write_str(" (")?;
                write_list(f, tags)?;
                f.write_str(")")
            }
            OptionValue::Field(path) => write!(f, " {path}"),
            OptionValue::SysTime => f.write_str(" sys_time()"),
            OptionValue::Buckets { fields, count } => {
                f.write_str(" ")?;
                write_list(f, fields.iter().map(|field| &field.node))?;
                write!(f, " INTO {count} BUCKETS")
            }
            OptionValue::Offsets(offsets) => {
                f.write_str(" ")?;
                write_list(f, offsets)
            }
            OptionValue::Sample { count, every } => write!(f, " {count} EVERY {every}"),
        }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&option_text(&self.key.node))?;
        match &self.value {
            None => Ok(()),
            Some(TagValue::Constant(text)) if is_bare_name(&text.node) => write!(f, "={}", option_text(&text.node)),
            Some(TagValue::Constant(text)) => write!(f, "={}", string(&text.node)),
            Some(TagValue::Alias(name)) => write!(f, " AS {}", option_text(&name.node)),
        }
    }
}

impl fmt::Display for PartitionOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.offset {
            Some(offset) => write!(f, "({}, {offset})", self.partition),
            None => write!(f, "({})", self.partition),
        }
    }
}
