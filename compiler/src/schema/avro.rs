//! Avro schema files.

use serde_json::{Map, Value};
use thiserror::Error;

use super::{DEPTH_MAX, FIELDS_MAX, sql};
use crate::plan::{DataType, Field, Schema, TimeUnit};

/// An Avro schema that kpipe has no columns for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AvroError {
    /// Not what the Avro specification allows.
    #[error("the Avro schema is wrong{}: {what}", place(.path))]
    Shape {
        /// The field, by dots.
        path: String,
        /// What is wrong.
        what: &'static str,
    },
    /// A type that kpipe has not.
    #[error("the field `{path}` has the Avro type `{data_type}`, which has no column type")]
    Unsupported {
        /// The field, by dots.
        path: String,
        /// The type.
        data_type: String,
    },
    /// A record inside itself.
    #[error("the record `{0}` contains itself, so it has no columns")]
    Recursive(String),
    /// More fields or levels than the limits allow.
    #[error("the Avro schema is larger than {FIELDS_MAX} fields or {DEPTH_MAX} levels")]
    TooLarge,
}

/// Reads a parsed `.avsc` whose root is a record.
///
/// # Errors
///
/// The first part that is wrong or has no column type.
pub fn from_avro(root: &Value) -> Result<Schema, AvroError> {
    let mut reader = Reader { named: Vec::new(), open: Vec::new(), fields: 0, namespace: String::new() };
    match reader.data_type(root, "", 0)?.0 {
        DataType::Struct(fields) => Ok(fields),
        _ => Err(AvroError::Shape { path: String::new(), what: "the root must be a record" }),
    }
}

struct Reader {
    /// Types by their full and short names.
    named: Vec<(String, DataType)>,
    /// Records that are being read.
    open: Vec<String>,
    fields: usize,
    /// The namespace of the record around.
    namespace: String,
}

