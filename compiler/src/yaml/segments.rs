//! How the styles of YAML scalars turn bytes of the file into text, run by run.
//!
//! The parser has decoded the text already; here the same lines are walked again with the places kept. A walk whose text is not the
//! parser's is not used: its labels would point at the wrong bytes.

use kpipe_grammar::span::Span;

use super::map::{MapBuilder, ScalarMap};
use super::tree::{Node, Scalar, Style};
use crate::sources::Location;

/// Indentations that are tried for a block scalar whose indentation indicator hides where its lines begin.
const INDENTS_MAX: usize = 64;

/// Where each byte of a scalar comes from. `file` is the text of the file that the node is in.
#[must_use]
pub fn scalar_map(file: &str, node: &Node, scalar: &Scalar) -> ScalarMap {
    let (at, text) = (node.at, scalar.text.as_str());
    let walked = match scalar.style {
        Style::Plain | Style::Tagged => Flow::new(file, at.span, Quote::None).walk(text),
        Style::Single => Flow::new(file, inside(at.span), Quote::Single).walk(text),
        Style::Double => Flow::new(file, inside(at.span), Quote::Double).walk(text),
        Style::Literal | Style::Folded => block(file, at, text),
    };
    let builder = walked.unwrap_or_else(|| {
        let mut builder = MapBuilder::default();
        builder.stand_in(text, at.span);
        builder
    });
    builder.finish(at, scalar.style).1
}

/// What stands between two quotes.
fn inside(span: Span) -> Span {
    if span.len() < 2 { span } else { Span::new(span.start + 1, span.end - 1) }
}

/// The length of a line break at `at`, zero if there is none.
pub(super) fn break_len(file: &str, at: usize) -> usize {
    match file.as_bytes().get(at..) {
        Some([b'\r', b'\n', ..]) => 2,
        Some([b'\r' | b'\n', ..]) => 1,
        _ => 0,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quote {
    None,
    Single,
    Double,
}

/// A walk through a plain or a quoted scalar.
struct Flow<'a> {
    file: &'a str,
    at: usize,
    end: usize,
    quote: Quote,
    builder: MapBuilder,
}

impl<'a> Flow<'a> {
    fn new(file: &'a str, span: Span, quote: Quote) -> Self {
        Self { file, at: span.start, end: span.end, quote, builder: MapBuilder::default() }
    }

    fn walk(mut self, text: &str) -> Option<MapBuilder> {
        while self.at < self.end {
            let rest = self.file.get(self.at..self.end)?;
            let first = rest.chars().next()?;
            match first {
                ' ' | '\t' | '\r' | '\n' => self.blanks(rest),
                '\'' if self.quote == Quote::Single && rest.starts_with("''") => self.escape("'", 2),
                '\\' if self.quote == Quote::Double && break_len(self.file, self.at + 1) > 0 => self.escaped_break(),
                '\\' if self.quote == Quote::Double => self.escape_sequence(rest, text)?,
                _ => {
                    let stop = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n' | '\'' | '\\');
                    let run = rest[first.len_utf8()..].find(stop).map_or(rest.len(), |length| length + first.len_utf8());
                    self.builder.copy(&rest[..run], self.at);
                    self.at += run;
                }
            }
        }
        (self.builder.text == text).then_some(self.builder)
    }

    /// Blanks inside a line stay; with a line break among them they are folded.
    fn blanks(&mut self, rest: &str) {
        let length = rest.find(|c| !matches!(c, ' ' | '\t' | '\r' | '\n')).unwrap_or(rest.len());
        match breaks(&rest[..length]) {
            0 => self.builder.copy(&rest[..length], self.at),
            1 => self.builder.stand_in(" ", Span::new(self.at, self.at + length)),
            many => self.builder.stand_in(&"\n".repeat(many - 1), Span::new(self.at, self.at + length)),
        }
        self.at += length;
    }

    fn escape(&mut self, decoded: &str, length: usize) {
        self.builder.stand_in(decoded, Span::new(self.at, self.at + length));
        self.at += length;
    }

    /// `\` at the end of a line takes the line break and the blanks after it away; each further empty line stays a line break.
    fn escaped_break(&mut self) {
        let start = self.at;
        self.at += 1 + break_len(self.file, self.at + 1);
        let rest = &self.file[self.at..self.end];
        let length = rest.find(|c| !matches!(c, ' ' | '\t' | '\r' | '\n')).unwrap_or(rest.len());
        self.at += length;
        self.builder.stand_in(&"\n".repeat(breaks(&rest[..length])), Span::new(start, self.at));
    }

    /// `\n`, `\x41`, `\u00e9`: what it means is what the parser made of it.
    fn escape_sequence(&mut self, rest: &str, text: &str) -> Option<()> {
        let kind = rest[1..].chars().next()?;
        let length = match kind {
            'x' => 4,
            'u' => 6,
            'U' => 10,
            _ => 1 + kind.len_utf8(),
        };
        let decoded = text.get(self.builder.text.len()..)?.chars().next()?;
        self.escape(decoded.encode_utf8(&mut [0; 4]), length);
        Some(())
    }
}

