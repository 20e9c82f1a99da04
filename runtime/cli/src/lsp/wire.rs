//! Messages on a stream: headers, a blank line, as many bytes of JSON as the header says.

use std::io::{self, BufRead, Read as _, Write};

use serde_json::Value;

/// Largest message. The largest file that is read is 1 MiB, which escaping can make six times as long.
pub(super) const MESSAGE_BYTES_MAX: u64 = 16 << 20;
/// All headers of a message together.
const HEADER_BYTES_MAX: u64 = 16 << 10;

/// What came in.
#[derive(Debug, PartialEq)]
pub(super) enum Incoming {
    /// A message.
    Message(Value),
    /// Something that is none, and why. The stream goes on behind it.
    Broken(String),
    /// The other side is gone, or what it sends has no end.
    End,
}

/// Reads the next message.
pub(super) fn read(input: &mut dyn BufRead) -> io::Result<Incoming> {
    let Some(length) = headers(input)? else { return Ok(Incoming::End) };
    let length = match length {
        Ok(length) => length,
        Err(why) => return Ok(Incoming::Broken(why)),
    };
    if length > MESSAGE_BYTES_MAX {
        let skipped = io::copy(&mut input.take(length), &mut io::sink())?;
        let why = format!("a message has at most {MESSAGE_BYTES_MAX} bytes, this one has {length}");
        return Ok(if skipped == length { Incoming::Broken(why) } else { Incoming::End });
    }
    let mut bytes = Vec::new();
    input.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != length {
        return Ok(Incoming::End);
    }
    Ok(match serde_json::from_slice(&bytes) {
        Ok(message) => Incoming::Message(message),
        Err(error) => Incoming::Broken(format!("not JSON: {error}")),
    })
}

/// The length of the message after its headers, or what is wrong with them; none at the end of the stream.
fn headers(input: &mut dyn BufRead) -> io::Result<Option<Result<u64, String>>> {
    let mut input = input.take(HEADER_BYTES_MAX);
    let mut length = None;
    loop {
        let mut line = Vec::new();
        input.read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim();
        if line.is_empty() {
            return Ok(Some(length.unwrap_or_else(|| Err("the header `Content-Length` is missing".to_owned()))));
        }
        if let Some((name, value)) = line.split_once(':')
            && name.trim().eq_ignore_ascii_case("content-length")
        {
            length = Some(value.trim().parse().map_err(|_| format!("`{}` is not a length", value.trim().escape_debug())));
        }
    }
}

/// Writes a message.
pub(super) fn write(out: &mut dyn Write, message: &Value) -> io::Result<()> {
    let text = message.to_string();
    write!(out, "Content-Length: {}\r\n\r\n{text}", text.len())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn all(mut bytes: &[u8]) -> Vec<Incoming> {
        let mut found = Vec::new();
        loop {
            let incoming = read(&mut bytes).unwrap();
            if incoming == Incoming::End {
                return found;
            }
            found.push(incoming);
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut stream = Vec::new();
        let messages = [json!({ "jsonrpc": "2.0", "method": "größe" }), json!([1, 2]), json!(null)];
        for message in &messages {
            write(&mut stream, message).unwrap();
        }
        assert_eq!(all(&stream), messages.map(Incoming::Message));
    }

    #[test]
    fn headers_are_read_in_any_case_and_others_skipped() {
        let text = "Content-Type: application/vscode-jsonrpc; charset=utf-8\r\ncontent-length : 2\r\n\r\n{}Content-Length: 4\n\nnull";
        assert_eq!(all(text.as_bytes()), [Incoming::Message(json!({})), Incoming::Message(Value::Null)]);
    }

    #[test]
    fn after_something_broken_the_stream_goes_on() {
        let text = "X: 1\r\n\r\nContent-Length: many\r\n\r\nContent-Length: 3\r\n\r\n{a}Content-Length: 2\r\n\r\n{}";
        let found = all(text.as_bytes());
        assert_eq!(found.len(), 4);
        for (broken, why) in found.iter().zip(["is missing", "`many`", "not JSON"]) {
            assert!(matches!(broken, Incoming::Broken(said) if said.contains(why)), "{broken:?}");
        }
        assert_eq!(found[3], Incoming::Message(json!({})));
    }

    #[test]
    fn a_message_that_is_too_long_is_skipped() {
        let length = MESSAGE_BYTES_MAX + 1;
        let mut stream = format!("Content-Length: {length}\r\n\r\n").into_bytes();
        stream.resize(stream.len() + usize::try_from(length).unwrap(), b' ');
        stream.extend_from_slice(b"Content-Length: 2\r\n\r\n{}");
        let found = all(&stream);
        assert!(matches!(&found[0], Incoming::Broken(why) if why.contains("at most")), "{:?}", found[0]);
        assert_eq!(found[1], Incoming::Message(json!({})));
    }

    #[test]
    fn a_stream_that_ends_early_or_never_ends_a_line_is_over() {
        for text in ["", "Content-Length: 5", "Content-Length: 5\r\n\r\n{}", "Content-Length: 99999999999\r\n\r\n{}"] {
            assert_eq!(all(text.as_bytes()), [], "{text:?}");
        }
        assert_eq!(all(&vec![b'x'; 1 << 20]), []);
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let stream = format!("Content-Length: {}\r\n\r\n{deep}", deep.len());
        assert!(matches!(&all(stream.as_bytes())[..], [Incoming::Broken(_)]));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), length in 0..300_usize) {
            let mut stream = format!("Content-Length: {length}\r\n\r\n").into_bytes();
            stream.extend_from_slice(&bytes);
            all(&stream);
            all(&bytes);
        }
    }
}
