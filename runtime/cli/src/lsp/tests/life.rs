//! The order of a session, and messages that nobody should send.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Editor, PIPELINE};
use crate::exit::Exit;

fn request(id: u64, method: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": {} })
}

fn notification(method: &str) -> Value {
    json!({ "jsonrpc": "2.0", "method": method })
}

#[test]
fn a_session_begins_and_ends_as_the_protocol_has_it() {
    let heard = Editor::new().session();
    assert_eq!((heard.exit, heard.messages.len()), (Exit::Done, 2));
    let capabilities = &heard.result("begin")["capabilities"];
    assert_eq!(capabilities["positionEncoding"], "utf-16");
    assert_eq!(capabilities["textDocumentSync"]["change"], 1);
    assert_eq!(heard.result("end"), &Value::Null);
    assert_eq!(heard.result("begin")["serverInfo"]["name"], "kpipe");
}

#[test]
fn what_comes_out_of_order_is_refused() {
    let heard = Editor::new().raw(&[
        request(1, "textDocument/hover"),
        notification("textDocument/didOpen"),
        request(2, "initialize"),
        request(3, "initialize"),
        request(4, "shutdown"),
        request(5, "textDocument/hover"),
        notification("exit"),
        request(6, "initialize"),
    ]);
    let codes: Vec<(u64, i64)> =
        heard.messages.iter().filter_map(|message| Some((message["id"].as_u64()?, message["error"]["code"].as_i64()?))).collect();
    assert_eq!(codes, [(1, -32_002), (3, -32_600), (5, -32_600)]);
    assert_eq!((heard.exit, heard.messages.len()), (Exit::Done, 5), "after `exit` nobody answers");
}

#[test]
fn without_a_shutdown_the_end_is_no_good_one() {
    assert_eq!(Editor::new().raw(&[request(1, "initialize"), notification("exit")]).exit, Exit::Invalid);
    assert_eq!(Editor::new().raw(&[request(1, "initialize")]).exit, Exit::Invalid, "the editor is gone");
    assert_eq!(Editor::new().raw(&[request(1, "initialize"), request(2, "shutdown")]).exit, Exit::Done);
}

#[test]
fn unknown_methods_and_wrong_parameters_are_answered() {
    let mut editor = Editor::new();
    let unknown = editor.ask("textDocument/rename", json!({}));
    let reserved = editor.ask("$/whatever", json!({}));
    let wrong = editor.ask("textDocument/hover", json!({ "textDocument": 5 }));
    let negative = editor.ask("textDocument/hover", json!({ "textDocument": { "uri": "x" }, "position": { "line": -1, "character": 0 } }));
    let closed = editor.ask(
        "textDocument/completion",
        json!({ "textDocument": { "uri": "file:///none.yaml" }, "position": { "line": 0, "character": 0 } }),
    );
    editor.notify("$/cancelRequest", json!({ "id": 1 }));
    editor.notify("textDocument/didChange", json!({ "textDocument": { "uri": "file:///a.yaml" }, "contentChanges": [] }));
    let heard = editor.session();
    for (id, code) in [(unknown, -32_601), (reserved, -32_601), (wrong, -32_602), (negative, -32_602)] {
        assert_eq!(heard.answer(id)["error"]["code"], code, "{id}");
    }
    assert_eq!(heard.result(closed), &Value::Null);
    assert_eq!(heard.exit, Exit::Done);
}

#[test]
fn messages_that_are_none_are_refused_and_the_session_goes_on() {
    let mut stream = b"Content-Length: 3\r\n\r\n{a}".to_vec();
    for message in
        [json!([]), json!(5), json!({ "id": 1 }), json!({ "id": 2, "result": 1 }), request(3, "initialize"), request(4, "shutdown")]
    {
        super::wire::write(&mut stream, &message).unwrap();
    }
    let heard = Editor::new().bytes(&stream);
    let codes: Vec<Option<i64>> = heard.messages.iter().map(|message| message["error"]["code"].as_i64()).collect();
    assert_eq!(codes, [Some(-32_700), Some(-32_600), Some(-32_600), Some(-32_600), None, None]);
    assert_eq!(heard.exit, Exit::Done);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_and_no_place_stop_the_server(cut in 0..PIPELINE.len(), junk in "[ -~é😀\n\t]{0,20}", line in 0..20_u32, character in 0..90_u32) {
        let mut editor = Editor::new();
        let text = format!("{}{junk}{}", PIPELINE.get(..cut).unwrap_or(PIPELINE), PIPELINE.get(cut..).unwrap_or_default());
        editor.open("p.yaml", &text);
        let at = json!({ "textDocument": { "uri": editor.uri("p.yaml") }, "position": { "line": line, "character": character } });
        let completion = editor.ask("textDocument/completion", at.clone());
        let hover = editor.ask("textDocument/hover", at);
        let heard = editor.session();
        prop_assert_eq!(heard.exit, Exit::Done);
        prop_assert!(heard.result(completion)["items"].is_array());
        prop_assert!(heard.answer(hover).get("result").is_some());
    }
}
