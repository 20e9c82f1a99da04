//! Whether a store refuses to overwrite when it is asked to.

use bytes::Bytes;

use super::keys;
use crate::connector::{Created, FileStore};
use crate::error::{ConnectorError, ErrorKind};
use crate::kill::kill_point;

/// What a store makes of `If-None-Match: *`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conditional {
    /// It refuses the second write.
    Honoured,
    /// It takes the second write as well: a ledger there would lose records.
    Ignored,
}

/// Writes a small object twice, then removes it.
///
/// # Errors
/// The store cannot be asked, or knows no conditional writes and says so.
pub async fn probe(store: &dyn FileStore, prefix: &str, nonce: &str) -> Result<Conditional, ConnectorError> {
    let key = keys::probe(prefix, nonce);
    let data = || Bytes::copy_from_slice(nonce.as_bytes());
    // The first answer may have been lost and the call repeated: only the second object decides.
    store.create(&key, data()).await?;
    kill_point("ledger.probe.written");
    let second = store.create(&key, data()).await?;
    if let Err(error) = store.remove(&[key]).await {
        tracing::debug!(%error, "the object of the probe stays behind");
    }
    Ok(match second {
        Created::Exists => Conditional::Honoured,
        Created::New => Conditional::Ignored,
    })
}

/// As [`probe`], for whoever only looks and wants to leave everything as it is. A claim that lies there is written once more with its own
/// bytes: a store that honours conditions refuses, and nothing happened. Where there is no claim yet, or it was not refused, an object of
/// its own decides as at a start, and is removed.
///
/// # Errors
/// As [`probe`].
pub async fn probe_gently(store: &dyn FileStore, prefix: &str, nonce: &str) -> Result<Conditional, ConnectorError> {
    if let [claim] = &store.list(&keys::claim_folder(prefix), "", 1).await?[..]
        && let Some(bytes) = store.get(&claim.key).await?
        && store.create(&claim.key, bytes).await? == Created::Exists
    {
        return Ok(Conditional::Honoured);
    }
    probe(store, prefix, nonce).await
}

/// Whether a store ignores conditions, or refuses them: something else has to say what counts.
#[must_use]
pub fn is_unconditional(probed: &Result<Conditional, ConnectorError>) -> bool {
    match probed {
        Ok(Conditional::Ignored) => true,
        Ok(Conditional::Honoured) => false,
        Err(error) => error.kind == ErrorKind::Invalid,
    }
}

/// Why there can be no ledger in a store that ignores conditions.
#[must_use]
pub fn refusal(place: &str) -> ConnectorError {
    let message = format!("{place} ignores `If-None-Match`: a ledger there would lose records");
    let help = "leave `commit.protocol` out: then the group's offsets say what counts; or use a store that honours conditional writes";
    ConnectorError::new(ErrorKind::Invalid, message).help(help)
}

#[cfg(test)]
mod tests {
    use super::super::testing::world;
    use super::*;

    #[tokio::test]
    async fn a_store_that_overwrites_is_found_out() {
        let (world, store) = world("probe");
        assert_eq!(probe(store.as_ref(), "lake", "one").await, Ok(Conditional::Honoured));
        world.ignore_create_only(true);
        assert_eq!(probe(store.as_ref(), "lake", "two").await, Ok(Conditional::Ignored));
        assert!(world.objects().is_empty(), "nothing stays behind");
    }

    #[tokio::test]
    async fn a_look_changes_nothing() {
        let (world, store) = world("probe-gently");
        assert_eq!(probe_gently(store.as_ref(), "lake", "one").await, Ok(Conditional::Honoured));
        assert!(world.objects().is_empty(), "nothing stays behind below an empty prefix");
        world.put_object("lake/.kpipe/claims/orders.json", Bytes::from_static(b"{}"));
        let before = world.objects();
        assert_eq!(probe_gently(store.as_ref(), "lake", "two").await, Ok(Conditional::Honoured));
        world.ignore_create_only(true);
        assert_eq!(probe_gently(store.as_ref(), "lake", "three").await, Ok(Conditional::Ignored));
        assert_eq!(world.objects(), before, "a claim keeps its bytes even where conditions are ignored");
    }
}
