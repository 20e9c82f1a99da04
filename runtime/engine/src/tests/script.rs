//! What a task does with each thing that a source can say, told step by step by a source that reads a script.

use std::collections::VecDeque;

use super::*;
use crate::connector::{Accept, Assigned, NO_IDENTITY, OpenRequest, Source, SourceEvent};
use crate::error::ErrorKind;
use crate::limits::{REVOKE_WAIT, SETS_IN_FLIGHT_MAX, SETTLE_WAIT};
use crate::memory::{Fault, Op, What, When};
use crate::position::{Delta, PartitionId, Position};
use crate::records::{RawBatch, Records};

/// What the source says next.
#[derive(Clone, Debug)]
enum Step {
    /// This partition, up to this end where it is known.
    Assign(u32, Option<i64>),
    /// Records from and up to these offsets.
    Batch(u32, i64, i64),
    /// Offsets without a record.
    Gap(u32, i64, i64),
    /// A batch whose delta is not that of its records.
    Crooked(u32, i64, i64),
    Revoke(u32),
    Lose(u32),
    Away,
    Back,
    /// Nothing for so many polls.
    Idle(usize),
    Fail(ConnectorError),
    End,
}

use Step::{Assign, Away, Back, Batch, Crooked, End, Fail, Gap, Idle, Lose, Revoke};

struct Script {
    steps: VecDeque<Step>,
    /// What the task asked the source for, with the second.
    heard: Vec<(u64, String)>,
    env: Env,
}

static SCRIPTS: Mutex<BTreeMap<String, Arc<Mutex<Script>>>> = Mutex::new(BTreeMap::new());

struct Scripted(Arc<Mutex<Script>>);

struct Orders(i64, i64);

impl Records for Orders {
    fn len(&self) -> usize {
        (self.1 - self.0) as usize
    }

    fn source_partition(&self) -> i32 {
        0
    }

