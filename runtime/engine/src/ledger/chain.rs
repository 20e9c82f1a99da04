//! The records of each partition as they lie there, for whoever looks at a ledger from outside.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::audit::Audited;
use super::keys::{self, Scope};
use super::progress::Progress;
use super::record::{Record, RecordNumber};
use crate::connector::FileStore;
use crate::error::{ConnectorError, ErrorKind};
use crate::limits::FILES_IN_FLIGHT_MAX;

/// Keys that are listed at a time.
const PAGE: usize = 1_000;

/// The ledger of one partition: the keys of its records.
pub(super) struct Chain {
    pub(super) scope: Arc<Scope>,
    keys: BTreeMap<RecordNumber, String>,
}

/// Every ledger of a pipeline; only listed, nothing is read.
pub(super) async fn chains(audited: &Audited) -> Result<Vec<Chain>, ConnectorError> {
    let Some((store, _)) = audited.outputs.get(&audited.bucket) else { return Ok(Vec::new()) };
    let folder = keys::pipeline_folder(&audited.prefix, &audited.pipeline);
    let mut chains: BTreeMap<Arc<Scope>, BTreeMap<RecordNumber, String>> = BTreeMap::new();
    audited.progress.begin("listing the ledger", None);
    for (key, _) in all(store.as_ref(), &folder, &audited.progress).await? {
        if let Some((scope, n)) = scope_of(audited, &folder, &key) {
            chains.entry(scope).or_default().insert(n, key);
        }
    }
    Ok(chains.into_iter().map(|(scope, keys)| Chain { scope, keys }).collect())
}

impl Chain {
    /// How many records there are.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The bytes of all its records, with their keys.
    pub(super) async fn read(
        &self,
        store: &dyn FileStore,
        progress: &Progress,
    ) -> Result<BTreeMap<RecordNumber, (&str, Bytes)>, ConnectorError> {
        let reads: Vec<_> = self
            .keys
            .iter()
            .map(|(n, key)| async move {
                let bytes = store.get(key).await?;
                progress.add(1);
                // One that went meanwhile was too old.
                Ok::<_, ConnectorError>(bytes.map(|bytes| (*n, (key.as_str(), bytes))))
            })
            .collect();
        let read: Vec<_> = stream::iter(reads).buffered(FILES_IN_FLIGHT_MAX).try_collect().await?;
        Ok(read.into_iter().flatten().collect())
    }

    /// One of its records.
    ///
    /// # Errors
    /// It is not there, or no record.
    pub(super) async fn record(&self, store: &dyn FileStore, n: RecordNumber) -> Result<Record, ConnectorError> {
        let key = self.scope.key(n);
        let damaged = |why: String| {
            let message = format!("{}: {key}: {why}", self.scope);
            ConnectorError::new(ErrorKind::Fenced, message).help("`kpipe verify` says what else does not fit")
        };
        let bytes = store.get(&key).await?.ok_or_else(|| damaged("it is not there".to_owned()))?;
        Record::from_bytes(n, &bytes).map_err(|error| damaged(error.to_string()))
    }

    /// Its newest record.
    pub(super) async fn head(&self, store: &dyn FileStore) -> Result<Option<Record>, ConnectorError> {
        match self.keys.keys().next_back() {
            Some(n) => self.record(store, *n).await.map(Some),
            None => Ok(None),
        }
    }
}

/// The newest record of each partition.
///
/// # Errors
/// The store cannot be asked, or the newest object of a ledger is no record.
pub async fn heads(audited: &Audited) -> Result<Vec<(Arc<Scope>, Record)>, ConnectorError> {
    let Some((store, _)) = audited.outputs.get(&audited.bucket) else { return Ok(Vec::new()) };
    let mut heads = Vec::new();
    for chain in chains(audited).await? {
        if let Some(head) = chain.head(store.as_ref()).await? {
            heads.push((chain.scope, head));
        }
    }
    Ok(heads)
}

/// `<topic>/<identity>/<partition>/<number>.json` below the folder.
fn scope_of(audited: &Audited, folder: &str, key: &str) -> Option<(Arc<Scope>, RecordNumber)> {
    let parts: Vec<&str> = key.strip_prefix(folder)?.split('/').collect();
    let [topic, identity, partition, name] = parts[..] else { return None };
    let (prefix, pipeline) = (Arc::clone(&audited.prefix), Arc::clone(&audited.pipeline));
    let scope = Scope { prefix, pipeline, topic: topic.into(), identity: identity.into(), partition: partition.parse().ok()? };
    Some((Arc::new(scope), keys::number(name)?))
}

/// Every object below a prefix, with its length.
pub(super) async fn all(store: &dyn FileStore, prefix: &str, progress: &Progress) -> Result<Vec<(String, u64)>, ConnectorError> {
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let page = store.list(prefix, &after, PAGE).await?;
        let is_last = page.len() < PAGE;
        progress.add(page.len());
        found.extend(page.into_iter().map(|listed| (listed.key, listed.bytes)));
        match found.last() {
            Some((key, _)) if !is_last => after.clone_from(key),
            _ => return Ok(found),
        }
    }
}
