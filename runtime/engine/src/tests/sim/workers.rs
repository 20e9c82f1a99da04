//! Workers: processes that start, run a task of the engine, fail, are killed, and start again. And the order in which things happen.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use kpipe_compiler::plan::Pipeline;
use tokio::runtime::{Builder, Runtime};

use super::client::SimStore;
use super::clock::SimClock;
use super::mqtt::SimMqtt;
use super::oracle::Wrong;
use super::sink::SimSink;
use super::source::{Reading, SimSource};
use super::{ProcessId, World, ms};
use crate::assemble::{Setup, Signs, Task, TaskEnd, assemble};
use crate::budget::Budget;
use crate::connector::{ConnectorDef, OpenRequest, Source};
use crate::env::{Env, Random};
use crate::error::{ConnectorError, ErrorKind, Retry};
use crate::event::{Event, EventSink, Scope, Voice};
use crate::limits::MEMORY_BYTES_DEFAULT;
use crate::planted::{PlantedBug, plant};
use crate::retry::Patience;
use crate::state::StopHandle;
use crate::supervise::{Failures, panicked};
use crate::tests::{NoSecrets, SPEC};

thread_local! {
    static SIM: RefCell<Option<Rc<Sim>>> = const { RefCell::new(None) };
    /// For whom the connectors below are opened.
    static OPENING: RefCell<Option<(World, ProcessId, Reading)>> = const { RefCell::new(None) };
}

static DEF: ConnectorDef = ConnectorDef {
    spec: &SPEC,
    source: Some(|request: &OpenRequest<'_>| {
        Ok(opening(|world, process, reading| source(world, process, reading, request.starts_in_sink)))
    }),
    records: Some(|_: &OpenRequest<'_>| Ok(opening(|world, process, _| Box::new(SimSink::new(world, process))))),
    store: Some(|_: &OpenRequest<'_>| Ok(opening(|world, process, _| Arc::new(SimStore { world, process })))),
    inspect: None,
    newest: None,
    plans: None,
    bookmarks: None,
};

fn source(world: World, process: ProcessId, reading: Reading, starts_in_sink: bool) -> Box<dyn Source> {
    let reading = Reading { starts_in_sink, ..reading };
    if reading.is_mqtt { Box::new(SimMqtt::new(world, process)) } else { Box::new(SimSource::new(world, process, reading)) }
}

fn opening<T>(make: impl FnOnce(World, ProcessId, Reading) -> T) -> T {
    OPENING.with_borrow(|opening| {
        let (world, process, reading) = opening.clone().unwrap();
        make(world, process, reading)
    })
}

/// All workers of a world.
pub(super) struct Sim {
    world: World,
    pipeline: Arc<Pipeline>,
    reading: Reading,
    workers: Vec<Worker>,
    planted: Option<PlantedBug>,
    /// Workers do not start again.
    is_over: Cell<bool>,
}

struct Worker {
    index: usize,
    /// It is somewhere in a call of its task.
    is_on_stack: Cell<bool>,
    starts_at: Cell<Duration>,
    life: RefCell<Option<Rc<Life>>>,
}

/// One process.
struct Life {
    world: World,
    process: ProcessId,
    runtime: Runtime,
    setup: Setup,
    reading: Reading,
    task: RefCell<Option<Task>>,
    failures: RefCell<Failures>,
}

struct Ears {
    world: World,
    process: ProcessId,
}

impl EventSink for Ears {
    fn emit(&self, _scope: &Scope, event: &Event) {
        let mut state = self.world.state();
        if let Some(branch) = branch(event) {
            state.reach(branch);
        }
        if !matches!(event, Event::Progress { .. } | Event::Retried { .. }) {
            state.say(|| format!("process {}: {event}", self.process.0));
        }
    }
}

fn branch(event: &Event) -> Option<&'static str> {
    match event {
        Event::Closed { reason, .. } => Some(reason.word()),
        Event::Revoked(_) => Some("gave partitions away"),
        Event::Lost(_) => Some("heard that partitions are lost"),
        Event::Retried { .. } => Some("asked the store again"),
        Event::Failed { .. } => Some("task started again"),
        Event::Rejected { .. } => Some("record rejected"),
        _ => None,
    }
}

