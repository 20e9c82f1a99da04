//! A tree to a document.

use std::collections::BTreeMap;
use std::sync::Arc;

use kpipe_grammar::span::Span;

use super::context::{Absent, Context};
use super::endpoint::{Chosen, Role};
use super::error::DocumentError;
use super::keys::Home;
use super::layers::{Layer, Layers, Origin, Written};
use super::shared::Shared;
use super::values::{Slot, default_value};
use super::words::cut;
use super::{DeadLetterDoc, Document, ErrorsDoc, KcqlText, OptionPlace};
use crate::catalog::{ChangeKind, OptionKind, OptionSpec};
use crate::plan::{Guarantee, OptionValue, Tolerance};
use crate::sources::{Located, Location};
use crate::yaml::{Node, Value};

/// A document as far as it could be read.
#[derive(Debug)]
pub(crate) struct Draft {
    /// Its name.
    pub(crate) name: Option<Located<String>>,
    /// Its statements.
    pub(crate) kcql: Option<KcqlText>,
    /// All of it, if nothing that must be there is missing.
    pub(crate) document: Option<Document>,
    /// True if a value of the document itself is wrong or not known: it is looked through for more mistakes, and no pipeline comes of it.
    pub(crate) is_incomplete: bool,
}

const DELIVERY: &[&str] = &["at_most_once", "at_least_once", "exactly_once"];
const NAME_CHARACTERS_MAX: usize = 100;
/// A name of a pipeline, as a regular expression.
pub(crate) const NAME_PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$";
/// Longest pause between two attempts unless the file says otherwise.
const RETRY_DELAY_MAX_MS: u64 = 30_000;

const PLAIN: OptionSpec = OptionSpec { change: ChangeKind::InPlace, ..OptionSpec::PLAIN };

/// The keys of a pipeline. The first two are not for profiles.
pub(crate) static KEYS: [OptionSpec; 10] = [
    OptionSpec {
        path: "version",
        kind: OptionKind::Integer { min: 1, max: i64::MAX },
        required: true,
        doc: "The version of the file format.",
        example: "1",
        ..PLAIN
    },
    OptionSpec { path: "pipeline", required: true, doc: "The name of the pipeline.", example: "orders-lake", ..PLAIN },
    OptionSpec {
        path: "delivery",
        kind: OptionKind::Choice(DELIVERY),
        doc: "The guarantee that is asked for.",
        example: "at_least_once",
        ..PLAIN
    },
    OptionSpec {
        path: "source",
        kind: OptionKind::Map(&[]),
        required: true,
        doc: "Where records come from: one connector and its options, or `use: NAME` for a connection.",
        example: "{ kafka: { brokers: [localhost:9092] } }",
        ..PLAIN
    },
    OptionSpec {
        path: "sink",
        kind: OptionKind::Map(&[]),
        required: true,
        doc: "Where records go: one connector and its options, or `use: NAME` for a connection.",
        example: "{ local: { dir: ./lake } }",
        ..PLAIN
    },
    OptionSpec { path: "kcql", required: true, doc: "The statements.", example: "INSERT INTO target SELECT * FROM source", ..PLAIN },
    OptionSpec {
        path: "errors.tolerance",
        kind: OptionKind::Choice(&["none", "all"]),
        default: Some("none"),
        doc: "How many bad records are tolerated.",
        example: "all",
        ..PLAIN
    },
    OptionSpec { path: "errors.dead_letter", doc: "The topic of bad records.", example: "orders.dlq", ..PLAIN },
    OptionSpec {
        path: "errors.retry.timeout",
        kind: OptionKind::Duration { min_ms: 1_000, max_ms: 365 * 86_400_000 },
        doc: "How long a system that is away is waited for; for ever if not given.",
        example: "1h",
        ..PLAIN
    },
    OptionSpec {
        path: "errors.retry.delay_max",
        kind: OptionKind::Duration { min_ms: 100, max_ms: 3_600_000 },
        default: Some("30s"),
        doc: "The longest pause between two attempts.",
        example: "10s",
        ..PLAIN
    },
];
pub(crate) const NOT_IN_PROFILES: usize = 2;

