//! Values at the edges of their types and of the decoder's limits.

use super::*;

/// Decodes `value` as the field `a`: what the column holds, or the message without the field's name.
#[track_caller]
fn read(data_type: &DataType, value: &str) -> Result<Value, String> {
    let text = format!("{{\"a\":{value}}}");
    let found = decode(data_type.clone(), true, &[&text]).remove(0);
    found.map_err(|message| message.trim_start_matches("field a: ").trim_start_matches("not valid JSON: ").to_owned())
}

#[track_caller]
fn table(data_type: &DataType, rows: &[(&str, Result<Value, &str>)]) {
    for (value, expected) in rows {
        let expected = expected.clone().map_err(|message| format!("{message} at byte 5"));
        assert_eq!(read(data_type, value), expected, "{value} as {data_type:?}");
    }
}

#[test]
fn whole_numbers_up_to_their_last_value() {
    let (int, bigint) = ("number out of the range of INT", "number out of the range of BIGINT");
    let fraction = "expected a whole number, found a fraction";
    table(
        &DataType::Int32,
        &[
            ("2147483647", Ok(json!(i32::MAX))),
            ("-2147483648", Ok(json!(i32::MIN))),
            ("2147483648", Err(int)),
            ("-2147483649", Err(int)),
            ("-0", Ok(json!(0))),
            ("2.147483647e9", Ok(json!(i32::MAX))),
            ("9223372036854775808", Err(bigint)),
            ("0.5", Err(fraction)),
        ],
    );
    table(
        &DataType::Int64,
        &[
            ("9223372036854775807", Ok(json!(i64::MAX))),
            ("-9223372036854775808", Ok(json!(i64::MIN))),
            ("9223372036854775808", Err(bigint)),
            ("-9223372036854775809", Err(bigint)),
            ("999999999999999999", Ok(json!(999_999_999_999_999_999_i64))),
            ("1000000000000000000", Ok(json!(1_000_000_000_000_000_000_i64))),
            ("18446744073709551616", Err(bigint)),
            ("18446744073709551617", Err(bigint)),
            ("99999999999999999999", Err(bigint)),
            ("1e18", Ok(json!(1_000_000_000_000_000_000_i64))),
            ("1e19", Err(bigint)),
            ("1e400", Err(bigint)),
            ("9223372036854775807.000", Ok(json!(i64::MAX))),
            ("92233720368547758.07e2", Ok(json!(i64::MAX))),
            ("9223372036854775807.5", Err(fraction)),
            ("1e-1", Err(fraction)),
            ("10e-1", Ok(json!(1))),
            ("0e99999", Ok(json!(0))),
            ("-0.0", Ok(json!(0))),
        ],
    );
}

