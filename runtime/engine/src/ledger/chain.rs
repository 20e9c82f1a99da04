//! The records of each partition as they lie there, for whoever looks at a ledger from outside.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::audit::Audited;
use super::keys::{self, Scope};
use super::log::Name;
use super::progress::Progress;
use super::record::{Record, RecordNumber};
use crate::connector::{Bookmark, FileStore};
use crate::error::{ConnectorError, ErrorKind};
use crate::limits::FILES_IN_FLIGHT_MAX;

/// Keys that are listed at a time.
const PAGE: usize = 1_000;

/// The ledger of one partition: the keys of its records.
pub(super) struct Chain {
    pub(super) scope: Arc<Scope>,
    keys: BTreeMap<RecordNumber, String>,
    /// What says which records count, if it is not that they are there.
    pub(super) bookmark: Option<Arc<dyn Bookmark>>,
    /// It names none of them any more.
    pub(super) is_forgotten: bool,
}

/// Every ledger of a pipeline; only listed, nothing is read.
pub(super) async fn chains(audited: &Audited) -> Result<Vec<Chain>, ConnectorError> {
    let Some((store, _)) = audited.outputs.get(&audited.bucket) else { return Ok(Vec::new()) };
    let folder = keys::pipeline_folder(&audited.prefix, &audited.pipeline);
    let mut found: BTreeMap<Arc<Scope>, Listing> = BTreeMap::new();
    audited.progress.begin("listing the ledger", None);
    for (key, _) in all(store.as_ref(), &folder, &audited.progress).await? {
        if let Some((scope, n)) = scope_of(audited, &folder, &key) {
            found.entry(scope).or_default().entry(n).or_default().push(key);
        }
    }
    let mut chains = Vec::with_capacity(found.len());
    for (scope, listing) in found {
        chains.push(chain(audited, store.as_ref(), scope, listing).await?);
    }
    Ok(chains)
}

/// The objects of each number: several only where a bookmark says which one counts.
type Listing = BTreeMap<RecordNumber, Vec<String>>;

async fn chain(audited: &Audited, store: &dyn FileStore, scope: Arc<Scope>, listing: Listing) -> Result<Chain, ConnectorError> {
    let is_named = listing.values().flatten().any(|key| matches!(scope.record(key), Some((_, Some(_)))));
    let bookmark = audited.bookmarks.as_ref().filter(|_| is_named).map(|bookmarks| bookmarks.of(&scope.topic, scope.partition));
    let Some(bookmark) = bookmark else {
        let keys = listing.into_iter().filter_map(|(n, keys)| Some((n, keys.into_iter().next()?))).collect();
        return Ok(Chain { scope, keys, bookmark: None, is_forgotten: false });
    };
    let mark = bookmark.read().await?;
    let name = mark.and_then(|mark| Name::parse(&mark.word));
    // The first record of all only says where the pipeline began.
    let is_forgotten = name.is_none() && listing.keys().any(|n| *n > RecordNumber(1));
    let keys = named(store, &scope, listing, name).await?;
    Ok(Chain { scope, keys, bookmark: Some(bookmark), is_forgotten })
}

/// The objects that count, from the one that the bookmark names, or from the newest if it names none. Each record names the one before it,
/// which is looked up only where there are several.
async fn named(
    store: &dyn FileStore,
    scope: &Scope,
    listing: Listing,
    name: Option<Name>,
) -> Result<BTreeMap<RecordNumber, String>, ConnectorError> {
    let (newest, mut nonce) = name.map_or((RecordNumber(u64::MAX), None), |Name { n, nonce }| (n, Some(nonce)));
    let mut keys = BTreeMap::new();
    let mut listing = listing.into_iter().rev().filter(|(n, _)| *n <= newest).peekable();
    while let Some((n, candidates)) = listing.next() {
        let found = match nonce.take().map(|nonce| scope.named_key(n, &nonce)) {
            Some(key) => candidates.into_iter().find(|candidate| *candidate == key),
            None if candidates.len() == 1 || keys.is_empty() => candidates.into_iter().next(),
            None => None,
        };
        let Some(key) = found else { continue };
        if listing.peek().is_some_and(|(_, before)| before.len() > 1) {
            let record = store.get(&key).await?.and_then(|bytes| Record::from_bytes(n, &bytes).ok());
            nonce = record.and_then(|record| record.previous);
        }
        keys.insert(n, key);
    }
    Ok(keys)
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
        let key = self.keys.get(&n).map_or_else(|| self.scope.key(n), |key| key.as_str().to_owned());
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

/// `<topic>/<identity>/<partition>/<number>.json` below the folder, or `<number>-<nonce>.json`.
fn scope_of(audited: &Audited, folder: &str, key: &str) -> Option<(Arc<Scope>, RecordNumber)> {
    let parts: Vec<&str> = key.strip_prefix(folder)?.split('/').collect();
    let [topic, identity, partition, name] = parts[..] else { return None };
    let (prefix, pipeline) = (Arc::clone(&audited.prefix), Arc::clone(&audited.pipeline));
    let scope = Scope { prefix, pipeline, topic: topic.into(), identity: identity.into(), partition: partition.parse().ok()? };
    Some((Arc::new(scope), keys::record(name)?.0))
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
