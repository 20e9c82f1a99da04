//! The brokers' logs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::group::Group;
use super::{Fault, ProcessId, State};

/// Topic and partition number.
pub(super) type Tp = (Arc<str>, i32);

/// A record of a log. Its bytes are made when it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) offset: i64,
    /// Its number among all records of the world.
    pub(super) id: u64,
    pub(super) is_bad: bool,
}

/// One partition.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) entries: Vec<Entry>,
}

/// All brokers together.
#[derive(Debug, Default)]
pub(super) struct Kafka {
    pub(super) logs: BTreeMap<Tp, Log>,
    pub(super) groups: BTreeMap<String, Group>,
    pub(super) away_until: Duration,
    pub(super) coordinator_away_until: Duration,
    pub(super) last_member: u64,
    last_id: u64,
    /// New groups are of this kind.
    pub(super) is_eager: bool,
    /// How often the topic was created.
    pub(super) creations: u64,
}

impl State {
    pub(super) fn create_partition(&mut self, tp: Tp) {
        self.kafka.logs.entry(tp).or_default();
    }

    /// A producer appends records.
    pub(super) fn append(&mut self, tp: &Tp, count: u64) {
        for _ in 0..count {
            let gap = if self.hits(Fault::OffsetGap) { self.dice.between(1, 4) as i64 } else { 0 };
            let is_bad = self.hits(Fault::BadRecord);
            self.kafka.last_id += 1;
            let id = self.kafka.last_id;
            let log = self.kafka.logs.get_mut(tp).unwrap();
            let offset = log.end + gap;
            log.entries.push(Entry { offset, id, is_bad });
            log.end = offset + 1;
            self.oracle.expect(tp, offset, id, is_bad);
        }
        if self.hits(Fault::OffsetGap) {
            // A marker behind the last record.
            self.kafka.logs.get_mut(tp).unwrap().end += 1;
        }
        self.wake_readers();
    }

    /// Something is there for whoever waits in a poll.
    pub(super) fn wake_readers(&mut self) {
        let now = self.now;
        for process in &mut self.processes {
            process.wake_at = process.wake_at.min(now);
        }
    }

    /// The topic begins again at 0, with records of its own.
    pub(super) fn recreate_topic(&mut self) {
        self.kafka.creations += 1;
        for log in self.kafka.logs.values_mut() {
            *log = Log::default();
        }
        self.oracle.forgets_topic();
        // Its readers lose their partitions; the group's offsets stay.
        (0..self.processes.len() as u64).map(ProcessId).for_each(|id| self.expel_process(id));
    }

    pub(super) fn are_brokers_away(&self) -> bool {
        self.kafka.away_until > self.now
    }
}
