//! The committed offset of a partition with its metadata, as a bookmark.
//!
//! A plain offset commit says the generation that the group has when librdkafka sends it. That may be a later one than when it was asked for,
//! if the coordinator was away in between: a worker that lost a partition could still move it. So a bookmark is written by a transaction,
//! which holds nothing else and says the generation that it is given: that of a moment in which the partition was this worker's.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kpipe_engine::connector::{Bookmark, Bookmarks, Mark, OpenRequest};
use kpipe_engine::env::Env;
use kpipe_engine::error::{ConnectorError, ErrorKind, Retry};
use kpipe_engine::position::{PartitionId, Position};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode as Code;

use super::failure::Place;
use super::ffi;
use super::look::{Asker, Look};
use super::member::Member;
use super::options::SourceOptions;
use super::rebalance::Named;
use super::settings::Settings;
use super::sink::Reports;

/// How long one step of a transaction, or a question, may take. What takes longer is tried again.
const STEP_WAIT: Duration = Duration::from_secs(5);
/// How long a commit may take until its outcome is known.
const OUTCOME_WAIT: Duration = Duration::from_secs(30);
/// How long the coordinator waits for a worker that died within a transaction. Until then nobody is told where the partition stands.
const TRANSACTION_MS: &str = "10000";

/// What the bookmarks of one member of a group share.
pub(super) struct Register {
    /// The client goes when the source goes, whoever still has a bookmark.
    consumer: Weak<BaseConsumer<Member>>,
    place: Place,
    config: ClientConfig,
    share: Mutex<Share>,
    /// Made when it is first needed, and anew when it is broken.
    producer: Mutex<Option<BaseProducer<Reports>>>,
}

/// What a member has, as of one generation.
#[derive(Default)]
struct Share {
    ids: BTreeSet<PartitionId>,
    /// `None` while the member is in no group.
    member: Option<Arc<ConsumerGroupMetadata>>,
    /// A commit was refused: the group may be of another generation by now.
    is_old: bool,
}

impl std::fmt::Debug for Register {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Register").field("place", &self.place).field("ids", &self.share().ids).finish_non_exhaustive()
    }
}

impl Register {
    pub(super) fn new(consumer: &Arc<BaseConsumer<Member>>, settings: &Settings, options: &SourceOptions) -> Self {
        // One that comes back under its old name ends the transaction that it died in.
        let instance = options.instance.as_ref().map_or_else(|| format!("{:016x}", Env::system().random.next()), String::clone);
        let config = settings.transactions(&format!("kpipe.{}.{instance}", options.group), TRANSACTION_MS);
        let (consumer, place) = (Arc::downgrade(consumer), settings.place.clone());
        Self { consumer, place, config, share: Mutex::default(), producer: Mutex::default() }
    }

    fn share(&self) -> MutexGuard<'_, Share> {
        self.share.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Partitions are this member's.
    pub(super) fn take(&self, ids: impl IntoIterator<Item = PartitionId>) {
        self.share().ids.extend(ids);
    }

    /// Partitions are given away or lost: to be called before the group hears that they are.
    pub(super) fn give(&self, ids: &[PartitionId]) {
        let mut share = self.share();
        for id in ids {
            share.ids.remove(id);
        }
    }

    /// The group may be of another generation. What the member has is still its own: whatever goes is given up before the group goes on.
    pub(super) fn renew(&self, consumer: &BaseConsumer<Member>) {
        let before = ffi::generation(consumer);
        let member = consumer.group_metadata();
        // Without a generation a commit would be nobody's, and the coordinator would take it from anybody.
        let member = member.filter(|_| before.is_some() && before == ffi::generation(consumer));
        let mut share = self.share();
        (share.member, share.is_old) = (member.map(Arc::new), false);
    }

    /// A commit was refused since.
    pub(super) fn is_old(&self) -> bool {
        self.share().is_old
    }

    /// As whom a partition is committed.
    fn member(&self, id: PartitionId, (topic, partition): &Named) -> Result<Arc<ConsumerGroupMetadata>, ConnectorError> {
        let mut share = self.share();
        if !share.ids.contains(&id) {
            let what = format!("topic {topic:?} partition {partition} is not this worker's any more");
            return Err(self.place.error(ErrorKind::Fenced, what).retry(Retry::Reopen));
        }
        if share.member.is_none() {
            share.is_old = true;
        }
        share.member.as_ref().map(Arc::clone).ok_or_else(|| self.regenerated())
    }

