//! All expressions of a stage, batch by batch, and the rows that fail in them.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, StringArray, new_null_array};
use arrow::compute::{concat, filter};
use arrow::datatypes::{DataType as ArrowType, SchemaRef};
use arrow::error::ArrowError;
use datafusion_common::{DataFusionError, ScalarValue};
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::PhysicalExpr;
use kpipe_compiler::plan::{Decode, Expr};

use super::compile::{Compiler, Misfit};
use super::leaf;
use super::step::{Failure, Problem, problem};
use crate::limits::TEXT_BATCH_BYTES_MAX;
use crate::path::RowBatch;
use crate::records::RawBatch;
use crate::reject::{Reject, RejectReason};

/// The expressions of a stage. Columns and metadata cost nothing but themselves; the others share the columns that they read.
pub(crate) struct Exprs {
    items: Vec<Item>,
    computed: Option<Computed>,
}

enum Item {
    /// What a record brings.
    Leaf(Expr),
    /// The place among the computed ones.
    Computed(usize),
}

/// Expressions that are computed.
struct Computed {
    leaves: Vec<Expr>,
    schema: SchemaRef,
    trees: Vec<Tree>,
}

struct Tree {
    node: Arc<dyn PhysicalExpr>,
    data_type: ArrowType,
    text: String,
}

impl Exprs {
    /// # Errors
    /// An expression that cannot be computed.
    pub(crate) fn new<'e>(exprs: impl IntoIterator<Item = &'e Expr>, decode: &Decode) -> Result<Self, Misfit> {
        let mut computed: Vec<&Expr> = Vec::new();
        let item = |expr: &'e Expr| match expr {
            Expr::Literal(_) | Expr::Call(_) => {
                computed.push(expr);
                Item::Computed(computed.len() - 1)
            }
            leaf => Item::Leaf(leaf.clone()),
        };
        let items = exprs.into_iter().map(item).collect();
        let computed = if computed.is_empty() { None } else { Some(Computed::new(&computed, decode)?) };
        Ok(Self { items, computed })
    }

    /// The values of every expression. Rows in which one fails are dropped and added to `rejects`.
    ///
    /// # Errors
    /// A bug: a batch that is not what the plan says.
    pub(crate) fn evaluate(
        &self,
        raw: &RawBatch,
        batch: RowBatch,
        rejects: &mut Vec<Reject>,
    ) -> Result<(RowBatch, Vec<ArrayRef>), ArrowError> {
        let mut bad = Vec::new();
        let mut computed = match &self.computed {
            Some(computed) => computed.evaluate(raw, &batch, &mut bad)?,
            None => Vec::new(),
        };
        let arrays = self.items.iter().map(|item| match item {
            Item::Leaf(leaf) => leaf::evaluate(leaf, raw, &batch),
            // Each of them has one place.
            Item::Computed(index) => std::mem::replace(&mut computed[*index], new_null_array(&ArrowType::Null, 0)),
        });
        let arrays: Vec<ArrayRef> = arrays.collect();
        if bad.is_empty() {
            return Ok((batch, arrays));
        }
        let mut drop = vec![false; batch.len()];
        for (row, message) in bad {
            if !std::mem::replace(&mut drop[row], true) {
                rejects.push(Reject { row: batch.rows[row], reason: RejectReason::Expression, message });
            }
        }
        let keep: BooleanArray = drop.iter().map(|drop| Some(!drop)).collect();
        let arrays = arrays.iter().map(|array| filter(array, &keep)).collect::<Result<_, _>>()?;
        Ok((batch.drop_rows(&drop)?, arrays))
    }
}

impl Computed {
    fn new(exprs: &[&Expr], decode: &Decode) -> Result<Self, Misfit> {
        let compiler = Compiler::new(exprs.iter().copied(), decode)?;
        let tree = |expr: &&Expr| {
            let (node, data_type) = compiler.compile(expr)?;
            Ok(Tree { node, data_type, text: compiler.text(expr) })
        };
        let trees = exprs.iter().map(tree).collect::<Result<_, _>>()?;
        let (leaves, schema) = compiler.into_leaves();
        Ok(Self { leaves, schema, trees })
    }

    fn evaluate(&self, raw: &RawBatch, batch: &RowBatch, bad: &mut Vec<(usize, String)>) -> Result<Vec<ArrayRef>, ArrowError> {
        let arrays = self.leaves.iter().zip(self.schema.fields()).map(|(leaf, field)| {
            let array = leaf::evaluate(leaf, raw, batch);
            match (array.data_type(), field.data_type()) {
                // JSON was checked when it was decoded.
                (ArrowType::Binary, ArrowType::Utf8) => {
                    Ok(Arc::new(StringArray::try_from_binary(array.as_binary::<i32>().clone())?) as ArrayRef)
                }
                _ => Ok(array),
            }
        });
        let arrays = arrays.collect::<Result<Vec<_>, ArrowError>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.len()));
        let columns = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)?;
        self.trees.iter().map(|tree| tree.evaluate(&columns, bad)).collect()
    }
}

