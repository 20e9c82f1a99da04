//! What is said about keys, word for word.

use super::fixture::{from_kafka, lake, says};

#[test]
fn a_misspelt_option() {
    says(
        &lake("    fromat: json"),
        r#"
        error KP0201: unknown key `fromat` in `sink.s3`
          7:5 "fromat" did you mean `format`?
          help: keys allowed here: `endpoint`, `format`, `prefix`, `partition_by`, `flush`, `path_style`, `credentials`
          fix: "fromat" -> "format"
        "#,
    );
}

#[test]
fn a_misspelt_option_in_a_group() {
    says(
        &lake("    flush: { record: 1 }"),
        r#"
        error KP0201: unknown key `record` in `sink.s3.flush`
          7:14 "record" did you mean `records`?
          help: keys allowed here: `records`, `bytes`, `interval`
          fix: "record" -> "records"
        "#,
    );
}

#[test]
fn another_spelling_of_the_same_words() {
    says(
        &lake("    pathStyle: true"),
        r#"
        error KP0201: unknown key `pathStyle` in `sink.s3`
          7:5 "pathStyle" did you mean `path_style`?
          help: keys allowed here: `endpoint`, `format`, `prefix`, `partition_by`, `flush`, `path_style`, `credentials`
          fix: "pathStyle" -> "path_style"
        "#,
    );
}

#[test]
fn a_key_like_no_other() {
    says(
        &lake("    zzz: 1"),
        r#"
        error KP0201: unknown key `zzz` in `sink.s3`
          7:5 "zzz" nobody reads this
          help: keys allowed here: `endpoint`, `format`, `prefix`, `partition_by`, `flush`, `path_style`, `credentials`
        "#,
    );
}

#[test]
fn a_key_near_to_two() {
    says(
        &lake("    pre: x"),
        r#"
        error KP0201: unknown key `pre` in `sink.s3`
          7:5 "pre" did you mean `prefix`?
          help: keys allowed here: `endpoint`, `format`, `prefix`, `partition_by`, `flush`, `path_style`, `credentials`
          fix: "pre" -> "prefix"
        "#,
    );
}

#[test]
fn a_misspelt_root_key() {
    says(
        &lake("    {}").replace("kcql:", "kqcl:"),
        r#"
        error KP0201: unknown key `kqcl` in the pipeline
          8:1 "kqcl" did you mean `kcql`?
          help: keys allowed here: `version`, `pipeline`, `delivery`, `source`, `sink`, `kcql`, `errors`
          fix: "kqcl" -> "kcql"
        "#,
    );
}

#[test]
fn a_misspelt_section() {
    says(
        &lake("    {}").replace("source:", "sorce:"),
        r#"
        error KP0201: unknown key `sorce` in the pipeline
          3:1 "sorce" did you mean `source`?
          help: keys allowed here: `version`, `pipeline`, `delivery`, `source`, `sink`, `kcql`, `errors`
          fix: "sorce" -> "source"
        "#,
    );
}

#[test]
fn a_misspelt_group() {
    says(
        &from_kafka("    sals: { username: x }"),
        r#"
        error KP0201: unknown key `sals` in `source.kafka`
          6:5 "sals" did you mean `sasl`?
          help: keys allowed here: `brokers`, `tls`, `sasl`, `group`, `from`, `value`, `client`, `poll`
          fix: "sals" -> "sasl"
        "#,
    );
}

#[test]
fn a_client_setting_that_is_not_allowed() {
    says(
        &from_kafka("    client: { fetch.max.bytes: 1 }"),
        r#"
        error KP0201: unknown key `fetch.max.bytes` in `source.kafka.client`
          6:15 "fetch.max.bytes" not among the allowed keys
          help: keys allowed here: fetch.min.bytes, check.crcs
        "#,
    );
}

#[test]
fn a_misspelt_client_setting() {
    says(
        &from_kafka("    client: { check.crc: true }"),
        r#"
        error KP0201: unknown key `check.crc` in `source.kafka.client`
          6:15 "check.crc" did you mean `check.crcs`?
          help: keys allowed here: fetch.min.bytes, check.crcs
          fix: "check.crc" -> "check.crcs"
        "#,
    );
}

#[test]
fn a_word_of_kafka_connect() {
    says(
        &lake("    flush.size: 10"),
        r#"
        error KP0201: unknown key `flush.size` in `sink.s3`
          7:5 "flush.size" in kpipe this is called `flush.records`
          help: keys allowed here: `endpoint`, `format`, `prefix`, `partition_by`, `flush`, `path_style`, `credentials`
        "#,
    );
}

