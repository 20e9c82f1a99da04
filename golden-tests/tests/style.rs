//! The rules of STYLE.md, as tests over the source tree.

#[path = "style/measure.rs"]
mod measure;
#[path = "style/tree.rs"]
mod tree;

use std::collections::BTreeMap;
use std::path::Path;

use measure::{Measure, measure};
use tree::{Rust, Tree};

/// A crate and the crates of this workspace that it may use outside its tests, in import direction.
const CRATES: &[(&str, &str, &[&str])] = &[
    ("grammar", "kpipe-grammar", &[]),
    ("compiler", "kpipe-compiler", &["kpipe-grammar"]),
    ("runtime/engine", "kpipe-engine", &["kpipe-grammar", "kpipe-compiler"]),
    ("runtime/connectors", "kpipe-connectors", &["kpipe-grammar", "kpipe-compiler", "kpipe-engine"]),
    ("runtime/cli", "kpipe", &["kpipe-grammar", "kpipe-compiler", "kpipe-engine", "kpipe-connectors"]),
    ("golden-tests", "golden-tests", &[]),
];

const FILE_CODE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const FOLDER_DEPTH_MAX: usize = 3;
const DIRECT_DEPENDENCIES_MAX: usize = 60;
const EXPECTS_PER_KLOC_MAX: f64 = 4.0;
const CLONES_PER_KLOC_MAX: f64 = 12.0;
const TESTS_PER_CODE_MIN: f64 = 0.7;

/// Prints every finding, then fails if there is one.
fn report(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}

fn measured(tree: &Tree) -> Vec<(&Rust, Measure)> {
    tree.rust.iter().map(|file| (file, measure(&file.text).unwrap_or_else(|error| panic!("{}: {error}", file.path)))).collect()
}

#[test]
fn files_and_functions_are_short() {
    let tree = Tree::read();
    let mut findings = Vec::new();
    for (file, measure) in measured(&tree) {
        if measure.code_lines > FILE_CODE_LINES_MAX {
            findings.push(format!("{}: {} lines of code, at most {FILE_CODE_LINES_MAX}", file.path, measure.code_lines));
        }
        for function in &measure.functions {
            if function.lines > FUNCTION_LINES_MAX {
                findings.push(format!(
                    "{}:{}: `{}` has {} lines, at most {FUNCTION_LINES_MAX}",
                    file.path, function.line, function.name, function.lines
                ));
            }
        }
    }
    report("split what is too long", &findings);
}

#[test]
fn nothing_is_unwrapped_and_expectations_are_rare() {
    let tree = Tree::read();
    let mut findings = Vec::new();
    let mut sums: BTreeMap<&str, (usize, usize, usize)> = BTreeMap::new();
    for (file, measure) in measured(&tree).into_iter().filter(|(file, _)| !file.is_test()) {
        for line in &measure.unwraps {
            findings.push(format!("{}:{line}: `unwrap` outside tests", file.path));
        }
        for line in &measure.expects_without_reason {
            findings.push(format!("{}:{line}: `expect` without the reason that it cannot fail", file.path));
        }
        let sum = sums.entry(file.crate_dir).or_default();
        *sum = (sum.0 + measure.code_lines, sum.1 + measure.expects, sum.2 + measure.clones);
    }
    for (name, (code, expects, clones)) in sums.into_iter().filter(|(_, sum)| sum.0 > 1_000) {
        let per_kloc = |count: usize| count as f64 * 1_000.0 / code as f64;
        if per_kloc(expects) > EXPECTS_PER_KLOC_MAX {
            findings.push(format!("{name}: {expects} `expect` in {code} lines, at most {EXPECTS_PER_KLOC_MAX} per thousand"));
        }
        if per_kloc(clones) > CLONES_PER_KLOC_MAX {
            findings.push(format!("{name}: {clones} `clone` in {code} lines, at most {CLONES_PER_KLOC_MAX} per thousand"));
        }
    }
    report("fail with an error", &findings);
}

