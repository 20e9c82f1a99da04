//! Expressions: each gets a type, and every conversion becomes explicit.

mod call;
mod error;
mod typed;

use kpipe_grammar::ast::Path;
use kpipe_grammar::expr::{BinaryOp, Expr as Written, Literal as Constant, UnaryOp};
use kpipe_grammar::span::Spanned;

pub(super) use error::ExprError;
pub(super) use typed::Typed;

use super::resolve::Purpose;
use super::row::Row;
use super::scope::Scope;
use super::select::reference;
use crate::plan::{DataType, Expr, Literal, Op, TimeUnit};
use crate::schema::{parse_type, type_text};
use crate::sources::Location;
use typed::{can_cast, common, date, is_number, is_text, number, product, sum, timestamp};

/// A condition: a boolean.
pub(super) fn condition(scope: &mut Scope<'_>, row: &mut Row, written: &Spanned<Written>, place: &'static str) -> Option<Expr> {
    let mut typer = Typer { scope, row };
    let typed = typer.any(written)?;
    typer.boolean(typed, place).map(|typed| typed.expr)
}

/// Any value.
pub(super) fn value(scope: &mut Scope<'_>, row: &mut Row, written: &Spanned<Written>) -> Option<Typed> {
    Typer { scope, row }.any(written)
}

/// Gives types to the expressions of one statement.
struct Typer<'t, 's> {
    scope: &'t mut Scope<'s>,
    row: &'t mut Row,
}

impl Typer<'_, '_> {
    fn any(&mut self, written: &Spanned<Written>) -> Option<Typed> {
        let made = |expr, data_type, nullable| (expr, data_type, nullable);
        let (expr, data_type, nullable) = match &written.node {
            Written::Column(path) => self.column(path, self.scope.at(written.span))?,
            Written::Literal(constant) => self.constant(constant, self.scope.at(written.span))?,
            Written::Unary { op: UnaryOp::Not, operand } => {
                let operand = self.any(operand)?;
                let operand = self.boolean(operand, "NOT")?;
                let nullable = operand.nullable;
                made(Expr::call(Op::Not, vec![operand.expr], &DataType::Boolean, nullable), DataType::Boolean, nullable)
            }
            Written::Unary { op: UnaryOp::Negate, operand } => {
                let operand = self.any(operand)?;
                let operand = self.number(operand, "`-`")?;
                let (data_type, nullable) = (operand.data_type, operand.nullable);
                made(Expr::call(Op::Negate, vec![operand.expr], &data_type, nullable), data_type, nullable)
            }
            Written::Binary { op, left, right } => {
                let (left, right) = (self.any(left), self.any(right));
                self.binary(*op, left?, right?)?
            }
            Written::IsNull { operand, negated } => {
                let operand = self.any(operand)?;
                let op = if *negated { Op::IsNotNull } else { Op::IsNull };
                made(Expr::call(op, vec![operand.expr], &DataType::Boolean, false), DataType::Boolean, false)
            }
            Written::In { operand, list, negated } => {
                let expr = self.in_list(operand, list)?;
                let nullable = is_nullable(&expr);
                made(negate(expr, *negated), DataType::Boolean, nullable)
            }
            Written::Between { operand, low, high, negated } => {
                let expr = self.between(operand, low, high)?;
                let nullable = is_nullable(&expr);
                made(negate(expr, *negated), DataType::Boolean, nullable)
            }
            Written::Like { operand, pattern, escape, negated } => {
                let (operand, pattern) = (self.any(operand), self.any(pattern));
                let (operand, pattern) = (self.text(operand?, "LIKE")?, self.text(pattern?, "LIKE")?);
                let escape = match escape {
                    Some(escape) => Some(self.escape(escape)?),
                    None => None,
                };
                let nullable = operand.nullable || pattern.nullable;
                let like = Expr::call(Op::Like { escape }, vec![operand.expr, pattern.expr], &DataType::Boolean, nullable);
                made(negate(like, *negated), DataType::Boolean, nullable)
            }
            Written::Case { operand, branches, otherwise } => self.case(operand.as_deref(), branches, otherwise.as_deref())?,
            Written::Cast { operand, data_type, is_try } => self.cast(operand, data_type, *is_try)?,
            Written::Call { name, args } => self.call(name, args)?,
        };
        Some(self.typed(written, expr, data_type, nullable))
    }

