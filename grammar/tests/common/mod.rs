//! Mistakes as text, for comparing.

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
    let code = diagnostic.code().map(|code| code.to_string()).unwrap_or_default();
    let mut lines = vec![format!("{code} {diagnostic}")];
    for label in diagnostic.labels().into_iter().flatten() {
        let place = &text[label.offset()..label.offset() + label.len()];
        lines.push(format!("  {:>2} {place:?} {}", label.offset(), label.label().unwrap_or("")));
    }
    lines.extend(diagnostic.help().map(|help| format!("  help: {help}")));
    lines.extend(fix.map(|fix| format!("  fix: {:?} -> {:?}", &text[fix.span.start..fix.span.end], fix.replacement)));
    lines.join("\n") + "\n"
}
