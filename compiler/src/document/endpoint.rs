//! `source:` and `sink:`: the connector, its options, each checked against the connector's description.

use std::collections::{BTreeMap, BTreeSet};

use kpipe_grammar::span::Span;

use super::context::{Absent, Context};
use super::error::DocumentError;
use super::keys::{Home, join};
use super::layers::{Layer, Layers, Origin, Written};
use super::shared::{Connection, Shared};
use super::values::{Slot, default_value};
use super::{EndpointDoc, OptionPlace, SchemaDoc};
use crate::catalog::{ConnectorSpec, OptionKind, OptionSpec};
use crate::near::one_of;
use crate::plan::{OptionValue, Options};
use crate::sources::{Located, Location};
use crate::yaml::{Entry, Node};

/// Which end of a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Source,
    Sink,
}

/// The connector of an end and where its options may stand.
pub(super) struct Chosen<'n> {
    pub(super) connector: &'static ConnectorSpec,
    pub(super) role: Role,
    /// `source.kafka`.
    pub(super) base: String,
    /// Where the connector is named.
    pub(super) at: Location,
    connection: Option<(Located<String>, Connection<'n>)>,
    layers: Vec<Own<'n>>,
}

/// The options of the connector in one layer of the document.
struct Own<'n> {
    key: Location,
    node: &'n Node,
    prefix: &'n str,
    origin: Origin,
}

impl Role {
    pub(super) fn section(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Sink => "sink",
        }
    }

    fn options(self, spec: &'static ConnectorSpec) -> Option<&'static [OptionSpec]> {
        match self {
            Self::Source => spec.source.as_ref().map(|source| source.options),
            Self::Sink => spec.sink.as_ref().map(|sink| sink.options),
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Source => Self::Sink,
            Self::Sink => Self::Source,
        }
    }
}

impl Chosen<'_> {
    /// The keys below the connector.
    pub(super) fn home(&self) -> Home<'_> {
        Home { base: &self.base, root: "the pipeline", specs: self.specs() }
    }

    fn specs(&self) -> &'static [OptionSpec] {
        self.role.options(self.connector).unwrap_or_default()
    }
}

/// What the layers of a section name.
#[derive(Default)]
struct Named<'n> {
    connectors: Vec<&'n Entry>,
    used: Option<(&'n Entry, &'n Node)>,
    own: Vec<(&'n str, Own<'n>)>,
}

