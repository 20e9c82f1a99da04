//! `kpipe demo`: the whole job in one process, with devices, brokers and a check of every message.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kpipe_compiler::plan::Pipeline;
use kpipe_compiler::sources::Mode;
use kpipe_engine::env::Env;
use kpipe_engine::limits::MEMORY_BYTES_DEFAULT;
use kpipe_engine::metrics::{Metrics, Snapshot};
use kpipe_engine::state::{PipelineState, StopHandle};

use super::{failed, findings, print, runtime};
use crate::args::{Common, Demo, LogFormat, Voice};
use crate::compile::{Compiled, HostLookups};
use crate::demo::broker;
use crate::demo::simulator::Simulator;
use crate::demo::verify::{Found, verify};
use crate::display::{Display, Level};
use crate::exit::Exit;
use crate::failure::{Failure, codes};
use crate::host::{EnvReader, Host};
use crate::load::{Group, TextFile};
use crate::render::paint::{Ink, paint};
use crate::render::progress::{grouped, size};
use crate::runner::{self, Job};
use crate::secrets::HostSecrets;
use crate::session::{Session, Watch};
use crate::{logging, render};

/// The two pipelines, as a user would write them.
const PIPELINES: [(&str, &str); 2] = [
    ("demo/mqtt-to-kafka.yaml", include_str!("../../../../pipelines/demo/mqtt-to-kafka.yaml")),
    ("demo/kafka-to-files.yaml", include_str!("../../../../pipelines/demo/kafka-to-files.yaml")),
];
/// The name of the second one: what it commits is in files.
const FILES_PIPELINE: &str = "demo-kafka-to-files";
/// The topic between them, and the folder of the files.
const TOPIC: &str = "telemetry";
/// What says that a directory was made by a demo, so that the next one may replace its files.
const MARKER: &str = ".kpipe-demo";
/// How long the pipelines may take to start.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long the last messages may take into files after the devices stopped.
const SETTLE_LIMIT: Duration = Duration::from_secs(60);

/// Runs the demo.
pub(crate) fn run(common: &Common, args: &Demo, host: &mut Host<'_>) -> Result<Exit, Failure> {
    let dir = prepare(host, &args.dir)?;
    let port = broker::mqtt(args.devices as usize + 16)?;
    let kafka = broker::Kafka::start(&[TOPIC])?;
    let env = demo_env(&host.env, port, &kafka.address(), &dir);
    let compiled = compiled(host, &env)?;
    if compiled.has_errors {
        findings(common, Voice::Human, host, &compiled)?;
        return Err(Failure::new(Exit::Bug, "the demo's own pipelines do not compile").code(codes::BUG));
    }
    let pipelines: Vec<Pipeline> = compiled.pipelines.into_iter().map(|unit| unit.pipeline).collect();
    introduce(common, host, &pipelines)?;
    let runtime = runtime()?;
    let metrics = Metrics::new(Env::system().clock);
    let stop = StopHandle::default();
    let style = host.err_style(common.color);
    let session = Session {
        display: Display::new(style, host.terminal.err, common.quiet, LogFormat::Human),
        metrics: metrics.clone(),
        stop: stop.clone(),
        drain_timeout: SETTLE_LIMIT,
        http: None,
        verbose: common.verbose.max(1),
        logs: logging::collect(LogFormat::Human, common.verbose, common.quiet, None),
        drains_on_signal: false,
    };
    let secrets = Arc::new(HostSecrets { env, dir: host.dir.clone() });
    let job = Job {
        pipelines,
        tasks: 1,
        memory_bytes: MEMORY_BYTES_DEFAULT,
        until_caught_up: false,
        drain_timeout: SETTLE_LIMIT,
        stop,
        metrics,
        secrets,
        runtime: runtime.handle().clone(),
    };
    let mut conductor = Conductor::new(args, port, runtime.handle().clone());
    let (ended, outcome) = session.run(host, runtime.handle(), |ear| runner::run(job, ear), |watch| conductor.look(watch))?;
    let published = conductor.published();
    runtime.shutdown_background();
    let exit = ended.exit(outcome);
    failed(common.color, Voice::Human, host, ended.failures)?;
    let found =
        verify(&dir.join(TOPIC), published).map_err(|error| Failure::new(Exit::LocalIo, error.to_string()).code(codes::LOCAL_FILE))?;
    conclude(common, host, &args.dir, published, &found)?;
    if exit == Exit::Done { verdict(published, &found) } else { Ok(exit) }
}

