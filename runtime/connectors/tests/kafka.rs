//! Kafka against a real broker: `scripts/services up kafka`, then with its exports `--features real-services`.

#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kpipe_compiler::plan::{Decode, Endpoint, KeyPlan, OptionValue, Options, RecordTail, Route, SecretRef, Tail, TopicName, ValueFormat};
use kpipe_engine::connector::{
    Accept, Assigned, Bookmark, ConnectorDef, Delivery, Mark, OpenRequest, OutBatch, RecordSink, Secrets, Source, SourceEvent, Ticket,
};
use kpipe_engine::error::{ConnectorError, ErrorKind};
use kpipe_engine::position::{Delta, PartitionId, Position};
use kpipe_engine::records::{RawBatch, Records};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

const POLL: Duration = Duration::from_millis(100);
const LIMIT: Duration = Duration::from_secs(60);

struct Given;

impl Secrets for Given {
    fn read(&self, secret: &SecretRef) -> Result<String, ConnectorError> {
        match secret {
            SecretRef::Inline { place: _, value } => Ok(value.clone()),
            other => Err(ConnectorError::new(ErrorKind::Missing, format!("{other} is not used here"))),
        }
    }
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: start the services and take over their exports"))
}

fn unique(name: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    format!("kpipe-test-{name}-{}-{}", std::process::id(), now.as_nanos())
}

fn text(text: &str) -> OptionValue {
    OptionValue::Text(text.to_owned())
}

fn secret(value: &str) -> OptionValue {
    OptionValue::Secret(SecretRef::Inline { place: "test".to_owned(), value: value.to_owned() })
}

fn kafka() -> &'static ConnectorDef {
    kpipe_connectors::ALL.iter().find(|def| def.spec.name == "kafka").unwrap()
}

/// One end of a pipeline.
struct Pipeline {
    runtime: tokio::runtime::Runtime,
    name: String,
    endpoint: Endpoint,
    routes: Vec<Route>,
}

impl Pipeline {
    fn new(name: &str, topic: &str) -> Self {
        let route = Route {
            statement: String::new(),
            from: topic.to_owned(),
            decode: Decode { format: ValueFormat::Bytes, columns: Vec::new() },
            filter: None,
            project: None,
            tail: Tail::Records(RecordTail { topic: TopicName::Fixed(topic.to_owned()), key: KeyPlan::Keep, format: None }),
        };
        let options = BTreeMap::from([("brokers".to_owned(), OptionValue::List(vec![text(&variable("KPIPE_TEST_KAFKA"))]))]);
        Self {
            runtime: tokio::runtime::Builder::new_current_thread().build().unwrap(),
            name: name.to_owned(),
            endpoint: Endpoint { connector: "kafka".to_owned(), options: Options(options) },
            routes: vec![route],
        }
    }

    fn with(mut self, options: &[(&str, OptionValue)]) -> Self {
        self.endpoint.options.0.extend(options.iter().map(|(path, value)| ((*path).to_owned(), value.clone())));
        self
    }

    /// As a sink that creates its topics.
    fn creating(self, partitions: i64, config: &[(&str, &str)]) -> Self {
        let config = config.iter().map(|(key, value)| ((*key).to_owned(), text(value))).collect();
        self.with(&[
            ("acks", text("all")),
            ("topic.create", OptionValue::Boolean(true)),
            ("topic.partitions", OptionValue::Integer(partitions)),
            ("topic.config", OptionValue::Map(config)),
        ])
    }

    fn request(&self) -> OpenRequest<'_> {
        OpenRequest {
            pipeline: &self.name,
            task: 0,
            endpoint: &self.endpoint,
            routes: &self.routes,
            secrets: &Given,
            runtime: self.runtime.handle().clone(),
            starts_in_sink: false,
        }
    }

    fn source(&self) -> Result<Box<dyn Source>, ConnectorError> {
        (kafka().source.unwrap())(&self.request())
    }

    /// A source whose starts the sink says.
    fn told_source(&self) -> Result<Box<dyn Source>, ConnectorError> {
        (kafka().source.unwrap())(&OpenRequest { starts_in_sink: true, ..self.request() })
    }

    fn sink(&self) -> Result<Box<dyn RecordSink>, ConnectorError> {
        (kafka().records.unwrap())(&self.request())
    }
}

/// Asks until there is an answer.
fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    while start.elapsed() < LIMIT {
        if let Some(answer) = ask() {
            return answer;
        }
    }
    panic!("{what}: not within {LIMIT:?}")
}

