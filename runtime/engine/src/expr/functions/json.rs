//! `json_get`: a value inside a JSON text, by its path. Only what lies on the way is taken apart; numbers keep their digits.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringArray};
use kpipe_compiler::plan::Call;
use serde::de::IgnoredAny;
use serde_json::Deserializer;

use super::super::step::{Kernel, Operand, Problem};
use super::literal_text;

const NO_JSON: Problem = Problem::new("the text is not JSON");

#[derive(Debug)]
struct Get(Vec<String>);

pub(super) fn json_get(call: &Call) -> Result<Arc<dyn Kernel>, String> {
    let path: Vec<String> = literal_text(call, 1)?.split('.').map(str::to_owned).collect();
    if path.iter().any(String::is_empty) {
        Err("a path is names and numbers with dots between them".to_owned())
    } else {
        Ok(Arc::new(Get(path)))
    }
}

impl Kernel for Get {
    fn run(&self, args: &[Operand], _rows: usize) -> Result<ArrayRef, Problem> {
        let [text, ..] = args else { return Err(Problem::new("a text and a path")) };
        let texts = text.array.as_string::<i32>().iter();
        let found = texts.map(|text| text.map_or(Ok(None), |text| get(text, &self.0).ok_or(NO_JSON)));
        Ok(Arc::new(found.collect::<Result<StringArray, _>>()?))
    }
}

/// The text of the value; outer `None`: this is no JSON.
fn get<'t>(text: &'t str, path: &[String]) -> Option<Option<Cow<'t, str>>> {
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    let mut value = text.trim();
    for name in path {
        let found = match value.as_bytes().first()? {
            b'{' => member(value, name)?,
            b'[' => element(value, name)?,
            _ => None,
        };
        match found {
            Some(found) => value = found,
            None => return Some(None),
        }
    }
    Some(match value.as_bytes().first()? {
        b'"' => Some(Cow::Owned(serde_json::from_str(value).ok()?)),
        b'n' => None,
        _ => Some(Cow::Borrowed(value)),
    })
}

/// The value of a name; of several of that name the last one counts.
fn member<'t>(object: &'t str, name: &str) -> Option<Option<&'t str>> {
    let (mut rest, mut found) = (object[1..].trim_start(), None);
    while !rest.starts_with('}') {
        let key = value(rest)?;
        rest = rest[key.len()..].trim_start().strip_prefix(':')?.trim_start();
        let member = value(rest)?;
        if serde_json::from_str::<Cow<'_, str>>(key).ok()? == name {
            found = Some(member);
        }
        rest = rest[member.len()..].trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    Some(found)
}

/// The value of a number, the first being 0.
fn element<'t>(array: &'t str, number: &str) -> Option<Option<&'t str>> {
    let Ok(wanted) = number.parse::<usize>() else { return Some(None) };
    let mut rest = array[1..].trim_start();
    for index in 0.. {
        if rest.starts_with(']') {
            break;
        }
        let element = value(rest)?;
        if index == wanted {
            return Some(Some(element));
        }
        rest = rest[element.len()..].trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    Some(None)
}

/// The text of the value that `text` begins with.
fn value(text: &str) -> Option<&str> {
    let mut values = Deserializer::from_str(text).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    text.get(..values.byte_offset())
}
