//! The connectors: one folder each, with its description, its code, its README and its tests.

#[cfg(test)]
#[path = "../tests/conformance/mod.rs"]
mod conformance;
mod file;
mod files;
mod kafka;
mod local;
pub mod memory;
mod mqtt;
mod s3;
#[cfg(test)]
#[path = "../tests/support/s3_like.rs"]
mod s3_like;

use kpipe_engine::connector::ConnectorDef;

/// Every connector of this binary.
pub static ALL: &[&ConnectorDef] = &[&file::CONNECTOR, &kafka::CONNECTOR, &local::CONNECTOR, &mqtt::CONNECTOR, &s3::CONNECTOR];
