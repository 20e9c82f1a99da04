//! The options of a sink of files. A store adds its own with [`join`].

use kpipe_compiler::catalog::{ChangeKind, OptionKind, OptionSpec, PropertySpec};

/// Formats that can be written.
pub(crate) const FORMATS: &[&str] = &["json", "parquet", "text", "bytes"];

/// Clauses that decide about files.
pub(crate) const CLAUSES: &[&str] = &["PARTITIONBY", "NOPARTITION", "STOREAS", "PROPERTIES"];

/// KCQL's PROPERTIES of a sink of files, as Lenses names them.
pub(crate) const PROPERTIES: &[PropertySpec] = &[
    PropertySpec { key: "flush.size", option: "flush.bytes", factor: 1 },
    PropertySpec { key: "flush.count", option: "flush.records", factor: 1 },
    PropertySpec { key: "flush.interval", option: "flush.interval", factor: 1000 },
    PropertySpec { key: "partition.include.keys", option: "partition.names", factor: 1 },
];

/// `left`, then `right`; `N` is the sum of their lengths.
pub(crate) const fn join<const L: usize, const R: usize, const N: usize>(left: [OptionSpec; L], right: [OptionSpec; R]) -> [OptionSpec; N] {
    assert!(L + R == N, "the length of joined options is the sum of both");
    let mut all = [left[0]; N];
    let mut at = 0;
    while at < N {
        all[at] = if at < L { left[at] } else { right[at - L] };
        at += 1;
    }
    all
}

const PLAIN: OptionSpec = OptionSpec { change: ChangeKind::NewLayout, ..OptionSpec::PLAIN };

