//! Parquet files.
//!
//! Settings, each for a measured reason: dictionaries only on columns whose values repeat ([`super::dictionary`]); version 2 pages, so that
//! whole numbers and times are stored as deltas and texts with their lengths apart; statistics of a row group, not of pages; pages of
//! 1 MiB; row groups bounded by bytes, which is also what bounds memory. A writer that gets few rows at a time is several times dearer, so
//! rows are collected until there are enough. They are encoded in steps of fixed numbers of rows, however they arrived: pages and row groups
//! follow the steps, so the same rows are the same bytes, and a file that is written again after a crash can be compared with the first.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use kpipe_compiler::plan::Compression;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression as Codec, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};

use super::dictionary::{SAMPLE_ROWS, leaves};
use super::output::Finished;
use super::spare::Spares;
use crate::path::{FileEncoder, FileRows, Pick, StageError};

/// Rows that are encoded together, but for the first and the last of a file.
const STEP_ROWS: usize = 1024;
const PAGE_BYTES: usize = 1024 * 1024;
/// Row groups are bounded by bytes; this only keeps the numbers of rows of a group within what readers like.
const ROW_GROUP_ROWS_MAX: usize = 4 * 1024 * 1024;

/// The settings of all files of a route.
#[derive(Clone, Debug)]
pub(crate) struct ParquetOptions {
    pub(crate) schema: SchemaRef,
    codec: Codec,
    row_group_bytes: usize,
}

impl ParquetOptions {
    /// Checked settings.
    ///
    /// # Errors
    /// A codec or level that is not built in.
    pub(crate) fn new(schema: SchemaRef, compression: Compression, row_group_bytes: u64) -> Result<Self, StageError> {
        let codec = match compression {
            Compression::None => Codec::UNCOMPRESSED,
            Compression::Snappy => Codec::SNAPPY,
            Compression::Zstd(level) => Codec::ZSTD(ZstdLevel::try_new(level).map_err(|error| failed(&error))?),
            Compression::Gzip(_) => return Err(StageError::new("encode", "Parquet pages are compressed with snappy or zstd")),
        };
        Ok(Self { schema, codec, row_group_bytes: usize::try_from(row_group_bytes).unwrap_or(usize::MAX).max(1) })
    }

    /// The writer's settings, given the first rows of the file.
    fn properties(&self, first: &RecordBatch) -> WriterProperties {
        let mut properties = WriterProperties::builder()
            .set_created_by(format!("kpipe {}", env!("CARGO_PKG_VERSION")))
            .set_writer_version(WriterVersion::PARQUET_2_0)
            .set_compression(self.codec)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_data_page_size_limit(PAGE_BYTES)
            .set_max_row_group_bytes(Some(self.row_group_bytes))
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS_MAX))
            .set_dictionary_enabled(false);
        for leaf in leaves(first) {
            if leaf.dictionary {
                properties = properties.set_column_dictionary_enabled(leaf.path, true);
            } else if leaf.is_text {
                properties = properties.set_column_encoding(leaf.path, Encoding::DELTA_LENGTH_BYTE_ARRAY);
            }
        }
        properties.build()
    }
}

/// Writes one file.
pub(crate) struct ParquetEncoder {
    options: ParquetOptions,
    waiting: VecDeque<RecordBatch>,
    waiting_rows: usize,
    waiting_bytes: usize,
    writer: Option<ArrowWriter<Finished>>,
    /// What is left to take once the writer is closed.
    finished: Finished,
}

impl ParquetEncoder {
    pub(crate) fn new(options: &ParquetOptions, spares: Spares) -> Self {
        let (options, finished) = (options.clone(), Finished::new(spares));
        Self { options, waiting: VecDeque::new(), waiting_rows: 0, waiting_bytes: 0, writer: None, finished }
    }

