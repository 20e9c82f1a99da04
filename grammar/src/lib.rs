//! KCQL: text to AST and back.
//!
//! ```text
//! text --(token)--> tokens --(segment)--> statements, clauses --(clauses/, kcql.pest)--> Statement --(print)--> text
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | `token` | cuts the text into tokens, blanks and comments; nothing is left out |
//! | `lexical` | mistakes of single tokens: open quotes, odd characters, limits |
//! | `segment` | where statements and clauses begin; keywords are contextual |
//! | `clauses` | one file a clause: its grammar rule's pairs to a node, the node to text |
//! | `expr` | expressions and how they are printed |
//! | `options` | the table of clauses that are only a keyword and a value |
//! | `repair` | misspelt words of expressions, found by reading the clause with the word that is near |
//! | `diagnose` | from the place where the grammar stopped to the mistake that was made |
//! | `print` | the canonical form of a statement |
//! | `format` | the canonical layout of a text, comments kept |
//!
//! No text is ever read in part: a statement is either understood to its last character or refused with an error.

pub mod ast;
mod clauses;
mod diagnose;
mod error;
mod excerpt;
pub mod expr;
mod format;
mod keyword;
mod labels;
mod lexical;
pub mod limits;
mod options;
mod print;
mod repair;
mod report;
mod rules;
mod segment;
pub mod span;
mod statement;
#[cfg(test)]
mod testing;
mod token;
mod warning;

pub use error::{Fix, SyntaxError};
pub use keyword::keywords;
pub use warning::SyntaxWarning;

use ast::Statement;
use limits::{STATEMENTS_MAX, TEXT_BYTES_MAX};
use report::Report;
use span::Span;
use token::Token;

/// The language for its users, in Markdown.
pub const REFERENCE: &str = include_str!("../reference.md");

/// What a text says, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// The statements without an error, in the order they were written.
    pub statements: Vec<Statement>,
    /// What is read differently from what may have been meant.
    pub warnings: Vec<SyntaxWarning>,
    /// One error for each mistake, in the order of the text.
    pub errors: Vec<SyntaxError>,
}

/// Reads statements separated by `;`. A statement with an error is left out and the others are read all the same.
#[must_use]
pub fn parse(text: &str) -> Parsed {
    let mut report = Report::default();
    let mut statements = Vec::new();
    if text.len() > TEXT_BYTES_MAX {
        report.error(SyntaxError::TextTooLong { bytes: text.len(), span: Span::new(0, 0) });
    } else {
        let tokens: Vec<Token> = token::tokens(text).into_iter().filter(|token| token.is_significant()).collect();
        for (number, range) in segment::statements(text, &tokens).into_iter().enumerate() {
            let piece = &tokens[range];
            let span = segment::span_of(piece);
            if report.is_full(span) {
                break;
            }
            if number == STATEMENTS_MAX {
                report.error(SyntaxError::TooManyStatements { span: piece[0].span });
                break;
            }
            statement::parse(text, piece, &mut statements, &mut report);
        }
    }
    let Report { errors, warnings } = report;
    Parsed { statements, warnings, errors }
}

/// Lays a text out: keywords in capitals, clauses in canonical order, one clause a line when a statement is longer than a
/// line. Comments stay, and a text that was laid out does not change.
///
/// # Errors
///
/// Those of [`parse`]: a text with a mistake is not touched.
pub fn format(text: &str) -> Result<String, Vec<SyntaxError>> {
    let Parsed { errors, .. } = parse(text);
    if errors.is_empty() { Ok(format::layout(text, &token::tokens(text))) } else { Err(errors) }
}
