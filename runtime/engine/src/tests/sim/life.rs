//! A whole seed: faults strike while records come, then everything heals, becomes visible, and ends.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use kpipe_compiler::plan::CommitProtocol;

use super::faults::Meant;
use super::kafka::Tp;
use super::oracle::{Violation, Wrong};
use super::plan::{self, NAME, Scenario};
use super::source::Reading;
use super::strikes::strike;
use super::workers::Sim;
use super::{Fault, State, World, ms};
use crate::planted::PlantedBug;

/// After the last fault everything must be visible within this.
const HEALS_WITHIN: Duration = Duration::from_secs(600);
/// What may still be under way then has ended.
const SETTLES_WITHIN: Duration = Duration::from_secs(120);

/// How a seed is run.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Options {
    pub(super) seed: u64,
    pub(super) planted: Option<PlantedBug>,
    /// Says what happens.
    pub(super) aloud: bool,
    /// The pipeline commits in a ledger.
    pub(super) has_ledger: bool,
    /// The store overwrites whatever it is told, so bookmarks of the group say which records count.
    pub(super) by_bookmark: bool,
    /// Kinds of faults that are left out.
    pub(super) without: &'static [Fault],
}

/// What became of a seed.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) seed: u64,
    pub(super) violations: Vec<Violation>,
    pub(super) fired: BTreeMap<Fault, u64>,
    pub(super) reached: BTreeMap<&'static str, u64>,
    pub(super) records: u64,
    pub(super) virtual_time: Duration,
    /// From the last fault until everything was visible.
    pub(super) healed_after: Option<Duration>,
    /// MQTT messages that are there twice, as their broker handed them out twice.
    pub(super) allowed_duplicates: u64,
    pub(super) events: u64,
    pub(super) hash: u64,
    pub(super) words: Vec<String>,
}

/// Runs a seed.
pub(super) fn run(options: Options) -> Verdict {
    let world = World::new(options.seed, options.aloud);
    let scenario = prepare(&world, &options);
    let reading = Reading {
        group: NAME.to_owned(),
        topic: Arc::from("t"),
        routes: (0..scenario.pipeline.routes.len()).collect(),
        instance: scenario.is_static.then_some(0),
        batch_records: scenario.batch_records,
        starts_in_sink: false,
        keeps_bookmarks: options.by_bookmark,
        is_mqtt: scenario.is_mqtt,
    };
    let sim = Sim::begin(world.clone(), scenario.pipeline.clone(), scenario.workers, reading, options.planted);
    while sim.turn(scenario.phase) {}
    heal(&world);
    let healed_after = wait_until(&sim, &world, HEALS_WITHIN, |state| {
        (state.oracle.missing == 0 && state.are_ledgers_through()) || state.is_left_to_people()
    });
    if healed_after.is_none() {
        let mut state = world.state();
        let (now, missing) = (state.now, state.oracle.missing);
        let words = match missing {
            0 => "the ledger does not cover the last records".to_owned(),
            missing => format!("{missing} not visible after {} s without faults", HEALS_WITHIN.as_secs()),
        };
        state.oracle.wrong(now, Wrong::Stuck, words);
    }
    // What was sent long ago may still arrive; nothing may come of it.
    wait_until(&sim, &world, SETTLES_WITHIN, |state| state.travelling == 0);
    sim.stop();
    while sim.is_running() && sim.turn(world.now() + ms(1_000)) {}
    sim.end();
    verdict(&world, &options, healed_after)
}

fn verdict(world: &World, options: &Options, healed_after: Option<Duration>) -> Verdict {
    let mut state = world.state();
    let now = state.now;
    if healed_after.is_none() {
        state.oracle.end(now);
    }
    Verdict {
        seed: options.seed,
        violations: std::mem::take(&mut state.oracle.violations),
        fired: std::mem::take(&mut state.fired),
        reached: std::mem::take(&mut state.reached),
        records: state.oracle.records,
        virtual_time: now,
        healed_after,
        allowed_duplicates: state.oracle.allowed_duplicates,
        events: state.said.events,
        hash: state.said.hash(),
        words: std::mem::take(&mut state.said.words),
    }
}

fn wait_until(sim: &Rc<Sim>, world: &World, at_most: Duration, is_reached: impl Fn(&State) -> bool) -> Option<Duration> {
    let (begin, mut next_look) = (world.now(), Duration::ZERO);
    loop {
        let now = world.now();
        if now >= next_look {
            if is_reached(&world.state()) {
                return Some(now - begin);
            }
            next_look = now + ms(50);
        }
        if !sim.turn(begin + at_most) {
            return None;
        }
    }
}

/// Topics, producers and faults.
fn prepare(world: &World, options: &Options) -> Scenario {
    let mut state = world.state();
    let mut scenario = plan::draw(&mut state.dice);
    if options.has_ledger && !scenario.is_mqtt {
        scenario.pipeline.commit = if options.by_bookmark { CommitProtocol::Auto } else { CommitProtocol::Ledger };
    }
    (state.by_bookmark, state.store.ignores_conditions) = (options.by_bookmark, options.by_bookmark);
    options.without.iter().for_each(|fault| state.faults.leave_out(*fault));
    state.oracle.routes = scenario.pipeline.routes.len();
    state.kafka.is_eager = scenario.is_eager;
    let partitions: Vec<Tp> = (0..scenario.partitions).map(|partition| (Arc::from("t"), partition)).collect();
    partitions.iter().for_each(|tp| state.create_partition(tp.clone()));
    if state.faults.of(Fault::EmptyPartition) > 0 {
        state.create_partition((Arc::from("t"), scenario.partitions));
        state.fire(Fault::EmptyPartition);
    }
    if state.faults.of(Fault::ManyFolders) > 0 {
        state.fire(Fault::ManyFolders);
    }
    let phase_ms = scenario.phase.as_millis() as u64;
    let mut left = scenario.records;
    while left > 0 {
        let count = state.dice.skewed(1, 40).min(left);
        left -= count;
        let at = state.dice.below(phase_ms);
        if scenario.is_mqtt {
            state.after(ms(at), move |world| world.state().publish(count));
            continue;
        }
        let tp = partitions[state.dice.below(partitions.len() as u64) as usize].clone();
        state.after(ms(at), move |world| world.state().append(&tp, count));
    }
    let is_struck = |(fault, _, meant, _): &(Fault, &str, Meant, u32)| {
        *meant == Meant::Times && fault.is_possible(scenario.is_mqtt) && (options.has_ledger || !fault.needs_ledger())
    };
    let strikes: Vec<(Fault, u32)> =
        Fault::ALL.iter().filter(|row| is_struck(row)).map(|(fault, ..)| (*fault, state.faults.of(*fault))).collect();
    for (fault, times) in strikes {
        for _ in 0..times {
            let at = if matches!(fault, Fault::BrokersAwayAtStart | Fault::ConditionsIgnored) { 0 } else { state.dice.below(phase_ms) };
            state.after(ms(at), move |world| strike(&mut world.state(), fault));
        }
    }
    scenario
}

/// From now on nothing goes wrong.
fn heal(world: &World) {
    let mut state = world.state();
    state.say(|| "faults end".to_owned());
    state.faults.end();
    let now = state.now;
    state.kafka.away_until = now;
    state.kafka.coordinator_away_until = now;
    state.store.away_until = now;
    state.mqtt.away_until = now;
    state.store.slow_until = now;
    for process in &mut state.processes {
        process.frozen_until = None;
        process.dies_at_call = None;
        process.panics = false;
        process.is_woken = true;
    }
}
