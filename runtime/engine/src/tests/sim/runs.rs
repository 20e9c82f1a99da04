//! Seeds in numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::Fault;
use super::life::{Options, Verdict, run};
use super::oracle::Wrong;
use crate::planted::PlantedBug;

/// Seeds of a plain `cargo test`; `KPIPE_SIM_SEEDS` asks for others.
const SEEDS: u64 = 300;

/// So many seeds reach every branch.
const SEEDS_FOR_ALL: u64 = 2_000;

/// What the engine, and the servers, must have done in some seed.
const BRANCHES: &[&str] = &[
    "MQTT message came again",
    "acknowledgement of an old connection",
    "asked the store again",
    "bytes",
    "commit of an old generation refused",
    "completed again: 200",
    "completed again: 404",
    "gave partitions away",
    "heard that partitions are lost",
    "idle",
    "interval",
    "partitions lost",
    "process gave up",
    "record rejected",
    "records",
    "revoked, cooperative",
    "revoked, eager",
    "schedule",
    "static member came back",
    "stop",
    "task started again",
];

/// What many seeds came to.
#[derive(Debug, Default)]
pub(super) struct Summary {
    seeds: u64,
    records: u64,
    events: u64,
    virtual_time: Duration,
    slowest: Duration,
    /// By what is wrong: in how many seeds, and the first of them.
    pub(super) wrong: BTreeMap<Wrong, (u64, u64)>,
    fired: BTreeMap<Fault, u64>,
    reached: BTreeMap<&'static str, u64>,
    allowed_duplicates: u64,
    took: Duration,
}

impl Summary {
    fn add(&mut self, verdict: &Verdict) {
        self.seeds += 1;
        self.records += verdict.records;
        self.events += verdict.events;
        self.virtual_time += verdict.virtual_time;
        self.slowest = self.slowest.max(verdict.healed_after.unwrap_or_default());
        self.allowed_duplicates += verdict.allowed_duplicates;
        for wrong in verdict.violations.iter().map(|violation| violation.wrong).collect::<BTreeSet<Wrong>>() {
            let (count, first) = self.wrong.entry(wrong).or_insert((0, verdict.seed));
            (*count, *first) = (*count + 1, verdict.seed.min(*first));
        }
        verdict.fired.iter().for_each(|(fault, times)| *self.fired.entry(*fault).or_default() += times);
        verdict.reached.iter().for_each(|(branch, times)| *self.reached.entry(*branch).or_default() += times);
    }

    fn print(&self, name: &str) {
        let of = |wrong| self.wrong.get(&wrong).map_or(0, |(seeds, _)| *seeds);
        let seconds = self.took.as_secs_f64();
        println!(
            "{name}: {} seeds in {seconds:.1} s, {:.0} seeds/s; {} records, {} events, {:.0} virtual hours; healed after {:.0} s at most",
            self.seeds,
            self.seeds as f64 / seconds,
            self.records,
            self.events,
            self.virtual_time.as_secs_f64() / 3600.0,
            self.slowest.as_secs_f64()
        );
        println!(
            "seeds with records lost: {}, duplicated: {}, stuck: {}; MQTT messages twice, as the promise says: {}",
            of(Wrong::Lost),
            of(Wrong::Duplicate),
            of(Wrong::Stuck),
            self.allowed_duplicates
        );
        self.wrong.iter().for_each(|(wrong, (seeds, first))| println!("  {wrong:?} in {seeds} seeds, the first is {first}"));
        println!("| fault | row | fired |\n|---|---|---|");
        for (fault, row, ..) in Fault::ALL {
            println!("| {fault:?} | {row} | {} |", self.fired.get(fault).copied().unwrap_or(0));
        }
        println!("| branch | reached |\n|---|---|");
        self.reached.iter().for_each(|(branch, times)| println!("| {branch} | {times} |"));
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Runs seeds on all cores, until one is wrong if that is what is looked for.
pub(super) fn seeds(from: u64, count: u64, stops_at_wrong: bool, options: impl Fn(u64) -> Options + Sync) -> Summary {
    let (begin, next, summary) = (Instant::now(), AtomicU64::new(from), Mutex::new(Summary::default()));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + count || (stops_at_wrong && !summary.lock().unwrap().wrong.is_empty()) {
                        return;
                    }
                    let verdict = run(options(seed));
                    summary.lock().unwrap().add(&verdict);
                }
            });
        }
    });
    let mut summary = summary.into_inner().unwrap();
    summary.took = begin.elapsed();
    summary
}