/// The values of a batch, some rows after others.
#[derive(Default)]
struct Pieces {
    arrays: Vec<ArrayRef>,
    bytes: usize,
}

impl Pieces {
    /// No record alone is to blame if together they are too much, so that is no reject.
    fn push(&mut self, array: ArrayRef, text: &str) -> Result<(), ArrowError> {
        self.bytes = self.bytes.saturating_add(array.to_data().get_slice_memory_size()?);
        self.arrays.push(array);
        if self.bytes > TEXT_BATCH_BYTES_MAX {
            let why = format!("expression {text}: the values of one batch take more than {TEXT_BATCH_BYTES_MAX} bytes");
            return Err(ArrowError::MemoryError(why));
        }
        Ok(())
    }
}

impl Tree {
    /// The values, null where a row is bad.
    fn evaluate(&self, columns: &RecordBatch, bad: &mut Vec<(usize, String)>) -> Result<ArrayRef, ArrowError> {
        let rows = columns.num_rows();
        match self.compute(columns) {
            Ok(array) => Ok(array),
            Err(_) if rows > 1 => {
                let mut pieces = Pieces::default();
                for half in [0..rows / 2, rows / 2..rows] {
                    self.halve(columns, half, &mut pieces, bad)?;
                }
                concat(&pieces.arrays.iter().map(AsRef::as_ref).collect::<Vec<_>>())
            }
            Err(error) => {
                bad.push((0, self.message(&error)));
                Ok(new_null_array(&self.data_type, rows))
            }
        }
    }

    /// The values of some rows, in pieces.
    fn halve(
        &self,
        columns: &RecordBatch,
        rows: Range<usize>,
        pieces: &mut Pieces,
        bad: &mut Vec<(usize, String)>,
    ) -> Result<(), ArrowError> {
        match self.compute(&columns.slice(rows.start, rows.len())) {
            Ok(array) => pieces.push(array, &self.text),
            Err(error) if rows.len() == 1 => {
                bad.push((rows.start, self.message(&error)));
                pieces.push(new_null_array(&self.data_type, 1), &self.text)
            }
            Err(_) => {
                let middle = rows.start + rows.len() / 2;
                self.halve(columns, rows.start..middle, pieces, bad)?;
                self.halve(columns, middle..rows.end, pieces, bad)
            }
        }
    }

    fn compute(&self, columns: &RecordBatch) -> Result<ArrayRef, DataFusionError> {
        let (value, rows) = (self.node.evaluate(columns)?, columns.num_rows());
        match &value {
            ColumnarValue::Scalar(ScalarValue::Utf8(Some(text))) if text.len().saturating_mul(rows) > TEXT_BATCH_BYTES_MAX => {
                Err(DataFusionError::ResourcesExhausted("a text for every row".to_owned()))
            }
            _ => value.into_array(rows),
        }
    }

    /// `expression a / b: division by zero`; of a part, also which one.
    fn message(&self, error: &DataFusionError) -> String {
        let Self { text, .. } = self;
        match error.find_root() {
            DataFusionError::External(error) => match error.downcast_ref::<Failure>() {
                Some(failure) if failure.text.as_ref() == text => format!("expression {text}: {}", failure.problem),
                Some(failure) => format!("expression {text}: {failure}"),
                None => format!("expression {text}: {}", Problem::new("the value cannot be used here")),
            },
            DataFusionError::ArrowError(error, _) => format!("expression {text}: {}", problem(error, &kpipe_compiler::plan::DataType::Any)),
            _ => format!("expression {text}: {}", Problem::new("the value cannot be used here")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_a_batch_are_bounded() {
        let text = "x".repeat(TEXT_BATCH_BYTES_MAX / 4 - 64);
        let array: ArrayRef = Arc::new(StringArray::from(vec![text]));
        let mut pieces = Pieces::default();
        for _ in 0..4 {
            pieces.push(Arc::clone(&array), "a || b").unwrap();
        }
        let why = pieces.push(array, "a || b").unwrap_err().to_string();
        assert!(why.ends_with("expression a || b: the values of one batch take more than 268435456 bytes"), "{why}");
    }

    #[test]
    fn a_piece_counts_what_it_shows_and_not_what_it_is_cut_from() {
        let whole: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(1 << 20); 64]));
        let mut pieces = Pieces::default();
        for row in (0..64).cycle().take(200) {
            pieces.push(whole.slice(row, 1), "a").unwrap();
        }
    }
}
