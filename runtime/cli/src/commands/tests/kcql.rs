use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Place, Ran};
use crate::exit::Exit;

/// `kpipe kcql parse` with this input.
fn parse(input: &[u8], more: &str) -> Ran {
    let mut place = Place::new();
    place.type_in(input);
    place.run(&format!("kcql parse {more}"))
}

fn lines(ran: &Ran) -> Vec<Value> {
    ran.out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"))).collect()
}

#[test]
fn a_text_is_one_object_on_one_line() {
    let text = "-- nightly\nINSERT INTO lake:orders\nSELECT id, a.b AS c\nFROM orders LIMIT 5;\nINSERT INTO x SELECT * FROM y BATCH = 7\n";
    let ran = parse(text.as_bytes(), "").expect(Exit::Done);
    assert_eq!((ran.out.lines().count(), ran.err.as_str()), (1, ""));
    let star = json!({ "name": "*", "alias": null, "path": "*" });
    assert_eq!(
        ran.json(),
        json!({
            "ok": true, "warnings": [], "errors": [],
            "statements": [
                {
                    "mode": "INSERT", "target": "lake:orders", "source": "orders", "where": null, "LIMIT": 5,
                    "fields": [{ "name": "id", "alias": null, "path": "id" }, { "name": "b", "alias": "c", "path": "a.b" }],
                },
                { "mode": "INSERT", "target": "x", "source": "y", "where": null, "BATCH": 7, "fields": [star] },
            ],
        })
    );
    assert_eq!(parse(text.as_bytes(), "--format json").expect(Exit::Done).out, ran.out);
}

#[test]
fn errors_and_warnings_have_places_in_characters() {
    let text = "INSERT INTO größe SELECT _.topic FROM b;\nINSERT INTO größe SELECT * FROM b\n  PARTITONBY c";
    let ran = parse(text.as_bytes(), "").expect(Exit::Invalid).json();
    assert_eq!((&ran["ok"], ran["statements"].as_array().map(Vec::len)), (&json!(false), Some(1)));
    let warning = &ran["warnings"][0];
    assert_eq!(warning["code"], "KP0153");
    assert_eq!([&warning["line"], &warning["col"], &warning["end_line"], &warning["end_col"]], [1, 26, 1, 33]);
    assert_eq!(
        ran["errors"],
        json!([{
            "code": "KP0107", "message": "`PARTITONBY` is not a KCQL clause", "line": 3, "col": 3, "end_line": 3, "end_col": 13, "help": null,
            "fix": { "line": 3, "col": 3, "end_line": 3, "end_col": 13, "replacement": "PARTITIONBY" },
        }])
    );
}

#[test]
fn every_line_has_an_answer_and_a_bad_one_does_not_end_it() {
    let input = "\"INSERT INTO a SELECT * FROM b\"\n\nINSERT INTO a SELECT * FROM b\r\n{\"a\":1}\n\"\\ud800\"\n\"INSERT INTO a\\nSELECT x y FROM b\"\n  \"\"  ";
    let ran = parse(input.as_bytes(), "--lines").expect(Exit::Invalid);
    let found: Vec<(bool, String)> = lines(&ran)
        .iter()
        .map(|line| {
            let error = &line["errors"][0];
            let place = format!("{} {}:{}-{}:{}", error["code"], error["line"], error["col"], error["end_line"], error["end_col"]);
            (line["ok"] == true, if error.is_null() { String::new() } else { place.replace('"', "") })
        })
        .collect();
    let of = |ok: bool, place: &str| (ok, place.to_owned());
    assert_eq!(
        found,
        [
            of(true, ""),
            of(false, "KP0149 1:1-1:1"),
            of(false, "KP0149 1:1-1:30"),
            of(false, "KP0149 1:1-1:8"),
            of(false, "KP0149 1:1-1:9"),
            of(false, "KP0101 2:10-2:11"),
            of(true, ""),
        ]
    );
    assert_eq!(parse(b"\"INSERT INTO a SELECT * FROM b\"\n\"\"\n", "--lines").expect(Exit::Done).out.lines().count(), 2);
    assert_eq!(parse(b"", "--lines").expect(Exit::Done).out, "");
    assert_eq!(parse(b"", "").expect(Exit::Done).json()["statements"], json!([]));
}

#[test]
fn what_is_no_text_is_refused_with_its_place() {
    let ran = parse(b"INSERT INTO a\nSELECT \xff", "").expect(Exit::Invalid).json();
    let error = &ran["errors"][0];
    assert_eq!((&error["code"], &error["line"], &error["col"]), (&json!("KP0807"), &json!(2), &json!(8)));
    let ran = parse(b"\"\xff\"\n", "--lines").expect(Exit::Invalid).json();
    assert_eq!(ran["errors"][0]["code"], "KP0149");
}

#[test]
fn a_text_that_is_too_long_is_not_kept() {
    let max = kpipe_grammar::limits::TEXT_BYTES_MAX;
    let long = " ".repeat(max + 5);
    let whole = parse(long.as_bytes(), "").expect(Exit::Invalid).json();
    assert_eq!(whole["errors"][0]["code"], "KP0141");
    assert!(whole["errors"][0]["message"].as_str().is_some_and(|message| message.contains(&(max + 5).to_string())), "{whole}");
    let input = format!("\"{long}\"\n\"{}\"\n\"INSERT INTO a SELECT * FROM b\"\n", "\\u0020".repeat(max + 1));
    let ran = parse(input.as_bytes(), "--lines").expect(Exit::Invalid);
    let codes: Vec<Value> = lines(&ran).iter().map(|line| line["errors"][0]["code"].clone()).collect();
    assert_eq!(codes, [json!("KP0141"), json!("KP0149"), Value::Null]);
    assert_eq!(parse(" ".repeat(max).as_bytes(), "").expect(Exit::Done).json()["ok"], true);
}

#[test]
fn thousands_of_lines_take_no_time() {
    let line = "\"INSERT INTO lake:t SELECT a, b.c AS d, * FROM s PARTITIONBY a, _date.`yyyy/MM` STOREAS PARQUET PROPERTIES('flush.count'=5000)\"\n";
    let start = Instant::now();
    let ran = parse(line.repeat(5_000).as_bytes(), "--lines").expect(Exit::Done);
    let took = start.elapsed();
    assert_eq!(ran.out.lines().count(), 5_000);
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn only_what_exists_is_offered() {
    let place = Place::new();
    place.run("kcql").expect(Exit::Usage);
    place.run("kcql parse --format yaml").expect(Exit::Usage);
    place.run("kcql parse file.kcql").expect(Exit::Usage);
    let help = place.run("kcql --help").expect(Exit::Done).out;
    assert!(help.contains("kpipe kcql parse"), "{help}");
}
