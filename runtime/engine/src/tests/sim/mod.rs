//! The production engine in a simulated world: one thread, one seed, the same events every time.
//!
//! A world ([`World`]) is virtual time, a heap of events, and the servers: brokers ([`kafka`]), an object store ([`store`]), an MQTT broker
//! ([`mqtt`]). A worker ([`workers`]) is a process: one task of the engine and a tokio runtime that is driven until it is idle. Whatever a
//! worker asks for travels: it arrives at one time and is answered at another, or never; a request outlives the worker that sent it.
//! What goes wrong, and how often, is [`Faults`], drawn from the seed. After a while the faults end, and everything that was produced must
//! become visible ([`life`]). The [`Oracle`] reads what the servers hold and knows nothing of the engine.
//!
//! `KPIPE_SIM_SEED=7 cargo test -p kpipe-engine sim::replay -- --nocapture` prints what happens in seed 7; `KPIPE_SIM_SEEDS=50000` runs so many.

mod bookmark;
mod client;
mod clock;
mod faults;
mod group;
mod kafka;
mod life;
mod mqtt;
mod oracle;
mod plan;
mod runs;
mod sink;
mod source;
mod store;
mod strikes;
mod workers;
mod world;

use faults::{Dice, Fault, Faults};
use world::{ProcessId, Slot, State, World};

/// Milliseconds as a duration.
fn ms(ms: u64) -> std::time::Duration {
    std::time::Duration::from_millis(ms)
}
