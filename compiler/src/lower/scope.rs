//! What every clause needs while a pipeline is lowered.

use std::collections::BTreeMap;

use kpipe_grammar::span::Span;
use miette::Diagnostic;

use crate::catalog::{SinkSpec, SourceSpec};
use crate::document::{Document, EndpointDoc};
use crate::plan::{Naming, OptionValue, Schema};
use crate::report::{Edit, Entry, Report};
use crate::sources::Location;

/// Options of a source that a statement's meaning hangs on.
const SOURCE_OPTIONS: [&str; 2] = ["value.format", "value.schema"];
/// The same of a sink.
const SINK_OPTIONS: [&str; 18] = [
    "format",
    "prefix",
    "compat",
    "partition_by",
    "partition.keep",
    "partition.names",
    "partition.timestamp",
    "partition.parse",
    "partition.zone",
    "separator",
    "flush.records",
    "flush.bytes",
    "flush.interval",
    "flush.idle",
    "flush.schedule",
    "flush.timezone",
    "flush",
    "partition",
];

/// A label: where, and what about it.
pub(super) type Label = (Location, String);

/// The columns of a value, and who says so.
pub(super) struct Declared<'a> {
    pub(super) fields: &'a Schema,
    /// `fields come from orders.avsc`.
    pub(super) origin: String,
    pub(super) at: Location,
}

/// One pipeline on its way down.
pub(super) struct Scope<'a> {
    pub(super) document: &'a Document,
    pub(super) source: &'static SourceSpec,
    pub(super) sink: &'static SinkSpec,
    /// The columns of a value, if they are declared.
    pub(super) schema: Option<Declared<'a>>,
    /// What the statement at hand reads.
    pub(super) from: String,
    /// The schema that samples showed.
    pub(super) sampled: Option<&'a Schema>,
    /// Fields that there are not, and where the report says so.
    pub(super) unknown_fields: BTreeMap<String, usize>,
    report: &'a mut Report,
    failed: bool,
    unknown: bool,
}

impl<'a> Scope<'a> {
    /// `None` if the source is no source or the sink no sink, which is said where they are read.
    pub(super) fn new(document: &'a Document, sampled: Option<&'a Schema>, report: &'a mut Report) -> Option<Self> {
        let source = document.source.connector.source.as_ref()?;
        let sink = document.sink.connector.sink.as_ref()?;
        let absent = |endpoint: &EndpointDoc, paths: &[&str]| paths.iter().any(|path| endpoint.absent.contains(*path));
        let unknown = absent(&document.source, &SOURCE_OPTIONS) || absent(&document.sink, &SINK_OPTIONS);
        Some(Self {
            document,
            source,
            sink,
            schema: None,
            from: String::new(),
            sampled,
            unknown_fields: BTreeMap::new(),
            report,
            failed: false,
            unknown,
        })
    }

    /// Where a part of the KCQL text stands.
    pub(super) fn at(&self, span: Span) -> Location {
        self.document.kcql.locate(span)
    }

    /// Reports a mistake; its first label is the place it is about.
    pub(super) fn error(&mut self, diagnostic: impl Diagnostic + Send + Sync + 'static, labels: impl IntoIterator<Item = Label>) {
        self.error_with_fix(diagnostic, labels, None);
    }

    /// Reports something to think about.
    pub(super) fn warn(&mut self, diagnostic: impl Diagnostic + Send + Sync + 'static, labels: impl IntoIterator<Item = Label>) {
        self.warn_with_fix(diagnostic, labels, None);
    }

    fn entry(&self, diagnostic: impl Diagnostic + Send + Sync + 'static, labels: impl IntoIterator<Item = Label>) -> Entry {
        let entry = Entry::new(self.document.name.at.file, diagnostic);
        labels.into_iter().fold(entry, |entry, (at, text)| entry.label(at, text))
    }

    /// Reports a mistake that an edit of the KCQL text repairs.
    pub(super) fn error_with_fix(
        &mut self,
        diagnostic: impl Diagnostic + Send + Sync + 'static,
        labels: impl IntoIterator<Item = Label>,
        fix: Option<Edit>,
    ) {
        self.failed = true;
        self.warn_with_fix(diagnostic, labels, fix);
    }

