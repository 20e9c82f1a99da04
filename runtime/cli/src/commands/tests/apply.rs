use super::Place;
use crate::exit::Exit;

#[test]
fn records_become_files_and_the_plan_is_recorded_beside_them() {
    let place = Place::with_pipeline();
    let ran = place.run("apply pipeline.yaml").expect(Exit::Done);
    assert!(ran.out.contains("Plan: 1 to create") && ran.err.contains("3 in"), "{}{}", ran.out, ran.err);
    assert_eq!(place.files().len(), 1);
    let record: Vec<_> =
        ["out/lines/.kpipe/lines/plan.json", "out/.kpipe/lines/plan.json"].into_iter().filter(|name| place.path(name).is_file()).collect();
    assert_eq!(record.len(), 1, "the plan is recorded once");
    place.run("apply pipeline.yaml").expect(Exit::Done);
    assert_eq!(place.files().len(), 1, "nothing is written twice");
}

#[test]
fn new_records_are_taken_up_where_it_stopped() {
    let place = Place::with_pipeline();
    place.run("apply pipeline.yaml").expect(Exit::Done);
    let more = place.read("in/a.jsonl") + "{\"id\":4,\"site\":\"z\"}\n";
    place.write("in/a.jsonl", &more);
    let ran = place.run("apply pipeline.yaml").expect(Exit::Done);
    assert!(ran.err.contains("1 in"), "{}", ran.err);
    assert_eq!(place.files().len(), 2);
}

#[test]
fn a_change_without_consent_stops_before_anything_is_touched() {
    let mut place = Place::with_pipeline();
    place.run("apply pipeline.yaml").expect(Exit::Done);
    place.write("pipeline.yaml", &place.pipeline("lines", "PARTITIONBY site"));
    let ran = place.run("apply pipeline.yaml").expect(Exit::ConsentNeeded);
    assert!(ran.err.contains("agree with --yes"), "{}", ran.err);
    place.run("plan --detailed-exitcode").expect(Exit::ChangesPending);
    place.at_a_terminal("no\n");
    place.run("apply pipeline.yaml").expect(Exit::ConsentNeeded);
    place.run("plan --detailed-exitcode").expect(Exit::ChangesPending);
    place.at_a_terminal("yes\n");
    place.run("apply pipeline.yaml").expect(Exit::Done);
    place.run("plan --detailed-exitcode").expect(Exit::Done);
}

#[test]
fn a_weaker_or_other_flag_is_not_enough() {
    let place = Place::with_pipeline();
    place.run("apply pipeline.yaml").expect(Exit::Done);
    place.write("pipeline.yaml", &place.pipeline("lines", "PARTITIONBY site"));
    place.run("apply pipeline.yaml --allow-replay --accept-gap --allow-weaker").expect(Exit::ConsentNeeded);
    place.run("apply pipeline.yaml --yes").expect(Exit::Done);
}

#[test]
fn a_saved_plan_runs_and_is_refused_once_it_is_stale() {
    let place = Place::with_pipeline();
    place.run("plan pipeline.yaml --out next.kplan").expect(Exit::Done);
    let other = place.pipeline("lines", "PARTITIONBY site");
    let same = place.read("pipeline.yaml");
    place.write("pipeline.yaml", &other);
    let stale = place.run("apply next.kplan").expect(Exit::Stale);
    assert!(stale.err.contains("KP0903") && stale.err.contains("pipeline.yaml changed"), "{}", stale.err);
    assert!(place.files().is_empty());
    place.write("pipeline.yaml", &same);
    place.run("apply next.kplan").expect(Exit::Done);
    assert_eq!(place.files().len(), 1);
    let stale = place.run("apply next.kplan").expect(Exit::Stale);
    assert!(stale.err.contains("was applied by somebody else"), "{}", stale.err);
    std::fs::remove_file(place.path("pipeline.yaml")).unwrap();
    assert!(place.run("apply next.kplan").expect(Exit::Stale).err.contains("pipeline.yaml is gone"));
}

