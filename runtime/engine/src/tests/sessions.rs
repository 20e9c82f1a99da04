//! A source that has no positions of its own, as MQTT: messages are numbered as they arrive, the numbers die with the process, and what
//! was not acknowledged comes again.

use std::collections::{BTreeSet, VecDeque};

use super::*;
use crate::connector::{Accept, Assigned, NO_IDENTITY, OpenRequest, Source, SourceEvent};
use crate::env::Random;
use crate::error::ErrorKind;
use crate::position::{Delta, PartitionId, Position};
use crate::records::{RawBatch, Records};

/// What a broker keeps for a client.
#[derive(Default)]
struct Session {
    waiting: VecDeque<usize>,
    /// Sent and not acknowledged, in the order of sending.
    unacknowledged: VecDeque<usize>,
    acknowledged: BTreeSet<usize>,
}

static SESSIONS: Mutex<BTreeMap<String, Arc<Mutex<Session>>>> = Mutex::new(BTreeMap::new());

/// Messages that the broker sends without an acknowledgement.
const WINDOW: usize = 40;

struct SessionSource {
    session: Arc<Mutex<Session>>,
    next: i64,
    /// The number that the first unacknowledged message has in this life.
    first: i64,
    is_assigned: bool,
    env: Env,
}

struct Messages {
    first: i64,
    values: Vec<String>,
}

impl Records for Messages {
    fn len(&self) -> usize {
        self.values.len()
    }

    fn source_partition(&self) -> i32 {
        0
    }

    fn value(&self, row: usize) -> Option<&[u8]> {
        Some(self.values[row].as_bytes())
    }

    fn key(&self, _row: usize) -> Option<&[u8]> {
        None
    }

    fn position(&self, row: usize) -> Position {
        Position(self.first + row as i64)
    }

    fn timestamp_ms(&self, _row: usize) -> Option<i64> {
        None
    }

    fn topic(&self, row: usize) -> &str {
        ["site/a", "site/b", "/site//c"][row % 3]
    }

    fn headers(&self, _row: usize, _each: &mut dyn FnMut(&str, Option<&[u8]>)) {}
}

impl Source for SessionSource {
    fn poll(&mut self, wait: Duration, accept: Accept) -> Result<SourceEvent, ConnectorError> {
        if !std::mem::replace(&mut self.is_assigned, true) {
            let (topic, start, identity) = ("session".into(), Some(Position(0)), NO_IDENTITY.into());
            return Ok(SourceEvent::Assigned(vec![Assigned {
                id: PartitionId(0),
                topic,
                partition: 0,
                start,
                end: None,
                committed: None,
                identity,
                bookmark: None,
            }]));
        }
        let mut session = self.session.lock().unwrap();
        let sent = (self.next - self.first) as usize;
        while session.unacknowledged.len() < WINDOW {
            let Some(id) = session.waiting.pop_front() else { break };
            session.unacknowledged.push_back(id);
        }
        let values: Vec<String> = session.unacknowledged.iter().skip(sent).take(17).copied().map(order).collect();
        if accept == Accept::EventsOnly || values.is_empty() {
            if session.unacknowledged.is_empty() {
                return Ok(SourceEvent::End);
            }
            drop(session);
            self.env.clock.pause(wait);
            return Ok(SourceEvent::Idle);
        }
        let first = self.next;
        self.next += values.len() as i64;
        let delta = Delta::new(Position(first), Position(self.next));
        let records = Box::new(Messages { first, values });
        Ok(SourceEvent::Batch(RawBatch { partition: PartitionId(0), delta, routes: Arc::new([0]), records, bytes: 0 }))
    }

    fn start(&mut self, partition: PartitionId, _position: Position) -> Result<(), ConnectorError> {
        Err(ConnectorError::new(ErrorKind::Bug, format!("session: the start of {partition:?} is its own")))
    }

