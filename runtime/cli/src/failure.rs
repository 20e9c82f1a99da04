//! A command that failed for a reason outside the pipeline files: its exit code, its message, what to do.

use std::io;
use std::path::Path;

use kpipe_engine::error::{ConnectorError, ErrorKind};

use crate::exit::Exit;
use crate::render::diagnostics::{Finding, Severity};

/// Why a command ended early. The kind of failure alone decides the exit code.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) exit: Exit,
    /// `KP0801`.
    pub(crate) code: Option<&'static str>,
    /// A lower-case fragment.
    pub(crate) message: String,
    /// More lines about it.
    pub(crate) notes: Vec<String>,
    /// What to do.
    pub(crate) help: Option<String>,
}

impl Failure {
    /// A failure without more words.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, code: None, message: message.into(), notes: Vec::new(), help: None }
    }

    /// What it says was said already; only the code counts.
    pub(crate) fn silent(exit: Exit) -> Self {
        Self::new(exit, "")
    }

    /// A local file that cannot be read or written.
    pub(crate) fn file(verb: &str, path: &Path, error: &io::Error) -> Self {
        Self::new(Exit::LocalIo, format!("cannot {verb} {}: {error}", path.display())).code(codes::LOCAL_FILE)
    }

    /// As a diagnostic without a place.
    pub(crate) fn finding(&self) -> Finding {
        let Self { exit: _, code, message, notes, help } = self;
        Finding {
            severity: Severity::Error,
            code: code.map(str::to_owned),
            message: message.clone(),
            marks: Vec::new(),
            notes: notes.clone(),
            help: help.clone(),
            fixes: Vec::new(),
            pipeline: None,
        }
    }

    /// Adds the code.
    pub(crate) fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    /// Adds a line.
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds what to do.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl From<io::Error> for Failure {
    /// Writing to standard output or error failed. A reader that went away (`kpipe plan | head`) is no failure.
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::silent(Exit::Done);
        }
        Self::new(Exit::LocalIo, format!("cannot write the output: {error}")).code(codes::LOCAL_FILE)
    }
}

impl From<ConnectorError> for Failure {
    fn from(error: ConnectorError) -> Self {
        let ConnectorError { kind, retry: _, message, help } = error;
        Self { exit: kind.into(), code: Some(code_of(kind)), message, notes: Vec::new(), help }
    }
}

/// The code of a failure at the border to another system.
pub(crate) fn code_of(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Unreachable => codes::UNREACHABLE,
        ErrorKind::Missing => codes::MISSING,
        ErrorKind::Denied => codes::DENIED,
        ErrorKind::Invalid => codes::REFUSED_SETTING,
        ErrorKind::LocalIo => codes::LOCAL_FILE,
        ErrorKind::Fenced => codes::FENCED,
        ErrorKind::Data => codes::BAD_RECORD,
        ErrorKind::Bug => codes::BUG,
    }
}

/// The codes that the command line itself gives out; their pages stand in the compiler's registry.
pub(crate) mod codes {
    /// A system does not answer.
    pub(crate) const UNREACHABLE: &str = "KP0801";
    /// A topic, bucket or file is not there.
    pub(crate) const MISSING: &str = "KP0802";
    /// Wrong password or no right.
    pub(crate) const DENIED: &str = "KP0803";
    /// A system refuses a setting.
    pub(crate) const REFUSED_SETTING: &str = "KP0804";
    /// A directory without pipeline files.
    pub(crate) const NO_PIPELINES: &str = "KP0806";
    /// A file that is not UTF-8.
    pub(crate) const NOT_UTF8: &str = "KP0807";
    /// A local file cannot be read or written.
    pub(crate) const LOCAL_FILE: &str = "KP0805";
    /// A saved plan that no longer fits.
    pub(crate) const STALE_PLAN: &str = "KP0903";
    /// A change that needs consent.
    pub(crate) const CONSENT: &str = "KP0905";
    /// A record that cannot be processed.
    pub(crate) const BAD_RECORD: &str = "KP1006";
    /// Another worker took over.
    pub(crate) const FENCED: &str = "KP1012";
    /// A bug.
    pub(crate) const BUG: &str = "KP9901";
}
