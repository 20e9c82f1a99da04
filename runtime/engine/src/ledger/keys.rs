//! Where the objects of a ledger lie.
//!
//! ```text
//! <prefix>/.kpipe/<pipeline>/ledger/v1/<topic>/<identity>/<partition>/<number, counted down>.json
//! <prefix>/.kpipe/<pipeline>/ledger/v1/<topic>/<identity>/<partition>/<number, counted down>-<nonce>.json
//! <prefix>/.kpipe/<pipeline>/begun/<topic>/<identity>/<partition>.json
//! <prefix>/.kpipe/claims/<topic>.json
//! <prefix>/.kpipe/probe/<nonce>
//! ```
//!
//! Numbers are counted down from the largest, so that the newest record is the first of a listing. A nonce is in the name where a bookmark of
//! the source says which record of a number counts.

use std::sync::Arc;

use kpipe_compiler::names::RESERVED_FOLDER;

use super::record::{Record, RecordNumber};
use crate::position::Position;

/// The ledger of one partition of a pipeline's source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    /// Where the pipeline writes: everything of kpipe's own is below.
    pub prefix: Arc<str>,
    /// The pipeline.
    pub pipeline: Arc<str>,
    /// The topic.
    pub topic: Arc<str>,
    /// What tells it from a topic of the same name: Kafka's topic id, or `-`.
    pub identity: Arc<str>,
    /// The partition's number.
    pub partition: i32,
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}[{}]", self.topic, self.partition)
    }
}

impl Scope {
    /// The folder of its records.
    #[must_use]
    pub fn folder(&self) -> String {
        format!("{}{}/{}/", self.topic_folder(), self.identity, self.partition)
    }

    /// The folder of all identities of its topic.
    #[must_use]
    pub fn topic_folder(&self) -> String {
        format!("{}{}/", pipeline_folder(&self.prefix, &self.pipeline), self.topic)
    }

    /// The object of a record that is the only one of its number.
    #[must_use]
    pub fn key(&self, n: RecordNumber) -> String {
        format!("{}{:020}.json", self.folder(), u64::MAX - n.0)
    }

    /// The object of a record that counts if a bookmark names it.
    #[must_use]
    pub fn named_key(&self, n: RecordNumber, nonce: &str) -> String {
        format!("{}{:020}-{nonce}.json", self.folder(), u64::MAX - n.0)
    }

    /// The object of a record, however it counts.
    #[must_use]
    pub fn key_of(&self, record: &Record) -> String {
        match record.previous {
            Some(_) => self.named_key(record.n, &record.nonce),
            None => self.key(record.n),
        }
    }

    /// The object that says that a bookmark named a record once.
    #[must_use]
    pub fn begun_key(&self) -> String {
        let Self { prefix, pipeline, topic, identity, partition } = self;
        own(prefix, &format!("{pipeline}/begun/{topic}/{identity}/{partition}.json"))
    }

    /// The record that an object below the folder is, and its nonce where that is in the name; `None` if it is none.
    #[must_use]
    pub fn record<'k>(&self, key: &'k str) -> Option<(RecordNumber, Option<&'k str>)> {
        record(key.strip_prefix(&self.folder())?)
    }
}

/// What the last part of a record's key says: its number, and the nonce if there is one.
#[must_use]
pub fn record(name: &str) -> Option<(RecordNumber, Option<&str>)> {
    let name = name.strip_suffix(".json")?;
    let (digits, nonce) = name.split_once('-').map_or((name, None), |(digits, nonce)| (digits, Some(nonce)));
    let inverse: u64 = digits.parse().ok().filter(|_| digits.len() == 20)?;
    Some((RecordNumber(u64::MAX - inverse), nonce)).filter(|(n, _)| *n > RecordNumber::NONE)
}

/// The first and the last position in the name of an object, if it is one that a file of this partition gets:
/// `<topic>-<partition>-<first>-<last>.<ext>`.
#[must_use]
pub fn positions(key: &str, topic: &str, partition: i32) -> Option<(Position, Position)> {
    let name = key.rsplit('/').next().unwrap_or_default();
    let rest = name.strip_prefix(topic)?.strip_prefix(&format!("-{partition}-"))?;
    let (first, last) = rest.split('.').next().unwrap_or_default().split_once('-')?;
    let number = |digits: &str| -> Option<Position> {
        let is_number = digits.len() >= 12 && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse().ok().map(Position)).flatten()
    };
    Some((number(first)?, number(last)?))
}

