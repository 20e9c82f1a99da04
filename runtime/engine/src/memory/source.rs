//! A source that reads logs, shared by the members of a group as Kafka does it: a partition that moves is given away first.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::bookmark::MemoryBookmark;
use super::fault::Op;
use super::world::{Log, LogName, MemoryRecord, State, World};
use crate::connector::{Accept, Assigned, NO_IDENTITY, Source, SourceEvent};
use crate::error::{ConnectorError, ErrorKind};
use crate::position::{Delta, PartitionId, Position};
use crate::records::{RawBatch, Records};

/// Records of one batch.
const BATCH_RECORDS: usize = 100;

pub(super) struct MemorySource {
    world: Arc<World>,
    process: u64,
    member: u64,
    group: String,
    /// Per topic the routes that take it.
    topics: BTreeMap<Arc<str>, Arc<[usize]>>,
    held: BTreeMap<PartitionId, Held>,
    last_partition: u32,
    said_nothing: bool,
    starts_in_sink: bool,
}

struct Held {
    log: LogName,
    next: i64,
    /// It was said that it goes; not read until it is released.
    leaving: bool,
    /// The sink has not said yet where it starts.
    waiting: bool,
}

impl MemorySource {
    pub(super) fn join(world: Arc<World>, pipeline: &str, from: Vec<String>, starts_in_sink: bool) -> Result<Self, ConnectorError> {
        let mut topics: BTreeMap<Arc<str>, Vec<usize>> = BTreeMap::new();
        for (route, topic) in from.into_iter().enumerate() {
            topics.entry(topic.into()).or_default().push(route);
        }
        let topics = topics.into_iter().map(|(topic, routes)| (topic, routes.into())).collect();
        let (process, member) = {
            let mut state = world.state();
            state.last_id += 1;
            let member = state.last_id;
            state.groups.entry(pipeline.to_owned()).or_default().members.insert(member);
            (state.process, member)
        };
        let (group, held) = (pipeline.to_owned(), BTreeMap::new());
        Ok(Self { world, process, member, group, topics, held, last_partition: 0, said_nothing: false, starts_in_sink })
    }

    fn next_event(&mut self, state: &mut State, accept: Accept) -> Result<Option<SourceEvent>, ConnectorError> {
        if let Some(event) = self.rebalance(state) {
            return Ok(Some(event));
        }
        if accept == Accept::EventsOnly {
            return Ok(None);
        }
        self.read(state)
    }

    /// Takes what is free and ours, gives away what is not ours.
    fn rebalance(&mut self, state: &mut State) -> Option<SourceEvent> {
        let logs: Vec<LogName> = state.logs.keys().filter(|(topic, _)| self.topics.contains_key(topic)).cloned().collect();
        let group = state.groups.get_mut(&self.group)?;
        let lost = self.held.iter_mut().filter(|(_, held)| !held.leaving && group.owners.get(&held.log) != Some(&self.member));
        let lost: Vec<PartitionId> = lost.map(|(id, held)| ((held.leaving = true), *id).1).collect();
        if !lost.is_empty() {
            return Some(SourceEvent::Lost(lost));
        }
        let members: Vec<u64> = group.members.iter().copied().collect();
        let target = |index: usize| members.get(index % members.len().max(1)).copied();
        let mine: Vec<&LogName> =
            logs.iter().enumerate().filter(|(index, _)| target(*index) == Some(self.member)).map(|(_, log)| log).collect();
        let revoked = self.held.iter_mut().filter(|(_, held)| !held.leaving && !mine.contains(&&held.log));
        let revoked: Vec<PartitionId> = revoked.map(|(id, held)| ((held.leaving = true), *id).1).collect();
        if !revoked.is_empty() {
            return Some(SourceEvent::Revoked(revoked));
        }
        let mut assigned = Vec::new();
        for log in mine {
            if group.owners.contains_key(log) || self.held.values().any(|held| held.log == *log) {
                continue;
            }
            group.owners.insert(log.clone(), self.member);
            let (found, committed) = (&state.logs[log], group.committed.get(log).copied());
            let next = committed.unwrap_or_else(|| found.first());
            self.last_partition += 1;
            let id = PartitionId(self.last_partition);
            self.held.insert(id, Held { log: log.clone(), next, leaving: false, waiting: self.starts_in_sink });
            let (topic, partition) = log.clone();
            let (start, end, committed) = (Some(Position(next)), Some(Position(found.end)), committed.map(Position));
            let identity = found.identity.clone().unwrap_or_else(|| NO_IDENTITY.into());
            let bookmark = MemoryBookmark {
                world: Arc::clone(&self.world),
                process: self.process,
                group: self.group.as_str().to_owned(),
                log: log.clone(),
                member: Some(self.member),
            };
            assigned.push(Assigned { id, topic, partition, start, end, committed, identity, bookmark: Some(Arc::new(bookmark)) });
        }
        if assigned.is_empty() && (self.said_nothing || !self.held.is_empty()) {
            return None;
        }
        self.said_nothing = true;
        Some(SourceEvent::Assigned(assigned))
    }

