//! The loop of a task: poll, take, advance, again.

use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Front, Incoming, Landed, Setup, Tail};
use crate::connector::{Accept, Source, SourceEvent};
use crate::error::{ConnectorError, ErrorKind, Retry};
use crate::event::{End, Event, PartitionName};
use crate::kill::kill_point;
use crate::ledger::Taken;
use crate::limits::{POLL_WAIT_ACKS, PROGRESS_EVERY, REVOKE_WAIT, SETTLE_WAIT};
use crate::path::RollReason;
use crate::path::read::Partitions;
#[cfg(test)]
use crate::planted::{PlantedBug, is_planted};
use crate::position::{Checkpoint, PartitionId, Position};
use crate::records::RawBatch;
use crate::reject::RejectDesk;
use crate::retry::Patience;
use crate::state::StopLevel;

/// A running slice of a pipeline.
pub(crate) struct Task {
    setup: Setup,
    source: Box<dyn Source>,
    fronts: Vec<Front>,
    desk: RejectDesk,
    tail: Box<dyn Tail>,
    partitions: Partitions,
    checkpoint: Checkpoint,
    patience: Patience,
    phase: Phase,
    /// The source had nothing last time.
    is_idle: bool,
    next_progress: Duration,
    source_away: Option<(Duration, ConnectorError)>,
    /// Why it is failing.
    failure: Option<ConnectorError>,
}

/// How a task ended without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TaskEnd {
    /// Everything that it read is committed.
    Complete,
    /// Open work was given up.
    Incomplete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Records are read.
    Running,
    /// What was there on assignment is read; it is being committed, or is.
    CatchingUp,
    /// No more records; ends when everything is committed, or at this time.
    Draining(Duration),
    /// As draining, after a record that the policy does not tolerate: what was read before it is committed first.
    Failing(Duration),
}

impl Task {
    pub(super) fn new(setup: Setup, source: Box<dyn Source>, fronts: Vec<Front>, desk: RejectDesk, tail: Box<dyn Tail>) -> Self {
        Self {
            patience: setup.patience(),
            setup,
            source,
            fronts,
            desk,
            tail,
            partitions: Partitions::default(),
            checkpoint: Checkpoint::default(),
            phase: Phase::Running,
            is_idle: true,
            next_progress: Duration::ZERO,
            source_away: None,
            failure: None,
        }
    }

    /// Runs until it is asked to stop, the source ends or something fails for this task.
    pub(crate) fn run(mut self) -> Result<TaskEnd, ConnectorError> {
        loop {
            if let Some(end) = self.step().transpose() {
                return self.ended(end);
            }
        }
    }

    /// What is left to do when a step gave an end.
    pub(crate) fn ended(mut self, end: Result<TaskEnd, ConnectorError>) -> Result<TaskEnd, ConnectorError> {
        // What fails while the end of a failure is awaited is its consequence.
        let end = end.map_err(|error| self.failure.take().unwrap_or(error));
        if !matches!(end, Ok(TaskEnd::Complete)) {
            self.tail.abandon();
        }
        end
    }

    /// One turn of the loop: what is under way goes on, then the source is polled once.
    pub(crate) fn step(&mut self) -> Result<Option<TaskEnd>, ConnectorError> {
        let now = self.now();
        let pace = self.tail.pace(now, self.is_idle);
        self.advance(now, pace.ack_wait)?;
        if let Some(end) = self.stop(now)? {
            return Ok(Some(end));
        }
        let accepts = self.phase == Phase::Running && pace.has_room && self.desk.has_room();
        let poll_wait = if self.desk.is_quiet() { pace.poll_wait } else { pace.poll_wait.min(POLL_WAIT_ACKS) };
        let accept = if accepts { Accept::Records } else { Accept::EventsOnly };
        #[cfg(test)]
        let accept = if is_planted(PlantedBug::DroppedWithoutRoom) { Accept::Records } else { accept };
        let event = match self.source.poll(poll_wait, accept) {
            // It may say so again while what was read before is being finished.
            Err(_) if self.failure.is_some() => {
                self.setup.env.clock.pause(POLL_WAIT_ACKS);
                SourceEvent::Idle
            }
            Err(error) if lets_finish(&error) => {
                self.start_failing(error)?;
                SourceEvent::Idle
            }
            polled => polled?,
        };
        self.is_idle = matches!(event, SourceEvent::Idle);
        match self.handle(event) {
            Err(error) if error.kind == ErrorKind::Data && self.failure.is_none() => self.start_failing(error)?,
            handled => handled?,
        }
        Ok(None)
    }

