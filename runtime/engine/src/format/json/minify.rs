//! One JSON text on one line.

use super::scan::{marks, special};

/// Appends a JSON text without line breaks. A text that has none is copied as it is; else all white space between its tokens is left out.
///
/// Line breaks within strings are always escaped (a raw one is no JSON), so what is found is between tokens.
#[inline]
pub(crate) fn one_line(text: &[u8], out: &mut Vec<u8>) {
    if has_break(text) { minify(text, out) } else { out.extend_from_slice(text) }
}

/// Whether there is a line feed or a carriage return.
#[inline(never)]
fn has_break(text: &[u8]) -> bool {
    let mark = |byte: u8| {
        let feed = if byte == b'\n' { 0xff } else { 0 };
        let carriage = if byte == b'\r' { 0xff } else { 0 };
        feed | carriage
    };
    marks(text, mark) != 0
}

#[cold]
fn minify(text: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => at += 1,
            b'"' => {
                let end = string_end(text, at);
                out.extend_from_slice(&text[at..end]);
                at = end;
            }
            other => {
                out.push(*other);
                at += 1;
            }
        }
    }
}

/// The position behind the string at `at`, which was checked before.
fn string_end(text: &[u8], at: usize) -> usize {
    let mut end = special(text, at + 1);
    while text.get(end).is_some_and(|byte| *byte != b'"') {
        // A backslash and what it escapes.
        end = special(text, (end + 2).min(text.len()));
    }
    (end + 1).min(text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn line(text: &str) -> String {
        let mut out = Vec::new();
        one_line(text.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn only_texts_with_breaks_change() {
        assert_eq!(line(r#" { "a" : 1 } "#), r#" { "a" : 1 } "#);
        assert_eq!(line("{ \"a\" :\t1,\n \"b \\\" \\\\\": [ 1 , 2 ]\r\n}\n"), r#"{"a":1,"b \" \\":[1,2]}"#);
        assert_eq!(line("0123456789abcdef\n"), "0123456789abcdef");
        assert_eq!(line("\r"), "");
    }

    proptest! {
        #[test]
        fn the_value_stays_the_same(keys in prop::collection::vec(("[a-z\"\\\\ \n]{0,20}", "[a-z\"\\\\ \r\n]{0,40}"), 0..5)) {
            let value: Value = keys.into_iter().map(|(key, text)| (key, Value::from(vec![Value::from(text), Value::from(1)]))).collect();
            let found = line(&serde_json::to_string_pretty(&value).unwrap());
            prop_assert!(!found.contains(['\n', '\r']));
            prop_assert_eq!(&found, &value.to_string());
        }

        #[test]
        fn any_bytes_end(text in prop::collection::vec(prop_oneof![Just(b'"'), Just(b'\\'), Just(b'\n'), any::<u8>()], 0..40)) {
            let mut out = Vec::new();
            one_line(&text, &mut out);
            prop_assert!(out.len() <= text.len());
        }
    }
}
