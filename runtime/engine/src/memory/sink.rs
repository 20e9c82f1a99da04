//! A sink of records: rows are written when they are acknowledged. What was not acknowledged when the process dies is lost; the tests'
//! other extreme, written without an acknowledgement, comes from [`What::CrashAfter`](super::What) at [`Op::Acks`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, BinaryArray};
use bytes::Bytes;

use super::fault::Op;
use super::world::{Produced, World};
use crate::connector::{Delivery, OutBatch, RecordSink, Ticket};
use crate::error::{ConnectorError, ErrorKind};

/// Rows that the sink holds at most.
const QUEUE_ROWS: usize = 1_000;

/// Largest value that it takes.
const VALUE_BYTES_MAX: usize = 1024 * 1024;

pub(super) struct MemorySink {
    world: Arc<World>,
    process: u64,
    queue: VecDeque<Queued>,
}

struct Queued {
    ticket: Ticket,
    row: u32,
    is_last: bool,
    record: Produced,
}

impl MemorySink {
    pub(super) fn new(world: Arc<World>) -> Self {
        let process = world.state().process;
        Self { world, process, queue: VecDeque::new() }
    }
}

fn cell(array: Option<&BinaryArray>, row: usize, source: Option<&[u8]>) -> Option<Bytes> {
    match array {
        Some(array) => array.is_valid(row).then(|| Bytes::copy_from_slice(array.value(row))),
        None => source.map(Bytes::copy_from_slice),
    }
}

fn record_of(batch: &OutBatch<'_>, row: usize) -> Produced {
    let source = batch.rows[row] as usize;
    let topic = batch.topic_of_row.get(row).map_or(0, |index| *index as usize);
    let mut headers = Vec::new();
    batch.raw.records.headers(source, &mut |name, value| headers.push((name.to_owned(), value.map(Bytes::copy_from_slice))));
    let more = batch.headers.map_or(&[][..], |headers| headers[row].as_slice());
    headers.extend(more.iter().map(|(name, value)| (name.clone(), Some(Bytes::copy_from_slice(value)))));
    Produced {
        topic: batch.topics[topic].to_string(),
        key: cell(batch.keys, row, batch.raw.records.key(source)),
        value: cell(batch.values, row, batch.raw.records.value(source)),
        headers,
    }
}

impl RecordSink for MemorySink {
    fn send(&mut self, batch: &OutBatch<'_>, from: usize) -> Result<usize, ConnectorError> {
        let room = QUEUE_ROWS.saturating_sub(self.queue.len());
        let to = batch.rows.len().min(from + room);
        let rows: Vec<Queued> = (from..to)
            .map(|row| Queued {
                ticket: batch.ticket,
                row: row as u32,
                is_last: row + 1 == batch.rows.len(),
                record: record_of(batch, row),
            })
            .collect();
        self.world.call(self.process, Op::Send, |_| ())?;
        self.queue.extend(rows);
        Ok(to - from)
    }

    fn poll(&mut self, wait: Duration) -> Result<Vec<Delivery>, ConnectorError> {
        if self.queue.is_empty() {
            return Ok(Vec::new());
        }
        let queue = std::mem::take(&mut self.queue);
        let mut deliveries = Vec::new();
        let result = self.world.call(self.process, Op::Acks, |state| {
            for Queued { ticket, row, is_last, record } in queue {
                let bytes = record.value.as_ref().map_or(0, Bytes::len);
                if bytes > VALUE_BYTES_MAX {
                    let error = ConnectorError::new(ErrorKind::Data, format!("memory: {bytes} bytes are more than {VALUE_BYTES_MAX}"));
                    deliveries.push(Delivery::Refused { ticket, row, error });
                } else {
                    state.produced.push(record);
                }
                if is_last {
                    deliveries.push(Delivery::Done(ticket));
                }
            }
        });
        if result.is_ok() && deliveries.is_empty() {
            self.world.clock().pause(wait);
        }
        result.map(|()| deliveries)
    }

    fn in_flight(&self) -> usize {
        self.queue.len()
    }
}
