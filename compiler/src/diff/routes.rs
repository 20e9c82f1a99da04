//! What changed about the statements of a pipeline.

use super::{Change, ChangeClass, change, differ};
use crate::plan::wording::{expr_text, folder_text, format_text, key_text, naming_text, partition_text, target_text as target, topic_text};
use crate::plan::{
    Decode, DecodeColumn, Endpoint, Expr, FileFormat, FileTail, KeyPlan, PartitionItem, Projection, RecordTail, Route, Tail,
};
use crate::schema::type_text;

/// Pairs the routes of both plans and compares each pair.
pub(super) fn compare(changes: &mut Vec<Change>, before: &[Route], after: &[Route], sink: &Endpoint) {
    let mut left: Vec<usize> = (0..before.len()).collect();
    let mut pairs: Vec<Option<usize>> = vec![None; after.len()];
    // The most alike first: same ends, same source, same target, then by place.
    let alike: [fn(&Route, &Route) -> bool; 4] = [
        |a, b| a.from == b.from && target(&a.tail) == target(&b.tail),
        |a, b| a.from == b.from,
        |a, b| target(&a.tail) == target(&b.tail),
        |_, _| true,
    ];
    for alike in alike {
        for (index, route) in after.iter().enumerate() {
            if pairs[index].is_none()
                && let Some(found) = left.iter().position(|old| alike(&before[*old], route))
            {
                pairs[index] = Some(left.remove(found));
            }
        }
    }
    for (index, (route, pair)) in after.iter().zip(&pairs).enumerate() {
        let path = format!("kcql[{index}]");
        match pair {
            Some(old) => one(changes, &path, &before[*old], route, sink),
            None => changes.push(change(ChangeClass::Restart, &path, None, Some(route.statement.clone()))),
        }
    }
    for old in left {
        changes.push(change(ChangeClass::Delete, "kcql", Some(before[old].statement.clone()), None));
    }
}

fn one(changes: &mut Vec<Change>, path: &str, before: &Route, after: &Route, sink: &Endpoint) {
    // The text decides nothing, and the columns of the value only what the projection and the tail do with them.
    let Route { statement: _, from, decode, filter, project, tail } = after;
    differ(changes, ChangeClass::GapRisk, &format!("{path}.from"), before.from.clone(), from.clone());
    let formats = (format!("{:?}", before.decode.format).to_lowercase(), format!("{:?}", decode.format).to_lowercase());
    differ(changes, ChangeClass::Restart, &format!("{path}.value.format"), formats.0, formats.1);
    let text = |filter: &Option<Expr>, decode: &Decode| {
        filter.as_ref().map_or("all records".to_owned(), |filter| expr_text(filter, &names(&decode.columns)))
    };
    let filters = (text(&before.filter, &before.decode), text(filter, decode));
    differ(changes, ChangeClass::Restart, &format!("{path}.where"), filters.0, filters.1);
    let same_target = target(&before.tail) == target(tail);
    let names = (names(&before.decode.columns), names(&decode.columns));
    match (&before.tail, tail) {
        (Tail::Files(old), Tail::Files(new)) => {
            files(changes, path, (old, &names.0), (new, &names.1));
            let read = (read_text(folders(old), &before.decode.columns, &names.0), read_text(folders(new), &decode.columns, &names.1));
            read_differently(changes, &format!("{path}.partition_by"), read);
        }
        (Tail::Records(old), Tail::Records(new)) => {
            records(changes, path, (old, &names.0), (new, &names.1));
            let read = (read_text(key_parts(old), &before.decode.columns, &names.0), read_text(key_parts(new), &decode.columns, &names.1));
            read_differently(changes, &format!("{path}.with_key"), read);
        }
        // Another kind of sink: said once, for the connector.
        (Tail::Files(_), Tail::Records(_)) | (Tail::Records(_), Tail::Files(_)) => return,
    }
    // Under another target nobody reads old and new columns side by side.
    if same_target {
        let allowed = sink.options.text("on_type_change") == Some("allow");
        columns(changes, path, (before.project.as_deref(), &names.0), (project.as_deref(), &names.1), allowed);
    }
}

/// The paths of decoded columns, for showing expressions: no two paths have the same text.
fn names(columns: &[DecodeColumn]) -> Vec<String> {
    let quoted = |part: &String| if part.contains(['.', '`']) { format!("`{}`", part.replace('`', "``")) } else { part.clone() };
    columns.iter().map(|column| column.path.iter().map(quoted).collect::<Vec<_>>().join(".")).collect()
}

/// What folders are made of.
fn folders(tail: &FileTail) -> impl Iterator<Item = &Expr> {
    tail.partition.iter().map(|item| match item {
        PartitionItem::Value { name: _, expr } | PartitionItem::Time { expr, pattern: _, zone: _, name: _ } => expr,
    })
}

/// What a key is made of.
fn key_parts(tail: &RecordTail) -> impl Iterator<Item = &Expr> {
    match &tail.key {
        KeyPlan::Fields { fields, delimiter: _ } => fields.as_slice(),
        KeyPlan::Keep | KeyPlan::SourceTopic => &[],
    }
    .iter()
}