/// What can be said about files wherever they are stored.
pub(crate) const OPTIONS: [OptionSpec; 18] = [
    OptionSpec {
        path: "format",
        kind: OptionKind::Format,
        default: Some("json"),
        doc: "The format of the files where a statement has no STOREAS. `json` is one JSON text a line, uncompressed; `parquet` is compressed with \
              zstd level 1 unless it says otherwise; `text` is one value a line; `bytes` puts values one after the other as they are.",
        example: "{ parquet: { compression: snappy } }",
        ..PLAIN
    },
    OptionSpec {
        path: "prefix",
        default: Some("\"\""),
        doc: "Where the keys of statements start whose target names no prefix. With `compat: confluent` it is `topics.dir`.",
        example: "sensors/raw",
        ..PLAIN
    },
    OptionSpec {
        path: "partition_by",
        kind: OptionKind::List(&OptionKind::Text),
        doc: "The folders of statements without PARTITIONBY, in the same words.",
        example: "[country, _date.`yyyy/MM/dd`]",
        ..PLAIN
    },
    OptionSpec {
        path: "partition.keep",
        kind: OptionKind::Boolean,
        default: Some("true"),
        doc: "Whether the columns of PARTITIONBY stay in the file too.",
        example: "false",
        ..PLAIN
    },
    OptionSpec {
        path: "partition.names",
        kind: OptionKind::Boolean,
        default: Some("true"),
        doc: "Whether a folder is called `name=value`, as Hive has it, or by the value alone.",
        example: "false",
        ..PLAIN
    },
    OptionSpec {
        path: "partition.zone",
        default: Some("UTC"),
        doc: "The IANA time zone of `_date` patterns.",
        example: "Europe/Berlin",
        ..PLAIN
    },
    OptionSpec {
        path: "partition.timestamp",
        default: Some("_timestamp"),
        doc: "The time that `_date` patterns show: `_timestamp` is the record's, any other word a timestamp column.",
        example: "created_at",
        ..PLAIN
    },
    OptionSpec {
        path: "partition.parse",
        kind: OptionKind::Choice(&["rfc3339", "millis", "micros"]),
        doc: "How the column of `partition.timestamp` is read where no schema says that it is a timestamp.",
        example: "rfc3339",
        ..PLAIN
    },
    OptionSpec {
        path: "separator",
        default: Some("\"\""),
        doc: "What stands between two records with `format: bytes`.",
        example: "\"\\n\"",
        ..PLAIN
    },
    OptionSpec {
        path: "compat",
        kind: OptionKind::Choice(&["confluent", "lenses"]),
        doc: "Names of objects and folders as another system's sink writes them, so that readers of its files keep working.",
        example: "confluent",
        ..PLAIN
    },
    OptionSpec {
        path: "on_type_change",
        kind: OptionKind::Choice(&["ask", "allow"]),
        default: Some("ask"),
        change: ChangeKind::InPlace,
        doc: "Whether columns may be dropped or change their type under a target that has files already. `ask` makes `apply` want \
              `--allow-schema-break`.",
        example: "allow",
        ..PLAIN
    },
    OptionSpec {
        path: "commit.protocol",
        kind: OptionKind::Choice(&["auto", "ledger", "kafka", "deterministic"]),
        default: Some("auto"),
        change: ChangeKind::Restart,
        doc: "How files come to count. `ledger` keeps numbered records beside them and is exactly once; `kafka` lets the committed offset of \
              the group say which record counts, for stores that ignore conditional writes; `deterministic` makes files visible and moves \
              the position then, which is at least once. `auto` is the ledger wherever the source and the names allow it, and `kafka` where \
              the store ignores conditional writes.",
        example: "deterministic",
        ..PLAIN
    },
    OptionSpec {
        path: "flush.records",
        kind: OptionKind::Integer { min: 1, max: i64::MAX },
        change: ChangeKind::Restart,
        doc: "Closes the files of a source partition when they hold this many records together. No limit by default.",
        example: "1000000",
        ..PLAIN
    },
    OptionSpec {
        path: "flush.bytes",
        kind: OptionKind::Bytes { min: 1, max: 64 << 30 },
        default: Some("128MiB"),
        change: ChangeKind::Restart,
        doc: "Closes the files of a source partition when they hold this many bytes together, as written so far.",
        example: "64MiB",
        ..PLAIN
    },
    OptionSpec {
        path: "flush.interval",
        kind: OptionKind::Duration { min_ms: 100, max_ms: 7 * 86_400_000 },
        default: Some("10m"),
        change: ChangeKind::Restart,
        doc: "Closes the files of a source partition this long after their first record. With `flush.schedule` only where it is written too.",
        example: "1h",
        ..PLAIN
    },
    OptionSpec {
        path: "flush.idle",
        kind: OptionKind::Duration { min_ms: 100, max_ms: 7 * 86_400_000 },
        default: Some("5m"),
        change: ChangeKind::Restart,
        doc: "Closes the files of a source partition when no record came for this long. With `flush.schedule` only where it is written too.",
        example: "30s",
        ..PLAIN
    },
    OptionSpec {
        path: "flush.schedule",
        kind: OptionKind::Duration { min_ms: 1000, max_ms: 86_400_000 },
        change: ChangeKind::Restart,
        doc: "Closes the files of a source partition when the clock on the wall passes the next point of this grid, which begins at each midnight: \
              `1h` at every full hour, `7h` at 0, 7, 14 and 21 o'clock.",
        example: "1h",
        ..PLAIN
    },
    OptionSpec {
        path: "flush.timezone",
        default: Some("UTC"),
        change: ChangeKind::Restart,
        doc: "The IANA time zone of `flush.schedule`.",
        example: "Europe/Berlin",
        ..PLAIN
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_stand_for_options_that_exist() {
        for property in PROPERTIES {
            assert!(OPTIONS.iter().any(|option| option.path == property.option), "{}", property.key);
        }
    }

    #[test]
    fn every_option_is_described_once() {
        for (index, option) in OPTIONS.iter().enumerate() {
            assert!(!option.doc.is_empty() && !option.example.is_empty() && option.doc.ends_with('.'), "{}", option.path);
            assert!(OPTIONS[..index].iter().all(|other| other.path != option.path), "{}", option.path);
            assert!(!option.required && !option.secret, "{}", option.path);
        }
    }

    #[test]
    fn joined_options_keep_their_order() {
        let one = OptionSpec { path: "one", ..PLAIN };
        let joined: [OptionSpec; 3] = join([one], [OptionSpec { path: "two", ..PLAIN }, OptionSpec { path: "three", ..PLAIN }]);
        assert_eq!(joined.map(|option| option.path), ["one", "two", "three"]);
    }
}
