//! Questions to a cluster that change nothing: topics, offsets, where a group stands.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kpipe_engine::connector::NO_IDENTITY;
use kpipe_engine::error::{About, ConnectorError, ErrorKind};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{IsError, KafkaError, KafkaResult};
use rdkafka::metadata::Metadata;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode;

use super::failure::{self, Place};
use super::ffi::{self, Queue};
use super::health::Watch;
use super::rebalance::{Named, Start};
use super::settings::Settings;
use kpipe_engine::position::Position;

/// How long a question may take before the cluster counts as unreachable.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long all brokers may be down before that: the first address of a name may be the wrong one.
const GRACE: Duration = Duration::from_millis(1_500);
/// The first attempt; each further one may take twice as long.
const ATTEMPT: Duration = Duration::from_millis(250);

/// Where a partition without a committed offset is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// The oldest record.
    Earliest,
    /// The next record to come.
    Latest,
    /// The first record of this time or later, in milliseconds since 1970.
    Timestamp(i64),
}

/// The context of a client that only asks.
#[derive(Debug)]
pub(super) struct Asker {
    pub(super) watch: Watch,
}

impl ClientContext for Asker {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.watch.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.watch.error(&error, reason);
    }
}

impl ConsumerContext for Asker {}

/// A client that only asks.
pub(super) struct Look(EndsAside<Client>);

struct Client {
    /// Given back before the consumer goes.
    queue: Queue,
    consumer: Arc<BaseConsumer<Asker>>,
}

/// A partition as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) name: Named,
    pub(super) low: i64,
    pub(super) high: i64,
    pub(super) committed: Option<i64>,
}

/// A client that ends in a thread of its own: librdkafka takes a tenth of a second for it, several ask before a pipeline starts, and nobody
/// has to wait for their end.
pub(super) struct EndsAside<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> EndsAside<T> {
    pub(super) fn new(client: T) -> Self {
        Self(Some(client))
    }
}

impl<T: Send + 'static> Deref for EndsAside<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("it is taken when it is dropped, and nobody has it then")
    }
}

impl<T: Send + 'static> Drop for EndsAside<T> {
    fn drop(&mut self) {
        let client = self.0.take();
        if let Err(error) = std::thread::Builder::new().name("kpipe-end".to_owned()).spawn(move || drop(client)) {
            tracing::debug!(%error, "no thread to end a client in: it was ended here");
        }
    }
}

impl Look {
    /// A client; nothing is asked yet. With a group it can say where that stands.
    pub(super) fn new(settings: &Settings, group: Option<&str>) -> Result<Self, ConnectorError> {
        let mut config = settings.reader();
        if let Some(group) = group {
            config.set("group.id", group);
        }
        let context = Asker { watch: Watch::new(settings.place.clone()) };
        let consumer: BaseConsumer<Asker> =
            config.create_with_context(context).map_err(|error| settings.place.wrapped(&error, "client"))?;
        let consumer = Arc::new(consumer);
        let queue = if group.is_some() { Queue::consumer(consumer.clone()) } else { Queue::main(consumer.clone()) };
        let queue = queue.ok_or_else(|| settings.place.error(ErrorKind::Bug, "a client without a queue"))?;
        Ok(Self(EndsAside::new(Client { queue, consumer })))
    }

    /// The client itself, to read with.
    pub(super) fn consumer(&self) -> &BaseConsumer<Asker> {
        &self.0.consumer
    }

    fn watch(&self) -> &Watch {
        &self.consumer().context().watch
    }

    fn place(&self) -> &Place {
        &self.watch().place
    }

    /// Handles what librdkafka has to say: log lines and errors.
    fn serve(&self) {
        loop {
            self.consumer().poll(Duration::ZERO);
            if self.0.queue.len() == 0 {
                return;
            }
        }
    }

