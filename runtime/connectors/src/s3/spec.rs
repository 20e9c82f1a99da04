//! What the compiler knows about the `s3` sink.

use kpipe_compiler::catalog::{ChangeKind, ConnectorSpec, NameKind, OptionKind, OptionSpec, SinkKind, SinkSpec};
use kpipe_compiler::plan::Guarantee;

use crate::files;

/// The description.
pub(super) static SPEC: ConnectorSpec = ConnectorSpec {
    name: "s3",
    summary: "objects in a bucket of S3 or a store that speaks its protocol",
    example: EXAMPLE,
    source: None,
    sink: Some(SinkSpec {
        options: &OPTIONS,
        into: NameKind::Bucket,
        clauses: files::CLAUSES,
        properties: files::PROPERTIES,
        kind: SinkKind::Files,
        formats: files::FORMATS,
        guarantee: Guarantee::ExactlyOnce,
    }),
};

const EXAMPLE: &str = r#"version: 1
pipeline: orders-lake
source:
  kafka:
    brokers: [localhost:9092]
    value:
      format: json
      schema: { id: bigint not null, country: string, amount: double }
sink:
  s3:
    endpoint: http://localhost:9000
    region: us-east-1
    credentials:
      access_key: orders-writer
      secret_key: "${env:S3_SECRET_KEY}"
    format: { parquet: { compression: zstd } }
    flush: { records: 1000000, interval: 5m }
kcql: |
  INSERT INTO lake:orders
  SELECT id, country, amount
  FROM orders
  PARTITIONBY country
"#;

static OPTIONS: [OptionSpec; 25] = files::join(STORE, files::OPTIONS);

const STORE: [OptionSpec; 7] = [
    OptionSpec {
        path: "endpoint",
        kind: OptionKind::Url(&["http", "https"]),
        change: ChangeKind::NewLayout,
        doc: "The address of the store. AWS in `region` by default.",
        example: "https://minio.example:9000",
        ..OptionSpec::PLAIN
    },
    OptionSpec {
        path: "region",
        doc: "The region that requests are signed for. By default that of the environment (`AWS_REGION`, the shared configuration files, the \
              machine's metadata); with an endpoint `us-east-1`.",
        example: "eu-central-1",
        ..OptionSpec::PLAIN
    },
    OptionSpec {
        path: "path_style",
        kind: OptionKind::Boolean,
        doc: "Whether the bucket stands in the path (`host/bucket/key`) or in the host name (`bucket.host/key`). True by default where an endpoint \
              is given, else false.",
        example: "true",
        ..OptionSpec::PLAIN
    },
    OptionSpec {
        path: "credentials.access_key",
        doc: "The access key. Without it the standard chain is asked: environment, shared files, web identity, container, machine.",
        example: "orders-writer",
        ..OptionSpec::PLAIN
    },
    OptionSpec {
        path: "credentials.secret_key",
        secret: true,
        doc: "The secret key that belongs to the access key.",
        example: "\"${env:S3_SECRET_KEY}\"",
        ..OptionSpec::PLAIN
    },
    OptionSpec {
        path: "credentials.session_token",
        secret: true,
        doc: "The session token of temporary credentials.",
        example: "\"${env:S3_SESSION_TOKEN}\"",
        ..OptionSpec::PLAIN
    },
    OptionSpec {
        path: "tls.ca",
        kind: OptionKind::Path,
        doc: "A PEM file of certificates that the store's certificate is checked against, instead of the system's.",
        example: "/etc/ssl/private-ca.pem",
        ..OptionSpec::PLAIN
    },
];
