//! Diagnostics of a run: collected, in a stable order, each mistake once, secrets masked.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use kpipe_grammar::span::Span;
use miette::Diagnostic;

use crate::sources::{FileId, LineColumn, Location, SourceFile, Sources};
use crate::yaml::ScalarMap;

/// How many diagnostics a run shows unless it is told otherwise.
pub const SHOWN_MAX: usize = 20;

/// One diagnostic and what is needed to find its labels.
#[derive(Debug)]
pub struct Entry {
    file: FileId,
    diagnostic: Box<dyn Diagnostic + Send + Sync>,
    map: Option<Arc<ScalarMap>>,
    labels: Vec<(Location, String)>,
    fixes: Vec<Edit>,
    suggestions: Vec<Suggestion>,
}

/// An edit that may be meant, and the text that has to stand there for it.
#[derive(Debug)]
struct Suggestion {
    edit: Edit,
    written: String,
}

/// Replaces the bytes at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced; empty to insert.
    pub at: Location,
    /// By what.
    pub replacement: String,
}

/// What was found wrong in a run.
#[derive(Debug, Default)]
pub struct Report {
    entries: Vec<Entry>,
    secrets: Vec<Location>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing runs.
    Error,
    /// Said and gone on.
    Warning,
    /// Good to know.
    Advice,
}

/// A diagnostic as renderers want it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// `KP0201`.
    pub code: String,
    /// How bad.
    pub severity: Severity,
    /// One line.
    pub message: String,
    /// The first label; none if the diagnostic is about no place.
    pub primary: Option<LabelView>,
    /// The other labels.
    pub secondary: Vec<LabelView>,
    /// How to go on.
    pub help: Option<String>,
    /// Edits that are safe to apply; all of them together are one fix.
    pub fixes: Vec<Edit>,
    /// Edits that may be meant: each by itself is one way to go on, and somebody has to choose.
    pub suggestions: Vec<Edit>,
}

/// A label and its place in every unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelView {
    /// The file.
    pub file: FileId,
    /// Its path as shown.
    pub name: String,
    /// Bytes of its text.
    pub span: Span,
    /// Where it begins.
    pub begin: LineColumn,
    /// Behind its last character.
    pub end: LineColumn,
    /// What stands at the label; may be empty.
    pub text: String,
}

impl Entry {
    /// A diagnostic whose labels are bytes of `file`.
    pub fn new(file: FileId, diagnostic: impl Diagnostic + Send + Sync + 'static) -> Self {
        let (labels, fixes, suggestions) = (Vec::new(), Vec::new(), Vec::new());
        Self { file, diagnostic: Box::new(diagnostic), map: None, labels, fixes, suggestions }
    }

    /// A diagnostic whose labels are bytes of a decoded scalar: a KCQL text.
    pub fn mapped(map: &Arc<ScalarMap>, diagnostic: impl Diagnostic + Send + Sync + 'static) -> Self {
        Self { map: Some(Arc::clone(map)), ..Self::new(map.file(), diagnostic) }
    }

    /// One more label, in any file.
    #[must_use]
    pub fn label(mut self, at: Location, text: impl Into<String>) -> Self {
        self.labels.push((at, text.into()));
        self
    }

    /// An edit that is safe to apply.
    #[must_use]
    pub fn fix(mut self, at: Location, replacement: impl Into<String>) -> Self {
        self.fixes.push(Edit { at, replacement: replacement.into() });
        self
    }

    /// An edit of the decoded text of its scalar, where the file says it in the same way; else the mistake has no fix.
    #[must_use]
    pub fn fix_in_scalar(mut self, fix: Option<kpipe_grammar::Fix>) -> Self {
        let edit = fix.zip(self.map.as_ref()).and_then(|(fix, map)| map.edit(fix.span, &fix.replacement));
        self.fixes.extend(edit.map(|(at, replacement)| Edit { at, replacement }));
        self
    }

    /// An edit that may be meant, in place of `written`. It is only shown where the file has this text at the place, letter by letter; marks
    /// may stand around it.
    #[must_use]
    pub fn suggest(mut self, at: Location, written: impl Into<String>, replacement: impl Into<String>) -> Self {
        let edit = Edit { at, replacement: replacement.into() };
        self.suggestions.push(Suggestion { edit, written: written.into() });
        self
    }