    fn commit(&mut self, positions: &[(PartitionId, Position)]) -> Result<(), ConnectorError> {
        let mut session = self.session.lock().unwrap();
        for (_, position) in positions {
            while self.first < position.0 {
                let id = session.unacknowledged.pop_front().expect("only what was sent is acknowledged");
                session.acknowledged.insert(id);
                self.first += 1;
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

fn open_session(request: &OpenRequest<'_>) -> Result<Box<dyn Source>, ConnectorError> {
    let session = SESSIONS.lock().unwrap()[request.pipeline].clone();
    let env = Env::seeded(0, 0);
    Ok(Box::new(SessionSource { session, next: 0, first: 0, is_assigned: false, env }))
}

static SESSION: ConnectorDef = ConnectorDef {
    spec: &SPEC,
    source: Some(open_session),
    records: Some(memory::open_records),
    store: None,
    inspect: None,
    newest: None,
    plans: None,
    bookmarks: None,
};

fn case(name: &str, messages: usize) -> (Case, Arc<Mutex<Session>>) {
    let session = Arc::new(Mutex::new(Session { waiting: (0..messages).collect(), ..Session::default() }));
    SESSIONS.lock().unwrap().insert(name.to_owned(), session.clone());
    let mut pipeline = records(name);
    pipeline.routes[0].decode = Decode { format: ValueFormat::Bytes, columns: Vec::new() };
    if let Tail::Records(tail) = &mut pipeline.routes[0].tail {
        (tail.topic, tail.key) = (TopicName::OfSource, KeyPlan::SourceTopic);
    }
    (Case { pipeline, def: &SESSION, until_caught_up: false, ..Case::new(name, 1) }, session)
}

fn ids(case: &Case) -> Vec<usize> {
    case.world.produced().iter().map(|record| id_of(std::str::from_utf8(record.value.as_deref().unwrap()).unwrap())).collect()
}

#[test]
fn messages_are_acknowledged_after_the_sink_acknowledged_them() {
    let (case, session) = case("session-basic", 500);
    let ran = case.run().well();
    assert_eq!(ids(&case), (0..500).collect::<Vec<_>>(), "in order");
    assert_eq!(session.lock().unwrap().acknowledged.len(), 500);
    assert_eq!(ran.count("ended"), 1);
    let topics: BTreeSet<(String, String)> =
        case.world.produced().into_iter().map(|record| (record.topic, String::from_utf8(record.key.unwrap().to_vec()).unwrap())).collect();
    let expected =
        [("site_a", "site/a"), ("site_b", "site/b"), ("site_c", "/site//c")].map(|(topic, key)| (topic.to_owned(), key.to_owned()));
    assert_eq!(topics, expected.into());
}

#[test]
fn nothing_is_acknowledged_while_the_sink_is_silent() {
    let (mut case, session) = case("session-silent", 100);
    case.pipeline.errors.retry_timeout_ms = Some(0);
    case.world.fault(memory::Fault { op: memory::Op::Acks, when: memory::When::Always, what: memory::What::away() });
    assert!(case.run().error().is_some());
    assert!(session.lock().unwrap().acknowledged.is_empty());
}

#[test]
fn crashes_lose_no_message_and_repeat_only_those_in_the_window() {
    let mut crashes = 0;
    for seed in 0..40 {
        let (case, session) = case(&format!("session-crash-{seed}"), 600);
        let random = Random::seeded(seed);
        let mut may_be_twice = BTreeMap::new();
        for round in 0..6 {
            if round < 5 {
                case.world.crash_at_call(1 + random.below(40), random.below(2) == 0);
            }
            let ran = case.run();
            let Some(error) = ran.error() else { break };
            assert_eq!(error.message, "memory: the process crashed");
            crashes += 1;
            let session = session.lock().unwrap();
            let written: BTreeSet<usize> = ids(&case).into_iter().collect();
            assert!(session.acknowledged.is_subset(&written), "seed {seed}: acknowledged and not written");
            session.unacknowledged.iter().filter(|id| written.contains(id)).for_each(|id| *may_be_twice.entry(*id).or_insert(1) += 1);
        }
        let mut counts = BTreeMap::new();
        ids(&case).into_iter().for_each(|id| *counts.entry(id).or_insert(0) += 1);
        assert_eq!(counts.len(), 600, "seed {seed}");
        let too_often = counts.iter().find(|(id, count)| **count > may_be_twice.get(id).copied().unwrap_or(1));
        assert!(too_often.is_none(), "seed {seed}: {too_often:?}");
    }
    assert!(crashes > 60, "only {crashes} crashes");
}
