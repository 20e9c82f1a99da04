//! Files as a source: every file is a partition, a record is a line, its position is the byte it starts at.
//!
//! A file that is renamed (log rotation) is read to its end, and the new one under its name is a partition of its own. One that was
//! copied and truncated is read to its end in the copy.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kpipe_engine::connector::{Accept, Source, SourceEvent};
use kpipe_engine::error::{ConnectorError, ErrorKind};
use kpipe_engine::position::{PartitionId, Position};
use kpipe_engine::records::RawBatch;

use super::book::{self, Book, Generation, Unfinished};
use super::copies::Copies;
use super::followed::{Followed, Step};
use super::lines;
use super::positions::Positions;
use super::scan::{self, Wanted};
use crate::files::disk;

/// How often new files are looked for.
pub(super) const SCAN_EVERY: Duration = Duration::from_secs(1);
/// How often files are looked at while nothing happens.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Files that are kept open; others are opened for each read and found again by their inode if they were renamed.
const HELD_MAX: usize = 512;
/// How long a file that its name does not lead to any more is followed after it last grew.
pub(super) const LEFT_WAIT: Duration = Duration::from_secs(60);

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
    pub(super) left_wait: Duration,
    pub(super) scan_every: Duration,
    pub(super) copy_wait: Duration,
    /// Nothing of a file is handed out before the sink says where it starts.
    pub(super) starts_in_sink: bool,
}

/// The files of one pipeline. Only its first task reads: a second reader of a file would have nothing to wait for.
pub(super) struct FileSource {
    pub(super) settings: Settings,
    /// `None`: another task reads.
    positions: Option<Positions>,
    /// By partition.
    files: Vec<Followed>,
    /// The file that is read next, in turn.
    turn: usize,
    scanned: Option<Instant>,
    /// A name leads to another file.
    scan_now: bool,
    copies: Copies,
    events: VecDeque<SourceEvent>,
    ended: bool,
}

impl FileSource {
    pub(super) fn new(settings: Settings, positions: Option<Positions>) -> Self {
        let (files, events) = (Vec::new(), VecDeque::new());
        Self { settings, positions, files, turn: 0, scanned: None, scan_now: false, copies: Copies::default(), events, ended: false }
    }

    /// Finds files that are not read yet.
    fn scan(&mut self) -> Result<(), ConnectorError> {
        let Some(positions) = &mut self.positions else { return Ok(()) };
        let is_due = match (self.scanned, self.settings.mode) {
            (None, _) => true,
            (Some(_), Mode::Once) => false,
            (Some(last), Mode::Tail) => self.scan_now || last.elapsed() >= self.settings.scan_every,
        };
        if !is_due {
            return Ok(());
        }
        let (dir, assigned) = (&self.settings.dir, self.files.len());
        if self.scanned.is_none() {
            for (left, file) in unfinished(positions.book(), positions.path(), dir, &self.settings.wanted)? {
                let Some(file) = file else {
                    positions.forget(left.generation);
                    continue;
                };
                let names = (Arc::from(left.name.as_str()), self.settings.wanted.routes(&left.name).into());
                let path = dir.join(&left.name);
                let followed = Followed::new(names, left.generation, file, left.position, left.is_current);
                let mut followed = followed.map_err(|error| disk::failed("read", &path, &error))?;
                followed.is_current &= book::leads_to(&path, followed.inode) || !path.exists();
                self.files.push(followed);
            }
        }
        (self.scanned, self.scan_now) = (Some(Instant::now()), false);
        let found = scan::files(dir, &self.settings.wanted)?;
        if self.settings.mode == Mode::Once {
            scan::all_there(dir, &self.settings.wanted, &found)?;
        }
        let begun = self.files.len();
        for (name, routes) in found {
            let is_copy = |file: &File| match self.settings.mode {
                Mode::Tail => self.copies.may_be(&self.files[..begun], dir, &name, file, self.settings.copy_wait),
                Mode::Once => Ok(false),
            };
            if let Some(mut followed) = take_in(&self.files, positions, dir, (&name, routes), is_copy)? {
                if self.files.iter().filter(|file| file.held.is_some()).count() >= HELD_MAX {
                    followed.held = None;
                }
                self.files.push(followed);
            }
        }
        self.files[assigned..].iter_mut().for_each(|file| file.is_waiting = self.settings.starts_in_sink);
        let new = self.files.iter().zip(0..).skip(assigned).map(|(file, id)| file.assigned(PartitionId(id)));
        let new: Vec<_> = new.collect();
        if !new.is_empty() {
            self.events.push_back(SourceEvent::Assigned(new));
        }
        Ok(())
    }

