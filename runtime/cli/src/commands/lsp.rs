//! `kpipe lsp`: the language server.

use crate::args::Lsp;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::host::Host;

/// Serves one editor until it says `exit` or is gone.
pub(crate) fn run(args: Lsp, host: &mut Host<'_>) -> Result<Exit, Failure> {
    let Lsp { profile, stdio: _ } = args;
    crate::lsp::serve(host, profile)
}