    /// Encodes the first rows of those that wait.
    fn encode(&mut self, rows: usize) -> Result<(), StageError> {
        let (mut step, mut left) = (Vec::new(), rows);
        while left > 0
            && let Some(first) = self.waiting.pop_front()
        {
            let taken = first.num_rows().min(left);
            step.push(first.slice(0, taken));
            left -= taken;
            if taken < first.num_rows() {
                self.waiting.push_front(first.slice(taken, first.num_rows() - taken));
            }
        }
        self.waiting_rows -= rows;
        let batch = match step.as_slice() {
            [one] => one.clone(),
            several => concat_batches(&self.options.schema, several).map_err(|error| failed(&error))?,
        };
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => {
                let properties = self.options.properties(&batch);
                let new = ArrowWriter::try_new(self.finished.another(), Arc::clone(&self.options.schema), Some(properties));
                none.insert(new.map_err(|error| failed(&error))?)
            }
        };
        writer.write(&batch).map_err(|error| failed(&error))
    }
}

impl FileEncoder for ParquetEncoder {
    fn write(&mut self, rows: &FileRows<'_>) -> Result<(), StageError> {
        let Some(output) = &rows.batch.output else { return Err(StageError::new("encode", "a batch without output columns")) };
        let picked = match &rows.pick {
            Pick::Range(range) => output.slice(range.start, range.len()),
            Pick::Indices(indices) => take_record_batch(output, &UInt32Array::from(indices.to_vec())).map_err(|error| failed(&error))?,
        };
        if picked.num_rows() == 0 {
            return Ok(());
        }
        self.waiting_rows += picked.num_rows();
        self.waiting_bytes += batch_bytes(&picked);
        self.waiting.push_back(picked);
        let waited = self.waiting_rows;
        loop {
            // The first rows decide which columns get a dictionary: the more the better.
            let step = if self.writer.is_some() { STEP_ROWS } else { SAMPLE_ROWS };
            if self.waiting_rows < step {
                break;
            }
            self.encode(step)?;
        }
        if self.waiting_rows < waited {
            self.waiting_bytes = self.waiting.iter().map(batch_bytes).sum();
        }
        Ok(())
    }

    fn memory_bytes(&self) -> usize {
        let writer = self.writer.as_ref().map_or(0, |writer| writer.memory_size() + writer.inner().memory_bytes());
        self.waiting_bytes + writer + self.finished.memory_bytes()
    }

    fn file_bytes(&self) -> u64 {
        let writer = self.writer.as_ref().map_or(0, |writer| (writer.bytes_written() + writer.in_progress_size()) as u64);
        // Rows that wait shrink by encoding; by how much is not known.
        self.finished.total() + writer + self.waiting_bytes as u64 / 4
    }

    fn take_part(&mut self) -> Option<Bytes> {
        self.writer.as_mut().map_or(&mut self.finished, |writer| writer.inner_mut()).take_part()
    }

    fn finish(&mut self) -> Result<(), StageError> {
        if self.waiting_rows > 0 || self.writer.is_none() {
            self.encode(self.waiting_rows)?;
            self.waiting_bytes = 0;
        }
        if let Some(writer) = self.writer.take() {
            self.finished = writer.into_inner().map_err(|error| failed(&error))?;
            self.finished.end();
        }
        Ok(())
    }
}

/// What the rows of a batch need, whatever else its buffers hold.
fn batch_bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size())).sum()
}

