use super::Place;
use crate::exit::Exit;

#[test]
fn every_message_is_found_again_and_the_next_demo_starts_afresh() {
    let place = Place::new();
    let first = place.run("demo --for 1s --devices 30 --rate 200").expect(Exit::Done);
    for words in ["pipeline: demo-mqtt-to-kafka", "The plan:", "every message is in exactly one row", "duckdb -c", "pyarrow"] {
        assert!(first.out.contains(words), "`{words}` is missing in\n{}", first.out);
    }
    assert!(first.err.contains("30 devices publish 200 messages a second") && first.err.contains("committed telemetry["), "{}", first.err);
    let second = place.run("demo --for 1s --devices 5 --rate 50 --quiet").expect(Exit::Done);
    assert!(second.out.contains("every message is in exactly one row") && !second.out.contains("The plan:"), "{}", second.out);
}

#[test]
fn a_directory_of_somebody_else_is_left_alone() {
    let place = Place::new();
    place.write("mine/telemetry/precious.parquet", "x");
    let ran = place.run("demo --for 1s --dir mine").expect(Exit::LocalIo);
    assert!(ran.err.contains("mine is not empty") && ran.err.contains("--dir"), "{}", ran.err);
    assert_eq!(place.read("mine/telemetry/precious.parquet"), "x");
    place.write("file", "");
    place.run("demo --for 1s --dir file").expect(Exit::LocalIo);
}

#[test]
fn limits_of_the_simulator_are_usage_errors() {
    let place = Place::new();
    for words in ["demo --devices 0", "demo --rate 0", "demo --devices 100000", "demo --for soon"] {
        place.run(words).expect(Exit::Usage);
    }
}
