//! ANSI colours, and text of others made harmless.

use std::borrow::Cow;
use std::fmt;

use crate::host::Style;

/// What a piece of text is, and so its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    /// An error.
    Error,
    /// A warning.
    Warning,
    /// Something that comes into being, or went well.
    Good,
    /// Something that stands out.
    Strong,
    /// Something beside the point.
    Faint,
    /// A help line.
    Help,
}

/// Text in a colour.
pub(crate) struct Painted<'a> {
    text: &'a str,
    escape: Option<&'static str>,
}

/// `text` in `ink`, if the style has colours.
pub(crate) fn paint(style: Style, ink: Ink, text: &str) -> Painted<'_> {
    let escape = match ink {
        Ink::Error => "\x1b[1;31m",
        Ink::Warning => "\x1b[1;33m",
        Ink::Good => "\x1b[32m",
        Ink::Strong => "\x1b[1m",
        Ink::Faint => "\x1b[2m",
        Ink::Help => "\x1b[36m",
    };
    Painted { text, escape: style.color.then_some(escape) }
}

impl fmt::Display for Painted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.escape {
            Some(escape) => write!(f, "{escape}{}\x1b[0m", self.text),
            None => f.write_str(self.text),
        }
    }
}

/// True for characters that could move the cursor, hide text or turn it around.
pub(crate) fn is_dangerous(c: char) -> bool {
    let bidi = matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    bidi || c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// Text of others with every dangerous character written as `\u{..}`; line breaks stay.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| c != '\n' && is_dangerous(c)) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if c != '\n' && is_dangerous(c) { safe.extend(c.escape_unicode()) } else { safe.push(c) }
    }
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_cannot_steer_the_terminal() {
        assert_eq!(harmless("plain\ntext"), "plain\ntext");
        assert_eq!(harmless("a\x1b[31mb\r\u{202e}c\t"), "a\\u{1b}[31mb\\u{d}\\u{202e}c\\u{9}");
    }

    #[test]
    fn no_colour_no_escape() {
        assert_eq!(paint(Style::PLAIN, Ink::Error, "x").to_string(), "x");
        assert_eq!(paint(Style { color: true, ..Style::PLAIN }, Ink::Error, "x").to_string(), "\x1b[1;31mx\x1b[0m");
    }
}
