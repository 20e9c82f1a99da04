//! Everything that can be observed, as one enum. The terminal, the log and the metrics are its consumers.
//!
//! Events are per batch, file or state, never per record.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::ConnectorError;
use crate::path::{FileFacts, RollReason};
use crate::position::{Delta, Position};
use crate::reject::reason::RejectReason;

/// Who speaks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    /// The pipeline.
    pub pipeline: Arc<str>,
    /// Number of the task among its pipeline's in this process, from 0.
    pub task: usize,
}

/// Takes events. Called from the threads that move records: it must be quick and must not wait.
pub trait EventSink: Send + Sync {
    /// Something happened.
    fn emit(&self, scope: &Scope, event: &Event);
}

/// Hands events to several sinks in order; to none if it is empty.
#[derive(Clone, Default)]
pub struct Fanout(pub Vec<Arc<dyn EventSink>>);

impl EventSink for Fanout {
    fn emit(&self, scope: &Scope, event: &Event) {
        for sink in &self.0 {
            sink.emit(scope, event);
        }
    }
}

/// A source partition by its name in the source system.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionName {
    /// The topic, filter or file.
    pub topic: Arc<str>,
    /// Its number; 0 where there is none.
    pub partition: i32,
}

impl fmt::Display for PartitionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.topic, self.partition)
    }
}

/// One of the systems that a pipeline talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// Where records come from.
    Source,
    /// Where they go.
    Sink,
    /// Where rejected records go.
    DeadLetters,
}

impl End {
    /// The word for people, logs and metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Sink => "sink",
            Self::DeadLetters => "dead letters",
        }
    }
}

/// Where a partition stands. Positions are `None` as long as they are not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The end of the partition in the source.
    pub end: Option<Position>,
    /// The next position to be read.
    pub next: Option<Position>,
    /// Everything below is safe in the sink.
    pub committed: Option<Position>,
}

impl Progress {
    /// Positions that are not safe in the sink yet.
    #[must_use]
    pub fn lag(&self) -> u64 {
        Self::between(self.committed.or(self.next), self.end)
    }

    /// Positions that are not read yet.
    #[must_use]
    pub fn unread(&self) -> u64 {
        Self::between(self.next, self.end)
    }

    fn between(from: Option<Position>, to: Option<Position>) -> u64 {
        match (from, to) {
            (Some(from), Some(to)) => u64::try_from(to.0.saturating_sub(from.0)).unwrap_or(0),
            _ => 0,
        }
    }
}

