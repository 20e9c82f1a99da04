//! Rows become the bytes of a file, or the values of produced records. The formats are in `format/`.

use arrow::array::{BinaryArray, BinaryBuilder};
use arrow::datatypes::SchemaRef;
use kpipe_compiler::plan::{Compression, FileFormat, FileTail, Naming, Route};

use super::{FileEncoder, RowBatch, StageError};
use crate::format::lines::LineEncoder;
use crate::format::output::Output;
use crate::format::parquet::{ParquetEncoder, ParquetOptions};
use crate::format::rows::Content;
use crate::format::spare::Spares;
use crate::records::RawBatch;

/// How the files of a route are written.
pub struct Encoding {
    format: Format,
    spares: Spares,
}

enum Format {
    Parquet(ParquetOptions),
    Lines { content: Content, end: Vec<u8>, compression: Compression },
}

impl Encoding {
    /// The encoding of a route; `schema` is that of its projector.
    ///
    /// # Errors
    /// A plan that does not fit itself: Parquet without columns, a codec that the format does not have.
    pub fn new(route: &Route, tail: &FileTail, schema: Option<SchemaRef>) -> Result<Self, StageError> {
        let lines = |content, end: &str, compression| Format::Lines { content, end: end.as_bytes().to_vec(), compression };
        let format = match &tail.format {
            FileFormat::Parquet { compression, row_group_bytes } => {
                let schema = schema.filter(|schema| !schema.fields().is_empty());
                let schema = schema.ok_or_else(|| StageError::new("encode", "a Parquet file needs columns"))?;
                Format::Parquet(ParquetOptions::new(schema, *compression, *row_group_bytes)?)
            }
            FileFormat::Json { compression } => lines(Content::json(route, schema.as_deref(), tail.naming)?, "\n", *compression),
            FileFormat::Text { compression } => lines(Content::payload(schema.as_deref())?, "\n", *compression),
            FileFormat::Bytes { separator } => lines(Content::payload(schema.as_deref())?, separator, Compression::None),
        };
        if let Format::Lines { compression, .. } = &format {
            Output::new(*compression, Spares::default()).map_err(|error| StageError::new("encode", error.to_string()))?;
        }
        Ok(Self { format, spares: Spares::default() })
    }

    /// The same with buffers of parts that other files gave back.
    pub(crate) fn sharing(self, spares: Spares) -> Self {
        Self { spares, ..self }
    }

    /// An encoder for a new file.
    ///
    /// # Errors
    /// The codec cannot be set up.
    pub fn open(&self) -> Result<Box<dyn FileEncoder>, StageError> {
        Ok(match &self.format {
            Format::Parquet(options) => Box::new(ParquetEncoder::new(options, self.spares.clone())),
            Format::Lines { content, end, compression } => {
                Box::new(LineEncoder::new(content.clone(), end.clone(), *compression, self.spares.clone())?)
            }
        })
    }
}

/// Writes the values of produced records.
pub struct Values {
    content: Content,
}

impl Values {
    /// The writer of a route; `schema` is that of its projector.
    ///
    /// # Errors
    /// A plan that does not fit itself: a format of files, columns without a text.
    pub fn new(route: &Route, format: &FileFormat, schema: Option<SchemaRef>) -> Result<Self, StageError> {
        let content = match format {
            FileFormat::Json { .. } => Content::json(route, schema.as_deref(), Naming::Kpipe)?,
            FileFormat::Text { .. } | FileFormat::Bytes { .. } => Content::payload(schema.as_deref())?,
            FileFormat::Parquet { .. } => return Err(StageError::new("encode", "Parquet is a format of files, not of values")),
        };
        Ok(Self { content })
    }

    /// One value per row.
    ///
    /// # Errors
    /// A batch that is not what the plan says.
    pub fn encode(&self, raw: &RawBatch, batch: &RowBatch) -> Result<BinaryArray, StageError> {
        let writer = self.content.writer(raw, batch)?;
        let (mut values, mut value) = (BinaryBuilder::with_capacity(batch.len(), raw.bytes), Vec::new());
        for index in 0..batch.len() {
            value.clear();
            writer.write(index, &mut value)?;
            values.append_value(&value);
        }
        Ok(values.finish())
    }
}

#[cfg(test)]
mod tests;
