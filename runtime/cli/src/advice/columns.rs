//! Columns that change or go while what was written with them stays where it is.

use kpipe_compiler::diff::{Change, ChangeClass};
use kpipe_compiler::plan::wording::target_text;
use kpipe_compiler::plan::{Pipeline, Route, Tail};
use kpipe_compiler::schema::type_text;

use super::Advice;
use crate::planning::Planned;

/// `KP0421` of every column that breaks what was applied.
pub(super) fn advice(planned: &Planned) -> Vec<Advice> {
    let changes = planned.change.iter().flat_map(|change| &change.changes);
    changes.filter(|change| change.class == ChangeClass::SchemaBreak).filter_map(|change| one(&planned.pipeline, change)).collect()
}

fn one(pipeline: &Pipeline, change: &Change) -> Option<Advice> {
    let (index, column) = column(&change.path)?;
    let route = pipeline.routes.get(index)?;
    let place = match &route.tail {
        Tail::Files(_) => "prefix",
        Tail::Records(_) => "topic",
    };
    let target = target_text(&route.tail);
    let (message, label) = match (&change.before, &change.after) {
        (Some(before), Some(after)) if types(route, column).as_ref() == Some(after) => (
            format!("column `{column}` would change from {before} to {after} under an existing {place}"),
            format!("{after} after this change"),
        ),
        (Some(before), Some(after)) => (
            format!("column `{column}` would be computed in another way under an existing {place}"),
            format!("`{after}`, and `{before}` before"),
        ),
        (Some(before), None) => (
            format!("column `{column}` ({before}) would be gone under an existing {place}"),
            format!("`{column}` is not among these any more"),
        ),
        (None, after) => {
            let after = after.as_deref().unwrap_or_default();
            (
                format!("column `{column}` ({after}) would be new under an existing {place}"),
                "not there in what was written before".to_owned(),
            )
        }
    };
    let note = match &change.before {
        Some(before) if types(route, column) == change.after => format!("the plan that is applied writes it as {before} into {target}"),
        _ => format!("the plan that is applied writes into {target} too"),
    };
    let accept = match &route.tail {
        Tail::Files(_) => format!(", `on_type_change: allow` in `sink.{}` to accept mixed files", pipeline.sink.connector),
        Tail::Records(_) => String::new(),
    };
    let help = format!(
        "choose one: another target in INTO, another name for the column{accept}, or `kpipe apply --allow-schema-break` for this change alone"
    );
    Some(Advice { code: "KP0421", message, path: change.path.clone(), label, notes: vec![note], help })
}

/// `kcql[0].select.temp`: the statement and the column.
fn column(path: &str) -> Option<(usize, &str)> {
    let (index, rest) = path.strip_prefix("kcql[")?.split_once(']')?;
    Some((index.parse().ok()?, rest.strip_prefix(".select.")?))
}

/// The type of a column as changes show it.
fn types(route: &Route, column: &str) -> Option<String> {
    let found = route.project.as_ref()?.iter().find(|found| found.name == column)?;
    Some(format!("{}{}", type_text(&found.data_type), if found.nullable { "" } else { " not null" }))
}
