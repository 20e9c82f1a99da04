//! Real Kafka and a store of this test's own, which ignores conditions or does not know them.

use rdkafka::ClientConfig;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::time::Duration;

use super::common::{Given, create_topic, kpipe, produce, unique, variable};
use super::s3_like::{Conditions, S3Like, Traits};

/// What the group of a pipeline says of partition 0: its offset and the word beside it.
fn committed(group: &str, topic: &str) -> (rdkafka::Offset, String) {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", variable("KPIPE_TEST_KAFKA")).set("group.id", group).create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition(topic, 0);
    let answer = consumer.committed_offsets(list, Duration::from_secs(20)).unwrap();
    let found = answer.find_partition(topic, 0).unwrap();
    (found.offset(), found.metadata().to_owned())
}

fn offsets_say_what_counts(conditions: Conditions) {
    let server = S3Like::start(Traits { conditions, lists_uploads: true });
    let (dir, topic) = (tempfile::tempdir().unwrap(), unique("stores"));
    create_topic(&topic, 1);
    let values: Vec<String> = (0..40).map(|id| format!(r#"{{"id":{id},"site":"s{}"}}"#, id % 3)).collect();
    let give = |values: &[String]| produce(&topic, &values.iter().map(|value| Given::value(value.as_bytes())).collect::<Vec<_>>());
    let text = format!(
        "version: 1\npipeline: {topic}\ndelivery: exactly_once\nsource:\n  kafka: {{ brokers: [\"{}\"], value: {{ format: json, schema: {{ id: bigint, site: \
         string }} }} }}\nsink:\n  s3: {{ endpoint: \"{}\", region: us-east-1, format: json }}\nkcql: INSERT INTO lake:stores SELECT * FROM `{topic}` \
         PARTITIONBY site\n",
        variable("KPIPE_TEST_KAFKA"),
        server.endpoint,
    );
    std::fs::write(dir.path().join("pipeline.yaml"), text).unwrap();
    let run = |words: &str, code| kpipe(dir.path(), words).expect(code).out;
    let planned = run("plan pipeline.yaml", 0);
    assert!(planned.contains("the store overwrites what is there, so the group's committed offsets say which records count"), "{planned}");
    for (upto, files) in [(20, 3), (40, 6)] {
        give(&values[upto - 20..upto]);
        run("apply pipeline.yaml --yes --until-caught-up", 0);
        let (offset, word) = committed(&topic, &topic);
        assert!(offset == rdkafka::Offset::Offset(upto as i64) && word.starts_with("kpipe:1:"), "{offset:?} {word}");
        let verified = run("verify pipeline.yaml", 0);
        assert!(verified.contains(&format!("{files} objects: no gap, no duplicate")), "{verified}");
    }
    // Who is moved back without a word stops, and is told where to go on.
    let moved = kpipe(dir.path(), "offsets get pipeline.yaml").expect(0);
    assert!(moved.out.contains("ledger 40  group 40"), "{}", moved.out);
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", variable("KPIPE_TEST_KAFKA")).set("group.id", &topic).create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&topic, 0, rdkafka::Offset::Offset(10)).unwrap();
    consumer.commit(&list, rdkafka::consumer::CommitMode::Sync).unwrap();
    let stopped = kpipe(dir.path(), "apply pipeline.yaml --yes --until-caught-up").expect(12);
    assert!(stopped.err.contains("the group stands at 10, which kpipe did not commit"), "{}", stopped.err);
    kpipe(dir.path(), "verify pipeline.yaml").expect(3);
    run("offsets reset pipeline.yaml --to 40 --yes", 0);
    run("apply pipeline.yaml --yes --until-caught-up", 0);
    let verified = run("verify pipeline.yaml", 0);
    assert!(verified.contains("6 objects: no gap, no duplicate"), "{verified}");
}

#[test]
fn where_a_store_ignores_conditions_the_groups_offsets_say_what_counts() {
    offsets_say_what_counts(Conditions::Ignored);
}

#[test]
fn where_a_store_knows_no_conditions_the_groups_offsets_say_what_counts() {
    offsets_say_what_counts(Conditions::NotImplemented);
}
