//! The tree: what a KCQL text says, with the place of every part.
//!
//! A statement is flat: one field per clause. Whoever consumes one destructures it without `..`, so that a new clause
//! stops the build in each place that must know about it.
//!
//! The span of a clause that is one value (`KEYDELIMITER`, `WITHCONVERTER`, `LIMIT`) is the value's; that of a clause with
//! parts reaches from its keyword to its end, and the parts have their own.

use serde::Serialize;

use crate::expr::Expr;
use crate::print;
use crate::span::{Span, Spanned};

/// `INSERT INTO target SELECT columns FROM source WHERE condition clauses`. Two are equal when they say the same, wherever and in whatever order.
#[derive(Clone, Debug, Serialize)]
pub struct Statement {
    /// The whole statement, without the `;`.
    pub span: Span,
    /// `INSERT INTO`, `UPSERT INTO`, `UPDATE INTO`; of a `SELECT` alone its keyword.
    pub mode: Spanned<WriteMode>,
    /// Where the records go; nowhere in a `SELECT` alone.
    pub target: Option<Spanned<Name>>,
    /// What is taken of each record.
    pub select: Spanned<Vec<Spanned<SelectItem>>>,
    /// Where the records come from.
    pub from: Spanned<Name>,
    /// `WHERE amount > 0`: the records that are taken.
    pub filter: Option<Spanned<Expr>>,
    /// `PARTITIONBY a, b.c, _date.`yyyy/MM/dd`` or `NOPARTITION`.
    pub partition_by: Option<Spanned<PartitionBy>>,
    /// `STOREAS PARQUET`.
    pub store_as: Option<Spanned<StoreAs>>,
    /// `WITHKEY(a, b.c)`.
    pub with_key: Option<Spanned<Vec<Spanned<Expr>>>>,
    /// `KEYDELIMITER='-'`.
    pub key_delimiter: Option<Spanned<String>>,
    /// ``WITHCONVERTER=`com.example.JsonSimpleConverter` ``.
    pub with_converter: Option<Spanned<String>>,
    /// `LIMIT 10`; at least 1.
    pub limit: Option<Spanned<u64>>,
    /// `PROPERTIES('flush.count'=5000)`.
    pub properties: Option<Spanned<Vec<Property>>>,
    /// Clauses of the language that have no field yet, in the order they were written: the compiler names each one.
    pub other: Vec<Spanned<OtherClause>>,
}

impl PartialEq for Statement {
    fn eq(&self, other: &Self) -> bool {
        fn said(statement: &Statement) -> impl PartialEq + '_ {
            // No `..`: a new clause of the language must say here that it is compared.
            let Statement {
                span: _,
                mode,
                target,
                select,
                from,
                filter,
                partition_by,
                store_as,
                with_key,
                key_delimiter,
                with_converter,
                limit,
                properties,
                other,
            } = statement;
            let ends = (mode, target, select, from, filter);
            let mut other: Vec<&Spanned<OtherClause>> = other.iter().collect();
            other.sort_by_key(|clause| clause.node.keyword);
            (ends, partition_by, store_as, with_key, key_delimiter, with_converter, limit, properties, other)
        }
        said(self) == said(other)
    }
}

impl Eq for Statement {}

/// How the target is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum WriteMode {
    /// `INSERT INTO`: every record is new.
    Insert,
    /// `UPSERT INTO`: a record replaces the one with its key.
    Upsert,
    /// `UPDATE INTO`: a record changes the one with its key.
    Update,
    /// `SELECT` alone: the sink knows where the records go.
    Select,
}

/// A target, a topic or a filter as its system spells it: quotes and back-ticks removed per part.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Name {
    /// The name itself.
    pub text: String,
    /// True if it can only be written in back-ticks, so that it is quoted when printed.
    pub quoted: bool,
}

impl Name {
    /// The name `text`.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        let quoted = !print::is_bare_name(&text);
        Self { text, quoted }
    }
}

/// One item of the SELECT list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum SelectItem {
    /// `*`: every field.
    Star,
    /// `a.b.*`: every field below a path.
    StarOf(Path),
    /// `a.b AS c`, `a * 2 AS c`.
    Value {
        /// The field or calculation.
        expr: Expr,
        /// Its name in the output; see [`output_name`] if absent.
        alias: Option<Spanned<String>>,
    },
}

/// The name of a column without an alias: the last part of a field's path, else the calculation as it is printed.
#[must_use]
pub fn output_name(expr: &Expr) -> String {
    match expr.as_column() {
        Some(path) => path.parts.last().map(|part| part.node.clone()).unwrap_or_default(),
        None => expr.to_string(),
    }
}