    fn value(&self, row: usize) -> Option<&[u8]> {
        Some(if row.is_multiple_of(2) { br#"{"id":0,"c":"even"}"# } else { br#"{"id":1,"c":"odd"}"# })
    }

    fn key(&self, _row: usize) -> Option<&[u8]> {
        None
    }

    fn position(&self, row: usize) -> Position {
        Position(self.0 + row as i64)
    }

    fn timestamp_ms(&self, _row: usize) -> Option<i64> {
        None
    }

    fn topic(&self, _row: usize) -> &str {
        "orders"
    }

    fn headers(&self, _row: usize, _each: &mut dyn FnMut(&str, Option<&[u8]>)) {}
}

fn batch(id: u32, records: (i64, i64), delta: (i64, i64)) -> SourceEvent {
    let (from, to) = records;
    let delta = Delta::new(Position(delta.0), Position(delta.1));
    SourceEvent::Batch(RawBatch {
        partition: PartitionId(id),
        delta,
        routes: Arc::new([0]),
        records: Box::new(Orders(from, to)),
        bytes: 10,
    })
}

fn no_answer() -> ConnectorError {
    ConnectorError::new(ErrorKind::Unreachable, "script: no answer")
}

impl Scripted {
    fn hear(&self, words: String) {
        let mut script = self.0.lock().unwrap();
        let second = script.env.clock.monotonic().as_secs();
        script.heard.push((second, words));
    }
}

impl Source for Scripted {
    fn poll(&mut self, wait: Duration, accept: Accept) -> Result<SourceEvent, ConnectorError> {
        let (step, env) = {
            let mut script = self.0.lock().unwrap();
            let is_batch = matches!(script.steps.front(), Some(Batch(..) | Gap(..) | Crooked(..)));
            let step = if is_batch && accept == Accept::EventsOnly { Some(Idle(0)) } else { script.steps.pop_front() };
            if let Some(Idle(left @ 2..)) = step {
                script.steps.push_front(Idle(left - 1));
            }
            (step, script.env.clone())
        };
        if matches!(step, Some(Idle(0))) {
            self.hear("no records, please".to_owned());
        }
        Ok(match step {
            Some(Assign(id, end)) => {
                let (id, partition, start, end) = (PartitionId(id), id as i32, Some(Position(0)), end.map(Position));
                let (topic, identity) = ("orders".into(), NO_IDENTITY.into());
                SourceEvent::Assigned(vec![Assigned { id, topic, partition, start, end, committed: None, identity, bookmark: None }])
            }
            Some(Batch(id, from, to)) => batch(id, (from, to), (from, to)),
            Some(Gap(id, from, to)) => batch(id, (from, from), (from, to)),
            Some(Crooked(id, from, to)) => batch(id, (from, to + 1), (from, to)),
            Some(Revoke(id)) => SourceEvent::Revoked(vec![PartitionId(id)]),
            Some(Lose(id)) => SourceEvent::Lost(vec![PartitionId(id)]),
            Some(Away) => SourceEvent::Away(no_answer()),
            Some(Back) => SourceEvent::Back,
            Some(Fail(error)) => return Err(error),
            Some(End) => SourceEvent::End,
            Some(Idle(_)) | None => {
                env.clock.pause(wait);
                SourceEvent::Idle
            }
        })
    }

    fn start(&mut self, partition: PartitionId, position: Position) -> Result<(), ConnectorError> {
        self.hear(format!("start {} {position}", partition.0));
        Ok(())
    }

    fn commit(&mut self, positions: &[(PartitionId, Position)]) -> Result<(), ConnectorError> {
        positions.iter().for_each(|(id, position)| self.hear(format!("commit {} {position}", id.0)));
        Ok(())
    }

    fn settle(&mut self, wait: Duration) -> Result<(), ConnectorError> {
        self.hear(format!("settle {}", wait.as_secs()));
        Ok(())
    }

    fn release(&mut self, partitions: &[PartitionId]) -> Result<(), ConnectorError> {
        partitions.iter().for_each(|id| self.hear(format!("release {}", id.0)));
        Ok(())
    }

    fn ends(&mut self) -> Vec<(PartitionId, Position)> {
        Vec::new()
    }
}

static SCRIPTED: ConnectorDef = ConnectorDef {
    spec: &SPEC,
    source: Some(|request: &OpenRequest<'_>| Ok(Box::new(Scripted(SCRIPTS.lock().unwrap()[request.pipeline].clone())))),
    records: Some(memory::open_records),
    store: Some(memory::open_store),
    inspect: None,
    newest: None,
    plans: None,
    bookmarks: None,
};

fn case(name: &str, steps: &[Step]) -> Case {
    let case = Case { def: &SCRIPTED, until_caught_up: false, ..Case::new(name, 1) };
    let script = Script { steps: steps.iter().cloned().collect(), heard: Vec::new(), env: case.env.clone() };
    SCRIPTS.lock().unwrap().insert(name.to_owned(), Arc::new(Mutex::new(script)));
    case
}

/// What the source was asked for, without the polls.
fn heard(case: &Case) -> Vec<String> {
    timed(case).into_iter().map(|(_, words)| words).filter(|words| !words.starts_with("no records")).collect()
}

fn timed(case: &Case) -> Vec<(u64, String)> {
    SCRIPTS.lock().unwrap()[&case.pipeline.name].lock().unwrap().heard.clone()
}

#[test]
fn a_source_that_ends_is_drained_committed_and_confirmed() {
    let case = case("script-end", &[Assign(0, None), Batch(0, 0, 10), Batch(0, 10, 25), End]);
    let ran = case.run().well();
    assert_eq!(heard(&case), ["commit 0 25".to_owned(), format!("settle {}", SETTLE_WAIT.as_secs())]);
    assert_eq!((ran.count("draining"), ran.count("ended")), (1, 1), "{:#?}", ran.words);
    assert_eq!(case.lines().values().flatten().count(), 25);
}

#[test]
fn offsets_that_the_source_skipped_are_passed_over() {
    let steps = [Assign(0, None), Batch(0, 3, 5), Gap(0, 5, 9), Batch(0, 12, 14), Gap(0, 20, 30), End];
    let case = case("script-gaps", &steps);
    case.run().well();
    assert_eq!(heard(&case)[0], "commit 0 30");
    let keys: Vec<String> = case.world.objects().into_keys().collect();
    assert_eq!(
        keys,
        ["lake/o/c=even/orders-0-000000000003-000000000012.json", "lake/o/c=odd/orders-0-000000000004-000000000013.json"],
        "names hold the offsets of records, not of gaps"
    );
}

#[test]
fn a_partition_without_any_record_still_moves() {
    let case = case("script-only-gaps", &[Assign(0, None), Gap(0, 0, 7), End]);
    case.run().well();
    assert_eq!((heard(&case)[0].as_str(), case.world.objects().len()), ("commit 0 7", 0));
}

#[test]
fn a_source_that_is_away_is_said_once_and_waited_for() {
    let case = case("script-away", &[Assign(0, None), Away, Idle(40), Back, Batch(0, 0, 2), End]);
    let ran = case.run().well();
    assert_eq!((ran.count("source is away: script: no answer"), ran.count("source is back after 10.0 s")), (1, 1), "{:#?}", ran.words);
    assert_eq!(heard(&case)[0], "commit 0 2");
}

#[test]
fn a_source_that_stays_away_ends_patience() {
    let mut case = case("script-gone", &[Assign(0, None), Batch(0, 0, 5), Away]);
    case.pipeline.errors.retry_timeout_ms = Some(60_000);
    let ran = case.run();
    assert!(!ran.timed_out);
    assert_eq!(ran.error().unwrap().message, "script: no answer");
    assert_eq!((ran.count("starts again"), case.lines().len(), heard(&case).len()), (0, 0, 0), "{:#?}", ran.words);
    assert!((59..70).contains(&case.env.clock.monotonic().as_secs()));
}

#[test]
fn nothing_of_a_lost_partition_is_committed() {
    let steps = [Assign(0, None), Assign(1, None), Batch(0, 0, 10), Batch(1, 0, 6), Lose(0), End];
    let case = case("script-lost", &steps);
    let ran = case.run().well();
    assert_eq!(heard(&case), ["release 0", "commit 1 6", "settle 10"]);
    assert_eq!((ran.count("lost orders[0]"), case.world.uploads_open()), (1, 0));
    assert!(case.lines().keys().all(|key| key.contains("orders-1-")), "{:?}", case.lines().keys());
}

#[test]
fn what_is_closed_is_committed_before_its_partition_goes() {
    let mut case = case("script-revoked", &[Assign(0, None), Batch(0, 0, 10), Batch(0, 10, 13), Revoke(0), End]);
    case.flush().records = Some(10);
    case.run().well();
    assert_eq!(heard(&case), ["commit 0 10", "release 0", "settle 10"], "what was open is left to the next owner");
    assert_eq!(case.world.uploads_open(), 0);
}

#[test]
fn a_rebalance_is_not_held_up_for_longer_than_promised() {
    let mut case = case("script-held-up", &[Assign(0, None), Batch(0, 0, 10), Revoke(0), End]);
    case.flush().records = Some(10);
    case.world.fault(Fault { op: Op::Begin, when: When::Always, what: What::away() });
    case.run();
    let released = timed(&case).into_iter().find(|(_, words)| words == "release 0").expect("it is released").0;
    let limit = REVOKE_WAIT.as_secs();
    assert!((limit..limit + 15).contains(&released), "released after {released} s");
    assert!(heard(&case).iter().all(|words| !words.starts_with("commit")), "{:?}", heard(&case));
    assert_eq!(case.lines().len(), 0);
}

#[test]
fn a_partition_that_comes_back_is_read_again_from_the_commit() {
    let mut case = case("script-back", &[Assign(0, None), Batch(0, 0, 10), Lose(0), Assign(1, None), Batch(1, 0, 10), End]);
    case.flush().records = Some(100);
    case.run().well();
    assert_eq!(heard(&case), ["release 0", "commit 1 10", "settle 10"]);
}

#[test]
fn a_new_partition_ends_the_catching_up() {
    let steps = [Assign(0, Some(10)), Batch(0, 0, 10), Assign(1, Some(4)), Batch(1, 0, 4)];
    let mut case = case("script-catching-up", &steps);
    case.until_caught_up = true;
    let ran = case.run().well();
    let mut commits: Vec<String> = heard(&case).into_iter().filter(|words| words.starts_with("commit")).collect();
    commits.sort();
    assert_eq!(commits, ["commit 0 10", "commit 1 4"], "{:#?}", ran.words);
}

#[test]
fn a_source_that_contradicts_itself_is_a_bug_and_moves_nothing() {
    for (name, steps, message) in [
        ("twice", vec![Assign(0, None), Assign(0, None)], "the source assigned partition#0 twice"),
        ("nobody", vec![Batch(7, 0, 1)], "a batch of partition#7, which is not assigned"),
        ("again", vec![Assign(0, None), Batch(0, 0, 10), Batch(0, 9, 12)], "orders[0] came again from 9, read up to 10"),
        ("crooked", vec![Assign(0, None), Crooked(0, 0, 5)], "orders[0]: records from 0 to 5 lie outside [0, 5)"),
        ("released", vec![Assign(0, None), Lose(0), Batch(0, 0, 1)], "a batch of partition#0, which is not assigned"),
    ] {
        let case = case(&format!("script-bug-{name}"), &[steps, vec![End]].concat());
        let ran = case.run();
        assert_eq!((ran.count("failed, starts again"), ran.count(message)), (1, 1), "{name}: {:#?}", ran.words);
        assert!(heard(&case).iter().all(|words| !words.starts_with("commit")) && case.lines().is_empty(), "{name}: {:?}", heard(&case));
    }
}

#[test]
fn a_failure_gives_up_what_is_open_and_a_new_life_reads_it_again() {
    let broken = no_answer().retry(crate::error::Retry::Reopen);
    let steps = [Assign(0, None), Batch(0, 0, 10), Fail(broken), Assign(0, None), Batch(0, 0, 12), End];
    let case = case("script-lives", &steps);
    let ran = case.run().well();
    assert_eq!((ran.count("starts again"), heard(&case)[0].as_str()), (1, "commit 0 12"));
    assert_eq!((case.lines().values().flatten().count(), case.world.uploads_open()), (12, 0));
}

#[test]
fn what_was_read_is_committed_before_a_source_that_failed_for_good_ends_the_pipeline() {
    let gone = ConnectorError::new(ErrorKind::Missing, "script: offset 10 is there no more");
    let again = ConnectorError::new(ErrorKind::Missing, "script: still not there");
    let case = case("script-out-of-range", &[Assign(0, None), Batch(0, 0, 10), Fail(gone), Fail(again)]);
    let ran = case.run();
    assert_eq!(ran.error().unwrap().message, "script: offset 10 is there no more", "the first error is the cause");
    assert_eq!((ran.timed_out, ran.count("starts again")), (false, 0));
    assert_eq!(heard(&case), ["commit 0 10", "settle 10"], "the source may hold these records no more");
    assert_eq!((case.lines().values().flatten().count(), case.world.uploads_open()), (10, 0));
}

#[test]
fn whoever_is_denied_or_fenced_commits_nothing() {
    for kind in [ErrorKind::Denied, ErrorKind::Fenced] {
        let case = case(&format!("script-{kind:?}"), &[Assign(0, None), Batch(0, 0, 10), Fail(ConnectorError::new(kind, "script: no"))]);
        let ran = case.run();
        assert_eq!(ran.error().unwrap().message, "script: no");
        assert_eq!((heard(&case).len(), case.lines().len()), (0, 0), "{kind:?}");
    }
}

#[test]
fn without_room_the_source_is_polled_for_events_only() {
    let batches = (0..400).map(|batch| Batch(0, batch, batch + 1));
    let steps: Vec<Step> = std::iter::once(Assign(0, None)).chain(batches).chain([End]).collect();
    let mut case = case("script-room", &steps);
    case.flush().records = Some(1);
    case.world.fault(Fault { op: Op::Complete, when: When::Between(Duration::ZERO, Duration::from_secs(120)), what: What::away() });
    let most = Arc::new(Mutex::new(0));
    let seen = Arc::clone(&most);
    case.watch = Some(Arc::new(move |_, world, _| {
        let mut most = seen.lock().unwrap();
        *most = world.uploads_open().max(*most);
    }));
    case.run().well();
    assert_eq!(heard(&case).last().map(String::as_str), Some("settle 10"));
    assert_eq!(case.lines().values().flatten().count(), 400);
    let most = *most.lock().unwrap();
    assert!((2..=SETS_IN_FLIGHT_MAX).contains(&most), "{most} sets under way");
    let refused = timed(&case).iter().filter(|(_, words)| words.starts_with("no records")).count();
    assert!(refused > 10, "polled {refused} times without room");
}
