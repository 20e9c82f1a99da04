//! Inputs that nobody would write: whatever they are, nothing panics, nothing hangs, and each message is about a place that there is.
//!
//! An input is made from a number. `cargo test` runs a few; `scripts/fuzz` runs them for a time: `KPIPE_FUZZ_SECONDS` is that time,
//! `KPIPE_FUZZ_SEED` the first number. What goes wrong is printed with its number, and `KPIPE_FUZZ_SEED=number KPIPE_FUZZ_INPUTS=1` repeats it.

mod documents;
mod expressions;
mod kcql;
mod mutate;
mod typed;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use kpipe_compiler::report::{Edit, View};
use kpipe_compiler::sources::Sources;

use super::random::Random;

/// No input takes longer, not even on a busy machine in a build without optimisation.
const INPUT_TIME_MAX: Duration = Duration::from_secs(20);

/// Runs inputs of a target: `inputs` of them, or for the time that the environment says. `try_one` says what is wrong with an input.
fn fuzz(target: &str, inputs: u64, try_one: impl Fn(&mut Random) -> Result<(), String>) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("KPIPE_FUZZ_SEED").unwrap_or(1);
    let until = number("KPIPE_FUZZ_SECONDS").map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let most = number("KPIPE_FUZZ_INPUTS").unwrap_or(if until.is_some() { u64::MAX } else { inputs });
    println!("{target}: seed {seed}");
    let (watch, mut done) = (Watch::default(), 0);
    std::thread::scope(|scope| {
        scope.spawn(|| watch.guard(target));
        while done < most && until.is_none_or(|until| Instant::now() < until) {
            let input = seed.wrapping_add(done);
            watch.begin(Some(input));
            let outcome = catch_unwind(AssertUnwindSafe(|| try_one(&mut Random::new(input))));
            let why = match outcome {
                Ok(Ok(())) => None,
                Ok(Err(why)) => Some(why),
                Err(_) => Some("it panics, as shown above".to_owned()),
            };
            if let Some(why) = why {
                watch.begin(None);
                panic!("{target}: KPIPE_FUZZ_SEED={input} KPIPE_FUZZ_INPUTS=1 scripts/fuzz {target}\n{why}");
            }
            done += 1;
        }
        watch.begin(None);
    });
    println!("{target}: {done} inputs from {seed} on, none of them wrong");
}

/// Ends the process when an input takes too long: a thread cannot be ended.
#[derive(Default)]
struct Watch(Mutex<Now>);

/// What runs now, and since when.
#[derive(Clone, Copy, Default)]
enum Now {
    #[default]
    Starting,
    Running(u64, Instant),
    Over,
}

impl Watch {
    /// The next input, or none any more.
    fn begin(&self, input: Option<u64>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = input.map_or(Now::Over, |input| Now::Running(input, Instant::now()));
    }

    fn guard(&self, target: &str) {
        loop {
            std::thread::sleep(Duration::from_millis(20));
            match *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
                Now::Over => return,
                Now::Running(input, since) if since.elapsed() > INPUT_TIME_MAX => {
                    eprintln!(
                        "{target}: KPIPE_FUZZ_SEED={input} KPIPE_FUZZ_INPUTS=1 scripts/fuzz {target}\nit takes more than {INPUT_TIME_MAX:?}"
                    );
                    std::process::exit(1);
                }
                Now::Starting | Now::Running(..) => {}
            }
        }
    }
}

/// Every label and edit of every message lies in its file, on whole characters, and lines and columns say the same.
fn check_places(sources: &Sources, views: &[View]) -> Result<(), String> {
    for view in views {
        let wrong = |what: &str| Err(format!("{what} of {view:?}"));
        if view.code.is_empty() || view.message.chars().any(char::is_control) {
            return wrong("the code or the words");
        }
        if view.primary.is_none() && !view.secondary.is_empty() {
            return wrong("the labels");
        }
        for label in view.primary.iter().chain(&view.secondary) {
            let file = sources.file(label.file);
            let is_there = file.text.get(label.span.start..label.span.end).is_some();
            if !is_there || file.line_column(label.span.start) != label.begin || file.line_column(label.span.end) != label.end {
                return wrong("a label");
            }
        }
        let is_outside = |edit: &&Edit| sources.file(edit.at.file).text.get(edit.at.span.start..edit.at.span.end).is_none();
        if view.fixes.iter().chain(&view.suggestions).any(|edit| is_outside(&edit)) {
            return wrong("an edit");
        }
    }
    Ok(())
}
