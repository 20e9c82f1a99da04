//! `schema: infer`: the fields of a source's values, from the plan that was applied or else from records.
//!
//! What was found is frozen in the record of the applied plan, so that a pipeline keeps its columns whatever comes later.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kpipe_compiler::plan::{Endpoint, OptionValue, Pipeline, Schema};
use kpipe_compiler::schema::infer_schema;
use kpipe_engine::connector::{Accept, Source, SourceEvent};
use kpipe_engine::error::{ConnectorError, ErrorKind};

use crate::catalog::catalog;
use crate::commands::runtime;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::host::Host;
use crate::live::World;
use crate::planning::applied;
use crate::secrets::HostSecrets;

/// Records looked at, at most.
const RECORDS_MAX: usize = 500;
/// Their bytes, at most.
const BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long the first record may take, a group's forming included.
const FIRST_WAIT: Duration = Duration::from_secs(15);
/// How long the next one may take before what there is counts.
const NEXT_WAIT: Duration = Duration::from_secs(1);
/// One poll.
const POLL: Duration = Duration::from_millis(100);

/// The schemas of these pipelines, by their names.
pub(crate) fn schemas(host: &Host<'_>, pipelines: &[Pipeline]) -> Result<BTreeMap<String, Schema>, Failure> {
    let runtime = runtime()?;
    let secrets = HostSecrets::of(host);
    let world = World { runtime: runtime.handle(), secrets: &secrets, dir: &host.dir };
    let schemas = pipelines.iter().map(|pipeline| Ok((pipeline.name.clone(), schema(world, pipeline)?))).collect();
    runtime.shutdown_background();
    schemas
}

fn schema(world: World<'_>, pipeline: &Pipeline) -> Result<Schema, Failure> {
    let about = |failure: Failure| Failure { message: format!("{}: {}", pipeline.name, failure.message), ..failure };
    if let Some(schema) = frozen(world, pipeline).map_err(about)? {
        return Ok(schema);
    }
    let endpoint = reader(&pipeline.source).map_err(about)?;
    let source = world.source(pipeline, &endpoint).map_err(|error| about(error.into()))?;
    let mut source = source.ok_or_else(|| about(not_sampled(&pipeline.source)))?;
    let samples = samples(source.as_mut()).map_err(|error| about(error.into()))?;
    if samples.is_empty() {
        return Err(about(
            Failure::new(Exit::Unreachable, "there are no records yet to infer the schema from")
                .help("declare the fields as `schema: { id: bigint, name: string }`, or plan again when there are records"),
        ));
    }
    let samples: Vec<&[u8]> = samples.iter().map(Vec::as_slice).collect();
    infer_schema(&samples).map_err(|error| {
        about(
            Failure::new(Exit::Invalid, format!("the schema cannot be inferred: {error}"))
                .help("declare the fields as `schema: { id: bigint, name: string }`"),
        )
    })
}

/// The schema in the record of what was applied.
fn frozen(world: World<'_>, pipeline: &Pipeline) -> Result<Option<Schema>, Failure> {
    let Some(mut plans) = world.plans(pipeline)? else { return Ok(None) };
    let Some(bytes) = plans.read(&pipeline.name)? else { return Ok(None) };
    Ok(applied(&bytes, &pipeline.name)?.and_then(|pipeline| pipeline.sampled))
}

/// The source as somebody who only looks: a group of its own, from the beginning. The pipeline's group is not touched.
fn reader(source: &Endpoint) -> Result<Endpoint, Failure> {
    let Some(OptionValue::Text(group)) = source.options.0.get("group") else { return Err(not_sampled(source)) };
    let mut options = source.options.clone();
    options.0.insert("group".to_owned(), OptionValue::Text(format!("{group}.samples")));
    options.0.insert("from".to_owned(), OptionValue::Text("earliest".to_owned()));
    options.0.remove("group_instance");
    Ok(Endpoint { connector: source.connector.clone(), options })
}

fn not_sampled(source: &Endpoint) -> Failure {
    let readable: Vec<&str> = catalog()
        .connectors
        .iter()
        .filter(|spec| spec.source.as_ref().is_some_and(|source| source.options.iter().any(|option| option.path == "group")))
        .map(|spec| spec.name)
        .collect();
    Failure::new(Exit::Invalid, format!("a schema cannot be inferred from `{}`, only from `{}`", source.connector, readable.join("`, `")))
        .help("declare the fields as `schema: { id: bigint, name: string }`")
}

