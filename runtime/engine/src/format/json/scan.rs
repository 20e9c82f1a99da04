//! Looking through JSON text many bytes at a time.

/// A JSON text.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    bytes: &'a [u8],
    /// True: printable ASCII without a backslash. Then the end of a string is the next quote.
    plain: bool,
}

impl<'a> Text<'a> {
    #[inline]
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, plain: all_plain(bytes) }
    }

    /// Whether the text is printable ASCII without a backslash.
    pub(super) fn is_plain(self) -> bool {
        self.plain
    }

    /// The bytes.
    pub(super) fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// The byte at `at`; behind the end 0, which begins no token.
    #[inline(always)]
    pub(super) fn peek(self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    /// The first position from `at` on that is no white space.
    #[inline(always)]
    pub(super) fn white(self, at: usize) -> usize {
        if self.peek(at) > b' ' { at } else { white_run(self.bytes, at) }
    }

    /// The first position from `at` on where a string ends or is more than its own text: of a `"`, a `\` or a control character.
    #[inline(always)]
    pub(super) fn special(self, at: usize) -> usize {
        if self.plain { quote(self.bytes, at) } else { special(self.bytes, at) }
    }

    /// Whether `prefix` stands at `at`. Short ones are compared as two or four words that may overlap: a call of `memcmp` costs more.
    #[inline(always)]
    pub(super) fn stands_at(self, at: usize, prefix: &[u8]) -> bool {
        let length = prefix.len();
        let Some(found) = self.bytes.get(at..).and_then(|rest| rest.get(..length)) else { return false };
        match length {
            4..8 => half(found, 0) == half(prefix, 0) && half(found, length - 4) == half(prefix, length - 4),
            8..=16 => word(found, 0) == word(prefix, 0) && word(found, length - 8) == word(prefix, length - 8),
            17..=32 => {
                let first = word(found, 0) == word(prefix, 0) && word(found, 8) == word(prefix, 8);
                first && word(found, length - 16) == word(prefix, length - 16) && word(found, length - 8) == word(prefix, length - 8)
            }
            _ => found == prefix,
        }
    }

    /// Eight bytes as one number, the first byte lowest; what is behind the end counts as zero.
    #[inline(always)]
    pub(super) fn word(self, at: usize) -> u64 {
        word(self.bytes, at)
    }
}

/// All marks of all bytes together.
///
/// No early end and no branch, and to be called from a function that is not inlined: so the compiler makes vector instructions of it. The
/// last block overlaps the one before it, which is cheaper than its bytes one by one.
#[inline(always)]
pub(super) fn marks(bytes: &[u8], mark: impl Fn(u8) -> u8) -> u8 {
    let Some(last) = bytes.last_chunk::<32>() else { return bytes.iter().fold(0, |found, byte| found | mark(*byte)) };
    let mut found = last.map(&mark);
    for block in bytes.as_chunks::<32>().0 {
        for (found, byte) in found.iter_mut().zip(block) {
            *found |= mark(*byte);
        }
    }
    found.iter().fold(0, |found, byte| found | byte)
}

#[inline(never)]
fn all_plain(bytes: &[u8]) -> bool {
    marks(bytes, other) & 0x80 == 0
}

/// The highest bit is set if the byte is no plain text.
#[inline(always)]
fn other(byte: u8) -> u8 {
    let control = if byte < b' ' { 0xff } else { 0 };
    let backslash = if byte == b'\\' { 0xff } else { 0 };
    byte | control | backslash
}

