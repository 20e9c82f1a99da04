//! Running pipelines: a table that is redrawn on a terminal, one line each elsewhere.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::paint::{Ink, paint};
use crate::host::Style;

/// A pipeline as it stands: what the engine counts, ready to be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// Its name.
    pub(crate) name: String,
    /// What it does: `running`, `waiting for kafka`.
    pub(crate) state: String,
    /// True if somebody should look.
    pub(crate) troubled: bool,
    /// Records read since the start.
    pub(crate) records_in: u64,
    /// Records acknowledged by the sink or in completed files.
    pub(crate) records_out: u64,
    /// Bytes read.
    pub(crate) bytes_in: u64,
    /// Records in the source that are not committed.
    pub(crate) lag: Option<u64>,
    /// Files being written.
    pub(crate) open_files: u64,
    /// Files completed.
    pub(crate) files: u64,
    /// Time since the last commit.
    pub(crate) last_commit: Option<Duration>,
    /// Starts after a failure.
    pub(crate) restarts: u64,
    /// Records that a condition did not take.
    pub(crate) filtered: u64,
    /// Records that could not be processed.
    pub(crate) rejected: u64,
}

/// Records a second of every pipeline, over the last few seconds.
#[derive(Debug)]
pub(crate) struct Rates {
    started: Instant,
    samples: BTreeMap<String, Vec<(Instant, u64, u64)>>,
}

/// Over how long a rate is taken.
const RATE_WINDOW: Duration = Duration::from_secs(5);

impl Rates {
    /// Counts from now on.
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), samples: BTreeMap::new() }
    }

    /// Records in and out a second since the start.
    pub(crate) fn total(&self, now: Instant, view: &View) -> (u64, u64) {
        let seconds = now.duration_since(self.started).as_secs_f64().max(0.001);
        let rate = |records: u64| (records as f64 / seconds).round() as u64;
        (rate(view.records_in), rate(view.records_out))
    }

    /// Notes where a pipeline stands and returns its records in and out a second.
    pub(crate) fn note(&mut self, now: Instant, view: &View) -> (u64, u64) {
        let samples = self.samples.entry(view.name.clone()).or_default();
        samples.push((now, view.records_in, view.records_out));
        let outside = samples.iter().take_while(|(at, ..)| now.duration_since(*at) > RATE_WINDOW).count();
        samples.drain(..outside.min(samples.len().saturating_sub(2)));
        let (then, records_in, records_out) = samples[0];
        let seconds = now.duration_since(then).as_secs_f64();
        if seconds <= 0.0 {
            return (0, 0);
        }
        let rate = |from: u64, to: u64| (to.saturating_sub(from) as f64 / seconds).round() as u64;
        (rate(records_in, view.records_in), rate(records_out, view.records_out))
    }
}

/// The table, one row a pipeline.
pub(crate) fn table(style: Style, views: &[(View, (u64, u64))]) -> String {
    let name_width = views.iter().map(|(view, _)| view.name.chars().count()).max().unwrap_or(0).clamp(8, 32);
    let state_width = views.iter().map(|(view, _)| view.state.chars().count()).max().unwrap_or(0).clamp(8, 28);
    let heading = format!(
        "{:<name_width$}  {:<state_width$}  {:>9}  {:>9}  {:>11}  {:>5}  {:>9}  {:>9}  {:>8}",
        "pipeline", "state", "in/s", "out/s", "lag", "open", "committed", "restarts", "rejected"
    );
    let mut text = format!("{}\n", paint(style, Ink::Faint, cut(&heading, style.width)));
    for (view, (rate_in, rate_out)) in views {
        let View { name, state, troubled, lag, open_files, last_commit, restarts, rejected, .. } = view;
        let row = format!(
            "{:<name_width$}  {:<state_width$}  {:>9}  {:>9}  {:>11}  {:>5}  {:>9}  {:>9}  {:>8}",
            cut(name, name_width),
            cut(state, state_width),
            grouped(*rate_in),
            grouped(*rate_out),
            lag.map_or_else(|| "-".to_owned(), grouped),
            open_files,
            last_commit.map_or_else(|| "never".to_owned(), |age| format!("{} ago", short(age))),
            grouped(*restarts),
            grouped(*rejected),
        );
        let ink = if *troubled { Ink::Warning } else { Ink::Strong };
        let _ = writeln!(text, "{}", paint(style, ink, cut(&row, style.width)));
    }
    text
}

