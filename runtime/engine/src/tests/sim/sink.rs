//! A producer as a sink of records: rows travel in order, one request at a time, and are never written twice by the same producer.

use std::collections::VecDeque;
use std::time::Duration;

use arrow::array::Array;

use super::world::latency;
use super::{ProcessId, Slot, State, World, ms};
use crate::connector::{Delivery, OutBatch, RecordSink, Ticket};
use crate::error::ConnectorError;

/// Rows that the producer holds at most.
const QUEUE_ROWS: usize = 200;

pub(super) struct SimSink {
    world: World,
    process: ProcessId,
    queue: VecDeque<Row>,
    sent: Option<(Slot<()>, Vec<Ticket>, usize)>,
}

#[derive(Clone)]
struct Row {
    ticket: Ticket,
    is_last: bool,
    topic: String,
    value: Vec<u8>,
}

impl SimSink {
    pub(super) fn new(world: World, process: ProcessId) -> Self {
        Self { world, process, queue: VecDeque::new(), sent: None }
    }

    /// Sends what waits, if nothing is on its way.
    fn serve(&mut self, state: &mut State) {
        if self.sent.is_some() || self.queue.is_empty() || !state.leaves(self.process) {
            return;
        }
        let rows: Vec<Row> = self.queue.drain(..).collect();
        let done = rows.iter().filter(|row| row.is_last).map(|row| row.ticket).collect();
        let slot = Slot::new(self.process);
        self.sent = Some((slot.clone(), done, rows.len()));
        let way = latency(&mut state.dice);
        travel(state, way, self.process, rows, slot);
    }
}

/// Brokers that are away are asked again as long as the process lives.
fn travel(state: &mut State, way: Duration, process: ProcessId, rows: Vec<Row>, slot: Slot<()>) {
    state.after(way, move |world| {
        let mut state = world.state();
        if state.are_brokers_away() {
            if state.is_alive(process) {
                travel(&mut state, ms(100), process, rows, slot);
            }
            return;
        }
        let now = state.now;
        for row in &rows {
            state.oracle.produced(now, &row.topic, &row.value);
        }
        let way = latency(&mut state.dice);
        state.after(way, move |world| {
            let mut state = world.state();
            slot.fill(&mut state, ());
            state.wake(process);
        });
    });
}

impl RecordSink for SimSink {
    fn send(&mut self, batch: &OutBatch<'_>, from: usize) -> Result<usize, ConnectorError> {
        let to = batch.rows.len().min(from + QUEUE_ROWS.saturating_sub(self.queue.len()));
        for row in from..to {
            let source = batch.rows[row] as usize;
            let topic = batch.topic_of_row.get(row).map_or(0, |index| *index as usize);
            let value = match batch.values {
                Some(values) => values.is_valid(row).then(|| values.value(row)),
                None => batch.raw.records.value(source),
            };
            self.queue.push_back(Row {
                ticket: batch.ticket,
                is_last: row + 1 == batch.rows.len(),
                topic: batch.topics[topic].to_string(),
                value: value.unwrap_or_default().to_vec(),
            });
        }
        self.serve(&mut self.world.clone().state());
        Ok(to - from)
    }

    fn poll(&mut self, wait: Duration) -> Result<Vec<Delivery>, ConnectorError> {
        let world = self.world.clone();
        let mut state = world.state();
        let mut done = Vec::new();
        if let Some((slot, tickets, rows)) = self.sent.take() {
            match slot.take() {
                Some(()) => done = tickets,
                None => self.sent = Some((slot, tickets, rows)),
            }
        }
        self.serve(&mut state);
        if done.is_empty() {
            state.waits(self.process, wait);
        }
        Ok(done.into_iter().map(Delivery::Done).collect())
    }

    fn in_flight(&self) -> usize {
        self.queue.len() + self.sent.as_ref().map_or(0, |(_, _, rows)| *rows)
    }
}
