//! A plan, running.

mod assemble;
mod budget;
mod columns;
pub mod connector;
pub mod env;
pub mod error;
pub mod event;
mod expr;
#[cfg(test)]
mod fixture;
mod format;
pub mod kill;
pub mod ledger;
pub mod limits;
pub mod memory;
pub mod metrics;
pub mod path;
#[cfg(test)]
mod planted;
pub mod position;
pub mod records;
pub mod reject;
mod retry;
pub mod state;
pub mod supervise;
#[cfg(test)]
mod tests;
