//! MQTT frames: finding them in a read buffer, taking PUBLISH apart in place, and writing acknowledgements.
//!
//! Only what happens once per message stands here. CONNECT, SUBSCRIBE and their answers go through rumqttc's packet types.

use std::ops::Range;

use bytes::{BufMut, BytesMut};

use super::options::Version;

/// A frame that cannot be: the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    #[error("the length of a packet takes more than four bytes")]
    Length,
    #[error("a packet of {size} bytes is larger than message_bytes_max ({max})")]
    TooLarge { size: usize, max: usize },
    #[error("a packet ends in the middle of a field")]
    Truncated,
    #[error("a topic is not UTF-8")]
    TopicText,
    #[error("a PUBLISH has quality of service 3")]
    Qos,
    #[error("a packet of type {0} is not for a client")]
    Type(u8),
}

/// A whole frame at the start of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// The first byte: type and flags.
    pub(super) head: u8,
    /// Where the body starts.
    pub(super) body: usize,
    /// Bytes of the whole frame.
    pub(super) len: usize,
}

/// The frame at the start of `buffer`; `Err(n)` says that `n` more bytes are needed at least.
pub(super) fn frame(buffer: &[u8], size_max: usize) -> Result<Result<Frame, usize>, FrameError> {
    let Some((&head, rest)) = buffer.split_first() else { return Ok(Err(2)) };
    let (mut length, mut shift) = (0usize, 0u32);
    for (index, byte) in rest.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let body = index + 2;
            let len = body + length;
            if len > size_max {
                return Err(FrameError::TooLarge { size: len, max: size_max });
            }
            return Ok(if buffer.len() >= len { Ok(Frame { head, body, len }) } else { Err(len - buffer.len()) });
        }
        shift += 7;
    }
    if rest.len() >= 4 { Err(FrameError::Length) } else { Ok(Err(1)) }
}

/// A PUBLISH, as ranges of the buffer that it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Publish {
    /// The topic's bytes; checked to be UTF-8 by whoever sees a topic for the first time.
    pub(super) topic: Range<usize>,
    /// The payload.
    pub(super) payload: Range<usize>,
    /// MQTT 5 properties without their length; empty in 3.1.1.
    pub(super) properties: Range<usize>,
    /// 0, 1 or 2.
    pub(super) qos: u8,
    /// The retained flag.
    pub(super) retained: bool,
    /// The packet's number; 0 at QoS 0.
    pub(super) packet_id: u16,
}

/// Takes the PUBLISH in `frame` of `buffer` apart; `at` is where the frame starts.
pub(super) fn publish(buffer: &[u8], at: usize, frame: Frame, version: Version) -> Result<Publish, FrameError> {
    let qos = (frame.head >> 1) & 3;
    if qos == 3 {
        return Err(FrameError::Qos);
    }
    let end = at + frame.len;
    let mut cursor = Cursor { buffer, at: at + frame.body, end };
    let topic_len = usize::from(cursor.u16()?);
    let topic = cursor.take(topic_len)?;
    let packet_id = if qos == 0 { 0 } else { cursor.u16()? };
    let properties = match version {
        Version::V311 => cursor.at..cursor.at,
        Version::V5 => {
            let len = cursor.varint()?;
            cursor.take(len)?
        }
    };
    Ok(Publish { topic, payload: cursor.at..end, properties, qos, retained: frame.head & 1 == 1, packet_id })
}

/// The topic of a PUBLISH of which only the start is there; `Err(n)` says that `n` more bytes are needed.
pub(super) fn topic_at_start(buffer: &[u8]) -> Result<&[u8], usize> {
    let body = 2 + buffer.iter().skip(1).take(3).take_while(|byte| **byte & 0x80 != 0).count();
    let Some(&[high, low]) = buffer.get(body..body + 2) else { return Err(body + 2 - buffer.len()) };
    let end = body + 2 + usize::from(u16::from_be_bytes([high, low]));
    buffer.get(body + 2..end).ok_or_else(|| end - buffer.len())
}

/// The packet number of a PUBREL.
pub(super) fn packet_id(buffer: &[u8], at: usize, frame: Frame) -> Result<u16, FrameError> {
    Cursor { buffer, at: at + frame.body, end: at + frame.len }.u16()
}

/// A DISCONNECT's reason (MQTT 5); 0 if there is none.
pub(super) fn disconnect_reason(buffer: &[u8], at: usize, frame: Frame) -> u8 {
    if frame.len > frame.body { buffer[at + frame.body] } else { 0 }
}

/// MQTT 5 user properties among the properties of a PUBLISH, as name and value. What cannot be read ends the walk.
pub(super) fn user_properties(properties: &[u8], mut each: impl FnMut(&str, &[u8])) {
    let mut cursor = Cursor { buffer: properties, at: 0, end: properties.len() };
    while let Ok(id) = cursor.take(1) {
        let step = match properties[id.start] {
            0x01 => cursor.take(1).map(drop),
            0x02 => cursor.take(4).map(drop),
            0x03 | 0x08 | 0x09 => cursor.field().map(drop),
            0x0b => cursor.varint().map(drop),
            0x23 => cursor.take(2).map(drop),
            0x26 => cursor.field().and_then(|name| {
                let value = cursor.field()?;
                let name = std::str::from_utf8(&properties[name]).map_err(|_| FrameError::TopicText)?;
                each(name, &properties[value]);
                Ok(())
            }),
            _ => Err(FrameError::Truncated),
        };
        if step.is_err() {
            return;
        }
    }
}