#[test]
fn what_is_no_plan_is_told_from_a_damaged_one() {
    let place = Place::with_pipeline();
    place.write("x.kplan", "hello");
    assert!(place.run("apply x.kplan").expect(Exit::Invalid).err.contains("KP0901"));
    place.run("plan --out x.kplan").expect(Exit::Done);
    let text = place.read("x.kplan");
    place.write("x.kplan", &text[..text.len() / 2]);
    assert!(place.run("apply x.kplan").expect(Exit::Invalid).err.contains("KP0902"));
    place.write("x.kplan", &text.replace("bigint", "int").replace("\"id\"", "\"ix\""));
    assert!(place.run("apply x.kplan").expect(Exit::Invalid).err.contains("KP0902"));
    assert!(place.run("apply none.kplan").expect(Exit::LocalIo).err.contains("none.kplan"));
}

#[test]
fn a_damaged_record_of_what_was_applied_is_not_overwritten() {
    let place = Place::with_pipeline();
    place.run("apply pipeline.yaml").expect(Exit::Done);
    let record = ["out/lines/.kpipe/lines/plan.json", "out/.kpipe/lines/plan.json"].into_iter().find(|name| place.path(name).is_file());
    let record = record.unwrap();
    place.write(record, "{}");
    let ran = place.run("apply pipeline.yaml").expect(Exit::Stale);
    assert!(ran.err.contains("record of what was applied"), "{}", ran.err);
    assert_eq!(place.read(record), "{}");
}

#[test]
fn a_bad_record_stops_the_pipeline_with_its_place() {
    let place = Place::with_pipeline();
    place.write("in/b.jsonl", "{\"id\":1}\nnot json\n{\"id\":2}\n");
    let ran = place.run("apply pipeline.yaml").expect(Exit::StoppedByPolicy);
    assert!(ran.err.contains("error[KP1006]") && ran.err.contains("b.jsonl"), "{}", ran.err);
}

#[test]
fn json_log_lines_are_json_to_the_last() {
    let place = Place::with_pipeline();
    let ran = place.run("apply pipeline.yaml --log-format json").expect(Exit::Done);
    assert_eq!(ran.out, "", "the plan is for people");
    for line in ran.err.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(value["timestamp"].is_string() && value["level"].is_string(), "{line}");
    }
    assert!(ran.err.contains("\"records_in\":3"), "{}", ran.err);
    place.write("broken.yaml", "version: 1\npipeline: broken\n");
    let ran = place.run("apply broken.yaml --log-format json").expect(Exit::Invalid);
    for line in ran.err.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(value["level"], "ERROR");
    }
}

#[test]
fn an_address_that_is_taken_is_an_error_before_anything_runs() {
    let place = Place::with_pipeline();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let ran = place.run(&format!("apply pipeline.yaml --http {}", taken.local_addr().unwrap())).expect(Exit::LocalIo);
    assert!(ran.err.contains("cannot serve"), "{}", ran.err);
    assert!(place.files().is_empty());
    assert!(place.run("plan").expect(Exit::Done).out.contains("1 to create"), "nothing was recorded");
}

#[test]
fn several_pipelines_run_in_one_process() {
    let place = Place::with_pipeline();
    std::fs::remove_file(place.path("pipeline.yaml")).unwrap();
    for name in ["one", "two"] {
        let text = place
            .pipeline(name, "")
            .replace("mode: once", &format!("mode: once\n    positions: {}", place.path(&format!("{name}.pos")).display()));
        place.write(&format!("pipelines/{name}.yaml"), &text);
    }
    let ran = place.run("apply pipelines").expect(Exit::Done);
    assert!(ran.out.contains("2 to create") && ran.err.contains("one: ") && ran.err.contains("two: "), "{}{}", ran.out, ran.err);
    assert_eq!(place.files().len(), 2);
}

