//! Everything at once, from a seed: failures of every call, outages, slowness, rebalances and crashes, against the same oracle.

use std::collections::BTreeSet;

use super::*;
use crate::env::Random;
use crate::memory::{Fault, Op, What, When};

const OPS: [Op; 8] = [Op::Poll, Op::SourceCommit, Op::Send, Op::Acks, Op::Begin, Op::Part, Op::Complete, Op::Abort];

fn what(random: &Random) -> What {
    let no_answer = ConnectorError::new(crate::error::ErrorKind::Unreachable, "memory: the answer is lost");
    match random.below(5) {
        0 => What::away(),
        1 => What::broken(),
        2 => What::LoseAnswer(no_answer.retry(crate::error::Retry::Reopen)),
        3 => What::LoseAnswer(no_answer),
        _ => What::Slow(Duration::from_millis(random.below(3_000))),
    }
}

/// Failures of single calls and outages of seconds.
fn storm(case: &Case, random: &Random) {
    let base = case.env.clock.monotonic();
    for _ in 0..12 {
        let op = OPS[random.below(OPS.len() as u64) as usize];
        let when = if random.below(3) == 0 {
            let from = base + Duration::from_millis(random.below(20_000));
            When::Between(from, from + Duration::from_millis(random.below(4_000)))
        } else {
            When::Nth(1 + random.below(30))
        };
        case.world.fault(Fault { op, when, what: what(random) });
    }
}

/// Another worker comes and goes, partitions are lost, now and then.
fn unrest(pipeline: String, seed: u64, other: Arc<Mutex<Option<u64>>>) -> Watch {
    let random = Random::seeded(seed ^ 0xABCD);
    Arc::new(move |event, world, _| {
        if !matches!(event, Event::Read { .. } | Event::Closed { .. } | Event::Committed { .. }) || random.below(10) > 0 {
            return;
        }
        let mut other = other.lock().unwrap();
        match (random.below(4), other.take()) {
            (0, kept) => {
                *other = kept;
                world.take_partitions(&pipeline);
            }
            (_, Some(member)) => world.leave(&pipeline, member),
            (_, None) => *other = Some(world.join_silent(&pipeline)),
        }
    })
}

/// Runs through the storm; every record must come out.
fn weather(case: &mut Case, seed: u64) {
    let random = Random::seeded(seed);
    let name = case.pipeline.name.clone();
    for partition in 0..3 {
        case.append(partition, (0..300).map(|id| order(id * 3 + partition as usize)));
    }
    storm(case, &random);
    let other = Arc::new(Mutex::new(None));
    case.watch = Some(unrest(name.clone(), seed, other.clone()));
    let mut rounds = 0;
    loop {
        if rounds < 3 {
            case.world.crash_at_call(20 + random.below(150), random.below(2) == 0);
        }
        rounds += 1;
        let ran = case.run();
        assert!(!ran.timed_out, "seed {seed}: did not end: {:#?}", ran.words.iter().rev().take(15).collect::<Vec<_>>());
        let Some(error) = ran.error() else { break };
        // A worker that died took its members along; ours start anew.
        assert!(error.message.contains("crashed") && rounds < 10, "seed {seed}: {error}");
    }
    // What the other worker had when ours were done is read when it has left.
    case.watch = None;
    if let Some(member) = other.lock().unwrap().take() {
        case.world.leave(&name, member);
    }
    let mut ran = case.run();
    if ran.error().is_some_and(|error| error.message.contains("crashed")) {
        // The last crash was still to come.
        ran = case.run();
    }
    ran.well();
    let values = case.world.produced().into_iter().filter_map(|record| record.value);
    let produced = values.map(|value| String::from_utf8(value.to_vec()).unwrap());
    let ids: BTreeSet<usize> = case.lines().into_values().flatten().chain(produced).map(|line| id_of(&line)).collect();
    assert_eq!(ids.len(), 900, "seed {seed}");
    let committed: Vec<_> = (0..3).map(|partition| case.committed(partition)).collect();
    assert_eq!(committed, [Some(300); 3], "seed {seed}");
}

#[test]
fn files_come_through_storms() {
    for seed in 0..40 {
        let mut case = Case::new(&format!("storm-files-{seed}"), seed);
        (case.flush().records, case.flush().interval_ms) = (Some(20 + seed * 3), Some(2_000));
        case.tasks = 1 + (seed % 3) as usize;
        weather(&mut case, seed);
    }
}

#[test]
fn records_come_through_storms() {
    for seed in 0..40 {
        let name = format!("storm-records-{seed}");
        let mut case = Case { pipeline: records(&name), ..Case::new(&name, seed) };
        case.tasks = 1 + (seed % 3) as usize;
        weather(&mut case, seed);
    }
}