#[test]
fn a_word_of_the_other_sink() {
    says(
        &lake("    topics.dir: x"),
        r#"
        error KP0201: unknown key `topics.dir` in `sink.s3`
          7:5 "topics.dir" in kpipe this is called `prefix`
          help: keys allowed here: `endpoint`, `format`, `prefix`, `partition_by`, `flush`, `path_style`, `credentials`
          fix: "topics.dir" -> "prefix"
        "#,
    );
}

#[test]
fn a_word_of_kafka() {
    says(
        &lake("    {}").replace("brokers: [a:1]", "bootstrap.servers: a:1"),
        r#"
        error KP0201: unknown key `bootstrap.servers` in `source.kafka`
          4:12 "bootstrap.servers" in kpipe this is called `brokers`
          help: keys allowed here: `brokers`, `tls`, `sasl`, `group`, `from`, `value`, `client`, `poll`
          fix: "bootstrap.servers" -> "brokers"
        "#,
    );
}

#[test]
fn a_word_of_lenses() {
    says(
        &lake("    connect.s3.custom.endpoint: http://a"),
        r#"
        error KP0201: unknown key `connect.s3.custom.endpoint` in `sink.s3`
          7:5 "connect.s3.custom.endpoint" in kpipe this is called `endpoint`
          help: keys allowed here: `endpoint`, `format`, `prefix`, `partition_by`, `flush`, `path_style`, `credentials`
          fix: "connect.s3.custom.endpoint" -> "endpoint"
        "#,
    );
}

#[test]
fn a_dotted_key() {
    says(
        &lake("    flush.bytes: 10"),
        r#"
        error KP0201: unknown key `flush.bytes` in `sink.s3`
          7:5 "flush.bytes" keys are nested: `flush: { bytes: ... }`
          help: keys allowed here: `endpoint`, `format`, `prefix`, `partition_by`, `flush`, `path_style`, `credentials`
        "#,
    );
}

#[test]
fn a_root_word_of_others() {
    says(
        &lake("    {}").replace("pipeline: lake", "name: lake"),
        r#"
        error KP0201: unknown key `name` in the pipeline
          2:1 "name" in kpipe this is called `pipeline`
          help: keys allowed here: `version`, `pipeline`, `delivery`, `source`, `sink`, `kcql`, `errors`
          fix: "name" -> "pipeline"
        "#,
    );
}

#[test]
fn a_configuration_of_kafka_connect() {
    says(
        "name: x\nconfig:\n  connector.class: io.example.Sink\n",
        r#"
        error KP0232: this is a configuration of Kafka Connect
          3:3 "connector.class" kpipe has no connector classes
          help: a pipeline has `version`, `pipeline`, `source`, `sink` and `kcql`; `kpipe connectors` lists what stands below `source` and `sink`
        "#,
    );
}

#[test]
fn an_option_one_level_too_deep() {
    says(
        &lake("    flush:\n      records: 1\n      format: json"),
        r#"
        error KP0202: `format` is not a key of `sink.s3.flush`, but it is a key of `sink.s3`
          9:7 "format" move this line two columns to the left
          7:5 "flush" this mapping takes it in because of the indentation
          help: `format` belongs next to `flush`, not inside it
        "#,
    );
}

#[test]
fn an_option_too_deep_in_braces() {
    says(
        &lake("    flush: { records: 1, format: json }"),
        r#"
        error KP0202: `format` is not a key of `sink.s3.flush`, but it is a key of `sink.s3`
          7:26 "format" move this out of the braces
          7:5 "flush" this mapping takes it in because of the indentation
          help: `format` belongs next to `flush`, not inside it
        "#,
    );
}

#[test]
fn an_option_one_level_too_high() {
    says(
        &lake("    records: 1"),
        r#"
        error KP0202: `records` is not a key of `sink.s3`, but it is a key of `sink.s3.flush`
          7:5 "records" move this into `flush`
          help: write `flush: { records: ... }`
        "#,
    );
}

#[test]
fn an_option_of_the_other_end() {
    says(
        &lake("    group: x"),
        r#"
        error KP0202: `group` is not a key of `sink.s3`, but it is a key of `source.kafka`
          7:5 "group" move this to `source.kafka`
          help: `group` stands below `source.kafka`
        "#,
    );
}

