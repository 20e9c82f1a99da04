//! What is published, and the fixes that are offered for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Editor, PIPELINE, edited};
use crate::host::{Host, Terminal};

const ORDERS: &str = "p.yaml";

#[test]
fn a_mistake_is_shown_and_goes_away_when_it_is_repaired() {
    let mut editor = Editor::new();
    editor.open(ORDERS, &PIPELINE.replace("PARTITIONBY", "PARTITONBY"));
    editor.change(ORDERS, 2, PIPELINE);
    editor.change(ORDERS, 3, &PIPELINE.replace("region", "regio"));
    let heard = editor.session();
    let uri = editor.uri(ORDERS);
    assert_eq!(heard.codes(&uri), [vec!["KP0107"], vec![], vec!["KP0201"]]);
    let published = heard.published(&uri);
    assert_eq!(published.iter().map(|params| params["version"].as_i64()).collect::<Vec<_>>(), [Some(1), Some(2), Some(3)]);
    let first = &published[0]["diagnostics"][0];
    assert_eq!(first["range"], json!({ "start": { "line": 12, "character": 57 }, "end": { "line": 12, "character": 67 } }));
    assert_eq!((first["severity"].as_i64(), first["source"].as_str()), (Some(1), Some("kpipe")));
    assert!(first["message"].as_str().unwrap().contains("did you mean"), "{first}");
}

#[test]
fn columns_are_those_that_were_agreed_on() {
    let text = PIPELINE.replace("SELECT id", "SELECT `größe 😀`, id").replace("PARTITIONBY", "PARTITONBY");
    let mut columns = Vec::new();
    for capabilities in [json!({}), json!({ "general": { "positionEncodings": ["utf-8", "utf-16"] } })] {
        let mut editor = Editor::with(capabilities);
        editor.open(ORDERS, &text);
        let heard = editor.session();
        let all = heard.published(&editor.uri(ORDERS))[0]["diagnostics"].as_array().unwrap().clone();
        let misspelt = all.iter().find(|diagnostic| diagnostic["code"] == "KP0107").unwrap_or_else(|| panic!("{all:?}"));
        columns.push((
            heard.result("begin")["capabilities"]["positionEncoding"].clone(),
            misspelt["range"]["start"]["character"].as_u64().unwrap(),
        ));
    }
    assert_eq!(columns, [(json!("utf-16"), 69), (json!("utf-8"), 73)]);
}

#[test]
fn other_places_are_named_where_an_editor_can_show_them() {
    let text = PIPELINE
        .replace("amount: double", "amount: double, ts: string")
        .replace("PARTITIONBY country", "PARTITIONBY country LIMIT 5 LIMIT 6");
    for is_able in [true, false] {
        let mut editor = Editor::with(json!({ "textDocument": { "publishDiagnostics": { "relatedInformation": is_able } } }));
        editor.open(ORDERS, &text);
        let heard = editor.session();
        let uri = editor.uri(ORDERS);
        let related = &heard.published(&uri)[0]["diagnostics"][0]["relatedInformation"];
        if is_able {
            assert_eq!(
                (&related[0]["location"]["uri"], related[0]["location"]["range"]["start"]["line"].as_i64()),
                (&json!(uri), Some(12))
            );
        } else {
            assert!(related.is_null(), "{related}");
        }
    }
}

#[test]
fn shared_connections_are_taken_as_they_are_open() {
    let text = PIPELINE.replace("    brokers: [\"kafka:9092\"]", "    use: main");
    let (right, wrong) =
        ("connections: { main: { kafka: { brokers: [\"a:1\"] } } }\n", "connections: { main: { kafka: { brokrs: [\"a:1\"] } } }\n");
    let mut editor = Editor::new();
    editor.write("connections.yaml", right);
    editor.open("a/p.yaml", &text);
    editor.open("connections.yaml", wrong);
    editor.change("connections.yaml", 2, right);
    let uri = editor.uri("connections.yaml");
    editor.notify("textDocument/didClose", json!({ "textDocument": { "uri": uri } }));
    let heard = editor.session();
    assert_eq!(heard.codes(&editor.uri("a/p.yaml"))[0], Vec::<String>::new());
    assert_eq!(heard.codes(&uri), [vec!["KP0201"], vec![], vec![]]);
}

