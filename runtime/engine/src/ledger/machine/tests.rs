//! The protocol against a store in a map: rows of the table, then workers that take turns at random.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::record::Undone;
use super::super::testing::{commit, entry, fence};
use super::*;
use crate::env::Random;

/// A store of one ledger.
#[derive(Debug, Default)]
struct Store {
    records: BTreeMap<u64, Record>,
    visible: BTreeSet<String>,
    /// A listing shows nothing newer.
    stale: Option<u64>,
    /// Files whose uploads are gone.
    gone: BTreeSet<String>,
}

impl Store {
    fn with(records: &[Record]) -> Self {
        Self { records: records.iter().map(|record| (record.n.0, record.clone())).collect(), ..Self::default() }
    }

    fn answer(&mut self, ask: &Ask) -> Answer {
        match ask {
            Ask::Newest => {
                let newest = self.records.keys().next_back().copied();
                Answer::Newest(newest.map(|n| RecordNumber(self.stale.unwrap_or(n).min(n))))
            }
            Ask::Read(n) => Answer::Record(self.records.get(&n.0).cloned().map(Arc::new)),
            Ask::Write(record) => {
                let is_there = self.records.contains_key(&record.n.0);
                self.records.entry(record.n.0).or_insert_with(|| (**record).clone());
                Answer::Written(if is_there { Created::Exists } else { Created::New })
            }
            Ask::Publish(record) => {
                let (gone, there): (Vec<_>, Vec<_>) = record.files.iter().partition(|file| self.gone.contains(&file.key));
                self.visible.extend(there.into_iter().map(|file| file.key.clone()));
                gone.first().map_or(Answer::Published, |file| Answer::Lost(Box::new(FileEntry::clone(file))))
            }
        }
    }

    /// A whole run, and what it asked.
    fn run(&mut self, (mut machine, mut ask): (Machine, Ask)) -> (Result<Arc<Record>, MachineError>, Vec<String>) {
        let mut asked = Vec::new();
        loop {
            asked.push(word(&ask));
            match machine.next(self.answer(&ask)) {
                Ok(Step::Ask(next)) => ask = next,
                Ok(Step::Done(head)) => return (Ok(head), asked),
                Err(error) => return (Err(error), asked),
            }
        }
    }
}

fn word(ask: &Ask) -> String {
    match ask {
        Ask::Newest => "newest".to_owned(),
        Ask::Read(n) => format!("read {n}"),
        Ask::Write(record) => format!("write {} {}", record.kind.word(), record.n),
        Ask::Publish(record) => format!("publish {}", record.n),
    }
}

fn marks(nonce: &str) -> Marks {
    Marks {
        owner: "me".into(),
        nonce: nonce.into(),
        plan: "p".into(),
        reason: "r".into(),
        completed_through: RecordNumber::NONE,
        is_named: false,
    }
}

fn with_file(mut record: Record) -> Record {
    record.files.push(entry(&format!("file-{}", record.n), record.start.0, record.end.0 - 1));
    record
}

#[test]
fn a_new_ledger_begins_where_it_is_told() {
    let (head, asked) = Store::default().run(Machine::acquire(Position(40), marks("a")));
    let head = head.unwrap();
    assert_eq!((head.n, head.kind, head.end), (RecordNumber(1), Kind::Fence, Position(40)));
    assert_eq!(asked, ["newest", "read 1", "write fence 1"]);
}

#[test]
fn taking_over_completes_what_was_committed_and_fences() {
    let mut store = Store::with(&[fence(1, 0), with_file(commit(2, 0, 50)), with_file(commit(3, 50, 70))]);
    let (head, asked) = store.run(Machine::acquire(Position(0), marks("a")));
    let head = head.unwrap();
    assert_eq!((head.n, head.end, head.completed_through), (RecordNumber(4), Position(70), RecordNumber(3)));
    assert_eq!(asked, ["newest", "read 3", "read 4", "publish 3", "write fence 4"]);
    // One behind that: what record 3 says of the ones before it counts.
    store.records.get_mut(&3).unwrap().completed_through = RecordNumber(1);
    store.records.remove(&4);
    let (_, asked) = store.run(Machine::acquire(Position(0), marks("b")));
    assert_eq!(asked, ["newest", "read 3", "read 4", "read 2", "publish 2", "publish 3", "write fence 4"]);
}