#[cold]
fn white_run(text: &[u8], mut at: usize) -> usize {
    while matches!(text.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

const ONES: u64 = 0x0101_0101_0101_0101;

/// The first quote from `at` on; the length of the text if there is none.
#[inline(always)]
fn quote(text: &[u8], mut at: usize) -> usize {
    while let Some(block) = text.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*block) ^ (ONES * b'"' as u64);
        let found = word.wrapping_sub(ONES) & !word & (ONES << 7);
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while at < text.len() && text[at] != b'"' {
        at += 1;
    }
    at
}

/// The first position from `at` on of a `"`, a `\` or a control character; the length of the text if there is none.
#[inline(always)]
pub(crate) fn special(text: &[u8], mut at: usize) -> usize {
    while let Some(block) = text.get(at..).and_then(<[u8]>::first_chunk::<16>) {
        if let Some(found) = special_in(block) {
            return at + found;
        }
        at += 16;
    }
    while at < text.len() && !is_special(text[at]) {
        at += 1;
    }
    at
}

#[inline(always)]
fn is_special(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

/// The first special byte of a block, which is looked at as two words.
#[inline(always)]
fn special_in(block: &[u8; 16]) -> Option<usize> {
    let bits = u128::from_le_bytes(*block);
    let low = special_mask(bits as u64);
    if low != 0 {
        return Some(low.trailing_zeros() as usize / 8);
    }
    let high = special_mask((bits >> 64) as u64);
    (high != 0).then(|| 8 + high.trailing_zeros() as usize / 8)
}

/// The highest bit of every special byte. A borrow can mark a byte behind the first one by mistake, never the first one.
#[inline(always)]
fn special_mask(word: u64) -> u64 {
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let found =
        (quote.wrapping_sub(ONES) & !quote) | (backslash.wrapping_sub(ONES) & !backslash) | (word.wrapping_sub(ONES * b' ' as u64) & !word);
    found & (ONES << 7)
}

#[inline(always)]
fn word(text: &[u8], at: usize) -> u64 {
    match text.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => word_at_end(text, at),
    }
}

#[cold]
fn word_at_end(text: &[u8], at: usize) -> u64 {
    let rest = text.get(at..).unwrap_or_default();
    let mut bytes = [0; 8];
    bytes[..rest.len()].copy_from_slice(rest);
    u64::from_le_bytes(bytes)
}

#[inline(always)]
fn half(text: &[u8], at: usize) -> u32 {
    text.get(at..).and_then(<[u8]>::first_chunk::<4>).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// Appends `text[from..to]`. A short piece is copied as one block of sixteen and cut, which is cheaper than a call of `memcpy`.
#[inline(always)]
pub(crate) fn append(out: &mut Vec<u8>, text: &[u8], from: usize, to: usize) {
    let length = to - from;
    match text.get(from..).and_then(<[u8]>::first_chunk::<16>) {
        Some(block) if length <= 16 => {
            let end = out.len() + length;
            out.extend(*block);
            out.truncate(end);
        }
        _ => out.extend_from_slice(&text[from..to]),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn special_is_the_first_special_byte(text in proptest::collection::vec(prop_oneof![3 => 32_u8..=255, 1 => any::<u8>()], 0..80), from in 0_usize..80) {
            let from = from.min(text.len());
            let expected = text[from..].iter().position(|byte| is_special(*byte)).map_or(text.len(), |found| from + found);
            prop_assert_eq!(special(&text, from), expected);
            prop_assert_eq!(Text::new(&text).special(from), expected);
        }

        #[test]
        fn plain_texts_are_found(text in proptest::collection::vec(prop_oneof![30 => 32_u8..0x5b, 1 => any::<u8>()], 0..80), from in 0_usize..80) {
            let plain = text.iter().all(|byte| (b' '..0x80).contains(byte) && *byte != b'\\');
            prop_assert_eq!(Text::new(&text).is_plain(), plain);
            let from = from.min(text.len());
            prop_assert_eq!(Text::new(&text).special(from), special(&text, from));
        }

        #[test]
        fn a_prefix_stands_where_it_is_and_nowhere_else(prefix in proptest::collection::vec(any::<u8>(), 0..50), before in 0_usize..4, after in 0_usize..20, flip in any::<usize>()) {
            let mut text = vec![b'x'; before];
            text.extend(&prefix);
            text.extend(vec![b'y'; after]);
            prop_assert!(Text::new(&text).stands_at(before, &prefix));
            if !prefix.is_empty() {
                text[before + flip % prefix.len()] ^= 1;
                prop_assert!(!Text::new(&text).stands_at(before, &prefix));
                text.truncate(before + prefix.len() - 1);
                prop_assert!(!Text::new(&text).stands_at(before, &prefix));
            }
        }

        #[test]
        fn append_copies_exactly(text in proptest::collection::vec(any::<u8>(), 0..60), from in any::<usize>(), to in any::<usize>()) {
            let to = to % (text.len() + 1);
            let from = from % (to + 1);
            let mut out = vec![7];
            append(&mut out, &text, from, to);
            prop_assert_eq!(&out[1..], &text[from..to]);
        }
    }

    #[test]
    fn white_space_is_the_four_of_the_standard() {
        assert_eq!(Text::new(b" \t\r\n{").white(0), 4);
        assert_eq!(Text::new(b"\x0b{").white(0), 0);
        assert_eq!(Text::new(b"  ").white(0), 2);
    }
}
