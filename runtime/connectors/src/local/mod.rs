//! A directory as a store of files.

mod listing;
mod spec;
mod store;
mod uploads;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kpipe_compiler::plan::Tail;
use kpipe_engine::connector::{ConnectorDef, FileStore, Inspection, OpenRequest, PlanStore};
use kpipe_engine::error::{About, ConnectorError, ErrorKind};

use crate::files::StorePlans;
use store::Directory;
use uploads::Kind;

/// The connector.
pub(crate) static CONNECTOR: ConnectorDef = ConnectorDef {
    spec: &spec::SPEC,
    source: None,
    records: None,
    store: Some(open),
    inspect: Some(inspect),
    newest: None,
    plans: Some(plans),
    bookmarks: None,
};

fn root(request: &OpenRequest<'_>) -> Result<PathBuf, ConnectorError> {
    let dir = request.endpoint.options.text("dir").filter(|dir| !dir.is_empty());
    dir.map(PathBuf::from).ok_or_else(|| ConnectorError::new(ErrorKind::Invalid, "local: `dir` is not set"))
}

fn open(request: &OpenRequest<'_>) -> Result<Arc<dyn FileStore>, ConnectorError> {
    Ok(Arc::new(Directory::open(root(request)?, if request.starts_in_sink { Kind::Promises } else { Kind::Attempts })?))
}

fn plans(request: &OpenRequest<'_>) -> Result<Box<dyn PlanStore>, ConnectorError> {
    let prefix = request.routes.iter().find_map(|route| match &route.tail {
        Tail::Files(files) => Some(files.prefix.as_str()),
        Tail::Records(_) => None,
    });
    let store = Arc::new(Directory::reader(root(request)?));
    Ok(Box::new(StorePlans::new(store, prefix.unwrap_or_default(), request.runtime.clone())))
}

/// Whether the directory can be used. A missing one is no fault: it is created at the start, which is when the right to write shows.
fn inspect(request: &OpenRequest<'_>) -> Result<Inspection, ConnectorError> {
    let root = root(request)?;
    look(&root).map_err(|error| error.or_about(About::Option("dir")))?;
    let created = if root.exists() { "" } else { ", which will be created" };
    Ok(Inspection { system: format!("directory {}{created}", root.display()), creates_by_itself: true, ..Inspection::default() })
}

fn look(root: &Path) -> Result<(), ConnectorError> {
    let nearest = root.ancestors().find(|above| !above.as_os_str().is_empty() && above.exists()).unwrap_or(Path::new("."));
    let found = std::fs::metadata(nearest).map_err(|error| crate::files::disk::failed("look at", nearest, &error))?;
    if !found.is_dir() {
        let message = format!("{} is no directory", nearest.display());
        return Err(ConnectorError::new(ErrorKind::LocalIo, message).help("name another directory in `dir`"));
    }
    if found.permissions().readonly() {
        let message = format!("the directory {} is read-only", nearest.display());
        return Err(ConnectorError::new(ErrorKind::LocalIo, message).help("give the user that runs kpipe the right to write there"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
