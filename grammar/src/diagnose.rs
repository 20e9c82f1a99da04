//! From "the grammar stopped here" to the mistake that was made.

use pest::error::{ErrorVariant, InputLocation};

use crate::clauses::Clause;
use crate::error::SyntaxError;
use crate::excerpt::{excerpt, shown};
use crate::keyword::{Keyword, clause_keywords, near};
use crate::labels::{self, one_of};
use crate::limits::EXCERPT_CHARS_MAX;
use crate::print::is_expression_word;
use crate::repair;
use crate::rules::Rule;
use crate::segment::span_of;
use crate::span::Span;
use crate::token::{Token, TokenKind};

/// Why a clause does not fit its rule.
pub(crate) fn explain(clause: &Clause<'_>, rule: Rule, error: &pest::error::Error<Rule>) -> SyntaxError {
    let offset = match error.location {
        InputLocation::Pos(position) | InputLocation::Span((position, _)) => clause.span().start + position,
    };
    let at = clause.tokens.partition_point(|token| token.span.start < offset);
    let rules: &[Rule] = match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => positives,
        ErrorVariant::CustomError { .. } => &[],
    };
    Stop { clause, rule, at, rules }.explain()
}

/// A clause that is known and not built.
pub(crate) fn clause_not_yet(clause: &Clause<'_>, words: &str) -> SyntaxError {
    let keywords = words.split(' ').count().min(clause.tokens.len());
    let help = "records are passed on one by one".to_owned();
    SyntaxError::NotYet { what: format!("`{words}`"), span: span_of(&clause.tokens[..keywords]), help }
}

/// A place in a clause where no rule goes on.
struct Stop<'c> {
    clause: &'c Clause<'c>,
    /// What was read.
    rule: Rule,
    /// The token that does not fit; one past the last if the clause is too short.
    at: usize,
    /// What would fit.
    rules: &'c [Rule],
}

