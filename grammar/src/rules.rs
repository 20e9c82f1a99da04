//! The parser that pest makes of `kcql.pest`.

use pest_derive::Parser;

/// Gives `Rule` and its parser.
#[derive(Parser)]
#[grammar = "src/kcql.pest"]
pub(crate) struct Kcql;
