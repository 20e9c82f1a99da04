//! `kpipe apply`: plan, consent, record, run in the foreground.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kpipe_compiler::diff::{Action, PipelineChange};
use kpipe_compiler::plan::Pipeline;
use kpipe_compiler::plan::wire::{self, Inputs, SavedPlan, fingerprint};
use kpipe_compiler::sources::Mode;
use kpipe_engine::env::Env;
use kpipe_engine::metrics::Metrics;
use kpipe_engine::state::StopHandle;
use tokio::net::TcpListener;

use super::{failed, findings, print, runtime, say};
use crate::args::{Apply, Common, LogFormat};
use crate::compile::{Unit, compile};
use crate::display::Display;
use crate::exit::Exit;
use crate::failure::{Failure, codes};
use crate::host::Host;
use crate::live::World;
use crate::paths::situated;
use crate::planning::{self, Planned};
use crate::runner::{self, Job};
use crate::secrets::HostSecrets;
use crate::session::Session;
use crate::{advice, consent, logging, render, sample, serve};

/// Plans and runs.
pub(crate) fn run(common: &Common, args: &Apply, host: &mut Host<'_>) -> Result<Exit, Failure> {
    let input = match saved_plan(host, &args.paths)? {
        Some((path, saved)) => Input::Saved { path, saved },
        None => {
            let look = |unsampled: &[Pipeline]| sample::schemas(host, unsampled);
            let compiled = compile(host, &args.paths, args.profile.as_deref(), Mode::Plan, Some(&look))?;
            findings(common, args.log_format.into(), host, &compiled)?;
            if compiled.has_errors {
                return Ok(Exit::Invalid);
            }
            Input::Files(compiled.pipelines)
        }
    };
    let runtime = runtime()?;
    let secrets = Arc::new(HostSecrets::of(host));
    let dir = host.dir.clone();
    let world = World { runtime: runtime.handle(), secrets: &*secrets, dir: &dir };
    let http = args.http.map(|address| runtime.block_on(serve::bind(address))).transpose()?;
    let planned = plan(common, args, host, world, input)?;
    let changes: Vec<&PipelineChange> = planned.iter().filter_map(|planned| planned.change.as_ref()).collect();
    consent::ensure(host, &changes, &args.consents)?;
    let mut pipelines = Vec::with_capacity(planned.len());
    for planned in &planned {
        let situated = situated(&planned.pipeline, &dir.join(&planned.folder));
        record(world, planned, &situated)?;
        pipelines.push(situated);
    }
    let metrics = Metrics::new(Env::system().clock);
    let stop = StopHandle::default();
    let job = Job {
        pipelines,
        tasks: usize::from(args.tasks),
        memory_bytes: args.memory,
        until_caught_up: args.until_caught_up,
        drain_timeout: args.drain_timeout,
        stop: stop.clone(),
        metrics: metrics.clone(),
        secrets,
        runtime: runtime.handle().clone(),
    };
    let session = session(common, args, host, Parts { metrics, stop, http });
    let (ended, outcome) = session.run(host, runtime.handle(), |ear| runner::run(job, ear), |_| {})?;
    runtime.shutdown_background();
    let exit = ended.exit(outcome);
    failed(common.color, args.log_format.into(), host, ended.failures)?;
    Ok(exit)
}

/// What a session is made of besides its settings.
struct Parts {
    metrics: Metrics,
    stop: StopHandle,
    http: Option<TcpListener>,
}

fn session(common: &Common, args: &Apply, host: &Host<'_>, parts: Parts) -> Session {
    let Parts { metrics, stop, http } = parts;
    let filter = (host.env)("KPIPE_LOG").filter(|filter| !filter.is_empty());
    Session {
        display: Display::new(host.err_style(common.color), host.terminal.err, common.quiet, args.log_format),
        metrics,
        stop,
        drain_timeout: args.drain_timeout,
        http,
        verbose: common.verbose,
        logs: logging::collect(args.log_format, common.verbose, common.quiet, filter),
        drains_on_signal: true,
    }
}

