//! Values of options: from what is written to their type, within their limits.

use kpipe_grammar::span::Span;

use super::context::{Absent, Context, Reference, Resolved};
use super::error::{DocumentError, DocumentWarning};
use super::keys::SYNONYMS;
use super::words::{UrlError, cut, host_port, is_boolean, is_octal, is_old_boolean, parse_integer, quoted, shown, url};
use crate::catalog::{OptionKind, OptionSpec};
use crate::near::{near, one_of};
use crate::plan::{OptionValue, SecretRef};
use crate::sources::Location;
use crate::units::{meant_bytes, meant_duration, parse_bytes, parse_duration_ms};
use crate::yaml::{Node, Scalar, Value};

/// A value that is being read.
#[derive(Clone, Copy)]
pub(super) struct Slot<'a> {
    /// The full path of its key.
    pub(super) key: &'a str,
    /// The key of the option as it is written.
    pub(super) name: &'a str,
    /// What the key takes.
    pub(super) kind: &'a OptionKind,
    /// A value as it would be written.
    pub(super) example: &'a str,
    /// One sentence about the key.
    pub(super) doc: &'a str,
}

impl<'a> Slot<'a> {
    pub(super) fn new(key: &'a str, spec: &'a OptionSpec) -> Self {
        Self { key, name: key.rsplit('.').next().unwrap_or(key), kind: &spec.kind, example: spec.example, doc: spec.doc }
    }

    fn of(self, kind: &'a OptionKind) -> Self {
        Self { kind, ..self }
    }

    /// `for example `qos: 1``.
    fn help(&self) -> String {
        format!("for example `{}: {}`", self.name, self.example)
    }

    /// Where a limit comes from: what the option is about.
    fn about(&self) -> String {
        let sentence = self.doc.split_inclusive(". ").next().unwrap_or(self.doc).trim();
        if sentence.is_empty() { self.help() } else { format!("{}: {sentence}", self.name) }
    }
}

/// What a kind takes, in words.
fn expected(kind: &OptionKind) -> String {
    match kind {
        OptionKind::Text => "a text".to_owned(),
        OptionKind::Path => "a path".to_owned(),
        OptionKind::Choice(words) => one_of(words.iter().copied()),
        OptionKind::Integer { .. } => "a whole number".to_owned(),
        OptionKind::Boolean => "`true` or `false`".to_owned(),
        OptionKind::Bytes { .. } => "a size".to_owned(),
        OptionKind::Duration { .. } => "a time".to_owned(),
        OptionKind::Url(_) => "a URL".to_owned(),
        OptionKind::HostPort => "`host:port`".to_owned(),
        OptionKind::StartPosition => "`earliest`, `latest` or a time stamp".to_owned(),
        OptionKind::Schema => "a schema".to_owned(),
        OptionKind::Format => "a format".to_owned(),
        OptionKind::List(inner) => format!("a list; each item is {}", expected(inner)),
        OptionKind::Map(_) => "a mapping".to_owned(),
    }
}

