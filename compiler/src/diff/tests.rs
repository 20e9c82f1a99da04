use super::*;

mod any;
use crate::catalog::{ConnectorSpec, NameKind, Replay, SinkKind, SinkSpec, SourceSpec};
use crate::plan::OptionValue;
use crate::plan::{
    CommitProtocol, Compression, DataType, DeadLetter, Decode, Expr, FileFormat, FileTail, Guarantee, KeyPlan, Naming, Options,
    PartitionItem, Projection, Promise, RecordTail, Route, Tail, Tolerance, TopicName, ValueFormat,
};

const fn option(path: &'static str, change: ChangeKind) -> OptionSpec {
    OptionSpec { path, change, ..OptionSpec::PLAIN }
}

static SOURCE_OPTIONS: [OptionSpec; 4] = [
    option("brokers", ChangeKind::Restart),
    option("group", ChangeKind::Position),
    option("from", ChangeKind::Position),
    option("log", ChangeKind::InPlace),
];
static SINK_OPTIONS: [OptionSpec; 1] = [option("endpoint", ChangeKind::NewLayout)];

static LOG: ConnectorSpec = ConnectorSpec {
    name: "log",
    summary: "",
    example: "",
    source: Some(SourceSpec {
        options: &SOURCE_OPTIONS,
        from: NameKind::KafkaTopic,
        clauses: &[],
        columns: &[],
        replay: Replay::FromPosition,
    }),
    sink: None,
};
static STORE: ConnectorSpec = ConnectorSpec {
    name: "store",
    summary: "",
    example: "",
    source: None,
    sink: Some(SinkSpec {
        options: &SINK_OPTIONS,
        into: NameKind::Bucket,
        clauses: &[],
        properties: &[],
        kind: SinkKind::Files,
        formats: &[],
        guarantee: Guarantee::AtLeastOnce,
    }),
};
static CATALOG: Catalog = Catalog { connectors: &[&LOG, &STORE] };

fn options(pairs: &[(&str, &str)]) -> Options {
    Options(pairs.iter().map(|(path, text)| ((*path).to_owned(), OptionValue::Text((*text).to_owned()))).collect())
}

fn column(name: &str, data_type: DataType, nullable: bool) -> Projection {
    Projection { name: name.to_owned(), expr: Expr::Topic, data_type, nullable }
}

fn route(from: &str, prefix: &str) -> Route {
    Route {
        statement: format!("INSERT INTO lake:{prefix} SELECT * FROM {from}"),
        from: from.to_owned(),
        decode: Decode { format: ValueFormat::Json, columns: Vec::new() },
        filter: None,
        project: Some(vec![column("id", DataType::Int64, false), column("name", DataType::String, true)]),
        tail: Tail::Files(FileTail {
            bucket: "lake".to_owned(),
            prefix: prefix.to_owned(),
            partition: Vec::new(),
            keep_partition_columns: true,
            format: FileFormat::Json { compression: Compression::None },
            naming: Naming::Kpipe,
        }),
    }
}

fn pipeline() -> Pipeline {
    Pipeline {
        name: "orders".to_owned(),
        source: Endpoint {
            connector: "log".to_owned(),
            options: options(&[("brokers", "a:9092"), ("group", "orders"), ("from", "earliest")]),
        },
        sink: Endpoint { connector: "store".to_owned(), options: options(&[("endpoint", "http://s3")]) },
        sampled: None,
        routes: vec![route("orders", "raw")],
        flush: Some(Flush { records: None, bytes: 128 << 20, interval_ms: Some(600_000), idle_ms: Some(300_000), schedule: None }),
        errors: ErrorPolicy { tolerance: Tolerance::None, dead_letter: None, retry_timeout_ms: None, retry_delay_max_ms: 60_000 },
        commit: CommitProtocol::Deterministic,
        promise: Promise { guarantee: Guarantee::AtLeastOnce, reason: "because".to_owned() },
    }
}

