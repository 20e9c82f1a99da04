//! The world: everything that outlives a process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use super::fault::{Fault, Faults, Op, What};
use crate::env::Clock;
use crate::error::{ConnectorError, ErrorKind};

/// A record of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryRecord {
    /// Its position.
    pub offset: i64,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value.
    pub value: Option<Bytes>,
    /// Its time.
    pub timestamp_ms: Option<i64>,
    /// Its headers.
    pub headers: Vec<(String, Option<Bytes>)>,
}

/// A record that was produced and acknowledged, or perhaps written before a crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Produced {
    /// Its topic.
    pub topic: String,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value.
    pub value: Option<Bytes>,
    /// Its headers.
    pub headers: Vec<(String, Option<Bytes>)>,
}

/// Logs, topics and buckets.
pub struct World {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

/// Topic and partition number.
pub(super) type LogName = (Arc<str>, i32);

#[derive(Default)]
pub(super) struct State {
    /// The process that lives; handles of earlier ones do nothing any more.
    pub(super) process: u64,
    pub(super) logs: BTreeMap<LogName, Log>,
    pub(super) groups: BTreeMap<String, Group>,
    pub(super) produced: Vec<Produced>,
    pub(super) objects: BTreeMap<String, Object>,
    pub(super) uploads: BTreeMap<String, UploadState>,
    /// What uploads that are over held, by their ids.
    pub(super) spent: BTreeMap<String, Bytes>,
    pub(super) last_id: u64,
    pub(super) ignores_create_only: bool,
    pub(super) hides_uploads: bool,
    faults: Faults,
}

/// A topic's partition.
#[derive(Default)]
pub(super) struct Log {
    pub(super) records: Vec<Arc<MemoryRecord>>,
    /// The oldest position that it still holds.
    pub(super) low: i64,
    /// The next position to be written.
    pub(super) end: i64,
    /// `None`: it cannot say.
    pub(super) identity: Option<Arc<str>>,
}

impl Log {
    /// The first record's position.
    pub(super) fn first(&self) -> i64 {
        self.records.first().map_or(self.low, |first| first.offset)
    }
}

/// A visible object.
#[derive(Clone)]
pub(super) struct Object {
    pub(super) data: Bytes,
    pub(super) modified_ms: i64,
    /// The upload that wrote it.
    pub(super) upload: Option<String>,
}

/// An upload that is not completed.
#[derive(Default)]
pub(super) struct UploadState {
    pub(super) key: String,
    pub(super) begun_ms: i64,
    pub(super) parts: BTreeMap<u32, Bytes>,
}

impl UploadState {
    /// All parts in order.
    pub(super) fn joined(&self) -> Bytes {
        let parts: Vec<&[u8]> = self.parts.values().map(|part| &part[..]).collect();
        parts.concat().into()
    }
}

/// The readers of a pipeline.
#[derive(Default)]
pub(super) struct Group {
    pub(super) committed: BTreeMap<LogName, i64>,
    /// The words beside positions that were committed with one.
    pub(super) words: BTreeMap<LogName, String>,
    pub(super) members: BTreeSet<u64>,
    pub(super) owners: BTreeMap<LogName, u64>,
}

static WORLDS: Mutex<BTreeMap<String, Arc<World>>> = Mutex::new(BTreeMap::new());

impl World {
    /// A new, empty world under a name; an old one of that name is forgotten.
    #[must_use]
    pub fn create(name: &str, clock: Arc<dyn Clock>) -> Arc<Self> {
        let world = Arc::new(Self { clock, state: Mutex::default() });
        WORLDS.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), Arc::clone(&world));
        world
    }

    /// The world of a name.
    #[must_use]
    pub fn find(name: &str) -> Option<Arc<Self>> {
        WORLDS.lock().unwrap_or_else(PoisonError::into_inner).get(name).map(Arc::clone)
    }

    /// The group of a pipeline never committed anything: its offsets are expired, or it has another name.
    pub fn forget_group(&self, pipeline: &str) {
        self.state().groups.remove(pipeline);
    }

    /// Somebody moves the group of a pipeline by hand.
    pub fn move_group(&self, pipeline: &str, topic: &str, partition: i32, to: i64) {
        let mut state = self.state();
        let group = state.groups.entry(pipeline.to_owned()).or_default();
        group.committed.insert((topic.into(), partition), to);
        group.words.remove(&(topic.into(), partition));
    }

    /// Makes a topic's partition, empty.
    pub fn create_log(&self, topic: &str, partition: i32) {
        self.state().logs.entry((topic.into(), partition)).or_default();
    }

    /// Appends a record to a partition. Its offset is the next one, or its own if that is higher: the rest is a gap.
    pub fn append(&self, topic: &str, partition: i32, mut record: MemoryRecord) {
        let mut state = self.state();
        let log = state.logs.entry((topic.into(), partition)).or_default();
        record.offset = record.offset.max(log.end);
        log.end = record.offset + 1;
        log.records.push(Arc::new(record));
    }

    /// Retention: what lies before an offset is gone.
    pub fn drop_before(&self, topic: &str, partition: i32, offset: i64) {
        let mut state = self.state();
        let log = state.logs.entry((topic.into(), partition)).or_default();
        log.low = offset.clamp(log.low, log.end);
        log.records.retain(|record| record.offset >= offset);
    }

    /// A topic's partition is made anew, empty: another one under the old name, if it can tell.
    pub fn create_log_anew(&self, topic: &str, partition: i32, identity: Option<&str>) {
        let log = Log { identity: identity.map(Arc::from), ..Log::default() };
        self.state().logs.insert((topic.into(), partition), log);
    }

    /// Appends a value.
    pub fn append_value(&self, topic: &str, partition: i32, value: impl Into<Bytes>) {
        self.append(topic, partition, MemoryRecord { value: Some(value.into()), ..MemoryRecord::default() });
    }

    /// The committed position of a pipeline, if there is one.
    #[must_use]
    pub fn committed(&self, pipeline: &str, topic: &str, partition: i32) -> Option<i64> {
        self.state().groups.get(pipeline)?.committed.get(&(topic.into(), partition)).copied()
    }

    /// Everything produced, in order.
    #[must_use]
    pub fn produced(&self) -> Vec<Produced> {
        self.state().produced.clone()
    }

    /// Every visible object.
    #[must_use]
    pub fn objects(&self) -> BTreeMap<String, Bytes> {
        self.state().objects.iter().map(|(name, object)| (name.clone(), object.data.clone())).collect()
    }

    /// Puts an object there.
    pub fn put_object(&self, key: &str, data: impl Into<Bytes>) {
        let object = Object { data: data.into(), modified_ms: self.clock.wall_ms(), upload: None };
        self.state().objects.insert(key.to_owned(), object);
    }

    /// Takes an object away.
    pub fn remove_object(&self, key: &str) {
        self.state().objects.remove(key);
    }

    /// Gives up all uploads under way, as a lifecycle rule does.
    pub fn abort_uploads(&self) {
        let mut state = self.state();
        let gone = std::mem::take(&mut state.uploads);
        state.spent.extend(gone.into_iter().map(|(id, upload)| (id, upload.joined())));
    }

    /// The buckets ignore that a write is create-only, and write: a store that does not know the condition.
    pub fn ignore_create_only(&self, ignores: bool) {
        self.state().ignores_create_only = ignores;
    }

    /// The buckets cannot list uploads.
    pub fn hide_uploads(&self, hides: bool) {
        self.state().hides_uploads = hides;
    }

    /// Uploads that are neither completed nor given up.
    #[must_use]
    pub fn uploads_open(&self) -> usize {
        self.state().uploads.len()
    }

    /// Lets something go wrong.
    pub fn fault(&self, fault: Fault) {
        self.state().faults.add(fault);
    }

    /// The process dies at the n-th call from now, before or after it has its effect.
    pub fn crash_at_call(&self, calls: u64, after: bool) {
        self.state().faults.crash_at(calls, after);
    }

    /// How often the process died.
    #[must_use]
    pub fn crashes(&self) -> u64 {
        self.state().process
    }

    /// Calls so far.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.state().faults.calls()
    }

    /// Takes all partitions from the readers of a pipeline, as after a session that timed out: they hear of it with the next poll.
    pub fn take_partitions(&self, pipeline: &str) {
        if let Some(group) = self.state().groups.get_mut(pipeline) {
            group.owners.clear();
        }
    }

    /// Another worker joins the readers of a pipeline, takes its share and never reads. It leaves when the number is given back.
    #[must_use]
    pub fn join_silent(&self, pipeline: &str) -> u64 {
        let mut state = self.state();
        state.last_id += 1;
        let id = state.last_id;
        state.groups.entry(pipeline.to_owned()).or_default().members.insert(id);
        id
    }

    /// The other worker leaves.
    pub fn leave(&self, pipeline: &str, member: u64) {
        if let Some(group) = self.state().groups.get_mut(pipeline) {
            group.members.remove(&member);
            group.owners.retain(|_, owner| *owner != member);
        }
    }

    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call of a process into the world: what goes wrong happens, else `effect`.
    pub(super) fn call<T>(&self, process: u64, op: Op, effect: impl FnOnce(&mut State) -> T) -> Result<T, ConnectorError> {
        let mut state = self.state();
        if state.process != process {
            return Err(crashed());
        }
        match state.faults.hit(op, self.clock.monotonic()) {
            None => Ok(effect(&mut state)),
            Some(What::Fail(error)) => Err(error),
            Some(What::LoseAnswer(error)) => {
                effect(&mut state);
                Err(error)
            }
            Some(What::Slow(time)) => {
                drop(state);
                self.clock.pause(time);
                Ok(effect(&mut self.state()))
            }
            Some(What::Crash) => {
                state.crash();
                Err(crashed())
            }
            Some(What::CrashAfter) => {
                effect(&mut state);
                state.crash();
                Err(crashed())
            }
        }
    }

    /// Time since the world's clock started.
    #[must_use]
    pub fn passed(&self) -> Duration {
        self.clock.monotonic()
    }
}

impl State {
    /// The process dies: its members leave, what it prepared stays invisible.
    fn crash(&mut self) {
        self.process += 1;
        for group in self.groups.values_mut() {
            group.members.clear();
            group.owners.clear();
        }
    }
}

fn crashed() -> ConnectorError {
    ConnectorError::new(ErrorKind::Bug, "memory: the process crashed")
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.state();
        write!(f, "World {{ {} logs, {} produced, {} objects }}", state.logs.len(), state.produced.len(), state.objects.len())
    }
}
