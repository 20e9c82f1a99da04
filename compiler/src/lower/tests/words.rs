//! What is said about statements and ends that do not fit, word for word, with the text that each label points at.

use super::texts::CATALOG;
use super::*;
use crate::compile;
use crate::document::tests::fixture::{World, told};
use crate::sources::Mode;

/// Compiles a pipeline and compares everything that is said.
#[track_caller]
fn says(source: &str, sink: &str, rest: &str, expected: &str) {
    let text = format!("version: 1\npipeline: p\nsource:\n  {source}\nsink:\n  {sink}\n{rest}\n");
    let mut sources = Sources::new();
    sources.add("p.yaml", text.as_str());
    let compiled = compile(&sources, &CATALOG, &World::default(), Mode::Plan);
    let expected: Vec<&str> =
        expected.lines().map(|line| line.strip_prefix("        ").unwrap_or(line)).filter(|line| !line.trim().is_empty()).collect();
    assert_eq!(told(&sources, &compiled.report), expected.join("\n"), "{text}");
    assert_eq!(compiled.pipelines.is_empty(), compiled.report.has_errors());
}

#[test]
fn patterns_of_dates_with_wrong_signs() {
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t PARTITIONBY _date.`yyyy/ddd`",
        r#"
        error KP0601: `d` is written at most 2 times, here 3 times
          8:60 "ddd" in this pattern
          help: letters: y year, M month, d day, H hour, m minute, s second, S fraction
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t PARTITIONBY _date.`yyyy/'MM`",
        r#"
        error KP0601: the quote is not closed
          8:60 "'MM" in this pattern
          help: a quote as such is written ''
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t PARTITIONBY _date.`yyyy[MM]`",
        r#"
        error KP0601: `[` is reserved in date patterns: quote it
          8:59 "[" in this pattern
          help: text that is meant as it is stands in quotes: 'year'=yyyy
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t PARTITIONBY _date.`%Y-%m`",
        r#"
        error KP0601: `%Y` is a strftime letter, but a date pattern has java.time's
          8:55 "%Y" in this pattern
          help: `%Y-%m-%d` is written `yyyy-MM-dd`
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t PARTITIONBY _date.`yyyy//MM`",
        r#"
        error KP0601: the pattern makes an empty folder, `.` or `..`
          8:55 "yyyy//MM" in this pattern
          help: each `/` begins a folder: yyyy/MM/dd
        "#,
    );
}

#[test]
fn patterns_of_dates_without_a_date() {
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t PARTITIONBY _date.`'only text'`",
        r#"
        error KP0601: the pattern has no letter of a date or a time
          8:55 "'only text'" in this pattern
          help: letters: y year, M month, d day, H hour, m minute, s second, S fraction
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t PARTITIONBY _date.`yyyy-qq`",
        r#"
        error KP0601: `q` is not a letter of a date pattern
          8:60 "qq" in this pattern
          help: text that is meant as it is stands in quotes: 'year'=yyyy
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        r#"store: { partition_by: [a, "_date.yyyy/bb"] }"#,
        "kcql: |\n  INSERT INTO lake SELECT * FROM t",
        r#"
        error KP0601: `b` is not a letter of a date pattern
          6:30 "\"_date.yyyy/bb\"" in this pattern
          help: text that is meant as it is stands in quotes: 'year'=yyyy
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t PARTITIONBY _date",
        r#"
        error KP0603: `_date` needs a pattern
          8:48 "_date" which part of the time?
          help: for example _date.`yyyy/MM/dd`, `_date.daily` or `_date.hourly`
        "#,
    );
}

