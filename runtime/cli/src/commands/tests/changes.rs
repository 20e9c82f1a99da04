//! What a changed file means for what runs: the class that `plan` names, and the consent that `apply` wants for it.

use super::Place;
use crate::exit::Exit;

const PIPELINE: &str = "\
version: 1
pipeline: lines
source:
  file: { dir: in, mode: once, value: { format: json, schema: { id: bigint not null, site: string, temp: double } } }
sink:
  local: { dir: out, format: parquet, flush: { interval: 1h } }
kcql: |
  INSERT INTO lines SELECT id, site FROM `a.jsonl`;
  INSERT INTO other SELECT id FROM `b.jsonl`
";

/// A pipeline that was applied.
fn applied() -> Place {
    let place = Place::new();
    place.write("pipeline.yaml", PIPELINE);
    for name in ["in/a.jsonl", "in/b.jsonl", "moved/a.jsonl", "moved/b.jsonl"] {
        place.write(name, "{\"id\":1,\"site\":\"x\",\"temp\":1.5}\n");
    }
    place.run("apply pipeline.yaml").expect(Exit::Done);
    place.run("plan --detailed-exitcode").expect(Exit::Done);
    place
}

/// What is edited, the class of that, and the flag that agrees to it.
const CHANGES: &[(&str, &str, &str, Option<&str>)] = &[
    ("interval: 1h", "interval: 2h", "restart", None),
    ("sink:", "errors: { retry: { timeout: 5m } }\nsink:", "in place", None),
    ("SELECT id, site", "SELECT id, site, temp", "schema add", Some("--yes")),
    ("FROM `a.jsonl`", "FROM `a.jsonl` PARTITIONBY site", "new layout", Some("--yes")),
    ("INTO other", "INTO elsewhere", "new layout", Some("--yes")),
    ("format: parquet", "format: json", "new layout", Some("--yes")),
    ("SELECT id, site", "SELECT id", "schema break", Some("--allow-schema-break")),
    ("dir: in,", "dir: moved,", "gap risk", Some("--accept-gap")),
    (";\n  INSERT INTO other SELECT id FROM `b.jsonl`", "", "delete", Some("--allow-delete lines")),
];

#[test]
fn every_change_has_its_class_and_needs_its_consent_and_no_other() {
    for (from, to, class, flag) in CHANGES {
        let place = applied();
        assert!(PIPELINE.contains(from), "{from}");
        place.write("pipeline.yaml", &PIPELINE.replacen(from, to, 1));
        let planned = place.run("plan --detailed-exitcode").expect(Exit::ChangesPending);
        assert!(planned.out.contains(&format!("~ lines  {class}\n")), "{to}: {}", planned.out);
        assert!(planned.out.contains(&format!("1 to change (1 {class})")), "{to}: {}", planned.out);
        let json = place.run("plan --format json").expect(Exit::Done).json();
        let change = &json["plan"]["pipelines"][0]["changes"][0];
        assert_eq!(
            (change["class"].as_str(), change["flag"].as_str()),
            (Some(*class), flag.and_then(|flag| flag.split(' ').next())),
            "{to}"
        );
        assert!(change["place"].as_str().is_some_and(|place| place.starts_with("pipeline.yaml:")) || *class == "delete", "{to}: {change}");
        let Some(flag) = flag else {
            place.run("apply pipeline.yaml").expect(Exit::Done);
            place.run("plan --detailed-exitcode").expect(Exit::Done);
            continue;
        };
        let refused = place.run("apply pipeline.yaml").expect(Exit::ConsentNeeded);
        let said = refused.err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(&format!("agree with {flag}")) && said.contains("KP0905"), "{to}: {}", refused.err);
        let all = ["--yes", "--allow-schema-break", "--allow-replay", "--accept-gap", "--allow-weaker", "--allow-delete lines"];
        let others = all.iter().filter(|other| *other != flag).copied().collect::<Vec<_>>().join(" ");
        place.run(&format!("apply pipeline.yaml {others}")).expect(Exit::ConsentNeeded);
        place.run("plan --detailed-exitcode").expect(Exit::ChangesPending);
        place.run(&format!("apply pipeline.yaml {flag}")).expect(Exit::Done);
        place.run("plan --detailed-exitcode").expect(Exit::Done);
    }
}

#[test]
fn several_changes_are_listed_and_the_gravest_comes_first() {
    let place = applied();
    place.write("pipeline.yaml", &PIPELINE.replace("interval: 1h", "interval: 2h").replace("SELECT id, site", "SELECT id"));
    let planned = place.run("plan").expect(Exit::Done);
    assert!(planned.out.contains("~ lines  schema break + restart\n"), "{}", planned.out);
    for (path, moved, line) in
        [("sink.local.flush.interval", "1h → 2h", "pipeline.yaml:6"), ("kcql[0].select.site", "- string", "pipeline.yaml:8")]
    {
        let found = planned.out.lines().find(|text| text.contains(path)).unwrap_or_else(|| panic!("{path} is missing in\n{}", planned.out));
        assert!(found.contains(moved) && found.ends_with(line), "{found}");
    }
}

