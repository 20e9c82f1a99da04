//! The parts of `kpipe demo` that stand in for the outside world: brokers, devices, and the check of what came out.

pub(crate) mod broker;
pub(crate) mod simulator;
pub(crate) mod verify;
