//! The committed offset with its metadata, as transactions keep it: whoever commits says as which member and of which generation, the
//! coordinator compares, and nobody is told where a partition stands while a transaction about it is under way.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::group::Committed;
use super::kafka::Tp;
use super::world::latency;
use super::{Fault, ProcessId, Slot, State, World, ms};
use crate::connector::{Bookmark, Mark};
use crate::error::{ConnectorError, ErrorKind, Retry};
use crate::position::{PartitionId, Position};

/// What a member knows of itself.
#[derive(Debug, Default)]
pub(super) struct SimShare {
    ids: BTreeSet<PartitionId>,
    member: u64,
    round: u64,
}

impl SimShare {
    pub(super) fn is_now(&mut self, member: u64, round: u64) {
        (self.member, self.round) = (member, round);
    }

    pub(super) fn take(&mut self, id: PartitionId) {
        self.ids.insert(id);
    }

    pub(super) fn give(&mut self, id: PartitionId) {
        self.ids.remove(&id);
    }

    pub(super) fn clear(&mut self) {
        self.ids.clear();
    }
}

pub(super) struct SimBookmark {
    pub(super) world: World,
    pub(super) process: ProcessId,
    pub(super) group: String,
    pub(super) id: PartitionId,
    pub(super) tp: Tp,
    pub(super) share: Arc<Mutex<SimShare>>,
}

impl std::fmt::Debug for SimBookmark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SimBookmark({}[{}])", self.tp.0, self.tp.1)
    }
}

fn away(why: &str) -> ConnectorError {
    ConnectorError::new(ErrorKind::Unreachable, format!("sim: {why}"))
}

impl SimBookmark {
    async fn ask(&self) -> Result<Option<Mark>, ConnectorError> {
        let slot = Slot::new(self.process);
        {
            let mut state = self.world.state();
            if state.leaves(self.process) {
                let (way, group, tp, answer) = (latency(&mut state.dice), self.group.clone(), self.tp.clone(), slot.clone());
                state.after(way, move |world| {
                    let mut state = world.state();
                    let found = state.bookmark(&group, &tp);
                    let way = latency(&mut state.dice);
                    state.after(way, move |world| answer.fill(&mut world.state(), found));
                });
            }
        }
        slot.await
    }

    async fn tell(&self, mark: Mark) -> Result<(), ConnectorError> {
        let slot = Slot::new(self.process);
        {
            let share = self.share.lock().unwrap();
            if !share.ids.contains(&self.id) {
                let message = format!("sim: {}[{}] is not this member's any more", self.tp.0, self.tp.1);
                return Err(ConnectorError::new(ErrorKind::Fenced, message).retry(Retry::Reopen));
            }
            let (member, round) = (share.member, share.round);
            let mut state = self.world.state();
            if state.leaves(self.process) {
                let (group, tp, answer) = (self.group.clone(), self.tp.clone(), slot.clone());
                *state.group(&group).pending.entry(tp.clone()).or_default() += 1;
                let mut way = latency(&mut state.dice);
                if state.hits(Fault::Delayed) {
                    way += ms(state.dice.skewed(1_000, 20_000));
                }
                state.after(way, move |world| {
                    let mut state = world.state();
                    let became = state.set_bookmark(&group, &tp, member, round, mark);
                    let (became, way) = match became {
                        Committed::Done if state.hits(Fault::CommitAnswerLost) => (Committed::Away, ms(2_000)),
                        became => (became, latency(&mut state.dice)),
                    };
                    state.after(way, move |world| answer.fill(&mut world.state(), became));
                });
            }
        }
        match slot.await {
            Committed::Done => Ok(()),
            Committed::Away => Err(away("the coordinator does not answer")),
            // Perhaps the group goes on with this member in another generation, else the partition is lost soon.
            Committed::Refused => Err(away("the group is of another generation")),
        }
    }
}

impl State {
    fn bookmark(&mut self, group: &str, tp: &Tp) -> Result<Option<Mark>, ConnectorError> {
        if self.are_brokers_away() || self.kafka.coordinator_away_until > self.now {
            return Err(away("the coordinator does not answer"));
        }
        let group = self.group(group);
        if group.pending.get(tp).is_some_and(|under_way| *under_way > 0) {
            self.reach("bookmark read while one is written");
            return Err(away("a transaction is under way"));
        }
        let word = group.words.get(tp).cloned().unwrap_or_default();
        Ok(group.committed.get(tp).map(|position| Mark { position: Position(*position), word }))
    }

    fn set_bookmark(&mut self, group: &str, tp: &Tp, member: u64, round: u64, mark: Mark) -> Committed {
        let under_way = self.group(group).pending.entry(tp.clone()).or_default();
        *under_way = under_way.saturating_sub(1);
        if self.are_brokers_away() || self.kafka.coordinator_away_until > self.now || self.hits(Fault::CommitRefused) {
            return Committed::Away;
        }
        let known = self.group(group);
        if !known.members.contains_key(&member) || known.round != round {
            self.reach("bookmark of an old generation refused");
            return Committed::Refused;
        }
        known.committed.insert(tp.clone(), mark.position.0);
        known.words.insert(tp.clone(), mark.word.clone());
        self.say(|| format!("group: {}[{}] stands at {} with {} by member {member}", tp.0, tp.1, mark.position, mark.word));
        Committed::Done
    }
}

impl Bookmark for SimBookmark {
    fn read(&self) -> BoxFuture<'_, Result<Option<Mark>, ConnectorError>> {
        self.ask().boxed()
    }

    fn write(&self, mark: Mark) -> BoxFuture<'_, Result<(), ConnectorError>> {
        self.tell(mark).boxed()
    }
}