    fn typed(&self, written: &Spanned<Written>, expr: Expr, data_type: DataType, nullable: bool) -> Typed {
        Typed { expr, data_type, nullable, at: self.scope.at(written.span), text: written.node.to_string() }
    }

    /// A field as what it is; where no schema says so, its text.
    fn column(&mut self, path: &Path, at: Location) -> Option<Made> {
        let path = reference(self.scope, path, at);
        let found = self.scope.resolve(self.row, &path, Purpose::Operand)?;
        // Keys, headers and values come as bytes.
        let is_raw = matches!(found.expr, Expr::Key | Expr::Header(_) | Expr::Value) && found.data_type != DataType::Bytes;
        if is_raw {
            let text = Expr::call(Op::Cast { is_try: false }, vec![found.expr], &DataType::String, found.nullable);
            return Some((text, DataType::String, found.nullable));
        }
        Some((found.expr, found.data_type, found.nullable))
    }

    fn constant(&mut self, constant: &Constant, at: Location) -> Option<Made> {
        let bad = |typer: &mut Self, what: String, help| {
            typer.scope.error(ExprError::Literal { what, help }, [(at, "here".to_owned())]);
            None
        };
        let (literal, data_type) = match constant {
            Constant::Null => return Some((Expr::Literal(Literal::Null(DataType::String)), DataType::String, true)),
            Constant::Boolean(value) => (Literal::Boolean(*value), DataType::Boolean),
            Constant::Text(text) => (Literal::String(text.clone()), DataType::String),
            Constant::Number(text) => match number(text) {
                Some(number) => number,
                None => {
                    let what = format!("the number {text} is too large");
                    return bad(self, what, "whole numbers have 64 bits, decimals 38 digits; with an exponent it is a double: 1e20");
                }
            },
            Constant::Timestamp(text) => match timestamp(text) {
                Some(micros) => (Literal::Timestamp(micros), DataType::Timestamp(TimeUnit::Microsecond)),
                None => {
                    let what = format!("`{}` is no time", text.escape_debug());
                    return bad(self, what, "as RFC 3339 writes it: TIMESTAMP '2026-01-31T12:00:00Z'");
                }
            },
            Constant::Date(text) => match date(text) {
                Some(days) => (Literal::Date(days), DataType::Date),
                None => return bad(self, format!("`{}` is no date", text.escape_debug()), "write DATE '2026-01-31'"),
            },
        };
        Some((Expr::Literal(literal), data_type, false))
    }

    fn binary(&mut self, op: BinaryOp, left: Typed, right: Typed) -> Option<Made> {
        match op {
            BinaryOp::And => self.logic(Op::And, "AND", left, right),
            BinaryOp::Or => self.logic(Op::Or, "OR", left, right),
            BinaryOp::Equal => self.compared(Op::Equal, "`=`", left, right),
            BinaryOp::NotEqual => self.compared(Op::NotEqual, "`<>`", left, right),
            BinaryOp::Less => self.compared(Op::Less, "`<`", left, right),
            BinaryOp::LessOrEqual => self.compared(Op::LessOrEqual, "`<=`", left, right),
            BinaryOp::Greater => self.compared(Op::Greater, "`>`", left, right),
            BinaryOp::GreaterOrEqual => self.compared(Op::GreaterOrEqual, "`>=`", left, right),
            BinaryOp::Concat => {
                let (left, right) = (self.as_text(left, "`||`"), self.as_text(right, "`||`"));
                Some(of_two(Op::Concat, left?, right?, DataType::String))
            }
            BinaryOp::Add => self.summed(Op::Add, "`+`", left, right),
            BinaryOp::Subtract => self.summed(Op::Subtract, "`-`", left, right),
            BinaryOp::Multiply => self.multiplied(left, right),
            BinaryOp::Divide => {
                // As in SQL engines that keep the fraction: 1 / 2 is 0.5.
                let (left, right, _) = self.numbers("`/`", left, right)?;
                let (left, right) = (self.convert(left, &DataType::Float64)?, self.convert(right, &DataType::Float64)?);
                Some(of_two(Op::Divide, left, right, DataType::Float64))
            }
            BinaryOp::Modulo => {
                let (left, right, both) = self.numbers("`%`", left, right)?;
                let (left, right) = (self.convert(left, &both)?, self.convert(right, &both)?);
                Some(of_two(Op::Modulo, left, right, both))
            }
        }
    }

