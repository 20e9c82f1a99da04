//! Files that are too small: how many of them a day the options of `flush` make of the records of the last hour.

use kpipe_compiler::plan::wording::show_ms;
use kpipe_compiler::plan::{Flush, Pipeline, Schedule};
use kpipe_engine::connector::PartitionInspection;

use super::Advice;
use crate::planning::Planned;
use crate::render::progress::grouped;

/// From so many objects a day on, more is said than nothing.
const OBJECTS_MAX: f64 = 10_000.0;
/// Objects with more records than this are not small.
const RECORDS_ENOUGH: f64 = 1_000.0;
/// Another setting has to make so many times fewer objects to be named.
const BETTER: f64 = 4.0;
const HOUR: f64 = 3_600.0;
const DAY: f64 = 86_400.0;
/// What a store takes for a million writes, in dollars.
const MILLION_WRITES: f64 = 5.0;

/// What closes most files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closes {
    Records,
    Interval,
    Idle,
    Schedule,
}

/// Files of a day.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Day {
    objects: f64,
    records_each: f64,
    closes: Closes,
}

/// `KP0530` where files are closed long before they are worth it.
pub(super) fn advice(planned: &Planned) -> Option<Advice> {
    let Planned { pipeline, look, .. } = planned;
    let (flush, rates) = (pipeline.flush.as_ref()?, Rates::of(pipeline, &look.as_ref()?.source.partitions)?);
    let day = rates.day(flush);
    if day.objects < OBJECTS_MAX || day.records_each >= RECORDS_ENOUGH {
        return None;
    }
    let option = match day.closes {
        Closes::Records => "records",
        Closes::Interval => "interval",
        Closes::Idle => "idle",
        Closes::Schedule => "schedule",
    };
    let cost = day.objects / 1e6 * MILLION_WRITES;
    let cost =
        if pipeline.sink.connector == "s3" { format!("about ${cost:.2} a day for the writes at $5 a million; ") } else { String::new() };
    let better = match better(&rates, flush, day) {
        Some((setting, day)) => format!("`{setting}` makes about {} of {} records", about(day.objects), about(day.records_each)),
        None => "read more partitions' worth of records into fewer topics, or let files wait longer".to_owned(),
    };
    Some(Advice {
        code: "KP0530",
        message: format!("this flush setting makes about {} objects a day", about(day.objects)),
        path: format!("sink.{}.flush.{option}", pipeline.sink.connector),
        label: format!("{}, measured over the last hour", rates.words()),
        notes: vec![format!(
            "files are closed by `flush.{option}` = {}, with about {} each",
            value(flush, day.closes),
            records(day.records_each)
        )],
        help: format!("{cost}{better}"),
    })
}

/// Records a second of each partition, and how many statements write what they bring.
#[derive(Debug, PartialEq)]
struct Rates(Vec<(f64, f64)>);

impl Rates {
    /// None where nobody counts records.
    fn of(pipeline: &Pipeline, partitions: &[PartitionInspection]) -> Option<Self> {
        let rate = |partition: &PartitionInspection| {
            let writers = pipeline.routes.iter().filter(|route| route.from == partition.topic).count();
            Some((partition.last_hour? as f64 / HOUR, writers.max(1) as f64))
        };
        let rates = partitions.iter().map(rate).collect::<Option<Vec<_>>>()?;
        rates.iter().any(|(rate, _)| *rate > 0.0).then_some(Self(rates))
    }

    fn words(&self) -> String {
        let second: f64 = self.0.iter().map(|(rate, _)| rate).sum();
        let partitions = self.0.len();
        let (per, rate) = if second >= 1.0 { ("a second", second) } else { ("an hour", second * HOUR) };
        format!("{} {per} over {partitions} partition{}", records(rate), if partitions == 1 { "" } else { "s" })
    }

