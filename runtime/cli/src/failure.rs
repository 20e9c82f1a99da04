//! A command that failed for a reason outside the pipeline files: its exit code, its message, what to do.

use std::io;
use std::path::Path;

use kpipe_engine::error::{ConnectorError, ErrorKind};

use crate::exit::Exit;
use crate::origin::Subject;
use crate::render::diagnostics::{Document, Finding, Mark, Severity};

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
    /// What it is about.
    pub(crate) subject: Option<Box<Subject>>,
}

impl Failure {
    /// A failure without more words.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, code: None, message: message.into(), notes: Vec::new(), help: None, subject: None }
    }

    /// What it says was said already; only the code counts.
    pub(crate) fn silent(exit: Exit) -> Self {
        Self::new(exit, "")
    }

    /// A local file that cannot be read or written.
    pub(crate) fn file(verb: &str, path: &Path, error: &io::Error) -> Self {
        Self::new(Exit::LocalIo, format!("cannot {verb} {}: {error}", path.display())).code(codes::LOCAL_FILE)
    }

    /// As a diagnostic; the text that it points into is added to `documents`.
    pub(crate) fn finding(self, documents: &mut Vec<Document>) -> Finding {
        let Self { exit: _, code, message, notes, help, subject } = self;
        let (pipeline, yaml_path, at) =
            subject.map_or((None, None, None), |subject| (Some(subject.pipeline), subject.yaml_path, subject.at));
        let mark = at.map(|(document, mark)| {
            documents.push(document);
            Mark { document: documents.len() - 1, ..mark }
        });
        Finding {
            severity: Severity::Error,
            code: code.map(str::to_owned),
            message,
            marks: mark.into_iter().collect(),
            notes,
            help,
            fixes: Vec::new(),
            pipeline,
            yaml_path,
        }
    }

    /// Says what it is about. Where that has no place in a file, the message names the pipeline.
    pub(crate) fn about(mut self, subject: Subject) -> Self {
        if subject.at.is_none() {
            self.message = format!("{}: {}", subject.pipeline, self.message);
        }
        self.subject = Some(Box::new(subject));
        self
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
        let ConnectorError { kind, retry: _, message, help, about: _ } = error;
        let help = help.or_else(|| help_of(kind).map(str::to_owned));
        Self { exit: kind.into(), code: Some(code_of(kind)), message, notes: Vec::new(), help, subject: None }
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

/// What to do where nothing better is known.
fn help_of(kind: ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::Unreachable => Some("look at the address, the network and whether it runs; then try again"),
        ErrorKind::Missing => Some("create it, or correct the name"),
        ErrorKind::Denied => Some("look at user, password and rights"),
        ErrorKind::Bug => Some("please report this with the lines above"),
        ErrorKind::Fenced | ErrorKind::Data | ErrorKind::LocalIo | ErrorKind::Invalid => None,
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
    /// A line of input that should be a text in JSON.
    pub(crate) const NOT_A_JSON_STRING: &str = "KP0149";
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let gone = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((gone.exit, gone.message.as_str()), (Exit::Done, ""));
        let full = Failure::from(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!((full.exit, full.code), (Exit::LocalIo, Some(codes::LOCAL_FILE)));
    }

    #[test]
    fn errors_of_connectors_keep_their_help_or_get_one() {
        let own = Failure::from(ConnectorError::new(ErrorKind::Denied, "no").help("ask the owner"));
        assert_eq!((own.exit, own.help.as_deref()), (Exit::Denied, Some("ask the owner")));
        for kind in [ErrorKind::Unreachable, ErrorKind::Missing, ErrorKind::Denied, ErrorKind::Bug] {
            let failure = Failure::from(ConnectorError::new(kind, "what"));
            assert!(failure.help.is_some() && failure.code.is_some(), "{kind:?}");
            assert_eq!(failure.exit, Exit::from(kind));
        }
    }

    #[test]
    fn each_kind_of_failure_has_its_code_and_a_page_that_names_its_exit() {
        for (kind, code, exit) in [
            (ErrorKind::Unreachable, "KP0801", Exit::Unreachable),
            (ErrorKind::Missing, "KP0802", Exit::Unreachable),
            (ErrorKind::Denied, "KP0803", Exit::Denied),
            (ErrorKind::Invalid, "KP0804", Exit::Invalid),
            (ErrorKind::LocalIo, "KP0805", Exit::LocalIo),
            (ErrorKind::Data, "KP1006", Exit::StoppedByPolicy),
            (ErrorKind::Fenced, "KP1012", Exit::Stale),
            (ErrorKind::Bug, "KP9901", Exit::Bug),
        ] {
            let failure = Failure::from(ConnectorError::new(kind, "what"));
            assert_eq!((failure.code, failure.exit), (Some(code), exit), "{kind:?}");
            let page = kpipe_compiler::codes::find(code).unwrap();
            let is_usual = exit == Exit::Invalid;
            assert_eq!(page.meaning.contains(&format!("Exit code {}.", exit.code())), !is_usual, "{}", page.meaning);
            assert_eq!(failure.finding(&mut Vec::new()).code.as_deref(), Some(code));
        }
        let local = Failure::file("read", Path::new("x.yaml"), &io::Error::from(io::ErrorKind::NotFound));
        assert_eq!((local.code, local.exit), (Some("KP0805"), Exit::LocalIo));
    }

    #[test]
    fn a_failure_is_a_diagnostic_without_a_place() {
        let finding = Failure::file("read", Path::new("x.yaml"), &io::Error::other("odd")).note("a").help("b").finding(&mut Vec::new());
        assert_eq!(finding.message, "cannot read x.yaml: odd");
        assert_eq!((finding.notes.as_slice(), finding.help.as_deref()), (["a".to_owned()].as_slice(), Some("b")));
        assert!(finding.marks.is_empty());
    }
    #[test]
    fn a_failure_with_a_place_points_at_it_and_one_without_names_its_pipeline() {
        let subject = |at| Subject { pipeline: "orders".to_owned(), yaml_path: Some("source.kafka.brokers".to_owned()), at };
        let away = || Failure::from(ConnectorError::new(ErrorKind::Unreachable, "kafka at h:1: no answer"));
        let mut documents = Vec::new();
        let bare = away().about(subject(None)).finding(&mut documents);
        assert_eq!((bare.message.as_str(), bare.pipeline.as_deref()), ("orders: kafka at h:1: no answer", Some("orders")));
        assert!(bare.marks.is_empty() && documents.is_empty());
        let (mut given, sample) = crate::render::diagnostics::tests::sample();
        documents.push(given[0].clone());
        let placed = away().about(subject(Some((given.remove(0), sample.marks[0].clone())))).finding(&mut documents);
        assert_eq!((placed.message.as_str(), placed.yaml_path.as_deref()), ("kafka at h:1: no answer", Some("source.kafka.brokers")));
        assert_eq!((placed.marks[0].document, documents.len()), (1, 2), "its text is one more document");
    }
}