    /// The partition that is furthest behind.
    fn read(&mut self, state: &State) -> Result<Option<SourceEvent>, ConnectorError> {
        let behind = |held: &Held| state.logs[&held.log].end - held.next;
        let readable = self.held.iter_mut().filter(|(_, held)| !held.leaving && !held.waiting);
        let Some((id, held)) = readable.max_by_key(|(_, held)| behind(held)) else { return Ok(None) };
        let log = &state.logs[&held.log];
        reach(&held.log, log, held.next)?;
        let from = log.records.partition_point(|record| record.offset < held.next);
        let records: Vec<_> = log.records[from..].iter().take(BATCH_RECORDS).cloned().collect();
        let Some(last) = records.last().map(|last| last.offset) else { return Ok(None) };
        let delta = Delta::new(Position(held.next), Position(last + 1));
        held.next = last + 1;
        let bytes = records.iter().map(|record| record.value.as_ref().map_or(0, bytes::Bytes::len)).sum();
        let (topic, partition) = held.log.clone();
        let routes = Arc::clone(&self.topics[&topic]);
        let records = Box::new(MemoryRecords { topic, partition, records });
        Ok(Some(SourceEvent::Batch(RawBatch { partition: *id, delta, routes, records, bytes })))
    }
}

/// A position that a log does not hold is never jumped over.
fn reach((topic, partition): &LogName, log: &Log, position: i64) -> Result<(), ConnectorError> {
    let Log { low, end, .. } = log;
    if (*low..=*end).contains(&position) {
        return Ok(());
    }
    let message = format!("memory: topic {topic:?} partition {partition} offset {position} is not there: it holds {low} to {end}");
    Err(ConnectorError::new(ErrorKind::Missing, message))
}

impl Source for MemorySource {
    fn poll(&mut self, wait: Duration, accept: Accept) -> Result<SourceEvent, ConnectorError> {
        let world = Arc::clone(&self.world);
        match world.call(self.process, Op::Poll, |state| self.next_event(state, accept))?? {
            Some(event) => Ok(event),
            None => {
                world.clock().pause(wait);
                Ok(SourceEvent::Idle)
            }
        }
    }

    fn start(&mut self, partition: PartitionId, position: Position) -> Result<(), ConnectorError> {
        let held = self.held.get_mut(&partition).filter(|held| held.waiting);
        let held = held.ok_or_else(|| ConnectorError::new(ErrorKind::Bug, format!("memory: {partition:?} does not wait for its start")))?;
        reach(&held.log, &self.world.state().logs[&held.log], position.0)?;
        (held.next, held.waiting) = (position.0, false);
        Ok(())
    }

    fn commit(&mut self, positions: &[(PartitionId, Position)]) -> Result<(), ConnectorError> {
        let (held, group, member) = (&self.held, &self.group, self.member);
        self.world.call(self.process, Op::SourceCommit, |state| {
            let Some(group) = state.groups.get_mut(group) else { return };
            for (id, position) in positions {
                // A position of a partition that somebody else owns is refused, as a broker refuses an old member.
                if let Some(held) = held.get(id).filter(|held| group.owners.get(&held.log) == Some(&member)) {
                    group.committed.insert(held.log.clone(), position.0);
                    group.words.remove(&held.log);
                }
            }
        })
    }

    fn settle(&mut self, _wait: Duration) -> Result<(), ConnectorError> {
        Ok(())
    }

    fn release(&mut self, partitions: &[PartitionId]) -> Result<(), ConnectorError> {
        let mut state = self.world.state();
        for id in partitions {
            let Some(held) = self.held.remove(id) else { continue };
            if let Some(group) = state.groups.get_mut(&self.group)
                && group.owners.get(&held.log) == Some(&self.member)
            {
                group.owners.remove(&held.log);
            }
        }
        Ok(())
    }

    fn ends(&mut self) -> Vec<(PartitionId, Position)> {
        let state = self.world.state();
        self.held.iter().map(|(id, held)| (*id, Position(state.logs[&held.log].end))).collect()
    }
}

impl Drop for MemorySource {
    fn drop(&mut self) {
        if self.world.state().process == self.process {
            self.world.leave(&self.group, self.member);
        }
    }
}

struct MemoryRecords {
    topic: Arc<str>,
    partition: i32,
    records: Vec<Arc<MemoryRecord>>,
}

impl Records for MemoryRecords {
    fn len(&self) -> usize {
        self.records.len()
    }

    fn source_partition(&self) -> i32 {
        self.partition
    }

    fn value(&self, row: usize) -> Option<&[u8]> {
        self.records[row].value.as_deref()
    }

    fn key(&self, row: usize) -> Option<&[u8]> {
        self.records[row].key.as_deref()
    }

    fn position(&self, row: usize) -> Position {
        Position(self.records[row].offset)
    }

    fn timestamp_ms(&self, row: usize) -> Option<i64> {
        self.records[row].timestamp_ms
    }

    fn topic(&self, _row: usize) -> &str {
        &self.topic
    }

    fn headers(&self, row: usize, each: &mut dyn FnMut(&str, Option<&[u8]>)) {
        self.records[row].headers.iter().for_each(|(name, value)| each(name, value.as_deref()));
    }
}
