//! Completing an upload, and finding out what became of it when the answer does not say.
//!
//! | answer | object under the key | outcome |
//! |---|---|---|
//! | 200 | | created |
//! | 412, or 404 for the upload | with the mark of this upload | created: an earlier answer was lost |
//! | 412, or 404 for the upload | with another mark or none | existed; the upload is given up |
//! | 404 for the upload | none | an error: the file must be written again |
//! | 409, or 412 | none | asked again for a while, then as above: two completions met and nobody won |
//! | none, or 5xx | | an error that is tried again; the next answer is one of the above |
//!
//! A store that does not know conditional completion says so with 501: from then on the key is looked at first, which leaves a moment
//! in which two writers of one key can both win.

use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use kpipe_engine::connector::{Completed, IfExists, PartTag};
use kpipe_engine::error::{ConnectorError, ErrorKind, Retry};

use super::error::Answer;
use super::store::{Bucket, UPLOAD_MARK, Upload};

/// How often a completion is repeated that met another one.
const ATTEMPTS: u32 = 3;
/// The pause before the second attempt; it grows with each.
const PAUSE: Duration = Duration::from_millis(200);

/// Who made the object under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Maker {
    Nobody,
    ThisUpload,
    Another,
}

impl Bucket {
    /// See the table above.
    pub(super) async fn finish(
        &self,
        key: &str,
        upload: Upload<'_>,
        parts: &[PartTag],
        if_exists: IfExists,
    ) -> Result<Completed, ConnectorError> {
        let mut attempt = 1;
        loop {
            let conditional = if_exists == IfExists::Keep && self.conditional.load(Ordering::Relaxed);
            if if_exists == IfExists::Keep && !conditional && self.maker(key, upload).await? != Maker::Nobody {
                return self.settle(key, upload, if_exists).await;
            }
            let answer = match self.ask(key, upload, parts, conditional).await {
                Ok(()) => return Ok(Completed::Created),
                Err((Answer::NotImplemented, _)) if conditional => {
                    self.lose_conditional();
                    continue;
                }
                Err((answer @ (Answer::NoUpload | Answer::Exists | Answer::Conflict), _)) => answer,
                Err((_, error)) => return Err(error),
            };
            match self.settle(key, upload, if_exists).await {
                Err(error) if error.retry == Retry::Reopen && answer != Answer::NoUpload && attempt < ATTEMPTS => {
                    tokio::time::sleep(PAUSE * attempt).await;
                    attempt += 1;
                }
                settled => return settled,
            }
        }
    }

    async fn ask(&self, key: &str, upload: Upload<'_>, parts: &[PartTag], conditional: bool) -> Result<(), (Answer, ConnectorError)> {
        let parts = parts.iter().map(|part| {
            CompletedPart::builder()
                .part_number(part.number.cast_signed())
                .e_tag(&part.etag)
                .set_checksum_crc64_nvme(part.checksum.clone())
                .build()
        });
        let whole = CompletedMultipartUpload::builder().set_parts(Some(parts.collect())).build();
        let call = self.client().complete_multipart_upload().bucket(&self.name).key(key).upload_id(upload.id).multipart_upload(whole);
        let call = if conditional { call.if_none_match("*") } else { call };
        call.send().await.map(drop).map_err(|error| self.failed("complete", key, &error))
    }

    /// Decides by what is there.
    async fn settle(&self, key: &str, upload: Upload<'_>, if_exists: IfExists) -> Result<Completed, ConnectorError> {
        match (self.maker(key, upload).await?, if_exists) {
            (Maker::ThisUpload, _) => Ok(Completed::Created),
            (Maker::Another, IfExists::Keep) => {
                // The object that counts is there; parts that stay behind cost space until the bucket's lifecycle rule removes them.
                if let Err(error) = self.give_up(key, upload).await {
                    tracing::warn!(%error, "an upload that was not needed is still there");
                }
                Ok(Completed::Existed)
            }
            (Maker::Another, IfExists::Replace) | (Maker::Nobody, _) => {
                let message = format!("s3 at {}: the upload to s3://{}/{key} is gone and left no object", self.store.place, self.name);
                Err(ConnectorError::new(ErrorKind::Missing, message).retry(Retry::Reopen))
            }
        }
    }

    async fn maker(&self, key: &str, upload: Upload<'_>) -> Result<Maker, ConnectorError> {
        match self.client().head_object().bucket(&self.name).key(key).send().await {
            Ok(found) => {
                let mark = found.metadata().and_then(|metadata| metadata.get(UPLOAD_MARK));
                Ok(if mark.is_some_and(|mark| mark == upload.mark) { Maker::ThisUpload } else { Maker::Another })
            }
            Err(error) => match self.failed("look at", key, &error) {
                (Answer::NoKey, _) => Ok(Maker::Nobody),
                (_, error) => Err(error),
            },
        }
    }

    fn lose_conditional(&self) {
        if self.conditional.swap(false, Ordering::Relaxed) {
            tracing::warn!(
                store = self.store.place,
                bucket = self.name,
                "the store has no conditional completion: a key is looked at before it is written"
            );
        }
    }
}
