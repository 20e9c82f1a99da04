//! The source's options as the driver wants them.

use std::time::Duration;

use kpipe_compiler::plan::{Options, SecretRef};
use kpipe_engine::error::{ConnectorError, ErrorKind};
use url::Url;

/// The protocol version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// 3.1.1.
    V311,
    /// 5.
    V5,
}

/// Where and how to connect. Holds no secret, only where they are.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Option<TlsSettings>,
    pub(super) version: Version,
    pub(super) client_id: String,
    pub(super) username: Option<String>,
    pub(super) password: Option<SecretRef>,
    pub(super) qos: u8,
    pub(super) keep_alive: Duration,
    pub(super) clean_session: bool,
    pub(super) session_expiry: Duration,
    /// Messages that may wait for their acknowledgement before the socket is no longer read.
    pub(super) in_flight_max: usize,
    pub(super) message_bytes_max: usize,
}

/// Certificates, as paths of PEM files.
#[derive(Clone, Debug, Default)]
pub(super) struct TlsSettings {
    /// Trusted instead of the system's authorities.
    pub(super) ca: Option<String>,
    /// The client's own certificate and key.
    pub(super) client: Option<(String, String)>,
}

impl Settings {
    /// `host:port`, for messages.
    pub(super) fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Reads checked options; `task` makes the client id its own.
    pub(super) fn new(options: &Options, pipeline: &str, task: usize) -> Result<Self, ConnectorError> {
        let text = options.text("url").ok_or_else(|| invalid("`url` is missing"))?;
        let url = Url::parse(text).map_err(|error| invalid(format!("`url` is not a URL: {error}")))?;
        let secure = matches!(url.scheme(), "mqtts" | "ssl" | "tls");
        let host = url.host_str().ok_or_else(|| invalid("`url` has no host"))?.trim_matches(['[', ']']).to_owned();
        let pair = (options.text("tls.cert").map(str::to_owned), options.text("tls.key").map(str::to_owned));
        let client = match pair {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            _ => return Err(invalid("`tls.cert` and `tls.key` go together")),
        };
        let tls = TlsSettings { ca: options.text("tls.ca").map(str::to_owned), client };
        Ok(Self {
            host,
            port: url.port().unwrap_or(if secure { 8883 } else { 1883 }),
            tls: (secure || tls.ca.is_some()).then_some(tls),
            version: if options.text("version") == Some("5") { Version::V5 } else { Version::V311 },
            client_id: match (options.text("client_id"), task) {
                (None, task) => format!("kpipe-{pipeline}-{task}"),
                (Some(id), 0) => id.to_owned(),
                (Some(id), task) => format!("{id}-{task}"),
            },
            username: options.text("username").map(str::to_owned),
            password: options.secret("password").cloned(),
            qos: u8::try_from(options.integer("qos").unwrap_or(1)).map_err(|_| invalid("`qos` is 0, 1 or 2"))?,
            keep_alive: options.duration("keep_alive").unwrap_or(Duration::from_secs(30)),
            clean_session: options.flag("clean_session"),
            session_expiry: options.duration("session_expiry").unwrap_or(Duration::from_secs(7 * 86_400)),
            in_flight_max: count(options, "in_flight_max", 20_000),
            message_bytes_max: options.bytes("message_bytes_max").map_or(16 << 20, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
        })
    }
}

fn count(options: &Options, path: &str, default: usize) -> usize {
    options.integer(path).and_then(|number| usize::try_from(number).ok()).unwrap_or(default)
}

fn invalid(message: impl Into<String>) -> ConnectorError {
    ConnectorError::new(ErrorKind::Invalid, format!("mqtt: {}", message.into()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kpipe_compiler::plan::OptionValue;

    use super::*;

    fn options(pairs: &[(&str, &str)]) -> Options {
        Options(pairs.iter().map(|(key, value)| ((*key).to_owned(), OptionValue::Text((*value).to_owned()))).collect::<BTreeMap<_, _>>())
    }

    #[test]
    fn ports_follow_the_scheme() {
        let plain = Settings::new(&options(&[("url", "mqtt://broker")]), "p", 0).unwrap();
        assert_eq!((plain.address().as_str(), plain.tls.is_some(), plain.qos), ("broker:1883", false, 1));
        assert_eq!(plain.client_id, "kpipe-p-0");
        let secure = Settings::new(&options(&[("url", "mqtts://[::1]"), ("version", "5")]), "p", 2).unwrap();
        assert_eq!((secure.address().as_str(), secure.tls.is_some()), ("::1:8883", true));
        assert_eq!((secure.version, secure.client_id.as_str()), (Version::V5, "kpipe-p-2"));
    }

    #[test]
    fn each_task_has_a_client_id_of_its_own() {
        let given = options(&[("url", "mqtt://h"), ("client_id", "lake-a")]);
        let id = |options: &Options, task| Settings::new(options, "p", task).unwrap().client_id;
        assert_eq!([id(&given, 0), id(&given, 1)], ["lake-a", "lake-a-1"]);
        assert_eq!(id(&options(&[("url", "mqtt://h")]), 1), "kpipe-p-1");
    }

    #[test]
    fn half_a_client_certificate_is_refused() {
        let error = Settings::new(&options(&[("url", "mqtts://h"), ("tls.cert", "c.pem")]), "p", 0).unwrap_err();
        assert_eq!(error.message, "mqtt: `tls.cert` and `tls.key` go together");
        assert_eq!(error.kind, ErrorKind::Invalid);
    }
}
