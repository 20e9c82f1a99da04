//! Formats: bytes of values into columns, rows into bytes of files. No IO.

pub(crate) mod json;
