//! What is said about values, word for word.

use super::fixture::{from_kafka, lake, says};

#[test]
fn a_number_out_of_range() {
    says(
        &lake("    flush: { records: 0 }"),
        r#"
        error KP0222: `sink.s3.flush.records` is 0, but it takes 1 or more
          7:23 "0" out of range
          help: records: What it is about.
        "#,
    );
}

#[test]
fn a_number_out_of_two_limits() {
    says(
        &from_kafka("    poll: 101"),
        r#"
        error KP0222: `source.kafka.poll` is 101, but it takes 1 to 100
          6:11 "101" out of range
          help: poll: What it is about.
        "#,
    );
}

#[test]
fn a_word_for_a_number() {
    says(
        &lake("    flush: { records: many }"),
        r#"
        error KP0221: `sink.s3.flush.records` takes a whole number, found `many`
          7:23 "many" not a whole number
          help: for example `records: x`
        "#,
    );
}

#[test]
fn a_quoted_number() {
    says(
        &lake("    flush: { records: \"5\" }"),
        r#"
        error KP0221: `sink.s3.flush.records` takes a whole number, found a quoted text
          7:23 "\"5\"" not a whole number
          help: write 5 without quotes
          fix: "\"5\"" -> "5"
        "#,
    );
}

#[test]
fn a_list_for_a_number() {
    says(
        &lake("    flush: { records: [1] }"),
        r#"
        error KP0221: `sink.s3.flush.records` takes a whole number, found a list
          7:23 "[1]" not a whole number
          help: for example `records: x`
        "#,
    );
}

#[test]
fn a_fraction() {
    says(
        &lake("    flush: { records: 1.5 }"),
        r#"
        error KP0221: `sink.s3.flush.records` takes a whole number, found `1.5`
          7:23 "1.5" not a whole number
          help: for example `records: x`
        "#,
    );
}

#[test]
fn a_leading_zero() {
    says(
        &lake("    flush: { records: 010 }"),
        r#"
        error KP0225: `010` can be read in two ways
          7:23 "010" write 10
          help: older YAML reads a leading 0 as octal
          fix: "010" -> "10"
        "#,
    );
}

#[test]
fn a_number_with_separators() {
    says(
        &lake("    flush: { records: 1_000 }"),
        r#"
        error KP0225: `1_000` can be read in two ways
          7:23 "1_000" write 1000
          help: YAML has no separators inside numbers
          fix: "1_000" -> "1000"
        "#,
    );
}

#[test]
fn a_number_beyond_64_bits() {
    says(
        &lake("    flush: { records: 99999999999999999999 }"),
        r#"
        error KP0221: `sink.s3.flush.records` takes a whole number, found `99999999999999999999`
          7:23 "99999999999999999999" not a whole number
          help: for example `records: x`
        "#,
    );
}

#[test]
fn a_time_without_a_unit() {
    says(
        &lake("    flush: { interval: 10 }"),
        r#"
        error KP0228: `sink.s3.flush.interval` takes a time, found `10`
          7:24 "10" a unit is missing
          help: units are ms, s, m, h and d, largest first: `10m`, `500ms`, `1h30m`
        "#,
    );
}

#[test]
fn a_time_that_is_none() {
    says(
        &lake("    flush: { interval: soon }"),
        r#"
        error KP0228: `sink.s3.flush.interval` takes a time, found `soon`
          7:24 "soon" not a time
          help: units are ms, s, m, h and d, largest first: `10m`, `500ms`, `1h30m`
        "#,
    );
}

#[test]
fn a_time_out_of_range() {
    says(
        &lake("    flush: { interval: 1ms }"),
        r#"
        error KP0222: `sink.s3.flush.interval` is 1ms, but it takes 100ms to 1d
          7:24 "1ms" out of range
          help: interval: What it is about.
        "#,
    );
}

#[test]
fn a_size_that_is_none() {
    says(
        &lake("    flush: { bytes: 5 megs }"),
        r#"
        error KP0228: `sink.s3.flush.bytes` takes a size, found `5 megs`
          7:21 "5 megs" not a size
          help: units are B, KB, MB, GB (1000) and KiB, MiB, GiB (1024)
        "#,
    );
}

