//! The roll stage: which rows go into which open file, and when the files of a source partition are closed, all together.
//!
//! A state machine: time comes in with each call, closed sets go out. Sets of different source partitions know nothing of each other.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::hash_map::Entry;
use std::iter;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use ahash::AHashMap;
use bytes::Bytes;
use kpipe_compiler::plan::Flush;

use self::grid::Grid;
use super::{FileEncoder, FileRows, PartBatch, Pick, RollReason, RouteRows, StageError};
use crate::limits::{FILES_OPEN_MAX, PART_BYTES};
use crate::position::{Delta, PartitionId, Position};
use crate::records::RawBatch;

/// Opens files for a route.
pub(crate) trait OpenFiles {
    /// A new, empty file.
    fn open(&self, route: usize) -> Result<Box<dyn FileEncoder>, StageError>;
}

/// A set that takes no more rows; its files are whole.
#[derive(Debug)]
pub(crate) struct ClosedSet {
    pub(crate) partition: PartitionId,
    pub(crate) delta: Delta,
    pub(crate) reason: RollReason,
    pub(crate) files: Vec<ClosedFile>,
}

/// A whole file without a name.
#[derive(Debug)]
pub(crate) struct ClosedFile {
    pub(crate) route: usize,
    pub(crate) folder: Arc<str>,
    pub(crate) first: Position,
    pub(crate) last: Position,
    /// Earliest and latest time of its records, where they have one.
    pub(crate) times_ms: Option<(i64, i64)>,
    pub(crate) records: u64,
    /// Each of [`PART_BYTES`], but for the last; at least one.
    pub(crate) parts: Vec<Bytes>,
}

/// One reading of both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// For how long something took.
    pub(crate) monotonic: Duration,
    /// For the hour of the day, in milliseconds since 1970 UTC.
    pub(crate) wall_ms: i64,
}

/// The open sets of a task.
pub(crate) struct Roller {
    flush: Flush,
    grid: Option<Grid>,
    sees_times: bool,
    sets: BTreeMap<PartitionId, OpenSet>,
    /// Where the next set of a partition has to end, whatever it holds then.
    bounds: BTreeMap<PartitionId, Position>,
}

impl Roller {
    /// `sees_times`: the names of files hold times, so that each record's time is looked at.
    pub(crate) fn new(flush: Flush, sees_times: bool) -> Result<Self, StageError> {
        let grid = flush.schedule.as_ref().map(Grid::new).transpose()?;
        Ok(Self { flush, grid, sees_times, sets: BTreeMap::new(), bounds: BTreeMap::new() })
    }

    /// The next set of a partition ends there and nowhere else: one that has to close before is forgotten.
    pub(crate) fn bind(&mut self, partition: PartitionId, end: Position) {
        self.bounds.insert(partition, end);
    }

    /// Appends a batch. Where the limit of records falls into it, it is cut exactly there: the sets that became full come back. A set
    /// whose hour has passed takes nothing more.
    pub(crate) fn append(
        &mut self,
        now: Moment,
        raw: &RawBatch,
        batch: &PartBatch,
        files: &dyn OpenFiles,
    ) -> Result<Vec<ClosedSet>, StageError> {
        let counted = counted_rows(&batch.routes);
        let slot_end_ms = self.slot_end_ms(now);
        let mut closed = Vec::new();
        if self.sets.get(&batch.partition).is_some_and(|set| set.slot_end_ms != slot_end_ms) && !self.bounds.contains_key(&batch.partition)
        {
            closed.extend(self.close(batch.partition, RollReason::Schedule)?);
        }
        let (mut from, mut start) = (0_usize, batch.delta.start);
        loop {
            let bound = self.bounds.get(&batch.partition).copied();
            let target = bound.map_or(batch.delta.end, |bound| bound.min(batch.delta.end));
            let fits = counted.partition_point(|row| raw.records.position(*row as usize) < target);
            let set = self.sets.entry(batch.partition).or_insert_with(|| OpenSet::new(start, now.monotonic, slot_end_ms, self.sees_times));
            let records_max = self.flush.records.filter(|_| bound.is_none());
            let room = records_max.map_or(usize::MAX, |records_max| as_usize(records_max.saturating_sub(set.records).max(1)));
            let to = fits.min(from.saturating_add(room).min(from.saturating_add(set.rows_for_files(&batch.routes))));
            let end = if to == fits { target } else { raw.records.position(counted[to - 1] as usize + 1) };
            if to > from {
                let rows = counted[from]..counted[to - 1] + 1;
                set.append(raw, &batch.routes, rows, files)?;
                set.records += (to - from) as u64;
            }
            set.delta =
                set.delta.then(Delta::new(start, end)).map_err(|overlap| StageError::new("roll", format!("a batch again: {overlap}")))?;
            if !raw.records.is_empty() {
                set.last_at = now.monotonic;
            }
            let due = match bound {
                Some(bound) => (end >= bound).then_some(RollReason::Undone),
                None => set.full(&self.flush),
            };
            if let Some(reason) = due {
                self.bounds.remove(&batch.partition);
                closed.extend(self.close(batch.partition, reason)?);
            }
            if to == fits && target == batch.delta.end {
                return Ok(closed);
            }
            (from, start) = (to, end);
        }
    }

