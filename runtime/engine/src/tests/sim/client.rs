//! The store as a process sees it: requests that travel, and what the client of a real store makes of the answers.

use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::store::{Answer, Object, Refusal};
use super::world::latency;
use super::{Fault, ProcessId, Slot, State, World, ms};
use crate::connector::{Completed, Created, FileStore, IfExists, Listed, PartContent, PartTag, Stat, UnfinishedUpload, UploadId};
use crate::error::{ConnectorError, ErrorKind, Retry};

/// A process's connection to the bucket.
#[derive(Clone)]
pub(super) struct SimStore {
    pub(super) world: World,
    pub(super) process: ProcessId,
}

/// What kind of request it is: faults differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    /// With a condition: it can meet another one.
    Conditional,
    /// Its answer can be 200 and an error all the same.
    Complete,
}

/// What becomes of a request.
enum Fate {
    Done,
    NotDone(Refusal),
    /// Done, but the caller hears this.
    DoneUnheard(Refusal),
}

const TIMEOUT: Refusal = Refusal::Away("no answer in time");

impl SimStore {
    /// A request: it leaves, arrives, takes effect and is answered, each at its own time, or not.
    async fn call<T, F>(&self, what: &'static str, kind: Kind, effect: F) -> Answer<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut State) -> Answer<T> + Send + 'static,
    {
        self.call_for(what, kind, None, effect).await
    }

    /// A request for a key that others want too.
    async fn call_for<T, F>(&self, what: &'static str, kind: Kind, key: Option<String>, effect: F) -> Answer<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut State) -> Answer<T> + Send + 'static,
    {
        let slot = Slot::new(self.process);
        self.send(what, kind, key.filter(|key| key.contains("/ledger/")), slot.clone(), effect);
        slot.await
    }

    fn send<T, F>(&self, what: &'static str, kind: Kind, key: Option<String>, slot: Slot<Answer<T>>, effect: F)
    where
        T: Send + 'static,
        F: FnOnce(&mut State) -> Answer<T> + Send + 'static,
    {
        let process = self.process;
        let mut state = self.world.state();
        if !state.leaves(process) {
            return;
        }
        if state.hits(Fault::RequestLost) {
            let timeout = ms(state.dice.between(1_000, 10_000));
            state.after(timeout, move |world| slot.fill(&mut world.state(), Err(TIMEOUT)));
            return;
        }
        let mut way = latency(&mut state.dice);
        if state.store.slow_until > state.now {
            way += ms(state.dice.between(500, 5_000));
        }
        if state.hits(Fault::Delayed) {
            let (timeout, late) = (ms(state.dice.between(1_000, 5_000)), state.dice.skewed(5_000, 90_000));
            way += ms(late);
            let slot = slot.clone();
            state.after(timeout, move |world| slot.fill(&mut world.state(), Err(TIMEOUT)));
        }
        state.travelling += 1;
        let waiting = slot.clone();
        let arrival = move |world: &World| {
            let mut state = world.state();
            state.travelling -= 1;
            let answer = arrive(&mut state, process, what, kind, effect);
            let way = latency(&mut state.dice);
            state.after(way, move |world| slot.fill(&mut world.state(), answer));
        };
        match key {
            Some(key) if !state.parked.contains_key(&key) && state.hits(Fault::Overtakes) => {
                state.after(ms(5_000), move |world| waiting.fill(&mut world.state(), Err(TIMEOUT)));
                state.park(key, process, Box::new(arrival));
            }
            Some(key) => {
                if state.parked.get(&key).is_some_and(|(other, _)| *other != process) {
                    state.unpark(&key, way.saturating_sub(Duration::from_micros(1)));
                }
                state.after(way, arrival);
            }
            None => state.after(way, arrival),
        }
    }
}

/// A request reached the store.
fn arrive<T>(
    state: &mut State,
    process: ProcessId,
    what: &'static str,
    kind: Kind,
    effect: impl FnOnce(&mut State) -> Answer<T>,
) -> Answer<T> {
    let fate = fate(state, kind);
    let answer = match fate {
        Fate::NotDone(refusal) => Err(refusal),
        Fate::Done => effect(state),
        Fate::DoneUnheard(refusal) => effect(state).and(Err(refusal)),
    };
    state.say(|| format!("store: {what} of process {}: {:?}", process.0, answer.as_ref().err()));
    answer
}

fn fate(state: &mut State, kind: Kind) -> Fate {
    if state.store.away_until > state.now {
        return Fate::NotDone(Refusal::Away("connection refused"));
    }
    if state.hits(Fault::Refused) {
        return Fate::NotDone(Refusal::Away("503 SlowDown"));
    }
    if kind != Kind::Plain && state.hits(Fault::Conflict) {
        return Fate::NotDone(Refusal::Conflict);
    }
    if kind == Kind::Complete && state.hits(Fault::ErrorIn200) {
        return Fate::NotDone(Refusal::Away("200 with InternalError"));
    }
    if state.hits(Fault::ErrorAfter) {
        return Fate::DoneUnheard(Refusal::Away("500 InternalError"));
    }
    if state.hits(Fault::AnswerLost) {
        return Fate::DoneUnheard(TIMEOUT);
    }
    Fate::Done
}

/// A sum that stands for the CRC64NVME of real stores.
pub(super) fn sum(data: &[u8]) -> u64 {
    data.iter().fold(0xcbf2_9ce4_8422_2325, |sum: u64, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

fn failed(what: &str, key: &str, refusal: Refusal) -> ConnectorError {
    let new = |kind, said: &str| ConnectorError::new(kind, format!("sim: {what} {key}: {said}"));
    match refusal {
        Refusal::Away(said) => new(ErrorKind::Unreachable, said),
        Refusal::NoUpload => new(ErrorKind::Missing, "the upload is gone").retry(Retry::Reopen),
        Refusal::Exists | Refusal::Conflict => new(ErrorKind::Unreachable, "met another request"),
        Refusal::Invalid(said) => new(ErrorKind::Bug, &said),
    }
}

impl SimStore {
    /// As `s3/complete.rs` does it.
    async fn finish(&self, key: &str, upload: &UploadId, parts: &[PartTag], if_exists: IfExists) -> Result<Completed, ConnectorError> {
        let is_conditional = if_exists == IfExists::Keep;
        let tags: Vec<(u32, String)> = parts.iter().map(|part| (part.number, part.etag.clone())).collect();
        let (name, id) = (key.to_owned(), upload.0.clone());
        let answer = self.call("complete", Kind::Complete, move |state| state.store_complete(&name, &id, &tags, is_conditional)).await;
        match answer {
            Ok(()) => return Ok(Completed::Created),
            Err(Refusal::NoUpload | Refusal::Exists | Refusal::Conflict) => {}
            Err(refusal) => return Err(failed("complete", key, refusal)),
        }
        let name = key.to_owned();
        let found = self.call("head", Kind::Plain, move |state| Ok(state.store.objects.get(&name).cloned())).await;
        match found.map_err(|refusal| failed("look at", key, refusal))? {
            Some(object) if object.mark.as_ref() == Some(&upload.0) => Ok(Completed::Created),
            Some(object) if is_conditional => {
                let same = parts.iter().filter_map(|part| part.content).map(|part| part.bytes).sum::<u64>() == object.data.len() as u64
                    && parts.len() == 1
                    && parts[0].content.is_some_and(|part| part.crc64 == sum(&object.data));
                if !same {
                    return Err(ConnectorError::new(ErrorKind::Fenced, format!("sim: {key} holds other data")));
                }
                let id = upload.0.clone();
                let _given_up = self.call("abort", Kind::Plain, move |state| state.store_abort(&id)).await;
                Ok(Completed::Existed)
            }
            Some(_) => Err(failed("complete", key, Refusal::NoUpload)),
            None if answer == Err(Refusal::NoUpload) => Err(failed("complete", key, Refusal::NoUpload)),
            None => Err(failed("complete", key, Refusal::Conflict)),
        }
    }
}

impl FileStore for SimStore {
    fn begin<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<UploadId, ConnectorError>> {
        let (name, process) = (key.to_owned(), self.process);
        async move {
            let begun = self.call("begin", Kind::Plain, move |state| state.store_begin(process, &name)).await;
            begun.map(UploadId).map_err(|refusal| failed("begin", key, refusal))
        }
        .boxed()
    }

    fn part<'a>(&'a self, key: &'a str, upload: &'a UploadId, number: u32, data: Bytes) -> BoxFuture<'a, Result<PartTag, ConnectorError>> {
        let id = upload.0.clone();
        let content = Some(PartContent { bytes: data.len() as u64, crc64: sum(&data) });
        async move {
            let stored = self.call("part", Kind::Plain, move |state| state.store_part(&id, number, data)).await;
            let tag = stored.map(|etag| PartTag { number, etag, checksum: None, content });
            tag.map_err(|refusal| failed("part of", key, refusal))
        }
        .boxed()
    }

    fn complete<'a>(
        &'a self,
        key: &'a str,
        upload: &'a UploadId,
        parts: &'a [PartTag],
        if_exists: IfExists,
    ) -> BoxFuture<'a, Result<Completed, ConnectorError>> {
        self.finish(key, upload, parts, if_exists).boxed()
    }

    fn abort<'a>(&'a self, key: &'a str, upload: &'a UploadId) -> BoxFuture<'a, Result<(), ConnectorError>> {
        let id = upload.0.clone();
        async move {
            let aborted = self.call("abort", Kind::Plain, move |state| state.store_abort(&id)).await;
            aborted.map_err(|refusal| failed("abort", key, refusal))
        }
        .boxed()
    }

    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, ConnectorError>> {
        let name = key.to_owned();
        async move {
            let got =
                self.call("get", Kind::Plain, move |state| Ok(state.store.objects.get(&name).map(|object| object.data.clone()))).await;
            got.map_err(|refusal| failed("get", key, refusal))
        }
        .boxed()
    }

    fn put<'a>(&'a self, key: &'a str, data: Bytes) -> BoxFuture<'a, Result<(), ConnectorError>> {
        let name = key.to_owned();
        async move {
            let put = self.call("put", Kind::Plain, move |state| state.store_put(&name, data)).await;
            put.map_err(|refusal| failed("put", key, refusal))
        }
        .boxed()
    }

    fn create<'a>(&'a self, key: &'a str, data: Bytes) -> BoxFuture<'a, Result<Created, ConnectorError>> {
        let name = key.to_owned();
        async move {
            let effect = move |state: &mut State| state.store_create(&name, data);
            match self.call_for("create", Kind::Conditional, Some(key.to_owned()), effect).await {
                Ok(()) => Ok(Created::New),
                Err(Refusal::Exists) => Ok(Created::Exists),
                Err(refusal) => Err(failed("create", key, refusal)),
            }
        }
        .boxed()
    }

    fn list<'a>(&'a self, prefix: &'a str, after: &'a str, limit: usize) -> BoxFuture<'a, Result<Vec<Listed>, ConnectorError>> {
        let (below, behind) = (prefix.to_owned(), after.to_owned());
        async move {
            let listed = self.call("list", Kind::Plain, move |state| Ok(state.store_list(&below, &behind, limit))).await;
            let listed =
                listed.map(|listed| listed.into_iter().map(|(key, bytes, modified_ms)| Listed { key, bytes, modified_ms }).collect());
            listed.map_err(|refusal| failed("list", prefix, refusal))
        }
        .boxed()
    }

    fn uploads<'a>(&'a self, prefix: &'a str, limit: usize) -> BoxFuture<'a, Result<Option<Vec<UnfinishedUpload>>, ConnectorError>> {
        let below = prefix.to_owned();
        async move {
            let found = self.call("uploads", Kind::Plain, move |state| Ok(state.store_uploads(&below, limit))).await;
            found.map_err(|refusal| failed("list uploads below", prefix, refusal))
        }
        .boxed()
    }

    fn stat<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Stat>, ConnectorError>> {
        let name = key.to_owned();
        async move {
            let found = self.call("head", Kind::Plain, move |state| Ok(state.store.objects.get(&name).cloned())).await;
            let stat = |object: Object| Stat {
                bytes: object.data.len() as u64,
                modified_ms: object.modified_ms,
                upload: object.mark,
                crc64: Some(sum(&object.data)),
            };
            found.map(|object| object.map(stat)).map_err(|refusal| failed("look at", key, refusal))
        }
        .boxed()
    }

    fn remove<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Result<(), ConnectorError>> {
        let names = keys.to_vec();
        async move {
            let removed = self.call("remove", Kind::Plain, move |state| state.store_remove(&names)).await;
            removed.map_err(|refusal| failed("remove", &keys.join(" "), refusal))
        }
        .boxed()
    }

    fn place(&self) -> String {
        "sim://lake".to_owned()
    }
}
