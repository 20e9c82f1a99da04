//! The cases of the language, `cases/clauses/SECTION/ROW-NAME.kcql`, and the page that lists them.
//!
//! A file begins with lines `# ...` that say what it is about. Then each text has a line above it that says what has to become of it:
//!
//! ```text
//! ==== accept                      read without a warning
//! ==== same                        the same, and it says what the text before it says
//! ==== warn at WORDS               read, with a warning about these words
//! ==== reject at WORDS             refused, the first error about these words
//! ==== reject at (nothing)         refused, about a place where something is missing
//! ==== reject in NAME at WORDS     put into `cases/clauses/pipelines/NAME.yaml` and checked as a pipeline
//! ```
//!
//! These lines are written by hand and hold whatever is accepted; what is found in detail stands in `ROW-NAME.expected`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Outcome, expect, kpipe, kpipe_reading};

const CASES: &str = "cases/clauses";
/// The line above a text.
const MARK: &str = "==== ";
/// The words of a place between two characters.
const NOTHING: &str = "(nothing)";
/// Where the text of a pipeline stands.
const KCQL: &str = "kcql: |\n";

type Result<T> = datatest_stable::Result<T>;

/// One file.
struct Case {
    row: String,
    title: String,
    texts: Vec<Text>,
}

/// One text and what has to become of it.
struct Text {
    mark: String,
    verdict: Verdict,
    pipeline: Option<String>,
    /// The words that the first finding is about.
    at: Option<String>,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Accept,
    Same,
    Warn,
    Reject,
}

/// What kpipe says about a text.
struct Found {
    /// What the places count in: the text, or the pipeline around it.
    source: String,
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
    statements: Vec<Map<String, Value>>,
}

/// An error or a warning.
#[derive(Deserialize)]
struct Finding {
    code: String,
    message: String,
    help: Option<String>,
    #[serde(flatten)]
    place: Place,
}

#[derive(Deserialize)]
struct Place {
    line: usize,
    col: usize,
    end_line: usize,
    end_col: usize,
}

/// The answer of `kpipe kcql parse`.
#[derive(Deserialize)]
struct Answer {
    ok: bool,
    statements: Vec<Map<String, Value>>,
    warnings: Vec<Finding>,
    errors: Vec<Finding>,
}

/// One file of texts.
pub(super) fn case(path: &Path) -> Outcome {
    let case = Case::read(path)?;
    let (mut shown, mut wrong) = (String::new(), String::new());
    let mut before = "";
    for text in &case.texts {
        let found = text.run()?;
        let described = found.describe(text);
        if let Some(why) = text.broken(&found, before) {
            writeln!(wrong, "{why}\n{described}")?;
        }
        shown.push_str(&described);
        before = &text.text;
    }
    if wrong.is_empty() { expect(&path.with_extension("expected"), &shown) } else { Err(format!("{}: {wrong}", path.display()).into()) }
}

impl Case {
    fn read(path: &Path) -> Result<Self> {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).ok_or("a case has a name")?;
        let row = stem.split_once('-').map_or(stem, |(row, _)| row).trim_start_matches('0');
        let row = if row.is_empty() { "all".to_owned() } else { row.to_owned() };
        let content = fs::read_to_string(path)?;
        let mut parts = format!("\n{content}").split(&format!("\n{MARK}")).map(str::to_owned).collect::<Vec<_>>().into_iter();
        let head = parts.next().unwrap_or_default();
        let title: Vec<&str> = head.lines().filter_map(|line| line.strip_prefix("# ")).collect();
        let texts = parts.map(|part| Text::read(&part)).collect::<Result<Vec<Text>>>()?;
        if title.is_empty() || texts.is_empty() {
            return Err(format!("{}: a case has a title `# ...` and texts below lines `{MARK}...`", path.display()).into());
        }
        Ok(Self { row, title: title.join(" "), texts })
    }
}

impl Text {
    fn read(part: &str) -> Result<Self> {
        let (mark, text) = part.split_once('\n').unwrap_or((part, ""));
        let (what, at) = mark.split_once(" at ").map_or((mark, None), |(what, at)| (what, Some(at.to_owned())));
        let (verdict, pipeline) = what.split_once(" in ").map_or((what, None), |(verdict, name)| (verdict, Some(name.to_owned())));
        let verdict = match verdict {
            "accept" => Verdict::Accept,
            "same" => Verdict::Same,
            "warn" => Verdict::Warn,
            "reject" => Verdict::Reject,
            other => return Err(format!("`{other}` is no verdict").into()),
        };
        if at.is_none() && matches!(verdict, Verdict::Warn | Verdict::Reject) {
            return Err(format!("`{mark}` does not say where").into());
        }
        Ok(Self { mark: mark.to_owned(), verdict, pipeline, at, text: text.trim_end_matches('\n').to_owned() })
    }

