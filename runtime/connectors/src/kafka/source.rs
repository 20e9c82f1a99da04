//! The source: a member of a consumer group that reads whole batches.
//!
//! Partition queues are taken over before an assignment takes effect, and batches come from them; the consumer's own queue carries
//! rebalances, commits, errors and statistics. The task waits for one signal that all these queues set.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kpipe_engine::connector::{Accept, OpenRequest, Source, SourceEvent};
use kpipe_engine::error::{ConnectorError, ErrorKind, Retry};
use kpipe_engine::position::{PartitionId, Position};
use kpipe_engine::records::RawBatch;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::Offset;
use rdkafka::types::RDKafkaErrorCode as Code;

use super::bookmarks::{GroupBookmark, Register};
use super::commits::Commits;
use super::failure::{self, Place};
use super::ffi::{self, Queue, QueueError, Scratch};
use super::health::Change;
use super::kept::Kept;
use super::look::{self, From, Look};
use super::member::{GroupEvent, Member};
use super::options::SourceOptions;
use super::rebalance::{Named, Partition, Share, State};
use super::records::Batch;
use super::settings::Settings;
use super::signal::Signal;

/// Most records of a batch.
const BATCH_RECORDS_MAX: usize = 8_192;
/// Longest time without serving the consumer's queue while waiting.
const SERVE_EVERY: Duration = Duration::from_secs(1);
/// How long the start offsets of an assignment may take to be asked for at a time.
const RESOLVE_WAIT: Duration = Duration::from_secs(3);
/// How long partitions may be held back for their last commit when they are given away.
const RELEASE_WAIT: Duration = Duration::from_secs(3);
/// Pause before something that failed for now is tried again.
const PAUSE: Duration = Duration::from_millis(200);

type MemberConsumer = BaseConsumer<Member>;

/// A member of a consumer group as a source.
pub(super) struct KafkaSource {
    /// Given back before the consumer goes.
    queues: BTreeMap<PartitionId, Queue>,
    main: Queue,
    consumer: Arc<MemberConsumer>,
    settings: Settings,
    from: From,
    group: String,
    routes: BTreeMap<Arc<str>, Arc<[usize]>>,
    signal: Arc<Signal>,
    share: Share,
    commits: Commits,
    /// For a sink that commits through the source.
    register: Arc<Register>,
    kept: Kept,
    /// An assignment whose start offsets are not known yet.
    resolving: Option<Vec<Named>>,
    /// Partitions whose start the group does not know yet. Nothing of them is handed out before: whoever read on from a start that died
    /// with this process would find another one, and skip what came in between.
    starting: BTreeSet<PartitionId>,
    /// Nothing that failed for now is tried again before.
    pause_until: Instant,
    pending: VecDeque<SourceEvent>,
    starts_in_sink: bool,
    /// Partitions began that librdkafka does not have yet.
    begun: bool,
    scratch: Scratch,
    /// The partition that was read last; the next one after it is asked first.
    last_read: PartitionId,
}

impl KafkaSource {
    /// Joins the group. The topics must be there.
    pub(super) fn open(request: &OpenRequest<'_>) -> Result<Self, ConnectorError> {
        let settings = Settings::new(request)?;
        let options = SourceOptions::new(request)?;
        let mut routes: BTreeMap<Arc<str>, Vec<usize>> = BTreeMap::new();
        for (index, route) in request.routes.iter().enumerate() {
            routes.entry(Arc::from(route.from.as_str())).or_default().push(index);
        }
        let look = Look::new(&settings, None)?;
        let mut partitions = 0;
        for topic in routes.keys() {
            partitions += look.partitions(topic)?.ok_or_else(|| missing(&settings.place, topic))?;
        }
        drop(look);
        let config = settings.member(&options.group, options.instance.as_deref(), partitions);
        let consumer: MemberConsumer =
            config.create_with_context(Member::new(settings.place.clone())).map_err(|error| settings.place.wrapped(&error, "consumer"))?;
        let (consumer, signal) = (Arc::new(consumer), Arc::new(Signal::default()));
        let mut main =
            Queue::consumer(consumer.clone()).ok_or_else(|| settings.place.error(ErrorKind::Bug, "a group member without a queue"))?;
        main.on_ready(&signal);
        let topics: Vec<&str> = routes.keys().map(|topic| &**topic).collect();
        consumer.subscribe(&topics).map_err(|error| settings.place.wrapped(&error, "subscription"))?;
        Ok(Self {
            queues: BTreeMap::new(),
            main,
            register: Arc::new(Register::new(&consumer, &settings, &options)),
            consumer,
            from: options.from,
            group: options.group,
            routes: routes.into_iter().map(|(topic, indices)| (topic, indices.into())).collect(),
            settings,
            signal,
            share: Share::default(),
            commits: Commits::default(),
            kept: Kept::default(),
            resolving: None,
            starting: BTreeSet::new(),
            pause_until: Instant::now(),
            pending: VecDeque::new(),
            starts_in_sink: request.starts_in_sink,
            begun: false,
            scratch: Scratch::new(BATCH_RECORDS_MAX),
            last_read: PartitionId(0),
        })
    }

