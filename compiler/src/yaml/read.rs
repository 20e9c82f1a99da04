//! Events of the parser to trees, within limits.

use std::collections::HashMap;

use kpipe_grammar::span::Span;
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, StrInput};

use super::error::YamlError;
use super::limits::{ALIASES_MAX, DEPTH_MAX, NODES_MAX};
use super::mistake::{self, Open};
use super::tree::{Entry, Node, Scalar, Style, Value};
use crate::report::{Entry as Diagnosed, Report};
use crate::sources::{FILE_BYTES_MAX, FileId, Location, SourceFile};

/// A repeated text counts as one value for each so many bytes.
const BYTES_PER_NODE: usize = 64;

/// The documents of a file.
#[derive(Debug)]
pub struct Documents {
    /// Their roots. A document that is empty is left out.
    pub roots: Vec<Node>,
    /// False if the file could not be read to its end.
    pub complete: bool,
}

/// Reads a file to its end or to the first mistake that hides what follows it.
#[must_use]
pub fn read(file: &SourceFile, report: &mut Report) -> Documents {
    if file.text.len() > FILE_BYTES_MAX {
        let error = YamlError::TooLong { bytes: file.text.len(), span: Span::new(0, 0) };
        report.push(Diagnosed::new(file.id, error));
        return Documents { roots: Vec::new(), complete: false };
    }
    let mut reader = Reader::new(file);
    let mut roots = Vec::new();
    let complete = match reader.documents(&mut roots) {
        Ok(()) => true,
        Err(error) => {
            reader.errors.push(error);
            false
        }
    };
    for error in reader.errors {
        let fix = error.fix(&file.text);
        let diagnosed = Diagnosed::new(file.id, error);
        report.push(match fix {
            Some((span, replacement)) => diagnosed.fix(Location::new(file.id, span), replacement),
            None => diagnosed,
        });
    }
    Documents { roots, complete }
}

/// Character offsets to byte offsets: the byte of every 64th character.
struct Offsets<'a> {
    text: &'a str,
    sparse: Vec<usize>,
}

const STEP: usize = 64;

impl<'a> Offsets<'a> {
    fn new(text: &'a str) -> Self {
        let sparse = if text.is_ascii() { Vec::new() } else { text.char_indices().step_by(STEP).map(|(byte, _)| byte).collect() };
        Self { text, sparse }
    }

    fn byte(&self, character: usize) -> usize {
        if self.sparse.is_empty() {
            return character.min(self.text.len());
        }
        let Some(start) = self.sparse.get(character / STEP) else { return self.text.len() };
        self.text[*start..].char_indices().nth(character % STEP).map_or(self.text.len(), |(byte, _)| start + byte)
    }
}

struct Reader<'a> {
    file: FileId,
    text: &'a str,
    parser: Parser<'a, StrInput<'a>>,
    offsets: Offsets<'a>,
    anchors: HashMap<usize, (Node, usize)>,
    /// Values so far, and bytes of text so far.
    nodes: usize,
    bytes: usize,
    aliases: usize,
    open: Vec<Open>,
    /// Collections that ended since the last scalar.
    closed: Vec<Open>,
    /// Anchors whose value is not complete yet.
    pending: Vec<usize>,
    last_scalar: Span,
    errors: Vec<YamlError>,
}

type Read<T> = Result<T, YamlError>;

impl<'a> Reader<'a> {
    fn new(file: &'a SourceFile) -> Self {
        Self {
            file: file.id,
            text: &file.text,
            parser: Parser::new_from_str(&file.text),
            offsets: Offsets::new(&file.text),
            anchors: HashMap::new(),
            nodes: 0,
            bytes: 0,
            aliases: 0,
            open: Vec::new(),
            closed: Vec::new(),
            pending: Vec::new(),
            last_scalar: Span::default(),
            errors: Vec::new(),
        }
    }

