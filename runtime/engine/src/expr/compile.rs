//! A plan's expression as one of DataFusion's.

use std::sync::Arc;

use arrow::datatypes::{DataType as ArrowType, Field, Schema, SchemaRef};
use datafusion_common::{DataFusionError, ScalarValue};
use datafusion_expr::Operator;
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::expressions::{
    BinaryExpr, CaseExpr, Column, IsNotNullExpr, IsNullExpr, Literal as Constant, NotExpr, in_list,
};
use kpipe_compiler::plan::wording::expr_text;
use kpipe_compiler::plan::{Call, DataType, Decode, Expr, Literal, Op};

use super::arithmetic::{Arithmetic, Operation};
use super::cast::Cast;
use super::compare::Compare;
use super::guarded::Guarded;
use super::leaf::{columns_of, type_of};
use super::like::Like;
use super::step::{Kernel, Step};
use super::{float, functions};
use crate::columns::{UTC, arrow_type};

/// An expression that the engine cannot compute: the plan does not fit itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}: {why}")]
pub(crate) struct Misfit {
    /// The expression.
    pub(crate) text: String,
    /// What is wrong with it.
    pub(crate) why: String,
}

/// Makes the expressions of a stage. They share the columns that they read.
pub(super) struct Compiler<'a> {
    decode: &'a Decode,
    names: Vec<String>,
    leaves: Vec<Expr>,
    schema: SchemaRef,
}

/// An expression and whether a row can fail in it.
struct Built {
    node: Arc<dyn PhysicalExpr>,
    can_fail: bool,
}

