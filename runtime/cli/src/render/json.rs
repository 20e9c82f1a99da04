//! The JSON documents on standard output. Fields may be added in 1.x; none is removed or changes its meaning.

use serde::Serialize;

use super::diagnostics::{Document, Finding, Fix, Mark, Severity};
use crate::exit::Exit;

/// The version of all JSON that kpipe prints.
pub(crate) const FORMAT: &str = "1.0";

/// The envelope of every JSON document: what the command adds stands beside these fields.
#[derive(Debug, Serialize)]
pub(crate) struct Envelope<'a, T> {
    kpipe_format: &'static str,
    exit: ExitJson,
    diagnostics: Vec<DiagnosticJson<'a>>,
    summary: Summary,
    #[serde(flatten)]
    body: T,
}

#[derive(Debug, Serialize)]
struct ExitJson {
    code: u8,
    name: &'static str,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Summary {
    errors: usize,
    warnings: usize,
}

#[derive(Debug, Serialize)]
struct DiagnosticJson<'a> {
    code: Option<&'a str>,
    severity: &'static str,
    message: &'a str,
    primary: Option<PlaceJson<'a>>,
    labels: Vec<LabelJson<'a>>,
    notes: &'a [String],
    help: Option<&'a str>,
    fixes: Vec<FixJson<'a>>,
    yaml_path: Option<&'a str>,
    pipeline: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct PlaceJson<'a> {
    file: &'a str,
    line: usize,
    col: usize,
    end_line: usize,
    end_col: usize,
    byte_start: usize,
    byte_end: usize,
}

#[derive(Debug, Serialize)]
struct LabelJson<'a> {
    text: &'a str,
    #[serde(flatten)]
    place: PlaceJson<'a>,
}

#[derive(Debug, Serialize)]
struct FixJson<'a> {
    applicability: &'static str,
    title: &'a str,
    edits: Vec<EditJson<'a>>,
}

#[derive(Debug, Serialize)]
struct EditJson<'a> {
    #[serde(flatten)]
    place: PlaceJson<'a>,
    replacement: &'a str,
}

/// `{"kpipe_format":"1.0","exit":{...},"diagnostics":[...],"summary":{...}, ...body}` and a line break.
pub(crate) fn document<T: Serialize>(exit: Exit, documents: &[Document], findings: &[Finding], body: T) -> String {
    let summary = Summary { errors: count(findings, Severity::Error), warnings: count(findings, Severity::Warning) };
    let diagnostics = findings.iter().map(|finding| diagnostic(documents, finding)).collect();
    let envelope = Envelope { kpipe_format: FORMAT, exit: ExitJson { code: exit.code(), name: exit.name() }, diagnostics, summary, body };
    let mut text = serde_json::to_string_pretty(&envelope).expect("keys are texts and values have no maps with other keys");
    text.push('\n');
    text
}

/// The same diagnostics as log lines.
pub(crate) fn lines(documents: &[Document], findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let level = match finding.severity {
            Severity::Error => "ERROR",
            Severity::Warning => "WARN",
            Severity::Advice => "INFO",
        };
        let line = LogLine { timestamp: crate::display::now(), level, diagnostic: diagnostic(documents, finding) };
        text.push_str(&serde_json::to_string(&line).expect("keys are texts"));
        text.push('\n');
    }
    text
}

#[derive(Debug, Serialize)]
struct LogLine<'a> {
    timestamp: String,
    level: &'static str,
    #[serde(flatten)]
    diagnostic: DiagnosticJson<'a>,
}

/// How many findings have this severity.
pub(crate) fn count(findings: &[Finding], severity: Severity) -> usize {
    findings.iter().filter(|finding| finding.severity == severity).count()
}

fn diagnostic<'a>(documents: &'a [Document], finding: &'a Finding) -> DiagnosticJson<'a> {
    let Finding { severity, code, message, marks, notes, help, fixes, pipeline, yaml_path } = finding;
    DiagnosticJson {
        code: code.as_deref(),
        severity: severity.word(),
        message,
        primary: marks.first().map(|mark| place(documents, mark)),
        labels: marks.iter().map(|mark| LabelJson { text: &mark.text, place: place(documents, mark) }).collect(),
        notes,
        help: help.as_deref(),
        fixes: fixes.iter().map(|fix| fix_json(documents, fix)).collect(),
        yaml_path: yaml_path.as_deref(),
        pipeline: pipeline.as_deref(),
    }
}

fn fix_json<'a>(documents: &'a [Document], fix: &'a Fix) -> FixJson<'a> {
    let Fix { safe, title, edits } = fix;
    FixJson {
        applicability: if *safe { "machine-applicable" } else { "maybe-incorrect" },
        title,
        edits: edits.iter().map(|(mark, replacement)| EditJson { place: place(documents, mark), replacement }).collect(),
    }
}

fn place<'a>(documents: &'a [Document], mark: &Mark) -> PlaceJson<'a> {
    let Mark { document, span, begin, end, text: _ } = mark;
    PlaceJson {
        file: &documents[*document].name,
        line: begin.line,
        col: begin.column,
        end_line: end.line,
        end_col: end.column,
        byte_start: span.start,
        byte_end: span.end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::diagnostics::tests::sample;

    #[derive(Serialize)]
    struct Empty {}

    #[test]
    fn diagnostics_have_lines_columns_bytes_and_fixes() {
        let (documents, finding) = sample();
        insta::assert_snapshot!(document(Exit::Invalid, &documents, &[finding], Empty {}));
    }

    #[test]
    fn log_lines_have_a_level_and_the_code() {
        let (documents, finding) = sample();
        let text = lines(&documents, &[finding]);
        let value: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!((value["level"].as_str(), value["code"].as_str()), (Some("ERROR"), Some("KP0107")));
        assert_eq!(value["primary"]["line"], 6);
    }

    #[test]
    fn the_body_stands_beside_the_envelope() {
        #[derive(Serialize)]
        struct Body {
            plan: Vec<u8>,
        }
        let text = document(Exit::Done, &[], &[], Body { plan: vec![1] });
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["kpipe_format"], "1.0");
        assert_eq!(value["exit"]["name"], "done");
        assert_eq!(value["plan"][0], 1);
        assert_eq!(value["summary"]["errors"], 0);
    }
}
