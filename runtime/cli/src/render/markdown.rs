//! Markdown for the comment of a pull request: what was found, each with its excerpt; and what a plan would change.
//!
//! The first line is a mark that a script finds the comment by, to write it anew instead of adding one.

use super::diagnostics::{Document, Finding, Severity, excerpts};
use super::paint::harmless;
use crate::host::Style;

/// Longest comment: GitHub takes 65,536 characters.
const BYTES_MAX: usize = 60_000;
/// From how many findings on each is folded away.
const OPEN_MAX: usize = 5;
/// From how many lines on an excerpt is folded away.
const OPEN_LINES_MAX: usize = 20;
/// Columns of an excerpt.
const STYLE: Style = Style { color: false, graphics: true, width: 100 };

/// A comment of a command, with what the command adds to its diagnostics.
pub(crate) fn comment(command: &str, headline: &str, body: &str, documents: &[Document], findings: &[Finding]) -> String {
    limited(command, headline, body, documents, findings, BYTES_MAX)
}

/// A comment that is not longer than `bytes_max`.
pub(crate) fn limited(command: &str, headline: &str, body: &str, documents: &[Document], findings: &[Finding], bytes_max: usize) -> String {
    let mut text = format!("<!-- kpipe {command} -->\n### kpipe {}\n", escaped(headline.trim()));
    let mut sections: Vec<String> = Vec::new();
    for severity in [Severity::Error, Severity::Warning, Severity::Advice] {
        let all = findings.iter().filter(|finding| finding.severity == severity);
        sections.extend(all.map(|finding| section(documents, finding, findings.len() > OPEN_MAX)));
    }
    sections.extend((!body.is_empty()).then(|| body.to_owned()));
    let count = sections.len();
    for (index, section) in sections.into_iter().enumerate() {
        if text.len() + section.len() > bytes_max {
            text.push_str(&format!("\n{} more had no room here: they stand in the log.\n", count - index));
            break;
        }
        text.push('\n');
        text.push_str(&section);
    }
    text
}

/// One finding; its excerpt is folded away if it is long or one of many.
fn section(documents: &[Document], finding: &Finding, folded: bool) -> String {
    let Finding { severity, code, message, marks, notes, help, fixes: _, pipeline: _, yaml_path: _ } = finding;
    let code = code.as_ref().map(|code| format!("[{code}]")).unwrap_or_default();
    let place = marks.first().map(|mark| format!("{}: ", span(&format!("{}:{}", documents[mark.document].name, mark.begin))));
    let head = format!("**{}{code}** {}{}", severity.word(), place.unwrap_or_default(), escaped(message).replace('\n', " "));
    let drawn = excerpts(STYLE, documents, finding);
    let mut text = format!("- {head}\n");
    let words: Vec<String> =
        notes.iter().map(|note| escaped(note)).chain(help.iter().map(|help| format!("help: {}", escaped(help)))).collect();
    for words in &words {
        text.push_str(&format!("\n  {}\n", words.lines().collect::<Vec<_>>().join("<br>\n  ")));
    }
    if !drawn.is_empty() {
        let block = indented(&fenced("text", &drawn));
        let fold = folded || drawn.lines().count() > OPEN_LINES_MAX;
        text.push_str(&if fold {
            format!("\n  <details><summary>excerpt</summary>\n\n{block}\n  </details>\n")
        } else {
            format!("\n{block}")
        });
    }
    text
}

fn indented(block: &str) -> String {
    block.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") }).collect()
}

/// A fenced block whose fence nothing in it can close.
pub(crate) fn fenced(language: &str, text: &str) -> String {
    let fence = "`".repeat(longest_run(text).max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}\n", text.trim_end_matches('\n'))
}

