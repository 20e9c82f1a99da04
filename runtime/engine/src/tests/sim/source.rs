//! A group member as a source: what librdkafka and kpipe's connector make of the brokers.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::bookmark::{SimBookmark, SimShare};
use super::clock::server_ms;
use super::group::{Committed, let_go_in_time};
use super::kafka::{Entry, Log, Tp};
use super::world::latency;
use super::{Fault, ProcessId, Slot, State, World, ms};
use crate::connector::{Accept, Assigned, Source, SourceEvent};
use crate::env::Clock;
use crate::error::{ConnectorError, ErrorKind};
use crate::planted::{PlantedBug, is_planted};
use crate::position::{Delta, PartitionId, Position};
use crate::records::{RawBatch, Records};

/// What a pipeline reads, and as whom.
#[derive(Clone)]
pub(super) struct Reading {
    pub(super) group: String,
    pub(super) topic: Arc<str>,
    pub(super) routes: Arc<[usize]>,
    /// Static membership: the worker's number.
    pub(super) instance: Option<usize>,
    /// Most records of a batch.
    pub(super) batch_records: u64,
    /// The sink says where partitions begin.
    pub(super) starts_in_sink: bool,
    /// The group keeps a word beside each position.
    pub(super) keeps_bookmarks: bool,
    /// An MQTT session instead of topics.
    pub(super) is_mqtt: bool,
}

pub(super) struct SimSource {
    world: World,
    process: ProcessId,
    reading: Reading,
    member: Option<u64>,
    held: BTreeMap<PartitionId, Held>,
    last_partition: u32,
    has_said: bool,
    is_away: bool,
    /// What its bookmarks know: the partitions that it has, and as whom.
    share: Arc<Mutex<SimShare>>,
    wanted: BTreeMap<PartitionId, i64>,
    sent: Option<(Slot<Committed>, BTreeMap<PartitionId, i64>)>,
}

struct Held {
    tp: Tp,
    next: i64,
    /// The round of the group in which it came.
    round: u64,
    leaving: bool,
    /// The sink said where it begins, if it is the sink that says so.
    has_begun: bool,
    /// Which topic of this name it is.
    creation: u64,
}

impl SimSource {
    pub(super) fn new(world: World, process: ProcessId, reading: Reading) -> Self {
        Self {
            world,
            process,
            reading,
            member: None,
            held: BTreeMap::new(),
            last_partition: 0,
            has_said: false,
            is_away: false,
            share: Arc::default(),
            wanted: BTreeMap::new(),
            sent: None,
        }
    }

    fn event(&mut self, state: &mut State, accept: Accept) -> Result<Option<SourceEvent>, ConnectorError> {
        if state.are_brokers_away() {
            if std::mem::replace(&mut self.is_away, true) {
                return Ok(None);
            }
            return Ok(Some(SourceEvent::Away(ConnectorError::new(ErrorKind::Unreachable, "sim: no broker answers"))));
        }
        if std::mem::take(&mut self.is_away) {
            return Ok(Some(SourceEvent::Back));
        }
        let now = state.now;
        let is_unaware = state.process(self.process).unaware_until > now;
        if !is_unaware && let Some(event) = self.membership(state) {
            return Ok(Some(event));
        }
        if accept == Accept::Records { self.read(state) } else { Ok(None) }
    }

