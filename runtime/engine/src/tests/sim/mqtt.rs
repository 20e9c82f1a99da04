//! An MQTT broker that keeps a session, and the session as a source. Quality of service 1: what is not acknowledged comes again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::world::latency;
use super::{Fault, ProcessId, State, World, ms};
use crate::connector::{Accept, Assigned, NO_IDENTITY, Source, SourceEvent};
use crate::error::{ConnectorError, ErrorKind};
use crate::planted::{PlantedBug, is_planted};
use crate::position::{Delta, PartitionId, Position};
use crate::records::{RawBatch, Records};

/// Messages that the broker hands out without an acknowledgement.
const RECEIVE_MAX: usize = 20;
/// The session as a partition.
const SESSION: PartitionId = PartitionId(0);

/// The broker's side of the session.
#[derive(Debug, Default)]
pub(super) struct Broker {
    /// Numbers of messages that wait.
    queue: VecDeque<u64>,
    /// By packet id: handed out on this connection and not acknowledged.
    handed_out: BTreeMap<u64, u64>,
    /// The number of the connection; 0 if there is none.
    connection: u64,
    connections: u64,
    packets: u64,
    pub(super) away_until: Duration,
    last: u64,
}

impl State {
    /// Somebody publishes messages.
    pub(super) fn publish(&mut self, count: u64) {
        for _ in 0..count {
            self.mqtt.last += 1;
            let id = self.mqtt.last;
            self.mqtt.queue.push_back(id);
            self.oracle.published(id);
        }
        self.wake_readers();
    }

    /// The connection is gone; what was handed out goes back in order.
    pub(super) fn cut_mqtt(&mut self) {
        if self.mqtt.connection == 0 {
            return;
        }
        self.mqtt.connection = 0;
        for (_, id) in std::mem::take(&mut self.mqtt.handed_out).into_iter().rev() {
            self.mqtt.queue.push_front(id);
        }
    }

    fn connect_mqtt(&mut self) -> u64 {
        self.cut_mqtt();
        self.mqtt.connections += 1;
        self.mqtt.connection = self.mqtt.connections;
        self.mqtt.connection
    }

    /// The next messages for a connection: packet id and number.
    fn hand_out(&mut self, most: usize) -> Vec<(u64, u64)> {
        let mut messages = Vec::new();
        while messages.len() < most && self.mqtt.handed_out.len() < RECEIVE_MAX {
            let Some(id) = self.mqtt.queue.pop_front() else { break };
            self.mqtt.packets += 1;
            self.mqtt.handed_out.insert(self.mqtt.packets, id);
            if self.oracle.handed_out(id) > 1 {
                self.reach("MQTT message came again");
            }
            messages.push((self.mqtt.packets, id));
        }
        messages
    }

    /// An acknowledgement arrived.
    fn acknowledged(&mut self, connection: u64, packet: u64) {
        if self.mqtt.connection != connection {
            self.reach("acknowledgement of an old connection");
            return;
        }
        if let Some(id) = self.mqtt.handed_out.remove(&packet) {
            let now = self.now;
            self.oracle.acknowledged(now, id);
        }
    }
}

pub(super) struct SimMqtt {
    world: World,
    process: ProcessId,
    connection: u64,
    is_assigned: bool,
    is_away: bool,
    connects_at: Duration,
    next: i64,
    /// By position: connection and packet id of what is not acknowledged.
    owed: BTreeMap<i64, (u64, u64)>,
}

impl SimMqtt {
    pub(super) fn new(world: World, process: ProcessId) -> Self {
        let connects_at = Duration::ZERO;
        Self { world, process, connection: 0, is_assigned: false, is_away: false, connects_at, next: 0, owed: BTreeMap::new() }
    }

