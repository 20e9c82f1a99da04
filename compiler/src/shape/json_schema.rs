//! A shape as a JSON Schema (draft-07), for editors.
//!
//! It accepts whatever the reader accepts of the file alone. What a connector needs stands in the file or comes from a connection that it names;
//! an option that only a profile gives is missing where the file is read without one.

use serde_json::{Map, Value, json};

use super::{FileKind, Key, Shape, shape};
use crate::catalog::{Catalog, OptionKind};
use crate::document::{NAME_PATTERN, REFERENCE_PATTERN};
use crate::lower::file_options::UNCOMPRESSED;
use crate::units::{bytes_pattern, duration_pattern};

const DRAFT: &str = "http://json-schema.org/draft-07/schema#";
/// Keys of a profile may be paths: `sink.s3.region`.
const DOTTED: &str = "[.]";

/// The schema of a kind of file.
#[must_use]
pub fn json_schema(kind: FileKind, catalog: &Catalog) -> Value {
    let (title, doc) = match kind {
        FileKind::Pipeline => ("kpipe pipeline", "A source, a sink, and KCQL statements between them."),
        FileKind::Connections => ("kpipe connections", "Connections that several pipelines share."),
        FileKind::Profile => ("kpipe profile", "What an environment overrides in pipelines and connections."),
    };
    let writer = Writer { kind };
    let mut root = Map::new();
    root.insert("$schema".to_owned(), DRAFT.into());
    root.insert("title".to_owned(), title.into());
    root.insert("description".to_owned(), doc.into());
    root.extend(writer.shape(&shape(kind, catalog)));
    root.insert("definitions".to_owned(), definitions());
    Value::Object(root)
}

struct Writer {
    kind: FileKind,
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => Map::from_iter([("const".to_owned(), other)]),
    }
}

impl Writer {
    fn shape(&self, shape: &Shape) -> Map<String, Value> {
        match shape {
            Shape::Version if self.kind == FileKind::Pipeline => object(json!({ "const": 1 })),
            Shape::Version => object(json!({ "enum": [1, "1"] })),
            Shape::PipelineName => {
                object(json!({ "anyOf": [{ "type": ["string", "number"], "pattern": NAME_PATTERN }, definition("reference")] }))
            }
            Shape::Kcql => object(json!({ "type": "string", "pattern": "[^ \\t\\r\\n]" })),
            Shape::ConnectionName => object(definition("text")),
            Shape::Value(kind) => object(value(kind)),
            Shape::Format(formats) => self.format(formats),
            Shape::Keys(keys) => self.keys(keys.iter()),
            Shape::Connector { connectors, beside, is_open } => {
                let mut schema = self.keys(connectors.iter().chain(beside));
                if !is_open {
                    schema.insert("type".to_owned(), "object".into());
                    let mut one: Vec<Value> = connectors.iter().map(|key| json!({ "required": [key.name] })).collect();
                    let alone = beside.iter().map(|key| json!({ "required": [key.name], "not": any_of(connectors) }));
                    one.extend(alone.take(1));
                    schema.insert("oneOf".to_owned(), one.into());
                    if self.kind == FileKind::Pipeline {
                        schema.insert("anyOf".to_owned(), needs(connectors, beside));
                    }
                }
                if let Some(key) = beside.iter().find(|key| key.required).filter(|_| !is_open) {
                    schema.insert("required".to_owned(), json!([key.name]));
                }
                schema
            }
            Shape::Named(shape) => object(json!({ "type": ["object", "null"], "additionalProperties": self.shape(shape) })),
            Shape::TextOr(shape) => object(json!({ "anyOf": [definition("text"), self.shape(shape)] })),
        }
    }

