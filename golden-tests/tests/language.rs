//! The language as a whole: what becomes of its mistakes, of its layout, and of inputs that nobody would write.

#[path = "language/compiling.rs"]
mod compiling;
#[path = "language/edits.rs"]
mod edits;
#[path = "language/fuzz/mod.rs"]
mod fuzz;
#[path = "../../grammar/tests/common/gaps.rs"]
mod gaps;
#[path = "language/layout.rs"]
mod layout;
#[path = "language/mutations.rs"]
mod mutations;
#[path = "language/random.rs"]
mod random;
#[path = "golden/rows.rs"]
mod rows;
#[path = "language/rows_of_cases.rs"]
mod rows_of_cases;
#[path = "language/verdict.rs"]
mod verdict;
#[path = "golden/world.rs"]
mod world;
