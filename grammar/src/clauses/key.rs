//! `WITHKEY(device_id, meta.site, upper(country))` and `KEYDELIMITER='-'`.

use pest::iterators::Pair;

use super::{Clause, expr, literal};
use crate::error::SyntaxError;
use crate::expr::Expr;
use crate::report::Report;
use crate::rules::Rule;
use crate::span::Spanned;

pub(super) fn parse(clause: &Clause<'_>, report: &mut Report) -> Option<Spanned<Vec<Spanned<Expr>>>> {
    let parts = report.keep(clause.read(Rule::with_key))?;
    let mut values = Vec::new();
    for item in parts.filter(|part| part.as_rule() == Rule::key_item).flat_map(Pair::into_inner) {
        let value = match item.as_rule() {
            Rule::path => literal::path(clause, item.into_inner(), report).map(|path| path.map(Expr::Column)),
            _ => expr::parse(clause, item, report),
        };
        values.push(report.keep(value)?);
    }
    Some(Spanned::new(values, clause.span()))
}

pub(super) fn parse_delimiter(clause: &Clause<'_>, report: &mut Report) -> Option<Spanned<String>> {
    let mut parts = report.keep(clause.read(Rule::key_delimiter))?;
    let value = parts.find(|part| part.as_rule() == Rule::value)?;
    let delimiter = literal::text(clause, value);
    if delimiter.node.is_empty() {
        report.error(SyntaxError::Empty { what: "a key delimiter", span: delimiter.span });
        return None;
    }
    Some(delimiter)
}

#[cfg(test)]
mod tests {
    use crate::testing::{codes_with, with};

    #[test]
    fn keys_are_fields_and_calculations() {
        let values = with("WITHKEY(a, b.c, `d e`.9, a || '-' || b)").with_key.map(|key| key.node).unwrap_or_default();
        let printed: Vec<String> = values.iter().map(|value| value.node.to_string()).collect();
        assert_eq!(printed, ["a", "b.c", "`d e`.`9`", "a || '-' || b"]);
    }

    #[test]
    fn delimiters_are_text_of_any_length() {
        for (written, delimiter) in [("'-'", "-"), ("'.'", "."), ("'||'", "||"), ("''''", "'"), ("`;`", ";"), ("-", "-")] {
            let read = with(&format!("KEYDELIMITER = {written}")).key_delimiter.map(|delimiter| delimiter.node);
            assert_eq!(read.as_deref(), Some(delimiter));
        }
    }

    #[test]
    fn mistakes_in_keys() {
        assert_eq!(codes_with("WITHKEY(a b)"), ["KP0101"]);
        assert_eq!(codes_with("WITHKEY a"), ["KP0101"]);
        assert_eq!(codes_with("WITHKEY(a,)"), ["KP0128"]);
        assert_eq!(codes_with("WITHKEY(a"), ["KP0129"]);
        assert_eq!(codes_with("KEYDELIMITER"), ["KP0126"]);
        assert_eq!(codes_with("KEYDELIMITER=''"), ["KP0114"]);
    }
}
