//! `lpad` and `rpad`. DataFusion's own reserve the room for all rows at once, and end the process for lengths below zero.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use arrow::datatypes::Int64Type;
use kpipe_compiler::plan::Call;

use super::super::step::{Kernel, Operand, Problem};
use super::text::Room;

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
        let (mut padded, mut room) = (StringBuilder::new(), Room::default());
        for row in 0..rows {
            let (text, length, fill) = (text.index(row), length.index(row), fill.index(row));
            if texts.is_null(text) || lengths.is_null(length) || fills.is_null(fill) {
                padded.append_null();
            } else {
                padded.append_value(self.pad(texts.value(text), lengths.value(length), fills.value(fill), &mut room)?);
            }
        }
        Ok(Arc::new(padded.finish()))
    }
}

impl Pad {
    fn pad(&self, text: &str, length: i64, fill: &str, room: &mut Room) -> Result<String, Problem> {
        let length = usize::try_from(length).unwrap_or(0);
        let kept = text.char_indices().nth(length).map_or(text, |(end, _)| &text[..end]);
        let (missing, filled) = (length - kept.chars().count(), fill.chars().count());
        let (rounds, rest) = (missing.checked_div(filled).unwrap_or(0), missing.checked_rem(filled).unwrap_or(0));
        let part = fill.char_indices().nth(rest).map_or(fill, |(end, _)| &fill[..end]);
        room.take(rounds.saturating_mul(fill.len()).saturating_add(part.len()).saturating_add(kept.len()))?;
        let filling = fill.repeat(rounds) + part;
        Ok(if self.is_left { filling + kept } else { kept.to_owned() + &filling })
    }
}
