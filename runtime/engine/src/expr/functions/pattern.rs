//! Regular expressions. They stand in the statement and are compiled once; matching takes time that is linear in the text.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringArray};
use arrow::datatypes::Int64Type;
use kpipe_compiler::functions::REGEX_BYTES_MAX;
use kpipe_compiler::plan::Call;
use regex::{Regex, RegexBuilder};

use super::super::step::{Kernel, Operand, Problem};
use super::literal_text;

#[derive(Debug)]
struct Like(Regex);

#[derive(Debug)]
struct Replace(Regex);

#[derive(Debug)]
struct Extract(Regex);

const OPERANDS: Problem = Problem::new("not the operands of a regular expression");

pub(super) fn regexp_like(call: &Call) -> Result<Arc<dyn Kernel>, String> {
    Ok(Arc::new(Like(regex(call)?)))
}

pub(super) fn regexp_replace(call: &Call) -> Result<Arc<dyn Kernel>, String> {
    Ok(Arc::new(Replace(regex(call)?)))
}

pub(super) fn regexp_extract(call: &Call) -> Result<Arc<dyn Kernel>, String> {
    Ok(Arc::new(Extract(regex(call)?)))
}

fn regex(call: &Call) -> Result<Regex, String> {
    let pattern = literal_text(call, 1)?;
    RegexBuilder::new(pattern).size_limit(REGEX_BYTES_MAX).build().map_err(|error| error.to_string())
}

impl Kernel for Like {
    fn run(&self, args: &[Operand], _rows: usize) -> Result<ArrayRef, Problem> {
        let [text, ..] = args else { return Err(OPERANDS) };
        let found = text.array.as_string::<i32>().iter().map(|text| text.map(|text| self.0.is_match(text)));
        Ok(Arc::new(found.collect::<BooleanArray>()))
    }
}

impl Kernel for Replace {
    fn run(&self, args: &[Operand], rows: usize) -> Result<ArrayRef, Problem> {
        let [text, _, by] = args else { return Err(OPERANDS) };
        let (texts, replacements) = (text.array.as_string::<i32>(), by.array.as_string::<i32>());
        let replace = |row: usize| {
            let (at, with) = (text.index(row), by.index(row));
            let is_there = texts.is_valid(at) && replacements.is_valid(with);
            is_there.then(|| self.0.replace_all(texts.value(at), replacements.value(with)))
        };
        Ok(Arc::new((0..rows).map(replace).collect::<StringArray>()))
    }
}

impl Kernel for Extract {
    fn run(&self, args: &[Operand], rows: usize) -> Result<ArrayRef, Problem> {
        let (text, group) = match args {
            [text, _] => (text, None),
            [text, _, group] => (text, Some(group)),
            _ => return Err(OPERANDS),
        };
        let texts = text.array.as_string::<i32>();
        let extract = |row: usize| {
            let number = match group {
                None => Some(0),
                Some(group) => {
                    let (groups, at) = (group.array.as_primitive::<Int64Type>(), group.index(row));
                    groups.is_valid(at).then(|| groups.value(at))
                }
            };
            let Some(number) = number else { return Ok(None) };
            let number = usize::try_from(number).ok().filter(|number| *number < self.0.captures_len());
            let Some(number) = number else { return Err(Problem::new("the pattern has no such group")) };
            let at = text.index(row);
            Ok(match texts.is_valid(at) {
                true => self.0.captures(texts.value(at)).and_then(|found| found.get(number)).map(|found| found.as_str()),
                false => None,
            })
        };
        Ok(Arc::new((0..rows).map(extract).collect::<Result<StringArray, _>>()?))
    }
}
