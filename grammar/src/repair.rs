//! A misspelt word of an expression: found by reading the clause again with the word that it is near to.

use pest::Parser;
use pest::error::InputLocation;

use crate::clauses::Clause;
use crate::error::SyntaxError;
use crate::excerpt::excerpt;
use crate::keyword::{clause_keywords, distance};
use crate::labels::one_of;
use crate::rules::{Kcql, Rule};
use crate::span::Span;
use crate::token::{Token, TokenKind};

/// The words of expressions, and those that part them.
const WORDS: &[&str] = &[
    "AND", "OR", "NOT", "IS", "NULL", "IN", "BETWEEN", "LIKE", "ESCAPE", "CASE", "WHEN", "THEN", "ELSE", "END", "CAST", "TRY_CAST", "AS",
    "TRUE", "FALSE",
];

/// How many words before the place where reading stopped can be the one that was meant otherwise.
const BEFORE_MAX: usize = 3;

/// Words that are shorter are taken for another one only if the whole clause can be read then.
const LONG_ENOUGH: usize = 3;

/// The word that is misspelt, if another one lets the clause be read. Reading `rule` stopped before the token at `at`.
pub(crate) fn misspelt(clause: &Clause<'_>, rule: Rule, at: usize) -> Option<SyntaxError> {
    if !clause.keyword.takes_expressions() {
        return None;
    }
    let here = clause.tokens.get(at).is_some().then_some(at);
    let before = (at.saturating_sub(BEFORE_MAX)..at).rev();
    let mut found: Option<(usize, Vec<&'static str>)> = None;
    for index in here.into_iter().chain(before).chain(callee(clause, at)) {
        let meant = meant(clause, rule, index, at);
        if !meant.is_empty() {
            found = Some((index, meant));
            break;
        }
    }
    let (index, meant) = found?;
    let span = clause.tokens[index].span;
    let quoted: Vec<String> = meant.iter().map(|word| format!("`{word}`")).collect();
    let nearest = one_of(&quoted.iter().map(String::as_str).collect::<Vec<_>>());
    let replacement = meant.first().filter(|_| meant.len() == 1).map(|word| (*word).to_owned());
    Some(SyntaxError::MisspeltKeyword { word: excerpt(span.text(clause.source)), what: "keyword", nearest, span, replacement })
}

/// The word before the innermost parenthesis that is open at a token.
fn callee(clause: &Clause<'_>, at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let open = (0..at.min(clause.tokens.len())).rev().find(|index| match clause.tokens[*index].kind {
        TokenKind::Close => {
            depth += 1;
            false
        }
        TokenKind::Open if depth == 0 => true,
        TokenKind::Open => {
            depth -= 1;
            false
        }
        _ => false,
    })?;
    open.checked_sub(1)
}

/// The words that a token may have been, nearest first: with each of them reading comes further than the token at `at`.
fn meant(clause: &Clause<'_>, rule: Rule, index: usize, at: usize) -> Vec<&'static str> {
    let token = clause.tokens[index];
    if index == 0 || token.kind != TokenKind::Word {
        return Vec::new();
    }
    let word = token.span.text(clause.source).to_ascii_uppercase();
    let is_clause = index == at && clause_keywords().any(|keyword| distance(&word, keyword) == 1);
    if is_clause || WORDS.contains(&word.as_str()) {
        return Vec::new();
    }
    let far = if word.len() < 8 { 1 } else { 2 };
    let near = WORDS.iter().copied().filter(|candidate| distance(&word, candidate) <= far);
    let fits = near.filter(|candidate| reads_on(clause, rule, token, candidate, at));
    fits.collect()
}

/// True if the clause can be read with another word in the place of a token.
fn reads_on(clause: &Clause<'_>, rule: Rule, token: Token, word: &str, at: usize) -> bool {
    let (span, base) = (clause.span(), clause.span().start);
    let (before, after) = (Span::new(base, token.span.start), Span::new(token.span.end, span.end));
    let text = format!("{}{word}{}", before.text(clause.source), after.text(clause.source));
    match Kcql::parse(rule, &text) {
        Ok(_) => true,
        Err(_) if token.span.len() < LONG_ENOUGH => false,
        Err(error) => {
            let (InputLocation::Pos(stop) | InputLocation::Span((stop, _))) = error.location;
            let stopped = clause.tokens.get(at).map_or(span.end, |token| token.span.end);
            stop + token.span.len() > stopped - base + word.len()
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::parse;

    /// What is said about a text, and the text as the fix leaves it.
    fn said(text: &str) -> String {
        let found = parse(text);
        let [error] = &found.errors[..] else { return format!("{} errors", found.errors.len()) };
        let fixed = error.fix().map(|fix| format!("{}{}{}", &text[..fix.span.start], fix.replacement, &text[fix.span.end..]));
        format!("{error}; {}", fixed.unwrap_or_default())
    }

    #[test]
    fn a_misspelt_word_of_an_expression_is_named() {
        for (wrong, right, text) in [
            ("AAND", "AND", "INSERT INTO t SELECT * FROM s WHERE a > 1 @ b < 2"),
            ("IKE", "LIKE", "INSERT INTO t SELECT * FROM s WHERE NOT (a @ 'x%')"),
            ("BETWEN", "BETWEEN", "INSERT INTO t SELECT * FROM s WHERE a NOT @ 1 AND 2"),
            ("MOT", "NOT", "INSERT INTO t SELECT * FROM s WHERE a @ IN (1)"),
            ("ACSE", "CASE", "INSERT INTO t SELECT @ WHEN a THEN 1 END AS b FROM s"),
            ("WEHN", "WHEN", "INSERT INTO t SELECT CASE @ a THEN 1 END AS b FROM s"),
            ("EMD", "END", "INSERT INTO t SELECT CASE WHEN a THEN 1 @ AS b FROM s"),
            ("CAAST", "CAST", "INSERT INTO t SELECT @(a AS INT) AS b FROM s"),
            ("RTY_CAST", "TRY_CAST", "INSERT INTO t SELECT @(concat(a, 'b') AS INT) AS b FROM s"),
            ("A", "AS", "INSERT INTO t SELECT a.b @ c FROM s"),
            ("O", "OR", "INSERT INTO t SELECT * FROM s WHERE a = 1 @ b = 2"),
            ("NUL", "NULL", "INSERT INTO t SELECT * FROM s WHERE a IS NOT @"),
            ("ECAPE", "ESCAPE", "INSERT INTO t SELECT * FROM s WHERE a LIKE 'x' @ '!'"),
        ] {
            let expected = format!("`{wrong}` is not a keyword; {}", text.replace('@', right));
            assert_eq!(said(&text.replace('@', wrong)), expected);
        }
    }

    #[test]
    fn a_misspelt_clause_stays_one_and_other_words_are_not_taken_for_keywords() {
        let clause = said("INSERT INTO t SELECT * FROM s WHERE a > 1 LIMT 5");
        assert!(clause.starts_with("`LIMT` is not a KCQL clause"), "{clause}");
        let other = said("INSERT INTO t SELECT * FROM s WHERE a > 1 country = 'DE'");
        assert!(other.starts_with("unexpected `country`"), "{other}");
    }
}