/// An empty directory for the files. One that a demo made before is emptied, any other is left alone.
fn prepare(host: &Host<'_>, dir: &Path) -> Result<PathBuf, Failure> {
    let path = std::path::absolute(host.resolve(dir)).map_err(|error| Failure::file("use", dir, &error))?;
    let is_used = fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_some());
    if is_used && !path.join(MARKER).is_file() {
        return Err(Failure::new(Exit::LocalIo, format!("{} is not empty and was not made by a demo", dir.display()))
            .code(codes::LOCAL_FILE)
            .help("name another directory with `--dir`, nothing in this one was touched"));
    }
    let made = (|| {
        for own in [TOPIC, ".kpipe"] {
            if path.join(own).exists() {
                fs::remove_dir_all(path.join(own))?;
            }
        }
        fs::create_dir_all(path.join(TOPIC))?;
        fs::write(path.join(MARKER), "made by `kpipe demo`, which replaces the files beside this one\n")
    })();
    made.map_err(|error| Failure::file("write", dir, &error))?;
    Ok(path)
}

/// The environment with the addresses of the embedded brokers.
fn demo_env(env: &EnvReader, port: u16, kafka: &str, dir: &Path) -> EnvReader {
    let own = BTreeMap::from([
        ("KPIPE_DEMO_MQTT_PORT", port.to_string()),
        ("KPIPE_DEMO_KAFKA", kafka.to_owned()),
        ("KPIPE_DEMO_DIR", dir.display().to_string()),
    ]);
    let env = Arc::clone(env);
    Arc::new(move |name| own.get(name).cloned().or_else(|| env(name)))
}

fn compiled(host: &Host<'_>, env: &EnvReader) -> Result<Compiled, Failure> {
    let pipelines = PIPELINES
        .iter()
        .map(|(name, text)| TextFile { name: (*name).to_owned(), path: PathBuf::from(name), text: (*text).to_owned() })
        .collect();
    let mut compiled = Compiled::default();
    let lookups = HostLookups::new(Arc::clone(env), host.dir.clone());
    compiled.add(Group { pipelines, connections: None, profile: None }, &lookups, Mode::Plan, None)?;
    Ok(compiled)
}

/// Shows the files and the plan.
fn introduce(common: &Common, host: &mut Host<'_>, pipelines: &[Pipeline]) -> Result<(), Failure> {
    if common.quiet {
        return Ok(());
    }
    let style = host.out_style(common.color);
    let mut text = String::from("An MQTT broker, a Kafka broker and a few hundred devices run inside this process. The pipelines:\n\n");
    for (name, yaml) in PIPELINES {
        text.push_str(&format!("{}\n", paint(style, Ink::Strong, name)));
        yaml.lines().for_each(|line| text.push_str(&format!("    {line}\n")));
        text.push('\n');
    }
    text.push_str(&format!("{}\n\n", paint(style, Ink::Strong, "The plan:")));
    text.push_str(&render::plan::explanations(style, pipelines));
    print(host, &text)
}

/// Leads the demo: devices start when the pipelines listen, stop when the time is up, and the rest follows into files.
struct Conductor<'a> {
    args: &'a Demo,
    port: u16,
    runtime: tokio::runtime::Handle,
    since: Instant,
    phase: Phase,
    simulator: Option<Simulator>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Starting,
    Publishing,
    Settling,
    Draining,
}

impl<'a> Conductor<'a> {
    fn new(args: &'a Demo, port: u16, runtime: tokio::runtime::Handle) -> Self {
        Self { args, port, runtime, since: Instant::now(), phase: Phase::Starting, simulator: None }
    }

    fn published(&self) -> u64 {
        self.simulator.as_ref().map_or(0, Simulator::published)
    }

