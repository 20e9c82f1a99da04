//! The text as tokens: the level at which every character is accounted for.

use pest::unicode;

use crate::span::Span;

/// A piece of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) span: Span,
}

/// What a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A bare word or number, with all that a name may hold.
    Word,
    /// `'...'`
    Text,
    /// `` `...` `` or `"..."`.
    Quoted,
    Comma,
    Dot,
    Equals,
    Star,
    Open,
    Close,
    Semicolon,
    /// Characters that only expressions use.
    Operator,
    Bracket,
    /// A character without a meaning.
    Stray,
    UnclosedText,
    UnclosedQuoted,
    UnclosedComment,
    Comment,
    Blank,
}

impl Token {
    /// Blanks and comments separate, everything else means something.
    pub(crate) fn is_significant(self) -> bool {
        !matches!(self.kind, TokenKind::Blank | TokenKind::Comment)
    }

    /// True for a bare word that is `word` in any case.
    pub(crate) fn is_word(self, text: &str, word: &str) -> bool {
        self.kind == TokenKind::Word && self.span.text(text).eq_ignore_ascii_case(word)
    }

    /// True if nothing stands between the two.
    pub(crate) fn touches(self, next: Self) -> bool {
        self.span.end == next.span.start
    }
}

/// Cuts a text into tokens. Their spans follow each other without a gap from 0 to the end.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let last = tokens.last_mut();
        // `a--b` and `a/b` are names, so a comment needs a blank before it.
        let starts_gap = last.as_ref().is_none_or(|last| !last.is_significant() || last.kind == TokenKind::Semicolon);
        let (kind, len) = first(&text[at..], starts_gap);
        let span = Span::new(at, at + len);
        match last {
            // A run of odd characters is one mistake.
            Some(last) if kind == TokenKind::Stray && last.kind == TokenKind::Stray => last.span = last.span.to(span),
            _ => tokens.push(Token { kind, span }),
        }
        at = span.end;
    }
    tokens
}

/// The token at the beginning of a text that is not empty, and its length.
fn first(text: &str, comment_allowed: bool) -> (TokenKind, usize) {
    let run = |fits: fn(u8) -> bool| text.bytes().position(|byte| !fits(byte)).unwrap_or(text.len());
    match text.as_bytes()[0] {
        b' ' | b'\t' | b'\r' | b'\n' => (TokenKind::Blank, run(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))),
        b'-' if comment_allowed && text.starts_with("--") => (TokenKind::Comment, text.find('\n').unwrap_or(text.len())),
        b'/' if comment_allowed && text.starts_with("/*") => match text[2..].find("*/") {
            Some(end) => (TokenKind::Comment, end + 4),
            None => (TokenKind::UnclosedComment, text.len()),
        },
        b'\'' => quoted(text, '\'', TokenKind::Text, TokenKind::UnclosedText),
        b'"' => quoted(text, '"', TokenKind::Quoted, TokenKind::UnclosedQuoted),
        b'`' => quoted(text, '`', TokenKind::Quoted, TokenKind::UnclosedQuoted),
        b',' => (TokenKind::Comma, 1),
        b'.' => (TokenKind::Dot, 1),
        b'=' => (TokenKind::Equals, 1),
        b'*' => (TokenKind::Star, 1),
        b'(' => (TokenKind::Open, 1),
        b')' => (TokenKind::Close, 1),
        b';' => (TokenKind::Semicolon, 1),
        b'[' | b']' => (TokenKind::Bracket, 1),
        byte if is_operator(byte) => {
            let signs = run(is_operator);
            // `<=` is one sign.
            let compares = matches!(byte, b'<' | b'>' | b'!') && text[signs..].starts_with('=');
            (TokenKind::Operator, signs + usize::from(compares))
        }
        _ => match text.find(|char| !is_word_char(char)).unwrap_or(text.len()) {
            0 => (TokenKind::Stray, text.chars().next().map_or(1, char::len_utf8)),
            len => (TokenKind::Word, len),
        },
    }
}

/// A quoted piece: a doubled mark belongs to it. Only back-ticks reach over lines; an open quote takes the rest of its line.
fn quoted(text: &str, mark: char, closed: TokenKind, open: TokenKind) -> (TokenKind, usize) {
    let stops = |char: char| char == mark || char == '\n' && mark != '`';
    let mut end = 0;
    while text[end..].starts_with(mark) {
        let Some(stop) = text[end + 1..].find(stops).map(|stop| end + 1 + stop) else { break };
        if !text[stop..].starts_with(mark) {
            break;
        }
        end = stop + 1;
    }
    match end {
        0 if mark == '`' => (open, text.len()),
        0 => (open, text.find('\n').unwrap_or(text.len())),
        _ => (closed, end),
    }
}

