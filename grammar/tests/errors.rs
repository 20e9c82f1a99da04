//! One test a mistake: its code, its words, its places, its fix.

mod common;

use std::collections::BTreeSet;

use common::mistakes;
use kpipe_grammar::limits::{ERRORS_MAX, ITEMS_MAX, NAME_BYTES_MAX, NESTING_MAX, PATH_PARTS_MAX, STATEMENTS_MAX, TEXT_BYTES_MAX};
use kpipe_grammar::parse;
use miette::Diagnostic;

/// Compares without the indentation of the expectation.
#[track_caller]
fn check(text: &str, expected: &str) {
    let expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let found = mistakes(text);
    let found: Vec<&str> = found.lines().map(str::trim).collect();
    assert_eq!(found, expected, "in {text}");
}

// KP0101: something else has to stand here

#[test]
fn nothing_after_insert() {
    check(
        "INSERT",
        r##"
        KP0101 expected `INTO`, found the end of the statement
           6 "" `INTO` has to come here
          help: a statement begins with INSERT INTO or UPSERT INTO and a target
        "##,
    );
}

#[test]
fn into_forgotten() {
    check(
        "INSERT orders SELECT * FROM b",
        r##"
        KP0101 expected `INTO`, found `orders`
           7 "orders" `INTO` has to come here
          help: a statement begins with INSERT INTO or UPSERT INTO and a target
        "##,
    );
}

#[test]
fn empty_key() {
    check(
        "INSERT INTO a SELECT * FROM b WITHKEY()",
        r##"
        KP0101 expected a field, found `)`
          38 ")" a field has to come here
        "##,
    );
}

#[test]
fn column_without_comma() {
    check(
        "INSERT INTO a SELECT a b FROM c",
        r##"
        KP0101 expected `AS`, `,`, an operator or `FROM`, found `b`
          23 "b" `AS`, `,`, an operator or `FROM` has to come here
          help: a name for the column is written with AS, a further field after a comma
        "##,
    );
}

#[test]
fn alias_forgotten() {
    check(
        "INSERT INTO a SELECT a AS FROM c",
        r##"
        KP0101 expected a name for the column, found the clause keyword `FROM`
          26 "FROM" a name for the column has to come here
        "##,
    );
}

#[test]
fn two_sources() {
    check(
        "INSERT INTO a SELECT * FROM b, c",
        r##"
        KP0101 expected the next clause, found `,`
          29 "," the next clause has to come here
          help: a statement reads one source; write one statement for each
        "##,
    );
}

#[test]
fn star_inside_path() {
    check(
        "INSERT INTO a SELECT a.*.b FROM c",
        r##"
        KP0101 expected `,` or `FROM`, found `.`
          24 "." `,` or `FROM` has to come here
        "##,
    );
}

#[test]
fn empty_store_options() {
    check(
        "INSERT INTO a SELECT * FROM b STOREAS JSON ()",
        r##"
        KP0101 expected a value, found `)`
          44 ")" a value has to come here
        "##,
    );
}

#[test]
fn property_without_value() {
    check(
        "INSERT INTO a SELECT * FROM b PROPERTIES(x)",
        r##"
        KP0101 expected `=`, found `)`
          42 ")" `=` has to come here
        "##,
    );
}

#[test]
fn property_with_blank() {
    check(
        "INSERT INTO a SELECT * FROM b PROPERTIES(x=hello world)",
        r##"
        KP0101 expected `,` or `)`, found `world`
          49 "world" `,` or `)` has to come here
        "##,
    );
}

#[test]
fn closing_too_much() {
    check(
        "INSERT INTO a SELECT * FROM b LIMIT 5)",
        r##"
        KP0101 expected the next clause, found `)`
          37 ")" the next clause has to come here
        "##,
    );
}

#[test]
fn path_ends_in_dot() {
    check(
        "INSERT INTO a SELECT b. FROM c",
        r##"
        KP0101 expected `*` or a field, found the clause keyword `FROM`
          24 "FROM" `*` or a field has to come here
        "##,
    );
}

#[test]
fn offset_without_parentheses() {
    check(
        "INSERT INTO a SELECT * FROM b WITHOFFSET 11",
        r##"
        KP0101 expected `(`, found `11`
          41 "11" `(` has to come here
        "##,
    );
}

#[test]
fn tag_list_empty() {
    check(
        "INSERT INTO a SELECT * FROM b WITHTAG()",
        r##"
        KP0101 expected a value, found `)`
          38 ")" a value has to come here
        "##,
    );
}

#[test]
fn buckets_without_into() {
    check(
        "INSERT INTO a SELECT * FROM b DISTRIBUTEBY x",
        r##"
        KP0101 expected `INTO` or `,`, found the end of the statement
          44 "" `INTO` or `,` has to come here
        "##,
    );
}

// KP0102 to KP0106: a part of the core is missing

#[test]
fn target_missing() {
    check(
        "INSERT INTO SELECT * FROM b",
        r##"
        KP0102 expected a target after `INTO`, found the clause keyword `SELECT`
           7 "INTO" this `INTO` has nothing to write to
          12 "SELECT" a name has to come before this
          help: name the target, for example: INSERT INTO orders SELECT ...
        "##,
    );
}

#[test]
fn target_missing_at_end() {
    check(
        "UPSERT INTO",
        r##"
        KP0102 expected a target after `INTO`, found the end of the statement
           7 "INTO" this `INTO` has nothing to write to
          help: name the target, for example: INSERT INTO orders SELECT ...
        "##,
    );
}

