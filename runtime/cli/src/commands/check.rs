//! `kpipe check`: what can be said without asking any system.

use serde_json::json;

use kpipe_compiler::sources::Mode;

use super::publish::{Published, publish};
use super::{findings, print};
use crate::args::{Check, Common, Voice};
use crate::compile::{Compiled, compile};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::host::Host;
use crate::render::diagnostics::Severity;
use crate::render::json;

/// Compiles and reports.
pub(crate) fn run(common: &Common, args: &Check, host: &mut Host<'_>) -> Result<Exit, Failure> {
    let compiled = compile(host, &args.inputs.paths, args.inputs.profile.as_deref(), Mode::Check, None)?;
    let exit = if compiled.has_errors { Exit::Invalid } else { Exit::Done };
    let headline = summary(&compiled);
    match args.format.into() {
        Voice::Document => {
            let body = json!({ "files": compiled.files, "pipelines": compiled.read });
            print(host, &json::document(exit, &compiled.documents, &compiled.findings, body))?;
        }
        Voice::Published(publication) => {
            let Compiled { documents, findings, .. } = compiled;
            let published = Published { command: "check", exit, headline: &headline, body: None, documents, findings: &findings };
            publish(host, publication, published)?;
        }
        voice @ (Voice::Human | Voice::Plain | Voice::JsonLines) => {
            findings(common, voice, host, &compiled)?;
            if !common.quiet {
                print(host, &headline)?;
            }
        }
    }
    Ok(exit)
}

/// `check: 3 files, 3 pipelines, 0 errors, 1 warning`.
fn summary(compiled: &Compiled) -> String {
    let count = |severity| json::count(&compiled.findings, severity);
    let errors = plural(count(Severity::Error), "error");
    let warnings = plural(count(Severity::Warning), "warning");
    let (files, pipelines) = (plural(compiled.files, "file"), plural(compiled.read, "pipeline"));
    let nothing = compiled.files > 0 && compiled.read == 0 && !compiled.has_errors;
    let note = if nothing { "no pipeline is written here: a file begins with `version: 1` and `pipeline: NAME`\n" } else { "" };
    format!("check: {files}, {pipelines}, {errors}, {warnings}\n{note}")
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
