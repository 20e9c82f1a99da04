//! Looking through JSON text many bytes at a time.

/// The byte at `at`; behind the end 0, which begins no token.
#[inline(always)]
pub(super) fn peek(text: &[u8], at: usize) -> u8 {
    text.get(at).copied().unwrap_or(0)
}

/// The first position from `at` on that is no white space.
#[inline(always)]
pub(super) fn white(text: &[u8], at: usize) -> usize {
    if peek(text, at) > b' ' { at } else { white_run(text, at) }
}

#[cold]
fn white_run(text: &[u8], mut at: usize) -> usize {
    while matches!(text.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
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
    const ONES: u64 = 0x0101_0101_0101_0101;
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let found =
        (quote.wrapping_sub(ONES) & !quote) | (backslash.wrapping_sub(ONES) & !backslash) | (word.wrapping_sub(ONES * b' ' as u64) & !word);
    found & (ONES << 7)
}

/// Whether `prefix` stands at `at`. Short ones are compared as two or four words that may overlap: a call of `memcmp` costs more.
#[inline(always)]
pub(super) fn stands_at(text: &[u8], at: usize, prefix: &[u8]) -> bool {
    let length = prefix.len();
    let Some(found) = text.get(at..).and_then(|rest| rest.get(..length)) else { return false };
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
pub(super) fn word(text: &[u8], at: usize) -> u64 {
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
            out.extend_from_slice(block);
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
        }

        #[test]
        fn a_prefix_stands_where_it_is_and_nowhere_else(prefix in proptest::collection::vec(any::<u8>(), 0..50), before in 0_usize..4, after in 0_usize..20, flip in any::<usize>()) {
            let mut text = vec![b'x'; before];
            text.extend(&prefix);
            text.extend(vec![b'y'; after]);
            prop_assert!(stands_at(&text, before, &prefix));
            if !prefix.is_empty() {
                text[before + flip % prefix.len()] ^= 1;
                prop_assert!(!stands_at(&text, before, &prefix));
                text.truncate(before + prefix.len() - 1);
                prop_assert!(!stands_at(&text, before, &prefix));
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
        assert_eq!(white(b" \t\r\n{", 0), 4);
        assert_eq!(white(b"\x0b{", 0), 0);
        assert_eq!(white(b"  ", 0), 2);
    }
}
