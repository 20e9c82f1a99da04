//! The pages of codes: a statement that a page shows as its example must be answered with the code.

use super::texts::CATALOG;
use super::*;
use crate::codes::{Page, pages};
use crate::compile;
use crate::document::tests::fixture::World;
use crate::report::Entry;
use crate::sources::Mode;

const JSON: &str = "log: { brokers: [a:1], value: { format: json } }";
const FIELDS: &str =
    "log: { brokers: [a:1], value: { format: json, schema: { id: bigint, temperature: double, customer: { id: int, name: string } } } }";
const BYTES: &str = "log: { brokers: [a:1] }";
const MESSAGES: &str = "queue: { qos: 1 }";
const FILES: &str = "store: {}";

/// What kinds of pipelines a reader of a page may have.
const PIPELINES: [(&str, &str); 6] = [
    (JSON, FILES),
    (FIELDS, FILES),
    (BYTES, FILES),
    (JSON, "log: { brokers: [a:1] }"),
    (MESSAGES, "log: { brokers: [b:1] }"),
    (MESSAGES, FILES),
];

fn codes(source: &str, sink: &str, statements: &str) -> Vec<String> {
    let mut sources = Sources::new();
    let indented = statements.lines().map(|line| format!("  {}\n", line.trim())).collect::<String>();
    sources.add("p.yaml", format!("version: 1\npipeline: p\nsource:\n  {source}\nsink:\n  {sink}\nkcql: |\n{indented}"));
    let compiled = compile(&sources, &CATALOG, &World::default(), Mode::Plan);
    compiled.report.entries().iter().map(Entry::code).collect()
}

#[test]
fn examples_of_statements_show_their_code() {
    let is_statement = |page: &&Page| ["INSERT", "UPSERT"].iter().any(|word| page.example.trim_start().starts_with(word));
    let of_statements: Vec<&Page> = pages().iter().filter(|page| page.code > "KP02").filter(is_statement).collect();
    assert!(of_statements.len() > 25, "only {}", of_statements.len());
    let shows = |page: &Page| PIPELINES.iter().any(|(source, sink)| codes(source, sink, page.example).iter().any(|code| code == page.code));
    let wrong: Vec<String> = of_statements
        .into_iter()
        .filter(|page| !shows(page))
        .map(|page| format!("{}: {:?} gives {:?}", page.code, page.example.trim(), codes(JSON, FILES, page.example)))
        .collect();
    assert_eq!(wrong, [""; 0]);
}
