//! The grid of a schedule: when the clock on a wall passes a point.
//!
//! Points are what the clock shows: each midnight of the zone, and whole numbers of steps after it. So `1d` is midnight and `12h` is noon on days of
//! 23 and of 25 hours too, and the hour that comes twice has its points twice. Where the clock is put forward over a point, it passes it in that
//! moment.

use std::ops::Range;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use kpipe_compiler::plan::Schedule;

use crate::path::StageError;

const DAY_MS: i64 = 86_400_000;

/// A grid, and the slot of it that was asked for last.
#[derive(Debug)]
pub(super) struct Grid {
    every_ms: i64,
    zone: TimeZone,
    slot: Range<i64>,
}

impl Grid {
    pub(super) fn new(schedule: &Schedule) -> Result<Self, StageError> {
        let zone = TimeZone::get(&schedule.zone).map_err(|error| StageError::new("roll", format!("the schedule's zone: {error}")))?;
        let every_ms = i64::try_from(schedule.every_ms).unwrap_or(DAY_MS).clamp(1, DAY_MS);
        Ok(Self { every_ms, zone, slot: 0..0 })
    }

    /// The first point after a moment. It is the same for all moments of a slot, and another one in every other slot.
    pub(super) fn slot_end_ms(&mut self, now_ms: i64) -> i64 {
        if !self.slot.contains(&now_ms) {
            self.slot = now_ms..self.next(now_ms);
        }
        self.slot.end
    }

    fn next(&self, now_ms: i64) -> i64 {
        let mut at = now_ms;
        let mut local = at.saturating_add(self.offset_ms(at));
        loop {
            let point = self.point_after(local);
            let reached = at.saturating_add(point - local);
            let Some((change, offset_ms)) = self.change_after(at).filter(|(change, _)| *change <= reached) else { return reached };
            let (before, after) = (local + (change - at), change.saturating_add(offset_ms));
            // Put forward: over the point, perhaps. Put back: onto one, perhaps.
            if if after > before { point <= after } else { self.point_at_or_before(after) == after } {
                return change;
            }
            (at, local) = (change, after);
        }
    }

    /// Of a time as the clock shows it, in milliseconds since the midnight of 1970-01-01 that it showed.
    fn point_at_or_before(&self, local: i64) -> i64 {
        let of_day = local.rem_euclid(DAY_MS);
        local - of_day % self.every_ms
    }

    fn point_after(&self, local: i64) -> i64 {
        let midnight = local.saturating_add(DAY_MS - local.rem_euclid(DAY_MS));
        self.point_at_or_before(local).saturating_add(self.every_ms).min(midnight)
    }

    fn offset_ms(&self, at: i64) -> i64 {
        Timestamp::from_millisecond(at).map_or(0, |at| i64::from(self.zone.to_offset(at).seconds()) * 1000)
    }

    /// When the clock is put forward or back next, and what is added to UTC from then on.
    fn change_after(&self, at: i64) -> Option<(i64, i64)> {
        let change = self.zone.following(Timestamp::from_millisecond(at).ok()?).next()?;
        Some((change.timestamp().as_millisecond(), i64::from(change.offset().seconds()) * 1000))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy, prop_oneof, proptest};

    use super::*;

    const HOUR_MS: u64 = 3_600_000;

    fn grid(every_ms: u64, zone: &str) -> Grid {
        Grid::new(&Schedule { every_ms, zone: zone.to_owned() }).unwrap()
    }