    fn logic(&mut self, op: Op, place: &'static str, left: Typed, right: Typed) -> Option<Made> {
        let (left, right) = (self.boolean(left, place), self.boolean(right, place));
        Some(of_two(op, left?, right?, DataType::Boolean))
    }

    fn compared(&mut self, op: Op, sign: &str, left: Typed, right: Typed) -> Option<Made> {
        let [left, right] = self.alike(sign, left, right)?;
        Some(of_two(op, left, right, DataType::Boolean))
    }

    /// Two numbers, and the type that both have or can take.
    fn numbers(&mut self, sign: &str, left: Typed, right: Typed) -> Option<(Typed, Typed, DataType)> {
        let (left, right) = (self.number(left, sign), self.number(right, sign));
        let (left, right) = (left?, right?);
        let Some(both) = common(&left, &right) else {
            self.two_types(sign, &left, &right);
            return None;
        };
        Some((left, right, both))
    }

    fn summed(&mut self, op: Op, sign: &str, left: Typed, right: Typed) -> Option<Made> {
        let (left, right, both) = self.numbers(sign, left, right)?;
        let (left, right) = (self.convert(left, &both)?, self.convert(right, &both)?);
        Some(of_two(op, left, right, sum(both)))
    }

    /// Decimals keep their own scales, which add up; where that is more than there are digits, they become doubles.
    fn multiplied(&mut self, left: Typed, right: Typed) -> Option<Made> {
        let (left, right, both) = self.numbers("`*`", left, right)?;
        let scaled = [whole_as_decimal(&left), whole_as_decimal(&right)];
        let (types, data_type) = match (&both, product(&scaled[0], &scaled[1])) {
            (DataType::Decimal { .. }, Some(product)) => ([&scaled[0], &scaled[1]], product),
            (DataType::Decimal { .. }, None) => ([&DataType::Float64; 2], DataType::Float64),
            _ => ([&both; 2], both.clone()),
        };
        let (left, right) = (self.convert(left, types[0])?, self.convert(right, types[1])?);
        Some(of_two(Op::Multiply, left, right, data_type))
    }

    /// The same value as this type. A constant that the type does not hold is said.
    fn convert(&mut self, typed: Typed, data_type: &DataType) -> Option<Typed> {
        match typed.to(data_type) {
            Ok(typed) => Some(typed),
            Err(typed) => {
                let what = format!("`{}` is no value of {}, the type that is computed with here", typed.text, type_text(data_type));
                let help = "convert the other side to a type that holds both, as CAST(a AS DOUBLE)";
                self.scope.error(ExprError::Literal { what, help }, [(typed.at, type_text(&typed.data_type))]);
                None
            }
        }
    }