/// The differences after `edit`, as `class path before -> after`.
fn changed(edit: impl FnOnce(&mut Pipeline)) -> Vec<String> {
    let before = pipeline();
    let mut after = pipeline();
    edit(&mut after);
    let diff = diff(Some(&before), Some(&after), &CATALOG).unwrap();
    assert_eq!(diff.action == Action::None, diff.changes.is_empty());
    diff.changes
        .iter()
        .map(|change| {
            let text = |side: &Option<String>| side.clone().unwrap_or_else(|| "-".to_owned());
            format!("{}: {} {} -> {}", change.class.word(), change.path, text(&change.before), text(&change.after))
        })
        .collect()
}

fn set(options: &mut Options, path: &str, text: &str) {
    options.0.insert(path.to_owned(), OptionValue::Text(text.to_owned()));
}

fn tail(pipeline: &mut Pipeline) -> &mut FileTail {
    match &mut pipeline.routes[0].tail {
        Tail::Files(tail) => tail,
        Tail::Records(_) => panic!("a sink of files"),
    }
}

#[test]
fn the_same_plan_changes_nothing() {
    assert_eq!(changed(|_| {}), Vec::<String>::new());
    assert_eq!(changed(|after| after.routes[0].statement.push_str(" -- a comment")), Vec::<String>::new());
    assert_eq!(changed(|after| after.promise.reason.push('!')), Vec::<String>::new());
}

#[test]
fn pipelines_come_and_go() {
    let one = pipeline();
    let created = diff(None, Some(&one), &CATALOG).unwrap();
    assert_eq!((created.action, created.worst()), (Action::Create, ChangeClass::None));
    let deleted = diff(Some(&one), None, &CATALOG).unwrap();
    assert_eq!((deleted.action, deleted.worst()), (Action::Delete, ChangeClass::Delete));
    assert_eq!(deleted.consents(), [Consent::Flag("--allow-delete")]);
    assert!(diff(None, None, &CATALOG).is_none());
}

#[test]
fn options_are_classed_by_their_connector() {
    assert_eq!(
        changed(|after| {
            set(&mut after.source.options, "brokers", "b:9092");
            set(&mut after.source.options, "log", "debug");
            set(&mut after.sink.options, "endpoint", "http://other");
        }),
        [
            "restart: source.log.brokers a:9092 -> b:9092",
            "in place: source.log.log - -> debug",
            "new layout: sink.store.endpoint http://s3 -> http://other",
        ]
    );
}

#[test]
fn positions_can_repeat_or_skip() {
    assert_eq!(changed(|after| set(&mut after.source.options, "from", "latest")), ["replay: source.log.from earliest -> latest"]);
    assert_eq!(changed(|after| set(&mut after.source.options, "group", "o2")), ["gap risk: source.log.group orders -> o2"]);
    assert_eq!(changed(|after| after.routes[0].from = "orders2".to_owned()), ["gap risk: kcql[0].from orders -> orders2"]);
    assert_eq!(changed(|after| after.source.connector = "store".to_owned()), ["gap risk: source log -> store"]);
}

#[test]
fn the_layout_of_files_is_compared_where_it_takes_effect() {
    assert_eq!(changed(|after| set(&mut after.sink.options, "prefix", "unused, since the statement has one")), Vec::<String>::new());
    assert_eq!(changed(|after| tail(after).prefix = "raw2".to_owned()), ["new layout: kcql[0].into lake:raw -> lake:raw2"]);
    assert_eq!(
        changed(|after| {
            tail(after).partition = vec![PartitionItem::Value { name: Some("topic".to_owned()), expr: Expr::Topic }];
            tail(after).naming = Naming::Confluent;
        }),
        ["new layout: kcql[0].partition_by no folders -> topic={_topic}", "new layout: kcql[0].compat kpipe -> confluent",]
    );
    assert_eq!(
        changed(|after| tail(after).format = FileFormat::Parquet { compression: Compression::Zstd(1), row_group_bytes: 64 << 20 }),
        ["new layout: kcql[0].format json, uncompressed -> parquet, zstd level 1, row groups of 64MiB"]
    );
}