/// The time of the first row, the same for the whole run: an hour ago, for what is older than the retention is soon gone.
fn base_ms() -> i64 {
    static BASE: std::sync::OnceLock<i64> = std::sync::OnceLock::new();
    *BASE.get_or_init(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        now.as_millis() as i64 - 3_600_000
    })
}

/// A key and a value.
type KeyValue = (Option<Vec<u8>>, Option<Vec<u8>>);

/// Records made up here.
struct Made(Vec<KeyValue>);

impl Records for Made {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn value(&self, row: usize) -> Option<&[u8]> {
        self.0[row].1.as_deref()
    }
    fn key(&self, row: usize) -> Option<&[u8]> {
        self.0[row].0.as_deref()
    }
    fn position(&self, row: usize) -> Position {
        Position(row as i64)
    }
    fn timestamp_ms(&self, row: usize) -> Option<i64> {
        Some(base_ms() + row as i64)
    }
    fn source_partition(&self) -> i32 {
        0
    }
    fn topic(&self, _row: usize) -> &str {
        "made"
    }
    fn headers(&self, row: usize, each: &mut dyn FnMut(&str, Option<&[u8]>)) {
        each("row", Some(row.to_string().as_bytes()));
        each("null", None);
    }
}

/// Writes records through the sink; the rows that were refused.
fn write(sink: &mut dyn RecordSink, topic: &str, records: Vec<KeyValue>) -> Vec<(u32, ErrorKind)> {
    let rows: Vec<u32> = (0..records.len() as u32).collect();
    let delta = Delta::new(Position(0), Position(rows.len() as i64));
    let raw = RawBatch { partition: PartitionId(0), delta, routes: Arc::from([0]), records: Box::new(Made(records)), bytes: 0 };
    let topics = [Arc::from(topic)];
    let batch =
        OutBatch { ticket: Ticket(1), raw: &raw, rows: &rows, topics: &topics, topic_of_row: &[], keys: None, values: None, headers: None };
    let (mut from, mut refused) = (0, Vec::new());
    until("delivery", || {
        from += sink.send(&batch, from).unwrap();
        let mut done = false;
        for delivery in sink.poll(POLL).unwrap() {
            match delivery {
                Delivery::Done(_) => done = true,
                Delivery::Refused { ticket: _, row, error } => refused.push((row, error.kind)),
            }
        }
        done.then_some(())
    });
    refused
}

fn numbered(count: usize) -> Vec<KeyValue> {
    (0..count).map(|number| (Some(number.to_string().into_bytes()), Some(format!("value {number}").into_bytes()))).collect()
}

/// A topic with numbered records.
fn topic(name: &str, partitions: i64, count: usize) -> String {
    let topic = unique(name);
    let mut sink = Pipeline::new("make", &topic).creating(partitions, &[]).sink().unwrap();
    assert_eq!(write(&mut *sink, &topic, numbered(count)), []);
    topic
}

/// What a source handed over: values and where each partition stands.
#[derive(Default)]
struct Seen {
    assigned: BTreeMap<PartitionId, Assigned>,
    values: Vec<Vec<u8>>,
    ends: BTreeMap<PartitionId, Position>,
}

impl Seen {
    /// Polls once, and follows the rules of a task.
    fn poll(&mut self, source: &mut dyn Source) {
        match source.poll(POLL, Accept::Records).unwrap() {
            SourceEvent::Assigned(assigned) => self.assigned.extend(assigned.into_iter().map(|held| (held.id, held))),
            SourceEvent::Batch(batch) => {
                let start = self.ends.get(&batch.partition).copied().or(self.assigned[&batch.partition].start).unwrap();
                assert_eq!(batch.delta.start, start, "deltas join without a gap");
                self.ends.insert(batch.partition, batch.delta.end);
                self.values.extend((0..batch.records.len()).filter_map(|row| batch.records.value(row).map(<[u8]>::to_vec)));
            }
            SourceEvent::Revoked(ids) => {
                let positions: Vec<_> = ids.iter().filter_map(|id| Some((*id, *self.ends.get(id)?))).collect();
                source.commit(&positions).unwrap();
                source.settle(LIMIT).unwrap();
                source.release(&ids).unwrap();
                ids.iter().for_each(|id| drop((self.assigned.remove(id), self.ends.remove(id))));
            }
            SourceEvent::Idle => {}
            other => panic!("{other:?}"),
        }
    }

