//! The ends of a pipeline: endpoints, flush, errors, promise.

use miette::Diagnostic;
use thiserror::Error;

use super::from::FromError;
use super::partition_by::zone;
use super::properties::Flushes;
use super::scope::{Label, Scope};
use crate::catalog::{ConnectorSpec, NameKind, OptionKind, SinkKind, SinkSpec, SourceSpec};
use crate::document::{EndpointDoc, ErrorsDoc};
use crate::names;
use crate::plan::{
    CommitProtocol, DeadLetter, Endpoint, ErrorPolicy, FileFormat, FileTail, Flush, Naming, OptionValue, Options, Pipeline, Promise, Route,
    Schedule, Tail, Tolerance,
};
use crate::promise::{Cause, Facts, PromiseError, protocol, prove};
use crate::sources::Location;

const FLUSH_BYTES: u64 = 128 << 20;
const FLUSH_INTERVAL_MS: u64 = 600_000;
const FLUSH_IDLE_MS: u64 = 300_000;

/// Ends that do not go together.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
pub(super) enum EndpointError {
    /// Exactly once where it cannot be.
    #[error("{error}")]
    #[diagnostic(code(KP0501), help("{}", error.help()))]
    ExactlyOnce {
        /// Why.
        error: PromiseError,
    },
    /// A protocol that cannot be.
    #[error("{error}")]
    #[diagnostic(code(KP0503), help("{}", error.help()))]
    Protocol {
        /// Why.
        error: PromiseError,
    },
    /// MQTT into files.
    #[error("{error}")]
    #[diagnostic(code(KP0502), help("{}", error.help()))]
    Unacknowledged {
        /// Why.
        error: PromiseError,
    },
    /// QoS 0.
    #[error("{error}")]
    #[diagnostic(code(KP0507), help("{}", error.help()))]
    CanLose {
        /// Why.
        error: PromiseError,
    },
    /// A dead-letter topic without a cluster.
    #[error("`dead_letter` needs a Kafka cluster, and neither end of this pipeline is one")]
    #[diagnostic(code(KP0315), help("write `dead_letter: {{ topic: {topic}, kafka: {{ brokers: [...] }} }}`"))]
    NoCluster {
        /// The topic.
        topic: String,
    },
    /// A dead-letter topic that nothing goes to.
    #[error("`dead_letter` is never used: with `tolerance: none` the first bad record stops the pipeline")]
    #[diagnostic(code(KP0316), severity(Warning), help("write `tolerance: all`, or remove `dead_letter`"))]
    UnusedDeadLetter,
    /// A zone for a schedule that there is not.
    #[error("`flush.timezone` is never used: without `flush.schedule` no file is closed by the hour of the day")]
    #[diagnostic(
        code(KP0514),
        severity(Warning),
        help("write `schedule: 1h` beside it, or remove `timezone`; the zone of folders is `partition.zone`")
    )]
    UnusedZone,
    /// Records of bytes without a border.
    #[error("`compat: lenses` writes one record of bytes a file")]
    #[diagnostic(code(KP0513), help("write PROPERTIES('flush.count'=1), or leave `compat` out"))]
    OneRecord,
}

/// The pipeline of these routes; `None` if it cannot be promised anything.
pub(super) fn pipeline(scope: &mut Scope<'_>, routes: Vec<Route>, flushes: &Flushes) -> Option<Pipeline> {
    let document = scope.document;
    check_prefix(scope);
    let errors = errors(scope, &document.errors);
    let flush = if scope.sink.kind == SinkKind::Files { flush(scope, flushes).map(Some) } else { Some(None) };
    check_bytes(scope, &routes, flush.as_ref().and_then(Option::as_ref));
    let (promise, commit) = errors.as_ref().and_then(|errors| promise(scope, errors))?;
    Some(Pipeline {
        name: document.name.node.clone(),
        source: with_group(endpoint(&document.source), scope.source, &document.name.node),
        sink: endpoint(&document.sink),
        sampled: scope.infers().then(|| scope.sampled.cloned()).flatten(),
        routes,
        flush: flush?,
        commit,
        errors: errors?,
        promise,
    })
}

fn endpoint(document: &EndpointDoc) -> Endpoint {
    Endpoint { connector: document.connector.name.to_owned(), options: document.options.clone() }
}

