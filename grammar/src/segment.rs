//! Where statements and clauses begin.
//!
//! Keywords are contextual: a word of the keyword table begins a clause unless a name is due at its place and what
//! follows the word could not be the clause's own value.

use crate::keyword::Keyword;
use crate::span::Span;
use crate::token::{Token, TokenKind};

/// A clause: its keyword and the tokens up to the next clause, by index into the statement's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) keyword: Keyword,
    pub(crate) first: usize,
    pub(crate) end: usize,
}

/// Where the statements of a text begin and end, as index ranges into its significant tokens; blank ones are left out.
pub(crate) fn statements(source: &str, tokens: &[Token]) -> Vec<std::ops::Range<usize>> {
    let mut ranges = Vec::new();
    let mut start = 0;
    for (index, token) in tokens.iter().enumerate() {
        // A quote that is never closed takes the `;` at the end of its line with it; the statement ends there all the same.
        let swallowed = token.kind == TokenKind::UnclosedText && token.span.text(source).trim_end().ends_with(';');
        if token.kind == TokenKind::Semicolon || swallowed {
            let end = index + usize::from(swallowed);
            if start < end {
                ranges.push(start..end);
            }
            start = index + 1;
        }
    }
    if start < tokens.len() {
        ranges.push(start..tokens.len());
    }
    ranges
}

/// The clauses of a statement. The first token belongs to the first clause whatever it is.
pub(crate) fn segments(source: &str, tokens: &[Token]) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    let mut depth = 0_usize;
    for index in 0..tokens.len() {
        match tokens[index].kind {
            TokenKind::Open => depth += 1,
            TokenKind::Close => depth = depth.saturating_sub(1),
            TokenKind::Word if depth == 0 => {
                let Some(keyword) = begins_clause(source, tokens, index, segments.last()) else { continue };
                if let Some(last) = segments.last_mut() {
                    last.end = index;
                }
                segments.push(Segment { keyword, first: index, end: tokens.len() });
            }
            _ => {}
        }
    }
    segments
}

/// The keyword at `index` by its spelling alone.
fn keyword_at(source: &str, tokens: &[Token], index: usize) -> Option<Keyword> {
    let token = tokens.get(index).filter(|token| token.kind == TokenKind::Word)?;
    let next = tokens.get(index + 1).filter(|token| token.kind == TokenKind::Word);
    Keyword::find(token.span.text(source), next.map(|next| next.span.text(source)))
}

fn begins_clause(source: &str, tokens: &[Token], index: usize, current: Option<&Segment>) -> Option<Keyword> {
    let keyword = keyword_at(source, tokens, index)?;
    let Some(before) = index.checked_sub(1).map(|before| tokens[before]) else { return Some(keyword) };
    let inside_name = before.touches(tokens[index]) && matches!(before.kind, TokenKind::Dot | TokenKind::Equals);
    if inside_name {
        return None;
    }
    let place = Place { source, tokens, index, before, current };
    if place.name_is_due() && place.reads_as_name(keyword) { None } else { Some(keyword) }
}

/// A word that is a keyword by its spelling, and what stands around it.
struct Place<'p> {
    source: &'p str,
    tokens: &'p [Token],
    index: usize,
    before: Token,
    /// The clause that is open here.
    current: Option<&'p Segment>,
}

/// Words of an expression that want a value behind them.
const BEFORE_VALUE: &[&str] = &["AND", "OR", "NOT", "BY", "IN", "LIKE", "BETWEEN", "CASE", "WHEN", "THEN", "ELSE", "+", "-", "/"];
/// Words of an expression that stand behind a value.
const BEHIND_VALUE: &[&str] = &["AS", "AND", "OR", "NOT", "IS", "IN", "LIKE", "BETWEEN", "WHEN", "THEN", "ELSE", "END", "+", "-", "/"];

