//! Pipelines that run, crash and run again in a world in memory, under a clock that moves only when somebody waits.
//!
//! The oracle: every record that went in comes out; one comes out twice only if it was visible already when the process died and lay
//! above the committed position.

mod audits;
mod crashes;
mod exact;
mod expressions;
mod faults;
mod files;
mod formats;
mod lives;
mod records;
mod script;
mod sessions;
mod sim;
mod storms;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use kpipe_compiler::catalog::{ConnectorSpec, NameKind, Replay, SourceSpec};
use kpipe_compiler::plan::{
    CommitProtocol, Compression, DataType, Decode, DecodeColumn, Endpoint, ErrorPolicy, Expr, FileFormat, FileTail, Flush, Guarantee,
    KeyPlan, Naming, OptionValue, Options, PartitionItem, Pipeline, Promise, RecordTail, Route, SecretRef, Tail, Tolerance, TopicName,
    ValueFormat,
};
use tokio::runtime::Runtime;

use crate::connector::{ConnectorDef, Secrets};
use crate::env::Env;
use crate::error::ConnectorError;
use crate::event::{Event, EventSink, Scope};
use crate::limits::MEMORY_BYTES_DEFAULT;
use crate::memory::{self, World};
use crate::planted::PlantedBug;
use crate::state::StopHandle;
use crate::supervise::{RunOptions, RunOutcome, run};

static PLANTED: Mutex<BTreeMap<String, PlantedBug>> = Mutex::new(BTreeMap::new());

/// The bug planted into the pipeline of a name.
pub(crate) fn planted(pipeline: &str) -> Option<PlantedBug> {
    PLANTED.lock().unwrap_or_else(PoisonError::into_inner).get(pipeline).copied()
}

fn plant(pipeline: &str, bug: PlantedBug) {
    PLANTED.lock().unwrap_or_else(PoisonError::into_inner).insert(pipeline.to_owned(), bug);
}

static SPEC: ConnectorSpec = ConnectorSpec {
    name: "memory",
    summary: "a world in memory",
    example: "",
    source: Some(SourceSpec { options: &[], from: NameKind::Free, clauses: &[], columns: &[], replay: Replay::FromPosition }),
    sink: None,
};

static MEMORY: ConnectorDef = ConnectorDef {
    spec: &SPEC,
    source: Some(memory::open_source),
    records: Some(memory::open_records),
    store: Some(memory::open_store),
    inspect: None,
    newest: None,
    plans: None,
    bookmarks: None,
};

pub(crate) struct NoSecrets;

impl Secrets for NoSecrets {
    fn read(&self, secret: &SecretRef) -> Result<String, ConnectorError> {
        panic!("no pipeline here has {secret}")
    }
}

pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap())
}

/// A pipeline and its world.
struct Case {
    world: Arc<World>,
    env: Env,
    def: &'static ConnectorDef,
    pipeline: Pipeline,
    tasks: usize,
    until_caught_up: bool,
    drain_timeout: Duration,
    memory_bytes: usize,
    /// Virtual time after which a run is stopped: what should have ended by then does not end.
    time_max: Duration,
    stop: StopHandle,
    /// Called for each event, with the world.
    watch: Option<Watch>,
}

type Watch = Arc<dyn Fn(&Event, &World, &StopHandle) + Send + Sync>;

/// What a run said, and how it ended.
struct Ran {
    outcome: RunOutcome,
    words: Vec<String>,
    timed_out: bool,
}

impl Ran {
    fn error(&self) -> Option<&ConnectorError> {
        self.outcome.pipelines[0].error.as_ref()
    }

    fn count(&self, part: &str) -> usize {
        self.words.iter().filter(|word| word.contains(part)).count()
    }

    /// Ended in order, with everything committed.
    #[track_caller]
    fn well(self) -> Self {
        assert!(!self.timed_out, "did not end: {:#?}", self.words.iter().rev().take(20).collect::<Vec<_>>());
        assert!(self.error().is_none() && self.outcome.pipelines[0].is_complete, "{:?}\n{:#?}", self.outcome, self.words);
        self
    }
}

struct Ears {
    words: Mutex<Vec<String>>,
    timed_out: Mutex<bool>,
    env: Env,
    until: Duration,
    stop: StopHandle,
    world: Arc<World>,
    watch: Option<Watch>,
}

impl EventSink for Ears {
    fn emit(&self, _scope: &Scope, event: &Event) {
        if self.env.clock.monotonic() > self.until {
            *self.timed_out.lock().unwrap() = true;
            self.stop.stop_now();
        }
        if let Some(watch) = &self.watch {
            watch(event, &self.world, &self.stop);
        }
        if !matches!(event, Event::Progress { .. } | Event::Read { .. }) {
            self.words.lock().unwrap().push(event.to_string());
        }
    }
}

