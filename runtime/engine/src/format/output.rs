//! The bytes of a file on their way out: compressed if asked for, and taken in parts from the front.

use std::collections::VecDeque;
use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::GzEncoder;
use kpipe_compiler::plan::Compression;
use zstd::stream::write::Encoder as ZstdEncoder;

use super::spare::Spares;

/// How much is collected before it is given to a codec: small writes cost more than the compression.
const BLOCK_BYTES: usize = 256 * 1024;
/// What the codecs hold inside, roughly.
const GZIP_STATE_BYTES: usize = 320 * 1024;
const ZSTD_STATE_BYTES: usize = 1024 * 1024;

/// Finished bytes that were not taken yet.
#[derive(Debug)]
pub(crate) struct Finished {
    /// Whole parts, in order.
    parts: VecDeque<Bytes>,
    /// What comes after them, less than a part.
    bytes: Vec<u8>,
    /// Bytes of all parts so far.
    cut_bytes: u64,
    spares: Spares,
}

impl Finished {
    /// No bytes yet; the buffers of parts come from `spares` and go back there.
    pub(crate) fn new(spares: Spares) -> Self {
        Self { parts: VecDeque::new(), bytes: Vec::new(), cut_bytes: 0, spares }
    }

    /// No bytes yet, with the same spares.
    pub(crate) fn another(&self) -> Self {
        Self::new(self.spares.clone())
    }

    /// To be called after each row that was appended to the bytes themselves.
    #[inline]
    fn pump(&mut self) {
        if self.bytes.len() >= self.spares.part_bytes() {
            self.cut();
        } else if self.bytes.len() > self.spares.part_bytes() / 8 {
            self.make_room(self.spares.slack_bytes());
        }
    }

    /// A file that is half a part long will have a whole one: from there on doubling would only hold memory that is never used.
    fn make_room(&mut self, more: usize) {
        let wanted = self.bytes.len() + more;
        if wanted <= self.bytes.capacity() || wanted <= self.spares.part_bytes() / 2 || wanted > self.spares.room_bytes() {
            return;
        }
        match self.spares.take() {
            Some(mut buffer) => {
                buffer.extend_from_slice(&self.bytes);
                self.bytes = buffer;
            }
            None => self.bytes.reserve_exact(self.spares.room_bytes() - self.bytes.len()),
        }
    }

    /// Cuts whole parts off. A file that had one is taken to have another, if a buffer for it lies there unused.
    fn cut(&mut self) {
        let part_bytes = self.spares.part_bytes();
        while self.bytes.len() >= part_bytes {
            let mut next = self.spares.take().unwrap_or_default();
            next.extend_from_slice(&self.bytes[part_bytes..]);
            self.bytes.truncate(part_bytes);
            let part = std::mem::replace(&mut self.bytes, next);
            self.cut_bytes += part_bytes as u64;
            self.parts.push_back(self.spares.part(part));
        }
    }

    /// Takes the first part.
    pub(crate) fn take_part(&mut self) -> Option<Bytes> {
        self.parts.pop_front()
    }

    /// Makes what is left a part as well, that holds what [`held_bytes`](super::spare::held_bytes) says.
    pub(crate) fn end(&mut self) {
        let mut rest = std::mem::take(&mut self.bytes);
        if rest.is_empty() {
            return;
        }
        self.cut_bytes += rest.len() as u64;
        let is_small = rest.len() <= self.spares.part_bytes() / 2;
        if is_small && rest.capacity() > rest.len() + rest.len() / 8 {
            let exact = rest.as_slice().to_vec();
            drop(self.spares.part(std::mem::replace(&mut rest, exact)));
        }
        self.parts.push_back(self.spares.part(rest));
    }

    /// All bytes so far, those taken included.
    pub(crate) fn total(&self) -> u64 {
        self.cut_bytes + self.bytes.len() as u64
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.parts.len() * self.spares.room_bytes() + self.bytes.capacity()
    }
}

impl Write for Finished {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.spares.part_bytes() - self.bytes.len();
        let now = bytes.len().min(room);
        self.make_room(now);
        self.bytes.extend_from_slice(&bytes[..now]);
        self.cut();
        Ok(now)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file's bytes, through a codec or not.
pub(crate) struct Output {
    codec: Codec,
    /// Collected for the codec.
    block: Vec<u8>,
}

enum Codec {
    None(Finished),
    Gzip(GzEncoder<Finished>),
    Zstd(ZstdEncoder<'static, Finished>),
}

impl Output {
    /// An empty file.
    ///
    /// # Errors
    /// A codec or a level that files of this kind do not have.
    pub(crate) fn new(compression: Compression, spares: Spares) -> io::Result<Self> {
        let finished = Finished::new(spares);
        let codec = match compression {
            Compression::None => Codec::None(finished),
            Compression::Gzip(level @ 0..=9) => Codec::Gzip(GzEncoder::new(finished, flate2::Compression::new(level))),
            Compression::Gzip(_) => return Err(io::Error::other("gzip has the levels 0 to 9")),
            Compression::Zstd(level) => {
                let mut encoder = ZstdEncoder::new(finished, level)?;
                encoder.include_checksum(true)?;
                Codec::Zstd(encoder)
            }
            Compression::Snappy => return Err(io::Error::other("snappy is a codec of Parquet pages, not of whole files")),
        };
        Ok(Self { codec, block: Vec::new() })
    }

    /// Where a row is to be appended; [`Output::pump`] has to be called after it.
    #[inline]
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        match &mut self.codec {
            Codec::None(finished) => &mut finished.bytes,
            Codec::Gzip(_) | Codec::Zstd(_) => &mut self.block,
        }
    }

