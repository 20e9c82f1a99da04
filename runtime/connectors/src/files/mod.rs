//! What connectors of files share: options of sinks, keys, the applied plan in a store, and files on a disk that survive a crash.

pub(crate) mod disk;
pub(crate) mod keys;
mod options;
mod plans;
mod taken;
mod wait;

pub(crate) use options::{CLAUSES, FORMATS, OPTIONS, PROPERTIES, join};
pub(crate) use plans::{DiskPlans, StorePlans};
pub(crate) use taken::other_data;
pub(crate) use wait::wait;
