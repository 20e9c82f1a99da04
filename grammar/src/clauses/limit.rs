//! `LIMIT 10`.

use super::{Clause, literal, option};
use crate::report::Report;
use crate::rules::Rule;
use crate::span::Spanned;

pub(super) fn parse(clause: &Clause<'_>, report: &mut Report) -> Option<Spanned<u64>> {
    let mut parts = report.keep(clause.read(Rule::limit))?;
    let value = parts.find(|part| part.as_rule() == Rule::value)?;
    let written = value.as_str();
    let text = literal::text(clause, value);
    let number = report.keep(option::integer("LIMIT", 1, written, &text))?;
    Some(Spanned::new(number.unsigned_abs(), text.span))
}
