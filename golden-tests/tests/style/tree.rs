//! The source tree as the style tests read it.

use std::path::{Path, PathBuf};

/// Every file that is under version control or would be.
pub(crate) struct Tree {
    /// The project's root.
    pub(crate) root: PathBuf,
    /// Rust files.
    pub(crate) rust: Vec<Rust>,
    /// Every text file, by path.
    pub(crate) texts: Vec<(String, String)>,
}

/// A Rust file.
pub(crate) struct Rust {
    /// Its path from the root, with `/`.
    pub(crate) path: String,
    /// The folder of its crate.
    pub(crate) crate_dir: &'static str,
    /// What it holds.
    pub(crate) text: String,
}

impl Rust {
    /// True for files that only tests and benchmarks use.
    pub(crate) fn is_test(&self) -> bool {
        let below = self.path.strip_prefix(self.crate_dir).unwrap_or(&self.path);
        below.starts_with("/tests/")
            || below.starts_with("/benches/")
            || below.ends_with("/tests.rs")
            || below.contains("/tests/")
            || self.crate_dir == "golden-tests"
    }
}

impl Tree {
    /// Reads the tree that this test was built from.
    pub(crate) fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the project").to_path_buf();
        let mut texts = Vec::new();
        walk(&root, &root, &mut texts);
        texts.sort();
        let rust = texts.iter().filter(|(path, _)| path.ends_with(".rs")).filter_map(|(path, text)| {
            let crate_dir = super::CRATES.iter().map(|(dir, ..)| *dir).find(|dir| path.starts_with(&format!("{dir}/")))?;
            Some(Rust { path: path.clone(), crate_dir, text: text.clone() })
        });
        let rust: Vec<Rust> = rust.collect();
        assert!(rust.len() > 30, "the source tree was not found at {}", root.display());
        Self { root, rust, texts }
    }

    /// A file's text.
    pub(crate) fn text(&self, path: &str) -> &str {
        &self.texts.iter().find(|(name, _)| name == path).unwrap_or_else(|| panic!("{path} is missing")).1
    }
}

fn walk(root: &Path, folder: &Path, texts: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry is readable").path();
        let name = path.file_name().expect("an entry has a name").to_string_lossy().into_owned();
        if path.is_dir() {
            if !matches!(name.as_str(), "target" | ".git" | "kpipe-demo" | "proptest-regressions") {
                walk(root, &path, texts);
            }
            continue;
        }
        let kinds = ["rs", "toml", "md", "sh", "yaml", "yml", "pest", "py", "txt", "xml", "properties", "json", "jsonl", "run"];
        let kind = path.extension().map(|kind| kind.to_string_lossy().into_owned());
        if kind.is_some_and(|kind| kinds.contains(&kind.as_str())) || matches!(name.as_str(), "justfile" | "run" | "services" | "check") {
            let below = path.strip_prefix(root).expect("below the root").to_string_lossy().replace('\\', "/");
            if let Ok(text) = std::fs::read_to_string(&path) {
                texts.push((below, text));
            }
        }
    }
}
