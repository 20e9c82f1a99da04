//! A name that is taken by other data.

use kpipe_engine::error::{ConnectorError, ErrorKind};

/// The error that stops a pipeline rather than drop data or replace what is there. `object` names it: `s3://lake/a/b`.
pub(crate) fn other_data(object: &str) -> ConnectorError {
    let message = format!(
        "{object} holds other data than what would be written under its name (a topic created anew, a group set back, a replaced file, a changed pipeline, or two writers)"
    );
    ConnectorError::new(ErrorKind::Fenced, message)
        .help("nothing was replaced and the position did not move: write to another prefix, or move the old objects away")
}