#[test]
fn a_set_that_lost_a_file_is_undone() {
    let of_plan = |plan: &str| Record { plan: plan.into(), ..with_file(with_file(commit(2, 0, 50))) };
    let mut of_two = of_plan("p");
    of_two.files[1] = entry("gone", 3, 49);
    let mut store = Store::with(&[fence(1, 0), of_two]);
    store.gone.insert("gone".to_owned());
    let (head, asked) = store.run(Machine::acquire(Position(0), marks("a")));
    assert_eq!(asked, ["newest", "read 2", "read 3", "publish 2", "write undo 3"]);
    let head = head.unwrap();
    let undone = Some(Undone { n: RecordNumber(2), end: Position(50) });
    assert_eq!((head.start, head.end, head.undone, head.completed_through), (Position(50), Position(0), undone, RecordNumber(2)));
    assert!(store.visible.contains("file-2"), "what is there is visible");
    // Whoever takes it over before it counts again knows of it, and does not undo it twice.
    let (head, asked) = store.run(Machine::acquire(Position(0), marks("b")));
    assert_eq!(asked, ["newest", "read 3", "read 4", "write fence 4"]);
    let head = head.unwrap();
    assert!(head.undone == undone && head.is_reset() && head.end == Position(0));
    // It counts again: that is over.
    let (head, _) = store.run(Machine::commit(&head, Delta::new(Position(0), Position(50)), Vec::new(), marks("c")).unwrap());
    assert!(head.as_ref().unwrap().undone.is_none() && !head.unwrap().is_reset());

    // Another plan would make other files of it.
    let mut store = Store::with(&[fence(1, 0), of_plan("before")]);
    store.gone.insert("file-2".to_owned());
    let (error, asked) = store.run(Machine::acquire(Position(0), marks("a")));
    assert!(matches!(error.unwrap_err(), MachineError::Lost { n: RecordNumber(2), .. }));
    assert_eq!(asked.last().unwrap(), "publish 2");
}

#[test]
fn who_loses_a_file_of_an_own_commit_stops() {
    let mut store = Store::with(&[fence(1, 0)]);
    store.gone.insert("f".to_owned());
    let run = Machine::commit(&Arc::new(fence(1, 0)), Delta::new(Position(0), Position(9)), vec![entry("f", 0, 8)], marks("a")).unwrap();
    assert!(matches!(store.run(run).0.unwrap_err(), MachineError::Lost { n: RecordNumber(2), .. }));
    assert!(store.records.contains_key(&2), "it counts");
}

#[test]
fn a_stale_listing_is_walked_past() {
    let mut store = Store::with(&[fence(1, 0), with_file(commit(2, 0, 50)), fence(3, 50)]);
    store.stale = Some(1);
    let (head, asked) = store.run(Machine::acquire(Position(0), marks("a")));
    assert_eq!(head.unwrap().n, RecordNumber(4));
    assert_eq!(asked, ["newest", "read 1", "read 2", "read 3", "read 4", "write fence 4"]);
}

#[test]
fn who_was_first_is_taken_over_too() {
    let mut store = Store::with(&[fence(1, 0)]);
    let (mut machine, mut ask) = Machine::acquire(Position(0), marks("a"));
    // Everything up to the fence, then somebody else commits.
    while !matches!(ask, Ask::Write(_)) {
        ask = match machine.next(store.answer(&ask)).unwrap() {
            Step::Ask(ask) => ask,
            Step::Done(head) => panic!("{head:?}"),
        };
    }
    store.records.insert(2, with_file(commit(2, 0, 9)));
    let (head, asked) = store.run((machine, ask));
    assert_eq!((head.as_ref().unwrap().n, head.as_ref().unwrap().end), (RecordNumber(3), Position(9)));
    assert_eq!(asked, ["write fence 2", "read 2", "read 3", "publish 2", "write fence 3"]);
    assert!(store.visible.contains("file-2"));
}

#[test]
fn a_commit_is_one_write_and_then_its_files() {
    let mut store = Store::with(&[fence(1, 10)]);
    let run =
        Machine::commit(&Arc::new(fence(1, 10)), Delta::new(Position(12), Position(30)), vec![entry("f", 12, 29)], marks("c")).unwrap();
    let (head, asked) = store.run(run);
    let head = head.unwrap();
    assert_eq!((head.start, head.end), (Position(10), Position(30)), "what the source skipped is covered");
    assert_eq!(asked, ["write commit 2", "publish 2"]);
}

#[test]
fn a_lost_answer_is_asked_for_again_and_the_nonce_says_whose_it_is() {
    let mut store = Store::with(&[fence(1, 10)]);
    let delta = Delta::new(Position(10), Position(30));
    let run = Machine::commit(&Arc::new(fence(1, 10)), delta, vec![entry("f", 10, 29)], marks("c")).unwrap();
    store.answer(&run.1);
    let (head, asked) = store.run(run);
    assert_eq!(head.unwrap().n, RecordNumber(2));
    assert_eq!(asked, ["write commit 2", "read 2", "publish 2"]);
}

