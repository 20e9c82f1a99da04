//! ``WITHCONVERTER=`com.example.JsonSimpleConverter` ``.

use super::{Clause, literal};
use crate::error::SyntaxError;
use crate::report::Report;
use crate::rules::Rule;
use crate::span::Spanned;

pub(super) fn parse(clause: &Clause<'_>, report: &mut Report) -> Option<Spanned<String>> {
    let mut parts = report.keep(clause.read(Rule::with_converter))?;
    let value = parts.find(|part| part.as_rule() == Rule::value)?;
    let class = literal::text(clause, value);
    if class.node.is_empty() {
        report.error(SyntaxError::Empty { what: "a class name", span: class.span });
        return None;
    }
    Some(class)
}

#[cfg(test)]
mod tests {
    use crate::testing::{codes_with, with};

    #[test]
    fn classes_are_quoted_or_bare() {
        for written in ["`com.x.Y`", "'com.x.Y'", "com.x.Y"] {
            let class = with(&format!("WITHCONVERTER={written}")).with_converter.map(|class| class.node);
            assert_eq!(class.as_deref(), Some("com.x.Y"));
        }
        assert_eq!(codes_with("WITHCONVERTER=''"), ["KP0114"]);
        assert_eq!(codes_with("WITHCONVERTER"), ["KP0126"]);
    }
}
