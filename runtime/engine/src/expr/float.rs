//! Zero has two signs, and Arrow's order takes them for two numbers. Here they are made equal before numbers are compared.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType as ArrowType, Float32Type, Float64Type, Schema};
use datafusion_common::ScalarValue;
use datafusion_expr::Operator;
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::expressions::Literal as Constant;
use kpipe_compiler::plan::{Call, Expr, Literal};

use super::step::{Kernel, Operand, Problem, Step};

/// Operands that `operator` can compare. Only floating-point numbers change, and they cost nothing where a literal decides.
pub(super) fn comparable(call: &Call, operator: Operator, schema: &Schema, args: Vec<Arc<dyn PhysicalExpr>>) -> Vec<Arc<dyn PhysicalExpr>> {
    let literal = |expr: &Expr| match expr {
        Expr::Literal(Literal::Float64(text)) => text.parse::<f64>().ok(),
        _ => None,
    };
    let literals: Vec<Option<f64>> = call.args.iter().map(literal).collect();
    if let Some(zero) = zero(operator, &literals) {
        let constant = |(arg, literal): (_, &Option<f64>)| match literal {
            Some(_) => Arc::new(Constant::new(ScalarValue::Float64(Some(zero)))) as Arc<dyn PhysicalExpr>,
            None => arg,
        };
        return args.into_iter().zip(&literals).map(constant).collect();
    }
    // With one side that is a literal, and not zero, the sign of the other's zero does not matter.
    let others = literals.iter().filter(|literal| literal.is_none()).count();
    if others <= 1 && literals.iter().flatten().all(|number| *number != 0.0) {
        return args;
    }
    args.into_iter().zip(&call.args).map(|(arg, expr)| positive(call, schema, arg, expr)).collect()
}

/// The zero that an order compares with: below both zeros of the other side, or above them.
fn zero(operator: Operator, literals: &[Option<f64>]) -> Option<f64> {
    let (is_right, number) = match literals {
        [None, Some(number)] => (true, *number),
        [Some(number), None] => (false, *number),
        _ => return None,
    };
    let is_below = match operator {
        Operator::Lt | Operator::GtEq => is_right,
        Operator::Gt | Operator::LtEq => !is_right,
        _ => return None,
    };
    (number == 0.0).then_some(if is_below { -0.0 } else { 0.0 })
}

/// The operand with positive zeros.
fn positive(call: &Call, schema: &Schema, arg: Arc<dyn PhysicalExpr>, expr: &Expr) -> Arc<dyn PhysicalExpr> {
    if let Expr::Literal(Literal::Float64(text)) = expr {
        let is_zero = text.parse::<f64>().is_ok_and(|number| number == 0.0);
        return if is_zero { Arc::new(Constant::new(ScalarValue::Float64(Some(0.0)))) } else { arg };
    }
    match arg.data_type(schema) {
        Ok(data_type @ (ArrowType::Float32 | ArrowType::Float64)) => {
            Arc::new(Step::new(call.clone(), arg.to_string(), data_type, vec![arg], Arc::new(Positive)))
        }
        Ok(_) | Err(_) => arg,
    }
}

/// Adds zero: `-0.0` becomes `0.0`, and nothing else changes.
#[derive(Debug)]
struct Positive;

impl Kernel for Positive {
    fn run(&self, args: &[Operand], _rows: usize) -> Result<ArrayRef, Problem> {
        let [number] = args else { return Err(Problem::new("one number has a sign")) };
        Ok(match number.array.data_type() {
            ArrowType::Float64 => Arc::new(number.array.as_primitive::<Float64Type>().unary::<_, Float64Type>(|number| number + 0.0)),
            ArrowType::Float32 => Arc::new(number.array.as_primitive::<Float32Type>().unary::<_, Float32Type>(|number| number + 0.0)),
            _ => Arc::clone(&number.array),
        })
    }
}