impl Context<'_> {
    /// Reads a value of any kind but `Schema` and `Format`, which have readers of their own.
    pub(super) fn value(&mut self, slot: Slot<'_>, node: &Node) -> Result<OptionValue, Absent> {
        match slot.kind {
            OptionKind::List(inner) => self.list(slot.of(inner), node),
            OptionKind::Map(keys) => self.map_of(slot, keys, node),
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
            | OptionKind::Schema
            | OptionKind::Format => {
                let scalar = self.scalar(slot, node)?;
                let resolved = self.resolve(node, scalar)?;
                self.typed(slot, node.place(), &resolved)
            }
        }
    }

    /// The scalar of a node that has to be one.
    fn scalar<'n>(&mut self, slot: Slot<'_>, node: &'n Node) -> Result<&'n Scalar, Absent> {
        let at = node.place();
        match &node.value {
            Value::Scalar(scalar) if !scalar.is_null() => Ok(scalar),
            Value::Scalar(_) => {
                self.error(at, DocumentError::Empty { key: slot.key.to_owned(), span: at.span, help: slot.help() });
                Err(Absent)
            }
            Value::Sequence(_) | Value::Mapping(_) => self.wrong_type(slot, at, node.kind().to_owned()),
        }
    }

    pub(super) fn wrong_type<T>(&mut self, slot: Slot<'_>, at: Location, found: String) -> Result<T, Absent> {
        let (key, expected) = (slot.key.to_owned(), expected(slot.kind));
        self.error(at, DocumentError::WrongType { key, expected, found, span: at.span, help: slot.help() });
        Err(Absent)
    }

    fn list(&mut self, slot: Slot<'_>, node: &Node) -> Result<OptionValue, Absent> {
        let Some(items) = node.items() else { return Ok(OptionValue::List(vec![self.value(slot, node)?])) };
        if items.is_empty() {
            let at = node.place();
            self.error(at, DocumentError::Empty { key: slot.key.to_owned(), span: at.span, help: slot.help() });
            return Err(Absent);
        }
        let values: Vec<_> = items.iter().map(|item| self.value(slot, item)).collect();
        Ok(OptionValue::List(values.into_iter().collect::<Result<_, _>>()?))
    }

    fn map_of(&mut self, slot: Slot<'_>, keys: &[&str], node: &Node) -> Result<OptionValue, Absent> {
        let Some(entries) = node.entries() else {
            let found = node.kind().to_owned();
            return self.wrong_type(slot, node.place(), found);
        };
        let mut map = std::collections::BTreeMap::new();
        let mut absent = false;
        for entry in entries {
            if !keys.is_empty() && !keys.contains(&entry.key.as_str()) {
                absent = true;
                self.unknown_in_map(slot, keys, &entry.key, entry.at);
                continue;
            }
            let key = format!("{}.{}", slot.key, entry.key);
            let inner = Slot { key: &key, kind: &OptionKind::Text, ..slot };
            let value = self.scalar(inner, &entry.value).and_then(|scalar| self.resolve(&entry.value, scalar));
            match value {
                Ok(resolved) => {
                    map.insert(entry.key.clone(), OptionValue::Text(resolved.text));
                }
                Err(Absent) => absent = true,
            }
        }
        if absent { Err(Absent) } else { Ok(OptionValue::Map(map)) }
    }

    fn unknown_in_map(&mut self, slot: Slot<'_>, keys: &[&str], key: &str, at: Location) {
        // Settings of a client that look alike may do the opposite: `fetch.min.bytes`, `fetch.max.bytes`.
        let mut near = near(key, keys.iter().copied());
        near.retain(|candidate| strsim::damerau_levenshtein(key, candidate) <= 1);
        let label = if near.is_empty() {
            "not among the allowed keys".to_owned()
        } else {
            format!("did you mean {}?", one_of(near.iter().copied()))
        };
        let fix = (near.len() == 1).then(|| (at, near[0].to_owned()));
        let error = DocumentError::UnknownKey {
            key: key.to_owned(),
            parent: format!("`{}`", slot.key),
            label,
            span: at.span,
            help: self.option_of(slot, key).unwrap_or_else(|| format!("keys allowed here: {}", keys.join(", "))),
        };
        self.error_with_fix(at, error, fix);
    }

    /// What a setting of a client is called as an option of the connector, if it is one.
    fn option_of(&self, slot: Slot<'_>, key: &str) -> Option<String> {
        let mut parts = slot.key.rsplit('.').skip(1);
        let connector = self.catalog.connector(parts.next()?)?;
        let options = match parts.last() {
            Some("source") => connector.source.as_ref()?.options,
            Some(_) | None => connector.sink.as_ref()?.options,
        };
        let lower = key.to_ascii_lowercase();
        let path = SYNONYMS.iter().find(|(word, _)| *word == lower).map_or(lower.as_str(), |(_, path)| path);
        let option = options.iter().find(|option| option.path == path)?;
        Some(format!("in kpipe this is `{}`, an option of `{}`", option.path, connector.name))
    }

    fn typed(&mut self, slot: Slot<'_>, at: Location, value: &Resolved) -> Result<OptionValue, Absent> {
        match slot.kind {
            OptionKind::Text => self.text(slot, at, value).map(OptionValue::Text),
            OptionKind::Path => self.text(slot, at, value).map(|path| OptionValue::Text(self.as_the_pipeline_sees(at, path))),
            OptionKind::Choice(words) => self.choice(slot, at, value, words),
            OptionKind::Integer { min, max } => self.integer(slot, at, value, *min, *max),
            OptionKind::Boolean => self.boolean(slot, at, value),
            OptionKind::Bytes { min, max } => {
                let bytes =
                    parse_bytes(&value.text).ok_or(("a size", "not a size", "units are B, KB, MB, GB (1000) and KiB, MiB, GiB (1024)"));
                let bytes = bytes.map_err(|words| self.unit(slot, at, &value.text, words))?;
                self.within(slot, at, &value.text, bytes, (*min, *max), crate::plan::wording::show_bytes)?;
                Ok(OptionValue::Bytes(bytes))
            }
            OptionKind::Duration { min_ms, max_ms } => {
                let label = if value.text.bytes().all(|byte| byte.is_ascii_digit()) { "a unit is missing" } else { "not a time" };
                let words = ("a time", label, "units are ms, s, m, h and d, largest first: `10m`, `500ms`, `1h30m`");
                let ms = parse_duration_ms(&value.text).ok_or(words).map_err(|words| self.unit(slot, at, &value.text, words))?;
                self.within(slot, at, &value.text, ms, (*min_ms, *max_ms), crate::plan::wording::show_ms)?;
                Ok(OptionValue::DurationMs(ms))
            }
            OptionKind::Url(schemes) => self.url(slot, at, value, schemes),
            OptionKind::HostPort => match host_port(&value.text) {
                Ok(()) => Ok(OptionValue::Text(value.text.clone())),
                Err(why) => {
                    self.error(
                        at,
                        DocumentError::Address { key: slot.key.to_owned(), why: why.to_owned(), span: at.span, help: slot.help() },
                    );
                    Err(Absent)
                }
            },
            OptionKind::StartPosition => self.start(slot, at, value),
            OptionKind::Schema | OptionKind::Format | OptionKind::List(_) | OptionKind::Map(_) => {
                self.wrong_type(slot, at, "a single value".to_owned())
            }
        }
    }

    /// A text; words that YAML or its older version reads as something else need quotes.
    fn text(&mut self, slot: Slot<'_>, at: Location, value: &Resolved) -> Result<String, Absent> {
        if value.plain && (is_old_boolean(&value.text) || is_boolean(&value.text)) {
            let error = DocumentError::Boolean {
                word: format!("`{}` without quotes", value.text),
                meaning: "is a boolean to many YAML readers, but a text is expected".to_owned(),
                span: at.span,
                label: format!("write \"{}\"", value.text),
                help: format!("quote it: `{}` takes a text", slot.key),
            };
            self.error_with_fix(at, error, Some((at, format!("\"{}\"", value.text))));
            return Err(Absent);
        }
        if value.plain && is_octal(&value.text) {
            let error = DocumentError::Number {
                number: value.text.clone(),
                span: at.span,
                label: format!("write \"{}\"", value.text),
                help: "older YAML reads it as an octal number; quoted it is a text".to_owned(),
            };
            self.error_with_fix(at, error, Some((at, format!("\"{}\"", value.text))));
            return Err(Absent);
        }
        Ok(value.text.clone())
    }

    fn choice(&mut self, slot: Slot<'_>, at: Location, value: &Resolved, words: &[&str]) -> Result<OptionValue, Absent> {
        if words.contains(&value.text.as_str()) {
            return Ok(OptionValue::Text(value.text.clone()));
        }
        let near = near(&value.text, words.iter().copied());
        let label =
            if near.is_empty() { "not one of the choices".to_owned() } else { format!("did you mean {}?", one_of(near.iter().copied())) };
        let fix = (near.len() == 1 && !value.replaced).then(|| (at, quoted(near[0])));
        let error = DocumentError::NotAChoice {
            key: slot.key.to_owned(),
            found: shown(&value.text),
            choices: expected(slot.kind),
            label,
            span: at.span,
        };
        self.error_with_fix(at, error, fix);
        Err(Absent)
    }

    fn integer(&mut self, slot: Slot<'_>, at: Location, value: &Resolved, min: i64, max: i64) -> Result<OptionValue, Absent> {
        let text = value.text.as_str();
        let bare: String = text.chars().filter(|c| !matches!(c, '_' | ',')).collect();
        if value.plain && (is_octal(text) || (bare != text && bare.parse::<i64>().is_ok())) {
            let meant = bare.trim_start_matches('0');
            let meant = if meant.is_empty() { "0" } else { meant };
            let why = if is_octal(text) { "older YAML reads a leading 0 as octal" } else { "YAML has no separators inside numbers" };
            let error =
                DocumentError::Number { number: text.to_owned(), span: at.span, label: format!("write {meant}"), help: why.to_owned() };
            self.error_with_fix(at, error, Some((at, meant.to_owned())));
            return Err(Absent);
        }
        let number = if value.plain || value.replaced { parse_integer(text) } else { None };
        let Some(number) = number else {
            if !value.plain && parse_integer(text).is_some() {
                let error = DocumentError::WrongType {
                    key: slot.key.to_owned(),
                    expected: expected(slot.kind),
                    found: "a quoted text".to_owned(),
                    span: at.span,
                    help: format!("write {text} without quotes"),
                };
                self.error_with_fix(at, error, Some((at, text.to_owned())));
                return Err(Absent);
            }
            return self.wrong_type(slot, at, shown(text));
        };
        if number < min || number > max {
            let range = match (min, max) {
                (min, i64::MAX) => format!("{min} or more"),
                (min, max) => format!("{min} to {max}"),
            };
            let (key, found) = (slot.key.to_owned(), number.to_string());
            self.error(at, DocumentError::OutOfRange { key, found, range, span: at.span, help: slot.about() });
            return Err(Absent);
        }
        Ok(OptionValue::Integer(number))
    }

    fn boolean(&mut self, slot: Slot<'_>, at: Location, value: &Resolved) -> Result<OptionValue, Absent> {
        let word = value.text.to_ascii_lowercase();
        match (value.text.as_str(), value.plain || value.replaced) {
            ("true" | "True" | "TRUE", true) => return Ok(OptionValue::Boolean(true)),
            ("false" | "False" | "FALSE", true) => return Ok(OptionValue::Boolean(false)),
            _ => {}
        }
        let meant = match word.as_str() {
            "yes" | "on" | "y" | "true" => "true",
            "no" | "off" | "n" | "false" => "false",
            _ => return self.wrong_type(slot, at, shown(&value.text)),
        };
        let quotes = if value.plain || value.replaced { "without" } else { "in" };
        let error = DocumentError::Boolean {
            word: format!("`{}` {quotes} quotes", value.text),
            meaning: format!("is a text in YAML 1.2, but `{}` takes `true` or `false`", slot.key),
            span: at.span,
            label: format!("write {meant}"),
            help: format!("write `{meant}`, in lower case and without quotes"),
        };
        self.error_with_fix(at, error, Some((at, meant.to_owned())));
        Err(Absent)
    }

    fn unit(&mut self, slot: Slot<'_>, at: Location, found: &str, words: (&'static str, &'static str, &'static str)) -> Absent {
        let (expected, label, help) = words;
        let meant = if matches!(slot.kind, OptionKind::Bytes { .. }) { meant_bytes(found) } else { meant_duration(found) };
        let (key, found) = (slot.key.to_owned(), cut(found));
        self.error_with_fix(at, DocumentError::Unit { key, expected, found, span: at.span, label, help }, meant.map(|meant| (at, meant)));
        Absent
    }

    fn within(
        &mut self,
        slot: Slot<'_>,
        at: Location,
        text: &str,
        number: u64,
        limits: (u64, u64),
        show: fn(u64) -> String,
    ) -> Result<(), Absent> {
        if (limits.0..=limits.1).contains(&number) {
            return Ok(());
        }
        let range = format!("{} to {}", show(limits.0), show(limits.1));
        let (key, found) = (slot.key.to_owned(), cut(text));
        self.error(at, DocumentError::OutOfRange { key, found, range, span: at.span, help: slot.about() });
        Err(Absent)
    }

    fn url(&mut self, slot: Slot<'_>, at: Location, value: &Resolved, schemes: &[&str]) -> Result<OptionValue, Absent> {
        let why = match url(&value.text, schemes) {
            Ok(()) => return Ok(OptionValue::Text(value.text.clone())),
            Err(UrlError::UserInfo) => {
                self.report.mask(at);
                self.error(at, DocumentError::SecretInUrl { span: at.span });
                return Err(Absent);
            }
            Err(UrlError::Wrong(why)) => why,
        };
        self.error(at, DocumentError::Url { key: slot.key.to_owned(), why, span: at.span, help: slot.help() });
        Err(Absent)
    }

    fn start(&mut self, slot: Slot<'_>, at: Location, value: &Resolved) -> Result<OptionValue, Absent> {
        if matches!(value.text.as_str(), "earliest" | "latest") {
            return Ok(OptionValue::Text(value.text.clone()));
        }
        match value.text.parse::<jiff::Timestamp>() {
            Ok(time) => Ok(OptionValue::Text(time.to_string())),
            Err(_) => self.wrong_type(slot, at, shown(&value.text)),
        }
    }

    /// A secret: where it is, never what it is.
    pub(super) fn secret(&mut self, slot: Slot<'_>, node: &Node) -> Result<OptionValue, Absent> {
        let scalar = self.scalar(slot, node)?;
        let secret = match self.secret_reference(node, scalar)? {
            Some(reference) => match reference.node {
                Reference::Env(name) => SecretRef::Env(name),
                Reference::File(path) => SecretRef::File(self.as_the_pipeline_sees(reference.at, path)),
            },
            None => {
                let at = node.at;
                let quotes = usize::from(matches!(scalar.style, crate::yaml::Style::Single | crate::yaml::Style::Double));
                let span = if at.span.len() >= 2 * quotes { Span::new(at.span.start + quotes, at.span.end - quotes) } else { at.span };
                self.report.mask(Location::new(at.file, span));
                self.warn(at, DocumentWarning::LiteralSecret { key: slot.key.to_owned(), span });
                SecretRef::Inline { place: self.sources.place(at), value: scalar.text.replace("$${", "${") }
            }
        };
        Ok(OptionValue::Secret(secret))
    }
}

