//! Open texts over the files on disk, and what the compiler says about them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kpipe_compiler::shape::FileKind;
use kpipe_compiler::sources::{Mode, Sources};
use url::Url;

use super::cursor::{KeyAt, keys};
use super::facts::{Facts, Names};
use super::text::{Encoding, Lines, Span};
use crate::catalog::catalog;
use crate::compile::{Compiled, HostLookups};
use crate::failure::Failure;
use crate::host::Host;
use crate::load;
use crate::render::diagnostics::{Finding, Mark, Severity};

/// How many texts may be open.
const OPEN_MAX: usize = 1_000;
/// How many files beside an open one are looked through for names.
const SIBLINGS_MAX: usize = 100;

/// A text in an editor.
#[derive(Debug)]
pub(super) struct Open {
    /// Where it is stored; none for a text without a file.
    path: Option<PathBuf>,
    /// What it is.
    pub(super) kind: FileKind,
    /// What it holds.
    pub(super) text: String,
    /// The editor's number of it.
    pub(super) version: Option<i64>,
    /// Its pipelines by name, as they were when they could be read last.
    facts: BTreeMap<String, Facts>,
}

/// One mistake as an editor shows it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) span: Span,
    pub(super) severity: Severity,
    pub(super) code: Option<String>,
    pub(super) message: String,
    /// Other places: file, place, what is there.
    pub(super) related: Vec<(String, Span, String)>,
    pub(super) fixes: Vec<QuickFix>,
}

/// Edits that repair a mistake, by file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct QuickFix {
    pub(super) title: String,
    /// Whether it is the only right answer.
    pub(super) is_safe: bool,
    pub(super) edits: Vec<(String, Span, String)>,
}

/// What was found, by file. A file without mistakes that was looked at is there too.
pub(super) type FoundByUri = BTreeMap<String, Vec<Found>>;

/// What came of one text.
#[derive(Default)]
struct Checked {
    /// By file.
    found: Vec<(String, Found)>,
    /// By pipeline.
    facts: Vec<(String, Facts)>,
}

/// Everything that is open.
#[derive(Debug, Default)]
pub(super) struct Project {
    open: BTreeMap<String, Open>,
    /// The profile that values are taken from.
    pub(super) profile: Option<String>,
    /// How the editor counts columns.
    pub(super) encoding: Encoding,
}

impl Open {
    /// Whether it has the keys of one of kpipe's files.
    pub(super) fn is_ours(&self) -> bool {
        is_ours(self.kind, &self.text)
    }
}

impl Project {
    /// Takes a text, or its new state. False if too many are open.
    pub(super) fn put(&mut self, uri: &str, text: String, version: Option<i64>) -> bool {
        if let Some(open) = self.open.get_mut(uri) {
            (open.text, open.version) = (text, version);
            return true;
        }
        if self.open.len() >= OPEN_MAX {
            return false;
        }
        let path = Url::parse(uri).ok().filter(|url| url.scheme() == "file").and_then(|url| url.to_file_path().ok());
        let kind = path.as_deref().map_or(FileKind::Pipeline, load::kind_of);
        self.open.insert(uri.to_owned(), Open { path, kind, text, version, facts: BTreeMap::new() });
        true
    }

    pub(super) fn close(&mut self, uri: &str) {
        self.open.remove(uri);
    }

    pub(super) fn get(&self, uri: &str) -> Option<&Open> {
        self.open.get(uri)
    }

    /// Compiles every open text with the files that belong to it.
    pub(super) fn check(&mut self, host: &Host<'_>) -> FoundByUri {
        let mut all = FoundByUri::new();
        let uris: Vec<String> = self.open.keys().cloned().collect();
        for uri in uris {
            let Checked { found, facts } = self.check_one(host, &uri);
            for (place, found) in found {
                let list = all.entry(place).or_default();
                if !list.contains(&found) {
                    list.push(found);
                }
            }
            if let Some(open) = self.open.get_mut(&uri) {
                open.facts.extend(facts);
            }
            all.entry(uri).or_default();
        }
        all
    }

    fn check_one(&self, host: &Host<'_>, uri: &str) -> Checked {
        let Some(open) = self.open.get(uri).filter(|open| open.is_ours()) else { return Checked::default() };
        let (sources, failures) = self.sources(host, uri, open);
        let lookups = HostLookups::new(Arc::clone(&host.env), host.dir.clone());
        let found = kpipe_compiler::compile(&sources, catalog(), &lookups, Mode::Check);
        let mut compiled = Compiled::default();
        compiled.report(&sources, &found.report);
        let writer = Writer { project: self, sources: &sources, fallback: uri };
        // Failures have no place of their own; they stand at the beginning of the text.
        let failed = failures.into_iter().map(|failure| failure.finding(&mut Vec::new()));
        let mut all: Vec<(String, Found)> = failed.chain(compiled.findings).map(|finding| writer.found(finding)).collect();
        if open.kind == FileKind::Profile {
            // The pipelines around a profile are only read to know what it may name.
            all.retain(|(place, _)| place == uri);
        }
        let facts = found.documents.into_iter().map(|mut document| (std::mem::take(&mut document.name.node), Facts::of(document)));
        Checked { found: all, facts: facts.collect() }
    }

