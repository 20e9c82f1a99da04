//! A pipeline before its fields are known: enough to look at records of its source, and to find the plan that was applied.

use super::insert::Target;
use super::properties::Flushes;
use super::scope::Scope;
use super::{endpoints, from, insert};
use crate::document::Document;
use crate::plan::{Compression, Decode, FileFormat, FileTail, KeyPlan, Naming, Pipeline, RecordTail, Route, Tail, ValueFormat};
use crate::report::Report;
use kpipe_grammar::ast::Statement;

/// The pipeline of a document that asks for `schema: infer`, its routes without columns. It is never run.
///
/// `None` if the document has its fields already, or a mistake that hides where records come from or go to.
#[must_use]
pub fn unsampled(document: &Document) -> Option<Pipeline> {
    // What is wrong is said when the document is lowered.
    let mut unheard = Report::default();
    let mut scope = Scope::new(document, None, &mut unheard)?;
    if !scope.infers() || scope.is_unknown() {
        return None;
    }
    let parsed = kpipe_grammar::parse(&document.kcql.text);
    let routes: Option<Vec<Route>> = parsed.statements.iter().map(|statement| route(&mut scope, statement)).collect();
    let routes = routes.filter(|routes| !routes.is_empty())?;
    endpoints::pipeline(&mut scope, routes, &Flushes::default())
}

fn route(scope: &mut Scope<'_>, statement: &Statement) -> Option<Route> {
    let source = from::check(scope, &statement.from)?;
    let tail = match insert::target(scope, statement.target.as_ref()?, &statement.from)? {
        Target::Topic(topic) => Tail::Records(RecordTail { topic, key: KeyPlan::Keep, format: None }),
        Target::Files { bucket, prefix } => Tail::Files(FileTail {
            bucket,
            prefix,
            partition: Vec::new(),
            keep_partition_columns: true,
            format: FileFormat::Json { compression: Compression::None },
            naming: Naming::Kpipe,
        }),
    };
    let decode = Decode { format: ValueFormat::Bytes, columns: Vec::new() };
    Some(Route { statement: statement.to_string(), from: source, decode, filter: None, project: None, tail })
}
