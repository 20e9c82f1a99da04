//! STOREAS and `format:`: what files hold, and whether the columns fit into it.

use kpipe_grammar::ast::StoreAs;
use kpipe_grammar::span::Spanned;
use miette::Diagnostic;
use thiserror::Error;

use super::file_options::{ROW_GROUP_BYTES_MAX, ROW_GROUP_BYTES_MIN, UNCOMPRESSED, codecs, names};
use super::row::Row;
use super::scope::Scope;
use super::setting::{Setting, WrittenFormat, of_clause, of_sink};
use crate::near::{nearest, one_of};
use crate::plan::{Compression, DataType, FileFormat, Projection, ValueFormat};
use crate::sources::Location;
use crate::units::parse_bytes;

/// Formats that files can have one day.
const LATER: [&str; 5] = ["avro", "csv", "csv_withheaders", "orc", "protobuf"];
/// Encoded bytes after which a row group is written out, unless the file says otherwise.
const ROW_GROUP_BYTES: u64 = 64 << 20;

/// A format that cannot be written, or not of this.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
pub(super) enum StoreError {
    /// `STOREAS ORC`.
    #[error("files of the format `{format}` are known, but not supported yet")]
    #[diagnostic(code(KP0335), help("`{sink}` writes {formats}"))]
    NotYet {
        /// The format.
        format: String,
        /// The connector.
        sink: &'static str,
        /// What it writes.
        formats: String,
    },
    /// `STOREAS PARKET`.
    #[error("`{format}` is not a format of files")]
    #[diagnostic(code(KP0336), help("`{sink}` writes {formats}"))]
    Unknown {
        /// The format.
        format: String,
        /// The connector.
        sink: &'static str,
        /// What it writes.
        formats: String,
    },
    /// `parquet: { compresion: zstd }`.
    #[error("`{format}` files have no option `{option}`")]
    #[diagnostic(code(KP0337), help("they have {known}"))]
    UnknownOption {
        /// The format.
        format: String,
        /// The option.
        option: String,
        /// Those that there are.
        known: String,
    },
    /// `level: 99`.
    #[error("`{option}` is {expected}, not `{value}`")]
    #[diagnostic(code(KP0338))]
    WrongOption {
        /// The option.
        option: String,
        /// What it is.
        expected: String,
        /// What was written.
        value: String,
    },
    /// M10.
    #[error("`{codec}` is not available for `{format}` files")]
    #[diagnostic(code(KP0512), help("{help}"))]
    Codec {
        /// The codec.
        codec: String,
        /// The format.
        format: String,
        /// Those that there are.
        help: String,
    },
    /// Parquet of values that nobody described.
    #[error("Parquet files need columns, but the values have no schema")]
    #[diagnostic(
        code(KP0424),
        help(
            "declare the fields under `value:` of the source, as `schema: {{ id: bigint, name: string }}`; or write JSON lines, which need no schema"
        )
    )]
    NoSchema,
    /// JSON lines of bytes.
    #[error("`{file}` files need {needs}, but values are {format} here")]
    #[diagnostic(code(KP0425), help("{help}"))]
    WrongValues {
        /// The format of the files.
        file: &'static str,
        /// What they need.
        needs: &'static str,
        /// What there is.
        format: &'static str,
        /// The way out.
        help: &'static str,
    },
    /// Columns into text.
    #[error("`{file}` files hold the value as it came and have no columns")]
    #[diagnostic(code(KP0426), help("write `SELECT *` without a schema, or another format: `json` or `parquet`"))]
    NoColumns {
        /// The format of the files.
        file: &'static str,
    },
}

/// A format, and where it is written.
pub(super) struct Written {
    pub(super) format: FileFormat,
    pub(super) at: Location,
}