#[test]
fn a_size_out_of_range() {
    says(
        &lake("    flush: { bytes: 999999GiB }"),
        r#"
        error KP0222: `sink.s3.flush.bytes` is 999999GiB, but it takes 1B to 64GiB
          7:21 "999999GiB" out of range
          help: bytes: What it is about.
        "#,
    );
}

#[test]
fn a_value_for_a_mapping() {
    says(
        &lake("    flush: 5"),
        r#"
        error KP0221: `sink.s3.flush` takes a mapping of keys, found a single value
          7:12 "5" not a mapping of keys
          help: begin a new line for each key, indented further than this one
        "#,
    );
}

#[test]
fn yes() {
    says(
        &lake("    path_style: yes"),
        r#"
        error KP0224: `yes` without quotes is a text in YAML 1.2, but `sink.s3.path_style` takes `true` or `false`
          7:17 "yes" write true
          help: write `true`, in lower case and without quotes
          fix: "yes" -> "true"
        "#,
    );
}

#[test]
fn a_quoted_boolean() {
    says(
        &lake("    path_style: \"true\""),
        r#"
        error KP0224: `true` in quotes is a text in YAML 1.2, but `sink.s3.path_style` takes `true` or `false`
          7:17 "\"true\"" write true
          help: write `true`, in lower case and without quotes
          fix: "\"true\"" -> "true"
        "#,
    );
}

#[test]
fn a_capital_boolean_is_one() {
    says(&lake("    path_style: True"), "");
}

#[test]
fn a_number_for_a_boolean() {
    says(
        &lake("    path_style: 1"),
        r#"
        error KP0221: `sink.s3.path_style` takes `true` or `false`, found `1`
          7:17 "1" not `true` or `false`
          help: for example `path_style: x`
        "#,
    );
}

#[test]
fn off_for_a_text() {
    says(
        &lake("    prefix: off"),
        r#"
        error KP0224: `off` without quotes is a boolean to many YAML readers, but a text is expected
          7:13 "off" write "off"
          help: quote it: `sink.s3.prefix` takes a text
          fix: "off" -> "\"off\""
        "#,
    );
}

#[test]
fn true_for_a_text() {
    says(
        &lake("    prefix: true"),
        r#"
        error KP0224: `true` without quotes is a boolean to many YAML readers, but a text is expected
          7:13 "true" write "true"
          help: quote it: `sink.s3.prefix` takes a text
          fix: "true" -> "\"true\""
        "#,
    );
}

#[test]
fn an_octal_text() {
    says(
        &lake("    prefix: 007"),
        r#"
        error KP0225: `007` can be read in two ways
          7:13 "007" write "007"
          help: older YAML reads it as an octal number; quoted it is a text
          fix: "007" -> "\"007\""
        "#,
    );
}

#[test]
fn nothing_for_a_text() {
    says(
        &lake("    prefix:"),
        r#"
        error KP0234: `sink.s3.prefix` has no value
          7:5 "prefix" a value has to follow
          help: for example `prefix: x`
        "#,
    );
}

#[test]
fn null_for_a_text() {
    says(
        &lake("    prefix: ~"),
        r#"
        error KP0234: `sink.s3.prefix` has no value
          7:13 "~" a value has to follow
          help: for example `prefix: x`
        "#,
    );
}

#[test]
fn a_mapping_for_a_text() {
    says(
        &lake("    prefix: { a: 1 }"),
        r#"
        error KP0221: `sink.s3.prefix` takes a text, found a mapping
          7:13 "{ a: 1 }" not a text
          help: for example `prefix: x`
        "#,
    );
}

#[test]
fn an_empty_list() {
    says(
        &lake("    partition_by: []"),
        r#"
        error KP0234: `sink.s3.partition_by` has no value
          7:19 "[]" a value has to follow
          help: for example `partition_by: x`
        "#,
    );
}

#[test]
fn a_list_in_a_list() {
    says(
        &lake("    partition_by: [[a]]"),
        r#"
        error KP0221: `sink.s3.partition_by` takes a text, found a list
          7:20 "[a]" not a text
          help: for example `partition_by: x`
        "#,
    );
}

