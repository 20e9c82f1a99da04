//! What tells a topic from an earlier one of its name: its id.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr;
use std::slice;
use std::time::Duration;

use rdkafka::types::RDKafkaErrorCode;
use rdkafka_sys as sys;

use super::Native;

/// How much longer than librdkafka its answer is waited for, which says that there was none.
const MARGIN: Duration = Duration::from_millis(500);

/// Something of librdkafka's that must be given back.
struct Owned<T> {
    pointer: *mut T,
    destroy: unsafe extern "C" fn(*mut T),
}

impl<T> Owned<T> {
    /// `None` for null.
    ///
    /// # Safety
    /// Nobody else gives the pointer back, and `destroy` is what does.
    unsafe fn new(pointer: *mut T, destroy: unsafe extern "C" fn(*mut T)) -> Option<Self> {
        if pointer.is_null() { None } else { Some(Self { pointer, destroy }) }
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: the pointer is not null, valid up to here, and not used again; `new` was promised that this gives it back.
        unsafe { (self.destroy)(self.pointer) };
    }
}

/// The ids of topics by their names, as 128 bits; 0 where the cluster gives none (before Kafka 2.8). Asks this broker, for any can answer
/// and the controller may be on the move; waits for the answer.
///
/// # Errors
/// There is no answer in time, or one of the topics cannot be described.
pub(in super::super) fn topic_ids(
    client: &dyn Native,
    broker: i32,
    topics: &[&str],
    wait: Duration,
) -> Result<BTreeMap<String, u128>, RDKafkaErrorCode> {
    let names: Result<Vec<CString>, _> = topics.iter().map(|name| CString::new(*name)).collect();
    let names = names.map_err(|_| RDKafkaErrorCode::InvalidArgument)?;
    let event = describe(client, broker, &names, wait).ok_or(RDKafkaErrorCode::OperationTimedOut)?;
    // SAFETY: the event is valid until it is dropped.
    let error = unsafe { sys::rd_kafka_event_error(event.pointer) };
    if error != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Err(error.into());
    }
    // SAFETY: as above; null is what it answers for an event of another kind.
    let result = unsafe { sys::rd_kafka_event_DescribeTopics_result(event.pointer) };
    if result.is_null() {
        return Err(RDKafkaErrorCode::BadMessage);
    }
    let mut count = 0;
    // SAFETY: the result is not null and lives as long as the event; the count is writable.
    let found = unsafe { sys::rd_kafka_DescribeTopics_result_topics(result, &mut count) };
    if found.is_null() {
        return Ok(BTreeMap::new());
    }
    // SAFETY: librdkafka says that so many pointers lie there, for as long as the event lives.
    let found = unsafe { slice::from_raw_parts(found, count) };
    found.iter().map(|topic| described(*topic)).collect()
}

/// Asks, and waits for the event that answers. `None` if none came.
fn describe(client: &dyn Native, broker: i32, names: &[CString], wait: Duration) -> Option<Owned<sys::rd_kafka_event_t>> {
    let client = client.native();
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let timeout_ms = |wait: Duration| c_int::try_from(wait.as_millis()).unwrap_or(c_int::MAX);
    let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
    // SAFETY: the client is valid while it is borrowed, and all three are given back by their own functions before that ends. The names
    // are read, and copied, by the call that gets them, which outlives neither `names` nor `pointers`.
    let (queue, options, topics) = unsafe {
        let queue = Owned::new(sys::rd_kafka_queue_new(client), sys::rd_kafka_queue_destroy)?;
        let options = Owned::new(sys::rd_kafka_AdminOptions_new(client, operation), sys::rd_kafka_AdminOptions_destroy)?;
        let topics = sys::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
        (queue, options, Owned::new(topics, sys::rd_kafka_TopicCollection_destroy)?)
    };
    // SAFETY: client, collection, options and queue are valid through the calls, and librdkafka copies the first three. The queue may be
    // given back before an answer comes: librdkafka holds it for itself then and throws the answer away. No text of an error is asked for.
    unsafe {
        sys::rd_kafka_AdminOptions_set_request_timeout(options.pointer, timeout_ms(wait), ptr::null_mut(), 0);
        sys::rd_kafka_AdminOptions_set_broker(options.pointer, broker, ptr::null_mut(), 0);
        sys::rd_kafka_DescribeTopics(client, topics.pointer, options.pointer, queue.pointer);
        Owned::new(sys::rd_kafka_queue_poll(queue.pointer, timeout_ms(wait + MARGIN)), sys::rd_kafka_event_destroy)
    }
}

/// Name and id of one topic of a result, which must live through the call.
fn described(topic: *const sys::rd_kafka_TopicDescription_t) -> Result<(String, u128), RDKafkaErrorCode> {
    // SAFETY: the topic is one of a result whose event `topic_ids` holds; what these give lives as long. The error may be null, which
    // its function takes for "no error".
    let (code, name, id) = unsafe {
        let code = sys::rd_kafka_error_code(sys::rd_kafka_TopicDescription_error(topic));
        (code, sys::rd_kafka_TopicDescription_name(topic), sys::rd_kafka_TopicDescription_topic_id(topic))
    };
    if code != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Err(code.into());
    }
    if name.is_null() {
        return Err(RDKafkaErrorCode::BadMessage);
    }
    // SAFETY: the name is not null, ends with a zero byte, and lives as long as the event.
    let name = unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned();
    if id.is_null() {
        return Ok((name, 0));
    }
    // SAFETY: the id is not null and lives as long as the event.
    let (high, low) = unsafe { (sys::rd_kafka_Uuid_most_significant_bits(id), sys::rd_kafka_Uuid_least_significant_bits(id)) };
    Ok((name, u128::from(high.cast_unsigned()) << 64 | u128::from(low.cast_unsigned())))
}

#[cfg(test)]
mod tests {
    use rdkafka::ClientConfig;
    use rdkafka::consumer::{BaseConsumer, DefaultConsumerContext};
    use rdkafka::mocking::MockCluster;

    use super::*;

    fn consumer(servers: &str) -> BaseConsumer<DefaultConsumerContext> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", servers).set("group.id", "g");
        config.create().unwrap()
    }

    #[test]
    fn each_topic_has_an_id_of_its_own() {
        let cluster = MockCluster::new(1).unwrap();
        for topic in ["one", "two"] {
            cluster.create_topic(topic, 1, 1).unwrap();
        }
        let consumer = consumer(&cluster.bootstrap_servers());
        let wait = Duration::from_secs(5);
        let ids = topic_ids(&consumer, 1, &["two", "one"], wait).unwrap();
        assert_eq!(ids.keys().collect::<Vec<_>>(), ["one", "two"]);
        assert!(ids["one"] != ids["two"] && ids.values().all(|id| *id != 0), "{ids:?}");
        assert_eq!(topic_ids(&consumer, 1, &["one"], wait).unwrap()["one"], ids["one"]);
        assert_eq!(topic_ids(&consumer, 1, &["nul\0"], wait), Err(RDKafkaErrorCode::InvalidArgument));
    }

    #[test]
    fn no_answer_is_an_error() {
        let error = topic_ids(&consumer("127.0.0.1:1"), 1, &["t"], Duration::from_millis(200)).unwrap_err();
        assert!(matches!(error, RDKafkaErrorCode::OperationTimedOut | RDKafkaErrorCode::BrokerTransportFailure), "{error:?}");
    }
}
