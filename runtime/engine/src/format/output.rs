//! The bytes of a file on their way out: compressed if asked for, and taken in parts from the front.

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
    bytes: Vec<u8>,
    taken: u64,
    /// What a buffer for a part holds; zero until one was needed.
    room: usize,
    spares: Spares,
}

impl Finished {
    /// No bytes yet; the buffers of parts come from `spares` and go back there.
    pub(crate) fn new(spares: Spares) -> Self {
        Self { bytes: Vec::new(), taken: 0, room: 0, spares }
    }

    /// No bytes yet, with the same spares.
    pub(crate) fn another(&self) -> Self {
        Self::new(self.spares.clone())
    }

    /// A file that is half a part long will have a whole one: from there on doubling would only hold memory that is never used. A file that
    /// had a whole part before is taken to have another, if a buffer for it lies there unused.
    fn make_room(&mut self, count: usize) {
        let (room, held) = (count + count / 4, self.bytes.len());
        if self.bytes.capacity() >= room || held <= count / 8 {
            return;
        }
        self.room = room;
        let sure = held > count / 2;
        let spare = if sure || self.taken > 0 { self.spares.take(room) } else { None };
        match spare {
            Some(mut buffer) => {
                buffer.extend_from_slice(&self.bytes);
                self.bytes = buffer;
            }
            None if sure => self.bytes.reserve_exact(room - held),
            None => {}
        }
    }

    /// Takes exactly `count` bytes from the front, if there are so many.
    pub(crate) fn take_part(&mut self, count: usize) -> Option<Bytes> {
        if count == 0 || self.bytes.len() < count {
            self.make_room(count);
            return None;
        }
        let rest = self.bytes.split_off(count);
        let part = std::mem::replace(&mut self.bytes, rest);
        self.taken += part.len() as u64;
        Some(self.spares.part(part))
    }

    /// Takes everything.
    pub(crate) fn take_rest(&mut self) -> Bytes {
        let rest = std::mem::take(&mut self.bytes);
        self.taken += rest.len() as u64;
        if self.room > 0 && rest.capacity() >= self.room { self.spares.part(rest) } else { rest.into() }
    }

    /// All bytes so far, those taken included.
    pub(crate) fn total(&self) -> u64 {
        self.taken + self.bytes.len() as u64
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.bytes.capacity()
    }
}

impl Write for Finished {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
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

    /// Where bytes are to be appended. [`Output::pump`] has to be called now and then.
    #[inline]
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        match &mut self.codec {
            Codec::None(finished) => &mut finished.bytes,
            Codec::Gzip(_) | Codec::Zstd(_) => &mut self.block,
        }
    }

    /// Gives a full block to the codec.
    pub(crate) fn pump(&mut self) -> io::Result<()> {
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
    pub(crate) fn take_part(&mut self, count: usize) -> Option<Bytes> {
        self.finished_mut().take_part(count)
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

    /// Ends the file and gives what was not taken.
    pub(crate) fn finish(&mut self) -> io::Result<Bytes> {
        self.compress()?;
        let nothing = self.finished().another();
        let mut finished = match std::mem::replace(&mut self.codec, Codec::None(nothing)) {
            Codec::None(finished) => finished,
            Codec::Gzip(encoder) => encoder.finish()?,
            Codec::Zstd(encoder) => encoder.finish()?,
        };
        let rest = finished.take_rest();
        self.codec = Codec::None(finished);
        Ok(rest)
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
    fn parts_and_rest_make_the_whole_file() {
        for compression in [Compression::None, Compression::Gzip(1), Compression::Zstd(1)] {
            let mut output = Output::new(compression, Spares::default()).unwrap();
            let (mut plain, mut file) = (Vec::new(), Vec::new());
            for line in 0..200_000_u32 {
                let text = format!("{}\n", line.wrapping_mul(2_654_435_761));
                plain.extend_from_slice(text.as_bytes());
                output.buffer().extend_from_slice(text.as_bytes());
                output.pump().unwrap();
                if let Some(part) = output.take_part(100_000) {
                    assert_eq!(part.len(), 100_000);
                    file.extend_from_slice(&part);
                }
            }
            assert!(file.len() >= 100_000, "{compression:?}: bytes come out before the end");
            file.extend_from_slice(&output.finish().unwrap());
            assert_eq!(output.file_bytes(), file.len() as u64);
            assert!(unpacked(compression, &file) == plain, "{compression:?}");
        }
    }

    #[test]
    fn a_part_holds_little_more_than_its_bytes() {
        let mut output = Output::new(Compression::None, Spares::default()).unwrap();
        for _ in 0..300 {
            output.buffer().extend_from_slice(&[7; 10_000]);
            while let Some(part) = output.take_part(1_000_000) {
                assert_eq!(part.len(), 1_000_000);
            }
            assert!(output.memory_bytes() <= 1_250_000, "{} bytes", output.memory_bytes());
        }
        assert_eq!(output.file_bytes(), 3_000_000);
    }

    #[test]
    fn memory_is_counted() {
        let mut output = Output::new(Compression::Zstd(1), Spares::default()).unwrap();
        output.buffer().reserve(1000);
        assert!(output.memory_bytes() >= ZSTD_STATE_BYTES + 1000);
        assert!(output.take_part(0).is_none() && output.take_part(1).is_none());
    }

    #[test]
    fn codecs_that_do_not_fit_are_refused() {
        assert!(Output::new(Compression::Snappy, Spares::default()).is_err());
        assert!(Output::new(Compression::Gzip(10), Spares::default()).is_err());
    }
}