#[test]
fn a_url_without_a_scheme() {
    says(
        &lake("    endpoint: minio:9000"),
        r#"
        error KP0226: `sink.s3.endpoint` is not a URL that fits: it begins with http:// or https://
          7:15 "minio:9000" it begins with http:// or https://
          help: for example `endpoint: x`
        "#,
    );
}

#[test]
fn a_url_of_another_scheme() {
    says(
        &lake("    endpoint: ftp://minio"),
        r#"
        error KP0226: `sink.s3.endpoint` is not a URL that fits: the scheme is `http` or `https`
          7:15 "ftp://minio" the scheme is `http` or `https`
          help: for example `endpoint: x`
        "#,
    );
}

#[test]
fn a_url_without_a_host() {
    says(
        &lake("    endpoint: http://"),
        r#"
        error KP0226: `sink.s3.endpoint` is not a URL that fits: no host
          7:15 "http://" no host
          help: for example `endpoint: x`
        "#,
    );
}

#[test]
fn a_url_with_a_bad_port() {
    says(
        &lake("    endpoint: http://minio:port"),
        r#"
        error KP0226: `sink.s3.endpoint` is not a URL that fits: a port is a number from 1 to 65535
          7:15 "http://minio:port" a port is a number from 1 to 65535
          help: for example `endpoint: x`
        "#,
    );
}

#[test]
fn a_url_with_a_password() {
    says(
        &lake("    endpoint: http://u:p@minio"),
        r#"
        error KP0703: a URL cannot hold a user or a password
          7:15 "http://u:p@minio" value hidden
          help: write them as options of their own, with the password as `${env:NAME}`
        "#,
    );
}

#[test]
fn an_address_without_a_port() {
    says(
        &lake("    {}").replace("a:1", "a"),
        r#"
        error KP0227: `source.kafka.brokers` takes `host:port`: the port is missing
          4:22 "a" the port is missing
          help: for example `brokers: [kafka:9092]`
        "#,
    );
}

#[test]
fn an_address_with_a_scheme() {
    says(
        &lake("    {}").replace("[a:1]", "[\"kafka://a:1\"]"),
        r#"
        error KP0227: `source.kafka.brokers` takes `host:port`: no scheme stands before the host
          4:22 "\"kafka://a:1\"" no scheme stands before the host
          help: for example `brokers: [kafka:9092]`
        "#,
    );
}

#[test]
fn addresses_in_one_text() {
    says(
        &lake("    {}").replace("{ brokers: [a:1] }", "\n    brokers: a:1,b:2"),
        r#"
        error KP0227: `source.kafka.brokers` takes `host:port`: several addresses are a list: `[a:9092, b:9092]`
          5:14 "a:1,b:2" several addresses are a list: `[a:9092, b:9092]`
          help: for example `brokers: [kafka:9092]`
        "#,
    );
}

#[test]
fn a_misspelt_choice() {
    says(
        &from_kafka("    sasl: { mechanism: plian }"),
        r#"
        error KP0223: `source.kafka.sasl.mechanism` cannot be `plian`
          6:24 "plian" did you mean `plain`?
          help: it takes `plain` or `scram-sha-256`
          fix: "plian" -> "plain"
        "#,
    );
}

#[test]
fn no_choice_at_all() {
    says(
        &lake("    {}").replace("kcql:", "delivery: once\nkcql:"),
        r#"
        error KP0223: `delivery` cannot be `once`
          8:11 "once" not one of the choices
          help: it takes `at_most_once`, `at_least_once` or `exactly_once`
        "#,
    );
}

#[test]
fn a_start_that_is_none() {
    says(
        &from_kafka("    from: yesterday"),
        r#"
        error KP0221: `source.kafka.from` takes `earliest`, `latest` or a time stamp, found `yesterday`
          6:11 "yesterday" not `earliest`, `latest` or a time stamp
          help: for example `from: x`
        "#,
    );
}

#[test]
fn an_unknown_format() {
    says(
        &lake("    format: parqet"),
        r#"
        error KP0349: unknown format `parqet`
          7:13 "parqet" did you mean `parquet`?
          help: `sink.s3.format` is `json` or `parquet`
          fix: "parqet" -> "parquet"
        "#,
    );
}