#[test]
fn columns_are_added_safely_and_dropped_with_care() {
    let columns = |edit: fn(&mut Vec<Projection>)| changed(|after| edit(after.routes[0].project.as_mut().unwrap()));
    assert_eq!(columns(|columns| columns.push(column("more", DataType::Date, true))), ["schema add: kcql[0].select.more - -> date"]);
    assert_eq!(
        columns(|columns| columns.push(column("more", DataType::Date, false))),
        ["schema break: kcql[0].select.more - -> date not null"]
    );
    assert_eq!(columns(|columns| drop(columns.remove(1))), ["schema break: kcql[0].select.name string -> -"]);
    assert_eq!(
        columns(|columns| columns[0].data_type = DataType::String),
        ["schema break: kcql[0].select.id bigint not null -> string not null"]
    );
    assert_eq!(columns(|columns| columns[0].expr = Expr::Offset), ["schema break: kcql[0].select.id _topic -> _offset"]);
    assert_eq!(columns(|columns| columns[0].nullable = true), ["schema add: kcql[0].select.id bigint not null -> bigint"]);
    assert_eq!(columns(|columns| columns.reverse()), Vec::<String>::new());
    assert_eq!(changed(|after| after.routes[0].project = None), ["schema break: kcql[0].select id, name -> the value as it came"]);
}

#[test]
fn a_new_target_or_a_word_in_the_file_makes_a_break_harmless() {
    assert_eq!(
        changed(|after| {
            after.routes[0].project.as_mut().unwrap().remove(1);
            tail(after).prefix = "v2".to_owned();
        }),
        ["new layout: kcql[0].into lake:raw -> lake:v2"]
    );
    assert_eq!(
        changed(|after| {
            after.routes[0].project.as_mut().unwrap().remove(1);
            set(&mut after.sink.options, "on_type_change", "allow");
        }),
        ["new layout: kcql[0].select.name string -> -"]
    );
}

#[test]
fn statements_are_paired_by_what_they_do() {
    assert_eq!(
        changed(|after| after.routes.insert(0, route("users", "users"))),
        ["restart: kcql[0] - -> INSERT INTO lake:users SELECT * FROM users"]
    );
    assert_eq!(changed(|after| after.routes.clear()), ["delete: kcql INSERT INTO lake:raw SELECT * FROM orders -> -"]);
}

#[test]
fn records_have_topics_and_keys() {
    let record = |topic: TopicName, key: KeyPlan| {
        let mut pipeline = pipeline();
        pipeline.flush = None;
        pipeline.routes[0].tail = Tail::Records(RecordTail { topic, key, format: None });
        pipeline
    };
    let before = record(TopicName::Fixed("a".to_owned()), KeyPlan::Keep);
    let fields = KeyPlan::Fields { fields: vec![Expr::Topic, Expr::Key], delimiter: "-".to_owned() };
    let after = record(TopicName::OfSource, fields);
    let diff = diff(Some(&before), Some(&after), &CATALOG).unwrap();
    let paths: Vec<(&str, ChangeClass)> = diff.changes.iter().map(|change| (change.path.as_str(), change.class)).collect();
    assert_eq!(paths, [("kcql[0].into", ChangeClass::NewLayout), ("kcql[0].with_key", ChangeClass::NewLayout)]);
    assert_eq!(diff.changes[1].after.as_deref(), Some("_topic, _key joined by `-`"));
}

#[test]
fn flush_and_errors() {
    let dead_letter =
        || DeadLetter { topic: "dlq".to_owned(), cluster: Endpoint { connector: "log".to_owned(), options: Options::default() } };
    assert_eq!(
        changed(|after| {
            let schedule = Some(Schedule { every_ms: 3_600_000, zone: "Asia/Tokyo".to_owned() });
            after.flush = Some(Flush { records: Some(10), bytes: 1000, interval_ms: Some(1500), idle_ms: None, schedule });
            after.errors.tolerance = Tolerance::All;
            after.errors.dead_letter = Some(dead_letter());
            after.errors.retry_timeout_ms = Some(3_600_000);
            after.errors.retry_delay_max_ms = 1;
        }),
        [
            "restart: sink.store.flush.records no limit -> 10",
            "restart: sink.store.flush.bytes 128MiB -> 1000B",
            "restart: sink.store.flush.interval 10m -> 1500ms",
            "restart: sink.store.flush.idle 5m -> no limit",
            "restart: sink.store.flush.schedule none -> 1h in Asia/Tokyo",
            "restart: errors.tolerance none -> all",
            "in place: errors.dead_letter none -> dlq",
            "in place: errors.retry.timeout for ever -> 1h",
            "in place: errors.retry.delay_max 1m -> 1ms",
        ]
    );
}

