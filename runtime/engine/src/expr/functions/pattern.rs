//! Regular expressions. They stand in the statement and are compiled once; matching takes time that is linear in the text.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringArray, StringBuilder};
use arrow::datatypes::Int64Type;
use kpipe_compiler::functions::REGEX_BYTES_MAX;
use kpipe_compiler::plan::Call;
use regex::{Regex, RegexBuilder};

use super::super::step::{Kernel, Operand, Problem};
use super::literal_text;
use super::text::Room;

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
        let (mut replaced, mut room) = (StringBuilder::new(), Room::default());
        let mut value = String::new();
        for row in 0..rows {
            let (at, with) = (text.index(row), by.index(row));
            if texts.is_null(at) || replacements.is_null(with) {
                replaced.append_null();
            } else {
                value.clear();
                self.replace(texts.value(at), replacements.value(with), &mut value)?;
                room.take(value.len())?;
                replaced.append_value(&value);
            }
        }
        Ok(Arc::new(replaced.finish()))
    }
}

impl Replace {
    /// Piece by piece, so that a text that grows too long is noticed while it does.
    fn replace(&self, text: &str, by: &str, out: &mut String) -> Result<(), Problem> {
        let mut end = 0;
        if by.contains('$') {
            for found in self.0.captures_iter(text) {
                let whole = found.get_match();
                out.push_str(&text[end..whole.start()]);
                for piece in references(by) {
                    found.expand(piece, out);
                    Room::default().take(out.len())?;
                }
                end = whole.end();
            }
        } else {
            for whole in self.0.find_iter(text) {
                out.push_str(&text[end..whole.start()]);
                out.push_str(by);
                Room::default().take(out.len())?;
                end = whole.end();
            }
        }
        out.push_str(&text[end..]);
        Ok(())
    }
}

/// A replacement in pieces with one reference to a group at most: `a$1`, `$$`, `${x}b`.
fn references(by: &str) -> impl Iterator<Item = &str> {
    let mut rest = by;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some(dollar) = rest.find('$') else { return Some(std::mem::take(&mut rest)) };
        let behind = &rest[dollar + 1..];
        let skipped = match behind.as_bytes().first() {
            Some(b'$') => 1,
            Some(b'{') => behind.find('}').unwrap_or(0),
            _ => 0,
        };
        let next = behind[skipped..].find('$').map_or(rest.len(), |next| dollar + 1 + skipped + next);
        let piece;
        (piece, rest) = rest.split_at(next);
        Some(piece)
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replacement_in_pieces_is_the_whole() {
        let regex = Regex::new("(?<letter>[a-z])([0-9]*)").unwrap();
        for by in [
            "#",
            "$1",
            "$2$1",
            "$0$0",
            "$$",
            "$$1$$$1",
            "${1}x",
            "a${letter}b$letter",
            "$",
            "x$",
            "${",
            "${1",
            "${a$2}",
            "${1$2",
            "$9",
            "$1x",
            "ß$1ß",
        ] {
            for text in ["a1b22 c", "", "1", "größe7"] {
                let mut found = String::new();
                Replace(regex.clone()).replace(text, by, &mut found).unwrap();
                assert_eq!(found, regex.replace_all(text, by), "{text:?} by {by:?}");
            }
        }
    }
}