#[test]
fn every_crate_is_tested_in_proportion() {
    let tree = Tree::read();
    let mut sums: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (file, measure) in measured(&tree) {
        let sum = sums.entry(file.crate_dir).or_default();
        sum.0 += if file.is_test() { 0 } else { measure.code_lines };
        sum.1 += if file.is_test() { measure.code_lines + measure.test_lines } else { measure.test_lines };
    }
    let findings: Vec<String> = sums
        .into_iter()
        .filter(|(name, (code, tests))| *name != "golden-tests" && (*tests as f64) < *code as f64 * TESTS_PER_CODE_MIN)
        .map(|(name, (code, tests))| format!("{name}: {tests} lines of tests for {code} of code, at least {TESTS_PER_CODE_MIN} for each"))
        .collect();
    report("write the missing tests", &findings);
}

#[test]
fn imports_go_one_way() {
    let tree = Tree::read();
    let mut findings = Vec::new();
    for (dir, _, allowed) in CRATES.iter().filter(|(dir, ..)| *dir != "golden-tests") {
        let manifest = tree.text(&format!("{dir}/Cargo.toml"));
        let normal = manifest.split("[dev-dependencies]").next().unwrap_or_default();
        for (_, name, _) in CRATES {
            let used = normal.lines().any(|line| line.starts_with(&format!("{name}.workspace")) || line.starts_with(&format!("{name} =")));
            if used && !allowed.contains(name) {
                findings.push(format!("{dir} depends on {name}"));
            }
        }
    }
    for file in tree.rust.iter().filter(|file| !file.is_test()) {
        for (line, text) in file.text.lines().enumerate() {
            for why in forbidden_use(file, text) {
                findings.push(format!("{}:{}: {why}", file.path, line + 1));
            }
        }
    }
    report("the import direction is broken", &findings);
}

/// Modules that do IO, read the environment or start threads.
const IMPURE: &[&str] = &["tokio::", "std::fs", "std::net", "std::env", "std::thread", "std::process", "std::io::stdin"];
/// Types of those modules that are values and do nothing.
const PURE_IN_IMPURE: &[&str] = &["std::net::IpAddr", "std::net::Ipv4Addr", "std::net::Ipv6Addr", "std::net::SocketAddr"];

/// Whether a line of code names a module that its crate must not know, imported or written out.
fn is_impure(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    let values_removed = PURE_IN_IMPURE.iter().fold(code.to_owned(), |code, value| code.replace(value, ""));
    IMPURE.iter().any(|module| values_removed.contains(module))
}

#[test]
fn an_address_is_a_value_and_a_socket_is_not() {
    assert!(!is_impure("use std::net::IpAddr;"));
    assert!(!is_impure("// std::fs is not for this crate"));
    assert!(is_impure("use std::net::TcpStream;"));
    assert!(is_impure("    let text = std::fs::read_to_string(path)?;"));
}

/// What a line imports that its place must not know.
fn forbidden_use(file: &Rust, line: &str) -> Vec<&'static str> {
    let mut findings = Vec::new();
    if matches!(file.crate_dir, "grammar" | "compiler") && is_impure(line) {
        findings.push("the language and the compiler do no IO");
    }
    let Some(path) = line.trim_start().strip_prefix("use ").or_else(|| line.trim_start().strip_prefix("pub use ")) else { return findings };
    if file.crate_dir == "runtime/engine" && ["rdkafka", "aws_", "rumqttc"].iter().any(|vendor| path.starts_with(vendor)) {
        findings.push("the engine knows no vendor's library");
    }
    if file.crate_dir == "runtime/connectors" && path.starts_with("kpipe_engine::path") {
        findings.push("connectors do not know the path");
    }
    let stage = file.path.strip_prefix("runtime/engine/src/path/").filter(|name| *name != "mod.rs");
    if stage.is_some() && (path.starts_with("crate::assemble") || path.starts_with("crate::supervise")) {
        findings.push("a stage does not know how it is assembled");
    }
    findings
}

#[test]
fn folders_are_shallow_and_dependencies_few() {
    let tree = Tree::read();
    let mut findings = Vec::new();
    for file in &tree.rust {
        let below = file.path.strip_prefix(file.crate_dir).and_then(|rest| rest.strip_prefix("/src/")).unwrap_or_default();
        if below.matches('/').count() > FOLDER_DEPTH_MAX {
            findings.push(format!("{} is more than {FOLDER_DEPTH_MAX} folders deep", file.path));
        }
    }
    let manifest = tree.text("Cargo.toml");
    let section = manifest.split("[workspace.dependencies]").nth(1).and_then(|rest| rest.split("\n[").next()).unwrap_or_default();
    let count = section.lines().filter(|line| line.contains('=') && !line.starts_with("kpipe") && !line.starts_with('#')).count();
    assert!(count > 10, "the list of dependencies was not found");
    if count > DIRECT_DEPENDENCIES_MAX {
        findings.push(format!("{count} direct dependencies, at most {DIRECT_DEPENDENCIES_MAX}"));
    }
    report("keep it small", &findings);
}

