//! A world in memory: logs to read from, topics to produce to, buckets. It is a connector for tests and goldens, and it fails on demand.
//!
//! A world outlives what runs in it, as Kafka and S3 do: run a pipeline, let it crash, run it again, then look at what is in the world.

mod bookmark;
mod fault;
mod sink;
mod source;
mod store;
#[cfg(test)]
mod tests;
mod world;

pub use fault::{Fault, Op, What, When};
pub use world::{MemoryRecord, Produced, World};

use std::sync::Arc;

use kpipe_compiler::plan::Tail;

use crate::connector::{Bookmarks, FileStore, OpenRequest, RecordSink, Source};
use crate::error::{ConnectorError, ErrorKind};

/// Opens a source in the world that the option `world` names, or in the one with the pipeline's name.
///
/// # Errors
/// There is no such world.
pub fn open_source(request: &OpenRequest<'_>) -> Result<Box<dyn Source>, ConnectorError> {
    let topics = request.routes.iter().map(|route| route.from.clone()).collect();
    Ok(Box::new(source::MemorySource::join(world_of(request)?, request.pipeline, topics, request.starts_in_sink)?))
}

/// Opens what the group of a pipeline keeps beside its positions, for whoever looks from outside.
///
/// # Errors
/// As [`open_source`].
pub fn open_bookmarks(request: &OpenRequest<'_>) -> Result<Box<dyn Bookmarks>, ConnectorError> {
    Ok(Box::new(bookmark::Outside { world: world_of(request)?, group: request.pipeline.to_owned() }))
}

/// Opens a sink of records.
///
/// # Errors
/// As [`open_source`].
pub fn open_records(request: &OpenRequest<'_>) -> Result<Box<dyn RecordSink>, ConnectorError> {
    Ok(Box::new(sink::MemorySink::new(world_of(request)?)))
}

/// Opens a store of files.
///
/// # Errors
/// As [`open_source`].
pub fn open_store(request: &OpenRequest<'_>) -> Result<Arc<dyn FileStore>, ConnectorError> {
    let bucket = request.routes.iter().find_map(|route| match &route.tail {
        Tail::Files(tail) => Some(tail.bucket.as_str()),
        Tail::Records(_) => None,
    });
    Ok(Arc::new(store::MemoryStore::new(world_of(request)?, bucket.unwrap_or_default())))
}

fn world_of(request: &OpenRequest<'_>) -> Result<Arc<World>, ConnectorError> {
    let name = request.endpoint.options.text("world").unwrap_or(request.pipeline);
    World::find(name)
        .ok_or_else(|| ConnectorError::new(ErrorKind::Missing, format!("memory: there is no world \"{name}\" in this process")))
}
