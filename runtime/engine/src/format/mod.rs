//! Formats: bytes of values into columns, rows into bytes of files. No IO.

mod dictionary;
pub(crate) mod json;
pub(crate) mod lines;
pub(crate) mod output;
pub(crate) mod parquet;
pub(crate) mod rows;
pub(crate) mod spare;
