//! What is wrong around kpipe: each fault has its own message and exit code, and is never taken for a mistake in the file.

use std::path::Path;

use kpipe_compiler::plan::{Endpoint, OptionValue, Options, SecretRef};
use kpipe_engine::connector::{FileStore, OpenRequest, Secrets};
use kpipe_engine::error::{ConnectorError, ErrorKind};

use super::common::{Ran, create_topic, kpipe, unique, variable};

/// Runs `plan` on a Kafka -> S3 pipeline, lines of which can be replaced.
fn plan(kafka: &str, s3: &str, bucket: &str, topic: &str) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        "version: 1\npipeline: {}\nsource:\n  kafka: {kafka}\nsink:\n  s3: {s3}\nkcql: |\n  INSERT INTO {bucket}:x SELECT * FROM `{topic}`\n",
        unique("env")
    );
    std::fs::write(dir.path().join("pipeline.yaml"), text).unwrap();
    kpipe(dir.path(), "plan pipeline.yaml")
}

fn kafka() -> String {
    format!("{{ brokers: [\"{}\"], value: {{ format: json }} }}", variable("KPIPE_TEST_KAFKA"))
}

fn s3() -> String {
    format!("{{ endpoint: \"{}\", region: us-east-1 }}", variable("KPIPE_TEST_S3"))
}

fn topic() -> String {
    let name = unique("env");
    create_topic(&name, 1);
    name
}

fn says(ran: Ran, code: i32, words: &[&str]) {
    let ran = ran.expect(code);
    for word in words {
        assert!(ran.err.contains(word), "`{word}` is missing in:\n{}", ran.err);
    }
    assert!(ran.err.contains("help"), "there is no help in:\n{}", ran.err);
}

#[test]
fn a_sound_plan_is_no_error() {
    let ran = plan(&kafka(), &s3(), "lake", &topic()).expect(0);
    assert!(ran.out.contains("1 to create"), "{}", ran.out);
}

#[test]
fn a_broker_that_is_not_there_is_unreachable() {
    says(plan("{ brokers: [\"127.0.0.1:1\"], value: { format: json } }", &s3(), "lake", "t"), 10, &["127.0.0.1:1"]);
}

#[test]
fn a_wrong_password_is_denied_and_not_shown() {
    let kafka = format!(
        "{{ brokers: [\"{}\"], value: {{ format: json }}, tls: {{ ca: \"{}\" }}, sasl: {{ mechanism: PLAIN, username: kpipe, password: \
         not-the-password }} }}",
        variable("KPIPE_TEST_KAFKA_SASL_SSL"),
        variable("KPIPE_TEST_CA")
    );
    let ran = plan(&kafka, &s3(), "lake", "t");
    assert!(!ran.err.contains("not-the-password") && !ran.out.contains("not-the-password"), "{}", ran.err);
    says(ran, 11, &["kafka"]);
}

#[test]
fn a_missing_topic_is_named() {
    let name = unique("nobody-made-this");
    says(plan(&kafka(), &s3(), "lake", &name), 10, &[&name]);
}

#[test]
fn a_missing_bucket_is_named() {
    says(plan(&kafka(), &s3(), "no-such-bucket", &topic()), 10, &["no-such-bucket"]);
}

#[test]
fn a_denied_bucket_is_denied() {
    let s3 = format!(
        "{{ endpoint: \"{}\", region: us-east-1, credentials: {{ access_key: stranger, secret_key: kpipe-secret }} }}",
        variable("KPIPE_TEST_S3")
    );
    says(plan(&kafka(), &s3, "lake", &topic()), 11, &["lake"]);
}

#[test]
fn a_wrong_mqtt_password_is_denied() {
    let dir = tempfile::tempdir().unwrap();
    let (mqtt, kafka) = (variable("KPIPE_TEST_MQTT_AUTH"), variable("KPIPE_TEST_KAFKA"));
    let text = format!(
        "version: 1\npipeline: {}\nsource:\n  mqtt: {{ url: \"mqtt://{mqtt}\", username: kpipe, password: wrong-one }}\nsink:\n  kafka: {{ brokers: \
         [\"{kafka}\"] }}\nkcql: |\n  INSERT INTO {} SELECT * FROM a/+\n",
        unique("mqtt"),
        topic()
    );
    std::fs::write(dir.path().join("pipeline.yaml"), text).unwrap();
    let ran = kpipe(dir.path(), "apply pipeline.yaml --yes");
    assert!(!ran.err.contains("wrong-one"), "{}", ran.err);
    says(ran, 11, &["login"]);
}

struct Given;

impl Secrets for Given {
    fn read(&self, secret: &SecretRef) -> Result<String, ConnectorError> {
        match secret {
            SecretRef::Inline { place: _, value } => Ok(value.clone()),
            other => Err(ConnectorError::new(ErrorKind::Missing, format!("{other} is not used here"))),
        }
    }
}

/// The services' bucket.
pub(crate) struct Bucket {
    runtime: tokio::runtime::Runtime,
    store: std::sync::Arc<dyn FileStore>,
}

impl Bucket {
    /// An object as text.
    pub(crate) fn get(&self, key: &str) -> Option<String> {
        let bytes = self.runtime.block_on(self.store.get(key)).unwrap();
        bytes.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
    }
}

/// Opens the services' bucket.
pub(crate) fn bucket() -> Bucket {
    let text = |text: String| OptionValue::Text(text);
    let secret = SecretRef::Inline { place: "test".to_owned(), value: variable("KPIPE_TEST_PASSWORD") };
    let options = [
        ("endpoint", text(variable("KPIPE_TEST_S3"))),
        ("region", text("us-east-1".to_owned())),
        ("credentials.access_key", text(variable("KPIPE_TEST_USER"))),
        ("credentials.secret_key", OptionValue::Secret(secret)),
        ("path_style", OptionValue::Boolean(true)),
    ];
    let options = Options(options.into_iter().map(|(key, value)| (key.to_owned(), value)).collect());
    let endpoint = Endpoint { connector: "s3".to_owned(), options };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let def = kpipe_connectors::ALL.iter().find(|def| def.spec.name == "s3").unwrap();
    let routes = [super::plans::route_into(Path::new("lake"))];
    let request = OpenRequest {
        pipeline: "look",
        task: 0,
        endpoint: &endpoint,
        routes: &routes,
        secrets: &Given,
        runtime: runtime.handle().clone(),
        starts_in_sink: false,
    };
    let store = def.store.unwrap()(&request).unwrap();
    Bucket { runtime, store }
}
