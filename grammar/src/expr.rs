//! Expressions: what stands in WHERE, and beside plain fields in SELECT, PARTITIONBY and WITHKEY.
//!
//! The tree says what was written: names are not resolved, numbers keep their digits, types their words. Printed, it has parentheses
//! only where they change the meaning.

use std::fmt;

use serde::Serialize;

use crate::ast::Path;
use crate::print::{string, write_list};
use crate::span::Spanned;

/// An expression. Two are equal when they say the same, wherever they stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Expr {
    /// `a.b`, `_key.x`, `_topic`.
    Column(Path),
    /// `5`, `'x'`, `TRUE`, `DATE '2026-01-31'`.
    Literal(Literal),
    /// `NOT a`, `- a`.
    Unary {
        /// What is done.
        op: UnaryOp,
        /// With what.
        operand: Box<Spanned<Expr>>,
    },
    /// `a + b`, `a = b`, `a AND b`.
    Binary {
        /// What is done.
        op: BinaryOp,
        /// What stands before it.
        left: Box<Spanned<Expr>>,
        /// What stands behind it.
        right: Box<Spanned<Expr>>,
    },
    /// `a IS NULL`, `a IS NOT NULL`.
    IsNull {
        /// What is looked at.
        operand: Box<Spanned<Expr>>,
        /// `IS NOT NULL`.
        negated: bool,
    },
    /// `a IN (1, 2)`, `a NOT IN (1, 2)`.
    In {
        /// What is looked for.
        operand: Box<Spanned<Expr>>,
        /// Where; not empty.
        list: Vec<Spanned<Expr>>,
        /// `NOT IN`.
        negated: bool,
    },
    /// `a BETWEEN low AND high`, both included.
    Between {
        /// What is compared.
        operand: Box<Spanned<Expr>>,
        /// The least.
        low: Box<Spanned<Expr>>,
        /// The greatest.
        high: Box<Spanned<Expr>>,
        /// `NOT BETWEEN`.
        negated: bool,
    },
    /// `a LIKE 'x%'`.
    Like {
        /// What is compared.
        operand: Box<Spanned<Expr>>,
        /// The pattern: `%` is any text, `_` one character.
        pattern: Box<Spanned<Expr>>,
        /// The character before a `%` or `_` that is meant as itself.
        escape: Option<Spanned<String>>,
        /// `NOT LIKE`.
        negated: bool,
    },
    /// `CASE WHEN a THEN b ELSE c END`, `CASE x WHEN 1 THEN b END`.
    Case {
        /// What each branch is compared with; none: each condition stands for itself.
        operand: Option<Box<Spanned<Expr>>>,
        /// At least one.
        branches: Vec<Branch>,
        /// Without one: null.
        otherwise: Option<Box<Spanned<Expr>>>,
    },
    /// `CAST(a AS INT)`, `TRY_CAST(a AS INT)`.
    Cast {
        /// What is converted.
        operand: Box<Spanned<Expr>>,
        /// The type as written.
        data_type: Spanned<String>,
        /// `TRY_CAST`: null where it cannot be.
        is_try: bool,
    },
    /// `upper(a)`.
    Call {
        /// The function in small letters.
        name: Spanned<String>,
        /// What it is given.
        args: Vec<Spanned<Expr>>,
    },
}

/// `WHEN condition THEN result`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Branch {
    /// The condition, or the value that the operand is compared with.
    pub condition: Spanned<Expr>,
    /// The result.
    pub result: Spanned<Expr>,
}

/// A value that stands in the text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Literal {
    /// `NULL`.
    Null,
    /// `TRUE`, `FALSE`.
    Boolean(bool),
    /// `5`, `-1.50`, `2e3`, as written.
    Number(String),
    /// `'x'`.
    Text(String),
    /// `TIMESTAMP '2026-01-31 12:00:00Z'`.
    Timestamp(String),
    /// `DATE '2026-01-31'`.
    Date(String),
}

