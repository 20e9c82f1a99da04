//! Each case is computed twice: with its operands as literals, and with them as columns of three rows. Both must say the same.

mod casts;
mod fails;
mod functions;
mod operators;

use arrow::array::{Array, ArrayRef};
use kpipe_compiler::plan::{DataType, Decode, DecodeColumn, Expr, Literal, Op, TimeUnit, ValueFormat};

use super::compile::constant;
use super::leaf::literal_type;
use super::*;
use crate::fixture::{self, Record};
use crate::format::json::Cells;
use crate::path::RowBatch;
use crate::reject::{Reject, RejectReason};

/// The text of a value, `None` for null, or why there is none.
type Outcome = Result<Option<String>, String>;

fn int(value: i32) -> Literal {
    Literal::Int32(value)
}

fn big(value: i64) -> Literal {
    Literal::Int64(value)
}

fn real(text: &str) -> Literal {
    Literal::Float64(text.to_owned())
}

fn text(text: &str) -> Literal {
    Literal::String(text.to_owned())
}

fn truth(value: bool) -> Literal {
    Literal::Boolean(value)
}

fn null(data_type: DataType) -> Literal {
    Literal::Null(data_type)
}

fn decimal_type(precision: u8, scale: i8) -> DataType {
    DataType::Decimal { precision, scale }
}

/// `12.50` with its own scale and this precision.
fn decimal(text: &str, precision: u8) -> Literal {
    let (digits, scale) = match text.split_once('.') {
        Some((whole, fraction)) => (format!("{whole}{fraction}"), fraction.len()),
        None => (text.to_owned(), 0),
    };
    Literal::Decimal { unscaled: digits.parse().unwrap(), precision, scale: scale as i8 }
}

fn time(text: &str) -> Literal {
    Literal::Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
}

const MICROS: DataType = DataType::Timestamp(TimeUnit::Microsecond);
const MILLIS: DataType = DataType::Timestamp(TimeUnit::Millisecond);

fn function(name: &str) -> Op {
    Op::Function(name.to_owned())
}

/// Values of columns, one array each.
fn table(columns: Vec<(DataType, ArrayRef)>) -> (Decode, RowBatch, crate::records::RawBatch) {
    let rows = columns.first().map_or(1, |(_, array)| array.len());
    let raw = fixture::batch((0..rows).map(|_| Record::of("{}")).collect());
    let (types, decoded): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    let column = |(index, data_type)| DecodeColumn { path: vec![format!("c{index}")], data_type, nullable: true };
    let columns = types.into_iter().enumerate().map(column).collect();
    let batch = RowBatch { partition: raw.partition, delta: raw.delta, route: 0, rows: (0..rows as u32).collect(), decoded, output: None };
    (Decode { format: ValueFormat::Json, columns }, batch, raw)
}

/// What an expression gives for every row.
fn outcomes(expr: &Expr, columns: Vec<(DataType, ArrayRef)>) -> Vec<Outcome> {
    let (decode, batch, raw) = table(columns);
    let data_type = type_of(expr, &decode).unwrap();
    let mut rejects = Vec::new();
    let rows = batch.rows.clone();
    let (batch, arrays) = Exprs::new([expr], &decode).unwrap().evaluate(&raw, batch, &mut rejects).unwrap();
    assert_eq!(arrays[0].len(), batch.len());
    let cells = Cells::new(&arrays[0], &data_type).unwrap();
    let outcome = |row: u32| match rejects.iter().find(|reject| reject.row == row) {
        Some(Reject { reason, message, .. }) => {
            assert_eq!(*reason, RejectReason::Expression);
            Err(message.clone())
        }
        None => {
            let index = batch.rows.iter().position(|kept| *kept == row).unwrap();
            let mut text = Vec::new();
            let there = !cells.is_null(index);
            Ok(there.then(|| {
                cells.text(index, &mut text).unwrap();
                String::from_utf8(text).unwrap()
            }))
        }
    };
    rows.into_iter().map(outcome).collect()
}

/// What an operation on these operands gives. Those in `fixed` are always literals.
#[track_caller]
fn compute(op: &Op, args: &[Literal], fixed: &[usize], data_type: &DataType) -> Outcome {
    let literals = args.iter().cloned().map(Expr::Literal).collect();
    let literal = outcomes(&Expr::call(op.clone(), literals, data_type, true), Vec::new());
    let mut columns = Vec::new();
    let mut column = |(index, arg): (usize, &Literal)| {
        if fixed.contains(&index) {
            return Expr::Literal(arg.clone());
        }
        columns.push((literal_type(arg), constant(arg).unwrap().to_array_of_size(3).unwrap()));
        Expr::Column(columns.len() - 1)
    };
    let exprs = args.iter().enumerate().map(&mut column).collect();
    let rows = outcomes(&Expr::call(op.clone(), exprs, data_type, true), columns);
    let why = |outcome: &Outcome| outcome.clone().map_err(|message| message.rsplit_once(": ").map(|(_, why)| why.to_owned()).unwrap());
    let literal = why(&literal[0]);
    for row in &rows {
        assert_eq!(why(row), literal, "{op:?} {args:?}: as a column and as a literal");
    }
    literal
}

/// Checks a case: a value as text, `NULL`, or `! why`.
#[track_caller]
fn check(op: &Op, args: &[Literal], fixed: &[usize], data_type: &DataType, expected: &str) {
    let found = match compute(op, args, fixed, data_type) {
        Ok(Some(text)) => text,
        Ok(None) => "NULL".to_owned(),
        Err(why) => format!("! {why}"),
    };
    assert_eq!(found, expected, "{op:?} {args:?}");
}
