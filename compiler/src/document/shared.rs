//! `connections.yaml` and profiles: values that several pipelines take.
//!
//! ```yaml
//! # connections.yaml                      # profiles/prod.yaml
//! version: 1                              version: 1
//! connections:                            all:                        # every pipeline
//!   main:                                   errors: { tolerance: all }
//!     kafka: { brokers: [kafka:9092] }    pipelines:
//!                                           orders-lake:              # one of them, nested or dotted
//!                                             sink.s3.endpoint: http://minio:9000
//!                                         connections:
//!                                           main: { kafka: { brokers: [kafka.prod:9092] } }
//! ```

use std::collections::{BTreeMap, BTreeSet};

use kpipe_grammar::span::Span;

use super::context::Context;
use super::error::DocumentError;
use super::keys::{Home, Stray};
use crate::catalog::{ChangeKind, OptionKind, OptionSpec};
use crate::near::{near, one_of};
use crate::report::Entry as Diagnosed;
use crate::sources::{Location, SourceFile};
use crate::yaml::{Entry, Node, Value, read};

/// A connection: one connector and the options that pipelines share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connection<'n> {
    /// Where its name is written.
    pub(crate) name_at: Location,
    /// Its connector and options.
    pub(crate) entry: &'n Entry,
}

/// What is shared, as trees.
#[derive(Debug, Default)]
pub(crate) struct SharedTrees {
    connections: Option<Node>,
    profile: Option<Node>,
}

/// What is shared, by name.
#[derive(Debug, Default)]
pub(crate) struct Shared<'n> {
    pub(crate) connections: BTreeMap<&'n str, Connection<'n>>,
    pub(crate) profile: Profile<'n>,
    /// Connections that are there, but with a mistake that was said: who uses one is right to.
    broken: BTreeSet<&'n str>,
}

/// What a profile overrides.
#[derive(Debug, Default)]
pub(crate) struct Profile<'n> {
    /// Of every pipeline.
    pub(crate) all: Option<&'n Entry>,
    /// Of single ones.
    pub(crate) pipelines: BTreeMap<&'n str, &'n Entry>,
    /// Of connections.
    pub(crate) connections: BTreeMap<&'n str, Connection<'n>>,
}

const fn key(path: &'static str, doc: &'static str) -> OptionSpec {
    OptionSpec {
        path,
        kind: OptionKind::Map(&[]),
        required: false,
        default: None,
        secret: false,
        change: ChangeKind::InPlace,
        doc,
        example: "",
    }
}

const CONNECTIONS: &str = "the file of connections";
const PROFILE: &str = "a profile";

const VERSION: OptionSpec = key("version", "The version of the file format.");

pub(crate) static CONNECTION_KEYS: [OptionSpec; 2] =
    [VERSION, key("connections", "By name: one connector and the options that pipelines share, taken with `use: NAME`.")];
pub(crate) static PROFILE_KEYS: [OptionSpec; 4] = [
    VERSION,
    key("all", "Keys of every pipeline."),
    key("pipelines", "By name: keys of one pipeline."),
    key("connections", "By name: options of a connection of connections.yaml."),
];

impl SharedTrees {
    /// Reads both files.
    pub(crate) fn read(context: &mut Context<'_>) -> Self {
        let sources = context.sources;
        let mut root = |file: Option<&SourceFile>, what: &'static str| {
            let documents = read(file?, context.report);
            crate::secrets::mask(file?, &documents, context.catalog, context.report);
            let mut roots = documents.roots.into_iter();
            let root = roots.next();
            for second in roots {
                let at = second.at;
                let end = sources.text(at).find('\n').map_or(at.span.end, |length| at.span.start + length);
                let error = DocumentError::SecondDocument { what, span: Span::new(at.span.start, end) };
                context.report.push(Diagnosed::new(at.file, error));
            }
            root
        };
        Self { connections: root(sources.connections(), CONNECTIONS), profile: root(sources.profile(), PROFILE) }
    }
}

