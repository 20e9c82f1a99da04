use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::BinaryArray;
use kpipe_compiler::plan::{Decode, Endpoint, KeyPlan, OptionValue, Options, RecordTail, Route, SecretRef, Tail, TopicName, ValueFormat};
use kpipe_engine::connector::{Accept, Delivery, Inspection, OpenRequest, OutBatch, RecordSink, Secrets, Source, SourceEvent, Ticket};
use kpipe_engine::error::{ConnectorError, ErrorKind};
use kpipe_engine::position::{PartitionId, Position};

use super::CONNECTOR;

mod faults;
mod rotation;

struct NoSecrets;

impl Secrets for NoSecrets {
    fn read(&self, _: &SecretRef) -> Result<String, ConnectorError> {
        panic!("files have no secrets")
    }
}

fn route(from: &str) -> Route {
    Route {
        statement: String::new(),
        from: from.to_owned(),
        decode: Decode { format: ValueFormat::Bytes, columns: Vec::new() },
        filter: None,
        project: None,
        tail: Tail::Records(RecordTail { topic: TopicName::Fixed("t".into()), key: KeyPlan::Keep, format: None }),
    }
}

/// Calls `work` with the request of a source with this mode, or of a sink without one.
fn with<T>(dir: &Path, mode: Option<&str>, from: &[&str], work: impl FnOnce(&OpenRequest<'_>) -> T) -> T {
    let text = |text: &str| OptionValue::Text(text.to_owned());
    let mut options = BTreeMap::from([("dir".to_owned(), text(dir.to_str().unwrap())), ("line_max".to_owned(), OptionValue::Bytes(1024))]);
    if let Some(mode) = mode {
        options.insert("mode".into(), text(mode));
    }
    let routes: Vec<Route> = from.iter().map(|from| route(from)).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    work(&OpenRequest {
        pipeline: "p",
        task: 0,
        endpoint: &Endpoint { connector: "file".into(), options: Options(options) },
        routes: &routes,
        secrets: &NoSecrets,
        runtime: runtime.handle().clone(),
        starts_in_sink: false,
    })
}

fn source(dir: &Path, mode: &str, from: &[&str]) -> Box<dyn Source> {
    with(dir, Some(mode), from, |request| (CONNECTOR.source.unwrap())(request)).unwrap()
}

fn inspect(dir: &Path, mode: Option<&str>, from: &[&str]) -> Result<Inspection, ConnectorError> {
    with(dir, mode, from, |request| (CONNECTOR.inspect.unwrap())(request))
}

fn append(path: &Path, text: &str) {
    OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

/// Polls until nothing happens: what was assigned and what was read, as text.
fn drain(source: &mut dyn Source) -> Vec<String> {
    let mut seen = Vec::new();
    loop {
        match source.poll(Duration::ZERO, Accept::Records).unwrap() {
            SourceEvent::Assigned(found) => found.iter().for_each(|one| {
                seen.push(format!("{} {}..{}", one.topic, one.start.unwrap(), one.end.unwrap()));
            }),
            SourceEvent::Batch(batch) => {
                for row in 0..batch.records.len() {
                    let value = String::from_utf8(batch.records.value(row).unwrap().to_vec()).unwrap();
                    seen.push(format!("{}@{}{:?}={value}", batch.records.topic(row), batch.records.position(row), batch.routes));
                }
                source.commit(&[(batch.partition, batch.delta.end)]).unwrap();
            }
            SourceEvent::End => seen.push("end".into()),
            SourceEvent::Idle => return seen,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn once_reads_what_is_there_and_ends() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("b.log"), "x\r\ny").unwrap();
    fs::write(dir.path().join("a.log"), "one\ntwo\n").unwrap();
    fs::write(dir.path().join("c.txt"), "other\n").unwrap();
    let mut once = source(dir.path(), "once", &["*.log", "a.log"]);
    let expected = ["a.log 0..8", "b.log 0..4", "a.log@0[0, 1]=one", "a.log@4[0, 1]=two", "b.log@0[0]=x", "b.log@3[0]=y", "end"];
    assert_eq!(drain(&mut *once), expected);
    assert_eq!(once.ends(), [(PartitionId(0), Position(8)), (PartitionId(1), Position(4))]);
    drop(once);

    append(&dir.path().join("a.log"), "three\n");
    assert_eq!(drain(&mut *source(dir.path(), "once", &["*.log"])), ["a.log 8..14", "b.log 4..4", "a.log@8[0]=three", "end"]);
}

#[test]
fn a_tail_follows_files_and_finds_new_ones() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    fs::write(&path, "one\npart").unwrap();
    let mut tail = rotation::tail(dir.path(), "**/*.log", Duration::from_secs(600));
    assert_eq!(drain(&mut tail), ["a.log 0..8", "a.log@0[0]=one"]);
    append(&path, "ial\n");
    fs::create_dir(dir.path().join("sub")).unwrap();
    append(&dir.path().join("sub/b.log"), "new\n");
    assert_eq!(drain(&mut tail), ["sub/b.log 0..4", "sub/b.log@0[0]=new", "a.log@4[0]=partial"]);
    tail.settle(Duration::ZERO).unwrap();
    drop(tail);
    assert_eq!(drain(&mut *source(dir.path(), "tail", &["**/*.log"])), ["a.log 12..12", "sub/b.log 4..4"]);
}

#[test]
fn what_was_not_committed_comes_again() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), "one\ntwo\n").unwrap();
    let mut first = source(dir.path(), "tail", &["a"]);
    assert!(matches!(first.poll(Duration::ZERO, Accept::EventsOnly).unwrap(), SourceEvent::Assigned(_)));
    assert!(matches!(first.poll(Duration::ZERO, Accept::EventsOnly).unwrap(), SourceEvent::Idle), "no records where there is no room");
    assert!(matches!(first.poll(Duration::ZERO, Accept::Records).unwrap(), SourceEvent::Batch(_)));
    first.commit(&[(PartitionId(0), Position(4))]).unwrap();
    drop(first);
    assert_eq!(drain(&mut *source(dir.path(), "tail", &["a"])), ["a 4..8", "a@4[0]=two"]);
}

