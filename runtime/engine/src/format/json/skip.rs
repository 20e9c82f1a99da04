//! Checks a value without keeping anything of it.

use super::error::{Bad, Step};
use super::scan::Text;
use super::{DEPTH_MAX, number, string};

/// As [`value`], with the most frequent ones checked in place.
#[inline(always)]
pub(super) fn any(text: Text<'_>, start: usize, depth: usize) -> Step {
    match text.peek(start) {
        b'"' => string::skip(text, start),
        b'0'..=b'9' | b'-' => number::skip(text, start),
        _ => value(text, start, depth),
    }
}

/// Checks the value at `start`, which lies within `depth` objects and arrays, and returns the position behind it.
///
/// No recursion: which of the open containers are objects stands in the bits of one number, the innermost lowest.
pub(super) fn value(text: Text<'_>, start: usize, depth: usize) -> Step {
    let (mut open, mut objects, mut at) = (0, 0_u128, start);
    loop {
        at = match text.peek(at) {
            b'"' => string::skip(text, at)?,
            b'-' | b'0'..=b'9' => number::skip(text, at)?,
            byte @ (b'{' | b'[') => {
                if depth + open >= DEPTH_MAX {
                    return Err(too_deep(at));
                }
                let inside = text.white(at + 1);
                // `{` and `}`, `[` and `]` are two apart.
                if text.peek(inside) == byte + 2 {
                    inside + 1
                } else {
                    open += 1;
                    objects = objects << 1 | u128::from(byte == b'{');
                    at = if byte == b'{' { string::skip_key(text, inside)? } else { inside };
                    continue;
                }
            }
            _ => literal(text, at)?,
        };
        loop {
            if open == 0 {
                return Ok(at);
            }
            let object = objects & 1 == 1;
            at = text.white(at);
            match (text.peek(at), object) {
                (b',', true) => at = string::skip_key(text, text.white(at + 1))?,
                (b',', false) => at = text.white(at + 1),
                (b'}', true) | (b']', false) => {
                    open -= 1;
                    objects >>= 1;
                    at += 1;
                    continue;
                }
                (_, true) => return Err(Bad::expected(text, at, "`,` or `}`")),
                (_, false) => return Err(Bad::expected(text, at, "`,` or `]`")),
            }
            break;
        }
    }
}

/// `true`, `false` or `null`.
#[inline]
pub(super) fn literal(text: Text<'_>, at: usize) -> Step {
    let literal: &[u8] = match text.peek(at) {
        b't' => b"true",
        b'f' => b"false",
        b'n' => b"null",
        _ => return Err(Bad::expected(text, at, "a value")),
    };
    if text.stands_at(at, literal) { Ok(at + literal.len()) } else { Err(Bad::expected(text, at, "a value")) }
}

#[cold]
pub(super) fn too_deep(at: usize) -> Box<Bad> {
    Bad::syntax(at, format!("more than {DEPTH_MAX} objects and arrays within each other"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_end_where_they_end() {
        for json in [
            "1",
            "-0.5e+7",
            "\"a\\u12ab\"",
            "true",
            "false",
            "null",
            "[]",
            "{}",
            "[ ]",
            "{ }",
            "[1,[2,{}],\"x\"]",
            "{\"a\":{\"b\":[]},\"c\" : 1 }",
        ] {
            assert_eq!(value(Text::new(json.as_bytes()), 0, 0), Ok(json.len()), "{json}");
        }
    }

    #[test]
    fn mistakes_name_their_byte() {
        for (json, message) in [
            ("", "expected a value, found the end at byte 0"),
            ("[1,]", "expected a value, found `]` at byte 3"),
            ("[1}", "expected `,` or `]`, found `}` at byte 2"),
            ("{\"a\":1]", "expected `,` or `}`, found `]` at byte 6"),
            ("{\"a\" 1}", "expected `:`, found `1` at byte 5"),
            ("{a:1}", "expected a key, found `a` at byte 1"),
            ("{\"a\":1,}", "expected a key, found `}` at byte 7"),
            ("nul", "expected a value, found `n` at byte 0"),
            ("[tru]", "expected a value, found `t` at byte 1"),
        ] {
            assert_eq!(value(Text::new(json.as_bytes()), 0, 0).unwrap_err().to_string(), format!("not valid JSON: {message}"), "{json}");
        }
    }

    #[test]
    fn depth_has_a_limit() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(value(Text::new(nested(DEPTH_MAX).as_bytes()), 0, 0).is_ok());
        assert!(value(Text::new(nested(DEPTH_MAX - 5).as_bytes()), 0, 5).is_ok());
        let bad = value(Text::new(nested(DEPTH_MAX + 1).as_bytes()), 0, 0).unwrap_err();
        assert_eq!(bad.to_string(), "not valid JSON: more than 128 objects and arrays within each other at byte 128");
        assert!(value(Text::new(nested(DEPTH_MAX - 5).as_bytes()), 0, 6).is_err());
    }

    proptest! {
        #[test]
        fn the_oracle_agrees_on_what_is_json(json in "[\\[\\]{}:,\"a1e.\\-+ \\\\nultrfs]{0,24}") {
            let expected = serde_json::from_str::<serde::de::IgnoredAny>(&json).is_ok();
            let text = Text::new(json.as_bytes());
            let found = value(text, text.white(0), 0).map(|end| text.white(end) == json.len()).unwrap_or(false);
            prop_assert_eq!(found, expected);
        }
    }
}
