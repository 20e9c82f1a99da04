//! The behaviours that every store of files promises, as one suite: run against `local` in its unit tests and against real S3 servers.
//!
//! Each behaviour has a name, gets a store and a prefix of its own in it, and panics with what it saw.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use kpipe_engine::connector::{Completed, Created, FileStore, IfExists, Listed, PART_BYTES_MIN, PartTag, UploadId};
use kpipe_engine::error::{ConnectorError, ErrorKind, Retry};

/// A promised behaviour.
pub(crate) struct Behaviour {
    /// What is promised.
    pub(crate) name: &'static str,
    /// Checks it below a prefix that nothing else uses.
    pub(crate) check: for<'a> fn(&'a dyn FileStore, &'a str) -> BoxFuture<'a, ()>,
}

/// All of them.
pub(crate) static STORE: &[Behaviour] = &[
    Behaviour { name: "visible_after_complete_only", check: |store, prefix| Box::pin(visible_after_complete_only(store, prefix)) },
    Behaviour { name: "parts_in_order_of_number", check: |store, prefix| Box::pin(parts_in_order_of_number(store, prefix)) },
    Behaviour { name: "an_object_is_never_overwritten", check: |store, prefix| Box::pin(an_object_is_never_overwritten(store, prefix)) },
    Behaviour {
        name: "objects_of_several_parts_are_compared",
        check: |store, prefix| Box::pin(objects_of_several_parts_are_compared(store, prefix)),
    },
    Behaviour { name: "an_object_is_replaced_if_asked", check: |store, prefix| Box::pin(an_object_is_replaced_if_asked(store, prefix)) },
    Behaviour { name: "one_of_many_writers_wins", check: |store, prefix| Box::pin(one_of_many_writers_wins(store, prefix)) },
    Behaviour { name: "complete_can_be_repeated", check: |store, prefix| Box::pin(complete_can_be_repeated(store, prefix)) },
    Behaviour { name: "a_part_can_be_repeated", check: |store, prefix| Box::pin(a_part_can_be_repeated(store, prefix)) },
    Behaviour { name: "abort_can_be_repeated", check: |store, prefix| Box::pin(abort_can_be_repeated(store, prefix)) },
    Behaviour {
        name: "an_aborted_upload_cannot_complete",
        check: |store, prefix| Box::pin(an_aborted_upload_cannot_complete(store, prefix)),
    },
    Behaviour { name: "list_in_byte_order", check: |store, prefix| Box::pin(list_in_byte_order(store, prefix)) },
    Behaviour { name: "list_behind_a_key", check: |store, prefix| Box::pin(list_behind_a_key(store, prefix)) },
    Behaviour { name: "one_of_many_creators_wins", check: |store, prefix| Box::pin(one_of_many_creators_wins(store, prefix)) },
    Behaviour { name: "uploads_are_seen_until_they_end", check: |store, prefix| Box::pin(uploads_are_seen_until_they_end(store, prefix)) },
    Behaviour { name: "a_look_says_what_is_there", check: |store, prefix| Box::pin(a_look_says_what_is_there(store, prefix)) },
    Behaviour { name: "what_is_removed_is_gone", check: |store, prefix| Box::pin(what_is_removed_is_gone(store, prefix)) },
    Behaviour { name: "get_and_put", check: |store, prefix| Box::pin(get_and_put(store, prefix)) },
    Behaviour { name: "odd_keys", check: |store, prefix| Box::pin(odd_keys(store, prefix)) },
    Behaviour { name: "keys_outside_are_refused", check: |store, prefix| Box::pin(keys_outside_are_refused(store, prefix)) },
    Behaviour { name: "an_empty_object", check: |store, prefix| Box::pin(an_empty_object(store, prefix)) },
];

