//! Mistakes that show in the tokens alone: marks never closed, characters without a meaning, limits.

use crate::error::{SWALLOWS_LINE, SyntaxError};
use crate::excerpt::{excerpt, is_hidden, shown};
use crate::limits::{NAME_BYTES_MAX, NESTING_MAX};
use crate::report::Report;
use crate::span::Span;
use crate::token::{Token, TokenKind};
use crate::warning::SyntaxWarning;

/// Looks at the tokens of one statement; false if they are not worth reading further.
pub(crate) fn check(source: &str, tokens: &[Token], report: &mut Report) -> bool {
    let before = report.errors.len();
    let (mut depth, mut cases) = (0, 0);
    let mut in_brackets = false;
    for (index, token) in tokens.iter().enumerate() {
        match token.kind {
            TokenKind::UnclosedText => {
                report.error(unclosed_text(source, tokens, index));
                break;
            }
            TokenKind::UnclosedQuoted => {
                let mark = if token.span.text(source).starts_with('`') { "back-tick" } else { "double quote" };
                let opened = swallower(source, tokens, index).map_or(token.span, |quoted| quoted.span);
                report.error(SyntaxError::UnclosedName { mark, span: opening_mark(opened) });
                break;
            }
            TokenKind::UnclosedComment => {
                report.error(SyntaxError::UnclosedComment { span: Span::new(token.span.start, token.span.start + 2) });
                break;
            }
            TokenKind::Bracket => {
                // A pair is one mistake.
                let opens = token.span.text(source) == "[";
                if opens || !in_brackets {
                    report.error(SyntaxError::Bracket { span: token.span });
                }
                in_brackets = opens;
            }
            TokenKind::Stray => report.error(unexpected_character(source, token.span)),
            TokenKind::Quoted if token.span.len() == 2 => report.error(SyntaxError::Empty { what: "a name", span: token.span }),
            TokenKind::Open => {
                depth += 1;
                if depth == NESTING_MAX + 1 {
                    report.error(SyntaxError::TooDeep { what: "the statement", max: NESTING_MAX, span: token.span });
                }
            }
            TokenKind::Word if looks_like_comment(source, tokens, index) => {
                report.warning(SyntaxWarning::CommentAsName { word: excerpt(token.span.text(source)), span: token.span });
            }
            TokenKind::Close => depth = depth.saturating_sub(1),
            TokenKind::Word if opens_case(source, tokens, index) => {
                cases += 1;
                if cases == NESTING_MAX + 1 {
                    report.error(SyntaxError::TooDeep { what: "CASE", max: NESTING_MAX, span: token.span });
                }
            }
            TokenKind::Word if token.is_word(source, "END") => cases = cases.saturating_sub(1),
            _ => {}
        }
        if token.span.len() > NAME_BYTES_MAX {
            report.error(SyntaxError::NameTooLong { span: opening_mark(token.span) });
        }
    }
    report.errors.len() == before
}

/// `CASE WHEN`, `CASE x`, but not a field of this name.
fn opens_case(source: &str, tokens: &[Token], index: usize) -> bool {
    let goes_on = |next: &Token| matches!(next.kind, TokenKind::Word | TokenKind::Text | TokenKind::Quoted | TokenKind::Open);
    tokens[index].is_word(source, "CASE") && tokens.get(index + 1).is_some_and(goes_on)
}

/// `a,--b`, but not `a.--b`.
fn looks_like_comment(source: &str, tokens: &[Token], index: usize) -> bool {
    let inside_name = index.checked_sub(1).is_some_and(|before| {
        let before = tokens[before];
        before.touches(tokens[index]) && !matches!(before.kind, TokenKind::Comma | TokenKind::Open | TokenKind::Close | TokenKind::Star)
    });
    !inside_name && tokens[index].span.text(source).starts_with("--")
}

fn opening_mark(span: Span) -> Span {
    Span::new(span.start, span.start + 1)
}

/// An odd quote is often not the one that is missing: a string that is followed by a word without a blank was closed by
/// the opening quote of the next one.
fn unclosed_text(source: &str, tokens: &[Token], index: usize) -> SyntaxError {
    let culprit = tokens[..index]
        .windows(2)
        .find(|pair| pair[0].kind == TokenKind::Text && pair[1].kind == TokenKind::Word && pair[0].touches(pair[1]));
    let Some([text, _]) = culprit else {
        return SyntaxError::UnclosedString {
            span: opening_mark(tokens[index].span),
            swallows: SWALLOWS_LINE.to_owned(),
            closed_by: None,
            help: "close the string with another single quote; a quote inside a string is doubled".to_owned(),
        };
    };
    let inner = text.span.text(source).trim_matches('\'');
    let (key, _) = inner.split_once('=').unwrap_or((inner, ""));
    let help = match inner.contains('=') {
        true => format!("close the key before `=`: '{key}'"),
        false => "close the string with another single quote".to_owned(),
    };
    let closed_by = Some(Span::new(text.span.end - 1, text.span.end));
    SyntaxError::UnclosedString {
        span: Span::new(text.span.start, text.span.start + 1 + key.len()),
        swallows: "swallows the text up to the next quote".to_owned(),
        closed_by,
        help,
    }
}

/// The same for names, where a quoted part may touch a word: only one with a blank inside is likely not meant.
fn swallower(source: &str, tokens: &[Token], index: usize) -> Option<Token> {
    let quoted = tokens[..index].windows(2).find(|pair| {
        let text = pair[0].span.text(source);
        let goes_on = pair[1].kind == TokenKind::Word && pair[0].touches(pair[1]);
        pair[0].kind == TokenKind::Quoted && goes_on && text.contains(char::is_whitespace)
    });
    quoted.map(|pair| pair[0])
}

/// Characters that word processors and web pages put in place of plain ones.
fn unexpected_character(source: &str, span: Span) -> SyntaxError {
    let text = span.text(source);
    let replacement = match text {
        "\u{2018}" | "\u{2019}" | "\u{201a}" | "\u{201b}" => Some("'"),
        "\u{201c}" | "\u{201d}" | "\u{201e}" => Some("\""),
        "\u{2013}" | "\u{2014}" | "\u{2212}" => Some("-"),
        "\u{a0}" | "\u{2007}" | "\u{202f}" | "\u{3000}" => Some(" "),
        _ if text.chars().all(is_hidden) => Some(""),
        _ => None,
    };
    let help = match replacement {
        Some("") => "a character that cannot be seen; remove it",
        Some(" ") => "a character from a word processor or a web page that looks like a blank",
        Some(_) => "a character from a word processor or a web page; type the plain one",
        None => "put a name that holds it in back-ticks",
    };
    SyntaxError::UnexpectedCharacter { found: shown(text), span, help: help.to_owned(), replacement: replacement.map(str::to_owned) }
}
