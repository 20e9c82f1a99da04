//! As much of JSON Schema draft-07 as our schemas use. A keyword that it does not know fails the test: nothing is skipped.

use regex::Regex;
use serde_json::Value;

/// What only describes.
const WORDS: &[&str] = &["$schema", "title", "description", "default", "examples", "definitions"];

/// Why `value` does not fit, as paths and reasons; none if it does.
pub(super) fn validate(root: &Value, value: &Value) -> Vec<String> {
    let mut errors = Vec::new();
    Validator { root }.check(root, value, "", &mut errors);
    errors
}

struct Validator<'s> {
    root: &'s Value,
}

impl Validator<'_> {
    fn fits(&self, schema: &Value, value: &Value) -> bool {
        let mut errors = Vec::new();
        self.check(schema, value, "", &mut errors);
        errors.is_empty()
    }

    fn check(&self, schema: &Value, value: &Value, path: &str, errors: &mut Vec<String>) {
        let keywords = schema.as_object().unwrap_or_else(|| panic!("no schema: {schema}"));
        if let Some(reference) = keywords.get("$ref") {
            let target = reference.as_str().unwrap().strip_prefix('#').unwrap();
            return self.check(self.root.pointer(target).unwrap(), value, path, errors);
        }
        let mut wrong = |why: String| errors.push(format!("{path}: {why}"));
        for (keyword, argument) in keywords {
            match keyword.as_str() {
                "type" if !types(argument).iter().any(|kind| is(kind, value)) => wrong(format!("{value} is not {argument}")),
                "const" if argument != value => wrong(format!("{value} is not {argument}")),
                "enum" if !argument.as_array().unwrap().contains(value) => wrong(format!("{value} is none of {argument}")),
                "pattern" if value.as_str().is_some_and(|text| !regex(argument).is_match(text)) => {
                    wrong(format!("{value} does not match {argument}"));
                }
                "minimum" if value.as_i64().is_some_and(|number| number < argument.as_i64().unwrap()) => wrong(format!("{value} is small")),
                "maximum" if value.as_i64().is_some_and(|number| number > argument.as_i64().unwrap()) => wrong(format!("{value} is large")),
                "minItems" if value.as_array().is_some_and(|items| items.len() < size(argument)) => wrong("too few items".to_owned()),
                "maxItems" if value.as_array().is_some_and(|items| items.len() > size(argument)) => wrong("too many items".to_owned()),
                "minProperties" if value.as_object().is_some_and(|map| map.len() < size(argument)) => wrong("too few keys".to_owned()),
                "maxProperties" if value.as_object().is_some_and(|map| map.len() > size(argument)) => wrong("too many keys".to_owned()),
                "required" => {
                    for name in argument.as_array().unwrap().iter().filter_map(Value::as_str) {
                        if value.as_object().is_some_and(|map| !map.contains_key(name)) {
                            wrong(format!("`{name}` is missing"));
                        }
                    }
                }
                "anyOf" if !argument.as_array().unwrap().iter().any(|one| self.fits(one, value)) => {
                    wrong(format!("{value} fits nothing of anyOf"));
                }
                "oneOf" => {
                    let count = argument.as_array().unwrap().iter().filter(|one| self.fits(one, value)).count();
                    if count != 1 {
                        wrong(format!("{count} of oneOf fit"));
                    }
                }
                "not" if self.fits(argument, value) => wrong("what must not be is".to_owned()),
                "type" | "const" | "enum" | "pattern" | "minimum" | "maximum" | "minItems" | "maxItems" | "minProperties"
                | "maxProperties" | "anyOf" | "not" => {}
                "allOf" | "items" | "properties" | "patternProperties" | "additionalProperties" => {}
                word => assert!(WORDS.contains(&word), "the validator does not know `{word}`"),
            }
        }
        self.inside(schema, value, path, errors);
    }

    /// What stands below a value.
    fn inside(&self, schema: &Value, value: &Value, path: &str, errors: &mut Vec<String>) {
        for one in schema["allOf"].as_array().into_iter().flatten() {
            self.check(one, value, path, errors);
        }
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            if let Some(items) = schema.get("items") {
                self.check(items, item, &format!("{path}[{index}]"), errors);
            }
        }
        for (key, item) in value.as_object().into_iter().flatten() {
            let path = format!("{path}/{key}");
            let mut known = false;
            if let Some(own) = schema["properties"].get(key) {
                known = true;
                self.check(own, item, &path, errors);
            }
            for (pattern, own) in schema["patternProperties"].as_object().into_iter().flatten() {
                if Regex::new(pattern).unwrap().is_match(key) {
                    known = true;
                    self.check(own, item, &path, errors);
                }
            }
            match schema.get("additionalProperties").filter(|_| !known) {
                Some(Value::Bool(false)) => errors.push(format!("{path}: nobody knows this key")),
                Some(own) if own.is_object() => self.check(own, item, &path, errors),
                Some(_) | None => {}
            }
        }
    }
}

fn size(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

fn regex(pattern: &Value) -> Regex {
    Regex::new(pattern.as_str().unwrap()).unwrap()
}

fn types(argument: &Value) -> Vec<&str> {
    argument.as_str().into_iter().chain(argument.as_array().into_iter().flatten().filter_map(Value::as_str)).collect()
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type: {other}"),
    }
}

#[test]
fn what_is_wrong_is_found_and_what_is_right_is_not() {
    use serde_json::json;
    let schema = json!({
        "type": "object", "required": ["a"], "additionalProperties": false,
        "properties": {
            "a": { "anyOf": [{ "enum": ["x"] }, { "type": "integer", "minimum": 2 }] },
            "b": { "type": "array", "items": { "pattern": "^x" }, "minItems": 1 },
            "c": { "allOf": [{ "$ref": "#/definitions/d" }] }
        },
        "patternProperties": { "[.]": {} },
        "definitions": { "d": { "oneOf": [{ "type": "string" }, { "not": { "type": "number" } }] } }
    });
    for (value, fits) in [
        (json!({ "a": "x" }), true),
        (json!({ "a": 2, "b": ["xy"], "c": true, "x.y": 1 }), true),
        (json!({ "a": 1 }), false),
        (json!({ "b": ["x"] }), false),
        (json!({ "a": 2, "b": ["y"] }), false),
        (json!({ "a": 2, "b": [] }), false),
        (json!({ "a": 2, "z": 1 }), false),
        (json!({ "a": 2, "c": "both" }), false),
        (json!({ "a": 2, "c": 1 }), false),
        (json!([]), false),
    ] {
        assert_eq!(validate(&schema, &value).is_empty(), fits, "{value}");
    }
}
