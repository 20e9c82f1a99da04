//! The protocol of a partition's ledger without its IO: what to ask the store next, and what the answers mean.
//!
//! Two runs of it: [`Machine::acquire`] takes a partition over, [`Machine::commit`] makes a set of files count.
//!
//! | run | asks | until |
//! |---|---|---|
//! | acquire | the newest record by listing, then the ones behind it by name, for a listing may be stale | there is none |
//! | | every record since the last one that says what is visible: read, its files completed | the newest is done |
//! | | a prepared file is gone: the newest set is undone by the next record, which is a fence too, and is read again | that is there |
//! | | a fence is written as the next record | it is there; whoever else wrote that number was first: read it, complete it, again |
//! | commit | the set is written as the next record: **this is the point at which it counts** | there it is, or another's: fenced |
//! | | its files are completed | they are visible |
//!
//! An answer that was lost is asked for again with the same bytes, so a record that is there already is read: the nonce says whose it is.

use std::sync::Arc;

use thiserror::Error;

use super::record::{FileEntry, Kind, Marks, RESET, Record, RecordNumber};
use crate::connector::Created;
#[cfg(test)]
use crate::planted::{PlantedBug, is_planted};
use crate::position::{Delta, Position};

/// What the machine wants to know or have done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// The number of the newest record, by a listing.
    Newest,
    /// A record.
    Read(RecordNumber),
    /// Write this record if there is none of its number.
    Write(Arc<Record>),
    /// Complete the uploads of this record.
    Publish(Arc<Record>),
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// To [`Ask::Newest`].
    Newest(Option<RecordNumber>),
    /// To [`Ask::Read`].
    Record(Option<Arc<Record>>),
    /// To [`Ask::Write`].
    Written(Created),
    /// To [`Ask::Publish`].
    Published,
    /// To [`Ask::Publish`]: a file that went before it was visible. The others are visible.
    Lost(Box<FileEntry>),
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Ask, and come back with the answer.
    Ask(Ask),
    /// The run is through: the head of the ledger as this worker knows it.
    Done(Arc<Record>),
}

/// Why a run ends without an outcome.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum MachineError {
    /// Another worker wrote the record that was to be written: the partition is its own now.
    #[error("worker {owner} wrote record {n} of the ledger first: it has the partition now")]
    Fenced {
        /// The number.
        n: RecordNumber,
        /// The other worker.
        owner: String,
    },
    /// A record is not there although one after it is, or one that was there before.
    #[error("record {0} of the ledger is not there: somebody removed it")]
    Missing(RecordNumber),
    /// Two records that do not follow each other.
    #[error("record {n} of the ledger starts at {start}, but the one before it ends at {end}")]
    Broken {
        /// The later one.
        n: RecordNumber,
        /// Where it starts.
        start: Position,
        /// Where the earlier one ends.
        end: Position,
    },
    /// Prepared files went before they were visible.
    #[error(
        "the upload of {} (positions {} to {}), which record {n} of the ledger committed, was removed before it was completed",
        file.key, file.first, file.last
    )]
    Lost {
        /// The record that names it.
        n: RecordNumber,
        /// The first of them.
        file: Box<FileEntry>,
    },
    /// A set that counts already.
    #[error("positions {delta:?} overlap what the ledger holds up to {end}")]
    Overlap {
        /// What was to be committed.
        delta: Delta,
        /// Where the ledger ends.
        end: Position,
    },
    /// An answer to something else.
    #[error("the ledger was answered out of turn")]
    OutOfTurn,
}

/// A run.
#[derive(Debug)]
pub(crate) struct Machine {
    state: State,
}

/// What a worker that takes a partition over brings along.
#[derive(Debug)]
struct Taking {
    advised: Position,
    marks: Marks,
}

#[derive(Debug)]
enum State {
    Listing {
        taking: Arc<Taking>,
    },
    /// The newest record of the listing is read.
    Head {
        taking: Arc<Taking>,
        n: RecordNumber,
    },
    /// Whether there is one behind the newest.
    Forward {
        taking: Arc<Taking>,
        head: Option<Arc<Record>>,
    },
    /// Records whose files may not all be visible, from the oldest on.
    Recover {
        taking: Arc<Taking>,
        head: Arc<Record>,
        next: RecordNumber,
        /// The record whose files are being completed.
        publishing: Option<Arc<Record>>,
    },
    /// The next record is written.
    Write {
        taking: Option<Arc<Taking>>,
        head: Option<Arc<Record>>,
        record: Arc<Record>,
    },
    /// There was one already: whose?
    Whose {
        taking: Option<Arc<Taking>>,
        head: Option<Arc<Record>>,
        record: Arc<Record>,
    },
    /// The committed files are completed.
    Publish {
        record: Arc<Record>,
    },
    Over,
}