/// Lets the world go on until a moment; called by whoever waits inside a task.
pub(super) fn run_until(until: Duration) {
    let sim = SIM.with_borrow(|sim| sim.clone());
    if let Some(sim) = sim {
        while sim.turn(until) {}
    }
}

impl Sim {
    pub(super) fn begin(world: World, pipeline: Pipeline, workers: usize, reading: Reading, planted: Option<PlantedBug>) -> Rc<Self> {
        let worker =
            |index| Worker { index, is_on_stack: Cell::new(false), starts_at: Cell::new(ms(index as u64 * 3)), life: RefCell::new(None) };
        let workers = (0..workers).map(worker).collect();
        let (pipeline, is_over) = (Arc::new(pipeline), Cell::new(false));
        let sim = Rc::new(Self { world, pipeline, reading, workers, planted, is_over });
        plant(planted);
        SIM.set(Some(Rc::clone(&sim)));
        sim
    }

    /// Workers that end now do not start again, and those that run are asked to end.
    pub(super) fn stop(&self) {
        self.is_over.set(true);
        self.lives().for_each(|life| life.setup.stop.drain());
    }

    /// True if a process lives.
    pub(super) fn is_running(&self) -> bool {
        self.lives().next().is_some()
    }

    /// The world ends.
    pub(super) fn end(&self) {
        self.workers.iter().for_each(|worker| drop(worker.life.borrow_mut().take()));
        SIM.set(None);
        plant(None);
    }

    fn lives(&self) -> impl Iterator<Item = Rc<Life>> {
        self.workers.iter().filter_map(|worker| worker.life.borrow().clone())
    }

    /// Does the next thing, if it is due by then. False: nothing is, and the time has come.
    pub(super) fn turn(&self, until: Duration) -> bool {
        let mut next: Option<(Duration, &Worker)> = None;
        for worker in &self.workers {
            let at = match worker.life.borrow().as_ref() {
                None if self.is_over.get() => continue,
                None => worker.starts_at.get(),
                Some(life) => {
                    let mut state = self.world.state();
                    if !state.is_alive(life.process) {
                        if worker.is_on_stack.get() {
                            continue;
                        }
                        state.now
                    } else if state.is_frozen(life.process) {
                        continue;
                    } else if std::mem::take(&mut state.process(life.process).is_woken) {
                        drop(state);
                        life.drive();
                        return true;
                    } else if worker.is_on_stack.get() {
                        continue;
                    } else {
                        state.process(life.process).wake_at
                    }
                }
            };
            if next.is_none_or(|(before, _)| at < before) {
                next = Some((at, worker));
            }
        }
        let now = self.world.now();
        if let Some((at, worker)) = next
            && at <= now
        {
            self.step(worker);
            return true;
        }
        let at = [next.map(|(at, _)| at), self.world.next_at()].into_iter().flatten().min();
        match at {
            Some(at) if at <= until => {
                self.world.advance(at);
                true
            }
            _ => {
                self.world.state().now = until.max(now);
                false
            }
        }
    }

    fn step(&self, worker: &Worker) {
        let life = worker.life.borrow().clone();
        let Some(life) = life else { return self.start(worker) };
        if !self.world.state().is_alive(life.process) {
            // Killed: it is gone without a word.
            drop(life);
            return self.bury(worker);
        }
        self.begin_step(&life);
        worker.is_on_stack.set(true);
        let end = life.step();
        worker.is_on_stack.set(false);
        // It may have begun uploads.
        self.world.state().process(life.process).is_woken = true;
        if end && self.world.state().is_alive(life.process) {
            let mut state = self.world.state();
            state.process(life.process).alive = false;
            // It left in order; a static member is waited for.
            state.session_ends_later(life.process);
            drop(state);
            drop(life);
            self.bury(worker);
        }
    }

    /// A step takes a moment.
    fn begin_step(&self, life: &Life) {
        let mut state = self.world.state();
        let took = Duration::from_micros(state.dice.skewed(20, 300));
        let now = state.now;
        let process = state.process(life.process);
        process.wake_at = now + took;
        if std::mem::take(&mut process.terminates) {
            life.setup.stop.drain();
        }
    }

