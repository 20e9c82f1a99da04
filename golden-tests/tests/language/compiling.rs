//! Texts to plans in this process, without a command line.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use kpipe_compiler::catalog::{Catalog, ConnectorSpec};
use kpipe_compiler::report::{Severity, View};
use kpipe_compiler::sources::{Lookups, Mode, Sources};
use kpipe_compiler::{Compiled, compile};

/// The pipelines that edits are made in.
pub(crate) const PIPELINES: &str = "cases/mutations";

static SPECS: LazyLock<Vec<&'static ConnectorSpec>> = LazyLock::new(|| kpipe_connectors::ALL.iter().map(|def| def.spec).collect());

/// What users see: the connectors of the binary.
pub(crate) static CATALOG: LazyLock<Catalog> = LazyLock::new(|| Catalog { connectors: &SPECS });

/// No variable is set and no file is there, as in a check elsewhere.
struct Nothing;

impl Lookups for Nothing {
    fn env(&self, _name: &str) -> Option<String> {
        None
    }

    fn file(&self, _base: &str, _path: &str) -> Result<String, String> {
        Err("it is not there".to_owned())
    }
}

/// A file that was checked.
pub(crate) struct Checked {
    /// The text and its lines.
    pub(crate) sources: Sources,
    /// What came of it.
    pub(crate) compiled: Compiled,
}

impl Checked {
    /// As `kpipe check` sees this text.
    pub(crate) fn of(text: &str) -> Self {
        let mut sources = Sources::new();
        sources.add("pipeline.yaml", text);
        let compiled = compile(&sources, &CATALOG, &Nothing, Mode::Check);
        Self { sources, compiled }
    }

    /// What is wrong with it.
    pub(crate) fn errors(&self) -> Vec<View> {
        self.compiled.report.views(&self.sources).into_iter().filter(|view| view.severity == Severity::Error).collect()
    }
}

/// The files of a folder with this extension, by name.
pub(crate) fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let paths = entries.map(|entry| entry.unwrap_or_else(|error| panic!("{folder}: {error}")).path());
    let mut files: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    files.sort();
    files
}

/// The text of a file.
pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Compares with a file, or writes it where `KPIPE_ACCEPT` is set.
pub(crate) fn expect(path: impl AsRef<Path>, found: &str) {
    let path = path.as_ref();
    if std::env::var_os("KPIPE_ACCEPT").is_some() {
        return std::fs::write(path, found).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    assert!(read(path) == found, "{} is out of date; KPIPE_ACCEPT=1 writes it:\n{found}", path.display());
}

/// The name of a file without its folder and extension.
pub(crate) fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
