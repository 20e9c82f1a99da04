use super::Place;
use crate::exit::Exit;

const BROKEN: &str = "\
version: 1
pipeline: broken
source:
  file: { dir: in, value: { format: json, schema: { id: bigint } } }
sink:
  local: { dir: out, flsh: { records: 1 } }
kcql: |
  INSERT INTO x SELECT * FROM `*.jsonl` PARTITONBY id
";

#[test]
fn a_sound_directory_says_so_and_needs_no_network() {
    let place = Place::with_pipeline();
    let ran = place.run("check").expect(Exit::Done);
    assert_eq!(ran.out, "check: 1 file, 1 pipeline, 0 errors, 0 warnings\n");
    assert_eq!(ran.err, "");
    assert_eq!(place.run("check --quiet").expect(Exit::Done).out, "");
}

#[test]
fn every_mistake_is_shown_once_with_its_place() {
    let place = Place::new();
    place.write("broken.yaml", BROKEN);
    let ran = place.run("check broken.yaml").expect(Exit::Invalid);
    assert!(ran.err.contains("error[KP0201]") && ran.err.contains("broken.yaml:6:22"), "{}", ran.err);
    assert!(ran.err.contains("error[KP0107]") && ran.err.contains("broken.yaml:8:41"), "{}", ran.err);
    assert_eq!(ran.err.matches("error[").count(), 2, "{}", ran.err);
    assert!(ran.out.contains("2 errors"), "{}", ran.out);
    let plain = place.run("check broken.yaml --format plain").expect(Exit::Invalid);
    let lines: Vec<&str> = plain.err.lines().collect();
    assert!(lines.len() == 2 && lines[0].starts_with("broken.yaml:6:22: error[KP0201]: "), "{}", plain.err);
}

#[test]
fn json_has_every_diagnostic_with_places_and_fixes() {
    let place = Place::new();
    place.write("broken.yaml", BROKEN);
    let ran = place.run("check --format json").expect(Exit::Invalid);
    assert_eq!(ran.err, "");
    let json = ran.json();
    assert_eq!((json["exit"]["code"].as_u64(), json["exit"]["name"].as_str()), (Some(1), Some("invalid")));
    assert_eq!((json["summary"]["errors"].as_u64(), json["files"].as_u64()), (Some(2), Some(1)));
    let misspelt = &json["diagnostics"][1];
    assert_eq!((misspelt["code"].as_str(), misspelt["primary"]["line"].as_u64()), (Some("KP0107"), Some(8)));
    let edit = &misspelt["fixes"][0]["edits"][0];
    let (start, end) = (edit["byte_start"].as_u64().unwrap() as usize, edit["byte_end"].as_u64().unwrap() as usize);
    assert_eq!((&BROKEN[start..end], edit["replacement"].as_str()), ("PARTITONBY", Some("PARTITIONBY")));
}

#[test]
fn applying_the_fixes_of_json_repairs_the_statement() {
    let place = Place::new();
    place.write("broken.yaml", BROKEN);
    let json = place.run("check --format json").json();
    let mut text = BROKEN.to_owned();
    let mut edits: Vec<_> = json["diagnostics"].as_array().unwrap().iter().flat_map(|d| d["fixes"].as_array().unwrap()).collect();
    edits.sort_by_key(|fix| std::cmp::Reverse(fix["edits"][0]["byte_start"].as_u64()));
    for fix in edits {
        assert_eq!(fix["applicability"], "machine-applicable");
        let edit = &fix["edits"][0];
        let (start, end) = (edit["byte_start"].as_u64().unwrap() as usize, edit["byte_end"].as_u64().unwrap() as usize);
        text.replace_range(start..end, edit["replacement"].as_str().unwrap());
    }
    place.write("broken.yaml", &text);
    let again = place.run("check broken.yaml --format plain");
    assert!(!again.err.contains("KP0107"), "{}", again.err);
}

#[test]
fn more_than_twenty_mistakes_are_cut_for_people_and_counted_in_full() {
    let place = Place::new();
    for number in 0..30 {
        place.write(&format!("p{number:02}.yaml"), &BROKEN.replace("broken", &format!("broken-{number}")));
    }
    let ran = place.run("check").expect(Exit::Invalid);
    assert_eq!(ran.err.matches("error[").count(), 20);
    assert!(ran.err.ends_with("... and 40 more\n"), "{}", &ran.err[ran.err.len() - 100..]);
    assert!(ran.out.contains("30 files, 30 pipelines, 60 errors"), "{}", ran.out);
    assert_eq!(place.run("check --format json").json()["diagnostics"].as_array().unwrap().len(), 60);
}

#[test]
fn an_unset_variable_is_no_error_here_but_for_plan() {
    let mut place = Place::with_pipeline();
    let text = place.read("pipeline.yaml").replace("mode: once", "mode: \"${env:MODE}\"");
    place.write("pipeline.yaml", &text);
    place.run("check").expect(Exit::Done);
    let ran = place.run("plan --offline").expect(Exit::Invalid);
    assert!(ran.err.contains("`MODE` is not set"), "{}", ran.err);
    place.set("MODE", "once");
    place.run("plan --offline").expect(Exit::Done);
}

#[test]
fn connections_and_profiles_are_found() {
    let place = Place::with_pipeline();
    let text = place.read("pipeline.yaml");
    let dir = format!("dir: {}", place.path("in").display());
    place.write("pipelines/p.yaml", &text.replace(&dir, "use: shared"));
    place.write("connections.yaml", &format!("version: 1\nconnections: {{ shared: {{ file: {{ {dir} }} }} }}\n"));
    std::fs::remove_file(place.path("pipeline.yaml")).unwrap();
    let first = place.run("plan --offline pipelines").expect(Exit::Done);
    place.write("profiles/prod.yaml", "pipelines: { lines: { source: { file: { mode: tail } } } }\n");
    let second = place.run("plan --offline pipelines --profile prod --format json").expect(Exit::Done).json();
    let options = &second["plan"]["pipelines"][0]["pipeline"]["source"]["options"];
    assert_eq!(options["mode"]["text"], "tail", "{options} after {}", first.out);
    let missing = place.run("check --profile dev").expect(Exit::Usage);
    assert!(missing.err.contains("profiles/dev.yaml"), "{}", missing.err);
}

#[test]
fn a_secret_in_the_file_is_never_shown() {
    let place = Place::new();
    let text = "version: 1\npipeline: s\nsource:\n  mqtt: { url: mqtt://h, username: u, password: hunter2 }\nsink:\n  kafka: { brokers: [\"h:1\"] }\nkcql: INSERT INTO t SELECT * FROM a/+\n";
    place.write("s.yaml", text);
    for words in ["check", "check --format plain", "check --format json", "plan --offline", "plan --offline --format json"] {
        let ran = place.run(words).expect(Exit::Done);
        assert!(!ran.err.contains("hunter2") && !ran.out.contains("hunter2"), "{words}: {}{}", ran.out, ran.err);
        assert!(ran.err.contains("KP0701") || ran.out.contains("KP0701"), "{words}");
    }
}
