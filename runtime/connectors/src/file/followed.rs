//! One file that is read: the handle, how far it was read, and whether its name still leads to it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use kpipe_engine::connector::{Assigned, NO_IDENTITY};
use kpipe_engine::error::{ConnectorError, ErrorKind};
use kpipe_engine::position::{Delta, PartitionId, Position};
use kpipe_engine::records::{RawBatch, Records};

use super::book::Generation;
use super::lines::{self, Found, Part};
use super::source::{Mode, Settings};
use crate::files::disk;

/// Bytes at the start of a file that do not change while it grows.
pub(super) const HEAD_BYTES: usize = 256;

/// A file that is read.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) name: Arc<str>,
    pub(super) routes: Arc<[usize]>,
    pub(super) generation: Generation,
    pub(super) inode: u64,
    /// Kept open, so that what is renamed or removed can be read to its end; `None` where too many are, or when it is closed.
    pub(super) held: Option<File>,
    /// The next byte to read.
    pub(super) position: u64,
    /// Everything before is safe.
    pub(super) committed: u64,
    /// The size when it was last looked at; with `once` the size that it had at the start.
    pub(super) end: u64,
    /// The size at which no whole line was found: nothing to do until it is another one.
    waits_at: Option<u64>,
    /// Its first bytes, as far as they are known.
    head: Vec<u8>,
    /// No other file was begun under its name.
    pub(super) is_current: bool,
    /// Since when its name does not lead to it and it does not grow.
    left: Option<Instant>,
    /// The sink has not said yet where it starts.
    pub(super) is_waiting: bool,
    /// Nobody will finish its last line.
    is_left: bool,
    /// Nothing more is read of it.
    pub(super) is_closed: bool,
}

/// What a read found.
pub(super) enum Step {
    /// Lines.
    Batch(RawBatch),
    /// No whole line.
    Nothing,
    /// Read to its end, and its name leads to another file.
    Rotated,
    /// Its name leads to another file, and it is not open.
    Lost,
    /// It became shorter: this is its size now.
    Truncated(u64),
    /// Read to its end, its name does not lead to it, and it did not grow for long enough.
    Closed,
}