    fn in_list(&mut self, operand: &Spanned<Written>, list: &[Spanned<Written>]) -> Option<Expr> {
        let mut operand = self.any(operand)?;
        let items: Option<Vec<Typed>> = list.iter().map(|item| self.any(item)).collect();
        let mut items = items?;
        let mut widest: Option<DataType> = None;
        for item in &items {
            let Some(found) = common(&operand, item) else {
                self.two_types("IN", &operand, item);
                return None;
            };
            widest = Some(widest.and_then(|widest| typed::common_type(&widest, &found)).unwrap_or(found));
        }
        let both = widest?;
        // What the list made of it, all take.
        let nullable = operand.nullable || items.iter().any(|item| item.nullable);
        items.insert(0, operand.clone());
        let mut args = Vec::new();
        for item in items {
            if !item.fits(&both) {
                self.two_types("IN", &operand, &item);
                return None;
            }
            args.push(self.convert(item, &both)?.expr);
        }
        operand.nullable = nullable;
        Some(Expr::call(Op::In, args, &DataType::Boolean, nullable))
    }

    fn between(&mut self, operand: &Spanned<Written>, low: &Spanned<Written>, high: &Spanned<Written>) -> Option<Expr> {
        let (operand, low, high) = (self.any(operand), self.any(low), self.any(high));
        let (operand, low, high) = (operand?, low?, high?);
        let nullable = operand.nullable || low.nullable || high.nullable;
        let mut half = |op: Op, bound: Typed| {
            let [left, right] = self.alike("BETWEEN", operand.clone(), bound)?;
            Some(Expr::call(op, vec![left.expr, right.expr], &DataType::Boolean, nullable))
        };
        let (low, high) = (half(Op::GreaterOrEqual, low), half(Op::LessOrEqual, high));
        Some(Expr::call(Op::And, vec![low?, high?], &DataType::Boolean, nullable))
    }

    fn cast(&mut self, operand: &Spanned<Written>, written: &Spanned<String>, is_try: bool) -> Option<Made> {
        let operand = self.any(operand);
        let at = self.scope.at(written.span);
        let data_type = match parse_type(&written.node.to_lowercase()) {
            Ok((data_type, _)) => data_type,
            Err(error) => {
                let help = error.kind.help().unwrap_or_else(|| "as in a schema: `decimal(12,2)`".to_owned());
                self.scope.error(ExprError::Type { kind: error.kind.to_string(), help }, [(at, "this type".to_owned())]);
                return None;
            }
        };
        let operand = operand?;
        if !operand.is_null() && !can_cast(&operand.data_type, &data_type) {
            let (from, to) = (type_text(&operand.data_type), type_text(&data_type));
            self.scope.error(ExprError::NoCast { from: from.clone(), to }, [(at, "asked for here".to_owned()), (operand.at, from)]);
            return None;
        }
        let nullable = operand.nullable || is_try;
        let expr = Expr::call(Op::Cast { is_try }, vec![operand.expr], &data_type, nullable);
        Some((expr, data_type, nullable))
    }

    fn escape(&mut self, escape: &Spanned<String>) -> Option<char> {
        let mut chars = escape.node.chars();
        if let (Some(only), None) = (chars.next(), chars.next()) {
            return Some(only);
        }
        let what = "ESCAPE takes one character".to_owned();
        let at = self.scope.at(escape.span);
        self.scope.error(ExprError::Literal { what, help: "for example: LIKE '10!%' ESCAPE '!'" }, [(at, "here".to_owned())]);
        None
    }

    /// Two values as one type.
    fn alike(&mut self, op: &str, left: Typed, right: Typed) -> Option<[Typed; 2]> {
        let Some(both) = common(&left, &right) else {
            self.two_types(op, &left, &right);
            return None;
        };
        if !left.fits(&both) || !right.fits(&both) {
            self.two_types(op, &left, &right);
            return None;
        }
        Some([self.convert(left, &both)?, self.convert(right, &both)?])
    }

    fn two_types(&mut self, op: &str, left: &Typed, right: &Typed) {
        let shown = |typed: &Typed| shown_type(&typed.data_type).to_owned();
        let (left_type, right_type) = (shown(left), shown(right));
        // The side that no constant stands on is the one to convert, a text rather than a number.
        let (from, to) = if is_text(&left.data_type) && !left.is_constant() { (left, right) } else { (right, left) };
        let help = format!("convert one of them: CAST({} AS {})", from.text, type_text(&to.data_type).to_uppercase());
        let mut labels = vec![(left.at, left_type.clone()), (right.at, right_type.clone())];
        labels.extend(self.scope.declared_at());
        let (left, right) = (left.text.as_str().to_owned(), right.text.as_str().to_owned());
        self.scope.error(ExprError::TwoTypes { op: op.to_owned(), left, left_type, right, right_type, help }, labels);
    }

