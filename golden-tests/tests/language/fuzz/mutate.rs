//! A text of the cases with something done to it, once or several times.

use std::path::{Path, PathBuf};

use super::super::compiling::read;
use super::super::random::Random;

/// Texts do not grow beyond this many bytes.
const BYTES_MAX: usize = 32 << 10;

/// What mistakes and attacks are made of.
const PIECES: &[&str] = &[
    "'",
    "`",
    "\"",
    ";",
    "(",
    ")",
    ",",
    ".",
    "*",
    "=",
    " ",
    "\n",
    "\r\n",
    "\t",
    "--",
    "/*",
    "*/",
    "[",
    "]",
    "{",
    "}",
    "\0",
    "\u{feff}",
    "é",
    "🦀",
    "\u{202e}",
    "\u{301}",
    "%",
    "$",
    "${",
    "${env:X}",
    "${file:x}",
    "||",
    "|",
    "<",
    ">=",
    "\\",
    "#",
    "&a ",
    "*a",
    "!!str ",
    "|\n",
    ">-\n",
    ": ",
    "- ",
    "---\n",
    "? ",
    "<<: ",
    "~",
    "9223372036854775808",
    "-0",
    "1e999",
    "0x",
    "NULL",
    "CASE WHEN",
    "CAST(",
    "''",
];

/// How many texts are put into one another.
pub(super) fn mutated(corpus: &[String], words: &[String], random: &mut Random) -> String {
    let mut text = corpus[random.below(corpus.len())].clone();
    for _ in 0..=random.below(4) {
        text = once(&text, corpus, words, random);
        if text.len() > BYTES_MAX {
            text.truncate(floor(&text, BYTES_MAX));
        }
    }
    text
}

fn once(text: &str, corpus: &[String], words: &[String], random: &mut Random) -> String {
    let (at, end) = range(text, random);
    let (before, piece, after) = (&text[..at], &text[at..end], &text[end..]);
    match random.below(12) {
        0 => format!("{before}{after}"),
        1 => format!("{before}{piece}{piece}{after}"),
        2 => format!("{before}{}{after}", piece.repeat(1 + random.below(60))),
        3 | 4 => format!("{before}{}{after}", random.pick(PIECES)),
        5 => format!("{before}{}{piece}{after}", random.pick(PIECES)),
        6 => before.to_owned(),
        7 => {
            let other = &corpus[random.below(corpus.len())];
            let (start, end) = range(other, random);
            format!("{before}{}{after}", &other[start..end])
        }
        8 => {
            let depth = random.below(200);
            format!("{before}{}{piece}{}{after}", "(".repeat(depth), ")".repeat(depth))
        }
        9 => lines(text, random),
        _ => word(text, words, random),
    }
}

/// A word replaced by another one, or two words swapped.
fn word(text: &str, words: &[String], random: &mut Random) -> String {
    let is_part = |char: char| char.is_alphanumeric() || char == '_';
    let starts: Vec<usize> =
        text.char_indices().filter(|(at, char)| is_part(*char) && !text[..*at].ends_with(is_part)).map(|(at, _)| at).collect();
    if starts.is_empty() {
        return text.to_owned();
    }
    let end = |start: usize| start + text[start..].find(|char| !is_part(char)).unwrap_or(text.len() - start);
    let first = random.pick(&starts);
    if random.one_in(3) {
        let second = random.pick(&starts);
        let (left, right) = (first.min(second), first.max(second));
        if left == right {
            return text.to_owned();
        }
        let (middle, tail) = (&text[end(left)..right], &text[end(right)..]);
        return format!("{}{}{middle}{}{tail}", &text[..left], &text[right..end(right)], &text[left..end(left)]);
    }
    format!("{}{}{}", &text[..first], words[random.below(words.len())], &text[end(first)..])
}

/// Lines left out, doubled, swapped, or moved in or out.
fn lines(text: &str, random: &mut Random) -> String {
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    if lines.is_empty() {
        return String::new();
    }
    let (first, second) = (random.below(lines.len()), random.below(lines.len()));
    match random.below(5) {
        0 => drop(lines.remove(first)),
        1 => lines.insert(second, lines[first].clone()),
        2 => lines.swap(first, second),
        3 => lines[first].insert_str(0, "  "),
        _ => lines[first] = lines[first].strip_prefix("  ").unwrap_or(&lines[first]).to_owned(),
    }
    lines.concat()
}

/// A short part of a text, more rarely a long one.
fn range(text: &str, random: &mut Random) -> (usize, usize) {
    let start = floor(text, random.below(text.len() + 1));
    let longest = if random.one_in(5) { text.len() } else { 12 };
    (start, floor(text, (start + random.below(longest + 1)).min(text.len())).max(start))
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The texts of all files with this extension below some folders.
pub(super) fn texts_below(folders: &[&str], extension: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut rest: Vec<PathBuf> = folders.iter().map(PathBuf::from).collect();
    while let Some(folder) = rest.pop() {
        let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            if path.is_dir() {
                rest.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                texts.push(read(Path::new(&path)));
            }
        }
    }
    assert!(texts.len() > 20, "{} texts in {folders:?}", texts.len());
    texts
}

#[test]
fn texts_are_changed_in_many_ways_and_stay_short() {
    let (corpus, words) = (vec!["SELECT a, 'é' FROM b\nLIMIT 5\n".repeat(40)], vec!["WHERE".to_owned()]);
    let mutants: Vec<String> = (0..500).map(|seed| mutated(&corpus, &words, &mut Random::new(seed))).collect();
    assert!(mutants.iter().all(|text| text.len() <= BYTES_MAX));
    let different: std::collections::BTreeSet<&String> = mutants.iter().collect();
    assert!(different.len() > 400, "{} of 500 differ", different.len());
}
