//! KCQL: text to AST and back.

pub mod ast;
pub mod span;
