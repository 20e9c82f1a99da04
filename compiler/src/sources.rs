//! What the compiler works on: texts by id, and a door to what references in them stand for. It reads nothing itself.

use std::fmt;
use std::sync::OnceLock;

use kpipe_grammar::span::Span;

use crate::plan::Schema;

/// Largest file that is read.
pub const FILE_BYTES_MAX: usize = 1 << 20;

/// A file of [`Sources`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(u32);

/// A byte range of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The file.
    pub file: FileId,
    /// Bytes of its text.
    pub span: Span,
}

/// A value and where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub node: T,
    /// Its place.
    pub at: Location,
}

/// A place as people count: from 1, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineColumn {
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
}

/// One text.
#[derive(Debug)]
pub struct SourceFile {
    /// Its id.
    pub id: FileId,
    /// Its path as it is shown.
    pub name: String,
    /// Its text.
    pub text: String,
    lines: OnceLock<Vec<usize>>,
}

/// All texts of one run.
#[derive(Debug, Default)]
pub struct Sources {
    files: Vec<SourceFile>,
    pipelines: Vec<FileId>,
    connections: Option<FileId>,
    profile: Option<FileId>,
}

/// What a reference in a text stands for; the caller decides where it looks.
pub trait Lookups {
    /// The environment variable `name`, if it is set.
    fn env(&self, name: &str) -> Option<String>;

    /// The text of the file at `path`; a relative one starts at the folder of the file named `base`.
    ///
    /// # Errors
    ///
    /// Why it cannot be read, as a fragment of a sentence.
    fn file(&self, base: &str, path: &str) -> Result<String, String>;

    /// Whether a file that holds a secret can be read: nothing of it is kept, not even a fingerprint.
    ///
    /// # Errors
    ///
    /// As of [`Lookups::file`].
    fn secret_file(&self, base: &str, path: &str) -> Result<(), String> {
        self.file(base, path).map(drop)
    }

    /// The schema that samples of a pipeline's source showed, for `schema: infer`; none if nobody looked.
    fn sampled(&self, _pipeline: &str) -> Option<Schema> {
        None
    }
}

/// How sure the values have to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A variable that is not set or a file that is not there is an unknown value of a known type.
    Check,
    /// Each reference must lead to a value.
    Plan,
}

impl Sources {
    /// No text at all.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file of pipelines.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        let id = self.push(name.into(), text.into());
        self.pipelines.push(id);
        id
    }

    /// Adds the file of shared connections; the last one counts.
    pub fn add_connections(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        let id = self.push(name.into(), text.into());
        self.connections = Some(id);
        id
    }

    /// Adds the profile; the last one counts.
    pub fn add_profile(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        let id = self.push(name.into(), text.into());
        self.profile = Some(id);
        id
    }

    /// The same files with other texts, in the order of their ids.
    #[must_use]
    pub fn with_texts(&self, texts: impl IntoIterator<Item = String>) -> Self {
        let mut sources =
            Self { pipelines: self.pipelines.clone(), connections: self.connections, profile: self.profile, files: Vec::new() };
        for (file, text) in self.files.iter().zip(texts) {
            sources.push(file.name.clone(), text);
        }
        sources
    }

    fn push(&mut self, name: String, text: String) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        self.files.push(SourceFile { id, name, text, lines: OnceLock::new() });
        id
    }

    /// Every file, in the order of their ids.
    #[must_use]
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// The files of pipelines.
    pub fn pipelines(&self) -> impl Iterator<Item = &SourceFile> {
        self.pipelines.iter().map(|id| self.file(*id))
    }

    /// The file of connections.
    #[must_use]
    pub fn connections(&self) -> Option<&SourceFile> {
        self.connections.map(|id| self.file(id))
    }

    /// The profile.
    #[must_use]
    pub fn profile(&self) -> Option<&SourceFile> {
        self.profile.map(|id| self.file(id))
    }

    /// The file with this id.
    ///
    /// # Panics
    ///
    /// If the id is of other sources.
    #[must_use]
    pub fn file(&self, id: FileId) -> &SourceFile {
        &self.files[id.0 as usize]
    }

    /// The place as `file.yaml:7`.
    #[must_use]
    pub fn place(&self, at: Location) -> String {
        let file = self.file(at.file);
        format!("{}:{}", file.name, file.line_column(at.span.start).line)
    }

    /// The text at a place.
    #[must_use]
    pub fn text(&self, at: Location) -> &str {
        self.file(at.file).text.get(at.span.start..at.span.end).unwrap_or_default()
    }
}

