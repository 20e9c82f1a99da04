//! What the tests of this folder share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kpipe_compiler::plan::{Decode, Endpoint, KeyPlan, OptionValue, Options, RecordTail, Route, SecretRef, Tail, TopicName, ValueFormat};
use kpipe_engine::connector::{OpenRequest, Secrets};
use kpipe_engine::error::ConnectorError;
use rdkafka::ClientConfig;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::OwnedMessage;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::Offset;

/// How long something may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

struct Inline;

impl Secrets for Inline {
    fn read(&self, secret: &SecretRef) -> Result<String, ConnectorError> {
        match secret {
            SecretRef::Inline { place: _, value } => Ok(value.clone()),
            other => panic!("{other}"),
        }
    }
}

/// A pipeline with a Kafka end.
pub(super) struct Pipeline {
    runtime: tokio::runtime::Runtime,
    pub(super) name: String,
    pub(super) endpoint: Endpoint,
    pub(super) routes: Vec<Route>,
}

impl Pipeline {
    /// From these topics, each into a topic of the same name.
    pub(super) fn new(name: &str, brokers: &str, topics: &[&str]) -> Self {
        let brokers = OptionValue::List(vec![OptionValue::Text(brokers.to_owned())]);
        Self {
            runtime: tokio::runtime::Builder::new_current_thread().build().unwrap(),
            name: name.to_owned(),
            endpoint: Endpoint { connector: "kafka".to_owned(), options: Options(BTreeMap::from([("brokers".to_owned(), brokers)])) },
            routes: topics.iter().map(|topic| route(topic)).collect(),
        }
    }

    /// With these options too.
    pub(super) fn with(mut self, options: &[(&str, OptionValue)]) -> Self {
        self.endpoint.options.0.extend(options.iter().map(|(path, value)| ((*path).to_owned(), value.clone())));
        self
    }

    pub(super) fn request(&self) -> OpenRequest<'_> {
        OpenRequest {
            pipeline: &self.name,
            task: 0,
            endpoint: &self.endpoint,
            routes: &self.routes,
            secrets: &Inline,
            runtime: self.runtime.handle().clone(),
            starts_in_sink: false,
        }
    }
}

fn route(topic: &str) -> Route {
    Route {
        statement: String::new(),
        from: topic.to_owned(),
        decode: Decode { format: ValueFormat::Bytes, columns: Vec::new() },
        filter: None,
        project: None,
        tail: Tail::Records(RecordTail { topic: TopicName::Fixed(topic.to_owned()), key: KeyPlan::Keep, format: None }),
    }
}

/// Writes `value 0`, `value 1`, ... into a partition.
pub(super) fn fill(servers: &str, topic: &str, partition: i32, count: usize) {
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", servers).create().unwrap();
    for number in 0..count {
        let value = format!("value {number}");
        let record = BaseRecord::to(topic).partition(partition).key("key").payload(&value).timestamp(1_000 + number as i64);
        producer.send(record).map_err(|(error, _)| error).unwrap();
        producer.poll(Duration::ZERO);
    }
    producer.flush(LIMIT).unwrap();
}

/// Reads `count` records of partition 0 from its beginning.
pub(super) fn drain(servers: &str, topic: &str, count: usize) -> Vec<OwnedMessage> {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", servers).set("group.id", "drain").set("enable.auto.commit", "false").create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
    consumer.assign(&list).unwrap();
    let (mut records, start) = (Vec::new(), Instant::now());
    while records.len() < count && start.elapsed() < LIMIT {
        if let Some(Ok(record)) = consumer.poll(Duration::from_millis(100)) {
            records.push(record.detach());
        }
    }
    assert_eq!(records.len(), count, "records of {topic}");
    records
}

/// Asks until there is an answer.
pub(super) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    while start.elapsed() < LIMIT {
        if let Some(answer) = ask() {
            return answer;
        }
    }
    panic!("{what}: not within {LIMIT:?}")
}

/// Names as the path hands them over.
pub(super) fn names(topics: &[&str]) -> Vec<Arc<str>> {
    topics.iter().map(|topic| Arc::from(*topic)).collect()
}
