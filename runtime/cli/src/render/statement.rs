//! KCQL statements as JSON for other tools: what a text says, without places.
//!
//! A statement is flat: `mode`, `target`, `source`, `fields`, `where`, then every clause that was written by its keyword in capitals.
//! Names and values are without quotes; what is a path or an expression is text as KCQL writes it.

use kpipe_grammar::ast::{
    Folder, OptionColumn, OptionValue, OtherClause, PartitionBy, PartitionOffset, Path, Property, PropertyValue, SelectItem, Statement,
    StoreAs, Tag, TagValue, WriteMode, output_name,
};
use kpipe_grammar::expr::Expr;
use kpipe_grammar::span::Spanned;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

/// `{"mode":"INSERT","target":"lake:orders","source":"orders","fields":[...],"where":null,"LIMIT":10}`.
#[derive(Debug)]
pub(crate) struct StatementJson<'a>(pub(crate) &'a Statement);

impl Serialize for StatementJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // No `..`: a new clause of the language must say here how tools see it.
        let Statement {
            span: _,
            mode,
            target,
            select,
            from,
            filter,
            partition_by,
            store_as,
            with_key,
            key_delimiter,
            with_converter,
            limit,
            properties,
            other,
        } = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("mode", mode_word(mode.node))?;
        map.serialize_entry("target", &target.as_ref().map(|target| &target.node.text))?;
        map.serialize_entry("source", &from.node.text)?;
        map.serialize_entry("fields", &List(&select.node, field))?;
        map.serialize_entry("where", &filter.as_ref().map(|filter| filter.node.to_string()))?;
        match partition_by.as_ref().map(|clause| &clause.node) {
            Some(PartitionBy::None) => map.serialize_entry("NOPARTITION", &true)?,
            Some(PartitionBy::Folders(folders)) => map.serialize_entry("PARTITIONBY", &List(folders, folder))?,
            None => {}
        }
        if let Some(StoreAs { format, options }) = store_as.as_ref().map(|clause| &clause.node) {
            map.serialize_entry("STOREAS", &FormatJson { format: &format.node, options: Properties(options) })?;
        }
        if let Some(class) = with_converter {
            map.serialize_entry("WITHCONVERTER", &class.node)?;
        }
        if let Some(values) = with_key {
            map.serialize_entry("WITHKEY", &List(&values.node, expression))?;
        }
        if let Some(delimiter) = key_delimiter {
            map.serialize_entry("KEYDELIMITER", &delimiter.node)?;
        }
        if let Some(limit) = limit {
            map.serialize_entry("LIMIT", &limit.node)?;
        }
        for clause in other {
            let OtherClause { keyword, text: _, value } = &clause.node;
            map.serialize_entry(keyword, &OptionJson(value))?;
        }
        if let Some(properties) = properties {
            map.serialize_entry("PROPERTIES", &Properties(&properties.node))?;
        }
        map.end()
    }
}

fn mode_word(mode: WriteMode) -> &'static str {
    match mode {
        WriteMode::Insert => "INSERT",
        WriteMode::Upsert => "UPSERT",
        WriteMode::Update => "UPDATE",
        WriteMode::Select => "SELECT",
    }
}

/// A list whose items are made as they are written.
struct List<'a, T, F>(&'a [T], F);

impl<'a, T, J: Serialize, F: Fn(&'a T) -> J> Serialize for List<'a, T, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for item in self.0 {
            list.serialize_element(&(self.1)(item))?;
        }
        list.end()
    }
}

/// A path as KCQL writes it: names that need it stand in back-ticks.
fn text(path: &Spanned<Path>) -> String {
    path.node.to_string()
}

/// A folder as KCQL writes it, with the name it is given.
fn folder(folder: &Spanned<Folder>) -> String {
    folder.node.to_string()
}

/// An expression as KCQL writes it.
fn expression(expr: &Spanned<Expr>) -> String {
    expr.node.to_string()
}

