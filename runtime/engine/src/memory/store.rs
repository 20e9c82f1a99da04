//! A store of files.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

use super::fault::Op;
use super::world::{Object, State, UploadState, World};
use crate::connector::{Completed, Created, FileStore, IfExists, Listed, PART_BYTES_MIN, PartTag, Stat, UnfinishedUpload, UploadId};
use crate::error::{ConnectorError, ErrorKind, Retry};

pub(super) struct MemoryStore {
    world: Arc<World>,
    process: u64,
    /// Before every key: the bucket and a slash; empty without a bucket.
    bucket: String,
}

impl MemoryStore {
    pub(super) fn new(world: Arc<World>, bucket: &str) -> Self {
        let process = world.state().process;
        let bucket = if bucket.is_empty() { String::new() } else { format!("{bucket}/") };
        Self { world, process, bucket }
    }

    fn name(&self, key: &str) -> String {
        format!("{}{key}", self.bucket)
    }

    fn object(&self, data: Bytes, upload: Option<String>) -> Object {
        Object { data, modified_ms: self.world.clock().wall_ms(), upload }
    }
}

fn gone(upload: &UploadId) -> ConnectorError {
    ConnectorError::new(ErrorKind::Missing, format!("memory: there is no upload {}", upload.0)).retry(Retry::Reopen)
}

fn other_data(name: &str) -> ConnectorError {
    ConnectorError::new(ErrorKind::Fenced, format!("memory: {name} holds other data than what was to be written"))
        .help("write to another prefix")
}

fn invalid(message: &str) -> ConnectorError {
    ConnectorError::new(ErrorKind::Bug, format!("memory: {message}"))
}

/// The parts must be those that were uploaded, in order, and large enough but for the last.
fn join(upload: &UploadState, parts: &[PartTag]) -> Result<Bytes, ConnectorError> {
    let mut whole = BytesMut::new();
    for (index, part) in parts.iter().enumerate() {
        let data = upload.parts.get(&part.number).ok_or_else(|| invalid("a part is missing"))?;
        if part.number as usize != index + 1 {
            return Err(invalid("parts are out of order"));
        }
        if data.len() < PART_BYTES_MIN && index + 1 < parts.len() {
            return Err(invalid("a part is too small"));
        }
        whole.extend_from_slice(data);
    }
    if parts.is_empty() || parts.len() != upload.parts.len() {
        return Err(invalid("parts are left out"));
    }
    Ok(whole.freeze())
}

/// What became of an upload that is over: decided by what is there, as S3's answers are.
fn settle(state: &State, name: &str, upload: &UploadId) -> Result<Completed, ConnectorError> {
    let Some(object) = state.objects.get(name) else { return Err(gone(upload)) };
    let is_same = object.upload.as_ref() == Some(&upload.0) || state.spent.get(&upload.0) == Some(&object.data);
    if is_same { Ok(Completed::Existed) } else { Err(other_data(name)) }
}

impl FileStore for MemoryStore {
    fn begin<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<UploadId, ConnectorError>> {
        let result = self.world.call(self.process, Op::Begin, |state| {
            state.last_id += 1;
            let id = format!("upload-{}", state.last_id);
            let begun_ms = self.world.clock().wall_ms();
            state.uploads.insert(id.clone(), UploadState { key: self.name(key), begun_ms, ..UploadState::default() });
            UploadId(id)
        });
        ready(result).boxed()
    }

