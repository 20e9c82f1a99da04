//! The `s3` connector against a real server.