/// As what the columns of expressions are read: a time in milliseconds and one in microseconds are different folders.
fn read_text<'a>(exprs: impl Iterator<Item = &'a Expr>, columns: &[DecodeColumn], names: &[String]) -> String {
    let mut texts = Vec::new();
    for expr in exprs {
        expr.walk(&mut |part| {
            if let Expr::Column(index) = part
                && let (Some(name), Some(column)) = (names.get(*index), columns.get(*index))
            {
                texts.push(format!("{name} as {}", type_text(&column.data_type)));
            }
        });
    }
    texts.join(", ")
}

/// The same folders or key of columns that are read as something else; other ones were said.
fn read_differently(changes: &mut Vec<Change>, path: &str, (before, after): (String, String)) {
    if !changes.iter().any(|change| change.path == path) {
        differ(changes, ChangeClass::NewLayout, path, before, after);
    }
}

fn files(changes: &mut Vec<Change>, path: &str, before: (&FileTail, &[String]), after: (&FileTail, &[String])) {
    let FileTail { bucket: _, prefix: _, partition, keep_partition_columns, format, naming } = after.0;
    let layout = ChangeClass::NewLayout;
    let old = before.0;
    let targets = (folder_text(old), folder_text(after.0));
    differ(changes, layout, &format!("{path}.into"), targets.0, targets.1);
    differ(changes, layout, &format!("{path}.partition_by"), partition_text(&old.partition, before.1), partition_text(partition, after.1));
    differ(
        changes,
        ChangeClass::SchemaBreak,
        &format!("{path}.partition.keep"),
        old.keep_partition_columns.to_string(),
        keep_partition_columns.to_string(),
    );
    differ(changes, layout, &format!("{path}.format"), format_text(&old.format), format_text(format));
    differ(changes, layout, &format!("{path}.compat"), naming_text(old.naming).to_owned(), naming_text(*naming).to_owned());
}

fn records(changes: &mut Vec<Change>, path: &str, before: (&RecordTail, &[String]), after: (&RecordTail, &[String])) {
    let RecordTail { topic: _, key, format } = after.0;
    let old = before.0;
    let targets = (topic_text(old), topic_text(after.0));
    differ(changes, ChangeClass::NewLayout, &format!("{path}.into"), targets.0, targets.1);
    // Another key is another partition, and another record for a compacted topic.
    let keys = (key_text(&old.key, before.1), key_text(key, after.1));
    differ(changes, ChangeClass::NewLayout, &format!("{path}.with_key"), keys.0, keys.1);
    let text = |format: &Option<FileFormat>| format.as_ref().map_or("as it came".to_owned(), format_text);
    differ(changes, ChangeClass::SchemaBreak, &format!("{path}.format"), text(&old.format), text(format));
}

type Columns<'a> = (Option<&'a [Projection]>, &'a [String]);

fn columns(changes: &mut Vec<Change>, path: &str, before: Columns<'_>, after: Columns<'_>, allowed: bool) {
    let broken = if allowed { ChangeClass::NewLayout } else { ChangeClass::SchemaBreak };
    let select = format!("{path}.select");
    let (Some(old), Some(new)) = (before.0, after.0) else {
        if before.0.is_some() != after.0.is_some() {
            let text = |columns: Option<&[Projection]>| match columns {
                Some(columns) => columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", "),
                None => "the value as it came".to_owned(),
            };
            changes.push(change(broken, &select, Some(text(before.0)), Some(text(after.0))));
        }
        return;
    };
    for column in old {
        let path = format!("{select}.{}", column.name);
        let Some(now) = new.iter().find(|now| now.name == column.name) else {
            changes.push(change(broken, &path, Some(column_type(column)), None));
            continue;
        };
        if column.data_type != now.data_type {
            changes.push(change(broken, &path, Some(column_type(column)), Some(column_type(now))));
        } else if expr_text(&column.expr, before.1) != expr_text(&now.expr, after.1) {
            let texts = (expr_text(&column.expr, before.1), expr_text(&now.expr, after.1));
            changes.push(change(broken, &path, Some(texts.0), Some(texts.1)));
        } else if column.nullable != now.nullable {
            let class = if now.nullable { ChangeClass::SchemaAdd } else { ChangeClass::Restart };
            changes.push(change(class, &path, Some(column_type(column)), Some(column_type(now))));
        }
    }
    for column in new.iter().filter(|column| !old.iter().any(|old| old.name == column.name)) {
        let class = if column.nullable { ChangeClass::SchemaAdd } else { broken };
        changes.push(change(class, &format!("{select}.{}", column.name), None, Some(column_type(column))));
    }
}

fn column_type(column: &Projection) -> String {
    let Projection { name: _, expr: _, data_type, nullable } = column;
    format!("{}{}", type_text(data_type), if *nullable { "" } else { " not null" })
}
