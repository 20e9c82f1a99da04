//! Runs pipelines: a group of tasks each, started again from the last commit when they fail, stopped in order when asked.
//!
//! Supervision is coarse: whatever fails in a task, the whole task is thrown away and assembled anew. A failure that trying again cannot
//! heal, or that lasted longer than the pipeline's patience, ends its pipeline; the others go on.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use kpipe_compiler::plan::Pipeline;
use tokio::runtime::Handle;

use crate::assemble::{Setup, Signs, TaskEnd, assemble};
use crate::budget::Budget;
use crate::connector::{ConnectorDef, Secrets};
use crate::env::Env;
use crate::error::{ConnectorError, ErrorKind, Retry};
use crate::event::{Event, EventSink, Voice};
use crate::limits::{MEMORY_BYTES_MIN, PANICS_MAX, POLL_WAIT_UPLOADS, SUPERVISE_EVERY};
use crate::retry::Patience;
use crate::state::{StopHandle, StopLevel};

/// How pipelines are run.
#[derive(Clone)]
pub struct RunOptions {
    /// Tasks of each pipeline in this process; at least 1.
    pub tasks: usize,
    /// End when everything that was there on assignment is committed.
    pub until_caught_up: bool,
    /// How long a drain may take; what is not committed by then is given up and read again next time.
    pub drain_timeout: Duration,
    /// Bytes for all tasks together.
    pub memory_bytes: usize,
    /// Time and chance.
    pub env: Env,
    /// Reads secrets.
    pub secrets: Arc<dyn Secrets>,
    /// Where uploads and other waiting work runs.
    pub runtime: Handle,
    /// Asks for the end.
    pub stop: StopHandle,
    /// Hears everything.
    pub events: Arc<dyn EventSink>,
}

/// What became of the pipelines.
#[derive(Clone, Debug)]
pub struct RunOutcome {
    /// In the order in which they were given.
    pub pipelines: Vec<PipelineOutcome>,
}

/// What became of one pipeline.
#[derive(Clone, Debug)]
pub struct PipelineOutcome {
    /// Its name.
    pub name: String,
    /// Why it stopped by itself; `None` if it was asked to, or was done.
    pub error: Option<ConnectorError>,
    /// Everything that it read is committed.
    pub is_complete: bool,
}