#[test]
fn source_missing() {
    check(
        "INSERT INTO acme-lake:sensors\nSELECT device_id, temp, ts\nFROM PARTITIONBY device_id\nSTOREAS `PARQUET`",
        r##"
        KP0103 expected a topic name after `FROM`, found the clause keyword `PARTITIONBY`
          57 "FROM" this `FROM` has nothing to read
          62 "PARTITIONBY" a topic name has to come before this
          help: name the topic, for example: FROM `sensors.raw` PARTITIONBY device_id
        "##,
    );
}

#[test]
fn source_missing_at_end() {
    check(
        "INSERT INTO a SELECT * FROM",
        r##"
        KP0103 expected a topic name after `FROM`, found the end of the statement
          23 "FROM" this `FROM` has nothing to read
          help: name the topic, for example: FROM `sensors.raw`
        "##,
    );
}

#[test]
fn select_missing() {
    check(
        "INSERT INTO a FROM b",
        r##"
        KP0104 this statement has no `SELECT`
          14 "FROM" `SELECT` has to come here
          help: say what to take of each record, for example: INSERT INTO orders SELECT * FROM orders_raw
        "##,
    );
}

#[test]
fn select_missing_at_end() {
    check(
        "INSERT INTO a",
        r##"
        KP0104 this statement has no `SELECT`
          13 "" `SELECT` has to come here
          help: say what to take of each record, for example: INSERT INTO orders SELECT * FROM orders_raw
        "##,
    );
}

#[test]
fn from_missing() {
    check(
        "INSERT INTO a SELECT * STOREAS JSON",
        r##"
        KP0105 this statement has no `FROM`
          23 "STOREAS" `FROM` has to come here
          help: say where the records come from, for example: SELECT * FROM orders_raw
        "##,
    );
}

#[test]
fn from_missing_at_end() {
    check(
        "INSERT INTO a SELECT *",
        r##"
        KP0105 this statement has no `FROM`
          22 "" `FROM` has to come here
          help: say where the records come from, for example: SELECT * FROM orders_raw
        "##,
    );
}

#[test]
fn other_start() {
    check(
        "CREATE TABLE a",
        r##"
        KP0106 a statement begins with `INSERT INTO`, `UPSERT INTO`, `UPDATE INTO` or `SELECT`, found `CREATE`
           0 "CREATE" a statement has to begin here
          help: for example: INSERT INTO orders SELECT * FROM orders_raw
        "##,
    );
}

#[test]
fn text_after_the_statement() {
    check(
        "INSERT INTO a SELECT * FROM b; done",
        r##"
        KP0106 a statement begins with `INSERT INTO`, `UPSERT INTO`, `UPDATE INTO` or `SELECT`, found `done`
          31 "done" a statement has to begin here
          help: for example: INSERT INTO orders SELECT * FROM orders_raw
        "##,
    );
}

// KP0107: misspelt keywords

#[test]
fn misspelt_clause() {
    check(
        "INSERT INTO acme-lake:sensors\nSELECT * FROM sensors.raw\nPARTITONBY device_id",
        r##"
        KP0107 `PARTITONBY` is not a KCQL clause
          56 "PARTITONBY" did you mean `PARTITIONBY`?
          fix: "PARTITONBY" -> "PARTITIONBY"
        "##,
    );
}

#[test]
fn misspelt_insert() {
    check(
        "INSRT INTO a SELECT * FROM b",
        r##"
        KP0107 `INSRT` is not a KCQL clause
           0 "INSRT" did you mean `INSERT`?
          fix: "INSRT" -> "INSERT"
        "##,
    );
}

#[test]
fn misspelt_into() {
    check(
        "INSERT INOT a SELECT * FROM b",
        r##"
        KP0107 `INOT` is not a KCQL clause
           7 "INOT" did you mean `INTO`?
          fix: "INOT" -> "INTO"
        "##,
    );
}

#[test]
fn misspelt_select() {
    check(
        "INSERT INTO a SELEC * FROM b",
        r##"
        KP0107 `SELEC` is not a KCQL clause
          14 "SELEC" did you mean `SELECT`?
          fix: "SELEC" -> "SELECT"
        "##,
    );
}

#[test]
fn misspelt_from() {
    check(
        "INSERT INTO a SELECT * FORM b STOREAS JSON",
        r##"
        KP0107 `FORM` is not a KCQL clause
          23 "FORM" did you mean `FROM`?
          fix: "FORM" -> "FROM"
        "##,
    );
}

#[test]
fn misspelt_option() {
    check(
        "INSERT INTO a SELECT * FROM b WITHTAGS (x)",
        r##"
        KP0107 `WITHTAGS` is not a KCQL clause
          30 "WITHTAGS" did you mean `WITHTAG`?
          fix: "WITHTAGS" -> "WITHTAG"
        "##,
    );
}

#[test]
fn misspelt_between_two() {
    check(
        "INSERT INTO a SELECT * FROM b WITHFORMT JSON",
        r##"
        KP0107 `WITHFORMT` is not a KCQL clause
          30 "WITHFORMT" did you mean `WITHFORMAT`?
          fix: "WITHFORMT" -> "WITHFORMAT"
        "##,
    );
}

// KP0108: text that belongs to no clause

#[test]
fn name_with_a_blank() {
    check(
        "INSERT INTO a SELECT * FROM b c",
        r##"
        KP0108 unexpected `c` after the name `b`
          30 "c" this belongs to no clause
          help: a name with blanks goes in back-ticks; two statements are parted by `;`
        "##,
    );
}