impl<'a> Compiler<'a> {
    /// A compiler for these expressions: the columns are those that any of them reads.
    pub(super) fn new<'e>(exprs: impl IntoIterator<Item = &'e Expr>, decode: &'a Decode) -> Result<Self, Misfit> {
        let names = columns_of(decode);
        let mut leaves: Vec<Expr> = Vec::new();
        let mut visit = |expr: &Expr| {
            if !matches!(expr, Expr::Literal(_) | Expr::Call(_)) && !leaves.contains(expr) {
                leaves.push(expr.clone());
            }
        };
        exprs.into_iter().for_each(|expr| expr.walk(&mut visit));
        let field = |leaf: &Expr| {
            let text = expr_text(leaf, &names);
            let Some(data_type) = type_of(leaf, decode) else {
                return Err(Misfit { text, why: "no such decoded column".to_owned() });
            };
            Ok(Field::new(text, arrow_type(&data_type), true))
        };
        let fields = leaves.iter().map(field).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { decode, names, leaves, schema: Arc::new(Schema::new(fields)) })
    }

    /// The columns, in the order of the schema.
    pub(super) fn into_leaves(self) -> (Vec<Expr>, SchemaRef) {
        (self.leaves, self.schema)
    }

    /// An expression as KCQL writes it.
    pub(super) fn text(&self, expr: &Expr) -> String {
        expr_text(expr, &self.names)
    }

    /// The expression and the type that it was checked to give.
    pub(super) fn compile(&self, expr: &Expr) -> Result<(Arc<dyn PhysicalExpr>, ArrowType), Misfit> {
        let node = self.build(expr)?.node;
        let wanted = arrow_type(&self.data_type(expr)?);
        let found = node.data_type(&self.schema).map_err(|error| self.misfit(expr, error.strip_backtrace()))?;
        if found == wanted { Ok((node, wanted)) } else { Err(self.misfit(expr, format!("gives {found}, not {wanted}"))) }
    }

    fn data_type(&self, expr: &Expr) -> Result<DataType, Misfit> {
        type_of(expr, self.decode).ok_or_else(|| self.misfit(expr, "no such decoded column"))
    }

    fn misfit(&self, expr: &Expr, why: impl Into<String>) -> Misfit {
        Misfit { text: self.text(expr), why: why.into() }
    }

    fn build(&self, expr: &Expr) -> Result<Built, Misfit> {
        match expr {
            Expr::Literal(literal) => {
                let value = constant(literal).ok_or_else(|| self.misfit(expr, "no such number"))?;
                Ok(Built { node: Arc::new(Constant::new(value)), can_fail: false })
            }
            Expr::Call(call) => self.call(expr, call),
            leaf => {
                let index = self.leaves.iter().position(|known| known == leaf);
                let index = index.ok_or_else(|| self.misfit(expr, "not among the columns"))?;
                Ok(Built { node: Arc::new(Column::new(self.schema.field(index).name(), index)), can_fail: false })
            }
        }
    }

    fn call(&self, expr: &Expr, call: &Call) -> Result<Built, Misfit> {
        let built = call.args.iter().map(|arg| self.build(arg)).collect::<Result<Vec<_>, _>>()?;
        let can_fail = built.iter().any(|arg| arg.can_fail);
        let right_can_fail = built.last().is_some_and(|arg| arg.can_fail);
        let args: Vec<Arc<dyn PhysicalExpr>> = built.into_iter().map(|arg| arg.node).collect();
        self.check_operands(expr, call)?;
        let plain = |node: Result<Arc<dyn PhysicalExpr>, DataFusionError>| match node {
            Ok(node) => Ok(Built { node, can_fail }),
            Err(error) => Err(self.misfit(expr, error.strip_backtrace())),
        };
        if let Some(compare) = Compare::of(&call.op) {
            let sides = self.pair(expr, float::comparable(call, compare.operator(), &self.schema, args))?;
            return plain(Ok(self.step(expr, call, Arc::new(compare), sides.into())));
        }
        match &call.op {
            Op::Not => plain(Ok(Arc::new(NotExpr::new(self.one(expr, args)?)))),
            Op::IsNull => plain(Ok(Arc::new(IsNullExpr::new(self.one(expr, args)?)))),
            Op::IsNotNull => plain(Ok(Arc::new(IsNotNullExpr::new(self.one(expr, args)?)))),
            Op::And | Op::Or => {
                let is_and = call.op == Op::And;
                let [left, right] = self.pair(expr, args)?;
                if right_can_fail {
                    return plain(Ok(Arc::new(Guarded::new(left, right, is_and))));
                }
                let operator = if is_and { Operator::And } else { Operator::Or };
                plain(Ok(Arc::new(BinaryExpr::new(left, operator, right))))
            }
            Op::In => {
                let mut args = float::comparable(call, Operator::Eq, &self.schema, args);
                let value = args.remove(0);
                if call.args[1..].iter().all(|arg| matches!(arg, Expr::Literal(_))) {
                    return plain(in_list(value, args, &false, &self.schema));
                }
                plain(Ok(any_of(&value, args, can_fail)))
            }
            Op::Case => plain(case(args)),
            Op::Function(name) => self.function(expr, call, name, args),
            op => {
                let kernel = self.kernel(expr, call, op)?;
                Ok(Built { node: self.step(expr, call, kernel, args), can_fail: true })
            }
        }
    }

    /// The operations that have kernels of their own.
    fn kernel(&self, expr: &Expr, call: &Call, op: &Op) -> Result<Arc<dyn Kernel>, Misfit> {
        if let Some(operation) = Operation::of(op) {
            return Ok(Arc::new(Arithmetic::new(operation, call.data_type.clone())));
        }
        match op {
            Op::Concat => Ok(Arc::new(functions::Join)),
            Op::Like { escape } => Ok(Arc::new(Like { escape: *escape })),
            Op::Cast { is_try } => {
                let from = self.data_type(&call.args[0])?;
                let cast = Cast::new(&from, &call.data_type, *is_try).ok_or_else(|| self.misfit(expr, "no such conversion"))?;
                Ok(Arc::new(cast))
            }
            op => Err(self.misfit(expr, format!("{op:?} is no operation of its own"))),
        }
    }

    fn function(&self, expr: &Expr, call: &Call, name: &str, args: Vec<Arc<dyn PhysicalExpr>>) -> Result<Built, Misfit> {
        let built = match name {
            // Only what is needed of the operands is computed.
            "coalesce" => coalesce(args),
            "nullif" => {
                let first = args.first().map(Arc::clone);
                let [left, right] = self.pair(expr, float::comparable(call, Operator::Eq, &self.schema, args))?;
                let same = BinaryExpr::new(left, Operator::Eq, right);
                let null = ScalarValue::try_from(&arrow_type(&call.data_type)).map(|null| Arc::new(Constant::new(null)) as _);
                null.and_then(|null| case([Some(Arc::new(same) as _), Some(null), first].into_iter().flatten().collect()))
            }
            _ => {
                let types = call.args.iter().map(|arg| self.data_type(arg)).collect::<Result<Vec<_>, _>>()?;
                let kernel = functions::kernel(name, call, &types).map_err(|why| self.misfit(expr, why))?;
                Ok(self.step(expr, call, kernel, args))
            }
        };
        match built {
            Ok(node) => Ok(Built { node, can_fail: true }),
            Err(error) => Err(self.misfit(expr, error.strip_backtrace())),
        }
    }

    fn step(&self, expr: &Expr, call: &Call, kernel: Arc<dyn Kernel>, args: Vec<Arc<dyn PhysicalExpr>>) -> Arc<dyn PhysicalExpr> {
        Arc::new(Step::new(call.clone(), self.text(expr), arrow_type(&call.data_type), args, kernel))
    }

    /// How many operands an operator has, and that they fit each other.
    fn check_operands(&self, expr: &Expr, call: &Call) -> Result<(), Misfit> {
        let types = call.args.iter().map(|arg| self.data_type(arg).map(|it| arrow_type(&it))).collect::<Result<Vec<_>, _>>()?;
        let all = |wanted: ArrowType| types.iter().all(|it| *it == wanted);
        let alike = types.windows(2).all(|pair| pair[0] == pair[1]);
        let fits = match &call.op {
            Op::Not => types == [ArrowType::Boolean],
            Op::And | Op::Or => types.len() == 2 && all(ArrowType::Boolean),
            Op::IsNull | Op::IsNotNull | Op::Negate | Op::Cast { .. } => types.len() == 1,
            Op::Equal | Op::NotEqual | Op::Less | Op::LessOrEqual | Op::Greater | Op::GreaterOrEqual => {
                types.len() == 2 && alike && types.iter().all(|it| !it.is_nested())
            }
            Op::In => types.len() >= 2 && alike,
            Op::Like { .. } | Op::Concat => types.len() == 2 && all(ArrowType::Utf8),
            Op::Add | Op::Subtract | Op::Multiply | Op::Divide | Op::Modulo => {
                let is_decimal = types.iter().all(|it| matches!(it, ArrowType::Decimal128(..)));
                types.len() == 2 && (is_decimal || all(arrow_type(&call.data_type)))
            }
            Op::Case => types.len() >= 3 && types.len() % 2 == 1,
            Op::Function(_) => true,
        };
        if fits { Ok(()) } else { Err(self.misfit(expr, format!("operands of {types:?}"))) }
    }

    fn one(&self, expr: &Expr, args: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>, Misfit> {
        let [arg] = <[_; 1]>::try_from(args).map_err(|args| self.misfit(expr, format!("{} operands", args.len())))?;
        Ok(arg)
    }

    fn pair(&self, expr: &Expr, args: Vec<Arc<dyn PhysicalExpr>>) -> Result<[Arc<dyn PhysicalExpr>; 2], Misfit> {
        <[_; 2]>::try_from(args).map_err(|args| self.misfit(expr, format!("{} operands", args.len())))
    }
}

