//! More files open at the same time than memory is for.

use std::collections::{BTreeMap, BTreeSet};

use kpipe_compiler::plan::{FileFormat, Flush, Pipeline, Tail};
use kpipe_engine::connector::PartitionInspection;
use kpipe_engine::limits::{FILES_OPEN_MAX, MEMORY_BYTES_DEFAULT, PART_BYTES};

use super::Advice;
use crate::planning::Planned;
use crate::render::progress::{grouped, size};
use crate::spread::{Newest, Spread};

const HOUR_MS: u64 = 3_600_000;
/// Fewer files than this for each partition are not what the memory goes into.
const FILES_FEW: u64 = 10;
/// Sets are closed for memory when so much of the budget is in use.
const BUDGET_SHARE: f64 = 0.75;
/// Rows that wait in a Parquet writer take so many times what `flush.bytes` counts of them.
const PARQUET_WAITING: f64 = 4.0;

/// Files that are open before a set is closed, and what they are taken from.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Open {
    files: u64,
    records: u64,
    memory_bytes: f64,
}

impl Open {
    fn and(self, other: Self) -> Self {
        Self {
            files: self.files + other.files,
            records: self.records + other.records,
            memory_bytes: self.memory_bytes + other.memory_bytes,
        }
    }
}

/// `KP0533` of a pipeline whose sets have more files than fit.
pub(super) fn advice(planned: &Planned) -> Option<Advice> {
    let Planned { pipeline, look, .. } = planned;
    let (flush, look) = (pipeline.flush.as_ref()?, look.as_ref()?);
    advise(pipeline, flush, &look.spreads, &look.source.partitions)
}

fn advise(pipeline: &Pipeline, flush: &Flush, spreads: &[Spread], partitions: &[PartitionInspection]) -> Option<Advice> {
    // The statements of a pipeline share the set of a partition.
    let mut sets: BTreeMap<&(String, i32), Open> = BTreeMap::new();
    let mut routes: BTreeMap<usize, Open> = BTreeMap::new();
    for spread in spreads {
        let format = pipeline.routes.get(spread.route).and_then(|route| match &route.tail {
            Tail::Files(tail) => Some(&tail.format),
            Tail::Records(_) => None,
        })?;
        for (partition, newest) in &spread.partitions {
            let found = partitions.iter().find(|found| (&found.topic, found.partition) == (&partition.0, partition.1));
            let open = open(spread, newest, flush, format, found);
            let set = sets.entry(partition).or_default();
            *set = set.and(open);
            let route = routes.entry(spread.route).or_default();
            *route = route.and(open);
        }
    }
    let all = sets.values().copied().fold(Open::default(), Open::and);
    let set_files = sets.values().map(|set| set.files).max()?;
    // Where it is said.
    let (route, most) = routes.into_iter().max_by_key(|(_, open)| open.files)?;
    one(route, most, all, sets.len() as u64, set_files)
}

/// What one statement has open for one partition, at least: folders that the newest records had, until `flush` closes the files.
fn open(spread: &Spread, newest: &Newest, flush: &Flush, format: &FileFormat, partition: Option<&PartitionInspection>) -> Open {
    let kept = newest.folders.len() as f64 / newest.read.max(1) as f64;
    let set = records_of_a_set(flush, kept, partition).unwrap_or(newest.folders.len() as u64);
    let newest = newest.folders.iter().rev().take(usize::try_from(set).unwrap_or(usize::MAX));
    let records = newest.len() as u64;
    let files = newest.collect::<BTreeSet<_>>().len() as u64;
    // Parts of lines leave memory when they are whole: on the average half of one is there. A row group stays until it is full.
    let (file_max, set_max) = match format {
        FileFormat::Parquet { row_group_bytes, .. } => (*row_group_bytes as f64, flush.bytes as f64 * PARQUET_WAITING),
        FileFormat::Json { .. } | FileFormat::Text { .. } | FileFormat::Bytes { .. } => (PART_BYTES as f64 / 2.0, flush.bytes as f64),
    };
    let of_records = (set as f64 * spread.record_bytes).min(set_max).min(files as f64 * file_max);
    Open { files, records, memory_bytes: files as f64 * spread.file_bytes + of_records }
}

/// How many records that are kept come until a set is closed, by number or by the rate of the last hour; `None` if neither says so: nobody
/// counts, or there is more to catch up with than came in that hour.
fn records_of_a_set(flush: &Flush, kept: f64, partition: Option<&PartitionInspection>) -> Option<u64> {
    let ms = [flush.interval_ms, flush.schedule.as_ref().map(|grid| grid.every_ms)].into_iter().flatten().min();
    let last_hour = partition.and_then(|partition| {
        let waiting = u64::try_from(partition.high.0 - partition.start.0).unwrap_or(0);
        partition.last_hour.filter(|last_hour| waiting <= *last_hour)
    });
    let by_time = last_hour.zip(ms).map(|(records, ms)| (records as f64 * kept * ms as f64 / HOUR_MS as f64).ceil() as u64);
    flush.records.into_iter().chain(by_time).min()
}

