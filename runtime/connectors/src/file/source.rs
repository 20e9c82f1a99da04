//! Files as a source: every file is a partition, a record is a line, its position is the byte it starts at.
//!
//! Files are opened for each read and closed again, so any number of them can be followed, and each look notices one that was
//! truncated or replaced.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kpipe_engine::connector::{Accept, Assigned, Source, SourceEvent};
use kpipe_engine::error::{ConnectorError, ErrorKind};
use kpipe_engine::position::{Delta, PartitionId, Position};
use kpipe_engine::records::{RawBatch, Records};

use super::lines::{self, Found, Part};
use super::positions::Positions;
use super::scan::{self, Wanted};
use crate::files::disk;

/// How often new files are looked for.
const SCAN_EVERY: Duration = Duration::from_secs(1);
/// How often files are looked at while nothing happens.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Whether files are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// What is there when it starts, then the end.
    Once,
    /// What is there, and what comes.
    Tail,
}

/// The options of a source.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) dir: PathBuf,
    pub(super) mode: Mode,
    pub(super) line_bytes_max: u64,
    pub(super) wanted: Wanted,
}

/// The files of one pipeline. Only its first task reads: a second reader of a file would have nothing to wait for.
pub(super) struct FileSource {
    settings: Settings,
    /// `None`: another task reads.
    positions: Option<Positions>,
    files: Vec<Tracked>,
    /// The file that is read next, in turn.
    turn: usize,
    scanned: Option<Instant>,
    events: VecDeque<SourceEvent>,
    ended: bool,
}

/// A file that is read.
#[derive(Debug)]
struct Tracked {
    name: Arc<str>,
    routes: Arc<[usize]>,
    inode: u64,
    /// The next byte to read.
    position: u64,
    /// The size when it was last looked at; with `once` the size that it had at the start.
    end: u64,
    /// The size at which no whole line was found: nothing to do until it is another one.
    waits_at: Option<u64>,
}

impl FileSource {
    pub(super) fn new(settings: Settings, positions: Option<Positions>) -> Self {
        Self { settings, positions, files: Vec::new(), turn: 0, scanned: None, events: VecDeque::new(), ended: false }
    }

    /// Finds files that are not read yet.
    fn scan(&mut self) -> Result<(), ConnectorError> {
        let Some(positions) = &self.positions else { return Ok(()) };
        let due = match (self.scanned, self.settings.mode) {
            (None, _) => true,
            (Some(_), Mode::Once) => false,
            (Some(last), Mode::Tail) => last.elapsed() >= SCAN_EVERY,
        };
        if !due {
            return Ok(());
        }
        self.scanned = Some(Instant::now());
        let found = scan::files(&self.settings.dir, &self.settings.wanted)?;
        if self.settings.mode == Mode::Once {
            scan::all_there(&self.settings.dir, &self.settings.wanted, &found)?;
        }
        let mut assigned = Vec::new();
        for (name, routes) in found {
            if self.files.iter().any(|file| *file.name == *name) {
                continue;
            }
            let path = self.settings.dir.join(&name);
            let file = File::open(&path).map_err(|error| disk::failed("read", &path, &error))?;
            let metadata = file.metadata().map_err(|error| disk::failed("read", &path, &error))?;
            let position = positions.start(&name, &file)?;
            let (name, end): (Arc<str>, u64) = (name.into(), metadata.len());
            let id = PartitionId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
            let (start, known_end) = (Some(lines::position(position)), Some(lines::position(end)));
            assigned.push(Assigned { id, topic: Arc::clone(&name), partition: 0, start, end: known_end });
            self.files.push(Tracked { name, routes, inode: metadata.ino(), position, end, waits_at: None });
        }
        if !assigned.is_empty() {
            self.events.push_back(SourceEvent::Assigned(assigned));
        }
        Ok(())
    }

