//! Objects as files. An object appears under its name in one step (a hard link), whole and safe on the disk, or not at all.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, ErrorKind as Io, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use kpipe_engine::connector::{Completed, Created, FileStore, IfExists, Listed, PartTag, Stat, UnfinishedUpload, UploadId};
use kpipe_engine::error::{ConnectorError, ErrorKind, Retry};

use super::uploads::{Kind, Uploads, folder_of};
use super::{listing, uploads};
use crate::files::{disk, keys, other_data};

/// The largest object that [`FileStore::get`] reads whole.
const SMALL_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// How much of two files is held while they are compared.
const COMPARE_BYTES: usize = 64 * 1024;

/// A directory.
#[derive(Debug)]
pub(super) struct Directory {
    root: PathBuf,
    /// `None`: opened to look and to keep the plan only.
    uploads: Option<Uploads>,
}

impl Directory {
    /// Opens a directory to write into, and creates it.
    pub(super) fn open(root: PathBuf, kind: Kind) -> Result<Self, ConnectorError> {
        let uploads = Uploads::open(&root, kind).map_err(|error| disk::failed("write below", &root, &error))?;
        Ok(Self { root, uploads: Some(uploads) })
    }

    /// Opens a directory without creating anything in it.
    pub(super) fn reader(root: PathBuf) -> Self {
        Self { root, uploads: None }
    }

    fn path(&self, key: &str) -> Result<PathBuf, ConnectorError> {
        keys::check(key)?;
        let path = self.root.join(key);
        if path.starts_with(Uploads::folder(&self.root)) {
            return Err(ConnectorError::new(ErrorKind::Invalid, format!("refused to write under the key {key:?}: uploads wait there")));
        }
        Ok(path)
    }

    fn upload(&self, upload: &UploadId) -> Result<PathBuf, ConnectorError> {
        folder_of(&self.root, upload).ok_or_else(|| ConnectorError::new(ErrorKind::Bug, format!("{upload:?} is no upload of a directory")))
    }
}

impl FileStore for Directory {
    fn begin<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<UploadId, ConnectorError>> {
        Box::pin(async move {
            self.path(key)?;
            let Some(uploads) = &self.uploads else {
                return Err(ConnectorError::new(ErrorKind::Bug, "a directory that was opened for reading takes no uploads"));
            };
            uploads.begin(key).map_err(|error| disk::failed("write below", &self.root, &error))
        })
    }

    fn part<'a>(&'a self, key: &'a str, upload: &'a UploadId, number: u32, data: Bytes) -> BoxFuture<'a, Result<PartTag, ConnectorError>> {
        Box::pin(async move {
            self.path(key)?;
            let path = self.upload(upload)?.join(part_name(number));
            let is_promised = self.uploads.as_ref().is_some_and(Uploads::are_promises);
            blocking(move || write_part(&path, number, &data, is_promised)).await
        })
    }

    fn complete<'a>(
        &'a self,
        key: &'a str,
        upload: &'a UploadId,
        parts: &'a [PartTag],
        if_exists: IfExists,
    ) -> BoxFuture<'a, Result<Completed, ConnectorError>> {
        Box::pin(async move {
            let (target, folder, parts) = (self.path(key)?, self.upload(upload)?, parts.to_vec());
            blocking(move || complete(&folder, &target, &parts, if_exists)).await
        })
    }

    fn abort<'a>(&'a self, key: &'a str, upload: &'a UploadId) -> BoxFuture<'a, Result<(), ConnectorError>> {
        Box::pin(async move {
            self.path(key)?;
            let folder = self.upload(upload)?;
            blocking(move || remove(&folder).map_err(|error| disk::failed("remove", &folder, &error))).await
        })
    }

    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, ConnectorError>> {
        Box::pin(async move {
            let path = self.path(key)?;
            blocking(move || read_small(&path)).await
        })
    }

    fn put<'a>(&'a self, key: &'a str, data: Bytes) -> BoxFuture<'a, Result<(), ConnectorError>> {
        Box::pin(async move {
            let path = self.path(key)?;
            blocking(move || disk::replace(&path, &data).map_err(|error| disk::failed("write", &path, &error))).await
        })
    }

    fn create<'a>(&'a self, key: &'a str, data: Bytes) -> BoxFuture<'a, Result<Created, ConnectorError>> {
        Box::pin(async move {
            let path = self.path(key)?;
            let is_new = blocking(move || disk::create(&path, &data).map_err(|error| disk::failed("write", &path, &error))).await?;
            Ok(if is_new { Created::New } else { Created::Exists })
        })
    }

    fn list<'a>(&'a self, prefix: &'a str, after: &'a str, limit: usize) -> BoxFuture<'a, Result<Vec<Listed>, ConnectorError>> {
        Box::pin(async move {
            if prefix.starts_with('/') || prefix.split('/').any(|part| part == "..") {
                return Err(ConnectorError::new(ErrorKind::Invalid, format!("refused to list {prefix:?}: it leaves the directory")));
            }
            let (root, prefix, after) = (self.root.clone(), prefix.to_owned(), after.to_owned());
            blocking(move || listing::list(&root, &prefix, &after, limit).map_err(|error| disk::failed("list", &root, &error))).await
        })
    }

    fn uploads<'a>(&'a self, prefix: &'a str, limit: usize) -> BoxFuture<'a, Result<Option<Vec<UnfinishedUpload>>, ConnectorError>> {
        Box::pin(async move {
            let (root, prefix) = (self.root.clone(), prefix.to_owned());
            let found = blocking(move || uploads::list(&root, &prefix, limit).map_err(|error| disk::failed("list", &root, &error)));
            found.await.map(Some)
        })
    }

    fn stat<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Stat>, ConnectorError>> {
        Box::pin(async move {
            let path = self.path(key)?;
            blocking(move || look_at(&path).map_err(|error| disk::failed("look at", &path, &error))).await
        })
    }

    fn remove<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Result<(), ConnectorError>> {
        Box::pin(async move {
            let paths = keys.iter().map(|key| self.path(key)).collect::<Result<Vec<_>, _>>()?;
            blocking(move || paths.iter().try_for_each(|path| unlink(path).map_err(|error| disk::failed("remove", path, &error)))).await
        })
    }

    fn place(&self) -> String {
        let absolute = std::path::absolute(&self.root).unwrap_or_else(|_| self.root.clone());
        format!("file://{}", absolute.display())
    }
}

