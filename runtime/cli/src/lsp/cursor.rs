//! Where in a YAML text somebody writes: the keys above, and whether a key, a value or a statement is due.
//!
//! While somebody types, the text is rarely YAML. So this reads lines and their indentation, and braces where there are some, and
//! takes no offence at anything. What is right or wrong is the compiler's business.

use std::ops::Range;

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The keys above, from the outside in.
    pub(super) path: Vec<String>,
    /// What is due here.
    pub(super) slot: Slot,
    /// What is typed of it already.
    pub(super) typed: Range<usize>,
}

/// What is due at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// A key.
    Key,
    /// The value of the last key of the path, which begins at this byte.
    Value(usize),
    /// Nothing: a comment.
    Nothing,
}

/// A key that stands in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyAt {
    /// The keys above.
    pub(super) path: Vec<String>,
    /// The key.
    pub(super) name: String,
    /// Its place.
    pub(super) at: Range<usize>,
    /// The rest of its line.
    pub(super) value: String,
}

/// The place of a byte.
pub(super) fn cursor(text: &str, byte: usize) -> Cursor {
    let stop = floor(text, byte);
    let document = document(text, stop);
    let mut walker = Walker::new(&text[..stop], document.start);
    walker.walk();
    walker.found.unwrap_or_else(|| {
        let path = walker.stack.iter().map(|level| level.key.clone()).collect();
        Cursor { path, slot: Slot::Key, typed: stop..stop }
    })
}

/// The keys of the YAML document that a byte is in.
pub(super) fn keys(text: &str, byte: usize) -> Vec<KeyAt> {
    let document = document(text, floor(text, byte));
    let mut walker = Walker::new(&text[..document.end], document.start);
    walker.walk();
    walker.keys
}

/// The end of the word that a byte is in.
pub(super) fn word_end(text: &str, byte: usize) -> usize {
    let byte = floor(text, byte);
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    byte + text[byte..].find(|c| !is_word(c)).unwrap_or(text.len() - byte)
}

fn floor(text: &str, byte: usize) -> usize {
    let mut byte = byte.min(text.len());
    while !text.is_char_boundary(byte) {
        byte -= 1;
    }
    byte
}

/// From the `---` before a byte to the next one.
fn document(text: &str, byte: usize) -> Range<usize> {
    let (mut start, mut at) = (0, 0);
    for line in text.split_inclusive('\n') {
        let behind = at + line.len();
        if line.trim_end() == "---" || line.starts_with("--- ") {
            if at >= byte {
                return start..at;
            }
            start = behind.min(text.len());
        }
        at = behind;
    }
    // On the line of the `---` itself the next document begins.
    start.min(byte)..text.len()
}

/// A key of block style that is open.
#[derive(Clone, Debug)]
struct Level {
    indent: usize,
    key: String,
    /// Where its value begins, if that is text: deeper lines belong to it.
    scalar: Option<usize>,
}

struct Walker<'t> {
    /// Up to the place that is asked for.
    text: &'t str,
    at: usize,
    stack: Vec<Level>,
    keys: Vec<KeyAt>,
    found: Option<Cursor>,
}

impl<'t> Walker<'t> {
    fn new(text: &'t str, start: usize) -> Self {
        Self { text, at: start, stack: Vec::new(), keys: Vec::new(), found: None }
    }

    fn walk(&mut self) {
        loop {
            let start = self.at;
            let end = self.text[start..].find('\n').map_or(self.text.len(), |length| start + length);
            self.at = (end + 1).min(self.text.len());
            let is_last = end == self.text.len();
            self.line(start, end, is_last);
            if is_last || self.found.is_some() {
                return;
            }
        }
    }

