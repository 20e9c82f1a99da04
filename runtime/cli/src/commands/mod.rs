//! The commands, one file each. Each says what it does to its host and returns the exit code.

mod apply;
mod check;
mod completions;
mod connectors;
mod demo;
mod explain;
mod fix;
mod fmt;
mod help;
mod kcql;
mod ledger;
mod locate;
mod lsp;
mod offsets;
mod plan;
pub(crate) mod publish;
mod schema;
mod verify;
mod version;

pub(crate) use connectors::kind_words;
use kpipe_compiler::report::SHOWN_MAX;

use crate::args::{Args, ColorChoice, Command, Common, Voice};
use crate::compile::Compiled;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::host::{Host, Style};
use crate::render::diagnostics::{self, Document, Finding};
use crate::render::json;

/// Runs the command.
pub(crate) fn dispatch(args: Args, host: &mut Host<'_>) -> Result<Exit, Failure> {
    let Args { common, command } = args;
    match command {
        Command::Check(args) => check::run(&common, &args, host),
        Command::Plan(args) => plan::run(&common, &args, host),
        Command::Apply(args) => apply::run(&common, &args, host),
        Command::Explain(args) => explain::run(&common, &args, host),
        Command::Fix(args) => fix::run(&common, &args, host),
        Command::Fmt(args) => fmt::run(&common, &args, host),
        Command::Connectors(args) => connectors::run(&common, &args, host),
        Command::Schema(args) => schema::run(&args, host),
        Command::Lsp(args) => lsp::run(args, host),
        Command::Help(args) => help::run(&common, &args, host),
        Command::Demo(args) => demo::run(&common, &args, host),
        Command::Verify(args) => verify::run(&common, &args, host),
        Command::Ledger(args) => ledger::run(&common, &args, host),
        Command::Offsets(args) => offsets::run(&common, &args, host),
        Command::Kcql(args) => kcql::run(&args, host),
        Command::Completions(args) => completions::run(&args, host),
        Command::Version(args) => version::run(&args, host),
    }
}

/// Writes data to standard output.
fn print(host: &mut Host<'_>, text: &str) -> Result<(), Failure> {
    host.out.write_all(text.as_bytes())?;
    Ok(host.out.flush()?)
}

/// Writes what the compiler found to standard error.
fn findings(common: &Common, voice: Voice, host: &mut Host<'_>, compiled: &Compiled) -> Result<(), Failure> {
    let (shown, hidden) = diagnostics::first(&compiled.findings, SHOWN_MAX);
    say(common.color, voice, host, &compiled.documents, &shown)?;
    if hidden > 0 && voice != Voice::JsonLines {
        writeln!(host.err, "... and {hidden} more")?;
    }
    Ok(())
}

/// Writes failures to standard error.
pub(crate) fn failed(color: ColorChoice, voice: Voice, host: &mut Host<'_>, failures: Vec<Failure>) -> Result<(), Failure> {
    let mut documents = Vec::new();
    let said = failures.into_iter().filter(|failure| !failure.message.is_empty());
    let all: Vec<Finding> = said.map(|failure| failure.finding(&mut documents)).collect();
    say(color, voice, host, &documents, &all)
}

fn say(color: ColorChoice, voice: Voice, host: &mut Host<'_>, documents: &[Document], findings: &[Finding]) -> Result<(), Failure> {
    let style = host.err_style(color);
    let text = match voice {
        Voice::Human => diagnostics::render(style, documents, findings),
        // What is published stands on standard output; what is said beside it is for the log.
        Voice::Plain | Voice::Published(_) => diagnostics::render(Style { graphics: false, ..style }, documents, findings),
        Voice::Document => json::document(Exit::Done, documents, findings, serde_json::json!({})),
        Voice::JsonLines => json::lines(documents, findings),
    };
    Ok(host.err.write_all(text.as_bytes())?)
}

/// The threads that wait for other systems. Records move on threads of their own.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("kpipe-io")
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::LocalIo, format!("cannot start threads: {error}")))
}

#[cfg(test)]
mod tests;