    fn boolean(&mut self, typed: Typed, place: &'static str) -> Option<Typed> {
        if typed.data_type == DataType::Boolean {
            return Some(typed);
        }
        if typed.is_null() {
            return self.convert(typed, &DataType::Boolean);
        }
        let data_type = shown_type(&typed.data_type);
        let mut labels = vec![(typed.at, data_type.clone())];
        labels.extend(self.scope.declared_at());
        self.scope.error(ExprError::NotACondition { place, text: typed.text, data_type }, labels);
        None
    }

    fn number(&mut self, typed: Typed, op: &str) -> Option<Typed> {
        if is_number(&typed.data_type) {
            return Some(typed);
        }
        if typed.is_null() {
            return self.convert(typed, &DataType::Int64);
        }
        let help = format!("convert it: CAST({} AS DOUBLE)", typed.text);
        self.wrong_operand(typed, op, "a number", help)
    }

    fn text(&mut self, typed: Typed, op: &str) -> Option<Typed> {
        if is_text(&typed.data_type) {
            return self.convert(typed, &DataType::String);
        }
        let help = format!("convert it: CAST({} AS STRING)", typed.text);
        self.wrong_operand(typed, op, "a text", help)
    }

    /// Anything single as text.
    fn as_text(&mut self, typed: Typed, op: &str) -> Option<Typed> {
        let can = can_cast(&typed.data_type, &DataType::String) && typed.data_type != DataType::Bytes;
        match typed.expr {
            _ if typed.data_type == DataType::String => Some(typed),
            _ if can => {
                let (data_type, nullable) = (DataType::String, typed.nullable);
                let expr = Expr::call(Op::Cast { is_try: false }, vec![typed.expr], &data_type, nullable);
                Some(Typed { expr, data_type, ..typed })
            }
            _ => {
                let help = "take one of its fields, or convert it with CAST".to_owned();
                self.wrong_operand(typed, op, "a single value", help)
            }
        }
    }

    fn wrong_operand(&mut self, typed: Typed, op: &str, needed: &'static str, help: String) -> Option<Typed> {
        let data_type = shown_type(&typed.data_type);
        let mut labels = vec![(typed.at, data_type.clone())];
        labels.extend(self.scope.declared_at());
        self.scope.error(ExprError::WrongOperand { op: op.to_owned(), needed, text: typed.text, data_type, help }, labels);
        None
    }
}

/// An expression, its type, and whether it may be null.
type Made = (Expr, DataType, bool);

/// An operation on two values: null if one of them is.
fn of_two(op: Op, left: Typed, right: Typed, data_type: DataType) -> Made {
    let nullable = left.nullable || right.nullable;
    (Expr::call(op, vec![left.expr, right.expr], &data_type, nullable), data_type, nullable)
}

/// A type as messages show it.
fn shown_type(data_type: &DataType) -> String {
    if *data_type == DataType::Any { "of no declared type".to_owned() } else { type_text(data_type) }
}

fn whole_as_decimal(typed: &Typed) -> DataType {
    match typed.data_type {
        DataType::Int32 => DataType::Decimal { precision: 10, scale: 0 },
        DataType::Int64 => DataType::Decimal { precision: 19, scale: 0 },
        ref data_type => data_type.clone(),
    }
}

fn is_nullable(expr: &Expr) -> bool {
    match expr {
        Expr::Call(call) => call.nullable,
        _ => true,
    }
}

fn negate(expr: Expr, negated: bool) -> Expr {
    let nullable = is_nullable(&expr);
    if negated { Expr::call(Op::Not, vec![expr], &DataType::Boolean, nullable) } else { expr }
}
