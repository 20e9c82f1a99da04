//! The TextMate grammars of `docs/editors`: made from the language's own tables, so that a new keyword is coloured.

use std::collections::BTreeSet;
use std::path::Path;

use kpipe_compiler::catalog::MetadataColumn;
use kpipe_compiler::lower::metadata_name;
use regex::Regex;
use serde_json::{Value, json};

/// Words of expressions and of parts of clauses.
const WORDS: &[&str] = &[
    "AND", "AS", "ASC", "BETWEEN", "BUCKETS", "CASE", "CAST", "DESC", "ELSE", "END", "ESCAPE", "EVERY", "FALSE", "ILIKE", "IN", "INTO",
    "IS", "LIKE", "NOT", "NULL", "OR", "THEN", "TRUE", "TRY_CAST", "WHEN",
];

const COLUMNS: [MetadataColumn; 8] = [
    MetadataColumn::Topic,
    MetadataColumn::Partition,
    MetadataColumn::Offset,
    MetadataColumn::Timestamp,
    MetadataColumn::Key,
    MetadataColumn::Header,
    MetadataColumn::Qos,
    MetadataColumn::Retained,
];

/// A word that no letter of a name touches: `batch-size` is a name, `BATCH` a clause.
fn word(alternatives: &str) -> String {
    format!("(?i)(?<![\\w\\-/+:#$@{{}}.])(?:{alternatives})(?![\\w\\-/+:#$@{{}}.])")
}

fn keywords() -> String {
    let words: BTreeSet<String> = kpipe_grammar::keywords().iter().map(|keyword| keyword.replace(' ', "\\s+")).collect();
    // A longer word is tried before its beginning.
    let mut words: Vec<String> = words.into_iter().collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    words.join("|")
}

fn metadata() -> String {
    let names: BTreeSet<&str> = COLUMNS.iter().map(|column| metadata_name(*column).split('.').next().unwrap()).collect();
    names.into_iter().chain(["_value", "_date"]).collect::<Vec<_>>().join("|")
}

fn kcql() -> Value {
    json!({
        "name": "KCQL",
        "scopeName": "source.kcql",
        "fileTypes": ["kcql"],
        "patterns": [
            { "name": "comment.line.double-dash.kcql", "match": "(?:^|(?<=[\\s;]))--.*$" },
            { "name": "comment.block.kcql", "begin": "(?:^|(?<=[\\s;]))/\\*", "end": "\\*/" },
            { "name": "string.quoted.single.kcql", "begin": "'", "end": "'(?!')|$", "patterns": [{ "name": "constant.character.escape.kcql", "match": "''" }] },
            { "name": "variable.other.quoted.kcql", "match": "`(?:[^`]|``)*`|\"(?:[^\"]|\"\")*\"" },
            { "name": "keyword.other.clause.kcql", "match": word(&keywords()) },
            { "name": "keyword.operator.word.kcql", "match": word(&WORDS.join("|")) },
            { "name": "variable.language.metadata.kcql", "match": format!("(?<![\\w.])(?:{})\\b", metadata()) },
            { "name": "constant.numeric.kcql", "match": "(?<![\\w\\-/+:#$@{}.])[0-9]+(?:\\.[0-9]+)?(?![\\w\\-/+:#$@{}])" },
            { "name": "entity.name.function.kcql", "match": "[A-Za-z_]\\w*(?=\\()" },
            { "name": "keyword.operator.kcql", "match": "[*=<>!|%]+" },
            { "name": "punctuation.terminator.statement.kcql", "match": ";" }
        ]
    })
}

fn injection() -> Value {
    let key = json!({
        "2": { "name": "entity.name.tag.yaml" },
        "3": { "name": "punctuation.separator.key-value.mapping.yaml" },
        "4": { "name": "keyword.control.flow.block-scalar.yaml" }
    });
    json!({
        "name": "KCQL in YAML",
        "scopeName": "kcql.injection.yaml",
        "injectionSelector": "L:source.yaml -comment -string.quoted",
        "patterns": [
            {
                "begin": "^(\\s*)(kcql)(\\s*:)\\s*([|>][-+0-9]*)\\s*(?:#.*)?$",
                "beginCaptures": key,
                "while": "^(?:\\1[ \\t]+|\\s*$)",
                "contentName": "meta.embedded.block.kcql",
                "patterns": [{ "include": "source.kcql" }]
            },
            {
                "match": "^(\\s*)(kcql)(\\s*:)\\s+(?![|>'\"&*!])(.+)$",
                "captures": {
                    "2": { "name": "entity.name.tag.yaml" },
                    "3": { "name": "punctuation.separator.key-value.mapping.yaml" },
                    "4": { "name": "meta.embedded.inline.kcql", "patterns": [{ "include": "source.kcql" }] }
                }
            }
        ]
    })
}