    fn bury(&self, worker: &Worker) {
        let Some(life) = worker.life.borrow_mut().take() else { return };
        let pause = {
            let mut state = self.world.state();
            let after = state.dice.skewed(200, 20_000);
            state.now + ms(after)
        };
        worker.starts_at.set(pause);
        life.task.borrow_mut().take();
    }

    fn start(&self, worker: &Worker) {
        let (process, seed) = {
            let mut state = self.world.state();
            let process = state.begin_process();
            state.say(|| format!("worker {} starts as process {}", worker.index, process.0));
            (process, state.dice.next())
        };
        let runtime = Builder::new_current_thread().event_interval(10_000).build().unwrap();
        let clock = Arc::new(SimClock { world: self.world.clone(), process });
        let ears = Arc::new(Ears { world: self.world.clone(), process });
        let setup = Setup {
            pipeline: Arc::clone(&self.pipeline),
            defs: Arc::new([&DEF]),
            task: 0,
            env: Env { clock, random: Arc::new(Random::seeded(seed)) },
            runtime: runtime.handle().clone(),
            secrets: Arc::new(NoSecrets),
            budget: Budget::new(MEMORY_BYTES_DEFAULT),
            voice: Voice::new(self.pipeline.name.as_str().into(), 0, ears),
            stop: StopHandle::default(),
            until_caught_up: false,
            drain_timeout: ms(20_000),
            signs: Arc::new(Signs::default()),
            planted: self.planted,
        };
        let instance = self.reading.instance.map(|_| worker.index);
        let group = self.world.state().group_name.clone();
        let reading = Reading { instance, group, ..self.reading.clone() };
        let (task, failures) = (RefCell::new(None), RefCell::default());
        *worker.life.borrow_mut() = Some(Rc::new(Life { world: self.world.clone(), process, runtime, setup, reading, task, failures }));
    }
}

impl Life {
    /// Uploads, commits and timers go on until all of them wait.
    fn drive(&self) {
        self.runtime.block_on(tokio::task::yield_now());
    }

    /// One step of the task, or a new one. True: the process ends.
    fn step(&self) -> bool {
        let task = self.task.borrow_mut().take();
        let error = match catch_unwind(AssertUnwindSafe(|| self.turn(task))) {
            Ok(Ok(None)) => return false,
            Ok(Ok(Some(_))) => return true,
            Ok(Err(error)) => error,
            Err(panic) => panicked(panic.as_ref()),
        };
        if !self.world.state().is_alive(self.process) {
            return true;
        }
        self.failed(error)
    }

    fn turn(&self, task: Option<Task>) -> Result<Option<TaskEnd>, ConnectorError> {
        let Some(mut task) = task else {
            OPENING.set(Some((self.world.clone(), self.process, self.reading.clone())));
            *self.task.borrow_mut() = Some(assemble(&self.setup)?);
            return Ok(None);
        };
        let end = match task.step() {
            Ok(None) => {
                *self.task.borrow_mut() = Some(task);
                return Ok(None);
            }
            Ok(Some(end)) => Ok(end),
            Err(error) => Err(error),
        };
        if !self.world.state().is_alive(self.process) {
            return Ok(None);
        }
        task.ended(end).map(Some)
    }

    /// As the supervisor does it.
    fn failed(&self, error: ConnectorError) -> bool {
        let setup = &self.setup;
        let pause = self.failures.borrow_mut().next_pause(setup, &Patience::of(&setup.pipeline.errors), &error);
        setup.voice.say(&Event::Failed { error: error.clone(), restart_after: pause });
        let mut state = self.world.state();
        let now = state.now;
        if error.kind == ErrorKind::Bug && !error.message.contains("out of my mind") {
            state.oracle.wrong(now, Wrong::Bug, error.message.clone());
        }
        match pause {
            Some(pause) => {
                state.process(self.process).wake_at = now + pause;
                false
            }
            None => {
                state.gave_up.push(error.clone());
                state.reach(if error.retry == Retry::No { "process gave up" } else { "process failed while it stopped" });
                true
            }
        }
    }
}
