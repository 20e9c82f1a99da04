//! The text that an excerpt shows: dangerous characters made visible, long lines cut around the labels, labels moved along.

use std::ops::Range;

use super::paint::is_dangerous;

/// Lines longer than this are cut.
const LINE_CHARS_MAX: usize = 160;
/// What is kept on both sides of a label in a cut line.
const AROUND_CHARS: usize = 60;

/// A text fit to be shown, and its labels in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Excerpt {
    /// The text.
    pub(crate) text: String,
    /// The labels, in the order they were given.
    pub(crate) spans: Vec<Range<usize>>,
}

/// Prepares `text` for showing `spans`.
pub(crate) fn prepare(text: &str, spans: &[Range<usize>]) -> Excerpt {
    let spans: Vec<Range<usize>> = spans.iter().map(|span| within(text, span)).collect();
    let mut shown = Shown { text: String::with_capacity(text.len()), moved: Vec::new() };
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let range = at..at + line.len();
        let body = line.trim_end_matches(['\n', '\r']);
        if body.chars().count() > LINE_CHARS_MAX {
            shown.cut(body, at, &spans);
        } else {
            shown.push(body, at);
        }
        shown.mark(at + body.len());
        if line.ends_with('\n') {
            shown.text.push('\n');
        }
        at = range.end;
        shown.mark(at);
    }
    let spans = spans.iter().map(|span| shown.of(span.start)..shown.of(span.end)).collect();
    Excerpt { text: shown.text, spans }
}

/// `span` clamped to the text and to character borders.
fn within(text: &str, span: &Range<usize>) -> Range<usize> {
    let floor = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = floor(span.start);
    start..floor(span.end).max(start)
}

struct Shown {
    text: String,
    /// Where a byte of the original stands now: ascending pairs of (original, shown).
    moved: Vec<(usize, usize)>,
}

impl Shown {
    fn mark(&mut self, original: usize) {
        self.moved.push((original, self.text.len()));
    }

    fn push(&mut self, piece: &str, original: usize) {
        self.mark(original);
        for (offset, c) in piece.char_indices() {
            if c != '\t' && is_dangerous(c) {
                self.mark(original + offset);
                self.text.extend(c.escape_unicode());
                self.mark(original + offset + c.len_utf8());
            } else {
                self.text.push(c);
            }
        }
    }

    /// The windows of a long line around the labels in it, or its beginning if there is none.
    fn cut(&mut self, line: &str, original: usize, spans: &[Range<usize>]) {
        let end = original + line.len();
        let mut windows: Vec<Range<usize>> = Vec::new();
        let mut inside: Vec<_> = spans.iter().filter(|span| span.start <= end && span.end >= original).collect();
        inside.sort_by_key(|span| span.start);
        for span in inside {
            let start = back(line, span.start.max(original) - original, AROUND_CHARS);
            let stop = forward(line, span.end.min(end) - original, AROUND_CHARS);
            match windows.last_mut() {
                Some(last) if start <= last.end => last.end = last.end.max(stop),
                _ => windows.push(start..stop),
            }
        }
        if windows.is_empty() {
            windows.push(0..forward(line, 0, LINE_CHARS_MAX - 1));
        }
        let mut at = 0;
        for window in windows {
            if window.start > at {
                self.mark(original + at);
                self.text.push('…');
            }
            self.push(&line[window.clone()], original + window.start);
            at = window.end;
        }
        if at < line.len() {
            self.mark(original + at);
            self.text.push('…');
        }
    }

    /// Where the byte `original` of the text stands now.
    fn of(&self, original: usize) -> usize {
        let after = self.moved.partition_point(|(from, _)| *from <= original);
        match after.checked_sub(1).map(|at| self.moved[at]) {
            Some((from, to)) => {
                let limit = self.moved.get(after).map_or(self.text.len(), |(_, next)| *next);
                (to + (original - from)).min(limit)
            }
            None => 0,
        }
    }
}

fn back(line: &str, at: usize, chars: usize) -> usize {
    line[..at].char_indices().rev().take(chars).last().map_or(at, |(offset, _)| offset)
}

fn forward(line: &str, at: usize, chars: usize) -> usize {
    line[at..].char_indices().nth(chars).map_or(line.len(), |(offset, _)| at + offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::single_range_in_vec_init, reason = "one label")]
    fn plain_text_stays_as_it_is() {
        let text = "a: 1\nb: ü2\n";
        assert_eq!(prepare(text, &[5..6]), Excerpt { text: text.to_owned(), spans: vec![5..6] });
    }

    #[test]
    fn escapes_move_the_labels_behind_them() {
        let excerpt = prepare("k: \x1b[31m x y\r\nnext", &[9..10, 11..12, 14..18]);
        assert_eq!(excerpt.text, "k: \\u{1b}[31m x y\nnext");
        let texts: Vec<&str> = excerpt.spans.iter().map(|span| &excerpt.text[span.clone()]).collect();
        assert_eq!(texts, ["x", "y", "next"]);
    }

    #[test]
    fn long_lines_are_cut_around_their_labels() {
        let line = format!("{}here{}there{}", "a".repeat(500), "b".repeat(500), "c".repeat(500));
        let excerpt = prepare(&format!("first\n{line}\nlast"), &[506..510, 1010..1015]);
        assert!(excerpt.text.len() < 300, "{}", excerpt.text);
        assert_eq!(&excerpt.text[excerpt.spans[0].clone()], "here");
        assert_eq!(&excerpt.text[excerpt.spans[1].clone()], "there");
        assert_eq!(excerpt.text.matches('…').count(), 3);
    }

    #[test]
    #[expect(clippy::single_range_in_vec_init, reason = "one label")]
    fn spans_outside_the_text_are_pulled_in() {
        let excerpt = prepare("aü", &[2..99]);
        assert_eq!(excerpt.spans, [1..3]);
        assert_eq!(prepare("", &[0..5]).spans, [0..0]);
    }
}
