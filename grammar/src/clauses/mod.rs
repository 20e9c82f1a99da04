//! One file a clause: its pairs to a node, the node to text, its tests.

mod expr;
mod from;
mod insert;
mod key;
mod limit;
mod literal;
mod option;
mod partition_by;
mod properties;
mod select;
mod store_as;
mod with_converter;

use pest::Parser;
use pest::iterators::{Pair, Pairs};

pub(crate) use self::properties::PropertyList;
pub(crate) use self::select::Alone;

use crate::ast::{Name, OtherClause, PartitionBy, Property, SelectItem, StoreAs, WriteMode};
use crate::diagnose;
use crate::error::SyntaxError;
use crate::expr::Expr;
use crate::keyword::Keyword;
use crate::limits::ITEMS_MAX;
use crate::report::Report;
use crate::rules::{Kcql, Rule};
use crate::segment::span_of;
use crate::span::{Span, Spanned};
use crate::token::{Token, TokenKind};

/// The tokens of one clause, from its keyword up to the next clause.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clause<'t> {
    pub(crate) source: &'t str,
    pub(crate) keyword: Keyword,
    pub(crate) tokens: &'t [Token],
    /// The keyword of the next clause.
    pub(crate) next: Option<Token>,
}

impl<'t> Clause<'t> {
    /// From the keyword to the last token.
    pub(crate) fn span(&self) -> Span {
        span_of(self.tokens)
    }

    /// As written.
    pub(crate) fn text(&self) -> &'t str {
        self.span().text(self.source)
    }

    /// The keyword; for `INSERT INTO` its first word.
    pub(crate) fn keyword_span(&self) -> Span {
        self.tokens.first().map(|token| token.span).unwrap_or_default()
    }

    /// The parts of the clause by its grammar rule.
    fn read(&self, rule: Rule) -> Result<Pairs<'t, Rule>, SyntaxError> {
        if let Some(comma) = self.tokens.iter().filter(|token| token.kind == TokenKind::Comma).nth(ITEMS_MAX - 1) {
            return Err(SyntaxError::TooManyItems { span: comma.span });
        }
        match Kcql::parse(rule, self.text()) {
            Ok(mut pairs) => Ok(match pairs.next() {
                Some(pair) => pair.into_inner(),
                None => pairs,
            }),
            Err(error) => Err(diagnose::explain(self, rule, &error)),
        }
    }

    /// Where a part stands in the whole text. A rule that may go on takes the blanks and comments behind it along; they are no part of it.
    fn span_of(&self, pair: &Pair<'_, Rule>) -> Span {
        let base = self.span().start;
        let (start, end) = (base + pair.as_span().start(), base + pair.as_span().end());
        let tokens = self.tokens.partition_point(|token| token.span.start < end);
        let words = tokens.checked_sub(1).map_or(end, |last| self.tokens[last].span.end);
        Span::new(start, end.min(words.max(start)))
    }
}

/// The clauses of a statement as far as they were read.
#[derive(Debug, Default)]
pub(crate) struct Clauses {
    pub(crate) insert: Option<(Spanned<WriteMode>, Spanned<Name>)>,
    pub(crate) select: Option<Spanned<Vec<Spanned<SelectItem>>>>,
    pub(crate) from: Option<Spanned<Name>>,
    pub(crate) filter: Option<Spanned<Expr>>,
    pub(crate) partition_by: Option<Spanned<PartitionBy>>,
    pub(crate) store_as: Option<Spanned<StoreAs>>,
    pub(crate) with_key: Option<Spanned<Vec<Spanned<Expr>>>>,
    pub(crate) key_delimiter: Option<Spanned<String>>,
    pub(crate) with_converter: Option<Spanned<String>>,
    pub(crate) limit: Option<Spanned<u64>>,
    pub(crate) properties: Option<Spanned<Vec<Property>>>,
    pub(crate) other: Vec<Spanned<OtherClause>>,
}

impl Clauses {
    /// Reads one clause into its field; its mistakes go into the report.
    pub(crate) fn read(&mut self, clause: &Clause<'_>, report: &mut Report) {
        match clause.keyword {
            Keyword::Write => self.insert = insert::parse(clause, report),
            Keyword::Select => self.select = select::parse(clause, report),
            Keyword::From => self.from = from::parse(clause, report),
            Keyword::Where => self.filter = expr::filter(clause, report),
            Keyword::PartitionBy | Keyword::NoPartition => self.partition_by = partition_by::parse(clause, report),
            Keyword::StoreAs => self.store_as = store_as::parse(clause, report),
            Keyword::WithConverter => self.with_converter = with_converter::parse(clause, report),
            Keyword::WithKey => self.with_key = key::parse(clause, report),
            Keyword::KeyDelimiter => self.key_delimiter = key::parse_delimiter(clause, report),
            Keyword::Limit => self.limit = limit::parse(clause, report),
            Keyword::Properties => self.properties = properties::parse(clause, report),
            Keyword::Option(row) => self.other.extend(option::parse(clause, row, report)),
            Keyword::NotYet(words) => report.error(diagnose::clause_not_yet(clause, words)),
        }
    }
}
