//! Methods and their answers, and the order of a session: `initialize`, work, `shutdown`, `exit`.

use std::collections::BTreeMap;

use kpipe_compiler::shape::{FileKind, Shape, shape};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::complete::{self, Item};
use super::cursor::{self, Cursor, Slot};
use super::project::{Found, FoundByUri, Open, Project, QuickFix};
use super::text::{Encoding, Lines, Position, Span};
use super::{hover, kcql};
use crate::catalog::catalog;
use crate::exit::Exit;
use crate::host::Host;
use crate::render::diagnostics::Severity;

const PARSE_ERROR: i64 = -32_700;
const INVALID_REQUEST: i64 = -32_600;
const METHOD_NOT_FOUND: i64 = -32_601;
const INVALID_PARAMS: i64 = -32_602;
const NOT_INITIALIZED: i64 = -32_002;
/// How many mistakes of one file an editor is told.
const FOUND_MAX: usize = 200;

/// Where in its life a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Fresh,
    Running,
    ShutDown,
    Over { was_shut_down: bool },
}

/// One session with one editor.
#[derive(Debug)]
pub(super) struct Server {
    stage: Stage,
    project: Project,
    /// What the editor was told last.
    told: FoundByUri,
    /// Whether it shows more than one place of a mistake.
    has_related: bool,
}

#[derive(Deserialize)]
struct TextDocument {
    uri: String,
    #[serde(default)]
    version: Option<i64>,
    #[serde(default)]
    text: String,
}

