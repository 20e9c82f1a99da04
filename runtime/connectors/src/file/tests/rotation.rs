//! Files that get another name, become shorter or go away while they are read.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::positions::Positions;
use super::super::source::{FileSource, Settings};
use super::super::{positions_path, settings};
use super::*;

/// A source that follows files which their names do not lead to any more for this long, and looks for new ones all the time.
pub(super) fn tail(dir: &Path, from: &str, left_wait: Duration) -> FileSource {
    with(dir, Some("tail"), &[from], |request| {
        let settings = Settings { left_wait, scan_every: Duration::ZERO, copy_wait: LONG, ..settings(request).unwrap() };
        let positions = Positions::open(positions_path(request, &settings), dir).unwrap();
        FileSource::new(settings, Some(positions))
    })
}

const LONG: Duration = Duration::from_secs(600);

fn copytruncate(path: &Path, copy: &Path) {
    fs::copy(path, copy).unwrap();
    OpenOptions::new().write(true).open(path).unwrap().set_len(0).unwrap();
}

#[test]
fn a_renamed_file_is_read_to_its_end_and_the_new_one_from_its_start() {
    let dir = tempfile::tempdir().unwrap();
    let (path, old) = (dir.path().join("a.log"), dir.path().join("a.log.1"));
    append(&path, "one\ntwo\n");
    let mut source = tail(dir.path(), "a.log", LONG);
    assert_eq!(drain(&mut source), ["a.log 0..8", "a.log@0[0]=one", "a.log@4[0]=two"]);
    append(&path, "three\n");
    fs::rename(&path, &old).unwrap();
    assert_eq!(drain(&mut source), ["a.log@8[0]=three"], "before there is a new one");
    append(&old, "four\n");
    append(&path, "ONE\n");
    assert_eq!(drain(&mut source), ["a.log@14[0]=four", "a.log 0..4", "a.log@0[0]=ONE"]);
    // Programs go on writing into the renamed file until they are told.
    append(&old, "late\n");
    append(&path, "TWO\n");
    assert_eq!(
        drain(&mut source).into_iter().collect::<BTreeSet<_>>(),
        BTreeSet::from(["a.log@19[0]=late", "a.log@4[0]=TWO"].map(String::from))
    );
    source.settle(Duration::ZERO).unwrap();
    drop(source);
    append(&old, "later\n");
    append(&path, "THREE\n");
    let seen = drain(&mut tail(dir.path(), "a.log", LONG));
    assert_eq!(seen, ["a.log 8..14", "a.log 24..30", "a.log@8[0]=THREE", "a.log@24[0]=later"], "both go on after a restart");
}

/// The partitions that a source hands out, and those of the records in them.
fn partitions(source: &mut FileSource) -> (Vec<i32>, BTreeSet<i32>) {
    let (mut assigned, mut read) = (Vec::new(), BTreeSet::new());
    loop {
        match source.poll(Duration::ZERO, Accept::Records).unwrap() {
            SourceEvent::Assigned(found) => assigned.extend(found.iter().map(|one| one.partition)),
            SourceEvent::Batch(batch) => {
                read.insert(batch.records.source_partition());
                source.commit(&[(batch.partition, batch.delta.end)]).unwrap();
            }
            _ => {
                source.settle(Duration::ZERO).unwrap();
                return (assigned, read);
            }
        }
    }
}

#[test]
fn files_that_had_one_name_after_the_other_have_partitions_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    append(&path, "one\n");
    let mut source = tail(dir.path(), "a.log", LONG);
    assert_eq!(partitions(&mut source), (vec![0], BTreeSet::from([0])));
    fs::rename(&path, dir.path().join("a.log.1")).unwrap();
    append(&path, "ONE\n");
    assert_eq!(partitions(&mut source), (vec![1], BTreeSet::from([1])), "or both would be written to objects of one name");
    drop(source);
    append(&path, "TWO\n");
    let (assigned, read) = partitions(&mut tail(dir.path(), "a.log", LONG));
    assert_eq!((assigned, read), (vec![1, 0], BTreeSet::from([1])), "the same ones after a restart");
    fs::rename(&path, dir.path().join("a.log.2")).unwrap();
    append(&path, "three\n");
    let look = inspect(dir.path(), Some("tail"), &["a.log"]).unwrap();
    assert_eq!(look.partitions.iter().map(|at| at.partition).collect::<BTreeSet<_>>(), BTreeSet::from([0, 1, 2]));
    assert_eq!(partitions(&mut tail(dir.path(), "a.log", LONG)).1, BTreeSet::from([2]));
}