#[test]
fn a_line_that_is_too_long_names_its_place() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), format!("one\n{}\n", "x".repeat(1025))).unwrap();
    let mut tail = source(dir.path(), "tail", &["a"]);
    tail.poll(Duration::ZERO, Accept::Records).unwrap();
    assert!(matches!(tail.poll(Duration::ZERO, Accept::Records).unwrap(), SourceEvent::Batch(_)));
    let error = tail.poll(Duration::ZERO, Accept::Records).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Data);
    assert!(error.message.ends_with("a: the line at byte 4 is longer than 1024 bytes"), "{error}");
}

#[test]
fn a_look_shows_where_reading_would_start() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), "one\ntwo\n").unwrap();
    let mut tail = source(dir.path(), "tail", &["a"]);
    drain(&mut *tail);
    drop(tail);
    append(&dir.path().join("a"), "three\n");
    let found = inspect(dir.path(), Some("once"), &["a", "b", "x*"]).unwrap();
    assert_eq!(found.system, format!("1 file below {}", dir.path().display()));
    assert_eq!((found.partitions[0].start, found.partitions[0].high), (Position(8), Position(14)));
    assert_eq!(found.missing.len(), 1);
    assert!(found.missing[0].message.ends_with("/b does not exist"), "{:?}", found.missing);
    assert!(inspect(&dir.path().join("none"), Some("tail"), &["a"]).unwrap().missing[0].message.ends_with("does not exist"));
    assert_eq!(inspect(dir.path(), Some("tail"), &["../a"]).unwrap_err().kind, ErrorKind::Invalid);
    let error = with(dir.path(), Some("once"), &["b"], |request| (CONNECTOR.source.unwrap())(request))
        .unwrap()
        .poll(Duration::ZERO, Accept::Records)
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Missing, "{error}");
}

