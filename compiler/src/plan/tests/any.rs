//! Any plan that a compiler could make, and that it survives being saved.

use proptest::prelude::*;

use super::super::wire::{self, Applied, Inputs, OffsetFloor, SavedPlan};
use super::*;

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,6}", "[a-z.`\"\\\\/é\n\u{0} ]{0,6}"]
}

fn data_type() -> impl Strategy<Value = DataType> {
    let scalar = prop_oneof![
        Just(DataType::Boolean),
        Just(DataType::Int32),
        Just(DataType::Int64),
        Just(DataType::Float32),
        Just(DataType::Float64),
        (1_u8..=38, any::<i8>()).prop_map(|(precision, scale)| DataType::Decimal { precision, scale }),
        Just(DataType::String),
        Just(DataType::Bytes),
        Just(DataType::Date),
        Just(DataType::Timestamp(TimeUnit::Millisecond)),
        Just(DataType::Timestamp(TimeUnit::Microsecond)),
        Just(DataType::Any),
        Just(DataType::Json),
    ];
    scalar.prop_recursive(2, 6, 3, |inner| {
        let field = (text(), inner, any::<bool>()).prop_map(|(name, data_type, nullable)| Field { name, data_type, nullable }).boxed();
        prop_oneof![
            field.clone().prop_map(|field| DataType::List(Box::new(field))),
            prop::collection::vec(field, 0..3).prop_map(DataType::Struct)
        ]
    })
}

fn option_value() -> impl Strategy<Value = OptionValue> {
    let leaf = prop_oneof![
        text().prop_map(OptionValue::Text),
        any::<i64>().prop_map(OptionValue::Integer),
        any::<bool>().prop_map(OptionValue::Boolean),
        any::<u64>().prop_map(OptionValue::Bytes),
        any::<u64>().prop_map(OptionValue::DurationMs),
        text().prop_map(|name| OptionValue::Secret(SecretRef::Env(name))),
        text().prop_map(|path| OptionValue::Secret(SecretRef::File(path))),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(OptionValue::List),
            prop::collection::btree_map(text(), inner, 0..3).prop_map(OptionValue::Map)
        ]
    })
}

fn endpoint(connector: &'static str) -> impl Strategy<Value = Endpoint> {
    prop::collection::btree_map(text(), option_value(), 0..4)
        .prop_map(move |options| Endpoint { connector: connector.to_owned(), options: Options(options) })
}

/// An expression over so many columns.
fn expr(columns: usize) -> impl Strategy<Value = Expr> {
    let metadata = prop_oneof![
        Just(Expr::Topic),
        Just(Expr::Partition),
        Just(Expr::Offset),
        Just(Expr::Timestamp),
        Just(Expr::Key),
        text().prop_map(Expr::Header),
        Just(Expr::Qos),
        Just(Expr::Retained),
        Just(Expr::Value),
    ];
    if columns == 0 { metadata.boxed() } else { prop_oneof![3 => (0..columns).prop_map(Expr::Column), 1 => metadata].boxed() }
}

fn compression() -> impl Strategy<Value = Compression> {
    prop_oneof![
        Just(Compression::None),
        Just(Compression::Snappy),
        (1_u32..=9).prop_map(Compression::Gzip),
        (1_i32..=22).prop_map(Compression::Zstd)
    ]
}

fn format() -> impl Strategy<Value = FileFormat> {
    prop_oneof![
        compression().prop_map(|compression| FileFormat::Json { compression }),
        compression().prop_map(|compression| FileFormat::Text { compression }),
        text().prop_map(|separator| FileFormat::Bytes { separator }),
        (compression(), any::<u64>()).prop_map(|(compression, row_group_bytes)| FileFormat::Parquet { compression, row_group_bytes }),
    ]
}

fn item(columns: usize) -> impl Strategy<Value = PartitionItem> {
    let zone = prop::sample::select(vec!["UTC", "Asia/Tokyo"]);
    prop_oneof![
        (prop::option::of(text()), expr(columns)).prop_map(|(name, expr)| PartitionItem::Value { name, expr }),
        (expr(columns), "[yMdH/-]{1,6}", zone, prop::option::of(text())).prop_map(|(expr, pattern, zone, name)| PartitionItem::Time {
            expr,
            pattern,
            zone: zone.to_owned(),
            name
        }),
    ]
}

fn file_tail(columns: usize) -> impl Strategy<Value = Tail> {
    let naming = prop::sample::select(vec![Naming::Kpipe, Naming::Confluent, Naming::Lenses]);
    (text(), text(), prop::collection::vec(item(columns), 0..3), any::<bool>(), format(), naming).prop_map(
        |(bucket, prefix, partition, keep_partition_columns, format, naming)| {
            Tail::Files(FileTail { bucket, prefix, partition, keep_partition_columns, format, naming })
        },
    )
}

fn record_tail(columns: usize) -> impl Strategy<Value = Tail> {
    let topic = prop_oneof!["[a-z]{1,5}".prop_map(TopicName::Fixed), Just(TopicName::OfSource)];
    let fields = (prop::collection::vec(expr(columns), 1..3), text()).prop_map(|(fields, delimiter)| KeyPlan::Fields { fields, delimiter });
    let key = prop_oneof![Just(KeyPlan::Keep), Just(KeyPlan::SourceTopic), fields];
    (topic, key, prop::option::of(format())).prop_map(|(topic, key, format)| Tail::Records(RecordTail { topic, key, format }))
}

fn route(files: bool) -> impl Strategy<Value = Route> {
    let column = (prop::collection::vec(text(), 1..3), data_type(), any::<bool>()).prop_map(|(path, data_type, nullable)| DecodeColumn {
        path,
        data_type,
        nullable,
    });
    prop::collection::vec(column, 0..3).prop_flat_map(move |columns| {
        let count = columns.len();
        let projection = (expr(count), data_type(), any::<bool>());
        let project = prop::option::of(prop::collection::vec(projection, 1..4));
        let tail = if files { file_tail(count).boxed() } else { record_tail(count).boxed() };
        let format = prop::sample::select(vec![ValueFormat::Bytes, ValueFormat::Text, ValueFormat::Json]);
        (text(), "[a-z]{1,6}", format, project, tail).prop_map(move |(statement, from, format, project, tail)| {
            let named = |(index, (expr, data_type, nullable))| Projection { name: format!("c{index}"), expr, data_type, nullable };
            let project = project.map(|columns| columns.into_iter().enumerate().map(named).collect());
            Route { statement, from, decode: Decode { format, columns: columns.clone() }, filter: None, project, tail }
        })
    })
}

fn errors() -> impl Strategy<Value = ErrorPolicy> {
    let letter = (text(), endpoint("log")).prop_map(|(topic, cluster)| DeadLetter { topic, cluster });
    let tolerance = prop::sample::select(vec![Tolerance::None, Tolerance::All]);
    (tolerance, prop::option::of(letter), any::<Option<u64>>(), any::<u64>()).prop_map(
        |(tolerance, dead_letter, retry_timeout_ms, retry_delay_max_ms)| ErrorPolicy {
            tolerance,
            dead_letter,
            retry_timeout_ms,
            retry_delay_max_ms,
        },
    )
}

/// Any pipeline from `log` into files or records; its expressions name columns that there are.
pub(crate) fn pipeline() -> impl Strategy<Value = Pipeline> {
    let schedule = prop::option::of((any::<u64>(), text()).prop_map(|(every_ms, zone)| Schedule { every_ms, zone }));
    let flush = (any::<[Option<u64>; 3]>(), any::<u64>(), schedule).prop_map(|([records, interval_ms, idle_ms], bytes, schedule)| Flush {
        records,
        bytes,
        interval_ms,
        idle_ms,
        schedule,
    });
    let flush = flush.boxed();
    let guarantee = prop::sample::select(vec![Guarantee::AtMostOnce, Guarantee::AtLeastOnce, Guarantee::ExactlyOnce]);
    let promise = (guarantee, text()).prop_map(|(guarantee, reason)| Promise { guarantee, reason }).boxed();
    let field = (text(), data_type(), any::<bool>()).prop_map(|(name, data_type, nullable)| Field { name, data_type, nullable }).boxed();
    let commit =
        prop::sample::select(vec![CommitProtocol::Auto, CommitProtocol::Ledger, CommitProtocol::Kafka, CommitProtocol::Deterministic]);
    any::<bool>().prop_flat_map(move |files| {
        let ends = (endpoint("log"), endpoint(if files { "store" } else { "log" }));
        let sampled = prop::option::of(prop::collection::vec(field.clone(), 0..3));
        let routes = prop::collection::vec(route(files), 1..3);
        ("[a-z]{1,6}", ends, sampled, routes, (flush.clone(), commit.clone()), errors(), promise.clone()).prop_map(
            move |(name, (source, sink), sampled, routes, (flush, commit), errors, promise)| Pipeline {
                name,
                source,
                sink,
                sampled,
                routes,
                flush: files.then_some(flush),
                commit: if files { commit } else { CommitProtocol::Deterministic },
                errors,
                promise,
            },
        )
    })
}

fn saved() -> impl Strategy<Value = SavedPlan> {
    let offset = (text(), text(), any::<i32>(), any::<i64>()).prop_map(|(pipeline, topic, partition, offset)| OffsetFloor {
        pipeline,
        topic,
        partition,
        offset,
    });
    let applied = (any::<Option<u8>>(), text()).prop_map(|(etag, sha256)| Applied { etag: etag.map(|etag| etag.to_string()), sha256 });
    let inputs = (
        prop::collection::btree_map(text(), text(), 0..3),
        prop::collection::vec(offset, 0..3),
        prop::collection::btree_map(text(), applied, 0..3),
        prop::collection::btree_map(text(), text(), 0..3),
    );
    (prop::collection::vec(pipeline(), 0..3), inputs).prop_map(|(pipelines, (files, offsets, applied, folders))| SavedPlan {
        pipelines,
        inputs: Inputs { files, offsets, applied, folders },
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_plan_comes_back_as_it_was_and_as_the_same_bytes(plan in saved()) {
        let text = wire::write(&plan);
        let again = wire::read(&text);
        prop_assert_eq!(again.as_ref(), Ok(&plan));
        prop_assert_eq!(wire::write(&plan), text);
        prop_assert!(wire::moved(&plan.inputs, &plan.inputs).is_empty());
    }

    #[test]
    fn a_damaged_plan_is_never_taken_for_another_one(plan in saved(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut: bool) {
        let text = wire::write(&plan);
        let mut bytes = text.clone().into_bytes();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        if let Ok(damaged) = String::from_utf8(bytes) {
            // What says who wrote it is no part of the content.
            prop_assert!(wire::read(&damaged).is_ok_and(|found| found == plan) || wire::read(&damaged).is_err(), "{}", damaged);
        }
    }

    #[test]
    fn any_plan_can_be_explained(pipeline in pipeline()) {
        let lines = crate::plan::explain::explain(&pipeline);
        prop_assert!(lines.len() > 3 && lines.iter().all(|line| !line.to_string().contains("hunter2")));
    }
}
