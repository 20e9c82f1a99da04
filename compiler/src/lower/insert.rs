//! INSERT INTO: where the records go.

use kpipe_grammar::ast::{Name, WriteMode};
use kpipe_grammar::span::Spanned;
use miette::Diagnostic;
use thiserror::Error;

use super::from::illegal;
use super::scope::Scope;
use crate::catalog::NameKind;
use crate::names::{self, BucketTarget, MqttFilter};
use crate::plan::TopicName;

/// A target, read.
pub(super) enum Target {
    /// A topic, or any other name of a sink of records.
    Topic(TopicName),
    /// A bucket and a prefix; the bucket is empty for a directory.
    Files {
        /// The bucket.
        bucket: String,
        /// The prefix.
        prefix: String,
    },
}

/// A target that cannot be written to.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
pub(super) enum InsertError {
    /// UPSERT where records are only added.
    #[error("`{sink}` adds records and replaces none, so it has no UPSERT")]
    #[diagnostic(code(KP0305), help("write INSERT INTO; a compacted topic keeps the newest record of each key by itself"))]
    NoUpsert {
        /// The connector.
        sink: &'static str,
    },
    /// `SELECT * FROM t` alone.
    #[error("a `SELECT` alone has no target")]
    #[diagnostic(code(KP0318), help("write where the records go: INSERT INTO target SELECT ..."))]
    SelectOnly,
    /// `UPDATE INTO t`.
    #[error("`{sink}` changes no records, so it has no UPDATE")]
    #[diagnostic(code(KP0319), help("UPSERT INTO replaces the record with the same key, INSERT INTO adds one"))]
    NoUpdate {
        /// The connector.
        sink: &'static str,
    },
    /// Kafka to the same topic of the same cluster.
    #[error("this statement would read what it writes, for ever")]
    #[diagnostic(code(KP0306), help("write to another topic, or to another cluster"))]
    Loop,
    /// `` `$` `` of a filter whose topics can never be Kafka topics.
    #[error("no topic that matches `{filter}` can be the name of a Kafka topic: {error}")]
    #[diagnostic(code(KP0307), help("name the target topic instead of `$`"))]
    NeverATopic {
        /// The filter.
        filter: String,
        /// The rule.
        error: names::NameError,
    },
}

/// Refuses UPSERT and UPDATE where the sink has none. The target, if there is one.
pub(super) fn check_mode<'s>(
    scope: &mut Scope<'_>,
    mode: &Spanned<WriteMode>,
    target: Option<&'s Spanned<Name>>,
) -> Option<&'s Spanned<Name>> {
    let (sink, at) = (scope.sink_name(), scope.at(mode.span));
    let here = "not here".to_owned();
    match mode.node {
        WriteMode::Upsert if !scope.sink.clauses.contains(&"UPSERT") => scope.error(InsertError::NoUpsert { sink }, [(at, here)]),
        WriteMode::Update if !scope.sink.clauses.contains(&"UPDATE") => scope.error(InsertError::NoUpdate { sink }, [(at, here)]),
        WriteMode::Select => scope.error(InsertError::SelectOnly, [(at, "`INSERT INTO target` has to come before this".to_owned())]),
        WriteMode::Insert | WriteMode::Upsert | WriteMode::Update => {}
    }
    target
}

/// The target; `None` if it is illegal.
pub(super) fn target(scope: &mut Scope<'_>, target: &Spanned<Name>, from: &Spanned<Name>) -> Option<Target> {
    let text = &target.node.text;
    let read = match scope.sink.into {
        NameKind::KafkaTopicOrSource if text == "$" => return of_source(scope, target, from),
        NameKind::KafkaTopic | NameKind::KafkaTopicOrSource => names::check_topic(text).map(|()| fixed(text)),
        NameKind::MqttFilter => MqttFilter::parse(text).map(|_| fixed(text)),
        NameKind::File => names::check_path(text).map(|()| fixed(text)),
        NameKind::Free => Ok(fixed(text)),
        NameKind::Bucket => BucketTarget::parse(text).map(|BucketTarget { bucket, prefix }| {
            let prefix = prefix.unwrap_or_else(|| prefix_option(scope));
            Target::Files { bucket, prefix }
        }),
        NameKind::Folder => names::check_folder(text).map(|prefix| Target::Files { bucket: String::new(), prefix }),
    };
    match read {
        Ok(read) => check_loop(scope, read, target, from),
        Err(error) => {
            illegal(scope, error, target);
            None
        }
    }
}

fn fixed(text: &str) -> Target {
    Target::Topic(TopicName::Fixed(text.to_owned()))
}

/// The prefix of the YAML, without a `/` at its end. Whether it is legal is checked once for the pipeline.
fn prefix_option(scope: &Scope<'_>) -> String {
    let text = scope.document.sink.options.text("prefix").unwrap_or_default();
    text.strip_suffix('/').unwrap_or(text).to_owned()
}

/// `` `$` ``: as far as the filter says what topics there will be, they must be legal.
fn of_source(scope: &mut Scope<'_>, target: &Spanned<Name>, from: &Spanned<Name>) -> Option<Target> {
    if scope.source.from == NameKind::MqttFilter
        && let Ok(filter) = MqttFilter::parse(&from.node.text)
    {
        for level in filter.levels.iter().filter(|level| !matches!(level.as_str(), "" | "+" | "#")) {
            if let Err(error @ names::NameError::TopicCharacter { .. }) = names::check_topic(level) {
                let error = InsertError::NeverATopic { filter: from.node.text.clone(), error };
                let labels =
                    [(scope.at(from.span), "this filter".to_owned()), (scope.at(target.span), "its topics become Kafka topics".to_owned())];
                scope.error(error, labels);
                return None;
            }
        }
    }
    check_loop(scope, Target::Topic(TopicName::OfSource), target, from)
}

fn check_loop(scope: &mut Scope<'_>, read: Target, target: &Spanned<Name>, from: &Spanned<Name>) -> Option<Target> {
    let (source, sink) = (&scope.document.source, &scope.document.sink);
    let sorted = |options: &crate::plan::Options| {
        let mut brokers: Vec<String> = options.texts("brokers").into_iter().map(str::to_owned).collect();
        brokers.sort();
        brokers
    };
    let brokers = sorted(&source.options);
    let same_cluster = source.connector.name == sink.connector.name && !brokers.is_empty() && brokers == sorted(&sink.options);
    let same_topic = match &read {
        Target::Topic(TopicName::OfSource) => true,
        Target::Topic(TopicName::Fixed(topic)) => *topic == from.node.text,
        Target::Files { .. } => false,
    };
    if same_cluster && same_topic {
        let labels = [(scope.at(target.span), "written here".to_owned()), (scope.at(from.span), "read here".to_owned())];
        scope.error(InsertError::Loop, labels);
        return None;
    }
    Some(read)
}
