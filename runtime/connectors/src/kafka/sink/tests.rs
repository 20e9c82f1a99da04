//! The sink against librdkafka's mock cluster.

use kpipe_compiler::plan::OptionValue;
use kpipe_engine::connector::Ticket;
use kpipe_engine::position::{Delta, PartitionId, Position};
use kpipe_engine::records::RawBatch;
use rdkafka::Message;
use rdkafka::message::Headers as _;
use rdkafka::mocking::MockCluster;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use super::super::testing::{self, Pipeline, names, until};
use super::*;

struct Given {
    values: Vec<Option<Vec<u8>>>,
}

impl Records for Given {
    fn len(&self) -> usize {
        self.values.len()
    }
    fn value(&self, row: usize) -> Option<&[u8]> {
        self.values[row].as_deref()
    }
    fn key(&self, row: usize) -> Option<&[u8]> {
        row.is_multiple_of(2).then_some(b"even")
    }
    fn position(&self, row: usize) -> Position {
        Position(row as i64)
    }
    fn timestamp_ms(&self, row: usize) -> Option<i64> {
        Some(1_000 + row as i64)
    }
    fn source_partition(&self) -> i32 {
        0
    }
    fn topic(&self, _row: usize) -> &str {
        "source"
    }
    fn headers(&self, _row: usize, each: &mut dyn FnMut(&str, Option<&[u8]>)) {
        each("from", Some(b"source"));
    }
}

fn raw(values: Vec<Option<Vec<u8>>>) -> RawBatch {
    let delta = Delta::new(Position(0), Position(values.len() as i64));
    RawBatch { partition: PartitionId(0), delta, routes: Arc::from([0]), records: Box::new(Given { values }), bytes: 0 }
}

fn numbers(count: usize) -> RawBatch {
    raw((0..count).map(|number| Some(format!("value {number}").into_bytes())).collect())
}

fn batch<'a>(raw: &'a RawBatch, ticket: u64, rows: &'a [u32], topics: &'a [Arc<str>]) -> OutBatch<'a> {
    OutBatch { ticket: Ticket(ticket), raw, rows, topics, topic_of_row: &[], keys: None, values: None, headers: None }
}

/// Sends all of a batch, and everything that comes until its end.
fn deliver(sink: &mut KafkaSink, batch: &OutBatch<'_>) -> Vec<Delivery> {
    let (mut from, mut found) = (0, Vec::new());
    until("delivery", || {
        if from < batch.rows.len() {
            from += sink.send(batch, from).unwrap();
        }
        found.extend(sink.poll(Duration::from_millis(20)).unwrap());
        found.iter().any(|delivery| matches!(delivery, Delivery::Done(ticket) if *ticket == batch.ticket)).then_some(())
    });
    assert_eq!(sink.in_flight(), 0);
    found
}

fn open(cluster: &str, topics: &[&str], options: &[(&str, OptionValue)]) -> KafkaSink {
    KafkaSink::open(&Pipeline::new("p", cluster, topics).with(options).request()).unwrap()
}

fn client(setting: &str, value: &str) -> (&'static str, OptionValue) {
    ("client", OptionValue::Map([(setting.to_owned(), OptionValue::Text(value.to_owned()))].into()))
}

#[test]
fn rows_are_written_as_the_batch_says() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("t", 1, 1).unwrap();
    cluster.create_topic("u", 1, 1).unwrap();
    let mut sink = open(&cluster.bootstrap_servers(), &["t", "u"], &[]);
    let (raw, topics) = (raw(vec![Some(b"a".to_vec()), None, Some(Vec::new())]), names(&["t", "u"]));
    let keys = BinaryArray::from_opt_vec(vec![Some(b"k0"), None, Some(b"k2")]);
    let headers = [vec![("n".to_owned(), b"0".to_vec())], vec![], vec![]];
    let out = OutBatch { keys: Some(&keys), headers: Some(&headers), topic_of_row: &[0, 0, 1], ..batch(&raw, 1, &[0, 1, 2], &topics) };
    assert!(matches!(deliver(&mut sink, &out).as_slice(), [Delivery::Done(Ticket(1))]));
    let found = testing::drain(&cluster.bootstrap_servers(), "t", 2);
    assert_eq!((found[0].key(), found[0].payload(), found[0].timestamp().to_millis()), (Some(&b"k0"[..]), Some(&b"a"[..]), Some(1_000)));
    let headers: Vec<_> = found[0].headers().unwrap().iter().map(|header| (header.key, header.value.unwrap())).collect();
    assert_eq!(headers, [("from", &b"source"[..]), ("n", &b"0"[..])]);
    assert_eq!((found[1].key(), found[1].payload()), (None, None), "a null stays one");
    let found = testing::drain(&cluster.bootstrap_servers(), "u", 1);
    assert_eq!((found[0].key(), found[0].payload()), (Some(&b"k2"[..]), Some(&b""[..])));
}

