//! Schemas of values: written in the pipeline file, in a file beside it, or frozen from samples.

mod avro;
mod fields;
mod infer;
mod json_schema;
mod sql;

pub use avro::{AvroError, from_avro};
pub(crate) use fields::type_text;
pub use fields::{FieldError, find, show};
pub use infer::{InferError, infer_schema};
pub use json_schema::{JsonSchemaError, from_json_schema};
pub use sql::{TypeError, TypeErrorKind, parse_type};

use thiserror::Error;

use crate::plan::Schema;

/// Deepest nesting of a schema.
pub const DEPTH_MAX: usize = 32;
/// Most fields of a schema, on all levels together.
pub const FIELDS_MAX: usize = 4096;

/// A schema file that cannot be read as a schema.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SchemaFileError {
    /// Not JSON at all.
    #[error("the schema file is not JSON: {0}")]
    NotJson(String),
    /// Neither of the two kinds.
    #[error("the file is neither an Avro record nor a JSON Schema of an object")]
    Unknown,
    /// Wrong as an Avro schema.
    #[error(transparent)]
    Avro(#[from] AvroError),
    /// Wrong as a JSON Schema.
    #[error(transparent)]
    JsonSchema(#[from] JsonSchemaError),
}

/// Reads the text of a schema file: Avro (`"type": "record"`) or JSON Schema (`"type": "object"`, `"properties"`).
///
/// # Errors
///
/// If it is not JSON, neither of the two, or has a part that kpipe has no type for.
pub fn from_file(text: &str) -> Result<Schema, SchemaFileError> {
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| SchemaFileError::NotJson(error.to_string()))?;
    if value["type"] == "record" {
        return Ok(from_avro(&value)?);
    }
    if value["type"] == "object" || value.get("properties").is_some() || value.get("$schema").is_some() {
        return Ok(from_json_schema(&value)?);
    }
    Err(SchemaFileError::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_a_file_is_seen_in_it() {
        let avro = r#"{"type": "record", "name": "t", "fields": [{"name": "id", "type": "long"}]}"#;
        assert_eq!(show(&from_file(avro).unwrap()), "{ id: bigint not null }");
        let json = r#"{"properties": {"id": {"type": "integer"}}}"#;
        assert_eq!(show(&from_file(json).unwrap()), "{ id: bigint }");
        assert_eq!(from_file(r#"{"type": "enum"}"#), Err(SchemaFileError::Unknown));
        assert_eq!(from_file("[1]"), Err(SchemaFileError::Unknown));
        assert!(matches!(from_file("{"), Err(SchemaFileError::NotJson(_))));
    }
}
