use super::*;
use crate::diff::{ChangeClass, diff};

const STAR: &str = "INSERT INTO lake SELECT * FROM orders";

#[test]
fn the_promise_is_part_of_the_plan() {
    assert_eq!(log_to_store(STAR).pipeline().promise.guarantee, Guarantee::AtLeastOnce);
    let zero = queue_to_log("INSERT INTO t SELECT * FROM a").source_option("qos", OptionValue::Integer(0));
    assert_eq!(zero.pipeline().promise.guarantee, Guarantee::AtMostOnce);
}

#[test]
fn more_than_can_be_promised_is_refused() {
    let exactly = |case: Case| Case { delivery: Some(Guarantee::ExactlyOnce), ..case }.said();
    assert_eq!(
        exactly(log_to_store(STAR)),
        [
            "KP0501: `exactly_once` into files needs a source that begins where the ledger says, and this one does not [yaml: asked for here] [yaml: begins where it stood itself]"
        ]
    );
    let confluent =
        log_to_store(STAR).sink_option("compat", text("confluent")).sink_option("flush.interval", OptionValue::DurationMs(60_000));
    assert_eq!(
        exactly(confluent),
        ["KP0501: `exactly_once` needs file boundaries that come out the same on every replay [yaml: asked for here] \
             [yaml: depends on when the process runs]"]
    );
    let zero = queue_to_log("INSERT INTO t SELECT * FROM a").source_option("qos", OptionValue::Integer(0));
    let zero = Case { delivery: Some(Guarantee::AtLeastOnce), ..zero };
    assert_eq!(
        zero.said(),
        ["KP0507: QoS 0 can lose messages, so `at_least_once` cannot be kept [yaml: asked for here] [yaml: sent once, acknowledged never]"]
    );
}

#[test]
fn messages_do_not_go_straight_into_files() {
    let said = Case { source: &QUEUE, ..log_to_store("INSERT INTO lake SELECT * FROM a/b") }.said();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("KP0502: a source that waits for each acknowledgement cannot feed files"));
}

#[test]
fn dead_letters_go_to_the_end_that_takes_records() {
    let letters = |case: Case| Case { tolerance: Tolerance::All, dead_letter: Some("dlq"), ..case };
    let from_source = letters(log_to_store(STAR)).pipeline().errors.dead_letter.unwrap();
    assert_eq!((from_source.topic.as_str(), from_source.cluster.connector.as_str()), ("dlq", "log"));
    assert_eq!(from_source.cluster.options.0.keys().collect::<Vec<_>>(), ["brokers"], "only what the sink knows");
    let from_sink = letters(log_to_log("INSERT INTO a SELECT * FROM b")).pipeline().errors.dead_letter.unwrap();
    assert_eq!(from_sink.cluster.options.texts("brokers"), ["b:9092"]);
}

#[test]
fn dead_letters_need_a_topic_a_cluster_and_tolerance() {
    let bad = Case { tolerance: Tolerance::All, dead_letter: Some("a/b"), ..log_to_store(STAR) };
    assert_eq!(bad.said(), ["KP0301: a Kafka topic cannot contain `/` [yaml: this topic]"]);
    let unused = Case { dead_letter: Some("dlq"), ..log_to_store(STAR) };
    assert_eq!(
        unused.said(),
        [
            "warning KP0316: `dead_letter` is never used: with `tolerance: none` the first bad record stops the pipeline [yaml: nothing goes here]"
        ]
    );
    let alone = Case {
        source: &QUEUE,
        sink: &DIR,
        tolerance: Tolerance::All,
        dead_letter: Some("dlq"),
        ..log_to_store("INSERT INTO x SELECT * FROM a")
    };
    assert!(alone.said()[0].starts_with("KP0315: `dead_letter` needs a Kafka cluster"));
}

#[test]
fn changes_find_their_place() {
    static CATALOG: crate::catalog::Catalog = crate::catalog::Catalog { connectors: &[&LOG, &STORE] };
    let before = log_to_store(STAR).pipeline();
    let (after, _) = log_to_store("INSERT INTO lake SELECT * FROM orders2 PARTITIONBY a")
        .sink_option("flush.records", OptionValue::Integer(5))
        .source_option("brokers", list(&["z:9092"]))
        .lower();
    let after = after.unwrap();
    let mut change = diff(Some(&before), Some(&after.pipeline), &CATALOG).unwrap();
    change.locate(&after.places);
    let places: Vec<(&str, Option<(usize, usize)>)> =
        change.changes.iter().map(|change| (change.path.as_str(), change.place.map(|at| (at.span.start, at.span.end)))).collect();
    assert_eq!(places.len(), 4);
    assert_eq!(places[2], ("kcql[0].from", Some((31, 38))));
    assert_eq!(places[3], ("kcql[0].partition_by", Some((39, 52))));
    assert!(places[0].0 == "source.log.brokers" && places[0].1.is_some());
    assert!(places[1].0 == "sink.store.flush.records" && places[1].1.is_some());
    assert_eq!(change.worst(), ChangeClass::GapRisk);
}