/// Runs file operations beside the runtime's own threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, ConnectorError> + Send + 'static) -> Result<T, ConnectorError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(ConnectorError::new(ErrorKind::Bug, "a file operation was cancelled or panicked")),
    }
}

fn part_name(number: u32) -> String {
    format!("part-{number:05}")
}

/// Writes a part. It is forced to the disk if the upload is a promise; else it does not outlive a crash anyway.
fn write_part(path: &Path, number: u32, data: &[u8], is_promised: bool) -> Result<PartTag, ConnectorError> {
    let written = (|| {
        let mut file = File::create(path)?;
        file.write_all(data)?;
        if is_promised {
            file.sync_all()?;
            disk::sync_dir(disk::parent(path))?;
        }
        Ok(())
    })();
    written.map_err(|error: io::Error| match error.kind() {
        Io::NotFound => gone(path),
        _ => disk::failed("write", path, &error),
    })?;
    Ok(PartTag { number, etag: data.len().to_string(), checksum: None, content: None })
}

fn gone(path: &Path) -> ConnectorError {
    ConnectorError::new(ErrorKind::Missing, format!("the upload {} is gone", path.display())).retry(Retry::Reopen)
}

/// Puts the parts together, makes them safe, and gives them the target's name.
fn complete(folder: &Path, target: &Path, parts: &[PartTag], if_exists: IfExists) -> Result<Completed, ConnectorError> {
    if !folder.is_dir() {
        // Completed before and asked again because the answer was lost; an aborted upload left no object.
        return match if_exists {
            _ if !target.is_file() => Err(gone(folder)),
            IfExists::Keep => Ok(Completed::Existed),
            IfExists::Replace => Ok(Completed::Created),
        };
    }
    let object = assemble(folder, parts)?;
    let place = disk::parent(target);
    disk::create_dirs(place).map_err(|error| disk::failed("create", place, &error))?;
    if target.is_dir() {
        let message = format!("cannot write {}: a directory of that name is in the way", target.display());
        return Err(ConnectorError::new(ErrorKind::LocalIo, message));
    }
    let ended = match if_exists {
        IfExists::Keep => link(&object, target),
        IfExists::Replace => link_over(&object, target).map(|()| true),
    };
    let ended = ended.map_err(|error| {
        disk::failed("link", target, &error).help("the file system below `dir` must have hard links; those of Linux do")
    })?;
    let ended = match ended {
        true => Completed::Created,
        false if same_bytes(&object, target).map_err(|error| disk::failed("compare", target, &error))? => Completed::Existed,
        false => return Err(other_data(&target.display().to_string())),
    };
    disk::sync_dir(place).map_err(|error| disk::failed("write", place, &error))?;
    remove(folder).map_err(|error| disk::failed("remove", folder, &error))?;
    Ok(ended)
}

/// A hard link appears whole or not at all, and never over a file that is there: false says that another one is.
fn link(object: &Path, target: &Path) -> io::Result<bool> {
    match fs::hard_link(object, target) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == Io::AlreadyExists => Ok(same_file(object, target)),
        Err(error) => Err(error),
    }
}

