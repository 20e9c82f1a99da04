//! Texts that can be longer than what they are made of. How long one will be is known before it is made, so what is beyond the limit takes no
//! memory.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, StringBuilder};

use super::super::step::{Kernel, Operand, Problem};
use super::udf::Udf;
use crate::limits::{TEXT_BATCH_BYTES_MAX, TEXT_BYTES_MAX};

/// The bytes of a column so far.
#[derive(Debug, Default)]
pub(super) struct Room(usize);

impl Room {
    /// Room for one more text.
    ///
    /// # Errors
    /// The text is longer than a value may be; or the column than memory allows, and then half of its rows will do.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), Problem> {
        if bytes > TEXT_BYTES_MAX {
            return Err(Problem(format!("a text of more than {TEXT_BYTES_MAX} bytes").into()));
        }
        self.0 = self.0.saturating_add(bytes);
        if self.0 > TEXT_BATCH_BYTES_MAX {
            return Err(Problem(format!("texts of more than {TEXT_BATCH_BYTES_MAX} bytes together").into()));
        }
        Ok(())
    }
}

/// A text for each row, or one for all.
pub(in crate::expr) struct Texts<'o> {
    array: &'o StringArray,
    is_scalar: bool,
}

impl<'o> Texts<'o> {
    fn of(operand: &'o Operand) -> Option<Self> {
        Some(Self { array: operand.array.as_string_opt()?, is_scalar: operand.is_scalar })
    }

    fn get(&self, row: usize) -> Option<&'o str> {
        let row = if self.is_scalar { 0 } else { row };
        self.array.is_valid(row).then(|| self.array.value(row))
    }
}

/// `a || b`: null where one of them is.
#[derive(Debug)]
pub(in crate::expr) struct Join;

impl Kernel for Join {
    fn run(&self, args: &[Operand], rows: usize) -> Result<ArrayRef, Problem> {
        let texts: Option<Vec<Texts<'_>>> = args.iter().map(Texts::of).collect();
        let Some([left, right]) = texts.as_deref() else { return Err(Problem::new("two texts are joined")) };
        let pair = |row: usize| Some((left.get(row)?, right.get(row)?));
        let mut room = Room::default();
        (0..rows).filter_map(pair).try_for_each(|(left, right)| room.take(left.len() + right.len()))?;
        let mut joined = StringBuilder::with_capacity(rows, room.0);
        let mut text = String::new();
        for row in 0..rows {
            joined.append_option(pair(row).map(|(left, right)| {
                text.clear();
                text.push_str(left);
                text.push_str(right);
                text.as_str()
            }));
        }
        Ok(Arc::new(joined.finish()))
    }
}

/// Bytes that a row may get, at most.
pub(in crate::expr) type BytesOf = fn(&[Texts<'_>], usize) -> usize;

/// A function of DataFusion that is not asked for too much.
#[derive(Debug)]
pub(super) struct Bounded {
    inner: Udf,
    bytes: BytesOf,
}

impl Bounded {
    pub(super) fn new(inner: Udf, bytes: BytesOf) -> Self {
        Self { inner, bytes }
    }
}

impl Kernel for Bounded {
    fn run(&self, args: &[Operand], rows: usize) -> Result<ArrayRef, Problem> {
        let texts: Option<Vec<Texts<'_>>> = args.iter().map(Texts::of).collect();
        let texts = texts.ok_or(Problem::new("the operands are texts"))?;
        let mut room = Room::default();
        (0..rows).try_for_each(|row| room.take((self.bytes)(&texts, row)))?;
        self.inner.run(args, rows)
    }
}

/// `concat`: all of them.
pub(super) fn concat(texts: &[Texts<'_>], row: usize) -> usize {
    texts.iter().filter_map(|text| text.get(row)).map(str::len).sum()
}

/// `concat_ws`: the first between the others.
pub(super) fn concat_ws(texts: &[Texts<'_>], row: usize) -> usize {
    let [separator, rest @ ..] = texts else { return 0 };
    let separator = separator.get(row).map_or(0, str::len);
    let (count, bytes) =
        rest.iter().filter_map(|text| text.get(row)).fold((0_usize, 0), |(count, bytes), text| (count + 1, bytes + text.len()));
    bytes + count.saturating_sub(1) * separator
}

/// `replace`: what is found is counted only where it could be too much.
pub(super) fn replace(texts: &[Texts<'_>], row: usize) -> usize {
    let [text, from, to] = texts else { return 0 };
    let (Some(text), Some(from), Some(to)) = (text.get(row), from.get(row), to.get(row)) else { return 0 };
    let bytes = |found: usize| (text.len() - found * from.len()).saturating_add(found.saturating_mul(to.len()));
    match text.len().checked_div(from.len()).map(|most| text.len().saturating_add(most.saturating_mul(to.len()))) {
        Some(most) if most > TEXT_BYTES_MAX => bytes(text.matches(from).count()),
        Some(most) => most,
        None => text.len(),
    }
}
