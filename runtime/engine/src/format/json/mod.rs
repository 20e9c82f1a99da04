//! JSON into Arrow columns, and Arrow columns into JSON lines.
//!
//! | piece | module |
//! |---|---|
//! | objects, keys and the guess of their order | `shape` |
//! | one column and its buffers | `column` |
//! | numbers, strings, times, base64 | `number`, `string`, `time`, `base64` |
//! | a value that no column wants | `skip` |
//! | many bytes at a time | `scan` |
//! | columns back into JSON; JSON on one line | `write`, `minify` |
//!
//! Every value is checked to be exactly one JSON text (RFC 8259), also the parts that no column wants. Of several keys of one name the
//! last one counts.

mod base64;
mod column;
mod error;
mod minify;
mod number;
mod scan;
mod shape;
mod skip;
mod string;
mod time;
mod write;

use std::sync::Arc;

use arrow::array::{ArrayRef, NullArray};
use kpipe_compiler::plan::DecodeColumn;

pub(crate) use error::{Bad, BadKind};
pub(crate) use minify::one_line;
use scan::Text;
use shape::{Shape, Take};
pub(crate) use time::{civil, date, days, instant_us};
pub(crate) use write::{Cells, NoText, Rows, TimeStyle};

/// Deepest nesting of objects and arrays.
pub(crate) const DEPTH_MAX: usize = 128;

/// Reads JSON texts into the columns of a plan.
pub(crate) struct JsonDecoder {
    root: Take,
    columns: usize,
    rows: usize,
}

impl JsonDecoder {
    /// A decoder for these columns. Without any it only checks.
    pub(crate) fn new(columns: &[DecodeColumn]) -> Self {
        let mut root = if columns.is_empty() { Take::Check(Box::new(Shape::new())) } else { Take::Skip };
        for (slot, column) in columns.iter().enumerate() {
            root.add(&column.path, slot, &column.data_type, column.nullable);
        }
        Self { root, columns: columns.len(), rows: 0 }
    }

    /// Reads one text. A text that is refused leaves nothing in the columns.
    pub(crate) fn push(&mut self, text: &[u8]) -> Result<(), Box<Bad>> {
        if let Err(bad) = self.read(text) {
            self.root.truncate(self.rows);
            return Err(bad);
        }
        self.rows += 1;
        Ok(())
    }

    #[inline]
    fn read(&mut self, bytes: &[u8]) -> Result<(), Box<Bad>> {
        let text = Text::new(bytes);
        if !text.is_plain() {
            check_utf8(bytes)?;
        }
        let end = self.root.read(text, text.white(0), 0)?;
        let end = text.white(end);
        if end == bytes.len() { Ok(()) } else { Err(Bad::expected(text, end, "the end of the value")) }
    }

    /// The columns of all texts since the last call.
    pub(crate) fn finish(&mut self) -> Vec<ArrayRef> {
        let nothing: ArrayRef = Arc::new(NullArray::new(0));
        let mut arrays = vec![nothing; self.columns];
        self.root.finish(&mut arrays);
        self.rows = 0;
        arrays
    }
}

#[cold]
fn check_utf8(text: &[u8]) -> Result<(), Box<Bad>> {
    simdutf8::compat::from_utf8(text).map(|_| ()).map_err(|error| Bad::syntax(error.valid_up_to(), "bytes that are not UTF-8"))
}

#[cfg(test)]
mod tests;
