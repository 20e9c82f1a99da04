//! More files open at the same time than memory is for.

use std::collections::BTreeSet;

use kpipe_compiler::plan::{Flush, PartitionItem, Pipeline, Tail};
use kpipe_engine::connector::PartitionInspection;
use kpipe_engine::limits::{FILES_OPEN_MAX, MEMORY_BYTES_DEFAULT, PART_BYTES};

use super::Advice;
use crate::planning::Planned;
use crate::render::progress::{grouped, size};
use crate::spread::Spread;

const HOUR_MS: u64 = 3_600_000;

/// Fewer files than this for each partition are not what the memory goes into.
const FILES_FEW: u64 = 10;

/// Files that are open before a set is closed, and what they are taken from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Open {
    partitions: u64,
    files: u64,
    records: u64,
    memory_bytes: u64,
}

/// `KP0533` of the statement that needs most memory for its files, if that is more than there is.
pub(super) fn advice(planned: &Planned) -> Option<Advice> {
    let Planned { pipeline, look, .. } = planned;
    let (flush, look) = (pipeline.flush.as_ref()?, look.as_ref()?);
    let each = look.spreads.iter().map(|spread| (spread.route, open(spread, flush, &look.source.partitions)));
    let (route, open) = each.max_by_key(|(_, open)| (open.memory_bytes, open.files))?;
    one(pipeline, route, open)
}

/// What is open at least: folders that the newest records had, until `flush` closes the files. Each partition writes files of its own.
fn open(spread: &Spread, flush: &Flush, partitions: &[PartitionInspection]) -> Open {
    let mut open = Open::default();
    for ((topic, number), folders) in &spread.folders {
        let found = partitions.iter().find(|partition| partition.topic == *topic && partition.partition == *number);
        let set = records_of_a_set(flush, found.and_then(|partition| partition.last_hour)).unwrap_or(folders.len() as u64);
        let newest = folders.iter().rev().take(usize::try_from(set).unwrap_or(usize::MAX));
        let records = newest.len() as u64;
        let files = newest.collect::<BTreeSet<_>>().len() as u64;
        open.partitions += 1;
        open.records += records;
        open.files += files;
        // The parts of a file leave memory when they are whole: on the average half of one is there.
        let whole = (set as f64 * spread.record_bytes) as u64;
        open.memory_bytes += whole.min(flush.bytes).min(files * PART_BYTES as u64 / 2);
    }
    open
}

/// How many records come until a set is closed, by number or by the rate of the last hour; `None` if neither says so.
fn records_of_a_set(flush: &Flush, last_hour: Option<u64>) -> Option<u64> {
    let ms = [flush.interval_ms, flush.schedule.as_ref().map(|grid| grid.every_ms)].into_iter().flatten().min();
    let by_time = last_hour.filter(|records| *records > 0).zip(ms).map(|(records, ms)| records.saturating_mul(ms) / HOUR_MS);
    flush.records.into_iter().chain(by_time).min().map(|records| records.max(1))
}

/// The first folder of a statement that is called after a value.
fn first_value(pipeline: &Pipeline, route: usize) -> Option<&str> {
    let Tail::Files(tail) = &pipeline.routes.get(route)?.tail else { return None };
    tail.partition.iter().find_map(|item| match item {
        PartitionItem::Value { name, expr: _ } => name.as_deref(),
        PartitionItem::Time { .. } => None,
    })
}

fn one(pipeline: &Pipeline, route: usize, open: Open) -> Option<Advice> {
    let (budget, files_max) = (MEMORY_BYTES_DEFAULT as u64, FILES_OPEN_MAX as u64);
    let is_large = open.memory_bytes > budget && open.files >= open.partitions * FILES_FEW;
    let message = match (is_large, open.files > files_max) {
        (true, _) => format!("open files would need about {}, and the memory budget is {}", size(open.memory_bytes), size(budget)),
        (false, true) => format!("about {} files would be open at once, and {} can be", grouped(open.files), grouped(files_max)),
        (false, false) => return None,
    };
    let more_memory = match open.files > files_max {
        true => String::new(),
        false => format!(", or give it more memory: `kpipe apply --memory {}GiB`", (open.memory_bytes * 3 / 2).div_ceil(1 << 30)),
    };
    let value = first_value(pipeline, route).unwrap_or("field");
    Some(Advice {
        code: "KP0533",
        message,
        path: format!("kcql[{route}].partition_by"),
        label: format!("at least {} folders among the newest {} records", grouped(open.files), grouped(open.records)),
        notes: vec![
            "each folder of each partition has a file of its own; what does not fit is closed early, as files of few records".to_owned(),
        ],
        help: format!(
            "partition by something that has fewer values, or by a piece of a hash, as `left(sha256({value}), 2) AS bucket`{more_memory}"
        ),
    })
}

