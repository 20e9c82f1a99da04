//! The protocol over stores: takes partitions over, makes sets count, and keeps the head of each ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::OnceCell;

use super::claim::claim;
use super::keys::Scope;
use super::machine::{Answer, Ask, Machine, MachineError, Step};
use super::probe::{Conditional, probe, refusal};
use super::record::{FileEntry, Marks, Record, RecordError, RecordNumber, Undone};
use super::sweep;
use crate::connector::{Assigned, Completed, FileStore, IfExists};
use crate::error::{ConnectorError, ErrorKind, Retry};
use crate::kill::kill_point;
use crate::limits::{FILES_IN_FLIGHT_MAX, LEDGER_LOOK_EVERY, LEDGER_TRIM_EVERY};
use crate::path::Fence;
#[cfg(test)]
use crate::planted::{PlantedBug, is_planted};
use crate::position::{Delta, PartitionId, Position};
use crate::retry::Retries;

/// Where a pipeline's ledger lies and what its files go into.
pub(crate) struct Place {
    /// The store of the ledger.
    pub(crate) store: Arc<dyn FileStore>,
    /// Stores of files, by bucket.
    pub(crate) buckets: BTreeMap<String, Arc<dyn FileStore>>,
    /// Every bucket and prefix that files are written below.
    pub(crate) outputs: BTreeSet<(String, String)>,
    /// The prefix of the ledger.
    pub(crate) prefix: Arc<str>,
    /// The pipeline.
    pub(crate) pipeline: Arc<str>,
    /// Its plan, as a hash.
    pub(crate) plan: String,
}

/// Keeps the ledgers of a task's partitions.
pub(crate) struct Keeper {
    place: Place,
    retries: Arc<Retries>,
    held: Mutex<BTreeMap<PartitionId, Held>>,
    conditional: OnceCell<()>,
    claimed: Mutex<BTreeSet<Arc<str>>>,
}

/// A partition that was taken over.
#[derive(Clone, Debug)]
struct Held {
    scope: Scope,
    owner: String,
    head: Arc<Record>,
    /// When the store last answered about this ledger.
    seen: Duration,
}

/// Where a partition that was taken over is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// The first position that does not count.
    pub(crate) start: Position,
    /// Where the source says that it stands, if that is another place.
    pub(crate) differs: Option<Position>,
    /// A set that was undone has to end there again.
    pub(crate) until: Option<Position>,
    /// The source is to hear where it stands: perhaps its last owner died before it could say so, and no record may come for long.
    pub(crate) is_news: bool,
}

/// Why a run of the protocol has no outcome.
enum Ended {
    /// The ledger itself says so.
    Protocol(MachineError),
    /// A store could not be asked, or holds something else; what the run wrote may be there.
    Outside(ConnectorError),
}

/// A set that does not count.
#[derive(Debug)]
pub(crate) enum NotCommitted {
    /// It never will: another worker wrote the record of its number.
    Never(ConnectorError),
    /// Perhaps it does, or will: the record may be there although no answer said so. Its uploads must stay.
    Unknown(ConnectorError),
}

impl From<ConnectorError> for NotCommitted {
    fn from(error: ConnectorError) -> Self {
        Self::Unknown(error)
    }
}

impl Keeper {
    pub(crate) fn new(place: Place, retries: Arc<Retries>) -> Self {
        Self { place, retries, held: Mutex::default(), conditional: OnceCell::new(), claimed: Mutex::default() }
    }

    /// Takes a partition over: completes what its last owner committed, and fences that owner. Nothing that it still does counts from here on.
    pub(crate) async fn acquire(&self, assigned: &Assigned, fence: &Fence) -> Result<Taken, ConnectorError> {
        self.conditional.get_or_try_init(|| self.check_store(fence)).await?;
        self.claim(&assigned.topic, fence).await?;
        #[cfg(test)]
        if is_planted(PlantedBug::SweepsFirst) {
            self.sweep_all(assigned, fence).await?;
        }
        let scope = self.scope(assigned);
        // Before anything is written: with a fence in a ledger of the new identity the next start would believe that all is well.
        self.check_identity(&scope, fence).await?;
        let owner = self.random_word();
        let advised = assigned.start.unwrap_or(Position(0));
        let (machine, first) = Machine::acquire(advised, self.marks(&owner, RecordNumber::NONE, "assigned"));
        let head = self.run(&scope, fence, machine, first).await.map_err(|ended| self.said(&scope, ended))?;
        let taken = taken(&self.place, &scope, &head, assigned.committed)?;
        let held = Held { scope, owner, head, seen: self.retries.env.clock.monotonic() };
        self.lock().insert(assigned.id, held);
        #[cfg(test)]
        if let (Some(start), true) = (assigned.start, is_planted(PlantedBug::StartsAtTheGroup)) {
            return Ok(Taken { start, ..taken });
        }
        Ok(taken)
    }

