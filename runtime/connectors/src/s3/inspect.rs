//! A look at the buckets of a pipeline.

use std::time::Duration;

use aws_sdk_s3::Client;
use kpipe_engine::connector::{Inspection, OpenRequest};
use kpipe_engine::error::{About, ConnectorError, ErrorKind};

use super::client::{self, Store};
use super::error::{Answer, Call};
use super::targets;
use crate::files::wait;

/// How long a store may take: somebody waits for the plan.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lists one key of each target: that tells a missing bucket from a denied one and from a wrong login, which HEAD does not.
///
/// # Errors
/// The store cannot be reached, or does not let this login in.
pub(super) fn inspect(request: &OpenRequest<'_>) -> Result<Inspection, ConnectorError> {
    let store = client::client(request)?;
    let mut found = Inspection { system: format!("S3 at {}", store.place), ..Inspection::default() };
    let mut buckets: Vec<(&str, &str)> = targets(request.routes).collect();
    buckets.sort_unstable();
    buckets.dedup_by_key(|(bucket, _)| *bucket);
    wait(&request.runtime, async {
        for (bucket, prefix) in buckets {
            if let Some(missing) = look(&store, &store.client, bucket, prefix).await? {
                found.missing.push(missing);
            }
        }
        Ok(())
    })?;
    Ok(found)
}

async fn look(store: &Store, client: &Client, bucket: &str, prefix: &str) -> Result<Option<ConnectorError>, ConnectorError> {
    let call = Call { place: &store.place, bucket, what: "list", key: "", login: store.login.as_deref() };
    let asked = client.list_objects_v2().bucket(bucket).prefix(prefix).max_keys(1).send();
    let Ok(answer) = tokio::time::timeout(PATIENCE, asked).await else {
        let message = format!("s3 at {}: no answer within {} s", store.place, PATIENCE.as_secs());
        return Err(ConnectorError::new(ErrorKind::Unreachable, message).about(About::Option("endpoint")));
    };
    match answer {
        Ok(_) => Ok(None),
        Err(error) => match call.failed(&error) {
            (Answer::NoBucket, error) => Ok(Some(error)),
            (_, error) => Err(error),
        },
    }
}
