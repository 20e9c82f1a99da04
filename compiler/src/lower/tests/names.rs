use proptest::prelude::*;

use super::*;
use crate::plan::TopicName;

#[test]
fn a_statement_becomes_a_route() {
    let route = log_to_log("INSERT INTO copy SELECT * FROM orders").route();
    assert_eq!(route.statement, "INSERT INTO copy SELECT * FROM orders");
    assert_eq!((route.from.as_str(), &route.project), ("orders", &None));
    let Tail::Records(tail) = route.tail else { panic!("a sink of records") };
    assert_eq!((tail.topic, tail.format), (TopicName::Fixed("copy".to_owned()), None));
}

#[test]
fn illegal_names_are_said_where_they_stand() {
    assert_eq!(
        log_to_log("INSERT INTO a/b SELECT * FROM `x y`").said(),
        ["KP0301: a Kafka topic cannot contain `/` [12-15: this name]", "KP0301: a Kafka topic cannot contain a blank [30-35: this name]",]
    );
    assert_eq!(
        log_to_store("INSERT INTO My_Lake SELECT * FROM orders").said(),
        ["KP0301: `My_Lake` is not a bucket name: it has capitals [12-19: this name]"]
    );
    assert_eq!(
        log_to_store("INSERT INTO `lake:../x` SELECT * FROM orders").said(),
        ["KP0301: the path `../x` has the folder `.` or `..` [12-23: this name]"]
    );
}

#[test]
fn bad_filters_are_refused() {
    for (kcql, message) in [
        ("INSERT INTO t SELECT * FROM `a#`", "`#` must be the last level of an MQTT filter and stand alone in it, but here is `a#`"),
        ("INSERT INTO t SELECT * FROM `#/a`", "`#` must be the last level of an MQTT filter and stand alone in it, but here is `#/a`"),
        ("INSERT INTO t SELECT * FROM +x", "`+` must stand alone in a level of an MQTT filter, but here is `+x`"),
        ("INSERT INTO t SELECT * FROM $share/g", "a shared subscription is written `$share/group/filter`; the filter is missing"),
    ] {
        let said = queue_to_log(kcql).said();
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].starts_with(&format!("KP0301: {message}")), "{said:?}");
    }
    assert_eq!(queue_to_log("INSERT INTO t SELECT * FROM $share/g/telemetry/+/#").route().from, "$share/g/telemetry/+/#");
}

#[test]
fn one_filter_twice_is_an_error_and_overlap_a_warning() {
    assert_eq!(
        queue_to_log("INSERT INTO t SELECT * FROM a/+; INSERT INTO u SELECT * FROM a/+").said(),
        ["KP0302: two statements read the filter `a/+` [61-64: and here] [28-31: read here]"]
    );
    let (lowered, said) = queue_to_log("INSERT INTO t SELECT * FROM a/+; INSERT INTO u SELECT * FROM a/b").lower();
    assert_eq!(said, ["warning KP0303: the filters `a/+` and `a/b` match the same topics [61-64: and here] [28-31: read here]"]);
    assert_eq!(lowered.unwrap().pipeline.routes.len(), 2);
}

#[test]
fn two_statements_may_read_one_topic() {
    let pipeline = log_to_log("INSERT INTO t SELECT * FROM a; INSERT INTO u SELECT * FROM a").pipeline();
    assert_eq!(pipeline.routes.iter().map(|route| route.from.as_str()).collect::<Vec<_>>(), ["a", "a"]);
}

#[test]
fn the_sources_topic_is_a_target() {
    let route = queue_to_log("INSERT INTO `$` SELECT * FROM telemetry/+").route();
    let Tail::Records(tail) = route.tail else { panic!("a sink of records") };
    assert_eq!(tail.topic, TopicName::OfSource);
    assert_eq!(
        queue_to_log("INSERT INTO `$` SELECT * FROM `a b/+`").said(),
        ["KP0307: no topic that matches `a b/+` can be the name of a Kafka topic: a Kafka topic cannot contain a blank \
             [30-37: this filter] [12-15: its topics become Kafka topics]"]
    );
}

#[test]
fn a_pipeline_does_not_read_what_it_writes() {
    let same = |kcql| log_to_log(kcql).source_option("brokers", list(&["b:9092"]));
    let message = "KP0306: this statement would read what it writes, for ever";
    assert_eq!(same("INSERT INTO a SELECT * FROM a").said(), [format!("{message} [12-13: written here] [28-29: read here]")]);
    assert!(same("INSERT INTO `$` SELECT * FROM a").said()[0].starts_with(message));
    assert_eq!(same("INSERT INTO b SELECT * FROM a").said(), [""; 0]);
    assert_eq!(log_to_log("INSERT INTO a SELECT * FROM a").said(), [""; 0]);
}