#[test]
fn a_weaker_promise_comes_first_and_every_consent_once() {
    let before = pipeline();
    let mut after = pipeline();
    after.promise.guarantee = Guarantee::AtMostOnce;
    after.routes[0].from = "other".to_owned();
    tail(&mut after).prefix = "other".to_owned();
    set(&mut after.sink.options, "endpoint", "http://other");
    let diff = diff(Some(&before), Some(&after), &CATALOG).unwrap();
    assert_eq!(diff.changes[0].class, ChangeClass::WeakerPromise);
    assert_eq!(diff.worst(), ChangeClass::GapRisk);
    let flags: Vec<&str> = diff.consents().into_iter().filter_map(Consent::flag).collect();
    assert_eq!(flags, ["--accept-gap", "--allow-weaker", "--yes"]);
}

#[test]
fn values_are_shown_as_they_are_written() {
    let secret = OptionValue::Secret(crate::plan::SecretRef::Env("PW".to_owned()));
    assert_eq!(show(&secret), "(secret env:PW)");
    assert_eq!(show(&OptionValue::List(vec![OptionValue::Integer(1), OptionValue::Boolean(true)])), "[1, true]");
    let map = [("a".to_owned(), OptionValue::Bytes(2048)), ("b".to_owned(), OptionValue::DurationMs(0))];
    assert_eq!(show(&OptionValue::Map(map.into())), "{ a: 2KiB, b: 0ms }");
}

#[test]
fn a_dead_letter_topic_on_another_cluster_needs_a_restart() {
    let letter = |broker: &str| {
        let mut pipeline = pipeline();
        pipeline.errors.tolerance = Tolerance::All;
        let cluster = Endpoint { connector: "log".to_owned(), options: options(&[("brokers", broker)]) };
        pipeline.errors.dead_letter = Some(DeadLetter { topic: "dlq".to_owned(), cluster });
        pipeline
    };
    let diff = diff(Some(&letter("a:1")), Some(&letter("b:1")), &CATALOG).unwrap();
    let changes: Vec<(&str, ChangeClass)> = diff.changes.iter().map(|change| (change.path.as_str(), change.class)).collect();
    assert_eq!(changes, [("errors.dead_letter.cluster", ChangeClass::Restart)]);
}

#[test]
fn statements_may_change_places() {
    let two = |first: &str, second: &str| {
        let mut pipeline = pipeline();
        pipeline.routes = vec![route(first, first), route(second, second)];
        pipeline
    };
    let diff = diff(Some(&two("a", "b")), Some(&two("b", "a")), &CATALOG).unwrap();
    assert_eq!(diff.action, Action::None, "{:?}", diff.changes);
}

#[test]
fn a_statement_that_goes_while_another_comes() {
    let mut before = pipeline();
    before.routes.push(route("users", "users"));
    let mut after = pipeline();
    after.routes.push(route("carts", "carts"));
    let diff = diff(Some(&before), Some(&after), &CATALOG).unwrap();
    let paths: Vec<(&str, ChangeClass)> = diff.changes.iter().map(|change| (change.path.as_str(), change.class)).collect();
    assert_eq!(
        paths,
        [("kcql[1].from", ChangeClass::GapRisk), ("kcql[1].into", ChangeClass::NewLayout)],
        "taken for the same statement, which is the careful reading"
    );
}

#[test]
fn options_that_are_gone_or_of_nobody() {
    assert_eq!(changed(|after| drop(after.source.options.0.remove("group"))), ["gap risk: source.log.group orders -> -"]);
    assert_eq!(changed(|after| set(&mut after.source.options, "odd", "1")), ["restart: source.log.odd - -> 1"]);
    assert_eq!(changed(|after| after.sink.connector = "log".to_owned()), ["new layout: sink store -> log"]);
}

