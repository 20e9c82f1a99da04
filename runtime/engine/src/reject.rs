//! Records that could not be processed: which, where on the path and why; and what becomes of them.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use kpipe_compiler::plan::{ErrorPolicy, Tolerance};

use crate::connector::{Delivery, Headers, OutBatch, RecordSink, Ticket};
use crate::error::{ConnectorError, ErrorKind};
use crate::event::{End, Event, PartitionName, Voice};
use crate::kill::kill_point;
use crate::limits::DEAD_LETTERS_IN_FLIGHT_MAX;
use crate::position::Position;
use crate::records::RawBatch;
use crate::retry::AckWatch;

pub(crate) mod reason;

pub use reason::{Reject, RejectReason};

/// What becomes of rejects: the error policy of one task.
pub(crate) struct RejectDesk {
    tolerance: Tolerance,
    dead_letters: Option<DeadLetters>,
    /// The first record that the policy does not tolerate.
    stopped_at: Option<Position>,
    pipeline: Arc<str>,
    task: usize,
    voice: Voice,
}

/// The dead-letter topic and what is on its way there.
struct DeadLetters {
    topics: [Arc<str>; 1],
    sink: Box<dyn RecordSink>,
    pending: VecDeque<Letters>,
    /// Where the records of each came from.
    unacknowledged: BTreeMap<Ticket, Origins>,
    last: u64,
    acks: AckWatch,
}

/// Where dead letters came from: row and position of each.
struct Origins {
    name: PartitionName,
    positions: Vec<(u32, Position)>,
}

/// Rejects of one batch.
struct Letters {
    ticket: Ticket,
    raw: Rc<RawBatch>,
    rows: Vec<u32>,
    headers: Vec<Headers>,
    sent: usize,
}

impl RejectDesk {
    /// `sink` leads to the cluster of the policy's dead-letter topic, if it has one.
    pub(crate) fn new(policy: &ErrorPolicy, sink: Option<Box<dyn RecordSink>>, pipeline: Arc<str>, task: usize, voice: Voice) -> Self {
        let dead_letters = policy.dead_letter.as_ref().zip(sink).map(|(letter, sink)| DeadLetters {
            topics: [letter.topic.as_str().into()],
            sink,
            pending: VecDeque::new(),
            unacknowledged: BTreeMap::new(),
            last: 0,
            acks: AckWatch::new(End::DeadLetters),
        });
        Self { tolerance: policy.tolerance, dead_letters, stopped_at: None, pipeline, task, voice }
    }

    /// Puts the rejects of a batch aside. The position may not move past them before the ticket is acknowledged.
    ///
    /// # Errors
    /// The policy tolerates none: the first one, with its place.
    pub(crate) fn put_aside(
        &mut self,
        raw: &Rc<RawBatch>,
        name: &PartitionName,
        mut rejects: Vec<Reject>,
    ) -> Result<Option<Ticket>, ConnectorError> {
        rejects.sort_by_key(|reject| reject.row);
        rejects.dedup_by_key(|reject| reject.row);
        let Some(first) = rejects.first() else { return Ok(None) };
        let sample = raw.records.position(first.row as usize);
        if self.tolerance == Tolerance::None {
            let PartitionName { topic, partition } = name;
            let message = format!("topic \"{topic}\" partition {partition} offset {sample}: {}", first.message);
            self.stopped_at = Some(sample);
            let help = "errors: { tolerance: all, dead_letter: TOPIC } puts such records aside and goes on";
            return Err(ConnectorError::new(ErrorKind::Data, message).help(help));
        }
        let topic = self.dead_letters.as_ref().map(|letters| Arc::clone(&letters.topics[0]));
        self.say(raw, name, &rejects, topic.as_ref());
        let Some(letters) = &mut self.dead_letters else { return Ok(None) };
        letters.last += 1;
        let ticket = Ticket(letters.last);
        let headers = rejects.iter().map(|reject| context(reject, raw, name, &self.pipeline, self.task)).collect();
        let rows: Vec<u32> = rejects.iter().map(|reject| reject.row).collect();
        let positions = rows.iter().map(|row| (*row, raw.records.position(*row as usize))).collect();
        letters.unacknowledged.insert(ticket, Origins { name: name.clone(), positions });
        letters.pending.push_back(Letters { ticket, raw: Rc::clone(raw), rows, headers, sent: 0 });
        Ok(Some(ticket))
    }

    /// The first record that the policy does not tolerate, if there was one.
    pub(crate) fn stopped_at(&self) -> Option<Position> {
        self.stopped_at
    }

