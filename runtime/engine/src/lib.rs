//! A plan, running.

mod columns;
pub mod connector;
pub mod error;
#[cfg(test)]
mod fixture;
mod format;
pub mod path;
pub mod position;
pub mod records;
pub mod reject;
