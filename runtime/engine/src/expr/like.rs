//! `LIKE` as the standard has it: a backslash is a character like any other, unless `ESCAPE` says so.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringArray};
use arrow::compute::like;

use super::step::{Kernel, Operand, Problem};

/// `LIKE`, with its escape character.
#[derive(Debug)]
pub(super) struct Like {
    pub(super) escape: Option<char>,
}

impl Kernel for Like {
    fn run(&self, args: &[Operand], _rows: usize) -> Result<ArrayRef, Problem> {
        let [text, pattern] = args else { return Err(Problem::new("two texts are compared")) };
        let patterns = pattern.array.as_string::<i32>().iter();
        let patterns =
            patterns.map(|pattern| pattern.map(|pattern| self.translate(pattern)).transpose()).collect::<Result<StringArray, _>>()?;
        let pattern = Operand { array: Arc::new(patterns), is_scalar: pattern.is_scalar };
        match like(text, &pattern) {
            Ok(found) => Ok(Arc::new(found)),
            Err(_) => Err(Problem::new("not a pattern")),
        }
    }
}

impl Like {
    /// The pattern as Arrow reads it: there the backslash always escapes.
    fn translate(&self, pattern: &str) -> Result<String, Problem> {
        let mut out = String::with_capacity(pattern.len());
        let mut rest = pattern.chars();
        while let Some(c) = rest.next() {
            if Some(c) == self.escape {
                let Some(next) = rest.next() else { return Err(Problem::new("the pattern ends with its escape character")) };
                if matches!(next, '%' | '_' | '\\') {
                    out.push('\\');
                }
                out.push(next);
            } else {
                if c == '\\' {
                    out.push('\\');
                }
                out.push(c);
            }
        }
        Ok(out)
    }
}
