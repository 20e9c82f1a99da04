//! Types of columns. The engine maps each to one Arrow type.

use serde::{Deserialize, Serialize};

/// The columns of a record.
pub type Schema = Vec<Field>;

/// A named column.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type.
    pub data_type: DataType,
    /// Whether it may be null.
    pub nullable: bool,
}

/// A type, in SQL's sense.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataType {
    /// `BOOLEAN`.
    Boolean,
    /// `INT`: 32 bits.
    Int32,
    /// `BIGINT`: 64 bits.
    Int64,
    /// `REAL`.
    Float32,
    /// `DOUBLE`.
    Float64,
    /// `DECIMAL(precision, scale)`, precision 1 to 38.
    Decimal {
        /// Digits.
        precision: u8,
        /// Of them behind the point.
        scale: i8,
    },
    /// `STRING` or `VARCHAR`.
    String,
    /// `BYTES`: base64 text in JSON.
    Bytes,
    /// `DATE`.
    Date,
    /// `TIMESTAMP`: an instant, UTC. In JSON an RFC 3339 text, or a number in this unit since 1970.
    Timestamp(TimeUnit),
    /// A scalar whose type no schema names: its text as JSON writes it, without quotes.
    Any,
    /// `JSON`: any JSON value, kept as its text.
    Json,
    /// Named fields.
    Struct(Vec<Field>),
    /// `ARRAY<T>`.
    List(Box<Field>),
}

/// The resolution of a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeUnit {
    /// `TIMESTAMP(3)`, the default.
    Millisecond,
    /// `TIMESTAMP(6)`.
    Microsecond,
}
