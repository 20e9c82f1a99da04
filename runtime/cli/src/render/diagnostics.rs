//! Diagnostics for people: a heading, the excerpt, the help; or one line each.

use std::fmt::{self, Write as _};
use std::ops::Range;

use kpipe_compiler::report::Masked;
use kpipe_compiler::sources::LineColumn;
use kpipe_grammar::span::Span;
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource};

use super::excerpt;
use super::paint::{Ink, harmless, paint};
use crate::host::Style;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// Nothing runs.
    Error,
    /// It runs, and somebody should look.
    Warning,
    /// Good to know.
    Advice,
}

impl Severity {
    /// The word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Advice => "advice",
        }
    }

    fn ink(self) -> Ink {
        match self {
            Self::Error => Ink::Error,
            Self::Warning => Ink::Warning,
            Self::Advice => Ink::Help,
        }
    }
}

/// A text that findings point into: a file without its secrets.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    /// As the user named it.
    pub(crate) name: String,
    /// What it holds.
    pub(crate) text: Masked,
}

/// A place in a document.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    /// Index of the document.
    pub(crate) document: usize,
    /// Bytes of the file.
    pub(crate) span: Range<usize>,
    /// Where it begins in the file.
    pub(crate) begin: LineColumn,
    /// Behind its last character.
    pub(crate) end: LineColumn,
    /// What is there; may be empty.
    pub(crate) text: String,
}

/// A change that repairs the mistake.
#[derive(Clone, Debug)]
pub(crate) struct Fix {
    /// Whether it can be applied without looking.
    pub(crate) safe: bool,
    /// What it does.
    pub(crate) title: String,
    /// Texts to put in place of spans.
    pub(crate) edits: Vec<(Mark, String)>,
}

/// One thing found.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    /// How bad.
    pub(crate) severity: Severity,
    /// `KP0103`, if there is a code.
    pub(crate) code: Option<String>,
    /// What.
    pub(crate) message: String,
    /// Where; the first is the primary one.
    pub(crate) marks: Vec<Mark>,
    /// More lines.
    pub(crate) notes: Vec<String>,
    /// What to do.
    pub(crate) help: Option<String>,
    /// How to repair it.
    pub(crate) fixes: Vec<Fix>,
    /// The pipeline it is about.
    pub(crate) pipeline: Option<String>,
    /// The path of the key it is about: `source.kafka.brokers`.
    pub(crate) yaml_path: Option<String>,
}

/// The findings in order.
pub(crate) fn render(style: Style, documents: &[Document], findings: &[Finding]) -> String {
    let mut out = String::new();
    for finding in findings {
        if style.graphics { graphical(&mut out, style, documents, finding) } else { plain(&mut out, documents, finding) }
    }
    out
}

/// The first `max` findings in their order, errors before others where not all fit, and how many are left out.
pub(crate) fn first(findings: &[Finding], max: usize) -> (Vec<Finding>, usize) {
    let mut kept: Vec<usize> = (0..findings.len()).collect();
    kept.sort_by_key(|index| findings[*index].severity != Severity::Error);
    kept.truncate(max);
    kept.sort_unstable();
    let hidden = findings.len() - kept.len();
    (kept.into_iter().map(|index| findings[index].clone()).collect(), hidden)
}

/// `file:line:col: error[KP0103]: message`.
fn plain(out: &mut String, documents: &[Document], finding: &Finding) {
    let place = finding.marks.first().map(|mark| place(documents, mark) + ": ").unwrap_or_default();
    let code = finding.code.as_ref().map(|code| format!("[{code}]")).unwrap_or_default();
    let message = harmless(&finding.message).replace('\n', " ");
    out.push_str(&format!("{place}{}{code}: {message}\n", finding.severity.word()));
}

fn place(documents: &[Document], mark: &Mark) -> String {
    let document = &documents[mark.document];
    format!("{}:{}", harmless(&document.name), mark.begin)
}

fn graphical(out: &mut String, style: Style, documents: &[Document], finding: &Finding) {
    let word = finding.severity.word();
    let heading = finding.code.as_ref().map_or_else(|| word.to_owned(), |code| format!("{word}[{code}]"));
    let message = harmless(&finding.message);
    out.push_str(&format!("{}: {}\n", paint(style, finding.severity.ink(), &heading), paint(style, Ink::Strong, &message)));
    out.push_str(&excerpts(style, documents, finding));
    for note in &finding.notes {
        indented(out, style, "", &harmless(note));
    }
    if let Some(help) = &finding.help {
        indented(out, style, &format!("{} ", paint(style, Ink::Help, "help:")), &harmless(help));
    }
    out.push('\n');
}

