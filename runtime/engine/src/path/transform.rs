//! Decoded columns and metadata become the output columns, and the keys of produced records.
//!
//! A column that is only renamed is the decoded array itself. What the plan forbids (null in a column that is not null, a key field that
//! is missing) rejects the row.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BinaryBuilder, RecordBatch, RecordBatchOptions, StringArray};
use arrow::array::{TimestampMicrosecondArray, TimestampMillisecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType as ArrowType, Schema, SchemaRef};
use arrow::error::ArrowError;
use kpipe_compiler::plan::{DataType, Decode, Expr, KeyPlan, PartitionItem, Projection, Route, Tail, TimeUnit};

use super::{RowBatch, StageError};
use crate::columns::{UTC, arrow_field, arrow_type};
use crate::expr::{Exprs, name_of, type_of};
use crate::format::json::{Cells, NoText};
use crate::records::RawBatch;
use crate::reject::{Reject, RejectReason};

/// Makes the output columns of one route.
pub struct Projector {
    /// `None`: payloads pass through.
    plan: Option<Plan>,
}

struct Plan {
    schema: SchemaRef,
    exprs: Exprs,
    /// One per expression.
    columns: Vec<Column>,
}

struct Column {
    name: String,
    convert: Convert,
    nullable: bool,
}

/// How the values of an expression become those of its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Convert {
    /// They are.
    Same,
    /// Bytes to text.
    Text,
    /// 32 bits to 64.
    Long,
    /// Milliseconds to microseconds.
    Microseconds,
    /// Microseconds to milliseconds, rounded down.
    Milliseconds,
}

impl Projector {
    /// A projector for a route.
    ///
    /// # Errors
    /// A plan that does not fit itself.
    pub fn new(route: &Route) -> Result<Self, StageError> {
        let Some(projections) = written(route)? else { return Ok(Self { plan: None }) };
        let fields: Vec<_> = projections.iter().map(|it| arrow_field(&it.name, &it.data_type, it.nullable)).collect();
        let exprs = exprs(projections.iter().map(|it| &it.expr), &route.decode)?;
        let columns = projections.into_iter().map(|projection| column(projection, &route.decode)).collect::<Result<_, _>>()?;
        Ok(Self { plan: Some(Plan { schema: Arc::new(Schema::new(fields)), exprs, columns }) })
    }

    /// The output's schema; `None`: payloads pass through.
    #[must_use]
    pub fn schema(&self) -> Option<SchemaRef> {
        self.plan.as_ref().map(|plan| Arc::clone(&plan.schema))
    }

    /// Fills `output`. Rows that break the plan's rules are dropped and added to `rejects`.
    ///
    /// # Errors
    /// A bug: a batch that is not what the plan says.
    pub fn project(&self, raw: &RawBatch, batch: RowBatch, rejects: &mut Vec<Reject>) -> Result<RowBatch, StageError> {
        let Some(plan) = &self.plan else { return Ok(batch) };
        let (batch, values) = plan.exprs.evaluate(raw, batch, rejects).map_err(|error| bug(&error))?;
        let mut bad = Bad::default();
        let columns = plan.columns.iter().zip(values).map(|(column, values)| column.make(values, &batch, &mut bad, rejects));
        let columns: Vec<ArrayRef> = columns.collect::<Result<_, _>>()?;
        let Some(drop) = bad.rows else {
            let options = RecordBatchOptions::new().with_row_count(Some(batch.len()));
            let output = RecordBatch::try_new_with_options(Arc::clone(&plan.schema), columns, &options).map_err(|error| bug(&error))?;
            return Ok(RowBatch { output: Some(output), ..batch });
        };
        // Rows that must go still stand in the columns: the schema would refuse them.
        let lenient = plan.schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect::<Vec<_>>();
        let output = RecordBatch::try_new(Arc::new(Schema::new(lenient)), columns).map_err(|error| bug(&error))?;
        let batch = RowBatch { output: Some(output), ..batch }.drop_rows(&drop).map_err(|error| bug(&error))?;
        let output = batch.output.as_ref().map(|output| RecordBatch::try_new(Arc::clone(&plan.schema), output.columns().to_vec()));
        Ok(RowBatch { output: output.transpose().map_err(|error| bug(&error))?, ..batch })
    }
}