    /// A mapping of these keys and no others. A group may be written without any.
    fn keys<'k>(&self, keys: impl Iterator<Item = &'k Key>) -> Map<String, Value> {
        let (mut properties, mut required) = (Map::new(), Vec::new());
        let mut has_root = false;
        for key in keys {
            has_root |= matches!(key.shape, Shape::Version);
            // What a connection or a profile may give is not demanded here.
            let is_own = matches!(key.shape, Shape::Version | Shape::PipelineName | Shape::Kcql | Shape::Connector { .. });
            if key.required && is_own && self.kind == FileKind::Pipeline {
                required.push(Value::from(key.name));
            }
            properties.insert(key.name.to_owned(), Value::Object(self.key(key)));
        }
        let kinds = if has_root { json!("object") } else { json!(["object", "null"]) };
        let mut schema = object(json!({ "type": kinds, "properties": properties, "additionalProperties": false }));
        if self.kind == FileKind::Profile && !has_root {
            schema.insert("patternProperties".to_owned(), json!({ DOTTED: {} }));
        }
        if !required.is_empty() {
            schema.insert("required".to_owned(), required.into());
        }
        schema
    }

    fn key(&self, key: &Key) -> Map<String, Value> {
        let Key { name: _, doc, required, default, example, secret, shape } = key;
        let mut schema = Map::new();
        let mut facts = vec![(*doc).to_owned()];
        facts.extend(required.then(|| "Required.".to_owned()));
        facts.extend(secret.then(|| "A secret: write a reference, `${env:NAME}` or `${file:PATH}`.".to_owned()));
        facts.extend((!example.is_empty()).then(|| format!("For example `{example}`.")));
        let description = facts.into_iter().filter(|fact| !fact.is_empty()).collect::<Vec<_>>().join(" ");
        if !description.is_empty() {
            schema.insert("description".to_owned(), description.into());
        }
        if let Some(default) = default {
            schema.insert("default".to_owned(), parsed(default));
        }
        if !example.is_empty() {
            schema.insert("examples".to_owned(), json!([parsed(example)]));
        }
        let own = if *secret { object(definition("text")) } else { self.shape(shape) };
        // Beside `$ref` draft-07 reads nothing.
        if own.contains_key("$ref") {
            schema.insert("allOf".to_owned(), json!([own]));
        } else {
            schema.extend(own);
        }
        schema
    }

    /// A name, or a mapping of one name to the options.
    fn format(&self, formats: &[Key]) -> Map<String, Value> {
        let names: Vec<&str> = formats.iter().map(|format| format.name).collect();
        let mut properties = Map::new();
        for format in formats {
            let mut options = Map::new();
            for option in format.shape.keys() {
                options.insert(option.name.to_owned(), Value::Object(self.format_option(option)));
            }
            let schema = json!({ "type": ["object", "null"], "properties": options, "additionalProperties": false });
            properties.insert(format.name.to_owned(), schema);
        }
        let mapping = json!({ "type": "object", "properties": properties, "additionalProperties": false,
                              "minProperties": 1, "maxProperties": 1 });
        object(json!({ "anyOf": [{ "enum": names }, definition("reference"), mapping] }))
    }

    /// Words of formats are read in any case, and numbers also in quotes.
    fn format_option(&self, option: &Key) -> Map<String, Value> {
        let mut schema = self.key(option);
        match option.shape {
            Shape::Value(OptionKind::Choice(words)) => {
                let any_case = |word: &&str| word.chars().map(|c| format!("[{c}{}]", c.to_ascii_uppercase())).collect::<String>();
                let all: Vec<String> = words.iter().chain(&UNCOMPRESSED).map(any_case).collect();
                let pattern = format!("^({})$", all.join("|"));
                let pattern = json!({ "type": "string", "pattern": pattern });
                schema.remove("anyOf");
                schema.insert("anyOf".to_owned(), json!([{ "enum": words }, pattern, { "const": false }, definition("reference")]));
            }
            Shape::Value(OptionKind::Integer { .. }) => {
                if let Some(Value::Array(kinds)) = schema.get_mut("anyOf") {
                    kinds.push(json!({ "type": "string", "pattern": "^[0-9]+$" }));
                }
            }
            _ => {}
        }
        schema
    }
}

/// What each connector needs stands among its keys, or a connection gives it: one that is named there or beside it.
fn needs(connectors: &[Key], beside: &[Key]) -> Value {
    let gives = |keys: &[&Key]| {
        let names = keys.iter().filter(|key| matches!(key.shape, Shape::ConnectionName));
        names.map(|key| json!({ "required": [key.name] })).collect::<Vec<_>>()
    };
    let mut properties = Map::new();
    for connector in connectors {
        let keys = connector.shape.keys();
        if let Some(own) = demanded(&keys) {
            let forms: Vec<Value> = [own].into_iter().chain(gives(&keys)).collect();
            properties.insert(connector.name.to_owned(), json!({ "type": "object", "anyOf": forms }));
        }
    }
    let written = json!({ "properties": properties });
    gives(&beside.iter().collect::<Vec<_>>()).into_iter().chain([written]).collect()
}

/// The options that must be there, also those in groups; none if all can be left out.
pub(super) fn demanded(keys: &[&Key]) -> Option<Value> {
    let (mut required, mut properties) = (Vec::new(), Map::new());
    for key in keys {
        match &key.shape {
            Shape::Keys(below) => {
                let Some(below) = demanded(&below.iter().collect::<Vec<_>>()) else { continue };
                properties.insert(key.name.to_owned(), below);
            }
            _ if !key.required => continue,
            _ => {}
        }
        required.push(key.name);
    }
    match (required.is_empty(), properties.is_empty()) {
        (true, _) => None,
        (false, true) => Some(json!({ "required": required })),
        (false, false) => Some(json!({ "required": required, "properties": properties })),
    }
}