/// One item of the SELECT list: a `path` or an `expression`.
#[derive(Serialize)]
struct FieldJson<'a> {
    /// The last name of the path, without quotes; `*` for every field; a calculation is called as it is written.
    name: String,
    /// The name behind `AS`.
    alias: Option<&'a str>,
    /// The whole path.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// The calculation.
    #[serde(skip_serializing_if = "Option::is_none")]
    expression: Option<String>,
}

fn field(item: &Spanned<SelectItem>) -> FieldJson<'_> {
    let star = |path: String| FieldJson { name: "*".to_owned(), alias: None, path: Some(path), expression: None };
    match &item.node {
        SelectItem::Star => star("*".to_owned()),
        SelectItem::StarOf(path) => star(format!("{path}.*")),
        SelectItem::Value { expr, alias } => {
            let (name, alias) = (output_name(expr), alias.as_ref().map(|alias| alias.node.as_str()));
            let path = expr.as_column().map(ToString::to_string);
            let expression = path.is_none().then(|| expr.to_string());
            FieldJson { name, alias, path, expression }
        }
    }
}

#[derive(Serialize)]
struct FormatJson<'a> {
    format: &'a str,
    options: Properties<'a>,
}

/// Options by name; numbers are text too, because `5` and `'5'` say the same.
struct Properties<'a>(&'a [Property]);

impl Serialize for Properties<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for Property { key, value } in self.0 {
            match &value.node {
                PropertyValue::Integer(number) => map.serialize_entry(&key.node, &number.to_string())?,
                PropertyValue::Text(text) => map.serialize_entry(&key.node, text)?,
            }
        }
        map.end()
    }
}

/// The value of a clause of the option table.
struct OptionJson<'a>(&'a OptionValue);

impl Serialize for OptionJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            OptionValue::Flag => serializer.serialize_bool(true),
            OptionValue::Text(text) => serializer.serialize_str(text),
            OptionValue::Integer(number) => serializer.serialize_i64(*number),
            OptionValue::Columns(columns) => List(columns, |column: &Spanned<OptionColumn>| column.node.to_string()).serialize(serializer),
            OptionValue::Tags(tags) => List(tags, tag).serialize(serializer),
            OptionValue::Field(path) => serializer.serialize_str(&path.to_string()),
            OptionValue::SysTime => serializer.serialize_str("sys_time()"),
            OptionValue::Buckets { fields, count } => BucketsJson { fields: List(fields, text), count: *count }.serialize(serializer),
            OptionValue::Offsets(offsets) => List(offsets, offset).serialize(serializer),
            OptionValue::Sample { count, every } => SampleJson { count: *count, every: *every }.serialize(serializer),
        }
    }
}

/// `{"key":"site"}`, `{"key":"unit","constant":"kg"}`, `{"key":"meta.room","alias":"room"}`.
#[derive(Serialize)]
struct TagJson<'a> {
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    constant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alias: Option<&'a str>,
}

fn tag(tag: &Tag) -> TagJson<'_> {
    let Tag { key, value } = tag;
    let (constant, alias) = match value {
        None => (None, None),
        Some(TagValue::Constant(text)) => (Some(text.node.as_str()), None),
        Some(TagValue::Alias(name)) => (None, Some(name.node.as_str())),
    };
    TagJson { key: &key.node, constant, alias }
}

#[derive(Serialize)]
struct BucketsJson<T> {
    fields: T,
    count: i64,
}

#[derive(Serialize)]
struct SampleJson {
    count: i64,
    every: i64,
}

#[derive(Serialize)]
struct OffsetJson {
    partition: i64,
    offset: Option<i64>,
}