    /// Asks until there is an answer, the answer is no, or the cluster counts as unreachable.
    pub(super) fn ask<T>(&self, doing: &str, mut call: impl FnMut(Duration) -> KafkaResult<T>) -> Result<T, ConnectorError> {
        let (start, mut attempt) = (Instant::now(), ATTEMPT);
        loop {
            let error = match call(attempt) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            self.serve();
            if let Some(failure) = self.watch().take_failures().into_iter().next() {
                return Err(failure);
            }
            let away = self.watch().away().filter(|_| start.elapsed() > GRACE);
            let told = self.place().wrapped(&error, doing);
            if told.kind != ErrorKind::Unreachable || away.is_some() || start.elapsed() > PATIENCE {
                return Err(away.or_else(|| self.watch().cause()).filter(|_| told.kind == ErrorKind::Unreachable).unwrap_or(told));
            }
            attempt = (attempt * 2).min(Duration::from_secs(4));
        }
    }

    fn metadata(&self, topic: &str) -> Result<Metadata, ConnectorError> {
        self.ask(&format!("topic {topic:?}"), |attempt| self.consumer().fetch_metadata(Some(topic), attempt))
    }

    /// How many partitions a topic has; `None` if there is no such topic.
    pub(super) fn partitions(&self, topic: &str) -> Result<Option<usize>, ConnectorError> {
        let metadata = self.metadata(topic)?;
        let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else { return Ok(None) };
        match found.error().filter(|error| error.is_error()).map(RDKafkaErrorCode::from) {
            None => Ok(Some(found.partitions().len())),
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => Ok(None),
            // Just created: its leaders are being chosen.
            Some(RDKafkaErrorCode::LeaderNotAvailable) => Ok(Some(found.partitions().len())),
            Some(code) => Err(self.place().code(code, &format!("topic {topic:?}"), "").about(About::Name(topic.to_owned()))),
        }
    }

    /// The partitions of a topic; `None` if there is no such topic.
    pub(super) fn names(&self, topic: &str) -> Result<Option<Vec<Named>>, ConnectorError> {
        let Some(count) = self.partitions(topic)? else { return Ok(None) };
        let topic: Arc<str> = Arc::from(topic);
        Ok(Some((0..count).filter_map(|number| Some((Arc::clone(&topic), i32::try_from(number).ok()?))).collect()))
    }

    /// What answered: `Kafka at localhost:9092, 1 broker`. Asked about one topic, for an answer about all of them can be large.
    pub(super) fn system(&self, topic: Option<&str>) -> Result<String, ConnectorError> {
        let brokers = self.metadata(topic.unwrap_or("_kpipe.plans"))?.brokers().len();
        Ok(format!("{}, {brokers} broker{}", self.place().system(), if brokers == 1 { "" } else { "s" }))
    }

    /// Where partitions stand.
    pub(super) fn standing(&self, names: &[Named], group: bool) -> Result<Vec<Standing>, ConnectorError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let asked = |offset| self.ask("offsets", |attempt| at(self.consumer(), names, offset, attempt));
        let (lows, highs) = (asked(Offset::Beginning)?, asked(Offset::End)?);
        let committed = match group {
            true => self.ask("committed offsets", |attempt| committed(self.consumer(), names, attempt))?,
            false => vec![None; names.len()],
        };
        let low_high = lows.into_iter().zip(highs).zip(committed);
        let standing = names.iter().zip(low_high).map(|(name, ((low, high), committed))| Standing {
            name: name.clone(),
            low: low.unwrap_or(0),
            high: high.unwrap_or(0),
            committed,
        });
        Ok(standing.collect())
    }

    /// The first offsets at a time or later; the end where there is none.
    pub(super) fn at_time(&self, names: &[Named], ms: i64) -> Result<Vec<Option<i64>>, ConnectorError> {
        self.ask("offsets", |attempt| at(self.consumer(), names, Offset::Offset(ms), attempt))
    }
}

