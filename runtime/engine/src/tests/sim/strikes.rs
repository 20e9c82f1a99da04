//! What strikes at a moment: servers that are away, processes that die, people who delete things.

use std::sync::Arc;
use std::time::Duration;

use super::group::SESSION;
use super::kafka::Tp;
use super::{Fault, ProcessId, State, ms};

impl State {
    /// A pipeline stopped and said why, after something that it cannot decide.
    pub(super) fn is_left_to_people(&self) -> bool {
        self.needs_somebody && !self.gave_up.is_empty()
    }

    /// The newest record of each ledger covers the last record of its partition. True if there are no ledgers. Ledgers of topics that were
    /// deleted stay as they are: a fence that was sent long ago may still come into one.
    pub(super) fn are_ledgers_through(&self) -> bool {
        if self.by_bookmark {
            // Where somebody moved the group and nothing came since, it stands there.
            return self.needs_somebody || self.are_bookmarks_through();
        }
        let (mut last, identity) = ("", format!("/id{}/", self.kafka.creations));
        for (key, object) in self.store.objects.iter().filter(|(key, _)| key.contains("/ledger/") && key.contains(&identity)) {
            let ledger = folder(key);
            if std::mem::replace(&mut last, ledger) == ledger {
                continue;
            }
            let partition = ledger.rsplit('/').next().and_then(|number| number.parse().ok());
            let end = super::oracle::number_behind(&object.data, b"\"end\":");
            let log = partition.and_then(|partition| self.kafka.logs.get(&(Arc::from("t"), partition)));
            let next = log.and_then(|log| log.entries.last()).map_or(0, |entry| entry.offset + 1);
            if end.is_none_or(|end| end < next) {
                return false;
            }
        }
        true
    }

    /// The bookmark of each partition that has one stands behind its last record.
    fn are_bookmarks_through(&self) -> bool {
        let Some(group) = self.kafka.groups.get(&self.group_name) else { return true };
        group.committed.iter().all(|(tp, position)| {
            let last = self.kafka.logs.get(tp).and_then(|log| log.entries.last());
            last.is_none_or(|last| last.offset < *position)
        })
    }

    /// Uploads whose removal does not undo what counts: those of dead processes that no object of a ledger names, and those without parts.
    fn removable_uploads(&self) -> Vec<String> {
        let ledger: Vec<&[u8]> =
            self.store.objects.iter().filter(|(key, _)| key.contains("/ledger/")).map(|(_, object)| &*object.data).collect();
        let is_named = |id: &str| ledger.iter().any(|data| names(data, id));
        let free = |(id, upload): &(&String, &super::store::Upload)| {
            upload.is_empty() || (self.travelling == 0 && !self.is_alive(upload.process) && !is_named(id))
        };
        self.store.uploads.iter().filter(free).map(|(id, _)| id.clone()).collect()
    }
}

/// A process that lives.
fn victim(state: &mut State) -> Option<ProcessId> {
    let alive: Vec<ProcessId> = (0..state.processes.len() as u64).map(ProcessId).filter(|id| state.is_alive(*id)).collect();
    if alive.is_empty() { None } else { Some(alive[state.dice.below(alive.len() as u64) as usize]) }
}

/// Something goes wrong now.
pub(super) fn strike(state: &mut State, fault: Fault) {
    let now = state.now;
    let a_while = ms(state.dice.skewed(1_000, 30_000));
    match fault {
        Fault::BrokersAway | Fault::BrokersAwayAtStart => state.kafka.away_until = state.kafka.away_until.max(now + a_while),
        Fault::CoordinatorAway => state.kafka.coordinator_away_until = state.kafka.coordinator_away_until.max(now + a_while),
        Fault::StoreAway => state.store.away_until = state.store.away_until.max(now + a_while),
        Fault::Slow => state.store.slow_until = state.store.slow_until.max(now + a_while),
        Fault::RebalanceStorm => {
            for second in 0..10 {
                state.after(Duration::from_secs(second), |world| visit(&mut world.state(), ms(900)));
            }
        }
        Fault::Revoke => visit(state, a_while),
        Fault::PartitionAdded => {
            let number = state.kafka.logs.keys().map(|(_, partition)| partition + 1).max().unwrap_or(0);
            let tp: Tp = (Arc::from("t"), number);
            state.create_partition(tp.clone());
            state.append(&tp, 5);
            state.after(ms(2_000), move |world| world.state().append(&tp, 5));
        }
        Fault::MqttRestart => {
            state.mqtt.away_until = state.mqtt.away_until.max(now + a_while);
            state.cut_mqtt();
        }
        Fault::MqttCut => state.cut_mqtt(),
        Fault::UploadRemoved => {
            let ids = state.removable_uploads();
            if ids.is_empty() {
                return;
            }
            let id = &ids[state.dice.below(ids.len() as u64) as usize];
            state.store.uploads.remove(id);
        }
        _ => return strike_data(state, fault),
    }
    state.fire(fault);
}

