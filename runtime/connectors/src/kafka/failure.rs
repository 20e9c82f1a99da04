//! librdkafka's errors in kpipe's words: what kind, whether trying again can help, what to do.

use kpipe_engine::error::{About, ConnectorError, ErrorKind, Retry};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;

/// A cluster's name in messages, and how its errors are told.
#[derive(Clone, Debug)]
pub(super) struct Place {
    brokers: String,
}

impl Place {
    /// The cluster behind these bootstrap servers.
    pub(super) fn new(brokers: &str) -> Self {
        Self { brokers: brokers.to_owned() }
    }

    /// `Kafka at a:9092,b:9092`, for people.
    pub(super) fn system(&self) -> String {
        format!("Kafka at {}", self.brokers)
    }

    /// An error of this cluster.
    pub(super) fn error(&self, kind: ErrorKind, what: impl std::fmt::Display) -> ConnectorError {
        ConnectorError::new(kind, format!("kafka at {}: {what}", self.brokers))
    }

    /// A code, told with what was being done: `topic "orders"`.
    pub(super) fn code(&self, code: Code, doing: &str, reason: &str) -> ConnectorError {
        let detail = clean(reason);
        let detail = if detail.is_empty() { code.to_string() } else { detail };
        let error = self.error(kind(code), format!("{doing}: {detail}"));
        let error = match kind(code) {
            ErrorKind::Unreachable => error.retry(Retry::Backoff),
            ErrorKind::Fenced => error.retry(Retry::Reopen),
            _ => error,
        };
        let error = match about(code, &error.message) {
            Some(option) => error.about(About::Option(option)),
            None => error,
        };
        match help(code, &error.message) {
            Some(help) => error.help(help),
            None => error,
        }
    }

    /// An error of the wrapper's. Settings are named without their values: one of them is a password.
    pub(super) fn wrapped(&self, error: &KafkaError, doing: &str) -> ConnectorError {
        match error {
            KafkaError::ClientConfig(_, why, key, _) => self.error(ErrorKind::Invalid, format!("setting `{key}`: {why}")),
            KafkaError::ClientCreation(why) => self.error(ErrorKind::Invalid, format!("{doing}: {}", clean(why))),
            other => match other.rdkafka_error_code() {
                Some(code) => self.code(code, doing, ""),
                None => self.error(ErrorKind::Bug, format!("{doing}: {other}")),
            },
        }
    }

    /// A topic that is not there.
    pub(super) fn missing_topic(&self, topic: &str) -> ConnectorError {
        self.error(ErrorKind::Missing, format!("topic {topic:?} does not exist")).about(About::Name(topic.to_owned()))
    }
}

/// What kind of failure a code is.
pub(super) fn kind(code: Code) -> ErrorKind {
    match code {
        Code::Authentication
        | Code::SaslAuthenticationFailed
        | Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed
        | Code::UnsupportedSASLMechanism
        | Code::IllegalSASLState => ErrorKind::Denied,
        Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition | Code::AutoOffsetReset | Code::OffsetOutOfRange => {
            ErrorKind::Missing
        }
        Code::MessageSizeTooLarge
        | Code::InvalidMessage
        | Code::BadMessage
        | Code::BadCompression
        | Code::InvalidMessageSize
        | Code::InvalidRecord
        | Code::InvalidTimestamp
        | Code::InvalidTopic => ErrorKind::Data,
        Code::UnknownMemberId | Code::IllegalGeneration | Code::FencedInstanceId | Code::Fenced | Code::InvalidProducerEpoch => {
            ErrorKind::Fenced
        }
        Code::InvalidArgument
        | Code::InvalidConfig
        | Code::InvalidPartitions
        | Code::InvalidReplicationFactor
        | Code::InvalidRequest
        | Code::PolicyViolation
        | Code::UnsupportedFeature
        | Code::UnsupportedVersion
        | Code::InconsistentGroupProtocol
        | Code::InvalidSessionTimeout
        | Code::InvalidRequiredAcks
        | Code::UnsupportedCompressionType => ErrorKind::Invalid,
        // Everything else is the cluster or the way to it: leaders move, coordinators load, requests time out.
        _ => ErrorKind::Unreachable,
    }
}

/// The option that a code is about.
fn about(code: Code, message: &str) -> Option<&'static str> {
    match code {
        Code::Authentication | Code::SaslAuthenticationFailed => Some("sasl.password"),
        Code::UnsupportedSASLMechanism | Code::IllegalSASLState => Some("sasl.mechanism"),
        Code::GroupAuthorizationFailed | Code::InconsistentGroupProtocol => Some("group"),
        Code::FencedInstanceId => Some("group_instance"),
        _ if message.contains("certificate verify failed") => Some("tls.ca"),
        _ => (kind(code) == ErrorKind::Unreachable).then_some("brokers"),
    }
}