#[test]
fn the_grammars_of_the_docs_are_made_from_the_keywords() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/editors");
    for (name, grammar) in [("kcql.tmLanguage.json", kcql()), ("kcql-yaml.tmLanguage.json", injection())] {
        let (path, text) = (folder.join(name), format!("{grammar:#}\n"));
        if std::env::var_os("KPIPE_ACCEPT").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        assert!(std::fs::read_to_string(&path).unwrap_or_default() == text, "{name} is old: KPIPE_ACCEPT=1 writes it");
    }
}

/// What an editor colours as a keyword, by the stored file. Rust's expressions look neither back nor ahead, so the borders are ours.
fn coloured(text: &str) -> Vec<String> {
    let stored = include_str!("../../../../../docs/editors/kcql.tmLanguage.json");
    let grammar: Value = serde_json::from_str(stored).unwrap();
    let patterns = grammar["patterns"].as_array().unwrap();
    let clause = patterns.iter().find(|pattern| pattern["name"] == "keyword.other.clause.kcql").unwrap()["match"].as_str().unwrap();
    let alternatives = clause.split("(?:").nth(1).unwrap().rsplit_once(")(?!").unwrap().0;
    let found = Regex::new(&format!("(?i)(^|[^A-Za-z0-9_/+:#$@{{}}.-])({alternatives})($|[^A-Za-z0-9_/+:#$@{{}}.-])")).unwrap();
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(hit) = found.captures_at(text, at) {
        let hit = hit.get(2).unwrap();
        words.push(hit.as_str().to_owned());
        at = hit.end();
    }
    words
}

#[test]
fn every_keyword_is_coloured_and_names_are_not() {
    for keyword in kpipe_grammar::keywords() {
        assert_eq!(coloured(&format!("x {keyword} y")), [keyword], "{keyword}");
        assert_eq!(coloured(&format!("x {} y", keyword.to_lowercase())), [keyword.to_lowercase()]);
    }
    let text = "INSERT INTO a-batch SELECT batch.size, from-x FROM t/limit PARTITIONBY c";
    assert_eq!(coloured(text), ["INSERT INTO", "SELECT", "FROM", "PARTITIONBY"]);
}

/// The block of the injection begins at the key and ends where the indentation does.
#[test]
fn a_block_of_statements_is_found_in_yaml() {
    let stored: Value = serde_json::from_str(include_str!("../../../../../docs/editors/kcql-yaml.tmLanguage.json")).unwrap();
    let begin = Regex::new(stored["patterns"][0]["begin"].as_str().unwrap()).unwrap();
    for (line, fits) in
        [("kcql: |", true), ("kcql: >-  # folded", true), ("  kcql:   |2", true), ("kcql: INSERT", false), ("not_kcql: |", false)]
    {
        assert_eq!(begin.is_match(line), fits, "{line}");
    }
    let inside = stored["patterns"][0]["while"].as_str().unwrap().replace("\\1", "  ");
    let inside = Regex::new(&inside).unwrap();
    for (line, fits) in [("    INSERT INTO a", true), ("", true), ("  sink:", false), ("sink:", false)] {
        assert_eq!(inside.is_match(line), fits, "{line:?}");
    }
}

#[test]
fn the_extension_names_both_grammars() {
    let package: Value = serde_json::from_str(include_str!("../../../../../docs/editors/package.json")).unwrap();
    let paths: Vec<&str> = package["contributes"]["grammars"].as_array().unwrap().iter().map(|one| one["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["./kcql.tmLanguage.json", "./kcql-yaml.tmLanguage.json"]);
    let scopes: Vec<&str> =
        package["contributes"]["grammars"].as_array().unwrap().iter().map(|one| one["scopeName"].as_str().unwrap()).collect();
    assert_eq!(scopes, [kcql()["scopeName"].as_str().unwrap(), injection()["scopeName"].as_str().unwrap()]);
}
