//! One pipeline writes the records of a topic below a prefix: two would write the same names with other data.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::keys;
use crate::connector::{Created, FileStore};
use crate::error::{ConnectorError, ErrorKind};
use crate::kill::kill_point;

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Claim {
    v: u32,
    pipeline: String,
}

/// Claims a topic below a prefix for a pipeline, for good. Where a store overwrites what is there (`looks_first`), two that claim in the same
/// moment may both believe that it is theirs; each later start sees whose it is.
///
/// # Errors
/// Another pipeline has it; the store cannot be asked.
pub(super) async fn claim(
    store: &dyn FileStore,
    prefix: &str,
    topic: &str,
    pipeline: &str,
    looks_first: bool,
) -> Result<(), ConnectorError> {
    let key = keys::claim(prefix, topic);
    let ours = Claim { v: 1, pipeline: pipeline.to_owned() };
    let bytes = serde_json::to_vec(&ours).map_err(|error| ConnectorError::new(ErrorKind::Bug, format!("a claim: {error}")))?;
    let bytes = Bytes::from(bytes);
    let is_ours = match looks_first {
        true if store.get(&key).await?.is_some() => false,
        true => store.put(&key, bytes).await.map(|()| false)?,
        false => store.create(&key, bytes).await? == Created::New,
    };
    kill_point("ledger.claim.written");
    if is_ours {
        return Ok(());
    }
    // Gone in the same moment: the next start claims it.
    let Some(there) = store.get(&key).await? else { return Ok(()) };
    let place = store.place();
    let help = format!("choose another `prefix`; if that pipeline is gone for good, remove the object {key} of {place}");
    match serde_json::from_slice::<Claim>(&there) {
        Ok(claim) if claim.pipeline == pipeline => Ok(()),
        Ok(claim) => {
            let message = format!("{place}: pipeline \"{}\" writes topic \"{topic}\" below prefix \"{prefix}\" already", claim.pipeline);
            Err(ConnectorError::new(ErrorKind::Fenced, message).help(help))
        }
        Err(error) => Err(ConnectorError::new(ErrorKind::Fenced, format!("{place}: {key} is no claim of kpipe's: {error}")).help(help)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::world;
    use super::*;

    #[tokio::test]
    async fn a_prefix_has_one_pipeline_a_topic() {
        let (_world, store) = world("claims");
        let store = store.as_ref();
        claim(store, "lake", "orders", "one", false).await.unwrap();
        claim(store, "lake", "orders", "one", false).await.unwrap();
        claim(store, "lake", "payments", "two", false).await.unwrap();
        claim(store, "pond", "orders", "two", false).await.unwrap();
        let error = claim(store, "lake", "orders", "two", false).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Fenced);
        assert!(error.message.ends_with("pipeline \"one\" writes topic \"orders\" below prefix \"lake\" already"), "{}", error.message);
        assert!(error.help.unwrap().contains(".kpipe/claims/orders.json"));
    }

    #[tokio::test]
    async fn a_store_that_overwrites_keeps_the_first_claim_too() {
        let (world, store) = world("claims-overwritten");
        world.ignore_create_only(true);
        let store = store.as_ref();
        claim(store, "lake", "orders", "one", true).await.unwrap();
        claim(store, "lake", "orders", "one", true).await.unwrap();
        let error = claim(store, "lake", "orders", "two", true).await.unwrap_err();
        assert!(error.message.contains("pipeline \"one\" writes topic"), "{}", error.message);
    }

    #[tokio::test]
    async fn what_lies_there_and_is_no_claim_is_not_overwritten() {
        let (world, store) = world("no-claim");
        world.put_object("lake/.kpipe/claims/orders.json", Bytes::from_static(b"hello"));
        let error = claim(store.as_ref(), "lake", "orders", "one", false).await.unwrap_err();
        assert!(error.message.contains("is no claim of kpipe's"), "{}", error.message);
    }
}
