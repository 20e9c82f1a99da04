//! What a record brings: columns and metadata, over the rows of a batch.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BinaryBuilder, BooleanArray, Int32Array, Int64Array, StringArray, TimestampMillisecondArray, new_null_array,
};
use arrow::datatypes::DataType as ArrowType;
use kpipe_compiler::plan::wording::expr_text;
use kpipe_compiler::plan::{DataType, Decode, Expr, Literal, TimeUnit, ValueFormat};

use crate::columns::UTC;
use crate::path::RowBatch;
use crate::records::RawBatch;

/// The type of an expression's values.
///
/// Keys, headers and values are bytes as they come. `None`: the plan names a column that it does not decode.
pub(crate) fn type_of(expr: &Expr, decode: &Decode) -> Option<DataType> {
    Some(match expr {
        Expr::Column(index) => decode.columns.get(*index)?.data_type.clone(),
        Expr::Topic => DataType::String,
        Expr::Partition | Expr::Qos => DataType::Int32,
        Expr::Offset => DataType::Int64,
        Expr::Timestamp => DataType::Timestamp(TimeUnit::Millisecond),
        Expr::Retained => DataType::Boolean,
        Expr::Value if decode.format == ValueFormat::Json => DataType::Json,
        Expr::Key | Expr::Header(_) | Expr::Value => DataType::Bytes,
        Expr::Literal(literal) => literal_type(literal),
        Expr::Call(call) => call.data_type.clone(),
    })
}

pub(super) fn literal_type(literal: &Literal) -> DataType {
    match literal {
        Literal::Null(data_type) => data_type.clone(),
        Literal::Boolean(_) => DataType::Boolean,
        Literal::Int32(_) => DataType::Int32,
        Literal::Int64(_) => DataType::Int64,
        Literal::Float64(_) => DataType::Float64,
        Literal::Decimal { unscaled: _, precision, scale } => DataType::Decimal { precision: *precision, scale: *scale },
        Literal::String(_) => DataType::String,
        Literal::Date(_) => DataType::Date,
        Literal::Timestamp(_) => DataType::Timestamp(TimeUnit::Microsecond),
    }
}

/// What a user calls the value: for messages.
pub(crate) fn name_of(expr: &Expr, decode: &Decode) -> String {
    match expr {
        Expr::Column(index) => decode.columns.get(*index).map(|column| column.path.join(".")).unwrap_or_default(),
        expr => expr_text(expr, &columns_of(decode)),
    }
}

/// What a user calls the decoded columns.
pub(super) fn columns_of(decode: &Decode) -> Vec<String> {
    decode.columns.iter().map(|column| column.path.join(".")).collect()
}

