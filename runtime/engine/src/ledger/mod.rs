//! The ledger: the commit log of a pipeline's files, in the store itself. It makes every record be in exactly one visible object, whenever
//! files are closed and however records are spread over them.
//!
//! For each source partition there is a row of numbered objects, each written once (`If-None-Match: *`) and never changed. A set of files
//! is uploaded first, as multipart uploads that nobody sees; then one record names them all, with the positions that they cover. From the
//! moment that this record is there the set counts: whoever reads the ledger next completes what is not visible yet. Where to go on is
//! what the newest record says; the offsets of the consumer group are advice.
//!
//! | file | what |
//! |---|---|
//! | `record.rs` | a record, as it is written |
//! | `keys.rs` | where the objects lie |
//! | `machine.rs` | the protocol without its IO |
//! | `log.rs` | where records lie, and what makes one count: the store itself, or a bookmark of the source |
//! | `keeper.rs` | the protocol over stores: taking partitions over, committing sets |
//! | `probe.rs` | whether a store keeps the promise that all of this rests on |
//! | `claim.rs` | one pipeline a topic and prefix |
//! | `chain.rs` | the records of each partition, listed and read from outside |
//! | `audit.rs` | whether everything fits: `kpipe verify` |
//! | `find.rs` | which object holds a position: `kpipe verify --offset` |
//! | `progress.rs` | how far an audit is |
//! | `reset.rs` | a position moved by hand: `kpipe offsets reset` |
//! | `sweep.rs` | uploads that nobody will complete, records that nobody will read |

pub mod audit;
pub mod chain;
mod claim;
pub mod find;
mod keeper;
pub mod keys;
mod log;
pub(crate) mod machine;
mod probe;
pub mod progress;
pub mod record;
pub mod reset;
mod sweep;
#[cfg(test)]
pub(crate) mod testing;

pub(crate) use keeper::{Keeper, NotCommitted, Place, Taken};
pub use keys::Scope;
pub use log::Name;
pub use probe::{Conditional, is_unconditional, probe, probe_gently, refusal};
pub use record::{FileEntry, Kind, Record, RecordNumber};
