//! Records, scopes and stores for the tests of the ledger.

use std::sync::Arc;

use super::keys::Scope;
use super::record::{FileEntry, Kind, Record, RecordNumber};
use crate::connector::{FileStore, OpenRequest, UploadId};
use crate::env::VirtualClock;
use crate::memory::{World, open_store};
use crate::position::Position;
use crate::tests::{NoSecrets, endpoint, runtime};

/// A world of its own, and its store.
pub(crate) fn world(name: &str) -> (Arc<World>, Arc<dyn FileStore>) {
    let name = format!("ledger-{name}");
    let world = World::create(&name, Arc::new(VirtualClock::at(1_700_000_000_000)));
    let request = OpenRequest {
        pipeline: "p",
        task: 0,
        endpoint: &endpoint(&name),
        routes: &[],
        secrets: &NoSecrets,
        runtime: runtime().handle().clone(),
        starts_in_sink: true,
    };
    let store = open_store(&request).expect("the world was created just now");
    (world, store)
}

pub(crate) fn scope() -> Scope {
    Scope { prefix: "lake".into(), pipeline: "orders-lake".into(), topic: "orders".into(), identity: "Xq1".into(), partition: 3 }
}

pub(crate) fn commit(n: u64, start: i64, end: i64) -> Record {
    Record {
        v: 1,
        n: RecordNumber(n),
        kind: Kind::Commit,
        previous: None,
        undone: None,
        owner: "worker".into(),
        nonce: format!("nonce-{n}"),
        start: Position(start),
        end: Position(end),
        completed_through: RecordNumber(n - 1),
        reason: "bytes".into(),
        plan: "plan".into(),
        sum: String::new(),
        files: Vec::new(),
    }
}

pub(crate) fn fence(n: u64, at: i64) -> Record {
    Record { kind: Kind::Fence, reason: "assigned".into(), ..commit(n, at, at) }
}

pub(crate) fn entry(key: &str, first: i64, last: i64) -> FileEntry {
    FileEntry {
        bucket: String::new(),
        key: key.into(),
        upload: UploadId(format!("upload-of-{key}")),
        parts: Vec::new(),
        first: Position(first),
        last: Position(last),
        records: u64::try_from(last - first + 1).expect("tests give ranges"),
        bytes: 10,
    }
}
