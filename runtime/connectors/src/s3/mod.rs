//! S3 and what speaks its protocol, as a store of files.

mod client;
mod complete;
mod error;
mod inspect;
mod objects;
mod spec;
mod store;

use std::sync::Arc;

use kpipe_compiler::plan::{Route, Tail};
use kpipe_engine::connector::{ConnectorDef, FileStore, OpenRequest, PlanStore};
use kpipe_engine::error::{ConnectorError, ErrorKind};

use crate::files::StorePlans;
use store::Bucket;

/// The connector.
pub(crate) static CONNECTOR: ConnectorDef = ConnectorDef {
    spec: &spec::SPEC,
    source: None,
    records: None,
    store: Some(open),
    inspect: Some(inspect::inspect),
    newest: None,
    plans: Some(plans),
    bookmarks: None,
};

/// Bucket and prefix of each statement, in order.
fn targets(routes: &[Route]) -> impl Iterator<Item = (&str, &str)> {
    routes.iter().filter_map(|route| match &route.tail {
        Tail::Files(files) => Some((files.bucket.as_str(), files.prefix.as_str())),
        Tail::Records(_) => None,
    })
}

fn bucket(request: &OpenRequest<'_>, bucket: &str) -> Result<Bucket, ConnectorError> {
    Ok(Bucket::new(client::client(request)?, bucket))
}

fn open(request: &OpenRequest<'_>) -> Result<Arc<dyn FileStore>, ConnectorError> {
    let mut buckets: Vec<&str> = targets(request.routes).map(|(bucket, _)| bucket).collect();
    buckets.dedup();
    let [only] = buckets[..] else {
        let message = format!("s3: a store is opened for one bucket, not for {}", buckets.len());
        return Err(ConnectorError::new(ErrorKind::Bug, message));
    };
    Ok(Arc::new(bucket(request, only)?))
}

fn plans(request: &OpenRequest<'_>) -> Result<Box<dyn PlanStore>, ConnectorError> {
    let Some((first, prefix)) = targets(request.routes).next() else {
        return Err(ConnectorError::new(ErrorKind::Bug, "s3: no statement writes files"));
    };
    Ok(Box::new(StorePlans::new(Arc::new(bucket(request, first)?), prefix, request.runtime.clone())))
}

#[cfg(test)]
mod tests;
