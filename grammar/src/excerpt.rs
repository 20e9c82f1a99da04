//! Pieces of the user's text inside messages: short, and without characters that cannot be seen.

use crate::limits::EXCERPT_CHARS_MAX;

/// A piece of the text, cut to a length that fits a message.
pub(crate) fn excerpt(text: &str) -> String {
    let mut chars = text.chars();
    let cut: String = chars.by_ref().take(EXCERPT_CHARS_MAX).flat_map(seen).collect();
    if chars.next().is_some() { format!("{cut}...") } else { cut }
}

/// The same in back-ticks, unless it has its own.
pub(crate) fn shown(text: &str) -> String {
    let cut = excerpt(text);
    if cut.contains('`') { cut } else { format!("`{cut}`") }
}

/// Characters that cannot be seen are shown by their code.
fn seen(char: char) -> Vec<char> {
    let is_seen = char == ' ' || !(char.is_control() || char.is_whitespace() || is_hidden(char));
    if is_seen { vec![char] } else { char.escape_unicode().collect() }
}

/// True for characters without a width and those that change the direction of a text.
pub(crate) fn is_hidden(char: char) -> bool {
    matches!(char, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_show_what_cannot_be_seen() {
        assert_eq!(shown("a b"), "`a b`");
        assert_eq!(shown("a`b"), "a`b");
        assert_eq!(shown("\u{a0}\u{202e}\n\u{1b}"), r"`\u{a0}\u{202e}\u{a}\u{1b}`");
    }

    #[test]
    fn messages_stay_short() {
        assert_eq!(shown(&"ä".repeat(50)), format!("`{}...`", "ä".repeat(EXCERPT_CHARS_MAX)));
    }
}
