//! The language as a whole: what becomes of its mistakes, of its layout, and of inputs that nobody would write.

#[path = "language/compiling.rs"]
mod compiling;
#[path = "language/edits.rs"]
mod edits;
#[path = "language/mutations.rs"]
mod mutations;
#[path = "language/verdict.rs"]
mod verdict;