impl Machine {
    /// Takes a partition over. A ledger that does not exist yet begins at `advised`.
    pub(crate) fn acquire(advised: Position, marks: Marks) -> (Self, Ask) {
        let taking = Arc::new(Taking { advised, marks });
        (Self { state: State::Listing { taking } }, Ask::Newest)
    }

    /// Makes a set count, behind the head that this worker wrote last.
    ///
    /// # Errors
    /// [`MachineError::Overlap`].
    pub(crate) fn commit(head: &Arc<Record>, delta: Delta, files: Vec<FileEntry>, marks: Marks) -> Result<(Self, Ask), MachineError> {
        if delta.start < head.end {
            return Err(MachineError::Overlap { delta, end: head.end });
        }
        let record = Record::after(Some(head), Kind::Commit, delta.end, marks);
        #[cfg(test)]
        let record = if is_planted(PlantedBug::PublishedBeforeItWas) { Record { completed_through: record.n, ..record } } else { record };
        let record = Arc::new(Record { files, ..record });
        let state = State::Write { taking: None, head: Some(Arc::clone(head)), record: Arc::clone(&record) };
        Ok((Self { state }, Ask::Write(record)))
    }

    /// Goes on with an answer.
    ///
    /// # Errors
    /// See [`MachineError`]. The run is over then.
    pub(crate) fn next(&mut self, answer: Answer) -> Result<Step, MachineError> {
        match (std::mem::replace(&mut self.state, State::Over), answer) {
            (State::Listing { taking }, Answer::Newest(Some(n))) => {
                self.state = State::Head { taking, n };
                Ok(Step::Ask(Ask::Read(n)))
            }
            (State::Listing { taking }, Answer::Newest(None)) => Ok(self.forward(taking, None)),
            (State::Head { taking, n: _ }, Answer::Record(Some(head))) => Ok(self.forward(taking, Some(head))),
            (State::Head { taking: _, n }, Answer::Record(None)) => Err(MachineError::Missing(n)),
            (State::Forward { taking, head }, Answer::Record(Some(next))) => {
                head.iter().try_for_each(|head| follows(head, &next))?;
                Ok(self.forward(taking, Some(next)))
            }
            (State::Forward { taking, head: None }, Answer::Record(None)) => Ok(self.fence(taking, None)),
            (State::Forward { taking, head: Some(head) }, Answer::Record(None)) => {
                let next = head.completed_through.next();
                Ok(self.recover(taking, head, next))
            }
            (State::Recover { taking, head, next, publishing: None }, Answer::Record(Some(record))) => {
                self.state = State::Recover { taking, head, next, publishing: Some(Arc::clone(&record)) };
                Ok(Step::Ask(Ask::Publish(record)))
            }
            (State::Recover { next, publishing: None, .. }, Answer::Record(None)) => Err(MachineError::Missing(next)),
            (State::Recover { taking, head, next, publishing: Some(_) }, Answer::Published) => Ok(self.recover(taking, head, next.next())),
            (State::Recover { taking, head, next: _, publishing: Some(record) }, Answer::Lost(file)) => {
                self.undo(taking, head, &record, file)
            }
            (State::Write { taking: _, head: _, record }, Answer::Written(Created::New)) => Ok(self.written(record)),
            (State::Write { taking, head, record }, Answer::Written(Created::Exists)) => {
                #[cfg(test)]
                if let Some(step) = self.misjudge(taking.is_some(), head.as_ref(), &record) {
                    return Ok(step);
                }
                let n = record.n;
                self.state = State::Whose { taking, head, record };
                Ok(Step::Ask(Ask::Read(n)))
            }
            (State::Whose { taking, head, record }, Answer::Record(Some(there))) => self.decide(taking, head, record, there),
            // A store may show what it refused to overwrite a moment later only.
            (State::Whose { taking, head, record }, Answer::Record(None)) => {
                let again = Arc::clone(&record);
                self.state = State::Write { taking, head, record };
                Ok(Step::Ask(Ask::Write(again)))
            }
            (State::Publish { record }, Answer::Published) => Ok(Step::Done(record)),
            (State::Publish { record }, Answer::Lost(file)) => Err(MachineError::Lost { n: record.n, file }),
            _ => Err(MachineError::OutOfTurn),
        }
    }

    fn forward(&mut self, taking: Arc<Taking>, head: Option<Arc<Record>>) -> Step {
        let n = head.as_ref().map_or(RecordNumber(1), |head| head.n.next());
        self.state = State::Forward { taking, head };
        Step::Ask(Ask::Read(n))
    }

