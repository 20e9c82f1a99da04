use super::Place;
use crate::exit::Exit;

/// Two mistakes that have one right answer each, and none else.
fn misspelt(place: &Place) -> String {
    place.pipeline("lines", "").replace("SELECT *", "SELCT *").replace("format: parquet", "fromat: parquet")
}

#[test]
fn safe_fixes_are_shown_and_applied_until_none_is_left() {
    let place = Place::with_pipeline();
    let right = place.read("pipeline.yaml");
    place.write("pipeline.yaml", &misspelt(&place));
    let ran = place.run("fix").expect(Exit::Done);
    assert_eq!(place.read("pipeline.yaml"), right);
    assert!(
        ran.out.contains("--- pipeline.yaml\n+++ pipeline.yaml\n@@ ") && ran.out.contains("+  INSERT INTO lines SELECT *"),
        "{}",
        ran.out
    );
    assert!(ran.out.ends_with("fix: 2 fixes applied in 1 file; 0 errors, 0 warnings left\n"), "{}", ran.out);
    assert_eq!(place.run("fix").expect(Exit::Done).out, "fix: 0 fixes applied in 0 files; 0 errors, 0 warnings left\n");
    place.run("check").expect(Exit::Done);
}

#[test]
fn diff_and_check_write_nothing() {
    let place = Place::with_pipeline();
    let text = misspelt(&place);
    place.write("pipeline.yaml", &text);
    let shown = place.run("fix --diff").expect(Exit::Done);
    assert!(shown.out.contains("fix: 2 fixes would be applied in 1 file"), "{}", shown.out);
    place.run("fix --check").expect(Exit::WouldChange);
    assert_eq!(place.run("fix --check --quiet").expect(Exit::WouldChange).out, "");
    assert_eq!(place.read("pipeline.yaml"), text);
    place.write("pipeline.yaml", &place.pipeline("lines", ""));
    place.run("fix --check").expect(Exit::Done);
}

#[test]
fn what_is_left_is_said_and_is_an_error() {
    let place = Place::with_pipeline();
    place.write("pipeline.yaml", &misspelt(&place).replace("id: bigint not null", "id: whatever"));
    let ran = place.run("fix").expect(Exit::Invalid);
    assert!(ran.err.contains("KP0235") && !ran.err.contains("KP0107"), "{}", ran.err);
    assert!(ran.out.ends_with("2 fixes applied in 1 file; 1 error, 0 warnings left\n"), "{}", ran.out);
}

#[test]
fn a_fix_that_would_make_it_worse_is_not_applied() {
    let place = Place::with_pipeline();
    let text = place.pipeline("lines", "").replace("format: parquet", "format: parquet, fromat: json");
    place.write("pipeline.yaml", &text);
    let ran = place.run("fix").expect(Exit::Invalid);
    assert!(ran.err.contains("the fix of KP0201 would make it worse, so it was not applied"), "{}", ran.err);
    assert_eq!(place.read("pipeline.yaml"), text);
}

#[test]
fn secrets_are_neither_shown_nor_touched() {
    let place = Place::new();
    let text = "version: 1\npipeline: p\nsource:\n  mqtt: { url: mqtt://localhost:1883, usrname: me, password: yes-hunter2 }\n\
                sink:\n  kafka: { brokers: [localhost:9092] }\nkcql: |\n  INSERT INTO t SELECT * FROM t/+\n";
    place.write("p.yaml", text);
    let ran = place.run("fix").expect(Exit::Done);
    assert!(ran.out.contains("+  mqtt: { url: mqtt://localhost:1883, username: me, password: ******** }\n"), "{}", ran.out);
    assert!(!ran.out.contains("hunter2") && !ran.err.contains("hunter2"), "{}{}", ran.out, ran.err);
    assert_eq!(place.read("p.yaml"), text.replace("usrname", "username"));
}

#[test]
fn shared_connections_are_fixed_too_and_other_files_stay() {
    let place = Place::new();
    let shared = "version: 1\nconnections:\n  k: { kafka: { brkers: [\"localhost:9092\"] } }\n";
    let text = "version: 1\npipeline: p\nsource:\n  mqtt: { url: mqtt://localhost:1883 }\nsink:\n  kafka: { use: k }\nkcql: |\n  INSERT INTO t SELECT * FROM t/+\n";
    place.write("connections.yaml", shared);
    place.write("p.yaml", text);
    let ran = place.run("fix p.yaml").expect(Exit::Done);
    assert!(ran.out.contains("--- connections.yaml"), "{}", ran.out);
    assert_eq!((place.read("connections.yaml"), place.read("p.yaml")), (shared.replace("brkers", "brokers"), text.to_owned()));
}

#[test]
fn text_that_steers_a_terminal_is_escaped_in_the_difference() {
    let place = Place::with_pipeline();
    place.write("pipeline.yaml", &misspelt(&place).replace("SELCT *", "SELCT * -- \u{202e}\n "));
    let ran = place.run("fix --diff");
    assert!(ran.out.contains("\\u{202e}") && !ran.out.contains('\u{202e}'), "{}", ran.out);
}

#[test]
fn a_difference_of_fmt_shows_no_secret_either() {
    let place = Place::new();
    place.write("p.yaml", "version: 1   \npassword: hunter2\nkcql: insert into a select * from b\n");
    let ran = place.run("fmt --check --diff").expect(Exit::WouldChange);
    assert!(ran.out.contains("password: ********") && !ran.out.contains("hunter2"), "{}", ran.out);
}
