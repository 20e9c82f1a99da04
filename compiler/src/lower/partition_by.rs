//! PARTITIONBY and `partition_by:`: the folders of files.

use std::collections::HashMap;

use kpipe_grammar::ast::{Folder, PartitionBy};
use kpipe_grammar::span::{Span, Spanned};
use miette::Diagnostic;
use thiserror::Error;

use super::expr;
use super::insert::Target;
use super::key::aliased;
use super::properties::Properties;
use super::resolve::Purpose;
use super::row::{Reference, Row};
use super::scope::Scope;
use super::select::reference;
use crate::names::RESERVED_FOLDER;
use crate::plan::{Expr, Naming, OptionValue, PartitionItem, Projection, TimeUnit};
use crate::sources::Location;
use crate::time_pattern::{At, PatternErrorKind, TimePattern, Trap, TrapKind};

/// Folders that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
pub(super) enum PartitionError {
    /// A wrong letter of a pattern.
    #[error("{kind}")]
    #[diagnostic(code(KP0601), help("{}", kind.help()))]
    Pattern {
        /// What is wrong.
        kind: PatternErrorKind,
    },
    /// A letter that is hardly meant.
    #[error("{kind}")]
    #[diagnostic(code(KP0602), severity(Warning), help("write `{meant}`, or quote literal text"))]
    Trap {
        /// The pattern as it is surely meant.
        meant: String,
        /// What it is.
        kind: TrapKind,
    },
    /// `_date` alone.
    #[error("`_date` needs a pattern")]
    #[diagnostic(code(KP0603), help("for example _date.`yyyy/MM/dd`, `_date.daily` or `_date.hourly`"))]
    NoPattern,
    /// `partition.zone: Sydney`.
    #[error("`{zone}` is not a time zone")]
    #[diagnostic(code(KP0604), help("an IANA name as `Australia/Sydney`, or `UTC`"))]
    Zone {
        /// The zone.
        zone: String,
    },
    /// A name with a slash in it.
    #[error("`{name}` cannot be the name of a folder")]
    #[diagnostic(code(KP0605), help("give the column another name with AS: no `/`, `\\`, `=` or control character"))]
    FolderName {
        /// The name.
        name: String,
    },
    /// Two folders of one name.
    #[error("two folders are called `{name}`")]
    #[diagnostic(code(KP0606), help("give one of the columns another name with AS"))]
    TwoFolders {
        /// The name.
        name: String,
    },
    /// A folder of one record.
    #[error("`{column}` makes a folder for nearly every record")]
    #[diagnostic(code(KP0607), severity(Warning), help("partition by a date of it: _date.`yyyy/MM/dd`"))]
    FolderPerRecord {
        /// The column.
        column: String,
    },
    /// `_date.yyyy, _date.MM`.
    #[error("several `_date` items make several folders called `date`")]
    #[diagnostic(
        code(KP0608),
        severity(Warning),
        help("write one pattern: _date.`yyyy/MM`, or names as literals: _date.`'year'=yyyy/'month'=MM`")
    )]
    SeveralDates,
    /// `keep: false` without columns.
    #[error("there are no columns to leave out: values pass through as they came")]
    #[diagnostic(code(KP0610), help("name the columns in SELECT, or declare a schema; or remove `keep: false`"))]
    NothingToDrop,
    /// M13.
    #[error("the names of objects have no fixed beginning, so records could write anywhere in `{bucket}`")]
    #[diagnostic(
        code(KP0609),
        help("give the target a prefix, as in `INSERT INTO {bucket}:orders`, or folders their names with `partition.names: true`")
    )]
    NoBeginning {
        /// The bucket.
        bucket: String,
    },
    /// A `partition_by` entry that is no path.
    #[error("`{item}` is not a path")]
    #[diagnostic(code(KP0611), help("as in PARTITIONBY: `country`, `meta.site`, `_partition`, _date.`yyyy/MM/dd`"))]
    NotAPath {
        /// As written.
        item: String,
    },
}

/// One item as it is written somewhere.
struct Item {
    /// The field; of a calculation its text.
    path: Reference,
    /// What it is, if it is a calculation.
    computed: Option<Expr>,
    /// Where the pattern of a `_date` begins in the text, if it is in the text.
    pattern: Option<Span>,
    /// The folder's name before the `=`, if it is given.
    name: Option<String>,
}