    #[cfg(test)]
    async fn sweep_all(&self, assigned: &Assigned, fence: &Fence) -> Result<(), ConnectorError> {
        let owned = [sweep::Owned { topic: Arc::clone(&assigned.topic), partition: assigned.partition, since_ms: i64::MAX }];
        for (bucket, prefix) in &self.place.outputs {
            sweep::uploads(self.place.buckets[bucket].as_ref(), prefix, &owned, fence, &self.retries).await?;
        }
        Ok(())
    }

    /// Removes uploads that nobody can complete any more: of partitions that this task has taken over, begun before that.
    pub(crate) async fn sweep(&self, fence: &Fence) -> Result<usize, ConnectorError> {
        let held: Vec<Held> = self.lock().values().cloned().collect();
        let mut owned = Vec::with_capacity(held.len());
        for Held { scope, head, .. } in &held {
            let key = scope.key(head.n);
            // A commit may have come since: then there is no fence to compare with, and the next owner sweeps.
            let is_fence = head.is_takeover();
            #[cfg(test)]
            let is_fence = is_fence || is_planted(PlantedBug::NoFence);
            if let Some(stat) = self.retries.run(fence, || self.place.store.stat(&key)).await?.filter(|_| is_fence) {
                let since_ms = stat.modified_ms;
                #[cfg(test)]
                let since_ms = if is_planted(PlantedBug::SweepIgnoresAge) || is_planted(PlantedBug::NoFence) { i64::MAX } else { since_ms };
                owned.push(sweep::Owned { topic: Arc::clone(&scope.topic), partition: scope.partition, since_ms });
            }
        }
        let mut removed = 0;
        for (bucket, prefix) in &self.place.outputs {
            let Some(store) = self.place.buckets.get(bucket) else { continue };
            removed += sweep::uploads(store.as_ref(), prefix, &owned, fence, &self.retries).await?;
        }
        Ok(removed)
    }

    /// Makes a set count, then visible. In the moment in which this returns, both are done.
    pub(crate) async fn commit(
        &self,
        partition: PartitionId,
        delta: Delta,
        files: Vec<FileEntry>,
        reason: &str,
        fence: &Fence,
    ) -> Result<(), NotCommitted> {
        let Some(Held { scope, owner, head, seen }) = self.lock().get(&partition).cloned() else {
            let message = format!("a set of {partition:?}, which was not taken over");
            return Err(ConnectorError::new(ErrorKind::Bug, message).retry(Retry::Reopen).into());
        };
        if self.retries.env.clock.monotonic().saturating_sub(seen) > LEDGER_LOOK_EVERY {
            self.look(&scope, &head, fence).await?;
        }
        let files = match head.undone {
            Some(undone) => self.once_more(&scope, undone, delta, files, fence).await?,
            None => files,
        };
        let marks = self.marks(&owner, head.n, reason);
        let (machine, first) = Machine::commit(&head, delta, files, marks).map_err(|error| self.failed(&scope, error))?;
        let head = match self.run(&scope, fence, machine, first).await {
            Ok(head) => head,
            // It counts. Whoever takes the partition over next, likely this worker, undoes it.
            Err(Ended::Protocol(error @ MachineError::Lost { .. })) => {
                return Err(NotCommitted::Unknown(self.failed(&scope, error).retry(Retry::Reopen)));
            }
            Err(Ended::Protocol(error @ MachineError::Fenced { .. })) => return Err(NotCommitted::Never(self.failed(&scope, error))),
            Err(ended) => return Err(NotCommitted::Unknown(self.said(&scope, ended))),
        };
        let n = head.n;
        if let Some(held) = self.lock().get_mut(&partition) {
            (held.head, held.seen) = (head, self.retries.env.clock.monotonic());
        }
        if n.0 % LEDGER_TRIM_EVERY == 0
            && let Err(error) = sweep::records(self.place.store.as_ref(), &scope, n).await
        {
            tracing::warn!(%error, %scope, "old ledger records are still there");
        }
        Ok(())
    }

