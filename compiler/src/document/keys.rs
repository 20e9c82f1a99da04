//! Keys that nobody reads: what they may have meant.

use std::borrow::Cow;

use super::context::Context;
use super::error::DocumentError;
use crate::catalog::OptionSpec;
use crate::near::{near, one_of};
use crate::report::Entry;
use crate::sources::Location;

/// A mapping of the file and the keys that are known below it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Home<'a> {
    /// Its path: `sink.s3`, empty for the document itself.
    pub(super) base: &'a str,
    /// The document itself, in words.
    pub(super) root: &'static str,
    /// The keys below it, by dotted path.
    pub(super) specs: &'static [OptionSpec],
}

/// A key where it stands.
#[derive(Clone, Debug)]
pub(super) struct Stray<'a> {
    /// The key.
    pub(super) key: Cow<'a, str>,
    /// Where.
    pub(super) at: Location,
    /// Below the home's base: `flush`, or empty.
    pub(super) prefix: String,
    /// The key of the mapping it stands in.
    pub(super) parent: Option<Location>,
}

/// What a key may have meant.
struct Meant {
    label: String,
    /// The key, if there is one that can stand in the same place.
    key: Option<String>,
    fix: Fix,
}

/// How sure that is.
enum Fix {
    /// The key of [`Meant`], if there is one.
    Certain,
    /// Somebody has to look, or to choose.
    OneOf(Vec<String>),
}

/// Words of other systems and what kpipe calls them. The second is a path below a connector, or a root key.
pub(super) const SYNONYMS: &[(&str, &str)] = &[
    ("bootstrap.servers", "brokers"),
    ("bootstrap_servers", "brokers"),
    ("servers", "brokers"),
    ("group.id", "group"),
    ("group_id", "group"),
    ("consumer.group", "group"),
    ("group.instance.id", "group_instance"),
    ("auto.offset.reset", "from"),
    ("start_from", "from"),
    ("sasl.mechanism", "sasl.mechanism"),
    ("sasl.jaas.config", "sasl.password"),
    ("security.protocol", "tls.enabled"),
    ("ssl.ca.location", "tls.ca"),
    ("ssl.truststore.location", "tls.ca"),
    ("ssl.keystore.location", "tls.cert"),
    ("ssl.certificate.location", "tls.cert"),
    ("ssl.key.location", "tls.key"),
    ("sasl.mechanisms", "sasl.mechanism"),
    ("metadata.broker.list", "brokers"),
    ("compression.codec", "compression"),
    ("compression.type", "compression"),
    ("linger.ms", "linger"),
    ("flush.size", "flush.records"),
    ("flush.count", "flush.records"),
    ("flush_size", "flush.records"),
    ("count", "flush.records"),
    ("size", "flush.bytes"),
    ("batch.size", "flush.records"),
    ("rotate.interval.ms", "flush.interval"),
    ("rotate.schedule.interval.ms", "flush.schedule"),
    ("rotate_interval", "flush.interval"),
    ("topics.dir", "prefix"),
    ("s3.region", "region"),
    ("aws.region", "region"),
    ("connect.s3.aws.region", "region"),
    ("store.url", "endpoint"),
    ("connect.s3.custom.endpoint", "endpoint"),
    ("s3.path.style.access.enabled", "path_style"),
    ("connect.s3.vhost.bucket", "path_style"),
    ("aws.access.key.id", "credentials.access_key"),
    ("connect.s3.aws.access.key", "credentials.access_key"),
    ("aws.secret.access.key", "credentials.secret_key"),
    ("connect.s3.aws.secret.key", "credentials.secret_key"),
    ("access_key", "credentials.access_key"),
    ("secret_key", "credentials.secret_key"),
    ("format.class", "format"),
    ("partitioner.class", "partition_by"),
    ("partition.field.name", "partition_by"),
    ("path.format", "partition_by"),
    ("partition.duration.ms", "partition_by"),
    ("timezone", "partition.zone"),
    ("timestamp.extractor", "partition.timestamp"),
    ("timestamp.field", "partition.timestamp"),
    ("hosts", "url"),
    ("host", "url"),
    ("broker", "url"),
    ("connect.mqtt.hosts", "url"),
    ("connect.mqtt.client.id", "client_id"),
    ("client.id", "client_id"),
    ("clientid", "client_id"),
    ("connect.mqtt.username", "username"),
    ("user", "username"),
    ("login", "username"),
    ("connect.mqtt.password", "password"),
    ("connect.mqtt.service.quality", "qos"),
    ("connect.mqtt.clean", "clean_session"),
    ("connect.mqtt.keep.alive", "keep_alive"),
    ("connect.mqtt.ssl.ca.cert", "tls.ca"),
    ("path", "dir"),
    ("directory", "dir"),
];