/// The excerpts of a finding, one or more for each file that it is about.
pub(crate) fn excerpts(style: Style, documents: &[Document], finding: &Finding) -> String {
    let mut out = String::new();
    let mut shown: Vec<usize> = Vec::new();
    for mark in &finding.marks {
        if !shown.contains(&mark.document) {
            shown.push(mark.document);
            snippet(&mut out, style, documents, finding, mark.document);
        }
    }
    out
}

/// A text below the excerpt; its further lines stand under the first.
fn indented(out: &mut String, style: Style, lead: &str, text: &str) {
    let pad = if lead.is_empty() { "  " } else { "        " };
    let lines = text.lines().flat_map(|line| wrapped(line, style.width.saturating_sub(pad.len())));
    for (at, line) in lines.enumerate() {
        let start = if at == 0 { format!("  {lead}") } else { pad.to_owned() };
        out.push_str(&format!("{start}{}\n", line.trim_end()));
    }
}

/// A line in pieces of at most `width` characters, broken at blanks.
fn wrapped(line: &str, width: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for word in line.split_inclusive(' ') {
        let last = pieces.last_mut().map_or(0, |piece| piece.chars().count());
        if last > 0 && last + word.trim_end().chars().count() > width {
            pieces.push(String::new());
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push_str(word);
        }
    }
    pieces
}

/// Lines between two marks that are shown in one piece.
const NEAR_LINES_MAX: usize = 5;

/// The excerpts of one document. miette draws it; heading and help are ours, so that they can be searched for in a log.
fn snippet(out: &mut String, style: Style, documents: &[Document], finding: &Finding, index: usize) {
    let mut marks: Vec<&Mark> = finding.marks.iter().filter(|mark| mark.document == index).collect();
    // Each excerpt shows the place that stands above it: first what it is about, then what lies far from that.
    while let Some(first) = marks.first() {
        let line = first.begin.line;
        let (near, far) = marks.iter().partition(|mark| mark.begin.line.abs_diff(line) <= NEAR_LINES_MAX);
        excerpt(out, style, documents, finding.severity, near);
        marks = far;
    }
}

/// One excerpt of marks that lie near each other.
fn excerpt(out: &mut String, style: Style, documents: &[Document], severity: Severity, marks: Vec<&Mark>) {
    let Some(first) = marks.first() else { return };
    let index = first.document;
    let shown = &documents[index].text;
    let spans: Vec<Range<usize>> = marks.iter().map(|mark| shown.span(Span::new(mark.span.start, mark.span.end))).collect();
    let excerpt::Excerpt { text, spans } = excerpt::prepare(&shown.text, &spans);
    let labels = marks
        .iter()
        .zip(spans)
        .map(|(mark, span)| {
            let text = (!mark.text.is_empty()).then(|| harmless(&mark.text).into_owned());
            LabeledSpan::new(text, span.start, span.len())
        })
        .collect();
    let drawing = Drawing { severity, source: NamedSource::new(place(documents, first), text), labels };
    let theme = if style.color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(style.width)
        .with_context_lines(2)
        .with_links(false)
        .tab_width(4)
        .without_primary_span_start()
        .without_syntax_highlighting()
        .without_cause_chain();
    let mut drawn = String::new();
    if handler.render_report(&mut drawn, &drawing).is_ok() {
        // The first line is the message, which the heading said already.
        let body = drawn.split_once('\n').map_or("", |(_, body)| body);
        for line in body.lines() {
            let _ = writeln!(out, "{}", line.trim_end());
        }
    }
}

/// The part of a finding that miette draws.
#[derive(Debug)]
struct Drawing {
    severity: Severity,
    source: NamedSource<String>,
    labels: Vec<LabeledSpan>,
}

impl fmt::Display for Drawing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("-")
    }
}

impl std::error::Error for Drawing {}

