use super::*;
use crate::plan::naming::FileNumbers;
use crate::plan::{Compression, Expr, Naming, PartitionItem};

const STAR: &str = "INSERT INTO lake SELECT * FROM orders";

#[track_caller]
fn folders(case: Case) -> String {
    let route = case.route();
    let columns: Vec<String> = route.decode.columns.iter().map(|column| column.path.join(".")).collect();
    match route.tail {
        Tail::Files(tail) => crate::plan::wording::partition_text(&tail.partition, &columns),
        Tail::Records(_) => panic!("a sink of files"),
    }
}

#[test]
fn formats_and_codecs_of_a_clause_and_of_the_file() {
    let parquet = FileFormat::Parquet { compression: Compression::Zstd(1), row_group_bytes: 64 << 20 };
    let json = |compression| FileFormat::Json { compression };
    let columns = "INSERT INTO lake SELECT _topic FROM orders STOREAS PARQUET";
    assert_eq!(log_to_store(STAR).tail().format, json(Compression::None));
    assert_eq!(log_to_store(columns).sink_option("format", text("json")).tail().format, parquet);
    let gzip = format("json", &[("compression", text("gzip")), ("level", OptionValue::Integer(9))]);
    assert_eq!(log_to_store(STAR).sink_option("format", gzip).tail().format, json(Compression::Gzip(9)));
    let zstd = log_to_store("INSERT INTO lake SELECT * FROM orders STOREAS json (compression=zstd)");
    assert_eq!(zstd.tail().format, json(Compression::Zstd(3)));
    let snappy = format("parquet", &[("compression", text("snappy")), ("row_group", text("1MiB"))]);
    assert_eq!(
        log_to_store("INSERT INTO lake SELECT _topic FROM orders").sink_option("format", snappy).tail().format,
        FileFormat::Parquet { compression: Compression::Snappy, row_group_bytes: 1 << 20 }
    );
    let bytes = log_to_store("INSERT INTO lake SELECT * FROM orders STOREAS `BYTES`").sink_option("separator", text("\n"));
    assert_eq!(bytes.tail().format, FileFormat::Bytes { separator: "\n".to_owned() });
}

#[test]
fn format_and_codec_that_do_not_go_together() {
    assert_eq!(
        log_to_store(STAR).sink_option("format", format("json", &[("compression", text("snappy"))])).said(),
        ["KP0512: `snappy` is not available for `json` files [yaml: works with parquet only] [yaml: files written in this format]"]
    );
    assert_eq!(
        log_to_store("INSERT INTO lake SELECT _topic FROM t STOREAS PARQUET (compression=ztsd)").said(),
        ["KP0512: `ztsd` is not available for `parquet` files [67-71: did you mean `zstd`?] [46-53: files written in this format]"]
    );
}

#[test]
fn options_of_formats_are_checked() {
    let said = |clause: &'static str| log_to_store(clause).said();
    assert_eq!(
        said("INSERT INTO lake SELECT * FROM t STOREAS JSON (compresion=gzip)"),
        ["KP0337: `json` files have no option `compresion` [47-57: did you mean `compression`?]"]
    );
    assert_eq!(
        said("INSERT INTO lake SELECT * FROM t STOREAS JSON (compression=gzip, level=99)"),
        ["KP0338: `level` is a gzip level, 1 to 9, not `99` [71-73: out of range]"]
    );
    assert!(said("INSERT INTO lake SELECT * FROM t STOREAS JSON (level=3)")[0].contains("a level of a codec"));
    assert!(said("INSERT INTO lake SELECT * FROM t STOREAS JSON (compression=none, level=3)")[0].contains("for gzip and zstd only"));
    assert!(said("INSERT INTO lake SELECT _topic FROM t STOREAS PARQUET (row_group=1)")[0].contains("a size from 1KiB to 1GiB"));
    assert!(said("INSERT INTO lake SELECT _topic FROM t STOREAS PARQUET (level=0)")[0].contains("a zstd level, 1 to 22"));
}

#[test]
fn formats_that_there_are_not() {
    assert_eq!(
        log_to_store("INSERT INTO lake SELECT * FROM t STOREAS AVRO").said(),
        ["KP0335: files of the format `avro` are known, but not supported yet [41-45: not built yet]"]
    );
    assert_eq!(
        log_to_store("INSERT INTO lake SELECT * FROM t STOREAS PARKET").said(),
        ["KP0336: `parket` is not a format of files [41-47: did you mean `parquet`?]"]
    );
}

