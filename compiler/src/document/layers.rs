//! Where a key can be written: the pipeline's file, the connection it uses, the profile.
//!
//! A profile and a connection never add up with a pipeline as texts do: each key that is written in a later layer replaces the one of an
//! earlier layer, and nothing else.

use std::collections::BTreeMap;

use kpipe_grammar::span::Span;

use super::context::Context;
use super::error::DocumentError;
use super::keys::{Home, Stray, join};
use crate::catalog::{OptionKind, OptionSpec};
use crate::sources::Location;
use crate::yaml::{Entry, Node, Value};

/// A value and its key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written<'n> {
    /// The key.
    pub(super) key: Location,
    /// The value.
    pub(super) node: &'n Node,
    /// What a dotted key names below the option: `s3.flush` for `sink.s3.flush`.
    pub(super) rest: &'n str,
    /// Who says so.
    pub(super) origin: Origin,
}

/// Who wrote a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The pipeline, or a connection.
    File,
    /// The profile, for all pipelines.
    All,
    /// The profile, for this one.
    Named,
    /// The profile, for the connection that the pipeline uses.
    Connection,
}

/// Values by the path of their option, the last layer's.
#[derive(Default)]
pub(super) struct Layers<'n> {
    /// For an option of kind `Map` all layers, for another one the last.
    pub(super) written: BTreeMap<&'static str, Vec<Written<'n>>>,
    /// Keys that nobody reads.
    pub(super) strays: Vec<Stray<'n>>,
    /// A mapping was something else, which was said.
    pub(super) is_broken: bool,
}

/// A mapping to be laid over what is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layer<'n, 'p> {
    /// The key of the mapping.
    pub(super) key: Location,
    /// The mapping, or the value of a dotted key.
    pub(super) node: &'n Node,
    /// What a dotted key already names: `flush` for `sink.s3.flush`.
    pub(super) prefix: &'p str,
    /// Who says so. In a profile a key may name a path.
    pub(super) origin: Origin,
    /// Keys that belong to the connector in its other role: not an error in a connection.
    pub(super) other: &'static [OptionSpec],
}

impl<'n> Layers<'n> {
    /// Lays a mapping over what is there. `skipped` is a key that somebody else reads.
    pub(super) fn lay(&mut self, context: &mut Context<'_>, here: Home<'_>, layer: Layer<'n, '_>, skipped: Option<&str>) {
        if let Some(spec) = here.specs.iter().find(|spec| spec.path == layer.prefix) {
            return self.put(context, spec, Written { key: layer.key, node: layer.node, rest: "", origin: layer.origin });
        }
        let entries: &[Entry] = match &layer.node.value {
            Value::Mapping(entries) => entries,
            Value::Scalar(scalar) if scalar.is_null() => &[],
            Value::Scalar(_) | Value::Sequence(_) => {
                self.is_broken = true;
                if let Some(stray) = unknown_part(context, here, layer) {
                    return self.strays.push(stray);
                }
                let at = layer.node.place();
                let error = DocumentError::WrongType {
                    key: join(here.base, layer.prefix),
                    expected: "a mapping of keys".to_owned(),
                    found: layer.node.kind().to_owned(),
                    span: at.span,
                    help: "begin a new line for each key, indented further than this one".to_owned(),
                };
                return context.error(at, error);
            }
        };
        for entry in entries.iter().filter(|entry| !layer.prefix.is_empty() || skipped != Some(entry.key.as_str())) {
            self.entry(context, here, layer, entry);
        }
    }

