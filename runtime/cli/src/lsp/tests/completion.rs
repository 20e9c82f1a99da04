//! What is offered at a place, and what is said about it.

use serde_json::{Value, json};

use super::{Editor, PIPELINE, edited, labels, marked};

/// The answer to a question at the `^` of a text, after the whole text could be read once.
fn asked(method: &str, name: &str, text: &str) -> (Value, String) {
    let mut editor = Editor::new();
    editor.write("connections.yaml", "connections:\n  main:\n    kafka: { brokers: [\"a:1\"] }\n  lake-store:\n    s3: { region: r }\n");
    editor.write("other.yaml", &PIPELINE.replace("orders-lake", "other").replace("FROM orders", "FROM invoices"));
    let (text, position) = marked(text);
    editor.open(name, PIPELINE);
    editor.change(name, 2, &text);
    let uri = editor.uri(name);
    let id = editor.ask(method, json!({ "textDocument": { "uri": uri }, "position": position }));
    (editor.session().result(id).clone(), text)
}

fn offered(text: &str) -> std::collections::BTreeMap<String, Value> {
    labels(&asked("textDocument/completion", "p.yaml", text).0)
}

/// Fails unless all of the first are offered and none of the others.
#[track_caller]
fn offers(text: &str, expected: &[&str], others: &[&str]) {
    let found = offered(text);
    for label in expected {
        assert!(found.contains_key(*label), "`{label}` is not offered in\n{text}\nbut {:?}", found.keys().collect::<Vec<_>>());
    }
    for label in others {
        assert!(!found.contains_key(*label), "`{label}` is offered in\n{text}");
    }
}

#[test]
fn keys_are_offered_where_they_may_stand_and_do_not_yet() {
    offers("^", &["version", "pipeline", "source", "sink", "kcql", "errors", "delivery"], &["brokers"]);
    offers(&PIPELINE.replace("kcql: |", "^\nkcql: |"), &["delivery", "errors"], &["version", "source", "kcql"]);
    offers("source:\n  ^", &["kafka", "mqtt", "file", "use"], &["s3", "local"]);
    offers("source:\n  kafka:\n  ^", &["use"], &["mqtt"]);
    offers("source:\n  kafka:\n    ^", &["brokers", "group", "value", "sasl", "use"], &["acks", "value.format"]);
    offers("source:\n  kafka:\n    brokers: [\"a:1\"]\n    val^", &["value", "group"], &["brokers"]);
    offers("source:\n  kafka: { brokers: [\"a:1\"], sasl: { ^", &["mechanism", "username", "password"], &["brokers"]);
    offers("sink:\n  s3:\n    flush: { bytes: 1MiB, ^ }\n", &["records", "interval", "idle"], &["bytes", "prefix"]);
    offers("sink:\n  s3:\n    format:\n      parquet:\n        ^", &["compression", "level", "row_group"], &["json"]);
    offers("errors:\n  dead_letter:\n    ^", &["topic", "kafka", "use"], &["s3", "mqtt"]);
    offers("source:\n  kafka:\n    client:\n      ^", &["fetch.min.bytes"], &["batch.size"]);
}

#[test]
fn a_key_comes_with_its_words_and_is_written_with_its_colon() {
    let text = "sink:\n  s3:\n    flush:\n      by^";
    let found = offered(text);
    let bytes = &found["bytes"];
    assert!(bytes["detail"].as_str().unwrap().starts_with("size, default `128MiB`"), "{bytes}");
    assert!(!bytes["documentation"]["value"].as_str().unwrap().is_empty());
    let written = edited(&text.replace('^', ""), &json!([bytes["textEdit"]]));
    assert_eq!(written, "sink:\n  s3:\n    flush:\n      bytes: ");
    assert_eq!(offered("sink:\n  ^")["s3"]["textEdit"]["newText"], "s3:", "its keys follow on lines of their own");
}

