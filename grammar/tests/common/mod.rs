//! Mistakes as text, for comparing.

use std::fmt::Write;

use kpipe_grammar::{Fix, parse};
use miette::Diagnostic;

/// One line a diagnostic, then its labels with the text they point at, its help and its fix.
pub(crate) fn mistakes(text: &str) -> String {
    let parsed = parse(text);
    let errors = parsed.errors.iter().map(|error| one(text, error, error.fix()));
    let warnings = parsed.warnings.iter().map(|warning| one(text, warning, warning.fix()));
    errors.chain(warnings).collect()
}

fn one(text: &str, diagnostic: &dyn Diagnostic, fix: Option<Fix>) -> String {
    let mut out = String::new();
    let code = diagnostic.code().map(|code| code.to_string()).unwrap_or_default();
    writeln!(out, "{code} {diagnostic}").unwrap();
    for label in diagnostic.labels().into_iter().flatten() {
        let place = &text[label.offset()..label.offset() + label.len()];
        writeln!(out, "  {:>2} {place:?} {}", label.offset(), label.label().unwrap_or("")).unwrap();
    }
    if let Some(help) = diagnostic.help() {
        writeln!(out, "  help: {help}").unwrap();
    }
    if let Some(Fix { span, replacement }) = fix {
        writeln!(out, "  fix: {:?} -> {replacement:?}", &text[span.start..span.end]).unwrap();
    }
    out
}