impl<'n> Shared<'n> {
    /// Sorts out what the files say.
    pub(crate) fn new(context: &mut Context<'_>, trees: &'n SharedTrees) -> Self {
        let mut shared = Self::default();
        if let Some(root) = &trees.connections {
            for entry in context.sections(root, CONNECTIONS, &CONNECTION_KEYS) {
                if entry.key == "connections" {
                    (shared.connections, shared.broken) = context.named_connections(&entry.value);
                }
            }
        }
        if let Some(root) = &trees.profile {
            for entry in context.sections(root, PROFILE, &PROFILE_KEYS) {
                match entry.key.as_str() {
                    "all" => shared.profile.all = context.mapping(&entry.value, "all").map(|_| entry),
                    "pipelines" => {
                        let entries = context.mapping(&entry.value, "pipelines").unwrap_or_default();
                        for entry in entries {
                            if context.mapping(&entry.value, &format!("pipelines.{}", entry.key)).is_some() {
                                shared.profile.pipelines.insert(entry.key.as_str(), entry);
                            }
                        }
                    }
                    "connections" => shared.profile.connections = context.named_connections(&entry.value).0,
                    _ => {}
                }
            }
        }
        shared
    }

    /// Says which pipelines and connections of the profile do not exist.
    pub(crate) fn check_names(&self, context: &mut Context<'_>, pipelines: &[&str]) {
        for (name, entry) in &self.profile.pipelines {
            if !pipelines.contains(name) {
                let near = near(name, pipelines.iter().copied());
                let fix = (near.len() == 1).then(|| (entry.at, near[0].to_owned()));
                let label = if near.is_empty() { "no pipeline of this name".to_owned() } else { format!("did you mean {}?", one_of(near)) };
                let help = format!("pipelines of this run: {}", one_of(pipelines.iter().copied()).replace(" or ", ", "));
                let error = DocumentError::ProfilePipeline { name: (*name).to_owned(), label, span: entry.at.span, help };
                context.error_with_fix(entry.at, error, fix);
            }
        }
        for (name, connection) in self.profile.connections.iter().filter(|(name, _)| !self.is_broken(name)) {
            match self.connections.get(name) {
                None => {
                    let at = connection.name_at;
                    context.unknown_connection(name, at, self);
                }
                Some(own) if own.entry.key != connection.entry.key => {
                    let error = DocumentError::ProfileConnector {
                        section: format!("connections.{name}"),
                        whose: format!("the connection `{name}`"),
                        theirs: connection.entry.key.clone(),
                        own: own.entry.key.clone(),
                        span: connection.entry.at.span,
                    };
                    context.error(connection.entry.at, error);
                }
                Some(_) => {}
            }
        }
    }

    /// True for a connection whose mistake was said already.
    pub(crate) fn is_broken(&self, name: &str) -> bool {
        self.broken.contains(name)
    }
}