#[test]
fn a_full_queue_takes_what_fits_and_nothing_is_lost() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("t", 1, 1).unwrap();
    let mut sink = open(&cluster.bootstrap_servers(), &["t"], &[client("queue.buffering.max.messages", "50")]);
    let (raw, topics) = (numbers(500), names(&["t"]));
    let rows: Vec<u32> = (0..500).collect();
    let out = batch(&raw, 9, &rows, &topics);
    assert_eq!(sink.send(&out, 0).unwrap(), 50);
    assert_eq!((sink.send(&out, 50).unwrap(), sink.in_flight()), (0, 50));
    let mut from = 50;
    until("the rest", || {
        sink.poll(Duration::from_millis(5)).unwrap();
        from += sink.send(&out, from).unwrap();
        (from == 500).then_some(())
    });
    until("the end", || {
        sink.poll(Duration::from_millis(20)).unwrap().iter().any(|delivery| matches!(delivery, Delivery::Done(_))).then_some(())
    });
    let found = testing::drain(&cluster.bootstrap_servers(), "t", 500);
    assert!(found.iter().enumerate().all(|(number, record)| record.payload() == Some(format!("value {number}").as_bytes())), "in order");
}

#[test]
fn rows_that_cannot_be_written_are_refused_and_the_others_go_on() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("t", 1, 1).unwrap();
    let mut sink = open(&cluster.bootstrap_servers(), &["t"], &[client("message.max.bytes", "1000")]);
    let (raw, topics) = (raw(vec![Some(b"a".to_vec()), Some(vec![0; 5_000]), Some(b"c".to_vec())]), names(&["t", "il legal"]));
    let out = OutBatch { topic_of_row: &[0, 0, 1], ..batch(&raw, 3, &[0, 1, 2], &topics) };
    let found = deliver(&mut sink, &out);
    let refused: Vec<_> = found
        .iter()
        .filter_map(|delivery| match delivery {
            Delivery::Refused { ticket: Ticket(3), row, error } => Some((*row, error.kind)),
            _ => None,
        })
        .collect();
    assert_eq!(refused, [(1, ErrorKind::Data), (2, ErrorKind::Data)]);
    testing::drain(&cluster.bootstrap_servers(), "t", 1);
}

#[test]
fn a_missing_topic_is_an_error_with_the_way_out() {
    let cluster = MockCluster::new(1).unwrap();
    let pipeline = Pipeline::new("p", &cluster.bootstrap_servers(), &["nowhere"]);
    let error = KafkaSink::open(&pipeline.request()).err().unwrap();
    assert_eq!(error.kind, ErrorKind::Missing);
    assert!(error.help.unwrap().contains("topic: { create: true }"));
    cluster.create_topic("t", 1, 1).unwrap();
    let mut sink = open(&cluster.bootstrap_servers(), &["t"], &[]);
    let (raw, topics) = (numbers(1), names(&["later"]));
    assert_eq!(sink.send(&batch(&raw, 1, &[0], &topics), 0).unwrap_err().kind, ErrorKind::Missing);
}

#[test]
fn records_wait_for_a_broker_that_is_away() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("t", 1, 1).unwrap();
    let mut sink = open(&cluster.bootstrap_servers(), &["t"], &[]);
    let (raw, topics) = (numbers(2), names(&["t"]));
    deliver(&mut sink, &batch(&raw, 1, &[0], &topics));
    assert!(sink.away().is_none());
    cluster.broker_down(1).unwrap();
    let out = batch(&raw, 2, &[1], &topics);
    assert_eq!(sink.send(&out, 0).unwrap(), 1);
    let why = until("the outage", || {
        assert!(sink.poll(Duration::from_millis(50)).unwrap().is_empty());
        sink.away()
    });
    assert_eq!(why.kind, ErrorKind::Unreachable);
    cluster.broker_up(1).unwrap();
    until("the delivery", || (!sink.poll(Duration::from_millis(50)).unwrap().is_empty()).then_some(()));
    assert!(sink.away().is_none());
    testing::drain(&cluster.bootstrap_servers(), "t", 2);
}

#[test]
fn a_missing_right_stops_the_sink() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("t", 1, 1).unwrap();
    let mut sink = open(&cluster.bootstrap_servers(), &["t"], &[]);
    cluster.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED]);
    let (raw, topics) = (numbers(1), names(&["t"]));
    sink.send(&batch(&raw, 1, &[0], &topics), 0).unwrap();
    let error = until("the error", || sink.poll(Duration::from_millis(50)).err());
    assert_eq!(error.kind, ErrorKind::Denied);
}
