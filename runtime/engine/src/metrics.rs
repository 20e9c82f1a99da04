//! Numbers about what runs, made from events: for Prometheus and for the live display.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::env::Clock;
use crate::event::{End, Event, EventSink, FileCount, PartitionName, Progress, Scope};
use crate::path::RollReason;
use crate::reject::RejectReason;
use crate::state::PipelineState;

/// Counts events.
#[derive(Clone)]
pub struct Metrics {
    numbers: Arc<Mutex<Numbers>>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Default)]
struct Numbers {
    pipelines: BTreeMap<Arc<str>, Pipeline>,
    budget_bytes: u64,
}

#[derive(Debug, Default)]
struct Pipeline {
    records: u64,
    bytes: u64,
    filtered: u64,
    committed_records: u64,
    commits: u64,
    files: u64,
    file_bytes: u64,
    retries: u64,
    restarts: u64,
    closed: BTreeMap<RollReason, u64>,
    rejects: BTreeMap<RejectReason, u64>,
    last_commit_ms: Option<i64>,
    last_error: Option<String>,
    tasks: BTreeMap<usize, Task>,
    seen: Option<(Duration, u64, u64)>,
    rate: (f64, f64),
}

#[derive(Debug, Default)]
struct Task {
    state: PipelineState,
    away: BTreeSet<End>,
    partitions: BTreeMap<PartitionName, Progress>,
    files_open: u64,
    open_bytes: u64,
    in_flight: u64,
}

/// The numbers at one moment, for a display.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Every pipeline, by name.
    pub pipelines: Vec<PipelineSnapshot>,
    /// Bytes counted by the budget.
    pub budget_bytes: u64,
    /// Memory of the process, in bytes; `None` where the system does not say.
    pub resident_bytes: Option<u64>,
}

/// The numbers of one pipeline at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct PipelineSnapshot {
    /// Its name.
    pub name: Arc<str>,
    /// The least happy state of its tasks.
    pub state: PipelineState,
    /// The systems that are away.
    pub away: Vec<End>,
    /// Records read since the start.
    pub records: u64,
    /// Bytes read since the start.
    pub bytes: u64,
    /// Records a second since the last snapshot.
    pub records_per_second: f64,
    /// Bytes a second since the last snapshot.
    pub bytes_per_second: f64,
    /// Records written and safe in the sink since the start.
    pub committed_records: u64,
    /// Positions that are not safe in the sink.
    pub lag: u64,
    /// Positions that are not read.
    pub unread: u64,
    /// Partitions that it reads.
    pub partitions: usize,
    /// Open files.
    pub files_open: u64,
    /// Files that became visible since the start.
    pub files: u64,
    /// Their bytes.
    pub file_bytes: u64,
    /// Records sent and not acknowledged.
    pub in_flight: u64,
    /// Records that a condition did not take, since the start.
    pub filtered: u64,
    /// Records put aside since the start.
    pub rejects: u64,
    /// Restarts of tasks since the start.
    pub restarts: u64,
    /// When the last commit was, in milliseconds since 1970 UTC.
    pub last_commit_ms: Option<i64>,
    /// The last error of a task.
    pub last_error: Option<String>,
}

impl Metrics {
    /// No numbers yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { numbers: Arc::default(), clock }
    }

    /// Everything in Prometheus' text format.
    #[must_use]
    pub fn prometheus(&self) -> String {
        let mut registry = Registry::with_prefix("kpipe");
        registry.register_collector(Box::new(Exposition(Arc::clone(&self.numbers))));
        let mut text = String::new();
        encode(&mut text, &registry).expect("writing to a string does not fail");
        text
    }

    /// Everything for a display. Rates are since the last call.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let now = self.clock.monotonic();
        let mut numbers = lock(&self.numbers);
        let pipelines = numbers.pipelines.iter_mut().map(|(name, pipeline)| pipeline.snapshot(name, now)).collect();
        Snapshot { pipelines, budget_bytes: numbers.budget_bytes, resident_bytes: resident_bytes() }
    }

    /// True if there is a pipeline and all of them do their work.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let numbers = lock(&self.numbers);
        !numbers.pipelines.is_empty() && numbers.pipelines.values().all(|pipeline| pipeline.state().is_ready())
    }
}