    /// Reads a line; the last one ends at the place that is asked for.
    fn line(&mut self, start: usize, end: usize, is_last: bool) {
        let line = &self.text[start..end];
        let indent = line.len() - line.trim_start_matches(' ').len();
        let rest = line[indent..].trim_end_matches('\r');
        if rest.is_empty() && !is_last {
            return;
        }
        let is_text = self.stack.last().is_some_and(|level| level.scalar.is_some() && level.indent < indent);
        if rest.starts_with('#') && !is_text {
            if is_last {
                self.set(Slot::Nothing, end..end);
            }
            return;
        }
        // Items of a list may stand below their key without being indented.
        let limit = if dashes(rest) > 0 { indent + 1 } else { indent };
        while self.stack.last().is_some_and(|level| level.indent >= limit) {
            self.stack.pop();
        }
        if let Some(value) = self.stack.last().and_then(|level| level.scalar) {
            if is_last {
                let typed = last_word(self.text, value);
                self.set(Slot::Value(value), typed);
            }
            return;
        }
        let dashes = dashes(rest);
        self.entry(start + indent + dashes, end, indent + dashes, is_last, dashes > 0);
    }

    /// `key: value`, or a part of it, from a byte to the end of the line.
    fn entry(&mut self, start: usize, end: usize, indent: usize, is_last: bool, is_item: bool) {
        let rest = &self.text[start..end];
        let Some((key, behind)) = key(rest) else {
            if rest.starts_with(['{', '[']) {
                self.flow(start);
            } else if is_last {
                let slot = if is_item { Slot::Value(start) } else { Slot::Key };
                self.set(slot, start..end);
            }
            return;
        };
        let value = start + behind + (rest[behind..].len() - rest[behind..].trim_start().len());
        let written = &self.text[value..end];
        self.remember(key, start..start + behind - 1, written);
        let level = |scalar| Level { indent, key: unquoted(key).to_owned(), scalar };
        if written.starts_with(['{', '[']) {
            self.stack.push(level(None));
            self.flow(value);
        } else if written.starts_with(['|', '>']) {
            self.stack.push(level(Some(end + 1)));
            if is_last {
                self.set(Slot::Nothing, end..end);
            }
        } else if written.is_empty() || written.starts_with('#') {
            self.stack.push(level(None));
            if is_last && written.is_empty() {
                self.set(Slot::Value(value), value..end);
            } else if is_last {
                self.set(Slot::Nothing, end..end);
            }
        } else {
            self.stack.push(level(Some(value)));
            if is_last && written.contains(" #") && !written.starts_with(['"', '\'']) {
                self.set(Slot::Nothing, end..end);
            } else if is_last {
                self.set(Slot::Value(value), value..end);
            }
        }
    }

    /// Braces and brackets from a byte on, over lines. Ends behind the last one, or at the place that is asked for.
    fn flow(&mut self, from: usize) {
        let mut frames: Vec<Frame> = Vec::new();
        let mut chars = self.text[from..].char_indices().map(|(at, c)| (from + at, c)).peekable();
        let mut before = ' ';
        while let Some((at, c)) = chars.next() {
            let next = at + c.len_utf8();
            match c {
                '{' | '[' => frames.push(Frame { is_map: c == '{', key: None, start: next }),
                '}' | ']' => {
                    frames.pop();
                    if frames.is_empty() {
                        // What follows on the line is no part of the value.
                        self.at = self.text[next..].find('\n').map_or(self.text.len(), |length| next + length + 1);
                        if self.at == self.text.len() && !self.text.ends_with('\n') {
                            self.set(Slot::Nothing, next..next);
                        }
                        return;
                    }
                }
                ',' => frames.iter_mut().next_back().into_iter().for_each(|frame| *frame = Frame { key: None, start: next, ..*frame }),
                ':' if chars.peek().is_none_or(|(_, c)| c.is_whitespace() || matches!(c, '{' | '[' | ',' | '}')) => {
                    self.flow_key(&mut frames, at);
                }
                '"' | '\'' if before.is_whitespace() || matches!(before, '{' | '[' | ',' | ':') => {
                    let quote = c;
                    while let Some((_, c)) = chars.next() {
                        match c {
                            '\\' if quote == '"' => drop(chars.next()),
                            '\'' if quote == '\'' && chars.next_if(|(_, c)| *c == '\'').is_some() => {}
                            c if c == quote => break,
                            _ => {}
                        }
                    }
                }
                '#' if before.is_whitespace() => {
                    while chars.next_if(|(_, c)| *c != '\n').is_some() {}
                    let behind = chars.peek().map_or(self.text.len(), |(at, _)| *at);
                    // What is due stands behind a comment, unless the text ends inside of it.
                    let blank = |frame: &&mut Frame| self.text[frame.start..at].trim().is_empty() && behind < self.text.len();
                    frames.last_mut().filter(blank).into_iter().for_each(|frame| frame.start = behind);
                }
                _ => {}
            }
            before = c;
        }
        self.flow_end(&frames);
    }