#[test]
fn values_are_read_in_another_format() {
    assert_eq!(changed(|after| after.routes[0].decode.format = ValueFormat::Text), ["restart: kcql[0].value.format json -> text"]);
    assert_eq!(changed(|after| tail(after).keep_partition_columns = false), ["schema break: kcql[0].partition.keep true -> false"]);
}

#[test]
fn records_change_their_form() {
    let with = |format| {
        let mut pipeline = pipeline();
        pipeline.routes[0].tail = Tail::Records(RecordTail { topic: TopicName::Fixed("t".to_owned()), key: KeyPlan::Keep, format });
        pipeline
    };
    let json = Some(FileFormat::Json { compression: Compression::None });
    let change = diff(Some(&with(None)), Some(&with(json)), &CATALOG).unwrap();
    assert_eq!(change.worst(), ChangeClass::SchemaBreak);
    assert_eq!(change.changes[0].before.as_deref(), Some("as it came"));
    let files = diff(Some(&with(None)), Some(&pipeline()), &CATALOG).unwrap();
    assert_eq!(files.action, Action::None, "records and files differ by their connector, which is the same here");
}

#[test]
fn every_change_is_one_that_consent_covers() {
    let before = pipeline();
    let edits: [fn(&mut Pipeline); 6] = [
        |after| set(&mut after.source.options, "group", "x"),
        |after| set(&mut after.source.options, "from", "latest"),
        |after| set(&mut after.sink.options, "endpoint", "x"),
        |after| after.promise.guarantee = Guarantee::AtMostOnce,
        |after| drop(after.routes[0].project.as_mut().unwrap().pop()),
        |after| after.routes.clear(),
    ];
    let mut flags = Vec::new();
    for edit in edits {
        let mut after = pipeline();
        edit(&mut after);
        let change = diff(Some(&before), Some(&after), &CATALOG).unwrap();
        let consents = change.consents();
        assert_eq!(consents.len(), 1, "{:?}", change.changes);
        flags.extend(consents[0].flag());
    }
    assert_eq!(flags, ["--accept-gap", "--allow-replay", "--yes", "--allow-weaker", "--allow-schema-break", "--allow-delete"]);
}

#[test]
fn folders_and_keys_of_columns_that_are_read_as_something_else() {
    let at = |unit| crate::plan::DecodeColumn { path: vec!["ts".to_owned()], data_type: DataType::Timestamp(unit), nullable: true };
    let mut before = pipeline();
    before.routes[0].decode.columns = vec![at(crate::plan::TimeUnit::Millisecond)];
    let day = PartitionItem::Time {
        expr: Expr::Column(0),
        pattern: "yyyy-MM-dd".to_owned(),
        zone: "UTC".to_owned(),
        name: Some("date".to_owned()),
    };
    tail(&mut before).partition = vec![day];
    let mut after = before.clone();
    after.routes[0].decode.columns = vec![at(crate::plan::TimeUnit::Microsecond)];
    let change = diff(Some(&before), Some(&after), &CATALOG).unwrap();
    assert_eq!((change.changes.len(), change.worst()), (1, ChangeClass::NewLayout));
    let one = &change.changes[0];
    assert_eq!(
        (one.path.as_str(), one.before.as_deref(), one.after.as_deref()),
        ("kcql[0].partition_by", Some("ts as timestamp"), Some("ts as timestamp(6)"))
    );
    after.routes[0].decode.columns[0].path = vec!["t".to_owned(), "s".to_owned()];
    before.routes[0].decode.columns = after.routes[0].decode.columns.clone();
    before.routes[0].decode.columns[0].path = vec!["t.s".to_owned()];
    let change = diff(Some(&before), Some(&after), &CATALOG).unwrap();
    assert_eq!(change.changes[0].before.as_deref(), Some("date={`t.s` as yyyy-MM-dd in UTC}"), "a field with a dot is not a path");
}
