//! The declared schema of the source's values.

use miette::Diagnostic;
use thiserror::Error;

use super::scope::{Declared, Scope};
use crate::document::{Document, SchemaDoc};

/// A schema that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
pub(super) enum SchemaError {
    /// `infer`, and nobody looked at samples.
    #[error("the schema is to be inferred, but there are no samples")]
    #[diagnostic(
        code(KP0422),
        help("`kpipe plan` without `--offline` reads samples; or write the schema: `{{ id: bigint, name: string }}`")
    )]
    NoSamples,
    /// A schema for values that are not looked into.
    #[error("a schema needs values that have fields, but `value.format` is `{format}`")]
    #[diagnostic(code(KP0423), help("add `format: json` beside the schema, or remove the schema"))]
    NoFields {
        /// The format.
        format: String,
    },
}

impl<'a> Scope<'a> {
    /// True if the schema is that of samples.
    pub(super) fn infers(&self) -> bool {
        matches!(self.document.source.schemas.get("value.schema"), Some(SchemaDoc::Infer))
    }

    /// Looks up the schema of the document.
    pub(super) fn find_schema(&mut self) {
        let document: &'a Document = self.document;
        let Some(schema) = document.source.schemas.get("value.schema") else { return };
        let at = self.source_at("value.schema");
        let (fields, origin) = match schema {
            SchemaDoc::Inline { schema, fields: _ } => (schema, "the fields are declared here".to_owned()),
            SchemaDoc::File { path, schema } => (schema, format!("the fields come from {path}")),
            SchemaDoc::Infer => match self.sampled {
                Some(schema) => (schema, "the fields come from samples".to_owned()),
                None => {
                    // What follows from that is not said too.
                    self.set_unknown();
                    return self.error(SchemaError::NoSamples, [(at, "asked for here".to_owned())]);
                }
            },
        };
        self.schema = Some(Declared { fields, origin, at });
    }
}