/// The format of a statement: its clause's, else that of the YAML.
pub(super) fn format(scope: &mut Scope<'_>, clause: Option<&Spanned<StoreAs>>) -> Option<Written> {
    let written = match clause {
        Some(clause) => of_clause(scope, &clause.node),
        None => of_sink(scope),
    };
    if !scope.sink.formats.contains(&written.name.as_str()) {
        unknown_format(scope, &written);
        return None;
    }
    let at = written.at;
    let format = match written.name.as_str() {
        "parquet" => {
            let compression = compression(scope, &written, Compression::Zstd(1));
            let row_group_bytes = row_group(scope, &written);
            FileFormat::Parquet { compression: compression?, row_group_bytes: row_group_bytes? }
        }
        "text" => FileFormat::Text { compression: compression(scope, &written, Compression::None)? },
        "bytes" => FileFormat::Bytes { separator: separator(scope, &written)? },
        _ => FileFormat::Json { compression: compression(scope, &written, Compression::None)? },
    };
    Some(Written { format, at })
}

fn unknown_format(scope: &mut Scope<'_>, written: &WrittenFormat) {
    let (sink, format) = (scope.sink_name(), written.name.clone());
    let formats = one_of(scope.sink.formats.iter().copied()).replace(" or ", " and ");
    if LATER.contains(&format.as_str()) {
        scope.error(StoreError::NotYet { format, sink, formats }, [(written.at, "not built yet".to_owned())]);
    } else {
        let near = nearest(&format, scope.sink.formats.iter().copied());
        let label = near.map_or("no such format".to_owned(), |near| format!("did you mean `{near}`?"));
        scope.error(StoreError::Unknown { format, sink, formats }, [(written.at, label)]);
    }
}

/// Reports options that the format has not.
fn check_options(scope: &mut Scope<'_>, written: &WrittenFormat, known: &[&str]) -> bool {
    let mut right = true;
    for setting in written.settings.iter().filter(|setting| !known.contains(&setting.key.as_str())) {
        right = false;
        let near = nearest(&setting.key, known.iter().copied());
        let label = near.map_or("no such option".to_owned(), |near| format!("did you mean `{near}`?"));
        let error = StoreError::UnknownOption {
            format: written.name.clone(),
            option: setting.key.clone(),
            known: one_of(known.iter().copied()).replace(" or ", " and "),
        };
        scope.error(error, [(setting.key_at, label)]);
    }
    right
}

fn setting<'w>(written: &'w WrittenFormat, key: &str) -> Option<&'w Setting> {
    written.settings.iter().find(|setting| setting.key == key)
}

fn wrong(scope: &mut Scope<'_>, setting: &Setting, expected: &str) {
    let error = StoreError::WrongOption { option: setting.key.clone(), expected: expected.to_owned(), value: setting.value.text() };
    scope.error(error, [(setting.at, "out of range".to_owned())]);
}

/// The codec and its level.
fn compression(scope: &mut Scope<'_>, written: &WrittenFormat, default: Compression) -> Option<Compression> {
    if !check_options(scope, written, &names(&written.name)) {
        return None;
    }
    let codecs = codecs(&written.name);
    let level = setting(written, "level");
    let codec = setting(written, "compression");
    let name = codec.map(|codec| codec.value.text().to_lowercase());
    let name = match name.as_deref() {
        Some(word) if UNCOMPRESSED.contains(&word) => Some("none"),
        other => other,
    };
    match (name, codec) {
        (None, _) => match (default, level) {
            (Compression::Zstd(_), Some(level)) => zstd(scope, level),
            (_, Some(level)) => {
                wrong(scope, level, "a level of a codec, and no `compression` is named");
                None
            }
            (default, None) => Some(default),
        },
        (Some(name), Some(codec)) if !codecs.contains(&name) => {
            unknown_codec(scope, written, codec, name, codecs);
            None
        }
        (Some("zstd"), _) => {
            level.map_or(Some(Compression::Zstd(if written.name == "parquet" { 1 } else { 3 })), |level| zstd(scope, level))
        }
        (Some("gzip"), _) => match level.map(|level| (level, level.value.integer().and_then(|number| u32::try_from(number).ok()))) {
            None => Some(Compression::Gzip(6)),
            Some((_, Some(number @ 1..=9))) => Some(Compression::Gzip(number)),
            Some((level, _)) => {
                wrong(scope, level, "a gzip level, 1 to 9");
                None
            }
        },
        (Some(name), _) => match level {
            Some(level) => {
                wrong(scope, level, &format!("for gzip and zstd only (`{name}` has no levels)"));
                None
            }
            None if name == "snappy" => Some(Compression::Snappy),
            None => Some(Compression::None),
        },
    }
}