#[test]
fn patterns_that_are_hardly_meant() {
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t PARTITIONBY _date.`yyyy-mm-dd`",
        r#"
        warning KP0602: `m` is the minute; the month is `M`
          8:60 "mm" these letters
          help: write `yyyy-MM-dd`, or quote literal text
          fix: "mm" -> "MM"
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t PARTITIONBY _date.`yyyy-MM-DD`",
        r#"
        warning KP0602: `D` is the day of the year; the day of the month is `d`
          8:63 "DD" these letters
          help: write `yyyy-MM-dd`, or quote literal text
          fix: "DD" -> "dd"
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t PARTITIONBY _date.`dd-hh`",
        r#"
        warning KP0602: `h` is an hour of twelve: morning and evening share a folder; the hour of 24 is `H`
          8:58 "hh" these letters
          help: write `dd-HH`, or quote literal text
          fix: "hh" -> "HH"
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t PARTITIONBY _date.`YYYY`, _date.`MM`",
        r#"
        warning KP0608: several `_date` items make several folders called `date`
          8:36 "PARTITIONBY _date.`YYYY`, _date.`MM`" in one path
          help: write one pattern: _date.`yyyy/MM`, or names as literals: _date.`'year'=yyyy/'month'=MM`
        warning KP0602: `Y` is the year of the week: the last days of December can show the next year
          8:55 "YYYY" these letters
          help: write `yyyy`, or quote literal text
          fix: "YYYY" -> "yyyy"
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t PARTITIONBY _offset",
        r#"
        warning KP0607: `_offset` makes a folder for nearly every record
          8:48 "_offset" a folder for each value
          help: partition by a date of it: _date.`yyyy/MM/dd`
        "#,
    );
}

#[test]
fn folders_of_columns_that_cannot_be_made() {
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t PARTITIONBY `a=b`",
        r#"
        error KP0605: `a=b` cannot be the name of a folder
          8:48 "`a=b`" a folder is called like its column
          help: give the column another name with AS: no `/`, `\`, `=` or control character
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t PARTITIONBY a.id, b.id, _value.a.id",
        r#"
        error KP0606: two folders are called `a.id`
          8:60 "_value.a.id" this one too
          8:48 "a.id" this one
          help: give one of the columns another name with AS
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT a.id AS x, b.id AS X FROM t PARTITIONBY x, X",
        r#"
        error KP0606: two folders are called `X`
          8:70 "X" this one too
          8:67 "x" this one
          help: give one of the columns another name with AS
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json, schema: { id: bigint, tags: [int] } } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t PARTITIONBY tags",
        r#"
        error KP0406: a folder needs a single value, but `tags` is array<int>
          8:48 "tags" array<int>
          4:57 "{ id: bigint, tags: [int] }" the fields are declared here
          help: name a field of it, or another column
        "#,
    );
}

#[test]
fn options_of_folders_that_do_not_fit() {
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: { partition_by: [a..b] }",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t",
        r#"
        error KP0611: `a..b` is not a path
          6:27 "a..b" here
          help: as in PARTITIONBY: `country`, `meta.site`, `_partition`, _date.`yyyy/MM/dd`
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        r#"store: { partition_by: ["`a"] }"#,
        "kcql: |\n  INSERT INTO lake SELECT * FROM t",
        r#"
        error KP0611: ``a` is not a path
          6:27 "\"`a\"" here
          help: as in PARTITIONBY: `country`, `meta.site`, `_partition`, _date.`yyyy/MM/dd`
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: { partition: { keep: false } }",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t PARTITIONBY a",
        r#"
        error KP0610: there are no columns to leave out: values pass through as they came
          6:31 "false" asked for here
          help: name the columns in SELECT, or declare a schema; or remove `keep: false`
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: { partition: { zone: CEST } }",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t PARTITIONBY _date.daily",
        r#"
        error KP0604: `CEST` is not a time zone
          6:31 "CEST" not in the time zone database
          help: an IANA name as `Australia/Sydney`, or `UTC`
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: { partition: { timestamp: a..b } }",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t PARTITIONBY _date.daily",
        r#"
        error KP0611: `a..b` is not a path
          6:36 "a..b" here
          help: as in PARTITIONBY: `country`, `meta.site`, `_partition`, _date.`yyyy/MM/dd`
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json, schema: { ts: boolean } } }",
        "store: { partition: { timestamp: ts } }",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t PARTITIONBY _date.daily",
        r#"
        error KP0412: a time partition needs a timestamp, but `ts` is boolean
          6:36 "ts" boolean here
          4:57 "{ ts: boolean }" the fields are declared here
          help: name a timestamp or a date, or leave `partition.timestamp` out to use the record's own time
        "#,
    );
}

