use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use kpipe_compiler::plan::{Endpoint, OptionValue, Options, SecretRef};
use kpipe_engine::connector::{Completed, FileStore, IfExists, OpenRequest, PartTag, Secrets, UploadId};
use kpipe_engine::error::{ConnectorError, ErrorKind, Retry};

use super::store::Directory;
use super::uploads::{Kind, Uploads};
use crate::conformance;

struct NoSecrets;

impl Secrets for NoSecrets {
    fn read(&self, _: &SecretRef) -> Result<String, ConnectorError> {
        panic!("a directory has no secrets")
    }
}

fn endpoint(dir: &Path) -> Endpoint {
    let dir = OptionValue::Text(dir.to_str().unwrap().to_owned());
    Endpoint { connector: "local".into(), options: Options(BTreeMap::from([("dir".to_owned(), dir)])) }
}

fn with_request<T>(dir: &Path, work: impl FnOnce(&OpenRequest<'_>) -> T) -> T {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let endpoint = endpoint(dir);
    work(&OpenRequest {
        pipeline: "orders",
        task: 0,
        endpoint: &endpoint,
        routes: &[],
        secrets: &NoSecrets,
        runtime: runtime.handle().clone(),
        starts_in_sink: false,
    })
}

#[tokio::test]
async fn a_directory_keeps_what_stores_promise() {
    for behaviour in conformance::STORE {
        let root = tempfile::tempdir().unwrap();
        let store = Directory::open(root.path().join("store"), Kind::Attempts).unwrap();
        (behaviour.check)(&store, behaviour.name).await;
        let left: Vec<_> = listing(&Uploads::folder(&root.path().join("store")));
        drop(store);
        assert!(left.len() <= 64, "{left:?}");
        assert_eq!(listing(&Uploads::folder(&root.path().join("store"))), [""; 0], "{}", behaviour.name);
    }
}

fn listing(dir: &Path) -> Vec<String> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn a_directory_whose_uploads_are_promises_keeps_what_stores_promise() {
    let root = tempfile::tempdir().unwrap();
    let store = Directory::open(root.path().into(), Kind::Promises).unwrap();
    for behaviour in conformance::STORE {
        (behaviour.check)(&store, behaviour.name).await;
    }
}

#[tokio::test]
async fn a_promised_upload_is_completed_by_the_next_process() {
    let root = tempfile::tempdir().unwrap();
    let open = |kind| Directory::open(root.path().into(), kind).unwrap();
    let killed = open(Kind::Promises);
    let upload = killed.begin("t/a").await.unwrap();
    let tags = [killed.part("t/a", &upload, 1, Bytes::from_static(b"text")).await.unwrap()];
    drop(killed);
    // Another pipeline in the same directory clears away what is nobody's.
    drop(open(Kind::Attempts));
    let next = open(Kind::Promises);
    let found = next.uploads("t/", 9).await.unwrap().unwrap();
    assert!(found.len() == 1 && found[0].key == "t/a" && found[0].upload.is_same(&upload), "{found:?}");
    assert_eq!(next.complete("t/a", &upload, &tags, IfExists::Keep).await.unwrap(), Completed::Created);
    assert_eq!(next.complete("t/a", &upload, &tags, IfExists::Keep).await.unwrap(), Completed::Existed, "the answer was lost");
    assert_eq!(next.uploads("", 9).await.unwrap().unwrap(), []);
    assert_eq!(fs::read(root.path().join("t/a")).unwrap(), b"text");
}

#[tokio::test]
async fn two_stores_share_a_directory() {
    let root = tempfile::tempdir().unwrap();
    let (left, right) =
        (Directory::open(root.path().into(), Kind::Attempts).unwrap(), Directory::open(root.path().into(), Kind::Attempts).unwrap());
    let upload = left.begin("a").await.unwrap();
    let tag = left.part("a", &upload, 1, Bytes::from_static(b"left")).await.unwrap();
    let other = right.begin("a").await.unwrap();
    let other_tag = right.part("a", &other, 1, Bytes::from_static(b"right")).await.unwrap();
    assert_eq!(right.complete("a", &other, &[other_tag], IfExists::Keep).await.unwrap(), Completed::Created);
    let error = left.complete("a", &upload, &[tag], IfExists::Keep).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (ErrorKind::Fenced, Retry::No), "{error}");
    assert!(error.message.starts_with(&format!("{} holds other data", root.path().join("a").display())), "{error}");
    assert_eq!(fs::read(root.path().join("a")).unwrap(), b"right");
}

