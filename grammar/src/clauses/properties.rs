//! `PROPERTIES('flush.count'=5000)`.

use std::collections::HashMap;
use std::fmt;

use pest::iterators::Pair;

use super::{Clause, literal};
use crate::ast::{Property, PropertyValue};
use crate::error::SyntaxError;
use crate::excerpt::excerpt;
use crate::print::quoted_text;
use crate::report::Report;
use crate::rules::Rule;
use crate::span::{Span, Spanned};

pub(super) fn parse(clause: &Clause<'_>, report: &mut Report) -> Option<Spanned<Vec<Property>>> {
    let parts = report.keep(clause.read(Rule::properties))?;
    let properties = report.keep(list(clause, parts))?;
    Some(Spanned::new(properties, clause.span()))
}

/// The properties among `pairs`, each key once.
pub(super) fn list<'p>(clause: &Clause<'_>, pairs: impl Iterator<Item = Pair<'p, Rule>>) -> Result<Vec<Property>, SyntaxError> {
    let mut properties = Vec::new();
    let mut seen: HashMap<String, Span> = HashMap::new();
    for pair in pairs.filter(|pair| pair.as_rule() == Rule::property) {
        let property = property(clause, pair)?;
        let span = property.key.span;
        if property.key.node.is_empty() {
            return Err(SyntaxError::Empty { what: "the name of an option", span });
        }
        if let Some(first) = seen.insert(property.key.node.to_lowercase(), span) {
            return Err(SyntaxError::DuplicateProperty { key: excerpt(&property.key.node), first, second: span });
        }
        properties.push(property);
    }
    Ok(properties)
}

fn property(clause: &Clause<'_>, pair: Pair<'_, Rule>) -> Result<Property, SyntaxError> {
    let span = clause.span_of(&pair);
    let mut values = pair.into_inner().filter(|part| part.as_rule() == Rule::value);
    match (values.next(), values.next()) {
        (Some(key), Some(value)) => Ok(Property { key: literal::text(clause, key), value: literal::property_value(clause, value) }),
        _ => Err(SyntaxError::Empty { what: "the name of an option", span }),
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", quoted_text(&self.key.node), self.value.node)
    }
}

impl fmt::Display for PropertyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PropertyValue::Integer(number) => write!(f, "{number}"),
            PropertyValue::Text(text) => f.write_str(&quoted_text(text)),
        }
    }
}

/// `(a=1, b=2)`.
pub(crate) struct PropertyList<'p>(pub(crate) &'p [Property]);

impl fmt::Display for PropertyList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        crate::print::write_list(f, self.0)?;
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{codes_with, with};

    fn values(clause: &str) -> Vec<(String, PropertyValue)> {
        let list = with(clause).properties.map(|list| list.node).unwrap_or_default();
        list.into_iter().map(|property| (property.key.node, property.value.node)).collect()
    }

    #[test]
    fn numbers_and_text() {
        let text = |text: &str| PropertyValue::Text(text.to_owned());
        assert_eq!(
            values("PROPERTIES('a.b'=1, c.d=-2, e=3.5, f='4', `g`=true)"),
            [
                ("a.b".to_owned(), PropertyValue::Integer(1)),
                ("c.d".to_owned(), PropertyValue::Integer(-2)),
                ("e".to_owned(), text("3.5")),
                ("f".to_owned(), text("4")),
                ("g".to_owned(), text("true")),
            ]
        );
        assert_eq!(values("PROPERTIES()"), []);
    }

    #[test]
    fn printed_text_is_quoted_where_it_would_be_read_otherwise() {
        let printed = |value: &str| PropertyValue::Text(value.to_owned()).to_string();
        assert_eq!(printed("true"), "true");
        assert_eq!(printed("5"), "'5'");
        assert_eq!(printed("it's"), "'it''s'");
        assert_eq!(printed(""), "''");
        assert_eq!(printed("a\nb"), "`a\nb`");
        assert_eq!(PropertyValue::Integer(-5).to_string(), "-5");
    }

    #[test]
    fn mistakes_in_properties() {
        assert_eq!(codes_with("PROPERTIES(a=1, A=2)"), ["KP0119"]);
        assert_eq!(codes_with("PROPERTIES(a)"), ["KP0101"]);
        assert_eq!(codes_with("PROPERTIES(a=)"), ["KP0101"]);
        assert_eq!(codes_with("PROPERTIES(a=1"), ["KP0129"]);
        assert_eq!(codes_with("PROPERTIES"), ["KP0126"]);
        assert_eq!(codes_with("PROPERTIES(''=1)"), ["KP0114"]);
    }
}
