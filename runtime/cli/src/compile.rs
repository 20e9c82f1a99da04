//! From files to plans: loads, compiles, and turns the compiler's report into findings.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use kpipe_compiler::document::Document as PipelineDocument;
use kpipe_compiler::lower::{Places, unsampled};
use kpipe_compiler::plan::wire::fingerprint;
use kpipe_compiler::plan::{Pipeline, Schema};
use kpipe_compiler::report::{Edit, LabelView, Report, Severity, View};
use kpipe_compiler::sources::{Lookups, Mode, Sources};

use crate::catalog::catalog;
use crate::failure::Failure;
use crate::host::{EnvReader, Host};
use crate::load::{self, Group};
use crate::origin::{Origin, Texts};
use crate::outline::Outline;
use crate::paths;
use crate::render::diagnostics::{self, Document, Finding, Fix, Mark};

/// A pipeline and where it comes from.
#[derive(Debug)]
pub(crate) struct Unit {
    /// What is to run.
    pub(crate) pipeline: Pipeline,
    /// Where its parts are written; `None` for a saved plan.
    pub(crate) origin: Option<Origin>,
    /// Where its relative paths start, as its plan names it.
    pub(crate) folder: String,
}

/// What the files say.
#[derive(Debug, Default)]
pub(crate) struct Compiled {
    /// The pipelines in the order of the files; only those without errors.
    pub(crate) pipelines: Vec<Unit>,
    /// The texts that findings point into.
    pub(crate) documents: Vec<Document>,
    /// What was found, by file and place.
    pub(crate) findings: Vec<Finding>,
    /// True if anything is an error.
    pub(crate) has_errors: bool,
    /// How many files there are.
    pub(crate) files: usize,
    /// How many pipelines could be read whole, with or without mistakes.
    pub(crate) read: usize,
    /// SHA-256 of every file that was read, by name.
    pub(crate) fingerprints: BTreeMap<String, String>,
}

/// Finds the schemas of pipelines that ask for `schema: infer`, by their names.
pub(crate) type Sampler<'a> = &'a dyn Fn(&[Pipeline]) -> Result<BTreeMap<String, Schema>, Failure>;

/// Loads and compiles what `paths` name. Without a sampler, a schema that has to be inferred is an error.
pub(crate) fn compile(
    host: &Host<'_>,
    paths: &[PathBuf],
    profile: Option<&str>,
    mode: Mode,
    sampler: Option<Sampler<'_>>,
) -> Result<Compiled, Failure> {
    let lookups = HostLookups::new(Arc::clone(&host.env), host.dir.clone());
    let mut compiled = Compiled::default();
    for group in load::load(host, paths, profile)? {
        compiled.add(group, &lookups, mode, sampler)?;
    }
    Ok(compiled)
}

impl Compiled {
    /// Compiles one group of files and adds what came of it.
    pub(crate) fn add(&mut self, group: Group, lookups: &HostLookups, mode: Mode, sampler: Option<Sampler<'_>>) -> Result<(), Failure> {
        self.files += group.pipelines.len();
        for file in group.files() {
            self.fingerprints.insert(file.name.clone(), fingerprint(file.text.as_bytes()));
        }
        let sources = group.sources();
        let mut found = kpipe_compiler::compile(&sources, catalog(), lookups, mode);
        let here = |document: &PipelineDocument| paths::parent(&sources.file(document.name.at.file).name);
        let situated = |document| Some(paths::situated(&unsampled(document)?, &lookups.dir.join(here(document))));
        let unsampled: Vec<Pipeline> = found.documents.iter().filter_map(situated).collect();
        if let Some(sampler) = sampler.filter(|_| !unsampled.is_empty()) {
            let lookups = HostLookups { sampled: sampler(&unsampled)?, ..HostLookups::new(Arc::clone(&lookups.env), lookups.dir.clone()) };
            found = kpipe_compiler::compile(&sources, catalog(), &lookups, mode);
        }
        self.fingerprints.append(&mut lookups.read.borrow_mut());
        let kpipe_compiler::Compiled { pipelines, places, report, documents, unknown: _ } = found;
        self.read += documents.len();
        self.has_errors |= report.has_errors();
        let before = self.findings.len();
        self.report(&sources, &report);
        for finding in &mut self.findings[before..] {
            say_how_to_fix(finding, &self.documents);
        }
        let texts = Rc::new(Texts { sources, report });
        let unit = |(pipeline, places): (Pipeline, Places)| {
            let folder = places.find("pipeline").map_or_else(String::new, |at| paths::parent(&texts.sources.file(at.file).name));
            Unit { pipeline, origin: Some(Origin { places, texts: Rc::clone(&texts) }), folder }
        };
        self.pipelines.extend(pipelines.into_iter().zip(places).map(unit));
        Ok(())
    }

