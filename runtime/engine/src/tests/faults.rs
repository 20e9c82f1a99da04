//! Systems that fail, are away or are slow, without the process dying.

use std::collections::BTreeSet;

use super::*;
use crate::memory::{Fault, Op, What, When};

fn fault(case: &Case, op: Op, when: When, what: What) {
    case.world.fault(Fault { op, when, what });
}

fn seconds(from: u64, to: u64) -> When {
    When::Between(Duration::from_secs(from), Duration::from_secs(to))
}

#[test]
fn a_store_that_is_away_is_waited_for_and_said_once() {
    for op in [Op::Begin, Op::Part, Op::Complete] {
        let case = Case::new(&format!("away-{op:?}"), 1);
        case.append(0, orders(0..500));
        fault(&case, op, seconds(0, 300), What::away());
        let ran = case.run().well();
        assert_eq!((ran.count("sink is away"), ran.count("sink is back")), (1, 1), "{op:?} {:#?}", ran.words);
        assert_eq!((case.lines().values().flatten().count(), case.committed(0)), (500, Some(500)));
    }
}

#[test]
fn patience_ends_with_the_systems_own_words() {
    let mut case = Case::new("impatient", 1);
    case.pipeline.errors.retry_timeout_ms = Some(60_000);
    case.append(0, orders(0..10));
    fault(&case, Op::Part, When::Always, What::away());
    let ran = case.run();
    assert_eq!(ran.error().unwrap().message, "memory: no answer");
    assert_eq!((case.committed(0), case.lines().len()), (None, 0));
}

#[test]
fn lost_answers_write_nothing_twice() {
    for op in [Op::Begin, Op::Part, Op::Complete] {
        let case = Case::new(&format!("answers-{op:?}"), 1);
        case.append(0, orders(0..300));
        let no_answer = ConnectorError::new(crate::error::ErrorKind::Unreachable, "memory: the answer is lost");
        fault(&case, op, When::Nth(1), What::LoseAnswer(no_answer));
        case.run().well();
        assert_eq!((case.lines().values().flatten().count(), case.committed(0)), (300, Some(300)), "{op:?}");
    }
}

#[test]
fn a_task_that_fails_starts_again_from_the_last_commit() {
    for op in [Op::Poll, Op::SourceCommit, Op::Begin, Op::Complete] {
        let mut case = Case::new(&format!("restart-{op:?}"), 1);
        case.flush().records = Some(100);
        case.append(0, orders(0..1000));
        fault(&case, op, When::Nth(3), What::broken());
        let ran = case.run().well();
        assert_eq!(ran.count("failed, starts again"), 1, "{op:?} {:#?}", ran.words);
        let ids: BTreeSet<usize> = case.lines().values().flatten().map(|line| id_of(line)).collect();
        assert_eq!((ids.len(), case.committed(0)), (1000, Some(1000)), "{op:?}");
    }
}

#[test]
fn a_missing_right_stops_at_once() {
    let case = Case::new("denied", 1);
    case.append(0, orders(0..10));
    let denied = ConnectorError::new(crate::error::ErrorKind::Denied, "memory: no right to write");
    fault(&case, Op::Begin, When::Always, What::Fail(denied));
    let ran = case.run();
    assert_eq!(ran.error().unwrap().kind, crate::error::ErrorKind::Denied);
    assert_eq!((ran.count("starts again"), ran.count("failed: memory: no right to write")), (0, 1), "{:#?}", ran.words);
}

#[test]
fn a_slow_store_does_not_hold_up_polls() {
    let mut case = Case::new("slow", 1);
    case.flush().records = Some(100);
    case.append(0, orders(0..1000));
    fault(&case, Op::Part, When::Always, What::Slow(Duration::from_secs(20)));
    let ran = case.run().well();
    assert_eq!(case.lines().values().flatten().count(), 1000);
    assert_eq!(ran.count("away"), 0, "slow is not away: {:#?}", ran.words);
}

#[test]
fn a_drain_that_takes_too_long_gives_up() {
    let mut case = Case::new("drain-timeout", 1);
    case.until_caught_up = false;
    case.append(0, orders(0..100));
    fault(&case, Op::Part, When::Always, What::away());
    case.watch = Some(Arc::new(|event, _, stop| {
        if matches!(event, Event::Read { .. }) {
            stop.drain();
        }
    }));
    let ran = case.run();
    assert!(!ran.outcome.pipelines[0].is_complete && ran.error().is_none(), "{:?}", ran.outcome);
    assert_eq!((case.committed(0), case.lines().len(), case.world.uploads_open()), (None, 0, 0));
}

#[test]
fn a_sink_of_records_that_is_silent_is_said_to_be_away() {
    let mut case = Case::new("silent", 1);
    case.pipeline = records("silent");
    case.pipeline.errors.retry_timeout_ms = Some(120_000);
    case.append(0, orders(0..10));
    fault(&case, Op::Acks, When::Always, What::broken());
    let ran = case.run();
    assert_eq!(ran.error().unwrap().message, "memory: broken");
    assert!(ran.count("starts again") > 3, "{:#?}", ran.words);
}

#[test]
fn one_pipeline_that_fails_does_not_stop_the_others() {
    let (bad, good) = (Case::new("two-bad", 1), Case::new("two-good", 2));
    bad.append(0, ["not json".to_owned()]);
    good.append(0, orders(0..100));
    let heard = Arc::new(crate::event::tests::Heard::default());
    let options = RunOptions {
        tasks: 1,
        until_caught_up: true,
        drain_timeout: Duration::from_secs(10),
        memory_bytes: MEMORY_BYTES_DEFAULT,
        env: good.env.clone(),
        secrets: Arc::new(NoSecrets),
        runtime: runtime().handle().clone(),
        stop: StopHandle::default(),
        events: heard,
    };
    let outcome = run(vec![bad.pipeline.clone(), good.pipeline.clone()], &[&MEMORY], &options).unwrap();
    let names: Vec<_> = outcome.pipelines.iter().map(|pipeline| (pipeline.name.as_str(), pipeline.error.is_some())).collect();
    assert_eq!(names, [("two-bad", true), ("two-good", false)]);
    assert_eq!(good.committed(0), Some(100));
}

#[test]
fn a_connector_that_is_not_there_is_a_bug_with_its_name() {
    let mut case = Case::new("no-connector", 1);
    case.pipeline.sink.connector = "pigeon".to_owned();
    let ran = case.run();
    insta::assert_snapshot!(ran.error().unwrap(), @r#"this binary has no connector "pigeon" that can be a store of files"#);
}

#[test]
fn a_commit_that_does_not_come_through_is_given_up_with_its_partition() {
    let mut case = Case::new("revoked-commit", 1);
    case.append(0, orders(0..30));
    case.append(1, orders(30..60));
    fault(&case, Op::Complete, seconds(0, 60), What::away());
    let other = Mutex::new(None);
    case.watch = Some(Arc::new(move |event, world, _| match event {
        Event::Uploaded(_) if other.lock().unwrap().is_none() => *other.lock().unwrap() = Some(world.join_silent("revoked-commit")),
        Event::Revoked(_) => world.leave("revoked-commit", other.lock().unwrap().unwrap()),
        _ => {}
    }));
    let ran = case.run().well();
    assert_eq!(ran.count("gave away"), 1, "{:#?}", ran.words);
    let ids: Vec<usize> = case.lines().values().flatten().map(|line| id_of(line)).collect();
    assert_eq!((ids.len(), case.world.uploads_open()), (60, 0));
    assert_eq!(ran.count("there already"), 0, "the commit that was given up wrote nothing: {:#?}", ran.words);
}