    /// Closes what is due by time.
    pub(crate) fn due(&mut self, now: Moment) -> Result<Vec<ClosedSet>, StageError> {
        let slot_end_ms = self.slot_end_ms(now);
        let reason = |set: &OpenSet| set.due(&self.flush, now.monotonic, slot_end_ms);
        let due: Vec<_> = self.free().filter_map(|(id, set)| reason(set).map(|reason| (id, reason))).collect();
        let mut closed = Vec::new();
        for (partition, reason) in due {
            closed.extend(self.close(partition, reason)?);
        }
        Ok(closed)
    }

    /// When something will be due if no record comes.
    pub(crate) fn next_due(&self, now: Moment) -> Option<Duration> {
        self.free().filter_map(|(_, set)| set.next_due(&self.flush, now)).min()
    }

    /// Sets that may close anywhere.
    fn free(&self) -> impl Iterator<Item = (PartitionId, &OpenSet)> {
        self.sets.iter().map(|(id, set)| (*id, set)).filter(|(id, _)| !self.bounds.contains_key(id))
    }

    /// Where the slot of the schedule ends in which the clock is; it is another one also where somebody set the clock back.
    fn slot_end_ms(&mut self, now: Moment) -> Option<i64> {
        self.grid.as_mut().map(|grid| grid.slot_end_ms(now.wall_ms))
    }

    /// Closes the set of a partition, if there is one.
    pub(crate) fn close(&mut self, partition: PartitionId, reason: RollReason) -> Result<Option<ClosedSet>, StageError> {
        let Some(set) = self.sets.remove(&partition).filter(|_| !self.bounds.contains_key(&partition)) else { return Ok(None) };
        let OpenSet { delta, files, records: _, first_at: _, last_at: _, slot_end_ms: _, held_bytes: _, file_bytes: _, sees_times: _ } =
            set;
        let mut closed = files.into_iter().map(|(key, file)| file.finish(key)).collect::<Result<Vec<_>, _>>()?;
        closed.sort_by(|one, other| (one.route, &one.folder).cmp(&(other.route, &other.folder)));
        Ok(Some(ClosedSet { partition, delta, reason, files: closed }))
    }

    /// Closes the sets of all partitions.
    pub(crate) fn close_all(&mut self, reason: RollReason) -> Result<Vec<ClosedSet>, StageError> {
        let partitions: Vec<_> = self.sets.keys().copied().collect();
        let mut closed = Vec::new();
        for partition in partitions {
            closed.extend(self.close(partition, reason)?);
        }
        Ok(closed)
    }

    /// Closes the set that holds most memory.
    pub(crate) fn close_largest(&mut self) -> Result<Option<ClosedSet>, StageError> {
        let largest = self.free().max_by_key(|(id, set)| (set.held_bytes, Reverse(*id))).map(|(id, _)| id);
        largest.map_or(Ok(None), |partition| self.close(partition, RollReason::Memory))
    }

    /// Forgets the open files of a partition.
    pub(crate) fn discard(&mut self, partition: PartitionId) {
        self.bounds.remove(&partition);
        self.sets.remove(&partition);
    }

    /// Memory that all open files hold.
    pub(crate) fn held_bytes(&self) -> usize {
        self.sets.values().map(|set| set.held_bytes).sum()
    }

    /// Open files.
    pub(crate) fn files_open(&self) -> usize {
        self.sets.values().map(|set| set.files.len()).sum()
    }

