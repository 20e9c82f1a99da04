//! `FROM source`: a topic, an MQTT filter, a file.

use super::{Clause, literal};
use crate::ast::Name;
use crate::report::Report;
use crate::rules::Rule;
use crate::span::Spanned;

pub(super) fn parse(clause: &Clause<'_>, report: &mut Report) -> Option<Spanned<Name>> {
    let mut parts = report.keep(clause.read(Rule::from_clause))?;
    let name = parts.find(|part| part.as_rule() == Rule::name)?;
    report.keep(literal::name(clause, name))
}
