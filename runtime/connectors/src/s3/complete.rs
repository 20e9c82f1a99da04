//! Completing an upload, and finding out what became of it when the answer does not say.
//!
//! | answer | object under the key | outcome |
//! |---|---|---|
//! | 200 | | created |
//! | 412, or 404 for the upload | with the mark of this upload | created: an earlier answer was lost |
//! | 412, or 404 for the upload | another's or without a mark, with the same bytes | existed; the upload is given up |
//! | 412, or 404 for the upload | another's or without a mark, with other bytes | an error for good |
//! | 404 for the upload | none | an error: the file must be written again |
//! | 400: its parts are not there | as with 404 for the upload | MinIO, asked again while it still works on a completion whose caller died |
//! | 409, or 412 | none | asked again for a while, then as above: two completions met and nobody won |
//! | none, or 5xx | | an error that is tried again; the next answer is one of the above |
//!
//! A store that does not know conditional completion says so with 501: from then on the key is looked at first, which leaves a moment
//! in which two writers of one key can both win.

use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use crc_fast::{CrcAlgorithm, Digest, checksum_combine};
use kpipe_engine::connector::{Completed, IfExists, PartContent, PartTag};
use kpipe_engine::error::{ConnectorError, ErrorKind, Retry};

use super::error::Answer;
use super::objects::Found;
use super::store::{Bucket, Upload};
use crate::files::other_data;

/// How often a completion is repeated that met another one.
const ATTEMPTS: u32 = 3;
/// The pause before the second attempt; it grows with each.
const PAUSE: Duration = Duration::from_millis(200);

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
            if if_exists == IfExists::Keep && !conditional && self.found(key).await?.is_some() {
                return self.settle(key, upload, parts, if_exists).await;
            }
            let answer = match self.ask(key, upload, parts, conditional).await {
                Ok(()) => return Ok(Completed::Created),
                Err((Answer::NotImplemented, _)) if conditional => {
                    self.lose_conditional();
                    continue;
                }
                Err((answer @ (Answer::NoUpload | Answer::NoParts | Answer::Exists | Answer::Conflict), _)) => answer,
                Err((_, error)) => return Err(error),
            };
            match self.settle(key, upload, parts, if_exists).await {
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
    async fn settle(&self, key: &str, upload: Upload<'_>, parts: &[PartTag], if_exists: IfExists) -> Result<Completed, ConnectorError> {
        match (self.found(key).await?, if_exists) {
            (Some(Found { mark: Some(mark), .. }), _) if mark == upload.mark => Ok(Completed::Created),
            (Some(found), IfExists::Keep) => {
                if !self.same_bytes(key, &found, parts).await? {
                    return Err(other_data(&format!("s3://{}/{key}", self.name)));
                }
                // The object that counts is there; parts that stay behind cost space until the bucket's lifecycle rule removes them.
                if let Err(error) = self.give_up(key, upload).await {
                    tracing::warn!(%error, "an upload that was not needed is still there");
                }
                Ok(Completed::Existed)
            }
            (Some(_), IfExists::Replace) | (None, _) => {
                let message = format!("s3 at {}: the upload to s3://{}/{key} is gone and left no object", self.store.place, self.name);
                Err(ConnectorError::new(ErrorKind::Missing, message).retry(Retry::Reopen))
            }
        }
    }

    /// Whether the object holds what this upload would make. Where the store keeps no checksum of the whole object, it is read.
    async fn same_bytes(&self, key: &str, found: &Found, parts: &[PartTag]) -> Result<bool, ConnectorError> {
        let contents: Option<Vec<PartContent>> = parts.iter().map(|part| part.content).collect();
        let contents = contents.ok_or_else(|| ConnectorError::new(ErrorKind::Bug, format!("{key}: a part of unknown content")))?;
        let ours = contents.into_iter().fold(PartContent { bytes: 0, crc64: 0 }, |whole, part| PartContent {
            bytes: whole.bytes + part.bytes,
            crc64: checksum_combine(CrcAlgorithm::Crc64Nvme, whole.crc64, part.crc64, part.bytes),
        });
        if found.bytes.is_some_and(|bytes| bytes != ours.bytes) {
            return Ok(false);
        }
        match &found.crc64 {
            Some(crc64) => Ok(*crc64 == ours.crc64),
            None => Ok(self.read_back(key).await? == ours),
        }
    }

    async fn read_back(&self, key: &str) -> Result<PartContent, ConnectorError> {
        let answer = self.client().get_object().bucket(&self.name).key(key).send().await;
        let mut body = answer.map_err(|error| self.failed("read", key, &error).1)?.body;
        let (mut digest, mut bytes) = (Digest::new(CrcAlgorithm::Crc64Nvme), 0);
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|error| self.cut_off(key, &error))?;
            digest.update(&piece);
            bytes += piece.len() as u64;
        }
        Ok(PartContent { bytes, crc64: digest.finalize() })
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

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Eight bytes in base64, as S3 spells a CRC64NVME.
pub(super) fn base64(crc64: u64) -> String {
    // Eleven letters of six bits: two bits more than there are.
    let bits = u128::from(crc64) << 2;
    let letters = (0..11).rev().map(|place| char::from(LETTERS[((bits >> (6 * place)) & 63) as usize]));
    letters.chain(['=']).collect()
}

/// The other way.
pub(super) fn from_base64(text: &str) -> Option<u64> {
    let letters = text.strip_suffix('=').filter(|letters| letters.len() == 11)?;
    let value = |letter: u8| LETTERS.iter().position(|known| *known == letter);
    let bits = letters.bytes().try_fold(0_u128, |bits, letter| Some(bits << 6 | value(letter)? as u128))?;
    u64::try_from(bits >> 2).ok().filter(|_| bits & 3 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_of_parts_give_that_of_the_whole() {
        let crc = |bytes: &[u8]| crc_fast::checksum(CrcAlgorithm::Crc64Nvme, bytes);
        assert_eq!(base64(crc(b"123456789")), "rosUhgp5mIg=", "the published check value");
        assert_eq!(base64(0), "AAAAAAAAAAA=");
        for crc64 in [0, 1, u64::MAX, crc(b"123456789"), 0x0123_4567_89ab_cdef] {
            assert_eq!(from_base64(&base64(crc64)), Some(crc64));
        }
        assert_eq!(["", "=", "AAAAAAAAAAB=", "AAAAAAAAAA=", "AAAAAAAAAA*=", "AAAAAAAAAAA"].map(from_base64), [None; 6]);
        let joined = [b"1234".as_slice(), b"", b"56789"]
            .into_iter()
            .fold(0, |whole, part| checksum_combine(CrcAlgorithm::Crc64Nvme, whole, crc(part), part.len() as u64));
        assert_eq!(joined, crc(b"123456789"));
    }
}
