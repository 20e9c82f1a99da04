//! Options of kind `Schema`: written in place, in a file, or to be inferred.

use std::collections::BTreeMap;

use kpipe_grammar::span::Span;

use super::SchemaDoc;
use super::context::{Absent, Context};
use super::error::DocumentError;
use crate::plan::{DataType, Field, Schema};
use crate::schema::{DEPTH_MAX, FIELDS_MAX, SchemaFileError, from_file, parse_type};
use crate::sources::Location;
use crate::yaml::{Entry, Node, Value};

/// The fields read so far and where they stand.
#[derive(Default)]
struct Fields {
    places: BTreeMap<Vec<String>, Location>,
    path: Vec<String>,
}

impl Context<'_> {
    /// Reads `{ id: bigint, name: string }`, `{ file: x.avsc }` or `infer`.
    pub(super) fn schema(&mut self, key: &str, node: &Node) -> Result<SchemaDoc, Absent> {
        match &node.value {
            Value::Scalar(scalar) if scalar.text == "infer" => Ok(SchemaDoc::Infer),
            Value::Scalar(_) | Value::Sequence(_) => {
                let at = node.place();
                self.error(
                    at,
                    DocumentError::WrongType {
                        key: key.to_owned(),
                        expected: "fields and their types, a file, or `infer`".to_owned(),
                        found: node.kind().to_owned(),
                        span: at.span,
                        help: "for example `schema: { id: bigint not null, name: string }` or `schema: { file: orders.avsc }`".to_owned(),
                    },
                );
                Err(Absent)
            }
            Value::Mapping(entries) => match entries.as_slice() {
                [only] if only.key == "file" && looks_like_a_file(&only.value) => self.schema_file(&only.value),
                _ => {
                    let mut fields = Fields::default();
                    let schema = self.schema_fields(&mut fields, entries, node.place())?;
                    Ok(SchemaDoc::Inline { schema, fields: fields.places })
                }
            },
        }
    }

    fn schema_file(&mut self, node: &Node) -> Result<SchemaDoc, Absent> {
        let Some(scalar) = node.scalar() else { return Err(Absent) };
        let path = self.resolve(node, scalar)?.text;
        let text = self.file(&path, node.place())?;
        match from_file(&text) {
            Ok(schema) => Ok(SchemaDoc::File { path, schema }),
            Err(error) => {
                let help = match error {
                    SchemaFileError::NotJson(_) => "a schema file is an Avro schema (.avsc) or a JSON Schema",
                    SchemaFileError::Unknown | SchemaFileError::Avro(_) | SchemaFileError::JsonSchema(_) => {
                        "the columns can also be written in place: `schema: { id: bigint, name: string }`"
                    }
                };
                self.schema_error(node.place(), error.to_string(), "in this file", Some(help.to_owned()));
                Err(Absent)
            }
        }
    }

    fn schema_fields(&mut self, fields: &mut Fields, entries: &[Entry], at: Location) -> Result<Schema, Absent> {
        if entries.is_empty() {
            self.schema_error(at, "a schema has at least one field".to_owned(), "no field", None);
            return Err(Absent);
        }
        if fields.path.len() >= DEPTH_MAX || fields.places.len() + entries.len() > FIELDS_MAX {
            let what = format!("a schema has at most {FIELDS_MAX} fields on at most {DEPTH_MAX} levels");
            self.schema_error(at, what, "too large", None);
            return Err(Absent);
        }
        let mut schema = Vec::with_capacity(entries.len());
        let mut absent = false;
        let mut cut = false;
        for entry in entries {
            // The rest of a type that a comma cut in two: said already.
            if std::mem::take(&mut cut) && entry.value.is_null() {
                continue;
            }
            cut = entry.value.scalar().is_some_and(|scalar| scalar.is_plain() && is_cut(&scalar.text));
            fields.path.push(entry.key.clone());
            fields.places.insert(fields.path.clone(), entry.at);
            match self.field_type(fields, &entry.value) {
                Ok((data_type, nullable)) => schema.push(Field { name: entry.key.clone(), data_type, nullable }),
                Err(Absent) => absent = true,
            }
            fields.path.pop();
        }
        if absent { Err(Absent) } else { Ok(schema) }
    }

    fn field_type(&mut self, fields: &mut Fields, node: &Node) -> Result<(DataType, bool), Absent> {
        match &node.value {
            Value::Mapping(entries) => Ok((DataType::Struct(self.schema_fields(fields, entries, node.place())?), true)),
            Value::Sequence(items) => match items.as_slice() {
                [item] => {
                    let (data_type, nullable) = self.field_type(fields, item)?;
                    Ok((DataType::List(Box::new(Field { name: "element".to_owned(), data_type, nullable })), true))
                }
                _ => {
                    self.schema_error(
                        node.place(),
                        "a list type holds the type of its items".to_owned(),
                        "one type",
                        Some("write `[string]` or `array<string>`".to_owned()),
                    );
                    Err(Absent)
                }
            },
            Value::Scalar(scalar) => {
                let resolved = self.resolve(node, scalar)?;
                parse_type(&resolved.text).map_err(|error| {
                    let map = resolved.map.unwrap_or_else(|| self.map(node, scalar));
                    let at = map.locate(Span::new(error.start.min(resolved.text.len()), error.end.min(resolved.text.len())));
                    let at = if at.span.is_empty() { node.place() } else { at };
                    if scalar.is_plain() && is_cut(&scalar.text) {
                        self.cut_type(node, &scalar.text);
                    } else {
                        self.schema_error(at, error.to_string(), "in this type", error.kind.help());
                    }
                    Absent
                })
            }
        }
    }

    /// `{ amount: decimal(12,2) }`, which YAML reads as two entries.
    fn cut_type(&mut self, node: &Node, text: &str) {
        let what = format!("the type `{text}` is cut off: inside `{{ }}` a comma ends a value");
        let help = "quote the type, as in `amount: \"decimal(12,2)\"`, or write the fields below each other".to_owned();
        self.schema_error(node.place(), what, "the comma behind this belongs to YAML", Some(help));
    }

    fn schema_error(&mut self, at: Location, what: String, label: &str, help: Option<String>) {
        self.error(at, DocumentError::Schema { what, span: at.span, label: label.to_owned(), help });
    }
}

/// True for a type with an opening mark that nothing closes.
fn is_cut(text: &str) -> bool {
    let count = |mark: char| text.matches(mark).count();
    count('(') > count(')') || count('<') > count('>')
}

/// `file: orders.avsc`, and not a column called `file`.
fn looks_like_a_file(node: &Node) -> bool {
    node.scalar().is_some_and(|scalar| scalar.text.contains(['.', '/', '$']) || parse_type(&scalar.text).is_err())
}