fn breaks(blanks: &str) -> usize {
    (0..blanks.len()).filter(|at| break_len(blanks, *at) > 0 && !(blanks[*at..].starts_with('\n') && blanks[..*at].ends_with('\r'))).count()
}

/// A literal or folded block. `at` begins at or behind the indentation of the first line that is not blank.
fn block(file: &str, at: Location, text: &str) -> Option<MapBuilder> {
    let line = line_start(file, at.span.start);
    let first = first_blank_line(file, line);
    let indent_max = file[line..at.span.start].chars().take_while(|c| *c == ' ').count();
    (0..=indent_max).rev().take(INDENTS_MAX).find_map(|indent| block_lines(file, first, indent, text))
}

fn line_start(file: &str, at: usize) -> usize {
    file[..at].rfind(['\n', '\r']).map_or(0, |before| before + 1)
}

/// The first of the blank lines right before `line`.
fn first_blank_line(file: &str, mut line: usize) -> usize {
    while line > 0 {
        let length = if file[..line].ends_with("\r\n") { 2 } else { 1 };
        let before = line_start(file, line - length);
        if before == 0 || !file[before..line].trim().is_empty() {
            break;
        }
        line = before;
    }
    line
}

/// Walks the lines of a block that is indented by `indent` blanks. Whether its line breaks are folded is seen in the decoded text.
fn block_lines(file: &str, first: usize, indent: usize, text: &str) -> Option<MapBuilder> {
    let mut builder = MapBuilder::default();
    let mut waiting: Vec<Span> = Vec::new();
    let mut at = first;
    let content = text.trim_end_matches('\n').len();
    while at < file.len() && (builder.text.len() < content || waiting.len() < text.len() - builder.text.len()) {
        let line_end = file[at..].find(['\n', '\r']).map_or(file.len(), |length| at + length);
        let blanks = file[at..line_end].chars().take(indent).take_while(|c| *c == ' ').count();
        let start = at + blanks;
        if start < line_end {
            line_breaks(&mut builder, &waiting, text, start);
            waiting.clear();
            if !text[builder.text.len()..].starts_with(&file[start..line_end]) {
                return None;
            }
            builder.copy(&file[start..line_end], start);
        }
        at = line_end + break_len(file, line_end);
        waiting.push(Span::new(line_end, at));
    }
    line_breaks(&mut builder, &waiting, text, at);
    (builder.text == text).then_some(builder)
}

/// Line breaks before a line of content: kept ones are newlines of the text, a folded one is a blank.
fn line_breaks(builder: &mut MapBuilder, waiting: &[Span], text: &str, next: usize) {
    let rest = &text[builder.text.len()..];
    let kept = rest.bytes().take(waiting.len()).take_while(|byte| *byte == b'\n').count();
    match waiting {
        [only, ..] if kept == 0 && !builder.text.is_empty() && rest.starts_with(' ') => {
            builder.stand_in(" ", Span::new(only.start, next.max(only.start)));
        }
        _ => waiting[waiting.len() - kept..].iter().for_each(|span| builder.stand_in("\n", *span)),
    }
}
