//! WITHCONVERTER: the classes of other systems and the formats that they stand for.

use kpipe_grammar::span::Spanned;
use miette::Diagnostic;
use thiserror::Error;

use super::scope::Scope;
use crate::near::nearest;
use crate::plan::ValueFormat;

/// The last part of a class, and what its values are.
const CLASSES: [(&str, ValueFormat); 6] = [
    ("BytesConverter", ValueFormat::Bytes),
    ("JsonPassThroughConverter", ValueFormat::Json),
    ("JsonSimpleConverter", ValueFormat::Json),
    ("JsonOptNullConverter", ValueFormat::Json),
    ("JsonConverterWithSchemaEvolution", ValueFormat::Json),
    ("JsonResilientConverter", ValueFormat::Json),
];
const LATER: [&str; 2] = ["AvroConverter", "ProtobufConverter"];

/// A class without a counterpart.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
pub(super) enum ConverterError {
    /// Any other class.
    #[error("the converter `{class}` has no counterpart in kpipe")]
    #[diagnostic(code(KP0333), help("leave WITHCONVERTER out and write `value: {{ format: json }}`, `text` or `bytes` under the source"))]
    Unknown {
        /// The last part of the class.
        class: String,
    },
    /// Avro.
    #[error("the converter `{class}` is known, but not supported yet")]
    #[diagnostic(code(KP0334), help("values are `json`, `text` or `bytes`"))]
    NotYet {
        /// The last part of the class.
        class: String,
    },
}

/// The format that a class stands for; `None` if there is none.
pub(super) fn format(scope: &mut Scope<'_>, class: &Spanned<String>) -> Option<ValueFormat> {
    let last = class.node.rsplit(['.', '$']).next().unwrap_or_default();
    if let Some((_, format)) = CLASSES.iter().find(|(name, _)| name.eq_ignore_ascii_case(last)) {
        return Some(*format);
    }
    let at = scope.at(class.span);
    if LATER.iter().any(|name| name.eq_ignore_ascii_case(last)) {
        scope.error(ConverterError::NotYet { class: last.to_owned() }, [(at, "not built yet".to_owned())]);
        return None;
    }
    let near = nearest(last, CLASSES.iter().map(|(name, _)| *name));
    let label = near.map_or("no such converter".to_owned(), |near| format!("did you mean `{near}`?"));
    let name = near.map(|near| class.node.replace(last, near));
    scope.error_suggesting(ConverterError::Unknown { class: last.to_owned() }, vec![(at, label)], &class.node, name.as_deref());
    None
}
