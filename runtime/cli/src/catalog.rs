//! The connectors of this binary as the compiler wants them.

use std::sync::LazyLock;

use kpipe_compiler::catalog::{Catalog, ConnectorSpec};
use kpipe_connectors::ALL;

static SPECS: LazyLock<Vec<&'static ConnectorSpec>> = LazyLock::new(|| ALL.iter().map(|def| def.spec).collect());
static CATALOG: LazyLock<Catalog> = LazyLock::new(|| Catalog { connectors: &SPECS });

/// Every connector's description.
pub(crate) fn catalog() -> &'static Catalog {
    &CATALOG
}
