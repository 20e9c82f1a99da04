//! Pipelines running in the foreground: signals, the view of them, the HTTP endpoints, and how it all ends.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kpipe_engine::event::{Event, EventSink, Scope};
use kpipe_engine::metrics::{Metrics, PipelineSnapshot};
use kpipe_engine::state::{PipelineState, StopHandle};
use tokio::net::TcpListener;
use tokio::runtime::Handle;

use crate::display::{Display, LIVE_EVERY, Level};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::host::Host;
use crate::render::progress::View;
use crate::serve::{self, Observed};
use crate::signals::{self, Asked, Signal};

/// How often the session looks after everything but signals.
const TICK: Duration = Duration::from_millis(100);
/// The engine ends a drain by itself; this is how much longer is waited for that.
const DRAIN_GRACE: Duration = Duration::from_secs(5);
/// Rejects of one pipeline are said at most this often.
const REJECTS_EVERY: Duration = Duration::from_secs(10);

/// Something to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    level: Level,
    pipeline: Arc<str>,
    text: String,
    is_reject: bool,
}

/// Hears what the engine does and passes on what is worth a line.
#[derive(Debug)]
pub(crate) struct Ear {
    lines: Sender<Line>,
    verbose: u8,
}

impl EventSink for Ear {
    fn emit(&self, scope: &Scope, event: &Event) {
        let Some(level) = worth(event, self.verbose) else { return };
        let is_reject = matches!(event, Event::Rejected { .. });
        let line = Line { level, pipeline: Arc::clone(&scope.pipeline), text: event.to_string(), is_reject };
        // Nobody listens any more when the session is over.
        let _ = self.lines.send(line);
    }
}

/// The level of an event, if it is worth a line.
fn worth(event: &Event, verbose: u8) -> Option<Level> {
    match event {
        Event::Away { .. } | Event::Rejected { .. } | Event::Failed { restart_after: Some(_), .. } | Event::Lost(_) => Some(Level::Warn),
        Event::Failed { restart_after: None, .. } => Some(Level::Error),
        Event::Ended { complete: false } => Some(Level::Warn),
        Event::Back { .. }
        | Event::Assigned(_)
        | Event::OffGroup { .. }
        | Event::Revoked(_)
        | Event::CaughtUp
        | Event::Draining
        | Event::Ended { .. } => Some(Level::Info),
        Event::Started => (verbose > 0).then_some(Level::Info),
        Event::Committed { files, .. } => (verbose > if files.is_empty() { 1 } else { 0 }).then_some(Level::Info),
        Event::Closed { .. } | Event::Uploaded(_) | Event::Retried { .. } => (verbose > 1).then_some(Level::Info),
        Event::Read { .. } | Event::Filtered { .. } | Event::Progress { .. } => None,
    }
}

/// The pipelines of this process as `--http` shows them.
pub(crate) struct Exposed(pub(crate) Metrics);

impl Observed for Exposed {
    fn not_ready(&self) -> Vec<String> {
        if self.0.is_ready() {
            return Vec::new();
        }
        let waiting: Vec<String> = self
            .0
            .snapshot()
            .pipelines
            .iter()
            .filter(|pipeline| !pipeline.state.is_ready())
            .map(|pipeline| format!("{}: {}", pipeline.name, state_of(pipeline)))
            .collect();
        if waiting.is_empty() { vec!["no pipeline has started yet".to_owned()] } else { waiting }
    }

    fn metrics(&self) -> String {
        self.0.prometheus()
    }
}

/// The settings of a session.
pub(crate) struct Session {
    /// How it is shown.
    pub(crate) display: Display,
    /// The numbers.
    pub(crate) metrics: Metrics,
    /// Stops the pipelines.
    pub(crate) stop: StopHandle,
    /// How long a drain may take.
    pub(crate) drain_timeout: Duration,
    /// Where to serve, bound already: a wrong address is an error before anything runs.
    pub(crate) http: Option<TcpListener>,
    /// What is worth a line.
    pub(crate) verbose: u8,
    /// Lines of libraries.
    pub(crate) logs: Receiver<String>,
    /// Whether the first signal drains. If not, [`Watch::is_asked_to_stop`] tells, and `each` decides.
    pub(crate) drains_on_signal: bool,
}

/// How a session was ended from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The last signal that was heard.
    pub(crate) signal: Option<Signal>,
    /// True if it was ended at once: by a second signal, or because the drain took too long.
    pub(crate) is_cut_short: bool,
}

