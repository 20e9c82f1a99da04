//! A task: the stages of one plan, joined in the order of the data.
//!
//! Read [`assemble`] top to bottom, then [`Task::take`]: read a batch and the interval it covers; decode it, putting aside what cannot be
//! decoded; make the output columns; hand it to the tail. Files: group rows by folder, append to open files until a reason closes the
//! set, upload, restore the order, commit the set and its interval at one point. Records: send them, hear the acknowledgements. Then tell
//! the source "safe up to here".

mod files;
mod naming;
mod records;
mod takeover;
mod task;

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use kpipe_compiler::plan::{Endpoint, Pipeline, Route};
use tokio::runtime::Handle;

pub(crate) use task::{Task, TaskEnd};

use crate::budget::Budget;
use crate::connector::{Assigned, ConnectorDef, Open, OpenRequest, Secrets};
use crate::env::Env;
use crate::error::{ConnectorError, ErrorKind};
use crate::event::{FileCount, PartitionName, Voice};
use crate::ledger::Taken;
use crate::path::decode::Decoder;
use crate::path::filter::Filter;
use crate::path::transform::Projector;
use crate::path::{FileFacts, RollReason, RowBatch, StageError};
use crate::position::{Delta, PartitionId};
use crate::records::RawBatch;
use crate::reject::{Reject, RejectDesk};
use crate::retry::Patience;
use crate::state::StopHandle;

/// What a task is made from.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) defs: Arc<[&'static ConnectorDef]>,
    /// Number of the task among its pipeline's.
    pub(crate) task: usize,
    pub(crate) env: Env,
    pub(crate) runtime: Handle,
    pub(crate) secrets: Arc<dyn Secrets>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) voice: Voice,
    pub(crate) stop: StopHandle,
    pub(crate) until_caught_up: bool,
    pub(crate) drain_timeout: Duration,
    pub(crate) signs: Arc<Signs>,
    #[cfg(test)]
    pub(crate) planted: Option<crate::planted::PlantedBug>,
}

/// What a task shows its supervisor.
#[derive(Debug, Default)]
pub(crate) struct Signs {
    /// Everything that was there on assignment is committed.
    pub(crate) is_caught_up: AtomicBool,
    /// Commits so far, over all restarts.
    pub(crate) commits: AtomicU64,
}

/// A batch on its way into the tail.
struct Incoming<'a> {
    raw: Rc<RawBatch>,
    name: &'a PartitionName,
    /// By route.
    rows: Vec<RowBatch>,
    rejects: Vec<Reject>,
}

/// Something that became safe.
struct Landed {
    partition: PartitionId,
    delta: Delta,
    records: u64,
    files: Vec<FileFacts>,
    existed: usize,
}

/// How a tail wants to be called next.
struct Pace {
    /// The longest wait for the source.
    poll_wait: Duration,
    /// The longest wait for the sink.
    ack_wait: Duration,
    /// It can take a batch.
    has_room: bool,
}

/// The end of the path: files or records.
trait Tail {
    /// Partitions were assigned. True if this tail says where they begin ([`Tail::taken_over`]): nothing of them may be read before.
    fn take_over(&mut self, assigned: &[Assigned]) -> bool;

    /// The partitions that can be read now, and from where.
    fn taken_over(&mut self) -> Result<Vec<(PartitionId, Taken)>, ConnectorError>;

    /// Takes a batch. Its rejects are put aside before its rows can count.
    fn accept(&mut self, now: Duration, batch: Incoming<'_>, desk: &mut RejectDesk) -> Result<(), ConnectorError>;

    /// Does what can be done without waiting longer than `wait`; gives back what became safe, in order per partition.
    fn advance(&mut self, now: Duration, wait: Duration, desk: &mut RejectDesk) -> Result<Vec<Landed>, ConnectorError>;

    /// Closes everything that is open, so that it becomes safe soon.
    fn close_all(&mut self, reason: RollReason) -> Result<(), ConnectorError>;

    /// The source has heard already where it stands when something is safe: that is what made it count.
    fn tells_source(&self) -> bool;

    /// Something of a partition will be safe soon without more records.
    fn is_finishing(&self, partition: PartitionId) -> bool;

    /// Forgets a partition; nothing of it becomes safe any more.
    fn discard(&mut self, partition: PartitionId);

    /// Gives up everything and waits a little until it is cleaned away.
    fn abandon(&mut self);

    /// True if everything that was taken is safe.
    fn is_quiet(&self) -> bool;

    /// How to go on. `is_idle`: the source had nothing last time.
    fn pace(&self, now: Duration, is_idle: bool) -> Pace;

    /// What is open and under way.
    fn count(&self) -> FileCount;
}

/// The stages of one route up to its tail.
struct Front {
    decoder: Decoder,
    filter: Filter,
    projector: Projector,
}

/// Builds a task.
pub(crate) fn assemble(setup: &Setup) -> Result<Task, ConnectorError> {
    let pipeline = &setup.pipeline;
    let source = open(setup, &pipeline.source, &pipeline.routes, "source", |def| def.source)?;
    let fronts = pipeline.routes.iter().map(front).collect::<Result<Vec<_>, _>>()?;
    let dead_letters = match &pipeline.errors.dead_letter {
        Some(letter) => Some(open(setup, &letter.cluster, &[], "dead-letter sink", |def| def.records)?),
        None => None,
    };
    let name: Arc<str> = pipeline.name.as_str().into();
    let desk = RejectDesk::new(&pipeline.errors, dead_letters, name, setup.task, setup.voice.clone());
    let tail: Box<dyn Tail> = match &pipeline.flush {
        Some(flush) => Box::new(files::Files::open(setup, flush, &fronts)?),
        None => Box::new(records::RecordsOut::open(setup, &fronts)?),
    };
    Ok(Task::new(setup.clone(), source, fronts, desk, tail))
}

fn front(route: &Route) -> Result<Front, StageError> {
    Ok(Front { decoder: Decoder::new(&route.decode)?, filter: Filter::new(route)?, projector: Projector::new(route)? })
}

/// Opens one end of the pipeline with the connector that its plan names.
fn open<T>(
    setup: &Setup,
    endpoint: &Endpoint,
    routes: &[Route],
    role: &str,
    how: impl Fn(&ConnectorDef) -> Option<Open<T>>,
) -> Result<T, ConnectorError> {
    let def = setup.defs.iter().find(|def| def.spec.name == endpoint.connector);
    let open = def.and_then(|def| how(def)).ok_or_else(|| {
        ConnectorError::new(ErrorKind::Bug, format!("this binary has no connector \"{}\" that can be a {role}", endpoint.connector))
    })?;
    open(&OpenRequest {
        pipeline: &setup.pipeline.name,
        task: setup.task,
        endpoint,
        routes,
        secrets: setup.secrets.as_ref(),
        runtime: setup.runtime.clone(),
        starts_in_sink: setup.pipeline.commit.keeps_ledger(),
    })
}

impl Setup {
    fn patience(&self) -> Patience {
        Patience::of(&self.pipeline.errors)
    }
}
