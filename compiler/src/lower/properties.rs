//! PROPERTIES: the options of a sink under their KCQL names.

use kpipe_grammar::ast::{OptionValue, OtherClause, Property};
use kpipe_grammar::span::{Span, Spanned};
use miette::Diagnostic;
use thiserror::Error;

use super::scope::Scope;
use super::setting::SettingValue;
use crate::catalog::{OptionKind, PropertySpec};
use crate::near::{near, one_of};
use crate::plan::wording::{show_bytes, show_ms};
use crate::sources::Location;
use crate::units::{parse_bytes, parse_duration_ms};

/// Keys that other systems have.
const LATER: [&str; 13] = [
    "store.envelope",
    "store.envelope.fields.key",
    "store.envelope.fields.value",
    "store.envelope.fields.headers",
    "store.envelope.fields.metadata",
    "padding.type",
    "padding.char",
    "padding.length.offset",
    "padding.length.partition",
    "key.suffix",
    "store.file.namer",
    "store.file.namer.param",
    "mqtt.target.from.field",
];

/// Clauses of the older generation, and the properties that they are today.
const OLDER: [(&str, &str); 4] = [
    ("WITH_FLUSH_SIZE", "flush.size"),
    ("WITH_FLUSH_INTERVAL", "flush.interval"),
    ("WITH_FLUSH_COUNT", "flush.count"),
    ("WITHPARTITIONER", "partition.include.keys"),
];

/// A property that says nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
pub(super) enum PropertyError {
    /// Misspelt, or of another sink.
    #[error("`{sink}` has no property `{key}`")]
    #[diagnostic(code(KP0311), help("{help}"))]
    Unknown {
        /// The connector.
        sink: &'static str,
        /// The key.
        key: String,
        /// Those that there are.
        help: String,
    },
    /// One that is not built.
    #[error("the property `{key}` is known, but not supported yet")]
    #[diagnostic(code(KP0312), help("remove it"))]
    NotYet {
        /// The key.
        key: String,
    },
    /// `'flush.count'=0`.
    #[error("`{key}` is {expected}, not `{value}`")]
    #[diagnostic(code(KP0313))]
    WrongValue {
        /// The key.
        key: String,
        /// What it is.
        expected: String,
        /// What was written.
        value: String,
    },
    /// `WITHPARTITIONER = Sorted`.
    #[error("WITHPARTITIONER is `KeysAndValues` or `Values`, not `{value}`")]
    #[diagnostic(code(KP0313), help("write PROPERTIES('partition.include.keys'=true), or `false` for folders without names"))]
    WrongPartitioner {
        /// What was written.
        value: String,
    },
    /// `WITH_FLUSH_COUNT = 5` and `'flush.count'=5`.
    #[error("{clause} is the property `{key}` of before, and that is there too")]
    #[diagnostic(code(KP0317), help("remove {clause}"))]
    SaidTwice {
        /// The keyword.
        clause: &'static str,
        /// The key.
        key: &'static str,
    },
    /// Two statements, one set of files.
    #[error("two statements say `{key}` differently, but the files of a pipeline are closed together")]
    #[diagnostic(code(KP0314), help("say it once, as `{option}` under the sink; or make two pipelines"))]
    Disagree {
        /// The key.
        key: String,
        /// The option behind it.
        option: &'static str,
    },
}

