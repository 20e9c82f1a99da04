//! The source: one connection, read by the task itself.
//!
//! A message is acknowledged when the task says that its position is safe. Until then the broker keeps it: what is on its way is bounded
//! by the broker's window and by `in_flight_max`, beyond which the socket is not read any more.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use kpipe_engine::connector::{Accept, Assigned, NO_IDENTITY, OpenRequest, Source, SourceEvent};
use kpipe_engine::error::{About, ConnectorError, ErrorKind};
use kpipe_engine::kill::kill_point;
use kpipe_engine::position::{PartitionId, Position};

use super::connection::Connection;
use super::filter::Filter;
use super::inbox::{Inbox, SESSION, Step, Taken};
use super::options::Settings;
use super::packet::{FrameError, frame, topic_at_start};
use super::wire;

/// Shortest and longest pause between two attempts to connect.
const PAUSE_MIN: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// A read that brought less than this is followed by a short pause: brokers write message by message, and a system call for each
/// costs more than everything else.
const SMALL_READ_BYTES: usize = 8 * 1024;
const GATHER: Duration = Duration::from_micros(1_000);

/// A connection that the broker ends sooner than this after it accepted it was short.
const SHORT_LIFE: Duration = Duration::from_secs(1);
/// So many short ones in a row have a reason that does not pass.
const SHORT_LIVES_MAX: u32 = 3;
/// What the broker held for the session comes within this after the subscription, or counts as new.
const BACKLOG: Duration = Duration::from_secs(1);

/// Who ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Broker,
    Us,
}

/// Why taking packets came to an end.
enum Stop {
    /// The connection is of no use any more.
    Connection(String, Side),
    /// No connection would help.
    Pipeline(ConnectorError),
}

enum Link {
    /// An attempt is under way.
    Connecting(Receiver<Result<Connection, ConnectorError>>),
    /// The next attempt starts then.
    Pausing(Instant),
    /// Up.
    Up(Box<Connection>),
}

/// An MQTT session as a source.
pub(super) struct MqttSource {
    settings: Arc<Settings>,
    password: Option<Arc<str>>,
    runtime: tokio::runtime::Handle,
    subscriptions: Arc<[String]>,
    link: Link,
    inbox: Inbox,
    assigned: bool,
    /// The sink has not agreed yet to where it starts.
    waiting: bool,
    away: bool,
    was_up: bool,
    pause: Duration,
    small_read_at: Option<Instant>,
    heard_at: Instant,
    spoke_at: Instant,
    ping_at: Option<Instant>,
    up_at: Instant,
    /// Connections in a row that the broker ended right after it accepted them.
    short_lives: u32,
    /// When the broker first answered SUBSCRIBE.
    subscribed_at: Option<Instant>,
}

impl MqttSource {
    /// Starts to connect; the first poll finds out how that went.
    pub(super) fn open(request: &OpenRequest<'_>) -> Result<Self, ConnectorError> {
        let settings = Settings::new(&request.endpoint.options, request.pipeline, request.task)?;
        let password = settings.password.as_ref().map(|secret| request.secrets.read(secret)).transpose()?;
        let filters: Vec<_> = request
            .routes
            .iter()
            .enumerate()
            .map(|(index, route)| (Filter::new(&route.from), Arc::from([index])))
            // Every task but the first would get a second copy of what is not shared.
            .filter(|(filter, _)| request.task == 0 || filter.is_shared())
            .collect();
        let subscriptions = filters.iter().map(|(filter, _)| filter.subscription.clone()).collect();
        let (now, settings) = (Instant::now(), Arc::new(settings));
        let mut source = Self {
            inbox: Inbox::new(Arc::clone(&settings), filters),
            settings,
            password: password.map(Into::into),
            runtime: request.runtime.clone(),
            subscriptions,
            link: Link::Pausing(now),
            assigned: false,
            waiting: request.starts_in_sink,
            away: false,
            was_up: false,
            pause: PAUSE_MIN,
            small_read_at: None,
            heard_at: now,
            spoke_at: now,
            ping_at: None,
            up_at: now,
            short_lives: 0,
            subscribed_at: None,
        };
        if !source.subscriptions.is_empty() {
            source.connect();
        }
        Ok(source)
    }

