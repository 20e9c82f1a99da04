//! `kpipe version`.

use serde::Serialize;

use super::print;
use crate::args::{Format, Version};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::host::Host;
use crate::render::json;

#[derive(Serialize)]
struct Body {
    version: &'static str,
    target: String,
}

/// Prints the version.
pub(crate) fn run(args: &Version, host: &mut Host<'_>) -> Result<Exit, Failure> {
    let version = env!("CARGO_PKG_VERSION");
    let text = match args.format {
        Format::Human | Format::Plain => format!("kpipe {version}\n"),
        Format::Json => {
            let target = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
            json::document(Exit::Done, &[], &[], Body { version, target })
        }
    };
    print(host, &text)?;
    Ok(Exit::Done)
}
