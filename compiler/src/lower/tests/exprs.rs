//! Expressions: their types, and what is said where there is none.

use super::*;
use crate::plan::wording::expr_text;
use crate::plan::{Expr, KeyPlan, PartitionItem};

const SCHEMA: &str = "id: bigint not null, n: int, amount: decimal(10,2), x: double, name: string, ok: boolean, day: date, ts: timestamp, \
                      meta: struct<site: string>, tags: array<string>";

/// The route of a statement about `t` with the schema above.
#[track_caller]
fn route(rest: &str) -> Route {
    log_to_store(format!("INSERT INTO lake {rest}").leak()).schema(SCHEMA).route()
}

fn names(route: &Route) -> Vec<String> {
    route.decode.columns.iter().map(|column| column.path.join(".")).collect()
}

/// The type of an expression, and how the engine is told to compute it.
#[track_caller]
fn typed(expr: &str) -> String {
    let route = route(&format!("SELECT {expr} AS it FROM t"));
    let names = names(&route);
    let columns = route.project.expect("columns");
    let null = if columns[0].nullable { "" } else { " not null" };
    format!("{}{null}: {}", crate::schema::type_text(&columns[0].data_type), expr_text(&columns[0].expr, &names))
}

#[test]
fn conversions_are_explicit() {
    for (written, meant) in [
        ("id + 1", "bigint not null: id + 1"),
        ("n + 1", "int: n + 1"),
        ("n + id", "bigint: CAST(n AS bigint) + id"),
        ("id / 2", "double not null: CAST(id AS double) / 2.0"),
        ("amount * 2", "decimal(29,2): amount * 2"),
        ("amount + 1.5", "decimal(11,2): amount + 1.50"),
        ("amount * x", "double: CAST(amount AS double) * x"),
        ("- n % 7", "int: (- n) % 7"),
        ("name || '-' || id", "string: (name || '-') || CAST(id AS string)"),
        ("_key || '!'", "string: CAST(_key AS string) || '!'"),
        ("x > 1", "boolean: x > 1.0"),
        ("ts > '2026-01-01'", "boolean: CAST(ts AS timestamp(6)) > TIMESTAMP '2026-01-01T00:00:00Z'"),
        ("day = '2026-01-31'", "boolean: day = DATE '2026-01-31'"),
        ("day < ts", "boolean: CAST(day AS timestamp(6)) < CAST(ts AS timestamp(6))"),
        ("n IN (1, 2.5)", "boolean: CAST(n AS decimal(11,1)) IN (1.0, 2.5)"),
        ("n BETWEEN 1 AND 5", "boolean: (n >= 1) AND (n <= 5)"),
        ("name NOT LIKE 'a%'", "boolean: NOT (name LIKE 'a%')"),
        ("tags IS NOT NULL", "boolean not null: tags IS NOT NULL"),
        ("CASE WHEN ok THEN n ELSE 0 END", "int: CASE WHEN ok THEN n ELSE 0 END"),
        ("CASE n WHEN 1 THEN 'one' END", "string: CASE WHEN n = 1 THEN 'one' ELSE NULL END"),
        ("CAST(name AS DECIMAL(12, 2))", "decimal(12,2): CAST(name AS decimal(12,2))"),
        ("TRY_CAST(id AS int)", "int: TRY_CAST(id AS int)"),
        ("NULL AND ok", "boolean: NULL AND ok"),
        ("(NULL)", "string: NULL"),
        ("upper(meta.site)", "string: upper(meta.site)"),
        ("coalesce(n, id, 0)", "bigint not null: coalesce(CAST(n AS bigint), id, 0)"),
        ("coalesce(name, 'none')", "string not null: coalesce(name, 'none')"),
        ("date_trunc('HOUR', ts)", "timestamp(6): date_trunc('hour', CAST(ts AS timestamp(6)))"),
        ("round(n, 1)", "double: round(CAST(n AS double), 1)"),
        ("length(name) > 3 OR NOT ok", "boolean: (length(name) > 3) OR (NOT ok)"),
    ] {
        assert_eq!(typed(written), meant, "{written}");
    }
}

#[test]
fn fields_without_a_schema_are_text() {
    let route = log_to_store("INSERT INTO lake SELECT upper(a) AS a, CAST(b AS double) * 2 AS b FROM t WHERE c = 'x'").route();
    assert_eq!(names(&route), ["c", "a", "b"]);
    assert!(route.decode.columns.iter().all(|column| column.data_type == DataType::Any));
    let filter = route.filter.as_ref().map(|filter| expr_text(filter, &names(&route)));
    assert_eq!(filter.as_deref(), Some("CAST(c AS string) = 'x'"));
}