/// The value of an option's default, as it would be written in YAML.
pub(super) fn default_value(spec: &OptionSpec) -> Option<OptionValue> {
    let written = spec.default?;
    let text =
        if written.starts_with('"') { serde_yaml::from_str(written).unwrap_or_else(|_| written.to_owned()) } else { written.to_owned() };
    let list = |text: &str| serde_yaml::from_str::<Vec<String>>(text).ok();
    match &spec.kind {
        OptionKind::Integer { .. } => parse_integer(&text).map(OptionValue::Integer),
        OptionKind::Boolean => text.parse().ok().map(OptionValue::Boolean),
        OptionKind::Bytes { .. } => parse_bytes(&text).map(OptionValue::Bytes),
        OptionKind::Duration { .. } => parse_duration_ms(&text).map(OptionValue::DurationMs),
        OptionKind::List(_) => {
            Some(OptionValue::List(list(&text).unwrap_or_else(|| vec![text]).into_iter().map(OptionValue::Text).collect()))
        }
        OptionKind::Text
        | OptionKind::Path
        | OptionKind::Choice(_)
        | OptionKind::Url(_)
        | OptionKind::HostPort
        | OptionKind::StartPosition
        | OptionKind::Format => Some(OptionValue::Text(text)),
        OptionKind::Schema | OptionKind::Map(_) => None,
    }
}
