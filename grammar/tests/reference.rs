//! The examples of the reference do what it says.

use kpipe_grammar::limits::{ITEMS_MAX, NAME_BYTES_MAX, NESTING_MAX, PATH_PARTS_MAX, STATEMENTS_MAX, TEXT_BYTES_MAX};
use kpipe_grammar::{REFERENCE, format, parse};
use miette::Diagnostic;

/// The examples with the code of the mistake they show, if they show one.
fn examples() -> Vec<(Option<&'static str>, &'static str)> {
    let blocks = REFERENCE.split("```kcql").skip(1).filter_map(|block| block.split_once('\n'));
    blocks
        .map(|(code, rest)| {
            let text = rest.split("\n```").next().unwrap_or_default();
            (Some(code.trim()).filter(|code| !code.is_empty()), text)
        })
        .collect()
}

#[test]
fn examples_are_read_or_show_their_mistake() {
    let examples = examples();
    assert!(examples.len() > 15);
    for (code, text) in examples {
        let parsed = parse(text);
        let codes: Vec<String> = parsed.errors.iter().filter_map(|error| error.code().map(|code| code.to_string())).collect();
        assert_eq!(codes, code.into_iter().collect::<Vec<_>>(), "{text}");
        assert_eq!(parsed.warnings, [], "{text}");
        assert!(code.is_some() || !parsed.statements.is_empty(), "{text}");
    }
}

#[test]
fn examples_can_be_laid_out() {
    for (_, text) in examples().into_iter().filter(|(code, _)| code.is_none()) {
        let formatted = format(text).unwrap();
        assert_eq!(format(&formatted), Ok(formatted.clone()));
    }
}

#[test]
fn the_option_table_is_listed() {
    for keyword in include_str!("../src/options.rs").split("row(\"").chain(include_str!("../src/options.rs").split("old(\"")).skip(1) {
        let keyword = keyword.split('"').next().unwrap_or_default();
        let is_keyword = keyword.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        assert!(!is_keyword || REFERENCE.contains(&format!("`{keyword}`")), "{keyword}");
    }
}

#[test]
fn the_limits_are_those_of_the_code() {
    assert_eq!(TEXT_BYTES_MAX, 1024 * 1024);
    let limits = REFERENCE.split("## Limits").nth(1).unwrap();
    for limit in [STATEMENTS_MAX, ITEMS_MAX, NAME_BYTES_MAX] {
        let (thousands, rest) = (limit / 1000, limit % 1000);
        assert!(limits.contains(&format!("{thousands},{rest:03}")), "{limit}");
    }
    assert!(limits.contains(&format!("{PATH_PARTS_MAX} names")) && limits.contains(&format!("{NESTING_MAX} deep")));
}
