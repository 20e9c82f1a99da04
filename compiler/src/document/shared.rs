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

use std::collections::BTreeMap;

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

const fn key(path: &'static str) -> OptionSpec {
    OptionSpec {
        path,
        kind: OptionKind::Map(&[]),
        required: false,
        default: None,
        secret: false,
        change: ChangeKind::InPlace,
        doc: "",
        example: "",
    }
}

static CONNECTION_KEYS: [OptionSpec; 2] = [key("version"), key("connections")];
static PROFILE_KEYS: [OptionSpec; 4] = [key("version"), key("all"), key("pipelines"), key("connections")];

impl SharedTrees {
    /// Reads both files.
    pub(crate) fn read(context: &mut Context<'_>) -> Self {
        let sources = context.sources;
        let mut root = |file: Option<&SourceFile>| {
            let mut documents = read(file?, context.report);
            (!documents.roots.is_empty()).then(|| documents.roots.swap_remove(0))
        };
        Self { connections: root(sources.connections()), profile: root(sources.profile()) }
    }
}

impl<'n> Shared<'n> {
    /// Sorts out what the files say.
    pub(crate) fn new(context: &mut Context<'_>, trees: &'n SharedTrees) -> Self {
        let mut shared = Self::default();
        if let Some(root) = &trees.connections {
            for entry in context.sections(root, &CONNECTION_KEYS) {
                if entry.key == "connections" {
                    shared.connections = context.named_connections(&entry.value);
                }
            }
        }
        if let Some(root) = &trees.profile {
            for entry in context.sections(root, &PROFILE_KEYS) {
                match entry.key.as_str() {
                    "all" => shared.profile.all = Some(entry),
                    "pipelines" => {
                        let entries = context.mapping(&entry.value, "pipelines");
                        shared.profile.pipelines = entries.iter().map(|entry| (entry.key.as_str(), entry)).collect();
                    }
                    "connections" => shared.profile.connections = context.named_connections(&entry.value),
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
                let label = if near.is_empty() { "no pipeline of this name".to_owned() } else { format!("did you mean {}?", one_of(near)) };
                let help = format!("pipelines of this run: {}", one_of(pipelines.iter().copied()).replace(" or ", ", "));
                let error = DocumentError::ProfilePipeline { name: (*name).to_owned(), label, span: entry.at.span, help };
                context.error(entry.at, error);
            }
        }
        for (name, connection) in &self.profile.connections {
            if !self.connections.contains_key(name) {
                let at = connection.entry.at;
                let (label, help) = self.connection_words(name);
                context.error(at, DocumentError::UnknownConnection { name: (*name).to_owned(), label, span: at.span, help });
            }
        }
    }

    /// A label and a help for a connection that does not exist.
    pub(crate) fn connection_words(&self, name: &str) -> (String, String) {
        let names: Vec<&str> = self.connections.keys().copied().collect();
        let near = near(name, names.iter().copied());
        let label = if near.is_empty() { "no connection of this name".to_owned() } else { format!("did you mean {}?", one_of(near)) };
        let help = if names.is_empty() {
            "connections stand in connections.yaml: `connections: { main: { kafka: { brokers: [...] } } }`".to_owned()
        } else {
            format!("connections: {}", names.join(", "))
        };
        (label, help)
    }
}

impl Context<'_> {
    /// The entries of a shared file whose keys are known.
    fn sections<'n>(&mut self, root: &'n Node, keys: &'static [OptionSpec]) -> Vec<&'n Entry> {
        let here = Home { base: "", specs: keys };
        let mut known = Vec::new();
        for entry in self.mapping(root, "this file") {
            if keys.iter().any(|spec| spec.path == entry.key) {
                if entry.key == "version" && entry.value.scalar().is_none_or(|scalar| scalar.text != "1") {
                    let at = entry.value.place();
                    self.error(at, DocumentError::Version { span: at.span });
                }
                known.push(entry);
            } else {
                self.stray(here, &[], &Stray { key: &entry.key, at: entry.at, prefix: String::new(), parent: None });
            }
        }
        known
    }

    /// The entries of a node that has to be a mapping; nothing at all is an empty one.
    fn mapping<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Entry] {
        match &node.value {
            Value::Mapping(entries) => entries,
            Value::Scalar(scalar) if scalar.is_null() => &[],
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
                &[]
            }
        }
    }

    fn named_connections<'n>(&mut self, node: &'n Node) -> BTreeMap<&'n str, Connection<'n>> {
        let mut named = BTreeMap::new();
        for entry in self.mapping(node, "connections") {
            match self.mapping(&entry.value, &format!("connections.{}", entry.key)) {
                [only] => {
                    named.insert(entry.key.as_str(), Connection { entry: only });
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
                }
                [] => {
                    let names: Vec<&str> = self.catalog.connectors.iter().map(|spec| spec.name).collect();
                    let help = format!("connectors: {}", names.join(", "));
                    self.error(entry.at, DocumentError::NoConnector { section: "connections", span: entry.at.span, help });
                }
            }
        }
        for Connection { entry } in named.values() {
            if self.catalog.connector(&entry.key).is_none() {
                self.unknown_connector(&entry.key, entry.at, self.catalog.connectors);
            }
        }
        named
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
