//! A look at a cluster before anything runs: what answers, what is missing, where a source would start.

use std::collections::BTreeSet;

use kpipe_engine::connector::{Inspection, OpenRequest, PartitionInspection};
use kpipe_engine::error::ConnectorError;
use kpipe_engine::position::Position;

use super::look::{From, Look};
use super::options::{SourceOptions, TopicOptions, is_sink};
use super::rebalance::Named;
use super::settings::Settings;
use super::sink::fixed_topic;

const HOUR_MS: i64 = 3_600_000;

/// Looks at one end of a pipeline; changes nothing.
pub(super) fn inspect(request: &OpenRequest<'_>) -> Result<Inspection, ConnectorError> {
    let settings = Settings::new(request)?;
    // Dead letters have no FROM, and perhaps only the options of the source that they come from.
    let has_letters = request.routes.iter().any(|route| route.from.is_empty());
    if has_letters || is_sink(&request.endpoint.options) { sink(request, &settings) } else { source(request, &settings) }
}

fn source(request: &OpenRequest<'_>, settings: &Settings) -> Result<Inspection, ConnectorError> {
    let options = SourceOptions::new(request)?;
    let look = Look::new(settings, Some(&options.group))?;
    let topics: BTreeSet<&str> = request.routes.iter().map(|route| route.from.as_str()).collect();
    let mut inspection = Inspection { system: look.system(topics.first().copied())?, ..Inspection::default() };
    let mut names: Vec<Named> = Vec::new();
    for topic in topics {
        let Some(found) = look.names(topic)? else {
            let missing = settings.place.missing_topic(topic);
            inspection.missing.push(missing.help("a source does not create topics: create it, or correct the name in FROM"));
            continue;
        };
        names.extend(found);
    }
    let timed = match options.from {
        From::Timestamp(ms) if !names.is_empty() => look.at_time(&names, ms)?,
        From::Timestamp(_) | From::Earliest | From::Latest => vec![None; names.len()],
    };
    let hour_ago = jiff::Timestamp::now().as_millisecond() - HOUR_MS;
    let hour = if names.is_empty() { Vec::new() } else { look.at_time(&names, hour_ago)? };
    for ((standing, timed), hour) in look.standing(&names, true)?.into_iter().zip(timed).zip(hour) {
        let start = standing.committed.unwrap_or(match options.from {
            From::Earliest => standing.low,
            From::Latest => standing.high,
            From::Timestamp(_) => timed.unwrap_or(standing.high),
        });
        inspection.partitions.push(PartitionInspection {
            topic: standing.name.0.as_ref().to_owned(),
            partition: standing.name.1,
            low: Position(standing.low),
            high: Position(standing.high),
            committed: standing.committed.map(Position),
            start: Position(start),
            last_hour: Some(hour.map_or(0, |first| u64::try_from(standing.high - first.max(standing.low)).unwrap_or(0))),
        });
    }
    Ok(inspection)
}

fn sink(request: &OpenRequest<'_>, settings: &Settings) -> Result<Inspection, ConnectorError> {
    let look = Look::new(settings, None)?;
    let topics: BTreeSet<&str> = request.routes.iter().filter_map(|route| fixed_topic(&route.tail)).collect();
    let create = TopicOptions::new(&request.endpoint.options).create;
    let mut inspection = Inspection { system: look.system(topics.first().copied())?, ..Inspection::default() };
    for topic in topics {
        if look.partitions(topic)?.is_none() && !create {
            let missing = settings.place.missing_topic(topic);
            inspection.missing.push(missing.help("create it, or let kpipe do so: `topic: { create: true }` among the options of `kafka`"));
        }
    }
    Ok(inspection)
}

#[cfg(test)]
mod tests {
    use kpipe_compiler::plan::OptionValue;
    use kpipe_engine::error::{About, ErrorKind};
    use rdkafka::mocking::MockCluster;

    use super::super::testing::{self, Pipeline};
    use super::*;

    fn text(text: &str) -> OptionValue {
        OptionValue::Text(text.to_owned())
    }

    #[test]
    fn a_source_says_where_it_would_start() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("t", 2, 1).unwrap();
        testing::fill(&cluster.bootstrap_servers(), "t", 1, 5);
        let pipeline = Pipeline::new("p", &cluster.bootstrap_servers(), &["t"]);
        let found = inspect(&pipeline.request()).unwrap();
        assert!(found.system.ends_with(", 1 broker") && found.missing.is_empty(), "{found:?}");
        let starts: Vec<_> = found.partitions.iter().map(|at| (at.partition, at.high.0, at.committed, at.start.0)).collect();
        assert_eq!(starts, [(0, 0, None, 0), (1, 5, None, 0)]);
        let pipeline = pipeline.with(&[("from", text("latest"))]);
        assert_eq!(inspect(&pipeline.request()).unwrap().partitions[1].start, Position(5));
    }

    #[test]
    fn what_is_missing_is_listed_and_nothing_is_created() {
        let cluster = MockCluster::new(1).unwrap();
        let source = Pipeline::new("p", &cluster.bootstrap_servers(), &["nowhere"]);
        for _ in 0..2 {
            let found = inspect(&source.request()).unwrap();
            assert_eq!(found.missing.len(), 1, "{found:?}");
            assert!(found.missing[0].message.ends_with("topic \"nowhere\" does not exist"), "{found:?}");
            assert_eq!(found.missing[0].about, Some(About::Name("nowhere".to_owned())));
        }
        let sink = source.with(&[("acks", text("all"))]);
        let found = inspect(&sink.request()).unwrap();
        assert!(found.missing[0].help.as_ref().unwrap().contains("topic: { create: true }"), "{found:?}");
        let sink = sink.with(&[("topic.create", OptionValue::Boolean(true))]);
        assert!(inspect(&sink.request()).unwrap().missing.is_empty());
    }

    #[test]
    fn a_dead_letter_topic_is_looked_for_with_the_options_of_a_source() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("there", 1, 1).unwrap();
        for (topic, expected) in [("there", 0), ("letters", 1)] {
            let mut pipeline = Pipeline::new("p", &cluster.bootstrap_servers(), &[topic]);
            pipeline.routes[0].from.clear();
            let found = inspect(&pipeline.request()).unwrap();
            assert_eq!(found.missing.len(), expected, "{found:?}");
            assert!(found.missing.iter().all(|missing| missing.about == Some(About::Name("letters".to_owned()))));
            assert!(found.partitions.is_empty());
            let creating = pipeline.with(&[("topic.create", OptionValue::Boolean(true))]);
            assert!(inspect(&creating.request()).unwrap().missing.is_empty());
        }
    }

    #[test]
    fn an_unreachable_cluster_is_an_error() {
        let pipeline = Pipeline::new("p", "127.0.0.1:1", &["t"]);
        assert_eq!(inspect(&pipeline.request()).unwrap_err().kind, ErrorKind::Unreachable);
    }
}
