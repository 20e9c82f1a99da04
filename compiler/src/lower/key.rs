//! WITHKEY and KEYDELIMITER: the key of produced records.

use kpipe_grammar::expr::Expr;
use kpipe_grammar::span::Spanned;
use miette::Diagnostic;
use thiserror::Error;

use super::expr;
use super::resolve::Purpose;
use super::row::{Reference, Row};
use super::scope::Scope;
use super::select::reference;
use crate::catalog::{MetadataColumn, Replay};
use crate::plan::KeyPlan;

/// A key that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
pub(super) enum KeyError {
    /// A delimiter of nothing.
    #[error("KEYDELIMITER joins the parts of WITHKEY, but there is no WITHKEY")]
    #[diagnostic(code(KP0308), help("add `WITHKEY(a, b)`, or remove KEYDELIMITER"))]
    DelimiterAlone,
}

/// The key; `None` if a part of it is wrong.
pub(super) fn plan(
    scope: &mut Scope<'_>,
    row: &mut Row,
    with_key: Option<&Spanned<Vec<Spanned<Expr>>>>,
    delimiter: Option<&Spanned<String>>,
) -> Option<KeyPlan> {
    let Some(values) = with_key else {
        if let Some(delimiter) = delimiter {
            scope.error(KeyError::DelimiterAlone, [(scope.at(delimiter.span), "joins nothing".to_owned())]);
            return None;
        }
        return Some(default(scope));
    };
    let mut fields = Vec::new();
    let mut right = true;
    for value in &values.node {
        let Some(path) = value.node.as_column() else {
            match expr::value(scope, row, value) {
                Some(typed) => fields.push(typed.expr),
                None => right = false,
            }
            continue;
        };
        let path = reference(scope, path, scope.at(value.span));
        if let Some(computed) = row.computed(&path) {
            fields.push(computed.expr);
            continue;
        }
        let path = aliased(row, path);
        match scope.resolve(row, &path, Purpose::Key) {
            Some(resolved) => fields.push(resolved.expr),
            None => right = false,
        }
    }
    let delimiter = delimiter.map_or(".", |delimiter| delimiter.node.as_str()).to_owned();
    right.then_some(KeyPlan::Fields { fields, delimiter })
}

/// The source's path behind a name of the SELECT; else the path itself.
pub(super) fn aliased(row: &Row, path: Reference) -> Reference {
    match &path.names[..] {
        [name] => match row.output(name) {
            Some(output) => Reference { names: output.path.clone(), parts_at: vec![path.at; output.path.len()], at: path.at },
            None => path,
        },
        _ => path,
    }
}

/// Without WITHKEY: the source's key where it has one, else the MQTT topic.
fn default(scope: &Scope<'_>) -> KeyPlan {
    let has_key = scope.source.columns.contains(&MetadataColumn::Key);
    if !has_key && scope.source.replay == Replay::Unacknowledged { KeyPlan::SourceTopic } else { KeyPlan::Keep }
}
