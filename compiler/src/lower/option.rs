//! Clauses that a connector does not honour, and those that nobody honours yet.

use kpipe_grammar::ast::{OtherClause, PartitionBy, Statement};
use kpipe_grammar::span::{Span, Spanned};
use miette::Diagnostic;
use thiserror::Error;

use super::properties;
use super::scope::Scope;
use crate::near::one_of;

/// A clause that would do nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
pub(super) enum OptionError {
    /// `PARTITIONBY` into Kafka.
    #[error("{clause} has no effect from `{source_name}` to `{sink_name}`")]
    #[diagnostic(code(KP0309), help("{help}"))]
    NotHonoured {
        /// The keyword.
        clause: &'static str,
        /// The connectors.
        source_name: &'static str,
        /// The other one.
        sink_name: &'static str,
        /// What does have one.
        help: String,
    },
    /// `BATCH`, `TTL`.
    #[error("{clause} is a clause of KCQL that neither `{source_name}` nor `{sink_name}` honours")]
    #[diagnostic(code(KP0310), help("{help}"))]
    NotYet {
        /// The keyword.
        clause: &'static str,
        /// The connectors.
        source_name: &'static str,
        /// The other one.
        sink_name: &'static str,
        /// What they do honour.
        help: String,
    },
}

/// Refuses clauses that neither end honours.
pub(super) fn check_honoured(scope: &mut Scope<'_>, statement: &Statement) {
    let written: [(&'static str, Option<Span>); 7] = [
        ("PARTITIONBY", partition_span(statement, false)),
        ("NOPARTITION", partition_span(statement, true)),
        ("STOREAS", statement.store_as.as_ref().map(|clause| clause.span)),
        ("WITHKEY", statement.with_key.as_ref().map(|clause| clause.span)),
        ("KEYDELIMITER", statement.key_delimiter.as_ref().map(|clause| clause.span)),
        ("WITHCONVERTER", statement.with_converter.as_ref().map(|clause| clause.span)),
        ("PROPERTIES", statement.properties.as_ref().map(|clause| clause.span)),
    ];
    let by_sink = ["PARTITIONBY", "NOPARTITION", "STOREAS", "PROPERTIES"];
    for (clause, span) in written {
        let Some(span) = span else { continue };
        let is_key = matches!(clause, "WITHKEY" | "KEYDELIMITER");
        let honoured = scope.sink.clauses.contains(&clause)
            || (!by_sink.contains(&clause)
                && scope.source.clauses.contains(&clause)
                && !(is_key && scope.sink.kind == crate::catalog::SinkKind::Files));
        if !honoured {
            let error = OptionError::NotHonoured {
                clause,
                source_name: scope.source_name(),
                sink_name: scope.sink_name(),
                help: honoured_help(scope),
            };
            scope.error(error, [(scope.at(span), "nobody would read this".to_owned())]);
        }
    }
}

fn partition_span(statement: &Statement, none: bool) -> Option<Span> {
    statement.partition_by.as_ref().filter(|clause| (clause.node == PartitionBy::None) == none).map(|clause| clause.span)
}

fn honoured_help(scope: &Scope<'_>) -> String {
    let mut clauses: Vec<&str> = scope.source.clauses.to_vec();
    clauses.extend(scope.sink.clauses.iter().filter(|clause| !scope.source.clauses.contains(clause)));
    if clauses.is_empty() {
        return "remove it".to_owned();
    }
    format!("remove it; besides SELECT and FROM they honour {}", one_of(clauses).replace('`', "").replace(" or ", " and "))
}

/// Refuses what the language has and kpipe not yet.
pub(super) fn check_other(scope: &mut Scope<'_>, limit: Option<&Spanned<u64>>, other: &[Spanned<OtherClause>]) {
    let others = other.iter().map(|clause| (clause.node.keyword, clause.span));
    let all = limit.map(|limit| ("LIMIT", limit.span)).into_iter().chain(others);
    // Those of before that are properties today are read there.
    let unread: Vec<_> = all.filter(|(clause, _)| properties::of_older(scope, clause).is_none()).collect();
    for (clause, span) in unread {
        let (source_name, sink_name, help) = (scope.source_name(), scope.sink_name(), honoured_help(scope));
        scope.error(OptionError::NotYet { clause, source_name, sink_name, help }, [(scope.at(span), "nobody would read this".to_owned())]);
    }
}
