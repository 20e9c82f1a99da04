//! Comparisons by Arrow's kernels. DataFusion's operator goes over every floating-point number first to give its zeros one sign;
//! `float` has seen to that already, at no cost where a literal decides.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::kernels::cmp::{eq, gt, gt_eq, lt, lt_eq, neq};
use datafusion_expr::Operator;
use kpipe_compiler::plan::{DataType, Op};

use super::step::{Kernel, Operand, Problem, problem};

/// Whether one value is equal to, below or above another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compare {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Compare {
    /// `None`: no comparison.
    pub(super) fn of(op: &Op) -> Option<Self> {
        Some(match op {
            Op::Equal => Self::Equal,
            Op::NotEqual => Self::NotEqual,
            Op::Less => Self::Less,
            Op::LessOrEqual => Self::LessOrEqual,
            Op::Greater => Self::Greater,
            Op::GreaterOrEqual => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    /// As DataFusion calls it.
    pub(super) fn operator(self) -> Operator {
        match self {
            Self::Equal => Operator::Eq,
            Self::NotEqual => Operator::NotEq,
            Self::Less => Operator::Lt,
            Self::LessOrEqual => Operator::LtEq,
            Self::Greater => Operator::Gt,
            Self::GreaterOrEqual => Operator::GtEq,
        }
    }
}

impl Kernel for Compare {
    fn run(&self, args: &[Operand], _rows: usize) -> Result<ArrayRef, Problem> {
        let [left, right] = args else { return Err(Problem::new("two values are compared")) };
        let compare = match self {
            Self::Equal => eq,
            Self::NotEqual => neq,
            Self::Less => lt,
            Self::LessOrEqual => lt_eq,
            Self::Greater => gt,
            Self::GreaterOrEqual => gt_eq,
        };
        compare(left, right).map(|array| Arc::new(array) as ArrayRef).map_err(|error| problem(&error, &DataType::Boolean))
    }
}