impl<'a> Context<'a> {
    /// Which connector a section names, and where its options stand.
    pub(super) fn choose<'n>(&mut self, role: Role, written: &[Written<'n>], shared: &Shared<'n>, pipeline: &str) -> Option<Chosen<'n>> {
        self.choose_in(role.section(), role, written, shared, pipeline)
    }

    fn choose_in<'n>(
        &mut self,
        section: &'static str,
        role: Role,
        written: &[Written<'n>],
        shared: &Shared<'n>,
        pipeline: &str,
    ) -> Option<Chosen<'n>> {
        let first = written.iter().find(|written| written.origin == Origin::File)?;
        let mut named = Named::default();
        for written in written {
            self.named(&mut named, written)?;
        }
        let unknown = |entry: &&&Entry| self.catalog.connector(&entry.key).is_none();
        if let Some(stray) = named.connectors.iter().find(unknown).filter(|_| named.connectors.len() > 1) {
            // An option beside its connector: that one is the first to be asked whether it knows it.
            let mut among = self.specs_of(role);
            among.sort_by_key(|spec| !named.connectors.iter().any(|entry| entry.key == spec.name));
            self.unknown_connector(&stray.key, stray.at, &among);
            return None;
        }
        if let [first, second, ..] = named.connectors.as_slice() {
            let error = DocumentError::TwoConnectors {
                section,
                first_name: first.key.clone(),
                second_name: second.key.clone(),
                second: second.at.span,
                first: first.at.span,
            };
            self.error(second.at, error);
            return None;
        }
        let used = match named.used {
            Some((key, node)) => Some(self.connection(key, node, shared)?),
            None => None,
        };
        let (name, at) = match (named.connectors.first(), &used) {
            (Some(entry), _) => (entry.key.as_str(), entry.at),
            (None, Some((name, connection))) => (connection.entry.key.as_str(), name.at),
            (None, None) => {
                let help = format!("connectors: {}", self.connectors_of(role).join(", "));
                self.error(first.key, DocumentError::NoConnector { section, span: first.key.span, help });
                return None;
            }
        };
        let connector = self.connector_of(role, name, at)?;
        if let Some((used, connection)) = &used
            && connection.entry.key != connector.name
        {
            let error = DocumentError::ConnectionKind {
                name: used.node.clone(),
                its: connection.entry.key.clone(),
                wanted: connector.name.to_owned(),
                span: used.at.span,
            };
            self.error(used.at, error);
            return None;
        }
        let layers = self.own_layers(section, pipeline, connector, named.own);
        Some(Chosen { connector, role, base: join(section, connector.name), at, connection: used, layers })
    }

    /// The cluster of a dead letter: a Kafka sink beside `topic`.
    pub(super) fn choose_cluster<'n>(&mut self, written: &Written<'n>, shared: &Shared<'n>) -> Option<Chosen<'n>> {
        // The last layer that has one says all of it, also a profile.
        let written = Written { origin: Origin::File, ..*written };
        let mut chosen = self.choose_in("errors.dead_letter", Role::Sink, &[written], shared, "")?;
        if chosen.connector.name != "kafka" {
            let help = "bad records go to a topic: write `kafka: { brokers: [...] }`".to_owned();
            let name = chosen.connector.name;
            self.error(chosen.at, DocumentError::NoRole { name, role: "dead letter", span: chosen.at.span, help });
            return None;
        }
        chosen.base = join("errors.dead_letter", chosen.connector.name);
        Some(chosen)
    }

    /// Sorts the keys of one layer of a section.
    fn named<'n>(&mut self, named: &mut Named<'n>, written: &Written<'n>) -> Option<()> {
        if !written.rest.is_empty() {
            let (name, prefix) = written.rest.split_once('.').unwrap_or((written.rest, ""));
            named.own.push((name, Own { key: written.key, node: written.node, prefix, origin: written.origin }));
            return Some(());
        }
        let Some(entries) = written.node.entries() else {
            if !written.node.is_null() {
                let at = written.node.place();
                let error = DocumentError::WrongType {
                    key: self.sources.text(written.key).to_owned(),
                    expected: "a connector and its options".to_owned(),
                    found: written.node.kind().to_owned(),
                    span: at.span,
                    help: "for example `source: { kafka: { brokers: [localhost:9092] } }`".to_owned(),
                };
                self.error(at, error);
                return None;
            }
            return Some(());
        };
        for entry in entries {
            if entry.key == "topic" && self.catalog.connector("topic").is_none() && entry.value.entries().is_none() {
                continue;
            }
            if entry.key == "use" {
                named.used = Some((entry, &entry.value));
                continue;
            }
            if let Some(inner) = entry.value.get("use") {
                named.used = Some((inner, &inner.value));
            }
            if written.origin == Origin::File {
                named.connectors.push(entry);
            }
            named.own.push((entry.key.as_str(), Own { key: entry.at, node: &entry.value, prefix: "", origin: written.origin }));
        }
        Some(())
    }

    fn connection<'n>(&mut self, key: &Entry, node: &Node, shared: &Shared<'n>) -> Option<(Located<String>, Connection<'n>)> {
        let at = node.place();
        let help = "for example `use: main`".to_owned();
        let Some(scalar) = node.scalar() else {
            let (expected, found) = ("the name of a connection".to_owned(), node.kind().to_owned());
            self.error(at, DocumentError::WrongType { key: "use".to_owned(), expected, found, span: at.span, help });
            return None;
        };
        if scalar.is_null() {
            self.error(key.at, DocumentError::Empty { key: "use".to_owned(), span: key.at.span, help });
            return None;
        }
        let name = self.resolve(node, scalar).ok()?.text;
        if shared.is_broken(&name) {
            return None;
        }
        let Some(connection) = shared.connections.get(name.as_str()) else {
            self.unknown_connection(&name, at, shared);
            return None;
        };
        Some((Located::new(name, at), *connection))
    }

    fn connectors_of(&self, role: Role) -> Vec<&'static str> {
        self.specs_of(role).iter().map(|spec| spec.name).collect()
    }

    fn specs_of(&self, role: Role) -> Vec<&'static ConnectorSpec> {
        self.catalog.connectors.iter().copied().filter(|spec| role.options(spec).is_some()).collect()
    }

    fn connector_of(&mut self, role: Role, name: &str, at: Location) -> Option<&'static ConnectorSpec> {
        let Some(connector) = self.catalog.connector(name) else {
            let among = self.specs_of(role);
            self.unknown_connector(name, at, &among);
            return None;
        };
        if role.options(connector).is_none() {
            let help = format!("{}s: {}", role.section(), self.connectors_of(role).join(", "));
            self.error(at, DocumentError::NoRole { name: connector.name, role: role.section(), span: at.span, help });
            return None;
        }
        Some(connector)
    }

    /// The layers that are about this connector. A profile for all pipelines may name others.
    fn own_layers<'n>(
        &mut self,
        section: &'static str,
        pipeline: &str,
        connector: &ConnectorSpec,
        own: Vec<(&'n str, Own<'n>)>,
    ) -> Vec<Own<'n>> {
        let mut layers = Vec::new();
        for (name, own) in own {
            if name == connector.name {
                layers.push(own);
            } else if own.origin != Origin::File && name != "use" && self.catalog.connector(name).is_none() {
                self.unknown_connector(name, self.named_in(own.key, name), self.catalog.connectors);
            } else if own.origin == Origin::Named && name != "use" {
                let error = DocumentError::ProfileConnector {
                    section: section.to_owned(),
                    whose: format!("`{section}` of `{pipeline}`"),
                    theirs: name.to_owned(),
                    own: connector.name.to_owned(),
                    span: own.key.span,
                };
                self.error(own.key, error);
            }
        }
        layers
    }

    /// Where a dotted key as `sink.s3.prefix` names the connector; all of a key without dots.
    fn named_in(&self, key: Location, name: &str) -> Location {
        let Some(dot) = self.sources.text(key).find(&format!(".{name}")) else { return key };
        let start = key.span.start + dot + 1;
        Location::new(key.file, Span::new(start, start + name.len()))
    }

    /// Reads and checks the options of a connector.
    pub(super) fn endpoint<'n>(&mut self, chosen: &Chosen<'n>, homes: &[Home<'_>], shared: &Shared<'n>) -> EndpointDoc {
        let here = chosen.home();
        let mut layers = Layers::default();
        if let Some((name, connection)) = &chosen.connection {
            let other = chosen.role.other().options(chosen.connector).unwrap_or_default();
            let is_same = |overriding: &&Connection<'_>| overriding.entry.key == connection.entry.key;
            let overriding = shared.profile.connections.get(name.node.as_str()).filter(is_same);
            for (connection, origin) in [(Some(connection), Origin::File), (overriding, Origin::Connection)] {
                if let Some(Connection { entry, name_at: _ }) = connection {
                    let layer = Layer { key: entry.at, node: &entry.value, prefix: "", origin, other };
                    layers.lay(self, here, layer, None);
                }
            }
        }
        for own in &chosen.layers {
            let layer = Layer { key: own.key, node: own.node, prefix: own.prefix, origin: own.origin, other: &[] };
            layers.lay(self, here, layer, Some("use"));
        }
        let meant: Vec<String> = layers.strays.iter().flat_map(|stray| self.stray(here, homes, stray)).collect();
        let mut reader = OptionReader::new(chosen, meant);
        for spec in here.specs {
            match layers.written.get(spec.path) {
                Some(written) => reader.written(self, spec, written),
                // Said already, and nobody knows what would stand there.
                None if layers.is_broken => drop(reader.document.absent.insert(spec.path.to_owned())),
                None => reader.missing(self, spec),
            }
        }
        reader.check_pairs(self);
        let document = reader.document;
        self.check_plaintext(&document, here.specs);
        document
    }
}