#[test]
fn a_format_with_two_names() {
    says(
        &lake("    format: { json: {}, parquet: {} }"),
        r#"
        error KP0221: `sink.s3.format` takes a format, found a mapping of 2 keys
          7:13 "{ json: {}, parquet: {} }" not a format
          help: for example `format: x`
        "#,
    );
}

#[test]
fn a_format_in_a_list() {
    says(
        &lake("    format: [json]"),
        r#"
        error KP0221: `sink.s3.format` takes a format, found a list
          7:13 "[json]" not a format
          help: for example `format: x`
        "#,
    );
}

#[test]
fn a_format_with_a_text_for_options() {
    says(
        &lake("    format: { parquet: zstd }"),
        r#"
        error KP0221: `sink.s3.format.parquet` takes a mapping of options, found a single value
          7:24 "zstd" not a mapping of options
          help: for example `{ compression: zstd }`
        "#,
    );
}

#[test]
fn a_format_with_a_list_for_an_option() {
    says(
        &lake("    format: { json: { compression: [a] } }"),
        r#"
        error KP0221: `sink.s3.format.json.compression` takes a single value, found a list
          7:36 "[a]" not a single value
          help: for example `{ compression: zstd }`
        "#,
    );
}

#[test]
fn a_format_that_is_not_built() {
    says(
        &lake("    format: avro"),
        r#"
        error KP0229: the format `avro` is known, but not supported yet
          7:13 "avro" nothing would honour this
          help: `sink.s3.format` is `json` or `parquet`
        "#,
    );
}

#[test]
fn a_client_setting_with_a_list() {
    says(
        &from_kafka("    client: { check.crcs: [1] }"),
        r#"
        error KP0221: `source.kafka.client.check.crcs` takes a text, found a list
          6:27 "[1]" not a text
          help: for example `client: x`
        "#,
    );
}

#[test]
fn a_map_that_is_a_list() {
    says(
        &from_kafka("    client: [a]"),
        r#"
        error KP0221: `source.kafka.client` takes a mapping, found a list
          6:13 "[a]" not a mapping
          help: for example `client: x`
        "#,
    );
}

#[test]
fn a_variable_that_is_not_set() {
    says(
        &lake("    prefix: ${env:NOPE}"),
        r#"
        error KP0351: the environment variable `NOPE` is not set
          7:13 "${env:NOPE}" its value is needed here
          help: set it for this command; `kpipe check` works without it
        "#,
    );
}

#[test]
fn a_file_that_is_not_there() {
    says(
        &lake("    prefix: ${file:/nope}"),
        r#"
        error KP0352: the file `/nope` cannot be read: there is no such file
          7:13 "${file:/nope}" its content is needed here
          help: look at the path and at the rights of the file; a relative path starts at the folder of the file that it is written in
        "#,
    );
}

#[test]
fn a_reference_without_a_kind() {
    says(
        &lake("    prefix: ${SET}"),
        r#"
        error KP0353: `${SET}` is not a reference that kpipe knows
          7:13 "${SET}" did you mean `${env:SET}`?
          help: references are `${env:NAME}` and `${file:/path}`; `$${` stands for the characters themselves
          fix: "${SET}" -> "${env:SET}"
        "#,
    );
}

#[test]
fn a_misspelt_kind_of_reference() {
    says(
        &lake("    prefix: x-${evn:SET}"),
        r#"
        error KP0353: `${evn:SET}` is not a reference that kpipe knows
          7:15 "${evn:SET}" did you mean `${env:SET}`?
          help: references are `${env:NAME}` and `${file:/path}`; `$${` stands for the characters themselves
          fix: "${evn:SET}" -> "${env:SET}"
        "#,
    );
}

#[test]
fn a_secret_store() {
    says(
        &lake("    prefix: ${vault:a#b}"),
        r#"
        error KP0353: `${vault:a#b}` is not a reference that kpipe knows
          7:13 "${vault:a#b}" known, but not supported yet
          help: references are `${env:NAME}` and `${file:/path}`; `$${` stands for the characters themselves; a file may be written by an agent of the secret store
        "#,
    );
}