fn one(route: usize, most: Open, all: Open, partitions: u64, set_files: u64) -> Option<Advice> {
    let (budget, files_max) = (MEMORY_BYTES_DEFAULT as u64, FILES_OPEN_MAX as u64);
    let is_large = all.memory_bytes > budget as f64 * BUDGET_SHARE && all.files >= partitions * FILES_FEW;
    let memory_bytes = all.memory_bytes as u64;
    let message = match (is_large, set_files > files_max) {
        (true, _) => format!("open files would need about {}, and the memory budget is {} by default", size(memory_bytes), size(budget)),
        (false, true) => {
            format!("about {} files of one partition would be open at once, and {} can be", grouped(set_files), grouped(files_max))
        }
        (false, false) => return None,
    };
    let more_memory = match set_files > files_max {
        true => String::new(),
        false => format!(", or give it more memory: `kpipe apply --memory {}GiB`", (memory_bytes * 3 / 2).div_ceil(1 << 30)),
    };
    Some(Advice {
        code: "KP0533",
        message,
        path: format!("kcql[{route}].partition_by"),
        label: format!("{} files for the newest {} records, at least", grouped(most.files), grouped(most.records)),
        notes: vec![
            "each folder of each partition has a file of its own; what does not fit is closed early, as files of few records".to_owned(),
        ],
        help: format!(
            "partition by something that has fewer values, or by a piece of a hash, as `left(sha256(text), 2) AS bucket`{more_memory}"
        ),
    })
}

#[cfg(test)]
mod tests {
    use kpipe_compiler::plan::Compression;
    use kpipe_engine::position::Position;

    use super::*;

    const LINES: FileFormat = FileFormat::Json { compression: Compression::None };

    fn flush(records: Option<u64>, interval_ms: Option<u64>) -> Flush {
        Flush { records, bytes: 128 << 20, interval_ms, idle_ms: None, schedule: None }
    }

    fn partition(last_hour: Option<u64>, waiting: i64) -> PartitionInspection {
        let (low, high, start) = (Position(0), Position(9_000_000), Position(9_000_000 - waiting));
        PartitionInspection { topic: "t".to_owned(), partition: 0, low, high, committed: None, start, last_hour }
    }

    fn newest(folders: u32) -> Newest {
        Newest { read: 10_000, folders: (0..5_000).map(|record| record % folders).collect() }
    }

    fn spread(file_bytes: f64, record_bytes: f64) -> Spread {
        Spread { file_bytes, record_bytes, ..Spread::default() }
    }

    #[test]
    fn only_what_comes_into_one_set_is_open_together() {
        let files =
            |flush: &Flush, partition: &PartitionInspection| open(&spread(0.0, 0.0), &newest(700), flush, &LINES, Some(partition)).files;
        let minute = flush(None, Some(60_000));
        assert_eq!(files(&flush(Some(100), None), &partition(None, 0)), 100);
        assert_eq!(files(&minute, &partition(Some(6_000), 0)), 50, "6,000 an hour are 100 a minute, half of them kept");
        assert_eq!(files(&flush(Some(20), Some(60_000)), &partition(Some(6_000), 0)), 20);
        assert_eq!(files(&minute, &partition(None, 0)), 700, "nobody counts: all that were looked at");
        assert_eq!(files(&minute, &partition(Some(6_000), 6_001)), 700, "there is more to catch up with");
        assert_eq!(files(&minute, &partition(Some(0), 0)), 0, "nothing comes");
    }

    #[test]
    fn memory_is_that_of_files_and_of_their_records() {
        let bytes = |spread: &Spread, folders, format: &FileFormat, set| {
            open(spread, &newest(folders), &flush(Some(set), None), format, None).memory_bytes
        };
        assert_eq!(bytes(&spread(1e6, 100.0), 700, &LINES, 100_000), 700e6 + 10e6);
        assert_eq!(bytes(&spread(0.0, 1e6), 3, &LINES, 100_000), 3.0 * (4 << 20) as f64, "whole parts are stored and gone");
        let parquet = FileFormat::Parquet { compression: Compression::None, row_group_bytes: 64 << 20 };
        assert_eq!(bytes(&spread(0.0, 1e6), 3, &parquet, 100_000), 3.0 * (64 << 20) as f64, "a row group stays");
        assert_eq!(bytes(&spread(0.0, 1e6), 700, &parquet, 100_000), (512 << 20) as f64, "then the set is closed by its bytes");
    }

    #[test]
    fn what_fits_is_not_worth_a_word() {
        let open = |files, mib: u64| Open { files, records: 10_000, memory_bytes: (mib << 20) as f64 };
        let said = |all: Open, partitions, set_files| one(0, all, all, partitions, set_files);
        assert_eq!(said(open(200, 90), 20, 10), None);
        assert_eq!(said(open(60, 900), 20, 3), None, "partitions, not folders");
        assert_eq!(said(open(1_200, 10), 20, 60), None, "each set has 60 files");
        let memory = said(open(900, 900), 20, 45).unwrap();
        assert_eq!(memory.message, "open files would need about 900.0 MiB, and the memory budget is 128.0 MiB by default");
        assert!(memory.help.ends_with("`kpipe apply --memory 2GiB`"), "{}", memory.help);
        let files = said(open(5_000, 5), 2, 2_500).unwrap();
        assert_eq!(files.message, "about 2,500 files of one partition would be open at once, and 1,000 can be");
        assert!(!files.help.contains("memory"), "more memory does not help: {}", files.help);
    }
}