impl Stop<'_> {
    fn explain(&self) -> SyntaxError {
        self.trailing_comma()
            .or_else(|| self.unclosed_parenthesis())
            .or_else(|| self.distinct())
            .or_else(|| repair::misspelt(self.clause, self.rule, self.at))
            .or_else(|| self.missing_value())
            .or_else(|| self.starred_name())
            .or_else(|| self.operator())
            .or_else(|| self.unexpected())
            .unwrap_or_else(|| self.expected(self.second_source()))
    }

    fn token(&self) -> Option<Token> {
        self.clause.tokens.get(self.at).copied()
    }

    fn text(&self, token: Token) -> &str {
        token.span.text(self.clause.source)
    }

    /// The token that does not fit, else the next clause.
    fn found(&self) -> String {
        match (self.token(), self.clause.next) {
            (Some(token), _) => shown(self.text(token)),
            (None, Some(next)) => format!("the clause keyword {}", shown(self.text(next))),
            (None, None) => "the end of the statement".to_owned(),
        }
    }

    fn next_span(&self) -> Option<Span> {
        self.token().or(self.clause.next).map(|token| token.span)
    }

    /// The smallest place: the odd token, the next clause, or behind the last token.
    fn span(&self) -> Span {
        let end = self.clause.span().end;
        self.next_span().unwrap_or(Span::new(end, end))
    }

    /// What fits here, in words.
    fn wanted(&self) -> String {
        let following = match self.clause.keyword {
            Keyword::Write => "`SELECT`",
            Keyword::Select => "`FROM`",
            _ => "the next clause",
        };
        labels::expected(self.rules, following)
    }

    fn expected(&self, help: Option<&str>) -> SyntaxError {
        SyntaxError::Expected { expected: self.wanted(), found: self.found(), span: self.span(), help: help.map(str::to_owned) }
    }

    fn second_source(&self) -> Option<&'static str> {
        let is_comma = self.token().is_some_and(|token| token.kind == TokenKind::Comma);
        (is_comma && self.clause.keyword == Keyword::From).then_some("a statement reads one source; write one statement for each")
    }

    fn trailing_comma(&self) -> Option<SyntaxError> {
        let comma = self.clause.tokens.get(self.at.checked_sub(1)?).filter(|token| token.kind == TokenKind::Comma)?;
        let ends = self.token().is_none_or(|token| token.kind == TokenKind::Close);
        ends.then_some(SyntaxError::TrailingComma { span: comma.span })
    }

    fn unclosed_parenthesis(&self) -> Option<SyntaxError> {
        let mut open = Vec::new();
        for token in self.clause.tokens {
            match token.kind {
                TokenKind::Open => open.push(token.span),
                TokenKind::Close => drop(open.pop()),
                _ => {}
            }
        }
        let takes_close = self.rules.contains(&Rule::close);
        open.last().filter(|_| takes_close).map(|open| SyntaxError::UnclosedParenthesis { open: *open, next: self.next_span() })
    }

    /// `SELECT DISTINCT a`.
    fn distinct(&self) -> Option<SyntaxError> {
        let word = self.clause.tokens.get(1).filter(|word| word.is_word(self.clause.source, "DISTINCT"))?;
        let is_select = self.clause.keyword == Keyword::Select && self.at == 2;
        is_select.then(|| SyntaxError::NotYet {
            what: "`SELECT DISTINCT`".to_owned(),
            span: word.span,
            help: "remove DISTINCT: every record is taken".to_owned(),
        })
    }

    /// Signs that other languages write, and words that are no field.
    fn operator(&self) -> Option<SyntaxError> {
        let wanted = self.wanted();
        let fits = wanted.contains("an operator") || wanted.contains("a value");
        let token = self.token().filter(|_| fits && self.clause.keyword.takes_expressions())?;
        let before = self.clause.tokens.get(self.at.checked_sub(1)?)?;
        let text = self.text(token);
        let doubled = self.clause.tokens.get(self.at + 1).is_some_and(|next| next.kind == TokenKind::Equals);
        let help = match token.kind {
            TokenKind::Equals if doubled => "a comparison is written with one `=`".to_owned(),
            TokenKind::Operator if text == "&&" => "write AND".to_owned(),
            TokenKind::Operator if text == "!" => "write NOT".to_owned(),
            TokenKind::Word
                if text.len() > 1
                    && text.starts_with(['-', '+', '/'])
                    && !text.starts_with("--")
                    && !matches!(before.kind, TokenKind::Comma) =>
            {
                let (sign, rest) = text.split_at(1);
                format!("`-`, `+` and `/` belong to names; as operators they stand between blanks: {sign} {}", excerpt(rest))
            }
            TokenKind::Word if text.eq_ignore_ascii_case("NOT") => "behind an operator NOT stands in parentheses: (NOT ...)".to_owned(),
            TokenKind::Word if self.rules.contains(&Rule::number) && is_expression_word(text) => {
                format!("a field that is called so stands in back-ticks: `{text}`")
            }
            _ => return None,
        };
        let expected = if wanted.contains("an operator") { "an operator".to_owned() } else { wanted };
        Some(SyntaxError::Expected { expected, found: shown(text), span: token.span, help: Some(help) })
    }

    /// A clause that ends before its value; in `CLUSTERBY INTO 5 BUCKETS` the fields are missing.
    fn missing_value(&self) -> Option<SyntaxError> {
        let tokens = self.clause.tokens;
        if self.rule == Rule::option_buckets
            && let Some(into) = tokens.get(1).filter(|word| word.is_word(self.clause.source, "INTO"))
        {
            let (expected, found) = ("a field".to_owned(), shown(self.text(*into)));
            let clause = self.clause.keyword.text();
            return Some(SyntaxError::MissingValue { clause, expected, found, span: self.clause.keyword_span() });
        }
        let given = tokens.iter().skip(1).filter(|token| token.kind != TokenKind::Equals).count();
        if self.token().is_some_and(|token| token.kind != TokenKind::Equals) {
            return None;
        }
        let found = self.found();
        match self.clause.keyword {
            Keyword::Write if given == 1 => {
                let into = tokens.get(1)?.span;
                Some(SyntaxError::MissingTarget { found, into, next: self.next_span() })
            }
            Keyword::From if given == 0 => {
                Some(SyntaxError::MissingSource { found, from: tokens.first()?.span, next: self.next_span(), rest: self.rest() })
            }
            Keyword::Write | Keyword::From => None,
            keyword if given == 0 => {
                Some(SyntaxError::MissingValue { clause: keyword.text(), expected: self.wanted(), found, span: self.clause.keyword_span() })
            }
            _ => None,
        }
    }

    /// The line after this clause, for an example.
    fn rest(&self) -> String {
        let Some(next) = self.clause.next else { return String::new() };
        let line = self.clause.source[next.span.start..].lines().next().unwrap_or_default();
        if line.chars().count() > EXCERPT_CHARS_MAX { " ...".to_owned() } else { format!(" {}", line.trim_end()) }
    }

    /// `FROM *`, `FROM domain-.*`, `FROM a%b`: the whole name belongs into back-ticks.
    fn starred_name(&self) -> Option<SyntaxError> {
        let is_name = matches!(self.clause.keyword, Keyword::Write | Keyword::From);
        let tokens = self.clause.tokens;
        let is_odd = |token: &Token| match token.kind {
            TokenKind::Star => true,
            TokenKind::Operator => self.at > 1 && tokens[self.at - 1].touches(*token),
            _ => false,
        };
        self.token().filter(|token| is_name && is_odd(token))?;
        let (mut first, mut last) = (self.at, self.at);
        while first > 1 && tokens[first - 1].touches(tokens[first]) {
            first -= 1;
        }
        while last + 1 < tokens.len() && tokens[last].touches(tokens[last + 1]) {
            last += 1;
        }
        let span = span_of(&tokens[first..=last]);
        let name = span.text(self.clause.source).replace(['`', '\'', '"'], "");
        let replacement = format!("`{name}`");
        Some(SyntaxError::NameNeedsQuotes { name: excerpt(&name), span, replacement })
    }

    /// Text where the next clause has to begin.
    fn unexpected(&self) -> Option<SyntaxError> {
        let token = self.token().filter(|token| token.kind == TokenKind::Word)?;
        let is_into = self.rules.contains(&Rule::into);
        if !is_into && !self.rules.contains(&Rule::EOI) {
            return None;
        }
        if let Some(error) = self.misspelt(token, is_into) {
            return Some(error);
        }
        match self.clause.keyword {
            Keyword::Select => Some(self.expected(Some("a name for the column is written with AS, a further field after a comma"))),
            _ if is_into => None,
            _ => Some(self.leftover(token)),
        }
    }

    fn misspelt(&self, token: Token, is_into: bool) -> Option<SyntaxError> {
        let source = self.clause.source;
        let before = |keyword: &str| self.clause.next.is_some_and(|next| next.is_word(source, keyword));
        let mut candidates: Vec<&'static str> = match self.clause.keyword {
            Keyword::Write if is_into => vec!["INTO"],
            Keyword::Write if before("SELECT") => Vec::new(),
            Keyword::Write => vec!["SELECT"],
            Keyword::Select if before("FROM") => Vec::new(),
            Keyword::Select => vec!["FROM"],
            _ => clause_keywords().collect(),
        };
        let word = self.text(token);
        if let Some(second) = self.clause.tokens.get(self.at + 1).filter(|second| second.kind == TokenKind::Word) {
            let both: String = format!("{word}{}", self.text(*second)).to_uppercase();
            if let Some(keyword) = candidates.iter().find(|keyword| keyword.replace('_', "") == both.replace('_', "")) {
                let span = token.span.to(second.span);
                return Some(SyntaxError::SplitKeyword { words: excerpt(span.text(source)), keyword, span });
            }
        }
        // A keyword that is already there was not meant once more.
        candidates.retain(|candidate| !candidate.eq_ignore_ascii_case(word));
        let near = near(word, candidates);
        let replacement = match near.as_slice() {
            [] => return None,
            [only] => Some((*only).to_owned()),
            _ => None,
        };
        let nearest =
            one_of(&near.iter().map(|keyword| format!("`{keyword}`")).collect::<Vec<_>>().iter().map(String::as_str).collect::<Vec<_>>());
        Some(SyntaxError::MisspeltKeyword { word: excerpt(word), what: "KCQL clause", nearest, span: token.span, replacement })
    }

    fn leftover(&self, token: Token) -> SyntaxError {
        let word = self.text(token);
        let is_name = matches!(self.clause.keyword, Keyword::Write | Keyword::From);
        let help = if word.starts_with('#') || word.starts_with("//") {
            "comments begin with `--` or stand between `/*` and `*/`"
        } else if word.starts_with("--") || word.starts_with("/*") {
            "a comment needs a blank before it"
        } else if is_name && self.at + 1 == self.clause.tokens.len() {
            "a name with blanks goes in back-ticks; two statements are parted by `;`"
        } else {
            "no clause has this name; two statements are parted by `;`"
        };
        let after = match self.clause.tokens.get(self.at.saturating_sub(1)) {
            Some(last) if is_name => format!("the name {}", shown(self.text(*last))),
            _ => format!("`{}`", self.clause.keyword.text()),
        };
        SyntaxError::UnexpectedText { found: shown(word), after, span: token.span, help: help.to_owned() }
    }
}
