//! Connections, profiles and several pipelines: what is said of them, word for word, file by file.

use super::*;

/// Compiles a pipeline with its shared files and compares everything that is said.
#[track_caller]
fn says(pipeline: &str, connections: &str, profile: &str, expected: &str) {
    let mut sources = Sources::new();
    sources.add("p.yaml", pipeline);
    sources.add_connections("c.yaml", connections);
    sources.add_profile("prod.yaml", profile);
    let compiled = run(&sources, &World::default());
    let expected: Vec<&str> =
        expected.lines().map(|line| line.strip_prefix("        ").unwrap_or(line)).filter(|line| !line.trim().is_empty()).collect();
    assert_eq!(fixture::told(&sources, &compiled.report), expected.join("\n"), "{pipeline}\n{connections}\n{profile}");
}

#[test]
fn files_of_two_documents_or_another_version() {
    says(
        "version: 1\npipeline: p\nsource: { kafka: { use: main } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "version: 1\nconnections:\n  main:\n    kafka: { brokers: [a:1] }\n---\nconnections:\n  other: { s3: {} }\n",
        "",
        r#"
        error KP0236: the file of connections is one document, and this is a second one
          c.yaml:6:1 "connections:" nobody would read this
          help: move its keys into the first document, and remove the `---` between them
        "#,
    );
    says(
        "version: 1\npipeline: p\nsource: { kafka: { brokers: [a:1] } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "",
        "version: 1\nall: {}\n---\nall: { errors: { tolerance: all } }\n",
        r#"
        error KP0236: a profile is one document, and this is a second one
          prod.yaml:4:1 "all: { errors: { tolerance: all } }" nobody would read this
          help: move its keys into the first document, and remove the `---` between them
        "#,
    );
    says(
        "version: 1\npipeline: p\nsource: { kafka: { use: main } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "version: 2\nconnections:\n  main:\n    kafka: { brokers: [a:1] }\n",
        "",
        r#"
        error KP0230: this version of kpipe reads `version: 1` only
          c.yaml:1:10 "2" another version
          help: write `version: 1`, or use a version of kpipe that knows this one
        "#,
    );
    says(
        "version: 1\npipeline: p\nsource: { kafka: { brokers: [a:1] } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "",
        "version: \"1.0\"\n",
        r#"
        error KP0230: this version of kpipe reads `version: 1` only
          prod.yaml:1:10 "\"1.0\"" another version
          help: write `version: 1`, or use a version of kpipe that knows this one
        "#,
    );
}