/// A consumer group is called like its pipeline unless it says otherwise.
fn with_group(mut source: Endpoint, spec: &SourceSpec, pipeline: &str) -> Endpoint {
    if spec.options.iter().any(|option| option.path == "group") {
        source.options.0.entry("group".to_owned()).or_insert_with(|| OptionValue::Text(pipeline.to_owned()));
    }
    source
}

fn check_prefix(scope: &mut Scope<'_>) {
    let prefix = scope.document.sink.options.text("prefix").unwrap_or_default();
    if prefix.is_empty() {
        return;
    }
    if let Err(error) = names::check_folder(prefix) {
        let help = error.help();
        let at = scope.sink_at("prefix");
        scope.error(FromError::Name { error, help }, [(at, "this prefix".to_owned())]);
    }
}

/// The statements' values, else those of the YAML, else the defaults. Where a schedule says when files are closed, time alone does not unless
/// it is asked to as well.
fn flush(scope: &mut Scope<'_>, said: &Flushes) -> Option<Flush> {
    let schedule = schedule(scope)?;
    let (sink, options) = (&scope.document.sink, &scope.document.sink.options);
    let said = |option: &str| said.get(option).map(|(value, _)| value);
    let ms = |path: &str| options.duration(path).and_then(|time| u64::try_from(time.as_millis()).ok());
    let records = options.integer("flush.records").and_then(|records| u64::try_from(records).ok());
    let by_time = |path: &'static str, default_ms: u64| match schedule {
        Some(_) if sink.value_at(path).is_none() => said(path),
        Some(_) | None => said(path).or_else(|| ms(path)).or(Some(default_ms)),
    };
    Some(Flush {
        records: said("flush.records").or(records),
        bytes: said("flush.bytes").or_else(|| options.bytes("flush.bytes")).unwrap_or(FLUSH_BYTES),
        interval_ms: by_time("flush.interval", FLUSH_INTERVAL_MS),
        idle_ms: by_time("flush.idle", FLUSH_IDLE_MS),
        schedule,
    })
}

/// The grid of the clock, if one is written; the outer `None` if its zone is none.
fn schedule(scope: &mut Scope<'_>) -> Option<Option<Schedule>> {
    let sink = &scope.document.sink;
    let (every, has_zone) = (sink.options.duration("flush.schedule"), sink.value_at("flush.timezone").is_some());
    let zone = zone(scope, "flush.timezone")?;
    let every_ms = every.and_then(|every| u64::try_from(every.as_millis()).ok());
    // A misspelt `schedule:` was reported already.
    if every_ms.is_none() && has_zone && !scope.has_errors() {
        let at = scope.sink_at("flush.timezone");
        scope.warn(EndpointError::UnusedZone, [(at, "nothing is counted in it".to_owned())]);
    }
    Some(every_ms.map(|every_ms| Schedule { every_ms, zone }))
}

fn check_bytes(scope: &mut Scope<'_>, routes: &[Route], flush: Option<&Flush>) {
    let is_bytes = |tail: &Tail| matches!(tail, Tail::Files(FileTail { naming: Naming::Lenses, format: FileFormat::Bytes { .. }, .. }));
    let single = flush.is_some_and(|flush| flush.records == Some(1));
    if !single && routes.iter().any(|route| is_bytes(&route.tail)) {
        let at = scope.sink_at("compat");
        scope.error(EndpointError::OneRecord, [(at, "asked for here".to_owned())]);
    }
}

fn errors(scope: &mut Scope<'_>, document: &ErrorsDoc) -> Option<ErrorPolicy> {
    let ErrorsDoc { tolerance, dead_letter, retry_timeout_ms, retry_delay_max_ms, places: _ } = document;
    let dead_letter = match dead_letter {
        None => None,
        Some(letter) => {
            let at = letter.topic.at;
            if let Err(error) = names::check_topic(&letter.topic.node) {
                let help = error.help();
                scope.error(FromError::Name { error, help }, [(at, "this topic".to_owned())]);
                return None;
            }
            // A misspelt `tolerance:` was reported already.
            if *tolerance == Tolerance::None && !scope.has_errors() {
                scope.warn(EndpointError::UnusedDeadLetter, [(at, "nothing goes here".to_owned())]);
            }
            let Some(cluster) = letter.cluster.as_ref().map(endpoint).or_else(|| own_cluster(scope)) else {
                scope.error(EndpointError::NoCluster { topic: letter.topic.node.clone() }, [(at, "on which cluster?".to_owned())]);
                return None;
            };
            Some(DeadLetter { topic: letter.topic.node.clone(), cluster })
        }
    };
    Some(ErrorPolicy { tolerance: *tolerance, dead_letter, retry_timeout_ms: *retry_timeout_ms, retry_delay_max_ms: *retry_delay_max_ms })
}