impl Case {
    fn new(name: &str, seed: u64) -> Self {
        let env = Env::seeded(seed, 1_700_000_000_000);
        let world = World::create(name, Arc::clone(&env.clock));
        Self {
            world,
            env,
            def: &MEMORY,
            pipeline: files(name),
            tasks: 1,
            until_caught_up: true,
            drain_timeout: Duration::from_secs(30),
            memory_bytes: MEMORY_BYTES_DEFAULT,
            time_max: Duration::from_secs(3600),
            stop: StopHandle::default(),
            watch: None,
        }
    }

    /// Runs until the end, in a process of its own so to say.
    fn run(&self) -> Ran {
        let stop = self.stop.child();
        let ears = Arc::new(Ears {
            words: Mutex::default(),
            timed_out: Mutex::default(),
            env: self.env.clone(),
            until: self.env.clock.monotonic() + self.time_max,
            stop: stop.clone(),
            world: Arc::clone(&self.world),
            watch: self.watch.clone(),
        });
        let options = RunOptions {
            tasks: self.tasks,
            until_caught_up: self.until_caught_up,
            drain_timeout: self.drain_timeout,
            memory_bytes: self.memory_bytes,
            env: self.env.clone(),
            secrets: Arc::new(NoSecrets),
            runtime: runtime().handle().clone(),
            stop,
            events: ears.clone(),
        };
        let outcome = run(vec![self.pipeline.clone()], &[self.def], &options).unwrap();
        let (words, timed_out) = (ears.words.lock().unwrap().clone(), *ears.timed_out.lock().unwrap());
        Ran { outcome, words, timed_out }
    }

    fn append(&self, partition: i32, values: impl IntoIterator<Item = String>) {
        values.into_iter().for_each(|value| self.world.append_value("orders", partition, value));
    }

    fn committed(&self, partition: i32) -> Option<i64> {
        self.world.committed(&self.pipeline.name, "orders", partition)
    }

    fn flush(&mut self) -> &mut Flush {
        self.pipeline.flush.as_mut().unwrap()
    }

    /// Lines of all objects but kpipe's own, by object.
    fn lines(&self) -> BTreeMap<String, Vec<String>> {
        let text = |data: bytes::Bytes| String::from_utf8(data.to_vec()).unwrap().lines().map(str::to_owned).collect();
        let data = self.world.objects().into_iter().filter(|(key, _)| !key.contains("/.kpipe/"));
        data.map(|(key, data)| (key, text(data))).collect()
    }
}

/// `{"id":7,"c":"c1"}`: ids are unique, a few countries.
fn order(id: usize) -> String {
    format!("{{\"id\":{id},\"c\":\"c{}\"}}", id % 3)
}

fn orders(ids: std::ops::Range<usize>) -> impl Iterator<Item = String> {
    ids.map(order)
}

/// Which id a line has.
fn id_of(line: &str) -> usize {
    let digits = line.trim_start_matches("{\"id\":");
    digits[..digits.find(',').unwrap()].parse().unwrap()
}

pub(crate) fn endpoint(world: &str) -> Endpoint {
    let options = Options([("world".to_owned(), OptionValue::Text(world.to_owned()))].into());
    Endpoint { connector: "memory".to_owned(), options }
}

/// The topic `orders` as JSON lines, in a folder per country.
fn files(name: &str) -> Pipeline {
    let tail = FileTail {
        bucket: "lake".to_owned(),
        prefix: "o".to_owned(),
        partition: vec![PartitionItem::Value { name: Some("c".to_owned()), expr: Expr::Column(0) }],
        keep_partition_columns: true,
        format: FileFormat::Json { compression: Compression::None },
        naming: Naming::Kpipe,
    };
    let flush = Flush { records: None, bytes: 128 * 1024 * 1024, interval_ms: Some(600_000), idle_ms: Some(300_000), schedule: None };
    Pipeline { flush: Some(flush), ..pipeline(name, Tail::Files(tail)) }
}

/// The topic `orders` into the topic `out`.
fn records(name: &str) -> Pipeline {
    let tail = RecordTail { topic: TopicName::Fixed("out".to_owned()), key: KeyPlan::Keep, format: None };
    pipeline(name, Tail::Records(tail))
}

fn pipeline(name: &str, tail: Tail) -> Pipeline {
    let country = DecodeColumn { path: vec!["c".to_owned()], data_type: DataType::String, nullable: false };
    Pipeline {
        name: name.to_owned(),
        source: endpoint(name),
        sampled: None,
        sink: endpoint(name),
        routes: vec![Route {
            statement: String::new(),
            from: "orders".to_owned(),
            decode: Decode { format: ValueFormat::Json, columns: vec![country] },
            filter: None,
            project: None,
            tail,
        }],
        flush: None,
        errors: ErrorPolicy { tolerance: Tolerance::None, dead_letter: None, retry_timeout_ms: None, retry_delay_max_ms: 10_000 },
        commit: CommitProtocol::Deterministic,
        promise: Promise { guarantee: Guarantee::AtLeastOnce, reason: String::new() },
    }
}