    fn run(&self) -> Result<Found> {
        match &self.pipeline {
            None => self.parse(),
            Some(name) => self.check(name),
        }
    }

    fn parse(&self) -> Result<Found> {
        let (out, err, code) = kpipe_reading(Path::new(CASES), "kpipe kcql parse", &BTreeMap::new(), self.text.as_bytes());
        let answer: Answer = serde_json::from_str(&out).map_err(|error| format!("{error} in {out}{err}"))?;
        let Answer { ok, statements, warnings, errors } = answer;
        if ok != (code == 0) || ok != errors.is_empty() {
            return Err(format!("ok is {ok}, the exit code {code}, with {} errors", errors.len()).into());
        }
        Ok(Found { source: self.text.clone(), errors, warnings, statements })
    }

    /// The text as that of a pipeline.
    fn check(&self, name: &str) -> Result<Found> {
        let mut source = fs::read_to_string(format!("{CASES}/pipelines/{name}.yaml"))?;
        source.push_str(KCQL);
        for line in self.text.lines() {
            writeln!(source, "{}{line}", if line.is_empty() { "" } else { "  " })?;
        }
        let dir = tempfile::tempdir()?;
        fs::write(dir.path().join("pipeline.yaml"), &source)?;
        let (out, err, _) = kpipe(dir.path(), "kpipe check pipeline.yaml --format json", &BTreeMap::new());
        let document: Value = serde_json::from_str(&out).map_err(|error| format!("{error} in {out}{err}"))?;
        let (mut errors, mut warnings) = (Vec::new(), Vec::new());
        for diagnostic in document["diagnostics"].as_array().ok_or("there is a list of diagnostics")? {
            let place = Place::deserialize(&diagnostic["primary"])?;
            let text = |key: &str| diagnostic[key].as_str().map(str::to_owned);
            let finding =
                Finding { code: text("code").unwrap_or_default(), message: text("message").unwrap_or_default(), help: text("help"), place };
            if diagnostic["severity"] == "error" { errors.push(finding) } else { warnings.push(finding) }
        }
        Ok(Found { source, errors, warnings, statements: Vec::new() })
    }

    /// Why what was found is not what has to become of it.
    fn broken(&self, found: &Found, before: &str) -> Option<String> {
        let Found { errors, warnings, .. } = found;
        let verdict = match (errors.as_slice(), warnings.as_slice()) {
            ([], []) if self.verdict == Verdict::Same => {
                let said = |text: &str| kpipe_grammar::parse(text).statements;
                let same = said(before) == said(&self.text) && !said(before).is_empty();
                return (!same).then(|| "it says something else than the text before it".to_owned());
            }
            ([], []) => Verdict::Accept,
            ([], _) => Verdict::Warn,
            _ => Verdict::Reject,
        };
        if verdict != self.verdict {
            return Some(format!("`{}` has to become of it, not {verdict:?}", self.mark));
        }
        let finding = errors.first().or(warnings.first())?;
        let words = finding.place.words(&found.source);
        (Some(&words) != self.at.as_ref()).then(|| format!("`{}` has to become of it, it is about `{words}`", self.mark))
    }
}

impl Place {
    /// What stands there.
    fn words(&self, source: &str) -> String {
        let lines = source.lines().enumerate().skip(self.line - 1).take(self.end_line + 1 - self.line);
        let cut = lines.map(|(index, line)| {
            let from = if index + 1 == self.line { self.col - 1 } else { 0 };
            let to = if index + 1 == self.end_line { self.end_col - 1 } else { line.chars().count() };
            line.chars().skip(from).take(to.saturating_sub(from)).collect::<String>()
        });
        Some(cut.collect::<Vec<_>>().join(" ")).filter(|words| !words.is_empty()).unwrap_or_else(|| NOTHING.to_owned())
    }
}

