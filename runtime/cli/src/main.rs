//! The kpipe command.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use kpipe::host::{Host, Terminal};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let (mut out, mut err, mut input) = (io::stdout(), io::stderr(), io::stdin().lock());
    let mut host = Host {
        out: &mut out,
        err: &mut err,
        input: &mut input,
        terminal: Terminal::of_process(),
        dir: PathBuf::new(),
        env: Arc::new(|name| std::env::var(name).ok()),
    };
    kpipe::run(std::env::args_os(), &mut host).into()
}
