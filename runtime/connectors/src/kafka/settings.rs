//! Options into librdkafka's settings.

use std::fs::File;

use kpipe_compiler::plan::Options;
use kpipe_engine::connector::OpenRequest;
use kpipe_engine::error::{ConnectorError, ErrorKind};
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use super::failure::Place;

/// Prefetched bytes of all partitions of a task together, shared among them.
const PREFETCH_KIB: usize = 32 * 1024;
/// Limits of one partition's share: below, a fetch holds few records; above, nothing gets faster.
const PREFETCH_PARTITION_KIB: (usize, usize) = (512, 16 * 1024);
/// One answer to a fetch: larger ones are fresh memory every time.
const FETCH_BYTES: usize = 4 << 20;
/// The largest batch that is produced, unless a topic takes less: Kafka's default limit of a topic is a little more.
pub(super) const BATCH_BYTES_MAX: usize = 1_000_000;
/// What the producer may hold, and so the largest record.
const PRODUCE_KIB: usize = 64 * 1024;

/// How often librdkafka reports the state of its connections.
const STATISTICS_MS: &str = "2000";

/// Where a cluster is and how to log in, as librdkafka takes it.
pub(super) struct Settings {
    pub(super) place: Place,
    config: ClientConfig,
    client: Vec<(String, String)>,
}

impl std::fmt::Debug for Settings {
    /// Without the settings: one of them is a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Settings({})", self.place.system())
    }
}

impl Settings {
    /// Reads the options that every client shares.
    ///
    /// # Errors
    /// A secret or a certificate cannot be read, or options contradict each other.
    pub(super) fn new(request: &OpenRequest<'_>) -> Result<Self, ConnectorError> {
        let options = &request.endpoint.options;
        let brokers = options.texts("brokers").join(",");
        if brokers.is_empty() {
            return Err(ConnectorError::new(ErrorKind::Invalid, "kafka: `brokers` is missing"));
        }
        let place = Place::new(&brokers);
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &brokers)
            .set("client.id", format!("kpipe-{}-{}", request.pipeline, request.task))
            .set("allow.auto.create.topics", "false")
            .set("socket.keepalive.enable", "true")
            .set("socket.timeout.ms", "30000")
            .set("reconnect.backoff.max.ms", "2000")
            .set("log.connection.close", "false")
            .set_log_level(RDKafkaLogLevel::Info);
        let tls = tls(options, &mut config)?;
        let login = sasl(request, &mut config)?;
        config.set("security.protocol", protocol(tls, login));
        let client = options.map("client").into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Ok(Self { place, config, client })
    }

    /// For a client that looks, or reads a topic without a group.
    pub(super) fn reader(&self) -> ClientConfig {
        let mut config = self.config.clone();
        config
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "error")
            // The end of a partition is found by an empty answer: no waiting for more.
            .set("fetch.wait.max.ms", "10")
            // A broker that hangs up on the first word says so nowhere else.
            .set("log.connection.close", "true");
        self.with_client(config, &["socket.", "ssl.", "broker.", "client.", "reconnect.", "receive."])
    }

    /// For a member of a group that will read at most `partitions` partitions.
    pub(super) fn member(&self, group: &str, instance: Option<&str>, partitions: usize) -> ClientConfig {
        let mut config = self.config.clone();
        let queue_kib = (PREFETCH_KIB / partitions.max(1)).clamp(PREFETCH_PARTITION_KIB.0, PREFETCH_PARTITION_KIB.1);
        let partition_bytes = (queue_kib * 1024).min(FETCH_BYTES);
        config
            .set("group.id", group)
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("isolation.level", "read_committed")
            // How long the partitions of a worker that was killed stay nobody's. The task polls many times a second, so ten seconds of silence
            // mean that it is gone; the broker's default of 45 s only delays its successor.
            .set("session.timeout.ms", "10000")
            .set("heartbeat.interval.ms", "3000")
            // A position is explicit: one that is not there is an error, never a jump.
            .set("auto.offset.reset", "error")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("fetch.max.bytes", FETCH_BYTES.to_string())
            .set("max.partition.fetch.bytes", partition_bytes.to_string())
            // With separate queues this counts per partition.
            .set("queued.max.messages.kbytes", queue_kib.to_string())
            .set("queued.min.messages", "1000000")
            .set("fetch.queue.backoff.ms", "5")
            .set("statistics.interval.ms", STATISTICS_MS);
        if let Some(instance) = instance {
            config.set("group.instance.id", instance);
        }
        self.with_client(config, &[])
    }

    /// For a producer that commits offsets in transactions of this name and sends nothing.
    pub(super) fn transactions(&self, name: &str, timeout_ms: &str) -> ClientConfig {
        let mut config = self.config.clone();
        config.remove("allow.auto.create.topics");
        config.set("transactional.id", name).set("transaction.timeout.ms", timeout_ms).set("socket.timeout.ms", timeout_ms);
        self.with_client(config, &["socket.", "ssl.", "broker.", "client.", "reconnect.", "receive."])
    }

    /// For a producer whose topics take batches of at most `batch_bytes`.
    pub(super) fn producer(&self, options: &Options, batch_bytes: usize) -> ClientConfig {
        let mut config = self.config.clone();
        config.remove("allow.auto.create.topics");
        let linger_ms = options.duration("linger").map_or(5, |linger| linger.as_millis());
        config
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("linger.ms", linger_ms.to_string())
            .set("compression.type", options.text("compression").unwrap_or("none"))
            // As Java's producer: records of a key stay in the partition where other producers put them.
            .set("partitioner", "murmur2_random")
            // A record waits for its broker as long as the pipeline does; how long that is, `errors.retry` says.
            .set("message.timeout.ms", "0")
            .set("topic.metadata.propagation.max.ms", "10000")
            .set("queue.buffering.max.kbytes", PRODUCE_KIB.to_string())
            .set("queue.buffering.max.messages", "500000")
            .set("message.max.bytes", (PRODUCE_KIB * 1024).to_string())
            .set("batch.size", batch_bytes.to_string())
            .set("batch.num.messages", "100000")
            .set("statistics.interval.ms", STATISTICS_MS);
        self.with_client(config, &[])
    }

    /// Puts the pipeline's own settings over ours; all of them, or those that start so.
    fn with_client(&self, mut config: ClientConfig, prefixes: &[&str]) -> ClientConfig {
        for (key, value) in &self.client {
            if prefixes.is_empty() || prefixes.iter().any(|prefix| key.starts_with(prefix)) {
                config.set(key, value);
            }
        }
        config
    }
}

