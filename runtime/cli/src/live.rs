//! Looks at the systems of a pipeline without changing them, and at the plan that was applied last.

use kpipe_compiler::plan::{Endpoint, Pipeline};
use kpipe_connectors::ALL;
use kpipe_engine::connector::{ConnectorDef, Inspection, OpenRequest, PlanStore, Secrets, Source};
use kpipe_engine::error::{ConnectorError, ErrorKind};
use tokio::runtime::Handle;

/// What is needed to open connectors.
#[derive(Clone, Copy)]
pub(crate) struct World<'a> {
    /// For whatever has to wait.
    pub(crate) runtime: &'a Handle,
    /// Reads secrets.
    pub(crate) secrets: &'a dyn Secrets,
}

/// What the systems of one pipeline said.
#[derive(Debug, Default)]
pub(crate) struct Look {
    /// The source.
    pub(crate) source: Inspection,
    /// The sink.
    pub(crate) sink: Inspection,
    /// The plan that was applied last, as it was written.
    pub(crate) applied: Option<Vec<u8>>,
}

impl World<'_> {
    /// Asks both ends and reads the applied plan.
    pub(crate) fn look(&self, pipeline: &Pipeline) -> Result<Look, ConnectorError> {
        let source = self.inspect(pipeline, &pipeline.source)?;
        let sink = self.inspect(pipeline, &pipeline.sink)?;
        // A bucket that is missing holds no plan either; the inspection says so in better words.
        let applied = match self.plans(pipeline)? {
            Some(_) if !sink.missing.is_empty() => None,
            Some(mut plans) => plans.read(&pipeline.name)?,
            None => None,
        };
        Ok(Look { source, sink, applied })
    }

    /// Where the applied plan of a pipeline is kept: beside its data.
    pub(crate) fn plans(&self, pipeline: &Pipeline) -> Result<Option<Box<dyn PlanStore>>, ConnectorError> {
        let def = definition(&pipeline.sink)?;
        def.plans.map(|open| open(&self.request(pipeline, &pipeline.sink))).transpose()
    }

    /// Opens the source of a pipeline with these options.
    pub(crate) fn source(&self, pipeline: &Pipeline, endpoint: &Endpoint) -> Result<Option<Box<dyn Source>>, ConnectorError> {
        definition(endpoint)?.source.map(|open| open(&self.request(pipeline, endpoint))).transpose()
    }

    fn inspect(&self, pipeline: &Pipeline, endpoint: &Endpoint) -> Result<Inspection, ConnectorError> {
        match definition(endpoint)?.inspect {
            Some(inspect) => inspect(&self.request(pipeline, endpoint)),
            None => Ok(Inspection::default()),
        }
    }

    fn request<'a>(&'a self, pipeline: &'a Pipeline, endpoint: &'a Endpoint) -> OpenRequest<'a> {
        OpenRequest {
            pipeline: &pipeline.name,
            task: 0,
            endpoint,
            routes: &pipeline.routes,
            secrets: self.secrets,
            runtime: self.runtime.clone(),
        }
    }
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
    use std::path::Path;
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
            promise: Promise { guarantee: Guarantee::AtLeastOnce, reason: String::new() },
        }
    }

    fn with_world<T>(look: impl FnOnce(World<'_>) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let secrets = HostSecrets { env: Arc::new(|_: &str| None), dir: "".into() };
        look(World { runtime: runtime.handle(), secrets: &secrets })
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
            assert!(unknown.kind == ErrorKind::Invalid && unknown.message.contains("pulsar"), "{unknown:?}");
            let options = [
                ("url", OptionValue::Text("mqtt://127.0.0.1:1".to_owned())),
                ("username", OptionValue::Text("u".to_owned())),
                ("password", OptionValue::Secret(SecretRef::Env("NOT_SET_ANYWHERE".to_owned()))),
            ];
            let unset = world.look(&pipeline(endpoint("mqtt", &options), dir.path())).unwrap_err();
            assert!(unset.kind == ErrorKind::Invalid && unset.message.contains("NOT_SET_ANYWHERE"), "{unset:?}");
        });
    }
}
