//! A directory as a store of files.

mod spec;

use kpipe_engine::connector::ConnectorDef;

/// The connector.
pub(crate) static CONNECTOR: ConnectorDef =
    ConnectorDef { spec: &spec::SPEC, source: None, records: None, store: None, inspect: None, plans: None };