    /// The files of a day. Records are taken to come independently of each other.
    fn day(&self, flush: &Flush) -> Day {
        let (mut objects, mut sets, mut records) = (0.0, 0.0, 0.0);
        let mut by = [(Closes::Records, 0.0), (Closes::Interval, 0.0), (Closes::Idle, 0.0), (Closes::Schedule, 0.0)];
        for (rate, writers) in self.0.iter().filter(|(rate, _)| *rate > 0.0) {
            let seconds = |ms: u64| ms as f64 / 1000.0;
            let second = [
                flush.records.map_or(0.0, |records| rate / records as f64),
                // The first record begins a set.
                flush.interval_ms.map_or(0.0, |interval| 1.0 / (seconds(interval) + 1.0 / rate)),
                // Every gap that is longer than `idle` ends one.
                flush.idle_ms.map_or(0.0, |idle| rate * (-rate * seconds(idle)).exp()),
                // Every slot of the grid that a record falls into.
                flush.schedule.as_ref().map_or(0.0, |grid| (1.0 - (-rate * seconds(grid.every_ms)).exp()) / seconds(grid.every_ms)),
            ];
            let most = second.iter().copied().fold(0.0, f64::max);
            for ((_, sum), second) in by.iter_mut().zip(second) {
                *sum += if second == most { most * DAY * writers } else { 0.0 };
            }
            objects += most * DAY * writers;
            sets += most * DAY;
            records += rate * DAY;
        }
        let closes = by.iter().fold(by[0], |most, one| if one.1 > most.1 { *one } else { most }).0;
        Day { objects, records_each: records / sets, closes }
    }
}

/// The least change of the option that closes the files which makes enough fewer of them.
fn better(rates: &Rates, flush: &Flush, day: Day) -> Option<(String, Day)> {
    const MINUTE: u64 = 60_000;
    const TIMES: [u64; 7] = [MINUTE, 5 * MINUTE, 15 * MINUTE, 60 * MINUTE, 6 * 60 * MINUTE, 12 * 60 * MINUTE, 24 * 60 * MINUTE];
    let settings: Vec<(String, Flush)> = match day.closes {
        Closes::Records => (2..9)
            .flat_map(|power| [1, 2, 5].map(|digit| digit * 10_u64.pow(power)))
            .map(|records| (format!("records: {records}"), Flush { records: Some(records), ..flush.clone() }))
            .collect(),
        Closes::Interval => {
            let longer = TIMES.into_iter().filter(|ms| flush.interval_ms.is_some_and(|interval| *ms > interval));
            longer.map(|ms| (format!("interval: {}", show_ms(ms)), Flush { interval_ms: Some(ms), ..flush.clone() })).collect()
        }
        Closes::Idle => {
            let longer = TIMES.into_iter().filter(|ms| flush.idle_ms.is_some_and(|idle| *ms > idle));
            longer.map(|ms| (format!("idle: {}", show_ms(ms)), Flush { idle_ms: Some(ms), ..flush.clone() })).collect()
        }
        Closes::Schedule => {
            let longer = flush.schedule.iter().flat_map(|now| {
                let longer = TIMES.into_iter().filter(|ms| *ms > now.every_ms);
                longer.map(|every_ms| Schedule { every_ms, zone: now.zone.clone() })
            });
            longer.map(|grid| (format!("schedule: {}", show_ms(grid.every_ms)), Flush { schedule: Some(grid), ..flush.clone() })).collect()
        }
    };
    let days: Vec<(String, Day)> = settings.into_iter().map(|(words, flush)| (words, rates.day(&flush))).collect();
    let fewest = days.iter().map(|(_, day)| day.objects).fold(f64::INFINITY, f64::min);
    let is_enough =
        |found: &Day| found.objects * BETTER <= day.objects && (found.records_each >= RECORDS_ENOUGH || found.objects <= 1.1 * fewest);
    days.into_iter().find(|(_, found)| is_enough(found))
}

fn value(flush: &Flush, closes: Closes) -> String {
    match closes {
        Closes::Records => flush.records.map_or_else(String::new, grouped),
        Closes::Interval => flush.interval_ms.map_or_else(String::new, show_ms),
        Closes::Idle => flush.idle_ms.map_or_else(String::new, show_ms),
        Closes::Schedule => flush.schedule.as_ref().map_or_else(String::new, |grid| show_ms(grid.every_ms)),
    }
}

fn records(number: f64) -> String {
    let text = about(number);
    format!("{text} record{}", if text == "1" { "" } else { "s" })
}