    fn handle(&mut self, event: SourceEvent) -> Result<(), ConnectorError> {
        match event {
            SourceEvent::Batch(batch) => self.take(batch),
            SourceEvent::Assigned(assigned) => {
                self.partitions.assign(&assigned)?;
                if !assigned.is_empty() && self.tail.take_over(&assigned) {
                    self.partitions.wait(&assigned);
                } else {
                    for partition in &assigned {
                        partition.start.iter().for_each(|start| self.checkpoint.assign(partition.id, *start));
                    }
                    let names = assigned.iter().map(|partition| (self.partitions.name(partition.id), partition.start)).collect();
                    self.setup.voice.say(&Event::Assigned(names));
                }
                if self.phase == Phase::CatchingUp {
                    self.phase = Phase::Running;
                    self.setup.signs.is_caught_up.store(false, Ordering::Relaxed);
                }
                Ok(())
            }
            SourceEvent::Revoked(ids) => self.give_away(&ids),
            SourceEvent::Lost(ids) => {
                let names = self.forget(&ids);
                self.setup.voice.say(&Event::Lost(names));
                self.source.release(&ids)
            }
            SourceEvent::Idle => self.check_patience(),
            SourceEvent::Away(error) => {
                self.setup.voice.say(&Event::Away { end: End::Source, error: error.clone() });
                self.source_away = Some((self.now(), error));
                Ok(())
            }
            SourceEvent::Back => {
                if let Some((since, _)) = self.source_away.take() {
                    let after = self.now().saturating_sub(since);
                    self.setup.voice.say(&Event::Back { end: End::Source, after });
                }
                Ok(())
            }
            SourceEvent::End => self.start_drain(),
        }
    }

    /// One batch, from the source into the tail. Of a batch with a record that stops the pipeline, what stands before that is taken.
    fn take(&mut self, batch: RawBatch) -> Result<(), ConnectorError> {
        let name = self.partitions.read(&batch)?.name.clone();
        #[cfg(test)]
        if is_planted(PlantedBug::DroppedWithoutRoom) && !self.tail.pace(self.now(), false).has_room {
            return Ok(());
        }
        self.setup.voice.say(&Event::Read { records: batch.records.len() as u64, bytes: batch.bytes as u64 });
        let raw = Rc::new(batch);
        let taken = self.pass(Rc::clone(&raw), &name);
        if taken.is_err()
            && let Some(position) = self.desk.stopped_at()
            && let Ok(batch) = Rc::try_unwrap(raw)
        {
            self.pass(Rc::new(batch.before(position)), &name)?;
        }
        taken
    }

    fn pass(&mut self, raw: Rc<RawBatch>, name: &PartitionName) -> Result<(), ConnectorError> {
        let (mut rows, mut rejects) = (Vec::with_capacity(raw.routes.len()), Vec::new());
        let mut filtered = 0;
        for route in raw.routes.iter() {
            let front = &mut self.fronts[*route];
            let decoded = front.decoder.decode(&raw, *route, &mut rejects);
            let (taken, skipped) = front.filter.keep(&raw, decoded, &mut rejects)?;
            filtered += skipped;
            rows.push(front.projector.project(&raw, taken, &mut rejects)?);
        }
        self.tail.accept(self.now(), Incoming { raw, name, rows, rejects }, &mut self.desk)?;
        if filtered > 0 {
            self.setup.voice.say(&Event::Filtered { records: filtered });
        }
        Ok(())
    }

    /// Lets everything behind the source go on, and tells the source what became safe.
    fn advance(&mut self, now: Duration, wait: Duration) -> Result<(), ConnectorError> {
        self.desk.pump(now)?;
        self.begin()?;
        let landed = self.tail.advance(now, wait, &mut self.desk)?;
        self.land(landed)?;
        if now >= self.next_progress {
            self.next_progress = now + PROGRESS_EVERY;
            let ends = self.source.ends();
            self.partitions.ends(&ends);
            self.say_progress();
        }
        Ok(())
    }

    /// Starts the partitions that the tail took over.
    fn begin(&mut self) -> Result<(), ConnectorError> {
        let (mut names, mut news) = (Vec::new(), Vec::new());
        for (id, Taken { start, until: _, differs, is_news }) in self.tail.taken_over()? {
            self.partitions.begin(id, start);
            self.checkpoint.assign(id, start);
            self.source.start(id, start)?;
            let name = self.partitions.name(id);
            if let Some(group) = differs {
                self.setup.voice.say(&Event::OffGroup { partition: name.clone(), ledger: start, group });
            }
            names.push((name, Some(start)));
            news.extend(is_news.then_some((id, start)));
        }
        if !names.is_empty() {
            self.setup.voice.say(&Event::Assigned(names));
        }
        if !news.is_empty() {
            self.source.commit(&news)?;
        }
        Ok(())
    }

    fn land(&mut self, landed: Vec<Landed>) -> Result<(), ConnectorError> {
        let mut positions: Vec<(PartitionId, Position)> = Vec::new();
        for Landed { partition, delta, records, files, existed } in landed {
            self.checkpoint.try_apply(partition, delta).map_err(|overlap| {
                let message = format!("{}: {overlap}", self.partitions.name(partition));
                ConnectorError::new(ErrorKind::Bug, message).retry(Retry::Reopen)
            })?;
            self.partitions.committed(partition, delta.end);
            match positions.last_mut() {
                Some((last, position)) if *last == partition => *position = delta.end,
                _ => positions.push((partition, delta.end)),
            }
            let name = self.partitions.name(partition);
            self.setup.voice.say(&Event::Committed { partition: name, position: delta.end, records, files, existed });
        }
        if positions.is_empty() {
            return Ok(());
        }
        self.setup.signs.commits.fetch_add(1, Ordering::Relaxed);
        #[cfg(test)]
        let tells_source = self.tail.tells_source() && !is_planted(PlantedBug::WordErased);
        #[cfg(not(test))]
        let tells_source = self.tail.tells_source();
        if tells_source {
            return Ok(());
        }
        kill_point("offset.before");
        self.source.commit(&positions)?;
        kill_point("offset.asked");
        Ok(())
    }