    fn look(&mut self, watch: &mut Watch<'_>) {
        let snapshot = watch.metrics.snapshot();
        let in_files = in_files(&snapshot);
        if let Some(simulator) = &self.simulator {
            simulator.settle(in_files);
        }
        match self.phase {
            Phase::Starting if is_listening(&snapshot) => {
                let Demo { devices, rate, duration, dir: _ } = self.args;
                let text = format!(
                    "{} devices publish {} messages a second for {} s",
                    grouped(u64::from(*devices)),
                    grouped(u64::from(*rate)),
                    duration.as_secs()
                );
                watch.say(Level::Info, None, &text);
                self.simulator = Some(Simulator::start(&self.runtime, self.port, *devices, *rate));
                self.enter(Phase::Publishing);
            }
            Phase::Starting if watch.is_asked_to_stop() || self.since.elapsed() > START_LIMIT => self.drain(watch),
            Phase::Publishing if watch.is_asked_to_stop() || self.since.elapsed() > self.args.duration => {
                if let Some(simulator) = &self.simulator {
                    simulator.stop();
                }
                watch.say(Level::Info, None, "the devices stop; what is under way goes into files");
                self.enter(Phase::Settling);
            }
            Phase::Settling => {
                let is_done =
                    self.simulator.as_ref().is_none_or(|simulator| simulator.is_acknowledged() && in_files >= simulator.published());
                if is_done || self.since.elapsed() > SETTLE_LIMIT {
                    self.drain(watch);
                }
            }
            Phase::Starting | Phase::Publishing | Phase::Draining => {}
        }
    }

    fn drain(&mut self, watch: &Watch<'_>) {
        watch.stop.drain();
        self.enter(Phase::Draining);
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.since = Instant::now();
    }
}

/// True when every pipeline has its partitions: an MQTT broker keeps nothing for a session that it has not seen.
fn is_listening(snapshot: &Snapshot) -> bool {
    snapshot.pipelines.len() == PIPELINES.len()
        && snapshot.pipelines.iter().all(|pipeline| pipeline.state == PipelineState::Running && pipeline.partitions > 0)
}

fn in_files(snapshot: &Snapshot) -> u64 {
    snapshot.pipelines.iter().filter(|pipeline| &*pipeline.name == FILES_PIPELINE).map(|pipeline| pipeline.committed_records).sum()
}

/// What came out, and how to look at it.
fn conclude(common: &Common, host: &mut Host<'_>, dir: &Path, published: u64, found: &Found) -> Result<(), Failure> {
    let Found { files, bytes, rows, missing, duplicates, strange, first_missing: _ } = found;
    let style = host.out_style(common.color);
    let (ink, word) =
        if found.is_exact() { (Ink::Good, "every message is in exactly one row") } else { (Ink::Error, "the files are not complete") };
    let shown = dir.display();
    let mut text = format!(
        "\n{} messages published, {} rows in {files} Parquet files ({}) under {shown}/{TOPIC}: {}\n",
        grouped(published),
        grouped(*rows),
        size(*bytes),
        paint(style, ink, word),
    );
    if !found.is_exact() {
        text.push_str(&format!("missing {missing}, duplicate {duplicates}, never published {strange}\n"));
    }
    if !common.quiet {
        text.push_str(&format!(
            "\nLook at them:\n  duckdb -c \"select site, count(*), avg(temperature) from read_parquet('{shown}/{TOPIC}/**/*.parquet') group by site\"\n  \
             python3 -c \"import pyarrow.dataset as d; print(d.dataset('{shown}/{TOPIC}', partitioning='hive').to_table().group_by('site').aggregate([('temperature', 'mean'), ('site', 'count')]))\"\n"
        ));
    }
    print(host, &text)
}

