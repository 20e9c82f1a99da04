//! A scripted server: what becomes of an upload when answers are lost, late or odd.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use kpipe_compiler::plan::{
    Compression, Decode, Endpoint, FileFormat, FileTail, Naming, OptionValue, Options, Route, SecretRef, Tail, ValueFormat,
};
use kpipe_engine::connector::{Completed, FileStore, IfExists, Listed, OpenRequest, PartContent, PartTag, Secrets, UploadId};
use kpipe_engine::error::{ConnectorError, ErrorKind, Retry};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;

use super::CONNECTOR;

mod objects;

struct Given;

impl Secrets for Given {
    fn read(&self, secret: &SecretRef) -> Result<String, ConnectorError> {
        match secret {
            SecretRef::Inline { place: _, value } => Ok(value.clone()),
            other => Err(ConnectorError::new(ErrorKind::Invalid, format!("{other} is not set"))),
        }
    }
}

fn route(bucket: &str) -> Route {
    Route {
        statement: String::new(),
        from: "t".into(),
        decode: Decode { format: ValueFormat::Bytes, columns: Vec::new() },
        filter: None,
        project: None,
        tail: Tail::Files(FileTail {
            bucket: bucket.into(),
            prefix: "p".into(),
            partition: Vec::new(),
            keep_partition_columns: true,
            format: FileFormat::Json { compression: Compression::None },
            naming: Naming::Kpipe,
        }),
    }
}

fn options(endpoint: &str) -> BTreeMap<String, OptionValue> {
    let secret = SecretRef::Inline { place: "a.yaml:7".into(), value: "hidden-secret".into() };
    BTreeMap::from([
        ("endpoint".to_owned(), OptionValue::Text(endpoint.to_owned())),
        ("credentials.access_key".to_owned(), OptionValue::Text("key".into())),
        ("credentials.secret_key".to_owned(), OptionValue::Secret(secret)),
    ])
}

fn with<T>(options: BTreeMap<String, OptionValue>, routes: &[Route], work: impl FnOnce(&OpenRequest<'_>) -> T) -> T {
    let endpoint = Endpoint { connector: "s3".into(), options: Options(options) };
    work(&OpenRequest {
        pipeline: "p",
        task: 0,
        endpoint: &endpoint,
        routes,
        secrets: &Given,
        runtime: Handle::current(),
        starts_in_sink: false,
    })
}

fn open(options: BTreeMap<String, OptionValue>, routes: &[Route]) -> Result<Arc<dyn FileStore>, ConnectorError> {
    with(options, routes, CONNECTOR.store.unwrap())
}

/// What the server does with a request.
#[derive(Clone, Debug)]
enum Reply {
    /// A status, headers and a body.
    Answer(u16, &'static str, String),
    /// Closes the connection.
    Cut,
    /// Closes it before the body of the request was read.
    CutEarly,
}

fn ok(body: &str) -> Reply {
    Reply::Answer(200, "", format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{body}"))
}

fn completed() -> Reply {
    ok("<CompleteMultipartUploadResult><Key>k</Key><ETag>&quot;e&quot;</ETag></CompleteMultipartUploadResult>")
}

fn refuse(status: u16, code: &str) -> Reply {
    Reply::Answer(status, "", format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>said so.</Message></Error>"))
}

fn empty() -> Reply {
    Reply::Answer(200, "", String::new())
}

fn head(mark: &'static str) -> Reply {
    Reply::Answer(200, mark, String::new())
}

const OURS: &str = "x-amz-meta-kpipe-upload: mark\r\n";
const OTHERS: &str = "x-amz-meta-kpipe-upload: another\r\n";

/// The part of an upload whose object is empty.
const CONTENT: PartContent = PartContent { bytes: 0, crc64: 0 };

/// Answers requests in order, and notes `METHOD path?query` and whether it was conditional.
struct Server {
    endpoint: String,
    store: Arc<dyn FileStore>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (noted, replies) = (Arc::clone(&seen), Arc::new(Mutex::new(replies.into_iter())));
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, Arc::clone(&noted), Arc::clone(&replies)));
            }
        });
        let store = open(options(&endpoint), &[route("lake")]).unwrap();
        Self { endpoint, store, seen }
    }

    async fn complete(&self, if_exists: IfExists) -> Result<Completed, ConnectorError> {
        let part = PartTag { number: 1, etag: "e".into(), checksum: None, content: Some(CONTENT) };
        self.store.complete("k", &UploadId("mark/id".into()), &[part], if_exists).await
    }

    fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

