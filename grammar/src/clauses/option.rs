//! The clauses of the option table: checked by the form of their value, kept as they are written and as that value.

use std::fmt;

use pest::iterators::Pair;

use super::{Clause, literal};
use crate::ast::{OptionColumn, OptionValue, OtherClause, PartitionOffset, Path, Tag, TagValue};
use crate::error::SyntaxError;
use crate::excerpt::shown;
use crate::keyword;
use crate::labels::one_of;
use crate::options::{OptionClause, Shape};
use crate::print::quoted_part;
use crate::report::Report;
use crate::rules::Rule;
use crate::span::Spanned;
use crate::warning::SyntaxWarning;

type Parts<'p> = Vec<Pair<'p, Rule>>;

pub(super) fn parse(clause: &Clause<'_>, row: &'static OptionClause, report: &mut Report) -> Option<Spanned<OtherClause>> {
    let parts: Parts<'_> = report.keep(clause.read(row.shape.rule()))?.collect();
    let value = Reader { clause, keyword: row.keyword, report }.value(row.shape, parts);
    let value = report.keep(value)?;
    if let Some(replacement) = row.replacement {
        let replacement = replacement.replace("...", &value_today(&value));
        report.warning(SyntaxWarning::DeprecatedClause { clause: row.keyword, replacement, span: clause.span(), is_alone: false });
    }
    let node = OtherClause { keyword: row.keyword, text: clause.text().to_owned(), value };
    Some(Spanned::new(node, clause.span()))
}

/// The value of a clause as its successor writes it. The words of `WITHPARTITIONER` became a flag: whether folders have names.
fn value_today(value: &OptionValue) -> String {
    match value {
        OptionValue::Integer(number) => number.to_string(),
        OptionValue::Text(text) => (!text.eq_ignore_ascii_case("Values")).to_string(),
        _ => "...".to_owned(),
    }
}

/// Reads the parts of one clause.
struct Reader<'r> {
    clause: &'r Clause<'r>,
    keyword: &'static str,
    report: &'r mut Report,
}