/// Those whose values are written in another way there: the key alone would not be right.
const OTHER_VALUES: &[&str] = &[
    "sasl.jaas.config",
    "security.protocol",
    "ssl.truststore.location",
    "ssl.keystore.location",
    "linger.ms",
    "size",
    "batch.size",
    "rotate.interval.ms",
    "rotate.schedule.interval.ms",
    "connect.s3.vhost.bucket",
    "format.class",
    "partitioner.class",
    "partition.field.name",
    "path.format",
    "partition.duration.ms",
    "timestamp.extractor",
    "hosts",
    "host",
    "broker",
    "connect.mqtt.hosts",
    "connect.mqtt.keep.alive",
];

/// The same for keys of the document itself.
const ROOT_SYNONYMS: &[(&str, &str)] = &[
    ("name", "pipeline"),
    ("id", "pipeline"),
    ("from", "source"),
    ("input", "source"),
    ("to", "sink"),
    ("output", "sink"),
    ("target", "sink"),
    ("sql", "kcql"),
    ("query", "kcql"),
    ("statement", "kcql"),
    ("statements", "kcql"),
    ("connect.mqtt.kcql", "kcql"),
    ("connect.s3.kcql", "kcql"),
    ("guarantee", "delivery"),
    ("error", "errors"),
    ("on_error", "errors"),
    ("errors.tolerance", "errors.tolerance"),
    ("errors.deadletterqueue.topic.name", "errors.dead_letter"),
    ("dlq", "errors.dead_letter"),
];

/// Keys of the design that no version reads yet, by the last part of their path.
const NOT_YET: &[&str] = &["registry", "transforms", "tests", "commit", "envelope"];

