//! `INSERT INTO target`, `UPSERT INTO target`, `UPDATE INTO target`.

use std::fmt;

use super::{Clause, literal};
use crate::ast::{Name, WriteMode};
use crate::report::Report;
use crate::rules::Rule;
use crate::span::Spanned;

pub(super) fn parse(clause: &Clause<'_>, report: &mut Report) -> Option<(Spanned<WriteMode>, Spanned<Name>)> {
    let mut parts = report.keep(clause.read(Rule::insert_into))?;
    let keyword = clause.tokens.first()?;
    let is = |word: &str| keyword.is_word(clause.source, word);
    let mode = match () {
        () if is("UPSERT") => WriteMode::Upsert,
        () if is("UPDATE") => WriteMode::Update,
        () => WriteMode::Insert,
    };
    let name = parts.find(|part| part.as_rule() == Rule::name)?;
    let target = report.keep(literal::name(clause, name))?;
    Some((Spanned::new(mode, keyword.span), target))
}

impl fmt::Display for WriteMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WriteMode::Insert => "INSERT INTO",
            WriteMode::Upsert => "UPSERT INTO",
            WriteMode::Update => "UPDATE INTO",
            WriteMode::Select => "SELECT",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{codes, statement};

    #[test]
    fn targets_join_their_parts() {
        let statement = statement("upsert into `bucket`:'pre fix'/x SELECT * FROM s");
        assert_eq!(statement.mode.node, WriteMode::Upsert);
        assert_eq!(statement.target.as_ref().map(|target| &target.node), Some(&Name::new("bucket:pre fix/x")));
        assert!(statement.to_string().starts_with("UPSERT INTO `bucket:pre fix/x` SELECT"));
    }

    #[test]
    fn a_target_is_one_name() {
        assert_eq!(codes("INSERT INTO a b SELECT * FROM s"), ["KP0108"]);
        assert_eq!(codes("INSERT INTO a, b SELECT * FROM s"), ["KP0101"]);
        assert_eq!(codes("INSERT INTO (a) SELECT * FROM s"), ["KP0101"]);
        assert_eq!(codes("INSERT INTO '' SELECT * FROM s"), ["KP0114"]);
        assert_eq!(codes("INSERT INTO SELECT * FROM s"), ["KP0102"]);
    }
}
