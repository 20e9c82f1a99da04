//! Places in a text as editors count: lines from 0, columns in units of UTF-16 or UTF-8.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// The unit of columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Encoding {
    /// What the protocol demands of everybody.
    #[default]
    Utf16,
    /// What we ask for: bytes.
    Utf8,
}

/// A place between two characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Position {
    pub(super) line: u32,
    pub(super) character: u32,
}

/// From a place to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Span {
    pub(super) start: Position,
    pub(super) end: Position,
}

impl Span {
    /// True if the two share a place, be it only their border.
    pub(super) fn touches(self, other: Self) -> bool {
        self.start <= other.end && other.start <= self.end
    }
}

/// A text by its lines.
#[derive(Debug)]
pub(super) struct Lines<'t> {
    text: &'t str,
    /// The first byte of each line.
    starts: Vec<usize>,
    encoding: Encoding,
}

impl<'t> Lines<'t> {
    pub(super) fn new(text: &'t str, encoding: Encoding) -> Self {
        let bytes = text.as_bytes();
        let ends_line = |at: &usize| bytes[*at] == b'\n' || (bytes[*at] == b'\r' && bytes.get(at + 1) != Some(&b'\n'));
        let starts = std::iter::once(0).chain((0..bytes.len()).filter(ends_line).map(|at| at + 1)).collect();
        Self { text, starts, encoding }
    }

    /// The byte at a place; behind the end of a line its end, behind the last line the end of the text.
    pub(super) fn byte(&self, place: Position) -> usize {
        let Some(start) = usize::try_from(place.line).ok().and_then(|line| self.starts.get(line)) else { return self.text.len() };
        let end = self.starts.get(place.line as usize + 1).copied().unwrap_or(self.text.len());
        let line = self.text[*start..end].trim_end_matches(['\n', '\r']);
        let mut units = 0;
        for (at, c) in line.char_indices() {
            if units >= place.character {
                return start + at;
            }
            units += self.units(c);
        }
        start + line.len()
    }

    /// The place of a byte; inside a character its beginning.
    pub(super) fn position(&self, byte: usize) -> Position {
        let mut byte = byte.min(self.text.len());
        while !self.text.is_char_boundary(byte) {
            byte -= 1;
        }
        let line = self.starts.partition_point(|start| *start <= byte) - 1;
        let character = self.text[self.starts[line]..byte].chars().map(|c| self.units(c)).sum();
        Position { line: u32::try_from(line).unwrap_or(u32::MAX), character }
    }

    pub(super) fn span(&self, bytes: &Range<usize>) -> Span {
        Span { start: self.position(bytes.start), end: self.position(bytes.end) }
    }

    fn units(&self, c: char) -> u32 {
        let units = match self.encoding {
            Encoding::Utf16 => c.len_utf16(),
            Encoding::Utf8 => c.len_utf8(),
        };
        u32::try_from(units).unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(line: u32, character: u32) -> Position {
        Position { line, character }
    }

    #[test]
    fn columns_are_units_of_the_encoding() {
        let text = "a: größe 😀 x\nb";
        let smile = text.find('😀').unwrap();
        for (encoding, before, behind) in [(Encoding::Utf16, 9, 11), (Encoding::Utf8, 11, 15)] {
            let lines = Lines::new(text, encoding);
            assert_eq!((lines.position(smile), lines.position(smile + 4)), (at(0, before), at(0, behind)));
            assert_eq!((lines.byte(at(0, before)), lines.byte(at(0, behind))), (smile, smile + 4));
            assert_eq!(lines.position(smile + 2), at(0, before), "inside a character");
        }
    }

    #[test]
    fn every_line_break_of_the_protocol_counts() {
        let lines = Lines::new("a\nb\r\nc\rd", Encoding::Utf16);
        assert_eq!([0, 2, 5, 7].map(|byte| lines.position(byte)), [at(0, 0), at(1, 0), at(2, 0), at(3, 0)]);
        assert_eq!(lines.byte(at(1, 99)), 3, "the end of a line is before its break");
        assert_eq!((lines.byte(at(9, 0)), lines.position(99)), (8, at(3, 1)));
        assert_eq!((Lines::new("", Encoding::Utf8).byte(at(0, 1)), Lines::new("", Encoding::Utf8).position(1)), (0, at(0, 0)));
    }

    #[test]
    fn spans_touch_at_their_borders() {
        let span = |start: u32, end: u32| Span { start: at(0, start), end: at(0, end) };
        assert!(span(1, 3).touches(span(3, 3)) && span(3, 3).touches(span(1, 3)) && span(1, 9).touches(span(2, 3)));
        assert!(!span(1, 2).touches(span(3, 4)));
    }

    proptest! {
        #[test]
        fn a_place_leads_back_to_its_byte(text in "[aé😀\n\r]{0,20}", pick in any::<prop::sample::Index>()) {
            for encoding in [Encoding::Utf8, Encoding::Utf16] {
                let lines = Lines::new(&text, encoding);
                let bytes: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
                let byte = bytes[pick.index(bytes.len())];
                let between = byte > 0 && text.as_bytes()[byte - 1] == b'\r' && text.as_bytes().get(byte) == Some(&b'\n');
                prop_assert!(between || lines.byte(lines.position(byte)) == byte);
            }
        }

        #[test]
        fn no_place_panics(text in any::<String>(), line in any::<u32>(), character in any::<u32>(), byte in any::<usize>()) {
            let lines = Lines::new(&text, Encoding::Utf16);
            let found = lines.byte(Position { line, character });
            prop_assert!(found <= text.len());
            lines.position(byte);
        }
    }
}