/// Runs pipelines until all of them have ended. Blocks the calling thread.
///
/// # Errors
/// A thread could not be started.
pub fn run(pipelines: Vec<Pipeline>, defs: &[&'static ConnectorDef], options: &RunOptions) -> Result<RunOutcome, ConnectorError> {
    let budget = Budget::new(options.memory_bytes.max(MEMORY_BYTES_MIN));
    let defs: Arc<[&'static ConnectorDef]> = defs.into();
    let (reports, inbox) = channel();
    let mut groups = Vec::with_capacity(pipelines.len());
    for (index, pipeline) in pipelines.into_iter().enumerate() {
        groups.push(Group::start(index, pipeline, &defs, &budget, options, &reports)?);
    }
    drop(reports);
    watch(&mut groups, &inbox, options);
    Ok(RunOutcome { pipelines: groups.into_iter().map(Group::outcome).collect() })
}

/// Waits for all tasks to end.
fn watch(groups: &mut [Group], inbox: &Receiver<Report>, options: &RunOptions) {
    while groups.iter().any(|group| group.running > 0) {
        match inbox.recv_timeout(SUPERVISE_EVERY) {
            Ok(Report { group, result }) => groups[group].ended(result),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if options.until_caught_up {
            // Members that left early would hand their partitions to those that stay, so all stay until all are done.
            groups.iter().filter(|group| group.is_caught_up()).for_each(|group| group.stop.drain());
        }
    }
}

/// A pipeline and its tasks.
struct Group {
    name: String,
    stop: StopHandle,
    signs: Vec<Arc<Signs>>,
    running: usize,
    error: Option<ConnectorError>,
    is_complete: bool,
}

/// A task ended for good.
struct Report {
    group: usize,
    result: Result<TaskEnd, ConnectorError>,
}

impl Group {
    fn start(
        index: usize,
        pipeline: Pipeline,
        defs: &Arc<[&'static ConnectorDef]>,
        budget: &Arc<Budget>,
        options: &RunOptions,
        reports: &Sender<Report>,
    ) -> Result<Self, ConnectorError> {
        let pipeline = Arc::new(pipeline);
        let (name, stop) = (pipeline.name.clone(), options.stop.child());
        let mut signs = Vec::new();
        for task in 0..options.tasks.max(1) {
            signs.push(Arc::new(Signs::default()));
            let setup = Setup {
                pipeline: Arc::clone(&pipeline),
                defs: Arc::clone(defs),
                task,
                env: options.env.clone(),
                runtime: options.runtime.clone(),
                secrets: Arc::clone(&options.secrets),
                budget: Arc::clone(budget),
                voice: Voice::new(name.as_str().into(), task, Arc::clone(&options.events)),
                stop: stop.clone(),
                until_caught_up: options.until_caught_up,
                drain_timeout: options.drain_timeout,
                signs: Arc::clone(&signs[task]),
                #[cfg(test)]
                planted: crate::tests::planted(&name),
            };
            let reports = reports.clone();
            let work = move || {
                let result = supervise(&setup);
                // The watcher outlives every task.
                let _ended = reports.send(Report { group: index, result });
            };
            let thread = format!("{name}-{task}");
            let spawned = options.env.spawn(thread, work);
            spawned.map_err(|error| ConnectorError::new(ErrorKind::LocalIo, format!("cannot start a thread: {error}")))?;
        }
        Ok(Self { name, stop, running: signs.len(), signs, error: None, is_complete: true })
    }

    fn ended(&mut self, result: Result<TaskEnd, ConnectorError>) {
        self.running -= 1;
        match result {
            Ok(TaskEnd::Complete) => {}
            Ok(TaskEnd::Incomplete) => self.is_complete = false,
            Err(error) => {
                self.is_complete = false;
                self.error.get_or_insert(error);
                // The other tasks of the pipeline commit what they have.
                self.stop.drain();
            }
        }
    }

    fn is_caught_up(&self) -> bool {
        self.signs.iter().all(|signs| signs.is_caught_up.load(Ordering::Relaxed))
    }

    fn outcome(self) -> PipelineOutcome {
        PipelineOutcome { name: self.name, error: self.error, is_complete: self.is_complete }
    }
}

/// The failures of a task since it last made progress.
#[derive(Default)]
pub(crate) struct Failures {
    since: Option<Duration>,
    count: u32,
    commits: u64,
}

/// Runs one task again and again until it ends in order or fails for good.
fn supervise(setup: &Setup) -> Result<TaskEnd, ConnectorError> {
    let patience = Patience::of(&setup.pipeline.errors);
    let mut failures = Failures::default();
    loop {
        let error = match attempt(setup) {
            Ok(end) => {
                setup.voice.say(&Event::Ended { complete: end == TaskEnd::Complete });
                return Ok(end);
            }
            Err(error) => error,
        };
        setup.signs.is_caught_up.store(false, Ordering::Relaxed);
        let pause = failures.next_pause(setup, &patience, &error);
        setup.voice.say(&Event::Failed { error: error.clone(), restart_after: pause });
        let Some(pause) = pause else { return Err(error) };
        if !rest(setup, pause) {
            setup.voice.say(&Event::Ended { complete: false });
            return Ok(TaskEnd::Incomplete);
        }
    }
}

/// One life of a task. A panic is a failure like others.
fn attempt(setup: &Setup) -> Result<TaskEnd, ConnectorError> {
    let life = || {
        let task = assemble(setup)?;
        setup.voice.say(&Event::Started);
        task.run()
    };
    catch_unwind(AssertUnwindSafe(life)).unwrap_or_else(|panic| Err(panicked(panic.as_ref())))
}

/// What a panic is to the supervisor.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> ConnectorError {
    let words = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let message = format!("panic: {}", words.unwrap_or("without words"));
    ConnectorError::new(ErrorKind::Bug, message).retry(Retry::Reopen)
}

impl Failures {
    /// The pause before the next life; `None`: there is none.
    pub(crate) fn next_pause(&mut self, setup: &Setup, patience: &Patience, error: &ConnectorError) -> Option<Duration> {
        let (now, commits) = (setup.env.clock.monotonic(), setup.signs.commits.load(Ordering::Relaxed));
        if commits > self.commits {
            *self = Self { commits, ..Self::default() };
        }
        let failing_for = now.saturating_sub(*self.since.get_or_insert(now));
        let pause = patience.pause(self.count, &setup.env.random);
        self.count += 1;
        let is_hopeless = match error.retry {
            Retry::No => true,
            Retry::Backoff | Retry::Reopen => patience.ran_out(failing_for),
        };
        let is_bug_again = error.kind == ErrorKind::Bug && self.count > PANICS_MAX;
        let is_stopping = setup.stop.level() > StopLevel::Run;
        (!is_hopeless && !is_bug_again && !is_stopping).then_some(pause)
    }
}

/// Pauses; false if the task is asked to stop meanwhile.
fn rest(setup: &Setup, pause: Duration) -> bool {
    let end = setup.env.clock.monotonic() + pause;
    while setup.env.clock.monotonic() < end {
        if setup.stop.level() > StopLevel::Run {
            return false;
        }
        setup.env.clock.pause(POLL_WAIT_UPLOADS);
    }
    true
}
