//! The world in which a case runs: what goes in, one life of a process in it, and what is visible there afterwards.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use kpipe_compiler::names::RESERVED_FOLDER;
use kpipe_compiler::plan::{OptionValue, Pipeline, SecretRef};
use kpipe_connectors::memory::stand_ins;
use kpipe_engine::connector::{ConnectorDef, Secrets};
use kpipe_engine::env::Env;
use kpipe_engine::error::ConnectorError;
use kpipe_engine::event::{Event, EventSink, Scope};
use kpipe_engine::limits::MEMORY_BYTES_DEFAULT;
use kpipe_engine::memory::{MemoryRecord, World};
use kpipe_engine::state::StopHandle;
use kpipe_engine::supervise::{RunOptions, run};
use serde::Deserialize;
use tokio::runtime::Runtime;

use super::rows;

/// 2026-01-02T03:04:05Z.
const START_MS: i64 = 1_767_323_045_000;
/// Virtual time after which a run that should have ended is stopped.
const TIME_MAX: Duration = Duration::from_secs(36_000);

/// How often each row is visible; a row begins with the folder or topic where it stands.
pub(super) type Seen = BTreeMap<String, usize>;

/// A record that is there before the pipeline starts.
pub(super) struct Input {
    topic: String,
    partition: i32,
    pub(super) record: MemoryRecord,
}

impl Input {
    /// Topic and partition.
    pub(super) fn log(&self) -> (String, i32) {
        (self.topic.clone(), self.partition)
    }
}

/// A line of `records.jsonl`. `repeat` makes many of one; `$n` in key, value and headers is then the number, from 0.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    topic: String,
    #[serde(default)]
    partition: i32,
    time_ms: Option<i64>,
    key: Option<String>,
    value: Option<String>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default = "once")]
    repeat: usize,
}

fn once() -> usize {
    1
}

/// The records of a case.
pub(super) fn inputs(text: &str) -> datatest_stable::Result<Vec<Input>> {
    let mut inputs: Vec<Input> = Vec::new();
    let mut ends: BTreeMap<(String, i32), i64> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let line: Line = serde_json::from_str(line).map_err(|error| format!("{error}: {line}"))?;
        for number in 0..line.repeat {
            let fill = |text: &String| Bytes::from(text.replace("$n", &number.to_string()));
            let offset = ends.entry((line.topic.clone(), line.partition)).or_default();
            let headers = line.headers.iter().map(|(name, value)| (name.clone(), Some(fill(value)))).collect();
            let (key, value) = (line.key.as_ref().map(fill), line.value.as_ref().map(fill));
            let record = MemoryRecord { offset: *offset, key, value, timestamp_ms: line.time_ms, headers };
            *offset += 1;
            inputs.push(Input { topic: line.topic.clone(), partition: line.partition, record });
        }
    }
    Ok(inputs)
}

struct NoSecrets;

impl Secrets for NoSecrets {
    fn read(&self, secret: &SecretRef) -> Result<String, ConnectorError> {
        panic!("a run case opens its systems in memory, which needs no {secret}")
    }
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME
        .get_or_init(|| tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads can be started"))
}

fn defs() -> &'static [&'static ConnectorDef] {
    static DEFS: OnceLock<Vec<&'static ConnectorDef>> = OnceLock::new();
    DEFS.get_or_init(stand_ins)
}

/// A pipeline and its world.
pub(super) struct Run<'a> {
    pipeline: Pipeline,
    inputs: &'a [Input],
    pub(super) world: Arc<World>,
    env: Env,
}

/// How one life of the process ended.
pub(super) struct Ran {
    /// It died at the point that was asked for.
    pub(super) crashed: bool,
    /// Why it stopped by itself.
    pub(super) error: Option<String>,
}

/// Ends what does not end by itself.
struct Watch {
    env: Env,
    until: Duration,
    stop: StopHandle,
    timed_out: Mutex<bool>,
}

impl EventSink for Watch {
    fn emit(&self, _scope: &Scope, _event: &Event) {
        if self.env.clock.monotonic() > self.until {
            *self.timed_out.lock().expect("nobody panics while holding it") = true;
            self.stop.stop_now();
        }
    }
}