#[test]
fn a_file_that_was_renamed_meanwhile_is_found_again() {
    for from in ["a.log", "a.log*"] {
        let dir = tempfile::tempdir().unwrap();
        let (path, old) = (dir.path().join("a.log"), dir.path().join("a.log.1"));
        append(&path, "one\n");
        drain(&mut tail(dir.path(), from, LONG));
        append(&path, "two\n");
        fs::rename(&path, &old).unwrap();
        append(&path, "ONE\n");
        let look = inspect(dir.path(), Some("tail"), &[from]).unwrap();
        let starts: Vec<_> = look.partitions.iter().map(|at| (at.topic.as_str(), at.start.0, at.high.0)).collect();
        assert_eq!(starts, [("a.log", 4, 8), ("a.log", 0, 4)], "a plan says so");
        let mut source = tail(dir.path(), from, Duration::ZERO);
        assert_eq!(drain(&mut source), ["a.log 4..8", "a.log 0..4", "a.log@4[0]=two", "a.log@0[0]=ONE"], "{from}");
        assert_eq!(drain(&mut source), [] as [&str; 0]);
        drop(source);
        assert_eq!(drain(&mut tail(dir.path(), from, LONG)), ["a.log 4..4"], "the old one is done: {from}");
        let once = drain(&mut *super::source(dir.path(), "once", &[from]));
        assert_eq!(once, ["a.log 4..4", "end"], "also for those that do not follow");
    }
}

#[test]
fn a_name_that_a_pattern_matches_too_makes_nothing_new() {
    let dir = tempfile::tempdir().unwrap();
    append(&dir.path().join("a.log"), "one\n");
    let mut source = tail(dir.path(), "*.log", LONG);
    drain(&mut source);
    fs::rename(dir.path().join("a.log"), dir.path().join("b.log")).unwrap();
    append(&dir.path().join("b.log"), "two\n");
    assert_eq!(drain(&mut source), ["a.log@4[0]=two"]);
    drop(source);
    append(&dir.path().join("b.log"), "three\n");
    assert_eq!(drain(&mut tail(dir.path(), "*.log", LONG)), ["a.log 8..14", "a.log@8[0]=three"]);
}

#[test]
fn a_copied_and_truncated_file_is_read_to_its_end_in_the_copy() {
    for (from, restart) in [("a.log", false), ("a.log*", false), ("a.log", true), ("a.log*", true)] {
        let dir = tempfile::tempdir().unwrap();
        let (path, copy) = (dir.path().join("a.log"), dir.path().join("a.log.1"));
        append(&path, "one\n");
        let mut source = tail(dir.path(), from, LONG);
        drain(&mut source);
        append(&path, "two\n");
        if restart {
            drop(source);
            copytruncate(&path, &copy);
            source = tail(dir.path(), from, LONG);
            append(&path, "ONE\nTWO\nTHREE\n");
            assert_eq!(drain(&mut source)[..2], ["a.log 4..8", "a.log 0..14"], "{from}");
        } else {
            let seen = source.poll(Duration::ZERO, Accept::EventsOnly).unwrap();
            assert!(matches!(seen, SourceEvent::Idle));
            copytruncate(&path, &copy);
            append(&path, "ONE\nTWO\nTHREE\n");
            assert_eq!(
                drain(&mut source),
                ["a.log@4[0]=two", "a.log 0..14", "a.log@0[0]=ONE", "a.log@4[0]=TWO", "a.log@8[0]=THREE"],
                "longer than before, and yet another one: {from}"
            );
        }
        drop(source);
        let again: Vec<_> = drain(&mut tail(dir.path(), from, LONG)).into_iter().filter(|line| line.contains('@')).collect();
        assert_eq!(again, [] as [&str; 0], "nothing twice: {from} {restart}");
    }
}

