//! Records in librdkafka's memory.

use std::ffi::CStr;
use std::ptr;
use std::slice;
use std::sync::Arc;

use rdkafka::types::RDKafkaErrorCode;
use rdkafka_sys as sys;

use super::Native;

/// What a partition's queue says beside records.
#[derive(Debug)]
pub(in crate::kafka) struct QueueError {
    /// What happened; the end of the partition is one of these.
    pub(in crate::kafka) code: RDKafkaErrorCode,
    /// Where the partition's reader stands; negative if that is not known.
    pub(in crate::kafka) offset: i64,
    /// librdkafka's words.
    pub(in crate::kafka) text: String,
}

/// Records of one partition, given back to librdkafka when dropped.
pub(in crate::kafka) struct Messages {
    messages: Vec<*mut sys::rd_kafka_message_t>,
    /// Records point into buffers of the client.
    _client: Arc<dyn Native>,
}

// SAFETY: messages may be read and destroyed by any thread, one at a time, and `Messages` is not `Sync`.
unsafe impl Send for Messages {}

impl Messages {
    /// Takes ownership of messages that `rd_kafka_consume_batch_queue` handed over.
    pub(super) fn new(messages: Vec<*mut sys::rd_kafka_message_t>, client: Arc<dyn Native>) -> Self {
        Self { messages, _client: client }
    }

    /// How many.
    pub(in crate::kafka) fn len(&self) -> usize {
        self.messages.len()
    }

    fn message(&self, index: usize) -> &sys::rd_kafka_message_t {
        // SAFETY: the pointers come from librdkafka, are not null and stay valid until the drop; nobody writes to them.
        unsafe { &*self.messages[index] }
    }

