//! Whole objects: written once or replaced, listed, looked at, removed; and the uploads that are under way.

use std::sync::atomic::Ordering;

use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{ChecksumMode, ChecksumType, Delete, MultipartUpload, ObjectIdentifier};
use bytes::Bytes;
use kpipe_engine::connector::{Created, Listed, Stat, UnfinishedUpload, UploadId};
use kpipe_engine::error::{ConnectorError, ErrorKind};

use super::complete::from_base64;
use super::error::Answer;
use super::store::{Bucket, UPLOAD_MARK, Upload, without_checksums};
use crate::files::disk;

/// Most objects of an answer, and of a call that removes some.
const PAGE: usize = 1000;

/// The object under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The mark of the upload that made it.
    pub(super) mark: Option<String>,
    pub(super) bytes: Option<u64>,
    pub(super) modified_ms: Option<i64>,
    /// The CRC64NVME of all its bytes.
    pub(super) crc64: Option<u64>,
}

impl Bucket {
    /// Writes an object whole; with a condition only if it holds.
    pub(super) async fn write(
        &self,
        key: &str,
        data: Bytes,
        if_none_match: Option<&str>,
        checksums: bool,
    ) -> Result<(), (Answer, ConnectorError)> {
        let call = self.client().put_object().bucket(&self.name).key(key).body(ByteStream::from(data));
        let mut call = call.set_if_none_match(if_none_match.map(str::to_owned)).customize();
        if !checksums {
            call = call.config_override(without_checksums());
        }
        call.send().await.map(drop).map_err(|error| self.failed("write", key, &error))
    }

    /// Writes an object if there is none. A store that refuses a checksum and takes the object without is not asked for one again.
    pub(super) async fn create_only(&self, key: &str, data: Bytes) -> Result<Created, ConnectorError> {
        let checksums = self.checksums.load(Ordering::Relaxed);
        let mut wrote = self.write(key, data.clone(), Some("*"), checksums).await;
        if checksums && matches!(wrote, Err((Answer::NotImplemented | Answer::Refused, _))) {
            let second = self.write(key, data, Some("*"), false).await;
            if matches!(second, Ok(()) | Err((Answer::Exists, _))) {
                self.lose_checksums();
                wrote = second;
            }
        }
        match wrote {
            Ok(()) => Ok(Created::New),
            Err((Answer::Exists, _)) => Ok(Created::Exists),
            Err((Answer::NotImplemented, error)) => {
                Err(error.help("the store has no conditional writes (`If-None-Match: *`): leave `commit.protocol` out, then the group's offsets say what counts"))
            }
            Err((_, error)) => Err(error),
        }
    }

