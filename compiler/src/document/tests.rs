//! Documents of a small catalogue.

pub(crate) mod fixture;
mod keys;
mod shared;
mod values;

use super::*;
use crate::plan::{OptionValue, SecretRef};
use crate::report::Severity;
use crate::sources::{Mode, Sources};
use fixture::{World, from_kafka, lake, run, said, shown};
use kpipe_grammar::span::Span;

/// `line:column code [label]` of each diagnostic.
fn brief(text: &str) -> Vec<String> {
    said(text).iter().map(|line| short(line)).collect()
}

fn short(line: &str) -> String {
    let code = line.find("KP").unwrap();
    let label = &line[line.find(" [").unwrap() + 1..];
    let label = &label[..label.find("] ").unwrap() + 1];
    let place = line[..code].trim_start_matches("p.yaml:").trim_end();
    format!("{place} {} {label}", &line[code..code + 6]).trim_start().to_owned()
}

#[track_caller]
fn sink(lines: &str, expected: &[&str]) {
    assert_eq!(brief(&lake(lines)), expected, "{lines}");
}

#[track_caller]
fn source(lines: &str, expected: &[&str]) {
    assert_eq!(brief(&from_kafka(lines)), expected, "{lines}");
}

#[track_caller]
fn root(text: &str, expected: &[&str]) {
    assert_eq!(brief(text), expected, "{text}");
}

/// The only document of a text without a mistake.
#[track_caller]
fn document(text: &str, world: &World) -> Document {
    let mut sources = Sources::new();
    sources.add("p.yaml", text);
    let mut compiled = run(&sources, world);
    assert!(!compiled.report.has_errors(), "{:#?}", shown(&sources, &compiled));
    compiled.documents.remove(0)
}

#[test]
fn a_document_has_typed_options_with_their_places_and_defaults() {
    let text = lake(
        "    flush: { records: 10, interval: 1h30m }\n    format: { json: { compression: zstd, level: 3 } }\n    partition_by: day\n    path_style: true",
    );
    let document = document(&text, &World::default());
    assert_eq!((document.name.node.as_str(), document.sink.connector.name), ("lake", "s3"));
    let options = &document.sink.options;
    assert_eq!(options.integer("flush.records"), Some(10));
    assert_eq!(options.0["flush.interval"], OptionValue::DurationMs(5_400_000));
    assert_eq!(options.bytes("flush.bytes"), Some(128 << 20), "a default");
    assert_eq!((options.text("prefix"), options.texts("partition_by"), options.flag("path_style")), (Some(""), vec!["day"], true));
    let OptionValue::Map(format) = &options.0["format"] else { panic!("{:?}", options.0["format"]) };
    let OptionValue::Map(json) = &format["json"] else { panic!("{format:?}") };
    assert_eq!((&json["compression"], &json["level"]), (&OptionValue::Text("zstd".to_owned()), &OptionValue::Integer(3)));
    let at = |path: &str| document.sink.value_at(path).unwrap().span.text(&text);
    assert_eq!((at("flush.records"), at("format.json.compression")), ("10", "zstd"));
    assert_eq!(document.sink.places["flush.interval"].key.span.text(&text), "interval");
    assert_eq!(document.sink.at.span.text(&text), "s3");
    assert!(document.sink.value_at("flush.bytes").is_none() && document.sink.absent.is_empty());
    assert_eq!(document.source.options.texts("brokers"), ["a:1"]);
    assert_eq!(document.errors.retry_delay_max_ms, 30_000);
}

#[test]
fn unknown_keys_get_the_nearest_one() {
    sink("    fromat: json", &["7:5 KP0201 [did you mean `format`?]"]);
    sink("    flush: { record: 1 }", &["7:14 KP0201 [did you mean `records`?]"]);
    sink("    pathStyle: true", &["7:5 KP0201 [did you mean `path_style`?]"]);
    sink("    zzz: 1", &["7:5 KP0201 [nobody reads this]"]);
    root(&lake("    {}").replace("brokers", "brokrs"), &["4:12 KP0201 [did you mean `brokers`?]"]);
    source("    client: { fetch.min.byte: 1 }", &["6:15 KP0201 [did you mean `fetch.min.bytes`?]"]);
    root(&lake("    {}").replace("kcql:", "kqcl:"), &["8:1 KP0201 [did you mean `kcql`?]"]);
}

