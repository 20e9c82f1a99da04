//! The upload stage: every file of a closed set becomes a prepared multipart upload. Nothing is visible until the set is committed.
//!
//! A file's key holds its last offset, so an upload begins when its set closes; the parts were cut before, while the file grew, and are
//! counted by the budget until they are stored. Files of a set go up together, parts of a task within one bound.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::{EncodedFile, EncodedSet, Fence, Hold, SetResult, StagedFile, StagedSet};
use crate::budget::Lease;
use crate::connector::{FileStore, PartTag, UploadId};
use crate::error::ConnectorError;
use crate::event::Event;
use crate::format::spare::held_bytes;
use crate::kill::kill_point;
use crate::limits::{FILES_IN_FLIGHT_MAX, PARTS_IN_FLIGHT_MAX};
use crate::retry::Retries;

/// Uploads the sets of one task.
pub(crate) struct Uploader {
    shared: Arc<Shared>,
    runtime: Handle,
    results: Sender<SetResult>,
}

struct Shared {
    /// By route.
    stores: Vec<Arc<dyn FileStore>>,
    retries: Arc<Retries>,
    parts: Semaphore,
    /// Sets and clean-ups under way.
    active: AtomicUsize,
}

impl Uploader {
    /// `stores` by route.
    pub(crate) fn new(stores: Vec<Arc<dyn FileStore>>, retries: Arc<Retries>, runtime: Handle, results: Sender<SetResult>) -> Self {
        let (parts, active) = (Semaphore::new(PARTS_IN_FLIGHT_MAX), AtomicUsize::new(0));
        Self { shared: Arc::new(Shared { stores, retries, parts, active }), runtime, results }
    }

    /// Starts the upload of a set; its parts are counted by `lease`. The result comes over the channel.
    /// Whoever drops the hold gives the set up, unless it was staged by then.
    pub(crate) fn start(&self, set: EncodedSet, lease: Lease) -> Hold {
        let fence = Fence::default();
        let hold = fence.hold();
        let job = Job { shared: Arc::clone(&self.shared), lease: Mutex::new(lease), begun: Mutex::default(), fence };
        let results = self.results.clone();
        let active = Active::new(&self.shared);
        self.runtime.spawn(async move {
            let (id, partition) = (set.id, set.partition);
            let result = job.stage(set).await;
            if !job.fence.is_up() || result.is_err() {
                job.clean_up().await;
            }
            // A task that is gone does not want to know.
            let _gone = results.send(match result {
                Ok(staged) => SetResult::Staged(staged),
                Err(error) => SetResult::Failed { id, partition, error },
            });
            drop(active);
        });
        hold
    }

    /// Gives up a set that was staged but will not be committed.
    pub(crate) fn abandon(&self, set: StagedSet) {
        let shared = Arc::clone(&self.shared);
        let active = Active::new(&self.shared);
        self.runtime.spawn(async move {
            for file in set.files {
                shared.abort(file.facts.route, &file.facts.key, &file.upload).await;
            }
            drop(active);
        });
    }

    /// True if nothing is under way, clean-ups included.
    pub(crate) fn is_quiet(&self) -> bool {
        self.shared.active.load(Ordering::Relaxed) == 0
    }
}

/// Counts something under way until it is dropped.
struct Active(Arc<Shared>);

impl Active {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.active.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(shared))
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    /// One attempt: what stays behind is invisible, and the bucket's rule for unfinished uploads takes it.
    async fn abort(&self, route: usize, key: &str, upload: &UploadId) {
        if let Err(error) = self.stores[route].abort(key, upload).await {
            tracing::debug!(key, %error, "an upload stays behind unfinished");
        }
    }
}

/// One set on its way.
struct Job {
    shared: Arc<Shared>,
    lease: Mutex<Lease>,
    begun: Mutex<Vec<(usize, String, UploadId)>>,
    fence: Fence,
}

impl Job {
    async fn stage(&self, set: EncodedSet) -> Result<StagedSet, ConnectorError> {
        let EncodedSet { id, partition, delta, reason, files } = set;
        let staged = stream::iter(files).map(|file| self.stage_file(file)).buffer_unordered(FILES_IN_FLIGHT_MAX);
        let mut files: Vec<StagedFile> = staged.try_collect().await?;
        files.sort_by(|one, other| one.facts.key.cmp(&other.facts.key));
        kill_point("upload.set.staged");
        Ok(StagedSet { id, partition, delta, reason, files })
    }

    async fn stage_file(&self, file: EncodedFile) -> Result<StagedFile, ConnectorError> {
        let EncodedFile { facts, parts } = file;
        let store = &self.shared.stores[facts.route];
        let upload = self.shared.retries.run(&self.fence, || store.begin(&facts.key)).await?;
        kill_point("upload.begun");
        let begun = (facts.route, facts.key.clone(), upload.clone());
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).push(begun);
        let numbered = stream::iter((1_u32..).zip(parts));
        let sent = numbered.map(|(number, data)| self.send_part(store.as_ref(), &facts.key, &upload, number, data));
        let mut parts: Vec<PartTag> = sent.buffer_unordered(PARTS_IN_FLIGHT_MAX).try_collect().await?;
        parts.sort_by_key(|part| part.number);
        self.shared.retries.voice.say(&Event::Uploaded(facts.clone()));
        Ok(StagedFile { facts, upload, parts })
    }

    async fn send_part(
        &self,
        store: &dyn FileStore,
        key: &str,
        upload: &UploadId,
        number: u32,
        data: Bytes,
    ) -> Result<PartTag, ConnectorError> {
        let permit = self.shared.parts.acquire().await;
        let tag = self.shared.retries.run(&self.fence, || store.part(key, upload, number, data.clone())).await;
        kill_point("upload.part.stored");
        drop(permit);
        self.lease.lock().unwrap_or_else(PoisonError::into_inner).give_back(held_bytes(data.len()));
        tag
    }

    async fn clean_up(&self) {
        let begun = std::mem::take(&mut *self.begun.lock().unwrap_or_else(PoisonError::into_inner));
        for (route, key, upload) in begun {
            self.shared.abort(route, &key, &upload).await;
        }
    }
}

#[cfg(test)]
mod tests;