    /// Takes the entries out that are no records.
    pub(in crate::kafka) fn take_errors(&mut self) -> Vec<QueueError> {
        let mut errors = Vec::new();
        self.messages.retain(|&message| {
            // SAFETY: as in `message`; an entry that is not kept is read first, then destroyed once, and is gone from the list.
            unsafe {
                let code = (*message).err;
                if code == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                    return true;
                }
                let text = CStr::from_ptr(sys::rd_kafka_message_errstr(message)).to_string_lossy().into_owned();
                errors.push(QueueError { code: code.into(), offset: (*message).offset, text });
                sys::rd_kafka_message_destroy(message);
            }
            false
        });
        errors
    }

    /// Gives back the records before an offset.
    pub(in crate::kafka) fn drop_before(&mut self, offset: i64) {
        let count = self.messages.iter().take_while(|&&message| {
            // SAFETY: as in `message`.
            unsafe { (*message).offset < offset }
        });
        let count = count.count();
        for message in self.messages.drain(..count) {
            // SAFETY: a drained message is gone from the list, and destroyed once.
            unsafe { sys::rd_kafka_message_destroy(message) };
        }
    }

    /// Offset of a record.
    pub(in crate::kafka) fn offset(&self, index: usize) -> i64 {
        self.message(index).offset
    }

    /// Value; `None` is null.
    pub(in crate::kafka) fn value(&self, index: usize) -> Option<&[u8]> {
        let message = self.message(index);
        // SAFETY: librdkafka gives a pointer to `len` bytes that live as long as the message, or null.
        (!message.payload.is_null()).then(|| unsafe { slice::from_raw_parts(message.payload.cast::<u8>(), message.len) })
    }

    /// Key; `None` is null.
    pub(in crate::kafka) fn key(&self, index: usize) -> Option<&[u8]> {
        let message = self.message(index);
        // SAFETY: librdkafka gives a pointer to `key_len` bytes that live as long as the message, or null.
        (!message.key.is_null()).then(|| unsafe { slice::from_raw_parts(message.key.cast::<u8>(), message.key_len) })
    }

    /// Bytes of all keys and values.
    pub(in crate::kafka) fn bytes(&self) -> usize {
        (0..self.len()).map(|index| self.message(index)).map(|message| message.len + message.key_len).sum()
    }

    /// Milliseconds since 1970, if the record has a time.
    pub(in crate::kafka) fn timestamp_ms(&self, index: usize) -> Option<i64> {
        // SAFETY: the message is valid; the kind of time is not asked for, which a null pointer says.
        let ms = unsafe { sys::rd_kafka_message_timestamp(self.message(index), ptr::null_mut()) };
        (ms >= 0).then_some(ms)
    }

    /// Calls `each` for every header in order.
    pub(in crate::kafka) fn headers(&self, index: usize, each: &mut dyn FnMut(&str, Option<&[u8]>)) {
        let none = sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
        let mut headers = ptr::null_mut();
        // SAFETY: the message is valid and used by this thread alone (parsing happens at the first call); the list belongs to it.
        if unsafe { sys::rd_kafka_message_headers(self.message(index), &mut headers) } != none {
            return;
        }
        for at in 0.. {
            let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
            // SAFETY: the list lives as long as the message; the answer says whether the three places were written.
            if unsafe { sys::rd_kafka_header_get_all(headers, at, &mut name, &mut value, &mut size) } != none {
                return;
            }
            // SAFETY: the name is a C string and the value `size` bytes, both as long-lived as the list; a null value is kept as such.
            let (name, value) = unsafe {
                let value = (!value.is_null()).then(|| slice::from_raw_parts(value.cast::<u8>(), size));
                (CStr::from_ptr(name).to_string_lossy(), value)
            };
            each(&name, value);
        }
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        for &message in &self.messages {
            // SAFETY: each message is owned by this list, valid up to here, and destroyed once.
            unsafe { sys::rd_kafka_message_destroy(message) };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rdkafka::ClientConfig;
    use rdkafka::TopicPartitionList;
    use rdkafka::consumer::{BaseConsumer, Consumer};
    use rdkafka::message::{Header, OwnedHeaders};
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
    use rdkafka::topic_partition_list::Offset;

    use super::super::super::signal::Signal;
    use super::super::{Queue, Scratch};
    use super::*;

    /// What is in partition 0 of `t`, its end included.
    fn read(servers: &str, records: usize) -> (Messages, Vec<QueueError>) {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", servers).set("group.id", "g").set("enable.partition.eof", "true");
        let consumer: Arc<BaseConsumer> = Arc::new(config.create().unwrap());
        let signal = Arc::new(Signal::default());
        let mut queue = Queue::partition(consumer.clone(), "t", 0).unwrap();
        queue.on_ready(&signal);
        let mut list = TopicPartitionList::new();
        list.add_partition_offset("t", 0, Offset::Beginning).unwrap();
        consumer.assign(&list).unwrap();
        let (mut scratch, mut found) = (Scratch::new(10), Messages::new(Vec::new(), consumer.clone()));
        let mut errors = Vec::new();
        for _ in 0..100 {
            let mut batch = queue.take(&mut scratch);
            errors.extend(batch.take_errors());
            found.messages.append(&mut batch.messages);
            if found.len() >= records && !errors.is_empty() {
                break;
            }
            signal.wait(Duration::from_millis(100));
        }
        (found, errors)
    }

    #[test]
    fn all_of_a_record_is_there() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("t", 1, 1).unwrap();
        let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", cluster.bootstrap_servers()).create().unwrap();
        let headers = OwnedHeaders::new()
            .insert(Header { key: "a", value: Some("1") })
            .insert(Header { key: "a", value: Some("2") })
            .insert(Header::<&str> { key: "none", value: None });
        let full = BaseRecord::to("t").partition(0).key("k").payload("v").timestamp(1234).headers(headers);
        producer.send(full).map_err(|(error, _)| error).unwrap();
        let empty = BaseRecord::<(), str>::to("t").partition(0).payload("");
        producer.send(empty).map_err(|(error, _)| error).unwrap();
        let null = BaseRecord::<str, ()>::to("t").partition(0).key("k");
        producer.send(null).map_err(|(error, _)| error).unwrap();
        producer.flush(Duration::from_secs(10)).unwrap();

        let (mut messages, errors) = read(&cluster.bootstrap_servers(), 3);
        assert_eq!(messages.len(), 3);
        assert_eq!((messages.offset(0), messages.timestamp_ms(0)), (0, Some(1234)));
        assert_eq!((messages.key(0), messages.value(0)), (Some(&b"k"[..]), Some(&b"v"[..])));
        assert_eq!((messages.key(1), messages.value(1)), (None, Some(&b""[..])), "an empty value is not null");
        assert_eq!((messages.key(2), messages.value(2)), (Some(&b"k"[..]), None));
        assert_eq!(messages.bytes(), 3);
        let mut headers = Vec::new();
        messages.headers(0, &mut |name, value| headers.push((name.to_owned(), value.map(<[u8]>::to_vec))));
        assert_eq!(headers, [("a".into(), Some(b"1".to_vec())), ("a".into(), Some(b"2".to_vec())), ("none".into(), None)]);
        messages.headers(1, &mut |name, _| panic!("no header {name}"));
        assert_eq!((errors[0].code, errors[0].offset), (RDKafkaErrorCode::PartitionEOF, 3));
        assert!(errors[0].text.contains("end of partition"), "{}", errors[0].text);
        messages.drop_before(0);
        assert_eq!(messages.len(), 3);
        messages.drop_before(2);
        assert_eq!((messages.len(), messages.offset(0)), (1, 2));
        messages.drop_before(100);
        assert_eq!(messages.len(), 0);
    }
}