    fn connect(&mut self) {
        let (sender, receiver) = channel();
        let (settings, password) = (Arc::clone(&self.settings), self.password.clone());
        let subscriptions = Arc::clone(&self.subscriptions);
        let resubscribe = !self.was_up;
        self.runtime.spawn_blocking(move || {
            let opened = Connection::open(&settings, password.as_deref()).and_then(|mut connection| {
                // A session that the broker kept has its subscriptions; asking again would bring retained messages again. Only the
                // first connection of a process asks in any case: the statements may have changed since the session began.
                if resubscribe || !connection.session_present {
                    let packet = wire::subscribe(&settings, &subscriptions)?;
                    connection.write(&packet).map_err(|error| lost(&settings, &error))?;
                }
                Ok(connection)
            });
            // A receiver that is gone means that the source was dropped while it connected.
            drop(sender.send(opened));
        });
        self.link = Link::Connecting(receiver);
    }

    /// The connection broke: what was owed on it comes again on the next one. A broker that accepts one connection after the other and ends
    /// each at once does so for another client of the same id, which comes back as this one does: neither would get far.
    fn broken(&mut self, error: ConnectorError, by: Side) -> Result<SourceEvent, ConnectorError> {
        let lived = matches!(self.link, Link::Up(_)).then(|| self.up_at.elapsed());
        let was_short = by == Side::Broker && lived.is_some_and(|lived| lived < SHORT_LIFE);
        self.short_lives = if was_short { self.short_lives + 1 } else { 0 };
        if self.short_lives >= SHORT_LIVES_MAX {
            let Settings { client_id, .. } = &*self.settings;
            let message = format!("mqtt at {}: another client uses the client id {client_id:?} ({error})", self.settings.address());
            return Err(ConnectorError::new(ErrorKind::Fenced, message)
                .about(About::Option("client_id"))
                .help("give each worker a `client_id` of its own that stays the same over restarts, and read with `$share/` filters"));
        }
        if lived.is_some_and(|lived| lived > PAUSE_MAX) {
            self.pause = PAUSE_MIN;
        }
        self.inbox.session.disconnected();
        self.ping_at = None;
        self.link = Link::Pausing(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        Ok(if std::mem::replace(&mut self.away, true) { SourceEvent::Idle } else { SourceEvent::Away(error) })
    }

    fn opened(&mut self, result: Result<Connection, ConnectorError>) -> Result<SourceEvent, ConnectorError> {
        match result {
            Ok(connection) => {
                self.link = Link::Up(Box::new(connection));
                let now = Instant::now();
                (self.heard_at, self.spoke_at, self.ping_at) = (now, now, None);
                (self.up_at, self.was_up) = (now, true);
                Ok(if std::mem::take(&mut self.away) { SourceEvent::Back } else { SourceEvent::Idle })
            }
            Err(error) if error.kind == ErrorKind::Unreachable => self.broken(error, Side::Broker),
            Err(error) => Err(error),
        }
    }

    fn read(&mut self, wait: Duration, accept: Accept) -> Result<SourceEvent, ConnectorError> {
        if let Err(error) = self.keep_alive() {
            return self.broken(error, Side::Broker);
        }
        let full = self.inbox.session.owed() >= self.settings.in_flight_max;
        if accept == Accept::EventsOnly || full {
            // Who does not read cannot miss an answer: it may lie in the socket. Pings go on, so that the broker hears of this client.
            (self.heard_at, self.ping_at) = (Instant::now(), None);
            std::thread::sleep(wait.min(Duration::from_millis(5)));
            return Ok(SourceEvent::Idle);
        }
        if let Some(at) = self.small_read_at.take() {
            std::thread::sleep(GATHER.saturating_sub(at.elapsed()).min(wait));
        }
        let Link::Up(connection) = &mut self.link else { return Ok(SourceEvent::Idle) };
        match connection.read(wait) {
            Ok(0) if self.is_silent() => {
                let (address, seconds) = (self.settings.address(), self.settings.keep_alive.as_secs());
                let message = format!("mqtt at {address}: no answer to a ping within {seconds} s");
                self.broken(ConnectorError::new(ErrorKind::Unreachable, message), Side::Us)
            }
            Ok(0) => Ok(SourceEvent::Idle),
            Ok(bytes) => {
                self.heard_at = Instant::now();
                self.ping_at = None;
                if bytes < SMALL_READ_BYTES {
                    self.small_read_at = Some(self.heard_at);
                }
                self.take()
            }
            Err(error) => {
                let error = lost(&self.settings, &error);
                self.broken(error, Side::Broker)
            }
        }
    }

    /// Takes the whole packets out of the buffer; messages become a batch, the rest is answered.
    fn take(&mut self) -> Result<SourceEvent, ConnectorError> {
        let Link::Up(connection) = &mut self.link else { return Ok(SourceEvent::Idle) };
        let mut taken = Taken::new(self.inbox.session.next());
        let mut at = 0;
        let outcome = loop {
            let found = frame(&connection.buffer[at..], self.settings.message_bytes_max);
            let frame = match found {
                Ok(Ok(frame)) => frame,
                Ok(Err(needed)) => {
                    connection.buffer.reserve(needed);
                    break Ok(());
                }
                Err(FrameError::TooLarge { size, max: _ }) if connection.buffer[at] >> 4 == 3 => {
                    match topic_at_start(&connection.buffer[at..]) {
                        Ok(topic) => break Err(Stop::Pipeline(too_large(&self.settings, topic, size))),
                        Err(needed) => {
                            connection.buffer.reserve(needed);
                            break Ok(());
                        }
                    }
                }
                Err(error) => break Err(Stop::Connection(error.to_string(), Side::Us)),
            };
            match self.inbox.packet(&connection.buffer, at, frame, &mut taken) {
                Ok(Step::Next) => at += frame.len,
                // Messages for other statements start a batch of their own, at the next poll.
                Ok(Step::OtherRoutes) => break Ok(()),
                Ok(Step::Subscribed) => {
                    let mut packet = BytesMut::from(&connection.buffer[at..at + frame.len]);
                    wire::subscribed(&self.settings, &self.subscriptions, &mut packet)?;
                    self.subscribed_at.get_or_insert_with(Instant::now);
                    at += frame.len;
                }
                Err(why) => {
                    let by = if frame.head >> 4 == 14 { Side::Broker } else { Side::Us };
                    break Err(Stop::Connection(why, by));
                }
            }
        };
        let buffer = connection.buffer.split_to(at).freeze();
        if !taken.out.is_empty() {
            self.spoke_at = Instant::now();
            if let Err(error) = connection.write(&taken.out) {
                let error = lost(&self.settings, &error);
                return self.broken(error, Side::Broker);
            }
        }
        // What came before it counts; then it is met again.
        if taken.entries.is_empty() {
            match outcome {
                Ok(()) => {}
                Err(Stop::Pipeline(error)) => return Err(error),
                Err(Stop::Connection(why, by)) => {
                    let message = format!("mqtt at {}: {why}", self.settings.address());
                    return self.broken(ConnectorError::new(ErrorKind::Unreachable, message), by);
                }
            }
        } else {
            self.pause = PAUSE_MIN;
        }
        Ok(taken.batch(buffer, self.inbox.session.next()))
    }

    /// Sends a PINGREQ in time.
    fn keep_alive(&mut self) -> Result<(), ConnectorError> {
        let Link::Up(connection) = &mut self.link else { return Ok(()) };
        let (now, interval) = (Instant::now(), self.settings.keep_alive);
        let quiet = now.duration_since(self.spoke_at.min(self.heard_at));
        if self.ping_at.is_none() && quiet * 2 > interval {
            connection.write(&[0xc0, 0]).map_err(|error| lost(&self.settings, &error))?;
            (self.ping_at, self.spoke_at) = (Some(now), now);
        }
        Ok(())
    }

    /// True if a ping was not answered in time. To be asked when there is nothing to read only: an answer may have waited there.
    fn is_silent(&self) -> bool {
        let interval = self.settings.keep_alive;
        self.ping_at.is_some_and(|at| at.elapsed() > interval) && self.heard_at.elapsed() > interval
    }
}

/// A message beyond the limit. It is not acknowledged, so passing over it would be for the broker to decide, not for this source.
fn too_large(settings: &Settings, topic: &[u8], size: usize) -> ConnectorError {
    let (address, topic, max) = (settings.address(), String::from_utf8_lossy(topic), settings.message_bytes_max);
    let message = format!("mqtt at {address}: a message of {size} bytes on topic {topic:?} is larger than message_bytes_max ({max})");
    ConnectorError::new(ErrorKind::Data, message)
        .about(About::Option("message_bytes_max"))
        .help("raise `message_bytes_max` above its size; the message stays in the broker's session until then")
}

fn lost(settings: &Settings, error: &std::io::Error) -> ConnectorError {
    ConnectorError::new(ErrorKind::Unreachable, format!("mqtt at {}: {error}", settings.address()))
}

impl Source for MqttSource {
    fn poll(&mut self, wait: Duration, accept: Accept) -> Result<SourceEvent, ConnectorError> {
        if !std::mem::replace(&mut self.assigned, true) {
            let topic = format!("mqtt://{}", self.settings.address()).into();
            let start = Some(Position(self.inbox.session.next()));
            let identity = NO_IDENTITY.into();
            return Ok(SourceEvent::Assigned(vec![Assigned {
                id: SESSION,
                topic,
                partition: 0,
                start,
                end: None,
                committed: None,
                identity,
                bookmark: None,
            }]));
        }
        let accept = if self.waiting { Accept::EventsOnly } else { accept };
        if self.subscriptions.is_empty() {
            std::thread::sleep(wait);
            return Ok(SourceEvent::Idle);
        }
        match &self.link {
            Link::Connecting(receiver) => match receiver.recv_timeout(wait) {
                Ok(result) => self.opened(result),
                Err(RecvTimeoutError::Timeout) => Ok(SourceEvent::Idle),
                Err(RecvTimeoutError::Disconnected) => {
                    Err(ConnectorError::new(ErrorKind::Bug, "mqtt: the attempt to connect ended without a result"))
                }
            },
            Link::Pausing(until) => {
                let left = until.saturating_duration_since(Instant::now());
                if left > wait {
                    std::thread::sleep(wait);
                } else {
                    std::thread::sleep(left);
                    self.connect();
                }
                Ok(SourceEvent::Idle)
            }
            Link::Up(connection) if accept == Accept::Records && !connection.buffer.is_empty() => match self.take()? {
                SourceEvent::Idle => self.read(wait, accept),
                event => Ok(event),
            },
            Link::Up(_) => self.read(wait, accept),
        }
    }

