//! `kpipe plan`: what would change, where pipelines would start, and what is missing.

use std::path::Path;

use kpipe_compiler::diff::Action;
use kpipe_compiler::plan::Pipeline;
use kpipe_compiler::plan::wire::{self, SavedPlan};
use kpipe_compiler::sources::Mode;

use super::publish::{Published, publish};
use super::{failed, findings, print, runtime};
use crate::advice;
use crate::args::{Common, Plan, Voice};
use crate::compile::{Compiled, Sampler, Unit, compile};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::host::{Host, Style};
use crate::live::World;
use crate::planning::{self, Planned};
use crate::render::diagnostics::{Document, Finding};
use crate::render::markdown::fenced;
use crate::render::plan::PipelineView;
use crate::render::{self, json};
use crate::sample;
use crate::secrets::HostSecrets;

/// Compiles, compares, prints, saves.
pub(crate) fn run(common: &Common, args: &Plan, host: &mut Host<'_>) -> Result<Exit, Failure> {
    let look = |unsampled: &[Pipeline]| sample::schemas(host, unsampled);
    let sampler: Option<Sampler<'_>> = if args.offline { None } else { Some(&look) };
    let mut compiled = compile(host, &args.inputs.paths, args.inputs.profile.as_deref(), Mode::Plan, sampler)?;
    let mut failures = Vec::new();
    let mut planned = Vec::new();
    if !compiled.has_errors {
        let pipelines = std::mem::take(&mut compiled.pipelines);
        (planned, failures) = if args.offline { (planning::offline(pipelines), Vec::new()) } else { live(host, pipelines)? };
        compiled.findings.extend(advice::findings(&planned, &mut compiled.documents));
    }
    let mut exit = if compiled.has_errors { Exit::Invalid } else { Exit::Done };
    exit = failures.iter().fold(exit, |worst, failure| worst.worst(failure.exit));
    if exit == Exit::Done {
        if args.detailed_exitcode && pending(&planned) {
            exit = Exit::ChangesPending;
        }
        if let Some(path) = &args.out {
            save(host, path, &compiled, &planned)?;
        }
    }
    show(common, args, host, compiled, &planned, failures, exit)?;
    Ok(exit)
}

fn live(host: &Host<'_>, pipelines: Vec<Unit>) -> Result<(Vec<Planned>, Vec<Failure>), Failure> {
    let runtime = runtime()?;
    let secrets = HostSecrets::of(host);
    let world = World { runtime: runtime.handle(), secrets: &secrets, dir: &host.dir };
    let (mut planned, failures) = planning::online(world, pipelines);
    planning::spread(world, &mut planned);
    runtime.shutdown_background();
    Ok((planned, failures))
}

/// Whether applying would do anything. Offline that is not known, so it counts as yes.
fn pending(planned: &[Planned]) -> bool {
    planned.iter().any(|planned| planned.change.as_ref().is_none_or(|change| change.action != Action::None))
}

fn save(host: &Host<'_>, path: &Path, compiled: &Compiled, planned: &[Planned]) -> Result<(), Failure> {
    let saved = SavedPlan {
        pipelines: planned.iter().map(|planned| planned.pipeline.clone()).collect(),
        inputs: planning::inputs(compiled.fingerprints.clone(), planned),
    };
    let text =
        wire::write_out(&saved).map_err(|error| Failure::new(Exit::Invalid, error.to_string()).code(error.code()).help(error.help()))?;
    std::fs::write(host.resolve(path), text).map_err(|error| Failure::file("write", path, &error))
}

fn show(
    common: &Common,
    args: &Plan,
    host: &mut Host<'_>,
    compiled: Compiled,
    planned: &[Planned],
    failures: Vec<Failure>,
    exit: Exit,
) -> Result<(), Failure> {
    let views = planning::views(planned);
    match args.format.into() {
        Voice::Document => {
            let (documents, all) = together(compiled, failures);
            let mut body = render::plan::json(&views);
            if args.schema {
                body["schemas"] = render::plan::schemas_json(&views);
            }
            print(host, &json::document(exit, &documents, &all, body))
        }
        Voice::Published(publication) => {
            let has_errors = compiled.has_errors;
            let (documents, findings) = together(compiled, failures);
            let (log, mut page) = (described(args, Style::PLAIN, &views, false), render::plan::markdown(&views));
            if args.schema {
                let columns = fenced("text", &render::plan::schemas(Style::PLAIN, &views));
                page.push_str(&format!("\n<details><summary>columns</summary>\n\n{columns}\n</details>\n"));
            }
            let (headline, body) = match has_errors {
                true => ("Plan: none, for there are errors.".to_owned(), None),
                false => (render::plan::summary(&views), Some((log.as_str(), page.as_str()))),
            };
            let published = Published { command: "plan", exit, headline: &headline, body, documents, findings: &findings };
            publish(host, publication, published)
        }
        voice @ (Voice::Human | Voice::Plain | Voice::JsonLines) => {
            findings(common, voice, host, &compiled)?;
            if !compiled.has_errors {
                let mut text = described(args, host.out_style(common.color), &views, common.verbose > 0);
                if let (Some(path), true) = (&args.out, failures.is_empty()) {
                    text.push_str(&format!("Saved to {}; `kpipe apply {0}` refuses it once its inputs have moved.\n", path.display()));
                }
                print(host, &text)?;
            }
            failed(common.color, voice, host, failures)
        }
    }
}

/// All that was found, in the files and around them.
fn together(compiled: Compiled, failures: Vec<Failure>) -> (Vec<Document>, Vec<Finding>) {
    let Compiled { mut documents, findings: mut all, .. } = compiled;
    all.extend(failures.into_iter().map(|failure| failure.finding(&mut documents)));
    (documents, all)
}

/// The plan for people.
fn described(args: &Plan, style: Style, views: &[PipelineView], everything: bool) -> String {
    let schemas = if args.schema { render::plan::schemas(style, views) } else { String::new() };
    let mut text = schemas + &render::plan::human(style, views, everything);
    if args.offline {
        text.push_str("Offline: what runs, offsets, topics and buckets were not looked at.\n");
    }
    text
}
