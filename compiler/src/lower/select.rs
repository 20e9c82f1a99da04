//! The SELECT list: which columns come out, or that the value passes through.

use kpipe_grammar::ast::{Path, SelectItem, output_name};
use kpipe_grammar::expr::Expr as Written;
use kpipe_grammar::span::Spanned;
use miette::Diagnostic;
use thiserror::Error;

use super::expr;
use super::resolve::Purpose;
use super::row::{Output, Reference, Resolved, Row};
use super::scope::Scope;
use crate::plan::{DataType, Field, Projection, ValueFormat};
use crate::sources::Location;

/// A list that makes no columns.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
pub(super) enum SelectError {
    /// `*, _topic` without a schema.
    #[error("`{star}` needs a schema here: without one nobody knows which columns it stands for")]
    #[diagnostic(
        code(KP0404),
        help("declare `schema:` under `value:` of the source, or name the fields; `SELECT *` alone passes values through")
    )]
    StarWithoutSchema {
        /// As written.
        star: String,
    },
    /// `id.*` where `id` is no struct.
    #[error("`{path}.*` needs a struct, but `{path}` is {data_type}")]
    #[diagnostic(code(KP0402), help("only a struct has fields"))]
    StarOfScalar {
        /// The path.
        path: String,
        /// Its type.
        data_type: String,
    },
    /// `*, a` where `*` holds `a`.
    #[error("two columns are called `{name}`")]
    #[diagnostic(code(KP0405), help("give one of them another name with AS"))]
    TwoColumns {
        /// The name.
        name: String,
    },
}

/// The columns, `Some(None)` if the value passes through, `None` if something is wrong.
#[expect(clippy::option_option, reason = "the outer one says that the list is wrong, the inner one is the plan's")]
pub(super) fn select(scope: &mut Scope<'_>, row: &mut Row, list: &Spanned<Vec<Spanned<SelectItem>>>) -> Option<Option<Vec<Projection>>> {
    if let [only] = &list.node[..]
        && only.node == SelectItem::Star
        && (scope.schema.is_none() || row.format != ValueFormat::Json)
    {
        return Some(None);
    }
    let mut columns = Vec::new();
    let mut right = true;
    for item in &list.node {
        right &= match &item.node {
            SelectItem::Star => star(scope, row, &mut columns, scope.at(item.span)),
            SelectItem::StarOf(path) => star_of(scope, row, &mut columns, &reference(scope, path, scope.at(item.span))),
            SelectItem::Value { expr, alias } => {
                let Some(path) = expr.as_column() else {
                    let name = alias.as_ref().map_or_else(|| output_name(expr), |alias| alias.node.clone());
                    right &= computed(scope, row, &mut columns, name, &Spanned::new(expr.clone(), item.span));
                    continue;
                };
                let path = reference(scope, path, scope.at(item.span));
                let name = match alias {
                    Some(alias) => alias.node.clone(),
                    None => path.names.last().cloned().unwrap_or_default(),
                };
                column(scope, row, &mut columns, name, &path)
            }
        };
    }
    right.then_some(Some(columns))
}

/// A path of the text with its places.
pub(super) fn reference(scope: &Scope<'_>, path: &Path, at: Location) -> Reference {
    Reference {
        names: path.parts.iter().map(|part| part.node.clone()).collect(),
        parts_at: path.parts.iter().map(|part| scope.at(part.span)).collect(),
        at,
    }
}

fn star(scope: &mut Scope<'_>, row: &mut Row, columns: &mut Vec<Projection>, at: Location) -> bool {
    match scope.schema.as_ref().map(|schema| schema.fields) {
        Some(fields) => all(scope, row, columns, fields, &[], at),
        None => {
            scope.error(SelectError::StarWithoutSchema { star: "*".to_owned() }, [(at, "which columns?".to_owned())]);
            false
        }
    }
}

fn star_of(scope: &mut Scope<'_>, row: &mut Row, columns: &mut Vec<Projection>, path: &Reference) -> bool {
    if scope.schema.is_none() {
        let star = format!("{}.*", path.text());
        scope.error(SelectError::StarWithoutSchema { star }, [(path.at, "which columns?".to_owned())]);
        return false;
    }
    // The struct itself is not decoded, but its fields one by one.
    let mut probe = Row::new(row.format);
    let Some(resolved) = scope.resolve(&mut probe, path, Purpose::Output) else { return false };
    match resolved.data_type {
        DataType::Struct(fields) => {
            let skip = usize::from(path.names[0] == "_value");
            all(scope, row, columns, &fields, &path.names[skip..], path.at)
        }
        other => {
            let data_type = crate::schema::type_text(&other);
            let labels = std::iter::once((path.at, data_type.clone())).chain(scope.declared_at()).collect::<Vec<_>>();
            scope.error(SelectError::StarOfScalar { path: path.text(), data_type }, labels);
            false
        }
    }
}

/// Every field below a path.
fn all(scope: &mut Scope<'_>, row: &mut Row, columns: &mut Vec<Projection>, fields: &[Field], above: &[String], at: Location) -> bool {
    let mut right = true;
    for field in fields {
        let names: Vec<String> = above.iter().chain([&field.name]).cloned().collect();
        // A field called like a metadata column is meant as the field.
        let names = if above.is_empty() { [vec!["_value".to_owned()], names].concat() } else { names };
        let path = Reference { parts_at: vec![at; names.len()], names, at };
        right &= column(scope, row, columns, field.name.clone(), &path);
    }
    right
}

fn column(scope: &mut Scope<'_>, row: &mut Row, columns: &mut Vec<Projection>, name: String, path: &Reference) -> bool {
    let Some(resolved) = scope.resolve(row, path, Purpose::Output) else {
        row.wrong.push(name);
        return false;
    };
    if is_taken(scope, row, &name, path.at) {
        return false;
    }
    row.outputs.push(Output { name: name.clone(), path: path.names.clone(), computed: None, at: path.at });
    columns.push(Projection { name, expr: resolved.expr, data_type: resolved.data_type, nullable: resolved.nullable });
    true
}

fn computed(scope: &mut Scope<'_>, row: &mut Row, columns: &mut Vec<Projection>, name: String, written: &Spanned<Written>) -> bool {
    let Some(typed) = expr::value(scope, row, written) else {
        row.wrong.push(name);
        return false;
    };
    let at = scope.at(written.span);
    if is_taken(scope, row, &name, at) {
        return false;
    }
    let expr::Typed { expr, data_type, nullable, .. } = typed;
    let found = Resolved { expr: expr.clone(), data_type: data_type.clone(), nullable };
    row.outputs.push(Output { name: name.clone(), path: Vec::new(), computed: Some(found), at });
    columns.push(Projection { name, expr, data_type, nullable });
    true
}

/// Refuses a second column of one name.
fn is_taken(scope: &mut Scope<'_>, row: &Row, name: &str, at: Location) -> bool {
    let Some(first) = row.output(name) else { return false };
    let labels = [(at, format!("called `{name}` too")), (first.at, format!("called `{name}`"))];
    scope.error(SelectError::TwoColumns { name: name.to_owned() }, labels);
    true
}
