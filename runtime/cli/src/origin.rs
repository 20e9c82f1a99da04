//! Where the parts of a pipeline are written: for failures that only show when systems are asked.

use std::rc::Rc;

use kpipe_compiler::diff::PipelineChange;
use kpipe_compiler::lower::Places;
use kpipe_compiler::plan::{Pipeline, Route, Tail, TopicName};
use kpipe_compiler::report::Report;
use kpipe_compiler::sources::{Location, Sources};
use kpipe_engine::error::About;

use crate::outline::Outline;
use crate::render::diagnostics::{Document, Mark};

/// Texts and what was said about them.
#[derive(Debug)]
pub(crate) struct Texts {
    /// The texts.
    pub(crate) sources: Sources,
    /// What was said, and which parts are secret.
    pub(crate) report: Report,
}

/// A part of a pipeline that talks to a system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// What is read.
    Source,
    /// What is written.
    Sink,
    /// Where rejected records go.
    DeadLetter,
}

/// Where the parts of a pipeline are written.
#[derive(Debug)]
pub(crate) struct Origin {
    /// The places by path.
    pub(crate) places: Places,
    /// The texts that they are in.
    pub(crate) texts: Rc<Texts>,
}

/// A place in the files.
#[derive(Debug)]
pub(crate) struct Spot {
    /// The text.
    pub(crate) document: Document,
    /// The place; its document is index 0 of a list with only this one.
    pub(crate) mark: Mark,
    /// The path of the key.
    pub(crate) yaml_path: Option<String>,
}

/// What a failure is about, and where that is written.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// The pipeline.
    pub(crate) pipeline: String,
    /// The path of the key.
    pub(crate) yaml_path: Option<String>,
    /// The place; its document is index 0 of a list with only this one.
    pub(crate) at: Option<(Document, Mark)>,
}

impl Origin {
    /// Where each change is written, as `file.yaml:7`.
    pub(crate) fn lines(&self, change: Option<&PipelineChange>) -> Vec<Option<String>> {
        let changes = change.map_or(&[][..], |change| &change.changes);
        changes.iter().map(|change| change.place.map(|at| self.texts.sources.place(at))).collect()
    }

    /// What a failure of one end is about.
    pub(crate) fn subject(&self, pipeline: &Pipeline, end: End, about: Option<&About>) -> Subject {
        let found = path(pipeline, end, about).and_then(|path| self.places.find(&path)).or_else(|| self.places.find(fallback(end)));
        let Some(place) = found else { return Subject::of(pipeline) };
        let Spot { document, mark, yaml_path } = self.texts.spot(place);
        Subject { yaml_path, at: Some((document, mark)), ..Subject::of(pipeline) }
    }

    /// Where a path is written, or the nearest part above it.
    pub(crate) fn spot(&self, path: &str) -> Option<Spot> {
        self.places.find(path).map(|place| self.texts.spot(place))
    }
}

impl Subject {
    /// A pipeline as a whole, no matter where it is written.
    pub(crate) fn of(pipeline: &Pipeline) -> Self {
        Self { pipeline: pipeline.name.clone(), yaml_path: None, at: None }
    }
}

impl Texts {
    /// A place as renderers want it.
    fn spot(&self, place: Location) -> Spot {
        let file = self.sources.file(place.file);
        let yaml_path = Outline::of(file).path(place.span);
        let document = Document { name: file.name.clone(), text: self.report.masked(&self.sources, place.file) };
        let (begin, end) = (file.line_column(place.span.start), file.line_column(place.span.end));
        let mark = Mark { document: 0, span: place.span.start..place.span.end, begin, end, text: String::new() };
        Spot { document, mark, yaml_path }
    }
}

/// The path of what a failure is about, as [`Places`] names it.
fn path(pipeline: &Pipeline, end: End, about: Option<&About>) -> Option<String> {
    let statement = |is_meant: &dyn Fn(&Route) -> bool, clause: &str| {
        pipeline.routes.iter().position(is_meant).map(|index| format!("kcql[{index}].{clause}"))
    };
    match (end, about?) {
        (End::Source, About::Option(option)) => Some(format!("source.{}.{option}", pipeline.source.connector)),
        (End::Sink, About::Option(option)) => Some(format!("sink.{}.{option}", pipeline.sink.connector)),
        (End::Source, About::Name(name)) => statement(&|route| route.from == *name, "from"),
        (End::Sink, About::Name(name)) => statement(&|route| target(route) == Some(name), "into"),
        (End::DeadLetter, About::Name(_)) => Some("errors.dead_letter.topic".to_owned()),
        (End::DeadLetter, About::Option(option)) => {
            Some(format!("errors.dead_letter.{}.{option}", pipeline.errors.dead_letter.as_ref()?.cluster.connector))
        }
    }
}

