use std::time::Duration;

use bytes::Bytes;
use kpipe_compiler::plan::{Decode, Endpoint, KeyPlan, RecordTail, Route, TopicName, ValueFormat};

use super::*;
use crate::connector::{Accept, Completed, Created, IfExists, Listed, NO_IDENTITY, PART_BYTES_MIN, SourceEvent, Stat};
use crate::env::VirtualClock;
use crate::error::Retry;
use crate::position::{PartitionId, Position};
use crate::tests::{NoSecrets, endpoint};

fn world(name: &str) -> Arc<World> {
    World::create(name, Arc::new(VirtualClock::at(0)))
}

fn with_request<T>(name: &str, use_it: impl FnOnce(&OpenRequest<'_>) -> T) -> T {
    let endpoint: Endpoint = endpoint(name);
    let tail = Tail::Records(RecordTail { topic: TopicName::OfSource, key: KeyPlan::Keep, format: None });
    let decode = Decode { format: ValueFormat::Bytes, columns: Vec::new() };
    let routes = [Route { statement: String::new(), from: "t".to_owned(), decode, filter: None, project: None, tail }];
    let runtime = crate::tests::runtime().handle().clone();
    use_it(&OpenRequest {
        pipeline: "p",
        task: 0,
        endpoint: &endpoint,
        routes: &routes,
        secrets: &NoSecrets,
        runtime,
        starts_in_sink: false,
    })
}

fn source(name: &str) -> Box<dyn Source> {
    with_request(name, |request| open_source(request).unwrap())
}

fn store(name: &str) -> Arc<dyn FileStore> {
    with_request(name, |request| open_store(request).unwrap())
}

fn poll(source: &mut Box<dyn Source>) -> SourceEvent {
    source.poll(Duration::from_millis(1), Accept::Records).unwrap()
}

fn assigned(event: SourceEvent) -> Vec<(i32, PartitionId, Position)> {
    let SourceEvent::Assigned(list) = event else { panic!("{event:?}") };
    list.into_iter().map(|partition| (partition.partition, partition.id, partition.start.unwrap())).collect()
}

#[test]
fn a_world_must_exist() {
    let error = with_request("no-such-world", |request| open_source(request).err().unwrap());
    insta::assert_snapshot!(error, @r#"memory: there is no world "no-such-world" in this process"#);
}

#[test]
fn batches_follow_each_other_and_commits_outlive_the_reader() {
    let world = world("memory-read");
    (0..250).for_each(|index| world.append_value("t", 0, format!("v{index}")));
    let mut reader = source("memory-read");
    let id = assigned(poll(&mut reader))[0].1;
    let mut next = Position(0);
    for length in [100, 100, 50] {
        let SourceEvent::Batch(batch) = poll(&mut reader) else { panic!("no batch") };
        assert_eq!((batch.delta.start, batch.records.len()), (next, length));
        next = batch.delta.end;
    }
    assert!(matches!(poll(&mut reader), SourceEvent::Idle));
    assert_eq!(reader.ends(), [(id, Position(250))]);
    reader.commit(&[(id, Position(120))]).unwrap();
    drop(reader);
    let mut again = source("memory-read");
    assert_eq!(assigned(poll(&mut again))[0].2, Position(120));
}

#[test]
fn members_share_and_a_partition_that_moves_is_given_away_first() {
    let world = world("memory-share");
    [0, 1].into_iter().for_each(|partition| world.create_log("t", partition));
    let mut one = source("memory-share");
    assert_eq!(assigned(poll(&mut one)).len(), 2);
    let mut other = source("memory-share");
    assert_eq!(assigned(poll(&mut other)), [], "not free yet");
    let SourceEvent::Revoked(ids) = poll(&mut one) else { panic!("not revoked") };
    assert!(matches!(poll(&mut other), SourceEvent::Idle));
    one.release(&ids).unwrap();
    let moved = assigned(poll(&mut other));
    assert_eq!(moved[0].0, 1);
    drop(other);
    let back = assigned(poll(&mut one));
    assert_eq!(back[0].0, 1);
    assert!(!ids.contains(&back[0].1), "numbers are never used again");
}

#[test]
fn only_the_owner_can_commit() {
    let world = world("memory-lost");
    world.append_value("t", 0, "v");
    let mut reader = source("memory-lost");
    let id = assigned(poll(&mut reader))[0].1;
    world.take_partitions("p");
    reader.commit(&[(id, Position(1))]).unwrap();
    assert_eq!(world.committed("p", "t", 0), None);
    assert!(matches!(poll(&mut reader), SourceEvent::Lost(_)));
}

#[test]
fn no_records_come_when_none_are_accepted() {
    let world = world("memory-events");
    world.append_value("t", 0, "v");
    let mut reader = source("memory-events");
    poll(&mut reader);
    assert!(matches!(reader.poll(Duration::ZERO, Accept::EventsOnly).unwrap(), SourceEvent::Idle));
    assert!(matches!(poll(&mut reader), SourceEvent::Batch(_)));
}

/// A source whose start the sink says.
fn told_source(name: &str) -> Box<dyn Source> {
    with_request(name, |request| open_source(&OpenRequest { starts_in_sink: true, runtime: request.runtime.clone(), ..*request }).unwrap())
}

#[test]
fn nothing_is_handed_out_before_the_sink_says_from_where() {
    let world = world("memory-start");
    (0..10).for_each(|index| world.append_value("t", 0, format!("v{index}")));
    let mut reader = told_source("memory-start");
    let SourceEvent::Assigned(list) = poll(&mut reader) else { panic!("not assigned") };
    assert_eq!((list[0].committed, &*list[0].identity), (None, NO_IDENTITY));
    assert!(matches!(poll(&mut reader), SourceEvent::Idle));
    reader.start(list[0].id, Position(7)).unwrap();
    let SourceEvent::Batch(batch) = poll(&mut reader) else { panic!("no batch") };
    assert_eq!((batch.delta.start, batch.delta.end), (Position(7), Position(10)));
    assert_eq!(reader.start(list[0].id, Position(7)).unwrap_err().kind, ErrorKind::Bug, "it has begun");
    reader.commit(&[(list[0].id, Position(9))]).unwrap();
    drop(reader);
    world.create_log_anew("t", 0, Some("another"));
    world.append_value("t", 0, "v");
    let mut reader = told_source("memory-start");
    let SourceEvent::Assigned(list) = poll(&mut reader) else { panic!("not assigned") };
    assert_eq!((list[0].committed, &*list[0].identity), (Some(Position(9)), "another"));
}

#[test]
fn a_position_that_is_not_there_is_never_jumped_over() {
    let world = world("memory-reach");
    (0..10).for_each(|index| world.append_value("t", 0, format!("v{index}")));
    world.drop_before("t", 0, 4);
    for (position, reached) in [(3, false), (4, true), (10, true), (11, false)] {
        let mut reader = told_source("memory-reach");
        let id = assigned(poll(&mut reader))[0].1;
        let started = reader.start(id, Position(position));
        assert_eq!(started.is_ok(), reached, "{position}: {started:?}");
        if let Err(error) = started {
            assert_eq!((error.kind, error.retry), (ErrorKind::Missing, Retry::No));
            assert!(error.message.ends_with("is not there: it holds 4 to 10"), "{error}");
        }
    }
    let mut reader = source("memory-reach");
    assert_eq!(assigned(poll(&mut reader))[0].2, Position(4));
    world.drop_before("t", 0, 8);
    assert_eq!(reader.poll(Duration::ZERO, Accept::Records).unwrap_err().kind, ErrorKind::Missing, "retention while it read");
}

#[tokio::test]
async fn an_object_is_created_once_unless_the_store_ignores_that() {
    let (world, store) = (world("memory-create"), store("memory-create"));
    let lost = What::LoseAnswer(ConnectorError::new(ErrorKind::Unreachable, "memory: no answer"));
    world.fault(Fault { op: Op::Create, when: When::Nth(1), what: lost });
    store.create("log/1", Bytes::from_static(b"one")).await.unwrap_err();
    assert_eq!(store.create("log/1", Bytes::from_static(b"one")).await.unwrap(), Created::Exists, "the answer was lost, not the object");
    world.ignore_create_only(true);
    assert_eq!(store.create("log/1", Bytes::from_static(b"two")).await.unwrap(), Created::New);
    assert_eq!(store.get("log/1").await.unwrap().unwrap(), "two");
    store.remove(&["log/1".to_owned(), "log/2".to_owned()]).await.unwrap();
    assert_eq!(store.stat("log/1").await.unwrap(), None);
}

#[tokio::test]
async fn each_call_of_a_store_can_fail() {
    let (world, store) = (world("memory-fails"), store("memory-fails"));
    for op in [Op::Create, Op::Put, Op::Get, Op::List, Op::Uploads, Op::Stat, Op::Remove] {
        world.fault(Fault { op, when: When::Nth(1), what: What::away() });
        let failed = match op {
            Op::Create => store.create("k", Bytes::new()).await.is_err(),
            Op::Put => store.put("k", Bytes::new()).await.is_err(),
            Op::Get => store.get("k").await.is_err(),
            Op::List => store.list("", "", 1).await.is_err(),
            Op::Uploads => store.uploads("", 1).await.is_err(),
            Op::Stat => store.stat("k").await.is_err(),
            _ => store.remove(&["k".to_owned()]).await.is_err(),
        };
        assert!(failed, "{op:?}");
    }
    assert!(world.objects().is_empty());
}

#[tokio::test]
async fn an_upload_that_is_gone_is_judged_by_what_is_there() {
    let (world, store) = (world("memory-gone"), store("memory-gone"));
    for (foreign, completed) in [(None, None), (Some("new"), Some(Completed::Existed)), (Some("old"), None)] {
        let upload = store.begin("k").await.unwrap();
        let parts = [store.part("k", &upload, 1, Bytes::from_static(b"new")).await.unwrap()];
        world.abort_uploads();
        world.remove_object("k");
        foreign.into_iter().for_each(|data| world.put_object("k", data));
        assert_eq!(store.complete("k", &upload, &parts, IfExists::Keep).await.ok(), completed, "{foreign:?}");
    }
    let upload = store.begin("k2").await.unwrap();
    let under_way = store.uploads("k", 9).await.unwrap().unwrap();
    assert_eq!((under_way.len(), under_way[0].key.as_str(), under_way[0].upload.is_same(&upload)), (1, "k2", true));
    let parts = [store.part("k2", &upload, 1, Bytes::from_static(b"x")).await.unwrap()];
    store.complete("k2", &upload, &parts, IfExists::Keep).await.unwrap();
    let there = Stat { bytes: 1, modified_ms: 0, upload: Some(upload.mark().to_owned()), crc64: None };
    assert_eq!(store.stat("k2").await.unwrap(), Some(there));
    world.hide_uploads(true);
    assert_eq!(store.uploads("", 9).await.unwrap(), None);
}

#[tokio::test]
async fn an_upload_is_visible_when_it_is_completed_and_not_before() {
    let (world, store) = (world("memory-store"), store("memory-store"));
    let upload = store.begin("a/b").await.unwrap();
    let large = Bytes::from(vec![b'x'; PART_BYTES_MIN]);
    let mut parts = vec![store.part("a/b", &upload, 1, large).await.unwrap()];
    parts.push(store.part("a/b", &upload, 2, Bytes::from_static(b"end")).await.unwrap());
    assert!(world.objects().is_empty());
    assert_eq!(store.complete("a/b", &upload, &parts, IfExists::Keep).await.unwrap(), Completed::Created);
    assert_eq!(store.complete("a/b", &upload, &parts, IfExists::Keep).await.unwrap(), Completed::Existed, "asked for again");
    assert_eq!(
        store.list("a/", "", 10).await.unwrap(),
        [Listed { key: "a/b".to_owned(), bytes: PART_BYTES_MIN as u64 + 3, modified_ms: 0 }]
    );
    assert_eq!(store.get("a/b").await.unwrap().unwrap().len(), PART_BYTES_MIN + 3);
}

#[tokio::test]
async fn what_a_real_store_would_refuse_is_refused() {
    let (_world, store) = (world("memory-refused"), store("memory-refused"));
    let upload = store.begin("k").await.unwrap();
    let small = store.part("k", &upload, 1, Bytes::from_static(b"small")).await.unwrap();
    let last = store.part("k", &upload, 2, Bytes::from_static(b"end")).await.unwrap();
    let refused = store.complete("k", &upload, &[small, last], IfExists::Keep).await.unwrap_err();
    insta::assert_snapshot!(refused, @"memory: a part is too small");
    let gone = store.complete("k", &upload, &[], IfExists::Keep).await.unwrap_err();
    assert_eq!(gone.retry, Retry::Reopen);
}

#[tokio::test]
async fn an_object_is_kept_or_replaced_as_asked() {
    let (world, store) = (world("memory-exists"), store("memory-exists"));
    for (there, if_exists, completed, left) in [
        ("new", IfExists::Keep, Some(Completed::Existed), "new"),
        ("old", IfExists::Keep, None, "old"),
        ("old", IfExists::Replace, Some(Completed::Created), "new"),
    ] {
        world.put_object("k", there);
        let upload = store.begin("k").await.unwrap();
        let parts = [store.part("k", &upload, 1, Bytes::from_static(b"new")).await.unwrap()];
        assert_eq!(store.complete("k", &upload, &parts, if_exists).await.ok(), completed);
        assert_eq!(world.objects()["k"], left);
    }
    assert_eq!(world.uploads_open(), 0);
}

#[tokio::test]
async fn a_dead_process_has_no_effect_any_more() {
    let (world, store) = (world("memory-dead"), store("memory-dead"));
    let upload = store.begin("k").await.unwrap();
    world.crash_at_call(1, true);
    assert!(store.part("k", &upload, 1, Bytes::from_static(b"x")).await.is_err());
    assert!(store.abort("k", &upload).await.is_err());
    assert_eq!(world.uploads_open(), 1, "what was prepared stays invisible");
}
