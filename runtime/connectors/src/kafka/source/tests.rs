//! The source against librdkafka's mock cluster.

use std::collections::BTreeMap;

use kpipe_compiler::plan::OptionValue;
use kpipe_engine::connector::Assigned;
use rdkafka::mocking::MockCluster;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use super::super::testing::{self, Pipeline, until};
use super::*;

const WAIT: Duration = Duration::from_millis(100);

fn cluster(partitions: i32) -> MockCluster<'static, rdkafka::producer::DefaultProducerContext> {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("t", partitions, 1).unwrap();
    cluster
}

/// A pipeline whose group moves on quickly: the mock cluster waits for a session to end where a real one knows better.
fn pipeline(cluster: &MockCluster<'static, rdkafka::producer::DefaultProducerContext>, topics: &[&str]) -> Pipeline {
    let text = |text: &str| OptionValue::Text(text.to_owned());
    let settings = [("session.timeout.ms".to_owned(), text("6000")), ("heartbeat.interval.ms".to_owned(), text("300"))];
    Pipeline::new("p", &cluster.bootstrap_servers(), topics).with(&[("client", OptionValue::Map(settings.into()))])
}

/// Polls until partitions are assigned.
fn joined(source: &mut KafkaSource) -> Vec<Assigned> {
    until("an assignment", || match source.poll(WAIT, Accept::Records).unwrap() {
        SourceEvent::Assigned(assigned) => Some(assigned),
        SourceEvent::Idle => None,
        other => panic!("{other:?}"),
    })
}

/// Reads until `count` records came; what came by partition, and where each stands.
fn read(source: &mut KafkaSource, count: usize) -> BTreeMap<PartitionId, (Vec<String>, Position)> {
    let (mut found, mut total) = (BTreeMap::<PartitionId, (Vec<String>, Position)>::new(), 0);
    until("records", || {
        if let SourceEvent::Batch(batch) = source.poll(WAIT, Accept::Records).unwrap() {
            let (values, position) = found.entry(batch.partition).or_insert((Vec::new(), batch.delta.start));
            assert_eq!(*position, batch.delta.start, "deltas join");
            *position = batch.delta.end;
            for row in 0..batch.records.len() {
                values.push(String::from_utf8(batch.records.value(row).unwrap().to_vec()).unwrap());
            }
            total += batch.records.len();
        }
        (total >= count).then_some(())
    });
    assert_eq!(total, count);
    found
}

#[test]
fn records_come_with_their_positions_and_commits_are_taken_up_again() {
    let cluster = cluster(2);
    testing::fill(&cluster.bootstrap_servers(), "t", 0, 10);
    testing::fill(&cluster.bootstrap_servers(), "t", 1, 20);
    let pipeline = pipeline(&cluster, &["t"]);
    let mut source = KafkaSource::open(&pipeline.request()).unwrap();
    let assigned = joined(&mut source);
    let ends: BTreeMap<_, _> = assigned.iter().map(|held| (held.partition, (held.start, held.end))).collect();
    assert_eq!(ends[&1], (Some(Position(0)), Some(Position(20))));
    let found = read(&mut source, 30);
    for held in &assigned {
        let (values, position) = &found[&held.id];
        assert_eq!((values[3].as_str(), position.0), ("value 3", values.len() as i64));
    }
    let second = assigned.iter().find(|held| held.partition == 1).unwrap().id;
    source.commit(&[(second, Position(5))]).unwrap();
    source.commit(&[(second, Position(15))]).unwrap();
    source.settle(Duration::from_secs(10)).unwrap();
    assert!(source.ends().contains(&(second, Position(20))));
    drop(source);

    let mut again = KafkaSource::open(&pipeline.request()).unwrap();
    let starts: Vec<_> = joined(&mut again).into_iter().map(|held| (held.partition, held.start.unwrap().0)).collect();
    assert_eq!(BTreeMap::from_iter(starts), BTreeMap::from([(0, 0), (1, 15)]));
    read(&mut again, 15);
}

