use kpipe_compiler::plan::Schedule;
use proptest::prelude::{Strategy, proptest};

use super::*;
use crate::path::RowBatch;
use crate::records::Records;

/// Records whose values are their offsets.
struct Rows(Vec<i64>);

impl Records for Rows {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn source_partition(&self) -> i32 {
        0
    }

    fn value(&self, _row: usize) -> Option<&[u8]> {
        None
    }

    fn key(&self, _row: usize) -> Option<&[u8]> {
        None
    }

    fn position(&self, row: usize) -> Position {
        Position(self.0[row])
    }

    fn timestamp_ms(&self, row: usize) -> Option<i64> {
        (self.0[row] != 13).then_some(1_000 - self.0[row])
    }

    fn topic(&self, _row: usize) -> &str {
        "t"
    }

    fn headers(&self, _row: usize, _each: &mut dyn FnMut(&str, Option<&[u8]>)) {}
}

fn raw(partition: u32, from: i64, to: i64) -> RawBatch {
    let delta = Delta::new(Position(from), Position(to));
    let records = Box::new(Rows((from..to).collect()));
    RawBatch { partition: PartitionId(partition), delta, routes: Arc::new([0]), records, bytes: 0 }
}

/// All rows but those whose offset ends in a 3; odd and even ones in a folder each.
fn route(raw: &RawBatch, index: usize) -> RouteRows {
    let offset = |row: &u32| raw.records.position(*row as usize).0;
    let rows: Vec<u32> = (0..raw.records.len() as u32).filter(|row| offset(row) % 10 != 3).collect();
    let folder_of_row = rows.iter().map(|row| (offset(row) % 2) as u32).collect();
    let batch = RowBatch { partition: raw.partition, delta: raw.delta, route: index, rows, decoded: Vec::new(), output: None };
    RouteRows { rows: batch, folders: vec!["even".into(), "odd".into()], folder_of_row }
}

fn part(raw: &RawBatch, routes: usize) -> PartBatch {
    PartBatch { partition: raw.partition, delta: raw.delta, routes: (0..routes).map(|index| route(raw, index)).collect() }
}

/// Writes the last digit of each offset; ten bytes a row in memory.
#[derive(Default)]
struct Digits {
    digits: Vec<u8>,
    is_finished: bool,
}

impl FileEncoder for Digits {
    fn write(&mut self, rows: &FileRows<'_>) -> Result<(), StageError> {
        let mut add = |row: usize| {
            let offset = rows.raw.records.position(rows.batch.rows[row] as usize).0;
            self.digits.push(b'0' + (offset % 10) as u8);
        };
        match &rows.pick {
            Pick::Range(range) => range.clone().for_each(&mut add),
            Pick::Indices(indices) => indices.iter().for_each(|row| add(*row as usize)),
        }
        Ok(())
    }

    fn memory_bytes(&self) -> usize {
        self.digits.len() * 10
    }

    fn file_bytes(&self) -> u64 {
        self.digits.len() as u64
    }

    fn take_part(&mut self) -> Option<Bytes> {
        (self.is_finished && !self.digits.is_empty()).then(|| std::mem::take(&mut self.digits).into())
    }

    fn finish(&mut self) -> Result<(), StageError> {
        self.is_finished = true;
        Ok(())
    }
}

struct OpenDigits;

impl OpenFiles for OpenDigits {
    fn open(&self, _route: usize) -> Result<Box<dyn FileEncoder>, StageError> {
        Ok(Box::new(Digits::default()))
    }
}

fn roller(records: Option<u64>, bytes: u64) -> Roller {
    Roller::new(Flush { records, bytes, interval_ms: Some(100_000), idle_ms: Some(10_000), schedule: None }, true).unwrap()
}

/// So long after the start, which was at 10:00 UTC of some day.
fn at(seconds: u64) -> Moment {
    Moment { monotonic: Duration::from_secs(seconds), wall_ms: 36_000_000 + seconds as i64 * 1000 }
}

fn append(roller: &mut Roller, seconds: u64, raw: &RawBatch) -> Vec<String> {
    let closed = roller.append(at(seconds), raw, &part(raw, 1), &OpenDigits).unwrap();
    closed.iter().map(show).collect()
}

fn show(set: &ClosedSet) -> String {
    let file = |file: &ClosedFile| {
        let text: Vec<u8> = file.parts.iter().flatten().copied().collect();
        format!(" {}/{} {}..={}", file.route, file.folder, file.first, file.last) + "=" + std::str::from_utf8(&text).unwrap()
    };
    let files: String = set.files.iter().map(file).collect();
    format!("{:?} {:?} {}{files}", set.partition, set.delta, set.reason.word())
}

