use std::sync::Mutex;

use kpipe_compiler::plan::{DeadLetter, Endpoint, Options};

use super::*;
use crate::event::tests::Heard;
use crate::fixture::{self, Record};

#[derive(Default)]
struct State {
    sent: Vec<(Ticket, Vec<u32>, Vec<Headers>)>,
    deliveries: Vec<Delivery>,
    room: usize,
}

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<State>>);

impl RecordSink for Sink {
    fn send(&mut self, batch: &OutBatch<'_>, from: usize) -> Result<usize, ConnectorError> {
        let mut state = self.0.lock().unwrap();
        let to = batch.rows.len().min(from + state.room);
        state.room -= to - from;
        let headers = batch.headers.unwrap()[from..to].to_vec();
        state.sent.push((batch.ticket, batch.rows[from..to].to_vec(), headers));
        Ok(to - from)
    }

    fn poll(&mut self, _wait: Duration) -> Result<Vec<Delivery>, ConnectorError> {
        Ok(std::mem::take(&mut self.0.lock().unwrap().deliveries))
    }

    fn in_flight(&self) -> usize {
        self.0.lock().unwrap().sent.len()
    }
}

struct Case {
    desk: RejectDesk,
    sink: Sink,
    heard: Arc<Heard>,
}

fn case(tolerance: Tolerance, dead_letter: bool) -> Case {
    let cluster = Endpoint { connector: "kafka".to_owned(), options: Options::default() };
    let policy = ErrorPolicy {
        tolerance,
        dead_letter: dead_letter.then(|| DeadLetter { topic: "dead".to_owned(), cluster }),
        retry_timeout_ms: None,
        retry_delay_max_ms: 1_000,
    };
    let (sink, heard) = (Sink::default(), Arc::new(Heard::default()));
    sink.0.lock().unwrap().room = 100;
    let voice = Voice::new("lake".into(), 2, heard.clone());
    let desk = RejectDesk::new(&policy, dead_letter.then(|| Box::new(sink.clone()) as _), "lake".into(), 2, voice);
    Case { desk, sink, heard }
}

fn raw() -> Rc<RawBatch> {
    Rc::new(fixture::batch((0..5).map(|row| Record::of(&format!("v{row}"))).collect()))
}

fn reject(row: u32, reason: RejectReason) -> Reject {
    Reject { row, reason, message: format!("wrong in row {row}") }
}

fn name() -> PartitionName {
    PartitionName { topic: "orders".into(), partition: 3 }
}

impl Case {
    fn put(&mut self, rejects: Vec<Reject>) -> Result<Option<Ticket>, ConnectorError> {
        self.desk.put_aside(&raw(), &name(), rejects)
    }

    fn pump(&mut self) {
        self.desk.pump(Duration::ZERO).unwrap();
    }

    fn deliver(&self, delivery: Delivery) {
        self.sink.0.lock().unwrap().deliveries.push(delivery);
    }
}

