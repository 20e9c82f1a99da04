//! `kpipe completions`.

use clap::CommandFactory;

use super::print;
use crate::args::{Args, Completions};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::host::Host;

/// Prints the script for a shell.
pub(crate) fn run(args: &Completions, host: &mut Host<'_>) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "kpipe", &mut script);
    print(host, &String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
