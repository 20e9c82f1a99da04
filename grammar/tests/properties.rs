//! What holds for any statement and any text.

#[path = "common/gaps.rs"]
mod gaps;
#[path = "common/statements.rs"]
mod statements;

use std::time::{Duration, Instant};

use kpipe_grammar::ast::Statement;
use kpipe_grammar::limits::{ERRORS_MAX, TEXT_BYTES_MAX};
use kpipe_grammar::span::Span;
use kpipe_grammar::{format, parse};
use miette::Diagnostic;
use proptest::prelude::*;

/// The comments of a text, in any order, by the marks that only they hold.
fn comments(text: &str) -> Vec<&str> {
    let mut found: Vec<&str> = ["-- note", "/* note; 'x */", "-- own line", "/* two\nlines */", "-- next", "-- above"]
        .iter()
        .flat_map(|comment| text.matches(comment))
        .collect();
    found.sort_unstable();
    found
}

/// Statements without their places.
fn comparable(mut statements: Vec<Statement>) -> Vec<Statement> {
    for statement in &mut statements {
        statement.span = Span::default();
    }
    statements
}

/// Every diagnostic can be shown: its spans lie in the text, on characters, and its words hold no control characters.
fn check_diagnostics(text: &str) -> Result<(), TestCaseError> {
    let parsed = parse(text);
    let errors = parsed.errors.iter().map(|error| (error as &dyn Diagnostic, error.fix()));
    let warnings = parsed.warnings.iter().map(|warning| (warning as &dyn Diagnostic, warning.fix()));
    for (diagnostic, fix) in errors.chain(warnings) {
        prop_assert!(diagnostic.code().is_some());
        prop_assert!(!diagnostic.to_string().contains(char::is_control), "{diagnostic}");
        let mut labels = 0;
        for label in diagnostic.labels().into_iter().flatten() {
            labels += 1;
            prop_assert!(text.get(label.offset()..label.offset() + label.len()).is_some(), "{diagnostic} in {text:?}");
        }
        prop_assert!(labels > 0, "{diagnostic}");
        prop_assert!(fix.is_none_or(|fix| text.get(fix.span.start..fix.span.end).is_some()));
    }
    Ok(())
}

/// A text with a piece of it left out, doubled or replaced.
fn mutated() -> impl Strategy<Value = String> {
    let piece =
        prop::sample::select(vec!["", "'", "`", "\"", ";", "(", ")", ",", ".", "*", "=", " FROM ", " x ", "--", "/*", "é", "[", "\0"]);
    (statements::text(), any::<prop::sample::Index>(), 0..6_usize, piece).prop_map(|(text, place, len, piece)| {
        let chars: Vec<char> = text.chars().collect();
        let start = place.index(chars.len());
        let end = (start + len).min(chars.len());
        chars[..start].iter().copied().chain(piece.chars()).chain(chars[end..].iter().copied()).collect()
    })
}

#[test]
fn a_name_that_begins_like_a_clause_is_quoted() {
    for name in ["Pk=", "limit=5", "Batch=x", "storeas=json", "from.a"] {
        let text = format!("INSERT INTO a SELECT * FROM `{name}`");
        let parsed = parse(&text);
        assert_eq!(parsed.errors, [], "{text}");
        assert_eq!(parsed.statements[0].to_string(), text);
    }
    assert_eq!(parse("INSERT INTO a SELECT * FROM site=berlin").statements[0].to_string(), "INSERT INTO a SELECT * FROM site=berlin");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn printed_statements_are_read_back(statement in statements::statement()) {
        let text = statement.to_string();
        let parsed = parse(&text);
        prop_assert_eq!(&parsed.errors, &[], "{}", text);
        prop_assert_eq!(&parsed.warnings, &[], "{}", text);
        prop_assert_eq!(comparable(parsed.statements), [statement], "{}", text);
    }

    #[test]
    fn printing_is_stable(text in statements::text()) {
        for statement in parse(&text).statements {
            let printed = statement.to_string();
            let again: Vec<String> = parse(&printed).statements.iter().map(ToString::to_string).collect();
            prop_assert_eq!(again, [printed]);
        }
    }

    #[test]
    fn formatting_changes_no_meaning(text in statements::text()) {
        let before = parse(&text);
        prop_assert_eq!(&before.errors, &[], "{}", text);
        let formatted = format(&text).unwrap();
        let after = parse(&formatted);
        prop_assert_eq!(comparable(after.statements), comparable(before.statements), "{}", formatted);
        prop_assert_eq!(comments(&formatted), comments(&text), "{}", formatted);
        prop_assert_eq!(format(&formatted).unwrap(), formatted);
    }

    #[test]
    fn trees_leave_no_gap(text in statements::text()) {
        prop_assert_eq!(&parse(&text).errors, &[], "{}", text);
        prop_assert_eq!(gaps::gap(&text), None, "{}", text);
    }

    #[test]
    fn mutated_statements_never_panic(text in mutated()) {
        check_diagnostics(&text)?;
        prop_assert_eq!(gaps::gap(&text), None);
        if let Ok(formatted) = format(&text) {
            prop_assert_eq!(format(&formatted).unwrap(), formatted);
        }
    }

    #[test]
    fn any_text_never_panics(text in any::<String>()) {
        check_diagnostics(&text)?;
    }

    #[test]
    fn any_words_never_panic(text in "(INSERT|INTO|SELECT|FROM|STOREAS|AS|WHERE|GROUP|BY|WITHKEY|PK|LIMIT|a|`b`|'c'|[*.,=()]|5| |;|\n){0,24}|INSERT INTO a SELECT (a|f\\(|\\)|CASE|WHEN|THEN|ELSE|END|CAST\\(|AND|OR|NOT|IN \\(|BETWEEN|LIKE|IS|NULL|AS| - |[*+<>=|.,]|'c'|5| ){0,24} FROM b") {
        check_diagnostics(&text)?;
    }
}