/// `orders: running, 1,200 records/s in, ...`.
pub(crate) fn line(view: &View, (rate_in, rate_out): (u64, u64)) -> String {
    let View { name, state, records_in, records_out, lag, open_files, files, last_commit, restarts, filtered, rejected, .. } = view;
    let mut text = format!(
        "{name}: {state}, {} in ({}/s), {} out ({}/s)",
        grouped(*records_in),
        grouped(rate_in),
        grouped(*records_out),
        grouped(rate_out)
    );
    if let Some(lag) = lag {
        let _ = write!(text, ", lag {}", grouped(*lag));
    }
    if *files + *open_files > 0 {
        let _ = write!(text, ", files {} ({open_files} open)", grouped(*files));
    }
    if let Some(age) = last_commit {
        let _ = write!(text, ", committed {} ago", short(*age));
    }
    for (count, word) in [(restarts, "restarts"), (filtered, "filtered"), (rejected, "rejected")] {
        if *count > 0 {
            let _ = write!(text, ", {} {word}", grouped(*count));
        }
    }
    text
}

/// The same for machines.
pub(crate) fn json(view: &View, (rate_in, rate_out): (u64, u64)) -> Value {
    let View {
        name,
        state,
        troubled: _,
        records_in,
        records_out,
        bytes_in,
        lag,
        open_files,
        files,
        last_commit,
        restarts,
        filtered,
        rejected,
    } = view;
    json!({
        "pipeline": name, "state": state, "records_in": records_in, "records_out": records_out, "bytes_in": bytes_in,
        "records_in_per_s": rate_in, "records_out_per_s": rate_out, "lag": lag, "open_files": open_files, "files": files,
        "last_commit_age_ms": last_commit.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
        "restarts": restarts, "filtered": filtered, "rejected": rejected,
    })
}

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `12345678` as `11.8 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", units[unit]) }
}

/// A duration in its largest unit: `0.4 s`, `12 s`, `3 min`, `5 h`, `2 d`.
pub(crate) fn short(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

fn cut(text: &str, width: usize) -> &str {
    text.char_indices().nth(width).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View {
        View {
            name: "orders-lake".to_owned(),
            state: "running".to_owned(),
            records_in: 1_234_567,
            records_out: 1_200_000,
            lag: Some(34_567),
            open_files: 4,
            files: 12,
            last_commit: Some(Duration::from_millis(2_400)),
            filtered: 0,
            rejected: 3,
            ..View::default()
        }
    }

    #[test]
    fn the_table_has_a_row_a_pipeline() {
        let waiting = View { name: "mqtt-to-kafka".to_owned(), state: "waiting for kafka".to_owned(), troubled: true, ..View::default() };
        insta::assert_snapshot!(table(Style::PLAIN, &[(view(), (12_000, 11_500)), (waiting, (0, 0))]));
    }

    #[test]
    fn a_line_says_what_matters() {
        assert_eq!(
            line(&view(), (12_000, 11_500)),
            "orders-lake: running, 1,234,567 in (12,000/s), 1,200,000 out (11,500/s), lag 34,567, files 12 (4 open), committed 2.4 s ago, 3 rejected"
        );
        assert_eq!(json(&view(), (1, 2))["last_commit_age_ms"], 2_400);
    }

    #[test]
    fn rates_are_taken_over_a_window() {
        let mut rates = Rates::new();
        let start = Instant::now();
        let at = |second: u64, records: u64| (start + Duration::from_secs(second), View { records_in: records, ..view() });
        let mut last = (0, 0);
        for second in 0..20 {
            let (now, view) = at(second, if second < 10 { 0 } else { (second - 10) * 100 });
            last = rates.note(now, &view);
        }
        assert_eq!(last, (100, 0));
        let later = rates.started + Duration::from_secs(10);
        assert_eq!(rates.total(later, &View { records_in: 50, records_out: 20, ..view() }), (5, 2));
    }

    #[test]
    fn numbers_for_people() {
        assert_eq!(["0", "999", "1,000", "1,234,567"], [0, 999, 1_000, 1_234_567].map(grouped)[..]);
        assert_eq!(["5 B", "1.5 KiB", "128.0 MiB"], [5, 1_536, 128 << 20].map(size)[..]);
        let seconds = [1, 45, 300, 10_000, 200_000].map(|s| short(Duration::from_secs(s)));
        assert_eq!(["1.0 s", "45 s", "5 min", "2 h", "2 d"], seconds[..]);
    }
}
