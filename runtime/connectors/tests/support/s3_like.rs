//! A server that speaks as much of S3 as kpipe asks for, in memory, on threads. It checks no signatures. What a store may lack can be
//! switched off: above all create-only writes, which some stores take without a word and ignore.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What the store does with `If-None-Match: *`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conditions {
    /// Refuses the second write, as S3 does.
    Honoured,
    /// Writes as if nothing had been said.
    Ignored,
    /// Answers 501.
    NotImplemented,
}

/// What a store may lack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traits {
    /// What becomes of conditions.
    pub(crate) conditions: Conditions,
    /// False: uploads under way are listed by their whole key only.
    pub(crate) lists_uploads: bool,
}

/// The server; it ends with the process.
pub(crate) struct S3Like {
    /// `http://127.0.0.1:port`.
    pub(crate) endpoint: String,
    requests: Arc<AtomicUsize>,
}

impl S3Like {
    /// Starts it. Every bucket is there.
    pub(crate) fn start(traits: Traits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let endpoint = format!("http://{}", listener.local_addr().expect("it is bound"));
        let (state, requests) = (Arc::new(Mutex::new(State::default())), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&requests);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (state, counted) = (Arc::clone(&state), Arc::clone(&counted));
                std::thread::spawn(move || serve(connection, traits, &state, &counted));
            }
        });
        Self { endpoint, requests }
    }

    /// Requests so far.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

#[derive(Default)]
struct State {
    /// By bucket and key.
    objects: BTreeMap<String, Object>,
    uploads: BTreeMap<String, Upload>,
    last_upload: u64,
}

#[derive(Clone)]
struct Object {
    data: Vec<u8>,
    mark: String,
}

struct Upload {
    name: String,
    mark: String,
    parts: BTreeMap<u32, Vec<u8>>,
}