    /// True if no set is open, not even one without files.
    pub(crate) fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }
}

/// The rows that count for the limit of records: those that at least one route keeps.
fn counted_rows(routes: &[RouteRows]) -> Cow<'_, [u32]> {
    match routes {
        [] => Cow::Borrowed(&[]),
        [only] => Cow::Borrowed(&only.rows.rows),
        several => {
            let mut all: Vec<u32> = several.iter().flat_map(|route| &route.rows.rows).copied().collect();
            all.sort_unstable();
            all.dedup();
            Cow::Owned(all)
        }
    }
}

fn as_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Route and folder.
type FileKey = (usize, Arc<str>);

struct OpenSet {
    delta: Delta,
    records: u64,
    first_at: Duration,
    last_at: Duration,
    /// Where the slot of the schedule ends that it was opened in.
    slot_end_ms: Option<i64>,
    files: AHashMap<FileKey, OpenFile>,
    held_bytes: usize,
    file_bytes: u64,
    sees_times: bool,
}

impl OpenSet {
    fn new(start: Position, now: Duration, slot_end_ms: Option<i64>, sees_times: bool) -> Self {
        let (delta, files) = (Delta::new(start, start), AHashMap::new());
        Self { delta, records: 0, first_at: now, last_at: now, slot_end_ms, files, held_bytes: 0, file_bytes: 0, sees_times }
    }

    fn full(&self, flush: &Flush) -> Option<RollReason> {
        if flush.records.is_some_and(|records_max| self.records >= records_max) {
            return Some(RollReason::Records);
        }
        if self.file_bytes >= flush.bytes {
            return Some(RollReason::Bytes);
        }
        (self.files.len() >= FILES_OPEN_MAX).then_some(RollReason::Files)
    }

    /// How many rows may come before the set can have too many files: each row opens at most one file of each route.
    fn rows_for_files(&self, routes: &[RouteRows]) -> usize {
        let folders: usize = routes.iter().map(|route| route.folders.len()).sum();
        let room = FILES_OPEN_MAX.saturating_sub(self.files.len());
        if folders <= room { usize::MAX } else { (room / routes.len().max(1)).max(1) }
    }

    fn due(&self, flush: &Flush, now: Duration, slot_end_ms: Option<i64>) -> Option<RollReason> {
        if self.slot_end_ms != slot_end_ms {
            return Some(RollReason::Schedule);
        }
        let (interval_end, idle_end) = self.time_limits(flush);
        if interval_end.is_some_and(|end| now >= end) {
            return Some(RollReason::Interval);
        }
        idle_end.is_some_and(|end| now >= end).then_some(RollReason::Idle)
    }

    fn next_due(&self, flush: &Flush, now: Moment) -> Option<Duration> {
        let until = |end_ms: i64| Duration::from_millis(u64::try_from(end_ms.saturating_sub(now.wall_ms)).unwrap_or(0));
        let (interval_end, idle_end) = self.time_limits(flush);
        let slot_end = self.slot_end_ms.map(|end_ms| now.monotonic.saturating_add(until(end_ms)));
        [interval_end, idle_end, slot_end].into_iter().flatten().min()
    }

    /// `flush.interval` and `flush.idle`.
    fn time_limits(&self, flush: &Flush) -> (Option<Duration>, Option<Duration>) {
        let after = |from: Duration, ms: Option<u64>| ms.map(|ms| from.saturating_add(Duration::from_millis(ms)));
        (after(self.first_at, flush.interval_ms), after(self.last_at, flush.idle_ms))
    }

