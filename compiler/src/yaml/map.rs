//! From offsets in a decoded scalar back to bytes of the file.

use kpipe_grammar::span::Span;

use crate::sources::{FileId, Location};

/// Where each byte of a decoded scalar comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScalarMap {
    file: FileId,
    whole: Span,
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
    /// A map of these runs; `whole` is where the scalar stands.
    pub(crate) fn new(at: Location, segments: Vec<Segment>) -> Self {
        Self { file: at.file, whole: at.span, segments }
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
        if segment.whole || segment.decoded.len() != segment.source.len() {
            return Some(segment.source);
        }
        let start = segment.source.start + (at - segment.decoded.start);
        Some(Span::new(start, start + 1))
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
    pub(crate) fn finish(self, at: Location) -> (String, ScalarMap) {
        (self.text, ScalarMap::new(at, self.segments))
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
        builder.finish(Location::new(FileId::default(), Span::new(9, 30))).1
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

    #[test]
    fn points_stay_behind_the_character_before_them() {
        check(0, 0, 10, 10);
        check(3, 3, 13, 13);
        check(6, 6, 22, 22);
        check(99, 99, 9, 30);
    }
}
