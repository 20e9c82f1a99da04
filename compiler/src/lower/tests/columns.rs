use super::*;
use crate::plan::{DecodeColumn, Expr, Field, KeyPlan, TimeUnit, ValueFormat};

/// The columns as `name type`.
#[track_caller]
fn columns(case: Case) -> Vec<String> {
    let project = case.route().project.expect("columns");
    project
        .iter()
        .map(|column| {
            let null = if column.nullable { "" } else { " not null" };
            format!("{} {}{null}", column.name, crate::schema::type_text(&column.data_type))
        })
        .collect()
}

fn decoded(route: &Route) -> Vec<String> {
    let show = |column: &DecodeColumn| format!("{} {}", column.path.join("."), crate::schema::type_text(&column.data_type));
    route.decode.columns.iter().map(show).collect()
}

const SCHEMA: &str = "id: bigint not null, meta: struct<site: string, rack: int>, ts: timestamp, tags: array<string>, temperature: double";

#[test]
fn a_star_without_a_schema_passes_values_through() {
    let route = log_to_store("INSERT INTO lake SELECT * FROM orders").route();
    assert_eq!((route.project, route.decode.format), (None, ValueFormat::Json));
    assert!(route.decode.columns.is_empty());
}

#[test]
fn a_star_with_a_schema_is_its_columns() {
    let case = log_to_store("INSERT INTO lake SELECT *, _topic FROM orders").schema("id: bigint not null, name: string");
    assert_eq!(columns(case), ["id bigint not null", "name string", "_topic string not null"]);
}

#[test]
fn fields_of_a_struct_are_taken_one_by_one() {
    let case = log_to_store("INSERT INTO lake SELECT id AS key, meta.*, meta.site AS place FROM orders").schema(SCHEMA);
    let route = case.route();
    assert_eq!(decoded(&route), ["id bigint", "meta.site string", "meta.rack int"]);
    let exprs: Vec<Expr> = route.project.unwrap().into_iter().map(|column| column.expr).collect();
    assert_eq!(exprs, [Expr::Column(0), Expr::Column(1), Expr::Column(2), Expr::Column(1)]);
}

#[test]
fn fields_without_a_schema_keep_their_json() {
    let route = log_to_store("INSERT INTO lake SELECT a.b AS b, c FROM orders").route();
    assert_eq!(decoded(&route), ["a.b json", "c json"]);
    assert!(route.project.unwrap().iter().all(|column| column.data_type == DataType::Json && column.nullable));
}

#[test]
fn metadata_has_types() {
    let case = log_to_store("INSERT INTO lake SELECT _topic, _partition, _offset, _timestamp, _key, _header.trace, _value AS v FROM t");
    assert_eq!(
        columns(case),
        [
            "_topic string not null",
            "_partition int not null",
            "_offset bigint not null",
            "_timestamp timestamp",
            "_key string",
            "trace string",
            "v json",
        ]
    );
    let route = queue_to_log("INSERT INTO t SELECT _qos, _retained, _value FROM a").route();
    let types: Vec<DataType> = route.project.unwrap().into_iter().map(|column| column.data_type).collect();
    assert_eq!(types, [DataType::Int32, DataType::Boolean, DataType::Bytes]);
}

#[test]
fn metadata_that_the_source_has_not() {
    assert_eq!(
        queue_to_log("INSERT INTO t SELECT _offset FROM a").said(),
        ["KP0321: records from `queue` have no `_offset` [21-28: not there]"]
    );
    assert_eq!(
        log_to_store("INSERT INTO lake SELECT _header, _key.a FROM t").said(),
        [
            "KP0322: `_header` needs the name of a header [24-31: which one?]",
            "KP0323: `_key.a` is known, but not supported yet: `_key` has no fields here [33-39: no such column]",
        ]
    );
}

