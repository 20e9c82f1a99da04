//! The text as tokens: the level at which every character is accounted for.

use pest::Parser;
use pest::iterators::Pair;

use crate::rules::{Kcql, Rule};
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
    let Ok(mut pairs) = Kcql::parse(Rule::text, text) else {
        // The rule accepts any character as `stray`, so this is an empty branch that keeps the text whole all the same.
        return vec![Token { kind: TokenKind::Stray, span: Span::new(0, text.len()) }];
    };
    let mut tokens: Vec<Token> = Vec::new();
    for pair in pairs.next().into_iter().flat_map(Pair::into_inner) {
        let Some(kind) = kind(pair.as_rule()) else { continue };
        let span = pair.as_span();
        let span = Span::new(span.start(), span.end());
        match tokens.last_mut() {
            // A run of odd characters is one mistake.
            Some(last) if kind == TokenKind::Stray && last.kind == TokenKind::Stray => last.span = last.span.to(span),
            _ => tokens.push(Token { kind, span }),
        }
    }
    tokens
}

fn kind(rule: Rule) -> Option<TokenKind> {
    Some(match rule {
        Rule::word => TokenKind::Word,
        Rule::string => TokenKind::Text,
        Rule::ticked | Rule::double => TokenKind::Quoted,
        Rule::comma => TokenKind::Comma,
        Rule::dot => TokenKind::Dot,
        Rule::equals => TokenKind::Equals,
        Rule::star => TokenKind::Star,
        Rule::open => TokenKind::Open,
        Rule::close => TokenKind::Close,
        Rule::semicolon => TokenKind::Semicolon,
        Rule::operator => TokenKind::Operator,
        Rule::bracket => TokenKind::Bracket,
        Rule::unclosed_string => TokenKind::UnclosedText,
        Rule::unclosed_ticked | Rule::unclosed_double => TokenKind::UnclosedQuoted,
        Rule::unclosed_comment => TokenKind::UnclosedComment,
        Rule::comment => TokenKind::Comment,
        Rule::blanks => TokenKind::Blank,
        Rule::EOI => return None,
        _ => TokenKind::Stray,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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

    proptest! {
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
