//! What is read, and how it is read: the statements that KCQL's own parsers accept, and those that kpipe adds.

use kpipe_grammar::ast::{PartitionBy, PropertyValue, SelectItem, Statement, WriteMode};
use kpipe_grammar::parse;

/// The statements of a text without errors.
#[track_caller]
fn statements(text: &str) -> Vec<Statement> {
    let parsed = parse(text);
    assert!(parsed.errors.is_empty(), "{text}: {:?}", parsed.errors);
    parsed.statements
}

#[track_caller]
fn statement(text: &str) -> Statement {
    let mut statements = statements(text);
    assert_eq!(statements.len(), 1, "{text}");
    statements.remove(0)
}

/// Reads `INSERT INTO t SELECT <text>` and gives its canonical form without that beginning.
#[track_caller]
fn select(text: &str) -> String {
    statement(&format!("INSERT INTO t SELECT {text}")).to_string().trim_start_matches("INSERT INTO t SELECT ").to_owned()
}

/// Reads `... FROM s <text>` and gives the canonical form of the clauses.
#[track_caller]
fn clauses(text: &str) -> String {
    select(&format!("* FROM s {text}")).trim_start_matches("* FROM s").trim_start().to_owned()
}

/// The names that `text` reads to as a target and as a source.
#[track_caller]
fn names(text: &str) -> [String; 2] {
    let statement = statement(&format!("INSERT INTO {text} SELECT * FROM {text}"));
    [statement.target.map(|target| target.node.text).unwrap_or_default(), statement.from.node.text]
}

#[test]
fn write_modes() {
    assert_eq!(statement("insert into t select * from s").mode.node, WriteMode::Insert);
    assert_eq!(statement("Upsert Into t Select * From s").mode.node, WriteMode::Upsert);
}

#[test]
fn names_are_taken_as_they_are_written() {
    for name in [
        "TABLE-A",
        "KEYSPACE.A",
        "TOPIC+A",
        "namespace1:TABLE_A",
        "/TOPIC_A",
        "mqtt/+",
        "telemetry/+/#",
        "$share/g/x/+",
        "#",
        "+",
        "$SYS/#",
        "D.TS.OUT.9931.2.COPY",
        "9931",
        "bucket:prefix/with/slashes",
        "bucket:dev/year=2022/month=11/",
        "_suffix_{YYYY-MM-dd}",
        "a--b",
        "x/limit",
        "x.limit",
        "größe/温度",
        ".hidden",
        "@a",
    ] {
        assert_eq!(names(name), [name, name], "{name}");
    }
}

#[test]
fn quotes_are_removed_from_each_part_of_a_name() {
    for name in ["`TABLE.A`", "'TABLE.A'", "\"TABLE.A\"", "`TABLE`.A", "TABLE.`A`", "`TABLE`.`A`"] {
        assert_eq!(names(name), ["TABLE.A", "TABLE.A"], "{name}");
    }
    assert_eq!(names("`bucket`:`pre fix`/x")[0], "bucket:pre fix/x");
    assert_eq!(names("`a;b`")[0], "a;b");
    assert_eq!(names("`a``b`")[0], "a`b");
    assert_eq!(names("`$`")[0], "$");
    assert_eq!(names("`*`")[1], "*");
}

#[test]
fn reserved_words_are_names_where_a_name_is_due() {
    for word in ["batch", "limit", "as", "ttl", "pk", "properties", "storeas", "LIMIT", "where", "group", "into", "insert", "sample"] {
        assert_eq!(names(word), [word, word], "{word}");
        assert_eq!(select(&format!("{word}, x.{word}.y FROM s")), select(&format!("`{word}`, x.`{word}`.y FROM s")), "{word}");
    }
    assert_eq!(names("select"), ["select", "select"]);
    assert_eq!(names("from"), ["from", "from"]);
    assert_eq!(select("* FROM select LIMIT 5"), "* FROM `select` LIMIT 5");
    assert_eq!(select("from, limit AS batch FROM from LIMIT 5"), "`from`, `limit` AS `batch` FROM `from` LIMIT 5");
}

