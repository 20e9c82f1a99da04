//! Reads the Parquet files back and counts: every message that was published is in exactly one row.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// What the files hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Files.
    pub(crate) files: u64,
    /// Their size.
    pub(crate) bytes: u64,
    /// Rows in all of them.
    pub(crate) rows: u64,
    /// Ids in no row.
    pub(crate) missing: u64,
    /// Rows beyond the first of their id.
    pub(crate) duplicates: u64,
    /// Rows with an id that was never published.
    pub(crate) strange: u64,
    /// The first ids that are missing.
    pub(crate) first_missing: Vec<u64>,
}

impl Found {
    /// True if every id is in exactly one row.
    pub(crate) fn is_exact(&self) -> bool {
        self.missing == 0 && self.duplicates == 0 && self.strange == 0
    }
}

/// Why the files could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VerifyError {
    /// A file or directory.
    #[error("cannot read {path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Its contents.
    #[error("{path} is not a Parquet file with a column `id` of 64-bit integers: {why}")]
    Contents {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// Counts the ids `0..published` in all Parquet files below `dir`.
pub(crate) fn verify(dir: &Path, published: u64) -> Result<Found, VerifyError> {
    let mut counts = vec![0_u8; usize::try_from(published).unwrap_or(usize::MAX)];
    let mut found = Found::default();
    for path in parquet_files(dir)? {
        read(&path, &mut counts, &mut found)?;
    }
    for (id, count) in counts.iter().enumerate() {
        if *count == 0 {
            found.missing += 1;
            if found.first_missing.len() < 5 {
                found.first_missing.push(id as u64);
            }
        }
    }
    Ok(found)
}

/// Parquet files below a directory, hidden ones left out.
fn parquet_files(dir: &Path) -> Result<Vec<PathBuf>, VerifyError> {
    let failed = |error| VerifyError::File { path: dir.to_path_buf(), error };
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.file_type().map_err(failed)?.is_dir() {
            files.extend(parquet_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path, counts: &mut [u8], found: &mut Found) -> Result<(), VerifyError> {
    let contents = |why: &dyn std::fmt::Display| VerifyError::Contents { path: path.to_path_buf(), why: why.to_string() };
    let unreadable = |error| VerifyError::File { path: path.to_path_buf(), error };
    let file = File::open(path).map_err(unreadable)?;
    found.bytes += file.metadata().map_err(unreadable)?.len();
    found.files += 1;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| contents(&error))?;
    let only_id = ProjectionMask::columns(builder.parquet_schema(), ["id"]);
    for batch in builder.with_projection(only_id).build().map_err(|error| contents(&error))? {
        let batch = batch.map_err(|error| contents(&error))?;
        let ids = batch.column_by_name("id").and_then(|ids| ids.as_primitive_opt::<Int64Type>());
        let ids = ids.ok_or_else(|| contents(&"the column is not there"))?;
        found.rows += ids.len() as u64;
        for row in 0..ids.len() {
            let id = if ids.is_valid(row) { usize::try_from(ids.value(row)).ok() } else { None };
            match id.and_then(|id| counts.get_mut(id)) {
                None => found.strange += 1,
                Some(count) if *count == 0 => *count = 1,
                Some(_) => found.duplicates += 1,
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
    use parquet::arrow::ArrowWriter;

    use super::*;

    fn write(path: &Path, ids: Vec<Option<i64>>) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let names: ArrayRef = Arc::new(StringArray::from(vec!["x"; ids.len()]));
        let batch = RecordBatch::try_from_iter([("name", names), ("id", Arc::new(Int64Array::from(ids)) as ArrayRef)]).unwrap();
        let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }

    #[test]
    fn each_id_once_is_exact() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("a/1.parquet"), vec![Some(0), Some(2)]);
        write(&dir.path().join("b/c/2.parquet"), vec![Some(1)]);
        write(&dir.path().join(".kpipe/x.parquet"), vec![Some(1)]);
        fs::write(dir.path().join("readme.txt"), "no").unwrap();
        let found = verify(dir.path(), 3).unwrap();
        assert!(found.is_exact() && found.bytes > 0, "{found:?}");
        assert_eq!((found.files, found.rows), (2, 3));
    }

    #[test]
    fn missing_and_double_rows_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("1.parquet"), vec![Some(0), Some(0), Some(3), Some(99), None, Some(-1)]);
        let found = verify(dir.path(), 5).unwrap();
        assert_eq!((found.missing, found.duplicates, found.strange), (3, 1, 3));
        assert_eq!(found.first_missing, [1, 2, 4]);
        assert!(!found.is_exact());
    }

    #[test]
    fn what_is_no_parquet_file_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(verify(&dir.path().join("none"), 1), Err(VerifyError::File { .. })));
        fs::write(dir.path().join("x.parquet"), "not parquet").unwrap();
        assert!(matches!(verify(dir.path(), 1), Err(VerifyError::Contents { .. })));
    }
}