    fn regenerated(&self) -> ConnectorError {
        self.place.error(ErrorKind::Unreachable, "the group is being rebalanced").retry(Retry::Backoff)
    }

    fn read(&self, name: &Named) -> Result<Option<Mark>, ConnectorError> {
        let Some(consumer) = self.consumer.upgrade() else {
            return Err(self.place.error(ErrorKind::Fenced, "this worker has left the group").retry(Retry::Reopen));
        };
        mark(&consumer, name).map_err(|error| self.place.wrapped(&error, "committed offsets"))
    }

    /// One transaction. It is committed, or it is not and never will be, or the error says that this is not known.
    fn write(&self, id: PartitionId, name: &Named, mark: &Mark) -> Result<(), ConnectorError> {
        let mut producer = self.producer.lock().unwrap_or_else(PoisonError::into_inner);
        let list = listed(name, mark).map_err(|error| self.place.wrapped(&error, "offset commit"))?;
        let ready = match producer.take() {
            Some(ready) => ready,
            None => self.begin()?,
        };
        let member = match self.member(id, name) {
            Ok(member) => member,
            Err(error) => {
                *producer = Some(ready);
                return Err(error);
            }
        };
        match transact(&ready, &list, &member) {
            Ok(()) => {
                *producer = Some(ready);
                Ok(())
            }
            Err(error) => Err(self.failed(&mut producer, ready, &error)),
        }
    }

    /// A producer that nobody else of its name can get in the way of.
    fn begin(&self) -> Result<BaseProducer<Reports>, ConnectorError> {
        let producer: BaseProducer<Reports> = self
            .config
            .create_with_context(Reports::new(self.place.clone()))
            .map_err(|error| self.place.wrapped(&error, "transactions"))?;
        producer.init_transactions(STEP_WAIT).map_err(|error| self.place.wrapped(&error, "transactions"))?;
        Ok(producer)
    }

    /// Ends what was begun. A producer that cannot go on goes; its successor ends what it left.
    fn failed(&self, producer: &mut Option<BaseProducer<Reports>>, broken: BaseProducer<Reports>, error: &KafkaError) -> ConnectorError {
        let is_fatal = matches!(error, KafkaError::Transaction(error) if error.is_fatal());
        if !is_fatal {
            match broken.abort_transaction(STEP_WAIT) {
                Ok(()) => *producer = Some(broken),
                Err(error) => tracing::debug!(%error, "a transaction was left behind"),
            }
        }
        match error.rdkafka_error_code() {
            // The next call says the generation that the group has by then, if the partition is still this worker's.
            Some(Code::IllegalGeneration | Code::UnknownMemberId | Code::RebalanceInProgress | Code::StaleMemberEpoch) => {
                self.share().is_old = true;
                self.regenerated()
            }
            _ => self.place.wrapped(error, "offset commit"),
        }
    }
}

/// The steps of a transaction.
fn transact(producer: &BaseProducer<Reports>, list: &TopicPartitionList, member: &ConsumerGroupMetadata) -> KafkaResult<()> {
    producer.begin_transaction()?;
    producer.send_offsets_to_transaction(list, member, STEP_WAIT)?;
    let deadline = Instant::now() + OUTCOME_WAIT;
    loop {
        match producer.commit_transaction(STEP_WAIT) {
            Err(KafkaError::Transaction(error)) if error.is_retriable() && Instant::now() < deadline => {}
            outcome => return outcome,
        }
    }
}

/// The offset of one partition with its metadata.
fn listed((topic, partition): &Named, mark: &Mark) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    let mut entry = list.add_partition(topic, *partition);
    entry.set_offset(Offset::Offset(mark.position.0))?;
    entry.set_metadata(&mark.word);
    Ok(list)
}

/// Where a group stands, once no transaction about that is under way.
fn mark<C: ConsumerContext>(consumer: &BaseConsumer<C>, (topic, partition): &Named) -> KafkaResult<Option<Mark>> {
    let mut asked = TopicPartitionList::new();
    asked.add_partition(topic, *partition);
    let answer = consumer.committed_offsets(asked, STEP_WAIT)?;
    let Some(entry) = answer.find_partition(topic, *partition) else { return Ok(None) };
    entry.error()?;
    Ok(match entry.offset() {
        Offset::Offset(offset) => Some(Mark { position: Position(offset), word: entry.metadata().to_owned() }),
        Offset::Beginning | Offset::End | Offset::Stored | Offset::Invalid | Offset::OffsetTail(_) => None,
    })
}