#[test]
fn formats_of_files_that_are_not_there() {
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t STOREAS ORC",
        r#"
        error KP0335: files of the format `orc` are known, but not supported yet
          8:44 "ORC" not built yet
          help: `store` writes `json`, `parquet`, `text` and `bytes`
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: { format: avro }",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t",
        r#"
        error KP0229: the format `avro` is known, but not supported yet
          6:20 "avro" nothing would honour this
          help: `sink.store.format` is `json`, `parquet`, `text` or `bytes`
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t STOREAS PARKET",
        r#"
        error KP0336: `parket` is not a format of files
          8:44 "PARKET" did you mean `parquet`?
          help: `store` writes `json`, `parquet`, `text` and `bytes`
        "#,
    );
}

#[test]
fn codecs_and_levels_of_json_lines() {
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t STOREAS JSON (compresion=gzip)",
        r#"
        error KP0337: `json` files have no option `compresion`
          8:50 "compresion" did you mean `compression`?
          help: they have `compression` and `level`
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t STOREAS JSON (compression=lz4)",
        r#"
        error KP0512: `lz4` is not available for `json` files
          8:62 "lz4" not built for these files
          8:44 "JSON" files written in this format
          help: for `json` use `none`, `gzip` or `zstd`
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: { format: { json: { compression: gzip, level: 12 } } }",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t",
        r#"
        error KP0338: `level` is a gzip level, 1 to 9, not `12`
          6:56 "12" out of range
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: { format: { json: { compression: none, level: 3 } } }",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t",
        r#"
        error KP0338: `level` is for gzip and zstd only (`none` has no levels), not `3`
          6:56 "3" out of range
        "#,
    );
}

#[test]
fn options_of_parquet_and_bytes() {
    says(
        "log: { brokers: [a:1], value: { format: json, schema: { id: int } } }",
        "store: { format: { parquet: { row_group: 1 } } }",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t",
        r#"
        error KP0338: `row_group` is a size from 1KiB to 1GiB, not `1`
          6:44 "1" out of range
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json, schema: { id: int } } }",
        "store: { format: { parquet: { compression: gzip } } }",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t",
        r#"
        error KP0512: `gzip` is not available for `parquet` files
          6:46 "gzip" not built for these files
          6:22 "parquet" files written in this format
          help: for `parquet` use `zstd`, `snappy` or `none`
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json, schema: { id: int } } }",
        "store: { format: { parquet: { level: 23 } } }",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t",
        r#"
        error KP0338: `level` is a zstd level, 1 to 22, not `23`
          6:40 "23" out of range
        "#,
    );
    says(
        "log: { brokers: [a:1] }",
        "store: { format: { bytes: { compression: gzip } } }",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t",
        r#"
        error KP0337: `bytes` files have no option `compression`
          6:31 "compression" no such option
          help: they have `separator`
        "#,
    );
}

#[test]
fn values_that_do_not_fit_into_the_files() {
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: { format: parquet }",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t",
        r#"
        error KP0424: Parquet files need columns, but the values have no schema
          6:20 "parquet" files are written here
          4:43 "json" values are read here
          help: declare the fields under `value:` of the source, as `schema: { id: bigint, name: string }`; or write JSON lines, which need no schema
        "#,
    );
    says(
        "log: { brokers: [a:1] }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t",
        r#"
        error KP0425: `json` files need JSON values, but values are bytes here
          6:3 "store" files are written here
          4:3 "log" values are read here
          help: write `value: { format: json }` under the source if they are, or `format: text` or `bytes` here
        "#,
    );
    says(
        "log: { brokers: [a:1] }",
        "store: { format: text }",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t",
        r#"
        error KP0425: `text` files need text values, but values are bytes here
          6:20 "text" files are written here
          4:3 "log" values are read here
          help: write `value: { format: text }` under the source if they are, or `format: bytes` here
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT _topic FROM t STOREAS TEXT",
        r#"
        error KP0426: `text` files hold the value as it came and have no columns
          8:49 "TEXT" files are written here
          help: write `SELECT *` without a schema, or another format: `json` or `parquet`
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT _topic FROM t STOREAS BYTES",
        r#"
        error KP0426: `bytes` files hold the value as it came and have no columns
          8:49 "BYTES" files are written here
          help: write `SELECT *` without a schema, or another format: `json` or `parquet`
        "#,
    );
    says(
        "log: { brokers: [a:1] }",
        "store: { compat: lenses, format: bytes }",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t",
        r#"
        error KP0513: `compat: lenses` writes one record of bytes a file
          6:20 "lenses" asked for here
          help: write PROPERTIES('flush.count'=1), or leave `compat` out
        "#,
    );
}

