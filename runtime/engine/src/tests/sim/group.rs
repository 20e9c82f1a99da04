//! Consumer groups: who owns what, and whose commits count.

use std::collections::BTreeMap;
use std::time::Duration;

use super::kafka::Tp;
use super::{Fault, ProcessId, State};

/// How long a member may be silent.
pub(super) const SESSION: Duration = Duration::from_secs(10);
/// How long a rebalance waits for members to let go.
pub(super) const REBALANCE: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) members: BTreeMap<u64, Member>,
    /// By partition: the member that reads it, and the round in which it got it.
    pub(super) owners: BTreeMap<Tp, (u64, u64)>,
    pub(super) committed: BTreeMap<Tp, i64>,
    /// The words beside positions that were committed with one.
    pub(super) words: BTreeMap<Tp, String>,
    /// Transactions under way, by partition: until they end nobody is told where it stands.
    pub(super) pending: BTreeMap<Tp, u64>,
    /// Counts changes of the membership: the generation.
    pub(super) round: u64,
    /// Everybody lets go of everything when the membership changes.
    pub(super) is_eager: bool,
}

#[derive(Debug)]
pub(super) struct Member {
    /// `None`: somebody who is in the group and reads nothing.
    pub(super) process: Option<ProcessId>,
    /// Survives its process (static membership).
    instance: Option<usize>,
    /// The generation that it knows of.
    pub(super) round: u64,
}

impl Group {
    /// Who is to read a partition.
    pub(super) fn target(&self, index: usize) -> Option<u64> {
        let mut members: Vec<(Option<usize>, u64)> = self.members.iter().map(|(id, member)| (member.instance, *id)).collect();
        // A static member keeps its place when it comes back under another number.
        members.sort_unstable();
        members.get(index % members.len().max(1)).map(|(_, id)| *id)
    }

    fn expel(&mut self, member: u64) -> bool {
        if self.members.remove(&member).is_none() {
            return false;
        }
        self.owners.retain(|_, (owner, _)| *owner != member);
        self.round += 1;
        true
    }
}

impl State {
    pub(super) fn group(&mut self, name: &str) -> &mut Group {
        if !self.kafka.groups.contains_key(name) {
            let is_eager = self.kafka.is_eager;
            self.kafka.groups.insert(name.to_owned(), Group { is_eager, ..Group::default() });
        }
        self.kafka.groups.get_mut(name).unwrap()
    }

    /// A process joins; one with the instance of a member that is still there takes its place.
    pub(super) fn join(&mut self, group: &str, process: Option<ProcessId>, instance: Option<usize>) -> u64 {
        self.kafka.last_member += 1;
        let id = self.kafka.last_member;
        let group = self.group(group);
        let before = group.members.iter().find(|(_, member)| instance.is_some() && member.instance == instance).map(|(id, _)| *id);
        match before {
            Some(before) => {
                group.members.remove(&before);
                group.owners.retain(|_, (owner, _)| *owner != before);
            }
            None => group.round += 1,
        }
        let round = group.round;
        group.members.insert(id, Member { process, instance, round });
        if before.is_some() {
            self.reach("static member came back");
        }
        self.say(|| format!("group: member {id} joins ({process:?})"));
        self.wake_readers();
        id
    }

    pub(super) fn leave(&mut self, group: &str, member: u64) {
        if self.group(group).expel(member) {
            self.say(|| format!("group: member {member} leaves"));
            self.wake_readers();
        }
    }

    /// The group goes on without members of a process that is dead or stands still for too long.
    pub(super) fn session_ends_later(&mut self, process: ProcessId) {
        self.after(SESSION, move |world| {
            let mut state = world.state();
            if !state.is_alive(process) || state.is_frozen(process) {
                state.expel_process(process);
            }
        });
    }

    /// Nobody waits for this process any more.
    pub(super) fn expel_process(&mut self, process: ProcessId) {
        let mut expelled = false;
        for group in self.kafka.groups.values_mut() {
            let of_process: Vec<u64> =
                group.members.iter().filter(|(_, member)| member.process == Some(process)).map(|(id, _)| *id).collect();
            expelled |= of_process.into_iter().filter(|id| group.expel(*id)).count() > 0;
        }
        if expelled {
            self.say(|| format!("group: process {} is expelled", process.0));
            if self.is_alive(process) && self.is_frozen(process) {
                self.fire(Fault::Zombie);
            }
            self.wake_readers();
        }
    }

    /// An offset commit reached the coordinator.
    pub(super) fn commit_offsets(&mut self, group: &str, member: u64, positions: &[(Tp, i64)]) -> Committed {
        if self.are_brokers_away() || self.kafka.coordinator_away_until > self.now {
            return Committed::Away;
        }
        if self.hits(Fault::CommitRefused) {
            return Committed::Away;
        }
        let round = self.group(group).round;
        if self.group(group).members.get(&member).is_none_or(|known| known.round != round) {
            self.reach("commit of an old generation refused");
            return Committed::Refused;
        }
        for (tp, position) in positions {
            self.group(group).committed.insert(tp.clone(), *position);
            self.group(group).words.remove(tp);
            let now = self.now;
            self.oracle.committed(now, tp, *position);
            self.say(|| format!("group: {}[{}] committed up to {position} by member {member}", tp.0, tp.1));
        }
        Committed::Done
    }
}

/// What became of an offset commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Committed {
    Done,
    /// Try again.
    Away,
    /// The group went on without this member.
    Refused,
}

/// A member holds a rebalance up for so long at most, then the group goes on without it.
pub(super) fn let_go_in_time(state: &mut State, name: &str, member: u64, tps: &[Tp]) {
    let owners = &state.group(name).owners;
    let held: Vec<(Tp, (u64, u64))> = tps.iter().filter_map(|tp| Some((tp.clone(), *owners.get(tp)?))).collect();
    let name = name.to_owned();
    state.after(REBALANCE, move |world| {
        let mut state = world.state();
        let owners = &state.group(&name).owners;
        if held.iter().any(|(tp, owner)| owners.get(tp) == Some(owner)) {
            state.reach("held a rebalance up for too long");
            state.leave(&name, member);
        }
    });
}
