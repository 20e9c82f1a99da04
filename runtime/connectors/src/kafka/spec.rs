//! What the compiler knows of Kafka.

use kpipe_compiler::catalog::{
    ChangeKind, ConnectorSpec, MetadataColumn, NameKind, OptionKind, OptionSpec, Replay, SinkKind, SinkSpec, SourceSpec,
};
use kpipe_compiler::plan::Guarantee;

use crate::files::join;

pub(super) static SPEC: ConnectorSpec = ConnectorSpec {
    name: "kafka",
    summary: "Apache Kafka and what speaks its protocol: topics as a source and as a sink",
    example: include_str!("example.yaml"),
    source: Some(SourceSpec {
        options: &SOURCE_OPTIONS,
        from: NameKind::KafkaTopic,
        clauses: &["WITHKEY", "KEYDELIMITER"],
        columns: &[
            MetadataColumn::Topic,
            MetadataColumn::Partition,
            MetadataColumn::Offset,
            MetadataColumn::Timestamp,
            MetadataColumn::Key,
            MetadataColumn::Header,
        ],
        replay: Replay::Seekable,
    }),
    sink: Some(SinkSpec {
        options: &SINK_OPTIONS,
        into: NameKind::KafkaTopicOrSource,
        clauses: &["WITHKEY", "KEYDELIMITER"],
        properties: &[],
        kind: SinkKind::Records,
        formats: &["json"],
        guarantee: Guarantee::AtLeastOnce,
    }),
};

static SOURCE_OPTIONS: [OptionSpec; 19] = join(COMMON, SOURCE);
static SINK_OPTIONS: [OptionSpec; 17] = join(COMMON, SINK);

