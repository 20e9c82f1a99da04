//! Option values of a plan.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Options by dotted path (`tls.ca`), checked against the connector's spec, defaults filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Options(pub BTreeMap<String, OptionValue>);

/// A typed value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptionValue {
    /// Text, one of a choice, a URL, a host.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A flag.
    Boolean(bool),
    /// Bytes.
    Bytes(u64),
    /// Milliseconds.
    DurationMs(u64),
    /// A secret: where it is, never what it is.
    Secret(SecretRef),
    /// Several.
    List(Vec<OptionValue>),
    /// Free keys.
    Map(BTreeMap<String, OptionValue>),
}

/// Where a secret is read when the pipeline starts.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretRef {
    /// `${env:NAME}`.
    Env(String),
    /// `${file:/path}`, without the line break at its end.
    File(String),
    /// Written in the pipeline file itself. The value is not saved with a plan: the text is the place, as `file.yaml:7`.
    Inline {
        /// Where it stands.
        place: String,
        /// The value; skipped by every writer.
        #[serde(skip)]
        value: String,
    },
}

impl std::fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Env(name) => write!(f, "(secret env:{name})"),
            Self::File(path) => write!(f, "(secret file:{path})"),
            Self::Inline { place, value: _ } => write!(f, "(secret {place})"),
        }
    }
}

impl std::fmt::Display for SecretRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

impl Options {
    /// The text at `path`.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<&str> {
        match self.0.get(path) {
            Some(OptionValue::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The texts at `path`; none if it is not set.
    #[must_use]
    pub fn texts(&self, path: &str) -> Vec<&str> {
        match self.0.get(path) {
            Some(OptionValue::List(values)) => values
                .iter()
                .filter_map(|value| match value {
                    OptionValue::Text(text) => Some(text.as_str()),
                    _ => None,
                })
                .collect(),
            Some(OptionValue::Text(text)) => vec![text],
            _ => Vec::new(),
        }
    }

    /// The whole number at `path`.
    #[must_use]
    pub fn integer(&self, path: &str) -> Option<i64> {
        match self.0.get(path) {
            Some(OptionValue::Integer(number)) => Some(*number),
            _ => None,
        }
    }

    /// The flag at `path`; false if it is not set.
    #[must_use]
    pub fn flag(&self, path: &str) -> bool {
        matches!(self.0.get(path), Some(OptionValue::Boolean(true)))
    }

    /// The number of bytes at `path`.
    #[must_use]
    pub fn bytes(&self, path: &str) -> Option<u64> {
        match self.0.get(path) {
            Some(OptionValue::Bytes(bytes)) => Some(*bytes),
            _ => None,
        }
    }

    /// The duration at `path`.
    #[must_use]
    pub fn duration(&self, path: &str) -> Option<std::time::Duration> {
        match self.0.get(path) {
            Some(OptionValue::DurationMs(ms)) => Some(std::time::Duration::from_millis(*ms)),
            _ => None,
        }
    }

    /// The secret at `path`.
    #[must_use]
    pub fn secret(&self, path: &str) -> Option<&SecretRef> {
        match self.0.get(path) {
            Some(OptionValue::Secret(secret)) => Some(secret),
            _ => None,
        }
    }

    /// The free keys at `path`, their values as text.
    #[must_use]
    pub fn map(&self, path: &str) -> BTreeMap<&str, &str> {
        match self.0.get(path) {
            Some(OptionValue::Map(map)) => map
                .iter()
                .filter_map(|(key, value)| match value {
                    OptionValue::Text(text) => Some((key.as_str(), text.as_str())),
                    _ => None,
                })
                .collect(),
            _ => BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        let text = |text: &str| OptionValue::Text(text.to_owned());
        Options(
            [
                ("text", text("a")),
                ("list", OptionValue::List(vec![text("a"), OptionValue::Integer(1), text("b")])),
                ("integer", OptionValue::Integer(-5)),
                ("flag", OptionValue::Boolean(true)),
                ("off", OptionValue::Boolean(false)),
                ("bytes", OptionValue::Bytes(1024)),
                ("time", OptionValue::DurationMs(1500)),
                ("secret", OptionValue::Secret(SecretRef::File("/run/pw".to_owned()))),
                ("map", OptionValue::Map([("k".to_owned(), text("v")), ("n".to_owned(), OptionValue::Integer(1))].into())),
            ]
            .map(|(path, value)| (path.to_owned(), value))
            .into(),
        )
    }

    #[test]
    fn each_type_is_asked_for_by_its_name() {
        let options = options();
        assert_eq!(options.text("text"), Some("a"));
        assert_eq!(options.integer("integer"), Some(-5));
        assert_eq!((options.flag("flag"), options.flag("off"), options.flag("none")), (true, false, false));
        assert_eq!(options.bytes("bytes"), Some(1024));
        assert_eq!(options.duration("time"), Some(std::time::Duration::from_millis(1500)));
        assert_eq!(options.secret("secret"), Some(&SecretRef::File("/run/pw".to_owned())));
        assert_eq!(options.map("map"), [("k", "v")].into());
    }

    #[test]
    fn another_type_is_nothing() {
        let options = options();
        assert_eq!(options.text("integer"), None);
        assert_eq!(options.integer("text"), None);
        assert_eq!(options.bytes("integer"), None);
        assert_eq!(options.duration("integer"), None);
        assert_eq!(options.secret("text"), None);
        assert!(options.map("text").is_empty() && options.texts("flag").is_empty());
    }

    #[test]
    fn a_single_text_stands_for_a_list_of_one() {
        assert_eq!(options().texts("list"), ["a", "b"]);
        assert_eq!(options().texts("text"), ["a"]);
        assert!(options().texts("none").is_empty());
    }

    #[test]
    fn a_secret_is_shown_by_its_place_and_saved_without_its_value() {
        let secrets = [
            (SecretRef::Env("PW".to_owned()), "(secret env:PW)"),
            (SecretRef::File("/run/pw".to_owned()), "(secret file:/run/pw)"),
            (SecretRef::Inline { place: "p.yaml:7".to_owned(), value: "hunter2".to_owned() }, "(secret p.yaml:7)"),
        ];
        for (secret, shown) in secrets {
            assert_eq!((secret.to_string().as_str(), format!("{secret:?}").as_str()), (shown, shown));
            assert!(!serde_json::to_string(&secret).unwrap().contains("hunter2"));
        }
        assert!(!format!("{:?}", options()).contains("hunter2"));
    }
}
