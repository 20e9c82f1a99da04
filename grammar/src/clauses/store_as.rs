//! `STOREAS PARQUET (compression=zstd)`.

use std::fmt;

use super::{Clause, literal, properties};
use crate::ast::StoreAs;
use crate::error::SyntaxError;
use crate::print::quoted_word;
use crate::report::Report;
use crate::rules::Rule;
use crate::span::Spanned;

pub(super) fn parse(clause: &Clause<'_>, report: &mut Report) -> Option<Spanned<StoreAs>> {
    let parts: Vec<_> = report.keep(clause.read(Rule::store_as))?.collect();
    let format = parts.iter().find(|part| part.as_rule() == Rule::value)?;
    let format = literal::text(clause, format.clone());
    if format.node.is_empty() {
        report.error(SyntaxError::Empty { what: "a format", span: format.span });
        return None;
    }
    let options = report.keep(properties::list(clause, parts.into_iter()))?;
    Some(Spanned::new(StoreAs { format, options }, clause.span()))
}

impl fmt::Display for StoreAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "STOREAS {}", quoted_word(&self.format.node))?;
        if self.options.is_empty() { Ok(()) } else { write!(f, " {}", properties::PropertyList(&self.options)) }
    }
}