#[test]
fn a_root_key_in_the_sink() {
    says(
        &lake("    delivery: at_least_once"),
        r#"
        error KP0202: `delivery` is not a key of `sink.s3`, but it is a key of the pipeline
          7:5 "delivery" move this line to the left
          6:3 "s3" this mapping takes it in because of the indentation
          help: `delivery` belongs next to `sink`, not inside it
        "#,
    );
}

#[test]
fn a_root_key_in_a_group() {
    says(
        &lake("    flush:\n      kcql: x"),
        r#"
        error KP0202: `kcql` is not a key of `sink.s3.flush`, but it is a key of the pipeline
          8:7 "kcql" move this line to the left
          7:5 "flush" this mapping takes it in because of the indentation
          help: `kcql` belongs next to `sink`, not inside it
        "#,
    );
}

#[test]
fn an_option_at_the_root() {
    says(
        &lake("    {}").replace("pipeline:", "partition_by: [a]\npipeline:"),
        r#"
        error KP0202: `partition_by` is not a key of the pipeline, but it is a key of `sink.s3`
          2:1 "partition_by" move this into `sink.s3`
          help: write `sink: { s3: { partition_by: ... } }`
        "#,
    );
}

#[test]
fn an_option_beside_its_connector() {
    says(
        &lake("    {}").replace("  s3:", "  prefix: x\n  s3:"),
        r#"
        error KP0341: unknown connector `prefix`
          6:3 "prefix" this is an option of `s3`: write `s3: { prefix: ... }`
          help: connectors: s3, kafka
        "#,
    );
}

#[test]
fn a_key_of_errors_at_the_root() {
    says(
        &lake("    {}").replace("kcql:", "dead_letter: x\nkcql:"),
        r#"
        error KP0202: `dead_letter` is not a key of the pipeline, but it is a key of `errors`
          8:1 "dead_letter" move this into `errors`
          help: write `errors: { dead_letter: ... }`
        "#,
    );
}

#[test]
fn transforms() {
    says(
        &lake("    {}").replace("kcql:", "transforms: []\nkcql:"),
        r#"
        error KP0229: `transforms` is known, but not supported yet
          8:1 "transforms" nothing would honour this
          help: remove it; keys allowed here: `version`, `pipeline`, `delivery`, `source`, `sink`, `kcql`, `errors`
        "#,
    );
}

#[test]
fn nothing_but_a_wrong_key() {
    says(
        "a: 1\n",
        r#"
        error KP0201: unknown key `a` in the pipeline
          1:1 "a" nobody reads this
          help: keys allowed here: `version`, `pipeline`, `delivery`, `source`, `sink`, `kcql`, `errors`
        error KP0220: the pipeline has no `version`, `pipeline`, `source`, `sink`, `kcql`
          1:1 "a" required here
          help: for example `version: 1`
        "#,
    );
}

#[test]
fn a_list() {
    says(
        "- a\n- b\n",
        r#"
        error KP0233: a pipeline file is a mapping of keys, found a list
          1:1 "- a" no keys here
          help: it begins with `version: 1` and `pipeline: NAME`
        "#,
    );
}

#[test]
fn a_text() {
    says(
        "hello\n",
        r#"
        error KP0233: a pipeline file is a mapping of keys, found a single value
          1:1 "hello" no keys here
          help: it begins with `version: 1` and `pipeline: NAME`
        "#,
    );
}

#[test]
fn no_version() {
    says(
        &lake("    {}").replace("version: 1\n", ""),
        r#"
        error KP0220: the pipeline has no `version`
          1:1 "pipeline" required here
          help: for example `version: 1`
          fix: "" -> "version: 1\n"
        "#,
    );
}

#[test]
fn no_brokers() {
    says(
        &lake("    {}").replace("brokers: [a:1]", ""),
        r#"
        error KP0220: `source.kafka` has no `brokers`
          4:3 "kafka" required here
          help: for example `brokers: [kafka:9092]`
        "#,
    );
}

#[test]
fn no_kcql() {
    says(
        &lake("    {}").replace("kcql: INSERT INTO lake SELECT * FROM t\n", ""),
        r#"
        error KP0220: the pipeline has no `kcql`
          1:1 "version" required here
          help: for example `kcql: INSERT INTO target SELECT * FROM source`
        "#,
    );
}

#[test]
fn another_version() {
    says(
        &lake("    {}").replace("version: 1", "version: 2"),
        r#"
        error KP0230: this version of kpipe reads `version: 1` only
          1:10 "2" another version
          help: write `version: 1`, or use a version of kpipe that knows this one
        "#,
    );
}

