//! How far a command is that takes long: a bar that is drawn over on a terminal, a line now and then elsewhere.

use std::io::Write;
use std::pin::pin;
use std::time::{Duration, Instant};

use kpipe_engine::ledger::progress::{Progress, Step};
use tokio::runtime::Runtime;

use super::paint::harmless;
use super::progress::grouped;
use crate::args::{ColorChoice, Common};
use crate::display::now;
use crate::host::Host;

/// How often it is drawn; what takes less long is not shown at all.
const DRAW_EVERY: Duration = Duration::from_millis(200);
/// How often a line is written where nothing can be drawn over.
const LINE_EVERY: Duration = Duration::from_secs(10);
const WIDTH: u64 = 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Bar,
    Lines,
    Nothing,
}

/// The progress of one command.
#[derive(Debug)]
pub(crate) struct Bar {
    mode: Mode,
    width: usize,
    is_drawn: bool,
    next_line: Instant,
}

impl Bar {
    /// A bar where standard error is a terminal that takes colours, unless nothing is to be said.
    pub(crate) fn new(common: &Common, host: &Host<'_>) -> Self {
        let style = host.err_style(ColorChoice::Auto);
        let mode = match (common.quiet, style.color) {
            (true, _) => Mode::Nothing,
            (false, true) => Mode::Bar,
            (false, false) => Mode::Lines,
        };
        Self { mode, width: style.width, is_drawn: false, next_line: Instant::now() + LINE_EVERY }
    }

    /// Waits for some work and shows meanwhile how far it is.
    pub(crate) fn wait<T>(
        &mut self,
        runtime: &Runtime,
        err: &mut dyn Write,
        name: &str,
        progress: &Progress,
        work: impl Future<Output = T>,
    ) -> T {
        let result = runtime.block_on(async {
            let mut work = pin!(work);
            loop {
                match tokio::time::timeout(DRAW_EVERY, work.as_mut()).await {
                    Ok(result) => return result,
                    Err(_) => self.draw(err, name, progress.now()),
                }
            }
        });
        if std::mem::take(&mut self.is_drawn) {
            // A terminal that went away is no reason to lose the result.
            drop(write!(err, "\r\x1b[2K").and_then(|()| err.flush()));
        }
        result
    }

    fn draw(&mut self, err: &mut dyn Write, name: &str, step: Step) {
        let written = match self.mode {
            Mode::Nothing => return,
            Mode::Bar => {
                self.is_drawn = true;
                let line: String = line(name, step, true).chars().take(self.width.saturating_sub(1)).collect();
                write!(err, "\r\x1b[2K{line}")
            }
            Mode::Lines if Instant::now() < self.next_line => return,
            Mode::Lines => {
                self.next_line = Instant::now() + LINE_EVERY;
                writeln!(err, "{} {}", now(), line(name, step, false))
            }
        };
        drop(written.and_then(|()| err.flush()));
    }
}

fn line(name: &str, step: Step, has_bar: bool) -> String {
    let Step { what, done, total } = step;
    let name = harmless(name);
    match total {
        _ if what.is_empty() => format!("{name}: asking the systems"),
        None => format!("{name}: {what}  {}", grouped(done)),
        Some(total) => {
            let full = (WIDTH * done.min(total)).checked_div(total).unwrap_or(WIDTH);
            let bar: String = (0..WIDTH).map(|at| if at < full { '#' } else { '-' }).collect();
            let bar = if has_bar { format!("[{bar}]  ") } else { String::new() };
            format!("{name}: {what}  {bar}{} of {}", grouped(done), grouped(total))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::host::Terminal;
    use crate::host::tests::with_host;

    const HALF: Step = Step { what: "checking files", done: 1_000, total: Some(2_000) };

    #[test]
    fn a_line_says_what_and_how_far() {
        assert_eq!(line("lake", Step::default(), true), "lake: asking the systems");
        assert_eq!(line("lake", Step { what: "listing objects", done: 12_000, total: None }, true), "lake: listing objects  12,000");
        assert_eq!(line("lake", HALF, true), "lake: checking files  [############------------]  1,000 of 2,000");
        assert_eq!(line("lake", Step { total: Some(0), ..HALF }, true), "lake: checking files  [########################]  1,000 of 0");
        assert_eq!(line("lake", HALF, false), "lake: checking files  1,000 of 2,000");
    }

    /// What is written while something takes half a second.
    fn shown(terminal: Terminal, no_color: bool, quiet: bool, has_waited: bool) -> String {
        let env = move |name: &str| (no_color && name == "NO_COLOR").then(|| "1".to_owned());
        let (answer, _, err) = with_host(Path::new("."), terminal, env, |host| {
            let common = Common { color: ColorChoice::Auto, quiet, verbose: 0, chdir: None };
            let mut bar = Bar::new(&common, host);
            if has_waited {
                bar.next_line = Instant::now();
            }
            let runtime = crate::commands::runtime().unwrap();
            let work = async {
                tokio::time::sleep(Duration::from_millis(500)).await;
                7
            };
            bar.wait(&runtime, host.err, "lake", &Progress::default(), work)
        });
        assert_eq!(answer, 7);
        err
    }

    #[test]
    fn a_bar_is_drawn_over_and_taken_away() {
        let terminal = Terminal { err: true, width: Some(80), ..Terminal::default() };
        let err = shown(terminal, false, false, false);
        assert!(err.starts_with("\r\x1b[2Klake: asking the systems\r\x1b[2K") && err.ends_with("\r\x1b[2K"), "{err:?}");
        assert_eq!(shown(terminal, false, true, true), "", "--quiet");
        let lines = shown(terminal, true, false, true);
        assert!(lines.ends_with(" lake: asking the systems\n") && !lines.contains('\x1b'), "NO_COLOR: {lines:?}");
        assert_eq!(shown(Terminal::default(), false, false, false), "", "a line only after a while");
    }
}
