//! What is seen of running pipelines: a live table on a terminal, timestamped lines elsewhere, JSON lines on request.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::args::LogFormat;
use crate::host::Style;
use crate::render::paint::{Ink, harmless, paint};
use crate::render::progress::{self, Rates, View};

/// How often the live table is drawn.
pub(crate) const LIVE_EVERY: Duration = Duration::from_millis(250);
/// How often a line is written per pipeline, elsewhere.
pub(crate) const LINE_EVERY: Duration = Duration::from_secs(10);

/// How it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A table that is drawn over.
    Live,
    /// Lines for people.
    Lines,
    /// Lines for machines.
    Json,
    /// Nothing but warnings and errors, as lines for people.
    Quiet,
}

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// Something happened as it should.
    Info,
    /// Somebody should look.
    Warn,
    /// Something stopped.
    Error,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

/// The view of running pipelines.
#[derive(Debug)]
pub(crate) struct Display {
    mode: Mode,
    style: Style,
    rates: Rates,
    drawn: usize,
    table: String,
    next_lines: Option<Instant>,
}

impl Display {
    /// Chooses the mode: JSON if asked for, a live table where standard error is a terminal, lines otherwise.
    pub(crate) fn new(style: Style, terminal: bool, quiet: bool, format: LogFormat) -> Self {
        let mode = match format {
            LogFormat::Json => Mode::Json,
            LogFormat::Human if quiet => Mode::Quiet,
            LogFormat::Human if terminal => Mode::Live,
            LogFormat::Human => Mode::Lines,
        };
        Self { mode, style, rates: Rates::new(), drawn: 0, table: String::new(), next_lines: None }
    }

    /// Something happened.
    pub(crate) fn message(&mut self, err: &mut dyn Write, level: Level, pipeline: Option<&str>, text: &str) -> io::Result<()> {
        let text = harmless(text);
        match self.mode {
            Mode::Quiet if level == Level::Info => Ok(()),
            Mode::Json => {
                let line = json!({ "timestamp": now(), "level": level.word(), "pipeline": pipeline, "message": text });
                writeln!(err, "{line}")
            }
            Mode::Live | Mode::Lines | Mode::Quiet => {
                let ink = match level {
                    Level::Info => Ink::Faint,
                    Level::Warn => Ink::Warning,
                    Level::Error => Ink::Error,
                };
                let word = format!("{:<5}", level.word());
                let lead = pipeline.map(|name| format!("{}: ", harmless(name))).unwrap_or_default();
                let line = format!("{} {} {lead}{text}\n", now(), paint(self.style, ink, &word));
                self.above(err, &line)
            }
        }
    }

    /// A line that a library wrote.
    pub(crate) fn log_line(&mut self, err: &mut dyn Write, line: &str) -> io::Result<()> {
        let line = if line.ends_with('\n') { line.to_owned() } else { format!("{line}\n") };
        // JSON has its own escapes.
        if self.mode == Mode::Json { self.above(err, &line) } else { self.above(err, &harmless(&line)) }
    }

    /// Where the pipelines stand. Draws or writes if it is time to.
    pub(crate) fn update(&mut self, err: &mut dyn Write, now: Instant, views: Vec<View>) -> io::Result<()> {
        let views: Vec<(View, (u64, u64))> =
            views.into_iter().map(|view| (self.rates.note(now, &view), view)).map(|(rates, view)| (view, rates)).collect();
        self.show(err, now, &views)
    }

    fn show(&mut self, err: &mut dyn Write, now: Instant, views: &[(View, (u64, u64))]) -> io::Result<()> {
        match self.mode {
            Mode::Quiet => Ok(()),
            Mode::Live => {
                self.table = progress::table(self.style, views);
                let table = format!("{}{}", self.erase(), self.table);
                self.drawn = self.table.lines().count();
                err.write_all(table.as_bytes())?;
                err.flush()
            }
            Mode::Lines | Mode::Json => {
                if self.next_lines.is_some_and(|next| now < next) {
                    return Ok(());
                }
                self.next_lines = Some(now + LINE_EVERY);
                self.lines(err, views)
            }
        }
    }

    /// The last word on every pipeline, with its rates over the whole time; the table stays where it is.
    pub(crate) fn finish(&mut self, err: &mut dyn Write, now: Instant, views: Vec<View>) -> io::Result<()> {
        self.next_lines = None;
        let views: Vec<(View, (u64, u64))> =
            views.into_iter().map(|view| (self.rates.total(now, &view), view)).map(|(rates, view)| (view, rates)).collect();
        self.show(err, now, &views)?;
        self.drawn = 0;
        self.table.clear();
        Ok(())
    }

