//! Tasks that fail, panic and start again; several at once.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::connector::{Accept, OpenRequest, Source, SourceEvent};
use crate::error::{ErrorKind, Retry};
use crate::memory::{Fault, Op, What, When};
use crate::position::{PartitionId, Position};

static PANICS: Mutex<BTreeMap<String, usize>> = Mutex::new(BTreeMap::new());

/// A source in memory that panics at its first polls.
struct Panicking {
    inner: Box<dyn Source>,
    pipeline: String,
}

impl Source for Panicking {
    fn poll(&mut self, wait: Duration, accept: Accept) -> Result<SourceEvent, ConnectorError> {
        let left = {
            let mut panics = PANICS.lock().unwrap();
            let left = panics.get_mut(&self.pipeline).unwrap();
            std::mem::replace(left, left.saturating_sub(1))
        };
        assert!(left == 0, "out of my mind");
        self.inner.poll(wait, accept)
    }

    fn start(&mut self, partition: PartitionId, position: Position) -> Result<(), ConnectorError> {
        self.inner.start(partition, position)
    }

    fn commit(&mut self, positions: &[(PartitionId, Position)]) -> Result<(), ConnectorError> {
        self.inner.commit(positions)
    }

    fn settle(&mut self, wait: Duration) -> Result<(), ConnectorError> {
        self.inner.settle(wait)
    }

    fn release(&mut self, partitions: &[PartitionId]) -> Result<(), ConnectorError> {
        self.inner.release(partitions)
    }

    fn ends(&mut self) -> Vec<(PartitionId, Position)> {
        self.inner.ends()
    }
}

static PANICKING: ConnectorDef = ConnectorDef {
    spec: &SPEC,
    source: Some(|request: &OpenRequest<'_>| {
        let inner = memory::open_source(request)?;
        Ok(Box::new(Panicking { inner, pipeline: request.pipeline.to_owned() }))
    }),
    records: Some(memory::open_records),
    store: Some(memory::open_store),
    inspect: None,
    newest: None,
    plans: None,
    bookmarks: None,
};

fn panicking(name: &str, panics: usize) -> Case {
    PANICS.lock().unwrap().insert(name.to_owned(), panics);
    let case = Case { def: &PANICKING, ..Case::new(name, 1) };
    case.append(0, orders(0..100));
    case
}

#[test]
fn a_panic_is_a_failure_like_others() {
    let case = panicking("lives-panic", 2);
    let ran = case.run().well();
    assert_eq!((ran.count("panic: out of my mind"), ran.count("starts again")), (2, 2), "{:#?}", ran.words);
    assert_eq!(case.committed(0), Some(100));
}

#[test]
fn a_task_that_panics_for_ever_is_given_up() {
    let case = panicking("lives-panics", usize::MAX);
    let ran = case.run();
    let error = ran.error().unwrap();
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Bug, "panic: out of my mind"));
    assert_eq!(ran.count("starts again"), crate::limits::PANICS_MAX as usize);
}

#[test]
fn patience_counts_from_the_last_progress() {
    let mut case = Case::new("lives-progress", 1);
    case.flush().records = Some(10);
    case.pipeline.errors.retry_timeout_ms = Some(30_000);
    case.append(0, orders(0..1_000));
    for call in (5..200).step_by(5) {
        case.world.fault(Fault { op: Op::SourceCommit, when: When::Nth(call), what: What::broken() });
    }
    let before = case.env.clock.monotonic();
    let ran = case.run().well();
    let took = case.env.clock.monotonic() - before;
    assert!(ran.count("starts again") > 10, "{}", ran.count("starts again"));
    assert!(took < Duration::from_secs(600), "pauses start small again after progress: {took:?}");
}

#[test]
fn a_stop_ends_a_pause() {
    let mut case = Case::new("lives-stop", 1);
    case.pipeline.errors.retry_delay_max_ms = 3_600_000;
    case.append(0, orders(0..10));
    case.world.fault(Fault { op: Op::Poll, when: When::Always, what: What::broken() });
    let failures = AtomicUsize::new(0);
    case.watch = Some(Arc::new(move |event, _, stop| {
        if matches!(event, Event::Failed { .. }) && failures.fetch_add(1, Ordering::Relaxed) == 5 {
            stop.drain();
        }
    }));
    let ran = case.run();
    assert!(!ran.timed_out && ran.error().is_none_or(|error| error.message == "memory: broken"), "{:?}", ran.outcome);
    assert!(!ran.outcome.pipelines[0].is_complete);
}

#[test]
fn a_failure_for_good_stops_the_other_tasks_of_the_pipeline_in_order() {
    let mut case = Case::new("lives-siblings", 1);
    case.tasks = 2;
    case.until_caught_up = false;
    case.append(0, orders(0..100));
    case.append(1, orders(100..200).chain(["not json".to_owned()]));
    let ran = case.run();
    assert_eq!(ran.error().unwrap().kind, ErrorKind::Data);
    assert!(!ran.timed_out, "no task is left behind: {:#?}", ran.words);
}

#[test]
fn what_cannot_be_healed_is_not_tried_again() {
    for (kind, retry) in [(ErrorKind::Denied, Retry::No), (ErrorKind::Missing, Retry::No), (ErrorKind::Fenced, Retry::No)] {
        let case = Case::new(&format!("lives-{kind:?}"), 1);
        case.append(0, orders(0..10));
        let error = ConnectorError::new(kind, "memory: no").retry(retry);
        case.world.fault(Fault { op: Op::Poll, when: When::Nth(3), what: What::Fail(error) });
        let ran = case.run();
        assert_eq!((ran.error().unwrap().kind, ran.count("starts again")), (kind, 0));
    }
}