#[derive(Deserialize)]
struct Change {
    text: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfDocument {
    text_document: TextDocument,
    #[serde(default)]
    content_changes: Vec<Change>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AtPosition {
    text_document: TextDocument,
    position: Position,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InRange {
    text_document: TextDocument,
    range: Span,
    #[serde(default)]
    context: ActionContext,
}

#[derive(Default, Deserialize)]
struct ActionContext {
    #[serde(default)]
    only: Option<Vec<String>>,
}

/// Why a request is not answered.
type Refusal = (i64, String);

/// What is said of a message that nobody can read.
pub(super) fn broken(why: &str) -> Value {
    refusal(&Value::Null, (PARSE_ERROR, why.to_owned()))
}

fn refusal(id: &Value, (code, message): Refusal) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
}

fn params<T: DeserializeOwned>(params: &Value) -> Result<T, Refusal> {
    T::deserialize(params).map_err(|error| (INVALID_PARAMS, error.to_string()))
}

impl Server {
    /// Before its first message.
    pub(super) fn new(profile: Option<String>) -> Self {
        let mut project = Project::default();
        project.profile = profile;
        Self { stage: Stage::Fresh, project, told: FoundByUri::new(), has_related: false }
    }

    /// True after `exit`.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over { .. })
    }

    /// How the process ends: well only after `shutdown`.
    pub(super) fn ended(&self) -> Exit {
        match self.stage {
            Stage::ShutDown | Stage::Over { was_shut_down: true } => Exit::Done,
            Stage::Fresh | Stage::Running | Stage::Over { was_shut_down: false } => Exit::Invalid,
        }
    }

    /// The answers to a message.
    pub(super) fn handle(&mut self, host: &Host<'_>, message: &Value) -> Vec<Value> {
        let (method, id, given) = (message["method"].as_str(), message.get("id"), &message["params"]);
        match (method, id) {
            (Some(method), Some(id)) => vec![match self.request(host, method, given) {
                Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
                Err(why) => refusal(id, why),
            }],
            (Some(method), None) => self.notification(host, method, given),
            // An answer to something that we asked: we ask nothing.
            (None, Some(_)) if message.get("result").is_some() || message.get("error").is_some() => Vec::new(),
            (None, id) => vec![refusal(id.unwrap_or(&Value::Null), (INVALID_REQUEST, "a message has a method".to_owned()))],
        }
    }

    fn request(&mut self, host: &Host<'_>, method: &str, given: &Value) -> Result<Value, Refusal> {
        match (self.stage, method) {
            (Stage::Fresh, "initialize") => Ok(self.initialize(given)),
            (Stage::Fresh, _) => Err((NOT_INITIALIZED, "`initialize` comes first".to_owned())),
            (Stage::Running, "initialize") => Err((INVALID_REQUEST, "`initialize` comes once".to_owned())),
            (Stage::ShutDown | Stage::Over { .. }, _) => Err((INVALID_REQUEST, "after `shutdown` only `exit` follows".to_owned())),
            (Stage::Running, "shutdown") => {
                self.stage = Stage::ShutDown;
                Ok(Value::Null)
            }
            (Stage::Running, "textDocument/completion") => self.completion(host, &params(given)?),
            (Stage::Running, "textDocument/hover") => self.hover(&params(given)?),
            (Stage::Running, "textDocument/codeAction") => self.actions(&params(given)?),
            (Stage::Running, _) => Err((METHOD_NOT_FOUND, format!("`{}` is not built", method.escape_debug()))),
        }
    }

    /// A notification has no answer, so a wrong one is passed over.
    fn notification(&mut self, host: &Host<'_>, method: &str, given: &Value) -> Vec<Value> {
        if method == "exit" {
            self.stage = Stage::Over { was_shut_down: self.stage == Stage::ShutDown };
        }
        if self.stage != Stage::Running {
            return Vec::new();
        }
        let Ok(OfDocument { text_document: TextDocument { uri, version, text }, content_changes }) = params(given) else {
            return Vec::new();
        };
        let is_taken = match method {
            "textDocument/didOpen" => self.project.put(&uri, text, version),
            "textDocument/didChange" => match content_changes.into_iter().next_back() {
                Some(change) => self.project.put(&uri, change.text, version),
                None => return Vec::new(),
            },
            // Other files may have been saved with it.
            "textDocument/didSave" => true,
            "textDocument/didClose" => {
                self.project.close(&uri);
                true
            }
            _ => return Vec::new(),
        };
        if !is_taken {
            let message = "kpipe: too many files are open; this one is not checked";
            return vec![json!({ "jsonrpc": "2.0", "method": "window/logMessage", "params": { "type": 2, "message": message } })];
        }
        self.publish(host, &uri)
    }

    fn initialize(&mut self, given: &Value) -> Value {
        let capabilities = &given["capabilities"];
        let encodings = capabilities["general"]["positionEncodings"].as_array();
        let is_utf8 = encodings.is_some_and(|encodings| encodings.iter().any(|encoding| encoding == "utf-8"));
        self.project.encoding = if is_utf8 { Encoding::Utf8 } else { Encoding::Utf16 };
        self.has_related = capabilities["textDocument"]["publishDiagnostics"]["relatedInformation"] == true;
        if let Some(profile) = given["initializationOptions"]["profile"].as_str() {
            self.project.profile = Some(profile.to_owned());
        }
        self.stage = Stage::Running;
        json!({
            "capabilities": {
                "positionEncoding": if is_utf8 { "utf-8" } else { "utf-16" },
                "textDocumentSync": { "openClose": true, "change": 1, "save": true },
                "completionProvider": { "triggerCharacters": [" ", ".", ":", "(", ",", "{"] },
                "hoverProvider": true,
                "codeActionProvider": { "codeActionKinds": ["quickfix"] }
            },
            "serverInfo": { "name": "kpipe", "version": env!("CARGO_PKG_VERSION") }
        })
    }

    /// Tells what changed, and always about the text that was touched.
    fn publish(&mut self, host: &Host<'_>, touched: &str) -> Vec<Value> {
        let mut found = self.project.check(host);
        for list in found.values_mut() {
            list.sort_by_key(|found| (found.span, found.severity != Severity::Error));
            list.truncate(FOUND_MAX);
        }
        // What is not looked at any more has no mistakes to show.
        let told = std::mem::take(&mut self.told);
        for uri in told.keys().filter(|uri| !found.contains_key(*uri)).map(String::as_str).collect::<Vec<_>>() {
            found.insert(uri.to_owned(), Vec::new());
        }
        let mut messages = Vec::new();
        for (uri, list) in &found {
            if uri == touched || told.get(uri) != Some(list) {
                let diagnostics: Vec<Value> = list.iter().map(|found| self.diagnostic(found)).collect();
                let mut params = json!({ "uri": uri, "diagnostics": diagnostics });
                if let Some(version) = self.project.get(uri).and_then(|open| open.version) {
                    params["version"] = version.into();
                }
                messages.push(json!({ "jsonrpc": "2.0", "method": "textDocument/publishDiagnostics", "params": params }));
            }
        }
        found.retain(|uri, list| !list.is_empty() || self.project.get(uri).is_some());
        self.told = found;
        messages
    }

    fn diagnostic(&self, found: &Found) -> Value {
        let severity = match found.severity {
            Severity::Error => 1,
            Severity::Warning => 2,
            Severity::Advice => 3,
        };
        let mut value = json!({ "range": found.span, "severity": severity, "source": "kpipe", "message": found.message });
        if let Some(code) = &found.code {
            value["code"] = code.as_str().into();
        }
        if self.has_related && !found.related.is_empty() {
            let related =
                found.related.iter().map(|(uri, span, text)| json!({ "location": { "uri": uri, "range": span }, "message": text }));
            value["relatedInformation"] = related.collect();
        }
        value
    }

    fn completion(&self, host: &Host<'_>, at: &AtPosition) -> Result<Value, Refusal> {
        let Some(open) = self.project.get(&at.text_document.uri) else { return Ok(Value::Null) };
        let lines = Lines::new(&open.text, self.project.encoding);
        let byte = lines.byte(at.position);
        let shape = shape(open.kind, catalog());
        if !may_be_ours(open, &shape, byte) {
            return Ok(Value::Null);
        }
        let cursor = placed(open, cursor::cursor(&open.text, byte));
        let (items, typed) = match (cursor.slot, statements(&shape, &cursor)) {
            (Slot::Nothing, _) => (Vec::new(), byte..byte),
            (Slot::Value(start), true) => {
                let start = text_start(&open.text, start).min(byte);
                let spot = kcql::spot(&open.text[start..byte]);
                let typed = start + spot.typed.start..start + spot.typed.end;
                let (facts, names) = (self.project.facts(open, byte), self.project.names(open));
                (complete::statement(&spot, &open.text[typed.start..typed.end], &facts, &names), typed)
            }
            (Slot::Key, _) => {
                let present: Vec<_> = cursor::keys(&open.text, byte).into_iter().map(|key| split(open, key)).collect();
                (complete::keys(&shape, &cursor, &present), cursor.typed)
            }
            (Slot::Value(_), false) => (complete::values(&shape, &cursor.path, &self.project.connections(host, open)), cursor.typed),
        };
        // What is written takes the place of a part of one line.
        let line = open.text[..byte].rfind('\n').map_or(0, |at| at + 1);
        let range = lines.span(&(typed.start.clamp(line, byte)..byte));
        let items: Vec<Value> = items.iter().map(|item| item_json(item, range)).collect();
        Ok(json!({ "isIncomplete": false, "items": items }))
    }

    fn hover(&self, at: &AtPosition) -> Result<Value, Refusal> {
        let Some(open) = self.project.get(&at.text_document.uri) else { return Ok(Value::Null) };
        let lines = Lines::new(&open.text, self.project.encoding);
        let byte = lines.byte(at.position);
        let shape = shape(open.kind, catalog());
        if !may_be_ours(open, &shape, byte) {
            return Ok(Value::Null);
        }
        let end = cursor::word_end(&open.text, byte);
        let cursor = placed(open, cursor::cursor(&open.text, end));
        let found = match cursor.slot {
            Slot::Nothing => None,
            Slot::Value(start) if statements(&shape, &cursor) => {
                let start = text_start(&open.text, start).min(byte);
                kcql::word(&open.text[start..], byte - start).and_then(|word| {
                    let word = start + word.start..start + word.end;
                    Some((hover::word(&open.text[word.start..word.end], &self.project.facts(open, byte))?, word))
                })
            }
            Slot::Value(_) => shape.key(&cursor.path).map(|key| (hover::key(&cursor.path, key), cursor.typed)),
            Slot::Key => {
                let name = open.text[cursor.typed.start..cursor.typed.end].trim_matches(['"', '\'', ' ']);
                let path: Vec<String> = cursor.path.iter().cloned().chain(name.split('.').map(str::to_owned)).collect();
                shape.key(&path).map(|key| (hover::key(&path, key), cursor.typed))
            }
        };
        let Some((text, range)) = found else { return Ok(Value::Null) };
        Ok(json!({ "contents": { "kind": "markdown", "value": text }, "range": lines.span(&range) }))
    }

    fn actions(&self, asked: &InRange) -> Result<Value, Refusal> {
        let wanted = asked.context.only.as_ref().is_none_or(|only| only.iter().any(|kind| kind.is_empty() || kind == "quickfix"));
        let found = self.told.get(&asked.text_document.uri).filter(|_| wanted).map_or(&[][..], Vec::as_slice);
        let touched = found.iter().filter(|found| found.span.touches(asked.range));
        let actions = touched.flat_map(|found| found.fixes.iter().map(|fix| self.action(found, fix)));
        Ok(actions.collect())
    }

    fn action(&self, found: &Found, fix: &QuickFix) -> Value {
        let mut changes: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for (uri, span, text) in &fix.edits {
            changes.entry(uri).or_default().push(json!({ "range": span, "newText": text }));
        }
        let code = found.code.as_ref().map(|code| format!("{code}: ")).unwrap_or_default();
        json!({
            "title": format!("{code}{}", fix.title),
            "kind": "quickfix",
            "diagnostics": [self.diagnostic(found)],
            "isPreferred": fix.is_safe,
            "edit": { "changes": changes }
        })
    }
}

/// Whether a file is one of kpipe's or may become one: editors open other YAML too.
fn may_be_ours(open: &Open, shape: &Shape, byte: usize) -> bool {
    let known: Vec<&str> = shape.keys().into_iter().map(|key| key.name).collect();
    let line = open.text[..byte].rfind('\n').map_or(0, |at| at + 1);
    let is_written_now = |key: &cursor::KeyAt| key.at.start == line;
    let top = cursor::keys(&open.text, byte).into_iter().filter(|key| key.path.is_empty());
    open.is_ours() || top.into_iter().all(|key| known.contains(&key.name.as_str()) || is_written_now(&key))
}

/// Where the statements of a value begin: behind its quote.
fn text_start(text: &str, start: usize) -> usize {
    start + usize::from(text.get(start..).is_some_and(|text| text.starts_with(['"', '\''])))
}

/// Whether the place is a text of statements.
fn statements(shape: &Shape, cursor: &Cursor) -> bool {
    matches!(shape.key(&cursor.path).map(|key| &key.shape), Some(Shape::Kcql))
}

/// Keys of a profile may be paths.
fn placed(open: &Open, cursor: Cursor) -> Cursor {
    Cursor { path: parts(open, cursor.path), ..cursor }
}

fn split(open: &Open, key: cursor::KeyAt) -> cursor::KeyAt {
    cursor::KeyAt { path: parts(open, key.path), ..key }
}

fn parts(open: &Open, path: Vec<String>) -> Vec<String> {
    match open.kind {
        FileKind::Pipeline | FileKind::Connections => path,
        FileKind::Profile => path.iter().flat_map(|part| part.split('.')).map(str::to_owned).collect(),
    }
}

fn item_json(item: &Item, range: Span) -> Value {
    let Item { label, kind, detail, doc, insert } = item;
    let mut value = json!({ "label": label, "kind": *kind as u8, "textEdit": { "range": range, "newText": insert } });
    if !detail.is_empty() {
        value["detail"] = detail.as_str().into();
    }
    if !doc.is_empty() {
        value["documentation"] = json!({ "kind": "markdown", "value": doc });
    }
    value
}
