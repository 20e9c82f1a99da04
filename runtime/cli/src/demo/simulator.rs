//! Devices that publish telemetry: JSON, QoS 1, every message with a number of its own.
//!
//! Devices share a few connections, as they do behind gateways. A message counts as published once the broker acknowledged it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS};
use tokio::runtime::Handle;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// Devices behind one connection.
const DEVICES_PER_GATEWAY: u32 = 25;
/// How often a gateway publishes.
const TICK: Duration = Duration::from_millis(20);
/// Messages that may be under way: the embedded Kafka keeps 5 MiB a partition.
const UNDER_WAY_MAX: u64 = 30_000;
/// The sites, one after the other.
const SITES: [&str; 5] = ["aachen", "bergen", "cadiz", "delft", "evora"];

/// The devices, publishing.
pub(crate) struct Simulator {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Numbers given out: the next message's.
    next: AtomicU64,
    /// Acknowledged by the broker.
    acknowledged: AtomicU64,
    /// Known to be in files.
    settled: AtomicU64,
    stop: AtomicBool,
}

impl Simulator {
    /// Starts `devices` devices that publish `rate` messages a second together.
    pub(crate) fn start(runtime: &Handle, port: u16, devices: u32, rate: u32) -> Self {
        let shared = Arc::new(Shared::default());
        let gateways = devices.div_ceil(DEVICES_PER_GATEWAY);
        for gateway in 0..gateways {
            let mut options = MqttOptions::new(format!("demo-gateway-{gateway}"), "127.0.0.1", port);
            options.set_keep_alive(Duration::from_secs(30)).set_inflight(100);
            let (client, events) = AsyncClient::new(options, 200);
            let first = gateway * DEVICES_PER_GATEWAY;
            let devices = (first..devices.min(first + DEVICES_PER_GATEWAY)).map(Device::new).collect();
            runtime.spawn(acknowledge(events, Arc::clone(&shared)));
            let pace = Pace { rate: f64::from(rate) / f64::from(gateways), due: 0.0 };
            runtime.spawn(publish(client, devices, pace, Arc::clone(&shared)));
        }
        Self { shared }
    }

    /// Messages published so far, acknowledged or not.
    pub(crate) fn published(&self) -> u64 {
        self.shared.next.load(Ordering::SeqCst)
    }

    /// Says how many messages are in files: devices wait when too many are under way.
    pub(crate) fn settle(&self, count: u64) {
        self.shared.settled.store(count, Ordering::SeqCst);
    }

    /// Publishes no more.
    pub(crate) fn stop(&self) {
        self.shared.stop.store(true, Ordering::SeqCst);
    }

    /// True when the broker has everything that was published.
    pub(crate) fn is_acknowledged(&self) -> bool {
        self.shared.acknowledged.load(Ordering::SeqCst) >= self.published()
    }
}

/// Counts acknowledgements; reconnects.
async fn acknowledge(mut events: EventLoop, shared: Arc<Shared>) {
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::PubAck(_))) => {
                shared.acknowledged.fetch_add(1, Ordering::SeqCst);
            }
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(%error, "demo gateway is disconnected");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// How many messages are due.
struct Pace {
    rate: f64,
    due: f64,
}

impl Pace {
    /// Whole messages due after another tick; what was not sent is not made up for beyond a second.
    fn tick(&mut self) -> u64 {
        self.due = (self.due + self.rate * TICK.as_secs_f64()).min(self.rate.max(1.0));
        let whole = self.due.floor();
        self.due -= whole;
        whole as u64
    }
}