#[test]
fn words_of_other_systems_are_translated() {
    sink("    flush.size: 10", &["7:5 KP0201 [in kpipe this is called `flush.records`]"]);
    sink("    flush: { count: 10 }", &["7:14 KP0201 [in kpipe this is called `records`]"]);
    sink("    topics.dir: x", &["7:5 KP0201 [in kpipe this is called `prefix`]"]);
    sink("    flush.bytes: 10", &["7:5 KP0201 [keys are nested: `flush: { bytes: ... }`]"]);
    source("    group.id: x", &["6:5 KP0201 [in kpipe this is called `group`]"]);
    root(&lake("    {}").replace("kcql:", "sql:"), &["8:1 KP0201 [in kpipe this is called `kcql`]"]);
    root("name: x\nconfig:\n  connector.class: io.example.Sink\n", &["3:3 KP0232 [kpipe has no connector classes]"]);
}

#[test]
fn keys_on_the_wrong_level_say_where_they_belong() {
    sink("    flush:\n      records: 1\n      format: json", &["9:7 KP0202 [move this line two columns to the left]"]);
    sink("    flush: { records: 1, format: json }", &["7:26 KP0202 [move this out of the braces]"]);
    sink("    records: 1", &["7:5 KP0202 [move this into `flush`]"]);
    sink("    group: x", &["7:5 KP0202 [move this to `source.kafka`]"]);
    sink("    delivery: at_least_once", &["7:5 KP0202 [move this line to the left]"]);
    root(&lake("    {}").replace("pipeline:", "partition_by: [a]\npipeline:"), &["2:1 KP0202 [move this into `sink.s3`]"]);
    sink("    sasl: { password: x }", &["7:5 KP0202 [move this to `source.kafka`]"]);
    sink("    password: x", &["7:5 KP0201 [nobody reads this]"]);
}

#[test]
fn wrong_values_say_what_is_taken() {
    sink("    flush: { records: 0 }", &["7:23 KP0222 [out of range]"]);
    sink("    flush: { records: many }", &["7:23 KP0221 [not a whole number]"]);
    sink("    flush: { records: \"5\" }", &["7:23 KP0221 [not a whole number]"]);
    sink("    flush: { records: [1] }", &["7:23 KP0221 [not a whole number]"]);
    sink("    flush: { records: 010 }", &["7:23 KP0225 [write 10]"]);
    sink("    flush: { records: 1_000 }", &["7:23 KP0225 [write 1000]"]);
    sink("    flush: { interval: 10 }", &["7:24 KP0228 [a unit is missing]"]);
    sink("    flush: { interval: 1ms }", &["7:24 KP0222 [out of range]"]);
    sink("    flush: { bytes: 5 megs }", &["7:21 KP0228 [not a size]"]);
    sink("    flush: 5", &["7:12 KP0221 [not a mapping of keys]"]);
    sink("    path_style: yes", &["7:17 KP0224 [write true]"]);
    sink("    path_style: \"true\"", &["7:17 KP0224 [write true]"]);
    sink("    prefix: off", &["7:13 KP0224 [write \"off\"]"]);
    sink("    prefix: 007", &["7:13 KP0225 [write \"007\"]"]);
    sink("    prefix:", &["7:5 KP0234 [a value has to follow]"]);
    sink("    partition_by: []", &["7:19 KP0234 [a value has to follow]"]);
    sink("    endpoint: minio:9000", &["7:15 KP0226 [it begins with http:// or https://]"]);
    sink("    format: { parqet: {} }", &["7:15 KP0349 [did you mean `parquet`?]"]);
    sink("    format: [json]", &["7:13 KP0221 [not a format]"]);
    source("    sasl: { mechanism: plian }", &["6:24 KP0223 [did you mean `plain`?]"]);
    source("    from: yesterday", &["6:11 KP0221 [not `earliest`, `latest` or a time stamp]"]);
    source("    client: { check.crcs: [1] }", &["6:27 KP0221 [not a text]"]);
    root(&lake("    {}").replace("a:1", "a"), &["4:22 KP0227 [the port is missing]"]);
    root(
        &lake("    {}").replace("{ brokers: [a:1] }", "\n    brokers: a:1,b:2"),
        &["5:14 KP0227 [several addresses are a list: `[a:9092, b:9092]`]"],
    );
}

