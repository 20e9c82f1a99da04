//! What objects are called. The engine writes with these names, and a plan shows them.

use super::{Compression, FileFormat, FileTail, Naming};

/// What a file knows about its records when it is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileNumbers {
    /// The source partition.
    pub partition: i32,
    /// The first offset of its own records.
    pub first_offset: i64,
    /// The last one.
    pub last_offset: i64,
    /// The earliest time of its records in milliseconds since 1970; -1 if none has one.
    pub first_timestamp_ms: i64,
    /// The latest one.
    pub last_timestamp_ms: i64,
}

impl FileTail {
    /// The folders above those of the partition, without slashes at the ends; may be empty.
    #[must_use]
    pub fn root(&self, topic: &str) -> String {
        match (self.naming, self.prefix.as_str()) {
            (Naming::Kpipe | Naming::Lenses, prefix) => prefix.to_owned(),
            (Naming::Confluent, "") => topic.to_owned(),
            (Naming::Confluent, prefix) => format!("{prefix}/{topic}"),
        }
    }

    /// The name of a file in its folder.
    #[must_use]
    pub fn file_name(&self, topic: &str, file: &FileNumbers) -> String {
        let FileNumbers { partition, first_offset, last_offset, first_timestamp_ms, last_timestamp_ms } = *file;
        let extension = self.extension();
        match self.naming {
            Naming::Kpipe => format!("{topic}-{partition}-{first_offset:012}-{last_offset:012}.{extension}"),
            Naming::Confluent => format!("{topic}+{partition}+{first_offset:010}.{extension}"),
            Naming::Lenses if self.partition.is_empty() => format!("{topic}({partition}_{last_offset:012}).{extension}"),
            Naming::Lenses => format!("{last_offset:012}_{first_timestamp_ms}_{last_timestamp_ms}.{extension}"),
        }
    }

    /// What a name ends with, without the dot: `json`, `json.gz`, `snappy.parquet`.
    #[must_use]
    pub fn extension(&self) -> String {
        let lenses = self.naming == Naming::Lenses;
        match &self.format {
            FileFormat::Json { compression } => compressed("json", *compression),
            FileFormat::Text { compression } => compressed(if lenses { "text" } else { "txt" }, *compression),
            FileFormat::Bytes { separator: _ } => if lenses { "bytes" } else { "bin" }.to_owned(),
            FileFormat::Parquet { compression, row_group_bytes: _ } if self.naming == Naming::Confluent => {
                let codec = match compression {
                    Compression::None => "",
                    Compression::Snappy => "snappy.",
                    Compression::Gzip(_) => "gz.",
                    Compression::Zstd(_) => "zstd.",
                };
                format!("{codec}parquet")
            }
            FileFormat::Parquet { compression: _, row_group_bytes: _ } => "parquet".to_owned(),
        }
    }
}

fn compressed(extension: &str, compression: Compression) -> String {
    match compression {
        Compression::None | Compression::Snappy => extension.to_owned(),
        Compression::Gzip(_) => format!("{extension}.gz"),
        Compression::Zstd(_) => format!("{extension}.zst"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Expr, PartitionItem};

    fn tail(naming: Naming, format: FileFormat) -> FileTail {
        FileTail {
            bucket: "lake".to_owned(),
            prefix: "top".to_owned(),
            partition: vec![PartitionItem::Value { name: None, expr: Expr::Topic }],
            keep_partition_columns: true,
            format,
            naming,
        }
    }

    const FILE: FileNumbers =
        FileNumbers { partition: 3, first_offset: 42, last_offset: 99, first_timestamp_ms: 1000, last_timestamp_ms: 2000 };
    const JSON: FileFormat = FileFormat::Json { compression: Compression::None };

    #[test]
    fn each_naming_has_its_numbers() {
        let name = |naming| tail(naming, JSON).file_name("orders", &FILE);
        assert_eq!(name(Naming::Kpipe), "orders-3-000000000042-000000000099.json");
        assert_eq!(name(Naming::Confluent), "orders+3+0000000042.json");
        assert_eq!(name(Naming::Lenses), "000000000099_1000_2000.json");
        let mut flat = tail(Naming::Lenses, JSON);
        flat.partition.clear();
        assert_eq!(flat.file_name("orders", &FILE), "orders(3_000000000099).json");
    }

    #[test]
    fn confluent_repeats_the_topic_as_a_folder() {
        assert_eq!(tail(Naming::Confluent, JSON).root("orders"), "top/orders");
        assert_eq!(tail(Naming::Kpipe, JSON).root("orders"), "top");
        let mut bare = tail(Naming::Confluent, JSON);
        bare.prefix.clear();
        assert_eq!(bare.root("orders"), "orders");
    }

    #[test]
    fn extensions_show_the_codec_where_readers_look_for_it() {
        let json = |compression| tail(Naming::Kpipe, FileFormat::Json { compression }).extension();
        assert_eq!(json(Compression::Gzip(6)), "json.gz");
        assert_eq!(json(Compression::Zstd(3)), "json.zst");
        let parquet = |naming, compression| tail(naming, FileFormat::Parquet { compression, row_group_bytes: 1 }).extension();
        assert_eq!(parquet(Naming::Kpipe, Compression::Zstd(1)), "parquet");
        assert_eq!(parquet(Naming::Confluent, Compression::Snappy), "snappy.parquet");
        assert_eq!(parquet(Naming::Confluent, Compression::Zstd(1)), "zstd.parquet");
        assert_eq!(parquet(Naming::Confluent, Compression::Gzip(6)), "gz.parquet");
        assert_eq!(parquet(Naming::Confluent, Compression::None), "parquet");
        let bytes = |naming| tail(naming, FileFormat::Bytes { separator: String::new() }).extension();
        assert_eq!((bytes(Naming::Kpipe), bytes(Naming::Lenses)), ("bin".to_owned(), "bytes".to_owned()));
        let text = |naming| tail(naming, FileFormat::Text { compression: Compression::None }).extension();
        assert_eq!((text(Naming::Kpipe), text(Naming::Lenses)), ("txt".to_owned(), "text".to_owned()));
    }
}
