//! `WITHKEY(device_id, meta.site)` and `KEYDELIMITER='-'`.

use super::{Clause, literal};
use crate::ast::Path;
use crate::error::SyntaxError;
use crate::report::Report;
use crate::rules::Rule;
use crate::span::Spanned;

pub(super) fn parse(clause: &Clause<'_>, report: &mut Report) -> Option<Spanned<Vec<Spanned<Path>>>> {
    let parts = report.keep(clause.read(Rule::with_key))?;
    let mut paths = Vec::new();
    for item in parts.filter(|part| part.as_rule() == Rule::path) {
        let path = literal::path(clause, item.into_inner(), report);
        paths.push(report.keep(path)?);
    }
    Some(Spanned::new(paths, clause.span()))
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