#[test]
fn what_is_known_but_not_built_says_so() {
    sink("    format: avro", &["7:13 KP0229 [nothing would honour this]"]);
    source("    value: { registry: http://r:1 }", &["6:24 KP0330 [not built yet]"]);
    root(&lake("    {}").replace("kcql:", "transforms: []\nkcql:"), &["8:1 KP0229 [nothing would honour this]"]);
}

#[test]
fn documents_have_their_required_keys() {
    root("a: 1\n", &["1:1 KP0201 [nobody reads this]", "1:1 KP0220 [required here]"]);
    root("- a\n", &["1:1 KP0233 [no keys here]"]);
    let text = lake("    {}");
    root(&text.replace("version: 1\n", ""), &["1:1 KP0220 [required here]"]);
    root(&text.replace("version: 1", "version: 2"), &["1:10 KP0230 [another version]"]);
    root(&text.replace("pipeline: lake", "pipeline: a b"), &["2:11 KP0343 [` ` is not allowed in it]"]);
    root(&text.replace("INSERT INTO lake SELECT * FROM t", ""), &["8:1 KP0234 [a value has to follow]"]);
    root(&text.replace("brokers: [a:1]", ""), &["4:3 KP0220 [required here]"]);
    root(&text.replace("kcql:", "delivery: once\nkcql:"), &["8:11 KP0223 [not one of the choices]"]);
}

#[test]
fn each_end_has_one_connector() {
    let text = lake("    {}");
    root(&text.replace("kafka:", "mqqt:"), &["4:3 KP0341 [did you mean `mqtt`?]"]);
    root(&text.replace("kafka: {", "s3: {"), &["4:3 KP0342 [not a source]"]);
    root(
        &text.replace("kafka: { brokers: [a:1] }", "brokers: [a:1]"),
        &["4:3 KP0341 [this is an option of `kafka`: write `kafka: { brokers: ... }`]"],
    );
    root(&text.replace("  kafka: { brokers: [a:1] }\n", ""), &["3:1 KP0231 [exactly one connector has to stand here]"]);
    root(&text.replace("  s3:", "  kafka: { brokers: [a:1] }\n  s3:"), &["7:3 KP0231 [a second one]"]);
}

#[test]
fn secrets_stay_references() {
    let text = from_kafka("    sasl: { password: \"${env:KAFKA_PASSWORD}\", username: \"u-${env:NAME}\" }");
    let document = document(&text, &World::default().env("KAFKA_PASSWORD", "hunter2").env("NAME", "x"));
    assert_eq!(document.source.options.secret("sasl.password"), Some(&SecretRef::Env("KAFKA_PASSWORD".to_owned())));
    assert_eq!(document.source.options.text("sasl.username"), Some("u-x"));
    assert!(!format!("{document:?}").contains("hunter2"));
    let text = from_kafka("    sasl: { password: \"${file:/run/secrets/k}\" }");
    let by_file = self::document(&text, &World::default().file("/run/secrets/k", "hunter2\n"));
    assert_eq!(by_file.source.options.secret("sasl.password"), Some(&SecretRef::File("/run/secrets/k".to_owned())));
}

#[test]
fn a_literal_secret_is_a_warning_and_is_masked() {
    let text = from_kafka("    sasl: { password: 'hunter2 é' }");
    let mut sources = Sources::new();
    let id = sources.add("p.yaml", text.as_str());
    let compiled = run(&sources, &World::default());
    assert_eq!(brief(&text), ["6:24 KP0701 [value hidden; it is in the history of this file from here on]"]);
    assert_eq!(compiled.report.count(&sources, Severity::Warning), 1);
    let secret = compiled.documents[0].source.options.secret("sasl.password").unwrap();
    assert_eq!(format!("{secret}"), "(secret p.yaml:6)");
    let masked = compiled.report.masked(&sources, id).text;
    assert!(masked.contains("password: '********' }") && !masked.contains("hunter2"), "{masked}");
    assert!(!format!("{:?}", compiled.documents).contains("hunter2"));
}