#[test]
fn an_unknown_field_names_the_near_one_and_its_schema() {
    assert_eq!(
        log_to_store("INSERT INTO lake SELECT id, temprature FROM orders").schema(SCHEMA).said(),
        ["KP0401: `orders` has no field `temprature` [28-38: did you mean `temperature` (double)?] [yaml: the fields are declared here]"]
    );
    assert_eq!(
        log_to_store("INSERT INTO lake SELECT meta.sites, id.x FROM orders").schema(SCHEMA).said(),
        [
            "KP0401: `meta` has no field `sites` [29-34: did you mean `site` (string)?] [yaml: the fields are declared here]",
            "KP0402: `id` is bigint and has no fields [36-38: bigint] [yaml: the fields are declared here]",
        ]
    );
}

#[test]
fn bytes_have_no_fields() {
    let said = queue_to_log("INSERT INTO t SELECT a.b FROM x WITHKEY(c)").said();
    assert_eq!(
        said,
        [
            "KP0403: `a.b` is a field, but values are bytes here and have none [21-24: a field of the value] [yaml: values are read here]",
            "KP0403: `c` is a field, but values are bytes here and have none [40-41: a field of the value] [yaml: values are read here]",
        ]
    );
}

#[test]
fn a_star_beside_columns_needs_a_schema() {
    assert_eq!(
        log_to_store("INSERT INTO lake SELECT *, _topic FROM t").said(),
        ["KP0404: `*` needs a schema here: without one nobody knows which columns it stands for [24-25: which columns?]"]
    );
    assert!(log_to_store("INSERT INTO lake SELECT a.* FROM t").said()[0].starts_with("KP0404: `a.*` needs a schema"));
    assert_eq!(
        log_to_store("INSERT INTO lake SELECT id.* FROM t").schema(SCHEMA).said(),
        ["KP0402: `id.*` needs a struct, but `id` is bigint [24-28: bigint] [yaml: the fields are declared here]"]
    );
}

#[test]
fn two_columns_of_one_name() {
    assert_eq!(
        log_to_store("INSERT INTO lake SELECT *, meta.site AS id FROM t").schema(SCHEMA).said(),
        ["KP0405: two columns are called `id` [27-42: called `id` too] [24-25: called `id`]"]
    );
}

#[test]
fn converters_say_the_format() {
    let format = |kcql| queue_to_log(kcql).route().decode.format;
    assert_eq!(
        format("INSERT INTO t SELECT * FROM a WITHCONVERTER=`io.lenses.streamreactor.connect.converters.source.JsonSimpleConverter`"),
        ValueFormat::Json
    );
    assert_eq!(format("INSERT INTO t SELECT * FROM a WITHCONVERTER=`x.BytesConverter`"), ValueFormat::Bytes);
    assert_eq!(
        queue_to_log("INSERT INTO t SELECT * FROM a WITHCONVERTER=`x.JsonSimpelConverter`").said(),
        ["KP0333: the converter `JsonSimpelConverter` has no counterpart in kpipe [44-67: did you mean `JsonSimpleConverter`?]"]
    );
    assert_eq!(
        queue_to_log("INSERT INTO t SELECT * FROM a WITHCONVERTER=`x.AvroConverter`").said(),
        ["KP0334: the converter `AvroConverter` is known, but not supported yet [44-61: not built yet]"]
    );
}

#[test]
fn formats_of_values() {
    for (name, format) in [("json", ValueFormat::Json), ("text", ValueFormat::Text), ("bytes", ValueFormat::Bytes)] {
        let route = log_to_log("INSERT INTO a SELECT * FROM b").source_option("value.format", text(name)).route();
        assert_eq!(route.decode.format, format);
    }
}

#[test]
fn registries_are_not_built() {
    let case = log_to_log("INSERT INTO a SELECT * FROM b").source_option("value.registry", text("http://registry"));
    assert_eq!(case.said(), ["KP0330: `value.registry` is known, but not supported yet [yaml: not built yet]"]);
}

#[test]
fn a_schema_needs_json() {
    let case = log_to_log("INSERT INTO a SELECT * FROM b").source_option("value.format", text("bytes")).schema("id: int");
    assert_eq!(
        case.said(),
        ["KP0423: a schema needs values that have fields, but `value.format` is `bytes` [yaml: declared here] [yaml: bytes here]"]
    );
}