fn help(code: Code, message: &str) -> Option<String> {
    let text = match code {
        Code::Authentication | Code::SaslAuthenticationFailed => {
            "check `sasl.username`, `sasl.password` and `sasl.mechanism` (PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512)"
        }
        Code::UnsupportedSASLMechanism => "the broker offers other mechanisms; set `sasl.mechanism` to one of them",
        Code::TopicAuthorizationFailed => "the user needs READ and DESCRIBE on a source's topics, WRITE and DESCRIBE on a sink's",
        Code::GroupAuthorizationFailed => "the user needs READ on the consumer group; `group` names it, the pipeline's name by default",
        Code::ClusterAuthorizationFailed => "the user needs IDEMPOTENT_WRITE, or CREATE for new topics, on the cluster",
        Code::InconsistentGroupProtocol => {
            "other members of the group use another assignment strategy than `cooperative-sticky`; give the pipeline a `group` of its own"
        }
        Code::FencedInstanceId => "another worker uses the same `group_instance`; each needs its own",
        _ if message.contains("certificate verify failed") => "set `tls.ca` to the authority that signed the broker's certificate",
        _ if ["security.protocol", "PLAINTEXT broker listener", "closed by peer"].iter().any(|sign| message.contains(sign)) => {
            "if it never worked: the listener may speak TLS or want a login; check the port, `tls` and `sasl`"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

/// librdkafka's words without the name of the connection before them and the state of the machine behind.
pub(super) fn clean(reason: &str) -> String {
    let mut text = reason.trim();
    if let Some(at) = text.rfind(" (after ") {
        text = &text[..at];
    }
    // `sasl_ssl://host:port/bootstrap: ` and `host:port/1: `
    if let Some((connection, rest)) = text.split_once(": ")
        && connection.contains('/')
        && !connection.contains(' ')
    {
        text = rest;
    }
    // `Connect to ipv4#host:port failed: Connection refused`
    let text = text.strip_prefix("SASL authentication error: ").unwrap_or(text).replace("ipv4#", "").replace("ipv6#", "");
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cleaned() {
        let table = [
            ("127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)", {
                "Connect to 127.0.0.1:1 failed: Connection refused"
            }),
            ("sasl_ssl://h:1/bootstrap: SASL authentication error: wrong (after 3ms in state AUTH_REQ)", "wrong"),
            ("Subscribed topic not available: t: Broker: Unknown topic", "Subscribed topic not available: t: Broker: Unknown topic"),
            ("", ""),
        ];
        for (reason, expected) in table {
            assert_eq!(clean(reason), expected);
        }
    }

    #[test]
    fn kinds_decide_whether_to_try_again() {
        let place = Place::new("h:1");
        let away = place.code(Code::BrokerTransportFailure, "topic \"t\"", "");
        assert_eq!((away.kind, away.retry), (ErrorKind::Unreachable, Retry::Backoff));
        assert_eq!(away.message, "kafka at h:1: topic \"t\": BrokerTransportFailure (Local: Broker transport failure)");
        let denied = place.code(Code::Authentication, "login", "h:1/bootstrap: no such user");
        assert_eq!(
            (denied.kind, denied.retry, denied.message.as_str()),
            (ErrorKind::Denied, Retry::No, "kafka at h:1: login: no such user")
        );
        assert!(denied.help.unwrap().contains("sasl.password"));
        assert_eq!(place.code(Code::UnknownMemberId, "commit", "").retry, Retry::Reopen);
        assert_eq!(kind(Code::UnknownTopicOrPartition), ErrorKind::Missing);
        assert_eq!(place.system(), "Kafka at h:1");
    }

    #[test]
    fn a_password_is_not_in_an_error_about_settings() {
        let mut config = rdkafka::ClientConfig::new();
        config.set("socket.timeout.ms", "secret");
        let error = config.create::<rdkafka::producer::BaseProducer>().err().unwrap();
        let told = Place::new("h:1").wrapped(&error, "start");
        assert_eq!(told.kind, ErrorKind::Invalid);
        assert!(told.message.contains("socket.timeout.ms") && !told.message.contains("= secret"), "{}", told.message);
    }

    #[test]
    fn certificates_get_their_own_advice() {
        let error = Place::new("h:1").code(Code::SSL, "connection", "ssl://h:1/bootstrap: SSL handshake failed: certificate verify failed");
        assert!(error.help.unwrap().contains("tls.ca"));
        assert_eq!(error.kind, ErrorKind::Unreachable);
    }

    #[test]
    fn advice_names_the_option_or_the_right_that_is_missing() {
        let place = Place::new("h:1");
        let table = [
            (Code::SaslAuthenticationFailed, "", ErrorKind::Denied, Retry::No, "`sasl.password`"),
            (Code::UnsupportedSASLMechanism, "", ErrorKind::Denied, Retry::No, "`sasl.mechanism`"),
            (Code::TopicAuthorizationFailed, "", ErrorKind::Denied, Retry::No, "READ and DESCRIBE"),
            (Code::GroupAuthorizationFailed, "", ErrorKind::Denied, Retry::No, "consumer group"),
            (Code::ClusterAuthorizationFailed, "", ErrorKind::Denied, Retry::No, "IDEMPOTENT_WRITE"),
            (Code::InconsistentGroupProtocol, "", ErrorKind::Invalid, Retry::No, "`group` of its own"),
            (Code::FencedInstanceId, "", ErrorKind::Fenced, Retry::Reopen, "`group_instance`"),
            (Code::BrokerTransportFailure, "h:1/bootstrap: Disconnected: closed by peer", ErrorKind::Unreachable, Retry::Backoff, "`tls`"),
            (Code::MessageSizeTooLarge, "", ErrorKind::Data, Retry::No, ""),
            (Code::CoordinatorLoadInProgress, "", ErrorKind::Unreachable, Retry::Backoff, ""),
            (Code::NotCoordinator, "", ErrorKind::Unreachable, Retry::Backoff, ""),
            (Code::IllegalGeneration, "", ErrorKind::Fenced, Retry::Reopen, ""),
        ];
        for (code, reason, kind, retry, advice) in table {
            let error = place.code(code, "doing", reason);
            assert_eq!((error.kind, error.retry), (kind, retry), "{code:?}");
            let help = error.help.unwrap_or_default();
            assert!(if advice.is_empty() { help.is_empty() } else { help.contains(advice) }, "{code:?}: {help:?}");
        }
    }
}