    /// Completes what may not be visible, then fences.
    fn recover(&mut self, taking: Arc<Taking>, head: Arc<Record>, next: RecordNumber) -> Step {
        #[cfg(test)]
        let next = if is_planted(PlantedBug::RecoverySkipped) { head.n.next() } else { next };
        if next > head.n {
            return self.fence(taking, Some(head));
        }
        // The head is known already; without files there is nothing to complete.
        if next == head.n {
            if head.files.is_empty() {
                return self.fence(taking, Some(head));
            }
            let record = Arc::clone(&head);
            self.state = State::Recover { taking, head, next, publishing: Some(Arc::clone(&record)) };
            return Step::Ask(Ask::Publish(record));
        }
        self.state = State::Recover { taking, head, next, publishing: None };
        Step::Ask(Ask::Read(next))
    }

    fn fence(&mut self, taking: Arc<Taking>, head: Option<Arc<Record>>) -> Step {
        #[cfg(test)]
        if let (Some(head), true) = (&head, is_planted(PlantedBug::NoFence)) {
            return Step::Done(Arc::clone(head));
        }
        let mut marks = taking.marks.clone();
        // Until something is committed, the group may stand anywhere: it did not hear of the reset.
        if head.as_ref().is_some_and(|head| head.is_reset()) {
            RESET.clone_into(&mut marks.reason);
        }
        marks.completed_through = head.as_ref().map_or(RecordNumber::NONE, |head| head.n);
        let end = head.as_ref().map_or(taking.advised, |head| head.end);
        let record = Arc::new(Record::after(head.as_deref(), Kind::Fence, end, marks));
        self.state = State::Write { taking: Some(taking), head, record: Arc::clone(&record) };
        Step::Ask(Ask::Write(record))
    }

    /// The set of a record is taken back, as long as it is the newest and the same plan would make the same files of it.
    fn undo(&mut self, taking: Arc<Taking>, head: Arc<Record>, record: &Record, file: Box<FileEntry>) -> Result<Step, MachineError> {
        let is_newest = head.end == record.end && head.undone.is_none();
        if !is_newest || record.plan != taking.marks.plan || record.kind != Kind::Commit {
            return Err(MachineError::Lost { n: record.n, file });
        }
        let mut marks = taking.marks.clone();
        marks.completed_through = head.n;
        let record = Arc::new(record.undo(&head, marks));
        self.state = State::Write { taking: Some(taking), head: Some(head), record: Arc::clone(&record) };
        Ok(Step::Ask(Ask::Write(record)))
    }

    fn written(&mut self, record: Arc<Record>) -> Step {
        if record.files.is_empty() {
            return Step::Done(record);
        }
        self.state = State::Publish { record: Arc::clone(&record) };
        Step::Ask(Ask::Publish(record))
    }

    /// There is a record of the number that was to be written.
    fn decide(
        &mut self,
        taking: Option<Arc<Taking>>,
        head: Option<Arc<Record>>,
        record: Arc<Record>,
        there: Arc<Record>,
    ) -> Result<Step, MachineError> {
        #[cfg(test)]
        if taking.is_none() && is_planted(PlantedBug::OwnRecordIsForeign) {
            return Err(MachineError::Fenced { n: there.n, owner: there.owner.clone() });
        }
        #[cfg(test)]
        if let (Some(taking), Some(head), true) = (&taking, &head, is_planted(PlantedBug::FenceKeepsOldEnd)) {
            let end = head.end;
            return Ok(self.forward(Arc::clone(taking), Some(Arc::new(Record { end, ..Record::clone(&there) }))));
        }
        if there.nonce == record.nonce {
            return Ok(self.written(record));
        }
        head.iter().try_for_each(|head| follows(head, &there))?;
        match taking {
            // Taking over: whoever was first is taken over too.
            Some(taking) => Ok(self.forward(taking, Some(there))),
            None => Err(MachineError::Fenced { n: there.n, owner: there.owner.clone() }),
        }
    }
}

#[cfg(test)]
impl Machine {
    /// Planted mistakes about a record that is there already.
    fn misjudge(&mut self, is_taking: bool, head: Option<&Arc<Record>>, record: &Arc<Record>) -> Option<Step> {
        let is_trusted = is_planted(if is_taking { PlantedBug::FenceNotRead } else { PlantedBug::ConflictIsSuccess });
        if is_trusted {
            return Some(self.written(Arc::clone(record)));
        }
        if is_taking || !is_planted(PlantedBug::NextNumberOnRetry) {
            return None;
        }
        let record = Arc::new(Record { n: record.n.next(), ..Record::clone(record) });
        self.state = State::Write { taking: None, head: head.cloned(), record: Arc::clone(&record) };
        Some(Step::Ask(Ask::Write(record)))
    }
}

/// A record starts where the one before it ends.
pub(crate) fn follows(head: &Record, next: &Record) -> Result<(), MachineError> {
    if next.start == head.end { Ok(()) } else { Err(MachineError::Broken { n: next.n, start: next.start, end: head.end }) }
}

#[cfg(test)]
mod tests;
