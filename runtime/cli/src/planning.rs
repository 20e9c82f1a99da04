//! From compiled pipelines to a plan: what was applied before, what the systems say, and the fingerprints of it all.

use std::thread;

use kpipe_compiler::catalog::NameKind;
use kpipe_compiler::diff::{PipelineChange, diff};
use kpipe_compiler::plan::explain::explain;
use kpipe_compiler::plan::wire::{self, Applied, Inputs, OffsetFloor, SavedPlan, WireError, fingerprint};
use kpipe_compiler::plan::{Endpoint, Pipeline};

use crate::catalog::catalog;
use crate::compile::Unit;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::live::{Look, Trouble, World, joined};
use crate::origin::{End, Origin, Subject};
use crate::paths::situated;
use crate::render::plan::{LiveView, PipelineView, Unit as PositionUnit};

/// How many pipelines are looked at together. Each look has connections of its own.
const LOOKS_MAX: usize = 8;

/// A pipeline and what is known about it.
#[derive(Debug)]
pub(crate) struct Planned {
    /// What is to run.
    pub(crate) pipeline: Pipeline,
    /// Where its parts are written; `None` for a saved plan.
    pub(crate) origin: Option<Origin>,
    /// Where its relative paths start.
    pub(crate) folder: String,
    /// What its systems said; `None` offline, or if one did not answer.
    pub(crate) look: Option<Look>,
    /// What differs from what was applied; `None` if that is not known.
    pub(crate) change: Option<PipelineChange>,
}

/// The pipelines without a look at their systems.
pub(crate) fn offline(pipelines: Vec<Unit>) -> Vec<Planned> {
    let planned = |Unit { pipeline, origin, folder }| Planned { pipeline, origin, folder, look: None, change: None };
    pipelines.into_iter().map(planned).collect()
}

/// Looks at the systems of each pipeline and compares. One that cannot be looked at stays in the list, its failures beside it.
pub(crate) fn online(world: World<'_>, pipelines: Vec<Unit>) -> (Vec<Planned>, Vec<Failure>) {
    let (mut planned, mut failures) = (Vec::new(), Vec::new());
    let looks = looks(world, &pipelines);
    for (Unit { pipeline, origin, folder }, found) in pipelines.into_iter().zip(looks) {
        let placed = |trouble| placed(&pipeline, origin.as_ref(), trouble);
        let (look, change) = match found {
            Ok(look) => {
                failures.extend(missing(&look).map(placed));
                match compare(&look, &pipeline) {
                    Ok(mut change) => {
                        if let (Some(change), Some(origin)) = (&mut change, &origin) {
                            change.locate(&origin.places);
                        }
                        (Some(look), change)
                    }
                    Err(failure) => {
                        failures.push(Failure { message: format!("{}: {}", pipeline.name, failure.message), ..failure });
                        (None, None)
                    }
                }
            }
            Err(troubles) => {
                failures.extend(troubles.into_iter().map(placed));
                (None, None)
            }
        };
        planned.push(Planned { pipeline, origin, folder, look, change });
    }
    (planned, failures)
}

/// Looks at several pipelines at a time, in their order.
fn looks(world: World<'_>, pipelines: &[Unit]) -> Vec<Result<Look, Vec<Trouble>>> {
    let situated: Vec<Pipeline> = pipelines.iter().map(|unit| situated(&unit.pipeline, &world.dir.join(&unit.folder))).collect();
    let mut looks = Vec::with_capacity(situated.len());
    for some in situated.chunks(LOOKS_MAX) {
        thread::scope(|scope| {
            let handles: Vec<_> = some.iter().map(|pipeline| scope.spawn(move || world.look(pipeline))).collect();
            looks.extend(handles.into_iter().map(joined));
        });
    }
    looks
}

/// Tries the statements of pipelines that were looked at on the newest records of their sources.
pub(crate) fn spread(world: World<'_>, planned: &mut [Planned]) {
    for some in planned.chunks_mut(LOOKS_MAX) {
        thread::scope(|scope| {
            let looked_at = some.iter_mut().filter_map(|Planned { pipeline, folder, look, .. }| {
                let situated = situated(pipeline, &world.dir.join(folder));
                Some((look.as_mut()?, scope.spawn(move || world.spreads(&situated))))
            });
            for (look, handle) in looked_at.collect::<Vec<_>>() {
                match handle.join() {
                    Ok(Ok(spreads)) => look.spreads = spreads,
                    // Nothing that runs needs it: whoever plans need not be allowed to read.
                    Ok(Err(error)) => look.not_spread = Some(error.to_string()),
                    Err(_) => look.not_spread = Some("a stage met a state that its authors believed impossible".to_owned()),
                }
            }
        });
    }
}

