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

#[cfg(test)]
mod tests {
    use crate::testing::{codes_with, with};

    #[test]
    fn limits_are_whole_numbers_from_one_on() {
        assert_eq!(with("LIMIT 5").limit.map(|limit| limit.node), Some(5));
        assert_eq!(with("limit=9223372036854775807").limit.map(|limit| limit.node), Some(9_223_372_036_854_775_807));
        for (value, code) in
            [("0", "KP0117"), ("-3", "KP0117"), ("x", "KP0118"), ("1.5", "KP0118"), ("9223372036854775808", "KP0118"), ("", "KP0126")]
        {
            assert_eq!(codes_with(&format!("LIMIT {value}")), [code], "{value}");
        }
    }
}