/// What it takes to reach a cluster.
const COMMON: [OptionSpec; 9] = [
    OptionSpec {
        path: "brokers",
        kind: OptionKind::List(&OptionKind::HostPort),
        required: true,
        change: ChangeKind::Position,
        doc: "Some brokers of the cluster, `host:port`; the others are found through them.",
        example: "[kafka-1:9092, kafka-2:9092]",
        ..OptionSpec::PLAIN
    },
    OptionSpec {
        path: "tls.enabled",
        kind: OptionKind::Boolean,
        doc: "Whether to use TLS. On by itself when another `tls` option is given.",
        example: "true",
        ..OptionSpec::PLAIN
    },
    OptionSpec {
        path: "tls.ca",
        kind: OptionKind::Path,
        doc: "The authorities to trust, a PEM file; the system's if not given.",
        example: "/etc/ssl/ca.pem",
        ..OptionSpec::PLAIN
    },
    OptionSpec {
        path: "tls.cert",
        kind: OptionKind::Path,
        doc: "The client's certificate chain, a PEM file; needs `tls.key`.",
        example: "/etc/ssl/client.pem",
        ..OptionSpec::PLAIN
    },
    OptionSpec {
        path: "tls.key",
        kind: OptionKind::Path,
        doc: "The client's private key, a PEM file.",
        example: "/etc/ssl/client.key",
        ..OptionSpec::PLAIN
    },
    OptionSpec {
        path: "tls.verify",
        kind: OptionKind::Boolean,
        doc: "Whether the broker's certificate is checked, on by default. Without it anybody can pretend to be the broker.",
        example: "true",
        ..OptionSpec::PLAIN
    },
    OptionSpec {
        path: "sasl.mechanism",
        kind: OptionKind::Choice(&["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]),
        doc: "How to log in, PLAIN by default. PLAIN sends the password: use it with TLS.",
        example: "SCRAM-SHA-512",
        ..OptionSpec::PLAIN
    },
    OptionSpec {
        path: "sasl.username",
        doc: "The user to log in as; without it there is no login.",
        example: "kpipe",
        ..OptionSpec::PLAIN
    },
    OptionSpec { path: "sasl.password", secret: true, doc: "The user's password.", example: "${env:KAFKA_PASSWORD}", ..OptionSpec::PLAIN },
];

const SOURCE: [OptionSpec; 10] = [
    OptionSpec {
        path: "group",
        change: ChangeKind::Position,
        doc: "The consumer group, by default the pipeline's name. Positions belong to the group.",
        example: "orders-lake",
        ..OptionSpec::PLAIN
    },
    OptionSpec {
        path: "group_instance",
        doc: "A name of this worker in the group, for static membership: a worker that comes back in time keeps its partitions. Each \
              worker needs its own.",
        example: "${env:HOSTNAME}",
        ..OptionSpec::PLAIN
    },
    OptionSpec {
        path: "from",
        kind: OptionKind::StartPosition,
        default: Some("earliest"),
        doc: "Where to start where the group has committed nothing: `earliest`, `latest` or a time stamp.",
        example: "2024-05-01T00:00:00Z",
        ..OptionSpec::PLAIN
    },
    OptionSpec {
        path: "key.format",
        kind: OptionKind::Choice(FORMATS),
        default: Some("bytes"),
        doc: "What a key is.",
        example: "text",
        ..OptionSpec::PLAIN
    },
    OptionSpec {
        path: "key.schema",
        kind: OptionKind::Schema,
        doc: "The fields of a key.",
        example: "{ id: bigint }",
        ..OptionSpec::PLAIN
    },
    REGISTRY_KEY,
    OptionSpec {
        path: "value.format",
        kind: OptionKind::Choice(FORMATS),
        default: Some("bytes"),
        doc: "What a value is. `bytes` is not looked at; a statement that names a field needs `json`.",
        example: "json",
        ..OptionSpec::PLAIN
    },
    OptionSpec {
        path: "value.schema",
        kind: OptionKind::Schema,
        doc: "The fields of a value. Without it values pass through as they are.",
        example: "{ id: bigint, name: string }",
        ..OptionSpec::PLAIN
    },
    REGISTRY_VALUE,
    OptionSpec {
        path: "client",
        kind: OptionKind::Map(SOURCE_CLIENT),
        doc: "Settings of librdkafka, by its own names. What delivery hangs on is not among them.",
        example: "{ fetch.wait.max.ms: \"100\" }",
        ..OptionSpec::PLAIN
    },
];

const REGISTRY_KEY: OptionSpec = OptionSpec {
    path: "key.registry",
    kind: OptionKind::Url(&["http", "https"]),
    doc: "The schema registry of keys. Known, but not supported yet.",
    example: "http://registry:8081",
    ..OptionSpec::PLAIN
};

const REGISTRY_VALUE: OptionSpec = OptionSpec {
    path: "value.registry",
    kind: OptionKind::Url(&["http", "https"]),
    doc: "The schema registry of values. Known, but not supported yet.",
    example: "http://registry:8081",
    ..OptionSpec::PLAIN
};

const SINK: [OptionSpec; 8] = [
    OptionSpec {
        path: "acks",
        kind: OptionKind::Choice(&["all"]),
        default: Some("all"),
        doc: "Who must have a record before it counts: all in-sync replicas. With less a record could be lost with its leader, which kpipe does \
              not promise.",
        example: "all",
        ..OptionSpec::PLAIN
    },
    OptionSpec {
        path: "compression",
        kind: OptionKind::Choice(&["none", "gzip", "snappy", "lz4", "zstd"]),
        default: Some("none"),
        doc: "How batches are compressed.",
        example: "zstd",
        ..OptionSpec::PLAIN
    },
    OptionSpec {
        path: "linger",
        kind: OptionKind::Duration { min_ms: 0, max_ms: 10_000 },
        default: Some("5ms"),
        doc: "How long a record may wait for others to go in one batch with it.",
        example: "20ms",
        ..OptionSpec::PLAIN
    },
    OptionSpec {
        path: "topic.create",
        kind: OptionKind::Boolean,
        default: Some("false"),
        doc: "Whether topics that do not exist are created. Otherwise they are an error.",
        example: "true",
        ..OptionSpec::PLAIN
    },
    OptionSpec {
        path: "topic.partitions",
        kind: OptionKind::Integer { min: 1, max: 10_000 },
        doc: "Partitions of created topics; the broker's default if not given.",
        example: "12",
        ..OptionSpec::PLAIN
    },
    OptionSpec {
        path: "topic.replication",
        kind: OptionKind::Integer { min: 1, max: 100 },
        doc: "Replicas of created topics; the broker's default if not given.",
        example: "3",
        ..OptionSpec::PLAIN
    },
    OptionSpec {
        path: "topic.config",
        kind: OptionKind::Map(&[]),
        doc: "Settings of created topics, by Kafka's names.",
        example: "{ retention.ms: \"604800000\" }",
        ..OptionSpec::PLAIN
    },
    OptionSpec {
        path: "client",
        kind: OptionKind::Map(SINK_CLIENT),
        doc: "Settings of librdkafka, by its own names. What delivery hangs on is not among them.",
        example: "{ batch.size: \"262144\" }",
        ..OptionSpec::PLAIN
    },
];

/// Formats of keys and values; Avro is known, but not supported yet.
const FORMATS: &[&str] = &["bytes", "text", "json", "avro"];

const SOURCE_CLIENT: &[&str] = &[
    "broker.address.family",
    "broker.address.ttl",
    "check.crcs",
    "client.dns.lookup",
    "client.rack",
    "connections.max.idle.ms",
    "debug",
    "fetch.error.backoff.ms",
    "fetch.max.bytes",
    "fetch.min.bytes",
    "fetch.queue.backoff.ms",
    "fetch.wait.max.ms",
    "heartbeat.interval.ms",
    "isolation.level",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "metadata.max.age.ms",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "receive.message.max.bytes",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "session.timeout.ms",
    "socket.keepalive.enable",
    "socket.nagle.disable",
    "socket.receive.buffer.bytes",
    "socket.send.buffer.bytes",
    "socket.timeout.ms",
    "ssl.cipher.suites",
    "ssl.endpoint.identification.algorithm",
    "topic.metadata.refresh.interval.ms",
];

const SINK_CLIENT: &[&str] = &[
    "batch.num.messages",
    "batch.size",
    "broker.address.family",
    "broker.address.ttl",
    "client.dns.lookup",
    "compression.level",
    "connections.max.idle.ms",
    "debug",
    "max.in.flight.requests.per.connection",
    "message.max.bytes",
    "metadata.max.age.ms",
    "partitioner",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "request.timeout.ms",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "socket.keepalive.enable",
    "socket.nagle.disable",
    "socket.receive.buffer.bytes",
    "socket.send.buffer.bytes",
    "socket.timeout.ms",
    "ssl.cipher.suites",
    "ssl.endpoint.identification.algorithm",
    "sticky.partitioning.linger.ms",
    "topic.metadata.propagation.max.ms",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_option_is_described_once() {
        for options in [&SOURCE_OPTIONS[..], &SINK_OPTIONS[..]] {
            for option in options {
                assert!(option.doc.ends_with('.') && !option.example.is_empty(), "{}", option.path);
            }
            let paths: BTreeSet<_> = options.iter().map(|option| option.path).collect();
            assert_eq!(paths.len(), options.len());
            assert!(options.iter().filter(|option| option.secret).all(|option| option.path == "sasl.password"));
        }
        assert!(SINK_OPTIONS.iter().any(|option| option.path == "acks" && option.default.is_some()), "a sink is told by it");
        assert!(SOURCE_OPTIONS.iter().all(|option| option.path != "acks"));
    }

    #[test]
    fn allowed_settings_are_librdkafkas_and_none_is_ours_to_decide() {
        for (list, ours) in [
            (SOURCE_CLIENT, &["group.id", "enable.auto.commit", "auto.offset.reset", "partition.assignment.strategy"][..]),
            (SINK_CLIENT, &["acks", "enable.idempotence", "message.timeout.ms", "transactional.id"][..]),
        ] {
            assert!(list.is_sorted());
            let native = rdkafka::ClientConfig::new().create_native_config().unwrap();
            for setting in list {
                let known = native.get(setting).is_ok() || TOPIC_SETTINGS.contains(setting) || UNSET.contains(setting);
                assert!(known && !ours.contains(setting), "{setting}");
            }
        }
    }

    /// Settings that librdkafka keeps per topic.
    const TOPIC_SETTINGS: &[&str] = &["compression.level", "partitioner", "request.timeout.ms"];
    /// Settings without a default, which cannot be read back.
    const UNSET: &[&str] = &["debug", "ssl.cipher.suites"];
}