    /// The texts that a check of one reads, and what could not be read.
    fn sources(&self, host: &Host<'_>, uri: &str, open: &Open) -> (Sources, Vec<Failure>) {
        let (mut sources, mut failures) = (Sources::new(), Vec::new());
        let own = open.path.as_ref().map_or_else(|| uri.to_owned(), |path| path.display().to_string());
        let path = open.path.as_deref();
        match open.kind {
            FileKind::Pipeline => drop(sources.add(own, open.text.as_str())),
            FileKind::Connections => drop(sources.add_connections(own, open.text.as_str())),
            FileKind::Profile => {
                let around = path.and_then(Path::parent).and_then(Path::parent);
                let files = around.and_then(|dir| load::find(host, &[dir.to_path_buf()]).ok()).unwrap_or_default();
                for file in files {
                    if let Some(text) = self.read(host, &file, &mut failures) {
                        sources.add(file.display().to_string(), text);
                    }
                }
                sources.add_profile(own, open.text.as_str());
            }
        }
        if let Some(connections) = path.filter(|_| open.kind != FileKind::Connections).and_then(load::connections_of)
            && let Some(text) = self.read(host, &connections, &mut failures)
        {
            sources.add_connections(connections.display().to_string(), text);
        }
        if let (Some(profile), Some(path), FileKind::Pipeline) = (&self.profile, path, open.kind) {
            match load::profile_of(path, profile) {
                Ok(profile) => {
                    if let Some(text) = self.read(host, &profile, &mut failures) {
                        sources.add_profile(profile.display().to_string(), text);
                    }
                }
                Err(failure) => failures.push(failure),
            }
        }
        (sources, failures)
    }

    /// A file as it is open, else as it is on disk.
    fn read(&self, host: &Host<'_>, path: &Path, failures: &mut Vec<Failure>) -> Option<String> {
        if let Some(open) = self.open.values().find(|open| open.path.as_deref() == Some(path)) {
            return Some(open.text.clone());
        }
        load::read(host, path).map(|file| file.text).map_err(|failure| failures.push(failure)).ok()
    }

    /// The file as the editor names it.
    fn uri(&self, name: &str, fallback: &str) -> String {
        let open = self.open.iter().find(|(_, open)| open.path.as_deref() == Some(Path::new(name))).map(|(uri, _)| uri.clone());
        open.or_else(|| Url::from_file_path(name).ok().map(String::from)).unwrap_or_else(|| fallback.to_owned())
    }

    /// What the pipeline at a byte is made of, by its last state that could be read and the keys that stand there now.
    pub(super) fn facts(&self, open: &Open, byte: usize) -> Facts {
        let keys = keys(&open.text, byte);
        let name = keys.iter().find(|key| key.path.is_empty() && key.name == "pipeline").map(|key| key.value.as_str());
        let known = name.and_then(|name| open.facts.get(name.trim_matches(['"', '\'']))).or_else(|| open.facts.values().next());
        known.cloned().unwrap_or_default().with_keys(&keys)
    }

    /// The names in statements of open texts and of the files beside one.
    pub(super) fn names(&self, open: &Open) -> Names {
        let mut names = Names::default();
        self.open.values().for_each(|open| names.add(&open.text));
        let dir = open.path.as_deref().and_then(Path::parent);
        let entries = dir.and_then(|dir| std::fs::read_dir(dir).ok()).into_iter().flatten().flatten().map(|entry| entry.path());
        let is_yaml = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        for path in entries.filter(is_yaml).take(SIBLINGS_MAX) {
            // What cannot be read has no names; whoever opens it is told why.
            if let Some(text) = load::read_limited(&path).ok().and_then(|bytes| String::from_utf8(bytes).ok()) {
                names.add(&text);
            }
        }
        names
    }

    /// The names of the connections that a text may use.
    pub(super) fn connections(&self, host: &Host<'_>, open: &Open) -> Vec<String> {
        let Some(path) = open.path.as_deref().and_then(load::connections_of) else { return Vec::new() };
        let text = self.read(host, &path, &mut Vec::new()).unwrap_or_default();
        let is_name = |key: &KeyAt| key.path == ["connections"];
        keys(&text, 0).into_iter().filter(is_name).map(|key| key.name).collect()
    }
}

