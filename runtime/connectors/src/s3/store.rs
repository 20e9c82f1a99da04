//! A bucket: uploads in parts, and small objects.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::RequestChecksumCalculation;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType};
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum};
use futures_util::future::BoxFuture;
use kpipe_engine::connector::{Completed, Created, FileStore, IfExists, Listed, PartContent, PartTag, Stat, UnfinishedUpload, UploadId};
use kpipe_engine::error::{ConnectorError, ErrorKind};

use super::client::Store;
use super::complete::base64;
use super::error::{Answer, Call};
use crate::files::{disk, keys};

/// The largest object that [`FileStore::get`] reads whole.
const SMALL_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The most parts of an upload that S3 takes.
const PARTS_MAX: u32 = 10_000;

/// Metadata of an object that says which upload made it.
pub(super) const UPLOAD_MARK: &str = "kpipe-upload";

/// One bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) store: Store,
    pub(super) name: String,
    /// False once the store said that it does not have `If-None-Match` on completion.
    pub(super) conditional: AtomicBool,
    /// False once the store refused an upload with checksums and took it without.
    pub(super) checksums: AtomicBool,
    /// Whether the store lists uploads by prefix; not known before it was asked.
    pub(super) lists_uploads: OnceLock<bool>,
}

/// An upload as [`UploadId`] spells it: the mark in the object's metadata, then the store's own id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Upload<'a> {
    pub(super) mark: &'a str,
    pub(super) id: &'a str,
}

impl<'a> Upload<'a> {
    pub(super) fn parse(id: &'a UploadId) -> Result<Self, ConnectorError> {
        let (mark, id) = id.0.split_once('/').ok_or_else(|| ConnectorError::new(ErrorKind::Bug, format!("{id:?} is no upload to S3")))?;
        Ok(Self { mark, id })
    }
}

impl Bucket {
    pub(super) fn new(store: Store, name: &str) -> Self {
        Self {
            store,
            name: name.to_owned(),
            conditional: AtomicBool::new(true),
            checksums: AtomicBool::new(true),
            lists_uploads: OnceLock::new(),
        }
    }

    pub(super) fn client(&self) -> &Client {
        &self.store.client
    }

    /// Sorts a failed call and puts it into words.
    pub(super) fn failed<E>(&self, what: &str, key: &str, error: &SdkError<E>) -> (Answer, ConnectorError)
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        Call { place: &self.store.place, bucket: &self.name, what, key, login: self.store.login.as_deref() }.failed(error)
    }

    /// The bytes of an object ended too early.
    pub(super) fn cut_off(&self, key: &str, error: &dyn std::error::Error) -> ConnectorError {
        ConnectorError::new(ErrorKind::Unreachable, format!("s3 at {}: {key} was cut off: {error}", self.store.place))
    }

    async fn begin_with(&self, key: &str, mark: &str, checksums: bool) -> Result<Option<String>, (Answer, ConnectorError)> {
        let mut call = self.client().create_multipart_upload().bucket(&self.name).key(key).metadata(UPLOAD_MARK, mark);
        if checksums {
            call = call.checksum_algorithm(ChecksumAlgorithm::Crc64Nvme).checksum_type(ChecksumType::FullObject);
        }
        call.send().await.map(|made| made.upload_id).map_err(|error| self.failed("write", key, &error))
    }

    /// Begins with checksums; a store that refuses them and takes the upload without is not asked for them again.
    pub(super) async fn begin_any(&self, key: &str, mark: &str) -> Result<Option<String>, ConnectorError> {
        let checksums = self.checksums.load(Ordering::Relaxed);
        let refused = match self.begin_with(key, mark, checksums).await {
            Ok(id) => return Ok(id),
            Err((Answer::NotImplemented | Answer::Refused, error)) if checksums => error,
            Err((_, error)) => return Err(error),
        };
        let id = self.begin_with(key, mark, false).await.map_err(|_| refused)?;
        self.lose_checksums();
        Ok(id)
    }

    pub(super) fn lose_checksums(&self) {
        if self.checksums.swap(false, Ordering::Relaxed) {
            tracing::warn!(store = self.store.place, bucket = self.name, "the store takes no CRC64NVME checksums: parts are sent without");
        }
    }

    /// Sends a part. Its bytes are not hashed for the signature: a CRC guards them, and TLS where the endpoint has it.
    async fn send(&self, key: &str, upload: Upload<'_>, number: u32, data: Bytes) -> Result<PartTag, ConnectorError> {
        if !(1..=PARTS_MAX).contains(&number) {
            let message = format!("s3://{}/{key} would have more than {PARTS_MAX} parts", self.name);
            return Err(ConnectorError::new(ErrorKind::Invalid, message).help("lower `flush.bytes`"));
        }
        let content = PartContent { bytes: data.len() as u64, crc64: checksum(CrcAlgorithm::Crc64Nvme, &data) };
        let mut call = self
            .client()
            .upload_part()
            .bucket(&self.name)
            .key(key)
            .upload_id(upload.id)
            .part_number(number.cast_signed())
            .body(ByteStream::from(data));
        let checksums = self.checksums.load(Ordering::Relaxed);
        if checksums {
            // Given, so that the SDK neither computes it again nor sends the part in chunks for the sake of a trailer.
            call = call.checksum_crc64_nvme(base64(content.crc64));
        }
        let mut call = call.customize().disable_payload_signing();
        if !checksums {
            call = call.config_override(without_checksums());
        }
        let sent = call.send().await.map_err(|error| self.failed("write", key, &error).1)?;
        let etag = sent.e_tag.ok_or_else(|| {
            ConnectorError::new(ErrorKind::Invalid, format!("s3 at {}: a part was taken without an ETag", self.store.place))
        })?;
        Ok(PartTag { number, etag, checksum: sent.checksum_crc64_nvme, content: Some(content) })
    }

    /// Gives an upload up; one that is gone is no error.
    pub(super) async fn give_up(&self, key: &str, upload: Upload<'_>) -> Result<(), ConnectorError> {
        let aborted = self.client().abort_multipart_upload().bucket(&self.name).key(key).upload_id(upload.id).send().await;
        match aborted.map_err(|error| self.failed("give up an upload to", key, &error)) {
            Ok(_) | Err((Answer::NoUpload | Answer::NoKey, _)) => Ok(()),
            Err((_, error)) => Err(error),
        }
    }

    async fn read(&self, key: &str) -> Result<Option<Bytes>, ConnectorError> {
        let found = match self.client().get_object().bucket(&self.name).key(key).send().await {
            Ok(found) => found,
            Err(error) => {
                return match self.failed("read", key, &error) {
                    (Answer::NoKey, _) => Ok(None),
                    (_, error) => Err(error),
                };
            }
        };
        let mut body = found.body;
        let mut bytes = Vec::new();
        while let Some(piece) = body.next().await {
            bytes.extend_from_slice(&piece.map_err(|error| self.cut_off(key, &error))?);
            if bytes.len() > SMALL_BYTES_MAX {
                return Err(ConnectorError::new(ErrorKind::Invalid, format!("s3://{}/{key} is larger than 16 MiB", self.name)));
            }
        }
        Ok(Some(Bytes::from(bytes)))
    }
}

