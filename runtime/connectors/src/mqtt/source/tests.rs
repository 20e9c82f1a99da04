//! The source against a broker that follows a script, byte by byte.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use kpipe_compiler::plan::{Decode, Endpoint, KeyPlan, OptionValue, Options, RecordTail, Route, SecretRef, Tail, TopicName, ValueFormat};
use kpipe_engine::connector::Secrets;
use kpipe_engine::error::Retry;

use super::*;

const WAIT: Duration = Duration::from_millis(50);
const LIMIT: Duration = Duration::from_secs(20);

struct Given;

impl Secrets for Given {
    fn read(&self, secret: &SecretRef) -> Result<String, ConnectorError> {
        match secret {
            SecretRef::Inline { place: _, value } => Ok(value.clone()),
            other => Err(ConnectorError::new(ErrorKind::Invalid, format!("{other} is not set"))),
        }
    }
}

/// Options beside the URL.
type Chosen<'a> = &'a [(&'a str, OptionValue)];

/// A broker whose every step the test takes itself.
struct Broker {
    listener: TcpListener,
    runtime: tokio::runtime::Runtime,
}

/// One connection as the broker sees it.
struct Peer(TcpStream);

impl Broker {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        Self { listener: TcpListener::bind("127.0.0.1:0").unwrap(), runtime }
    }

    /// A request of task `task` with these options and filters.
    fn with<T>(&self, task: usize, options: &[(&str, OptionValue)], from: &[&str], work: impl FnOnce(&OpenRequest<'_>) -> T) -> T {
        let url = OptionValue::Text(format!("mqtt://{}", self.listener.local_addr().unwrap()));
        let mut all = BTreeMap::from([("url".to_owned(), url)]);
        all.extend(options.iter().map(|(path, value)| ((*path).to_owned(), value.clone())));
        let route = |from: &&str| Route {
            statement: String::new(),
            from: (*from).to_owned(),
            decode: Decode { format: ValueFormat::Bytes, columns: Vec::new() },
            filter: None,
            project: None,
            tail: Tail::Records(RecordTail { topic: TopicName::Fixed("t".into()), key: KeyPlan::Keep, format: None }),
        };
        let routes: Vec<Route> = from.iter().map(route).collect();
        let endpoint = Endpoint { connector: "mqtt".into(), options: Options(all) };
        let runtime = self.runtime.handle().clone();
        work(&OpenRequest { pipeline: "p", task, endpoint: &endpoint, routes: &routes, secrets: &Given, runtime, starts_in_sink: false })
    }

    /// A source that subscribes to `a/#`, after its partition was assigned.
    fn source(&self, options: &[(&str, OptionValue)]) -> MqttSource {
        let mut source = self.with(0, options, &["a/#"], MqttSource::open).unwrap();
        assert!(matches!(source.poll(WAIT, Accept::Records).unwrap(), SourceEvent::Assigned(assigned) if assigned[0].id == SESSION));
        source
    }

    /// The next connection, its CONNECT read.
    fn accept(&self) -> (Peer, Vec<u8>) {
        let (stream, _) = self.listener.accept().unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let mut peer = Peer(stream);
        let connect = peer.packet().unwrap();
        assert_eq!(connect[0], 0x10, "a connection starts with CONNECT");
        (peer, connect)
    }

    /// A connection that is up: CONNACK sent, and a SUBSCRIBE granted if one is expected.
    fn up(&self, session_present: bool, subscribes: bool) -> Peer {
        let (mut peer, _) = self.accept();
        peer.send(&[0x20, 2, u8::from(session_present), 0]);
        if subscribes {
            peer.grant(1);
        }
        peer
    }
}

impl Peer {
    /// One packet with a length below 128; `None` when the connection was closed.
    fn packet(&mut self) -> Option<Vec<u8>> {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).ok()?;
        assert!(head[1] < 128, "a short packet");
        let mut packet = vec![0; usize::from(head[1])];
        self.0.read_exact(&mut packet).ok()?;
        Some([head.to_vec(), packet].concat())
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// Reads a SUBSCRIBE and answers it with this code.
    fn grant(&mut self, code: u8) {
        let packet = self.packet().unwrap();
        assert_eq!(packet[0], 0x82, "a SUBSCRIBE");
        self.send(&[0x90, 3, packet[2], packet[3], code]);
    }
}

/// PUBLISH of `a/b`.
fn publish(qos: u8, id: u8, payload: &str) -> Vec<u8> {
    let mut body = vec![0, 3, b'a', b'/', b'b'];
    if qos > 0 {
        body.extend([0, id]);
    }
    body.extend(payload.as_bytes());
    [vec![0x30 | qos << 1, body.len() as u8], body].concat()
}

/// Polls until something comes that is not idleness.
fn event(source: &mut MqttSource) -> SourceEvent {
    let start = Instant::now();
    while start.elapsed() < LIMIT {
        match source.poll(WAIT, Accept::Records).unwrap() {
            SourceEvent::Idle => {}
            event => return event,
        }
    }
    panic!("nothing within {LIMIT:?}")
}

/// The values of the next batch, and where it ends.
fn batch(source: &mut MqttSource) -> (Vec<String>, Position) {
    let SourceEvent::Batch(batch) = event(source) else { panic!("a batch is expected") };
    let value = |row| String::from_utf8(batch.records.value(row).unwrap().to_vec()).unwrap();
    ((0..batch.records.len()).map(value).collect(), batch.delta.end)
}

/// How the next attempt to connect ends.
fn refusal(source: &mut MqttSource) -> ConnectorError {
    let start = Instant::now();
    while start.elapsed() < LIMIT {
        match source.poll(WAIT, Accept::Records) {
            Ok(SourceEvent::Away(error)) | Err(error) => return error,
            Ok(_) => {}
        }
    }
    panic!("no refusal within {LIMIT:?}")
}

#[test]
fn what_a_broker_refuses_is_told_apart() {
    let five = [("version", OptionValue::Text("5".into()))];
    let table: [(Chosen<'_>, &[u8], ErrorKind, &str); 9] = [
        (&[], &[0x20, 2, 0, 1], ErrorKind::Invalid, "version"),
        (&[], &[0x20, 2, 0, 2], ErrorKind::Invalid, "client"),
        (&[], &[0x20, 2, 0, 3], ErrorKind::Unreachable, "mqtt at 127.0.0.1"),
        (&[], &[0x20, 2, 0, 4], ErrorKind::Denied, "mqtt at 127.0.0.1"),
        (&[], &[0x20, 2, 0, 5], ErrorKind::Denied, "mqtt at 127.0.0.1"),
        (&[], &[0x90, 3, 0, 1, 1], ErrorKind::Unreachable, "mqtt at 127.0.0.1"),
        (&five, &[0x20, 3, 0, 0x87, 0], ErrorKind::Denied, "mqtt at 127.0.0.1"),
        (&five, &[0x20, 3, 0, 0x89, 0], ErrorKind::Unreachable, "mqtt at 127.0.0.1"),
        (&five, &[0x20, 3, 0, 0x86, 0], ErrorKind::Denied, "mqtt at 127.0.0.1"),
    ];
    for (options, answer, kind, said) in table {
        let broker = Broker::new();
        let mut source = broker.source(options);
        let (mut peer, _) = broker.accept();
        peer.send(answer);
        let error = refusal(&mut source);
        assert_eq!(error.kind, kind, "{answer:?}: {error}");
        assert!(error.message.contains(said), "{answer:?}: {error}");
        assert_eq!(error.retry == Retry::Backoff, kind == ErrorKind::Unreachable, "{error}");
    }
}

#[test]
fn a_session_starts_nowhere_but_at_its_own_start() {
    let broker = Broker::new();
    let mut source = broker
        .with(0, &[], &["a/#"], |request| {
            MqttSource::open(&OpenRequest { starts_in_sink: true, runtime: request.runtime.clone(), ..*request })
        })
        .unwrap();
    let SourceEvent::Assigned(assigned) = event(&mut source) else { panic!("not assigned") };
    let mut peer = broker.up(false, true);
    peer.send(&publish(1, 7, "x"));
    for _ in 0..3 {
        assert!(matches!(source.poll(WAIT, Accept::Records).unwrap(), SourceEvent::Idle), "nothing before its start");
    }
    let own = assigned[0].start.unwrap();
    let error = source.start(SESSION, Position(own.0 + 5)).unwrap_err();
    assert!(error.kind == ErrorKind::Missing && error.message.contains("starts at"), "{error}");
    source.start(SESSION, own).unwrap();
    assert_eq!(batch(&mut source).0, ["x"]);
}

#[test]
fn a_subscription_that_is_refused_stops() {
    let broker = Broker::new();
    let mut source = broker.source(&[]);
    let (mut peer, _) = broker.accept();
    peer.send(&[0x20, 2, 0, 0]);
    peer.grant(0x80);
    let error = refusal(&mut source);
    assert_eq!(error.kind, ErrorKind::Denied, "{error}");
    assert!(error.message.contains("a/#"), "{error}");
}

#[test]
fn a_login_goes_out_and_is_in_no_message() {
    let broker = Broker::new();
    let secret = SecretRef::Inline { place: "p.yaml:3".into(), value: "hunter2".into() };
    let login = [("username", OptionValue::Text("joe".into())), ("password", OptionValue::Secret(secret))];
    let mut source = broker.source(&login);
    let (mut peer, connect) = broker.accept();
    let text = String::from_utf8_lossy(&connect).into_owned();
    assert!(text.contains("kpipe-p-0") && text.contains("joe") && text.ends_with("hunter2"), "{text:?}");
    peer.send(&[0x20, 2, 0, 4]);
    let error = refusal(&mut source);
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    let unset = [("password", OptionValue::Secret(SecretRef::Env("MQTT_SECRET".into())))];
    let error = broker.with(0, &unset, &["a/#"], MqttSource::open).err().unwrap();
    assert!(error.message.contains("MQTT_SECRET"), "{error}");
}

#[test]
fn packets_in_pieces_are_put_together() {
    let broker = Broker::new();
    let mut source = broker.source(&[]);
    let mut peer = broker.up(false, true);
    let bytes = [publish(1, 1, "one"), publish(1, 2, "two")].concat();
    let (mut seen, mut pieces) = (Vec::new(), bytes.chunks(3));
    let start = Instant::now();
    while seen.len() < 2 && start.elapsed() < LIMIT {
        if let Some(piece) = pieces.next() {
            peer.send(piece);
        }
        if let SourceEvent::Batch(batch) = source.poll(WAIT, Accept::Records).unwrap() {
            seen.extend((0..batch.records.len()).map(|row| batch.records.value(row).unwrap().to_vec()));
        }
    }
    assert_eq!(seen, [b"one", b"two"]);
}

#[test]
fn a_message_is_acknowledged_when_its_position_is_safe_and_in_order() {
    let broker = Broker::new();
    let mut source = broker.source(&[]);
    let mut peer = broker.up(false, true);
    peer.send(&[publish(1, 1, "one"), publish(2, 2, "two"), publish(0, 0, "none"), publish(1, 3, "three")].concat());
    let (mut values, mut end) = (Vec::new(), Position(0));
    while values.len() < 4 {
        let (more, next) = batch(&mut source);
        values.extend(more);
        end = next;
    }
    assert_eq!((values, end), (["one", "two", "none", "three"].map(String::from).to_vec(), Position(4)));
    peer.0.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert_eq!(peer.packet(), None, "nothing is safe yet");
    peer.0.set_read_timeout(Some(LIMIT)).unwrap();
    source.commit(&[(SESSION, Position(2))]).unwrap();
    assert_eq!(peer.packet().unwrap(), [0x40, 2, 0, 1], "PUBACK");
    assert_eq!(peer.packet().unwrap(), [0x50, 2, 0, 2], "PUBREC");
    // The second half of QoS 2 is answered although nothing else is safe.
    peer.send(&[0x62, 2, 0, 2]);
    assert!(matches!(source.poll(Duration::from_secs(1), Accept::Records).unwrap(), SourceEvent::Idle));
    assert_eq!(peer.packet().unwrap(), [0x70, 2, 0, 2], "PUBCOMP");
    source.commit(&[(SESSION, Position(4))]).unwrap();
    assert_eq!(peer.packet().unwrap(), [0x40, 2, 0, 3]);
    drop(source);
    assert_eq!(peer.packet().unwrap(), [0xe0, 0], "DISCONNECT, and only then the end");
    assert_eq!(peer.packet(), None);
}

#[test]
fn what_was_not_acknowledged_is_owed_to_nobody_on_the_next_connection() {
    for session_present in [true, false] {
        let broker = Broker::new();
        let mut source = broker.source(&[]);
        let mut peer = broker.up(false, true);
        peer.send(&[publish(1, 1, "one"), publish(1, 2, "two")].concat());
        let (values, _) = batch(&mut source);
        assert_eq!(values, ["one", "two"]);
        drop(peer);
        let SourceEvent::Away(error) = event(&mut source) else { panic!("the end of the connection is said") };
        assert_eq!((error.kind, error.retry), (ErrorKind::Unreachable, Retry::Backoff));
        // Safe while there is nobody to tell: no error, and no answer on another connection.
        source.commit(&[(SESSION, Position(1))]).unwrap();
        let peers = std::thread::scope(|scope| {
            let peer = scope.spawn(|| broker.up(session_present, !session_present));
            assert!(matches!(event(&mut source), SourceEvent::Back));
            peer.join().unwrap()
        });
        let mut peer = peers;
        // The broker sends again what it has no answer for; only its copy is answered.
        peer.send(&publish(1, 2, "two"));
        let (values, end) = batch(&mut source);
        assert_eq!((values, end), (vec!["two".to_owned()], Position(3)), "a number of its own");
        source.commit(&[(SESSION, Position(2))]).unwrap();
        source.commit(&[(SESSION, Position(3))]).unwrap();
        assert_eq!(peer.packet().unwrap(), [0x40, 2, 0, 2], "session present: {session_present}");
        peer.0.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        assert_eq!(peer.packet(), None, "one answer, and a kept session is not subscribed again");
    }
}

#[test]
fn an_outage_is_said_once() {
    let broker = Broker::new();
    let mut source = broker.source(&[]);
    drop(broker.up(false, true));
    assert!(matches!(event(&mut source), SourceEvent::Away(_)));
    std::thread::scope(|scope| {
        let peer = scope.spawn(|| {
            for _ in 0..2 {
                drop(broker.accept());
            }
            broker.up(true, false)
        });
        assert!(matches!(event(&mut source), SourceEvent::Back), "two more failures are no news");
        peer.join().unwrap();
    });
}

#[test]
fn a_broker_that_answers_no_ping_is_away() {
    let broker = Broker::new();
    let mut source = broker.source(&[("keep_alive", OptionValue::DurationMs(1_000))]);
    let mut peer = broker.up(false, true);
    let start = Instant::now();
    let mut pings = 0;
    while start.elapsed() < Duration::from_millis(1_800) {
        assert!(matches!(source.poll(WAIT, Accept::EventsOnly).unwrap(), SourceEvent::Idle), "keep-alive goes on without room");
        peer.0.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        if let Some(packet) = peer.packet() {
            assert_eq!(packet, [0xc0, 0], "PINGREQ");
            pings += 1;
        }
        if pings > 0 {
            break;
        }
    }
    assert_eq!(pings, 1);
    peer.send(&[0xd0, 0]);
    for _ in 0..4 {
        assert!(matches!(source.poll(WAIT, Accept::Records).unwrap(), SourceEvent::Idle), "an answered ping is no event");
    }
    let SourceEvent::Away(error) = event(&mut source) else { panic!("silence is an outage") };
    assert!(error.message.ends_with("no answer to a ping within 1 s"), "{error}");
}

#[test]
fn nothing_is_read_beyond_what_may_be_in_flight() {
    let broker = Broker::new();
    let mut source = broker.source(&[("in_flight_max", OptionValue::Integer(2))]);
    let mut peer = broker.up(false, true);
    peer.send(&[publish(1, 1, "one"), publish(1, 2, "two")].concat());
    assert_eq!(batch(&mut source).0, ["one", "two"]);
    peer.send(&publish(1, 3, "three"));
    for _ in 0..5 {
        assert!(matches!(source.poll(WAIT, Accept::Records).unwrap(), SourceEvent::Idle));
    }
    source.commit(&[(SESSION, Position(1))]).unwrap();
    assert_eq!(batch(&mut source).0, ["three"]);
    source.settle(WAIT).unwrap();
    source.release(&[SESSION]).unwrap();
}

#[test]
fn what_no_broker_sends_ends_the_connection_with_a_reason() {
    let large = [("message_bytes_max", OptionValue::Bytes(1024))];
    let table: [(Chosen<'_>, &[u8], &str); 5] = [
        (&large, &[0xd0, 0xff, 0x7f], "larger than message_bytes_max (1024)"),
        (&[], &[0x36, 5, 0, 1, b'a', 0, 1], "quality of service 3"),
        (&[], &[0x32, 3, 0, 9, b'a'], "in the middle of a field"),
        (&[], &[0x10, 0], "a packet of type 1 is not for a client"),
        (&[], &[0xe0, 0], "another client with the same client id?"),
    ];
    for (options, bytes, said) in table {
        let broker = Broker::new();
        let mut source = broker.source(options);
        let mut peer = broker.up(false, true);
        peer.send(bytes);
        let SourceEvent::Away(error) = event(&mut source) else { panic!("{said}") };
        assert!(error.kind == ErrorKind::Unreachable && error.message.contains(said), "{error}");
    }
}

#[test]
fn a_message_above_the_limit_stops_with_its_topic_and_size() {
    for version in ["3.1.1", "5"] {
        let broker = Broker::new();
        let limit = [("message_bytes_max", OptionValue::Bytes(1024)), ("version", OptionValue::Text(version.to_owned()))];
        let mut source = broker.source(&limit[..1]);
        let mut peer = broker.up(false, true);
        // A small one before it, then the start of 16383 bytes of `a/b`, cut within the topic.
        peer.send(&[publish(1, 1, "small"), vec![0x32, 0xff, 0x7f, 0, 3, b'a']].concat());
        let (values, end) = batch(&mut source);
        assert_eq!((values, end), (vec!["small".to_owned()], Position(1)));
        assert!(matches!(source.poll(WAIT, Accept::Records).unwrap(), SourceEvent::Idle), "the topic is not there yet");
        peer.send(b"/b");
        let error = refusal(&mut source);
        assert_eq!((error.kind, error.retry), (ErrorKind::Data, Retry::No), "{error}");
        let said = "a message of 16386 bytes on topic \"a/b\" is larger than message_bytes_max (1024)";
        assert!(error.message.ends_with(said), "{error}");
        // What came before it can still be acknowledged; it is not.
        source.commit(&[(SESSION, Position(1))]).unwrap();
        assert_eq!(peer.packet().unwrap(), [0x40, 2, 0, 1]);
        drop(source);
        assert_eq!(peer.packet().unwrap(), [0xe0, 0]);
        // A broker that is told a limit would drop the message without a word.
        let _source = broker.source(&limit);
        let (_, connect) = broker.accept();
        let limit_property = [0x27, 0, 0, 4, 0];
        assert!(!connect.windows(5).any(|bytes| bytes == limit_property), "{connect:?}");
    }
}

#[test]
fn a_slow_sink_is_no_dead_broker() {
    for accept in [Accept::Records, Accept::EventsOnly] {
        let broker = Broker::new();
        let options = [("keep_alive", OptionValue::DurationMs(1_000)), ("in_flight_max", OptionValue::Integer(1))];
        let mut source = broker.source(&options);
        let mut peer = broker.up(false, true);
        peer.send(&publish(1, 1, "one"));
        assert_eq!(batch(&mut source).0, ["one"]);
        peer.0.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        let (start, mut pings) = (Instant::now(), 0);
        while start.elapsed() < Duration::from_millis(3_500) {
            let event = source.poll(WAIT, accept).unwrap();
            assert!(matches!(event, SourceEvent::Idle), "{accept:?} after {:?}: {event:?}", start.elapsed());
            if let Some(packet) = peer.packet() {
                assert_eq!(packet, [0xc0, 0], "PINGREQ");
                peer.send(&[0xd0, 0]);
                pings += 1;
            }
        }
        assert!(pings >= 3, "the broker hears of the client all the time: {pings}");
        peer.0.set_read_timeout(Some(LIMIT)).unwrap();
        source.commit(&[(SESSION, Position(1))]).unwrap();
        peer.send(&publish(1, 2, "two"));
        assert_eq!(batch(&mut source), (vec!["two".to_owned()], Position(2)), "the same connection goes on");
    }
}

#[test]
fn another_client_with_the_same_id_stops_after_a_few_takeovers() {
    let broker = Broker::new();
    let mut source = broker.source(&[("client_id", OptionValue::Text("lake".into()))]);
    let error = std::thread::scope(|scope| {
        scope.spawn(|| (0..3).for_each(|turn| drop(broker.up(turn > 0, turn == 0))));
        let start = Instant::now();
        loop {
            assert!(start.elapsed() < LIMIT, "it reconnects for ever");
            if let Err(error) = source.poll(WAIT, Accept::Records) {
                break error;
            }
        }
    });
    assert_eq!((error.kind, error.retry), (ErrorKind::Fenced, Retry::No), "{error}");
    assert!(error.message.contains("another client uses the client id \"lake\""), "{error}");
    assert!(error.help.unwrap().contains("`client_id` of its own"));
}

#[test]
fn nothing_is_caught_up_before_the_subscription_is_granted() {
    let broker = Broker::new();
    let mut source = broker.source(&[]);
    let (mut peer, _) = broker.accept();
    let idle = |source: &mut MqttSource, time: Duration| {
        let start = Instant::now();
        while start.elapsed() < time {
            assert!(matches!(source.poll(WAIT, Accept::Records).unwrap(), SourceEvent::Idle));
        }
    };
    idle(&mut source, BACKLOG + WAIT);
    assert_eq!(source.ends(), [], "a slow broker");
    peer.send(&[0x20, 2, 0, 0]);
    idle(&mut source, 2 * WAIT);
    peer.grant(1);
    idle(&mut source, 2 * WAIT);
    assert_eq!(source.ends(), [], "what it holds may be on its way");
    peer.send(&[publish(1, 1, "one"), publish(1, 2, "two")].concat());
    assert_eq!(batch(&mut source).0, ["one", "two"]);
    idle(&mut source, BACKLOG);
    assert_eq!(source.ends(), [(SESSION, Position(2))]);
}

#[test]
fn messages_before_a_broken_packet_count() {
    let broker = Broker::new();
    let mut source = broker.source(&[]);
    let mut peer = broker.up(false, true);
    peer.send(&[publish(1, 1, "one"), vec![0x36, 5, 0, 1, b'a', 0, 1]].concat());
    assert_eq!(batch(&mut source).0, ["one"]);
    assert!(matches!(event(&mut source), SourceEvent::Away(_)));
}

#[test]
fn only_shared_filters_are_for_every_task() {
    let broker = Broker::new();
    let mut idle = broker.with(1, &[], &["a/#"], MqttSource::open).unwrap();
    assert!(matches!(idle.poll(WAIT, Accept::Records).unwrap(), SourceEvent::Assigned(_)));
    assert!(matches!(idle.poll(WAIT, Accept::Records).unwrap(), SourceEvent::Idle));
    broker.listener.set_nonblocking(true).unwrap();
    assert!(broker.listener.accept().is_err(), "a task without a filter has no session");
    broker.listener.set_nonblocking(false).unwrap();
    let _shared = broker.with(1, &[], &["a/#", "$share/g/b/#"], MqttSource::open).unwrap();
    let (mut peer, _) = broker.accept();
    peer.send(&[0x20, 2, 0, 0]);
    let subscribe = peer.packet().unwrap();
    let text = String::from_utf8_lossy(&subscribe).into_owned();
    assert!(text.contains("$share/g/b/#") && !text.contains("a/#"), "{text:?}");
}

#[test]
fn a_look_has_a_client_id_of_its_own_and_leaves() {
    let broker = Broker::new();
    std::thread::scope(|scope| {
        let peer = scope.spawn(|| {
            let (mut peer, connect) = broker.accept();
            peer.send(&[0x20, 2, 0, 0]);
            (peer.packet(), connect)
        });
        let system = broker.with(0, &[], &["a/#"], probe).unwrap();
        assert_eq!(system, format!("MQTT broker at {}", broker.listener.local_addr().unwrap()));
        let (left, connect) = peer.join().unwrap();
        assert_eq!(left.unwrap(), [0xe0, 0]);
        let text = String::from_utf8_lossy(&connect).into_owned();
        assert!(text.ends_with("kpipe-p-0-plan"), "{text:?}");
    });
}

#[test]
fn the_fifth_version_carries_properties_and_says_why_it_ends() {
    let broker = Broker::new();
    let mut source = broker.source(&[("version", OptionValue::Text("5".into()))]);
    let (mut peer, connect) = broker.accept();
    assert_eq!(connect[2..9], [0, 4, b'M', b'Q', b'T', b'T', 5]);
    peer.send(&[0x20, 3, 0, 0, 0]);
    let subscribe = peer.packet().unwrap();
    assert_eq!(subscribe[0], 0x82);
    peer.send(&[0x90, 4, subscribe[2], subscribe[3], 0, 1]);
    // A user property `k`: `v`, and a payload behind it.
    let body = [&[0, 3, b'a', b'/', b'b', 0, 9, 7, 0x26, 0, 1, b'k', 0, 1, b'v'][..], b"text"].concat();
    peer.send(&[vec![0x33, body.len() as u8], body].concat());
    let SourceEvent::Batch(batch) = event(&mut source) else { panic!("a batch is expected") };
    let mut headers = Vec::new();
    batch.records.headers(0, &mut |name, value| headers.push((name.to_owned(), value.map(<[u8]>::to_vec))));
    assert!(headers.contains(&("k".to_owned(), Some(b"v".to_vec()))), "{headers:?}");
    assert_eq!((batch.records.value(0), batch.records.topic(0)), (Some(&b"text"[..]), "a/b"));
    assert_eq!((batch.records.qos(0), batch.records.retained(0)), (Some(1), Some(true)));
    source.commit(&[(SESSION, batch.delta.end)]).unwrap();
    assert_eq!(peer.packet().unwrap(), [0x40, 2, 0, 9]);
    peer.send(&[0xe0, 1, 0x8e]);
    let SourceEvent::Away(error) = event(&mut source) else { panic!("the end is said") };
    assert!(error.message.contains("reason 0x8e"), "{error}");
}