#[test]
fn secrets_in_odd_places_are_masked_too() {
    source("    sasl: { password: \"x${env:A}\" }", &["6:23 KP0704 [text beside the reference would be in the plan]"]);
    let text = lake("    endpoint: http://user:hunter2@minio:9000");
    let mut sources = Sources::new();
    let id = sources.add("p.yaml", text.as_str());
    let compiled = run(&sources, &World::default());
    assert_eq!(brief(&text), ["7:15 KP0703 [value hidden]"]);
    assert!(!compiled.report.masked(&sources, id).text.contains("hunter2"));
    let broken = from_kafka("    sasl: { password: hunter2, \"secret_key\": 'hunter2', username: [ }");
    let mut sources = Sources::new();
    let id = sources.add("p.yaml", broken.as_str());
    let compiled = run(&sources, &World::default());
    assert!(compiled.report.has_errors());
    assert!(!compiled.report.masked(&sources, id).text.contains("hunter2"), "{}", compiled.report.masked(&sources, id).text);
}

#[test]
fn names_that_stand_in_the_statement_are_said_to() {
    let help = |text: &str| said(text).join("|");
    assert!(help(&lake("    bucket: b")).contains("`INSERT INTO bucket:prefix SELECT ...`"));
    assert!(help(&from_kafka("    topic: t")).contains("`SELECT ... FROM topic`"), "{}", help(&from_kafka("    topic: t")));
}

#[test]
fn a_key_and_its_value_have_a_blank_between_them() {
    let text = lake("    prefix:one\n    path_style: true");
    let said = said(&text).join("|");
    assert!(said.contains("KP0207") && said.contains("a blank is missing after `:`: write `prefix: ...`"), "{said}");
}

#[test]
fn a_profile_says_each_key_once() {
    let both = |profile: &str| {
        let mut sources = Sources::new();
        sources.add("p.yaml", lake("    {}"));
        sources.add_profile("prod.yaml", profile);
        shown(&sources, &run(&sources, &World::default())).join("|")
    };
    for profile in [
        "all:\n  sink.s3.prefix: a\n  sink: { s3: { prefix: b } }\n",
        "pipelines:\n  lake:\n    sink: { s3: { flush.records: 1, flush: { records: 2 } } }\n",
        "pipelines:\n  lake:\n    errors.tolerance: all\n    errors: { tolerance: none }\n",
    ] {
        assert!(
            both(profile).contains("KP0205") && both(profile).contains("is written twice in one profile"),
            "{profile}: {}",
            both(profile)
        );
    }
    for profile in [
        "all: { sink.s3.prefix: a }\npipelines: { lake: { sink: { s3: { prefix: b } } } }\n",
        "all:\n  sink.s3.prefix: a\n  sink: { s3: { path_style: true } }\n",
    ] {
        assert_eq!(both(profile), "", "{profile}");
    }
}

#[test]
fn references_are_replaced_in_values_only() {
    let world = World::default().env("HOST", "minio").env("N", "12").env("TOPIC", "orders");
    let text = lake("    endpoint: http://${env:HOST}:9000\n    flush: { records: \"${env:N}\" }\n    prefix: $${env:HOST}")
        .replace("FROM t", "FROM ${env:TOPIC}");
    let document = document(&text, &world);
    let options = &document.sink.options;
    assert_eq!((options.text("endpoint"), options.integer("flush.records")), (Some("http://minio:9000"), Some(12)));
    assert_eq!(options.text("prefix"), Some("${env:HOST}"));
    assert_eq!(document.kcql.text, "INSERT INTO lake SELECT * FROM orders");
    let at = document.kcql.locate(Span::new(31, 37));
    assert_eq!(at.span.text(&text), "${env:TOPIC}");
    assert_eq!(document.kcql.locate(Span::new(0, 6)).span.text(&text), "INSERT");
}

#[test]
fn wrong_references_are_named() {
    sink("    prefix: ${env:NOPE}", &["7:13 KP0351 [its value is needed here]"]);
    sink("    prefix: ${file:/nope}", &["7:13 KP0352 [its content is needed here]"]);
    sink("    prefix: a${evn:X}", &["7:14 KP0353 [did you mean `${env:X}`?]"]);
    sink("    prefix: ${X}", &["7:13 KP0353 [did you mean `${env:X}`?]"]);
    sink("    prefix: ${vault:a#b}", &["7:13 KP0353 [known, but not supported yet]"]);
    sink("    prefix: ${env:a b}", &["7:13 KP0353 [not the name of a variable]"]);
    sink("    prefix: ${env:X", &["7:13 KP0354 [`}` is missing]"]);
}