#[test]
fn progress_on_a_terminal_is_a_table_and_in_a_pipe_lines() {
    let mut place = Place::with_pipeline();
    let piped = place.run("apply pipeline.yaml").expect(Exit::Done).err;
    assert!(piped.contains("INFO  lines: ") && piped.contains(", 3 in (") && !piped.contains('\x1b'), "{piped:?}");
    place = Place::with_pipeline();
    place.at_a_terminal("");
    let live = place.run("apply pipeline.yaml").expect(Exit::Done).err;
    assert!(live.contains("pipeline  state") && live.contains("committed"), "{live:?}");
    assert!(!live.contains(", 3 in ("), "the table says it: {live:?}");
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let mut place = Place::with_pipeline();
    place.write("broken.yaml", "version: 2\n");
    let plain = |place: &Place, words: &str| !place.run(words).err.contains('\x1b');
    assert!(plain(&place, "check broken.yaml"));
    assert!(!plain(&place, "check broken.yaml --color always"));
    place.at_a_terminal("");
    assert!(!plain(&place, "check broken.yaml"));
    assert!(plain(&place, "check broken.yaml --color never"));
    place.set("NO_COLOR", "1");
    assert!(plain(&place, "check broken.yaml"));
    place.set("NO_GRAPHICS", "1");
    let line = place.run("check broken.yaml").expect(Exit::Invalid).err;
    assert!(line.contains("\nbroken.yaml:1:10: error[KP0230]: ") && !line.contains('╭'), "{line}");
}

#[test]
fn quiet_says_only_what_went_wrong() {
    let place = Place::with_pipeline();
    let ran = place.run("apply pipeline.yaml --quiet").expect(Exit::Done);
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", ""));
    place.write("in/b.jsonl", "no json\n");
    let ran = place.run("apply pipeline.yaml --quiet").expect(Exit::StoppedByPolicy);
    assert!(ran.out.is_empty() && ran.err.contains("error[KP1006]"), "{}{}", ran.out, ran.err);
}

#[test]
fn more_words_on_request() {
    let place = Place::with_pipeline();
    let one = place.run("apply pipeline.yaml -v").expect(Exit::Done).err;
    assert!(one.contains("lines: started") && one.contains("lines: committed a.jsonl[0] up to"), "{one}");
    let place = Place::with_pipeline();
    let two = place.run("apply pipeline.yaml -vv").expect(Exit::Done).err;
    assert!(two.lines().count() > one.lines().count(), "{two}");
}

#[test]
fn a_bad_record_names_its_pipeline_and_is_met_again() {
    let place = Place::with_pipeline();
    place.write("in/a.jsonl", "{\"id\":1}\n{\"id\":\"x\"}\n");
    let ran = place.run("apply pipeline.yaml --log-format json").expect(Exit::StoppedByPolicy);
    let last: serde_json::Value = serde_json::from_str(ran.err.lines().last().unwrap()).unwrap();
    assert_eq!((last["level"].as_str(), last["code"].as_str()), (Some("ERROR"), Some("KP1006")));
    assert!(last["message"].as_str().unwrap().starts_with("lines: "), "{last}");
    let json = place.run("plan --format json").expect(Exit::Done).json();
    let start = json["plan"]["pipelines"][0]["live"]["source"]["partitions"][0]["start"].as_i64().unwrap();
    assert!(start <= 9, "the position is not past the bad record: {start}");
    place.run("apply pipeline.yaml").expect(Exit::StoppedByPolicy);
}

#[test]
fn every_file_is_a_partition_and_numbers_have_limits() {
    let place = Place::with_pipeline();
    for name in ["b", "c", "d"] {
        place.write(&format!("in/{name}.jsonl"), "{\"id\":9,\"site\":\"q\"}\n");
    }
    let ran = place.run("apply pipeline.yaml").expect(Exit::Done);
    assert!(ran.err.contains("6 in"), "{}", ran.err);
    assert_eq!(place.files().len(), 4);
    for wrong in ["--tasks 0", "--tasks 257", "--memory 1KiB", "--drain-timeout soon", "--http here", "--log-format xml"] {
        let ran = place.run(&format!("apply pipeline.yaml {wrong}")).expect(Exit::Usage);
        assert!(ran.err.contains(wrong.split(' ').next().unwrap()), "{}", ran.err);
    }
}