impl FileId {
    /// Its index in [`Sources::files`].
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl SourceFile {
    /// Line and column of a byte; beyond the end those of the end.
    #[must_use]
    pub fn line_column(&self, byte: usize) -> LineColumn {
        let byte = floor(&self.text, byte);
        let starts = self.line_starts();
        let line = starts.partition_point(|start| *start <= byte);
        let column = self.text[starts[line - 1]..byte].chars().filter(|c| *c != '\u{feff}').count() + 1;
        LineColumn { line, column }
    }

    /// A span inside the text that cuts no character in two.
    pub(crate) fn whole_characters(&self, span: Span) -> Span {
        let mut end = span.end.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end += 1;
        }
        Span::new(floor(&self.text, span.start).min(end), end)
    }

    /// The text of a line, counted from 1, without its line break.
    #[must_use]
    pub fn line(&self, line: usize) -> &str {
        let starts = self.line_starts();
        let Some(start) = line.checked_sub(1).and_then(|index| starts.get(index)) else { return "" };
        let end = starts.get(line).copied().unwrap_or(self.text.len());
        self.text[*start..end].trim_end_matches(['\n', '\r'])
    }

    /// The first byte of each line. Made when it is first asked for: a file without diagnostics never needs it.
    fn line_starts(&self) -> &[usize] {
        self.lines.get_or_init(|| {
            let breaks = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect()
        })
    }
}

/// The nearest character boundary at or before `byte`.
fn floor(text: &str, byte: usize) -> usize {
    let mut byte = byte.min(text.len());
    while !text.is_char_boundary(byte) {
        byte -= 1;
    }
    byte
}

impl Location {
    /// `span` of `file`.
    #[must_use]
    pub fn new(file: FileId, span: Span) -> Self {
        Self { file, span }
    }
}

impl<T> Located<T> {
    /// `node` at `at`.
    pub fn new(node: T, at: Location) -> Self {
        Self { node, at }
    }
}

impl fmt::Display for LineColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_in_characters() {
        let mut sources = Sources::new();
        let id = sources.add("a.yaml", "é: 1\r\nb\n");
        let file = sources.file(id);
        assert_eq!(file.line_column(0).to_string(), "1:1");
        assert_eq!(file.line_column(2).to_string(), "1:2");
        assert_eq!(file.line_column(1), file.line_column(0), "inside a character is its beginning");
        assert_eq!(file.line_column(7).to_string(), "2:1");
        assert_eq!(file.line_column(999).to_string(), "3:1");
        assert_eq!((file.line(1), file.line(2), file.line(3), file.line(0), file.line(9)), ("é: 1", "b", "", "", ""));
    }

    #[test]
    fn a_byte_order_mark_is_no_column() {
        let mut sources = Sources::new();
        let id = sources.add("a.yaml", "\u{feff}a: 1");
        assert_eq!(sources.file(id).line_column(3).to_string(), "1:1");
    }

    #[test]
    fn other_texts_stand_in_the_same_files() {
        let mut sources = Sources::new();
        let (pipeline, shared) = (sources.add("a.yaml", "x"), sources.add_connections("connections.yaml", "y"));
        let other = sources.with_texts(["1".to_owned(), "2".to_owned()]);
        assert_eq!((other.file(pipeline).text.as_str(), other.file(shared).text.as_str()), ("1", "2"));
        assert_eq!((other.pipelines().count(), other.connections().map(|file| file.name.as_str())), (1, Some("connections.yaml")));
    }

    #[test]
    fn places_name_the_file_and_the_line() {
        let mut sources = Sources::new();
        let id = sources.add("a.yaml", "x\ny\n");
        let at = Location::new(id, Span::new(2, 3));
        assert_eq!((sources.place(at).as_str(), sources.text(at)), ("a.yaml:2", "y"));
        assert!(sources.connections().is_none() && sources.profile().is_none());
        let shared = sources.add_connections("connections.yaml", "");
        assert_eq!(sources.connections().map(|file| file.id), Some(shared));
        assert_eq!(sources.pipelines().count(), 1);
    }
}
