//! Whole pipeline files: checked in this process, some of them by the command line.

use std::ffi::OsString;
use std::sync::Arc;

use kpipe::exit::Exit;
use kpipe::host::{Host, Terminal};

use super::super::compiling::Checked;
use super::super::random::Random;
use super::mutate::{mutated, texts_below};
use super::{check_places, fuzz, kcql};

/// Of so many inputs one is also given to the command line, which writes a file.
const COMMAND_EVERY: usize = 10;

/// What the command line is asked.
const COMMANDS: &[&str] = &[
    "kpipe check pipeline.yaml",
    "kpipe check pipeline.yaml --format plain",
    "kpipe check pipeline.yaml --format json",
    "kpipe check pipeline.yaml --format sarif",
    "kpipe check pipeline.yaml --format github",
    "kpipe check pipeline.yaml --format markdown",
    "kpipe plan pipeline.yaml --offline",
    "kpipe plan pipeline.yaml --offline --schema",
    "kpipe explain pipeline.yaml",
    "kpipe fmt pipeline.yaml",
    "kpipe fmt pipeline.yaml --diff",
    "kpipe fix pipeline.yaml",
];

fn corpus() -> Vec<String> {
    texts_below(&["cases/mutations", "cases/diagnostics", "cases/runs", "../examples", "../pipelines"], "yaml")
}

/// The keys of files beside the words of KCQL.
fn words(corpus: &[String]) -> Vec<String> {
    let mut words = kcql::words();
    for text in corpus {
        let keys = text.split(|char: char| !char.is_ascii_alphanumeric() && char != '_').filter(|word| word.len() > 1);
        words.extend(keys.map(str::to_owned));
    }
    words.sort();
    words.dedup();
    words
}

fn try_command(text: &str, random: &mut Random) -> Result<(), String> {
    let line = random.pick(COMMANDS);
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    std::fs::write(folder.path().join("pipeline.yaml"), text).map_err(|error| error.to_string())?;
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut host = Host {
        out: &mut out,
        err: &mut err,
        input: &mut std::io::empty(),
        terminal: Terminal::default(),
        dir: folder.path().to_path_buf(),
        env: Arc::new(|_| None),
    };
    let exit = kpipe::run(line.split_whitespace().map(OsString::from), &mut host);
    let (out, err) = (String::from_utf8_lossy(&out).into_owned(), String::from_utf8_lossy(&err).into_owned());
    if exit == Exit::Bug {
        return Err(format!("`{line}` says that it is a bug: {out}{err}"));
    }
    // What a file holds is shown as it is only where the file is handed back.
    let shows = !line.starts_with("kpipe fmt") && !line.starts_with("kpipe fix");
    let raw = out.chars().chain(err.chars()).find(|char| char.is_control() && !matches!(char, '\n' | '\t' | '\r'));
    match raw.filter(|_| shows) {
        Some(char) => Err(format!("`{line}` prints {char:?}: {out:?} {err:?}")),
        None => Ok(()),
    }
}

#[test]
fn documents() {
    let corpus = corpus();
    let words = words(&corpus);
    fuzz("documents", 300, |random| {
        let text = mutated(&corpus, &words, random);
        let checked = Checked::of(&text);
        let views = checked.compiled.report.views(&checked.sources);
        check_places(&checked.sources, &views)
            .and_then(|()| if random.one_in(COMMAND_EVERY) { try_command(&text, random) } else { Ok(()) })
            .map_err(|why| format!("{why}\nof {text:?}"))
    });
}
