//! From texts to documents and pipelines: every stage once, every mistake collected.

mod targets;

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::Catalog;
use crate::document::{Context, Document, DocumentError, KcqlText, SchemaDoc, Shared, SharedTrees};
use crate::lower::{Lowered, Places, lower};
use crate::plan::Pipeline;
use crate::report::{Entry, Report, Severity};
use crate::secrets;
use crate::sources::{Located, Location, Lookups, Mode, Sources};
use crate::yaml::{Node, read};

/// What a run over sources found.
#[derive(Debug, Default)]
pub struct Compiled {
    /// The pipelines without a mistake, in the order of their files.
    pub pipelines: Vec<Pipeline>,
    /// Where their parts are written, in the same order.
    pub places: Vec<Places>,
    /// The documents that could be read whole, in the order of their files.
    pub documents: Vec<Document>,
    /// What is wrong, and what could be better.
    pub report: Report,
    /// References that lead to nothing, as `env:NAME`: in [`Mode::Check`] they are no mistake.
    pub unknown: Vec<String>,
}

/// Reads, checks and lowers everything. Nothing is printed, nothing but `lookups` is asked, and the same input gives the same result.
#[must_use]
pub fn compile(sources: &Sources, catalog: &Catalog, lookups: &dyn Lookups, mode: Mode) -> Compiled {
    let mut report = Report::default();
    let mut unknown = BTreeSet::new();
    let roots = roots(sources, catalog, &mut report);
    let mut context = Context { sources, catalog, lookups, mode, report: &mut report, unknown: &mut unknown, home: None };
    let trees = SharedTrees::read(&mut context);
    let shared = Shared::new(&mut context, &trees);
    let mut drafts = Vec::with_capacity(roots.len());
    for root in &roots {
        let before = context.report.entries().len();
        let draft = context.document(&root.node, &shared);
        let failed = root.file_failed || draft.is_incomplete || has_error(&context.report.entries()[before..]);
        drafts.push((draft, failed));
    }
    let names: Vec<&Located<String>> = drafts.iter().filter_map(|(draft, _)| draft.name.as_ref()).collect();
    shared.check_names(&mut context, &names.iter().map(|name| name.node.as_str()).collect::<Vec<_>>());
    check_unique(&names, context.report);
    let mut compiled = Compiled { report, unknown: unknown.into_iter().collect(), ..Compiled::default() };
    for (draft, failed) in drafts {
        match (draft.document, draft.kcql) {
            (Some(document), _) => compiled.lower(document, failed, lookups, mode),
            (None, Some(kcql)) => check_kcql(&kcql, &mut compiled.report),
            (None, None) => {}
        }
    }
    compiled.refuse_same_objects(sources);
    compiled
}

impl Compiled {
    /// Lowers a document. One that `failed` already is only looked through for more mistakes.
    fn lower(&mut self, document: Document, failed: bool, lookups: &dyn Lookups, mode: Mode) {
        let sampled = lookups.sampled(&document.name.node);
        let infers = document.source.schemas.values().any(|schema| matches!(schema, SchemaDoc::Infer));
        if mode == Mode::Check && infers && sampled.is_none() {
            // A check looks at no records, so what the schema says is not known in it.
            check_kcql(&document.kcql, &mut self.report);
            return self.documents.push(document);
        }
        let lowered = lower(&document, sampled.as_ref(), &mut self.report);
        if let Some(Lowered { pipeline, places }) = lowered.filter(|_| !failed) {
            self.pipelines.push(pipeline);
            self.places.push(places);
        }
        self.documents.push(document);
    }
}

impl Compiled {
    /// Takes out the pipelines with statements whose objects would have the same names.
    fn refuse_same_objects(&mut self, sources: &Sources) {
        let found: Vec<_> = self.pipelines.iter().zip(&self.places).collect();
        let refused = targets::check(sources, &self.documents, &found, &mut self.report);
        if refused.is_empty() {
            return;
        }
        let pairs = std::mem::take(&mut self.pipelines).into_iter().zip(std::mem::take(&mut self.places)).enumerate();
        (self.pipelines, self.places) = pairs.filter(|(index, _)| !refused.contains(index)).map(|(_, pair)| pair).unzip();
    }
}

/// A document of a file.
struct Root {
    node: Node,
    /// True if its file has a mistake of YAML: nobody knows which document it changes.
    file_failed: bool,
}

fn has_error(entries: &[Entry]) -> bool {
    entries.iter().any(|entry| entry.severity() == Severity::Error)
}

/// The documents of all pipeline files.
fn roots(sources: &Sources, catalog: &Catalog, report: &mut Report) -> Vec<Root> {
    let mut roots = Vec::new();
    for file in sources.pipelines() {
        let before = report.entries().len();
        let documents = read(file, report);
        let file_failed = has_error(&report.entries()[before..]);
        secrets::mask(file, &documents, catalog, report);
        roots.extend(documents.roots.into_iter().map(|node| Root { node, file_failed }));
    }
    roots
}

/// Syntax errors of statements whose document cannot be lowered.
fn check_kcql(kcql: &KcqlText, report: &mut Report) {
    let parsed = kpipe_grammar::parse(&kcql.text);
    for error in parsed.errors {
        let fix = error.fix();
        report.push(Entry::mapped(&kcql.map, error).fix_in_scalar(fix));
    }
    for warning in parsed.warnings {
        let fix = warning.fix();
        report.push(Entry::mapped(&kcql.map, warning).fix_in_scalar(fix));
    }
}

/// A pipeline has one home: a second definition is shown with the first.
fn check_unique(names: &[&Located<String>], report: &mut Report) {
    let mut first: BTreeMap<&str, Location> = BTreeMap::new();
    for name in names {
        if let Some(at) = first.get(name.node.as_str()) {
            let error = DocumentError::DuplicatePipeline { name: name.node.clone(), span: name.at.span };
            report.push(Entry::new(name.at.file, error).label(*at, "first defined here"));
        } else {
            first.insert(&name.node, name.at);
        }
    }
}

#[cfg(test)]
mod tests;
