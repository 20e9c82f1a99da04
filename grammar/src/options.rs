//! The clauses of the language that are only a keyword and a value: one row each.
//!
//! A row is enough for a clause to be read, checked and kept whole in `Statement.other`. A clause that gets a meaning
//! moves out of the table into a file of `clauses/` and a field of `Statement`.

use crate::rules::Rule;

/// One row: a keyword and what may follow it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OptionClause {
    /// In capitals.
    pub(crate) keyword: &'static str,
    pub(crate) shape: Shape,
    /// What to write instead of a clause that the newer language dropped; `...` stands for its value.
    pub(crate) replacement: Option<&'static str>,
}

/// The form of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Nothing: `AUTOCREATE`.
    Flag,
    /// Any word, name or quoted text: `WITHTYPE QUEUE`.
    Text,
    /// A whole number, at least this: `BATCH = 100`.
    Integer(i64),
    /// One of these words, in any case: `WITHFORMAT JSON`.
    OneOf(&'static [&'static str]),
    /// Fields: `PK a, b.c`.
    Columns,
    /// `WITHTAG (a, b = c, d AS e)`.
    Tags,
    /// A field or `sys_time()`.
    Time,
    /// `DISTRIBUTEBY a INTO 10 BUCKETS`.
    Buckets,
    /// `WITHOFFSET (0, 10), (1)`.
    Offsets,
    /// `SAMPLE 10 EVERY 5000`.
    Sample,
}

impl Shape {
    /// The grammar rule of a clause of this form.
    pub(crate) fn rule(self) -> Rule {
        match self {
            Shape::Flag => Rule::option_flag,
            Shape::Text | Shape::Integer(_) | Shape::OneOf(_) => Rule::option_value,
            Shape::Columns => Rule::option_columns,
            Shape::Tags => Rule::option_tags,
            Shape::Time => Rule::option_time,
            Shape::Buckets => Rule::option_buckets,
            Shape::Offsets => Rule::option_offsets,
            Shape::Sample => Rule::option_sample,
        }
    }
}

const fn row(keyword: &'static str, shape: Shape) -> OptionClause {
    OptionClause { keyword, shape, replacement: None }
}

const fn old(keyword: &'static str, shape: Shape, replacement: &'static str) -> OptionClause {
    OptionClause { keyword, shape, replacement: Some(replacement) }
}

const FORMATS: &[&str] = &["AVRO", "PROTOBUF", "TEXT", "BINARY", "JSON", "OBJECT", "MAP"];
const TIME_UNITS: &[&str] = &["NANOSECONDS", "MICROSECONDS", "MILLISECONDS", "SECONDS", "MINUTES", "HOURS", "DAYS"];
const COMPRESSIONS: &[&str] = &["SNAPPY", "GZIP", "LZ4", "ZLIB", "BZIP2", "LZO"];

/// All of them: first those of the newer language, then those that only the older one had.
pub(crate) static OPTIONS: &[OptionClause] = &[
    row("IGNORE", Shape::Columns),
    row("AUTOCREATE", Shape::Flag),
    row("WITHSTRUCTURE", Shape::Flag),
    row("PK", Shape::Columns),
    row("WITHTARGET", Shape::Text),
    row("AUTOEVOLVE", Shape::Flag),
    row("BATCH", Shape::Integer(1)),
    row("WITHTIMESTAMP", Shape::Time),
    row("TIMESTAMPUNIT", Shape::OneOf(TIME_UNITS)),
    row("WITHFORMAT", Shape::OneOf(FORMATS)),
    row("WITHUNWRAP", Shape::Flag),
    row("WITHTAG", Shape::Tags),
    row("INCREMENTALMODE", Shape::Text),
    row("WITHTYPE", Shape::Text),
    row("WITHDOCTYPE", Shape::Text),
    row("WITHINDEXSUFFIX", Shape::Text),
    row("TTL", Shape::Integer(1)),
    row("WITHJMSSELECTOR", Shape::Text),
    row("WITHPIPELINE", Shape::Text),
    row("WITHSUBSCRIPTION", Shape::Text),
    row("WITHREGEX", Shape::Text),
    row("CAPITALIZE", Shape::Flag),
    row("INITIALIZE", Shape::Flag),
    row("PROJECTTO", Shape::Integer(1)),
    row("DISTRIBUTEBY", Shape::Buckets),
    row("CLUSTERBY", Shape::Buckets),
    row("WITHCOMPRESSION", Shape::OneOf(COMPRESSIONS)),
    row("WITHDELAY", Shape::Integer(0)),
    row("WITHGROUP", Shape::Text),
    row("WITHOFFSET", Shape::Offsets),
    row("SAMPLE", Shape::Sample),
    old("WITHPARTITIONER", Shape::Text, "PROPERTIES('partition.include.keys'=...)"),
    old("WITH_FLUSH_SIZE", Shape::Integer(1), "PROPERTIES('flush.size'=...)"),
    old("WITH_FLUSH_INTERVAL", Shape::Integer(1), "PROPERTIES('flush.interval'=...)"),
    old("WITH_FLUSH_COUNT", Shape::Integer(1), "PROPERTIES('flush.count'=...)"),
    row("WITH_SCHEMA_EVOLUTION", Shape::OneOf(&["MATCH", "IGNORE", "ADD"])),
    row("WITH_TABLE_LOCATION", Shape::Text),
    row("WITH_OVERWRITE", Shape::Flag),
    row("WITH_PARTITIONING", Shape::OneOf(&["STRICT", "DYNAMIC"])),
    row("WITH_SESSION", Shape::Text),
    row("WITH_ACK", Shape::Flag),
    row("WITH_ENCODE_BASE64", Shape::Flag),
    row("WITH_LOCK_TIME", Shape::Integer(-1)),
];

/// The row of a keyword given in capitals.
pub(crate) fn find(keyword: &str) -> Option<&'static OptionClause> {
    OPTIONS.iter().find(|option| option.keyword == keyword)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_capitals_and_unique() {
        for (index, option) in OPTIONS.iter().enumerate() {
            assert_eq!(option.keyword, option.keyword.to_ascii_uppercase());
            assert!(OPTIONS[index + 1..].iter().all(|other| other.keyword != option.keyword), "{} twice", option.keyword);
        }
    }
}