impl EventSink for Metrics {
    fn emit(&self, scope: &Scope, event: &Event) {
        let wall_ms = self.clock.wall_ms();
        let mut numbers = lock(&self.numbers);
        if let Event::Progress { count, .. } = event {
            numbers.budget_bytes = count.budget_bytes as u64;
        }
        if !numbers.pipelines.contains_key(&scope.pipeline) {
            numbers.pipelines.insert(Arc::clone(&scope.pipeline), Pipeline::default());
        }
        if let Some(pipeline) = numbers.pipelines.get_mut(&scope.pipeline) {
            pipeline.count(event, wall_ms);
            pipeline.tasks.entry(scope.task).or_default().follow(event);
        }
    }
}

impl Pipeline {
    fn count(&mut self, event: &Event, wall_ms: i64) {
        match event {
            Event::Read { records, bytes } => {
                self.records += records;
                self.bytes += bytes;
            }
            Event::Filtered { records } => self.filtered += records,
            Event::Closed { reason, .. } => *self.closed.entry(*reason).or_default() += 1,
            Event::Committed { records, files, .. } => {
                self.commits += 1;
                self.committed_records += records;
                self.files += files.len() as u64;
                self.file_bytes += files.iter().map(|file| file.bytes).sum::<u64>();
                self.last_commit_ms = Some(wall_ms);
            }
            Event::Rejected { reason, records, .. } => *self.rejects.entry(*reason).or_default() += records,
            Event::Retried { .. } => self.retries += 1,
            Event::Failed { error, restart_after } => {
                self.restarts += u64::from(restart_after.is_some());
                self.last_error = Some(error.to_string());
            }
            Event::Started
            | Event::Assigned(_)
            | Event::OffGroup { .. }
            | Event::Revoked(_)
            | Event::Lost(_)
            | Event::Progress { .. }
            | Event::Uploaded(_)
            | Event::Away { .. }
            | Event::Back { .. }
            | Event::CaughtUp
            | Event::Draining
            | Event::Ended { .. } => {}
        }
    }

    fn state(&self) -> PipelineState {
        const LEAST_HAPPY_FIRST: [PipelineState; 7] = [
            PipelineState::Failed,
            PipelineState::Restarting,
            PipelineState::Away,
            PipelineState::Draining,
            PipelineState::Starting,
            PipelineState::Running,
            PipelineState::Stopped,
        ];
        let states: BTreeSet<_> = self.tasks.values().map(Task::state).collect();
        LEAST_HAPPY_FIRST.into_iter().find(|state| states.contains(state)).unwrap_or_default()
    }

    fn sum(&self, of: impl Fn(&Task) -> u64) -> u64 {
        self.tasks.values().map(of).sum()
    }

    fn snapshot(&mut self, name: &Arc<str>, now: Duration) -> PipelineSnapshot {
        if let Some((then, records, bytes)) = self.seen
            && now > then
        {
            let seconds = (now - then).as_secs_f64();
            self.rate = ((self.records - records) as f64 / seconds, (self.bytes - bytes) as f64 / seconds);
        }
        self.seen = Some((now, self.records, self.bytes));
        let away: BTreeSet<End> = self.tasks.values().flat_map(|task| task.away.iter().copied()).collect();
        PipelineSnapshot {
            name: Arc::clone(name),
            state: self.state(),
            away: away.into_iter().collect(),
            records: self.records,
            bytes: self.bytes,
            records_per_second: self.rate.0,
            bytes_per_second: self.rate.1,
            committed_records: self.committed_records,
            lag: self.sum(Task::lag),
            unread: self.sum(|task| task.partitions.values().map(Progress::unread).sum()),
            partitions: self.tasks.values().map(|task| task.partitions.len()).sum(),
            files_open: self.sum(|task| task.files_open),
            files: self.files,
            file_bytes: self.file_bytes,
            in_flight: self.sum(|task| task.in_flight),
            filtered: self.filtered,
            rejects: self.rejects.values().sum(),
            restarts: self.restarts,
            last_commit_ms: self.last_commit_ms,
            last_error: self.last_error.clone(),
        }
    }
}