    /// The broker's session alone knows what was acknowledged, so there is one start only: the session's own.
    fn start(&mut self, partition: PartitionId, position: Position) -> Result<(), ConnectorError> {
        let own = Position(self.inbox.session.next());
        if partition != SESSION || !self.waiting || position != own {
            let message = format!("mqtt at {}: a session starts at {own}, not at {position}", self.settings.address());
            return Err(ConnectorError::new(ErrorKind::Missing, message));
        }
        self.waiting = false;
        Ok(())
    }

    fn commit(&mut self, positions: &[(PartitionId, Position)]) -> Result<(), ConnectorError> {
        let Some((_, position)) = positions.iter().rev().find(|(partition, _)| *partition == SESSION) else { return Ok(()) };
        let mut out = BytesMut::new();
        self.inbox.session.acknowledge(position.0, &mut out);
        if out.is_empty() {
            return Ok(());
        }
        let Link::Up(connection) = &mut self.link else { return Ok(()) };
        self.spoke_at = Instant::now();
        // A write that fails shows again at the next read, which reports it: what was not acknowledged comes again.
        kill_point("mqtt.ack.before");
        if let Err(error) = connection.write(&out) {
            tracing::debug!(%error, "acknowledgements could not be written");
        }
        kill_point("mqtt.ack.written");
        Ok(())
    }