    fn ms(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    /// The points from a moment on, as the clock shows them.
    fn points(grid: &Grid, from: &str, count: usize) -> Vec<String> {
        let mut at = ms(from);
        let mut next = || {
            at = grid.next(at);
            let shown = Timestamp::from_millisecond(at).unwrap().to_zoned(grid.zone.clone());
            shown.strftime("%d %H:%M%:z").to_string()
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn a_step_that_does_not_divide_a_day_ends_at_midnight() {
        let mut seven = grid(7 * HOUR_MS, "UTC");
        let cases = [("00:00:00", 7), ("00:00:01", 7), ("20:59:00", 21), ("21:00:00", 24), ("23:59:00", 24)];
        for (time, hour) in cases {
            let end = seven.slot_end_ms(ms(&format!("2024-05-05T{time}Z")));
            assert_eq!(end - ms("2024-05-05T00:00:00Z"), hour * HOUR_MS as i64, "{time}");
        }
    }

    #[test]
    fn an_hour_that_comes_twice_has_its_points_twice() {
        let hours = grid(HOUR_MS, "America/Los_Angeles");
        let from = "2019-11-03T00:30:00-07:00";
        assert_eq!(points(&hours, from, 4), ["03 01:00-07:00", "03 01:00-08:00", "03 02:00-08:00", "03 03:00-08:00"]);
        assert_eq!(points(&hours, "2019-11-03T22:00:00-08:00", 2), ["03 23:00-08:00", "04 00:00-08:00"]);
        let slots = |day: &str, end: &str| {
            let (mut at, mut count) = (ms(day), 0);
            while at < ms(end) {
                (at, count) = (hours.next(at), count + 1);
            }
            count
        };
        assert_eq!(slots("2019-11-03T00:00:00-07:00", "2019-11-04T00:00:00-08:00"), 25);
        assert_eq!(slots("2019-03-10T00:00:00-08:00", "2019-03-11T00:00:00-07:00"), 23);
    }

    #[test]
    fn noon_is_noon_and_midnight_comes_once_a_day() {
        for (zone, from, shown) in [
            ("Europe/Berlin", "2024-10-27T00:00:00+02:00", ["27 12:00+01:00", "28 00:00+01:00", "28 12:00+01:00"]),
            ("Europe/Berlin", "2024-03-31T00:00:00+01:00", ["31 12:00+02:00", "01 00:00+02:00", "01 12:00+02:00"]),
        ] {
            assert_eq!(points(&grid(12 * HOUR_MS, zone), from, 3), shown);
        }
        let days = grid(24 * HOUR_MS, "America/Los_Angeles");
        assert_eq!(points(&days, "2019-11-03T00:00:00-07:00", 2), ["04 00:00-08:00", "05 00:00-08:00"], "25 hours");
        assert_eq!(points(&days, "2019-03-09T23:59:59.999-08:00", 2), ["10 00:00-08:00", "11 00:00-07:00"], "23 hours");
    }

    #[test]
    fn a_point_that_the_clock_skips_is_passed_when_it_does() {
        assert_eq!(
            points(&grid(2 * HOUR_MS, "Europe/Berlin"), "2024-03-31T00:10:00+01:00", 2),
            ["31 03:00+02:00", "31 04:00+02:00"],
            "there is no 02:00"
        );
        assert_eq!(
            points(&grid(24 * HOUR_MS, "America/Sao_Paulo"), "2018-11-03T12:00:00-03:00", 1),
            ["04 01:00-02:00"],
            "there is no midnight"
        );
        assert_eq!(points(&grid(24 * HOUR_MS, "Pacific/Apia"), "2011-12-29T12:00:00-10:00", 2), ["31 00:00+14:00", "01 00:00+14:00"]);
    }

    #[test]
    fn a_slot_is_left_in_both_directions() {
        let mut tens = grid(600_000, "UTC");
        let at = |time: &str| ms(&format!("2024-05-05T{time}Z"));
        assert_eq!(tens.slot_end_ms(at("10:03:00")), at("10:10:00"));
        assert_eq!(tens.slot_end_ms(at("10:09:59.999")), at("10:10:00"));
        assert_eq!(tens.slot_end_ms(at("10:01:00")), at("10:10:00"), "set back within the slot");
        assert_eq!(tens.slot_end_ms(at("10:10:00")), at("10:20:00"));
        assert_eq!(tens.slot_end_ms(at("09:00:00")), at("09:10:00"), "set back by an hour");
        assert!(tens.slot_end_ms(i64::MAX - 1) >= i64::MAX - 1, "a clock beyond the calendar");
    }

    #[test]
    fn a_zone_that_this_binary_does_not_have_is_named() {
        let unknown = Schedule { every_ms: 1000, zone: "Mars/Olympus".to_owned() };
        assert!(Grid::new(&unknown).unwrap_err().to_string().contains("Mars/Olympus"));
    }

    fn zones() -> impl Strategy<Value = &'static str> {
        let zones =
            ["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo", "Pacific/Apia"];
        proptest::sample::select(zones.to_vec())
    }

    /// Minutes of a day: those that divide it and those that do not.
    fn steps() -> impl Strategy<Value = u64> {
        prop_oneof![1..=1440_u64, Just(1440), Just(720), Just(60), Just(10)]
    }

    proptest! {
        /// Looks at the clock every minute, as somebody would who knows no calendar.
        #[test]
        fn the_next_point_is_the_one_that_a_watched_clock_passes_first(zone in zones(), minutes in steps(), start in 16_800_000..25_800_000_i64) {
            let grid = grid(minutes * 60_000, zone);
            let shown = |at: i64| at + grid.offset_ms(at);
            let (mut at, found) = (start * 60_000, grid.next(start * 60_000));
            loop {
                let before = shown(at);
                at += 60_000;
                let now = shown(at);
                let passed = if now > before { grid.point_after(before) <= now } else { grid.point_at_or_before(now) == now };
                if passed {
                    break;
                }
            }
            assert_eq!(found, at, "{zone}, every {minutes} minutes from {start}");
        }

        #[test]
        fn all_moments_of_a_slot_have_the_same_end(zone in zones(), minutes in steps(), start in 1_000_000_000_000..1_600_000_000_000_i64, part in 0.0..1.0_f64) {
            let grid = grid(minutes * 60_000, zone);
            let end = grid.next(start);
            let within = start + ((end - start - 1) as f64 * part) as i64;
            assert_eq!(grid.next(within), end);
            assert!(grid.next(end) > end);
        }

        /// Without changes of the clock it is simple arithmetic from midnight.
        #[test]
        fn in_utc_it_is_counted_from_midnight(every_ms in 1..=86_400_000_u64, now in 0..2_000_000_000_000_i64) {
            let (midnight, every) = (now - now % DAY_MS, every_ms as i64);
            let counted = midnight + ((now - midnight) / every + 1) * every;
            assert_eq!(grid(every_ms, "UTC").next(now), counted.min(midnight + DAY_MS));
        }
    }
}
