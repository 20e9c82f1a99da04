//! The one YAML reader: text to a tree with a place on every key and value.

mod error;
mod limits;
mod map;
mod mistake;
mod read;
mod segments;
#[cfg(test)]
mod tests;
mod tree;

pub use error::YamlError;
pub use limits::{ALIASES_MAX, DEPTH_MAX, NODES_MAX};
pub(crate) use map::MapBuilder;
pub use map::ScalarMap;
#[cfg(test)]
pub(crate) use map::Segment;
pub use read::{Documents, read};
pub use segments::scalar_map;
pub use tree::{Entry, Node, Scalar, Style, Value};