    /// The diagnostic itself.
    #[must_use]
    pub fn diagnostic(&self) -> &(dyn Diagnostic + Send + Sync) {
        self.diagnostic.as_ref()
    }

    /// Its code.
    #[must_use]
    pub fn code(&self) -> String {
        self.diagnostic.code().map(|code| code.to_string()).unwrap_or_default()
    }

    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self.diagnostic.severity() {
            Some(miette::Severity::Warning) => Severity::Warning,
            Some(miette::Severity::Advice) => Severity::Advice,
            Some(miette::Severity::Error) | None => Severity::Error,
        }
    }

    /// Every label with its place in a file, the first one first.
    fn located(&self) -> Vec<(Location, String)> {
        let own = self.diagnostic.labels().into_iter().flatten().map(|label| {
            let span = Span::new(label.offset(), label.offset() + label.len());
            let at = match &self.map {
                Some(map) => map.locate(span),
                None => Location::new(self.file, span),
            };
            (at, label.label().unwrap_or_default().to_owned())
        });
        own.chain(self.labels.iter().cloned()).collect()
    }

    fn view(&self, sources: &Sources) -> View {
        let mut labels = self.located().into_iter().map(|(at, text)| LabelView::new(sources.file(at.file), at, text));
        View {
            code: self.code(),
            severity: self.severity(),
            message: seen(&self.diagnostic.to_string()),
            primary: labels.next(),
            secondary: labels.collect(),
            help: self.diagnostic.help().map(|help| help.to_string().lines().map(seen).collect::<Vec<_>>().join("\n")),
            fixes: self.fixes.clone(),
            suggestions: self.suggestions.iter().filter_map(|one| one.edit_in(sources)).collect(),
        }
    }
}

impl Suggestion {
    /// The edit where its text stands, alone or once within marks or a longer text; none where it does not.
    fn edit_in(&self, sources: &Sources) -> Option<Edit> {
        let mut found = sources.text(self.edit.at).match_indices(&self.written);
        let (start, _) = found.next().filter(|_| found.next().is_none())?;
        let start = self.edit.at.span.start + start;
        let at = Location::new(self.edit.at.file, Span::new(start, start + self.written.len()));
        Some(Edit { at, replacement: self.edit.replacement.clone() })
    }
}

impl LabelView {
    fn new(file: &SourceFile, at: Location, text: String) -> Self {
        let span = file.whole_characters(at.span);
        let (begin, end) = (file.line_column(span.start), file.line_column(span.end));
        Self { file: file.id, name: file.name.clone(), span, begin, end, text: seen(&text) }
    }
}

impl Report {
    /// Adds a diagnostic.
    pub fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Adds everything of another report.
    pub fn append(&mut self, other: Report) {
        self.entries.extend(other.entries);
        self.secrets.extend(other.secrets);
    }

    /// One more label of the diagnostic that was added as the entry with this index.
    pub fn label(&mut self, index: usize, at: Location, text: impl Into<String>) {
        if let Some(entry) = self.entries.get_mut(index) {
            entry.labels.push((at, text.into()));
        }
    }

    /// Never shows the text at this place.
    pub fn mask(&mut self, at: Location) {
        self.secrets.push(at);
    }

    /// True if anything of this place is masked.
    fn is_secret(&self, at: Location) -> bool {
        let end = at.span.end.max(at.span.start + 1);
        self.secrets.iter().any(|secret| secret.file == at.file && secret.span.start < end && at.span.start < secret.span.end)
    }

