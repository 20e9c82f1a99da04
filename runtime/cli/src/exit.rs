//! Exit codes. They are an interface: scripts and supervisors read them, so a number never changes its meaning.

use kpipe_engine::error::ErrorKind;

/// How a command ended. The order of the variants is the order of [`Exit::worst`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exit {
    /// 0: done. For `plan` also when there are changes, unless `--detailed-exitcode` asks.
    Done,
    /// 2: `plan --detailed-exitcode` found changes.
    ChangesPending,
    /// 5: what runs differs from what was applied, the files do not.
    Drift,
    /// 4: `fmt --check` would change a file.
    WouldChange,
    /// 3: a test failed.
    TestFailed,
    /// 15: consent is needed, and there is neither a terminal to ask at nor the flag that gives it.
    ConsentNeeded,
    /// 13: applied, but nothing was committed within the time to wait.
    NoProofOfLife,
    /// 14: stopped by policy: a bad record with `errors.tolerance: none`.
    StoppedByPolicy,
    /// 12: the saved plan is stale, or another worker took over.
    Stale,
    /// 10: a system cannot be reached, or a topic or bucket is missing. Trying again can help.
    Unreachable,
    /// 11: a right or a password is wrong. Trying again does not help.
    Denied,
    /// 1: errors in the pipeline files, an unset variable included.
    Invalid,
    /// 64: a wrong flag or argument.
    Usage,
    /// 74: a local file cannot be read or written, or the disk is full.
    LocalIo,
    /// 130: interrupted twice, or the drain took too long.
    Interrupted,
    /// 143: terminated twice, or the drain took too long.
    Terminated,
    /// 70: a bug in kpipe.
    Bug,
}

impl Exit {
    /// Every code, in the order of [`Exit::worst`].
    pub const ALL: [Self; 17] = [
        Self::Done,
        Self::ChangesPending,
        Self::Drift,
        Self::WouldChange,
        Self::TestFailed,
        Self::ConsentNeeded,
        Self::NoProofOfLife,
        Self::StoppedByPolicy,
        Self::Stale,
        Self::Unreachable,
        Self::Denied,
        Self::Invalid,
        Self::Usage,
        Self::LocalIo,
        Self::Interrupted,
        Self::Terminated,
        Self::Bug,
    ];

    /// The number that the process ends with.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Invalid => 1,
            Self::ChangesPending => 2,
            Self::TestFailed => 3,
            Self::WouldChange => 4,
            Self::Drift => 5,
            Self::Unreachable => 10,
            Self::Denied => 11,
            Self::Stale => 12,
            Self::NoProofOfLife => 13,
            Self::StoppedByPolicy => 14,
            Self::ConsentNeeded => 15,
            Self::Usage => 64,
            Self::Bug => 70,
            Self::LocalIo => 74,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// The name that stands beside the number in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Invalid => "invalid",
            Self::ChangesPending => "changes_pending",
            Self::TestFailed => "test_failed",
            Self::WouldChange => "would_change",
            Self::Drift => "drift",
            Self::Unreachable => "unreachable",
            Self::Denied => "denied",
            Self::Stale => "stale",
            Self::NoProofOfLife => "no_proof_of_life",
            Self::StoppedByPolicy => "stopped_by_policy",
            Self::ConsentNeeded => "consent_needed",
            Self::Usage => "usage",
            Self::Bug => "bug",
            Self::LocalIo => "local_io",
            Self::Interrupted => "interrupted",
            Self::Terminated => "terminated",
        }
    }

    /// The code that wins when both apply.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        self.max(other)
    }
}

impl From<ErrorKind> for Exit {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Unreachable | ErrorKind::Missing => Self::Unreachable,
            ErrorKind::Denied => Self::Denied,
            ErrorKind::Fenced => Self::Stale,
            ErrorKind::Data => Self::StoppedByPolicy,
            ErrorKind::LocalIo => Self::LocalIo,
            ErrorKind::Invalid => Self::Invalid,
            ErrorKind::Bug => Self::Bug,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_code_wins_in_the_documented_order() {
        let documented = [70, 143, 130, 74, 64, 1, 11, 10, 12, 14, 13, 15, 3, 4, 5, 2, 0];
        let by_rank: Vec<u8> = Exit::ALL.iter().rev().map(|exit| exit.code()).collect();
        assert_eq!(by_rank, documented);
        for pair in Exit::ALL.windows(2) {
            assert_eq!(pair[0].worst(pair[1]), pair[1]);
            assert_eq!(pair[1].worst(pair[0]), pair[1]);
        }
    }

    #[test]
    fn numbers_and_names_are_distinct() {
        for (at, one) in Exit::ALL.iter().enumerate() {
            for other in &Exit::ALL[at + 1..] {
                assert_ne!(one.code(), other.code());
                assert_ne!(one.name(), other.name());
            }
        }
    }

    #[test]
    fn kinds_of_failures_have_their_codes() {
        let cases = [
            (ErrorKind::Unreachable, 10),
            (ErrorKind::Missing, 10),
            (ErrorKind::Denied, 11),
            (ErrorKind::Fenced, 12),
            (ErrorKind::Data, 14),
            (ErrorKind::LocalIo, 74),
            (ErrorKind::Invalid, 1),
            (ErrorKind::Bug, 70),
        ];
        for (kind, code) in cases {
            assert_eq!(Exit::from(kind).code(), code, "{kind:?}");
        }
    }
}