#[test]
fn values_are_offered_by_their_kind() {
    offers("errors:\n  tolerance: ^", &["none", "all"], &["true"]);
    offers("errors: { tolerance: a^ }\n", &["none", "all"], &[]);
    offers("delivery: ^", &["at_least_once", "exactly_once"], &[]);
    offers("version: ^", &["1"], &["2"]);
    offers("source:\n  kafka:\n    from: ^", &["earliest", "latest"], &[]);
    offers("source:\n  kafka:\n    value:\n      format: ^", &["json", "text", "bytes"], &["parquet"]);
    offers("source:\n  kafka:\n    value:\n      schema:\n        id: ^", &["bigint", "string", "timestamp"], &["json: "]);
    offers("sink:\n  s3:\n    format: ^", &["json", "parquet"], &["compression"]);
    offers("sink:\n  s3:\n    flush:\n      interval: ^", &["10m"], &[]);
    offers("sink:\n  s3:\n    path_style: ^", &["true", "false"], &[]);
    offers("source:\n  kafka:\n    use: ^", &["main", "lake-store"], &["kafka"]);
    assert_eq!(offered("errors:\n  tolerance: ^")["none"]["detail"], "default");
    assert!(offered("# a comment ^").is_empty() && offered("pipeline: ^").keys().all(|label| label == "orders-lake"));
}

#[test]
fn statements_are_completed_by_their_clauses() {
    let statement = |text: &str| PIPELINE.replace("INSERT INTO lake:orders SELECT id, country FROM orders PARTITIONBY country", text);
    offers(&statement("^"), &["INSERT INTO", "UPSERT INTO"], &["PARTITIONBY"]);
    offers(&statement("INSERT INTO ^"), &["lake:orders", "invoices"], &["SELECT"]);
    offers(&statement("INSERT INTO a ^"), &["SELECT"], &["FROM"]);
    offers(&statement("INSERT INTO a SELECT ^"), &["id", "country", "customer", "_topic", "_offset", "_key"], &["_qos", "customer.name"]);
    offers(&statement("INSERT INTO a SELECT id, customer.^"), &["customer.name", "customer.since"], &["id", "_topic"]);
    offers(&statement("INSERT INTO a SELECT id ^"), &["FROM"], &[]);
    offers(&statement("INSERT INTO a SELECT upper(^"), &["country", "trim", "_key"], &["FROM"]);
    offers(&statement("INSERT INTO a SELECT id FROM orders WHERE ^"), &["id", "country", "_topic", "length"], &["STOREAS"]);
    offers(&statement("INSERT INTO a SELECT id FROM orders WHERE id > 1 AND le^"), &["length", "customer"], &[]);
    offers(&statement("INSERT INTO a SELECT id FROM orders WHERE customer.^"), &["customer.name"], &["upper", "id"]);
    let substr = &offered(&statement("INSERT INTO a SELECT sub^"))["substr"];
    assert_eq!((&substr["detail"], &substr["textEdit"]["newText"]), (&json!("substr(text, integer[, integer])"), &json!("substr(")));
    offers(&statement("INSERT INTO a SELECT id FROM ^"), &["invoices", "lake:orders"], &["id"]);
    offers(
        &statement("INSERT INTO a SELECT id FROM orders ^"),
        &["PARTITIONBY", "STOREAS", "WITHKEY"],
        &["WITHJMSSELECTOR", "SELECT", "id"],
    );
    offers(&statement("INSERT INTO a SELECT id FROM orders STOREAS JSON ^"), &["PARTITIONBY"], &["STOREAS"]);
    offers(&statement("INSERT INTO a SELECT id FROM orders PARTITIONBY ^"), &["country", "_topic"], &["STOREAS"]);
    offers(&statement("INSERT INTO a SELECT id FROM orders WITHKEY(^"), &["id"], &["STOREAS"]);
    offers(&statement("INSERT INTO a SELECT id FROM orders STOREAS ^"), &["PARQUET", "JSON"], &["PARTITIONBY"]);
    offers(&statement("INSERT INTO a SELECT id FROM orders PROPERTIES(^"), &["flush.count", "flush.size"], &[]);
    offers(&statement("INSERT INTO a SELECT id FROM orders PARTITIONBY _da^"), &["_date.daily", "_date.`yyyy/MM/dd`"], &[]);
    offers(&statement("INSERT INTO a SELECT ^"), &[], &["_date.daily"]);
    let quoted = PIPELINE.split("kcql:").next().unwrap().to_owned() + "kcql: \"INSERT INTO a SELECT ^\"\n";
    offers(&quoted, &["id", "country"], &["FROM"]);
    let found = offered(&statement("INSERT INTO a SELECT id FROM orders ^"));
    assert!(found["PARTITIONBY"]["documentation"]["value"].as_str().unwrap().contains("folders"), "{found:?}");
    assert_eq!(offered(&statement("INSERT INTO a SELECT ^"))["id"]["detail"], "bigint not null");
}

