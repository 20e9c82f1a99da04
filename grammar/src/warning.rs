//! What can be read, but may have been meant differently.

use miette::Diagnostic;
use thiserror::Error;

use crate::error::Fix;
use crate::span::Span;

/// Something that is read, but not as it may have been meant.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
#[diagnostic(severity(Warning))]
pub enum SyntaxWarning {
    /// `FROM nopartition`.
    #[error("`{word}` is read as a name here")]
    #[diagnostic(code(KP0151), help("put a name that is also a clause in back-ticks"))]
    KeywordAsName {
        /// The word.
        word: String,
        /// Where.
        #[label("a clause of the same name exists")]
        span: Span,
    },
    /// A clause that the newer language dropped.
    #[error("`{clause}` is a deprecated clause")]
    #[diagnostic(code(KP0152), help("write {replacement}"))]
    DeprecatedClause {
        /// The keyword.
        clause: &'static str,
        /// What to write instead.
        replacement: String,
        /// The clause.
        #[label("replaced by {replacement}")]
        span: Span,
        /// True if the replacement can stand in its place: no other clause of the statement is or becomes PROPERTIES.
        is_alone: bool,
    },
    /// `_.topic`.
    #[error("`{old}` is the old spelling of a metadata column")]
    #[diagnostic(code(KP0153), help("write `{new}`"))]
    OldMetadata {
        /// As written.
        old: String,
        /// As it is written now.
        new: String,
        /// The first two names of the path.
        #[label("read as `{new}`")]
        span: Span,
    },
    /// `SELECT a+b`.
    #[error("`{word}` is read as one field name")]
    #[diagnostic(code(KP0154), help("put the name in back-ticks; a calculation needs blanks around its signs"))]
    OperatorInName {
        /// The word.
        word: String,
        /// Where.
        #[label("one name, not a calculation")]
        span: Span,
    },
    /// `a,--b`.
    #[error("`{word}` is read as a name, not as a comment")]
    #[diagnostic(code(KP0155), help("a comment needs a blank before it; a name that begins with `--` goes in back-ticks"))]
    CommentAsName {
        /// The word.
        word: String,
        /// Where.
        #[label("no blank before this")]
        span: Span,
    },
}

impl SyntaxWarning {
    /// The edit that makes the reading explicit.
    #[must_use]
    pub fn fix(&self) -> Option<Fix> {
        match self {
            SyntaxWarning::KeywordAsName { word, span }
            | SyntaxWarning::OperatorInName { word, span }
            | SyntaxWarning::CommentAsName { word, span } => Some(Fix { span: *span, replacement: format!("`{word}`") }),
            SyntaxWarning::OldMetadata { new, span, .. } => Some(Fix { span: *span, replacement: new.clone() }),
            SyntaxWarning::DeprecatedClause { replacement, span, is_alone, .. } => {
                is_alone.then(|| Fix { span: *span, replacement: replacement.clone() })
            }
        }
    }

    /// Where it is about.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            SyntaxWarning::KeywordAsName { span, .. }
            | SyntaxWarning::DeprecatedClause { span, .. }
            | SyntaxWarning::OldMetadata { span, .. }
            | SyntaxWarning::OperatorInName { span, .. }
            | SyntaxWarning::CommentAsName { span, .. } => *span,
        }
    }
}
