//! Base64 with the standard alphabet and padding (RFC 4648 section 4): how JSON carries bytes.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Appends the text of `bytes`.
pub(super) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    for group in bytes.chunks(3) {
        let mut padded = [0; 4];
        padded[1..=group.len()].copy_from_slice(group);
        let bits = u32::from_be_bytes(padded);
        for place in 0..4 {
            let letter = ALPHABET[(bits >> (18 - 6 * place)) as usize & 63];
            out.push(if place <= group.len() { letter } else { b'=' });
        }
    }
}

/// Appends the bytes of `text`, or says that it is none of ours.
pub(super) fn decode(text: &[u8], out: &mut Vec<u8>) -> Result<(), NotBase64> {
    let groups = text.len().div_ceil(4);
    for (index, group) in text.chunks(4).enumerate() {
        let last = index + 1 == groups;
        let padding = if last { group.iter().rev().take_while(|byte| **byte == b'=').count() } else { 0 };
        if group.len() != 4 || padding > 2 {
            return Err(NotBase64);
        }
        let mut bits = 0_u32;
        for letter in &group[..4 - padding] {
            bits = bits << 6 | u32::from(value(*letter)?);
        }
        bits <<= 6 * padding as u32;
        let bytes = bits.to_be_bytes();
        // Bits that the padding leaves over must be zero: else two texts would mean the same bytes.
        if bytes[4 - padding..].iter().any(|byte| *byte != 0) {
            return Err(NotBase64);
        }
        out.extend_from_slice(&bytes[1..4 - padding]);
    }
    Ok(())
}

/// The text is not base64.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotBase64;

fn value(letter: u8) -> Result<u8, NotBase64> {
    match letter {
        b'A'..=b'Z' => Ok(letter - b'A'),
        b'a'..=b'z' => Ok(letter - b'a' + 26),
        b'0'..=b'9' => Ok(letter - b'0' + 52),
        b'+' => Ok(62),
        b'/' => Ok(63),
        _ => Err(NotBase64),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_standard_examples() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy")]
        {
            let mut out = Vec::new();
            encode(bytes.as_bytes(), &mut out);
            assert_eq!(out, text.as_bytes());
        }
        let mut out = Vec::new();
        encode(&[0, 1, 255], &mut out);
        assert_eq!(out, b"AAH/");
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["Zg", "Zg=", "Z===", "====", "Zh==", "Zm9", "Zg==Zg==", "Zm 9", "Zm9v\n"] {
            assert_eq!(decode(text.as_bytes(), &mut Vec::new()), Err(NotBase64), "{text}");
        }
    }

    proptest! {
        #[test]
        fn bytes_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..70)) {
            let (mut text, mut back) = (Vec::new(), Vec::new());
            encode(&bytes, &mut text);
            prop_assert_eq!(decode(&text, &mut back), Ok(()));
            prop_assert_eq!(back, bytes);
        }

        #[test]
        fn any_text_is_answered(text in proptest::collection::vec(any::<u8>(), 0..20)) {
            let mut bytes = Vec::new();
            if decode(&text, &mut bytes).is_ok() {
                let mut again = Vec::new();
                encode(&bytes, &mut again);
                prop_assert_eq!(again, text);
            }
        }
    }
}