    /// Sends what can be sent and hears acknowledgements, without waiting.
    pub(crate) fn pump(&mut self, now: Duration) -> Result<(), ConnectorError> {
        let Some(letters) = &mut self.dead_letters else { return Ok(()) };
        letters.pump(now, &self.voice)
    }

    /// True if this dead letter and all before it are acknowledged.
    pub(crate) fn is_acknowledged(&self, ticket: Ticket) -> bool {
        let first = self.dead_letters.as_ref().and_then(|letters| letters.unacknowledged.keys().next());
        first.is_none_or(|first| ticket < *first)
    }

    /// True if rejects may come.
    pub(crate) fn has_room(&self) -> bool {
        self.dead_letters.as_ref().is_none_or(|letters| letters.pending.is_empty() && letters.sink.in_flight() < DEAD_LETTERS_IN_FLIGHT_MAX)
    }

    /// True if nothing is on its way.
    pub(crate) fn is_quiet(&self) -> bool {
        self.dead_letters.as_ref().is_none_or(|letters| letters.unacknowledged.is_empty())
    }

    /// One event per reason.
    fn say(&self, raw: &RawBatch, name: &PartitionName, rejects: &[Reject], dead_letter: Option<&Arc<str>>) {
        for reason in RejectReason::ALL {
            let mut of_reason = rejects.iter().filter(|reject| reject.reason == reason);
            let Some(first) = of_reason.next() else { continue };
            self.voice.say(&Event::Rejected {
                partition: name.clone(),
                sample: raw.records.position(first.row as usize),
                reason,
                message: first.message.clone(),
                records: 1 + of_reason.count() as u64,
                dead_letter: dead_letter.map(Arc::clone),
            });
        }
    }
}

impl DeadLetters {
    fn pump(&mut self, now: Duration, voice: &Voice) -> Result<(), ConnectorError> {
        if self.unacknowledged.is_empty() {
            return Ok(());
        }
        while let Some(letters) = self.pending.front_mut() {
            let batch = OutBatch {
                ticket: letters.ticket,
                raw: &letters.raw,
                rows: &letters.rows,
                topics: &self.topics,
                topic_of_row: &[],
                keys: None,
                values: None,
                headers: Some(&letters.headers),
            };
            letters.sent += self.sink.send(&batch, letters.sent)?;
            kill_point("dead.letter.sent");
            if letters.sent < letters.rows.len() {
                break;
            }
            self.pending.pop_front();
        }
        let deliveries = self.sink.poll(Duration::ZERO)?;
        self.acks.heard(!deliveries.is_empty(), self.sink.as_ref(), now, voice);
        for delivery in deliveries {
            match delivery {
                Delivery::Done(ticket) => {
                    kill_point("dead.letter.acknowledged");
                    self.unacknowledged.remove(&ticket);
                }
                Delivery::Refused { ticket, row, error } => return Err(self.refused(ticket, row, &error)),
            }
        }
        Ok(())
    }

    fn refused(&self, ticket: Ticket, row: u32, error: &ConnectorError) -> ConnectorError {
        let origins = self.unacknowledged.get(&ticket);
        let place = origins.and_then(|origins| Some((&origins.name, origins.positions.iter().find(|(of, _)| *of == row)?.1)));
        let place = place.map_or(String::new(), |(PartitionName { topic, partition }, position)| {
            format!("topic \"{topic}\" partition {partition} offset {position}: ")
        });
        let message = format!("{place}dead-letter topic \"{}\" refused the record: {error}", self.topics[0]);
        let help = "a dead letter is the record with headers about its mistake: raise `max.message.bytes` of that topic above the source's";
        ConnectorError::new(ErrorKind::Data, message).help(help)
    }
}

/// Kafka Connect's headers about a failed record.
fn context(reject: &Reject, raw: &RawBatch, name: &PartitionName, pipeline: &str, task: usize) -> Headers {
    let row = reject.row as usize;
    let class = reject.reason.word();
    let entries = [
        ("topic", raw.records.topic(row).to_owned()),
        ("partition", name.partition.to_string()),
        ("offset", raw.records.position(row).to_string()),
        ("connector.name", pipeline.to_owned()),
        ("task.id", task.to_string()),
        ("stage", reject.reason.stage().to_owned()),
        ("class.name", "kpipe".to_owned()),
        ("exception.class.name", format!("kpipe.{class}")),
        ("exception.message", reject.message.clone()),
    ];
    entries.into_iter().map(|(key, value)| (format!("__connect.errors.{key}"), value.into_bytes())).collect()
}

#[cfg(test)]
mod tests;
