//! YAML and KCQL to a plan.

pub mod catalog;
pub mod diff;
pub mod names;
pub mod plan;
pub mod promise;
pub mod schema;
pub mod time_pattern;
