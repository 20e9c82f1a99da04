//! The options and PROPERTIES that every sink of files has: its layout, its format, and when its files are closed.
//!
//! A connector joins them to its own with [`join`], so that the compiler finds the same words under `s3:` and under `local:`.

use crate::catalog::{ChangeKind, OptionKind, OptionSpec, PropertySpec};

/// Layout, format and flush of a sink of files.
pub const FILE_OPTIONS: [OptionSpec; 13] = [
    OptionSpec {
        default: Some("\"\""),
        example: "raw/orders",
        ..option(
            "prefix",
            OptionKind::Text,
            ChangeKind::NewLayout,
            "The folders that every object name begins with. A prefix in the statement (`bucket:prefix`) comes instead of it.",
        )
    },
    OptionSpec {
        default: Some("json"),
        example: "{ parquet: { compression: zstd } }",
        ..option(
            "format",
            OptionKind::Format,
            ChangeKind::NewLayout,
            "What the files are: `json` (one text a line), `parquet`, `text`, `bytes`. STOREAS in a statement wins.",
        )
    },
    OptionSpec {
        example: "confluent",
        ..option(
            "compat",
            OptionKind::Choice(&["confluent", "lenses"]),
            ChangeKind::NewLayout,
            "Name and lay out objects as another sink does, so that its readers go on working.",
        )
    },
    OptionSpec {
        example: "[country, _date.`yyyy/MM/dd`]",
        ..option(
            "partition_by",
            OptionKind::List(&OptionKind::Text),
            ChangeKind::NewLayout,
            "The folders, in the words of PARTITIONBY: columns, metadata, `_date.<pattern>`, `_date.daily`, `_date.hourly`. PARTITIONBY in a statement wins.",
        )
    },
    OptionSpec {
        default: Some("true"),
        example: "false",
        ..option("partition.keep", OptionKind::Boolean, ChangeKind::NewLayout, "Whether the columns of the folders stay in the files.")
    },
    OptionSpec {
        default: Some("true"),
        example: "false",
        ..option(
            "partition.names",
            OptionKind::Boolean,
            ChangeKind::NewLayout,
            "Whether a folder is called `name=value`, or `value` alone.",
        )
    },
    OptionSpec {
        default: Some("_timestamp"),
        example: "created_at",
        ..option(
            "partition.time",
            OptionKind::Text,
            ChangeKind::NewLayout,
            "The time that `_date` formats: the record's (`_timestamp`) or a field's.",
        )
    },
    OptionSpec {
        example: "rfc3339",
        ..option(
            "partition.parse",
            OptionKind::Choice(&["rfc3339", "millis", "micros"]),
            ChangeKind::NewLayout,
            "How the field in `partition.time` is read where no schema says that it is a timestamp.",
        )
    },
    OptionSpec {
        default: Some("UTC"),
        example: "Australia/Sydney",
        ..option("partition.zone", OptionKind::Text, ChangeKind::NewLayout, "The IANA time zone of `_date`.")
    },
    OptionSpec {
        example: "1000000",
        ..option(
            "flush.records",
            OptionKind::Integer { min: 1, max: 1 << 40 },
            ChangeKind::Restart,
            "Close the files of a source partition after this many records. No limit by default.",
        )
    },
    OptionSpec {
        default: Some("128MiB"),
        example: "64MiB",
        ..option(
            "flush.bytes",
            OptionKind::Bytes { min: 1, max: 1 << 40 },
            ChangeKind::Restart,
            "Close the files of a source partition once they have this many bytes together.",
        )
    },
    OptionSpec {
        default: Some("10m"),
        example: "1h",
        ..option(
            "flush.interval",
            OptionKind::Duration { min_ms: 100, max_ms: 7 * DAY_MS },
            ChangeKind::Restart,
            "Close the files of a source partition this long after their first record.",
        )
    },
    OptionSpec {
        default: Some("5m"),
        example: "30s",
        ..option(
            "flush.idle",
            OptionKind::Duration { min_ms: 100, max_ms: 7 * DAY_MS },
            ChangeKind::Restart,
            "Close the files of a source partition this long after their last record.",
        )
    },
];

/// The PROPERTIES of a sink of files, and the options that they stand for.
pub const FILE_PROPERTIES: &[PropertySpec] = &[
    PropertySpec { key: "flush.count", option: "flush.records", factor: 1 },
    PropertySpec { key: "flush.size", option: "flush.bytes", factor: 1 },
    PropertySpec { key: "flush.interval", option: "flush.interval", factor: 1000 },
    PropertySpec { key: "partition.include.keys", option: "partition.names", factor: 1 },
];

/// The clauses that a sink of files honours.
pub const FILE_CLAUSES: &[&str] = &["PARTITIONBY", "NOPARTITION", "STOREAS", "PROPERTIES"];

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

const fn option(path: &'static str, kind: OptionKind, change: ChangeKind, doc: &'static str) -> OptionSpec {
    OptionSpec { path, kind, required: false, default: None, secret: false, change, doc, example: "" }
}

/// A connector's own options followed by the common ones: `const OPTIONS: [OptionSpec; N] = join(OWN, FILE_OPTIONS)`.
///
/// # Panics
///
/// While compiling, if `N` is not the sum of the two lengths.
#[must_use]
pub const fn join<const A: usize, const B: usize, const N: usize>(own: [OptionSpec; A], common: [OptionSpec; B]) -> [OptionSpec; N] {
    assert!(N == A + B, "the joined list has the length of both");
    let mut joined = [option("", OptionKind::Text, ChangeKind::InPlace, ""); N];
    let mut index = 0;
    while index < N {
        joined[index] = if index < A { own[index] } else { common[index - A] };
        index += 1;
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_says_what_it_is_and_shows_a_value() {
        for option in FILE_OPTIONS {
            assert!(option.doc.ends_with('.'), "{}", option.path);
            assert!(!option.example.is_empty(), "{}", option.path);
        }
    }

    #[test]
    fn every_property_stands_for_an_option() {
        for property in FILE_PROPERTIES {
            assert!(FILE_OPTIONS.iter().any(|option| option.path == property.option), "{}", property.key);
        }
    }

    #[test]
    fn joined_options_keep_their_order() {
        const OWN: [OptionSpec; 1] = [option("endpoint", OptionKind::Text, ChangeKind::Restart, "Where the store is.")];
        const ALL: [OptionSpec; 14] = join(OWN, FILE_OPTIONS);
        assert_eq!(ALL[0].path, "endpoint");
        assert_eq!(ALL[1].path, "prefix");
        assert_eq!(ALL[13].path, "flush.idle");
    }
}