#[test]
fn a_sink_can_say_where_a_file_starts() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), "one\ntwo\nsix\n").unwrap();
    let told = || {
        let opened = with(dir.path(), Some("once"), &["a"], |request| {
            let request = OpenRequest { starts_in_sink: true, runtime: request.runtime.clone(), ..*request };
            (CONNECTOR.source.unwrap())(&request)
        });
        opened.unwrap()
    };
    let poll = |source: &mut dyn Source| source.poll(Duration::ZERO, Accept::Records).unwrap();
    let mut source = told();
    let SourceEvent::Assigned(assigned) = poll(&mut *source) else { panic!("not assigned") };
    let (id, committed) = (assigned[0].id, assigned[0].committed);
    assert_eq!((committed, &*assigned[0].identity), (None, "-"));
    assert!(matches!(poll(&mut *source), SourceEvent::Idle), "neither lines nor the end");
    for position in [-1, 13] {
        let error = source.start(id, Position(position)).unwrap_err();
        assert!(error.kind == ErrorKind::Missing && error.message.contains("a has 12 bytes"), "{error}");
    }
    source.start(id, Position(4)).unwrap();
    let SourceEvent::Batch(batch) = poll(&mut *source) else { panic!("no batch") };
    assert_eq!((batch.delta.start, batch.delta.end, batch.records.value(0)), (Position(4), Position(12), Some(&b"two"[..])));
    assert!(matches!(poll(&mut *source), SourceEvent::End));
    assert_eq!(source.start(id, Position(4)).unwrap_err().kind, ErrorKind::Bug);
    source.commit(&[(id, Position(8))]).unwrap();
    source.settle(Duration::ZERO).unwrap();
    drop(source);
    let SourceEvent::Assigned(assigned) = poll(&mut *told()) else { panic!("not assigned") };
    assert_eq!(assigned[0].committed, Some(Position(8)));
}

#[test]
fn only_the_first_task_reads() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), "one\n").unwrap();
    let mut second = with(dir.path(), Some("once"), &["a"], |request| {
        let request = OpenRequest { task: 1, runtime: request.runtime.clone(), ..*request };
        (CONNECTOR.source.unwrap())(&request)
    })
    .unwrap();
    assert_eq!(drain(&mut *second), ["end"]);
    second.settle(Duration::ZERO).unwrap();
}

mod reading {
    use proptest::prelude::*;

    use super::*;

    /// What happens to a followed file, one after the other.
    #[derive(Clone, Debug)]
    enum Step {
        Append(String),
        Read,
        ReadAndCommit,
        Restart,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => "[a-c\n]{0,40}".prop_map(Step::Append),
            2 => Just(Step::Read),
            2 => Just(Step::ReadAndCommit),
            1 => Just(Step::Restart),
        ]
    }

    /// Reads what there is: positions and values.
    fn read(source: &mut dyn Source, commits: bool, seen: &mut BTreeMap<i64, String>) {
        loop {
            match source.poll(Duration::ZERO, Accept::Records).unwrap() {
                SourceEvent::Idle => return,
                SourceEvent::Assigned(_) => {}
                SourceEvent::Batch(batch) => {
                    let mut next = batch.delta.start;
                    for row in 0..batch.records.len() {
                        let value = String::from_utf8(batch.records.value(row).unwrap().to_vec()).unwrap();
                        assert_eq!(batch.records.position(row), next);
                        next = Position(next.0 + value.len() as i64 + 1);
                        let before = seen.insert(batch.records.position(row).0, value.clone());
                        assert!(before.is_none_or(|before| before == value), "a position means another record");
                    }
                    assert_eq!(batch.delta.end, next);
                    if commits {
                        source.commit(&[(batch.partition, batch.delta.end)]).unwrap();
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_whole_line_is_read_whatever_happens(steps in prop::collection::vec(step(), 1..30)) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("a");
            append(&path, "");
            let (mut tail, mut content, mut seen) = (source(dir.path(), "tail", &["a"]), String::new(), BTreeMap::new());
            for step in steps {
                match step {
                    Step::Append(text) => {
                        append(&path, &text);
                        content += &text;
                    }
                    Step::Read => read(&mut *tail, false, &mut seen),
                    Step::ReadAndCommit => read(&mut *tail, true, &mut seen),
                    Step::Restart => {
                        drop(tail);
                        tail = source(dir.path(), "tail", &["a"]);
                    }
                }
            }
            read(&mut *tail, true, &mut seen);
            let whole = content.rfind('\n').map_or("", |last| &content[..last]);
            let lines: Vec<&str> = if content.contains('\n') { whole.split('\n').collect() } else { Vec::new() };
            prop_assert_eq!(seen.into_values().collect::<Vec<_>>(), lines);
        }
    }
}

#[test]
fn a_file_that_was_read_and_removed_is_no_fault() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), "one\n").unwrap();
    fs::write(dir.path().join("b"), "two\n").unwrap();
    let mut tail = source(dir.path(), "tail", &["*"]);
    assert_eq!(drain(&mut *tail).len(), 4);
    fs::remove_file(dir.path().join("a")).unwrap();
    append(&dir.path().join("b"), "three\n");
    assert_eq!(drain(&mut *tail), ["b@4[0]=three"]);
    tail.release(&[PartitionId(0), PartitionId(1)]).unwrap();
    assert_eq!(tail.commit(&[(PartitionId(2), Position(0))]).unwrap_err().kind, ErrorKind::Bug);
}

