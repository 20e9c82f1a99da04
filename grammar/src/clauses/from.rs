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

#[cfg(test)]
mod tests {
    use crate::testing::{codes, statement};

    #[test]
    fn sources_are_names_and_filters() {
        for source in ["telemetry/+/#", "$share/g/x/+", "D.TS.9931.COPY", "/a", "a--b"] {
            let statement = statement(&format!("INSERT INTO t SELECT * FROM {source} LIMIT 5"));
            assert_eq!((statement.from.node.text.as_str(), statement.from.node.quoted), (source, false));
        }
        assert_eq!(statement("INSERT INTO t SELECT * FROM `a b`").from.node.text, "a b");
    }

    #[test]
    fn a_source_is_one_name() {
        assert_eq!(codes("INSERT INTO t SELECT * FROM a b"), ["KP0108"]);
        assert_eq!(codes("INSERT INTO t SELECT * FROM a, b"), ["KP0101"]);
        assert_eq!(codes("INSERT INTO t SELECT * FROM a .b"), ["KP0101"]);
        assert_eq!(codes("INSERT INTO t SELECT * FROM"), ["KP0103"]);
        assert_eq!(codes("INSERT INTO t SELECT * FROM LIMIT 5"), ["KP0103"]);
        assert_eq!(codes("INSERT INTO t SELECT * FROM a.*"), ["KP0131"]);
    }
}
