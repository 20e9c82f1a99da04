//! `SELECT *, a.*, b.c AS d`.

use std::collections::HashMap;
use std::fmt;

use pest::iterators::Pair;

use super::{Clause, expr, literal};
use crate::ast::{Path, SelectItem, output_name};
use crate::error::SyntaxError;
use crate::excerpt::{excerpt, shown};
use crate::expr::{Expr, Literal};
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

/// Reads a `star`, a `column` or a `computed`.
fn item(clause: &Clause<'_>, pair: Pair<'_, Rule>, report: &mut Report) -> Result<Spanned<SelectItem>, SyntaxError> {
    let span = clause.span_of(&pair);
    if pair.as_rule() == Rule::star {
        return Ok(Spanned::new(SelectItem::Star, span));
    }
    if pair.as_rule() == Rule::computed {
        let (expr, alias) = computed(clause, pair, report)?;
        return Ok(Spanned::new(SelectItem::Value { expr: expr.node, alias }, span));
    }
    let mut parts = Vec::new();
    let mut alias = None;
    let mut star = false;
    for part in pair.into_inner() {
        match part.as_rule() {
            Rule::part => parts.push(part),
            Rule::star => star = true,
            Rule::alias => alias = Some(literal::alias(clause, &part)?),
            _ => {}
        }
    }
    check_signs(clause, &parts, report);
    let path = literal::path_or_above(clause, parts.into_iter(), star, report)?.node;
    Ok(Spanned::new(if star { SelectItem::StarOf(path) } else { SelectItem::Value { expr: Expr::Column(path), alias } }, span))
}

/// `a * 2 AS c`.
pub(super) fn computed(
    clause: &Clause<'_>,
    pair: Pair<'_, Rule>,
    report: &mut Report,
) -> Result<(Spanned<Expr>, Option<Spanned<String>>), SyntaxError> {
    let span = clause.span_of(&pair);
    let (mut value, mut name) = (None, None);
    for part in pair.into_inner() {
        match part.as_rule() {
            Rule::expr => value = Some(expr::parse(clause, part, report)?),
            Rule::alias => name = Some(literal::alias(clause, &part)?),
            _ => {}
        }
    }
    let found = || SyntaxError::Expected { expected: "a value".to_owned(), found: shown(span.text(clause.source)), span, help: None };
    Ok((value.ok_or_else(found)?, name))
}

/// A bare word with a sign in it may be meant as a calculation.
fn check_signs(clause: &Clause<'_>, parts: &[Pair<'_, Rule>], report: &mut Report) {
    for part in parts {
        let word = part.as_str();
        if !word.starts_with(['`', '"']) && word.contains(['+', '/']) {
            report.warning(SyntaxWarning::OperatorInName { word: word.to_owned(), span: clause.span_of(part) });
        }
    }
}

/// Each output name once, `*` once, and `a.*` once for each `a`.
fn check_names(clause: &Clause<'_>, items: &Items) -> Result<(), SyntaxError> {
    let mut stars: HashMap<Vec<&str>, Span> = HashMap::new();
    let mut names: HashMap<String, Span> = HashMap::new();
    for item in items {
        let star = match &item.node {
            SelectItem::Star => Vec::new(),
            SelectItem::StarOf(path) => path.names(),
            SelectItem::Value { expr, alias } => {
                let name = alias.as_ref().map_or_else(|| output_name(expr), |alias| alias.node.clone());
                if let Some(first) = names.insert(name.clone(), item.span) {
                    let example = excerpt(&format!("{expr} AS {}", quoted_part(&other_name(expr.as_column(), &name))));
                    return Err(SyntaxError::DuplicateColumn { name: excerpt(&name), first, second: item.span, example });
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
fn other_name(path: Option<&Path>, taken: &str) -> String {
    let joined = path.map_or_else(|| "value".to_owned(), |path| path.names().join("_"));
    if joined == taken { format!("{joined}_2") } else { joined }
}

impl fmt::Display for SelectItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SelectItem::Star => f.write_str("*"),
            SelectItem::StarOf(path) => write!(f, "{path}.*"),
            SelectItem::Value { expr, alias } => write_aliased(f, expr, alias.as_ref()),
        }
    }
}

/// An expression that stands alone. `NULL` and `TRUE` alone are fields, as they always were; in parentheses they are values.
pub(crate) struct Alone<'e>(pub(crate) &'e Expr);

impl fmt::Display for Alone<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            constant @ Expr::Literal(Literal::Null | Literal::Boolean(_)) => write!(f, "({constant})"),
            expr => write!(f, "{expr}"),
        }
    }
}

/// `a`, `a AS b`.
pub(super) fn write_aliased(f: &mut fmt::Formatter<'_>, expr: &Expr, alias: Option<&Spanned<String>>) -> fmt::Result {
    write!(f, "{}", Alone(expr))?;
    alias.map_or(Ok(()), |alias| write!(f, " AS {}", quoted_part(&alias.node)))
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
    fn calculations_have_a_name_or_are_called_as_they_are_written() {
        assert_eq!(printed("a*2 as b, upper( c ), 12, 'x' AS `d e`"), ["a * 2 AS b", "upper(c)", "12", "'x' AS `d e`"]);
        assert_eq!(codes("INSERT INTO t SELECT upper(a), UPPER( a ) FROM s"), ["KP0121"]);
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
        assert_eq!(other_name(Some(&path(&["a", "b"])), "b"), "a_b");
        assert_eq!(other_name(Some(&path(&["b"])), "b"), "b_2");
        assert_eq!(other_name(None, "a + b"), "value");
    }
}
