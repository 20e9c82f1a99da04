//! Names, paths and values: the parts that several clauses share.

use pest::iterators::Pair;

use super::Clause;
use crate::ast::{Name, Path, PropertyValue};
use crate::error::SyntaxError;
use crate::excerpt::excerpt;
use crate::limits::PATH_PARTS_MAX;
use crate::report::Report;
use crate::rules::Rule;
use crate::span::{Span, Spanned};
use crate::warning::SyntaxWarning;

/// The text of a word, or of a quoted one without its marks: a doubled mark stands for one.
pub(super) fn unquoted(text: &str) -> String {
    let Some(mark) = text.chars().next().filter(|mark| matches!(mark, '\'' | '`' | '"')) else { return text.to_owned() };
    let inner = text.strip_prefix(mark).and_then(|text| text.strip_suffix(mark)).unwrap_or(text);
    inner.replace([mark, mark].iter().collect::<String>().as_str(), mark.encode_utf8(&mut [0; 4]))
}

/// The pieces of a `name` or `value`, each without its marks, joined.
pub(super) fn joined(text: &str) -> String {
    let mut joined = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '\'' | '`' | '"' => quoted_end(rest, first),
            _ => rest.find(['\'', '`', '"']).unwrap_or(rest.len()),
        };
        joined.push_str(&unquoted(&rest[..end]));
        rest = &rest[end..];
    }
    joined
}

/// Where the quoted piece at the beginning of `text` ends; a doubled mark does not end it.
fn quoted_end(text: &str, mark: char) -> usize {
    let mut end = 1;
    while let Some(next) = text[end..].find(mark) {
        end += next + 1;
        if !text[end..].starts_with(mark) {
            return end;
        }
        end += 1;
    }
    text.len()
}

/// A target or source.
pub(super) fn name(clause: &Clause<'_>, pair: Pair<'_, Rule>) -> Result<Spanned<Name>, SyntaxError> {
    let span = clause.span_of(&pair);
    let name = Name::new(joined(pair.as_str()));
    if name.text.is_empty() { Err(SyntaxError::Empty { what: "a name", span }) } else { Ok(Spanned::new(name, span)) }
}

/// A value as text.
pub(super) fn text(clause: &Clause<'_>, pair: Pair<'_, Rule>) -> Spanned<String> {
    let span = clause.span_of(&pair);
    Spanned::new(joined(pair.as_str()), span)
}

/// A value that is a number if it is written as one. `007` and numbers beyond 64 bits stay text: nothing may get lost.
pub(super) fn property_value(clause: &Clause<'_>, pair: Pair<'_, Rule>) -> Spanned<PropertyValue> {
    let number = pair.as_str().parse::<i64>().ok().filter(|number| number.to_string() == pair.as_str());
    text(clause, pair).map(|text| number.map_or(PropertyValue::Text(text), PropertyValue::Integer))
}

/// One name of a path.
pub(super) fn part(clause: &Clause<'_>, pair: &Pair<'_, Rule>) -> Spanned<String> {
    Spanned::new(unquoted(pair.as_str()), clause.span_of(pair))
}

/// `AS name`: the name.
pub(super) fn alias(clause: &Clause<'_>, pair: &Pair<'_, Rule>) -> Result<Spanned<String>, SyntaxError> {
    let alias = part(clause, pair);
    if alias.node.is_empty() { Err(SyntaxError::Empty { what: "a name", span: alias.span }) } else { Ok(alias) }
}

/// The path of some `part`s, with the old spelling `_.topic` read as `_topic`.
pub(super) fn path<'p>(
    clause: &Clause<'_>,
    pairs: impl Iterator<Item = Pair<'p, Rule>>,
    report: &mut Report,
) -> Result<Spanned<Path>, SyntaxError> {
    path_or_above(clause, pairs, false, report)
}

/// The same of a path that `.*` may follow: `_.key.*` is every field of the key.
pub(super) fn path_or_above<'p>(
    clause: &Clause<'_>,
    pairs: impl Iterator<Item = Pair<'p, Rule>>,
    star: bool,
    report: &mut Report,
) -> Result<Spanned<Path>, SyntaxError> {
    let written: Vec<Pair<'_, Rule>> = pairs.filter(|pair| matches!(pair.as_rule(), Rule::part | Rule::pattern)).collect();
    let old_spelling = written.len() > 1 && written[0].as_str() == "_";
    let mut parts: Vec<Spanned<String>> = written.iter().map(|pair| part(clause, pair)).collect();
    let span = parts.iter().map(|part| part.span).reduce(Span::to).unwrap_or_default();
    if let Some(deep) = parts.get(PATH_PARTS_MAX) {
        return Err(SyntaxError::TooDeep { what: "a path", max: PATH_PARTS_MAX, span: deep.span });
    }
    if let Some(empty) = parts.iter().find(|part| part.node.is_empty()) {
        return Err(SyntaxError::Empty { what: "a name", span: empty.span });
    }
    if old_spelling {
        replace_old_metadata(&mut parts, star, span, report)?;
    }
    Ok(Spanned::new(Path { parts }, span))
}

fn replace_old_metadata(parts: &mut Vec<Spanned<String>>, star: bool, span: Span, report: &mut Report) -> Result<(), SyntaxError> {
    let name = parts[1].node.as_str();
    let known = match parts.len() {
        2 if !star => matches!(name, "topic" | "partition" | "offset" | "timestamp"),
        _ => name == "key",
    };
    if !known {
        return Err(SyntaxError::UnknownMetadata { name: excerpt(name), span });
    }
    let (old, new) = (format!("_.{name}"), format!("_{name}"));
    let span = parts[0].span.to(parts[1].span);
    report.warning(SyntaxWarning::OldMetadata { old, new: new.clone(), span });
    parts.splice(..2, [Spanned::new(new, span)]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_removed_and_doubled_ones_halved() {
        assert_eq!(unquoted("a"), "a");
        assert_eq!(unquoted("'it''s'"), "it's");
        assert_eq!(unquoted("`a``b`"), "a`b");
        assert_eq!(unquoted("\"a b\""), "a b");
        assert_eq!(unquoted("''"), "");
        assert_eq!(unquoted("''''"), "'");
    }

    #[test]
    fn quoted_and_bare_pieces_join() {
        assert_eq!(joined("`bucket`:`pre fix`/x"), "bucket:pre fix/x");
        assert_eq!(joined("'it''s'.\"b\""), "it's.b");
        assert_eq!(joined("com.x.Y"), "com.x.Y");
        assert_eq!(joined("`a``b``"), "a`b`");
        assert_eq!(joined(""), "");
    }
}