    /// Adds what a report says.
    pub(crate) fn report(&mut self, sources: &Sources, report: &Report) {
        if report.entries().is_empty() {
            return;
        }
        let base = self.documents.len();
        for file in sources.files() {
            self.documents.push(Document { name: file.name.clone(), text: report.masked(sources, file.id) });
        }
        let mut outlines = BTreeMap::new();
        for view in report.views(sources) {
            let primary = view.primary.as_ref().map(|label| (label.file, label.span));
            let mut finding = finding(sources, base, view);
            if let Some((file, span)) = primary {
                let outline = outlines.entry(file).or_insert_with(|| Outline::of(sources.file(file)));
                (finding.pipeline, finding.yaml_path) = (outline.pipeline(span), outline.path(span));
            }
            self.findings.push(finding);
        }
    }
}

/// Where nothing else is to be said about a fix, the way to apply it is. An editor has its own.
fn say_how_to_fix(finding: &mut Finding, documents: &[Document]) {
    let Some(mark) = finding.marks.first().filter(|_| finding.help.is_none()) else { return };
    if finding.fixes.iter().any(|fix| fix.safe) {
        finding.help = Some(format!("run `kpipe fix {}` to apply this one safe edit", documents[mark.document].name));
    }
}

fn finding(sources: &Sources, base: usize, view: View) -> Finding {
    let View { code, severity, message, primary, secondary, help, fixes, suggestions } = view;
    let severity = match severity {
        Severity::Error => diagnostics::Severity::Error,
        Severity::Warning => diagnostics::Severity::Warning,
        Severity::Advice => diagnostics::Severity::Advice,
    };
    let fix = (!fixes.is_empty()).then(|| Fix {
        safe: true,
        title: "apply the suggestion".to_owned(),
        edits: fixes.into_iter().map(|edit| edit_of(sources, base, edit)).collect(),
    });
    let others = suggestions.into_iter().map(|edit| Fix {
        safe: false,
        title: format!("replace with `{}`", edit.replacement),
        edits: vec![edit_of(sources, base, edit)],
    });
    Finding {
        severity,
        code: (!code.is_empty()).then_some(code),
        message,
        marks: primary.into_iter().chain(secondary).map(|label| mark(base, label)).collect(),
        notes: Vec::new(),
        help,
        fixes: fix.into_iter().chain(others).collect(),
        pipeline: None,
        yaml_path: None,
    }
}

fn mark(base: usize, label: LabelView) -> Mark {
    let LabelView { file, name: _, span, begin, end, text } = label;
    Mark { document: base + file.index(), span: span.start..span.end, begin, end, text }
}

fn edit_of(sources: &Sources, base: usize, edit: Edit) -> (Mark, String) {
    let Edit { at, replacement } = edit;
    let file = sources.file(at.file);
    let (begin, end) = (file.line_column(at.span.start), file.line_column(at.span.end));
    let mark = Mark { document: base + at.file.index(), span: at.span.start..at.span.end, begin, end, text: String::new() };
    (mark, replacement)
}

/// References in files, as the process sees them.
pub(crate) struct HostLookups {
    /// Reads an environment variable.
    pub(crate) env: EnvReader,
    /// The directory of the command: names of files start here.
    pub(crate) dir: PathBuf,
    /// What samples showed, by pipeline.
    pub(crate) sampled: BTreeMap<String, Schema>,
    /// SHA-256 of every file that was read for a value, by its path from the directory of the command.
    read: RefCell<BTreeMap<String, String>>,
}

impl HostLookups {
    /// Of this environment, relative to this directory, without samples.
    pub(crate) fn new(env: EnvReader, dir: PathBuf) -> Self {
        Self { env, dir, sampled: BTreeMap::new(), read: RefCell::default() }
    }

    fn bytes(&self, base: &str, path: &str) -> Result<Vec<u8>, String> {
        load::read_limited(&paths::folder(&self.dir, base).join(path)).map_err(|error| error.to_string())
    }
}

impl Lookups for HostLookups {
    fn env(&self, name: &str) -> Option<String> {
        (self.env)(name)
    }

    fn file(&self, base: &str, path: &str) -> Result<String, String> {
        let bytes = self.bytes(base, path)?;
        let name = PathBuf::from(paths::parent(base)).join(path).display().to_string();
        self.read.borrow_mut().insert(name, fingerprint(&bytes));
        String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
    }

    fn secret_file(&self, base: &str, path: &str) -> Result<(), String> {
        self.bytes(base, path).map(drop)
    }