#[tokio::test]
async fn a_cut_part_is_noticed() {
    let root = tempfile::tempdir().unwrap();
    let store = Directory::open(root.path().into(), Kind::Attempts).unwrap();
    let upload = store.begin("a").await.unwrap();
    let tag = store.part("a", &upload, 1, Bytes::from_static(b"text")).await.unwrap();
    fs::write(Uploads::folder(root.path()).join(&upload.0).join("part-00001"), b"te").unwrap();
    let error = store.complete("a", &upload, &[tag], IfExists::Keep).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (ErrorKind::LocalIo, Retry::Reopen), "{error}");
    assert!(!root.path().join("a").exists());
}

#[tokio::test]
async fn a_file_in_the_place_of_a_folder_is_said() {
    let root = tempfile::tempdir().unwrap();
    let store = Directory::open(root.path().into(), Kind::Attempts).unwrap();
    store.put("a", Bytes::new()).await.unwrap();
    let upload = store.begin("a/b").await.unwrap();
    let tag = store.part("a/b", &upload, 1, Bytes::from_static(b"x")).await.unwrap();
    let error = store.complete("a/b", &upload, &[tag], IfExists::Keep).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::LocalIo);
    assert!(error.message.contains("cannot create"), "{error}");
}

#[tokio::test]
async fn uploads_are_no_objects() {
    let root = tempfile::tempdir().unwrap();
    let store = Directory::open(root.path().into(), Kind::Attempts).unwrap();
    store.begin("a").await.unwrap();
    assert_eq!(store.list("", "", 10).await.unwrap(), []);
    store.begin(".kpipe/uploads/x").await.unwrap_err();
    store.list("../", "", 10).await.unwrap_err();
    assert_eq!(store.place(), format!("file://{}", root.path().display()));
}

#[test]
fn a_look_creates_nothing() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("not/there");
    with_request(&dir, |request| {
        let found = super::inspect(request).unwrap();
        assert!(found.missing.is_empty() && found.system.ends_with("not/there, which will be created"), "{found:?}");
        assert_eq!((super::CONNECTOR.plans.unwrap())(request).unwrap().read("orders").unwrap(), None);
    });
    assert!(!root.path().join("not").exists());
    with_request(root.path(), |request| {
        assert_eq!(super::inspect(request).unwrap().system, format!("directory {}", root.path().display()));
    });
}

#[test]
fn a_file_is_no_directory() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    fs::write(&file, b"").unwrap();
    with_request(&file.join("below"), |request| {
        let error = super::inspect(request).unwrap_err();
        assert_eq!(error.kind, ErrorKind::LocalIo);
        assert!(error.message.ends_with("file is no directory"), "{error}");
        let error = super::open(request).map(drop).unwrap_err();
        assert_eq!(error.kind, ErrorKind::LocalIo);
    });
}

#[test]
fn the_plan_stands_beside_the_data() {
    let root = tempfile::tempdir().unwrap();
    with_request(root.path(), |request| {
        let mut plans = (super::CONNECTOR.plans.unwrap())(request).unwrap();
        plans.write("orders", b"{}").unwrap();
        assert_eq!(plans.read("orders").unwrap().unwrap(), b"{}");
    });
    assert_eq!(fs::read(root.path().join(".kpipe/orders/plan.json")).unwrap(), b"{}");
}

#[tokio::test]
async fn an_upload_that_was_put_together_is_completed_at_the_second_attempt() {
    let root = tempfile::tempdir().unwrap();
    let store = Directory::open(root.path().into(), Kind::Attempts).unwrap();
    let upload = store.begin("a/b").await.unwrap();
    let mut tags = Vec::new();
    for number in 1..=3 {
        tags.push(store.part("a/b", &upload, number, Bytes::from(format!("part {number};"))).await.unwrap());
    }
    // The first attempt failed after it had put the parts together: a file stood where a folder was needed.
    fs::write(root.path().join("a"), b"").unwrap();
    store.complete("a/b", &upload, &tags, IfExists::Keep).await.unwrap_err();
    assert!(Uploads::folder(root.path()).join(&upload.0).join("object").is_file());
    fs::remove_file(root.path().join("a")).unwrap();
    assert_eq!(store.complete("a/b", &upload, &tags, IfExists::Keep).await.unwrap(), Completed::Created);
    assert_eq!(fs::read(root.path().join("a/b")).unwrap(), b"part 1;part 2;part 3;");
}