/// What differs from what was applied.
fn compare(look: &Look, pipeline: &Pipeline) -> Result<Option<PipelineChange>, Failure> {
    let before = look.applied.as_deref().map(|bytes| applied(bytes, &pipeline.name)).transpose()?.flatten();
    Ok(diff(before.as_ref(), Some(pipeline), catalog()))
}

/// A failure with the place in the files that it is about.
fn placed(pipeline: &Pipeline, origin: Option<&Origin>, trouble: Trouble) -> Failure {
    let Trouble { end, error } = trouble;
    let subject = match origin {
        Some(origin) => origin.subject(pipeline, end, error.about.as_ref()),
        None => Subject::of(pipeline),
    };
    Failure::from(error).about(subject)
}

/// What the systems do not have.
fn missing(look: &Look) -> impl Iterator<Item = Trouble> + '_ {
    let ends = [(End::Source, &look.source), (End::Sink, &look.sink), (End::DeadLetter, &look.dead_letter)];
    ends.into_iter().flat_map(|(end, found)| found.missing.iter().map(move |error| Trouble { end, error: error.clone() }))
}

/// The pipeline of a recorded plan.
pub(crate) fn applied(bytes: &[u8], name: &str) -> Result<Option<Pipeline>, Failure> {
    let text = std::str::from_utf8(bytes).map_err(|_| record_failure(&WireError::NotAPlan("it is not text".to_owned())))?;
    let saved = wire::read(text).map_err(|error| record_failure(&error))?;
    Ok(saved.pipelines.into_iter().find(|pipeline| pipeline.name == name))
}

fn record_failure(error: &WireError) -> Failure {
    Failure::new(Exit::Stale, format!("the record of what was applied cannot be read: {error}")).code(error.code()).help(error.help())
}

/// The bytes that are recorded where a pipeline commits.
pub(crate) fn record(pipeline: &Pipeline) -> String {
    wire::write(&SavedPlan { pipelines: vec![pipeline.clone()], inputs: Inputs::default() })
}