fn verdict(published: u64, found: &Found) -> Result<Exit, Failure> {
    if published == 0 {
        return Err(
            Failure::new(Exit::Unreachable, "no message was published: the pipelines did not start in time").code(codes::UNREACHABLE)
        );
    }
    if found.is_exact() {
        return Ok(Exit::Done);
    }
    let Found { missing, duplicates, strange, first_missing, .. } = found;
    let first: Vec<String> = first_missing.iter().map(ToString::to_string).collect();
    let failure = Failure::new(
        Exit::Bug,
        format!("of {published} messages {missing} are missing, {duplicates} rows are duplicates, {strange} are strange"),
    );
    let failure = failure.code(codes::BUG).help("please report this with the output above");
    Err(if first.is_empty() { failure } else { failure.note(format!("the first missing ids: {}", first.join(", "))) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Terminal;
    use crate::host::tests::with_host;

    const WHOLE: Found = Found { files: 3, bytes: 4_096, rows: 10, missing: 0, duplicates: 0, strange: 0, first_missing: Vec::new() };

    fn concluded(quiet: bool, found: &Found) -> String {
        let common = Common { quiet, ..Common::default() };
        let dir = Path::new("kpipe-demo");
        let (result, out, _) = with_host(Path::new("."), Terminal::default(), |_| None, |host| conclude(&common, host, dir, 10, found));
        result.unwrap();
        out
    }

    #[test]
    fn only_every_message_once_is_a_success() {
        assert_eq!(verdict(10, &WHOLE).unwrap(), Exit::Done);
        let nothing = verdict(0, &Found::default()).unwrap_err();
        assert_eq!((nothing.exit, nothing.code), (Exit::Unreachable, Some(codes::UNREACHABLE)));
        let lost = verdict(10, &Found { rows: 8, missing: 2, first_missing: vec![4, 7], ..WHOLE }).unwrap_err();
        assert_eq!((lost.exit, lost.notes.as_slice()), (Exit::Bug, ["the first missing ids: 4, 7".to_owned()].as_slice()));
        let double = verdict(10, &Found { rows: 11, duplicates: 1, ..WHOLE }).unwrap_err();
        assert!(double.notes.is_empty() && double.message.contains("1 rows are duplicates"), "{double:?}");
        assert_eq!(verdict(10, &Found { strange: 1, ..WHOLE }).unwrap_err().exit, Exit::Bug);
    }

    #[test]
    fn the_end_says_what_came_out_and_how_to_look_at_it() {
        let good = concluded(false, &WHOLE);
        assert!(good.contains("10 messages published, 10 rows in 3 Parquet files (4.0 KiB) under kpipe-demo/telemetry"), "{good}");
        assert!(good.contains("every message is in exactly one row") && good.contains("duckdb -c"), "{good}");
        let bad = concluded(true, &Found { missing: 2, duplicates: 1, ..WHOLE });
        assert!(bad.contains("the files are not complete") && bad.contains("missing 2, duplicate 1, never published 0"), "{bad}");
        assert!(!bad.contains("duckdb"), "quiet: {bad}");
    }

    #[test]
    fn a_directory_is_taken_if_it_is_empty_or_a_demo_made_it() {
        let dir = tempfile::tempdir().unwrap();
        let prepared = |name: &str| with_host(dir.path(), Terminal::default(), |_| None, |host| prepare(host, Path::new(name))).0;
        let path = prepared("new/deep").unwrap();
        assert!(path.join(TOPIC).is_dir() && path.join(MARKER).is_file());
        fs::write(path.join(TOPIC).join("old.parquet"), "x").unwrap();
        fs::write(path.join("notes.txt"), "mine").unwrap();
        prepared("new/deep").unwrap();
        assert!(!path.join(TOPIC).join("old.parquet").exists(), "files of the demo before are gone");
        assert_eq!(fs::read_to_string(path.join("notes.txt")).unwrap(), "mine");
        fs::create_dir(dir.path().join("other")).unwrap();
        fs::write(dir.path().join("other/x"), "").unwrap();
        assert_eq!(prepared("other").unwrap_err().exit, Exit::LocalIo);
    }

    #[test]
    fn the_addresses_of_the_brokers_are_variables_and_the_rest_is_inherited() {
        let outer: EnvReader = Arc::new(|name: &str| (name == "HOME").then(|| "/home/x".to_owned()));
        let env = demo_env(&outer, 1883, "127.0.0.1:9092", Path::new("/d"));
        for (name, value) in
            [("KPIPE_DEMO_MQTT_PORT", "1883"), ("KPIPE_DEMO_KAFKA", "127.0.0.1:9092"), ("KPIPE_DEMO_DIR", "/d"), ("HOME", "/home/x")]
        {
            assert_eq!(env(name).as_deref(), Some(value), "{name}");
        }
        assert_eq!(env("OTHER"), None);
    }

    #[test]
    fn its_pipelines_compile_without_a_word() {
        let env = demo_env(&(Arc::new(|_: &str| None) as EnvReader), 1883, "127.0.0.1:9092", Path::new("/d"));
        let compiled = with_host(Path::new("."), Terminal::default(), |_| None, |host| compiled(host, &env)).0.unwrap();
        assert!(compiled.findings.is_empty(), "{:?}", compiled.findings);
        let names: Vec<&str> = compiled.pipelines.iter().map(|unit| unit.pipeline.name.as_str()).collect();
        assert_eq!(names, ["demo-mqtt-to-kafka", FILES_PIPELINE]);
    }
}