/// What is open and under way in a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileCount {
    /// Files that are open.
    pub files_open: usize,
    /// Bytes that open files hold.
    pub open_bytes: usize,
    /// Records that were sent and are not acknowledged.
    pub in_flight: usize,
    /// Bytes counted by the budget of the whole process.
    pub budget_bytes: usize,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A task opened its ends.
    Started,
    /// Partitions are this task's from now on; empty if it got none.
    Assigned(Vec<(PartitionName, Option<Position>)>),
    /// The ledger ends elsewhere than where the source's group stands, which is advice only.
    OffGroup {
        /// The partition.
        partition: PartitionName,
        /// Where it is read from.
        ledger: Position,
        /// Where the source thought that it stands.
        group: Position,
    },
    /// Partitions were given away in order.
    Revoked(Vec<PartitionName>),
    /// Partitions belonged to somebody else already.
    Lost(Vec<PartitionName>),
    /// A batch was read.
    Read {
        /// Records in it.
        records: u64,
        /// Bytes of their keys and values.
        bytes: u64,
    },
    /// Records of a batch that a condition does not take.
    Filtered {
        /// How many, each once for every statement that skips it.
        records: u64,
    },
    /// Where the partitions of a task stand; about once a second.
    Progress {
        /// All of them.
        partitions: Vec<(PartitionName, Progress)>,
        /// What is open and under way.
        count: FileCount,
    },
    /// A set of files was closed.
    Closed {
        /// Where its records came from.
        partition: PartitionName,
        /// What it covers.
        delta: Delta,
        /// Why.
        reason: RollReason,
        /// Files in it.
        files: usize,
        /// Records in them.
        records: u64,
        /// Bytes of them.
        bytes: u64,
    },
    /// A file is stored, not visible yet.
    Uploaded(FileFacts),
    /// Everything below a position is safe in the sink.
    Committed {
        /// Where the records came from.
        partition: PartitionName,
        /// The next position to read after a restart.
        position: Position,
        /// Records that were written.
        records: u64,
        /// The files that became visible.
        files: Vec<FileFacts>,
        /// How many of them had been there already.
        existed: usize,
    },
    /// Records were put aside. One event per batch and reason.
    Rejected {
        /// Where they came from.
        partition: PartitionName,
        /// Position of the first of them.
        sample: Position,
        /// Why.
        reason: RejectReason,
        /// The first one's mistake.
        message: String,
        /// How many.
        records: u64,
        /// The topic they go to; `None` if they are dropped.
        dead_letter: Option<Arc<str>>,
    },
    /// A system does not answer; said once per outage.
    Away {
        /// Which.
        end: End,
        /// Why.
        error: ConnectorError,
    },
    /// It answers again.
    Back {
        /// Which.
        end: End,
        /// How long it was away.
        after: Duration,
    },
    /// A call is tried again.
    Retried {
        /// To which system.
        end: End,
    },
    /// A task failed.
    Failed {
        /// Why.
        error: ConnectorError,
        /// The pause until it starts again from the last commit; `None`: it does not.
        restart_after: Option<Duration>,
    },
    /// Everything that was there when the task got its partitions is committed.
    CaughtUp,
    /// A task takes no more records and commits what it has.
    Draining,
    /// A task ended.
    Ended {
        /// False if open work had to be given up: it is read again next time.
        complete: bool,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => write!(f, "started"),
            Self::Assigned(partitions) if partitions.is_empty() => write!(f, "no partitions assigned"),
            Self::Assigned(partitions) => {
                write!(f, "assigned")?;
                for (name, start) in partitions {
                    write!(f, " {name}")?;
                    start.map_or(Ok(()), |start| write!(f, " from {start}"))?;
                }
                Ok(())
            }
            Self::OffGroup { partition, ledger, group } if group < ledger => {
                write!(
                    f,
                    "{partition}: reading goes on at {ledger}, where the ledger ends; what follows {group}, where the group stands, counts already"
                )
            }
            Self::OffGroup { partition, ledger, group } => {
                write!(f, "{partition}: reading goes on at {ledger}, as the ledger was reset; the group stands at {group}")
            }
            Self::Revoked(partitions) => write_names(f, "gave away", partitions),
            Self::Lost(partitions) => write_names(f, "lost", partitions),
            Self::Read { records, bytes } => write!(f, "read {records} records, {bytes} bytes"),
            Self::Filtered { records } => write!(f, "skipped {records} records"),
            Self::Progress { partitions, count } => {
                let FileCount { files_open, open_bytes, in_flight, budget_bytes: _ } = count;
                let lag: u64 = partitions.iter().map(|(_, progress)| progress.lag()).sum();
                write!(f, "lag {lag}, {files_open} open files with {open_bytes} bytes, {in_flight} records in flight")
            }
            Self::Closed { partition, delta, reason, files, records, bytes } => {
                write!(f, "closed {files} files of {partition} {delta:?} ({}): {records} records, {bytes} bytes", reason.word())
            }
            Self::Uploaded(file) => write!(f, "uploaded {}: {} records, {} bytes", file.key, file.records, file.bytes),
            Self::Committed { partition, position, records, files, existed } => {
                write!(f, "committed {partition} up to {position}: {records} records in {} files", files.len())?;
                if *existed > 0 { write!(f, ", {existed} of them there already") } else { Ok(()) }
            }
            Self::Rejected { partition, sample, reason: _, message, records, dead_letter } => {
                let fate = dead_letter.as_ref().map_or("dropped".to_owned(), |topic| format!("sent to {topic}"));
                write!(f, "{records} records rejected and {fate}, the first at {partition} offset {sample}: {message}")
            }
            Self::Away { end, error } => write!(f, "{} is away: {error}", end.word()),
            Self::Back { end, after } => write!(f, "{} is back after {:.1} s", end.word(), after.as_secs_f64()),
            Self::Retried { end } => write!(f, "trying the {} again", end.word()),
            Self::Failed { error, restart_after: None } => write!(f, "failed: {error}"),
            Self::Failed { error, restart_after: Some(pause) } => {
                write!(f, "failed, starts again in {:.1} s from the last commit: {error}", pause.as_secs_f64())
            }
            Self::CaughtUp => write!(f, "caught up"),
            Self::Draining => write!(f, "draining"),
            Self::Ended { complete: true } => write!(f, "ended"),
            Self::Ended { complete: false } => write!(f, "ended; open work was given up and is read again next time"),
        }
    }
}

