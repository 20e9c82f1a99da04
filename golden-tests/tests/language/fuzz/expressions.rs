//! Expressions, computed by the engine on records with every kind of value: a pipeline in memory reads, filters, computes and writes.

use std::cell::Cell;

use super::super::compiling::Checked;
use super::super::random::Random;
use super::super::world::{Run, inputs};
use super::typed::{Kind, SCHEMA, expression, record};
use super::{check_places, fuzz};

/// Inputs of a test, and how many of them at least have a type throughout.
const INPUTS: u64 = 60;
const TYPED_MIN: u64 = 10;

/// A pipeline with such expressions.
fn pipeline(random: &mut Random) -> String {
    let kinds = [Kind::Boolean, Kind::Integer, Kind::Number, Kind::Text, Kind::Time];
    let columns: Vec<String> = (0..=random.below(3))
        .map(|index| {
            let (kind, depth) = (random.pick(&kinds), 1 + random.below(4));
            format!("{} AS c{index}", expression(kind, depth, random))
        })
        .collect();
    let filter = if random.one_in(2) { format!("\n  WHERE {}", expression(Kind::Boolean, 2, random)) } else { String::new() };
    let folders = if random.one_in(3) { format!("\n  PARTITIONBY {} AS part", expression(Kind::Text, 2, random)) } else { String::new() };
    format!(
        "version: 1\npipeline: fuzz\nsource:\n  kafka: {{ brokers: [\"k:9092\"], value: {{ format: json, schema: {SCHEMA} }} }}\n\
         errors: {{ tolerance: all }}\nsink:\n  local: {{ dir: out, format: {} }}\nkcql: |\n  INSERT INTO out\n  SELECT {}\n  FROM in{filter}{folders}\n",
        random.pick(&["json", "parquet"]),
        columns.join(",\n    ")
    )
}

/// Lines of records.
fn records(random: &mut Random) -> String {
    let line = |random: &mut Random| {
        let (key, time) = (random.pick(&["k", "k-7", ""]), random.pick(&[0_i64, 1_767_323_045_000, 4_000_000_000_000]));
        format!("{}\n", serde_json::json!({ "topic": "in", "time_ms": time, "key": key, "value": record(random).to_string() }))
    };
    (0..1 + random.below(60)).map(|_| line(random)).collect()
}

#[test]
fn expressions() {
    let typed = Cell::new(0_u64);
    fuzz("expressions", INPUTS, |random| {
        let text = pipeline(random);
        let checked = Checked::of(&text);
        let views = checked.compiled.report.views(&checked.sources);
        check_places(&checked.sources, &views).map_err(|why| format!("{why}\nof {text}"))?;
        let Some(pipeline) = checked.compiled.pipelines.first() else {
            let said = views.iter().any(|view| view.code != "KP9901");
            return if said { Ok(()) } else { Err(format!("nobody says why there is no pipeline\n{text}")) };
        };
        typed.set(typed.get() + 1);
        let lines = records(random);
        let records = inputs(&lines).map_err(|error| error.to_string())?;
        let run = Run::new(&format!("fuzz-{}", random.next()), pipeline, &records);
        let ran = run.run().map_err(|why| format!("{why}\nof {text}"))?;
        let rows: usize = run.seen().values().sum();
        let whole =
            !ran.crashed && ran.error.is_none() && rows <= records.len() && run.committed().values().sum::<i64>() == records.len() as i64;
        if whole { Ok(()) } else { Err(format!("{}\nof {text}", run.describe(&ran).lines().last().unwrap_or_default())) }
    });
    let is_replay = std::env::var_os("KPIPE_FUZZ_INPUTS").is_some();
    assert!(is_replay || typed.get() >= TYPED_MIN, "only {} inputs have a type throughout", typed.get());
}
