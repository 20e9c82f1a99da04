//! One row after the other as bytes: for line formats and for the values of produced records.
//!
//! | what a row is | written as |
//! |---|---|
//! | a JSON payload | its bytes, on one line |
//! | a text payload in a file of JSON | a JSON string |
//! | any other payload | its bytes |
//! | columns, as JSON | an object; null for a null |
//! | one column, as text or bytes | its text; nothing for a null |

use arrow::datatypes::Schema;
use kpipe_compiler::plan::{DataType, Naming, Route, ValueFormat};

use super::json::{Cells, NoText, Rows, TimeStyle, json_string, one_line};
use crate::path::{RowBatch, StageError};
use crate::records::RawBatch;

/// What a row consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// The payload, a JSON text.
    Json,
    /// The payload, a text, as a JSON string.
    JsonString,
    /// The payload.
    Payload,
    /// Output columns as an object.
    Object(Vec<(String, DataType)>, TimeStyle),
    /// The only output column as text.
    Text(DataType),
}

impl Content {
    /// Rows of JSON.
    ///
    /// # Errors
    /// Payloads of bytes, which are no JSON.
    pub(crate) fn json(route: &Route, schema: Option<&Schema>, naming: Naming) -> Result<Self, StageError> {
        let style = match naming {
            Naming::Confluent => TimeStyle::Number,
            Naming::Kpipe | Naming::Lenses => TimeStyle::Text,
        };
        match (schema, route.decode.format) {
            (Some(schema), _) => Ok(Self::Object(columns(route, schema)?, style)),
            (None, ValueFormat::Json) => Ok(Self::Json),
            (None, ValueFormat::Text) => Ok(Self::JsonString),
            (None, ValueFormat::Bytes) => Err(error("payloads of bytes are no JSON")),
        }
    }

    /// Rows of text or bytes.
    ///
    /// # Errors
    /// Several columns, or one that has no text.
    pub(crate) fn text(route: &Route, schema: Option<&Schema>) -> Result<Self, StageError> {
        let Some(schema) = schema else { return Ok(Self::Payload) };
        match columns(route, schema)?.pop() {
            Some((_, DataType::Struct(_) | DataType::List(_))) => Err(error("objects and arrays have no text")),
            Some((_, data_type)) if schema.fields().len() == 1 => Ok(Self::Text(data_type)),
            Some(_) | None => Err(error("a value of text has one column")),
        }
    }

    /// A writer for the rows of a batch.
    ///
    /// # Errors
    /// A batch that is not what the plan says.
    pub(crate) fn writer<'a>(&'a self, raw: &'a RawBatch, batch: &'a RowBatch) -> Result<RowWriter<'a>, StageError> {
        let output = || batch.output.as_ref().ok_or_else(|| error("a batch without output columns"));
        let unknown = |why: &dyn std::fmt::Display| error(&why.to_string());
        let how = match self {
            Self::Json => How::Json,
            Self::JsonString => How::JsonString,
            Self::Payload => How::Payload,
            Self::Object(columns, style) => {
                let columns = output()?.columns().iter().zip(columns).map(|(array, (name, data_type))| (array, name.as_str(), data_type));
                How::Object(Rows::new(columns, *style).map_err(|why| unknown(&why))?)
            }
            Self::Text(data_type) => How::Text(Cells::new(output()?.column(0), data_type).map_err(|why| unknown(&why))?),
        };
        Ok(RowWriter { raw, rows: &batch.rows, how })
    }
}

/// The written columns with their types in the plan.
fn columns(route: &Route, schema: &Schema) -> Result<Vec<(String, DataType)>, StageError> {
    let projections = route.project.as_deref().unwrap_or_default();
    let column = |name: &String| {
        let projection = projections.iter().find(|projection| &projection.name == name);
        projection.map(|it| (name.clone(), it.data_type.clone())).ok_or_else(|| error(&format!("column {name} is not in the plan")))
    };
    schema.fields().iter().map(|field| column(field.name())).collect()
}

/// Writes rows of one batch.
pub(crate) struct RowWriter<'a> {
    raw: &'a RawBatch,
    rows: &'a [u32],
    how: How<'a>,
}

enum How<'a> {
    Json,
    JsonString,
    Payload,
    Object(Rows<'a>),
    Text(Cells<'a>),
}

impl RowWriter<'_> {
    /// Appends row `index` of the batch.
    ///
    /// # Errors
    /// A null payload, or a text that is none: the stages before reject those.
    #[inline]
    pub(crate) fn write(&self, index: usize, out: &mut Vec<u8>) -> Result<(), StageError> {
        match &self.how {
            How::Json => one_line(self.payload(index)?, out),
            How::Payload => out.extend_from_slice(self.payload(index)?),
            How::JsonString => {
                let text = std::str::from_utf8(self.payload(index)?).map_err(|_| error("a payload that is not UTF-8"))?;
                json_string(text, out);
            }
            How::Object(rows) => rows.write(index, out),
            How::Text(cells) => match cells.text(index, out) {
                Ok(()) | Err(NoText::Null) => {}
                Err(why @ (NoText::Utf8 | NoText::Nested)) => return Err(error(&why.to_string())),
            },
        }
        Ok(())
    }

    #[inline]
    fn payload(&self, index: usize) -> Result<&[u8], StageError> {
        self.raw.records.value(self.rows[index] as usize).ok_or_else(|| error("a null value cannot be written"))
    }
}

#[cold]
fn error(message: &str) -> StageError {
    StageError::new("encode", message)
}