#[test]
fn columns() {
    assert_eq!(select("f1 as col1, f2 as col2 FROM s"), "f1 AS col1, f2 AS col2 FROM s");
    assert_eq!(select("f2 as col2,*,f1 as col1 FROM s"), "f2 AS col2, *, f1 AS col1 FROM s");
    assert_eq!(select("@col1, 1col2, a-b FROM s"), "@col1, 1col2, a-b FROM s");
    assert_eq!(select("a.b.c, a.b AS x, a.b.* FROM s"), "a.b.c, a.b AS x, a.b.* FROM s");
    assert_eq!(select("`x.y`, x.`y.z`, `a`.`b`, a . d FROM s"), "`x.y`, x.`y.z`, a.b, a.d FROM s");
    assert_eq!(select("a AS 'b c', b AS `d`, c AS \"e f\" FROM s"), "a AS `b c`, b AS d, c AS `e f` FROM s");
    assert_eq!(select("`now()` FROM s"), "`now()` FROM s");
}

#[test]
fn metadata_columns_are_paths() {
    let text = "_key, _key.a.b, _key.*, _value.x, _header.h, _topic, _partition, _offset, _timestamp, _qos, _retained FROM s";
    assert_eq!(select(text), text);
    assert_eq!(select("_.topic, _.offset AS o, _.key.a, _.key.* FROM s"), "_topic, _offset AS o, _key.a, _key.* FROM s");
}

#[test]
fn a_column_may_stand_twice_under_two_names() {
    let statement = statement("INSERT INTO t SELECT a, a AS b FROM s");
    let names: Vec<Option<&str>> = statement
        .select
        .node
        .iter()
        .map(|item| match &item.node {
            SelectItem::Value { alias, .. } => alias.as_ref().map(|alias| alias.node.as_str()),
            SelectItem::Star | SelectItem::StarOf(_) => None,
        })
        .collect();
    assert_eq!(names, [None, Some("b")]);
}

#[test]
fn partitions() {
    assert_eq!(clauses("PARTITIONBY col1,col2"), "PARTITIONBY col1, col2");
    assert_eq!(clauses("partitionby _header.cost.id,_header.`cost.id`"), "PARTITIONBY _header.cost.id, _header.`cost.id`");
    assert_eq!(clauses("PARTITIONBY `a.b`, _value.`a.b`"), "PARTITIONBY `a.b`, _value.`a.b`");
    for date in ["_date.`yyyy/MM/dd`", "_date.'yyyy/MM/dd'", "_date.\"yyyy/MM/dd\"", "_date.yyyy/MM/dd"] {
        assert_eq!(clauses(&format!("PARTITIONBY c, {date}")), "PARTITIONBY c, _date.`yyyy/MM/dd`", "{date}");
    }
    assert_eq!(clauses("PARTITIONBY _date.uuuu, _date.LL"), "PARTITIONBY _date.uuuu, _date.LL");
    assert_eq!(statement("INSERT INTO t SELECT * FROM s NOPARTITION").partition_by.map(|by| by.node), Some(PartitionBy::None));
    assert_eq!(statement("INSERT INTO t SELECT * FROM s").partition_by, None);
}

#[test]
fn formats() {
    for format in ["PARQUET", "`PARQUET`", "'PARQUET'", "\"PARQUET\"", "= PARQUET"] {
        assert_eq!(clauses(&format!("STOREAS {format}")), "STOREAS PARQUET");
    }
    assert_eq!(
        clauses("STOREAS SS (param1 = value1 , param2 = 'a b',param3=3) (x=y)"),
        "STOREAS SS (param1=value1, param2='a b', param3=3, x=y)"
    );
    assert_eq!(clauses("STOREAS com.example.Format"), "STOREAS `com.example.Format`");
}

#[test]
fn keys() {
    assert_eq!(clauses("WITHKEY(`col1`, a.b,`c d`.e)"), "WITHKEY(col1, a.b, `c d`.e)");
    for delimiter in ["|", ".", ",", ";", "||", " ", "-", "'", "`"] {
        let written = delimiter.replace('\'', "''");
        assert_eq!(clauses(&format!("KEYDELIMITER = '{written}'")), format!("KEYDELIMITER='{written}'"));
    }
    assert_eq!(clauses("KEYDELIMITER='-' WITHKEY(a)"), "WITHKEY(a) KEYDELIMITER='-'");
    for class in ["`com.x.Y`", "com.x.Y", "'com.x.Y'"] {
        assert_eq!(clauses(&format!("WITHCONVERTER={class}")), "WITHCONVERTER=`com.x.Y`");
    }
}