/// An operator before its operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum UnaryOp {
    /// `NOT`.
    Not,
    /// `-`.
    Negate,
}

/// An operator between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum BinaryOp {
    /// `OR`.
    Or,
    /// `AND`.
    And,
    /// `=`.
    Equal,
    /// `<>`, `!=`.
    NotEqual,
    /// `<`.
    Less,
    /// `<=`.
    LessOrEqual,
    /// `>`.
    Greater,
    /// `>=`.
    GreaterOrEqual,
    /// `||`.
    Concat,
    /// `+`.
    Add,
    /// `-`.
    Subtract,
    /// `*`.
    Multiply,
    /// `/`.
    Divide,
    /// `%`.
    Modulo,
}

/// How tightly an expression holds together, loosest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Or,
    And,
    Not,
    Compare,
    Concat,
    Sum,
    Product,
    Sign,
    Whole,
}

impl UnaryOp {
    /// As it is printed.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            UnaryOp::Not => "NOT",
            UnaryOp::Negate => "-",
        }
    }

    const fn level(self) -> Level {
        match self {
            UnaryOp::Not => Level::Not,
            UnaryOp::Negate => Level::Sign,
        }
    }
}

impl BinaryOp {
    /// Every operator.
    pub const ALL: [BinaryOp; 14] = [
        BinaryOp::Or,
        BinaryOp::And,
        BinaryOp::Equal,
        BinaryOp::NotEqual,
        BinaryOp::Less,
        BinaryOp::LessOrEqual,
        BinaryOp::Greater,
        BinaryOp::GreaterOrEqual,
        BinaryOp::Concat,
        BinaryOp::Add,
        BinaryOp::Subtract,
        BinaryOp::Multiply,
        BinaryOp::Divide,
        BinaryOp::Modulo,
    ];

    /// As it is printed.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            BinaryOp::Or => "OR",
            BinaryOp::And => "AND",
            BinaryOp::Equal => "=",
            BinaryOp::NotEqual => "<>",
            BinaryOp::Less => "<",
            BinaryOp::LessOrEqual => "<=",
            BinaryOp::Greater => ">",
            BinaryOp::GreaterOrEqual => ">=",
            BinaryOp::Concat => "||",
            BinaryOp::Add => "+",
            BinaryOp::Subtract => "-",
            BinaryOp::Multiply => "*",
            BinaryOp::Divide => "/",
            BinaryOp::Modulo => "%",
        }
    }

    /// True if `a self b next c` is `(a self b) next c`.
    pub(crate) fn comes_before(self, next: BinaryOp) -> bool {
        self.level() >= next.level()
    }

    const fn level(self) -> Level {
        match self {
            BinaryOp::Or => Level::Or,
            BinaryOp::And => Level::And,
            BinaryOp::Equal
            | BinaryOp::NotEqual
            | BinaryOp::Less
            | BinaryOp::LessOrEqual
            | BinaryOp::Greater
            | BinaryOp::GreaterOrEqual => Level::Compare,
            BinaryOp::Concat => Level::Concat,
            BinaryOp::Add | BinaryOp::Subtract => Level::Sum,
            BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Modulo => Level::Product,
        }
    }
}

impl Level {
    /// What an operand must hold at least that stands behind an operator of this level.
    const fn tighter(self) -> Self {
        match self {
            Level::Or => Level::And,
            Level::And => Level::Not,
            Level::Not => Level::Compare,
            Level::Compare => Level::Concat,
            Level::Concat => Level::Sum,
            Level::Sum => Level::Product,
            Level::Product => Level::Sign,
            Level::Sign | Level::Whole => Level::Whole,
        }
    }
}