#[test]
fn unsafe_code_stands_in_one_module_with_its_proofs() {
    let tree = Tree::read();
    let mut findings = Vec::new();
    for (file, measure) in measured(&tree) {
        let home = file.path.starts_with("runtime/connectors/src/kafka/ffi");
        for (line, proven) in &measure.unsafe_blocks {
            if !home {
                findings.push(format!("{}:{line}: `unsafe` outside the one module for it", file.path));
            } else if !proven {
                findings.push(format!("{}:{line}: `unsafe` without a `SAFETY:` comment above it", file.path));
            }
        }
    }
    report("unsafe code", &findings);
}

#[test]
fn comments_promise_nothing_and_texts_speak_of_kpipe_alone() {
    let tree = Tree::read();
    let mut findings = Vec::new();
    // Put together here so that this file does not find itself.
    let words: Vec<String> =
        [("TO", "DO"), ("FIX", "ME"), ("XX", "X"), ("HA", "CK"), ("todo", "!("), ("unimplemented", "!("), ("dbg", "!(")]
            .iter()
            .map(|(a, b)| format!("{a}{b}"))
            .collect();
    let places: Vec<String> = [("/wo", "rk/"), ("/ro", "ot/"), (".lib", "rary"), ("sub", "agent"), ("crates", ".io"), ("#[all", "ow(")]
        .iter()
        .map(|(a, b)| format!("{a}{b}"))
        .collect();
    for (path, text) in &tree.texts {
        for (index, line) in text.lines().enumerate() {
            let word = words.iter().find(|word| contains_word(line, word) && !line.contains(&format!("{word}(#")));
            if let Some(found) = word.or_else(|| places.iter().find(|place| line.contains(place.as_str()))) {
                findings.push(format!("{path}:{}: `{found}`", index + 1));
            }
        }
    }
    report("words that should not stand here", &findings);
}

fn contains_word(line: &str, word: &str) -> bool {
    let boundary = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '_');
    line.match_indices(word).any(|(at, _)| {
        boundary(line[..at].chars().next_back()) && (word.ends_with('(') || boundary(line[at + word.len()..].chars().next()))
    })
}

#[test]
fn every_connector_describes_itself() {
    let tree = Tree::read();
    let mut findings = Vec::new();
    for def in kpipe_connectors::ALL {
        let folder = format!("runtime/connectors/src/{}", def.spec.name);
        if !tree.root.join(&folder).join("README.md").exists() {
            findings.push(format!("{folder}/README.md is missing"));
        }
        let source = def.spec.source.iter().flat_map(|source| source.options);
        let sink = def.spec.sink.iter().flat_map(|sink| sink.options);
        for option in source.chain(sink) {
            if option.doc.is_empty() || option.example.is_empty() {
                findings.push(format!("{}: option `{}` has no text or no example", def.spec.name, option.path));
            }
        }
    }
    assert!(kpipe_connectors::ALL.len() >= 5, "the list of connectors is read");
    report("connectors without a description", &findings);
}

#[test]
fn the_top_level_is_as_agreed() {
    let tree = Tree::read();
    let allowed = ["grammar", "compiler", "runtime", "pipelines", "examples", "golden-tests", "docs", "scripts", "target", "kpipe-demo"];
    let mut findings = Vec::new();
    for entry in std::fs::read_dir(&tree.root).expect("the root is readable") {
        let entry = entry.expect("an entry is readable");
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() && !name.starts_with('.') && !allowed.contains(&name.as_str()) {
            findings.push(name);
        }
    }
    report("folders that nobody agreed on", &findings);
    for name in
        ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "LICENSE", "STYLE.md", "justfile", "rustfmt.toml", "clippy.toml", "deny.toml"]
    {
        assert!(Path::new(&tree.root).join(name).exists(), "{name} is missing");
    }
}
