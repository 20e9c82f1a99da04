//! The kpipe command line.