impl<'a> Run<'a> {
    /// A new world of that name with the records in it.
    pub(super) fn new(name: &str, pipeline: &Pipeline, inputs: &'a [Input]) -> Self {
        let env = Env::seeded(1, START_MS);
        let world = World::create(name, Arc::clone(&env.clock));
        for input in inputs {
            world.append(&input.topic, input.partition, input.record.clone());
        }
        let mut pipeline = pipeline.clone();
        let dead_letters = pipeline.errors.dead_letter.as_mut().map(|letter| &mut letter.cluster);
        for endpoint in [&mut pipeline.source, &mut pipeline.sink].into_iter().chain(dead_letters) {
            endpoint.options.0.insert("world".to_owned(), OptionValue::Text(name.to_owned()));
        }
        Self { pipeline, inputs, world, env }
    }

    /// One life of the process: until it is caught up, stops or dies.
    pub(super) fn run(&self) -> Result<Ran, String> {
        let (stop, crashes) = (StopHandle::default(), self.world.crashes());
        let until = self.env.clock.monotonic() + TIME_MAX;
        let watch = Arc::new(Watch { env: self.env.clone(), until, stop: stop.clone(), timed_out: Mutex::default() });
        let options = RunOptions {
            tasks: 1,
            until_caught_up: true,
            drain_timeout: TIME_MAX,
            memory_bytes: MEMORY_BYTES_DEFAULT,
            env: self.env.clone(),
            secrets: Arc::new(NoSecrets),
            runtime: runtime().handle().clone(),
            stop,
            events: watch.clone(),
        };
        let outcome = run(vec![self.pipeline.clone()], defs(), &options).map_err(|error| error.to_string())?;
        let [outcome] = outcome.pipelines.as_slice() else { return Err("one pipeline has one outcome".to_owned()) };
        if *watch.timed_out.lock().expect("nobody panics while holding it") {
            return Err("did not end".to_owned());
        }
        let error = outcome.error.as_ref().map(ToString::to_string);
        let crashed = self.world.crashes() > crashes;
        if error.is_none() && !outcome.is_complete {
            return Err("ended without an error and without everything committed".to_owned());
        }
        Ok(Ran { crashed, error })
    }

    /// The objects of data: what kpipe keeps for itself beside them is not for readers.
    fn data(&self) -> impl Iterator<Item = (String, Bytes)> {
        self.world.objects().into_iter().filter(|(key, _)| !key.split('/').any(|part| part == RESERVED_FOLDER))
    }

    /// Every visible row, by folder or topic.
    pub(super) fn seen(&self) -> Seen {
        let mut seen = Seen::new();
        for (key, data) in self.data() {
            let folder = key.rsplit_once('/').map_or("", |(folder, _)| folder);
            for row in rows::of_file(&key, &data) {
                *seen.entry(format!("{folder}: {row}")).or_default() += 1;
            }
        }
        for record in self.world.produced() {
            *seen.entry(rows::of_record(&record)).or_default() += 1;
        }
        seen
    }

    /// Committed positions of the logs that hold records.
    pub(super) fn committed(&self) -> BTreeMap<(String, i32), i64> {
        let position = |input: &Input| Some((input.log(), self.world.committed(&self.pipeline.name, &input.topic, input.partition)?));
        self.inputs.iter().filter_map(position).collect()
    }

    /// What the world holds, for people.
    pub(super) fn describe(&self, ran: &Ran) -> String {
        let mut text = String::new();
        let mut line = |what: std::fmt::Arguments<'_>| writeln!(text, "{what}").expect("a string takes everything");
        for (key, data) in self.data() {
            line(format_args!("file {key}"));
            rows::of_file(&key, &data).iter().for_each(|row| line(format_args!("  {row}")));
        }
        let mut produced = self.world.produced();
        // Dead letters of one partition keep their order; which partition's come first depends on threads.
        produced.sort_by_key(|record| (record.topic.clone(), rows::partition_of_letter(record)));
        for record in produced {
            line(format_args!("{}", rows::of_record(&record)));
        }
        for ((topic, partition), position) in self.committed() {
            line(format_args!("committed {topic}/{partition} {position}"));
        }
        match &ran.error {
            Some(error) => line(format_args!("stopped: {error}")),
            None => line(format_args!("complete")),
        }
        text
    }
}
