//! Files that may be copies of one that is read: `copytruncate` writes the copy first and truncates the original then.
//!
//! A name in FROM can match both. Who takes the copy for a new file in between reads its lines twice, so such a file is left alone until
//! the original is truncated and goes on in the copy, or until it is clear that it is a file of its own.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, Instant};

use super::followed::{self, Followed, HEAD_BYTES};
use crate::files::disk;

/// An original that is still whole this long after its copy was finished is no original.
pub(super) const COPY_WAIT: Duration = Duration::from_secs(10);
/// How much of the end of a copy is compared.
const LAST_BYTES: u64 = 4096;

/// Files that are left alone, by inode.
#[derive(Debug, Default)]
pub(super) struct Copies(BTreeMap<u64, Seen>);

#[derive(Clone, Copy, Debug)]
struct Seen {
    size: u64,
    since: Instant,
}

impl Copies {
    /// Whether a file under a new name is to be left alone: it may be a copy of one of `files`.
    pub(super) fn may_be(&mut self, files: &[Followed], dir: &Path, name: &str, file: &File, wait: Duration) -> io::Result<bool> {
        let found = file.metadata()?;
        let folder = disk::parent(Path::new(name));
        // A new file under the name of one that was renamed is no copy of it.
        let is_near = |other: &Followed| !other.is_closed && *other.name != *name && disk::parent(Path::new(&*other.name)) == folder;
        // In memory first: a folder may have thousands of files.
        let first = followed::head(file, found.len())?;
        let mut is_copy = false;
        for original in files.iter().filter(|other| is_near(other) && other.may_begin(&first)) {
            let reopened = original.reopened(dir);
            let Some(held) = original.held.as_ref().or(reopened.as_ref()) else { continue };
            let size = held.metadata()?.len();
            if original.is_truncated(held, size)? {
                // Nothing is to be waited for: the next look at the original finds its copy.
                if original.begins(file)? {
                    return Ok(true);
                }
            } else if size > 0 && found.len() <= size && is_start_of(file, found.len(), held)? {
                is_copy = true;
            }
        }
        if !is_copy {
            self.0.remove(&found.ino());
            return Ok(false);
        }
        let seen = self.0.entry(found.ino()).or_insert_with(|| Seen { size: found.len(), since: Instant::now() });
        if seen.size != found.len() {
            *seen = Seen { size: found.len(), since: Instant::now() };
        }
        Ok(seen.since.elapsed() < wait)
    }
}

/// Whether the first and the last bytes of a file of this size are those of another at the same places.
fn is_start_of(file: &File, size: u64, whole: &File) -> io::Result<bool> {
    let last = size.saturating_sub(LAST_BYTES);
    for range in [0..size.min(HEAD_BYTES as u64), last..size] {
        // Both ranges have a few thousand bytes at most.
        let mut ours = vec![0; usize::try_from(range.end - range.start).unwrap_or_default()];
        let mut theirs = ours.clone();
        let read = file.read_exact_at(&mut ours, range.start).and_then(|()| whole.read_exact_at(&mut theirs, range.start));
        match read {
            Ok(()) if ours == theirs => {}
            Ok(()) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}