#[test]
fn a_reference_with_a_default() {
    says(
        &lake("    prefix: ${env:SET:-x}"),
        r#"
        error KP0353: `${env:SET:-x}` is not a reference that kpipe knows
          7:13 "${env:SET:-x}" not the name of a variable
          help: a name is letters, digits and `_`, and has no default here
        "#,
    );
}

#[test]
fn a_file_without_a_path() {
    says(
        &lake("    prefix: \"${file:}\""),
        r#"
        error KP0353: `${file:}` is not a reference that kpipe knows
          7:14 "${file:}" no path
          help: references are `${env:NAME}` and `${file:/path}`; `$${` stands for the characters themselves
        "#,
    );
}

#[test]
fn a_reference_that_is_never_closed() {
    says(
        &lake("    prefix: ${env:SET"),
        r#"
        error KP0354: a reference is never closed
          7:13 "${" `}` is missing
          help: write `${env:NAME}`, or `$${` for the characters themselves
        "#,
    );
}

#[test]
fn a_written_secret() {
    says(
        &from_kafka("    sasl: { password: hunter2 }"),
        r#"
        warning KP0701: `source.kafka.sasl.password` is a secret and is written in the file
          6:23 "hunter2" value hidden; it is in the history of this file from here on
          help: write `"${env:NAME}"` or `"${file:/run/secrets/name}"`, then change the secret
        "#,
    );
}

#[test]
fn a_secret_put_together() {
    says(
        &from_kafka("    sasl: { password: \"x${env:SET}\" }"),
        r#"
        error KP0704: a secret is one whole reference
          6:23 "\"x${env:SET}\"" text beside the reference would be in the plan
          help: put the whole value into the variable or the file: `${env:NAME}`
        "#,
    );
}

#[test]
fn a_secret_that_is_not_set() {
    says(
        &from_kafka("    sasl: { password: \"${env:NOPE}\" }"),
        r#"
        error KP0351: the environment variable `NOPE` is not set
          6:24 "${env:NOPE}" its value is needed here
          help: set it for this command; `kpipe check` works without it
        "#,
    );
}

#[test]
fn a_secret_that_is_a_list() {
    says(
        &from_kafka("    sasl: { password: [a] }"),
        r#"
        error KP0221: `source.kafka.sasl.password` takes a text, found a list
          6:23 "[a]" not a text
          help: for example `password: x`
        "#,
    );
}

#[test]
fn an_unknown_type() {
    says(
        &from_kafka("    value: { schema: { id: bigit } }"),
        r#"
        error KP0235: `bigit` is not a type
          6:28 "bigit" in this type
          help: write `bigint`
        "#,
    );
}

#[test]
fn an_unknown_type_inside_another() {
    says(
        &from_kafka("    value: { schema: { id: array<strig> } }"),
        r#"
        error KP0235: `strig` is not a type
          6:34 "strig" in this type
          help: write `string`
        "#,
    );
}

#[test]
fn a_comma_inside_a_type() {
    says(
        &from_kafka("    value: { schema: { a: decimal(12,2) not null, b: date } }"),
        r#"
        error KP0235: a comma inside braces ends the value, so this type is cut off
          6:27 "decimal(12,2) not null" put this type in quotes
          help: write "decimal(12,2) not null", or one field a line without braces
          fix: "decimal(12,2) not null" -> "\"decimal(12,2) not null\""
        "#,
    );
}

#[test]
fn two_types_of_a_list() {
    says(
        &from_kafka("    value: { schema: { a: [int, string] } }"),
        r#"
        error KP0235: a list type holds the type of its items
          6:27 "[int, string]" one type
          help: write `[string]` or `array<string>`
        "#,
    );
}

#[test]
fn a_schema_without_fields() {
    says(
        &from_kafka("    value: { schema: {} }"),
        r#"
        error KP0235: a schema has at least one field
          6:22 "{}" no field
        "#,
    );
}