    fn until_values(&mut self, source: &mut dyn Source, count: usize) {
        until("records", || {
            self.poll(source);
            (self.values.len() >= count).then_some(())
        });
    }

    fn commit(&self, source: &mut dyn Source) {
        let positions: Vec<_> = self.ends.iter().map(|(id, position)| (*id, *position)).collect();
        source.commit(&positions).unwrap();
        source.settle(LIMIT).unwrap();
    }
}

#[test]
fn keys_values_headers_and_times_come_back_as_they_went() {
    let topic = unique("round-trip");
    let mut sink = Pipeline::new("p", &topic).creating(1, &[]).sink().unwrap();
    let records = vec![(Some(b"k".to_vec()), Some(b"v".to_vec())), (None, Some(Vec::new())), (Some(Vec::new()), None)];
    assert_eq!(write(&mut *sink, &topic, records), []);
    let pipeline = Pipeline::new(&topic, &topic);
    let mut source = pipeline.source().unwrap();
    let mut row = 0;
    until("records", || {
        if let SourceEvent::Batch(batch) = source.poll(POLL, Accept::Records).unwrap() {
            let records = &batch.records;
            assert_eq!(&*batch.routes, [0]);
            for at in 0..records.len() {
                let expected = [(Some(&b"k"[..]), Some(&b"v"[..])), (None, Some(&b""[..])), (Some(&b""[..]), None)][row];
                assert_eq!((records.key(at), records.value(at)), expected);
                assert_eq!((records.position(at).0, records.timestamp_ms(at)), (row as i64, Some(base_ms() + row as i64)));
                let mut headers = Vec::new();
                records.headers(at, &mut |name, value| headers.push((name.to_owned(), value.map(<[u8]>::to_vec))));
                assert_eq!(headers, [("row".to_owned(), Some(row.to_string().into_bytes())), ("null".to_owned(), None)]);
                assert_eq!(records.topic(at), topic);
                row += 1;
            }
        }
        (row == 3).then_some(())
    });
}

