//! Into how many folders `PARTITIONBY` spreads records, tried on the newest ones of a source.

use std::collections::BTreeMap;
use std::sync::Arc;

use kpipe_compiler::plan::{FileTail, PartitionItem, Pipeline, Route, Tail};
use kpipe_engine::path::decode::Decoder;
use kpipe_engine::path::encode::Encoding;
use kpipe_engine::path::filter::Filter;
use kpipe_engine::path::partition::Partitioner;
use kpipe_engine::path::transform::Projector;
use kpipe_engine::path::{FileRows, Pick, RouteRows, StageError};
use kpipe_engine::records::RawBatch;

/// Files that are written for a look at the memory that their records take.
const FILES_TRIED_MAX: usize = 64;

/// What one statement makes of the newest records. Records that it leaves out or refuses are not in here.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Spread {
    /// Its number.
    pub(crate) route: usize,
    /// The folder of each record, by a number, oldest first; one list for each partition of the source.
    pub(crate) folders: BTreeMap<(String, i32), Vec<u32>>,
    /// Memory that a record takes in an open file, in bytes: the mean of those that were tried.
    pub(crate) record_bytes: f64,
}

/// True for a pipeline whose records say into how many folders they go. Times alone do not: there is one at a time.
pub(crate) fn is_of_interest(pipeline: &Pipeline) -> bool {
    pipeline.routes.iter().any(|route| of_values(route).is_some())
}

fn of_values(route: &Route) -> Option<&FileTail> {
    let Tail::Files(tail) = &route.tail else { return None };
    let is_value = |item: &PartitionItem| match item {
        PartitionItem::Value { .. } => true,
        PartitionItem::Time { .. } => false,
    };
    tail.partition.iter().any(is_value).then_some(tail)
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
    let (mut files, mut records, mut bytes) = (0, 0, 0);
    for raw in batches.iter().filter(|raw| raw.routes.contains(&index)) {
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
        for pick in by_folder(&rows).iter().take(FILES_TRIED_MAX.saturating_sub(files)) {
            let mut encoder = encoding.open()?;
            encoder.write(&FileRows { raw, batch: &rows.rows, pick: Pick::Indices(pick) })?;
            (files, records, bytes) = (files + 1, records + pick.len(), bytes + encoder.memory_bytes());
        }
        if let Some(topic) = (!raw.records.is_empty()).then(|| raw.records.topic(0).to_owned()) {
            spread.folders.insert((topic, raw.records.source_partition()), folders);
        }
    }
    spread.record_bytes = bytes as f64 / records.max(1) as f64;
    Ok(spread)
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
    use kpipe_compiler::plan::{Compression, DataType, Decode, DecodeColumn, Expr, FileFormat, Naming, ValueFormat};
    use kpipe_engine::position::{Delta, PartitionId, Position};
    use kpipe_engine::records::Records;

    use super::*;
    use crate::planning::tests::pipeline;

    struct Values(Vec<String>, i32);

    impl Records for Values {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn source_partition(&self) -> i32 {
            self.1
        }
        fn value(&self, row: usize) -> Option<&[u8]> {
            Some(self.0[row].as_bytes())
        }
        fn key(&self, _row: usize) -> Option<&[u8]> {
            None
        }
        fn position(&self, row: usize) -> Position {
            Position(row as i64)
        }
        fn timestamp_ms(&self, _row: usize) -> Option<i64> {
            None
        }
        fn topic(&self, _row: usize) -> &str {
            "orders"
        }
        fn headers(&self, _row: usize, _each: &mut dyn FnMut(&str, Option<&[u8]>)) {}
    }

    fn batch(number: i32, devices: &[&str]) -> RawBatch {
        let values: Vec<String> = devices.iter().map(|device| format!("{{\"device\":{device}}}")).collect();
        let delta = Delta::new(Position(0), Position(values.len() as i64));
        RawBatch { partition: PartitionId(0), delta, routes: Arc::from([0]), bytes: 0, records: Box::new(Values(values, number)) }
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
            from: "orders".into(),
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
        let folders: Vec<_> = spread.folders.iter().map(|((topic, number), folders)| (topic.as_str(), *number, folders.clone())).collect();
        assert_eq!(folders, [("orders", 0, vec![0, 1, 0, 2]), ("orders", 3, vec![3, 1]), ("orders", 4, vec![1])]);
        assert!((10.0..100.0).contains(&spread.record_bytes), "about the text of a record: {}", spread.record_bytes);
    }

    #[test]
    fn times_are_of_no_interest() {
        let time = PartitionItem::Time { expr: Expr::Timestamp, pattern: "yyyy".to_owned(), zone: "UTC".to_owned(), name: None };
        assert!(!is_of_interest(&by(time)));
        assert!(is_of_interest(&by(PartitionItem::Value { name: None, expr: Expr::Partition })));
    }
}
