//! Expressions of the plan over the rows of a batch.
//!
//! | piece | module |
//! |---|---|
//! | what a record brings: columns, metadata | `leaf` |
//! | all expressions of a stage, batch by batch; which rows fail | `exprs` |
//! | a plan's expression as a DataFusion expression | `compile` |
//! | one operation with its own kernel | `step` |
//! | `AND` and `OR` whose right side can fail | `guarded` |
//! | `-0.0` is `0.0` | `float` |
//! | arithmetic, comparisons, conversions, `LIKE`, functions | `arithmetic`, `decimal`, `compare`, `cast`, `like`, `functions` |
//!
//! Three-valued logic, `IN`, `IS NULL` and `CASE` are DataFusion's, and so are the functions that it has. What it wraps
//! around, cuts off or turns into infinity is an error here, so those operations have kernels of their own.
//!
//! A row fails if it fails alone. A batch is evaluated whole; only if that fails are its bad rows found, by halving.

mod arithmetic;
mod cast;
mod compare;
mod compile;
mod decimal;
mod exprs;
mod float;
mod functions;
mod guarded;
mod leaf;
mod like;
mod step;

pub(crate) use exprs::Exprs;
pub(crate) use leaf::{name_of, type_of};

#[cfg(test)]
mod tests;
