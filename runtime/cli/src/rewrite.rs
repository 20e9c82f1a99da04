//! Puts another text into a file: whole or not at all, and only if nobody else changed it meanwhile.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::exit::Exit;
use crate::failure::{Failure, codes};
use crate::load::TextFile;

/// Writes `text` in the place of what was read. The new file keeps the mode; a link stays one.
pub(crate) fn rewrite(file: &TextFile, text: &str) -> Result<(), Failure> {
    let name = Path::new(&file.name);
    let failed = |error: io::Error| Failure::file("write", name, &error);
    let path = fs::canonicalize(&file.path).map_err(failed)?;
    let temporary = beside(&path);
    let written = write(&path, &temporary, text)
        .and_then(|()| if fs::read(&path)? == file.text.as_bytes() { fs::rename(&temporary, &path).map(|()| true) } else { Ok(false) });
    if !matches!(written, Ok(true)) {
        // What is left of it is of no use; that it cannot be removed is not what failed.
        let _ = fs::remove_file(&temporary);
    }
    if written.map_err(failed)? {
        return Ok(());
    }
    Err(Failure::new(Exit::LocalIo, format!("{} was changed by somebody else meanwhile; it was left alone", file.name))
        .code(codes::LOCAL_FILE)
        .help("run the command again"))
}

fn write(path: &Path, temporary: &Path, text: &str) -> io::Result<()> {
    let mode = fs::metadata(path)?.permissions();
    // A file that may not be written is not replaced either.
    drop(File::options().append(true).open(path)?);
    let mut file = File::options().write(true).create_new(true).open(temporary)?;
    fs::set_permissions(temporary, mode)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// A name in the same folder, so that it can take the place at once; no pipeline is looked for under it.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.kpipe", std::process::id()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn file(dir: &Path, text: &str) -> TextFile {
        let path = dir.join("p.yaml");
        fs::write(&path, text).unwrap();
        TextFile { name: "p.yaml".to_owned(), path, text: text.to_owned() }
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_file_is_replaced_and_keeps_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let file = file(dir.path(), "old");
        fs::set_permissions(&file.path, fs::Permissions::from_mode(0o640)).unwrap();
        rewrite(&file, "new").unwrap();
        assert_eq!(fs::read_to_string(&file.path).unwrap(), "new");
        assert_eq!(fs::metadata(&file.path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(names(dir.path()), ["p.yaml"], "nothing is left beside it");
    }

    #[test]
    fn a_link_stays_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = file(dir.path(), "old");
        let link = dir.path().join("link.yaml");
        symlink("p.yaml", &link).unwrap();
        file.path = link.clone();
        rewrite(&file, "new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(dir.path().join("p.yaml")).unwrap(), "new");
    }

    #[test]
    fn a_file_that_changed_meanwhile_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = file(dir.path(), "old");
        fs::write(&file.path, "theirs").unwrap();
        let failure = rewrite(&file, "new").unwrap_err();
        assert!(failure.message.contains("p.yaml was changed by somebody else"), "{failure}");
        assert_eq!((fs::read_to_string(&file.path).unwrap().as_str(), names(dir.path())), ("theirs", vec!["p.yaml".to_owned()]));
    }

    #[test]
    fn a_file_that_is_gone_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let file = file(dir.path(), "old");
        fs::remove_file(&file.path).unwrap();
        assert_eq!(rewrite(&file, "new").unwrap_err().exit, Exit::LocalIo);
        assert!(names(dir.path()).is_empty());
    }
}