#[test]
fn the_first_record_is_there_within_a_second() {
    let topic = topic("first", 4, 100);
    let start = Instant::now();
    let pipeline = Pipeline::new(&topic, &topic);
    let mut source = pipeline.source().unwrap();
    let opened = start.elapsed();
    let mut seen = Seen::default();
    seen.until_values(&mut *source, 1);
    let first = start.elapsed();
    println!("opened after {opened:?}, first record after {first:?}");
    assert!(first < Duration::from_secs(2), "{first:?}");
    let start = Instant::now();
    drop(source);
    println!("left after {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[test]
fn logins_over_tls() {
    let plain = topic("login", 1, 3);
    let with = |mechanism: &str, password: &str| {
        Pipeline::new(&unique("login"), &plain).with(&[
            ("brokers", text(&variable("KPIPE_TEST_KAFKA_SASL_SSL"))),
            ("tls.ca", text(&variable("KPIPE_TEST_CA"))),
            ("sasl.mechanism", text(mechanism)),
            ("sasl.username", text(&variable("KPIPE_TEST_USER"))),
            ("sasl.password", secret(password)),
        ])
    };
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let pipeline = with(mechanism, &variable("KPIPE_TEST_PASSWORD"));
        let mut source = pipeline.source().unwrap_or_else(|error| panic!("{mechanism}: {error}"));
        Seen::default().until_values(&mut *source, 3);
        let mut sink = pipeline.sink().unwrap();
        assert_eq!(write(&mut *sink, &plain, Vec::new()), []);

        let wrong = with(mechanism, "hunter2");
        for error in
            [wrong.source().err().unwrap(), wrong.sink().err().unwrap(), (kafka().inspect.unwrap())(&wrong.request()).err().unwrap()]
        {
            assert_eq!(error.kind, ErrorKind::Denied, "{mechanism}: {error}");
            assert!(!error.to_string().contains("hunter2") && error.help.unwrap().contains("sasl.password"));
        }
    }
}

#[test]
fn what_is_wrong_with_a_connection_is_told_apart() {
    let sasl = text(&variable("KPIPE_TEST_KAFKA_SASL_SSL"));
    let untrusted = Pipeline::new("p", "t").with(&[("brokers", sasl.clone()), ("tls.enabled", OptionValue::Boolean(true))]);
    let error = untrusted.source().err().unwrap();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert!(error.help.as_deref().unwrap_or_default().contains("tls.ca"), "{error} {:?}", error.help);
    let plaintext = Pipeline::new("p", "t").with(&[("brokers", sasl)]);
    let error = plaintext.source().err().unwrap();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert!(error.help.as_deref().unwrap_or_default().contains("`tls`"), "{error} {:?}", error.help);
    let nobody = Pipeline::new("p", "t").with(&[("brokers", text("127.0.0.1:1"))]);
    let start = Instant::now();
    let error = nobody.source().err().unwrap();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert!(error.message.contains("127.0.0.1:1") && start.elapsed() < Duration::from_secs(5), "{error} after {:?}", start.elapsed());
}

#[test]
fn missing_and_deleted_topics_are_named() {
    let absent = unique("absent");
    for error in [Pipeline::new("p", &absent).source().err().unwrap(), Pipeline::new("p", &absent).sink().err().unwrap()] {
        assert_eq!(error.kind, ErrorKind::Missing);
        assert!(error.message.contains(&absent) && error.help.is_some(), "{error}");
    }
    let inspection = (kafka().inspect.unwrap())(&Pipeline::new("p", &absent).request()).unwrap();
    assert!(inspection.missing[0].message.contains(&absent), "looking creates nothing");

    let deleted = topic("deleted", 1, 5);
    let settings = [("topic.metadata.refresh.interval.ms".to_owned(), text("1000"))];
    let pipeline = Pipeline::new(&deleted, &deleted).with(&[("client", OptionValue::Map(settings.into()))]);
    let mut source = pipeline.source().unwrap();
    Seen::default().until_values(&mut *source, 5);
    delete(&deleted);
    let error = until("the error", || match source.poll(POLL, Accept::Records) {
        Err(error) => Some(error),
        Ok(SourceEvent::Revoked(ids) | SourceEvent::Lost(ids)) => {
            source.release(&ids).unwrap();
            None
        }
        Ok(_) => None,
    });
    assert_eq!(error.kind, ErrorKind::Missing, "{error}");
    assert!(error.message.contains(&deleted), "{error}");
}

fn delete(topic: &str) {
    use rdkafka::admin::{AdminClient, AdminOptions};
    let admin: AdminClient<_> = ClientConfig::new()
        .set("bootstrap.servers", variable("KPIPE_TEST_KAFKA"))
        .create::<AdminClient<rdkafka::client::DefaultClientContext>>()
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(admin.delete_topics(&[topic], &AdminOptions::new())).unwrap()[0].as_ref().unwrap();
}

#[test]
fn a_second_member_takes_over_without_a_loss() {
    let count = 20_000;
    let topic = topic("rebalance", 4, count);
    let pipeline = Pipeline::new(&topic, &topic);
    let (mut first, mut second) = (pipeline.source().unwrap(), None);
    let (mut by_first, mut by_second) = (Seen::default(), Seen::default());
    // Records keep coming until the second member has read some.
    let enough = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let (topic, enough) = (topic.clone(), Arc::clone(&enough));
        move || {
            let mut sink = Pipeline::new("more", &topic).sink().unwrap();
            let mut written = 0;
            while !enough.load(Ordering::Relaxed) {
                assert_eq!(write(&mut *sink, &topic, numbered(500)), []);
                written += 500;
            }
            written
        }
    });
    until("both to read", || {
        by_first.poll(&mut *first);
        if by_first.values.len() > 5_000 {
            let second = second.get_or_insert_with(|| pipeline.source().unwrap());
            by_second.poll(&mut **second);
        }
        (by_second.values.len() > 1_000).then_some(())
    });
    enough.store(true, Ordering::Relaxed);
    let total = count + writer.join().unwrap();
    until("the rest", || {
        by_first.poll(&mut *first);
        by_second.poll(&mut **second.as_mut().unwrap());
        (by_first.values.len() + by_second.values.len() >= total).then_some(())
    });
    assert_eq!((by_first.assigned.len(), by_second.assigned.len()), (2, 2));
    let mut times = BTreeMap::<&[u8], usize>::new();
    by_first.values.iter().chain(&by_second.values).for_each(|value| *times.entry(value).or_default() += 1);
    assert_eq!(times.len(), count, "nothing is lost");
    assert_eq!(times.values().sum::<usize>(), total, "nothing is read twice, for the first committed before it let go");
    // The first leaves: everything goes to the second.
    by_first.commit(&mut *first);
    drop(first);
    until("its partitions", || {
        by_second.poll(&mut **second.as_mut().unwrap());
        (by_second.assigned.len() == 4).then_some(())
    });
}

