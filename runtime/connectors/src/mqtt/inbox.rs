//! What arrives: packets become messages with a number, a name and routes. No IO.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use kpipe_engine::connector::SourceEvent;
use kpipe_engine::position::{Delta, PartitionId, Position};
use kpipe_engine::records::RawBatch;

use super::filter::Filter;
use super::options::Settings;
use super::packet::{Frame, FrameError, disconnect_reason, packet_id, publish};
use super::records::{Entry, Messages};
use super::session::Session;

/// The only partition: a session.
pub(super) const SESSION: PartitionId = PartitionId(0);
/// Topics whose names and routes are remembered.
const TOPICS_MAX: usize = 100_000;

/// A topic that was seen: its name once, and who takes it.
#[derive(Clone)]
struct Known {
    name: Arc<str>,
    routes: Arc<[usize]>,
}

/// The receiving side of a session.
pub(super) struct Inbox {
    /// Numbers and what is owed.
    pub(super) session: Session,
    settings: Arc<Settings>,
    filters: Vec<(Filter, Arc<[usize]>)>,
    topics: HashMap<Box<[u8]>, Known>,
}

impl Inbox {
    /// For these filters and the routes that they stand for, in the order of the statements.
    pub(super) fn new(settings: Arc<Settings>, filters: Vec<(Filter, Arc<[usize]>)>) -> Self {
        Self { session: Session::default(), settings, filters, topics: HashMap::new() }
    }

    /// Takes one whole packet; what it calls for goes into `taken`. An error ends the connection.
    pub(super) fn packet(&mut self, buffer: &[u8], at: usize, frame: Frame, taken: &mut Taken) -> Result<Step, String> {
        match frame.head >> 4 {
            3 => {
                let message = publish(buffer, at, frame, self.settings.version).map_err(|error| error.to_string())?;
                let known = self.known(&buffer[message.topic.clone()])?;
                if taken.routes.as_ref().is_some_and(|routes| !Arc::ptr_eq(routes, &known.routes) && **routes != *known.routes) {
                    return Ok(Step::OtherRoutes);
                }
                taken.routes.get_or_insert(known.routes);
                let position = self.session.arrived(message.qos, message.packet_id);
                taken.entries.push(Entry {
                    topic: known.name,
                    payload: message.payload,
                    properties: message.properties,
                    qos: message.qos,
                    retained: message.retained,
                    position,
                });
                Ok(Step::Next)
            }
            6 => {
                let id = packet_id(buffer, at, frame).map_err(|error| error.to_string())?;
                Session::released(id, &mut taken.out);
                Ok(Step::Next)
            }
            9 => Ok(Step::Subscribed),
            13 => Ok(Step::Next),
            14 => Err(format!(
                "the broker ends the session (reason {:#04x}); another client with the same client id?",
                disconnect_reason(buffer, at, frame)
            )),
            other => Err(FrameError::Type(other).to_string()),
        }
    }

    /// The name and the routes of a topic: the first statement that matches takes a message.
    fn known(&mut self, topic: &[u8]) -> Result<Known, String> {
        if let Some(known) = self.topics.get(topic) {
            return Ok(known.clone());
        }
        let name = std::str::from_utf8(topic).map_err(|_| FrameError::TopicText.to_string())?;
        let found = self.filters.iter().find(|(filter, _)| filter.matches(name));
        if found.is_none() {
            // The session still has a filter of an earlier version of the pipeline. Its messages belong to no statement.
            tracing::warn!(
                topic = name,
                "a message matches no statement; it is acknowledged and not written (an old subscription of the session)"
            );
        }
        let routes = found.map_or_else(|| Arc::from([]), |(_, routes)| Arc::clone(routes));
        let known = Known { name: Arc::from(name), routes };
        if self.topics.len() >= TOPICS_MAX {
            self.topics.clear();
        }
        self.topics.insert(topic.into(), known.clone());
        Ok(known)
    }
}

/// What a packet was.
pub(super) enum Step {
    /// Taken.
    Next,
    /// A message for other statements than those before it: left where it is.
    OtherRoutes,
    /// A SUBACK.
    Subscribed,
}

