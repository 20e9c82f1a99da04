//! The protocol over stores: takes partitions over, makes sets count, and keeps the head of each ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use kpipe_compiler::plan::CommitProtocol;
use tokio::sync::OnceCell;

use super::claim::claim;
use super::keys::Scope;
use super::log::{Ledger, Log};
use super::machine::{Answer, Ask, Machine, MachineError, Step};
use super::probe::{Conditional, is_unconditional, probe, refusal};
use super::record::{FileEntry, Marks, Record, RecordNumber, Undone};
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
    /// What makes a record count, if that is settled.
    pub(crate) protocol: CommitProtocol,
}

/// Keeps the ledgers of a task's partitions.
pub(crate) struct Keeper {
    place: Place,
    retries: Arc<Retries>,
    held: Mutex<BTreeMap<PartitionId, Held>>,
    /// Whether bookmarks of the source say which records count.
    is_named: OnceCell<bool>,
    claimed: Mutex<BTreeSet<Arc<str>>>,
}

/// A partition that was taken over.
#[derive(Clone, Debug)]
struct Held {
    scope: Scope,
    log: Log,
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
        Self { place, retries, held: Mutex::default(), is_named: OnceCell::new(), claimed: Mutex::default() }
    }

    /// Takes a partition over: completes what its last owner committed, and fences that owner. Nothing that it still does counts from here on.
    pub(crate) async fn acquire(&self, assigned: &Assigned, fence: &Fence) -> Result<Taken, ConnectorError> {
        let log = self.log(assigned, fence).await?;
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
        let ledger = Ledger::new(&log, self.place.store.as_ref(), &scope, &self.retries, fence);
        let head = self.run(ledger, machine, first).await.map_err(|ended| self.said(&scope, ended))?;
        // A bookmark was read, and moved, since the source looked.
        let committed = if self.tells_source() { Some(head.end) } else { assigned.committed };
        let taken = taken(&self.place, &scope, &head, committed)?;
        let held = Held { scope, log, owner, head, seen: self.retries.env.clock.monotonic() };
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
            let key = scope.key_of(head);
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
        let Some(Held { scope, log, owner, head, seen }) = self.lock().get(&partition).cloned() else {
            let message = format!("a set of {partition:?}, which was not taken over");
            return Err(ConnectorError::new(ErrorKind::Bug, message).retry(Retry::Reopen).into());
        };
        let mut ledger = Ledger::new(&log, self.place.store.as_ref(), &scope, &self.retries, fence).at(&head);
        let is_old = self.retries.env.clock.monotonic().saturating_sub(seen) > LEDGER_LOOK_EVERY;
        if is_old && !self.tells_source() {
            self.look(&mut ledger, &scope, &head).await?;
        }
        let files = match head.undone {
            Some(undone) => {
                let before = ledger.read(undone.n).await?.ok_or_else(|| self.failed(&scope, MachineError::Missing(undone.n)))?;
                self.once_more(&scope, (undone, before), delta, files, fence).await?
            }
            None => files,
        };
        let marks = self.marks(&owner, head.n, reason);
        let (machine, first) = Machine::commit(&head, delta, files, marks).map_err(|error| self.failed(&scope, error))?;
        let head = match self.run(ledger, machine, first).await {
            Ok(head) => head,
            // It counts. Whoever takes the partition over next, likely this worker, undoes it.
            Err(Ended::Protocol(error @ MachineError::Lost { .. })) => {
                return Err(NotCommitted::Unknown(self.failed(&scope, error).retry(Retry::Reopen)));
            }
            Err(Ended::Protocol(error @ MachineError::Fenced { .. })) => return Err(NotCommitted::Never(self.failed(&scope, error))),
            Err(ended) => return Err(NotCommitted::Unknown(self.said(&scope, ended))),
        };
        if let Some(held) = self.lock().get_mut(&partition) {
            (held.head, held.seen) = (Arc::clone(&head), self.retries.env.clock.monotonic());
        }
        if head.n.0 % LEDGER_TRIM_EVERY == 0
            && let Err(error) = sweep::records(self.place.store.as_ref(), &scope, &head).await
        {
            tracing::warn!(%error, %scope, "old ledger records are still there");
        }
        Ok(())
    }

    /// Of the files of a set that was undone and is written again, those that are not visible. The uploads of the others are given up.
    async fn once_more(
        &self,
        scope: &Scope,
        (undone, before): (Undone, Record),
        delta: Delta,
        files: Vec<FileEntry>,
        fence: &Fence,
    ) -> Result<Vec<FileEntry>, ConnectorError> {
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
                // What is visible has to come out as it is, byte for byte: then the rest is the rest. A store that overwrites cannot compare.
                Some(stat) if self.tells_source() => {
                    if stat.crc64.is_some() && (stat.bytes, stat.crc64) == (file.bytes, file.crc64()) {
                        self.retries.run(fence, || store.abort(&file.key, &file.upload)).await?;
                    } else {
                        is_same = false;
                    }
                }
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
    async fn look(&self, ledger: &mut Ledger<'_>, scope: &Scope, head: &Record) -> Result<(), ConnectorError> {
        match ledger.newest().await? {
            Some(n) if n <= head.n => Ok(()),
            Some(n) => Err(self.failed(scope, MachineError::Fenced { n, owner: "?".to_owned() })),
            None => Err(self.failed(scope, MachineError::Missing(head.n))),
        }
    }

    async fn run(&self, mut ledger: Ledger<'_>, mut machine: Machine, first: Ask) -> Result<Arc<Record>, Ended> {
        let mut ask = first;
        loop {
            let answer = self.answer(&mut ledger, ask).await.map_err(Ended::Outside)?;
            match machine.next(answer).map_err(Ended::Protocol)? {
                Step::Ask(next) => ask = next,
                Step::Done(head) => return Ok(head),
            }
        }
    }

    async fn answer(&self, ledger: &mut Ledger<'_>, ask: Ask) -> Result<Answer, ConnectorError> {
        Ok(match ask {
            Ask::Newest => Answer::Newest(ledger.newest().await?),
            Ask::Read(n) => Answer::Record(ledger.read(n).await?.map(Arc::new)),
            Ask::Write(record) => Answer::Written(ledger.write(&record).await?),
            Ask::Publish(record) => {
                let lost = self.publish(ledger.scope(), &record, ledger.fence()).await?;
                kill_point("ledger.set.visible");
                lost.map_or(Answer::Published, |file| Answer::Lost(Box::new(file)))
            }
        })
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

    /// True once bookmarks say which records count: then the source hears where it stands with each record.
    pub(crate) fn tells_source(&self) -> bool {
        self.is_named.get().is_some_and(|is_named| *is_named)
    }

    /// What makes the records of a partition count.
    async fn log(&self, assigned: &Assigned, fence: &Fence) -> Result<Log, ConnectorError> {
        let is_named = *self.is_named.get_or_try_init(|| self.choose(assigned.bookmark.is_some(), fence)).await?;
        match (&assigned.bookmark, is_named) {
            (_, false) => Ok(Log::Store),
            (Some(bookmark), true) => Ok(Log::Bookmark(Arc::clone(bookmark))),
            (None, true) => {
                let message = "`commit.protocol: kafka` needs a source that keeps a word beside its offsets, and this one does not";
                Err(ConnectorError::new(ErrorKind::Invalid, message).help("leave `commit.protocol` out"))
            }
        }
    }

    /// Whether bookmarks are to say which records count.
    async fn choose(&self, has_bookmark: bool, fence: &Fence) -> Result<bool, ConnectorError> {
        let place = &self.place;
        match place.protocol {
            CommitProtocol::Kafka => return Ok(true),
            CommitProtocol::Auto | CommitProtocol::Ledger | CommitProtocol::Deterministic => {}
        }
        #[cfg(test)]
        if is_planted(PlantedBug::NoProbe) {
            return Ok(false);
        }
        let nonce = self.random_word();
        let probed = self.retries.run(fence, || probe(place.store.as_ref(), &place.prefix, &nonce)).await;
        if place.protocol == CommitProtocol::Auto && has_bookmark && is_unconditional(&probed) {
            tracing::warn!(place = place.store.place(), "`If-None-Match` is not honoured: the group's offsets say which records count");
            return Ok(true);
        }
        match probed? {
            Conditional::Honoured => Ok(false),
            Conditional::Ignored => Err(refusal(&place.store.place())),
        }
    }

    async fn claim(&self, topic: &Arc<str>, fence: &Fence) -> Result<(), ConnectorError> {
        if self.claimed.lock().unwrap_or_else(PoisonError::into_inner).contains(topic) {
            return Ok(());
        }
        for (bucket, prefix) in &self.place.outputs {
            if let Some(store) = self.place.buckets.get(bucket) {
                self.retries.run(fence, || claim(store.as_ref(), prefix, topic, &self.place.pipeline, self.tells_source())).await?;
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
        let (owner, reason, plan) = (owner.to_owned(), reason.to_owned(), self.place.plan.clone());
        Marks { owner, nonce, plan, reason, completed_through, is_named: self.tells_source() }
    }

    fn random_word(&self) -> String {
        let random = &self.retries.env.random;
        format!("{:016x}{:016x}", random.next(), random.next())
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
