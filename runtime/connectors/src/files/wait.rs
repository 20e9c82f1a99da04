//! From synchronous code into the runtime.

use std::future::Future;

use kpipe_engine::error::{ConnectorError, ErrorKind};
use tokio::runtime::Handle;

/// Runs a future to its end on the runtime. A thread of its own waits for it, so that a caller which is itself a task of the runtime
/// does not panic; meant for opening and looking, not for the data path.
///
/// # Errors
/// Those of the future.
pub(crate) fn wait<T, F>(runtime: &Handle, future: F) -> Result<T, ConnectorError>
where
    T: Send,
    F: Future<Output = Result<T, ConnectorError>> + Send,
{
    std::thread::scope(|scope| {
        scope
            .spawn(|| runtime.block_on(future))
            .join()
            .unwrap_or_else(|_| Err(ConnectorError::new(ErrorKind::Bug, "a call of a connector panicked")))
    })
}