    fn place(&self) -> &Place {
        &self.settings.place
    }

    /// Handles what librdkafka has to say. Never waits, but for the start offsets of a new assignment.
    fn serve(&mut self) -> Result<(), ConnectorError> {
        loop {
            if let Some(Ok(_)) = self.consumer.poll(Duration::ZERO) {
                return Err(self.place().error(ErrorKind::Bug, "a record came beside the partition queues"));
            }
            while let Some(event) = self.consumer.context().take() {
                self.group_event(event)?;
            }
            if self.main.len() == 0 {
                break;
            }
        }
        for change in self.consumer.context().watch.take_changes() {
            self.pending.push_back(match change {
                Change::Away(error) => SourceEvent::Away(error),
                Change::Back => SourceEvent::Back,
            });
        }
        for failure in self.consumer.context().watch.take_failures() {
            self.fail(failure)?;
        }
        if self.resolving.is_some() && Instant::now() >= self.pause_until {
            self.resolve()?;
        }
        if std::mem::take(&mut self.begun) {
            self.fetch()?;
        } else if self.register.is_old() {
            self.register.renew(&self.consumer);
        }
        self.send_commit()
    }

    fn group_event(&mut self, event: GroupEvent) -> Result<(), ConnectorError> {
        match event {
            GroupEvent::Assign(names) => {
                self.resolving = Some(names);
                self.pause_until = Instant::now();
            }
            GroupEvent::Revoke { names, lost } => {
                let ids = self.share.revoke(&names, lost);
                if lost {
                    self.register.give(&ids);
                    self.put_aside(&ids);
                } else {
                    self.register.renew(&self.consumer);
                }
                if ids.is_empty() {
                    self.release(&[])?;
                } else {
                    self.pending.push_back(if lost { SourceEvent::Lost(ids.clone()) } else { SourceEvent::Revoked(ids.clone()) });
                    if lost {
                        // Nothing of them can be finished any more, and the group is joined again only after they are let go.
                        self.release(&ids)?;
                    }
                }
            }
            GroupEvent::Committed(refused) => {
                self.consumer.context().watch.alive();
                let mut again = Vec::new();
                for ((topic, partition), code) in refused {
                    let id = self.share.id(&topic, partition);
                    match failure::kind(code) {
                        // Fenced: the group went on without this member, which joins anew or is told that the partition is lost.
                        ErrorKind::Unreachable | ErrorKind::Fenced => again.extend(id),
                        _ => return Err(self.place().code(code, &format!("offset commit of topic {topic:?} partition {partition}"), "")),
                    }
                }
                for (id, position) in self.commits.answered(&again) {
                    self.share.confirmed(id, position);
                    self.starting.remove(&id);
                }
                self.pause_until = if again.is_empty() { self.pause_until } else { Instant::now() + PAUSE };
            }
            GroupEvent::CommitFailed(code) => match failure::kind(code) {
                ErrorKind::Unreachable | ErrorKind::Fenced => {
                    self.commits.unsent();
                    self.pause_until = Instant::now() + PAUSE;
                }
                _ => return Err(self.place().code(code, &format!("offset commit of group {:?}", self.group), "")),
            },
        }
        Ok(())
    }

    /// These partitions go: what was not confirmed of them is made up for if they come back. A sink that knows where it ended needs no help.
    fn put_aside(&mut self, ids: &[PartitionId]) {
        for id in ids {
            let unconfirmed = self.commits.forget(*id).filter(|_| !self.starts_in_sink);
            if let (Some(safe), Some(partition)) = (unconfirmed, self.share.get(*id)) {
                self.kept.keep(partition, safe);
            }
        }
    }

