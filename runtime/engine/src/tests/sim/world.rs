//! Virtual time, events, processes, and what travels between them.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};
use std::future::Future;
use std::hash::{DefaultHasher, Hasher};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::kafka::Kafka;
use super::mqtt::Broker;
use super::oracle::Oracle;
use super::store::Store;
use super::{Dice, Fault, Faults, ms};
use crate::error::ConnectorError;

/// A process: one life of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ProcessId(pub(super) u64);

/// Something that happens at a time.
pub(super) type Action = Box<dyn FnOnce(&World) + Send>;

struct Due {
    at: Duration,
    number: u64,
    action: Action,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    /// The earliest is the greatest: the heap gives that first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

/// What the world knows of a process.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) alive: bool,
    /// It stands still: neither steps nor heartbeats.
    pub(super) frozen_until: Option<Duration>,
    /// It does not know yet that the group went on without it.
    pub(super) unaware_until: Duration,
    /// It dies at this call, before or after it takes effect.
    pub(super) dies_at_call: Option<(u64, bool)>,
    /// Its task panics at the next step.
    pub(super) panics: bool,
    /// It was asked to stop in order.
    pub(super) terminates: bool,
    /// Its task waits until then.
    pub(super) wake_at: Duration,
    /// Its runtime has something to do.
    pub(super) is_woken: bool,
    pub(super) skew_ms: i64,
}

/// Everything but the processes' insides.
pub(super) struct State {
    pub(super) now: Duration,
    number: u64,
    heap: BinaryHeap<Due>,
    pub(super) dice: Dice,
    pub(super) faults: Faults,
    pub(super) fired: BTreeMap<Fault, u64>,
    /// Branches of the engine and of the world that were reached.
    pub(super) reached: BTreeMap<&'static str, u64>,
    pub(super) processes: Vec<Process>,
    pub(super) kafka: Kafka,
    pub(super) store: Store,
    pub(super) mqtt: Broker,
    pub(super) oracle: Oracle,
    pub(super) said: Said,
    /// Why processes gave up for good.
    pub(super) gave_up: Vec<ConnectorError>,
    /// Something happened that the pipeline may leave to people to decide.
    pub(super) needs_somebody: bool,
    /// Bookmarks of the group say which records of ledgers count.
    pub(super) by_bookmark: bool,
    /// The name of the group that processes join when they start.
    pub(super) group_name: String,
    /// Requests that wait until somebody else writes the same key.
    pub(super) parked: BTreeMap<String, (ProcessId, Action)>,
    /// Requests on their way to a server.
    pub(super) travelling: u64,
}

/// What happened, in words if somebody wants to read it, else as a hash.
#[derive(Default)]
pub(super) struct Said {
    pub(super) aloud: bool,
    pub(super) words: Vec<String>,
    hash: DefaultHasher,
    pub(super) events: u64,
}

impl Said {
    pub(super) fn hash(&self) -> u64 {
        self.hash.finish()
    }
}

/// A shared world.
#[derive(Clone)]
pub(super) struct World(Arc<Mutex<State>>);

impl World {
    pub(super) fn new(seed: u64, aloud: bool) -> Self {
        let mut dice = Dice::new(seed);
        let faults = Faults::draw(&mut dice);
        let said = Said { aloud, ..Said::default() };
        Self(Arc::new(Mutex::new(State {
            now: Duration::ZERO,
            number: 0,
            heap: BinaryHeap::new(),
            faults,
            fired: BTreeMap::new(),
            reached: BTreeMap::new(),
            processes: Vec::new(),
            kafka: Kafka::default(),
            store: Store::new(&mut dice),
            mqtt: Broker::default(),
            oracle: Oracle::default(),
            dice,
            said,
            gave_up: Vec::new(),
            needs_somebody: false,
            by_bookmark: false,
            group_name: super::plan::NAME.to_owned(),
            parked: BTreeMap::new(),
            travelling: 0,
        })))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(super) fn now(&self) -> Duration {
        self.state().now
    }

    /// When the next event is.
    pub(super) fn next_at(&self) -> Option<Duration> {
        self.state().heap.peek().map(|due| due.at)
    }

    /// Lets time pass up to a moment and does what is due first, if anything is due by then.
    pub(super) fn advance(&self, to: Duration) {
        let action = {
            let mut state = self.state();
            state.now = state.now.max(to);
            match state.heap.peek() {
                Some(due) if due.at <= state.now => state.heap.pop().map(|due| due.action),
                _ => None,
            }
        };
        if let Some(action) = action {
            action(self);
        }
    }
}

impl State {
    /// Does something after a time.
    pub(super) fn after(&mut self, time: Duration, action: impl FnOnce(&World) + Send + 'static) {
        self.number += 1;
        let (at, number) = (self.now + time, self.number);
        self.heap.push(Due { at, number, action: Box::new(action) });
    }

    /// Whether a fault hits this call.
    pub(super) fn hits(&mut self, fault: Fault) -> bool {
        let chance = self.faults.of(fault);
        let hits = self.dice.per_mille(chance);
        if hits {
            self.fire(fault);
        }
        hits
    }

