//! Every row of the rules that kpipe was built by has a case, and every mock-up of a message has one that shows it.

use std::collections::{BTreeMap, BTreeSet};

use super::compiling::{files, read, stem};

const CASES: &str = "cases/clauses";
const CONVERSATIONS: &str = "cases/diagnostics";

/// The rows of `rows.txt` by section.
fn rows() -> BTreeMap<String, BTreeSet<usize>> {
    let mut rows = BTreeMap::<String, BTreeSet<usize>>::new();
    let text = read(format!("{CASES}/rows.txt"));
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut words = line.splitn(3, ' ');
        let (section, row, what) = (words.next().unwrap_or_default(), words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let row = row.parse().unwrap_or_else(|_| panic!("`{line}` has no number"));
        assert!(!what.is_empty() && rows.entry(section.to_owned()).or_default().insert(row), "`{line}` is half a row, or one twice");
    }
    rows
}

/// The rows that the folders of a section have cases for: files that begin with a number and hold a text with a verdict.
fn cases(section: &str) -> BTreeSet<usize> {
    let folders = std::fs::read_dir(CASES).expect("the cases are there").flatten().map(|entry| entry.path());
    let of_section = folders.filter(|folder| folder.is_dir() && stem_of(folder).split('-').next() == Some(section));
    let mut rows = BTreeSet::new();
    for folder in of_section {
        for path in files(&folder.display().to_string(), "kcql") {
            let name = stem(&path);
            let row = name.split('-').next().and_then(|number| number.parse::<usize>().ok());
            let row = row.unwrap_or_else(|| panic!("{name} names no row"));
            assert!(read(&path).contains("\n==== "), "{name} has no text");
            assert!(path.with_extension("expected").exists(), "{name} expects nothing");
            rows.insert(row);
        }
    }
    rows
}

fn stem_of(folder: &std::path::Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[test]
fn every_row_has_a_case() {
    let rows = rows();
    assert_eq!(rows.keys().map(String::as_str).collect::<Vec<_>>(), ["1.3", "1.4", "1.5", "1.6", "2", "7"]);
    let sizes: Vec<usize> = rows.values().map(BTreeSet::len).collect();
    assert_eq!(sizes, [28, 14, 34, 27, 72, 38]);
    for (section, rows) in rows {
        let missing: Vec<usize> = rows.difference(&cases(&section)).copied().collect();
        assert!(missing.is_empty(), "rows of {section} without a case: {missing:?}");
    }
}

/// A line of `mock-ups.txt`: the mock-up, the folder of its case (below `cases` if it has a `/`), its code, and a part of the message.
#[test]
fn every_mock_up_has_a_case_that_shows_it() {
    let text = read(format!("{CONVERSATIONS}/mock-ups.txt"));
    let mut shown = BTreeSet::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let parts: Vec<&str> = line.splitn(4, ' ').collect();
        let [mock_up, folder, code, message] = parts[..] else { panic!("`{line}` is no mock-up, folder, code and message") };
        let number: usize = mock_up.trim_start_matches('M').parse().unwrap_or_default();
        let above = if folder.contains('/') { "cases" } else { CONVERSATIONS };
        let expected = read(format!("{above}/{folder}/expected.txt"));
        let heading = expected.lines().find(|line| line.contains(&format!("[{code}]: ")));
        let heading = heading.unwrap_or_else(|| panic!("{folder} shows no {code}"));
        assert!(heading.contains(message), "{mock_up}: {folder} says `{heading}`");
        assert!(expected.contains("╭─["), "{mock_up}: {folder} shows no place in a file");
        shown.insert(number);
    }
    assert_eq!(shown.into_iter().collect::<Vec<_>>(), (1..=14).collect::<Vec<_>>(), "the mock-ups are M1 to M14");
}
