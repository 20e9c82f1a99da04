//! Where uploads wait until they are complete: `<dir>/.kpipe/uploads/<owner>/<upload>/`, one file a part.
//!
//! The owner is one open store. It holds a lock on `<owner>.lock` while it lives, so that the next one to open the directory knows
//! which uploads nobody will complete any more and removes them.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use kpipe_engine::connector::UploadId;

use crate::files::disk;

/// The uploads of one open store.
#[derive(Debug)]
pub(super) struct Uploads {
    dir: PathBuf,
    owner: String,
    /// Locked as long as this lives.
    _lock: File,
}

impl Uploads {
    /// The folder of all uploads below a root.
    pub(super) fn folder(root: &Path) -> PathBuf {
        root.join(crate::files::keys::OWN).join("uploads")
    }

    /// Takes a place below the root, and removes what dead owners left.
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        let dir = Self::folder(root);
        disk::create_dirs(&dir)?;
        sweep(&dir)?;
        loop {
            let owner = disk::unique();
            let path = dir.join(format!("{owner}.lock"));
            let lock = File::create_new(&path)?;
            lock.lock()?;
            // Somebody who opened the directory between these two calls took the lock for a dead owner's.
            if path.exists() {
                fs::create_dir(dir.join(&owner))?;
                return Ok(Self { dir, owner, _lock: lock });
            }
        }
    }

    /// Makes room for an upload.
    pub(super) fn begin(&self) -> io::Result<UploadId> {
        let id = format!("{}/{}", self.owner, disk::unique());
        fs::create_dir(self.dir.join(&id))?;
        Ok(UploadId(id))
    }
}

impl Drop for Uploads {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next one who opens the directory.
        drop(fs::remove_dir_all(self.dir.join(&self.owner)));
        drop(fs::remove_file(self.dir.join(format!("{}.lock", self.owner))));
    }
}

/// The folder of an upload, if the text is one that [`Uploads::begin`] returned.
pub(super) fn folder_of(root: &Path, upload: &UploadId) -> Option<PathBuf> {
    let (owner, number) = upload.0.split_once('/')?;
    let hexadecimal = |text: &str| text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (hexadecimal(owner) && hexadecimal(number)).then(|| Uploads::folder(root).join(owner).join(number))
}

/// Removes the uploads of owners that hold their lock no more.
fn sweep(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "lock") {
            continue;
        }
        let Ok(lock) = File::open(&path) else { continue };
        if lock.try_lock().is_err() {
            continue;
        }
        tracing::info!(uploads = %path.with_extension("").display(), "removing uploads that a stopped process left");
        match fs::remove_dir_all(path.with_extension("")) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_owner_removes_what_a_dead_one_left() {
        let root = tempfile::tempdir().unwrap();
        let alive = Uploads::open(root.path()).unwrap();
        let of_alive = folder_of(root.path(), &alive.begin().unwrap()).unwrap();

        // What a killed process leaves: its folder, and a lock file that nobody holds.
        let dead = Uploads::folder(root.path()).join("00000000000000aa");
        fs::create_dir_all(dead.join("00000000000000bb")).unwrap();
        fs::write(dead.with_extension("lock"), b"").unwrap();

        let next = Uploads::open(root.path()).unwrap();
        assert!(!dead.exists() && !dead.with_extension("lock").exists());
        assert!(of_alive.is_dir(), "uploads of a living owner stay");
        drop((alive, next));
        assert_eq!(fs::read_dir(Uploads::folder(root.path())).unwrap().count(), 0, "an owner that ends leaves nothing");
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
