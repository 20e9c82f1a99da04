//! Commands as a user meets them, run in this process: what they print where, what they end with, what they leave behind.

mod apply;
mod changes;
mod check;
mod demo;
mod fix;
mod fmt;
mod kcql;
mod pages;
mod paths;
mod plan;
mod reference;
mod schema;
mod textmate;
mod validator;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::exit::Exit;
use crate::host::{Host, Terminal};

/// What a command left.
pub(super) struct Ran {
    pub(super) exit: Exit,
    pub(super) out: String,
    pub(super) err: String,
}

impl Ran {
    /// Fails unless it ended like this.
    pub(super) fn expect(self, exit: Exit) -> Self {
        assert_eq!(self.exit, exit, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    /// Standard output as JSON.
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in\n{}", self.out))
    }
}

/// A directory to work in, and the environment and terminal of its commands.
pub(super) struct Place {
    dir: tempfile::TempDir,
    environment: BTreeMap<String, String>,
    terminal: Terminal,
    answer: Vec<u8>,
}

impl Place {
    /// An empty directory that is a repository of its own.
    pub(super) fn new() -> Self {
        let place =
            Self { dir: tempfile::tempdir().unwrap(), environment: BTreeMap::new(), terminal: Terminal::default(), answer: Vec::new() };
        fs::create_dir(place.path(".git")).unwrap();
        place
    }

    /// The same with a pipeline from files to files and some records.
    pub(super) fn with_pipeline() -> Self {
        let place = Self::new();
        place.write("in/a.jsonl", "{\"id\":1,\"site\":\"x\"}\n{\"id\":2,\"site\":\"y\"}\n{\"id\":3,\"site\":\"x\"}\n");
        place.write("pipeline.yaml", &place.pipeline("lines", ""));
        place
    }

    /// A pipeline from `in/` to `out/`, with more of a statement.
    pub(super) fn pipeline(&self, name: &str, more: &str) -> String {
        format!(
            "version: 1\npipeline: {name}\nsource:\n  file:\n    dir: {input}\n    mode: once\n    value: {{ format: json, schema: {{ id: bigint not null, site: string }} \
             }}\nsink:\n  local: {{ dir: {output}, format: parquet }}\nkcql: |\n  INSERT INTO {name} SELECT * FROM `*.jsonl` {more}\n",
            input = self.path("in").display(),
            output = self.path("out").display(),
        )
    }

    /// Sets a variable.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    /// Puts somebody at a terminal who answers every question.
    pub(super) fn at_a_terminal(&mut self, answer: &'static str) {
        self.terminal = Terminal { out: false, err: true, input: true, width: Some(100) };
        self.type_in(answer.as_bytes());
    }

    /// What stands on standard input.
    pub(super) fn type_in(&mut self, input: &[u8]) {
        self.answer = input.to_vec();
    }

    /// A path in the directory.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file.
    pub(super) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The text of a file.
    pub(super) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Runs `kpipe WORDS`.
    pub(super) fn run(&self, words: &str) -> Ran {
        let (mut out, mut err, mut input) = (Vec::new(), Vec::new(), self.answer.as_slice());
        let environment = self.environment.clone();
        let mut host = Host {
            out: &mut out,
            err: &mut err,
            input: &mut input,
            terminal: self.terminal,
            dir: self.dir.path().to_path_buf(),
            env: Arc::new(move |name| environment.get(name).cloned()),
        };
        let args = std::iter::once("kpipe").chain(words.split_whitespace()).map(OsString::from);
        let exit = crate::run(args, &mut host);
        Ran { exit, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
    }

    /// Parquet files below `out/`.
    pub(super) fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        collect(&self.path("out"), &mut files);
        files.sort();
        files
    }
}

fn collect(dir: &Path, files: &mut Vec<String>) {
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            files.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
}

/// YAML files below a folder.
fn collect_yaml(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_yaml(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
}

#[test]
fn help_and_version_are_data_and_mistakes_are_not() {
    let place = Place::new();
    let help = place.run("--help").expect(Exit::Done);
    assert!(help.out.contains("Exit codes") && help.err.is_empty());
    assert!(place.run("--version").expect(Exit::Done).out.starts_with("kpipe "));
    let wrong = place.run("plan --no-such-flag").expect(Exit::Usage);
    assert!(wrong.out.is_empty() && wrong.err.contains("--no-such-flag"));
    assert!(place.run("").expect(Exit::Usage).err.contains("Usage"));
}

#[test]
fn versions_and_completions_are_printed() {
    let place = Place::new();
    let version = place.run("version --format json").expect(Exit::Done).json();
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = place.run(&format!("completions {shell}")).expect(Exit::Done).out;
        for word in ["apply", "until-caught-up", "detailed-exitcode"] {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
    }
    place.run("completions tcsh").expect(Exit::Usage);
}

#[test]
fn another_directory_is_entered_first() {
    let place = Place::new();
    place.write("deep/pipeline.yaml", "version: 2\n");
    let ran = place.run("--chdir deep check pipeline.yaml --format plain").expect(Exit::Invalid);
    assert!(ran.err.starts_with("pipeline.yaml:1:"), "{}", ran.err);
}

#[test]
fn a_bug_is_said_to_be_one_and_no_stack_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("p.yaml"), "version: 1\npipeline: \"${env:X}\"\n").unwrap();
    let (mut out, mut err, mut input) = (Vec::new(), Vec::new(), std::io::empty());
    let env = |name: &str| if name == "X" { panic!("planted") } else { None };
    let (dir, env) = (dir.path().to_path_buf(), Arc::new(env));
    let mut host = Host { out: &mut out, err: &mut err, input: &mut input, terminal: Terminal::default(), dir, env };
    let exit = crate::run(["kpipe", "plan", "--offline"].map(OsString::from), &mut host);
    let err = String::from_utf8(err).unwrap();
    assert_eq!(exit, Exit::Bug);
    assert!(err.starts_with("error[KP9901]: ") && err.contains("please report"), "{err}");
}