impl Task {
    fn state(&self) -> PipelineState {
        if self.state == PipelineState::Running && !self.away.is_empty() { PipelineState::Away } else { self.state }
    }

    fn lag(&self) -> u64 {
        self.partitions.values().map(Progress::lag).sum()
    }

    fn follow(&mut self, event: &Event) {
        match event {
            Event::Started => *self = Self::default(),
            Event::Assigned(partitions) => {
                self.state = PipelineState::Running;
                for (name, start) in partitions {
                    self.partitions.insert(name.clone(), Progress { end: None, next: *start, committed: *start });
                }
            }
            Event::Revoked(partitions) | Event::Lost(partitions) => {
                self.partitions.retain(|name, _| !partitions.contains(name));
            }
            Event::Progress { partitions, count } => {
                let FileCount { files_open, open_bytes, in_flight, budget_bytes: _ } = count;
                self.partitions = partitions.iter().cloned().collect();
                self.files_open = *files_open as u64;
                self.open_bytes = *open_bytes as u64;
                self.in_flight = *in_flight as u64;
            }
            Event::Away { end, .. } => {
                self.away.insert(*end);
            }
            Event::Back { end, .. } => {
                self.away.remove(end);
            }
            Event::Failed { restart_after, .. } => {
                let state = if restart_after.is_some() { PipelineState::Restarting } else { PipelineState::Failed };
                *self = Self { state, ..Self::default() };
            }
            Event::Draining => self.state = PipelineState::Draining,
            Event::Ended { .. } => *self = Self { state: PipelineState::Stopped, ..Self::default() },
            Event::Read { .. }
            | Event::OffGroup { .. }
            | Event::Filtered { .. }
            | Event::Closed { .. }
            | Event::Uploaded(_)
            | Event::Committed { .. }
            | Event::Rejected { .. }
            | Event::Retried { .. }
            | Event::CaughtUp => {}
        }
    }
}

fn lock(numbers: &Mutex<Numbers>) -> MutexGuard<'_, Numbers> {
    numbers.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Memory of this process as Linux counts it.
fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * 4096)
}

#[derive(Debug)]
struct Exposition(Arc<Mutex<Numbers>>);

