//! Whether a store refuses to overwrite when it is asked to.

use bytes::Bytes;

use super::keys;
use crate::connector::{Created, FileStore};
use crate::error::ConnectorError;
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
}
