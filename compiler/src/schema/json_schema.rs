//! JSON Schema files: the part of the language that describes columns.

use serde_json::{Map, Value};
use thiserror::Error;

use super::{DEPTH_MAX, FIELDS_MAX, sql};
use crate::plan::{DataType, Field, Schema, TimeUnit};

/// A JSON Schema that kpipe has no columns for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum JsonSchemaError {
    /// The root is not an object with properties.
    #[error("the JSON Schema has no `properties` at its root")]
    NoProperties,
    /// `$ref` to somewhere else than this file.
    #[error("`$ref: {0}` does not lead to a definition in this file")]
    Reference(String),
    /// More fields or levels than the limits allow; also a definition that contains itself.
    #[error("the JSON Schema is larger than {FIELDS_MAX} fields or {DEPTH_MAX} levels, or contains itself")]
    TooLarge,
}

/// Reads a parsed JSON Schema whose root is an object. A property that `required` does not list, or that allows `null`, may be
/// null; one whose type is open is a `json` column.
///
/// # Errors
///
/// The first part that is wrong.
pub fn from_json_schema(root: &Value) -> Result<Schema, JsonSchemaError> {
    let mut reader = Reader { root, fields: 0 };
    let object = reader.resolve(root, 0)?;
    match reader.structure(object, 0)? {
        Some(fields) => Ok(fields),
        None => Err(JsonSchemaError::NoProperties),
    }
}

struct Reader<'a> {
    root: &'a Value,
    fields: usize,
}

