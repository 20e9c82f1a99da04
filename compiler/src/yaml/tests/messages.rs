//! What is said about files that are not YAML, word for word.

use super::*;
use crate::document::tests::fixture::told;

#[track_caller]
fn says(text: &str, expected: &str) {
    let mut sources = Sources::new();
    sources.add("p.yaml", text);
    let mut report = Report::default();
    let _documents = read(&sources.files()[0], &mut report);
    let expected: Vec<&str> =
        expected.lines().filter_map(|line| line.strip_prefix("        ")).filter(|line| !line.trim().is_empty()).collect();
    assert_eq!(told(&sources, &report), expected.join("\n"), "{text}");
}

#[test]
fn a_key_twice() {
    says(
        "a: 1\nb: 2\na: 3\n",
        r#"
        error KP0205: the key `a` stands twice in one mapping
          3:1 "a" `a` again
          1:1 "a" first here
          help: keep one of the two; kpipe never lets the last one win
        "#,
    );
}

#[test]
fn a_key_twice_in_braces() {
    says(
        "a: {b: 1, b: 2}\n",
        r#"
        error KP0205: the key `b` stands twice in one mapping
          1:11 "b" `b` again
          1:5 "b" first here
          help: keep one of the two; kpipe never lets the last one win
        "#,
    );
}

#[test]
fn a_tab_at_the_beginning() {
    says(
        "a:\n\tb: 1\n",
        r#"
        error KP0204: a tab cannot indent a line
          2:1 "\t" this is a tab
          help: indent with spaces; most editors can be told to insert them
        "#,
    );
}

#[test]
fn a_tab_after_spaces() {
    says(
        "a:\n  b: 1\n  \tc: 2\n",
        r#"
        error KP0204: a tab cannot indent a line
          3:3 "\t" this is a tab
          help: indent with spaces; most editors can be told to insert them
        "#,
    );
}

#[test]
fn a_tab_in_a_block() {
    says(
        "a: |\n\tx\n",
        r#"
        error KP0204: a tab cannot indent a line
          2:1 "\t" this is a tab
          help: indent with spaces; most editors can be told to insert them
        "#,
    );
}

#[test]
fn a_key_between_two_levels() {
    says(
        "a:\n  b: 1\n c: 2\n",
        r#"
        error KP0206: this line is indented by one space, which fits no mapping above it
          3:2 "c:" belongs to no level
          help: the mappings above it begin at column 1, column 3
        "#,
    );
}

#[test]
fn a_key_before_the_first_level() {
    says(
        "  a: 1\nb: 2\n",
        r#"
        error KP0206: this line is not indented, which fits no mapping above it
          2:1 "b:" belongs to no level
          help: the mappings above it begin at column 3
        "#,
    );
}

#[test]
fn a_list_item_between_levels() {
    says(
        "a:\n  - b\n c: 1\n",
        r#"
        error KP0206: this line is indented by one space, which fits no mapping above it
          3:2 "c:" belongs to no level
          help: the mappings above it begin at column 1, column 3
        "#,
    );
}

#[test]
fn a_key_deeper_than_the_one_above() {
    says(
        "a:\n  b: 1\n   c: 2\n",
        r#"
        error KP0206: `c` is indented further than the line above it, so it is read as part of its value
          3:4 "c" indented further than the key above
          2:6 "1" this value would go on in the next line
          help: begin both keys in the same column
        "#,
    );
}

#[test]
fn a_key_below_a_value() {
    says(
        "a: 1\n  b: 2\n",
        r#"
        error KP0206: `b` is indented further than the line above it, so it is read as part of its value
          2:3 "b" indented further than the key above
          1:4 "1" this value would go on in the next line
          help: begin both keys in the same column
        "#,
    );
}

#[test]
fn two_colons() {
    says(
        "a: b: c\n",
        r#"
        error KP0207: `: ` has no place inside a value without quotes
          1:5 ":" a second `:` in one line
          help: put the value in quotes, or begin a new line after the first `:`
        "#,
    );
}

#[test]
fn two_colons_in_braces() {
    says(
        "a: { b: x<c: d> }\n",
        r#"
        error KP0207: `: ` has no place inside a value without quotes
          1:12 ":" a second `:` in one line
          help: put the value in quotes, or begin a new line after the first `:`
        "#,
    );
}

#[test]
fn a_line_without_a_colon() {
    says(
        "a: 1\nbad line\nc: 2\n",
        r#"
        error KP0207: a key without `:`
          2:1 "bad line" `:` has to follow
          help: write `bad:`, or indent the line if it goes on with the value above
        "#,
    );
}

#[test]
fn an_open_double_quote() {
    says(
        "a: \"x\nb: 1\n",
        r#"
        error KP0208: this quote is never closed
          1:4 "\"" opened here
          help: close it with another `"`; lines of a quoted text must be indented further than its key
        "#,
    );
}

#[test]
fn an_open_single_quote() {
    says(
        "a: 'x\n",
        r#"
        error KP0208: this quote is never closed
          1:4 "'" opened here
          help: close it with another `'`; lines of a quoted text must be indented further than its key
        "#,
    );
}

#[test]
fn an_open_bracket() {
    says(
        "a: [1, 2\nb: 3\n",
        r#"
        error KP0208: `[` is never closed
          1:4 "[" opened here
          2:1 "b:" `,` or `]` has to come before this
          help: close it with `]`
        "#,
    );
}

