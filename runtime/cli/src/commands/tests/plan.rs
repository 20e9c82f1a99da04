use super::Place;
use crate::exit::Exit;
use crate::s3_like::{Conditions, S3Like, Traits};

#[test]
fn a_new_pipeline_is_explained_and_nothing_is_written() {
    let place = Place::with_pipeline();
    let ran = place.run("plan").expect(Exit::Done);
    for words in ["+ lines  create", "promise", "starts at", "Plan: 1 to create, 0 to change, 0 to delete."] {
        assert!(ran.out.contains(words), "`{words}` is missing in\n{}", ran.out);
    }
    assert!(!place.path("out").exists() && !place.path("in/.kpipe").exists());
    place.run("plan --detailed-exitcode").expect(Exit::ChangesPending);
}

#[test]
fn offline_says_what_was_not_looked_at() {
    let place = Place::with_pipeline();
    let ran = place.run("plan --offline").expect(Exit::Done);
    assert!(ran.out.contains("? lines  not compared") && ran.out.contains("Offline: "), "{}", ran.out);
    place.run("plan --offline --detailed-exitcode").expect(Exit::ChangesPending);
}

#[test]
fn a_plan_of_broken_files_is_no_plan() {
    let place = Place::with_pipeline();
    place.write("broken.yaml", "version: 1\npipeline: broken\n");
    let ran = place.run("plan --out x.kplan").expect(Exit::Invalid);
    assert!(ran.out.is_empty() && ran.err.contains("KP0220"), "{}{}", ran.out, ran.err);
    assert!(!place.path("x.kplan").exists());
}

#[test]
fn json_is_one_document_with_the_plan() {
    let place = Place::with_pipeline();
    let json = place.run("plan --format json").expect(Exit::Done).json();
    assert_eq!((json["kpipe_format"].as_str(), json["plan"]["create"].as_u64()), (Some("1.0"), Some(1)));
    let pipeline = &json["plan"]["pipelines"][0];
    assert_eq!((pipeline["name"].as_str(), pipeline["action"].as_str()), (Some("lines"), Some("create")));
    assert_eq!(pipeline["pipeline"]["promise"]["guarantee"], "at_least_once");
    assert!(pipeline["live"]["sink"]["system"].as_str().unwrap().starts_with("directory "), "{pipeline}");
}

#[test]
fn changes_are_named_with_class_and_place() {
    let place = Place::with_pipeline();
    place.run("apply pipeline.yaml").expect(Exit::Done);
    place.run("plan --detailed-exitcode").expect(Exit::Done);
    place.write("pipeline.yaml", &place.pipeline("lines", "PARTITIONBY site"));
    let ran = place.run("plan --detailed-exitcode").expect(Exit::ChangesPending);
    assert!(ran.out.contains("~ lines  new layout") && ran.out.contains("1 to change (1 new layout)"), "{}", ran.out);
    assert!(ran.out.contains("pipeline.yaml:11"), "the place of the change: {}", ran.out);
    let json = place.run("plan --format json").json();
    let change = &json["plan"]["pipelines"][0]["changes"][0];
    assert_eq!((change["class"].as_str(), change["flag"].as_str()), (Some("new layout"), Some("--yes")));
    assert_eq!(change["place"], "pipeline.yaml:11");
}

#[test]
fn a_comment_or_the_order_of_keys_is_no_change() {
    let place = Place::with_pipeline();
    place.run("apply pipeline.yaml").expect(Exit::Done);
    let text = place.read("pipeline.yaml").replace("version: 1\npipeline: lines\n", "# why\npipeline: lines\nversion: 1\n");
    place.write("pipeline.yaml", &text);
    let ran = place.run("plan --detailed-exitcode").expect(Exit::Done);
    assert!(ran.out.contains("= lines  no change"), "{}", ran.out);
}