/// Equal to one of them. DataFusion's list of what is no literal gives null where it should not, if rows beside are null.
fn any_of(value: &Arc<dyn PhysicalExpr>, list: Vec<Arc<dyn PhysicalExpr>>, can_fail: bool) -> Arc<dyn PhysicalExpr> {
    let equal = |item| Arc::new(BinaryExpr::new(Arc::clone(value), Operator::Eq, item)) as Arc<dyn PhysicalExpr>;
    let or = |left, right| -> Arc<dyn PhysicalExpr> {
        if can_fail { Arc::new(Guarded::new(left, right, false)) } else { Arc::new(BinaryExpr::new(left, Operator::Or, right)) }
    };
    let all = list.into_iter().map(equal).reduce(or);
    all.unwrap_or_else(|| Arc::new(Constant::new(ScalarValue::Boolean(Some(false)))))
}

/// Condition, result, ..., and the result if no condition is true.
fn case(mut args: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>, DataFusionError> {
    let otherwise = if args.len() % 2 == 1 { args.pop() } else { None };
    let branches = args.chunks_exact(2).map(|pair| (Arc::clone(&pair[0]), Arc::clone(&pair[1]))).collect();
    Ok(Arc::new(CaseExpr::try_new(None, branches, otherwise)?))
}

fn coalesce(mut args: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>, DataFusionError> {
    let Some(last) = args.pop() else { return Err(DataFusionError::Plan("nothing to choose from".to_owned())) };
    if args.is_empty() {
        return Ok(last);
    }
    let branch = |arg: Arc<dyn PhysicalExpr>| [Arc::new(IsNotNullExpr::new(Arc::clone(&arg))) as Arc<dyn PhysicalExpr>, arg];
    case(args.into_iter().flat_map(branch).chain([last]).collect())
}

/// The value of a literal; `None` if its text is no number.
pub(super) fn constant(literal: &Literal) -> Option<ScalarValue> {
    Some(match literal {
        Literal::Null(data_type) => ScalarValue::try_from(&arrow_type(data_type)).ok()?,
        Literal::Boolean(value) => ScalarValue::Boolean(Some(*value)),
        Literal::Int32(value) => ScalarValue::Int32(Some(*value)),
        Literal::Int64(value) => ScalarValue::Int64(Some(*value)),
        Literal::Float64(text) => ScalarValue::Float64(Some(text.parse().ok()?)),
        Literal::Decimal { unscaled, precision, scale } => ScalarValue::Decimal128(Some(*unscaled), *precision, *scale),
        Literal::String(text) => ScalarValue::Utf8(Some(text.clone())),
        Literal::Date(days) => ScalarValue::Date32(Some(*days)),
        Literal::Timestamp(micros) => ScalarValue::TimestampMicrosecond(Some(*micros), Some(UTC.into())),
    })
}
