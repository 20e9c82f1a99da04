//! The calls of librdkafka that the `rdkafka` crate does not wrap: batches from a partition's own queue, a wake-up when a queue has
//! something, cached watermarks, ids of topics, and producing under a topic handle.
//!
//! The only unsafe code of the workspace. Everything it hands out keeps the client alive that it belongs to.
#![expect(unsafe_code, reason = "librdkafka is a C library; this module is where its pointers end")]

mod describe;
mod messages;
mod produce;

use std::ffi::{CString, c_void};
use std::ptr;
use std::sync::Arc;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::producer::{BaseProducer, Producer, ProducerContext};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka_sys as sys;

use super::signal::Signal;

pub(super) use describe::topic_ids;
pub(super) use messages::{Messages, QueueError};
pub(super) use produce::{Headers, Outgoing, TopicHandle};

/// A librdkafka client.
///
/// # Safety
/// `native` returns the pointer of a client that is valid for as long as `self` lives.
pub(super) unsafe trait Native: Send + Sync {
    /// The client.
    fn native(&self) -> *mut sys::rd_kafka_t;
}

// SAFETY: a `BaseConsumer` owns its client and destroys it when it is dropped, not before.
unsafe impl<C: ConsumerContext> Native for BaseConsumer<C> {
    fn native(&self) -> *mut sys::rd_kafka_t {
        self.client().native_ptr()
    }
}

// SAFETY: a `BaseProducer` owns its client and destroys it when it is dropped, not before.
unsafe impl<C: ProducerContext> Native for BaseProducer<C> {
    fn native(&self) -> *mut sys::rd_kafka_t {
        self.client().native_ptr()
    }
}

/// A queue of a client.
pub(super) struct Queue {
    queue: *mut sys::rd_kafka_queue_t,
    /// What the wake-up callback points to.
    signal: Option<Arc<Signal>>,
    /// The partition, for a queue that is one's.
    partition: TopicPartitionList,
    /// After `queue` in the order of drops: librdkafka wants its queues back before the client goes.
    client: Arc<dyn Native>,
}

// SAFETY: librdkafka's queues may be used from any thread; they are locked inside.
unsafe impl Send for Queue {}

impl Queue {
    /// The queue that a group member's events come through.
    pub(super) fn consumer(client: Arc<dyn Native>) -> Option<Self> {
        // SAFETY: the client is valid while `client` lives; a null answer (no group) is handled by `new`.
        let queue = unsafe { sys::rd_kafka_queue_get_consumer(client.native()) };
        Self::new(queue, client)
    }

    /// The queue that a producer's reports and errors come through.
    pub(super) fn main(client: Arc<dyn Native>) -> Option<Self> {
        // SAFETY: the client is valid while `client` lives.
        let queue = unsafe { sys::rd_kafka_queue_get_main(client.native()) };
        Self::new(queue, client)
    }

    /// Takes a partition's records out of the consumer's queue into one of their own. Must happen before the partition is assigned, or the
    /// first records are in the consumer's queue already.
    pub(super) fn partition(client: Arc<dyn Native>, topic: &str, partition: i32) -> Option<Self> {
        let name = CString::new(topic).ok()?;
        // SAFETY: the client is valid while `client` lives, and librdkafka copies the name.
        let queue = unsafe { sys::rd_kafka_queue_get_partition(client.native(), name.as_ptr(), partition) };
        let mut queue = Self::new(queue, client)?;
        queue.partition.add_partition(topic, partition);
        // SAFETY: the queue is not null and ours; a null target means that it is forwarded nowhere.
        unsafe { sys::rd_kafka_queue_forward(queue.queue, ptr::null_mut()) };
        Some(queue)
    }

    fn new(queue: *mut sys::rd_kafka_queue_t, client: Arc<dyn Native>) -> Option<Self> {
        // Not `then_some`: a queue must not come into being, and be dropped, without its pointer.
        if queue.is_null() { None } else { Some(Self { queue, signal: None, partition: TopicPartitionList::new(), client }) }
    }

    /// Sets `signal` each time the queue gets something after it was empty. What is in it by now sets nothing.
    pub(super) fn on_ready(&mut self, signal: &Arc<Signal>) {
        let opaque = Arc::as_ptr(signal).cast::<c_void>().cast_mut();
        // SAFETY: the signal outlives the callback: `self.signal` keeps it, and both the next call and the drop replace the callback
        // under the queue's lock, which is held while it runs, before that reference goes.
        unsafe { sys::rd_kafka_queue_cb_event_enable(self.queue, Some(set_signal), opaque) };
        self.signal = Some(Arc::clone(signal));
    }

