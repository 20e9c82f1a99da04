//! Relative paths start at the folder of the file that they are written in, wherever the command is run.

use super::Place;
use crate::exit::Exit;

const PIPELINE: &str = "\
version: 1
pipeline: lines
source:
  file: { dir: in, mode: once, value: { format: json, schema: { file: schema.json } } }
sink:
  local: { dir: out, format: parquet }
kcql: INSERT INTO lines SELECT * FROM `*.jsonl`
";
const SCHEMA: &str = r#"{"type":"object","properties":{"id":{"type":"integer"}},"required":["id"]}"#;

/// A pipeline in a folder below the directory of the commands, with everything that it names beside it.
fn place() -> Place {
    let place = Place::new();
    place.write("pipes/pipeline.yaml", PIPELINE);
    place.write("pipes/schema.json", SCHEMA);
    place.write("pipes/in/a.jsonl", "{\"id\":1}\n{\"id\":2}\n");
    place
}

#[test]
fn data_and_schema_lie_beside_the_pipeline() {
    let place = place();
    let ran = place.run("apply pipes").expect(Exit::Done);
    assert!(ran.err.contains("2 in"), "{}", ran.err);
    assert!(place.path("pipes/out/lines").is_dir() && !place.path("out").exists());
}

#[test]
fn the_plan_is_the_same_from_every_directory() {
    let place = place();
    place.run("apply pipes/pipeline.yaml").expect(Exit::Done);
    let absolute = place.path("pipes/pipeline.yaml");
    for words in [
        "plan pipes".to_owned(),
        "plan -C pipes".to_owned(),
        "plan -C pipes/in ../pipeline.yaml".to_owned(),
        format!("plan {}", absolute.display()),
    ] {
        let ran = place.run(&format!("{words} --detailed-exitcode")).expect(Exit::Done);
        assert!(ran.out.contains("= lines  no change"), "{words}: {}", ran.out);
    }
}

#[test]
fn a_saved_plan_finds_the_data_of_its_pipeline() {
    let place = place();
    place.run("plan pipes --out next.kplan").expect(Exit::Done);
    let saved = place.read("next.kplan");
    assert!(saved.contains(r#""lines": "pipes""#) && !saved.contains(&*place.path("").to_string_lossy()), "{saved}");
    let ran = place.run("apply next.kplan").expect(Exit::Done);
    assert!(ran.err.contains("2 in"), "{}", ran.err);
    assert!(place.path("pipes/out/lines").is_dir());
}

#[test]
fn shared_connections_have_a_folder_of_their_own_and_profiles_have_not() {
    let place = place();
    place.write("pipes/pipeline.yaml", &PIPELINE.replace("dir: in", "use: shared"));
    place.write("connections.yaml", "version: 1\nconnections: { shared: { file: { dir: shared } } }\n");
    place.write("shared/b.jsonl", "{\"id\":3}\n");
    let ran = place.run("plan pipes").expect(Exit::Done);
    assert!(ran.out.contains("1 file below") && ran.out.contains("shared"), "{}", ran.out);
    let inside = place.run("plan -C pipes").expect(Exit::Done);
    assert!(inside.out.contains("b.jsonl/0 @0"), "{}", inside.out);
    let directory = |out: &str| out.lines().find(|line| line.contains("file: ")).map(str::to_owned);
    assert_eq!(directory(&ran.out), directory(&inside.out), "the plan names it as the pipeline sees it");
    place.write("profiles/prod.yaml", "pipelines: { lines: { source: { file: { dir: in } } } }\n");
    let prod = place.run("plan pipes --profile prod").expect(Exit::Done);
    assert!(prod.out.contains("a.jsonl/0 @0"), "{}", prod.out);
}

#[test]
fn a_secret_file_lies_beside_the_pipeline() {
    let place = Place::new();
    let text = "version: 1\npipeline: m\nsource:\n  mqtt: { url: mqtt://127.0.0.1:1, username: u, password: \"${file:secret}\" }\nsink:\n  kafka: { brokers: [\"127.0.0.1:1\"] }\nkcql: INSERT INTO t SELECT * FROM a/+\n";
    place.write("pipes/m.yaml", text);
    let missing = place.run("plan --offline pipes").expect(Exit::Invalid);
    assert!(missing.err.contains("error[KP0352]") && missing.err.contains("starts at the folder of the file"), "{}", missing.err);
    place.write("pipes/secret", "hunter2\n");
    place.run("plan --offline pipes").expect(Exit::Done);
    let live = place.run("plan pipes").expect(Exit::Unreachable);
    assert!(!live.err.contains("hunter2") && live.err.contains("mqtt at 127.0.0.1:1"), "{}", live.err);
}

#[test]
fn a_certificate_that_is_not_there_is_named_where_it_is_looked_for() {
    let place = Place::new();
    let text = "version: 1\npipeline: m\nsource:\n  mqtt: { url: \"mqtts://127.0.0.1:1\", tls: { ca: ca.pem } }\nsink:\n  kafka: { brokers: [\"127.0.0.1:1\"], tls: { ca: ca.pem } }\nkcql: INSERT INTO t SELECT * FROM a/+\n";
    place.write("pipes/m.yaml", text);
    let ran = place.run("plan pipes");
    assert!(ran.err.contains("pipes/ca.pem"), "{}", ran.err);
}
