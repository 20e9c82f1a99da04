//! Sessions as an editor holds them, in this process: messages in, messages out.

mod completion;
mod diagnostics;
mod life;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use super::wire::{self, Incoming};
use crate::exit::Exit;
use crate::host::{Host, Terminal};

/// An editor with a directory.
pub(super) struct Editor {
    dir: tempfile::TempDir,
    messages: Vec<Value>,
    capabilities: Value,
    requests: u64,
}

/// What came back.
pub(super) struct Heard {
    pub(super) exit: Exit,
    pub(super) messages: Vec<Value>,
}

impl Editor {
    pub(super) fn new() -> Self {
        let editor = Self { dir: tempfile::tempdir().unwrap(), messages: Vec::new(), capabilities: json!({}), requests: 0 };
        fs::create_dir(editor.path(".git")).unwrap();
        editor
    }

    /// With what it can do.
    pub(super) fn with(capabilities: Value) -> Self {
        Self { capabilities, ..Self::new() }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn uri(&self, name: &str) -> String {
        url::Url::from_file_path(self.path(name)).unwrap().into()
    }

    /// Writes a file to the disk.
    pub(super) fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    pub(super) fn notify(&mut self, method: &str, params: Value) {
        self.messages.push(json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    /// Asks; the number is that of the answer.
    pub(super) fn ask(&mut self, method: &str, params: Value) -> u64 {
        self.requests += 1;
        self.messages.push(json!({ "jsonrpc": "2.0", "id": self.requests, "method": method, "params": params }));
        self.requests
    }

    pub(super) fn open(&mut self, name: &str, text: &str) {
        let uri = self.uri(name);
        self.notify("textDocument/didOpen", json!({ "textDocument": { "uri": uri, "languageId": "yaml", "version": 1, "text": text } }));
    }

    pub(super) fn change(&mut self, name: &str, version: i64, text: &str) {
        let uri = self.uri(name);
        self.notify(
            "textDocument/didChange",
            json!({ "textDocument": { "uri": uri, "version": version }, "contentChanges": [{ "text": text }] }),
        );
    }

    /// The beginning of every session, what was said, and its end.
    pub(super) fn session(&self) -> Heard {
        let mut all = vec![
            json!({ "jsonrpc": "2.0", "id": "begin", "method": "initialize", "params": { "capabilities": self.capabilities } }),
            json!({ "jsonrpc": "2.0", "method": "initialized", "params": {} }),
        ];
        all.extend(self.messages.iter().cloned());
        all.push(json!({ "jsonrpc": "2.0", "id": "end", "method": "shutdown" }));
        all.push(json!({ "jsonrpc": "2.0", "method": "exit" }));
        self.raw(&all)
    }

    /// Only these messages.
    pub(super) fn raw(&self, messages: &[Value]) -> Heard {
        let mut stream = Vec::new();
        for message in messages {
            wire::write(&mut stream, message).unwrap();
        }
        self.bytes(&stream)
    }

    pub(super) fn bytes(&self, mut input: &[u8]) -> Heard {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut host = Host {
            out: &mut out,
            err: &mut err,
            input: &mut input,
            terminal: Terminal::default(),
            dir: self.dir.path().to_path_buf(),
            env: Arc::new(|_| None),
        };
        let exit = crate::run(["kpipe", "lsp"].map(std::ffi::OsString::from), &mut host);
        assert_eq!(String::from_utf8_lossy(&err), "");
        let (mut rest, mut messages) = (&out[..], Vec::new());
        while let Incoming::Message(message) = wire::read(&mut rest).unwrap() {
            messages.push(message);
        }
        assert!(rest.is_empty(), "only messages go to standard output");
        Heard { exit, messages }
    }
}

impl Heard {
    /// The answer to a request.
    pub(super) fn answer(&self, id: impl Into<Value>) -> &Value {
        let id = id.into();
        self.messages
            .iter()
            .find(|message| message["id"] == id && message.get("method").is_none())
            .unwrap_or_else(|| panic!("no answer to {id}"))
    }

    pub(super) fn result(&self, id: impl Into<Value>) -> &Value {
        let answer = self.answer(id);
        answer.get("result").unwrap_or_else(|| panic!("{answer}"))
    }

    /// What was published about a file, in order.
    pub(super) fn published(&self, uri: &str) -> Vec<&Value> {
        let of_it = |message: &&Value| message["method"] == "textDocument/publishDiagnostics" && message["params"]["uri"] == uri;
        self.messages.iter().filter(of_it).map(|message| &message["params"]).collect()
    }

    /// The codes of each publication about a file.
    pub(super) fn codes(&self, uri: &str) -> Vec<Vec<String>> {
        let code = |diagnostic: &Value| diagnostic["code"].as_str().unwrap_or("none").to_owned();
        self.published(uri).iter().map(|params| params["diagnostics"].as_array().unwrap().iter().map(code).collect()).collect()
    }
}

/// A text without its `^`, and the place of it in UTF-16.
pub(super) fn marked(text: &str) -> (String, Value) {
    let byte = text.find('^').unwrap_or_else(|| panic!("no ^ in {text}"));
    let before = &text[..byte];
    let line = before.matches('\n').count();
    let character = before.rsplit('\n').next().unwrap().encode_utf16().count();
    (text.replacen('^', "", 1), json!({ "line": line, "character": character }))
}

/// The text with the edits of an answer made.
pub(super) fn edited(text: &str, edits: &Value) -> String {
    let lines = super::text::Lines::new(text, super::text::Encoding::Utf16);
    let mut edits: Vec<(std::ops::Range<usize>, &str)> = edits
        .as_array()
        .unwrap()
        .iter()
        .map(|edit| {
            let span: super::text::Span = serde_json::from_value(edit["range"].clone()).unwrap();
            (lines.byte(span.start)..lines.byte(span.end), edit["newText"].as_str().unwrap())
        })
        .collect();
    edits.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
    let mut text = text.to_owned();
    for (range, new) in edits {
        text.replace_range(range, new);
    }
    text
}

/// Names and their texts.
pub(super) fn labels(items: &Value) -> BTreeMap<String, Value> {
    items["items"].as_array().unwrap().iter().map(|item| (item["label"].as_str().unwrap().to_owned(), item.clone())).collect()
}

pub(super) const PIPELINE: &str = "\
version: 1
pipeline: orders-lake
source:
  kafka:
    brokers: [\"kafka:9092\"]
    value:
      format: json
      schema: { id: bigint not null, country: string, customer: { name: string, since: timestamp }, amount: double }
sink:
  s3:
    region: eu-west-1
kcql: |
  INSERT INTO lake:orders SELECT id, country FROM orders PARTITIONBY country
";
