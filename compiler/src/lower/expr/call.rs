//! Functions and CASE.

use kpipe_grammar::expr::{Branch, Expr as Written};
use kpipe_grammar::span::Spanned;

use super::error::ExprError;
use super::typed::{Typed, common, common_type};
use super::{Made, Typer, is_number};
use crate::functions::{self, FUNCTIONS, Function, Nulls, Param};
use crate::near::{near, one_of};
use crate::plan::{DataType, Expr, Literal, Op, TimeUnit};

impl Typer<'_, '_> {
    pub(super) fn case(
        &mut self,
        operand: Option<&Spanned<Written>>,
        branches: &[Branch],
        otherwise: Option<&Spanned<Written>>,
    ) -> Option<Made> {
        let operand = match operand {
            Some(operand) => Some(self.any(operand)?),
            None => None,
        };
        let (mut conditions, mut results) = (Vec::new(), Vec::new());
        for Branch { condition, result } in branches {
            let found = self.any(condition)?;
            conditions.push(match &operand {
                None => self.boolean(found, "WHEN")?.expr,
                Some(operand) => {
                    let nullable = operand.nullable || found.nullable;
                    let both = self.alike("CASE", operand.clone(), found)?;
                    Expr::call(Op::Equal, both.map(|side| side.expr).to_vec(), &DataType::Boolean, nullable)
                }
            });
            results.push(self.any(result)?);
        }
        if let Some(otherwise) = otherwise {
            results.push(self.any(otherwise)?);
        }
        let mut results = self.same("CASE", results)?;
        let data_type = results.first()?.data_type.clone();
        let nullable = otherwise.is_none() || results.iter().any(|result| result.nullable);
        let last = match otherwise {
            Some(_) => results.pop()?.expr,
            None => Expr::Literal(Literal::Null(data_type.clone())),
        };
        let pairs = conditions.into_iter().zip(results).flat_map(|(condition, result)| [condition, result.expr]);
        let args: Vec<Expr> = pairs.chain([last]).collect();
        Some((Expr::call(Op::Case, args, &data_type, nullable), data_type, nullable))
    }

    /// All as one type.
    fn same(&mut self, op: &str, values: Vec<Typed>) -> Option<Vec<Typed>> {
        let first = values.iter().find(|value| !value.is_null()).or(values.first())?.clone();
        let mut both = first.data_type.clone();
        for value in &values {
            let Some(found) = common(&first, value).and_then(|found| common_type(&both, &found)) else {
                self.two_types(op, &first, value);
                return None;
            };
            both = found;
        }
        let mut converted = Vec::new();
        for value in values {
            if !value.fits(&both) {
                self.two_types(op, &first, &value);
                return None;
            }
            converted.push(self.convert(value, &both)?);
        }
        Some(converted)
    }

    pub(super) fn call(&mut self, name: &Spanned<String>, args: &[Spanned<Written>]) -> Option<Made> {
        let at = self.scope.at(name.span);
        let Some(function) = functions::find(&name.node) else {
            let found = near(&name.node, FUNCTIONS.iter().map(|function| function.name).chain(CALLED));
            let label = match found[..] {
                [] => "no such function".to_owned(),
                _ => format!("did you mean {}?", one_of(found.iter().copied())),
            };
            let edits: Vec<_> = found.iter().map(|near| (at, name.node.clone(), (*near).to_owned())).collect();
            self.scope.error_with_choices(ExprError::UnknownFunction { name: name.node.clone() }, vec![(at, label)], edits);
            return None;
        };
        let (least, most) = (function.params.len() - function.optional, function.params.len());
        if args.len() < least || args.len() > most && !function.variadic {
            let (expected, signature) = (count(least, most, function.variadic), function.signature());
            let error = ExprError::ArgumentCount { name: function.name, expected, found: args.len(), signature };
            self.scope.error(error, [(at, "this function".to_owned())]);
            return None;
        }
        let last = function.params.last().copied()?;
        let mut values = Vec::new();
        for (index, arg) in args.iter().enumerate() {
            let param = function.params.get(index).copied().unwrap_or(last);
            let value = self.any(arg)?;
            values.push(self.argument(function, param, value)?);
        }
        let is_same = |index: usize| function.params.get(index).copied().unwrap_or(last) == Param::Same;
        if is_same(0) {
            values = self.same(&format!("`{}`", function.name), values)?;
        }
        let nullable = match function.nulls {
            Nulls::IfAny => values.iter().any(|value| value.nullable),
            Nulls::IfAll => values.iter().all(|value| value.nullable),
            Nulls::Sometimes => true,
        };
        let given = values.first().map_or(DataType::String, |value| value.data_type.clone());
        let data_type = function.returns.data_type(&given);
        let args = values.into_iter().map(|value| value.expr).collect();
        Some((Expr::call(Op::Function(function.name.to_owned()), args, &data_type, nullable), data_type, nullable))
    }

