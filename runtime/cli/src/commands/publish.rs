//! Results in the forms that others show: SARIF, annotations, comments. Each is one text on standard output.

use std::fs;
use std::io::Write as _;
use std::path::{Component, Path, PathBuf};

use super::print;
use crate::args::Publication;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::host::Host;
use crate::render::diagnostics::{Document, Finding};
use crate::render::{github, markdown, sarif};

/// The directory of the repository in a job of GitHub Actions.
const WORKSPACE: &str = "GITHUB_WORKSPACE";
/// The file that the summary of a step is appended to.
const STEP_SUMMARY: &str = "GITHUB_STEP_SUMMARY";
/// Longest summary of a step: GitHub takes 1 MiB.
const STEP_SUMMARY_BYTES_MAX: usize = 1_000_000;

/// What a command has to say.
pub(crate) struct Published<'a> {
    /// `check`.
    pub(crate) command: &'a str,
    /// How it ends.
    pub(crate) exit: Exit,
    /// One line.
    pub(crate) headline: &'a str,
    /// What it says beside its diagnostics, as text and as Markdown.
    pub(crate) body: Option<(&'a str, &'a str)>,
    /// The texts that findings point into.
    pub(crate) documents: Vec<Document>,
    /// What was found.
    pub(crate) findings: &'a [Finding],
}

/// Writes it.
pub(crate) fn publish(host: &mut Host<'_>, publication: Publication, published: Published<'_>) -> Result<(), Failure> {
    let Published { command, exit, headline, body, mut documents, findings } = published;
    for document in &mut documents {
        document.name = rooted(host, &document.name);
    }
    let (log, page) = body.unwrap_or_default();
    let text = match publication {
        Publication::Sarif => sarif::document(exit, &documents, findings),
        Publication::Markdown => markdown::comment(command, headline, page, &documents, findings),
        Publication::Github => {
            let summary = markdown::limited(command, headline, page, &documents, findings, STEP_SUMMARY_BYTES_MAX);
            summarize(host, &summary)?;
            github::annotations(&documents, findings) + &github::log(if log.is_empty() { headline } else { log })
        }
    };
    print(host, &text)
}

/// Writes why a command could not do its work.
pub(crate) fn failed(host: &mut Host<'_>, publication: Publication, command: &str, failure: Failure) -> Result<(), Failure> {
    let (exit, mut documents) = (failure.exit, Vec::new());
    let headline = format!("{command}: failed ({})", exit.name().replace('_', " "));
    let findings = [failure.finding(&mut documents)];
    publish(host, publication, Published { command, exit, headline: &headline, body: None, documents, findings: &findings })
}

/// Appends to the summary of the step, where there is one.
fn summarize(host: &Host<'_>, summary: &str) -> Result<(), Failure> {
    let Some(path) = (host.env)(STEP_SUMMARY).filter(|path| !path.is_empty()) else { return Ok(()) };
    let path = PathBuf::from(path);
    let written = fs::OpenOptions::new().create(true).append(true).open(&path).and_then(|mut file| file.write_all(summary.as_bytes()));
    written.map_err(|error| Failure::file("write", &path, &error))
}

/// A name as seen from the root of the repository, where that is known: annotations and alerts are found by it.
fn rooted(host: &Host<'_>, name: &str) -> String {
    let here = std::path::absolute(if host.dir.as_os_str().is_empty() { Path::new(".") } else { &host.dir });
    let Ok(here) = here else { return name.to_owned() };
    let workspace = (host.env)(WORKSPACE).filter(|path| !path.is_empty()).map(PathBuf::from);
    let whole = straight(&here.join(name));
    let inside = workspace.iter().chain([&here]).find_map(|root| whole.strip_prefix(root).ok());
    inside.map_or_else(|| name.to_owned(), |inside| inside.display().to_string())
}

/// A path without `.` and `..`.
fn straight(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut straight, part| {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(straight.pop()),
            Component::Normal(_) | Component::RootDir | Component::Prefix(_) => straight.push(part),
        }
        straight
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Terminal;
    use crate::host::tests::with_host;
    use crate::render::diagnostics::tests::sample;

    fn published(env: impl Fn(&str) -> Option<String> + Send + Sync + 'static, publication: Publication) -> String {
        let (documents, finding) = sample();
        let (result, out, _) = with_host(Path::new("/repo/sub"), Terminal::default(), env, |host| {
            let (headline, findings) = ("check: 1 file", std::slice::from_ref(&finding));
            publish(host, publication, Published { command: "check", exit: Exit::Invalid, headline, body: None, documents, findings })
        });
        result.unwrap();
        out
    }

    #[test]
    fn names_start_at_the_root_of_the_repository() {
        let workspace = |name: &str| (name == WORKSPACE).then(|| "/repo".to_owned());
        let named = |env: fn(&str) -> Option<String>, name: &str| {
            with_host(Path::new("/repo/sub"), Terminal::default(), env, |host| rooted(host, name)).0
        };
        for (name, inside, alone) in [
            ("a.yaml", "sub/a.yaml", "a.yaml"),
            ("../connections.yaml", "connections.yaml", "../connections.yaml"),
            ("/repo/sub/b/c.yaml", "sub/b/c.yaml", "b/c.yaml"),
            ("/else/d.yaml", "/else/d.yaml", "/else/d.yaml"),
        ] {
            assert_eq!((named(workspace, name).as_str(), named(|_| None, name).as_str()), (inside, alone), "{name}");
        }
        assert!(published(workspace, Publication::Github).starts_with("::error file=sub/pipelines/sensors.yaml,"));
        assert!(published(workspace, Publication::Sarif).contains("\"uri\": \"sub/pipelines/sensors.yaml\""));
    }

    #[test]
    fn the_summary_of_a_step_is_appended_to() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("summary.md");
        fs::write(&path, "before\n").unwrap();
        let name = path.display().to_string();
        let out = published(move |asked| (asked == STEP_SUMMARY).then(|| name.clone()), Publication::Github);
        let summary = fs::read_to_string(&path).unwrap();
        assert!(summary.starts_with("before\n<!-- kpipe check -->\n") && summary.contains("**error[KP0107]**"), "{summary}");
        assert!(!out.contains("<!--"), "it stands in the summary alone");
    }
}