#[test]
fn a_member_goes_on_where_it_committed() {
    let topic = topic("resume", 2, 1_000);
    let pipeline = Pipeline::new(&topic, &topic);
    let mut source = pipeline.source().unwrap();
    let mut seen = Seen::default();
    seen.until_values(&mut *source, 1_000);
    let ends: BTreeMap<_, _> = source.ends().into_iter().collect();
    assert_eq!(ends, seen.ends, "nothing lies before it");
    seen.commit(&mut *source);
    drop(source);
    let inspection = (kafka().inspect.unwrap())(&pipeline.request()).unwrap();
    assert!(inspection.partitions.iter().all(|at| at.committed == Some(at.high) && at.start == at.high), "{inspection:?}");

    assert_eq!(write(&mut *Pipeline::new("more", &topic).sink().unwrap(), &topic, numbered(10)), []);
    let mut source = pipeline.source().unwrap();
    let mut seen = Seen::default();
    seen.until_values(&mut *source, 10);
    assert_eq!(seen.values.len(), 10);

    let later = Pipeline::new(&unique("later"), &topic).with(&[("from", OptionValue::Integer(base_ms() + 990))]);
    let mut source = later.source().unwrap();
    let mut seen = Seen::default();
    // The last ten of the first thousand, and all that were written after them.
    seen.until_values(&mut *source, 20);
    assert!(seen.values.contains(&b"value 990".to_vec()) && !seen.values.contains(&b"value 900".to_vec()));
}

/// Records in transactions: committed, given up, committed.
fn transactions(topic: &str) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", variable("KPIPE_TEST_KAFKA")).set("transactional.id", topic);
    let producer: BaseProducer = config.create().unwrap();
    producer.init_transactions(LIMIT).unwrap();
    for (round, commit) in [true, false, true, false].into_iter().enumerate() {
        producer.begin_transaction().unwrap();
        for number in 0..10 {
            let value = format!("{round}-{number}");
            producer.send(BaseRecord::<(), str>::to(topic).partition(0).payload(&value)).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(LIMIT).unwrap();
        if commit { producer.commit_transaction(LIMIT).unwrap() } else { producer.abort_transaction(LIMIT).unwrap() }
    }
}

#[test]
fn positions_move_over_markers_and_what_was_given_up() {
    let topic = topic("transactions", 1, 0);
    transactions(&topic);
    let pipeline = Pipeline::new(&topic, &topic);
    let mut source = pipeline.source().unwrap();
    let mut seen = Seen::default();
    // Four times ten records, each with a marker behind: the last marker is at 43.
    until("the end", || {
        seen.poll(&mut *source);
        seen.ends.values().any(|end| *end == Position(44)).then_some(())
    });
    assert_eq!(seen.values.len(), 20, "what was given up is not seen");
    assert!(seen.values.iter().all(|value| !value.starts_with(b"1-")));
    let held = seen.assigned.values().next().unwrap();
    assert_eq!((held.start, held.end), (Some(Position(0)), Some(Position(44))));
    seen.commit(&mut *source);
    drop(source);
    let inspection = (kafka().inspect.unwrap())(&pipeline.request()).unwrap();
    assert_eq!(inspection.partitions[0].committed, Some(Position(44)), "no lag is left over");
}

#[test]
fn large_records_pass_where_the_topic_takes_them() {
    let ten_megabytes = vec![b'x'; 10_000_000];
    let large = unique("large");
    let mut sink = Pipeline::new("p", &large).creating(1, &[("max.message.bytes", "20000000")]).sink().unwrap();
    let records = vec![(None, Some(b"small".to_vec())), (None, Some(ten_megabytes.clone())), (None, Some(b"small".to_vec()))];
    assert_eq!(write(&mut *sink, &large, records.clone()), []);
    let mut source = Pipeline::new(&large, &large).source().unwrap();
    let mut seen = Seen::default();
    seen.until_values(&mut *source, 3);
    assert!(seen.values[1] == ten_megabytes);

    let usual = unique("usual");
    let mut sink = Pipeline::new("p", &usual).creating(1, &[]).sink().unwrap();
    assert_eq!(write(&mut *sink, &usual, records), [(1, ErrorKind::Data)], "only the large one is refused");
    let mut source = Pipeline::new(&usual, &usual).source().unwrap();
    let mut seen = Seen::default();
    seen.until_values(&mut *source, 2);
    assert_eq!(seen.values, [b"small", b"small"]);
}

