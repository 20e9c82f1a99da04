//! One file that lines are appended to.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use kpipe_engine::error::{ConnectorError, ErrorKind, Retry};

use crate::files::{disk, keys};

/// How much is read at a time while looking for the last line break.
const BLOCK_BYTES: u64 = 64 * 1024;

/// An open file. It ends with a line break whenever nobody is in [`Output::append`].
#[derive(Debug)]
pub(super) struct Output {
    path: PathBuf,
    file: File,
    bytes: u64,
    is_dirty: bool,
}

/// The file of this name, opened by whichever task of this process came first.
///
/// # Errors
/// It cannot be opened, or another process writes it.
pub(super) fn shared(dir: &Path, name: &str) -> Result<Arc<Mutex<Output>>, ConnectorError> {
    static OPEN: LazyLock<Mutex<BTreeMap<PathBuf, Weak<Mutex<Output>>>>> = LazyLock::new(Mutex::default);
    let absolute = std::path::absolute(dir).map_err(|error| disk::failed("find", dir, &error))?;
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.retain(|_, output| output.strong_count() > 0);
    let path = absolute.join(name);
    if let Some(output) = open.get(&path).and_then(Weak::upgrade) {
        return Ok(output);
    }
    let output = Arc::new(Mutex::new(Output::open(&absolute, name)?));
    open.insert(path, Arc::downgrade(&output));
    Ok(output)
}

impl Output {
    fn open(dir: &Path, name: &str) -> Result<Self, ConnectorError> {
        let path = dir.join(name);
        let failed = |error: io::Error| disk::failed("write", &path, &error);
        disk::create_dirs(disk::parent(&path)).map_err(failed)?;
        let file = OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let error = ConnectorError::new(ErrorKind::LocalIo, format!("another process writes {}", path.display()));
                return Err(error.retry(Retry::Backoff).help("stop the other process, or write into another file"));
            }
            Err(TryLockError::Error(error)) => return Err(disk::failed("lock", &path, &error)),
        }
        disk::sync_dir(disk::parent(&path)).map_err(failed)?;
        let bytes = repair(dir, name, &file).map_err(failed)?;
        Ok(Self { path, file, bytes, is_dirty: false })
    }

    /// Appends whole lines. What a failed attempt left is taken back.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn append(&mut self, text: &[u8]) -> Result<(), ConnectorError> {
        self.is_dirty = true;
        if let Err(error) = self.file.write_all(text) {
            let said = disk::failed("write", &self.path, &error);
            // If this fails too, the next start finds the cut line.
            return Err(match self.file.set_len(self.bytes) {
                Ok(()) => said,
                Err(_) => said.retry(Retry::Reopen),
            });
        }
        self.bytes += text.len() as u64;
        Ok(())
    }

    /// Forces everything to the disk.
    ///
    /// # Errors
    /// The disk failed: what was appended since the last time may be lost.
    pub(super) fn sync(&mut self) -> Result<(), ConnectorError> {
        if self.is_dirty {
            self.file.sync_data().map_err(|error| disk::failed("write", &self.path, &error).retry(Retry::Reopen))?;
            self.is_dirty = false;
        }
        Ok(())
    }
}

/// Cuts off a last line without a line break, which a killed process left, and keeps the bytes under `.kpipe/cut/` in case another
/// program wrote them. Returns the size.
fn repair(dir: &Path, name: &str, file: &File) -> io::Result<u64> {
    let size = file.metadata()?.len();
    let whole = whole_lines(file, size)?;
    if whole == size {
        return Ok(size);
    }
    let mut rest = vec![0; usize::try_from(size - whole).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut rest, whole)?;
    let kept = dir.join(keys::OWN).join("cut").join(format!("{}-{whole}", name.replace('/', "_")));
    disk::replace(&kept, &rest)?;
    tracing::warn!(
        file = %dir.join(name).display(), bytes = rest.len(), position = whole, kept = %kept.display(),
        "the file ended in the middle of a line: the rest was cut off and kept"
    );
    file.set_len(whole)?;
    file.sync_all()?;
    Ok(whole)
}

/// The position behind the last line break.
fn whole_lines(file: &File, size: u64) -> io::Result<u64> {
    let mut end = size;
    while end > 0 {
        let start = end.saturating_sub(BLOCK_BYTES);
        let mut block = vec![0; usize::try_from(end - start).unwrap_or_default()];
        file.read_exact_at(&mut block, start)?;
        if let Some(last) = block.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + last as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// Whether lines can be written below a directory, as far as that shows without writing.
///
/// # Errors
/// Something else is in its place.
pub(super) fn inspect(dir: &Path) -> Result<(), ConnectorError> {
    match fs::metadata(dir) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => {
            let error = ConnectorError::new(ErrorKind::LocalIo, format!("{} is no directory", dir.display()));
            Err(error.help("name another directory in `dir`"))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(disk::failed("look at", dir, &error)),
    }
}
