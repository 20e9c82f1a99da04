//! The process dies at seeded points and starts again, until all is through; two planted bugs show that the oracle sees.

use std::collections::BTreeSet;

use super::*;
use crate::env::Random;

/// How a case went through its crashes; `Err` is what the oracle has against it.
pub(super) type Verdict = Result<usize, String>;

const PARTITIONS: i32 = 2;
const RECORDS: usize = 700;

/// 700 records in two partitions, some of them rejected, the last batch of one of them entirely.
pub(super) fn fill(case: &mut Case) -> BTreeSet<usize> {
    case.pipeline.errors.tolerance = Tolerance::All;
    let mut good = BTreeSet::new();
    for id in 0..RECORDS {
        let partition = id as i32 % PARTITIONS;
        if id % 50 == 7 {
            case.append(partition, ["{ broken".to_owned()]);
        } else {
            good.insert(id);
            case.append(partition, [order(id)]);
        }
    }
    case.append(1, (0..150).map(|_| "{ broken".to_owned()));
    good
}

/// What is visible: per id how often.
pub(super) fn visible(case: &Case) -> BTreeMap<usize, usize> {
    let mut counts = BTreeMap::new();
    let lines = case.lines().into_values().flatten();
    let produced =
        case.world.produced().into_iter().filter_map(|record| record.value).map(|value| String::from_utf8(value.to_vec()).unwrap());
    for line in lines.chain(produced) {
        *counts.entry(id_of(&line)).or_default() += 1;
    }
    counts
}

/// Ids at or above the committed positions.
fn uncommitted(case: &Case) -> BTreeSet<usize> {
    let above = |id: &usize| {
        let partition = *id as i32 % PARTITIONS;
        (*id as i64 / i64::from(PARTITIONS)) >= case.committed(partition).unwrap_or(0)
    };
    (0..RECORDS).filter(above).collect()
}

/// Runs with crashes at points from the seed, then to the end, and asks the oracle.
fn survive(case: &mut Case, seed: u64) -> Verdict {
    survive_where(case, seed, |_| true)
}

/// The same where only some of the good records are to come out.
pub(super) fn survive_where(case: &mut Case, seed: u64, is_wanted: impl Fn(usize) -> bool) -> Verdict {
    let random = Random::seeded(seed);
    let good: BTreeSet<usize> = fill(case).into_iter().filter(|id| is_wanted(*id)).collect();
    let mut may_be_twice: BTreeMap<usize, usize> = BTreeMap::new();
    let mut crashes = 0;
    for round in 0..6 {
        if round < 5 {
            case.world.crash_at_call(1 + random.below(60), random.below(2) == 0);
        }
        let ran = case.run();
        if ran.timed_out {
            return Err(format!("seed {seed}: did not end"));
        }
        match ran.error() {
            None => break,
            Some(error) if error.message == "memory: the process crashed" => crashes += 1,
            Some(error) => return Err(format!("seed {seed}: {error}")),
        }
        let (visible, uncommitted) = (visible(case), uncommitted(case));
        if let Some(id) = good.iter().find(|id| !uncommitted.contains(id) && !visible.contains_key(id)) {
            return Err(format!("seed {seed}: {id} is committed and not there"));
        }
        uncommitted.iter().filter(|id| visible.contains_key(id)).for_each(|id| *may_be_twice.entry(*id).or_insert(1) += 1);
    }
    let visible = visible(case);
    if let Some(id) = good.iter().find(|id| !visible.contains_key(id)) {
        return Err(format!("seed {seed}: {id} is lost"));
    }
    if let Some((id, count)) = visible.iter().find(|(id, count)| **count > may_be_twice.get(id).copied().unwrap_or(1)) {
        return Err(format!("seed {seed}: {id} is there {count} times"));
    }
    if let Some(id) = visible.keys().find(|id| !good.contains(id)) {
        return Err(format!("seed {seed}: {id} is not wanted"));
    }
    let ends = (0..PARTITIONS).map(|partition| case.committed(partition));
    if !ends.eq([Some(350), Some(500)]) {
        return Err(format!("seed {seed}: committed {:?} {:?}", case.committed(0), case.committed(1)));
    }
    Ok(crashes)
}

fn files_case(name: &str, seed: u64) -> Case {
    let mut case = Case::new(name, seed);
    case.flush().records = Some(60 + seed % 50);
    case.flush().interval_ms = Some(5_000);
    case
}

#[test]
fn files_lose_nothing_and_repeat_only_what_was_not_committed() {
    let crashes: usize = (0..60).map(|seed| survive(&mut files_case(&format!("crash-files-{seed}"), seed), seed).unwrap()).sum();
    assert!(crashes > 100, "only {crashes} crashes in 60 runs");
}

#[test]
fn records_lose_nothing_and_repeat_only_what_was_not_committed() {
    let mut crashes = 0;
    for seed in 0..60 {
        let name = format!("crash-records-{seed}");
        let mut case = Case { pipeline: records(&name), ..Case::new(&name, seed) };
        crashes += survive(&mut case, seed).unwrap();
    }
    assert!(crashes > 60, "only {crashes} crashes in 60 runs");
}

#[test]
fn a_delta_dropped_at_partitioning_is_noticed() {
    let mut case = files_case("planted-delta", 1);
    plant("planted-delta", PlantedBug::DeltaDroppedAtPartitioning);
    case.time_max = Duration::from_secs(120);
    assert_eq!(survive(&mut case, 1), Err("seed 1: did not end".to_owned()));
}

#[test]
fn an_offset_committed_before_the_upload_is_noticed() {
    let verdicts: Vec<Verdict> = (0..20)
        .map(|seed| {
            let name = format!("planted-commit-{seed}");
            plant(&name, PlantedBug::CommittedBeforeTheUpload);
            let mut case = files_case(&name, seed);
            case.time_max = Duration::from_secs(300);
            survive(&mut case, seed)
        })
        .collect();
    let noticed = verdicts.iter().filter(|verdict| verdict.as_ref().is_err_and(|error| error.contains("not there"))).count();
    assert!(noticed > 3, "{verdicts:?}");
}