impl Context<'_> {
    /// Says what is wrong with a key that nobody reads. `here` is its home, `homes` are all of the document.
    ///
    /// Gives the paths that it may have meant: nobody has to say that one of them is missing, and nobody knows what it would be.
    pub(super) fn stray(&mut self, here: Home<'_>, homes: &[Home<'_>], stray: &Stray<'_>) -> Vec<String> {
        let full = join(here.base, &stray.prefix);
        if NOT_YET.contains(&stray.key.as_ref()) {
            let what = format!("`{}`", join(&full, &stray.key));
            let help = format!("remove it; {}", allowed(here, &stray.prefix));
            self.error(stray.at, DocumentError::NotYet { what, span: stray.at.span, help });
            return Vec::new();
        }
        if let Some(error) = self.wrong_level(here, homes, stray, &full) {
            self.error(stray.at, error);
            return Vec::new();
        }
        let Meant { label, key: meant, fix } = self.meant(here, stray);
        let error = DocumentError::UnknownKey {
            key: stray.key.to_string(),
            parent: if full.is_empty() { here.root.to_owned() } else { format!("`{full}`") },
            label,
            span: stray.at.span,
            help: said_in_kcql(here, stray).map_or_else(|| allowed(here, &stray.prefix), str::to_owned),
        };
        let several: &[String] = if let Fix::OneOf(keys) = &fix { keys } else { &[] };
        let paths = meant.iter().chain(several).map(|key| join(&stray.prefix, key)).collect();
        let entry = Entry::new(stray.at.file, error);
        // A part of a path in a profile, and a key that came through an alias, stand for more than themselves.
        let is_whole = self.sources.text(stray.at).trim_matches(['"', '\'']) == stray.key;
        self.report.push(match fix {
            Fix::Certain => meant.filter(|_| is_whole).into_iter().fold(entry, |entry, key| entry.fix(stray.at, key)),
            Fix::OneOf(keys) => keys.into_iter().fold(entry, |entry, key| entry.suggest(stray.at, stray.key.as_ref(), key)),
        });
        paths
    }

    /// What a key may have meant.
    fn meant(&self, here: Home<'_>, stray: &Stray<'_>) -> Meant {
        let nothing = |label: String| Meant { label, key: None, fix: Fix::OneOf(Vec::new()) };
        let synonyms = if here.base.is_empty() { ROOT_SYNONYMS } else { SYNONYMS };
        let lower = stray.key.to_ascii_lowercase();
        let known = |path: &str| here.base.is_empty() || here.specs.iter().any(|spec| spec.path == path);
        if let Some((_, path)) = synonyms.iter().find(|(word, path)| *word == lower && known(path)) {
            let (parent, own) = path.rsplit_once('.').unwrap_or(("", path));
            let sibling = parent == stray.prefix;
            let name = if sibling { own } else { *path };
            let key = sibling.then(|| name.to_owned());
            let fix = if OTHER_VALUES.contains(&lower.as_str()) { Fix::OneOf(key.iter().cloned().collect()) } else { Fix::Certain };
            return Meant { label: format!("in kpipe this is called `{name}`"), key, fix };
        }
        let dotted = join(&stray.prefix, &stray.key);
        if stray.key.contains('.') && known(&dotted) {
            let nested = stray.key.replace('.', ": { ");
            return nothing(format!("keys are nested: `{nested}: ...{}`", " }".repeat(stray.key.matches('.').count())));
        }
        let keys = children(here, &stray.prefix);
        let near = near(&stray.key, keys.iter().copied());
        match near.as_slice() {
            [] => nothing("nobody reads this".to_owned()),
            [only] => Meant { label: format!("did you mean `{only}`?"), key: Some((*only).to_owned()), fix: Fix::Certain },
            several => {
                let label = format!("did you mean {}?", one_of(several.iter().copied()));
                Meant { label, key: None, fix: Fix::OneOf(several.iter().map(|key| (*key).to_owned()).collect()) }
            }
        }
    }

    /// The key is known, but stands in the wrong mapping.
    fn wrong_level(&self, here: Home<'_>, homes: &[Home<'_>], stray: &Stray<'_>, full: &str) -> Option<DocumentError> {
        let mut places: Vec<String> = homes.iter().flat_map(|home| parents_of(*home, &stray.key)).collect();
        let section = here.base.split('.').next().unwrap_or_default();
        // The other end of the pipeline is meant only if the key stands there in the same way.
        places.retain(|place| {
            let same_end = here.base.is_empty() || place.is_empty() || place.split('.').next() == Some(section);
            same_end || place.splitn(3, '.').nth(2).unwrap_or_default() == stray.prefix
        });
        places.sort_by_key(|place| {
            let inwards = (!is_inside(full, place), !is_inside(place, full));
            (inwards, place.contains("key"), std::cmp::Reverse(place.len()))
        });
        places.dedup();
        let place = places.first()?;
        let home = if place.is_empty() { "the pipeline".to_owned() } else { format!("`{place}`") };
        let (key, parent) = (stray.key.to_string(), if full.is_empty() { "the pipeline".to_owned() } else { format!("`{full}`") });
        let (label, taken_by, help) = if is_inside(full, place) {
            let around = full[place.len()..].trim_start_matches('.').split('.').next().unwrap_or_default();
            let label = self.outwards(stray, join(place, around) == full);
            (label, stray.parent, format!("`{key}` belongs next to `{around}`, not inside it"))
        } else if is_inside(place, full) {
            let below = place[full.len()..].trim_start_matches('.');
            let (opening, closing) = (below.replace('.', ": { "), " }".repeat(below.matches('.').count()));
            (format!("move this into `{below}`"), None, format!("write `{opening}: {{ {key}: ... }}{closing}`"))
        } else if here.base.is_empty() || places.len() == 1 || place.contains('.') {
            (format!("move this to {home}"), None, format!("`{key}` stands below {home}"))
        } else {
            return None;
        };
        let taken_by = taken_by.filter(|taken| taken.file == stray.at.file).map(|taken| taken.span);
        Some(DocumentError::WrongLevel { key, parent, home, label, span: stray.at.span, taken_by, help })
    }

    /// How far a line has to move to leave the mapping that it stands in.
    fn outwards(&self, stray: &Stray<'_>, one_level: bool) -> String {
        let file = self.sources.file(stray.at.file);
        let own = file.line_column(stray.at.span.start);
        match stray.parent.filter(|parent| parent.file == stray.at.file).map(|parent| file.line_column(parent.span.start)) {
            Some(parent) if parent.line == own.line => "move this out of the braces".to_owned(),
            Some(parent) if one_level && own.column > parent.column => {
                let columns = own.column - parent.column;
                let word = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight"]
                    .get(columns)
                    .map_or_else(|| columns.to_string(), |word| (*word).to_owned());
                format!("move this line {word} column{} to the left", if columns == 1 { "" } else { "s" })
            }
            Some(_) | None => "move this line to the left".to_owned(),
        }
    }
}