#[test]
fn a_batch_is_cut_exactly_where_the_set_is_full() {
    let mut roller = roller(Some(4), 1_000_000);
    let closed = append(&mut roller, 0, &raw(0, 0, 10));
    assert_eq!(
        closed,
        ["partition#0 [0, 5) records 0/even 0..=4=024 0/odd 1..=1=1", "partition#0 [5, 9) records 0/even 6..=8=68 0/odd 5..=7=57",]
    );
    assert_eq!(append(&mut roller, 0, &raw(0, 10, 14)), ["partition#0 [9, 14) records 0/even 10..=12=02 0/odd 9..=11=91"]);
    assert!(roller.is_empty());
}

#[test]
fn rows_of_several_routes_count_once() {
    let mut roller = roller(Some(3), 1_000_000);
    let raw = raw(0, 0, 3);
    let closed = roller.append(at(0), &raw, &part(&raw, 2), &OpenDigits).unwrap();
    assert_eq!(
        closed.iter().map(show).collect::<Vec<_>>(),
        ["partition#0 [0, 3) records 0/even 0..=2=02 0/odd 1..=1=1 1/even 0..=2=02 1/odd 1..=1=1"]
    );
}

#[test]
fn a_batch_without_rows_moves_the_delta() {
    let mut roller = roller(None, 1_000_000);
    assert!(append(&mut roller, 0, &raw(0, 3, 4)).is_empty(), "offset 3 is dropped");
    assert_eq!((roller.files_open(), roller.is_empty()), (0, false));
    let closed = roller.close_all(RollReason::Stop).unwrap();
    assert_eq!(closed.iter().map(show).collect::<Vec<_>>(), ["partition#0 [3, 4) stop"]);
}

#[test]
fn timers_count_from_the_first_and_from_the_last_record() {
    let mut roller = roller(None, 1_000_000);
    append(&mut roller, 5, &raw(0, 0, 1));
    assert_eq!(roller.next_due(at(0)), Some(Duration::from_secs(15)));
    append(&mut roller, 14, &raw(0, 1, 2));
    assert_eq!(roller.next_due(at(0)), Some(Duration::from_secs(24)));
    assert!(roller.due(at(23)).unwrap().is_empty());
    assert_eq!(roller.due(at(24)).unwrap()[0].reason, RollReason::Idle);
    for second in (30..130).step_by(5) {
        append(&mut roller, second, &raw(0, second as i64, second as i64 + 5));
        assert!(roller.due(at(second)).unwrap().is_empty(), "{second}");
    }
    assert_eq!(roller.due(at(130)).unwrap()[0].reason, RollReason::Interval);
    assert_eq!(roller.next_due(at(0)), None);
}

/// Ten minutes in UTC and nothing else by time.
fn every_ten_minutes(records: Option<u64>) -> Roller {
    let schedule = Some(Schedule { every_ms: 600_000, zone: "UTC".to_owned() });
    Roller::new(Flush { records, bytes: 1_000_000, interval_ms: None, idle_ms: None, schedule }, true).unwrap()
}

fn due(roller: &mut Roller, now: Moment) -> Vec<String> {
    roller.due(now).unwrap().iter().map(show).collect()
}

#[test]
fn a_schedule_closes_without_a_record() {
    let mut roller = every_ten_minutes(None);
    assert!(append(&mut roller, 180, &raw(0, 0, 2)).is_empty(), "10:03");
    assert_eq!(roller.next_due(at(180)), Some(Duration::from_secs(600)));
    assert!(due(&mut roller, at(599)).is_empty(), "10:09:59");
    assert_eq!(due(&mut roller, at(600)), ["partition#0 [0, 2) schedule 0/even 0..=0=0 0/odd 1..=1=1"], "10:10");
    assert_eq!(roller.next_due(at(3780)), None, "11:03, and nothing is open");
    assert!(append(&mut roller, 3840, &raw(0, 2, 3)).is_empty() && due(&mut roller, at(3840)).is_empty(), "11:04: no file of one record");
    assert_eq!(roller.next_due(at(3900)), Some(Duration::from_secs(4200)), "11:10");
}

#[test]
fn a_record_after_the_point_is_not_in_the_files_of_before() {
    let mut roller = every_ten_minutes(None);
    append(&mut roller, 180, &raw(0, 0, 2));
    append(&mut roller, 181, &raw(1, 0, 1));
    assert_eq!(append(&mut roller, 630, &raw(0, 4, 6)), ["partition#0 [0, 2) schedule 0/even 0..=0=0 0/odd 1..=1=1"], "10:10:30");
    assert_eq!(due(&mut roller, at(630)), ["partition#1 [0, 1) schedule 0/even 0..=0=0"], "the other one is due as well");
    assert_eq!(due(&mut roller, at(1200)), ["partition#0 [4, 6) schedule 0/even 4..=4=4 0/odd 5..=5=5"], "10:20");
}

