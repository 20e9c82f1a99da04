//! The applied plan as an object beside the data: `<prefix>/.kpipe/<pipeline>/plan.json`.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use kpipe_engine::connector::{FileStore, PlanStore};
use kpipe_engine::error::ConnectorError;
use tokio::runtime::Handle;

use super::{disk, keys, wait};

/// The plans in a store, below the prefix of the pipeline's first statement.
pub(crate) struct StorePlans {
    store: Arc<dyn FileStore>,
    prefix: String,
    runtime: Handle,
}

impl StorePlans {
    /// Plans below a prefix.
    pub(crate) fn new(store: Arc<dyn FileStore>, prefix: &str, runtime: Handle) -> Self {
        Self { store, prefix: prefix.to_owned(), runtime }
    }

    fn key(&self, pipeline: &str) -> String {
        keys::own(&self.prefix, pipeline, "plan.json")
    }
}

impl PlanStore for StorePlans {
    fn read(&mut self, pipeline: &str) -> Result<Option<Vec<u8>>, ConnectorError> {
        let key = self.key(pipeline);
        let found = wait(&self.runtime, self.store.get(&key))?;
        Ok(found.map(|bytes| bytes.to_vec()))
    }

    fn write(&mut self, pipeline: &str, plan: &[u8]) -> Result<(), ConnectorError> {
        let key = self.key(pipeline);
        wait(&self.runtime, self.store.put(&key, Bytes::copy_from_slice(plan)))
    }
}

/// The plans of pipelines that write files below a directory, without a store: `<dir>/.kpipe/<pipeline>/plan.json`.
pub(crate) struct DiskPlans {
    dir: PathBuf,
}

impl DiskPlans {
    /// Plans below a directory.
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    fn path(&self, pipeline: &str) -> PathBuf {
        self.dir.join(keys::own("", pipeline, "plan.json"))
    }
}

impl PlanStore for DiskPlans {
    fn read(&mut self, pipeline: &str) -> Result<Option<Vec<u8>>, ConnectorError> {
        let path = self.path(pipeline);
        match std::fs::read(&path) {
            Ok(plan) => Ok(Some(plan)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(disk::failed("read", &path, &error)),
        }
    }

    fn write(&mut self, pipeline: &str, plan: &[u8]) -> Result<(), ConnectorError> {
        let path = self.path(pipeline);
        disk::replace(&path, plan).map_err(|error| disk::failed("write", &path, &error))
    }
}