#[test]
fn batches_fit_topics_that_take_little() {
    let small = unique("small");
    let mut sink = Pipeline::new("p", &small).creating(1, &[("max.message.bytes", "20000")]).sink().unwrap();
    assert_eq!(write(&mut *sink, &small, numbered(20_000)), [], "no record suffers for the others in its batch");
    let unknown_before = unique("small");
    let creating = Pipeline::new("p", &small).creating(1, &[("max.message.bytes", "10000")]);
    let mut sink = creating.sink().unwrap();
    let records = Made(numbered(1));
    let delta = Delta::new(Position(0), Position(1));
    let raw = RawBatch { partition: PartitionId(0), delta, routes: Arc::from([0]), records: Box::new(records), bytes: 0 };
    let topics = [Arc::from(unknown_before.as_str())];
    let batch =
        OutBatch { ticket: Ticket(1), raw: &raw, rows: &[0], topics: &topics, topic_of_row: &[], keys: None, values: None, headers: None };
    let error = sink.send(&batch, 0).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.help.unwrap().contains("batch.size: \"10000\""));
}

#[test]
fn an_offset_that_retention_took_is_an_error_that_names_it() {
    let topic = topic("retention", 1, 10);
    let pipeline = Pipeline::new(&topic, &topic);
    let mut source = pipeline.source().unwrap();
    let mut seen = Seen::default();
    seen.until_values(&mut *source, 10);
    let id = *seen.ends.keys().next().unwrap();
    source.commit(&[(id, Position(2))]).unwrap();
    source.settle(LIMIT).unwrap();
    drop(source);
    remove_before(&topic, 5);
    let mut source = pipeline.source().unwrap();
    let error = until("the error", || source.poll(POLL, Accept::Records).err());
    assert_eq!(error.kind, ErrorKind::Missing);
    assert!(error.message.contains(&format!("topic {topic:?} partition 0 offset 2")), "{error}");
}

/// Polls until partitions are assigned to a source that waits for its starts.
fn waiting(source: &mut dyn Source) -> Vec<Assigned> {
    until("an assignment", || match source.poll(POLL, Accept::Records).unwrap() {
        SourceEvent::Assigned(assigned) => Some(assigned),
        SourceEvent::Idle => None,
        other => panic!("{other:?}"),
    })
}

#[test]
fn a_start_that_retention_took_is_an_error_and_never_a_jump() {
    let topic = topic("told-retention", 1, 10);
    remove_before(&topic, 5);
    let pipeline = Pipeline::new(&topic, &topic);
    let mut source = pipeline.told_source().unwrap();
    let held = waiting(&mut *source).remove(0);
    assert_eq!((held.committed, held.start), (None, Some(Position(5))));
    for position in [4, 11] {
        let error = source.start(held.id, Position(position)).unwrap_err();
        let said = format!("topic {topic:?} partition 0 offset {position} is not there: the partition holds 5 to 10");
        assert!(error.kind == ErrorKind::Missing && error.message.ends_with(&said), "{error}");
    }
    source.start(held.id, Position(8)).unwrap();
    let mut seen = Seen::default();
    seen.assigned.insert(held.id, Assigned { start: Some(Position(8)), ..held });
    seen.until_values(&mut *source, 2);
    assert_eq!(seen.values, [b"value 8", b"value 9"]);
}

#[test]
fn retention_between_the_look_and_the_read_is_an_error_too() {
    let topic = topic("told-late-retention", 1, 10);
    let mut source = Pipeline::new(&topic, &topic).told_source().unwrap();
    let id = waiting(&mut *source)[0].id;
    remove_before(&topic, 5);
    source.start(id, Position(2)).unwrap();
    let error = until("the error", || source.poll(POLL, Accept::Records).err());
    assert!(error.kind == ErrorKind::Missing && error.message.contains("offset 2 is not there: the partition holds 5 to 10"), "{error}");
}

fn mark(at: i64, word: &str) -> Mark {
    Mark { position: Position(at), word: word.to_owned() }
}

impl Pipeline {
    /// Polls until partitions are assigned, and gives what is kept beside the first one.
    fn bookmark(&self, source: &mut dyn Source) -> Arc<dyn Bookmark> {
        waiting(source).remove(0).bookmark.unwrap()
    }

    fn read(&self, bookmark: &dyn Bookmark) -> Option<Mark> {
        until("a bookmark", || self.runtime.block_on(bookmark.read()).ok())
    }