    /// What the group says to this member.
    fn membership(&mut self, state: &mut State) -> Option<SourceEvent> {
        let name = self.reading.group.clone();
        let is_member = self.member.is_some_and(|member| state.group(&name).members.contains_key(&member));
        if !is_member {
            let lost: Vec<PartitionId> = self.held.iter().filter(|(_, held)| !held.leaving).map(|(id, _)| *id).collect();
            if !lost.is_empty() {
                state.reach("partitions lost");
                self.held.clear();
                self.share.lock().unwrap().clear();
                self.sent = None;
                self.wanted.clear();
                return Some(SourceEvent::Lost(lost));
            }
            self.held.clear();
            self.share.lock().unwrap().clear();
            self.member = Some(state.join(&name, Some(self.process), self.reading.instance));
        }
        let member = self.member?;
        let mut tps: Vec<Tp> = state.kafka.logs.keys().filter(|(topic, _)| *topic == self.reading.topic).cloned().collect();
        tps.sort();
        let group = state.group(&name);
        let round = group.round;
        group.members.get_mut(&member)?.round = round;
        self.share.lock().unwrap().is_now(member, round);
        let mine: Vec<Tp> = (0..).zip(tps).filter(|(index, _)| group.target(*index) == Some(member)).map(|(_, tp)| tp).collect();
        let is_eager = group.is_eager;
        let goes = |held: &&mut Held| !held.leaving && (!mine.contains(&held.tp) || (is_eager && held.round < round));
        let revoked: Vec<(PartitionId, Tp)> = self
            .held
            .iter_mut()
            .filter_map(|(id, mut held)| goes(&mut held).then(|| ((held.leaving = true), *id, held.tp.clone())))
            .map(|(_, id, tp)| (id, tp))
            .collect();
        if !revoked.is_empty() {
            state.reach(if is_eager { "revoked, eager" } else { "revoked, cooperative" });
            let tps: Vec<Tp> = revoked.iter().map(|(_, tp)| tp.clone()).collect();
            let_go_in_time(state, &name, member, &tps);
            return Some(SourceEvent::Revoked(revoked.into_iter().map(|(id, _)| id).collect()));
        }
        self.take(state, member, mine)
    }

    /// Takes what is free and this member's.
    fn take(&mut self, state: &mut State, member: u64, mine: Vec<Tp>) -> Option<SourceEvent> {
        let creation = state.kafka.creations;
        let identity: Arc<str> = format!("id{creation}").into();
        let group = state.kafka.groups.get_mut(&self.reading.group)?;
        let round = group.round;
        let is_waiting = group.is_eager && group.owners.values().any(|(_, before)| *before < round);
        let mut assigned = Vec::new();
        for tp in mine {
            let owner = group.owners.get(&tp).map(|(owner, _)| *owner);
            if self.held.values().any(|held| held.tp == tp) || owner.is_some_and(|owner| owner != member) || is_waiting {
                continue;
            }
            group.owners.insert(tp.clone(), (member, round));
            let log = &state.kafka.logs[&tp];
            let start_at = group.committed.get(&tp).copied().unwrap_or(log.start);
            self.last_partition += 1;
            let id = PartitionId(self.last_partition);
            let (topic, partition) = tp.clone();
            let committed = group.committed.get(&tp).copied().map(Position);
            let (start, end) = (Some(Position(start_at)), Some(Position(log.end)));
            self.share.lock().unwrap().take(id);
            let bookmark = self.reading.keeps_bookmarks.then(|| {
                let (world, process, group) = (self.world.clone(), self.process, self.reading.group.clone());
                SimBookmark { world, process, group, id, tp: tp.clone(), share: self.share.clone() }
            });
            let (identity, bookmark) = (identity.clone(), bookmark.map(|bookmark| Arc::new(bookmark) as _));
            assigned.push(Assigned { id, topic, partition, start, end, committed, identity, bookmark });
            self.held.insert(id, Held { tp, next: start_at, round, leaving: false, has_begun: !self.reading.starts_in_sink, creation });
        }
        if assigned.is_empty() && (self.has_said || is_waiting) {
            return None;
        }
        self.has_said = true;
        Some(SourceEvent::Assigned(assigned))
    }

