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