#[test]
fn what_is_not_there_has_the_code_of_its_kind() {
    let place = Place::with_pipeline();
    let input = place.path("in").display().to_string();
    place.write("pipeline.yaml", &place.pipeline("lines", "").replace(&input, &place.path("nowhere").display().to_string()));
    let ran = place.run("plan");
    assert_eq!(ran.exit, Exit::Unreachable, "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("[pipeline.yaml:5:10]") && ran.err.contains("nowhere"), "{}", ran.err);
    let json = place.run("plan --format json").json();
    assert_eq!((json["exit"]["code"].as_u64(), json["summary"]["errors"].as_u64()), (Some(10), Some(1)));
    let found = &json["diagnostics"][0];
    assert_eq!((found["pipeline"].as_str(), found["yaml_path"].as_str()), (Some("lines"), Some("source.file.dir")));
    assert_eq!((found["primary"]["file"].as_str(), found["primary"]["line"].as_u64()), (Some("pipeline.yaml"), Some(5)));
    let plain = place.run("plan --format plain").err;
    assert!(plain.starts_with("pipeline.yaml:5:10: error[KP0802]: the directory "), "{plain}");
}

#[test]
fn several_pipelines_are_planned_and_one_failure_does_not_hide_the_others() {
    let place = Place::with_pipeline();
    let input = place.path("in").display().to_string();
    place.write("bad.yaml", &place.pipeline("bad", "").replace(&input, &place.path("nowhere").display().to_string()));
    let ran = place.run("plan").expect(Exit::Unreachable);
    assert!(
        ran.out.contains("+ lines  create") && ran.out.contains("missing") && ran.err.contains("[bad.yaml:5:10]"),
        "{}{}",
        ran.out,
        ran.err
    );
}

#[test]
fn a_plan_that_cannot_be_saved_is_an_error() {
    let place = Place::with_pipeline();
    let ran = place.run("plan --out no/such/dir/x.kplan").expect(Exit::LocalIo);
    assert!(ran.err.contains("x.kplan"), "{}", ran.err);
    place.write("s.yaml", "version: 1\npipeline: s\nsource:\n  mqtt: { url: mqtt://h, username: u, password: hunter2 }\nsink:\n  kafka: { brokers: [\"h:1\"] }\nkcql: INSERT INTO t SELECT * FROM a/+\n");
    let ran = place.run("plan s.yaml --offline --out x.kplan").expect(Exit::Invalid);
    assert!(ran.err.contains("KP0702") && ran.err.contains("s.yaml:4"), "{}", ran.err);
    assert!(!place.path("x.kplan").exists());
}

#[test]
fn systems_that_take_a_call_and_never_answer_are_given_up_soon_and_all_are_named() {
    let place = Place::new();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    for name in ["one", "two"] {
        place.write(
            &format!("{name}.yaml"),
            &format!(
                "version: 1\npipeline: {name}\nsource:\n  kafka: {{ brokers: [\"{address}\"], value: {{ format: json }} }}\nsink:\n  s3: {{ endpoint: \
                 \"http://{address}\", region: r, credentials: {{ access_key: k, secret_key: \"${{env:S}}\" }} }}\nkcql: INSERT INTO lake:{name} SELECT * FROM t\n"
            ),
        );
    }
    place.write("mqtt.yaml", &format!("version: 1\npipeline: three\nsource:\n  mqtt: {{ url: \"mqtt://{address}\" }}\nsink:\n  kafka: {{ brokers: [\"{address}\"] }}\nkcql: INSERT INTO b SELECT * FROM a/+\n"));
    let mut place = place;
    place.set("S", "s");
    let begun = std::time::Instant::now();
    let ran = place.run("plan --format plain").expect(Exit::Unreachable);
    assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
    let places = ["mqtt.yaml:4:16: ", "mqtt.yaml:6:21: ", "one.yaml:4:21: ", "one.yaml:6:19: ", "two.yaml:4:21: ", "two.yaml:6:19: "];
    let said: Vec<&str> = ran.err.lines().collect();
    assert_eq!(said.len(), places.len(), "{}", ran.err);
    for (line, place) in said.iter().zip(places) {
        assert!(line.starts_with(place) && line.contains("error[KP0801]: "), "{place} in\n{}", ran.err);
    }
}

#[test]
fn a_store_that_cannot_keep_a_ledger_that_was_asked_for_is_named_before_anything_runs() {
    let mut place = Place::new();
    place.set("S", "s");
    let planned = |conditions, commit: &str| {
        let server = S3Like::start(Traits { conditions, lists_uploads: true });
        let text = format!(
            "version: 1\npipeline: p\nsource:\n  kafka: {{ brokers: [\"127.0.0.1:1\"], value: {{ format: json }} }}\nsink:\n  s3: {{ endpoint: \"{}\", region: r, \
             credentials: {{ access_key: k, secret_key: \"${{env:S}}\" }}, commit: {{ protocol: {commit} }} }}\nkcql: INSERT INTO lake:p SELECT * FROM t\n",
            server.endpoint
        );
        place.write("p.yaml", &text);
        let ran = place.run("plan");
        assert!(ran.err.contains("[p.yaml:4:21]") && server.requests() > 0, "one fault hides no other: {}", ran.err);
        ran.err
    };
    let ignored = planned(Conditions::Ignored, "ledger");
    assert!(ignored.contains("ignores `If-None-Match`: a ledger there would lose records"), "{ignored}");
    assert!(ignored.contains("[p.yaml:6:3]") && ignored.contains("leave `commit.protocol` out"), "{ignored}");
    let unknown = planned(Conditions::NotImplemented, "ledger");
    assert!(unknown.contains("501 NotImplemented") && unknown.contains("conditional writes"), "{unknown}");
    for fine in [planned(Conditions::Honoured, "ledger"), planned(Conditions::Ignored, "auto"), planned(Conditions::NotImplemented, "auto")]
    {
        assert!(!fine.contains("[p.yaml:6:"), "{fine}");
    }
}
