//! Arithmetic that fails instead of wrapping around, dividing by zero or leaving the numbers.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::kernels::numeric;
use arrow::datatypes::{ArrowPrimitiveType, DataType as ArrowType, Float32Type, Float64Type};
use arrow::error::ArrowError;
use kpipe_compiler::plan::{DataType, Op};

use super::decimal;
use super::step::{BY_ZERO, Kernel, Operand, Problem, problem};

/// Which operation on which numbers.
#[derive(Debug)]
pub(super) struct Arithmetic {
    op: Operation,
    data_type: DataType,
}

/// What is done with numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Negate,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

impl Operation {
    /// `None`: it is no arithmetic.
    pub(super) fn of(op: &Op) -> Option<Self> {
        Some(match op {
            Op::Negate => Self::Negate,
            Op::Add => Self::Add,
            Op::Subtract => Self::Subtract,
            Op::Multiply => Self::Multiply,
            Op::Divide => Self::Divide,
            Op::Modulo => Self::Modulo,
            _ => return None,
        })
    }

    fn compute(self, args: &[Operand]) -> Result<ArrayRef, ArrowError> {
        match (self, args) {
            (Self::Negate, [number]) => numeric::neg(number.array.as_ref()),
            (Self::Add, [left, right]) => numeric::add(left, right),
            (Self::Subtract, [left, right]) => numeric::sub(left, right),
            (Self::Multiply, [left, right]) => numeric::mul(left, right),
            (Self::Divide, [left, right]) => numeric::div(left, right),
            (Self::Modulo, [left, right]) => numeric::rem(left, right),
            _ => Err(ArrowError::InvalidArgumentError(format!("{} operands", args.len()))),
        }
    }
}

impl Arithmetic {
    /// `data_type`: of the result.
    pub(super) fn new(op: Operation, data_type: DataType) -> Self {
        Self { op, data_type }
    }
}

impl Kernel for Arithmetic {
    fn run(&self, args: &[Operand], rows: usize) -> Result<ArrayRef, Problem> {
        if let (Operation::Divide, DataType::Decimal { precision, scale }, [left, right]) = (self.op, &self.data_type, args) {
            return decimal::divide(left, right, rows, (*precision, *scale));
        }
        let array = self.op.compute(args).map_err(|error| problem(&error, &self.data_type))?;
        match (&self.data_type, array.data_type()) {
            (DataType::Decimal { precision, scale }, _) => {
                decimal::rescale(array.as_primitive(), (*precision, *scale), decimal::Loss::Round)
                    .map(|array| Arc::new(array) as ArrayRef)
                    .map_err(|_| Problem::out_of_range(&self.data_type))
            }
            (_, ArrowType::Float64) if !finite::<Float64Type>(&array) => Err(self.not_finite::<Float64Type>(args)),
            (_, ArrowType::Float32) if !finite::<Float32Type>(&array) => Err(self.not_finite::<Float32Type>(args)),
            _ => Ok(array),
        }
    }
}

impl Arithmetic {
    /// Why a result is no number.
    fn not_finite<T: ArrowPrimitiveType>(&self, args: &[Operand]) -> Problem
    where
        T::Native: Into<f64>,
    {
        let divides = matches!(self.op, Operation::Divide | Operation::Modulo);
        let is_zero = |operand: &Operand| operand.array.as_primitive::<T>().iter().flatten().any(|number| number.into() == 0.0);
        if divides && args.last().is_some_and(is_zero) { BY_ZERO } else { Problem::out_of_range(&self.data_type) }
    }
}

/// Whether all values that are not null are numbers, neither infinite nor NaN.
pub(super) fn finite<T: ArrowPrimitiveType>(array: &ArrayRef) -> bool
where
    T::Native: Into<f64>,
{
    let array = array.as_primitive::<T>();
    let all = array.values().iter().all(|number| (*number).into().is_finite());
    // What stands in the place of a null means nothing.
    all || array.iter().flatten().all(|number| number.into().is_finite())
}
