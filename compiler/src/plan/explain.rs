//! A pipeline's plan in lines for people.

use super::naming::FileNumbers;
use super::wording::{expr_text, format_text, key_text, partition_text, show, show_bytes, show_ms, target_text};
use super::{
    CommitProtocol, Decode, Endpoint, ErrorPolicy, Expr, FileTail, Flush, Options, PartitionItem, Pipeline, Projection, RecordTail, Route,
    Schedule, Tail, Tolerance, ValueFormat,
};
use crate::promise::word;
use crate::schema::type_text;
use crate::time_pattern::TimePattern;

/// One line: what it is about, and what there is to say. A line that belongs to the one before has no title.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// `source`, `statement`, `promise`; empty where the line before goes on.
    pub title: &'static str,
    /// The rest.
    pub text: String,
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:<10} {}", self.title, self.text)
    }
}

/// The offsets and times of example names: any will do, but always the same.
const EXAMPLE: FileNumbers = FileNumbers {
    partition: 0,
    first_offset: 1042,
    last_offset: 1999,
    first_timestamp_ms: 1_646_611_200_000,
    last_timestamp_ms: 1_646_614_799_000,
};

/// What a pipeline does, from source to promise.
#[must_use]
pub fn explain(pipeline: &Pipeline) -> Vec<Line> {
    let Pipeline { name: _, source, sink, sampled: _, routes, flush, commit, errors, promise } = pipeline;
    let mut lines = vec![line("source", endpoint(source)), line("sink", endpoint(sink))];
    for route in routes {
        explain_route(&mut lines, route);
    }
    if let Some(flush) = flush {
        lines.push(line("flush", flush_text(flush)));
        lines.push(line("commit", commit_text(*commit, &sink.options)));
    }
    lines.push(line("errors", errors_text(errors)));
    lines.push(line("promise", format!("{}: {}", word(promise.guarantee), promise.reason)));
    lines
}

/// How files come to count, for people.
fn commit_text(commit: CommitProtocol, sink: &Options) -> String {
    let why = match (commit, sink.text("commit.protocol"), sink.text("compat")) {
        (commit, Some(asked), _) if asked == commit.word() && asked != "auto" => "`commit.protocol` asks for it".to_owned(),
        (CommitProtocol::Auto | CommitProtocol::Ledger | CommitProtocol::Kafka, ..) => {
            "the strongest that this source and these names allow".to_owned()
        }
        (CommitProtocol::Deterministic, _, Some(compat)) => format!("names of `compat: {compat}` hold one offset"),
        (CommitProtocol::Deterministic, ..) => "the source begins where it stood itself, not where a ledger says".to_owned(),
    };
    match commit {
        CommitProtocol::Auto | CommitProtocol::Ledger => {
            format!("ledger: one record names the files of a set, then they are made visible ({why})")
        }
        CommitProtocol::Kafka => {
            format!("kafka: one record names the files of a set, the group's offset names the record, then they are made visible ({why})")
        }
        CommitProtocol::Deterministic => format!("deterministic: files are made visible, then the position moves ({why})"),
    }
}

fn line(title: &'static str, text: impl Into<String>) -> Line {
    Line { title, text: text.into() }
}

/// The options that say where; the rest stands in the file.
pub(super) fn endpoint(endpoint: &Endpoint) -> String {
    let Endpoint { connector, options } = endpoint;
    let shown = ["brokers", "url", "endpoint", "region", "dir", "group", "client_id", "from", "qos"];
    let Options(values) = options;
    let texts: Vec<String> = shown.iter().filter_map(|path| values.get(*path).map(|value| format!("{path} {}", show(value)))).collect();
    if texts.is_empty() { connector.clone() } else { format!("{connector}: {}", texts.join(", ")) }
}

fn explain_route(lines: &mut Vec<Line>, route: &Route) {
    let Route { statement, from, decode, filter, project, tail } = route;
    let names: Vec<String> = decode.columns.iter().map(|column| column.path.join(".")).collect();
    let mut texts = statement.lines();
    lines.push(line("statement", texts.next().unwrap_or_default()));
    lines.extend(texts.map(|text| line("", text)));
    lines.push(line("  reads", format!("{from}, {}", values(decode))));
    if let Some(filter) = filter {
        lines.push(line("  where", expr_text(filter, &names)));
    }
    match project {
        None => lines.push(line("  columns", "the value as it came")),
        Some(columns) => lines.extend(columns_text(columns, &names)),
    }
    lines.push(line("  writes", format!("{}, {}", target_text(tail), written(tail))));
    match tail {
        Tail::Records(RecordTail { key, topic: _, format: _ }) => {
            lines.push(line("  key", key_text(key, &names)));
        }
        Tail::Files(files) => {
            lines.push(line("  folders", partition_text(&files.partition, &names)));
            lines.push(line("  example", example_name(files, from, &names)));
        }
    }
}

