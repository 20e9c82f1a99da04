//! Walks `cases/`, `../examples` and `../pipelines`: one test per folder. `KPIPE_ACCEPT=1` rewrites the expectations.
//!
//! A folder with `command.txt` is a conversation with the command line: each line `kpipe ...` is run in the folder, lines `NAME=value` before it
//! are its environment. What it prints and its exit code stand in `expected.txt`.
//!
//! Those below `cases/environment` talk to the services of `scripts/services` and run with the feature `real-services`, in a copy of their folder.
//! They see the variables of `scripts/services env`; an address of a service shows as the name of its variable. So does `KPIPE_TEST_FRESH`, a name
//! that nobody used before. A line `before: kpipe ...` is run and not shown: it makes what the others talk about.

#[path = "golden/clauses.rs"]
mod clauses;
#[path = "golden/docs.rs"]
mod docs;
#[path = "golden/functions.rs"]
mod functions;
#[path = "golden/rows.rs"]
mod rows;
#[path = "golden/runs.rs"]
mod runs;
#[path = "golden/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use kpipe::host::{Host, Terminal};

type Outcome = datatest_stable::Result<()>;

/// Runs one command line in `dir` with only the given environment; returns standard output, standard error and the exit code.
fn kpipe(dir: &Path, line: &str, environment: &BTreeMap<String, String>) -> (String, String, u8) {
    kpipe_reading(dir, line, environment, b"")
}

/// The same with something on standard input.
fn kpipe_reading(dir: &Path, line: &str, environment: &BTreeMap<String, String>, mut input: &[u8]) -> (String, String, u8) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let environment = environment.clone();
    let mut host = Host {
        out: &mut out,
        err: &mut err,
        input: &mut input,
        terminal: Terminal::default(),
        dir: dir.to_path_buf(),
        env: Arc::new(move |name| environment.get(name).cloned()),
    };
    let exit = kpipe::run(line.split_whitespace().map(OsString::from), &mut host);
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (text(out), text(err), exit.code())
}

/// Compares with a file, or writes it.
fn expect(path: &Path, found: &str) -> Outcome {
    if std::env::var_os("KPIPE_ACCEPT").is_some() {
        return Ok(std::fs::write(path, found)?);
    }
    let expected = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}; KPIPE_ACCEPT=1 writes it", path.display()))?;
    if expected == found {
        return Ok(());
    }
    let differs = expected.lines().zip(found.lines()).position(|(left, right)| left != right);
    let line = differs.unwrap_or(expected.lines().count().min(found.lines().count())) + 1;
    Err(format!("{} differs from line {line} on; found:\n{found}", path.display()).into())
}

fn conversation(command: &Path) -> Outcome {
    let folder = command.parent().ok_or("a file lies in a folder")?;
    let services = services(command);
    let copy = tempfile::tempdir()?;
    let dir = if services.is_empty() { folder } else { copy.path() };
    if dir != folder {
        copy_folder(folder, dir)?;
    }
    let mut environment = services.clone();
    let mut found = String::new();
    for line in std::fs::read_to_string(command)?.lines().filter(|line| !line.trim().is_empty()) {
        if line.starts_with("kpipe ") {
            let (out, err, code) = kpipe(dir, line, &environment);
            write!(found, "$ {line}\n{out}")?;
            if !err.is_empty() {
                write!(found, "--- stderr\n{err}")?;
            }
            writeln!(found, "--- exit {code}\n")?;
        } else if let Some(line) = line.strip_prefix("before: ") {
            let (out, err, code) = kpipe(dir, line, &environment);
            if code != 0 {
                return Err(format!("`{line}` ends with {code}:\n{out}{err}").into());
            }
        } else {
            let (name, value) = line.split_once('=').ok_or_else(|| format!("neither a command nor NAME=value: {line}"))?;
            environment.insert(name.to_owned(), value.to_owned());
        }
    }
    expect(&folder.join("expected.txt"), &stable(found, dir, &services))
}

/// Which conversations there are in this build.
const CONVERSATIONS: &str = if cfg!(feature = "real-services") { r"command\.txt$" } else { r"diagnostics/.*command\.txt$" };

/// The variable of a name that nobody used before.
const FRESH: &str = "KPIPE_TEST_FRESH";

/// The variables of the services, for those who talk to them.
fn services(command: &Path) -> BTreeMap<String, String> {
    if !command.components().any(|part| part.as_os_str() == "environment") {
        return BTreeMap::new();
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let fresh = (FRESH.to_owned(), format!("golden-{now}"));
    std::env::vars().filter(|(name, _)| name.starts_with("KPIPE_TEST_")).chain([fresh]).collect()
}

/// Found text without what is other elsewhere or at another start of the services: folders, addresses, the numbers of requests.
fn stable(mut found: String, dir: &Path, services: &BTreeMap<String, String>) -> String {
    for (name, value) in services.iter().filter(|(name, value)| value.contains([':', '/']) || *name == FRESH) {
        found = found.replace(value.as_str(), name);
    }
    found = found.replace(&format!("{}/", dir.display()), "");
    while let Some((before, after)) = found.split_once(" (request ") {
        found = format!("{before}{}", after.split_once(')').map_or(after, |(_, rest)| rest));
    }
    found
}

/// Whatever we hand out is free of errors and in canonical form.
fn sample(pipeline: &Path) -> Outcome {
    let dir = pipeline.parent().ok_or("a file lies in a folder")?;
    for line in ["kpipe check pipeline.yaml --format plain", "kpipe fmt --check pipeline.yaml"] {
        let (out, err, code) = kpipe(dir, line, &BTreeMap::new());
        if code != 0 || out.contains(": warning[") || err.contains(": warning[") {
            return Err(format!("{}: `{line}` ends with {code}:\n{out}{err}", pipeline.display()).into());
        }
    }
    Ok(())
}

/// The plan that the README shows is the one that the first example gives.
fn readme(pipeline: &Path) -> Outcome {
    let copy = tempfile::tempdir()?;
    let from = pipeline.parent().ok_or("a file lies in a folder")?;
    copy_folder(from, copy.path())?;
    let (out, err, code) = kpipe(copy.path(), "kpipe plan pipeline.yaml", &BTreeMap::new());
    let out = out.replace(&format!("{}/", copy.path().display()), "");
    let readme = std::fs::read_to_string("../README.md")?;
    let shown = readme.split("<!-- plan-output -->\n```\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap_or_default();
    if code == 0 && out.trim_end() == shown.trim_end() {
        return Ok(());
    }
    Err(format!("README.md shows another plan than `kpipe plan` ({code}):\n{out}{err}").into())
}

fn copy_folder(from: &Path, to: &Path) -> Outcome {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

datatest_stable::harness! {
    { test = readme, root = "../examples/01-first-pipeline", pattern = r"pipeline\.yaml$" },
    { test = docs::page, root = "../docs", pattern = r"\.md$" },
    { test = functions::page, root = "../docs", pattern = r"expressions\.md$" },
    { test = clauses::case, root = "cases/clauses", pattern = r"\.kcql$" },
    { test = clauses::page, root = "../docs", pattern = r"kcql-cases\.md$" },
    { test = conversation, root = "cases", pattern = CONVERSATIONS },
    { test = runs::run_case, root = "cases/runs", pattern = r"records\.jsonl$" },
    { test = sample, root = "../examples", pattern = r"pipeline\.yaml$" },
    { test = sample, root = "../pipelines", pattern = r"pipeline\.yaml$" },
}
