//! The kpipe command line.
//!
//! [`run`] is the whole program: `main` and tests call it with their own arguments, streams and environment.

mod advice;
pub mod args;
mod catalog;
mod commands;
mod compile;
mod consent;
mod demo;
mod display;
pub mod exit;
mod failure;
mod format;
#[cfg(test)]
mod given;
pub mod host;
mod live;
mod load;
mod logging;
mod lsp;
mod origin;
mod outline;
mod paths;
mod planning;
mod reference;
mod render;
mod rewrite;
mod runner;
#[cfg(test)]
#[path = "../../connectors/tests/support/s3_like.rs"]
mod s3_like;
mod sample;
mod secrets;
mod serve;
mod session;
mod signals;
mod spread;
mod unified;

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use clap::{CommandFactory, FromArgMatches};

use args::{Args, ColorChoice, Voice};
use exit::Exit;
use failure::Failure;
use host::Host;

/// Runs one command. `args` starts with the program's name.
pub fn run(args: impl IntoIterator<Item = OsString>, host: &mut Host<'_>) -> Exit {
    let mut args: Vec<OsString> = args.into_iter().collect();
    if args.is_empty() {
        args.push("kpipe".into());
    }
    match catch_unwind(AssertUnwindSafe(|| parsed(args, host))) {
        Ok(exit) => exit,
        Err(_) => {
            let failure = Failure::new(Exit::Bug, "kpipe met a state that its authors believed impossible")
                .code(failure::codes::BUG)
                .help("please report the lines above and the command; nothing beyond the last commit was acknowledged");
            report(host, ColorChoice::Auto, Voice::Human, "", failure)
        }
    }
}

fn parsed(args: Vec<OsString>, host: &mut Host<'_>) -> Exit {
    let parsed = Args::command().try_get_matches_from(args).and_then(|matches| Args::from_arg_matches(&matches));
    match parsed {
        Ok(args) => {
            let (color, voice, name) = (args.common.color, args.command.voice(), args.command.name());
            match enter(host, args.common.chdir.as_deref()).and_then(|()| commands::dispatch(args, host)) {
                Ok(exit) => exit,
                Err(failure) => report(host, color, voice, name, failure),
            }
        }
        Err(error) => usage(&error, host),
    }
}

/// Makes `--chdir` true. A host without a directory of its own is the process, whose directory the connectors see too.
fn enter(host: &mut Host<'_>, chdir: Option<&Path>) -> Result<(), Failure> {
    let Some(dir) = chdir else { return Ok(()) };
    if host.dir.as_os_str().is_empty() {
        return std::env::set_current_dir(dir).map_err(|error| Failure::file("enter", dir, &error));
    }
    host.dir = host.resolve(dir);
    Ok(())
}

/// Help and version go to standard output and are no error; everything else is.
fn usage(error: &clap::Error, host: &mut Host<'_>) -> Exit {
    let style = if error.use_stderr() { host.err_style(ColorChoice::Auto) } else { host.out_style(ColorChoice::Auto) };
    let text = error.render();
    let text = if style.color { text.ansi().to_string() } else { text.to_string() };
    let (stream, exit): (&mut dyn std::io::Write, Exit) = if error.use_stderr() { (host.err, Exit::Usage) } else { (host.out, Exit::Done) };
    match stream.write_all(text.as_bytes()).and_then(|()| stream.flush()) {
        Ok(()) => exit,
        Err(error) => exit.worst(Failure::from(error).exit),
    }
}

/// Says why a command failed and returns its exit code.
fn report(host: &mut Host<'_>, color: ColorChoice, voice: Voice, command: &str, failure: Failure) -> Exit {
    let exit = failure.exit;
    if failure.message.is_empty() {
        return exit;
    }
    // A standard output that is gone leaves nobody to tell; neither does a standard error.
    let _ = match voice {
        Voice::Document => {
            let mut documents = Vec::new();
            let finding = failure.finding(&mut documents);
            let text = render::json::document(exit, &documents, &[finding], serde_json::json!({}));
            host.out.write_all(text.as_bytes()).map_err(Failure::from)
        }
        Voice::Published(publication) => commands::publish::failed(host, publication, command, failure),
        Voice::Human | Voice::Plain | Voice::JsonLines => commands::failed(color, voice, host, vec![failure]),
    };
    exit
}