#[test]
fn fields_that_the_schema_has_not() {
    says(
        "log: { brokers: [a:1], value: { format: json, schema: { id: bigint, name: string } } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT nmae FROM t",
        r#"
        error KP0401: `t` has no field `nmae`
          8:27 "nmae" did you mean `name` (string)?
          4:71 "name" `name` is declared here
          help: the fields are id, name
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json, schema: { id: bigint, name: string } } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT id.x FROM t",
        r#"
        error KP0402: `id` is bigint and has no fields
          8:27 "id" bigint
          4:57 "{ id: bigint, name: string }" the fields are declared here
          help: only a struct has fields
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json, schema: { id: bigint, meta: { site: string } } } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT meta.sit FROM t",
        r#"
        error KP0401: `meta` has no field `sit`
          8:32 "sit" did you mean `site` (string)?
          4:79 "site" `site` is declared here
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json, schema: { id: bigint } } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT id.* FROM t",
        r#"
        error KP0402: `id.*` needs a struct, but `id` is bigint
          8:27 "id.*" bigint
          4:57 "{ id: bigint }" the fields are declared here
          help: only a struct has fields
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json, schema: { id: bigint } } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT *, _topic AS id FROM t",
        r#"
        error KP0405: two columns are called `id`
          8:30 "_topic AS id" called `id` too
          8:27 "*" called `id`
          help: give one of them another name with AS
        "#,
    );
}

#[test]
fn fields_where_nothing_is_declared() {
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT *, _topic FROM t",
        r#"
        error KP0404: `*` needs a schema here: without one nobody knows which columns it stands for
          8:27 "*" which columns?
          help: declare `schema:` under `value:` of the source, or name the fields; `SELECT *` alone passes values through
        "#,
    );
    says(
        "log: { brokers: [a:1] }",
        "store: { format: bytes }",
        "kcql: |\n  INSERT INTO lake SELECT a FROM t",
        r#"
        error KP0403: `a` is a field, but values are bytes here and have none
          8:27 "a" a field of the value
          4:3 "log" values are read here
          help: write `value: { format: json }` under `log`
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT _header FROM t",
        r#"
        error KP0322: `_header` needs the name of a header
          8:27 "_header" which one?
          help: for example `_header.trace_id`
        "#,
    );
}

#[test]
fn metadata_that_is_not_there() {
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT _key.a FROM t",
        r#"
        error KP0323: `_key.a` is known, but not supported yet: `_key` has no fields here
          8:27 "_key.a" no such column
          help: `_key` is the whole key as text
        "#,
    );
    says(
        "queue: { qos: 1 }",
        "log: { brokers: [b:1] }",
        "kcql: |\n  INSERT INTO t SELECT _offset FROM a",
        r#"
        error KP0321: records from `queue` have no `_offset`
          8:24 "_offset" not there
          help: they have `_topic`, `_timestamp`, `_qos` and `_retained`
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT _qos FROM t",
        r#"
        error KP0321: records from `log` have no `_qos`
          8:27 "_qos" not there
          help: they have `_topic`, `_partition`, `_offset`, `_timestamp`, `_key` and `_header.name`
        "#,
    );
}

#[test]
fn schemas_and_formats_of_values() {
    says(
        "log: { brokers: [a:1], value: { format: json, schema: infer } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t",
        r#"
        error KP0422: the schema is to be inferred, but there are no samples
          4:57 "infer" asked for here
          help: `kpipe plan` without `--offline` reads samples; or write the schema: `{ id: bigint, name: string }`
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { schema: { id: bigint } } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t STOREAS BYTES",
        r#"
        error KP0423: a schema needs values that have fields, but `value.format` is `bytes`
          4:43 "{ id: bigint }" declared here
          4:3 "log" bytes here
          help: add `format: json` beside the schema, or remove the schema
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: avro } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t STOREAS BYTES",
        r#"
        error KP0229: the format `avro` is known, but not supported yet
          4:43 "avro" nothing would honour this
          help: `source.log.value.format` is `json`, `text` or `bytes`
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: jsno } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t STOREAS BYTES",
        r#"
        error KP0349: unknown format `jsno`
          4:43 "jsno" did you mean `json`?
          help: `source.log.value.format` is `json`, `text` or `bytes`
          fix: "jsno" -> "json"
        "#,
    );
    says(
        r#"log: { brokers: [a:1], value: { format: json, registry: "http://r" } }"#,
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t",
        r#"
        error KP0330: `value.registry` is known, but not supported yet
          4:59 "\"http://r\"" not built yet
          help: write the fields as `value: { format: json, schema: { id: bigint } }`; a key is text
        "#,
    );
}