    /// The next offset after everything that was taken, what no reader sees (transaction markers) included. `None` before the first.
    pub(super) fn position(&self) -> Option<i64> {
        // SAFETY: client and list are valid through the call, which writes into the list's own entries.
        let error = unsafe { sys::rd_kafka_position(self.client.native(), self.partition.ptr()) };
        if error != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return None;
        }
        match self.partition.elements().first()?.offset() {
            Offset::Offset(offset) => Some(offset),
            Offset::Beginning | Offset::End | Offset::Stored | Offset::Invalid | Offset::OffsetTail(_) => None,
        }
    }

    /// Sends a commit whose answer comes through this queue, errors included. (Without a queue an asynchronous commit has no answer.)
    ///
    /// # Errors
    /// The commit could not be sent at all.
    pub(super) fn commit(&self, offsets: &TopicPartitionList) -> Result<(), RDKafkaErrorCode> {
        // SAFETY: client, list and queue are valid through the call; librdkafka copies the list; no callback is given.
        let error = unsafe { sys::rd_kafka_commit_queue(self.client.native(), offsets.ptr(), self.queue, None, ptr::null_mut()) };
        if error == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR { Ok(()) } else { Err(error.into()) }
    }

    /// How many things are in it.
    pub(super) fn len(&self) -> usize {
        // SAFETY: the queue is valid until the drop.
        unsafe { sys::rd_kafka_queue_length(self.queue) }
    }

    /// Takes records out, at most as many as `scratch` is long, without waiting.
    pub(super) fn take(&self, scratch: &mut Scratch) -> Messages {
        let room = &mut scratch.0;
        // SAFETY: the queue is valid until the drop; `room` is writable for the length that is given, and what is written there is
        // initialised; the messages are owned by the caller afterwards, which is what `Messages` is.
        let count = unsafe { sys::rd_kafka_consume_batch_queue(self.queue, 0, room.as_mut_ptr(), room.len()) };
        let count = usize::try_from(count).unwrap_or(0);
        Messages::new(room[..count].to_vec(), Arc::clone(&self.client))
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: the queue is valid up to here and not used again. The callback goes first, so nothing points to the signal any more.
        unsafe {
            sys::rd_kafka_queue_cb_event_enable(self.queue, None, ptr::null_mut());
            sys::rd_kafka_queue_destroy(self.queue);
        }
    }
}

/// Called by librdkafka's threads under the lock of a queue: must neither wait nor call librdkafka.
unsafe extern "C" fn set_signal(_client: *mut sys::rd_kafka_t, opaque: *mut c_void) {
    // SAFETY: `on_ready` registered the pointer of a `Signal` that is kept alive until the callback is taken away.
    let signal = unsafe { &*opaque.cast::<Signal>() };
    signal.set();
}

/// Room for the pointers of one batch; used again for each.
pub(super) struct Scratch(Vec<*mut sys::rd_kafka_message_t>);

// SAFETY: between two calls of `Queue::take` the pointers are leftovers that nobody follows.
unsafe impl Send for Scratch {}

impl Scratch {
    /// For batches of at most this many records.
    pub(super) fn new(records_max: usize) -> Self {
        Self(vec![ptr::null_mut(); records_max])
    }
}

/// The oldest and the next offset of a partition as the last fetch reported them; asks nobody. `None` before the first fetch.
pub(super) fn cached_watermarks(client: &dyn Native, topic: &str, partition: i32) -> Option<(i64, i64)> {
    let topic = CString::new(topic).ok()?;
    let (mut low, mut high) = (-1, -1);
    // SAFETY: the client is valid while it is borrowed, the name lives through the call, and both numbers are writable.
    let error = unsafe { sys::rd_kafka_get_watermark_offsets(client.native(), topic.as_ptr(), partition, &mut low, &mut high) };
    (error == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0).then_some((low.max(0), high))
}

