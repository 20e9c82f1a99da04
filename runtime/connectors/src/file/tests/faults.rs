//! What a disk and other programs do to the files of a source and a sink.

use super::super::positions;
use super::*;

fn refused(dir: &Path, mode: &str, from: &[&str], options: &[(&str, &str)]) -> ConnectorError {
    with(dir, Some(mode), from, |request| {
        let mut endpoint = request.endpoint.clone();
        endpoint.options.0.extend(options.iter().map(|(path, value)| ((*path).to_owned(), OptionValue::Text((*value).to_owned()))));
        let request = OpenRequest { endpoint: &endpoint, runtime: request.runtime.clone(), ..*request };
        let mut source = match (CONNECTOR.source.unwrap())(&request) {
            Ok(source) => source,
            Err(error) => return error,
        };
        loop {
            match source.poll(Duration::ZERO, Accept::Records) {
                Ok(SourceEvent::Idle | SourceEvent::End) => panic!("nothing was refused"),
                Ok(_) => {}
                Err(error) => return error,
            }
        }
    })
}

#[test]
fn what_cannot_be_read_names_its_path_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), "one\n").unwrap();
    fs::write(dir.path().join("taken"), "").unwrap();
    let taken = dir.path().join("taken").join("positions.json");
    let missing = dir.path().join("missing");
    let elsewhere = dir.path().join("state/p.json");
    type Row<'a> = (&'a Path, &'a str, &'a [&'a str], &'a [(&'a str, &'a str)], ErrorKind, &'a str, &'a str);
    let table: [Row<'_>; 5] = [
        (&missing, "once", &["*"], &[("positions", elsewhere.to_str().unwrap())], ErrorKind::LocalIo, "missing: no such file", ""),
        (dir.path(), "once", &["b"], &[], ErrorKind::Missing, "/b does not exist", "FROM"),
        (dir.path(), "tail", &["a"], &[("positions", taken.to_str().unwrap())], ErrorKind::LocalIo, "not a directory", "`positions`"),
        (dir.path(), "tail", &["/a"], &[], ErrorKind::Invalid, "is no file below `dir`", ""),
        (dir.path(), "tail", &["a/../a"], &[], ErrorKind::Invalid, "are no names", ""),
    ];
    for (dir, mode, from, options, kind, said, help) in table {
        let error = refused(dir, mode, from, options);
        assert_eq!(error.kind, kind, "{said}: {error}");
        assert!(error.message.contains(said), "{error}");
        assert!(error.help.as_deref().unwrap_or_default().contains(help), "{error}: {:?}", error.help);
    }
}

#[test]
fn too_many_files_are_refused_before_one_is_read() {
    let dir = tempfile::tempdir().unwrap();
    (0..10_001).for_each(|number| drop(fs::File::create(dir.path().join(format!("{number}.log"))).unwrap()));
    let error = refused(dir.path(), "tail", &["*.log"], &[]);
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.message.starts_with("more than 10000 files below") && error.help.unwrap().contains("narrower names"));
    assert_eq!(drain(&mut *source(dir.path(), "tail", &["1?.log"])).len(), 10, "a narrower name is enough");
}

#[test]
fn files_that_are_not_kept_open_are_found_again_by_their_inode() {
    let dir = tempfile::tempdir().unwrap();
    let path = |number: usize| dir.path().join(format!("{number:04}.log"));
    (0..530).for_each(|number| append(&path(number), &format!("first {number}\n")));
    let mut tail = source(dir.path(), "tail", &["????.log"]);
    assert_eq!(drain(&mut *tail).len(), 1_060);
    // The last ones are opened for each read. One is renamed, one is gone for good.
    append(&path(529), "second\n");
    fs::rename(path(529), dir.path().join("0529.log.1")).unwrap();
    append(&path(529), "NEW\n");
    let seen = drain(&mut *tail);
    assert_eq!(seen, ["0529.log@10[0]=second", "0529.log 0..4", "0529.log@0[0]=NEW"]);
    append(&path(528), "unread\n");
    drain(&mut *tail);
    fs::write(dir.path().join("other"), "another file\n").unwrap();
    fs::rename(dir.path().join("other"), path(528)).unwrap();
    let error = loop {
        match tail.poll(Duration::ZERO, Accept::Records) {
            Ok(SourceEvent::Idle) => panic!("a file that is gone is an error"),
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(error.message.contains("0528.log was replaced") && error.help.as_ref().unwrap().contains("put it back"), "{error}");
}

#[test]
fn a_file_that_shrinks_under_a_single_pass_stops_it() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), "one\ntwo\n").unwrap();
    let mut once = source(dir.path(), "once", &["a"]);
    assert!(matches!(once.poll(Duration::ZERO, Accept::Records).unwrap(), SourceEvent::Assigned(_)));
    fs::write(dir.path().join("a"), "one\n").unwrap();
    let error = once.poll(Duration::ZERO, Accept::Records).unwrap_err();
    assert!(error.message.ends_with("a was truncated: it had 8 bytes, was read up to byte 0 and has 4 bytes now"), "{error}");
}

