//! What a seed is about: pipeline, sizes, times.

use std::time::Duration;

use kpipe_compiler::plan::{DeadLetter, Flush, PartitionItem, Pipeline, Schedule, Tail, Tolerance};

use super::{Dice, ms};

/// A seed's surroundings.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) pipeline: Pipeline,
    pub(super) workers: usize,
    pub(super) partitions: i32,
    pub(super) records: u64,
    /// How long faults last and records come.
    pub(super) phase: Duration,
    pub(super) is_static: bool,
    pub(super) is_eager: bool,
    pub(super) batch_records: u64,
    /// From MQTT into Kafka; else from Kafka into files.
    pub(super) is_mqtt: bool,
}

/// The pipeline's name, and that of its group at first.
pub(super) const NAME: &str = "sim";

pub(super) fn draw(dice: &mut Dice) -> Scenario {
    if dice.below(6) == 0 { mqtt(dice) } else { files(dice) }
}

fn files(dice: &mut Dice) -> Scenario {
    let mut pipeline = crate::tests::files(NAME);
    pipeline.errors.tolerance = Tolerance::All;
    pipeline.errors.dead_letter = Some(DeadLetter { topic: "dead".to_owned(), cluster: pipeline.sink.clone() });
    let flush = pipeline.flush.as_mut().unwrap();
    flush.records = (dice.below(2) == 0).then(|| dice.between(3, 60));
    flush.interval_ms = Some(dice.skewed(500, 20_000));
    flush.idle_ms = Some(dice.skewed(500, 20_000));
    if dice.below(3) == 0 {
        flush.bytes = dice.between(200, 3_000);
    }
    let has_tiny_sets = dice.below(16) == 0;
    if has_tiny_sets {
        flush.records = Some(1);
    }
    if dice.below(3) == 0 {
        schedule(flush, dice);
    }
    let route = &mut pipeline.routes[0];
    route.from = "t".to_owned();
    route.tail = below(&route.tail, "a", dice.below(3) > 0);
    if dice.below(3) == 0 {
        let mut second = pipeline.routes[0].clone();
        second.tail = below(&second.tail, "b", dice.below(2) == 0);
        pipeline.routes.push(second);
    }
    Scenario {
        pipeline,
        workers: dice.between(1, 3) as usize,
        partitions: dice.between(1, 3) as i32,
        records: if has_tiny_sets { 200 } else { dice.skewed(20, 300) },
        phase: ms(dice.between(10_000, 60_000)),
        is_static: dice.below(2) == 0,
        is_eager: dice.below(2) == 0,
        batch_records: dice.skewed(1, 60),
        is_mqtt: false,
    }
}

/// Closes sets by the clock on the wall, half the time by nothing else that looks at a clock.
fn schedule(flush: &mut Flush, dice: &mut Dice) {
    let zone = ["UTC", "Asia/Kathmandu", "America/St_Johns"][dice.below(3) as usize];
    flush.schedule = Some(Schedule { every_ms: dice.skewed(1_000, 20_000), zone: zone.to_owned() });
    if dice.below(2) == 0 {
        (flush.interval_ms, flush.idle_ms) = (None, None);
    }
}

/// A session is read by one worker.
fn mqtt(dice: &mut Dice) -> Scenario {
    let mut pipeline = crate::tests::records(NAME);
    pipeline.routes[0].from = "m".to_owned();
    Scenario {
        pipeline,
        workers: 1,
        partitions: 0,
        records: dice.skewed(20, 300),
        phase: ms(dice.between(10_000, 60_000)),
        is_static: false,
        is_eager: false,
        batch_records: 0,
        is_mqtt: true,
    }
}

/// The same files below a prefix, in folders or not.
fn below(tail: &Tail, prefix: &str, has_folders: bool) -> Tail {
    let Tail::Files(tail) = tail else { return tail.clone() };
    let partition: Vec<PartitionItem> = if has_folders { tail.partition.clone() } else { Vec::new() };
    Tail::Files(kpipe_compiler::plan::FileTail { prefix: prefix.to_owned(), partition, ..tail.clone() })
}
