//! The binary as a process: exit codes, streams, signals, what it serves.

#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const PIPELINE: &str = "\
version: 1
pipeline: lines
source:
  file:
    dir: in
    mode: MODE
    value: { format: json, schema: { id: bigint not null, site: string } }
sink:
  local: { dir: out, format: parquet, flush: { interval: 1h, idle: 1h } }
kcql: |
  INSERT INTO lines SELECT * FROM `*.jsonl` PARTITIONBY site
";

fn workplace(mode: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("pipeline.yaml"), PIPELINE.replace("MODE", mode)).unwrap();
    fs::create_dir(dir.path().join("in")).unwrap();
    let lines: String = (0..100).map(|id| format!("{{\"id\":{id},\"site\":\"s{}\"}}\n", id % 3)).collect();
    fs::write(dir.path().join("in/a.jsonl"), lines).unwrap();
    dir
}

fn kpipe(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kpipe"));
    command.current_dir(dir).args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn ran(dir: &Path, args: &[&str]) -> (i32, String, String) {
    let output = kpipe(dir, args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

/// Waits for the end, at most half a minute.
fn end(mut child: Child) -> i32 {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code().unwrap();
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("it does not end");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What a process says on standard error.
struct Said {
    lines: BufReader<ChildStderr>,
    seen: String,
}

impl Said {
    fn of(child: &mut Child) -> Self {
        Self { lines: BufReader::new(child.stderr.take().unwrap()), seen: String::new() }
    }

    /// Reads until it has said `words`.
    fn wait_for(&mut self, words: &str) {
        while !self.seen.contains(words) {
            assert!(self.lines.read_line(&mut self.seen).unwrap() > 0, "`{words}` never came:\n{}", self.seen);
        }
    }

    /// Goes on reading so that the process never waits for us; all that it ever said.
    fn rest(mut self) -> JoinHandle<String> {
        std::thread::spawn(move || {
            self.lines.read_to_string(&mut self.seen).unwrap();
            self.seen
        })
    }
}

/// Waits until the process has said `words`, and lets it talk on.
fn wait_for(child: &mut Child, words: &str) -> String {
    let mut said = Said::of(child);
    said.wait_for(words);
    let seen = said.seen.clone();
    said.rest();
    seen
}

fn parquet_files(dir: &Path) -> usize {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    entries
        .map(|entry| entry.unwrap().path())
        .map(|path| if path.is_dir() { parquet_files(&path) } else { usize::from(path.extension().is_some_and(|e| e == "parquet")) })
        .sum()
}

#[test]
fn usage_and_unreadable_files_have_their_codes() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(ran(dir.path(), &["apply"]).0, 64);
    assert_eq!(ran(dir.path(), &["frobnicate"]).0, 64);
    let (code, out, err) = ran(dir.path(), &["check", "nothing.yaml"]);
    assert_eq!((code, out.as_str()), (74, ""));
    assert!(err.contains("nothing.yaml"), "{err}");
    assert_eq!(ran(dir.path(), &["-C", "nowhere", "check"]).0, 74);
    assert_eq!(ran(dir.path(), &["--help"]).0, 0);
}

#[test]
fn a_batch_job_ends_by_itself_and_the_second_run_finds_nothing_new() {
    let dir = workplace("once");
    let (code, out, err) = ran(dir.path(), &["apply", "pipeline.yaml"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("Plan: 1 to create"), "{out}");
    assert_eq!(parquet_files(&dir.path().join("out")), 3);
    let (code, out, _) = ran(dir.path(), &["plan", "pipeline.yaml", "--detailed-exitcode"]);
    assert!(code == 0 && out.contains("no change"), "{code} {out}");
    assert_eq!(ran(dir.path(), &["apply", "pipeline.yaml"]).0, 0);
    assert_eq!(parquet_files(&dir.path().join("out")), 3);
}

#[test]
fn a_changed_layout_needs_consent_and_a_stale_plan_is_refused() {
    let dir = workplace("once");
    assert_eq!(ran(dir.path(), &["apply", "pipeline.yaml"]).0, 0);
    let file = dir.path().join("pipeline.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace(" PARTITIONBY site", "")).unwrap();
    let (code, out, _) = ran(dir.path(), &["plan", "pipeline.yaml", "--detailed-exitcode", "--out", "next.kplan"]);
    assert!(code == 2 && out.contains("new layout"), "{code} {out}");
    let (code, _, err) = ran(dir.path(), &["apply", "pipeline.yaml"]);
    assert!(code == 15 && err.contains("--yes"), "{code} {err}");
    fs::write(&file, text.replace("1h", "2h")).unwrap();
    let (code, _, err) = ran(dir.path(), &["apply", "next.kplan", "--yes"]);
    assert!(code == 12 && err.contains("pipeline.yaml changed"), "{code} {err}");
    fs::write(&file, text.replace(" PARTITIONBY site", "")).unwrap();
    assert_eq!(ran(dir.path(), &["apply", "next.kplan", "--yes"]).0, 0);
}

#[test]
fn the_first_signal_drains() {
    for name in ["-INT", "-TERM"] {
        let dir = workplace("tail");
        let mut child = kpipe(dir.path(), &["apply", "pipeline.yaml", "-v"]).spawn().unwrap();
        wait_for(&mut child, "100 in");
        assert_eq!(parquet_files(&dir.path().join("out")), 0, "the set is still open");
        signal(&child, name);
        assert_eq!(end(child), 0, "{name}");
        assert_eq!(parquet_files(&dir.path().join("out")), 3, "{name}");
    }
}

/// A store that has an empty bucket, takes the record of the plan, and never answers when files are to be written.
fn hanging_store() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || answer(stream.unwrap()));
        }
    });
    address
}