    fn entry(&mut self, context: &mut Context<'_>, here: Home<'_>, layer: Layer<'n, '_>, entry: &'n Entry) {
        let path = join(layer.prefix, &entry.key);
        let plain = layer.origin != Origin::File || !entry.key.contains('.');
        let is_group =
            |specs: &[OptionSpec]| specs.iter().any(|spec| spec.path.strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with('.')));
        if let Some(spec) = here.specs.iter().find(|spec| spec.path == path && plain) {
            self.put(context, spec, Written { key: entry.at, node: &entry.value, rest: "", origin: layer.origin });
        } else if plain && is_group(here.specs) {
            let inner = Group { key: entry.at, node: &entry.value, path };
            self.group(context, here, layer, inner);
        } else if let Some((spec, rest)) = below_a_map(here.specs, layer, &entry.key) {
            self.put(context, spec, Written { key: entry.at, node: &entry.value, rest, origin: layer.origin });
        } else if layer.other.iter().any(|spec| spec.path == path) || is_group(layer.other) {
            // The other end of a pipeline reads it.
        } else {
            let parent = (!layer.prefix.is_empty() || !here.base.is_empty()).then_some(layer.key);
            self.strays.push(Stray { key: entry.key.as_str().into(), at: entry.at, prefix: layer.prefix.to_owned(), parent });
        }
    }

    fn group(&mut self, context: &mut Context<'_>, here: Home<'_>, layer: Layer<'n, '_>, group: Group<'n>) {
        let mut below = Layers::default();
        let inner = Layer { key: group.key, node: group.node, prefix: &group.path, origin: layer.origin, other: layer.other };
        below.lay(context, here, inner, None);
        self.strays.append(&mut below.strays);
        self.is_broken |= below.is_broken;
        below.written.into_iter().for_each(|(path, written)| {
            if let Some(spec) = here.specs.iter().find(|spec| spec.path == path) {
                written.into_iter().for_each(|written| self.put(context, spec, written));
            }
        });
    }

    fn put(&mut self, context: &mut Context<'_>, spec: &OptionSpec, written: Written<'n>) {
        let values = self.written.entry(spec.path).or_default();
        if !matches!(spec.kind, OptionKind::Map(_)) {
            // In one layer a key can only stand twice as a path and nested.
            if let Some(first) = values.iter().find(|first| first.origin == written.origin && first.origin != Origin::File) {
                let (key, second) = (spec.path.to_owned(), written.key.span);
                context.error(written.key, DocumentError::WrittenTwice { key, second, first: first.key.span });
            }
            values.clear();
        }
        values.push(written);
    }
}

/// `sink.s3.flush` in a profile: the option `sink`, and `s3.flush` below it.
fn below_a_map<'n>(specs: &'static [OptionSpec], layer: Layer<'_, '_>, key: &'n str) -> Option<(&'static OptionSpec, &'n str)> {
    if layer.origin == Origin::File || !layer.prefix.is_empty() {
        return None;
    }
    let (first, rest) = key.split_once('.')?;
    specs.iter().find(|spec| spec.path == first && matches!(spec.kind, OptionKind::Map(_))).map(|spec| (spec, rest))
}

/// The part of a dotted key that names nothing: `flsh` of `sink.s3.flsh.records`.
fn unknown_part<'n>(context: &Context<'_>, here: Home<'_>, layer: Layer<'n, '_>) -> Option<Stray<'n>> {
    let is_group = |path: &str| here.specs.iter().any(|spec| spec.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')));
    let ends = layer.prefix.match_indices('.').map(|(at, _)| at).chain([layer.prefix.len()]);
    let end = ends.into_iter().find(|end| !is_group(&layer.prefix[..*end])).filter(|_| !layer.prefix.is_empty())?;
    let (above, part) = layer.prefix[..end].rsplit_once('.').unwrap_or(("", &layer.prefix[..end]));
    let written = context.sources.text(layer.key);
    let start = layer.key.span.start + written.rfind(layer.prefix)? + end - part.len();
    let at = Location::new(layer.key.file, Span::new(start, start + part.len()));
    Some(Stray { key: part.to_owned().into(), at, prefix: above.to_owned(), parent: None })
}

struct Group<'n> {
    key: Location,
    node: &'n Node,
    path: String,
}