#[test]
fn columns_must_fit_the_files() {
    let said = |kcql, format: &str| log_to_store(kcql).source_option("value.format", text(format)).said();
    assert_eq!(
        said("INSERT INTO lake SELECT * FROM t STOREAS PARQUET", "json"),
        ["KP0424: Parquet files need columns, but the values have no schema [41-48: files are written here] [yaml: values are read here]"]
    );
    assert!(said("INSERT INTO lake SELECT a FROM t STOREAS PARQUET", "json")[0].starts_with("KP0424"));
    assert_eq!(
        said("INSERT INTO lake SELECT * FROM t", "bytes"),
        ["KP0425: `json` files need JSON values, but values are bytes here [yaml: files are written here] [yaml: values are read here]"]
    );
    assert!(said("INSERT INTO lake SELECT * FROM t STOREAS TEXT", "bytes")[0].contains("`text` files need text values"));
    assert!(said("INSERT INTO lake SELECT _topic FROM t STOREAS TEXT", "json")[0].starts_with("KP0426"));
    assert!(said("INSERT INTO lake SELECT _topic FROM t STOREAS BYTES", "json")[0].starts_with("KP0426"));
    assert_eq!(said("INSERT INTO lake SELECT _value, _key FROM t STOREAS PARQUET", "text"), [""; 0]);
}

#[test]
fn folders_of_columns_metadata_and_dates() {
    let kcql =
        "INSERT INTO lake SELECT meta.site AS place FROM t PARTITIONBY place, meta.rack, _partition, _key, _header.region, _date.`yyyy/MM`";
    assert_eq!(
        folders(log_to_store(kcql).schema("meta: struct<site: string, rack: int>")),
        "place={meta.site}/meta.rack={meta.rack}/partition={_partition}/key={_key}/region={_header.region}/date={_timestamp as yyyy/MM in UTC}"
    );
}

#[test]
fn the_file_says_folders_for_all_statements() {
    let yaml = list(&["country", "_date.'year'=yyyy/'month'=MM"]);
    let case = |kcql| log_to_store(kcql).sink_option("partition_by", yaml.clone()).sink_option("partition.zone", text("Asia/Tokyo"));
    assert_eq!(folders(case(STAR)), "country={country}/{_timestamp as 'year'=yyyy/'month'=MM in Asia/Tokyo}");
    assert_eq!(folders(case("INSERT INTO lake SELECT * FROM t PARTITIONBY a")), "a={a}");
    assert_eq!(folders(case("INSERT INTO lake SELECT * FROM t NOPARTITION")), "no folders");
}

#[test]
fn daily_and_hourly_are_words() {
    let of = |kcql| folders(log_to_store(kcql));
    assert_eq!(of("INSERT INTO lake SELECT * FROM t PARTITIONBY _date.daily"), "date={_timestamp as yyyy-MM-dd in UTC}");
    assert_eq!(of("INSERT INTO lake SELECT * FROM t PARTITIONBY _date.hourly"), "date={_timestamp as yyyy-MM-dd'/hour='HH in UTC}");
    assert_eq!(
        of("INSERT INTO lake SELECT * FROM t PARTITIONBY _date.hourly, a PROPERTIES('partition.include.keys'=false)"),
        "{_timestamp as yyyy-MM-dd/HH in UTC}/{a}"
    );
}

#[test]
fn time_partitions_need_a_time() {
    let case = |schema| {
        log_to_store("INSERT INTO lake SELECT * FROM t PARTITIONBY _date.daily")
            .schema(schema)
            .sink_option("partition.timestamp", text("ts"))
    };
    assert_eq!(folders(case("ts: timestamp")), "date={ts as yyyy-MM-dd in UTC}");
    assert_eq!(
        case("ts: string").said(),
        ["KP0412: a time partition needs a timestamp, but `ts` is string [yaml: string here] [yaml: the fields are declared here]"]
    );
    assert_eq!(folders(case("ts: string").sink_option("partition.parse", text("rfc3339"))), "date={ts as yyyy-MM-dd in UTC}");
    let untyped = log_to_store("INSERT INTO lake SELECT * FROM t PARTITIONBY _date.daily").sink_option("partition.timestamp", text("ts"));
    assert_eq!(
        untyped.said(),
        ["KP0412: a time partition needs a timestamp, but `ts` is of no declared type [yaml: of no declared type here]"]
    );
    assert!(case("ts: boolean").sink_option("partition.parse", text("millis")).said()[0].contains("`ts` is boolean"));
}

