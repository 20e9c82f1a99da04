//! What a pipeline can promise, and the refusal of what it cannot.

use thiserror::Error;

use crate::catalog::{Replay, SinkKind, SinkSpec, SourceSpec};
use crate::plan::{CommitProtocol, ErrorPolicy, Guarantee, Options, Promise, Tolerance};

/// What the proof looks at.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The source.
    pub source: &'a SourceSpec,
    /// Its options, checked.
    pub source_options: &'a Options,
    /// The sink.
    pub sink: &'a SinkSpec,
    /// Its options, checked.
    pub sink_options: &'a Options,
    /// What happens to bad records.
    pub errors: &'a ErrorPolicy,
    /// `delivery:`, if it is written.
    pub asked: Option<Guarantee>,
}

/// A promise that cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PromiseError {
    /// MQTT straight into files.
    #[error("a source that waits for each acknowledgement cannot feed files: a file needs far more records than may wait")]
    UnacknowledgedIntoFiles,
    /// `delivery: exactly_once` into files from a source that begins where it stood itself.
    #[error("`exactly_once` into files needs a source that begins where the ledger says, and this one does not")]
    NotSeekable,
    /// The same with `compat`, whose names are its only protocol.
    #[error("`exactly_once` needs file boundaries that come out the same on every replay")]
    WallClock,
    /// The same with `commit.protocol: deterministic`.
    #[error("`exactly_once` needs file boundaries that come out the same on every replay, or a ledger")]
    Deterministic,
    /// `commit.protocol: ledger` with names of another system.
    #[error("a ledger needs names that hold both offsets of a file")]
    LedgerNames,
    /// `commit.protocol: ledger` from a source that begins where it stood itself.
    #[error("a ledger needs a source that begins where it says, and this one does not")]
    LedgerSource,
    /// `delivery: exactly_once` into a log.
    #[error("`exactly_once` into a log is known, but not supported yet")]
    RecordsExactlyOnce,
    /// `delivery: exactly_once` from MQTT.
    #[error("`exactly_once` needs a source whose records keep their number when they come again")]
    NoStableNumber,
    /// QoS 0 although more is asked.
    #[error("QoS 0 can lose messages, so `{}` cannot be kept", word(*.0))]
    QosZero(Guarantee),
    /// A clean session although more is asked.
    #[error("a clean session loses what is published while the pipeline is away, so `{}` cannot be kept", word(*.0))]
    CleanSession(Guarantee),
    /// `acks: 1` although more is asked.
    #[error("`acks: 1` can lose records with the leader of a partition, so `{}` cannot be kept", word(*.0))]
    LeaderOnly(Guarantee),
}