    fn settle(&mut self, _wait: Duration) -> Result<(), ConnectorError> {
        // MQTT has no answer to a PUBACK; once written they are the system's to deliver.
        Ok(())
    }

    fn release(&mut self, _partitions: &[PartitionId]) -> Result<(), ConnectorError> {
        Ok(())
    }

    /// A session has no end that could be asked for. Until the broker answered SUBSCRIBE and sent what it held, there is none to be said;
    /// from then on it is what arrived.
    fn ends(&mut self) -> Vec<(PartitionId, Position)> {
        let is_known = self.subscriptions.is_empty() || self.subscribed_at.is_some_and(|at| at.elapsed() >= BACKLOG);
        if !is_known {
            return Vec::new();
        }
        vec![(SESSION, Position(self.inbox.session.next()))]
    }
}

impl Drop for MqttSource {
    fn drop(&mut self) {
        if let Link::Up(connection) = &mut self.link
            && let Err(error) = connection.leave()
        {
            tracing::debug!(%error, "the session was not left in order");
        }
    }
}

/// For `plan`: logs in and leaves again, with a client id of its own so that a running session is not taken over.
pub(super) fn probe(request: &OpenRequest<'_>) -> Result<String, ConnectorError> {
    let mut settings = Settings::new(&request.endpoint.options, request.pipeline, request.task)?;
    settings.client_id.push_str("-plan");
    settings.clean_session = true;
    let password = settings.password.as_ref().map(|secret| request.secrets.read(secret)).transpose()?;
    let connection = Connection::open(&settings, password.as_deref());
    let mut connection = connection.map_err(|error| error.or_about(About::Option("url")))?;
    connection.leave().map_err(|error| lost(&settings, &error))?;
    Ok(format!("MQTT broker at {}", settings.address()))
}

#[cfg(test)]
mod tests;
