use super::*;
use crate::catalog::Catalog;
use crate::compile::compile;
use crate::document::tests::fixture::{CATALOG, World, from_kafka, lake};
use crate::sources::Mode;

/// What fixing makes of a file, and what is left.
fn fixed_in(catalog: &Catalog, text: &str) -> (String, Fixed) {
    let mut sources = Sources::new();
    let file = sources.add("p.yaml", text);
    let look = |sources: &Sources| compile(sources, catalog, &World::default().env("SET", "value"), Mode::Plan).report;
    let fixed = fix(&sources, &look);
    let again = fix(&fixed.sources, &look);
    assert!(again.applied.is_empty() && again.changed(&fixed.sources).is_empty(), "fixing twice changes nothing:\n{text}");
    (fixed.sources.file(file).text.clone(), fixed)
}

fn fixed(text: &str) -> (String, Fixed) {
    fixed_in(&CATALOG, text)
}

fn codes(views: &[View]) -> Vec<&str> {
    views.iter().map(|view| view.code.as_str()).collect()
}

/// A statement in a block scalar.
fn stated(kcql: &str) -> String {
    lake("    format: json").replace("kcql: INSERT INTO lake SELECT * FROM t\n", &format!("kcql: |\n  {kcql}\n"))
}

/// Each mistake that has one right answer: its code, and a file with `wrong` in the place of `right`.
#[test]
fn each_fix_removes_its_mistake() {
    let statement = |kcql: &str| stated(&format!("INSERT INTO lake SELECT {kcql}"));
    let cases: Vec<(&str, String, &str, &str)> = vec![
        ("KP0107", stated("INSERT INTO lake SELECT * FROM t PARTITIONBY a"), "PARTITIONBY", "PARTITONBY"),
        ("KP0107", stated("INSERT INTO lake SELECT * FROM t"), "INSERT", "INSRT"),
        ("KP0107", stated("INSERT INTO lake SELECT * FROM t"), "FROM", "FORM"),
        ("KP0110", statement("* FROM t PARTITIONBY a"), "PARTITIONBY", "PARTITION BY"),
        ("KP0110", statement("* FROM t PARTITIONBY a"), "PARTITIONBY", "PARTITION\n  BY"),
        ("KP0116", statement("* FROM t STOREAS 'json'"), "'json'", "\u{2018}json'"),
        ("KP0128", statement("a, b FROM t"), "b FROM", "b, FROM"),
        ("KP0130", stated("INSERT INTO lake SELECT * FROM t; INSERT INTO other SELECT * FROM t"), "t; INSERT", "t INSERT"),
        ("KP0131", statement("* FROM `t*`"), "`t*`", "t*"),
        ("KP0153", statement("_topic FROM t"), "_topic", "_.topic"),
        ("KP0201", lake("    format: json"), "format", "fromat"),
        ("KP0201", lake("    flush: { records: 5 }"), "records", "count"),
        ("KP0201", lake("    flush: { records: 5 }"), "flush", "\"flsh\""),
        ("KP0201", lake("    format: json"), "kcql", "kqcl"),
        ("KP0207", from_kafka("    group: g"), "group: g", "group:g"),
        ("KP0209", from_kafka("    group: '@g'"), "'@g'", "@g"),
        ("KP0211", from_kafka("    group: \"a\\\\d\""), "\"a\\\\d\"", "\"a\\d\""),
        ("KP0213", from_kafka("    poll: 5"), "poll: 5", "poll: !!int 5"),
        ("KP0220", lake("    format: json"), "version: 1\n", ""),
        ("KP0221", from_kafka("    poll: 5"), "poll: 5", "poll: '5'"),
        ("KP0223", from_kafka("    sasl: { mechanism: plain }"), "plain", "plian"),
        ("KP0224", lake("    path_style: true"), "true", "yes"),
        ("KP0224", lake("    prefix: \"on\""), "\"on\"", "on"),
        ("KP0225", from_kafka("    poll: 8"), "poll: 8", "poll: 08"),
        ("KP0225", lake("    prefix: \"0777\""), "\"0777\"", "0777"),
        ("KP0228", lake("    flush: { interval: 5m }"), "5m", "5 minutes"),
        ("KP0228", lake("    flush: { bytes: 64MB }"), "64MB", "64 megabytes"),
        ("KP0235", from_kafka("    value: { schema: { a: \"decimal(5,2)\", b: date } }"), "\"decimal(5,2)\"", "decimal(5,2)"),
        ("KP0341", lake("    format: json"), "kafka", "kafak"),
        ("KP0349", lake("    format: parquet").replace("parquet", "json"), "json", "jsn"),
        ("KP0353", from_kafka("    group: ${env:SET}"), "${env:SET}", "${SET}"),
        ("KP0353", from_kafka("    group: \"${env:SET}\""), "env", "evn"),
        ("KP0602", statement("* FROM t PARTITIONBY _date.`yyyy/MM`"), "yyyy", "YYYY"),
    ];
    for (code, right, part, wrong) in cases {
        assert!(right.contains(part), "{part} in\n{right}");
        let (as_is, untouched) = fixed(&right);
        assert_eq!((as_is.as_str(), untouched.applied.len()), (right.as_str(), 0), "what is right stays");
        let (repaired, found) = fixed(&right.replacen(part, wrong, 1));
        let left = found.report.views(&found.sources);
        assert_eq!(codes(&found.applied), [code], "{wrong}: left is {left:?}");
        assert_eq!(repaired, right, "{code}");
        assert!(!codes(&left).contains(&code), "{code}: {left:?}");
    }
}