/// Text in the type of code.
pub(crate) fn span(text: &str) -> String {
    let text = harmless(text).replace(['\n', '|'], " ");
    let marks = "`".repeat(longest_run(&text) + 1);
    let blank = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{marks}{blank}{text}{blank}{marks}")
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// Words of ours with names of others in back-ticks: the names stay code, and nothing outside of them is markup.
pub(crate) fn escaped(text: &str) -> String {
    let text = harmless(text);
    let pieces: Vec<&str> = text.split('`').collect();
    // Without a partner a back-tick is a character like others.
    let is_code = |index: usize| pieces.len() % 2 == 1 && index % 2 == 1 && !pieces[index].is_empty() && !pieces[index].contains('\n');
    let mut safe = String::with_capacity(text.len() + 16);
    for (index, piece) in pieces.iter().enumerate() {
        if is_code(index) {
            safe.push_str(&format!("`{piece}`"));
        } else {
            if index > 0 && !is_code(index - 1) {
                safe.push_str("\\`");
            }
            piece.chars().for_each(|c| escape(&mut safe, c));
        }
    }
    safe
}

fn escape(safe: &mut String, c: char) {
    match c {
        '<' => safe.push_str("&lt;"),
        '>' => safe.push_str("&gt;"),
        '&' => safe.push_str("&amp;"),
        // A name behind it would be told that somebody spoke of it.
        '@' => safe.push_str("&#64;"),
        '\\' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '!' => safe.extend(['\\', c]),
        _ => safe.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::diagnostics::tests::sample;

    fn of(documents: &[Document], findings: &[Finding]) -> String {
        comment("check", "check: 1 file", "", documents, findings)
    }

    #[test]
    fn a_finding_has_its_place_its_help_and_its_excerpt() {
        let (documents, finding) = sample();
        insta::assert_snapshot!(of(&documents, &[finding]));
    }

    #[test]
    fn many_findings_are_folded_and_errors_come_first() {
        let (documents, error) = sample();
        let warning = Finding { severity: Severity::Warning, ..error.clone() };
        let few = of(&documents, &[warning.clone(), error.clone()]);
        assert!(few.find("**error").unwrap() < few.find("**warning").unwrap() && !few.contains("<details>"), "{few}");
        let many = of(&documents, &vec![error; OPEN_MAX + 1]);
        assert_eq!((many.matches("<details>").count(), many.matches("</details>").count()), (OPEN_MAX + 1, OPEN_MAX + 1));
    }

    #[test]
    fn a_comment_has_a_limit_and_says_what_it_leaves_out() {
        let (documents, finding) = sample();
        let text = of(&documents, &vec![finding; 400]);
        assert!(text.len() <= BYTES_MAX + 100, "{}", text.len());
        let sections = text.matches("- **error").count();
        assert!(text.ends_with(&format!("\n{} more had no room here: they stand in the log.\n", 400 - sections)), "{sections}");
        assert_eq!(text.matches("```text").count(), sections, "no section is cut");
    }

    #[test]
    fn names_of_others_are_no_markup() {
        assert_eq!(escaped("`a_b` is <b>not</b> a_b @all #1 [x](y)"), "`a_b` is &lt;b&gt;not&lt;/b&gt; a\\_b &#64;all \\#1 \\[x\\](y)");
        assert_eq!(escaped("one ` alone @x"), "one \\` alone &#64;x");
        assert_eq!(escaped("an empty `` name"), "an empty \\`\\` name");
        assert_eq!((span("a`b|c"), span("`x`")), ("``a`b c``".to_owned(), "`` `x` ``".to_owned()));
        assert_eq!(fenced("", "a ```` b\n"), "`````\na ```` b\n`````\n");
    }

    #[test]
    fn an_excerpt_cannot_leave_its_block() {
        let (mut documents, finding) = sample();
        documents[0].text.text = documents[0].text.text.replace("sensors.raw", "```````raw");
        let at = documents[0].text.text.find("PARTITONBY").unwrap();
        let mut finding = finding;
        finding.marks[0].span = at..at + 10;
        let text = of(&documents, &[finding]);
        assert!(text.contains("\n  ````````text\n") && text.trim_end().ends_with("\n  ````````"), "{text}");
    }
}
