//! Connectors whose systems are a world in memory: for tests and goldens. They are not in [`ALL`](crate::ALL): a world lives in one
//! process, so a pipeline file cannot use it.

mod spec;

use kpipe_compiler::catalog::SinkKind;
use kpipe_engine::connector::ConnectorDef;
use kpipe_engine::memory::{open_bookmarks, open_records, open_source, open_store};

/// A source of logs and a sink of records.
pub static LOGS: ConnectorDef = ConnectorDef {
    spec: &spec::LOGS,
    source: Some(open_source),
    records: Some(open_records),
    store: None,
    inspect: None,
    newest: None,
    plans: None,
    bookmarks: Some(open_bookmarks),
};

/// A sink of files.
pub static FILES: ConnectorDef = ConnectorDef {
    spec: &spec::FILES,
    source: None,
    records: None,
    store: Some(open_store),
    inspect: None,
    newest: None,
    plans: None,
    bookmarks: None,
};

/// Every connector of the binary under its own name and description, but open in memory: a pipeline file runs as it is, in the world that
/// has the pipeline's name.
#[must_use]
pub fn stand_ins() -> Vec<&'static ConnectorDef> {
    crate::ALL.iter().map(|def| &*Box::leak(Box::new(stand_in(def)))).collect()
}

fn stand_in(def: &ConnectorDef) -> ConnectorDef {
    let kind = def.spec.sink.as_ref().map(|sink| sink.kind);
    ConnectorDef {
        spec: def.spec,
        source: def.spec.source.as_ref().map(|_| open_source as _),
        records: (kind == Some(SinkKind::Records)).then_some(open_records as _),
        store: (kind == Some(SinkKind::Files)).then_some(open_store as _),
        inspect: None,
        newest: None,
        plans: None,
        bookmarks: None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use kpipe_compiler::plan::{Endpoint, OptionValue, Options, SecretRef};
    use kpipe_engine::connector::{OpenRequest, Secrets};
    use kpipe_engine::env::SystemClock;
    use kpipe_engine::error::ConnectorError;
    use kpipe_engine::memory::World;

    use super::*;
    use crate::conformance;

    struct NoSecrets;

    impl Secrets for NoSecrets {
        fn read(&self, _: &SecretRef) -> Result<String, ConnectorError> {
            panic!("a world has no secrets")
        }
    }

    #[tokio::test]
    async fn a_bucket_in_memory_keeps_what_stores_promise() {
        let world = World::create("conformance", Arc::new(SystemClock::default()));
        let options = BTreeMap::from([("world".to_owned(), OptionValue::Text("conformance".to_owned()))]);
        let store = open_store(&OpenRequest {
            pipeline: "p",
            task: 0,
            endpoint: &Endpoint { connector: "memory".into(), options: Options(options) },
            routes: &[],
            secrets: &NoSecrets,
            runtime: tokio::runtime::Handle::current(),
            starts_in_sink: false,
        });
        let store = store.unwrap();
        // There is nothing outside of a map that a key could reach.
        for behaviour in conformance::STORE.iter().filter(|behaviour| behaviour.name != "keys_outside_are_refused") {
            (behaviour.check)(&*store, behaviour.name).await;
        }
        assert!(!world.objects().is_empty());
    }

    #[test]
    fn stand_ins_have_the_sides_of_the_real_ones() {
        for (real, double) in crate::ALL.iter().zip(stand_ins()) {
            assert_eq!(double.spec.name, real.spec.name);
            assert_eq!(double.source.is_some(), real.source.is_some(), "{}", real.spec.name);
            assert_eq!(double.records.is_some(), real.records.is_some(), "{}", real.spec.name);
            assert_eq!(double.store.is_some(), real.store.is_some(), "{}", real.spec.name);
        }
    }

    #[test]
    fn no_pipeline_file_can_name_a_world() {
        assert!([&LOGS, &FILES].iter().all(|def| crate::ALL.iter().all(|real| real.spec.name != def.spec.name)));
    }
}