    /// Cuts a whole part, or gives a full block to the codec.
    #[inline]
    pub(crate) fn pump(&mut self) -> io::Result<()> {
        if let Codec::None(finished) = &mut self.codec {
            finished.pump();
            return Ok(());
        }
        if self.block.len() >= BLOCK_BYTES { self.compress() } else { Ok(()) }
    }

    fn compress(&mut self) -> io::Result<()> {
        match &mut self.codec {
            Codec::None(_) => {}
            Codec::Gzip(encoder) => encoder.write_all(&self.block)?,
            Codec::Zstd(encoder) => encoder.write_all(&self.block)?,
        }
        self.block.clear();
        Ok(())
    }

    fn finished(&self) -> &Finished {
        match &self.codec {
            Codec::None(finished) => finished,
            Codec::Gzip(encoder) => encoder.get_ref(),
            Codec::Zstd(encoder) => encoder.get_ref(),
        }
    }

    fn finished_mut(&mut self) -> &mut Finished {
        match &mut self.codec {
            Codec::None(finished) => finished,
            Codec::Gzip(encoder) => encoder.get_mut(),
            Codec::Zstd(encoder) => encoder.get_mut(),
        }
    }

    /// See [`Finished::take_part`].
    pub(crate) fn take_part(&mut self) -> Option<Bytes> {
        self.finished_mut().take_part()
    }

    /// Bytes that came out of the codec so far.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.finished().total()
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let state = match &self.codec {
            Codec::None(_) => 0,
            Codec::Gzip(_) => GZIP_STATE_BYTES,
            Codec::Zstd(_) => ZSTD_STATE_BYTES,
        };
        state + self.block.capacity() + self.finished().memory_bytes()
    }

    /// Ends the file: all its bytes are parts then.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.compress()?;
        let nothing = self.finished().another();
        let mut finished = match std::mem::replace(&mut self.codec, Codec::None(nothing)) {
            Codec::None(finished) => finished,
            Codec::Gzip(encoder) => encoder.finish()?,
            Codec::Zstd(encoder) => encoder.finish()?,
        };
        finished.end();
        self.codec = Codec::None(finished);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn unpacked(compression: Compression, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match compression {
            Compression::Gzip(_) => flate2::read::GzDecoder::new(bytes).read_to_end(&mut out).unwrap(),
            Compression::Zstd(_) => zstd::stream::read::Decoder::new(bytes).unwrap().read_to_end(&mut out).unwrap(),
            Compression::None | Compression::Snappy => io::Cursor::new(bytes).read_to_end(&mut out).unwrap(),
        };
        out
    }

    #[test]
    fn parts_make_the_whole_file() {
        for compression in [Compression::None, Compression::Gzip(1), Compression::Zstd(1)] {
            let mut output = Output::new(compression, Spares::new(100_000)).unwrap();
            let (mut plain, mut parts) = (Vec::new(), Vec::new());
            for line in 0..200_000_u32 {
                let text = format!("{}\n", line.wrapping_mul(2_654_435_761));
                plain.extend_from_slice(text.as_bytes());
                output.buffer().extend_from_slice(text.as_bytes());
                output.pump().unwrap();
                parts.extend(output.take_part());
            }
            assert!(parts.len() > 1, "{compression:?}: bytes come out before the end");
            output.finish().unwrap();
            parts.extend(std::iter::from_fn(|| output.take_part()));
            let (last, whole) = parts.split_last().unwrap();
            assert!(whole.iter().all(|part| part.len() == 100_000) && last.len() <= 100_000, "{compression:?}");
            let file = parts.concat();
            assert_eq!(output.file_bytes(), file.len() as u64);
            assert!(unpacked(compression, &file) == plain, "{compression:?}");
        }
    }

    #[test]
    fn a_row_of_several_parts_is_cut() {
        let mut output = Output::new(Compression::None, Spares::new(1_000)).unwrap();
        output.buffer().extend_from_slice(&[7; 3_500]);
        output.pump().unwrap();
        output.finish().unwrap();
        let lengths: Vec<usize> = std::iter::from_fn(|| output.take_part()).map(|part| part.len()).collect();
        assert_eq!(lengths, [1_000, 1_000, 1_000, 500]);
    }

    #[test]
    fn a_part_holds_little_more_than_its_bytes() {
        let mut output = Output::new(Compression::None, Spares::new(1_000_000)).unwrap();
        for _ in 0..3_010 {
            output.buffer().extend_from_slice(&[7; 1_000]);
            output.pump().unwrap();
            assert!(output.memory_bytes() <= 1_010_000, "{} bytes", output.memory_bytes());
            drop(output.take_part());
        }
        output.finish().unwrap();
        assert_eq!(output.file_bytes(), 3_010_000);
        let Codec::None(finished) = &mut output.codec else { panic!("no codec was asked for") };
        assert!(finished.spares.take().is_some(), "the rest is small: its buffer is there for others");
        assert_eq!(finished.take_part().unwrap().len(), 10_000);
    }

    #[test]
    fn memory_is_counted() {
        let mut output = Output::new(Compression::Zstd(1), Spares::default()).unwrap();
        output.buffer().reserve(1000);
        assert!(output.memory_bytes() >= ZSTD_STATE_BYTES + 1000);
        assert!(output.take_part().is_none());
    }

    #[test]
    fn codecs_that_do_not_fit_are_refused() {
        assert!(Output::new(Compression::Snappy, Spares::default()).is_err());
        assert!(Output::new(Compression::Gzip(10), Spares::default()).is_err());
    }
}
