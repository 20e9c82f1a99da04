//! The commit stage: the one point at which the files of a set begin to count.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use futures_util::future::BoxFuture;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::runtime::Handle;

use super::{CommittedSet, Fence, FileFacts, Hold, SetResult, StagedFile, StagedSet};
use crate::connector::{Completed, FileStore, IfExists};
use crate::error::ConnectorError;
use crate::ledger::{FileEntry, Keeper, NotCommitted};
use crate::limits::FILES_IN_FLIGHT_MAX;
#[cfg(test)]
use crate::planted::{PlantedBug, is_planted};
use crate::retry::Retries;

/// Makes a staged set count. When it returns, the set's delta is applied to the checkpoint and the source may commit.
///
/// Called for one set of a partition at a time, in the order of their deltas.
pub(crate) trait Committer: Send + Sync {
    /// Commits, as long as the fence is up.
    fn commit(&self, set: StagedSet, fence: Fence) -> BoxFuture<'_, Result<CommittedSet, ConnectorError>>;
}

/// Completes the uploads of a set, then reports it; the position moves afterwards. Whoever stops in between writes the set again: under
/// the same names if it closes at the same offsets, else as duplicates of a whole named range.
pub(crate) struct AtLeastOnce {
    /// By route.
    pub(crate) stores: Vec<Arc<dyn FileStore>>,
    /// By route: what its names promise about an object that is there.
    pub(crate) if_exists: Vec<IfExists>,
    pub(crate) retries: Arc<Retries>,
}

impl AtLeastOnce {
    async fn complete(&self, file: &StagedFile, fence: &Fence) -> Result<Completed, ConnectorError> {
        let StagedFile { facts, upload, parts } = file;
        let (store, if_exists) = (&self.stores[facts.route], self.if_exists[facts.route]);
        self.retries.run(fence, || store.complete(&facts.key, upload, parts, if_exists)).await
    }
}

impl Committer for AtLeastOnce {
    fn commit(&self, set: StagedSet, fence: Fence) -> BoxFuture<'_, Result<CommittedSet, ConnectorError>> {
        Box::pin(async move {
            let StagedSet { id, partition, delta, reason: _, files } = set;
            let calls: Vec<_> = files.iter().map(|file| self.complete(file, &fence)).collect();
            let completed: Result<Vec<Completed>, _> = stream::iter(calls).buffer_unordered(FILES_IN_FLIGHT_MAX).try_collect().await;
            let outcomes = match completed {
                Ok(outcomes) => outcomes,
                Err(error) => {
                    clean_up(&self.stores, &files).await;
                    return Err(error);
                }
            };
            let existed = outcomes.iter().filter(|outcome| **outcome == Completed::Existed).count();
            Ok(CommittedSet { id, partition, delta, files: files.into_iter().map(|file| file.facts).collect(), existed })
        })
    }
}

/// Writes a set into the ledger, then completes its uploads. Whoever stops anywhere in between leaves a set that counts whole or not at all.
pub(crate) struct ExactlyOnce {
    pub(crate) keeper: Arc<Keeper>,
    /// By route.
    pub(crate) stores: Vec<Arc<dyn FileStore>>,
    /// By route.
    pub(crate) buckets: Vec<String>,
}

impl ExactlyOnce {
    fn entry(&self, file: &StagedFile) -> FileEntry {
        let StagedFile { facts, upload, parts } = file;
        let FileFacts { key, route, first, last, records, bytes } = facts;
        FileEntry {
            bucket: self.buckets[*route].clone(),
            key: key.clone(),
            upload: upload.clone(),
            parts: parts.clone(),
            first: *first,
            last: *last,
            records: *records,
            bytes: *bytes,
        }
    }
}

impl Committer for ExactlyOnce {
    fn commit(&self, set: StagedSet, fence: Fence) -> BoxFuture<'_, Result<CommittedSet, ConnectorError>> {
        Box::pin(async move {
            let StagedSet { id, partition, delta, reason, files } = set;
            let entries: Vec<FileEntry> = files.iter().map(|file| self.entry(file)).collect();
            #[cfg(test)]
            if is_planted(PlantedBug::PublishedFirst) {
                for StagedFile { facts, upload, parts } in &files {
                    self.stores[facts.route].complete(&facts.key, upload, parts, IfExists::Keep).await?;
                }
            }
            match self.keeper.commit(partition, delta, entries, reason.word(), &fence).await {
                Ok(()) => {}
                #[cfg(test)]
                Err(NotCommitted::Unknown(error)) if is_planted(PlantedBug::AbortsWhenUnknown) => {
                    clean_up(&self.stores, &files).await;
                    return Err(error);
                }
                Err(NotCommitted::Unknown(error)) => return Err(error),
                Err(NotCommitted::Never(error)) => {
                    clean_up(&self.stores, &files).await;
                    return Err(error);
                }
            }
            Ok(CommittedSet { id, partition, delta, files: files.into_iter().map(|file| file.facts).collect(), existed: 0 })
        })
    }
}

/// One attempt for each file; an upload that was completed is not there any more, which is no error.
async fn clean_up(stores: &[Arc<dyn FileStore>], files: &[StagedFile]) {
    for StagedFile { facts, upload, parts: _ } in files {
        if let Err(error) = stores[facts.route].abort(&facts.key, upload).await {
            tracing::debug!(key = facts.key, %error, "an upload stays behind unfinished");
        }
    }
}

/// Starts commits beside the task and sends their results to it.
pub(crate) struct Commits {
    committer: Arc<dyn Committer>,
    runtime: Handle,
    results: Sender<SetResult>,
}

impl Commits {
    pub(crate) fn new(committer: Arc<dyn Committer>, runtime: Handle, results: Sender<SetResult>) -> Self {
        Self { committer, runtime, results }
    }

    /// Whoever drops the hold gives the commit up: what is not completed by then stays invisible.
    pub(crate) fn start(&self, set: StagedSet) -> Hold {
        let fence = Fence::default();
        let hold = fence.hold();
        let (committer, results) = (Arc::clone(&self.committer), self.results.clone());
        self.runtime.spawn(async move {
            let (id, partition) = (set.id, set.partition);
            let result = committer.commit(set, fence).await;
            // A task that is gone does not want to know.
            let _gone = results.send(match result {
                Ok(committed) => SetResult::Committed(committed),
                Err(error) => SetResult::Failed { id, partition, error },
            });
        });
        hold
    }
}