#[test]
fn a_failure_is_in_the_document_where_json_was_asked_for() {
    let place = Place::new();
    let ran = place.run("check none.yaml --format json").expect(Exit::LocalIo);
    let json = ran.json();
    assert_eq!((json["exit"]["code"].as_u64(), json["exit"]["name"].as_str()), (Some(74), Some("local_io")));
    let found = &json["diagnostics"][0];
    assert!(found["message"].as_str().unwrap().contains("none.yaml") && found["primary"].is_null(), "{json}");
    assert_eq!(ran.err, "", "said once");
    let connector = place.run("connectors pulsar --format json").expect(Exit::Usage).json();
    assert!(connector["diagnostics"][0]["help"].as_str().unwrap().contains("kafka"), "{connector}");
}

#[test]
fn without_words_the_usage_is_shown() {
    let (mut out, mut err, mut input) = (Vec::new(), Vec::new(), std::io::empty());
    let mut host = Host {
        out: &mut out,
        err: &mut err,
        input: &mut input,
        terminal: Terminal { out: true, err: true, input: false, width: Some(80) },
        dir: PathBuf::new(),
        env: Arc::new(|_: &str| None),
    };
    assert_eq!(crate::run([], &mut host), Exit::Usage);
    let err = String::from_utf8(err).unwrap();
    assert!(err.contains("Usage:") && err.contains("apply") && out.is_empty(), "{err}");
}

#[test]
fn connectors_are_listed_and_described() {
    let place = Place::new();
    let list = place.run("connectors").expect(Exit::Done).out;
    for words in ["kafka    source, sink", "mqtt     source ", "s3       sink ", "file     source, sink", "local    sink "] {
        assert!(list.contains(words), "`{words}` is missing in\n{list}");
    }
    let all = place.run("connectors --format json").expect(Exit::Done).json();
    for connector in all["connectors"].as_array().unwrap() {
        let name = connector["name"].as_str().unwrap();
        let one = place.run(&format!("connectors {name} --format json")).expect(Exit::Done).json();
        assert_eq!(&one["connector"], connector);
        let text = place.run(&format!("connectors {name}")).expect(Exit::Done).out;
        for end in ["source", "sink"] {
            for option in connector[end]["options"].as_array().into_iter().flatten() {
                assert!(text.contains(&format!("\n  {}  ", option["path"].as_str().unwrap())), "{name}: {option}");
            }
        }
        let example = text.split("\nExample\n\n").nth(1).unwrap();
        place.write(&format!("{name}/pipeline.yaml"), example);
        place.run(&format!("check {name}/pipeline.yaml")).expect(Exit::Done);
    }
}

#[test]
fn a_stray_file_is_an_error_of_its_own_and_hides_nothing() {
    let place = Place::with_pipeline();
    place.write("deploy/compose.yaml", "services: { kafka: { image: kafka } }\n");
    let ran = place.run("check").expect(Exit::Invalid);
    assert!(ran.err.contains("deploy/compose.yaml:1:") && ran.out.contains("2 files, 1 pipeline"), "{}{}", ran.out, ran.err);
    place.run("check pipeline.yaml").expect(Exit::Done);
    for name in ["connections.yaml", "profiles/x.yaml", "lines.test.yaml", ".github/ci.yaml"] {
        let place = Place::with_pipeline();
        place.write(name, "version: 1\n");
        assert!(place.run("check").out.starts_with("check: 1 file, "), "{name} is no pipeline file");
    }
}