#[test]
fn no_part_of_an_expression_is_left_out() {
    for condition in [
        "(a + b) * c = 5 AND NOT (d OR e)",
        "a /* one */ IN ( 1 , /* two */ 'x' , (b) )  AND c NOT IN (2)",
        "( a ) BETWEEN ( 1 ) AND ( 2 ) OR b NOT BETWEEN - c AND 'it''s'",
        "a LIKE 'x!%' ESCAPE '!' AND `b c`.d NOT LIKE e || 'y'",
        "CASE ( a ) WHEN 1 THEN 'x' ELSE (b) END = CASE WHEN a IS NOT NULL THEN b END",
        "CAST( a AS DECIMAL ( 12 , 2 ) ) > TRY_CAST(b AS double /* wide */ precision ) -- end",
        "a /*/ not over yet */ + b = 1",
        "ts >= TIMESTAMP /* it's */ '2026-01-31 12:00:00Z' AND d = DATE '2026-01-31' AND _.topic = 't'",
        "upper ( a ) = now() AND coalesce(a, NULL, -1.5e-3, TRUE) IS NULL",
    ] {
        for text in [
            format!("INSERT INTO t SELECT ({condition}\n ) AS x , ( 5 ) , ( ( 'y' ) ) AS `z z` FROM s WHERE {condition}\nLIMIT = 5;"),
            format!("SELECT a FROM s WITHKEY ( {condition}\n) STOREAS = json ( a = b ) ( c = 5 ) PARTITIONBY a , ({condition}\n) AS f;; "),
        ] {
            assert_eq!(parse(&text).errors, [], "{text}");
            assert_eq!(gaps::gap(&text), None, "{text}");
        }
    }
}

/// Texts of the greatest length that repeat one thing: work that grows faster than the text would take minutes.
#[test]
fn hostile_texts_are_refused_or_read_in_time() {
    for piece in [
        "a ",
        "'",
        "`",
        "(",
        "a,",
        "/*",
        "-- \n",
        ";",
        "a.",
        "a AS ",
        "as ",
        "INSERT INTO a SELECT * FROM b ",
        "=",
        "ä",
        "[",
        "x FROM ",
        "'a'b",
        "'a' ",
        "\"a\"b",
        "`a`b",
        "a\n'b",
        "a + ",
        "NOT ",
        "- ",
        "f(",
        "CASE WHEN ",
        "a = ",
        "a IN (",
        "a OR (b) AND ",
    ] {
        let head = "INSERT INTO a SELECT ";
        let text = format!("{head}{}", piece.repeat((TEXT_BYTES_MAX - head.len()) / piece.len()));
        let start = Instant::now();
        let parsed = parse(&text);
        assert!(!parsed.errors.is_empty() && parsed.errors.len() <= ERRORS_MAX + 1, "{piece}: {}", parsed.errors.len());
        assert!(start.elapsed() < Duration::from_secs(20), "{piece}: {:?}", start.elapsed());
    }
}