    /// What a stop signal, or having caught up, asks for.
    fn stop(&mut self, now: Duration) -> Result<Option<TaskEnd>, ConnectorError> {
        let is_quiet = self.tail.is_quiet() && self.desk.is_quiet();
        let level = self.setup.stop.level();
        if let Phase::Failing(deadline) = self.phase
            && (is_quiet || now >= deadline || level == StopLevel::Now)
            && let Some(error) = self.failure.take()
        {
            if let Err(unsettled) = self.source.settle(SETTLE_WAIT) {
                tracing::warn!(error = %unsettled, "the last positions may not be committed");
            }
            return Err(error);
        }
        match level {
            StopLevel::Now => return Ok(Some(TaskEnd::Incomplete)),
            StopLevel::Drain => self.start_drain()?,
            StopLevel::Run => {}
        }
        match self.phase {
            Phase::Running if self.setup.until_caught_up && self.partitions.are_read() => {
                self.phase = Phase::CatchingUp;
                self.tail.close_all(RollReason::Stop)?;
            }
            Phase::CatchingUp if is_quiet && self.partitions.are_caught_up() => {
                if !self.setup.signs.is_caught_up.swap(true, Ordering::Relaxed) {
                    self.source.settle(SETTLE_WAIT)?;
                    self.say_progress();
                    self.setup.voice.say(&Event::CaughtUp);
                }
            }
            Phase::Draining(_) if is_quiet => {
                self.source.settle(SETTLE_WAIT)?;
                self.say_progress();
                return Ok(Some(TaskEnd::Complete));
            }
            Phase::Draining(deadline) if now >= deadline => return Ok(Some(TaskEnd::Incomplete)),
            Phase::Running | Phase::CatchingUp | Phase::Draining(_) | Phase::Failing(_) => {}
        }
        Ok(None)
    }

    fn start_drain(&mut self) -> Result<(), ConnectorError> {
        if !matches!(self.phase, Phase::Draining(_) | Phase::Failing(_)) {
            kill_point("task.drain");
            self.setup.voice.say(&Event::Draining);
            self.phase = Phase::Draining(self.now() + self.setup.drain_timeout);
            self.tail.close_all(RollReason::Stop)?;
        }
        Ok(())
    }

    /// A record, or the end of the source, stops the pipeline: what was read before is brought to its end.
    fn start_failing(&mut self, error: ConnectorError) -> Result<(), ConnectorError> {
        self.failure = Some(error);
        self.phase = Phase::Failing(self.now() + self.setup.drain_timeout);
        self.tail.close_all(RollReason::Stop)
    }

    /// Gives partitions away: what is closed is committed if that is quick, what is open is read again by the next owner.
    fn give_away(&mut self, ids: &[PartitionId]) -> Result<(), ConnectorError> {
        kill_point("task.revoke");
        let deadline = self.now() + REVOKE_WAIT;
        while ids.iter().any(|id| self.tail.is_finishing(*id)) && self.now() < deadline {
            self.advance(self.now(), POLL_WAIT_ACKS)?;
            self.setup.env.clock.pause(POLL_WAIT_ACKS);
        }
        let names = self.forget(ids);
        self.setup.voice.say(&Event::Revoked(names));
        self.source.release(ids)
    }

    fn forget(&mut self, ids: &[PartitionId]) -> Vec<PartitionName> {
        for id in ids {
            self.tail.discard(*id);
            self.checkpoint.release(*id);
        }
        self.partitions.release(ids)
    }

    fn check_patience(&self) -> Result<(), ConnectorError> {
        match &self.source_away {
            Some((since, error)) if self.patience.ran_out(self.now().saturating_sub(*since)) => Err(error.clone().retry(Retry::No)),
            _ => Ok(()),
        }
    }

    fn say_progress(&self) {
        self.setup.voice.say(&Event::Progress { partitions: self.partitions.progress(), count: self.tail.count() });
    }

    fn now(&self) -> Duration {
        self.setup.env.clock.monotonic()
    }
}

/// Whether what was read before a source failed can still be written and committed: it may be there no more when the pipeline starts again.
fn lets_finish(error: &ConnectorError) -> bool {
    match error.kind {
        ErrorKind::Missing | ErrorKind::Data | ErrorKind::LocalIo | ErrorKind::Invalid => error.retry == Retry::No,
        ErrorKind::Unreachable | ErrorKind::Denied | ErrorKind::Fenced | ErrorKind::Bug => false,
    }
}
