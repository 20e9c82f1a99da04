//! How far each file was read, in a small JSON file that is replaced whole and forced to the disk.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kpipe_engine::error::{ConnectorError, ErrorKind, Retry};

use super::book::{Book, Generation, Saved, VERSION};
use crate::files::{disk, keys};

/// Positions are written at most this often, and always before a stop: what is lost by a crash is read again.
const WRITE_EVERY: Duration = Duration::from_secs(1);

/// The positions of one pipeline.
#[derive(Debug)]
pub(super) struct Positions {
    path: PathBuf,
    dir: PathBuf,
    book: Book,
    changed: bool,
    written: Option<Instant>,
    /// Held as long as this process reads for the pipeline.
    _lock: File,
}

/// Where a pipeline's positions are by default.
pub(super) fn default_path(dir: &Path, pipeline: &str) -> PathBuf {
    dir.join(keys::OWN).join("positions").join(format!("{}.json", keys::one_name(pipeline)))
}

impl Positions {
    /// Takes over a pipeline's positions.
    ///
    /// # Errors
    /// Another process has them, or the file cannot be read, written or understood.
    pub(super) fn open(path: PathBuf, dir: &Path) -> Result<Self, ConnectorError> {
        let place = disk::parent(&path);
        let denied = |error: ConnectorError| error.help("set `positions` to a file in a directory that kpipe may write to");
        disk::create_dirs(place).map_err(|error| denied(disk::failed("create", place, &error)))?;
        let lock_path = path.with_extension("lock");
        let lock = File::create(&lock_path).map_err(|error| denied(disk::failed("write", &lock_path, &error)))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let message = format!(
                    "the files below {} are being read for this pipeline already ({} is locked)",
                    dir.display(),
                    lock_path.display()
                );
                let error = ConnectorError::new(ErrorKind::Fenced, message).retry(Retry::Backoff);
                return Err(error.help("stop the other process, or give this pipeline another name"));
            }
            Err(TryLockError::Error(error)) => return Err(disk::failed("lock", &lock_path, &error)),
        }
        let mut book = look(&path)?;
        book.prune(dir).map_err(|error| disk::failed("read", dir, &error))?;
        Ok(Self { path, dir: dir.to_owned(), book, changed: false, written: None, _lock: lock })
    }

    /// Where they are saved.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What they say.
    pub(super) fn book(&self) -> &Book {
        &self.book
    }

    /// A name leads to a file that was never read.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub(super) fn begin(&mut self, name: &str) -> Result<Generation, ConnectorError> {
        self.changed = true;
        self.book.prune(&self.dir).map_err(|error| disk::failed("read", &self.dir, &error))?;
        Ok(self.book.begin(name))
    }

    /// A generation that was done has grown.
    pub(super) fn revive(&mut self, generation: Generation, is_current: bool) {
        self.changed = true;
        self.book.revive(generation, is_current);
    }

    /// Notes that a generation is safe up to a position, and writes that down if it is time to. It has this inode, and is this file if it
    /// can still be opened.
    ///
    /// # Errors
    /// The file cannot be read, or the positions cannot be written.
    pub(super) fn commit(&mut self, generation: Generation, inode: u64, file: Option<&File>, position: u64) -> Result<(), ConnectorError> {
        let path = self.dir.join(self.book.name(generation));
        let news = self.book.commit(generation, inode, file, position).map_err(|error| disk::failed("read", &path, &error))?;
        self.changed |= news;
        self.write_if_due()
    }

    /// All of a generation is safe, and no more of it comes.
    pub(super) fn finish(&mut self, generation: Generation) {
        self.changed = true;
        self.book.finish(generation);
    }

    /// A generation is not there any more.
    pub(super) fn forget(&mut self, generation: Generation) {
        self.changed = true;
        self.book.forget(generation);
    }

    /// Writes what is not written yet, at most once a second.
    ///
    /// # Errors
    /// The positions cannot be written.
    pub(super) fn write_if_due(&mut self) -> Result<(), ConnectorError> {
        if self.changed && self.written.is_none_or(|written| written.elapsed() >= WRITE_EVERY) { self.write() } else { Ok(()) }
    }

    /// Writes what is not written yet.
    ///
    /// # Errors
    /// The positions cannot be written.
    pub(super) fn write(&mut self) -> Result<(), ConnectorError> {
        if !self.changed {
            return Ok(());
        }
        let text = serde_json::to_vec_pretty(&self.book.saved())
            .map_err(|error| ConnectorError::new(ErrorKind::Bug, format!("positions cannot be written as JSON: {error}")))?;
        disk::replace(&self.path, &text).map_err(|error| disk::failed("write", &self.path, &error))?;
        self.changed = false;
        self.written = Some(Instant::now());
        Ok(())
    }
}

impl Drop for Positions {
    fn drop(&mut self) {
        if let Err(error) = self.write() {
            tracing::warn!(%error, "the last positions were not written: those lines will be read again");
        }
    }
}

