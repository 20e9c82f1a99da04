//! Files of one row after the other: JSON lines, text, bytes.
//!
//! Every row is followed by the end of a row: a line feed, or the separator of `bytes` (nothing by default). A line feed within a value of
//! text stays as it is, text has no way to escape it; JSON is brought onto one line.

use std::io;

use bytes::Bytes;
use kpipe_compiler::plan::Compression;

use super::output::Output;
use super::rows::Content;
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
    pub(crate) fn new(content: Content, end: Vec<u8>, compression: Compression) -> Result<Self, StageError> {
        Ok(Self { content, end, output: Output::new(compression).map_err(|error| failed(&error))? })
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

    fn take_part(&mut self, bytes_min: usize) -> Option<Bytes> {
        self.output.take_part(bytes_min)
    }

    fn finish(&mut self) -> Result<Bytes, StageError> {
        self.output.finish().map_err(|error| failed(&error))
    }
}

fn failed(error: &io::Error) -> StageError {
    StageError::new("encode", error.to_string())
}