    /// A batch of a partition that has something.
    fn read(&mut self, state: &mut State) -> Result<Option<SourceEvent>, ConnectorError> {
        let has_more = |held: &Held| held.creation == state.kafka.creations && state.kafka.logs[&held.tp].end > held.next;
        let ready: Vec<PartitionId> =
            self.held.iter().filter(|(_, held)| !held.leaving && held.has_begun && has_more(held)).map(|(id, _)| *id).collect();
        if ready.is_empty() {
            return Ok(None);
        }
        let id = ready[state.dice.below(ready.len() as u64) as usize];
        let count = state.dice.between(1, self.reading.batch_records) as usize;
        let Some(held) = self.held.get_mut(&id) else { return Ok(None) };
        let log = &state.kafka.logs[&held.tp];
        if held.next < log.start && !is_planted(PlantedBug::GapIsSilent) {
            return Err(out_of_range(held, held.next, log));
        }
        let from = log.entries.partition_point(|entry| entry.offset < held.next);
        let entries: Vec<Entry> = log.entries[from..].iter().take(count).copied().collect();
        let is_rest = from + entries.len() == log.entries.len();
        let end = if is_rest { log.end } else { entries.last().map_or(held.next, |last| last.offset + 1) };
        let delta = Delta::new(Position(held.next), Position(end));
        held.next = end;
        let (tp, time) = (held.tp.clone(), server_ms(state.now));
        let rows: Vec<Row> = entries.into_iter().map(|entry| Row::of(state, &tp, entry)).collect();
        let bytes = rows.iter().map(|row| row.value.len()).sum();
        let records = Box::new(Rows { tp, rows, time });
        Ok(Some(SourceEvent::Batch(RawBatch { partition: id, delta, routes: Arc::clone(&self.reading.routes), records, bytes })))
    }

    /// Hears the answer to the last offset commit and sends the next one.
    fn serve_commits(&mut self, state: &mut State) {
        if let Some((slot, positions)) = self.sent.take() {
            match slot.take() {
                None => self.sent = Some((slot, positions)),
                Some(Committed::Done) => {}
                // What was refused is sent again: the member may be one of the group again by then.
                Some(Committed::Away | Committed::Refused) => {
                    for (id, position) in positions {
                        let newest = self.wanted.entry(id).or_insert(position);
                        *newest = position.max(*newest);
                    }
                }
            }
        }
        let Some(member) = self.member.filter(|_| self.sent.is_none() && !self.wanted.is_empty()) else { return };
        let positions = std::mem::take(&mut self.wanted);
        let named: Vec<(Tp, i64)> = positions.iter().filter_map(|(id, at)| Some((self.held.get(id)?.tp.clone(), *at))).collect();
        let slot = Slot::new(self.process);
        self.sent = Some((slot.clone(), positions));
        if !state.leaves(self.process) {
            return;
        }
        let (way, group) = (latency(&mut state.dice), self.reading.group.clone());
        state.after(way, move |world| {
            let mut state = world.state();
            let became = state.commit_offsets(&group, member, &named);
            let lost = became == Committed::Done && state.hits(Fault::CommitAnswerLost);
            let (became, way) = match (became, lost) {
                (_, true) => (Committed::Away, ms(2_000)),
                (Committed::Away, false) => (Committed::Away, ms(200)),
                (became, false) => (became, latency(&mut state.dice)),
            };
            state.after(way, move |world| slot.fill(&mut world.state(), became));
        });
    }
}

fn out_of_range(held: &Held, position: i64, log: &Log) -> ConnectorError {
    let message = format!("sim: {}[{}] offset {position} is not there: it holds {} to {}", held.tp.0, held.tp.1, log.start, log.end);
    ConnectorError::new(ErrorKind::Missing, message)
}

impl Source for SimSource {
    fn poll(&mut self, wait: Duration, accept: Accept) -> Result<SourceEvent, ConnectorError> {
        let world = self.world.clone();
        let mut state = world.state();
        if std::mem::take(&mut state.process(self.process).panics) {
            state.fire(Fault::Panic);
            drop(state);
            // Without the hook that prints it.
            resume_unwind(Box::new("sim: out of my mind"));
        }
        self.serve_commits(&mut state);
        match self.event(&mut state, accept)? {
            Some(event) => Ok(event),
            None => {
                state.waits(self.process, wait);
                Ok(SourceEvent::Idle)
            }
        }
    }