#[cfg(test)]
mod tests {
    use kpipe_engine::position::Position;

    use super::*;

    fn flush(records: Option<u64>, interval_ms: Option<u64>) -> Flush {
        Flush { records, bytes: 128 << 20, interval_ms, idle_ms: None, schedule: None }
    }

    fn partition(number: i32, last_hour: Option<u64>) -> PartitionInspection {
        let (low, high) = (Position(0), Position(9_000));
        PartitionInspection { topic: "t".to_owned(), partition: number, low, high, committed: None, start: low, last_hour }
    }

    fn spread(partitions: i32, folders: u32, record_bytes: f64) -> Spread {
        let of_partition = |number| (("t".to_owned(), number), (0..5_000).map(|record| record % folders).collect());
        Spread { route: 0, folders: (0..partitions).map(of_partition).collect(), record_bytes }
    }

    #[test]
    fn each_partition_has_files_of_its_own() {
        let found = open(&spread(2, 700, 1_000.0), &flush(None, None), &[]);
        assert_eq!(found, Open { partitions: 2, files: 1_400, records: 10_000, memory_bytes: 10_000_000 });
        let found = open(&spread(1, 3, 1e6), &flush(None, None), &[]);
        assert_eq!(found.memory_bytes, 12 << 20, "whole parts are stored and gone");
        let found = open(&spread(1, 700, 1e6), &flush(None, None), &[]);
        assert_eq!(found.memory_bytes, 128 << 20, "then the set is closed by its bytes");
    }

    #[test]
    fn only_what_comes_into_one_set_is_open_together() {
        let spread = spread(1, 700, 1_000.0);
        let found = |flush: &Flush, last_hour| {
            let open = open(&spread, flush, &[partition(0, last_hour)]);
            (open.files, open.memory_bytes)
        };
        assert_eq!(found(&flush(Some(100), None), None), (100, 100_000));
        assert_eq!(found(&flush(None, Some(60_000)), Some(3_000)), (50, 50_000), "3,000 an hour are 50 a minute");
        assert_eq!(found(&flush(Some(20), Some(60_000)), Some(3_000)), (20, 20_000));
        assert_eq!(found(&flush(None, Some(60_000)), None), (700, 5_000_000), "nobody counts: all that were looked at");
        assert_eq!(found(&flush(None, Some(60_000)), Some(1)), (1, 1_000));
        assert_eq!(found(&flush(None, Some(60_000)), Some(6_000_000)), (700, 100_000_000), "more than were looked at");
    }

    #[test]
    fn what_fits_is_not_worth_a_word() {
        let pipeline = crate::planning::tests::pipeline("p", "kafka");
        let open = |files, memory_bytes| Open { partitions: 20, files, records: 10_000, memory_bytes };
        assert_eq!(one(&pipeline, 0, open(200, 100 << 20)), None);
        assert_eq!(one(&pipeline, 0, open(60, 900 << 20)), None, "partitions, not folders");
        let memory = one(&pipeline, 0, open(900, 900 << 20)).unwrap();
        assert_eq!(memory.message, "open files would need about 900.0 MiB, and the memory budget is 128.0 MiB");
        assert!(memory.help.ends_with("`kpipe apply --memory 2GiB`"), "{}", memory.help);
        let files = one(&pipeline, 0, open(5_000, 5_000 << 10)).unwrap();
        assert_eq!(files.message, "about 5,000 files would be open at once, and 1,000 can be");
        assert!(!files.help.contains("memory"), "more memory does not help: {}", files.help);
    }
}
