//! The files that users write, as a tree of keys: what may stand where, with its words. Editors and the JSON Schema are made from it.
//!
//! Nothing is written here twice: keys of the document come from its reader, those of connectors from the catalogue.

mod json_schema;
#[cfg(test)]
mod tests;

pub use json_schema::json_schema;

use crate::catalog::{Catalog, ConnectorSpec, OptionKind, OptionSpec};
use crate::document::{CONNECTION_KEYS, KEYS, NOT_IN_PROFILES, PROFILE_KEYS, VALUE_FORMATS};
use crate::lower::file_options::file_options;

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A pipeline.
    Pipeline,
    /// `connections.yaml`.
    Connections,
    /// `profiles/NAME.yaml`.
    Profile,
}

/// A key and what stands behind it.
#[derive(Clone, Debug)]
pub struct Key {
    /// The key.
    pub name: &'static str,
    /// What a user must know about it; empty for a key that only groups others.
    pub doc: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// The default as it would be written.
    pub default: Option<&'static str>,
    /// A value as it would be written.
    pub example: &'static str,
    /// Whether its value is never shown.
    pub secret: bool,
    /// What stands behind it.
    pub shape: Shape,
}

/// What stands behind a key.
#[derive(Clone, Debug)]
pub enum Shape {
    /// `version: 1`.
    Version,
    /// The name of a pipeline.
    PipelineName,
    /// Statements.
    Kcql,
    /// A value of an option.
    Value(OptionKind),
    /// `json`, or `{ json: { compression: gzip } }`: the formats with their options.
    Format(Vec<Key>),
    /// Exactly these keys.
    Keys(Vec<Key>),
    /// One of these connectors, and beside it the other keys; or only `use`.
    Connector {
        /// One key a connector.
        connectors: Vec<Key>,
        /// `use`, `topic`.
        beside: Vec<Key>,
        /// Whether several connectors may stand here: a profile speaks of many pipelines.
        is_open: bool,
    },
    /// Names that the user gives, all of this shape.
    Named(Box<Shape>),
    /// A text, or a mapping of this shape.
    TextOr(Box<Shape>),
    /// The name of a connection.
    ConnectionName,
}

impl Key {
    fn group(name: &'static str, shape: Shape) -> Self {
        Self { name, doc: "", required: false, default: None, example: "", secret: false, shape }
    }

    fn of(spec: &OptionSpec, name: &'static str, shape: Shape) -> Self {
        let OptionSpec { path: _, kind: _, required, default, secret, change: _, doc, example } = *spec;
        Self { name, doc, required, default, example, secret, shape }
    }
}

impl Shape {
    /// The keys that may stand in a mapping of this shape.
    #[must_use]
    pub fn keys(&self) -> Vec<&Key> {
        match self {
            Self::Keys(keys) | Self::Format(keys) => keys.iter().collect(),
            Self::Connector { connectors, beside, is_open: _ } => connectors.iter().chain(beside).collect(),
            Self::TextOr(shape) => shape.keys(),
            Self::Version | Self::PipelineName | Self::Kcql | Self::Value(_) | Self::Named(_) | Self::ConnectionName => Vec::new(),
        }
    }

    /// What stands behind a path of keys; names that the user gives lead on where they may.
    #[must_use]
    pub fn at<'s>(&'s self, path: &[impl AsRef<str>]) -> Option<&'s Shape> {
        let Some((first, rest)) = path.split_first() else { return Some(self) };
        match self {
            Self::Named(shape) => shape.at(rest),
            _ => self.keys().into_iter().find(|key| key.name == first.as_ref())?.shape.at(rest),
        }
    }

    /// The key that a path leads to.
    #[must_use]
    pub fn key(&self, path: &[impl AsRef<str>]) -> Option<&Key> {
        let (last, above) = path.split_last()?;
        self.at(above)?.keys().into_iter().find(|key| key.name == last.as_ref())
    }
}

/// The shape of a file.
#[must_use]
pub fn shape(kind: FileKind, catalog: &Catalog) -> Shape {
    let shapes = Shapes { catalog, is_open: kind == FileKind::Profile };
    let named = |shape| Shape::Named(Box::new(shape));
    match kind {
        FileKind::Pipeline => shapes.pipeline(&KEYS),
        FileKind::Connections | FileKind::Profile => {
            let keys = if kind == FileKind::Profile { &PROFILE_KEYS[..] } else { &CONNECTION_KEYS };
            let key = |spec: &OptionSpec| {
                let shape = match spec.path {
                    "version" => Shape::Version,
                    "all" => shapes.pipeline(&KEYS[NOT_IN_PROFILES..]),
                    "pipelines" => named(shapes.pipeline(&KEYS[NOT_IN_PROFILES..])),
                    _ => named(shapes.connection()),
                };
                Key::of(spec, spec.path, shape)
            };
            Shape::Keys(keys.iter().map(key).collect())
        }
    }
}

