//! Where uploads wait until they are complete: `<dir>/.kpipe/uploads/<owner>/<upload>/`, one file a part, and the key.
//!
//! The owner is one open store. What becomes of its uploads when it ends is decided when it is opened:
//!
//! | uploads are | on the disk | when the owner ends |
//! |---|---|---|
//! | attempts | when they are completed | it holds a lock on `<owner>.lock` while it lives: the next one to open the directory removes what nobody holds |
//! | promises | when a part is stored | they stay, for whoever reads that they were promised; there is no lock, so nobody takes them for attempts |

use std::fs::{self, File};
use std::io;
use std::io::ErrorKind as Io;
use std::path::{Path, PathBuf};

use kpipe_engine::connector::{UnfinishedUpload, UploadId};

use crate::files::disk;

/// The file of an upload that holds the key of its object.
const KEY: &str = "key";

/// What a store's uploads are to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nobody needs them when their process is gone.
    Attempts,
    /// They outlive their process.
    Promises,
}

/// The uploads of one open store.
#[derive(Debug)]
pub(super) struct Uploads {
    dir: PathBuf,
    owner: String,
    /// Locked as long as this lives; `None` for promises.
    lock: Option<File>,
}

impl Uploads {
    /// The folder of all uploads below a root.
    pub(super) fn folder(root: &Path) -> PathBuf {
        root.join(crate::files::keys::OWN).join("uploads")
    }

    /// Takes a place below the root, and removes what dead owners left.
    pub(super) fn open(root: &Path, kind: Kind) -> io::Result<Self> {
        let dir = Self::folder(root);
        disk::create_dirs(&dir)?;
        sweep(&dir)?;
        loop {
            let owner = disk::unique();
            let lock = match kind {
                Kind::Attempts => Some(File::create_new(dir.join(format!("{owner}.lock")))?),
                Kind::Promises => None,
            };
            lock.as_ref().map_or(Ok(()), File::lock)?;
            // Somebody who opened the directory between these two calls took the lock for a dead owner's.
            if lock.is_none() || dir.join(format!("{owner}.lock")).exists() {
                fs::create_dir(dir.join(&owner))?;
                return Ok(Self { dir, owner, lock });
            }
        }
    }

    /// Whether parts must be on the disk when they are stored.
    pub(super) fn are_promises(&self) -> bool {
        self.lock.is_none()
    }

    /// Makes room for an upload.
    pub(super) fn begin(&self, key: &str) -> io::Result<UploadId> {
        let (id, owner) = (format!("{}/{}", self.owner, disk::unique()), self.dir.join(&self.owner));
        let folder = self.dir.join(&id);
        match fs::create_dir(&folder) {
            // Without uploads the folder of a living owner cannot be told from that of a dead one, so it may have been cleared away.
            Err(error) if error.kind() == Io::NotFound && self.are_promises() => {
                disk::create_dirs(&owner)?;
                fs::create_dir(&folder)?;
            }
            created => created?,
        }
        fs::write(folder.join(KEY), key)?;
        if self.are_promises() {
            File::open(folder.join(KEY))?.sync_all()?;
            disk::sync_dir(&folder)?;
            disk::sync_dir(&owner)?;
            disk::sync_dir(&self.dir)?;
        }
        Ok(UploadId(id))
    }
}

impl Drop for Uploads {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next one who opens the directory. A folder with promises in it cannot.
        let owner = self.dir.join(&self.owner);
        drop(if self.are_promises() { fs::remove_dir(owner) } else { fs::remove_dir_all(owner) });
        if self.lock.is_some() {
            drop(fs::remove_file(self.dir.join(format!("{}.lock", self.owner))));
        }
    }
}

/// The folder of an upload, if the text is one that [`Uploads::begin`] returned.
pub(super) fn folder_of(root: &Path, upload: &UploadId) -> Option<PathBuf> {
    let (owner, number) = upload.0.split_once('/')?;
    (is_number(owner) && is_number(number)).then(|| Uploads::folder(root).join(owner).join(number))
}

