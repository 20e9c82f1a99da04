//! Hashes of texts, as hexadecimal digits.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringBuilder};
use kpipe_compiler::plan::Call;
use md5::Md5;
use sha2::{Digest, Sha256};

use super::super::step::{Kernel, Operand, Problem};

#[derive(Debug)]
struct Hash(fn(&[u8], &mut String));

pub(super) fn md5(_: &Call) -> Result<Arc<dyn Kernel>, String> {
    Ok(Arc::new(Hash(|text, out| hex(&Md5::digest(text), out))))
}

pub(super) fn sha256(_: &Call) -> Result<Arc<dyn Kernel>, String> {
    Ok(Arc::new(Hash(|text, out| hex(&Sha256::digest(text), out))))
}

fn hex(digest: &[u8], out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in digest {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

impl Kernel for Hash {
    fn run(&self, args: &[Operand], _rows: usize) -> Result<ArrayRef, Problem> {
        let [text] = args else { return Err(Problem::new("one text has a hash")) };
        let (mut hashes, mut hash) = (StringBuilder::new(), String::new());
        for text in text.array.as_string::<i32>() {
            hash.clear();
            match text {
                Some(text) => {
                    (self.0)(text.as_bytes(), &mut hash);
                    hashes.append_value(&hash);
                }
                None => hashes.append_null(),
            }
        }
        Ok(Arc::new(hashes.finish()))
    }
}