#[test]
fn the_same_input_is_the_same_plan() {
    let kcql = "INSERT INTO lake SELECT a, b.c AS d FROM t PARTITIONBY d, _date.daily STOREAS JSON (compression=zstd)";
    let plan = || serde_json::to_string(&log_to_store(kcql).pipeline()).unwrap();
    assert_eq!(plan(), plan());
}

#[test]
fn a_group_is_called_like_its_pipeline() {
    assert_eq!(log_to_store(STAR).pipeline().source.options.text("group"), Some("p"));
    assert_eq!(log_to_store(STAR).source_option("group", text("other")).pipeline().source.options.text("group"), Some("other"));
    assert_eq!(queue_to_log("INSERT INTO t SELECT * FROM a").pipeline().source.options.text("group"), None);
}

#[test]
fn a_dead_letter_takes_only_settings_that_its_end_has() {
    let client = OptionValue::Map([("keep".to_owned(), text("1")), ("fetch.min.bytes".to_owned(), text("2"))].into());
    let case = log_to_store(STAR).source_option("client", client).source_option("tls.ca", text("/ca.pem"));
    let letters = Case { tolerance: Tolerance::All, dead_letter: Some("dlq"), ..case };
    let options = letters.pipeline().errors.dead_letter.unwrap().cluster.options;
    assert_eq!(options.map("client"), [("keep", "1")].into());
    assert_eq!(options.text("tls.ca"), Some("/ca.pem"));
    assert_eq!(options.text("value.format"), None);
}

#[test]
fn places_fall_back_to_what_is_above() {
    let (lowered, _) = log_to_store("INSERT INTO lake SELECT a FROM orders").sink_option("compat", text("lenses")).lower();
    let places = lowered.unwrap().places;
    let span = |path: &str| places.find(path).map(|at| (at.span.start, at.span.end));
    assert_eq!((span("kcql[0].select"), span("kcql[0].select.a")), (Some((17, 25)), Some((24, 25))));
    assert_eq!(span("kcql[0].select.b"), span("kcql[0].select"), "a column that is not there: the list");
    assert_eq!(span("kcql[0].into"), Some((12, 16)));
    assert_eq!(span("kcql[0].with_key"), span("kcql[0]"), "a clause that is not there: the statement");
    assert!(span("kcql[0].compat").is_some() && span("kcql[0].compat") != span("kcql[0]"));
    assert_eq!(span("sink.store.flush.records"), span("sink"), "an option that is not written: its end");
    assert_eq!(span("nowhere"), None);
}

#[test]
fn columns_and_properties_have_their_places() {
    let kcql = "INSERT INTO lake SELECT a, b.c, upper(a) AS `d.e`, a || 'x' FROM t PROPERTIES('flush.count'=5)";
    let (lowered, _) = log_to_store(kcql).lower();
    let places = lowered.unwrap().places;
    let text = |path: &str| places.find(path).map_or("", |at| &kcql[at.span.start..at.span.end]);
    for (path, expected) in [
        ("kcql[0].select.a", "a"),
        ("kcql[0].select.c", "b.c"),
        ("kcql[0].select.d.e", "upper(a) AS `d.e`"),
        ("kcql[0].select.a || 'x'", "a || 'x'"),
        ("sink.store.flush.records", "'flush.count'=5"),
    ] {
        assert_eq!(text(path), expected, "{path}");
    }
}

#[test]
fn one_mistake_is_one_message() {
    let cases = [
        ("INSERT INTO lake SELECT nope FROM t PARTITIONBY nope", 1),
        ("INSERT INTO lake SELECT upper(nope) AS b FROM t WHERE nope = 'x' PARTITIONBY b; INSERT INTO pond SELECT nope FROM u", 1),
        ("INSERT INTO lake SELECT a, uper('x') AS b FROM t PARTITIONBY b", 1),
        ("INSERT INTO Lake SELECT * FROM t", 1),
        ("INSERT INTO lake SELECT * FROM t STOREAS PARKET PARTITIONBY _date.daily", 1),
        ("INSERT INTO lake SELECT a, nope FROM t STOREAS PARQUET", 1),
        ("INSERT INTO lake SELECT * FROM t PROPERTIES('flush.count'=0, 'flush.count2'=1)", 2),
    ];
    for (kcql, count) in cases {
        let said = log_to_store(kcql).schema("a: int").said();
        assert_eq!(said.len(), count, "{kcql}: {said:?}");
    }
}

#[test]
fn a_value_of_a_record_is_not_the_first_part_of_a_name() {
    let said = |kcql: &'static str| log_to_store(kcql).schema("tenant: string, at: timestamp").said();
    let wrong = said("INSERT INTO lake SELECT * FROM t PARTITIONBY tenant PROPERTIES('partition.include.keys'=false)");
    assert!(wrong.len() == 1 && wrong[0].starts_with("KP0609: the names of objects have no fixed beginning"), "{wrong:?}");
    for kcql in [
        "INSERT INTO lake:a SELECT * FROM t PARTITIONBY tenant PROPERTIES('partition.include.keys'=false)",
        "INSERT INTO lake SELECT * FROM t PARTITIONBY tenant",
        "INSERT INTO lake SELECT * FROM t PARTITIONBY _date.daily, tenant PROPERTIES('partition.include.keys'=false)",
    ] {
        assert_eq!(said(kcql), [""; 0], "{kcql}");
    }
}