/// The folder of all ledgers of a pipeline.
#[must_use]
pub fn pipeline_folder(prefix: &str, pipeline: &str) -> String {
    own(prefix, &format!("{pipeline}/ledger/v1/"))
}

/// The object that says which pipeline writes the records of a topic below a prefix.
#[must_use]
pub fn claim(prefix: &str, topic: &str) -> String {
    format!("{}{topic}.json", claim_folder(prefix))
}

/// The folder of all claims below a prefix.
#[must_use]
pub fn claim_folder(prefix: &str) -> String {
    own(prefix, "claims/")
}

/// An object to try a store with.
#[must_use]
pub fn probe(prefix: &str, nonce: &str) -> String {
    own(prefix, &format!("probe/{nonce}"))
}

fn own(prefix: &str, name: &str) -> String {
    let prefix = prefix.trim_matches('/');
    if prefix.is_empty() { format!("{RESERVED_FOLDER}/{name}") } else { format!("{prefix}/{RESERVED_FOLDER}/{name}") }
}

#[cfg(test)]
mod tests {
    use super::super::testing::scope;
    use super::*;

    #[test]
    fn the_newest_record_comes_first() {
        let scope = scope();
        let keys: Vec<String> = [1_u64, 9, 10, 11, 100_000].map(|n| scope.key(RecordNumber(n))).to_vec();
        assert!(keys.windows(2).all(|pair| pair[0] > pair[1]), "{keys:?}");
        assert_eq!(keys[0], "lake/.kpipe/orders-lake/ledger/v1/orders/Xq1/3/18446744073709551614.json");
        assert_eq!(keys.iter().map(|key| scope.record(key).unwrap().0.0).collect::<Vec<_>>(), [1, 9, 10, 11, 100_000]);
    }

    #[test]
    fn a_record_that_a_bookmark_names_has_its_nonce_in_the_name() {
        let scope = scope();
        let (ten, eleven) = (scope.named_key(RecordNumber(10), "a0"), scope.named_key(RecordNumber(11), "ff"));
        assert!(eleven < ten);
        assert_eq!(
            [&ten, &eleven].map(|key| scope.record(key)),
            [Some((RecordNumber(10), Some("a0"))), Some((RecordNumber(11), Some("ff")))]
        );
    }

    #[test]
    fn other_objects_are_no_records() {
        let scope = scope();
        for name in [
            "18446744073709551615.json",
            "1.json",
            "1-a.json",
            "18446744073709551614",
            "x8446744073709551614.json",
            "99999999999999999999.json",
        ] {
            assert_eq!(scope.record(&format!("{}{name}", scope.folder())), None, "{name}");
        }
        assert_eq!(scope.record("elsewhere/18446744073709551614.json"), None);
    }

    #[test]
    fn only_names_of_the_partition_are_its_own() {
        for (key, positions) in [
            ("lake/day=1/orders-3-000000000100-000000000199.parquet", Some((100, 199))),
            ("orders-3-000000000100-000000000199.json.zst", Some((100, 199))),
            ("lake/orders-3-1000000000100-1000000000199.json", Some((1_000_000_000_100, 1_000_000_000_199))),
            ("lake/orders-30-000000000100-000000000199.parquet", None),
            ("lake/orders-3-4-000000000100-000000000199.parquet", None),
            ("lake/reorders-3-000000000100-000000000199.parquet", None),
            ("lake/orders-3-000000000100.parquet", None),
            ("lake/orders-3-old", None),
        ] {
            let expected = positions.map(|(first, last)| (Position(first), Position(last)));
            assert_eq!(super::positions(key, "orders", 3), expected, "{key}");
        }
    }

    #[test]
    fn everything_lies_below_the_reserved_folder() {
        assert_eq!(claim("", "orders"), ".kpipe/claims/orders.json");
        assert_eq!(probe("a/b/", "x"), "a/b/.kpipe/probe/x");
    }
}