fn write_names(f: &mut fmt::Formatter<'_>, verb: &str, partitions: &[PartitionName]) -> fmt::Result {
    write!(f, "{verb}")?;
    partitions.iter().try_for_each(|name| write!(f, " {name}"))
}

/// A scope and where its events go: what every part of a task holds to be heard.
#[derive(Clone)]
pub(crate) struct Voice {
    scope: Arc<Scope>,
    sink: Arc<dyn EventSink>,
}

impl Voice {
    pub(crate) fn new(pipeline: Arc<str>, task: usize, sink: Arc<dyn EventSink>) -> Self {
        Self { scope: Arc::new(Scope { pipeline, task }), sink }
    }

    pub(crate) fn say(&self, event: &Event) {
        self.sink.emit(&self.scope, event);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::error::ErrorKind;

    /// Keeps the words of every event.
    #[derive(Default)]
    pub(crate) struct Heard(pub(crate) Mutex<Vec<String>>);

    impl EventSink for Heard {
        fn emit(&self, scope: &Scope, event: &Event) {
            self.0.lock().unwrap().push(format!("{}/{} {event}", scope.pipeline, scope.task));
        }
    }

    fn name() -> PartitionName {
        PartitionName { topic: "orders".into(), partition: 3 }
    }

    #[test]
    fn lag_counts_what_is_not_safe_and_unread_what_is_not_seen() {
        let progress = Progress { end: Some(Position(100)), next: Some(Position(90)), committed: Some(Position(40)) };
        assert_eq!((progress.lag(), progress.unread()), (60, 10));
        assert_eq!(Progress { end: None, ..progress }.lag(), 0);
        assert_eq!(Progress { committed: None, ..progress }.lag(), 10, "nothing committed yet: what was not read");
        assert_eq!(Progress { end: Some(Position(10)), ..progress }.unread(), 0, "an old end is no negative lag");
    }

    #[test]
    fn events_read_as_sentences() {
        let error = ConnectorError::new(ErrorKind::Unreachable, "no answer from s3://lake");
        let file = FileFacts { key: "a/b.json".into(), route: 0, first: Position(1), last: Position(2), records: 2, bytes: 9 };
        let texts = [
            Event::Assigned(vec![(name(), Some(Position(7)))]),
            Event::Committed { partition: name(), position: Position(3), records: 2, files: vec![file], existed: 1 },
            Event::Away { end: End::Sink, error: error.clone() },
            Event::Failed { error, restart_after: Some(Duration::from_millis(1500)) },
            Event::Lost(vec![name()]),
        ]
        .map(|event| event.to_string());
        insta::assert_snapshot!(texts.join("\n"), @r"
        assigned orders[3] from 7
        committed orders[3] up to 3: 2 records in 1 files, 1 of them there already
        sink is away: no answer from s3://lake
        failed, starts again in 1.5 s from the last commit: no answer from s3://lake
        lost orders[3]
        ");
    }

    #[test]
    fn a_voice_speaks_to_every_sink() {
        let (one, other) = (Arc::new(Heard::default()), Arc::new(Heard::default()));
        let fanout = Fanout(vec![one.clone(), other.clone()]);
        Voice::new("p".into(), 2, Arc::new(fanout)).say(&Event::Draining);
        assert_eq!((one.0.lock().unwrap().as_slice(), other.0.lock().unwrap().len()), (["p/2 draining".to_owned()].as_slice(), 1));
    }
}