#[test]
fn a_file_that_begins_like_another_is_a_file_of_its_own_in_the_end() {
    let dir = tempfile::tempdir().unwrap();
    append(&dir.path().join("a.log"), "one\ntwo\n");
    let mut source = tail(dir.path(), "*.log", LONG);
    drain(&mut source);
    append(&dir.path().join("b.log"), "one\n");
    assert_eq!(drain(&mut source), [] as [&str; 0], "it may be a copy");
    append(&dir.path().join("b.log"), "TWO\n");
    assert_eq!(drain(&mut source), ["b.log 0..8", "b.log@0[0]=one", "b.log@4[0]=TWO"], "it is none");
    fs::copy(dir.path().join("a.log"), dir.path().join("c.log")).unwrap();
    assert_eq!(drain(&mut source), [] as [&str; 0]);
    source.settings.copy_wait = Duration::ZERO;
    assert_eq!(drain(&mut source)[0], "c.log 0..8", "nobody truncated the first one");
}

#[test]
fn a_truncated_file_that_was_read_is_read_from_its_start_and_one_that_was_not_stops() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    fs::write(&path, "one\ntwo\n").unwrap();
    let mut source = tail(dir.path(), "a", LONG);
    drain(&mut source);
    fs::write(&path, "ONE\n").unwrap();
    assert_eq!(drain(&mut source), ["a 0..4", "a@0[0]=ONE"]);
    append(&path, "unfinished");
    assert_eq!(drain(&mut source), [] as [&str; 0]);
    fs::write(&path, "1\n").unwrap();
    let error = source.poll(Duration::ZERO, Accept::Records).unwrap_err();
    assert_eq!(error.kind, ErrorKind::LocalIo);
    assert!(error.message.ends_with("/a was truncated: it had 14 bytes, was read up to byte 4 and has 2 bytes now"), "{error}");
    drop(source);
    let error = with(dir.path(), Some("tail"), &["a"], |request| (CONNECTOR.source.unwrap())(request))
        .unwrap()
        .poll(Duration::ZERO, Accept::Records)
        .unwrap_err();
    assert!(error.message.contains("was read up to byte 4 and has 2 bytes now, and no copy is in its folder"), "{error}");
    assert!(error.help.unwrap().contains(".kpipe/positions/p.json"));
    assert_eq!(inspect(dir.path(), Some("tail"), &["a"]).unwrap_err().message, error.message, "a plan says so before");
}

#[test]
fn a_file_that_was_replaced_and_is_nowhere_stops() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    fs::write(&path, "one\n").unwrap();
    drain(&mut tail(dir.path(), "a", LONG));
    fs::write(dir.path().join("b"), "1\n2\n3\n").unwrap();
    fs::rename(dir.path().join("b"), &path).unwrap();
    let error = tail(dir.path(), "a", LONG).poll(Duration::ZERO, Accept::Records).unwrap_err();
    assert!(error.kind == ErrorKind::LocalIo && error.message.contains("was replaced") && error.message.contains("byte 4"), "{error}");
    fs::remove_file(&path).unwrap();
    assert_eq!(drain(&mut tail(dir.path(), "a", LONG)), [] as [&str; 0], "one that was removed is no fault");
}

#[test]
fn a_removed_file_is_read_to_its_end_and_a_new_one_is_another() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    append(&path, "one\n");
    let mut source = tail(dir.path(), "a", Duration::ZERO);
    drain(&mut source);
    append(&path, "two\n");
    let mut writer = OpenOptions::new().append(true).open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    writer.write_all(b"three\nlast").unwrap();
    assert_eq!(drain(&mut source), ["a@4[0]=two", "a@8[0]=three"]);
    assert_eq!(drain(&mut source), ["a@14[0]=last"], "nobody finishes the last line");
    drain(&mut source);
    append(&path, "ONE\n");
    assert_eq!(drain(&mut source), ["a 0..4", "a@0[0]=ONE"]);
}

