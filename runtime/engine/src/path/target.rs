//! The target topics of produced records.

use std::sync::Arc;

use ahash::AHashMap;
use kpipe_compiler::names::check_topic;
use kpipe_compiler::plan::TopicName;

use super::{RowBatch, StageError};
use crate::limits::TOPICS_KNOWN_MAX;
use crate::records::RawBatch;
use crate::reject::{Reject, RejectReason};

/// Finds the topic of each row of one route.
pub(crate) struct Targets {
    name: TopicName,
    /// What a source topic becomes, or why it cannot be one.
    known: AHashMap<Box<str>, Result<Arc<str>, String>>,
}

/// Rows and their topics.
pub(crate) struct Targeted {
    pub(crate) batch: RowBatch,
    /// The distinct ones.
    pub(crate) topics: Vec<Arc<str>>,
    /// Per row the index into `topics`. Empty: all rows go to `topics[0]`.
    pub(crate) topic_of_row: Vec<u32>,
}

impl Targets {
    pub(crate) fn new(name: TopicName) -> Self {
        Self { name, known: AHashMap::new() }
    }

    /// The topics of the rows. A row without a legal one is dropped and becomes a reject.
    pub(crate) fn find(&mut self, raw: &RawBatch, batch: RowBatch, rejects: &mut Vec<Reject>) -> Result<Targeted, StageError> {
        if let TopicName::Fixed(topic) = &self.name {
            return Ok(Targeted { batch, topics: vec![topic.as_str().into()], topic_of_row: Vec::new() });
        }
        let mut topics: Vec<Arc<str>> = Vec::new();
        let mut topic_of_row = Vec::with_capacity(batch.len());
        let mut bad: Option<Vec<bool>> = None;
        let mut last: Option<(&str, u32)> = None;
        let mut index_of: AHashMap<&str, Option<u32>> = AHashMap::new();
        for (place, row) in batch.rows.iter().enumerate() {
            let source = raw.records.topic(*row as usize);
            if let Some((_, index)) = last.filter(|(known, _)| *known == source) {
                topic_of_row.push(index);
                continue;
            }
            let index = *index_of.entry(source).or_insert_with(|| self.target(source).ok().map(|topic| place_of(topic, &mut topics)));
            last = index.map(|index| (source, index));
            match index {
                Some(index) => topic_of_row.push(index),
                None => {
                    let message = self.target(source).err().unwrap_or_default();
                    rejects.push(Reject { row: *row, reason: RejectReason::TopicName, message });
                    bad.get_or_insert_with(|| vec![false; batch.len()])[place] = true;
                }
            }
        }
        if topics.len() == 1 {
            topic_of_row.clear();
        }
        let batch = match bad {
            None => batch,
            Some(bad) => batch.drop_rows(&bad).map_err(|error| StageError::new("produce", error.to_string()))?,
        };
        Ok(Targeted { batch, topics, topic_of_row })
    }

    fn target(&mut self, source: &str) -> Result<Arc<str>, String> {
        if let Some(known) = self.known.get(source) {
            return known.clone();
        }
        if self.known.len() >= TOPICS_KNOWN_MAX {
            self.known.clear();
        }
        let name = topic_of_source(source);
        let target = match check_topic(&name) {
            Ok(()) => Ok(name.into()),
            Err(error) => Err(format!("source topic {source:?} cannot be a Kafka topic: {error}")),
        };
        self.known.insert(source.into(), target.clone());
        target
    }
}

/// The index of a topic among the distinct ones; two source topics can become one.
fn place_of(topic: Arc<str>, topics: &mut Vec<Arc<str>>) -> u32 {
    let place = topics.iter().position(|known| *known == topic).unwrap_or_else(|| {
        topics.push(topic);
        topics.len() - 1
    });
    place as u32
}

/// One leading `/` dropped, runs of `/` as `_`.
fn topic_of_source(source: &str) -> String {
    let source = source.strip_prefix('/').unwrap_or(source);
    let mut name = String::with_capacity(source.len());
    let mut in_run = false;
    for character in source.chars() {
        match character {
            '/' if in_run => {}
            '/' => name.push('_'),
            other => name.push(other),
        }
        in_run = character == '/';
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::position::PartitionId;

    fn find(targets: &mut Targets, count: usize) -> (Targeted, Vec<Reject>) {
        let raw = fixture::values(&vec!["x"; count]);
        let rows = (0..count as u32).collect();
        let batch = RowBatch { partition: PartitionId(0), delta: raw.delta, route: 0, rows, decoded: Vec::new(), output: None };
        let mut rejects = Vec::new();
        (targets.find(&raw, batch, &mut rejects).unwrap(), rejects)
    }

    #[test]
    fn slashes_become_one_underscore_each_run() {
        for (source, topic) in [("a/b", "a_b"), ("/a/b", "a_b"), ("a//b///c", "a_b_c"), ("//a", "_a"), ("a/", "a_"), ("a", "a")] {
            assert_eq!(topic_of_source(source), topic);
        }
    }

    #[test]
    fn one_topic_needs_no_indices() {
        for name in [TopicName::Fixed("out".to_owned()), TopicName::OfSource] {
            let (found, rejects) = find(&mut Targets::new(name), 3);
            assert_eq!((found.topics.len(), found.topic_of_row.len(), found.batch.len(), rejects.len()), (1, 0, 3, 0));
        }
    }

    #[test]
    fn source_topics_that_become_the_same_share_a_place() {
        let mut topics = Vec::new();
        let places = ["a", "b", "a"].map(|topic| place_of(topic.into(), &mut topics));
        assert_eq!((places, topics.len()), ([0, 1, 0], 2));
    }

    #[test]
    fn what_no_topic_can_be_is_refused_with_its_reason() {
        let mut targets = Targets::new(TopicName::OfSource);
        for source in ["", "a b", "..", "ä"] {
            assert!(targets.target(source).unwrap_err().contains("cannot be a Kafka topic"), "{source}");
            assert_eq!(targets.target(source), targets.target(source), "remembered");
        }
    }

    #[test]
    fn names_that_never_repeat_do_not_fill_the_memory() {
        let mut targets = Targets::new(TopicName::OfSource);
        for id in 0..TOPICS_KNOWN_MAX + 10 {
            assert_eq!(targets.target(&format!("site/{id}")).unwrap().as_ref(), format!("site_{id}"));
            assert!(targets.known.len() <= TOPICS_KNOWN_MAX);
        }
        assert_eq!(targets.known.len(), 10);
        assert_eq!(targets.target("site/0").unwrap().as_ref(), "site_0", "forgotten, not refused");
    }
}
