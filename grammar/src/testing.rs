//! Short ways to read a text in tests.

use miette::Diagnostic;

use crate::ast::Statement;
use crate::parse;

/// The only statement of a text without errors.
#[track_caller]
pub(crate) fn statement(text: &str) -> Statement {
    let mut parsed = parse(text);
    assert_eq!(parsed.errors, [], "{text}");
    assert_eq!(parsed.statements.len(), 1, "{text}");
    parsed.statements.remove(0)
}

/// `INSERT INTO t SELECT * FROM s` with these clauses.
#[track_caller]
pub(crate) fn with(clauses: &str) -> Statement {
    statement(&format!("INSERT INTO t SELECT * FROM s {clauses}"))
}

/// The codes of what is wrong with a text.
pub(crate) fn codes(text: &str) -> Vec<String> {
    parse(text).errors.iter().filter_map(|error| error.code().map(|code| code.to_string())).collect()
}

/// The codes of what is wrong with these clauses.
pub(crate) fn codes_with(clauses: &str) -> Vec<String> {
    codes(&format!("INSERT INTO t SELECT * FROM s {clauses}"))
}