#[test]
fn converters_without_a_counterpart() {
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t WITHCONVERTER=`com.acme.MyConverter`",
        r#"
        error KP0333: the converter `MyConverter` has no counterpart in kpipe
          8:50 "`com.acme.MyConverter`" no such converter
          help: leave WITHCONVERTER out and write `value: { format: json }`, `text` or `bytes` under the source
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t WITHCONVERTER=`io.lenses.AvroConverter`",
        r#"
        error KP0334: the converter `AvroConverter` is known, but not supported yet
          8:50 "`io.lenses.AvroConverter`" not built yet
          help: values are `json`, `text` or `bytes`
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t WITHCONVERTER=`x.JsonSimpelConverter`",
        r#"
        error KP0333: the converter `JsonSimpelConverter` has no counterpart in kpipe
          8:50 "`x.JsonSimpelConverter`" did you mean `JsonSimpleConverter`?
          help: leave WITHCONVERTER out and write `value: { format: json }`, `text` or `bytes` under the source
        "#,
    );
}

#[test]
fn names_of_sources_and_targets() {
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM `a b`",
        r#"
        error KP0301: a Kafka topic cannot contain a blank
          8:34 "`a b`" this name
          help: a topic is 1 to 249 of: letters A to Z, digits, `.`, `_`, `-`
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO My_Lake SELECT * FROM t",
        r#"
        error KP0301: `My_Lake` is not a bucket name: it has capitals
          8:15 "My_Lake" this name
          help: 3 to 63 of: letters a to z, digits, `.`, `-`; a letter or a digit at both ends
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM `*`",
        r#"
        error KP0304: reading every topic is known, but not supported yet
          8:34 "`*`" every topic
          help: write one statement for each topic
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  UPSERT INTO lake SELECT * FROM t",
        r#"
        error KP0305: `store` adds records and replaces none, so it has no UPSERT
          8:3 "UPSERT" not here
          help: write INSERT INTO; a compacted topic keeps the newest record of each key by itself
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "log: { brokers: [a:1] }",
        "kcql: |\n  INSERT INTO t SELECT * FROM t",
        r#"
        error KP0306: this statement would read what it writes, for ever
          8:15 "t" written here
          8:31 "t" read here
          help: write to another topic, or to another cluster
        "#,
    );
}

#[test]
fn filters_of_messages() {
    says(
        "queue: { qos: 1 }",
        "log: { brokers: [b:1] }",
        "kcql: |\n  INSERT INTO t SELECT * FROM a/+; INSERT INTO u SELECT * FROM a/+",
        r#"
        error KP0302: two statements read the filter `a/+`
          8:64 "a/+" and here
          8:31 "a/+" read here
          help: the broker keeps one subscription of it, so each message would go to one of them; use one statement, or two pipelines
        "#,
    );
    says(
        "queue: { qos: 1 }",
        "log: { brokers: [b:1] }",
        "kcql: |\n  INSERT INTO t SELECT * FROM a/+; INSERT INTO u SELECT * FROM a/b",
        r#"
        warning KP0303: the filters `a/+` and `a/b` match the same topics
          8:64 "a/b" and here
          8:31 "a/+" read here
          help: a message that matches both is taken by each statement, so it is written twice
        "#,
    );
    says(
        "queue: { qos: 1 }",
        "log: { brokers: [b:1] }",
        "kcql: |\n  INSERT INTO `$` SELECT * FROM `a b/+`",
        r#"
        error KP0307: no topic that matches `a b/+` can be the name of a Kafka topic: a Kafka topic cannot contain a blank
          8:33 "`a b/+`" this filter
          8:15 "`$`" its topics become Kafka topics
          help: name the target topic instead of `$`
        "#,
    );
    says(
        "queue: { qos: 1 }",
        "log: { brokers: [b:1] }",
        "kcql: |\n  INSERT INTO t SELECT * FROM `a#`",
        r#"
        error KP0301: `#` must be the last level of an MQTT filter and stand alone in it, but here is `a#`
          8:31 "`a#`" this name
          help: `a/#` takes `a` and everything below it
        "#,
    );
    says(
        "queue: { qos: 1 }",
        "log: { brokers: [b:1] }",
        "kcql: |\n  INSERT INTO t SELECT * FROM $share/g",
        r#"
        error KP0301: a shared subscription is written `$share/group/filter`; the filter is missing
          8:31 "$share/g" this name
          help: for example `$share/kpipe/telemetry/+`
        "#,
    );
}