/// Where the pipelines come from.
enum Input {
    Files(Vec<Unit>),
    Saved { path: PathBuf, saved: SavedPlan },
}

fn units(pipelines: Vec<Pipeline>, inputs: &Inputs) -> Vec<Unit> {
    let unit = |pipeline: Pipeline| {
        let folder = inputs.folders.get(&pipeline.name).cloned().unwrap_or_default();
        Unit { pipeline, origin: None, folder }
    };
    pipelines.into_iter().map(unit).collect()
}

/// Looks at the world, prints the plan, refuses what cannot be run or is stale.
fn plan(common: &Common, args: &Apply, host: &mut Host<'_>, world: World<'_>, input: Input) -> Result<Vec<Planned>, Failure> {
    let (pipelines, saved) = match input {
        Input::Files(pipelines) => (pipelines, None),
        Input::Saved { path, saved } => (units(saved.pipelines, &saved.inputs), Some((path, saved.inputs))),
    };
    let (planned, failures) = planning::online(world, pipelines);
    if let Some((path, inputs)) = saved
        && failures.is_empty()
    {
        refuse_stale(host, &path, &inputs, &planned)?;
    }
    let mut documents = Vec::new();
    let advised = advice::findings(&planned, &mut documents);
    say(common.color, args.log_format.into(), host, &documents, &advised)?;
    if !common.quiet && args.log_format == LogFormat::Human {
        let style = host.out_style(common.color);
        print(host, &render::plan::human(style, &planning::views(&planned), common.verbose > 0))?;
    }
    let exit = failures.iter().fold(Exit::Done, |worst, failure| worst.worst(failure.exit));
    if exit == Exit::Done {
        return Ok(planned);
    }
    failed(common.color, args.log_format.into(), host, failures)?;
    Err(Failure::silent(exit))
}

/// The saved plan that `paths` name, if they do.
fn saved_plan(host: &Host<'_>, paths: &[PathBuf]) -> Result<Option<(PathBuf, SavedPlan)>, Failure> {
    let [path] = paths else { return Ok(None) };
    let full = host.resolve(path);
    let is_yaml = full.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    if is_yaml || full.is_dir() {
        return Ok(None);
    }
    let text = fs::read(&full).map_err(|error| Failure::file("read", path, &error))?;
    let text = String::from_utf8(text).unwrap_or_default();
    let saved = wire::read(&text)
        .map_err(|error| Failure::new(Exit::Invalid, format!("{}: {error}", path.display())).code(error.code()).help(error.help()))?;
    Ok(Some((path.clone(), saved)))
}

/// Refuses a saved plan whose files, offsets or applied plans moved since.
fn refuse_stale(host: &Host<'_>, path: &Path, inputs: &Inputs, planned: &[Planned]) -> Result<(), Failure> {
    let mut files = BTreeMap::new();
    for name in inputs.files.keys() {
        if let Ok(bytes) = fs::read(host.resolve(Path::new(name))) {
            files.insert(name.clone(), fingerprint(&bytes));
        }
    }
    let moved = wire::moved(inputs, &planning::inputs(files, planned));
    if moved.is_empty() {
        return Ok(());
    }
    let mut failure = Failure::new(Exit::Stale, format!("{} no longer describes the world, so nothing was applied", path.display()))
        .code(codes::STALE_PLAN)
        .help("run `kpipe plan --out FILE` again, where the pipeline files are");
    failure.notes = moved;
    Err(failure)
}

/// Writes the plan down where the pipeline commits, before it runs: with the paths as they are written.
fn record(world: World<'_>, planned: &Planned, situated: &Pipeline) -> Result<(), Failure> {
    if planned.change.as_ref().is_some_and(|change| change.action == Action::None) {
        return Ok(());
    }
    if let Some(mut plans) = world.plans(situated)? {
        plans.write(&planned.pipeline.name, planning::record(&planned.pipeline).as_bytes())?;
    }
    Ok(())
}
