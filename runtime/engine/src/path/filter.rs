//! The rows that a route's condition takes. The others are skipped: they are no mistakes, and the delta still covers them.

use arrow::array::{Array, AsArray};
use arrow::compute::{filter, prep_null_mask_filter};
use kpipe_compiler::plan::{DataType, Route};

use super::{RowBatch, StageError};
use crate::expr::{Exprs, type_of};
use crate::records::RawBatch;
use crate::reject::Reject;

/// Keeps the rows of one route for which its condition is true; where it is unknown they go.
pub struct Filter {
    /// `None`: all of them.
    condition: Option<Exprs>,
}

impl Filter {
    /// The filter of a route.
    ///
    /// # Errors
    /// A plan that does not fit itself.
    pub fn new(route: &Route) -> Result<Self, StageError> {
        let Some(condition) = &route.filter else { return Ok(Self { condition: None }) };
        if type_of(condition, &route.decode) != Some(DataType::Boolean) {
            return Err(StageError::new("filter", "the condition is neither true nor false"));
        }
        let exprs = Exprs::new([condition], &route.decode).map_err(|misfit| StageError::new("filter", misfit.to_string()))?;
        Ok(Self { condition: Some(exprs) })
    }

    /// The rows that are taken, and how many are skipped. Rows in which the condition fails are dropped and added to `rejects`.
    ///
    /// # Errors
    /// A bug: a batch that is not what the plan says.
    pub fn keep(&self, raw: &RawBatch, batch: RowBatch, rejects: &mut Vec<Reject>) -> Result<(RowBatch, u64), StageError> {
        let Some(condition) = &self.condition else { return Ok((batch, 0)) };
        let bug = |error: arrow::error::ArrowError| StageError::new("filter", error.to_string());
        let (batch, mut values) = condition.evaluate(raw, batch, rejects).map_err(bug)?;
        let Some(values) = values.pop() else { return Err(StageError::new("filter", "no condition")) };
        let keep = match values.as_boolean() {
            known if known.null_count() == 0 => known.clone(),
            unknown => prep_null_mask_filter(unknown),
        };
        let (rows, kept) = (batch.len(), keep.true_count());
        if kept == rows {
            return Ok((batch, 0));
        }
        let decoded = batch.decoded.iter().map(|array| filter(array, &keep)).collect::<Result<_, _>>().map_err(bug)?;
        let rows_kept = keep.values().set_indices().map(|row| batch.rows[row]).collect();
        Ok((RowBatch { rows: rows_kept, decoded, ..batch }, (rows - kept) as u64))
    }
}

#[cfg(test)]
mod tests;
