//! From offsets in a decoded scalar back to bytes of the file.

use kpipe_grammar::span::Span;

use super::tree::Style;
use crate::sources::{FileId, Location};

/// Where each byte of a decoded scalar comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScalarMap {
    file: FileId,
    whole: Span,
    style: Style,
    segments: Vec<Segment>,
}

/// A run of decoded bytes. The runs of a map follow each other without gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Where the run begins in the decoded text.
    pub(crate) decoded: Span,
    /// Where it comes from. Of the same length: byte by byte; of another one: as a whole, as an escape or a folded line break.
    pub(crate) source: Span,
    /// True for a run that stands for its source as a whole even where the lengths are equal.
    pub(crate) whole: bool,
}

impl ScalarMap {
    /// A map of these runs; `at` is where the scalar stands.
    pub(crate) fn new(at: Location, style: Style, segments: Vec<Segment>) -> Self {
        Self { file: at.file, whole: at.span, style, segments }
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> FileId {
        self.file
    }

    /// Where the whole scalar is written.
    #[must_use]
    pub fn whole(&self) -> Location {
        Location::new(self.file, self.whole)
    }

    /// The runs.
    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The place of a range of the decoded text. Where no byte is known, the whole scalar.
    #[must_use]
    pub fn locate(&self, span: Span) -> Location {
        let place = if span.is_empty() { self.point(span.start) } else { self.range(span) };
        Location::new(self.file, place.unwrap_or(self.whole))
    }

    /// What to replace in the file, and by what, so that `replacement` stands in the decoded text in the place of `span`.
    ///
    /// `None` where the range does not stand in the file as it reads (an escape, a folded line break, a reference), or where the
    /// replacement cannot be written in the style of the scalar.
    #[must_use]
    pub fn edit(&self, span: Span, replacement: &str) -> Option<(Location, String)> {
        let place = if span.is_empty() { self.between(span.start)? } else { self.copied_range(span)? };
        let written = written(self.style, replacement, place.start == self.whole.start)?;
        Some((Location::new(self.file, place), written))
    }

    /// A range whose bytes all stand in the file as they are; the indentation of its further lines lies between them.
    fn copied_range(&self, span: Span) -> Option<Span> {
        let first = self.segments.partition_point(|segment| segment.decoded.end <= span.start);
        let touched = self.segments[first..].iter().take_while(|segment| segment.decoded.start < span.end);
        // A line break of a literal block is one; only the indentation behind it is more than the text says.
        let is_break = |segment: &Segment| {
            let is_inside = span.start < segment.decoded.start && segment.decoded.end < span.end;
            self.style == Style::Literal && is_inside && segment.decoded.len() == 1 && segment.source.len() <= 2
        };
        let is_known = touched.clone().all(|segment| segment.is_copied() || is_break(segment));
        let is_there = touched.last().is_some_and(|last| last.decoded.end >= span.end);
        if is_known && is_there { self.range(span) } else { None }
    }

    /// A place beside a byte that stands in the file as it is.
    fn between(&self, at: usize) -> Option<Span> {
        let before = at.checked_sub(1).and_then(|before| self.copied_range(Span::new(before, at))).map(|before| before.end);
        let place = before.or_else(|| self.copied_range(Span::new(at, at + 1)).map(|after| after.start))?;
        Some(Span::new(place, place))
    }

    fn range(&self, span: Span) -> Option<Span> {
        let first = self.byte(span.start)?;
        let last = self.byte(span.end - 1).unwrap_or(first);
        Some(Span::new(first.start, last.end.max(first.end)))
    }

    /// A place between two characters: behind the one before it, so that it stays on its line.
    fn point(&self, at: usize) -> Option<Span> {
        let place = match at.checked_sub(1).and_then(|before| self.byte(before)) {
            Some(before) => before.end,
            None => self.byte(at)?.start,
        };
        Some(Span::new(place, place))
    }

    /// Where one decoded byte comes from.
    fn byte(&self, at: usize) -> Option<Span> {
        let index = self.segments.partition_point(|segment| segment.decoded.end <= at);
        let segment = self.segments.get(index)?;
        if !segment.is_copied() {
            return Some(segment.source);
        }
        let start = segment.source.start + (at - segment.decoded.start);
        Some(Span::new(start, start + 1))
    }
}

impl Segment {
    /// True if its bytes stand in the file as they are.
    fn is_copied(&self) -> bool {
        !self.whole && self.decoded.len() == self.source.len()
    }
}

/// `text` as it stands inside a scalar of this style; `None` where that is not certain.
fn written(style: Style, text: &str, at_start: bool) -> Option<String> {
    if text.chars().any(char::is_control) {
        return None;
    }
    match style {
        Style::Literal | Style::Folded => Some(text.to_owned()),
        Style::Single => Some(text.replace('\'', "''")),
        Style::Double => Some(text.replace('\\', "\\\\").replace('"', "\\\"")),
        Style::Plain => {
            let begins_plainly = !at_start || text.chars().next().is_none_or(|c| c.is_alphanumeric() || c == '_');
            let is_plain = !text.contains([':', '#', ',', '[', ']', '{', '}']);
            (begins_plainly && is_plain).then(|| text.to_owned())
        }
        Style::Tagged => None,
    }
}

/// Builds a map run by run.
#[derive(Debug, Default)]
pub(crate) struct MapBuilder {
    /// The decoded text so far.
    pub(crate) text: String,
    segments: Vec<Segment>,
}

impl MapBuilder {
    /// Appends bytes that stand in the file as they are.
    pub(crate) fn copy(&mut self, text: &str, start: usize) {
        if text.is_empty() {
            return;
        }
        let decoded = Span::new(self.text.len(), self.text.len() + text.len());
        self.text.push_str(text);
        if let Some(last) = self.segments.last_mut()
            && !last.whole
            && last.source.end == start
        {
            last.decoded.end = decoded.end;
            last.source.end = start + text.len();
            return;
        }
        self.segments.push(Segment { decoded, source: Span::new(start, start + text.len()), whole: false });
    }