    /// Of the files of a set that was undone and is written again, those that are not visible. The uploads of the others are given up.
    async fn once_more(
        &self,
        scope: &Scope,
        undone: Undone,
        delta: Delta,
        files: Vec<FileEntry>,
        fence: &Fence,
    ) -> Result<Vec<FileEntry>, ConnectorError> {
        let before = self.read(scope, undone.n, fence).await?.ok_or_else(|| self.failed(scope, MachineError::Missing(undone.n)))?;
        let is_named = |file: &FileEntry, by: &[FileEntry]| by.iter().any(|other| (&other.bucket, &other.key) == (&file.bucket, &file.key));
        let mut is_same = delta.end == undone.end && before.files.iter().all(|file| is_named(file, &files));
        let mut wanted = Vec::with_capacity(files.len());
        for file in files {
            let Some(store) = self.place.buckets.get(&file.bucket) else { continue };
            match self.retries.run(fence, || store.stat(&file.key)).await? {
                None => {
                    is_same &= is_named(&file, &before.files);
                    wanted.push(file);
                }
                // What is visible has to come out as it is, byte for byte: then the rest is the rest. The store compares.
                Some(_) => match self.retries.run(fence, || store.complete(&file.key, &file.upload, &file.parts, IfExists::Keep)).await {
                    Ok(completed) => is_same &= completed == Completed::Existed,
                    Err(error) if error.kind == ErrorKind::Fenced => is_same = false,
                    Err(error) => return Err(error),
                },
            }
        }
        if !is_same {
            let message = format!(
                "{scope}: prepared files of record {} of the ledger are gone, and positions {} to {} give other files now",
                undone.n, before.start, before.end
            );
            let help = "the topic was compacted, or records are decoded differently: `kpipe verify` names the files that are missing";
            return Err(ConnectorError::new(ErrorKind::Fenced, message).help(help));
        }
        Ok(wanted)
    }

    /// A partition is not this task's any more.
    pub(crate) fn release(&self, partition: PartitionId) {
        self.lock().remove(&partition);
    }

    /// A ledger that was not looked at for long is listed first: numbers that were removed as too old must not be written again.
    async fn look(&self, scope: &Scope, head: &Record, fence: &Fence) -> Result<(), ConnectorError> {
        match self.newest(scope, fence).await? {
            Some(n) if n <= head.n => Ok(()),
            Some(n) => Err(self.failed(scope, MachineError::Fenced { n, owner: "?".to_owned() })),
            None => Err(self.failed(scope, MachineError::Missing(head.n))),
        }
    }

    async fn run(&self, scope: &Scope, fence: &Fence, mut machine: Machine, first: Ask) -> Result<Arc<Record>, Ended> {
        let mut ask = first;
        loop {
            let answer = self.answer(scope, fence, ask).await.map_err(Ended::Outside)?;
            match machine.next(answer).map_err(Ended::Protocol)? {
                Step::Ask(next) => ask = next,
                Step::Done(head) => return Ok(head),
            }
        }
    }

    async fn answer(&self, scope: &Scope, fence: &Fence, ask: Ask) -> Result<Answer, ConnectorError> {
        Ok(match ask {
            Ask::Newest => Answer::Newest(self.newest(scope, fence).await?),
            Ask::Read(n) => Answer::Record(self.read(scope, n, fence).await?.map(Arc::new)),
            Ask::Write(record) => {
                let bytes = Bytes::from(record.to_bytes().map_err(|error| self.unreadable(scope, record.n, &error))?);
                let key = scope.key(record.n);
                #[cfg(test)]
                if is_planted(PlantedBug::LedgerOverwrites) {
                    self.retries.run(fence, || self.place.store.put(&key, bytes.clone())).await?;
                    return Ok(Answer::Written(crate::connector::Created::New));
                }
                let is_fence = record.is_takeover();
                kill_point(if is_fence { "ledger.fence.before" } else { "ledger.record.before" });
                let created = self.retries.run(fence, || self.place.store.create(&key, bytes.clone())).await?;
                kill_point(if is_fence { "ledger.fence.written" } else { "ledger.record.written" });
                Answer::Written(created)
            }
            Ask::Publish(record) => {
                let lost = self.publish(scope, &record, fence).await?;
                kill_point("ledger.set.visible");
                lost.map_or(Answer::Published, |file| Answer::Lost(Box::new(file)))
            }
        })
    }