#[test]
fn clauses_that_nobody_honours() {
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "log: { brokers: [b:1] }",
        "kcql: |\n  INSERT INTO b SELECT * FROM a PARTITIONBY c",
        r#"
        error KP0309: PARTITIONBY has no effect from `log` to `log`
          8:33 "PARTITIONBY c" nobody would read this
          help: remove it; besides SELECT and FROM they honour WITHKEY, KEYDELIMITER and WITHCONVERTER
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t WITHKEY(a)",
        r#"
        error KP0309: WITHKEY has no effect from `log` to `store`
          8:36 "WITHKEY(a)" nobody would read this
          help: remove it; besides SELECT and FROM they honour WITHKEY, KEYDELIMITER, WITHCONVERTER, PARTITIONBY, NOPARTITION, STOREAS and PROPERTIES
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t LIMIT 5",
        r#"
        error KP0310: LIMIT is a clause of KCQL that neither `log` nor `store` honours
          8:42 "5" nobody would read this
          help: remove it; besides SELECT and FROM they honour WITHKEY, KEYDELIMITER, WITHCONVERTER, PARTITIONBY, NOPARTITION, STOREAS and PROPERTIES
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t BATCH = 5",
        r#"
        error KP0310: BATCH is a clause of KCQL that neither `log` nor `store` honours
          8:36 "BATCH = 5" nobody would read this
          help: remove it; besides SELECT and FROM they honour WITHKEY, KEYDELIMITER, WITHCONVERTER, PARTITIONBY, NOPARTITION, STOREAS and PROPERTIES
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "log: { brokers: [b:1] }",
        "kcql: |\n  INSERT INTO b SELECT * FROM a KEYDELIMITER='-'",
        r#"
        error KP0308: KEYDELIMITER joins the parts of WITHKEY, but there is no WITHKEY
          8:46 "'-'" joins nothing
          help: add `WITHKEY(a, b)`, or remove KEYDELIMITER
        "#,
    );
}

#[test]
fn properties() {
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t PROPERTIES('flush.cuont'=5)",
        r#"
        error KP0311: `store` has no property `flush.cuont`
          8:47 "'flush.cuont'" did you mean `flush.count`?
          help: it has `flush.count`, `flush.size`, `flush.interval` and `partition.include.keys`
          fix: "flush.cuont" -> "flush.count"
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t PROPERTIES('padding.char'='0')",
        r#"
        error KP0312: the property `padding.char` is known, but not supported yet
          8:47 "'padding.char'" not built yet
          help: remove it
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t PROPERTIES('flush.count'=0)",
        r#"
        error KP0313: `flush.count` is a whole number from 1 on, not `0`
          8:61 "0" not this
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t PROPERTIES('flush.size'=big)",
        r#"
        error KP0313: `flush.size` is a size from 1B to 1TiB, not `big`
          8:60 "big" not this
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM t PROPERTIES('flush.interval'=-1)",
        r#"
        error KP0313: `flush.interval` is a time from 100ms to 1d, in seconds without a unit, not `-1`
          8:64 "-1" not this
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake:a SELECT * FROM t PROPERTIES('flush.count'=5); INSERT INTO lake:b SELECT * FROM t PROPERTIES('flush.count'=6)",
        r#"
        error KP0314: two statements say `flush.count` differently, but the files of a pipeline are closed together
          8:127 "6" and so here
          8:63 "5" so here
          help: say it once, as `flush.records` under the sink; or make two pipelines
        "#,
    );
}

