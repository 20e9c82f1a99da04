//! What can be wrong with a file before anybody asks what its keys mean.

use kpipe_grammar::span::Span;
use miette::Diagnostic;
use thiserror::Error;

use super::limits::{ALIASES_MAX, DEPTH_MAX, NODES_MAX};
use crate::sources::FILE_BYTES_MAX;

/// A file that is not YAML as kpipe reads it.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
pub enum YamlError {
    /// Anything that has no message of its own.
    #[error("this is not YAML: {reason}")]
    #[diagnostic(code(KP0203))]
    Syntax {
        /// Why, in words.
        reason: String,
        /// Where the reader stopped.
        #[label("the reader stops here")]
        span: Span,
    },
    /// A tab before a key.
    #[error("a tab cannot indent a line")]
    #[diagnostic(code(KP0204), help("indent with spaces; most editors can be told to insert them"))]
    Tab {
        /// The tab.
        #[label("this is a tab")]
        span: Span,
    },
    /// A key twice in one mapping.
    #[error("the key `{key}` stands twice in one mapping")]
    #[diagnostic(code(KP0205), help("keep one of the two; kpipe never lets the last one win"))]
    DuplicateKey {
        /// The key.
        key: String,
        /// The second.
        #[label("`{key}` again")]
        second: Span,
        /// The first.
        #[label("first here")]
        first: Span,
    },
    /// A line that fits no level above it.
    #[error("this line is {found}, which fits no mapping above it")]
    #[diagnostic(code(KP0206), help("the mappings above it begin at {levels}"))]
    Indentation {
        /// Its indentation, in words.
        found: String,
        /// The indentations that would do, in words.
        levels: String,
        /// The first word of the line.
        #[label("belongs to no level")]
        span: Span,
    },
    /// A key that is indented further than the line before it, which has a value already.
    #[error("`{key}` is indented further than the line above it, so it is read as part of its value")]
    #[diagnostic(code(KP0206), help("begin both keys in the same column"))]
    DeeperKey {
        /// The key.
        key: String,
        /// The key.
        #[label("indented further than the key above")]
        span: Span,
        /// The value above.
        #[label("this value would go on in the next line")]
        value: Span,
    },
    /// `a: b: c`.
    #[error("`: ` has no place inside a value without quotes")]
    #[diagnostic(code(KP0207), help("put the value in quotes, or begin a new line after the first `:`"))]
    SecondColon {
        /// The second one.
        #[label("a second `:` in one line")]
        span: Span,
    },
    /// A line without a colon among keys.
    #[error("a key without `:`")]
    #[diagnostic(code(KP0207), help("write `{word}:`, or indent the line if it goes on with the value above"))]
    NoColon {
        /// The line.
        word: String,
        /// Where.
        #[label("`:` has to follow")]
        span: Span,
    },
    /// `region:us-east-1`.
    #[error("a key without a blank after its `:`")]
    #[diagnostic(code(KP0207), help("a blank is missing after `:`: write `{key}: ...`"))]
    NoBlank {
        /// The key.
        key: String,
        /// The line.
        #[label("read as one word")]
        span: Span,
    },
    /// A quote without its partner.
    #[error("this quote is never closed")]
    #[diagnostic(code(KP0208), help("close it with another `{quote}`; lines of a quoted text must be indented further than its key"))]
    UnclosedQuote {
        /// The quote.
        quote: char,
        /// Where.
        #[label("opened here")]
        span: Span,
    },
    /// `[` or `{` without its partner.
    #[error("`{open}` is never closed")]
    #[diagnostic(code(KP0208), help("close it with `{close}`"))]
    UnclosedBracket {
        /// The bracket.
        open: char,
        /// Its partner.
        close: char,
        /// Where.
        #[label("opened here")]
        span: Span,
        /// Where something else stands.
        #[label("`,` or `{close}` has to come before this")]
        next: Span,
    },
    /// A plain value that begins with a sign of YAML.
    #[error("a value without quotes cannot begin with {sign}")]
    #[diagnostic(code(KP0209), help("put the value in quotes"))]
    ReservedCharacter {
        /// The sign.
        sign: String,
        /// Where.
        #[label("means something else in YAML")]
        span: Span,
    },
    /// Text after a closing quote.
    #[error("text follows a closing quote")]
    #[diagnostic(code(KP0210), help("double the quote inside '...' or write \\\" inside \"...\""))]
    AfterQuote {
        /// The text.
        #[label("this belongs to no value")]
        span: Span,
    },
    /// `\q`.
    #[error("an escape in double quotes that YAML does not have")]
    #[diagnostic(code(KP0211), help("write \\\\ for a backslash, or use single quotes, where nothing is escaped"))]
    Escape {
        /// The escape.
        #[label("unknown escape")]
        span: Span,
    },
    /// `*x` without `&x`.
    #[error("no anchor is called `{name}`")]
    #[diagnostic(code(KP0212), help("an alias follows its anchor: `&{name}` has to stand before it in the same document"))]
    UnknownAnchor {
        /// Its name.
        name: String,
        /// The alias.
        #[label("refers to nothing")]
        span: Span,
    },
    /// An alias inside the value of its own anchor.
    #[error("this alias stands inside the value that it repeats")]
    #[diagnostic(code(KP0212), help("write the value out"))]
    RecursiveAlias {
        /// The alias.
        #[label("would never end")]
        span: Span,
    },
    /// `!!binary x`.
    #[error("the tag `{tag}` is not supported")]
    #[diagnostic(code(KP0213), help("only `!!str` has a meaning here; kpipe knows the type of each key"))]
    Tag {
        /// As written.
        tag: String,
        /// Where.
        #[label("remove this")]
        span: Span,
    },
    /// `? [a]`.
    #[error("a key must be a single word or text")]
    #[diagnostic(code(KP0214))]
    ComplexKey {
        /// The key.
        #[label("a collection as a key")]
        span: Span,
    },
    /// `: x`.
    #[error("a key cannot be empty")]
    #[diagnostic(code(KP0214))]
    EmptyKey {
        /// Where.
        #[label("nothing stands before this")]
        span: Span,
    },
    /// `<<: 5`.
    #[error("`<<` takes a mapping or a list of mappings")]
    #[diagnostic(code(KP0215), help("for example `<<: *defaults`"))]
    MergeValue {
        /// Its value.
        #[label("not a mapping")]
        span: Span,
    },
    /// The file is too long to be looked at.
    #[error("a file has at most {FILE_BYTES_MAX} bytes, this one has {bytes}")]
    #[diagnostic(code(KP0216), help("split it: several files may stand in one directory"))]
    TooLong {
        /// Its length.
        bytes: usize,
        /// Its beginning.
        #[label("this file")]
        span: Span,
    },
    /// Too many values, aliases included.
    #[error("a file has at most {NODES_MAX} values, those that aliases repeat included")]
    #[diagnostic(code(KP0216), help("split it, or repeat less"))]
    TooManyNodes {
        /// The first one too many.
        #[label("one too many")]
        span: Span,
    },
    /// Nested beyond the limit.
    #[error("values are nested deeper than {DEPTH_MAX} levels")]
    #[diagnostic(code(KP0216), help("no key of kpipe lies that deep"))]
    TooDeep {
        /// Where.
        #[label("too deep here")]
        span: Span,
    },
    /// Too many aliases.
    #[error("a file has at most {ALIASES_MAX} aliases")]
    #[diagnostic(code(KP0216), help("shared settings may stand in connections.yaml"))]
    TooManyAliases {
        /// The first one too many.
        #[label("one too many")]
        span: Span,
    },
}