#[test]
fn files_of_others_are_left_alone() {
    assert!(asked("textDocument/completion", "p.yaml", "services:\n  kafka:\n    ^").0.is_null());
    assert!(asked("textDocument/completion", "p.yaml", "services: {}\nso^").0.is_null());
    assert!(asked("textDocument/hover", "p.yaml", "services: {}\nver^sion: 3\n").0.is_null());
    offers("sorce:^", &[], &["kafka"]);
    offers("version: 1\nso^", &["source"], &["version"]);
}

#[test]
fn names_that_need_quotes_are_offered_with_them() {
    let text = PIPELINE.replace("INSERT INTO lake", "INSERT INTO `my lake` SELECT * FROM `*`; INSERT INTO ^; INSERT INTO lake");
    offers(&text, &["`my lake`", "`*`", "invoices"], &["my lake"]);
}

#[test]
fn what_is_chosen_takes_the_place_of_what_is_typed() {
    let text = PIPELINE.replace("PARTITIONBY country", "PARTITIONBY customer.na^");
    let (found, text) = asked("textDocument/completion", "p.yaml", &text);
    let item = &labels(&found)["customer.name"];
    assert!(edited(&text, &json!([item["textEdit"]])).contains("PARTITIONBY customer.name\n"), "{item}");
}

#[test]
fn shared_files_are_completed_too() {
    let shared = |name: &str, text: &str| labels(&asked("textDocument/completion", name, text).0);
    assert!(shared("connections.yaml", "^").contains_key("connections"));
    assert!(shared("connections.yaml", "connections:\n  main:\n    ^").contains_key("mqtt"));
    assert!(shared("connections.yaml", "connections:\n  main:\n    kafka:\n      ^").contains_key("linger"));
    assert!(shared("profiles/prod.yaml", "pipelines:\n  orders-lake:\n    ^").contains_key("errors"));
    let dotted = shared("profiles/prod.yaml", "pipelines:\n  orders-lake:\n    sink.s3:\n      ^");
    assert!(dotted.contains_key("region") && !dotted.contains_key("sink"), "{:?}", dotted.keys());
}

/// What is said about the word at the `^`.
fn said(text: &str) -> String {
    let (found, _) = asked("textDocument/hover", "p.yaml", text);
    found["contents"]["value"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_key_says_what_it_takes() {
    for (at, expected) in [
        ("bro^kers", &["**source.kafka.brokers**", "list of host:port", "required", "Some brokers of the cluster"][..]),
        ("form^at: json", &["**source.kafka.value.format**", "default `bytes`"]),
        ("format: js^on", &["**source.kafka.value.format**"]),
        ("^region: eu", &["**sink.s3.region**"]),
        ("^s3:", &["**sink.s3**"]),
        ("^version: 1", &["**version**", "required"]),
    ] {
        let text = PIPELINE.replacen(&at.replace('^', ""), at, 1);
        let found = said(&text);
        for words in expected {
            assert!(found.contains(words), "`{words}` is not in\n{found}");
        }
    }
    assert_eq!(said(&PIPELINE.replace("version: 1", "# no^te\nversion: 1")), "");
}

#[test]
fn a_word_of_a_statement_says_what_it_is() {
    for (at, expected) in [
        ("SELECT i^d", "**id**: `bigint not null`"),
        ("SELECT id, cou^ntry", "**country**: `string`"),
        ("FR^OM orders", "**FROM**"),
        ("INS^ERT INTO", "**INSERT INTO"),
        ("INSERT IN^TO", "**INSERT INTO"),
        ("PARTITIO^NBY", "The folders of a file"),
    ] {
        let text = PIPELINE.replacen(&at.replace('^', ""), at, 1);
        assert!(said(&text).contains(expected), "{at}: {}", said(&text));
    }
    assert!(said(&PIPELINE.replace("SELECT id", "SELECT customer.since^")).contains("timestamp"));
    assert!(said(&PIPELINE.replace("SELECT id", "SELECT up^per(country) AS c")).starts_with("**upper(text)**\n\nIn capitals."));
    assert!(said(&PIPELINE.replace("SELECT id", "SELECT upper(cou^ntry) AS c")).contains("**country**: `string`"));
    assert!(said(&PIPELINE.replace("FROM orders", "FROM orders WHERE cust^omer.name = 'x'")).contains("**customer.name**: `string`"));
    assert!(said(&PIPELINE.replace("SELECT id", "SELECT _off^set")).contains("**_offset**: `bigint not null`"));
    assert_eq!(said(&PIPELINE.replace("FROM orders", "FROM ord^ers")), "", "a name means nothing to us");
}