#[tokio::test]
async fn an_object_that_was_linked_is_not_written_again() {
    let root = tempfile::tempdir().unwrap();
    let store = Directory::open(root.path().into(), Kind::Attempts).unwrap();
    let upload = store.begin("a").await.unwrap();
    let tag = store.part("a", &upload, 1, Bytes::from_static(b"text")).await.unwrap();
    // Killed after the link, before the upload was removed: the next attempt knows its own file.
    fs::hard_link(Uploads::folder(root.path()).join(&upload.0).join("part-00001"), root.path().join("a")).unwrap();
    assert_eq!(store.complete("a", &upload, &[tag], IfExists::Keep).await.unwrap(), Completed::Created);
    assert_eq!(fs::read(root.path().join("a")).unwrap(), b"text");
    assert_eq!(fs::read_dir(Uploads::folder(root.path())).unwrap().filter(|e| e.as_ref().unwrap().path().is_dir()).count(), 1);
}

#[tokio::test]
async fn a_directory_in_the_way_of_an_object_is_said() {
    let root = tempfile::tempdir().unwrap();
    let store = Directory::open(root.path().into(), Kind::Attempts).unwrap();
    fs::create_dir(root.path().join("a")).unwrap();
    for if_exists in [IfExists::Keep, IfExists::Replace] {
        let upload = store.begin("a").await.unwrap();
        let tag = store.part("a", &upload, 1, Bytes::new()).await.unwrap();
        let error = store.complete("a", &upload, &[tag], if_exists).await.unwrap_err();
        assert!(error.message.ends_with("a directory of that name is in the way"), "{error}");
    }
    assert_eq!(store.get("a/b").await.unwrap(), None);
}

#[tokio::test]
async fn what_is_too_large_is_not_read() {
    let root = tempfile::tempdir().unwrap();
    let store = Directory::reader(root.path().into());
    fs::File::create(root.path().join("a")).unwrap().set_len(16 * 1024 * 1024 + 1).unwrap();
    assert_eq!(store.get("a").await.unwrap_err().kind, ErrorKind::Invalid);
    assert_eq!(store.begin("a").await.unwrap_err().kind, ErrorKind::Bug, "opened to read");
}

