use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::*;
use crate::report::Report;
use crate::sources::Sources;

#[test]
fn pages_are_whole_and_in_order() {
    let mut last = "";
    for page in pages() {
        let Page { code, title, meaning, example, fix, why } = *page;
        assert!(code > last, "{code} after {last}");
        assert!(code.len() == 6 && code.starts_with("KP") && code[2..].bytes().all(|byte| byte.is_ascii_digit()), "{code}");
        assert!(!title.is_empty() && !title.ends_with('.'), "{code}: the title is a fragment");
        assert!(meaning.ends_with('.') && fix.ends_with(['.', '`']), "{code}: {meaning:?} {fix:?}");
        assert!(why.is_empty() || why.ends_with('.'), "{code}");
        assert!(example.lines().all(|line| line.is_empty() || line.starts_with("    ")), "{code}: {example:?}");
        assert!(![meaning, fix, why].iter().any(|part| part.contains(" you ") || part.contains("Example:")), "{code}");
        last = code;
    }
}

#[test]
fn codes_are_found_in_every_spelling() {
    for spelling in ["KP0201", "kp0201", "0201", "201", " KP201 "] {
        assert_eq!(find(spelling).map(|page| page.code), Some("KP0201"), "{spelling}");
    }
    assert!(find("KP0000").is_none() && find("x").is_none() && find("").is_none());
}

#[test]
fn examples_of_kcql_show_their_code() {
    for page in pages().iter().filter(|page| page.code.starts_with("KP01") && !page.example.is_empty()) {
        let parsed = kpipe_grammar::parse(page.example);
        let errors = parsed.errors.iter().map(code_of);
        let codes: Vec<String> = errors.chain(parsed.warnings.iter().map(code_of)).collect();
        assert!(codes.iter().any(|code| code == page.code), "{}: {codes:?}", page.code);
    }
}

fn code_of(diagnostic: &impl miette::Diagnostic) -> String {
    diagnostic.code().map(|code| code.to_string()).unwrap_or_default()
}

#[test]
fn examples_of_yaml_show_their_code() {
    for page in pages().iter().filter(|page| ("KP0203".."KP0216").contains(&page.code)) {
        let text: String = page.example.lines().map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line))).collect();
        let mut sources = Sources::new();
        sources.add("x.yaml", text);
        let mut report = Report::default();
        let _documents = crate::yaml::read(&sources.files()[0], &mut report);
        let codes: Vec<String> = report.entries().iter().map(crate::report::Entry::code).collect();
        assert!(codes.iter().any(|code| code == page.code), "{}: {codes:?}", page.code);
    }
}

/// Every code that a source file of the workspace gives out, and where.
fn given_out() -> BTreeMap<String, PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = BTreeMap::new();
    for folder in ["grammar/src", "compiler/src", "runtime/engine/src", "runtime/connectors/src", "runtime/cli/src"] {
        collect(&root.join(folder), &mut found);
    }
    found
}

fn collect(folder: &Path, found: &mut BTreeMap<String, PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() && !entry.ends_with("tests") {
            collect(&entry, found);
        } else if entry.is_file() && entry.extension().is_some_and(|extension| extension == "rs") && !entry.ends_with("tests.rs") {
            let text = std::fs::read_to_string(&entry).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            for mark in ["code(KP", "\"KP"] {
                let codes = code.match_indices(mark).filter_map(|(at, _)| code.get(at + mark.len() - 2..at + mark.len() + 4));
                let codes = codes.filter(|code| code[2..].bytes().all(|byte| byte.is_ascii_digit()));
                codes.for_each(|code| drop(found.insert(code.to_owned(), entry.clone())));
            }
        }
    }
}

#[test]
fn every_code_has_a_page() {
    let known: BTreeSet<&str> = pages().iter().map(|page| page.code).collect();
    let missing: Vec<_> = given_out().into_iter().filter(|(code, _)| !known.contains(code.as_str())).collect();
    assert!(missing.is_empty(), "write the pages of {missing:?}");
}

#[test]
fn every_page_is_of_a_code_that_is_given_out() {
    let given_out = given_out();
    let unused: Vec<&str> = pages().iter().map(|page| page.code).filter(|code| !given_out.contains_key(*code)).collect();
    assert!(unused.is_empty(), "no code gives out {unused:?}");
}

/// Pages without an example, and why.
const WITHOUT_EXAMPLE: [(&str, &str); 11] = [
    ("KP0141", "a limit"),
    ("KP0142", "a limit"),
    ("KP0143", "a limit"),
    ("KP0144", "a limit"),
    ("KP0145", "a limit"),
    ("KP0146", "a limit"),
    ("KP0147", "a limit"),
    ("KP0149", "not from a file"),
    ("KP0216", "a limit"),
    ("KP0904", "a plan of a version to come"),
    ("KP9901", "a bug"),
];

#[test]
fn every_page_has_an_example_unless_none_is_small() {
    for page in pages() {
        let is_listed = WITHOUT_EXAMPLE.iter().any(|(code, _)| *code == page.code);
        assert_eq!(page.example.is_empty(), is_listed, "{}", page.code);
    }
}

#[test]
fn the_book_has_every_page_once_under_its_range() {
    let book = book();
    for page in pages() {
        assert_eq!(book.matches(&format!("\n### {}: {}\n", page.code, page.title)).count(), 1, "{}", page.code);
    }
    assert_eq!(book.matches("\n## ").count(), RANGES.len());
    assert!(book.contains("\n```sql\n") && book.contains("\n```yaml\n") && book.contains("\n```text\n"));
}
