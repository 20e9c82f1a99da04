//! The ledger under crashes at any call: every record is in exactly one visible object, and no object ever changes.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::audits::what;
use super::crashes::{fill, visible};
use super::*;
use crate::env::Random;
use crate::error::{ConnectorError, ErrorKind};
use crate::ledger::audit::audit;
use crate::ledger::reset::{Target, plan, reset};
use crate::memory::{Fault, Op, What, When};
use crate::position::Position;

/// Files by the clock, in folders, with a ledger.
pub(super) fn ledger_case(name: &str, seed: u64) -> Case {
    let mut case = Case::new(name, seed);
    case.pipeline.commit = CommitProtocol::Ledger;
    case.flush().records = Some(40 + seed % 90);
    case.flush().interval_ms = Some(1_000 + 500 * (seed % 7));
    case
}

/// What is not the ledger's own.
fn data(case: &Case) -> BTreeMap<String, Bytes> {
    case.world.objects().into_iter().filter(|(key, _)| !key.contains("/.kpipe/")).collect()
}

/// Every wanted record once, and nothing else.
fn assert_exact(case: &Case, good: &BTreeSet<usize>, seed: u64) {
    let visible = visible(case);
    let twice: Vec<_> = visible.iter().filter(|(_, count)| **count != 1).collect();
    assert!(twice.is_empty(), "seed {seed}: {twice:?}");
    let there: BTreeSet<usize> = visible.into_keys().collect();
    let lost: Vec<_> = good.difference(&there).collect();
    assert!(lost.is_empty() && there.is_subset(good), "seed {seed}: lost {lost:?}");
}

/// A run to the end.
fn finish(case: &mut Case) {
    let ran = case.run();
    assert!(!ran.timed_out && ran.error().is_none(), "{:?}", ran.error());
}

/// Crashes at points from the seed, then a run to the end.
fn survive(case: &mut Case, seed: u64) -> usize {
    let random = Random::seeded(seed);
    let good = fill(case);
    let (mut crashes, mut seen) = (0, BTreeMap::new());
    for round in 0..8 {
        if round < 7 {
            case.world.crash_at_call(1 + random.below(90), random.below(2) == 0);
        }
        // Another rotation each time: boundaries are no function of the data.
        case.flush().records = Some(20 + random.below(120));
        let ran = case.run();
        assert!(!ran.timed_out, "seed {seed}: did not end");
        for (key, bytes) in data(case) {
            assert_eq!(seen.entry(key.clone()).or_insert_with(|| bytes.clone()), &bytes, "seed {seed}: {key} changed");
        }
        match ran.error() {
            None => break,
            Some(error) if error.message == "memory: the process crashed" => crashes += 1,
            Some(error) => panic!("seed {seed}: {error}"),
        }
    }
    assert_exact(case, &good, seed);
    assert!(seen.keys().all(|key| data(case).contains_key(key)), "seed {seed}: an object is gone");
    crashes
}

#[test]
fn crashes_at_any_call_leave_every_record_once() {
    let crashes: usize = (0..80).map(|seed| survive(&mut ledger_case(&format!("exact-{seed}"), seed), seed)).sum();
    assert!(crashes > 200, "only {crashes} crashes in 80 runs");
}

#[test]
fn lost_answers_leave_every_record_once() {
    for seed in 0..30 {
        let mut case = ledger_case(&format!("exact-answers-{seed}"), seed);
        let random = Random::seeded(seed);
        for op in [Op::Create, Op::Complete, Op::Begin, Op::Part, Op::List, Op::Get] {
            for _ in 0..3 {
                let away = ConnectorError::new(ErrorKind::Unreachable, "memory: no answer");
                let what = if random.below(2) == 0 { What::LoseAnswer(away) } else { What::Fail(away) };
                case.world.fault(Fault { op, when: When::Nth(1 + random.below(12)), what });
            }
        }
        survive(&mut case, seed);
    }
}

#[test]
fn offsets_that_are_gone_are_no_loss_and_no_repetition() {
    let mut case = ledger_case("exact-offsets", 3);
    let good = fill(&mut case);
    finish(&mut case);
    assert_exact(&case, &good, 3);
    case.world.forget_group(&case.pipeline.name);
    finish(&mut case);
    assert_exact(&case, &good, 3);
}

