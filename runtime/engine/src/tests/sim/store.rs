//! The object store: what its servers hold and do.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::clock::server_ms;
use super::{Dice, Fault, ProcessId, State};
use crate::connector::{UnfinishedUpload, UploadId};

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// 5xx, or no answer in time.
    Away(&'static str),
    /// 404 for the upload.
    NoUpload,
    /// 412.
    Exists,
    /// 409.
    Conflict,
    /// The engine asked for something that no store does.
    Invalid(String),
}

pub(super) type Answer<T> = Result<T, Refusal>;

/// A visible object.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) data: Bytes,
    pub(super) modified_ms: i64,
    /// The upload that wrote it.
    pub(super) mark: Option<String>,
    /// Listings show it from then on.
    pub(super) listed_from: Duration,
}

/// An upload that is neither completed nor given up.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) key: String,
    pub(super) begun_ms: i64,
    pub(super) process: ProcessId,
    parts: BTreeMap<u32, Bytes>,
}

impl Upload {
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
}

/// One bucket.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) objects: BTreeMap<String, Object>,
    pub(super) uploads: BTreeMap<String, Upload>,
    /// Uploads that were completed, with their keys.
    done: BTreeMap<String, String>,
    /// A completion that is repeated is answered with 404 (MinIO), or with 200 (AWS).
    forgets_completed: bool,
    pub(super) ignores_conditions: bool,
    /// The next upload that a record names is removed as soon as it does.
    pub(super) removes_committed: bool,
    pub(super) away_until: Duration,
    pub(super) slow_until: Duration,
    last: u64,
}

impl Store {
    pub(super) fn new(dice: &mut Dice) -> Self {
        Self {
            objects: BTreeMap::new(),
            uploads: BTreeMap::new(),
            done: BTreeMap::new(),
            forgets_completed: dice.below(2) == 0,
            ignores_conditions: false,
            removes_committed: false,
            away_until: Duration::ZERO,
            slow_until: Duration::ZERO,
            last: 0,
        }
    }
}

impl State {
    pub(super) fn store_begin(&mut self, process: ProcessId, key: &str) -> Answer<String> {
        self.store.last += 1;
        let id = format!("u{}", self.store.last);
        let upload = Upload { key: key.to_owned(), begun_ms: server_ms(self.now), process, parts: BTreeMap::new() };
        self.store.uploads.insert(id.clone(), upload);
        Ok(id)
    }

    pub(super) fn store_part(&mut self, id: &str, number: u32, data: Bytes) -> Answer<String> {
        let upload = self.store.uploads.get_mut(id).ok_or(Refusal::NoUpload)?;
        upload.parts.insert(number, data);
        Ok(format!("{id}/{number}"))
    }

    pub(super) fn store_complete(&mut self, key: &str, id: &str, parts: &[(u32, String)], is_conditional: bool) -> Answer<()> {
        if self.store.done.get(id).is_some_and(|done| done == key) {
            self.reach(if self.store.forgets_completed { "completed again: 404" } else { "completed again: 200" });
            return if self.store.forgets_completed { Err(Refusal::NoUpload) } else { Ok(()) };
        }
        let upload = self.store.uploads.get(id).ok_or(Refusal::NoUpload)?;
        if upload.key != key {
            return Err(Refusal::Invalid(format!("{id} belongs to {}, not to {key}", upload.key)));
        }
        let mut whole = BytesMut::new();
        for (index, (number, etag)) in parts.iter().enumerate() {
            match upload.parts.get(number) {
                Some(data) if *number as usize == index + 1 && *etag == format!("{id}/{number}") => whole.extend_from_slice(data),
                _ => return Err(Refusal::Invalid(format!("{id}: part {number} is not as it was stored"))),
            }
        }
        if parts.len() != upload.parts.len() {
            return Err(Refusal::Invalid(format!("{id}: parts are left out")));
        }
        if is_conditional && self.store.objects.contains_key(key) && !self.store.ignores_conditions {
            return Err(Refusal::Exists);
        }
        self.store.uploads.remove(id);
        self.store.done.insert(id.to_owned(), key.to_owned());
        self.write(key, whole.freeze(), Some(id.to_owned()));
        Ok(())
    }

    pub(super) fn store_abort(&mut self, id: &str) -> Answer<()> {
        self.store.uploads.remove(id);
        Ok(())
    }

    pub(super) fn store_put(&mut self, key: &str, data: Bytes) -> Answer<()> {
        self.write(key, data, None);
        Ok(())
    }

    pub(super) fn store_create(&mut self, key: &str, data: Bytes) -> Answer<()> {
        if self.store.objects.contains_key(key) && !self.store.ignores_conditions {
            return Err(Refusal::Exists);
        }
        self.write(key, data, None);
        Ok(())
    }

    pub(super) fn store_remove(&mut self, keys: &[String]) -> Answer<()> {
        let now = self.now;
        for key in keys {
            if self.store.objects.remove(key).is_some() {
                self.oracle.removed(now, key);
            }
        }
        Ok(())
    }

    pub(super) fn store_list(&mut self, prefix: &str, after: &str, limit: usize) -> Vec<(String, u64, i64)> {
        let now = self.now;
        let from = if after > prefix { after } else { prefix };
        let objects = self.store.objects.range(from.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
        let shown = objects.filter(|(key, object)| key.as_str() > after && object.listed_from <= now);
        shown.take(limit).map(|(key, object)| (key.clone(), object.data.len() as u64, object.modified_ms)).collect()
    }

    /// A store that forgets what was completed is also one that lists no uploads by prefix.
    pub(super) fn store_uploads(&mut self, prefix: &str, limit: usize) -> Option<Vec<UnfinishedUpload>> {
        if self.store.forgets_completed {
            return None;
        }
        let below = self.store.uploads.iter().filter(|(_, upload)| upload.key.starts_with(prefix));
        let found = |(id, upload): (&String, &Upload)| UnfinishedUpload {
            key: upload.key.clone(),
            upload: UploadId(id.clone()),
            begun_ms: upload.begun_ms,
        };
        Some(below.map(found).take(limit).collect())
    }

    /// Somebody cleans up in the moment between a commit and its publication.
    fn remove_committed(&mut self, key: &str, data: &[u8]) {
        if !self.store.removes_committed || !key.contains("/ledger/") {
            return;
        }
        let named = self.store.uploads.keys().find(|id| super::strikes::names(data, id)).cloned();
        if let Some(id) = named {
            self.store.uploads.remove(&id);
            self.store.removes_committed = false;
            self.fire(Fault::CommittedUploadRemoved);
            self.needs_somebody = true;
        }
    }

    fn write(&mut self, key: &str, data: Bytes, mark: Option<String>) {
        let stale = if self.hits(Fault::StaleList) { super::ms(self.dice.skewed(100, 8_000)) } else { Duration::ZERO };
        let before = self.store.objects.get(key).map(|object| object.listed_from);
        let listed_from = before.unwrap_or(self.now + stale);
        let object = Object { data: data.clone(), modified_ms: server_ms(self.now), mark, listed_from };
        self.say(|| format!("store: {key} is there, {} bytes", data.len()));
        self.store.objects.insert(key.to_owned(), object);
        self.remove_committed(key, &data);
        let now = self.now;
        self.oracle.appeared(now, key, &data);
    }
}