    fn sampled(&self, pipeline: &str) -> Option<Schema> {
        self.sampled.get(pipeline).cloned()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use kpipe_compiler::schema::infer_schema;

    use super::*;
    use crate::host::Terminal;
    use crate::host::tests::with_host;

    const INFERRED: &str = "\
version: 1
pipeline: lake
source:
  kafka: { brokers: [\"a:1\"], value: { format: json, schema: infer }, tls: { ca: ca.pem } }
sink:
  local: { dir: out, format: parquet }
kcql: INSERT INTO t SELECT * FROM t
";

    fn compiled(dir: &Path, mode: Mode, sampler: Option<Sampler<'_>>) -> Result<Compiled, Failure> {
        with_host(dir, Terminal::default(), |_| None, |host| compile(host, &[PathBuf::from(".")], None, mode, sampler)).0
    }

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(".git")).unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        dir
    }

    #[test]
    fn a_schema_to_infer_is_asked_for_once_with_the_paths_of_its_pipeline() {
        let dir = tree(&[("a/p.yaml", INFERRED)]);
        let asked = RefCell::new(Vec::new());
        let sampler = |pipelines: &[Pipeline]| {
            asked.borrow_mut().extend(pipelines.iter().map(|pipeline| pipeline.source.options.text("tls.ca").unwrap().to_owned()));
            let schema = infer_schema(&[br#"{"id":1,"name":"x"}"#.as_slice()]).unwrap();
            Ok(pipelines.iter().map(|pipeline| (pipeline.name.clone(), schema.clone())).collect())
        };
        let found = compiled(dir.path(), Mode::Plan, Some(&sampler)).unwrap();
        assert_eq!(asked.into_inner(), [dir.path().join("a/ca.pem").display().to_string()]);
        let unit = &found.pipelines[0];
        assert!(unit.pipeline.sampled.is_some() && unit.folder == "a", "{unit:?}");
        assert_eq!(unit.pipeline.source.options.text("tls.ca"), Some("ca.pem"), "the plan keeps it as it is written");
    }

    #[test]
    fn without_a_sampler_or_with_one_that_fails_there_is_no_pipeline() {
        let dir = tree(&[("p.yaml", INFERRED)]);
        let offline = compiled(dir.path(), Mode::Plan, None).unwrap();
        assert!(offline.has_errors && offline.pipelines.is_empty());
        let failing = |_: &[Pipeline]| Err(Failure::new(crate::exit::Exit::Unreachable, "nobody answers"));
        assert_eq!(compiled(dir.path(), Mode::Plan, Some(&failing)).unwrap_err().exit, crate::exit::Exit::Unreachable);
        assert!(!compiled(dir.path(), Mode::Check, None).unwrap().has_errors, "a check looks at no records");
    }

    #[test]
    fn findings_name_their_pipeline_and_the_path_of_their_key() {
        let broken = INFERRED
            .replace("schema: infer", "schema: { id: bigint }")
            .replace("dir: out", "dir: out, flsh: 1")
            .replace("SELECT *", "SELCT *");
        let found = compiled(tree(&[("p.yaml", &broken)]).path(), Mode::Check, None).unwrap();
        let named: Vec<(Option<&str>, Option<&str>)> =
            found.findings.iter().map(|finding| (finding.pipeline.as_deref(), finding.yaml_path.as_deref())).collect();
        assert_eq!(named, [(Some("lake"), Some("sink.local.flsh")), (Some("lake"), Some("kcql"))]);
    }

    #[test]
    fn every_file_that_was_read_has_a_fingerprint() {
        let text = INFERRED.replace("brokers: [\"a:1\"]", "use: k").replace("schema: infer", "schema: { id: bigint }");
        let connections = "version: 1\nconnections: { k: { kafka: { brokers: [\"a:1\"] } } }\n";
        let dir = tree(&[("a/p.yaml", &text), ("connections.yaml", connections)]);
        let found = compiled(dir.path(), Mode::Check, None).unwrap();
        assert_eq!(found.fingerprints.keys().collect::<Vec<_>>(), ["a/p.yaml", "connections.yaml"]);
        assert!(found.fingerprints.values().all(|print| print.len() == 64));
        assert_eq!((found.files, found.read), (1, 1));
    }

    #[test]
    fn so_has_every_file_that_a_value_came_from_but_a_secret() {
        let text = INFERRED
            .replace("schema: infer", "schema: { file: s.json }")
            .replace("tls:", "sasl: { username: \"${file:../user}\", password: \"${file:pw}\" }, tls:");
        let schema = r#"{"type":"object","properties":{"id":{"type":"integer"}}}"#;
        let dir = tree(&[("a/p.yaml", &text), ("a/s.json", schema), ("user", "me"), ("a/pw", "hunter2")]);
        let found = compiled(dir.path(), Mode::Check, None).unwrap();
        assert!(!found.has_errors, "{:?}", found.findings);
        assert_eq!(found.fingerprints.keys().collect::<Vec<_>>(), ["a/../user", "a/p.yaml", "a/s.json"]);
        assert_eq!(found.fingerprints["a/s.json"], fingerprint(schema.as_bytes()));
    }
}