impl Context<'_> {
    /// Says that a connection does not exist.
    pub(super) fn unknown_connection(&mut self, name: &str, at: Location, shared: &Shared<'_>) {
        let names: Vec<&str> = shared.connections.keys().copied().collect();
        let near = near(name, names.iter().copied());
        let fix = (near.len() == 1).then(|| (at, near[0].to_owned()));
        let label = if near.is_empty() { "no connection of this name".to_owned() } else { format!("did you mean {}?", one_of(near)) };
        let help = if names.is_empty() {
            "connections stand in connections.yaml: `connections: { main: { kafka: { brokers: [...] } } }`".to_owned()
        } else {
            format!("connections: {}", names.join(", "))
        };
        self.error_with_fix(at, DocumentError::UnknownConnection { name: name.to_owned(), label, span: at.span, help }, fix);
    }

    /// The entries of a shared file whose keys are known.
    fn sections<'n>(&mut self, root: &'n Node, what: &'static str, keys: &'static [OptionSpec]) -> Vec<&'n Entry> {
        let here = Home { base: "", root: what, specs: keys };
        let mut known = Vec::new();
        let Some(entries) = root.entries() else {
            let at = root.place();
            let begin = if what == PROFILE { "`all:`, `pipelines:` or `connections:`" } else { "`connections:`" };
            self.error(at, DocumentError::NotAMapping { what, begin, found: root.kind(), span: at.span });
            return known;
        };
        for entry in entries {
            if keys.iter().any(|spec| spec.path == entry.key) {
                if entry.key == "version" && entry.value.scalar().is_none_or(|scalar| scalar.text != "1") {
                    let at = entry.value.place();
                    self.error(at, DocumentError::Version { span: at.span });
                }
                known.push(entry);
            } else {
                self.stray(here, &[], &Stray { key: entry.key.as_str().into(), at: entry.at, prefix: String::new(), parent: None });
            }
        }
        known
    }

    /// The entries of a node that has to be a mapping; nothing at all is an empty one. `None`: it is something else, which is said.
    fn mapping<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Entry]> {
        match &node.value {
            Value::Mapping(entries) => Some(entries),
            Value::Scalar(scalar) if scalar.is_null() => Some(&[]),
            Value::Scalar(_) | Value::Sequence(_) => {
                let at = node.place();
                let error = DocumentError::WrongType {
                    key: what.to_owned(),
                    expected: "a mapping of keys".to_owned(),
                    found: node.kind().to_owned(),
                    span: at.span,
                    help: "begin a new line for each key, indented further than this one".to_owned(),
                };
                self.error(at, error);
                None
            }
        }
    }

    /// Connections by name, and the names of those that have a mistake.
    fn named_connections<'n>(&mut self, node: &'n Node) -> (BTreeMap<&'n str, Connection<'n>>, BTreeSet<&'n str>) {
        let (mut named, mut broken) = (BTreeMap::new(), BTreeSet::new());
        for entry in self.mapping(node, "connections").unwrap_or_default() {
            match self.named_connection(entry) {
                Some(connection) => drop(named.insert(entry.key.as_str(), connection)),
                None => drop(broken.insert(entry.key.as_str())),
            }
        }
        (named, broken)
    }

    fn named_connection<'n>(&mut self, entry: &'n Entry) -> Option<Connection<'n>> {
        match self.mapping(&entry.value, &format!("connections.{}", entry.key))? {
            [only] if self.catalog.connector(&only.key).is_some() => Some(Connection { name_at: entry.at, entry: only }),
            [only] => {
                self.unknown_connector(&only.key, only.at, self.catalog.connectors);
                None
            }
            [first, second, ..] => {
                let error = DocumentError::TwoConnectors {
                    section: "connections",
                    first_name: first.key.clone(),
                    second_name: second.key.clone(),
                    second: second.at.span,
                    first: first.at.span,
                };
                self.report.push(Diagnosed::new(second.at.file, error));
                None
            }
            [] => {
                let names: Vec<&str> = self.catalog.connectors.iter().map(|spec| spec.name).collect();
                let help = format!("connectors: {}", names.join(", "));
                self.error(entry.at, DocumentError::NoConnector { section: "connections", span: entry.at.span, help });
                None
            }
        }
    }

    /// Says that no connector is called so.
    pub(super) fn unknown_connector(&mut self, name: &str, at: Location, among: &[&'static crate::catalog::ConnectorSpec]) {
        let names: Vec<&str> = among.iter().map(|spec| spec.name).collect();
        let option_of = among.iter().find(|spec| has_option(spec, name));
        let near = near(name, names.iter().copied());
        let label = match (near.as_slice(), option_of) {
            ([], Some(spec)) => format!("this is an option of `{0}`: write `{0}: {{ {name}: ... }}`", spec.name),
            ([], None) => "no connector of this name".to_owned(),
            (near, _) => format!("did you mean {}?", one_of(near.iter().copied())),
        };
        let fix = (near.len() == 1).then(|| (at, near[0].to_owned()));
        let error = DocumentError::UnknownConnector {
            name: name.to_owned(),
            label,
            span: at.span,
            help: format!("connectors: {}", names.join(", ")),
        };
        self.error_with_fix(at, error, fix);
    }
}

fn has_option(spec: &crate::catalog::ConnectorSpec, key: &str) -> bool {
    let source = spec.source.as_ref().map_or(&[][..], |source| source.options);
    let sink = spec.sink.as_ref().map_or(&[][..], |sink| sink.options);
    source.iter().chain(sink).any(|option| option.path.split('.').next() == Some(key))
}