#[test]
fn a_file_that_was_taken_for_done_and_grows_is_read_on() {
    for from in ["a.log", "a.log*"] {
        let (dir, away) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (path, elsewhere) = (dir.path().join("a.log"), away.path().join("a.log"));
        append(&path, "one\n");
        let mut source = tail(dir.path(), from, Duration::ZERO);
        drain(&mut source);
        fs::rename(&path, &elsewhere).unwrap();
        assert_eq!(drain(&mut source), [] as [&str; 0], "given up after its time");
        append(&elsewhere, "two\n");
        fs::rename(&elsewhere, &path).unwrap();
        assert_eq!(drain(&mut source), ["a.log 4..8", "a.log@4[0]=two"], "{from}");
        drop(source);
        append(&path, "three\n");
        assert_eq!(drain(&mut tail(dir.path(), from, LONG)), ["a.log 8..14", "a.log@8[0]=three"], "{from}");
    }
}

#[test]
fn what_is_written_late_into_a_renamed_file_is_read_where_from_matches_it() {
    let dir = tempfile::tempdir().unwrap();
    let (path, old) = (dir.path().join("a.log"), dir.path().join("a.log.1"));
    append(&path, "one\n");
    let mut source = tail(dir.path(), "a.log*", Duration::ZERO);
    drain(&mut source);
    fs::rename(&path, &old).unwrap();
    append(&path, "ONE\n");
    assert_eq!(drain(&mut source), ["a.log 0..4", "a.log@0[0]=ONE"]);
    append(&old, "late\n");
    assert_eq!(drain(&mut source), ["a.log 4..9", "a.log@4[0]=late"]);
    assert_eq!(source.ends().len(), 3, "each time a partition of its own");
}

/// What happens to a log, one after the other.
#[derive(Clone, Copy, Debug)]
enum Step {
    Append(usize),
    Rename,
    Copy,
    /// The copy is made, bytes of it at first, and read from before the log is truncated.
    SlowCopy(u64),
    Read,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_usize..60).prop_map(Step::Append),
        2 => Just(Step::Rename),
        1 => Just(Step::Copy),
        1 => (0_u64..400).prop_map(Step::SlowCopy),
        4 => Just(Step::Read),
        1 => Just(Step::Restart),
    ]
}

/// Makes room for a new `a.log.1`.
fn shift(dir: &Path, rotated: usize) {
    for number in (1..=rotated).rev() {
        fs::rename(dir.join(format!("a.log.{number}")), dir.join(format!("a.log.{}", number + 1))).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_line_is_read_once_however_the_log_is_rotated(steps in prop::collection::vec(step(), 1..40)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        append(&path, "");
        let (mut source, mut lines, mut rotated, mut seen) = (tail(dir.path(), "a.log*", LONG), 0, 0, Vec::new());
        let mut read = |source: &mut FileSource| {
            let found = drain(source);
            seen.extend(found.iter().filter_map(|line| line.split_once('=')).map(|(_, line)| line.parse::<usize>().unwrap()));
        };
        for step in steps {
            match step {
                Step::Append(count) => {
                    (lines..lines + count).for_each(|line| append(&path, &format!("{line:05}\n")));
                    lines += count;
                }
                Step::Rename | Step::Copy => {
                    shift(dir.path(), rotated);
                    let first = dir.path().join("a.log.1");
                    if matches!(step, Step::Rename) { fs::rename(&path, first).unwrap() } else { copytruncate(&path, &first) }
                    append(&path, "");
                    rotated += 1;
                }
                Step::SlowCopy(part) => {
                    read(&mut source);
                    shift(dir.path(), rotated);
                    let (first, whole) = (dir.path().join("a.log.1"), fs::read(&path).unwrap());
                    let part = whole.len().min(part as usize);
                    append(&first, std::str::from_utf8(&whole[..part]).unwrap());
                    read(&mut source);
                    append(&first, std::str::from_utf8(&whole[part..]).unwrap());
                    read(&mut source);
                    OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
                    rotated += 1;
                }
                Step::Read => read(&mut source),
                Step::Restart => {
                    drop(source);
                    source = tail(dir.path(), "a.log*", LONG);
                }
            }
        }
        read(&mut source);
        drop(source);
        read(&mut tail(dir.path(), "a.log*", LONG));
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..lines).collect::<Vec<_>>());
    }
}