#[test]
fn another_type_is_said_in_the_schema_and_in_the_column() {
    let place = applied();
    place.write("pipeline.yaml", &PIPELINE.replace("site: string", "site: bigint"));
    let planned = place.run("plan").expect(Exit::Done);
    assert!(planned.out.contains("1 to change (1 schema break, 1 restart)"), "{}", planned.out);
    assert!(planned.out.contains("kcql[0].select.site  string → bigint"), "{}", planned.out);
    place.run("apply pipeline.yaml --yes").expect(Exit::ConsentNeeded);
}

#[test]
fn a_new_statement_asks_for_nothing() {
    let place = applied();
    let more = PIPELINE.replace("FROM `b.jsonl`\n", "FROM `b.jsonl`;\n  INSERT INTO third SELECT id FROM `a.jsonl`\n");
    place.write("pipeline.yaml", &more);
    let planned = place.run("plan").expect(Exit::Done);
    assert!(planned.out.contains("~ lines  restart"), "{}", planned.out);
    place.run("apply pipeline.yaml").expect(Exit::Done);
}

#[test]
fn an_unchanged_pipeline_is_one_line_unless_asked_for() {
    let place = applied();
    let short = place.run("plan").expect(Exit::Done).out;
    assert_eq!(short.lines().filter(|line| line.trim_start().starts_with("promise")).count(), 0, "{short}");
    let long = place.run("plan -v").expect(Exit::Done).out;
    assert!(long.contains("promise") && long.len() > short.len(), "{long}");
}

#[test]
fn a_target_that_nobody_applied_to_is_new() {
    let place = applied();
    place.write("pipeline.yaml", &PIPELINE.replace("dir: out", "dir: out2"));
    assert!(place.run("plan").expect(Exit::Done).out.contains("+ lines  create"));
    place.write("pipeline.yaml", &PIPELINE.replace("pipeline: lines", "pipeline: rows"));
    assert!(place.run("plan").expect(Exit::Done).out.contains("+ rows  create"), "another name is another pipeline");
}

/// What is edited, what is said of it, and the words that it is said about.
const BREAKS: &[(&str, &str, &str)] = &[
    (
        "SELECT id, CAST(site AS BIGINT) AS site FROM",
        "column `site` would change from string to bigint under an existing prefix",
        "CAST(site AS BIGINT) AS site",
    ),
    ("SELECT id FROM", "column `site` (string) would be gone under an existing prefix", "SELECT id"),
    (
        "SELECT id, upper(site) AS site FROM",
        "column `site` would be computed in another way under an existing prefix",
        "upper(site) AS site",
    ),
    ("SELECT id, site, id AS key FROM", "column `key` (bigint not null) would be new under an existing prefix", "id AS key"),
];

#[test]
fn a_column_that_breaks_what_is_written_is_said_where_it_is_selected() {
    for (to, message, at) in BREAKS {
        let place = applied();
        let text = PIPELINE.replacen("SELECT id, site FROM", to, 1);
        place.write("pipeline.yaml", &text);
        let json = place.run("plan --format json").expect(Exit::Done).json();
        let said = json["diagnostics"].as_array().unwrap();
        assert_eq!(said.len(), 1, "{to}: {said:?}");
        assert_eq!((said[0]["code"].as_str(), said[0]["severity"].as_str()), (Some("KP0421"), Some("warning")), "{to}");
        assert_eq!(said[0]["message"].as_str(), Some(*message), "{to}");
        let place_of = |key: &str| usize::try_from(said[0]["primary"][key].as_u64().unwrap()).unwrap();
        let line = text.lines().nth(place_of("line") - 1).unwrap();
        assert_eq!(&line[place_of("col") - 1..place_of("end_col") - 1], *at, "{to}");
        let refused = place.run("apply pipeline.yaml --yes").expect(Exit::ConsentNeeded);
        assert!(refused.err.contains("warning[KP0421]") && refused.err.contains(message), "{}", refused.err);
        place.write("pipeline.yaml", &text.replace("flush: {", "on_type_change: allow, flush: {"));
        assert_eq!(
            place.run("plan --format json").expect(Exit::Done).json()["diagnostics"],
            serde_json::json!([]),
            "{to}: agreed in the file"
        );
    }
}

#[test]
fn what_breaks_nothing_is_not_warned_about() {
    let place = applied();
    for (from, to) in [("SELECT id, site", "SELECT id, site, temp"), ("INTO lines SELECT id, site", "INTO rows SELECT id"), ("1h", "2h")] {
        place.write("pipeline.yaml", &PIPELINE.replacen(from, to, 1));
        let planned = place.run("plan").expect(Exit::Done);
        assert_eq!(planned.err, "", "{to}");
    }
}
