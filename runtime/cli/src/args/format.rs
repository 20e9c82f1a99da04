//! How results are written.

use clap::ValueEnum;

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people: excerpts, colours on a terminal
    #[default]
    Human,
    /// One line a diagnostic: file:line:col: error[CODE]: message
    Plain,
    /// One JSON document on standard output
    Json,
}

/// How diagnostics are written: for people, for programs, or for what shows them beside the code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people: excerpts, colours on a terminal
    #[default]
    Human,
    /// One line a diagnostic: file:line:col: error[CODE]: message
    Plain,
    /// One JSON document on standard output
    Json,
    /// SARIF 2.1.0 on standard output, for code scanning
    Sarif,
    /// Annotations of GitHub Actions, and the summary of the job
    Github,
    /// A comment on a pull request
    Markdown,
}

/// Forms that others show, each one text on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publication {
    /// SARIF 2.1.0.
    Sarif,
    /// Workflow commands of GitHub Actions.
    Github,
    /// Markdown.
    Markdown,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    #[default]
    Human,
    /// One JSON object a line
    Json,
}

/// How a command speaks of what went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// Excerpts on standard error.
    Human,
    /// One line a diagnostic on standard error.
    Plain,
    /// In the JSON document on standard output.
    Document,
    /// One JSON object a line on standard error.
    JsonLines,
    /// In the text on standard output.
    Published(Publication),
}

impl From<Format> for Voice {
    fn from(format: Format) -> Self {
        match format {
            Format::Human => Self::Human,
            Format::Plain => Self::Plain,
            Format::Json => Self::Document,
        }
    }
}

impl From<ReportFormat> for Voice {
    fn from(format: ReportFormat) -> Self {
        match format {
            ReportFormat::Human => Self::Human,
            ReportFormat::Plain => Self::Plain,
            ReportFormat::Json => Self::Document,
            ReportFormat::Sarif => Self::Published(Publication::Sarif),
            ReportFormat::Github => Self::Published(Publication::Github),
            ReportFormat::Markdown => Self::Published(Publication::Markdown),
        }
    }
}

impl From<LogFormat> for Voice {
    fn from(format: LogFormat) -> Self {
        match format {
            LogFormat::Human => Self::Human,
            LogFormat::Json => Self::JsonLines,
        }
    }
}
