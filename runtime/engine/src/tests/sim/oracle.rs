//! What must be true of the servers, whatever the workers do. It knows records by their topic, partition and offset, reads every object as it
//! becomes visible, and shares no code with the engine.

use std::collections::BTreeMap;
use std::time::Duration;

use super::kafka::Tp;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Wrong {
    /// A record is nowhere, and nobody said why.
    Lost,
    /// A record is in two objects, or twice in one.
    Duplicate,
    /// Offsets go down inside an object.
    OutOfOrder,
    /// An object is not what it was when it was first seen.
    Changed,
    /// An object was removed.
    Removed,
    /// An object lies outside the prefixes of the pipeline.
    Outside,
    /// An object holds something that was never produced, or not what its name says.
    Foreign,
    /// The group's offset is beyond what is visible.
    CommittedAhead,
    /// Not everything became visible in time after the last fault.
    Stuck,
    /// The engine says that it has a bug.
    Bug,
}

/// Something wrong, and when it was seen.
#[derive(Clone, Debug)]
pub(super) struct Violation {
    pub(super) at: Duration,
    pub(super) wrong: Wrong,
    pub(super) words: String,
}

#[derive(Debug)]
struct Expected {
    offset: i64,
    is_bad: bool,
    /// By route: how often it is visible.
    seen: [u32; 2],
    /// How often it is in the dead-letter topic.
    dead: u32,
}

#[derive(Debug, Default)]
struct Partition {
    records: Vec<Expected>,
    /// Records before this one are through.
    through: usize,
}

/// See above.
#[derive(Debug, Default)]
pub(super) struct Oracle {
    /// Statements: the first writes below `a/`, the second below `b/`.
    pub(super) routes: usize,
    partitions: BTreeMap<Tp, Partition>,
    /// By the record's number.
    ids: BTreeMap<u64, (Tp, usize)>,
    /// Records up to this one are of a topic that is gone.
    forgotten: u64,
    /// Records that are not where they belong, once for each route.
    pub(super) missing: u64,
    pub(super) records: u64,
    objects: BTreeMap<String, Vec<u8>>,
    pub(super) violations: Vec<Violation>,
    /// Group offsets are not looked at: somebody else set them.
    pub(super) offsets_are_foreign: bool,
    messages: BTreeMap<u64, Message>,
    /// MQTT messages that are in the topic more than once, as their broker handed them out more than once.
    pub(super) allowed_duplicates: u64,
}

/// What became of an MQTT message.
#[derive(Debug, Default)]
struct Message {
    handed_out: u32,
    seen: u32,
}

impl Oracle {
    /// A record was produced.
    pub(super) fn expect(&mut self, tp: &Tp, offset: i64, id: u64, is_bad: bool) {
        let records = &mut self.partitions.entry(tp.clone()).or_default().records;
        self.ids.insert(id, (tp.clone(), records.len()));
        records.push(Expected { offset, is_bad, seen: [0; 2], dead: 0 });
        self.missing += if is_bad { 1 } else { self.routes as u64 };
        self.records += 1;
    }

    /// The topic is gone, and one of the same name begins: what was not read is nobody's fault, what comes has other records.
    pub(super) fn forgets_topic(&mut self) {
        self.forgotten = self.ids.keys().next_back().copied().unwrap_or(self.forgotten);
        self.partitions.clear();
        self.ids.clear();
        self.missing = 0;
    }

    /// An MQTT message was published.
    pub(super) fn published(&mut self, id: u64) {
        self.messages.insert(id, Message::default());
        self.missing += 1;
        self.records += 1;
    }

    /// The MQTT broker hands a message out; returns how often it did.
    pub(super) fn handed_out(&mut self, id: u64) -> u32 {
        let message = self.messages.get_mut(&id).unwrap();
        message.handed_out += 1;
        message.handed_out
    }

    /// The MQTT broker forgets a message.
    pub(super) fn acknowledged(&mut self, at: Duration, id: u64) {
        if self.messages[&id].seen == 0 {
            self.wrong(at, Wrong::CommittedAhead, format!("message {id} is acknowledged and not in the topic"));
        }
    }

    fn forwarded(&mut self, at: Duration, id: u64) {
        let Some(message) = self.messages.get_mut(&id) else {
            return self.wrong(at, Wrong::Foreign, format!("message {id} was never published"));
        };
        message.seen += 1;
        let (seen, handed_out) = (message.seen, message.handed_out);
        self.missing -= u64::from(seen == 1);
        self.allowed_duplicates += u64::from(seen > 1);
        if seen > handed_out {
            self.wrong(at, Wrong::Duplicate, format!("message {id} is there {seen} times, it came {handed_out} times"));
        }
    }

    /// A row reached a topic.
    pub(super) fn produced(&mut self, at: Duration, topic: &str, value: &[u8]) {
        let id = number_behind(value, b"\"id\":");
        if let (Some(id), "out") = (id, topic) {
            return self.forwarded(at, id as u64);
        }
        let id = id.unwrap_or_default() as u64;
        let record = self.ids.get(&id).and_then(|(tp, index)| self.partitions.get_mut(tp)?.records.get_mut(*index));
        match record.filter(|record| record.is_bad && topic == "dead") {
            Some(record) => {
                record.dead += 1;
                self.missing -= u64::from(record.dead == 1);
            }
            None if id <= self.forgotten => {}
            None => self.wrong(at, Wrong::Foreign, format!("{topic}: {}", String::from_utf8_lossy(value))),
        }
    }

