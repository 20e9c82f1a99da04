//! The tail of files: partition, roll, encode, upload, sequence, commit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use kpipe_compiler::plan::wire::fingerprint;
use kpipe_compiler::plan::{FileTail, Flush, Naming, Pipeline, Route};

use super::takeover::Takeovers;
use super::{Front, Incoming, Landed, Pace, Setup, Tail, naming, open};
use crate::budget::{Member, Place, Pressure};
use crate::connector::{Assigned, FileStore, Ticket};
use crate::env::Env;
use crate::error::{ConnectorError, ErrorKind};
use crate::event::{End, Event, FileCount, PartitionName, Voice};
use crate::format::spare::held_bytes;
use crate::ledger::{Keeper, Place as LedgerPlace, Taken};
use crate::limits::{ABORT_WAIT, POLL_WAIT_IDLE, POLL_WAIT_UPLOADS, SETS_IN_FLIGHT_MAX};
use crate::path::commit::{AtLeastOnce, Commits, Committer, ExactlyOnce};
use crate::path::encode::Encoding;
use crate::path::partition::Partitioner;
use crate::path::roll::{ClosedFile, ClosedSet, Moment, OpenFiles, Roller};
use crate::path::sequence::Sequence;
use crate::path::upload::Uploader;
use crate::path::{
    EncodedFile, EncodedSet, FileEncoder, FileFacts, PartBatch, RollReason, RouteRows, RowBatch, SetId, SetResult, StageError, StagedSet,
};
use crate::position::PartitionId;
use crate::records::RawBatch;
use crate::reject::{Reject, RejectDesk};
use crate::retry::Retries;

/// The tail of files of one task.
pub(super) struct Files {
    routes: Routes,
    roller: Roller,
    uploader: Uploader,
    sequence: Sequence,
    commits: Commits,
    /// With a ledger: partitions on their way in.
    takeovers: Option<Takeovers>,
    results: Receiver<SetResult>,
    retries: Arc<Retries>,
    memory: Member,
    pressure: Pressure,
    names: BTreeMap<PartitionId, PartitionName>,
    /// The last dead letter of each partition: its sets wait for it.
    dead_letters: BTreeMap<PartitionId, Ticket>,
    last_set: u64,
    env: Env,
    voice: Voice,
    #[cfg(test)]
    planted: Option<crate::planted::PlantedBug>,
    #[cfg(test)]
    hasty: Vec<Landed>,
}

/// The stages of each route in this tail.
struct Routes(Vec<RouteStages>);

struct RouteStages {
    tail: FileTail,
    partitioner: Partitioner,
    encoding: Encoding,
}

impl OpenFiles for Routes {
    fn open(&self, route: usize) -> Result<Box<dyn FileEncoder>, StageError> {
        self.0[route].encoding.open()
    }
}

impl Routes {
    fn split(&mut self, raw: &RawBatch, rows: RowBatch, rejects: &mut Vec<Reject>) -> Result<RouteRows, StageError> {
        self.0[rows.route].partitioner.split(raw, rows, rejects)
    }
}

impl Files {
    pub(super) fn open(setup: &Setup, flush: &Flush, fronts: &[Front]) -> Result<Self, ConnectorError> {
        let routes =
            setup.pipeline.routes.iter().zip(fronts).map(|(route, front)| stages(setup, route, front)).collect::<Result<Vec<_>, _>>()?;
        let stores = open_stores(setup, &routes)?;
        let retries = Arc::new(Retries::new(setup.env.clone(), setup.voice.clone(), End::Sink, setup.patience()));
        let (sender, results) = channel();
        let uploader = Uploader::new(stores.clone(), Arc::clone(&retries), setup.runtime.clone(), sender.clone());
        let (committer, takeovers) = commit_stage(setup, &routes, stores, &retries)?;
        let sees_times = routes.iter().any(|route| route.tail.naming == Naming::Lenses);
        Ok(Self {
            routes: Routes(routes),
            roller: Roller::new(flush.clone(), sees_times)?,
            uploader,
            sequence: Sequence::default(),
            commits: Commits::new(committer, setup.runtime.clone(), sender),
            takeovers,
            results,
            retries,
            memory: setup.budget.join(),
            pressure: Pressure::None,
            names: BTreeMap::new(),
            dead_letters: BTreeMap::new(),
            last_set: 0,
            env: setup.env.clone(),
            voice: setup.voice.clone(),
            #[cfg(test)]
            planted: setup.planted,
            #[cfg(test)]
            hasty: Vec::new(),
        })
    }

