//! Whether a cluster answers, told from what librdkafka reports; without IO.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kpipe_engine::error::{ConnectorError, ErrorKind, Retry};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;
use serde::Deserialize;

use super::failure::{self, Place};

/// The connection came or went.
#[derive(Debug)]
pub(super) enum Change {
    /// No broker can be reached; why.
    Away(ConnectorError),
    /// One can again.
    Back,
}

/// What is known of a client's connections. Every context of a client has one and hands its callbacks on to it.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) place: Place,
    health: Mutex<Health>,
}

#[derive(Debug, Default)]
struct Health {
    /// The last thing that went wrong with a connection.
    cause: Option<(Code, String)>,
    away: Option<ConnectorError>,
    changes: Vec<Change>,
    failures: Vec<ConnectorError>,
}

/// The part of librdkafka's statistics that is read.
#[derive(Deserialize)]
struct Statistics {
    brokers: BTreeMap<String, Broker>,
}

#[derive(Deserialize)]
struct Broker {
    state: String,
}

impl Watch {
    pub(super) fn new(place: Place) -> Self {
        Self { place, health: Mutex::default() }
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// librdkafka reports an error that is about no record.
    pub(super) fn error(&self, error: &KafkaError, reason: &str) {
        let Some(code) = error.rdkafka_error_code() else { return };
        let mut health = self.health();
        match code {
            Code::AllBrokersDown => {
                if health.away.is_none() {
                    let (code, reason) = health.cause.clone().unwrap_or((Code::BrokerTransportFailure, reason.to_owned()));
                    let error = self.place.code(code, "cannot be reached", &reason);
                    health.away = Some(error.clone());
                    health.changes.push(Change::Away(error));
                }
            }
            Code::SSL if reason.contains("certificate verify failed") => {
                health.failures.push(self.place.code(code, "connection", reason).retry(Retry::No));
            }
            Code::Fatal => health.failures.push(self.place.error(ErrorKind::Fenced, failure::clean(reason)).retry(Retry::Reopen)),
            // The partitions are taken away next, which says it better.
            Code::UnknownMemberId | Code::IllegalGeneration | Code::PollExceeded | Code::PartitionEOF => {}
            _ => match failure::kind(code) {
                ErrorKind::Unreachable => health.cause = Some((code, reason.to_owned())),
                ErrorKind::Denied => health.failures.push(self.place.code(code, "access is denied", reason)),
                _ => health.failures.push(self.place.code(code, "client", reason)),
            },
        }
    }

    /// librdkafka's log lines. What matters comes as an error too, so they are for looking closely only; but why a connection was closed
    /// before it was of use, some of them say alone.
    pub(super) fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::warn!(target: "librdkafka", facility, "{message}");
            }
            RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning
            | RDKafkaLogLevel::Notice
            | RDKafkaLogLevel::Info
            | RDKafkaLogLevel::Debug => {
                tracing::debug!(target: "librdkafka", facility, "{message}");
            }
        }
        if facility == "FAIL" {
            // `[thrd:host:port/bootstrap]: host:port/bootstrap: why`
            let reason = message.split_once("]: ").map_or(message, |(_, reason)| reason);
            let mut health = self.health();
            if health.cause.as_ref().is_none_or(|(code, _)| *code == Code::BrokerTransportFailure) {
                health.cause = Some((Code::BrokerTransportFailure, reason.to_owned()));
            }
        }
    }

    /// librdkafka's periodic statistics: read only while nothing can be reached, to see when that ends.
    pub(super) fn statistics(&self, json: &[u8]) {
        if self.health().away.is_none() {
            return;
        }
        match serde_json::from_slice::<Statistics>(json) {
            Ok(statistics) if statistics.brokers.values().any(|broker| broker.state == "UP") => self.alive(),
            Ok(_) => {}
            Err(error) => tracing::warn!(target: "librdkafka", "statistics that cannot be read: {error}"),
        }
    }

    /// A broker answered.
    pub(super) fn alive(&self) {
        let mut health = self.health();
        if health.away.take().is_some() {
            health.cause = None;
            health.changes.push(Change::Back);
        }
    }

    /// Why nothing can be reached, while it is so.
    pub(super) fn away(&self) -> Option<ConnectorError> {
        self.health().away.clone()
    }

    /// The last thing that went wrong with a connection, if anything did.
    pub(super) fn cause(&self) -> Option<ConnectorError> {
        let health = self.health();
        health.cause.as_ref().map(|(code, reason)| self.place.code(*code, "cannot be reached", reason))
    }

    /// What came or went since the last call, oldest first.
    pub(super) fn take_changes(&self) -> Vec<Change> {
        std::mem::take(&mut self.health().changes)
    }

    /// What trying again does not help against.
    pub(super) fn take_failures(&self) -> Vec<ConnectorError> {
        std::mem::take(&mut self.health().failures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> Watch {
        Watch::new(Place::new("h:1"))
    }

    fn report(watch: &Watch, code: Code, reason: &str) {
        watch.error(&KafkaError::Global(code), reason);
    }

    #[test]
    fn an_outage_is_said_once_with_its_cause_and_its_end() {
        let watch = watch();
        report(&watch, Code::BrokerTransportFailure, "h:1/bootstrap: Connect failed: Connection refused (after 0ms in state CONNECT)");
        assert!(watch.take_changes().is_empty(), "one connection is not the cluster");
        report(&watch, Code::AllBrokersDown, "1/1 brokers are down");
        report(&watch, Code::AllBrokersDown, "1/1 brokers are down");
        let changes = watch.take_changes();
        let [Change::Away(error)] = changes.as_slice() else { panic!("{changes:?}") };
        assert_eq!(error.message, "kafka at h:1: cannot be reached: Connect failed: Connection refused");
        assert_eq!((error.kind, error.retry), (ErrorKind::Unreachable, Retry::Backoff));
        assert!(watch.away().is_some() && watch.cause().is_some());
        watch.statistics(br#"{"name":"x","brokers":{"h:1/1":{"state":"CONNECT","more":1}},"topics":{}}"#);
        assert!(watch.take_changes().is_empty());
        watch.statistics(br#"{"brokers":{"h:1/1":{"state":"UP"}}}"#);
        watch.statistics(br#"{"brokers":{"h:1/1":{"state":"UP"}}}"#);
        assert!(matches!(watch.take_changes().as_slice(), [Change::Back]));
        assert!(watch.away().is_none() && watch.cause().is_none());
        assert!(watch.take_failures().is_empty());
    }

    #[test]
    fn what_does_not_pass_is_a_failure() {
        let watch = watch();
        report(&watch, Code::Authentication, "sasl_ssl://h:1/bootstrap: SASL authentication error: no (after 3ms in state AUTH_REQ)");
        report(&watch, Code::SSL, "ssl://h:1/bootstrap: SSL handshake failed: certificate verify failed");
        report(&watch, Code::Fatal, "fenced by another instance");
        report(&watch, Code::UnknownMemberId, "");
        let failures = watch.take_failures();
        let kinds: Vec<_> = failures.iter().map(|failure| (failure.kind, failure.retry)).collect();
        assert_eq!(kinds, [(ErrorKind::Denied, Retry::No), (ErrorKind::Unreachable, Retry::No), (ErrorKind::Fenced, Retry::Reopen)]);
        assert!(watch.take_failures().is_empty());
    }

    #[test]
    fn a_log_line_can_be_the_only_one_to_say_why() {
        let watch = watch();
        watch.log(RDKafkaLogLevel::Info, "REBOOTSTRAP", "[thrd:main]: Starting");
        assert!(watch.cause().is_none());
        let line = "[thrd:h:1/bootstrap]: h:1/bootstrap: Disconnected: might be caused by incorrect security.protocol configuration (after 1ms in state X)";
        watch.log(RDKafkaLogLevel::Info, "FAIL", line);
        report(&watch, Code::AllBrokersDown, "1/1 brokers are down");
        let error = watch.away().unwrap();
        assert_eq!(
            error.message,
            "kafka at h:1: cannot be reached: Disconnected: might be caused by incorrect security.protocol configuration"
        );
        assert!(error.help.unwrap().contains("`tls` and `sasl`"));
        report(&watch, Code::Resolve, "no such host");
        watch.log(RDKafkaLogLevel::Info, "FAIL", line);
        assert!(watch.cause().unwrap().message.contains("no such host"), "an error knows better");
    }

    #[test]
    fn statistics_that_are_none_change_nothing() {
        let watch = watch();
        report(&watch, Code::AllBrokersDown, "1/1 brokers are down");
        watch.take_changes();
        watch.statistics(b"no json");
        watch.alive();
        watch.alive();
        assert!(matches!(watch.take_changes().as_slice(), [Change::Back]));
    }
}