    /// Appends the rows of all routes that came from these source rows.
    fn append(&mut self, raw: &RawBatch, routes: &[RouteRows], source: Range<u32>, files: &dyn OpenFiles) -> Result<(), StageError> {
        for route in routes {
            let rows = &route.rows.rows;
            let range = rows.partition_point(|row| *row < source.start)..rows.partition_point(|row| *row < source.end);
            if range.is_empty() {
                continue;
            }
            if route.folder_of_row.is_empty() {
                self.write(raw, route, 0, Pick::Range(range), files)?;
                continue;
            }
            let (order, bounds) = by_folder(&route.folder_of_row, range, route.folders.len());
            for (folder, bound) in bounds.windows(2).enumerate() {
                if bound[0] < bound[1] {
                    self.write(raw, route, folder, Pick::Indices(&order[bound[0]..bound[1]]), files)?;
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, raw: &RawBatch, route: &RouteRows, folder: usize, pick: Pick<'_>, files: &dyn OpenFiles) -> Result<(), StageError> {
        let index = route.rows.route;
        let key = (index, Arc::clone(&route.folders[folder]));
        let file = match self.files.entry(key) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(OpenFile::new(files.open(index)?)),
        };
        let (held_before, bytes_before) = (file.held_bytes(), file.encoder.file_bytes());
        let rows = FileRows { raw, batch: &route.rows, pick };
        file.append(&rows)?;
        if self.sees_times {
            file.see_times(&rows);
        }
        self.held_bytes = (self.held_bytes + file.held_bytes()).saturating_sub(held_before);
        self.file_bytes = (self.file_bytes + file.encoder.file_bytes()).saturating_sub(bytes_before);
        Ok(())
    }
}

/// The rows of a range sorted by folder, and where each folder's rows begin: folder `f` has `order[bounds[f]..bounds[f + 1]]`.
fn by_folder(folder_of_row: &[u32], range: Range<usize>, folders: usize) -> (Vec<u32>, Vec<usize>) {
    let mut bounds = vec![0; folders + 1];
    for folder in &folder_of_row[range.clone()] {
        bounds[*folder as usize + 1] += 1;
    }
    for folder in 0..folders {
        bounds[folder + 1] += bounds[folder];
    }
    let mut next = bounds.clone();
    let mut order = vec![0; range.len()];
    for row in range {
        let slot = &mut next[folder_of_row[row] as usize];
        order[*slot] = row as u32;
        *slot += 1;
    }
    (order, bounds)
}

struct OpenFile {
    encoder: Box<dyn FileEncoder>,
    parts: Vec<Bytes>,
    span: Option<(Position, Position)>,
    times_ms: Option<(i64, i64)>,
    records: u64,
}

impl OpenFile {
    fn new(encoder: Box<dyn FileEncoder>) -> Self {
        Self { encoder, parts: Vec::new(), span: None, times_ms: None, records: 0 }
    }

    fn held_bytes(&self) -> usize {
        self.encoder.memory_bytes() + self.parts.len() * PART_BYTES
    }

    fn append(&mut self, rows: &FileRows<'_>) -> Result<(), StageError> {
        self.encoder.write(rows)?;
        self.take_parts();
        self.records += rows.pick.len() as u64;
        let source_row = |row: usize| rows.batch.rows[row] as usize;
        let (low, high) = match &rows.pick {
            Pick::Range(range) => (source_row(range.start), source_row(range.end - 1)),
            Pick::Indices(indices) => (source_row(indices[0] as usize), source_row(indices[indices.len() - 1] as usize)),
        };
        let (first, last) = (rows.raw.records.position(low), rows.raw.records.position(high));
        self.span = Some((self.span.map_or(first, |span| span.0), last));
        Ok(())
    }

    fn take_parts(&mut self) {
        self.parts.extend(iter::from_fn(|| self.encoder.take_part()));
    }

    fn see_times(&mut self, rows: &FileRows<'_>) {
        let time = |row: usize| rows.raw.records.timestamp_ms(rows.batch.rows[row] as usize);
        match &rows.pick {
            Pick::Range(range) => range.clone().for_each(|row| self.see_time(time(row))),
            Pick::Indices(indices) => indices.iter().for_each(|row| self.see_time(time(*row as usize))),
        }
    }

    fn see_time(&mut self, time_ms: Option<i64>) {
        let Some(time) = time_ms else { return };
        self.times_ms = Some(self.times_ms.map_or((time, time), |(earliest, latest)| (earliest.min(time), latest.max(time))));
    }

    fn finish(mut self, (route, folder): FileKey) -> Result<ClosedFile, StageError> {
        self.encoder.finish()?;
        self.take_parts();
        if self.parts.is_empty() {
            self.parts.push(Bytes::new());
        }
        let (first, last) = self.span.ok_or_else(|| StageError::new("roll", "a file without rows"))?;
        Ok(ClosedFile { route, folder, first, last, times_ms: self.times_ms, records: self.records, parts: self.parts })
    }
}

mod grid;
#[cfg(test)]
mod tests;
