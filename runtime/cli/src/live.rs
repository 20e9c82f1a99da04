//! Looks at the systems of a pipeline without changing them, and at the plan that was applied last.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, ScopedJoinHandle};

use kpipe_compiler::plan::{
    CommitProtocol, DeadLetter, Decode, Endpoint, KeyPlan, Pipeline, RecordTail, Route, Tail, TopicName, ValueFormat,
};
use kpipe_connectors::ALL;
use kpipe_engine::connector::{Bookmarks, ConnectorDef, FileStore, Inspection, OpenRequest, PlanStore, Secrets, Source};
use kpipe_engine::env::Env;
use kpipe_engine::error::{ConnectorError, ErrorKind};
use kpipe_engine::ledger::audit::Audited;
use kpipe_engine::ledger::progress::Progress;
use kpipe_engine::ledger::{Conditional, is_unconditional, probe_gently, refusal};
use tokio::runtime::Handle;

use crate::origin::End;
use crate::spread::{self, Spread};

/// What is needed to open connectors.
#[derive(Clone, Copy)]
pub(crate) struct World<'a> {
    /// For whatever has to wait.
    pub(crate) runtime: &'a Handle,
    /// Reads secrets.
    pub(crate) secrets: &'a dyn Secrets,
    /// The directory of the command: folders of pipelines are named from here.
    pub(crate) dir: &'a Path,
}

/// What the systems of one pipeline said.
#[derive(Debug, Default)]
pub(crate) struct Look {
    /// The source.
    pub(crate) source: Inspection,
    /// The sink.
    pub(crate) sink: Inspection,
    /// Where rejected records go.
    pub(crate) dead_letter: Inspection,
    /// The plan that was applied last, as it was written.
    pub(crate) applied: Option<Vec<u8>>,
    /// What the store of a ledger makes of conditions; `None` if there is to be no ledger, or the store was not asked.
    pub(crate) conditions: Option<Conditions>,
    /// What the statements make of the newest records, where somebody asked.
    pub(crate) spreads: Vec<Spread>,
    /// Why that is not known, though somebody asked.
    pub(crate) not_spread: Option<String>,
}

/// Whether a store refuses to overwrite when it is asked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Conditions {
    /// It does.
    Honoured,
    /// It does not: the group's offsets say which records count.
    Ignored,
    /// It did not let itself be tried: why.
    Unknown(String),
}

/// What is wrong at one end of a pipeline.
#[derive(Debug)]
pub(crate) struct Trouble {
    /// Which end.
    pub(crate) end: End,
    /// What.
    pub(crate) error: ConnectorError,
}