/// Uploads `parts` and leaves the upload open.
async fn prepare(store: &dyn FileStore, key: &str, parts: &[Bytes]) -> (UploadId, Vec<PartTag>) {
    let upload = store.begin(key).await.unwrap();
    let mut tags = Vec::new();
    for (data, number) in parts.iter().zip(1..) {
        tags.push(store.part(key, &upload, number, data.clone()).await.unwrap());
    }
    (upload, tags)
}

async fn write(store: &dyn FileStore, key: &str, content: &'static [u8]) -> Completed {
    let (upload, tags) = prepare(store, key, &[Bytes::from_static(content)]).await;
    store.complete(key, &upload, &tags, IfExists::Keep).await.unwrap()
}

async fn content(store: &dyn FileStore, key: &str) -> Option<Vec<u8>> {
    store.get(key).await.unwrap().map(|bytes| bytes.to_vec())
}

async fn visible_after_complete_only(store: &dyn FileStore, prefix: &str) {
    let key = format!("{prefix}/data/one");
    let (upload, tags) = prepare(store, &key, &[Bytes::from_static(b"text")]).await;
    assert_eq!(content(store, &key).await, None);
    assert_eq!(store.list(prefix, "", 10).await.unwrap(), []);
    assert_eq!(store.complete(&key, &upload, &tags, IfExists::Keep).await.unwrap(), Completed::Created);
    assert_eq!(content(store, &key).await.unwrap(), b"text");
    let listed = store.list(prefix, "", 10).await.unwrap();
    assert_eq!(listed.into_iter().map(|found| (found.key, found.bytes)).collect::<Vec<_>>(), [(key, 4)]);
}

