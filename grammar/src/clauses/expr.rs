//! Expressions: the grammar's pairs to a tree. `WHERE condition`.

use pest::iterators::{Pair, Pairs};

use super::{Clause, literal};
use crate::error::SyntaxError;
use crate::expr::{BinaryOp, Branch, Expr, Literal, UnaryOp};
use crate::limits::EXPR_PARTS_MAX;
use crate::report::Report;
use crate::rules::Rule;
use crate::span::{Span, Spanned};
use crate::token::{self, TokenKind};

type Parsed = Result<Spanned<Expr>, SyntaxError>;

/// `WHERE condition`.
pub(super) fn filter(clause: &Clause<'_>, report: &mut Report) -> Option<Spanned<Expr>> {
    let mut parts = report.keep(clause.read(Rule::where_clause))?;
    let expr = parts.find(|part| part.as_rule() == Rule::expr)?;
    let span = clause.span_of(&expr);
    let expr = parse(clause, expr, report).map(|expr| Spanned::new(expr.node, span));
    report.keep(expr)
}

/// Reads an `expr`.
pub(super) fn parse(clause: &Clause<'_>, expr: Pair<'_, Rule>, report: &mut Report) -> Parsed {
    Builder { clause, report, parts: 0 }.any(expr)
}

struct Builder<'b, 'c> {
    clause: &'b Clause<'c>,
    report: &'b mut Report,
    parts: usize,
}

/// Operands that wait for what stands behind their operator: `a OR b AND`.
#[derive(Default)]
struct Chain(Vec<(Spanned<Expr>, BinaryOp)>);

impl Chain {
    /// `operand op`: what binds as tight before it is complete.
    fn push(&mut self, operand: Spanned<Expr>, op: BinaryOp) {
        let left = self.join(operand, |before| before.comes_before(op));
        self.0.push((left, op));
    }

    /// The last operand.
    fn finish(mut self, operand: Spanned<Expr>) -> Spanned<Expr> {
        self.join(operand, |_| true)
    }

    fn join(&mut self, mut operand: Spanned<Expr>, is_complete: impl Fn(BinaryOp) -> bool) -> Spanned<Expr> {
        while let Some((left, op)) = self.0.pop_if(|(_, op)| is_complete(*op)) {
            operand = binary(op, left, operand);
        }
        operand
    }
}

impl Builder<'_, '_> {
    /// Counts a value, an operator or a call.
    fn count(&mut self, pair: &Pair<'_, Rule>) -> Result<(), SyntaxError> {
        self.parts += 1;
        if self.parts > EXPR_PARTS_MAX {
            return Err(SyntaxError::ExpressionTooLarge { span: self.clause.span_of(pair) });
        }
        Ok(())
    }

    /// `a = b AND c OR d`, and `a + b` alone.
    fn any(&mut self, pair: Pair<'_, Rule>) -> Parsed {
        if pair.as_rule() == Rule::operation {
            return self.operation(pair);
        }
        let mut chain = Chain::default();
        let mut pairs = pair.into_inner();
        loop {
            let condition = self.condition(&mut pairs)?;
            let Some(word) = pairs.next() else { return Ok(chain.finish(condition)) };
            self.count(&word)?;
            chain.push(condition, self.operator(&word)?);
        }
    }

    /// `NOT a = b`, `a IS NULL`: one test after the other, from the left.
    fn condition(&mut self, pairs: &mut Pairs<'_, Rule>) -> Parsed {
        let signs = self.signs(Rule::not_word, pairs)?;
        let mut value = self.next_operation(pairs)?;
        while let Some(test) = next_if(pairs, |rule| !matches!(rule, Rule::and_word | Rule::or_word)) {
            self.count(&test)?;
            value = match operator(&test) {
                Some(op) => binary(op, value, self.next_operation(pairs)?),
                None => self.tested(value, test)?,
            };
        }
        Ok(signed(UnaryOp::Not, signs, value))
    }

    fn next_operation(&mut self, pairs: &mut Pairs<'_, Rule>) -> Parsed {
        let Some(operation) = pairs.next() else { return Err(self.odd(self.clause.span())) };
        self.operation(operation)
    }

