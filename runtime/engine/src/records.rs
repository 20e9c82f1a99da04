//! Records as a source hands them over: a batch of borrowed slices and the positions that it covers.

use std::sync::Arc;

use crate::position::{Delta, PartitionId, Position};

/// The records of a batch in a source's own memory. Slices live as long as the batch; nothing is copied to make one.
///
/// Indices are `0..len()`. A call costs a virtual call, so callers loop over rows once per need, not once per byte.
pub trait Records: Send {
    /// How many.
    fn len(&self) -> usize;

    /// True if there is none (a batch may still move the position).
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of the partition in the source system, as in `Assigned`: 0 where there is none. The same for all rows.
    fn source_partition(&self) -> i32;

    /// The value; `None` is a null value (a tombstone).
    fn value(&self, row: usize) -> Option<&[u8]>;

    /// The key; `None` is a null key.
    fn key(&self, row: usize) -> Option<&[u8]>;

    /// Its position in the source partition. Ascending with the row.
    fn position(&self, row: usize) -> Position;

    /// Milliseconds since 1970 UTC, if the record has a time.
    fn timestamp_ms(&self, row: usize) -> Option<i64>;

    /// The topic it came from: Kafka's, MQTT's, a file's path.
    fn topic(&self, row: usize) -> &str;

    /// Calls `each` for every header in order.
    fn headers(&self, row: usize, each: &mut dyn FnMut(&str, Option<&[u8]>));

    /// MQTT's quality of service, for a source that has one.
    fn qos(&self, row: usize) -> Option<u8> {
        let _ = row;
        None
    }

    /// MQTT's retained flag, for a source that has one.
    fn retained(&self, row: usize) -> Option<bool> {
        let _ = row;
        None
    }
}

/// A batch of one source partition, read in one go.
pub struct RawBatch {
    /// Which partition.
    pub partition: PartitionId,
    /// The positions it covers, records that the source skipped included.
    pub delta: Delta,
    /// Indices of the pipeline's routes (statements) that take these records; a source never mixes records of different sets of
    /// routes in one batch.
    pub routes: Arc<[usize]>,
    /// The records.
    pub records: Box<dyn Records>,
    /// Bytes that the batch holds in memory, keys and values.
    pub bytes: usize,
}

impl RawBatch {
    /// The part of the batch that stands before a position.
    #[must_use]
    pub(crate) fn before(self, end: Position) -> Self {
        let Self { partition, delta, routes, records, bytes } = self;
        let mut rows = 0..records.len();
        let len = rows.find(|row| records.position(*row) >= end).unwrap_or(records.len());
        Self { partition, delta: Delta::new(delta.start, end.min(delta.end)), routes, records: Box::new(Head { records, len }), bytes }
    }
}

/// The first rows of other records.
struct Head {
    records: Box<dyn Records>,
    len: usize,
}

impl Records for Head {
    fn len(&self) -> usize {
        self.len
    }

    fn source_partition(&self) -> i32 {
        self.records.source_partition()
    }

    fn value(&self, row: usize) -> Option<&[u8]> {
        self.records.value(row)
    }

    fn key(&self, row: usize) -> Option<&[u8]> {
        self.records.key(row)
    }

    fn position(&self, row: usize) -> Position {
        self.records.position(row)
    }

    fn timestamp_ms(&self, row: usize) -> Option<i64> {
        self.records.timestamp_ms(row)
    }

    fn topic(&self, row: usize) -> &str {
        self.records.topic(row)
    }

    fn headers(&self, row: usize, each: &mut dyn FnMut(&str, Option<&[u8]>)) {
        self.records.headers(row, each);
    }

    fn qos(&self, row: usize) -> Option<u8> {
        self.records.qos(row)
    }

    fn retained(&self, row: usize) -> Option<bool> {
        self.records.retained(row)
    }
}

impl std::fmt::Debug for RawBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RawBatch {{ {:?} {:?}, {} records, {} bytes }}", self.partition, self.delta, self.records.len(), self.bytes)
    }
}