    /// The next lines of any file, in turn.
    fn read(&mut self) -> Result<Option<RawBatch>, ConnectorError> {
        for _ in 0..self.files.len() {
            let index = self.turn % self.files.len();
            self.turn = index + 1;
            if let Some(batch) = self.files[index].read(index, &self.settings)? {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }

    fn has_ended(&self) -> bool {
        self.settings.mode == Mode::Once && self.scanned.is_some() && self.files.iter().all(|file| file.position >= file.end)
    }
}

impl Source for FileSource {
    fn poll(&mut self, wait: Duration, accept: Accept) -> Result<SourceEvent, ConnectorError> {
        let started = Instant::now();
        loop {
            self.scan()?;
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            if accept == Accept::Records
                && let Some(batch) = self.read()?
            {
                return Ok(SourceEvent::Batch(batch));
            }
            if let Some(positions) = &mut self.positions {
                positions.write_if_due()?;
            }
            if !self.ended && (self.has_ended() || self.positions.is_none() && self.settings.mode == Mode::Once) {
                self.ended = true;
                return Ok(SourceEvent::End);
            }
            let left = wait.saturating_sub(started.elapsed());
            if left.is_zero() {
                return Ok(SourceEvent::Idle);
            }
            std::thread::sleep(left.min(LOOK_EVERY));
        }
    }

    fn commit(&mut self, positions: &[(PartitionId, Position)]) -> Result<(), ConnectorError> {
        let Some(saved) = &mut self.positions else { return Ok(()) };
        for (id, position) in positions {
            let file = self.files.get(id.0 as usize);
            let file = file.ok_or_else(|| ConnectorError::new(ErrorKind::Bug, format!("{id:?} is no partition of this source")))?;
            saved.commit(&file.name, file.inode, u64::try_from(position.0).unwrap_or_default())?;
        }
        Ok(())
    }

    fn settle(&mut self, _wait: Duration) -> Result<(), ConnectorError> {
        self.positions.as_mut().map_or(Ok(()), Positions::write)
    }

    fn release(&mut self, _partitions: &[PartitionId]) -> Result<(), ConnectorError> {
        self.settle(Duration::ZERO)
    }

    fn ends(&mut self) -> Vec<(PartitionId, Position)> {
        self.files.iter().zip(0..).map(|(file, id)| (PartitionId(id), lines::position(file.end))).collect()
    }
}

impl Tracked {
    fn read(&mut self, index: usize, settings: &Settings) -> Result<Option<RawBatch>, ConnectorError> {
        let path = settings.dir.join(&*self.name);
        if settings.mode == Mode::Once && self.position >= self.end {
            return Ok(None);
        }
        let failed = |error: io::Error| disk::failed("read", &path, &error);
        let file = match File::open(&path) {
            Ok(file) => file,
            // Everything that it was known to hold was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.position >= self.end => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let metadata = file.metadata().map_err(failed)?;
        let size = metadata.len();
        self.check(&path, metadata.ino(), size)?;
        if settings.mode == Mode::Tail {
            self.end = size;
        }
        if self.position >= self.end || self.waits_at == Some(self.end) {
            return Ok(None);
        }
        let take_rest = settings.mode == Mode::Once;
        let (topic, line_bytes_max) = (Arc::clone(&self.name), settings.line_bytes_max);
        let part = Part { topic, start: self.position, end: self.end, line_bytes_max, take_rest };
        match lines::read(&file, part).map_err(failed)? {
            Found::Lines(records, next) => Ok(Some(self.batch(index, records, next))),
            Found::Nothing => {
                self.waits_at = Some(self.end);
                Ok(None)
            }
            Found::TooLong(at) => {
                let message = format!("{}: the line at byte {at} is longer than {line_bytes_max} bytes", path.display());
                Err(ConnectorError::new(ErrorKind::Data, message).help("raise `line_max`, or take the line out of the file"))
            }
        }
    }

    fn batch(&mut self, index: usize, records: lines::Lines, next: u64) -> RawBatch {
        let delta = Delta::new(lines::position(self.position), lines::position(next));
        let bytes = (0..records.len()).filter_map(|row| records.value(row)).map(<[u8]>::len).sum();
        self.position = next;
        self.waits_at = None;
        let partition = PartitionId(u32::try_from(index).unwrap_or(u32::MAX));
        RawBatch { partition, delta, routes: Arc::clone(&self.routes), records: Box::new(records), bytes }
    }

    /// Refuses a file that is not the one that was begun, or that became shorter.
    fn check(&self, path: &std::path::Path, inode: u64, size: u64) -> Result<(), ConnectorError> {
        let (path, read) = (path.display(), self.position);
        let message = if inode != self.inode {
            format!("{path} was replaced: it is not the file that was read up to byte {read}")
        } else if size < self.end {
            format!("{path} was truncated: it had {} bytes, was read up to byte {read} and has {size} bytes now", self.end)
        } else {
            return Ok(());
        };
        let help = "let programs append to files and give new files new names; its entry in the positions file says where reading goes on";
        Err(ConnectorError::new(ErrorKind::LocalIo, message).help(help))
    }
}