    /// `a + b * - c`.
    fn operation(&mut self, pair: Pair<'_, Rule>) -> Parsed {
        let mut chain = Chain::default();
        let mut pairs = pair.into_inner();
        loop {
            let signs = self.signs(Rule::minus, &mut pairs)?;
            let Some(value) = pairs.next() else { return Err(self.odd(self.clause.span())) };
            let operand = signed(UnaryOp::Negate, signs, self.primary(value)?);
            let Some(sign) = pairs.next() else { return Ok(chain.finish(operand)) };
            self.count(&sign)?;
            chain.push(operand, self.operator(&sign)?);
        }
    }

    /// The signs before a value: `NOT NOT`.
    fn signs(&mut self, rule: Rule, pairs: &mut Pairs<'_, Rule>) -> Result<Vec<Span>, SyntaxError> {
        let mut signs = Vec::new();
        while let Some(sign) = next_if(pairs, |found| found == rule) {
            self.count(&sign)?;
            signs.push(self.clause.span_of(&sign));
        }
        Ok(signs)
    }

    fn operator(&self, pair: &Pair<'_, Rule>) -> Result<BinaryOp, SyntaxError> {
        operator(pair).ok_or_else(|| self.odd(self.clause.span_of(pair)))
    }

    fn primary(&mut self, pair: Pair<'_, Rule>) -> Parsed {
        self.count(&pair)?;
        let span = self.clause.span_of(&pair);
        let at = |node: Expr| Spanned::new(node, span);
        match pair.as_rule() {
            Rule::group => self.first(pair.into_inner(), span).map(|inner| at(inner.node)),
            Rule::case => self.case(pair.into_inner()).map(at),
            Rule::cast => self.cast(pair.into_inner(), span).map(at),
            Rule::call => self.call(pair.into_inner(), span).map(at),
            Rule::field => Ok(literal::path(self.clause, pair.into_inner(), self.report)?.map(Expr::Column)),
            Rule::number => Ok(at(Expr::Literal(Literal::Number(pair.as_str().to_owned())))),
            Rule::text => Ok(at(Expr::Literal(Literal::Text(literal::unquoted(pair.as_str()))))),
            Rule::typed => Ok(at(Expr::Literal(typed(pair.into_inner())))),
            Rule::constant => Ok(at(Expr::Literal(constant(pair.as_str())))),
            _ => Err(self.odd(span)),
        }
    }

    /// A place that the grammar does not let through.
    fn odd(&self, span: Span) -> SyntaxError {
        let found = crate::excerpt::shown(span.text(self.clause.source));
        SyntaxError::Expected { expected: "a value".to_owned(), found, span, help: None }
    }

    fn first(&mut self, pairs: Pairs<'_, Rule>, span: Span) -> Parsed {
        match pairs.into_iter().find(|pair| is_operand(pair.as_rule())) {
            Some(pair) => self.any(pair),
            None => Err(self.odd(span)),
        }
    }

    fn boxed(&mut self, pairs: Pairs<'_, Rule>, span: Span) -> Result<Box<Spanned<Expr>>, SyntaxError> {
        self.first(pairs, span).map(Box::new)
    }

    fn tested(&mut self, left: Spanned<Expr>, test: Pair<'_, Rule>) -> Parsed {
        let at = self.clause.span_of(&test);
        let span = left.span.to(at);
        let rule = test.as_rule();
        let negated = test.clone().into_inner().any(|part| part.as_rule() == Rule::not_word);
        let mut operands = test.clone().into_inner().filter(|part| is_operand(part.as_rule()));
        let operand = Box::new(left);
        let mut next = |builder: &mut Self| match operands.next() {
            Some(pair) => builder.any(pair).map(Box::new),
            None => Err(builder.odd(at)),
        };
        let node = match rule {
            Rule::is_null => Expr::IsNull { operand, negated },
            Rule::between => Expr::Between { operand, low: next(self)?, high: next(self)?, negated },
            Rule::like => {
                let pattern = next(self)?;
                let escape = test.into_inner().find(|part| part.as_rule() == Rule::text);
                let escape = escape.map(|text| Spanned::new(literal::unquoted(text.as_str()), self.clause.span_of(&text)));
                Expr::Like { operand, pattern, escape, negated }
            }
            _ => Expr::In { operand, list: operands.map(|item| self.any(item)).collect::<Result<_, _>>()?, negated },
        };
        Ok(Spanned::new(node, span))
    }