/// The bookmark of a partition that a member has.
#[derive(Debug)]
pub(super) struct GroupBookmark {
    register: Arc<Register>,
    id: PartitionId,
    name: Named,
}

impl GroupBookmark {
    pub(super) fn new(register: &Arc<Register>, id: PartitionId, name: Named) -> Self {
        Self { register: Arc::clone(register), id, name }
    }
}

impl Bookmark for GroupBookmark {
    fn read(&self) -> BoxFuture<'_, Result<Option<Mark>, ConnectorError>> {
        let (register, name) = (Arc::clone(&self.register), self.name.clone());
        aside(&self.register.place, move || register.read(&name)).boxed()
    }

    fn write(&self, mark: Mark) -> BoxFuture<'_, Result<(), ConnectorError>> {
        let (register, id, name) = (Arc::clone(&self.register), self.id, self.name.clone());
        aside(&self.register.place, move || register.write(id, &name, &mark)).boxed()
    }
}

/// Calls librdkafka where waiting holds nobody up.
async fn aside<T: Send + 'static>(
    place: &Place,
    call: impl FnOnce() -> Result<T, ConnectorError> + Send + 'static,
) -> Result<T, ConnectorError> {
    match tokio::task::spawn_blocking(call).await {
        Ok(answer) => answer,
        Err(error) => Err(place.error(ErrorKind::Bug, format!("a call to librdkafka: {error}"))),
    }
}

/// The bookmarks of a group whose members are away.
pub(super) struct Idle {
    look: Arc<Mutex<Look>>,
    place: Place,
    group: Arc<str>,
}

impl Idle {
    pub(super) fn open(request: &OpenRequest<'_>) -> Result<Self, ConnectorError> {
        let (settings, options) = (Settings::new(request)?, SourceOptions::new(request)?);
        let look = Arc::new(Mutex::new(Look::new(&settings, Some(&options.group))?));
        Ok(Self { look, place: settings.place, group: options.group.into() })
    }
}

impl Bookmarks for Idle {
    fn of(&self, topic: &Arc<str>, partition: i32) -> Arc<dyn Bookmark> {
        let (look, place, group) = (Arc::clone(&self.look), self.place.clone(), Arc::clone(&self.group));
        Arc::new(IdleBookmark { look, place, group, name: (Arc::clone(topic), partition) })
    }
}

/// One of them.
struct IdleBookmark {
    look: Arc<Mutex<Look>>,
    place: Place,
    group: Arc<str>,
    name: Named,
}

impl std::fmt::Debug for IdleBookmark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IdleBookmark({}[{}])", self.name.0, self.name.1)
    }
}

impl Bookmark for IdleBookmark {
    fn read(&self) -> BoxFuture<'_, Result<Option<Mark>, ConnectorError>> {
        let (look, name) = (Arc::clone(&self.look), self.name.clone());
        let read = move || {
            let look = look.lock().unwrap_or_else(PoisonError::into_inner);
            look.ask("committed offsets", |_| mark(look.consumer(), &name))
        };
        aside(&self.place, read).boxed()
    }

    fn write(&self, mark: Mark) -> BoxFuture<'_, Result<(), ConnectorError>> {
        let (look, name, place, group) = (Arc::clone(&self.look), self.name.clone(), self.place.clone(), Arc::clone(&self.group));
        let write = move || {
            let look = look.lock().unwrap_or_else(PoisonError::into_inner);
            let consumer: &BaseConsumer<Asker> = look.consumer();
            // Without a generation: the coordinator takes that only while the group has no members.
            match listed(&name, &mark).and_then(|list| consumer.commit(&list, CommitMode::Sync)) {
                Ok(()) => Ok(()),
                Err(error) if matches!(error.rdkafka_error_code(), Some(Code::UnknownMemberId | Code::IllegalGeneration)) => {
                    let what = format!("group {group:?} has members: its offsets cannot be set while they read");
                    Err(place.error(ErrorKind::Fenced, what).help("stop the pipeline, and try again"))
                }
                Err(error) => Err(place.wrapped(&error, "offset commit")),
            }
        };
        aside(&self.place, write).boxed()
    }
}
