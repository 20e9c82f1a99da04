//! The format of the source's values.

use kpipe_grammar::span::Spanned;
use miette::Diagnostic;
use thiserror::Error;

use super::schema::SchemaError;
use super::scope::Scope;
use super::setting::written_format;
use super::with_converter;
use crate::near::nearest;
use crate::plan::ValueFormat;

/// Formats that sources can have one day.
const LATER: [&str; 6] = ["avro", "protobuf", "csv", "json_schema", "msgpack", "xml"];
const NAMES: [&str; 3] = ["bytes", "text", "json"];

/// A format that values cannot have.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
pub(super) enum ValueError {
    /// `avro`.
    #[error("values of the format `{format}` are known, but not supported yet")]
    #[diagnostic(code(KP0331), help("values are `json`, `text` or `bytes`"))]
    NotYet {
        /// The format.
        format: String,
    },
    /// `registry:`.
    #[error("`{path}` is known, but not supported yet")]
    #[diagnostic(code(KP0330), help("write the fields as `value: {{ format: json, schema: {{ id: bigint }} }}`; a key is text"))]
    OptionNotYet {
        /// The option.
        path: &'static str,
    },
    /// `jsno`.
    #[error("`{format}` is not a format of values")]
    #[diagnostic(code(KP0332), help("values are `json`, `text` or `bytes`"))]
    Unknown {
        /// The format.
        format: String,
    },
}

/// The format of the values of one statement: its converter's, else that of the YAML. `None` if it is wrong.
pub(super) fn format(scope: &mut Scope<'_>, converter: Option<&Spanned<String>>) -> Option<ValueFormat> {
    let format = match converter {
        Some(class) => with_converter::format(scope, class)?,
        None => of_document(scope)?,
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

fn of_document(scope: &mut Scope<'_>) -> Option<ValueFormat> {
    let Some((name, _)) = scope.document.source.options.0.get("value.format").and_then(written_format) else {
        return Some(ValueFormat::Bytes);
    };
    let found = match name {
        "bytes" => Some(ValueFormat::Bytes),
        "text" | "string" => Some(ValueFormat::Text),
        "json" => Some(ValueFormat::Json),
        _ => None,
    };
    if found.is_none() {
        let at = scope.source_at("value.format");
        let format = name.to_owned();
        if LATER.contains(&name) {
            scope.error(ValueError::NotYet { format }, [(at, "not built yet".to_owned())]);
        } else {
            let label = nearest(name, NAMES).map_or("no such format".to_owned(), |near| format!("did you mean `{near}`?"));
            scope.error(ValueError::Unknown { format }, [(at, label)]);
        }
    }
    found
}
