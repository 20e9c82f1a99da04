//! A store of files.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

use super::fault::Op;
use super::world::{UploadState, World};
use crate::connector::{Completed, FileStore, IfExists, PART_BYTES_MIN, PartTag, UploadId};
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
}

fn gone(upload: &UploadId) -> ConnectorError {
    ConnectorError::new(ErrorKind::Missing, format!("memory: there is no upload {}", upload.0)).retry(Retry::Reopen)
}

fn other_data(name: &str) -> ConnectorError {
    ConnectorError::new(ErrorKind::Fenced, format!("memory: {name} holds other data than what was to be written"))
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

impl FileStore for MemoryStore {
    fn begin<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<UploadId, ConnectorError>> {
        let result = self.world.call(self.process, Op::Begin, |state| {
            state.last_id += 1;
            let id = format!("upload-{}", state.last_id);
            state.uploads.insert(id.clone(), UploadState { key: self.name(key), ..UploadState::default() });
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
            let exists = state.objects.contains_key(&name);
            let Some(open) = state.uploads.remove(&upload.0) else {
                return if exists { Ok(Completed::Existed) } else { Err(gone(upload)) };
            };
            if open.key != name {
                return Err(invalid("an upload is completed under another key"));
            }
            let whole = join(&open, parts)?;
            if exists && if_exists == IfExists::Keep {
                let is_same = state.objects[&name] == whole;
                return if is_same { Ok(Completed::Existed) } else { Err(other_data(&name)) };
            }
            state.objects.insert(name, whole);
            Ok(Completed::Created)
        });
        ready(result.and_then(|result| result)).boxed()
    }

    fn abort<'a>(&'a self, _key: &'a str, upload: &'a UploadId) -> BoxFuture<'a, Result<(), ConnectorError>> {
        let result = self.world.call(self.process, Op::Abort, |state| {
            state.uploads.remove(&upload.0);
        });
        ready(result).boxed()
    }

    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, ConnectorError>> {
        ready(Ok(self.world.state().objects.get(&self.name(key)).cloned())).boxed()
    }

    fn put<'a>(&'a self, key: &'a str, data: Bytes) -> BoxFuture<'a, Result<(), ConnectorError>> {
        self.world.put_object(&self.name(key), data);
        ready(Ok(())).boxed()
    }

    fn list<'a>(&'a self, prefix: &'a str, limit: usize) -> BoxFuture<'a, Result<Vec<(String, u64)>, ConnectorError>> {
        let state = self.world.state();
        let prefix = self.name(prefix);
        let objects = state.objects.range(prefix.clone()..).take_while(|(name, _)| name.starts_with(&prefix)).take(limit);
        let listed = objects.map(|(name, data)| (name[self.bucket.len()..].to_owned(), data.len() as u64));
        ready(Ok(listed.collect())).boxed()
    }

    fn place(&self) -> String {
        format!("memory://{}", self.bucket.trim_end_matches('/'))
    }
}
