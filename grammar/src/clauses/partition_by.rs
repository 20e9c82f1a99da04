//! ``PARTITIONBY country, _date.`yyyy/MM/dd` ``, `NOPARTITION`.

use std::collections::HashMap;
use std::fmt;

use super::{Clause, literal};
use crate::ast::{PartitionBy, Path};
use crate::error::SyntaxError;
use crate::excerpt::excerpt;
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
    let mut paths = Vec::new();
    for item in parts.filter(|part| part.as_rule() == Rule::partition_item) {
        let path = literal::path(clause, item.into_inner(), report);
        paths.push(report.keep(path)?);
    }
    report.keep(check_twice(&paths))?;
    Some(Spanned::new(PartitionBy::Paths(paths), clause.span()))
}

fn check_twice(paths: &[Spanned<Path>]) -> Result<(), SyntaxError> {
    let mut seen: HashMap<&Path, Span> = HashMap::new();
    for path in paths {
        if let Some(first) = seen.insert(&path.node, path.span) {
            let item = excerpt(&path.node.to_string());
            return Err(SyntaxError::DuplicateItem { item, clause: "PARTITIONBY", first, second: path.span });
        }
    }
    Ok(())
}

impl fmt::Display for PartitionBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PartitionBy::None => f.write_str("NOPARTITION"),
            PartitionBy::Paths(paths) => {
                f.write_str("PARTITIONBY ")?;
                write_list(f, paths.iter().map(|path| &path.node))
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
        assert_eq!(printed("NOPARTITION").as_deref(), Some("NOPARTITION"));
    }

    #[test]
    fn mistakes_in_folders() {
        assert_eq!(codes_with("PARTITIONBY"), ["KP0126"]);
        assert_eq!(codes_with("PARTITIONBY a, b, a"), ["KP0133"]);
        assert_eq!(codes_with("PARTITIONBY a, LIMIT 5"), ["KP0128"]);
        assert_eq!(codes_with("PARTITIONBY a PARTITIONBY b"), ["KP0109"]);
        assert_eq!(codes_with("PARTITIONBY a NOPARTITION"), ["KP0109"]);
        assert_eq!(codes_with("PARTITIONBY bucket(a)"), ["KP0125"]);
        assert_eq!(codes_with("PARTITIONBY _date[uuuu]"), ["KP0115"]);
        assert_eq!(codes_with("PARTITIONBY 'a'"), ["KP0125"]);
        assert_eq!(codes_with("NOPARTITION x"), ["KP0108"]);
    }
}
