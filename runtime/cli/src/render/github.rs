//! Workflow commands of GitHub Actions: `::error file=...,line=...::message` shows a message beside the line that it is about.

use kpipe_compiler::plan::wire::fingerprint;

use super::diagnostics::{Document, Finding, Mark, Severity};
use super::paint::harmless;

/// How many annotations of a kind one step may have; GitHub drops what is beyond.
const ANNOTATIONS_MAX: usize = 10;

/// The annotations, errors first, and a line that says how many had no room.
pub(crate) fn annotations(documents: &[Document], findings: &[Finding]) -> String {
    let mut text = String::new();
    let mut hidden = 0;
    for severity in [Severity::Error, Severity::Warning, Severity::Advice] {
        let all = findings.iter().filter(|finding| finding.severity == severity);
        for (index, finding) in all.enumerate() {
            if index < ANNOTATIONS_MAX { text.push_str(&annotation(documents, finding)) } else { hidden += 1 }
        }
    }
    if hidden > 0 {
        let words = format!("{hidden} more had no room here: they stand in the summary of the job");
        text.push_str(&format!("::notice title=kpipe::{}\n", data(&words)));
    }
    text
}

/// A log that gives no commands, whatever it holds.
pub(crate) fn log(body: &str) -> String {
    if body.is_empty() {
        return String::new();
    }
    // Nobody can write a text that holds its own fingerprint.
    let token = fingerprint(body.as_bytes());
    let end = if body.ends_with('\n') { "" } else { "\n" };
    format!("::stop-commands::{token}\n{body}{end}::{token}::\n")
}

fn annotation(documents: &[Document], finding: &Finding) -> String {
    let Finding { severity, code, message, marks, notes, help, fixes: _, pipeline: _, yaml_path: _ } = finding;
    let command = match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Advice => "notice",
    };
    let mut properties: Vec<String> = marks.first().map(|mark| place(documents, mark)).unwrap_or_default();
    properties.push(format!("title={}", property(code.as_deref().unwrap_or("kpipe"))));
    let label = marks.first().map(|mark| &mark.text).filter(|text| !text.is_empty());
    let lines: Vec<&String> = std::iter::once(message).chain(label).chain(notes).chain(help).collect();
    let words: Vec<String> = lines.into_iter().map(|line| data(&harmless(line))).collect();
    format!("::{command} {}::{}\n", properties.join(","), words.join("%0A"))
}

fn place(documents: &[Document], mark: &Mark) -> Vec<String> {
    let Mark { document, span: _, begin, end, text: _ } = mark;
    let file = property(&harmless(&documents[*document].name));
    let mut place = vec![format!("file={file}"), format!("line={}", begin.line), format!("endLine={}", end.line)];
    // Columns of two lines are refused.
    if begin.line == end.line {
        place.extend([format!("col={}", begin.column), format!("endColumn={}", end.column)]);
    }
    place
}

/// The text of a command: `%` and line breaks would end it.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property: `:` and `,` would end it too.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::diagnostics::tests::sample;

    #[test]
    fn an_annotation_names_file_lines_columns_and_code() {
        let (documents, finding) = sample();
        assert_eq!(
            annotations(&documents, &[finding]),
            "::error file=pipelines/sensors.yaml,line=6,endLine=6,col=3,endColumn=13,title=KP0107::`PARTITONBY` is not a KCQL clause%0A\
             did you mean `PARTITIONBY`?%0Awrite `PARTITIONBY`%0Aor drop the line\n"
        );
    }

    #[test]
    fn signs_that_end_a_command_are_escaped() {
        let (mut documents, mut finding) = sample();
        documents[0].name = "a,b:c%.yaml".to_owned();
        finding.message = "100% of\r\n::error::x, y: z".to_owned();
        finding.help = None;
        finding.marks[0].text.clear();
        let text = annotations(&documents, &[finding]);
        assert!(text.starts_with("::error file=a%2Cb%3Ac%25.yaml,line=6,"), "{text}");
        assert!(text.ends_with("title=KP0107::100%25 of\\u{d}%0A::error::x, y: z\n"), "{text}");
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn columns_over_several_lines_are_left_out() {
        let (documents, mut finding) = sample();
        finding.marks[0].end.line = 9;
        let text = annotations(&documents, &[finding]);
        assert!(text.contains("line=6,endLine=9,title=") && !text.contains("col="), "{text}");
    }

    #[test]
    fn each_kind_has_ten_at_most_and_errors_come_first() {
        let (documents, error) = sample();
        let warning = Finding { severity: Severity::Warning, ..error.clone() };
        let advice = Finding { severity: Severity::Advice, marks: Vec::new(), code: None, ..error.clone() };
        let mut all = vec![advice];
        all.extend(std::iter::repeat_n(warning, 12));
        all.extend(std::iter::repeat_n(error, 11));
        let text = annotations(&documents, &all);
        let of = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
        assert_eq!((of("::error "), of("::warning "), of("::notice ")), (10, 10, 2));
        assert!(
            text.starts_with("::error ")
                && text.ends_with("::notice title=kpipe::3 more had no room here: they stand in the summary of the job\n")
        );
    }

    #[test]
    fn a_log_cannot_give_commands() {
        let text = log("a\n::error::x");
        let token = text.lines().next().unwrap().strip_prefix("::stop-commands::").unwrap();
        assert_eq!(text, format!("::stop-commands::{token}\na\n::error::x\n::{token}::\n"));
        assert_eq!((token.len(), log("")), (64, String::new()));
    }
}