#[test]
fn a_check_needs_no_values() {
    let text = lake("    prefix: ${env:NOPE}").replace("FROM t", "FROM ${env:TOPIC}");
    let mut sources = Sources::new();
    sources.add("p.yaml", text.as_str());
    let compiled = crate::compile(&sources, &fixture::CATALOG, &World::default(), Mode::Check);
    assert!(compiled.report.views(&sources).is_empty());
    assert_eq!(compiled.unknown, ["env:NOPE", "env:TOPIC"]);
    let text = lake("    prefix: ${env:NOPE}");
    let mut sources = Sources::new();
    sources.add("p.yaml", text.as_str());
    let compiled = crate::compile(&sources, &fixture::CATALOG, &World::default(), Mode::Check);
    assert!(compiled.documents[0].sink.absent.contains("prefix"));
}

#[test]
fn schemas_are_typed_with_their_places() {
    let text = from_kafka("    value:\n      format: json\n      schema: { id: bigint not null, meta: { site: string }, tags: [string] }");
    let document = document(&text, &World::default());
    let SchemaDoc::Inline { schema, fields } = &document.source.schemas["value.schema"] else { panic!() };
    assert_eq!(crate::schema::show(schema), "{ id: bigint not null, meta: { site: string }, tags: array<string> }");
    assert_eq!(fields[&vec!["meta".to_owned(), "site".to_owned()]].span.text(&text), "site");
    assert!(document.source.options.text("value.schema").unwrap().starts_with("{ id: bigint"));
    let avsc = "{\"type\": \"record\", \"name\": \"t\", \"fields\": [{\"name\": \"id\", \"type\": \"long\"}]}";
    let by_file = self::document(&from_kafka("    value: { schema: { file: t.avsc } }"), &World::default().file("t.avsc", avsc));
    assert!(matches!(&by_file.source.schemas["value.schema"], SchemaDoc::File { path, schema } if path == "t.avsc" && schema.len() == 1));
    let sampled = World::default().sample("lake", vec![]);
    let inferred = self::document(&from_kafka("    value: { schema: infer }"), &sampled);
    assert!(matches!(inferred.source.schemas["value.schema"], SchemaDoc::Infer));
}

#[test]
fn wrong_schemas_point_at_the_wrong_part() {
    source("    value: { schema: { id: bigit } }", &["6:28 KP0235 [in this type]"]);
    source("    value: { schema: { id: array<strig> } }", &["6:34 KP0235 [in this type]"]);
    source(
        "    value: { schema: { a: decimal(12,2) not null, b: array<decimal(3,1)> } }",
        &["6:27 KP0235 [put this type in quotes]", "6:54 KP0235 [put this type in quotes]"],
    );
    source("    value: { schema: {} }", &["6:22 KP0235 [no field]"]);
    source("    value: { schema: avro }", &["6:22 KP0221 [not fields and their types, a file, or `infer`]"]);
    source("    value: { schema: { file: no.avsc } }", &["6:30 KP0352 [its content is needed here]"]);
}

#[test]
fn errors_have_a_policy() {
    let text = lake("    {}").replace(
        "kcql:",
        "errors:\n  tolerance: all\n  dead_letter: { topic: dlq, kafka: { brokers: [b:2] } }\n  retry: { timeout: 1h }\nkcql:",
    );
    let errors = document(&text, &World::default()).errors;
    assert_eq!((errors.tolerance, errors.retry_timeout_ms, errors.retry_delay_max_ms), (Tolerance::All, Some(3_600_000), 30_000));
    let dead_letter = errors.dead_letter.unwrap();
    assert_eq!((dead_letter.topic.node.as_str(), dead_letter.cluster.unwrap().options.texts("brokers")), ("dlq", vec!["b:2"]));
    assert_eq!(errors.places["tolerance"].value.span.text(&text), "all");
    let plain = lake("    {}").replace("kcql:", "errors: { dead_letter: dlq }\nkcql:");
    assert!(document(&plain, &World::default()).errors.dead_letter.unwrap().cluster.is_none());
    root(&lake("    {}").replace("kcql:", "errors: { dead_letter: { topic: a, s3: {} } }\nkcql:"), &["8:36 KP0342 [not a dead letter]"]);
    root(&lake("    {}").replace("kcql:", "errors: { tolerance: some }\nkcql:"), &["8:22 KP0223 [did you mean `none`?]"]);
}