#[test]
fn fractions_up_to_their_last_value() {
    let (real, double) = ("number out of the range of REAL", "number out of the range of DOUBLE");
    table(
        &DataType::Float64,
        &[
            ("1.7976931348623157e308", Ok(json!(f64::MAX))),
            ("-1.7976931348623157e308", Ok(json!(f64::MIN))),
            ("1.8e308", Err(double)),
            ("1e400", Err(double)),
            ("-1e400", Err(double)),
            ("5e-324", Ok(json!(5e-324))),
            ("1e-400", Ok(json!(0.0))),
            ("9007199254740993.0", Ok(json!(9_007_199_254_740_992.0))),
            ("0.1", Ok(json!(0.1))),
            ("100000000000000000000000000000", Ok(json!(1e29))),
        ],
    );
    table(
        &DataType::Float32,
        &[
            ("3.4028235e38", Ok(json!(f32::MAX))),
            ("3.4028236e38", Err(real)),
            ("1e400", Err(real)),
            ("1e-50", Ok(json!(0.0))),
            ("16777217", Ok(json!(16_777_216.0))),
            // By way of 64 bits it would be 7.006492e-46 rounded to the other neighbour.
            ("7.006492321624086e-46", Ok(json!(f32::from_bits(1)))),
        ],
    );
    let zero = |data_type| decode(data_type, true, &[r#"{"a":-0}"#, r#"{"a":-0.0}"#]);
    for value in zero(DataType::Float64).into_iter().chain(zero(DataType::Float32)) {
        assert!(value.unwrap().as_f64().unwrap().is_sign_negative(), "-0 keeps its sign");
    }
}

#[test]
fn decimals_keep_every_digit() {
    let widest = DataType::Decimal { precision: 38, scale: 0 };
    let nines = "9".repeat(38);
    table(
        &widest,
        &[
            (&nines, Ok(json!(nines))),
            (&format!("-{nines}"), Ok(json!(format!("-{nines}")))),
            (&format!("{nines}.0"), Ok(json!(nines))),
            (&format!("{nines}0"), Err("number out of the range of DECIMAL(38,0)")),
            ("1e38", Err("number out of the range of DECIMAL(38,0)")),
            ("1e37", Ok(json!(format!("1{}", "0".repeat(37))))),
            ("0.5", Err("more digits behind the point than the scale of DECIMAL(38,0)")),
            ("-0", Ok(json!("0"))),
        ],
    );
    let price = DataType::Decimal { precision: 4, scale: 2 };
    table(
        &price,
        &[
            ("99.99", Ok(json!("99.99"))),
            ("100", Err("number out of the range of DECIMAL(4,2)")),
            ("0.005", Err("more digits behind the point than the scale of DECIMAL(4,2)")),
            ("1.100000", Ok(json!("1.10"))),
            ("\"12.5\"", Ok(json!("12.50"))),
            ("\"1_2\"", Err("expected a decimal number, found another text")),
            ("\" 1\"", Err("expected a decimal number, found another text")),
            ("\"01\"", Err("expected a decimal number, found another text")),
            ("\"\"", Err("expected a decimal number, found another text")),
        ],
    );
}

#[test]
fn what_only_looks_like_a_number_is_no_json() {
    let types = [
        DataType::Int32,
        DataType::Int64,
        DataType::Float32,
        DataType::Float64,
        DataType::Decimal { precision: 9, scale: 1 },
        DataType::Any,
        DataType::Json,
    ];
    for data_type in &types {
        for text in [
            "00",
            "01",
            "-01",
            "+1",
            ".5",
            "5.",
            "-",
            "--1",
            "1e",
            "1e+",
            "1.e1",
            "0x10",
            "1_000",
            "NaN",
            "Infinity",
            "-Infinity",
            "1,0",
            "1 0",
        ] {
            let text = format!("{{\"a\":{text}}}");
            let found = decode(data_type.clone(), true, &[&text]).remove(0);
            assert!(found.as_ref().is_err_and(|message| message.starts_with("not valid JSON: ")), "{text} as {data_type:?}: {found:?}");
        }
    }
}

#[test]
fn escapes_mean_what_they_mean() {
    let half = Err("a string with half a surrogate pair at byte");
    for (text, expected) in [
        (r#""\"\\\/\b\f\n\r\t""#, Ok("\"\\/\u{8}\u{c}\n\r\t")),
        (r#""\u0041\u00e9\u20AC""#, Ok("A\u{e9}\u{20ac}")),
        (r#""\uD83D\uDE00""#, Ok("\u{1f600}")),
        (r#""\ud83d\ude00x\uD83D\uDE01""#, Ok("\u{1f600}x\u{1f601}")),
        (r#""\u0000""#, Ok("\0")),
        (r#""\uffff\ufffd""#, Ok("\u{ffff}\u{fffd}")),
        (r#""\ud83d""#, half),
        (r#""\ude00""#, half),
        (r#""\ude00\ud83d""#, half),
        (r#""\ud83d\ud83d\ude00""#, half),
        (r#""x\ud83dude00""#, half),
        (r#""\q""#, Err("an unknown escape in a string at byte 6")),
        (r#""\u12""#, Err("an escape without four hexadecimal digits at byte 6")),
        (r#""\u 123""#, Err("an escape without four hexadecimal digits at byte 6")),
        ("\"a\u{1}\"", Err("a control character in a string at byte 7")),
        ("\"a\tb\"", Err("a control character in a string at byte 7")),
        ("\"a\nb\"", Err("a control character in a string at byte 7")),
        ("\"\u{7f}\"", Ok("\u{7f}")),
    ] {
        let found = read(&DataType::String, text);
        match expected {
            Ok(expected) => assert_eq!(found, Ok(json!(expected)), "{text}"),
            Err(message) => assert!(found.as_ref().is_err_and(|found| found.starts_with(message)), "{text}: {found:?}"),
        }
    }
}

#[test]
fn keys_are_compared_by_what_they_mean() {
    let texts = [r#"{"\u0061":1}"#, r#"{"a":2}"#, r#"{"\u0061":3,"A":4}"#, r#"{"a ":5}"#, r#"{"":6,"a":7}"#, "{\"a\\u0000\":8}"];
    let expected = [json!(1), json!(2), json!(3), Value::Null, json!(7), Value::Null];
    assert_eq!(decode(DataType::Int64, true, &texts), expected.map(Ok));
}

/// Byte sequences that are no UTF-8, each with how many of its bytes are.
const BROKEN: [(&[u8], usize); 8] = [
    (b"\xff", 0),
    (b"ab\x80", 2),
    (b"\xc3", 0),
    (b"\xc0\xaf", 0),
    (b"\xe2\x82", 0),
    (b"\xed\xa0\x80", 0),
    (b"\xf0\x9f\x98", 0),
    (b"x\xf4\x90\x80\x80", 1),
];

#[test]
fn bytes_that_are_no_utf8_are_refused_wherever_they_are() {
    for (bytes, good) in BROKEN {
        for (before, behind) in [("{\"a\":\"", "\"}"), ("{\"more\":\"", "\",\"a\":\"x\"}"), ("{\"", "\":1}"), ("{\"a\":\"x\"} ", "")] {
            let mut decoder = JsonDecoder::new(&[column("a", DataType::String, true)]);
            let text = [before.as_bytes(), bytes, behind.as_bytes()].concat();
            let bad = decoder.push(&text).unwrap_err();
            let expected = format!("not valid JSON: bytes that are not UTF-8 at byte {}", before.len() + good);
            assert_eq!((bad.kind, bad.to_string()), (BadKind::Syntax, expected), "{text:?}");
            assert_eq!(decoder.finish()[0].len(), 0);
        }
    }
}

#[test]
fn depth_is_counted_from_the_whole_value() {
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let within = |path: &str, depth: usize| path.split('.').rev().fold(nested(depth), |inner, key| format!("{{\"{key}\":{inner}}}"));
    for (path, around) in [("a", 1), ("a.b.c", 3)] {
        let mut columns = vec![column(path, DataType::Json, true)];
        columns.push(column("other", DataType::Int64, true));
        let mut decoder = JsonDecoder::new(&columns);
        assert_eq!(decoder.push(within(path, DEPTH_MAX - around).as_bytes()), Ok(()), "{path}");
        for (depth, text) in [(DEPTH_MAX - around + 1, within(path, DEPTH_MAX - around + 1)), (200_000, within(path, 200_000))] {
            let bad = decoder.push(text.as_bytes()).unwrap_err();
            let message = "not valid JSON: more than 128 objects and arrays within each other at byte";
            assert!(bad.kind == BadKind::Syntax && bad.to_string().starts_with(message), "{path} {depth}: {bad}");
        }
        let unwanted = |depth: usize| format!("{{\"x\":{},\"other\":1}}", nested(depth));
        assert_eq!(decoder.push(unwanted(DEPTH_MAX - 1).as_bytes()), Ok(()));
        assert!(decoder.push(unwanted(DEPTH_MAX).as_bytes()).is_err());
        assert_eq!(decoder.finish()[1].len(), 2);
    }
}

#[test]
fn a_deep_type_ends_where_the_text_may_end() {
    let list = |inner: DataType| DataType::List(Box::new(field("e", inner, true)));
    let deep = (0..DEPTH_MAX + 5).fold(DataType::Int64, |inner, _| list(inner));
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let mut decoder = JsonDecoder::new(&[column("", deep, true)]);
    assert_eq!(decoder.push(nested(DEPTH_MAX).as_bytes()), Ok(()));
    assert!(decoder.push(nested(DEPTH_MAX + 1).as_bytes()).is_err());
    assert_eq!(decoder.finish()[0].len(), 1);
}

#[test]
fn of_several_keys_the_last_one_counts_at_every_depth() {
    let point = DataType::Struct(vec![
        field("x", DataType::Int64, true),
        field("tags", DataType::List(Box::new(field("t", DataType::String, true))), true),
    ]);
    let points = DataType::List(Box::new(field("p", point, true)));
    let texts = [
        r#"{"a":[{"x":1,"tags":["a","b"],"x":2,"tags":["c"]},{"x":3}]}"#,
        r#"{"a":[{"x":9}],"a":[{"x":1},{"tags":[]}]}"#,
        r#"{"a":[{"x":9}],"a":null}"#,
        r#"{"a":null,"a":[]}"#,
        // Each of them has to fit, or a writer's mistake would go unseen.
        r#"{"a":5,"a":[]}"#,
        r#"{"a":[{"x":"no","x":1}]}"#,
    ];
    assert_eq!(
        decode(points, true, &texts),
        [
            ok(json!([{"x": 2, "tags": ["c"]}, {"x": 3, "tags": null}])),
            ok(json!([{"x": 1, "tags": null}, {"x": null, "tags": []}])),
            ok(Value::Null),
            ok(json!([])),
            error("field a: expected an array, found a number at byte 5"),
            error("field a.[0].x: expected a number, found a string at byte 11"),
        ]
    );
}

#[test]
fn what_must_be_there_is_asked_for_at_every_depth() {
    let site = DataType::Struct(vec![field("name", DataType::String, false), field("zip", DataType::String, true)]);
    let list = DataType::List(Box::new(field("e", DataType::Int64, false)));
    let columns = [column("site", site, true), column("ids", list, true), column("meta.mode", DataType::Any, false)];
    for (text, expected) in [
        (r#"{"site":{"name":"x"},"ids":[1],"meta":{"mode":1}}"#, Ok(())),
        (r#"{"site":null,"meta":{"mode":1}}"#, Ok(())),
        (r#"{"meta":{"mode":1}}"#, Ok(())),
        (r#"{"site":{},"meta":{"mode":1}}"#, Err("field site.name: no such key, and the schema says not null at byte 9")),
        (r#"{"site":{"name":null},"meta":{"mode":1}}"#, Err("field site.name: null where the schema says not null at byte 16")),
        (r#"{"ids":[1,null],"meta":{"mode":1}}"#, Err("field ids.[1]: null where the schema says not null at byte 10")),
        (r#"{"meta":{}}"#, Err("field meta.mode: no such key, and the schema says not null at byte 9")),
        (r#"{"meta":null}"#, Err("field meta.mode: no such key, and the schema says not null at byte 8")),
        ("{}", Err("field meta.mode: no such key, and the schema says not null at byte 1")),
    ] {
        let mut decoder = JsonDecoder::new(&columns);
        let found = decoder.push(text.as_bytes());
        assert!(found.as_ref().err().is_none_or(|bad| bad.kind == BadKind::Missing), "{text}");
        assert_eq!(found.map_err(|bad| bad.to_string()), expected.map_err(str::to_owned), "{text}");
    }
    let mut decoder = JsonDecoder::new(&columns);
    assert_eq!(decoder.push(b"null").unwrap_err().to_string(), "field meta.mode: no such key, and the schema says not null at byte 0");
    assert_eq!(decoder.push(b"[]").unwrap_err().to_string(), "expected an object, found an array at byte 0");
}

#[test]
fn values_may_be_very_long() {
    let long = "x".repeat(5_000_000);
    let tail = format!("{long}\\u00e9\\n\u{20ac}");
    let text = format!("{{\"more\":\"{tail}\",\"a\":\"{tail}\",\"{long}\":1}}");
    let found = decode(DataType::String, true, &[&text, r#"{"a":"short"}"#, &text]);
    assert!(found[0] == ok(json!(format!("{long}\u{e9}\n\u{20ac}"))) && found[2] == found[0]);
    assert_eq!(found[1], ok(json!("short")));
    let unclosed = &text[..text.len() - 20];
    assert_eq!(
        decode(DataType::String, true, &[unclosed]),
        [error(&format!("not valid JSON: a string without an end at byte {}", unclosed.len()))]
    );
    let digits = format!("{{\"a\":1{}}}", "0".repeat(1_000_000));
    assert_eq!(decode(DataType::Int64, true, &[&digits]), [error("field a: number out of the range of BIGINT at byte 5")]);
    assert_eq!(decode(DataType::Float64, true, &[&digits]), [error("field a: number out of the range of DOUBLE at byte 5")]);
    let zeros = format!("{{\"a\":0.{}1}}", "0".repeat(1_000_000));
    assert_eq!(decode(DataType::Float64, true, &[&zeros]), [ok(json!(0.0))]);
}

#[test]
fn white_space_is_that_of_the_standard_and_line_breaks_are_kept_out_of_lines() {
    let text = "\r\n{\t\"a\"\n:\r\n{ \"b\" : [ 1 ,\n2 ] }\n}\n \t";
    assert_eq!(decode(DataType::Json, true, &[text]), [ok(json!("{ \"b\" : [ 1 ,\n2 ] }"))]);
    for white in ["\u{b}", "\u{c}", "\u{a0}", "\u{2028}", "\u{feff}"] {
        assert!(decode(DataType::Json, true, &[&format!("{{\"a\":{white}1}}")])[0].is_err(), "{white:?}");
    }
    assert_eq!(decode(DataType::String, true, &["{\"a\":\"x\u{2028}\u{2029}\"}"]), [ok(json!("x\u{2028}\u{2029}"))]);
}

#[test]
fn a_refused_text_leaves_nothing_of_itself() {
    let inner = vec![field("s", DataType::String, true), field("n", DataType::List(Box::new(field("e", DataType::Int64, true))), true)];
    let columns = [
        column("a", DataType::String, true),
        column("b", DataType::Struct(inner), true),
        column("c", DataType::Bytes, true),
        column("d", DataType::Boolean, true),
    ];
    let good = r#"{"a":"kept","b":{"s":"x","n":[1,null,2]},"c":"AAH/","d":true}"#;
    let half = r#"{"a":"lost","b":{"s":"lost","n":[7,8,9,"#;
    let late = r#"{"a":"lost","b":{"s":"lost","n":[7,8]},"c":"AAAA","d":"lost"}"#;
    let mut decoder = JsonDecoder::new(&columns);
    for _ in 0..3 {
        let texts = [half, good, late, "", good, half, "{}", late];
        let kept = texts.map(|text| decoder.push(text.as_bytes()).is_ok());
        assert_eq!(kept, [false, true, false, false, true, false, true, false]);
        let arrays = decoder.finish();
        let row = |row| arrays.iter().map(|array| cell(array, row)).collect::<Vec<_>>();
        let expected = vec![json!("kept"), json!({"s": "x", "n": [1, null, 2]}), json!([0, 1, 255]), json!(true)];
        assert_eq!([row(0), row(1), row(2)], [expected.clone(), expected, vec![Value::Null; 4]]);
        assert!(arrays.iter().all(|array| array.len() == 3));
    }
}