impl Reader {
    /// The type and whether it may be null.
    fn data_type(&mut self, schema: &Value, path: &str, depth: usize) -> Result<(DataType, bool), AvroError> {
        if depth > DEPTH_MAX {
            return Err(AvroError::TooLarge);
        }
        match schema {
            Value::String(name) => Ok((self.by_name(name, path, depth)?, false)),
            Value::Array(branches) => self.union(branches, path, depth),
            Value::Object(object) => Ok((self.complex(object, path, depth)?, false)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {
                Err(AvroError::Shape { path: path.to_owned(), what: "a type is a name, an object or a list" })
            }
        }
    }

    fn by_name(&mut self, name: &str, path: &str, depth: usize) -> Result<DataType, AvroError> {
        Ok(match name {
            "boolean" => DataType::Boolean,
            "int" => DataType::Int32,
            "long" => DataType::Int64,
            "float" => DataType::Float32,
            "double" => DataType::Float64,
            "bytes" => DataType::Bytes,
            "string" => DataType::String,
            _ if self.open.iter().any(|open| open == name) => return Err(AvroError::Recursive(name.to_owned())),
            _ => match self.named.iter().find(|(known, _)| known == name) {
                Some((_, data_type)) => {
                    // A short file can name one record very often.
                    self.fields += size(data_type);
                    if self.fields > FIELDS_MAX || depth + levels(data_type) > DEPTH_MAX {
                        return Err(AvroError::TooLarge);
                    }
                    data_type.clone()
                }
                None => {
                    return Err(AvroError::Unsupported { path: path.to_owned(), data_type: name.to_owned() });
                }
            },
        })
    }

    fn union(&mut self, branches: &[Value], path: &str, depth: usize) -> Result<(DataType, bool), AvroError> {
        let others: Vec<&Value> = branches.iter().filter(|branch| *branch != "null").collect();
        match others[..] {
            [only] => Ok((self.data_type(only, path, depth + 1)?.0, others.len() < branches.len())),
            _ => Err(AvroError::Unsupported { path: path.to_owned(), data_type: "union".to_owned() }),
        }
    }

    fn complex(&mut self, object: &Map<String, Value>, path: &str, depth: usize) -> Result<DataType, AvroError> {
        let name = object.get("type").and_then(Value::as_str);
        if let Some(logical) = object.get("logicalType").and_then(Value::as_str)
            && let Some(data_type) = logical_type(logical, object)
        {
            self.remember(object, &data_type);
            return Ok(data_type);
        }
        let data_type = match name {
            Some("record") => return self.record(object, path, depth),
            Some("enum") => DataType::String,
            Some("fixed") => DataType::Bytes,
            Some("map") => DataType::Json,
            Some("array") => {
                let items = object.get("items").ok_or_else(|| AvroError::Shape { path: path.to_owned(), what: "an array has `items`" })?;
                let (item, nullable) = self.data_type(items, path, depth + 1)?;
                sql::list(item, nullable)
            }
            Some(name) => self.by_name(name, path, depth)?,
            None => match object.get("type") {
                Some(inner) => return Ok(self.data_type(inner, path, depth + 1)?.0),
                None => return Err(AvroError::Shape { path: path.to_owned(), what: "a type has `type`" }),
            },
        };
        self.remember(object, &data_type);
        Ok(data_type)
    }

    fn record(&mut self, object: &Map<String, Value>, path: &str, depth: usize) -> Result<DataType, AvroError> {
        let shape = |what| AvroError::Shape { path: path.to_owned(), what };
        let before = self.open.len();
        self.open.extend(names(object, &self.namespace));
        let inner = namespace(object, &self.namespace);
        let outer = std::mem::replace(&mut self.namespace, inner);
        let list = object.get("fields").and_then(Value::as_array).ok_or_else(|| shape("a record has `fields`"))?;
        let mut fields: Vec<Field> = Vec::new();
        for field in list {
            self.fields += 1;
            if self.fields > FIELDS_MAX {
                return Err(AvroError::TooLarge);
            }
            let name = field["name"].as_str().ok_or_else(|| shape("a field has a `name`"))?;
            if fields.iter().any(|field| field.name == name) {
                return Err(shape("two fields have one name"));
            }
            let inner = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            let (data_type, nullable) = self.data_type(&field["type"], &inner, depth + 1)?;
            fields.push(Field { name: name.to_owned(), data_type, nullable });
        }
        self.open.truncate(before);
        self.namespace = outer;
        let data_type = DataType::Struct(fields);
        self.remember(object, &data_type);
        Ok(data_type)
    }

    fn remember(&mut self, object: &Map<String, Value>, data_type: &DataType) {
        for name in names(object, &self.namespace) {
            self.named.push((name, data_type.clone()));
        }
    }
}

/// Where in the schema; nothing for its root.
fn place(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(" at `{path}`") }
}

/// How many levels lie below a type.
fn levels(data_type: &DataType) -> usize {
    match data_type {
        DataType::Struct(fields) => fields.iter().map(|field| 1 + levels(&field.data_type)).max().unwrap_or(0),
        DataType::List(item) => 1 + levels(&item.data_type),
        DataType::Boolean
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Decimal { .. }
        | DataType::String
        | DataType::Bytes
        | DataType::Date
        | DataType::Timestamp(_)
        | DataType::Any
        | DataType::Json => 0,
    }
}

fn size(data_type: &DataType) -> usize {
    match data_type {
        DataType::Struct(fields) => fields.iter().map(|field| 1 + size(&field.data_type)).sum(),
        DataType::List(item) => size(&item.data_type),
        DataType::Boolean
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Decimal { .. }
        | DataType::String
        | DataType::Bytes
        | DataType::Date
        | DataType::Timestamp(_)
        | DataType::Any
        | DataType::Json => 0,
    }
}

/// The short and the full name of a named type; none for an anonymous one.
fn names(object: &Map<String, Value>, around: &str) -> Vec<String> {
    let Some(name) = object.get("name").and_then(Value::as_str) else { return Vec::new() };
    let short = name.rsplit('.').next().unwrap_or(name);
    match namespace(object, around).as_str() {
        "" => vec![short.to_owned()],
        namespace => vec![short.to_owned(), format!("{namespace}.{short}")],
    }
}