impl Found {
    /// The text with carets below what is wrong, then each statement as tools see it.
    fn describe(&self, text: &Text) -> String {
        let mut shown = format!("{MARK}{}\n", text.mark);
        let first = text.pipeline.as_ref().map_or(0, |_| self.source.find(KCQL).map_or(0, |at| self.source[..at].lines().count()));
        let findings = || self.errors.iter().map(|one| ("error", one)).chain(self.warnings.iter().map(|one| ("warning", one)));
        for (index, line) in self.source.lines().enumerate() {
            let here: Vec<_> = findings().filter(|(_, finding)| finding.place.line == index + 1).collect();
            if index >= first || !here.is_empty() {
                writeln!(shown, "{}", format!("  {line}").trim_end()).expect("a string takes everything");
            }
            here.iter().for_each(|(severity, finding)| finding.describe(&mut shown, line, severity));
        }
        let after = self.source.lines().count();
        findings()
            .filter(|(_, finding)| finding.place.line > after)
            .for_each(|(severity, finding)| finding.describe(&mut shown, "", severity));
        for statement in &self.statements {
            let lines: Vec<String> = statement.iter().map(|(key, value)| format!("  \"{key}\": {value}")).collect();
            shown.push_str(&format!("{{\n{}\n}}\n", lines.join(",\n")));
        }
        shown.push('\n');
        shown
    }

    /// In a few words, for a table.
    fn summary(&self, text: &Text) -> String {
        let line = |what: &str, finding: &Finding| {
            let words = finding.place.words(&self.source);
            let place = if words == NOTHING { String::new() } else { format!(" at {}", code(&words)) };
            format!("{what} `{}`{place}: {}", finding.code, cell(&finding.message))
        };
        let mut parts: Vec<String> = self.errors.iter().map(|finding| line("refused,", finding)).collect();
        if self.errors.is_empty() {
            let printed: Vec<String> = kpipe_grammar::parse(&text.text).statements.iter().map(ToString::to_string).collect();
            let printed = printed.join("; ");
            let differs = text.pipeline.is_none() && printed != text.text;
            parts.push(if differs { format!("accepted: {}", code(&printed)) } else { "accepted".to_owned() });
        }
        parts.extend(self.warnings.iter().map(|finding| line("warning", finding)));
        parts.join("<br>")
    }
}

impl Finding {
    fn describe(&self, shown: &mut String, line: &str, severity: &str) {
        let Place { line: first, col, end_line, end_col } = self.place;
        let width = if first == end_line { end_col - col } else { line.chars().count() + 1 - col };
        let (pad, carets) = (" ".repeat(col + 1), "^".repeat(width.max(1)));
        shown.push_str(&format!("{pad}{carets} {severity} {}: {}\n", self.code, self.message));
        if let Some(help) = &self.help {
            shown.push_str(&format!("{pad}help: {}\n", help.replace('\n', " ")));
        }
    }
}

/// Text in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('\n', " ")
}

/// The same as code, whatever back-ticks it has.
fn code(text: &str) -> String {
    if text.is_empty() {
        return "(empty)".to_owned();
    }
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let text = lines.join(" ⏎ ").replace('|', "\\|");
    let longest = text.split(|char| char != '`').map(str::len).max().unwrap_or_default();
    let (fence, pad) = ("`".repeat(longest + 1), if longest == 0 { "" } else { " " });
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// The page that lists every case.
pub(super) fn page(path: &Path) -> Outcome {
    let mut text = fs::read_to_string(format!("{CASES}/page.md"))?;
    for folder in sorted(Path::new(CASES))?.into_iter().filter(|folder| folder.is_dir() && !folder.ends_with("pipelines")) {
        text.push_str(&section(&folder)?);
    }
    expect(path, &text)
}

/// `## 1.3 clauses` and a table.
fn section(folder: &Path) -> Result<String> {
    let name = folder.file_name().and_then(|name| name.to_str()).ok_or("a folder has a name")?;
    let (number, words) = name.split_once('-').unwrap_or((name, ""));
    let mut text = format!("\n## {number} {}\n\n| row | what | text | what kpipe does |\n|---|---|---|---|\n", words.replace('-', " "));
    for path in sorted(folder)?.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "kcql")) {
        let case = Case::read(&path)?;
        for (index, one) in case.texts.iter().enumerate() {
            let (row, title) = if index == 0 { (case.row.as_str(), cell(&case.title)) } else { ("", String::new()) };
            let place = one.pipeline.as_ref().map(|name| format!(" in {}", name.replace('-', " to "))).unwrap_or_default();
            writeln!(text, "| {row} | {title} | {}{place} | {} |", code(&one.text), one.run()?.summary(one))?;
        }
    }
    Ok(text)
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}