    /// The time of a call, and the hour of the day.
    fn moment(&self, now: Duration) -> Moment {
        Moment { monotonic: now, wall_ms: self.env.clock.wall_ms() }
    }

    /// Names the files of a closed set and sends them on their way; a set without files is ready at once.
    fn close(&mut self, set: ClosedSet) {
        let ClosedSet { partition, delta, reason, files } = set;
        self.last_set += 1;
        let id = SetId(self.last_set);
        let files: Vec<EncodedFile> = files.into_iter().map(|file| self.name(partition, file)).collect();
        let bytes: u64 = files.iter().map(|file| file.facts.bytes).sum();
        self.voice.say(&Event::Closed {
            partition: self.names[&partition].clone(),
            delta,
            reason,
            files: files.len(),
            records: files.iter().map(|file| file.facts.records).sum(),
            bytes,
        });
        #[cfg(test)]
        if self.planted == Some(crate::planted::PlantedBug::CommittedBeforeTheUpload) {
            self.hasty.push(Landed { partition, delta, records: 0, files: Vec::new(), existed: 0 });
        }
        let dead_letter = self.dead_letters.get(&partition).copied();
        if files.is_empty() {
            self.sequence.closed(partition, id, dead_letter, None);
            self.staged(StagedSet { id, partition, delta, reason, files: Vec::new() });
            return;
        }
        let held = files.iter().flat_map(|file| &file.parts).map(|part| held_bytes(part.len())).sum();
        let lease = self.memory.budget().lease(Place::Moving, held);
        let upload = self.uploader.start(EncodedSet { id, partition, delta, reason, files }, lease);
        self.sequence.closed(partition, id, dead_letter, Some(upload));
    }

    fn name(&self, partition: PartitionId, file: ClosedFile) -> EncodedFile {
        let key = naming::key(&self.routes.0[file.route].tail, &self.names[&partition], &file);
        let ClosedFile { route, folder: _, first, last, times_ms: _, records, parts } = file;
        let bytes = parts.iter().map(|part| part.len() as u64).sum();
        EncodedFile { facts: FileFacts { key, route, first, last, records, bytes }, parts }
    }

    fn staged(&mut self, set: StagedSet) {
        if let Some(unwanted) = self.sequence.staged(set) {
            self.uploader.abandon(unwanted);
        }
    }

    /// Hears what became of sets outside this thread.
    fn hear(&mut self, landed: &mut Vec<Landed>) -> Result<(), ConnectorError> {
        while let Ok(result) = self.results.try_recv() {
            match result {
                SetResult::Staged(set) => self.staged(set),
                SetResult::Committed(set) if self.sequence.committed(set.partition, set.id) => {
                    let records = set.files.iter().map(|file| file.records).sum();
                    let (partition, delta, files, existed) = (set.partition, set.delta, set.files, set.existed);
                    landed.push(Landed { partition, delta, records, files, existed });
                }
                SetResult::Failed { id, partition, error } if self.sequence.has(partition, id) => return Err(error),
                SetResult::Committed(_) | SetResult::Failed { .. } => {}
            }
        }
        Ok(())
    }
}

impl Tail for Files {
    fn take_over(&mut self, assigned: &[Assigned]) -> bool {
        let Some(takeovers) = &mut self.takeovers else { return false };
        takeovers.start(assigned);
        true
    }

    fn taken_over(&mut self) -> Result<Vec<(PartitionId, Taken)>, ConnectorError> {
        let taken = self.takeovers.as_mut().map_or_else(|| Ok(Vec::new()), Takeovers::hear)?;
        for (partition, taken) in &taken {
            taken.until.into_iter().for_each(|until| self.roller.bind(*partition, until));
        }
        Ok(taken)
    }

