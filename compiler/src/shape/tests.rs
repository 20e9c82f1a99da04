use serde_json::{Value, json};

use super::*;
use crate::document::tests::fixture::CATALOG;
use crate::units::{bytes_pattern, duration_pattern};

fn names(kind: FileKind, path: &str) -> Option<Vec<&'static str>> {
    let shape = shape(kind, &CATALOG);
    let path: Vec<&str> = path.split('.').filter(|part| !part.is_empty()).collect();
    shape.at(&path).map(|shape| shape.keys().iter().map(|key| key.name).collect())
}

#[test]
fn dotted_paths_become_groups_in_their_order() {
    for (path, expected) in [
        ("", &["version", "pipeline", "delivery", "source", "sink", "kcql", "errors"][..]),
        ("errors", &["tolerance", "dead_letter", "retry"]),
        ("errors.retry", &["timeout", "delay_max"]),
        ("errors.dead_letter", &["kafka", "topic", "use"]),
        ("source", &["kafka", "mqtt", "use"]),
        ("sink", &["kafka", "s3", "use"]),
        ("sink.s3.flush", &["records", "bytes", "interval"]),
        ("sink.s3.format", &["json", "parquet"]),
        ("sink.s3.format.parquet", &["compression", "level", "row_group"]),
        ("source.kafka.value", &["format", "schema", "registry"]),
        ("source.kafka.brokers", &[]),
    ] {
        assert_eq!(names(FileKind::Pipeline, path).as_deref(), Some(expected), "{path}");
    }
    assert_eq!(names(FileKind::Pipeline, "sink.mqtt"), None, "a source only");
    assert_eq!(names(FileKind::Pipeline, "source.kafka.nothing"), None);
}

#[test]
fn shared_files_have_names_of_the_user() {
    assert_eq!(names(FileKind::Connections, "connections.anything").unwrap(), ["kafka", "mqtt", "s3"]);
    let both = names(FileKind::Connections, "connections.main.kafka").unwrap();
    assert!(both.contains(&"group") && both.contains(&"linger"), "options of both ends: {both:?}");
    assert_eq!(both.iter().filter(|name| **name == "brokers").count(), 1);
    assert_eq!(names(FileKind::Profile, "pipelines.lake.sink").unwrap(), ["kafka", "s3", "use"]);
    assert_eq!(names(FileKind::Profile, "all").unwrap()[0], "delivery", "a profile gives no version and no name");
}

#[test]
fn a_key_is_found_with_its_words() {
    let shape = shape(FileKind::Pipeline, &CATALOG);
    let key = shape.key(&["sink", "s3", "flush", "bytes"]).unwrap();
    assert_eq!((key.name, key.default, key.doc), ("bytes", Some("128MiB"), "What it is about. More of it."));
    assert!(shape.key(&["source", "kafka", "brokers"]).unwrap().required);
    assert!(shape.key(&["source", "mqtt", "password"]).unwrap().secret);
    assert!(shape.key(&["source", "kafka", "broker"]).is_none() && shape.key(&[""; 0]).is_none());
}

fn pointer(schema: &Value, path: &str) -> Value {
    schema.pointer(path).cloned().unwrap_or_else(|| panic!("{path} is not there in {schema:#}"))
}

