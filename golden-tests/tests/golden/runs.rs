//! A folder with `records.jsonl` is a pipeline that runs: `pipeline.yaml` goes through every stage, with the connectors of the binary
//! opened on a world in memory. `ast.json`, `plan.json` and `run.txt` say what each stage makes of it.
//!
//! Then it runs again, many times, in a process that dies at seeded points and starts anew, against the same expectation: nothing is
//! missing, nothing is there twice that was committed before the process died, and it ends where it ended without a crash.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

use kpipe_compiler::Compiled;
use kpipe_compiler::catalog::{Catalog, ConnectorSpec};
use kpipe_compiler::plan::Pipeline;
use kpipe_compiler::sources::{Lookups, Mode, Sources};
use kpipe_engine::env::Random;
use serde_json::Value;

use super::world::{Input, Ran, Run, Seen, inputs};
use super::{Outcome, expect};

/// Times that each case is run with crashes.
const REPLAYS: u64 = 20;
/// Records that are run alone at a time.
const THREADS: usize = 16;
/// Crashes of one replay at most.
const CRASHES: usize = 5;

static SPECS: LazyLock<Vec<&'static ConnectorSpec>> = LazyLock::new(|| kpipe_connectors::ALL.iter().map(|def| def.spec).collect());
static CATALOG: LazyLock<Catalog> = LazyLock::new(|| Catalog { connectors: &SPECS });

/// The variables that samples and examples name.
struct Variables;

