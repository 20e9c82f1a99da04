//! The records of one partition as a run of the protocol sees them: where they lie, and what makes one of them count.
//!
//! | log | a record counts | of a number there is |
//! |---|---|---|
//! | store | because it is there: the store refuses to overwrite | one |
//! | bookmark | because the partition's bookmark names it: the source refuses whoever lost the partition | any, of which one counted at most |

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::keys::Scope;
use super::record::{Record, RecordError, RecordNumber};
use crate::connector::{Bookmark, Created, FileStore, Mark};
use crate::error::{ConnectorError, ErrorKind};
use crate::kill::kill_point;
use crate::path::Fence;
#[cfg(test)]
use crate::planted::{PlantedBug, is_planted};
use crate::position::Position;
use crate::retry::Retries;

/// What makes a record count.
#[derive(Clone, Debug)]
pub(super) enum Log {
    /// That it is there.
    Store,
    /// That this names it.
    Bookmark(Arc<dyn Bookmark>),
}

/// What a bookmark says: `kpipe:1:7:51d0…`, the version, the number, the nonce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The number of the record.
    pub n: RecordNumber,
    /// Its nonce.
    pub nonce: String,
}

impl Name {
    /// Reads the word of a bookmark; `None` if it is not kpipe's.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let (n, nonce) = word.strip_prefix("kpipe:1:")?.split_once(':')?;
        Some(Self { n: RecordNumber(n.parse().ok()?), nonce: nonce.to_owned() })
    }

    /// What a bookmark says so that a record counts.
    pub(super) fn mark(record: &Record) -> Mark {
        Mark { position: record.end, word: Self::of(record).to_string() }
    }

    fn of(record: &Record) -> Self {
        Self { n: record.n, nonce: record.nonce.as_str().to_owned() }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { n, nonce } = self;
        write!(f, "kpipe:1:{n}:{nonce}")
    }
}

/// The records of a partition during one run.
pub(super) struct Ledger<'r> {
    log: &'r Log,
    store: &'r dyn FileStore,
    scope: &'r Scope,
    retries: &'r Retries,
    fence: &'r Fence,
    /// The nonces of records that counted, without a hole up to the newest.
    nonces: BTreeMap<RecordNumber, String>,
    /// Where the bookmark stands.
    stands: Option<Position>,
}

impl<'r> Ledger<'r> {
    pub(super) fn new(log: &'r Log, store: &'r dyn FileStore, scope: &'r Scope, retries: &'r Retries, fence: &'r Fence) -> Self {
        Self { log, store, scope, retries, fence, nonces: BTreeMap::new(), stands: None }
    }

    /// The same for a worker that knows the newest record.
    pub(super) fn at(mut self, head: &Record) -> Self {
        let Name { n, nonce } = Name::of(head);
        self.nonces.insert(n, nonce);
        self
    }