#[test]
fn samples_are_asked_for() {
    let infer = || Case { schema: Some(SchemaDoc::Infer), ..log_to_store("INSERT INTO lake SELECT * FROM t") };
    assert_eq!(infer().said(), ["KP0422: the schema is to be inferred, but there are no samples [yaml: asked for here]"]);
    let sampled = vec![Field { name: "id".to_owned(), data_type: DataType::Int64, nullable: true }];
    assert_eq!(columns(Case { sampled: Some(sampled.clone()), ..infer() }), ["id bigint"]);
    assert_eq!(Case { sampled: Some(sampled.clone()), ..infer() }.pipeline().sampled, Some(sampled.clone()), "frozen");
    assert_eq!(Case { sampled: Some(sampled), ..log_to_store("INSERT INTO lake SELECT * FROM t") }.pipeline().sampled, None);
}

#[track_caller]
fn key(case: Case) -> KeyPlan {
    match case.route().tail {
        Tail::Records(tail) => tail.key,
        Tail::Files(_) => panic!("a sink of records"),
    }
}

#[test]
fn keys_by_default() {
    assert_eq!(key(queue_to_log("INSERT INTO t SELECT * FROM a")), KeyPlan::SourceTopic);
    assert_eq!(key(log_to_log("INSERT INTO t SELECT * FROM a")), KeyPlan::Keep);
}

#[test]
fn keys_of_fields() {
    let json = |kcql| queue_to_log(kcql).source_option("value.format", text("json"));
    let route = json("INSERT INTO t SELECT * FROM a WITHKEY(device.id, _topic) KEYDELIMITER='-'").route();
    assert_eq!(decoded(&route), ["device.id any"]);
    let Tail::Records(tail) = route.tail else { panic!("a sink of records") };
    assert_eq!(tail.key, KeyPlan::Fields { fields: vec![Expr::Column(0), Expr::Topic], delimiter: "-".to_owned() });
    let KeyPlan::Fields { delimiter, .. } = key(json("INSERT INTO t SELECT * FROM a WITHKEY(x)")) else { panic!("fields") };
    assert_eq!(delimiter, ".");
}

#[test]
fn a_key_may_name_an_alias() {
    let case = log_to_log("INSERT INTO t SELECT meta.site AS place FROM a WITHKEY(place)").schema(SCHEMA);
    let route = case.route();
    assert_eq!(decoded(&route), ["meta.site string"]);
    let Tail::Records(tail) = route.tail else { panic!("a sink of records") };
    assert_eq!(tail.key, KeyPlan::Fields { fields: vec![Expr::Column(0)], delimiter: ".".to_owned() });
    assert_eq!(tail.format, Some(FileFormat::Json { compression: crate::plan::Compression::None }));
}

#[test]
fn keys_are_single_values() {
    assert_eq!(
        log_to_log("INSERT INTO t SELECT * FROM a WITHKEY(tags)").schema(SCHEMA).said(),
        ["KP0406: a key needs a single value, but `tags` is array<string> [38-42: array<string>] [yaml: the fields are declared here]"]
    );
    assert_eq!(
        log_to_log("INSERT INTO t SELECT * FROM a KEYDELIMITER='-'").said(),
        ["KP0308: KEYDELIMITER joins the parts of WITHKEY, but there is no WITHKEY [43-46: joins nothing]"]
    );
}

#[test]
fn one_field_may_be_read_as_two_types() {
    let case = log_to_store("INSERT INTO lake SELECT ts, country FROM t PARTITIONBY country, _date.daily")
        .sink_option("partition.timestamp", text("ts"))
        .sink_option("partition.parse", text("micros"));
    let route = case.route();
    assert_eq!(decoded(&route), ["ts json", "country json", "country any", "ts timestamp(6)"]);
    assert_eq!(route.decode.columns[3].data_type, DataType::Timestamp(TimeUnit::Microsecond));
}

#[test]
fn unknown_options_keep_later_stages_silent() {
    let case = Case { absent: vec!["value.format"], ..log_to_store("INSERT INTO lake SELECT a, b FROM t STOREAS PARQUET") };
    assert_eq!(case.said(), [""; 0]);
    let case = Case { absent: vec!["value.format"], ..log_to_store("INSERT INTO l SELECT a, b FROM t") };
    assert_eq!(case.said().len(), 1, "the name is checked all the same");
}