#[test]
fn empty_objects_for_folders_are_nothing() {
    let mut case = ledger_case("exact-folders", 3);
    let good = fill(&mut case);
    case.world.crash_at_call(60, false);
    assert!(case.run().error().is_some());
    let records: Vec<String> = case.world.objects().into_keys().filter(|key| key.contains("/ledger/v1/")).collect();
    assert!(!records.is_empty());
    for key in records {
        key.match_indices('/').for_each(|(at, _)| case.world.put_object(&key[..=at], Bytes::new()));
    }
    finish(&mut case);
    assert_exact(&case, &good, 3);
}

#[test]
fn a_store_that_overwrites_is_refused() {
    let mut case = ledger_case("exact-ignores", 3);
    fill(&mut case);
    case.world.ignore_create_only(true);
    let ran = case.run();
    let error = ran.error().expect("it must not run");
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.message.ends_with("ignores `If-None-Match`: a ledger there would lose records"), "{error}");
    assert!(data(&case).is_empty());
}

#[test]
fn a_group_ahead_of_its_ledger_is_said() {
    let mut case = ledger_case("exact-ahead", 3);
    fill(&mut case);
    finish(&mut case);
    let newest = case.world.objects().into_keys().find(|key| key.contains("/ledger/v1/orders/-/0/")).expect("a record");
    case.world.remove_object(&newest);
    let ran = case.run();
    let error = ran.error().expect("the ledger is short of a record");
    assert_eq!(error.kind, ErrorKind::Fenced);
    assert!(error.message.contains("orders[0]: the group stands at 350, but the ledger below \"o\""), "{error}");
}

#[test]
fn uploads_that_somebody_removed_are_made_again() {
    let mut undone = 0;
    for seed in 0..40 {
        let mut case = ledger_case(&format!("exact-again-{seed}"), seed);
        let good = fill(&mut case);
        let random = Random::seeded(seed);
        let mut seen: BTreeMap<String, Bytes> = BTreeMap::new();
        // Between two completions of a set: some of its files are visible, the others go.
        for round in 0..3 {
            case.world.fault(Fault { op: Op::Complete, when: When::Nth(1 + random.below(7)), what: What::Crash });
            if round == 1 {
                case.world.crash_at_call(1 + random.below(60), random.below(2) == 0);
            }
            let ran = case.run();
            assert!(!ran.timed_out, "seed {seed}");
            if ran.error().is_some_and(|error| error.message != "memory: the process crashed") {
                panic!("seed {seed}: {:?}", ran.error());
            }
            case.world.abort_uploads();
            // Whoever makes a set again may be told to close sets elsewhere.
            case.flush().records = Some(20 + random.below(100));
            seen.extend(data(&case));
        }
        case.world.crash_at_call(u64::MAX / 2, false);
        let ran = case.run();
        let ran = if ran.error().is_some() { case.run() } else { ran };
        assert!(!ran.timed_out && ran.error().is_none(), "seed {seed}: {:?}", ran.error());
        assert_exact(&case, &good, seed);
        let after = data(&case);
        assert!(seen.iter().all(|(key, bytes)| after.get(key) == Some(bytes)), "seed {seed}: an object changed or went");
        let found = runtime().block_on(audit(&what(&case, 1_000))).unwrap();
        assert!(found.findings.is_empty(), "seed {seed}: {:?}", found.findings);
        undone += case.world.objects().values().filter(|bytes| bytes.windows(13).any(|text| text == b"\"kind\":\"undo\"")).count();
    }
    assert!(undone > 10, "only {undone} sets were undone");
}