impl Expr {
    /// The field, if it is nothing else.
    #[must_use]
    pub fn as_column(&self) -> Option<&Path> {
        match self {
            Expr::Column(path) => Some(path),
            Expr::Literal(_)
            | Expr::Unary { .. }
            | Expr::Binary { .. }
            | Expr::IsNull { .. }
            | Expr::In { .. }
            | Expr::Between { .. }
            | Expr::Like { .. }
            | Expr::Case { .. }
            | Expr::Cast { .. }
            | Expr::Call { .. } => None,
        }
    }

    fn level(&self) -> Level {
        match self {
            Expr::Column(_) | Expr::Literal(_) | Expr::Case { .. } | Expr::Cast { .. } | Expr::Call { .. } => Level::Whole,
            Expr::Unary { op, .. } => op.level(),
            Expr::Binary { op, .. } => op.level(),
            Expr::IsNull { .. } | Expr::In { .. } | Expr::Between { .. } | Expr::Like { .. } => Level::Compare,
        }
    }
}

/// An operand, in parentheses if it does not hold together tightly enough.
struct Within<'e>(&'e Spanned<Expr>, Level);

impl fmt::Display for Within<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(expr, level) = self;
        if expr.node.level() < *level { write!(f, "({})", expr.node) } else { write!(f, "{}", expr.node) }
    }
}

/// `NOT ` or nothing.
const fn not(negated: bool) -> &'static str {
    if negated { "NOT " } else { "" }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expr::Column(path) => write!(f, "{path}"),
            Expr::Literal(literal) => write!(f, "{literal}"),
            Expr::Unary { op, operand } => write!(f, "{} {}", op.text(), Within(operand, op.level())),
            Expr::Binary { op, left, right } => {
                write!(f, "{} {} {}", Within(left, op.level()), op.text(), Within(right, op.level().tighter()))
            }
            Expr::IsNull { operand, negated } => write!(f, "{} IS {}NULL", Within(operand, Level::Compare), not(*negated)),
            Expr::In { operand, list, negated } => {
                write!(f, "{} {}IN (", Within(operand, Level::Compare), not(*negated))?;
                write_list(f, list.iter().map(|item| &item.node))?;
                f.write_str(")")
            }
            Expr::Between { operand, low, high, negated } => {
                let (low, high) = (Within(low, Level::Concat), Within(high, Level::Concat));
                write!(f, "{} {}BETWEEN {low} AND {high}", Within(operand, Level::Compare), not(*negated))
            }
            Expr::Like { operand, pattern, escape, negated } => {
                write!(f, "{} {}LIKE {}", Within(operand, Level::Compare), not(*negated), Within(pattern, Level::Concat))?;
                escape.as_ref().map_or(Ok(()), |escape| write!(f, " ESCAPE {}", string(&escape.node)))
            }
            Expr::Case { operand, branches, otherwise } => {
                f.write_str("CASE")?;
                operand.as_ref().map_or(Ok(()), |operand| write!(f, " {}", operand.node))?;
                for Branch { condition, result } in branches {
                    write!(f, " WHEN {} THEN {}", condition.node, result.node)?;
                }
                otherwise.as_ref().map_or(Ok(()), |otherwise| write!(f, " ELSE {}", otherwise.node))?;
                f.write_str(" END")
            }
            Expr::Cast { operand, data_type, is_try } => {
                let cast = if *is_try { "TRY_CAST" } else { "CAST" };
                write!(f, "{cast}({} AS {})", operand.node, data_type.node)
            }
            Expr::Call { name, args } => {
                write!(f, "{}(", name.node)?;
                write_list(f, args.iter().map(|arg| &arg.node))?;
                f.write_str(")")
            }
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Null => f.write_str("NULL"),
            Literal::Boolean(true) => f.write_str("TRUE"),
            Literal::Boolean(false) => f.write_str("FALSE"),
            Literal::Number(digits) => f.write_str(digits),
            Literal::Text(text) => f.write_str(&string(text)),
            Literal::Timestamp(text) => write!(f, "TIMESTAMP {}", string(text)),
            Literal::Date(text) => write!(f, "DATE {}", string(text)),
        }
    }
}
