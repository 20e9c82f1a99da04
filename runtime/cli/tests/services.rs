//! The binary against real services: `scripts/services up`, then with its exports `--features real-services`.

#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

#[path = "services/common.rs"]
mod common;
#[path = "services/environment.rs"]
mod environment;
#[path = "services/plans.rs"]
mod plans;
#[path = "services/records.rs"]
mod records;
#[path = "../../connectors/tests/support/s3_like.rs"]
mod s3_like;
#[path = "services/stores.rs"]
mod stores;