#[test]
fn an_open_brace() {
    says(
        "a: {x: 1\nb: 2\n",
        r#"
        error KP0208: `{` is never closed
          1:4 "{" opened here
          2:1 "b:" `,` or `}` has to come before this
          help: close it with `}`
        "#,
    );
}

#[test]
fn a_back_tick() {
    says(
        "a: `x`\n",
        r#"
        error KP0209: a value without quotes cannot begin with a back-tick
          1:4 "`" means something else in YAML
          help: put the value in quotes
          fix: "`x`" -> "'`x`'"
        "#,
    );
}

#[test]
fn an_at_sign() {
    says(
        "a: @x\n",
        r#"
        error KP0209: a value without quotes cannot begin with `@`
          1:4 "@" means something else in YAML
          help: put the value in quotes
          fix: "@x" -> "'@x'"
        "#,
    );
}

#[test]
fn a_per_cent_sign() {
    says(
        "a: %x\n",
        r#"
        error KP0209: a value without quotes cannot begin with `%`
          1:4 "%" means something else in YAML
          help: put the value in quotes
          fix: "%x" -> "'%x'"
        "#,
    );
}

#[test]
fn text_after_a_quote() {
    says(
        "a: 'x' y\n",
        r#"
        error KP0210: text follows a closing quote
          1:8 "y" this belongs to no value
          help: double the quote inside '...' or write \" inside "..."
        "#,
    );
}

#[test]
fn a_quote_inside_quotes() {
    says(
        "a: 'it's'\n",
        r#"
        error KP0210: text follows a closing quote
          1:8 "s'" this belongs to no value
          help: double the quote inside '...' or write \" inside "..."
        "#,
    );
}

#[test]
fn an_unknown_escape() {
    says(
        "a: \"C:\\data\"\n",
        r#"
        error KP0211: an escape in double quotes that YAML does not have
          1:7 "\\d" unknown escape
          help: write \\ for a backslash, or use single quotes, where nothing is escaped
          fix: "" -> "\\"
        "#,
    );
}

#[test]
fn half_an_escape() {
    says(
        "a: \"\\u12\"\n",
        r#"
        error KP0211: an escape in double quotes that YAML does not have
          1:5 "\\u" unknown escape
          help: write \\ for a backslash, or use single quotes, where nothing is escaped
        "#,
    );
}

#[test]
fn an_alias_of_nothing() {
    says(
        "a: *x\n",
        r#"
        error KP0212: no anchor is called `x`
          1:4 "*x" refers to nothing
          help: an alias follows its anchor: `&x` has to stand before it in the same document
        "#,
    );
}

#[test]
fn an_alias_of_itself() {
    says(
        "a: &x [*x]\n",
        r#"
        error KP0212: this alias stands inside the value that it repeats
          1:8 "*x" would never end
          help: write the value out
        "#,
    );
}

#[test]
fn an_alias_of_another_document() {
    says(
        "a: &x 1\n---\nb: *x\n",
        r#"
        error KP0212: no anchor is called `x`
          3:4 "*x" refers to nothing
          help: an alias follows its anchor: `&x` has to stand before it in the same document
        "#,
    );
}

#[test]
fn a_tag() {
    says(
        "a: !!binary x\n",
        r#"
        error KP0213: the tag `!!binary` is not supported
          1:4 "!!binary" remove this
          help: only `!!str` has a meaning here; kpipe knows the type of each key
          fix: "!!binary " -> ""
        "#,
    );
}

#[test]
fn a_tag_of_a_list() {
    says(
        "a: !x [1]\n",
        r#"
        error KP0213: the tag `!x` is not supported
          1:4 "!x" remove this
          help: only `!!str` has a meaning here; kpipe knows the type of each key
          fix: "!x " -> ""
        "#,
    );
}

#[test]
fn a_list_as_a_key() {
    says(
        "? [a]\n: b\n",
        r#"
        error KP0214: a key must be a single word or text
          1:3 "[a]" a collection as a key
        "#,
    );
}

#[test]
fn no_key() {
    says(
        ": b\n",
        r#"
        error KP0214: a key cannot be empty
          1:1 "" nothing stands before this
        "#,
    );
}

#[test]
fn a_merge_of_a_number() {
    says(
        "<<: 5\n",
        r#"
        error KP0215: `<<` takes a mapping or a list of mappings
          1:5 "5" not a mapping
          help: for example `<<: *defaults`
        "#,
    );
}

#[test]
fn a_merge_of_a_list_of_numbers() {
    says(
        "<<: [5]\n",
        r#"
        error KP0215: `<<` takes a mapping or a list of mappings
          1:6 "5" not a mapping
          help: for example `<<: *defaults`
        "#,
    );
}

#[test]
fn a_bracket_too_much() {
    says(
        "a: }\n",
        r#"
        error KP0203: this is not YAML: a closing bracket without its opening one
          1:4 "}" the reader stops here
        "#,
    );
}

#[test]
fn a_list_behind_a_key() {
    says(
        "a: - b\n",
        r#"
        error KP0203: this is not YAML: a list begins in a line of its own, not behind its key
          1:4 "-" the reader stops here
        "#,
    );
}

#[test]
fn a_comment_inside_a_text() {
    says(
        "a: x # c\n y\n",
        r##"
        error KP0203: this is not YAML: a comment inside a value of several lines
          1:6 "#" the reader stops here
        "##,
    );
}

#[test]
fn two_values() {
    says(
        "a: [1 2]\nb: \"x\" \"y\"\n",
        r#"
        error KP0210: text follows a closing quote
          2:8 "\"y\"" this belongs to no value
          help: double the quote inside '...' or write \" inside "..."
        "#,
    );
}