/// Findings as an editor takes them.
struct Writer<'p> {
    project: &'p Project,
    sources: &'p Sources,
    fallback: &'p str,
}

impl Writer<'_> {
    fn found(&self, finding: Finding) -> (String, Found) {
        let Finding { severity, code, message, marks, notes, help, fixes, pipeline: _, yaml_path: _ } = finding;
        let mut marks = marks.into_iter();
        let primary = marks.next();
        let (uri, span) = primary.as_ref().map_or_else(|| (self.fallback.to_owned(), Span::default()), |mark| self.place(mark));
        let related = marks.map(|mark| {
            let (uri, span) = self.place(&mark);
            (uri, span, if mark.text.is_empty() { "here".to_owned() } else { mark.text })
        });
        // An editor shows what an edit does before it is made, so what is only likely is offered too.
        let fixes = fixes.into_iter().map(|fix| QuickFix {
            title: self.title(&fix.edits),
            is_safe: fix.safe,
            edits: fix.edits.into_iter().map(|edit| self.edit(edit)).collect(),
        });
        let label = primary.map(|mark| mark.text).filter(|text| !text.is_empty());
        let help = help.map(|help| format!("help: {help}"));
        let message = [message].into_iter().chain(label).chain(notes).chain(help).collect::<Vec<_>>().join("\n");
        (uri, Found { span, severity, code, message, related: related.collect(), fixes: fixes.collect() })
    }

    fn place(&self, mark: &Mark) -> (String, Span) {
        let file = &self.sources.files()[mark.document];
        (self.project.uri(&file.name, self.fallback), Lines::new(&file.text, self.project.encoding).span(&mark.span))
    }

    fn edit(&self, (mark, text): (Mark, String)) -> (String, Span, String) {
        let (uri, span) = self.place(&mark);
        (uri, span, text)
    }

    /// What the edits do, for a menu.
    fn title(&self, edits: &[(Mark, String)]) -> String {
        let [(mark, replacement)] = edits else { return "apply the suggestion".to_owned() };
        let old = self.sources.files()[mark.document].text.get(mark.span.start..mark.span.end).unwrap_or_default();
        match (short(old), short(replacement)) {
            (old, _) if replacement.is_empty() => format!("remove `{old}`"),
            (_, new) if old.is_empty() => format!("insert `{new}`"),
            (old, new) => format!("replace `{old}` with `{new}`"),
        }
    }
}

fn short(text: &str) -> String {
    const SHOWN_MAX: usize = 40;
    let line = text.trim_end().lines().next().unwrap_or_default();
    let mut shown: String = line.chars().take(SHOWN_MAX).collect();
    if shown.len() < text.trim_end().len() {
        shown.push('…');
    }
    shown
}

/// Whether a YAML file is one of kpipe's: editors open others too.
fn is_ours(kind: FileKind, text: &str) -> bool {
    let has = |words: &[&str]| {
        text.lines().any(|line| words.iter().any(|word| line.strip_prefix(word).is_some_and(|rest| rest.trim_start().starts_with(':'))))
    };
    match kind {
        FileKind::Pipeline => has(&["kcql"]) || (has(&["pipeline"]) && has(&["source", "sink", "version"])),
        FileKind::Connections => has(&["connections"]),
        FileKind::Profile => has(&["all", "pipelines", "connections"]),
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn files_of_others_are_left_alone() {
        for (kind, text, ours) in [
            (FileKind::Pipeline, "version: 1\npipeline: a\n", true),
            (FileKind::Pipeline, "pipelin: a\nkcql: |\n", true),
            (FileKind::Pipeline, "services: { kafka: {} }\n", false),
            (FileKind::Pipeline, "steps:\n  kcql: x\n", false),
            (FileKind::Pipeline, "pipeline:\n  build: x\n", false),
            (FileKind::Connections, "connections:\n", true),
            (FileKind::Connections, "a: b\n", false),
            (FileKind::Profile, "all: {}\n", true),
            (FileKind::Profile, "allow: {}\n", false),
        ] {
            assert_eq!(is_ours(kind, text), ours, "{text:?}");
        }
    }

    #[test]
    fn titles_are_short() {
        assert_eq!(short("a\n"), "a");
        assert_eq!(short("a\nb"), "a…");
        assert_eq!(short(&"x".repeat(60)).chars().count(), 41);
    }

    #[test]
    fn only_so_many_texts_are_open() {
        let mut project = Project::default();
        for number in 0..OPEN_MAX {
            assert!(project.put(&format!("untitled:{number}"), String::new(), None));
        }
        assert!(!project.put("untitled:more", String::new(), None));
        assert!(project.put("untitled:1", "x".to_owned(), Some(2)), "one that is open may change");
        project.close("untitled:1");
        assert!(project.put("untitled:more", String::new(), None));
    }
}