    fn documents(&mut self, roots: &mut Vec<Node>) -> Read<()> {
        while let Some((event, _)) = self.next()? {
            match event {
                Event::DocumentStart(_) => {
                    self.anchors.clear();
                    let root = self.node()?;
                    if !root.is_null() {
                        roots.push(root);
                    }
                }
                Event::StreamStart
                | Event::StreamEnd
                | Event::DocumentEnd
                | Event::Nothing
                | Event::Alias(_)
                | Event::Scalar(..)
                | Event::SequenceStart(..)
                | Event::SequenceEnd
                | Event::MappingStart(..)
                | Event::MappingEnd => {}
            }
        }
        Ok(())
    }

    /// The next event and its bytes.
    fn next(&mut self) -> Read<Option<(Event<'a>, Span)>> {
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok((event, span))) => {
                let start = self.offsets.byte(span.start.index());
                Ok(Some((event, Span::new(start, self.offsets.byte(span.end.index()).max(start)))))
            }
            Some(Err(error)) => Err(self.mistake(&error)),
        }
    }

    fn mistake(&self, error: &ScanError) -> YamlError {
        let at = self.offsets.byte(error.marker().index());
        mistake::explain(self.text, at, error.info(), mistake::Around { open: &self.open, closed: &self.closed, last: self.last_scalar })
    }

    /// The value that begins with the next event.
    fn node(&mut self) -> Read<Node> {
        match self.next()? {
            Some((event, span)) => self.value(event, span),
            None => Err(YamlError::Syntax { reason: "the text ends too early".to_owned(), span: self.end() }),
        }
    }

    fn end(&self) -> Span {
        Span::new(self.text.len(), self.text.len())
    }

    fn value(&mut self, event: Event<'a>, span: Span) -> Read<Node> {
        self.count(1, span)?;
        match event {
            Event::Alias(id) => self.alias(id, span),
            Event::Scalar(text, style, anchor, tag) => {
                let start = if anchor > 0 || tag.is_some() { self.behind_properties(span.start) } else { span.start };
                let tagged = tag.is_some_and(|tag| self.tag(&tag, span));
                let at = scalar_place(self.text, Span::new(start, span.end.max(start)), style);
                self.last_scalar = at;
                self.closed.clear();
                self.bytes += text.len();
                let scalar = Scalar { text: text.into_owned(), style: own_style(style, tagged) };
                let weight = weight(1, scalar.text.len());
                Ok(self.anchored(anchor, Value::Scalar(scalar), at, weight))
            }
            Event::SequenceStart(anchor, tag) => {
                if let Some(tag) = tag {
                    self.tag(&tag, span);
                }
                self.collection(anchor, span, '[')
            }
            Event::MappingStart(anchor, tag) => {
                if let Some(tag) = tag {
                    self.tag(&tag, span);
                }
                self.collection(anchor, span, '{')
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => Err(YamlError::Syntax { reason: "a value is missing".to_owned(), span }),
        }
    }

    fn count(&mut self, nodes: usize, span: Span) -> Read<()> {
        self.nodes += nodes;
        if self.nodes > NODES_MAX { Err(YamlError::TooManyNodes { span }) } else { Ok(()) }
    }

    /// Remembers a value that has an anchor, with what its repetition counts.
    fn anchored(&mut self, anchor: usize, value: Value, at: Span, weight: usize) -> Node {
        let node = Node { at: Location::new(self.file, at), alias: None, value };
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), weight));
        }
        node
    }

    fn alias(&mut self, id: usize, span: Span) -> Read<Node> {
        self.aliases += 1;
        if self.aliases > ALIASES_MAX {
            return Err(YamlError::TooManyAliases { span });
        }
        let Some((node, weight)) = self.anchors.get(&id) else {
            let name = span.text(self.text).trim_start_matches('*').to_owned();
            let recursive = self.pending.contains(&id);
            return Err(if recursive { YamlError::RecursiveAlias { span } } else { YamlError::UnknownAnchor { name, span } });
        };
        let (mut node, weight) = (node.clone(), *weight);
        self.bytes += weight * BYTES_PER_NODE;
        self.count(weight, span)?;
        node.alias = Some(Location::new(self.file, span));
        Ok(node)
    }

    fn collection(&mut self, anchor: usize, span: Span, bracket: char) -> Read<Node> {
        if self.open.len() == DEPTH_MAX {
            return Err(YamlError::TooDeep { span });
        }
        let start = if anchor > 0 { self.behind_properties(span.start) } else { span.start };
        let written = self.text[start..].starts_with(bracket);
        self.open.push(Open { start, bracket: written.then_some(bracket) });
        self.pending.extend((anchor > 0).then_some(anchor));
        let before = (self.nodes, self.bytes);
        let (value, end) = if bracket == '[' { self.sequence()? } else { self.mapping()? };
        self.closed.extend(self.open.pop());
        self.pending.retain(|pending| *pending != anchor);
        let end = if written && self.text[end.start..].starts_with([']', '}']) {
            end.start + 1
        } else {
            start + self.text[start..end.end.max(start)].trim_end().len()
        };
        let weight = weight(self.nodes - before.0 + 1, self.bytes - before.1);
        Ok(self.anchored(anchor, value, Span::new(start, end), weight))
    }

    fn sequence(&mut self) -> Read<(Value, Span)> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                Some((Event::SequenceEnd, span)) => return Ok((Value::Sequence(items), span)),
                Some((event, span)) => items.push(self.value(event, span)?),
                None => return Err(YamlError::Syntax { reason: "the text ends inside a list".to_owned(), span: self.end() }),
            }
        }
    }

    fn mapping(&mut self) -> Read<(Value, Span)> {
        let mut entries = Entries::default();
        loop {
            match self.next()? {
                Some((Event::MappingEnd, span)) => return Ok((Value::Mapping(entries.finish()), span)),
                Some((event, span)) => {
                    let key = self.value(event, span)?;
                    let value = self.node()?;
                    self.entry(&mut entries, key, value);
                }
                None => return Err(YamlError::Syntax { reason: "the text ends inside a mapping".to_owned(), span: self.end() }),
            }
        }
    }

    fn entry(&mut self, entries: &mut Entries, key: Node, mut value: Node) {
        let place = key.place();
        self.tab_before(place.span);
        let Value::Scalar(scalar) = key.value else {
            self.errors.push(YamlError::ComplexKey { span: place.span });
            return;
        };
        if scalar.is_null() && scalar.text.is_empty() {
            self.errors.push(YamlError::EmptyKey { span: place.span });
            return;
        }
        if scalar.is_plain() && scalar.text == "<<" {
            self.merge(entries, value);
            return;
        }
        if value.at.span.is_empty() && value.alias.is_none() {
            value.at = place;
        }
        if let Some(first) = entries.own.get(&scalar.text) {
            let first = entries.list[*first].at.span;
            self.errors.push(YamlError::DuplicateKey { key: scalar.text, first, second: place.span });
            return;
        }
        entries.push(Entry { key: scalar.text, at: place, value });
    }

    fn merge(&mut self, entries: &mut Entries, value: Node) {
        let span = value.place().span;
        let alias = value.alias;
        match value.value {
            Value::Mapping(merged) => entries.merged.extend(merged.into_iter().map(|entry| used_at(entry, alias))),
            Value::Sequence(items) => {
                for item in items {
                    let alias = item.alias.or(alias);
                    match item.value {
                        Value::Mapping(merged) => entries.merged.extend(merged.into_iter().map(|entry| used_at(entry, alias))),
                        Value::Scalar(_) | Value::Sequence(_) => self.errors.push(YamlError::MergeValue { span: item.at.span }),
                    }
                }
            }
            Value::Scalar(_) => self.errors.push(YamlError::MergeValue { span }),
        }
    }

    /// True for `!!str`. Every other tag is an error.
    fn tag(&mut self, tag: &saphyr_parser::Tag, span: Span) -> bool {
        if tag.is_yaml_core_schema() && tag.suffix == "str" {
            return true;
        }
        let written = self.text[span.start..].find('!').map_or(span.start, |length| span.start + length);
        let length = self.text[written..].find([' ', '\n', '\r', '\t', ',']).unwrap_or(self.text.len() - written);
        let span = Span::new(written, written + length);
        self.errors.push(YamlError::Tag { tag: span.text(self.text).to_owned(), span });
        false
    }

    /// A tab in the indentation of a key. The parser takes some of them.
    fn tab_before(&mut self, key: Span) {
        let before = &self.text[..key.start];
        let line = before.rfind(['\n', '\r']).map_or(0, |at| at + 1);
        let in_flow = self.open.iter().any(|open| open.bracket.is_some());
        let indentation = before[line..].bytes().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        if !in_flow && let Some(tab) = before[line..line + indentation].find('\t') {
            self.errors.push(YamlError::Tab { span: Span::new(line + tab, line + tab + 1) });
        }
    }

    /// Behind `&anchor` and `!tag`, blanks and comments.
    fn behind_properties(&self, start: usize) -> usize {
        let mut at = start;
        loop {
            let rest = &self.text[at..];
            let blank = rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len());
            let after = &rest[blank..];
            let length = match after.chars().next() {
                Some('&' | '!') => after.find(|c: char| c.is_whitespace() || c == ',').unwrap_or(after.len()),
                Some('#') => after.find(['\n', '\r']).unwrap_or(after.len()),
                _ => return at + blank,
            };
            at += blank + length;
        }
    }
}