/// A place in the pipeline file that has to do with a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// `delivery:`.
    Delivery,
    /// The source's key.
    Source,
    /// The sink's key.
    Sink,
    /// An option of the source.
    SourceOption(&'static str),
    /// An option of the sink.
    SinkOption(&'static str),
}

impl PromiseError {
    /// Where the mistake is, the first place first, and what each has to do with it. Not every one need be written in the file.
    #[must_use]
    pub fn causes(&self) -> Vec<(Cause, &'static str)> {
        match self {
            Self::UnacknowledgedIntoFiles => vec![(Cause::Sink, "writes files"), (Cause::Source, "has no position to read again from")],
            Self::RecordsExactlyOnce => vec![(Cause::Delivery, "asked for here")],
            Self::NotSeekable => vec![(Cause::Delivery, "asked for here"), (Cause::Source, "begins where it stood itself")],
            Self::Deterministic => vec![
                (Cause::Delivery, "asked for here"),
                (Cause::SinkOption("commit.protocol"), "commits by names alone"),
                (Cause::SinkOption("flush.schedule"), "depends on the clock on the wall"),
                (Cause::SinkOption("flush.interval"), "depends on when the process runs"),
                (Cause::SinkOption("flush.idle"), "depends on when records arrive"),
            ],
            Self::LedgerNames => {
                vec![(Cause::SinkOption("commit.protocol"), "asked for here"), (Cause::SinkOption("compat"), "names that hold one offset")]
            }
            Self::LedgerSource => {
                vec![(Cause::SinkOption("commit.protocol"), "asked for here"), (Cause::Source, "begins where it stood itself")]
            }
            Self::WallClock => vec![
                (Cause::Delivery, "asked for here"),
                (Cause::SinkOption("flush.schedule"), "depends on the clock on the wall"),
                (Cause::SinkOption("flush.interval"), "depends on when the process runs"),
                (Cause::SinkOption("flush.idle"), "depends on when records arrive"),
            ],
            Self::NoStableNumber => vec![(Cause::Delivery, "asked for here"), (Cause::Source, "sends unacknowledged messages again")],
            Self::QosZero(_) => vec![(Cause::Delivery, "asked for here"), (Cause::SourceOption("qos"), "sent once, acknowledged never")],
            Self::LeaderOnly(_) => {
                vec![(Cause::Delivery, "asked for here"), (Cause::SinkOption("acks"), "acknowledged before it is replicated")]
            }
            Self::CleanSession(_) => {
                vec![(Cause::Delivery, "asked for here"), (Cause::SourceOption("clean_session"), "the broker forgets the session")]
            }
        }
    }

    /// The choice.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::UnacknowledgedIntoFiles => "go through Kafka: one pipeline from MQTT to a topic, one from the topic to files",
            Self::NotSeekable => {
                "use `delivery: at_least_once`: after a crash, only whole ranges of positions that stand in the object names can come twice"
            }
            Self::WallClock => {
                "leave `compat` out, or use `delivery: at_least_once`: its names hold one offset, so another boundary is another object"
            }
            Self::Deterministic => {
                "leave `commit.protocol` out: the ledger keeps it whenever files are closed; or use `delivery: at_least_once`"
            }
            Self::LedgerNames => "leave `compat` out, or `commit.protocol`",
            Self::LedgerSource => "leave `commit.protocol` out",
            Self::RecordsExactlyOnce => "use `delivery: at_least_once`: after a crash, records since the last commit come twice",
            Self::NoStableNumber => "use `delivery: at_least_once`; an id in the message lets readers drop what comes twice",
            Self::QosZero(_) => "set `qos: 1`, or ask for `delivery: at_most_once`",
            Self::LeaderOnly(_) => "set `acks: all`, or ask for `delivery: at_most_once`",
            Self::CleanSession(_) => "set `clean_session: false`, or ask for `delivery: at_most_once`",
        }
    }
}

/// The word for a guarantee in `delivery:`.
#[must_use]
pub fn word(guarantee: Guarantee) -> &'static str {
    match guarantee {
        Guarantee::AtMostOnce => "at_most_once",
        Guarantee::AtLeastOnce => "at_least_once",
        Guarantee::ExactlyOnce => "exactly_once",
    }
}

/// The guarantee behind a word of `delivery:`.
#[must_use]
pub fn guarantee(word: &str) -> Option<Guarantee> {
    [Guarantee::AtMostOnce, Guarantee::AtLeastOnce, Guarantee::ExactlyOnce].into_iter().find(|g| self::word(*g) == word)
}

/// What the pipeline promises: the strongest guarantee that both ends can keep.
///
/// # Errors
///
/// If that is less than what is asked for, or the two ends cannot be joined at all.
pub fn prove(facts: &Facts<'_>) -> Result<Promise, PromiseError> {
    let kind = facts.sink.kind;
    if facts.source.replay == Replay::Unacknowledged && kind == SinkKind::Files {
        return Err(PromiseError::UnacknowledgedIntoFiles);
    }
    check_protocol(facts)?;
    let (guarantee, reason) = strongest(facts);
    if let Some(asked) = facts.asked
        && asked > guarantee
    {
        return Err(refusal(facts, asked));
    }
    let dropped = facts.errors.tolerance == Tolerance::All && facts.errors.dead_letter.is_none();
    let reason = if dropped { format!("{reason}; bad records are counted, logged and dropped") } else { reason.to_owned() };
    Ok(Promise { guarantee, reason })
}