#[test]
fn unknown_clause() {
    check(
        "INSERT INTO a SELECT * FROM b FOOBAR baz LIMIT 5",
        r##"
        KP0108 unexpected `FOOBAR` after the name `b`
          30 "FOOBAR" this belongs to no clause
          help: no clause has this name; two statements are parted by `;`
        "##,
    );
}

#[test]
fn text_after_a_clause() {
    check(
        "INSERT INTO a SELECT * FROM b LIMIT 5 please",
        r##"
        KP0108 unexpected `please` after `LIMIT`
          38 "please" this belongs to no clause
          help: no clause has this name; two statements are parted by `;`
        "##,
    );
}

#[test]
fn target_with_a_blank() {
    check(
        "INSERT INTO a b SELECT * FROM c",
        r##"
        KP0108 unexpected `b` after the name `a`
          14 "b" this belongs to no clause
          help: a name with blanks goes in back-ticks; two statements are parted by `;`
        "##,
    );
}

#[test]
fn shell_comment() {
    check(
        "INSERT INTO a SELECT * FROM b # all of it",
        r##"
        KP0108 unexpected `#` after the name `b`
          30 "#" this belongs to no clause
          help: comments begin with `--` or stand between `/*` and `*/`
        "##,
    );
}

#[test]
fn comment_without_blank() {
    check(
        "INSERT INTO a SELECT * FROM b WITHKEY(x)--key",
        r##"
        KP0108 unexpected `--key` after `WITHKEY`
          40 "--key" this belongs to no clause
          help: a comment needs a blank before it
        "##,
    );
}

// KP0109, KP0110: clauses twice or in two words

#[test]
fn clause_twice() {
    check(
        "INSERT INTO a SELECT * FROM b LIMIT 5 STOREAS JSON LIMIT 6",
        r##"
        KP0109 the clause `LIMIT` stands twice
          30 "LIMIT" first here
          51 "LIMIT" and again here
          help: each clause stands once; keep one of the two
        "##,
    );
}

#[test]
fn clauses_that_exclude_each_other() {
    check(
        "INSERT INTO a SELECT * FROM b PARTITIONBY c NOPARTITION",
        r##"
        KP0109 `PARTITIONBY` and `NOPARTITION` exclude each other
          30 "PARTITIONBY" first here
          44 "NOPARTITION" and again here
          help: each clause stands once; keep one of the two
        "##,
    );
}

#[test]
fn from_twice() {
    check(
        "INSERT INTO a SELECT * FROM b FROM c",
        r##"
        KP0109 the clause `FROM` stands twice
          23 "FROM" first here
          30 "FROM" and again here
          help: each clause stands once; keep one of the two
        "##,
    );
}

#[test]
fn store_as() {
    check(
        "INSERT INTO a SELECT * FROM b STORE AS JSON",
        r##"
        KP0110 `STORE AS` is written as one word in KCQL
          30 "STORE AS" did you mean `STOREAS`?
          help: write STOREAS
          fix: "STORE AS" -> "STOREAS"
        "##,
    );
}

#[test]
fn partition_by() {
    check(
        "INSERT INTO a SELECT * FROM b partition by c",
        r##"
        KP0110 `partition by` is written as one word in KCQL
          30 "partition by" did you mean `PARTITIONBY`?
          help: write PARTITIONBY
          fix: "partition by" -> "PARTITIONBY"
        "##,
    );
}

#[test]
fn with_flush_count() {
    check(
        "INSERT INTO a SELECT * FROM b WITHFLUSH COUNT = 5",
        r##"
        KP0110 `WITHFLUSH COUNT` is written as one word in KCQL
          30 "WITHFLUSH COUNT" did you mean `WITH_FLUSH_COUNT`?
          help: write WITH_FLUSH_COUNT
          fix: "WITHFLUSH COUNT" -> "WITH_FLUSH_COUNT"
        "##,
    );
}

// KP0111 to KP0114: marks

#[test]
fn string_closed_by_accident() {
    check(
        "INSERT INTO a SELECT * FROM b\nPROPERTIES('flush.count=5000, 'flush.size'=1000000)",
        r##"
        KP0111 string literal is never closed
          41 "'flush.count" the string opened here swallows the text up to the next quote
          60 "'" this quote closes it by accident
          help: close the key before `=`: 'flush.count'
        "##,
    );
}

#[test]
fn string_open() {
    check(
        "INSERT INTO a SELECT * FROM b KEYDELIMITER='-\nLIMIT 5",
        r##"
        KP0111 string literal is never closed
          43 "'" the string opened here swallows the rest of the line
          help: close the string with another single quote; a quote inside a string is doubled
        "##,
    );
}

#[test]
fn string_open_in_one_of_two() {
    check(
        "INSERT INTO a SELECT * FROM b KEYDELIMITER='-;\nINSERT INTO a SELECT * FROM b LIMIT 0",
        r##"
        KP0111 string literal is never closed
          43 "'" the string opened here swallows the rest of the line
          help: close the string with another single quote; a quote inside a string is doubled
        KP0117 LIMIT must be at least 1
          83 "0" too small
          help: leave LIMIT out to read everything
        "##,
    );
}

#[test]
fn back_tick_open() {
    check(
        "INSERT INTO a SELECT * FROM `b LIMIT 5",
        r##"
        KP0112 quoted name is never closed
          28 "`" the name opened here swallows the rest
          help: close the name with another back-tick
        "##,
    );
}