/// The end of the pipeline that dead letters can be written to: the sink, or the source under the options of its own sink.
fn own_cluster(scope: &Scope<'_>) -> Option<Endpoint> {
    let takes_records = |connector: &ConnectorSpec| {
        connector.sink.as_ref().is_some_and(|sink| {
            sink.kind == SinkKind::Records && matches!(sink.into, NameKind::KafkaTopic | NameKind::KafkaTopicOrSource | NameKind::Free)
        })
    };
    let (source, sink) = (&scope.document.source, &scope.document.sink);
    if takes_records(sink.connector) {
        return Some(endpoint(sink));
    }
    let spec = source.connector.sink.as_ref().filter(|_| takes_records(source.connector))?;
    let known = source
        .options
        .0
        .iter()
        .filter(|(path, _)| spec.options.iter().any(|option| option.path == *path || path.starts_with(&format!("{}.", option.path))));
    let options = Options(known.map(|(path, value)| (path.clone(), taken(spec, path, value))).collect());
    Some(Endpoint { connector: source.connector.name.to_owned(), options })
}

/// A value as the sink takes it: of a map with fixed keys only those that it has.
fn taken(spec: &SinkSpec, path: &str, value: &OptionValue) -> OptionValue {
    let kind = spec.options.iter().find(|option| option.path == path).map(|option| option.kind);
    match (kind, value) {
        (Some(OptionKind::Map(keys)), OptionValue::Map(map)) if !keys.is_empty() => {
            let known = map.iter().filter(|(key, _)| keys.contains(&key.as_str()));
            OptionValue::Map(known.map(|(key, value)| (key.clone(), value.clone())).collect())
        }
        (_, value) => value.clone(),
    }
}

fn promise(scope: &mut Scope<'_>, errors: &ErrorPolicy) -> Option<(Promise, CommitProtocol)> {
    let document = scope.document;
    let facts = Facts {
        source: scope.source,
        source_options: &document.source.options,
        sink: scope.sink,
        sink_options: &document.sink.options,
        errors,
        asked: document.delivery.as_ref().map(|delivery| delivery.node),
    };
    match prove(&facts) {
        Ok(promise) => Some((promise, protocol(&facts))),
        Err(error) => {
            let labels: Vec<Label> =
                error.causes().into_iter().filter_map(|(cause, text)| Some((cause_at(scope, cause)?, text.to_owned()))).collect();
            scope.error(refused(error), labels);
            None
        }
    }
}

fn refused(error: PromiseError) -> EndpointError {
    match error {
        PromiseError::UnacknowledgedIntoFiles => EndpointError::Unacknowledged { error },
        PromiseError::QosZero(_) | PromiseError::CleanSession(_) | PromiseError::LeaderOnly(_) => EndpointError::CanLose { error },
        PromiseError::NotSeekable
        | PromiseError::WallClock
        | PromiseError::Deterministic
        | PromiseError::RecordsExactlyOnce
        | PromiseError::NoStableNumber => EndpointError::ExactlyOnce { error },
        PromiseError::LedgerNames | PromiseError::LedgerSource => EndpointError::Protocol { error },
    }
}

fn cause_at(scope: &Scope<'_>, cause: Cause) -> Option<Location> {
    let document = scope.document;
    match cause {
        Cause::Delivery => document.delivery.as_ref().map(|delivery| delivery.at),
        Cause::Source => Some(document.source.at),
        Cause::Sink => Some(document.sink.at),
        Cause::SourceOption(path) => document.source.value_at(path),
        Cause::SinkOption(path) => document.sink.value_at(path),
    }
}
