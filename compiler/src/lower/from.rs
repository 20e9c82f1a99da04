//! FROM: a name that the source can read, and statements that read the same.

use kpipe_grammar::ast::{Name, Statement};
use kpipe_grammar::span::Spanned;
use miette::Diagnostic;
use thiserror::Error;

use super::scope::Scope;
use crate::catalog::NameKind;
use crate::names::{self, MqttFilter, NameError};

/// A name that cannot be read from, or not by two statements.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
pub(super) enum FromError {
    /// Against the system's rules.
    #[error("{error}")]
    #[diagnostic(code(KP0301))]
    Name {
        /// The rule.
        error: NameError,
        /// What to write instead.
        #[help]
        help: Option<String>,
    },
    /// One filter twice.
    #[error("two statements read the filter `{filter}`")]
    #[diagnostic(
        code(KP0302),
        help("the broker keeps one subscription of it, so each message would go to one of them; use one statement, or two pipelines")
    )]
    DuplicateFilter {
        /// The filter.
        filter: String,
    },
    /// Two filters that match the same topics.
    #[error("the filters `{first}` and `{second}` match the same topics")]
    #[diagnostic(code(KP0303), severity(Warning), help("a message that matches both is taken by each statement, so it is written twice"))]
    Overlap {
        /// One of them.
        first: String,
        /// The other.
        second: String,
    },
    /// `` FROM `*` ``.
    #[error("reading every topic is known, but not supported yet")]
    #[diagnostic(code(KP0304), help("write one statement for each topic"))]
    EveryTopic,
}

/// The name as the source wants it; `None` if it is illegal.
pub(super) fn check(scope: &mut Scope<'_>, from: &Spanned<Name>) -> Option<String> {
    let text = &from.node.text;
    let checked = match scope.source.from {
        NameKind::KafkaTopic | NameKind::KafkaTopicOrSource if text == "*" => {
            scope.error(FromError::EveryTopic, [(scope.at(from.span), "every topic".to_owned())]);
            return None;
        }
        NameKind::KafkaTopic | NameKind::KafkaTopicOrSource => names::check_topic(text),
        NameKind::MqttFilter => MqttFilter::parse(text).map(|_| ()),
        NameKind::Bucket => names::BucketTarget::parse(text).map(|_| ()),
        NameKind::Folder => names::check_folder(text).map(|_| ()),
        NameKind::File => names::check_path(text),
        NameKind::Free if text.is_empty() => Err(NameError::Empty),
        NameKind::Free => Ok(()),
    };
    match checked {
        Ok(()) => Some(text.clone()),
        Err(error) => {
            illegal(scope, error, from);
            None
        }
    }
}

/// Reports a name that breaks a rule.
pub(super) fn illegal(scope: &mut Scope<'_>, error: NameError, name: &Spanned<Name>) {
    let help = error.help();
    scope.error(FromError::Name { error, help }, [(scope.at(name.span), "this name".to_owned())]);
}

/// Filters of MQTT that stand twice or match the same topics. Two statements may read one Kafka topic.
pub(super) fn check_together(scope: &mut Scope<'_>, statements: &[Statement]) {
    if scope.source.from != NameKind::MqttFilter {
        return;
    }
    let mut seen: Vec<(MqttFilter, &Spanned<Name>)> = Vec::new();
    for statement in statements {
        let from = &statement.from;
        let Ok(filter) = MqttFilter::parse(&from.node.text) else { continue };
        for (other, first) in &seen {
            let labels = [(scope.at(from.span), "and here".to_owned()), (scope.at(first.span), "read here".to_owned())];
            if *other == filter {
                scope.error(FromError::DuplicateFilter { filter: from.node.text.clone() }, labels);
            } else if other.overlaps(&filter) {
                let (first, second) = (first.node.text.clone(), from.node.text.clone());
                scope.warn(FromError::Overlap { first, second }, labels);
            }
        }
        seen.push((filter, from));
    }
}