/// How sets of files come to count.
#[must_use]
pub fn protocol(facts: &Facts<'_>) -> CommitProtocol {
    match facts.sink_options.text("commit.protocol") {
        _ if !can_keep_ledger(facts) => CommitProtocol::Deterministic,
        Some("deterministic") => CommitProtocol::Deterministic,
        Some("ledger") => CommitProtocol::Ledger,
        Some("kafka") => CommitProtocol::Kafka,
        _ => CommitProtocol::Auto,
    }
}

fn can_keep_ledger(facts: &Facts<'_>) -> bool {
    facts.sink.kind == SinkKind::Files
        && facts.sink.guarantee == Guarantee::ExactlyOnce
        && facts.source.replay == Replay::Seekable
        && facts.sink_options.text("compat").is_none()
}

/// A protocol that was asked for and cannot be.
fn check_protocol(facts: &Facts<'_>) -> Result<(), PromiseError> {
    match facts.sink_options.text("commit.protocol") {
        Some("ledger" | "kafka") if facts.sink_options.text("compat").is_some() => Err(PromiseError::LedgerNames),
        Some("ledger" | "kafka") if !can_keep_ledger(facts) => Err(PromiseError::LedgerSource),
        _ => Ok(()),
    }
}

fn strongest(facts: &Facts<'_>) -> (Guarantee, &'static str) {
    if leader_only(facts) {
        return (Guarantee::AtMostOnce, "with `acks: 1` a record is lost if the leader of its partition is");
    }
    match (facts.source.replay, facts.sink.kind) {
        (Replay::Unacknowledged, _) if qos(facts) == Some(0) => {
            (Guarantee::AtMostOnce, "with QoS 0 the broker sends a message once and forgets it")
        }
        (Replay::Unacknowledged, _) if facts.source_options.flag("clean_session") => {
            (Guarantee::AtMostOnce, "with a clean session the broker forgets what is published while the pipeline is away")
        }
        (Replay::Unacknowledged, _) => (
            Guarantee::AtLeastOnce.min(facts.sink.guarantee),
            "a message is acknowledged only after the sink acknowledged it; after a crash the unacknowledged ones come again",
        ),
        (Replay::Seekable | Replay::FromPosition, SinkKind::Files) if protocol(facts).keeps_ledger() => {
            (Guarantee::ExactlyOnce, ledger_reason(protocol(facts)))
        }
        (Replay::Seekable | Replay::FromPosition, SinkKind::Files) => (
            Guarantee::AtLeastOnce.min(facts.sink.guarantee),
            "the position moves after the files are complete; a crash between the two writes whole ranges of offsets, named in the \
             objects, once more",
        ),
        (Replay::Seekable | Replay::FromPosition, SinkKind::Records) => (
            facts.sink.guarantee,
            "the position moves after the sink acknowledged; a crash between the two writes the records since the last commit once more",
        ),
    }
}

fn ledger_reason(protocol: CommitProtocol) -> &'static str {
    match protocol {
        CommitProtocol::Auto => {
            "a set of files counts from the moment that one record of the ledger names it, whoever writes and whatever fails; for every reader \
             of the prefix. Where the store ignores conditional writes, which is tried at the start, the group's committed offset says which \
             record counts"
        }
        CommitProtocol::Ledger | CommitProtocol::Deterministic => {
            "a set of files counts from the moment that one record of the ledger names it, whoever writes and whatever fails; for every reader \
             of the prefix, if the store honours conditional writes, which is tried at the start"
        }
        CommitProtocol::Kafka => {
            "a set of files counts from the moment that the group's committed offset names its record, whoever writes and whatever fails; for \
             every reader of the prefix, as long as nobody moves the group's offsets, which is noticed"
        }
    }
}