#[test]
fn prefixes_come_from_the_statement_or_the_file() {
    let tail = |kcql| log_to_store(kcql).sink_option("prefix", text("raw/")).tail();
    assert_eq!(tail("INSERT INTO lake SELECT * FROM orders").prefix, "raw");
    assert_eq!(tail("INSERT INTO lake:other/x SELECT * FROM orders").prefix, "other/x");
    let folder = Case { sink: &DIR, ..log_to_store("INSERT INTO orders/eu SELECT * FROM orders") }.tail();
    assert_eq!((folder.bucket.as_str(), folder.prefix.as_str()), ("", "orders/eu"));
    assert_eq!(
        log_to_store("INSERT INTO lake:x SELECT * FROM orders").sink_option("prefix", text("/abs")).said(),
        ["KP0301: the path `/abs` begins with `/` [yaml: this prefix]"]
    );
}

#[test]
fn clauses_that_nobody_honours_are_errors() {
    assert_eq!(
        log_to_log("INSERT INTO a SELECT * FROM b PARTITIONBY c STOREAS JSON").said(),
        [
            "KP0309: PARTITIONBY has no effect from `log` to `log` [30-43: nobody would read this]",
            "KP0309: STOREAS has no effect from `log` to `log` [44-56: nobody would read this]",
        ]
    );
    assert_eq!(
        log_to_store("INSERT INTO lake SELECT * FROM b WITHKEY(c)").said(),
        ["KP0309: WITHKEY has no effect from `log` to `store` [33-43: nobody would read this]"]
    );
    assert_eq!(
        log_to_log("INSERT INTO a SELECT * FROM b LIMIT 10 BATCH = 5").said(),
        [
            "KP0310: LIMIT is a clause of KCQL that neither `log` nor `log` honours [36-38: nobody would read this]",
            "KP0310: BATCH is a clause of KCQL that neither `log` nor `log` honours [39-48: nobody would read this]",
        ]
    );
    assert_eq!(
        log_to_log("UPSERT INTO a SELECT * FROM b").said(),
        ["KP0305: `log` adds records and replaces none, so it has no UPSERT [0-6: not here]"]
    );
}

#[test]
fn mistakes_of_the_text_come_with_those_of_the_meaning() {
    let said = log_to_log("INSERT INTO a SELECT * FROM b STORAS JSON; INSERT INTO a/b SELECT * FROM c").said();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with("KP01") && said[1].starts_with("KP0301"), "{said:?}");
}

#[test]
fn every_topic_at_once_is_not_built() {
    assert_eq!(
        log_to_log("INSERT INTO a SELECT * FROM `*`").said(),
        ["KP0304: reading every topic is known, but not supported yet [28-31: every topic]"]
    );
}

/// Pieces of statements, put together at random.
fn any_statement() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["a", "lake:x", "`$`", "+/b", "a#", "t.1", "'x y'", "$share/g/a", "*"]);
    let item =
        prop::sample::select(vec!["*", "a", "a.b AS c", "_topic", "_key.x", "_header.h", "_value.z", "_offset", "meta.*", "id", "ts"]);
    let folder = prop::sample::select(vec!["a", "_date.`yyyy/MM`", "_date.daily", "_date", "_partition", "c", "`x/y`", "ts", "_date.`qq`"]);
    let clause = prop::sample::select(vec![
        "",
        "STOREAS PARQUET",
        "STOREAS JSON (compression=gzip)",
        "WITHKEY(a, _topic)",
        "KEYDELIMITER='-'",
        "NOPARTITION",
        "LIMIT 5",
        "WITHCONVERTER=`x.JsonSimpleConverter`",
        "PROPERTIES('flush.count'=7)",
        "PROPERTIES('nope'=x)",
        "BATCH=5",
        "STOREAS TEXT",
    ]);
    let items = prop::collection::vec(item, 1..4);
    let folders = prop::collection::vec(folder, 0..3);
    (name.clone(), items, name, folders, clause).prop_map(|(into, items, from, folders, clause)| {
        let partition = if folders.is_empty() { String::new() } else { format!(" PARTITIONBY {}", folders.join(", ")) };
        format!("INSERT INTO {into} SELECT {} FROM {from}{partition} {clause}", items.join(", "))
    })
}

proptest! {
    #[test]
    fn every_statement_becomes_a_route_or_is_refused(kcql in any_statement(), ends in 0..3, schema in any::<bool>(), json in any::<bool>()) {
        // The text lives as long as the process: these are few.
        let kcql: &'static str = Box::leak(kcql.into_boxed_str());
        let case = match ends {
            0 => log_to_store(kcql),
            1 => log_to_log(kcql),
            _ => queue_to_log(kcql),
        };
        let case = case.source_option("value.format", text(if json { "json" } else { "bytes" }));
        let case = if schema { case.schema("id: bigint not null, a: string, ts: timestamp, meta: struct<x: int>") } else { case };
        // That one of both comes out is asserted there.
        let (lowered, _) = case.lower();
        if let Some(lowered) = lowered {
            let text = serde_json::to_string(&lowered.pipeline).unwrap();
            prop_assert_eq!(serde_json::from_str::<Pipeline>(&text).unwrap(), lowered.pipeline);
        }
    }
}