impl Followed {
    /// A file that is read from `position` on.
    pub(super) fn new(
        (name, routes): (Arc<str>, Arc<[usize]>),
        generation: Generation,
        file: File,
        position: u64,
        is_current: bool,
    ) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            name,
            routes,
            generation,
            inode: metadata.ino(),
            held: Some(file),
            position,
            committed: position,
            end: metadata.len(),
            waits_at: None,
            head: Vec::new(),
            is_current,
            left: None,
            is_waiting: false,
            is_left: false,
            is_closed: false,
        })
    }

    /// How the task hears of it.
    pub(super) fn assigned(&self, id: PartitionId) -> Assigned {
        let (start, end) = (Some(lines::position(self.position)), Some(lines::position(self.end)));
        let committed = start.filter(|_| self.committed > 0);
        let (topic, partition) = (Arc::clone(&self.name), self.generation.number.into());
        Assigned { id, topic, partition, start, end, committed, identity: NO_IDENTITY.into(), bookmark: None }
    }

    /// The sink says where it begins.
    pub(super) fn start(&mut self, dir: &Path, position: Position) -> Result<(), ConnectorError> {
        let reached = u64::try_from(position.0).ok().filter(|position| *position <= self.end);
        let Some(reached) = reached else {
            let path = dir.join(&*self.name);
            let message = format!("{} has {} bytes, and the sink holds what was in it up to byte {position}", path.display(), self.end);
            return Err(ConnectorError::new(ErrorKind::Missing, message).help("it was truncated or replaced: put it back, or take it away"));
        };
        (self.position, self.is_waiting) = (reached, false);
        Ok(())
    }

    /// The file, if it is not open and its name still leads to it.
    pub(super) fn reopened(&self, dir: &Path) -> Option<File> {
        let file = if self.held.is_none() { File::open(dir.join(&*self.name)).ok()? } else { return None };
        file.metadata().is_ok_and(|found| found.ino() == self.inode).then_some(file)
    }

    /// Goes on in another file that holds the same bytes.
    pub(super) fn move_to(&mut self, file: File) -> io::Result<()> {
        let metadata = file.metadata()?;
        (self.inode, self.end, self.held, self.waits_at) = (metadata.ino(), metadata.len(), Some(file), None);
        self.left = None;
        Ok(())
    }

    /// Nothing more is read of it.
    pub(super) fn close(&mut self) {
        (self.held, self.is_closed, self.is_current) = (None, true, false);
    }

    /// The next lines.
    pub(super) fn read(&mut self, id: PartitionId, settings: &Settings) -> Result<Step, ConnectorError> {
        if self.is_closed || self.is_waiting || settings.mode == Mode::Once && self.position >= self.end {
            return Ok(Step::Nothing);
        }
        let path = settings.dir.join(&*self.name);
        let failed = |error: io::Error| disk::failed("read", &path, &error);
        let opened;
        let file = match &self.held {
            Some(file) => file,
            None => match File::open(&path) {
                Ok(file) if file.metadata().map_err(failed)?.ino() == self.inode => {
                    opened = file;
                    &opened
                }
                Ok(_) => return Ok(Step::Lost),
                // Everything that it was known to hold was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound && self.position >= self.end => return Ok(Step::Nothing),
                Err(error) => return Err(failed(error)),
            },
        };
        let size = file.metadata().map_err(failed)?.len();
        if self.is_truncated(file, size).map_err(failed)? {
            return Ok(Step::Truncated(size));
        }
        if self.head.len() < HEAD_BYTES && (self.head.len() as u64) < size {
            self.head = head(file, size).map_err(failed)?;
        }
        if settings.mode == Mode::Tail && size > self.end {
            (self.end, self.left) = (size, None);
        }
        if self.position < self.end && self.waits_at != Some(self.end) {
            let (topic, take_rest) = (Arc::clone(&self.name), settings.mode == Mode::Once || self.is_left);
            let name = (topic, self.generation.number.into());
            let part = Part { name, start: self.position, end: self.end, line_bytes_max: settings.line_bytes_max, take_rest };
            match lines::read(file, part).map_err(failed)? {
                Found::Lines(records, next) => return Ok(Step::Batch(self.batch(id, records, next))),
                Found::Nothing => self.waits_at = Some(self.end),
                Found::TooLong(at) => return Err(too_long(&path, at, settings.line_bytes_max)),
            }
        }
        if settings.mode == Mode::Tail { self.look(&path, settings) } else { Ok(Step::Nothing) }
    }

    /// Whether it holds less than it did, or something else.
    pub(super) fn is_truncated(&self, file: &File, size: u64) -> io::Result<bool> {
        // The first bytes tell what its size does not: that it was truncated and has grown again since.
        Ok(size < self.end || !starts_with(file, &self.head)?)
    }

    /// False if a file with these first bytes is certainly no copy of it.
    pub(super) fn may_begin(&self, first: &[u8]) -> bool {
        self.head.iter().zip(first).all(|(ours, theirs)| ours == theirs)
    }

    /// Whether another file begins as this one did.
    pub(super) fn begins(&self, other: &File) -> io::Result<bool> {
        Ok(!self.head.is_empty() && starts_with(other, &self.head)?)
    }

    fn batch(&mut self, id: PartitionId, records: lines::Lines, next: u64) -> RawBatch {
        let delta = Delta::new(lines::position(self.position), lines::position(next));
        let bytes = (0..records.len()).filter_map(|row| records.value(row)).map(<[u8]>::len).sum();
        self.position = next;
        self.waits_at = None;
        RawBatch { partition: id, delta, routes: Arc::clone(&self.routes), records: Box::new(records), bytes }
    }

    /// At its end: whether its name still leads to it.
    fn look(&mut self, path: &Path, settings: &Settings) -> Result<Step, ConnectorError> {
        match fs::metadata(path) {
            Ok(found) if found.ino() == self.inode => {
                self.left = None;
                return Ok(Step::Nothing);
            }
            Ok(_) if self.is_current => return Ok(Step::Rotated),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(disk::failed("read", path, &error)),
        }
        // Programs that were not told yet go on writing into a renamed file for a while.
        if self.left.get_or_insert_with(Instant::now).elapsed() < settings.left_wait {
            return Ok(Step::Nothing);
        }
        if self.position < self.end && !self.is_left {
            (self.is_left, self.waits_at) = (true, None);
            return Ok(Step::Nothing);
        }
        Ok(Step::Closed)
    }
}

/// The first bytes of a file of this size.
pub(super) fn head(file: &File, size: u64) -> io::Result<Vec<u8>> {
    let mut head = vec![0; usize::try_from(size).unwrap_or(HEAD_BYTES).min(HEAD_BYTES)];
    match file.read_exact_at(&mut head, 0) {
        Ok(()) => Ok(head),
        // It became shorter since it was looked at: the next look says so.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn starts_with(file: &File, head: &[u8]) -> io::Result<bool> {
    let mut found = vec![0; head.len()];
    match file.read_exact_at(&mut found, 0) {
        Ok(()) => Ok(found == head),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn too_long(path: &Path, at: u64, line_bytes_max: u64) -> ConnectorError {
    let message = format!("{}: the line at byte {at} is longer than {line_bytes_max} bytes", path.display());
    ConnectorError::new(ErrorKind::Data, message).help("raise `line_max`, or take the line out of the file")
}