struct Request {
    method: String,
    /// Bucket and key.
    name: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

/// Status, headers, body.
type Reply = (u16, String, Vec<u8>);

const WRITTEN: &str = "2026-01-01T00:00:00.000Z";

fn serve(connection: TcpStream, traits: Traits, state: &Mutex<State>, counted: &AtomicUsize) {
    let Ok(mut answers) = connection.try_clone() else { return };
    let mut reader = BufReader::new(connection);
    while let Some(request) = read(&mut reader) {
        counted.fetch_add(1, Ordering::SeqCst);
        let is_head = request.method == "HEAD";
        let (status, headers, body) = answer(&request, traits, &mut state.lock().unwrap_or_else(PoisonError::into_inner));
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
        let sent = answers.write_all(head.as_bytes()).and_then(|()| if is_head { Ok(()) } else { answers.write_all(&body) });
        if sent.is_err() {
            return;
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0).map(|_| line.trim_end().to_owned())
    };
    let first = line()?;
    let mut words = first.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let line = line()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(Some(0), |length| length.parse().ok())?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let query = pairs.map(|(name, value)| (name.to_owned(), decoded(value))).collect();
    Some(Request { method, name: decoded(path.trim_start_matches('/')), query, headers, body })
}

/// Without its escapes.
fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, tail @ ..] = rest {
        let code = tail.get(..2).and_then(|code| std::str::from_utf8(code).ok()).and_then(|code| u8::from_str_radix(code, 16).ok());
        match code.filter(|_| *first == b'%') {
            Some(byte) => (bytes.push(byte), rest = &tail[2..]).1,
            None => (bytes.push(*first), rest = tail).1,
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn xml(body: &str) -> Reply {
    (200, "content-type: application/xml\r\n".into(), format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{body}").into_bytes())
}

fn refused(status: u16, code: &str) -> Reply {
    (status, String::new(), format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>").into_bytes())
}

fn done(status: u16) -> Reply {
    (status, "etag: \"e\"\r\n".into(), Vec::new())
}

fn answer(request: &Request, traits: Traits, state: &mut State) -> Reply {
    let Request { method, name, query, headers, body } = request;
    let has = |word: &str| query.contains_key(word);
    let upload = query.get("uploadId").cloned().unwrap_or_default();
    match method.as_str() {
        "GET" if has("list-type") => objects(request, state),
        "GET" if has("uploads") => uploads(request, traits, state),
        "GET" | "HEAD" => match state.objects.get(name) {
            Some(Object { data, mark }) => {
                let mark = if mark.is_empty() { String::new() } else { format!("x-amz-meta-kpipe-upload: {mark}\r\n") };
                let headers = format!("etag: \"e\"\r\nlast-modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n{mark}");
                (200, headers, data.clone())
            }
            None => refused(404, "NoSuchKey"),
        },
        "PUT" if has("partNumber") => match state.uploads.get_mut(&upload) {
            Some(open) => {
                open.parts.insert(query["partNumber"].parse().unwrap_or(0), body.clone());
                done(200)
            }
            None => refused(404, "NoSuchUpload"),
        },
        "PUT" => put(state, name, Object { data: body.clone(), mark: String::new() }, headers, traits).unwrap_or_else(|| done(200)),
        "POST" if has("uploads") => {
            state.last_upload += 1;
            let id = format!("upload/{}", state.last_upload);
            let mark = headers.get("x-amz-meta-kpipe-upload").cloned().unwrap_or_default();
            state.uploads.insert(id.clone(), Upload { name: name.clone(), mark, parts: BTreeMap::new() });
            xml(&format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"))
        }
        "POST" if has("delete") => {
            let body =
                String::from_utf8_lossy(body).replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
            for key in body.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next()) {
                state.objects.remove(&format!("{}/{key}", name.trim_end_matches('/')));
            }
            xml("<DeleteResult></DeleteResult>")
        }
        "POST" => complete(request, &upload, traits, state),
        "DELETE" if has("uploadId") => match state.uploads.remove(&upload) {
            Some(_) => done(204),
            None => refused(404, "NoSuchUpload"),
        },
        "DELETE" => {
            state.objects.remove(name);
            done(204)
        }
        _ => refused(405, "MethodNotAllowed"),
    }
}

/// Writes an object, or says why not.
fn put(state: &mut State, name: &str, object: Object, headers: &BTreeMap<String, String>, traits: Traits) -> Option<Reply> {
    if headers.contains_key("if-none-match") {
        match traits.conditions {
            Conditions::Honoured if state.objects.contains_key(name) => return Some(refused(412, "PreconditionFailed")),
            Conditions::NotImplemented => return Some(refused(501, "NotImplemented")),
            Conditions::Honoured | Conditions::Ignored => {}
        }
    }
    state.objects.insert(name.to_owned(), object);
    None
}

fn complete(request: &Request, id: &str, traits: Traits, state: &mut State) -> Reply {
    let Some(Upload { name, mark, parts }) = state.uploads.remove(id) else { return refused(404, "NoSuchUpload") };
    let object = Object { data: parts.values().flatten().copied().collect(), mark: mark.clone() };
    if let Some(reply) = put(state, &name, object, &request.headers, traits) {
        // What was refused can be asked for again.
        state.uploads.insert(id.to_owned(), Upload { name, mark, parts });
        return reply;
    }
    xml("<CompleteMultipartUploadResult><ETag>\"e\"</ETag></CompleteMultipartUploadResult>")
}

/// The bucket of a request with a slash, and the names that it asks for.
fn asked(request: &Request) -> (String, String) {
    let bucket = format!("{}/", request.name.trim_end_matches('/'));
    let prefix = request.query.get("prefix").cloned().unwrap_or_default();
    (bucket.clone(), bucket + &prefix)
}

fn number(request: &Request, name: &str) -> usize {
    request.query.get(name).and_then(|number| number.parse().ok()).unwrap_or(1000)
}

fn objects(request: &Request, state: &State) -> Reply {
    let (bucket, prefix) = asked(request);
    let after = request.query.get("continuation-token").or_else(|| request.query.get("start-after"));
    let after = format!("{bucket}{}", after.cloned().unwrap_or_default());
    let mut found = state.objects.iter().filter(|(name, _)| name.starts_with(&prefix) && **name > after);
    let page: Vec<_> = found.by_ref().take(number(request, "max-keys")).collect();
    let mut body: String = page
        .iter()
        .map(|(name, object)| {
            let (key, bytes) = (escaped(&name[bucket.len()..]), object.data.len());
            format!("<Contents><Key>{key}</Key><LastModified>{WRITTEN}</LastModified><Size>{bytes}</Size></Contents>")
        })
        .collect();
    let is_cut = found.next().is_some();
    if let Some((last, _)) = page.last().filter(|_| is_cut) {
        body += &format!("<NextContinuationToken>{}</NextContinuationToken>", escaped(&last[bucket.len()..]));
    }
    xml(&format!("<ListBucketResult><IsTruncated>{is_cut}</IsTruncated>{body}</ListBucketResult>"))
}

fn uploads(request: &Request, traits: Traits, state: &State) -> Reply {
    let (bucket, prefix) = asked(request);
    let is_asked = |name: &str| if traits.lists_uploads { name.starts_with(&prefix) } else { name == prefix };
    let mut found: Vec<_> = state.uploads.iter().filter(|(_, upload)| is_asked(&upload.name)).map(|(id, open)| (&open.name, id)).collect();
    found.sort();
    let marker = request.query.get("key-marker").map(|key| (format!("{bucket}{key}"), request.query.get("upload-id-marker")));
    if let Some((key, id)) = marker {
        found.retain(|at| (at.0, at.1) > (&key, id.unwrap_or(&String::new())));
    }
    let is_cut = found.len() > number(request, "max-uploads");
    found.truncate(number(request, "max-uploads"));
    let mut body: String = found
        .iter()
        .map(|(name, id)| {
            let key = escaped(&name[bucket.len()..]);
            format!("<Upload><Key>{key}</Key><UploadId>{id}</UploadId><Initiated>{WRITTEN}</Initiated></Upload>")
        })
        .collect();
    if let Some((name, id)) = found.last().filter(|_| is_cut) {
        let key = escaped(&name[bucket.len()..]);
        body += &format!("<NextKeyMarker>{key}</NextKeyMarker><NextUploadIdMarker>{id}</NextUploadIdMarker>");
    }
    xml(&format!("<ListMultipartUploadsResult><IsTruncated>{is_cut}</IsTruncated>{body}</ListMultipartUploadsResult>"))
}