    fn event(&mut self, state: &mut State, accept: Accept) -> Option<SourceEvent> {
        if state.mqtt.connection != self.connection || self.connection == 0 {
            if !self.is_away && self.connection != 0 {
                self.is_away = true;
                self.connects_at = state.now + ms(200);
                return Some(SourceEvent::Away(ConnectorError::new(ErrorKind::Unreachable, "sim: the MQTT connection is gone")));
            }
            if state.now < self.connects_at || state.mqtt.away_until > state.now || !state.leaves(self.process) {
                return None;
            }
            self.connection = state.connect_mqtt();
        }
        if std::mem::take(&mut self.is_away) {
            return Some(SourceEvent::Back);
        }
        if !std::mem::replace(&mut self.is_assigned, true) {
            let (topic, identity) = ("m".into(), NO_IDENTITY.into());
            let assigned = Assigned {
                id: SESSION,
                topic,
                partition: 0,
                start: Some(Position(0)),
                end: None,
                committed: None,
                identity,
                bookmark: None,
            };
            return Some(SourceEvent::Assigned(vec![assigned]));
        }
        if accept == Accept::EventsOnly {
            return None;
        }
        let most = state.dice.between(1, 10) as usize;
        let messages = state.hand_out(most);
        if messages.is_empty() {
            return None;
        }
        let start = self.next;
        for (packet, _) in &messages {
            self.owed.insert(self.next, (self.connection, *packet));
            self.next += 1;
        }
        let delta = Delta::new(Position(start), Position(self.next));
        let values: Vec<Vec<u8>> = messages.iter().map(|(_, id)| format!("{{\"id\":{id},\"c\":\"c1\"}}").into_bytes()).collect();
        let bytes = values.iter().map(Vec::len).sum();
        let records = Box::new(Messages { start, values });
        if is_planted(PlantedBug::AckedAtOnce) {
            messages.iter().for_each(|(packet, _)| state.acknowledged(self.connection, *packet));
        }
        Some(SourceEvent::Batch(RawBatch { partition: SESSION, delta, routes: Arc::new([0]), records, bytes }))
    }
}

impl Source for SimMqtt {
    fn poll(&mut self, wait: Duration, accept: Accept) -> Result<SourceEvent, ConnectorError> {
        let world = self.world.clone();
        let mut state = world.state();
        match self.event(&mut state, accept) {
            Some(event) => Ok(event),
            None => {
                state.waits(self.process, wait);
                Ok(SourceEvent::Idle)
            }
        }
    }

    fn start(&mut self, _partition: PartitionId, _position: Position) -> Result<(), ConnectorError> {
        Err(ConnectorError::new(ErrorKind::Bug, "sim: nobody says where a session begins"))
    }

    fn commit(&mut self, positions: &[(PartitionId, Position)]) -> Result<(), ConnectorError> {
        let world = self.world.clone();
        let mut state = world.state();
        for (_, safe) in positions {
            let rest = self.owed.split_off(&safe.0);
            for (connection, packet) in std::mem::replace(&mut self.owed, rest).into_values() {
                if !state.leaves(self.process) {
                    continue;
                }
                if state.hits(Fault::AckLost) {
                    state.cut_mqtt();
                    continue;
                }
                let way = latency(&mut state.dice);
                state.after(way, move |world| world.state().acknowledged(connection, packet));
            }
        }
        Ok(())
    }

    fn settle(&mut self, _wait: Duration) -> Result<(), ConnectorError> {
        Ok(())
    }

    fn release(&mut self, _partitions: &[PartitionId]) -> Result<(), ConnectorError> {
        Ok(())
    }

    fn ends(&mut self) -> Vec<(PartitionId, Position)> {
        Vec::new()
    }
}

impl Drop for SimMqtt {
    fn drop(&mut self) {
        let mut state = self.world.state();
        if state.mqtt.connection == self.connection {
            state.cut_mqtt();
        }
    }
}

struct Messages {
    start: i64,
    values: Vec<Vec<u8>>,
}

impl Records for Messages {
    fn len(&self) -> usize {
        self.values.len()
    }

    fn source_partition(&self) -> i32 {
        0
    }

    fn value(&self, row: usize) -> Option<&[u8]> {
        Some(&self.values[row])
    }

    fn key(&self, _row: usize) -> Option<&[u8]> {
        None
    }

    fn position(&self, row: usize) -> Position {
        Position(self.start + row as i64)
    }

    fn timestamp_ms(&self, _row: usize) -> Option<i64> {
        None
    }

    fn topic(&self, _row: usize) -> &str {
        "m"
    }

    fn headers(&self, _row: usize, _each: &mut dyn FnMut(&str, Option<&[u8]>)) {}
}