    /// A failure that librdkafka reports of the client as a whole.
    fn fail(&mut self, failure: ConnectorError) -> Result<(), ConnectorError> {
        if failure.kind != ErrorKind::Missing {
            return Err(failure);
        }
        // "Unknown topic" may be a broker that has not heard of a new topic yet: ask, and name it.
        let look = Look::new(&self.settings, None)?;
        for topic in self.routes.keys() {
            if look.partitions(topic)?.is_none() {
                return Err(missing(self.place(), topic));
            }
        }
        Ok(())
    }

    /// Finds out where an assignment starts, then takes it.
    fn resolve(&mut self) -> Result<(), ConnectorError> {
        let Some(names) = self.resolving.take() else { return Ok(()) };
        let found = look::starts(&self.consumer, &names, self.from, self.starts_in_sink, RESOLVE_WAIT).and_then(|starts| {
            // Only a sink that looks for what it wrote has to know whether this is the topic that it wrote it from.
            let asked = if self.starts_in_sink { &*names } else { &[] };
            Ok((starts, look::identities(&self.consumer, asked, RESOLVE_WAIT)?))
        });
        let (mut starts, identities) = match found {
            Ok(found) => found,
            Err(error) if look::passes(&error) => {
                self.resolving = Some(names);
                self.pause_until = Instant::now() + PAUSE;
                return Ok(());
            }
            Err(error) => return Err(self.place().wrapped(&error, &format!("offsets of group {:?}", self.group))),
        };
        let mut late = Vec::new();
        for start in &mut starts {
            let safe = self.kept.take(&start.name, start.committed, start.end);
            // The oldest record is found again; where "now" or a time was is not.
            let moves = !self.starts_in_sink && safe.is_none() && start.committed.is_none() && self.from != From::Earliest;
            late.push((safe, moves));
            start.position = safe.unwrap_or(start.position);
        }
        self.kept.assigned();
        let mut assigned = self.share.assign(starts, if self.starts_in_sink { State::Waiting } else { State::Reading });
        for partition in &mut assigned {
            if let Some(identity) = identities.get(&*partition.topic) {
                partition.identity = Arc::clone(identity);
            }
            if self.starts_in_sink {
                let name = (Arc::clone(&partition.topic), partition.partition);
                partition.bookmark = Some(Arc::new(GroupBookmark::new(&self.register, partition.id, name)));
            }
        }
        self.register.take(assigned.iter().map(|partition| partition.id));
        for (partition, (safe, moves)) in assigned.iter().zip(late) {
            if let Some(start) = partition.start.filter(|_| moves) {
                self.starting.insert(partition.id);
                self.commits.want(partition.id, start);
            }
            if let Some(safe) = safe {
                tracing::info!(topic = %partition.topic, partition = partition.partition, offset = safe.0, "the commit is made up for");
                self.commits.want(partition.id, safe);
            }
        }
        self.fetch()?;
        self.pending.push_back(SourceEvent::Assigned(assigned));
        Ok(())
    }

    /// Hands librdkafka what is read from now on. That answers an assignment too, if only with nothing: the others wait for their start.
    fn fetch(&mut self) -> Result<(), ConnectorError> {
        let mut entries = Vec::new();
        for (id, Partition { name, position, .. }) in self.share.iter().filter(|(_, partition)| partition.state == State::Reading) {
            if self.queues.contains_key(&id) {
                continue;
            }
            let mut queue = Queue::partition(self.consumer.clone(), &name.0, name.1)
                .ok_or_else(|| self.place().error(ErrorKind::Bug, "an assigned partition without a queue"))?;
            queue.on_ready(&self.signal);
            self.queues.insert(id, queue);
            entries.push((name, Offset::Offset(position.0)));
        }
        let list = look::list(entries);
        list.and_then(|list| self.consumer.incremental_assign(&list)).map_err(|error| self.place().wrapped(&error, "assignment"))?;
        self.register.renew(&self.consumer);
        Ok(())
    }

    /// The partition after the last one read that has something.
    fn ready(&self) -> Option<PartitionId> {
        let after = PartitionId(self.last_read.0 + 1);
        let ready = |id: &PartitionId, queue: &Queue| {
            queue.len() > 0 && !self.starting.contains(id) && self.share.get(*id).is_some_and(|partition| partition.state == State::Reading)
        };
        self.queues.range(after..).chain(self.queues.range(..after)).find(|(id, queue)| ready(id, queue)).map(|(id, _)| *id)
    }

