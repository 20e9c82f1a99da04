//! A batch of messages in the buffer that they were read into.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use kpipe_engine::position::Position;
use kpipe_engine::records::Records;

use super::packet::user_properties;

/// One message of a batch.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) topic: Arc<str>,
    pub(super) payload: Range<usize>,
    pub(super) properties: Range<usize>,
    pub(super) qos: u8,
    pub(super) retained: bool,
    pub(super) position: i64,
}

/// Messages that arrived together, and their common buffer.
#[derive(Debug)]
pub(super) struct Messages {
    pub(super) buffer: Bytes,
    pub(super) entries: Vec<Entry>,
    /// When they were read, in milliseconds since 1970.
    pub(super) arrival_ms: i64,
}

impl Records for Messages {
    fn len(&self) -> usize {
        self.entries.len()
    }

    fn source_partition(&self) -> i32 {
        0
    }

    fn value(&self, row: usize) -> Option<&[u8]> {
        Some(&self.buffer[self.entries[row].payload.clone()])
    }

    fn key(&self, _row: usize) -> Option<&[u8]> {
        None
    }

    fn position(&self, row: usize) -> Position {
        Position(self.entries[row].position)
    }

    fn timestamp_ms(&self, _row: usize) -> Option<i64> {
        Some(self.arrival_ms)
    }

    fn topic(&self, row: usize) -> &str {
        &self.entries[row].topic
    }

    fn headers(&self, row: usize, each: &mut dyn FnMut(&str, Option<&[u8]>)) {
        let entry = &self.entries[row];
        each("mqtt.topic", Some(entry.topic.as_bytes()));
        each("mqtt.qos", Some(&[b'0' + entry.qos]));
        each("mqtt.retained", Some(if entry.retained { b"true" } else { b"false" }));
        user_properties(&self.buffer[entry.properties.clone()], |name, value| each(name, Some(value)));
    }

    fn qos(&self, row: usize) -> Option<u8> {
        Some(self.entries[row].qos)
    }

    fn retained(&self, row: usize) -> Option<bool> {
        Some(self.entries[row].retained)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_shows_its_topic_and_flags_as_headers() {
        let entry = Entry { topic: "a/b".into(), payload: 0..2, properties: 2..2, qos: 1, retained: true, position: 9 };
        let messages = Messages { buffer: Bytes::from_static(b"hi"), entries: vec![entry], arrival_ms: 5 };
        let mut headers = Vec::new();
        messages.headers(0, &mut |name, value| headers.push((name.to_owned(), value.map(<[u8]>::to_vec))));
        assert_eq!(headers[0], ("mqtt.topic".into(), Some(b"a/b".to_vec())));
        assert_eq!(headers[1], ("mqtt.qos".into(), Some(b"1".to_vec())));
        assert_eq!(headers[2], ("mqtt.retained".into(), Some(b"true".to_vec())));
        assert_eq!((messages.value(0), messages.position(0)), (Some(b"hi".as_slice()), Position(9)));
        assert_eq!((messages.key(0), messages.timestamp_ms(0), messages.qos(0)), (None, Some(5), Some(1)));
    }
}
