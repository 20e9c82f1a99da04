//! The tail of files without crashes: names, boundaries, timers, stops, rebalances.

use std::collections::BTreeSet;

use kpipe_compiler::plan::Schedule;

use super::*;
use crate::memory::MemoryRecord;

#[test]
fn every_record_is_in_one_file_and_the_position_at_the_end() {
    let case = Case::new("files-basic", 1);
    case.append(0, orders(0..1000));
    case.append(1, orders(1000..1300));
    let ran = case.run().well();
    let lines = case.lines();
    let ids: Vec<usize> = lines.values().flatten().map(|line| id_of(line)).collect();
    assert_eq!((ids.len(), ids.iter().collect::<BTreeSet<_>>().len()), (1300, 1300));
    assert_eq!((case.committed(0), case.committed(1)), (Some(1000), Some(300)));
    assert_eq!(lines.len(), 6, "two partitions, three countries: {:?}", lines.keys());
    assert_eq!(ran.count("caught up"), 1);
    for (key, lines) in &lines {
        let country = key.split("c=").nth(1).unwrap().split('/').next().unwrap();
        assert!(lines.iter().all(|line| line.contains(&format!("\"c\":\"{country}\""))), "{key}");
    }
}

#[test]
fn sets_are_cut_exactly_at_the_limit_of_records_and_named_by_their_own_offsets() {
    let mut case = Case::new("files-records", 1);
    case.flush().records = Some(30);
    case.append(0, orders(0..100));
    case.run().well();
    let lines = case.lines();
    assert_eq!(lines.len(), 12, "four sets of three folders: {:#?}", lines.keys());
    assert_eq!(lines["lake/o/c=c0/orders-0-000000000000-000000000027.json"].len(), 10);
    assert_eq!(lines["lake/o/c=c2/orders-0-000000000032-000000000059.json"].len(), 10);
    assert_eq!(lines["lake/o/c=c0/orders-0-000000000090-000000000099.json"].len(), 4);
}

#[test]
fn one_record_a_file_in_the_names_of_confluent() {
    let mut case = Case::new("files-confluent", 1);
    case.flush().records = Some(1);
    if let Tail::Files(tail) = &mut case.pipeline.routes[0].tail {
        tail.naming = Naming::Confluent;
        tail.prefix = "topics-dir".to_owned();
    }
    case.append(0, orders(0..3));
    case.run().well();
    let keys: Vec<String> = case.lines().into_keys().collect();
    assert_eq!(keys[1], "lake/topics-dir/orders/c=c1/orders+0+0000000001.json");
}

/// Runs without an end of its own until a set was committed, and gives back the virtual seconds that it took.
fn seconds_to_commit(case: &mut Case) -> u64 {
    case.until_caught_up = false;
    case.watch = Some(Arc::new(|event, _, stop| {
        if matches!(event, Event::Committed { .. }) {
            stop.drain();
        }
    }));
    let before = case.env.clock.monotonic();
    case.run().well();
    (case.env.clock.monotonic() - before).as_secs()
}

#[test]
fn timers_need_no_new_record() {
    let mut case = Case::new("files-idle", 1);
    case.append(0, orders(0..10));
    case.flush().idle_ms = Some(60_000);
    let idle = seconds_to_commit(&mut case);
    // The clock goes on while other threads work, so there is no telling how long after.
    assert!((60..300).contains(&idle), "{idle} s");
    case.append(0, orders(10..20));
    (case.flush().idle_ms, case.flush().interval_ms) = (Some(1_000_000), Some(120_000));
    let interval = seconds_to_commit(&mut case);
    assert!((120..600).contains(&interval), "{interval} s");
    assert_eq!(case.committed(0), Some(20));
    case.append(0, orders(20..30));
    let quarter = Schedule { every_ms: 900_000, zone: "UTC".to_owned() };
    *case.flush() = Flush { interval_ms: None, idle_ms: None, schedule: Some(quarter), ..case.flush().clone() };
    let until_point = 900 - case.env.clock.wall_ms() / 1000 % 900;
    let scheduled = seconds_to_commit(&mut case) as i64;
    assert!((until_point - 1..until_point + 5).contains(&scheduled), "{scheduled} s, the quarter of an hour was to end in {until_point} s");
    assert_eq!(case.committed(0), Some(30));
}