async fn publish(client: AsyncClient, mut devices: Vec<Device>, mut pace: Pace, shared: Arc<Shared>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut turn = 0;
    loop {
        ticks.tick().await;
        for _ in 0..pace.tick() {
            while shared.next.load(Ordering::SeqCst) >= shared.settled.load(Ordering::SeqCst) + UNDER_WAY_MAX {
                if shared.stop.load(Ordering::SeqCst) {
                    return;
                }
                sleep(TICK).await;
            }
            if shared.stop.load(Ordering::SeqCst) {
                return;
            }
            let id = shared.next.fetch_add(1, Ordering::SeqCst);
            let count = devices.len();
            let device = &mut devices[turn % count];
            turn += 1;
            let message = device.message(id, now_ms());
            if client.publish(device.topic.as_str(), QoS::AtLeastOnce, false, message).await.is_err() {
                return;
            }
        }
    }
}

fn now_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis())
}

/// One device: its name, its site, and readings that wander.
#[derive(Debug)]
struct Device {
    name: String,
    site: &'static str,
    topic: String,
    temperature: f64,
    humidity: f64,
    random: u64,
}

impl Device {
    fn new(number: u32) -> Self {
        let site = SITES[number as usize % SITES.len()];
        let name = format!("{site}-{number:04}");
        let topic = format!("devices/{name}/telemetry");
        Self { name, site, topic, temperature: 18.0, humidity: 0.5, random: u64::from(number) * 0x9e37_79b9 + 1 }
    }

    /// A step between -1 and 1: xorshift, because it has to look alive, not be random.
    fn step(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random % 2_001) as f64 / 1_000.0 - 1.0
    }

    fn message(&mut self, id: u64, now_ms: u128) -> String {
        self.temperature = (self.temperature + self.step() * 0.3).clamp(-20.0, 60.0);
        self.humidity = (self.humidity + self.step() * 0.01).clamp(0.0, 1.0);
        let status = if self.temperature > 45.0 { "hot" } else { "ok" };
        let Self { name, site, topic: _, temperature, humidity, random: _ } = self;
        format!(
            r#"{{"id":{id},"device":"{name}","site":"{site}","ts":{now_ms},"temperature":{temperature:.2},"humidity":{humidity:.3},"status":"{status}"}}"#
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Instant;

    use super::*;
    use crate::demo::broker;

    #[test]
    fn messages_are_json_with_an_id() {
        let mut device = Device::new(7);
        let value: serde_json::Value = serde_json::from_str(&device.message(3, 99)).unwrap();
        assert_eq!((value["id"].as_u64(), value["ts"].as_u64()), (Some(3), Some(99)));
        assert_eq!(value["device"], "cadiz-0007");
        assert_ne!(device.message(4, 99), device.message(5, 99));
    }

    #[test]
    fn the_pace_keeps_the_rate() {
        let mut pace = Pace { rate: 33.0, due: 0.0 };
        let sent: u64 = (0..50).map(|_| pace.tick()).sum();
        assert!((32..=34).contains(&sent), "{sent} in a second");
    }

    #[test]
    fn what_is_published_arrives_once_through_the_embedded_broker() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let port = broker::mqtt(100).unwrap();
        runtime.block_on(async {
            let (client, mut events) = AsyncClient::new(MqttOptions::new("reader", "127.0.0.1", port), 10);
            client.subscribe("devices/+/telemetry", QoS::AtLeastOnce).await.unwrap();
            while !matches!(events.poll().await.unwrap(), Event::Incoming(Packet::SubAck(_))) {}
            let simulator = Simulator::start(&Handle::current(), port, 60, 600);
            let deadline = Instant::now() + Duration::from_secs(20);
            let (mut seen, mut received) = (HashSet::new(), 0_u64);
            while !(simulator.shared.stop.load(Ordering::SeqCst) && simulator.is_acknowledged() && received >= simulator.published()) {
                assert!(Instant::now() < deadline, "{received} of {}", simulator.published());
                if simulator.published() >= 300 {
                    simulator.stop();
                }
                if let Ok(Event::Incoming(Packet::Publish(publish))) = events.poll().await {
                    let value: serde_json::Value = serde_json::from_slice(&publish.payload).unwrap();
                    seen.insert(value["id"].as_u64().unwrap());
                    received += 1;
                }
            }
            assert_eq!(seen.len() as u64, simulator.published());
        });
        runtime.shutdown_background();
    }
}