    /// The diagnostics in the order they were found.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// True if anything is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.entries.iter().any(|entry| entry.severity() == Severity::Error)
    }

    /// How many of this severity, each mistake once.
    #[must_use]
    pub fn count(&self, sources: &Sources, severity: Severity) -> usize {
        self.views(sources).iter().filter(|view| view.severity == severity).count()
    }

    /// Every diagnostic once, by file and byte.
    #[must_use]
    pub fn views(&self, sources: &Sources) -> Vec<View> {
        let mut views: Vec<View> = self.entries.iter().map(|entry| entry.view(sources)).collect();
        for view in &mut views {
            // An edit of a secret would show it, or put it where nobody looks for it.
            if view.fixes.iter().any(|edit| self.is_secret(edit.at)) {
                view.fixes.clear();
            }
            view.suggestions.retain(|edit| !self.is_secret(edit.at));
        }
        views.sort_by_cached_key(|view| (position(view), view.severity, view.code.clone()));
        let mut seen = HashSet::new();
        views.retain(|view| seen.insert((position(view), view.code.clone(), view.message.clone())));
        views
    }

    /// The first `max` of [`Report::views`], errors before warnings where not all fit, and how many are left out.
    #[must_use]
    pub fn shown(&self, sources: &Sources, max: usize) -> (Vec<View>, usize) {
        let mut views = self.views(sources);
        let hidden = views.len().saturating_sub(max);
        if hidden > 0 {
            let mut order: Vec<usize> = (0..views.len()).collect();
            order.sort_by_key(|index| views[*index].severity);
            let kept: HashSet<usize> = order.into_iter().take(max).collect();
            let mut index = 0;
            views.retain(|_| {
                index += 1;
                kept.contains(&(index - 1))
            });
        }
        (views, hidden)
    }

    /// The text of a file with every secret replaced by a mask that tells nothing, not even a length.
    #[must_use]
    pub fn masked(&self, sources: &Sources, file: FileId) -> Masked {
        let file_of = sources.file(file);
        let mut secrets: Vec<Span> = self
            .secrets
            .iter()
            .filter(|at| at.file == file)
            .map(|at| file_of.whole_characters(at.span))
            .filter(|span| !span.is_empty())
            .collect();
        secrets.sort_unstable_by_key(|span| (span.start, span.end));
        let text = &file_of.text;
        let mut masked = Masked { text: String::with_capacity(text.len()), moved: Vec::new() };
        let mut done = 0;
        for secret in secrets {
            // A line of a secret is masked by itself, so that lines keep their numbers.
            let mut at = secret.start.max(done);
            for line in text.get(at..secret.end).unwrap_or_default().split_inclusive('\n') {
                let body = line.trim_end_matches(['\n', '\r']);
                masked.copy(text, done..at);
                masked.hide(at..at + body.len());
                done = at + body.len();
                at += line.len();
            }
        }
        masked.copy(text, done..text.len());
        masked
    }
}

/// What stands in the place of a secret.
const MASK: &str = "********";

/// A text without its secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Masked {
    /// The text.
    pub text: String,
    /// What was replaced: where it stood, and where its mask stands.
    moved: Vec<(Range<usize>, usize)>,
}

impl Masked {
    /// A text that has no secrets.
    pub fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), moved: Vec::new() }
    }

    /// Where bytes of the file stand in this text; a part of a secret is its whole mask.
    #[must_use]
    pub fn span(&self, span: Span) -> Range<usize> {
        let start = self.shift(span.start, 0);
        start..self.shift(span.end, MASK.len()).max(start)
    }

    /// Where a byte stands now; `inside` is added within a mask.
    fn shift(&self, at: usize, inside: usize) -> usize {
        let before = self.moved.partition_point(|(was, _)| was.start < at);
        match before.checked_sub(1).map(|index| &self.moved[index]) {
            None => at,
            Some((was, now)) if at < was.end => now + inside,
            Some((was, now)) => now + MASK.len() + (at - was.end),
        }
    }

    fn copy(&mut self, text: &str, range: Range<usize>) {
        self.text.push_str(text.get(range).unwrap_or_default());
    }

    fn hide(&mut self, range: Range<usize>) {
        if !range.is_empty() {
            self.moved.push((range, self.text.len()));
            self.text.push_str(MASK);
        }
    }
}

/// Words of a file as a message shows them: what cannot be seen, or turns the direction of a text, by its code.
fn seen(text: &str) -> String {
    let is_hidden = |char: char| matches!(char, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        if char.is_control() || is_hidden(char) { shown.extend(char.escape_unicode()) } else { shown.push(char) }
    }
    shown
}

fn position(view: &View) -> Option<(FileId, usize, usize)> {
    view.primary.as_ref().map(|label| (label.file, label.span.start, label.span.end))
}

#[cfg(test)]
mod tests {
    use thiserror::Error;

    use super::*;
    use crate::yaml::{Segment, Style, YamlError};

