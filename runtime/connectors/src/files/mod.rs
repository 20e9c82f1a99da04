//! What every sink of files shares, whatever store is below it.

mod options;

pub(crate) use options::{CLAUSES, FORMATS, OPTIONS, PROPERTIES, join};
