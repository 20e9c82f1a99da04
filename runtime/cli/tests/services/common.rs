//! What the tests on real services share: the binary, topics, records.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

/// What a run of the binary left.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Fails the test unless it ended with `code`.
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }
}

/// An environment variable of the services.
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: start the services and take over their exports"))
}

/// A name that no other run uses.
pub(crate) fn unique(name: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    format!("{name}-{}-{}", std::process::id(), now.as_nanos())
}

/// Runs `kpipe WORDS` in a directory and waits at most two minutes.
pub(crate) fn kpipe(dir: &Path, words: &str) -> Ran {
    let child = Command::new(env!("CARGO_BIN_EXE_kpipe"))
        .args(words.split_whitespace())
        .current_dir(dir)
        .env("AWS_ACCESS_KEY_ID", variable("KPIPE_TEST_USER"))
        .env("AWS_SECRET_ACCESS_KEY", variable("KPIPE_TEST_PASSWORD"))
        .env("AWS_REGION", "us-east-1")
        .env("KAFKA_BROKERS", variable("KPIPE_TEST_KAFKA"))
        .env("S3_ENDPOINT", variable("KPIPE_TEST_S3"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let output =
        receiver.recv_timeout(Duration::from_secs(120)).unwrap_or_else(|_| panic!("`kpipe {words}` (process {pid}) does not end")).unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
}

fn admin() -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", variable("KPIPE_TEST_KAFKA")).create().unwrap()
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Creates a topic.
pub(crate) fn create_topic(name: &str, partitions: i32) {
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1)).set("max.message.bytes", "20000000");
    wait(admin().create_topics(&[topic], &AdminOptions::new())).unwrap().remove(0).unwrap();
}

/// Deletes a topic.
pub(crate) fn delete_topic(name: &str) {
    wait(admin().delete_topics(&[name], &AdminOptions::new())).unwrap().remove(0).unwrap();
}

/// A record to produce.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a> {
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) time_ms: i64,
}

impl<'a> Given<'a> {
    /// A value without a key.
    pub(crate) fn value(value: &'a [u8]) -> Self {
        Self { value: Some(value), key: None, time_ms: 1_700_000_000_000 }
    }
}

/// Produces to partition 0 in order.
pub(crate) fn produce(topic: &str, records: &[Given<'_>]) {
    let config = [("bootstrap.servers", variable("KPIPE_TEST_KAFKA")), ("message.max.bytes", "20000000".to_owned())];
    let mut settings = ClientConfig::new();
    config.iter().for_each(|(key, value)| {
        settings.set(*key, value);
    });
    let producer: BaseProducer = settings.create().unwrap();
    for given in records {
        let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).partition(0).timestamp(given.time_ms);
        if let Some(value) = given.value {
            record = record.payload(value);
        }
        if let Some(key) = given.key {
            record = record.key(key);
        }
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(Duration::from_secs(30)).unwrap();
}

/// A record that was read.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, String)>,
}

impl Seen {
    /// The last header of a name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Reads `count` records of partition 0 from its start.
pub(crate) fn consume(topic: &str, count: usize) -> Vec<Seen> {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", variable("KPIPE_TEST_KAFKA")).set("group.id", unique("look")).create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
    consumer.assign(&list).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut seen = Vec::new();
    while seen.len() < count {
        assert!(Instant::now() < deadline, "{} of {count} records in {topic}", seen.len());
        let Some(message) = consumer.poll(Duration::from_millis(200)) else { continue };
        let message = message.unwrap();
        let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        let headers =
            message.headers().map(|headers| headers.iter().map(|h| (h.key.to_owned(), text(h.value))).collect()).unwrap_or_default();
        seen.push(Seen { value: message.payload().map(<[u8]>::to_vec), key: message.key().map(<[u8]>::to_vec), headers });
    }
    seen
}

/// The committed offset of a group on partition 0.
pub(crate) fn committed(group: &str, topic: &str) -> Option<i64> {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", variable("KPIPE_TEST_KAFKA")).set("group.id", group).create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition(topic, 0);
    let found = consumer.committed_offsets(list, Duration::from_secs(10)).unwrap();
    found.elements()[0].offset().to_raw().filter(|offset| *offset >= 0)
}

/// Every file below a directory, with its content, by its path.
pub(crate) fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if path.file_name().is_some_and(|name| name != ".kpipe") {
                    folders.push(path);
                }
            } else {
                let name = path.strip_prefix(dir).unwrap().to_string_lossy().into_owned();
                found.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}
