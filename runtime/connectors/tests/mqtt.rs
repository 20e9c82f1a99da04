//! The MQTT source against a real broker: `scripts/services up mosquitto`, then with its exports `--features real-services`.

#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kpipe_compiler::plan::{Decode, Endpoint, KeyPlan, OptionValue, Options, RecordTail, Route, SecretRef, Tail, TopicName, ValueFormat};
use kpipe_engine::connector::{Accept, OpenRequest, Secrets, Source, SourceEvent};
use kpipe_engine::error::{ConnectorError, ErrorKind};
use kpipe_engine::position::{PartitionId, Position};

struct Given;

impl Secrets for Given {
    fn read(&self, secret: &SecretRef) -> Result<String, ConnectorError> {
        match secret {
            SecretRef::Inline { place: _, value } => Ok(value.clone()),
            other => Err(ConnectorError::new(ErrorKind::Missing, format!("{other} is not used here"))),
        }
    }
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: start the services and take over their exports"))
}

fn route(from: &str) -> Route {
    let tail = RecordTail { topic: TopicName::OfSource, key: KeyPlan::SourceTopic, format: None };
    Route {
        statement: String::new(),
        from: from.to_owned(),
        decode: Decode { format: ValueFormat::Bytes, columns: Vec::new() },
        filter: None,
        project: None,
        tail: Tail::Records(tail),
    }
}

fn unique(name: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    format!("{name}-{}-{}", std::process::id(), now.as_nanos())
}

fn url() -> String {
    format!("mqtt://{}", variable("KPIPE_TEST_MQTT"))
}

/// A pipeline with an MQTT source.
struct Pipeline {
    runtime: tokio::runtime::Runtime,
    name: String,
    endpoint: Endpoint,
    routes: Vec<Route>,
}

impl Pipeline {
    fn new(name: &str, options: &[(&str, &str)], filter: &str) -> Self {
        let typed: BTreeMap<String, OptionValue> = options
            .iter()
            .map(|(key, value)| {
                let value = (*value).to_owned();
                let typed = match *key {
                    "password" => OptionValue::Secret(SecretRef::Inline { place: "test".to_owned(), value }),
                    _ => OptionValue::Text(value),
                };
                ((*key).to_owned(), typed)
            })
            .collect();
        Self {
            runtime: tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap(),
            name: name.to_owned(),
            endpoint: Endpoint { connector: "mqtt".to_owned(), options: Options(typed) },
            routes: vec![route(filter)],
        }
    }

    fn open(&self) -> Box<dyn Source> {
        let def = kpipe_connectors::ALL.iter().find(|def| def.spec.name == "mqtt").unwrap();
        let request = OpenRequest {
            pipeline: &self.name,
            task: 0,
            endpoint: &self.endpoint,
            routes: &self.routes,
            secrets: &Given,
            runtime: self.runtime.handle().clone(),
            starts_in_sink: false,
        };
        def.source.unwrap()(&request).unwrap()
    }

    /// Opens it and waits until it has subscribed: a session exists from then on.
    fn start(&self) -> Box<dyn Source> {
        let mut source = self.open();
        quiet(source.as_mut(), Duration::from_secs(1));
        source
    }
}

/// Polls until `count` messages came; returns their payloads by position.
fn read(source: &mut dyn Source, count: usize) -> Vec<(i64, String)> {
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut seen = Vec::new();
    while seen.len() < count {
        assert!(Instant::now() < deadline, "{} of {count} messages came", seen.len());
        if let SourceEvent::Batch(batch) = source.poll(Duration::from_millis(100), Accept::Records).unwrap() {
            let text = |row| String::from_utf8_lossy(batch.records.value(row).unwrap()).into_owned();
            seen.extend((0..batch.records.len()).map(|row| (batch.records.position(row).0, text(row))));
        }
    }
    seen
}

/// No message comes for a while.
fn quiet(source: &mut dyn Source, time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        let event = source.poll(Duration::from_millis(50), Accept::Records).unwrap();
        assert!(!matches!(event, SourceEvent::Batch(_)), "{event:?}");
    }
}

/// Polls until it fails.
fn failure(source: &mut dyn Source) -> ConnectorError {
    loop {
        match source.poll(Duration::from_secs(1), Accept::Records) {
            Ok(SourceEvent::Away(error)) | Err(error) => return error,
            Ok(_) => {}
        }
    }
}