impl Reader<'_> {
    fn value(mut self, shape: Shape, parts: Parts<'_>) -> Result<OptionValue, SyntaxError> {
        Ok(match shape {
            Shape::Flag => OptionValue::Flag,
            Shape::Text => OptionValue::Text(self.text(parts)?),
            Shape::Integer(min) => OptionValue::Integer(self.last_integer(min, &parts)?),
            Shape::OneOf(words) => OptionValue::Text(self.one_of(words, parts)?),
            Shape::Columns => OptionValue::Columns(self.columns(parts)?),
            Shape::Tags => OptionValue::Tags(self.tags(parts)?),
            Shape::Time => self.time(parts)?,
            Shape::Buckets => OptionValue::Buckets { count: self.last_integer(1, &parts)?, fields: self.fields(parts)? },
            Shape::Offsets => OptionValue::Offsets(self.offsets(parts)?),
            Shape::Sample => match self.integers(1, &parts)?.as_slice() {
                [count, every] => OptionValue::Sample { count: *count, every: *every },
                _ => return Err(self.missing("two whole numbers")),
            },
        })
    }

    /// The grammar rule did not hold what it promises: an error all the same, never half a value.
    fn missing(&self, expected: &str) -> SyntaxError {
        let (expected, found) = (expected.to_owned(), "something else".to_owned());
        SyntaxError::MissingValue { clause: self.keyword, expected, found, span: self.clause.keyword_span() }
    }

    fn one(&self, parts: Parts<'_>) -> Result<Spanned<String>, SyntaxError> {
        let value = parts.into_iter().find(|part| part.as_rule() == Rule::value);
        value.map(|value| literal::text(self.clause, value)).ok_or_else(|| self.missing("a value"))
    }

    fn text(&self, parts: Parts<'_>) -> Result<String, SyntaxError> {
        let text = self.one(parts)?;
        if text.node.is_empty() { Err(SyntaxError::Empty { what: "a value", span: text.span }) } else { Ok(text.node) }
    }

    fn integers(&self, min: i64, parts: &[Pair<'_, Rule>]) -> Result<Vec<i64>, SyntaxError> {
        let values = parts.iter().filter(|part| part.as_rule() == Rule::value);
        values.map(|value| integer(self.keyword, min, value.as_str(), &literal::text(self.clause, value.clone()))).collect()
    }

    fn last_integer(&self, min: i64, parts: &[Pair<'_, Rule>]) -> Result<i64, SyntaxError> {
        self.integers(min, parts)?.last().copied().ok_or_else(|| self.missing("a whole number"))
    }

    fn one_of(&self, words: &[&'static str], parts: Parts<'_>) -> Result<String, SyntaxError> {
        let text = self.one(parts)?;
        if let Some(word) = words.iter().find(|word| word.eq_ignore_ascii_case(&text.node)) {
            return Ok((*word).to_owned());
        }
        let replacement = match keyword::near(&text.node, words.iter().copied()).as_slice() {
            [only] => Some((*only).to_owned()),
            _ => None,
        };
        let (expected, found) = (one_of(words), shown(&text.node));
        Err(SyntaxError::WrongValue { clause: self.keyword, expected, found, span: text.span, replacement })
    }

    fn columns(&mut self, parts: Parts<'_>) -> Result<Vec<Spanned<OptionColumn>>, SyntaxError> {
        let items = parts.into_iter().filter(|part| matches!(part.as_rule(), Rule::star | Rule::column));
        items.map(|item| self.column(item)).collect()
    }

    fn column(&mut self, item: Pair<'_, Rule>) -> Result<Spanned<OptionColumn>, SyntaxError> {
        let span = self.clause.span_of(&item);
        if item.as_rule() == Rule::star {
            let (expected, found) = ("fields".to_owned(), "`*`".to_owned());
            return Err(SyntaxError::WrongValue { clause: self.keyword, expected, found, span, replacement: None });
        }
        let inner: Parts<'_> = item.into_inner().collect();
        let star = inner.iter().any(|part| part.as_rule() == Rule::star);
        let alias = inner.iter().find(|part| part.as_rule() == Rule::alias).map(|part| literal::alias(self.clause, part)).transpose()?;
        let path = literal::path_or_above(self.clause, inner.into_iter(), star, self.report)?.node;
        Ok(Spanned::new(if star { OptionColumn::StarOf(path) } else { OptionColumn::Field { path, alias } }, span))
    }

    fn tags(&self, parts: Parts<'_>) -> Result<Vec<Tag>, SyntaxError> {
        parts.into_iter().filter(|part| part.as_rule() == Rule::tag).map(|tag| self.tag(tag)).collect()
    }

    fn tag(&self, tag: Pair<'_, Rule>) -> Result<Tag, SyntaxError> {
        let (mut values, mut is_alias) = (Vec::new(), false);
        for part in tag.into_inner() {
            match part.as_rule() {
                Rule::value => values.push(literal::text(self.clause, part)),
                Rule::as_word => is_alias = true,
                _ => {}
            }
        }
        let mut values = values.into_iter();
        let key = values.next().ok_or_else(|| self.missing("a tag"))?;
        if key.node.is_empty() || key.node.ends_with('.') {
            let (expected, found) = ("a field".to_owned(), shown(&key.node));
            return Err(SyntaxError::WrongValue { clause: self.keyword, expected, found, span: key.span, replacement: None });
        }
        let value = values.next();
        if let Some(empty) = value.as_ref().filter(|value| is_alias && value.node.is_empty()) {
            return Err(SyntaxError::Empty { what: "a name", span: empty.span });
        }
        let value = value.map(if is_alias { TagValue::Alias } else { TagValue::Constant });
        Ok(Tag { key, value })
    }

    /// The only call that the older language has is `sys_time()`.
    fn time(&mut self, parts: Parts<'_>) -> Result<OptionValue, SyntaxError> {
        let is_call = parts.iter().any(|part| part.as_rule() == Rule::open);
        let path = parts.into_iter().find(|part| part.as_rule() == Rule::path).ok_or_else(|| self.missing("a field"))?;
        let path = literal::path(self.clause, path.into_inner(), self.report)?;
        if !is_call {
            return Ok(OptionValue::Field(path.node));
        }
        let written = path.span.text(self.clause.source);
        if written.eq_ignore_ascii_case("sys_time") {
            return Ok(OptionValue::SysTime);
        }
        let (expected, found) = ("a field or `sys_time()`".to_owned(), shown(written));
        Err(SyntaxError::WrongValue { clause: self.keyword, expected, found, span: path.span, replacement: None })
    }

    fn fields(&mut self, parts: Parts<'_>) -> Result<Vec<Spanned<Path>>, SyntaxError> {
        let paths = parts.into_iter().filter(|part| part.as_rule() == Rule::path);
        paths.map(|path| literal::path(self.clause, path.into_inner(), self.report)).collect()
    }

    fn offsets(&self, parts: Parts<'_>) -> Result<Vec<PartitionOffset>, SyntaxError> {
        let offsets = parts.into_iter().filter(|part| part.as_rule() == Rule::offset);
        offsets
            .map(|offset| match self.integers(0, &offset.into_inner().collect::<Vec<_>>())?.as_slice() {
                [partition] => Ok(PartitionOffset { partition: *partition, offset: None }),
                [partition, offset] => Ok(PartitionOffset { partition: *partition, offset: Some(*offset) }),
                _ => Err(self.missing("a partition `(number, offset)`")),
            })
            .collect()
    }
}

/// The whole number `written`, at least `min`.
pub(super) fn integer(clause: &'static str, min: i64, written: &str, text: &Spanned<String>) -> Result<i64, SyntaxError> {
    match written.parse::<i64>() {
        Ok(number) if number >= min => Ok(number),
        Ok(_) => {
            let help = (clause == "LIMIT").then(|| "leave LIMIT out to read everything".to_owned());
            let clause = match clause {
                "DISTRIBUTEBY" | "CLUSTERBY" => "the number of buckets",
                "WITHOFFSET" => "a partition or an offset",
                "SAMPLE" => "each number of SAMPLE",
                clause => clause,
            };
            Err(SyntaxError::OutOfRange { clause, min, span: text.span, help })
        }
        Err(_) => Err(SyntaxError::WrongValue {
            clause,
            expected: "a whole number".to_owned(),
            found: shown(written),
            span: text.span,
            replacement: text.node.parse::<i64>().ok().filter(|number| *number >= min).map(|number| number.to_string()),
        }),
    }
}

impl fmt::Display for OptionColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OptionColumn::StarOf(path) => write!(f, "{path}.*"),
            OptionColumn::Field { path, alias: None } => write!(f, "{path}"),
            OptionColumn::Field { path, alias: Some(alias) } => write!(f, "{path} AS {}", quoted_part(&alias.node)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::OPTIONS;
    use crate::testing::{codes_with, with};

    /// A value of this form that is right, and one that is not.
    fn values(shape: Shape) -> (String, String) {
        let texts = |right: &str, wrong: &str| (right.to_owned(), wrong.to_owned());
        match shape {
            Shape::Flag => texts("", "= 1"),
            Shape::Text => texts("= `a b`", "= (a)"),
            Shape::Integer(min) => (format!("= {}", min.max(7)), format!("{}", min - 1)),
            Shape::OneOf(words) => (words[0].to_lowercase(), "= xyzzy".to_owned()),
            Shape::Columns => texts("a, b.c", "a b"),
            Shape::Tags => texts("(a, b = c, d.e AS f)", "()"),
            Shape::Time => texts("sys_time()", "now()"),
            Shape::Buckets => texts("a, b INTO 10 BUCKETS", "a INTO 0 BUCKETS"),
            Shape::Offsets => texts("(0, 10), (1)", "11a1"),
            Shape::Sample => texts("10 EVERY 5000", "10 EVERY x"),
        }
    }

    #[test]
    fn every_row_is_read_kept_whole_and_checked() {
        for row in OPTIONS {
            let (right, wrong) = values(row.shape);
            let text = format!("{} {right}", row.keyword.to_lowercase());
            let other = with(&text).other;
            assert_eq!(other.len(), 1, "{text}");
            assert_eq!((other[0].node.keyword, other[0].node.text.as_str()), (row.keyword, text.trim_end()));
            assert_eq!(codes_with(&format!("{} {wrong}", row.keyword)).len(), 1, "{} {wrong}", row.keyword);
        }
    }

    #[test]
    fn every_row_but_flags_needs_a_value_and_stands_once() {
        for row in OPTIONS {
            let (right, _) = values(row.shape);
            if row.shape != Shape::Flag {
                assert_eq!(codes_with(&format!("{} LIMIT 5", row.keyword)), ["KP0126"], "{}", row.keyword);
            }
            let twice = format!("{0} {right} {0} {right}", row.keyword);
            assert_eq!(codes_with(&twice), ["KP0109"], "{twice}");
        }
    }

    /// The value of one clause, as it is written in a debug print without spans.
    fn value(text: &str) -> OptionValue {
        let mut other = with(text).other;
        assert_eq!(other.len(), 1, "{text}");
        other.remove(0).node.value
    }

    fn at<T>(node: T) -> Spanned<T> {
        Spanned::new(node, crate::span::Span::default())
    }

    fn path(names: &[&str]) -> Path {
        Path { parts: names.iter().map(|name| at((*name).to_owned())).collect() }
    }

    #[test]
    fn simple_values_have_their_types() {
        let text = |text: &str| OptionValue::Text(text.to_owned());
        assert_eq!(value("AUTOCREATE"), OptionValue::Flag);
        assert_eq!(value("BATCH 5"), OptionValue::Integer(5));
        assert_eq!(value("WITH_LOCK_TIME = -1"), OptionValue::Integer(-1));
        assert_eq!(value("WITHTYPE `a b`.c"), text("a b.c"));
        assert_eq!(value("WITHFORMAT 'Json'"), text("JSON"));
        assert_eq!(value("WITHTIMESTAMP SYS_TIME /* now */ ( )"), OptionValue::SysTime);
        assert_eq!(value("WITHTIMESTAMP a.`b c`"), OptionValue::Field(path(&["a", "b c"])));
        assert_eq!(value("SAMPLE 10 EVERY 5000"), OptionValue::Sample { count: 10, every: 5000 });
    }

    #[test]
    fn lists_have_their_items() {
        let field = |names: &[&str], alias: Option<&str>| {
            at(OptionColumn::Field { path: path(names), alias: alias.map(|alias| at(alias.to_owned())) })
        };
        let columns = vec![field(&["a"], None), at(OptionColumn::StarOf(path(&["b", "c"]))), field(&["d"], Some("e"))];
        assert_eq!(value("IGNORE a, b.c.*, d AS e"), OptionValue::Columns(columns));
        let text = |text: &str| at(text.to_owned());
        let tags = vec![
            Tag { key: text("a.b"), value: None },
            Tag { key: text("c"), value: Some(TagValue::Constant(text("v w"))) },
            Tag { key: text("d"), value: Some(TagValue::Alias(text("e"))) },
        ];
        assert_eq!(value("WITHTAG (a.b, c = 'v w', d as e)"), OptionValue::Tags(tags));
        let offset = |partition, offset| PartitionOffset { partition, offset };
        assert_eq!(value("WITHOFFSET (0, 10), (1)"), OptionValue::Offsets(vec![offset(0, Some(10)), offset(1, None)]));
        let fields = vec![at(path(&["a"])), at(path(&["b", "c"]))];
        assert_eq!(value("CLUSTERBY a, b.c INTO 7 BUCKETS"), OptionValue::Buckets { fields, count: 7 });
    }

    #[test]
    fn clauses_are_equal_when_they_say_the_same() {
        let other = |text: &str| with(text).other;
        assert_eq!(other("BATCH=5"), other("batch /* five */ 5"));
        assert_eq!(other("WITHTAG(a, b=c)"), other("withtag ( `a` , b = 'c' )"));
        assert_ne!(other("BATCH=5"), other("BATCH=6"));
        assert_ne!(other("WITHTAG(a=b)"), other("WITHTAG(a AS b)"));
        assert_ne!(other("PK a.b"), other("PK `a.b`"));
    }

    #[test]
    fn mistakes_inside_values() {
        for (text, code) in [
            ("WITHTAG (a.b., c = d)", "KP0118"),
            ("WITHTAG ('')", "KP0118"),
            ("WITHTYPE ''", "KP0114"),
            ("IGNORE a AS ''", "KP0114"),
            ("WITHTAG (a AS '')", "KP0114"),
            ("PK a, ``", "KP0114"),
            ("PK *", "KP0118"),
            ("IGNORE a, *", "KP0118"),
            ("IGNORE _.key", "KP0132"),
            ("CLUSTERBY a INTO 0 BUCKETS", "KP0117"),
            ("WITHOFFSET (0, -1)", "KP0117"),
            ("SAMPLE 0 EVERY 5", "KP0117"),
        ] {
            assert_eq!(codes_with(text), [code], "{text}");
        }
    }

    #[test]
    fn dropped_clauses_name_their_successor() {
        for row in OPTIONS.iter().filter(|row| row.replacement.is_some()) {
            let (right, _) = values(row.shape);
            let parsed = crate::parse(&format!("INSERT INTO t SELECT * FROM s {} {right}", row.keyword));
            assert!(matches!(parsed.warnings.as_slice(), [SyntaxWarning::DeprecatedClause { clause, .. }] if *clause == row.keyword));
        }
    }
}