    async fn newest(&self, scope: &Scope, fence: &Fence) -> Result<Option<RecordNumber>, ConnectorError> {
        let folder = scope.folder();
        // After the folder's own name: tools that show folders leave an empty object of it.
        let listed = self.retries.run(fence, || self.place.store.list(&folder, &folder, 1)).await?;
        let Some(first) = listed.first() else { return Ok(None) };
        match scope.number(&first.key) {
            Some(n) => Ok(Some(n)),
            None => {
                let message = format!("{}: {} lies among the ledger's records and is none", self.place.store.place(), first.key);
                Err(ConnectorError::new(ErrorKind::Fenced, message).help("move it away, and start again"))
            }
        }
    }

    async fn read(&self, scope: &Scope, n: RecordNumber, fence: &Fence) -> Result<Option<Record>, ConnectorError> {
        let key = scope.key(n);
        let bytes = self.retries.run(fence, || self.place.store.get(&key)).await?;
        bytes.map(|bytes| Record::from_bytes(n, &bytes)).transpose().map_err(|error| self.unreadable(scope, n, &error))
    }

    /// Completes the uploads of a record that is written. Comes back with one of those that are gone.
    async fn publish(&self, scope: &Scope, record: &Record, fence: &Fence) -> Result<Option<FileEntry>, ConnectorError> {
        let calls: Vec<_> = record.files.iter().map(|file| self.publish_file(scope, record, file, fence)).collect();
        let visible: Vec<bool> = stream::iter(calls).buffered(FILES_IN_FLIGHT_MAX).try_collect().await?;
        Ok(record.files.iter().zip(visible).find(|(_, is_visible)| !is_visible).map(|(file, _)| file.clone()))
    }

