//! Formats and their settings, written as a clause or in YAML.

use kpipe_grammar::ast::{PropertyValue, StoreAs};

use crate::plan::OptionValue;
use crate::sources::Location;

use super::scope::Scope;

/// A format as it was written somewhere.
pub(super) struct WrittenFormat {
    /// In lower case.
    pub(super) name: String,
    pub(super) at: Location,
    pub(super) settings: Vec<Setting>,
}

/// One option of a format.
pub(super) struct Setting {
    /// In lower case.
    pub(super) key: String,
    pub(super) key_at: Location,
    pub(super) value: SettingValue,
    pub(super) at: Location,
}

/// A value without a type: what it may be depends on the option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SettingValue {
    Text(String),
    Integer(i64),
    Flag(bool),
}

impl SettingValue {
    /// As it is written.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Integer(number) => number.to_string(),
            Self::Flag(flag) => flag.to_string(),
        }
    }

    /// As a number, also where it is quoted.
    pub(super) fn integer(&self) -> Option<i64> {
        match self {
            Self::Text(text) => text.parse().ok(),
            Self::Integer(number) => Some(*number),
            Self::Flag(_) => None,
        }
    }

    /// As a flag, also where it is quoted.
    pub(super) fn flag(&self) -> Option<bool> {
        match self {
            Self::Text(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Self::Text(text) if text.eq_ignore_ascii_case("false") => Some(false),
            Self::Flag(flag) => Some(*flag),
            Self::Text(_) | Self::Integer(_) => None,
        }
    }
}

impl From<&PropertyValue> for SettingValue {
    fn from(value: &PropertyValue) -> Self {
        match value {
            PropertyValue::Integer(number) => Self::Integer(*number),
            PropertyValue::Text(text) => Self::Text(text.clone()),
        }
    }
}

/// A format option: its name, and its options if it has some.
pub(super) fn written_format(value: &OptionValue) -> Option<(&str, Vec<(&str, SettingValue)>)> {
    match value {
        OptionValue::Text(name) => Some((name, Vec::new())),
        OptionValue::Map(map) => {
            let (name, settings) = map.iter().next()?;
            let settings = match settings {
                OptionValue::Map(settings) => settings.iter().filter_map(|(key, value)| Some((key.as_str(), plain(value)?))).collect(),
                _ => Vec::new(),
            };
            Some((name, settings))
        }
        _ => None,
    }
}

fn plain(value: &OptionValue) -> Option<SettingValue> {
    match value {
        OptionValue::Text(text) => Some(SettingValue::Text(text.clone())),
        OptionValue::Integer(number) => Some(SettingValue::Integer(*number)),
        OptionValue::Boolean(flag) => Some(SettingValue::Flag(*flag)),
        OptionValue::Bytes(bytes) => i64::try_from(*bytes).ok().map(SettingValue::Integer),
        OptionValue::DurationMs(_) | OptionValue::Secret(_) | OptionValue::List(_) | OptionValue::Map(_) => None,
    }
}

/// The format of a STOREAS clause.
pub(super) fn of_clause(scope: &Scope<'_>, clause: &StoreAs) -> WrittenFormat {
    let settings = clause.options.iter().map(|option| Setting {
        key: option.key.node.to_lowercase(),
        key_at: scope.at(option.key.span),
        value: SettingValue::from(&option.value.node),
        at: scope.at(option.value.span),
    });
    WrittenFormat { name: clause.format.node.to_lowercase(), at: scope.at(clause.format.span), settings: settings.collect() }
}

/// The format that the YAML says for all statements; JSON if it says none.
pub(super) fn of_sink(scope: &Scope<'_>) -> WrittenFormat {
    let (name, settings) = scope.sink_option("format").and_then(written_format).unwrap_or(("json", Vec::new()));
    let settings = settings.into_iter().map(|(key, value)| {
        let path = format!("format.{name}.{key}");
        let place = scope.document.sink.places.get(&path).copied();
        let whole = scope.sink_at("format");
        Setting {
            key: key.to_lowercase(),
            key_at: place.map_or(whole, |place| place.key),
            value,
            at: place.map_or(whole, |place| place.value),
        }
    });
    WrittenFormat { name: name.to_lowercase(), at: scope.sink_at("format"), settings: settings.collect() }
}