#[test]
fn back_tick_closed_by_accident() {
    check(
        "INSERT INTO a SELECT * FROM `b STOREAS `JSON`",
        r##"
        KP0112 quoted name is never closed
          28 "`" the name opened here swallows the rest
          help: close the name with another back-tick
        "##,
    );
}

#[test]
fn double_quote_open() {
    check(
        "INSERT INTO a SELECT * FROM \"b LIMIT 5",
        r##"
        KP0112 quoted name is never closed
          28 "\"" the name opened here swallows the rest
          help: close the name with another double quote
        "##,
    );
}

#[test]
fn comment_open() {
    check(
        "INSERT INTO a SELECT * /* all FROM b",
        r##"
        KP0113 comment is never closed
          23 "/*" the comment opened here swallows the rest
          help: close the comment with */
        "##,
    );
}

#[test]
fn empty_target() {
    check(
        "INSERT INTO '' SELECT * FROM b",
        r##"
        KP0114 a name cannot be empty
          12 "''" nothing stands between these marks
          help: write it between the marks, or leave them out
        "##,
    );
}

#[test]
fn empty_column() {
    check(
        "INSERT INTO a SELECT `` FROM b",
        r##"
        KP0114 a name cannot be empty
          21 "``" nothing stands between these marks
          help: write it between the marks, or leave them out
        "##,
    );
}

#[test]
fn empty_delimiter() {
    check(
        "INSERT INTO a SELECT * FROM b KEYDELIMITER=''",
        r##"
        KP0114 a key delimiter cannot be empty
          43 "''" nothing stands between these marks
          help: write it between the marks, or leave them out
        "##,
    );
}

#[test]
fn empty_option_name() {
    check(
        "INSERT INTO a SELECT * FROM b PROPERTIES(''=1)",
        r##"
        KP0114 the name of an option cannot be empty
          41 "''" nothing stands between these marks
          help: write it between the marks, or leave them out
        "##,
    );
}

#[test]
fn empty_alias() {
    check(
        "INSERT INTO a SELECT b AS '' FROM b",
        r##"
        KP0114 a name cannot be empty
          26 "''" nothing stands between these marks
          help: write it between the marks, or leave them out
        "##,
    );
}

#[test]
fn empty_pattern() {
    check(
        "INSERT INTO a SELECT * FROM b PARTITIONBY _date.''",
        r##"
        KP0114 a name cannot be empty
          48 "''" nothing stands between these marks
          help: write it between the marks, or leave them out
        "##,
    );
}

// KP0115, KP0116: characters

#[test]
fn brackets_of_the_documentation() {
    check(
        "INSERT INTO a SELECT * FROM b [AUTOCREATE] [LIMIT 5]",
        r##"
        KP0115 brackets are not KCQL
          30 "[" this bracket has no meaning
          help: brackets in documentation mean that a part is optional; leave them out, or put a name that has them in back-ticks
        KP0115 brackets are not KCQL
          43 "[" this bracket has no meaning
          help: brackets in documentation mean that a part is optional; leave them out, or put a name that has them in back-ticks
        "##,
    );
}

#[test]
fn typographic_quotes() {
    check(
        "INSERT INTO a SELECT * FROM b KEYDELIMITER=\u{2018}-\u{2019}",
        r##"
        KP0116 unexpected character `‘`
          43 "‘" no clause can use this
          help: a character from a word processor or a web page; type the plain one
          fix: "‘" -> "'"
        KP0116 unexpected character `’`
          47 "’" no clause can use this
          help: a character from a word processor or a web page; type the plain one
          fix: "’" -> "'"
        "##,
    );
}

#[test]
fn no_break_space() {
    check(
        "INSERT INTO a SELECT *\u{a0}FROM b",
        r##"
        KP0116 unexpected character `\u{a0}`
          22 "\u{a0}" no clause can use this
          help: a character from a word processor or a web page that looks like a blank
          fix: "\u{a0}" -> " "
        "##,
    );
}

#[test]
fn emoji() {
    check(
        "INSERT INTO a SELECT * FROM \u{1f680}\u{1f680}",
        r##"
        KP0116 unexpected character `🚀🚀`
          28 "🚀🚀" no clause can use this
          help: put a name that holds it in back-ticks
        "##,
    );
}

#[test]
fn hidden_character() {
    check(
        "INSERT INTO a SELECT * FROM b\u{202e}LIMIT 5",
        r##"
        KP0116 unexpected character `\u{202e}`
          29 "\u{202e}" no clause can use this
          help: a character that cannot be seen; remove it
          fix: "\u{202e}" -> ""
        "##,
    );
}

// KP0117 to KP0119: values

#[test]
fn limit_zero() {
    check(
        "INSERT INTO a SELECT * FROM b LIMIT 0",
        r##"
        KP0117 LIMIT must be at least 1
          36 "0" too small
          help: leave LIMIT out to read everything
        "##,
    );
}

#[test]
fn batch_negative() {
    check(
        "INSERT INTO a SELECT * FROM b BATCH = -1",
        r##"
        KP0117 BATCH must be at least 1
          38 "-1" too small
        "##,
    );
}

#[test]
fn limit_word() {
    check(
        "INSERT INTO a SELECT * FROM b LIMIT many",
        r##"
        KP0118 LIMIT takes a whole number, found `many`
          36 "many" not a whole number
        "##,
    );
}

