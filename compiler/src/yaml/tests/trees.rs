//! Trees written in every style and read again, and the limits to the last value.

use super::*;
use crate::sources::FILE_BYTES_MAX;
use crate::yaml::limits::{ALIASES_MAX, DEPTH_MAX, NODES_MAX};

/// What is written.
#[derive(Clone, Debug, PartialEq)]
enum Tree {
    Text(String, Style),
    List(Vec<Tree>, Layout),
    Map(Vec<(String, Tree)>, Layout),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Layout {
    /// By indentation, as long as nothing around it has brackets.
    Block,
    /// In brackets.
    Flow,
}

fn scalar() -> impl Strategy<Value = Tree> {
    let quoted = prop::sample::select(vec![Style::Single, Style::Double]);
    prop_oneof![
        "[a-z0-9é]([a-z0-9 é/.]{0,10}[a-z0-9é])?".prop_map(|text| Tree::Text(text, Style::Plain)),
        ("[ -~é€]{0,16}", quoted).prop_map(|(text, style)| Tree::Text(text, style)),
        "[ -~é\n\t\u{0}\u{7f}\u{85}\u{feff}\u{1f600}]{0,12}".prop_map(|text| Tree::Text(text, Style::Double)),
        "[a-zé:#'\"{}-]{1,8}(\n[ a-z:#'-]{0,8}[a-z]){0,3}".prop_map(|text| Tree::Text(text, Style::Literal)),
        "[a-zé:#'\"{}-]{1,8}( [a-z:#'-]{1,8}){0,3}".prop_map(|text| Tree::Text(text, Style::Folded)),
    ]
}

fn tree() -> impl Strategy<Value = Tree> {
    let layout = || prop::sample::select(vec![Layout::Block, Layout::Flow]);
    scalar().prop_recursive(4, 24, 4, move |inner| {
        let key = "[a-z_]{1,6}";
        prop_oneof![
            (prop::collection::vec(inner.clone(), 0..4), layout()).prop_map(|(items, layout)| Tree::List(items, layout)),
            (prop::collection::btree_map(key, inner, 0..4), layout())
                .prop_map(|(entries, layout)| Tree::Map(entries.into_iter().collect(), layout)),
        ]
    })
}

/// Brackets inside brackets, and blocks only outside of them.
fn fitting(tree: Tree, in_flow: bool) -> Tree {
    let inner = |layout| if in_flow { Layout::Flow } else { layout };
    match tree {
        Tree::Text(text, Style::Literal | Style::Folded) if in_flow => Tree::Text(text, Style::Double),
        Tree::Text(..) => tree,
        Tree::List(items, layout) => {
            let layout = if items.is_empty() { Layout::Flow } else { inner(layout) };
            Tree::List(items.into_iter().map(|item| fitting(item, layout == Layout::Flow)).collect(), layout)
        }
        Tree::Map(entries, layout) => {
            let layout = if entries.is_empty() { Layout::Flow } else { inner(layout) };
            Tree::Map(entries.into_iter().map(|(key, value)| (key, fitting(value, layout == Layout::Flow))).collect(), layout)
        }
    }
}

fn double_quoted(text: &str) -> String {
    let letter = |letter: char| match letter {
        '"' | '\\' => format!("\\{letter}"),
        ' '..='~' | '\u{a0}'..='\u{d7ff}' => letter.to_string(),
        other if (other as u32) < 0x100 => format!("\\x{:02x}", other as u32),
        other => format!("\\U{:08x}", other as u32),
    };
    format!("\"{}\"", text.chars().map(letter).collect::<String>())
}

/// A value behind its key or dash.
fn written(tree: &Tree, indent: usize) -> String {
    let pad = " ".repeat(indent);
    match tree {
        Tree::Text(text, Style::Plain | Style::Tagged) => format!(" {text}"),
        Tree::Text(text, Style::Single) => format!(" '{}'", text.replace('\'', "''")),
        Tree::Text(text, Style::Double) => format!(" {}", double_quoted(text)),
        Tree::Text(text, Style::Literal) => format!(" |-\n{pad}{}", text.replace('\n', &format!("\n{pad}"))),
        Tree::Text(text, Style::Folded) => format!(" >-\n{pad}{}", text.replace(' ', &format!("\n{pad}"))),
        Tree::List(items, Layout::Flow) => format!(" [{}]", items.iter().map(|item| written(item, 0)).collect::<Vec<_>>().join(",")),
        Tree::Map(entries, Layout::Flow) => {
            let pairs: Vec<String> = entries.iter().map(|(key, value)| format!(" {key}:{}", written(value, 0))).collect();
            format!(" {{{} }}", pairs.join(","))
        }
        Tree::List(items, Layout::Block) => items.iter().map(|item| format!("\n{pad}-{}", written(item, indent + 2))).collect(),
        Tree::Map(entries, Layout::Block) => {
            entries.iter().map(|(key, value)| format!("\n{pad}{key}:{}", written(value, indent + 2))).collect()
        }
    }
}

/// Asserts that a node is what was written, and stands where it was written.
fn same(text: &str, node: &Node, tree: &Tree) -> Result<(), TestCaseError> {
    let at = node.at.span.text(text);
    match (&node.value, tree) {
        (Value::Scalar(scalar), Tree::Text(expected, style)) => {
            prop_assert_eq!((&scalar.text, scalar.style), (expected, *style));
            match style {
                Style::Plain | Style::Tagged => prop_assert_eq!(at, expected),
                Style::Single => prop_assert_eq!(at, format!("'{}'", expected.replace('\'', "''"))),
                Style::Double => prop_assert_eq!(at, double_quoted(expected)),
                Style::Literal => {
                    prop_assert_eq!(at.lines().map(str::trim).collect::<Vec<_>>(), expected.lines().map(str::trim).collect::<Vec<_>>());
                }
                Style::Folded => prop_assert_eq!(at.split_whitespace().collect::<Vec<_>>().join(" "), expected.as_str()),
            }
        }
        (Value::Sequence(nodes), Tree::List(items, layout)) => {
            prop_assert_eq!(nodes.len(), items.len());
            prop_assert!(at.starts_with(if *layout == Layout::Flow { '[' } else { '-' }), "{}", at);
            nodes.iter().zip(items).try_for_each(|(node, item)| same(text, node, item))?;
        }
        (Value::Mapping(found), Tree::Map(entries, layout)) => {
            prop_assert_eq!(found.len(), entries.len());
            prop_assert!(*layout == Layout::Block || at.starts_with('{') && at.ends_with('}'), "{}", at);
            for (found, (key, value)) in found.iter().zip(entries) {
                prop_assert_eq!((&found.key, found.at.span.text(text)), (key, key.as_str()));
                same(text, &found.value, value)?;
            }
        }
        (found, _) => prop_assert!(false, "{:?} for {:?}", found, tree),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn trees_read_back_with_their_places(trees in prop::collection::vec(prop::collection::btree_map("[a-z]{1,4}", tree(), 1..4), 1..4), comment: bool, crlf: bool) {
        let trees: Vec<Tree> = trees
            .into_iter()
            .map(|entries| Tree::Map(entries.into_iter().map(|(key, value)| (key, fitting(value, false))).collect(), Layout::Block))
            .collect();
        let documents: Vec<String> = trees.iter().map(|tree| written(tree, 0).trim_start().to_owned() + "\n").collect();
        let mut text = documents.join(if comment { "---  # é\n" } else { "---\n" });
        if crlf {
            text = text.replace('\n', "\r\n");
        }
        let sources = sources(&text);
        let mut report = Report::default();
        let found = read(file(&sources), &mut report);
        prop_assert!(found.complete && !report.has_errors(), "{:?}\n{}", report.views(&sources), text);
        prop_assert_eq!(found.roots.len(), trees.len());
        for (root, tree) in found.roots.iter().zip(&trees) {
            same(&text, root, tree)?;
        }
    }
}

#[test]
fn scalars_are_what_yaml_says() {
    for (written, text, style, is_null) in [
        ("", "", Style::Plain, true),
        ("~", "~", Style::Plain, true),
        ("null", "null", Style::Plain, true),
        ("NULL", "NULL", Style::Plain, true),
        ("nULL", "nULL", Style::Plain, false),
        ("'null'", "null", Style::Single, false),
        ("\"\"", "", Style::Double, false),
        ("!!str", "", Style::Tagged, false),
        ("!!str ~", "~", Style::Tagged, false),
        ("yes", "yes", Style::Plain, false),
        ("0x10", "0x10", Style::Plain, false),
        ("-1", "-1", Style::Plain, false),
        ("a#b", "a#b", Style::Plain, false),
        ("a #b", "a", Style::Plain, false),
        ("a:b", "a:b", Style::Plain, false),
        ("http://h:1/p?q#f", "http://h:1/p?q#f", Style::Plain, false),
        ("it's", "it's", Style::Plain, false),
        ("a\n  b\n\n  c", "a b\nc", Style::Plain, false),
        ("'it''s'", "it's", Style::Single, false),
        ("'a\\n'", "a\\n", Style::Single, false),
        ("'a\n\n  b'", "a\nb", Style::Single, false),
        ("\"a\\tb\\u00e9\\x41\\\\\\\"\\/\"", "a\tb\u{e9}A\\\"/", Style::Double, false),
        ("\"a\\\n    b\"", "ab", Style::Double, false),
        ("|\n  a\n   b\n\n  c\n", "a\n b\n\nc\n", Style::Literal, false),
        ("|-\n  a\n", "a", Style::Literal, false),
        ("|+\n  a\n", "a\n\n", Style::Literal, false),
        (">\n  a\n  b\n\n  c\n", "a b\nc\n", Style::Folded, false),
        (">-\n  a\n    b\n  c\n", "a\n  b\nc", Style::Folded, false),
        ("|2\n   a\n", " a\n", Style::Literal, false),
        ("|\n  # no comment\n", "# no comment\n", Style::Literal, false),
    ] {
        let text_of_file = format!("k: {written}\nz: 1\n");
        let sources = sources(&text_of_file);
        let root = root(&sources);
        let scalar = root.get("k").unwrap().value.scalar().unwrap();
        assert_eq!((scalar.text.as_str(), scalar.style, scalar.is_null()), (text, style, is_null), "{written:?}");
    }
}

#[test]
fn anchors_and_merges_stop_at_the_document_and_keep_their_places() {
    let text = "a: &x {b: 1}\nc: *x\nd: {<<: *x, e: 2}\n---\na: &x {b: 3}\nc: *x\n";
    let sources = sources(text);
    let documents = read(file(&sources), &mut Report::default());
    let value = |document: usize, keys: [&str; 2]| {
        let node = &documents.roots[document].get(keys[0]).unwrap().value.get(keys[1]).unwrap().value;
        (node.scalar().unwrap().text.clone(), sources.text(node.at).to_owned(), sources.text(node.place()).to_owned())
    };
    let found = [value(0, ["c", "b"]), value(0, ["d", "b"]), value(1, ["c", "b"])];
    let own = |text: &str, place: &str| (text.to_owned(), text.to_owned(), place.to_owned());
    assert_eq!(found, [own("1", "1"), own("1", "*x"), own("3", "3")]);
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    let sources = sources(text);
    let mut report = Report::default();
    let documents = read(file(&sources), &mut report);
    let views = report.views(&sources);
    let label = views[0].primary.as_ref().unwrap();
    assert!(!documents.complete && views.len() == 1);
    assert_eq!(format!("{} {}: {}", views[0].code, label.begin, views[0].message), expected);
    assert!(views[0].help.is_some());
}

#[track_caller]
fn taken(text: &str) {
    let sources = sources(text);
    let mut report = Report::default();
    assert!(read(file(&sources), &mut report).complete && !report.has_errors(), "{:?}", report.views(&sources));
}

#[test]
fn limits_are_kept_to_the_last_value() {
    let deep = |depth: usize| format!("a: {}{}\n", "[".repeat(depth), "]".repeat(depth));
    taken(&deep(DEPTH_MAX - 1));
    refused(&deep(DEPTH_MAX), "KP0216 1:67: values are nested deeper than 64 levels");
    // The mapping, its key and the list are values too.
    let wide = |items: usize| format!("a:\n{}", "- 1\n".repeat(items));
    taken(&wide(NODES_MAX - 3));
    refused(&wide(NODES_MAX - 2), "KP0216 49999:3: a file has at most 50000 values, those that aliases repeat included");
    let aliases = |count: usize| format!("a: &x 1\nb:\n{}", "- *x\n".repeat(count));
    taken(&aliases(ALIASES_MAX));
    refused(&aliases(ALIASES_MAX + 1), "KP0216 103:3: a file has at most 100 aliases");
    let long = |bytes: usize| format!("a: 1\n#{}\n", "x".repeat(bytes - 7));
    taken(&long(FILE_BYTES_MAX));
    refused(&long(FILE_BYTES_MAX + 1), "KP0216 1:1: a file has at most 1048576 bytes, this one has 1048577");
}