#[test]
fn folders_and_keys_are_calculated() {
    let route = route("SELECT id, upper(name) AS name FROM t PARTITIONBY name, n % 10 AS bucket");
    let Tail::Files(tail) = &route.tail else { panic!("files") };
    let folders: Vec<(Option<&str>, String)> = tail
        .partition
        .iter()
        .map(|item| match item {
            PartitionItem::Value { name, expr } => (name.as_deref(), expr_text(expr, &names(&route))),
            PartitionItem::Time { .. } => panic!("no time"),
        })
        .collect();
    assert_eq!(folders, [(Some("name"), "upper(name)".to_owned()), (Some("bucket"), "n % 10".to_owned())]);
    let route = log_to_log("INSERT INTO u SELECT id, lower(name) AS low FROM t WITHKEY(low, id || '')").schema(SCHEMA).route();
    let Tail::Records(tail) = &route.tail else { panic!("records") };
    let KeyPlan::Fields { fields, .. } = &tail.key else { panic!("fields") };
    assert!(fields.iter().all(|field| matches!(field, Expr::Call(_))));
}

/// The message of the only mistake, with the text under its first label.
#[track_caller]
fn said(rest: &str) -> String {
    log_to_store(format!("INSERT INTO lake {rest}").leak()).schema(SCHEMA).said().join("\n")
}

#[test]
fn mistakes_name_the_operand_and_its_type() {
    insta::assert_snapshot!(said("SELECT * FROM t WHERE name * 2 > 1"));
    insta::assert_snapshot!(said("SELECT * FROM t WHERE amount"));
    insta::assert_snapshot!(said("SELECT * FROM t WHERE name = 5"));
    insta::assert_snapshot!(said("SELECT uper(name) AS u FROM t"));
    insta::assert_snapshot!(said("SELECT substr(name) AS u FROM t"));
    insta::assert_snapshot!(said("SELECT date_trunc('fortnight', ts) AS u FROM t"));
    insta::assert_snapshot!(said("SELECT date_trunc('day', id) AS u FROM t"));
    insta::assert_snapshot!(said("SELECT CAST(meta AS int) AS u FROM t"));
    insta::assert_snapshot!(said("SELECT CAST(name AS nubmer) AS u FROM t"));
    insta::assert_snapshot!(said("SELECT * FROM t WHERE ts > 'soon'"));
    insta::assert_snapshot!(said("SELECT * FROM t WHERE id = 99999999999999999999"));
    insta::assert_snapshot!(said("SELECT * FROM t WHERE nmae = 'x' AND amuont > 1"));
}

#[test]
fn a_constant_that_the_common_type_does_not_hold_is_said_wherever_it_stands() {
    for (rest, constant) in [
        ("SELECT wide + 99999999999 AS c FROM t", "99999999999"),
        ("SELECT 99999999999 % wide AS c FROM t", "99999999999"),
        ("SELECT * FROM t WHERE wide < 99999999999", "99999999999"),
        ("SELECT * FROM t WHERE wide IN (1, 99999999999)", "99999999999"),
        ("SELECT * FROM t WHERE wide BETWEEN 1 AND 99999999999", "99999999999"),
        ("SELECT CASE WHEN wide > 1 THEN wide ELSE 99999999999 END AS c FROM t", "99999999999"),
        ("SELECT coalesce(wide, 99999999999) AS c FROM t", "99999999999"),
        ("SELECT * FROM t PARTITIONBY wide - 99999999999 AS c", "99999999999"),
    ] {
        let said = log_to_store(format!("INSERT INTO lake {rest}").leak()).schema("wide: decimal(38,30)").said();
        assert_eq!(said.len(), 1, "{rest}: {said:?}");
        // What compares says it of its two types.
        assert!(said[0].starts_with("KP0432: ") || said[0].starts_with("KP0437: "), "{rest}: {}", said[0]);
        assert!(said[0].contains(constant) && said[0].contains("decimal(38,30)"), "{rest}: {}", said[0]);
    }
}

#[test]
fn a_pipeline_that_comes_to_nothing_without_a_reason_is_a_bug_that_is_said() {
    let mut sources = Sources::new();
    let kcql = "INSERT INTO lake SELECT * FROM t";
    let kcql_file = sources.add("statements.kcql", kcql);
    let mut yaml = Yaml { text: String::new(), file: kcql_file };
    let document = log_to_store(kcql).document(&mut yaml, kcql_file);
    sources.add("pipeline.yaml", yaml.text);
    let codes = |is_unknown| {
        let mut report = Report::default();
        assert!(explained(None, is_unknown, &document, &mut report).is_none());
        report.views(&sources).into_iter().map(|view| view.code).collect::<Vec<_>>()
    };
    assert_eq!(codes(false), ["KP9901"]);
    assert!(codes(true).is_empty(), "a value that is not known in this run is no bug");
}