impl Session {
    /// Runs `work` on a thread of its own until it ends. Called once a tick, `each` may write to the display and stop the pipelines.
    pub(crate) fn run<T: Send>(
        self,
        host: &mut Host<'_>,
        runtime: &Handle,
        work: impl FnOnce(Arc<Ear>) -> T + Send,
        mut each: impl FnMut(&mut Watch<'_>),
    ) -> Result<(T, Outcome), Failure> {
        let Self { display, metrics, stop, drain_timeout, http, verbose, logs, drains_on_signal } = self;
        let asked = Asked::default();
        {
            let (asked, stop) = (asked.clone(), stop.clone());
            runtime.spawn(async move {
                let heard = signals::listen(asked, move |_, count| match count {
                    1 if drains_on_signal => stop.drain(),
                    1 => {}
                    _ => stop.stop_now(),
                })
                .await;
                if let Err(error) = heard {
                    tracing::error!(%error, "signals cannot be heard");
                }
            });
        }
        if let Some(listener) = http {
            runtime.spawn(serve::serve(listener, Arc::new(Exposed(metrics.clone()))));
        }
        let (sender, lines) = channel();
        let ear = Arc::new(Ear { lines: sender, verbose });
        let (done, ended) = channel();
        thread::scope(|scope| {
            scope.spawn(move || {
                let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(ear)));
                // The session waits for it.
                let _ = done.send(result);
            });
            let mut watch =
                Watch { display, metrics, stop, asked, err: host.err, broken: false, next_draw: Instant::now(), rejects: VecDeque::new() };
            let mut guard = DrainGuard { limit: drain_timeout + DRAIN_GRACE, said: 0, since: None, cut_short: false };
            loop {
                let result = ended.recv_timeout(TICK);
                watch.lines(&lines, &logs);
                guard.look(&mut watch);
                each(&mut watch);
                match result {
                    Err(RecvTimeoutError::Timeout) => watch.draw(),
                    Err(RecvTimeoutError::Disconnected) => return Err(bug()),
                    Ok(result) => {
                        watch.finish();
                        return result
                            .map(|value| (value, Outcome { signal: watch.asked.last(), is_cut_short: guard.cut_short }))
                            .map_err(|_| bug());
                    }
                }
            }
        })
    }
}

fn bug() -> Failure {
    Failure::new(Exit::Bug, "a pipeline ended in a panic").code(crate::failure::codes::BUG).help("please report the lines above")
}

/// What a session shows while it runs.
pub(crate) struct Watch<'a> {
    display: Display,
    /// The numbers.
    pub(crate) metrics: Metrics,
    /// Stops the pipelines.
    pub(crate) stop: StopHandle,
    asked: Asked,
    err: &'a mut dyn Write,
    broken: bool,
    next_draw: Instant,
    rejects: VecDeque<(Instant, Arc<str>)>,
}

impl Watch<'_> {
    /// Says something.
    pub(crate) fn say(&mut self, level: Level, pipeline: Option<&str>, text: &str) {
        if !self.broken {
            self.broken = self.display.message(self.err, level, pipeline, text).is_err();
        }
    }

    /// True after the first signal.
    pub(crate) fn is_asked_to_stop(&self) -> bool {
        self.asked.count() > 0
    }

    fn lines(&mut self, lines: &Receiver<Line>, logs: &Receiver<String>) {
        for line in lines.try_iter() {
            if line.is_reject && !self.may_say_reject(&line.pipeline) {
                continue;
            }
            self.say(line.level, Some(&line.pipeline), &line.text);
        }
        for line in logs.try_iter() {
            if !self.broken {
                self.broken = self.display.log_line(self.err, &line).is_err();
            }
        }
    }

    /// Rejects can come with every batch; the count stands in the view.
    fn may_say_reject(&mut self, pipeline: &Arc<str>) -> bool {
        let now = Instant::now();
        while self.rejects.front().is_some_and(|(at, _)| now.duration_since(*at) > REJECTS_EVERY) {
            self.rejects.pop_front();
        }
        if self.rejects.iter().any(|(_, name)| name == pipeline) {
            return false;
        }
        self.rejects.push_back((now, Arc::clone(pipeline)));
        true
    }

    fn draw(&mut self) {
        let now = Instant::now();
        if now >= self.next_draw && !self.broken {
            self.next_draw = now + LIVE_EVERY;
            let views = views(&self.metrics);
            self.broken = self.display.update(self.err, now, views).is_err();
        }
    }

    fn finish(&mut self) {
        if !self.broken {
            let views = views(&self.metrics);
            self.broken = self.display.finish(self.err, Instant::now(), views).is_err();
        }
    }
}