/// Offsets at a point: `Beginning`, `End`, or the milliseconds in `Offset`. The end is the one that a reader of committed records has.
fn at<C: ConsumerContext>(consumer: &BaseConsumer<C>, names: &[Named], point: Offset, wait: Duration) -> KafkaResult<Vec<Option<i64>>> {
    let list = list(names.iter().map(|name| (name, point)))?;
    let answer = consumer.offsets_for_times(list, wait)?;
    in_order(names, &answer)
}

/// The group's offsets.
fn committed<C: ConsumerContext>(consumer: &BaseConsumer<C>, names: &[Named], wait: Duration) -> KafkaResult<Vec<Option<i64>>> {
    let answer = consumer.committed_offsets(list(names.iter().map(|name| (name, Offset::Invalid)))?, wait)?;
    in_order(names, &answer)
}

/// Where newly assigned partitions start: at the group's offset, else where `from` says. Their oldest offsets are asked for if `lows`.
pub(super) fn starts<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    names: &[Named],
    from: From,
    lows: bool,
    wait: Duration,
) -> KafkaResult<Vec<Start>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let lows = if lows { at(consumer, names, Offset::Beginning, wait)? } else { vec![None; names.len()] };
    let ends = at(consumer, names, Offset::End, wait)?;
    let stands = committed(consumer, names, wait)?;
    let mut positions = stands.clone();
    let fresh: Vec<_> = names.iter().zip(&positions).filter(|(_, committed)| committed.is_none()).map(|(name, _)| name.clone()).collect();
    if !fresh.is_empty() {
        let point = match from {
            From::Earliest => Offset::Beginning,
            From::Latest => Offset::End,
            From::Timestamp(ms) => Offset::Offset(ms),
        };
        let mut found = at(consumer, &fresh, point, wait)?.into_iter();
        for position in positions.iter_mut().filter(|position| position.is_none()) {
            *position = found.next().flatten();
        }
    }
    let found = lows.into_iter().zip(ends).zip(positions.into_iter().zip(stands));
    let starts = names.iter().zip(found).map(|(name, ((low, end), (position, committed)))| {
        let end = end.unwrap_or(0);
        let (position, low) = (Position(position.unwrap_or(end)), Position(low.unwrap_or(0)));
        Start { name: name.clone(), position, low, end: Position(end), committed: committed.map(Position) }
    });
    Ok(starts.collect())
}

/// What tells each topic from another of its name: its id, spelled as Kafka's own tools do.
pub(super) fn identities<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    names: &[Named],
    wait: Duration,
) -> KafkaResult<BTreeMap<String, Arc<str>>> {
    let mut topics: Vec<&str> = names.iter().map(|(topic, _)| &**topic).collect();
    topics.sort_unstable();
    topics.dedup();
    let Some(first) = topics.first() else { return Ok(BTreeMap::new()) };
    let brokers = consumer.fetch_metadata(Some(first), wait)?;
    let broker = brokers.brokers().first().ok_or(KafkaError::MetadataFetch(RDKafkaErrorCode::BrokerNotAvailable))?.id();
    let ids = ffi::topic_ids(consumer, broker, &topics, wait).map_err(KafkaError::MetadataFetch)?;
    Ok(ids.into_iter().map(|(topic, id)| (topic, topic_id(id))).collect())
}

/// 128 bits in base64, with the letters that may stand in a URL or a path; `-` where the cluster gave none.
fn topic_id(id: u128) -> Arc<str> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    if id == 0 {
        return NO_IDENTITY.into();
    }
    // 21 letters of six bits, and one with the last two.
    let letters = (0..21).map(|place| (id >> (122 - 6 * place)) & 63).chain([(id & 3) << 4]);
    letters.map(|value| char::from(LETTERS[value as usize])).collect::<String>().into()
}

/// A list with these offsets.
pub(super) fn list<'a>(entries: impl IntoIterator<Item = (&'a Named, Offset)>) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for ((topic, partition), offset) in entries {
        list.add_partition_offset(topic, *partition, offset)?;
    }
    Ok(list)
}