#[test]
fn a_schema_that_is_a_word() {
    says(
        &from_kafka("    value: { schema: avro }"),
        r#"
        error KP0221: `source.kafka.value.schema` takes fields and their types, a file, or `infer`, found a single value
          6:22 "avro" not fields and their types, a file, or `infer`
          help: for example `schema: { id: bigint not null, name: string }` or `schema: { file: orders.avsc }`
        "#,
    );
}

#[test]
fn a_schema_file_that_is_not_there() {
    says(
        &from_kafka("    value: { schema: { file: no.avsc } }"),
        r#"
        error KP0352: the file `no.avsc` cannot be read: there is no such file
          6:30 "no.avsc" its content is needed here
          help: look at the path and at the rights of the file; a relative path starts at the folder of the file that it is written in
        "#,
    );
}

#[test]
fn a_schema_file_that_is_not_json() {
    says(
        &from_kafka("    value: { schema: { file: bad.avsc } }"),
        r#"
        error KP0235: the schema file is not JSON: EOF while parsing an object at line 1 column 1
          6:30 "bad.avsc" in this file
          help: a schema file is an Avro schema (.avsc) or a JSON Schema
        "#,
    );
}

#[test]
fn a_schema_file_of_something_else() {
    says(
        &from_kafka("    value: { schema: { file: enum.avsc } }"),
        r#"
        error KP0235: the file is neither an Avro record nor a JSON Schema of an object
          6:30 "enum.avsc" in this file
          help: the columns can also be written in place: `schema: { id: bigint, name: string }`
        "#,
    );
}

#[test]
fn a_dead_letter_without_a_topic() {
    says(
        &lake("    {}").replace("kcql:", "errors: { tolerance: all, dead_letter: { kafka: {} } }\nkcql:"),
        r#"
        error KP0220: `errors.dead_letter` has no `topic`
          8:27 "dead_letter" required here
          help: for example `dead_letter: { topic: orders.dlq, kafka: { brokers: [localhost:9092] } }`
        "#,
    );
}

#[test]
fn a_dead_letter_in_a_store() {
    says(
        &lake("    {}").replace("kcql:", "errors: { tolerance: all, dead_letter: { topic: a, s3: {} } }\nkcql:"),
        r#"
        error KP0342: `s3` cannot be a dead letter
          8:52 "s3" not a dead letter
          help: bad records go to a topic: write `kafka: { brokers: [...] }`
        "#,
    );
}

#[test]
fn a_wrong_tolerance() {
    says(
        &lake("    {}").replace("kcql:", "errors: { tolerance: some }\nkcql:"),
        r#"
        error KP0223: `errors.tolerance` cannot be `some`
          8:22 "some" did you mean `none`?
          help: it takes `none` or `all`
          fix: "some" -> "none"
        "#,
    );
}

#[test]
fn a_wrong_retry() {
    says(
        &lake("    {}").replace("kcql:", "errors: { retry: 5 }\nkcql:"),
        r#"
        error KP0221: `errors.retry` takes a mapping of keys, found a single value
          8:18 "5" not a mapping of keys
          help: begin a new line for each key, indented further than this one
        "#,
    );
}

#[test]
fn a_public_host_without_tls() {
    says(
        &lake("    endpoint: http://s3.example.com"),
        r#"
        warning KP0705: the connection to `s3.example.com` is not encrypted
          7:15 "http://s3.example.com" records travel in the clear
          help: use TLS: `https`, `mqtts`, or `tls: { enabled: true }`; hosts of a private network are not warned about
        "#,
    );
}

#[test]
fn public_brokers_without_tls_and_with_a_login() {
    says(
        &from_kafka("    sasl: { username: u, password: \"${env:SET}\" }").replace("a:1", "k1:9092, k2.example.com:9092"),
        r#"
        warning KP0705: the connection to `k2.example.com` is not encrypted
          5:14 "[k1:9092, k2.example.com:9092]" records and passwords travel in the clear
          help: use TLS: `https`, `mqtts`, or `tls: { enabled: true }`; hosts of a private network are not warned about
        "#,
    );
}

#[test]
fn public_brokers_with_tls() {
    says(&from_kafka("    tls: { enabled: true }").replace("a:1", "k2.example.com:9092"), "");
}
