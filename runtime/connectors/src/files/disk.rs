//! Files that are whole or not there after a crash.

use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, ErrorKind as Io, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use kpipe_engine::error::{ConnectorError, ErrorKind, Retry};

/// A failure of a file operation: `cannot read /x/y: permission denied`.
pub(crate) fn failed(what: &str, path: &Path, error: &io::Error) -> ConnectorError {
    let found = ConnectorError::new(ErrorKind::LocalIo, format!("cannot {what} {}: {}", path.display(), reason(error)));
    match error.kind() {
        Io::StorageFull | Io::QuotaExceeded => found.retry(Retry::Backoff).help("free space on this disk; writing goes on then"),
        Io::PermissionDenied => found.help("give the user that runs kpipe the right to it, or name another path"),
        _ => found,
    }
}

/// The system's words without its number: they are the same everywhere.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    text[..end].to_lowercase()
}

/// 16 hexadecimal digits that no other call returns: seeded by the system's randomness, counted within the process.
pub(crate) fn unique() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u64(NEXT.fetch_add(1, Ordering::Relaxed));
    hasher.write_u32(std::process::id());
    format!("{:016x}", hasher.finish())
}

/// Makes what happened in a directory (a new name, a removed one) survive a crash.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Creates a directory and what is missing above it, each name of it safe before the next.
pub(crate) fn create_dirs(dir: &Path) -> io::Result<()> {
    let mut missing: Vec<&Path> = Vec::new();
    for above in dir.ancestors() {
        if above.as_os_str().is_empty() || above.is_dir() {
            break;
        }
        missing.push(above);
    }
    for dir in missing.into_iter().rev() {
        match fs::create_dir(dir) {
            Ok(()) => sync_dir(parent(dir))?,
            Err(error) if error.kind() == Io::AlreadyExists && dir.is_dir() => {}
            Err(error) if error.kind() == Io::AlreadyExists => return Err(Io::NotADirectory.into()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The directory that a path lies in.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

const TEMPORARY: &str = ".tmp";

/// Whether this is the name of a file that [`replace`] or [`create`] has not finished.
pub(crate) fn is_temporary(name: &str) -> bool {
    let number = name.strip_suffix(TEMPORARY).and_then(|rest| rest.rsplit_once('.')).map_or("", |(_, number)| number);
    number.len() == 16 && number.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Writes a file whole: readers see the old content or the new one, also after a crash.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = beside(path, bytes)?;
    let replaced = fs::rename(&temporary, path);
    if replaced.is_err() {
        // What could not be written is not worth a second error; the first one says what is wrong.
        drop(fs::remove_file(&temporary));
    }
    replaced?;
    sync_dir(parent(path))
}

/// Writes a file whole if there is none: false says that there is one, which was not touched.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let temporary = beside(path, bytes)?;
    let linked = match fs::hard_link(&temporary, path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == Io::AlreadyExists && !path.is_dir() => Ok(false),
        Err(error) => Err(error),
    };
    drop(fs::remove_file(&temporary));
    let is_new = linked?;
    // Also for one that is there: whoever wrote it may have died before its name was safe, and is relied upon from now on.
    sync_dir(parent(path))?;
    Ok(is_new)
}

/// Writes a temporary file, safe on the disk, beside where it is to be.
fn beside(path: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    create_dirs(parent(path))?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}{TEMPORARY}", unique()));
    let temporary: PathBuf = path.with_file_name(name);
    let written = (|| {
        let mut file = File::create_new(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()
    })();
    if written.is_err() {
        drop(fs::remove_file(&temporary));
    }
    written.map(|()| temporary)
}

/// When a file was written, in milliseconds since 1970.
pub(crate) fn modified_ms(metadata: &fs::Metadata) -> io::Result<i64> {
    let since = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/c.json");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(parent(&path)).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn a_file_is_created_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/1.json");
        assert!(create(&path, b"one").unwrap());
        assert!(!create(&path, b"two").unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(parent(&path)).unwrap().count(), 1, "no temporary file stays");
        create(parent(&path), b"x").unwrap_err();
        create(&path.join("below"), b"x").unwrap_err();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn unfinished_files_are_known_by_their_names() {
        assert!(is_temporary("plan.json.0123456789abcdef.tmp"));
        assert!(!is_temporary("plan.tmp") && !is_temporary("plan.json") && !is_temporary("x.0123456789abcdeX.tmp"));
    }

    #[test]
    fn a_failed_replacement_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("taken");
        fs::create_dir_all(path.join("inside")).unwrap();
        replace(&path, b"x").unwrap_err();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_in_the_way_of_a_directory_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), b"").unwrap();
        let error = create_dirs(&dir.path().join("a/b")).unwrap_err();
        let said = failed("create", &dir.path().join("a/b"), &error);
        assert_eq!(said.kind, ErrorKind::LocalIo);
        assert!(said.message.ends_with("a/b: not a directory"), "{}", said.message);
    }

    #[test]
    fn names_are_unique() {
        let names: std::collections::BTreeSet<_> = (0..1000).map(|_| unique()).collect();
        assert_eq!(names.len(), 1000);
    }

    #[test]
    fn a_full_disk_is_waited_for() {
        let error = io::Error::from(Io::StorageFull);
        assert_eq!(failed("write", Path::new("/x"), &error).retry, Retry::Backoff);
    }
}
