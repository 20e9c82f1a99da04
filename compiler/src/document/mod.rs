//! One pipeline as its file says it: typed, options checked and complete, each with its place.

mod context;
mod endpoint;
mod error;
mod format;
mod keys;
mod layers;
mod plaintext;
mod read;
mod schema;
mod shared;
#[cfg(test)]
pub(crate) mod tests;
mod values;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kpipe_grammar::span::Span;

use crate::catalog::ConnectorSpec;
use crate::plan::{Guarantee, Options, Schema, Tolerance};
use crate::sources::{Located, Location};
use crate::yaml::ScalarMap;

pub(crate) use context::Context;
pub use error::{DocumentError, DocumentWarning};

pub(crate) use context::REFERENCE_PATTERN;
pub(crate) use format::VALUE_FORMATS;
pub(crate) use read::{KEYS, NAME_PATTERN, NOT_IN_PROFILES};
pub(crate) use shared::{CONNECTION_KEYS, PROFILE_KEYS, Shared, SharedTrees};

/// One pipeline.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its name and where it is given.
    pub name: Located<String>,
    /// `delivery:`, if it is written.
    pub delivery: Option<Located<Guarantee>>,
    /// Where records come from.
    pub source: EndpointDoc,
    /// Where they go.
    pub sink: EndpointDoc,
    /// The statements.
    pub kcql: KcqlText,
    /// `errors:`.
    pub errors: ErrorsDoc,
}

/// `source:` or `sink:`.
#[derive(Clone, Debug)]
pub struct EndpointDoc {
    /// The connector.
    pub connector: &'static ConnectorSpec,
    /// Where the connector is named.
    pub at: Location,
    /// Its options by dotted path, defaults filled in. `format` is a text or a map of one format to a map of its options, each a text, a
    /// number or a flag as it was written. A schema is the text that [`crate::schema::show`] makes of it, `infer`, or `file:path`.
    pub options: Options,
    /// Where each option that was written stands, by path; parts of a format as `format.parquet.compression`.
    pub places: BTreeMap<String, OptionPlace>,
    /// Options of kind `Schema`, by path.
    pub schemas: BTreeMap<String, SchemaDoc>,
    /// Options that were written but are not in `options`: wrong (said already), or not known in this run because a variable is not set.
    /// A later stage says nothing about them.
    pub absent: BTreeSet<String>,
}

/// Where an option stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionPlace {
    /// Its key.
    pub key: Location,
    /// Its value.
    pub value: Location,
}

/// The value of an option of kind `Schema`.
#[derive(Clone, Debug)]
pub enum SchemaDoc {
    /// Written in place.
    Inline {
        /// The columns.
        schema: Schema,
        /// Where each field stands, by its path.
        fields: BTreeMap<Vec<String>, Location>,
    },
    /// `{ file: x.avsc }`.
    File {
        /// The path as written.
        path: String,
        /// What the file says.
        schema: Schema,
    },
    /// `infer`: from samples.
    Infer,
}

/// `errors:`, defaults filled in.
#[derive(Clone, Debug)]
pub struct ErrorsDoc {
    /// `tolerance:`.
    pub tolerance: Tolerance,
    /// `dead_letter:`.
    pub dead_letter: Option<DeadLetterDoc>,
    /// `retry.timeout`; none: for ever.
    pub retry_timeout_ms: Option<u64>,
    /// `retry.delay_max`.
    pub retry_delay_max_ms: u64,
    /// Where each key that was written stands, by path below `errors`.
    pub places: BTreeMap<String, OptionPlace>,
}

/// `dead_letter: TOPIC` or `dead_letter: { topic: TOPIC, kafka: { ... } }`.
#[derive(Clone, Debug)]
pub struct DeadLetterDoc {
    /// The topic.
    pub topic: Located<String>,
    /// The cluster, if it is given: the options of a `kafka` sink.
    pub cluster: Option<EndpointDoc>,
}

/// The KCQL of a pipeline: decoded, references replaced.
#[derive(Clone, Debug)]
pub struct KcqlText {
    /// The text.
    pub text: String,
    /// From it to the file.
    pub map: Arc<ScalarMap>,
}

impl KcqlText {
    /// Where a part of the text stands in the file.
    #[must_use]
    pub fn locate(&self, span: Span) -> Location {
        self.map.locate(span)
    }
}

impl EndpointDoc {
    /// Where the value of an option stands, if it was written.
    #[must_use]
    pub fn value_at(&self, path: &str) -> Option<Location> {
        self.places.get(path).map(|place| place.value)
    }
}