#[test]
fn without_room_events_come_and_records_do_not() {
    let cluster = cluster(1);
    testing::fill(&cluster.bootstrap_servers(), "t", 0, 10);
    let pipeline = pipeline(&cluster, &["t"]);
    let mut source = KafkaSource::open(&pipeline.request()).unwrap();
    until("an assignment", || matches!(source.poll(WAIT, Accept::EventsOnly).unwrap(), SourceEvent::Assigned(_)).then_some(()));
    for _ in 0..5 {
        assert!(matches!(source.poll(WAIT, Accept::EventsOnly).unwrap(), SourceEvent::Idle));
    }
    read(&mut source, 10);
}

#[test]
fn a_second_member_gets_its_share_after_the_release() {
    let cluster = cluster(4);
    (0..4).for_each(|partition| testing::fill(&cluster.bootstrap_servers(), "t", partition, 1));
    let pipeline = pipeline(&cluster, &["t"]);
    let mut first = KafkaSource::open(&pipeline.request()).unwrap();
    let mut held: Vec<_> = joined(&mut first).into_iter().map(|held| held.id).collect();
    assert_eq!(held.len(), 4);
    let mut second = KafkaSource::open(&pipeline.request()).unwrap();
    let mut other = Vec::new();
    let given = until("a rebalance", || {
        let event = first.poll(WAIT, Accept::Records).unwrap();
        if let SourceEvent::Assigned(assigned) = second.poll(WAIT, Accept::Records).unwrap() {
            other.extend(assigned);
        }
        match event {
            SourceEvent::Revoked(ids) => Some(ids),
            _ => None,
        }
    });
    assert!(other.is_empty(), "nothing before the first has let go");
    // The commit is answered only after the release was asked for, and first with an error that passes.
    cluster.request_errors(RDKafkaApiKey::OffsetCommit, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS]);
    for id in &given {
        first.commit(&[(*id, Position(1))]).unwrap();
    }
    first.release(&given).unwrap();
    held.retain(|id| !given.contains(id));
    until("the rest", || {
        first.poll(WAIT, Accept::Records).unwrap();
        if let SourceEvent::Assigned(assigned) = second.poll(WAIT, Accept::Records).unwrap() {
            other.extend(assigned);
        }
        (other.len() == given.len()).then_some(())
    });
    assert_eq!((held.len(), other.len()), (2, 2));
    assert!(other.iter().all(|held| held.start == Some(Position(1))), "{other:?}");
    let refused = first.commit(&[(given[0], Position(9))]).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Fenced);
    drop(first);
    until("all of it", || {
        if let SourceEvent::Assigned(assigned) = second.poll(WAIT, Accept::Records).unwrap() {
            other.extend(assigned);
        }
        (other.len() == 4).then_some(())
    });
}

#[test]
fn a_missing_topic_and_an_offset_that_is_gone_are_named() {
    let cluster = cluster(1);
    let absent = pipeline(&cluster, &["t", "nowhere"]);
    let error = KafkaSource::open(&absent.request()).err().unwrap();
    assert_eq!(error.kind, ErrorKind::Missing);
    assert!(error.message.contains("\"nowhere\" does not exist") && error.help.is_some());

    let pipeline = pipeline(&cluster, &["t"]);
    let mut source = KafkaSource::open(&pipeline.request()).unwrap();
    let id = joined(&mut source)[0].id;
    source.commit(&[(id, Position(1_000))]).unwrap();
    source.settle(Duration::from_secs(10)).unwrap();
    drop(source);
    let mut source = KafkaSource::open(&pipeline.request()).unwrap();
    let error = until("the error", || source.poll(WAIT, Accept::Records).err());
    assert_eq!(error.kind, ErrorKind::Missing);
    assert!(error.message.contains("topic \"t\" partition 0 offset 1000 is not there"), "{}", error.message);
    assert!(error.help.unwrap().contains("group \"p\""));
}

