//! Whole objects and uploads under way: against answers in a row, and against a server that lacks something.

use super::*;
use crate::conformance;
use crate::s3_like::{Conditions, S3Like, Traits};
use kpipe_engine::connector::{Created, Stat, UnfinishedUpload};

/// A page of uploads by key and id.
fn uploads(found: &[(&str, &str)], next: Option<(&str, &str)>) -> Reply {
    let found: String = found
        .iter()
        .map(|(key, id)| format!("<Upload><Key>{key}</Key><UploadId>{id}</UploadId><Initiated>1970-01-01T00:00:07Z</Initiated></Upload>"))
        .collect();
    let next = next.map(|(key, id)| {
        format!("<IsTruncated>true</IsTruncated><NextKeyMarker>{key}</NextKeyMarker><NextUploadIdMarker>{id}</NextUploadIdMarker>")
    });
    ok(&format!("<ListMultipartUploadsResult>{}{found}</ListMultipartUploadsResult>", next.unwrap_or_default()))
}

fn like(conditions: Conditions, lists_uploads: bool) -> (S3Like, Arc<dyn FileStore>) {
    let server = S3Like::start(Traits { conditions, lists_uploads });
    let store = open(options(&server.endpoint), &[route("lake")]).unwrap();
    (server, store)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lacks_nothing_keeps_what_stores_promise() {
    let (server, store) = like(Conditions::Honoured, true);
    for behaviour in conformance::STORE {
        (behaviour.check)(&*store, behaviour.name).await;
    }
    assert!(server.requests() > 100);
    assert_ne!(store.uploads("", 1).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_ignores_conditions_says_new_twice() {
    let (_server, store) = like(Conditions::Ignored, true);
    assert_eq!(store.create("probe", Bytes::from_static(b"one")).await.unwrap(), Created::New);
    assert_eq!(store.create("probe", Bytes::from_static(b"two")).await.unwrap(), Created::New, "which is what a probe has to notice");
    assert_eq!(store.get("probe").await.unwrap().unwrap(), "two");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_without_conditions_says_so() {
    let (_server, store) = like(Conditions::NotImplemented, true);
    let error = store.create("probe", Bytes::from_static(b"one")).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (ErrorKind::Invalid, Retry::No), "{error}");
    assert!(error.message.contains("501 NotImplemented") && error.help.unwrap().contains("conditional writes"), "{}", error.message);
    store.put("probe", Bytes::from_static(b"one")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_lists_uploads_by_whole_keys_cannot_tell() {
    let (server, store) = like(Conditions::Honoured, false);
    let upload = store.begin("p/a").await.unwrap();
    assert_eq!(store.uploads("p/", 10).await.unwrap(), None);
    let asked = server.requests();
    assert_eq!(store.uploads("p/", 10).await.unwrap(), None);
    assert_eq!(server.requests(), asked, "it is found out once");
    store.abort("p/a", &upload).await.unwrap();

    let (server, store) = like(Conditions::Honoured, true);
    assert_eq!(store.uploads("p/", 10).await.unwrap(), Some(Vec::new()));
    let asked = server.requests();
    assert_eq!(store.uploads("p/", 10).await.unwrap(), Some(Vec::new()));
    assert_eq!(server.requests(), asked + 1, "it is found out once, and the upload that showed it is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_became_of_a_create_only_write() {
    let backoff = |error: ConnectorError| (error.kind, error.retry) == (ErrorKind::Unreachable, Retry::Backoff);
    let server = Server::start(vec![
        empty(),
        refuse(412, "PreconditionFailed"),
        refuse(409, "ConditionalRequestConflict"),
        refuse(503, "SlowDown"),
        Reply::Cut,
        refuse(403, "AccessDenied"),
    ])
    .await;
    let create = || server.store.create("log/1", Bytes::from_static(b"{}"));
    assert_eq!(create().await.unwrap(), Created::New);
    assert_eq!(create().await.unwrap(), Created::Exists);
    for what in ["two met", "an outage", "a lost answer"] {
        assert!(backoff(create().await.unwrap_err()), "{what}");
    }
    assert_eq!(create().await.unwrap_err().kind, ErrorKind::Denied);
    let seen = server.seen();
    assert_eq!(seen.len(), 6, "the client repeats nothing by itself");
    assert!(seen.iter().all(|request| request.starts_with("put /lake/log/1") && request.contains("if-none-match")), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_refuses_checksums_is_told_from_one_without_conditions() {
    let refused = || refuse(400, "InvalidArgument");
    let server = Server::start(vec![refused(), empty(), refuse(412, "PreconditionFailed")]).await;
    let create = async |server: &Server| server.store.create("k", Bytes::from_static(b"{}")).await;
    assert_eq!(create(&server).await.unwrap(), Created::New);
    assert_eq!(create(&server).await.unwrap(), Created::Exists, "no checksum is tried again");
    assert_eq!(server.seen().len(), 3);

    let server = Server::start(vec![refused(), refuse(412, "PreconditionFailed")]).await;
    assert_eq!(create(&server).await.unwrap(), Created::Exists);

    let server = Server::start(vec![refused(), refused()]).await;
    let error = create(&server).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (ErrorKind::Invalid, Retry::No));
    assert!(error.message.contains("400 InvalidArgument"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_are_read_page_by_page_with_the_latest_time_they_can_have_begun() {
    let pages = vec![uploads(&[("p/a", "i/1"), ("p/a", "2")], Some(("p/a", "2"))), uploads(&[("p/b", "3")], None)];
    let server = Server::start(pages).await;
    let found = server.store.uploads("p/", 10).await.unwrap().unwrap();
    let upload = |key: &str, id: &str| UnfinishedUpload { key: key.to_owned(), upload: UploadId(id.to_owned()), begun_ms: 7_999 };
    assert_eq!(found, [upload("p/a", "/i/1"), upload("p/a", "/2"), upload("p/b", "/3")]);
    let seen = server.seen();
    assert!(
        seen[1].contains("key-marker=p%2fa") && seen[1].contains("upload-id-marker=2") && seen[1].contains("max-uploads=8"),
        "{seen:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_list_uploads_cannot_tell() {
    for reply in [refuse(403, "AccessDenied"), refuse(501, "NotImplemented")] {
        let server = Server::start(vec![reply.clone()]).await;
        for _ in 0..2 {
            assert_eq!(server.store.uploads("p/", 10).await.unwrap(), None, "{reply:?}");
        }
        assert_eq!(server.seen().len(), 1, "said once");
    }
    let server =
        Server::start(vec![refuse(503, "SlowDown"), refuse(403, "SignatureDoesNotMatch"), uploads(&[], None), refuse(403, "AccessDenied")])
            .await;
    for (kind, what) in [(ErrorKind::Unreachable, "outage"), (ErrorKind::Denied, "login"), (ErrorKind::Denied, "no upload can be begun")] {
        assert_eq!(server.store.uploads("p/", 10).await.unwrap_err().kind, kind, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_tells_mark_and_checksum() {
    const LOOKED: &str = "x-amz-meta-kpipe-upload: mark\r\nlast-modified: Thu, 01 Jan 1970 00:00:07 GMT\r\n\
        x-amz-checksum-crc64nvme: rosUhgp5mIg=\r\nx-amz-checksum-type: FULL_OBJECT\r\n";
    const COMPOSED: &str =
        "last-modified: Thu, 01 Jan 1970 00:00:00 GMT\r\nx-amz-checksum-crc64nvme: rosUhgp5mIg=\r\nx-amz-checksum-type: COMPOSITE\r\n";
    let (looked, composed) = (Reply::Answer(200, LOOKED, "123456789".into()), Reply::Answer(200, COMPOSED, "1".into()));
    let undated = Reply::Answer(200, "", "1".into());
    let refused = [refuse(404, "NoSuchKey"), refuse(503, "SlowDown"), refuse(403, "AccessDenied")];
    let server = Server::start([looked, composed, undated].into_iter().chain(refused).collect()).await;
    let whole = Stat { bytes: 9, modified_ms: 7_000, upload: Some("mark".into()), crc64: Some(0xae8b_1486_0a79_9888) };
    assert_eq!(server.store.stat("k").await.unwrap(), Some(whole));
    assert_eq!(server.store.stat("k").await.unwrap(), Some(Stat { bytes: 1, modified_ms: 0, upload: None, crc64: None }));
    let error = server.store.stat("k").await.unwrap_err();
    assert!(error.message.ends_with("the store does not say when an object was written"), "{error}");
    assert_eq!(server.store.stat("k").await.unwrap(), None);
    for kind in [ErrorKind::Unreachable, ErrorKind::Denied] {
        let error = server.store.stat("k").await.unwrap_err();
        assert!(error.kind == kind && error.message.contains("cannot look at s3://lake/k: "), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_removed_together_or_one_by_one() {
    let gone = || Reply::Answer(204, "", String::new());
    let keys = ["a".to_owned(), "b".to_owned()];
    let errors = |code: &str| ok(&format!("<DeleteResult><Error><Key>a</Key><Code>{code}</Code></Error></DeleteResult>"));
    for (what, replies, requests) in [
        ("together", vec![ok("<DeleteResult/>")], 1),
        ("one was gone", vec![errors("NoSuchKey")], 1),
        ("no such call", vec![refuse(501, "NotImplemented"), gone(), refuse(404, "NoSuchKey")], 3),
        ("one could not be removed then", vec![errors("InternalError"), gone(), gone()], 3),
    ] {
        let server = Server::start(replies).await;
        server.store.remove(&keys).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(server.seen().len(), requests, "{what}");
    }
    let server = Server::start(vec![errors("AccessDenied"), refuse(403, "AccessDenied")]).await;
    let error = server.store.remove(&keys).await.unwrap_err();
    assert!(error.kind == ErrorKind::Denied && error.message.contains("cannot remove s3://lake/a"), "{error}");
}
