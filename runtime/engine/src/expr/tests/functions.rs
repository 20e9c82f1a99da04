//! Functions, one case a line.

use super::*;

/// Cases of a function: those in `fixed` stand in the statement.
fn cases(name: &str, data_type: &DataType, fixed: &[usize], cases: &[(&[Literal], &str)]) {
    for (args, expected) in cases {
        check(&function(name), args, fixed, data_type, expected);
    }
}

#[test]
fn texts() {
    let string = DataType::String;
    let nothing = || null(DataType::String);
    for (name, value, expected) in [
        ("upper", "Straße", "STRASSE"),
        ("lower", "ÄB", "äb"),
        ("trim", "  a b ", "a b"),
        ("ltrim", "  a ", "a "),
        ("rtrim", " a  ", " a"),
        ("reverse", "größe", "eßörg"),
        ("md5", "a", "0cc175b9c0f1b6a831c399e269772661"),
        ("sha256", "a", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
    ] {
        cases(
            name,
            &string,
            &[],
            &[(&[text(value)], expected), (&[nothing()], "NULL"), (&[text("")], if name.contains(['5', '6']) { continue } else { "" })],
        );
    }
    cases("length", &DataType::Int64, &[], &[(&[text("größe")], "5"), (&[text("")], "0"), (&[nothing()], "NULL")]);
    cases(
        "substr",
        &string,
        &[],
        &[
            (&[text("kpipe"), big(2)], "pipe"),
            (&[text("kpipe"), big(2), big(3)], "pip"),
            (&[text("größe"), big(3), big(2)], "öß"),
            (&[text("kpipe"), big(9)], ""),
            (&[text("kpipe"), null(DataType::Int64)], "NULL"),
            (&[text("kpipe"), big(1), big(-1)], "! the function takes no such value"),
        ],
    );
    cases("replace", &string, &[], &[(&[text("a/b/c"), text("/"), text("_")], "a_b_c"), (&[text("a"), nothing(), text("_")], "NULL")]);
    cases("concat", &string, &[], &[(&[text("a"), text("b"), text("c")], "abc"), (&[text("a"), nothing()], "a")]);
    cases(
        "concat_ws",
        &string,
        &[],
        &[(&[text("-"), text("a"), nothing(), text("b")], "a-b"), (&[nothing(), text("a"), text("b")], "NULL")],
    );
}

#[test]
fn parts_of_texts() {
    let string = DataType::String;
    let nothing = || null(DataType::String);
    cases("left", &string, &[], &[(&[text("größe"), big(3)], "grö"), (&[text("ab"), big(5)], "ab")]);
    cases("right", &string, &[], &[(&[text("größe"), big(3)], "öße"), (&[text("ab"), big(0)], "")]);
    cases(
        "lpad",
        &string,
        &[],
        &[
            (&[text("7"), big(3), text("0")], "007"),
            (&[text("1234"), big(3), text("0")], "123"),
            (&[text("7"), big(1 << 40), text("0")], "! a text of more than 1048576 bytes"),
            (&[text("größe"), big(8), text("äb")], "äbägröße"),
            (&[text("größe"), big(3), text("")], "grö"),
            (&[text("a"), big(9), text("")], "a"),
        ],
    );
    cases("rpad", &string, &[], &[(&[text("7"), big(3), text(".")], "7..")]);
    let truth = DataType::Boolean;
    cases(
        "starts_with",
        &truth,
        &[],
        &[(&[text("kpipe"), text("kp")], "true"), (&[text("kpipe"), text("p")], "false"), (&[nothing(), text("p")], "NULL")],
    );
    cases("ends_with", &truth, &[], &[(&[text("kpipe"), text("pe")], "true"), (&[text("kpipe"), text("k")], "false")]);
    cases("contains", &truth, &[], &[(&[text("kpipe"), text("pip")], "true"), (&[text("kpipe"), text("x")], "false")]);
    cases(
        "split_part",
        &string,
        &[],
        &[
            (&[text("a/b/c"), text("/"), big(2)], "b"),
            (&[text("a/b/c"), text("/"), big(9)], ""),
            (&[text("a"), text("/"), big(0)], "! the function takes no such value"),
        ],
    );
    check(&Op::Concat, &[text("a"), text("b")], &[], &string, "ab");
    check(&Op::Concat, &[text("a"), nothing()], &[], &string, "NULL");
}

#[test]
fn numbers() {
    let double = DataType::Float64;
    cases("abs", &DataType::Int32, &[], &[(&[int(-5)], "5"), (&[int(i32::MIN)], "! the result is beyond int")]);
    cases("abs", &decimal_type(5, 2), &[], &[(&[decimal("-1.25", 5)], "1.25")]);
    cases("abs", &double, &[], &[(&[real("-0.5")], "0.5"), (&[null(DataType::Float64)], "NULL")]);
    for (name, value, expected) in [
        ("ceil", "1.2", "2.0"),
        ("floor", "-1.2", "-2.0"),
        ("round", "2.5", "3.0"),
        ("round", "-2.5", "-3.0"),
        ("sqrt", "81", "9.0"),
        ("sqrt", "-1", "! the result is no finite number"),
        ("sign", "-3", "-1.0"),
        ("ln", "1", "0.0"),
        ("ln", "0", "! the result is no finite number"),
        ("log10", "1000", "3.0"),
        ("log10", "-1", "! the result is no finite number"),
    ] {
        cases(name, &double, &[], &[(&[real(value)], expected), (&[null(DataType::Float64)], "NULL")]);
    }
    cases("round", &double, &[], &[(&[real("1.256"), big(2)], "1.26"), (&[real("1256"), big(-2)], "1300.0")]);
    cases(
        "power",
        &double,
        &[],
        &[
            (&[real("2"), real("10")], "1024.0"),
            (&[real("10"), real("400")], "! the result is no finite number"),
            (&[real("0"), real("-1")], "! the result is no finite number"),
        ],
    );
}

#[test]
fn values_of_any_type() {
    let (string, number) = (DataType::String, DataType::Int64);
    let (no_text, no_number) = (|| null(DataType::String), || null(DataType::Int64));
    cases("coalesce", &string, &[], &[(&[no_text(), text("a"), text("b")], "a"), (&[no_text(), no_text()], "NULL"), (&[text("a")], "a")]);
    cases(
        "nullif",
        &string,
        &[],
        &[
            (&[text("-"), text("-")], "NULL"),
            (&[text("a"), text("-")], "a"),
            (&[no_text(), text("-")], "NULL"),
            (&[text("a"), no_text()], "a"),
        ],
    );
    cases("nullif", &DataType::Float64, &[], &[(&[real("-0"), real("0")], "NULL")]);
    cases(
        "greatest",
        &number,
        &[],
        &[(&[big(1), big(3), big(2)], "3"), (&[big(1), no_number()], "1"), (&[no_number(), no_number()], "NULL")],
    );
    cases("least", &number, &[], &[(&[big(1), no_number(), big(2)], "1")]);
    cases("greatest", &string, &[], &[(&[text("a"), text("b")], "b")]);
}

#[test]
fn times() {
    let noon = "2026-01-31T12:34:56.789Z";
    for (unit, expected) in [
        ("second", "2026-01-31T12:34:56.000000Z"),
        ("minute", "2026-01-31T12:34:00.000000Z"),
        ("hour", "2026-01-31T12:00:00.000000Z"),
        ("day", "2026-01-31T00:00:00.000000Z"),
        ("week", "2026-01-26T00:00:00.000000Z"),
        ("month", "2026-01-01T00:00:00.000000Z"),
        ("quarter", "2026-01-01T00:00:00.000000Z"),
        ("year", "2026-01-01T00:00:00.000000Z"),
    ] {
        cases("date_trunc", &MICROS, &[0], &[(&[text(unit), time(noon)], expected)]);
    }
    cases(
        "date_trunc",
        &MICROS,
        &[0],
        &[
            (&[text("quarter"), time("1969-12-31T23:59:59Z")], "1969-10-01T00:00:00.000000Z"),
            (&[text("week"), time("1969-12-28T23:59:59Z")], "1969-12-22T00:00:00.000000Z"),
            (&[text("hour"), Literal::Timestamp(i64::MIN)], "! time out of range"),
            (&[text("hour"), null(MICROS)], "NULL"),
        ],
    );
    for (part, expected) in [
        ("year", "2026"),
        ("quarter", "1"),
        ("month", "1"),
        ("week", "5"),
        ("day", "31"),
        ("doy", "31"),
        ("dow", "6"),
        ("hour", "12"),
        ("minute", "34"),
        ("second", "56"),
    ] {
        cases("date_part", &DataType::Int64, &[0], &[(&[text(part), time(noon)], expected)]);
    }
    let number = DataType::Int64;
    cases("to_timestamp_seconds", &MICROS, &[], &[(&[big(-1)], "1969-12-31T23:59:59.000000Z"), (&[big(i64::MAX)], "! time out of range")]);
    cases("to_timestamp_millis", &MICROS, &[], &[(&[big(1500)], "1970-01-01T00:00:01.500000Z"), (&[null(number.clone())], "NULL")]);
    cases("to_timestamp_micros", &MICROS, &[], &[(&[big(1)], "1970-01-01T00:00:00.000001Z")]);
    cases("epoch_ms", &number, &[], &[(&[time("1969-12-31T23:59:59.9999Z")], "-1"), (&[null(MICROS)], "NULL")]);
}

#[test]
fn times_are_written_and_read_with_patterns() {
    for (value, pattern, zone, expected) in [
        ("2026-01-31T23:30:00Z", "yyyy-MM-dd", "UTC", "2026-01-31"),
        ("2026-01-31T23:30:00Z", "yyyy-MM-dd HH", "Europe/Berlin", "2026-02-01 00"),
        ("2026-07-01T00:00:00Z", concat!("d MMM yyyy h:mm a X", "XX"), "America/New_York", "30 Jun 2026 8:00 PM -04:00"),
    ] {
        cases("format_time", &DataType::String, &[1, 2], &[(&[time(value), text(pattern), text(zone)], expected)]);
    }
    cases(
        "format_time",
        &DataType::String,
        &[1],
        &[(&[Literal::Timestamp(i64::MAX), text("yyyy")], "! time out of range"), (&[null(MICROS), text("yyyy")], "NULL")],
    );
    for (value, pattern, zone, expected) in [
        ("31.01.2026 12:30", "dd.MM.yyyy HH:mm", "UTC", "2026-01-31T12:30:00.000000Z"),
        ("31.1.2026 2:30", "d.M.yyyy H:mm", "UTC", "2026-01-31T02:30:00.000000Z"),
        ("20260131123456789", "yyyyMMddHHmmssSSS", "UTC", "2026-01-31T12:34:56.789000Z"),
        ("2026-07-01 00:00", "yyyy-MM-dd HH:mm", "Europe/Berlin", "2026-06-30T22:00:00.000000Z"),
        ("2026-03-29 02:30", "yyyy-MM-dd HH:mm", "Europe/Berlin", "2026-03-29T01:30:00.000000Z"),
        ("2026-10-25 02:30", "yyyy-MM-dd HH:mm", "Europe/Berlin", "2026-10-25T00:30:00.000000Z"),
        ("30 Jun 2026 8:00 PM -04:00", concat!("d MMM yyyy h:mm a X", "XX"), "UTC", "2026-07-01T00:00:00.000000Z"),
        ("Wed, 01 July 2026 12:05 am", "E, dd MMMM yyyy hh:mm a", "UTC", "2026-07-01T00:05:00.000000Z"),
        ("2026-07-01T00:00:00Z", "yyyy-MM-dd'T'HH:mm:ssX", "Europe/Berlin", "2026-07-01T00:00:00.000000Z"),
        ("2026-07-01T00:00:00+0200", "yyyy-MM-dd'T'HH:mm:ssXX", "UTC", "2026-06-30T22:00:00.000000Z"),
        ("26", "yy", "UTC", "2026-01-01T00:00:00.000000Z"),
        ("2024 366", "yyyy DDD", "UTC", "2024-12-31T00:00:00.000000Z"),
        ("2023 366", "yyyy DDD", "UTC", "! no such time"),
        ("2023-02-29", "yyyy-MM-dd", "UTC", "! no such time"),
        ("2023-02-01 24", "yyyy-MM-dd HH", "UTC", "! no such time"),
        ("2023-2-01", "yyyy-MM-dd", "UTC", "! the text does not fit the pattern"),
        ("2023-02-01x", "yyyy-MM-dd", "UTC", "! the text does not fit the pattern"),
        ("13 PM 2026", "hh a yyyy", "UTC", "! the text does not fit the pattern"),
        ("größe", "yyyy", "UTC", "! the text does not fit the pattern"),
    ] {
        cases("parse_time", &MICROS, &[1, 2], &[(&[text(value), text(pattern), text(zone)], expected)]);
    }
}

#[test]
fn patterns() {
    let (string, truth) = (DataType::String, DataType::Boolean);
    let nothing = || null(DataType::String);
    cases(
        "regexp_like",
        &truth,
        &[1],
        &[(&[text("kpipe-7"), text("[0-9]$")], "true"), (&[text("x"), text("^$")], "false"), (&[nothing(), text("a")], "NULL")],
    );
    cases(
        "regexp_replace",
        &string,
        &[1],
        &[
            (&[text("a1b22"), text("[0-9]+"), text("#")], "a#b#"),
            (&[text("x=1"), text("(\\w)=(\\d)"), text("$2=$1")], "1=x"),
            (&[text("a"), text("b"), nothing()], "NULL"),
        ],
    );
    cases(
        "regexp_extract",
        &string,
        &[1],
        &[
            (&[text("sensor-17"), text("([a-z]+)-([0-9]+)"), big(2)], "17"),
            (&[text("sensor-17"), text("[0-9]")], "1"),
            (&[text("x"), text("[0-9]")], "NULL"),
            (&[text("a"), text("(b)?a"), big(1)], "NULL"),
            (&[text("a"), text("a"), big(1)], "! the pattern has no such group"),
            (&[text("a"), text("a"), big(-1)], "! the pattern has no such group"),
            (&[nothing(), text("a"), big(0)], "NULL"),
            (&[text("a"), text("a"), null(DataType::Int64)], "NULL"),
        ],
    );
}

#[test]
fn json() {
    const TEXT: &str = r#" { "a" : {"b": [7, 8.10, "x\"y", null, true, {"c": 1}] , "b2":{}}, "a.b": 1, "a": {"b": [1, 2.50, "z\n", null, true, {"c": [ ]}]} } "#;
    for (path, expected) in [
        ("a.b.0", "1"),
        ("a.b.1", "2.50"),
        ("a.b.2", "z\n"),
        ("a.b.3", "NULL"),
        ("a.b.4", "true"),
        ("a.b.5", r#"{"c": [ ]}"#),
        ("a.b.5.c", "[ ]"),
        ("a.b.6", "NULL"),
        ("a.b.x", "NULL"),
        ("a.b2", "NULL"),
        ("a.b.0.c", "NULL"),
    ] {
        cases("json_get", &DataType::String, &[1], &[(&[text(TEXT), text(path)], expected)]);
    }
    for broken in ["", "{", "{\"a\":1} x", "{\"b\":01}", "[1,]", "\u{ff}"] {
        cases("json_get", &DataType::String, &[1], &[(&[text(broken), text("a")], "! the text is not JSON")]);
    }
    cases("json_get", &DataType::String, &[1], &[(&[null(DataType::String), text("a")], "NULL"), (&[text("17"), text("a")], "NULL")]);
}

#[test]
fn every_function_of_the_language_is_computed() {
    let computed =
        |name: &str| matches!(name, "coalesce" | "nullif") || crate::expr::functions::FUNCTIONS.iter().any(|(known, _)| *known == name);
    for function in kpipe_compiler::functions::FUNCTIONS {
        assert!(computed(function.name), "{} is not computed", function.name);
    }
}