/// The offsets of an answer in the order of the question; the first error instead if there is one.
fn in_order(names: &[Named], answer: &TopicPartitionList) -> KafkaResult<Vec<Option<i64>>> {
    let offset = |(topic, partition): &Named| {
        let Some(element) = answer.find_partition(topic, *partition) else { return Ok(None) };
        element.error()?;
        Ok(match element.offset() {
            Offset::Offset(offset) => Some(offset),
            Offset::Beginning | Offset::End | Offset::Stored | Offset::Invalid | Offset::OffsetTail(_) => None,
        })
    };
    names.iter().map(offset).collect()
}

/// True if asking again can help.
pub(super) fn passes(error: &KafkaError) -> bool {
    error.rdkafka_error_code().is_some_and(|code| failure::kind(code) == ErrorKind::Unreachable)
}

#[cfg(test)]
mod tests {
    use rdkafka::consumer::CommitMode;
    use rdkafka::mocking::MockCluster;

    use super::super::testing::{self, Pipeline};
    use super::*;

    fn look(servers: &str, group: Option<&str>) -> Look {
        let pipeline = Pipeline::new("p", servers, &["t"]);
        Look::new(&Settings::new(&pipeline.request()).unwrap(), group).unwrap()
    }

    fn named(partition: i32) -> Named {
        (Arc::from("t"), partition)
    }

    #[test]
    fn topics_and_offsets_are_found() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("t", 2, 1).unwrap();
        testing::fill(&cluster.bootstrap_servers(), "t", 1, 7);
        let look = look(&cluster.bootstrap_servers(), Some("g"));
        assert_eq!(look.partitions("t").unwrap(), Some(2));
        assert_eq!(look.system(Some("t")).unwrap(), format!("Kafka at {}, 1 broker", cluster.bootstrap_servers()));
        let names = [named(0), named(1)];
        let offsets = list([(&names[1], Offset::Offset(4))]).unwrap();
        look.consumer().commit(&offsets, CommitMode::Sync).unwrap();
        let standing = look.standing(&names, true).unwrap();
        let standing: Vec<_> = standing.iter().map(|at| (at.low, at.high, at.committed)).collect();
        assert_eq!(standing, [(0, 0, None), (0, 7, Some(4))]);
        assert_eq!(look.standing(&[], true).unwrap(), []);
    }

    #[test]
    fn a_start_is_what_is_committed_else_what_from_says() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("t", 2, 1).unwrap();
        testing::fill(&cluster.bootstrap_servers(), "t", 0, 5);
        testing::fill(&cluster.bootstrap_servers(), "t", 1, 7);
        let look = look(&cluster.bootstrap_servers(), Some("g"));
        let names = [named(0), named(1)];
        look.consumer().commit(&list([(&names[1], Offset::Offset(4))]).unwrap(), CommitMode::Sync).unwrap();
        for (from, expected) in [(From::Earliest, 0), (From::Latest, 5)] {
            let starts = starts(look.consumer(), &names, from, true, Duration::from_secs(5)).unwrap();
            let starts: Vec<_> = starts.iter().map(|start| (start.position.0, start.end.0)).collect();
            assert_eq!(starts, [(expected, 5), (4, 7)], "{from:?}");
        }
        assert_eq!(starts(look.consumer(), &[], From::Latest, true, Duration::from_secs(5)).unwrap(), []);
    }

    #[test]
    fn ids_are_spelled_as_kafka_does() {
        // The id of the metadata log in KRaft, and one whose bits are all set.
        assert_eq!(&*topic_id(1), "AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!(&*topic_id(u128::MAX), "_____________________w");
        assert_eq!(&*topic_id(0xf8 << 120 | 0x10), "-AAAAAAAAAAAAAAAAAAAEA");
        assert_eq!(&*topic_id(0), "-");
    }

    #[test]
    fn nobody_there_is_found_out_soon() {
        let begun = Instant::now();
        let error = look("127.0.0.1:1", None).partitions("t").unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unreachable);
        assert!(error.message.contains("127.0.0.1:1") && error.message.contains("refused"), "{}", error.message);
        assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    }
}
