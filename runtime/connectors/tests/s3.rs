//! The `s3` connector against a real server: `scripts/services up s3`, then `eval "$(scripts/services env)"`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics, in its helpers too")]

mod conformance;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kpipe_compiler::plan::{
    Compression, Decode, Endpoint, FileFormat, FileTail, Naming, OptionValue, Options, Route, SecretRef, Tail, ValueFormat,
};
use kpipe_connectors::ALL;
use kpipe_engine::connector::{Completed, ConnectorDef, FileStore, IfExists, OpenRequest, PART_BYTES_MIN, Secrets};
use kpipe_engine::error::{ConnectorError, ErrorKind, Retry};
use tokio::runtime::Handle;

struct InTheFile;

impl Secrets for InTheFile {
    fn read(&self, secret: &SecretRef) -> Result<String, ConnectorError> {
        match secret {
            SecretRef::Inline { value, .. } => Ok(value.clone()),
            SecretRef::Env(_) | SecretRef::File(_) => panic!("not in this test"),
        }
    }
}

fn s3() -> &'static ConnectorDef {
    ALL.iter().find(|def| def.spec.name == "s3").unwrap()
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: eval \"$(scripts/services env)\""))
}

/// Logs in to the real server, or to another address.
struct Login {
    endpoint: String,
    ca: Option<String>,
    user: String,
    password: String,
    bucket: String,
    prefix: String,
}

impl Login {
    fn new(prefix: &str) -> Self {
        Self {
            endpoint: variable("KPIPE_TEST_S3"),
            ca: None,
            user: variable("KPIPE_TEST_USER"),
            password: variable("KPIPE_TEST_PASSWORD"),
            bucket: variable("KPIPE_TEST_S3_BUCKET"),
            prefix: format!("connector-tests/{prefix}-{}-{:?}", std::process::id(), Instant::now()).replace([' ', '{', '}', ':', ','], ""),
        }
    }

