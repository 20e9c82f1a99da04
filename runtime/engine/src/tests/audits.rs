//! `verify` finds whatever somebody did to a pipeline's objects or to its ledger.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::exact::ledger_case;
use super::*;
use crate::connector::{OpenRequest, PartitionInspection};
use crate::env::Random;
use crate::ledger::audit::{Audit, Audited, audit};
use crate::ledger::find::{ObjectState, Whereabouts, find};
use crate::ledger::progress::Progress;
use crate::ledger::reset::{Target, plan, reset};
use crate::memory::{open_bookmarks, open_store};
use crate::position::Position;

/// A case that has run to its end: 600 records of two partitions in several files.
fn ran(name: &str) -> Case {
    let mut case = ledger_case(name, 5);
    case.flush().records = Some(50);
    case.append(0, orders(0..300));
    case.append(1, orders(300..600));
    let ran = case.run();
    assert!(ran.error().is_none() && !ran.timed_out, "{:?}", ran.error());
    case
}

fn audited(case: &Case) -> Audit {
    runtime().block_on(audit(&what(case, 300))).unwrap()
}

pub(super) fn what(case: &Case, high: i64) -> Audited {
    let name = &case.pipeline.name;
    let request = OpenRequest {
        pipeline: name,
        task: 0,
        endpoint: &case.pipeline.sink,
        routes: &case.pipeline.routes,
        secrets: &NoSecrets,
        runtime: runtime().handle().clone(),
        starts_in_sink: true,
    };
    let store = open_store(&request).unwrap();
    let inspection = |partition| PartitionInspection {
        topic: "orders".to_owned(),
        partition,
        low: Position(0),
        high: Position(high),
        committed: case.committed(partition).map(Position),
        start: Position(0),
        last_hour: None,
    };
    Audited {
        pipeline: name.as_str().into(),
        prefix: "o".into(),
        bucket: "lake".to_owned(),
        outputs: [("lake".to_owned(), (store, BTreeSet::from(["o".to_owned()])))].into(),
        source: vec![inspection(0), inspection(1)],
        bookmarks: Some(open_bookmarks(&request).unwrap()),
        statements: 1,
        progress: Progress::default(),
    }
}

/// The kinds of what is found, and the first of them in words.
fn found(case: &Case) -> (Vec<&'static str>, String) {
    let audit = audited(case);
    (
        audit.findings.iter().map(crate::ledger::audit::Finding::kind).collect(),
        audit.findings.first().map_or(String::new(), ToString::to_string),
    )
}

/// The keys of data, or of the ledger of partition 0, in order.
fn keys(case: &Case, is_ledger: bool) -> Vec<String> {
    let wanted = |key: &String| if is_ledger { key.contains("/ledger/v1/orders/-/0/") } else { !key.contains("/.kpipe/") };
    case.world.objects().into_keys().filter(wanted).collect()
}

#[test]
fn what_is_whole_is_clean() {
    let case = ran("audit-clean");
    let audit = audited(&case);
    assert_eq!(audit.findings, Vec::new());
    assert_eq!(audit.partitions.iter().map(|partition| partition.records).sum::<u64>(), 600);
    assert_eq!(audit.objects, keys(&case, false).len() as u64);
    let ends: Vec<i64> = audit.partitions.iter().map(|partition| partition.end.0).collect();
    assert_eq!(ends, [300, 300]);
    assert!(audit.partitions.iter().all(|partition| partition.unpublished == 0 && partition.start == Position(0)));
}

#[test]
fn a_deleted_object_is_found() {
    let case = ran("audit-deleted");
    let victim = keys(&case, false).remove(1);
    case.world.remove_object(&victim);
    let (kinds, words) = found(&case);
    assert_eq!(kinds, ["object_missing"]);
    assert!(words.contains(victim.trim_start_matches("lake/")) && words.contains("is not there: positions"), "{words}");
}

#[test]
fn a_cut_object_is_found() {
    let case = ran("audit-cut");
    let victim = keys(&case, false).remove(1);
    let whole = case.world.objects()[&victim].clone();
    case.world.put_object(&victim, whole.slice(..whole.len() / 2));
    assert_eq!(found(&case).0, ["object_length"]);
}

#[test]
fn a_copy_under_another_name_is_found() {
    let case = ran("audit-copy");
    let original = keys(&case, false).remove(1);
    let whole = case.world.objects()[&original].clone();
    case.world.put_object("lake/o/c=c1/orders-0-000000000900-000000000999.json", whole);
    let (kinds, words) = found(&case);
    assert_eq!(kinds, ["object_copy"]);
    assert!(words.contains(&format!("is a copy of {}", original.trim_start_matches("lake/"))), "{words}");
}

#[test]
fn a_foreign_object_is_found() {
    let case = ran("audit-foreign");
    case.world.put_object("lake/o/c=c1/", Bytes::new());
    case.world.put_object("lake/o/notes.txt", Bytes::from_static(b"hello"));
    let (kinds, words) = found(&case);
    assert_eq!((kinds.as_slice(), words.as_str()), (&["object_foreign"][..], "o/notes.txt is of no ledger record: somebody else wrote it"));
}

#[test]
fn an_edited_ledger_record_is_found() {
    let case = ran("audit-edited");
    let victim = keys(&case, true).remove(1);
    let text = String::from_utf8(case.world.objects()[&victim].to_vec()).unwrap();
    case.world.put_object(&victim, text.replacen("\"records\":", "\"records\":1", 1));
    let (kinds, words) = found(&case);
    // Its files are of no record any more.
    assert_eq!(kinds[0], "record_changed");
    assert!(kinds[1..].iter().all(|kind| *kind == "object_foreign"), "{kinds:?}");
    assert!(words.contains("somebody edited it"), "{words}");
}