#[test]
fn patterns_are_pointed_into() {
    assert_eq!(
        log_to_store("INSERT INTO lake SELECT * FROM t PARTITIONBY _date.`yyyy/bb`").said(),
        ["KP0601: `b` is not a letter of a date pattern [57-59: in this pattern]"]
    );
    let (lowered, said) = log_to_store("INSERT INTO lake SELECT * FROM t PARTITIONBY _date.`YYYY/MM`").lower();
    assert!(lowered.is_some());
    assert_eq!(
        said,
        ["warning KP0602: `Y` is the year of the week: the last days of December can show the next year [52-56: these letters]"]
    );
    assert_eq!(
        log_to_store("INSERT INTO lake SELECT * FROM t PARTITIONBY _date").said(),
        ["KP0603: `_date` needs a pattern [45-50: which part of the time?]"]
    );
    assert_eq!(
        log_to_store("INSERT INTO lake SELECT * FROM t PARTITIONBY _date.daily").sink_option("partition.zone", text("Sydney")).said(),
        ["KP0604: `Sydney` is not a time zone [yaml: not in the time zone database]"]
    );
}

#[test]
fn folders_that_cannot_be_made_or_are_hardly_meant() {
    assert_eq!(
        log_to_store("INSERT INTO lake SELECT * FROM t PARTITIONBY `a/b`").said(),
        ["KP0605: `a/b` cannot be the name of a folder [45-50: a folder is called like its column]"]
    );
    assert_eq!(
        log_to_store("INSERT INTO lake SELECT * FROM t PARTITIONBY site, Site").said(),
        ["KP0606: two folders are called `Site` [51-55: this one too] [45-49: this one]"]
    );
    assert_eq!(
        log_to_store("INSERT INTO lake SELECT * FROM t PARTITIONBY tags").schema("tags: array<int>").said(),
        ["KP0406: a folder needs a single value, but `tags` is array<int> [45-49: array<int>] [yaml: the fields are declared here]"]
    );
    let (lowered, said) = log_to_store("INSERT INTO lake SELECT * FROM t PARTITIONBY _offset, _date.yyyy, _date.MM").lower();
    assert!(lowered.is_some());
    assert_eq!(
        said,
        [
            "warning KP0608: several `_date` items make several folders called `date` [33-74: in one path]",
            "warning KP0607: `_offset` makes a folder for nearly every record [45-52: a folder for each value]",
        ]
    );
    assert!(log_to_store(STAR).sink_option("partition_by", list(&["a..b"])).said()[0].starts_with("KP0611"));
}

#[test]
fn partition_columns_can_be_left_out_where_there_are_columns() {
    let no = || ("partition.keep", OptionValue::Boolean(false));
    let columns = log_to_store("INSERT INTO lake SELECT a, b FROM t PARTITIONBY a").sink_option(no().0, no().1);
    assert!(!columns.tail().keep_partition_columns);
    assert_eq!(
        log_to_store("INSERT INTO lake SELECT * FROM t PARTITIONBY a").sink_option(no().0, no().1).said(),
        ["KP0610: there are no columns to leave out: values pass through as they came [yaml: asked for here]"]
    );
}

