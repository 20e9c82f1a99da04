use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::*;
use crate::budget::{Budget, Place};
use crate::connector::{Completed, Created, IfExists, Listed, OpenRequest, Stat, UnfinishedUpload};
use crate::env::Env;
use crate::error::ErrorKind;
use crate::event::tests::Heard;
use crate::event::{End, Voice};
use crate::limits::PART_BYTES;
use crate::memory::{Fault, Op, What, When, World};
use crate::path::{FileFacts, RollReason, SetId};
use crate::position::{Delta, PartitionId, Position};
use crate::retry::Patience;
use crate::tests::NoSecrets;

struct Case {
    world: Arc<World>,
    uploader: Uploader,
    results: Receiver<SetResult>,
    budget: Arc<Budget>,
    retries: Arc<Retries>,
}

fn case(name: &str) -> Case {
    let env = Env::seeded(1, 0);
    let world = World::create(name, env.clock.clone());
    let endpoint = crate::tests::endpoint(name);
    let request = OpenRequest {
        pipeline: name,
        task: 0,
        endpoint: &endpoint,
        routes: &[],
        secrets: &NoSecrets,
        runtime: Handle::current(),
        starts_in_sink: false,
    };
    let store = crate::memory::open_store(&request).unwrap();
    let patience = Patience { timeout: None, pause_max: Duration::from_secs(1) };
    let retries = Arc::new(Retries::new(env, Voice::new("p".into(), 0, Arc::new(Heard::default())), End::Sink, patience));
    let (sender, results) = channel();
    let uploader = Uploader::new(vec![store], retries.clone(), Handle::current(), sender);
    Case { world, uploader, results, budget: Budget::new(100_000_000), retries }
}

fn file(key: &str, parts: &[usize]) -> EncodedFile {
    let bytes = parts.iter().sum::<usize>() as u64;
    let facts = FileFacts { key: key.to_owned(), route: 0, first: Position(0), last: Position(9), records: 10, bytes };
    EncodedFile { facts, parts: parts.iter().map(|length| Bytes::from(vec![b'x'; *length])).collect() }
}

fn set(files: Vec<EncodedFile>) -> EncodedSet {
    let delta = Delta::new(Position(0), Position(10));
    EncodedSet { id: SetId(1), partition: PartitionId(0), delta, reason: RollReason::Stop, files }
}

impl Case {
    fn start(&self, set: EncodedSet) -> Hold {
        let bytes: u64 = set.files.iter().map(|file| file.facts.bytes).sum();
        self.uploader.start(set, self.budget.lease(Place::Moving, bytes as usize))
    }

