//! `kpipe offsets`: where a pipeline stands, and moving it on purpose.

use std::fmt::Write as _;

use kpipe_compiler::plan::Pipeline;
use kpipe_compiler::sources::Mode;
use kpipe_engine::connector::{Inspection, PartitionInspection};
use kpipe_engine::env::Env;
use kpipe_engine::error::{ConnectorError, ErrorKind};
use kpipe_engine::ledger::chain::heads;
use kpipe_engine::ledger::reset::{self, Move, Target};
use kpipe_engine::position::Position;
use serde_json::{Value, json};

use super::{failed, findings, print, runtime};
use crate::args::{Common, Format, Offsets, OffsetsCommand, Report, Voice};
use crate::compile::{Unit, compile};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::host::Host;
use crate::live::World;
use crate::paths::situated;
use crate::render::json;
use crate::secrets::HostSecrets;

/// What is asked for.
enum What<'a> {
    Get,
    Move { target: Target, only: &'a [String], writes: bool },
}

/// Shows, plans or writes.
pub(crate) fn run(common: &Common, args: &Offsets, host: &mut Host<'_>) -> Result<Exit, Failure> {
    let of = args.of();
    let what = match &args.command {
        OffsetsCommand::Get(_) => What::Get,
        OffsetsCommand::Plan(to) => What::Move { target: target(&to.to)?, only: &to.only, writes: false },
        OffsetsCommand::Reset(to) if to.yes => What::Move { target: target(&to.to)?, only: &to.only, writes: true },
        OffsetsCommand::Reset(_) => {
            let message = "a reset reads records again, or skips them: `--yes` agrees to that";
            return Err(Failure::new(Exit::ConsentNeeded, message).help("`kpipe offsets plan` with the same `--to` says how many"));
        }
    };
    let voice = Voice::from(of.format);
    let Some(pipeline) = one(common, voice, of, host)? else { return Ok(Exit::Invalid) };
    let runtime = runtime()?;
    let secrets = HostSecrets::of(host);
    let dir = host.dir.clone();
    let world = World { runtime: runtime.handle(), secrets: &secrets, dir: &dir };
    let found = match what {
        What::Get => get(world, &pipeline, of.format),
        What::Move { target, only, writes } => move_to(world, &pipeline, target, only, writes).map(|moves| told(&moves, writes, of.format)),
    };
    runtime.shutdown_background();
    match found {
        Ok(text) => print(host, &text).map(|()| Exit::Done),
        Err(error) => {
            let failure = Failure::from(error);
            let exit = failure.exit;
            failed(common.color, voice, host, vec![failure])?;
            Ok(exit)
        }
    }
}

/// The only pipeline of the files; `None` if they have errors, which are said.
fn one(common: &Common, voice: Voice, of: &Report, host: &mut Host<'_>) -> Result<Option<Pipeline>, Failure> {
    let compiled = compile(host, &of.inputs.paths, of.inputs.profile.as_deref(), Mode::Plan, None)?;
    findings(common, voice, host, &compiled)?;
    if compiled.has_errors {
        return Ok(None);
    }
    let mut pipelines = compiled.pipelines;
    match (pipelines.pop(), pipelines.len()) {
        (Some(Unit { pipeline, folder, .. }), 0) => Ok(Some(situated(&pipeline, &host.dir.join(folder)))),
        (_, others) => {
            let message = format!("offsets are looked at one pipeline at a time, and these files hold {}", others + 1);
            Err(Failure::new(Exit::Usage, message).help("name one file"))
        }
    }
}

fn target(word: &str) -> Result<Target, Failure> {
    match word {
        "earliest" => Ok(Target::Earliest),
        "latest" => Ok(Target::Latest),
        "group" => Ok(Target::Group),
        number => number.parse().map(|at| Target::At(Position(at))).map_err(|_| {
            Failure::new(Exit::Usage, format!("`--to {number}` is no place")).help("earliest, latest, group, or an offset as a number")
        }),
    }
}

/// What a move would do, or did.
fn move_to(world: World<'_>, pipeline: &Pipeline, target: Target, only: &[String], writes: bool) -> Result<Vec<Move>, ConnectorError> {
    if !pipeline.commit.keeps_ledger() {
        let message = format!("pipeline `{}` keeps no ledger: its position is the group's", pipeline.name);
        let help = "stop it, and move the group with kafka-consumer-groups --reset-offsets";
        return Err(ConnectorError::new(ErrorKind::Invalid, message).help(help));
    }
    let audited = world.audited(pipeline)?;
    let env = Env::system();
    world.runtime.block_on(async {
        let moves = reset::plan(&audited, target, only).await?;
        for step in moves.iter().filter(|_| writes) {
            reset::reset(&audited, step, &env.random).await?;
        }
        Ok(moves)
    })
}

fn get(world: World<'_>, pipeline: &Pipeline, format: Format) -> Result<String, ConnectorError> {
    let (source, heads) = if pipeline.commit.keeps_ledger() {
        let audited = world.audited(pipeline)?;
        let heads = world.runtime.block_on(heads(&audited))?;
        (audited.source, heads)
    } else {
        let Inspection { partitions, .. } = world.inspect(pipeline, &pipeline.source, &pipeline.routes)?;
        (partitions, Vec::new())
    };
    let rows = source.iter().map(|partition| {
        let PartitionInspection { topic, partition, low, high, committed, start: _, last_hour: _ } = partition;
        let ledger = heads.iter().find(|(scope, _)| *scope.topic == **topic && scope.partition == *partition).map(|(_, head)| head.end);
        (format!("{topic}[{partition}]"), *low, *high, *committed, ledger)
    });
    Ok(match format {
        Format::Json => {
            let all: Vec<Value> = rows
                .map(|(name, low, high, group, ledger)| json!({ "partition": name, "low": low, "high": high, "group": group, "ledger": ledger }))
                .collect();
            json::document(Exit::Done, &[], &[], json!({ "pipeline": pipeline.name, "partitions": all }))
        }
        Format::Human | Format::Plain => {
            let mut text = String::new();
            for (name, low, high, group, ledger) in rows {
                let next = ledger.or(group);
                let lag = next.map_or_else(|| "nothing committed".to_owned(), |next| format!("lag {}", high.0.saturating_sub(next.0)));
                let shown = |position: Option<Position>| position.map_or_else(|| "-".to_owned(), |position| position.to_string());
                let _ = writeln!(text, "{name}  topic {low} to {high}  ledger {}  group {}  {lag}", shown(ledger), shown(group));
            }
            text
        }
    })
}

fn told(moves: &[Move], written: bool, format: Format) -> String {
    if format == Format::Json {
        let all: Vec<Value> = moves
            .iter()
            .map(|step| {
                let (again, skipped) = step.cost();
                json!({ "partition": step.name(), "from": step.from, "to": step.to, "read_again": again, "skipped": skipped })
            })
            .collect();
        return json::document(Exit::Done, &[], &[], json!({ "moves": all, "written": written }));
    }
    let mut text = String::new();
    for step in moves {
        let _ = write!(text, "{}: from {} to {}, ", step.name(), step.from, step.to);
        let _ = match step.cost() {
            (again, 0) => writeln!(text, "{again} positions are read again"),
            (_, skipped) => writeln!(text, "{skipped} positions are skipped"),
        };
    }
    text.push_str(match (moves.is_empty(), written) {
        (true, _) => "every partition stands there already\n",
        (false, true) => "written: whoever has these partitions begins there\n",
        (false, false) => "nothing was written: `kpipe offsets reset` with `--yes` does it\n",
    });
    text
}