    fn case(&mut self, pairs: Pairs<'_, Rule>) -> Result<Expr, SyntaxError> {
        let (mut operand, mut otherwise, mut branches) = (None, None, Vec::new());
        for pair in pairs {
            match pair.as_rule() {
                Rule::expr if branches.is_empty() => operand = Some(Box::new(self.any(pair)?)),
                Rule::expr => otherwise = Some(Box::new(self.any(pair)?)),
                Rule::branch => {
                    let span = self.clause.span_of(&pair);
                    let mut parts = pair.into_inner().filter(|part| part.as_rule() == Rule::expr);
                    let (Some(condition), Some(result)) = (parts.next(), parts.next()) else { return Err(self.odd(span)) };
                    branches.push(Branch { condition: self.any(condition)?, result: self.any(result)? });
                }
                _ => {}
            }
        }
        Ok(Expr::Case { operand, branches, otherwise })
    }

    fn cast(&mut self, pairs: Pairs<'_, Rule>, span: Span) -> Result<Expr, SyntaxError> {
        let data_type = pairs.clone().find(|part| part.as_rule() == Rule::type_name);
        let data_type = data_type.map(|part| Spanned::new(type_name(part.as_str()), self.clause.span_of(&part)));
        let is_try = pairs.clone().any(|part| part.as_rule() == Rule::try_cast_word);
        let Some(data_type) = data_type else { return Err(self.odd(span)) };
        Ok(Expr::Cast { operand: self.boxed(pairs, span)?, data_type, is_try })
    }

    fn call(&mut self, pairs: Pairs<'_, Rule>, span: Span) -> Result<Expr, SyntaxError> {
        let (mut name, mut args) = (Spanned::new(String::new(), span), Vec::new());
        for pair in pairs {
            match pair.as_rule() {
                Rule::function => name = Spanned::new(pair.as_str().to_lowercase(), self.clause.span_of(&pair)),
                Rule::expr => args.push(self.any(pair)?),
                _ => {}
            }
        }
        Ok(Expr::Call { name, args })
    }
}

/// True for the rules that hold a value.
fn is_operand(rule: Rule) -> bool {
    matches!(rule, Rule::expr | Rule::operation)
}

fn next_if<'i>(pairs: &mut Pairs<'i, Rule>, is_wanted: impl Fn(Rule) -> bool) -> Option<Pair<'i, Rule>> {
    if is_wanted(pairs.peek()?.as_rule()) { pairs.next() } else { None }
}

fn binary(op: BinaryOp, left: Spanned<Expr>, right: Spanned<Expr>) -> Spanned<Expr> {
    let span = left.span.to(right.span);
    Spanned::new(Expr::Binary { op, left: Box::new(left), right: Box::new(right) }, span)
}

/// A value and what stands before it.
fn signed(op: UnaryOp, signs: Vec<Span>, value: Spanned<Expr>) -> Spanned<Expr> {
    signs.into_iter().rev().fold(value, |operand, sign| {
        let span = sign.to(operand.span);
        Spanned::new(Expr::Unary { op, operand: Box::new(operand) }, span)
    })
}

fn operator(pair: &Pair<'_, Rule>) -> Option<BinaryOp> {
    match pair.as_rule() {
        Rule::or_word => Some(BinaryOp::Or),
        Rule::and_word => Some(BinaryOp::And),
        Rule::compare | Rule::arithmetic => match pair.as_str() {
            "!=" => Some(BinaryOp::NotEqual),
            sign => BinaryOp::ALL.into_iter().find(|op| op.text() == sign),
        },
        _ => None,
    }
}

