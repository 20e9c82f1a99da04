//! Producing under a topic handle: no look-up and no C string a record.

use std::ffi::{CString, c_void};
use std::ptr;
use std::sync::Arc;

use rdkafka::types::RDKafkaErrorCode;
use rdkafka_sys as sys;

use super::Native;

/// A record to produce; librdkafka copies it.
pub(in crate::kafka) struct Outgoing<'a> {
    /// Key; `None` is null.
    pub(in crate::kafka) key: Option<&'a [u8]>,
    /// Value; `None` is null.
    pub(in crate::kafka) value: Option<&'a [u8]>,
    /// Milliseconds since 1970; `None`: now.
    pub(in crate::kafka) timestamp_ms: Option<i64>,
    /// Headers, if there are any.
    pub(in crate::kafka) headers: Option<Headers>,
    /// Comes back with the delivery report.
    pub(in crate::kafka) opaque: usize,
}

/// A topic of a producer.
pub(in crate::kafka) struct TopicHandle {
    topic: *mut sys::rd_kafka_topic_t,
    client: Arc<dyn Native>,
}

// SAFETY: topic handles may be used from any thread; they are locked inside.
unsafe impl Send for TopicHandle {}

impl TopicHandle {
    /// A handle; `None` if the name cannot be one at all.
    pub(in crate::kafka) fn new(client: Arc<dyn Native>, name: &str) -> Option<Self> {
        let name = CString::new(name).ok()?;
        // SAFETY: the client is valid while `client` lives, the name is copied, and a null configuration means the client's.
        let topic = unsafe { sys::rd_kafka_topic_new(client.native(), name.as_ptr(), ptr::null_mut()) };
        if topic.is_null() { None } else { Some(Self { topic, client }) }
    }

    /// Hands a record over.
    ///
    /// # Errors
    /// The code says why it was not taken; `QueueFull` is one of them.
    pub(in crate::kafka) fn produce(&self, record: Outgoing<'_>) -> Result<(), RDKafkaErrorCode> {
        let Outgoing { key, value, timestamp_ms, headers, opaque } = record;
        let (key, key_len) = parts(key);
        let (value, value_len) = parts(value);
        let list = headers.as_ref().map_or(ptr::null_mut(), |headers| headers.0);
        // SAFETY: the client and the topic are valid while `self` lives; each tag is followed by the C types that librdkafka reads for
        // it; key and value are copied (`MSG_F_COPY`) before the call returns.
        let error = unsafe {
            sys::rd_kafka_producev(
                self.client.native(),
                sys::rd_kafka_vtype_t::RD_KAFKA_VTYPE_RKT,
                self.topic,
                sys::rd_kafka_vtype_t::RD_KAFKA_VTYPE_MSGFLAGS,
                sys::RD_KAFKA_MSG_F_COPY,
                sys::rd_kafka_vtype_t::RD_KAFKA_VTYPE_VALUE,
                value,
                value_len,
                sys::rd_kafka_vtype_t::RD_KAFKA_VTYPE_KEY,
                key,
                key_len,
                sys::rd_kafka_vtype_t::RD_KAFKA_VTYPE_TIMESTAMP,
                timestamp_ms.unwrap_or(0),
                sys::rd_kafka_vtype_t::RD_KAFKA_VTYPE_OPAQUE,
                opaque as *mut c_void,
                sys::rd_kafka_vtype_t::RD_KAFKA_VTYPE_HEADERS,
                list,
                sys::rd_kafka_vtype_t::RD_KAFKA_VTYPE_END,
            )
        };
        if error == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            // The list belongs to the record now.
            std::mem::forget(headers);
            Ok(())
        } else {
            Err(error.into())
        }
    }
}

impl Drop for TopicHandle {
    fn drop(&mut self) {
        // SAFETY: the handle is valid up to here and given back once, before the client.
        unsafe { sys::rd_kafka_topic_destroy(self.topic) };
    }
}

/// A pointer and a length; null is null, and empty is not.
fn parts(bytes: Option<&[u8]>) -> (*mut c_void, usize) {
    match bytes {
        Some(bytes) => (bytes.as_ptr().cast::<c_void>().cast_mut(), bytes.len()),
        None => (ptr::null_mut(), 0),
    }
}