/// The upload keeps its own link, so that the call can be made again.
fn link_over(object: &Path, target: &Path) -> io::Result<()> {
    let second = object.with_file_name(format!("link-{}", disk::unique()));
    fs::hard_link(object, &second)?;
    fs::rename(&second, target)
}

/// Whether two files hold the same. A name alone does not say so: a topic that was created anew begins with the old offsets.
fn same_bytes(left: &Path, right: &Path) -> io::Result<bool> {
    let (left, right) = (File::open(left)?, File::open(right)?);
    if left.metadata()?.len() != right.metadata()?.len() {
        return Ok(false);
    }
    let (mut left, mut right) = (BufReader::with_capacity(COMPARE_BYTES, left), BufReader::with_capacity(COMPARE_BYTES, right));
    loop {
        let (ours, theirs) = (left.fill_buf()?, right.fill_buf()?);
        let common = ours.len().min(theirs.len());
        if ours[..common] != theirs[..common] {
            return Ok(false);
        }
        if common == 0 {
            return Ok(ours.is_empty() && theirs.is_empty());
        }
        left.consume(common);
        right.consume(common);
    }
}

/// The file that holds all parts, forced to the disk. A single part is that file already.
fn assemble(folder: &Path, parts: &[PartTag]) -> Result<PathBuf, ConnectorError> {
    let [single] = parts else { return concatenate(folder, parts) };
    let path = folder.join(part_name(single.number));
    let file = open_part(&path, single)?;
    file.sync_all().map_err(|error| disk::failed("write", &path, &error))?;
    Ok(path)
}

fn concatenate(folder: &Path, parts: &[PartTag]) -> Result<PathBuf, ConnectorError> {
    let path = folder.join("object");
    let failed = |error: io::Error| disk::failed("write", &path, &error);
    // A former attempt may have linked this file under the target already: it must not be written again.
    if same_size(&path, parts) {
        return Ok(path);
    }
    let whole = folder.join(format!("object-{}", disk::unique()));
    let mut file = File::create_new(&whole).map_err(failed)?;
    for part in parts {
        let mut data = open_part(&folder.join(part_name(part.number)), part)?;
        io::copy(&mut data, &mut file).map_err(failed)?;
    }
    file.flush().map_err(failed)?;
    file.sync_all().map_err(failed)?;
    fs::rename(&whole, &path).map_err(failed)?;
    Ok(path)
}

fn same_size(path: &Path, parts: &[PartTag]) -> bool {
    let expected: u64 = parts.iter().filter_map(|part| part.etag.parse::<u64>().ok()).sum();
    fs::metadata(path).is_ok_and(|found| found.len() == expected)
}

fn open_part(path: &Path, part: &PartTag) -> Result<File, ConnectorError> {
    let file = File::open(path).map_err(|error| match error.kind() {
        Io::NotFound => gone(path),
        _ => disk::failed("read", path, &error),
    })?;
    let size = file.metadata().map_err(|error| disk::failed("read", path, &error))?.len();
    if part.etag != size.to_string() {
        let message = format!("{} has {size} bytes, {} were written", path.display(), part.etag);
        return Err(ConnectorError::new(ErrorKind::LocalIo, message).retry(Retry::Reopen));
    }
    Ok(file)
}

fn same_file(left: &Path, right: &Path) -> bool {
    match (fs::metadata(left), fs::metadata(right)) {
        (Ok(left), Ok(right)) => (left.dev(), left.ino()) == (right.dev(), right.ino()),
        _ => false,
    }
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != Io::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Only files are objects.
fn look_at(path: &Path) -> io::Result<Option<Stat>> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() => {
            Ok(Some(Stat { bytes: found.len(), modified_ms: disk::modified_ms(&found)?, upload: None, crc64: None }))
        }
        Ok(_) => Ok(None),
        Err(error) if matches!(error.kind(), Io::NotFound | Io::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

fn unlink(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Ok(()) => disk::sync_dir(disk::parent(path)),
        Err(error) if matches!(error.kind(), Io::NotFound | Io::NotADirectory) => Ok(()),
        Err(error) => Err(error),
    }
}

fn read_small(path: &Path) -> Result<Option<Bytes>, ConnectorError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), Io::NotFound | Io::NotADirectory) => return Ok(None),
        Err(error) => return Err(disk::failed("read", path, &error)),
    };
    let mut bytes = Vec::new();
    file.take(SMALL_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| disk::failed("read", path, &error))?;
    if bytes.len() as u64 > SMALL_BYTES_MAX {
        return Err(ConnectorError::new(ErrorKind::Invalid, format!("{} is larger than 16 MiB", path.display())));
    }
    Ok(Some(Bytes::from(bytes)))
}
