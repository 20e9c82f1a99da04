//! Options of kind `Schema`: written in place, in a file, or to be inferred.

use std::collections::BTreeMap;

use kpipe_grammar::span::Span;

use super::SchemaDoc;
use super::context::{Absent, Context};
use super::error::DocumentError;
use crate::plan::{DataType, Field, Schema};
use crate::report::Entry;
use crate::schema::{DEPTH_MAX, FIELDS_MAX, SchemaFileError, from_file, parse_type};
use crate::sources::Location;
use crate::yaml::{Entry as YamlEntry, Node, Value};

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

    fn schema_fields(&mut self, fields: &mut Fields, entries: &[YamlEntry], at: Location) -> Result<Schema, Absent> {
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
        let mut cut_off = 0;
        for (index, entry) in entries.iter().enumerate() {
            if index < cut_off {
                continue;
            }
            if let Some((next, at)) = cut_off_type(&entries[index..]) {
                self.unquoted_comma(at);
                (cut_off, absent) = (index + next, true);
                continue;
            }
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
                    let what = DocumentError::Schema {
                        what: error.to_string(),
                        span: at.span,
                        label: "in this type".to_owned(),
                        help: error.kind.help(),
                    };
                    let written = resolved.text.get(error.start..error.end).unwrap_or_default();
                    let entry = Entry::new(at.file, what);
                    self.report.push(error.kind.nearest().into_iter().fold(entry, |entry, near| entry.suggest(at, written, near)));
                    Absent
                })
            }
        }
    }

    /// `{ amount: decimal(12,2) }`: to YAML the comma ends the value.
    fn unquoted_comma(&mut self, at: Location) {
        let text = self.sources.text(at);
        let error = DocumentError::Schema {
            what: "a comma inside braces ends the value, so this type is cut off".to_owned(),
            span: at.span,
            label: "put this type in quotes".to_owned(),
            help: Some(format!("write \"{text}\", or one field a line without braces")),
        };
        self.error_with_fix(at, error, Some((at, format!("\"{text}\""))));
    }

    fn schema_error(&mut self, at: Location, what: String, label: &str, help: Option<String>) {
        self.error(at, DocumentError::Schema { what, span: at.span, label: label.to_owned(), help });
    }
}

/// A type that ends inside its brackets, and the keys after it that complete it: how many entries they are, and where they stand.
fn cut_off_type(entries: &[YamlEntry]) -> Option<(usize, Location)> {
    let open = |text: &str| text.matches(['(', '<']).count() as isize - text.matches([')', '>']).count() as isize;
    let (first, rest) = entries.split_first()?;
    let mut depth = open(&first.value.scalar().filter(|scalar| scalar.is_plain())?.text);
    for (index, entry) in rest.iter().enumerate() {
        if depth <= 0 {
            return None;
        }
        let value = entry.value.scalar()?;
        depth += open(&entry.key) + open(&value.text);
        if depth == 0 {
            let end = if value.text.is_empty() { entry.at.span.end } else { entry.value.at.span.end };
            let span = Span::new(first.value.at.span.start, end.max(first.value.at.span.end));
            return Some((index + 2, Location::new(first.value.at.file, span)));
        }
    }
    None
}

/// `file: orders.avsc`, and not a column called `file`.
fn looks_like_a_file(node: &Node) -> bool {
    node.scalar().is_some_and(|scalar| scalar.text.contains(['.', '/', '$']) || parse_type(&scalar.text).is_err())
}
