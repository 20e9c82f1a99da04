//! Typed expressions: what a route computes for a record.
//!
//! The compiler has made every conversion explicit: the operands of an operator have one type, and an operation says the type of its result.

use serde::{Deserialize, Serialize};

use super::DataType;

/// A typed expression.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expr {
    /// The column with this index in [`Decode::columns`](super::Decode::columns).
    Column(usize),
    /// `_topic`.
    Topic,
    /// `_partition`.
    Partition,
    /// `_offset`.
    Offset,
    /// `_timestamp`.
    Timestamp,
    /// `_key` as text.
    Key,
    /// `_header.x` as text: the last header of that name.
    Header(String),
    /// `_qos`.
    Qos,
    /// `_retained`.
    Retained,
    /// The value as it came.
    Value,
    /// A value that stands in the statement.
    Literal(Literal),
    /// An operator or a function with its operands.
    Call(Box<Call>),
}

/// A constant. Its type is the one of its variant; `Null` has the type it is given.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Literal {
    /// Nothing, of this type.
    Null(DataType),
    /// `BOOLEAN`.
    Boolean(bool),
    /// `INT`.
    Int32(i32),
    /// `BIGINT`.
    Int64(i64),
    /// `DOUBLE`, as the shortest text that reads as the same number: `0.1`, `1e300`, never an infinity.
    Float64(String),
    /// `DECIMAL`: the digits without the point, within 38.
    Decimal {
        /// All digits.
        unscaled: i128,
        /// At most 38.
        precision: u8,
        /// Of them behind the point.
        scale: i8,
    },
    /// `STRING`.
    String(String),
    /// `DATE`: days since 1970-01-01.
    Date(i32),
    /// `TIMESTAMP(6)`: microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
}

/// An operation on values of the same row.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Call {
    /// What is done.
    pub op: Op,
    /// The operands, as [`Op`] says.
    pub args: Vec<Expr>,
    /// The type of the result.
    pub data_type: DataType,
    /// Whether the result may be null.
    pub nullable: bool,
}

/// What an operation does. Null in, null out, where nothing else is said.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// One boolean.
    Not,
    /// Two booleans; unknown as in SQL.
    And,
    /// Two booleans; unknown as in SQL.
    Or,
    /// One value of any type; never null.
    IsNull,
    /// One value of any type; never null.
    IsNotNull,
    /// Two values of one type.
    Equal,
    /// Two values of one type.
    NotEqual,
    /// Two values of one type.
    Less,
    /// Two values of one type.
    LessOrEqual,
    /// Two values of one type.
    Greater,
    /// Two values of one type.
    GreaterOrEqual,
    /// A value, then one or more of its type: true if it is one of them.
    In,
    /// Two texts: the text and the pattern; `%` any text, `_` one character.
    Like {
        /// Before a `%` or `_` that is meant as itself.
        escape: Option<char>,
    },
    /// Two texts, one after the other.
    Concat,
    /// One number. Beyond its type: the record is bad.
    Negate,
    /// Two numbers of the result's type. Beyond it: the record is bad.
    Add,
    /// As `Add`.
    Subtract,
    /// As `Add`; decimals: the scales add up.
    Multiply,
    /// Two numbers of the result's type. By zero: the record is bad.
    Divide,
    /// As `Divide`: the rest has the sign of the first number.
    Modulo,
    /// Condition, result, condition, result, ..., and last the result if no condition is true.
    Case,
    /// One value, to the type of the result. What cannot be converted makes the record bad, or is null.
    Cast {
        /// Null instead of a bad record.
        is_try: bool,
    },
    /// A function of the table in [`functions`](crate::functions), by its name.
    Function(String),
}

impl Expr {
    /// An operation whose result may be null.
    #[must_use]
    pub fn call(op: Op, args: Vec<Expr>, data_type: &DataType, nullable: bool) -> Self {
        Expr::Call(Box::new(Call { op, args, data_type: data_type.clone(), nullable }))
    }

    /// The expressions that it is made of, itself first.
    pub fn walk(&self, visit: &mut dyn FnMut(&Expr)) {
        visit(self);
        if let Expr::Call(call) = self {
            call.args.iter().for_each(|arg| arg.walk(visit));
        }
    }
}