/// Headers of one record.
pub(in crate::kafka) struct Headers(*mut sys::rd_kafka_headers_t);

// SAFETY: a list of headers is plain memory with one owner.
unsafe impl Send for Headers {}

impl Headers {
    /// An empty list with room for `count`.
    pub(in crate::kafka) fn new(count: usize) -> Self {
        // SAFETY: allocates; librdkafka ends the process rather than returning null.
        Self(unsafe { sys::rd_kafka_headers_new(count) })
    }

    /// Appends one. A name with a NUL is cut there by every reader in C.
    pub(in crate::kafka) fn add(&mut self, name: &str, value: Option<&[u8]>) {
        let (value, len) = parts(value);
        // SAFETY: the list is ours; name and value are copied by their lengths, which fit because they come from slices.
        let error = unsafe { sys::rd_kafka_header_add(self.0, name.as_ptr().cast(), name.len().cast_signed(), value, len.cast_signed()) };
        debug_assert!(error == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR, "only a list that a record owns is read-only");
    }
}

impl Drop for Headers {
    fn drop(&mut self) {
        // SAFETY: the list was not given to a record, or it would have been forgotten; destroyed once.
        unsafe { sys::rd_kafka_headers_destroy(self.0) };
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rdkafka::ClientConfig;
    use rdkafka::Message;
    use rdkafka::message::Headers as _;
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseProducer, Producer};

    use super::super::super::testing;
    use super::*;

    fn producer(servers: &str, queue: &str) -> Arc<BaseProducer> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", servers).set("queue.buffering.max.messages", queue).set("message.max.bytes", "10000");
        Arc::new(config.create().unwrap())
    }

    #[test]
    fn records_arrive_as_they_were_handed_over() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("t", 1, 1).unwrap();
        let producer = producer(&cluster.bootstrap_servers(), "100");
        let topic = TopicHandle::new(producer.clone(), "t").unwrap();
        let mut headers = Headers::new(2);
        headers.add("name", Some(b"value"));
        headers.add("null", None);
        let full = Outgoing { key: Some(b"k"), value: Some(b"v"), timestamp_ms: Some(77), headers: Some(headers), opaque: 0 };
        topic.produce(full).unwrap();
        topic.produce(Outgoing { key: None, value: Some(b""), timestamp_ms: None, headers: None, opaque: 0 }).unwrap();
        topic.produce(Outgoing { key: Some(b""), value: None, timestamp_ms: None, headers: None, opaque: 0 }).unwrap();
        producer.flush(Duration::from_secs(10)).unwrap();

        let records = testing::drain(&cluster.bootstrap_servers(), "t", 3);
        assert_eq!(
            (records[0].key(), records[0].payload(), records[0].timestamp().to_millis()),
            (Some(&b"k"[..]), Some(&b"v"[..]), Some(77))
        );
        let headers = records[0].headers().unwrap();
        assert_eq!((headers.get(0).key, headers.get(0).value), ("name", Some(&b"value"[..])));
        assert_eq!((headers.get(1).key, headers.get(1).value), ("null", None));
        assert_eq!((records[1].key(), records[1].payload()), (None, Some(&b""[..])));
        assert_eq!((records[2].key(), records[2].payload()), (Some(&b""[..]), None));
    }

    #[test]
    fn what_is_not_taken_says_why() {
        let producer = producer("127.0.0.1:1", "2");
        let topic = TopicHandle::new(producer.clone(), "t").unwrap();
        let send = |value: &[u8]| {
            let mut headers = Headers::new(1);
            headers.add("h", Some(b"x"));
            topic.produce(Outgoing { key: None, value: Some(value), timestamp_ms: None, headers: Some(headers), opaque: 0 })
        };
        assert_eq!(send(&[0; 20_000]), Err(RDKafkaErrorCode::MessageSizeTooLarge));
        assert_eq!((send(b"1"), send(b"2")), (Ok(()), Ok(())));
        assert_eq!(send(b"3"), Err(RDKafkaErrorCode::QueueFull));
        assert!(TopicHandle::new(producer, "nul\0").is_none());
    }

    #[test]
    fn headers_that_are_not_used_are_freed() {
        let mut headers = Headers::new(0);
        headers.add("a", Some(&[1; 100]));
        drop(headers);
    }
}
