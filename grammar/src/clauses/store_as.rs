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

#[cfg(test)]
mod tests {
    use crate::testing::{codes_with, with};

    #[test]
    fn formats_with_and_without_options() {
        for (text, printed) in [
            ("STOREAS json", "STOREAS json"),
            ("storeas = 'JSON'", "STOREAS JSON"),
            ("STOREAS `a.B` (x=1, y='z z') (v=w)", "STOREAS `a.B` (x=1, y='z z', v=w)"),
        ] {
            assert_eq!(with(text).store_as.map(|store_as| store_as.node.to_string()).as_deref(), Some(printed));
        }
    }

    #[test]
    fn mistakes_in_formats() {
        assert_eq!(codes_with("STOREAS"), ["KP0126"]);
        assert_eq!(codes_with("STOREAS ''"), ["KP0114"]);
        assert_eq!(codes_with("STOREAS JSON ()"), ["KP0101"]);
        assert_eq!(codes_with("STOREAS JSON (a=1, a=2)"), ["KP0119"]);
        assert_eq!(codes_with("STOREAS JSON CSV"), ["KP0108"]);
    }
}