#[test]
fn several_mistakes_in_one_file_are_fixed_together() {
    let text = "pipline: p\nsource:\n  kafak: { brkers: [a:1], poll: '7' }\nsink:\n  s3: { fromat: jsn }\nkcql: |\n  INSRT INTO lake SELCT a, FROM t STORE AS json\n";
    let (repaired, found) = fixed(text);
    assert_eq!(
        repaired,
        "version: 1\npipeline: p\nsource:\n  kafka: { brokers: [a:1], poll: 7 }\nsink:\n  s3: { format: json }\nkcql: |\n  INSERT INTO lake SELECT a FROM t STOREAS json\n"
    );
    assert!(!found.report.has_errors(), "{:?}", found.report.views(&found.sources));
    assert_eq!(found.applied.len(), 11, "{:?}", codes(&found.applied));
}

#[test]
fn an_edit_is_as_exact_as_the_style_of_its_scalar() {
    let with = |kcql: &str| lake("    format: json").replace("kcql: INSERT INTO lake SELECT * FROM t\n", kcql);
    for (wrong, right) in [
        ("kcql: INSERT INTO lake SELCT * FROM t\n", "kcql: INSERT INTO lake SELECT * FROM t\n"),
        ("kcql: 'INSERT INTO lake SELCT ''a'' FROM t'\n", "kcql: 'INSERT INTO lake SELECT ''a'' FROM t'\n"),
        ("kcql: \"INSERT INTO lake\\n SELCT * \\x46ROM t\"\n", "kcql: \"INSERT INTO lake\\n SELECT * \\x46ROM t\"\n"),
        ("kcql: >-\n  INSERT INTO lake\n  SELCT *\n  FROM t\n", "kcql: >-\n  INSERT INTO lake\n  SELECT *\n  FROM t\n"),
        ("kcql: |2-\n    INSERT INTO lake\n    SELCT * FROM t\n", "kcql: |2-\n    INSERT INTO lake\n    SELECT * FROM t\n"),
        ("kcql: |\r\n  INSERT INTO lake\r\n  SELCT * FROM t\r\n", "kcql: |\r\n  INSERT INTO lake\r\n  SELECT * FROM t\r\n"),
        ("kcql: &k |\n  INSERT INTO lake SELCT * FROM t\n", "kcql: &k |\n  INSERT INTO lake SELECT * FROM t\n"),
    ] {
        assert_eq!(fixed(&with(wrong)).0, with(right));
    }
    for (kcql, why) in [
        ("kcql: \"INSERT INTO lake SEL\\x43T * FROM t\"\n", "an escape in the word"),
        ("kcql: INSERT INTO lake SELECT * FROM t ${env:BY} a\n", "a reference"),
        ("kcql: >-\n  INSERT INTO lake SELECT * FROM t PARTITION\n  BY a\n", "a line break that is folded"),
        ("kcql: !!str INSERT INTO lake SELCT * FROM t\n", "a tag"),
    ] {
        let text = with(kcql);
        let mut sources = Sources::new();
        sources.add("p.yaml", text.as_str());
        let look = |sources: &Sources| compile(sources, &CATALOG, &World::default().env("BY", "PARTITONBY"), Mode::Plan).report;
        let found = fix(&sources, &look);
        assert!(found.changed(&sources).is_empty() && found.applied.is_empty(), "{why}");
        let codes: Vec<String> = found.report.views(&sources).into_iter().map(|view| view.code).collect();
        assert!(codes.iter().any(|code| code == "KP0107" || code == "KP0110"), "{why}: {codes:?}");
    }
}

