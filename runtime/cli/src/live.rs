//! Looks at the systems of a pipeline without changing them, and at the plan that was applied last.

use kpipe_compiler::plan::{Endpoint, Pipeline};
use kpipe_connectors::ALL;
use kpipe_engine::connector::{ConnectorDef, Inspection, OpenRequest, PlanStore, Secrets};
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