/// The story of a seed, for whoever looks for its cause.
fn story(seed: u64, options: Options) -> String {
    let verdict = run(Options { seed, aloud: true, ..options });
    let violations: Vec<String> =
        verdict.violations.iter().take(5).map(|found| format!("{:?} {:?}: {}", found.at, found.wrong, found.words)).collect();
    format!("{}\n{}", verdict.words.join("\n"), violations.join("\n"))
}

fn exact(seed: u64) -> Options {
    Options { seed, has_ledger: true, ..Options::default() }
}

#[test]
fn everything_is_there_once() {
    let (from, count) = (number("KPIPE_SIM_FROM").unwrap_or(0), number("KPIPE_SIM_SEEDS").unwrap_or(SEEDS));
    let summary = seeds(from, count, false, exact);
    summary.print("exactly once");
    if let Some((wrong, (_, seed))) = summary.wrong.iter().next() {
        panic!("{wrong:?} in seed {seed}: KPIPE_SIM_SEED={seed} cargo test -p kpipe-engine sim::runs::replay -- --nocapture");
    }
    let silent: Vec<Fault> = Fault::ALL.iter().map(|(fault, ..)| *fault).filter(|fault| !summary.fired.contains_key(fault)).collect();
    assert!(count < SEEDS_FOR_ALL || silent.is_empty(), "never happened: {silent:?}");
    let unseen: Vec<&str> = BRANCHES.iter().copied().filter(|branch| !summary.reached.contains_key(branch)).collect();
    assert!(count < SEEDS_FOR_ALL || unseen.is_empty(), "never reached: {unseen:?}");
}

/// What only a group that keeps bookmarks does.
const BRANCHES_OF_BOOKMARKS: &[&str] = &["bookmark of an old generation refused", "bookmark read while one is written"];

fn by_bookmark(seed: u64) -> Options {
    Options { by_bookmark: true, ..exact(seed) }
}

#[test]
fn everything_is_there_once_where_the_store_overwrites() {
    let (from, count) = (number("KPIPE_SIM_FROM").unwrap_or(0), number("KPIPE_SIM_SEEDS").unwrap_or(SEEDS));
    let summary = seeds(from, count, false, by_bookmark);
    summary.print("exactly once, by the group's offsets");
    if let Some((wrong, (_, seed))) = summary.wrong.iter().next() {
        panic!("{wrong:?} in seed {seed}: KPIPE_SIM_BOOKMARK_SEED={seed} cargo test -p kpipe-engine sim::runs::replay -- --nocapture");
    }
    let unseen: Vec<&str> = BRANCHES_OF_BOOKMARKS.iter().copied().filter(|branch| !summary.reached.contains_key(branch)).collect();
    assert!(count < SEEDS_FOR_ALL || unseen.is_empty(), "never reached: {unseen:?}");
}

/// Bugs of a pipeline whose group keeps bookmarks, as below.
const PLANTED_IN_BOOKMARKS: &[(PlantedBug, u64)] = &[
    (PlantedBug::NamedBeforeItIsThere, 23),
    (PlantedBug::ForgottenBookmark, 11),
    (PlantedBug::WordErased, 23),
    (PlantedBug::RecoverySkipped, 23),
];

