//! Brokers inside this process: MQTT by rumqttd, Kafka's protocol by librdkafka's mock cluster. Nothing outlives the process.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rumqttd::{Broker, Config, ConnectionSettings, RouterConfig, ServerSettings};

use crate::exit::Exit;
use crate::failure::Failure;

/// How long a broker may take to listen.
const START_LIMIT: Duration = Duration::from_secs(10);
/// Kafka topics of the demo have this many partitions.
const PARTITIONS: i32 = 4;

/// Starts an MQTT broker on a free port of this machine and returns the port. It runs until the process ends.
pub(crate) fn mqtt(connections_max: usize) -> Result<u16, Failure> {
    let failed = |why: &dyn std::fmt::Display| Failure::new(Exit::LocalIo, format!("cannot start the embedded MQTT broker: {why}"));
    let address = free_address().map_err(|error| failed(&error))?;
    let mut broker = Broker::new(config(address, connections_max));
    thread::Builder::new()
        .name("demo-mqtt".to_owned())
        .spawn(move || {
            // It returns only when it could not start; the wait below says so.
            let _ = broker.start();
        })
        .map_err(|error| failed(&error))?;
    let deadline = Instant::now() + START_LIMIT;
    while TcpStream::connect(address).is_err() {
        if Instant::now() > deadline {
            return Err(failed(&format_args!("nothing listens on {address} after {} s", START_LIMIT.as_secs())));
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(address.port())
}

fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn config(listen: SocketAddr, connections_max: usize) -> Config {
    let connections = ConnectionSettings {
        connection_timeout_ms: 10_000,
        max_payload_size: 64 * 1024,
        max_inflight_count: 200,
        auth: None,
        external_auth: None,
        dynamic_filters: true,
    };
    let server = ServerSettings { name: "demo-mqtt-v4".to_owned(), listen, tls: None, next_connection_delay_ms: 0, connections };
    let router = RouterConfig {
        max_connections: connections_max,
        max_outgoing_packet_count: 200,
        max_segment_size: 16 * 1024 * 1024,
        max_segment_count: 16,
        ..RouterConfig::default()
    };
    Config {
        id: 0,
        router,
        v4: Some(HashMap::from([("1".to_owned(), server)])),
        v5: None,
        ws: None,
        cluster: None,
        console: None,
        bridge: None,
        prometheus: None,
        metrics: None,
    }
}

/// A Kafka cluster of one broker. It keeps about 5 MiB a partition, so whoever writes has to pace himself.
pub(crate) struct Kafka {
    cluster: MockCluster<'static, DefaultProducerContext>,
}

impl Kafka {
    /// Starts it, with these topics.
    pub(crate) fn start(topics: &[&str]) -> Result<Self, Failure> {
        let failed = |why: &dyn std::fmt::Display| Failure::new(Exit::LocalIo, format!("cannot start the embedded Kafka broker: {why}"));
        let cluster = MockCluster::new(1).map_err(|error| failed(&error))?;
        for topic in topics {
            cluster.create_topic(topic, PARTITIONS, 1).map_err(|error| failed(&error))?;
        }
        Ok(Self { cluster })
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> String {
        self.cluster.bootstrap_servers()
    }
}
