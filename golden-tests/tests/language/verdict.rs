//! What an edit of a word led to.

use std::ops::Range;

use kpipe_compiler::report::{Edit, LabelView, View};

use super::compiling::Checked;
use super::edits::Kind;

/// What became of an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing is wrong with it.
    StillValid,
    /// It is refused.
    Refused(Refused),
}

/// How well it is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// There is one error.
    pub(crate) one_error: bool,
    /// It is about the line of the edit; a field that is declared wrongly is met where it is used, and a label shows where it is declared.
    pub(crate) on_line: bool,
    /// How the word that was there is named.
    pub(crate) named: Named,
    /// For people who want to know more.
    pub(crate) said: String,
}

/// How the right word is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Named {
    /// By an edit that puts it back.
    Edit,
    /// In the words of a label or a help, at most this many others beside it.
    Words,
    /// Not at all.
    Not,
}

/// So many words in back-ticks are an answer; more are a list to look through.
const WORDS_MAX: usize = 8;

/// What becomes of `text` with `word` at a place.
pub(crate) fn judge(text: &str, kind: Kind, at: &Range<usize>, word: &str) -> Verdict {
    let edited = format!("{}{word}{}", &text[..at.start], &text[at.end..]);
    let checked = Checked::of(&edited);
    let errors = checked.errors();
    let Some(first) = errors.first() else { return Verdict::StillValid };
    let line = text[..at.start].matches('\n').count() + 1;
    let others = if kind == Kind::Declared { first.secondary.as_slice() } else { &[] };
    let on_line = first.primary.iter().chain(others).any(|label| (label.begin.line..=label.end.line).contains(&line));
    let named = if edits_of(first).any(|edit| applied(&edited, edit) == text) {
        Named::Edit
    } else if says(first, &text[at.clone()]) {
        Named::Words
    } else {
        Named::Not
    };
    let said = errors.iter().map(shown).collect::<Vec<_>>().join(" | ");
    Verdict::Refused(Refused { one_error: errors.len() == 1, on_line, named, said })
}

fn edits_of(view: &View) -> impl Iterator<Item = &Edit> {
    view.fixes.iter().chain(&view.suggestions)
}

fn applied(text: &str, edit: &Edit) -> String {
    format!("{}{}{}", &text[..edit.at.span.start], edit.replacement, &text[edit.at.span.end..])
}

/// True if a label or the help names the word.
fn says(view: &View, word: &str) -> bool {
    let labels = view.primary.iter().chain(&view.secondary).map(|label: &LabelView| label.text.as_str());
    labels.chain(view.help.as_deref()).any(|text| {
        let quoted: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
        let is_part = |char: char| char.is_alphanumeric() || matches!(char, '_' | '.');
        let named = quoted.iter().any(|quoted| {
            let mut parts = quoted.split(|char| !is_part(char)).chain([*quoted]);
            parts.any(|part| part.eq_ignore_ascii_case(word))
        });
        named && quoted.len() <= WORDS_MAX
    })
}

fn shown(view: &View) -> String {
    let label = |label: &LabelView| format!("[{}..{}:{}]", label.begin, label.end, label.text);
    let labels: String = view.primary.iter().chain(&view.secondary).map(label).collect();
    let edits: Vec<&str> = edits_of(view).map(|edit| edit.replacement.as_str()).collect();
    format!("{} {} {labels} help={:?} edits={edits:?}", view.code, view.message, view.help)
}
