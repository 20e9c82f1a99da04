//! Lines of a file as records. The bytes stay in the buffer they were read into.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use kpipe_engine::position::Position;
use kpipe_engine::records::Records;

/// How much is read at a time, unless one line is longer.
pub(super) const CHUNK_BYTES: usize = 1024 * 1024;

/// Whole lines of one file.
pub(super) struct Lines {
    topic: Arc<str>,
    partition: i32,
    /// Position of the first byte of `data`.
    start: u64,
    data: Vec<u8>,
    /// Per line where it starts and ends in `data`, the line break not included.
    lines: Vec<(usize, usize)>,
}

impl Records for Lines {
    fn len(&self) -> usize {
        self.lines.len()
    }

    fn value(&self, row: usize) -> Option<&[u8]> {
        let (start, end) = self.lines[row];
        Some(&self.data[start..end])
    }

    fn key(&self, _row: usize) -> Option<&[u8]> {
        None
    }

    fn position(&self, row: usize) -> Position {
        position(self.start + self.lines[row].0 as u64)
    }

    fn timestamp_ms(&self, _row: usize) -> Option<i64> {
        None
    }

    fn topic(&self, _row: usize) -> &str {
        &self.topic
    }

    fn source_partition(&self) -> i32 {
        self.partition
    }

    fn headers(&self, _row: usize, _each: &mut dyn FnMut(&str, Option<&[u8]>)) {}
}

/// A byte position as the engine counts: files of 2^63 bytes do not exist.
pub(super) fn position(bytes: u64) -> Position {
    Position(i64::try_from(bytes).unwrap_or(i64::MAX))
}

/// What a read found.
pub(super) enum Found {
    /// Lines, and where the next one starts.
    Lines(Lines, u64),
    /// No whole line yet.
    Nothing,
    /// A line at this position that is longer than allowed.
    TooLong(u64),
}

/// What to read.
pub(super) struct Part {
    /// The name of the file and the number of its generation, for the records.
    pub(super) name: (Arc<str>, i32),
    /// From here.
    pub(super) start: u64,
    /// Not beyond.
    pub(super) end: u64,
    /// The longest line.
    pub(super) line_bytes_max: u64,
    /// Whether what stands before `end` without a line break is a line.
    pub(super) take_rest: bool,
}

/// Reads lines: as many as fit into a chunk, or one that is longer.
pub(super) fn read(file: &File, part: Part) -> io::Result<Found> {
    let Part { name, start, end, line_bytes_max, take_rest } = part;
    let available = end.saturating_sub(start);
    let mut data = Vec::new();
    let mut wanted = available.min(CHUNK_BYTES as u64);
    let whole = loop {
        let from = data.len();
        if !fill(file, &mut data, start, wanted)? || data.len() == from {
            // Shorter than it was a moment ago: the next look at the file says why.
            return Ok(Found::Nothing);
        }
        if let Some(last) = data[from..].iter().rposition(|byte| *byte == b'\n') {
            break from + last + 1;
        }
        if data.len() as u64 > line_bytes_max {
            return Ok(Found::TooLong(start));
        }
        if data.len() as u64 == available {
            if take_rest {
                break data.len();
            }
            return Ok(Found::Nothing);
        }
        wanted = available.min(wanted.saturating_mul(2)).min(line_bytes_max.saturating_add(2));
        if wanted <= data.len() as u64 {
            return Ok(Found::TooLong(start));
        }
    };
    data.truncate(whole);
    let lines = split(&data);
    let long = lines.iter().find(|(from, to)| (to - from) as u64 > line_bytes_max).map(|(from, _)| *from);
    match long {
        Some(0) => return Ok(Found::TooLong(start)),
        Some(long) => return Ok(before(name, start, data, lines, long)),
        None => {}
    }
    let (topic, partition) = name;
    Ok(Found::Lines(Lines { topic, partition, start, data, lines }, start + whole as u64))
}

/// The lines that stand before the one that is too long: it is met first thing next time.
fn before((topic, partition): (Arc<str>, i32), start: u64, mut data: Vec<u8>, mut lines: Vec<(usize, usize)>, long: usize) -> Found {
    lines.retain(|(from, _)| *from < long);
    data.truncate(long);
    Found::Lines(Lines { topic, partition, start, data, lines }, start + long as u64)
}