    /// False if the upload is gone and left no object.
    async fn publish_file(&self, scope: &Scope, record: &Record, file: &FileEntry, fence: &Fence) -> Result<bool, ConnectorError> {
        let Some(store) = self.place.buckets.get(&file.bucket) else {
            let message =
                format!("{scope}: record {} of the ledger names bucket \"{}\", which no statement writes to", record.n, file.bucket);
            return Err(ConnectorError::new(ErrorKind::Fenced, message)
                .help("run the plan before once more with `--until-caught-up`, so that it completes what it committed"));
        };
        #[cfg(test)]
        if is_planted(PlantedBug::PublishGivesUp) {
            let _given_up = store.complete(&file.key, &file.upload, &file.parts, IfExists::Keep).await;
            return Ok(true);
        }
        let completed = self.retries.run(fence, || store.complete(&file.key, &file.upload, &file.parts, IfExists::Keep)).await;
        #[cfg(test)]
        let completed = match completed {
            Err(error) if error.kind == ErrorKind::Missing && is_planted(PlantedBug::GoneIsPublished) => return Ok(true),
            completed => completed,
        };
        kill_point("ledger.file.completed");
        match completed {
            Ok(_) => Ok(true),
            Err(error) if error.kind == ErrorKind::Missing => {
                tracing::warn!(%error, %scope, record = %record.n, key = file.key, "a file that counts was removed before it was visible");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    async fn check_store(&self, fence: &Fence) -> Result<(), ConnectorError> {
        #[cfg(test)]
        if is_planted(PlantedBug::NoProbe) {
            return Ok(());
        }
        let nonce = self.random_word();
        let place = &self.place;
        match self.retries.run(fence, || probe(place.store.as_ref(), &place.prefix, &nonce)).await? {
            Conditional::Honoured => Ok(()),
            Conditional::Ignored => Err(refusal(&place.store.place())),
        }
    }

    async fn claim(&self, topic: &Arc<str>, fence: &Fence) -> Result<(), ConnectorError> {
        if self.claimed.lock().unwrap_or_else(PoisonError::into_inner).contains(topic) {
            return Ok(());
        }
        for (bucket, prefix) in &self.place.outputs {
            if let Some(store) = self.place.buckets.get(bucket) {
                self.retries.run(fence, || claim(store.as_ref(), prefix, topic, &self.place.pipeline)).await?;
            }
        }
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner).insert(Arc::clone(topic));
        Ok(())
    }

    /// A topic that has a ledger under another identity was created anew.
    async fn check_identity(&self, scope: &Scope, fence: &Fence) -> Result<(), ConnectorError> {
        let folder = scope.topic_folder();
        let mut after = scope.topic_folder();
        loop {
            let listed = self.retries.run(fence, || self.place.store.list(&folder, &after, 1)).await?;
            let Some(first) = listed.first() else { return Ok(()) };
            let identity = first.key[folder.len()..].split('/').next().unwrap_or_default().to_owned();
            if identity != *scope.identity {
                let message = format!("{scope}: the topic was created anew: its id is {}, the ledger knows {identity}", scope.identity);
                let help = "its offsets start again, so names would collide: write below another `prefix`";
                return Err(ConnectorError::new(ErrorKind::Fenced, message).help(help));
            }
            // The character behind `/` skips this identity's whole folder.
            after = format!("{folder}{identity}0");
        }
    }

    fn scope(&self, assigned: &Assigned) -> Scope {
        Scope {
            prefix: Arc::clone(&self.place.prefix),
            pipeline: Arc::clone(&self.place.pipeline),
            topic: Arc::clone(&assigned.topic),
            #[cfg(test)]
            identity: if is_planted(PlantedBug::IdentityIgnored) { "-".into() } else { Arc::clone(&assigned.identity) },
            #[cfg(not(test))]
            identity: Arc::clone(&assigned.identity),
            partition: assigned.partition,
        }
    }

    fn marks(&self, owner: &str, completed_through: RecordNumber, reason: &str) -> Marks {
        let nonce = self.random_word();
        #[cfg(test)]
        let nonce = if is_planted(PlantedBug::NonceOfNumber) { "nonce".to_owned() } else { nonce };
        Marks { owner: owner.to_owned(), nonce, plan: self.place.plan.clone(), reason: reason.to_owned(), completed_through }
    }

    fn random_word(&self) -> String {
        let random = &self.retries.env.random;
        format!("{:016x}{:016x}", random.next(), random.next())
    }

    fn unreadable(&self, scope: &Scope, n: RecordNumber, error: &RecordError) -> ConnectorError {
        let message = format!("{}: {}: {error}", self.place.store.place(), scope.key(n));
        ConnectorError::new(ErrorKind::Fenced, message).help("`kpipe ledger show` says what the records around it hold")
    }

    fn said(&self, scope: &Scope, ended: Ended) -> ConnectorError {
        match ended {
            Ended::Protocol(error) => self.failed(scope, error),
            Ended::Outside(error) => error,
        }
    }

    fn failed(&self, scope: &Scope, error: MachineError) -> ConnectorError {
        let message = format!("{scope}: {error}");
        match error {
            // The group decides who has it: this worker joins again, and takes it over if it is its own.
            MachineError::Fenced { .. } => ConnectorError::new(ErrorKind::Fenced, message).retry(Retry::Reopen),
            MachineError::Overlap { .. } | MachineError::OutOfTurn => ConnectorError::new(ErrorKind::Bug, message).retry(Retry::Reopen),
            MachineError::Lost { ref file, .. } => {
                let help = format!(
                    "`kpipe offsets reset --to {} --only '{scope}'` reads from there again; look for a lifecycle rule that aborts uploads after \
                     less than a week",
                    file.first
                );
                ConnectorError::new(ErrorKind::Fenced, message).help(help)
            }
            MachineError::Missing(_) | MachineError::Broken { .. } => ConnectorError::new(ErrorKind::Fenced, message)
                .help("somebody changed the ledger by hand: `kpipe verify` says what is there and what is missing"),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<PartitionId, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where to read from, and whether the source thinks otherwise.
fn taken(place: &Place, scope: &Scope, head: &Record, committed: Option<Position>) -> Result<Taken, ConnectorError> {
    match committed {
        // The group only ever hears what a record says: it cannot be ahead by itself.
        Some(committed) if committed > head.end && !head.is_reset() => {
            let message = format!(
                "{scope}: the group stands at {committed}, but the ledger below \"{}\" of {} ends at {}",
                place.prefix,
                place.store.place(),
                head.end
            );
            let help = "somebody moved the group or removed ledger records: `kpipe offsets reset` says which of the two counts";
            Err(ConnectorError::new(ErrorKind::Fenced, message).help(help))
        }
        committed => Ok(Taken {
            start: head.end,
            until: head.undone.map(|undone| undone.end),
            differs: committed.filter(|committed| *committed != head.end),
            is_news: committed != Some(head.end),
        }),
    }
}
