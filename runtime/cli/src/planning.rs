//! From compiled pipelines to a plan: what was applied before, what the systems say, and the fingerprints of it all.

use kpipe_compiler::diff::{PipelineChange, diff};
use kpipe_compiler::plan::Pipeline;
use kpipe_compiler::plan::explain::explain;
use kpipe_compiler::plan::wire::{self, Applied, Inputs, OffsetFloor, SavedPlan, WireError, fingerprint};
use kpipe_engine::connector::Inspection;
use kpipe_engine::error::ErrorKind;

use crate::catalog::catalog;
use crate::compile::{Origin, Unit};
use crate::exit::Exit;
use crate::failure::{Failure, code_of};
use crate::live::{Look, World};
use crate::render::plan::{LiveView, PipelineView};

/// A pipeline and what is known about it.
#[derive(Debug)]
pub(crate) struct Planned {
    /// What is to run.
    pub(crate) pipeline: Pipeline,
    /// Where its parts are written; `None` for a saved plan.
    pub(crate) origin: Option<Origin>,
    /// What its systems said; `None` offline, or if one did not answer.
    pub(crate) look: Option<Look>,
    /// What differs from what was applied; `None` if that is not known.
    pub(crate) change: Option<PipelineChange>,
}

/// The pipelines without a look at their systems.
pub(crate) fn offline(pipelines: Vec<Unit>) -> Vec<Planned> {
    pipelines.into_iter().map(|Unit { pipeline, origin }| Planned { pipeline, origin, look: None, change: None }).collect()
}

/// Looks at the systems of each pipeline and compares. One that cannot be looked at stays in the list, its failure beside it.
pub(crate) fn online(world: World<'_>, pipelines: Vec<Unit>) -> (Vec<Planned>, Vec<Failure>) {
    let (mut planned, mut failures) = (Vec::new(), Vec::new());
    for Unit { pipeline, origin } in pipelines {
        match compare(world, &pipeline) {
            Ok((look, mut change)) => {
                if let (Some(change), Some(origin)) = (&mut change, &origin) {
                    change.locate(&origin.places);
                }
                failures.extend(missing(&pipeline.name, &look.source).chain(missing(&pipeline.name, &look.sink)));
                planned.push(Planned { pipeline, origin, look: Some(look), change });
            }
            Err(failure) => {
                failures.push(Failure { message: format!("{}: {}", pipeline.name, failure.message), ..failure });
                planned.push(Planned { pipeline, origin, look: None, change: None });
            }
        }
    }
    (planned, failures)
}

fn compare(world: World<'_>, pipeline: &Pipeline) -> Result<(Look, Option<PipelineChange>), Failure> {
    let look = world.look(pipeline)?;
    let before = look.applied.as_deref().map(|bytes| applied(bytes, &pipeline.name)).transpose()?.flatten();
    let change = diff(before.as_ref(), Some(pipeline), catalog());
    Ok((look, change))
}

/// The pipeline of a recorded plan.
fn applied(bytes: &[u8], name: &str) -> Result<Option<Pipeline>, Failure> {
    let text = std::str::from_utf8(bytes).map_err(|_| record_failure(&WireError::NotAPlan("it is not text".to_owned())))?;
    let saved = wire::read(text).map_err(|error| record_failure(&error))?;
    Ok(saved.pipelines.into_iter().find(|pipeline| pipeline.name == name))
}

fn record_failure(error: &WireError) -> Failure {
    Failure::new(Exit::Stale, format!("the record of what was applied cannot be read: {error}")).code(error.code()).help(error.help())
}

fn missing<'a>(pipeline: &'a str, inspection: &'a Inspection) -> impl Iterator<Item = Failure> + 'a {
    inspection.missing.iter().map(move |missing| {
        // What is missing; what to do about it.
        let (what, help) = missing.split_once("; ").unwrap_or((missing, "create it, or correct the name"));
        Failure::new(Exit::from(ErrorKind::Missing), format!("{pipeline}: {what}")).code(code_of(ErrorKind::Missing)).help(help)
    })
}

/// The bytes that are recorded where a pipeline commits.
pub(crate) fn record(pipeline: &Pipeline) -> String {
    wire::write(&SavedPlan { pipelines: vec![pipeline.clone()], inputs: Inputs::default() })
}

/// What a plan was made from.
pub(crate) fn inputs(files: std::collections::BTreeMap<String, String>, planned: &[Planned]) -> Inputs {
    let mut inputs = Inputs { files, ..Inputs::default() };
    for Planned { pipeline, origin: _, look, change: _ } in planned {
        let Some(look) = look else { continue };
        inputs.offsets.extend(look.source.partitions.iter().map(|partition| OffsetFloor {
            pipeline: pipeline.name.clone(),
            topic: partition.topic.clone(),
            partition: partition.partition,
            offset: partition.committed.map_or(-1, |committed| committed.0),
        }));
        if let Some(bytes) = &look.applied {
            inputs.applied.insert(pipeline.name.clone(), Applied { etag: None, sha256: fingerprint(bytes) });
        }
    }
    inputs
}

/// Ready to be shown.
pub(crate) fn views(planned: &[Planned]) -> Vec<PipelineView> {
    planned
        .iter()
        .map(|Planned { pipeline, origin, look, change }| PipelineView {
            name: pipeline.name.clone(),
            explanation: explain(pipeline).iter().map(ToString::to_string).collect(),
            change: change.clone(),
            places: origin.as_ref().map_or_else(Vec::new, |origin| origin.lines(change.as_ref())),
            live: look.as_ref().map(|look| LiveView { source: look.source.clone(), sink: look.sink.clone() }),
            plan: pipeline.clone(),
        })
        .collect()
}
