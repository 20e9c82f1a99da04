//! The tail of records: keys, values and topics, then produce.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use kpipe_compiler::plan::Route;

use super::{Front, Incoming, Landed, Pace, Setup, Tail, open};
use crate::budget::{Lease, Member, Place, Pressure};
use crate::connector::Assigned;
use crate::error::{ConnectorError, ErrorKind, Retry};
use crate::event::{FileCount, PartitionName, Voice};
use crate::ledger::Taken;
use crate::limits::{POLL_WAIT_ACKS, POLL_WAIT_IDLE};
use crate::path::encode::Values;
use crate::path::produce::{OutRows, Produce};
use crate::path::target::{Targeted, Targets};
use crate::path::transform::Keys;
use crate::path::{RollReason, RowBatch, StageError};
use crate::position::PartitionId;
use crate::records::RawBatch;
use crate::reject::{Reject, RejectDesk};
use crate::retry::Patience;

/// The tail of records of one task.
pub(super) struct RecordsOut {
    routes: Vec<RouteStages>,
    produce: Produce,
    memory: Member,
    moving: Lease,
    pressure: Pressure,
    names: BTreeMap<PartitionId, PartitionName>,
    patience: Patience,
    voice: Voice,
}

struct RouteStages {
    targets: Targets,
    /// `None`: records keep their keys.
    keys: Option<Keys>,
    /// `None`: records keep their values.
    values: Option<Values>,
}

impl RouteStages {
    fn out(&mut self, raw: &RawBatch, batch: RowBatch, rejects: &mut Vec<Reject>) -> Result<OutRows, StageError> {
        let mut targeted = self.targets.find(raw, batch, rejects)?;
        let mut keys = None;
        if let Some(maker) = &self.keys {
            let before = targeted.batch.len();
            let (batch, made) = maker.make(raw, targeted.batch, rejects)?;
            keys = Some(made);
            targeted.batch = batch;
            if targeted.batch.len() < before {
                // Rows without a key are gone, so the topics no longer fit; all that are left have one.
                targeted = self.targets.find(raw, targeted.batch, rejects)?;
            }
        }
        let Targeted { batch, topics, topic_of_row } = targeted;
        let values = self.values.as_ref().map(|values| values.encode(raw, &batch)).transpose()?;
        Ok(OutRows { rows: batch.rows, topics, topic_of_row, keys, values })
    }
}

impl RecordsOut {
    pub(super) fn open(setup: &Setup, fronts: &[Front]) -> Result<Self, ConnectorError> {
        let pipeline = &setup.pipeline;
        let routes = pipeline.routes.iter().zip(fronts).map(|(route, front)| stages(route, front)).collect::<Result<_, _>>()?;
        let sink = open(setup, &pipeline.sink, &pipeline.routes, "sink of records", |def| def.records)?;
        Ok(Self {
            routes,
            produce: Produce::new(sink),
            memory: setup.budget.join(),
            moving: setup.budget.lease(Place::Moving, 0),
            pressure: Pressure::None,
            names: BTreeMap::new(),
            patience: setup.patience(),
            voice: setup.voice.clone(),
        })
    }

    fn check_silence(&self, now: Duration) -> Result<(), ConnectorError> {
        let silent = self.produce.silent_for(now);
        if !self.patience.ran_out(silent) {
            return Ok(());
        }
        let message = format!("the sink acknowledged nothing for {} s", silent.as_secs());
        Err(ConnectorError::new(ErrorKind::Unreachable, message).retry(Retry::No))
    }
}

impl Tail for RecordsOut {
    fn take_over(&mut self, _assigned: &[Assigned]) -> bool {
        false
    }

    fn taken_over(&mut self) -> Result<Vec<(PartitionId, Taken)>, ConnectorError> {
        Ok(Vec::new())
    }

    fn accept(&mut self, _now: Duration, batch: Incoming<'_>, desk: &mut RejectDesk) -> Result<(), ConnectorError> {
        let Incoming { raw, name, rows, mut rejects } = batch;
        self.names.entry(raw.partition).or_insert_with(|| name.clone());
        let mut outs = Vec::with_capacity(rows.len());
        for rows in rows {
            outs.push(self.routes[rows.route].out(&raw, rows, &mut rejects)?);
        }
        let dead_letter = desk.put_aside(&raw, name, rejects)?;
        self.produce.accept(Rc::clone(&raw), outs, dead_letter);
        Ok(())
    }

    fn advance(&mut self, now: Duration, wait: Duration, desk: &mut RejectDesk) -> Result<Vec<Landed>, ConnectorError> {
        for refusal in self.produce.pump(wait, now, &self.voice)? {
            let ticket = desk.put_aside(&refusal.raw, &self.names[&refusal.partition], vec![refusal.reject])?;
            self.produce.wait_for(refusal.partition, refusal.flight, ticket);
        }
        self.check_silence(now)?;
        let landed = self.produce.take_landed(|ticket| desk.is_acknowledged(ticket));
        self.moving.resize(self.produce.bytes_in_flight());
        self.pressure = self.memory.report(0, !self.produce.is_quiet());
        let safe = landed.into_iter().map(|landed| Landed {
            partition: landed.partition,
            delta: landed.delta,
            records: landed.rows,
            files: Vec::new(),
            existed: 0,
        });
        Ok(safe.collect())
    }

    fn close_all(&mut self, _reason: RollReason) -> Result<(), ConnectorError> {
        Ok(())
    }

    fn tells_source(&self) -> bool {
        false
    }

    fn is_finishing(&self, partition: PartitionId) -> bool {
        self.produce.has(partition)
    }

    fn discard(&mut self, partition: PartitionId) {
        self.produce.discard(partition);
        self.names.remove(&partition);
    }

    fn abandon(&mut self) {}

    fn is_quiet(&self) -> bool {
        self.produce.is_quiet()
    }

    fn pace(&self, _now: Duration, is_idle: bool) -> Pace {
        let has_room = self.produce.has_room() && self.pressure != Pressure::Wait;
        // With a source that has nothing, or may not give, acknowledgements are what moves things: wait for them.
        let (poll_wait, ack_wait) = match (self.produce.is_waiting(), is_idle || !has_room) {
            (true, true) => (Duration::ZERO, POLL_WAIT_ACKS),
            (true, false) => (POLL_WAIT_ACKS, Duration::ZERO),
            (false, _) if self.produce.is_quiet() => (POLL_WAIT_IDLE, Duration::ZERO),
            (false, _) => (POLL_WAIT_ACKS, Duration::ZERO),
        };
        Pace { poll_wait, ack_wait, has_room }
    }

    fn count(&self) -> FileCount {
        let in_flight = self.produce.rows_in_flight();
        FileCount { files_open: 0, open_bytes: 0, in_flight, budget_bytes: self.memory.budget().used_bytes() }
    }
}

fn stages(route: &Route, front: &Front) -> Result<RouteStages, ConnectorError> {
    let tail = match &route.tail {
        kpipe_compiler::plan::Tail::Records(tail) => tail,
        kpipe_compiler::plan::Tail::Files(_) => {
            return Err(ConnectorError::new(ErrorKind::Bug, "a plan without a flush and a route into files"));
        }
    };
    let keys = Keys::new(route, &tail.key)?;
    let values = tail.format.as_ref().map(|format| Values::new(route, format, front.projector.schema())).transpose()?;
    Ok(RouteStages { targets: Targets::new(tail.topic.clone()), keys, values })
}
