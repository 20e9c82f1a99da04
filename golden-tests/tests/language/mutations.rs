//! One character of a word is wrong: what kpipe says about each such edit of every word of 50 pipelines.
//!
//! `KPIPE_ACCEPT=1` writes the numbers into `docs/mistakes.md`; `KPIPE_MUTATIONS=FILE` writes every edit that is not answered as it should be.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::compiling::{Checked, PIPELINES, expect, files, read, stem};
use super::edits::{Kind, edits, words};
use super::verdict::{Named, Verdict, judge};

const PAGE: &str = "../docs/mistakes.md";
const BEGIN: &str = "<!-- mutations -->\n";
const END: &str = "<!-- end of mutations -->\n";
const PIPELINES_MIN: usize = 50;
/// Of 100 edits, the right word is named at least after so many.
const NAMED_MIN: usize = 90;

/// Numbers of edits.
#[derive(Clone, Debug, Default)]
struct Count {
    edits: usize,
    valid: usize,
    refused: usize,
    one_error: usize,
    on_line: usize,
    by_edit: usize,
    by_words: usize,
}

impl Count {
    fn add(&mut self, verdict: &Verdict) {
        self.edits += 1;
        let Verdict::Refused(refused) = verdict else {
            self.valid += 1;
            return;
        };
        self.refused += 1;
        self.one_error += usize::from(refused.one_error);
        self.on_line += usize::from(refused.on_line);
        self.by_edit += usize::from(refused.named == Named::Edit);
        self.by_words += usize::from(refused.named == Named::Words);
    }

    fn merge(&mut self, other: &Count) {
        self.edits += other.edits;
        self.valid += other.valid;
        self.refused += other.refused;
        self.one_error += other.one_error;
        self.on_line += other.on_line;
        self.by_edit += other.by_edit;
        self.by_words += other.by_words;
    }

    fn row(&self, name: &str) -> String {
        let Self { edits, valid, refused, one_error, on_line, by_edit, by_words } = self;
        let share = |part: usize| {
            let thousandths = part * 1000 / (*refused).max(1);
            format!("{part} ({}.{} %)", thousandths / 10, thousandths % 10)
        };
        let named = share(by_edit + by_words);
        format!("| {name} | {edits} | {valid} | {refused} | {} | {} | {named} | {by_edit} |\n", share(*one_error), share(*on_line))
    }
}

/// Everything that was counted, and what went wrong.
#[derive(Default)]
struct Found {
    counts: BTreeMap<Kind, Count>,
    wrong: Vec<String>,
}

fn mutate(path: &PathBuf, found: &Mutex<Found>) {
    let text = read(path);
    let name = stem(path);
    let (mut counts, mut wrong) = (BTreeMap::<Kind, Count>::new(), Vec::new());
    for word in words(&text) {
        for edit in edits(&text[word.at.clone()]) {
            let verdict = judge(&text, word.kind, &word.at, &edit);
            counts.entry(word.kind).or_default().add(&verdict);
            let line = text[..word.at.start].matches('\n').count() + 1;
            let what = format!("{name}:{line} {:?} `{}` as `{edit}`", word.kind, &text[word.at.clone()]);
            match verdict {
                Verdict::StillValid => wrong.push(format!("VALID {what}")),
                Verdict::Refused(refused) => {
                    let marks = [(!refused.one_error, "MANY"), (!refused.on_line, "LINE"), (refused.named == Named::Not, "NAME")];
                    let marks: String = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| format!("{mark} ")).collect();
                    if !marks.is_empty() {
                        wrong.push(format!("{marks}{what}: {}", refused.said));
                    }
                }
            }
        }
    }
    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
    counts.iter().for_each(|(kind, count)| found.counts.entry(*kind).or_default().merge(count));
    found.wrong.append(&mut wrong);
}

fn mutate_all() -> Found {
    let paths = files(PIPELINES, "yaml");
    assert!(paths.len() >= PIPELINES_MIN, "{} pipelines", paths.len());
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Found::default()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
                    mutate(path, &found);
                }
            });
        }
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn every_pipeline_is_valid() {
    for path in files(PIPELINES, "yaml") {
        let checked = Checked::of(&read(&path));
        assert_eq!(checked.errors(), [], "{}", path.display());
        assert!(!checked.compiled.pipelines.is_empty(), "{}", path.display());
    }
}

#[test]
fn a_wrong_character_is_one_error_that_names_the_right_word() {
    let Found { counts, mut wrong } = mutate_all();
    wrong.sort();
    if let Some(file) = std::env::var_os("KPIPE_MUTATIONS") {
        std::fs::write(file, wrong.join("\n")).unwrap();
    }
    let mut table = "| what is edited | edits | still valid | refused | one error | on the line | right word named | as an edit |\n\
                     |---|---|---|---|---|---|---|---|\n"
        .to_owned();
    let mut all = Count::default();
    for (kind, count) in &counts {
        all.merge(count);
        table.push_str(&count.row(title(*kind)));
    }
    table.push_str(&all.row("all"));
    println!("{table}");
    let mut shown = String::new();
    for line in wrong.iter().filter(|line| line.starts_with("MANY") || line.starts_with("LINE")).take(20) {
        writeln!(shown, "{line}").unwrap();
    }
    assert_eq!((all.one_error, all.on_line), (all.refused, all.refused), "of the refused edits; the first that are not so:\n{shown}");
    assert!((all.by_edit + all.by_words) * 100 >= all.refused * NAMED_MIN, "the right word is named too rarely:\n{table}");
    in_page(&table);
}

fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::Keyword => "keywords of KCQL and SQL",
        Kind::Function => "functions",
        Kind::Option => "keys of the file",
        Kind::Choice => "words that keys take",
        Kind::Property => "properties",
        Kind::Field => "fields where they are used",
        Kind::Declared => "fields where the schema declares them",
    }
}

/// The numbers stand in the docs.
fn in_page(table: &str) {
    let page = read(PAGE);
    let (before, rest) = page.split_once(BEGIN).expect("the page has a place for the table");
    let (_, after) = rest.split_once(END).expect("the place for the table ends");
    expect(PAGE, &format!("{before}{BEGIN}{table}{END}{after}"));
}