/// A field path: `a`, `a.b`, ``a.`b c` ``, `_key.x`, `_topic`. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Path {
    /// The names from the outside in, back-ticks removed.
    pub parts: Vec<Spanned<String>>,
}

impl std::hash::Hash for Spanned<String> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.node.hash(state);
    }
}

impl Path {
    /// The names only.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.parts.iter().map(|part| part.node.as_str()).collect()
    }
}

/// Which folders a file goes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum PartitionBy {
    /// `NOPARTITION`: no folder at all.
    None,
    /// The folders from the outside in.
    Folders(Vec<Spanned<Folder>>),
}

/// One level of folders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Folder {
    /// The field or calculation. `_date.<pattern>` is a path of two parts; the pattern is checked by the compiler.
    pub expr: Expr,
    /// Its name before the `=`; see [`output_name`] if absent.
    pub alias: Option<Spanned<String>>,
}

/// `STOREAS format [(option = value, ...)]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoreAs {
    /// The format as written, without quotes.
    pub format: Spanned<String>,
    /// Its options in order.
    pub options: Vec<Property>,
}

/// `key = value` of PROPERTIES or STOREAS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Property {
    /// The key without quotes.
    pub key: Spanned<String>,
    /// The value.
    pub value: Spanned<PropertyValue>,
}

/// A literal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum PropertyValue {
    /// A whole number.
    Integer(i64),
    /// A quoted or a bare word.
    Text(String),
}

/// A clause of the option table: kept whole as it is written, and as the value that it gives. Two are equal when their values are: blanks,
/// comments, quotes and the case of keywords are not part of the meaning.
#[derive(Clone, Debug, Serialize)]
pub struct OtherClause {
    /// The canonical keyword, in capitals: `WITHTAG`, `BATCH`.
    pub keyword: &'static str,
    /// The text as written, keyword included.
    pub text: String,
    /// What it says.
    pub value: OptionValue,
}

impl PartialEq for OtherClause {
    fn eq(&self, other: &Self) -> bool {
        let Self { keyword, text: _, value } = self;
        *keyword == other.keyword && *value == other.value
    }
}

impl Eq for OtherClause {}

/// The value of a clause of the option table, by the form of the clause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum OptionValue {
    /// `AUTOCREATE`: it is there.
    Flag,
    /// `WITHTYPE QUEUE`; a word out of a list in capitals, as the list has it: `WITHFORMAT json` is `JSON`.
    Text(String),
    /// `BATCH = 100`.
    Integer(i64),
    /// `PK a, b.c`.
    Columns(Vec<Spanned<OptionColumn>>),
    /// `WITHTAG (site, unit = kg, meta.room AS room)`.
    Tags(Vec<Tag>),
    /// `WITHTIMESTAMP created`.
    Field(Path),
    /// `WITHTIMESTAMP sys_time()`: the time of the writing.
    SysTime,
    /// `DISTRIBUTEBY a, b INTO 10 BUCKETS`.
    Buckets {
        /// The fields that decide.
        fields: Vec<Spanned<Path>>,
        /// How many buckets; at least 1.
        count: i64,
    },
    /// `WITHOFFSET (0, 10), (1)`.
    Offsets(Vec<PartitionOffset>),
    /// `SAMPLE 10 EVERY 5000`; both at least 1.
    Sample {
        /// How many records are taken.
        count: i64,
        /// Out of how many.
        every: i64,
    },
}

/// One item of `PK` or `IGNORE`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum OptionColumn {
    /// `a.b.*`: every field below a path.
    StarOf(Path),
    /// `a.b AS c`; the name says nothing in these clauses, but it is kept.
    Field {
        /// The field.
        path: Path,
        /// The name behind `AS`.
        alias: Option<Spanned<String>>,
    },
}

/// One tag of `WITHTAG`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tag {
    /// The field, or the name of a constant tag; without quotes.
    pub key: Spanned<String>,
    /// What the tag holds besides the field itself.
    pub value: Option<TagValue>,
}

/// What follows the key of a tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum TagValue {
    /// `unit = kg`: a text that is always the same.
    Constant(Spanned<String>),
    /// `meta.room AS room`: the field under another name.
    Alias(Spanned<String>),
}

/// Where one partition begins, `(0, 10)`; without an offset at its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PartitionOffset {
    /// The partition.
    pub partition: i64,
    /// The offset.
    pub offset: Option<i64>,
}