#[test]
fn another_ones_record_fences() {
    let mut store = Store::with(&[fence(1, 10), fence(2, 10)]);
    let delta = Delta::new(Position(10), Position(30));
    let run = Machine::commit(&Arc::new(fence(1, 10)), delta, vec![entry("f", 10, 29)], marks("c")).unwrap();
    let (head, asked) = store.run(run);
    assert_eq!(head, Err(MachineError::Fenced { n: RecordNumber(2), owner: "worker".into() }));
    assert_eq!(asked, ["write commit 2", "read 2"]);
    assert!(store.visible.is_empty());
}

#[test]
fn what_counts_already_and_what_is_missing_is_said() {
    let again = Machine::commit(&Arc::new(fence(1, 10)), Delta::new(Position(8), Position(12)), Vec::new(), marks("c"));
    assert_eq!(again.unwrap_err().to_string(), "positions [8, 12) overlap what the ledger holds up to 10");
    let acquire = |records: &[Record]| Store::with(records).run(Machine::acquire(Position(0), marks("a"))).0.unwrap_err();
    let mut behind = fence(4, 20);
    behind.completed_through = RecordNumber(1);
    assert_eq!(acquire(&[fence(1, 0), commit(3, 10, 20), behind]), MachineError::Missing(RecordNumber(2)));
    let mut store = Store::with(&[fence(1, 0), commit(2, 5, 20)]);
    store.stale = Some(1);
    let broken = store.run(Machine::acquire(Position(0), marks("a"))).0.unwrap_err();
    assert_eq!(broken.to_string(), "record 2 of the ledger starts at 5, but the one before it ends at 0");
}

/// A worker of the random test: it takes the partition over, then commits sets of random sizes over random files.
struct Worker {
    id: u64,
    run: Option<(Machine, Ask)>,
    head: Option<Arc<Record>>,
    lost: Option<Ask>,
}

const END: i64 = 12;

impl Worker {
    fn start(id: u64) -> Self {
        Self { id, run: Some(Machine::acquire(Position(0), marks(&format!("{id}-fence")))), head: None, lost: None }
    }

    /// One call to the store. False: fenced, or everything is written.
    fn turn(&mut self, store: &mut Store, random: &Random) -> bool {
        let Some((machine, ask)) = &mut self.run else { return self.next_set(random) };
        if random.below(5) == 0 {
            store.answer(ask);
            self.lost = Some(ask.clone());
            return true;
        }
        match machine.next(store.answer(ask)) {
            Ok(Step::Ask(next)) => *ask = next,
            Ok(Step::Done(head)) => (self.head, self.run) = (Some(head), None),
            Err(MachineError::Fenced { .. }) => return false,
            Err(error) => panic!("worker {}: {error}", self.id),
        }
        true
    }

    fn next_set(&mut self, random: &Random) -> bool {
        let Some(head) = &self.head else { return false };
        let start = head.end.0;
        if start >= END {
            return false;
        }
        let end = (start + 1 + i64::try_from(random.below(4)).unwrap()).min(END);
        let mut folders: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
        (start..end).for_each(|position| folders.entry(random.below(2)).or_default().push(position));
        // A file's key says what it holds.
        let files = folders.values().map(|held| entry(&format!("{held:?}"), held[0], held[held.len() - 1])).collect();
        let nonce = marks(&format!("{}-{start}-{}", self.id, random.next()));
        self.run = Some(Machine::commit(head, Delta::new(Position(start), Position(end)), files, nonce).unwrap());
        true
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn workers_in_any_order_write_each_position_once(seed in any::<u64>()) {
        let (random, mut store) = (Random::seeded(seed), Store::default());
        let mut workers = vec![Worker::start(0)];
        let mut started = 1;
        for _ in 0..400 {
            if started < 6 && random.below(12) == 0 {
                // A crash, or a worker that goes on although another one has the partition.
                if random.below(2) == 0 && !workers.is_empty() {
                    let crashed = usize::try_from(random.below(workers.len() as u64)).unwrap();
                    workers.remove(crashed);
                }
                workers.push(Worker::start(started));
                started += 1;
            }
            if workers.is_empty() {
                break;
            }
            let index = usize::try_from(random.below(workers.len() as u64)).unwrap();
            store.stale = (random.below(4) == 0).then(|| 1 + random.below(store.records.len().max(1) as u64));
            if !workers[index].turn(&mut store, &random) {
                workers.remove(index);
            }
        }
        // A request on its way arrives after everybody is gone.
        for ask in workers.iter().filter_map(|worker| worker.lost.as_ref()) {
            store.answer(ask);
        }
        store.stale = None;
        let mut last = Worker::start(99);
        while last.turn(&mut store, &random) {}
        let mut held: Vec<i64> = store.visible.iter().flat_map(|key| serde_json::from_str::<Vec<i64>>(key).unwrap()).collect();
        held.sort_unstable();
        prop_assert_eq!(held, (0..END).collect::<Vec<_>>());
    }
}