    fn accept(&mut self, now: Duration, batch: Incoming<'_>, desk: &mut RejectDesk) -> Result<(), ConnectorError> {
        let Incoming { raw, name, rows, mut rejects } = batch;
        let (partition, delta) = (raw.partition, raw.delta);
        self.names.entry(partition).or_insert_with(|| name.clone());
        let routes = rows.into_iter().map(|rows| self.routes.split(&raw, rows, &mut rejects)).collect::<Result<Vec<_>, _>>()?;
        if let Some(ticket) = desk.put_aside(&raw, name, rejects)? {
            self.dead_letters.insert(partition, ticket);
        }
        #[cfg(test)]
        if self.planted == Some(crate::planted::PlantedBug::DeltaDroppedAtPartitioning) && routes.iter().all(|route| route.rows.is_empty())
        {
            return Ok(());
        }
        for set in self.roller.append(self.moment(now), &raw, &PartBatch { partition, delta, routes }, &self.routes)? {
            self.close(set);
        }
        Ok(())
    }

    fn advance(&mut self, now: Duration, _wait: Duration, desk: &mut RejectDesk) -> Result<Vec<Landed>, ConnectorError> {
        let mut landed = Vec::new();
        self.hear(&mut landed)?;
        for set in self.roller.due(self.moment(now))? {
            self.close(set);
        }
        self.pressure = self.memory.report(self.roller.held_bytes(), self.sequence.len() > 0);
        if self.pressure == Pressure::Close
            && let Some(set) = self.roller.close_largest()?
        {
            self.close(set);
            self.memory.report(self.roller.held_bytes(), true);
        }
        self.memory.budget().tidy(now);
        for set in self.sequence.take_ready(|ticket| desk.is_acknowledged(ticket)) {
            let partition = set.partition;
            let hold = self.commits.start(set);
            self.sequence.committing(partition, hold);
        }
        #[cfg(test)]
        if self.planted == Some(crate::planted::PlantedBug::CommittedBeforeTheUpload) {
            return Ok(std::mem::take(&mut self.hasty));
        }
        Ok(landed)
    }

    fn close_all(&mut self, reason: RollReason) -> Result<(), ConnectorError> {
        for set in self.roller.close_all(reason)? {
            self.close(set);
        }
        Ok(())
    }

    fn tells_source(&self) -> bool {
        self.takeovers.as_ref().is_some_and(Takeovers::tell_source)
    }

    fn is_finishing(&self, partition: PartitionId) -> bool {
        self.sequence.waiting(partition) > 0
    }

    fn discard(&mut self, partition: PartitionId) {
        self.roller.discard(partition);
        for set in self.sequence.discard(partition) {
            self.uploader.abandon(set);
        }
        self.takeovers.iter_mut().for_each(|takeovers| takeovers.release(partition));
        self.names.remove(&partition);
        self.dead_letters.remove(&partition);
    }

    fn abandon(&mut self) {
        self.retries.give_up();
        for set in self.sequence.discard_all() {
            self.uploader.abandon(set);
        }
        let deadline = self.env.clock.monotonic() + ABORT_WAIT;
        while !self.uploader.is_quiet() && self.env.clock.monotonic() < deadline {
            self.env.clock.pause(POLL_WAIT_UPLOADS);
        }
    }

    fn is_quiet(&self) -> bool {
        self.roller.is_empty() && self.sequence.len() == 0
    }

    fn pace(&self, now: Duration, _is_idle: bool) -> Pace {
        let under_way = self.sequence.len();
        let wait = if under_way > 0 { POLL_WAIT_UPLOADS } else { POLL_WAIT_IDLE };
        let until_due = self.roller.next_due(self.moment(now)).map_or(wait, |due| due.saturating_sub(now));
        let has_room = under_way < SETS_IN_FLIGHT_MAX && self.pressure != Pressure::Wait;
        Pace { poll_wait: wait.min(until_due), ack_wait: Duration::ZERO, has_room }
    }

    fn count(&self) -> FileCount {
        let (files_open, open_bytes) = (self.roller.files_open(), self.roller.held_bytes());
        FileCount { files_open, open_bytes, in_flight: 0, budget_bytes: self.memory.budget().used_bytes() }
    }
}