/// The folders of a statement's files: those of its clause, else of the YAML, else of the naming.
pub(super) fn partition(
    scope: &mut Scope<'_>,
    row: &mut Row,
    clause: Option<&Spanned<PartitionBy>>,
    properties: &Properties,
) -> Option<Vec<PartitionItem>> {
    let items = match clause.map(|clause| &clause.node) {
        Some(PartitionBy::None) => return Some(Vec::new()),
        Some(PartitionBy::Folders(folders)) => clause_items(scope, row, folders)?,
        None => match yaml_items(scope)? {
            Some(items) => items,
            None => return Some(default(scope)),
        },
    };
    let names = properties.names.or_else(|| flag(scope, "partition.names")).unwrap_or(true);
    let mut folders = Vec::new();
    let mut seen = HashMap::new();
    let mut right = true;
    for item in items {
        let folder = if item.path.names[0] == "_date" { date(scope, row, &item, names) } else { value(scope, row, item, names, &mut seen) };
        right &= folder.is_some();
        folders.extend(folder);
    }
    right.then_some(folders)
}

/// The items of the clause; `None` if one is wrong.
fn clause_items(scope: &mut Scope<'_>, row: &mut Row, folders: &[Spanned<Folder>]) -> Option<Vec<Item>> {
    let mut items = Vec::new();
    for folder in folders {
        let Folder { expr, alias } = &folder.node;
        let (at, name) = (scope.at(folder.span), alias.as_ref().map(|alias| alias.node.clone()));
        items.push(match expr.as_column() {
            Some(path) => {
                let pattern = path.parts.get(1).map(|part| part.span);
                let path = reference(scope, path, at);
                let computed = row.computed(&path).map(|found| found.expr);
                Some(Item { path, computed, pattern, name })
            }
            None => {
                let text = expr.to_string();
                let computed = expr::value(scope, row, &Spanned::new(expr.clone(), folder.span)).map(|typed| typed.expr);
                let path = Reference { names: vec![text], parts_at: vec![at], at };
                computed.map(|computed| Item { path, computed: Some(computed), pattern: None, name })
            }
        });
    }
    items.into_iter().collect()
}

/// What folders are together, and with their target.
pub(super) fn check(scope: &mut Scope<'_>, at: Location, target: Option<&Target>, folders: &[PartitionItem]) {
    check_dates(scope, at, folders);
    if let Some(Target::Files { bucket, prefix }) = target {
        check_beginning(scope, at, bucket, prefix, folders);
    }
}

/// What records hold must not stand first in the name of an object: it would decide about all of the bucket. The names of other systems are
/// what they are.
fn check_beginning(scope: &mut Scope<'_>, at: Location, bucket: &str, prefix: &str, folders: &[PartitionItem]) {
    let Some(PartitionItem::Value { name: None, expr }) = folders.first() else { return };
    let is_of_record = matches!(expr, Expr::Column(_) | Expr::Value | Expr::Key | Expr::Header(_) | Expr::Call(_));
    if is_of_record && prefix.is_empty() && !bucket.is_empty() && scope.naming() == Naming::Kpipe {
        scope.error(
            PartitionError::NoBeginning { bucket: bucket.to_owned() },
            [(at, "the first folder is a value of the record".to_owned())],
        );
    }
}

fn flag(scope: &Scope<'_>, path: &str) -> Option<bool> {
    match scope.sink_option(path) {
        Some(OptionValue::Boolean(flag)) => Some(*flag),
        _ => None,
    }
}

/// What other systems do where nothing is said.
fn default(scope: &Scope<'_>) -> Vec<PartitionItem> {
    let bare = |expr| PartitionItem::Value { name: None, expr };
    match scope.naming() {
        Naming::Kpipe => Vec::new(),
        Naming::Confluent => vec![PartitionItem::Value { name: Some("partition".to_owned()), expr: Expr::Partition }],
        Naming::Lenses => vec![bare(Expr::Topic), bare(Expr::Partition)],
    }
}

/// The items of `partition_by:`; `Some(None)` if it is not written.
#[expect(clippy::option_option, reason = "the outer one says that an item is wrong")]
fn yaml_items(scope: &mut Scope<'_>) -> Option<Option<Vec<Item>>> {
    if scope.sink_option("partition_by").is_none() {
        return Some(None);
    }
    let whole = scope.sink_at("partition_by");
    let mut items = Vec::new();
    for (index, text) in scope.document.sink.options.texts("partition_by").into_iter().enumerate() {
        let at = scope.document.sink.value_at(&format!("partition_by[{index}]")).unwrap_or(whole);
        let Some(names) = split_path(text) else {
            scope.error(PartitionError::NotAPath { item: text.to_owned() }, [(at, "here".to_owned())]);
            return None;
        };
        items.push(Item { path: Reference { parts_at: vec![at; names.len()], names, at }, computed: None, pattern: None, name: None });
    }
    Some(Some(items))
}

