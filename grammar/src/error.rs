//! What can be wrong with a KCQL text: one variant a kind of mistake.

use miette::Diagnostic;
use thiserror::Error;

use crate::limits::{ERRORS_MAX, EXPR_PARTS_MAX, ITEMS_MAX, NAME_BYTES_MAX, NESTING_MAX, PATH_PARTS_MAX, STATEMENTS_MAX, TEXT_BYTES_MAX};
use crate::span::Span;

/// An edit that repairs a mistake without changing what was meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// The bytes to replace; empty to insert.
    pub span: Span,
    /// What to write there.
    pub replacement: String,
}

/// A mistake that keeps a statement from being read.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
pub enum SyntaxError {
    /// Something else has to stand here.
    #[error("expected {expected}, found {found}")]
    #[diagnostic(code(KP0101))]
    Expected {
        /// What may stand here, in words.
        expected: String,
        /// What does, in words.
        found: String,
        /// Where.
        #[label("{expected} has to come here")]
        span: Span,
        /// How to go on, if it is known.
        #[help]
        help: Option<String>,
    },
    /// `INSERT INTO SELECT`.
    #[error("expected a target after `INTO`, found {found}")]
    #[diagnostic(code(KP0102), help("name the target, for example: INSERT INTO orders SELECT ..."))]
    MissingTarget {
        /// What stands in its place.
        found: String,
        /// The `INTO`.
        #[label("this `INTO` has nothing to write to")]
        into: Span,
        /// What follows, if anything does.
        #[label("a name has to come before this")]
        next: Option<Span>,
    },
    /// `FROM PARTITIONBY device_id`.
    #[error("expected a topic name after `FROM`, found {found}")]
    #[diagnostic(code(KP0103), help("name the topic, for example: FROM `sensors.raw`{rest}"))]
    MissingSource {
        /// What stands in its place.
        found: String,
        /// The `FROM`.
        #[label("this `FROM` has nothing to read")]
        from: Span,
        /// What follows, if anything does.
        #[label("a topic name has to come before this")]
        next: Option<Span>,
        /// The clause that follows, with a blank before it, for the example.
        rest: String,
    },
    /// No `SELECT` at all.
    #[error("this statement has no `SELECT`")]
    #[diagnostic(code(KP0104), help("say what to take of each record, for example: INSERT INTO orders SELECT * FROM orders_raw"))]
    MissingSelect {
        /// Where it would stand.
        #[label("`SELECT` has to come here")]
        span: Span,
    },
    /// No `FROM` at all.
    #[error("this statement has no `FROM`")]
    #[diagnostic(code(KP0105), help("say where the records come from, for example: SELECT * FROM orders_raw"))]
    MissingFrom {
        /// Where it would stand.
        #[label("`FROM` has to come here")]
        span: Span,
    },
    /// Another word where a statement begins.
    #[error("a statement begins with `INSERT INTO`, `UPSERT INTO`, `UPDATE INTO` or `SELECT`, found {found}")]
    #[diagnostic(code(KP0106), help("for example: INSERT INTO orders SELECT * FROM orders_raw"))]
    StatementStart {
        /// What stands there.
        found: String,
        /// Where.
        #[label("a statement has to begin here")]
        span: Span,
    },
    /// A keyword with a typing mistake.
    #[error("`{word}` is not a {what}")]
    #[diagnostic(code(KP0107))]
    MisspeltKeyword {
        /// As written.
        word: String,
        /// `KCQL clause`, `keyword`.
        what: &'static str,
        /// The near keywords, joined with "or".
        nearest: String,
        /// The word.
        #[label("did you mean {nearest}?")]
        span: Span,
        /// The keyword, if there is only one near.
        replacement: Option<String>,
    },
    /// Text that belongs to no clause.
    #[error("unexpected {found} after {after}")]
    #[diagnostic(code(KP0108), help("{help}"))]
    UnexpectedText {
        /// What stands there.
        found: String,
        /// The clause that ended before it.
        after: String,
        /// Where.
        #[label("this belongs to no clause")]
        span: Span,
        /// How to go on.
        help: String,
    },
    /// A clause that stands twice, or two that exclude each other.
    #[error("{clause}")]
    #[diagnostic(code(KP0109), help("each clause stands once; keep one of the two"))]
    RepeatedClause {
        /// Which, as a sentence.
        clause: String,
        /// The first.
        #[label("first here")]
        first: Span,
        /// The second.
        #[label("and again here")]
        second: Span,
    },
    /// `STORE AS`, `PARTITION BY`.
    #[error("`{words}` is written as one word in KCQL")]
    #[diagnostic(code(KP0110), help("write {keyword}"))]
    SplitKeyword {
        /// As written.
        words: String,
        /// As it should be.
        keyword: &'static str,
        /// Both words.
        #[label("did you mean `{keyword}`?")]
        span: Span,
    },
    /// `'` without its partner.
    #[error("string literal is never closed")]
    #[diagnostic(code(KP0111), help("{help}"))]
    UnclosedString {
        /// The opening quote and the text it swallows.
        #[label("the string opened here {swallows}")]
        span: Span,
        /// What the string takes in.
        swallows: String,
        /// A later quote that seems to close it.
        #[label("this quote closes it by accident")]
        closed_by: Option<Span>,
        /// How to go on.
        help: String,
    },
    /// A back-tick or a double quote without its partner.
    #[error("quoted name is never closed")]
    #[diagnostic(code(KP0112), help("close the name with another {mark}"))]
    UnclosedName {
        /// The mark in words.
        mark: &'static str,
        /// The opening mark.
        #[label("the name opened here swallows the rest")]
        span: Span,
    },
    /// `/*` without `*/`.
    #[error("comment is never closed")]
    #[diagnostic(code(KP0113), help("close the comment with */"))]
    UnclosedComment {
        /// The opening mark.
        #[label("the comment opened here swallows the rest")]
        span: Span,
    },
    /// `` `` `` or `''` for a name.
    #[error("{what} cannot be empty")]
    #[diagnostic(code(KP0114), help("write it between the marks, or leave them out"))]
    Empty {
        /// What, in words.
        what: &'static str,
        /// The marks.
        #[label("nothing stands between these marks")]
        span: Span,
    },
    /// `[AUTOCREATE]`, `_date[uuuu]`.
    #[error("brackets are not KCQL")]
    #[diagnostic(
        code(KP0115),
        help("brackets in documentation mean that a part is optional; leave them out, or put a name that has them in back-ticks")
    )]
    Bracket {
        /// The bracket.
        #[label("this bracket has no meaning")]
        span: Span,
    },
    /// A character that no token begins with.
    #[error("unexpected character {found}")]
    #[diagnostic(code(KP0116), help("{help}"))]
    UnexpectedCharacter {
        /// The character or run of characters.
        found: String,
        /// Where.
        #[label("no clause can use this")]
        span: Span,
        /// How to go on.
        help: String,
        /// The plain character meant, where there is no doubt.
        replacement: Option<String>,
    },
    /// `LIMIT 0`.
    #[error("{clause} must be at least {min}")]
    #[diagnostic(code(KP0117))]
    OutOfRange {
        /// The keyword.
        clause: &'static str,
        /// The least value.
        min: i64,
        /// The value.
        #[label("too small")]
        span: Span,
        /// What to do instead.
        #[help]
        help: Option<String>,
    },
    /// `LIMIT abc`, `WITHFORMAT ARO`.
    #[error("{clause} takes {expected}, found {found}")]
    #[diagnostic(code(KP0118))]
    WrongValue {
        /// The keyword.
        clause: &'static str,
        /// What it takes.
        expected: String,
        /// What it got.
        found: String,
        /// The value.
        #[label("not {expected}")]
        span: Span,
        /// The value meant, if there is no doubt.
        replacement: Option<String>,
    },
    /// One key twice.
    #[error("option `{key}` is set twice")]
    #[diagnostic(code(KP0119), help("keep one of the two; keys are compared without case"))]
    DuplicateProperty {
        /// The key.
        key: String,
        /// The first.
        #[label("set here")]
        first: Span,
        /// The second.
        #[label("and again here")]
        second: Span,
    },
    /// `*` or `a.*` twice.
    #[error("`{star}` stands twice")]
    #[diagnostic(code(KP0120), help("every field is already taken; remove one of the two"))]
    StarTwice {
        /// As written.
        star: String,
        /// The first.
        #[label("first here")]
        first: Span,
        /// The second.
        #[label("and again here")]
        second: Span,
    },
    /// Two columns of one output name.
    #[error("two columns are called `{name}`")]
    #[diagnostic(code(KP0121), help("give one of them another name, for example: {example}"))]
    DuplicateColumn {
        /// The name.
        name: String,
        /// The first column.
        #[label("called `{name}`")]
        first: Span,
        /// The second column.
        #[label("called `{name}` too")]
        second: Span,
        /// The second one with an alias.
        example: String,
    },
    /// `UPSERT PK f INTO t`.
    #[error("`PK` stands before `INTO`")]
    #[diagnostic(code(KP0122), help("write UPSERT INTO {target} SELECT ... FROM ... PK {fields}"))]
    UpsertPk {
        /// The misplaced clause.
        #[label("a key is named behind `FROM`")]
        span: Span,
        /// Its fields.
        fields: String,
        /// The name after `INTO`.
        target: String,
    },
    /// A known part of the language that is not built.
    #[error("{what} is not supported yet")]
    #[diagnostic(code(KP0125), help("{help}"))]
    NotYet {
        /// What, in words.
        what: String,
        /// Where.
        #[label("known, but not built yet")]
        span: Span,
        /// What works today.
        help: String,
    },
    /// `STOREAS` and nothing else.
    #[error("`{clause}` has no value: expected {expected}, found {found}")]
    #[diagnostic(code(KP0126))]
    MissingValue {
        /// The keyword.
        clause: &'static str,
        /// What it takes.
        expected: String,
        /// What stands in its place.
        found: String,
        /// The keyword.
        #[label("this needs {expected}")]
        span: Span,
    },
    /// A clause between `INTO` and `FROM`.
    #[error("`{clause}` stands before {before}")]
    #[diagnostic(code(KP0127), help("a statement begins INSERT INTO ... SELECT ... FROM ...; the other clauses follow in any order"))]
    ClauseOrder {
        /// The keyword.
        clause: &'static str,
        /// What has to come first.
        before: &'static str,
        /// The misplaced keyword.
        #[label("{before} has to come before this")]
        span: Span,
    },
    /// `a, b, FROM t`.
    #[error("a comma with nothing after it")]
    #[diagnostic(code(KP0128), help("remove the comma, or write what was meant to follow"))]
    TrailingComma {
        /// The comma.
        #[label("nothing follows this comma")]
        span: Span,
    },
    /// `(` without `)`.
    #[error("parenthesis is never closed")]
    #[diagnostic(code(KP0129), help("close it with `)`"))]
    UnclosedParenthesis {
        /// The opening one.
        #[label("opened here")]
        open: Span,
        /// What does not fit inside, if the clause goes on.
        #[label("`)` is missing before this")]
        next: Option<Span>,
    },
    /// Two statements without `;`.
    #[error("`;` is missing between two statements")]
    #[diagnostic(code(KP0130), help("end the statement before it with `;`"))]
    MissingSemicolon {
        /// The end of the first.
        #[label("`;` has to come here")]
        end: Span,
        /// The beginning of the second.
        #[label("the next statement begins here")]
        next: Span,
    },
    /// `FROM domain-*`.
    #[error("`{name}` needs back-ticks")]
    #[diagnostic(code(KP0131), help("write `{name}` in back-ticks"))]
    NameNeedsQuotes {
        /// The name.
        name: String,
        /// Where.
        #[label("`*` is not part of a bare name")]
        span: Span,
        /// The quoted name.
        replacement: String,
    },
    /// `_.x`.
    #[error("`_.{name}` is not a metadata column")]
    #[diagnostic(
        code(KP0132),
        help("metadata columns are `_topic`, `_partition`, `_offset`, `_timestamp`, `_key.field` and `_header.name`")
    )]
    UnknownMetadata {
        /// What follows `_.`.
        name: String,
        /// The path.
        #[label("no such column")]
        span: Span,
    },
    /// One entry twice in a list of fields.
    #[error("`{item}` stands twice in {clause}")]
    #[diagnostic(code(KP0133), help("remove one of the two"))]
    DuplicateItem {
        /// The field.
        item: String,
        /// The keyword.
        clause: &'static str,
        /// The first.
        #[label("first here")]
        first: Span,
        /// The second.
        #[label("and again here")]
        second: Span,
    },
    /// The text is too long to be looked at.
    #[error("this text has {bytes} bytes; at most {TEXT_BYTES_MAX} are read")]
    #[diagnostic(code(KP0141), help("split it into several pipelines"))]
    TextTooLong {
        /// Its length.
        bytes: usize,
        /// Its beginning.
        #[label("this text")]
        span: Span,
    },
    /// Too many statements.
    #[error("a text holds at most {STATEMENTS_MAX} statements")]
    #[diagnostic(code(KP0142), help("split it into several pipelines"))]
    TooManyStatements {
        /// The first one too many.
        #[label("one too many")]
        span: Span,
    },
    /// Too many items in a list.
    #[error("a list holds at most {ITEMS_MAX} items")]
    #[diagnostic(code(KP0143), help("`*` takes every field"))]
    TooManyItems {
        /// The first one too many.
        #[label("one too many")]
        span: Span,
    },
    /// A name or a quoted text beyond the limit.
    #[error("a name has at most {NAME_BYTES_MAX} bytes")]
    #[diagnostic(code(KP0144), help("no system that kpipe writes to allows longer names"))]
    NameTooLong {
        /// The name.
        #[label("this name")]
        span: Span,
    },
    /// Parentheses or paths nested beyond the limit.
    #[error("{what} is nested deeper than {max}")]
    #[diagnostic(code(KP0145), help("the limits are {NESTING_MAX} parentheses and {PATH_PARTS_MAX} names in a path"))]
    TooDeep {
        /// What is nested.
        what: &'static str,
        /// The limit.
        max: usize,
        /// Where it goes beyond.
        #[label("too deep here")]
        span: Span,
    },
    /// An expression of thousands of parts.
    #[error("an expression holds at most {EXPR_PARTS_MAX} values and operators")]
    #[diagnostic(code(KP0147), help("`IN` looks a value up in a list, CASE chooses between results"))]
    ExpressionTooLarge {
        /// The first one too many.
        #[label("one too many")]
        span: Span,
    },
    /// The rest of the text was not looked at.
    #[error("more than {ERRORS_MAX} errors in one text")]
    #[diagnostic(code(KP0146), help("the rest was not checked; is this KCQL?"))]
    TooManyErrors {
        /// Where reading stopped.
        #[label("not checked from here on")]
        span: Span,
    },
}

