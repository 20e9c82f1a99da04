//! Every pair of types.

use super::*;

/// Converts, and tries to.
#[track_caller]
fn cast(from: Literal, to: &DataType, expected: &str) {
    check(&Op::Cast { is_try: false }, std::slice::from_ref(&from), &[], to, expected);
    let tried = if expected.starts_with('!') { "NULL" } else { expected };
    check(&Op::Cast { is_try: true }, &[from], &[], to, tried);
}

#[test]
fn texts_are_read() {
    let (int, big, double) = (DataType::Int32, DataType::Int64, DataType::Float64);
    for (value, to, expected) in [
        ("42", &int, "42"),
        (" -42 ", &int, "-42"),
        ("+7", &int, "7"),
        ("4.0", &int, "4"),
        ("1e3", &int, "1000"),
        ("4.5", &int, "! the value cannot become int"),
        ("abc", &int, "! the value cannot become int"),
        ("", &int, "! the value cannot become int"),
        ("2147483648", &int, "! the value cannot become int"),
        ("9223372036854775807", &big, "9223372036854775807"),
        ("9223372036854775808", &big, "! the value cannot become bigint"),
        ("1e999999999", &big, "! the value cannot become bigint"),
        ("1.5e1", &double, "15.0"),
        ("inf", &double, "! the value cannot become double"),
        ("NaN", &double, "! the value cannot become double"),
        ("1e999", &double, "! the value cannot become double"),
        ("1e39", &DataType::Float32, "! the value cannot become real"),
        ("0.5", &DataType::Float32, "0.5"),
        ("TRUE", &DataType::Boolean, "true"),
        ("false", &DataType::Boolean, "false"),
        ("yes", &DataType::Boolean, "! the value cannot become boolean"),
        ("12.5", &decimal_type(5, 2), "12.50"),
        ("1.25e1", &decimal_type(5, 2), "12.50"),
        (".5", &decimal_type(5, 2), "0.50"),
        ("-0.10000", &decimal_type(5, 2), "-0.10"),
        ("12.345", &decimal_type(5, 2), "! the value cannot become decimal(5,2)"),
        ("1234.5", &decimal_type(5, 2), "! the value cannot become decimal(5,2)"),
        (".", &decimal_type(5, 2), "! the value cannot become decimal(5,2)"),
        ("1e-999999", &decimal_type(5, 2), "! the value cannot become decimal(5,2)"),
        ("2024-02-29", &DataType::Date, "2024-02-29"),
        ("2023-02-29", &DataType::Date, "! the value cannot become date"),
        ("2024-02-29T12:00:00Z", &MICROS, "2024-02-29T12:00:00.000000Z"),
        ("2024-02-29 12:00:00.5", &MICROS, "2024-02-29T12:00:00.500000Z"),
        ("2024-02-29T12:00:00+02:00", &MILLIS, "2024-02-29T10:00:00.000Z"),
        ("1969-12-31T23:59:59.9999Z", &MILLIS, "1969-12-31T23:59:59.999Z"),
        ("2024-02-29", &MICROS, "2024-02-29T00:00:00.000000Z"),
        ("yesterday", &MICROS, "! the value cannot become timestamp(6)"),
        ("{\"a\": 1}", &DataType::Json, "{\"a\": 1}"),
        ("{", &DataType::Json, "! the value cannot become json"),
        ("x", &DataType::Bytes, "x"),
        ("x", &DataType::String, "x"),
        ("x", &DataType::Any, "x"),
    ] {
        cast(text(value), to, expected);
    }
}

#[test]
fn texts_are_written() {
    for (value, expected) in [
        (int(-5), "-5"),
        (big(i64::MIN), "-9223372036854775808"),
        (real("0.1"), "0.1"),
        (decimal("1.50", 5), "1.50"),
        (truth(true), "true"),
        (Literal::Date(0), "1970-01-01"),
        (time("2026-01-31T12:34:56.5Z"), "2026-01-31T12:34:56.500000Z"),
    ] {
        cast(value, &DataType::String, expected);
    }
}

