//! One object of the ledger: what it says and how it is written.
//!
//! ```text
//! { "v": 1, "n": 7, "kind": "commit", "owner": "9f3c…", "nonce": "51d0…", "start": 100, "end": 250, "completed_through": 6,
//!   "reason": "bytes", "plan": "6b1f…", "files": [ { "bucket": "lake", "key": "…", "upload": "…", "parts": […], "first": 100, … } ] }
//! ```

use crc_fast::{CrcAlgorithm, checksum_combine};
use kpipe_compiler::plan::wire::fingerprint;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::connector::{PartTag, UploadId};
use crate::position::Position;

/// The version that is written, and the newest that is understood.
const VERSION: u32 = 1;
/// Digits of the sum.
const SUM_DIGITS: usize = 16;

/// The number of a record in the ledger of a partition: 1, 2, 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecordNumber(pub u64);

impl RecordNumber {
    /// What a record says that nothing is complete before it.
    pub const NONE: Self = Self(0);

    /// The one after it.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl std::fmt::Display for RecordNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What a record is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A worker took the partition over: from here on no older one can commit.
    Fence,
    /// A set of files counts.
    Commit,
    /// Somebody moved the position by hand.
    Reset,
    /// Prepared files of the newest set went before they were visible: its positions are read again.
    Undo,
}

impl Kind {
    /// The word for people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Fence => "fence",
            Self::Commit => "commit",
            Self::Reset => "reset",
            Self::Undo => "undo",
        }
    }
}

/// The reason of a reset, and of the fences behind it.
pub const RESET: &str = "reset";

/// A record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The version of its form.
    pub v: u32,
    /// Its number.
    pub n: RecordNumber,
    /// What it is for.
    pub kind: Kind,
    /// Who wrote it: a worker, anew with each assignment.
    pub owner: String,
    /// Tells this record from another of the same number, also of the same owner.
    pub nonce: String,
    /// Where the record before it ended.
    pub start: Position,
    /// Everything below counts.
    pub end: Position,
    /// Every file of the records up to this one is visible.
    pub completed_through: RecordNumber,
    /// Why the set was closed, or the record written.
    pub reason: String,
    /// What the plan makes of records, as a hash: plans that differ only in when sets end have the same.
    pub plan: String,
    /// Where a bookmark of the source says which record counts: the nonce of the one before, empty in the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// The set that was taken back. Stands in every record until it counts again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone: Option<Undone>,
    /// The first digits of the SHA-256 of all the rest: whoever edits a record by hand is found out.
    pub sum: String,
    /// The files that count from here on. Their uploads are prepared; whoever reads this completes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileEntry>,
}

/// A set some of whose prepared files went before they were visible. It is read again up to the same position: then its files get the names
/// that they had, and those that are visible are not written again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undone {
    /// The record that committed it.
    pub n: RecordNumber,
    /// Where it ended, and has to end again.
    pub end: Position,
}

/// A file of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// The bucket; for a directory the empty text.
    pub bucket: String,
    /// The object's whole key.
    pub key: String,
    /// The prepared upload.
    pub upload: UploadId,
    /// Its parts.
    pub parts: Vec<PartTag>,
    /// Position of its first record.
    pub first: Position,
    /// Position of its last record.
    pub last: Position,
    /// Records in it.
    pub records: u64,
    /// Its length.
    pub bytes: u64,
}

/// An object of the ledger that is no record.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RecordError {
    /// It does not read.
    #[error("it is no ledger record: {0}")]
    Unreadable(String),
    /// A newer kpipe wrote it.
    #[error("a newer kpipe wrote it (version {0}, this one reads up to {VERSION})")]
    Newer(u32),
    /// Its sum does not fit.
    #[error("its sum does not fit what it says: somebody edited it")]
    Edited,
    /// It says another number than its name.
    #[error("it says that it is record {0}")]
    OtherNumber(RecordNumber),
    /// It goes backwards.
    #[error("it ends at {end}, before it starts, at {start}")]
    Backwards {
        /// Its start.
        start: Position,
        /// Its end.
        end: Position,
    },
}

impl FileEntry {
    /// The CRC64NVME of the whole file, if that of every part is known.
    #[must_use]
    pub fn crc64(&self) -> Option<u64> {
        let mut parts = self.parts.iter().map(|part| part.content);
        let first = parts.next()??;
        let joined = parts.try_fold(first.crc64, |whole, part| {
            part.map(|part| checksum_combine(CrcAlgorithm::Crc64Nvme, whole, part.crc64, part.bytes))
        })?;
        Some(joined)
    }
}

impl Record {
    /// The record after `head`: `None` begins a ledger at `end`.
    #[must_use]
    pub fn after(head: Option<&Self>, kind: Kind, end: Position, marks: Marks) -> Self {
        let Marks { owner, nonce, plan, reason, completed_through, is_named } = marks;
        let previous = is_named.then(|| head.map(|head| head.nonce.as_str().to_owned()).unwrap_or_default());
        let (n, start) = head.map_or((RecordNumber(1), end), |head| (head.n.next(), head.end));
        let undone = match kind {
            Kind::Fence => head.and_then(|head| head.undone),
            Kind::Commit | Kind::Reset | Kind::Undo => None,
        };
        Self {
            v: VERSION,
            n,
            kind,
            owner,
            nonce,
            start,
            end,
            completed_through,
            reason,
            plan,
            previous,
            undone,
            sum: String::new(),
            files: Vec::new(),
        }
    }

