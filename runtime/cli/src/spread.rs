//! Into how many folders `PARTITIONBY` spreads records, tried on the newest ones of a source.

use std::collections::BTreeMap;
use std::sync::Arc;

use kpipe_compiler::plan::{Expr, FileTail, PartitionItem, Pipeline, Route, Tail};
use kpipe_engine::path::decode::Decoder;
use kpipe_engine::path::encode::Encoding;
use kpipe_engine::path::filter::Filter;
use kpipe_engine::path::partition::Partitioner;
use kpipe_engine::path::transform::Projector;
use kpipe_engine::path::{FileRows, Pick, RouteRows, StageError};
use kpipe_engine::records::RawBatch;

/// Files of a batch that are written for a look at the memory that they take.
const FILES_TRIED_MAX: usize = 16;

/// What one statement makes of the newest records.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Spread {
    /// Its number.
    pub(crate) route: usize,
    /// By topic and number of the source's partitions.
    pub(crate) partitions: BTreeMap<(String, i32), Newest>,
    /// Memory of an open file beside its records, in bytes.
    pub(crate) file_bytes: f64,
    /// Memory of a record in it, in bytes.
    pub(crate) record_bytes: f64,
}

/// The newest records of one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Newest {
    /// How many were looked at.
    pub(crate) read: usize,
    /// The folder of each that the statement keeps, by a number, oldest first.
    pub(crate) folders: Vec<u32>,
}

/// True for a pipeline whose records say into how many folders they go. Times alone do not: there is one at a time.
pub(crate) fn is_of_interest(pipeline: &Pipeline) -> bool {
    pipeline.routes.iter().any(|route| of_values(route).is_some())
}

fn of_values(route: &Route) -> Option<&FileTail> {
    let Tail::Files(tail) = &route.tail else { return None };
    tail.partition.iter().any(is_value).then_some(tail)
}

/// True for a folder that records of one partition can have different ones of.
fn is_value(item: &PartitionItem) -> bool {
    match item {
        PartitionItem::Value { expr, name: _ } => !matches!(expr, Expr::Partition | Expr::Topic | Expr::Literal(_)),
        PartitionItem::Time { .. } => false,
    }
}

/// Runs the records through the stages of every statement that has folders for values.
///
/// # Errors
/// A plan that does not fit itself.
pub(crate) fn spreads(pipeline: &Pipeline, batches: &[RawBatch]) -> Result<Vec<Spread>, StageError> {
    let with_values = pipeline.routes.iter().enumerate().filter_map(|(index, route)| Some((index, route, of_values(route)?)));
    with_values.map(|(index, route, tail)| spread(index, route, tail, batches)).collect()
}

fn spread(index: usize, route: &Route, tail: &FileTail, batches: &[RawBatch]) -> Result<Spread, StageError> {
    let (mut decoder, filter, projector) = (Decoder::new(&route.decode)?, Filter::new(route)?, Projector::new(route)?);
    let mut partitioner = Partitioner::new(route, tail)?;
    let encoding = Encoding::new(route, tail, projector.schema())?;
    let (mut spread, mut numbers) = (Spread { route: index, ..Spread::default() }, BTreeMap::<Arc<str>, u32>::new());
    let mut tried = Tried::default();
    for raw in batches.iter().filter(|raw| raw.routes.contains(&index) && !raw.records.is_empty()) {
        let mut rejects = Vec::new();
        let rows = decoder.decode(raw, index, &mut rejects);
        let (rows, _) = filter.keep(raw, rows, &mut rejects)?;
        let rows = partitioner.split(raw, projector.project(raw, rows, &mut rejects)?, &mut rejects)?;
        let mut known = Vec::with_capacity(rows.folders.len());
        for folder in &rows.folders {
            let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            known.push(*numbers.entry(Arc::clone(folder)).or_insert(next));
        }
        let folders: Vec<u32> = if rows.folder_of_row.is_empty() {
            vec![known.first().copied().unwrap_or(0); rows.rows.len()]
        } else {
            rows.folder_of_row.iter().filter_map(|folder| known.get(*folder as usize).copied()).collect()
        };
        tried.write(&encoding, raw, &rows)?;
        let newest = Newest { read: raw.records.len(), folders };
        spread.partitions.insert((raw.records.topic(0).to_owned(), raw.records.source_partition()), newest);
    }
    (spread.file_bytes, spread.record_bytes) = tried.means();
    Ok(spread)
}

/// Memory of files that were written for a look at it.
#[derive(Debug, Default)]
struct Tried {
    files: usize,
    with_one_bytes: usize,
    more_records: usize,
    more_bytes: usize,
}