    /// Writes while the source is polled, as a task does: the group may be of a new generation.
    fn write(&self, bookmark: &dyn Bookmark, mark: &Mark, source: &mut dyn Source) {
        until("a bookmark", || {
            source.poll(Duration::ZERO, Accept::EventsOnly).unwrap();
            self.runtime.block_on(bookmark.write(mark.clone())).map_err(|error| println!("{error}")).ok()
        });
    }
}

#[test]
fn a_bookmark_is_written_by_whoever_has_the_partition_and_by_nobody_else() {
    let topic = topic("bookmark", 1, 10);
    let pipeline = Pipeline::new(&topic, &topic).with(&[("group_instance", text("w"))]);
    let mut first = pipeline.told_source().unwrap();
    let ours = pipeline.bookmark(&mut *first);
    assert_eq!(pipeline.read(&*ours), None);
    pipeline.write(&*ours, &mark(4, "four"), &mut *first);
    assert_eq!(pipeline.read(&*ours), Some(mark(4, "four")));
    // Another process of the same name takes its place; the first one does not hear of it.
    let mut second = pipeline.told_source().unwrap();
    let held = waiting(&mut *second).remove(0);
    assert_eq!(held.committed, Some(Position(4)));
    let theirs = held.bookmark.unwrap();
    pipeline.write(&*theirs, &mark(7, "seven"), &mut *second);
    let refused = pipeline.runtime.block_on(ours.write(mark(5, "five"))).unwrap_err();
    assert_eq!(pipeline.read(&*theirs), Some(mark(7, "seven")), "{refused}");
    let outside = (kafka().bookmarks.unwrap())(&pipeline.request()).unwrap().of(&topic.as_str().into(), 0);
    let refused = pipeline.runtime.block_on(outside.write(mark(6, "six"))).unwrap_err();
    assert!(refused.kind == ErrorKind::Fenced && refused.message.contains("has members"), "{refused}");
    drop((first, second));
    // A static member does not leave; the group forgets it.
    until("a group without members", || pipeline.runtime.block_on(outside.write(mark(9, "nine"))).ok());
    assert_eq!(pipeline.read(&*outside), Some(mark(9, "nine")));
}

#[test]
fn a_bookmark_ends_when_its_partition_goes() {
    let topic = topic("bookmark-moves", 1, 10);
    let pipeline = Pipeline::new(&topic, &topic);
    let mut first = pipeline.told_source().unwrap();
    let ours = pipeline.bookmark(&mut *first);
    pipeline.write(&*ours, &mark(4, "four"), &mut *first);
    drop(first);
    let gone = pipeline.runtime.block_on(ours.write(mark(5, "five"))).unwrap_err();
    let mut second = pipeline.told_source().unwrap();
    let theirs = pipeline.bookmark(&mut *second);
    assert_eq!(pipeline.read(&*theirs), Some(mark(4, "four")), "{gone}");
    pipeline.write(&*theirs, &mark(8, "eight"), &mut *second);
    assert!(pipeline.runtime.block_on(ours.write(mark(6, "six"))).is_err());
    assert_eq!(pipeline.read(&*theirs), Some(mark(8, "eight")));
}

#[test]
fn a_topic_created_anew_has_another_identity() {
    let topic = topic("identity", 2, 4);
    let pipeline = Pipeline::new(&topic, &topic);
    let identity = || {
        let held = waiting(&mut *pipeline.told_source().unwrap());
        assert!(held.len() == 2 && held[0].identity == held[1].identity, "{held:?}");
        held[0].identity.to_string()
    };
    let first = identity();
    assert!(first.len() == 22 && first.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{first}");
    assert_eq!(identity(), first, "the same after a restart");
    delete(&topic);
    let mut sink = until("the topic to be created anew", || Pipeline::new("make", &topic).creating(2, &[]).sink().ok());
    assert_eq!(write(&mut *sink, &topic, numbered(4)), []);
    assert_ne!(identity(), first);
}

fn remove_before(topic: &str, offset: i64) {
    use rdkafka::admin::{AdminClient, AdminOptions};
    use rdkafka::{Offset, TopicPartitionList};
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Offset(offset)).unwrap();
    let admin: AdminClient<_> = ClientConfig::new()
        .set("bootstrap.servers", variable("KPIPE_TEST_KAFKA"))
        .create::<AdminClient<rdkafka::client::DefaultClientContext>>()
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(admin.delete_records(&list, &AdminOptions::new())).unwrap();
}

