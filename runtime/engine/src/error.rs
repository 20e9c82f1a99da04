//! Errors of the engine and of connectors. Each says whether trying again can help.

/// Whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// No: the same call will fail the same way.
    No,
    /// Yes, after a pause.
    Backoff,
    /// Yes, after opening the connector again.
    Reopen,
}

/// What kind of failure this is: it decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// No answer: network, DNS, TLS handshake, a server that is down. Exit code 10.
    Unreachable,
    /// A topic, bucket or file that is not there. Exit code 10.
    Missing,
    /// Wrong password, no right. Exit code 11.
    Denied,
    /// Another worker took over. Exit code 12.
    Fenced,
    /// A record that cannot be processed. Exit code 14.
    Data,
    /// A local file: unreadable, disk full. Exit code 74.
    LocalIo,
    /// A setting that the system refuses. Exit code 1.
    Invalid,
    /// A bug. Exit code 70.
    Bug,
}

/// The part of a pipeline that a failure is about, for whoever knows where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// An option of the connector: `sasl.password`.
    Option(&'static str),
    /// A name that statements give: a topic, a bucket, a file.
    Name(String),
}

/// A failure at the border to another system. Messages are lower-case fragments that name the system, never a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConnectorError {
    /// The kind.
    pub kind: ErrorKind,
    /// Whether trying again can help.
    pub retry: Retry,
    /// What happened and where: `kafka at localhost:9092: topic "orders" does not exist`.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// What it is about, if that is one part of the pipeline.
    pub about: Option<About>,
}

impl ConnectorError {
    /// A failure of this kind; [`ErrorKind::Unreachable`] is retried, everything else is not unless said otherwise.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let retry = if kind == ErrorKind::Unreachable { Retry::Backoff } else { Retry::No };
        Self { kind, retry, message: message.into(), help: None, about: None }
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says what it is about.
    #[must_use]
    pub fn about(mut self, about: About) -> Self {
        self.about = Some(about);
        self
    }

    /// Says what it is about where that is not known better already.
    #[must_use]
    pub fn or_about(mut self, about: About) -> Self {
        self.about.get_or_insert(about);
        self
    }

    /// Says whether to try again.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }
}