/// All of them, each with a seed from which on it is soon found.
const PLANTED: &[(PlantedBug, u64)] = &[
    (PlantedBug::DeltaDroppedAtPartitioning, 16),
    (PlantedBug::CommittedBeforeTheUpload, 4),
    (PlantedBug::DroppedWithoutRoom, 7),
    (PlantedBug::DeadLettersNotAwaited, 643),
    (PlantedBug::NoFence, 7),
    (PlantedBug::FenceNotRead, 136),
    (PlantedBug::FenceKeepsOldEnd, 56),
    (PlantedBug::LedgerOverwrites, 17),
    (PlantedBug::ConflictIsSuccess, 65),
    (PlantedBug::OwnRecordIsForeign, 7),
    (PlantedBug::NextNumberOnRetry, 26),
    (PlantedBug::NonceOfNumber, 44),
    (PlantedBug::RecoverySkipped, 14),
    (PlantedBug::PublishedBeforeItWas, 14),
    (PlantedBug::PublishedFirst, 8),
    (PlantedBug::GoneIsPublished, 434),
    (PlantedBug::PublishGivesUp, 7),
    (PlantedBug::AbortsWhenUnknown, 79),
    (PlantedBug::SweepsFirst, 44),
    (PlantedBug::SweepIgnoresAge, 7),
    (PlantedBug::StartsAtTheGroup, 7),
    (PlantedBug::IdentityIgnored, 4),
    (PlantedBug::NoProbe, 84),
    (PlantedBug::GapIsSilent, 385),
    (PlantedBug::AckedAtOnce, 1),
];

/// A bug that is not found by then stays unfound.
const SEEDS_FOR_A_BUG: u64 = 5_000;

#[test]
fn planted_bugs_are_found() {
    let mut unfound = Vec::new();
    println!("| bug | seeds | found in seed | as |\n|---|---|---|---|");
    let looks_from_the_first = number("KPIPE_SIM_SEEDS").is_some();
    let in_ledger = PLANTED.iter().map(|(bug, known)| (bug, known, exact as fn(u64) -> Options));
    let in_bookmarks = PLANTED_IN_BOOKMARKS.iter().map(|(bug, known)| (bug, known, by_bookmark as fn(u64) -> Options));
    for (bug, known, options) in in_ledger.chain(in_bookmarks) {
        let from = if looks_from_the_first { 0 } else { *known };
        let summary = seeds(from, SEEDS_FOR_A_BUG, true, |seed| Options { planted: Some(*bug), ..options(seed) });
        match summary.wrong.iter().min_by_key(|(_, (_, seed))| *seed) {
            Some((wrong, (_, seed))) => println!("| `{bug:?}` | {} | {seed} | {wrong:?} |", seed + 1 - from),
            None => unfound.push(*bug),
        }
    }
    assert!(unfound.is_empty(), "not found in {SEEDS_FOR_A_BUG} seeds: {unfound:?}");
}

#[test]
fn without_a_ledger_records_come_twice() {
    let summary = seeds(0, 100, true, |seed| Options { seed, ..Options::default() });
    summary.print("at least once");
    assert!(summary.wrong.contains_key(&Wrong::Duplicate), "the oracle is blind: {:?}", summary.wrong);
}

#[test]
fn a_seed_goes_the_same_way_every_time() {
    for seed in 0..20 {
        let options = Options { aloud: true, ..exact(seed) };
        let (one, other) = (run(options), run(options));
        let differs = one.words.iter().zip(&other.words).find(|(one, other)| one != other);
        assert_eq!((differs, one.hash), (None, other.hash), "seed {seed}");
    }
}

#[test]
fn replay() {
    if let Some(seed) = number("KPIPE_SIM_SEED") {
        println!("{}", story(seed, exact(seed)));
    }
    if let Some(seed) = number("KPIPE_SIM_BOOKMARK_SEED") {
        println!("{}", story(seed, by_bookmark(seed)));
    }
}