    pub(super) async fn objects(&self, prefix: &str, after: &str, limit: usize) -> Result<Vec<Listed>, ConnectorError> {
        let mut found: Vec<Listed> = Vec::new();
        let mut next: Option<String> = None;
        let after = (!after.is_empty()).then(|| after.to_owned());
        while found.len() < limit {
            let call = self.client().list_objects_v2().bucket(&self.name).prefix(prefix).max_keys(page(limit - found.len()));
            let call = call.set_start_after(after.clone()).set_continuation_token(next);
            let answer = call.send().await.map_err(|error| self.failed("list", "", &error).1)?;
            for object in answer.contents() {
                let bytes = object.size().and_then(|size| u64::try_from(size).ok()).ok_or_else(|| self.unsaid("how long an object is"))?;
                let key = object.key().ok_or_else(|| self.unsaid("the key of an object"))?.to_owned();
                found.push(Listed { key, bytes, modified_ms: self.ms(object.last_modified())? });
            }
            next = answer.next_continuation_token;
            if next.is_none() {
                break;
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    /// The uploads under way. A store that lists them only by their whole key, or not at all, cannot tell; so it seems to one without the
    /// right to ask.
    pub(super) async fn unfinished(&self, prefix: &str, limit: usize) -> Result<Option<Vec<UnfinishedUpload>>, ConnectorError> {
        if self.lists_uploads.get() == Some(&false) {
            return Ok(None);
        }
        let found = match self.uploads_below(prefix, limit).await {
            Ok(found) => found,
            Err((Answer::NotImplemented | Answer::NoRight, error)) => {
                self.hides_uploads(&error.message);
                return Ok(None);
            }
            Err((_, error)) => return Err(error),
        };
        // "None" is what a store says that lists by whole keys only, too: one of our own shows which it is.
        if found.is_empty() && limit > 0 && self.lists_uploads.get().is_none() && !self.shows_uploads(prefix).await? {
            self.hides_uploads("it does not list them by prefix");
            return Ok(None);
        }
        self.lists_uploads.get_or_init(|| true);
        Ok(Some(found))
    }

    fn hides_uploads(&self, why: &str) {
        if !self.lists_uploads.get_or_init(|| false) {
            tracing::warn!(
                store = self.store.place,
                bucket = self.name,
                why,
                "the store does not show uploads under way: those of killed processes stay until a lifecycle rule of the bucket removes them"
            );
        }
    }

    /// Begins an upload below a prefix, looks for it, and gives it up.
    async fn shows_uploads(&self, prefix: &str) -> Result<bool, ConnectorError> {
        let mark = disk::unique();
        let key = format!("{prefix}.kpipe-probe-{mark}");
        let Some(id) = self.begin_any(&key, &mark).await? else { return Ok(false) };
        let found = self.uploads_below(prefix, PAGE).await;
        self.give_up(&key, Upload { mark: &mark, id: &id }).await?;
        let found = found.map_err(|(_, error)| error)?;
        // A full page was found: the store lists by prefix, whether or not this one is on it.
        Ok(found.len() >= PAGE || found.iter().any(|upload| upload.key == key))
    }

    async fn uploads_below(&self, prefix: &str, limit: usize) -> Result<Vec<UnfinishedUpload>, (Answer, ConnectorError)> {
        let mut found = Vec::new();
        let (mut key_marker, mut id_marker) = (None, None);
        while found.len() < limit {
            let call = self.client().list_multipart_uploads().bucket(&self.name).prefix(prefix).max_uploads(page(limit - found.len()));
            let call = call.set_key_marker(key_marker).set_upload_id_marker(id_marker);
            let answer = call.send().await.map_err(|error| self.failed("list uploads to", "", &error))?;
            for upload in answer.uploads() {
                found.push(self.upload(upload).map_err(|error| (Answer::Refused, error))?);
            }
            (key_marker, id_marker) = (answer.next_key_marker, answer.next_upload_id_marker);
            if answer.is_truncated != Some(true) || key_marker.is_none() {
                break;
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    fn upload(&self, upload: &MultipartUpload) -> Result<UnfinishedUpload, ConnectorError> {
        // AWS says whole seconds: the latest moment that it can have been.
        let whole_second = upload.initiated().is_some_and(|at| at.subsec_nanos() == 0);
        let begun_ms = self.ms(upload.initiated())? + if whole_second { 999 } else { 0 };
        let id = upload.upload_id().ok_or_else(|| self.unsaid("the id of an upload"))?;
        let key = upload.key().ok_or_else(|| self.unsaid("the key of an upload"))?.to_owned();
        Ok(UnfinishedUpload { key, upload: UploadId(format!("/{id}")), begun_ms })
    }

    fn ms(&self, time: Option<&DateTime>) -> Result<i64, ConnectorError> {
        time.and_then(|time| time.to_millis().ok()).ok_or_else(|| self.unsaid("when an object was written"))
    }

    /// An answer without what every store says.
    fn unsaid(&self, what: &str) -> ConnectorError {
        ConnectorError::new(ErrorKind::Invalid, format!("s3 at {}: the store does not say {what}", self.store.place))
    }

    /// What is under a key.
    pub(super) async fn found(&self, key: &str) -> Result<Option<Found>, ConnectorError> {
        let head = match self.client().head_object().bucket(&self.name).key(key).checksum_mode(ChecksumMode::Enabled).send().await {
            Ok(head) => head,
            Err(error) => {
                return match self.failed("look at", key, &error) {
                    (Answer::NoKey, _) => Ok(None),
                    (_, error) => Err(error),
                };
            }
        };
        let whole = head.checksum_type() == Some(&ChecksumType::FullObject);
        Ok(Some(Found {
            mark: head.metadata().and_then(|metadata| metadata.get(UPLOAD_MARK)).cloned(),
            bytes: head.content_length().and_then(|bytes| u64::try_from(bytes).ok()),
            modified_ms: head.last_modified().and_then(|time| time.to_millis().ok()),
            crc64: head.checksum_crc64_nvme().filter(|_| whole).and_then(from_base64),
        }))
    }

    pub(super) async fn look_at(&self, key: &str) -> Result<Option<Stat>, ConnectorError> {
        let Some(Found { mark, bytes, modified_ms, crc64 }) = self.found(key).await? else { return Ok(None) };
        let bytes = bytes.ok_or_else(|| self.unsaid("how long an object is"))?;
        let modified_ms = modified_ms.ok_or_else(|| self.unsaid("when an object was written"))?;
        Ok(Some(Stat { bytes, modified_ms, upload: mark, crc64 }))
    }

    /// Removes objects: many by one call, one by one where the store does not have that call.
    pub(super) async fn delete(&self, keys: &[String]) -> Result<(), ConnectorError> {
        for keys in keys.chunks(PAGE) {
            let together = if keys.len() > 1 { self.delete_together(keys).await } else { Err(None) };
            match together {
                Ok(()) => {}
                Err(Some(error)) => return Err(error),
                Err(None) => {
                    for key in keys {
                        self.delete_one(key).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// An error without a reason: the store does not have this call.
    async fn delete_together(&self, keys: &[String]) -> Result<(), Option<ConnectorError>> {
        let objects: Result<Vec<_>, _> = keys.iter().map(|key| ObjectIdentifier::builder().key(key).build()).collect();
        let delete = objects.and_then(|objects| Delete::builder().set_objects(Some(objects)).quiet(true).build());
        let delete = delete.map_err(|error| Some(ConnectorError::new(ErrorKind::Bug, format!("objects cannot be named: {error}"))))?;
        let answer = match self.client().delete_objects().bucket(&self.name).delete(delete).send().await {
            Ok(answer) => answer,
            Err(error) => {
                return match self.failed("remove objects of", "", &error) {
                    (Answer::NotImplemented | Answer::Refused | Answer::NoKey, _) => Err(None),
                    (_, error) => Err(Some(error)),
                };
            }
        };
        // Each of these is asked for by itself, which says what is wrong in the usual words.
        let refused = answer.errors().iter().any(|refused| refused.code() != Some("NoSuchKey"));
        if refused { Err(None) } else { Ok(()) }
    }

    async fn delete_one(&self, key: &str) -> Result<(), ConnectorError> {
        let removed = self.client().delete_object().bucket(&self.name).key(key).send().await;
        match removed.map_err(|error| self.failed("remove", key, &error)) {
            Ok(_) | Err((Answer::NoKey, _)) => Ok(()),
            Err((_, error)) => Err(error),
        }
    }
}

/// How many to ask for when so many are wanted.
fn page(wanted: usize) -> i32 {
    i32::try_from(wanted.min(PAGE)).unwrap_or(i32::MAX)
}
