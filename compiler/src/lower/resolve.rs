//! Paths to columns: metadata, fields with a schema, fields without one.

use miette::Diagnostic;
use thiserror::Error;

use super::row::{Reference, Resolved, Row};
use super::scope::{Label, Scope};
use crate::catalog::MetadataColumn;
use crate::near::one_of;
use crate::plan::{DataType, Expr, TimeUnit, ValueFormat};
use crate::schema::{find, type_text};

/// What a path is resolved for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A column of the output: any type.
    Output,
    /// A part of a calculation: what no schema names is its text.
    Operand,
    /// A folder's name: a scalar as text.
    Folder,
    /// A part of a key: a scalar as text.
    Key,
    /// The time of a folder; the way a field is read where no schema says that it is a timestamp.
    Time(Option<TimeUnit>),
}

/// A path that leads nowhere, or to the wrong thing.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
pub(super) enum ResolveError {
    /// `temprature`.
    #[error("{owner} has no field `{field}`")]
    #[diagnostic(code(KP0401))]
    UnknownField {
        /// The topic or the field above.
        owner: String,
        /// The field.
        field: String,
        /// What there is.
        #[help]
        help: Option<String>,
    },
    /// `id.x` where `id` is a number.
    #[error("`{field}` is {data_type} and has no fields")]
    #[diagnostic(code(KP0402), help("only a struct has fields"))]
    NotAStruct {
        /// The scalar.
        field: String,
        /// Its type.
        data_type: String,
    },
    /// A field of a value that is not looked into.
    #[error("`{field}` is a field, but values are {format} here and have none")]
    #[diagnostic(code(KP0403), help("write `value: {{ format: json }}` under `{source_name}`"))]
    NoFields {
        /// The path.
        field: String,
        /// The format.
        format: &'static str,
        /// The connector.
        source_name: &'static str,
    },
    /// `_offset` from MQTT.
    #[error("records from `{source_name}` have no `{column}`")]
    #[diagnostic(code(KP0321), help("{help}"))]
    NoMetadata {
        /// The column.
        column: String,
        /// The connector.
        source_name: &'static str,
        /// What there is.
        help: String,
    },
    /// `_header` alone.
    #[error("`_header` needs the name of a header")]
    #[diagnostic(code(KP0322), help("for example `_header.trace_id`"))]
    BareHeader,
    /// `_key.a`.
    #[error("`{path}` is known, but not supported yet: `{column}` has no fields here")]
    #[diagnostic(code(KP0323), help("`{column}` is the whole {column_word} as text"))]
    MetadataField {
        /// The path.
        path: String,
        /// The metadata column.
        column: String,
        /// Its name without the underscore.
        column_word: String,
    },
    /// A list as a folder.
    #[error("{purpose} needs a single value, but `{field}` is {data_type}")]
    #[diagnostic(code(KP0406), help("name a field of it, or another column"))]
    NotAScalar {
        /// `a folder`, `a key`.
        purpose: &'static str,
        /// The path.
        field: String,
        /// Its type.
        data_type: String,
    },
    /// M7.
    #[error("a time partition needs a timestamp, but `{field}` is {data_type}")]
    #[diagnostic(code(KP0412), help("{help}"))]
    NotATime {
        /// The path.
        field: String,
        /// Its type.
        data_type: String,
        /// The choices.
        help: String,
    },
}