    #[derive(Debug, Error, Diagnostic)]
    #[error("{message}")]
    #[diagnostic(code(KP0201), severity(Warning), help("remove it"))]
    struct Minor {
        message: &'static str,
        #[label("here")]
        span: Span,
    }

    fn tab(start: usize) -> YamlError {
        YamlError::Tab { span: Span::new(start, start + 1) }
    }

    fn sources() -> (Sources, FileId, FileId) {
        let mut sources = Sources::new();
        let first = sources.add("a.yaml", "one\ntwo é three\n");
        let second = sources.add("b.yaml", "four\n");
        (sources, first, second)
    }

    fn places(views: &[View]) -> Vec<String> {
        let place = |label: &LabelView| format!("{}:{}", label.name, label.begin);
        views.iter().map(|view| view.primary.as_ref().map(place).unwrap_or_default()).collect()
    }

    #[test]
    fn words_hold_nothing_that_cannot_be_seen() {
        let (sources, first, _) = sources();
        let at = Location::new(first, Span::new(0, 3));
        let entry = Entry::new(first, Minor { message: "a\tb\u{1b}[31m\u{202e}", span: Span::new(8, 10) }).label(at, "x\ny");
        let view = entry.view(&sources);
        assert_eq!((view.message.as_str(), view.secondary[0].text.as_str()), (r"a\u{9}b\u{1b}[31m\u{202e}", r"x\u{a}y"));
    }

    #[test]
    fn diagnostics_come_once_by_file_and_byte() {
        let (sources, first, second) = sources();
        let mut report = Report::default();
        for entry in [Entry::new(second, tab(0)), Entry::new(first, tab(5)), Entry::new(first, tab(1)), Entry::new(first, tab(5))] {
            report.push(entry);
        }
        let mut more = Report::default();
        more.push(Entry::new(second, Minor { message: "minor", span: Span::new(0, 1) }));
        report.append(more);
        assert_eq!(places(&report.views(&sources)), ["a.yaml:1:2", "a.yaml:2:2", "b.yaml:1:1", "b.yaml:1:1"]);
        assert_eq!((report.count(&sources, Severity::Error), report.count(&sources, Severity::Warning)), (3, 1));
        assert!(report.has_errors() && report.entries().len() == 5);
    }

    #[test]
    fn errors_are_shown_before_warnings_where_not_all_fit() {
        let (sources, first, second) = sources();
        let mut report = Report::default();
        report.push(Entry::new(first, Minor { message: "minor", span: Span::new(0, 1) }));
        report.push(Entry::new(first, tab(5)));
        report.push(Entry::new(second, tab(2)));
        let (shown, hidden) = report.shown(&sources, 2);
        assert_eq!((places(&shown), hidden), (vec!["a.yaml:2:2".to_owned(), "b.yaml:1:3".to_owned()], 1));
        let (shown, hidden) = report.shown(&sources, 20);
        assert_eq!((shown.len(), hidden), (3, 0));
    }

    #[test]
    fn a_view_has_every_label_in_every_unit() {
        let (sources, first, second) = sources();
        let at = Location::new(second, Span::new(0, 4));
        let entry = Entry::new(first, Minor { message: "minor", span: Span::new(8, 10) }).label(at, "there").fix(at, "five");
        let view = entry.view(&sources);
        let primary = view.primary.unwrap();
        assert_eq!((primary.begin.to_string().as_str(), primary.end.to_string().as_str(), primary.text.as_str()), ("2:5", "2:6", "here"));
        assert_eq!((view.secondary[0].name.as_str(), view.secondary[0].text.as_str()), ("b.yaml", "there"));
        assert_eq!((view.code.as_str(), view.severity, view.help.as_deref()), ("KP0201", Severity::Warning, Some("remove it")));
        assert_eq!(view.fixes, [Edit { at, replacement: "five".to_owned() }]);
        let beyond = Entry::new(second, tab(900)).view(&sources).primary.unwrap();
        assert_eq!((beyond.span, beyond.begin.to_string().as_str()), (Span::new(5, 5), "2:1"));
    }