    /// The record that takes back this one, whose set is the newest: what it covers is read again.
    #[must_use]
    pub fn undo(&self, head: &Self, marks: Marks) -> Self {
        let undone = Some(Undone { n: self.n, end: self.end });
        Self { undone, ..Self::after(Some(head), Kind::Undo, self.start, marks) }
    }

    /// Whoever had the partition before can write nothing any more.
    #[must_use]
    pub fn is_takeover(&self) -> bool {
        match self.kind {
            Kind::Fence | Kind::Undo => true,
            Kind::Commit | Kind::Reset => false,
        }
    }

    /// Nothing was committed since the position was moved back, or by hand.
    #[must_use]
    pub fn is_reset(&self) -> bool {
        match self.kind {
            Kind::Reset | Kind::Undo => true,
            Kind::Fence => self.reason == RESET || self.undone.is_some(),
            Kind::Commit => false,
        }
    }

    /// Its bytes: JSON on one line, for people's tools, with its sum.
    ///
    /// # Errors
    /// None that a record can cause.
    pub fn to_bytes(&self) -> Result<Vec<u8>, RecordError> {
        let mut sealed = Self { sum: String::new(), ..self.clone() };
        sealed.sum = sealed.own_sum()?;
        serde_json::to_vec(&sealed).map_err(|error| RecordError::Unreadable(error.to_string()))
    }

    /// Of a record without one.
    fn own_sum(&self) -> Result<String, RecordError> {
        let bytes = serde_json::to_vec(self).map_err(|error| RecordError::Unreadable(error.to_string()))?;
        let mut sum = fingerprint(&bytes);
        sum.truncate(SUM_DIGITS);
        Ok(sum)
    }

    /// Reads the object of record `n`.
    ///
    /// # Errors
    /// It is no record, of a newer version, or of another number.
    pub fn from_bytes(n: RecordNumber, bytes: &[u8]) -> Result<Self, RecordError> {
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        let unreadable = |error: serde_json::Error| RecordError::Unreadable(error.to_string());
        let Version { v } = serde_json::from_slice(bytes).map_err(unreadable)?;
        if v > VERSION {
            return Err(RecordError::Newer(v));
        }
        let mut record: Self = serde_json::from_slice(bytes).map_err(unreadable)?;
        if record.n != n {
            return Err(RecordError::OtherNumber(record.n));
        }
        if std::mem::take(&mut record.sum) != record.own_sum()? {
            return Err(RecordError::Edited);
        }
        if record.end < record.start && !matches!(record.kind, Kind::Reset | Kind::Undo) {
            return Err(RecordError::Backwards { start: record.start, end: record.end });
        }
        Ok(record)
    }
}

/// What a writer puts into each of its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marks {
    /// The worker.
    pub owner: String,
    /// New for each record.
    pub nonce: String,
    /// What the plan makes of records, as a hash.
    pub plan: String,
    /// Why.
    pub reason: String,
    /// Everything up to there is visible.
    pub completed_through: RecordNumber,
    /// A bookmark of the source says which record counts.
    pub is_named: bool,
}

#[cfg(test)]
mod tests {
    use super::super::testing::{commit, entry, fence};
    use super::*;

    #[test]
    fn a_record_reads_back() {
        let mut record = commit(7, 100, 250);
        record.files.push(entry("a/b.parquet", 100, 249));
        let bytes = record.to_bytes().unwrap();
        assert_eq!(Record::from_bytes(RecordNumber(7), &bytes), Ok(record));
        assert!(!bytes.contains(&b'\n'));
    }

    #[test]
    fn what_is_no_record_is_said() {
        let said = |n: u64, text: &str| Record::from_bytes(RecordNumber(n), text.as_bytes()).unwrap_err().to_string();
        assert!(said(1, "{").starts_with("it is no ledger record: "), "{}", said(1, "{"));
        assert!(said(1, "{\"v\":1}").starts_with("it is no ledger record: missing field"));
        assert_eq!(said(1, "{\"v\":2,\"shape\":\"new\"}"), "a newer kpipe wrote it (version 2, this one reads up to 1)");
        let seven = String::from_utf8(fence(7, 5).to_bytes().unwrap()).unwrap();
        assert_eq!(said(8, &seven), "it says that it is record 7");
        let backwards = String::from_utf8(commit(3, 10, 4).to_bytes().unwrap()).unwrap();
        assert_eq!(said(3, &backwards), "it ends at 4, before it starts, at 10");
        assert_eq!(said(7, &seven.replace("\"end\":5", "\"end\":6")), "its sum does not fit what it says: somebody edited it");
    }

    #[test]
    fn the_next_record_begins_where_the_last_one_ended() {
        let marks = |completed| Marks {
            owner: "w".into(),
            nonce: "x".into(),
            plan: "p".into(),
            reason: "assigned".into(),
            completed_through: RecordNumber(completed),
            is_named: false,
        };
        let first = Record::after(None, Kind::Fence, Position(40), marks(0));
        assert_eq!((first.n, first.start, first.end), (RecordNumber(1), Position(40), Position(40)));
        let second = Record::after(Some(&first), Kind::Commit, Position(90), marks(1));
        assert_eq!((second.n, second.start, second.end), (RecordNumber(2), Position(40), Position(90)));
    }
}