/// The names of a path in YAML. Behind `_date.` everything is the pattern, in marks or not.
fn split_path(text: &str) -> Option<Vec<String>> {
    let text = text.trim();
    if let Some(pattern) = text.strip_prefix("_date.") {
        return Some(vec!["_date".to_owned(), unmarked(pattern).to_owned()]);
    }
    let mut names = Vec::new();
    let mut rest = text;
    loop {
        let (name, after) = match rest.strip_prefix('`') {
            Some(inside) => inside.split_once('`')?,
            None => rest.split_at(rest.find('.').unwrap_or(rest.len())),
        };
        if name.is_empty() {
            return None;
        }
        names.push(name.to_owned());
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None if after.is_empty() => return Some(names),
            None => return None,
        }
    }
}

fn unmarked(text: &str) -> &str {
    let marked = |mark: char| text.strip_prefix(mark).and_then(|text| text.strip_suffix(mark));
    marked('`').or_else(|| marked('"')).unwrap_or(text)
}

fn value(
    scope: &mut Scope<'_>,
    row: &mut Row,
    Item { path, computed, name, pattern: _ }: Item,
    names: bool,
    seen: &mut HashMap<String, Location>,
) -> Option<PartitionItem> {
    let name = name.unwrap_or_else(|| folder_name(row, &path));
    let at = path.at;
    let path = aliased(row, path);
    let expr = match computed {
        Some(expr) => expr,
        None => scope.resolve(row, &path, Purpose::Folder)?.expr,
    };
    if matches!(expr, Expr::Offset | Expr::Timestamp) {
        let error = PartitionError::FolderPerRecord { column: path.text() };
        scope.warn(error, [(at, "a folder for each value".to_owned())]);
    }
    if name.chars().any(|c| c.is_control() || matches!(c, '/' | '\\' | '=')) || name == RESERVED_FOLDER {
        let error = PartitionError::FolderName { name: name.escape_default().to_string() };
        scope.error(error, [(at, "a folder is called like its column".to_owned())]);
        return None;
    }
    if let Some(first) = seen.insert(name.to_lowercase(), at) {
        scope.error(PartitionError::TwoFolders { name }, [(at, "this one too".to_owned()), (first, "this one".to_owned())]);
        return None;
    }
    Some(PartitionItem::Value { name: names.then_some(name), expr })
}

/// The name of a column's folder: its alias, or its path by dots without the word for where it comes from.
fn folder_name(row: &Row, path: &Reference) -> String {
    match &path.names[..] {
        [alias] if row.output(alias).is_some() => alias.clone(),
        [first] => first.strip_prefix('_').filter(|_| super::resolve::metadata(first).is_some()).unwrap_or(first).to_owned(),
        [first, rest @ ..] if matches!(first.as_str(), "_value" | "_header" | "_key") => rest.join("."),
        names => names.join("."),
    }
}

fn date(scope: &mut Scope<'_>, row: &mut Row, item: &Item, names: bool) -> Option<PartitionItem> {
    let at = item.path.at;
    let [_, parts @ ..] = &item.path.names[..] else { return None };
    if parts.is_empty() {
        scope.error(PartitionError::NoPattern, [(at, "which part of the time?".to_owned())]);
        return None;
    }
    let text = parts.join(".");
    let (pattern, name) = match (text.as_str(), scope.naming()) {
        ("daily", Naming::Confluent) => ("'year'=yyyy/'month'=MM/'day'=dd".to_owned(), None),
        ("hourly", Naming::Confluent) => ("'year'=yyyy/'month'=MM/'day'=dd/'hour'=HH".to_owned(), None),
        ("daily", Naming::Kpipe | Naming::Lenses) => ("yyyy-MM-dd".to_owned(), names.then_some("date")),
        ("hourly", Naming::Kpipe | Naming::Lenses) if names => ("yyyy-MM-dd'/hour='HH".to_owned(), Some("date")),
        ("hourly", Naming::Kpipe | Naming::Lenses) => ("yyyy-MM-dd/HH".to_owned(), None),
        (text, naming) => {
            let parsed = parse_pattern(scope, item, text, naming)?;
            let name = (names && naming != Naming::Confluent && !parsed.names_folders()).then_some("date");
            (parsed.to_java().to_owned(), name)
        }
    };
    let zone = zone(scope, "partition.zone");
    let expr = time(scope, row, at);
    let name = item.name.clone().filter(|_| names).or(name.map(str::to_owned));
    Some(PartitionItem::Time { expr: expr?, pattern, zone: zone?, name })
}