impl World<'_> {
    /// Asks every end and reads the applied plan. What is wrong at one end does not hide what is wrong at another.
    pub(crate) fn look(&self, pipeline: &Pipeline) -> Result<Look, Vec<Trouble>> {
        let mut troubles: Vec<Trouble> = Vec::new();
        let mut look = Look::default();
        // At the same time: one that does not answer takes its time to be given up.
        let (source, sink, dead_letter) = thread::scope(|scope| {
            let source = scope.spawn(|| self.inspect(pipeline, &pipeline.source, &pipeline.routes));
            let sink = scope.spawn(|| self.inspect(pipeline, &pipeline.sink, &pipeline.routes));
            let dead_letter = self.dead_letter(pipeline);
            (joined(source), joined(sink), dead_letter)
        });
        let ends = [
            (End::Source, source, &mut look.source),
            (End::Sink, sink, &mut look.sink),
            (End::DeadLetter, dead_letter, &mut look.dead_letter),
        ];
        for (end, found, place) in ends {
            match found {
                Ok(found) => *place = found,
                // A cluster can be two ends of a pipeline.
                Err(error) if troubles.iter().any(|said| said.error.message == error.message) => {}
                Err(error) => troubles.push(Trouble { end, error }),
            }
        }
        // What a source lacks does not hide what the store does.
        if look.sink.missing.is_empty() && !troubles.iter().any(|trouble| trouble.end == End::Sink) {
            match self.conditions(pipeline, &look.sink) {
                Ok(conditions) => look.conditions = conditions,
                Err(error) => troubles.push(Trouble { end: End::Sink, error }),
            }
        }
        // A bucket that is missing or closed holds no plan to read either; the inspection says so in better words.
        if troubles.is_empty() && look.sink.missing.is_empty() {
            let read = self.plans(pipeline).and_then(|plans| plans.map_or(Ok(None), |mut plans| plans.read(&pipeline.name)));
            match read {
                Ok(applied) => look.applied = applied,
                Err(error) => troubles.push(Trouble { end: End::Sink, error }),
            }
        }
        if troubles.is_empty() { Ok(look) } else { Err(troubles) }
    }

    /// Tries the statements on the newest records of the source, for what [`Look`] says about folders.
    pub(crate) fn spreads(&self, pipeline: &Pipeline) -> Result<Vec<Spread>, ConnectorError> {
        let Some(newest) = definition(&pipeline.source)?.newest.filter(|_| spread::is_of_interest(pipeline)) else { return Ok(Vec::new()) };
        let batches = newest(&self.request(pipeline, &pipeline.source, &pipeline.routes))?;
        Ok(spread::spreads(pipeline, &batches)?)
    }

    /// Tries the store that is to hold the ledger, as a start of the pipeline does.
    fn conditions(&self, pipeline: &Pipeline, sink: &Inspection) -> Result<Option<Conditions>, ConnectorError> {
        let first = pipeline.routes.iter().find_map(|route| if let Tail::Files(tail) = &route.tail { Some((route, tail)) } else { None });
        let is_tried = match pipeline.commit {
            CommitProtocol::Auto | CommitProtocol::Ledger => true,
            CommitProtocol::Kafka | CommitProtocol::Deterministic => false,
        };
        let (Some((route, tail)), Some(open)) = (first.filter(|_| is_tried), definition(&pipeline.sink)?.store) else { return Ok(None) };
        if sink.creates_by_itself {
            return Ok(Some(Conditions::Honoured));
        }
        let store = open(&self.request(pipeline, &pipeline.sink, std::slice::from_ref(route)))?;
        let nonce = format!("plan-{:016x}", Env::system().random.next());
        let probed = self.runtime.block_on(probe_gently(store.as_ref(), &tail.prefix, &nonce));
        if pipeline.commit == CommitProtocol::Auto && is_unconditional(&probed) {
            return Ok(Some(Conditions::Ignored));
        }
        match probed {
            Ok(Conditional::Honoured) => Ok(Some(Conditions::Honoured)),
            Ok(Conditional::Ignored) => Err(refusal(&store.place())),
            // Whoever plans need not be allowed to write.
            Err(error) if error.kind == ErrorKind::Denied => Ok(Some(Conditions::Unknown(error.message))),
            Err(error) => Err(error),
        }
    }

    fn dead_letter(&self, pipeline: &Pipeline) -> Result<Inspection, ConnectorError> {
        let Some(DeadLetter { topic, cluster }) = &pipeline.errors.dead_letter else { return Ok(Inspection::default()) };
        let tail = RecordTail { topic: TopicName::Fixed(topic.clone()), key: KeyPlan::Keep, format: None };
        let decode = Decode { format: ValueFormat::Bytes, columns: Vec::new() };
        let route = Route { statement: String::new(), from: String::new(), decode, filter: None, project: None, tail: Tail::Records(tail) };
        self.inspect(pipeline, cluster, &[route])
    }

    /// Where the applied plan of a pipeline is kept: beside its data.
    pub(crate) fn plans(&self, pipeline: &Pipeline) -> Result<Option<Box<dyn PlanStore>>, ConnectorError> {
        let def = definition(&pipeline.sink)?;
        def.plans.map(|open| open(&self.request(pipeline, &pipeline.sink, &pipeline.routes))).transpose()
    }

    /// What an audit of a pipeline's ledger looks at. The group is asked too: it may be ahead of what the ledger says.
    pub(crate) fn audited(&self, pipeline: &Pipeline) -> Result<Audited, ConnectorError> {
        let open = definition(&pipeline.sink)?
            .store
            .ok_or_else(|| ConnectorError::new(ErrorKind::Invalid, format!("connector `{}` stores no files", pipeline.sink.connector)))?;
        let mut outputs: BTreeMap<String, (Arc<dyn FileStore>, BTreeSet<String>)> = BTreeMap::new();
        let mut first = None;
        for route in &pipeline.routes {
            let Tail::Files(tail) = &route.tail else { continue };
            first.get_or_insert((tail.bucket.clone(), tail.prefix.clone()));
            if !outputs.contains_key(&tail.bucket) {
                let store = open(&self.request(pipeline, &pipeline.sink, std::slice::from_ref(route)))?;
                outputs.insert(tail.bucket.clone(), (store, BTreeSet::new()));
            }
            if let Some((_, prefixes)) = outputs.get_mut(&tail.bucket) {
                prefixes.insert(tail.prefix.clone());
            }
        }
        let (bucket, prefix) = first.unwrap_or_default();
        let source = self.inspect(pipeline, &pipeline.source, &pipeline.routes)?.partitions;
        Ok(Audited {
            pipeline: pipeline.name.as_str().into(),
            prefix: prefix.into(),
            bucket,
            outputs,
            source,
            statements: pipeline.routes.len(),
            bookmarks: self.bookmarks(pipeline)?,
            progress: Progress::default(),
        })
    }

    /// Where the source says which records of the ledger count, if it can.
    fn bookmarks(&self, pipeline: &Pipeline) -> Result<Option<Box<dyn Bookmarks>>, ConnectorError> {
        definition(&pipeline.source)?.bookmarks.map(|open| open(&self.request(pipeline, &pipeline.source, &pipeline.routes))).transpose()
    }

    /// Opens the source of a pipeline with these options.
    pub(crate) fn source(&self, pipeline: &Pipeline, endpoint: &Endpoint) -> Result<Option<Box<dyn Source>>, ConnectorError> {
        definition(endpoint)?.source.map(|open| open(&self.request(pipeline, endpoint, &pipeline.routes))).transpose()
    }

    /// What one end of a pipeline says of itself.
    pub(crate) fn inspect(&self, pipeline: &Pipeline, endpoint: &Endpoint, routes: &[Route]) -> Result<Inspection, ConnectorError> {
        match definition(endpoint)?.inspect {
            Some(inspect) => inspect(&self.request(pipeline, endpoint, routes)),
            None => Ok(Inspection::default()),
        }
    }

    fn request<'a>(&'a self, pipeline: &'a Pipeline, endpoint: &'a Endpoint, routes: &'a [Route]) -> OpenRequest<'a> {
        OpenRequest {
            pipeline: &pipeline.name,
            task: 0,
            endpoint,
            routes,
            secrets: self.secrets,
            runtime: self.runtime.clone(),
            starts_in_sink: false,
        }
    }
}