#[test]
fn properties() {
    assert_eq!(clauses("properties(a=23, b='xyz', c='a b c', d='')"), "PROPERTIES(a=23, b=xyz, c='a b c', d='')");
    assert_eq!(clauses("PROPERTIES()"), "PROPERTIES()");
    assert_eq!(clauses("PROPERTIES('c.d'='x', flush.size=1, `e f`=`g`)"), "PROPERTIES('c.d'=x, 'flush.size'=1, 'e f'=g)");
    assert_eq!(clauses("PROPERTIES('padding.char'='0', x='.')"), "PROPERTIES('padding.char'='0', x='.')");
    assert_eq!(clauses("PROPERTIES(a=limit, b=5.5, c=/x/y, d=10mb)"), "PROPERTIES(a='limit', b='5.5', c='/x/y', d='10mb')");
    assert_eq!(clauses("PROPERTIES(a='it''s')"), "PROPERTIES(a='it''s')");
}

#[test]
fn numbers_keep_every_digit() {
    let statement = statement("INSERT INTO t SELECT * FROM s PROPERTIES(a=-5, b=007, c=99999999999999999999, d='5')");
    let values: Vec<PropertyValue> =
        statement.properties.into_iter().flat_map(|list| list.node).map(|property| property.value.node).collect();
    let text = |text: &str| PropertyValue::Text(text.to_owned());
    assert_eq!(values, [PropertyValue::Integer(-5), text("007"), text("99999999999999999999"), text("5")]);
}

#[test]
fn limits() {
    assert_eq!(clauses("limit 200"), "LIMIT 200");
    assert_eq!(clauses("LIMIT = 5"), "LIMIT 5");
}

#[test]
fn clauses_in_any_order() {
    let canonical = "PARTITIONBY a STOREAS JSON WITHCONVERTER=`c` WITHKEY(k) KEYDELIMITER='-' LIMIT 5 PROPERTIES(x=1)";
    assert_eq!(clauses("PROPERTIES(x=1) LIMIT 5 STOREAS JSON KEYDELIMITER='-' WITHKEY(k) PARTITIONBY a WITHCONVERTER=c"), canonical);
    assert_eq!(clauses(canonical), canonical);
}