fn is_operator(byte: u8) -> bool {
    matches!(byte, b'<' | b'>' | b'!' | b'%' | b'|' | b'&' | b'^' | b'~' | b'?' | b'\\')
}

/// What a bare name may hold besides letters and digits.
pub(crate) fn is_word_sign(byte: u8) -> bool {
    matches!(byte, b'_' | b'-' | b'/' | b'+' | b':' | b'#' | b'$' | b'@' | b'{' | b'}')
}

fn is_word_char(char: char) -> bool {
    match u8::try_from(char) {
        Ok(byte) if byte.is_ascii() => byte.is_ascii_alphanumeric() || is_word_sign(byte),
        _ => unicode::LETTER(char) || unicode::MARK(char) || unicode::NUMBER(char),
    }
}

#[cfg(test)]
mod tests {
    use pest::Parser;
    use proptest::prelude::*;

    use super::*;
    use crate::rules::{Kcql, Rule};

    fn kinds(text: &str) -> Vec<(TokenKind, &str)> {
        tokens(text).into_iter().filter(|token| token.kind != TokenKind::Blank).map(|token| (token.kind, token.span.text(text))).collect()
    }

    #[test]
    fn names_are_words_as_their_systems_write_them() {
        use TokenKind::{Dot, Quoted, Word};
        assert_eq!(kinds("$share/g/x/+ telemetry/+/#"), [(Word, "$share/g/x/+"), (Word, "telemetry/+/#")]);
        assert_eq!(kinds("a.9.`b`"), [(Word, "a"), (Dot, "."), (Word, "9"), (Dot, "."), (Quoted, "`b`")]);
        assert_eq!(kinds("größe/温度"), [(Word, "größe/温度")]);
    }

    #[test]
    fn comments_need_a_blank_before_them() {
        use TokenKind::{Comment, Word};
        assert_eq!(kinds("-- one\na -- two\nb"), [(Comment, "-- one"), (Word, "a"), (Comment, "-- two"), (Word, "b")]);
        assert_eq!(kinds("a--b"), [(Word, "a--b")]);
        assert_eq!(kinds("a /* ; ' */ b"), [(Word, "a"), (Comment, "/* ; ' */"), (Word, "b")]);
        assert_eq!(kinds("a;-- b"), [(Word, "a"), (TokenKind::Semicolon, ";"), (Comment, "-- b")]);
    }

    #[test]
    fn a_doubled_mark_belongs_to_the_text() {
        use TokenKind::{Comma, Text, UnclosedQuoted, UnclosedText};
        assert_eq!(kinds("'it''s','',''''"), [(Text, "'it''s'"), (Comma, ","), (Text, "''"), (Comma, ","), (Text, "''''")]);
        assert_eq!(kinds("'a\n'"), [(UnclosedText, "'a"), (UnclosedText, "'")]);
        assert_eq!(kinds("`a\nb"), [(UnclosedQuoted, "`a\nb")]);
    }

    fn covers(text: &str) -> bool {
        let mut end = 0;
        for token in tokens(text) {
            if token.span.start != end || token.span.is_empty() {
                return false;
            }
            end = token.span.end;
        }
        end == text.len()
    }

    /// True if the grammar reads the same length as the token, where it has a rule for it.
    fn grammar_agrees(text: &str, token: Token) -> bool {
        let rule = match token.kind {
            TokenKind::Word => Rule::keyword,
            TokenKind::Text | TokenKind::Quoted => Rule::alias,
            _ => return Kcql::parse(Rule::alias, &text[token.span.start..]).is_err(),
        };
        Kcql::parse(rule, &text[token.span.start..]).is_ok_and(|pairs| pairs.as_str() == token.span.text(text))
    }

    proptest! {
        #[test]
        fn words_and_quotes_are_those_of_the_grammar(text in "([ab1éЖ²٣ '`\"\\-/*;,.()=\n<\u{a0}\u{301}]|--|''|``){0,24}") {
            for token in tokens(&text) {
                // Inside a comment the grammar would see names.
                let apart = token.is_significant() && token.kind != TokenKind::UnclosedComment;
                prop_assert!(!apart || grammar_agrees(&text, token), "{:?} in {:?}", token, text);
            }
        }

        #[test]
        fn tokens_cover_any_text(text in any::<String>()) {
            prop_assert!(covers(&text));
        }

        #[test]
        fn tokens_cover_text_full_of_marks(text in "[ab '`\"\\-/*;,.()=\n]{0,40}") {
            prop_assert!(covers(&text));
        }
    }
}