    fn lines(&mut self, err: &mut dyn Write, views: &[(View, (u64, u64))]) -> io::Result<()> {
        for (view, rates) in views {
            if self.mode == Mode::Json {
                let mut line = json!({ "timestamp": now(), "level": Level::Info.word(), "message": "status" });
                if let (Value::Object(line), Value::Object(status)) = (&mut line, progress::json(view, *rates)) {
                    line.extend(status);
                }
                writeln!(err, "{line}")?;
            } else {
                let word = format!("{:<5}", Level::Info.word());
                let line = progress::line(view, *rates);
                writeln!(err, "{} {} {}", now(), paint(self.style, Ink::Faint, &word), harmless(&line))?;
            }
        }
        Ok(())
    }

    /// Writes text above the table.
    fn above(&mut self, err: &mut dyn Write, text: &str) -> io::Result<()> {
        let whole = format!("{}{text}{}", self.erase(), if self.drawn > 0 { self.table.as_str() } else { "" });
        err.write_all(whole.as_bytes())?;
        err.flush()
    }

    /// Takes the table away.
    fn erase(&self) -> String {
        if self.drawn == 0 { String::new() } else { format!("\x1b[{}A\x1b[J", self.drawn) }
    }
}

/// The time, to the second, UTC.
pub(crate) fn now() -> String {
    let seconds = Timestamp::now().as_second();
    Timestamp::from_second(seconds).map(|time| time.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(records_in: u64) -> View {
        View { name: "orders".to_owned(), state: "running".to_owned(), records_in, ..View::default() }
    }

    fn shown(display: &mut Display, act: impl FnOnce(&mut Display, &mut Vec<u8>)) -> String {
        let mut err = Vec::new();
        act(display, &mut err);
        String::from_utf8(err).unwrap()
    }

    #[test]
    fn the_mode_follows_terminal_and_flags() {
        let mode = |terminal, quiet, format| Display::new(Style::PLAIN, terminal, quiet, format).mode;
        assert_eq!(mode(true, false, LogFormat::Human), Mode::Live);
        assert_eq!(mode(false, false, LogFormat::Human), Mode::Lines);
        assert_eq!(mode(true, true, LogFormat::Human), Mode::Quiet);
        assert_eq!(mode(true, true, LogFormat::Json), Mode::Json);
    }

    #[test]
    fn the_table_is_drawn_over_and_messages_stand_above_it() {
        let mut display = Display::new(Style::PLAIN, true, false, LogFormat::Human);
        let start = Instant::now();
        let first = shown(&mut display, |d, err| d.update(err, start, vec![view(1)]).unwrap());
        assert!(!first.contains('\x1b') && first.lines().count() == 2, "{first:?}");
        let message = shown(&mut display, |d, err| d.message(err, Level::Warn, Some("orders"), "kafka is away").unwrap());
        assert!(message.starts_with("\x1b[2A\x1b[J") && message.contains("WARN  orders: kafka is away\n"), "{message:?}");
        assert!(message.ends_with(&first), "the table is drawn again below");
        let end = shown(&mut display, |d, err| d.finish(err, start, vec![view(2)]).unwrap());
        assert!(end.starts_with("\x1b[2A"));
        assert!(!shown(&mut display, |d, err| d.message(err, Level::Info, None, "bye").unwrap()).contains('\x1b'));
    }

    #[test]
    fn lines_come_every_so_often_and_at_the_end() {
        let mut display = Display::new(Style::PLAIN, false, false, LogFormat::Human);
        let start = Instant::now();
        let mut count = 0;
        for second in 0..25 {
            let text = shown(&mut display, |d, err| d.update(err, start + Duration::from_secs(second), vec![view(second)]).unwrap());
            assert!(!text.contains('\x1b'));
            count += text.lines().count();
        }
        assert_eq!(count, 3);
        let end = shown(&mut display, |d, err| d.finish(err, start + Duration::from_secs(25), vec![view(25)]).unwrap());
        assert!(end.contains("orders: running, 25 in"), "{end}");
    }

    #[test]
    fn json_lines_are_json() {
        let mut display = Display::new(Style::PLAIN, true, false, LogFormat::Json);
        let text = shown(&mut display, |d, err| {
            d.message(err, Level::Info, Some("orders"), "started").unwrap();
            d.update(err, Instant::now(), vec![view(7)]).unwrap();
        });
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((lines[0]["level"].as_str(), lines[0]["message"].as_str()), (Some("INFO"), Some("started")));
        assert_eq!((lines[1]["message"].as_str(), lines[1]["records_in"].as_u64()), (Some("status"), Some(7)));
    }

    #[test]
    fn quiet_leaves_warnings() {
        let mut display = Display::new(Style::PLAIN, true, true, LogFormat::Human);
        let text = shown(&mut display, |d, err| {
            d.message(err, Level::Info, None, "started").unwrap();
            d.update(err, Instant::now(), vec![view(7)]).unwrap();
            d.message(err, Level::Error, None, "stopped").unwrap();
        });
        assert!(text.contains("stopped") && !text.contains("started") && text.lines().count() == 1);
    }

    #[test]
    fn times_are_utc_to_the_second() {
        let text = now();
        assert!(text.ends_with('Z') && text.len() == 20, "{text}");
    }
}