    pub(super) fn fire(&mut self, fault: Fault) {
        *self.fired.entry(fault).or_default() += 1;
        self.say(|| format!("! {fault:?}"));
    }

    /// A branch that must not stay unvisited.
    pub(super) fn reach(&mut self, branch: &'static str) {
        *self.reached.entry(branch).or_default() += 1;
    }

    /// Something worth knowing when a seed is replayed.
    pub(super) fn say(&mut self, words: impl FnOnce() -> String) {
        let now = self.now.as_micros() as u64;
        self.said.events += 1;
        self.said.hash.write_u64(now);
        if self.said.aloud {
            let words = words();
            self.said.hash.write(words.as_bytes());
            self.said.words.push(format!("{:>12.6} {words}", self.now.as_secs_f64()));
        }
    }

    pub(super) fn process(&mut self, id: ProcessId) -> &mut Process {
        &mut self.processes[id.0 as usize]
    }

    pub(super) fn begin_process(&mut self) -> ProcessId {
        self.processes.push(Process {
            alive: true,
            frozen_until: None,
            unaware_until: Duration::ZERO,
            dies_at_call: None,
            panics: false,
            terminates: false,
            wake_at: self.now,
            is_woken: true,
            skew_ms: 0,
        });
        ProcessId(self.processes.len() as u64 - 1)
    }

    pub(super) fn is_frozen(&self, id: ProcessId) -> bool {
        self.processes[id.0 as usize].frozen_until.is_some_and(|until| until > self.now)
    }

    pub(super) fn is_alive(&self, id: ProcessId) -> bool {
        self.processes[id.0 as usize].alive
    }

    /// The process waits at most until then for something of its own.
    pub(super) fn waits(&mut self, id: ProcessId, wait: Duration) {
        let until = self.now + wait;
        let process = self.process(id);
        process.wake_at = process.wake_at.max(until);
    }

    /// Something happened that a process waits for.
    pub(super) fn wake(&mut self, id: ProcessId) {
        let now = self.now;
        let process = self.process(id);
        process.wake_at = process.wake_at.min(now);
    }

    /// A call of a process leaves it: false if the process is dead, then nothing leaves. A process that dies after its call is dead from
    /// here on, but the call is under way.
    pub(super) fn leaves(&mut self, id: ProcessId) -> bool {
        if !self.is_alive(id) {
            return false;
        }
        let Some((left, after)) = self.process(id).dies_at_call else { return true };
        if left > 1 {
            self.process(id).dies_at_call = Some((left - 1, after));
            return true;
        }
        self.fire(Fault::KillAtCall);
        self.kill(id);
        after
    }

    /// The process is gone at once.
    pub(super) fn kill(&mut self, id: ProcessId) {
        if self.is_alive(id) {
            self.say(|| format!("process {} is killed", id.0));
            self.process(id).alive = false;
            self.session_ends_later(id);
        }
    }
}

impl State {
    /// Holds a request back until another process asks for the same key; its own process stands still meanwhile.
    pub(super) fn park(&mut self, key: String, process: ProcessId, action: Action) {
        self.fire(Fault::Overtakes);
        super::strikes::stand_still(self, process);
        self.parked.insert(key.clone(), (process, action));
        self.after(Duration::from_secs(60), move |world| world.state().unpark(&key, ms(0)));
    }

    /// Lets a request that was held back arrive after a time.
    pub(super) fn unpark(&mut self, key: &str, way: Duration) {
        if let Some((_, action)) = self.parked.remove(key) {
            self.after(way, action);
        }
    }
}

/// The place of an answer that comes later.
pub(super) struct Slot<T>(Arc<Mutex<(Option<T>, Option<Waker>)>>, ProcessId);

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0), self.1)
    }
}

impl<T> Slot<T> {
    pub(super) fn new(process: ProcessId) -> Self {
        Self(Arc::new(Mutex::new((None, None))), process)
    }

    /// The answer is there. Only the first one counts.
    pub(super) fn fill(&self, state: &mut State, value: T) {
        let mut inner = self.0.lock().unwrap();
        if inner.0.is_none() {
            inner.0 = Some(value);
        }
        if let Some(waker) = inner.1.take() {
            waker.wake();
        }
        state.process(self.1).is_woken = true;
    }
}

impl<T> Slot<T> {
    /// The answer, if it is there.
    pub(super) fn take(&self) -> Option<T> {
        self.0.lock().unwrap().0.take()
    }
}

impl<T> Future for Slot<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut inner = self.0.lock().unwrap();
        match inner.0.take() {
            Some(value) => Poll::Ready(value),
            None => {
                inner.1 = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// How long a message within a data centre takes.
pub(super) fn latency(dice: &mut Dice) -> Duration {
    // Now and then something is in the way, so that whatever can overtake does.
    let most = if dice.below(16) == 0 { 2_000 } else { 20 };
    ms(dice.skewed(1, most))
}