async fn parts_in_order_of_number(store: &dyn FileStore, prefix: &str) {
    let key = format!("{prefix}/large");
    let parts = [Bytes::from(vec![b'a'; PART_BYTES_MIN]), Bytes::from(vec![b'b'; PART_BYTES_MIN + 1]), Bytes::from_static(b"end")];
    let upload = store.begin(&key).await.unwrap();
    let (third, first) =
        futures_util::future::join(store.part(&key, &upload, 3, parts[2].clone()), store.part(&key, &upload, 1, parts[0].clone())).await;
    let second = store.part(&key, &upload, 2, parts[1].clone()).await;
    let tags = [first.unwrap(), second.unwrap(), third.unwrap()];
    assert_eq!(tags.iter().map(|tag| tag.number).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(store.complete(&key, &upload, &tags, IfExists::Keep).await.unwrap(), Completed::Created);
    let bytes = content(store, &key).await.unwrap();
    assert!(bytes == parts.concat(), "{} bytes came back, or in another order", bytes.len());
}

async fn an_object_is_never_overwritten(store: &dyn FileStore, prefix: &str) {
    let key = format!("{prefix}/one");
    assert_eq!(write(store, &key, b"first").await, Completed::Created);
    // The same again: a repetition after a crash.
    assert_eq!(write(store, &key, b"first").await, Completed::Existed);
    // A topic that was created anew writes other data under the old names: it must neither replace nor be dropped.
    for other in [b"other".as_slice(), b"first and more", b""] {
        let (upload, tags) = prepare(store, &key, &[Bytes::from_static(other)]).await;
        refused(&store.complete(&key, &upload, &tags, IfExists::Keep).await.unwrap_err());
        store.abort(&key, &upload).await.unwrap();
        assert_eq!(content(store, &key).await.unwrap(), b"first");
    }
    assert_eq!(write(store, &key, b"first").await, Completed::Existed);
}

/// Other data is under the name: said for good, and what to do.
fn refused(error: &ConnectorError) {
    assert_eq!((error.kind, error.retry), (ErrorKind::Fenced, Retry::No), "{error}");
    assert!(error.message.contains("holds other data") && error.help.as_deref().unwrap_or_default().contains("prefix"), "{error:?}");
}

async fn objects_of_several_parts_are_compared(store: &dyn FileStore, prefix: &str) {
    let key = format!("{prefix}/large");
    let parts = |end: &'static [u8]| [Bytes::from(vec![b'a'; PART_BYTES_MIN]), Bytes::from_static(end)];
    for (end, expected) in [(b"end", Some(Completed::Created)), (b"end", Some(Completed::Existed)), (b"END", None)] {
        let (upload, tags) = prepare(store, &key, &parts(end)).await;
        match (store.complete(&key, &upload, &tags, IfExists::Keep).await, expected) {
            (Ok(completed), Some(expected)) => assert_eq!(completed, expected),
            (Err(error), None) => refused(&error),
            (ended, _) => panic!("{ended:?}, expected {expected:?}"),
        }
    }
    assert!(content(store, &key).await.unwrap().ends_with(b"aend"));
}

async fn an_object_is_replaced_if_asked(store: &dyn FileStore, prefix: &str) {
    let key = format!("{prefix}/one");
    assert_eq!(write(store, &key, b"first").await, Completed::Created);
    let (upload, tags) = prepare(store, &key, &[Bytes::from_static(b"second")]).await;
    assert_eq!(store.complete(&key, &upload, &tags, IfExists::Replace).await.unwrap(), Completed::Created);
    store.complete(&key, &upload, &tags, IfExists::Replace).await.unwrap();
    assert_eq!(content(store, &key).await.unwrap(), b"second");
}

async fn one_of_many_writers_wins(store: &dyn FileStore, prefix: &str) {
    let key = format!("{prefix}/raced");
    let texts: Vec<String> = (0..8).map(|writer| format!("writer {writer}")).collect();
    let mut ready = Vec::new();
    for text in &texts {
        ready.push(prepare(store, &key, &[Bytes::from(text.clone())]).await);
    }
    let ended = futures_util::future::join_all(ready.iter().map(|(upload, tags)| store.complete(&key, upload, tags, IfExists::Keep))).await;
    let mut created = Vec::new();
    for (end, writer) in ended.into_iter().zip(0..) {
        // A store may answer that two completions met: then the same call is made again, as the engine does.
        let end = match end {
            Err(error) if error.retry == Retry::Backoff => store.complete(&key, &ready[writer].0, &ready[writer].1, IfExists::Keep).await,
            end => end,
        };
        match end {
            Ok(Completed::Created) => created.push(writer),
            Ok(Completed::Existed) => panic!("each writer has its own data"),
            Err(error) => refused(&error),
        }
    }
    assert_eq!(created.len(), 1, "{created:?}");
    assert_eq!(content(store, &key).await.unwrap(), texts[created[0]].as_bytes());
}

async fn complete_can_be_repeated(store: &dyn FileStore, prefix: &str) {
    let key = format!("{prefix}/once");
    let (upload, tags) = prepare(store, &key, &[Bytes::from_static(b"text")]).await;
    assert_eq!(store.complete(&key, &upload, &tags, IfExists::Keep).await.unwrap(), Completed::Created);
    // The answer was lost, so it is asked again: whatever it is called, it is no error and the object stays.
    store.complete(&key, &upload, &tags, IfExists::Keep).await.unwrap();
    store.complete(&key, &upload, &tags, IfExists::Keep).await.unwrap();
    assert_eq!(content(store, &key).await.unwrap(), b"text");
}

async fn a_part_can_be_repeated(store: &dyn FileStore, prefix: &str) {
    let key = format!("{prefix}/again");
    let (upload, _) = prepare(store, &key, &[Bytes::from_static(b"cut off")]).await;
    let tag = store.part(&key, &upload, 1, Bytes::from_static(b"whole")).await.unwrap();
    assert_eq!(store.complete(&key, &upload, &[tag], IfExists::Keep).await.unwrap(), Completed::Created);
    assert_eq!(content(store, &key).await.unwrap(), b"whole");
}

async fn abort_can_be_repeated(store: &dyn FileStore, prefix: &str) {
    let key = format!("{prefix}/given up");
    let (upload, _) = prepare(store, &key, &[Bytes::from_static(b"text")]).await;
    store.abort(&key, &upload).await.unwrap();
    store.abort(&key, &upload).await.unwrap();
    assert_eq!(content(store, &key).await, None);
    let (upload, tags) = prepare(store, &key, &[Bytes::from_static(b"text")]).await;
    store.complete(&key, &upload, &tags, IfExists::Keep).await.unwrap();
    store.abort(&key, &upload).await.unwrap();
    assert_eq!(content(store, &key).await.unwrap(), b"text", "an abort that comes late takes nothing away");
}

async fn an_aborted_upload_cannot_complete(store: &dyn FileStore, prefix: &str) {
    let key = format!("{prefix}/gone");
    let (upload, tags) = prepare(store, &key, &[Bytes::from_static(b"text")]).await;
    store.abort(&key, &upload).await.unwrap();
    let error = store.complete(&key, &upload, &tags, IfExists::Keep).await.unwrap_err();
    assert_eq!(error.retry, Retry::Reopen, "{error}");
    assert_eq!(content(store, &key).await, None);
}

async fn list_in_byte_order(store: &dyn FileStore, prefix: &str) {
    for name in ["b/x", "b.x", "b-x", "a", "c/d/e", "c0", "B"] {
        write(store, &format!("{prefix}/in/{name}"), b"1").await;
    }
    write(store, &format!("{prefix}/in2"), b"1").await;
    let names = |found: Vec<Listed>| -> Vec<String> { found.into_iter().map(|found| found.key[prefix.len() + 1..].to_owned()).collect() };
    let all = names(store.list(&format!("{prefix}/in/"), "", 100).await.unwrap());
    assert_eq!(all, ["in/B", "in/a", "in/b-x", "in/b.x", "in/b/x", "in/c/d/e", "in/c0"]);
    assert_eq!(names(store.list(&format!("{prefix}/in/"), "", 3).await.unwrap()), all[..3]);
    assert_eq!(names(store.list(&format!("{prefix}/in/b"), "", 100).await.unwrap()), ["in/b-x", "in/b.x", "in/b/x"]);
    assert_eq!(names(store.list(&format!("{prefix}/in"), "", 100).await.unwrap()).len(), 8);
    assert_eq!(store.list(&format!("{prefix}/none/"), "", 100).await.unwrap(), []);
}

async fn list_behind_a_key(store: &dyn FileStore, prefix: &str) {
    let keys: Vec<String> =
        ["log/01", "log/02", "log/03", "log0", "log/a/1", "log.x"].iter().map(|name| format!("{prefix}/{name}")).collect();
    for key in &keys {
        store.put(key, Bytes::from_static(b"12")).await.unwrap();
    }
    let now_ms = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    let below = format!("{prefix}/log/");
    let names = async |after: &str, limit| -> Vec<String> {
        let found = store.list(&below, after, limit).await.unwrap();
        // The store's clock is another one; but in milliseconds it is of this century.
        assert!(found.iter().all(|found| found.bytes == 2 && (found.modified_ms - now_ms()).abs() < 1_000_000_000_000), "{found:?}");
        found.into_iter().map(|found| found.key[below.len()..].to_owned()).collect()
    };
    assert_eq!(names("", 2).await, ["01", "02"]);
    assert_eq!(names(&keys[0], 2).await, ["02", "03"]);
    assert_eq!(names(&keys[1], 9).await, ["03", "a/1"]);
    assert_eq!(names(&format!("{below}a"), 9).await, ["a/1"], "a key that is not there");
    assert_eq!(names(&keys[4], 9).await, [""; 0]);
    assert_eq!(names(&keys[3], 9).await, [""; 0], "behind all of the prefix");
    assert_eq!(names(&keys[5], 1).await, ["01"], "before all of the prefix");
}

/// What a commit is: exactly one of many is told that its object is new, and it is that one's.
async fn one_of_many_creators_wins(store: &dyn FileStore, prefix: &str) {
    for round in 0..8 {
        let key = format!("{prefix}/.kpipe/log/{round}.json");
        // Of different sizes: some are still on their way when others have arrived.
        let texts: Vec<Bytes> = (0..16).map(|creator: usize| format!("{creator:02}").repeat(1 + creator * 500).into()).collect();
        let ended = futures_util::future::join_all(texts.iter().map(|text| created(store, &key, text))).await;
        let winners: Vec<_> = texts.iter().zip(&ended).filter(|(_, end)| **end == Created::New).map(|(text, _)| text).collect();
        assert_eq!(winners.len(), 1, "{ended:?}");
        assert!(store.get(&key).await.unwrap().as_ref() == Some(winners[0]), "the winner's bytes are there");
        assert_eq!(store.create(&key, Bytes::from_static(b"late")).await.unwrap(), Created::Exists);
        assert_eq!(store.create(&key, winners[0].clone()).await.unwrap(), Created::Exists, "the winner itself, after a lost answer");
        assert!(store.get(&key).await.unwrap().as_ref() == Some(winners[0]), "it is untouched");
    }
}

/// A store may answer that two conditional writes met: then the same call is made again, as the engine does.
async fn created(store: &dyn FileStore, key: &str, text: &Bytes) -> Created {
    for _ in 0..20 {
        match store.create(key, text.clone()).await {
            Ok(created) => return created,
            Err(error) => assert_eq!(error.retry, Retry::Backoff, "{error}"),
        }
    }
    panic!("{key} could not be created")
}

async fn uploads_are_seen_until_they_end(store: &dyn FileStore, prefix: &str) {
    let below = format!("{prefix}/up/");
    // Asked while there is none: a store that cannot tell must say so, not "none".
    let Some(none) = store.uploads(&below, 10).await.unwrap() else { return };
    assert_eq!(none, []);
    let (first, second, other) = (format!("{below}a"), format!("{below}b/c"), format!("{prefix}/up2"));
    let mut open = Vec::new();
    for key in [&first, &second, &second, &other] {
        open.push(prepare(store, key, &[Bytes::from_static(b"text")]).await);
    }
    let seen = async |prefix: &str, limit| {
        let found = store.uploads(prefix, limit).await.unwrap().unwrap();
        found.into_iter().map(|found| (found.key, found.upload)).collect::<Vec<_>>()
    };
    let is = |seen: &[(String, UploadId)], expected: &[(&String, usize)]| {
        let all = expected.iter().all(|(key, index)| seen.iter().any(|(found, id)| found == *key && id.is_same(&open[*index].0)));
        assert!(all && seen.len() == expected.len(), "{seen:?}, expected {expected:?} of {open:?}");
    };
    is(&seen(&below, 10).await, &[(&first, 0), (&second, 1), (&second, 2)]);
    assert_eq!(seen(&below, 2).await.len(), 2);
    is(&seen(&second, 10).await, &[(&second, 1), (&second, 2)]);
    // Whoever lists an upload can give it up.
    let listed = seen(&below, 10).await.into_iter().find(|(_, id)| id.is_same(&open[1].0)).unwrap();
    store.abort(&listed.0, &listed.1).await.unwrap();
    store.complete(&first, &open[0].0, &open[0].1, IfExists::Keep).await.unwrap();
    is(&seen(&below, 10).await, &[(&second, 2)]);
    store.complete(&second, &open[2].0, &open[2].1, IfExists::Keep).await.unwrap();
    is(&seen(&below, 10).await, &[]);
    store.abort(&other, &open[3].0).await.unwrap();
}

async fn a_look_says_what_is_there(store: &dyn FileStore, prefix: &str) {
    let key = format!("{prefix}/data/one");
    assert_eq!(store.stat(&key).await.unwrap(), None);
    let (upload, tags) = prepare(store, &key, &[Bytes::from_static(b"123456789")]).await;
    assert_eq!(store.stat(&key).await.unwrap(), None, "an upload is no object");
    store.complete(&key, &upload, &tags, IfExists::Keep).await.unwrap();
    let found = store.stat(&key).await.unwrap().unwrap();
    assert_eq!(found.bytes, 9);
    assert!(found.upload.is_none_or(|mark| mark == upload.mark()), "the mark of another upload");
    assert!(found.crc64.is_none_or(|crc64| crc64 == 0xae8b_1486_0a79_9888), "{:?}", found.crc64);
    assert_eq!(store.stat(&format!("{prefix}/data")).await.unwrap(), None, "a folder is no object");
    let key = format!("{prefix}/data/whole");
    store.create(&key, Bytes::from_static(b"12")).await.unwrap();
    assert_eq!(store.stat(&key).await.unwrap().map(|found| (found.bytes, found.upload)), Some((2, None)));
}

async fn what_is_removed_is_gone(store: &dyn FileStore, prefix: &str) {
    let keys: Vec<String> = ["a", "b/c", "d & <e>", "stays"].iter().map(|name| format!("{prefix}/{name}")).collect();
    for key in &keys {
        store.put(key, Bytes::from_static(b"x")).await.unwrap();
    }
    store.remove(&[]).await.unwrap();
    store.remove(&keys[..1]).await.unwrap();
    store.remove(&keys[..3]).await.unwrap();
    store.remove(&keys[..3]).await.unwrap();
    let left = store.list(prefix, "", 9).await.unwrap();
    assert_eq!(left.into_iter().map(|found| found.key).collect::<Vec<_>>(), keys[3..]);
    assert_eq!(store.create(&keys[0], Bytes::from_static(b"y")).await.unwrap(), Created::New, "its name is free again");
}

async fn get_and_put(store: &dyn FileStore, prefix: &str) {
    let key = format!("{prefix}/.kpipe/x/plan.json");
    assert_eq!(content(store, &key).await, None);
    store.put(&key, Bytes::from_static(b"one")).await.unwrap();
    store.put(&key, Bytes::from_static(b"two")).await.unwrap();
    assert_eq!(content(store, &key).await.unwrap(), b"two");
}

async fn odd_keys(store: &dyn FileStore, prefix: &str) {
    for name in ["a b", "a=b", "ä/日本", "a%2Fb", "a+b", "a:b,c;d", "a&b?c#d", "'\"<>"] {
        let key = format!("{prefix}/odd/{name}");
        assert_eq!(write(store, &key, b"x").await, Completed::Created, "{key}");
        assert_eq!(content(store, &key).await.unwrap(), b"x", "{key}");
        let listed = store.list(&key, "", 2).await.unwrap();
        assert!(listed.iter().any(|found| found.key == key && found.bytes == 1), "{key}");
    }
}

async fn keys_outside_are_refused(store: &dyn FileStore, prefix: &str) {
    for name in ["../x", "/x", "a//b", "a/./b", "a\0b", "a\nb"] {
        let key = format!("{prefix}/{name}");
        store.begin(&key).await.unwrap_err();
        store.put(&key, Bytes::new()).await.unwrap_err();
        store.get(&key).await.unwrap_err();
        store.create(&key, Bytes::new()).await.unwrap_err();
        store.stat(&key).await.unwrap_err();
        store.remove(&[key]).await.unwrap_err();
    }
    store.begin("/etc/passwd").await.unwrap_err();
    store.begin("").await.unwrap_err();
}

async fn an_empty_object(store: &dyn FileStore, prefix: &str) {
    let key = format!("{prefix}/empty");
    assert_eq!(write(store, &key, b"").await, Completed::Created);
    assert_eq!(content(store, &key).await.unwrap(), b"");
}
