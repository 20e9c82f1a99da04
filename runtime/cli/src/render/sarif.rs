//! SARIF 2.1.0: what code scanning reads. One run, with the rules that occur and their pages as help.
//!
//! Columns count characters, as everywhere in kpipe. An alert is known again by its code and the path of its key, not by its line.

use std::collections::HashMap;

use kpipe_compiler::codes;
use kpipe_compiler::plan::wire::fingerprint;
use kpipe_grammar::span::Span;
use serde_json::{Map, Value, json};

use super::diagnostics::{Document, Finding, Fix, Mark, Severity};
use super::paint::harmless;
use crate::exit::Exit;

/// Where tools find what a field means.
const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
/// The name of the folder that relative addresses start at.
const ROOT: &str = "%SRCROOT%";
/// The rule of what has no code.
const NO_CODE: &str = "kpipe";

/// The whole log and a line break.
pub(crate) fn document(exit: Exit, documents: &[Document], findings: &[Finding]) -> String {
    let rules = rules(findings);
    let mut seen = HashMap::new();
    let results: Vec<Value> = findings.iter().map(|finding| result(documents, &rules, finding, &mut seen)).collect();
    let rules: Vec<Value> = rules.into_iter().map(|(code, severity)| rule(code, severity)).collect();
    let version = env!("CARGO_PKG_VERSION");
    let ran = matches!(exit, Exit::Done | Exit::ChangesPending | Exit::Invalid);
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "kpipe", "version": version, "semanticVersion": version, "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": { ROOT: { "description": { "text": "The root of the repository." } } },
            "invocations": [{ "executionSuccessful": ran, "exitCode": exit.code(), "exitCodeDescription": exit.name() }],
            "results": results,
        }],
    });
    let mut text = serde_json::to_string_pretty(&log).expect("keys are texts");
    text.push('\n');
    text
}

/// The codes that occur, each once in their order, and how bad the first of each is.
fn rules(findings: &[Finding]) -> Vec<(&str, Severity)> {
    let mut rules: Vec<(&str, Severity)> = Vec::new();
    for finding in findings {
        let code = code(finding);
        if rules.iter().all(|(known, _)| *known != code) {
            rules.push((code, finding.severity));
        }
    }
    rules.sort_by_key(|(code, _)| *code);
    rules
}

fn code(finding: &Finding) -> &str {
    finding.code.as_deref().unwrap_or(NO_CODE)
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Advice => "note",
    }
}

fn rule(code: &str, severity: Severity) -> Value {
    let mut rule = Map::new();
    rule.insert("id".to_owned(), json!(code));
    if let Some(page) = codes::find(code).filter(|page| page.code == code) {
        rule.insert("shortDescription".to_owned(), json!({ "text": page.title }));
        rule.insert("fullDescription".to_owned(), json!({ "text": page.meaning }));
        rule.insert("help".to_owned(), json!({ "text": page.text(), "markdown": page.markdown() }));
    }
    rule.insert("defaultConfiguration".to_owned(), json!({ "level": level(severity) }));
    Value::Object(rule)
}

fn result(documents: &[Document], rules: &[(&str, Severity)], finding: &Finding, seen: &mut HashMap<String, usize>) -> Value {
    let Finding { severity, code: _, message, marks, notes, help, fixes, pipeline, yaml_path } = finding;
    let code = code(finding);
    let words = std::iter::once(message).chain(notes).chain(help).map(|text| harmless(text));
    let mut result = Map::new();
    let mut put = |key: &str, value: Value| drop(result.insert(key.to_owned(), value));
    put("ruleId", json!(code));
    put("ruleIndex", json!(rules.iter().position(|(known, _)| *known == code)));
    put("level", json!(level(*severity)));
    put("message", json!({ "text": words.collect::<Vec<_>>().join("\n") }));
    if let Some((primary, others)) = marks.split_first() {
        let mut location = json!({ "physicalLocation": physical(documents, primary) });
        if !primary.text.is_empty() {
            location["message"] = json!({ "text": harmless(&primary.text) });
        }
        if let Some(path) = yaml_path {
            location["logicalLocations"] = json!([{ "fullyQualifiedName": path, "kind": "member" }]);
        }
        put("locations", json!([location]));
        let related = others.iter().enumerate().map(|(index, mark)| {
            json!({ "id": index + 1, "physicalLocation": physical(documents, mark), "message": { "text": harmless(&mark.text) } })
        });
        put("relatedLocations", related.collect());
    }
    let about = [code, pipeline.as_deref().unwrap_or_default(), yaml_path.as_deref().unwrap_or_default()].join("\0");
    let same = seen.entry(about.clone()).and_modify(|count| *count += 1).or_insert(1);
    put("partialFingerprints", json!({ "kpipePlace/v1": format!("{}:{same}", fingerprint(about.as_bytes())) }));
    let fixes: Vec<Value> = fixes.iter().filter(|fix| fix.safe).map(|fix| fix_json(documents, fix)).collect();
    if !fixes.is_empty() {
        put("fixes", json!(fixes));
    }
    Value::Object(result)
}