impl Scope<'_> {
    /// What a path is; `None` if it was reported as wrong.
    pub(super) fn resolve(&mut self, row: &mut Row, path: &Reference, purpose: Purpose) -> Option<Resolved> {
        if let Some(column) = metadata(&path.names[0]) {
            return self.resolve_metadata(path, column, purpose);
        }
        if path.names[0] != "_value" {
            return self.resolve_field(row, path, 0, purpose);
        }
        if path.names.len() > 1 {
            return self.resolve_field(row, path, 1, purpose);
        }
        let data_type = match row.format {
            ValueFormat::Json => DataType::Json,
            ValueFormat::Text => DataType::String,
            ValueFormat::Bytes => DataType::Bytes,
        };
        self.fit(path, Resolved { expr: Expr::Value, data_type, nullable: true }, purpose)
    }

    fn resolve_metadata(&mut self, path: &Reference, column: MetadataColumn, purpose: Purpose) -> Option<Resolved> {
        let (name, at) = (&path.names[0], path.part_at(0));
        if !self.source.columns.contains(&column) {
            let known: Vec<&str> = self.source.columns.iter().map(|column| metadata_name(*column)).collect();
            let help = match known[..] {
                [] => "it has no metadata columns".to_owned(),
                _ => format!("they have {}", one_of(known.iter().copied()).replace(" or ", " and ")),
            };
            let error = ResolveError::NoMetadata { column: name.clone(), source_name: self.source_name(), help };
            self.error(error, [(at, "not there".to_owned())]);
            return None;
        }
        let (expr, data_type, nullable) = match (column, &path.names[1..]) {
            (MetadataColumn::Header, []) => {
                self.error(ResolveError::BareHeader, [(at, "which one?".to_owned())]);
                return None;
            }
            (MetadataColumn::Header, names) => (Expr::Header(names.join(".")), DataType::String, true),
            (_, [_, ..]) => {
                let column_word = name.trim_start_matches('_').to_owned();
                let error = ResolveError::MetadataField { path: path.text(), column: name.clone(), column_word };
                self.error(error, [(path.at, "no such column".to_owned())]);
                return None;
            }
            (MetadataColumn::Topic, []) => (Expr::Topic, DataType::String, false),
            (MetadataColumn::Partition, []) => (Expr::Partition, DataType::Int32, false),
            (MetadataColumn::Offset, []) => (Expr::Offset, DataType::Int64, false),
            (MetadataColumn::Timestamp, []) => (Expr::Timestamp, DataType::Timestamp(TimeUnit::Millisecond), true),
            (MetadataColumn::Key, []) => (Expr::Key, DataType::String, true),
            (MetadataColumn::Qos, []) => (Expr::Qos, DataType::Int32, false),
            (MetadataColumn::Retained, []) => (Expr::Retained, DataType::Boolean, false),
        };
        self.fit(path, Resolved { expr, data_type, nullable }, purpose)
    }

    /// The field whose path begins at `skip`.
    fn resolve_field(&mut self, row: &mut Row, path: &Reference, skip: usize, purpose: Purpose) -> Option<Resolved> {
        if row.wrong.contains(&path.names[0]) && path.names.len() == 1 {
            self.fail();
            return None;
        }
        if row.format != ValueFormat::Json {
            let format = if row.format == ValueFormat::Text { "text" } else { "bytes" };
            let error = ResolveError::NoFields { field: path.text(), format, source_name: self.source_name() };
            let near = self.near_metadata(&path.names[0], purpose);
            let label = near.as_ref().map_or_else(|| "a field of the value".to_owned(), |near| format!("did you mean `{near}`?"));
            let labels = vec![(path.at, label), (self.source_at("value.format"), "values are read here".to_owned())];
            self.error_suggesting(error, labels, &path.names[0], near);
            return None;
        }
        let names = &path.names[skip..];
        let (data_type, nullable) = match &self.schema {
            Some(schema) => {
                let plain: Vec<&str> = names.iter().map(String::as_str).collect();
                match find(schema.fields, &plain) {
                    Ok(found) => found,
                    Err(error) => {
                        self.unknown_field(path, skip, error, purpose);
                        return None;
                    }
                }
            }
            None => (DataType::Json, true),
        };
        let data_type = self.wanted(path, data_type, purpose)?;
        let column = row.column(names, &data_type, nullable);
        Some(Resolved { expr: Expr::Column(column), data_type, nullable })
    }

    /// The type that a field is decoded as for a purpose.
    fn wanted(&mut self, path: &Reference, data_type: DataType, purpose: Purpose) -> Option<DataType> {
        match (purpose, data_type) {
            (Purpose::Operand, DataType::Json) if self.schema.is_none() => Some(DataType::Any),
            (Purpose::Output | Purpose::Operand, data_type) => Some(data_type),
            // What no schema names is text without quotes where text is what is needed.
            (Purpose::Folder | Purpose::Key, DataType::Json | DataType::Any) => Some(DataType::Any),
            (Purpose::Time(_), data_type @ (DataType::Timestamp(_) | DataType::Date)) => Some(data_type),
            (Purpose::Time(Some(unit)), DataType::String | DataType::Int64 | DataType::Json | DataType::Any) => {
                Some(DataType::Timestamp(unit))
            }
            (purpose, data_type) => {
                self.fit(path, Resolved { expr: Expr::Value, data_type, nullable: true }, purpose).map(|fit| fit.data_type)
            }
        }
    }

    /// Refuses what cannot serve the purpose.
    fn fit(&mut self, path: &Reference, resolved: Resolved, purpose: Purpose) -> Option<Resolved> {
        let single = !matches!(resolved.data_type, DataType::Struct(_) | DataType::List(_) | DataType::Json | DataType::Bytes);
        let field = path.text();
        let data_type = type_text(&resolved.data_type);
        match purpose {
            Purpose::Output | Purpose::Operand => Some(resolved),
            Purpose::Folder | Purpose::Key if single => Some(resolved),
            Purpose::Folder | Purpose::Key => {
                let purpose = if purpose == Purpose::Folder { "a folder" } else { "a key" };
                let mut labels = vec![(path.at, data_type.clone())];
                labels.extend(self.declared_at());
                self.error(ResolveError::NotAScalar { purpose, field, data_type }, labels);
                None
            }
            Purpose::Time(_) if matches!(resolved.data_type, DataType::Timestamp(_) | DataType::Date) => Some(resolved),
            Purpose::Time(_) => {
                self.not_a_time(path, &resolved.data_type);
                None
            }
        }
    }

    fn not_a_time(&mut self, path: &Reference, data_type: &DataType) {
        let field = path.text();
        let last = path.names.last().map_or("", String::as_str);
        let help = match (&self.schema, data_type) {
            (_, DataType::Json | DataType::String | DataType::Int64) => format!(
                "declare it in `value.schema` as `{last}: timestamp`, or say how it is read: `partition: {{ timestamp: {field}, parse: rfc3339 }}`"
            ),
            (_, _) => "name a timestamp or a date, or leave `partition.timestamp` out to use the record's own time".to_owned(),
        };
        let shown = if self.schema.is_some() { type_text(data_type) } else { "of no declared type".to_owned() };
        let mut labels = vec![(path.at, format!("{shown} here"))];
        labels.extend(self.declared_at());
        self.error(ResolveError::NotATime { field, data_type: shown, help }, labels);
    }

    /// Where the fields come from.
    pub(super) fn declared_at(&self) -> Option<Label> {
        self.schema.as_ref().map(|schema| (schema.at, schema.origin.clone()))
    }
}

/// The metadata column of this name.
pub(super) fn metadata(name: &str) -> Option<MetadataColumn> {
    Some(match name {
        "_topic" => MetadataColumn::Topic,
        "_partition" => MetadataColumn::Partition,
        "_offset" => MetadataColumn::Offset,
        "_timestamp" => MetadataColumn::Timestamp,
        "_key" => MetadataColumn::Key,
        "_header" => MetadataColumn::Header,
        "_qos" => MetadataColumn::Qos,
        "_retained" => MetadataColumn::Retained,
        _ => return None,
    })
}

/// How a statement names a metadata column.
#[must_use]
pub fn metadata_name(column: MetadataColumn) -> &'static str {
    match column {
        MetadataColumn::Topic => "_topic",
        MetadataColumn::Partition => "_partition",
        MetadataColumn::Offset => "_offset",
        MetadataColumn::Timestamp => "_timestamp",
        MetadataColumn::Key => "_key",
        MetadataColumn::Header => "_header.name",
        MetadataColumn::Qos => "_qos",
        MetadataColumn::Retained => "_retained",
    }
}