impl Place<'_> {
    fn in_expression(&self) -> bool {
        self.current.is_some_and(|segment| segment.keyword.takes_expressions())
    }

    /// Whether the word before is one of these; as a part of a name, behind a dot, it is none.
    fn before_is(&self, words: &[&str]) -> bool {
        let dot = self.index.checked_sub(2).map(|dot| self.tokens[dot]);
        let is_part = dot.is_some_and(|dot| dot.kind == TokenKind::Dot && dot.touches(self.before));
        !is_part && words.iter().any(|word| self.before.is_word(self.source, word))
    }

    /// True if the token before wants something to follow.
    fn name_is_due(&self) -> bool {
        let opens_value = self.current.is_some_and(|segment| segment.first + 1 == self.index && !segment.keyword.is_flag());
        match self.before.kind {
            TokenKind::Comma => true,
            // In a name it is a character like others: `FROM year= LIMIT 5`.
            TokenKind::Equals => self.current.is_none_or(|segment| !matches!(segment.keyword, Keyword::Write | Keyword::From)),
            TokenKind::Operator => self.in_expression(),
            TokenKind::Star => self.in_expression() && self.star_multiplies(),
            TokenKind::Word if opens_value => true,
            TokenKind::Word => self.before_is(&["INTO", "AS"]) || self.in_expression() && self.before_is(BEFORE_VALUE),
            _ => false,
        }
    }

    /// `a * limit`, but neither `SELECT * FROM` nor `a.* FROM`.
    fn star_multiplies(&self) -> bool {
        let opens = self.current.map_or(0, |segment| segment.first + 1);
        let star = self.index - 1;
        star > opens && !matches!(self.tokens[star - 1].kind, TokenKind::Comma | TokenKind::Dot)
    }

    /// True if what follows a keyword cannot be the value of its clause, so that the word is a name.
    fn reads_as_name(&self, keyword: Keyword) -> bool {
        let Some(next) = self.tokens.get(self.index + 1) else { return true };
        let next_keyword = keyword_at(self.source, self.tokens, self.index + 1);
        match keyword {
            // A target or a column that is called like the clause that has to follow it.
            Keyword::Select | Keyword::From if self.before_is(&["INTO"]) => next_keyword == Some(Keyword::Select),
            Keyword::From if !self.before_is(&["FROM"]) => {
                next_keyword == Some(Keyword::From)
                    || matches!(next.kind, TokenKind::Comma | TokenKind::Dot)
                    || next.is_word(self.source, "AS")
            }
            _ => {
                next_keyword.is_some()
                    || matches!(next.kind, TokenKind::Comma | TokenKind::Close | TokenKind::Operator)
                    || next.kind == TokenKind::Dot && self.tokens[self.index].touches(*next)
                    || self.goes_on_as_value(*next)
            }
        }
    }

    /// True if an expression goes on behind the word.
    fn goes_on_as_value(&self, next: Token) -> bool {
        let is_condition =
            self.current.is_some_and(|segment| segment.keyword == Keyword::Where) || self.before_is(&["WHEN", "THEN", "ELSE"]);
        match next.kind {
            TokenKind::Equals => is_condition,
            _ if self.in_expression() => BEHIND_VALUE.iter().any(|word| next.is_word(self.source, word)),
            _ => next.is_word(self.source, "AS"),
        }
    }
}

/// The bytes from the first to the last token.
pub(crate) fn span_of(tokens: &[Token]) -> Span {
    match (tokens.first(), tokens.last()) {
        (Some(first), Some(last)) => first.span.to(last.span),
        _ => Span::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token;

    fn clauses(text: &str) -> Vec<&str> {
        let tokens: Vec<Token> = token::tokens(text).into_iter().filter(|token| token.is_significant()).collect();
        segments(text, &tokens).iter().map(|segment| span_of(&tokens[segment.first..segment.end]).text(text)).collect()
    }

    #[test]
    fn clauses_begin_at_keywords_in_any_case() {
        assert_eq!(
            clauses("insert into a select * From b StoreAs JSON limit 5"),
            ["insert into a", "select *", "From b", "StoreAs JSON", "limit 5"]
        );
    }

    #[test]
    fn a_keyword_is_a_name_where_a_name_is_due() {
        assert_eq!(clauses("INSERT INTO batch SELECT * FROM limit LIMIT 5"), ["INSERT INTO batch", "SELECT *", "FROM limit", "LIMIT 5"]);
        assert_eq!(clauses("SELECT limit, ttl AS batch FROM x.from PK pk"), ["SELECT limit, ttl AS batch", "FROM x.from", "PK pk"]);
        assert_eq!(clauses("INSERT INTO select SELECT from, a FROM from"), ["INSERT INTO select", "SELECT from, a", "FROM from"]);
        assert_eq!(clauses("FROM x PARTITIONBY limit LIMIT 3"), ["FROM x", "PARTITIONBY limit", "LIMIT 3"]);
        assert_eq!(clauses("FROM x WITHKEY(limit, from) BATCH=limit"), ["FROM x", "WITHKEY(limit, from)", "BATCH=limit"]);
    }

    #[test]
    fn a_keyword_with_its_value_is_a_clause_even_where_a_name_is_missing() {
        assert_eq!(clauses("FROM PARTITIONBY device_id"), ["FROM", "PARTITIONBY device_id"]);
        assert_eq!(clauses("INSERT INTO SELECT limit FROM x"), ["INSERT INTO", "SELECT limit", "FROM x"]);
        assert_eq!(clauses("SELECT a, FROM x"), ["SELECT a,", "FROM x"]);
        assert_eq!(clauses("SELECT FROM x STOREAS LIMIT 3"), ["SELECT", "FROM x", "STOREAS", "LIMIT 3"]);
    }

    #[test]
    fn expressions_keep_their_words() {
        assert_eq!(clauses("FROM x WHERE a > 0 AND limit < 5 GROUP BY batch"), ["FROM x", "WHERE a > 0 AND limit < 5", "GROUP BY batch"]);
    }

    #[test]
    fn a_part_of_a_name_joins_nothing() {
        assert_eq!(clauses("FROM logs.as WHERE a.and AUTOCREATE"), ["FROM logs.as", "WHERE a.and", "AUTOCREATE"]);
        assert_eq!(clauses("FROM x WHERE limit > a.by LIMIT 5"), ["FROM x", "WHERE limit > a.by", "LIMIT 5"]);
    }

    #[test]
    fn statements_end_at_semicolons_outside_quotes() {
        let text = "a ';' `;` ; /* ; */ ; b 'c;\n d ;";
        let tokens: Vec<Token> = token::tokens(text).into_iter().filter(|token| token.is_significant()).collect();
        let pieces: Vec<&str> = statements(text, &tokens).into_iter().map(|range| span_of(&tokens[range]).text(text)).collect();
        assert_eq!(pieces, ["a ';' `;`", "b 'c;", "d"]);
    }
}