    /// The next lines of any file, in turn.
    fn read(&mut self) -> Result<Option<RawBatch>, ConnectorError> {
        for _ in 0..self.files.len() {
            let index = self.turn % self.files.len();
            self.turn = index + 1;
            let id = PartitionId(u32::try_from(index).unwrap_or(u32::MAX));
            match self.files[index].read(id, &self.settings)? {
                Step::Batch(batch) => {
                    self.remember(index)?;
                    return Ok(Some(batch));
                }
                Step::Nothing => {}
                Step::Rotated => {
                    let name = &self.files[index].name;
                    tracing::info!(file = %self.settings.dir.join(&**name).display(), "the name leads to another file: rotated");
                    self.files[index].is_current = false;
                    self.scan_now = true;
                }
                Step::Lost => {
                    self.find_again(index)?;
                    self.turn = index;
                    return self.read();
                }
                Step::Truncated(size) => {
                    self.truncated(index, size)?;
                    // What is left of it comes before what is new.
                    self.turn = index;
                    self.scan_now = true;
                    return Ok(None);
                }
                Step::Closed => self.closed(index),
            }
        }
        Ok(None)
    }

    /// Notes the first bytes of a file before anything is committed, so that it is known again.
    fn remember(&mut self, index: usize) -> Result<(), ConnectorError> {
        let file = &self.files[index];
        match &mut self.positions {
            Some(positions) if !positions.book().is_known(file.generation) => {
                positions.commit(file.generation, file.inode, file.held.as_ref(), file.committed)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// A file that is not open has another name.
    fn find_again(&mut self, index: usize) -> Result<(), ConnectorError> {
        let Some(positions) = &self.positions else { return Ok(()) };
        let file = &mut self.files[index];
        let path = self.settings.dir.join(&*file.name);
        let failed = |error: io::Error| disk::failed("read", &path, &error);
        match positions.book().locate(&self.settings.dir, file.generation).map_err(failed)? {
            Some(found) => file.move_to(found).map_err(failed),
            None => Err(replaced(&path, file.position, positions.path())),
        }
    }

    /// A file became shorter. What was not read of it is in a copy, or lost.
    fn truncated(&mut self, index: usize, size: u64) -> Result<(), ConnectorError> {
        let Some(positions) = &mut self.positions else { return Ok(()) };
        let file = &mut self.files[index];
        let path = self.settings.dir.join(&*file.name);
        let failed = |error: io::Error| disk::failed("read", &path, &error);
        let (read, had) = (file.position, file.end);
        let copy = match self.settings.mode {
            Mode::Tail => positions.book().copied(&self.settings.dir, file.generation, had).map_err(failed)?,
            Mode::Once => None,
        };
        match copy {
            Some(copy) => {
                // At its end it is found out that the name leads to another file: the truncated one.
                file.move_to(copy).map_err(failed)?;
                positions.commit(file.generation, file.inode, file.held.as_ref(), file.committed)?;
            }
            None if read < had || self.settings.mode == Mode::Once => {
                let path = path.display();
                let message = format!("{path} was truncated: it had {had} bytes, was read up to byte {read} and has {size} bytes now");
                let help = "let programs append to files; rotate them by renaming, or leave the copy in the same folder";
                return Err(ConnectorError::new(ErrorKind::LocalIo, message).help(help));
            }
            None => {
                file.close();
                positions.forget(file.generation);
            }
        }
        tracing::warn!(file = %path.display(), read, had, size, "the file was truncated: it is read from its start again");
        Ok(())
    }

    /// Nothing more comes of a file.
    fn closed(&mut self, index: usize) {
        let file = &mut self.files[index];
        file.close();
        if file.committed >= file.position
            && let Some(positions) = &mut self.positions
        {
            positions.finish(file.generation);
        }
    }

    fn has_ended(&self) -> bool {
        self.settings.mode == Mode::Once
            && self.scanned.is_some()
            && self.files.iter().all(|file| file.position >= file.end && !file.is_waiting)
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
            if self.scan_now {
                continue;
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

    fn start(&mut self, partition: PartitionId, position: Position) -> Result<(), ConnectorError> {
        let file = self.files.get_mut(partition.0 as usize).filter(|file| file.is_waiting);
        let file = file.ok_or_else(|| ConnectorError::new(ErrorKind::Bug, format!("{partition:?} does not wait for its start")))?;
        file.start(&self.settings.dir, position)
    }

    fn commit(&mut self, positions: &[(PartitionId, Position)]) -> Result<(), ConnectorError> {
        let Some(saved) = &mut self.positions else { return Ok(()) };
        for (id, position) in positions {
            let file = self.files.get_mut(id.0 as usize);
            let file = file.ok_or_else(|| ConnectorError::new(ErrorKind::Bug, format!("{id:?} is no partition of this source")))?;
            file.committed = u64::try_from(position.0).unwrap_or_default();
            let reopened = file.reopened(&self.settings.dir);
            saved.commit(file.generation, file.inode, file.held.as_ref().or(reopened.as_ref()), file.committed)?;
            if file.is_closed && file.committed >= file.position {
                saved.finish(file.generation);
            }
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

/// What was begun and not finished, with the file that it is. Without one: a rotated file that is gone, of which everything that was there at
/// its rotation had been read.
///
/// # Errors
/// A name leads to another file than the one that was read, and that one is nowhere in its folder.
pub(super) fn unfinished(
    book: &Book,
    saved: &Path,
    dir: &Path,
    wanted: &Wanted,
) -> Result<Vec<(Unfinished, Option<File>)>, ConnectorError> {
    let mut all = Vec::new();
    for left in book.unfinished().into_iter().filter(|left| !wanted.routes(&left.name).is_empty()) {
        let path = dir.join(&left.name);
        let failed = |error: io::Error| disk::failed("read", &path, &error);
        match book.locate(dir, left.generation).map_err(failed)? {
            Some(file) => all.push((left, Some(file))),
            None if !left.is_current => {
                let read = left.position;
                tracing::warn!(file = %path.display(), read, "the file that was rotated is gone: what was written after its rotation was not read");
                all.push((left, None));
            }
            None => match std::fs::metadata(&path) {
                Ok(found) if found.len() < left.position => return Err(shorter(&path, left.position, found.len(), saved)),
                Ok(_) => return Err(replaced(&path, left.position, saved)),
                // It was removed; if it comes back, it is known.
                Err(_) => {}
            },
        }
    }
    Ok(all)
}

/// A file that is not read yet.
fn take_in(
    files: &[Followed],
    positions: &mut Positions,
    dir: &Path,
    (name, routes): (&str, Arc<[usize]>),
    is_copy: impl FnOnce(&File) -> io::Result<bool>,
) -> Result<Option<Followed>, ConnectorError> {
    let path = dir.join(name);
    if files.iter().any(|file| file.is_current && &*file.name == name) {
        return Ok(None);
    }
    let failed = |error: io::Error| disk::failed("read", &path, &error);
    let file = match File::open(&path) {
        Ok(file) => file,
        // Gone since the look.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let found = file.metadata().map_err(failed)?;
    let is_read = |generation: Generation| files.iter().any(|file| file.generation == generation);
    // A second link is a file of its own, a second name of a file that lost its first one is not.
    let inode = found.ino();
    if files.iter().any(|file| !file.is_closed && file.inode == inode && !book::leads_to(&dir.join(&*file.name), inode)) {
        return Ok(None);
    }
    let (generation, position) = match positions.book().recognise(dir, name, &file).map_err(failed)? {
        // It was closed, and somebody went on writing into it, or it has its name again.
        Some((generation, position)) if positions.book().is_done(generation) && found.len() > position => {
            let begun_as = positions.book().name(generation).to_owned();
            let is_current = begun_as == name;
            positions.revive(generation, is_current);
            return Ok(Some(Followed::new((begun_as.into(), routes), generation, file, position, is_current).map_err(failed)?));
        }
        Some((generation, _)) if is_read(generation) || positions.book().is_done(generation) => return Ok(None),
        Some(known) => known,
        None if is_copy(&file).map_err(failed)? => return Ok(None),
        None => (positions.begin(name)?, 0),
    };
    Ok(Some(Followed::new((name.into(), routes), generation, file, position, true).map_err(failed)?))
}

fn replaced(path: &Path, read: u64, saved: &Path) -> ConnectorError {
    let message = format!(
        "{} was replaced: it is not the file that was read up to byte {read}, and that one is not in its folder any more",
        path.display()
    );
    ConnectorError::new(ErrorKind::LocalIo, message).help(help(saved))
}

fn shorter(path: &Path, read: u64, now: u64, saved: &Path) -> ConnectorError {
    let path = path.display();
    let message = format!("{path} was truncated: it was read up to byte {read} and has {now} bytes now, and no copy is in its folder");
    ConnectorError::new(ErrorKind::LocalIo, message).help(help(saved))
}

fn help(saved: &Path) -> String {
    format!("what it held after may not have been read; put it back, or take its entry out of {} to go on without it", saved.display())
}
