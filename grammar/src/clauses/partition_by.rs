//! ``PARTITIONBY country, _date.`yyyy/MM/dd` ``, `NOPARTITION`.

use std::collections::HashMap;
use std::fmt;

use pest::iterators::Pair;

use super::{Clause, literal, select};
use crate::ast::{Folder, PartitionBy};
use crate::error::SyntaxError;
use crate::excerpt::excerpt;
use crate::expr::Expr;
use crate::keyword::Keyword;
use crate::print::write_list;
use crate::report::Report;
use crate::rules::Rule;
use crate::span::{Span, Spanned};

pub(super) fn parse(clause: &Clause<'_>, report: &mut Report) -> Option<Spanned<PartitionBy>> {
    if clause.keyword == Keyword::NoPartition {
        report.keep(clause.read(Rule::no_partition))?;
        return Some(Spanned::new(PartitionBy::None, clause.span()));
    }
    let parts = report.keep(clause.read(Rule::partition_by))?;
    let mut folders = Vec::new();
    for item in parts.filter(|part| part.as_rule() == Rule::partition_item).flat_map(Pair::into_inner) {
        let folder = folder(clause, item, report);
        folders.push(report.keep(folder)?);
    }
    report.keep(check_twice(&folders))?;
    Some(Spanned::new(PartitionBy::Folders(folders), clause.span()))
}

fn folder(clause: &Clause<'_>, item: Pair<'_, Rule>, report: &mut Report) -> Result<Spanned<Folder>, SyntaxError> {
    if item.as_rule() == Rule::computed {
        let span = clause.span_of(&item);
        let (expr, alias) = select::computed(clause, item, report)?;
        return Ok(Spanned::new(Folder { expr: expr.node, alias }, span));
    }
    let path = literal::path(clause, item.into_inner(), report)?;
    Ok(path.map(|path| Folder { expr: Expr::Column(path), alias: None }))
}

fn check_twice(folders: &[Spanned<Folder>]) -> Result<(), SyntaxError> {
    let mut seen: HashMap<String, Span> = HashMap::new();
    for folder in folders {
        let item = folder.node.expr.to_string();
        if let Some(first) = seen.insert(item.clone(), folder.span) {
            return Err(SyntaxError::DuplicateItem { item: excerpt(&item), clause: "PARTITIONBY", first, second: folder.span });
        }
    }
    Ok(())
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        select::write_aliased(f, &self.expr, self.alias.as_ref())
    }
}

impl fmt::Display for PartitionBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PartitionBy::None => f.write_str("NOPARTITION"),
            PartitionBy::Folders(folders) => {
                f.write_str("PARTITIONBY ")?;
                write_list(f, folders.iter().map(|folder| &folder.node))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{codes_with, with};

    fn printed(clause: &str) -> Option<String> {
        with(clause).partition_by.map(|by| by.node.to_string())
    }

    #[test]
    fn folders_are_paths_and_patterns() {
        assert_eq!(printed("PARTITIONBY a,b.`c d`").as_deref(), Some("PARTITIONBY a, b.`c d`"));
        assert_eq!(printed("PARTITIONBY _date.'yyyy/MM'").as_deref(), Some("PARTITIONBY _date.`yyyy/MM`"));
        assert_eq!(printed("PARTITIONBY _.topic").as_deref(), Some("PARTITIONBY _topic"));
        assert_eq!(printed("PARTITIONBY upper(a) AS b, a % 10").as_deref(), Some("PARTITIONBY upper(a) AS b, a % 10"));
        assert_eq!(printed("NOPARTITION").as_deref(), Some("NOPARTITION"));
    }

    #[test]
    fn mistakes_in_folders() {
        assert_eq!(codes_with("PARTITIONBY"), ["KP0126"]);
        assert_eq!(codes_with("PARTITIONBY a, b, a"), ["KP0133"]);
        assert_eq!(codes_with("PARTITIONBY a, LIMIT 5"), ["KP0128"]);
        assert_eq!(codes_with("PARTITIONBY a PARTITIONBY b"), ["KP0109"]);
        assert_eq!(codes_with("PARTITIONBY a NOPARTITION"), ["KP0109"]);
        assert_eq!(codes_with("PARTITIONBY a % 2, a%2"), ["KP0133"]);
        assert_eq!(codes_with("PARTITIONBY _date[uuuu]"), ["KP0115"]);
        assert_eq!(codes_with("NOPARTITION x"), ["KP0108"]);
    }
}