/// The positions as they are, without taking them over.
///
/// # Errors
/// The file cannot be read or understood.
pub(super) fn look(path: &Path) -> Result<Book, ConnectorError> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Book::default()),
        Err(error) => return Err(disk::failed("read", path, &error)),
    };
    let broken = |reason: String| {
        ConnectorError::new(ErrorKind::LocalIo, format!("{} does not hold positions: {reason}", path.display()))
            .help("restore it; without it every file is read from its start")
    };
    let saved: Saved = serde_json::from_slice(&text).map_err(|error| broken(error.to_string()))?;
    if saved.version == VERSION { Ok(Book::new(saved)) } else { Err(broken(format!("it has version {}, not {VERSION}", saved.version))) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn opened(dir: &Path) -> Positions {
        Positions::open(default_path(dir, "p"), dir).unwrap()
    }

    /// Reads up to a position of a file that was never read.
    fn read(positions: &mut Positions, path: &Path, position: u64) -> Generation {
        let file = File::open(path).unwrap();
        let generation = positions.begin(path.file_name().unwrap().to_str().unwrap()).unwrap();
        positions.commit(generation, file.metadata().unwrap().ino(), Some(&file), position).unwrap();
        generation
    }

    fn known(positions: &Positions, path: &Path) -> Option<(Generation, u64)> {
        let name = path.file_name().unwrap().to_str().unwrap();
        positions.book().recognise(path.parent().unwrap(), name, &File::open(path).unwrap()).unwrap()
    }

    fn position(positions: &Positions, path: &Path) -> Option<u64> {
        known(positions, path).map(|(_, position)| position)
    }

    #[test]
    fn positions_survive() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "one\ntwo\n").unwrap();
        let file = File::open(&path).unwrap();
        let mut positions = opened(dir.path());
        assert_eq!(position(&positions, &path), None);
        let generation = read(&mut positions, &path, 4);
        positions.commit(generation, file.metadata().unwrap().ino(), Some(&file), 8).unwrap();
        let saved = look(&default_path(dir.path(), "p")).unwrap();
        assert_eq!(saved.recognise(dir.path(), "a", &file).unwrap().unwrap().1, 4, "the second one waits for its second");
        drop(positions);
        assert_eq!(position(&opened(dir.path()), &path), Some(8));
    }

    #[test]
    fn a_file_is_known_by_its_inode_and_its_first_bytes_not_by_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let (path, renamed) = (dir.path().join("a"), dir.path().join("a.1"));
        fs::write(&path, "one\ntwo\n").unwrap();
        let mut positions = opened(dir.path());
        read(&mut positions, &path, 8);
        fs::write(&path, "one\n").unwrap();
        assert_eq!(position(&positions, &path), None, "truncated");
        fs::write(&path, "TWO\ntwo\nthree\n").unwrap();
        assert_eq!(position(&positions, &path), None, "same inode, other bytes");
        fs::write(&path, "one\ntwo\nthree\n").unwrap();
        assert_eq!(position(&positions, &path), Some(8));
        fs::rename(&path, &renamed).unwrap();
        fs::write(&path, "one\ntwo\nthree\n").unwrap();
        assert_eq!((position(&positions, &path), position(&positions, &renamed)), (None, Some(8)), "same bytes, other inode");
    }

    #[test]
    fn what_could_not_be_opened_any_more_is_known_by_its_inode() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "one\n").unwrap();
        let mut positions = opened(dir.path());
        let generation = positions.begin("a").unwrap();
        positions.commit(generation, fs::metadata(&path).unwrap().ino(), None, 4).unwrap();
        assert_eq!(position(&positions, &path), Some(4));
    }

    #[test]
    fn what_is_done_is_known_as_long_as_it_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let (path, renamed) = (dir.path().join("a"), dir.path().join("a.1"));
        fs::write(&path, "one\n").unwrap();
        let mut positions = opened(dir.path());
        let first = read(&mut positions, &path, 4);
        fs::rename(&path, &renamed).unwrap();
        fs::write(&path, "two\n").unwrap();
        read(&mut positions, &path, 0);
        positions.finish(first);
        drop(positions);

        let positions = opened(dir.path());
        let (generation, _) = known(&positions, &renamed).unwrap();
        assert!(positions.book().is_done(generation));
        let open: Vec<_> = positions.book().unfinished().into_iter().map(|left| (left.name, left.position, left.is_current)).collect();
        assert_eq!(open, [("a".to_owned(), 0, true)]);
        drop(positions);
        fs::remove_file(&renamed).unwrap();
        drop(opened(dir.path()));
        let mut positions = opened(dir.path());
        positions.begin("b").unwrap();
        positions.write().unwrap();
        let text = fs::read_to_string(default_path(dir.path(), "p")).unwrap();
        assert!(!text.contains("earlier"), "{text}");
    }

    #[test]
    fn a_copy_holds_at_least_what_was_read_and_starts_with_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "one\ntwo\n").unwrap();
        let mut positions = opened(dir.path());
        let generation = read(&mut positions, &path, 8);
        for (name, text) in [("0-other", "eno\ntwo\nthree\n"), ("1-short", "one\n"), ("2-copy", "one\ntwo\nthree\n")] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let copied = |bytes| positions.book().copied(dir.path(), generation, bytes).unwrap().map(|file| file.metadata().unwrap().len());
        assert_eq!((copied(8), copied(14), copied(15)), (Some(14), Some(14), None));
    }

    #[test]
    fn one_process_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = opened(dir.path());
        let error = Positions::open(default_path(dir.path(), "p"), dir.path()).unwrap_err();
        assert_eq!((error.kind, error.retry), (ErrorKind::Fenced, Retry::Backoff), "{error}");
        drop(first);
        opened(dir.path());
    }

    #[test]
    fn a_broken_file_is_never_taken_for_an_empty_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = default_path(dir.path(), "p");
        for text in ["", "{", "{\"version\":2,\"files\":{}}"] {
            disk::replace(&path, text.as_bytes()).unwrap();
            let error = Positions::open(path.clone(), dir.path()).unwrap_err();
            assert!(error.kind == ErrorKind::LocalIo && error.message.contains("does not hold positions"), "{error}");
        }
    }
}
