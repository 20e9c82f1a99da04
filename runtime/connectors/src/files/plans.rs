//! The applied plan as an object beside the data: `<prefix>/.kpipe/<pipeline>/plan.json`.

use std::sync::Arc;

use bytes::Bytes;
use kpipe_engine::connector::{FileStore, PlanStore};
use kpipe_engine::error::ConnectorError;
use tokio::runtime::Handle;

use super::{keys, wait};

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