#[test]
fn full_sets_leave_the_points_where_they_are() {
    let mut roller = every_ten_minutes(Some(2));
    assert_eq!(append(&mut roller, 180, &raw(0, 0, 3)), ["partition#0 [0, 2) records 0/even 0..=0=0 0/odd 1..=1=1"]);
    assert_eq!(due(&mut roller, at(600)), ["partition#0 [2, 3) schedule 0/even 2..=2=2"]);
}

#[test]
fn a_clock_that_is_set_back_closes_what_it_left() {
    let mut roller = every_ten_minutes(None);
    append(&mut roller, 660, &raw(0, 0, 1));
    let later = |wall_s: i64| Moment { wall_ms: 36_000_000 + wall_s * 1000, ..at(700) };
    assert!(due(&mut roller, later(610)).is_empty(), "by less than a slot");
    assert_eq!(due(&mut roller, later(-3600)), ["partition#0 [0, 1) schedule 0/even 0..=0=0"], "09:00: not a day that waits for 10:20");
}

#[test]
fn bytes_close_a_set_and_memory_the_largest() {
    let mut by_bytes = roller(None, 6);
    assert_eq!(append(&mut by_bytes, 0, &raw(0, 0, 3)).len(), 0);
    assert_eq!(append(&mut by_bytes, 0, &raw(0, 4, 7)), ["partition#0 [0, 7) bytes 0/even 0..=6=0246 0/odd 1..=5=15"]);
    let mut roller = roller(None, 1_000_000);
    append(&mut roller, 0, &raw(0, 0, 2));
    append(&mut roller, 0, &raw(1, 0, 3));
    append(&mut roller, 0, &raw(2, 0, 1));
    assert_eq!((roller.held_bytes(), roller.files_open()), (60, 5));
    let largest = roller.close_largest().unwrap().unwrap();
    assert_eq!((largest.partition, largest.reason, roller.held_bytes()), (PartitionId(1), RollReason::Memory, 30));
}

#[test]
fn a_discarded_partition_leaves_the_others_alone() {
    let mut roller = roller(None, 1_000_000);
    append(&mut roller, 0, &raw(0, 0, 2));
    append(&mut roller, 0, &raw(1, 0, 2));
    roller.discard(PartitionId(0));
    let left: Vec<_> = roller.close_all(RollReason::Stop).unwrap().iter().map(|set| set.partition).collect();
    assert_eq!(left, [PartitionId(1)]);
}

#[test]
fn the_same_positions_again_are_refused() {
    let mut roller = roller(None, 1_000_000);
    append(&mut roller, 0, &raw(0, 0, 10));
    let again = raw(0, 9, 12);
    let refused = roller.append(at(0), &again, &part(&again, 1), &OpenDigits).unwrap_err();
    insta::assert_snapshot!(refused, @"roll: a batch again: positions [9, 12) overlap what is committed up to 10");
}

#[test]
fn files_know_the_earliest_and_the_latest_time() {
    let mut roller = roller(None, 1_000_000);
    append(&mut roller, 0, &raw(0, 10, 16));
    let closed = roller.close(PartitionId(0), RollReason::Stop).unwrap().unwrap();
    assert_eq!(closed.files[1].times_ms, Some((985, 989)), "odd: 11 and 15, 13 is dropped");
}

#[test]
fn a_file_without_bytes_has_a_part() {
    let mut empty = OpenFile::new(Box::new(Digits::default()));
    empty.span = Some((Position(0), Position(0)));
    assert_eq!(empty.finish((0, "".into())).unwrap().parts, [Bytes::new()], "an upload needs a part");
}

#[test]
fn a_batch_with_a_folder_a_row_never_opens_too_many_files() {
    let mut roller = roller(None, 1_000_000);
    let raw = raw(0, 0, 2_500);
    let rows: Vec<u32> = (0..2_500).collect();
    let batch = RowBatch { partition: raw.partition, delta: raw.delta, route: 0, rows: rows.clone(), decoded: Vec::new(), output: None };
    let folders = rows.iter().map(|row| row.to_string().into()).collect();
    let route = RouteRows { rows: batch, folders, folder_of_row: rows };
    let part = PartBatch { partition: raw.partition, delta: raw.delta, routes: vec![route] };
    let mut closed = roller.append(at(0), &raw, &part, &OpenDigits).unwrap();
    closed.extend(roller.close(PartitionId(0), RollReason::Stop).unwrap());
    let sets: Vec<_> = closed.iter().map(|set| (set.files.len(), set.delta.start.0, set.delta.end.0, set.reason)).collect();
    assert_eq!(
        sets,
        [(1_000, 0, 1_000, RollReason::Files), (1_000, 1_000, 2_000, RollReason::Files), (500, 2_000, 2_500, RollReason::Stop)]
    );
}