#[test]
fn topics_are_created_as_asked() {
    let topic = unique("created");
    let mut sink = Pipeline::new("p", &topic).creating(7, &[("retention.ms", "3600000")]).sink().unwrap();
    assert_eq!(write(&mut *sink, &topic, numbered(100)), []);
    let inspection = (kafka().inspect.unwrap())(&Pipeline::new(&topic, &topic).request()).unwrap();
    let partitions: BTreeSet<_> = inspection.partitions.iter().map(|at| at.partition).collect();
    assert_eq!(partitions, BTreeSet::from_iter(0..7));
    assert!(inspection.system.starts_with("Kafka at ") && inspection.system.contains(" broker"), "{}", inspection.system);
    let refused = Pipeline::new("p", &unique("refused")).creating(1, &[("retention.ms", "soon")]).sink().err().unwrap();
    assert_eq!(refused.kind, ErrorKind::Invalid, "{refused}");
}

#[test]
fn plans_are_kept_in_the_cluster() {
    let name = unique("plans");
    let pipeline = Pipeline::new(&name, "t");
    let mut plans = (kafka().plans.unwrap())(&pipeline.request()).unwrap();
    assert_eq!(plans.read(&name).unwrap(), None);
    plans.write(&name, b"first").unwrap();
    plans.write(&name, b"second").unwrap();
    let start = Instant::now();
    assert_eq!(plans.read(&name).unwrap().as_deref(), Some(&b"second"[..]));
    println!("read after {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(3));
}

/// A reader of committed records that catches up: what it saw, and where the partition ended when it was assigned.
fn catch_up(pipeline: &Pipeline) -> Seen {
    let mut source = pipeline.source().unwrap();
    let mut seen = Seen::default();
    until("the end that was there on assignment", || {
        seen.poll(&mut *source);
        let reached = |held: &Assigned| seen.ends.get(&held.id).copied().or(held.start) >= held.end;
        (!seen.assigned.is_empty() && seen.assigned.values().all(reached)).then_some(())
    });
    seen.commit(&mut *source);
    seen
}

/// A producer of transactions.
fn transactional(id: &str) -> BaseProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", variable("KPIPE_TEST_KAFKA")).set("transactional.id", id);
    let producer: BaseProducer = config.create().unwrap();
    producer.init_transactions(LIMIT).unwrap();
    producer
}

fn send(producer: &BaseProducer, topic: &str, key: &str, values: std::ops::Range<usize>) {
    for number in values {
        let value = number.to_string();
        producer.send(BaseRecord::to(topic).partition(0).key(key).payload(&value)).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(LIMIT).unwrap();
}

#[test]
fn the_end_is_reached_where_the_last_offsets_hold_no_record() {
    let topic = topic("no-record", 1, 0);
    let producer = transactional(&topic);
    producer.begin_transaction().unwrap();
    send(&producer, &topic, "k", 0..3);
    producer.commit_transaction(LIMIT).unwrap();
    let committed = Pipeline::new(&topic, &topic);
    assert_eq!(catch_up(&committed).values.len(), 3, "behind the last record stands a commit marker");

    // 3 is the marker: a group that another client left there has nothing but markers and what was given up before it.
    let at_marker = Pipeline::new(&unique("at-marker"), &topic);
    commit_as(&at_marker, &topic, 3);
    producer.begin_transaction().unwrap();
    send(&producer, &topic, "k", 3..2_000);
    producer.abort_transaction(LIMIT).unwrap();
    let seen = catch_up(&at_marker);
    assert_eq!((seen.values.len(), seen.ends.len()), (0, 1), "no record, yet the position moved");

    producer.begin_transaction().unwrap();
    send(&producer, &topic, "k", 0..5);
    let seen = catch_up(&at_marker);
    assert_eq!(seen.values.len(), 0, "an open transaction lies behind the end of a reader of committed records");
    producer.commit_transaction(LIMIT).unwrap();
    assert_eq!(catch_up(&at_marker).values.len(), 5);
}
fn commit_as(pipeline: &Pipeline, topic: &str, offset: i64) {
    use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
    use rdkafka::{Offset, TopicPartitionList};
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", variable("KPIPE_TEST_KAFKA")).set("group.id", &pipeline.name);
    let consumer: BaseConsumer = config.create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Offset(offset)).unwrap();
    consumer.commit(&list, CommitMode::Sync).unwrap();
}
