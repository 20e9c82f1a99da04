//! MQTT, as a source: topics into Kafka.
//!
//! At least once with QoS 1 and 2: a message is acknowledged only after the sink acknowledged it, and the session is persistent, so
//! the broker keeps what was not acknowledged while kpipe is away.

mod connection;
mod filter;
mod inbox;
mod options;
mod packet;
mod records;
mod session;
mod source;
mod wire;

use kpipe_compiler::catalog::{ChangeKind, ConnectorSpec, MetadataColumn, NameKind, OptionKind, OptionSpec, Replay, SourceSpec};
use kpipe_engine::connector::{ConnectorDef, Inspection};

use source::MqttSource;

/// The connector.
pub(crate) static CONNECTOR: ConnectorDef = ConnectorDef {
    spec: &SPEC,
    source: Some(|request| Ok(Box::new(MqttSource::open(request)?))),
    records: None,
    store: None,
    inspect: Some(|request| Ok(Inspection { system: source::probe(request)?, ..Inspection::default() })),
    newest: None,
    plans: None,
    bookmarks: None,
};

static SPEC: ConnectorSpec = ConnectorSpec {
    name: "mqtt",
    summary: "MQTT 3.1.1 and 5 brokers: topics as a source",
    example: include_str!("example.yaml"),
    source: Some(SourceSpec {
        options: OPTIONS,
        from: NameKind::MqttFilter,
        clauses: &["WITHKEY", "KEYDELIMITER", "WITHCONVERTER"],
        columns: &[MetadataColumn::Topic, MetadataColumn::Timestamp, MetadataColumn::Qos, MetadataColumn::Retained, MetadataColumn::Header],
        replay: Replay::Unacknowledged,
    }),
    sink: None,
};

const fn option(
    path: &'static str,
    kind: OptionKind,
    default: Option<&'static str>,
    doc: &'static str,
    example: &'static str,
) -> OptionSpec {
    OptionSpec { path, kind, required: false, default, secret: false, change: ChangeKind::Restart, doc, example }
}

static OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        path: "url",
        kind: OptionKind::Url(&["mqtt", "tcp", "mqtts", "ssl"]),
        required: true,
        default: None,
        secret: false,
        change: ChangeKind::Restart,
        doc: "The broker. `mqtts` and `ssl` use TLS; ports are 1883 and 8883 unless given.",
        example: "mqtt://emqx:1883",
    },
    option("version", OptionKind::Choice(&["3.1.1", "5"]), Some("3.1.1"), "The protocol version.", "5"),
    option("username", OptionKind::Text, None, "The user to log in as.", "zenatix"),
    OptionSpec {
        path: "password",
        kind: OptionKind::Text,
        required: false,
        default: None,
        secret: true,
        change: ChangeKind::Restart,
        doc: "The user's password.",
        example: "${env:MQTT_PASSWORD}",
    },
    option(
        "qos",
        OptionKind::Integer { min: 0, max: 2 },
        Some("1"),
        "The quality of service to subscribe with. With 0 the broker forgets a message once it is sent, and one can be lost.",
        "1",
    ),
    OptionSpec {
        path: "client_id",
        kind: OptionKind::Text,
        required: false,
        default: None,
        secret: false,
        change: ChangeKind::Position,
        doc: "The name of the session at the broker; tasks after the first add `-1`, `-2`. By default `kpipe-<pipeline>-<task>`. Each worker needs its own, the same after every restart, and `$share/` filters.",
        example: "lake-${env:HOSTNAME}",
    },
    option(
        "clean_session",
        OptionKind::Boolean,
        Some("false"),
        "Whether the broker forgets the session at each disconnect. Then messages published while kpipe is away are lost.",
        "false",
    ),
    option(
        "session_expiry",
        OptionKind::Duration { min_ms: 1_000, max_ms: 4_294_967_295_000 },
        Some("7d"),
        "How long the broker keeps the session while kpipe is away (MQTT 5; 3.1.1 leaves it to the broker).",
        "7d",
    ),
    option(
        "keep_alive",
        OptionKind::Duration { min_ms: 1_000, max_ms: 65_535_000 },
        Some("30s"),
        "The longest silence before the broker takes the connection for dead.",
        "30s",
    ),
    option(
        "in_flight_max",
        OptionKind::Integer { min: 1, max: 65_535 },
        Some("20000"),
        "Messages that may wait for their acknowledgement; beyond it nothing more is read. The broker has a limit of its own.",
        "1000",
    ),
    option(
        "message_bytes_max",
        OptionKind::Bytes { min: 1_024, max: 256 << 20 },
        Some("16MiB"),
        "The largest message; a larger one stops the pipeline with an error that names its topic.",
        "1MiB",
    ),
    option("value.format", OptionKind::Choice(&["bytes", "text", "json"]), Some("bytes"), "What a payload is.", "json"),
    option(
        "value.schema",
        OptionKind::Schema,
        None,
        "The fields of a payload. Without it values pass through as they are.",
        "{ id: bigint, name: string }",
    ),
    option("tls.ca", OptionKind::Path, None, "The authorities to trust, a PEM file; the system's if not given.", "/etc/ssl/ca.pem"),
    option("tls.cert", OptionKind::Path, None, "The client's certificate chain, a PEM file; needs `tls.key`.", "/etc/ssl/client.pem"),
    option("tls.key", OptionKind::Path, None, "The client's private key, a PEM file.", "/etc/ssl/client.key"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_is_described() {
        for option in OPTIONS {
            assert!(option.doc.ends_with('.') && !option.example.is_empty(), "{}", option.path);
        }
        assert!(OPTIONS.iter().filter(|option| option.secret).all(|option| option.path == "password"));
    }
}
