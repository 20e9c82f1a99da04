//! Expressions that have a type, most of the time, and records for them.

use kpipe_compiler::functions::{FUNCTIONS, Function, Param, Returns};
use serde_json::{Map, Number, Value, json};

use super::super::random::Random;

/// The schema of the records.
pub(super) const SCHEMA: &str = "{ flag: boolean, small: int, large: bigint, single: real, wide: double, price: \"decimal(12,2)\", \
                                 exact: \"decimal(38,10)\", name: string, word: string, at: timestamp, micro: timestamp(6), day: date, \
                                 rest: json, meta: { deep: string, tags: [string] } }";

/// What an expression gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Boolean,
    Integer,
    Number,
    Text,
    Time,
}

const KINDS: [Kind; 5] = [Kind::Boolean, Kind::Integer, Kind::Number, Kind::Text, Kind::Time];

/// Texts that functions read as something else: patterns of several languages, paths, zones.
const TEXTS: &[&str] = &[
    "''",
    "'a'",
    "'%'",
    "'_%'",
    "'a.b.0'",
    "'[0-9]+'",
    "'(a|b)*'",
    "'(.*)(.*)x'",
    "'('",
    "'yyyy-MM-dd HH:mm'",
    "'QQQ'",
    "'Europe/Berlin'",
    "'UTC'",
    "'$1'",
    "'\\'",
    "'1e400'",
    "'-0.0'",
    "'2026-02-30'",
    "'2026-01-31T12:00:00Z'",
    "'ß'",
    "'🦀é'",
    "'null'",
    "'{\"a\":{\"b\":[1]}}'",
];
const NUMBERS: &[&str] =
    &["0", "1", "-1", "2", "7", "100", "2147483647", "9223372036854775807", "-9223372036854775808", "0.5", "1e300", "0.0000001", "12.50"];
const TIMES: &[&str] = &[
    "TIMESTAMP '1970-01-01T00:00:00Z'",
    "TIMESTAMP '2026-01-31T12:34:56.789Z'",
    "TIMESTAMP '9999-12-31T23:59:59Z'",
    "TIMESTAMP '0001-01-01T00:00:00Z'",
    "DATE '2026-03-29'",
];

/// An expression of this kind.
pub(super) fn expression(kind: Kind, depth: usize, random: &mut Random) -> String {
    if depth == 0 || random.one_in(5) {
        return leaf(kind, random);
    }
    let below = |kind: Kind, random: &mut Random| expression(kind, depth - 1, random);
    match random.below(8) {
        0 => {
            let (first, second) = (below(kind, random), below(kind, random));
            let condition = below(Kind::Boolean, random);
            format!("CASE WHEN {condition} THEN {first} ELSE {second} END")
        }
        1 => {
            let from = random.pick(&KINDS);
            let cast = random.pick(&["CAST", "TRY_CAST"]);
            format!("{cast}({} AS {})", below(from, random), type_of(kind, random))
        }
        2..=4 => call(kind, depth, random),
        _ => operation(kind, depth, random),
    }
}

fn leaf(kind: Kind, random: &mut Random) -> String {
    if random.one_in(12) {
        return "NULL".to_owned();
    }
    let columns: &[&str] = match kind {
        Kind::Boolean => &["flag", "TRUE", "FALSE"],
        Kind::Integer => &["small", "large", "_offset", "_partition"],
        Kind::Number => &["small", "large", "single", "wide", "price", "exact"],
        Kind::Text => &["name", "word", "meta.deep", "_topic", "_key", "rest"],
        Kind::Time => &["at", "micro", "day", "_timestamp"],
    };
    let literals: &[&str] = match kind {
        Kind::Boolean => columns,
        Kind::Integer | Kind::Number => NUMBERS,
        Kind::Text => TEXTS,
        Kind::Time => TIMES,
    };
    let among = if random.one_in(3) { literals } else { columns };
    random.pick(among).to_owned()
}

fn type_of(kind: Kind, random: &mut Random) -> &'static str {
    match kind {
        Kind::Boolean => "BOOLEAN",
        Kind::Integer => random.pick(&["INT", "BIGINT"]),
        Kind::Number => random.pick(&["REAL", "DOUBLE", "DECIMAL(12,2)", "DECIMAL(38,37)", "BIGINT"]),
        Kind::Text => "STRING",
        Kind::Time => random.pick(&["TIMESTAMP", "DATE"]),
    }
}