/// What a plan was made from.
pub(crate) fn inputs(files: std::collections::BTreeMap<String, String>, planned: &[Planned]) -> Inputs {
    let mut inputs = Inputs { files, ..Inputs::default() };
    for Planned { pipeline, origin: _, folder, look, change: _ } in planned {
        if !folder.is_empty() {
            inputs.folders.insert(pipeline.name.clone(), folder.clone());
        }
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

/// What the positions of a source count.
fn unit(source: &Endpoint) -> PositionUnit {
    let from = catalog().connector(&source.connector).and_then(|spec| spec.source.as_ref()).map(|source| source.from);
    if from == Some(NameKind::File) { PositionUnit::Bytes } else { PositionUnit::Records }
}

/// Ready to be shown.
pub(crate) fn views(planned: &[Planned]) -> Vec<PipelineView> {
    planned
        .iter()
        .map(|Planned { pipeline, origin, folder: _, look, change }| PipelineView {
            name: pipeline.name.clone(),
            explanation: explain(pipeline).iter().map(ToString::to_string).collect(),
            change: change.clone(),
            places: origin.as_ref().map_or_else(Vec::new, |origin| origin.lines(change.as_ref())),
            live: look.as_ref().map(|look| LiveView {
                source: look.source.clone(),
                sink: look.sink.clone(),
                missing: missing(look).map(|Trouble { end: _, error }| error.to_string()).collect(),
                conditions: look.conditions.clone(),
                not_spread: look.not_spread.clone(),
                unit: unit(&pipeline.source),
            }),
            plan: pipeline.clone(),
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use kpipe_compiler::diff::Action;
    use kpipe_compiler::plan::{CommitProtocol, ErrorPolicy, Guarantee, Options, Promise, Tolerance};
    use kpipe_engine::connector::{Inspection, PartitionInspection};
    use kpipe_engine::error::{ConnectorError, ErrorKind};
    use kpipe_engine::position::Position;

    use super::*;

    pub(crate) fn pipeline(name: &str, connector: &str) -> Pipeline {
        let endpoint = |connector: &str| Endpoint { connector: connector.to_owned(), options: Options::default() };
        Pipeline {
            name: name.to_owned(),
            source: endpoint(connector),
            sink: endpoint("s3"),
            sampled: None,
            routes: Vec::new(),
            flush: None,
            errors: ErrorPolicy { tolerance: Tolerance::None, dead_letter: None, retry_timeout_ms: None, retry_delay_max_ms: 1 },
            commit: CommitProtocol::Deterministic,
            promise: Promise { guarantee: Guarantee::AtLeastOnce, reason: String::new() },
        }
    }

    fn planned(committed: Option<i64>, applied: Option<&str>) -> Planned {
        let partition = PartitionInspection {
            topic: "t".to_owned(),
            partition: 3,
            low: Position(0),
            high: Position(9),
            committed: committed.map(Position),
            start: Position(committed.unwrap_or(0)),
            last_hour: None,
        };
        let source = Inspection { system: "Kafka".to_owned(), partitions: vec![partition], ..Inspection::default() };
        let look = Look { source, applied: applied.map(|text| text.as_bytes().to_vec()), ..Look::default() };
        Planned { pipeline: pipeline("p", "kafka"), origin: None, folder: String::new(), look: Some(look), change: None }
    }

    #[test]
    fn a_record_comes_back_as_the_pipeline_it_was() {
        let recorded = record(&pipeline("p", "kafka"));
        assert_eq!(applied(recorded.as_bytes(), "p").unwrap(), Some(pipeline("p", "kafka")));
        assert_eq!(applied(recorded.as_bytes(), "other").unwrap(), None);
    }

    #[test]
    fn a_record_that_cannot_be_read_is_no_missing_record() {
        for bytes in [b"{}".as_slice(), b"\xff", b""] {
            let failure = applied(bytes, "p").unwrap_err();
            assert_eq!((failure.exit, failure.code), (Exit::Stale, Some("KP0901")));
        }
        let newer = r#"{"kpipe_plan": 9, "kpipe": "9.0.0", "sha256": "", "plan": {}}"#;
        assert_eq!(applied(newer.as_bytes(), "p").unwrap_err().code, Some("KP0904"));
    }

    #[test]
    fn inputs_hold_files_offsets_and_what_was_applied() {
        let files = BTreeMap::from([("p.yaml".to_owned(), "abc".to_owned())]);
        let first = inputs(files.clone(), &[planned(None, None)]);
        assert_eq!(first.offsets[0].offset, -1, "nothing was committed");
        assert!(first.applied.is_empty());
        let later = inputs(files.clone(), &[planned(Some(7), Some("x"))]);
        assert_eq!((later.offsets[0].offset, later.applied["p"].sha256.len()), (7, 64));
        let moves = wire::moved(&later, &inputs(files, &[planned(Some(3), Some("y"))]));
        assert!(moves.iter().any(|text| text.contains("went back from 7 to 3")) && moves.len() == 2, "{moves:?}");
    }

    #[test]
    fn positions_of_files_are_bytes() {
        assert_eq!(unit(&pipeline("p", "kafka").source), PositionUnit::Records);
        assert_eq!(unit(&pipeline("p", "file").source), PositionUnit::Bytes);
        assert_eq!(unit(&pipeline("p", "nobody").source), PositionUnit::Records);
    }

    #[test]
    fn what_is_missing_is_a_failure_of_its_pipeline() {
        let mut look = planned(None, None).look.unwrap();
        let error = ConnectorError::new(ErrorKind::Missing, "topic `x` is not there");
        look.source.missing = vec![error.clone().help("create it with 3 partitions")];
        look.dead_letter.missing = vec![error];
        let found: Vec<Trouble> = missing(&look).collect();
        assert_eq!(found.iter().map(|trouble| trouble.end).collect::<Vec<_>>(), [End::Source, End::DeadLetter]);
        let failures: Vec<Failure> = found.into_iter().map(|trouble| placed(&pipeline("p", "kafka"), None, trouble)).collect();
        assert_eq!((failures[0].message.as_str(), failures[0].exit), ("p: topic `x` is not there", Exit::Unreachable));
        assert_eq!(failures[0].help.as_deref(), Some("create it with 3 partitions"));
        assert!(failures[1].help.is_some(), "there is always something to do");
    }

    #[test]
    fn views_say_create_where_nothing_was_applied() {
        let mut one = planned(None, None);
        one.change = diff(None, Some(&one.pipeline), catalog());
        let views = views(&[one, Planned { look: None, ..planned(None, None) }]);
        assert_eq!(views[0].change.as_ref().map(|change| change.action), Some(Action::Create));
        assert!(views[0].live.is_some() && views[1].live.is_none());
        assert!(views[0].explanation.iter().any(|line| line.starts_with("promise")));
    }
}