impl Lookups for Variables {
    fn env(&self, name: &str) -> Option<String> {
        let value = match name {
            "KAFKA_BROKERS" => "kafka.local:9092",
            "MQTT_URL" => "mqtt://mqtt.local:1883",
            "S3_ENDPOINT" => "http://s3.local:9000",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn file(&self, _base: &str, path: &str) -> Result<String, String> {
        Err(format!("a run case has no {path}"))
    }
}

/// One case: a folder.
pub(super) fn run_case(records: &Path) -> Outcome {
    let dir = records.parent().ok_or("a file lies in a folder")?;
    let name = dir.file_name().ok_or("a folder has a name")?.to_string_lossy().into_owned();
    let compiled = compile(&dir.join("pipeline.yaml"))?;
    let [pipeline] = compiled.pipelines.as_slice() else { return Err("a run case has one pipeline".into()) };
    expect(&dir.join("ast.json"), &ast(&compiled)?)?;
    expect(&dir.join("plan.json"), &format!("{:#}\n", serde_json::to_value(pipeline)?))?;

    let inputs = inputs(&std::fs::read_to_string(records)?)?;
    let whole = Run::new(&name, pipeline, &inputs);
    let ran = whole.run()?;
    expect(&dir.join("run.txt"), &whole.describe(&ran))?;
    if std::env::var_os("KPIPE_ACCEPT").is_some() {
        return Ok(());
    }
    let model = Model::new(&name, pipeline, &inputs, &whole, ran)?;
    let mut crashes = 0;
    for seed in 0..REPLAYS {
        crashes += model.survive(seed)?;
    }
    if crashes < REPLAYS as usize {
        return Err(format!("only {crashes} crashes in {REPLAYS} replays: the case is too short for them").into());
    }
    Ok(())
}

fn compile(file: &Path) -> datatest_stable::Result<Compiled> {
    let mut sources = Sources::new();
    sources.add("pipeline.yaml", std::fs::read_to_string(file)?);
    let compiled = kpipe_compiler::compile(&sources, &CATALOG, &Variables, Mode::Plan);
    if compiled.report.has_errors() {
        let messages: Vec<String> = compiled.report.views(&sources).into_iter().map(|view| view.message).collect();
        return Err(format!("{}: {}", file.display(), messages.join("; ")).into());
    }
    Ok(compiled)
}

/// The statements as the grammar reads them, without places.
fn ast(compiled: &Compiled) -> datatest_stable::Result<String> {
    let text = &compiled.documents.first().ok_or("a run case has one document")?.kcql.text;
    let mut value = serde_json::to_value(kpipe_grammar::parse(text).statements)?;
    without_places(&mut value);
    Ok(format!("{value:#}\n"))
}

fn without_places(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(without_places),
        Value::Object(fields) => {
            fields.remove("span");
            fields.retain(|_, field| !field.is_null() && field.as_array().is_none_or(|items| !items.is_empty()));
            fields.values_mut().for_each(without_places);
            if fields.len() == 1
                && let Some(node) = fields.remove("node")
            {
                *value = node;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What a pipeline makes of its input: the whole of it, and of each record by itself.
struct Model<'a> {
    name: &'a str,
    pipeline: &'a Pipeline,
    inputs: &'a [Input],
    /// What the run without a crash left.
    whole: Seen,
    /// How it ended.
    end: Option<String>,
    committed: BTreeMap<(String, i32), i64>,
    /// What each record becomes.
    parts: Vec<BTreeSet<String>>,
    /// Calls that a run without a crash makes: the fewest of those seen, for one that waits for other threads asks more often.
    calls: Cell<u64>,
}

impl<'a> Model<'a> {
    fn new(name: &'a str, pipeline: &'a Pipeline, inputs: &'a [Input], whole: &Run<'_>, ran: Ran) -> datatest_stable::Result<Self> {
        let model = Self {
            name,
            pipeline,
            parts: parts(name, pipeline, inputs)?,
            whole: whole.seen(),
            end: ran.error,
            committed: whole.committed(),
            calls: Cell::new(whole.world.calls()),
            inputs,
        };
        model.is_the_sum_of_its_parts()?;
        Ok(model)
    }

    /// A record becomes the same, whatever stands beside it in a batch or in a file.
    fn is_the_sum_of_its_parts(&self) -> Outcome {
        if let Some((row, count)) = self.whole.iter().find(|(_, count)| **count > 1) {
            return Err(format!("{row} is there {count} times without any crash; the records of a case have to differ").into());
        }
        let committed: BTreeSet<&String> = self.below(&self.committed).flat_map(|index| &self.parts[index]).collect();
        let all: BTreeSet<&String> = self.parts.iter().flatten().collect();
        match (committed.iter().find(|row| !self.whole.contains_key(**row)), self.whole.keys().find(|row| !all.contains(row))) {
            (None, None) => Ok(()),
            (Some(row), _) => Err(format!("{row} is committed and not there").into()),
            (_, Some(row)) => Err(format!("{row} comes from no record").into()),
        }
    }

    /// Records below the committed positions.
    fn below(&self, committed: &BTreeMap<(String, i32), i64>) -> impl Iterator<Item = usize> {
        let is_below = |input: &Input| committed.get(&input.log()).is_some_and(|position| input.record.offset < *position);
        self.inputs.iter().enumerate().filter(move |(_, input)| is_below(input)).map(|(index, _)| index).collect::<Vec<_>>().into_iter()
    }

    /// Runs with crashes, then to the end; returns how many there were.
    fn survive(&self, seed: u64) -> Result<usize, String> {
        let random = Random::seeded(seed);
        let run = Run::new(&format!("{}-{seed}", self.name), self.pipeline, self.inputs);
        let mut may_repeat: BTreeMap<&String, usize> = BTreeMap::new();
        let mut crashes = 0;
        let end = loop {
            if crashes < CRASHES {
                run.world.crash_at_call(1 + random.below(self.calls.get()), random.below(2) == 0);
            } else {
                run.world.crash_at_call(u64::MAX / 2, false);
            }
            let ran = run.run().map_err(|error| format!("seed {seed}: {error}"))?;
            if !ran.crashed {
                if crashes == 0 {
                    self.calls.set(self.calls.get().min(run.world.calls()));
                }
                break ran.error;
            }
            crashes += 1;
            let (seen, committed) = (run.seen(), run.committed());
            let safe: BTreeSet<usize> = self.below(&committed).collect();
            for (index, rows) in self.parts.iter().enumerate() {
                match (safe.contains(&index), rows.iter().find(|row| !seen.contains_key(*row))) {
                    (true, Some(row)) => return Err(format!("seed {seed}, crash {crashes}: {row} is committed and not there")),
                    (true, None) => {}
                    (false, _) => {
                        rows.iter().filter(|row| seen.contains_key(*row)).for_each(|row| *may_repeat.entry(row).or_default() += 1)
                    }
                }
            }
        };
        let says = |what: String| Err(format!("seed {seed}, after {crashes} crashes: {what}"));
        if end != self.end {
            return says(format!("ended with {end:?}, not {:?}", self.end));
        }
        let committed = run.committed();
        if committed != self.committed {
            return says(format!("committed {committed:?}, not {:?}", self.committed));
        }
        let seen = run.seen();
        if let Some(row) = self.below(&committed).flat_map(|index| &self.parts[index]).find(|row| !seen.contains_key(*row)) {
            return says(format!("{row} is lost"));
        }
        match seen.iter().find(|(row, count)| **count > 1 + may_repeat.get(row).copied().unwrap_or(0)) {
            Some((row, count)) => says(format!("{row} is there {count} times")),
            None => Ok(crashes),
        }
    }
}

/// What each record becomes alone. The runs wait more than they work, so many go side by side.
fn parts(name: &str, pipeline: &Pipeline, inputs: &[Input]) -> Result<Vec<BTreeSet<String>>, String> {
    let alone = |index: usize| {
        let run = Run::new(&format!("{name}-alone-{index}"), pipeline, std::slice::from_ref(&inputs[index]));
        run.run().map(|_| run.seen().into_keys().collect())
    };
    let of_thread = |thread: usize| (thread..inputs.len()).step_by(THREADS).map(|index| (index, alone(index))).collect::<Vec<_>>();
    let mut parts = vec![BTreeSet::new(); inputs.len()];
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || of_thread(thread))).collect();
        for (index, part) in threads.into_iter().flat_map(|thread| thread.join().expect("a run does not panic")) {
            parts[index] = part?;
        }
        Ok(parts)
    })
}
