//! What librdkafka calls back about a group member: written down here, handled by the task.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

use super::failure::Place;
use super::health::Watch;
use super::rebalance::Named;

/// Something about the group that the task has to handle.
#[derive(Debug)]
pub(super) enum GroupEvent {
    /// These are the member's from now on; they are read once the task has said from where.
    Assign(Vec<Named>),
    /// These are to go, or are gone.
    Revoke {
        /// Which.
        names: Vec<Named>,
        /// True: another member may have them already.
        lost: bool,
    },
    /// The answer to a commit: what was refused and why.
    Committed(Vec<(Named, RDKafkaErrorCode)>),
    /// A commit was refused as a whole.
    CommitFailed(RDKafkaErrorCode),
}

/// The context of a group member's client.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) watch: Watch,
    events: Mutex<VecDeque<GroupEvent>>,
    /// Nobody handles events any more: partitions are given back at once.
    closing: AtomicBool,
}

impl Member {
    pub(super) fn new(place: Place) -> Self {
        Self { watch: Watch::new(place), events: Mutex::default(), closing: AtomicBool::new(false) }
    }

    fn events(&self) -> MutexGuard<'_, VecDeque<GroupEvent>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The oldest event that was not taken yet.
    pub(super) fn take(&self) -> Option<GroupEvent> {
        self.events().pop_front()
    }

    /// From now on partitions are given back without asking the task.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }
}

impl ClientContext for Member {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.watch.log(level, facility, message);
    }

    fn stats_raw(&self, json: &[u8]) {
        self.watch.statistics(json);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.watch.error(&error, reason);
    }
}

impl ConsumerContext for Member {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let assigned = error == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::Acquire) {
            let done = if assigned { consumer.incremental_assign(list) } else { consumer.incremental_unassign(list) };
            if let Err(error) = done {
                tracing::debug!(target: "librdkafka", "while leaving the group: {error}");
            }
            return;
        }
        let names = names(list);
        let event = if assigned { GroupEvent::Assign(names) } else { GroupEvent::Revoke { names, lost: consumer.assignment_lost() } };
        self.events().push_back(event);
    }

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        let refused: Vec<_> = offsets
            .elements()
            .iter()
            .filter_map(|element| {
                let code = element.error().err()?.rdkafka_error_code()?;
                Some(((Arc::from(element.topic()), element.partition()), code))
            })
            .collect();
        let event = match result {
            Err(error) if refused.is_empty() => GroupEvent::CommitFailed(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown)),
            Ok(()) | Err(_) => GroupEvent::Committed(refused),
        };
        self.events().push_back(event);
    }
}

/// The partitions of a list.
pub(super) fn names(list: &TopicPartitionList) -> Vec<Named> {
    list.elements().iter().map(|element| (Arc::from(element.topic()), element.partition())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commit_answers_are_told_apart() {
        let member = Member::new(Place::new("h:1"));
        let mut list = TopicPartitionList::new();
        list.add_partition("t", 3);
        member.commit_callback(Ok(()), &list);
        member.commit_callback(Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NotCoordinator)), &list);
        assert!(matches!(member.take(), Some(GroupEvent::Committed(refused)) if refused.is_empty()));
        assert!(matches!(member.take(), Some(GroupEvent::CommitFailed(RDKafkaErrorCode::NotCoordinator))));
        assert!(member.take().is_none());
        assert_eq!(names(&list), [(Arc::from("t"), 3)]);
    }
}