#[test]
fn what_grows_under_a_single_pass_is_for_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), "one\n").unwrap();
    let mut once = source(dir.path(), "once", &["a"]);
    assert!(matches!(once.poll(Duration::ZERO, Accept::Records).unwrap(), SourceEvent::Assigned(_)));
    append(&dir.path().join("a"), "two\n");
    assert_eq!(drain(&mut *once), ["a@0[0]=one", "end"]);
    drop(once);
    assert_eq!(drain(&mut *source(dir.path(), "once", &["a"])), ["a 4..8", "a@4[0]=two", "end"]);
}

#[test]
fn positions_can_lie_elsewhere_and_are_forced_there() {
    let (dir, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = state.path().join("deep/positions.json");
    fs::write(dir.path().join("a"), "one\ntwo\n").unwrap();
    let seen = with(dir.path(), Some("tail"), &["a"], |request| {
        let mut endpoint = request.endpoint.clone();
        endpoint.options.0.insert("positions".into(), OptionValue::Text(path.to_str().unwrap().to_owned()));
        let request = OpenRequest { endpoint: &endpoint, runtime: request.runtime.clone(), ..*request };
        let mut source = (CONNECTOR.source.unwrap())(&request).unwrap();
        let seen = drain(&mut *source);
        source.settle(Duration::ZERO).unwrap();
        seen
    });
    assert_eq!(seen.len(), 3);
    let book = positions::look(&path).unwrap();
    assert_eq!(book.unfinished().iter().map(|left| (left.name.as_str(), left.position)).collect::<Vec<_>>(), [("a", 8)]);
    assert!(!dir.path().join(".kpipe").exists(), "nothing of it stays with the files");
}

#[test]
fn a_full_disk_says_so_and_nothing_is_acknowledged() {
    // Whatever is written to /dev/full finds no room.
    let mut sink = sink(Path::new("/dev"));
    let error = send(&mut *sink, 1, &["full"], Some(&[Some("one")])).unwrap_err();
    assert_eq!(error.kind, ErrorKind::LocalIo);
    assert!(error.message.starts_with("cannot write /dev/full: ") && error.help.unwrap().contains("free space"), "{}", error.message);
    assert!(sink.poll(Duration::ZERO).unwrap().is_empty());
    assert_eq!(sink.in_flight(), 0);
}

#[test]
fn a_folder_in_the_place_of_a_file_is_said() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("a")).unwrap();
    fs::write(dir.path().join("b"), "").unwrap();
    let mut sink = sink(dir.path());
    for (topic, said) in [("a", "is a directory"), ("b/c", "not a directory")] {
        let error = send(&mut *sink, 1, &[topic], Some(&[Some("one")])).unwrap_err();
        assert!(error.kind == ErrorKind::LocalIo && error.message.ends_with(said), "{error}");
    }
}

#[test]
fn more_files_than_are_kept_open_are_written_whole() {
    let dir = tempfile::tempdir().unwrap();
    let mut sink = sink(dir.path());
    let names: Vec<String> = (0..300).map(|number| format!("{number:03}.log")).collect();
    for round in ["one", "two"] {
        for (ticket, name) in names.iter().enumerate() {
            assert_eq!(send(&mut *sink, ticket as u64, &[name.as_str()], Some(&[Some(round)])).unwrap(), 1);
        }
        assert_eq!(sink.in_flight(), 300);
        assert_eq!(sink.poll(Duration::ZERO).unwrap().len(), 300);
    }
    for name in names {
        assert_eq!(fs::read_to_string(dir.path().join(&name)).unwrap(), "one\ntwo\n", "{name}");
    }
}