fn tls(options: &Options, config: &mut ClientConfig) -> Result<bool, ConnectorError> {
    let given = ["tls.ca", "tls.cert", "tls.key", "tls.verify"].iter().any(|path| options.0.contains_key(*path));
    let enabled = if options.0.contains_key("tls.enabled") { options.flag("tls.enabled") } else { given };
    if !enabled {
        return Ok(false);
    }
    config.set("ssl.ca.location", options.text("tls.ca").unwrap_or("probe"));
    for (path, setting) in [("tls.ca", "ssl.ca.location"), ("tls.cert", "ssl.certificate.location"), ("tls.key", "ssl.key.location")] {
        let Some(file) = options.text(path) else { continue };
        File::open(file).map_err(|error| {
            let what = format!("kafka: `{path}`: {file}: {error}");
            ConnectorError::new(ErrorKind::LocalIo, what).help("the file must be readable by the user that runs kpipe")
        })?;
        config.set(setting, file);
    }
    if options.text("tls.cert").is_some() != options.text("tls.key").is_some() {
        return Err(ConnectorError::new(ErrorKind::Invalid, "kafka: `tls.cert` and `tls.key` go together"));
    }
    if options.0.contains_key("tls.verify") && !options.flag("tls.verify") {
        config.set("enable.ssl.certificate.verification", "false");
    }
    Ok(true)
}

fn sasl(request: &OpenRequest<'_>, config: &mut ClientConfig) -> Result<bool, ConnectorError> {
    let options = &request.endpoint.options;
    let (username, password) = (options.text("sasl.username"), options.secret("sasl.password"));
    if username.is_none() && password.is_none() {
        return Ok(false);
    }
    let (Some(username), Some(password)) = (username, password) else {
        return Err(ConnectorError::new(ErrorKind::Invalid, "kafka: `sasl.username` and `sasl.password` go together"));
    };
    config.set("sasl.mechanism", options.text("sasl.mechanism").unwrap_or("PLAIN"));
    config.set("sasl.username", username).set("sasl.password", request.secrets.read(password)?);
    Ok(true)
}

fn protocol(tls: bool, login: bool) -> &'static str {
    match (tls, login) {
        (false, false) => "PLAINTEXT",
        (true, false) => "SSL",
        (false, true) => "SASL_PLAINTEXT",
        (true, true) => "SASL_SSL",
    }
}

#[cfg(test)]
mod tests {
    use kpipe_compiler::plan::{OptionValue, SecretRef};

    use super::super::testing::Pipeline;
    use super::*;

    fn password() -> OptionValue {
        OptionValue::Secret(SecretRef::Inline { place: "p.yaml:3".to_owned(), value: "hunter2".to_owned() })
    }

    #[test]
    fn protocols_follow_from_tls_and_sasl() {
        let text = |text: &str| OptionValue::Text(text.to_owned());
        let table: [(&[(&str, OptionValue)], &str); 5] = [
            (&[], "PLAINTEXT"),
            (&[("tls.enabled", OptionValue::Boolean(true))], "SSL"),
            (&[("tls.verify", OptionValue::Boolean(false))], "SSL"),
            (&[("sasl.username", text("u")), ("sasl.password", password())], "SASL_PLAINTEXT"),
            (&[("tls.enabled", OptionValue::Boolean(true)), ("sasl.username", text("u")), ("sasl.password", password())], "SASL_SSL"),
        ];
        for (options, expected) in table {
            let pipeline = Pipeline::new("p", "h:1", &["t"]).with(options);
            let settings = Settings::new(&pipeline.request()).unwrap();
            assert_eq!(settings.reader().get("security.protocol"), Some(expected));
            assert!(!format!("{settings:?}").contains("hunter2"));
        }
    }