/// Values of the first records that come.
fn samples(source: &mut dyn Source) -> Result<Vec<Vec<u8>>, ConnectorError> {
    let (mut samples, mut bytes) = (Vec::new(), 0);
    let mut deadline = Instant::now() + FIRST_WAIT;
    while samples.len() < RECORDS_MAX && bytes < BYTES_MAX && Instant::now() < deadline {
        match source.poll(POLL, Accept::Records)? {
            SourceEvent::Batch(batch) => {
                for value in (0..batch.records.len()).filter_map(|row| batch.records.value(row)).take(RECORDS_MAX - samples.len()) {
                    bytes += value.len();
                    samples.push(value.to_vec());
                }
                deadline = Instant::now() + NEXT_WAIT;
            }
            SourceEvent::End => break,
            SourceEvent::Revoked(partitions) | SourceEvent::Lost(partitions) => source.release(&partitions)?,
            SourceEvent::Away(error) if error.kind != ErrorKind::Unreachable => return Err(error),
            SourceEvent::Assigned(_) | SourceEvent::Idle | SourceEvent::Away(_) | SourceEvent::Back => {}
        }
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Arc;

    use kpipe_compiler::plan::Options;
    use kpipe_engine::position::{Delta, PartitionId, Position};
    use kpipe_engine::records::RawBatch;

    use super::*;
    use crate::given::Values;

    /// Hands out its events, then nothing.
    struct Script(VecDeque<Result<SourceEvent, ConnectorError>>, Vec<PartitionId>);

    impl Source for Script {
        fn poll(&mut self, _wait: Duration, _accept: Accept) -> Result<SourceEvent, ConnectorError> {
            self.0.pop_front().unwrap_or(Ok(SourceEvent::Idle))
        }
        fn start(&mut self, _partition: PartitionId, _position: Position) -> Result<(), ConnectorError> {
            panic!("who only looks starts nothing")
        }
        fn commit(&mut self, _positions: &[(PartitionId, Position)]) -> Result<(), ConnectorError> {
            panic!("who only looks commits nothing")
        }
        fn settle(&mut self, _wait: Duration) -> Result<(), ConnectorError> {
            Ok(())
        }
        fn release(&mut self, partitions: &[PartitionId]) -> Result<(), ConnectorError> {
            self.1.extend(partitions);
            Ok(())
        }
        fn ends(&mut self) -> Vec<(PartitionId, Position)> {
            Vec::new()
        }
    }

    fn batch(values: Vec<Option<&'static [u8]>>) -> Result<SourceEvent, ConnectorError> {
        let delta = Delta::new(Position(0), Position(values.len() as i64));
        Ok(SourceEvent::Batch(RawBatch {
            partition: PartitionId(0),
            delta,
            routes: Arc::from([0]),
            bytes: 0,
            records: Box::new(Values { values: values.into_iter().map(|value| value.map(<[u8]>::to_vec)).collect(), partition: 0 }),
        }))
    }

    fn taken(events: Vec<Result<SourceEvent, ConnectorError>>) -> (Result<Vec<Vec<u8>>, ConnectorError>, Vec<PartitionId>) {
        let mut script = Script(events.into(), Vec::new());
        (samples(&mut script), script.1)
    }

    #[test]
    fn values_are_taken_until_the_end() {
        let away = ConnectorError::new(ErrorKind::Unreachable, "no answer yet");
        let events = vec![
            Ok(SourceEvent::Assigned(Vec::new())),
            batch(vec![Some(b"{\"id\":1}"), None]),
            Ok(SourceEvent::Away(away)),
            Ok(SourceEvent::Revoked(vec![PartitionId(3)])),
            batch(vec![Some(b"{\"id\":2}")]),
            Ok(SourceEvent::End),
            batch(vec![Some(b"never")]),
        ];
        let (samples, released) = taken(events);
        assert_eq!(samples.unwrap(), [b"{\"id\":1}", b"{\"id\":2}"]);
        assert_eq!(released, [PartitionId(3)]);
    }

    #[test]
    fn enough_is_enough() {
        let events = (0..100).map(|_| batch(vec![Some(b"{}"); 100])).collect();
        assert_eq!(taken(events).0.unwrap().len(), RECORDS_MAX);
    }

    #[test]
    fn a_missing_right_ends_it() {
        let denied = ConnectorError::new(ErrorKind::Denied, "no right to read");
        let (result, _) = taken(vec![Ok(SourceEvent::Away(denied))]);
        assert_eq!(result.unwrap_err().kind, ErrorKind::Denied);
    }

    #[test]
    fn the_group_of_the_pipeline_is_not_touched() {
        let text = |text: &str| OptionValue::Text(text.to_owned());
        let options = [("group", text("orders")), ("group_instance", text("a")), ("from", text("latest"))];
        let options = Options(options.into_iter().map(|(key, value)| (key.to_owned(), value)).collect());
        let reader = reader(&Endpoint { connector: "kafka".to_owned(), options }).unwrap();
        assert_eq!((reader.options.text("group"), reader.options.text("from")), (Some("orders.samples"), Some("earliest")));
        assert_eq!(reader.options.text("group_instance"), None);
    }

    #[test]
    fn a_source_without_groups_cannot_be_sampled() {
        let failure = reader(&Endpoint { connector: "mqtt".to_owned(), options: Options::default() }).unwrap_err();
        assert_eq!(failure.exit, Exit::Invalid);
        assert!(failure.message.contains("`mqtt`") && failure.message.contains("`kafka`"), "{}", failure.message);
    }
}
