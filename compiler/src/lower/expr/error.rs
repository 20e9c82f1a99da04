//! What can be wrong with an expression.

use miette::Diagnostic;
use thiserror::Error;

/// An expression that has no type.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
pub(in crate::lower) enum ExprError {
    /// `WHERE amount`.
    #[error("{place} needs a condition, but `{text}` is {data_type}")]
    #[diagnostic(code(KP0431), help("compare it with something: `{text} > 0`, `{text} IS NOT NULL`"))]
    NotACondition {
        /// `WHERE`, `AND`.
        place: &'static str,
        /// The operand.
        text: String,
        /// Its type.
        data_type: String,
    },
    /// `amount = 'x'`.
    #[error("{op} needs two values of one type, but `{left}` is {left_type} and `{right}` is {right_type}")]
    #[diagnostic(code(KP0432), help("{help}"))]
    TwoTypes {
        /// The operator.
        op: String,
        /// The first operand.
        left: String,
        /// Its type.
        left_type: String,
        /// The second operand.
        right: String,
        /// Its type.
        right_type: String,
        /// What to convert.
        help: String,
    },
    /// `name * 2`.
    #[error("{op} needs {needed}, but `{text}` is {data_type}")]
    #[diagnostic(code(KP0433), help("{help}"))]
    WrongOperand {
        /// The operator or function.
        op: String,
        /// `a number`, `a text`.
        needed: &'static str,
        /// The operand.
        text: String,
        /// Its type.
        data_type: String,
        /// What to convert.
        help: String,
    },
    /// `uper(a)`.
    #[error("there is no function `{name}`")]
    #[diagnostic(code(KP0434), help("`kpipe help kcql functions` lists them"))]
    UnknownFunction {
        /// As written.
        name: String,
    },
    /// `upper(a, b)`.
    #[error("`{name}` takes {expected}, found {found}")]
    #[diagnostic(code(KP0435), help("it is called `{signature}`"))]
    ArgumentCount {
        /// The function.
        name: &'static str,
        /// How many.
        expected: String,
        /// How many there are.
        found: usize,
        /// How it is called.
        signature: String,
    },
    /// `date_trunc(a, ts)`.
    #[error("`{name}` takes {expected} here, written out in single quotes")]
    #[diagnostic(code(KP0436), help("it is called `{signature}`"))]
    NotWrittenOut {
        /// The function.
        name: &'static str,
        /// A text, or the words.
        expected: String,
        /// How it is called.
        signature: String,
    },
    /// `99999999999999999999`, `TIMESTAMP 'x'`.
    #[error("{what}")]
    #[diagnostic(code(KP0437), help("{help}"))]
    Literal {
        /// What is wrong.
        what: String,
        /// How it is written.
        help: &'static str,
    },
    /// `CAST(meta AS INT)`.
    #[error("{from} cannot be converted to {to}")]
    #[diagnostic(
        code(KP0438),
        help("numbers, texts, times and booleans can be converted to each other; only whole numbers and texts become booleans")
    )]
    NoCast {
        /// The type there is.
        from: String,
        /// The type asked for.
        to: String,
    },
    /// `CAST(a AS nubmer)`.
    #[error("{kind}")]
    #[diagnostic(code(KP0439), help("{help}"))]
    Type {
        /// What is wrong with the type.
        kind: String,
        /// What to write.
        help: String,
    },
}
