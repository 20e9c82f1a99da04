//! From where the YAML parser stopped, and what it said, to the mistake that was made.

use kpipe_grammar::span::Span;

use super::error::YamlError;

/// A collection that is being read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    /// Its first byte.
    pub(super) start: usize,
    /// `{` or `[`; none for one that is made by indentation.
    pub(super) bracket: Option<char>,
}

/// What was read before the mistake.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    /// The collections around it.
    pub(super) open: &'a [Open],
    /// The collections that ended right before it.
    pub(super) closed: &'a [Open],
    /// The scalar before it.
    pub(super) last: Span,
}

/// Names the mistake.
pub(super) fn explain(text: &str, at: usize, info: &str, around: Around<'_>) -> YamlError {
    let Around { open, closed, last } = around;
    let at = at.min(text.len());
    if let Some(span) = tab(text, at) {
        return YamlError::Tab { span };
    }
    let mistake = match info {
        _ if info.contains("block scalar content cannot start with a tab") => tab_after(text, at),
        _ if info.contains("unknown escape") || info.contains("hexadecimal") || info.contains("Unicode character escape") => {
            escape(text, at)
        }
        _ if info.contains("unknown anchor") => {
            let span = word(text, at);
            Some(YamlError::UnknownAnchor { name: span.text(text).trim_start_matches('*').to_owned(), span })
        }
        _ if info.contains("quoted scalar") && !info.contains("trailing content") => quote(text, at),
        _ if info.contains("trailing content") => Some(YamlError::AfterQuote { span: word(text, at) }),
        _ if info.starts_with("unexpected character") => {
            text[at..].chars().next().map(|character| YamlError::ReservedCharacter { sign: sign(character), span: one(text, at) })
        }
        _ if info.contains("recursion limit") => Some(YamlError::TooDeep { span: one(text, at) }),
        _ if open.last().is_some_and(|open| open.bracket.is_some()) => unclosed(text, at, open),
        _ if info.contains("mapping values are not allowed") => second_colon(text, at, last),
        _ if info.contains("simple key") => no_colon(text, at),
        _ if info.contains("did not find expected key") || info.contains("invalid indentation") || info.contains("expected '-'") => {
            indentation(text, at, &[open, closed].concat())
        }
        _ if info.contains("document start") => indentation(text, at, &[Open { start: first_content(text), bracket: None }]),
        _ => None,
    };
    mistake.unwrap_or_else(|| YamlError::Syntax { reason: reason(info).to_owned(), span: word(text, at) })
}

/// What the parser said, without what only its authors understand.
fn reason(info: &str) -> &str {
    let tail = info.rsplit_once(", ").map_or(info, |(_, tail)| tail);
    match tail {
        "misplaced bracket" => "a closing bracket without its opening one",
        "block sequence entries are not allowed in this context" => "a list begins in a line of its own, not behind its key",
        "comment intercepting the multiline text" => "a comment inside a value of several lines",
        "duplicate version directive" => "two `%YAML` lines",
        "found unprintable character" => "a character that cannot be printed",
        "simple key expected" | "simple key expect ':'" => "a key is missing",
        "did not find expected <document start>" => "text follows the end of the document",
        _ => tail,
    }
}

/// The character at `at`.
fn one(text: &str, at: usize) -> Span {
    Span::new(at, at + text[at..].chars().next().map_or(0, char::len_utf8))
}

fn sign(character: char) -> String {
    if character == '`' { "a back-tick".to_owned() } else { format!("`{character}`") }
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind(['\n', '\r']).map_or(0, |before| before + 1)
}

fn line_end(text: &str, at: usize) -> usize {
    text[at..].find(['\n', '\r']).map_or(text.len(), |length| at + length)
}

/// The word that begins at `at`, at least one character.
fn word(text: &str, at: usize) -> Span {
    let end = line_end(text, at);
    let rest = &text[at..end];
    let blank = rest.len() - rest.trim_start().len();
    let length = rest.trim_start().find(|c: char| c.is_whitespace() || matches!(c, ',' | ']' | '}')).unwrap_or(rest.trim_start().len());
    if length == 0 {
        let width = rest[blank..].chars().next().map_or(0, char::len_utf8);
        return Span::new(at + blank, at + blank + width);
    }
    Span::new(at + blank, at + blank + length)
}

/// A tab in the indentation of the line at `at` or of the next line with text.
fn tab(text: &str, at: usize) -> Option<Span> {
    let start = line_start(text, at);
    [Some(start), next_line(text, at)].into_iter().flatten().find_map(|start| {
        let line = &text[start..line_end(text, start)];
        let indentation = line.len() - line.trim_start().len();
        let tab = line[..indentation].find('\t')?;
        (indentation < line.len()).then(|| Span::new(start + tab, start + tab + 1))
    })
}

/// The first line behind the one at `at` that is not blank.
fn next_line(text: &str, at: usize) -> Option<usize> {
    let mut start = line_end(text, at);
    while start < text.len() {
        start += super::segments::break_len(text, start);
        let end = line_end(text, start);
        if !text[start..end].trim().is_empty() {
            return Some(start);
        }
        start = end;
    }
    None
}