/// Follows the signals: says what they do, and ends a drain that takes too long.
struct DrainGuard {
    limit: Duration,
    said: u8,
    since: Option<Instant>,
    cut_short: bool,
}

impl DrainGuard {
    fn look(&mut self, watch: &mut Watch<'_>) {
        let count = watch.asked.count();
        if count > 0 && self.said == 0 {
            self.said = 1;
            self.since = Some(Instant::now());
            watch.say(Level::Info, None, "draining: what was read is finished and committed; another signal stops at once");
        }
        if count > 1 && !self.cut_short {
            self.cut_short = true;
            watch.say(Level::Warn, None, "stopping at once; what is not committed is read again next time");
        }
        let overdue = self.since.is_some_and(|since| since.elapsed() > self.limit);
        if overdue && !self.cut_short {
            self.cut_short = true;
            watch.stop.stop_now();
            watch.say(Level::Warn, None, "the drain took too long; what is not committed is read again next time");
        }
    }
}

/// The pipelines as they stand.
fn views(metrics: &Metrics) -> Vec<View> {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
    metrics.snapshot().pipelines.iter().map(|pipeline| view(pipeline, now_ms)).collect()
}

fn view(pipeline: &PipelineSnapshot, now_ms: i64) -> View {
    let age = |at_ms: i64| Duration::from_millis(u64::try_from(now_ms.saturating_sub(at_ms)).unwrap_or(0));
    View {
        name: pipeline.name.to_string(),
        state: state_of(pipeline),
        troubled: matches!(pipeline.state, PipelineState::Away | PipelineState::Restarting | PipelineState::Failed),
        records_in: pipeline.records,
        records_out: pipeline.committed_records,
        bytes_in: pipeline.bytes,
        lag: (pipeline.partitions > 0).then_some(pipeline.lag),
        open_files: pipeline.files_open,
        files: pipeline.files,
        last_commit: pipeline.last_commit_ms.map(age),
        restarts: pipeline.restarts,
        filtered: pipeline.filtered,
        rejected: pipeline.rejects,
    }
}

