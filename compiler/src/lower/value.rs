//! The format of the source's values.

use kpipe_grammar::span::Spanned;
use miette::Diagnostic;
use thiserror::Error;

use super::schema::SchemaError;
use super::scope::Scope;
use super::setting::written_format;
use super::with_converter;
use crate::plan::ValueFormat;

/// An option of values that nothing honours.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
pub(super) enum ValueError {
    /// `registry:`.
    #[error("`{path}` is known, but not supported yet")]
    #[diagnostic(code(KP0330), help("write the fields as `value: {{ format: json, schema: {{ id: bigint }} }}`; a key is text"))]
    OptionNotYet {
        /// The option.
        path: &'static str,
    },
}

/// The format of the values of one statement: its converter's, else that of the YAML. `None` if it is wrong.
pub(super) fn format(scope: &mut Scope<'_>, converter: Option<&Spanned<String>>) -> Option<ValueFormat> {
    let format = match converter {
        Some(class) => with_converter::format(scope, class)?,
        None => of_document(scope),
    };
    if let Some(schema) = &scope.schema
        && format != ValueFormat::Json
        && !scope.is_unknown()
    {
        let name = if format == ValueFormat::Text { "text" } else { "bytes" };
        let labels = [(schema.at, "declared here".to_owned()), (scope.source_at("value.format"), format!("{name} here"))];
        scope.error(SchemaError::NoFields { format: name.to_owned() }, labels);
        return None;
    }
    Some(format)
}

/// A registry or a schema of keys: in the catalogue, so that they are not unknown, and not built.
pub(super) fn check_later(scope: &mut Scope<'_>) {
    for path in ["value.registry", "key.registry", "key.schema"] {
        if let Some(at) = scope.document.source.value_at(path) {
            scope.error(ValueError::OptionNotYet { path }, [(at, "not built yet".to_owned())]);
        }
    }
}

/// The document knows no other name: a wrong one was refused where it stands.
fn of_document(scope: &Scope<'_>) -> ValueFormat {
    match scope.document.source.options.0.get("value.format").and_then(written_format) {
        Some(("json", _)) => ValueFormat::Json,
        Some(("text", _)) => ValueFormat::Text,
        Some(_) | None => ValueFormat::Bytes,
    }
}
