use proptest::prelude::*;

use super::*;
use crate::document::tests::fixture::{CATALOG, World, lake, run, shown};

/// A pipeline of 30 lines.
fn long(name: usize) -> String {
    let mut text = format!(
        "# pipeline {name}\nversion: 1\npipeline: lake-{name}\ndelivery: at_least_once\nsource:\n  kafka:\n    brokers: [kafka-1:9092, kafka-2:9092]\n    \
         group: lake-{name}\n    from: earliest\n    sasl:\n      mechanism: plain\n      username: lake\n      password: \"${{env:PASSWORD}}\"\n    value:\n      \
         format: json\n      schema:\n"
    );
    for field in 0..8 {
        text.push_str(&format!("        field_{field}: string\n"));
    }
    text.push_str("errors:\n  tolerance: all\n  dead_letter: dlq\nsink:\n  s3:\n    endpoint: http://minio:9000\n    flush: { records: 100000, interval: 10m }\n");
    text.push_str("kcql: |\n  -- one statement\n  INSERT INTO lake:orders\n  SELECT field_0 AS id, field_1, field_2\n  FROM orders\n  PARTITIONBY field_1, _date.`yyyy/MM/dd`\n");
    text.replace("lake:orders", &format!("lake:orders-{name}"))
}

fn many(count: usize) -> Sources {
    let mut sources = Sources::new();
    for name in 0..count {
        sources.add(format!("pipelines/{name}.yaml"), long(name));
    }
    sources
}

/// These texts as files `0.yaml`, `1.yaml`, ..., compiled.
pub(super) fn compiled(texts: &[String]) -> (Sources, Compiled) {
    let mut sources = Sources::new();
    for (number, text) in texts.iter().enumerate() {
        sources.add(format!("{number}.yaml"), text.as_str());
    }
    let compiled = run(&sources, &World::default());
    (sources, compiled)
}

#[test]
fn many_pipelines_compile_in_time_and_the_same_way_each_time() {
    let sources = many(100);
    let world = World::default().env("PASSWORD", "x");
    let start = std::time::Instant::now();
    let compiled = run(&sources, &world);
    let elapsed = start.elapsed();
    assert_eq!(shown(&sources, &compiled), [""; 0]);
    assert_eq!(compiled.pipelines.len(), 100);
    assert_eq!(compiled.places.len(), 100);
    // Without optimisation and beside other tests; far below what something quadratic would take.
    assert!(elapsed.as_secs() < 5, "{elapsed:?}");
    assert_eq!(run(&sources, &world).pipelines, compiled.pipelines);
}

#[test]
fn variables_of_all_files_are_listed_once() {
    let compiled = compile(&many(3), &CATALOG, &World::default(), Mode::Check);
    assert_eq!(compiled.unknown, ["env:PASSWORD"]);
    assert!(!compiled.report.has_errors());
}

#[test]
fn a_check_needs_no_samples() {
    let mut sources = Sources::new();
    sources.add("p.yaml", crate::document::tests::fixture::from_kafka("    value: { schema: infer }"));
    let check = compile(&sources, &CATALOG, &World::default(), Mode::Check);
    assert!(!check.report.has_errors() && check.documents.len() == 1 && check.pipelines.is_empty());
    assert!(run(&sources, &World::default()).report.has_errors());
    assert_eq!(run(&sources, &World::default().sample("lake", Vec::new())).pipelines.len(), 1);
}

#[test]
fn a_broken_file_does_not_hide_the_others() {
    let mut sources = Sources::new();
    sources.add("a.yaml", "a: [\n");
    sources.add("b.yaml", lake("    {}"));
    sources.add("c.yaml", lake("    prefix: other").replace("pipeline: lake", "pipeline: other") + "---\n- x\n");
    let compiled = run(&sources, &World::default());
    assert_eq!(compiled.pipelines.iter().map(|pipeline| pipeline.name.as_str()).collect::<Vec<_>>(), ["lake", "other"]);
    let said = shown(&sources, &compiled);
    assert!(said.len() == 2 && said[0].starts_with("a.yaml:1:4 KP0208") && said[1].starts_with("c.yaml:10:1 KP0233"), "{said:#?}");
}

