//! Files of one row after the other: JSON lines, text, bytes.
//!
//! Every row is followed by the end of a row: a line feed, or the separator of `bytes` (nothing by default). A line feed within a value of
//! text stays as it is, text has no way to escape it; JSON is brought onto one line.

use std::io;

use bytes::Bytes;
use kpipe_compiler::plan::Compression;

use super::output::Output;
use super::rows::Content;
use super::spare::Spares;
use crate::path::{FileEncoder, FileRows, Pick, StageError};

/// Writes rows as they come.
pub(crate) struct LineEncoder {
    content: Content,
    end: Vec<u8>,
    output: Output,
}

impl LineEncoder {
    /// An encoder for one file.
    ///
    /// # Errors
    /// A codec that line formats do not have.
    pub(crate) fn new(content: Content, end: Vec<u8>, compression: Compression, spares: Spares) -> Result<Self, StageError> {
        Ok(Self { content, end, output: Output::new(compression, spares).map_err(|error| failed(&error))? })
    }
}

impl FileEncoder for LineEncoder {
    fn write(&mut self, rows: &FileRows<'_>) -> Result<(), StageError> {
        let Self { content, end, output } = self;
        let writer = content.writer(rows.raw, rows.batch)?;
        let mut line = |index: usize| {
            let out = output.buffer();
            writer.write(index, out)?;
            out.extend_from_slice(end);
            output.pump().map_err(|error| failed(&error))
        };
        match &rows.pick {
            Pick::Range(range) => range.clone().try_for_each(line),
            Pick::Indices(indices) => indices.iter().try_for_each(|index| line(*index as usize)),
        }
    }

    fn memory_bytes(&self) -> usize {
        self.output.memory_bytes()
    }

    fn file_bytes(&self) -> u64 {
        self.output.file_bytes()
    }

    fn take_part(&mut self) -> Option<Bytes> {
        self.output.take_part()
    }

    fn finish(&mut self) -> Result<(), StageError> {
        self.output.finish().map_err(|error| failed(&error))
    }
}

fn failed(error: &io::Error) -> StageError {
    StageError::new("encode", error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::path::RowBatch;
    use crate::records::RawBatch;

    fn rows(values: &[&str]) -> (RawBatch, RowBatch) {
        let raw = fixture::values(values);
        let rows = (0..values.len() as u32).collect();
        let batch = RowBatch { partition: raw.partition, delta: raw.delta, route: 0, rows, decoded: Vec::new(), output: None };
        (raw, batch)
    }

    #[test]
    fn picked_rows_are_written_in_order() {
        let (raw, batch) = rows(&["a", "b", "c", "d"]);
        let batch = RowBatch { rows: vec![1, 2, 3], ..batch };
        let mut encoder = LineEncoder::new(Content::Payload, b"|".to_vec(), Compression::None, Spares::new(3)).unwrap();
        encoder.write(&FileRows { raw: &raw, batch: &batch, pick: Pick::Indices(&[0, 2]) }).unwrap();
        encoder.write(&FileRows { raw: &raw, batch: &batch, pick: Pick::Range(1..3) }).unwrap();
        assert!(encoder.memory_bytes() >= 8);
        assert_eq!(encoder.file_bytes(), 8);
        assert_eq!(encoder.take_part().as_deref(), Some(&b"b|d"[..]));
        assert_eq!(encoder.take_part().as_deref(), Some(&b"|c|"[..]));
        assert!(encoder.take_part().is_none());
        encoder.finish().unwrap();
        assert_eq!((encoder.take_part().as_deref(), encoder.file_bytes()), (Some(&b"d|"[..]), 8));
    }

    #[test]
    fn columns_must_be_there() {
        let (raw, batch) = rows(&["{}"]);
        let content = Content::Object(Vec::new(), crate::format::json::TimeStyle::Text);
        let mut encoder = LineEncoder::new(content, b"\n".to_vec(), Compression::None, Spares::default()).unwrap();
        let error = encoder.write(&FileRows { raw: &raw, batch: &batch, pick: Pick::Range(0..1) }).unwrap_err();
        assert_eq!(error.to_string(), "encode: a batch without output columns");
    }

    #[test]
    fn a_codec_that_does_not_fit_is_refused() {
        let error = LineEncoder::new(Content::Json, b"\n".to_vec(), Compression::Snappy, Spares::default()).err().unwrap();
        assert_eq!(error.to_string(), "encode: snappy is a codec of Parquet pages, not of whole files");
    }
}
