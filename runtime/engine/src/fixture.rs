//! Records for the tests of this crate.

use std::sync::Arc;

use crate::path::FileEncoder;
use crate::position::{Delta, PartitionId, Position};
use crate::records::{RawBatch, Records};

/// One record; everything but the value has a default.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) timestamp_ms: Option<i64>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
    pub(crate) qos: Option<u8>,
}

impl Record {
    pub(crate) fn of(value: &str) -> Self {
        Self { value: Some(value.as_bytes().to_vec()), ..Self::default() }
    }
}

/// Ends a file and gives what was not taken of it.
pub(crate) fn rest(encoder: &mut dyn FileEncoder) -> Vec<u8> {
    encoder.finish().expect("tests give rows that fit");
    std::iter::from_fn(|| encoder.take_part()).flatten().collect()
}

struct Rows(Vec<Record>);

impl Records for Rows {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn source_partition(&self) -> i32 {
        3
    }

    fn value(&self, row: usize) -> Option<&[u8]> {
        self.0[row].value.as_deref()
    }

    fn key(&self, row: usize) -> Option<&[u8]> {
        self.0[row].key.as_deref()
    }

    fn position(&self, row: usize) -> Position {
        Position(100 + row as i64)
    }

    fn timestamp_ms(&self, row: usize) -> Option<i64> {
        self.0[row].timestamp_ms
    }

    fn topic(&self, _row: usize) -> &str {
        "orders"
    }

    fn headers(&self, row: usize, each: &mut dyn FnMut(&str, Option<&[u8]>)) {
        for (name, value) in &self.0[row].headers {
            each(name, value.as_deref());
        }
    }

    fn qos(&self, row: usize) -> Option<u8> {
        self.0[row].qos
    }
}

/// A batch of partition 3 of `orders`; the first record has offset 100.
pub(crate) fn batch(records: Vec<Record>) -> RawBatch {
    let delta = Delta::new(Position(100), Position(100 + records.len() as i64));
    let bytes = records.iter().filter_map(|record| record.value.as_ref()).map(Vec::len).sum();
    RawBatch { partition: PartitionId(0), delta, routes: Arc::new([0]), records: Box::new(Rows(records)), bytes }
}

/// A batch of values.
pub(crate) fn values(values: &[&str]) -> RawBatch {
    batch(values.iter().map(|value| Record::of(value)).collect())
}
