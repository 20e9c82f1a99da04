//! YAML and KCQL to a plan.

pub mod catalog;
pub mod codes;
mod compile;
pub mod diff;
pub mod document;
pub mod fix;
pub mod functions;
pub mod lower;
pub mod names;
pub mod near;
pub mod plan;
pub mod promise;
pub mod report;
pub mod schema;
pub mod secrets;
pub mod shape;
pub mod sources;
pub mod time_pattern;
pub mod units;
pub mod yaml;

pub use compile::{Compiled, compile};