#[test]
fn files_that_are_no_mapping() {
    says(
        "version: 1\npipeline: p\nsource: { kafka: { brokers: [a:1] } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "- main\n",
        "",
        r#"
        error KP0233: the file of connections is a mapping of keys, found a list
          c.yaml:1:1 "- main" no keys here
          help: it begins with `connections:`
        "#,
    );
    says(
        "version: 1\npipeline: p\nsource: { kafka: { brokers: [a:1] } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "connections: main\n",
        "",
        r#"
        error KP0221: `connections` takes a mapping of keys, found a single value
          c.yaml:1:14 "main" not a mapping of keys
          help: begin a new line for each key, indented further than this one
        "#,
    );
    says(
        "version: 1\npipeline: p\nsource: { kafka: { brokers: [a:1] } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "connections: { main: kafka }\n",
        "",
        r#"
        error KP0221: `connections.main` takes a mapping of keys, found a single value
          c.yaml:1:22 "kafka" not a mapping of keys
          help: begin a new line for each key, indented further than this one
        "#,
    );
    says(
        "version: 1\npipeline: p\nsource: { kafka: { brokers: [a:1] } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "connections:\n  main: [\n",
        "",
        r#"
        error KP0208: `[` is never closed
          c.yaml:2:9 "[" opened here
          c.yaml:3:1 "" `,` or `]` has to come before this
          help: close it with `]`
        "#,
    );
}

#[test]
fn keys_of_shared_files() {
    says(
        "version: 1\npipeline: p\nsource: { kafka: { brokers: [a:1] } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "",
        "pipelines: [p]\n",
        r#"
        error KP0221: `pipelines` takes a mapping of keys, found a list
          prod.yaml:1:12 "[p]" not a mapping of keys
          help: begin a new line for each key, indented further than this one
        "#,
    );
    says(
        "version: 1\npipeline: p\nsource: { kafka: { brokers: [a:1] } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "",
        "alll: {}\n",
        r#"
        error KP0201: unknown key `alll` in a profile
          prod.yaml:1:1 "alll" did you mean `all`?
          help: keys allowed here: `version`, `all`, `pipelines`, `connections`
          fix: "alll" -> "all"
        "#,
    );
    says(
        "version: 1\npipeline: p\nsource: { kafka: { brokers: [a:1] } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "conections: {}\n",
        "",
        r#"
        error KP0201: unknown key `conections` in the file of connections
          c.yaml:1:1 "conections" did you mean `connections`?
          help: keys allowed here: `version`, `connections`
          fix: "conections" -> "connections"
        "#,
    );
    says(
        "version: 1\npipeline: p\nsource: { kafka: { brokers: [a:1] } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "# nothing\n",
        "---\n",
        r#"
        
        "#,
    );
}

#[test]
fn names_of_connections() {
    says(
        "version: 1\npipeline: p\nsource: { use: mian }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "version: 1\nconnections:\n  main:\n    kafka: { brokers: [a:1] }\n",
        "",
        r#"
        error KP0345: no connection is called `mian`
          3:16 "mian" did you mean `main`?
          help: connections: main
          fix: "mian" -> "main"
        "#,
    );
    says(
        "version: 1\npipeline: p\nsource: { use: main }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "",
        "",
        r#"
        error KP0345: no connection is called `main`
          3:16 "main" no connection of this name
          help: connections stand in connections.yaml: `connections: { main: { kafka: { brokers: [...] } } }`
        "#,
    );
    says(
        "version: 1\npipeline: p\nsource: { kafka: { use: lake } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "connections: { lake: { s3: {} } }\n",
        "",
        r#"
        error KP0346: the connection `lake` is for `s3`, not for `kafka`
          3:25 "lake" a connection of another connector
          help: name a connection of `kafka`, or write `s3` here
        "#,
    );
    says(
        "version: 1\npipeline: p\nsource: { use: [main] }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "version: 1\nconnections:\n  main:\n    kafka: { brokers: [a:1] }\n",
        "",
        r#"
        error KP0221: `use` takes the name of a connection, found a list
          3:16 "[main]" not the name of a connection
          help: for example `use: main`
        "#,
    );
}

#[test]
fn connections_with_a_wrong_key() {
    says(
        "version: 1\npipeline: p\nsource: { kafka: { use: main } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "connections: { main: { kafak: { brokers: [a:1] } } }\n",
        "",
        r#"
        error KP0341: unknown connector `kafak`
          c.yaml:1:24 "kafak" did you mean `kafka`?
          help: connectors: kafka, mqtt, s3
          fix: "kafak" -> "kafka"
        "#,
    );
    says(
        "version: 1\npipeline: p\nsource: { kafka: { use: main } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "connections: { main: { kafka: { brokrs: [a:1] } } }\n",
        "",
        r#"
        error KP0201: unknown key `brokrs` in `source.kafka`
          c.yaml:1:33 "brokrs" did you mean `brokers`?
          help: keys allowed here: `brokers`, `tls`, `sasl`, `group`, `from`, `value`, `client`, `poll`
          fix: "brokrs" -> "brokers"
        "#,
    );
    says(
        "version: 1\npipeline: p\nsource: { kafka: { use: main } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "connections: { main: { kafka: { brokers: [a:1], gruop: x } } }\n",
        "",
        r#"
        error KP0201: unknown key `gruop` in `source.kafka`
          c.yaml:1:49 "gruop" did you mean `group`?
          help: keys allowed here: `brokers`, `tls`, `sasl`, `group`, `from`, `value`, `client`, `poll`
          fix: "gruop" -> "group"
        "#,
    );
    says(
        "version: 1\npipeline: p\nsource: { kafka: { brokers: [a:1] } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "connections: { main: { kafka: { brokrs: [a:1] } } }\n",
        "",
        r#"
        
        "#,
    );
}

#[test]
fn connections_with_a_wrong_value() {
    says(
        "version: 1\npipeline: p\nsource: { kafka: { use: main } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "connections: { main: { kafka: { brokers: a, poll: 1000 } } }\n",
        "",
        r#"
        error KP0227: `source.kafka.brokers` takes `host:port`: the port is missing
          c.yaml:1:42 "a" the port is missing
          help: for example `brokers: [kafka:9092]`
        error KP0222: `source.kafka.poll` is 1000, but it takes 1 to 100
          c.yaml:1:51 "1000" out of range
          help: poll: What it is about.
        "#,
    );
    says(
        "version: 1\npipeline: p\nsource: { kafka: { use: main } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "connections: { main: { kafka: { brokers: [a:1], sasl: { password: hunter2 } } } }\n",
        "",
        r#"
        warning KP0701: `source.kafka.sasl.password` is a secret and is written in the file
          c.yaml:1:67 "hunter2" value hidden; it is in the history of this file from here on
          help: write `"${env:NAME}"` or `"${file:/run/secrets/name}"`, then change the secret
        "#,
    );
    says(
        "version: 1\npipeline: p\nsource: { kafka: { use: main } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "connections: { main: { kafka: [a:1] } }\n",
        "",
        r#"
        error KP0221: `source.kafka` takes a mapping of keys, found a list
          c.yaml:1:31 "[a:1]" not a mapping of keys
          help: begin a new line for each key, indented further than this one
        "#,
    );
    says(
        "version: 1\npipeline: p\nsource: { kafka: [a:1] }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "",
        "",
        r#"
        error KP0221: `source.kafka` takes a mapping of keys, found a list
          3:18 "[a:1]" not a mapping of keys
          help: begin a new line for each key, indented further than this one
        "#,
    );
    says(
        "version: 1\npipeline: p\nsource: { kafka: { brokers: [a:1], sasl: plain } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "",
        "",
        r#"
        error KP0221: `source.kafka.sasl` takes a mapping of keys, found a single value
          3:42 "plain" not a mapping of keys
          help: begin a new line for each key, indented further than this one
        "#,
    );
}

#[test]
fn connections_of_no_connector() {
    says(
        "version: 1\npipeline: p\nsource: { kafka: { use: main } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "connections: { main: { kafka: {}, s3: {} } }\n",
        "",
        r#"
        error KP0231: `connections` names two connectors: `kafka` and `s3`
          c.yaml:1:35 "s3" a second one
          c.yaml:1:24 "kafka" the first one
          help: a pipeline has one source and one sink; write a second pipeline for the other one
        "#,
    );
    says(
        "version: 1\npipeline: p\nsource: { kafka: { use: main } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "connections: { main: {} }\n",
        "",
        r#"
        error KP0231: `connections` names no connector
          c.yaml:1:16 "main" exactly one connector has to stand here
          help: connectors: kafka, mqtt, s3
        "#,
    );
    says(
        "version: 1\npipeline: p\nsource: { kafka: { use: main } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "connections: { main: { kafka: { brokers: [\"${env:NOPE}\"] } } }\n",
        "",
        r#"
        error KP0351: the environment variable `NOPE` is not set
          c.yaml:1:44 "${env:NOPE}" its value is needed here
          help: set it for this command; `kpipe check` works without it
        "#,
    );
}

#[test]
fn profiles_of_what_is_not_there() {
    says(
        "version: 1\npipeline: p\nsource: { kafka: { brokers: [a:1] } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "",
        "pipelines: { pp: { errors: { tolerance: all } } }\n",
        r#"
        error KP0347: the profile sets keys of `pp`, but no pipeline is called so
          prod.yaml:1:14 "pp" no pipeline of this name
          help: pipelines of this run: `p`
        "#,
    );
    says(
        "version: 1\npipeline: p\nsource: { kafka: { brokers: [a:1] } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "",
        "pipelines: { p: { source: { mqtt: { qos: 2 } } } }\n",
        r#"
        error KP0348: the profile sets `source.mqtt`, but `source` of `p` is `kafka`
          prod.yaml:1:29 "mqtt" another connector
          help: a profile overrides single values; it cannot exchange a connector
        "#,
    );
    says(
        "version: 1\npipeline: p\nsource: { kafka: { brokers: [a:1] } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "",
        "pipelines: { p: { sink.s3.flush.records: many } }\n",
        r#"
        error KP0221: `sink.s3.flush.records` takes a whole number, found `many`
          prod.yaml:1:42 "many" not a whole number
          help: for example `records: x`
        "#,
    );
    says(
        "version: 1\npipeline: p\nsource: { kafka: { brokers: [a:1] } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "",
        "pipelines: { p: { sink.s3.flsh.records: 1 } }\n",
        r#"
        error KP0201: unknown key `flsh` in `sink.s3`
          prod.yaml:1:27 "flsh" did you mean `flush`?
          help: keys allowed here: `endpoint`, `format`, `prefix`, `partition_by`, `flush`, `path_style`, `credentials`
          fix: "flsh" -> "flush"
        "#,
    );
    says(
        "version: 1\npipeline: p\nsource: { kafka: { brokers: [a:1] } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "",
        "pipelines: { p: { sink.s3.flush.recrods: 1 } }\n",
        r#"
        error KP0201: unknown key `recrods` in `sink.s3.flush`
          prod.yaml:1:33 "recrods" did you mean `records`?
          help: keys allowed here: `records`, `bytes`, `interval`
          fix: "recrods" -> "records"
        "#,
    );
}

#[test]
fn profiles_with_a_wrong_key() {
    says(
        "version: 1\npipeline: p\nsource: { kafka: { brokers: [a:1] } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "",
        "all: { eror: { tolerance: all } }\n",
        r#"
        error KP0201: unknown key `eror` in the pipeline
          prod.yaml:1:8 "eror" did you mean `errors`?
          help: keys allowed here: `delivery`, `source`, `sink`, `kcql`, `errors`
          fix: "eror" -> "errors"
        "#,
    );
    says(
        "version: 1\npipeline: p\nsource: { kafka: { brokers: [a:1] } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "",
        "all: { errors.tolerance: some }\n",
        r#"
        error KP0223: `errors.tolerance` cannot be `some`
          prod.yaml:1:26 "some" did you mean `none`?
          help: it takes `none` or `all`
          fix: "some" -> "none"
        "#,
    );
    says(
        "version: 1\npipeline: p\nsource: { kafka: { brokers: [a:1] } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "",
        "connections: { main: { kafka: { brokers: [b:1] } } }\n",
        r#"
        error KP0345: no connection is called `main`
          prod.yaml:1:16 "main" no connection of this name
          help: connections stand in connections.yaml: `connections: { main: { kafka: { brokers: [...] } } }`
        "#,
    );
    says(
        "version: 1\npipeline: p\nsource: { kafka: { use: main } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "version: 1\nconnections:\n  main:\n    kafka: { brokers: [a:1] }\n",
        "connections: { main: { s3: {} } }\n",
        r#"
        error KP0348: the profile sets `connections.main.s3`, but the connection `main` is `kafka`
          prod.yaml:1:24 "s3" another connector
          help: a profile overrides single values; it cannot exchange a connector
        "#,
    );
}

#[test]
fn profiles_of_the_wrong_shape() {
    says(
        "version: 1\npipeline: p\nsource: { kafka: { use: main } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "version: 1\nconnections:\n  main:\n    kafka: { brokers: [a:1] }\n",
        "connections: { main: { kafka: { brokers: b } } }\n",
        r#"
        error KP0227: `source.kafka.brokers` takes `host:port`: the port is missing
          prod.yaml:1:42 "b" the port is missing
          help: for example `brokers: [kafka:9092]`
        "#,
    );
    says(
        "version: 1\npipeline: p\nsource: { kafka: { brokers: [a:1] } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "",
        "pipelines: { p: 5 }\n",
        r#"
        error KP0221: `pipelines.p` takes a mapping of keys, found a single value
          prod.yaml:1:17 "5" not a mapping of keys
          help: begin a new line for each key, indented further than this one
        "#,
    );
    says(
        "version: 1\npipeline: p\nsource: { kafka: { brokers: [a:1] } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "",
        "all: { version: 2 }\n",
        r#"
        error KP0201: unknown key `version` in the pipeline
          prod.yaml:1:8 "version" nobody reads this
          help: keys allowed here: `delivery`, `source`, `sink`, `kcql`, `errors`
        "#,
    );
    says(
        "version: 1\npipeline: p\nsource: { kafka: { brokers: [a:1] } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "",
        "all: { kcql: INSERT INTO lake SELEC * FROM t }\n",
        r#"
        error KP0107: `SELEC` is not a KCQL clause
          prod.yaml:1:31 "SELEC" did you mean `SELECT`?
          fix: "SELEC" -> "SELECT"
        "#,
    );
    says(
        "version: 1\npipeline: p\nsource: { kafka: { brokers: [a:1] } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "",
        "all: { sink: { s3: 5 } }\n",
        r#"
        error KP0221: `sink.s3` takes a mapping of keys, found a single value
          prod.yaml:1:20 "5" not a mapping of keys
          help: begin a new line for each key, indented further than this one
        "#,
    );
}

#[test]
fn profiles_with_dotted_keys() {
    says(
        "version: 1\npipeline: p\nsource: { kafka: { brokers: [a:1] } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "",
        "all: { \"sink.s3.flsh.records\": 1 }\n",
        r#"
        error KP0201: unknown key `flsh` in `sink.s3`
          prod.yaml:1:17 "flsh" did you mean `flush`?
          help: keys allowed here: `endpoint`, `format`, `prefix`, `partition_by`, `flush`, `path_style`, `credentials`
          fix: "flsh" -> "flush"
        "#,
    );
    says(
        "version: 1\npipeline: p\nsource: { kafka: { brokers: [a:1] } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "",
        "all: { sink.s3.flush: 1 }\n",
        r#"
        error KP0221: `sink.s3.flush` takes a mapping of keys, found a single value
          prod.yaml:1:23 "1" not a mapping of keys
          help: begin a new line for each key, indented further than this one
        "#,
    );
    says(
        "version: 1\npipeline: p\nsource: { kafka: { brokers: [a:1] } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "",
        "all: { sink.s4.prefix: x }\n",
        r#"
        error KP0341: unknown connector `s4`
          prod.yaml:1:13 "s4" did you mean `s3`?
          help: connectors: kafka, mqtt, s3
          fix: "s4" -> "s3"
        "#,
    );
}

#[test]
fn ends_and_dead_letters_of_profiles() {
    says(
        "version: 1\npipeline: p\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "",
        "all: { source: { kafka: { brokers: [a:1] } } }\n",
        r#"
        error KP0220: the pipeline has no `source`
          1:1 "version" required here
          help: for example `source: { kafka: { brokers: [localhost:9092] } }`
        "#,
    );
    says(
        "version: 1\npipeline: p\nsource: { kafka: { brokers: [a:1] } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "",
        "all: { errors: { tolerance: all, dead_letter: { topic: dlq, kafka: { brokrs: [d:1] } } } }\n",
        r#"
        error KP0201: unknown key `brokrs` in `errors.dead_letter.kafka`
          prod.yaml:1:70 "brokrs" did you mean `brokers`?
          help: keys allowed here: `brokers`, `sasl`, `linger`, `topic`
          fix: "brokrs" -> "brokers"
        "#,
    );
    says(
        "version: 1\npipeline: p\nsource: { kafka: { brokers: [a:1] } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "",
        "all: { errors: { tolerance: all, dead_letter: { topic: dlq, kafka: { brokers: [d:1] } } } }\n",
        r#"
        
        "#,
    );
}

#[test]
fn pipelines_of_one_name() {
    says(
        "version: 1\npipeline: p\nsource: { kafka: { brokers: [a:1] } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n---\nversion: 1\npipeline: p\nsource: { kafka: { brokers: [a:1] } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n---\nversion: 1\npipeline: p\nsource: { kafka: { brokers: [a:1] } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n",
        "",
        "",
        r#"
        error KP0344: two pipelines are called `p`
          8:11 "p" a second definition
          2:11 "p" first defined here
          help: rename one of them; pipelines are never merged
        error KP0344: two pipelines are called `p`
          14:11 "p" a second definition
          2:11 "p" first defined here
          help: rename one of them; pipelines are never merged
        "#,
    );
    says(
        "version: 1\npipeline: p\nsource: { kafka: { brokers: [a:1] } }\nsink: { s3: {} }\nkcql: INSERT INTO lake SELECT * FROM t\n---\nversion: 1\npipeline: P\nsource: { kafka: { brokers: [a:1] } }\nsink: { s3: {} }\nkcql: INSERT INTO lake:P SELECT * FROM t\n",
        "",
        "",
        r#"
        
        "#,
    );
}

#[test]
fn a_profile_may_name_the_cluster_of_dead_letters() {
    let text = lake("    {}");
    let profile = "all: { errors: { tolerance: all, dead_letter: { topic: dlq, kafka: { brokers: [d:1] } } } }\n";
    let (said, documents) = with_shared(&text, "", profile);
    assert_eq!(said, [""; 0]);
    let letters = documents[0].errors.dead_letter.as_ref().unwrap();
    assert_eq!((letters.topic.node.as_str(), letters.cluster.as_ref().unwrap().options.texts("brokers")), ("dlq", vec!["d:1"]));
}

#[test]
fn whatever_stands_in_shared_files_a_pipeline_that_is_gone_was_talked_about() {
    let values = ["5", "[x]", "{}", "x", "{ use: main }", "{ kafka: 5 }", "{ kafka: {} }", "{ s3: {} }", "{ kafka: { use: main } }", ""];
    let keys =
        ["source", "sink", "errors", "kcql", "delivery", "source.kafka", "sink.s3.flush", "errors.dead_letter", "source.kafka.brokers"];
    for key in keys {
        for value in values {
            for profile in [format!("all: {{ {key}: {value} }}\n"), format!("pipelines: {{ lake: {{ {key}: {value} }} }}\n")] {
                let (said, documents) = with_shared(&lake("    {}"), CONNECTIONS, &profile);
                assert!(!documents.is_empty() || !said.is_empty(), "{profile}: no pipeline and not a word");
            }
            let connections = format!("connections: {{ main: {value} }}\n");
            let text = from_kafka("    use: main");
            let (said, documents) = with_shared(&text, &connections, "");
            assert!(!documents.is_empty() || !said.is_empty(), "{connections}: no pipeline and not a word");
        }
    }
}