    /// Appends text that stands for a part of the file as a whole.
    pub(crate) fn stand_in(&mut self, text: &str, source: Span) {
        if text.is_empty() {
            return;
        }
        let decoded = Span::new(self.text.len(), self.text.len() + text.len());
        self.text.push_str(text);
        self.segments.push(Segment { decoded, source, whole: true });
    }

    /// Appends a part of another decoded text, `text`, with the places that `map` gives it.
    pub(crate) fn copy_from(&mut self, map: &ScalarMap, part: Span, text: &str) {
        let first = map.segments().partition_point(|segment| segment.decoded.end <= part.start);
        for segment in map.segments()[first..].iter().take_while(|segment| segment.decoded.start < part.end) {
            let start = segment.decoded.start.max(part.start);
            let piece = Span::new(start, segment.decoded.end.min(part.end)).text(text);
            if segment.whole {
                self.stand_in(piece, segment.source);
            } else {
                self.copy(piece, segment.source.start + (start - segment.decoded.start));
            }
        }
    }

    /// The map of what was appended.
    pub(crate) fn finish(self, at: Location, style: Style) -> (String, ScalarMap) {
        (self.text, ScalarMap::new(at, style, self.segments))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> ScalarMap {
        let mut builder = MapBuilder::default();
        builder.copy("ab", 10);
        builder.copy("c", 12);
        builder.stand_in("\n", Span::new(13, 15));
        builder.copy("de", 20);
        builder.finish(Location::new(FileId::default(), Span::new(9, 30)), Style::Double).1
    }

    #[track_caller]
    fn check(start: usize, end: usize, file_start: usize, file_end: usize) {
        assert_eq!(map().locate(Span::new(start, end)).span, Span::new(file_start, file_end));
    }

    #[test]
    fn runs_that_touch_become_one() {
        assert_eq!(map().segments().len(), 3);
    }

    #[test]
    fn ranges_follow_their_bytes() {
        check(0, 1, 10, 11);
        check(1, 3, 11, 13);
        check(2, 5, 12, 21);
        check(3, 4, 13, 15);
        check(4, 6, 20, 22);
    }

    /// Where an edit of a range falls, if it is certain.
    fn edited(start: usize, end: usize) -> Option<(usize, usize)> {
        map().edit(Span::new(start, end), "x").map(|(at, _)| (at.span.start, at.span.end))
    }

    #[test]
    fn edits_are_made_where_the_text_stands_as_it_reads() {
        assert_eq!(edited(0, 2), Some((10, 12)));
        assert_eq!(edited(4, 6), Some((20, 22)));
        for (start, end) in [(2, 4), (3, 4), (2, 5), (5, 7), (9, 10)] {
            assert_eq!(edited(start, end), None, "{start}..{end} has an escape or an end that is not there");
        }
        assert_eq!((edited(0, 0), edited(3, 3), edited(6, 6)), (Some((10, 10)), Some((13, 13)), Some((22, 22))));
        assert_eq!(edited(4, 4), Some((20, 20)), "behind an escape it is before the next byte");
        assert_eq!(edited(99, 99), None);
    }

    #[test]
    fn a_replacement_is_written_as_its_scalar_is() {
        let kept = |style, text: &str| written(style, text, false);
        for style in [Style::Literal, Style::Folded] {
            assert_eq!(kept(style, "'a' \"b\" \\ # c"), Some("'a' \"b\" \\ # c".to_owned()));
        }
        assert_eq!(kept(Style::Single, "'a'\""), Some("''a''\"".to_owned()));
        assert_eq!(kept(Style::Double, "a\"\\'"), Some("a\\\"\\\\'".to_owned()));
        assert_eq!(
            (kept(Style::Plain, "`a b`"), kept(Style::Plain, "a: b"), kept(Style::Plain, "a, b")),
            (Some("`a b`".to_owned()), None, None)
        );
        assert_eq!((written(Style::Plain, "`a`", true), written(Style::Plain, "INSERT", true)), (None, Some("INSERT".to_owned())));
        assert_eq!((kept(Style::Tagged, "a"), kept(Style::Literal, "a\nb")), (None, None));
    }

    #[test]
    fn points_stay_behind_the_character_before_them() {
        check(0, 0, 10, 10);
        check(3, 3, 13, 13);
        check(6, 6, 22, 22);
        check(99, 99, 9, 30);
    }
}