fn state_of(pipeline: &PipelineSnapshot) -> String {
    if pipeline.state == PipelineState::Away && !pipeline.away.is_empty() {
        let ends: Vec<&str> = pipeline.away.iter().map(|end| end.word()).collect();
        return format!("waiting for {}", ends.join(", "));
    }
    pipeline.state.word().to_owned()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use kpipe_engine::env::Env;
    use kpipe_engine::error::{ConnectorError, ErrorKind};
    use kpipe_engine::event::{End, FileCount, PartitionName, Progress};
    use kpipe_engine::position::Position;
    use kpipe_engine::reject::RejectReason;
    use kpipe_engine::state::StopLevel;

    use super::*;
    use crate::args::LogFormat;
    use crate::host::tests::with_host;
    use crate::host::{Style, Terminal};

    fn session(terminal: bool) -> Session {
        Session {
            display: Display::new(Style::PLAIN, terminal, false, LogFormat::Human),
            metrics: Metrics::new(Env::system().clock),
            stop: StopHandle::default(),
            drain_timeout: Duration::from_secs(30),
            http: None,
            verbose: 0,
            logs: channel().1,
            drains_on_signal: true,
        }
    }

    fn scope() -> Scope {
        Scope { pipeline: "orders".into(), task: 0 }
    }

    fn away() -> Event {
        Event::Away { end: End::Sink, error: ConnectorError::new(ErrorKind::Unreachable, "s3 at http://x: no answer") }
    }

    fn rejected(records: u64) -> Event {
        Event::Rejected {
            partition: PartitionName { topic: "orders".into(), partition: 0 },
            sample: Position(7),
            reason: RejectReason::Malformed,
            message: "not valid JSON".to_owned(),
            records,
            dead_letter: None,
        }
    }

    fn ran(session: Session, work: impl FnOnce(Arc<Ear>, StopHandle) -> u32 + Send) -> (Result<(u32, Outcome), Failure>, String) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let stop = session.stop.clone();
        let (result, _, err) = with_host(
            Path::new("."),
            Terminal::default(),
            |_| None,
            |host| session.run(host, runtime.handle(), |ear| work(ear, stop), |_| {}),
        );
        (result, err)
    }

    #[test]
    fn events_become_lines_and_the_result_comes_back() {
        let session = session(false);
        let metrics = session.metrics.clone();
        let (result, err) = ran(session, move |ear, _| {
            for event in [Event::Started, Event::Assigned(Vec::new()), away(), rejected(1), rejected(2)] {
                metrics.emit(&scope(), &event);
                ear.emit(&scope(), &event);
            }
            7
        });
        assert_eq!(result.unwrap(), (7, Outcome { signal: None, is_cut_short: false }));
        assert!(err.contains("WARN  orders: sink is away: s3 at http://x: no answer"), "{err}");
        assert_eq!(err.matches("rejected and dropped").count(), 1, "rejects are not said for every batch: {err}");
        assert!(err.contains("orders: waiting for sink") && err.contains("3 rejected"), "the last line has the numbers: {err}");
    }

    #[test]
    fn a_panic_of_the_work_is_a_bug() {
        let (result, _) = ran(session(false), |_, _| panic!("planted"));
        assert_eq!(result.unwrap_err().exit, Exit::Bug);
    }

    fn watch<'a>(session: Session, err: &'a mut Vec<u8>) -> Watch<'a> {
        let Session { display, metrics, stop, .. } = session;
        Watch { display, metrics, stop, asked: Asked::default(), err, broken: false, next_draw: Instant::now(), rejects: VecDeque::new() }
    }

    #[test]
    fn a_drain_that_takes_too_long_is_ended() {
        let mut err = Vec::new();
        let mut guard = DrainGuard { limit: Duration::ZERO, said: 0, since: None, cut_short: false };
        let mut watch = watch(session(false), &mut err);
        guard.look(&mut watch);
        assert_eq!((guard.cut_short, watch.stop.level()), (false, StopLevel::Run));
        watch.asked.note(Signal::Terminate);
        guard.look(&mut watch);
        thread::sleep(Duration::from_millis(2));
        guard.look(&mut watch);
        assert_eq!((guard.cut_short, watch.stop.level()), (true, StopLevel::Now));
        let text = String::from_utf8(err).unwrap();
        assert!(text.contains("draining") && text.contains("took too long"), "{text}");
    }

    #[test]
    fn the_second_signal_cuts_the_drain_short() {
        let mut err = Vec::new();
        let mut guard = DrainGuard { limit: Duration::from_secs(99), said: 0, since: None, cut_short: false };
        let mut watch = watch(session(false), &mut err);
        watch.asked.note(Signal::Interrupt);
        guard.look(&mut watch);
        assert!(!guard.cut_short);
        watch.asked.note(Signal::Interrupt);
        guard.look(&mut watch);
        assert!(guard.cut_short);
        assert_eq!(watch.asked.last(), Some(Signal::Interrupt));
    }

    #[test]
    fn readiness_names_what_is_waited_for() {
        let metrics = Metrics::new(Env::system().clock);
        let exposed = Exposed(metrics.clone());
        assert_eq!(exposed.not_ready(), ["no pipeline has started yet"]);
        let progress = Progress { end: Some(Position(5)), next: Some(Position(3)), committed: Some(Position(1)) };
        let name = PartitionName { topic: "orders".into(), partition: 0 };
        let tick = Event::Progress {
            partitions: vec![(name, progress)],
            count: FileCount { files_open: 0, open_bytes: 0, in_flight: 0, budget_bytes: 0 },
        };
        for event in [Event::Started, Event::Assigned(Vec::new()), tick] {
            metrics.emit(&scope(), &event);
        }
        assert_eq!(exposed.not_ready(), Vec::<String>::new());
        assert_eq!(views(&metrics)[0].lag, Some(4));
        metrics.emit(&scope(), &away());
        assert_eq!(exposed.not_ready(), ["orders: waiting for sink"]);
        assert!(exposed.metrics().contains("kpipe_lag_records"));
    }

    #[test]
    fn only_what_matters_is_a_line() {
        assert_eq!(worth(&away(), 0), Some(Level::Warn));
        assert_eq!(worth(&Event::Failed { error: ConnectorError::new(ErrorKind::Data, "x"), restart_after: None }, 0), Some(Level::Error));
        assert_eq!(worth(&Event::Read { records: 1, bytes: 1 }, 9), None);
        assert_eq!((worth(&Event::Started, 0), worth(&Event::Started, 1)), (None, Some(Level::Info)));
    }
}