/// Diagnostics of a pipeline with shared files, `file:line:column code [label]`.
fn with_shared(pipeline: &str, connections: &str, profile: &str) -> (Vec<String>, Vec<Document>) {
    let mut sources = Sources::new();
    sources.add("p.yaml", pipeline);
    sources.add_connections("c.yaml", connections);
    sources.add_profile("prod.yaml", profile);
    let compiled = run(&sources, &World::default());
    (shown(&sources, &compiled).iter().map(|line| short(line)).collect(), compiled.documents)
}

const CONNECTIONS: &str = "version: 1\nconnections:\n  main:\n    kafka: { brokers: [shared:1], group: x, linger: 1s }\n  lake:\n    s3: { endpoint: http://dev:1, flush: { records: 5, interval: 1m } }\n";

#[test]
fn connections_are_the_ground_of_leaves() {
    let text = "version: 1\npipeline: p\nsource: { use: main }\nsink: { s3: { use: lake, flush: { records: 7 } } }\nkcql: INSERT INTO lake SELECT * FROM t\n";
    let (said, documents) = with_shared(text, CONNECTIONS, "");
    assert_eq!(said, [""; 0]);
    let (source, sink) = (&documents[0].source, &documents[0].sink);
    assert_eq!((source.options.texts("brokers"), source.options.text("group")), (vec!["shared:1"], Some("x")));
    assert!(!source.options.0.contains_key("linger"), "an option of the other end");
    assert_eq!(
        (sink.options.integer("flush.records"), sink.options.0["flush.interval"].clone()),
        (Some(7), OptionValue::DurationMs(60_000))
    );
    assert_eq!(sink.value_at("flush.interval").unwrap().file.index(), 1, "the place is in the file of connections");
}

#[test]
fn wrong_connections_are_named() {
    let text = |source: &str, sink: &str| {
        format!("version: 1\npipeline: p\nsource: {source}\nsink: {sink}\nkcql: INSERT INTO lake SELECT * FROM t\n")
    };
    let said = |source: &str, sink: &str| with_shared(&text(source, sink), CONNECTIONS, "").0;
    assert_eq!(said("{ use: mian }", "{ s3: {} }"), ["3:16 KP0345 [did you mean `main`?]"]);
    assert_eq!(said("{ kafka: { use: lake } }", "{ s3: {} }"), ["3:25 KP0346 [a connection of another connector]"]);
    assert_eq!(said("{ use: }", "{ s3: {} }"), ["3:11 KP0234 [a value has to follow]"]);
    let bad = "connections:\n  a: { kafak: {} }\n  b: {}\n  c: { s3: {}, kafka: {} }\nconection: 1\n";
    let (said, _) = with_shared(&text("{ kafka: { brokers: [a:1] } }", "{ s3: {} }"), bad, "");
    assert_eq!(
        said,
        [
            "c.yaml:2:8 KP0341 [did you mean `kafka`?]",
            "c.yaml:3:3 KP0231 [exactly one connector has to stand here]",
            "c.yaml:4:16 KP0231 [a second one]",
            "c.yaml:5:1 KP0201 [did you mean `connections`?]"
        ]
    );
}