#[tokio::test]
async fn no_key_leads_out_of_the_directory() {
    let outside = tempfile::tempdir().unwrap();
    let root = outside.path().join("root");
    let store = Directory::open(root.clone(), Kind::Attempts).unwrap();
    let upload = store.begin("a").await.unwrap();
    let tag = store.part("a", &upload, 1, Bytes::from_static(b"x")).await.unwrap();
    for key in ["../b", "/b", "a/../../b", "..", ".", "", "a//b", "a/./b", "b/", "b\0", ".kpipe/uploads/b"] {
        let invalid = |what: &str, error: ConnectorError| {
            assert_eq!((error.kind, error.retry), (ErrorKind::Invalid, Retry::No), "{what} {key:?}: {error}");
        };
        invalid("begin", store.begin(key).await.unwrap_err());
        invalid("part", store.part(key, &upload, 2, Bytes::new()).await.unwrap_err());
        invalid("complete", store.complete(key, &upload, std::slice::from_ref(&tag), IfExists::Replace).await.unwrap_err());
        invalid("abort", store.abort(key, &upload).await.unwrap_err());
        invalid("get", store.get(key).await.unwrap_err());
        invalid("put", store.put(key, Bytes::from_static(b"x")).await.unwrap_err());
    }
    for id in ["", "x", "../../a", "00000000000000aa/../../b"] {
        let upload = UploadId(id.to_owned());
        assert_eq!(store.part("a", &upload, 1, Bytes::new()).await.unwrap_err().kind, ErrorKind::Bug, "{id:?}");
        assert_eq!(store.complete("a", &upload, &[], IfExists::Keep).await.unwrap_err().kind, ErrorKind::Bug, "{id:?}");
        assert_eq!(store.abort("a", &upload).await.unwrap_err().kind, ErrorKind::Bug, "{id:?}");
    }
    assert_eq!(listing(outside.path()), ["root"], "nothing was written beside it");
    assert_eq!(store.complete("a", &upload, &[tag], IfExists::Keep).await.unwrap(), Completed::Created, "the upload is untouched");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_sees_one_whole_object_or_the_other() {
    let root = tempfile::tempdir().unwrap();
    let store = Directory::open(root.path().into(), Kind::Attempts).unwrap();
    let path = root.path().join("a");
    let text = |round: usize| vec![b'a' + (round % 26) as u8; 200_000 + round];
    store.put("a", text(0).into()).await.unwrap();
    let is_done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let reader = std::thread::spawn({
        let is_done = std::sync::Arc::clone(&is_done);
        move || {
            let mut seen = std::collections::BTreeSet::new();
            while !is_done.load(std::sync::atomic::Ordering::Relaxed) {
                let found = fs::read(&path).unwrap();
                assert!(found.len() >= 200_000 && found.iter().all(|byte| *byte == found[0]), "{} bytes", found.len());
                assert_eq!(found[0], b'a' + ((found.len() - 200_000) % 26) as u8);
                seen.insert(found.len());
            }
            seen.len()
        }
    });
    for round in 1..60 {
        if round % 2 == 0 {
            store.put("a", text(round).into()).await.unwrap();
            continue;
        }
        let (upload, whole) = (store.begin("a").await.unwrap(), text(round));
        let (first, second) = whole.split_at(100_000);
        let tags = [
            store.part("a", &upload, 1, Bytes::copy_from_slice(first)).await.unwrap(),
            store.part("a", &upload, 2, Bytes::copy_from_slice(second)).await.unwrap(),
        ];
        assert_eq!(store.complete("a", &upload, &tags, IfExists::Replace).await.unwrap(), Completed::Created);
    }
    is_done.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(reader.join().unwrap() > 1, "the reader met more than one of them");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_writers_of_a_key_one_creates_it() {
    let root = tempfile::tempdir().unwrap();
    let store = std::sync::Arc::new(Directory::open(root.path().into(), Kind::Attempts).unwrap());
    let writers = (0..16_u8).map(|number| {
        let store = std::sync::Arc::clone(&store);
        tokio::spawn(async move {
            let upload = store.begin("x/y").await.unwrap();
            let tag = store.part("x/y", &upload, 1, Bytes::from(vec![number; 1_000])).await.unwrap();
            (number, store.complete("x/y", &upload, &[tag], IfExists::Keep).await)
        })
    });
    let mut created = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        let (number, ended) = writer.await.unwrap();
        match ended {
            Ok(Completed::Created) => created.push(number),
            Ok(Completed::Existed) => panic!("writer {number} has data of its own"),
            Err(error) => assert_eq!((error.kind, error.retry), (ErrorKind::Fenced, Retry::No), "{error}"),
        }
    }
    assert_eq!(created.len(), 1, "{created:?}");
    assert_eq!(store.get("x/y").await.unwrap().unwrap(), vec![created[0]; 1_000]);
}

#[tokio::test]
async fn what_a_killed_process_left_is_no_object_and_goes() {
    let root = tempfile::tempdir().unwrap();
    let killed = Directory::open(root.path().into(), Kind::Attempts).unwrap();
    let upload = killed.begin("a").await.unwrap();
    killed.part("a", &upload, 1, Bytes::from_static(b"half of it")).await.unwrap();
    let folder = Uploads::folder(root.path());
    let copy = folder.join("00000000000000cc");
    // The lock of a killed process is nobody's: as if this folder were its own.
    fs::create_dir_all(copy.join("00000000000000dd")).unwrap();
    fs::write(copy.join("00000000000000dd/part-00001"), "half").unwrap();
    fs::write(copy.with_extension("lock"), "").unwrap();
    // Killed in the middle of `put`.
    fs::write(root.path().join("b.0123456789abcdef.tmp"), "half").unwrap();
    let next = Directory::open(root.path().into(), Kind::Attempts).unwrap();
    assert!(!copy.exists(), "removed by the next one");
    assert_eq!(next.list("", "", 10).await.unwrap(), [], "neither is an object");
    assert_eq!((next.get("a").await.unwrap(), next.get("b").await.unwrap()), (None, None));
    // An upload of another owner that lives can still be completed by that one.
    let tag = PartTag { number: 1, etag: "10".into(), checksum: None, content: None };
    assert_eq!(killed.complete("a", &upload, &[tag], IfExists::Keep).await.unwrap(), Completed::Created);
    assert_eq!(
        next.list("", "", 10).await.unwrap().into_iter().map(|found| (found.key, found.bytes)).collect::<Vec<_>>(),
        [("a".to_owned(), 10)]
    );
}