/// The namespace of a named type: in its name, beside it, or that of the record around it.
fn namespace(object: &Map<String, Value>, around: &str) -> String {
    let word = |key: &str| object.get(key).and_then(Value::as_str);
    match word("name").and_then(|name| name.rsplit_once('.')) {
        Some((namespace, _)) => namespace.to_owned(),
        None => word("namespace").unwrap_or(around).to_owned(),
    }
}

/// What a logical type is; `None` for one that Avro says to ignore or kpipe has no column for.
fn logical_type(logical: &str, object: &Map<String, Value>) -> Option<DataType> {
    let number = |key: &str| object.get(key).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
    match logical {
        "decimal" => sql::decimal(number("precision")?, number("scale").unwrap_or(0)),
        "date" => Some(DataType::Date),
        "timestamp-millis" => Some(DataType::Timestamp(TimeUnit::Millisecond)),
        "timestamp-micros" => Some(DataType::Timestamp(TimeUnit::Microsecond)),
        "uuid" => Some(DataType::String),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::show;
    use super::*;

    fn read(fields: Value) -> Result<String, AvroError> {
        from_avro(&json!({"type": "record", "name": "root", "namespace": "org", "fields": fields})).map(|schema| show(&schema))
    }

    #[test]
    fn primitives_and_nulls() {
        let fields = json!([
            {"name": "a", "type": "long"},
            {"name": "b", "type": ["null", "string"], "default": null},
            {"name": "c", "type": {"type": "boolean"}},
            {"name": "d", "type": ["double"]},
            {"name": "e", "type": "bytes"},
        ]);
        assert_eq!(read(fields).unwrap(), "{ a: bigint not null, b: string, c: boolean not null, d: double not null, e: bytes not null }");
    }

    #[test]
    fn logical_types() {
        let fields = json!([
            {"name": "a", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
            {"name": "b", "type": {"type": "int", "logicalType": "date"}},
            {"name": "c", "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}]},
            {"name": "d", "type": {"type": "long", "logicalType": "timestamp-micros"}},
            {"name": "e", "type": {"type": "string", "logicalType": "uuid"}},
            {"name": "f", "type": {"type": "int", "logicalType": "time-millis"}},
        ]);
        assert_eq!(
            read(fields).unwrap(),
            "{ a: decimal(12,2) not null, b: date not null, c: timestamp, d: timestamp(6) not null, \
             e: string not null, f: int not null }"
        );
    }

    #[test]
    fn nested_and_named_types() {
        let fields = json!([
            {"name": "a", "type": {"type": "record", "name": "point", "fields": [{"name": "x", "type": "int"}]}},
            {"name": "b", "type": {"type": "array", "items": "point"}},
            {"name": "c", "type": {"type": "enum", "name": "color", "symbols": ["RED"]}},
            {"name": "d", "type": ["null", "color"]},
            {"name": "e", "type": {"type": "map", "values": "long"}},
            {"name": "f", "type": {"type": "fixed", "name": "md5", "size": 16}},
        ]);
        assert_eq!(
            read(fields).unwrap(),
            "{ a: { x: int not null } not null, b: array<{ x: int not null } not null> not null, c: string not null, \
             d: string, e: json not null, f: bytes not null }"
        );
    }

    #[test]
    fn what_has_no_columns_is_refused() {
        assert_eq!(
            read(json!([{"name": "a", "type": ["int", "string"]}])),
            Err(AvroError::Unsupported { path: "a".to_owned(), data_type: "union".to_owned() })
        );
        assert_eq!(
            read(json!([{"name": "a", "type": {"type": "array", "items": "nope"}}])),
            Err(AvroError::Unsupported { path: "a".to_owned(), data_type: "nope".to_owned() })
        );
        assert_eq!(read(json!([{"name": "a", "type": ["null", "org.root"]}])), Err(AvroError::Recursive("org.root".to_owned())));
        assert!(matches!(read(json!([{"type": "int"}])), Err(AvroError::Shape { .. })));
        assert!(matches!(read(json!([{"name": "a"}])), Err(AvroError::Shape { .. })));
        assert!(matches!(read(json!([{"name": "a", "type": "int"}, {"name": "a", "type": "int"}])), Err(AvroError::Shape { .. })));
        assert!(matches!(from_avro(&json!("int")), Err(AvroError::Shape { .. })));
    }

    #[test]
    fn size_has_limits() {
        let mut schema = json!("int");
        for _ in 0..40 {
            schema = json!({"type": "array", "items": schema});
        }
        assert_eq!(read(json!([{"name": "a", "type": schema}])), Err(AvroError::TooLarge));
        let mut pairs = vec![json!({"name": "r0", "type": {"type": "record", "name": "R0", "fields": [
            {"name": "a", "type": "int"}, {"name": "b", "type": "int"},
        ]}})];
        for n in 1..24 {
            let before = format!("R{}", n - 1);
            pairs.push(json!({"name": format!("r{n}"), "type": {"type": "record", "name": format!("R{n}"), "fields": [
                {"name": "a", "type": before}, {"name": "b", "type": before},
            ]}}));
        }
        assert_eq!(read(Value::Array(pairs)), Err(AvroError::TooLarge));
        let many: Vec<Value> = (0..5000).map(|n| json!({"name": format!("f{n}"), "type": "int"})).collect();
        assert_eq!(read(Value::Array(many)), Err(AvroError::TooLarge));
    }

    #[test]
    fn a_schema_as_a_registry_has_it() {
        let text = r#"{
            "type": "record", "name": "Order", "namespace": "shop", "doc": "an order",
            "fields": [
                {"name": "id", "type": "string", "doc": "a UUID"},
                {"name": "customer", "type": {"type": "record", "name": "Customer", "fields": [
                    {"name": "name", "type": ["null", "string"], "default": null},
                    {"name": "address", "type": ["null", {"type": "record", "name": "Address", "fields": [
                        {"name": "city", "type": "string"}
                    ]}], "default": null}
                ]}},
                {"name": "billing", "type": ["null", "shop.Address"], "default": null},
                {"name": "lines", "type": {"type": "array", "items": {"type": "record", "name": "Line", "fields": [
                    {"name": "sku", "type": "string"},
                    {"name": "price", "type": {"type": "fixed", "name": "Money", "size": 8, "logicalType": "decimal", "precision": 18, "scale": 4}}
                ]}}},
                {"name": "total", "type": "Money"},
                {"name": "placed", "type": {"type": "long", "logicalType": "timestamp-millis"}},
                {"name": "labels", "type": {"type": "map", "values": "string"}}
            ]
        }"#;
        let schema = from_avro(&serde_json::from_str(text).unwrap()).unwrap();
        assert_eq!(
            show(&schema),
            "{ id: string not null, customer: { name: string, address: { city: string not null } } not null, \
             billing: { city: string not null }, \
             lines: array<{ sku: string not null, price: decimal(18,4) not null } not null> not null, \
             total: decimal(18,4) not null, placed: timestamp not null, labels: json not null }"
        );
    }

    #[test]
    fn messages_name_the_field() {
        let message = |fields| read(fields).unwrap_err().to_string();
        let union = json!([{"name": "a", "type": {"type": "record", "name": "r", "fields": [{"name": "b", "type": ["int", "long"]}]}}]);
        assert_eq!(message(union), "the field `a.b` has the Avro type `union`, which has no column type");
        assert_eq!(message(json!([{"name": "a", "type": {"type": "array"}}])), "the Avro schema is wrong at `a`: an array has `items`");
        assert_eq!(message(json!([{"name": "a", "type": "root"}])), "the record `root` contains itself, so it has no columns");
        assert_eq!(message(json!([{"name": "a", "type": 5}])), "the Avro schema is wrong at `a`: a type is a name, an object or a list");
    }
}