#[test]
fn confluents_names_and_folders() {
    let confluent = |kcql| log_to_store(kcql).sink_option("compat", text("confluent"));
    let daily = confluent("INSERT INTO lake:topics-dir SELECT * FROM sample-sink PARTITIONBY _date.daily").tail();
    assert_eq!(daily.naming, Naming::Confluent);
    let own = confluent("INSERT INTO lake:topics-dir SELECT * FROM sample-sink PARTITIONBY _date.`'year'=YYYY/'month'=MM/'day'=dd`").tail();
    assert_eq!(daily, own);
    assert_eq!(
        daily.partition,
        [PartitionItem::Time {
            expr: Expr::Timestamp,
            pattern: "'year'=yyyy/'month'=MM/'day'=dd".to_owned(),
            zone: "UTC".to_owned(),
            name: None
        }]
    );
    let file = FileNumbers { partition: 0, first_offset: 0, last_offset: 0, first_timestamp_ms: 0, last_timestamp_ms: 0 };
    assert_eq!(daily.root("sample-sink"), "topics-dir/sample-sink");
    assert_eq!(daily.file_name("sample-sink", &file), "sample-sink+0+0000000000.json");
    assert_eq!(folders(confluent(STAR)), "partition={_partition}");
    assert_eq!(
        folders(confluent("INSERT INTO lake SELECT * FROM t PARTITIONBY outer.inner, _date.hourly")),
        "outer.inner={outer.inner}/{_timestamp as 'year'=yyyy/'month'=MM/'day'=dd/'hour'=HH in UTC}"
    );
}

#[test]
fn lenses_names_and_folders() {
    let lenses = |kcql| log_to_store(kcql).sink_option("compat", text("lenses"));
    assert_eq!(folders(lenses(STAR)), "{_topic}/{_partition}");
    assert_eq!(folders(lenses("INSERT INTO lake SELECT * FROM t PARTITIONBY _value.a.b, _topic")), "a.b={a.b}/topic={_topic}");
    let bytes = "INSERT INTO lake SELECT * FROM t STOREAS BYTES";
    assert_eq!(lenses(bytes).said(), ["KP0513: `compat: lenses` writes one record of bytes a file [yaml: asked for here]"]);
    let one = "INSERT INTO lake SELECT * FROM t STOREAS BYTES PROPERTIES('flush.count'=1)";
    assert_eq!(lenses(one).pipeline().flush.unwrap().records, Some(1));
}

#[test]
fn properties_are_the_options_under_other_names() {
    let kcql = "INSERT INTO lake SELECT * FROM t PROPERTIES('Flush.Count'=500, 'flush.size'='10mb', 'flush.interval'=60)";
    let case =
        log_to_store(kcql).sink_option("flush.records", OptionValue::Integer(7)).sink_option("flush.idle", OptionValue::DurationMs(9));
    let flush = case.pipeline().flush.unwrap();
    assert_eq!((flush.records, flush.bytes, flush.interval_ms, flush.idle_ms), (Some(500), 10_000_000, Some(60_000), Some(9)));
    let defaults = log_to_store(STAR).pipeline().flush.unwrap();
    assert_eq!((defaults.records, defaults.bytes, defaults.interval_ms, defaults.idle_ms), (None, 128 << 20, Some(600_000), Some(300_000)));
}

#[test]
fn a_schedule_replaces_the_clocks_that_nobody_asked_for() {
    let hourly = || log_to_store(STAR).sink_option("flush.schedule", OptionValue::DurationMs(3_600_000));
    let flush = hourly().pipeline().flush.unwrap();
    assert_eq!((flush.interval_ms, flush.idle_ms, flush.bytes), (None, None, 128 << 20));
    assert_eq!(flush.schedule, Some(Schedule { every_ms: 3_600_000, zone: "UTC".to_owned() }));
    let more = hourly().sink_option("flush.timezone", text("Australia/Sydney")).sink_option("flush.idle", OptionValue::DurationMs(9));
    let flush = Case { kcql: "INSERT INTO lake SELECT * FROM t PROPERTIES('flush.interval'=60)", ..more }.pipeline().flush.unwrap();
    assert_eq!((flush.interval_ms, flush.idle_ms), (Some(60_000), Some(9)), "what is written counts too");
    assert_eq!(flush.schedule.unwrap().zone, "Australia/Sydney");
}

#[test]
fn zones_of_schedules() {
    let zone = |zone: &str| log_to_store(STAR).sink_option("flush.timezone", text(zone));
    let hourly = |case: Case| case.sink_option("flush.schedule", OptionValue::DurationMs(3_600_000));
    assert_eq!(hourly(zone("Sydney")).said(), ["KP0604: `Sydney` is not a time zone [yaml: not in the time zone database]"]);
    assert_eq!(zone("Sydney").said().len(), 1, "no warning beside the error");
    assert_eq!(
        zone("Asia/Tokyo").said(),
        ["warning KP0514: `flush.timezone` is never used: without `flush.schedule` no file is closed by the hour of the day \
             [yaml: nothing is counted in it]"]
    );
    assert!(hourly(zone("Asia/Tokyo")).said().is_empty());
}

