//! The produce stage, the other tail: rows go to a sink of records, and the position follows their acknowledgements in order.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ahash::AHashMap;
use arrow::array::BinaryArray;

use crate::connector::{Delivery, OutBatch, RecordSink, Ticket};
use crate::error::ConnectorError;
use crate::event::{End, Voice};
use crate::kill::kill_point;
use crate::limits::{PRODUCE_BYTES_MAX, ROWS_IN_FLIGHT_MAX};
use crate::position::{Delta, PartitionId};
use crate::records::RawBatch;
use crate::reject::{Reject, RejectReason};
use crate::retry::AckWatch;

/// The rows of one route, ready to be sent.
pub(crate) struct OutRows {
    /// Rows of the raw batch.
    pub(crate) rows: Vec<u32>,
    pub(crate) topics: Vec<Arc<str>>,
    /// Empty: all rows go to `topics[0]`.
    pub(crate) topic_of_row: Vec<u32>,
    pub(crate) keys: Option<BinaryArray>,
    pub(crate) values: Option<BinaryArray>,
}

/// A row that the sink refused for good.
pub(crate) struct Refusal {
    pub(crate) partition: PartitionId,
    pub(crate) flight: FlightId,
    pub(crate) raw: Rc<RawBatch>,
    pub(crate) reject: Reject,
}

/// A batch that became safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Landed {
    pub(crate) partition: PartitionId,
    pub(crate) delta: Delta,
    /// Rows that were sent.
    pub(crate) rows: u64,
}

/// The number of a source batch in its task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FlightId(u64);

/// A source batch whose rows are not all acknowledged.
struct Flight {
    id: FlightId,
    delta: Delta,
    raw: Rc<RawBatch>,
    tickets_open: usize,
    rows: usize,
    dead_letter: Option<Ticket>,
}

struct Pending {
    ticket: Ticket,
    raw: Rc<RawBatch>,
    out: OutRows,
    sent: usize,
}

/// Which rows a ticket stands for.
struct Sent {
    partition: PartitionId,
    flight: FlightId,
    rows: Vec<u32>,
}

/// Sends rows and hears acknowledgements.
pub(crate) struct Produce {
    sink: Box<dyn RecordSink>,
    last: u64,
    pending: VecDeque<Pending>,
    sent: AHashMap<Ticket, Sent>,
    flights: BTreeMap<PartitionId, VecDeque<Flight>>,
    rows_in_flight: usize,
    bytes_in_flight: usize,
    acks: AckWatch,
}

impl Produce {
    pub(crate) fn new(sink: Box<dyn RecordSink>) -> Self {
        Self {
            sink,
            last: 0,
            pending: VecDeque::new(),
            sent: AHashMap::new(),
            flights: BTreeMap::new(),
            rows_in_flight: 0,
            bytes_in_flight: 0,
            acks: AckWatch::new(End::Sink),
        }
    }

    /// Takes a source batch with the rows that each route sends; a batch without any moves the position in its turn all the same.
    pub(crate) fn accept(&mut self, raw: Rc<RawBatch>, outs: Vec<OutRows>, dead_letter: Option<Ticket>) {
        let id = FlightId(self.next());
        let (partition, delta) = (raw.partition, raw.delta);
        let mut flight = Flight { id, delta, raw: Rc::clone(&raw), tickets_open: 0, rows: 0, dead_letter };
        for out in outs.into_iter().filter(|out| !out.rows.is_empty()) {
            let ticket = Ticket(self.next());
            flight.tickets_open += 1;
            flight.rows += out.rows.len();
            self.pending.push_back(Pending { ticket, raw: Rc::clone(&raw), out, sent: 0 });
            self.sent.insert(ticket, Sent { partition, flight: id, rows: Vec::new() });
        }
        self.rows_in_flight += flight.rows;
        self.bytes_in_flight += raw.bytes;
        self.flights.entry(partition).or_default().push_back(flight);
    }

    /// Sends what can be sent and hears acknowledgements for at most `wait`.
    pub(crate) fn pump(&mut self, wait: Duration, now: Duration, voice: &Voice) -> Result<Vec<Refusal>, ConnectorError> {
        if self.flights.is_empty() && self.sent.is_empty() {
            return Ok(Vec::new());
        }
        while let Some(front) = self.pending.front_mut() {
            front.sent += self.sink.send(&front.batch(), front.sent)?;
            if front.sent < front.out.rows.len() {
                break;
            }
            kill_point("produce.sent");
            let Some(whole) = self.pending.pop_front() else { break };
            if let Some(sent) = self.sent.get_mut(&whole.ticket) {
                sent.rows = whole.out.rows;
            }
        }
        let deliveries = self.sink.poll(wait)?;
        self.acks.heard(!deliveries.is_empty(), self.sink.as_ref(), now, voice);
        Ok(deliveries.into_iter().filter_map(|delivery| self.hear(delivery)).collect())
    }