fn is_number(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The uploads of all owners, dead or alive, to keys that begin with a prefix; in the order of their keys.
pub(super) fn list(root: &Path, prefix: &str, limit: usize) -> io::Result<Vec<UnfinishedUpload>> {
    let dir = Uploads::folder(root);
    let mut found = Vec::new();
    for owner in numbers(&dir)? {
        for number in numbers(&dir.join(&owner))? {
            let path = dir.join(&owner).join(&number).join(KEY);
            // One that ends or begins at this moment has no key.
            let (Some(key), Some(metadata)) = (there(fs::read_to_string(&path))?, there(fs::metadata(&path))?) else { continue };
            if key.starts_with(prefix) {
                let begun_ms = disk::modified_ms(&metadata)?;
                found.push(UnfinishedUpload { key, upload: UploadId(format!("{owner}/{number}")), begun_ms });
            }
        }
    }
    found.sort_by(|left, right| (&left.key, &left.upload.0).cmp(&(&right.key, &right.upload.0)));
    found.truncate(limit);
    Ok(found)
}

/// Names of folders that are owners or uploads.
fn numbers(dir: &Path) -> io::Result<Vec<String>> {
    let Some(entries) = there(fs::read_dir(dir))? else { return Ok(Vec::new()) };
    let names = entries.map(|entry| Ok(entry?.file_name().into_string().unwrap_or_default()));
    names.filter(|name| name.as_ref().map_or(true, |name| is_number(name))).collect()
}

/// `None` for what is gone.
fn there<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind(), Io::NotFound | Io::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes the attempts of owners that hold their lock no more, and empty folders of those who made promises.
fn sweep(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "lock") {
            if !path.with_extension("lock").exists() {
                // An error says that something is in it, or that another one was quicker.
                drop(fs::remove_dir(&path));
            }
            continue;
        }
        let Ok(lock) = File::open(&path) else { continue };
        if lock.try_lock().is_err() {
            continue;
        }
        tracing::info!(uploads = %path.with_extension("").display(), "removing uploads that a stopped process left");
        there(fs::remove_dir_all(path.with_extension("")))?;
        there(fs::remove_file(&path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_owner_removes_what_a_dead_one_left() {
        let root = tempfile::tempdir().unwrap();
        let alive = Uploads::open(root.path(), Kind::Attempts).unwrap();
        let of_alive = folder_of(root.path(), &alive.begin("a").unwrap()).unwrap();

        // What a killed process leaves: its folder, and a lock file that nobody holds.
        let dead = Uploads::folder(root.path()).join("00000000000000aa");
        fs::create_dir_all(dead.join("00000000000000bb")).unwrap();
        fs::write(dead.with_extension("lock"), b"").unwrap();

        let next = Uploads::open(root.path(), Kind::Attempts).unwrap();
        assert!(!dead.exists() && !dead.with_extension("lock").exists());
        assert!(of_alive.is_dir(), "uploads of a living owner stay");
        drop((alive, next));
        assert_eq!(fs::read_dir(Uploads::folder(root.path())).unwrap().count(), 0, "an owner that ends leaves nothing");
    }

    #[test]
    fn promises_outlive_their_owner_and_whoever_opens_the_directory() {
        let root = tempfile::tempdir().unwrap();
        let promising = Uploads::open(root.path(), Kind::Promises).unwrap();
        let trying = Uploads::open(root.path(), Kind::Attempts).unwrap();
        let (promised, tried) = (promising.begin("b/promised").unwrap(), trying.begin("b/tried").unwrap());
        let names = |prefix: &str, limit| -> Vec<_> {
            list(root.path(), prefix, limit).unwrap().into_iter().map(|found| (found.key, found.upload)).collect()
        };
        assert_eq!(names("", 9), [("b/promised".to_owned(), promised.clone()), ("b/tried".to_owned(), tried)]);
        assert_eq!((names("b/t", 9).len(), names("", 1).len(), names("c", 9).len()), (1, 1, 0));
        drop((promising, trying));
        for kind in [Kind::Attempts, Kind::Promises] {
            let next = Uploads::open(root.path(), kind).unwrap();
            assert_eq!(names("b/", 9), [("b/promised".to_owned(), promised.clone())], "{kind:?}");
            drop(next);
        }
        let begun_ms = list(root.path(), "", 1).unwrap()[0].begun_ms;
        let now_ms = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
        assert!((0..60_000).contains(&(now_ms - begun_ms)), "{begun_ms} {now_ms}");
        fs::remove_dir_all(folder_of(root.path(), &promised).unwrap()).unwrap();
        drop(Uploads::open(root.path(), Kind::Attempts).unwrap());
        assert_eq!(fs::read_dir(Uploads::folder(root.path())).unwrap().count(), 0, "empty folders of promising owners go");
    }

    #[test]
    fn an_owner_whose_empty_folder_was_cleared_away_begins_again() {
        let root = tempfile::tempdir().unwrap();
        let idle = Uploads::open(root.path(), Kind::Promises).unwrap();
        drop(Uploads::open(root.path(), Kind::Promises).unwrap());
        let upload = idle.begin("a").unwrap();
        assert!(folder_of(root.path(), &upload).unwrap().is_dir());
    }

    #[test]
    fn an_id_never_names_another_folder() {
        let root = Path::new("/r");
        for id in ["", "a/b", "../..", "00000000000000aa/../x", "00000000000000aa", "/etc/passwd"] {
            assert_eq!(folder_of(root, &UploadId(id.to_owned())), None, "{id}");
        }
        let id = UploadId("00000000000000aa/00000000000000bb".to_owned());
        assert_eq!(folder_of(root, &id).unwrap(), Path::new("/r/.kpipe/uploads/00000000000000aa/00000000000000bb"));
    }
}
