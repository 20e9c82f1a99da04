//! The applied plan in a compacted topic: key is the pipeline, value the plan, the newest counts.

use std::time::{Duration, Instant};

use kpipe_engine::connector::{OpenRequest, PlanStore, Ticket};
use kpipe_engine::error::{ConnectorError, ErrorKind};
use rdkafka::Message;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::Offset;

use super::admin::Topics;
use super::failure;
use super::ledger::pack;
use super::look::{self, EndsAside, Look};
use super::options::TopicOptions;
use super::rebalance::Named;
use super::settings::Settings;
use super::sink::Reports;
use kpipe_compiler::plan::Options;

/// Where plans are kept.
pub(super) const TOPIC: &str = "_kpipe.plans";
/// How long reading all plans, or writing one, may take.
const WAIT: Duration = Duration::from_secs(20);

/// The topic of plans.
pub(super) struct TopicPlans {
    settings: Settings,
    options: Options,
}

impl TopicPlans {
    /// Only remembers where; nothing is asked yet.
    pub(super) fn open(request: &OpenRequest<'_>) -> Result<Self, ConnectorError> {
        Ok(Self { settings: Settings::new(request)?, options: request.endpoint.options.clone() })
    }

    /// The topic's shape: one partition, so that there is one order.
    fn topic(&self) -> TopicOptions {
        let config = vec![("cleanup.policy".to_owned(), "compact".to_owned())];
        TopicOptions { create: true, partitions: Some(1), replication: TopicOptions::new(&self.options).replication, config }
    }

    /// The newest value of `key` in these partitions, read from their beginnings to where they end now.
    fn newest(&self, look: &Look, names: &[Named], key: &[u8]) -> Result<Option<Vec<u8>>, ConnectorError> {
        let mut open: Vec<_> = look.standing(names, false)?.into_iter().filter(|standing| standing.low < standing.high).collect();
        let doing = format!("topic {TOPIC:?}");
        let list = look::list(open.iter().map(|standing| (&standing.name, Offset::Offset(standing.low))));
        let consumer = look.consumer();
        list.and_then(|list| consumer.assign(&list)).map_err(|error| self.settings.place.wrapped(&error, &doing))?;
        // Its time, and itself: null after a deletion.
        let mut newest: Option<(i64, _)> = None;
        let start = Instant::now();
        while !open.is_empty() {
            if start.elapsed() > WAIT {
                return Err(self.settings.place.error(ErrorKind::Unreachable, format!("{doing} was not read within {} s", WAIT.as_secs())));
            }
            match consumer.poll(Duration::from_millis(200)) {
                Some(Ok(record)) => {
                    let time = record.timestamp().to_millis().unwrap_or(0);
                    if record.key() == Some(key) && newest.as_ref().is_none_or(|(known, _)| *known <= time) {
                        newest = Some((time, record.payload().map(<[u8]>::to_vec)));
                    }
                }
                // The end, whatever compaction left before it.
                Some(Err(KafkaError::PartitionEOF(partition))) => open.retain(|standing| standing.name.1 != partition),
                Some(Err(error)) if !look::passes(&error) => return Err(self.settings.place.wrapped(&error, &doing)),
                Some(Err(_)) | None => {}
            }
        }
        Ok(newest.and_then(|(_, plan)| plan))
    }
}

impl PlanStore for TopicPlans {
    fn read(&mut self, pipeline: &str) -> Result<Option<Vec<u8>>, ConnectorError> {
        // librdkafka assigns nothing to a client without a group; this one neither joins nor commits.
        let look = Look::new(&self.settings, Some(TOPIC))?;
        let Some(names) = look.names(TOPIC)? else { return Ok(None) };
        self.newest(&look, &names, pipeline.as_bytes())
    }

    fn write(&mut self, pipeline: &str, plan: &[u8]) -> Result<(), ConnectorError> {
        let batch_bytes = Topics::new(&self.settings)?.ensure(TOPIC, &self.topic())?;
        let place = &self.settings.place;
        let producer: BaseProducer<Reports> = self
            .settings
            .producer(&self.options, batch_bytes)
            // The newest plan counts, so one written twice does no harm; a producer of its own number waits half a second for it.
            .set("enable.idempotence", "false")
            .create_with_context(Reports::new(place.clone()))
            .map_err(|error| place.wrapped(&error, "producer"))?;
        let producer = EndsAside::new(producer);
        let slot = {
            let mut ledger = producer.context().ledger();
            let slot = ledger.slot(Ticket(0));
            ledger.open(slot, 1);
            ledger.complete(slot);
            slot
        };
        let doing = format!("topic {TOPIC:?}");
        let record = BaseRecord::with_opaque_to(TOPIC, pack(slot, 0)).key(pipeline.as_bytes()).payload(plan);
        producer.send(record).map_err(|(error, _)| place.wrapped(&error, &doing))?;
        producer.flush(WAIT).map_err(|error| producer.context().watch.away().unwrap_or_else(|| place.wrapped(&error, &doing)))?;
        let (refused, done) = producer.context().ledger().take();
        match refused.first() {
            Some(refused) => {
                let error = place.code(refused.code, &doing, "");
                let denied = failure::kind(refused.code) == ErrorKind::Denied;
                Err(if denied { error.help(format!("the user needs WRITE and READ on topic {TOPIC:?}")) } else { error })
            }
            None if done.is_empty() => Err(place.error(ErrorKind::Unreachable, format!("{doing}: the plan was not acknowledged"))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;

    use super::super::testing::Pipeline;
    use super::*;

    #[test]
    fn the_newest_plan_of_a_pipeline_is_read_back() {
        let cluster = MockCluster::new(1).unwrap();
        let pipeline = Pipeline::new("p", &cluster.bootstrap_servers(), &["t"]);
        let mut plans = TopicPlans::open(&pipeline.request()).unwrap();
        assert_eq!(plans.read("a").unwrap(), None, "no topic yet");
        cluster.create_topic(TOPIC, 1, 1).unwrap();
        assert_eq!(plans.read("a").unwrap(), None, "an empty topic");
        plans.write("a", b"one").unwrap();
        plans.write("b", b"other").unwrap();
        plans.write("a", b"two").unwrap();
        assert_eq!(plans.read("a").unwrap().as_deref(), Some(&b"two"[..]));
        assert_eq!(plans.read("b").unwrap().as_deref(), Some(&b"other"[..]));
        assert_eq!(plans.read("c").unwrap(), None);
    }

    #[test]
    fn an_unreachable_cluster_is_an_error() {
        let pipeline = Pipeline::new("p", "127.0.0.1:1", &["t"]);
        let mut plans = TopicPlans::open(&pipeline.request()).unwrap();
        assert_eq!(plans.read("a").unwrap_err().kind, ErrorKind::Unreachable);
        assert_eq!(plans.write("a", b"").unwrap_err().kind, ErrorKind::Unreachable);
    }
}