/// A file and the characters in it, with what they are.
fn physical(documents: &[Document], mark: &Mark) -> Value {
    let document = &documents[mark.document];
    let mut region = region(mark);
    let shown = document.text.span(Span::new(mark.span.start, mark.span.end));
    let text = document.text.text.get(shown).unwrap_or_default();
    if !text.is_empty() {
        region["snippet"] = json!({ "text": harmless(text) });
    }
    json!({ "artifactLocation": artifact(document), "region": region })
}

fn region(mark: &Mark) -> Value {
    let Mark { document: _, span: _, begin, end, text: _ } = mark;
    json!({ "startLine": begin.line, "startColumn": begin.column, "endLine": end.line, "endColumn": end.column })
}

fn artifact(document: &Document) -> Value {
    let path: String = document.name.bytes().map(escaped).collect();
    if document.name.starts_with('/') { json!({ "uri": format!("file://{path}") }) } else { json!({ "uri": path, "uriBaseId": ROOT }) }
}

/// A byte of a path as it stands in an address.
fn escaped(byte: u8) -> String {
    let kept = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/');
    if kept { char::from(byte).to_string() } else { format!("%{byte:02X}") }
}

fn fix_json(documents: &[Document], fix: &Fix) -> Value {
    let mut changes: Vec<(usize, Vec<Value>)> = Vec::new();
    for (mark, replacement) in &fix.edits {
        let replacement = json!({ "deletedRegion": region(mark), "insertedContent": { "text": replacement } });
        match changes.iter_mut().find(|(document, _)| *document == mark.document) {
            Some((_, replacements)) => replacements.push(replacement),
            None => changes.push((mark.document, vec![replacement])),
        }
    }
    let changes = changes
        .into_iter()
        .map(|(document, replacements)| json!({ "artifactLocation": artifact(&documents[document]), "replacements": replacements }));
    json!({ "description": { "text": fix.title }, "artifactChanges": changes.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use kpipe_compiler::report::Masked;

    use super::*;
    use crate::render::diagnostics::tests::sample;

    /// Objects of the standard: a name, the properties that they must have, and those that they may have, as far as kpipe writes them.
    const OBJECTS: [(&str, &[&str], &[&str]); 16] = [
        ("log", &["version", "runs"], &["$schema"]),
        ("run", &["tool"], &["columnKind", "originalUriBaseIds", "invocations", "results"]),
        ("tool", &["driver"], &[]),
        ("driver", &["name"], &["version", "semanticVersion", "rules"]),
        ("rule", &["id"], &["shortDescription", "fullDescription", "help", "defaultConfiguration"]),
        ("invocation", &["executionSuccessful"], &["exitCode", "exitCodeDescription"]),
        ("result", &["message"], &["ruleId", "ruleIndex", "level", "locations", "relatedLocations", "partialFingerprints", "fixes"]),
        ("location", &[], &["id", "physicalLocation", "message", "logicalLocations"]),
        ("logicalLocation", &[], &["fullyQualifiedName", "kind"]),
        ("physicalLocation", &["artifactLocation"], &["region"]),
        ("artifactLocation", &[], &["uri", "uriBaseId"]),
        ("region", &[], &["startLine", "startColumn", "endLine", "endColumn", "snippet"]),
        ("fix", &["artifactChanges"], &["description"]),
        ("artifactChange", &["artifactLocation", "replacements"], &[]),
        ("replacement", &["deletedRegion"], &["insertedContent"]),
        ("text", &["text"], &["markdown"]),
    ];
    /// Which object stands at a key.
    const PLACES: [(&str, &str); 20] = [
        ("runs", "run"),
        ("tool", "tool"),
        ("driver", "driver"),
        ("rules", "rule"),
        ("invocations", "invocation"),
        ("results", "result"),
        ("locations", "location"),
        ("relatedLocations", "location"),
        ("logicalLocations", "logicalLocation"),
        ("physicalLocation", "physicalLocation"),
        ("artifactLocation", "artifactLocation"),
        ("region", "region"),
        ("deletedRegion", "region"),
        ("fixes", "fix"),
        ("artifactChanges", "artifactChange"),
        ("replacements", "replacement"),
        ("message", "text"),
        ("help", "text"),
        ("insertedContent", "text"),
        ("snippet", "text"),
    ];

    /// What an object lacks or has too much, and those below it.
    fn faults(kind: &str, value: &Value, path: &str, found: &mut Vec<String>) {
        if let Some(items) = value.as_array() {
            return items.iter().enumerate().for_each(|(index, item)| faults(kind, item, &format!("{path}[{index}]"), found));
        }
        let (_, required, optional) = OBJECTS.iter().find(|(name, ..)| *name == kind).unwrap();
        let object = value.as_object().unwrap_or_else(|| panic!("{path} is an object"));
        found.extend(required.iter().filter(|key| !object.contains_key(**key)).map(|key| format!("{path} lacks {key}")));
        for (key, inner) in object {
            if !required.contains(&key.as_str()) && !optional.contains(&key.as_str()) {
                found.push(format!("{path} has {key}"));
            }
            if let Some((_, kind)) = PLACES.iter().find(|(place, _)| place == key) {
                faults(kind, inner, &format!("{path}.{key}"), found);
            }
        }
    }

    fn log(documents: &[Document], findings: &[Finding]) -> Value {
        let value: Value = serde_json::from_str(&document(Exit::Invalid, documents, findings)).unwrap();
        let mut found = Vec::new();
        faults("log", &value, "log", &mut found);
        assert!(found.is_empty(), "{found:?}");
        value
    }

    #[test]
    fn a_log_has_what_the_standard_asks_for() {
        let (documents, finding) = sample();
        let bare = Finding { code: None, marks: Vec::new(), fixes: Vec::new(), yaml_path: None, pipeline: None, ..finding.clone() };
        let log = log(&documents, &[finding, bare]);
        let run = &log["runs"][0];
        assert_eq!((log["version"].as_str(), run["tool"]["driver"]["rules"].as_array().map(Vec::len)), (Some("2.1.0"), Some(2)));
        let rule = &run["tool"]["driver"]["rules"][0];
        assert_eq!(rule["id"], "KP0107");
        assert!(
            rule["help"]["text"].as_str().unwrap().contains("Fix: ") && rule["help"]["markdown"].as_str().unwrap().contains("**Fix:**")
        );
        let [first, second] = [0, 1].map(|index| &run["results"][index]);
        assert_eq!(
            (first["ruleId"].as_str(), first["ruleIndex"].as_u64(), first["level"].as_str()),
            (Some("KP0107"), Some(0), Some("error"))
        );
        assert_eq!(second["ruleId"], "kpipe");
        assert!(second.get("locations").is_none(), "it has no place");
        assert_eq!(run["invocations"][0]["exitCode"], 1);
        assert_eq!(run["invocations"][0]["executionSuccessful"], true, "mistakes in files are a result");
    }

    #[test]
    fn regions_count_from_one_and_end_behind_the_last_character() {
        let (documents, mut finding) = sample();
        finding.marks.push(Mark { text: "and here".to_owned(), ..finding.marks[0].clone() });
        let log = log(&documents, &[finding]);
        let result = &log["runs"][0]["results"][0];
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"], json!({ "uri": "pipelines/sensors.yaml", "uriBaseId": "%SRCROOT%" }));
        let region = json!({ "startLine": 6, "startColumn": 3, "endLine": 6, "endColumn": 13, "snippet": { "text": "PARTITONBY" } });
        assert_eq!(place["region"], region);
        assert_eq!(result["relatedLocations"][0]["message"]["text"], "and here");
        let change = &result["fixes"][0]["artifactChanges"][0]["replacements"][0];
        assert_eq!(
            (change["insertedContent"]["text"].as_str(), change["deletedRegion"]["endColumn"].as_u64()),
            (Some("PARTITIONBY"), Some(13))
        );
    }

    #[test]
    fn what_is_only_likely_is_no_fix() {
        let (documents, mut finding) = sample();
        finding.fixes[0].safe = false;
        assert!(log(&documents, &[finding])["runs"][0]["results"][0].get("fixes").is_none());
    }

    #[test]
    fn addresses_are_escaped_and_absolute_ones_have_a_scheme() {
        let uri = |name: &str| artifact(&Document { name: name.to_owned(), text: Masked::plain("") });
        assert_eq!(uri("a b/ü#.yaml")["uri"], "a%20b/%C3%BC%23.yaml");
        assert_eq!(uri("../connections.yaml")["uri"], "../connections.yaml");
        assert_eq!(uri("/etc/p.yaml"), json!({ "uri": "file:///etc/p.yaml" }));
    }

    #[test]
    fn an_alert_is_known_again_when_its_line_moves_and_two_are_told_apart() {
        let print = |findings: &[Finding]| -> Vec<String> {
            let log = log(&sample().0, findings);
            let results = log["runs"][0]["results"].as_array().unwrap();
            results.iter().map(|result| result["partialFingerprints"]["kpipePlace/v1"].as_str().unwrap().to_owned()).collect()
        };
        let finding = sample().1;
        let mut moved = finding.clone();
        moved.marks[0].begin.line += 40;
        assert_eq!(print(std::slice::from_ref(&finding)), print(std::slice::from_ref(&moved)));
        let two = print(&[finding, moved]);
        assert!(two[0].ends_with(":1") && two[1].ends_with(":2"), "{two:?}");
    }
}
