//! The tail of records: keys, order, acknowledgements, rejects.

use super::*;
use crate::memory::{MemoryRecord, Produced};

fn case(name: &str) -> Case {
    Case { pipeline: records(name), ..Case::new(name, 1) }
}

fn with_dead_letters(case: &mut Case) {
    let cluster = case.pipeline.sink.clone();
    let dead_letter = Some(kpipe_compiler::plan::DeadLetter { topic: "dead".to_owned(), cluster });
    case.pipeline.errors = ErrorPolicy { tolerance: Tolerance::All, dead_letter, ..case.pipeline.errors.clone() };
}

fn of_topic(case: &Case, topic: &str) -> Vec<Produced> {
    case.world.produced().into_iter().filter(|record| record.topic == topic).collect()
}

#[test]
fn records_keep_order_key_value_and_headers() {
    let case = case("records-basic");
    for id in 0..2500 {
        let headers = vec![("h".to_owned(), Some("x".into()))];
        let record = MemoryRecord { key: Some(format!("k{id}").into()), value: Some(order(id).into()), headers, ..MemoryRecord::default() };
        case.world.append("orders", 0, record);
    }
    case.run().well();
    let produced = of_topic(&case, "out");
    assert_eq!(produced.len(), 2500);
    for (id, record) in produced.iter().enumerate() {
        assert_eq!(record.value.as_deref(), Some(order(id).as_bytes()));
        assert_eq!(record.key.as_deref(), Some(format!("k{id}").as_bytes()));
    }
    assert_eq!(produced[0].headers, [("h".to_owned(), Some("x".into()))]);
    assert_eq!(case.committed(0), Some(2500));
}

#[test]
fn keys_are_made_and_topics_follow_the_source() {
    let mut case = case("records-keys");
    if let Tail::Records(tail) = &mut case.pipeline.routes[0].tail {
        tail.key = KeyPlan::Fields { fields: vec![Expr::Column(0), Expr::Topic], delimiter: "-".to_owned() };
        tail.topic = TopicName::OfSource;
    }
    case.pipeline.routes[0].from = "/site//a/b".to_owned();
    case.world.append_value("/site//a/b", 0, order(4));
    case.run().well();
    let produced = of_topic(&case, "site_a_b");
    assert_eq!(produced[0].key.as_deref(), Some("c1-/site//a/b".as_bytes()));
}

#[test]
fn a_bad_record_stops_with_its_place_and_the_position_before_it() {
    let case = case("records-stop");
    case.append(0, orders(0..100));
    case.append(0, ["not json".to_owned()]);
    case.append(0, orders(100..200));
    let ran = case.run();
    let error = ran.error().unwrap();
    assert!(error.message.starts_with("topic \"orders\" partition 0 offset 100:"), "{error}");
    assert!(case.committed(0).is_none_or(|committed| committed <= 100), "{:?}", case.committed(0));
    let again = case.run();
    assert_eq!(again.error().unwrap().message, error.message, "the next start meets it again");
}

#[test]
fn bad_records_go_to_the_dead_letter_topic_with_connects_headers() {
    let mut case = case("records-dead");
    with_dead_letters(&mut case);
    case.append(0, orders(0..5));
    let headers = vec![("own".to_owned(), None)];
    let bad = MemoryRecord { key: Some("k".into()), value: Some("not json".into()), headers, ..MemoryRecord::default() };
    case.world.append("orders", 0, bad);
    case.append(0, orders(5..10));
    let ran = case.run().well();
    assert_eq!((of_topic(&case, "out").len(), case.committed(0)), (10, Some(11)));
    let dead = of_topic(&case, "dead");
    assert_eq!((dead.len(), dead[0].value.as_deref(), dead[0].key.as_deref()), (1, Some(&b"not json"[..]), Some(&b"k"[..])));
    let header = |name: &str| {
        let found = dead[0].headers.iter().find(|(key, _)| key == &format!("__connect.errors.{name}"));
        found.and_then(|(_, value)| value.as_ref()).map(|value| String::from_utf8(value.to_vec()).unwrap())
    };
    let place = ["topic", "partition", "offset", "connector.name", "task.id", "stage"].map(|name| header(name).unwrap());
    assert_eq!(place, ["orders", "0", "5", "records-dead", "0", "VALUE_CONVERTER"]);
    assert!(header("exception.message").is_some_and(|message| !message.is_empty()));
    assert_eq!(dead[0].headers[0], ("own".to_owned(), None), "headers of the record stay");
    assert_eq!(ran.count("1 records rejected and sent to dead, the first at orders[0] offset 5"), 1, "{:#?}", ran.words);
}

#[test]
fn a_row_that_the_sink_refuses_is_a_reject_too() {
    let mut case = case("records-refused");
    with_dead_letters(&mut case);
    case.pipeline.routes[0].decode = Decode { format: ValueFormat::Bytes, columns: Vec::new() };
    case.append(0, orders(0..3));
    case.world.append_value("orders", 0, vec![b'x'; 2 * 1024 * 1024]);
    case.append(0, orders(3..6));
    let ran = case.run();
    let error = ran.error().unwrap();
    assert!(error.message.contains("dead-letter topic \"dead\" refused the record"), "as large a dead letter is refused as well: {error}");
    assert_eq!(case.committed(0), None, "not moved past it");
    case.pipeline.errors.dead_letter = None;
    case.run().well();
    assert_eq!(case.committed(0), Some(7), "dropped as the policy says");
}

#[test]
fn batches_of_rejects_only_move_the_position() {
    let mut case = case("records-rejects-only");
    with_dead_letters(&mut case);
    case.append(0, (0..250).map(|_| "{".to_owned()));
    case.run().well();
    assert_eq!((of_topic(&case, "dead").len(), case.committed(0)), (250, Some(250)));
}

#[test]
fn in_files_the_set_waits_for_its_dead_letters() {
    let mut case = Case::new("files-dead", 1);
    with_dead_letters(&mut case);
    case.append(0, orders(0..5));
    case.append(0, ["{".to_owned()]);
    case.world.fault(memory::Fault { op: memory::Op::Acks, when: memory::When::Nth(1), what: memory::What::broken() });
    let ran = case.run().well();
    assert_eq!(ran.count("failed, starts again"), 1, "{:#?}", ran.words);
    assert_eq!((of_topic(&case, "dead").len(), case.committed(0)), (1, Some(6)));
}

#[test]
fn topics_that_cannot_be_are_rejects() {
    let mut case = case("records-topics");
    with_dead_letters(&mut case);
    if let Tail::Records(tail) = &mut case.pipeline.routes[0].tail {
        tail.topic = TopicName::OfSource;
    }
    case.pipeline.routes[0].from = "site/ä".to_owned();
    case.world.append_value("site/ä", 0, order(1));
    case.run().well();
    assert_eq!(of_topic(&case, "dead").len(), 1);
}
