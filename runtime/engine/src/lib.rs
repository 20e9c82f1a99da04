//! A plan, running.

pub mod connector;
pub mod error;
pub mod position;
pub mod records;
