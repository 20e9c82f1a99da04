//! `SELECT *, a.*, b.c AS d`.

use std::collections::HashMap;
use std::fmt;

use pest::iterators::Pair;

use super::{Clause, literal};
use crate::ast::{Path, SelectItem};
use crate::error::SyntaxError;
use crate::excerpt::excerpt;
use crate::print::quoted_part;
use crate::report::Report;
use crate::rules::Rule;
use crate::span::{Span, Spanned};
use crate::warning::SyntaxWarning;

type Items = Vec<Spanned<SelectItem>>;

pub(super) fn parse(clause: &Clause<'_>, report: &mut Report) -> Option<Spanned<Items>> {
    let parts = report.keep(clause.read(Rule::select_clause))?;
    let mut items = Vec::new();
    let mut whole = true;
    for part in parts.filter(|part| part.as_rule() == Rule::select_item).flat_map(Pair::into_inner) {
        match item(clause, part, report) {
            Ok(item) => items.push(item),
            Err(error) => {
                whole = false;
                report.error(error);
            }
        }
    }
    report.keep(check_names(clause, &items))?;
    whole.then(|| Spanned::new(items, clause.span()))
}

/// Reads a `star` or a `column`.
fn item(clause: &Clause<'_>, pair: Pair<'_, Rule>, report: &mut Report) -> Result<Spanned<SelectItem>, SyntaxError> {
    let span = clause.span_of(&pair);
    if pair.as_rule() == Rule::star {
        return Ok(Spanned::new(SelectItem::Star, span));
    }
    let mut parts = Vec::new();
    let mut alias = None;
    let mut star = false;
    for part in pair.into_inner() {
        match part.as_rule() {
            Rule::part => parts.push(part),
            Rule::star => star = true,
            Rule::alias => alias = Some(self::alias(clause, &part)?),
            _ => {}
        }
    }
    check_first(clause, &parts, report)?;
    let path = literal::path(clause, parts.into_iter(), report)?.node;
    Ok(Spanned::new(if star { SelectItem::StarOf(path) } else { SelectItem::Column { path, alias } }, span))
}

fn alias(clause: &Clause<'_>, pair: &Pair<'_, Rule>) -> Result<Spanned<String>, SyntaxError> {
    let alias = literal::part(clause, pair);
    if alias.node.is_empty() { Err(SyntaxError::Empty { what: "a name", span: alias.span }) } else { Ok(alias) }
}

/// A bare number is a literal, and a bare word with a sign in it may be meant as a calculation.
fn check_first(clause: &Clause<'_>, parts: &[Pair<'_, Rule>], report: &mut Report) -> Result<(), SyntaxError> {
    let Some(first) = parts.first() else { return Ok(()) };
    if first.as_str().bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(SyntaxError::NotYet {
            what: "a literal in SELECT".to_owned(),
            span: clause.span_of(first),
            help: "put a field that is called like a number in back-ticks".to_owned(),
        });
    }
    for part in parts {
        let word = part.as_str();
        if !word.starts_with(['`', '"']) && word.contains(['+', '/']) {
            report.warning(SyntaxWarning::OperatorInName { word: word.to_owned(), span: clause.span_of(part) });
        }
    }
    Ok(())
}

/// Each output name once, `*` once, and `a.*` once for each `a`.
fn check_names(clause: &Clause<'_>, items: &Items) -> Result<(), SyntaxError> {
    let mut stars: HashMap<Vec<&str>, Span> = HashMap::new();
    let mut names: HashMap<&str, Span> = HashMap::new();
    for item in items {
        let star = match &item.node {
            SelectItem::Star => Vec::new(),
            SelectItem::StarOf(path) => path.names(),
            SelectItem::Column { path, alias } => {
                let name = alias.as_ref().or(path.parts.last()).map_or("", |name| name.node.as_str());
                if let Some(first) = names.insert(name, item.span) {
                    let example = excerpt(&format!("{path} AS {}", quoted_part(&other_name(path, name))));
                    return Err(SyntaxError::DuplicateColumn { name: excerpt(name), first, second: item.span, example });
                }
                continue;
            }
        };
        if let Some(first) = stars.insert(star, item.span) {
            return Err(SyntaxError::StarTwice { star: excerpt(item.span.text(clause.source)), first, second: item.span });
        }
    }
    Ok(())
}

/// A name for a column that is not `taken`.
fn other_name(path: &Path, taken: &str) -> String {
    let joined = path.names().join("_");
    if joined == taken { format!("{joined}_2") } else { joined }
}

impl fmt::Display for SelectItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SelectItem::Star => f.write_str("*"),
            SelectItem::StarOf(path) => write!(f, "{path}.*"),
            SelectItem::Column { path, alias: None } => write!(f, "{path}"),
            SelectItem::Column { path, alias: Some(alias) } => write!(f, "{path} AS {}", quoted_part(&alias.node)),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.parts.iter().enumerate() {
            let dot = if index == 0 { "" } else { "." };
            write!(f, "{dot}{}", quoted_part(&part.node))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{codes, statement};

    fn printed(columns: &str) -> Vec<String> {
        statement(&format!("INSERT INTO t SELECT {columns} FROM s")).select.node.iter().map(|item| item.node.to_string()).collect()
    }

    #[test]
    fn stars_paths_and_aliases() {
        assert_eq!(printed("*, a.b.*, `c d`.e as f, g AS 'h i'"), ["*", "a.b.*", "`c d`.e AS f", "g AS `h i`"]);
    }

    #[test]
    fn parts_are_quoted_only_where_they_must_be() {
        assert_eq!(
            printed("`a`, `b-c`, `limit` AS x, `12` AS y, `_`.z, `a+b`"),
            ["a", "b-c", "`limit` AS x", "`12` AS y", "`_`.z", "`a+b`"]
        );
    }

    #[test]
    fn output_names_differ() {
        let from = |columns: &str| codes(&format!("INSERT INTO t SELECT {columns} FROM s"));
        assert_eq!(from("a, a"), ["KP0121"]);
        assert_eq!(from("a.b, c AS b"), ["KP0121"]);
        assert_eq!(from("a, a AS b, A"), [""; 0]);
        assert_eq!(from("*, a, *"), ["KP0120"]);
        assert_eq!(from("a.*, b.*, *"), [""; 0]);
    }

    #[test]
    fn the_example_of_another_name_is_another_name() {
        let path = |names: &[&str]| Path { parts: names.iter().map(|name| Spanned::new((*name).to_owned(), Span::default())).collect() };
        assert_eq!(other_name(&path(&["a", "b"]), "b"), "a_b");
        assert_eq!(other_name(&path(&["b"]), "b"), "b_2");
    }
}
