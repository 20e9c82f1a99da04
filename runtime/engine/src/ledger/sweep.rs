//! What nobody needs any more: uploads of workers that were fenced, records that are too old to be read.

use std::sync::Arc;

use super::keys::{self, Scope};
use super::record::{Record, RecordNumber};
use crate::connector::FileStore;
use crate::error::ConnectorError;
use crate::kill::kill_point;
use crate::limits::{LEDGER_KEEP_MS, LEDGER_KEEP_RECORDS, LEDGER_TRIM_EVERY, SWEEP_UPLOADS_MAX};
use crate::path::Fence;
use crate::retry::Retries;

/// A partition that was taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owned {
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    /// When its fence was written, by the store's clock.
    pub(super) since_ms: i64,
}

/// Gives uploads up that belong to these partitions and were begun before they were taken over. Both times are the store's, so they can be
/// compared; whoever began such an upload cannot commit it any more, and what was committed is complete.
pub(super) async fn uploads(
    store: &dyn FileStore,
    prefix: &str,
    owned: &[Owned],
    fence: &Fence,
    retries: &Retries,
) -> Result<usize, ConnectorError> {
    let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
    let Some(found) = retries.run(fence, || store.uploads(&prefix, SWEEP_UPLOADS_MAX)).await? else {
        tracing::info!(place = store.place(), "this store does not list uploads by prefix: unfinished ones are left to a lifecycle rule");
        return Ok(0);
    };
    let mut removed = 0;
    for upload in found {
        let is_left = owned
            .iter()
            .any(|owned| keys::positions(&upload.key, &owned.topic, owned.partition).is_some() && upload.begun_ms < owned.since_ms);
        if is_left && fence.is_up() {
            kill_point("ledger.sweep.before");
            store.abort(&upload.key, &upload.upload).await?;
            kill_point("ledger.sweep.removed");
            removed += 1;
        }
    }
    Ok(removed)
}

/// Removes records that are old by number and by time. A very old worker could write a removed number anew, so it looks at the ledger first when
/// it slept for long.
pub(super) async fn records(store: &dyn FileStore, scope: &Scope, head: &Record) -> Result<usize, ConnectorError> {
    let Some(oldest_kept) = head.n.0.checked_sub(LEDGER_KEEP_RECORDS).filter(|n| *n > 0) else { return Ok(0) };
    let Some(now_ms) = store.stat(&scope.key_of(head)).await?.map(|stat| stat.modified_ms) else { return Ok(0) };
    let limit = usize::try_from(LEDGER_TRIM_EVERY * 4).unwrap_or(usize::MAX);
    let found = store.list(&scope.folder(), &scope.key(RecordNumber(oldest_kept)), limit).await?;
    let old = found.into_iter().filter(|listed| scope.record(&listed.key).is_some() && listed.modified_ms < now_ms - LEDGER_KEEP_MS);
    let keys: Vec<String> = old.map(|listed| listed.key).collect();
    if !keys.is_empty() {
        store.remove(&keys).await?;
    }
    Ok(keys.len())
}
