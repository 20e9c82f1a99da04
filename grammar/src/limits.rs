//! Bounds on what one text may hold, so that no input costs more than it is worth.

/// Bytes of one text.
pub const TEXT_BYTES_MAX: usize = 1024 * 1024;
/// Statements in one text.
pub const STATEMENTS_MAX: usize = 1_000;
/// Items of one list: columns, properties, keys.
pub const ITEMS_MAX: usize = 4_096;
/// Bytes of one word or quoted text; MQTT allows topics of this length.
pub const NAME_BYTES_MAX: usize = 65_535;
/// Parts of one field path.
pub const PATH_PARTS_MAX: usize = 64;
/// Parentheses inside each other.
pub const NESTING_MAX: usize = 32;
/// Values, operators and calls of one expression.
pub const EXPR_PARTS_MAX: usize = 2_000;
/// Errors of one text; the rest of it is not looked at.
pub const ERRORS_MAX: usize = 100;
/// Characters of the text that a message repeats.
pub(crate) const EXCERPT_CHARS_MAX: usize = 40;