    pub(super) fn scope(&self) -> &'r Scope {
        self.scope
    }

    pub(super) fn fence(&self) -> &'r Fence {
        self.fence
    }

    /// The newest record that counts. A listing of a store may be stale, a bookmark is not.
    pub(super) async fn newest(&mut self) -> Result<Option<RecordNumber>, ConnectorError> {
        match self.log {
            Log::Store => match self.listed().await? {
                None => Ok(None),
                Some((n, None)) => Ok(Some(n)),
                Some((n, Some(_))) => {
                    Err(self.of_another(n, "the group's offsets", "`commit: { protocol: kafka }` goes on where they end"))
                }
            },
            Log::Bookmark(bookmark) => self.named(bookmark.as_ref()).await,
        }
    }

    async fn named(&mut self, bookmark: &dyn Bookmark) -> Result<Option<RecordNumber>, ConnectorError> {
        let mark = self.retries.run(self.fence, || bookmark.read()).await?;
        let name = mark.as_ref().and_then(|mark| Name::parse(&mark.word));
        let listed = match self.listed().await? {
            Some((n, None)) => return Err(self.of_another(n, "a ledger", "`commit: { protocol: ledger }` goes on where they end")),
            listed => listed.map_or(RecordNumber::NONE, |(n, _)| n),
        };
        // The one behind may have been written by a worker that died before it counted.
        let known = name.as_ref().map_or(RecordNumber::NONE, |name| name.n);
        let has_begun = name.is_none() && self.has_begun().await?;
        #[cfg(test)]
        let (listed, has_begun) = if is_planted(PlantedBug::ForgottenBookmark) { (known, false) } else { (listed, has_begun) };
        if listed > known.next() || has_begun {
            return Err(self.went_back(mark.as_ref(), known, listed));
        }
        self.stands = mark.map(|mark| mark.position);
        Ok(name.map(|Name { n, nonce }| {
            self.nonces.insert(n, nonce);
            n
        }))
    }

    /// A bookmark named a record once. Asked for by name, for a listing may be stale.
    async fn has_begun(&self) -> Result<bool, ConnectorError> {
        let key = self.scope.begun_key();
        Ok(self.retries.run(self.fence, || self.store.get(&key)).await?.is_some())
    }

    /// The first record of the folder.
    async fn listed(&self) -> Result<Option<(RecordNumber, Option<String>)>, ConnectorError> {
        let folder = self.scope.folder();
        // After the folder's own name: tools that show folders leave an empty object of it.
        let listed = self.retries.run(self.fence, || self.store.list(&folder, &folder, 1)).await?;
        let Some(first) = listed.first() else { return Ok(None) };
        match self.scope.record(&first.key) {
            Some((n, nonce)) => Ok(Some((n, nonce.map(str::to_owned)))),
            None => {
                let message = format!("{}: {} lies among the ledger's records and is none", self.store.place(), first.key);
                Err(ConnectorError::new(ErrorKind::Fenced, message).help("move it away, and start again"))
            }
        }
    }

    /// A record that counted.
    pub(super) async fn read(&mut self, n: RecordNumber) -> Result<Option<Record>, ConnectorError> {
        match self.log {
            Log::Store => self.get(n, &self.scope.key(n)).await,
            Log::Bookmark(_) => self.read_named(n).await,
        }
    }

    /// Each record names the one before it.
    async fn read_named(&mut self, n: RecordNumber) -> Result<Option<Record>, ConnectorError> {
        loop {
            let Some((oldest, nonce)) = self.nonces.iter().find(|(known, _)| **known >= n) else { return Ok(None) };
            let (oldest, key) = (*oldest, self.scope.named_key(*oldest, nonce));
            let Some(record) = self.get(oldest, &key).await? else { return Ok(None) };
            if oldest == n {
                self.check_position(&record)?;
                return Ok(Some(record));
            }
            match record.previous {
                Some(previous) => self.nonces.insert(RecordNumber(oldest.0 - 1), previous),
                None => return Ok(None),
            };
        }
    }

    async fn get(&self, n: RecordNumber, key: &str) -> Result<Option<Record>, ConnectorError> {
        let bytes = self.retries.run(self.fence, || self.store.get(key)).await?;
        let record = bytes.map(|bytes| Record::from_bytes(n, &bytes)).transpose();
        record.map_err(|error| unreadable(self.store, key, &error))
    }

    /// Nobody moves a bookmark without changing its word.
    fn check_position(&self, record: &Record) -> Result<(), ConnectorError> {
        let is_newest = self.nonces.last_key_value().is_some_and(|(newest, _)| *newest == record.n);
        match self.stands.filter(|stands| is_newest && *stands != record.end) {
            None => Ok(()),
            Some(stands) => {
                let Record { n, end, .. } = record;
                let message = format!("{}: the group stands at {stands}, but names record {n}, which ends at {end}", self.scope);
                Err(ConnectorError::new(ErrorKind::Fenced, message).help("`kpipe offsets reset` says which of the two counts"))
            }
        }
    }

    /// Makes a record count, if it is the next one.
    pub(super) async fn write(&self, record: &Record) -> Result<Created, ConnectorError> {
        let key = self.scope.key_of(record);
        let bytes = Bytes::from(record.to_bytes().map_err(|error| unreadable(self.store, &key, &error))?);
        let is_fence = record.is_takeover();
        kill_point(if is_fence { "ledger.fence.before" } else { "ledger.record.before" });
        let created = match self.log {
            Log::Store => self.create(&key, &bytes).await?,
            Log::Bookmark(bookmark) => {
                #[cfg(test)]
                if is_planted(PlantedBug::NamedBeforeItIsThere) {
                    self.name(bookmark.as_ref(), record).await?;
                }
                // A worker that was killed behind the first name did not say so.
                if record.n == RecordNumber(2) {
                    self.begin().await?;
                }
                self.retries.run(self.fence, || self.store.put(&key, bytes.clone())).await?;
                kill_point("ledger.record.lies");
                self.name(bookmark.as_ref(), record).await?;
                if record.n == RecordNumber(1) {
                    self.begin().await?;
                }
                Created::New
            }
        };
        kill_point(if is_fence { "ledger.fence.written" } else { "ledger.record.written" });
        Ok(created)
    }

    /// Says that a bookmark names a record: whoever finds none later knows that there was one.
    async fn begin(&self) -> Result<(), ConnectorError> {
        let key = self.scope.begun_key();
        self.retries.run(self.fence, || self.store.put(&key, Bytes::from_static(b"{}\n"))).await
    }

    async fn create(&self, key: &str, bytes: &Bytes) -> Result<Created, ConnectorError> {
        #[cfg(test)]
        if is_planted(PlantedBug::LedgerOverwrites) {
            self.retries.run(self.fence, || self.store.put(key, bytes.clone())).await?;
            return Ok(Created::New);
        }
        self.retries.run(self.fence, || self.store.create(key, bytes.clone())).await
    }

    async fn name(&self, bookmark: &dyn Bookmark, record: &Record) -> Result<(), ConnectorError> {
        let mark = Name::mark(record);
        self.retries.run(self.fence, || bookmark.write(mark.clone())).await
    }

    /// Records of another protocol lie there.
    fn of_another(&self, n: RecordNumber, other: &str, help: &str) -> ConnectorError {
        let message =
            format!("{}: record {n} and those before it were committed through {other}: this pipeline would begin anew", self.scope);
        ConnectorError::new(ErrorKind::Fenced, message).help(help)
    }

    /// There are records that the bookmark does not know: it was moved, it expired, or the group has another name.
    fn went_back(&self, mark: Option<&Mark>, known: RecordNumber, listed: RecordNumber) -> ConnectorError {
        let stands = match mark {
            None => "the group has no offset".to_owned(),
            Some(mark) if known == RecordNumber::NONE => format!("the group stands at {}, which kpipe did not commit", mark.position),
            Some(mark) => format!("the group stands at {}, with record {known}", mark.position),
        };
        let there = if listed > RecordNumber::NONE { format!("there are records up to {listed}") } else { "there was one".to_owned() };
        let message = format!("{}: {stands}, but {there}", self.scope);
        let help = "somebody moved the group's offsets, they expired, or `group` changed: `kpipe offsets reset` says where to go on";
        ConnectorError::new(ErrorKind::Fenced, message).help(help)
    }
}

fn unreadable(store: &dyn FileStore, key: &str, error: &RecordError) -> ConnectorError {
    let message = format!("{}: {key}: {error}", store.place());
    ConnectorError::new(ErrorKind::Fenced, message).help("`kpipe ledger show` says what the records around it hold")
}