struct Shapes<'c> {
    catalog: &'c Catalog,
    is_open: bool,
}

impl Shapes<'_> {
    fn pipeline(&self, specs: &'static [OptionSpec]) -> Shape {
        Shape::Keys(tree(specs, "", &|spec| match spec.path {
            "version" => Shape::Version,
            "pipeline" => Shape::PipelineName,
            "kcql" => Shape::Kcql,
            "source" => self.end(|spec| Some(source_keys(spec)).filter(|_| spec.source.is_some()), Vec::new()),
            "sink" => self.end(|spec| Some(sink_keys(spec)).filter(|_| spec.sink.is_some()), Vec::new()),
            "errors.dead_letter" => {
                let topic = Key { required: true, ..Key::of(spec, "topic", Shape::Value(OptionKind::Text)) };
                let kafka = |spec: &'static ConnectorSpec| Some(sink_keys(spec)).filter(|_| spec.name == "kafka");
                Shape::TextOr(Box::new(self.end(kafka, vec![topic])))
            }
            _ => Shape::Value(spec.kind),
        }))
    }

    /// An end of a pipeline: the connectors that have keys for it.
    fn end(&self, keys: impl Fn(&'static ConnectorSpec) -> Option<Vec<Key>>, mut beside: Vec<Key>) -> Shape {
        let connector = |spec: &&'static ConnectorSpec| {
            let mut keys = keys(spec)?;
            keys.push(used());
            Some(Key { doc: spec.summary, ..Key::group(spec.name, Shape::Keys(keys)) })
        };
        beside.push(used());
        Shape::Connector { connectors: self.catalog.connectors.iter().filter_map(connector).collect(), beside, is_open: self.is_open }
    }

    /// A connection: options of both roles.
    fn connection(&self) -> Shape {
        let connector = |spec: &&'static ConnectorSpec| {
            let mut keys = source_keys(spec);
            merge(&mut keys, sink_keys(spec));
            Key { doc: spec.summary, ..Key::group(spec.name, Shape::Keys(keys)) }
        };
        Shape::Connector { connectors: self.catalog.connectors.iter().map(connector).collect(), beside: Vec::new(), is_open: false }
    }
}

fn used() -> Key {
    let doc = "The connection of connections.yaml whose options are taken.";
    Key { doc, example: "main", ..Key::group("use", Shape::ConnectionName) }
}

fn source_keys(spec: &'static ConnectorSpec) -> Vec<Key> {
    connector_keys(spec.source.as_ref().map_or(&[], |source| source.options), VALUE_FORMATS)
}

fn sink_keys(spec: &'static ConnectorSpec) -> Vec<Key> {
    let formats = spec.sink.as_ref().map_or(&[][..], |sink| sink.formats);
    let formats = if formats.is_empty() { VALUE_FORMATS } else { formats };
    connector_keys(spec.sink.as_ref().map_or(&[], |sink| sink.options), formats)
}

fn connector_keys(specs: &'static [OptionSpec], formats: &'static [&'static str]) -> Vec<Key> {
    let format = |name: &&'static str| {
        let options = tree(file_options(name), "", &|spec| Shape::Value(spec.kind));
        Key { doc: "A format of files.", ..Key::group(name, Shape::Keys(options)) }
    };
    tree(specs, "", &|spec| match spec.kind {
        OptionKind::Format => Shape::Format(formats.iter().map(format).collect()),
        kind => Shape::Value(kind),
    })
}

/// Keys from dotted paths, in their order; `above` is the path of the group.
fn tree(specs: &'static [OptionSpec], above: &str, leaf: &dyn Fn(&OptionSpec) -> Shape) -> Vec<Key> {
    let mut keys: Vec<Key> = Vec::new();
    for spec in specs {
        let Some(rest) = spec.path.strip_prefix(above) else { continue };
        let (name, is_leaf) = rest.split_once('.').map_or((rest, true), |(group, _)| (group, false));
        if keys.iter().any(|key| key.name == name) {
            continue;
        }
        keys.push(if is_leaf {
            Key::of(spec, name, leaf(spec))
        } else {
            Key::group(name, Shape::Keys(tree(specs, &format!("{above}{name}."), leaf)))
        });
    }
    keys
}

/// Adds the keys that are not there yet, in groups too.
fn merge(keys: &mut Vec<Key>, more: Vec<Key>) {
    for key in more {
        match keys.iter_mut().find(|own| own.name == key.name) {
            None => keys.push(key),
            Some(own) => {
                if let (Shape::Keys(own), Shape::Keys(more)) = (&mut own.shape, key.shape) {
                    merge(own, more);
                }
            }
        }
    }
}
