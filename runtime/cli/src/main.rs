//! The kpipe command.
fn main() {}