/// What was found in the buffer.
pub(super) struct Taken {
    start: i64,
    /// Answers to write.
    pub(super) out: BytesMut,
    /// Messages.
    pub(super) entries: Vec<Entry>,
    routes: Option<Arc<[usize]>>,
}

impl Taken {
    /// Nothing yet; the first message will have this number.
    pub(super) fn new(start: i64) -> Self {
        Self { start, out: BytesMut::new(), entries: Vec::new(), routes: None }
    }

    /// The messages as a batch that ends before the number `end`, if there are any.
    pub(super) fn batch(self, buffer: Bytes, end: i64) -> SourceEvent {
        let Some(routes) = self.routes else { return SourceEvent::Idle };
        let bytes = buffer.len();
        let arrival_ms =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
        SourceEvent::Batch(RawBatch {
            partition: SESSION,
            delta: Delta::new(Position(self.start), Position(end)),
            routes,
            records: Box::new(Messages { buffer, entries: self.entries, arrival_ms }),
            bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use kpipe_compiler::plan::{OptionValue, Options};

    use super::super::packet::frame;
    use super::*;

    fn inbox(filters: &[&str]) -> Inbox {
        let url = OptionValue::Text("mqtt://h".to_owned());
        let settings = Settings::new(&Options([("url".to_owned(), url)].into()), "p", 0).unwrap();
        let filters = filters.iter().enumerate().map(|(index, filter)| (Filter::new(filter), Arc::from([index]))).collect();
        Inbox::new(Arc::new(settings), filters)
    }

    fn message(topic: &str, id: u8) -> Vec<u8> {
        let mut bytes = vec![0x32, topic.len() as u8 + 5, 0, topic.len() as u8];
        bytes.extend_from_slice(topic.as_bytes());
        bytes.extend_from_slice(&[0, id, b'x']);
        bytes
    }

    fn take(inbox: &mut Inbox, bytes: &[u8], taken: &mut Taken) -> Result<Step, String> {
        let found = frame(bytes, 1 << 20).unwrap().unwrap();
        inbox.packet(bytes, 0, found, taken)
    }

    #[test]
    fn the_first_statement_that_matches_takes_a_message() {
        let mut inbox = inbox(&["a/+", "a/#"]);
        let mut taken = Taken::new(0);
        assert!(matches!(take(&mut inbox, &message("a/b", 1), &mut taken), Ok(Step::Next)));
        assert!(matches!(take(&mut inbox, &message("a/c/d", 2), &mut taken), Ok(Step::OtherRoutes)), "one batch has one set of routes");
        assert_eq!(inbox.session.owed(), 1, "a message that is left where it is has no number yet");
        let SourceEvent::Batch(batch) = taken.batch(Bytes::from(message("a/b", 1)), 1) else { panic!("a batch") };
        assert_eq!((&*batch.routes, batch.delta), ([0].as_slice(), Delta::new(Position(0), Position(1))));
        assert_eq!(batch.records.topic(0), "a/b");
        assert_eq!(batch.records.value(0), Some(b"x".as_slice()));
    }

    #[test]
    fn a_message_for_no_statement_still_moves_the_position() {
        let mut inbox = inbox(&["a"]);
        let mut taken = Taken::new(0);
        assert!(matches!(take(&mut inbox, &message("old", 1), &mut taken), Ok(Step::Next)));
        let SourceEvent::Batch(batch) = taken.batch(Bytes::from(message("old", 1)), 1) else { panic!("a batch") };
        assert!(batch.routes.is_empty());
        assert_eq!(batch.delta.end, Position(1));
    }

    #[test]
    fn releases_are_answered_and_strange_packets_end_the_connection() {
        let mut inbox = inbox(&["a"]);
        let mut taken = Taken::new(0);
        assert!(matches!(take(&mut inbox, &[0x62, 2, 0, 9], &mut taken), Ok(Step::Next)));
        assert_eq!(&taken.out[..], [0x70, 2, 0, 9]);
        assert!(matches!(take(&mut inbox, &[0x90, 3, 0, 1, 1], &mut taken), Ok(Step::Subscribed)));
        assert!(take(&mut inbox, &[0x10, 0], &mut taken).is_err_and(|why| why.contains("type 1")));
        assert!(take(&mut inbox, &[0xe0, 1, 0x8e], &mut taken).is_err_and(|why| why.contains("0x8e")));
    }
}
