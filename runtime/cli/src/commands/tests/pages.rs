//! The examples of the pages of codes show their code.

use kpipe_compiler::codes::pages;

use super::Place;

/// Codes whose examples need more than one file, a plan or a system, and are shown elsewhere.
const ELSEWHERE: [&str; 11] =
    ["KP0236", "KP0345", "KP0346", "KP0347", "KP0348", "KP0351", "KP0421", "KP0422", "KP0530", "KP0533", "KP0702"];

const SCHEMA: &str =
    "schema: { id: bigint, site: string, created_at: string, total: double, temperature: double, customer: { id: bigint } }";

/// A pipeline that is right, with these options of its ends in front of the others.
fn pipeline(source: &str, sink: &str, kcql: &str) -> String {
    let kcql: String = kcql.lines().map(|line| format!("  {line}\n")).collect();
    format!("version: 1\npipeline: orders\nsource:\n  {source}\nsink:\n  {sink}\nkcql: |\n{kcql}")
}

const KAFKA: &str = "kafka: { brokers: [localhost:9092], value: { format: json } }";
const MQTT: &str = "mqtt: { url: mqtt://localhost:1883 }";
const S3: &str = "s3: { format: json }";
const TOPICS: &str = "kafka: { brokers: [localhost:9092] }";
const STATEMENT: &str = "INSERT INTO lake SELECT * FROM orders";

/// Pipelines around a statement.
fn around_statement(kcql: &str) -> Vec<String> {
    let with_schema = KAFKA.replace("json }", &format!("json, {SCHEMA} }}"));
    let sources = [KAFKA, &with_schema, &KAFKA.replace("json", "text"), MQTT].map(str::to_owned);
    let sinks = [S3, TOPICS];
    sources.iter().flat_map(|source| sinks.iter().map(|sink| pipeline(source, sink, kcql))).collect()
}

/// Pipelines around some keys: of the pipeline itself, or of one of its ends.
fn around_keys(keys: &str) -> Vec<String> {
    let mut found = vec![keys.to_owned()];
    for (source, sink) in [(KAFKA, S3), (MQTT, TOPICS), ("file: { dir: in }", "local: { dir: out }")] {
        // Keys that the example has take the place of those of the pipeline.
        let mut is_kept = true;
        let whole = pipeline(source, sink, STATEMENT);
        let rest = whole.split_inclusive('\n').filter(|line| {
            if !line.starts_with(' ') {
                let key = line.split(':').next().unwrap_or_default();
                is_kept = !keys.lines().any(|own| own.starts_with(&format!("{key}:")));
            }
            is_kept
        });
        found.push(format!("{keys}\n{}", rest.collect::<String>()));
    }
    let braced = keys.replace('\n', ", ");
    let by_time = "INSERT INTO lake SELECT * FROM orders PARTITIONBY _date.`yyyy`";
    for source in [
        format!("kafka: {{ brokers: [localhost:9092], {braced} }}"),
        format!("kafka: {{ {braced} }}"),
        format!("kafka: {{ brokers: [localhost:9092], value: {{ format: json, {braced} }} }}"),
        format!("mqtt: {{ url: mqtt://localhost:1883, {braced} }}"),
        format!("mqtt: {{ {braced} }}"),
    ] {
        found.push(pipeline(&source, S3, STATEMENT));
        found.push(pipeline(&source, TOPICS, "INSERT INTO lake SELECT * FROM sensors/+"));
    }
    let typed = KAFKA.replace("json }", &format!("json, {SCHEMA} }}"));
    for source in [KAFKA, &typed, "kafka: { brokers: [localhost:9092] }"] {
        found.extend([STATEMENT, by_time].map(|statement| pipeline(source, &format!("s3: {{ {braced} }}"), statement)));
    }
    found
}

#[test]
fn each_page_shows_a_text_that_has_its_code() {
    let place = Place::new();
    let mut unseen = Vec::new();
    for page in pages().iter().filter(|page| ("KP0201".."KP0800").contains(&page.code) && !page.example.is_empty()) {
        if ("KP0203".."KP0217").contains(&page.code) || ELSEWHERE.contains(&page.code) {
            continue;
        }
        let example: Vec<&str> = page.example.lines().map(|line| line.strip_prefix("    ").unwrap_or(line)).collect();
        let example = example.join("\n");
        let texts = if example.starts_with(char::is_uppercase) { around_statement(&example) } else { around_keys(&example) };
        let is_seen = texts.iter().any(|text| {
            place.write("p.yaml", text);
            place.run("check p.yaml --format plain").err.contains(page.code)
        });
        if !is_seen {
            unseen.push(page.code);
        }
    }
    assert!(unseen.is_empty(), "no pipeline around these examples has the code: {unseen:?}");
}