#[test]
fn an_upload_that_somebody_removed_is_said_and_nothing_is_skipped() {
    let mut case = ledger_case("exact-removed", 3);
    let good = fill(&mut case);
    // The process dies between the record and the first of its files.
    case.world.fault(Fault { op: Op::Complete, when: When::Nth(1), what: What::Crash });
    assert!(case.run().error().is_some());
    case.world.abort_uploads();
    // With other statements the same files cannot be made again.
    if let Tail::Files(tail) = &mut case.pipeline.routes[0].tail {
        tail.partition.clear();
    }
    let ran = case.run();
    let error = ran.error().expect("a committed file cannot be completed");
    assert_eq!(error.kind, ErrorKind::Fenced);
    assert!(error.message.contains("was removed before it was completed"), "{error}");
    assert!(error.help.as_ref().is_some_and(|help| help.contains("kpipe offsets reset --to")));

    // The advice works: whoever follows it to the end has every record, once.
    let random = Random::seeded(3);
    let mut advice = error.help.clone();
    while let Some(help) = advice {
        let word =
            |flag: &str| help.split_once(flag).and_then(|(_, rest)| rest.split([' ', '`']).next()).map(|word| word.trim_matches('\''));
        let to = Position(word("--to ").and_then(|word| word.parse().ok()).expect("a position"));
        let only: Vec<String> = word("--only ").map(str::to_owned).into_iter().collect();
        let audited = what(&case, 1_000);
        let moved = runtime().block_on(async {
            for step in plan(&audited, Target::At(to), &only).await? {
                reset(&audited, &step, &random).await?;
            }
            Ok::<_, ConnectorError>(())
        });
        advice = match moved {
            Ok(()) => case.run().error().and_then(|error| error.help.clone()),
            Err(error) => error.help,
        };
    }
    finish(&mut case);
    assert_exact(&case, &good, 3);
}

/// The same where the store overwrites: the group's offsets say which records count.
fn bookmark_case(name: &str, seed: u64) -> Case {
    let mut case = ledger_case(name, seed);
    case.pipeline.commit = CommitProtocol::Auto;
    case.world.ignore_create_only(true);
    case
}

#[test]
fn crashes_leave_every_record_once_where_the_store_overwrites() {
    let crashes: usize = (0..30).map(|seed| survive(&mut bookmark_case(&format!("bookmark-{seed}"), seed), seed)).sum();
    assert!(crashes > 100, "{crashes}");
}

#[test]
fn a_group_that_was_moved_is_noticed_where_its_offsets_count() {
    let mut case = bookmark_case("bookmark-moved", 3);
    let good = fill(&mut case);
    finish(&mut case);
    assert_exact(&case, &good, 3);
    let audit_of = |case: &Case| runtime().block_on(audit(&what(case, 400))).unwrap();
    assert!(audit_of(&case).findings.is_empty(), "{:?}", audit_of(&case).findings);
    let name = case.pipeline.name.as_str().to_owned();
    let end = case.committed(0).map(Position).unwrap();
    case.world.move_group(&name, "orders", 0, 10);
    let stopped = case.run();
    let error = stopped.error().expect("it stops");
    assert!(error.kind == ErrorKind::Fenced && error.message.contains("stands at 10, which kpipe did not commit"), "{error}");
    assert_eq!(audit_of(&case).findings.iter().map(|finding| finding.kind()).collect::<Vec<_>>(), ["group_forgot"]);
    // Somebody says where to go on: nothing is read again that is there.
    let audited = what(&case, 400);
    let moves = runtime().block_on(plan(&audited, Target::At(end), &["orders[0]".to_owned()])).unwrap();
    assert_eq!(moves.iter().map(|step| (step.from, step.to)).collect::<Vec<_>>(), [(end, end)]);
    moves.iter().for_each(|step| runtime().block_on(reset(&audited, step, &Random::seeded(1))).unwrap());
    finish(&mut case);
    assert_exact(&case, &good, 3);
}

#[test]
fn records_of_one_protocol_are_not_taken_for_those_of_the_other() {
    let mut case = ledger_case("bookmark-other", 4);
    fill(&mut case);
    finish(&mut case);
    case.pipeline.commit = CommitProtocol::Kafka;
    let error = case.run().error().cloned().expect("it stops");
    assert!(error.message.contains("were committed through a ledger"), "{error}");
    let mut case = bookmark_case("bookmark-another", 4);
    fill(&mut case);
    finish(&mut case);
    case.pipeline.commit = CommitProtocol::Ledger;
    case.world.ignore_create_only(false);
    let error = case.run().error().cloned().expect("it stops");
    assert!(error.message.contains("were committed through the group's offsets"), "{error}");
}