    /// Reports something to think about that an edit of the KCQL text makes clear.
    pub(super) fn warn_with_fix(
        &mut self,
        diagnostic: impl Diagnostic + Send + Sync + 'static,
        labels: impl IntoIterator<Item = Label>,
        fix: Option<Edit>,
    ) {
        let entry = self.entry(diagnostic, labels);
        self.report.push(fix.into_iter().fold(entry, |entry, Edit { at, replacement }| entry.fix(at, replacement)));
    }

    /// The edit of the file that puts `replacement` in the place of a part of the KCQL text, where that is certain.
    pub(super) fn edit(&self, span: Span, replacement: &str) -> Option<Edit> {
        let (at, replacement) = self.document.kcql.map.edit(span, replacement)?;
        Some(Edit { at, replacement })
    }

    /// Reports a mistake whose first label may be replaced by a near word, if somebody agrees.
    pub(super) fn error_suggesting(
        &mut self,
        diagnostic: impl Diagnostic + Send + Sync + 'static,
        labels: Vec<Label>,
        written: &str,
        near: Option<&str>,
    ) {
        let first = labels.first().map(|(at, _)| *at);
        let edits = first.zip(near).map(|(at, near)| (at, written.to_owned(), near.to_owned()));
        self.error_with_choices(diagnostic, labels, edits);
    }

    /// Reports a mistake with edits to choose from: where, what stands there, and what would stand there. Gives its place in the report.
    pub(super) fn error_with_choices(
        &mut self,
        diagnostic: impl Diagnostic + Send + Sync + 'static,
        labels: Vec<Label>,
        edits: impl IntoIterator<Item = (Location, String, String)>,
    ) -> usize {
        self.failed = true;
        let entry = self.entry(diagnostic, labels);
        self.report.push(edits.into_iter().fold(entry, |entry, (at, written, near)| entry.suggest(at, written, near)));
        self.report.entries().len() - 1
    }

    /// The statement is wrong, which was said elsewhere.
    pub(super) fn fail(&mut self) {
        self.failed = true;
    }

    /// An unknown field is said once, whatever uses it: true if it was said before, and then with this place too.
    pub(super) fn said_before(&mut self, path: &str, at: Location) -> bool {
        let Some(index) = self.unknown_fields.get(path) else { return false };
        self.report.label(*index, at, "here too");
        true
    }

    /// True if a mistake was reported.
    pub(super) fn failed(&self) -> bool {
        self.failed
    }

    /// True if anything at all is wrong so far, also in the YAML.
    pub(super) fn has_errors(&self) -> bool {
        self.report.has_errors()
    }

    /// Something that decides is not known.
    pub(super) fn set_unknown(&mut self) {
        self.unknown = true;
    }

    /// True if an option that decides is not known: then later stages are silent.
    pub(super) fn is_unknown(&self) -> bool {
        self.unknown
    }

    /// The name of the source's connector.
    pub(super) fn source_name(&self) -> &'static str {
        self.document.source.connector.name
    }

    /// The name of the sink's connector.
    pub(super) fn sink_name(&self) -> &'static str {
        self.document.sink.connector.name
    }

    /// An option of the sink.
    pub(super) fn sink_option(&self, path: &str) -> Option<&'a OptionValue> {
        self.document.sink.options.0.get(path)
    }

    /// The place of an option of the source, or of the source itself.
    pub(super) fn source_at(&self, path: &str) -> Location {
        self.document.source.value_at(path).unwrap_or(self.document.source.at)
    }

    /// The place of an option of the sink, or of the sink itself.
    pub(super) fn sink_at(&self, path: &str) -> Location {
        self.document.sink.value_at(path).unwrap_or(self.document.sink.at)
    }

    /// Whose names objects get.
    pub(super) fn naming(&self) -> Naming {
        match self.document.sink.options.text("compat") {
            Some("confluent") => Naming::Confluent,
            Some("lenses") => Naming::Lenses,
            _ => Naming::Kpipe,
        }
    }
}