/// Options of which one says nothing without the other.
const PAIRS: &[(&str, &str)] = &[("tls.cert", "tls.key"), ("credentials.access_key", "credentials.secret_key")];

/// Options of one endpoint on their way from nodes to values.
struct OptionReader<'c, 'n> {
    chosen: &'c Chosen<'n>,
    document: EndpointDoc,
    /// Options whose key is misspelt.
    meant: Vec<String>,
}

impl<'c, 'n> OptionReader<'c, 'n> {
    fn new(chosen: &'c Chosen<'n>, meant: Vec<String>) -> Self {
        let document = EndpointDoc {
            connector: chosen.connector,
            at: chosen.at,
            options: Options::default(),
            places: BTreeMap::new(),
            schemas: BTreeMap::new(),
            absent: BTreeSet::new(),
        };
        Self { chosen, document, meant }
    }

    fn written(&mut self, context: &mut Context<'_>, spec: &'static OptionSpec, written: &[Written<'_>]) {
        let key = join(&self.chosen.base, spec.path);
        let slot = Slot::new(&key, spec);
        for written in written {
            self.document.places.insert(spec.path.to_owned(), OptionPlace { key: written.key, value: written.node.place() });
            for (index, item) in written.node.items().unwrap_or_default().iter().enumerate() {
                self.document.places.insert(format!("{}[{index}]", spec.path), OptionPlace { key: written.key, value: item.place() });
            }
            match self.value(context, slot, spec, written.node) {
                Ok(value) => self.put(spec.path, value),
                Err(Absent) => {
                    self.document.absent.insert(spec.path.to_owned());
                }
            }
        }
    }

    fn value(&mut self, context: &mut Context<'_>, slot: Slot<'_>, spec: &OptionSpec, node: &Node) -> Result<OptionValue, Absent> {
        if spec.secret {
            return context.secret(slot, node);
        }
        match &spec.kind {
            OptionKind::Schema => {
                let schema = context.schema(slot.key, node)?;
                let text = match &schema {
                    SchemaDoc::Inline { schema, fields: _ } => crate::schema::show(schema),
                    SchemaDoc::File { path, schema: _ } => format!("file:{path}"),
                    SchemaDoc::Infer => "infer".to_owned(),
                };
                self.document.schemas.insert(spec.path.to_owned(), schema);
                Ok(OptionValue::Text(text))
            }
            OptionKind::Format => context.format(slot, spec.path, self.formats(), node, &mut self.document.places),
            OptionKind::Text
            | OptionKind::Path
            | OptionKind::Choice(_)
            | OptionKind::Integer { .. }
            | OptionKind::Boolean
            | OptionKind::Bytes { .. }
            | OptionKind::Duration { .. }
            | OptionKind::Url(_)
            | OptionKind::HostPort
            | OptionKind::StartPosition
            | OptionKind::List(_)
            | OptionKind::Map(_) => context.value(slot, node),
        }
    }

    /// The formats that an option of kind `Format` may name: a sink's own, else those of values.
    fn formats(&self) -> &'static [&'static str] {
        let own = match (self.chosen.role, &self.chosen.connector.sink) {
            (Role::Sink, Some(sink)) => sink.formats,
            (Role::Sink | Role::Source, _) => &[],
        };
        if own.is_empty() { super::format::VALUE_FORMATS } else { own }
    }