/// `DECIMAL(12, 2)`, `DOUBLE PRECISION`, however it is written.
fn type_name(written: &str) -> String {
    let mut name = String::new();
    let mut last = TokenKind::Open;
    for token in token::tokens(written).into_iter().filter(|token| token.is_significant()) {
        let apart = token.kind == TokenKind::Word && last != TokenKind::Open;
        name.push_str(if apart { " " } else { "" });
        name.push_str(&token.span.text(written).to_uppercase());
        last = token.kind;
    }
    name
}

fn typed(pairs: Pairs<'_, Rule>) -> Literal {
    let mut is_date = false;
    let mut text = String::new();
    for pair in pairs {
        match pair.as_rule() {
            Rule::literal_type => is_date = pair.as_str().eq_ignore_ascii_case("date"),
            _ => text = literal::unquoted(pair.as_str()),
        }
    }
    if is_date { Literal::Date(text) } else { Literal::Timestamp(text) }
}

fn constant(word: &str) -> Literal {
    match word {
        word if word.eq_ignore_ascii_case("null") => Literal::Null,
        word => Literal::Boolean(word.eq_ignore_ascii_case("true")),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{codes_with, statement, with};

    /// The condition, printed.
    fn printed(condition: &str) -> String {
        let printed = with(&format!("WHERE {condition}")).filter.map(|filter| filter.node.to_string()).unwrap_or_default();
        let again = with(&format!("WHERE {printed}")).filter.map(|filter| filter.node.to_string());
        assert_eq!(again.as_deref(), Some(printed.as_str()), "{condition}");
        printed
    }

    #[test]
    fn operators_bind_as_in_sql() {
        for (written, meant) in [
            ("a or b and not c = 1", "a OR b AND NOT c = 1"),
            ("(a or b) and c", "(a OR b) AND c"),
            ("a + b * c - d", "a + b * c - d"),
            ("(a + b) * c", "(a + b) * c"),
            ("a - (b - c)", "a - (b - c)"),
            ("((a)) - b - c", "a - b - c"),
            ("a || b || 'c' = d", "a || b || 'c' = d"),
            ("- a * b", "- a * b"),
            ("- (a * b)", "- (a * b)"),
            ("not (a and b)", "NOT (a AND b)"),
            ("a != 1", "a <> 1"),
            ("a*2>=b%3", "a * 2 >= b % 3"),
            ("(a = b) = c", "a = b = c"),
            ("a = (b = c)", "a = (b = c)"),
            ("not not a", "NOT NOT a"),
        ] {
            assert_eq!(printed(written), meant, "{written}");
        }
    }

    #[test]
    fn tests_of_values() {
        for (written, meant) in [
            ("a is null and b is not null", "a IS NULL AND b IS NOT NULL"),
            ("a in (1, 'x', b)", "a IN (1, 'x', b)"),
            ("a not in (1)", "a NOT IN (1)"),
            ("a between 1 and 2 and b", "a BETWEEN 1 AND 2 AND b"),
            ("a not between b + 1 and c || d", "a NOT BETWEEN b + 1 AND c || d"),
            ("a like 'x%' or b not like '10!%' escape '!'", "a LIKE 'x%' OR b NOT LIKE '10!%' ESCAPE '!'"),
            ("(a is null) is null", "a IS NULL IS NULL"),
        ] {
            assert_eq!(printed(written), meant, "{written}");
        }
    }

    #[test]
    fn values_calls_and_cases() {
        for (written, meant) in [
            ("a = -1.50e3", "a = -1.50e3"),
            ("a = 'it''s' AND b = ''", "a = 'it''s' AND b = ''"),
            ("a = true or b = NULL", "a = TRUE OR b = NULL"),
            (
                "ts > timestamp '2026-01-31 00:00:00Z' and d = DATE '2026-01-31'",
                "ts > TIMESTAMP '2026-01-31 00:00:00Z' AND d = DATE '2026-01-31'",
            ),
            ("UPPER( a.b ) = coalesce(`c d`, now(), 'x')", "upper(a.b) = coalesce(`c d`, now(), 'x')"),
            (
                "cast(a AS decimal( 12 , 2 )) > try_cast(b as double precision)",
                "CAST(a AS DECIMAL(12, 2)) > TRY_CAST(b AS DOUBLE PRECISION)",
            ),
            ("case when a then 1 when b then 2 else 3 end = 1", "CASE WHEN a THEN 1 WHEN b THEN 2 ELSE 3 END = 1"),
            ("case a when 1 then 'x' end is null", "CASE a WHEN 1 THEN 'x' END IS NULL"),
            ("_header.h = 'x' and _key.a.b = 1 and _topic like 't%'", "_header.h = 'x' AND _key.a.b = 1 AND _topic LIKE 't%'"),
            ("a.9.b = `and` and `12` = 12", "a.`9`.b = `and` AND `12` = 12"),
            ("a-b = c", "a-b = c"),
            ("date = timestamp", "date = timestamp"),
        ] {
            assert_eq!(printed(written), meant, "{written}");
        }
    }

    #[test]
    fn clauses_go_on_behind_a_condition() {
        for (condition, rest) in
            [("a > 5", "LIMIT 5"), ("a = limit", "LIMIT 5"), ("limit = 5 AND ttl > batch", "BATCH = 5"), ("a IS NULL", "STOREAS JSON")]
        {
            let statement = with(&format!("WHERE {condition} {rest}"));
            assert_eq!(
                statement
                    .filter
                    .as_ref()
                    .map(|filter| filter.span.text(&format!("INSERT INTO t SELECT * FROM s WHERE {condition} {rest}")).to_owned())
                    .as_deref(),
                Some(condition)
            );
            assert!(statement.limit.is_some() || !statement.other.is_empty() || statement.store_as.is_some());
        }
        let statement =
            statement("INSERT INTO t SELECT a * limit AS x, CASE WHEN limit > 5 THEN ttl ELSE batch END AS y, * FROM from WHERE batch");
        assert_eq!(
            statement.to_string(),
            "INSERT INTO t SELECT a * `limit` AS x, CASE WHEN `limit` > 5 THEN `ttl` ELSE `batch` END AS y, * FROM `from` WHERE `batch`"
        );
    }

    #[test]
    fn mistakes_in_conditions() {
        for (condition, code) in [
            ("WHERE", "KP0126"),
            ("WHERE LIMIT 5", "KP0126"),
            ("WHERE a >", "KP0101"),
            ("WHERE a == 1", "KP0101"),
            ("WHERE a = 1 AND", "KP0101"),
            ("WHERE (a = 1", "KP0129"),
            ("WHERE a IN ()", "KP0101"),
            ("WHERE a IN (1,)", "KP0128"),
            ("WHERE a BETWEEN 1", "KP0101"),
            ("WHERE CASE WHEN a THEN 1", "KP0101"),
            ("WHERE CAST(a, int)", "KP0101"),
            ("WHERE a = 1 b", "KP0108"),
            ("WHERE a WHERE b", "KP0109"),
            ("WHERE a -5 = 1", "KP0101"),
            ("WHERE a = 1 && b", "KP0101"),
            ("WHERE !a", "KP0101"),
        ] {
            assert_eq!(codes_with(condition), [code], "{condition}");
        }
    }

    #[test]
    fn expressions_have_a_size() {
        let long = vec!["a"; 2_000].join(" + ");
        assert_eq!(codes_with(&format!("WHERE {long} > 1")), ["KP0147"]);
        let deep = format!("{}a{}", "(".repeat(200), ")".repeat(200));
        assert_eq!(codes_with(&format!("WHERE {deep}")), ["KP0145"]);
        let cases = format!("{}1{}", "CASE WHEN a THEN ".repeat(200), " END".repeat(200));
        assert_eq!(codes_with(&format!("WHERE {cases}")), ["KP0145"]);
        assert_eq!(codes_with(&format!("WHERE {} a", "NOT ".repeat(5_000))), ["KP0147"]);
    }
}
