//! Copies of the newest records of a source's topics, for a look at what a pipeline would make of them. No group is joined, nothing is committed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kpipe_engine::connector::OpenRequest;
use kpipe_engine::error::ConnectorError;
use kpipe_engine::position::{Delta, PartitionId, Position};
use kpipe_engine::records::{RawBatch, Records};
use rdkafka::Message;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, OwnedMessage};
use rdkafka::topic_partition_list::Offset;

use super::look::{self, Look};
use super::options::SourceOptions;
use super::rebalance::Named;
use super::settings::Settings;

/// Records looked at, at most, shared out among the partitions.
const RECORDS_MAX: usize = 10_000;
/// Their bytes, at most.
const BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long reading may take; what came until then counts.
const WAIT: Duration = Duration::from_secs(5);
/// Without a record for so long, what is there was read: the last offset of a partition may belong to no record.
const QUIET: Duration = Duration::from_secs(1);
/// One poll.
const POLL: Duration = Duration::from_millis(100);

/// One batch for each partition that has records, in the order of topics and numbers.
pub(super) fn newest(request: &OpenRequest<'_>) -> Result<Vec<RawBatch>, ConnectorError> {
    let settings = Settings::new(request)?;
    // librdkafka assigns nothing to a client without a group; this one neither joins nor commits.
    let look = Look::new(&settings, Some(&SourceOptions::new(request)?.group))?;
    let mut names: Vec<Named> = Vec::new();
    for topic in request.routes.iter().map(|route| route.from.as_str()).collect::<BTreeSet<_>>() {
        names.extend(look.names(topic)?.unwrap_or_default());
    }
    let each = i64::try_from((RECORDS_MAX / names.len().max(1)).max(1)).unwrap_or(1);
    let mut open = BTreeMap::new();
    for standing in look.standing(&names, false)?.into_iter().filter(|standing| standing.low < standing.high) {
        open.insert(standing.name, ((standing.high - each).max(standing.low), standing.high));
    }
    let mut found = read(&look, &settings, open)?;
    let batch = |(id, name): (u32, Named)| {
        let messages = found.remove(&name)?;
        let (first, last) = (messages.first()?.offset(), messages.last()?.offset());
        let routes = request.routes.iter().enumerate().filter(|(_, route)| route.from == *name.0);
        let size = |message: &OwnedMessage| message.payload().map_or(0, <[u8]>::len) + message.key().map_or(0, <[u8]>::len);
        Some(RawBatch {
            partition: PartitionId(id),
            delta: Delta::new(Position(first), Position(last + 1)),
            routes: routes.map(|(index, _)| index).collect(),
            bytes: messages.iter().map(size).sum(),
            records: Box::new(Copied { messages, partition: name.1 }),
        })
    };
    Ok((0..).zip(names).filter_map(batch).collect())
}

/// Reads partitions between two offsets each.
fn read(
    look: &Look,
    settings: &Settings,
    mut open: BTreeMap<Named, (i64, i64)>,
) -> Result<BTreeMap<Named, Vec<OwnedMessage>>, ConnectorError> {
    let consumer = look.consumer();
    let list = look::list(open.iter().map(|(name, (start, _))| (name, Offset::Offset(*start))));
    list.and_then(|list| consumer.assign(&list)).map_err(|error| settings.place.wrapped(&error, "the newest records"))?;
    let share = BYTES_MAX / open.len().max(1);
    let (mut found, begun) = (BTreeMap::<Named, (usize, Vec<OwnedMessage>)>::new(), Instant::now());
    let mut last = begun;
    while !open.is_empty() && begun.elapsed() < WAIT && (found.is_empty() || last.elapsed() < QUIET) {
        match consumer.poll(POLL) {
            Some(Ok(record)) => {
                let name: Named = (Arc::from(record.topic()), record.partition());
                // Records go on coming behind the end.
                let Some((_, end)) = open.get(&name).copied() else { continue };
                let (bytes, records) = found.entry(name.clone()).or_default();
                *bytes += record.payload_len() + record.key_len();
                if record.offset() + 1 >= end || *bytes >= share {
                    open.remove(&name);
                }
                records.push(record.detach());
                last = Instant::now();
            }
            Some(Err(KafkaError::PartitionEOF(_))) | None => {}
            Some(Err(error)) if !look::passes(&error) => return Err(settings.place.wrapped(&error, "the newest records")),
            Some(Err(_)) => {}
        }
    }
    Ok(found.into_iter().map(|(name, (_, records))| (name, records)).collect())
}

/// Records in memory of their own.
struct Copied {
    messages: Vec<OwnedMessage>,
    partition: i32,
}

impl Records for Copied {
    fn len(&self) -> usize {
        self.messages.len()
    }

    fn source_partition(&self) -> i32 {
        self.partition
    }

    fn value(&self, row: usize) -> Option<&[u8]> {
        self.messages[row].payload()
    }

    fn key(&self, row: usize) -> Option<&[u8]> {
        self.messages[row].key()
    }

    fn position(&self, row: usize) -> Position {
        Position(self.messages[row].offset())
    }

    fn timestamp_ms(&self, row: usize) -> Option<i64> {
        self.messages[row].timestamp().to_millis()
    }

    fn topic(&self, row: usize) -> &str {
        self.messages[row].topic()
    }

    fn headers(&self, row: usize, each: &mut dyn FnMut(&str, Option<&[u8]>)) {
        for header in self.messages[row].headers().iter().flat_map(|headers| headers.iter()) {
            each(header.key, header.value);
        }
    }
}

#[cfg(test)]
mod tests {
    use kpipe_engine::error::ErrorKind;
    use rdkafka::mocking::MockCluster;

    use super::super::testing::{self, Pipeline};
    use super::*;

    #[test]
    fn the_newest_of_each_partition_are_copied() {
        let cluster = MockCluster::new(1).unwrap();
        for (topic, partitions) in [("a", 2), ("b", 1), ("empty", 1)] {
            cluster.create_topic(topic, partitions, 1).unwrap();
        }
        testing::fill(&cluster.bootstrap_servers(), "a", 1, 5);
        testing::fill(&cluster.bootstrap_servers(), "b", 0, RECORDS_MAX);
        let pipeline = Pipeline::new("p", &cluster.bootstrap_servers(), &["a", "b", "empty", "b"]);
        let batches = newest(&pipeline.request()).unwrap();
        let shape = |batch: &RawBatch| {
            let records = &batch.records;
            (records.topic(0).to_owned(), records.source_partition(), records.position(0).0, records.len(), batch.routes.to_vec())
        };
        let expected = [("a".to_owned(), 1, 0, 5, vec![0]), ("b".to_owned(), 0, 7_500, 2_500, vec![1, 3])];
        assert_eq!(batches.iter().map(shape).collect::<Vec<_>>(), expected);
        assert!(batches[1].bytes > 0 && batches[1].delta == Delta::new(Position(7_500), Position(10_000)), "{:?}", batches[1]);
    }

    #[test]
    fn an_unreachable_cluster_is_an_error() {
        let pipeline = Pipeline::new("p", "127.0.0.1:1", &["t"]);
        assert_eq!(newest(&pipeline.request()).unwrap_err().kind, ErrorKind::Unreachable);
    }
}
