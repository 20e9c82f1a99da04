//! The one YAML reader: text to a tree with a place on every key and value.

mod error;
mod map;
mod mistake;
mod read;
mod segments;
#[cfg(test)]
mod tests;
mod tree;

pub use error::YamlError;
pub(crate) use map::MapBuilder;
pub use map::ScalarMap;
#[cfg(test)]
pub(crate) use map::Segment;
pub use read::{ALIASES_MAX, DEPTH_MAX, Documents, NODES_MAX, read};
pub use segments::scalar_map;
pub use tree::{Entry, Node, Scalar, Style, Value};