/// What the repetition of a value counts.
fn weight(nodes: usize, bytes: usize) -> usize {
    nodes + bytes / BYTES_PER_NODE
}

/// The entries of a mapping, those of `<<` apart: they fill in what the mapping does not say itself.
#[derive(Default)]
struct Entries {
    list: Vec<Entry>,
    own: HashMap<String, usize>,
    merged: Vec<Entry>,
}

impl Entries {
    fn push(&mut self, entry: Entry) {
        self.own.insert(entry.key.clone(), self.list.len());
        self.list.push(entry);
    }

    fn finish(mut self) -> Vec<Entry> {
        for entry in std::mem::take(&mut self.merged) {
            if !self.own.contains_key(&entry.key) {
                self.push(entry);
            }
        }
        self.list
    }
}

/// An entry that came through `<<: *alias` is used where the alias stands.
fn used_at(mut entry: Entry, alias: Option<Location>) -> Entry {
    entry.value.alias = entry.value.alias.or(alias);
    entry
}

fn own_style(style: ScalarStyle, tagged: bool) -> Style {
    match style {
        ScalarStyle::Plain if tagged => Style::Tagged,
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted => Style::Single,
        ScalarStyle::DoubleQuoted => Style::Double,
        ScalarStyle::Literal => Style::Literal,
        ScalarStyle::Folded => Style::Folded,
    }
}