#[test]
fn a_removed_ledger_record_is_found_wherever_it_was() {
    for (name, place) in [("audit-newest", 0), ("audit-middle", 2), ("audit-oldest", usize::MAX)] {
        let case = ran(name);
        let all = keys(&case, true);
        let victim = &all[place.min(all.len() - 1)];
        case.world.remove_object(victim);
        let expected = if place == 0 { "group_ahead" } else { "record_missing" };
        assert_eq!(found(&case).0[0], expected, "{name}");
    }
}

#[test]
fn a_position_is_moved_on_purpose_and_only_then() {
    let case = ran("audit-reset");
    let audited = what(&case, 300);
    let random = Random::seeded(1);
    let moves = runtime().block_on(plan(&audited, Target::At(Position(100)), &[])).unwrap();
    assert_eq!(moves.iter().map(|step| (step.from, step.cost())).collect::<Vec<_>>(), [(Position(300), (200, 0)); 2]);
    let before = case.world.objects().len();
    moves.iter().for_each(|step| runtime().block_on(reset(&audited, step, &random)).unwrap());
    assert_eq!(case.world.objects().len(), before + 2, "one record a partition");
    // A second time the plan is stale.
    let stale = runtime().block_on(reset(&audited, &moves[0], &random)).unwrap_err();
    assert!(stale.message.contains("a worker wrote record"), "{stale}");
    // The group stands at the end, which is no objection: the reset is newer.
    let ran = case.run();
    assert!(ran.error().is_none(), "{:?}", ran.error());
    assert_eq!(case.committed(0), Some(300));
    let (kinds, words) = found(&case);
    assert!(kinds.is_empty(), "{kinds:?} {words}");
    assert!(runtime().block_on(plan(&audited, Target::At(Position(301)), &[])).is_err(), "beyond the topic");
    assert!(runtime().block_on(plan(&what(&case, 300), Target::Group, &[])).unwrap().is_empty(), "it stands there");
}

/// What the ledger of a case says about a position.
fn whereabouts(case: &Case, wanted: &str) -> Vec<Whereabouts> {
    let found = runtime().block_on(find(&what(case, 300), &wanted.parse().unwrap())).unwrap();
    found.into_iter().map(|(_, whereabouts)| whereabouts).collect()
}

#[test]
fn every_position_is_found_where_it_is() {
    let case = ran("find-all");
    let lines = case.lines();
    for id in 0..600 {
        let (partition, at) = (id / 300, id % 300);
        let found = whereabouts(&case, &format!("orders[{partition}]@{at}"));
        let [Whereabouts::Committed { files, .. }] = &found[..] else { panic!("{at}: {found:?}") };
        let is_in = |key: &str| lines[&format!("lake/{key}")].iter().any(|line| id_of(line) == id);
        assert!(
            files.iter().all(|file| file.object == ObjectState::Visible) && files.iter().any(|file| is_in(&file.key)),
            "{at}: {files:?}"
        );
        assert!(files.iter().all(|file| !file.is_certain || is_in(&file.key)), "what is certain is true: {at}: {files:?}");
        assert!(files.len() == 1 || files.iter().all(|file| !file.is_certain), "a certain one is alone: {at}: {files:?}");
    }
}

#[test]
fn what_no_object_holds_has_its_reason() {
    let case = ran("find-none");
    let found = whereabouts(&case, "orders[0]@5000");
    assert!(matches!(found[..], [Whereabouts::NotYet { end: Position(300) }]), "{found:?}");
    let unknown = runtime().block_on(find(&what(&case, 300), &"orders[7]@1".parse().unwrap())).unwrap_err();
    assert!(unknown.message.contains("orders[7]") && unknown.help.unwrap().contains("orders[0], orders[1]"), "{}", unknown.message);
    let gone = keys(&case, false).into_iter().find(|key| key.contains("/orders-0-000000000000-")).unwrap();
    case.world.remove_object(&gone);
    let found = whereabouts(&case, "orders[0]@0");
    let [Whereabouts::Committed { files, .. }] = &found[..] else { panic!("{found:?}") };
    assert_eq!((format!("lake/{}", files[0].key), files[0].object), (gone, ObjectState::Missing));
    keys(&case, true).iter().for_each(|record| case.world.put_object(record, Bytes::from_static(b"{}")));
    let found = whereabouts(&case, "orders[0]@0");
    assert!(matches!(found[..], [Whereabouts::Damaged { .. }]), "{found:?}");
}

#[test]
fn a_position_that_was_read_twice_is_in_two_places() {
    let case = ran("find-twice");
    runtime().block_on(async {
        let audited = what(&case, 300);
        for step in plan(&audited, Target::At(Position(250)), &["orders[0]".to_owned()]).await.unwrap() {
            reset(&audited, &step, &Random::seeded(1)).await.unwrap();
        }
    });
    assert!(matches!(whereabouts(&case, "orders[0]@260")[..], [Whereabouts::Committed { .. }]), "nothing was read again yet");
    let mut case = case;
    case.flush().records = Some(7);
    case.run();
    let found = whereabouts(&case, "orders[0]@260");
    assert!(matches!(found[..], [Whereabouts::Committed { .. }, Whereabouts::Committed { .. }]), "{found:?}");
}
