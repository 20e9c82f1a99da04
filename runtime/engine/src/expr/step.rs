//! One operation with its own kernel, as a node of DataFusion's tree.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Datum, new_empty_array};
use arrow::datatypes::{DataType as ArrowType, Schema};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::PhysicalExpr;
use kpipe_compiler::plan::{Call, DataType};
use kpipe_compiler::schema::type_text;

/// The values of an operand: one per row, or one for all.
pub(super) struct Operand {
    /// The values; one if it is a scalar.
    pub(super) array: ArrayRef,
    /// Whether the value stands for all rows.
    pub(super) is_scalar: bool,
}

impl Operand {
    fn of(value: ColumnarValue) -> Result<Self> {
        Ok(match value {
            ColumnarValue::Array(array) => Self { array, is_scalar: false },
            ColumnarValue::Scalar(value) => Self { array: value.to_array()?, is_scalar: true },
        })
    }

    /// Where the value of a row stands.
    pub(super) fn index(&self, row: usize) -> usize {
        if self.is_scalar { 0 } else { row }
    }

    /// As DataFusion hands values to its functions.
    pub(super) fn columnar(&self) -> Result<ColumnarValue> {
        Ok(match self.is_scalar {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&self.array, 0)?),
            false => ColumnarValue::Array(Arc::clone(&self.array)),
        })
    }
}

impl Datum for Operand {
    fn get(&self) -> (&dyn Array, bool) {
        (self.array.as_ref(), self.is_scalar)
    }
}

/// What is wrong with a value, without the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Problem(pub(super) Cow<'static, str>);

impl Problem {
    /// A problem that is always the same.
    pub(super) const fn new(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// A number that its type cannot hold.
    pub(super) fn out_of_range(data_type: &DataType) -> Self {
        Self(format!("the result is beyond {}", type_text(data_type)).into())
    }
}

/// Division or remainder by zero.
pub(super) const BY_ZERO: Problem = Problem::new("division by zero");

/// What Arrow's kernels say about a result of this type, without the values that their words hold.
pub(super) fn problem(error: &ArrowError, data_type: &DataType) -> Problem {
    match error {
        ArrowError::DivideByZero => BY_ZERO,
        ArrowError::ArithmeticOverflow(_) => Problem::out_of_range(data_type),
        ArrowError::CastError(_) | ArrowError::ParseError(_) => Problem(format!("the value cannot become {}", type_text(data_type)).into()),
        _ => Problem::new("the value cannot be used here"),
    }
}

/// Computes whole arrays.
pub(super) trait Kernel: fmt::Debug + Send + Sync {
    /// The results of `rows` rows; of one if all operands are scalars.
    fn run(&self, args: &[Operand], rows: usize) -> Result<ArrayRef, Problem>;
}

/// A problem and the part of the expression that has it.
#[derive(Debug, thiserror::Error)]
#[error("{text}: {problem}")]
pub(super) struct Failure {
    pub(super) text: Arc<str>,
    pub(super) problem: Problem,
}

/// An operation and its operands.
#[derive(Debug)]
pub(super) struct Step {
    call: Call,
    text: Arc<str>,
    to: ArrowType,
    args: Vec<Arc<dyn PhysicalExpr>>,
    kernel: Arc<dyn Kernel>,
}

impl Step {
    /// `text`: what the operation is called in messages; `to`: what the kernel gives.
    pub(super) fn new(call: Call, text: String, to: ArrowType, args: Vec<Arc<dyn PhysicalExpr>>, kernel: Arc<dyn Kernel>) -> Self {
        Self { call, text: text.into(), to, args, kernel }
    }
}

impl PhysicalExpr for Step {
    fn data_type(&self, _schema: &Schema) -> Result<ArrowType> {
        Ok(self.to.clone())
    }

    fn nullable(&self, _schema: &Schema) -> Result<bool> {
        Ok(true)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let rows = batch.num_rows();
        if rows == 0 {
            return Ok(ColumnarValue::Array(new_empty_array(&self.to)));
        }
        let args = self.args.iter().map(|arg| Operand::of(arg.evaluate(batch)?)).collect::<Result<Vec<_>>>()?;
        let is_constant = args.iter().all(|arg| arg.is_scalar);
        let result = self.kernel.run(&args, if is_constant { 1 } else { rows });
        let array = result.map_err(|problem| {
            let text = Arc::clone(&self.text);
            DataFusionError::External(Box::new(Failure { text, problem }))
        })?;
        Ok(match is_constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?),
            false => ColumnarValue::Array(array),
        })
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.args.iter().collect()
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        let Self { call, text, to, args: _, kernel } = self.as_ref();
        Ok(Arc::new(Self { call: call.clone(), text: Arc::clone(text), to: to.clone(), args: children, kernel: Arc::clone(kernel) }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

// The call says everything about the kernel.
impl PartialEq for Step {
    fn eq(&self, other: &Self) -> bool {
        self.call == other.call && self.args == other.args
    }
}

impl Eq for Step {}

impl Hash for Step {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.call.hash(state);
        self.args.hash(state);
    }
}