/// For a store that takes none: the SDK adds its own checksum otherwise.
pub(super) fn without_checksums() -> aws_sdk_s3::config::Builder {
    aws_sdk_s3::config::Builder::new().request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
}

impl FileStore for Bucket {
    fn begin<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<UploadId, ConnectorError>> {
        Box::pin(async move {
            keys::check(key)?;
            let mark = disk::unique();
            let id = self.begin_any(key, &mark).await?.ok_or_else(|| {
                let message = format!("s3 at {}: an upload was begun without an id", self.store.place);
                ConnectorError::new(ErrorKind::Invalid, message)
            })?;
            Ok(UploadId(format!("{mark}/{id}")))
        })
    }

    fn part<'a>(&'a self, key: &'a str, upload: &'a UploadId, number: u32, data: Bytes) -> BoxFuture<'a, Result<PartTag, ConnectorError>> {
        Box::pin(async move { self.send(key, Upload::parse(upload)?, number, data).await })
    }

    fn complete<'a>(
        &'a self,
        key: &'a str,
        upload: &'a UploadId,
        parts: &'a [PartTag],
        if_exists: IfExists,
    ) -> BoxFuture<'a, Result<Completed, ConnectorError>> {
        Box::pin(async move { self.finish(key, Upload::parse(upload)?, parts, if_exists).await })
    }

    fn abort<'a>(&'a self, key: &'a str, upload: &'a UploadId) -> BoxFuture<'a, Result<(), ConnectorError>> {
        Box::pin(async move { self.give_up(key, Upload::parse(upload)?).await })
    }

    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, ConnectorError>> {
        Box::pin(async move {
            keys::check(key)?;
            self.read(key).await
        })
    }

    fn put<'a>(&'a self, key: &'a str, data: Bytes) -> BoxFuture<'a, Result<(), ConnectorError>> {
        Box::pin(async move {
            keys::check(key)?;
            let sent = self.write(key, data, None, self.checksums.load(Ordering::Relaxed)).await;
            sent.map_err(|(_, error)| error)
        })
    }

    fn create<'a>(&'a self, key: &'a str, data: Bytes) -> BoxFuture<'a, Result<Created, ConnectorError>> {
        Box::pin(async move {
            keys::check(key)?;
            self.create_only(key, data).await
        })
    }

    fn list<'a>(&'a self, prefix: &'a str, after: &'a str, limit: usize) -> BoxFuture<'a, Result<Vec<Listed>, ConnectorError>> {
        Box::pin(self.objects(prefix, after, limit))
    }

    fn uploads<'a>(&'a self, prefix: &'a str, limit: usize) -> BoxFuture<'a, Result<Option<Vec<UnfinishedUpload>>, ConnectorError>> {
        Box::pin(self.unfinished(prefix, limit))
    }

    fn stat<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Stat>, ConnectorError>> {
        Box::pin(async move {
            keys::check(key)?;
            self.look_at(key).await
        })
    }

    fn remove<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Result<(), ConnectorError>> {
        Box::pin(async move {
            keys.iter().try_for_each(|key| keys::check(key))?;
            self.delete(keys).await
        })
    }

    fn place(&self) -> String {
        format!("s3://{}", self.name)
    }
}