/// The bytes of a scalar: with its quotes, without comments behind it, a block without its header.
fn scalar_place(text: &str, span: Span, style: ScalarStyle) -> Span {
    let inner = &text[span.start..span.end];
    match style {
        ScalarStyle::Plain => span,
        ScalarStyle::SingleQuoted => {
            let mut at = 1;
            while let Some(quote) = inner.get(at..).and_then(|rest| rest.find('\'')) {
                at += quote + 1;
                if !inner[at..].starts_with('\'') {
                    return Span::new(span.start, span.start + at);
                }
                at += 1;
            }
            span
        }
        ScalarStyle::DoubleQuoted => {
            let mut escaped = true;
            let close = inner.bytes().position(|byte| {
                let closes = byte == b'"' && !escaped;
                escaped = byte == b'\\' && !escaped;
                closes
            });
            close.map_or(span, |at| Span::new(span.start, span.start + at + 1))
        }
        ScalarStyle::Literal | ScalarStyle::Folded => block_place(text, span),
    }
}

/// A block from its first to its last character. With an anchor the span begins at the header, else behind the indentation.
fn block_place(text: &str, span: Span) -> Span {
    let inner = &text[span.start..span.end];
    let header =
        if inner.starts_with(['|', '>']) && !starts_line(text, span.start) { inner.find(['\n', '\r']).unwrap_or(inner.len()) } else { 0 };
    let blank = if header > 0 { inner[header..].find(|c: char| !c.is_whitespace()).unwrap_or(0) } else { 0 };
    let start = span.start + header + blank;
    let end = span.start + inner.trim_end().len();
    Span::new(start, end.max(start))
}

/// True if only spaces stand before `at` in its line.
fn starts_line(text: &str, at: usize) -> bool {
    text[..at].trim_end_matches(' ').ends_with(['\n', '\r'])
}