#[test]
fn limit_quoted() {
    check(
        "INSERT INTO a SELECT * FROM b LIMIT '5'",
        r##"
        KP0118 LIMIT takes a whole number, found `'5'`
          36 "'5'" not a whole number
          fix: "'5'" -> "5"
        "##,
    );
}

#[test]
fn limit_decimal() {
    check(
        "INSERT INTO a SELECT * FROM b LIMIT 5.5",
        r##"
        KP0118 LIMIT takes a whole number, found `5.5`
          36 "5.5" not a whole number
        "##,
    );
}

#[test]
fn sample_zero() {
    check(
        "INSERT INTO a SELECT * FROM b SAMPLE 0 EVERY a91",
        r##"
        KP0117 each number of SAMPLE must be at least 1
          37 "0" too small
        "##,
    );
}

#[test]
fn format_misspelt() {
    check(
        "INSERT INTO a SELECT * FROM b WITHFORMAT ARO",
        r##"
        KP0118 WITHFORMAT takes AVRO, PROTOBUF, TEXT, BINARY, JSON, OBJECT or MAP, found `ARO`
          41 "ARO" not AVRO, PROTOBUF, TEXT, BINARY, JSON, OBJECT or MAP
          fix: "ARO" -> "AVRO"
        "##,
    );
}

#[test]
fn evolution_unknown() {
    check(
        "INSERT INTO a SELECT * FROM b WITH_SCHEMA_EVOLUTION = BOGUS",
        r##"
        KP0118 WITH_SCHEMA_EVOLUTION takes MATCH, IGNORE or ADD, found `BOGUS`
          54 "BOGUS" not MATCH, IGNORE or ADD
        "##,
    );
}

#[test]
fn unknown_call() {
    check(
        "INSERT INTO a SELECT * FROM b WITHTIMESTAMP now()",
        r##"
        KP0118 WITHTIMESTAMP takes a field or `sys_time()`, found `now`
          44 "now" not a field or `sys_time()`
        "##,
    );
}

#[test]
fn option_twice() {
    check(
        "INSERT INTO a SELECT * FROM b PROPERTIES('flush.count'=1, 'Flush.Count'=2)",
        r##"
        KP0119 option `Flush.Count` is set twice
          41 "'flush.count'" set here
          58 "'Flush.Count'" and again here
          help: keep one of the two; keys are compared without case
        "##,
    );
}

#[test]
fn store_option_twice() {
    check(
        "INSERT INTO a SELECT * FROM b STOREAS JSON (x=1) (X=2)",
        r##"
        KP0119 option `X` is set twice
          44 "x" set here
          50 "X" and again here
          help: keep one of the two; keys are compared without case
        "##,
    );
}

// KP0120, KP0121, KP0133: the same thing twice

#[test]
fn star_twice() {
    check(
        "INSERT INTO a SELECT *, b, * FROM c",
        r##"
        KP0120 `*` stands twice
          21 "*" first here
          27 "*" and again here
          help: every field is already taken; remove one of the two
        "##,
    );
}

#[test]
fn nested_star_twice() {
    check(
        "INSERT INTO a SELECT b.*, *, b.* FROM c",
        r##"
        KP0120 `b.*` stands twice
          21 "b.*" first here
          29 "b.*" and again here
          help: every field is already taken; remove one of the two
        "##,
    );
}

#[test]
fn column_twice() {
    check(
        "INSERT INTO a SELECT b, c AS b FROM d",
        r##"
        KP0121 two columns are called `b`
          21 "b" called `b`
          24 "c AS b" called `b` too
          help: give one of them another name, for example: c AS c
        "##,
    );
}

#[test]
fn leaf_twice() {
    check(
        "INSERT INTO a SELECT x.id, y.id FROM d",
        r##"
        KP0121 two columns are called `id`
          21 "x.id" called `id`
          27 "y.id" called `id` too
          help: give one of them another name, for example: y.id AS y_id
        "##,
    );
}

#[test]
fn partition_twice() {
    check(
        "INSERT INTO a SELECT * FROM b PARTITIONBY c, d, c",
        r##"
        KP0133 `c` stands twice in PARTITIONBY
          42 "c" first here
          48 "c" and again here
          help: remove one of the two
        "##,
    );
}

// KP0122 and KP0125: known, but not so

#[test]
fn upsert_pk() {
    check(
        "UPSERT PK f, g INTO t SELECT * FROM b",
        r##"
        KP0122 `PK` stands before `INTO`
           7 "PK f, g" a key is named behind `FROM`
          help: write UPSERT INTO t SELECT ... FROM ... PK f, g
        "##,
    );
}

#[test]
fn group_by() {
    check(
        "INSERT INTO a SELECT * FROM b GROUP BY c ORDER BY d",
        r##"
        KP0125 `GROUP BY` is not supported yet
          30 "GROUP BY" known, but not built yet
          help: records are passed on one by one
        KP0125 `ORDER BY` is not supported yet
          41 "ORDER BY" known, but not built yet
          help: records are passed on one by one
        "##,
    );
}

#[test]
fn distinct() {
    check(
        "INSERT INTO a SELECT DISTINCT id FROM b",
        r##"
        KP0125 `SELECT DISTINCT` is not supported yet
          21 "DISTINCT" known, but not built yet
          help: remove DISTINCT: every record is taken
        "##,
    );
}

// KP0101 in expressions