fn refusal(facts: &Facts<'_>, asked: Guarantee) -> PromiseError {
    if leader_only(facts) {
        return PromiseError::LeaderOnly(asked);
    }
    match (facts.source.replay, facts.sink.kind) {
        (Replay::Unacknowledged, _) if qos(facts) == Some(0) => PromiseError::QosZero(asked),
        (Replay::Unacknowledged, _) if facts.source_options.flag("clean_session") => PromiseError::CleanSession(asked),
        (Replay::Unacknowledged, _) => PromiseError::NoStableNumber,
        (_, SinkKind::Files) if facts.sink_options.text("compat").is_some() => PromiseError::WallClock,
        (Replay::Seekable, SinkKind::Files) if facts.sink.guarantee == Guarantee::ExactlyOnce => PromiseError::Deterministic,
        (Replay::Seekable | Replay::FromPosition, SinkKind::Files) => PromiseError::NotSeekable,
        (Replay::Seekable | Replay::FromPosition, SinkKind::Records) => PromiseError::RecordsExactlyOnce,
    }
}

/// Kafka's `acks: 1`: acknowledged by the leader alone.
fn leader_only(facts: &Facts<'_>) -> bool {
    let acks = facts.sink_options;
    facts.sink.kind == SinkKind::Records && (acks.text("acks") == Some("1") || acks.integer("acks") == Some(1))
}