    /// A batch of the next partition that has one.
    fn read(&mut self) -> Result<Option<RawBatch>, ConnectorError> {
        while let Some(id) = self.ready() {
            self.last_read = id;
            let (Some(queue), Some(partition)) = (self.queues.get(&id), self.share.get(id)) else { break };
            let (name, position) = (partition.name.clone(), partition.position);
            let mut messages = queue.take(&mut self.scratch);
            let errors = messages.take_errors();
            // Behind the last record may lie what no reader sees: the queue's position knows.
            let last = messages.len().checked_sub(1).map(|last| messages.offset(last) + 1);
            let end = queue.position().max(last).map(Position);
            // A rebalance makes librdkafka fetch again; what was taken at that moment can come twice.
            messages.drop_before(position.0);
            if let Some(error) = errors.first() {
                // librdkafka counts an error as a record, so its position is wrong from here on: none can be passed over.
                return Err(self.queue_error(&name, position, error));
            }
            if let Some(delta) = end.filter(|end| *end > position).and_then(|end| self.share.advance(id, end)) {
                let routes = self.routes.get(&name.0).cloned().unwrap_or_default();
                let bytes = messages.bytes();
                return Ok(Some(RawBatch { partition: id, delta, routes, records: Box::new(Batch::new(messages, name)), bytes }));
            }
        }
        Ok(None)
    }

    /// What a partition's queue reports instead of records.
    fn queue_error(&self, (topic, number): &Named, position: Position, error: &QueueError) -> ConnectorError {
        let doing = format!("topic {topic:?} partition {number}");
        match failure::kind(error.code) {
            ErrorKind::Missing if matches!(error.code, Code::AutoOffsetReset | Code::OffsetOutOfRange) => {
                let at = if error.offset >= 0 { error.offset } else { position.0 };
                let holds = self.consumer.fetch_watermarks(topic, *number, RESOLVE_WAIT).ok();
                self.not_there(&doing, at, holds)
            }
            ErrorKind::Missing => missing(self.place(), topic),
            ErrorKind::Unreachable => self.place().code(error.code, &doing, &error.text).retry(Retry::Reopen),
            _ => self.place().code(error.code, &format!("{doing} offset {}", error.offset), &error.text),
        }
    }

    /// A position outside of what a partition holds, which is never jumped over.
    fn not_there(&self, partition: &str, at: i64, holds: Option<(i64, i64)>) -> ConnectorError {
        let holds = holds.map_or_else(String::new, |(low, high)| format!(": the partition holds {low} to {high}"));
        let help = if self.starts_in_sink {
            "records were deleted before they were read (retention), or the topic was created anew; to go on elsewhere, see `kpipe offsets`"
                .to_owned()
        } else {
            format!(
                "records were deleted before they were read (retention), or the topic was created anew; to go on, set the offsets of group {:?}",
                self.group
            )
        };
        self.place().error(ErrorKind::Missing, format!("{partition} offset {at} is not there{holds}")).help(help)
    }

    fn send_commit(&mut self) -> Result<(), ConnectorError> {
        if Instant::now() < self.pause_until {
            return Ok(());
        }
        let Some(positions) = self.commits.next() else { return Ok(()) };
        let entries = positions.iter().filter_map(|(id, position)| Some((&self.share.get(*id)?.name, Offset::Offset(position.0))));
        match look::list(entries).and_then(|list| self.main.commit(&list).map_err(KafkaError::ConsumerCommit)) {
            Ok(()) => Ok(()),
            Err(error) if look::passes(&error) => {
                self.commits.unsent();
                self.pause_until = Instant::now() + PAUSE;
                Ok(())
            }
            Err(error) => Err(self.place().wrapped(&error, "offset commit")),
        }
    }
}

impl Source for KafkaSource {
    fn poll(&mut self, wait: Duration, accept: Accept) -> Result<SourceEvent, ConnectorError> {
        let deadline = Instant::now() + wait;
        loop {
            self.serve()?;
            if let Some(event) = self.pending.pop_front() {
                return Ok(event);
            }
            if accept == Accept::Records
                && let Some(batch) = self.read()?
            {
                return Ok(SourceEvent::Batch(batch));
            }
            let now = Instant::now();
            if now >= deadline {
                return Ok(SourceEvent::Idle);
            }
            let retry = if self.resolving.is_some() || !self.commits.is_settled() { PAUSE } else { SERVE_EVERY };
            self.signal.wait(retry.min(deadline - now));
        }
    }

