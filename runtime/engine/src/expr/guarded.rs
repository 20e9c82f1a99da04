//! `AND` and `OR` whose right side can fail: it is computed only for the rows that the left side leaves open.
//!
//! DataFusion's own operator computes it for all rows once a good part of them is open, so whether a row fails would depend on the
//! rows beside it.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray};
use arrow::compute::{and_kleene, or_kleene};
use arrow::datatypes::{DataType as ArrowType, Schema};
use arrow::record_batch::RecordBatch;
use datafusion_common::Result;
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::PhysicalExpr;

/// Left and right.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Guarded {
    sides: [Arc<dyn PhysicalExpr>; 2],
    is_and: bool,
}

impl Guarded {
    pub(super) fn new(left: Arc<dyn PhysicalExpr>, right: Arc<dyn PhysicalExpr>, is_and: bool) -> Self {
        Self { sides: [left, right], is_and }
    }

    /// The rows that the left side does not decide.
    fn open(&self, left: &BooleanArray) -> BooleanArray {
        let undecided = if self.is_and { left.values().clone() } else { !left.values() };
        let open = match left.nulls() {
            Some(nulls) => &undecided | &!nulls.inner(),
            None => undecided,
        };
        BooleanArray::new(open, None)
    }
}

impl PhysicalExpr for Guarded {
    fn data_type(&self, _schema: &Schema) -> Result<ArrowType> {
        Ok(ArrowType::Boolean)
    }

    fn nullable(&self, _schema: &Schema) -> Result<bool> {
        Ok(true)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let [left, right] = &self.sides;
        let rows = batch.num_rows();
        let left = left.evaluate(batch)?.into_array(rows)?;
        let open = self.open(left.as_boolean());
        let right = match open.true_count() {
            0 => return Ok(ColumnarValue::Array(left)),
            count if count == rows => right.evaluate(batch)?,
            _ => right.evaluate_selection(batch, &open)?,
        };
        let right = right.into_array(rows)?;
        let both = if self.is_and { and_kleene } else { or_kleene };
        Ok(ColumnarValue::Array(Arc::new(both(left.as_boolean(), right.as_boolean())?)))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.sides.iter().collect()
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        let [left, right] = <[_; 2]>::try_from(children)
            .map_err(|children| datafusion_common::DataFusionError::Internal(format!("{} sides", children.len())))?;
        Ok(Arc::new(Self::new(left, right, self.is_and)))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [left, right] = &self.sides;
        write!(f, "({left}) {} ({right})", if self.is_and { "AND" } else { "OR" })
    }
}
