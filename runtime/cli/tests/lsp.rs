//! The language server as an editor runs it: a process, its streams, a session from a file. What both say is kept under
//! `golden-tests/cases/lsp`.

#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

struct Server {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Server {
    fn start(dir: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kpipe"));
        command.args(["lsp", "--stdio"]).current_dir(dir).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output }
    }

    fn send(&mut self, message: &Value) {
        let text = message.to_string();
        write!(self.input, "Content-Length: {}\r\n\r\n{text}", text.len()).unwrap();
        self.input.flush().unwrap();
    }

    /// The next message; none when the server is gone.
    fn hear(&mut self) -> Option<Value> {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            match line.trim().strip_prefix("Content-Length: ") {
                Some(text) => length = text.parse().unwrap(),
                None if line.trim().is_empty() => break,
                None => panic!("no header: {line:?}"),
            }
        }
        let mut bytes = vec![0; length];
        self.output.read_exact(&mut bytes).unwrap();
        Some(serde_json::from_slice(&bytes).unwrap())
    }
}

/// Whether an editor waits for an answer before it goes on: to a request, and for the diagnostics of a text that it sent.
fn answers(sent: &Value, heard: &Value) -> bool {
    match sent.get("id") {
        Some(id) => heard.get("id") == Some(id),
        None => heard["method"] == "textDocument/publishDiagnostics" && heard["params"]["uri"] == sent["params"]["textDocument"]["uri"],
    }
}

fn is_answered(sent: &Value) -> bool {
    let method = sent["method"].as_str().unwrap_or_default();
    sent.get("id").is_some() || ["didOpen", "didChange", "didSave", "didClose"].iter().any(|end| method.ends_with(end))
}

/// A message for the transcript: texts of several lines as lines.
fn shown(arrow: &str, message: &Value, dir: &str) -> String {
    let text = format!("{message:#}").replace(dir, "DIR");
    format!("{arrow} {text}\n\n")
}

fn transcript(session: &Path) -> String {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join(".git")).unwrap();
    let folder = dir.path().display().to_string();
    let mut server = Server::start(dir.path());
    let mut text = String::new();
    for line in fs::read_to_string(session).unwrap().lines() {
        let message: Value = serde_json::from_str(&line.replace("DIR", &folder)).unwrap();
        text.push_str(&shown("-->", &message, &folder));
        server.send(&message);
        while is_answered(&message) {
            let heard = server.hear().unwrap_or_else(|| panic!("no answer to {message}"));
            let version = env!("CARGO_PKG_VERSION");
            text.push_str(&shown("<--", &heard, &folder).replace(&format!("\"version\": \"{version}\""), "\"version\": \"VERSION\""));
            if answers(&message, &heard) {
                break;
            }
        }
    }
    assert_eq!(server.hear(), None, "nothing is said after the end");
    text.push_str(&format!("exit {}\n", server.child.wait().unwrap().code().unwrap()));
    text
}

#[test]
fn sessions_are_held_as_they_are_written() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden-tests/cases/lsp");
    let mut count = 0;
    for case in fs::read_dir(cases).unwrap() {
        let case = case.unwrap().path();
        let (found, path) = (transcript(&case.join("session.jsonl")), case.join("transcript.txt"));
        if std::env::var_os("KPIPE_ACCEPT").is_some() {
            fs::write(&path, &found).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        let differs = expected.lines().zip(found.lines()).position(|(left, right)| left != right);
        let line = differs.unwrap_or(expected.lines().count().min(found.lines().count())) + 1;
        let here = found.lines().nth(line - 1).unwrap_or_default();
        assert!(expected == found, "{} differs from line {line} on, where it is now `{here}`; KPIPE_ACCEPT=1 writes it", path.display());
        count += 1;
    }
    assert!(count > 0);
}

/// An editor that dies takes its server with it.
#[test]
fn the_server_ends_with_its_input() {
    let dir = tempfile::tempdir().unwrap();
    let Server { mut child, input, output } = Server::start(dir.path());
    drop((input, output));
    assert_eq!(child.wait().unwrap().code(), Some(1));
}
