//! What is visible, as lines of text.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use bytes::Bytes;
use kpipe_engine::memory::Produced;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// The rows of a file, by its name's extension.
pub(super) fn of_file(key: &str, data: &Bytes) -> Vec<String> {
    if key.ends_with(".parquet") { of_parquet(data) } else { String::from_utf8_lossy(data).lines().map(str::to_owned).collect() }
}

fn of_parquet(data: &Bytes) -> Vec<String> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(data.clone()).and_then(ParquetRecordBatchReaderBuilder::build);
    let mut rows = Vec::new();
    for batch in reader.expect("a visible file is whole") {
        let batch = batch.expect("a visible file is whole");
        let options = FormatOptions::new().with_null("null");
        let schema = batch.schema();
        let shown: Vec<ArrayRef> = batch.columns().iter().map(without_zone).collect();
        let columns: Vec<(&str, ArrayFormatter<'_>)> = schema
            .fields()
            .iter()
            .zip(&shown)
            .map(|(field, column)| (field.name().as_str(), ArrayFormatter::try_new(column, &options).expect("every type can be shown")))
            .collect();
        rows.extend((0..batch.num_rows()).map(|row| {
            let cells: Vec<String> = columns.iter().map(|(name, column)| format!("{name}={}", column.value(row))).collect();
            cells.join(" ")
        }));
    }
    rows
}

/// Times are UTC; names of zones cannot be shown without their table.
fn without_zone(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Timestamp(unit, Some(_)) => cast(column, &DataType::Timestamp(*unit, None)).expect("a zone can be left out"),
        _ => Arc::clone(column),
    }
}

/// A record of a topic.
pub(super) fn of_record(record: &Produced) -> String {
    let text = |bytes: &Option<Bytes>| bytes.as_ref().map_or("null".to_owned(), |bytes| String::from_utf8_lossy(bytes).into_owned());
    let headers: Vec<String> = record.headers.iter().map(|(name, value)| format!(" {name}={:?}", text(value))).collect();
    format!("topic {}: key={} value={}{}", record.topic, text(&record.key), text(&record.value), headers.concat())
}

/// The partition that a dead letter came from; `None` for other records.
pub(super) fn partition_of_letter(record: &Produced) -> Option<Bytes> {
    record.headers.iter().find(|(name, _)| name == "__connect.errors.partition").and_then(|(_, value)| value.clone())
}