/// The value of every row of `batch`. A column costs nothing; of several headers of one name the last one counts. What is computed is
/// no leaf, and null here.
pub(super) fn evaluate(expr: &Expr, raw: &RawBatch, batch: &RowBatch) -> ArrayRef {
    let records = raw.records.as_ref();
    let rows = batch.rows.iter().map(|row| *row as usize);
    match expr {
        Expr::Column(index) => Arc::clone(&batch.decoded[*index]),
        Expr::Topic => Arc::new(StringArray::from_iter_values(rows.map(|row| records.topic(row)))),
        Expr::Partition => Arc::new(Int32Array::from_value(records.source_partition(), batch.rows.len())),
        Expr::Offset => Arc::new(Int64Array::from_iter_values(rows.map(|row| records.position(row).0))),
        Expr::Timestamp => {
            let times: TimestampMillisecondArray = rows.map(|row| records.timestamp_ms(row)).collect();
            Arc::new(times.with_timezone(UTC))
        }
        Expr::Key => Arc::new(rows.map(|row| records.key(row)).collect::<BinaryArray>()),
        Expr::Header(name) => {
            let mut values = BinaryBuilder::new();
            for row in rows {
                let mut last: Option<Vec<u8>> = None;
                records.headers(row, &mut |header, value| {
                    if header == name {
                        last = value.map(<[u8]>::to_vec);
                    }
                });
                values.append_option(last);
            }
            Arc::new(values.finish())
        }
        Expr::Qos => Arc::new(rows.map(|row| records.qos(row).map(i32::from)).collect::<Int32Array>()),
        Expr::Retained => Arc::new(rows.map(|row| records.retained(row)).collect::<BooleanArray>()),
        Expr::Value => Arc::new(rows.map(|row| records.value(row)).collect::<BinaryArray>()),
        Expr::Literal(_) | Expr::Call(_) => new_null_array(&ArrowType::Null, batch.rows.len()),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{Int32Type, Int64Type, TimestampMillisecondType};

    use super::*;
    use crate::columns::arrow_type;
    use crate::fixture::{self, Record};

    fn sample() -> (RawBatch, RowBatch) {
        let full = Record {
            value: Some(b"v".to_vec()),
            key: Some(b"k".to_vec()),
            timestamp_ms: Some(17),
            headers: vec![("h".into(), Some(b"1".to_vec())), ("g".into(), None), ("h".into(), Some(b"2".to_vec()))],
            qos: Some(1),
        };
        let raw = fixture::batch(vec![Record::of("left out"), full, Record::default()]);
        let batch = RowBatch {
            partition: raw.partition,
            delta: raw.delta,
            route: 0,
            rows: vec![1, 2],
            decoded: vec![Arc::new(Int64Array::from(vec![7, 8]))],
            output: None,
        };
        (raw, batch)
    }

    #[test]
    fn values_are_those_of_the_kept_rows() {
        let (raw, batch) = sample();
        let get = |expr| evaluate(&expr, &raw, &batch);
        assert_eq!(get(Expr::Column(0)).as_primitive::<Int64Type>().values().to_vec(), [7, 8]);
        assert_eq!(get(Expr::Topic).as_string::<i32>().value(1), "orders");
        assert_eq!(get(Expr::Partition).as_primitive::<Int32Type>().values().to_vec(), [3, 3]);
        assert_eq!(get(Expr::Offset).as_primitive::<Int64Type>().values().to_vec(), [101, 102]);
        let times = get(Expr::Timestamp);
        assert_eq!((times.as_primitive::<TimestampMillisecondType>().value(0), times.is_null(1)), (17, true));
        for (expr, expected) in [(Expr::Key, "k"), (Expr::Header("h".into()), "2"), (Expr::Value, "v")] {
            let array = get(expr);
            assert_eq!((array.as_binary::<i32>().value(0), array.is_null(1)), (expected.as_bytes(), true));
        }
        assert!(get(Expr::Header("g".into())).is_null(0));
        assert_eq!(get(Expr::Qos).as_primitive::<Int32Type>().iter().collect::<Vec<_>>(), [Some(1), None]);
        assert_eq!(get(Expr::Retained).null_count(), 2);
    }

    #[test]
    fn types_are_those_of_the_arrays() {
        let (raw, batch) = sample();
        let column = kpipe_compiler::plan::DecodeColumn { path: vec!["a".into(), "b".into()], data_type: DataType::Int64, nullable: true };
        let decode = Decode { format: ValueFormat::Bytes, columns: vec![column] };
        let metadata = [Expr::Topic, Expr::Partition, Expr::Offset, Expr::Timestamp, Expr::Key, Expr::Qos, Expr::Retained, Expr::Value];
        for expr in metadata.into_iter().chain([Expr::Column(0), Expr::Header("h".into())]) {
            let data_type = type_of(&expr, &decode).unwrap();
            assert_eq!(&arrow_type(&data_type), evaluate(&expr, &raw, &batch).data_type(), "{}", name_of(&expr, &decode));
        }
        assert_eq!(type_of(&Expr::Column(1), &decode), None);
        assert_eq!(name_of(&Expr::Column(0), &decode), "a.b");
    }
}
