//! Steps at which a build for tests can be told to die, or to stand still.
//!
//! With the feature `kill-points` a process that was started with `KPIPE_TEST_KILL_AT=ledger.record.written:3` kills itself when it passes that
//! step the third time; with `ledger.record.before:3:STOP` it stands still there until somebody sends SIGCONT. Without the feature
//! nothing of this is in the binary. `scripts/soak` dies at each step of the list.

/// Every step, in the order in which a record meets them.
pub const KILL_POINTS: &[&str] = &[
    "ledger.probe.written",
    "ledger.claim.written",
    "ledger.fence.before",
    "ledger.fence.written",
    "ledger.sweep.before",
    "ledger.sweep.removed",
    "upload.begun",
    "upload.part.stored",
    "upload.set.staged",
    "dead.letter.sent",
    "dead.letter.acknowledged",
    "ledger.record.before",
    "ledger.record.lies",
    "ledger.record.written",
    "ledger.file.completed",
    "ledger.set.visible",
    "offset.before",
    "offset.asked",
    "task.revoke",
    "task.drain",
    "produce.sent",
    "produce.acknowledged",
    "mqtt.ack.before",
    "mqtt.ack.written",
];

/// A step that tests want to die at.
#[cfg(not(feature = "kill-points"))]
#[inline(always)]
pub fn kill_point(_name: &'static str) {}

/// A step that tests want to die at.
///
/// # Panics
/// `KPIPE_TEST_KILL_AT` cannot be read, or the signal cannot be sent: a test that kills nothing must not pass.
#[cfg(feature = "kill-points")]
pub fn kill_point(name: &'static str) {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static WANTED: LazyLock<Option<(Wanted, AtomicU64)>> = LazyLock::new(|| {
        let text = std::env::var("KPIPE_TEST_KILL_AT").ok()?;
        let wanted = Wanted::parse(&text).unwrap_or_else(|| panic!("KPIPE_TEST_KILL_AT: {text:?} is no step, turn and signal"));
        Some((wanted, AtomicU64::new(0)))
    });
    if let Some((wanted, turns)) = &*WANTED
        && wanted.step == name
        && turns.fetch_add(1, Ordering::SeqCst) + 1 == wanted.turn
    {
        signal_myself(&wanted.signal);
    }
}

/// The shell's own `kill`, because a signal to oneself takes unsafe code. This thread goes no further meanwhile.
#[cfg(feature = "kill-points")]
fn signal_myself(signal: &str) {
    let sent = std::process::Command::new("sh").args(["-c", &format!("kill -{signal} $PPID")]).status();
    assert!(signal == "STOP" && sent.as_ref().is_ok_and(std::process::ExitStatus::success), "{signal} was not sent: {sent:?}");
}

/// What `KPIPE_TEST_KILL_AT` says: `step`, `step:turn` or `step:turn:signal`.
#[cfg(any(test, feature = "kill-points"))]
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    step: String,
    turn: u64,
    signal: String,
}

#[cfg(any(test, feature = "kill-points"))]
impl Wanted {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(':');
        let step = words.next().filter(|step| KILL_POINTS.contains(step))?;
        let turn = words.next().unwrap_or("1").parse().ok().filter(|turn| *turn > 0)?;
        let signal = words.next().unwrap_or("KILL");
        let is_whole = words.next().is_none() && matches!(signal, "KILL" | "STOP");
        is_whole.then(|| Self { step: step.to_owned(), turn, signal: signal.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};

    use super::*;

    #[test]
    fn a_wish_is_a_step_a_turn_and_a_signal() {
        let wanted = |step: &str, turn, signal: &str| Some(Wanted { step: step.to_owned(), turn, signal: signal.to_owned() });
        assert_eq!(Wanted::parse("offset.before"), wanted("offset.before", 1, "KILL"));
        assert_eq!(Wanted::parse("ledger.record.written:3"), wanted("ledger.record.written", 3, "KILL"));
        assert_eq!(Wanted::parse("ledger.record.before:2:STOP"), wanted("ledger.record.before", 2, "STOP"));
        for wrong in ["", "offset", "offset.before:0", "offset.before:x", "offset.before:1:HUP", "offset.before:1:KILL:"] {
            assert_eq!(Wanted::parse(wrong), None, "{wrong}");
        }
    }

    fn rust_files(folder: &Path, into: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                rust_files(&path, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("kill.rs") {
                into.push(path);
            }
        }
    }

    #[test]
    fn every_step_stands_in_the_code_once() {
        let mut files = Vec::new();
        for of in ["src", "../connectors/src"] {
            rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(of), &mut files);
        }
        let mut found: BTreeMap<String, usize> = BTreeMap::new();
        for file in files {
            for line in std::fs::read_to_string(file).unwrap().lines().filter(|line| line.contains("kill_point(")) {
                for step in line.split('"').skip(1).step_by(2) {
                    *found.entry(step.to_owned()).or_default() += 1;
                }
            }
        }
        let listed: BTreeMap<String, usize> = KILL_POINTS.iter().map(|step| ((*step).to_owned(), 1)).collect();
        assert_eq!(found, listed);
    }
}