#[test]
fn a_mistake_in_a_file_that_is_not_open_is_shown_there_and_cleared() {
    let text = PIPELINE.replace("    brokers: [\"kafka:9092\"]", "    use: main");
    let mut editor = Editor::new();
    editor.write("connections.yaml", "connections: { main: { kafka: { brokrs: [\"a:1\"] } } }\n");
    editor.open(ORDERS, &text);
    let uri = editor.uri(ORDERS);
    editor.notify("textDocument/didClose", json!({ "textDocument": { "uri": uri } }));
    let heard = editor.session();
    assert_eq!(heard.codes(&editor.uri("connections.yaml")), [vec!["KP0201"], vec![]]);
}

#[test]
fn a_profile_is_checked_against_the_pipelines_around_it() {
    let mut editor = Editor::new();
    editor.write(ORDERS, &PIPELINE.replace("PARTITIONBY", "PARTITONBY"));
    editor.open("profiles/prod.yaml", "pipelines: { orders-lake: { sink.s3.region: x }, order-lake: {} }\n");
    let heard = editor.session();
    let uri = editor.uri("profiles/prod.yaml");
    let diagnostics = &heard.published(&uri)[0]["diagnostics"];
    assert_eq!(diagnostics.as_array().unwrap().len(), 1, "{diagnostics}");
    assert!(diagnostics[0]["message"].as_str().unwrap().contains("order-lake"));
    assert!(heard.published(&editor.uri(ORDERS)).is_empty(), "only what is open is talked about");
}

#[test]
fn the_profile_of_the_session_is_laid_over() {
    let mut editor = Editor::new();
    editor.write("profiles/prod.yaml", "all: { sink: { s3: { regio: x } } }\n");
    editor.open(ORDERS, PIPELINE);
    let begin = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": { "initializationOptions": { "profile": "prod" } } });
    let heard = editor.raw(&[begin, editor.messages[0].clone()]);
    assert_eq!(heard.codes(&editor.uri("profiles/prod.yaml")), [["KP0201"]]);
    let begin = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": { "initializationOptions": { "profile": "none" } } });
    let heard = editor.raw(&[begin, editor.messages[0].clone()]);
    let missing = &heard.published(&editor.uri(ORDERS))[0]["diagnostics"][0];
    assert!(missing["message"].as_str().unwrap().contains("no profile `none`"), "{missing}");
}

#[test]
fn other_yaml_and_texts_without_a_file() {
    let mut editor = Editor::new();
    editor.open("compose.yaml", "services: { kafka: { image: kafka } }\n");
    let document = json!({ "uri": "untitled:Untitled-1", "languageId": "yaml", "version": 1, "text": PIPELINE.replace("region", "regio") });
    editor.notify("textDocument/didOpen", json!({ "textDocument": document }));
    let heard = editor.session();
    assert_eq!(heard.codes(&editor.uri("compose.yaml")), [Vec::<String>::new()]);
    assert_eq!(heard.codes("untitled:Untitled-1"), [["KP0201"]]);
}

/// The cases of mistakes: a folder with a `pipeline.yaml` each.
fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden-tests/cases/diagnostics");
    let mut cases: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path().join("pipeline.yaml")).filter(|path| path.exists()).collect();
    cases.sort();
    assert!(cases.len() > 15, "{}", cases.len());
    cases
}

/// The diagnostics of `kpipe check --format json` about one file.
fn checked(path: &Path) -> Vec<Value> {
    let (mut out, mut err, mut input) = (Vec::new(), Vec::new(), std::io::empty());
    let mut host = Host {
        out: &mut out,
        err: &mut err,
        input: &mut input,
        terminal: Terminal::default(),
        dir: path.parent().unwrap().to_path_buf(),
        env: Arc::new(|_| None),
    };
    let name = path.file_name().unwrap().to_str().unwrap();
    crate::run(["kpipe", "check", name, "--format", "json"].map(std::ffi::OsString::from), &mut host);
    let found: Value = serde_json::from_slice(&out).unwrap();
    found["diagnostics"].as_array().unwrap().clone()
}