#[test]
fn promises_that_cannot_be_kept() {
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "delivery: exactly_once\nkcql: |\n  INSERT INTO lake SELECT * FROM t",
        r#"
        error KP0501: `exactly_once` into files needs a source that begins where the ledger says, and this one does not
          7:11 "exactly_once" asked for here
          4:3 "log" begins where it stood itself
          help: use `delivery: at_least_once`: after a crash, only whole ranges of positions that stand in the object names can come twice
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: { compat: confluent, flush: { interval: 1m } }",
        "delivery: exactly_once\nkcql: |\n  INSERT INTO lake SELECT * FROM t",
        r#"
        error KP0501: `exactly_once` needs file boundaries that come out the same on every replay
          7:11 "exactly_once" asked for here
          6:50 "1m" depends on when the process runs
          help: leave `compat` out, or use `delivery: at_least_once`: its names hold one offset, so another boundary is another object
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "log: { brokers: [b:1] }",
        "delivery: exactly_once\nkcql: |\n  INSERT INTO b SELECT * FROM a",
        r#"
        error KP0501: `exactly_once` into a log is known, but not supported yet
          7:11 "exactly_once" asked for here
          help: use `delivery: at_least_once`: after a crash, records since the last commit come twice
        "#,
    );
    says(
        "queue: { qos: 1 }",
        "log: { brokers: [b:1] }",
        "delivery: exactly_once\nkcql: |\n  INSERT INTO b SELECT * FROM a",
        r#"
        error KP0501: `exactly_once` needs a source whose records keep their number when they come again
          7:11 "exactly_once" asked for here
          4:3 "queue" sends unacknowledged messages again
          help: use `delivery: at_least_once`; an id in the message lets readers drop what comes twice
        "#,
    );
    says(
        "queue: { qos: 0 }",
        "log: { brokers: [b:1] }",
        "delivery: at_least_once\nkcql: |\n  INSERT INTO b SELECT * FROM a",
        r#"
        error KP0507: QoS 0 can lose messages, so `at_least_once` cannot be kept
          7:11 "at_least_once" asked for here
          4:17 "0" sent once, acknowledged never
          help: set `qos: 1`, or ask for `delivery: at_most_once`
        "#,
    );
    says(
        "queue: { qos: 1 }",
        "store: {}",
        "kcql: |\n  INSERT INTO lake SELECT * FROM a",
        r#"
        error KP0425: `json` files need JSON values, but values are bytes here
          6:3 "store" files are written here
          4:3 "queue" values are read here
          help: write `value: { format: json }` under the source if they are, or `format: text` or `bytes` here
        error KP0502: a source that waits for each acknowledgement cannot feed files: a file needs far more records than may wait
          6:3 "store" writes files
          4:3 "queue" has no position to read again from
          help: go through Kafka: one pipeline from MQTT to a topic, one from the topic to files
        "#,
    );
}

#[test]
fn dead_letters() {
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "errors: { dead_letter: dlq }\nkcql: |\n  INSERT INTO lake SELECT * FROM t",
        r#"
        warning KP0316: `dead_letter` is never used: with `tolerance: none` the first bad record stops the pipeline
          7:24 "dlq" nothing goes here
          help: write `tolerance: all`, or remove `dead_letter`
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "errors: { tolerance: all, dead_letter: a/b }\nkcql: |\n  INSERT INTO lake SELECT * FROM t",
        r#"
        error KP0301: a Kafka topic cannot contain `/`
          7:40 "a/b" this topic
          help: a topic is 1 to 249 of: letters A to Z, digits, `.`, `_`, `-`
        "#,
    );
    says(
        "log: { brokers: [a:1], value: { format: json } }",
        "store: {}",
        "errors: { tolerance: all, dead_letter: \"..\" }\nkcql: |\n  INSERT INTO lake SELECT * FROM t",
        r#"
        error KP0301: a Kafka topic cannot be called `..`
          7:40 "\"..\"" this topic
        
        "#,
    );
}