    fn argument(&mut self, function: &'static Function, param: Param, value: Typed) -> Option<Typed> {
        let op = format!("`{}`", function.name);
        let convert = |typer: &mut Self, value: Typed, data_type: DataType| match value.fits(&data_type) {
            true => typer.convert(value, &data_type),
            false => typer.wrong_operand(value, &op, "a whole number", "write it without a fraction".to_owned()),
        };
        match param {
            Param::Text => self.as_text_argument(value, &op),
            Param::Written(_) | Param::Word(_) => self.written_out(function, param, value),
            Param::Same => match value.data_type {
                DataType::Any | DataType::Json => self.convert(value, &DataType::String),
                DataType::Struct(_) | DataType::List(_) => {
                    self.wrong_operand(value, &op, "a single value", "take one of its fields".to_owned())
                }
                _ => Some(value),
            },
            Param::Number | Param::Integer | Param::Double => {
                let value = self.number(value, &op)?;
                match param {
                    Param::Number => Some(value),
                    Param::Integer if matches!(value.data_type, DataType::Int32 | DataType::Int64) => convert(self, value, DataType::Int64),
                    Param::Integer => {
                        let help = format!("convert it: CAST({} AS BIGINT)", value.text);
                        self.wrong_operand(value, &op, "a whole number", help)
                    }
                    _ => convert(self, value, DataType::Float64),
                }
            }
            Param::Timestamp => {
                let is_time = matches!(value.data_type, DataType::Timestamp(_) | DataType::Date) || value.is_null();
                if is_time || value.is_constant() {
                    let to = DataType::Timestamp(TimeUnit::Microsecond);
                    if value.fits(&to) {
                        return self.convert(value, &to);
                    }
                }
                let help = match is_number(&value.data_type) {
                    true => format!("make a time of it: to_timestamp_millis({})", value.text),
                    false => format!("make a time of it: CAST({} AS TIMESTAMP)", value.text),
                };
                self.wrong_operand(value, &op, "a timestamp", help)
            }
        }
    }

    fn as_text_argument(&mut self, value: Typed, op: &str) -> Option<Typed> {
        if value.is_null() { Some(value) } else { self.text(value, op) }
    }

    fn written_out(&mut self, function: &'static Function, param: Param, value: Typed) -> Option<Typed> {
        let written = match &value.expr {
            Expr::Literal(Literal::String(text)) => Some(text.as_str()),
            _ => None,
        };
        let expected = match (param, written) {
            (Param::Word(words), text) => match text.map(str::to_lowercase).filter(|text| words.contains(&text.as_str())) {
                Some(text) => return Some(Typed { expr: Expr::Literal(Literal::String(text)), ..value }),
                None => one_of(words.iter().copied()),
            },
            (Param::Written(kind), Some(text)) => match kind.check(text) {
                Ok(()) => return Some(value),
                Err((what, help)) => {
                    self.scope.error(ExprError::Literal { what, help }, [(value.at, "in this text".to_owned())]);
                    return None;
                }
            },
            (_, _) => "a text".to_owned(),
        };
        let error = ExprError::NotWrittenOut { name: function.name, expected, signature: function.signature() };
        self.scope.error(error, [(value.at, "this is not".to_owned())]);
        None
    }
}

/// Keywords that stand before a parenthesis, as functions do.
const CALLED: [&str; 4] = ["NOT", "AND", "OR", "IN"];

/// `2 values`, `2 or 3 values`, `1 value or more`.
fn count(least: usize, most: usize, variadic: bool) -> String {
    let values = |count: usize| if count == 1 { "value" } else { "values" };
    match () {
        () if variadic => format!("{least} {} or more", values(least)),
        () if least == most => format!("{least} {}", values(least)),
        () => format!("{least} to {most} values"),
    }
}