/// The text of a label of [`SyntaxError::UnclosedString`] when nothing closes it.
pub(crate) const SWALLOWS_LINE: &str = "swallows the rest of the line";

impl SyntaxError {
    /// The edit that repairs it, where one is certain.
    #[must_use]
    pub fn fix(&self) -> Option<Fix> {
        let edit = |span: &Span, replacement: &str| Some(Fix { span: *span, replacement: replacement.to_owned() });
        match self {
            SyntaxError::MisspeltKeyword { span, replacement, .. }
            | SyntaxError::UnexpectedCharacter { span, replacement, .. }
            | SyntaxError::WrongValue { span, replacement, .. } => edit(span, replacement.as_deref()?),
            SyntaxError::NameNeedsQuotes { span, replacement, .. } => edit(span, replacement),
            SyntaxError::SplitKeyword { span, keyword, .. } => edit(span, keyword),
            SyntaxError::TrailingComma { span } => edit(span, ""),
            SyntaxError::MissingSemicolon { end, .. } => edit(end, ";"),
            SyntaxError::StarTwice { .. }
            | SyntaxError::DuplicateItem { .. }
            | SyntaxError::Expected { .. }
            | SyntaxError::MissingTarget { .. }
            | SyntaxError::MissingSource { .. }
            | SyntaxError::MissingSelect { .. }
            | SyntaxError::MissingFrom { .. }
            | SyntaxError::StatementStart { .. }
            | SyntaxError::UnexpectedText { .. }
            | SyntaxError::RepeatedClause { .. }
            | SyntaxError::UnclosedString { .. }
            | SyntaxError::UnclosedName { .. }
            | SyntaxError::UnclosedComment { .. }
            | SyntaxError::Empty { .. }
            | SyntaxError::Bracket { .. }
            | SyntaxError::OutOfRange { .. }
            | SyntaxError::DuplicateProperty { .. }
            | SyntaxError::DuplicateColumn { .. }
            | SyntaxError::UpsertPk { .. }
            | SyntaxError::NotYet { .. }
            | SyntaxError::MissingValue { .. }
            | SyntaxError::ClauseOrder { .. }
            | SyntaxError::UnclosedParenthesis { .. }
            | SyntaxError::UnknownMetadata { .. }
            | SyntaxError::TextTooLong { .. }
            | SyntaxError::TooManyStatements { .. }
            | SyntaxError::TooManyItems { .. }
            | SyntaxError::NameTooLong { .. }
            | SyntaxError::TooDeep { .. }
            | SyntaxError::ExpressionTooLarge { .. }
            | SyntaxError::TooManyErrors { .. } => None,
        }
    }
}
