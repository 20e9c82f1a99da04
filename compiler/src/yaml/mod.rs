//! The one YAML reader: text to a tree with a place on every key and value.

mod map;
mod tree;

pub use map::ScalarMap;
#[cfg(test)]
pub(crate) use map::Segment;
pub use tree::{Entry, Node, Scalar, Style, Value};