    fn hear(&mut self, delivery: Delivery) -> Option<Refusal> {
        match delivery {
            Delivery::Done(ticket) => {
                kill_point("produce.acknowledged");
                let Sent { partition, flight, rows: _ } = self.sent.remove(&ticket)?;
                if let Some(flight) = self.flight(partition, flight) {
                    flight.tickets_open -= 1;
                }
                None
            }
            Delivery::Refused { ticket, row, error } => {
                let sent = self.sent.get(&ticket)?;
                let (partition, id) = (sent.partition, sent.flight);
                let of_pending = || self.pending.iter().find(|pending| pending.ticket == ticket).map(|pending| &pending.out.rows);
                let rows = if sent.rows.is_empty() { of_pending()? } else { &sent.rows };
                let row = *rows.get(row as usize)?;
                let raw = Rc::clone(&self.flight(partition, id)?.raw);
                let reject = Reject { row, reason: RejectReason::Refused, message: error.to_string() };
                Some(Refusal { partition, flight: id, raw, reject })
            }
        }
    }

    /// A batch waits for a dead letter too.
    pub(crate) fn wait_for(&mut self, partition: PartitionId, flight: FlightId, dead_letter: Option<Ticket>) {
        if let Some(flight) = self.flight(partition, flight) {
            flight.dead_letter = flight.dead_letter.max(dead_letter);
        }
    }

    /// Takes the batches that are safe, in order per partition.
    pub(crate) fn take_landed(&mut self, is_acknowledged: impl Fn(Ticket) -> bool) -> Vec<Landed> {
        let mut landed = Vec::new();
        for (partition, flights) in &mut self.flights {
            while let Some(front) = flights.front() {
                if front.tickets_open > 0 || front.dead_letter.is_some_and(|ticket| !is_acknowledged(ticket)) {
                    break;
                }
                let Some(flight) = flights.pop_front() else { break };
                self.rows_in_flight -= flight.rows;
                self.bytes_in_flight -= flight.raw.bytes;
                landed.push(Landed { partition: *partition, delta: flight.delta, rows: flight.rows as u64 });
            }
        }
        self.flights.retain(|_, flights| !flights.is_empty());
        landed
    }

    /// Forgets a partition: what was sent is perhaps written, and will be sent again by its next owner.
    pub(crate) fn discard(&mut self, partition: PartitionId) {
        for flight in self.flights.remove(&partition).into_iter().flatten() {
            self.rows_in_flight -= flight.rows;
            self.bytes_in_flight -= flight.raw.bytes;
        }
        // A batch that is sent in part must be sent whole, else its acknowledgement never comes.
        let sent = &mut self.sent;
        self.pending.retain(|pending| {
            let goes = pending.raw.partition == partition && pending.sent == 0;
            if goes {
                sent.remove(&pending.ticket);
            }
            !goes
        });
    }

    /// True if a partition has batches that are not safe.
    pub(crate) fn has(&self, partition: PartitionId) -> bool {
        self.flights.contains_key(&partition)
    }

    /// True if a batch may come.
    pub(crate) fn has_room(&self) -> bool {
        self.pending.is_empty() && self.rows_in_flight < ROWS_IN_FLIGHT_MAX && self.bytes_in_flight < PRODUCE_BYTES_MAX
    }

    /// True if every batch is safe.
    pub(crate) fn is_quiet(&self) -> bool {
        self.flights.is_empty()
    }

    /// True if the sink has rows that it did not report on: its poll waits for them.
    pub(crate) fn is_waiting(&self) -> bool {
        self.sink.in_flight() > 0
    }

    /// Rows that are not acknowledged.
    pub(crate) fn rows_in_flight(&self) -> usize {
        self.rows_in_flight
    }

    /// Bytes of batches that are not acknowledged.
    pub(crate) fn bytes_in_flight(&self) -> usize {
        self.bytes_in_flight
    }

    /// How long the sink has been silent although rows are in flight.
    pub(crate) fn silent_for(&self, now: Duration) -> Duration {
        self.acks.silent_for(now)
    }

    fn flight(&mut self, partition: PartitionId, id: FlightId) -> Option<&mut Flight> {
        let flights = self.flights.get_mut(&partition)?;
        let index = flights.binary_search_by_key(&id, |flight| flight.id).ok()?;
        flights.get_mut(index)
    }

    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}

impl Pending {
    fn batch(&self) -> OutBatch<'_> {
        OutBatch {
            ticket: self.ticket,
            raw: &self.raw,
            rows: &self.out.rows,
            topics: &self.out.topics,
            topic_of_row: &self.out.topic_of_row,
            keys: self.out.keys.as_ref(),
            values: self.out.values.as_ref(),
            headers: None,
        }
    }
}

#[cfg(test)]
mod tests;
