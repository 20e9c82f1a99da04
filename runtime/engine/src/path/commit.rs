//! The commit stage: the one point at which the files of a set begin to count.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use futures_util::future::BoxFuture;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::runtime::Handle;

use super::{CommittedSet, SetResult, StagedFile, StagedSet};
use crate::connector::{Completed, FileStore, IfExists};
use crate::error::ConnectorError;
use crate::limits::FILES_IN_FLIGHT_MAX;
use crate::retry::Retries;

/// Makes a staged set count. When it returns, the set's delta is applied to the checkpoint and the source may commit.
///
/// Called for one set of a partition at a time, in the order of their deltas.
pub(crate) trait Committer: Send + Sync {
    /// Commits.
    fn commit(&self, set: StagedSet) -> BoxFuture<'_, Result<CommittedSet, ConnectorError>>;
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
    async fn complete(&self, file: &StagedFile) -> Result<Completed, ConnectorError> {
        let StagedFile { facts, upload, parts } = file;
        let (store, if_exists) = (&self.stores[facts.route], self.if_exists[facts.route]);
        self.retries.run(|| store.complete(&facts.key, upload, parts, if_exists)).await
    }
}

impl Committer for AtLeastOnce {
    fn commit(&self, set: StagedSet) -> BoxFuture<'_, Result<CommittedSet, ConnectorError>> {
        Box::pin(async move {
            let StagedSet { id, partition, delta, reason: _, files } = set;
            let calls: Vec<_> = files.iter().map(|file| self.complete(file)).collect();
            let outcomes: Vec<Completed> = stream::iter(calls).buffer_unordered(FILES_IN_FLIGHT_MAX).try_collect().await?;
            let existed = outcomes.iter().filter(|outcome| **outcome == Completed::Existed).count();
            Ok(CommittedSet { id, partition, delta, files: files.into_iter().map(|file| file.facts).collect(), existed })
        })
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

    pub(crate) fn start(&self, set: StagedSet) {
        let (committer, results) = (Arc::clone(&self.committer), self.results.clone());
        self.runtime.spawn(async move {
            let (id, partition) = (set.id, set.partition);
            let result = committer.commit(set).await;
            // A task that is gone does not want to know.
            let _gone = results.send(match result {
                Ok(committed) => SetResult::Committed(committed),
                Err(error) => SetResult::Failed { id, partition, error },
            });
        });
    }
}