fn zstd(scope: &mut Scope<'_>, level: &Setting) -> Option<Compression> {
    match level.value.integer().and_then(|number| i32::try_from(number).ok()) {
        Some(number @ 1..=22) => Some(Compression::Zstd(number)),
        _ => {
            wrong(scope, level, "a zstd level, 1 to 22");
            None
        }
    }
}

fn unknown_codec(scope: &mut Scope<'_>, written: &WrittenFormat, codec: &Setting, name: &str, codecs: &[&str]) {
    let format = written.name.clone();
    let label = match name {
        "snappy" => "works with parquet only".to_owned(),
        "gzip" | "lz4" | "brotli" | "lzo" | "bzip2" | "deflate" | "xz" => "not built for these files".to_owned(),
        _ => nearest(name, codecs.iter().copied()).map_or("no such codec".to_owned(), |near| format!("did you mean `{near}`?")),
    };
    let error =
        StoreError::Codec { codec: name.to_owned(), help: format!("for `{format}` use {}", one_of(codecs.iter().copied())), format };
    scope.error(error, [(codec.at, label), (written.at, "files written in this format".to_owned())]);
}

fn row_group(scope: &mut Scope<'_>, written: &WrittenFormat) -> Option<u64> {
    let Some(setting) = setting(written, "row_group") else { return Some(ROW_GROUP_BYTES) };
    match parse_bytes(&setting.value.text()) {
        Some(bytes @ ROW_GROUP_BYTES_MIN..=ROW_GROUP_BYTES_MAX) => Some(bytes),
        _ => {
            wrong(scope, setting, "a size from 1KiB to 1GiB");
            None
        }
    }
}

fn separator(scope: &mut Scope<'_>, written: &WrittenFormat) -> Option<String> {
    if !check_options(scope, written, &names(&written.name)) {
        return None;
    }
    let own = setting(written, "separator").map(|setting| setting.value.text());
    Some(own.unwrap_or_else(|| scope.document.sink.options.text("separator").unwrap_or_default().to_owned()))
}

/// Whether the files can hold what the statement selects.
pub(super) fn check_fits(scope: &mut Scope<'_>, written: &Written, row: &Row, project: Option<&[Projection]>) {
    let values = (scope.source_at("value.format"), "values are read here".to_owned());
    let files = (written.at, "files are written here".to_owned());
    let wrong = |file, needs, help| {
        let format = match row.format {
            ValueFormat::Bytes => "bytes",
            ValueFormat::Text => "text",
            ValueFormat::Json => "JSON",
        };
        StoreError::WrongValues { file, needs, format, help }
    };
    let (json, text) = (row.format == ValueFormat::Json, row.format == ValueFormat::Text);
    match (&written.format, project) {
        (FileFormat::Parquet { .. }, None) => scope.error(StoreError::NoSchema, [files, values]),
        (FileFormat::Parquet { .. }, Some(columns)) => {
            let untyped = |column: &Projection| column.data_type == DataType::Json || column.data_type == DataType::Any;
            if scope.schema.is_none() && columns.iter().any(untyped) {
                scope.error(StoreError::NoSchema, [files, values]);
            }
        }
        (FileFormat::Json { .. }, None) if !json => {
            let error = wrong(
                "json",
                "JSON values",
                "write `value: { format: json }` under the source if they are, or `format: text` or `bytes` here",
            );
            scope.error(error, [files, values]);
        }
        (FileFormat::Text { .. }, None) if !json && !text => {
            let error =
                wrong("text", "text values", "write `value: { format: text }` under the source if they are, or `format: bytes` here");
            scope.error(error, [files, values]);
        }
        (FileFormat::Text { .. }, Some(_)) => scope.error(StoreError::NoColumns { file: "text" }, [files]),
        (FileFormat::Bytes { .. }, Some(_)) => scope.error(StoreError::NoColumns { file: "bytes" }, [files]),
        (FileFormat::Json { .. } | FileFormat::Text { .. } | FileFormat::Bytes { .. }, _) => {}
    }
}