    async fn result(&self) -> SetResult {
        for _ in 0..5_000 {
            if let Ok(result) = self.results.try_recv() {
                return result;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("no result");
    }

    async fn quiet(&self) {
        for _ in 0..5_000 {
            if self.uploader.is_quiet() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("still at work");
    }
}

#[tokio::test]
async fn files_are_prepared_in_parts_and_not_visible() {
    let case = case("upload-parts");
    let _upload = case.start(set(vec![file("b", &[PART_BYTES, PART_BYTES, 3]), file("a", &[0])]));
    let SetResult::Staged(staged) = case.result().await else { panic!("not staged") };
    let shape: Vec<_> =
        staged.files.iter().map(|file| (file.facts.key.as_str(), file.parts.iter().map(|part| part.number).collect())).collect();
    assert_eq!(shape, [("a", vec![1]), ("b", vec![1, 2, 3])]);
    assert_eq!((case.world.objects().len(), case.world.uploads_open()), (0, 2));
    case.quiet().await;
    assert_eq!(case.budget.used_bytes(), 0, "every part gave its bytes back");
}

#[tokio::test]
async fn a_set_that_nobody_wants_is_cleaned_up() {
    let case = case("upload-unwanted");
    case.world.fault(Fault { op: Op::Part, when: When::Always, what: What::away() });
    let upload = case.start(set(vec![file("a", &[10])]));
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(case.world.uploads_open(), 1);
    drop(upload);
    assert!(matches!(case.result().await, SetResult::Failed { .. }));
    case.quiet().await;
    assert_eq!((case.world.uploads_open(), case.budget.used_bytes()), (0, 0));
}

#[tokio::test]
async fn a_staged_set_can_be_abandoned() {
    let case = case("upload-abandoned");
    let _upload = case.start(set(vec![file("a", &[10]), file("b", &[10])]));
    let SetResult::Staged(staged) = case.result().await else { panic!("not staged") };
    case.uploader.abandon(staged);
    case.quiet().await;
    assert_eq!(case.world.uploads_open(), 0);
}

#[tokio::test]
async fn one_file_that_fails_fails_the_set() {
    let case = case("upload-fails");
    let denied = ConnectorError::new(ErrorKind::Denied, "no right");
    case.world.fault(Fault { op: Op::Begin, when: When::Nth(2), what: What::Fail(denied) });
    let _upload = case.start(set(vec![file("a", &[10]), file("b", &[10])]));
    let SetResult::Failed { error, .. } = case.result().await else { panic!("not failed") };
    case.quiet().await;
    assert_eq!((error.kind, case.world.uploads_open()), (ErrorKind::Denied, 0));
}

#[tokio::test]
async fn giving_up_ends_retries() {
    let case = case("upload-give-up");
    case.world.fault(Fault { op: Op::Begin, when: When::Always, what: What::away() });
    let _upload = case.start(set(vec![file("a", &[10])]));
    case.retries.give_up();
    assert!(matches!(case.result().await, SetResult::Failed { .. }));
}

/// A store that counts who is in it at the same time.
#[derive(Default)]
struct Busy {
    begins: Crowd,
    parts: Crowd,
}

#[derive(Default)]
struct Crowd {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Crowd {
    async fn visit(&self) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(3)).await;
        self.now.fetch_sub(1, Ordering::SeqCst);
    }

    fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

impl FileStore for Busy {
    fn begin<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<UploadId, ConnectorError>> {
        Box::pin(async move {
            self.begins.visit().await;
            Ok(UploadId(key.to_owned()))
        })
    }

    fn part<'a>(&'a self, _: &'a str, _: &'a UploadId, number: u32, _: Bytes) -> BoxFuture<'a, Result<PartTag, ConnectorError>> {
        Box::pin(async move {
            self.parts.visit().await;
            Ok(PartTag { number, etag: number.to_string(), checksum: None, content: None })
        })
    }

    fn complete<'a>(
        &'a self,
        _: &'a str,
        _: &'a UploadId,
        _: &'a [PartTag],
        _: IfExists,
    ) -> BoxFuture<'a, Result<Completed, ConnectorError>> {
        Box::pin(async { Ok(Completed::Created) })
    }

    fn abort<'a>(&'a self, _: &'a str, _: &'a UploadId) -> BoxFuture<'a, Result<(), ConnectorError>> {
        Box::pin(async { Ok(()) })
    }

    fn get<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, ConnectorError>> {
        Box::pin(async { Ok(None) })
    }

    fn put<'a>(&'a self, _: &'a str, _: Bytes) -> BoxFuture<'a, Result<(), ConnectorError>> {
        Box::pin(async { Ok(()) })
    }

    fn create<'a>(&'a self, _: &'a str, _: Bytes) -> BoxFuture<'a, Result<Created, ConnectorError>> {
        Box::pin(async { Ok(Created::New) })
    }

    fn list<'a>(&'a self, _: &'a str, _: &'a str, _: usize) -> BoxFuture<'a, Result<Vec<Listed>, ConnectorError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn uploads<'a>(&'a self, _: &'a str, _: usize) -> BoxFuture<'a, Result<Option<Vec<UnfinishedUpload>>, ConnectorError>> {
        Box::pin(async { Ok(None) })
    }

    fn stat<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<Stat>, ConnectorError>> {
        Box::pin(async { Ok(None) })
    }

    fn remove<'a>(&'a self, _: &'a [String]) -> BoxFuture<'a, Result<(), ConnectorError>> {
        Box::pin(async { Ok(()) })
    }

    fn place(&self) -> String {
        "busy".to_owned()
    }
}

#[tokio::test]
async fn many_files_and_parts_go_up_within_their_bounds_and_in_order() {
    let mut case = case("upload-busy");
    let store = Arc::new(Busy::default());
    let (sender, results) = channel();
    case.uploader = Uploader::new(vec![store.clone()], case.retries.clone(), Handle::current(), sender);
    case.results = results;
    let files = |set: usize| (0..40).map(|number| file(&format!("{set}/{number}"), &[8, 7, 6])).collect::<Vec<_>>();
    let _holds: Vec<Hold> = (0..3).map(|number| case.start(set(files(number)))).collect();
    for _ in 0..3 {
        let SetResult::Staged(staged) = case.result().await else { panic!("not staged") };
        assert_eq!(staged.files.len(), 40);
        for file in &staged.files {
            assert_eq!(file.parts.iter().map(|part| part.number).collect::<Vec<_>>(), [1, 2, 3], "parts are completed in their order");
        }
    }
    case.quiet().await;
    assert_eq!(store.parts.most(), PARTS_IN_FLIGHT_MAX, "of a task, whatever the number of sets");
    assert!((2..=3 * FILES_IN_FLIGHT_MAX).contains(&store.begins.most()), "{}", store.begins.most());
    assert_eq!(case.budget.used_bytes(), 0);
}
