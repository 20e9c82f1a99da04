//! Whatever changes in a plan is said: a change that nobody sees needs no consent and surprises somebody.

use proptest::prelude::*;

use super::*;
use crate::plan::tests::any::pipeline;
use crate::plan::{DecodeColumn, Schedule, TimeUnit};

/// One edit of one part of a plan.
type Edit = fn(&mut Pipeline);

fn text(text: &mut String) {
    text.push('~');
}

fn data_type(data_type: &mut DataType) {
    *data_type = match data_type {
        DataType::Timestamp(TimeUnit::Millisecond) => DataType::Timestamp(TimeUnit::Microsecond),
        DataType::Timestamp(TimeUnit::Microsecond) => DataType::Timestamp(TimeUnit::Millisecond),
        DataType::Any => DataType::String,
        _ => DataType::Any,
    };
}

fn compression(format: &mut FileFormat) {
    match format {
        FileFormat::Json { compression } | FileFormat::Text { compression } | FileFormat::Parquet { compression, .. } => {
            *compression = if *compression == Compression::None { Compression::Gzip(3) } else { Compression::None };
        }
        FileFormat::Bytes { separator } => text(separator),
    }
}

fn first(pipeline: &mut Pipeline) -> &mut Route {
    &mut pipeline.routes[0]
}

/// The columns that the first route's folders or key are made of.
fn used(route: &mut Route) -> Option<&mut DecodeColumn> {
    let column = |expr: &Expr| if let Expr::Column(index) = expr { Some(*index) } else { None };
    let index = match &route.tail {
        Tail::Files(tail) => tail.partition.iter().find_map(|item| match item {
            PartitionItem::Value { expr, .. } | PartitionItem::Time { expr, .. } => column(expr),
        }),
        Tail::Records(RecordTail { key: KeyPlan::Fields { fields, .. }, .. }) => fields.iter().find_map(column),
        Tail::Records(_) => None,
    };
    route.decode.columns.get_mut(index?)
}

fn project(pipeline: &mut Pipeline) -> Option<&mut Projection> {
    first(pipeline).project.as_mut()?.first_mut()
}

fn item(pipeline: &mut Pipeline) -> Option<&mut PartitionItem> {
    match &mut first(pipeline).tail {
        Tail::Files(tail) => tail.partition.first_mut(),
        Tail::Records(_) => None,
    }
}

const EDITS: [(&str, Edit); 27] = [
    ("commit", |it| {
        it.commit = if it.commit == CommitProtocol::Ledger { CommitProtocol::Deterministic } else { CommitProtocol::Ledger };
    }),
    ("source option", |it| set(&mut it.source.options, "new", "x")),
    ("source option gone", |it| drop(it.source.options.0.pop_first())),
    ("sink option", |it| set(&mut it.sink.options, "new", "x")),
    ("guarantee", |it| it.promise.guarantee = Guarantee::AtMostOnce),
    ("tolerance", |it| it.errors.tolerance = if it.errors.tolerance == Tolerance::None { Tolerance::All } else { Tolerance::None }),
    ("dead letter", |it| it.errors.dead_letter.iter_mut().for_each(|letter| text(&mut letter.topic))),
    ("dead letter gone", |it| it.errors.dead_letter = None),
    ("dead letter's cluster", |it| it.errors.dead_letter.iter_mut().for_each(|letter| set(&mut letter.cluster.options, "new", "x"))),
    ("patience", |it| it.errors.retry_timeout_ms = it.errors.retry_timeout_ms.map_or(Some(7), |ms| Some(ms / 2 + 1))),
    ("pause", |it| it.errors.retry_delay_max_ms ^= 1),
    ("flush", |it| it.flush.iter_mut().for_each(|flush| flush.bytes ^= 1)),
    ("flush records", |it| it.flush.iter_mut().for_each(|flush| flush.records = Some(flush.records.unwrap_or(0) ^ 1))),
    ("flush interval", |it| it.flush.iter_mut().for_each(|flush| flush.interval_ms = Some(flush.interval_ms.map_or(1, |ms| ms ^ 1)))),
    ("flush idle", |it| it.flush.iter_mut().for_each(|flush| flush.idle_ms = flush.idle_ms.map_or(Some(7), |_| None))),
    ("flush schedule", |it| {
        it.flush.iter_mut().for_each(|flush| match &mut flush.schedule {
            Some(schedule) => text(&mut schedule.zone),
            None => flush.schedule = Some(Schedule { every_ms: 1000, zone: "UTC".to_owned() }),
        });
    }),
    ("flush schedule's step", |it| {
        it.flush.iter_mut().for_each(|flush| flush.schedule.iter_mut().for_each(|schedule| schedule.every_ms = schedule.every_ms / 2 + 1));
    }),
    ("statement gone", |it| drop(it.routes.pop())),
    ("statement more", |it| it.routes.push(route("more", "more"))),
    ("from", |it| text(&mut first(it).from)),
    ("value format", |it| {
        first(it).decode.format = if first(it).decode.format == ValueFormat::Json { ValueFormat::Text } else { ValueFormat::Json }
    }),
    ("what folders and keys are read as", |it| used(first(it)).into_iter().for_each(|column| data_type(&mut column.data_type))),
    ("what folders and keys are read from", |it| used(first(it)).into_iter().for_each(|column| text(&mut column.path[0]))),
    ("column type", |it| project(it).into_iter().for_each(|column| data_type(&mut column.data_type))),
    ("column null", |it| project(it).into_iter().for_each(|column| column.nullable ^= true)),
    ("column", |it| {
        project(it).into_iter().for_each(|column| column.expr = if column.expr == Expr::Offset { Expr::Topic } else { Expr::Offset })
    }),
    ("tail", |it| match &mut first(it).tail {
        Tail::Files(tail) => compression(&mut tail.format),
        Tail::Records(tail) => {
            tail.topic = if tail.topic == TopicName::OfSource { TopicName::Fixed("t".to_owned()) } else { TopicName::OfSource }
        }
    }),
];

