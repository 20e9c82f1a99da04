//! Records that tests hand out.

use kpipe_engine::position::Position;
use kpipe_engine::records::Records;

/// Values of one partition of the topic `t`, without keys, times and headers.
pub(crate) struct Values {
    pub(crate) values: Vec<Option<Vec<u8>>>,
    pub(crate) partition: i32,
}

impl Records for Values {
    fn len(&self) -> usize {
        self.values.len()
    }

    fn source_partition(&self) -> i32 {
        self.partition
    }

    fn value(&self, row: usize) -> Option<&[u8]> {
        self.values[row].as_deref()
    }

    fn key(&self, _row: usize) -> Option<&[u8]> {
        None
    }

    fn position(&self, row: usize) -> Position {
        Position(row as i64)
    }

    fn timestamp_ms(&self, _row: usize) -> Option<i64> {
        None
    }

    fn topic(&self, _row: usize) -> &str {
        "t"
    }

    fn headers(&self, _row: usize, _each: &mut dyn FnMut(&str, Option<&[u8]>)) {}
}