#[test]
fn folders_links_and_dots() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("sub/deep")).unwrap();
    fs::write(dir.path().join("sub/deep/a.log"), "deep\n").unwrap();
    fs::write(dir.path().join(".hidden.log"), "no\n").unwrap();
    fs::create_dir(dir.path().join("folder.log")).unwrap();
    std::os::unix::fs::symlink(dir.path().join("sub/deep/a.log"), dir.path().join("link.log")).unwrap();
    std::os::unix::fs::symlink(dir.path(), dir.path().join("sub/loop")).unwrap();
    std::os::unix::fs::symlink("/does/not/exist", dir.path().join("broken.log")).unwrap();
    let seen = drain(&mut *source(dir.path(), "once", &["**/*.log"]));
    assert_eq!(seen, ["link.log 0..5", "sub/deep/a.log 0..5", "link.log@0[0]=deep", "sub/deep/a.log@0[0]=deep", "end"]);
}

fn sink(dir: &Path) -> Box<dyn RecordSink> {
    with(dir, None, &[], |request| (CONNECTOR.records.unwrap())(request)).unwrap()
}

/// Sends values; the records behind them are the lines of a file.
fn send(sink: &mut dyn RecordSink, ticket: u64, topics: &[&str], values: Option<&[Option<&str>]>) -> Result<usize, ConnectorError> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("in"), "one\ntwo\nthree\n").unwrap();
    let mut source = source(dir.path(), "once", &["in"]);
    source.poll(Duration::ZERO, Accept::Records).unwrap();
    let SourceEvent::Batch(raw) = source.poll(Duration::ZERO, Accept::Records).unwrap() else { panic!("there are lines") };
    let values: Option<BinaryArray> = values.map(|values| values.iter().map(|value| value.map(str::as_bytes)).collect());
    let rows: Vec<u32> = (0..values.as_ref().map_or(2, |values| values.iter().count() as u32)).collect();
    let topic_of_row: Vec<u32> = if topics.len() > 1 { rows.iter().map(|row| row % topics.len() as u32).collect() } else { Vec::new() };
    let topics: Vec<Arc<str>> = topics.iter().map(|topic| Arc::from(*topic)).collect();
    let batch = OutBatch {
        ticket: Ticket(ticket),
        raw: &raw,
        rows: &rows,
        topics: &topics,
        topic_of_row: &topic_of_row,
        keys: None,
        values: values.as_ref(),
        headers: None,
    };
    sink.send(&batch, 0)
}