/// Reads until `data` holds `wanted` bytes from `start` on; false if the file ends before.
fn fill(file: &File, data: &mut Vec<u8>, start: u64, wanted: u64) -> io::Result<bool> {
    let mut at = data.len();
    data.resize(usize::try_from(wanted).unwrap_or(usize::MAX).max(at), 0);
    while at < data.len() {
        match file.read_at(&mut data[at..], start + at as u64) {
            Ok(0) => return Ok(false),
            Ok(read) => at += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Lines end with `\n` or `\r\n`, the last one perhaps with nothing.
fn split(data: &[u8]) -> Vec<(usize, usize)> {
    let mut lines = Vec::with_capacity(data.len() / 128 + 1);
    let mut start = 0;
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        let text = line.strip_suffix(b"\n").map_or(line, |line| line.strip_suffix(b"\r").unwrap_or(line));
        lines.push((start, start + text.len()));
        start += line.len();
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn file(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file
    }

    fn all(content: &[u8], line_bytes_max: u64, take_rest: bool) -> (Vec<Vec<u8>>, u64, bool) {
        let (file, end) = (file(content), content.len() as u64);
        let (mut start, mut lines) = (0, Vec::new());
        loop {
            match read(&file, Part { name: ("t".into(), 0), start, end, line_bytes_max, take_rest }).unwrap() {
                Found::Lines(found, next) => {
                    assert!(next > start);
                    (0..found.len()).for_each(|row| lines.push(found.value(row).unwrap().to_vec()));
                    start = next;
                }
                Found::Nothing => return (lines, start, false),
                Found::TooLong(at) => return (lines, at, true),
            }
        }
    }

    #[test]
    fn lines_end_with_a_line_break() {
        assert_eq!(all(b"a\nbc\r\n\nd", 100, false), (vec![b"a".into(), b"bc".into(), b"".into()], 7, false));
        assert_eq!(all(b"a\nbc\r\n\nd", 100, true), (vec![b"a".into(), b"bc".into(), b"".into(), b"d".into()], 8, false));
        assert_eq!(all(b"", 100, true), (vec![], 0, false));
    }

    #[test]
    fn a_long_line_is_named_and_what_stands_before_it_is_read() {
        let content = [b"short\n".to_vec(), vec![b'x'; 50], b"\nend\n".to_vec()].concat();
        assert_eq!(all(&content, 50, false).0.len(), 3);
        assert_eq!(all(&content, 49, false), (vec![b"short".into()], 6, true));
        let long = vec![b'x'; 3 * CHUNK_BYTES];
        assert_eq!(all(&long, 2 * CHUNK_BYTES as u64, false), (vec![], 0, true));
        assert_eq!(all(&long, 4 * CHUNK_BYTES as u64, true).0, [long]);
    }

    #[test]
    fn a_line_longer_than_a_chunk_is_read_whole() {
        let content = [vec![b'x'; CHUNK_BYTES + 10], b"\ny\n".to_vec()].concat();
        let (lines, end, _) = all(&content, 10 * CHUNK_BYTES as u64, false);
        assert_eq!((lines.len(), lines[0].len(), end), (2, CHUNK_BYTES + 10, content.len() as u64));
    }

    #[test]
    fn positions_are_where_lines_start() {
        let file = file(b"ab\r\ncd\n");
        let part = Part { name: ("t".into(), 0), start: 4, end: 7, line_bytes_max: 10, take_rest: false };
        let Found::Lines(lines, next) = read(&file, part).unwrap() else { panic!("there is a line") };
        assert_eq!((lines.position(0), next, lines.value(0), lines.topic(0)), (Position(4), 7, Some(&b"cd"[..]), "t"));
        assert_eq!((lines.key(0), lines.timestamp_ms(0)), (None, None));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_added(lines in prop::collection::vec("[a-z\r ]{0,20}", 0..50)) {
            let content = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
            let expected: Vec<Vec<u8>> = lines.iter().map(|line| line.strip_suffix('\r').unwrap_or(line).as_bytes().to_vec()).collect();
            let (found, end, too_long) = all(content.as_bytes(), 100, false);
            prop_assert_eq!((found, end, too_long), (expected, content.len() as u64, false));
        }
    }
}
