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

#[cfg(test)]
mod tests {
    use crate::testing::{codes_with, with};

    #[test]
    fn keys_are_paths() {
        let paths = with("WITHKEY(a, b.c, `d e`.9)").with_key.map(|key| key.node).unwrap_or_default();
        let names: Vec<Vec<&str>> = paths.iter().map(|path| path.node.names()).collect();
        assert_eq!(names, [vec!["a"], vec!["b", "c"], vec!["d e", "9"]]);
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
        assert_eq!(codes_with("WITHKEY(concat(a, b))"), ["KP0125"]);
        assert_eq!(codes_with("KEYDELIMITER"), ["KP0126"]);
        assert_eq!(codes_with("KEYDELIMITER=''"), ["KP0114"]);
    }
}