fn offset(offset: &PartitionOffset) -> OffsetJson {
    let PartitionOffset { partition, offset } = *offset;
    OffsetJson { partition, offset }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(text: &str) -> Value {
        let parsed = kpipe_grammar::parse(text);
        assert_eq!(parsed.errors, [], "{text}");
        serde_json::to_value(StatementJson(&parsed.statements[0])).unwrap()
    }

    /// The value of one clause behind a short statement.
    fn clause(text: &str, key: &str) -> Value {
        let statement = read(&format!("INSERT INTO t SELECT * FROM s {text}"));
        assert_eq!(statement.as_object().map(serde_json::Map::len), Some(6), "{statement}");
        statement[key].clone()
    }

    #[test]
    fn the_core_stands_first() {
        assert_eq!(
            read("upsert into `b`:p SELECT *, a.b.*, `c d`.e AS f, _key.g FROM `x/#`"),
            json!({
                "mode": "UPSERT", "target": "b:p", "source": "x/#", "where": null,
                "fields": [
                    { "name": "*", "alias": null, "path": "*" },
                    { "name": "*", "alias": null, "path": "a.b.*" },
                    { "name": "e", "alias": "f", "path": "`c d`.e" },
                    { "name": "g", "alias": null, "path": "_key.g" },
                ],
            })
        );
    }

    #[test]
    fn a_field_that_is_called_star_is_not_every_field() {
        let fields = read("INSERT INTO t SELECT `*`, * FROM s")["fields"].clone();
        assert_eq!(fields[0], json!({ "name": "*", "alias": null, "path": "`*`" }));
        assert_eq!(fields[1], json!({ "name": "*", "alias": null, "path": "*" }));
    }

    #[test]
    fn clauses_have_values_of_their_kind() {
        for (text, key, value) in [
            ("partitionby country, _date.'yyyy/MM'", "PARTITIONBY", json!(["country", "_date.`yyyy/MM`"])),
            ("NOPARTITION", "NOPARTITION", json!(true)),
            ("STOREAS 'PARQUET'", "STOREAS", json!({ "format": "PARQUET", "options": {} })),
            ("STOREAS SS (a = 1, b=x)", "STOREAS", json!({ "format": "SS", "options": { "a": "1", "b": "x" } })),
            ("WITHCONVERTER=`com.x.Y`", "WITHCONVERTER", json!("com.x.Y")),
            ("WITHKEY(a, b.`c.d`)", "WITHKEY", json!(["a", "b.`c.d`"])),
            ("KEYDELIMITER='.'", "KEYDELIMITER", json!(".")),
            ("LIMIT = 10", "LIMIT", json!(10)),
            ("PROPERTIES('flush.count'=5000, b='', c=x)", "PROPERTIES", json!({ "flush.count": "5000", "b": "", "c": "x" })),
            ("PROPERTIES()", "PROPERTIES", json!({})),
            ("PK a, b.c", "PK", json!(["a", "b.c"])),
            ("IGNORE a AS x, b.*", "IGNORE", json!(["a AS x", "b.*"])),
            ("AUTOCREATE", "AUTOCREATE", json!(true)),
            ("BATCH = 100", "BATCH", json!(100)),
            ("WITHFORMAT avro", "WITHFORMAT", json!("AVRO")),
            ("WITHTIMESTAMP a.b", "WITHTIMESTAMP", json!("a.b")),
            ("WITHTIMESTAMP SYS_TIME()", "WITHTIMESTAMP", json!("sys_time()")),
            (
                "WITHTAG (a, c=v, d.e AS n)",
                "WITHTAG",
                json!([{ "key": "a" }, { "key": "c", "constant": "v" }, { "key": "d.e", "alias": "n" }]),
            ),
            ("DISTRIBUTEBY a, b INTO 10 BUCKETS", "DISTRIBUTEBY", json!({ "fields": ["a", "b"], "count": 10 })),
            ("WITHOFFSET (0, 10), (1)", "WITHOFFSET", json!([{ "partition": 0, "offset": 10 }, { "partition": 1, "offset": null }])),
            ("SAMPLE 10 EVERY 5000", "SAMPLE", json!({ "count": 10, "every": 5000 })),
        ] {
            assert_eq!(clause(text, key), value, "{text}");
        }
    }
}