impl Tried {
    /// Writes some of the files of a batch, with their first record and with all: folders of every size.
    fn write(&mut self, encoding: &Encoding, raw: &RawBatch, rows: &RouteRows) -> Result<(), StageError> {
        let picks = by_folder(rows);
        for pick in picks.iter().step_by(picks.len().div_ceil(FILES_TRIED_MAX).max(1)) {
            let memory_bytes = |pick: &[u32]| {
                let mut encoder = encoding.open()?;
                encoder.write(&FileRows { raw, batch: &rows.rows, pick: Pick::Indices(pick) })?;
                Ok::<_, StageError>(encoder.memory_bytes())
            };
            let (one, all) = (memory_bytes(&pick[..1])?, memory_bytes(pick)?);
            self.files += 1;
            self.with_one_bytes += one;
            self.more_records += pick.len() - 1;
            self.more_bytes += all.saturating_sub(one);
        }
        Ok(())
    }

    /// Bytes of a file with one record, and of each further one.
    fn means(&self) -> (f64, f64) {
        let mean = |bytes: usize, of: usize| bytes as f64 / of.max(1) as f64;
        let file = mean(self.with_one_bytes, self.files);
        (file, if self.more_records == 0 { file } else { mean(self.more_bytes, self.more_records) })
    }
}

/// The rows of each folder.
fn by_folder(rows: &RouteRows) -> Vec<Vec<u32>> {
    let mut picks = vec![Vec::new(); rows.folders.len()];
    for (row, index) in (0..rows.rows.len()).zip(0_u32..) {
        let folder = rows.folder_of_row.get(row).map_or(0, |folder| *folder as usize);
        if let Some(pick) = picks.get_mut(folder) {
            pick.push(index);
        }
    }
    picks.retain(|pick| !pick.is_empty());
    picks
}

#[cfg(test)]
mod tests {
    use kpipe_compiler::plan::{Compression, DataType, Decode, DecodeColumn, FileFormat, Naming, ValueFormat};
    use kpipe_engine::position::{Delta, PartitionId, Position};

    use super::*;
    use crate::given::Values;
    use crate::planning::tests::pipeline;

    fn batch(number: i32, devices: &[&str]) -> RawBatch {
        let values: Vec<_> = devices.iter().map(|device| Some(format!("{{\"device\":{device}}}").into_bytes())).collect();
        let delta = Delta::new(Position(0), Position(values.len() as i64));
        RawBatch {
            partition: PartitionId(0),
            delta,
            routes: Arc::from([0]),
            bytes: 0,
            records: Box::new(Values { values, partition: number }),
        }
    }

    fn by(item: PartitionItem) -> Pipeline {
        let column = DecodeColumn { path: vec!["device".to_owned()], data_type: DataType::String, nullable: true };
        let tail = FileTail {
            bucket: "lake".into(),
            prefix: String::new(),
            partition: vec![item],
            keep_partition_columns: true,
            format: FileFormat::Json { compression: Compression::None },
            naming: Naming::Kpipe,
        };
        let route = Route {
            statement: String::new(),
            from: "t".into(),
            decode: Decode { format: ValueFormat::Json, columns: vec![column] },
            filter: None,
            project: None,
            tail: Tail::Files(tail),
        };
        Pipeline { routes: vec![route], ..pipeline("p", "kafka") }
    }

    #[test]
    fn folders_are_numbered_over_all_partitions() {
        let pipeline = by(PartitionItem::Value { name: Some("device".to_owned()), expr: Expr::Column(0) });
        let batches = [batch(0, &["\"a\"", "\"b\"", "\"a\"", "5 x", "null"]), batch(3, &["\"c\"", "\"b\""]), batch(4, &["\"b\""])];
        let [spread] = spreads(&pipeline, &batches).unwrap().try_into().unwrap();
        let found = |((topic, number), newest): (&(String, i32), &Newest)| (topic.clone(), *number, newest.read, newest.folders.clone());
        let folders: Vec<_> = spread.partitions.iter().map(found).collect();
        let of = |number, read, folders: &[u32]| ("t".to_owned(), number, read, folders.to_vec());
        assert_eq!(folders, [of(0, 5, &[0, 1, 0, 2]), of(3, 2, &[3, 1]), of(4, 1, &[1])]);
        assert!((10.0..100.0).contains(&spread.record_bytes), "about the text of a record: {}", spread.record_bytes);
    }

    #[test]
    fn times_and_what_a_partition_has_one_of_are_of_no_interest() {
        let time = PartitionItem::Time { expr: Expr::Timestamp, pattern: "yyyy".to_owned(), zone: "UTC".to_owned(), name: None };
        assert!(!is_of_interest(&by(time)));
        assert!(!is_of_interest(&by(PartitionItem::Value { name: None, expr: Expr::Partition })));
        assert!(is_of_interest(&by(PartitionItem::Value { name: None, expr: Expr::Key })));
    }
}
