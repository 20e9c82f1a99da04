//! YAML and KCQL to a plan.

pub mod catalog;
pub mod plan;