    /// The key before a colon.
    fn flow_key(&mut self, frames: &mut [Frame], colon: usize) {
        let above = self.path(&frames[..frames.len().saturating_sub(1)]);
        let Some(frame) = frames.last_mut().filter(|frame| frame.is_map && frame.key.is_none()) else { return };
        let raw = &self.text[frame.start..colon];
        let start = frame.start + (raw.len() - raw.trim_start().len());
        let name = unquoted(raw.trim()).to_owned();
        let value = self.text[colon + 1..].split([',', '}', '\n']).next().unwrap_or_default().trim().to_owned();
        self.keys.push(KeyAt { path: above, name: name.clone(), at: start..start + raw.trim().len(), value });
        (frame.key, frame.start) = (Some(name), colon + 1);
    }

    /// The text ends inside of braces: the place that is asked for.
    fn flow_end(&mut self, frames: &[Frame]) {
        self.at = self.text.len();
        let Some(last) = frames.last() else { return };
        let raw = &self.text[last.start..];
        let start = last.start + (raw.len() - raw.trim_start().len());
        let line = raw.rsplit('\n').next().unwrap_or_default();
        let slot = if line.trim_start().starts_with('#') || line.contains(" #") {
            Slot::Nothing
        } else if last.is_map && last.key.is_none() {
            Slot::Key
        } else {
            Slot::Value(start)
        };
        let path = self.path(frames);
        self.found = Some(Cursor { path, slot, typed: start..self.text.len() });
    }

    fn path(&self, frames: &[Frame]) -> Vec<String> {
        let block = self.stack.iter().map(|level| level.key.clone());
        block.chain(frames.iter().filter_map(|frame| frame.key.clone())).collect()
    }

    fn remember(&mut self, key: &str, at: Range<usize>, value: &str) {
        let at = at.start..at.start + key.len();
        self.keys.push(KeyAt { path: self.path(&[]), name: unquoted(key).to_owned(), at, value: value.trim().to_owned() });
    }

    fn set(&mut self, slot: Slot, typed: Range<usize>) {
        self.found = Some(Cursor { path: self.path(&[]), slot, typed });
    }
}

/// A brace or a bracket that is open.
#[derive(Clone, Debug)]
struct Frame {
    is_map: bool,
    key: Option<String>,
    /// Where the key or value at hand begins.
    start: usize,
}

/// How many bytes the `- ` of list items take.
fn dashes(rest: &str) -> usize {
    let mut taken = 0;
    while rest[taken..].starts_with("- ") || &rest[taken..] == "-" {
        taken += rest[taken..].len() - rest[taken..].trim_start_matches('-').trim_start().len();
    }
    taken
}

/// The key of a line, and the byte behind its colon.
fn key(rest: &str) -> Option<(&str, usize)> {
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
    let from = match quote {
        Some(quote) => rest[1..].find(quote)? + 2,
        None => 0,
    };
    if rest.starts_with(['{', '[', '#', '|', '>']) {
        return None;
    }
    let ends = |at: &usize| rest[at + 1..].is_empty() || rest[at + 1..].starts_with([' ', '\t', '\r']);
    let colon = rest[from..].match_indices(':').map(|(at, _)| from + at).find(ends)?;
    Some((rest[..colon].trim_end(), colon + 1))
}

fn unquoted(key: &str) -> &str {
    let inner = |quote: char| key.strip_prefix(quote).and_then(|key| key.strip_suffix(quote));
    inner('"').or_else(|| inner('\'')).unwrap_or(key)
}

/// The last word of a text behind a byte.
fn last_word(text: &str, from: usize) -> Range<usize> {
    let from = from.min(text.len());
    let start = text[from..].rfind(char::is_whitespace).map_or(from, |at| from + at + 1);
    start..text.len()
}

#[cfg(test)]
#[path = "tests/cursor.rs"]
mod tests;