/// Where a name stands that other systems write among the options.
fn said_in_kcql(here: Home<'_>, stray: &Stray<'_>) -> Option<&'static str> {
    let (section, connector) = here.base.split_once('.').filter(|_| stray.prefix.is_empty())?;
    match (stray.key.to_ascii_lowercase().as_str(), section, connector) {
        ("bucket" | "bucket_name" | "s3.bucket.name", "sink", "s3") => {
            Some("the bucket stands in the statement: `INSERT INTO bucket:prefix SELECT ...`")
        }
        ("topic" | "topics", "source", "kafka" | "mqtt") => Some("the topic stands in the statement: `SELECT ... FROM topic`"),
        ("topic" | "topics", "sink", "kafka") => Some("the topic stands in the statement: `INSERT INTO topic SELECT ...`"),
        _ => None,
    }
}

/// `a` and `b` with a dot between them where both say something.
pub(super) fn join(base: &str, path: &str) -> String {
    match (base, path) {
        ("", path) => path.to_owned(),
        (base, "") => base.to_owned(),
        (base, path) => format!("{base}.{path}"),
    }
}

/// True if `inner` lies below `outer`.
fn is_inside(inner: &str, outer: &str) -> bool {
    inner.len() > outer.len() && inner.starts_with(outer) && (outer.is_empty() || inner.as_bytes()[outer.len()] == b'.')
}

/// The mappings of a home that have a key of this name.
fn parents_of(home: Home<'_>, key: &str) -> Vec<String> {
    let parts = |path: &'static str| path.split('.').collect::<Vec<_>>();
    let found = home.specs.iter().filter_map(|spec| {
        let parts = parts(spec.path);
        let index = parts.iter().position(|part| *part == key)?;
        Some(join(home.base, &parts[..index].join(".")))
    });
    found.collect()
}

/// The keys that may stand below `prefix`.
fn children(home: Home<'_>, prefix: &str) -> Vec<&'static str> {
    let mut keys: Vec<&str> = Vec::new();
    for spec in home.specs {
        let rest = if prefix.is_empty() { Some(spec.path) } else { spec.path.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('.')) };
        if let Some(key) = rest.and_then(|rest| rest.split('.').next())
            && !keys.contains(&key)
        {
            keys.push(key);
        }
    }
    keys
}

fn allowed(home: Home<'_>, prefix: &str) -> String {
    let keys: Vec<String> = children(home, prefix).iter().map(|key| format!("`{key}`")).collect();
    format!("keys allowed here: {}", keys.join(", "))
}
