//! Interrupts: the first drains, the second stops.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::exit::Exit;

/// Which signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Ctrl-C, SIGINT.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

impl Signal {
    /// The exit code of a process that this signal ended.
    pub(crate) fn exit(self) -> Exit {
        match self {
            Self::Interrupt => Exit::Interrupted,
            Self::Terminate => Exit::Terminated,
        }
    }
}

/// How far the signals so far go.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked(Arc<State>);

#[derive(Debug, Default)]
struct State {
    count: AtomicU8,
    last: AtomicU8,
}

impl Asked {
    /// Notes a signal and returns how many there were.
    pub(crate) fn note(&self, signal: Signal) -> u8 {
        self.0.last.store(if signal == Signal::Interrupt { 1 } else { 2 }, Ordering::SeqCst);
        self.0.count.fetch_add(1, Ordering::SeqCst).saturating_add(1)
    }

    /// How many signals there were.
    pub(crate) fn count(&self) -> u8 {
        self.0.count.load(Ordering::SeqCst)
    }

    /// The last one.
    pub(crate) fn last(&self) -> Option<Signal> {
        match self.0.last.load(Ordering::SeqCst) {
            0 => None,
            1 => Some(Signal::Interrupt),
            _ => Some(Signal::Terminate),
        }
    }
}

/// Calls `each` for every signal, with how many there were. Ends with the runtime.
pub(crate) async fn listen(asked: Asked, each: impl Fn(Signal, u8)) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        let signal = tokio::select! {
            Some(()) = interrupt.recv() => Signal::Interrupt,
            Some(()) = terminate.recv() => Signal::Terminate,
            else => return Ok(()),
        };
        let count = asked.note(signal);
        each(signal, count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_signal_decides_the_code() {
        let asked = Asked::default();
        assert_eq!((asked.count(), asked.last()), (0, None));
        assert_eq!(asked.note(Signal::Interrupt), 1);
        assert_eq!(asked.note(Signal::Terminate), 2);
        assert_eq!(asked.last().map(Signal::exit), Some(Exit::Terminated));
        assert_eq!(Signal::Interrupt.exit().code(), 130);
    }
}