pub(super) fn values(decode: &Decode) -> &'static str {
    match (decode.format, decode.columns.is_empty()) {
        (ValueFormat::Bytes, _) => "values not looked into",
        (ValueFormat::Text, _) => "values are text",
        (ValueFormat::Json, true) => "values checked to be JSON",
        (ValueFormat::Json, false) => "values decoded from JSON",
    }
}

pub(super) fn written(tail: &Tail) -> String {
    match tail {
        Tail::Records(RecordTail { format: None, .. }) => "records as they came".to_owned(),
        Tail::Records(RecordTail { format: Some(format), .. }) => format!("records as {}", format_text(format)),
        Tail::Files(files) => format!("files of {}", format_text(&files.format)),
    }
}

/// One line a column: `name  type  from`.
fn columns_text(columns: &[Projection], names: &[String]) -> Vec<Line> {
    let width = columns.iter().map(|column| column.name.chars().count()).max().unwrap_or(0);
    let kind = |column: &Projection| format!("{}{}", type_text(&column.data_type), if column.nullable { "" } else { " not null" });
    let kinds: Vec<String> = columns.iter().map(kind).collect();
    let kind_width = kinds.iter().map(String::len).max().unwrap_or(0).min(40);
    columns
        .iter()
        .zip(kinds)
        .enumerate()
        .map(|(index, (column, kind))| {
            let from = expr_text(&column.expr, names);
            let from = if from == column.name { String::new() } else { format!(" from {from}") };
            let text = format!("{:<width$}  {kind:<kind_width$}{from}", column.name);
            line(if index == 0 { "  columns" } else { "" }, text.trim_end())
        })
        .collect()
}

pub(super) fn flush_text(flush: &Flush) -> String {
    let Flush { records, bytes, interval_ms, idle_ms, schedule } = flush;
    let records = records.map(|records| if records == 1 { "1 record".to_owned() } else { format!("{records} records") });
    let interval = interval_ms.map(|ms| format!("{} since the first record", show_ms(ms)));
    let idle = idle_ms.map(|ms| format!("{} without one", show_ms(ms)));
    let limits: Vec<String> = [records, Some(show_bytes(*bytes)), interval, idle].into_iter().flatten().collect();
    let limits = one_of_texts(&limits);
    match schedule {
        None => format!("after {limits}"),
        Some(schedule) => format!("{}, or after {limits}", schedule_text(schedule)),
    }
}

/// `a, b, or c`.
fn one_of_texts(texts: &[String]) -> String {
    match texts {
        [] => String::new(),
        [only] => only.clone(),
        [one, other] => format!("{one} or {other}"),
        [most @ .., last] => format!("{}, or {last}", most.join(", ")),
    }
}

/// The grid in words, with what becomes of a step that does not divide a day.
fn schedule_text(schedule: &Schedule) -> String {
    const DAY_MS: u64 = 86_400_000;
    let Schedule { every_ms, zone } = schedule;
    match *every_ms {
        DAY_MS => format!("at midnight in {zone}"),
        every if DAY_MS.is_multiple_of(every) => format!("every {} from midnight in {zone}", show_ms(every)),
        every => format!("every {} from midnight in {zone} and at midnight", show_ms(every)),
    }
}

pub(super) fn errors_text(errors: &ErrorPolicy) -> String {
    let ErrorPolicy { tolerance, dead_letter, retry_timeout_ms, retry_delay_max_ms: _ } = errors;
    let bad = match (tolerance, dead_letter) {
        (Tolerance::None, _) => "the first bad record stops the pipeline".to_owned(),
        (Tolerance::All, None) => "bad records are counted, logged and dropped".to_owned(),
        (Tolerance::All, Some(letter)) => format!("bad records go to the topic {}", letter.topic),
    };
    let away = match retry_timeout_ms {
        None => "a system that is away is waited for".to_owned(),
        Some(timeout) => format!("a system that is away is waited for up to {}", show_ms(*timeout)),
    };
    format!("{bad}; {away}")
}