fn spec(path: &str) -> &'static OptionSpec {
    KEYS.iter().find(|spec| spec.path == path).unwrap_or(&KEYS[0])
}

impl ErrorsDoc {
    /// What holds where the file says nothing.
    fn unsaid() -> Self {
        let (retry_timeout_ms, retry_delay_max_ms) = (None, RETRY_DELAY_MAX_MS);
        Self { tolerance: Tolerance::None, dead_letter: None, retry_timeout_ms, retry_delay_max_ms, places: BTreeMap::new() }
    }
}

impl<'a> Context<'a> {
    /// Reads one document.
    pub(crate) fn document<'n>(&mut self, root: &'n Node, shared: &Shared<'n>) -> Draft {
        self.home = Some(root.at.file);
        let nothing = Draft { name: None, kcql: None, document: None, is_incomplete: true };
        let Value::Mapping(entries) = &root.value else {
            let at = root.place();
            let end = self.sources.text(at).find('\n').map_or(at.span.end, |length| at.span.start + length);
            let span = Span::new(at.span.start, end);
            let begin = "`version: 1` and `pipeline: NAME`";
            self.error(at, DocumentError::NotAMapping { what: "a pipeline file", begin, found: root.kind(), span });
            return nothing;
        };
        let class = |node: &'n Node| node.get("connector.class");
        if let Some(class) = class(root).or_else(|| root.get("config").and_then(|config| class(&config.value))) {
            self.error(class.at, DocumentError::KafkaConnect { span: class.at.span });
            return nothing;
        }
        let start = entries.first().map_or(root.at, |entry| entry.at);
        let named = root.get("pipeline").and_then(|entry| entry.value.scalar()).map_or("", |scalar| scalar.text.as_str());
        let keys = self.lay_all(root, start, named, shared);
        let chosen = [Role::Source, Role::Sink].map(|role| {
            let written = keys.written.get(role.section())?;
            self.choose(role, written, shared, named)
        });
        let homes: Vec<Home<'_>> = std::iter::once(HOME).chain(chosen.iter().flatten().map(Chosen::home)).collect();
        let meant: Vec<String> = keys.strays.iter().flat_map(|stray| self.stray(HOME, &homes, stray)).collect();
        self.required(&keys, &meant, root, start);
        self.version(&keys);
        let (name, kcql) = (self.name(&keys), self.kcql(&keys));
        let delivery = self.delivery(&keys);
        let errors = self.errors(&keys, shared);
        let endpoints = chosen.each_ref().map(|chosen| chosen.as_ref().map(|chosen| self.endpoint(chosen, &homes, shared)));
        let is_incomplete = delivery.is_err() || errors.is_err();
        let delivery = delivery.unwrap_or_default();
        let errors = errors.unwrap_or_else(|Absent| ErrorsDoc::unsaid());
        let document = match (name.clone(), kcql.clone(), endpoints) {
            // A misspelt key is a value that nobody knows: what follows from its default would be a second error of one mistake.
            (Some(name), Some(kcql), [Some(source), Some(sink)]) if meant.is_empty() => {
                Some(Document { name, delivery, source, sink, kcql, errors })
            }
            _ => None,
        };
        Draft { name, kcql, document, is_incomplete }
    }

    /// The keys of the pipeline's file and of the profile, the last one counts.
    fn lay_all<'n>(&mut self, root: &'n Node, start: Location, name: &str, shared: &Shared<'n>) -> Layers<'n> {
        let mut keys = Layers::default();
        keys.lay(self, HOME, Layer { key: start, node: root, prefix: "", origin: Origin::File, other: &[] }, None);
        let profile = Home { base: "", root: "the pipeline", specs: &KEYS[NOT_IN_PROFILES..] };
        let own_strays = std::mem::take(&mut keys.strays);
        let overriding = [(shared.profile.all, Origin::All), (shared.profile.pipelines.get(name).copied(), Origin::Named)];
        for (entry, origin) in overriding {
            if let Some(entry) = entry {
                keys.lay(self, profile, Layer { key: entry.at, node: &entry.value, prefix: "", origin, other: &[] }, None);
            }
        }
        let strays = std::mem::replace(&mut keys.strays, own_strays);
        for stray in &strays {
            self.stray(profile, &[profile], stray);
        }
        keys
    }

    fn required(&mut self, keys: &Layers<'_>, meant: &[String], root: &Node, start: Location) {
        // A profile overrides what a pipeline has; an end that only the profile names is none.
        let is_written = |path: &str| {
            let written = keys.written.get(path).map_or(&[][..], Vec::as_slice);
            written.iter().any(|written| written.origin == Origin::File || !matches!(spec(path).kind, OptionKind::Map(_)))
        };
        let is_there = |path: &str| is_written(path) || meant.iter().any(|meant| meant == path);
        let missing: Vec<&OptionSpec> = KEYS.iter().filter(|spec| spec.required && !is_there(spec.path)).collect();
        let Some(first) = missing.first() else { return };
        let error = DocumentError::MissingKey {
            key: missing.iter().map(|spec| spec.path).collect::<Vec<_>>().join("`, `"),
            parent: "the pipeline".to_owned(),
            span: start.span,
            help: format!("for example `{}: {}`", first.path, first.example),
        };
        let block = !self.sources.text(root.at).starts_with('{');
        let top = Location::new(start.file, Span::new(start.span.start, start.span.start));
        let fix = (missing.len() == 1 && first.path == "version" && block).then(|| (top, "version: 1\n".to_owned()));
        self.error_with_fix(start, error, fix);
    }

    fn version(&mut self, keys: &Layers<'_>) {
        let Some(written) = last(keys, "version") else { return };
        let spec = spec("version");
        match self.value(Slot::new(spec.path, spec), written.node) {
            Ok(OptionValue::Integer(1)) | Err(Absent) => {}
            Ok(_) => {
                let at = written.node.place();
                self.error(at, DocumentError::Version { span: at.span });
            }
        }
    }

    fn name(&mut self, keys: &Layers<'_>) -> Option<Located<String>> {
        let name = self.root_text(keys, "pipeline").ok()??;
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let why = if name.node.is_empty() {
            "it is empty".to_owned()
        } else if name.node.chars().count() > NAME_CHARACTERS_MAX {
            format!("it has more than {NAME_CHARACTERS_MAX} characters")
        } else if let Some(wrong) = name.node.chars().find(|c| !allowed(*c)) {
            format!("`{}` is not allowed in it", wrong.escape_debug())
        } else if !name.node.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            "it begins with a letter or a digit".to_owned()
        } else {
            return Some(name);
        };
        self.error(name.at, DocumentError::PipelineName { name: cut(&name.node), why, span: name.at.span });
        None
    }

    fn kcql(&mut self, keys: &Layers<'_>) -> Option<KcqlText> {
        let written = last(keys, "kcql")?;
        let spec = spec("kcql");
        let slot = Slot::new(spec.path, spec);
        let Some(scalar) = written.node.scalar().filter(|scalar| !scalar.text.trim().is_empty() && !scalar.is_null()) else {
            let at = if written.node.scalar().is_some() { written.key } else { written.node.place() };
            if written.node.scalar().is_none() {
                return self.wrong_type(slot, at, written.node.kind().to_owned()).ok();
            }
            let help = format!("for example `kcql: {}`", spec.example);
            self.error(at, DocumentError::Empty { key: spec.path.to_owned(), span: at.span, help });
            return None;
        };
        let resolved = self.resolve(written.node, scalar).ok()?;
        let map = resolved.map.unwrap_or_else(|| self.map(written.node, scalar));
        Some(KcqlText { text: resolved.text, map: Arc::new(map) })
    }

    fn delivery(&mut self, keys: &Layers<'_>) -> Result<Option<Located<Guarantee>>, Absent> {
        let Some(word) = self.root_text(keys, "delivery")? else { return Ok(None) };
        let guarantee = match word.node.as_str() {
            "at_most_once" => Guarantee::AtMostOnce,
            "exactly_once" => Guarantee::ExactlyOnce,
            _ => Guarantee::AtLeastOnce,
        };
        Ok(Some(Located::new(guarantee, word.at)))
    }

    /// The text or choice of a key of the document.
    fn root_text(&mut self, keys: &Layers<'_>, path: &str) -> Result<Option<Located<String>>, Absent> {
        let Some(written) = last(keys, path) else { return Ok(None) };
        let spec = spec(path);
        match self.value(Slot::new(spec.path, spec), written.node)? {
            OptionValue::Text(text) => Ok(Some(Located::new(text, written.node.place()))),
            _ => Err(Absent),
        }
    }

    fn errors<'n>(&mut self, keys: &Layers<'n>, shared: &Shared<'n>) -> Result<ErrorsDoc, Absent> {
        let places = keys.written.iter().filter_map(|(path, written)| {
            let place = written.last().map(|written| OptionPlace { key: written.key, value: written.node.place() })?;
            Some((path.strip_prefix("errors.")?.to_owned(), place))
        });
        let places = places.collect();
        let tolerance = self.root_text(keys, "errors.tolerance");
        let timeout = self.root_ms(keys, "errors.retry.timeout");
        let delay = self.root_ms(keys, "errors.retry.delay_max");
        let dead_letter = match last(keys, "errors.dead_letter") {
            Some(written) => self.dead_letter(written, shared).map(Some),
            None => Ok(None),
        };
        Ok(ErrorsDoc {
            tolerance: match tolerance?.as_ref().map(|word| word.node.as_str()) {
                Some("all") => Tolerance::All,
                Some(_) | None => Tolerance::None,
            },
            dead_letter: dead_letter?,
            retry_timeout_ms: timeout?,
            retry_delay_max_ms: delay?.unwrap_or(RETRY_DELAY_MAX_MS),
            places,
        })
    }

    fn root_ms(&mut self, keys: &Layers<'_>, path: &str) -> Result<Option<u64>, Absent> {
        let spec = spec(path);
        let value = match last(keys, path) {
            Some(written) => Some(self.value(Slot::new(spec.path, spec), written.node)?),
            None => default_value(spec),
        };
        Ok(match value {
            Some(OptionValue::DurationMs(ms)) => Some(ms),
            _ => None,
        })
    }

    /// `TOPIC`, or `{ topic: TOPIC, kafka: { ... } }` where the topic is on a cluster of its own.
    fn dead_letter<'n>(&mut self, written: Written<'n>, shared: &Shared<'n>) -> Result<DeadLetterDoc, Absent> {
        let spec = spec("errors.dead_letter");
        let slot = Slot::new(spec.path, spec);
        let Some(entries) = written.node.entries() else {
            let OptionValue::Text(topic) = self.value(slot, written.node)? else { return Err(Absent) };
            return Ok(DeadLetterDoc { topic: Located::new(topic, written.node.place()), cluster: None });
        };
        let Some(topic) = entries.iter().find(|entry| entry.key == "topic") else {
            let (key, parent) = ("topic".to_owned(), format!("`{}`", spec.path));
            let help = "for example `dead_letter: { topic: orders.dlq, kafka: { brokers: [localhost:9092] } }`".to_owned();
            self.error(written.key, DocumentError::MissingKey { key, parent, span: written.key.span, help });
            return Err(Absent);
        };
        let name = match self.value(slot, &topic.value)? {
            OptionValue::Text(text) => Located::new(text, topic.value.place()),
            _ => return Err(Absent),
        };
        if entries.len() == 1 {
            return Ok(DeadLetterDoc { topic: name, cluster: None });
        }
        let chosen = self.choose_cluster(&written, shared).ok_or(Absent)?;
        let cluster = self.endpoint(&chosen, &[chosen.home()], shared);
        Ok(DeadLetterDoc { topic: name, cluster: Some(cluster) })
    }
}

/// The keys of a pipeline.
const HOME: Home<'static> = Home { base: "", root: "the pipeline", specs: &KEYS };

fn last<'n>(keys: &Layers<'n>, path: &str) -> Option<Written<'n>> {
    keys.written.get(path).and_then(|written| written.last()).copied()
}
