//! The difference between two texts, as `diff -u` writes it and `patch` reads it.

use std::fmt::Write as _;

/// Lines around a change.
const CONTEXT: usize = 2;
/// How far lines are looked for that both texts have again.
const AHEAD_MAX: usize = 200;

/// Lines that one text has in place of those of the other.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Change {
    old: std::ops::Range<usize>,
    new: std::ops::Range<usize>,
}

/// What has to be done to `before` to get `after`; nothing if they are the same.
pub(crate) fn diff(name: &str, before: &str, after: &str) -> String {
    if before == after {
        return String::new();
    }
    let (old, new): (Vec<&str>, Vec<&str>) = (before.split_inclusive('\n').collect(), after.split_inclusive('\n').collect());
    let mut text = format!("--- {name}\n+++ {name}\n");
    for hunk in hunks(changes(&old, &new)) {
        show(&mut text, &old, &new, &hunk);
    }
    text
}

/// Where the texts part, and where they meet again.
fn changes(old: &[&str], new: &[&str]) -> Vec<Change> {
    let (mut i, mut j) = (0, 0);
    let mut changes = Vec::new();
    while i < old.len() || j < new.len() {
        if old.get(i) == new.get(j) {
            (i, j) = (i + 1, j + 1);
            continue;
        }
        let (skip_old, skip_new) = meeting(&old[i..], &new[j..]);
        changes.push(Change { old: i..i + skip_old, new: j..j + skip_new });
        (i, j) = (i + skip_old, j + skip_new);
    }
    changes
}

/// How many lines of both are passed over until a line is the same again; all of them if there is none near.
fn meeting(old: &[&str], new: &[&str]) -> (usize, usize) {
    let pairs = (1..=AHEAD_MAX).flat_map(|total| (0..=total).map(move |skip| (skip, total - skip)));
    let is_same = |(i, j): &(usize, usize)| match (old.get(*i), new.get(*j)) {
        (Some(old), Some(new)) => old == new,
        (None, None) => *i == old.len() && *j == new.len(),
        (Some(_), None) | (None, Some(_)) => false,
    };
    pairs.into_iter().find(is_same).unwrap_or((old.len(), new.len()))
}

/// Changes whose surroundings touch, together.
fn hunks(changes: Vec<Change>) -> Vec<Vec<Change>> {
    let mut hunks: Vec<Vec<Change>> = Vec::new();
    for change in changes {
        match hunks.last_mut() {
            Some(hunk) if hunk.last().is_some_and(|last| change.old.start <= last.old.end + 2 * CONTEXT) => hunk.push(change),
            _ => hunks.push(vec![change]),
        }
    }
    hunks
}

fn show(text: &mut String, old: &[&str], new: &[&str], hunk: &[Change]) {
    let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else { return };
    let before = first.old.start.min(CONTEXT);
    let after = (old.len() - last.old.end).min(CONTEXT);
    let (from, to) = (first.old.start - before..last.old.end + after, first.new.start - before..last.new.end + after);
    let _ = writeln!(text, "@@ -{} +{} @@", place(&from), place(&to));
    let mut at = from.start;
    for Change { old: gone, new: come } in hunk {
        put(text, ' ', &old[at..gone.start]);
        put(text, '-', &old[gone.clone()]);
        put(text, '+', &new[come.clone()]);
        at = gone.end;
    }
    put(text, ' ', &old[at..from.end]);
}

/// `start,count`; an empty range is named by the line before it.
fn place(range: &std::ops::Range<usize>) -> String {
    format!("{},{}", range.start + usize::from(!range.is_empty()), range.len())
}

fn put(text: &mut String, sign: char, lines: &[&str]) {
    for line in lines {
        text.push(sign);
        text.push_str(line);
        if !line.ends_with('\n') {
            text.push_str("\n\\ No newline at end of file\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_difference_shows_the_changed_lines_and_two_around_them() {
        assert_eq!(diff("a", "1\n2\n3\n4\n5\n6\n", "1\n2\n3\nx\ny\n5\n6\n"), "--- a\n+++ a\n@@ -2,5 +2,6 @@\n 2\n 3\n-4\n+x\n+y\n 5\n 6\n");
        assert_eq!(diff("a", "", "x\n"), "--- a\n+++ a\n@@ -0,0 +1,1 @@\n+x\n");
        assert_eq!(diff("a", "x\n", "x"), "--- a\n+++ a\n@@ -1,1 +1,1 @@\n-x\n+x\n\\ No newline at end of file\n");
        assert_eq!(diff("a", "x\n", "x\n"), "");
    }

    #[test]
    fn changes_far_apart_have_hunks_of_their_own() {
        let old: String = (0..40).map(|line| format!("{line}\n")).collect();
        let text = diff("a", &old, &old.replace("\n3\n", "\nthree\n").replace("\n30\n", "\n"));
        assert_eq!(text.lines().filter(|line| line.starts_with("@@")).collect::<Vec<_>>(), ["@@ -2,5 +2,5 @@", "@@ -29,5 +29,4 @@"]);
        assert_eq!(text.lines().filter(|line| line.starts_with('-') && !line.starts_with("---")).collect::<Vec<_>>(), ["-3", "-30"]);
    }

    /// What `patch` makes of it.
    fn patched(before: &str, patch: &str) -> String {
        let old: Vec<&str> = before.split_inclusive('\n').collect();
        let mut new = String::new();
        let mut at = 0;
        let lines: Vec<&str> = patch.lines().skip(2).collect();
        for (index, line) in lines.iter().enumerate() {
            let cut = lines.get(index + 1).is_some_and(|next| next.starts_with('\\'));
            let end = if cut { "" } else { "\n" };
            if let Some(head) = line.strip_prefix("@@ -") {
                let (start, count) = head.split(' ').next().unwrap().split_once(',').unwrap();
                let start: usize = start.parse().unwrap();
                let start = if count == "0" { start } else { start - 1 };
                new.extend(old[at..start].iter().copied());
                at = start;
            } else if let Some(kept) = line.strip_prefix([' ', '-']) {
                assert_eq!(old[at], format!("{kept}{end}"));
                at += 1;
                new.push_str(if line.starts_with(' ') { old[at - 1] } else { "" });
            } else if let Some(come) = line.strip_prefix('+') {
                new.push_str(&format!("{come}{end}"));
            }
        }
        new.extend(old[at..].iter().copied());
        new
    }

    proptest! {
        #[test]
        fn a_patch_gives_the_other_text(before in "([abc]{0,2}\n){0,30}[ab]?", after in "([abc]{0,2}\n){0,30}[ab]?") {
            let patch = diff("x", &before, &after);
            if before != after {
                prop_assert_eq!(patched(&before, &patch), after, "{}", patch);
            }
        }
    }
}