#[test]
fn a_limit_of_bytes_closes_the_set() {
    let mut case = Case::new("files-bytes", 1);
    case.flush().bytes = 3_000;
    case.append(0, orders(0..1000));
    let ran = case.run().well();
    assert!(ran.count("(bytes)") >= 5, "{:#?}", ran.words);
}

#[test]
fn empty_topics_are_caught_up_at_once() {
    let case = Case::new("files-empty", 1);
    case.world.create_log("orders", 0);
    case.run().well();
    assert!(case.lines().is_empty());
}

#[test]
fn gaps_in_offsets_are_legal() {
    let case = Case::new("files-gaps", 1);
    for (index, offset) in [5, 6, 90, 400].into_iter().enumerate() {
        let value = Some(order(index * 3).into());
        case.world.append("orders", 0, MemoryRecord { offset, value, ..MemoryRecord::default() });
    }
    case.run().well();
    let keys: Vec<String> = case.lines().into_keys().collect();
    assert_eq!((keys, case.committed(0)), (vec!["lake/o/c=c0/orders-0-000000000005-000000000400.json".to_owned()], Some(401)));
}

#[test]
fn a_stop_commits_what_is_open() {
    let mut case = Case::new("files-drain", 1);
    case.until_caught_up = false;
    case.append(0, orders(0..150));
    let read = Mutex::new(0);
    case.watch = Some(Arc::new(move |event, _, stop| {
        if let Event::Read { records, .. } = event {
            *read.lock().unwrap() += records;
            if *read.lock().unwrap() == 150 {
                stop.drain();
            }
        }
    }));
    let ran = case.run().well();
    assert_eq!((case.committed(0), ran.count("draining"), ran.count("(stop)")), (Some(150), 1, 1));
}

#[test]
fn a_second_stop_gives_up_open_work_and_leaves_nothing_behind() {
    let mut case = Case::new("files-now", 1);
    case.until_caught_up = false;
    case.append(0, orders(0..150));
    case.watch = Some(Arc::new(|event, _, stop| {
        if matches!(event, Event::Read { .. }) {
            stop.stop_now();
        }
    }));
    let ran = case.run();
    assert!(!ran.outcome.pipelines[0].is_complete && ran.error().is_none());
    assert_eq!((case.committed(0), case.lines().len(), case.world.uploads_open()), (None, 0, 0));
}

#[test]
fn several_statements_share_a_set_and_a_delta() {
    let mut case = Case::new("files-routes", 1);
    case.flush().records = Some(40);
    let mut all = case.pipeline.routes[0].clone();
    if let Tail::Files(tail) = &mut all.tail {
        tail.partition.clear();
        tail.prefix = "all".to_owned();
    }
    case.pipeline.routes.push(all);
    case.append(0, orders(0..60));
    let ran = case.run().well();
    let lines = case.lines();
    assert_eq!(lines["lake/all/orders-0-000000000000-000000000039.json"].len(), 40);
    assert_eq!(lines["lake/o/c=c1/orders-0-000000000001-000000000037.json"].len(), 13);
    assert_eq!((lines.len(), ran.count("committed")), (8, 2));
}

#[test]
fn two_tasks_share_the_partitions_and_end_together() {
    let mut case = Case::new("files-tasks", 1);
    case.tasks = 3;
    for partition in 0..4 {
        case.append(partition, orders(partition as usize * 100..partition as usize * 100 + 100));
    }
    let ran = case.run().well();
    let ids: BTreeSet<usize> = case.lines().values().flatten().map(|line| id_of(line)).collect();
    assert_eq!(ids.len(), 400);
    assert!(ran.count("caught up") >= 3, "{:#?}", ran.words);
}