#[test]
fn the_first_reject_stops_where_none_is_tolerated() {
    let mut case = case(Tolerance::None, false);
    let error = case.put(vec![reject(4, RejectReason::Malformed), reject(1, RejectReason::Key)]).unwrap_err();
    insta::assert_snapshot!(error, @r#"topic "orders" partition 3 offset 101: wrong in row 1"#);
    assert_eq!((error.kind, error.retry), (ErrorKind::Data, crate::error::Retry::No));
    assert!(error.help.unwrap().contains("dead_letter"));
}

#[test]
fn no_rejects_need_no_ticket() {
    assert_eq!(case(Tolerance::None, false).put(Vec::new()).unwrap(), None);
    assert_eq!(case(Tolerance::All, true).put(Vec::new()).unwrap(), None);
}

#[test]
fn tolerated_rejects_without_a_topic_are_said_and_dropped() {
    let mut case = case(Tolerance::All, false);
    assert_eq!(case.put(vec![reject(1, RejectReason::Malformed), reject(2, RejectReason::Malformed)]).unwrap(), None);
    let words = case.heard.0.lock().unwrap().clone();
    assert_eq!(words, ["lake/2 2 records rejected and dropped, the first at orders[3] offset 101: wrong in row 1"]);
    assert!(case.desk.is_quiet() && case.desk.has_room() && case.desk.is_acknowledged(Ticket(1)));
}

#[test]
fn a_record_that_several_routes_reject_is_one_dead_letter() {
    let mut case = case(Tolerance::All, true);
    case.put(vec![reject(2, RejectReason::Key), reject(0, RejectReason::Malformed), reject(2, RejectReason::TopicName)]).unwrap();
    case.pump();
    let sent = &case.sink.0.lock().unwrap().sent;
    assert_eq!((sent.len(), sent[0].1.as_slice()), (1, [0, 2].as_slice()));
    let words = case.heard.0.lock().unwrap().clone();
    assert_eq!(words.len(), 2, "one event a reason: {words:?}");
}

#[test]
fn headers_name_the_place_and_the_mistake() {
    let mut case = case(Tolerance::All, true);
    case.put(vec![reject(3, RejectReason::PartitionValue)]).unwrap();
    case.pump();
    let headers = case.sink.0.lock().unwrap().sent[0].2[0].clone();
    let text: Vec<String> = headers.into_iter().map(|(name, value)| format!("{name}={}", String::from_utf8(value).unwrap())).collect();
    insta::assert_snapshot!(text.join("\n"), @r"
    __connect.errors.topic=orders
    __connect.errors.partition=3
    __connect.errors.offset=103
    __connect.errors.connector.name=lake
    __connect.errors.task.id=2
    __connect.errors.stage=TASK_PUT
    __connect.errors.class.name=kpipe
    __connect.errors.exception.class.name=kpipe.partition_value
    __connect.errors.exception.message=wrong in row 3
    ");
}

#[test]
fn a_ticket_is_acknowledged_with_all_before_it() {
    let mut case = case(Tolerance::All, true);
    let tickets: Vec<Ticket> = (0..3).map(|_| case.put(vec![reject(0, RejectReason::Key)]).unwrap().unwrap()).collect();
    case.pump();
    case.deliver(Delivery::Done(tickets[1]));
    case.pump();
    let acknowledged = |case: &Case| tickets.iter().filter(|ticket| case.desk.is_acknowledged(**ticket)).count();
    assert_eq!(acknowledged(&case), 0, "the first one is on its way");
    case.deliver(Delivery::Done(tickets[0]));
    case.pump();
    assert_eq!((acknowledged(&case), case.desk.is_quiet()), (2, false));
    case.deliver(Delivery::Done(tickets[2]));
    case.pump();
    assert_eq!((acknowledged(&case), case.desk.is_quiet()), (3, true));
}

#[test]
fn a_full_topic_takes_the_rest_later() {
    let mut case = case(Tolerance::All, true);
    case.sink.0.lock().unwrap().room = 1;
    case.put(vec![reject(0, RejectReason::Key), reject(1, RejectReason::Key)]).unwrap();
    case.pump();
    assert!(!case.desk.has_room());
    case.sink.0.lock().unwrap().room = 5;
    case.pump();
    let rows: Vec<u32> = case.sink.0.lock().unwrap().sent.iter().flat_map(|(_, rows, _)| rows.clone()).collect();
    assert_eq!((rows, case.desk.has_room()), (vec![0, 1], true));
}

#[test]
fn a_dead_letter_that_is_refused_stops() {
    let mut case = case(Tolerance::All, true);
    let ticket = case.put(vec![reject(0, RejectReason::Key)]).unwrap().unwrap();
    case.deliver(Delivery::Refused { ticket, row: 0, error: ConnectorError::new(ErrorKind::Data, "too large") });
    let error = case.desk.pump(Duration::ZERO).unwrap_err();
    insta::assert_snapshot!(error, @r#"topic "orders" partition 3 offset 100: dead-letter topic "dead" refused the record: too large"#);
}

#[test]
fn every_reason_has_a_word_and_a_stage_of_connect() {
    let stages = ["VALUE_CONVERTER", "TRANSFORMATION", "TASK_PUT", "KAFKA_PRODUCE"];
    let mut words: Vec<_> = RejectReason::ALL.iter().map(|reason| reason.word()).collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), RejectReason::ALL.len());
    assert!(RejectReason::ALL.iter().all(|reason| stages.contains(&reason.stage())));
}

#[test]
fn dead_letters_under_way_are_bounded() {
    let mut case = case(Tolerance::All, true);
    case.sink.0.lock().unwrap().room = usize::MAX;
    for count in 1..=DEAD_LETTERS_IN_FLIGHT_MAX {
        assert!(case.desk.has_room(), "{count}");
        case.put(vec![reject(0, RejectReason::Key)]).unwrap();
        case.pump();
    }
    assert!(!case.desk.has_room());
    case.sink.0.lock().unwrap().sent.pop();
    assert!(case.desk.has_room());
}
