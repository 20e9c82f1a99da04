//! A plan against the plan that was applied before: what changes, and what that does to data.
//!
//! Options are classed by the connector's own description, everything that a statement says by the rules here.

mod class;
mod routes;

pub use class::{ChangeClass, Consent};

use crate::catalog::{Catalog, ChangeKind, OptionSpec};
use crate::lower::Places;
use crate::plan::wording::{show, show_bytes, show_ms};
use crate::plan::{Endpoint, ErrorPolicy, Flush, Pipeline, Schedule};
use crate::promise::word;
use crate::sources::Location;

/// One pipeline and all that changes about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineChange {
    /// Its name.
    pub name: String,
    /// What happens to it as a whole.
    pub action: Action,
    /// Each difference, in the order of the file.
    pub changes: Vec<Change>,
}

/// What happens to a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// It was never applied here.
    Create,
    /// It runs, and something about it changes.
    Change,
    /// It stays as it is.
    None,
    /// It runs, and is in no file any more.
    Delete,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it does to data.
    pub class: ChangeClass,
    /// Where, by the keys of the file: `sink.s3.flush.bytes`, `kcql[0].prefix`.
    pub path: String,
    /// As it is now; `None`: not there.
    pub before: Option<String>,
    /// As it will be; `None`: not there any more.
    pub after: Option<String>,
    /// Where it is written, if it is; see [`PipelineChange::locate`].
    pub place: Option<Location>,
}

impl PipelineChange {
    /// Finds the place of every change.
    pub fn locate(&mut self, places: &Places) {
        for change in &mut self.changes {
            change.place = places.find(&change.path);
        }
    }

    /// The class that decides which consent is needed.
    #[must_use]
    pub fn worst(&self) -> ChangeClass {
        self.changes.iter().map(|change| change.class).max().unwrap_or(ChangeClass::None)
    }

    /// Every consent that is needed, each once, the gravest first.
    #[must_use]
    pub fn consents(&self) -> Vec<Consent> {
        let mut classes: Vec<ChangeClass> = self.changes.iter().map(|change| change.class).collect();
        classes.sort_by(|a, b| b.cmp(a));
        classes.dedup();
        let mut consents: Vec<Consent> = Vec::new();
        for consent in classes.into_iter().map(ChangeClass::consent) {
            if consent != Consent::NotNeeded && !consents.contains(&consent) {
                consents.push(consent);
            }
        }
        consents
    }
}

/// What applying `after` does where `before` is applied. Both are of one name; `None` stands for one that is not there.
#[must_use]
pub fn diff(before: Option<&Pipeline>, after: Option<&Pipeline>, catalog: &Catalog) -> Option<PipelineChange> {
    let (name, action, changes) = match (before, after) {
        (None, None) => return None,
        (None, Some(after)) => (&after.name, Action::Create, Vec::new()),
        (Some(before), None) => {
            let gone = change(ChangeClass::Delete, "pipeline", Some(before.name.clone()), None);
            (&before.name, Action::Delete, vec![gone])
        }
        (Some(before), Some(after)) => {
            let changes = compare(before, after, catalog);
            (&after.name, if changes.is_empty() { Action::None } else { Action::Change }, changes)
        }
    };
    Some(PipelineChange { name: name.clone(), action, changes })
}

fn change(class: ChangeClass, path: &str, before: Option<String>, after: Option<String>) -> Change {
    Change { class, path: path.to_owned(), before, after, place: None }
}

/// A difference of two values of one path, if there is one.
fn differ(changes: &mut Vec<Change>, class: ChangeClass, path: &str, before: String, after: String) {
    if before != after {
        changes.push(change(class, path, Some(before), Some(after)));
    }
}

fn compare(before: &Pipeline, after: &Pipeline, catalog: &Catalog) -> Vec<Change> {
    let mut changes = Vec::new();
    // No `..`: a new part of a plan must say here what its change does.
    let Pipeline { name: _, source, sink, sampled: _, routes, flush, commit, errors, promise } = after;
    if promise.guarantee < before.promise.guarantee {
        let (before, after) = (word(before.promise.guarantee), word(promise.guarantee));
        changes.push(change(ChangeClass::WeakerPromise, "delivery", Some(before.to_owned()), Some(after.to_owned())));
    }
    endpoint(&mut changes, Side::Source, &before.source, source, catalog);
    endpoint(&mut changes, Side::Sink, &before.sink, sink, catalog);
    let sink_path = format!("sink.{}", sink.connector);
    flushes(&mut changes, &sink_path, before.flush.as_ref(), flush.as_ref());
    let (old, new) = (before.commit.word().to_owned(), commit.word().to_owned());
    differ(&mut changes, ChangeClass::Restart, &format!("{sink_path}.commit.protocol"), old, new);
    routes::compare(&mut changes, &before.routes, routes, sink);
    policies(&mut changes, &before.errors, errors);
    changes
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Source,
    Sink,
}

