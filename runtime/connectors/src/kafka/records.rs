//! A batch as the engine reads it.

use std::sync::Arc;

use kpipe_engine::position::Position;
use kpipe_engine::records::Records;

use super::ffi::Messages;
use super::rebalance::Named;

/// Records of one partition in librdkafka's memory.
pub(super) struct Batch {
    messages: Messages,
    topic: Arc<str>,
    partition: i32,
}

impl Batch {
    pub(super) fn new(messages: Messages, (topic, partition): Named) -> Self {
        Self { messages, topic, partition }
    }
}

impl Records for Batch {
    fn len(&self) -> usize {
        self.messages.len()
    }

    fn value(&self, row: usize) -> Option<&[u8]> {
        self.messages.value(row)
    }

    fn key(&self, row: usize) -> Option<&[u8]> {
        self.messages.key(row)
    }

    fn position(&self, row: usize) -> Position {
        Position(self.messages.offset(row))
    }

    fn timestamp_ms(&self, row: usize) -> Option<i64> {
        self.messages.timestamp_ms(row)
    }

    fn source_partition(&self) -> i32 {
        self.partition
    }

    fn topic(&self, _row: usize) -> &str {
        &self.topic
    }

    fn headers(&self, row: usize, each: &mut dyn FnMut(&str, Option<&[u8]>)) {
        self.messages.headers(row, each);
    }
}
