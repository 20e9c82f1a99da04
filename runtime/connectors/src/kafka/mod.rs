//! Kafka, as a source and as a sink, through librdkafka.
//!
//! | part | module |
//! |---|---|
//! | the source: group membership, batches, commits | `source`, on `rebalance`, `commits` and `kept` (no IO) and `member` (callbacks) |
//! | where a partition stands, with a word about it | `bookmarks` |
//! | the sink: producing, acknowledgements | `sink`, on `ledger` (no IO) |
//! | questions and changes to a cluster | `look`, `admin` |
//! | what a plan shows, where it is kept | `inspect`, `newest`, `plans` |
//! | librdkafka | `ffi` (pointers), `settings`, `health` and `failure` (its errors in kpipe's words) |

mod admin;
mod bookmarks;
mod commits;
mod failure;
mod ffi;
mod health;
mod inspect;
mod kept;
mod ledger;
mod look;
mod member;
mod newest;
mod options;
mod plans;
mod rebalance;
mod records;
mod settings;
mod signal;
mod sink;
mod source;
mod spec;
#[cfg(test)]
#[path = "tests/support.rs"]
mod testing;

use kpipe_engine::connector::ConnectorDef;

/// The connector.
pub(crate) static CONNECTOR: ConnectorDef = ConnectorDef {
    spec: &spec::SPEC,
    source: Some(|request| Ok(Box::new(source::KafkaSource::open(request)?))),
    records: Some(|request| Ok(Box::new(sink::KafkaSink::open(request)?))),
    store: None,
    inspect: Some(inspect::inspect),
    newest: Some(newest::newest),
    plans: Some(|request| Ok(Box::new(plans::TopicPlans::open(request)?))),
    bookmarks: Some(|request| Ok(Box::new(bookmarks::Idle::open(request)?))),
};
