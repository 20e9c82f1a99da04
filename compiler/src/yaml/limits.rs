//! What bounds a file's tree.

/// Most values of a file, those that aliases repeat included.
pub const NODES_MAX: usize = 50_000;
/// Deepest nesting.
pub const DEPTH_MAX: usize = 64;
/// Most aliases of a file.
pub const ALIASES_MAX: usize = 100;