    fn part<'a>(&'a self, _key: &'a str, upload: &'a UploadId, number: u32, data: Bytes) -> BoxFuture<'a, Result<PartTag, ConnectorError>> {
        let result = self.world.call(self.process, Op::Part, |state| {
            let open = state.uploads.get_mut(&upload.0).ok_or_else(|| gone(upload))?;
            open.parts.insert(number, data);
            Ok(PartTag { number, etag: format!("{}/{number}", upload.0), checksum: None, content: None })
        });
        ready(result.and_then(|result| result)).boxed()
    }

    fn complete<'a>(
        &'a self,
        key: &'a str,
        upload: &'a UploadId,
        parts: &'a [PartTag],
        if_exists: IfExists,
    ) -> BoxFuture<'a, Result<Completed, ConnectorError>> {
        let result = self.world.call(self.process, Op::Complete, |state| {
            let name = self.name(key);
            let Some(open) = state.uploads.remove(&upload.0) else { return settle(state, &name, upload) };
            if open.key != name {
                return Err(invalid("an upload is completed under another key"));
            }
            let whole = join(&open, parts)?;
            state.spent.insert(upload.0.clone(), whole.clone());
            if if_exists == IfExists::Keep && state.objects.contains_key(&name) {
                return settle(state, &name, upload);
            }
            state.objects.insert(name, self.object(whole, Some(upload.0.clone())));
            Ok(Completed::Created)
        });
        ready(result.and_then(|result| result)).boxed()
    }

    fn abort<'a>(&'a self, _key: &'a str, upload: &'a UploadId) -> BoxFuture<'a, Result<(), ConnectorError>> {
        let result = self.world.call(self.process, Op::Abort, |state| {
            if let Some(open) = state.uploads.remove(&upload.0) {
                state.spent.insert(upload.0.clone(), open.joined());
            }
        });
        ready(result).boxed()
    }

    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, ConnectorError>> {
        let name = self.name(key);
        ready(self.world.call(self.process, Op::Get, |state| state.objects.get(&name).map(|object| object.data.clone()))).boxed()
    }

    fn put<'a>(&'a self, key: &'a str, data: Bytes) -> BoxFuture<'a, Result<(), ConnectorError>> {
        let (name, object) = (self.name(key), self.object(data, None));
        ready(self.world.call(self.process, Op::Put, |state| drop(state.objects.insert(name, object)))).boxed()
    }

    fn create<'a>(&'a self, key: &'a str, data: Bytes) -> BoxFuture<'a, Result<Created, ConnectorError>> {
        let (name, object) = (self.name(key), self.object(data, None));
        let result = self.world.call(self.process, Op::Create, |state| {
            if state.objects.contains_key(&name) && !state.ignores_create_only {
                return Created::Exists;
            }
            state.objects.insert(name, object);
            Created::New
        });
        ready(result).boxed()
    }

    fn list<'a>(&'a self, prefix: &'a str, after: &'a str, limit: usize) -> BoxFuture<'a, Result<Vec<Listed>, ConnectorError>> {
        let (prefix, after) = (self.name(prefix), self.name(after));
        let result = self.world.call(self.process, Op::List, |state| {
            let from = prefix.as_str().max(&after);
            let objects = state.objects.range(from.to_owned()..).take_while(|(name, _)| name.starts_with(&prefix));
            let objects = objects.filter(|(name, _)| **name != after).take(limit);
            let listed = objects.map(|(name, object)| {
                let (key, bytes) = (name[self.bucket.len()..].to_owned(), object.data.len() as u64);
                Listed { key, bytes, modified_ms: object.modified_ms }
            });
            listed.collect()
        });
        ready(result).boxed()
    }

    fn uploads<'a>(&'a self, prefix: &'a str, limit: usize) -> BoxFuture<'a, Result<Option<Vec<UnfinishedUpload>>, ConnectorError>> {
        let prefix = self.name(prefix);
        let result = self.world.call(self.process, Op::Uploads, |state| {
            let below = state.uploads.iter().filter(|(_, upload)| upload.key.starts_with(&prefix)).take(limit);
            let listed = below.map(|(id, upload)| {
                let key = upload.key[self.bucket.len()..].to_owned();
                UnfinishedUpload { key, upload: UploadId(id.clone()), begun_ms: upload.begun_ms }
            });
            (!state.hides_uploads).then(|| listed.collect())
        });
        ready(result).boxed()
    }

    fn stat<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Stat>, ConnectorError>> {
        let name = self.name(key);
        let result = self.world.call(self.process, Op::Stat, |state| {
            let Object { data, modified_ms, upload } = state.objects.get(&name)?.clone();
            Some(Stat { bytes: data.len() as u64, modified_ms, upload, crc64: None })
        });
        ready(result).boxed()
    }

    fn remove<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Result<(), ConnectorError>> {
        let result = self.world.call(self.process, Op::Remove, |state| {
            for key in keys {
                state.objects.remove(&self.name(key));
            }
        });
        ready(result).boxed()
    }

    fn place(&self) -> String {
        format!("memory://{}", self.bucket.trim_end_matches('/'))
    }
}