/// One request on one connection.
fn answer(mut stream: TcpStream) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read > 0) {
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |length| length.parse().unwrap());
    std::io::copy(&mut (&mut stream).take(length), &mut std::io::sink()).unwrap();
    let (status, body) = match head.split_whitespace().next() {
        Some("post") => return std::thread::sleep(Duration::from_secs(60)),
        Some("get") if head.contains("list-type=2") => {
            ("200 OK", "<ListBucketResult><Name>lake</Name><KeyCount>0</KeyCount></ListBucketResult>")
        }
        Some("get") => ("404 Not Found", "<Error><Code>NoSuchKey</Code><Message>none</Message></Error>"),
        _ => ("200 OK", ""),
    };
    // Whoever asked may be gone.
    let _ = write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
}

#[test]
fn the_second_signal_stops_at_once_and_moves_no_position() {
    let store = hanging_store();
    for (name, code) in [("-INT", 130), ("-TERM", 143)] {
        let dir = workplace("tail");
        let text = fs::read_to_string(dir.path().join("pipeline.yaml")).unwrap();
        let sink = format!("s3: {{ endpoint: \"{store}\", region: r, credentials: {{ access_key: k, secret_key: \"${{file:secret}}\" }}, ");
        fs::write(dir.path().join("pipeline.yaml"), text.replace("local: { dir: out, ", &sink).replace("INTO lines", "INTO lake:lines"))
            .unwrap();
        fs::write(dir.path().join("secret"), "s").unwrap();
        let mut child = kpipe(dir.path(), &["apply", "pipeline.yaml", "-v"]).spawn().unwrap();
        let mut said = Said::of(&mut child);
        said.wait_for("100 in");
        signal(&child, "-INT");
        said.wait_for("draining: ");
        std::thread::sleep(Duration::from_millis(500));
        assert!(child.try_wait().unwrap().is_none(), "it waits for the store:\n{}", said.seen);
        signal(&child, name);
        let (asked, said) = (Instant::now(), said.rest());
        let ended = end(child);
        let said = said.join().unwrap();
        assert_eq!(ended, code, "{name}:\n{said}");
        assert!(said.contains("stopping at once") && asked.elapsed() < Duration::from_secs(10), "{name}:\n{said}");
        let (code, out, err) = ran(dir.path(), &["plan", "pipeline.yaml"]);
        assert!(code == 0 && out.contains("a.jsonl/0 @0; "), "{code} {out}{err}");
    }
}

#[test]
fn what_is_served_tells_the_state() {
    let dir = workplace("tail");
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let http = address.to_string();
    let mut child = kpipe(dir.path(), &["apply", "pipeline.yaml", "--http", &http, "--log-format", "json"]).spawn().unwrap();
    let lines = wait_for(&mut child, "\"records_in\":100");
    for line in lines.lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "not JSON: {line}");
    }
    let ask = |path: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(ask("/healthz").starts_with("HTTP/1.1 200"));
    assert!(ask("/readyz").starts_with("HTTP/1.1 200"));
    let metrics = ask("/metrics");
    assert!(metrics.contains("kpipe_records_read_total{pipeline=\"lines\"} 100"), "{metrics}");
    signal(&child, "-TERM");
    assert_eq!(end(child), 0);
}

#[test]
fn the_demo_keeps_every_message() {
    let dir = tempfile::tempdir().unwrap();
    let (code, out, err) = ran(dir.path(), &["demo", "--for", "3s", "--devices", "60", "--rate", "400"]);
    assert_eq!(code, 0, "{out}\n{err}");
    assert!(out.contains("every message is in exactly one row"), "{out}");
    assert!(parquet_files(&dir.path().join("kpipe-demo")) > 0);
    let (code, _, err) = ran(dir.path(), &["demo", "--for", "1s", "--dir", "."]);
    assert!(code == 74 && err.contains("not made by a demo"), "{code} {err}");
}

#[test]
fn an_interrupted_demo_still_accounts_for_every_message() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = kpipe(dir.path(), &["demo", "--for", "1h", "--devices", "40", "--rate", "300"]).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        out.read_to_string(&mut text).unwrap();
        text
    });
    wait_for(&mut child, "devices publish");
    std::thread::sleep(Duration::from_secs(1));
    signal(&child, "-INT");
    assert_eq!(end(child), 0);
    let out = reader.join().unwrap();
    assert!(out.contains("every message is in exactly one row"), "{out}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let dir = workplace("once");
    let mut child = kpipe(dir.path(), &["connectors", "s3"]).spawn().unwrap();
    drop(child.stdout.take());
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((end(child), err.as_str()), (0, ""));
}
