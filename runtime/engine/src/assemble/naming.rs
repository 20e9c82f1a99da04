//! The key of an object.

use std::fmt::Write;

use kpipe_compiler::plan::naming::FileNumbers;
use kpipe_compiler::plan::{FileTail, Naming};

use crate::connector::IfExists;
use crate::event::PartitionName;
use crate::path::roll::ClosedFile;

/// Prefix, folders and name, joined by slashes.
pub(super) fn key(tail: &FileTail, source: &PartitionName, file: &ClosedFile) -> String {
    let topic = encoded(&source.topic);
    let (first_ms, last_ms) = file.times_ms.unwrap_or((-1, -1));
    let numbers = FileNumbers {
        partition: source.partition,
        first_offset: file.first.0,
        last_offset: file.last.0,
        first_timestamp_ms: first_ms,
        last_timestamp_ms: last_ms,
    };
    let (root, name) = (tail.root(&topic), tail.file_name(&topic, &numbers));
    let segments = [root.as_str(), &file.folder, &name];
    segments.into_iter().filter(|segment| !segment.is_empty()).collect::<Vec<_>>().join("/")
}

/// What a name promises about an object that is there. Names with both offsets: the same data. The others: perhaps a file that ends at
/// another offset, so that leaving it would lose records.
pub(super) fn if_exists(naming: Naming) -> IfExists {
    match naming {
        Naming::Kpipe => IfExists::Keep,
        Naming::Confluent | Naming::Lenses => IfExists::Replace,
    }
}

/// A topic as a part of a name: Kafka's topics as they are; of others (file paths) everything else is percent-encoded.
fn encoded(topic: &str) -> String {
    let mut name = String::with_capacity(topic.len());
    for byte in topic.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' => name.push(byte as char),
            other => write!(name, "%{other:02X}").expect("writing to a string does not fail"),
        }
    }
    if name == "." || name == ".." { name.replace('.', "%2E") } else { name }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kpipe_compiler::plan::{Compression, FileFormat};

    use super::*;
    use crate::position::Position;

    fn tail(naming: Naming, prefix: &str) -> FileTail {
        FileTail {
            bucket: "lake".to_owned(),
            prefix: prefix.to_owned(),
            partition: Vec::new(),
            keep_partition_columns: true,
            format: FileFormat::Json { compression: Compression::None },
            naming,
        }
    }

    fn file(folder: &str) -> ClosedFile {
        ClosedFile {
            route: 0,
            folder: folder.into(),
            first: Position(7),
            last: Position(9),
            times_ms: None,
            records: 3,
            parts: vec![Bytes::new()],
        }
    }

    fn source(topic: &str) -> PartitionName {
        PartitionName { topic: topic.into(), partition: 2 }
    }

    #[test]
    fn keys_have_no_empty_segments() {
        let of = |prefix, folder| key(&tail(Naming::Kpipe, prefix), &source("orders"), &file(folder));
        assert_eq!(of("", ""), "orders-2-000000000007-000000000009.json");
        assert_eq!(of("top", "country=de/day=1"), "top/country=de/day=1/orders-2-000000000007-000000000009.json");
        assert_eq!(
            key(&tail(Naming::Confluent, "topics"), &source("orders"), &file("partition=2")),
            "topics/orders/partition=2/orders+2+0000000007.json"
        );
    }

    #[test]
    fn a_topic_cannot_leave_the_prefix() {
        let of = |topic| key(&tail(Naming::Confluent, "top"), &source(topic), &file(""));
        assert_eq!(of("../../etc"), "top/..%2F..%2Fetc/..%2F..%2Fetc+2+0000000007.json");
        assert_eq!(of(".."), "top/%2E%2E/%2E%2E+2+0000000007.json");
    }

    #[test]
    fn only_names_with_both_offsets_promise_the_same_data() {
        let kept: Vec<_> = [Naming::Kpipe, Naming::Confluent, Naming::Lenses].map(if_exists).into();
        assert_eq!(kept, [IfExists::Keep, IfExists::Replace, IfExists::Replace]);
    }
}