    fn start(&mut self, partition: PartitionId, position: Position) -> Result<(), ConnectorError> {
        let state = self.world.state();
        let Some(held) = self.held.get_mut(&partition) else { return Ok(()) };
        let log = &state.kafka.logs[&held.tp];
        if position.0 < log.start && is_planted(PlantedBug::GapIsSilent) {
            (held.next, held.has_begun) = (log.start, true);
            return Ok(());
        }
        if position.0 < log.start || position.0 > log.end {
            return Err(out_of_range(held, position.0, log));
        }
        (held.next, held.has_begun) = (position.0, true);
        Ok(())
    }

    fn commit(&mut self, positions: &[(PartitionId, Position)]) -> Result<(), ConnectorError> {
        for (id, position) in positions {
            self.wanted.insert(*id, position.0);
        }
        let world = self.world.clone();
        self.serve_commits(&mut world.state());
        Ok(())
    }

    fn settle(&mut self, wait: Duration) -> Result<(), ConnectorError> {
        let world = self.world.clone();
        let clock = super::clock::SimClock { world: world.clone(), process: self.process };
        let until = world.now() + wait;
        while self.sent.is_some() || !self.wanted.is_empty() {
            if world.now() >= until || !world.state().is_alive(self.process) {
                return Err(ConnectorError::new(ErrorKind::Unreachable, "sim: the last offsets are not confirmed"));
            }
            clock.pause(ms(5));
            self.serve_commits(&mut world.state());
        }
        Ok(())
    }

    fn release(&mut self, partitions: &[PartitionId]) -> Result<(), ConnectorError> {
        let world = self.world.clone();
        let mut state = world.state();
        self.serve_commits(&mut state);
        for id in partitions {
            let Some(held) = self.held.remove(id) else { continue };
            self.share.lock().unwrap().give(*id);
            self.wanted.remove(id);
            let group = state.group(&self.reading.group);
            if group.owners.get(&held.tp).is_some_and(|(owner, _)| Some(*owner) == self.member) {
                group.owners.remove(&held.tp);
            }
        }
        state.wake_readers();
        Ok(())
    }

    fn ends(&mut self) -> Vec<(PartitionId, Position)> {
        let state = self.world.state();
        self.held.iter().map(|(id, held)| (*id, Position(state.kafka.logs[&held.tp].end))).collect()
    }
}

impl Drop for SimSource {
    fn drop(&mut self) {
        let mut state = self.world.state();
        if let Some(member) = self.member.filter(|_| state.is_alive(self.process) && self.reading.instance.is_none()) {
            state.leave(&self.reading.group, member);
        }
    }
}

struct Row {
    offset: i64,
    value: Vec<u8>,
}

impl Row {
    /// The bytes of a record. Which folder it belongs to is decided anew each time that it is read, if the seed wants that.
    fn of(state: &mut State, tp: &Tp, Entry { offset, id, is_bad }: Entry) -> Self {
        if is_bad {
            return Self { offset, value: format!("{{ \"id\":{id}").into_bytes() };
        }
        let folders = if state.faults.of(Fault::ManyFolders) > 0 { 12 } else { 3 };
        let folder = if state.hits(Fault::OtherFolder) { state.dice.below(folders) } else { id % folders };
        let value = format!("{{\"id\":{id},\"p\":{},\"o\":{offset},\"c\":\"c{folder}\"}}", tp.1);
        Self { offset, value: value.into_bytes() }
    }
}

struct Rows {
    tp: Tp,
    rows: Vec<Row>,
    time: i64,
}

impl Records for Rows {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn source_partition(&self) -> i32 {
        self.tp.1
    }

    fn value(&self, row: usize) -> Option<&[u8]> {
        Some(&self.rows[row].value)
    }

    fn key(&self, _row: usize) -> Option<&[u8]> {
        None
    }

    fn position(&self, row: usize) -> Position {
        Position(self.rows[row].offset)
    }

    fn timestamp_ms(&self, _row: usize) -> Option<i64> {
        Some(self.time)
    }

    fn topic(&self, _row: usize) -> &str {
        &self.tp.0
    }

    fn headers(&self, _row: usize, _each: &mut dyn FnMut(&str, Option<&[u8]>)) {}
}
