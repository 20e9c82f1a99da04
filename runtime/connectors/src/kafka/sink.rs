//! The sink: an idempotent producer whose acknowledgements are counted per batch.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arrow::array::{Array, BinaryArray};
use kpipe_compiler::names;
use kpipe_compiler::plan::{Tail, TopicName};
use kpipe_engine::connector::{Delivery, OpenRequest, OutBatch, RecordSink};
use kpipe_engine::error::{ConnectorError, ErrorKind, Retry};
use kpipe_engine::records::Records;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, DeliveryResult, Producer, ProducerContext};
use rdkafka::types::RDKafkaErrorCode as Code;

use super::admin::Topics;
use super::failure::{self, Place};
use super::ffi::{Headers, Outgoing, Queue, TopicHandle};
use super::health::Watch;
use super::ledger::{Ledger, Refused, pack};
use super::options::TopicOptions;
use super::settings::{BATCH_BYTES_MAX, Settings};
use super::signal::Signal;

/// How long a new producer may take to hear of its cluster.
const HEAR_TIMEOUT: Duration = Duration::from_secs(10);

/// The context of the producer's client.
#[derive(Debug)]
pub(super) struct Reports {
    pub(super) watch: Watch,
    ledger: Mutex<Ledger>,
}

impl Reports {
    pub(super) fn new(place: Place) -> Self {
        Self { watch: Watch::new(place), ledger: Mutex::default() }
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Reports {
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

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, word: usize) {
        let code = match result {
            Ok(_) => None,
            Err((error, _)) => Some(error.rdkafka_error_code().unwrap_or(Code::Unknown)),
        };
        self.ledger().report(word, code);
    }
}

/// A producer as a sink of records.
pub(super) struct KafkaSink {
    /// Given back before the producer goes.
    handles: HashMap<Arc<str>, Handle>,
    main: Queue,
    producer: Arc<BaseProducer<Reports>>,
    settings: Settings,
    create: TopicOptions,
    batch_bytes: usize,
    /// Needed again only where records choose their topics.
    topics: Option<Topics>,
    signal: Arc<Signal>,
}

/// A topic that was written to.
enum Handle {
    /// It is there.
    Open(TopicHandle),
    /// Its name cannot be one: rows for it are refused.
    Illegal,
}

impl KafkaSink {
    /// Connects. Topics that the statements name must be there, or are created if the options say so.
    pub(super) fn open(request: &OpenRequest<'_>) -> Result<Self, ConnectorError> {
        let settings = Settings::new(request)?;
        let options = &request.endpoint.options;
        let (create, mut batch_bytes) = (TopicOptions::new(options), BATCH_BYTES_MAX);
        let fixed: BTreeSet<&str> = request.routes.iter().filter_map(|route| fixed_topic(&route.tail)).collect();
        if !fixed.is_empty() {
            let topics = Topics::new(&settings)?;
            for topic in &fixed {
                batch_bytes = batch_bytes.min(topics.ensure(topic, &create)?);
            }
        }
        let producer: BaseProducer<Reports> = settings
            .producer(options, batch_bytes)
            .create_with_context(Reports::new(settings.place.clone()))
            .map_err(|error| settings.place.wrapped(&error, "producer"))?;
        let (producer, signal) = (Arc::new(producer), Arc::new(Signal::default()));
        let mut main = Queue::main(producer.clone()).ok_or_else(|| settings.place.error(ErrorKind::Bug, "a producer without a queue"))?;
        main.on_ready(&signal);
        let mut sink = Self { handles: HashMap::new(), main, producer, settings, create, batch_bytes, topics: None, signal };
        if let Some(first) = fixed.first() {
            // librdkafka asks for the number of an idempotent producer when it hears of the cluster, otherwise twice a second.
            let heard = sink.producer.client().fetch_metadata(Some(first), HEAR_TIMEOUT);
            heard.map_err(|error| sink.place().wrapped(&error, "producer"))?;
        }
        for topic in fixed {
            sink.handle(&Arc::from(topic))?;
        }
        Ok(sink)
    }

    fn place(&self) -> &Place {
        &self.settings.place
    }

    /// Makes sure that a topic is there, the first time that it is written to.
    fn ensure(&mut self, name: &Arc<str>) -> Result<(), ConnectorError> {
        if self.handles.contains_key(name) {
            return Ok(());
        }
        if names::check_topic(name).is_err() {
            self.handles.insert(Arc::clone(name), Handle::Illegal);
            return Ok(());
        }
        let topics = match self.topics.take() {
            Some(topics) => topics,
            None => Topics::new(&self.settings)?,
        };
        let limit = topics.ensure(name, &self.create)?;
        self.topics = Some(topics);
        if limit < self.batch_bytes {
            let what =
                format!("topic {name:?} takes at most {limit} bytes (`max.message.bytes`), but a batch may have {}", self.batch_bytes);
            let help = format!("set `client: {{ batch.size: \"{limit}\" }}` under the sink's `kafka:`");
            return Err(self.place().error(ErrorKind::Invalid, what).help(help));
        }
        self.handle(name)
    }

    fn handle(&mut self, name: &Arc<str>) -> Result<(), ConnectorError> {
        let handle = TopicHandle::new(self.producer.clone(), name)
            .ok_or_else(|| self.place().error(ErrorKind::Bug, format!("no handle for topic {name:?}")))?;
        self.handles.insert(Arc::clone(name), Handle::Open(handle));
        Ok(())
    }

