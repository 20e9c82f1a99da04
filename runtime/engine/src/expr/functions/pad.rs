//! `lpad` and `rpad`. DataFusion's own reserve the room for all rows at once, and end the process for lengths below zero.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use arrow::datatypes::Int64Type;
use kpipe_compiler::plan::Call;

use super::super::step::{Kernel, Operand, Problem};
use crate::limits::TEXT_CHARS_MAX;

#[derive(Debug)]
struct Pad {
    is_left: bool,
}

pub(super) fn lpad(_: &Call) -> Result<Arc<dyn Kernel>, String> {
    Ok(Arc::new(Pad { is_left: true }))
}

pub(super) fn rpad(_: &Call) -> Result<Arc<dyn Kernel>, String> {
    Ok(Arc::new(Pad { is_left: false }))
}

impl Kernel for Pad {
    fn run(&self, args: &[Operand], rows: usize) -> Result<ArrayRef, Problem> {
        let [text, length, fill] = args else { return Err(Problem::new("a text, a length and a filling")) };
        let (texts, fills) = (text.array.as_string::<i32>(), fill.array.as_string::<i32>());
        let lengths = length.array.as_primitive::<Int64Type>();
        let mut padded = StringBuilder::new();
        for row in 0..rows {
            let (text, length, fill) = (text.index(row), length.index(row), fill.index(row));
            if texts.is_null(text) || lengths.is_null(length) || fills.is_null(fill) {
                padded.append_null();
            } else {
                padded.append_value(self.pad(texts.value(text), lengths.value(length), fills.value(fill))?);
            }
        }
        Ok(Arc::new(padded.finish()))
    }
}

impl Pad {
    fn pad(&self, text: &str, length: i64, fill: &str) -> Result<String, Problem> {
        if length > TEXT_CHARS_MAX {
            return Err(Problem(format!("a text of more than {TEXT_CHARS_MAX} characters").into()));
        }
        let length = usize::try_from(length).unwrap_or(0);
        let kept: String = text.chars().take(length).collect();
        let missing = length.saturating_sub(text.chars().take(length).count());
        let filling: String = fill.chars().cycle().take(missing).collect();
        Ok(if self.is_left { filling + &kept } else { kept + &filling })
    }
}