#[test]
fn values_become_lines() {
    let dir = tempfile::tempdir().unwrap();
    let mut sink = sink(dir.path());
    assert_eq!(send(&mut *sink, 1, &["a/out.log", "b.log"], Some(&[Some("1"), Some("2"), Some("3")])).unwrap(), 3);
    assert_eq!(send(&mut *sink, 2, &["b.log"], None).unwrap(), 2);
    assert_eq!(sink.in_flight(), 5);
    let done = sink.poll(Duration::ZERO).unwrap();
    assert!(matches!(done[..], [Delivery::Done(Ticket(1)), Delivery::Done(Ticket(2))]), "{done:?}");
    assert_eq!((sink.in_flight(), sink.poll(Duration::ZERO).unwrap().len()), (0, 0));
    assert_eq!(fs::read_to_string(dir.path().join("a/out.log")).unwrap(), "1\n3\n");
    assert_eq!(fs::read_to_string(dir.path().join("b.log")).unwrap(), "2\none\ntwo\n");
}

#[test]
fn what_is_no_line_is_refused_and_the_rest_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut sink = sink(dir.path());
    send(&mut *sink, 7, &["a"], Some(&[Some("1"), None, Some("x\ny"), Some("4")])).unwrap();
    send(&mut *sink, 8, &["../escaped"], Some(&[Some("1")])).unwrap();
    let found = sink.poll(Duration::ZERO).unwrap();
    let refused: Vec<(u64, u32, String)> = found
        .iter()
        .filter_map(|delivery| match delivery {
            Delivery::Refused { ticket, row, error } => Some((ticket.0, *row, error.message.clone())),
            Delivery::Done(_) => None,
        })
        .collect();
    assert_eq!(refused[0], (7, 1, "a: a null value is no line".to_owned()));
    assert_eq!(refused[1], (7, 2, "a: a value with a line break does not fit into one line".to_owned()));
    assert_eq!((refused[2].0, found.len()), (8, 5));
    assert_eq!(fs::read_to_string(dir.path().join("a")).unwrap(), "1\n4\n");
    assert!(!dir.path().parent().unwrap().join("escaped").exists());
}

#[test]
fn a_cut_line_is_taken_away_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let long = "x".repeat(100_000);
    fs::write(dir.path().join("a"), format!("one\n{long}")).unwrap();
    fs::write(dir.path().join("b"), "no line break").unwrap();
    let mut sink = sink(dir.path());
    send(&mut *sink, 1, &["a", "b"], Some(&[Some("two"), Some("two")])).unwrap();
    sink.poll(Duration::ZERO).unwrap();
    assert_eq!(fs::read_to_string(dir.path().join("a")).unwrap(), "one\ntwo\n");
    assert_eq!(fs::read_to_string(dir.path().join("b")).unwrap(), "two\n");
    assert_eq!(fs::read_to_string(dir.path().join(".kpipe/cut/a-4")).unwrap(), long);
    assert_eq!(fs::read_to_string(dir.path().join(".kpipe/cut/b-0")).unwrap(), "no line break");
}

#[test]
fn two_tasks_share_a_file_and_another_process_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let (mut left, mut right) = (sink(dir.path()), sink(dir.path()));
    send(&mut *left, 1, &["a"], Some(&[Some("left")])).unwrap();
    send(&mut *right, 1, &["a"], Some(&[Some("right")])).unwrap();
    assert_eq!(right.poll(Duration::ZERO).unwrap().len(), 1);
    assert_eq!(fs::read_to_string(dir.path().join("a")).unwrap(), "left\nright\n");

    let other = fs::File::create(dir.path().join("b")).unwrap();
    other.lock().unwrap();
    let error = send(&mut *left, 2, &["b"], Some(&[Some("x")])).unwrap_err();
    assert!(error.message.starts_with("another process writes") && error.message.ends_with("/b"), "{error}");
}

#[test]
fn a_sink_needs_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    assert_eq!(inspect(&file, None, &[]).unwrap_err().kind, ErrorKind::LocalIo);
    let error = with(&file, None, &[], |request| (CONNECTOR.records.unwrap())(request).map(drop)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::LocalIo);
    inspect(&dir.path().join("new"), None, &[]).unwrap();
    with(dir.path(), None, &[], |request| {
        let mut plans = (CONNECTOR.plans.unwrap())(request).unwrap();
        assert_eq!(plans.read("p").unwrap(), None);
        plans.write("p", b"{}").unwrap();
        assert_eq!(plans.read("p").unwrap().unwrap(), b"{}");
    });
}