/// When files are closed, as the statements say it.
#[derive(Default)]
pub(super) struct Flushes {
    said: Vec<(&'static str, u64, Location)>,
}

impl Flushes {
    /// What the statements say about an option.
    pub(super) fn get(&self, option: &str) -> Option<(u64, Location)> {
        self.said.iter().find(|(said, ..)| *said == option).map(|(_, value, at)| (*value, *at))
    }
}

/// What a statement says about its own files.
#[derive(Default)]
pub(super) struct Properties {
    /// `partition.include.keys`.
    pub(super) names: Option<bool>,
}

/// A value of the type that its option has.
enum Typed {
    Number(u64),
    Flag(bool),
}

/// The property that a clause of the older generation is today, where the sink has it.
pub(super) fn of_older(scope: &Scope<'_>, keyword: &str) -> Option<&'static PropertySpec> {
    let (_, key) = OLDER.iter().find(|(older, _)| *older == keyword)?;
    let properties: &'static [PropertySpec] = scope.sink.properties;
    properties.iter().find(|spec| spec.key == *key)
}

/// Reads the clause and those of before that say the same; what is about flushing goes to `flushes`.
pub(super) fn read(
    scope: &mut Scope<'_>,
    clause: Option<&Spanned<Vec<Property>>>,
    other: &[Spanned<OtherClause>],
    flushes: &mut Flushes,
) -> Properties {
    let mut properties = Properties::default();
    let written = clause.filter(|_| scope.sink.clauses.contains(&"PROPERTIES")).map_or(&[][..], |clause| &clause.node);
    for clause in other {
        older(scope, clause, written, flushes, &mut properties);
    }
    for property in written {
        let key = property.key.node.to_lowercase();
        let Some(spec) = scope.sink.properties.iter().find(|spec| spec.key == key) else {
            unknown(scope, key, property.key.span);
            continue;
        };
        let at = scope.at(property.value.span);
        set(scope, spec, &SettingValue::from(&property.value.node), at, flushes, &mut properties);
    }
    properties
}

fn set(scope: &mut Scope<'_>, spec: &PropertySpec, value: &SettingValue, at: Location, flushes: &mut Flushes, properties: &mut Properties) {
    match typed(scope, spec, value) {
        Ok(Typed::Number(number)) => say(scope, flushes, spec, number, at),
        Ok(Typed::Flag(flag)) => properties.names = Some(flag),
        Err(expected) => {
            let error = PropertyError::WrongValue { key: spec.key.to_owned(), expected, value: value.text() };
            scope.error(error, [(at, "not this".to_owned())]);
        }
    }
}

/// A clause of the older generation that is a property today.
fn older(scope: &mut Scope<'_>, clause: &Spanned<OtherClause>, written: &[Property], flushes: &mut Flushes, properties: &mut Properties) {
    let OtherClause { keyword, text: _, value } = &clause.node;
    let Some(spec) = of_older(scope, keyword) else { return };
    let at = scope.at(clause.span);
    if let Some(twice) = written.iter().find(|property| property.key.node.eq_ignore_ascii_case(spec.key)) {
        let other = scope.at(twice.key.span);
        let error = PropertyError::SaidTwice { clause: keyword, key: spec.key };
        return scope.error(error, [(at, "said here".to_owned()), (other, "and here".to_owned())]);
    }
    let value = match value {
        OptionValue::Integer(number) => SettingValue::Integer(*number),
        OptionValue::Text(text) if text.eq_ignore_ascii_case("KeysAndValues") => SettingValue::Flag(true),
        OptionValue::Text(text) if text.eq_ignore_ascii_case("Values") => SettingValue::Flag(false),
        OptionValue::Text(text) => {
            let error = PropertyError::WrongPartitioner { value: text.clone() };
            return scope.error(error, [(at, "neither of the two".to_owned())]);
        }
        // The table of the grammar gives these clauses a number or a word.
        OptionValue::Flag
        | OptionValue::Columns(_)
        | OptionValue::Tags(_)
        | OptionValue::Field(_)
        | OptionValue::SysTime
        | OptionValue::Buckets { .. }
        | OptionValue::Offsets(_)
        | OptionValue::Sample { .. } => return,
    };
    set(scope, spec, &value, at, flushes, properties);
}

fn unknown(scope: &mut Scope<'_>, key: String, span: Span) {
    let at = scope.at(span);
    if LATER.contains(&key.as_str()) {
        return scope.error(PropertyError::NotYet { key }, [(at, "not built yet".to_owned())]);
    }
    let known: Vec<&str> = scope.sink.properties.iter().map(|spec| spec.key).collect();
    let several = near(&key, known.iter().copied());
    let label = several.first().map_or("no such property".to_owned(), |near| format!("did you mean `{near}`?"));
    let near = if let [only] = several[..] { Some(only) } else { None };
    let help = format!("it has {}", one_of(known.iter().copied()).replace(" or ", " and "));
    // The marks around a key are part of its span.
    let marks = usize::from(span.len() == key.len() + 2);
    let inside = Span::new(span.start + marks, span.end - marks);
    let fix = near.filter(|_| inside.len() == key.len()).and_then(|near| scope.edit(inside, near));
    scope.error_with_fix(PropertyError::Unknown { sink: scope.sink_name(), key, help }, [(at, label)], fix);
}

/// The value, or what it should be.
fn typed(scope: &Scope<'_>, spec: &PropertySpec, value: &SettingValue) -> Result<Typed, String> {
    let kind = scope.sink.options.iter().find(|option| option.path == spec.option).map(|option| option.kind);
    // A bare number is in the property's unit, one with a unit in its own.
    let bare = value.integer().map(|number| u64::try_from(number).ok().and_then(|number| number.checked_mul(spec.factor)));
    let within = |number: Option<u64>, min: u64, max: u64, expected: String| match number {
        Some(number) if (min..=max).contains(&number) => Ok(Typed::Number(number)),
        _ => Err(expected),
    };
    match kind {
        Some(OptionKind::Integer { min, max }) => {
            let (min, max) = (min.unsigned_abs(), max.unsigned_abs());
            within(bare.flatten(), min, max, format!("a whole number from {min} on"))
        }
        Some(OptionKind::Bytes { min, max }) => {
            let number = bare.unwrap_or_else(|| parse_bytes(&value.text()));
            within(number, min, max, format!("a size from {} to {}", show_bytes(min), show_bytes(max)))
        }
        Some(OptionKind::Duration { min_ms, max_ms }) => {
            let number = bare.unwrap_or_else(|| parse_duration_ms(&value.text()));
            let unit = if spec.factor == 1000 { ", in seconds without a unit" } else { "" };
            within(number, min_ms, max_ms, format!("a time from {} to {}{unit}", show_ms(min_ms), show_ms(max_ms)))
        }
        _ => value.flag().map(Typed::Flag).ok_or_else(|| "`true` or `false`".to_owned()),
    }
}

fn say(scope: &mut Scope<'_>, flushes: &mut Flushes, spec: &PropertySpec, number: u64, at: Location) {
    match flushes.get(spec.option) {
        Some((other, first)) if other != number => {
            let error = PropertyError::Disagree { key: spec.key.to_owned(), option: spec.option };
            scope.error(error, [(at, "and so here".to_owned()), (first, "so here".to_owned())]);
        }
        Some(_) => {}
        None => flushes.said.push((spec.option, number, at)),
    }
}
