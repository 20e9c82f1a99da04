use proptest::prelude::*;

use super::*;

/// The place of the `^` in a text: path, what is due, what is typed.
fn place(marked: &str) -> String {
    let byte = marked.find('^').unwrap();
    let text = marked.replacen('^', "", 1);
    let Cursor { path, slot, typed } = cursor(&text, byte);
    let slot = match slot {
        Slot::Key => "key",
        Slot::Value(_) => "value",
        Slot::Nothing => "nothing",
    };
    format!("{} {slot} {:?}", path.join("."), &text[typed])
}

#[test]
fn lines_and_their_indentation_lead_to_a_place() {
    for (text, expected) in [
        ("^", " key \"\""),
        ("ver^", " key \"ver\""),
        ("version: ^", "version value \"\""),
        ("version:^", "version value \"\""),
        ("delivery: at_le^", "delivery value \"at_le\""),
        ("source:\n  ^", "source key \"\""),
        ("source:\n  ka^", "source key \"ka\""),
        ("source:\n  kafka:\n    ^\nsink:\n", "source.kafka key \"\""),
        ("source:\n  kafka:\n    value:\n      format: js^", "source.kafka.value.format value \"js\""),
        ("source:\n  kafka:\n    value:\n      format: json\n    ^", "source.kafka key \"\""),
        ("source:\n  kafka:\n    a: 1\n\n  # note\n\n    b^", "source.kafka key \"b\""),
        ("source:\n  kafka:\n^", " key \"\""),
        ("a:\n  - x\n  - ^", "a value \"\""),
        ("a:\n- x^", "a value \"x\""),
        ("\"source\":\n  'kafka':\n    b^", "source.kafka key \"b\""),
        ("a: http://x:1/^", "a value \"http://x:1/\""),
        ("source:\r\n  kafka:\r\n    b^", "source.kafka key \"b\""),
    ] {
        assert_eq!(place(text), expected, "{text:?}");
    }
}

#[test]
fn braces_lead_to_a_place_too() {
    for (text, expected) in [
        ("source: {^", "source key \"\""),
        ("source: { ka^", "source key \"ka\""),
        ("source: { kafka: { brokers: [a:1], va^", "source.kafka key \"va\""),
        ("source: { kafka: { brokers: [a:1, ^", "source.kafka.brokers value \"\""),
        ("source: { kafka: { value: { format: js^ } } }\n", "source.kafka.value.format value \"js\""),
        ("sink:\n  local: { dir: x, format: { parquet: { com^", "sink.local.format.parquet key \"com\""),
        ("sink:\n  local: {\n    dir: \"a, b: {\",\n    fo^\n  }\n", "sink.local key \"fo\""),
        ("a: { b: 'it''s }', c^", "a key \"c\""),
        ("a: { b: 1 }\nc^", " key \"c\""),
        ("a: { b: 1 } ^", "a nothing \"\""),
        ("a:\n  { b: { c: ^", "a.b.c value \"\""),
        ("a: [ { b: ^", "a.b value \"\""),
        ("a: { b: 1, # what, { is\n  c^", "a key \"c\""),
    ] {
        assert_eq!(place(text), expected, "{text:?}");
    }
}

#[test]
fn texts_of_several_lines_are_values() {
    for (text, expected) in [
        ("kcql: |\n  INSERT INTO a\n  SEL^", "kcql value \"SEL\""),
        ("kcql: >-\n\n  INSERT ^", "kcql value \"\""),
        ("kcql: INSERT INTO a\n  SELECT b^", "kcql value \"b\""),
        ("kcql: |\n  INSERT: x\n  y: ^", "kcql value \"\""),
        ("kcql: |\n  INSERT\nsink:\n  ^", "sink key \"\""),
        ("kcql: |\n  ^", "kcql value \"\""),
    ] {
        assert_eq!(place(text), expected, "{text:?}");
    }
    let text = "kcql: |\n  INSERT INTO a ";
    assert_eq!(cursor(text, text.len()).slot, Slot::Value(8), "a block begins on the next line");
    assert_eq!(cursor("kcql: INSERT ", 13).slot, Slot::Value(6));
}

#[test]
fn comments_want_nothing() {
    for text in ["# a^", "source:\n  # ka^", "a: b # c^", "a: # c^", "a: { b: c # d^"] {
        assert!(place(text).contains("nothing"), "{text:?}: {}", place(text));
    }
    assert_eq!(place("a: \"b # c^"), "a value \"\\\"b # c\"");
}

#[test]
fn each_document_is_by_itself() {
    assert_eq!(place("a:\n  b:\n---\nc^"), " key \"c\"");
    assert_eq!(place("a:\n  b^\n---\nc:\n"), "a key \"b\"");
    let text = "a: 1\n---\nb: { c: 2, d: [x] }\ne:\n  f: 3\n---\ng: 4\n";
    let found: Vec<String> =
        keys(text, text.find("c:").unwrap()).iter().map(|key| format!("{}/{}={}", key.path.join("."), key.name, key.value)).collect();
    assert_eq!(found, ["/b={ c: 2, d: [x] }", "b/c=2", "b/d=[x]", "/e=", "e/f=3"]);
    for key in keys(text, 0) {
        assert_eq!(&text[key.at], key.name);
    }
}

#[test]
fn a_word_ends_where_its_letters_do() {
    assert_eq!((word_end("ab_c: d", 1), word_end("ab", 9), word_end("a b", 1)), (4, 2, 1));
}

proptest! {
    #[test]
    fn no_text_panics(text in "[ab: {}\\[\\],\n#'\"|>-]{0,60}|.{0,60}", byte in 0..80_usize) {
        let Cursor { typed, .. } = cursor(&text, byte);
        prop_assert!(text.get(typed).is_some());
        for key in keys(&text, byte) {
            prop_assert!(text.get(key.at).is_some());
        }
        prop_assert!(word_end(&text, byte) <= text.len());
    }
}