/// The generation of its group in which a consumer is a member, if it is one.
pub(super) fn generation(client: &dyn Native) -> Option<i32> {
    // SAFETY: the client is valid while it is borrowed; what it gives is ours, is read once, and freed once.
    let generation = unsafe {
        let metadata = sys::rd_kafka_consumer_group_metadata(client.native());
        if metadata.is_null() {
            return None;
        }
        let generation = sys::rd_kafka_consumer_group_metadata_generation_id(metadata);
        sys::rd_kafka_consumer_group_metadata_destroy(metadata);
        generation
    };
    (generation >= 0).then_some(generation)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use rdkafka::ClientConfig;
    use rdkafka::consumer::DefaultConsumerContext;
    use rdkafka::mocking::MockCluster;

    use super::super::testing;
    use super::*;

    fn consumer(servers: &str) -> Arc<BaseConsumer<DefaultConsumerContext>> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", servers).set("group.id", "g");
        Arc::new(config.create().unwrap())
    }

    fn assign(consumer: &BaseConsumer<DefaultConsumerContext>, topic: &str) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
        consumer.assign(&list).unwrap();
    }

    /// Takes until `count` records are there or the time is up.
    fn take(queue: &Queue, signal: &Signal, count: usize) -> Vec<Messages> {
        let mut scratch = Scratch::new(100);
        let (mut batches, mut taken, start) = (Vec::new(), 0, Instant::now());
        while taken < count && start.elapsed() < Duration::from_secs(10) {
            let mut batch = queue.take(&mut scratch);
            batch.take_errors();
            taken += batch.len();
            if batch.len() == 0 {
                signal.wait(Duration::from_millis(500));
            } else {
                batches.push(batch);
            }
        }
        assert_eq!(taken, count);
        batches
    }

    #[test]
    fn a_partition_taken_over_hands_out_batches_and_says_when() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("t", 1, 1).unwrap();
        testing::fill(&cluster.bootstrap_servers(), "t", 0, 150);
        let (consumer, signal) = (consumer(&cluster.bootstrap_servers()), Arc::new(Signal::default()));
        let mut queue = Queue::partition(consumer.clone(), "t", 0).unwrap();
        queue.on_ready(&signal);
        assign(&consumer, "t");
        assert_eq!(queue.position(), None);
        let batches = take(&queue, &signal, 150);
        assert_eq!(queue.position(), Some(150));
        assert!(batches.iter().all(|batch| batch.len() <= 100), "no more than there is room for");
        assert_eq!(batches.last().unwrap().offset(batches.last().unwrap().len() - 1), 149);
        assert!(consumer.poll(Duration::ZERO).is_none_or(|event| event.is_err()), "no record on the consumer's queue");
        assert_eq!(cached_watermarks(&*consumer, "t", 0), Some((0, 150)));
        assert_eq!(cached_watermarks(&*consumer, "other", 0), None);
        drop((consumer, queue));
        assert_eq!(batches[0].value(0), Some(&b"value 0"[..]), "a batch keeps the client alive");
    }

    #[test]
    fn queues_of_both_kinds_of_client() {
        let cluster = MockCluster::new(1).unwrap();
        let consumer = consumer(&cluster.bootstrap_servers());
        let queue = Queue::consumer(consumer).unwrap();
        assert!(queue.len() < 10);
        let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", cluster.bootstrap_servers()).create().unwrap();
        let producer = Arc::new(producer);
        let mut queue = Queue::main(producer.clone()).unwrap();
        let signal = Arc::new(Signal::default());
        queue.on_ready(&signal);
        queue.on_ready(&signal);
        assert!(Queue::consumer(producer.clone()).is_none(), "a producer has no such queue");
        assert!(Queue::partition(producer, "nul\0", 0).is_none());
    }

    #[test]
    fn only_a_member_has_a_generation() {
        let cluster = MockCluster::new(1).unwrap();
        let consumer = consumer(&cluster.bootstrap_servers());
        assert_eq!(generation(&*consumer), None);
        let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", cluster.bootstrap_servers()).create().unwrap();
        assert_eq!(generation(&producer), None);
        cluster.create_topic("t", 1, 1).unwrap();
        consumer.subscribe(&["t"]).unwrap();
        let begun = Instant::now();
        while generation(&*consumer).is_none() {
            assert!(begun.elapsed() < Duration::from_secs(20), "it does not join");
            consumer.poll(Duration::from_millis(100));
        }
    }

    #[test]
    fn a_dropped_queue_leaves_the_signal_alone() {
        let cluster = MockCluster::new(1).unwrap();
        let consumer = consumer(&cluster.bootstrap_servers());
        let signal = Arc::new(Signal::default());
        let mut queue = Queue::partition(consumer.clone(), "t", 0).unwrap();
        queue.on_ready(&signal);
        drop(queue);
        assert_eq!(Arc::strong_count(&signal), 1);
        drop(consumer);
    }
}