/// The result of a thread; its panic is a panic here.
pub(crate) fn joined<T>(handle: ScopedJoinHandle<'_, T>) -> T {
    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The connector of an endpoint. A saved plan can name one that this binary does not have.
pub(crate) fn definition(endpoint: &Endpoint) -> Result<&'static ConnectorDef, ConnectorError> {
    ALL.iter().copied().find(|def| def.spec.name == endpoint.connector).ok_or_else(|| {
        ConnectorError::new(ErrorKind::Invalid, format!("this binary has no connector `{}`", endpoint.connector))
            .help("the plan was made by another build of kpipe; run `kpipe connectors` to see what this one has")
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use kpipe_compiler::plan::{ErrorPolicy, Guarantee, OptionValue, Options, Promise, SecretRef, Tolerance};

    use super::*;
    use crate::secrets::HostSecrets;

    fn endpoint(connector: &str, options: &[(&str, OptionValue)]) -> Endpoint {
        let options: BTreeMap<String, OptionValue> = options.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        Endpoint { connector: connector.to_owned(), options: Options(options) }
    }

    fn pipeline(source: Endpoint, dir: &Path) -> Pipeline {
        Pipeline {
            name: "p".to_owned(),
            source,
            sink: endpoint("local", &[("dir", OptionValue::Text(dir.display().to_string()))]),
            sampled: None,
            routes: Vec::new(),
            flush: None,
            errors: ErrorPolicy { tolerance: Tolerance::None, dead_letter: None, retry_timeout_ms: None, retry_delay_max_ms: 1 },
            commit: CommitProtocol::Deterministic,
            promise: Promise { guarantee: Guarantee::AtLeastOnce, reason: String::new() },
        }
    }

    fn with_world<T>(look: impl FnOnce(World<'_>) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let secrets = HostSecrets { env: Arc::new(|_: &str| None), dir: "".into() };
        look(World { runtime: runtime.handle(), secrets: &secrets, dir: Path::new("") })
    }

    #[test]
    fn the_applied_plan_is_what_was_written_last() {
        let dir = tempfile::tempdir().unwrap();
        let pipeline = pipeline(endpoint("file", &[("dir", OptionValue::Text(dir.path().display().to_string()))]), dir.path());
        with_world(|world| {
            assert_eq!(world.look(&pipeline).unwrap().applied, None);
            for text in ["one", "two"] {
                world.plans(&pipeline).unwrap().unwrap().write("p", text.as_bytes()).unwrap();
                assert_eq!(world.look(&pipeline).unwrap().applied.as_deref(), Some(text.as_bytes()));
            }
        });
    }

    #[test]
    fn a_connector_of_another_build_and_an_unset_secret_are_named() {
        let dir = tempfile::tempdir().unwrap();
        with_world(|world| {
            let unknown = world.look(&pipeline(endpoint("pulsar", &[]), dir.path())).unwrap_err();
            let Trouble { end, error } = &unknown[0];
            assert!(*end == End::Source && error.kind == ErrorKind::Invalid && error.message.contains("pulsar"), "{unknown:?}");
            let options = [
                ("url", OptionValue::Text("mqtt://127.0.0.1:1".to_owned())),
                ("username", OptionValue::Text("u".to_owned())),
                ("password", OptionValue::Secret(SecretRef::Env("NOT_SET_ANYWHERE".to_owned()))),
            ];
            let unset = world.look(&pipeline(endpoint("mqtt", &options), dir.path())).unwrap_err();
            let error = &unset[0].error;
            assert!(unset.len() == 1 && error.kind == ErrorKind::Invalid && error.message.contains("NOT_SET_ANYWHERE"), "{unset:?}");
        });
    }
}