#[test]
fn expressions() {
    for (clause, expected) in [
        ("WHERE a == 1", "expected an operator, found `=`|38 \"=\"|help: a comparison is written with one `=`"),
        ("WHERE a = 1 && b = 2", "expected an operator, found `&&`|42 \"&&\"|help: write AND"),
        ("WHERE !a", "expected a value, found `!`|36 \"!\"|help: write NOT"),
        (
            "WHERE a -5 > 0",
            "expected an operator, found `-5`|38 \"-5\"|help: `-`, `+` and `/` belong to names; as operators they stand between blanks: - 5",
        ),
        ("WHERE a >", "expected a value, found the end of the statement|39 \"\""),
        ("WHERE a IN ()", "expected a value, found `)`|42 \")\""),
        ("WHERE CASE WHEN a THEN 1", "expected an operator, `WHEN` or `END`, found the end of the statement|54 \"\""),
        ("WHERE CAST(a, INT) = 1", "expected `AS` or an operator, found `,`|42 \",\""),
        ("WHERE a + end IS NULL", "expected a value, found `end`|40 \"end\"|help: a field that is called so stands in back-ticks: `end`"),
        ("WHERE a = NOT b", "expected a value, found `NOT`|40 \"NOT\"|help: behind an operator NOT stands in parentheses: (NOT ...)"),
        ("WHERE a LIKE", "expected a value, found the end of the statement|42 \"\""),
    ] {
        let found = mistakes(&format!("INSERT INTO a SELECT * FROM b {clause}"));
        let mut lines: Vec<&str> = found.lines().map(str::trim).collect();
        lines.retain(|line| !line.is_empty());
        let mut expected = expected.split('|');
        assert_eq!(Some(lines[0].trim_start_matches("KP0101 ")), expected.next(), "{clause}");
        assert!(lines[1].starts_with(expected.next().unwrap()), "{clause}: {found}");
        assert_eq!(lines.get(2).copied(), expected.next(), "{clause}: {found}");
    }
}

#[test]
fn expression_too_large() {
    let found = mistakes(&format!("INSERT INTO a SELECT * FROM b WHERE {} > 1", vec!["a"; 5_000].join(" + ")));
    assert!(found.starts_with("KP0147 an expression holds at most 2000 values and operators"), "{found}");
}

#[test]
fn type_of_two_numbers_without_a_comma() {
    check(
        "INSERT INTO a SELECT CAST(b AS DECIMAL(12 2)) AS c FROM d",
        r##"
        KP0101 expected `,` or `)`, found `2`
          42 "2" `,` or `)` has to come here
        "##,
    );
}

#[test]
fn comment_at_a_parenthesis_of_a_type() {
    check(
        "INSERT INTO a SELECT CAST(b AS DECIMAL(-- twelve\n12)) AS c FROM d",
        r##"
        KP0101 expected a number, found `--`
          39 "--" a number has to come here
        "##,
    );
}

#[test]
fn function_behind_two_dashes() {
    check(
        "INSERT INTO a SELECT * FROM b WITHKEY(--upper(c), d)",
        r##"
        KP0101 expected `,`, `)` or an operator, found `(`
          45 "(" `,`, `)` or an operator has to come here
        "##,
    );
}

// KP0126 to KP0132: values, order, punctuation, names

#[test]
fn format_missing() {
    check(
        "INSERT INTO a SELECT * FROM b STOREAS",
        r##"
        KP0126 `STOREAS` has no value: expected a value, found the end of the statement
          30 "STOREAS" this needs a value
        "##,
    );
}

#[test]
fn partition_missing() {
    check(
        "INSERT INTO a SELECT * FROM b PARTITIONBY STOREAS JSON",
        r##"
        KP0126 `PARTITIONBY` has no value: expected a field, found the clause keyword `STOREAS`
          30 "PARTITIONBY" this needs a field
        "##,
    );
}

#[test]
fn columns_missing() {
    check(
        "INSERT INTO a SELECT FROM b",
        r##"
        KP0126 `SELECT` has no value: expected a field or `*`, found the clause keyword `FROM`
          14 "SELECT" this needs a field or `*`
        "##,
    );
}

#[test]
fn clause_before_from() {
    check(
        "INSERT INTO a SELECT * STOREAS JSON FROM b",
        r##"
        KP0127 `STOREAS` stands before `FROM`
          23 "STOREAS" `FROM` has to come before this
          help: a statement begins INSERT INTO ... SELECT ... FROM ...; the other clauses follow in any order
        "##,
    );
}

#[test]
fn clause_before_select() {
    check(
        "INSERT INTO a LIMIT 5 SELECT * FROM b",
        r##"
        KP0127 `LIMIT` stands before `SELECT`
          14 "LIMIT" `SELECT` has to come before this
          help: a statement begins INSERT INTO ... SELECT ... FROM ...; the other clauses follow in any order
        "##,
    );
}

#[test]
fn from_before_select() {
    check(
        "INSERT INTO a FROM b SELECT *",
        r##"
        KP0127 `FROM` stands before `SELECT`
          14 "FROM" `SELECT` has to come before this
          help: a statement begins INSERT INTO ... SELECT ... FROM ...; the other clauses follow in any order
        "##,
    );
}

#[test]
fn comma_at_end() {
    check(
        "INSERT INTO a SELECT b, c, FROM d",
        r##"
        KP0128 a comma with nothing after it
          25 "," nothing follows this comma
          help: remove the comma, or write what was meant to follow
          fix: "," -> ""
        "##,
    );
}

