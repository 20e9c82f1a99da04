//! The functions of expressions: every example of the table is true when a pipeline computes it, and the page lists them all.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use kpipe_compiler::functions::FUNCTIONS;
use serde_json::Value;

use super::{Outcome, kpipe};

/// Where the table of the page begins and ends.
const BEGIN: &str = "<!-- functions -->\n";
const END: &str = "<!-- end of functions -->\n";

/// The page of expressions.
pub(super) fn page(path: &Path) -> Outcome {
    computed()?;
    let text = std::fs::read_to_string(path)?;
    let (before, rest) = text.split_once(BEGIN).ok_or("the page has no table of functions")?;
    let (_, after) = rest.split_once(END).ok_or("the table of functions does not end")?;
    super::expect(path, &format!("{before}{BEGIN}{}{END}{after}", table()?))
}

fn table() -> Result<String, std::fmt::Error> {
    let mut table = "| function | gives | for example |\n|---|---|---|\n".to_owned();
    for function in FUNCTIONS {
        let examples: Vec<String> = function.examples.iter().map(|example| format!("`{}`", example.replace('|', "\\|"))).collect();
        writeln!(table, "| `{}` | {} | {} |", function.signature().replace('|', "\\|"), function.summary, examples.join("<br>"))?;
    }
    Ok(table)
}

/// One record, a column an example: all are true.
fn computed() -> Outcome {
    let examples: Vec<&str> = FUNCTIONS.iter().flat_map(|function| function.examples).copied().collect();
    let columns: Vec<String> = examples.iter().enumerate().map(|(index, example)| format!("    {example} AS c{index}")).collect();
    let dir = tempfile::tempdir()?;
    std::fs::create_dir(dir.path().join("in"))?;
    std::fs::write(dir.path().join("in/one.jsonl"), "{}\n")?;
    let pipeline = format!(
        "version: 1\npipeline: functions\nsource:\n  file: {{ dir: in, mode: once, value: {{ format: json }} }}\nsink:\n  local: {{ dir: out }}\n\
         kcql: |\n  INSERT INTO all SELECT\n{}\n  FROM `one.jsonl`\n",
        columns.join(",\n")
    );
    std::fs::write(dir.path().join("pipeline.yaml"), pipeline)?;
    let (out, err, code) = kpipe(dir.path(), "kpipe apply pipeline.yaml --yes", &BTreeMap::new());
    if code != 0 {
        return Err(format!("the examples end with {code}:\n{out}{err}").into());
    }
    let row: Value = serde_json::from_str(&written(&dir.path().join("out/all"))?)?;
    let wrong: Vec<&str> = examples
        .iter()
        .enumerate()
        .filter(|(index, _)| row[format!("c{index}")] != Value::Bool(true))
        .map(|(_, example)| *example)
        .collect();
    if wrong.is_empty() { Ok(()) } else { Err(format!("these are not true: {wrong:#?}").into()) }
}

/// The only file below a folder.
fn written(folder: &Path) -> datatest_stable::Result<String> {
    let files = std::fs::read_dir(folder)?.filter_map(Result::ok).map(|entry| entry.path());
    let file = files.filter(|path| path.extension().is_some_and(|extension| extension == "json")).last();
    Ok(std::fs::read_to_string(file.ok_or("no file was written")?)?)
}