impl YamlError {
    /// The edit of `text` that repairs it, where one is certain.
    #[must_use]
    pub fn fix(&self, text: &str) -> Option<(Span, String)> {
        match self {
            Self::NoBlank { key, span } => {
                let behind = span.start + key.len() + 1;
                Some((Span::new(behind, behind), " ".to_owned()))
            }
            Self::Tag { span, .. } => {
                let blanks = text[span.end..].len() - text[span.end..].trim_start_matches(' ').len();
                Some((Span::new(span.start, span.end + blanks), String::new()))
            }
            // Half of a number may be meant as one.
            Self::Escape { span } if span.text(text).ends_with(['x', 'u', 'U']) => None,
            Self::Escape { span } => Some((Span::new(span.start, span.start), "\\".to_owned())),
            Self::ReservedCharacter { span, .. } => quoted(text, span.start),
            Self::Syntax { .. }
            | Self::Tab { .. }
            | Self::DuplicateKey { .. }
            | Self::Indentation { .. }
            | Self::DeeperKey { .. }
            | Self::SecondColon { .. }
            | Self::NoColon { .. }
            | Self::UnclosedQuote { .. }
            | Self::UnclosedBracket { .. }
            | Self::AfterQuote { .. }
            | Self::UnknownAnchor { .. }
            | Self::RecursiveAlias { .. }
            | Self::ComplexKey { .. }
            | Self::EmptyKey { .. }
            | Self::MergeValue { .. }
            | Self::TooLong { .. }
            | Self::TooManyNodes { .. }
            | Self::TooDeep { .. }
            | Self::TooManyAliases { .. } => None,
        }
    }
}

/// The rest of a line as a value in quotes; `None` where something else may begin in it, as inside of brackets.
fn quoted(text: &str, start: usize) -> Option<(Span, String)> {
    let line = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[start..].find(['\n', '\r']).map_or(text.len(), |length| start + length);
    let value = text[start..end].split(" #").next().unwrap_or_default().trim_end();
    let is_alone = !text[line..start].contains(['{', '[', '"', '\'']) && !value.contains('\'') && !value.contains(": ");
    is_alone.then(|| (Span::new(start, start + value.len()), format!("'{value}'")))
}
