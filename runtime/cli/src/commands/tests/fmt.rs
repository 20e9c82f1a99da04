use super::Place;
use crate::exit::Exit;

const UGLY: &str = "version: 1   \npipeline: p # name\nkcql: insert into a select * from b\n\n\n";
const TIDY: &str = "version: 1\npipeline: p # name\nkcql: |\n  INSERT INTO a SELECT * FROM b\n";

#[test]
fn files_are_rewritten_once() {
    let place = Place::new();
    place.write("p.yaml", UGLY);
    assert_eq!(place.run("fmt").expect(Exit::Done).out, "changed p.yaml\n");
    assert_eq!(place.read("p.yaml"), TIDY);
    assert_eq!(place.run("fmt").expect(Exit::Done).out, "");
}

#[test]
fn check_writes_nothing_and_tells_by_its_code() {
    let place = Place::new();
    place.write("p.yaml", UGLY);
    let ran = place.run("fmt --check --diff p.yaml").expect(Exit::WouldChange);
    assert!(ran.out.contains("-kcql: insert into a") && ran.out.contains("+  INSERT INTO a"), "{}", ran.out);
    assert_eq!(place.read("p.yaml"), UGLY);
    place.write("p.yaml", TIDY);
    assert_eq!(place.run("fmt --check --diff p.yaml").expect(Exit::Done).out, "");
}

#[test]
fn a_broken_file_is_left_alone_and_the_others_are_formatted() {
    let place = Place::new();
    place.write("a.yaml", "a: 1\na: 2\n");
    place.write("b.yaml", UGLY);
    let ran = place.run("fmt").expect(Exit::Invalid);
    assert!(ran.err.contains("KP0205"), "{}", ran.err);
    assert_eq!((place.read("a.yaml").as_str(), place.read("b.yaml").as_str()), ("a: 1\na: 2\n", TIDY));
}

#[test]
fn what_was_formatted_still_means_the_same() {
    let place = Place::with_pipeline();
    let before = place.run("plan --offline --format json").json();
    let text = place.read("pipeline.yaml").replace("kcql: |\n  ", "kcql: >-\n      ");
    place.write("pipeline.yaml", &text);
    place.run("fmt").expect(Exit::Done);
    assert!(place.read("pipeline.yaml").contains("kcql: |\n  INSERT INTO lines"));
    assert_eq!(place.run("plan --offline --format json").json(), before);
}
