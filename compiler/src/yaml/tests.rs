//! Trees, places and mistakes.

mod messages;
mod trees;

use proptest::prelude::*;

use super::*;
use crate::report::Report;
use crate::sources::{SourceFile, Sources};
use kpipe_grammar::span::Span;

fn sources(text: &str) -> Sources {
    let mut sources = Sources::new();
    sources.add("a.yaml", text);
    sources
}

fn file(sources: &Sources) -> &SourceFile {
    &sources.files()[0]
}

/// Codes and the text under each label, as `KP0205 b, b`.
fn mistakes(text: &str) -> Vec<String> {
    let sources = sources(text);
    let mut report = Report::default();
    let _documents = read(file(&sources), &mut report);
    let show = |view: &crate::report::View| {
        let labels = view.primary.iter().chain(&view.secondary).map(|label| label.span.text(text)).collect::<Vec<_>>();
        format!("{} {}", view.code, labels.join(", "))
    };
    report.views(&sources).iter().map(show).collect()
}

fn root(sources: &Sources) -> Node {
    let mut report = Report::default();
    let mut documents = read(file(sources), &mut report);
    assert!(report.views(sources).is_empty(), "{:?}", report.views(sources));
    assert!(documents.complete);
    documents.roots.remove(0)
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(mistakes(text), expected, "{text}");
}

#[test]
fn every_key_and_value_has_its_bytes() {
    let text =
        "\u{feff}a: é # c\nb: 'x''y'  # c\nc: \"\\\"z\\\"\" # c\nd: [1, {e: 2}] # c\nf: |\n  one\n  two\n\ng: &x !!str 5\nh:\n- *x\n";
    let sources = sources(text);
    let root = root(&sources);
    let at = |key: &str| {
        let entry = root.get(key).unwrap();
        (entry.at.span.text(text), entry.value.at.span.text(text))
    };
    assert_eq!(at("a"), ("a", "é"));
    assert_eq!(at("b"), ("b", "'x''y'"));
    assert_eq!(at("c"), ("c", "\"\\\"z\\\"\""));
    assert_eq!(at("d"), ("d", "[1, {e: 2}]"));
    assert_eq!(at("f"), ("f", "one\n  two"));
    assert_eq!(at("g"), ("g", "5"));
    let repeated = &root.get("h").unwrap().value.items().unwrap()[0];
    assert_eq!((repeated.at.span.text(text), repeated.place().span.text(text)), ("5", "*x"));
    assert_eq!(repeated.scalar().unwrap().style, Style::Tagged);
}

#[test]
fn documents_follow_each_other() {
    let sources = sources("a: 1\n---\n# nothing\n---\nb: 2\n...\n");
    let documents = read(file(&sources), &mut Report::default());
    assert_eq!(documents.roots.len(), 2);
    assert!(documents.roots[1].get("b").is_some());
}

#[test]
fn merge_keys_fill_in_what_is_not_said() {
    let sources = sources("x: &x {a: 1, b: 2}\ny: &y {c: 3}\nz:\n  b: 9\n  <<: [*x, *y]\n");
    let root = root(&sources);
    let merged = &root.get("z").unwrap().value;
    let pairs: Vec<(&str, &str)> =
        merged.entries().unwrap().iter().map(|entry| (entry.key.as_str(), entry.value.scalar().unwrap().text.as_str())).collect();
    assert_eq!(pairs, [("b", "9"), ("a", "1"), ("c", "3")]);
    assert_eq!(sources.text(merged.get("a").unwrap().value.place()), "*x");
}

