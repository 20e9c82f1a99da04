//! YAML and KCQL to a plan.

pub mod catalog;
pub mod file_options;
pub mod names;
pub mod plan;
pub mod time_pattern;
