//! Texts of KCQL.

use kpipe_grammar::ast::Statement;
use kpipe_grammar::span::Span;
use kpipe_grammar::{Fix, format, keywords, parse};
use miette::Diagnostic;

use super::super::compiling::{PIPELINES, files, read};
use super::super::gaps::gap;
use super::super::random::Random;
use super::fuzz;
use super::mutate::{mutated, texts_below};

/// The texts of the cases and of the pipelines.
pub(super) fn corpus() -> Vec<String> {
    let cases = texts_below(&["cases/clauses"], "kcql");
    let cases = cases.iter().flat_map(|case| case.split("\n==== ").skip(1)).filter_map(|part| Some(part.split_once('\n')?.1.to_owned()));
    let pipelines = files(PIPELINES, "yaml").into_iter().filter_map(|path| {
        let text = read(path);
        let (_, kcql) = text.split_once("kcql: |\n")?;
        Some(kcql.lines().map(|line| format!("{}\n", line.trim_start())).collect())
    });
    let corpus: Vec<String> = cases.chain(pipelines).collect();
    assert!(corpus.len() > 200, "{} texts", corpus.len());
    corpus
}

pub(super) fn words() -> Vec<String> {
    let functions = kpipe_compiler::functions::FUNCTIONS.iter().map(|function| function.name);
    let others =
        ["AND", "OR", "NOT", "IN", "BETWEEN", "LIKE", "ESCAPE", "CASE", "WHEN", "THEN", "ELSE", "END", "CAST", "AS", "INTO", "_key"];
    keywords().into_iter().chain(functions).chain(others).map(str::to_owned).collect()
}

/// What is wrong with how a text is read.
fn wrong(text: &str) -> Option<String> {
    let parsed = parse(text);
    let errors = parsed.errors.iter().map(|error| (error as &dyn Diagnostic, error.fix()));
    let warnings = parsed.warnings.iter().map(|warning| (warning as &dyn Diagnostic, warning.fix()));
    if let Some(why) = errors.chain(warnings).find_map(|(diagnostic, fix)| misplaced(text, diagnostic, fix)) {
        return Some(why);
    }
    if !parsed.errors.is_empty() {
        return None;
    }
    if let Some(gap) = gap(text) {
        return Some(gap);
    }
    let printed: Vec<String> = parsed.statements.iter().map(ToString::to_string).collect();
    let again = parse(&printed.join(";\n"));
    if without_places(again.statements) != without_places(parsed.statements.clone()) {
        return Some(format!("printed it says something else: {printed:?}"));
    }
    let laid_out = match format(text) {
        Ok(laid_out) => laid_out,
        Err(errors) => return Some(format!("it is read, but not laid out: {errors:?}")),
    };
    if without_places(parse(&laid_out).statements) != without_places(parsed.statements) {
        return Some(format!("laid out it says something else: {laid_out}"));
    }
    (format(&laid_out).as_ref() != Ok(&laid_out)).then(|| format!("laid out again it changes: {laid_out}"))
}

fn misplaced(text: &str, diagnostic: &dyn Diagnostic, fix: Option<Fix>) -> Option<String> {
    let labels: Vec<_> = diagnostic.labels().into_iter().flatten().collect();
    let outside = labels.iter().any(|label| text.get(label.offset()..label.offset() + label.len()).is_none());
    let fix_outside = fix.is_some_and(|fix| text.get(fix.span.start..fix.span.end).is_none());
    let words = diagnostic.to_string().chars().any(char::is_control);
    (labels.is_empty() || outside || fix_outside || words || diagnostic.code().is_none())
        .then(|| format!("its place or its words: {diagnostic:?}"))
}

fn without_places(mut statements: Vec<Statement>) -> Vec<Statement> {
    statements.iter_mut().for_each(|statement| statement.span = Span::default());
    statements
}

#[test]
fn kcql() {
    let (corpus, words) = (corpus(), words());
    fuzz("kcql", 1000, |random: &mut Random| {
        let text = mutated(&corpus, &words, random);
        wrong(&text).map_or(Ok(()), |why| Err(format!("{why}\nof {text:?}")))
    });
}

#[test]
fn the_trees_of_all_cases_leave_no_gap() {
    let corpus = corpus();
    let accepted: Vec<&String> = corpus.iter().filter(|text| parse(text).errors.is_empty()).collect();
    assert!(accepted.len() > 150, "{} texts", accepted.len());
    for text in accepted {
        assert_eq!(gap(text), None, "{text}");
    }
}