fn tab_after(text: &str, at: usize) -> Option<YamlError> {
    let start = next_line(text, at)?;
    let tab = text[start..line_end(text, start)].find('\t')?;
    Some(YamlError::Tab { span: Span::new(start + tab, start + tab + 1) })
}

/// The bad escape behind the quote at `at`.
fn escape(text: &str, at: usize) -> Option<YamlError> {
    let rest = &text[at..];
    let mut characters = rest.char_indices().skip(1);
    while let Some((offset, character)) = characters.next() {
        if character != '\\' {
            continue;
        }
        let (_, kind) = characters.next()?;
        let digits = match kind {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            '0' | 'a' | 'b' | 't' | 'n' | 'v' | 'f' | 'r' | 'e' | ' ' | '"' | '/' | '\\' | 'N' | '_' | 'L' | 'P' | '\n' | '\r' | '\t' => {
                continue;
            }
            _ => 0,
        };
        let hex = rest.get(offset + 2..).map_or("", |rest| rest.get(..digits).unwrap_or_default());
        let valid = u32::from_str_radix(hex, 16).ok().and_then(char::from_u32);
        if digits == 0 || hex.len() < digits || valid.is_none() {
            return Some(YamlError::Escape { span: Span::new(at + offset, at + offset + 1 + kind.len_utf8()) });
        }
    }
    None
}

fn quote(text: &str, at: usize) -> Option<YamlError> {
    let quote = text[at..].chars().next().filter(|c| matches!(c, '"' | '\''))?;
    Some(YamlError::UnclosedQuote { quote, span: Span::new(at, at + 1) })
}

fn unclosed(text: &str, at: usize, open: &[Open]) -> Option<YamlError> {
    let innermost = open.last()?;
    let item = text[innermost.start + 1..at.max(innermost.start + 1)].rsplit([',', '[', '{', '\n']).next().unwrap_or_default();
    if text[at..].starts_with(':') && item.contains(": ") {
        return Some(YamlError::SecondColon { span: Span::new(at, at + 1) });
    }
    let bracket = innermost.bracket?;
    let close = if bracket == '[' { ']' } else { '}' };
    let line = line_start(text, at);
    let next = if line > innermost.start { word(text, line) } else { word(text, at) };
    let span = Span::new(innermost.start, innermost.start + 1);
    Some(YamlError::UnclosedBracket { open: bracket, close, span, next })
}

/// A `:` that may not stand there: in the same line as another one, or in a line that is indented too far.
fn second_colon(text: &str, at: usize, last: Span) -> Option<YamlError> {
    let line = line_start(text, at);
    let before = text[line..at].trim_start();
    if last.start < line && last.end >= line {
        let key = Span::new(at - before.len(), at);
        let value_end = last.start + text[last.start..line].trim_end().len();
        if let Some(missing @ YamlError::NoBlank { .. }) = no_colon(text, at) {
            return Some(missing);
        }
        return Some(YamlError::DeeperKey { key: before.to_owned(), span: key, value: Span::new(last.start, value_end.max(last.start)) });
    }
    Some(YamlError::SecondColon { span: one(text, at) })
}

/// The line before the one at `at` is a word that no colon follows.
fn no_colon(text: &str, at: usize) -> Option<YamlError> {
    let before = text[..line_start(text, at)].trim_end();
    let start = line_start(text, before.len());
    let line = before[start..].trim_start();
    let line = line.split(" #").next().unwrap_or(line).trim_end();
    let first = before.len() - before[start..].trim_start().len();
    if line.is_empty() {
        return None;
    }
    // Not what follows the key: it may be a secret.
    let end = line.find(|c: char| c.is_whitespace() || matches!(c, ':' | '=')).unwrap_or(line.len());
    let span = Span::new(first, first + line.len());
    let key = line[..end].to_owned();
    let touches = line[end..].strip_prefix(':').is_some_and(|value| value.starts_with(|c: char| !c.is_whitespace()));
    Some(if touches { YamlError::NoBlank { key, span } } else { YamlError::NoColon { word: key, span } })
}

fn first_content(text: &str) -> usize {
    text.find(|c: char| !c.is_whitespace() && c != '\u{feff}').unwrap_or(0)
}

fn indentation(text: &str, at: usize, open: &[Open]) -> Option<YamlError> {
    let line = line_start(text, at);
    let found = text[line..].len() - text[line..].trim_start_matches(' ').len();
    let mut levels: Vec<usize> = open
        .iter()
        .filter(|open| open.bracket.is_none())
        .map(|open| text[line_start(text, open.start)..open.start].trim_start_matches('\u{feff}').chars().count())
        .collect();
    levels.sort_unstable();
    levels.dedup();
    if levels.contains(&found) {
        return None;
    }
    let span = word(text, line + found);
    let found = match found {
        0 => "not indented".to_owned(),
        1 => "indented by one space".to_owned(),
        found => format!("indented by {found} spaces"),
    };
    let levels = levels.iter().map(|level| format!("column {}", level + 1)).collect::<Vec<_>>().join(", ");
    Some(YamlError::Indentation { found, levels, span })
}