/// The columns that are written: all of them, or those that are not folders already. `None`: payloads pass through.
fn written(route: &Route) -> Result<Option<Vec<&Projection>>, StageError> {
    let folders: Vec<&Expr> = match &route.tail {
        Tail::Files(tail) if !tail.keep_partition_columns => tail.partition.iter().filter_map(folder_value).collect(),
        Tail::Files(_) | Tail::Records(_) => Vec::new(),
    };
    match &route.project {
        None if folders.is_empty() => Ok(None),
        None => Err(StageError::new("transform", "columns cannot be left out of a payload that passes through")),
        Some(projections) => {
            let is_folder = |expr: &Expr| folders.iter().any(|folder| same(folder, expr, &route.decode));
            Ok(Some(projections.iter().filter(|projection| !is_folder(&projection.expr)).collect()))
        }
    }
}

/// Whether two expressions mean the same place of a record. A folder may decode it as another type than the file.
fn same(left: &Expr, right: &Expr, decode: &Decode) -> bool {
    match (left, right) {
        (Expr::Column(left), Expr::Column(right)) => {
            let path = |index: usize| decode.columns.get(index).map(|column| &column.path);
            path(*left) == path(*right)
        }
        (left, right) => left == right,
    }
}

fn folder_value(item: &PartitionItem) -> Option<&Expr> {
    match item {
        PartitionItem::Value { expr, .. } => Some(expr),
        PartitionItem::Time { .. } => None,
    }
}

fn column(projection: &Projection, decode: &Decode) -> Result<Column, StageError> {
    let Projection { name, expr, data_type, nullable } = projection;
    let Some(from) = type_of(expr, decode) else {
        return Err(StageError::new("transform", format!("column {name}: no such decoded column")));
    };
    let is_bytes = matches!(expr, Expr::Key | Expr::Header(_) | Expr::Value);
    let convert = match (&from, data_type) {
        (_, DataType::String | DataType::Any | DataType::Json) if is_bytes => Convert::Text,
        (_, DataType::Bytes) if is_bytes => Convert::Same,
        (from, to) if arrow_type(from) == arrow_type(to) => Convert::Same,
        (DataType::Int32, DataType::Int64) => Convert::Long,
        (DataType::Timestamp(_), DataType::Timestamp(TimeUnit::Microsecond)) => Convert::Microseconds,
        (DataType::Timestamp(_), DataType::Timestamp(TimeUnit::Millisecond)) => Convert::Milliseconds,
        (from, to) => return Err(StageError::new("transform", format!("column {name}: {from:?} is not {to:?}"))),
    };
    Ok(Column { name: name.clone(), convert, nullable: *nullable })
}

fn exprs<'e>(exprs: impl IntoIterator<Item = &'e Expr>, decode: &Decode) -> Result<Exprs, StageError> {
    Exprs::new(exprs, decode).map_err(|misfit| StageError::new("transform", misfit.to_string()))
}

impl Column {
    fn make(&self, values: ArrayRef, batch: &RowBatch, bad: &mut Bad, rejects: &mut Vec<Reject>) -> Result<ArrayRef, StageError> {
        let array = match self.convert {
            Convert::Same => values,
            Convert::Text => self.text(values.as_binary(), batch, bad, rejects),
            Convert::Long => cast(&values, &ArrowType::Int64).map_err(|error| bug(&error))?,
            Convert::Microseconds => self.microseconds(values.as_primitive(), batch, bad, rejects),
            Convert::Milliseconds => {
                let array: &TimestampMicrosecondArray = values.as_primitive();
                let millis: TimestampMillisecondArray = array.unary(|us| us.div_euclid(1000));
                Arc::new(millis.with_timezone(UTC))
            }
        };
        if !self.nullable && array.null_count() > 0 {
            for row in (0..array.len()).filter(|row| array.is_null(*row)) {
                bad.add(row, batch, rejects, RejectReason::MissingField, || {
                    format!("field {}: null where the schema says not null", self.name)
                });
            }
        }
        Ok(array)
    }

    /// Milliseconds as microseconds. A time beyond their range (the year 294,000) rejects its row.
    fn microseconds(&self, ms: &TimestampMillisecondArray, batch: &RowBatch, bad: &mut Bad, rejects: &mut Vec<Reject>) -> ArrayRef {
        let us = ms.iter().enumerate().map(|(row, ms)| {
            let us = ms.and_then(|ms| ms.checked_mul(1000));
            if ms.is_some() && us.is_none() {
                bad.add(row, batch, rejects, RejectReason::WrongType, || {
                    format!("field {}: time out of the range of TIMESTAMP(6)", self.name)
                });
            }
            us
        });
        Arc::new(us.collect::<TimestampMicrosecondArray>().with_timezone(UTC))
    }