fn operation(kind: Kind, depth: usize, random: &mut Random) -> String {
    let below = |kind: Kind, random: &mut Random| expression(kind, depth - 1, random);
    match kind {
        Kind::Boolean => {
            let of = random.pick(&KINDS);
            let (left, right) = (below(of, random), below(of, random));
            match random.below(8) {
                0 => format!("({} AND {})", below(Kind::Boolean, random), below(Kind::Boolean, random)),
                1 => format!("({} OR {})", below(Kind::Boolean, random), below(Kind::Boolean, random)),
                2 => format!("NOT {}", below(Kind::Boolean, random)),
                3 => format!("{left} IS {}NULL", random.pick(&["", "NOT "])),
                4 => format!("({left} {}IN ({right}, {}))", random.pick(&["", "NOT "]), leaf(of, random)),
                5 => format!("({left} BETWEEN {right} AND {})", leaf(of, random)),
                6 => format!("({} LIKE {})", below(Kind::Text, random), random.pick(TEXTS)),
                _ => format!("({left} {} {right})", random.pick(&["=", "<>", "<", "<=", ">", ">="])),
            }
        }
        Kind::Integer | Kind::Number => {
            format!("({} {} {})", below(kind, random), random.pick(&["+", "-", "*", "/", "%"]), below(kind, random))
        }
        Kind::Text => format!("({} || {})", below(Kind::Text, random), below(random.pick(&KINDS), random)),
        Kind::Time => call(kind, depth, random),
    }
}

/// A function that gives this kind, or anything as it is given.
fn call(kind: Kind, depth: usize, random: &mut Random) -> String {
    let gives = |function: &&Function| match function.returns {
        Returns::Text => kind == Kind::Text,
        Returns::Integer => matches!(kind, Kind::Integer | Kind::Number),
        Returns::Double => kind == Kind::Number,
        Returns::Boolean => kind == Kind::Boolean,
        Returns::Timestamp => kind == Kind::Time,
        Returns::AsGiven => function.params[0] == Param::Same || matches!(kind, Kind::Integer | Kind::Number),
    };
    let fitting: Vec<&Function> = FUNCTIONS.iter().filter(gives).collect();
    let function = random.pick(&fitting);
    let count = function.params.len() - random.below(function.optional + 1);
    let more = if function.variadic { random.below(3) } else { 0 };
    let params = function.params.iter().take(count).chain(function.params.last().into_iter().cycle().take(more));
    let args: Vec<String> = params
        .map(|param| match param {
            Param::Text => expression(Kind::Text, depth - 1, random),
            Param::Written(_) => random.pick(TEXTS).to_owned(),
            Param::Word(words) => format!("'{}'", random.pick(words)),
            Param::Integer => expression(Kind::Integer, depth - 1, random),
            Param::Number | Param::Double => expression(Kind::Number, depth - 1, random),
            Param::Timestamp => expression(Kind::Time, depth - 1, random),
            Param::Same => expression(kind, depth - 1, random),
        })
        .collect();
    format!("{}({})", function.name, args.join(", "))
}

/// A record of the schema, full of limits and things left out.
pub(super) fn record(random: &mut Random) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value, random: &mut Random| {
        if !random.one_in(8) {
            fields.insert(name.to_owned(), if random.one_in(8) { Value::Null } else { value });
        }
    };
    put("flag", json!(random.one_in(2)), random);
    put("small", json!(random.pick(&[0, 1, -1, 5, i32::MAX, i32::MIN])), random);
    put("large", json!(random.pick(&[0, 1, -1, 1000, i64::MAX, i64::MIN])), random);
    put("single", json!(random.pick(&[0.0, -0.0, 1.5, 3.0e38, -1.0e-30])), random);
    put("wide", json!(random.pick(&[0.0, -0.0, 0.1, 1.0e308, -1.0e308, 5.0e-324])), random);
    put("price", json!(random.pick(&["0", "12.50", "-9999999999.99", "0.01"])), random);
    put("exact", json!(random.pick(&["0", "1", "-0.0000000001", "9999999999999999999999999999.9999999999"])), random);
    let texts =
        ["", "a", "A-b", "sensor-17", "12", "-1.5", "2026-01-31", "2026-01-31T12:00:00Z", "ß", "é🦀e\u{301}", "true", "{\"a\":1}", "x y z"];
    for name in ["name", "word"] {
        let text = random.pick(&texts).repeat(if random.one_in(20) { 300 } else { 1 });
        put(name, json!(text), random);
    }
    for (name, least, most) in
        [("at", -62_135_596_800_000, 253_402_300_799_000), ("micro", -62_135_596_800_000_000, 253_402_300_799_000_000_i64)]
    {
        put(name, Value::Number(Number::from(random.pick(&[0, 1, -1, 1_767_323_045_000, least, most]))), random);
    }
    put("day", json!(random.pick(&["2026-01-31", "1970-01-01", "0001-01-01", "9999-12-31"])), random);
    put("rest", any_json(random), random);
    put("meta", json!({ "deep": random.pick(&texts), "tags": ["x", null] }), random);
    Value::Object(fields)
}

/// JSON of one kind or another.
fn any_json(random: &mut Random) -> Value {
    match random.below(4) {
        0 => json!({ "a": { "b": [7, "8", null] } }),
        1 => json!([1, 2.5, { "x": "" }]),
        2 => json!("text"),
        _ => json!(12),
    }
}