/// The commit stage that the plan names; with a ledger also what takes partitions over.
fn commit_stage(
    setup: &Setup,
    routes: &[RouteStages],
    stores: Vec<Arc<dyn FileStore>>,
    retries: &Arc<Retries>,
) -> Result<(Arc<dyn Committer>, Option<Takeovers>), ConnectorError> {
    let retries = Arc::clone(retries);
    if !setup.pipeline.commit.keeps_ledger() {
        let if_exists = routes.iter().map(|route| naming::if_exists(route.tail.naming)).collect();
        return Ok((Arc::new(AtLeastOnce { stores, if_exists, retries }), None));
    }
    let tails: Vec<&FileTail> = routes.iter().map(|route| &route.tail).collect();
    let (Some(first), Some(store)) = (tails.first(), stores.first()) else {
        return Err(ConnectorError::new(ErrorKind::Bug, "a plan with a flush and without routes"));
    };
    let buckets: Vec<String> = tails.iter().map(|tail| tail.bucket.clone()).collect();
    let place = LedgerPlace {
        store: Arc::clone(store),
        buckets: buckets.iter().cloned().zip(stores.iter().cloned()).collect(),
        outputs: tails.iter().map(|tail| (tail.bucket.clone(), tail.prefix.clone())).collect(),
        prefix: first.prefix.as_str().into(),
        pipeline: setup.pipeline.name.as_str().into(),
        plan: files_hash(&setup.pipeline)?,
        protocol: setup.pipeline.commit,
    };
    let keeper = Arc::new(Keeper::new(place, retries));
    let committer = Arc::new(ExactlyOnce { keeper: Arc::clone(&keeper), stores, buckets });
    Ok((committer, Some(Takeovers::new(keeper, setup.runtime.clone()))))
}

/// Tells plans apart that make other files of the same records. When sets end, where systems are and how long they are waited for does not
/// matter: a set that is made again ends where it ended, and what is visible of it is compared byte for byte.
fn files_hash(pipeline: &Pipeline) -> Result<String, ConnectorError> {
    let bare = |route: &Route| Route { statement: String::new(), ..route.clone() };
    let routes: Vec<Route> = pipeline.routes.iter().map(bare).collect();
    let bytes = serde_json::to_vec(&(routes, pipeline.errors.tolerance))
        .map_err(|error| ConnectorError::new(ErrorKind::Bug, format!("the plan: {error}")))?;
    Ok(fingerprint(&bytes))
}

fn stages(setup: &Setup, route: &Route, front: &Front) -> Result<RouteStages, ConnectorError> {
    let tail = file_tail(route)?;
    let partitioner = Partitioner::new(route, tail)?;
    let encoding = Encoding::new(route, tail, front.projector.schema())?.sharing(setup.budget.spares());
    Ok(RouteStages { tail: tail.clone(), partitioner, encoding })
}

fn file_tail(route: &Route) -> Result<&FileTail, ConnectorError> {
    match &route.tail {
        kpipe_compiler::plan::Tail::Files(tail) => Ok(tail),
        kpipe_compiler::plan::Tail::Records(_) => Err(ConnectorError::new(ErrorKind::Bug, "a plan with a flush and a route into records")),
    }
}

/// One store per bucket; by route.
fn open_stores(setup: &Setup, stages: &[RouteStages]) -> Result<Vec<Arc<dyn FileStore>>, ConnectorError> {
    let mut by_bucket: BTreeMap<&str, Arc<dyn FileStore>> = BTreeMap::new();
    let mut stores = Vec::with_capacity(stages.len());
    for stage in stages {
        let bucket = stage.tail.bucket.as_str();
        if !by_bucket.contains_key(bucket) {
            let of_bucket = setup.pipeline.routes.iter().zip(stages).filter(|(_, other)| other.tail.bucket == bucket);
            let routes: Vec<Route> = of_bucket.map(|(route, _)| route.clone()).collect();
            by_bucket.insert(bucket, open(setup, &setup.pipeline.sink, &routes, "store of files", |def| def.store)?);
        }
        stores.push(Arc::clone(&by_bucket[bucket]));
    }
    Ok(stores)
}