fn qos(facts: &Facts<'_>) -> Option<i64> {
    facts.source_options.integer("qos")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::NameKind;
    use crate::plan::OptionValue;

    fn source(replay: Replay) -> SourceSpec {
        SourceSpec { options: &[], from: NameKind::Free, clauses: &[], columns: &[], replay }
    }

    fn sink(kind: SinkKind) -> SinkSpec {
        SinkSpec {
            options: &[],
            into: NameKind::Free,
            clauses: &[],
            properties: &[],
            kind,
            formats: &[],
            guarantee: Guarantee::AtLeastOnce,
        }
    }

    fn errors(tolerance: Tolerance) -> ErrorPolicy {
        ErrorPolicy { tolerance, dead_letter: None, retry_timeout_ms: None, retry_delay_max_ms: 1000 }
    }

    fn with(path: &str, value: OptionValue) -> Options {
        Options([(path.to_owned(), value)].into())
    }

    fn run(
        replay: Replay,
        source_options: &Options,
        kind: SinkKind,
        sink_options: &Options,
        asked: Option<Guarantee>,
    ) -> Result<Guarantee, PromiseError> {
        let facts =
            Facts { source: &source(replay), source_options, sink: &sink(kind), sink_options, errors: &errors(Tolerance::None), asked };
        prove(&facts).map(|promise| promise.guarantee)
    }

    const EXACTLY: Option<Guarantee> = Some(Guarantee::ExactlyOnce);
    const AT_LEAST: Option<Guarantee> = Some(Guarantee::AtLeastOnce);

    #[test]
    fn replayable_sources_promise_at_least_once() {
        let none = Options::default();
        for kind in [SinkKind::Files, SinkKind::Records] {
            assert_eq!(run(Replay::FromPosition, &none, kind, &none, None), Ok(Guarantee::AtLeastOnce));
            assert_eq!(run(Replay::FromPosition, &none, kind, &none, AT_LEAST), Ok(Guarantee::AtLeastOnce));
        }
    }

    #[test]
    fn a_ledger_makes_files_exactly_once_whenever_they_are_closed() {
        let none = Options::default();
        let store = SinkSpec { guarantee: Guarantee::ExactlyOnce, ..sink(SinkKind::Files) };
        let seekable = source(Replay::Seekable);
        let facts = |sink_options: Options, asked| {
            let facts = Facts {
                source: &seekable,
                source_options: &none,
                sink: &store,
                sink_options: &sink_options,
                errors: &errors(Tolerance::None),
                asked,
            };
            (prove(&facts).map(|promise| promise.guarantee), protocol(&facts))
        };
        let asked = |word: &str| with("commit.protocol", OptionValue::Text(word.to_owned()));
        let compat = with("compat", OptionValue::Text("confluent".to_owned()));
        let exact = (Ok(Guarantee::ExactlyOnce), CommitProtocol::Auto);
        assert_eq!(facts(none.clone(), None), exact);
        assert_eq!(facts(asked("auto"), EXACTLY), exact);
        assert_eq!(facts(asked("ledger"), AT_LEAST), (Ok(Guarantee::ExactlyOnce), CommitProtocol::Ledger));
        assert_eq!(facts(asked("kafka"), EXACTLY), (Ok(Guarantee::ExactlyOnce), CommitProtocol::Kafka));
        let names = (Ok(Guarantee::AtLeastOnce), CommitProtocol::Deterministic);
        assert_eq!(facts(asked("deterministic"), None), names);
        assert_eq!(facts(compat.clone(), None), names);
        assert_eq!(facts(asked("deterministic"), EXACTLY).0, Err(PromiseError::Deterministic));
        assert_eq!(facts(compat.clone(), EXACTLY).0, Err(PromiseError::WallClock));
        let both = Options(asked("ledger").0.into_iter().chain(compat.0).collect());
        assert_eq!(facts(both, None).0, Err(PromiseError::LedgerNames));
        assert_eq!(run(Replay::FromPosition, &none, SinkKind::Files, &asked("ledger"), None), Err(PromiseError::LedgerSource));
    }

    #[test]
    fn exactly_once_is_refused_where_nothing_keeps_it() {
        let none = Options::default();
        let confluent = with("compat", OptionValue::Text("confluent".to_owned()));
        let refused = |kind, sink_options| run(Replay::FromPosition, &none, kind, sink_options, EXACTLY).unwrap_err();
        assert_eq!(refused(SinkKind::Files, &none), PromiseError::NotSeekable);
        assert_eq!(refused(SinkKind::Files, &confluent), PromiseError::WallClock);
        assert_eq!(refused(SinkKind::Records, &none), PromiseError::RecordsExactlyOnce);
        assert_eq!(run(Replay::Unacknowledged, &none, SinkKind::Records, &none, EXACTLY), Err(PromiseError::NoStableNumber));
    }

    #[test]
    fn qos_zero_and_clean_sessions_can_lose() {
        let none = Options::default();
        let zero = with("qos", OptionValue::Integer(0));
        let clean = with("clean_session", OptionValue::Boolean(true));
        let one = with("qos", OptionValue::Integer(1));
        let mqtt = |options, asked| run(Replay::Unacknowledged, options, SinkKind::Records, &none, asked);
        assert_eq!(mqtt(&one, None), Ok(Guarantee::AtLeastOnce));
        assert_eq!(mqtt(&zero, None), Ok(Guarantee::AtMostOnce));
        assert_eq!(mqtt(&clean, None), Ok(Guarantee::AtMostOnce));
        assert_eq!(mqtt(&zero, AT_LEAST), Err(PromiseError::QosZero(Guarantee::AtLeastOnce)));
        assert_eq!(mqtt(&clean, EXACTLY), Err(PromiseError::CleanSession(Guarantee::ExactlyOnce)));
    }

    #[test]
    fn an_acknowledgement_of_the_leader_alone_can_lose() {
        let none = Options::default();
        let leader = with("acks", OptionValue::Text("1".to_owned()));
        let records = |asked| run(Replay::FromPosition, &none, SinkKind::Records, &leader, asked);
        assert_eq!(records(None), Ok(Guarantee::AtMostOnce));
        assert_eq!(records(AT_LEAST), Err(PromiseError::LeaderOnly(Guarantee::AtLeastOnce)));
    }

    #[test]
    fn mqtt_does_not_feed_files() {
        let none = Options::default();
        let error = run(Replay::Unacknowledged, &none, SinkKind::Files, &none, None).unwrap_err();
        assert_eq!(error, PromiseError::UnacknowledgedIntoFiles);
        assert!(error.help().contains("through Kafka"));
    }

    #[test]
    fn dropping_bad_records_is_part_of_the_reason() {
        let none = Options::default();
        let facts = Facts {
            source: &source(Replay::FromPosition),
            source_options: &none,
            sink: &sink(SinkKind::Records),
            sink_options: &none,
            errors: &errors(Tolerance::All),
            asked: None,
        };
        assert!(prove(&facts).unwrap().reason.ends_with("bad records are counted, logged and dropped"));
    }

    #[test]
    fn every_refusal_says_where_and_what_else() {
        for error in REFUSALS {
            assert!(!error.causes().is_empty() && !error.help().is_empty(), "{error}");
        }
        assert_eq!(PromiseError::QosZero(Guarantee::AtLeastOnce).to_string(), "QoS 0 can lose messages, so `at_least_once` cannot be kept");
        assert_eq!(guarantee("exactly_once"), Some(Guarantee::ExactlyOnce));
        assert_eq!(guarantee("once"), None);
    }

    /// Every combination of what the proof looks at.
    fn all(check: impl Fn(&Facts<'_>)) {
        let flags = |flag| if flag { with("clean_session", OptionValue::Boolean(true)) } else { Options::default() };
        for replay in [Replay::Seekable, Replay::FromPosition, Replay::Unacknowledged] {
            for kind in [SinkKind::Files, SinkKind::Records] {
                for qos in [None, Some(0), Some(1), Some(2)] {
                    for clean in [false, true] {
                        for acks in [None, Some("1"), Some("all")] {
                            for asked in [None, Some(Guarantee::AtMostOnce), AT_LEAST, EXACTLY] {
                                let mut source_options = flags(clean);
                                source_options.0.extend(qos.map(|qos| ("qos".to_owned(), OptionValue::Integer(qos))));
                                let sink_options =
                                    acks.map_or_else(Options::default, |acks| with("acks", OptionValue::Text(acks.to_owned())));
                                check(&Facts {
                                    source: &source(replay),
                                    source_options: &source_options,
                                    sink: &sink(kind),
                                    sink_options: &sink_options,
                                    errors: &errors(Tolerance::None),
                                    asked,
                                });
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn no_promise_is_weaker_than_what_is_asked_or_stronger_than_the_sink() {
        all(|facts| {
            if let Ok(promise) = prove(facts) {
                assert!(facts.asked.is_none_or(|asked| asked <= promise.guarantee), "{facts:?}");
                assert!(promise.guarantee <= facts.sink.guarantee, "{facts:?}");
            }
        });
    }

    #[test]
    fn asking_for_less_is_never_refused_where_more_is_not() {
        all(|facts| {
            let weaker = match facts.asked {
                Some(Guarantee::ExactlyOnce) => Some(Guarantee::AtLeastOnce),
                Some(Guarantee::AtLeastOnce) => Some(Guarantee::AtMostOnce),
                Some(Guarantee::AtMostOnce) | None => None,
            };
            if prove(facts).is_ok() {
                assert_eq!(prove(&Facts { asked: weaker, ..*facts }), prove(facts), "{facts:?}");
            }
        });
    }

    #[test]
    fn what_can_lose_says_so() {
        all(|facts| {
            let can_lose = facts.source.replay == Replay::Unacknowledged
                && (facts.source_options.integer("qos") == Some(0) || facts.source_options.flag("clean_session"));
            let can_lose = can_lose || (facts.sink.kind == SinkKind::Records && facts.sink_options.text("acks") == Some("1"));
            let promise = prove(&Facts { asked: None, ..*facts });
            let at_most_once = promise.is_ok_and(|promise| promise.guarantee == Guarantee::AtMostOnce);
            let straight_into_files = facts.source.replay == Replay::Unacknowledged && facts.sink.kind == SinkKind::Files;
            assert_eq!(at_most_once, can_lose && !straight_into_files, "{facts:?}");
        });
    }

    /// Every refusal.
    const REFUSALS: [PromiseError; 11] = [
        PromiseError::UnacknowledgedIntoFiles,
        PromiseError::NotSeekable,
        PromiseError::WallClock,
        PromiseError::Deterministic,
        PromiseError::LedgerNames,
        PromiseError::LedgerSource,
        PromiseError::RecordsExactlyOnce,
        PromiseError::NoStableNumber,
        PromiseError::QosZero(Guarantee::AtLeastOnce),
        PromiseError::CleanSession(Guarantee::AtLeastOnce),
        PromiseError::LeaderOnly(Guarantee::AtLeastOnce),
    ];

    #[test]
    fn every_refusal_says_what_where_and_what_to_do() {
        let shown: Vec<String> = REFUSALS
            .iter()
            .map(|error| {
                let causes: Vec<String> = error.causes().iter().map(|(cause, words)| format!("{cause:?} {words}")).collect();
                format!("{error}\n  {}\n  {}", causes.join("\n  "), error.help())
            })
            .collect();
        insta::assert_snapshot!(shown.join("\n"), @r#"
        a source that waits for each acknowledgement cannot feed files: a file needs far more records than may wait
          Sink writes files
          Source has no position to read again from
          go through Kafka: one pipeline from MQTT to a topic, one from the topic to files
        `exactly_once` into files needs a source that begins where the ledger says, and this one does not
          Delivery asked for here
          Source begins where it stood itself
          use `delivery: at_least_once`: after a crash, only whole ranges of positions that stand in the object names can come twice
        `exactly_once` needs file boundaries that come out the same on every replay
          Delivery asked for here
          SinkOption("flush.schedule") depends on the clock on the wall
          SinkOption("flush.interval") depends on when the process runs
          SinkOption("flush.idle") depends on when records arrive
          leave `compat` out, or use `delivery: at_least_once`: its names hold one offset, so another boundary is another object
        `exactly_once` needs file boundaries that come out the same on every replay, or a ledger
          Delivery asked for here
          SinkOption("commit.protocol") commits by names alone
          SinkOption("flush.schedule") depends on the clock on the wall
          SinkOption("flush.interval") depends on when the process runs
          SinkOption("flush.idle") depends on when records arrive
          leave `commit.protocol` out: the ledger keeps it whenever files are closed; or use `delivery: at_least_once`
        a ledger needs names that hold both offsets of a file
          SinkOption("commit.protocol") asked for here
          SinkOption("compat") names that hold one offset
          leave `compat` out, or `commit.protocol`
        a ledger needs a source that begins where it says, and this one does not
          SinkOption("commit.protocol") asked for here
          Source begins where it stood itself
          leave `commit.protocol` out
        `exactly_once` into a log is known, but not supported yet
          Delivery asked for here
          use `delivery: at_least_once`: after a crash, records since the last commit come twice
        `exactly_once` needs a source whose records keep their number when they come again
          Delivery asked for here
          Source sends unacknowledged messages again
          use `delivery: at_least_once`; an id in the message lets readers drop what comes twice
        QoS 0 can lose messages, so `at_least_once` cannot be kept
          Delivery asked for here
          SourceOption("qos") sent once, acknowledged never
          set `qos: 1`, or ask for `delivery: at_most_once`
        a clean session loses what is published while the pipeline is away, so `at_least_once` cannot be kept
          Delivery asked for here
          SourceOption("clean_session") the broker forgets the session
          set `clean_session: false`, or ask for `delivery: at_most_once`
        `acks: 1` can lose records with the leader of a partition, so `at_least_once` cannot be kept
          Delivery asked for here
          SinkOption("acks") acknowledged before it is replicated
          set `acks: all`, or ask for `delivery: at_most_once`
        "#);
    }
}