/// With two digits that mean something: `1.7 million`, `86,000`, `350`, `2.5`.
fn about(number: f64) -> String {
    if number >= 995_000.0 {
        return format!("{:.1} million", number / 1e6);
    }
    if number < 9.95 {
        return format!("{number:.1}").trim_end_matches(".0").to_owned();
    }
    let unit = 10_f64.powi(number.log10().floor() as i32 - 1);
    grouped(((number / unit).round() * unit) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flush(records: Option<u64>, interval_ms: u64, idle_ms: u64) -> Flush {
        Flush { records, bytes: 128 << 20, interval_ms: Some(interval_ms), idle_ms: Some(idle_ms), schedule: None }
    }

    fn rates(partitions: usize, second: f64) -> Rates {
        Rates(vec![(second / partitions as f64, 1.0); partitions])
    }

    #[test]
    fn files_of_ten_records_are_counted_and_a_better_number_is_found() {
        let rates = rates(24, 200.0);
        let (minutes, never) = (3_600_000, 86_400_000);
        let day = rates.day(&flush(Some(10), minutes, never));
        assert_eq!((about(day.objects), about(day.records_each), day.closes), ("1.7 million".to_owned(), "10".to_owned(), Closes::Records));
        let (setting, better) = better(&rates, &flush(Some(10), minutes, never), day).unwrap();
        assert_eq!((setting.as_str(), about(better.objects)), ("records: 1000", "17,000".to_owned()));
        assert_eq!(rates.words(), "200 records a second over 24 partitions");
    }

    #[test]
    fn a_grid_closes_the_slots_that_have_records() {
        let schedule = |every_ms| Flush {
            interval_ms: None,
            idle_ms: None,
            schedule: Some(Schedule { every_ms, zone: "UTC".to_owned() }),
            ..flush(None, 1, 1)
        };
        let busy = rates(10, 100.0);
        let day = busy.day(&schedule(10_000));
        assert_eq!((about(day.objects), day.closes), ("86,000".to_owned(), Closes::Schedule));
        assert_eq!(better(&busy, &schedule(10_000), day).unwrap().0, "schedule: 5m");
        assert_eq!(about(rates(1, 0.001).day(&schedule(10_000)).objects), "86", "most slots have no record");
    }

    #[test]
    fn what_closes_first_decides() {
        let slow = rates(1, 0.5);
        for (flush, objects, closes) in [
            (flush(Some(5), 600_000, 600_000), "8,600", Closes::Records),
            (flush(Some(1_000), 10_000, 600_000), "7,200", Closes::Interval),
            (flush(None, 600_000, 2_000), "16,000", Closes::Idle),
            (flush(None, 600_000, 60_000), "140", Closes::Interval),
        ] {
            let day = slow.day(&flush);
            assert_eq!((about(day.objects).as_str(), day.closes), (objects, closes), "{flush:?}");
        }
        let twice = Rates(vec![(0.5, 2.0)]);
        assert_eq!(about(twice.day(&flush(Some(5), 600_000, 600_000)).objects), "17,000", "each statement writes its own");
    }

    #[test]
    fn times_are_made_longer_where_they_close_the_files() {
        let busy = rates(200, 400.0);
        let short = flush(None, 5_000, 3_600_000);
        let day = busy.day(&short);
        assert_eq!(day.closes, Closes::Interval);
        let (setting, found) = better(&busy, &short, day).unwrap();
        assert!(setting == "interval: 15m" && found.records_each > RECORDS_ENOUGH, "{setting} {found:?}");
        let idle = flush(None, 3_600_000, 100);
        let (setting, _) = better(&busy, &idle, busy.day(&idle)).unwrap();
        assert_eq!(setting, "idle: 1m");
    }

    #[test]
    fn without_records_or_without_a_count_nothing_is_said() {
        assert_eq!(Rates::of(&crate::planning::tests::pipeline("p", "kafka"), &[]), None);
        let partition = |last_hour| PartitionInspection {
            topic: "t".to_owned(),
            partition: 0,
            low: kpipe_engine::position::Position(0),
            high: kpipe_engine::position::Position(9),
            committed: None,
            start: kpipe_engine::position::Position(0),
            last_hour,
        };
        let of = |hours: &[Option<u64>]| {
            Rates::of(&crate::planning::tests::pipeline("p", "kafka"), &hours.iter().map(|hour| partition(*hour)).collect::<Vec<_>>())
        };
        assert_eq!((of(&[Some(0)]), of(&[None]), of(&[Some(3_600), None])), (None, None, None));
        assert_eq!(of(&[Some(3_600), Some(0)]).unwrap().words(), "1 record a second over 2 partitions");
        assert_eq!(of(&[Some(1_800)]).unwrap().words(), "1,800 records an hour over 1 partition");
    }

    #[test]
    fn numbers_are_short() {
        for (number, text) in [
            (1_728_000.0, "1.7 million"),
            (999_999.0, "1.0 million"),
            (86_400.0, "86,000"),
            (345.0, "350"),
            (10.0, "10"),
            (9.96, "10"),
            (2.0, "2"),
            (0.25, "0.2"),
        ] {
            assert_eq!(about(number), text, "{number}");
        }
    }
}