    fn with<T>(&self, work: impl FnOnce(&OpenRequest<'_>) -> T) -> T {
        let text = |text: &str| OptionValue::Text(text.to_owned());
        let secret = SecretRef::Inline { place: "here".into(), value: self.password.clone() };
        let mut options = BTreeMap::from([
            ("endpoint".to_owned(), text(&self.endpoint)),
            ("region".to_owned(), text("us-east-1")),
            ("credentials.access_key".to_owned(), text(&self.user)),
            ("credentials.secret_key".to_owned(), OptionValue::Secret(secret)),
        ]);
        if let Some(ca) = &self.ca {
            options.insert("tls.ca".to_owned(), text(ca));
        }
        let route = Route {
            statement: String::new(),
            from: "t".into(),
            decode: Decode { format: ValueFormat::Bytes, columns: Vec::new() },
            filter: None,
            project: None,
            tail: Tail::Files(FileTail {
                bucket: self.bucket.clone(),
                prefix: self.prefix.clone(),
                partition: Vec::new(),
                keep_partition_columns: true,
                format: FileFormat::Json { compression: Compression::None },
                naming: Naming::Kpipe,
            }),
        };
        work(&OpenRequest {
            pipeline: "connector-tests",
            task: 0,
            endpoint: &Endpoint { connector: "s3".into(), options: Options(options) },
            routes: &[route],
            secrets: &InTheFile,
            runtime: Handle::current(),
            starts_in_sink: false,
        })
    }

    fn store(&self) -> Arc<dyn FileStore> {
        self.with(s3().store.unwrap()).unwrap()
    }

    fn inspect(&self) -> Result<kpipe_engine::connector::Inspection, ConnectorError> {
        self.with(s3().inspect.unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_keeps_what_stores_promise() {
    for behaviour in conformance::STORE {
        let login = Login::new(behaviour.name);
        (behaviour.check)(&*login.store(), &login.prefix).await;
    }
}

/// What answers, by its own words.
fn server() -> String {
    let address = variable("KPIPE_TEST_S3").replace("http://", "");
    let mut connection = std::net::TcpStream::connect(&address).unwrap();
    write!(connection, "GET / HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).lines().find_map(|line| line.strip_prefix("Server: ")).unwrap_or("?").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_of_others_are_seen_where_the_server_shows_them() {
    let (login, another) = (Login::new("uploads"), Login::new("uploads"));
    let key = format!("{}/a", login.prefix);
    let upload = another.store().begin(&key).await.unwrap();
    let server = server();
    match login.store().uploads(&login.prefix, 10).await.unwrap() {
        Some(found) => assert!(found.len() == 1 && found[0].upload.is_same(&upload), "{server}: {found:?}"),
        None => assert!(server.contains("MinIO"), "{server} lists uploads by prefix"),
    }
    assert_eq!(login.store().stat(&key).await.unwrap(), None);
    another.store().abort(&key, &upload).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_parts_is_known_by_mark_and_checksum() {
    let login = Login::new("stat");
    let (store, key) = (login.store(), format!("{}/a", login.prefix));
    let upload = store.begin(&key).await.unwrap();
    let parts = [Bytes::from(vec![b'x'; PART_BYTES_MIN]), Bytes::from_static(b"123456789")];
    let tags =
        [store.part(&key, &upload, 1, parts[0].clone()).await.unwrap(), store.part(&key, &upload, 2, parts[1].clone()).await.unwrap()];
    store.complete(&key, &upload, &tags, IfExists::Keep).await.unwrap();
    let found = store.stat(&key).await.unwrap().unwrap();
    assert_eq!((found.bytes, found.upload.as_deref()), (PART_BYTES_MIN as u64 + 9, Some(upload.mark())));
    let whole = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, &parts.concat());
    assert_eq!(found.crc64, Some(whole), "both servers keep it");
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_carry_a_checksum() {
    let login = Login::new("checksum");
    let (store, key) = (login.store(), format!("{}/a", login.prefix));
    let upload = store.begin(&key).await.unwrap();
    let tag = store.part(&key, &upload, 1, Bytes::from_static(b"123456789")).await.unwrap();
    assert_eq!(tag.checksum.as_deref(), Some("rosUhgp5mIg="), "the published check value of CRC64NVME");
    let mut wrong = tag.clone();
    wrong.checksum = Some("AAAAAAAAAAA=".into());
    let error = store.complete(&key, &upload, &[wrong], IfExists::Keep).await.unwrap_err();
    // Parts as they were named are not there: what a store says too that has lost them.
    assert_eq!(error.kind, ErrorKind::Missing, "{error}");
    assert_eq!(store.complete(&key, &upload, &[tag], IfExists::Keep).await.unwrap(), Completed::Created);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_finds_the_bucket() {
    let login = Login::new("look");
    let found = login.inspect().unwrap();
    assert_eq!(found.system, format!("S3 at {}", login.endpoint));
    assert_eq!(found.missing, []);
    let mut plans = login.with(s3().plans.unwrap()).unwrap();
    assert_eq!(plans.read("orders").unwrap(), None);
    plans.write("orders", b"{\"version\":1}").unwrap();
    assert_eq!(plans.read("orders").unwrap().unwrap(), b"{\"version\":1}");
    let key = format!("{}/.kpipe/orders/plan.json", login.prefix);
    let listed = login.store().list(&login.prefix, "", 5).await.unwrap();
    assert_eq!(listed.into_iter().map(|found| (found.key, found.bytes)).collect::<Vec<_>>(), [(key, 13)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_bucket_is_missing() {
    let login = Login { bucket: "kpipe-not-there".into(), ..Login::new("missing") };
    let found = login.inspect().unwrap();
    assert_eq!(found.missing[0].message, format!("s3 at {}: bucket \"kpipe-not-there\" does not exist", login.endpoint));
    assert_eq!(found.missing[0].help.as_deref(), Some("create the bucket, or correct the target of the statement"));
    let error = login.store().begin("a").await.unwrap_err();
    assert_eq!((error.kind, error.retry), (ErrorKind::Missing, Retry::No), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_denied() {
    let login = Login { user: "stranger".into(), ..Login::new("stranger") };
    for error in [login.inspect().map(drop).unwrap_err(), login.store().begin("a").await.map(drop).unwrap_err()] {
        assert_eq!((error.kind, error.retry), (ErrorKind::Denied, Retry::No), "{error}");
        assert!(error.message.contains("login \"stranger\" has no right to it"), "{error}");
        assert!(error.help.unwrap().contains("s3:PutObject"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_denied() {
    let login = Login { password: "not-the-secret".into(), ..Login::new("secret") };
    let error = login.inspect().unwrap_err();
    assert_eq!((error.kind, error.retry), (ErrorKind::Denied, Retry::No), "{error}");
    assert!(error.message.contains("login \"kpipe\" has another secret key"), "{error}");
    assert!(!format!("{error:?}").contains("not-the-secret"));

    let login = Login { user: "nobody".into(), ..Login::new("user") };
    let error = login.inspect().unwrap_err();
    assert!(error.kind == ErrorKind::Denied && error.message.contains("login \"nobody\" is not known"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_port_is_unreachable() {
    let login = Login { endpoint: "http://127.0.0.1:9".into(), ..Login::new("port") };
    let error = login.inspect().unwrap_err();
    assert_eq!((error.kind, error.retry), (ErrorKind::Unreachable, Retry::Backoff));
    assert!(error.message.ends_with("connection refused"), "{error}");
}

/// A store behind TLS that has the bucket and nothing in it. Returns its address.
fn serve_tls() -> String {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let etc = std::path::PathBuf::from(variable("KPIPE_TEST_CA")).parent().unwrap().to_owned();
    let chain: Vec<_> = CertificateDer::pem_file_iter(etc.join("server.pem")).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(etc.join("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut session = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut connection = connection.unwrap();
            let mut stream = rustls::Stream::new(&mut session, &mut connection);
            let mut request = [0; 8192];
            // A client that does not trust the certificate goes away here.
            if stream.read(&mut request).is_ok_and(|read| read > 0) {
                let body = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
                write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
                stream.conn.send_close_notify();
                stream.flush().unwrap();
            }
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_checked() {
    let endpoint = serve_tls();
    let trusting = Login { endpoint: endpoint.clone(), ca: Some(variable("KPIPE_TEST_CA")), ..Login::new("tls") };
    assert_eq!(trusting.inspect().unwrap().system, format!("S3 at {endpoint}"));
    let error = Login { endpoint, ..Login::new("tls") }.inspect().unwrap_err();
    assert_eq!((error.kind, error.retry), (ErrorKind::Unreachable, Retry::Backoff));
    assert!(error.message.contains("certificate") && error.help.unwrap().contains("tls.ca"), "{}", error.message);
}

fn services(command: &str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/services");
    let done = Command::new(script).args([command, "s3"]).status().unwrap();
    assert!(done.success(), "{script} {command} s3");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_after_a_pause() {
    let login = Login::new("pause");
    let (store, key) = (login.store(), format!("{}/a", login.prefix));
    let data = Bytes::from(vec![b'x'; PART_BYTES_MIN]);
    let upload = store.begin(&key).await.unwrap();
    let first = store.part(&key, &upload, 1, data.clone()).await.unwrap();
    services("pause");
    let started = Instant::now();
    let (second, ()) = tokio::join!(store.part(&key, &upload, 2, data.clone()), async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        tokio::task::block_in_place(|| services("resume"));
    });
    assert!(started.elapsed() > Duration::from_secs(2), "the server was not paused");
    let tags = [first, second.unwrap()];
    assert_eq!(store.complete(&key, &upload, &tags, IfExists::Keep).await.unwrap(), Completed::Created);
    assert_eq!(store.list(&key, "", 1).await.unwrap()[0].bytes, 2 * PART_BYTES_MIN as u64);
}