type Labels = Vec<(&'static str, Arc<str>)>;

impl Collector for Exposition {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let numbers = lock(&self.0);
        let mut family = |name: &str, help: &str, kind: MetricType, rows: Vec<(Labels, u64)>| {
            let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
            for (labels, value) in rows {
                let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
                match kind {
                    MetricType::Counter => ConstCounter::new(value).encode(metric.encode_family(&labels)?)?,
                    _ if labels.is_empty() => return gauge.encode(metric),
                    _ => gauge.encode(metric.encode_family(&labels)?)?,
                }
            }
            Ok(())
        };
        let each = |of: &dyn Fn(&Pipeline) -> u64| -> Vec<(Labels, u64)> {
            numbers.pipelines.iter().map(|(name, pipeline)| (vec![("pipeline", escaped(name))], of(pipeline))).collect()
        };
        use MetricType::{Counter, Gauge};
        family("records_read", "Records read from the source", Counter, each(&|p| p.records))?;
        family("bytes_read", "Bytes of keys and values read from the source", Counter, each(&|p| p.bytes))?;
        family("filtered_records", "Records that a condition did not take", Counter, each(&|p| p.filtered))?;
        family("records_committed", "Records written and safe in the sink", Counter, each(&|p| p.committed_records))?;
        family("commits", "Commits of positions", Counter, each(&|p| p.commits))?;
        family("files_written", "Files that became visible", Counter, each(&|p| p.files))?;
        family("file_bytes_written", "Bytes of files that became visible", Counter, each(&|p| p.file_bytes))?;
        family("retries", "Calls to another system that were tried again", Counter, each(&|p| p.retries))?;
        family("task_restarts", "Restarts of tasks after a failure", Counter, each(&|p| p.restarts))?;
        family("open_files", "Files that are open", Gauge, each(&|p| p.sum(|task| task.files_open)))?;
        family("open_bytes", "Bytes that open files hold in memory", Gauge, each(&|p| p.sum(|task| task.open_bytes)))?;
        family("records_in_flight", "Records sent and not acknowledged", Gauge, each(&|p| p.sum(|task| task.in_flight)))?;
        family("last_commit_timestamp_milliseconds", "When the last commit was", Gauge, each(&last_commit))?;
        family("files_closed", "Sets of files closed, by reason", Counter, by(&numbers, "reason", |p| words(&p.closed, RollReason::word)))?;
        family("rejects", "Records put aside, by reason", Counter, by(&numbers, "reason", |p| words(&p.rejects, RejectReason::word)))?;
        family("state", "1 for the state of the pipeline", Gauge, by(&numbers, "state", |p| vec![(p.state().word(), 1)]))?;
        family("lag_records", "Positions not safe in the sink yet", Gauge, partitions(&numbers, Progress::lag))?;
        family("unread_records", "Positions not read yet", Gauge, partitions(&numbers, Progress::unread))?;
        family("budget_bytes", "Bytes counted by the memory budget", Gauge, vec![(Labels::new(), numbers.budget_bytes)])?;
        family("resident_memory_bytes", "Memory of the process", Gauge, vec![(Labels::new(), resident_bytes().unwrap_or(0))])
    }
}

/// A label's value as the text format wants it; the encoder writes it as it is. A topic can be any text: a filter, the name of a file.
fn escaped(text: &Arc<str>) -> Arc<str> {
    if !text.contains(['\\', '"', '\n']) {
        return Arc::clone(text);
    }
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").into()
}

fn last_commit(pipeline: &Pipeline) -> u64 {
    pipeline.last_commit_ms.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0)
}

fn words<R: Copy>(counts: &BTreeMap<R, u64>, word: impl Fn(R) -> &'static str) -> Vec<(&'static str, u64)> {
    counts.iter().map(|(reason, count)| (word(*reason), *count)).collect()
}

fn by(numbers: &Numbers, label: &'static str, of: impl Fn(&Pipeline) -> Vec<(&'static str, u64)>) -> Vec<(Labels, u64)> {
    let mut rows = Vec::new();
    for (name, pipeline) in &numbers.pipelines {
        rows.extend(of(pipeline).into_iter().map(|(word, count)| (vec![("pipeline", escaped(name)), (label, word.into())], count)));
    }
    rows
}

