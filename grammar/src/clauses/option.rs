//! The clauses of the option table: checked by the form of their value, kept as they are written.

use pest::iterators::Pair;

use super::{Clause, literal};
use crate::ast::OtherClause;
use crate::error::SyntaxError;
use crate::excerpt::shown;
use crate::keyword;
use crate::labels::one_of;
use crate::options::{OptionClause, Shape};
use crate::report::Report;
use crate::rules::Rule;
use crate::span::Spanned;
use crate::warning::SyntaxWarning;

pub(super) fn parse(clause: &Clause<'_>, row: &'static OptionClause, report: &mut Report) -> Option<Spanned<OtherClause>> {
    let parts: Vec<Pair<'_, Rule>> = report.keep(clause.read(row.shape.rule()))?.collect();
    report.keep(check(clause, row, &parts))?;
    if let Some(replacement) = row.replacement {
        report.warning(SyntaxWarning::DeprecatedClause { clause: row.keyword, replacement: replacement.to_owned(), span: clause.span() });
    }
    let node = OtherClause { keyword: row.keyword, text: clause.text().to_owned() };
    Some(Spanned::new(node, clause.span()))
}

fn check(clause: &Clause<'_>, row: &OptionClause, parts: &[Pair<'_, Rule>]) -> Result<(), SyntaxError> {
    match row.shape {
        Shape::Flag | Shape::Text | Shape::Columns | Shape::Tags => Ok(()),
        Shape::Integer(min) => integers(clause, row.keyword, min, parts),
        Shape::Sample | Shape::Buckets => integers(clause, row.keyword, 1, parts),
        Shape::Offsets => {
            let numbers: Vec<_> =
                parts.iter().filter(|part| part.as_rule() == Rule::offset).flat_map(|part| part.clone().into_inner()).collect();
            integers(clause, row.keyword, 0, &numbers)
        }
        Shape::OneOf(words) => parts.iter().filter(|part| part.as_rule() == Rule::value).try_for_each(|value| {
            let text = literal::text(clause, value.clone());
            one_of_words(row.keyword, words, &text)
        }),
        Shape::Time => time(clause, row.keyword, parts),
    }
}

fn integers(clause: &Clause<'_>, keyword: &'static str, min: i64, parts: &[Pair<'_, Rule>]) -> Result<(), SyntaxError> {
    parts.iter().filter(|part| part.as_rule() == Rule::value).try_for_each(|value| {
        let text = literal::text(clause, value.clone());
        integer(keyword, min, value.as_str(), &text).map(|_| ())
    })
}

/// The whole number `written`, at least `min`.
pub(super) fn integer(clause: &'static str, min: i64, written: &str, text: &Spanned<String>) -> Result<i64, SyntaxError> {
    match written.parse::<i64>() {
        Ok(number) if number >= min => Ok(number),
        Ok(_) => {
            let help = (clause == "LIMIT").then(|| "leave LIMIT out to read everything".to_owned());
            Err(SyntaxError::OutOfRange { clause, min, span: text.span, help })
        }
        Err(_) => Err(SyntaxError::WrongValue {
            clause,
            expected: "a whole number".to_owned(),
            found: shown(written),
            span: text.span,
            replacement: text.node.parse::<i64>().ok().filter(|number| *number >= min).map(|number| number.to_string()),
        }),
    }
}

fn one_of_words(clause: &'static str, words: &[&'static str], text: &Spanned<String>) -> Result<(), SyntaxError> {
    if words.iter().any(|word| word.eq_ignore_ascii_case(&text.node)) {
        return Ok(());
    }
    let replacement = match keyword::near(&text.node, words.iter().copied()).as_slice() {
        [only] => Some((*only).to_owned()),
        _ => None,
    };
    Err(SyntaxError::WrongValue { clause, expected: one_of(words), found: shown(&text.node), span: text.span, replacement })
}

/// The only call that the older language has is `sys_time()`.
fn time(clause: &Clause<'_>, keyword: &'static str, parts: &[Pair<'_, Rule>]) -> Result<(), SyntaxError> {
    let is_call = parts.iter().any(|part| part.as_rule() == Rule::open);
    match parts.iter().find(|part| part.as_rule() == Rule::path) {
        Some(path) if is_call && !path.as_str().eq_ignore_ascii_case("sys_time") => Err(SyntaxError::WrongValue {
            clause: keyword,
            expected: "a field or `sys_time()`".to_owned(),
            found: shown(path.as_str()),
            span: clause.span_of(path),
            replacement: None,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::OPTIONS;
    use crate::testing::{codes_with, with};

    /// A value of this form that is right, and one that is not.
    fn values(shape: Shape) -> (String, String) {
        let texts = |right: &str, wrong: &str| (right.to_owned(), wrong.to_owned());
        match shape {
            Shape::Flag => texts("", "= 1"),
            Shape::Text => texts("= `a b`", "= (a)"),
            Shape::Integer(min) => (format!("= {}", min.max(7)), format!("{}", min - 1)),
            Shape::OneOf(words) => (words[0].to_lowercase(), "= xyzzy".to_owned()),
            Shape::Columns => texts("a, b.c", "a b"),
            Shape::Tags => texts("(a, b = c, d.e AS f)", "()"),
            Shape::Time => texts("sys_time()", "now()"),
            Shape::Buckets => texts("a, b INTO 10 BUCKETS", "a INTO 0 BUCKETS"),
            Shape::Offsets => texts("(0, 10), (1)", "11a1"),
            Shape::Sample => texts("10 EVERY 5000", "10 EVERY x"),
        }
    }

    #[test]
    fn every_row_is_read_kept_whole_and_checked() {
        for row in OPTIONS {
            let (right, wrong) = values(row.shape);
            let text = format!("{} {right}", row.keyword.to_lowercase());
            let other = with(&text).other;
            assert_eq!(other.len(), 1, "{text}");
            assert_eq!((other[0].node.keyword, other[0].node.text.as_str()), (row.keyword, text.trim_end()));
            assert_eq!(codes_with(&format!("{} {wrong}", row.keyword)).len(), 1, "{} {wrong}", row.keyword);
        }
    }

    #[test]
    fn every_row_but_flags_needs_a_value_and_stands_once() {
        for row in OPTIONS {
            let (right, _) = values(row.shape);
            if row.shape != Shape::Flag {
                assert_eq!(codes_with(&format!("{} LIMIT 5", row.keyword)), ["KP0126"], "{}", row.keyword);
            }
            let twice = format!("{0} {right} {0} {right}", row.keyword);
            assert_eq!(codes_with(&twice), ["KP0109"], "{twice}");
        }
    }

    #[test]
    fn dropped_clauses_name_their_successor() {
        for row in OPTIONS.iter().filter(|row| row.replacement.is_some()) {
            let (right, _) = values(row.shape);
            let parsed = crate::parse(&format!("INSERT INTO t SELECT * FROM s {} {right}", row.keyword));
            assert!(matches!(parsed.warnings.as_slice(), [SyntaxWarning::DeprecatedClause { clause, .. }] if *clause == row.keyword));
        }
    }
}
