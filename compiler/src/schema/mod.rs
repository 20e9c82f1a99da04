//! Schemas of values: written in the pipeline file, in a file beside it, or frozen from samples.

mod avro;
mod fields;
mod infer;
mod json_schema;
mod sql;

pub use avro::{AvroError, from_avro};
pub use fields::{FieldError, find, show, type_text};
pub use infer::{InferError, infer_schema};
pub use json_schema::{JsonSchemaError, from_json_schema};
pub use sql::{NAMES as TYPE_NAMES, TypeError, TypeErrorKind, parse_type};

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

    /// `{"f0": X, "f1": X, ...}`, with anything for each field.
    fn object(count: usize, field: impl Fn(usize) -> String) -> String {
        let fields: Vec<String> = (0..count).map(|index| format!("\"f{index}\": {}", field(index))).collect();
        format!("{{{}}}", fields.join(", "))
    }

    fn avro(fields: &[String]) -> String {
        format!("{{\"type\": \"record\", \"name\": \"t\", \"fields\": [{}]}}", fields.join(", "))
    }

    #[test]
    fn schemas_have_as_many_fields_as_they_may_and_no_more() {
        for (count, fits) in [(FIELDS_MAX, true), (FIELDS_MAX + 1, false)] {
            let fields: Vec<String> = (0..count).map(|index| format!("{{\"name\": \"f{index}\", \"type\": \"int\"}}")).collect();
            assert_eq!(from_file(&avro(&fields)).is_ok_and(|schema| schema.len() == count), fits, "{count} fields of Avro");
            let json = format!("{{\"properties\": {}}}", object(count, |_| "{\"type\": \"integer\"}".to_owned()));
            assert_eq!(from_file(&json).is_ok_and(|schema| schema.len() == count), fits, "{count} properties");
            let sample = object(count, |index| index.to_string());
            assert_eq!(infer_schema(&[sample.as_bytes()]).is_ok_and(|schema| schema.len() == count), fits, "{count} fields of a sample");
        }
        let said = |text: String| from_file(&text).unwrap_err().to_string();
        assert_eq!(
            said(avro(&vec!["{\"name\": \"f\", \"type\": \"int\"}".to_owned(); 2])),
            "the Avro schema is wrong: two fields have one name"
        );
        let many = object(FIELDS_MAX + 1, |_| "{}".to_owned());
        assert_eq!(
            said(format!("{{\"properties\": {many}}}")),
            "the JSON Schema is larger than 4096 fields or 32 levels, or contains itself"
        );
    }

    #[test]
    fn schemas_are_as_deep_as_they_may_be_and_no_deeper() {
        let deepest = |fits: &dyn Fn(usize) -> bool| (1..200).rev().find(|depth| fits(*depth)).unwrap_or(0);
        let wrap =
            |depth: usize, before: &str, inner: &str, behind: &str| format!("{}{inner}{}", before.repeat(depth), behind.repeat(depth));
        let of_avro = |depth| {
            let inner = wrap(depth, "{\"type\": \"array\", \"items\": ", "\"int\"", "}");
            from_file(&avro(&[format!("{{\"name\": \"f\", \"type\": {inner}}}")])).is_ok()
        };
        let by_names = |depth: usize| {
            let step = |index: usize| match index {
                0 => "{\"name\": \"f0\", \"type\": {\"type\": \"record\", \"name\": \"r0\", \"fields\": []}}".to_owned(),
                _ => format!(
                    "{{\"name\": \"f{index}\", \"type\": {{\"type\": \"record\", \"name\": \"r{index}\", \"fields\": \
                     [{{\"name\": \"x\", \"type\": \"r{}\"}}]}}}}",
                    index - 1
                ),
            };
            from_file(&avro(&(0..depth).map(step).collect::<Vec<_>>())).is_ok()
        };
        let of_json = |depth| from_file(&wrap(depth, "{\"properties\": {\"x\": ", "{\"type\": \"integer\"}", "}}")).is_ok();
        let of_samples = |depth| infer_schema(&[wrap(depth, "{\"x\": ", "1", "}").as_bytes()]).is_ok();
        let of_sql = |depth| parse_type(&wrap(depth, "array<", "int", ">")).is_ok();
        let found = [deepest(&of_avro), deepest(&by_names), deepest(&of_json), deepest(&of_samples), deepest(&of_sql)];
        assert!(found.iter().all(|depth| (DEPTH_MAX - 2..=DEPTH_MAX).contains(depth)), "{found:?}");
    }

    #[test]
    fn samples_whose_keys_are_data_are_refused_soon() {
        let started = std::time::Instant::now();
        let sample = |from: usize| {
            let fields: Vec<String> = (from..from + 20_000).map(|id| format!("\"user {id}\": {{\"n\": {id}}}")).collect();
            format!("{{\"users\": {{{}}}}}", fields.join(", "))
        };
        let samples: Vec<String> = (0..5).map(|index| sample(index * 20_000)).collect();
        let bytes: Vec<&[u8]> = samples.iter().map(String::as_bytes).collect();
        assert_eq!(infer_schema(&bytes).unwrap_err().to_string(), "the samples have more than 4096 fields or 32 levels");
        assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
        assert_eq!(infer_schema(&[]).unwrap_err().to_string(), "there is no sample to infer a schema from");
        assert_eq!(infer_schema(&[b"[1]", b"{"]).unwrap_err().to_string(), "none of the 2 samples is a JSON object");
    }

    #[test]
    fn a_record_that_names_another_often_is_counted_whole() {
        let doubled = |index: usize| match index {
            0 => {
                "{\"name\": \"f0\", \"type\": {\"type\": \"record\", \"name\": \"r0\", \"fields\": [{\"name\": \"x\", \"type\": \"int\"}]}}"
                    .to_owned()
            }
            _ => format!(
                "{{\"name\": \"f{index}\", \"type\": {{\"type\": \"record\", \"name\": \"r{index}\", \"fields\": \
                 [{{\"name\": \"x\", \"type\": \"r{0}\"}}, {{\"name\": \"y\", \"type\": \"r{0}\"}}]}}}}",
                index - 1
            ),
        };
        let text = avro(&(0..31).map(doubled).collect::<Vec<_>>());
        assert_eq!(from_file(&text).unwrap_err().to_string(), "the Avro schema is larger than 4096 fields or 32 levels");
    }
}
