//! Every bound of the engine, and what they must be to each other.

use std::time::Duration;

use crate::connector::PART_BYTES_MIN;

const MIB: usize = 1024 * 1024;

/// Bytes for all tasks of a process, unless asked otherwise: open files, cut parts, batches in work.
pub const MEMORY_BYTES_DEFAULT: usize = 128 * MIB;

/// The least memory that a process can work with.
pub const MEMORY_BYTES_MIN: usize = 32 * MIB;

/// Length of the parts of an upload, but for the last one.
pub const PART_BYTES: usize = 8 * MIB;

/// Parts of one task that are on their way at the same time.
pub(crate) const PARTS_IN_FLIGHT_MAX: usize = 4;

/// The buffer of a stored part is kept this long for the next one, if the budget has room.
pub(crate) const SPARE_FOR: Duration = Duration::from_secs(1);

/// Files of one set that are begun, or completed, at the same time.
pub(crate) const FILES_IN_FLIGHT_MAX: usize = 16;

/// Open files of one set, over all statements. A set that would need more is closed.
pub const FILES_OPEN_MAX: usize = 1_000;

/// Closed sets of one task that are not committed yet. At the limit no records are accepted.
pub(crate) const SETS_IN_FLIGHT_MAX: usize = 64;

/// Rows handed to a sink of records and not acknowledged yet. At the limit no records are accepted.
pub(crate) const ROWS_IN_FLIGHT_MAX: usize = 100_000;

/// Bytes of batches handed to a sink of records and not acknowledged yet.
pub(crate) const PRODUCE_BYTES_MAX: usize = 64 * MIB;

/// Rejected records on their way to the dead-letter topic. At the limit no records are accepted.
pub(crate) const DEAD_LETTERS_IN_FLIGHT_MAX: usize = 10_000;

/// Topic names that are remembered.
pub(crate) const TOPICS_KNOWN_MAX: usize = 100_000;

/// A worker that did not hear from a ledger for so long lists it before it writes: the number that it would write may have been used and removed.
pub(crate) const LEDGER_LOOK_EVERY: Duration = Duration::from_secs(30 * 60);

/// Every so many records of a ledger, old ones are removed.
pub(crate) const LEDGER_TRIM_EVERY: u64 = 64;

/// Records of a ledger that are kept whatever their age.
pub(crate) const LEDGER_KEEP_RECORDS: u64 = 1_000;

/// Records of a ledger are kept this long, by the store's clock, whatever their number: far longer than any worker sleeps.
pub(crate) const LEDGER_KEEP_MS: i64 = 7 * 24 * 3_600_000;

/// Partitions that are taken over at the same time.
pub(crate) const TAKEOVERS_MAX: usize = 16;

/// Unfinished uploads that are looked at in one sweep.
pub(crate) const SWEEP_UPLOADS_MAX: usize = 10_000;

/// Longest text that an expression makes out of shorter ones, in bytes. A record that asks for more is a bad one.
pub(crate) const TEXT_BYTES_MAX: usize = MIB;

/// Bytes of the texts that an expression makes for one batch. No record is to blame for more, so the pipeline stops.
pub(crate) const TEXT_BATCH_BYTES_MAX: usize = 256 * MIB;

/// Longest wait in a poll when nothing is under way: how late a stop signal may be noticed.
pub(crate) const POLL_WAIT_IDLE: Duration = Duration::from_millis(250);

/// Longest wait in a poll while uploads or commits are under way.
pub(crate) const POLL_WAIT_UPLOADS: Duration = Duration::from_millis(20);

/// Longest wait in a poll while records wait for their acknowledgement.
pub(crate) const POLL_WAIT_ACKS: Duration = Duration::from_millis(2);

/// How long a rebalance may be held up to commit what is already closed. The group's own limit is minutes.
pub(crate) const REVOKE_WAIT: Duration = Duration::from_secs(5);

/// How long the confirmation of the last commits is waited for.
pub(crate) const SETTLE_WAIT: Duration = Duration::from_secs(10);

/// How long uploads that are given up are cleaned away before the process ends.
pub(crate) const ABORT_WAIT: Duration = Duration::from_secs(2);

/// No acknowledgement for so long while records are in flight: the sink counts as away.
pub(crate) const ACKS_MISSING: Duration = Duration::from_secs(10);

/// A system that fails for so long counts as away; a shorter failure is only counted.
pub(crate) const AWAY_AFTER: Duration = Duration::from_secs(1);

/// How often a task says where it stands.
pub(crate) const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// The first pause of a back-off; it doubles from there.
pub(crate) const BACKOFF_FIRST: Duration = Duration::from_millis(200);

/// How often the supervisor looks whether all tasks are done.
pub(crate) const SUPERVISE_EVERY: Duration = Duration::from_millis(50);

/// Bugs without progress in between before a task is given up.
pub(crate) const PANICS_MAX: u32 = 3;

const _: () = assert!(PART_BYTES >= PART_BYTES_MIN, "S3 refuses smaller parts");
const _: () = assert!(MEMORY_BYTES_MIN >= 2 * PART_BYTES, "a part on its way and one being cut must fit");
const _: () = assert!(MEMORY_BYTES_DEFAULT >= MEMORY_BYTES_MIN, "the default must be allowed");
const _: () = assert!(PARTS_IN_FLIGHT_MAX * PART_BYTES <= MEMORY_BYTES_MIN, "parts in flight are part of the budget");
const _: () = assert!(TEXT_BYTES_MAX <= TEXT_BATCH_BYTES_MAX, "a batch holds any single text");
const _: () = assert!(TEXT_BATCH_BYTES_MAX < i32::MAX as usize, "places in a column have 32 bits");
const _: () = assert!(DEAD_LETTERS_IN_FLIGHT_MAX <= ROWS_IN_FLIGHT_MAX, "rejects are records too");