#[test]
fn mistakes_are_named_where_they_are() {
    check("a: 1\nb: 2\na: 3\n", &["KP0205 a, a"]);
    check("a: {b: 1, b: 2}\n", &["KP0205 b, b"]);
    check("a:\n\tb: 1\n", &["KP0204 \t"]);
    check("a:\n  b: 1\n\tc: 2\n", &["KP0204 \t"]);
    check("a: |\n\tx\n", &["KP0204 \t"]);
    check("a:\n  b: 1\n c: 2\n", &["KP0206 c:"]);
    check("  a: 1\nb: 2\n", &["KP0206 b:"]);
    check("a:\n  b: 1\n   c: 2\n", &["KP0206 c, 1"]);
    check("a: 1\n  b: 2\n", &["KP0206 b, 1"]);
    check("a: b: c\n", &["KP0207 :"]);
    check("a: { b: x<c: d> }\n", &["KP0207 :"]);
    check("a: 1\nbad line\nc: 2\n", &["KP0207 bad line"]);
    check("a: \"x\nb: 1\n", &["KP0208 \""]);
    check("a: 'x\n", &["KP0208 '"]);
    check("a: [1, 2\nb: 3\n", &["KP0208 [, b:"]);
    check("a: {x: 1\nb: 2\n", &["KP0208 {, b:"]);
    check("a: `x`\n", &["KP0209 `"]);
    check("a: @x\n", &["KP0209 @"]);
    check("a: 'x' y\n", &["KP0210 y"]);
    check("a: \"\\q\"\n", &["KP0211 \\q"]);
    check("a: *x\n", &["KP0212 *x"]);
    check("a: &x [*x]\n", &["KP0212 *x"]);
    check("a: !!binary x\n", &["KP0213 !!binary"]);
    check("? [a]\n: b\n", &["KP0214 [a]"]);
    check("<<: 5\n", &["KP0215 5"]);
    check("a: }\n", &["KP0203 }"]);
}

#[test]
fn a_reader_that_stops_says_so_and_keeps_what_it_has() {
    let sources = sources("a: 1\n---\nb: [\n");
    let mut report = Report::default();
    let documents = read(file(&sources), &mut report);
    assert!(!documents.complete);
    assert_eq!(documents.roots.len(), 1);
    assert!(report.has_errors());
}

