//! Partitions on their way in, where a ledger says at which position they begin.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use futures_util::{StreamExt, stream};
use tokio::runtime::Handle;

use crate::connector::Assigned;
use crate::error::ConnectorError;
use crate::ledger::{Keeper, Taken};
use crate::limits::TAKEOVERS_MAX;
use crate::path::{Fence, Hold};
use crate::position::PartitionId;

/// Takes partitions over beside the task.
pub(super) struct Takeovers {
    keeper: Arc<Keeper>,
    runtime: Handle,
    sender: Sender<Takeover>,
    inbox: Receiver<Takeover>,
    /// Held so that the takeover goes on.
    pending: BTreeMap<PartitionId, Hold>,
    /// Held so that the last clean-up goes on.
    sweep: Option<Hold>,
}

/// What became of one.
struct Takeover {
    partition: PartitionId,
    result: Result<Taken, ConnectorError>,
}

impl Takeovers {
    pub(super) fn new(keeper: Arc<Keeper>, runtime: Handle) -> Self {
        let (sender, inbox) = channel();
        Self { keeper, runtime, sender, inbox, pending: BTreeMap::new(), sweep: None }
    }

    /// Begins with partitions that were assigned. When all of them are taken over, what their last owners left behind is cleaned away.
    pub(super) fn start(&mut self, assigned: &[Assigned]) {
        let mut wanted = Vec::with_capacity(assigned.len());
        for partition in assigned {
            let fence = Fence::default();
            self.pending.insert(partition.id, fence.hold());
            wanted.push((partition.clone(), fence));
        }
        let sweep = Fence::default();
        self.sweep = Some(sweep.hold());
        let keeper = Arc::clone(&self.keeper);
        let sender = Sender::clone(&self.sender);
        self.runtime.spawn(async move {
            let takeovers: Vec<_> = wanted
                .into_iter()
                .map(|(assigned, fence)| {
                    let (keeper, sender) = (Arc::clone(&keeper), Sender::clone(&sender));
                    async move {
                        let result = keeper.acquire(&assigned, &fence).await;
                        // A task that is gone does not want to know.
                        let _gone = sender.send(Takeover { partition: assigned.id, result });
                    }
                })
                .collect();
            stream::iter(takeovers).buffer_unordered(TAKEOVERS_MAX).collect::<()>().await;
            match keeper.sweep(&sweep).await {
                Ok(0) => {}
                Ok(uploads) => tracing::info!(uploads, "uploads that nobody will complete were given up"),
                Err(error) => tracing::debug!(%error, "uploads that nobody will complete are still there"),
            }
        });
    }

    /// The partitions that can be read now.
    pub(super) fn hear(&mut self) -> Result<Vec<(PartitionId, Taken)>, ConnectorError> {
        let mut taken = Vec::new();
        while let Ok(Takeover { partition, result }) = self.inbox.try_recv() {
            // One that was given away meanwhile is of no interest.
            if self.pending.remove(&partition).is_some() {
                taken.push((partition, result?));
            }
        }
        Ok(taken)
    }

    /// The source has heard where it stands with each record of a ledger.
    pub(super) fn tell_source(&self) -> bool {
        self.keeper.tells_source()
    }

    /// A partition is not this task's any more.
    pub(super) fn release(&mut self, partition: PartitionId) {
        self.pending.remove(&partition);
        self.keeper.release(partition);
    }
}
