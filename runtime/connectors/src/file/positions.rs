//! How far each file was read, in a small JSON file that is replaced whole and forced to the disk.
//!
//! A file is known by its name, its inode and its first bytes, so that another file under the same name is not taken for it.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kpipe_engine::error::{ConnectorError, ErrorKind, Retry};
use serde::{Deserialize, Serialize};

use crate::files::{disk, keys};

/// Positions are written at most this often, and always before a stop: what is lost by a crash is read again.
const WRITE_EVERY: Duration = Duration::from_secs(1);

/// Bytes at the start of a file that tell it from another one.
const HEAD_BYTES: u64 = 256;

/// The content of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    version: u32,
    files: BTreeMap<String, SavedFile>,
}

/// One file that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SavedFile {
    /// The next byte to read.
    pub(super) position: u64,
    inode: u64,
    head_bytes: u64,
    head: String,
}

/// The positions of one pipeline.
#[derive(Debug)]
pub(super) struct Positions {
    path: PathBuf,
    dir: PathBuf,
    saved: Saved,
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
        let saved = load(&path)?;
        Ok(Self { path, dir: dir.to_owned(), saved, changed: false, written: None, _lock: lock })
    }

    /// Where reading of a file goes on; 0 if it was never read.
    ///
    /// # Errors
    /// The file is not the one that was read, or is shorter than that.
    pub(super) fn start(&self, name: &str, file: &File) -> Result<u64, ConnectorError> {
        resume(&self.path, &self.dir.join(name), self.saved.files.get(name), file)
    }

    /// Notes that the file with this inode is safe up to a position, and writes that down if it is time to.
    ///
    /// # Errors
    /// The positions cannot be written.
    pub(super) fn commit(&mut self, name: &str, inode: u64, position: u64) -> Result<(), ConnectorError> {
        let saved = match self.saved.files.get(name) {
            Some(known) if known.inode == inode && known.position == position => return Ok(()),
            Some(known) if known.inode == inode && known.head_bytes == HEAD_BYTES => SavedFile { position, ..known.clone() },
            _ => {
                let path = self.dir.join(name);
                describe(&path, inode, position).map_err(|error| disk::failed("read", &path, &error))?
            }
        };
        self.saved.files.insert(name.to_owned(), saved);
        self.changed = true;
        self.write_if_due()
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
        let text = serde_json::to_vec_pretty(&self.saved)
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
pub(super) fn look(path: &Path) -> Result<BTreeMap<String, SavedFile>, ConnectorError> {
    Ok(load(path)?.files)
}

/// See [`Positions::start`].
pub(super) fn resume(positions: &Path, path: &Path, saved: Option<&SavedFile>, file: &File) -> Result<u64, ConnectorError> {
    let Some(saved) = saved else { return Ok(0) };
    let found = file.metadata().map_err(|error| disk::failed("read", path, &error))?;
    let help = format!("to read it from its start, take its entry out of {}", positions.display());
    if found.len() < saved.position {
        let (path, read, now) = (path.display(), saved.position, found.len());
        let message = format!("{path} was truncated: it was read up to byte {read} and has {now} bytes now");
        return Err(ConnectorError::new(ErrorKind::LocalIo, message).help(help));
    }
    let head = head(file, saved.head_bytes).map_err(|error| disk::failed("read", path, &error))?;
    if found.ino() != saved.inode || head != saved.head {
        let message = format!("{} was replaced: it is not the file that was read up to byte {}", path.display(), saved.position);
        return Err(ConnectorError::new(ErrorKind::LocalIo, message).help(help));
    }
    Ok(saved.position)
}

fn load(path: &Path) -> Result<Saved, ConnectorError> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Saved { version: 1, files: BTreeMap::new() }),
        Err(error) => return Err(disk::failed("read", path, &error)),
    };
    let broken = |reason: String| {
        ConnectorError::new(ErrorKind::LocalIo, format!("{} does not hold positions: {reason}", path.display()))
            .help("restore it; without it every file is read from its start")
    };
    let saved: Saved = serde_json::from_slice(&text).map_err(|error| broken(error.to_string()))?;
    if saved.version == 1 { Ok(saved) } else { Err(broken(format!("it has version {}, not 1", saved.version))) }
}

/// What to remember of a file. One that was removed or replaced meanwhile is remembered by its inode alone.
fn describe(path: &Path, inode: u64, position: u64) -> io::Result<SavedFile> {
    let file = match File::open(path) {
        Ok(file) if file.metadata()?.ino() == inode => file,
        Ok(_) => return Ok(SavedFile { position, inode, head_bytes: 0, head: hash(&[]) }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(SavedFile { position, inode, head_bytes: 0, head: hash(&[]) }),
        Err(error) => return Err(error),
    };
    let head_bytes = position.min(HEAD_BYTES);
    Ok(SavedFile { position, inode, head_bytes, head: head(&file, head_bytes)? })
}

fn head(file: &File, bytes: u64) -> io::Result<String> {
    let mut data = vec![0; usize::try_from(bytes.min(HEAD_BYTES)).unwrap_or_default()];
    file.read_exact_at(&mut data, 0)?;
    Ok(hash(&data))
}

/// FNV-1a.
fn hash(data: &[u8]) -> String {
    let hash = data.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn opened(dir: &Path) -> Positions {
        Positions::open(default_path(dir, "p"), dir).unwrap()
    }

    fn inode(file: &File) -> u64 {
        file.metadata().unwrap().ino()
    }

    #[test]
    fn a_file_that_went_away_is_remembered_by_its_inode() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "one\n").unwrap();
        let gone = inode(&File::open(&path).unwrap()) + 1;
        let mut positions = opened(dir.path());
        positions.commit("a", gone, 4).unwrap();
        positions.commit("b", gone, 4).unwrap();
        let error = positions.start("a", &File::open(&path).unwrap()).unwrap_err();
        assert!(error.message.contains("was replaced"), "{error}");
    }

    #[test]
    fn positions_survive() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), "one\ntwo\n").unwrap();
        let file = File::open(dir.path().join("a")).unwrap();
        let mut positions = opened(dir.path());
        assert_eq!(positions.start("a", &file).unwrap(), 0);
        positions.commit("a", inode(&file), 4).unwrap();
        positions.commit("a", inode(&file), 8).unwrap();
        assert_eq!(look(&default_path(dir.path(), "p")).unwrap()["a"].position, 4, "the second one waits for its second");
        drop(positions);
        assert_eq!(opened(dir.path()).start("a", &file).unwrap(), 8);
    }

    #[test]
    fn another_file_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "one\ntwo\n").unwrap();
        let mut positions = opened(dir.path());
        positions.commit("a", inode(&File::open(&path).unwrap()), 8).unwrap();

        fs::write(&path, "one\n").unwrap();
        let error = positions.start("a", &File::open(&path).unwrap()).unwrap_err();
        assert!(error.message.ends_with("was truncated: it was read up to byte 8 and has 4 bytes now"), "{error}");
        assert!(error.help.unwrap().contains(".kpipe/positions/p.json"));

        fs::write(&path, "TWO\ntwo\nthree\n").unwrap();
        let error = positions.start("a", &File::open(&path).unwrap()).unwrap_err();
        assert!(error.message.contains("was replaced"), "same inode, other bytes: {error}");

        fs::rename(&path, dir.path().join("a.1")).unwrap();
        fs::write(&path, "one\ntwo\nthree\n").unwrap();
        let error = positions.start("a", &File::open(&path).unwrap()).unwrap_err();
        assert!(error.message.contains("was replaced"), "same bytes, other inode: {error}");
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
