//! Strings: found, checked and written out.

use super::error::{Bad, Step};
use super::scan::{Text, append};

/// Checks a string whose opening quote stands at `at`. Escapes are checked for form: a lone surrogate is JSON, though no text.
#[inline(always)]
pub(super) fn skip(text: Text<'_>, at: usize) -> Step {
    let end = text.special(at + 1);
    if text.peek(end) == b'"' { Ok(end + 1) } else { skip_escaped(text, end) }
}

#[cold]
fn skip_escaped(text: Text<'_>, mut at: usize) -> Step {
    loop {
        match text.bytes().get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => at = escape(text, at)?.1,
            _ => return Err(broken(text, at)),
        }
        at = text.special(at);
    }
}

/// Appends what the string at `at` means to `out`. What was appended before an error stays.
#[inline(always)]
pub(super) fn read(text: Text<'_>, at: usize, out: &mut Vec<u8>) -> Step {
    let end = text.special(at + 1);
    append(out, text.bytes(), at + 1, end);
    if text.peek(end) == b'"' { Ok(end + 1) } else { read_escaped(text, end, out) }
}

#[cold]
fn read_escaped(text: Text<'_>, mut at: usize, out: &mut Vec<u8>) -> Step {
    loop {
        match text.bytes().get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => {
                let (unit, end) = escape(text, at)?;
                at = match unit {
                    0xd800..=0xdbff => {
                        let (low, end) = if text.peek(end) == b'\\' { escape(text, end)? } else { (0, end) };
                        let (0xdc00..=0xdfff, high) = (low, u32::from(unit) - 0xd800) else { return Err(half_a_pair(text, at)) };
                        push(out, 0x1_0000 + (high << 10) + u32::from(low) - 0xdc00);
                        end
                    }
                    0xdc00..=0xdfff => return Err(half_a_pair(text, at)),
                    unit => {
                        push(out, u32::from(unit));
                        end
                    }
                };
            }
            _ => return Err(broken(text, at)),
        }
        let next = text.special(at);
        out.extend_from_slice(&text.bytes()[at..next]);
        at = next;
    }
}

/// The escape at `at` is half a character. A string that does not even end is the worse mistake: its other half may have been cut off.
fn half_a_pair(text: Text<'_>, at: usize) -> Box<Bad> {
    skip_escaped(text, at).err().unwrap_or_else(|| Bad::data(at, "a string with half a surrogate pair"))
}

fn push(out: &mut Vec<u8>, code: u32) {
    let letter = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
}

/// The UTF-16 unit that the escape at `at` stands for, and the position behind it.
fn escape(text: Text<'_>, at: usize) -> Result<(u16, usize), Box<Bad>> {
    let unit = match text.peek(at + 1) {
        letter @ (b'"' | b'\\' | b'/') => u16::from(letter),
        b'b' => 8,
        b'f' => 12,
        b'n' => 10,
        b'r' => 13,
        b't' => 9,
        b'u' => {
            let digits = text.bytes().get(at + 2..at + 6).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
            let unit = digits.and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|digits| u16::from_str_radix(digits, 16).ok());
            return unit.map(|unit| (unit, at + 6)).ok_or_else(|| Bad::syntax(at, "an escape without four hexadecimal digits"));
        }
        _ => return Err(Bad::syntax(at, "an unknown escape in a string")),
    };
    Ok((unit, at + 2))
}

fn broken(text: Text<'_>, at: usize) -> Box<Bad> {
    if at >= text.bytes().len() { Bad::syntax(at, "a string without an end") } else { Bad::syntax(at, "a control character in a string") }
}

/// The position of the value that belongs to the key at `at`.
#[inline(always)]
pub(super) fn skip_key(text: Text<'_>, at: usize) -> Step {
    if text.peek(at) != b'"' {
        return Err(Bad::expected(text, at, "a key"));
    }
    colon(text, skip(text, at)?)
}

/// The key at `at`, unescaped, and the position of its value.
pub(super) fn read_key(text: Text<'_>, at: usize, key: &mut Vec<u8>) -> Step {
    if text.peek(at) != b'"' {
        return Err(Bad::expected(text, at, "a key"));
    }
    key.clear();
    colon(text, read(text, at, key)?)
}

#[inline(always)]
fn colon(text: Text<'_>, at: usize) -> Step {
    let at = text.white(at);
    if text.peek(at) == b':' { Ok(text.white(at + 1)) } else { Err(Bad::expected(text, at, "`:`")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(json: &str) -> Result<String, String> {
        let mut out = Vec::new();
        let end = read(Text::new(json.as_bytes()), 0, &mut out).map_err(|bad| bad.to_string())?;
        assert_eq!(end, json.len());
        assert_eq!(skip(Text::new(json.as_bytes()), 0), Ok(end));
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn escapes_are_undone() {
        assert_eq!(text(r#""""#).as_deref(), Ok(""));
        assert_eq!(text(r#""a\"\\\/\b\f\n\r\t\u00e9z""#).as_deref(), Ok("a\"\\/\u{8}\u{c}\n\r\t\u{e9}z"));
        assert_eq!(text(r#""\ud83d\ude00 and more than sixteen bytes""#).as_deref(), Ok("\u{1f600} and more than sixteen bytes"));
        assert_eq!(text(r#""\u0000""#).as_deref(), Ok("\0"));
    }

    #[test]
    fn broken_strings_are_refused() {
        for (json, message) in [
            ("\"abc", "not valid JSON: a string without an end at byte 4"),
            ("\"a\nc\"", "not valid JSON: a control character in a string at byte 2"),
            (r#""\x""#, "not valid JSON: an unknown escape in a string at byte 1"),
            (r#""\u12g4""#, "not valid JSON: an escape without four hexadecimal digits at byte 1"),
            (r#""\u+123""#, "not valid JSON: an escape without four hexadecimal digits at byte 1"),
            (r#""\u12"#, "not valid JSON: an escape without four hexadecimal digits at byte 1"),
            ("\"\\", "not valid JSON: an unknown escape in a string at byte 1"),
        ] {
            assert_eq!(text(json).unwrap_err(), message, "{json}");
            assert_eq!(skip(Text::new(json.as_bytes()), 0).unwrap_err().to_string(), message, "{json}");
        }
    }

    #[test]
    fn half_a_pair_is_json_but_no_text() {
        for json in [r#""\ud83d""#, r#""\ud83dx""#, r#""\ud83d\n""#, r#""\ude00""#] {
            assert_eq!(text(json).unwrap_err(), "a string with half a surrogate pair at byte 1");
            assert_eq!(skip(Text::new(json.as_bytes()), 0), Ok(json.len()));
        }
        for cut in [r#""\ud83d"#, r#""\ud83d\"#, r#""\ud83d\ude0"#, r#""\ud83d\n"#, r#""\ude00"#] {
            assert!(text(cut).unwrap_err().starts_with("not valid JSON: "), "{cut}");
        }
    }
}