#[test]
fn a_profile_overrides_single_values() {
    let text = "version: 1\npipeline: p\nsource: { use: main }\nsink: { s3: { flush: { records: 7, interval: 1m } } }\nkcql: INSERT INTO lake SELECT * FROM t\n";
    let profile = "all:\n  sink: { s3: { endpoint: http://prod:1 } }\n  source: { mqtt: { qos: 2 } }\n  errors.tolerance: all\npipelines:\n  p:\n    sink.s3.flush.records: 9\n    kcql: INSERT INTO lake:c SELECT * FROM t\nconnections:\n  main: { kafka: { brokers: [prod:1] } }\n";
    let (said, documents) = with_shared(text, CONNECTIONS, profile);
    assert_eq!(said, [""; 0]);
    let document = &documents[0];
    assert_eq!(document.source.options.texts("brokers"), ["prod:1"]);
    let sink = &document.sink.options;
    assert_eq!((sink.text("endpoint"), sink.integer("flush.records")), (Some("http://prod:1"), Some(9)));
    assert_eq!(sink.0["flush.interval"], OptionValue::DurationMs(60_000));
    assert_eq!((document.errors.tolerance, document.kcql.text.as_str()), (Tolerance::All, "INSERT INTO lake:c SELECT * FROM t"));
}

#[test]
fn a_profile_cannot_name_what_is_not_there() {
    let text = lake("    {}");
    let profile = "pipelines:\n  laek: {}\n  lake:\n    pipeline: x\n    sink: { kafka: {} }\n    sink.s4.prefix: x\nconnections:\n  main: { s3: {} }\n";
    let (said, _) = with_shared(&text, "", profile);
    assert_eq!(
        said,
        [
            "prod.yaml:2:3 KP0347 [did you mean `lake`?]",
            "prod.yaml:4:5 KP0201 [nobody reads this]",
            "prod.yaml:5:13 KP0348 [another connector]",
            "prod.yaml:6:10 KP0341 [did you mean `s3`?]",
            "prod.yaml:8:3 KP0345 [no connection of this name]"
        ]
    );
}

#[test]
fn a_second_definition_shows_both_places() {
    let text = lake("    {}");
    let mut sources = Sources::new();
    sources.add("a.yaml", text.as_str());
    sources.add("b.yaml", text.as_str());
    let compiled = run(&sources, &World::default());
    let view = &compiled.report.views(&sources)[0];
    let place = |label: &crate::report::LabelView| format!("{}:{}", label.name, label.begin);
    assert_eq!((view.code.as_str(), place(view.primary.as_ref().unwrap())), ("KP0344", "b.yaml:2:11".to_owned()));
    assert_eq!(view.secondary.iter().map(place).collect::<Vec<_>>(), ["a.yaml:2:11"]);
}

#[test]
fn kcql_is_checked_even_where_the_document_is_wrong() {
    let text = lake("    fromat: json").replace("kcql: INSERT", "kcql: |\n  INSERT").replace("SELECT", "SELEC");
    assert_eq!(brief(&text), ["7:5 KP0201 [did you mean `format`?]", "9:20 KP0107 [did you mean `SELECT`?]"]);
}

#[test]
fn fixes_are_edits_of_the_file() {
    let text = lake("    fromat: json").replace("kcql: INSERT", "kcql: |\n  INSERT").replace("SELECT", "SELEC");
    let mut sources = Sources::new();
    sources.add("p.yaml", text.as_str());
    let views = run(&sources, &World::default()).report.views(&sources);
    let edits: Vec<(&str, &str)> =
        views.iter().flat_map(|view| &view.fixes).map(|edit| (sources.text(edit.at), edit.replacement.as_str())).collect();
    assert_eq!(edits, [("fromat", "format"), ("SELEC", "SELECT")]);
}

#[test]
fn a_comma_inside_a_type_is_explained_once() {
    let said = said(&from_kafka("    value: { schema: { id: bigint, amount: decimal(12,2) not null, at: date } }"));
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("p.yaml:6:44 KP0235 a comma inside braces ends the value"), "{said:?}");
    assert!(said[0].contains("write \"decimal(12,2) not null\""), "{said:?}");
}

#[test]
fn formats_of_values_are_those_that_can_be_read() {
    // What lowering makes of each is tested there; another name never gets so far.
    assert_eq!(super::format::VALUE_FORMATS, ["json", "text", "bytes"]);
    for name in ["avro", "csv", "json_schema", "msgpack", "orc", "protobuf", "xml"] {
        source(&format!("    value: {{ format: {name} }}"), &["6:22 KP0229 [nothing would honour this]"]);
    }
    source("    value: { format: jsn }", &["6:22 KP0349 [did you mean `json`?]"]);
    source("    value: { format: parquet }", &["6:22 KP0349 [no format of this name]"]);
}