    /// Bytes as text. What is not UTF-8 rejects its row.
    fn text(&self, values: &BinaryArray, batch: &RowBatch, bad: &mut Bad, rejects: &mut Vec<Reject>) -> ArrayRef {
        if let Ok(text) = StringArray::try_from_binary(values.clone()) {
            return Arc::new(text);
        }
        let text = values.iter().enumerate().map(|(row, value)| {
            let text = value.and_then(|bytes| simdutf8::basic::from_utf8(bytes).ok());
            if value.is_some() && text.is_none() {
                bad.add(row, batch, rejects, RejectReason::WrongType, || format!("field {}: bytes that are not UTF-8", self.name));
            }
            text
        });
        Arc::new(text.collect::<StringArray>())
    }
}

/// The rows that must go; nothing is allocated before the first one.
#[derive(Default)]
struct Bad {
    rows: Option<Vec<bool>>,
}

impl Bad {
    /// Adds a row, with one reject however many of its columns are wrong.
    fn add(&mut self, row: usize, batch: &RowBatch, rejects: &mut Vec<Reject>, reason: RejectReason, message: impl FnOnce() -> String) {
        let rows = self.rows.get_or_insert_with(|| vec![false; batch.len()]);
        if !std::mem::replace(&mut rows[row], true) {
            rejects.push(Reject { row: batch.rows[row], reason, message: message() });
        }
    }
}

fn bug(error: &ArrowError) -> StageError {
    StageError::new("transform", error.to_string())
}

/// Makes the keys of produced records.
pub struct Keys {
    exprs: Exprs,
    /// Type and name of each.
    fields: Vec<(DataType, String)>,
    delimiter: String,
}

impl Keys {
    /// A maker for a route's keys; `None`: the records keep theirs.
    ///
    /// # Errors
    /// A plan that does not fit itself.
    pub fn new(route: &Route, key: &KeyPlan) -> Result<Option<Self>, StageError> {
        let (fields, delimiter) = match key {
            KeyPlan::Keep => return Ok(None),
            KeyPlan::SourceTopic => (&[Expr::Topic][..], ""),
            KeyPlan::Fields { fields, delimiter } => (fields.as_slice(), delimiter.as_str()),
        };
        let field = |expr: &Expr| {
            let name = name_of(expr, &route.decode);
            match type_of(expr, &route.decode) {
                None | Some(DataType::Struct(_) | DataType::List(_)) => {
                    Err(StageError::new("transform", format!("field {name} cannot be a key")))
                }
                Some(data_type) => Ok((data_type, name)),
            }
        };
        let exprs = exprs(fields, &route.decode)?;
        let fields = fields.iter().map(field).collect::<Result<_, _>>()?;
        Ok(Some(Self { exprs, fields, delimiter: delimiter.to_owned() }))
    }

    /// The key of every row: its fields as text, joined. A row that lacks a field is dropped and added to `rejects`.
    ///
    /// # Errors
    /// A bug: a batch that is not what the plan says.
    pub fn make(&self, raw: &RawBatch, batch: RowBatch, rejects: &mut Vec<Reject>) -> Result<(RowBatch, BinaryArray), StageError> {
        let (batch, arrays) = self.exprs.evaluate(raw, batch, rejects).map_err(|error| bug(&error))?;
        let cells = arrays.iter().zip(&self.fields).map(|(array, (data_type, _))| Cells::new(array, data_type));
        let cells: Vec<Cells<'_>> = cells.collect::<Result<_, _>>().map_err(|error| StageError::new("transform", error.to_string()))?;
        let mut keys = BinaryBuilder::with_capacity(batch.len(), batch.len() * 16);
        let (mut bad, mut key) = (Bad::default(), Vec::new());
        for row in 0..batch.len() {
            key.clear();
            match self.write(&cells, row, &mut key) {
                Ok(()) => keys.append_value(&key),
                Err((name, why)) => bad.add(row, &batch, rejects, RejectReason::Key, || format!("key field {name}: {why}")),
            }
        }
        let batch = match bad.rows {
            None => batch,
            Some(drop) => batch.drop_rows(&drop).map_err(|error| bug(&error))?,
        };
        Ok((batch, keys.finish()))
    }

    fn write(&self, cells: &[Cells<'_>], row: usize, key: &mut Vec<u8>) -> Result<(), (&str, NoText)> {
        for (index, (cells, (_, name))) in cells.iter().zip(&self.fields).enumerate() {
            if index > 0 {
                key.extend_from_slice(self.delimiter.as_bytes());
            }
            cells.text(row, key).map_err(|why| (name.as_str(), why))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