/// Code, severity, message and place, as both say them; places of `check` count from 1.
fn brief(checked: &Value) -> Value {
    let place = |line: &str, column: &str| {
        let number = |key: &str| checked["primary"][key].as_u64().map_or(0, |number| number - 1);
        json!({ "line": number(line), "character": number(column) })
    };
    let severity = if checked["severity"] == "error" { 1 } else { 2 };
    json!([checked["code"], severity, checked["message"], place("line", "col"), place("end_line", "end_col")])
}

#[test]
fn the_editor_sees_what_check_says() {
    let mut compared = 0;
    for case in cases() {
        let text = fs::read_to_string(&case).unwrap();
        let mut editor = Editor::new();
        editor.write("pipeline.yaml", &text);
        editor.open("pipeline.yaml", &text);
        let heard = editor.session();
        let uri = editor.uri("pipeline.yaml");
        let shown: Vec<Value> = heard.published(&uri)[0]["diagnostics"].as_array().unwrap().clone();
        let first_line = |diagnostic: &Value| diagnostic["message"].as_str().unwrap().lines().next().unwrap_or_default().to_owned();
        let shown: Vec<Value> = shown
            .iter()
            .map(|found| json!([found["code"], found["severity"], first_line(found), found["range"]["start"], found["range"]["end"]]))
            .collect();
        let mut said: Vec<Value> = checked(&editor.path("pipeline.yaml")).iter().map(brief).collect();
        said.sort_by_key(|one| shown.iter().position(|other| other == one));
        assert_eq!(shown, said, "{}", case.display());
        compared += shown.len();
    }
    assert!(compared > 20, "{compared} diagnostics");
}

/// The quick fixes at a place of a text.
fn actions(text: &str, range: Value, context: Value) -> (Value, String) {
    let mut editor = Editor::new();
    editor.open(ORDERS, text);
    let uri = editor.uri(ORDERS);
    let id = editor.ask("textDocument/codeAction", json!({ "textDocument": { "uri": uri }, "range": range, "context": context }));
    (editor.session().result(id).clone(), uri)
}

#[test]
fn every_fix_of_the_compiler_is_offered_and_repairs_its_mistake() {
    let mut applied = 0;
    for case in cases() {
        let text = fs::read_to_string(&case).unwrap();
        let editor = Editor::new();
        editor.write("p.yaml", &text);
        let before = checked(&editor.path("p.yaml"));
        for found in before.iter().filter(|found| found["fixes"].as_array().is_some_and(|fixes| !fixes.is_empty())) {
            let brief = brief(found);
            let (offered, uri) = actions(&text, json!({ "start": brief[3], "end": brief[3] }), json!({}));
            let action = offered.as_array().unwrap().iter().find(|action| action["diagnostics"][0]["code"] == found["code"]);
            let action = action.unwrap_or_else(|| panic!("{}: {found} is not offered in {offered}", case.display()));
            let repaired = edited(&text, &action["edit"]["changes"][&uri]);
            editor.write("p.yaml", &repaired);
            let after = checked(&editor.path("p.yaml"));
            assert!(
                !after.iter().any(|still| still["code"] == found["code"] && still["message"] == found["message"]),
                "{}: {repaired}",
                case.display()
            );
            applied += 1;
        }
    }
    assert!(applied >= 5, "{applied} fixes");
}

#[test]
fn fixes_are_offered_at_their_place_and_of_the_kind_that_is_asked_for() {
    let text = PIPELINE.replace("PARTITIONBY", "PARTITONBY");
    let at = |line: u32, character: u32| json!({ "start": { "line": line, "character": character }, "end": { "line": line, "character": character } });
    let (offered, uri) = actions(&text, at(12, 60), json!({ "diagnostics": [], "only": ["quickfix"] }));
    assert_eq!(offered[0]["title"], "KP0107: replace `PARTITONBY` with `PARTITIONBY`");
    assert_eq!((&offered[0]["kind"], &offered[0]["isPreferred"]), (&json!("quickfix"), &json!(true)));
    assert_eq!(edited(&text, &offered[0]["edit"]["changes"][&uri]), PIPELINE);
    for (range, context) in [(at(2, 0), json!({})), (at(12, 60), json!({ "only": ["refactor"] }))] {
        assert_eq!(actions(&text, range, context).0, json!([]));
    }
}