fn any_of(keys: &[Key]) -> Value {
    json!({ "anyOf": keys.iter().map(|key| json!({ "required": [key.name] })).collect::<Vec<_>>() })
}

fn definition(name: &str) -> Value {
    json!({ "$ref": format!("#/definitions/{name}") })
}

/// A value as YAML reads it, or the text.
fn parsed(written: &str) -> Value {
    serde_yaml::from_str(written).unwrap_or_else(|_| written.into())
}

/// Words as YAML may read them: `version: 5` is a number to an editor.
fn as_written(words: &[&str]) -> Vec<Value> {
    let number = |word: &&&str| parsed(word).is_number();
    words.iter().map(|word| Value::from(*word)).chain(words.iter().filter(number).map(|word| parsed(word))).collect()
}

/// What an option takes; in the place of anything but a text a reference may stand.
fn value(kind: &OptionKind) -> Value {
    let or_reference = |own: Value| json!({ "anyOf": [own, definition("reference")] });
    match kind {
        OptionKind::Text | OptionKind::Path => definition("text"),
        OptionKind::Choice(words) => or_reference(json!({ "enum": as_written(words) })),
        OptionKind::Integer { min, max: i64::MAX } => or_reference(json!({ "type": "integer", "minimum": min })),
        OptionKind::Integer { min, max } => or_reference(json!({ "type": "integer", "minimum": min, "maximum": max })),
        OptionKind::Boolean => or_reference(json!({ "type": "boolean" })),
        OptionKind::Bytes { min: _, max: _ } => definition("size"),
        OptionKind::Duration { min_ms: _, max_ms: _ } => definition("duration"),
        OptionKind::Url(schemes) => or_reference(json!({ "type": "string", "pattern": format!("^({})://[^/?#@ ]", schemes.join("|")) })),
        OptionKind::HostPort => definition("address"),
        OptionKind::StartPosition => definition("start"),
        OptionKind::Schema => definition("columns"),
        OptionKind::Format => definition("text"),
        OptionKind::List(inner) => {
            let inner = value(inner);
            json!({ "anyOf": [inner, { "type": "array", "items": inner, "minItems": 1 }] })
        }
        OptionKind::Map([]) => json!({ "type": "object", "additionalProperties": definition("scalar") }),
        OptionKind::Map(keys) => {
            let properties: Map<String, Value> = keys.iter().map(|key| ((*key).to_owned(), definition("scalar"))).collect();
            json!({ "type": "object", "properties": properties, "additionalProperties": false })
        }
    }
}

fn definitions() -> Value {
    json!({
        "reference": { "description": "A reference: `${env:NAME}` or `${file:PATH}`.", "type": "string", "pattern": REFERENCE_PATTERN },
        "text": { "type": ["string", "number"] },
        "scalar": { "type": ["string", "number", "boolean"] },
        "size": { "description": "A size: a number with B, KB, MB, GB (1000) or KiB, MiB, GiB (1024), or bytes alone.", "anyOf": [
            { "type": "integer", "minimum": 0 }, { "type": "string", "pattern": bytes_pattern() }, definition("reference")
        ] },
        "duration": { "description": "A time: numbers with d, h, m, s or ms, largest first.", "anyOf": [
            { "const": 0 }, { "type": "string", "pattern": duration_pattern() }, definition("reference")
        ] },
        "address": { "description": "A host and a port.", "anyOf": [
            { "type": "string", "pattern": "^([^:/@ ]+|\\[[^\\]/@ ]+\\]):[0-9]{1,5}$" }, definition("reference")
        ] },
        "start": { "description": "`earliest`, `latest` or a time stamp.", "anyOf": [
            { "enum": ["earliest", "latest"] }, { "type": "string", "pattern": "^[+-]?[0-9]{4}" }, definition("reference")
        ] },
        "columns": { "description": "Columns and their SQL types, `{ file: PATH }` of an Avro schema or a JSON Schema, or `infer`.", "anyOf": [
            { "const": "infer" }, { "type": "object", "minProperties": 1, "additionalProperties": definition("type") }
        ] },
        "type": { "description": "A type as SQL writes it, the columns of a struct, or a list of one type.", "anyOf": [
            { "type": "string" },
            { "type": "object", "minProperties": 1, "additionalProperties": definition("type") },
            { "type": "array", "items": definition("type"), "minItems": 1, "maxItems": 1 }
        ] }
    })
}