#[test]
fn a_fix_that_makes_the_file_worse_is_refused_and_the_others_are_made() {
    let text = lake("    format: json\n    fromat: json\n    flush: { recrds: 5 }");
    let (repaired, found) = fixed(&text);
    assert_eq!(repaired, text.replace("recrds", "records"), "`format` would stand twice");
    assert_eq!((codes(&found.applied), codes(&found.refused)), (vec!["KP0201"], vec!["KP0201"]));
    assert!(found.report.has_errors());
}

#[test]
fn what_shows_behind_a_mistake_does_not_keep_it_from_being_fixed() {
    let (repaired, found) = fixed(&lake("    format: json").replace("kafka: { brokers: [a:1] }", "kafak: { brokers: 5, group: [] }"));
    assert!(repaired.contains("kafka: { brokers: 5, group: [] }"), "{repaired}");
    assert_eq!(codes(&found.applied), ["KP0341"]);
    assert!(found.report.views(&found.sources).len() >= 2, "what is wrong below it is said now");
}

#[test]
fn secrets_are_left_alone() {
    let text = from_kafka("    sasl: { pasword: yes, mechanism: plian }");
    let (repaired, found) = fixed(&text);
    assert_eq!(repaired, text.replace("pasword", "password").replace("plian", "plain"));
    let shown = found.report.masked(&found.sources, found.sources.files()[0].id).text;
    assert!(shown.contains("password: ********"), "{shown}");
}

#[test]
fn near_columns_and_settings_of_other_systems_are_suggestions() {
    let suggested = |text: &str| {
        let mut sources = Sources::new();
        sources.add("p.yaml", text);
        let views = compile(&sources, &CATALOG, &World::default(), Mode::Plan).report.views(&sources);
        assert!(views.iter().all(|view| view.fixes.is_empty()), "{views:?}");
        views.into_iter().flat_map(|view| view.suggestions).map(|edit| edit.replacement).collect::<Vec<_>>()
    };
    let columns = from_kafka("    value: { schema: { temperature: double } }");
    assert_eq!(suggested(&columns.replace("SELECT *", "SELECT temprature")), ["temperature", "temprature"], "or it is declared wrongly");
    assert_eq!(suggested(&columns.replace("SELECT *", "SELECT temprature, temperature")), ["temperature"], "one is right");
    let escaped = columns
        .replace("SELECT * FROM t", "\"SELECT temp\\x72ature FROM t\"")
        .replace("kcql: INSERT INTO lake \"", "kcql: \"INSERT INTO lake ");
    assert_eq!(suggested(&escaped), ["temprature"], "only where the name stands as it reads");
    assert_eq!(suggested(&lake("    flush: { rotate.interval.ms: 60000 }")), ["interval"], "milliseconds need a unit");
    assert_eq!(suggested(&from_kafka("    sasl: { username: a, sasl.jaas.config: b }")), ["password"]);
}

#[test]
fn what_a_reference_or_an_alias_stands_for_is_not_written_in_its_place() {
    let (text, found) = fixed(&lake("    path_style: ${env:FLAG}"));
    assert_eq!((text, found.applied.len()), (lake("    path_style: ${env:FLAG}"), 0));
    let merged = "x: &d { poll: '5' }\nversion: 1\npipeline: p\nsource:\n  kafka: { <<: *d, brokers: [a:1] }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n";
    let (text, _) = fixed(merged);
    assert!(text.contains("<<: *d"), "{text}");
}

#[test]
fn edits_are_made_from_the_beginning_to_the_end() {
    let file = Sources::new().add("p.yaml", "");
    let edit = |start: usize, end: usize, replacement: &str| Edit {
        at: crate::sources::Location::new(file, kpipe_grammar::span::Span::new(start, end)),
        replacement: replacement.to_owned(),
    };
    assert_eq!(apply("abcdef", [&edit(4, 6, "X"), &edit(0, 0, "<"), &edit(1, 2, "")]), "<acdX");
    assert_eq!(apply("ü", [&edit(2, 2, "!")]), "ü!");
}
