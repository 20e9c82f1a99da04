//! What Lenses' parser and connectors do silently, row by row: accepted as it is meant, warned of, or refused with a code.

use super::*;

/// What is expected of a statement.
enum Expect {
    /// Becomes a route whose text is this.
    Route(&'static str),
    /// Becomes a route, and this is warned of.
    Warning(&'static str),
    /// Is refused with this code.
    Error(&'static str),
}

use Expect::{Error, Route as Accepted, Warning};

#[track_caller]
fn check(case: Case, expect: Expect) {
    let kcql = case.kcql;
    let (lowered, said) = case.lower();
    match expect {
        Accepted(text) => {
            assert_eq!(said, [""; 0], "{kcql}");
            assert_eq!(lowered.unwrap().pipeline.routes[0].statement, text, "{kcql}");
        }
        Warning(code) => {
            assert!(lowered.is_some(), "{kcql}: {said:?}");
            assert!(said.iter().all(|line| line.starts_with(&format!("warning {code}: "))), "{kcql}: {said:?}");
            assert!(!said.is_empty(), "{kcql}");
        }
        Error(code) => {
            assert!(lowered.is_none(), "{kcql}");
            assert!(said.iter().all(|line| line.starts_with(&format!("{code}: "))), "{kcql}: {said:?}");
        }
    }
}

#[track_caller]
fn files(kcql: &'static str, expect: Expect) {
    check(log_to_store(kcql), expect);
}

#[track_caller]
fn records(kcql: &'static str, expect: Expect) {
    check(log_to_log(kcql), expect);
}

#[track_caller]
fn messages(kcql: &'static str, expect: Expect) {
    check(queue_to_log(kcql).source_option("value.format", text("json")), expect);
}

#[test]
fn text_is_never_lost() {
    files("INSERT INTO lake SELECT * FROM t STOREAS JSON BATCH 5 garbage", Error("KP0108"));
    records("INSERT INTO a SELECT * FROM x'y", Error("KP0111"));
    records("INSERT INTO a SELECT * FROM `x", Error("KP0112"));
}

#[test]
fn clauses_come_in_any_order_and_case() {
    files(
        "insert into lake select * from t storeas `json` Partitionby a",
        Accepted("INSERT INTO lake SELECT * FROM t PARTITIONBY a STOREAS json"),
    );
    messages(
        "INSERT INTO t SELECT * FROM a KEYDELIMITER='-' WITHKEY(b, c)",
        Accepted("INSERT INTO t SELECT * FROM a WITHKEY(b, c) KEYDELIMITER='-'"),
    );
    files("INSERT INTO lake SELECT * FROM t STOREAS JSON STOREAS JSON", Error("KP0109"));
}

#[test]
fn names_are_what_they_look_like() {
    files("INSERT INTO `lake`:`raw` SELECT * FROM t", Accepted("INSERT INTO lake:raw SELECT * FROM t"));
    records("INSERT INTO a SELECT * FROM D.TS.OUT.9931.2.COPY", Accepted("INSERT INTO a SELECT * FROM D.TS.OUT.9931.2.COPY"));
    files(
        "INSERT INTO lake:dev/year=2022/month=11 SELECT * FROM t STOREAS JSON",
        Accepted("INSERT INTO lake:dev/year=2022/month=11 SELECT * FROM t STOREAS JSON"),
    );
    messages("INSERT INTO a SELECT * FROM foo/#", Accepted("INSERT INTO a SELECT * FROM foo/#"));
    records("INSERT INTO a SELECT * FROM b foo", Error("KP0108"));
}

#[test]
fn paths_are_the_same_everywhere() {
    files("INSERT INTO lake SELECT * FROM t PARTITIONBY `a.b`", Accepted("INSERT INTO lake SELECT * FROM t PARTITIONBY `a.b`"));
    files("INSERT INTO lake SELECT x.`y.z` AS c FROM t", Accepted("INSERT INTO lake SELECT x.`y.z` AS c FROM t"));
    files("INSERT INTO lake SELECT a AS `b c` FROM t", Accepted("INSERT INTO lake SELECT a AS `b c` FROM t"));
    messages("INSERT INTO t SELECT * FROM a WITHKEY(b.c)", Accepted("INSERT INTO t SELECT * FROM a WITHKEY(b.c)"));
}

#[test]
fn clauses_that_would_be_ignored_are_refused() {
    files("INSERT INTO lake SELECT * FROM t PK a", Error("KP0310"));
    files("INSERT INTO lake SELECT * FROM t IGNORE a", Error("KP0310"));
    files("INSERT INTO lake SELECT * FROM t LIMIT 5", Error("KP0310"));
    files("UPSERT INTO lake SELECT * FROM t", Error("KP0305"));
    messages("INSERT INTO a SELECT * FROM b PARTITIONBY c", Error("KP0309"));
    messages("INSERT INTO a SELECT * FROM b WITHREGEX=`x`", Error("KP0310"));
    files("INSERT INTO lake SELECT * FROM t WITHCONVERTER=`x.Unknown`", Error("KP0333"));
}

#[test]
fn properties_are_checked() {
    files("INSERT INTO lake SELECT * FROM t PROPERTIES('flush.coutn'=5)", Error("KP0311"));
    files("INSERT INTO lake SELECT * FROM t PROPERTIES('flush.count'=0)", Error("KP0313"));
    files("INSERT INTO lake SELECT * FROM t PROPERTIES('flush.count'=many)", Error("KP0313"));
    files("INSERT INTO lake SELECT * FROM t PROPERTIES('flush.count'=1, 'flush.count'=2)", Error("KP0119"));
    files("INSERT INTO lake SELECT * FROM t PROPERTIES('padding.char'='0')", Error("KP0312"));
    files("INSERT INTO lake SELECT * FROM t PROPERTIES('store.envelope'=true)", Error("KP0312"));
}

#[test]
fn columns_are_checked() {
    files("INSERT INTO lake SELECT *, * FROM t", Error("KP0120"));
    files("INSERT INTO lake SELECT a, a AS b FROM t", Accepted("INSERT INTO lake SELECT a, a AS b FROM t"));
    files("INSERT INTO lake SELECT a.x, b.x FROM t", Error("KP0121"));
    files("INSERT INTO lake SELECT 'x' FROM t", Accepted("INSERT INTO lake SELECT 'x' FROM t"));
    files("INSERT INTO lake SELECT lower(a) FROM t", Accepted("INSERT INTO lake SELECT lower(a) FROM t"));
    files("INSERT INTO lake SELECT f(a, b) FROM t", Error("KP0434"));
}

#[test]
fn dates_and_metadata_in_folders() {
    files(
        "INSERT INTO lake SELECT * FROM t PARTITIONBY _date.`yyyy/MM`",
        Accepted("INSERT INTO lake SELECT * FROM t PARTITIONBY _date.`yyyy/MM`"),
    );
    files("INSERT INTO lake SELECT * FROM t PARTITIONBY _date.`YYYY/MM`", Warning("KP0602"));
    files("INSERT INTO lake SELECT * FROM t PARTITIONBY _date.uuuu, _date.LL", Warning("KP0608"));
    files("INSERT INTO lake SELECT * FROM t PARTITIONBY _offset", Warning("KP0607"));
    files("INSERT INTO lake SELECT * FROM t PARTITIONBY _timestamp", Warning("KP0607"));
    files("INSERT INTO lake SELECT * FROM t PARTITIONBY _header", Error("KP0322"));
    files(
        "INSERT INTO lake SELECT * FROM t PARTITIONBY _header.trace",
        Accepted("INSERT INTO lake SELECT * FROM t PARTITIONBY _header.trace"),
    );
    files("INSERT INTO lake SELECT * FROM t PARTITIONBY a, A", Error("KP0606"));
}

#[test]
fn filters_follow_the_standard() {
    for (kcql, expect) in [
        ("INSERT INTO t SELECT * FROM `a#`", Error("KP0301")),
        ("INSERT INTO t SELECT * FROM +x", Error("KP0301")),
        ("INSERT INTO t SELECT * FROM #/a", Error("KP0301")),
        ("INSERT INTO t SELECT * FROM a/#; INSERT INTO u SELECT * FROM a", Warning("KP0303")),
        ("INSERT INTO t SELECT * FROM a; INSERT INTO u SELECT * FROM a", Error("KP0302")),
        ("INSERT INTO t SELECT * FROM $share/g/x/+", Accepted("INSERT INTO t SELECT * FROM $share/g/x/+")),
        ("INSERT INTO `$` SELECT * FROM /a/+", Accepted("INSERT INTO $ SELECT * FROM /a/+")),
    ] {
        messages(kcql, expect);
    }
}

#[test]
fn bytes_of_lenses_are_one_record_a_file() {
    let lenses = |kcql| log_to_store(kcql).sink_option("compat", text("lenses"));
    check(lenses("INSERT INTO lake SELECT * FROM t STOREAS BYTES"), Error("KP0513"));
    check(
        lenses("INSERT INTO lake SELECT * FROM t STOREAS BYTES PROPERTIES('flush.count'=1)"),
        Accepted("INSERT INTO lake SELECT * FROM t STOREAS BYTES PROPERTIES('flush.count'=1)"),
    );
}