    /// An object became visible, or was written again.
    pub(super) fn appeared(&mut self, at: Duration, key: &str, data: &[u8]) {
        if let Some(before) = self.objects.get(key) {
            if before != data && !key.ends_with("plan.json") {
                self.wrong(at, Wrong::Changed, format!("{key} was {} bytes, now {}", before.len(), data.len()));
            }
            return;
        }
        self.objects.insert(key.to_owned(), data.to_vec());
        match key.as_bytes() {
            _ if key.contains(".kpipe/") => {}
            [b'a', b'/', ..] => self.read(at, key, data, 0),
            [b'b', b'/', ..] if self.routes == 2 => self.read(at, key, data, 1),
            _ => self.wrong(at, Wrong::Outside, key.to_owned()),
        }
    }

    /// An object is gone.
    pub(super) fn removed(&mut self, at: Duration, key: &str) {
        self.objects.remove(key);
        if !key.contains(".kpipe/") {
            self.wrong(at, Wrong::Removed, key.to_owned());
        }
    }

    fn read(&mut self, at: Duration, key: &str, data: &[u8], route: usize) {
        let (mut last, mut places, mut ids) = (None, Vec::new(), Vec::new());
        for line in data.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let place = number_behind(line, b"\"p\":").zip(number_behind(line, b"\"o\":"));
            let Some(((partition, offset), id)) = place.zip(number_behind(line, b"\"id\":")) else {
                return self.wrong(at, Wrong::Foreign, format!("{key}: {}", String::from_utf8_lossy(line)));
            };
            if last.is_some_and(|last| last >= offset) {
                self.wrong(at, Wrong::OutOfOrder, format!("{key}: {offset} behind {last:?}"));
            }
            last = Some(offset);
            places.push((partition as i32, offset));
            ids.push(id as u64);
        }
        self.check_name(at, key, &places);
        for ((partition, offset), id) in places.into_iter().zip(ids) {
            self.see(at, key, (partition, offset), id, route);
        }
    }

    /// `<folders>/<topic>-<partition>-<first>-<last>.json`, perhaps with more behind the last number.
    fn check_name(&mut self, at: Duration, key: &str, places: &[(i32, i64)]) {
        let name = key.rsplit('/').next().unwrap_or_default();
        let numbers: Vec<i64> = name.split(['-', '.']).skip(1).map_while(|text| text.parse().ok()).collect();
        let (first, last) = (places.first().copied().unwrap_or_default(), places.last().copied().unwrap_or_default());
        if numbers.get(..3) != Some(&[i64::from(first.0), first.1, last.1]) || places.iter().any(|(partition, _)| *partition != first.0) {
            self.wrong(at, Wrong::Foreign, format!("{key} holds {first:?} to {last:?}"));
        }
    }

    fn see(&mut self, at: Duration, key: &str, (partition, offset): (i32, i64), id: u64, route: usize) {
        if id <= self.forgotten {
            return;
        }
        let place = self.ids.get(&id).filter(|(tp, _)| tp.1 == partition);
        let record = place.and_then(|(tp, index)| self.partitions.get_mut(tp)?.records.get_mut(*index));
        let Some(record) = record.filter(|record| !record.is_bad && record.offset == offset) else {
            return self.wrong(at, Wrong::Foreign, format!("{key}: partition {partition} offset {offset} was never produced"));
        };
        record.seen[route] += 1;
        match record.seen[route] {
            1 => self.missing -= 1,
            count => self.wrong(at, Wrong::Duplicate, format!("{key}: partition {partition} offset {offset} is there {count} times")),
        }
    }

    /// The group stands at a position.
    pub(super) fn committed(&mut self, at: Duration, tp: &Tp, position: i64) {
        let routes = self.routes;
        let Some(partition) = self.partitions.get_mut(tp).filter(|_| !self.offsets_are_foreign) else { return };
        while partition.records.get(partition.through).is_some_and(|record| record.is_through(routes)) {
            partition.through += 1;
        }
        let first_open = partition.records.get(partition.through).map(|record| record.offset);
        if let Some(open) = first_open.filter(|open| *open < position) {
            self.wrong(at, Wrong::CommittedAhead, format!("partition {} is committed up to {position}, {open} is nowhere", tp.1));
        }
    }

    /// Everything has ended: what is not there is lost.
    pub(super) fn end(&mut self, at: Duration) {
        let routes = self.routes;
        let open = |(tp, partition): (&Tp, &Partition)| {
            let open = partition.records.iter().filter(|record| !record.is_through(routes));
            open.map(|record| format!("partition {} offset {}", tp.1, record.offset)).collect::<Vec<_>>()
        };
        let mut lost: Vec<String> = self.partitions.iter().flat_map(open).collect();
        lost.extend(self.messages.iter().filter(|(_, message)| message.seen == 0).map(|(id, _)| format!("message {id}")));
        for words in lost {
            self.wrong(at, Wrong::Lost, words);
        }
    }

    pub(super) fn wrong(&mut self, at: Duration, wrong: Wrong, words: String) {
        self.violations.push(Violation { at, wrong, words });
    }
}

impl Expected {
    fn is_through(&self, routes: usize) -> bool {
        if self.is_bad { self.dead > 0 } else { self.seen[..routes].iter().all(|seen| *seen > 0) }
    }
}

/// The digits behind a name.
pub(super) fn number_behind(text: &[u8], name: &[u8]) -> Option<i64> {
    let at = text.windows(name.len()).position(|window| window == name)? + name.len();
    let digits = text[at..].iter().take_while(|byte| byte.is_ascii_digit());
    let mut number = None;
    for digit in digits {
        number = Some(number.unwrap_or(0_i64) * 10 + i64::from(digit - b'0'));
    }
    number
}