fn partitions(numbers: &Numbers, of: impl Fn(&Progress) -> u64) -> Vec<(Labels, u64)> {
    let mut rows = Vec::new();
    for (name, pipeline) in &numbers.pipelines {
        for (partition, progress) in pipeline.tasks.values().flat_map(|task| &task.partitions) {
            let number = partition.partition.to_string().into();
            let labels = vec![("pipeline", escaped(name)), ("topic", escaped(&partition.topic)), ("partition", number)];
            rows.push((labels, of(progress)));
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::VirtualClock;
    use crate::error::{ConnectorError, ErrorKind};
    use crate::path::FileFacts;
    use crate::position::{Delta, Position};

    fn name(partition: i32) -> PartitionName {
        PartitionName { topic: "orders".into(), partition }
    }

    fn feed(metrics: &Metrics, task: usize, events: Vec<Event>) {
        for event in events {
            metrics.emit(&Scope { pipeline: "lake".into(), task }, &event);
        }
    }

    fn metrics() -> (Metrics, Arc<VirtualClock>) {
        let clock = Arc::new(VirtualClock::at(1_000_000));
        (Metrics::new(clock.clone()), clock)
    }

    fn error() -> ConnectorError {
        ConnectorError::new(ErrorKind::Unreachable, "no answer")
    }

    #[test]
    fn numbers_follow_events() {
        let (metrics, clock) = metrics();
        let progress = Progress { end: Some(Position(50)), next: Some(Position(30)), committed: Some(Position(10)) };
        feed(&metrics, 0, vec![Event::Started, Event::Assigned(vec![(name(1), None)]), Event::Read { records: 10, bytes: 100 }]);
        let first = metrics.snapshot();
        assert_eq!((first.pipelines[0].records, first.pipelines[0].records_per_second), (10, 0.0));
        clock.advance(Duration::from_secs(2));
        let committed = Event::Committed { partition: name(1), position: Position(10), records: 10, files: vec![], existed: 0 };
        let count = FileCount { files_open: 3, open_bytes: 7, in_flight: 2, budget_bytes: 9 };
        let tick = Event::Progress { partitions: vec![(name(1), progress)], count };
        feed(&metrics, 0, vec![Event::Read { records: 20, bytes: 200 }, committed, tick]);
        let snapshot = metrics.snapshot();
        let pipeline = &snapshot.pipelines[0];
        assert_eq!((pipeline.records_per_second, pipeline.bytes_per_second), (10.0, 100.0));
        assert_eq!((pipeline.lag, pipeline.unread, pipeline.files_open, pipeline.in_flight), (40, 20, 3, 2));
        assert_eq!((pipeline.last_commit_ms, pipeline.committed_records, snapshot.budget_bytes), (Some(1_002_000), 10, 9));
    }

    #[test]
    fn the_state_is_the_least_happy_one() {
        let (metrics, _) = metrics();
        assert!(!metrics.is_ready(), "nothing runs yet");
        let state = || metrics.snapshot().pipelines[0].state;
        feed(&metrics, 0, vec![Event::Started, Event::Assigned(vec![])]);
        assert!(metrics.is_ready());
        feed(&metrics, 1, vec![Event::Started]);
        assert_eq!(state(), PipelineState::Starting);
        feed(&metrics, 1, vec![Event::Assigned(vec![]), Event::Away { end: End::Sink, error: error() }]);
        assert_eq!((state(), metrics.snapshot().pipelines[0].away.as_slice()), (PipelineState::Away, [End::Sink].as_slice()));
        feed(&metrics, 1, vec![Event::Back { end: End::Sink, after: Duration::ZERO }]);
        assert_eq!(state(), PipelineState::Running);
        feed(&metrics, 1, vec![Event::Failed { error: error(), restart_after: Some(Duration::ZERO) }]);
        assert_eq!((state(), metrics.snapshot().pipelines[0].restarts), (PipelineState::Restarting, 1));
        feed(&metrics, 1, vec![Event::Started, Event::Assigned(vec![]), Event::Draining]);
        assert_eq!(state(), PipelineState::Draining);
        feed(&metrics, 0, vec![Event::Ended { complete: true }]);
        feed(&metrics, 1, vec![Event::Ended { complete: true }]);
        assert_eq!(state(), PipelineState::Stopped);
        assert!(!metrics.is_ready());
    }

    #[test]
    fn prometheus_gets_every_family_with_its_labels() {
        let (metrics, _) = metrics();
        let progress = Progress { end: Some(Position(5)), next: Some(Position(3)), committed: Some(Position(1)) };
        let rejected = Event::Rejected {
            partition: name(0),
            sample: Position(4),
            reason: RejectReason::Malformed,
            message: "not valid JSON".into(),
            records: 2,
            dead_letter: None,
        };
        let count = FileCount { files_open: 1, open_bytes: 2, in_flight: 0, budget_bytes: 2 };
        let tick = Event::Progress { partitions: vec![(name(0), progress)], count };
        feed(&metrics, 0, vec![Event::Started, Event::Assigned(vec![]), Event::Read { records: 5, bytes: 50 }, rejected, tick]);
        let text = metrics.prometheus();
        for line in [
            "kpipe_records_read_total{pipeline=\"lake\"} 5",
            "kpipe_rejects_total{pipeline=\"lake\",reason=\"malformed\"} 2",
            "kpipe_lag_records{pipeline=\"lake\",topic=\"orders\",partition=\"0\"} 4",
            "kpipe_unread_records{pipeline=\"lake\",topic=\"orders\",partition=\"0\"} 2",
            "kpipe_state{pipeline=\"lake\",state=\"running\"} 1",
            "kpipe_open_files{pipeline=\"lake\"} 1",
            "kpipe_budget_bytes 2",
        ] {
            assert!(text.lines().any(|have| have == line), "{line} is missing in\n{text}");
        }
        assert!(text.contains("kpipe_resident_memory_bytes"));
    }

    /// A busy pipeline with a name and a topic that need escapes.
    fn busy() -> Metrics {
        let (metrics, _) = metrics();
        let scope = Scope { pipeline: "a\"b\\c\nd".into(), task: 0 };
        let odd = PartitionName { topic: "t{x=\"1\"}".into(), partition: -1 };
        let progress = Progress { end: Some(Position(i64::MAX)), next: Some(Position(0)), committed: Some(Position(0)) };
        let file = FileFacts { key: "k".into(), route: 0, first: Position(0), last: Position(9), records: 10, bytes: 77 };
        let closed = |reason| Event::Closed {
            partition: odd.clone(),
            delta: Delta::new(Position(0), Position(10)),
            reason,
            files: 1,
            records: 10,
            bytes: 77,
        };
        let rejected = |reason| Event::Rejected {
            partition: odd.clone(),
            sample: Position(4),
            reason,
            message: "no".into(),
            records: 3,
            dead_letter: None,
        };
        let mut events = vec![Event::Started, Event::Assigned(vec![(odd.clone(), None)])];
        events.extend(RejectReason::ALL.map(rejected));
        events.extend([closed(RollReason::Records), closed(RollReason::Records), closed(RollReason::Idle)]);
        events.push(Event::Committed { partition: odd.clone(), position: Position(10), records: 10, files: vec![file], existed: 0 });
        events.extend([Event::Retried { end: End::Sink }, Event::Retried { end: End::Source }]);
        events.push(Event::Failed { error: error(), restart_after: Some(Duration::ZERO) });
        events.push(Event::Progress { partitions: vec![(odd.clone(), progress)], count: FileCount::default() });
        events.iter().for_each(|event| metrics.emit(&scope, event));
        metrics
    }

    /// A sample line as name, labels and value; panics at what a scraper would refuse.
    fn sample(line: &str) -> (String, BTreeMap<String, String>, f64) {
        let (name, rest) = line.split_at(line.find(['{', ' ']).expect("a name"));
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{line}");
        let mut labels = BTreeMap::new();
        let mut rest = rest;
        while let Some(label) = rest.strip_prefix(['{', ',']) {
            let (key, value) = label.split_once("=\"").expect("a label has a value");
            let mut text = String::new();
            let mut letters = value.char_indices();
            let end = loop {
                match letters.next().expect("a value ends") {
                    (at, '"') => break at,
                    (_, '\\') => text.push(match letters.next().map(|(_, letter)| letter) {
                        Some('n') => '\n',
                        Some(letter @ ('"' | '\\')) => letter,
                        other => panic!("{other:?} is escaped in {line}"),
                    }),
                    (_, letter) => text.push(letter),
                }
            };
            assert!(labels.insert(key.to_owned(), text).is_none(), "a label twice: {line}");
            rest = &value[end + 1..];
        }
        let value = rest.trim_start_matches('}').trim().parse().expect("a number");
        (name.to_owned(), labels, value)
    }

    #[test]
    fn any_scraper_can_read_the_text() {
        let text = busy().prometheus();
        assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1, "{text}");
        let mut types = BTreeMap::new();
        let mut seen = BTreeMap::new();
        for line in text.lines().filter(|line| *line != "# EOF") {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert!(types.insert(name.to_owned(), kind.to_owned()).is_none(), "a family twice: {name}");
            } else if let Some(help) = line.strip_prefix("# HELP ") {
                assert!(help.starts_with("kpipe_") && help.split(' ').count() > 1, "{line}");
            } else {
                let (name, labels, value) = sample(line);
                let family = if types.contains_key(&name) { name.clone() } else { name.trim_end_matches("_total").to_owned() };
                assert_eq!(types.get(&family).map(String::as_str), Some(if family == name { "gauge" } else { "counter" }), "{line}");
                assert!(seen.insert((name, labels), value).is_none(), "a sample twice: {line}");
            }
        }
        assert!(types.len() > 15, "{types:?}");
        let of = |name: &str, more: &[(&str, &str)]| {
            let mut labels: BTreeMap<String, String> = [("pipeline".to_owned(), "a\"b\\c\nd".to_owned())].into();
            labels.extend(more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
            seen.get(&(name.to_owned(), labels)).copied()
        };
        for reason in RejectReason::ALL {
            assert_eq!(of("kpipe_rejects_total", &[("reason", reason.word())]), Some(3.0), "{reason:?}");
        }
        assert_eq!(of("kpipe_files_closed_total", &[("reason", "records")]), Some(2.0));
        assert_eq!(of("kpipe_files_closed_total", &[("reason", "idle")]), Some(1.0));
        assert_eq!(of("kpipe_files_closed_total", &[("reason", "bytes")]), None, "what never happened is no series");
        assert_eq!((of("kpipe_retries_total", &[]), of("kpipe_task_restarts_total", &[])), (Some(2.0), Some(1.0)));
        assert_eq!((of("kpipe_files_written_total", &[]), of("kpipe_file_bytes_written_total", &[])), (Some(1.0), Some(77.0)));
        assert_eq!((of("kpipe_commits_total", &[]), of("kpipe_last_commit_timestamp_milliseconds", &[])), (Some(1.0), Some(1_000_000.0)));
        let partition = [("topic", "t{x=\"1\"}"), ("partition", "-1")];
        assert_eq!(of("kpipe_lag_records", &partition), Some(i64::MAX as f64));
    }

    #[test]
    fn numbers_of_several_pipelines_and_tasks_add_up_apart() {
        let (metrics, _) = metrics();
        for (pipeline, task, records) in [("a", 0, 1), ("a", 1, 2), ("b", 0, 40)] {
            let count = FileCount { files_open: records as usize, open_bytes: 10, in_flight: 1, budget_bytes: 99 };
            let scope = Scope { pipeline: pipeline.into(), task };
            for event in [Event::Started, Event::Read { records, bytes: 5 }, Event::Progress { partitions: vec![], count }] {
                metrics.emit(&scope, &event);
            }
        }
        let found: Vec<_> =
            metrics.snapshot().pipelines.iter().map(|it| (it.name.to_string(), it.records, it.files_open, it.in_flight)).collect();
        assert_eq!(found, [("a".to_owned(), 3, 3, 2), ("b".to_owned(), 40, 40, 1)]);
        let text = metrics.prometheus();
        for line in ["kpipe_bytes_read_total{pipeline=\"a\"} 10", "kpipe_open_bytes{pipeline=\"b\"} 10", "kpipe_budget_bytes 99"] {
            assert!(text.lines().any(|have| have == line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn partitions_given_away_are_no_lag_of_ours() {
        let (metrics, _) = metrics();
        let progress = Progress { end: Some(Position(5)), next: Some(Position(3)), committed: Some(Position(1)) };
        let both = vec![(name(0), progress), (name(1), progress)];
        let tick = Event::Progress { partitions: both, count: FileCount::default() };
        feed(&metrics, 0, vec![Event::Started, tick, Event::Revoked(vec![name(1)])]);
        assert_eq!((metrics.snapshot().pipelines[0].lag, metrics.snapshot().pipelines[0].partitions), (4, 1));
    }
}
