//! The pages of `docs/`: their examples pass `kpipe check`, their tables are what the code says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use kpipe::exit::Exit;
use kpipe_engine::env::VirtualClock;
use kpipe_engine::metrics::Metrics;

use super::{Outcome, kpipe};

/// Pages that have examples; one without any was not understood.
const WITH_EXAMPLES: &str = "pipeline-file";
/// The page of exit codes and metrics.
const WITH_TABLES: &str = "operations";

/// The pages of all codes, which show what is wrong.
const CODES: &str = "codes";

/// A fenced block.
#[derive(Debug, PartialEq, Eq)]
struct Block {
    /// Line of its fence, from 1.
    line: usize,
    /// The file that its first line names, as in `# connections.yaml`.
    file: Option<String>,
    text: String,
}

/// One page, every example and every table of it.
pub(super) fn page(path: &Path) -> Outcome {
    let text = std::fs::read_to_string(path)?;
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    if stem == CODES {
        return super::expect(path, &kpipe_compiler::codes::book());
    }
    let mut examples = 0;
    for section in sections(&text) {
        let pipelines = section.iter().filter(|block| block.file.is_none() && block.text.starts_with("version: 1\n"));
        for pipeline in pipelines {
            examples += 1;
            example(pipeline, &section).map_err(|error| format!("{}:{}: {error}", path.display(), pipeline.line))?;
        }
    }
    if stem == WITH_EXAMPLES && examples == 0 {
        return Err(format!("{} has no example", path.display()).into());
    }
    if stem == WITH_TABLES {
        same("exit codes", &exit_codes(&text), &Exit::ALL.iter().map(|exit| (exit.code().to_string(), exit.name().to_owned())).collect())?;
        same("metrics", &metrics_shown(&text), &metrics_written())?;
    }
    Ok(())
}

/// Checks one pipeline beside the files that its section names.
fn example(pipeline: &Block, section: &[Block]) -> Outcome {
    let dir = tempfile::tempdir()?;
    let mut line = "kpipe check pipeline.yaml --format plain".to_owned();
    for block in section {
        let Some(name) = &block.file else { continue };
        let file = dir.path().join(name);
        std::fs::create_dir_all(file.parent().ok_or("a file lies in a folder")?)?;
        std::fs::write(file, &block.text)?;
        if let Some(profile) = name.strip_prefix("profiles/").and_then(|name| name.strip_suffix(".yaml")) {
            line.push_str(" --profile ");
            line.push_str(profile);
        }
    }
    std::fs::write(dir.path().join("pipeline.yaml"), &pipeline.text)?;
    let (out, err, code) = kpipe(dir.path(), &line, &BTreeMap::new());
    if code != 0 || [&out, &err].iter().any(|text| text.contains("warning[") || text.contains("error[")) {
        return Err(format!("`{line}` ends with {code}:\n{out}{err}").into());
    }
    Ok(())
}

/// The fenced blocks of each section; a section begins at any heading.
fn sections(text: &str) -> Vec<Vec<Block>> {
    let mut sections = vec![Vec::new()];
    let mut open: Option<Block> = None;
    for (index, line) in text.lines().enumerate() {
        match &mut open {
            Some(_) if line == "```" => sections.last_mut().into_iter().for_each(|section| section.extend(open.take())),
            Some(block) if block.text.is_empty() && block.file.is_none() && is_file(line) => block.file = line.get(2..).map(str::to_owned),
            Some(block) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            None if line.starts_with("```") => open = Some(Block { line: index + 1, file: None, text: String::new() }),
            None if line.starts_with('#') => sections.push(Vec::new()),
            None => {}
        }
    }
    sections
}

/// `# profiles/prod.yaml`.
fn is_file(line: &str) -> bool {
    line.strip_prefix("# ").is_some_and(|name| name.contains('.') && !name.contains(' ') && !name.ends_with('.'))
}

/// The first two cells of every row of a table, without back-ticks.
fn rows(text: &str) -> impl Iterator<Item = (String, String)> {
    text.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ").map(|cell| cell.trim().trim_matches('`').to_owned());
        Some((cells.next()?, cells.next()?))
    })
}

fn exit_codes(page: &str) -> BTreeSet<(String, String)> {
    rows(page).filter(|(code, _)| code.parse::<u8>().is_ok()).collect()
}

fn metrics_shown(page: &str) -> BTreeSet<(String, String)> {
    rows(page).filter(|(name, _)| name.starts_with("kpipe_")).collect()
}

/// Names as a scrape shows them, and their kinds.
fn metrics_written() -> BTreeSet<(String, String)> {
    let text = Metrics::new(Arc::new(VirtualClock::at(0))).prometheus();
    let described = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    described.map(|(name, kind)| (if kind == "counter" { format!("{name}_total") } else { name.to_owned() }, kind.to_owned())).collect()
}

fn same(what: &str, shown: &BTreeSet<(String, String)>, real: &BTreeSet<(String, String)>) -> Outcome {
    if shown == real && !real.is_empty() {
        return Ok(());
    }
    let missing: Vec<_> = real.difference(shown).collect();
    let wrong: Vec<_> = shown.difference(real).collect();
    Err(format!("{what}: the page lacks {missing:?} and shows {wrong:?}, which is not there").into())
}