const FOLDERS: [(&str, Edit); 6] = [
    ("folder", |it| {
        item(it).into_iter().for_each(|item| match item {
            PartitionItem::Value { expr, .. } | PartitionItem::Time { expr, .. } => {
                *expr = if *expr == Expr::Key { Expr::Topic } else { Expr::Key }
            }
        })
    }),
    ("folder's name", |it| {
        item(it).into_iter().for_each(|item| match item {
            PartitionItem::Value { name, .. } | PartitionItem::Time { name, .. } => *name = Some(name.clone().unwrap_or_default() + "~"),
        })
    }),
    ("pattern", |it| {
        item(it).into_iter().for_each(|item| {
            if let PartitionItem::Time { pattern, .. } = item {
                pattern.push('S')
            }
        })
    }),
    ("zone", |it| {
        item(it).into_iter().for_each(|item| {
            if let PartitionItem::Time { zone, .. } = item {
                zone.push('X')
            }
        })
    }),
    ("prefix", |it| {
        if let Tail::Files(tail) = &mut first(it).tail {
            text(&mut tail.prefix)
        }
    }),
    ("kept columns", |it| {
        if let Tail::Files(tail) = &mut first(it).tail {
            tail.keep_partition_columns ^= true
        }
    }),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_is_edited_is_said(before in pipeline(), edit in prop::sample::select([EDITS.as_slice(), FOLDERS.as_slice()].concat())) {
        let (name, edit) = edit;
        let mut after = before.clone();
        edit(&mut after);
        let change = diff(Some(&before), Some(&after), &CATALOG).unwrap();
        prop_assert_eq!(change.action == Action::None, before == after, "{}: {:#?}", name, change.changes);
        prop_assert!(change.changes.iter().all(|change| change.before.is_some() || change.after.is_some() || change.path.ends_with("cluster")));
    }

    #[test]
    fn a_plan_is_no_change_of_itself_and_any_two_can_be_compared(one in pipeline(), other in pipeline()) {
        prop_assert_eq!(diff(Some(&one), Some(&one), &CATALOG).unwrap().action, Action::None);
        let there = diff(Some(&one), Some(&other), &CATALOG).unwrap();
        let back = diff(Some(&other), Some(&one), &CATALOG).unwrap();
        // A stronger promise is no change of its own; everything else is one in both directions.
        let is_promise = |change: &PipelineChange| change.changes.iter().all(|change| change.path == "delivery");
        prop_assert!(there.action == back.action || is_promise(&there) && is_promise(&back));
    }
}