    /// Handles what librdkafka has to say, without waiting.
    fn serve(&self) -> Result<Vec<Delivery>, ConnectorError> {
        loop {
            self.producer.poll(Duration::ZERO);
            if self.main.len() == 0 {
                break;
            }
        }
        let reports = self.producer.context();
        if let Some(failure) = reports.watch.take_failures().into_iter().next() {
            return Err(failure);
        }
        if let Some((code, reason)) = self.producer.client().fatal_error() {
            return Err(self.place().code(code, "producer", &reason).retry(Retry::Reopen));
        }
        let (refused, done) = reports.ledger().take();
        if !done.is_empty() {
            reports.watch.alive();
        }
        let refused = refused.into_iter().map(|refused| self.refusal(refused));
        refused.chain(done.into_iter().map(|ticket| Ok(Delivery::Done(ticket)))).collect()
    }

    /// A row that was not written: its own fault, or a failure of the sink.
    fn refusal(&self, Refused { ticket, row, code }: Refused) -> Result<Delivery, ConnectorError> {
        let error = self.place().code(code, "a record was not written", "");
        match error.kind {
            ErrorKind::Data => {
                Ok(Delivery::Refused { ticket, row, error: error.help("a record must fit `max.message.bytes` of its topic") })
            }
            ErrorKind::Missing => Err(self.place().error(ErrorKind::Missing, "a topic that is written to was deleted")),
            ErrorKind::Fenced | ErrorKind::Unreachable => Err(error.retry(Retry::Reopen)),
            ErrorKind::Denied | ErrorKind::LocalIo | ErrorKind::Invalid | ErrorKind::Bug => Err(error),
        }
    }
}

impl RecordSink for KafkaSink {
    fn send(&mut self, batch: &OutBatch<'_>, from: usize) -> Result<usize, ConnectorError> {
        for topic in batch.topics {
            self.ensure(topic)?;
        }
        let topics: Vec<Option<&TopicHandle>> = batch
            .topics
            .iter()
            .map(|topic| match self.handles.get(topic) {
                Some(Handle::Open(handle)) => Some(handle),
                Some(Handle::Illegal) | None => None,
            })
            .collect();
        let reports = self.producer.context();
        let slot = reports.ledger().slot(batch.ticket);
        let (mut next, mut taken) = (from, 0);
        while next < batch.rows.len() {
            let row = u32::try_from(next).map_err(|_| self.place().error(ErrorKind::Bug, "a batch of more than 2^32 rows"))?;
            let topic = topics.get(batch.topic_of_row.get(next).map_or(0, |topic| *topic as usize)).copied().flatten();
            let outcome = topic.map_or(Err(Code::InvalidTopic), |topic| topic.produce(outgoing(batch, next, pack(slot, row))));
            match outcome {
                Ok(()) => taken += 1,
                // Into an empty queue it will never fit.
                Err(Code::QueueFull) if taken == 0 && reports.ledger().in_flight() == 0 => {
                    reports.ledger().refuse(slot, row, Code::MessageSizeTooLarge);
                }
                Err(Code::QueueFull) => break,
                Err(code) if failure::kind(code) == ErrorKind::Data => reports.ledger().refuse(slot, row, code),
                Err(code) => {
                    reports.ledger().open(slot, taken);
                    return Err(self.place().code(code, "a record was not taken", "").retry(Retry::Reopen));
                }
            }
            next += 1;
        }
        let mut ledger = reports.ledger();
        ledger.open(slot, taken);
        if next == batch.rows.len() {
            ledger.complete(slot);
        }
        Ok(next - from)
    }

    fn poll(&mut self, wait: Duration) -> Result<Vec<Delivery>, ConnectorError> {
        let deadline = Instant::now() + wait;
        loop {
            let deliveries = self.serve()?;
            let now = Instant::now();
            if !deliveries.is_empty() || now >= deadline {
                return Ok(deliveries);
            }
            self.signal.wait(deadline - now);
        }
    }

    fn in_flight(&self) -> usize {
        self.producer.context().ledger().in_flight()
    }

    fn away(&self) -> Option<ConnectorError> {
        self.producer.context().watch.away()
    }
}

/// A row as librdkafka takes it.
fn outgoing<'a>(batch: &'a OutBatch<'_>, row: usize, opaque: usize) -> Outgoing<'a> {
    let (records, source): (&dyn Records, usize) = (&*batch.raw.records, batch.rows[row] as usize);
    let cell = |array: &'a BinaryArray| (!array.is_null(row)).then(|| array.value(row));
    Outgoing {
        key: batch.keys.map_or_else(|| records.key(source), cell),
        value: batch.values.map_or_else(|| records.value(source), cell),
        timestamp_ms: records.timestamp_ms(source),
        headers: headers(batch, row, source),
        opaque,
    }
}

fn headers(batch: &OutBatch<'_>, row: usize, source: usize) -> Option<Headers> {
    let mut list: Option<Headers> = None;
    batch.raw.records.headers(source, &mut |name, value| list.get_or_insert_with(|| Headers::new(8)).add(name, value));
    for (name, value) in batch.headers.map_or(&[][..], |headers| &headers[row]) {
        list.get_or_insert_with(|| Headers::new(8)).add(name, Some(value));
    }
    list
}

/// The topic that a statement writes to, if all its records go to one.
pub(super) fn fixed_topic(tail: &Tail) -> Option<&str> {
    match tail {
        Tail::Records(tail) => match &tail.topic {
            TopicName::Fixed(topic) => Some(topic),
            TopicName::OfSource => None,
        },
        Tail::Files(_) => None,
    }
}

#[cfg(test)]
mod tests;
