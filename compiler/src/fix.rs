//! Applies the fixes of diagnostics to the texts that they are about, and looks again, until none is left.
//!
//! A fix is kept only if the mistake that it is for is gone and the files can be read at least as well as before: mistakes that were
//! hidden behind it may show, but nothing that was YAML or KCQL stops being so.

use std::collections::HashMap;

use crate::report::{Edit, Report, Severity, View};
use crate::sources::{FileId, Sources};

/// How often is looked again. Each time at least one fix is applied, so this is only a bound on what a file can cost.
const ROUNDS_MAX: usize = 64;

/// What came of it.
#[derive(Debug)]
pub struct Fixed {
    /// The texts as they are now.
    pub sources: Sources,
    /// What is wrong with them now.
    pub report: Report,
    /// What is repaired, in the order in which it was; places are those of the text at that time.
    pub applied: Vec<View>,
    /// What has a fix that would make it worse, and stayed.
    pub refused: Vec<View>,
}

/// A mistake without its place, which other edits move.
type Mistake = (Option<FileId>, String, String);

/// Applies every safe fix. `look` says what is wrong with texts; it is asked again after each round.
pub fn fix(sources: &Sources, look: &dyn Fn(&Sources) -> Report) -> Fixed {
    let sources = sources.with_texts(sources.files().iter().map(|file| file.text.clone()));
    let report = look(&sources);
    let mut fixed = Fixed { sources, report, applied: Vec::new(), refused: Vec::new() };
    for _ in 0..ROUNDS_MAX {
        let views = fixed.report.views(&fixed.sources);
        let refused: Vec<Mistake> = fixed.refused.iter().map(mistake).collect();
        let chosen = disjoint(views.iter().filter(|view| !view.fixes.is_empty() && !refused.contains(&mistake(view))));
        if chosen.is_empty() {
            break;
        }
        if fixed.attempt(look, &views, &chosen) {
            continue;
        }
        // One of them spoils it: the first that does not goes alone, and the rest is looked at again.
        for view in chosen {
            if fixed.attempt(look, &views, &[view]) {
                break;
            }
            fixed.refused.push(view.clone());
        }
    }
    fixed
}

impl Fixed {
    /// The files whose text is another one than in `before`.
    #[must_use]
    pub fn changed(&self, before: &Sources) -> Vec<FileId> {
        let pairs = before.files().iter().zip(self.sources.files());
        pairs.filter(|(before, after)| before.text != after.text).map(|(file, _)| file.id).collect()
    }

    /// Applies these fixes, if that is no change for the worse.
    fn attempt(&mut self, look: &dyn Fn(&Sources) -> Report, before: &[View], chosen: &[&View]) -> bool {
        let edits: Vec<&Edit> = chosen.iter().flat_map(|view| &view.fixes).collect();
        let texts = self.sources.files().iter().map(|file| {
            let own = edits.iter().filter(|edit| edit.at.file == file.id).copied();
            apply(&file.text, own)
        });
        let sources = self.sources.with_texts(texts.collect::<Vec<_>>());
        let report = look(&sources);
        if !is_better(before, &report.views(&sources), chosen) {
            return false;
        }
        self.applied.extend(chosen.iter().map(|view| (*view).clone()));
        (self.sources, self.report) = (sources, report);
        true
    }
}

/// A text with edits made; they do not overlap.
pub fn apply<'e>(text: &str, edits: impl IntoIterator<Item = &'e Edit>) -> String {
    let mut edits: Vec<&Edit> = edits.into_iter().collect();
    edits.sort_by_key(|edit| (edit.at.span.start, edit.at.span.end));
    let mut applied = String::with_capacity(text.len() + 64);
    let mut done = 0;
    for Edit { at, replacement } in edits {
        applied.push_str(text.get(done..at.span.start).unwrap_or_default());
        applied.push_str(replacement);
        done = at.span.end;
    }
    applied.push_str(text.get(done..).unwrap_or_default());
    applied
}

/// The fixes that can be made together: of two that meet, the first.
fn disjoint<'v>(views: impl Iterator<Item = &'v View>) -> Vec<&'v View> {
    let mut chosen: Vec<&View> = Vec::new();
    let meets = |one: &Edit, other: &Edit| {
        one.at.file == other.at.file && one.at.span.start <= other.at.span.end && other.at.span.start <= one.at.span.end
    };
    for view in views {
        let is_free = |taken: &&View| !taken.fixes.iter().any(|taken| view.fixes.iter().any(|own| meets(taken, own)));
        if chosen.iter().all(is_free) {
            chosen.push(view);
        }
    }
    chosen
}

fn mistake(view: &View) -> Mistake {
    (view.primary.as_ref().map(|label| label.file), view.code.clone(), view.message.clone())
}

fn counts<'v>(views: impl IntoIterator<Item = &'v View>) -> HashMap<Mistake, usize> {
    let mut counts = HashMap::new();
    for view in views {
        *counts.entry(mistake(view)).or_insert(0) += 1;
    }
    counts
}

/// True if what was chosen is repaired, and every file can be read as well as before.
fn is_better(before: &[View], after: &[View], chosen: &[&View]) -> bool {
    let (was, is) = (counts(before), counts(after));
    let count = |counts: &HashMap<Mistake, usize>, mistake: &Mistake| counts.get(mistake).copied().unwrap_or(0);
    let repaired = counts(chosen.iter().copied()).iter().all(|(mistake, chosen)| count(&is, mistake) + chosen <= count(&was, mistake));
    // Where YAML or keys were at fault, a statement may be read for the first time now.
    let same_reading = chosen.iter().all(|view| is_of_kcql(&view.code));
    let errors =
        |views: &[View], is_of: fn(&str) -> bool| views.iter().filter(|view| view.severity == Severity::Error && is_of(&view.code)).count();
    let as_yaml = errors(after, is_of_yaml) <= errors(before, is_of_yaml);
    let as_kcql = !same_reading || errors(after, is_of_kcql) <= errors(before, is_of_kcql);
    repaired && as_yaml && as_kcql
}

/// The codes of texts that are no YAML, as far as kpipe reads it.
fn is_of_yaml(code: &str) -> bool {
    ("KP0203"..="KP0216").contains(&code)
}

fn is_of_kcql(code: &str) -> bool {
    code.starts_with("KP01")
}

#[cfg(test)]
mod tests;