#[test]
fn revoked_partitions_are_left_to_their_next_owner() {
    let mut case = Case::new("files-revoked", 1);
    case.append(0, orders(0..100));
    case.append(1, orders(100..200));
    let other = Mutex::new(None);
    case.watch = Some(Arc::new(move |event, world, _| match event {
        Event::Read { .. } if other.lock().unwrap().is_none() => *other.lock().unwrap() = Some(world.join_silent("files-revoked")),
        Event::Revoked(_) => {
            // The other worker leaves again: the partition comes back.
            let member = other.lock().unwrap().unwrap();
            world.leave("files-revoked", member);
        }
        _ => {}
    }));
    let ran = case.run().well();
    assert_eq!(ran.count("gave away"), 1, "{:#?}", ran.words);
    let ids: Vec<usize> = case.lines().values().flatten().map(|line| id_of(line)).collect();
    assert_eq!((ids.len(), ids.iter().collect::<BTreeSet<_>>().len()), (200, 200), "open files were given up, not written twice");
    assert_eq!(case.world.uploads_open(), 0);
}

#[test]
fn lost_partitions_are_not_committed() {
    let mut case = Case::new("files-lost", 1);
    case.append(0, orders(0..100));
    let done = Mutex::new(false);
    case.watch = Some(Arc::new(move |event, world, _| {
        if matches!(event, Event::Read { .. }) && !std::mem::replace(&mut *done.lock().unwrap(), true) {
            world.take_partitions("files-lost");
        }
    }));
    let ran = case.run().well();
    assert_eq!((ran.count("lost orders[0]"), case.committed(0)), (1, Some(100)));
    assert_eq!(case.lines().values().flatten().count(), 100);
}

#[test]
fn an_object_that_is_there_counts_as_written() {
    let mut case = Case::new("files-existed", 1);
    case.flush().records = Some(50);
    if let Tail::Files(tail) = &mut case.pipeline.routes[0].tail {
        tail.partition.clear();
    }
    let key = "lake/o/orders-0-000000000000-000000000049.json";
    let lines: Vec<String> = orders(0..50).collect();
    case.world.put_object(key, lines.join("\n") + "\n");
    case.append(0, orders(0..100));
    let ran = case.run().well();
    assert_eq!((ran.count("1 of them there already"), case.committed(0)), (1, Some(100)));
}

#[test]
fn an_object_that_holds_something_else_stops_the_pipeline_in_front_of_it() {
    let mut case = Case::new("files-other-data", 1);
    case.flush().records = Some(50);
    if let Tail::Files(tail) = &mut case.pipeline.routes[0].tail {
        tail.partition.clear();
    }
    let key = "lake/o/orders-0-000000000000-000000000049.json";
    case.world.put_object(key, "untouched");
    case.append(0, orders(0..100));
    let ran = case.run();
    assert!(ran.error().unwrap().message.contains("holds other data"), "{:?}", ran.error());
    assert_eq!((case.lines()[key].as_slice(), case.committed(0)), (["untouched".to_owned()].as_slice(), None));
}

/// About a kilobyte.
fn large(id: usize) -> String {
    format!("{{\"id\":{id},\"c\":\"c{}\",\"fill\":\"{}\"}}", id % 3, "x".repeat(1_000))
}

#[test]
fn short_memory_closes_sets_early_and_loses_nothing() {
    let mut case = Case::new("files-memory", 1);
    case.memory_bytes = 0;
    for partition in 0..3_usize {
        case.append(partition as i32, (0..20_000).map(|id| large(id * 3 + partition)));
    }
    let peak = Arc::new(Mutex::new(0));
    let seen = peak.clone();
    case.watch = Some(Arc::new(move |event, _, _| {
        if let Event::Progress { count, .. } = event {
            let mut peak = seen.lock().unwrap();
            *peak = count.budget_bytes.max(*peak);
        }
    }));
    let ran = case.run().well();
    assert!(ran.count("(memory)") > 1, "{:#?}", ran.words);
    assert_eq!(case.lines().values().map(Vec::len).sum::<usize>(), 60_000);
    let (limit, batch) = (crate::limits::MEMORY_BYTES_MIN, 200_000);
    assert!(*peak.lock().unwrap() <= limit + batch, "{} of {limit}", peak.lock().unwrap());
}

#[test]
fn too_many_folders_close_the_set() {
    let case = Case::new("files-folders", 1);
    case.append(0, (0..2_500).map(|id| format!("{{\"id\":{id},\"c\":\"f{id}\"}}")));
    let ran = case.run().well();
    assert_eq!((ran.count("(files)"), case.lines().len()), (2, 2_500));
}