#[test]
fn numbers_keep_their_value() {
    let (int_type, big_type, double, five) = (DataType::Int32, DataType::Int64, DataType::Float64, decimal_type(5, 2));
    for (value, to, expected) in [
        (int(5), &big_type, "5"),
        (big(5), &int_type, "5"),
        (big(1 << 31), &int_type, "! the value cannot become int"),
        (big(5), &double, "5.0"),
        (int(5), &DataType::Float32, "5.0"),
        (int(5), &five, "5.00"),
        (big(1000), &five, "! the value cannot become decimal(5,2)"),
        (truth(true), &int_type, "1"),
        (truth(false), &double, "0.0"),
        (truth(true), &five, "1.00"),
        (int(0), &DataType::Boolean, "false"),
        (big(-3), &DataType::Boolean, "true"),
        (real("5"), &int_type, "5"),
        (real("5.5"), &int_type, "! the value cannot become int"),
        (real("1e19"), &big_type, "! the value cannot become bigint"),
        (real("-9223372036854775808"), &big_type, "-9223372036854775808"),
        (real("1e300"), &DataType::Float32, "! the value cannot become real"),
        (real("0.125"), &DataType::Float32, "0.125"),
        (real("0.1"), &decimal_type(10, 3), "0.100"),
        (real("1.005"), &five, "1.01"),
        (real("-2.345"), &five, "-2.35"),
        (real("1e-300"), &five, "0.00"),
        (real("1e300"), &five, "! the value cannot become decimal(5,2)"),
        (real("999.995"), &five, "! the value cannot become decimal(5,2)"),
        (decimal("1.50", 5), &double, "1.5"),
        (decimal("3.00", 5), &int_type, "3"),
        (decimal("3.50", 5), &int_type, "! the value cannot become int"),
        (decimal("1.50", 5), &decimal_type(5, 1), "1.5"),
        (decimal("1.55", 5), &decimal_type(5, 1), "! the value cannot become decimal(5,1)"),
        (decimal("1.50", 5), &decimal_type(10, 4), "1.5000"),
        (decimal("123.45", 5), &decimal_type(5, 4), "! the value cannot become decimal(5,4)"),
    ] {
        cast(value, to, expected);
    }
}

#[test]
fn times_are_rounded_down_and_stay_in_range() {
    let day = Literal::Date;
    for (value, to, expected) in [
        (time("2026-01-31T12:00:00Z"), &DataType::Date, "2026-01-31"),
        (time("1969-12-31T23:59:59Z"), &DataType::Date, "1969-12-31"),
        (day(1), &MICROS, "1970-01-02T00:00:00.000000Z"),
        (day(-1), &MILLIS, "1969-12-31T00:00:00.000Z"),
        (day(i32::MAX), &MICROS, "! the value cannot become timestamp(6)"),
        (time("1969-12-31T23:59:59.9999Z"), &MILLIS, "1969-12-31T23:59:59.999Z"),
    ] {
        cast(value, to, expected);
    }
}

#[test]
fn null_stays_null_whatever_it_becomes() {
    let all = [
        DataType::Boolean,
        DataType::Int32,
        DataType::Int64,
        DataType::Float32,
        DataType::Float64,
        decimal_type(10, 2),
        DataType::String,
        DataType::Bytes,
        DataType::Date,
        MILLIS,
        MICROS,
        DataType::Any,
        DataType::Json,
    ];
    let mut pairs = 0;
    for from in &all {
        for to in &all {
            if super::super::cast::Cast::new(from, to, false).is_some() {
                cast(null(from.clone()), to, "NULL");
                pairs += 1;
            }
        }
    }
    assert_eq!(pairs, 102, "the table of conversions changed");
}

#[test]
fn bytes_are_text_if_they_are_utf_8() {
    use arrow::array::BinaryArray;
    let bytes: ArrayRef = std::sync::Arc::new(BinaryArray::from_opt_vec(vec![Some(b"a"), Some(b"\xff"), None]));
    let cast = |is_try| Expr::call(Op::Cast { is_try }, vec![Expr::Column(0)], &DataType::String, true);
    let why = "expression CAST(c0 AS string): bytes that are not UTF-8".to_owned();
    let found = outcomes(&cast(false), vec![(DataType::Bytes, bytes.clone())]);
    assert_eq!(found, [Ok(Some("a".to_owned())), Err(why), Ok(None)]);
    assert_eq!(outcomes(&cast(true), vec![(DataType::Bytes, bytes)]), [Ok(Some("a".to_owned())), Ok(None), Ok(None)]);
}