#[test]
fn a_pipeline_with_a_mistake_does_not_come_out() {
    for text in [lake("    fromat: json"), lake("    flush: { records: 0 }"), lake("    {}").replace("kcql:", "version: 1\nkcql:")] {
        let mut sources = Sources::new();
        sources.add("p.yaml", text);
        let compiled = run(&sources, &World::default());
        assert!(compiled.report.has_errors() && compiled.pipelines.is_empty());
    }
}

/// Keys of a pipeline and their mistakes of one letter.
#[test]
fn a_typing_mistake_in_a_key_is_one_error_with_the_right_key() {
    let text = long(0);
    let world = World::default().env("PASSWORD", "x");
    let keys = [
        "version",
        "pipeline",
        "delivery",
        "source",
        "kafka",
        "brokers",
        "group",
        "sasl",
        "mechanism",
        "username",
        "password",
        "format",
        "schema",
        "errors",
        "tolerance",
        "dead_letter",
        "sink",
        "endpoint",
        "flush",
        "records",
        "interval",
        "kcql",
    ];
    let (mut tried, mut right) = (0, 0);
    for key in keys {
        let at = text.find(&format!("{key}:")).unwrap();
        for wrong in mistakes(key).into_iter().filter(|wrong| wrong != key) {
            let broken = format!("{}{wrong}{}", &text[..at], &text[at + key.len()..]);
            let mut sources = Sources::new();
            sources.add("p.yaml", broken);
            let views = run(&sources, &world).report.views(&sources);
            let about: Vec<_> = views.iter().filter(|view| view.primary.as_ref().is_some_and(|label| label.span.start == at)).collect();
            assert!(about.len() == 1 && views.len() == 1, "{wrong}: {views:#?}");
            tried += 1;
            right += usize::from(about.iter().any(|view| view.primary.as_ref().unwrap().text.contains(&format!("`{key}`"))));
        }
    }
    assert!(right * 10 >= tried * 9, "{right} of {tried}");
}

/// One letter left out, doubled, or swapped with the next one.
fn mistakes(word: &str) -> Vec<String> {
    let middle = word.len() / 2;
    let (head, tail) = word.split_at(middle);
    vec![
        format!("{head}{}", &tail[1..]),
        format!("{head}{}{tail}", &tail[..1]),
        format!("{}{}{}{}", &word[..1], &word[2..3], &word[1..2], &word[3..]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_edit_of_a_pipeline_panics(from in any::<prop::sample::Index>(), length in 0usize..6, put in "[-:{}\\[\\]|>&*!'\"#$a0\n\t é]{0,4}", connections in "[-:{}a\n ]{0,12}") {
        let text = long(0);
        let start = (0..=from.index(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let end = (start..=(start + length).min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(start);
        let broken = format!("{}{put}{}", &text[..start], &text[end..]);
        let mut sources = Sources::new();
        let id = sources.add("p.yaml", broken.as_str());
        sources.add_connections("c.yaml", connections);
        let compiled = run(&sources, &World::default().env("PASSWORD", "x"));
        for view in compiled.report.views(&sources) {
            for label in view.primary.iter().chain(&view.secondary) {
                prop_assert!(sources.file(label.file).text.get(label.span.start..label.span.end).is_some(), "{:?}", label);
            }
        }
        prop_assert_eq!(compiled.report.masked(&sources, id).text.lines().count(), broken.lines().count());
        prop_assert_eq!(compiled.report.has_errors(), compiled.report.count(&sources, Severity::Error) > 0);
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        let mut sources = Sources::new();
        sources.add("p.yaml", text.as_str());
        sources.add_profile("prod.yaml", text.as_str());
        run(&sources, &World::default());
    }
}