    fn start(&mut self, id: PartitionId, position: Position) -> Result<(), ConnectorError> {
        match self.share.get(id) {
            Some(Partition { name: (topic, number), state: State::Waiting, low, end, .. }) => {
                if !(*low..=*end).contains(&position) {
                    return Err(self.not_there(&format!("topic {topic:?} partition {number}"), position.0, Some((low.0, end.0))));
                }
                self.share.begin(id, position);
                self.begun = true;
                Ok(())
            }
            Some(Partition { state: State::Reading, .. }) => Err(self.place().error(ErrorKind::Bug, format!("{id:?} has begun already"))),
            // It was taken away while the sink looked: the event that says so waits to be polled, or was.
            Some(Partition { state: State::Leaving | State::Lost, .. }) | None => Ok(()),
        }
    }

    fn commit(&mut self, positions: &[(PartitionId, Position)]) -> Result<(), ConnectorError> {
        for (id, position) in positions {
            match self.share.get(*id).map(|partition| partition.state) {
                Some(State::Waiting | State::Reading | State::Leaving) => self.commits.want(*id, *position),
                Some(State::Lost) | None => {
                    let what = format!("{id:?} is not this worker's any more, its offset {position} cannot be committed");
                    return Err(self.place().error(ErrorKind::Fenced, what).retry(Retry::Reopen));
                }
            }
        }
        self.send_commit()
    }

    fn settle(&mut self, wait: Duration) -> Result<(), ConnectorError> {
        let deadline = Instant::now() + wait;
        loop {
            self.serve()?;
            if self.commits.is_settled() && self.kept.is_settled() {
                return Ok(());
            }
            let now = Instant::now();
            if now >= deadline {
                let what = format!("offset commit of group {:?} was not confirmed within {} ms", self.group, wait.as_millis());
                return Err(self.consumer.context().watch.away().unwrap_or_else(|| self.place().error(ErrorKind::Unreachable, what)));
            }
            self.signal.wait(PAUSE.min(deadline - now));
        }
    }

    fn release(&mut self, partitions: &[PartitionId]) -> Result<(), ConnectorError> {
        // The next owner starts where the group stands, so what is committed by now has to be there before it asks.
        if self.commits.holds(partitions)
            && let Err(error) = self.settle(RELEASE_WAIT)
        {
            if error.kind != ErrorKind::Unreachable {
                return Err(error);
            }
            tracing::warn!("partitions are given away before their offsets were confirmed, their next owner reads again: {error}");
        }
        let leaving = |id: &PartitionId| self.share.get(*id).is_some_and(|partition| partition.state.is_going());
        let leaving: Vec<_> = partitions.iter().copied().filter(leaving).collect();
        self.put_aside(&leaving);
        self.register.give(partitions);
        let done = self.share.release(partitions);
        self.queues.retain(|id, _| self.share.get(*id).is_some());
        self.starting.retain(|id| self.share.get(*id).is_some());
        let Some(names) = done else { return Ok(()) };
        look::list(names.iter().map(|name| (name, Offset::Invalid)))
            .and_then(|list| self.consumer.incremental_unassign(&list))
            .map_err(|error| self.place().wrapped(&error, "giving partitions away"))
    }

    fn ends(&mut self) -> Vec<(PartitionId, Position)> {
        let consumer = &*self.consumer;
        let end = |(topic, number): &Named, known: Position| {
            ffi::cached_watermarks(consumer, topic, *number).map_or(known, |(_, high)| known.max(Position(high)))
        };
        self.share.iter().map(|(id, partition)| (id, end(&partition.name, partition.end.max(partition.position)))).collect()
    }
}

impl Drop for KafkaSource {
    /// Leaves the group: what librdkafka waits for is given back, the rest goes when the consumer closes.
    fn drop(&mut self) {
        self.consumer.context().close();
        self.queues.clear();
        let waiting = match self.share.pending() {
            _ if self.resolving.is_some() => self.consumer.incremental_assign(&rdkafka::TopicPartitionList::new()),
            None => Ok(()),
            Some(pending) => {
                look::list(pending.iter().map(|name| (name, Offset::Invalid))).and_then(|list| self.consumer.incremental_unassign(&list))
            }
        };
        if let Err(error) = waiting {
            tracing::debug!("while leaving group {:?}: {error}", self.group);
        }
    }
}

fn missing(place: &Place, topic: &str) -> ConnectorError {
    place.missing_topic(topic).help("check the name in FROM; a source does not create topics")
}

#[cfg(test)]
mod tests;
