//! Typing mistakes in keywords: one error each, in the right place, with the right edit.

use kpipe_grammar::{SyntaxError, parse};

const STATEMENTS: &[&str] = &[
    "INSERT INTO lake:orders SELECT id, customer.country AS country FROM orders PARTITIONBY country, _date.`yyyy/MM/dd` STOREAS PARQUET",
    "UPSERT INTO t SELECT * FROM telemetry/+/# WITHKEY(device_id, site) KEYDELIMITER='-' LIMIT 5",
    "INSERT INTO t SELECT a.*, b FROM s WITHCONVERTER=`com.x.Y` PROPERTIES('flush.count'=5000) BATCH = 10",
    "INSERT INTO t SELECT a FROM s IGNORE b AUTOCREATE WITHTAG (x) TIMESTAMPUNIT = SECONDS WITHFORMAT JSON NOPARTITION",
];

/// Words that are misspelt on purpose; `AS` and `PK` are too short for a near word.
const KEYWORDS: &[&str] = &[
    "INSERT",
    "UPSERT",
    "INTO",
    "SELECT",
    "FROM",
    "PARTITIONBY",
    "STOREAS",
    "WITHKEY",
    "KEYDELIMITER",
    "LIMIT",
    "WITHCONVERTER",
    "PROPERTIES",
    "BATCH",
    "IGNORE",
    "AUTOCREATE",
    "WITHTAG",
    "TIMESTAMPUNIT",
    "WITHFORMAT",
    "NOPARTITION",
];

/// A letter left out, doubled, swapped with the next, or replaced.
fn typos(word: &str) -> Vec<String> {
    let chars: Vec<char> = word.chars().collect();
    let mut typos = Vec::new();
    for place in 0..chars.len() {
        let edited = |change: &dyn Fn(&mut Vec<char>)| {
            let mut chars = chars.clone();
            change(&mut chars);
            chars.into_iter().collect::<String>()
        };
        typos.push(edited(&|chars| _ = chars.remove(place)));
        typos.push(edited(&|chars| chars.insert(place, chars[place])));
        typos.push(edited(&|chars| chars[place] = 'X'));
        if place + 1 < chars.len() {
            typos.push(edited(&|chars| chars.swap(place, place + 1)));
        }
    }
    typos.retain(|typo| typo != word);
    typos
}

/// Each statement with each typing mistake in each of its keywords: the keyword, its place, the text.
fn misspelt() -> Vec<(&'static str, usize, String)> {
    let mut texts = Vec::new();
    for statement in STATEMENTS {
        for (place, word) in words(statement).filter(|(_, word)| KEYWORDS.contains(word)) {
            for typo in typos(word) {
                texts.push((word, place, format!("{}{typo}{}", &statement[..place], &statement[place + word.len()..])));
            }
        }
    }
    texts
}

fn words(text: &'static str) -> impl Iterator<Item = (usize, &'static str)> {
    text.split(|char: char| !char.is_ascii_alphanumeric()).map(move |word| (word.as_ptr() as usize - text.as_ptr() as usize, word))
}

#[test]
fn a_typing_mistake_is_one_error_and_repaired() {
    let texts = misspelt();
    assert!(texts.len() > 500);
    for (keyword, place, text) in &texts {
        let errors = parse(text).errors;
        assert_eq!(errors.len(), 1, "{text}: {errors:#?}");
        let fix = errors[0].fix().unwrap_or_else(|| panic!("{text}: {errors:#?}"));
        assert_eq!((fix.span.start, fix.replacement.as_str()), (*place, *keyword), "{text}");
    }
}

#[test]
fn a_keyword_in_two_words_is_one_error() {
    for (statement, words, keyword) in [
        (STATEMENTS[0], "PARTITION BY", "PARTITIONBY"),
        (STATEMENTS[0], "STORE AS", "STOREAS"),
        (STATEMENTS[1], "WITH KEY", "WITHKEY"),
        (STATEMENTS[1], "KEY DELIMITER", "KEYDELIMITER"),
        (STATEMENTS[3], "AUTO CREATE", "AUTOCREATE"),
        (STATEMENTS[3], "NO PARTITION", "NOPARTITION"),
    ] {
        let text = statement.replacen(keyword, words, 1);
        match parse(&text).errors.as_slice() {
            [SyntaxError::SplitKeyword { words: found, keyword: meant, .. }] => assert_eq!((found.as_str(), *meant), (words, keyword)),
            errors => panic!("{text}: {errors:#?}"),
        }
    }
}