    /// Free keys of several layers add up; anything else is replaced.
    fn put(&mut self, path: &str, value: OptionValue) {
        match (self.document.options.0.get_mut(path), value) {
            (Some(OptionValue::Map(map)), OptionValue::Map(more)) => map.extend(more),
            (_, value) => {
                self.document.options.0.insert(path.to_owned(), value);
            }
        }
    }

    /// Says which half of a pair is missing.
    fn check_pairs(&self, context: &mut Context<'_>) {
        let document = &self.document;
        let is_said = |path: &str| document.places.contains_key(path) || document.absent.contains(path);
        for (first, second) in PAIRS {
            let known = self.chosen.specs().iter().any(|spec| spec.path == *second);
            for (one, other) in [(first, second), (second, first)] {
                let Some(place) = document.places.get(*one).filter(|_| known && !is_said(other)) else { continue };
                let (parent, key) = other.rsplit_once('.').unwrap_or(("", other));
                let parent = format!("`{}`", join(&self.chosen.base, parent));
                let help = format!("`{one}` and `{other}` go together");
                context.error(place.key, DocumentError::MissingKey { key: key.to_owned(), parent, span: place.key.span, help });
            }
        }
    }

    fn missing(&mut self, context: &mut Context<'_>, spec: &'static OptionSpec) {
        // Below a misspelt mapping nothing is known either.
        let below = |meant: &String| spec.path.strip_prefix(meant.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        if self.meant.iter().any(below) {
            self.document.absent.insert(spec.path.to_owned());
        } else if let Some(value) = default_value(spec) {
            self.document.options.0.insert(spec.path.to_owned(), value);
        } else if spec.required {
            self.document.absent.insert(spec.path.to_owned());
            let (parent, key) = spec.path.rsplit_once('.').unwrap_or(("", spec.path));
            let parent = join(&self.chosen.base, parent);
            let at = self.chosen.at;
            let help = format!("for example {}", one_of([format!("{key}: {}", spec.example).as_str()]));
            context.error(at, DocumentError::MissingKey { key: key.to_owned(), parent: format!("`{parent}`"), span: at.span, help });
        }
    }
}