impl miette::Diagnostic for Drawing {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
            Severity::Advice => miette::Severity::Advice,
        })
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn sample() -> (Vec<Document>, Finding) {
        let text =
            "version: 1\npipeline: sensors\nkcql: |\n  INSERT INTO lake:sensors\n  SELECT * FROM sensors.raw\n  PARTITONBY device_id\n";
        let at = text.find("PARTITONBY").unwrap();
        let (begin, end) = (LineColumn { line: 6, column: 3 }, LineColumn { line: 6, column: 13 });
        let mark = |text: &str| Mark { document: 0, span: at..at + 10, begin, end, text: text.to_owned() };
        let finding = Finding {
            severity: Severity::Error,
            code: Some("KP0107".to_owned()),
            message: "`PARTITONBY` is not a KCQL clause".to_owned(),
            marks: vec![mark("did you mean `PARTITIONBY`?")],
            notes: Vec::new(),
            help: Some("write `PARTITIONBY`\nor drop the line".to_owned()),
            fixes: vec![Fix {
                safe: true,
                title: "replace with `PARTITIONBY`".to_owned(),
                edits: vec![(mark(""), "PARTITIONBY".to_owned())],
            }],
            pipeline: Some("sensors".to_owned()),
            yaml_path: Some("kcql".to_owned()),
        };
        (vec![Document { name: "pipelines/sensors.yaml".to_owned(), text: Masked::plain(text) }], finding)
    }

    fn rendered(style: Style, documents: &[Document], finding: &Finding) -> String {
        render(style, documents, std::slice::from_ref(finding))
    }

    #[test]
    fn an_error_shows_file_line_column_and_excerpt() {
        let (documents, finding) = sample();
        insta::assert_snapshot!(rendered(Style::PLAIN, &documents, &finding));
    }

    #[test]
    fn one_line_without_graphics() {
        let (documents, finding) = sample();
        let style = Style { graphics: false, ..Style::PLAIN };
        assert_eq!(rendered(style, &documents, &finding), "pipelines/sensors.yaml:6:3: error[KP0107]: `PARTITONBY` is not a KCQL clause\n");
    }

    #[test]
    fn labels_in_two_files_give_two_excerpts() {
        let (mut documents, mut finding) = sample();
        documents.push(Document { name: "connections.yaml".to_owned(), text: Masked::plain("lake:\n  s3: {}\n") });
        let (begin, end) = (LineColumn { line: 2, column: 3 }, LineColumn { line: 2, column: 5 });
        finding.marks.push(Mark { document: 1, span: 8..10, begin, end, text: "declared here".to_owned() });
        insta::assert_snapshot!(rendered(Style::PLAIN, &documents, &finding));
    }

    #[test]
    fn what_it_is_about_comes_first_also_where_something_far_stands_above() {
        let (mut documents, mut finding) = sample();
        documents[0].text = Masked::plain("a: 1\n".repeat(40));
        let mark = |line: usize, text: &str| {
            let (begin, end) = (LineColumn { line, column: 1 }, LineColumn { line, column: 2 });
            Mark { document: 0, span: (line - 1) * 5..(line - 1) * 5 + 1, begin, end, text: text.to_owned() }
        };
        finding.marks = vec![mark(30, "wrong"), mark(2, "declared"), mark(32, "near")];
        let out = rendered(Style::PLAIN, &documents, &finding);
        let at = |text: &str| out.find(text).unwrap();
        assert!(
            at(":30:1]") < at("wrong") && at("wrong") < at("near") && at("near") < at(":2:1]") && at(":2:1]") < at("declared"),
            "{out}"
        );
    }

    #[test]
    fn hostile_text_is_shown_escaped_everywhere() {
        let (mut documents, mut finding) = sample();
        documents[0].text = Masked::plain(documents[0].text.text.replace("sensors.raw", "sen\x1b[2Jsors\u{202e}"));
        documents[0].name = "a\x1bb.yaml".to_owned();
        finding.message = "bad \x1b]0;title\x07".to_owned();
        finding.help = Some("\u{2066}help".to_owned());
        let at = documents[0].text.text.find("PARTITONBY").unwrap();
        finding.marks[0].span = at..at + 10;
        let out = rendered(Style::PLAIN, &documents, &finding);
        assert!(!out.chars().any(|c| c != '\n' && super::super::paint::is_dangerous(c)), "{out:?}");
        assert!(out.contains("\\u{1b}[2J"), "{out}");
    }

    #[test]
    fn errors_come_first_where_not_all_fit() {
        let (_, error) = sample();
        let warning = Finding { severity: Severity::Warning, ..error.clone() };
        let all = [warning.clone(), error.clone(), warning, error];
        let words = |max| {
            let (shown, hidden) = first(&all, max);
            (shown.iter().map(|finding| finding.severity.word()).collect::<Vec<_>>().join(" "), hidden)
        };
        assert_eq!(words(9), ("warning error warning error".to_owned(), 0));
        assert_eq!(words(3), ("warning error error".to_owned(), 1));
        assert_eq!(words(1), ("error".to_owned(), 3));
    }

    #[test]
    fn long_help_is_wrapped_at_blanks() {
        assert_eq!(wrapped("one two three", 7), ["one two ", "three"]);
        assert_eq!(wrapped("unbreakable", 3), ["unbreakable"]);
        assert_eq!(wrapped("", 3), [""]);
        let (documents, mut finding) = sample();
        finding.help = Some("word ".repeat(40));
        let out = rendered(Style { width: 80, ..Style::PLAIN }, &documents, &finding);
        assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
    }

    #[test]
    fn colours_only_on_request() {
        let (documents, finding) = sample();
        assert!(!rendered(Style::PLAIN, &documents, &finding).contains('\x1b'));
        assert!(rendered(Style { color: true, ..Style::PLAIN }, &documents, &finding).contains("\x1b[1;31merror[KP0107]"));
    }
}
