//! Statements and their document to a pipeline that can run: names, schema, types, layout.
//!
//! One file a clause, called as in the grammar. Every mistake is reported; a pipeline comes out only if there is none.

mod endpoints;
mod expr;
pub(crate) mod file_options;
mod from;
mod insert;
mod key;
mod option;
mod partition_by;
mod places;
mod properties;
mod resolve;
mod row;
mod schema;
mod scope;
mod select;
mod setting;
mod store_as;
mod unknown;
mod unsampled;
mod value;
mod with_converter;

use kpipe_grammar::ast::Statement;
use miette::Diagnostic;
use thiserror::Error;

pub use places::Places;
pub use resolve::metadata_name;
pub use unsampled::unsampled;

use crate::catalog::SinkKind;
use crate::document::Document;
use crate::plan::{Decode, FileFormat, FileTail, Pipeline, RecordTail, Route, Schema, Tail};
use crate::report::{Entry, Report};
use insert::Target;
use row::Row;
use scope::Scope;

/// A pipeline and where each of its parts is written.
#[derive(Clone, Debug)]
pub struct Lowered {
    /// The pipeline.
    pub pipeline: Pipeline,
    /// The places of what a change can be about.
    pub places: Places,
}

/// Makes the pipeline of a document. `sampled` is the schema that samples showed, for `schema: infer`.
///
/// `None` if anything is wrong, which the report says, or if a value that decides is not known in this run.
pub fn lower(document: &Document, sampled: Option<&Schema>, report: &mut Report) -> Option<Lowered> {
    let parsed = kpipe_grammar::parse(&document.kcql.text);
    let mut complete = parsed.errors.is_empty();
    let map = &document.kcql.map;
    for error in parsed.errors {
        let fix = error.fix();
        report.push(Entry::mapped(map, error).fix_in_scalar(fix));
    }
    for warning in parsed.warnings {
        let fix = warning.fix();
        report.push(Entry::mapped(map, warning).fix_in_scalar(fix));
    }
    let mut scope = Scope::new(document, sampled, report)?;
    scope.find_schema();
    value::check_later(&mut scope);
    from::check_together(&mut scope, &parsed.statements);
    let mut routes = Vec::new();
    let mut flushes = properties::Flushes::default();
    for statement in &parsed.statements {
        match route(&mut scope, statement, &mut flushes) {
            Some(route) => routes.push(route),
            None => complete = false,
        }
    }
    let pipeline = endpoints::pipeline(&mut scope, routes, &flushes);
    let places = Places::of(document, &parsed.statements);
    let (complete, is_unknown) = (complete && !scope.failed(), scope.is_unknown());
    let lowered = pipeline.filter(|_| complete && !is_unknown).map(|pipeline| Lowered { pipeline, places });
    explained(lowered, is_unknown, document, report)
}

/// A pipeline that came to nothing although nobody said why: without this it would not be there, and the plan would be empty.
#[derive(Debug, Error, Diagnostic)]
#[error("pipeline `{pipeline}` cannot be compiled, and nothing says why")]
#[diagnostic(code(KP9901), help("this is a mistake in kpipe: please report it with this file, secrets removed"))]
struct Unexplained {
    pipeline: String,
}

/// Sees to it that no pipeline vanishes without a word.
fn explained(lowered: Option<Lowered>, is_unknown: bool, document: &Document, report: &mut Report) -> Option<Lowered> {
    if lowered.is_none() && !is_unknown && !report.has_errors() {
        let (at, pipeline) = (document.name.at, document.name.node.clone());
        report.push(Entry::new(at.file, Unexplained { pipeline }).label(at, "this pipeline"));
    }
    lowered
}

/// One statement; `None` if anything about it is wrong or unknown.
fn route(scope: &mut Scope<'_>, statement: &Statement, flushes: &mut properties::Flushes) -> Option<Route> {
    // No `..`: a new clause of the language must say here what it becomes.
    let Statement {
        span: _,
        mode,
        target,
        select,
        from,
        filter,
        partition_by,
        store_as,
        with_key,
        key_delimiter,
        with_converter,
        limit,
        properties,
        other,
    } = statement;
    scope.from.clone_from(&from.node.text);
    option::check_honoured(scope, statement);
    option::check_other(scope, limit.as_ref(), other);
    let target_clause = insert::check_mode(scope, mode, target.as_ref());
    let source = from::check(scope, from);
    let target = insert::target(scope, target_clause?, from);
    let properties = properties::read(scope, properties.as_ref(), other, flushes);
    let format = value::format(scope, with_converter.as_ref());
    if scope.is_unknown() {
        return None;
    }
    let mut row = Row::new(format?);
    let filter = match filter {
        Some(filter) => expr::condition(scope, &mut row, filter, "WHERE").map(Some),
        None => Some(None),
    };
    let project = select::select(scope, &mut row, select);
    let tail = match scope.sink.kind {
        SinkKind::Records => {
            let key = key::plan(scope, &mut row, with_key.as_ref(), key_delimiter.as_ref());
            let format = project.as_ref()?.as_ref().map(|_| FileFormat::Json { compression: crate::plan::Compression::None });
            match target? {
                Target::Topic(topic) => Tail::Records(RecordTail { topic, key: key?, format }),
                Target::Files { .. } => return None,
            }
        }
        SinkKind::Files => {
            let written = store_as::format(scope, store_as.as_ref());
            let partition = partition_by::partition(scope, &mut row, partition_by.as_ref(), &properties);
            let (written, partition) = (written?, partition?);
            let folders_at = scope.at(partition_by.as_ref().map_or(target_clause?.span, |clause| clause.span));
            partition_by::check(scope, folders_at, target.as_ref(), &partition);
            store_as::check_fits(scope, &written, &row, project.as_ref()?.as_deref());
            let naming = scope.naming();
            match target? {
                Target::Files { bucket, prefix } => Tail::Files(FileTail {
                    bucket,
                    prefix,
                    partition,
                    keep_partition_columns: partition_by::keep(scope, project.as_ref()?.as_deref()),
                    format: written.format,
                    naming,
                }),
                Target::Topic(_) => return None,
            }
        }
    };
    let decode = Decode { format: row.format, columns: row.columns };
    Some(Route { statement: statement.to_string(), from: source?, decode, filter: filter?, project: project?, tail })
}

#[cfg(test)]
mod tests;