fn failed(error: &dyn std::fmt::Display) -> StageError {
    StageError::new("encode", error.to_string())
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array, StringArray};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;
    use crate::fixture;
    use crate::path::RowBatch;
    use crate::records::RawBatch;

    fn rows(count: i64) -> (RawBatch, RowBatch) {
        let raw = fixture::values(&[]);
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..count));
        let names: ArrayRef = Arc::new(StringArray::from_iter_values((0..count).map(|row| format!("name {row}"))));
        let output = RecordBatch::try_from_iter([("id", ids), ("name", names)]).unwrap();
        let rows = (0..count as u32).collect();
        let batch = RowBatch { partition: raw.partition, delta: raw.delta, route: 0, rows, decoded: Vec::new(), output: Some(output) };
        (raw, batch)
    }

    fn encoder(batch: &RowBatch) -> ParquetEncoder {
        let schema = batch.output.as_ref().unwrap().schema();
        ParquetEncoder::new(&ParquetOptions::new(schema, Compression::Zstd(1), 1 << 20).unwrap(), Spares::default())
    }

    fn ids(file: Bytes) -> Vec<i64> {
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
        let column =
            |batch: RecordBatch| arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(batch.column(0)).values().to_vec();
        reader.flat_map(|batch| column(batch.unwrap())).collect()
    }

    #[test]
    fn few_rows_wait_for_others() {
        let (raw, batch) = rows(1000);
        let mut encoder = encoder(&batch);
        let mut held = Vec::new();
        for _ in 0..7 {
            encoder.write(&FileRows { raw: &raw, batch: &batch, pick: Pick::Range(0..1000) }).unwrap();
            held.push((encoder.waiting_rows, encoder.writer.is_some()));
        }
        assert_eq!(held, [(1000, false), (2000, false), (3000, false), (4000, false), (904, true), (880, true), (856, true)]);
        assert_eq!(ids(fixture::rest(&mut encoder).into()), (0..7).flat_map(|_| 0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn the_same_rows_are_the_same_bytes_however_they_arrive() {
        let (raw, batch) = rows(20_000);
        let file = |sizes: &[usize]| {
            let (mut encoder, mut start) = (encoder(&batch), 0);
            let mut sizes = sizes.iter().cycle();
            while start < 20_000 {
                let end = (start + sizes.next().unwrap()).min(20_000);
                encoder.write(&FileRows { raw: &raw, batch: &batch, pick: Pick::Range(start..end) }).unwrap();
                start = end;
            }
            Bytes::from(fixture::rest(&mut encoder))
        };
        let whole = file(&[20_000]);
        assert_eq!(ids(whole.clone()), (0..20_000).collect::<Vec<_>>());
        for sizes in [vec![1], vec![1000], vec![1023, 1, 1025], vec![4095, 3], vec![7, 8192, 500]] {
            assert!(file(&sizes) == whole, "{sizes:?}");
        }
    }

    #[test]
    fn rows_that_wait_count() {
        let (raw, batch) = rows(1000);
        let mut encoder = encoder(&batch);
        assert_eq!((encoder.memory_bytes(), encoder.file_bytes()), (0, 0));
        encoder.write(&FileRows { raw: &raw, batch: &batch, pick: Pick::Range(0..10) }).unwrap();
        let ten = encoder.memory_bytes();
        assert!((100..1000).contains(&ten), "{ten}: only the picked rows, not the buffers behind them");
        encoder.write(&FileRows { raw: &raw, batch: &batch, pick: Pick::Indices(&[0, 5, 999]) }).unwrap();
        assert!(encoder.memory_bytes() > ten && encoder.file_bytes() > 0);
        assert_eq!(ids(fixture::rest(&mut encoder).into()), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 5, 999]);
    }

    #[test]
    fn a_file_without_rows_is_a_file() {
        let (raw, batch) = rows(3);
        let mut encoder = encoder(&batch);
        encoder.write(&FileRows { raw: &raw, batch: &batch, pick: Pick::Indices(&[]) }).unwrap();
        assert!(encoder.take_part().is_none());
        assert_eq!(ids(fixture::rest(&mut encoder).into()), [0; 0]);
    }

    #[test]
    fn a_batch_without_columns_is_refused() {
        let (raw, batch) = rows(3);
        let mut encoder = encoder(&batch);
        let bare = RowBatch { output: None, ..batch };
        let error = encoder.write(&FileRows { raw: &raw, batch: &bare, pick: Pick::Range(0..3) }).unwrap_err();
        assert_eq!(error.to_string(), "encode: a batch without output columns");
    }
}