/// Writes PUBACK (`0x40`), PUBREC (`0x50`) or PUBCOMP (`0x70`): four bytes in both versions (success needs no reason).
pub(super) fn write_ack(out: &mut BytesMut, head: u8, packet_id: u16) {
    out.put_slice(&[head, 2]);
    out.put_u16(packet_id);
}

struct Cursor<'a> {
    buffer: &'a [u8],
    at: usize,
    end: usize,
}

impl Cursor<'_> {
    fn take(&mut self, len: usize) -> Result<Range<usize>, FrameError> {
        let range = self.at..self.at + len;
        if range.end > self.end {
            return Err(FrameError::Truncated);
        }
        self.at = range.end;
        Ok(range)
    }

    fn u16(&mut self) -> Result<u16, FrameError> {
        let range = self.take(2)?;
        Ok(u16::from_be_bytes([self.buffer[range.start], self.buffer[range.start + 1]]))
    }

    fn field(&mut self) -> Result<Range<usize>, FrameError> {
        let len = usize::from(self.u16()?);
        self.take(len)
    }

    fn varint(&mut self) -> Result<usize, FrameError> {
        let mut value = 0usize;
        for shift in [0, 7, 14, 21] {
            let byte = self.buffer[self.take(1)?.start];
            value |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(FrameError::Length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes_of_publish(qos: u8, topic: &str, payload: &[u8], properties: Option<&[u8]>) -> Vec<u8> {
        let mut body = (topic.len() as u16).to_be_bytes().to_vec();
        body.extend_from_slice(topic.as_bytes());
        if qos > 0 {
            body.extend_from_slice(&7u16.to_be_bytes());
        }
        if let Some(properties) = properties {
            body.push(properties.len() as u8);
            body.extend_from_slice(properties);
        }
        body.extend_from_slice(payload);
        let mut out = vec![0x30 | (qos << 1)];
        let mut rest = body.len();
        loop {
            let byte = (rest % 128) as u8;
            rest /= 128;
            out.push(if rest > 0 { byte | 0x80 } else { byte });
            if rest == 0 {
                break;
            }
        }
        out.extend(body);
        out
    }

    #[test]
    fn a_frame_is_found_when_it_is_whole() {
        let bytes = bytes_of_publish(1, "a/b", &[b'x'; 300], None);
        for cut in 0..bytes.len() {
            assert!(matches!(frame(&bytes[..cut], 1 << 20), Ok(Err(needed)) if needed > 0), "cut at {cut}");
        }
        let found = frame(&bytes, 1 << 20).unwrap().unwrap();
        assert_eq!(found.len, bytes.len());
        let publish = publish(&bytes, 0, found, Version::V311).unwrap();
        assert_eq!(&bytes[publish.topic], b"a/b");
        assert_eq!(publish.payload.len(), 300);
        assert_eq!((publish.qos, publish.packet_id, publish.retained), (1, 7, false));
    }

    #[test]
    fn limits_are_kept() {
        let bytes = bytes_of_publish(0, "a", &[0; 200], None);
        assert_eq!(frame(&bytes, 100), Err(FrameError::TooLarge { size: bytes.len(), max: 100 }));
        assert_eq!(frame(&[0x30, 0xff, 0xff, 0xff, 0xff, 1], 1 << 30), Err(FrameError::Length));
    }

    #[test]
    fn the_topic_of_a_large_message_is_known_early() {
        let bytes = bytes_of_publish(1, "a/b", &[b'x'; 20_000], None);
        let known = (1..bytes.len()).find(|len| topic_at_start(&bytes[..*len]).is_ok()).unwrap();
        assert_eq!((known, topic_at_start(&bytes[..known])), (4 + 2 + 3, Ok(b"a/b".as_slice())));
        assert!((1..known).all(|len| topic_at_start(&bytes[..len]).is_err_and(|needed| needed > 0 && len + needed <= known)));
    }

    #[test]
    fn a_topic_longer_than_its_packet_is_refused() {
        let bytes = [0x30, 3, 0, 9, b'a'];
        let found = frame(&bytes, 100).unwrap().unwrap();
        assert_eq!(publish(&bytes, 0, found, Version::V311), Err(FrameError::Truncated));
    }

    #[test]
    fn user_properties_are_read_between_others() {
        let mut properties = vec![0x01, 1, 0x02, 0, 0, 0, 9];
        properties.extend_from_slice(&[0x26, 0, 1, b'k', 0, 2, b'v', b'w']);
        properties.extend_from_slice(&[0x0b, 5, 0x26, 0, 1, b'm', 0, 0]);
        let bytes = bytes_of_publish(1, "t", b"p", Some(&properties));
        let found = frame(&bytes, 1 << 20).unwrap().unwrap();
        let publish = publish(&bytes, 0, found, Version::V5).unwrap();
        let mut seen = Vec::new();
        user_properties(&bytes[publish.properties], |name, value| seen.push((name.to_owned(), value.to_vec())));
        assert_eq!(seen, vec![("k".into(), b"vw".to_vec()), ("m".into(), Vec::new())]);
        assert_eq!(&bytes[publish.payload], b"p");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), v5 in any::<bool>()) {
            let version = if v5 { Version::V5 } else { Version::V311 };
            if let Ok(Ok(found)) = frame(&bytes, 1 << 20) {
                if let Ok(publish) = publish(&bytes, 0, found, version) {
                    user_properties(&bytes[publish.properties], |_, _| {});
                }
                let _ = packet_id(&bytes, 0, found);
                disconnect_reason(&bytes, 0, found);
            }
        }
    }
}
