//! What `plan` and `apply` say about a pipeline that can run, once its systems were asked: what readers of older data will meet, and what will cost
//! more than it has to.

mod columns;
mod files;
mod folders;

use crate::origin::{Origin, Spot};
use crate::planning::Planned;
use crate::render::diagnostics::{Document, Finding, Mark, Severity};

/// A warning about a place.
#[derive(Debug, PartialEq, Eq)]
struct Advice {
    code: &'static str,
    message: String,
    /// The path of what it is about, as places are named.
    path: String,
    /// What is at the place.
    label: String,
    notes: Vec<String>,
    help: String,
}

/// What is to be said about these pipelines. The texts that it points into are added to `documents`.
pub(crate) fn findings(planned: &[Planned], documents: &mut Vec<Document>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for one in planned {
        // A saved plan was made from files that said it.
        let Some(origin) = &one.origin else { continue };
        let all = columns::advice(one).into_iter().chain(files::advice(one)).chain(folders::advice(one));
        findings.extend(all.map(|advice| finding(advice, &one.pipeline.name, origin, documents)));
    }
    findings
}

fn finding(advice: Advice, pipeline: &str, origin: &Origin, documents: &mut Vec<Document>) -> Finding {
    let Advice { code, message, path, label, notes, help } = advice;
    let (mut marks, mut yaml_path) = (Vec::new(), None);
    if let Some(Spot { document, mark, yaml_path: path }) = origin.spot(&path) {
        documents.push(document);
        marks.push(Mark { document: documents.len() - 1, text: label, ..mark });
        yaml_path = path;
    }
    let (code, pipeline) = (Some(code.to_owned()), Some(pipeline.to_owned()));
    Finding { severity: Severity::Warning, code, message, marks, notes, help: Some(help), fixes: Vec::new(), pipeline, yaml_path }
}