fn endpoint(changes: &mut Vec<Change>, side: Side, before: &Endpoint, after: &Endpoint, catalog: &Catalog) {
    let (word, other) = match side {
        Side::Source => ("source", ChangeClass::GapRisk),
        Side::Sink => ("sink", ChangeClass::NewLayout),
    };
    if before.connector != after.connector {
        changes.push(change(other, word, Some(before.connector.clone()), Some(after.connector.clone())));
        return;
    }
    let spec = catalog.connector(&after.connector);
    let options: &[OptionSpec] = match side {
        Side::Source => spec.and_then(|spec| spec.source.as_ref()).map_or(&[], |source| source.options),
        Side::Sink => spec.and_then(|spec| spec.sink.as_ref()).map_or(&[], |sink| sink.options),
    };
    let (old, new) = (&before.options.0, &after.options.0);
    for path in new.keys().chain(old.keys().filter(|path| !new.contains_key(*path))) {
        // What the options say about files is compared where it takes effect: in the routes and in `flush`.
        if old.get(path) == new.get(path) || (side == Side::Sink && is_layout(path)) {
            continue;
        }
        let kind = options.iter().find(|option| option.path == path).map(|option| option.change);
        let path_in_file = format!("{word}.{}.{path}", after.connector);
        changes.push(change(option_class(path, kind), &path_in_file, old.get(path).map(show), new.get(path).map(show)));
    }
}

/// Options that end in routes or in the plan's `flush`, because a statement can say them too.
fn is_layout(path: &str) -> bool {
    let first = path.split('.').next().unwrap_or(path);
    matches!(first, "prefix" | "format" | "compat" | "partition_by" | "partition" | "separator" | "flush" | "commit" | "on_type_change")
}

fn option_class(path: &str, kind: Option<ChangeKind>) -> ChangeClass {
    match kind {
        Some(ChangeKind::InPlace) => ChangeClass::InPlace,
        Some(ChangeKind::Restart) => ChangeClass::Restart,
        Some(ChangeKind::NewLayout) => ChangeClass::NewLayout,
        Some(ChangeKind::Position) if path == "from" => ChangeClass::Replay,
        Some(ChangeKind::Position) => ChangeClass::GapRisk,
        // An option of a connector of before: it is read when the pipeline starts.
        None => ChangeClass::Restart,
    }
}

fn flushes(changes: &mut Vec<Change>, sink: &str, before: Option<&Flush>, after: Option<&Flush>) {
    let (Some(before), Some(Flush { records, bytes, interval_ms, idle_ms, schedule })) = (before, after) else { return };
    let count = |records: &Option<u64>| records.map_or("no limit".to_owned(), |records| records.to_string());
    let time = |ms: Option<u64>| ms.map_or("no limit".to_owned(), show_ms);
    let restart = ChangeClass::Restart;
    differ(changes, restart, &format!("{sink}.flush.records"), count(&before.records), count(records));
    differ(changes, restart, &format!("{sink}.flush.bytes"), show_bytes(before.bytes), show_bytes(*bytes));
    differ(changes, restart, &format!("{sink}.flush.interval"), time(before.interval_ms), time(*interval_ms));
    differ(changes, restart, &format!("{sink}.flush.idle"), time(before.idle_ms), time(*idle_ms));
    let grid = |schedule: &Option<Schedule>| match schedule {
        Some(Schedule { every_ms, zone }) => format!("{} in {zone}", show_ms(*every_ms)),
        None => "none".to_owned(),
    };
    differ(changes, restart, &format!("{sink}.flush.schedule"), grid(&before.schedule), grid(schedule));
}

fn policies(changes: &mut Vec<Change>, before: &ErrorPolicy, after: &ErrorPolicy) {
    let ErrorPolicy { tolerance, dead_letter, retry_timeout_ms, retry_delay_max_ms } = after;
    let lower = |word: String| word.to_lowercase();
    let tolerances = (lower(format!("{:?}", before.tolerance)), lower(format!("{tolerance:?}")));
    differ(changes, ChangeClass::Restart, "errors.tolerance", tolerances.0, tolerances.1);
    let topic = |dead_letter: &Option<crate::plan::DeadLetter>| match dead_letter {
        Some(dead_letter) => dead_letter.topic.clone(),
        None => "none".to_owned(),
    };
    differ(changes, ChangeClass::InPlace, "errors.dead_letter", topic(&before.dead_letter), topic(dead_letter));
    if let (Some(old), Some(new)) = (&before.dead_letter, dead_letter)
        && old.cluster != new.cluster
    {
        changes.push(change(ChangeClass::Restart, "errors.dead_letter.cluster", None, None));
    }
    let timeout = |timeout: Option<u64>| timeout.map_or("for ever".to_owned(), show_ms);
    differ(changes, ChangeClass::InPlace, "errors.retry.timeout", timeout(before.retry_timeout_ms), timeout(*retry_timeout_ms));
    let delays = (show_ms(before.retry_delay_max_ms), show_ms(*retry_delay_max_ms));
    differ(changes, ChangeClass::InPlace, "errors.retry.delay_max", delays.0, delays.1);
}

#[cfg(test)]
mod tests;
