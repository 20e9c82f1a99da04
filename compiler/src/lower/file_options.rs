//! The options of the formats of files: `STOREAS PARQUET (compression=zstd)`, `format: { parquet: { compression: zstd } }`.

use crate::catalog::{ChangeKind, OptionKind, OptionSpec};

/// Words for `none` that other systems write.
pub(crate) const UNCOMPRESSED: [&str; 2] = ["uncompressed", "false"];
/// Largest row group.
pub(super) const ROW_GROUP_BYTES_MAX: u64 = 1 << 30;
/// Smallest row group.
pub(super) const ROW_GROUP_BYTES_MIN: u64 = 1 << 10;

const PLAIN: OptionSpec = OptionSpec { change: ChangeKind::InPlace, ..OptionSpec::PLAIN };

const LEVEL: OptionSpec = OptionSpec {
    path: "level",
    kind: OptionKind::Integer { min: 1, max: 22 },
    doc: "The level of the codec: 1 to 9 for gzip, 1 to 22 for zstd.",
    example: "3",
    ..PLAIN
};

static PARQUET: [OptionSpec; 3] = [
    OptionSpec {
        path: "compression",
        kind: OptionKind::Choice(&["zstd", "snappy", "none"]),
        default: Some("zstd"),
        doc: "How pages are compressed.",
        example: "snappy",
        ..PLAIN
    },
    LEVEL,
    OptionSpec {
        path: "row_group",
        kind: OptionKind::Bytes { min: ROW_GROUP_BYTES_MIN, max: ROW_GROUP_BYTES_MAX },
        default: Some("64MiB"),
        doc: "Encoded bytes after which a row group is written out.",
        example: "16MiB",
        ..PLAIN
    },
];

static LINES: [OptionSpec; 2] = [
    OptionSpec {
        path: "compression",
        kind: OptionKind::Choice(&["none", "gzip", "zstd"]),
        default: Some("none"),
        doc: "How the file is compressed.",
        example: "gzip",
        ..PLAIN
    },
    LEVEL,
];

static BYTES: [OptionSpec; 1] =
    [OptionSpec { path: "separator", doc: "What stands between two values; nothing if not given.", example: "\"\\n\"", ..PLAIN }];

/// The options of a format.
pub(crate) fn file_options(format: &str) -> &'static [OptionSpec] {
    match format {
        "parquet" => &PARQUET,
        "json" | "text" => &LINES,
        "bytes" => &BYTES,
        _ => &[],
    }
}

/// Their names.
pub(super) fn names(format: &str) -> Vec<&'static str> {
    file_options(format).iter().map(|option| option.path).collect()
}

/// The codecs of a format.
pub(super) fn codecs(format: &str) -> &'static [&'static str] {
    let kinds = file_options(format).iter().map(|option| &option.kind);
    kinds.into_iter().find_map(|kind| if let OptionKind::Choice(words) = kind { Some(*words) } else { None }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_has_its_options_and_codecs() {
        assert_eq!(names("parquet"), ["compression", "level", "row_group"]);
        assert_eq!((names("json"), names("text"), names("bytes")), (names("text"), vec!["compression", "level"], vec!["separator"]));
        assert_eq!(codecs("parquet"), ["zstd", "snappy", "none"]);
        assert_eq!(codecs("json"), ["none", "gzip", "zstd"]);
        assert!(codecs("bytes").is_empty() && names("orc").is_empty());
        for option in ["parquet", "json", "bytes"].into_iter().flat_map(file_options) {
            assert!(option.doc.ends_with('.') && !option.example.is_empty(), "{}", option.path);
        }
    }
}