#[test]
fn a_version_in_quotes() {
    says(
        &lake("    {}").replace("version: 1", "version: \"1\""),
        r#"
        error KP0221: `version` takes a whole number, found a quoted text
          1:10 "\"1\"" not a whole number
          help: write 1 without quotes
          fix: "\"1\"" -> "1"
        "#,
    );
}

#[test]
fn no_name() {
    says(
        &lake("    {}").replace("pipeline: lake", "pipeline:"),
        r#"
        error KP0234: `pipeline` has no value
          2:1 "pipeline" a value has to follow
          help: for example `pipeline: orders-lake`
        "#,
    );
}

#[test]
fn a_name_with_a_blank() {
    says(
        &lake("    {}").replace("pipeline: lake", "pipeline: a b"),
        r#"
        error KP0343: `a b` cannot be the name of a pipeline: ` ` is not allowed in it
          2:11 "a b" ` ` is not allowed in it
          help: 1 to 100 of: letters A to Z, digits, `.`, `_`, `-`; it is also the default consumer group
        "#,
    );
}

#[test]
fn a_name_that_begins_with_a_sign() {
    says(
        &lake("    {}").replace("pipeline: lake", "pipeline: -a"),
        r#"
        error KP0343: `-a` cannot be the name of a pipeline: it begins with a letter or a digit
          2:11 "-a" it begins with a letter or a digit
          help: 1 to 100 of: letters A to Z, digits, `.`, `_`, `-`; it is also the default consumer group
        "#,
    );
}

#[test]
fn an_empty_statement() {
    says(
        &lake("    {}").replace("INSERT INTO lake SELECT * FROM t", "''"),
        r#"
        error KP0234: `kcql` has no value
          8:1 "kcql" a value has to follow
          help: for example `kcql: INSERT INTO target SELECT * FROM source`
        "#,
    );
}

#[test]
fn statements_in_a_list() {
    says(
        &lake("    {}").replace("INSERT INTO lake SELECT * FROM t", "[a, b]"),
        r#"
        error KP0221: `kcql` takes a text, found a list
          8:7 "[a, b]" not a text
          help: for example `kcql: INSERT INTO target SELECT * FROM source`
        "#,
    );
}

#[test]
fn an_unknown_connector() {
    says(
        &lake("    {}").replace("kafka:", "mqqt:"),
        r#"
        error KP0341: unknown connector `mqqt`
          4:3 "mqqt" did you mean `mqtt`?
          help: connectors: kafka, mqtt
          fix: "mqqt" -> "mqtt"
        "#,
    );
}

#[test]
fn a_connector_that_is_no_source() {
    says(
        &lake("    {}").replace("kafka: {", "s3: {"),
        r#"
        error KP0342: `s3` cannot be a source
          4:3 "s3" not a source
          help: sources: kafka, mqtt
        "#,
    );
}

#[test]
fn options_without_a_connector() {
    says(
        &lake("    {}").replace("kafka: { brokers: [a:1] }", "brokers: [a:1]"),
        r#"
        error KP0341: unknown connector `brokers`
          4:3 "brokers" this is an option of `kafka`: write `kafka: { brokers: ... }`
          help: connectors: kafka, mqtt
        "#,
    );
}

#[test]
fn no_connector() {
    says(
        &lake("    {}").replace("  kafka: { brokers: [a:1] }\n", ""),
        r#"
        error KP0231: `source` names no connector
          3:1 "source" exactly one connector has to stand here
          help: connectors: kafka, mqtt
        "#,
    );
}

#[test]
fn a_connector_without_its_colon() {
    says(
        &lake("    {}").replace("kafka: { brokers: [a:1] }", "kafka"),
        r#"
        error KP0221: `source` takes a connector and its options, found a single value
          4:3 "kafka" not a connector and its options
          help: for example `source: { kafka: { brokers: [localhost:9092] } }`
        "#,
    );
}

#[test]
fn two_connectors() {
    says(
        &lake("    {}").replace("  s3:", "  kafka: { brokers: [a:1] }\n  s3:"),
        r#"
        error KP0231: `sink` names two connectors: `kafka` and `s3`
          7:3 "s3" a second one
          6:3 "kafka" the first one
          help: a pipeline has one source and one sink; write a second pipeline for the other one
        "#,
    );
}

#[test]
fn an_unknown_connection() {
    says(
        &lake("    {}").replace("brokers: [a:1]", "use: main"),
        r#"
        error KP0345: no connection is called `main`
          4:17 "main" no connection of this name
          help: connections stand in connections.yaml: `connections: { main: { kafka: { brokers: [...] } } }`
        "#,
    );
}