impl<'a> Reader<'a> {
    /// Follows `$ref`.
    fn resolve(&self, schema: &'a Value, depth: usize) -> Result<&'a Value, JsonSchemaError> {
        let Some(reference) = schema.get("$ref") else { return Ok(schema) };
        if depth > DEPTH_MAX {
            return Err(JsonSchemaError::TooLarge);
        }
        let text = reference.as_str().unwrap_or_default();
        let target = text.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
        match target {
            Some(target) => self.resolve(target, depth + 1),
            None => Err(JsonSchemaError::Reference(text.to_owned())),
        }
    }

    fn structure(&mut self, schema: &'a Value, depth: usize) -> Result<Option<Vec<Field>>, JsonSchemaError> {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return Ok(None) };
        let required: Vec<&str> = match schema.get("required").and_then(Value::as_array) {
            Some(names) => names.iter().filter_map(Value::as_str).collect(),
            None => Vec::new(),
        };
        let mut fields = Vec::new();
        for (name, property) in properties {
            self.fields += 1;
            if self.fields > FIELDS_MAX {
                return Err(JsonSchemaError::TooLarge);
            }
            let (data_type, nullable) = self.data_type(property, depth + 1)?;
            fields.push(Field { name: name.clone(), data_type, nullable: nullable || !required.contains(&name.as_str()) });
        }
        Ok(Some(fields))
    }

    /// The type and whether `null` is among what it allows.
    fn data_type(&mut self, schema: &'a Value, depth: usize) -> Result<(DataType, bool), JsonSchemaError> {
        if depth > DEPTH_MAX {
            return Err(JsonSchemaError::TooLarge);
        }
        let schema = self.resolve(schema, depth)?;
        for key in ["oneOf", "anyOf"] {
            if let Some(branches) = schema.get(key).and_then(Value::as_array) {
                return self.choice(branches, depth);
            }
        }
        let (names, nullable) = type_names(schema);
        let data_type = match (names[..].as_ref(), schema.as_object()) {
            ([name], Some(object)) => self.by_name(name, schema, object, depth)?,
            // The values of an `enum` say what it is.
            ([], Some(object)) => match object.get("enum").and_then(Value::as_array) {
                Some(values) if values.iter().all(|value| value.is_string() || value.is_null()) => DataType::String,
                _ => match self.structure(schema, depth)? {
                    Some(fields) => DataType::Struct(fields),
                    None => DataType::Json,
                },
            },
            (["integer", "number"] | ["number", "integer"], Some(_)) => DataType::Float64,
            _ => DataType::Json,
        };
        let open = matches!(data_type, DataType::Json) && names.is_empty();
        Ok((data_type, nullable || open))
    }

    fn choice(&mut self, branches: &'a [Value], depth: usize) -> Result<(DataType, bool), JsonSchemaError> {
        let null = |branch: &&Value| branch.get("type").is_some_and(|name| name == "null");
        let others: Vec<&Value> = branches.iter().filter(|branch| !null(branch)).collect();
        match others[..] {
            [only] => {
                let (data_type, nullable) = self.data_type(only, depth + 1)?;
                Ok((data_type, nullable || others.len() < branches.len()))
            }
            _ => Ok((DataType::Json, others.len() < branches.len())),
        }
    }

    fn by_name(
        &mut self,
        name: &str,
        schema: &'a Value,
        object: &'a Map<String, Value>,
        depth: usize,
    ) -> Result<DataType, JsonSchemaError> {
        let word = |key: &str| object.get(key).and_then(Value::as_str);
        Ok(match name {
            "boolean" => DataType::Boolean,
            "integer" => DataType::Int64,
            "number" => DataType::Float64,
            "string" => match (word("format"), word("contentEncoding")) {
                (Some("date-time"), _) => DataType::Timestamp(TimeUnit::Millisecond),
                (Some("date"), _) => DataType::Date,
                (_, Some("base64")) => DataType::Bytes,
                _ => DataType::String,
            },
            "array" => match object.get("items") {
                Some(items @ Value::Object(_)) => {
                    let (item, nullable) = self.data_type(items, depth + 1)?;
                    sql::list(item, nullable)
                }
                _ => DataType::Json,
            },
            "object" => match self.structure(schema, depth)? {
                Some(fields) if !fields.is_empty() => DataType::Struct(fields),
                _ => DataType::Json,
            },
            _ => DataType::Json,
        })
    }
}

/// The names under `type` without `null`, and whether that was one of them.
fn type_names(schema: &Value) -> (Vec<&str>, bool) {
    let names: Vec<&str> = match schema.get("type") {
        Some(Value::String(name)) => vec![name.as_str()],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let all = names.len();
    let others: Vec<&str> = names.into_iter().filter(|name| *name != "null").collect();
    let nullable = others.len() < all;
    (others, nullable)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::show;
    use super::*;

    fn read(schema: Value) -> Result<String, JsonSchemaError> {
        from_json_schema(&schema).map(|schema| show(&schema))
    }

    #[test]
    fn required_properties_are_not_null() {
        let schema = json!({
            "type": "object",
            "required": ["id", "note"],
            "properties": {
                "id": {"type": "integer"},
                "name": {"type": "string"},
                "note": {"type": ["string", "null"]},
                "ok": {"type": "boolean"},
                "x": {"type": "number"},
            },
        });
        assert_eq!(read(schema).unwrap(), "{ id: bigint not null, name: string, note: string, ok: boolean, x: double }");
    }

    #[test]
    fn formats_of_strings() {
        let schema = json!({"properties": {
            "a": {"type": "string", "format": "date-time"},
            "b": {"type": "string", "format": "date"},
            "c": {"type": "string", "contentEncoding": "base64"},
            "d": {"type": "string", "format": "email"},
            "e": {"enum": ["x", "y"]},
        }});
        assert_eq!(read(schema).unwrap(), "{ a: timestamp, b: date, c: bytes, d: string, e: string }");
    }

    #[test]
    fn nested_values_and_references() {
        let schema = json!({
            "$ref": "#/$defs/root",
            "$defs": {
                "root": {"properties": {
                    "meta": {"$ref": "#/$defs/meta"},
                    "tags": {"type": "array", "items": {"type": "string"}},
                    "any": {},
                    "free": {"type": "object"},
                    "maybe": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
                    "mixed": {"oneOf": [{"type": "integer"}, {"type": "string"}]},
                }},
                "meta": {"type": "object", "required": ["site"], "properties": {"site": {"type": "string"}}},
            },
        });
        assert_eq!(
            read(schema).unwrap(),
            "{ meta: { site: string not null }, tags: array<string not null>, any: json, free: json, maybe: bigint, mixed: json }"
        );
    }

    #[test]
    fn what_has_no_columns_is_refused() {
        assert_eq!(read(json!({"type": "object"})), Err(JsonSchemaError::NoProperties));
        assert_eq!(read(json!({"properties": {"a": {"$ref": "other.json"}}})), Err(JsonSchemaError::Reference("other.json".to_owned())));
        let itself = json!({"properties": {"a": {"$ref": "#"}}});
        assert_eq!(read(itself), Err(JsonSchemaError::TooLarge));
        assert_eq!(read(json!({"$ref": "#"})), Err(JsonSchemaError::TooLarge));
    }

    #[test]
    fn a_schema_as_people_write_it() {
        let text = r##"{
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "Reading",
            "type": "object",
            "additionalProperties": false,
            "required": ["device", "at"],
            "properties": {
                "device": {"type": "string", "minLength": 1},
                "at": {"type": "string", "format": "date-time"},
                "value": {"type": ["number", "null"]},
                "unit": {"type": "string", "enum": ["C", "F"]},
                "position": {"type": "object", "required": ["x"], "properties": {"x": {"type": "number"}, "y": {"type": "number"}}},
                "tags": {"type": "array", "items": {"$ref": "#/definitions/tag"}},
                "history": {"type": "array"},
                "code": {"enum": [1, 2]},
                "count": {"type": ["integer", "number"]}
            },
            "definitions": {"tag": {"type": ["string", "null"], "maxLength": 20}}
        }"##;
        let schema = from_json_schema(&serde_json::from_str(text).unwrap()).unwrap();
        assert_eq!(
            show(&schema),
            "{ device: string not null, at: timestamp not null, value: double, unit: string, \
             position: { x: double not null, y: double }, tags: array<string>, history: json, code: json, count: double }"
        );
    }

    #[test]
    fn depth_and_size_have_limits() {
        let mut deep = json!({"type": "string"});
        for _ in 0..40 {
            deep = json!({"type": "array", "items": deep});
        }
        assert_eq!(read(json!({"properties": {"a": deep}})), Err(JsonSchemaError::TooLarge));
        let many: Map<String, Value> = (0..5000).map(|n| (format!("f{n}"), json!({"type": "string"}))).collect();
        assert_eq!(read(json!({"properties": many})), Err(JsonSchemaError::TooLarge));
    }
}
