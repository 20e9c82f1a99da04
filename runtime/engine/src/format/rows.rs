//! One row after the other as bytes: for line formats and for the values of produced records.

use arrow::datatypes::Schema;
use kpipe_compiler::plan::{DataType, Naming, Route, ValueFormat};

use super::json::{Rows, TimeStyle, one_line};
use crate::path::{RowBatch, StageError};
use crate::records::RawBatch;

/// What a row consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// The payload, a JSON text, on one line.
    Json,
    /// The payload as it is.
    Payload,
    /// The output columns as a JSON object on one line, nulls included.
    Object(Vec<(String, DataType)>, TimeStyle),
}

impl Content {
    /// Rows of JSON.
    ///
    /// # Errors
    /// Payloads that are no JSON.
    pub(crate) fn json(route: &Route, schema: Option<&Schema>, naming: Naming) -> Result<Self, StageError> {
        let style = match naming {
            Naming::Confluent => TimeStyle::Number,
            Naming::Kpipe | Naming::Lenses => TimeStyle::Text,
        };
        match (schema, route.decode.format) {
            (Some(schema), _) => Ok(Self::Object(columns(route, schema)?, style)),
            (None, ValueFormat::Json) => Ok(Self::Json),
            (None, ValueFormat::Text | ValueFormat::Bytes) => Err(error("payloads of text or bytes are no JSON")),
        }
    }

    /// Rows of text or bytes.
    ///
    /// # Errors
    /// Columns: they have no form there.
    pub(crate) fn payload(schema: Option<&Schema>) -> Result<Self, StageError> {
        if schema.is_some() { Err(error("text and bytes have no columns")) } else { Ok(Self::Payload) }
    }

    /// A writer for the rows of a batch.
    ///
    /// # Errors
    /// A batch that is not what the plan says.
    pub(crate) fn writer<'a>(&'a self, raw: &'a RawBatch, batch: &'a RowBatch) -> Result<RowWriter<'a>, StageError> {
        let how = match self {
            Self::Json => How::Json,
            Self::Payload => How::Payload,
            Self::Object(columns, style) => {
                let output = batch.output.as_ref().ok_or_else(|| error("a batch without output columns"))?;
                let columns = output.columns().iter().zip(columns).map(|(array, (name, data_type))| (array, name.as_str(), data_type));
                How::Object(Rows::new(columns, *style).map_err(|why| error(&why.to_string()))?)
            }
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
    Payload,
    Object(Rows<'a>),
}

impl RowWriter<'_> {
    /// Appends row `index` of the batch.
    ///
    /// # Errors
    /// A null payload: the stages before reject those.
    #[inline]
    pub(crate) fn write(&self, index: usize, out: &mut Vec<u8>) -> Result<(), StageError> {
        match &self.how {
            How::Json => one_line(self.payload(index)?, out),
            How::Payload => out.extend_from_slice(self.payload(index)?),
            How::Object(rows) => rows.write(index, out),
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