#[test]
fn wrong_properties() {
    let said = |kcql| log_to_store(kcql).said();
    assert_eq!(
        said("INSERT INTO lake SELECT * FROM t PROPERTIES('flush.cuont'=5, 'store.envelope'=true)"),
        [
            "KP0311: `store` has no property `flush.cuont` [44-57: did you mean `flush.count`?]",
            "KP0312: the property `store.envelope` is known, but not supported yet [61-77: not built yet]",
        ]
    );
    assert_eq!(
        said("INSERT INTO lake SELECT * FROM t PROPERTIES('flush.count'=0)"),
        ["KP0313: `flush.count` is a whole number from 1 on, not `0` [58-59: not this]"]
    );
    assert!(said("INSERT INTO lake SELECT * FROM t PROPERTIES('flush.size'=big)")[0].contains("is a size from 1B to 1TiB"));
    assert!(said("INSERT INTO lake SELECT * FROM t PROPERTIES('flush.interval'=-1)")[0].contains("in seconds without a unit"));
    assert!(said("INSERT INTO lake SELECT * FROM t PROPERTIES('partition.include.keys'=5)")[0].contains("is `true` or `false`"));
}

#[test]
fn statements_of_one_pipeline_flush_together() {
    let two =
        "INSERT INTO lake:a SELECT * FROM t PROPERTIES('flush.count'=5); INSERT INTO lake:b SELECT * FROM t PROPERTIES('flush.count'=6)";
    assert_eq!(
        log_to_store(two).said(),
        ["KP0314: two statements say `flush.count` differently, but the files of a pipeline are closed together \
             [124-125: and so here] [60-61: so here]"]
    );
    let same =
        "INSERT INTO lake:a SELECT * FROM t PROPERTIES('flush.count'=5); INSERT INTO lake:b SELECT * FROM t PROPERTIES('flush.count'=5)";
    assert_eq!(log_to_store(same).pipeline().flush.unwrap().records, Some(5));
}

#[test]
fn clauses_of_the_older_language_are_the_properties_of_today() {
    let old = "INSERT INTO lake:a SELECT * FROM t PARTITIONBY a \
        WITHPARTITIONER = Values WITH_FLUSH_SIZE = 5000000 WITH_FLUSH_INTERVAL = 60 WITH_FLUSH_COUNT = 500";
    let new = "INSERT INTO lake:a SELECT * FROM t PARTITIONBY a \
        PROPERTIES('partition.include.keys'=false, 'flush.size'=5000000, 'flush.interval'=60, 'flush.count'=500)";
    let said = log_to_store(old).said();
    assert!(said.len() == 4 && said.iter().all(|line| line.starts_with("warning KP0152: ")), "{said:?}");
    let flush = |kcql| log_to_store(kcql).pipeline().flush.map(|flush| (flush.records, flush.bytes, flush.interval_ms));
    assert_eq!((flush(old), flush(old)), (flush(new), Some((Some(500), 5_000_000, Some(60_000)))));
    assert_eq!(folders(log_to_store(old)), folders(log_to_store(new)));
    let errors = |kcql| {
        let said = log_to_store(kcql).said().into_iter().filter(|line| !line.starts_with("warning"));
        said.map(|line| line.split(" [").next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(errors("INSERT INTO lake SELECT * FROM t PARTITIONBY a WITHPARTITIONER = KeysAndValues"), [""; 0]);
    assert_eq!(
        errors("INSERT INTO lake SELECT * FROM t PARTITIONBY a WITHPARTITIONER = Sorted"),
        ["KP0313: WITHPARTITIONER is `KeysAndValues` or `Values`, not `Sorted`"]
    );
    assert_eq!(
        errors("INSERT INTO lake SELECT * FROM t WITH_FLUSH_COUNT = 5 PROPERTIES('Flush.Count'=6)"),
        ["KP0317: WITH_FLUSH_COUNT is the property `flush.count` of before, and that is there too"]
    );
}
