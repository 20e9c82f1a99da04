//! `kpipe fmt` changes the layout and nothing else: `kpipe plan --offline --format json` prints the same before and after.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kpipe::host::{Host, Terminal};
use serde_json::Value;

use super::compiling::{PIPELINES, files, read};
use super::edits::tokens;
use super::random::Random;

/// Layouts of each pipeline.
const LAYOUTS: u64 = 4;

/// A folder with one pipeline.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(text: &str) -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder can be made"));
        folder.write(text);
        folder
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("pipeline.yaml")
    }

    fn write(&self, text: &str) {
        std::fs::write(self.path(), text).expect("a file can be written");
    }

    /// Runs a command line here; what it prints and its exit code.
    fn kpipe(&self, line: &str) -> (String, String, u8) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut host = Host {
            out: &mut out,
            err: &mut err,
            input: &mut std::io::empty(),
            terminal: Terminal::default(),
            dir: self.0.path().to_path_buf(),
            env: Arc::new(|name| Some(variable(name))),
        };
        let exit = kpipe::run(line.split_whitespace().map(OsString::from), &mut host);
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (text(out), text(err), exit.code())
    }

    /// The plan, without the places of warnings: those are lines of the file.
    fn plan(&self) -> Result<Value, String> {
        let (out, err, code) = self.kpipe("kpipe plan pipeline.yaml --offline --format json");
        let mut plan: Value = serde_json::from_str(&out).map_err(|error| format!("{error}: {out}{err}"))?;
        let warnings = plan["diagnostics"].as_array().cloned().unwrap_or_default();
        plan["diagnostics"] = warnings.iter().map(|warning| format!("{} {}", warning["code"], warning["message"])).collect();
        if code == 0 { Ok(plan) } else { Err(format!("exit {code}: {out}{err}")) }
    }
}

/// Something that fits wherever the variable stands.
fn variable(name: &str) -> String {
    match () {
        () if name.contains("BROKER") || name.contains("KAFKA") => "kafka:9092",
        () if name.contains("ENDPOINT") => "http://minio:9000",
        () if name.contains("URL") => "mqtt://broker:1883",
        () if name.contains("PORT") => "1883",
        () => "x",
    }
    .to_owned()
}

/// Plans, formats, plans again, and formats again; why that is not as it has to be.
fn broken(text: &str) -> Option<String> {
    let folder = Folder::new(text);
    let before = match folder.plan() {
        Ok(plan) => plan,
        Err(why) => return Some(format!("there is no plan: {why}")),
    };
    let (out, err, code) = folder.kpipe("kpipe fmt pipeline.yaml");
    if code != 0 {
        return Some(format!("`fmt` ends with {code}: {out}{err}"));
    }
    let formatted = read(folder.path());
    match folder.plan() {
        Ok(after) if after == before => {}
        Ok(after) => return Some(format!("another plan:\n{before:#}\n{after:#}\nof\n{formatted}")),
        Err(why) => return Some(format!("no plan of\n{formatted}\n{why}")),
    }
    let (out, err, code) = folder.kpipe("kpipe fmt --check pipeline.yaml");
    (code != 0).then(|| format!("formatted again it changes ({code}): {out}{err}of\n{formatted}"))
}

/// The pipelines that users see, and those of the mutation test.
fn pipelines() -> Vec<PathBuf> {
    let mut found = files(PIPELINES, "yaml");
    let mut folders = vec![PathBuf::from("../examples"), PathBuf::from("../pipelines")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder is there").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The same pipeline in a layout that nobody would choose; none if its KCQL is not a block.
fn laid_out(text: &str, seed: u64) -> Option<String> {
    let mut random = Random::new(seed);
    let (before, kcql) = text.split_once("kcql: |\n").filter(|(_, kcql)| !kcql.contains("\n---"))?;
    let body: String = kcql.lines().map(|line| format!("{}\n", line.strip_prefix("  ").unwrap_or(line))).collect();
    let mut yaml = String::new();
    for line in before.lines() {
        yaml.push_str(line);
        yaml.push_str(random.pick(&["\n", "\n", "\n", "   \n", "\n\n", "\n# a remark\n"]));
    }
    let statements = scrambled(&body, &mut random);
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let block = |style: &str, indent: &str, text: &str| {
        let lines: String = text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("{indent}{line}\n") }).collect();
        format!("kcql: {style}\n{lines}")
    };
    yaml.push_str(&match random.below(5) {
        0 => block("|-", "    ", &statements),
        1 => block("|", "      ", &statements),
        2 => format!("kcql:   \"{}\"\n", quoted(&statements)),
        // A line break of a folded block is a blank, which would end no comment.
        3 if !statements.contains("--") => block(">", "  ", statements.trim_start()),
        _ => block("|2+", "  ", &statements),
    });
    Some(if random.one_in(4) { yaml.replace('\n', "\r\n") } else { yaml })
}

/// Other blanks, line breaks and comments between words, keywords in any case.
fn scrambled(kcql: &str, random: &mut Random) -> String {
    let mut text = String::new();
    let mut done = 0;
    for (quote, at) in tokens(kcql, 0..kcql.len()) {
        text.push_str(&blanks(&kcql[done..at.start], random));
        let word = &kcql[at.clone()];
        let is_keyword = quote.is_none() && kpipe_grammar::keywords().iter().any(|keyword| keyword.split(' ').any(|part| part == word));
        text.push_str(&match random.below(3) {
            0 if is_keyword => word.to_lowercase(),
            1 if is_keyword => word[..1].to_owned() + &word[1..].to_lowercase(),
            _ => word.to_owned(),
        });
        done = at.end;
    }
    text.push_str(&kcql[done..]);
    text
}

/// What stands between two words, with other blanks where there are any.
fn blanks(between: &str, random: &mut Random) -> String {
    if between.contains("--") || between.contains("/*") {
        return between.to_owned();
    }
    let mut text = String::new();
    for char in between.chars() {
        match char {
            ' ' | '\n' => text.push_str(random.pick(&[" ", "  ", "\n", "\n  ", " /* why */ ", " -- why\n", "\t"])),
            other => text.push(other),
        }
    }
    text
}

#[test]
fn formatting_changes_no_plan() {
    let paths = pipelines();
    assert!(paths.len() > 55, "{} pipelines", paths.len());
    let wrong: Vec<String> = paths.iter().filter_map(|path| broken(&read(path)).map(|why| format!("{}: {why}", path.display()))).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn formatting_changes_no_plan_of_any_layout() {
    let mut made = 0;
    for path in pipelines() {
        let text = read(&path);
        for layout in 0..LAYOUTS {
            let Some(text) = laid_out(&text, layout) else { continue };
            made += 1;
            let why = broken(&text);
            assert!(why.is_none(), "{} in layout {layout}:\n{text}\n{}", path.display(), why.unwrap_or_default());
        }
    }
    assert!(made > 150, "{made} layouts");
}

#[test]
fn a_layout_says_the_same() {
    let text = read(Path::new(PIPELINES).join("06-where-and-comparison.yaml"));
    let found = laid_out(&text, 1).expect("its KCQL is a block");
    assert_ne!(found, text);
    assert_eq!(Folder::new(&found).plan(), Folder::new(&text).plan());
}
