//! A plan, running.

pub mod connector;
pub mod error;
pub mod path;
pub mod position;
pub mod records;
pub mod reject;