#[test]
fn limits_hold() {
    let deep = format!("a: {}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(mistakes(&deep), ["KP0216 ["]);
    let bomb = (0..12).fold("a: &a0 [x, x]\n".to_owned(), |text, n| format!("{text}b{n}: &a{} [*a{n}, *a{n}, *a{n}, *a{n}]\n", n + 1));
    assert_eq!(mistakes(&bomb)[0].split(' ').next(), Some("KP0216"));
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(900_000), "*a, ".repeat(90));
    assert_eq!(mistakes(&long), ["KP0216 *a"], "repeated text counts by its length");
    let many = format!("a: &a 1\nb: [{}]\n", "*a, ".repeat(101));
    assert_eq!(mistakes(&many), ["KP0216 *a"]);
    assert_eq!(mistakes(&"a".repeat(2 << 20)), ["KP0216 "]);
    let wide = format!("a: [{}]\n", "1, ".repeat(60_000));
    assert_eq!(mistakes(&wide), ["KP0216 1"]);
}

const TOKEN: &str = "TOK€N";

/// Where the token of a scalar below `k` is found, as text of the file.
fn located(text: &str) -> String {
    let sources = sources(text);
    let root = root(&sources);
    let node = &root.get("top").unwrap().value.get("k").unwrap().value;
    let scalar = node.scalar().unwrap();
    let start = scalar.text.find(TOKEN).expect("the token is in the decoded text");
    let at = scalar_map(text, node, scalar).locate(Span::new(start, start + TOKEN.len()));
    sources.text(at).to_owned()
}

#[track_caller]
fn finds(scalar: &str) {
    for breaks in ["\n", "\r\n"] {
        for bom in ["", "\u{feff}"] {
            let text = format!("{bom}# é\ntop:\n  k: {scalar}\nz: 1\n").replace('\n', breaks);
            assert_eq!(located(&text), TOKEN, "{text:?}");
        }
    }
}

#[test]
fn tokens_are_found_in_each_style() {
    finds("a TOK€N b");
    finds("a\n    b\n\n    c TOK€N");
    finds("'it''s\n    a TOK€N'");
    finds("\"\\t\\u00e9 \\\n     a\n\n    TOK€N \\\"\" # c");
    finds("|\n    a\n    TOK€N b\n");
    finds("|2-\n      a\n     TOK€N b\n\n");
    finds("|+\n\n\n    é\n\n    TOK€N\n\n\n");
    finds("&x |1\n       a\n    TOK€N");
    finds("!!str &x >2-\n\n      a\n     TOK€N b\n\n");
    finds(">\n    a\n    b\n\n\n    c\n      more TOK€N\n    d\n");
    finds("> # comment\n\n    TOK€N");
}

#[test]
fn escapes_and_folded_breaks_are_places_of_their_own() {
    let text = "top:\n  k: \"a\\u0041b\"\n";
    let sources = sources(text);
    let root = root(&sources);
    let node = &root.get("top").unwrap().value.get("k").unwrap().value;
    let map = scalar_map(text, node, node.scalar().unwrap());
    assert_eq!(sources.text(map.locate(Span::new(1, 2))), "\\u0041");
    assert_eq!(sources.text(map.locate(Span::new(0, 3))), "a\\u0041b");
}

/// One line of words; never blank.
fn line() -> impl Strategy<Value = String> {
    prop::collection::vec("[a-z0-9é.+/]{1,6}", 1..4).prop_map(|words| words.join(" "))
}

fn double(line: &str) -> String {
    line.replace('\\', "\\\\").replace('"', "\\\"").replace('é', "\\u00e9").replace('+', "\\x2b")
}

/// Lines in one of the styles, the continuation lines indented by `indent` and `more`.
fn wrap(style: usize, lines: &[String], indent: usize, more: usize, indicator: bool, chomp: &str) -> String {
    let pad = " ".repeat(4 + indent);
    let body = |first: usize, encode: &dyn Fn(&str) -> String| {
        let encoded: Vec<String> =
            lines
                .iter()
                .enumerate()
                .map(|(n, line)| {
                    if line.is_empty() || n < first { encode(line) } else { format!("{pad}{}{}", " ".repeat(n % (more + 1)), encode(line)) }
                })
                .collect();
        encoded.join("\n")
    };
    let header = if indicator { (indent + 2).to_string() } else { String::new() };
    let block = || {
        let mut text = body(0, &str::to_owned);
        if !indicator {
            text = text.replacen(&lines[0], &format!("§{}", lines[0]), 1);
        }
        text
    };
    match style {
        0 => body(1, &str::to_owned),
        1 => format!("'{}'", body(1, &|line| line.replace('\'', "''"))),
        2 => format!("\"{}\"", body(1, &double)),
        3 => format!("|{header}{chomp}\n{}", block()),
        _ => format!(">{header}{chomp}\n{}", block()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_planted_token_is_found_in_every_style(
        mut lines in prop::collection::vec(prop_oneof![4 => line(), 1 => Just(String::new())], 1..8),
        first in line(),
        at in any::<prop::sample::Index>(),
        style in 0usize..5,
        indent in 0usize..5,
        more in 0usize..3,
        indicator: bool,
        chomp in prop::sample::select(vec!["", "-", "+"]),
        crlf: bool,
        before in prop::sample::select(vec!["", "&x ", "!!str ", "&x !!str "]),
    ) {
        lines.insert(0, first);
        let full: Vec<usize> = (0..lines.len()).filter(|n| !lines[*n].is_empty()).collect();
        let planted = full[at.index(full.len())];
        lines[planted] = format!("{} {TOKEN} b", lines[planted]);
        let last = full[full.len() - 1];
        lines.truncate(last.max(planted) + 1);
        let mut text = format!("top:\n  k: {before}{}\nz: 1\n", wrap(style, &lines, indent, more, indicator, chomp));
        if crlf {
            text = text.replace('\n', "\r\n");
        }
        prop_assert_eq!(located(&text), TOKEN);
    }

    #[test]
    fn arbitrary_text_is_read_or_refused(text in "\\PC{0,80}") {
        mistakes(&text);
    }

    #[test]
    fn text_made_of_yaml_signs_is_read_or_refused(text in "[-a:|>&*!\\[\\]{}?'\"#\\\\%@`~,<1\t\r\n é\u{feff}\u{0}\u{85}]{0,60}") {
        mistakes(&text);
    }

    #[test]
    fn places_are_inside_the_file_and_maps_are_whole(text in "(a: |b: |- |  |\n|x|'|\"|é|\\||>|&k |\\*k|\\[|\\]|\\{|\\}|, |#c\n|\r\n){0,30}") {
        let sources = sources(&text);
        let documents = read(file(&sources), &mut Report::default());
        documents.roots.iter().for_each(|root| whole(&text, root));
    }
}

/// Every place is a range of characters, and every map covers its text.
fn whole(text: &str, node: &Node) {
    assert!(text.get(node.at.span.start..node.at.span.end).is_some());
    match &node.value {
        Value::Scalar(scalar) => {
            let map = scalar_map(text, node, scalar);
            let covered: usize = map.segments().iter().map(|segment| segment.decoded.len()).sum();
            assert_eq!(covered, scalar.text.len());
            assert!(map.segments().iter().all(|segment| segment.source.end <= text.len()));
        }
        Value::Sequence(items) => items.iter().for_each(|item| whole(text, item)),
        Value::Mapping(entries) => entries.iter().for_each(|entry| {
            assert!(text.get(entry.at.span.start..entry.at.span.end).is_some());
            whole(text, &entry.value);
        }),
    }
}