fn fallback(end: End) -> &'static str {
    match end {
        End::Source => "source",
        End::Sink => "sink",
        End::DeadLetter => "errors.dead_letter",
    }
}

/// The bucket or topic that a statement writes into.
fn target(route: &Route) -> Option<&String> {
    match &route.tail {
        Tail::Files(tail) => Some(&tail.bucket),
        Tail::Records(tail) => match &tail.topic {
            TopicName::Fixed(topic) => Some(topic),
            TopicName::OfSource => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use kpipe_compiler::plan::Pipeline;

    use super::*;
    use crate::compile::{Compiled, HostLookups};
    use crate::load::{Group, TextFile};

    const PIPELINE: &str = "\
version: 1
pipeline: orders
source:
  kafka: { brokers: [\"a:1\"], sasl: { mechanism: PLAIN, username: u, password: hunter2 }, value: { format: json } }
errors: { tolerance: all, dead_letter: { topic: orders.dlq } }
sink:
  s3: { use: lake, format: json }
kcql: |
  INSERT INTO raw:orders SELECT * FROM orders;
  INSERT INTO cold:other SELECT * FROM other
";
    const CONNECTIONS: &str = "version: 1\nconnections:\n  lake: { s3: { endpoint: \"http://minio:9000\", region: eu } }\n";

    fn file(name: &str, text: &str) -> TextFile {
        TextFile { name: name.to_owned(), path: name.into(), text: text.to_owned() }
    }

    fn orders() -> (Pipeline, Origin) {
        let lookups = HostLookups::new(std::sync::Arc::new(|_: &str| None), "".into());
        let mut compiled = Compiled::default();
        let pipelines = vec![file("p.yaml", PIPELINE)];
        let group = Group { pipelines, connections: Some(file("connections.yaml", CONNECTIONS)), profile: None };
        compiled.add(group, &lookups, kpipe_compiler::sources::Mode::Plan, None).unwrap();
        assert!(!compiled.has_errors, "{:?}", compiled.findings);
        let unit = compiled.pipelines.remove(0);
        (unit.pipeline, unit.origin.unwrap())
    }

    /// `file:line text path` of what a failure is about.
    fn found(end: End, about: Option<About>) -> String {
        let (pipeline, origin) = orders();
        let Subject { pipeline: name, yaml_path, at } = origin.subject(&pipeline, end, about.as_ref());
        assert_eq!(name, "orders");
        let (document, mark) = at.unwrap();
        let text = if document.name == "p.yaml" { PIPELINE } else { CONNECTIONS };
        format!("{}:{} {} {}", document.name, mark.begin.line, &text[mark.span], yaml_path.unwrap())
    }

    #[test]
    fn a_failure_finds_the_option_or_the_name_that_it_is_about() {
        let name = |name: &str| Some(About::Name(name.to_owned()));
        let option = |option| Some(About::Option(option));
        for (end, about, place) in [
            (End::Source, option("brokers"), "p.yaml:4 [\"a:1\"] source.kafka.brokers"),
            (End::Source, option("sasl.mechanism"), "p.yaml:4 PLAIN source.kafka.sasl.mechanism"),
            (End::Source, name("other"), "p.yaml:10 other kcql"),
            (End::Sink, name("raw"), "p.yaml:9 raw:orders kcql"),
            (End::Sink, name("cold"), "p.yaml:10 cold:other kcql"),
            (End::Sink, option("endpoint"), "connections.yaml:3 \"http://minio:9000\" connections.lake.s3.endpoint"),
            (End::DeadLetter, name("orders.dlq"), "p.yaml:5 { topic: orders.dlq } errors.dead_letter"),
        ] {
            assert_eq!(found(end, about.clone()), place, "{about:?}");
        }
    }

    #[test]
    fn what_is_not_written_leads_to_the_nearest_that_is() {
        for (end, about) in [
            (End::Source, None),
            (End::Source, Some(About::Option("tls.ca"))),
            (End::Source, Some(About::Name("nobody".to_owned()))),
            (End::Sink, Some(About::Option("credentials.access_key"))),
        ] {
            let place = found(end, about);
            let side = if end == End::Source { "source" } else { "sink" };
            assert!(place.starts_with("p.yaml:") && place.contains(side), "{place}");
        }
    }

    #[test]
    fn the_text_of_a_failure_holds_no_secret() {
        let (pipeline, origin) = orders();
        let subject = origin.subject(&pipeline, End::Source, Some(&About::Option("sasl.password")));
        let (document, mark) = subject.at.clone().unwrap();
        assert!(PIPELINE[mark.span].contains("hunter2") && !document.text.text.contains("hunter2"));
        assert!(!format!("{subject:?}").contains("hunter2"));
    }
}
