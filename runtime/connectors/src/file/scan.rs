//! Which files below a directory a pipeline reads.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use kpipe_compiler::plan::Route;
use kpipe_engine::error::{ConnectorError, ErrorKind};

use super::glob::Glob;
use crate::files::{disk, keys};

/// The most files that one pipeline reads.
const FILES_MAX: usize = 10_000;

/// The names in FROM, in the order of the statements.
#[derive(Debug)]
pub(super) struct Wanted {
    globs: Vec<Glob>,
}

impl Wanted {
    /// Reads the names.
    ///
    /// # Errors
    /// One could mean a file outside the directory.
    pub(super) fn of(routes: &[Route]) -> Result<Self, ConnectorError> {
        Ok(Self { globs: routes.iter().map(|route| Glob::parse(&route.from)).collect::<Result<_, _>>()? })
    }

    /// The statements that take a file.
    pub(super) fn routes(&self, name: &str) -> Vec<usize> {
        (0..self.globs.len()).filter(|index| self.globs[*index].matches(name)).collect()
    }
}

/// The files and the statements that take them. Linked folders are not entered.
///
/// # Errors
/// The directory cannot be read, or holds too many of them.
pub(super) fn files(dir: &Path, wanted: &Wanted) -> Result<BTreeMap<String, Arc<[usize]>>, ConnectorError> {
    let mut found = BTreeMap::new();
    walk(dir, "", wanted, &mut found)?;
    Ok(found)
}

/// Whether every name that is no pattern is there.
///
/// # Errors
/// [`ErrorKind::Missing`], with the file.
pub(super) fn all_there(dir: &Path, wanted: &Wanted, found: &BTreeMap<String, Arc<[usize]>>) -> Result<(), ConnectorError> {
    match missing(wanted, found).first() {
        None => Ok(()),
        Some(name) => {
            let message = format!("the file {} does not exist", dir.join(name).display());
            Err(ConnectorError::new(ErrorKind::Missing, message).help("correct the name in FROM or `dir`"))
        }
    }
}

/// Names that are no pattern and not there.
pub(super) fn missing(wanted: &Wanted, found: &BTreeMap<String, Arc<[usize]>>) -> Vec<String> {
    wanted.globs.iter().filter_map(Glob::literal).filter(|name| !found.contains_key(name)).collect()
}

fn walk(dir: &Path, folder: &str, wanted: &Wanted, found: &mut BTreeMap<String, Arc<[usize]>>) -> Result<(), ConnectorError> {
    let here = if folder.is_empty() { dir.to_owned() } else { dir.join(folder) };
    let failed = |error: io::Error| disk::failed("read", &here, &error);
    for entry in fs::read_dir(&here).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if folder.is_empty() && name == keys::OWN {
            continue;
        }
        let name = if folder.is_empty() { name } else { format!("{folder}/{name}") };
        if entry.file_type().map_err(failed)?.is_dir() {
            if wanted.globs.iter().any(|glob| glob.reaches(&name)) {
                walk(dir, &name, wanted, found)?;
            }
            continue;
        }
        let routes = wanted.routes(&name);
        if routes.is_empty() || !fs::metadata(entry.path()).is_ok_and(|metadata| metadata.is_file()) {
            continue;
        }
        if found.len() == FILES_MAX {
            let message = format!("more than {FILES_MAX} files below {} are meant", dir.display());
            return Err(ConnectorError::new(ErrorKind::Invalid, message).help("use narrower names in FROM, or several pipelines"));
        }
        found.insert(name, routes.into());
    }
    Ok(())
}