/// Publishes with QoS 1 and waits for every acknowledgement.
fn publish(topic: &str, payloads: impl Iterator<Item = String>) {
    let address = variable("KPIPE_TEST_MQTT");
    let (host, port) = address.rsplit_once(':').unwrap();
    let (client, mut connection) = rumqttc::Client::new(rumqttc::MqttOptions::new(unique("publisher"), host, port.parse().unwrap()), 10);
    let (topic, payloads) = (topic.to_owned(), payloads.collect::<Vec<_>>());
    let mut missing = payloads.len();
    let sender = std::thread::spawn(move || {
        for payload in payloads {
            client.publish(&topic, rumqttc::QoS::AtLeastOnce, false, payload).unwrap();
        }
        client
    });
    for event in connection.iter() {
        missing -= usize::from(matches!(event.unwrap(), rumqttc::Event::Incoming(rumqttc::Packet::PubAck(_))));
        if missing == 0 {
            break;
        }
    }
    drop(sender.join().unwrap());
}

fn what_was_not_committed_comes_again(version: &str) {
    let name = unique("session");
    let pipeline = Pipeline::new(&name, &[("url", &url()), ("version", version)], &format!("kpipe/{name}/+"));
    let mut source = pipeline.start();
    publish(&format!("kpipe/{name}/a"), (0..300).map(|id| format!("m{id}")));
    let seen = read(source.as_mut(), 300);
    assert!(seen.iter().map(|(_, payload)| payload).eq(&(0..300).map(|id| format!("m{id}")).collect::<Vec<_>>()), "in order");
    source.commit(&[(PartitionId(0), Position(seen[200].0))]).unwrap();
    drop(source);
    let mut again = pipeline.open();
    let rest = read(again.as_mut(), 100);
    let expected: Vec<String> = (200..300).map(|id| format!("m{id}")).collect();
    assert!(rest.iter().map(|(_, payload)| payload).eq(&expected), "what was acknowledged, and nothing else, is gone: {rest:?}");
    again.commit(&[(PartitionId(0), Position(rest[99].0 + 1))]).unwrap();
    drop(again);
    quiet(pipeline.open().as_mut(), Duration::from_millis(500));
}

#[test]
fn what_was_not_committed_comes_again_in_3_1_1() {
    what_was_not_committed_comes_again("3.1.1");
}

#[test]
fn what_was_not_committed_comes_again_in_5() {
    what_was_not_committed_comes_again("5");
}

#[test]
fn messages_wait_while_the_pipeline_is_away() {
    let name = unique("away");
    let pipeline = Pipeline::new(&name, &[("url", &url())], &format!("kpipe/{name}"));
    drop(pipeline.start());
    publish(&format!("kpipe/{name}"), (0..50).map(|id| id.to_string()));
    assert_eq!(read(pipeline.open().as_mut(), 50).len(), 50);
}

#[test]
fn without_room_nothing_is_read_and_the_session_lives() {
    let name = unique("room");
    let pipeline = Pipeline::new(&name, &[("url", &url())], &format!("kpipe/{name}"));
    let mut source = pipeline.start();
    publish(&format!("kpipe/{name}"), (0..10).map(|id| id.to_string()));
    for _ in 0..20 {
        let event = source.poll(Duration::from_millis(20), Accept::EventsOnly).unwrap();
        assert!(matches!(event, SourceEvent::Idle), "{event:?}");
    }
    assert_eq!(read(source.as_mut(), 10).len(), 10);
}

#[test]
fn a_login_over_tls_works_and_a_wrong_password_is_denied() {
    let name = unique("tls");
    let url = format!("mqtts://{}", variable("KPIPE_TEST_MQTT_TLS"));
    let (user, password, ca) = (variable("KPIPE_TEST_USER"), variable("KPIPE_TEST_PASSWORD"), variable("KPIPE_TEST_CA"));
    let filter = format!("kpipe/{name}");
    let login = |password: &str, ca: Option<&str>| {
        let mut options = vec![("url", url.as_str()), ("username", &user), ("password", password)];
        options.extend(ca.map(|ca| ("tls.ca", ca)));
        Pipeline::new(&name, &options, &filter)
    };
    login(&password, Some(&ca)).start();
    let denied = failure(login("not-it", Some(&ca)).open().as_mut());
    assert_eq!(denied.kind, ErrorKind::Denied, "{denied}");
    assert!(!denied.message.contains("not-it"), "{denied}");
    let untrusted = failure(login(&password, None).open().as_mut());
    assert!(untrusted.message.contains("certificate is not trusted"), "{untrusted}");
}