/// How an object would be called: the real names with values in braces and offsets of an example.
#[must_use]
pub fn example_name(files: &FileTail, from: &str, columns: &[String]) -> String {
    // A pattern is not what a file is called.
    let topic = if from.contains(['*', '?', '/']) { "{_topic}" } else { from };
    let mut parts = vec![files.bucket.clone(), files.root(topic)];
    parts.retain(|part| !part.is_empty());
    parts.extend(files.partition.iter().map(|item| example_folder(item, columns)));
    parts.push(files.file_name(topic, &EXAMPLE));
    parts.join("/")
}

fn example_folder(item: &PartitionItem, columns: &[String]) -> String {
    let value = |expr: &Expr| match expr {
        Expr::Partition => "0".to_owned(),
        other => format!("{{{}}}", expr_text(other, columns)),
    };
    match item {
        PartitionItem::Value { name: Some(name), expr } => format!("{name}={}", value(expr)),
        PartitionItem::Value { name: None, expr } => value(expr),
        PartitionItem::Time { expr: _, pattern, zone, name } => {
            let name = name.as_ref().map_or(String::new(), |name| format!("{name}="));
            format!("{name}{}", example_time(pattern, zone))
        }
    }
}

/// A pattern written for the time of the example; the pattern itself if it is none.
fn example_time(pattern: &str, zone: &str) -> String {
    let time = jiff::Timestamp::from_millisecond(EXAMPLE.first_timestamp_ms).and_then(|time| time.in_tz(zone));
    match (TimePattern::parse(pattern), time) {
        (Ok(parsed), Ok(time)) => parsed.format(&time),
        (Err(_), _) | (_, Err(_)) => format!("{{{pattern}}}"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::plan::{
        Compression, DataType, DeadLetter, DecodeColumn, FileFormat, Guarantee, KeyPlan, Naming, OptionValue, Promise, TopicName,
    };

    fn endpoint(connector: &str, pairs: &[(&str, &str)]) -> Endpoint {
        let options = pairs.iter().map(|(path, text)| ((*path).to_owned(), OptionValue::Text((*text).to_owned())));
        Endpoint { connector: connector.to_owned(), options: Options(options.collect()) }
    }

    pub(in crate::plan) fn files() -> Route {
        Route {
            statement: "INSERT INTO lake:orders\nSELECT id, meta.site AS site\nFROM orders".to_owned(),
            from: "orders".to_owned(),
            decode: Decode {
                format: ValueFormat::Json,
                columns: vec![
                    DecodeColumn { path: vec!["id".to_owned()], data_type: DataType::Int64, nullable: false },
                    DecodeColumn { path: vec!["meta".to_owned(), "site".to_owned()], data_type: DataType::String, nullable: true },
                ],
            },
            filter: None,
            project: Some(vec![
                Projection { name: "id".to_owned(), expr: Expr::Column(0), data_type: DataType::Int64, nullable: false },
                Projection { name: "site".to_owned(), expr: Expr::Column(1), data_type: DataType::String, nullable: true },
            ]),
            tail: Tail::Files(FileTail {
                bucket: "lake".to_owned(),
                prefix: "orders".to_owned(),
                partition: vec![
                    PartitionItem::Value { name: Some("site".to_owned()), expr: Expr::Column(1) },
                    PartitionItem::Time {
                        expr: Expr::Timestamp,
                        pattern: "yyyy/MM/dd".to_owned(),
                        zone: "Australia/Sydney".to_owned(),
                        name: Some("date".to_owned()),
                    },
                ],
                keep_partition_columns: true,
                format: FileFormat::Parquet { compression: Compression::Zstd(1), row_group_bytes: 64 << 20 },
                naming: Naming::Kpipe,
            }),
        }
    }

    pub(in crate::plan) fn pipeline(route: Route) -> Pipeline {
        Pipeline {
            name: "p".to_owned(),
            source: endpoint("kafka", &[("brokers", "a:9092"), ("group", "p"), ("client", "hidden")]),
            sink: endpoint("s3", &[]),
            sampled: None,
            routes: vec![route],
            flush: Some(Flush {
                records: Some(1000),
                bytes: 128 << 20,
                interval_ms: Some(600_000),
                idle_ms: Some(300_000),
                schedule: None,
            }),
            errors: ErrorPolicy { tolerance: Tolerance::None, dead_letter: None, retry_timeout_ms: None, retry_delay_max_ms: 1 },
            commit: CommitProtocol::Deterministic,
            promise: Promise { guarantee: Guarantee::AtLeastOnce, reason: "because".to_owned() },
        }
    }

    fn text(pipeline: &Pipeline) -> String {
        explain(pipeline).iter().map(|line| format!("{line}\n")).collect()
    }

    #[test]
    fn files_show_their_columns_and_a_name() {
        assert_eq!(
            text(&pipeline(files())),
            "\
source     kafka: brokers a:9092, group p
sink       s3
statement  INSERT INTO lake:orders
           SELECT id, meta.site AS site
           FROM orders
  reads    orders, values decoded from JSON
  columns  id    bigint not null
           site  string          from meta.site
  writes   lake:orders, files of parquet, zstd level 1, row groups of 64MiB
  folders  site={meta.site}/date={_timestamp as yyyy/MM/dd in Australia/Sydney}
  example  lake/orders/site={meta.site}/date=2022/03/07/orders-0-000000001042-000000001999.parquet
flush      after 1000 records, 128MiB, 10m since the first record, or 5m without one
commit     deterministic: files are made visible, then the position moves (the source begins where it stood itself, not where a ledger says)
errors     the first bad record stops the pipeline; a system that is away is waited for
promise    at_least_once: because
"
        );
    }

    #[test]
    fn a_schedule_is_told_as_it_falls() {
        let text = |every_ms, records, interval_ms, idle_ms| {
            let schedule = Some(Schedule { every_ms, zone: "Europe/Berlin".to_owned() });
            flush_text(&Flush { records, bytes: 1 << 20, interval_ms, idle_ms, schedule })
        };
        assert_eq!(text(3_600_000, None, None, None), "every 1h from midnight in Europe/Berlin, or after 1MiB");
        assert_eq!(text(86_400_000, Some(5), None, None), "at midnight in Europe/Berlin, or after 5 records or 1MiB");
        assert_eq!(
            text(25_200_000, None, Some(1000), Some(60_000)),
            "every 7h from midnight in Europe/Berlin and at midnight, or after 1MiB, 1s since the first record, or 1m without one"
        );
    }

    #[test]
    fn records_show_their_key() {
        let mut route = files();
        route.project = None;
        route.decode = Decode { format: ValueFormat::Bytes, columns: Vec::new() };
        route.statement = "INSERT INTO `$` SELECT * FROM orders".to_owned();
        route.tail = Tail::Records(RecordTail { topic: TopicName::OfSource, key: KeyPlan::SourceTopic, format: None });
        let mut pipeline = pipeline(route);
        pipeline.flush = None;
        pipeline.errors = ErrorPolicy {
            tolerance: Tolerance::All,
            dead_letter: Some(DeadLetter { topic: "dlq".to_owned(), cluster: endpoint("kafka", &[]) }),
            retry_timeout_ms: Some(60_000),
            retry_delay_max_ms: 1,
        };
        let text = text(&pipeline);
        assert!(text.contains("  reads    orders, values not looked into\n  columns  the value as it came\n"), "{text}");
        assert!(text.contains("  writes   the source's topic, records as they came\n  key      the source's topic\n"), "{text}");
        assert!(text.contains("errors     bad records go to the topic dlq; a system that is away is waited for up to 1m\n"), "{text}");
    }

    #[test]
    fn example_names_follow_the_naming() {
        let Tail::Files(mut files) = files().tail else { panic!("a sink of files") };
        files.naming = Naming::Confluent;
        files.format = FileFormat::Json { compression: Compression::None };
        files.partition = vec![
            PartitionItem::Value { name: Some("partition".to_owned()), expr: Expr::Partition },
            PartitionItem::Time { expr: Expr::Timestamp, pattern: "'year'=yyyy".to_owned(), zone: "UTC".to_owned(), name: None },
        ];
        assert_eq!(example_name(&files, "orders", &[]), "lake/orders/orders/partition=0/year=2022/orders+0+0000001042.json");
        files.partition =
            vec![PartitionItem::Time { expr: Expr::Timestamp, pattern: "yyyy".to_owned(), zone: "Nowhere/Land".to_owned(), name: None }];
        assert_eq!(example_name(&files, "orders", &[]), "lake/orders/orders/{yyyy}/orders+0+0000001042.json");
        files.partition.clear();
        assert_eq!(example_name(&files, "in/*.log", &[]), "lake/orders/{_topic}/{_topic}+0+0000001042.json");
    }
}