#[test]
fn options_are_kept_whole_in_their_order() {
    let text = "IGNORE col1 , 1col2, f.a AUTOCREATE PK metadata.sensorID, type AUTOEVOLVE BATCH = 500 \
        WITHTIMESTAMP sys_time() TIMESTAMPUNIT=SECONDS WITHFORMAT protobuf WITHUNWRAP WITHTYPE QUEUE \
        WITHTAG (f1, c1=v1, f.b as named) WITHTARGET = a.b.c WITHPIPELINE = a.b TTL = 60 WITHSUBSCRIPTION = shared \
        WITHJMSSELECTOR=`apples > 10` WITHREGEX=`/^#?([a-f0-9]{6})$/` INCREMENTALMODE=modeA WITHDOCTYPE= `document.name` \
        WITHINDEXSUFFIX= _suffix_{YYYY-MM-dd} WITHSTRUCTURE INITIALIZE PROJECTTO 1 CAPITALIZE WITHCOMPRESSION = SNAPPY \
        WITHDELAY = 1000 WITHGROUP g WITHOFFSET (0,10), (1) SAMPLE 10 EVERY 5000 DISTRIBUTEBY a,b INTO 10 BUCKETS \
        CLUSTERBY c INTO 256 BUCKETS WITH_SCHEMA_EVOLUTION = ADD WITH_PARTITIONING = DYNAMIC \
        WITH_TABLE_LOCATION = `/magic/x` WITH_OVERWRITE WITH_SESSION = andrew WITH_ACK WITH_ENCODE_BASE64 WITH_LOCK_TIME = 10";
    let canonical = "IGNORE col1, 1col2, f.a AUTOCREATE PK metadata.sensorID, type AUTOEVOLVE BATCH=500 \
        WITHTIMESTAMP sys_time() TIMESTAMPUNIT=SECONDS WITHFORMAT=PROTOBUF WITHUNWRAP WITHTYPE=QUEUE \
        WITHTAG (f1, c1=v1, f.b AS named) WITHTARGET=a.b.c WITHPIPELINE=a.b TTL=60 WITHSUBSCRIPTION=shared \
        WITHJMSSELECTOR=`apples > 10` WITHREGEX=`/^#?([a-f0-9]{6})$/` INCREMENTALMODE=modeA WITHDOCTYPE=document.name \
        WITHINDEXSUFFIX=_suffix_{YYYY-MM-dd} WITHSTRUCTURE INITIALIZE PROJECTTO=1 CAPITALIZE WITHCOMPRESSION=SNAPPY \
        WITHDELAY=1000 WITHGROUP=g WITHOFFSET (0, 10), (1) SAMPLE 10 EVERY 5000 DISTRIBUTEBY a, b INTO 10 BUCKETS \
        CLUSTERBY c INTO 256 BUCKETS WITH_SCHEMA_EVOLUTION=ADD WITH_PARTITIONING=DYNAMIC WITH_TABLE_LOCATION=/magic/x \
        WITH_OVERWRITE WITH_SESSION=andrew WITH_ACK WITH_ENCODE_BASE64 WITH_LOCK_TIME=10";
    assert_eq!((clauses(text).as_str(), clauses(canonical).as_str()), (canonical, canonical));
    let keywords: Vec<&str> =
        statement(&format!("INSERT INTO t SELECT * FROM s {text}")).other.iter().map(|clause| clause.node.keyword).collect();
    assert_eq!(keywords.first(), Some(&"IGNORE"));
    assert_eq!(keywords.len(), 39);
}

#[test]
fn a_span_is_the_value_of_a_clause_or_the_clause_with_its_keyword() {
    let text = "INSERT INTO t SELECT a, b.c AS d FROM s LIMIT 5 PARTITIONBY x STOREAS `JSON` BATCH = 7 KEYDELIMITER='-'";
    let statement = statement(text);
    assert_eq!(statement.span.text(text), text);
    assert_eq!(statement.mode.span.text(text), "INSERT");
    assert_eq!(statement.target.as_ref().map_or("", |target| target.span.text(text)), "t");
    assert_eq!(statement.select.span.text(text), "SELECT a, b.c AS d");
    assert_eq!(statement.select.node[1].span.text(text), "b.c AS d");
    assert_eq!(statement.limit.map(|limit| limit.span.text(text)), Some("5"));
    assert_eq!(statement.key_delimiter.map(|delimiter| delimiter.span.text(text)), Some("'-'"));
    assert_eq!(statement.partition_by.map(|by| by.span.text(text)), Some("PARTITIONBY x"));
    let format = statement.store_as.map(|store_as| store_as.node.format.span.text(text));
    assert_eq!(format, Some("`JSON`"));
    assert_eq!(statement.other[0].span.text(text), "BATCH = 7");
}

#[test]
fn several_statements() {
    assert_eq!(statements("").len(), 0);
    assert_eq!(statements(" ;; -- nothing\n ;").len(), 0);
    let text = "INSERT INTO a SELECT * FROM `x;y`; -- one;\nINSERT INTO b SELECT * FROM c KEYDELIMITER=';' /* ; */ ;\n";
    let names: Vec<String> = statements(text).into_iter().map(|statement| statement.from.node.text).collect();
    assert_eq!(names, ["x;y", "c"]);
}

#[test]
fn comments_are_blanks() {
    let text = "-- head\nINSERT INTO t /* one */ SELECT a, -- two\n b /* three\n lines */ FROM s -- four";
    assert_eq!(statement(text).to_string(), "INSERT INTO t SELECT a, b FROM s");
    assert_eq!(names("a--b"), ["a--b", "a--b"]);
}