#[test]
fn comma_before_parenthesis() {
    check(
        "INSERT INTO a SELECT * FROM b PROPERTIES(x=1,)",
        r##"
        KP0128 a comma with nothing after it
          44 "," nothing follows this comma
          help: remove the comma, or write what was meant to follow
          fix: "," -> ""
        "##,
    );
}

#[test]
fn parenthesis_open() {
    check(
        "INSERT INTO a SELECT * FROM b WITHKEY(x STOREAS JSON",
        r##"
        KP0129 parenthesis is never closed
          37 "(" opened here
          40 "STOREAS" `)` is missing before this
          help: close it with `)`
        "##,
    );
}

#[test]
fn parenthesis_open_at_end() {
    check(
        "INSERT INTO a SELECT * FROM b PROPERTIES(x=1",
        r##"
        KP0129 parenthesis is never closed
          40 "(" opened here
          help: close it with `)`
        "##,
    );
}

#[test]
fn semicolon_forgotten() {
    check(
        "INSERT INTO a SELECT * FROM b\nINSERT INTO c SELECT * FROM d",
        r##"
        KP0130 `;` is missing between two statements
          29 "" `;` has to come here
          30 "INSERT" the next statement begins here
          help: end the statement before it with `;`
          fix: "" -> ";"
        "##,
    );
}

#[test]
fn bare_star_source() {
    check(
        "INSERT INTO a SELECT * FROM *",
        r##"
        KP0131 `*` needs back-ticks
          28 "*" `*` is not part of a bare name
          help: write `*` in back-ticks
          fix: "*" -> "`*`"
        "##,
    );
}

#[test]
fn pattern_source() {
    check(
        "INSERT INTO a SELECT * FROM domain-.* LIMIT 5",
        r##"
        KP0131 `domain-.*` needs back-ticks
          28 "domain-.*" `*` is not part of a bare name
          help: write `domain-.*` in back-ticks
          fix: "domain-.*" -> "`domain-.*`"
        "##,
    );
}

#[test]
fn unknown_metadata() {
    check(
        "INSERT INTO a SELECT _.header.x FROM b",
        r##"
        KP0132 `_.header` is not a metadata column
          21 "_.header.x" no such column
          help: metadata columns are `_topic`, `_partition`, `_offset`, `_timestamp`, `_key.field` and `_header.name`
        "##,
    );
}

// KP0151 to KP0155: warnings

#[test]
fn flag_as_name() {
    check(
        "INSERT INTO autocreate SELECT * FROM b",
        r##"
        KP0151 `autocreate` is read as a name here
          12 "autocreate" a clause of the same name exists
          help: put a name that is also a clause in back-ticks
          fix: "autocreate" -> "`autocreate`"
        "##,
    );
}

#[test]
fn old_flush() {
    check(
        "INSERT INTO a SELECT * FROM b WITH_FLUSH_COUNT = 5 WITHPARTITIONER = Keys",
        r##"
        KP0152 `WITH_FLUSH_COUNT` is a deprecated clause
          30 "WITH_FLUSH_COUNT = 5" replaced by PROPERTIES('flush.count'=5)
          help: write PROPERTIES('flush.count'=5)
        KP0152 `WITHPARTITIONER` is a deprecated clause
          51 "WITHPARTITIONER = Keys" replaced by PROPERTIES('partition.include.keys'=true)
          help: write PROPERTIES('partition.include.keys'=true)
        "##,
    );
}

#[test]
fn old_metadata() {
    check(
        "INSERT INTO a SELECT _.topic, _.key.x AS y FROM b",
        r##"
        KP0153 `_.topic` is the old spelling of a metadata column
          21 "_.topic" read as `_topic`
          help: write `_topic`
          fix: "_.topic" -> "_topic"
        KP0153 `_.key` is the old spelling of a metadata column
          30 "_.key" read as `_key`
          help: write `_key`
          fix: "_.key" -> "_key"
        "##,
    );
}

#[test]
fn sign_in_column() {
    check(
        "INSERT INTO a SELECT temp+1 FROM b",
        r##"
        KP0154 `temp+1` is read as one field name
          21 "temp+1" one name, not a calculation
          help: put the name in back-ticks; a calculation needs blanks around its signs
          fix: "temp+1" -> "`temp+1`"
        "##,
    );
}

#[test]
fn comment_glued() {
    check(
        "INSERT INTO a SELECT b,--c\n FROM d",
        r##"
        KP0155 `--c` is read as a name, not as a comment
          23 "--c" no blank before this
          help: a comment needs a blank before it; a name that begins with `--` goes in back-ticks
          fix: "--c" -> "`--c`"
        "##,
    );
}

// Several mistakes

#[test]
fn one_error_for_each() {
    check(
        "INSERT INTO a SELECT * FROM b LIMIT 0 STOREAS PROPERTIES(x=1, x=2);\nINSERT INTO c SELECT * FROM d;\nSELECT * FROM e",
        r##"
        KP0117 LIMIT must be at least 1
          36 "0" too small
          help: leave LIMIT out to read everything
        KP0126 `STOREAS` has no value: expected a value, found the clause keyword `PROPERTIES`
          38 "STOREAS" this needs a value
        KP0119 option `x` is set twice
          57 "x" set here
          62 "x" and again here
          help: keep one of the two; keys are compared without case
        "##,
    );
}

// KP0141 to KP0146: limits

/// The codes of the errors of a text.
fn codes(text: &str) -> Vec<String> {
    parse(text).errors.iter().filter_map(|error| error.code().map(|code| code.to_string())).collect()
}