fn parse_pattern(scope: &mut Scope<'_>, item: &Item, text: &str, naming: Naming) -> Option<TimePattern> {
    let parsed = match naming {
        Naming::Confluent => TimePattern::parse_joda(text),
        Naming::Kpipe | Naming::Lenses => TimePattern::parse(text),
    };
    let place = |scope: &Scope<'_>, at: At| match item.pattern {
        Some(span) => {
            let start = inside(span, text);
            scope.at(Span::new(start + at.start, start + at.end))
        }
        None => item.path.at,
    };
    match parsed {
        Ok(pattern) => {
            for trap in pattern.traps() {
                let at = place(scope, trap.at);
                let whole = meant(text, pattern.traps());
                let fix = item.pattern.and_then(|span| {
                    let start = inside(span, text) + trap.at.start;
                    scope.edit(Span::new(start, start + trap.at.end - trap.at.start), whole.get(trap.at.start..trap.at.end)?)
                });
                let error = PartitionError::Trap { meant: whole, kind: trap.kind };
                scope.warn_with_fix(error, [(at, "these letters".to_owned())], fix);
            }
            Some(pattern)
        }
        Err(error) => {
            let at = place(scope, error.at);
            scope.error(PartitionError::Pattern { kind: error.kind }, [(at, "in this pattern".to_owned())]);
            None
        }
    }
}

/// Where a text begins: the marks around it are part of its span.
fn inside(span: Span, text: &str) -> usize {
    span.start + usize::from(span.len() == text.len() + 2)
}

/// A pattern with the usual letter in place of each that is hardly meant.
fn meant(text: &str, traps: &[Trap]) -> String {
    let mut meant = text.to_owned();
    for At { start, end } in traps.iter().map(|trap| trap.at) {
        let letters = text[start..end].chars().map(|letter| match letter {
            'Y' => 'y',
            'D' => 'd',
            'm' => 'M',
            'h' => 'H',
            other => other,
        });
        // Each letter has one byte, so all places stay.
        meant.replace_range(start..end, &letters.collect::<String>());
    }
    meant
}

/// The time zone that an option of the sink names, UTC if it does not.
pub(super) fn zone(scope: &mut Scope<'_>, path: &str) -> Option<String> {
    let zone = scope.document.sink.options.text(path).unwrap_or("UTC");
    if jiff::tz::TimeZone::get(zone).is_ok() {
        return Some(zone.to_owned());
    }
    let at = scope.sink_at(path);
    scope.error(PartitionError::Zone { zone: zone.to_owned() }, [(at, "not in the time zone database".to_owned())]);
    None
}

/// The time that is formatted: the record's, or that of a field.
fn time(scope: &mut Scope<'_>, row: &mut Row, date_at: Location) -> Option<Expr> {
    let options = &scope.document.sink.options;
    let unit = match options.text("partition.parse") {
        Some("micros") => Some(TimeUnit::Microsecond),
        Some(_) => Some(TimeUnit::Millisecond),
        None => None,
    };
    let text = options.text("partition.timestamp").unwrap_or("_timestamp");
    let at = scope.document.sink.value_at("partition.timestamp").unwrap_or(date_at);
    let Some(names) = split_path(text) else {
        scope.error(PartitionError::NotAPath { item: text.to_owned() }, [(at, "here".to_owned())]);
        return None;
    };
    let path = aliased(row, Reference { parts_at: vec![at; names.len()], names, at });
    scope.resolve(row, &path, Purpose::Time(unit)).map(|resolved| resolved.expr)
}

/// Warns of several folders called `date`.
fn check_dates(scope: &mut Scope<'_>, at: Location, folders: &[PartitionItem]) {
    let named = folders.iter().filter(|folder| matches!(folder, PartitionItem::Time { name: Some(_), .. })).count();
    if named > 1 {
        scope.warn(PartitionError::SeveralDates, [(at, "in one path".to_owned())]);
    }
}

/// Whether the columns of the folders stay in the files.
pub(super) fn keep(scope: &mut Scope<'_>, project: Option<&[Projection]>) -> bool {
    let keep = flag(scope, "partition.keep").unwrap_or(true);
    if !keep && project.is_none() {
        let at = scope.sink_at("partition.keep");
        scope.error(PartitionError::NothingToDrop, [(at, "asked for here".to_owned())]);
    }
    keep
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_in_yaml_are_those_of_the_clause() {
        let split = |text: &str| split_path(text).map(|names| names.join("|"));
        assert_eq!(split("country").as_deref(), Some("country"));
        assert_eq!(split(" meta.site ").as_deref(), Some("meta|site"));
        assert_eq!(split("`a.b`.c").as_deref(), Some("a.b|c"));
        assert_eq!(split("_date.`yyyy/MM/dd`").as_deref(), Some("_date|yyyy/MM/dd"));
        assert_eq!(split("_date.yyyy.MM").as_deref(), Some("_date|yyyy.MM"));
        assert_eq!(split("_date.'year'=yyyy").as_deref(), Some("_date|'year'=yyyy"));
        for bad in ["", ".", "a..b", "a.", "`a", "`a`b"] {
            assert_eq!(split(bad), None, "{bad}");
        }
    }
}