async fn serve(mut connection: TcpStream, noted: Arc<Mutex<Vec<String>>>, replies: Arc<Mutex<std::vec::IntoIter<Reply>>>) {
    loop {
        let Some((request, missing)) = read(&mut connection).await else { return };
        let is_head = request.starts_with("head ");
        noted.lock().unwrap().push(request);
        let reply = replies.lock().unwrap().next();
        if matches!(reply, Some(Reply::CutEarly)) || connection.read_exact(&mut vec![0; missing]).await.is_err() {
            return;
        }
        let Some(Reply::Answer(status, headers, body)) = reply else { return };
        let length = body.len();
        let body = if is_head { "" } else { &body };
        let text = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{headers}\r\n{body}");
        connection.write_all(text.as_bytes()).await.unwrap();
    }
}

/// A request, and how many bytes of it were not read yet.
async fn read(connection: &mut TcpStream) -> Option<(String, usize)> {
    let mut request = Vec::new();
    let end = loop {
        let mut piece = [0; 4096];
        let read = connection.read(&mut piece).await.ok().filter(|read| *read > 0)?;
        request.extend_from_slice(&piece[..read]);
        if let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let text = String::from_utf8_lossy(&request[..end]).to_lowercase();
    let length: usize = text.split("content-length: ").nth(1).map_or(0, |rest| rest.split("\r\n").next().unwrap().parse().unwrap());
    let mut line: Vec<&str> = text.lines().next()?.split(' ').take(2).collect();
    for (header, word) in [
        ("if-none-match: *", "if-none-match"),
        ("x-amz-checksum-crc64nvme", "crc64"),
        ("unsigned-payload", "unsigned"),
        ("/eu-north-7/s3/", "region"),
        ("x-amz-security-token: tok", "token"),
    ] {
        if text.contains(header) {
            line.push(word);
        }
    }
    Some((line.join(" "), (end + length).saturating_sub(request.len())))
}

const ASK: &str = "post /lake/k?uploadid=id if-none-match";
const READ: &str = "get /lake/k?x-id=getobject";
const LOOK: &str = "head /lake/k";
const GIVE_UP: &str = "delete /lake/k?x-id=abortmultipartupload&uploadid=id";

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_decides_what_became_of_an_upload() {
    use Completed::{Created, Existed};
    let cases: Vec<(&str, Vec<Reply>, Completed, Vec<&str>)> = vec![
        ("completed", vec![completed()], Created, vec![ASK]),
        ("an earlier answer was lost", vec![refuse(412, "PreconditionFailed"), head(OURS)], Created, vec![ASK, LOOK]),
        ("its parts are gone, our object", vec![refuse(400, "InvalidPart"), head(OURS)], Created, vec![ASK, LOOK]),
        (
            "its parts are gone, and then the store is done with it",
            vec![refuse(400, "InvalidPart"), Reply::Answer(404, "", String::new()), refuse(404, "NoSuchUpload"), head(OURS)],
            Created,
            vec![ASK, LOOK, ASK, LOOK],
        ),
        ("used upload, our object", vec![refuse(404, "NoSuchUpload"), head(OURS)], Created, vec![ASK, LOOK]),
        (
            "another's object",
            vec![refuse(412, "PreconditionFailed"), head(OTHERS), empty(), Reply::Answer(204, "", String::new())],
            Existed,
            vec![ASK, LOOK, READ, GIVE_UP],
        ),
        (
            "an object without a mark",
            vec![refuse(412, "PreconditionFailed"), head(""), empty(), refuse(404, "NoSuchUpload")],
            Existed,
            vec![ASK, LOOK, READ, GIVE_UP],
        ),
        (
            "the useless upload stays",
            vec![refuse(412, "PreconditionFailed"), head(OTHERS), empty(), refuse(503, "SlowDown")],
            Existed,
            vec![ASK, LOOK, READ, GIVE_UP],
        ),
        (
            "two met, the other won",
            vec![refuse(409, "ConditionalRequestConflict"), head(OTHERS), empty(), Reply::Answer(204, "", String::new())],
            Existed,
            vec![ASK, LOOK, READ, GIVE_UP],
        ),
        (
            "two met, nobody won, the second attempt does",
            vec![refuse(409, "ConditionalRequestConflict"), Reply::Answer(404, "", String::new()), completed()],
            Created,
            vec![ASK, LOOK, ASK],
        ),
    ];
    for (name, replies, expected, requests) in cases {
        let server = Server::start(replies).await;
        assert_eq!(server.complete(IfExists::Keep).await.unwrap(), expected, "{name}");
        assert_eq!(server.seen(), requests, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_without_its_parts_is_gone() {
    let lost = || [refuse(400, "InvalidPart"), Reply::Answer(404, "", String::new())];
    let server = Server::start(lost().into_iter().chain(lost()).chain(lost()).collect()).await;
    let error = server.complete(IfExists::Keep).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Missing, "{error}");
    assert_eq!(server.seen(), [ASK, LOOK, ASK, LOOK, ASK, LOOK]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_object_counts_only_if_it_holds_the_same() {
    const SAME: &str = "x-amz-checksum-crc64nvme: AAAAAAAAAAA=\r\nx-amz-checksum-type: FULL_OBJECT\r\n";
    const OTHER: &str = "x-amz-checksum-crc64nvme: rosUhgp5mIg=\r\nx-amz-checksum-type: FULL_OBJECT\r\n";
    const PARTS: &str = "x-amz-checksum-crc64nvme: rosUhgp5mIg=-2\r\nx-amz-checksum-type: COMPOSITE\r\n";
    let text = |text: &str| Reply::Answer(200, "", text.to_owned());
    let gone = || Reply::Answer(204, "", String::new());
    let cases = [
        ("the checksum of the whole is the same", vec![head(SAME), gone()], true, vec![ASK, LOOK, GIVE_UP]),
        ("another checksum", vec![head(OTHER)], false, vec![ASK, LOOK]),
        ("a checksum of parts says nothing", vec![head(PARTS), empty(), gone()], true, vec![ASK, LOOK, READ, GIVE_UP]),
        ("another size", vec![text("size")], false, vec![ASK, LOOK]),
        ("it grew since", vec![head(""), text("size")], false, vec![ASK, LOOK, READ]),
    ];
    for (name, mut replies, same, requests) in cases {
        replies.insert(0, refuse(412, "PreconditionFailed"));
        let server = Server::start(replies).await;
        match server.complete(IfExists::Keep).await {
            Ok(completed) => assert!(same && completed == Completed::Existed, "{name}: {completed:?}"),
            Err(error) => {
                assert!(!same && (error.kind, error.retry) == (ErrorKind::Fenced, Retry::No), "{name}: {error}");
                assert!(error.message.starts_with("s3://lake/k holds other data"), "{error}");
            }
        }
        assert_eq!(server.seen(), requests, "{name}");
    }
    let server = Server::start(vec![refuse(412, "PreconditionFailed"), head(""), Reply::Cut]).await;
    let error = server.complete(IfExists::Keep).await.unwrap_err();
    assert_eq!(error.retry, Retry::Backoff, "what could not be compared is compared again: {error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_is_never_taken_for_success() {
    let conflict = || [refuse(409, "ConditionalRequestConflict"), Reply::Answer(404, "", String::new())];
    let server = Server::start([conflict(), conflict(), conflict()].concat()).await;
    let error = server.complete(IfExists::Keep).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (ErrorKind::Missing, Retry::Reopen), "{error}");
    assert_eq!(server.seen(), [ASK, LOOK, ASK, LOOK, ASK, LOOK]);

    let server = Server::start(vec![refuse(404, "NoSuchUpload"), Reply::Answer(404, "", String::new())]).await;
    let error = server.complete(IfExists::Keep).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (ErrorKind::Missing, Retry::Reopen), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_asked_for_again() {
    for lost in [Reply::Cut, refuse(500, "InternalError"), refuse(503, "SlowDown"), ok("<Error><Code>InternalError</Code></Error>")] {
        let server = Server::start(vec![lost.clone(), refuse(412, "PreconditionFailed"), head(OURS)]).await;
        let error = server.complete(IfExists::Keep).await.unwrap_err();
        assert_eq!((error.kind, error.retry), (ErrorKind::Unreachable, Retry::Backoff), "{lost:?}: {error}");
        assert_eq!(server.complete(IfExists::Keep).await.unwrap(), Completed::Created, "{lost:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replacing_is_not_conditional() {
    let server = Server::start(vec![completed(), refuse(404, "NoSuchUpload"), head(OURS), refuse(404, "NoSuchUpload"), head(OTHERS)]).await;
    assert_eq!(server.complete(IfExists::Replace).await.unwrap(), Completed::Created);
    assert_eq!(server.complete(IfExists::Replace).await.unwrap(), Completed::Created);
    assert_eq!(server.complete(IfExists::Replace).await.unwrap_err().retry, Retry::Reopen);
    assert_eq!(server.seen()[0], "post /lake/k?uploadid=id");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_without_conditions_is_looked_at_first() {
    let nothing = || Reply::Answer(404, "", String::new());
    let replies = vec![refuse(501, "NotImplemented"), nothing(), completed(), nothing(), completed(), head(OURS), head(OURS)];
    let server = Server::start(replies).await;
    assert_eq!(server.complete(IfExists::Keep).await.unwrap(), Completed::Created);
    assert_eq!(server.complete(IfExists::Keep).await.unwrap(), Completed::Created);
    assert_eq!(server.complete(IfExists::Keep).await.unwrap(), Completed::Created);
    let plain = "post /lake/k?uploadid=id";
    assert_eq!(server.seen(), [ASK, LOOK, plain, LOOK, plain, LOOK, LOOK]);
}

fn begun() -> Reply {
    ok("<InitiateMultipartUploadResult><UploadId>id</UploadId></InitiateMultipartUploadResult>")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_is_guarded_by_a_checksum_and_not_hashed() {
    let server = Server::start(vec![begun(), Reply::Answer(200, "etag: \"e\"\r\n", String::new())]).await;
    let upload = server.store.begin("k").await.unwrap();
    assert!(upload.0.ends_with("/id"), "{upload:?}");
    let tag = server.store.part("k", &upload, 1, Bytes::from_static(b"text")).await.unwrap();
    assert_eq!((tag.number, tag.etag.as_str()), (1, "\"e\""));
    assert_eq!(server.seen(), ["post /lake/k?uploads", "put /lake/k?x-id=uploadpart&partnumber=1&uploadid=id crc64 unsigned"]);
    let error = server.store.part("k", &upload, 10_001, Bytes::new()).await.unwrap_err();
    assert!(error.kind == ErrorKind::Invalid && error.help.unwrap().contains("flush.bytes"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_without_checksums_is_not_asked_for_them() {
    let sent = || Reply::Answer(200, "etag: \"e\"\r\n", String::new());
    let server = Server::start(vec![refuse(400, "InvalidArgument"), begun(), sent(), begun(), sent()]).await;
    let upload = server.store.begin("k").await.unwrap();
    server.store.part("k", &upload, 1, Bytes::from_static(b"text")).await.unwrap();
    server.store.begin("k").await.unwrap();
    server.store.put("k", Bytes::from_static(b"text")).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 5);
    assert!(seen.iter().all(|request| !request.contains("crc64")), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_says_what_to_do() {
    for (reply, kind, retry, said) in [
        (refuse(403, "AccessDenied"), ErrorKind::Denied, Retry::No, "login \"key\" has no right to it (403 AccessDenied: said so)"),
        (refuse(403, "RequestTimeTooSkewed"), ErrorKind::Unreachable, Retry::Backoff, "this machine's clock is wrong"),
        (refuse(400, "ExpiredToken"), ErrorKind::Denied, Retry::No, "whose time is over"),
        (refuse(404, "NoSuchBucket"), ErrorKind::Missing, Retry::No, "bucket \"lake\" does not exist"),
        (refuse(301, "PermanentRedirect"), ErrorKind::Invalid, Retry::No, "another region"),
        (refuse(503, "SlowDown"), ErrorKind::Unreachable, Retry::Backoff, "503 SlowDown"),
        (Reply::Cut, ErrorKind::Unreachable, Retry::Backoff, "cannot write s3://lake/k: "),
    ] {
        let server = Server::start(vec![reply.clone()]).await;
        let error = server.store.begin("k").await.unwrap_err();
        assert_eq!((error.kind, error.retry), (kind, retry), "{reply:?}: {error}");
        assert!(error.message.contains(said), "{error}");
        assert!(!format!("{error:?}").contains("hidden-secret"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn options_that_do_not_go_together_are_refused() {
    let mut half = options("http://127.0.0.1:9");
    half.remove("credentials.secret_key");
    let error = open(half, &[route("lake")]).map(drop).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert_eq!(error.message, "s3: `credentials.access_key` is given without `credentials.secret_key`");

    let error = open(options("http://127.0.0.1:9"), &[route("a"), route("b")]).map(drop).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Bug);

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, "no certificate").unwrap();
    for (ca, kind) in [(file.to_str().unwrap(), ErrorKind::Invalid), ("/does/not/exist", ErrorKind::LocalIo)] {
        let mut given = options("https://127.0.0.1:9");
        given.insert("tls.ca".into(), OptionValue::Text(ca.to_owned()));
        assert_eq!(open(given, &[route("lake")]).map(drop).unwrap_err().kind, kind, "{ca}");
    }
}

fn page(keys: &[&str], next: Option<&str>) -> Reply {
    let contents: String = keys
        .iter()
        .map(|key| {
            format!("<Contents><Key>{key}</Key><Size>{}</Size><LastModified>1970-01-01T00:00:07.000Z</LastModified></Contents>", key.len())
        })
        .collect();
    let next = next.map(|token| format!("<NextContinuationToken>{token}</NextContinuationToken>")).unwrap_or_default();
    ok(&format!("<ListBucketResult><IsTruncated>{}</IsTruncated>{contents}{next}</ListBucketResult>", !next.is_empty()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_read_page_by_page() {
    let server =
        Server::start(vec![page(&["p/a", "p/bb"], Some("more")), page(&["p/ccc"], None), page(&["p/a", "p/b"], Some("more"))]).await;
    let found = server.store.list("p/", "", 100).await.unwrap();
    let listed = |key: &str, bytes| Listed { key: key.to_owned(), bytes, modified_ms: 7_000 };
    assert_eq!(found, [listed("p/a", 3), listed("p/bb", 4), listed("p/ccc", 5)]);
    assert_eq!(server.store.list("p/", "", 2).await.unwrap().len(), 2);
    let seen = server.seen();
    assert_eq!(seen.len(), 3, "what is not wanted is not asked for");
    assert!(seen[0].contains("max-keys=100") && seen[1].contains("max-keys=98") && seen[1].contains("continuation-token=more"), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_object_is_read_whole_or_not_at_all() {
    let large = Reply::Answer(200, "", "x".repeat(16 * 1024 * 1024 + 1));
    let server =
        Server::start(vec![ok(""), refuse(404, "NoSuchKey"), refuse(404, "NoSuchBucket"), refuse(403, "AccessDenied"), large]).await;
    assert_eq!(server.store.get("k").await.unwrap().unwrap(), "<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    assert_eq!(server.store.get("k").await.unwrap(), None);
    assert_eq!(server.store.get("k").await.unwrap_err().kind, ErrorKind::Missing);
    assert_eq!(server.store.get("k").await.unwrap_err().kind, ErrorKind::Denied);
    let error = server.store.get("k").await.unwrap_err();
    assert_eq!(error.message, "s3://lake/k is larger than 16 MiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_its_content_is_no_success() {
    let server = Server::start(vec![ok("<InitiateMultipartUploadResult/>"), Reply::Answer(200, "", String::new())]).await;
    assert_eq!(server.store.begin("k").await.unwrap_err().kind, ErrorKind::Invalid);
    let upload = UploadId("mark/id".into());
    let error = server.store.part("k", &upload, 1, Bytes::new()).await.unwrap_err();
    assert!(error.message.ends_with("a part was taken without an ETag"), "{error}");
    assert_eq!(server.store.abort("k", &UploadId("no mark".into())).await.unwrap_err().kind, ErrorKind::Bug);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_names_every_missing_bucket_once() {
    let server = Server::start(vec![refuse(404, "NoSuchBucket"), page(&[], None)]).await;
    let routes = [route("a"), route("b"), route("a")];
    let found = with(options(&server.endpoint), &routes, CONNECTOR.inspect.unwrap()).unwrap();
    assert_eq!(found.missing.len(), 1);
    assert!(found.missing[0].message.ends_with("bucket \"a\" does not exist"), "{:?}", found.missing);
    assert!(found.missing[0].help.as_ref().unwrap().starts_with("create the bucket"), "{:?}", found.missing);
    let seen = server.seen();
    assert!(seen.len() == 2 && seen[0].starts_with("get /a/?") && seen[1].starts_with("get /b/?"), "{seen:?}");

    let server = Server::start(vec![refuse(403, "SignatureDoesNotMatch")]).await;
    let error = with(options(&server.endpoint), &routes, CONNECTOR.inspect.unwrap()).unwrap_err();
    assert!(error.kind == ErrorKind::Denied && error.help.unwrap().contains("credentials.secret_key"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plan_lies_below_the_prefix_of_the_first_statement() {
    let server = Server::start(vec![refuse(404, "NoSuchKey"), Reply::Answer(200, "", String::new()), refuse(403, "AccessDenied")]).await;
    let mut plans = with(options(&server.endpoint), &[route("lake"), route("other")], CONNECTOR.plans.unwrap()).unwrap();
    assert_eq!(plans.read("orders").unwrap(), None);
    plans.write("orders", b"{}").unwrap();
    assert_eq!(plans.write("orders", b"{}").unwrap_err().kind, ErrorKind::Denied);
    let seen = server.seen();
    assert!(seen.iter().all(|request| request.contains("/lake/p/.kpipe/orders/plan.json")), "{seen:?}");
    assert!(with(options(&server.endpoint), &[], CONNECTOR.plans.unwrap()).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_carry_what_the_options_say() {
    let server = Server::start(vec![begun(), begun(), begun()]).await;
    let mut given = options(&server.endpoint);
    given.insert("region".into(), OptionValue::Text("eu-north-7".into()));
    given.insert("credentials.session_token".into(), OptionValue::Secret(SecretRef::Inline { place: "x".into(), value: "tok".into() }));
    let store = open(given.clone(), &[route("lake")]).unwrap();
    store.begin("k").await.unwrap();
    assert_eq!(store.place(), "s3://lake");

    // Another secret is another client, although nothing else differs.
    let secret = SecretRef::Inline { place: "a.yaml:7".into(), value: "another".into() };
    given.insert("credentials.secret_key".into(), OptionValue::Secret(secret));
    open(given, &[route("lake")]).unwrap().begin("k").await.unwrap();

    let mut unset = options(&server.endpoint);
    unset.insert("credentials.secret_key".into(), OptionValue::Secret(SecretRef::Env("S3_SECRET".into())));
    let error = open(unset, &[route("lake")]).map(drop).unwrap_err();
    assert_eq!(error.message, "(secret env:S3_SECRET) is not set");
    assert_eq!(server.seen(), ["post /lake/k?uploads region token", "post /lake/k?uploads region token"]);
}

/// What is asked of a store.
#[derive(Clone, Copy, Debug)]
enum Ask {
    Begin,
    Part,
    Complete,
    Abort,
    Get,
    Put,
    Create,
    List,
    Remove,
}

impl Ask {
    const ALL: [Self; 9] =
        [Self::Begin, Self::Part, Self::Complete, Self::Abort, Self::Get, Self::Put, Self::Create, Self::List, Self::Remove];

    async fn of(self, store: &dyn FileStore) -> Result<(), ConnectorError> {
        let upload = UploadId("mark/id".into());
        let part = PartTag { number: 1, etag: "e".into(), checksum: None, content: Some(CONTENT) };
        match self {
            Self::Begin => store.begin("k").await.map(drop),
            Self::Part => store.part("k", &upload, 1, Bytes::from(vec![b'x'; 4 << 20])).await.map(drop),
            Self::Complete => store.complete("k", &upload, &[part], IfExists::Keep).await.map(drop),
            Self::Abort => store.abort("k", &upload).await,
            Self::Get => store.get("k").await.map(drop),
            Self::Put => store.put("k", Bytes::from(vec![b'x'; 4 << 20])).await,
            Self::Create => store.create("k", Bytes::from(vec![b'x'; 4 << 20])).await.map(drop),
            Self::List => store.list("k", "", 10).await.map(drop),
            Self::Remove => store.remove(&["k".to_owned()]).await,
        }
    }

    /// An answer that is what was asked for.
    fn success(self) -> Reply {
        match self {
            Self::Begin => begun(),
            Self::Part => Reply::Answer(200, "etag: \"e\"\r\n", String::new()),
            Self::Complete => completed(),
            Self::Abort | Self::Remove => Reply::Answer(204, "", String::new()),
            Self::Get | Self::Put | Self::Create => Reply::Answer(200, "", String::new()),
            Self::List => page(&[], None),
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::Begin | Self::Part | Self::Put | Self::Create => "cannot write s3://lake/k: ",
            Self::Complete => "cannot complete s3://lake/k: ",
            Self::Abort => "cannot give up an upload to s3://lake/k: ",
            Self::Get => "cannot read s3://lake/k: ",
            Self::List => "cannot list ",
            Self::Remove => "cannot remove s3://lake/k: ",
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_asked_for_is_worth_a_second_attempt_after_an_outage() {
    let outages = [
        refuse(503, "SlowDown"),
        refuse(500, "InternalError"),
        refuse(429, "Throttling"),
        refuse(400, "RequestTimeout"),
        Reply::Answer(502, "", "<html>a proxy</html>".into()),
        Reply::Cut,
        Reply::CutEarly,
    ];
    for ask in Ask::ALL {
        for outage in &outages {
            let server = Server::start(vec![outage.clone(), ask.success()]).await;
            let error = ask.of(&*server.store).await.unwrap_err();
            assert_eq!((error.kind, error.retry), (ErrorKind::Unreachable, Retry::Backoff), "{ask:?} {outage:?}: {error}");
            assert!(error.message.contains(ask.what()), "{ask:?} {outage:?}: {error}");
            assert!(!format!("{error:?}").contains("hidden-secret"));
            ask.of(&*server.store).await.unwrap_or_else(|error| panic!("{ask:?} after {outage:?}: {error}"));
            assert_eq!(server.seen().len(), 2, "{ask:?}: the client repeats nothing by itself");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_asked_for_a_refusal_is_not_asked_again() {
    for ask in Ask::ALL {
        for (reply, kind, help) in [
            (refuse(403, "AccessDenied"), ErrorKind::Denied, "s3:PutObject"),
            (refuse(403, "InvalidAccessKeyId"), ErrorKind::Denied, "credentials.access_key"),
            (refuse(403, "SignatureDoesNotMatch"), ErrorKind::Denied, "credentials.secret_key"),
            (refuse(404, "NoSuchBucket"), ErrorKind::Missing, "create the bucket"),
            (refuse(301, "PermanentRedirect"), ErrorKind::Invalid, "`region`"),
        ] {
            let server = Server::start(vec![reply.clone()]).await;
            let error = ask.of(&*server.store).await.unwrap_err();
            assert_eq!((error.kind, error.retry), (kind, Retry::No), "{ask:?} {reply:?}: {error}");
            assert!(error.help.as_deref().unwrap_or_default().contains(help), "{ask:?} {reply:?}: {:?}", error.help);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_whose_upload_is_gone_makes_the_task_start_again() {
    let server = Server::start(vec![refuse(404, "NoSuchUpload"), refuse(404, "NoSuchUpload"), refuse(404, "NoSuchKey")]).await;
    let error = Ask::Part.of(&*server.store).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (ErrorKind::Missing, Retry::Reopen), "{error}");
    Ask::Abort.of(&*server.store).await.unwrap();
    Ask::Abort.of(&*server.store).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_without_a_server_is_an_outage() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let store = open(options(&format!("http://{free}")), &[route("lake")]).unwrap();
    for ask in Ask::ALL {
        let error = ask.of(&*store).await.unwrap_err();
        assert_eq!((error.kind, error.retry), (ErrorKind::Unreachable, Retry::Backoff), "{ask:?}: {error}");
        assert!(error.message.contains(&free.to_string()) && error.message.ends_with("connection refused"), "{error}");
    }
}