    #[test]
    fn half_a_login_and_unreadable_files_are_refused() {
        let half = Pipeline::new("p", "h:1", &["t"]).with(&[("sasl.password", password())]);
        assert_eq!(Settings::new(&half.request()).unwrap_err().kind, ErrorKind::Invalid);
        let gone = OptionValue::Text("/nowhere/ca.pem".to_owned());
        let unreadable = Pipeline::new("p", "h:1", &["t"]).with(&[("tls.ca", gone)]);
        let error = Settings::new(&unreadable.request()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::LocalIo);
        assert!(error.message.contains("`tls.ca`: /nowhere/ca.pem"), "{}", error.message);
    }

    #[test]
    fn prefetch_is_shared_among_partitions() {
        let pipeline = Pipeline::new("p", "h:1", &["t"]);
        let settings = Settings::new(&pipeline.request()).unwrap();
        let queue =
            |partitions| settings.member("g", None, partitions).get("queued.max.messages.kbytes").unwrap().parse::<usize>().unwrap();
        assert_eq!((queue(0), queue(1), queue(4), queue(1000)), (16 * 1024, 16 * 1024, 8 * 1024, 512));
        let many = settings.member("g", Some("w1"), 1000);
        assert_eq!(many.get("enable.partition.eof"), None, "in a batch librdkafka counts it as a record, and skips one after a rebalance");
        assert_eq!((many.get("max.partition.fetch.bytes"), many.get("group.instance.id")), (Some("524288"), Some("w1")));
    }

    #[test]
    fn the_pipelines_own_settings_win() {
        let own = OptionValue::Map([("fetch.max.bytes".to_owned(), OptionValue::Text("1000".to_owned()))].into());
        let pipeline = Pipeline::new("p", "h:1", &["t"]).with(&[("client", own)]);
        let settings = Settings::new(&pipeline.request()).unwrap();
        assert_eq!(settings.member("g", None, 1).get("fetch.max.bytes"), Some("1000"));
        assert_eq!(settings.reader().get("fetch.max.bytes"), None, "only what is about the connection");
    }

    #[test]
    fn librdkafka_takes_every_setting() {
        let pipeline = Pipeline::new("p", "127.0.0.1:1", &["t"]);
        let settings = Settings::new(&pipeline.request()).unwrap();
        settings.reader().create::<rdkafka::consumer::BaseConsumer>().unwrap();
        for partitions in [0, 1, 3, 100, 10_000] {
            settings.member("g", Some("i"), partitions).create::<rdkafka::consumer::BaseConsumer>().unwrap();
        }
        settings.producer(&pipeline.endpoint.options, BATCH_BYTES_MAX).create::<rdkafka::producer::BaseProducer>().unwrap();
    }

    #[test]
    fn a_producer_loses_nothing_and_waits_as_long_as_the_pipeline() {
        let pipeline = Pipeline::new("p", "h:1", &["t"]);
        let settings = Settings::new(&pipeline.request()).unwrap();
        let plain = settings.producer(&pipeline.endpoint.options, 1_000);
        for (setting, expected) in [
            ("acks", "all"),
            ("enable.idempotence", "true"),
            ("message.timeout.ms", "0"),
            ("partitioner", "murmur2_random"),
            ("compression.type", "none"),
            ("linger.ms", "5"),
            ("batch.size", "1000"),
            ("client.id", "kpipe-p-0"),
        ] {
            assert_eq!(plain.get(setting), Some(expected), "{setting}");
        }
        let asked = [("linger", OptionValue::DurationMs(250)), ("compression", OptionValue::Text("zstd".to_owned()))];
        let pipeline = pipeline.with(&asked);
        let tuned = settings.producer(&pipeline.endpoint.options, 1_000);
        assert_eq!((tuned.get("linger.ms"), tuned.get("compression.type")), (Some("250"), Some("zstd")));
    }

    #[test]
    fn a_member_never_jumps_and_never_commits_by_itself() {
        let pipeline = Pipeline::new("p", "h:1", &["t"]);
        let settings = Settings::new(&pipeline.request()).unwrap();
        let member = settings.member("g", None, 1);
        for (setting, expected) in [
            ("group.id", "g"),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", "error"),
            ("isolation.level", "read_committed"),
            ("partition.assignment.strategy", "cooperative-sticky"),
            ("allow.auto.create.topics", "false"),
        ] {
            assert_eq!(member.get(setting), Some(expected), "{setting}");
        }
        let nobody = Pipeline::new("p", "h:1", &["t"]).with(&[("brokers", OptionValue::List(Vec::new()))]);
        assert_eq!(Settings::new(&nobody.request()).unwrap_err().message, "kafka: `brokers` is missing");
        let certificate = OptionValue::Text(file!().to_owned());
        let half = Pipeline::new("p", "h:1", &["t"]).with(&[("tls.cert", certificate)]);
        let error = Settings::new(&half.request()).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Invalid | ErrorKind::LocalIo) && error.message.contains("tls.cert"), "{error}");
    }
}