#[test]
fn limits_are_errors_of_their_own() {
    assert_eq!(codes(&" ".repeat(TEXT_BYTES_MAX + 1)), ["KP0141"]);
    assert_eq!(codes(&"INSERT INTO a SELECT * FROM b;".repeat(STATEMENTS_MAX + 1)), ["KP0142"]);
    let columns: Vec<String> = (0..=ITEMS_MAX).map(|number| format!("c{number}")).collect();
    assert_eq!(codes(&format!("INSERT INTO a SELECT {} FROM b", columns.join(","))), ["KP0143"]);
    assert_eq!(codes(&format!("INSERT INTO {} SELECT * FROM b", "a".repeat(NAME_BYTES_MAX + 1))), ["KP0144"]);
    assert_eq!(codes(&format!("INSERT INTO a SELECT {} FROM b", "f(".repeat(NESTING_MAX + 1))), ["KP0145"]);
    assert_eq!(codes(&format!("INSERT INTO a SELECT {} FROM b", ["a"; PATH_PARTS_MAX + 1].join("."))), ["KP0145"]);
    let many = codes(&"?;".repeat(STATEMENTS_MAX));
    assert_eq!((many.len(), many.last().map(String::as_str)), (ERRORS_MAX + 1, Some("KP0146")));
}

#[test]
fn limits_say_what_they_are_and_where_they_end() {
    let columns = (0..=ITEMS_MAX).map(|number| format!("c{number}")).collect::<Vec<_>>().join(",");
    let (long, deep) = ("a".repeat(NAME_BYTES_MAX + 1), ["a"; PATH_PARTS_MAX + 1].join("."));
    let nested = "the limits are 32 parentheses and 64 names in a path";
    for (text, message, begin, expected) in [
        (" ".repeat(TEXT_BYTES_MAX + 1), "this text has 1048577 bytes; at most 1048576 are read", 0, "split it into several pipelines"),
        (
            "INSERT INTO a SELECT * FROM b;".repeat(STATEMENTS_MAX + 1),
            "a text holds at most 1000 statements",
            30 * STATEMENTS_MAX,
            "split it into several pipelines",
        ),
        (
            format!("INSERT INTO a SELECT {columns} FROM b"),
            "a list holds at most 4096 items",
            21 + columns.len() - ",c4096".len(),
            "`*` takes every field",
        ),
        (
            format!("INSERT INTO {long} SELECT * FROM b"),
            "a name has at most 65535 bytes",
            12,
            "no system that kpipe writes to allows longer names",
        ),
        (format!("INSERT INTO a SELECT {} FROM b", "f(".repeat(NESTING_MAX + 1)), "the statement is nested deeper than 32", 86, nested),
        (format!("INSERT INTO a SELECT {deep} FROM b"), "a path is nested deeper than 64", 21 + 2 * PATH_PARTS_MAX, nested),
    ] {
        let parsed = parse(&text);
        let error = &parsed.errors[0];
        let begins = error.labels().into_iter().flatten().next().map(|label| label.offset());
        let help = error.help().map(|help| help.to_string());
        assert_eq!((error.to_string().as_str(), begins, help.as_deref()), (message, Some(begin), Some(expected)));
    }
    let many = parse(&"?;".repeat(STATEMENTS_MAX));
    let last = many.errors.last().unwrap();
    assert_eq!(last.to_string(), "more than 100 errors in one text");
    assert_eq!(last.help().map(|help| help.to_string()).as_deref(), Some("the rest was not checked; is this KCQL?"));
}

#[test]
fn what_is_within_the_limits_is_read() {
    assert!(codes(&format!("INSERT INTO {} SELECT * FROM b", "a".repeat(NAME_BYTES_MAX))).is_empty());
    assert!(codes(&format!("INSERT INTO a SELECT {} FROM b", ["a"; PATH_PARTS_MAX].join("."))).is_empty());
    assert!(codes(&"INSERT INTO a SELECT * FROM b;".repeat(STATEMENTS_MAX)).is_empty());
    assert!(codes("").is_empty());
}

#[test]
fn every_code_is_unique_and_tested() {
    let sources = [include_str!("../src/error.rs"), include_str!("../src/warning.rs")].concat();
    let mut seen = BTreeSet::new();
    for code in sources.split("code(").skip(1).filter_map(|rest| rest.split(')').next()) {
        assert!(seen.insert(code), "{code} twice");
        assert!(include_str!("errors.rs").contains(code), "{code} has no test");
    }
    assert!(seen.len() > 40);
}

#[test]
fn fixes_repair() {
    for text in [
        "INSERT INTO a SELECT * FROM b PARTITONBY c",
        "INSERT INTO a SELECT * FORM b",
        "INSERT INTO a SELECT * FROM b STORE AS JSON",
        "INSERT INTO a SELECT c, FROM b",
        "INSERT INTO a SELECT * FROM domain-.*",
        "INSERT INTO a SELECT * FROM b LIMIT '5'",
        "INSERT INTO a SELECT * FROM b INSERT INTO c SELECT * FROM d",
        "INSERT INTO a SELECT *\u{a0}FROM b",
    ] {
        let fix = parse(text).errors.first().and_then(|error| error.fix()).unwrap();
        let mut fixed = text.to_owned();
        fixed.replace_range(fix.span.start..fix.span.end, &fix.replacement);
        assert_eq!(mistakes(&fixed), "", "{fixed}");
    }
}