/// Batches as lengths, each with a gap of offsets before it.
fn batches() -> impl Strategy<Value = Vec<(i64, i64)>> {
    proptest::collection::vec((0..5_i64, 0..40_i64), 1..20)
}

proptest! {
    #[test]
    fn sets_cover_everything_once_and_in_order(batches in batches(), limit in 1..50_u64) {
        let mut roller = roller(Some(limit), 1_000_000);
        let (mut next, mut closed, mut kept) = (0, Vec::new(), Vec::new());
        for (gap, length) in batches {
            let raw = raw(0, next + gap, next + gap + length);
            next += gap + length;
            kept.extend((0..raw.records.len()).map(|row| raw.records.position(row).0).filter(|offset| offset % 10 != 3));
            closed.extend(roller.append(at(0), &raw, &part(&raw, 1), &OpenDigits).unwrap());
        }
        let (full, last) = (closed.len(), roller.close(PartitionId(0), RollReason::Stop).unwrap());
        closed.extend(last);
        let mut end = None;
        for (index, set) in closed.iter().enumerate() {
            let records: u64 = set.files.iter().map(|file| file.records).sum();
            assert!(index >= full || records == limit, "a full set has exactly its limit");
            assert!(end.is_none_or(|end| set.delta.start >= end), "deltas follow each other");
            end = Some(set.delta.end);
        }
        assert_eq!(end, Some(Position(next)));
        for parity in 0..2 {
            let folder = ["even", "odd"][parity as usize];
            let files = closed.iter().flat_map(|set| &set.files).filter(|file| &*file.folder == folder);
            let written: Vec<u8> = files.flat_map(|file| file.parts.iter().flatten().copied()).collect();
            let expected: Vec<u8> = kept.iter().filter(|offset| *offset % 2 == parity).map(|offset| b'0' + (offset % 10) as u8).collect();
            assert_eq!(written, expected);
        }
    }
}

#[test]
fn a_set_that_is_written_again_ends_where_it_ended() {
    // Limits that would close it long before: records, bytes, time, memory, a stop.
    let mut roller = roller(Some(3), 5);
    roller.bind(PartitionId(0), Position(27));
    let mut closed = Vec::new();
    for (from, to) in [(0, 10), (10, 20)] {
        let raw = raw(0, from, to);
        closed.extend(roller.append(at(0), &raw, &part(&raw, 2), &OpenDigits).unwrap());
        closed.extend(roller.due(at(3_600)).unwrap());
        closed.extend(roller.close_largest().unwrap());
    }
    assert!(closed.is_empty() && roller.next_due(at(0)).is_none());
    let raw = raw(0, 20, 40);
    let closed = roller.append(at(0), &raw, &part(&raw, 2), &OpenDigits).unwrap();
    let ends: Vec<_> = closed.iter().map(|set| (set.delta.start.0, set.delta.end.0, set.reason)).collect();
    assert_eq!(ends[0], (0, 27, RollReason::Undone));
    assert_eq!(closed[0].files.iter().map(|file| file.records).sum::<u64>(), 2 * 24, "all rows but 3, 13 and 23, of both routes");
    assert!(ends[1..].iter().all(|(.., reason)| *reason != RollReason::Undone) && ends.len() > 3, "{ends:?}");
    assert!(ends.windows(2).all(|pair| pair[0].1 == pair[1].0), "the rest goes on as always: {ends:?}");
}

#[test]
fn a_set_that_is_written_again_may_end_where_there_is_no_row() {
    for (bound, batches) in [(23, vec![(0, 23), (23, 30)]), (24, vec![(0, 24)]), (13, vec![(0, 30)]), (14, vec![(0, 13), (13, 30)])] {
        let mut roller = roller(None, 1 << 20);
        roller.bind(PartitionId(0), Position(bound));
        let mut closed = Vec::new();
        for (from, to) in batches {
            let raw = raw(0, from, to);
            closed.extend(roller.append(at(0), &raw, &part(&raw, 1), &OpenDigits).unwrap());
        }
        let ends: Vec<_> = closed.iter().map(|set| (set.delta.start.0, set.delta.end.0)).collect();
        assert_eq!(ends, [(0, bound)], "bound {bound}");
    }
}

#[test]
fn a_set_that_cannot_end_where_it_ended_is_forgotten() {
    let mut roller = roller(None, 1 << 20);
    roller.bind(PartitionId(0), Position(50));
    let raw = raw(0, 0, 20);
    assert!(roller.append(at(0), &raw, &part(&raw, 1), &OpenDigits).unwrap().is_empty());
    assert!(roller.close_all(RollReason::Stop).unwrap().is_empty());
    assert!(roller.is_empty());
}