    #[test]
    fn labels_of_a_scalar_are_mapped_into_the_file() {
        let (sources, first, _) = sources();
        let segments = vec![Segment { decoded: Span::new(0, 3), source: Span::new(4, 7), whole: false }];
        let map = Arc::new(ScalarMap::new(Location::new(first, Span::new(4, 7)), Style::Literal, segments));
        let view = Entry::mapped(&map, Minor { message: "minor", span: Span::new(1, 2) }).view(&sources);
        let primary = view.primary.unwrap();
        assert_eq!((primary.span, primary.begin.to_string().as_str()), (Span::new(5, 6), "2:2"));
    }

    #[test]
    fn a_mask_tells_no_length_and_lines_stay_where_they_are() {
        let (sources, first, second) = sources();
        let mut report = Report::default();
        report.mask(Location::new(first, Span::new(2, 10)));
        report.mask(Location::new(first, Span::new(99, 120)));
        assert_eq!(report.masked(&sources, first).text, "on********\n******** three\n");
        assert_eq!(report.masked(&sources, second), Masked::plain("four\n"));
        report.mask(Location::new(first, Span::new(9, 13)));
        assert_eq!(report.masked(&sources, first).text, "on********\n****************ree\n", "secrets that meet");
    }

    #[test]
    fn places_around_a_mask_are_found_again() {
        let mut sources = Sources::new();
        let file = sources.add("a.yaml", "user: a, password: x, port: 1\n");
        let mut report = Report::default();
        report.mask(Location::new(file, Span::new(19, 20)));
        let masked = report.masked(&sources, file);
        assert_eq!(masked.text, "user: a, password: ********, port: 1\n");
        for (start, end, shown) in
            [(0, 4, "user"), (9, 17, "password"), (19, 20, "********"), (9, 20, "password: ********"), (22, 26, "port")]
        {
            assert_eq!(&masked.text[masked.span(Span::new(start, end))], shown);
        }
        assert_eq!(masked.span(Span::new(20, 20)), 27..27, "behind the mask");
    }

    #[test]
    fn an_edit_of_a_secret_is_no_fix() {
        let (sources, first, _) = sources();
        let fixes = |start: usize, end: usize| {
            let mut report = Report::default();
            report.mask(Location::new(first, Span::new(4, 7)));
            let at = Location::new(first, Span::new(start, end));
            report.push(Entry::new(first, tab(1)).fix(at, "x"));
            report.views(&sources)[0].fixes.len()
        };
        for (start, end) in [(4, 7), (0, 5), (6, 9), (5, 6), (4, 4), (5, 5)] {
            assert_eq!(fixes(start, end), 0, "{start}..{end}");
        }
        for (start, end) in [(0, 4), (7, 9), (0, 0), (7, 7)] {
            assert_eq!(fixes(start, end), 1, "{start}..{end}");
        }
    }

    #[test]
    fn a_suggestion_needs_the_text_that_it_replaces() {
        let (sources, first, _) = sources();
        let at = Location::new(first, Span::new(0, 3));
        let suggested = |written: &str| Entry::new(first, tab(1)).suggest(at, written, "two").view(&sources).suggestions.len();
        assert_eq!((suggested("one"), suggested("ONE"), suggested("onety")), (1, 0, 0));
        let marked = Location::new(first, Span::new(0, 7));
        let view = Entry::new(first, tab(1)).suggest(marked, "two", "2").view(&sources);
        assert_eq!(view.suggestions, [Edit { at: Location::new(first, Span::new(4, 7)), replacement: "2".to_owned() }], "within");
        assert!(Entry::new(first, tab(1)).suggest(marked, "o", "0").view(&sources).suggestions.is_empty(), "which of them?");
        let mut report = Report::default();
        report.push(Entry::new(first, tab(1)).suggest(at, "one", "two"));
        report.mask(at);
        assert!(report.views(&sources)[0].suggestions.is_empty(), "of a secret");
    }

    #[test]
    fn half_a_character_is_never_cut_out() {
        let (sources, first, _) = sources();
        let mut report = Report::default();
        report.mask(Location::new(first, Span::new(0, 9)));
        let masked = report.masked(&sources, first);
        assert_eq!(masked.text, "********\n******** three\n");
        assert_eq!(&masked.text[masked.span(Span::new(1, 2))], "********", "a part of a secret is all of its mask");
    }
}