/// People and retention change what lies there.
fn strike_data(state: &mut State, fault: Fault) {
    match fault {
        Fault::OffsetsReset => {
            let back = state.dice.between(1, 40) as i64;
            let name = state.group_name.clone();
            state.group(&name).committed.values_mut().for_each(|at| *at = (*at - back).max(0));
            state.group(&name).words.clear();
            state.oracle.offsets_are_foreign = true;
            state.needs_somebody |= state.by_bookmark;
        }
        Fault::OffsetsExpired => {
            let name = state.group_name.clone();
            state.group(&name).committed.clear();
            state.group(&name).words.clear();
            state.needs_somebody |= state.by_bookmark;
        }
        Fault::GroupRenamed => {
            "renamed".clone_into(&mut state.group_name);
            state.needs_somebody |= state.by_bookmark;
            (0..state.processes.len() as u64).map(ProcessId).for_each(|id| state.kill(id));
        }
        Fault::RetentionPassed => {
            // What nobody ever began to read is nobody's loss.
            let has_ledger = |tp: &Tp| {
                let (kind, of) =
                    if state.by_bookmark { ("/begun/", format!("/{}.json", tp.1)) } else { ("/ledger/", format!("/{}/", tp.1)) };
                state.store.objects.keys().any(|key| key.contains(kind) && key.contains(&of))
            };
            let begun: Vec<Tp> = state.kafka.logs.keys().filter(|tp| has_ledger(tp)).cloned().collect();
            for (_, log) in state.kafka.logs.iter_mut().filter(|(tp, _)| begun.contains(tp)) {
                log.start = log.start.max(log.end - 10);
            }
            state.needs_somebody = true;
        }
        Fault::ConditionsIgnored => {
            state.store.ignores_conditions = true;
            state.needs_somebody = true;
        }
        Fault::CommittedUploadRemoved => {
            // Counted when it happens.
            state.store.removes_committed = true;
            return;
        }
        Fault::TopicRecreated => {
            state.recreate_topic();
            let tps: Vec<Tp> = state.kafka.logs.keys().cloned().collect();
            for tp in tps {
                let count = state.dice.between(10, 80);
                state.append(&tp, count);
            }
            state.needs_somebody = true;
        }
        Fault::LedgerRemoved => {
            // Not the newest: what it said is known to nobody else.
            let keys: Vec<String> = state.store.objects.keys().filter(|key| key.contains("/ledger/")).cloned().collect();
            let older: Vec<&String> = keys.windows(2).filter(|pair| folder(&pair[0]) == folder(&pair[1])).map(|pair| &pair[1]).collect();
            if older.is_empty() {
                return;
            }
            let key = older[state.dice.below(older.len() as u64) as usize];
            state.store.objects.remove(key);
            state.needs_somebody = true;
        }
        _ => return strike_process(state, fault),
    }
    state.fire(fault);
}

/// Whether an object of a ledger names an upload.
pub(super) fn names(data: &[u8], id: &str) -> bool {
    let word = format!("\"{id}\"");
    data.windows(word.len()).any(|window| window == word.as_bytes())
}

/// Everything before the last slash.
fn folder(key: &str) -> &str {
    key.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn strike_process(state: &mut State, fault: Fault) {
    let Some(victim) = victim(state) else { return };
    match fault {
        Fault::Kill => state.kill(victim),
        Fault::KillAtCall => {
            let call = (state.dice.between(1, 30), state.dice.below(2) == 0);
            // Counted when it dies.
            state.process(victim).dies_at_call = Some(call);
            return;
        }
        Fault::Terminate => state.process(victim).terminates = true,
        Fault::Panic => {
            state.process(victim).panics = true;
            return;
        }
        Fault::ClockJumps => {
            let skew = state.dice.below(2_400_000) as i64 - 1_200_000;
            state.process(victim).skew_ms = skew;
        }
        Fault::Zombie => {
            stand_still(state, victim);
            return;
        }
        Fault::Starved => {
            let still = ms(state.dice.between(1_000, 9_000));
            freeze(state, victim, still);
        }
        other => unreachable!("{other:?} is not struck"),
    }
    state.fire(fault);
}

/// A process stands still for longer than its session, and does not hear of it at once.
pub(super) fn stand_still(state: &mut State, process: ProcessId) {
    let still = SESSION + ms(state.dice.between(500, 30_000));
    freeze(state, process, still);
    let unaware = ms(state.dice.below(3_000));
    state.process(process).unaware_until = state.now + still + unaware;
}

/// A process stands still for a while.
fn freeze(state: &mut State, process: ProcessId, still: Duration) {
    let until = state.now + still;
    state.process(process).frozen_until = Some(until);
    state.say(|| format!("process {} stands still for {still:?}", process.0));
    state.session_ends_later(process);
    state.after(still, move |world| world.state().process(process).is_woken = true);
}

/// Somebody joins the group for a while and reads nothing.
fn visit(state: &mut State, stays: Duration) {
    let name = state.group_name.clone();
    let member = state.join(&name, None, None);
    state.after(stays, move |world| world.state().leave(&name, member));
}
