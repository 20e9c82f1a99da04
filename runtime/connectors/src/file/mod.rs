//! Text files: read once or followed while they grow, and written line by line.

mod spec;

use kpipe_engine::connector::ConnectorDef;

/// The connector.
pub(crate) static CONNECTOR: ConnectorDef =
    ConnectorDef { spec: &spec::SPEC, source: None, records: None, store: None, inspect: None, plans: None };
