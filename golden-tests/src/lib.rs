//! Golden cases through every stage, and the style test.