#[test]
fn the_schema_says_what_the_catalogue_says() {
    let schema = json_schema(FileKind::Pipeline, &CATALOG);
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
    assert_eq!(schema["required"], json!(["version", "pipeline", "source", "sink", "kcql"]));
    let mqtt = pointer(&schema, "/properties/source/properties/mqtt");
    assert_eq!(mqtt["additionalProperties"], false);
    assert_eq!(mqtt["properties"]["version"]["anyOf"][0]["enum"], json!(["3.1.1", "5", 5]));
    assert_eq!(mqtt["properties"]["qos"]["anyOf"][0], json!({ "type": "integer", "minimum": 0, "maximum": 2 }));
    assert_eq!((&mqtt["properties"]["qos"]["default"], &mqtt["required"]), (&json!(1), &Value::Null));
    let password = pointer(&mqtt, "/properties/password/description");
    assert!(password.as_str().unwrap().contains("${env:NAME}"), "{password}");
    let one = pointer(&schema, "/properties/sink/oneOf");
    assert_eq!(one[0], json!({ "required": ["kafka"] }));
    assert_eq!(one[2], json!({ "required": ["use"], "not": { "anyOf": [{ "required": ["kafka"] }, { "required": ["s3"] }] } }));
    let interval = pointer(&schema, "/properties/sink/properties/s3/properties/flush/properties/interval");
    assert_eq!(interval["allOf"], json!([{ "$ref": "#/definitions/duration" }]));
}

#[test]
fn what_a_connector_needs_is_demanded_unless_a_connection_gives_it() {
    let schema = json_schema(FileKind::Pipeline, &CATALOG);
    let by_name = json!({ "required": ["use"] });
    for (end, connectors) in [
        ("/properties/source", &[("kafka", "brokers"), ("mqtt", "url")][..]),
        ("/properties/sink", &[("kafka", "brokers")]),
        ("/properties/errors/properties/dead_letter/anyOf/1", &[("kafka", "brokers")]),
    ] {
        let need = |option: &str| json!({ "type": "object", "anyOf": [{ "required": [option] }, by_name] });
        let needs: serde_json::Map<String, Value> = connectors.iter().map(|(name, option)| ((*name).to_owned(), need(option))).collect();
        assert_eq!(pointer(&schema, end)["anyOf"], json!([by_name, { "properties": needs }]), "{end}");
    }
    for kind in [FileKind::Connections, FileKind::Profile] {
        assert!(!json_schema(kind, &CATALOG).to_string().contains(r#""required":["brokers"]"#), "{kind:?} gives a part");
    }
}

#[test]
fn what_is_needed_in_a_group_asks_for_the_group() {
    let leaf = |name, required| Key { required, ..Key::group(name, Shape::Value(OptionKind::Text)) };
    let keys = [leaf("a", false), Key::group("b", Shape::Keys(vec![leaf("c", true), leaf("d", false)])), leaf("e", true)];
    let demand = json_schema::demanded(&keys.iter().collect::<Vec<_>>());
    assert_eq!(demand, Some(json!({ "required": ["b", "e"], "properties": { "b": { "required": ["c"] } } })));
    assert_eq!(json_schema::demanded(&[&keys[0]]), None);
}

#[test]
fn every_reference_inside_the_schema_leads_somewhere() {
    for kind in [FileKind::Pipeline, FileKind::Connections, FileKind::Profile] {
        let schema = json_schema(kind, &CATALOG);
        let text = schema.to_string();
        let mut count = 0;
        for part in text.split("\"$ref\":\"#").skip(1) {
            let path = part.split('"').next().unwrap();
            assert!(schema.pointer(path).is_some(), "{path}");
            count += 1;
        }
        assert!(count > 10, "{count}");
    }
}

#[test]
fn a_profile_may_name_paths_and_several_connectors() {
    let schema = json_schema(FileKind::Profile, &CATALOG);
    let all = pointer(&schema, "/properties/all");
    assert!(all["patternProperties"]["[.]"].is_object() && all["required"].is_null(), "{all}");
    assert!(all["properties"]["sink"]["oneOf"].is_null());
    assert!(pointer(&schema, "/properties/connections/additionalProperties/oneOf").is_array(), "a connection is one connector's");
}

#[test]
fn patterns_of_units_have_all_units() {
    let sizes = bytes_pattern();
    assert!(sizes.contains("[mM][iI][bB]") && sizes.starts_with("^ *[0-9]+ *("), "{sizes}");
    let times = duration_pattern();
    assert!(times.starts_with("^ *(([0-9]+d)([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?|([0-9]+h)"), "{times}");
    assert!(times.ends_with("|([0-9]+ms)) *$"), "{times}");
}