#[test]
fn a_cluster_that_goes_and_comes_is_said_once() {
    let cluster = cluster(1);
    let pipeline = pipeline(&cluster, &["t"]);
    let mut source = KafkaSource::open(&pipeline.request()).unwrap();
    joined(&mut source);
    cluster.broker_down(1).unwrap();
    let error = until("the outage", || match source.poll(WAIT, Accept::Records).unwrap() {
        SourceEvent::Away(error) => Some(error),
        _ => None,
    });
    assert_eq!((error.kind, error.retry), (ErrorKind::Unreachable, Retry::Backoff));
    for _ in 0..10 {
        assert!(matches!(source.poll(WAIT, Accept::Records).unwrap(), SourceEvent::Idle));
    }
    cluster.broker_up(1).unwrap();
    until("the way back", || matches!(source.poll(WAIT, Accept::Records).unwrap(), SourceEvent::Back).then_some(()));
    testing::fill(&cluster.bootstrap_servers(), "t", 0, 3);
    read(&mut source, 3);
}

#[test]
fn leaving_does_not_wait_for_a_cluster_that_is_away() {
    let cluster = cluster(1);
    let pipeline = pipeline(&cluster, &["t"]);
    let mut source = KafkaSource::open(&pipeline.request()).unwrap();
    joined(&mut source);
    cluster.broker_down(1).unwrap();
    until("the outage", || matches!(source.poll(WAIT, Accept::Records).unwrap(), SourceEvent::Away(_)).then_some(()));
    let start = Instant::now();
    drop(source);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn a_commit_that_fails_for_now_is_sent_again() {
    let cluster = cluster(1);
    testing::fill(&cluster.bootstrap_servers(), "t", 0, 3);
    let pipeline = pipeline(&cluster, &["t"]);
    let mut source = KafkaSource::open(&pipeline.request()).unwrap();
    let id = joined(&mut source)[0].id;
    let busy = RDKafkaRespErr::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS;
    cluster.request_errors(RDKafkaApiKey::OffsetCommit, &[busy, busy]);
    source.commit(&[(id, Position(2))]).unwrap();
    source.settle(Duration::from_secs(10)).unwrap();
    let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
    cluster.request_errors(RDKafkaApiKey::OffsetCommit, &[denied]);
    source.commit(&[(id, Position(3))]).unwrap();
    let error = source.settle(Duration::from_secs(10)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied, "{error}");
}

#[test]
fn one_busy_partition_does_not_starve_the_others() {
    let cluster = cluster(3);
    for partition in 0..3 {
        testing::fill(&cluster.bootstrap_servers(), "t", partition, 20_000);
    }
    let pipeline = pipeline(&cluster, &["t"]);
    let mut source = KafkaSource::open(&pipeline.request()).unwrap();
    joined(&mut source);
    // Everything that is prefetched lies in the queues now.
    std::thread::sleep(Duration::from_millis(500));
    let mut order = Vec::new();
    until("six batches", || {
        if let SourceEvent::Batch(batch) = source.poll(WAIT, Accept::Records).unwrap() {
            assert!(batch.records.len() <= BATCH_RECORDS_MAX && batch.bytes > batch.records.len());
            order.push(batch.partition);
        }
        (order.len() == 6).then_some(())
    });
    assert_eq!(order[..3].iter().collect::<std::collections::BTreeSet<_>>().len(), 3, "{order:?}");
    assert_eq!(order[..3], order[3..], "in turns");
}

#[test]
fn a_group_starts_where_from_says() {
    let cluster = cluster(1);
    testing::fill(&cluster.bootstrap_servers(), "t", 0, 5);
    let latest = [("from", OptionValue::Text("latest".to_owned()))];
    let pipeline = pipeline(&cluster, &["t"]).with(&latest);
    let mut source = KafkaSource::open(&pipeline.request()).unwrap();
    assert_eq!(joined(&mut source)[0].start, Some(Position(5)));
}

#[test]
fn a_start_that_would_move_is_committed_before_anything_is_read() {
    for from in ["latest", "1970-01-02T00:00:00Z"] {
        let cluster = cluster(1);
        testing::fill(&cluster.bootstrap_servers(), "t", 0, 5);
        let pipeline = pipeline(&cluster, &["t"]).with(&[("from", OptionValue::Text(from.to_owned()))]);
        let mut source = KafkaSource::open(&pipeline.request()).unwrap();
        // While the group does not take the start, nothing is handed out.
        let busy = RDKafkaRespErr::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS;
        cluster.request_errors(RDKafkaApiKey::OffsetCommit, &[busy, busy, busy]);
        let start = joined(&mut source)[0].start.unwrap();
        testing::fill(&cluster.bootstrap_servers(), "t", 0, 3);
        until("the first records", || match source.poll(WAIT, Accept::Records).unwrap() {
            SourceEvent::Batch(batch) => {
                assert!(source.commits.is_settled() && source.starting.is_empty(), "{from}");
                assert_eq!(batch.delta.start, start, "{from}");
                Some(())
            }
            _ => None,
        });
        // It goes without a commit of its own, as one that is killed; what came since is not skipped.
        drop(source);
        testing::fill(&cluster.bootstrap_servers(), "t", 0, 2);
        let mut again = KafkaSource::open(&pipeline.request()).unwrap();
        assert_eq!(joined(&mut again)[0].start, Some(start), "{from}");
    }
}

#[test]
fn a_commit_that_an_outage_swallowed_is_made_up_for_when_the_partition_comes_back() {
    let cluster = cluster(1);
    testing::fill(&cluster.bootstrap_servers(), "t", 0, 9);
    let pipeline = pipeline(&cluster, &["t"]);
    let mut source = KafkaSource::open(&pipeline.request()).unwrap();
    let id = joined(&mut source)[0].id;
    read(&mut source, 9);
    source.commit(&[(id, Position(4))]).unwrap();
    source.settle(Duration::from_secs(10)).unwrap();
    cluster.broker_down(1).unwrap();
    source.commit(&[(id, Position(9))]).unwrap();
    let lost = until("the loss", || match source.poll(WAIT, Accept::EventsOnly).unwrap() {
        SourceEvent::Lost(ids) => Some(ids),
        _ => None,
    });
    source.release(&lost).unwrap();
    let error = source.settle(Duration::from_millis(300)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable, "nobody knows yet whose the partition is: {error}");
    assert_eq!(source.commit(&[(id, Position(9))]).unwrap_err().kind, ErrorKind::Fenced);
    cluster.broker_up(1).unwrap();
    let assigned = until("the way back", || match source.poll(WAIT, Accept::EventsOnly).unwrap() {
        SourceEvent::Assigned(assigned) => Some(assigned),
        _ => None,
    });
    assert_eq!(assigned[0].start, Some(Position(9)), "what is safe is not read again");
    source.settle(Duration::from_secs(10)).unwrap();
    drop(source);
    let mut source = KafkaSource::open(&pipeline.request()).unwrap();
    assert_eq!(joined(&mut source)[0].start, Some(Position(9)), "and the group knows");
}

#[test]
fn a_commit_that_the_group_refused_for_its_generation_is_not_taken_for_done() {
    for refusal in [RDKafkaRespErr::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID] {
        let cluster = cluster(1);
        testing::fill(&cluster.bootstrap_servers(), "t", 0, 6);
        let pipeline = pipeline(&cluster, &["t"]);
        let mut source = KafkaSource::open(&pipeline.request()).unwrap();
        let id = joined(&mut source)[0].id;
        read(&mut source, 6);
        cluster.request_errors(RDKafkaApiKey::OffsetCommit, &[refusal]);
        source.commit(&[(id, Position(6))]).unwrap();
        // Sent again at once, or after the group was joined anew: the task does not have to do anything for it.
        source.settle(Duration::from_secs(40)).unwrap_or_else(|error| panic!("{refusal:?}: {error}"));
        let standing = Look::new(&source.settings, Some("p")).unwrap().standing(&[("t".into(), 0)], true).unwrap();
        assert_eq!(standing[0].committed, Some(6), "{refusal:?}");
    }
}

/// A source whose starts the sink says.
fn told(pipeline: &Pipeline) -> KafkaSource {
    KafkaSource::open(&OpenRequest { starts_in_sink: true, ..pipeline.request() }).unwrap()
}

#[test]
fn nothing_is_handed_out_before_the_sink_says_from_where() {
    let cluster = cluster(2);
    (0..2).for_each(|partition| testing::fill(&cluster.bootstrap_servers(), "t", partition, 10));
    let pipeline = pipeline(&cluster, &["t"]).with(&[("from", OptionValue::Text("latest".to_owned()))]);
    let mut source = told(&pipeline);
    let assigned = joined(&mut source);
    let [one, other] = &assigned[..] else { panic!("{assigned:?}") };
    assert!(one.identity.len() == 22 && one.identity == other.identity && one.committed.is_none(), "{assigned:?}");
    for _ in 0..5 {
        assert!(matches!(source.poll(WAIT, Accept::Records).unwrap(), SourceEvent::Idle));
    }
    source.start(one.id, Position(7)).unwrap();
    let found = read(&mut source, 3);
    assert_eq!(found[&one.id], (["value 7", "value 8", "value 9"].map(str::to_owned).to_vec(), Position(10)));
    source.start(other.id, Position(10)).unwrap();
    assert_eq!(source.start(other.id, Position(10)).unwrap_err().kind, ErrorKind::Bug, "it has begun");
    source.commit(&[(one.id, Position(9))]).unwrap();
    source.settle(Duration::from_secs(10)).unwrap();
    testing::fill(&cluster.bootstrap_servers(), "t", other.partition, 2);
    assert_eq!(read(&mut source, 2)[&other.id].1, Position(12));
    drop(source);

    let again = joined(&mut told(&pipeline));
    let committed: BTreeMap<_, _> = again.iter().map(|held| (held.partition, held.committed)).collect();
    assert_eq!(committed, BTreeMap::from([(one.partition, Some(Position(9))), (other.partition, None)]), "a start is not committed");
}

#[test]
fn a_start_that_the_partition_does_not_reach_is_named() {
    let cluster = cluster(1);
    testing::fill(&cluster.bootstrap_servers(), "t", 0, 10);
    let pipeline = pipeline(&cluster, &["t"]);
    let mut source = told(&pipeline);
    let id = joined(&mut source)[0].id;
    for position in [-1, 11] {
        let error = source.start(id, Position(position)).unwrap_err();
        assert_eq!((error.kind, error.retry), (ErrorKind::Missing, Retry::No));
        let said = format!("topic \"t\" partition 0 offset {position} is not there: the partition holds 0 to 10");
        assert!(error.message.ends_with(&said), "{error}");
        assert!(error.help.unwrap().contains("kpipe offsets"));
    }
    assert!(matches!(source.poll(WAIT, Accept::Records).unwrap(), SourceEvent::Idle), "never a jump");
}

#[test]
fn partitions_that_never_began_are_given_away_and_left_as_the_others() {
    let cluster = cluster(4);
    (0..4).for_each(|partition| testing::fill(&cluster.bootstrap_servers(), "t", partition, 3));
    let pipeline = pipeline(&cluster, &["t"]);
    let mut first = told(&pipeline);
    let held = joined(&mut first);
    first.start(held[0].id, Position(1)).unwrap();
    read(&mut first, 2);
    let mut second = told(&pipeline);
    let mut other: Vec<Assigned> = Vec::new();
    let hear = |second: &mut KafkaSource, other: &mut Vec<Assigned>| {
        if let SourceEvent::Assigned(assigned) = second.poll(WAIT, Accept::Records).unwrap() {
            assigned.iter().for_each(|held| second.start(held.id, Position(2)).unwrap());
            other.extend(assigned);
        }
    };
    let given = until("a rebalance", || {
        let event = first.poll(WAIT, Accept::Records).unwrap();
        hear(&mut second, &mut other);
        if let SourceEvent::Revoked(ids) = event { Some(ids) } else { None }
    });
    // The sink looked where they start while they were taken away: nothing to be done any more.
    for id in given.iter().filter(|id| **id != held[0].id) {
        first.start(*id, Position(0)).unwrap();
    }
    first.release(&given).unwrap();
    given.iter().for_each(|id| first.start(*id, Position(0)).unwrap());
    until("the rest", || {
        assert!(!matches!(first.poll(WAIT, Accept::Records).unwrap(), SourceEvent::Batch(_)), "nothing of what never began");
        hear(&mut second, &mut other);
        (other.len() == given.len()).then_some(())
    });
    let begun = Instant::now();
    drop(first);
    assert!(begun.elapsed() < Duration::from_secs(5), "leaving waits for nothing");
    until("all of it", || {
        hear(&mut second, &mut other);
        (other.len() == 4).then_some(())
    });
}
