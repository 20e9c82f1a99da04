//! Rows that fail, and the rows beside them.

use std::sync::Arc;

use arrow::array::{Int64Array, StringArray};
use proptest::prelude::*;

use super::*;
use crate::limits::TEXT_BYTES_MAX;

fn column(values: Vec<Option<i64>>) -> (DataType, ArrayRef) {
    (DataType::Int64, Arc::new(Int64Array::from(values)))
}

fn call(op: Op, args: Vec<Expr>, data_type: DataType) -> Expr {
    Expr::call(op, args, &data_type, true)
}

fn ten_by_column() -> Expr {
    call(Op::Divide, vec![Expr::Literal(big(10)), Expr::Column(0)], DataType::Int64)
}

fn compare(op: Op, left: Expr, right: i64) -> Expr {
    call(op, vec![left, Expr::Literal(big(right))], DataType::Boolean)
}

#[test]
fn bad_rows_are_found_and_the_others_go_on() {
    for bad in [&[0][..], &[999], &[0, 1, 500, 998], &[]] {
        let values = (0..1000).map(|row| if bad.contains(&row) { Some(0) } else { (row % 7 != 0).then_some(row) });
        let found = outcomes(&ten_by_column(), vec![column(values.collect())]);
        for (row, outcome) in found.iter().enumerate() {
            let expected = match row as i64 {
                row if bad.contains(&row) => Err("expression 10 / c0: division by zero".to_owned()),
                row if row % 7 == 0 => Ok(None),
                row => Ok(Some((10 / row).to_string())),
            };
            assert_eq!(*outcome, expected, "row {row}");
        }
    }
    let all = outcomes(&ten_by_column(), vec![column(vec![Some(0); 300])]);
    assert!(all.iter().all(Result::is_err) && all.len() == 300);
}

#[test]
fn messages_name_the_part_and_not_the_value() {
    let greater = compare(Op::Greater, ten_by_column(), 1);
    let found = outcomes(&greater, vec![column(vec![Some(0)])]);
    assert_eq!(found, [Err("expression (10 / c0) > 1: 10 / c0: division by zero".to_owned())]);
    let secret: ArrayRef = Arc::new(StringArray::from(vec!["4111-1111", "5"]));
    let cast = call(Op::Cast { is_try: false }, vec![Expr::Column(0)], DataType::Int32);
    let found = outcomes(&cast, vec![(DataType::String, secret)]);
    assert_eq!(found, [Err("expression CAST(c0 AS int): the value cannot become int".to_owned()), Ok(Some("5".to_owned()))]);
    let most = call(Op::Function("abs".to_owned()), vec![Expr::Column(0)], DataType::Int64);
    let found = outcomes(&most, vec![column(vec![Some(i64::MIN), Some(-1)])]);
    assert!(found[0].as_ref().is_err_and(|message| !message.contains("9223")), "{found:?}");
    assert_eq!(found[1], Ok(Some("1".to_owned())));
}

#[test]
fn what_is_not_needed_does_not_fail() {
    let values = || vec![column((0..100).map(|row| (row % 10 != 9).then_some(row % 3)).collect())];
    let guard = compare(Op::NotEqual, Expr::Column(0), 0);
    let check = compare(Op::GreaterOrEqual, ten_by_column(), 5);
    let and = call(Op::And, vec![guard.clone(), check.clone()], DataType::Boolean);
    let zero = compare(Op::Equal, Expr::Column(0), 0);
    let or = call(Op::Or, vec![zero.clone(), check], DataType::Boolean);
    let case = call(Op::Case, vec![zero, Expr::Literal(big(-1)), ten_by_column()], DataType::Int64);
    let nullif = call(function("nullif"), vec![Expr::Column(0), Expr::Literal(big(0))], DataType::Int64);
    let by_nullif = call(Op::Divide, vec![Expr::Literal(big(10)), nullif], DataType::Int64);
    let coalesce = call(function("coalesce"), vec![by_nullif, Expr::Literal(big(0)), ten_by_column()], DataType::Int64);
    for (expr, zero, null) in
        [(&and, Some("false"), None), (&or, Some("true"), None), (&case, Some("-1"), None), (&coalesce, Some("0"), Some("0"))]
    {
        for (row, outcome) in outcomes(expr, values()).into_iter().enumerate() {
            let outcome = outcome.unwrap();
            if row % 10 == 9 {
                assert_eq!(outcome.as_deref(), null, "row {row}");
            } else if row % 3 == 0 {
                assert_eq!(outcome.as_deref(), zero, "row {row}");
            }
        }
    }
    // The left side is not guarded by the right one.
    let turned = call(Op::And, vec![compare(Op::GreaterOrEqual, ten_by_column(), 5), guard], DataType::Boolean);
    assert_eq!(outcomes(&turned, values()).iter().filter(|outcome| outcome.is_err()).count(), 30);
}

#[test]
fn expressions_that_do_not_fit_are_refused_at_the_start() {
    let decode = Decode { format: ValueFormat::Json, columns: Vec::new() };
    let literal = |value: Literal| Expr::Literal(value);
    let a_time = || literal(time("2026-01-31T00:00:00Z"));
    for (expr, expected) in [
        (Expr::Column(0), "column 0: no such decoded column"),
        (call(function("nope"), vec![], DataType::String), "no function `nope`"),
        (call(Op::Equal, vec![literal(int(1)), literal(text("1"))], DataType::Boolean), "operands of"),
        (call(Op::And, vec![literal(int(1)), literal(truth(true))], DataType::Boolean), "operands of"),
        (call(Op::Add, vec![literal(int(1))], DataType::Int32), "operands of"),
        (call(Op::Add, vec![literal(int(1)), literal(int(1))], DataType::Int64), "operands of"),
        (call(Op::Cast { is_try: false }, vec![literal(truth(true))], DataType::Date), "no such conversion"),
        (call(function("regexp_like"), vec![literal(text("a")), literal(text("("))], DataType::Boolean), "unclosed group"),
        (call(function("regexp_like"), vec![literal(text("a")), literal(text("(\\w{100}){100}"))], DataType::Boolean), "size limit"),
        (call(function("date_trunc"), vec![literal(text("eon")), a_time()], MICROS), "no unit `eon`"),
        (call(function("date_part"), vec![literal(text("eon")), a_time()], DataType::Int64), "no part `eon`"),
        (call(function("format_time"), vec![a_time(), literal(text("b"))], DataType::String), "`b` is not a letter"),
        (call(function("format_time"), vec![a_time(), literal(text("yyyy")), literal(text("Mars"))], DataType::String), "Mars"),
        (call(function("parse_time"), vec![literal(text("")), literal(text("HH"))], MICROS), "without its year"),
        (call(function("parse_time"), vec![literal(text("")), literal(text("yyyy-'W'ww"))], MICROS), "weeks"),
        (call(function("json_get"), vec![literal(text("")), literal(text("a..b"))], DataType::String), "a path is"),
        (call(function("upper"), vec![], DataType::String), "upper"),
        (literal(Literal::Float64("x".to_owned())), "no such number"),
    ] {
        // A lone column is no calculation: it is looked at with one.
        let expr = if matches!(expr, Expr::Column(_)) { call(Op::IsNull, vec![expr], DataType::Boolean) } else { expr };
        let found = match Exprs::new([&expr], &decode) {
            Err(misfit) => misfit.to_string(),
            Ok(_) => panic!("{expr:?} fits"),
        };
        assert!(found.contains(expected), "{found}: {expected}");
    }
}

#[test]
fn a_text_is_as_long_as_the_limit_and_not_longer() {
    let half = || text(&"x".repeat(TEXT_BYTES_MAX / 2));
    let pairs = || text(&"ab".repeat(TEXT_BYTES_MAX / 4));
    let length = |more: usize| big((TEXT_BYTES_MAX + more) as i64);
    let (pattern, all): (&[usize], &[usize]) = (&[1], &[]);
    for (op, fixed, fits, beyond) in [
        (Op::Concat, all, vec![half(), half()], vec![half(), text(&"y".repeat(TEXT_BYTES_MAX / 2 + 1))]),
        (function("concat"), all, vec![half(), half(), null(DataType::String)], vec![half(), half(), text("y")]),
        (function("concat_ws"), all, vec![text(""), half(), half()], vec![text("-"), half(), half()]),
        (function("replace"), all, vec![pairs(), text("a"), text("aaa")], vec![pairs(), text("a"), text("aaaa")]),
        (function("regexp_replace"), pattern, vec![pairs(), text("a"), text("aaa")], vec![pairs(), text("a"), text("aaaa")]),
        (function("regexp_replace"), pattern, vec![pairs(), text("a"), text("$0$0$0")], vec![pairs(), text("a"), text("$0${0}$0$0")]),
        (function("regexp_replace"), pattern, vec![half(), text("x+"), text("$0$0")], vec![half(), text("x+"), text(&"$0".repeat(20_000))]),
        (function("lpad"), all, vec![text("7"), length(0), text("0")], vec![text("7"), length(1), text("0")]),
        (function("rpad"), all, vec![text("ß"), big(TEXT_BYTES_MAX as i64 / 2), text("ä")], vec![text("ß"), length(0), text("ä")]),
    ] {
        let bytes = |args: &[Literal]| compute(&op, args, fixed, &DataType::String).map(|text| text.map(|text| text.len()));
        assert_eq!(bytes(&fits), Ok(Some(TEXT_BYTES_MAX)), "{op:?}");
        assert_eq!(bytes(&beyond), Err("a text of more than 1048576 bytes".to_owned()), "{op:?}");
    }
}

#[test]
fn texts_that_are_too_long_fail_alone() {
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..90).map(|row| "ab".repeat(if row == 7 { 300_000 } else { row }))));
    let longer = call(function("replace"), vec![Expr::Column(0), Expr::Literal(text("b")), Expr::Literal(text("xyz"))], DataType::String);
    for (row, outcome) in outcomes(&longer, vec![(DataType::String, texts)]).into_iter().enumerate() {
        match row {
            7 => assert_eq!(outcome, Err("expression replace(c0, 'b', 'xyz'): a text of more than 1048576 bytes".to_owned())),
            row => assert_eq!(outcome, Ok(Some("axyz".repeat(row)))),
        }
    }
}

#[test]
fn no_operand_is_too_strange_for_a_function() {
    let numbers = [i64::MIN, i64::MIN + 1, -(1 << 33), -1, 0, 1, 1 << 33, i64::MAX - 1, i64::MAX].map(big);
    let doubles = ["0", "-0", "1e308", "-1e308", "5e-324", "-1", "0.5"].map(real);
    let texts = ["", "a", "größe", "日本語テキスト", "\u{0}", "e\u{301}"].map(text);
    let (string, double) = (DataType::String, DataType::Float64);
    for value in &texts {
        for name in ["upper", "lower", "trim", "ltrim", "rtrim", "reverse", "md5", "sha256"] {
            let _ = compute(&function(name), std::slice::from_ref(value), &[], &string);
        }
        for number in &numbers {
            for name in ["substr", "left", "right"] {
                let _ = compute(&function(name), &[value.clone(), number.clone()], &[], &string);
            }
            let _ = compute(&function("split_part"), &[value.clone(), text("a"), number.clone()], &[], &string);
            let _ = compute(&function("regexp_extract"), &[value.clone(), text("(.)*"), number.clone()], &[1], &string);
            for pad in ["", "x", "ß"] {
                let _ = compute(&function("lpad"), &[value.clone(), number.clone(), text(pad)], &[], &string);
                let _ = compute(&function("rpad"), &[value.clone(), number.clone(), text(pad)], &[], &string);
            }
            for length in &numbers {
                let _ = compute(&function("substr"), &[value.clone(), number.clone(), length.clone()], &[], &string);
            }
        }
    }
    for number in &numbers {
        let _ = compute(&function("abs"), std::slice::from_ref(number), &[], &DataType::Int64);
        for name in ["to_timestamp_seconds", "to_timestamp_millis", "to_timestamp_micros"] {
            let _ = compute(&function(name), std::slice::from_ref(number), &[], &MICROS);
        }
        for double_value in &doubles {
            let _ = compute(&function("round"), &[double_value.clone(), number.clone()], &[], &double);
        }
    }
    for left in &doubles {
        for name in ["ceil", "floor", "round", "sqrt", "ln", "log10", "sign", "abs"] {
            let _ = compute(&function(name), std::slice::from_ref(left), &[], &double);
        }
        for right in &doubles {
            let _ = compute(&function("power"), &[left.clone(), right.clone()], &[], &double);
        }
    }
    for us in [i64::MIN, -1, 0, i64::MAX].map(Literal::Timestamp) {
        for unit in ["year", "quarter", "month", "week", "day", "hour", "minute", "second"] {
            let _ = compute(&function("date_trunc"), &[text(unit), us.clone()], &[0], &MICROS);
            let _ = compute(&function("date_part"), &[text(unit), us.clone()], &[0], &DataType::Int64);
        }
        let _ = compute(&function("format_time"), &[us, text("yyyy-MM-dd HH:mm:ss.SSS")], &[1], &string);
    }
}

/// Trees over two columns in which much can fail.
fn number(depth: u32) -> BoxedStrategy<Expr> {
    let leaf = prop_oneof![
        (0..2_usize).prop_map(Expr::Column),
        prop::sample::select(vec![0, 1, -1, 2, i64::MAX, i64::MIN]).prop_map(|value| Expr::Literal(big(value))),
        Just(Expr::Literal(null(DataType::Int64))),
    ];
    if depth == 0 {
        return leaf.boxed();
    }
    let ops = prop::sample::select(vec![Op::Add, Op::Subtract, Op::Multiply, Op::Divide, Op::Modulo]);
    prop_oneof![
        leaf,
        (ops, number(depth - 1), number(depth - 1)).prop_map(|(op, left, right)| call(op, vec![left, right], DataType::Int64)),
        number(depth - 1).prop_map(|arg| call(Op::Negate, vec![arg], DataType::Int64)),
        (condition(depth - 1), number(depth - 1), number(depth - 1)).prop_map(|(condition, then, otherwise)| call(
            Op::Case,
            vec![condition, then, otherwise],
            DataType::Int64
        )),
        (number(depth - 1), number(depth - 1)).prop_map(|(left, right)| call(function("coalesce"), vec![left, right], DataType::Int64)),
        (number(depth - 1), number(depth - 1)).prop_map(|(left, right)| call(function("nullif"), vec![left, right], DataType::Int64)),
    ]
    .boxed()
}

fn condition(depth: u32) -> BoxedStrategy<Expr> {
    let ops = [Op::Equal, Op::NotEqual, Op::Less, Op::LessOrEqual, Op::Greater, Op::GreaterOrEqual, Op::In].to_vec();
    let inner = depth.saturating_sub(1);
    let compared = (prop::sample::select(ops), number(inner), number(inner))
        .prop_map(|(op, left, right)| call(op, vec![left, right], DataType::Boolean));
    if depth == 0 {
        return compared.boxed();
    }
    prop_oneof![
        compared,
        (any::<bool>(), condition(inner), condition(inner)).prop_map(|(is_and, left, right)| call(
            if is_and { Op::And } else { Op::Or },
            vec![left, right],
            DataType::Boolean
        )),
        condition(inner).prop_map(|arg| call(Op::Not, vec![arg], DataType::Boolean)),
        number(inner).prop_map(|arg| call(Op::IsNull, vec![arg], DataType::Boolean)),
    ]
    .boxed()
}

fn values() -> impl Strategy<Value = Vec<Option<i64>>> {
    let value =
        prop_oneof![4 => (-3..4_i64).prop_map(Some), 1 => Just(None), 1 => prop::sample::select(vec![Some(i64::MIN), Some(i64::MAX)])];
    prop::collection::vec(value, 24)
}

/// What SQL says, row by row, in plain Rust: `Err` fails.
fn plain(expr: &Expr, row: &[Option<i64>; 2]) -> Result<Option<i64>, ()> {
    let call = match expr {
        Expr::Column(index) => return Ok(row[*index]),
        Expr::Literal(Literal::Int64(value)) => return Ok(Some(*value)),
        Expr::Literal(_) => return Ok(None),
        Expr::Call(call) => call,
        other => panic!("{other:?}"),
    };
    let arg = |index: usize| plain(&call.args[index], row);
    let both = |of: &dyn Fn(i64, i64) -> Result<i64, ()>| match (arg(0)?, arg(1)?) {
        (Some(left), Some(right)) => of(left, right).map(Some),
        _ => Ok(None),
    };
    let order = |of: fn(&i64, &i64) -> bool| both(&|left, right| Ok(i64::from(of(&left, &right))));
    match &call.op {
        Op::Add => both(&|left, right| left.checked_add(right).ok_or(())),
        Op::Subtract => both(&|left, right| left.checked_sub(right).ok_or(())),
        Op::Multiply => both(&|left, right| left.checked_mul(right).ok_or(())),
        Op::Divide => both(&|left, right| left.checked_div(right).ok_or(())),
        Op::Modulo => both(&|left, right| if right == 0 { Err(()) } else { Ok(left.wrapping_rem(right)) }),
        Op::Negate => arg(0)?.map(|value| value.checked_neg().ok_or(())).transpose(),
        Op::Equal | Op::In => order(i64::eq),
        Op::NotEqual => order(i64::ne),
        Op::Less => order(i64::lt),
        Op::LessOrEqual => order(i64::le),
        Op::Greater => order(i64::gt),
        Op::GreaterOrEqual => order(i64::ge),
        Op::Not => Ok(arg(0)?.map(|value| 1 - value)),
        Op::IsNull => Ok(Some(i64::from(arg(0)?.is_none()))),
        Op::And | Op::Or => {
            let decides = if call.op == Op::And { Some(0) } else { Some(1) };
            match arg(0)? {
                left if left == decides => Ok(left),
                left => Ok(match (left, arg(1)?) {
                    (_, right) if right == decides => right,
                    (Some(_), right) => right,
                    (None, _) => None,
                }),
            }
        }
        Op::Case => {
            if arg(0)? == Some(1) {
                arg(1)
            } else {
                arg(2)
            }
        }
        Op::Function(name) if name == "coalesce" => match arg(0)? {
            None => arg(1),
            some => Ok(some),
        },
        Op::Function(_) => {
            let (left, right) = (arg(0)?, arg(1)?);
            Ok(if left.is_some() && left == right { None } else { left })
        }
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_row_becomes_what_plain_code_says_whatever_stands_beside_it(
        expr in prop_oneof![number(3), condition(3)], left in values(), right in values()
    ) {
        if matches!(expr, Expr::Column(_)) {
            return Ok(());
        }
        let found = outcomes(&expr, vec![column(left.clone()), column(right.clone())]);
        let is_condition = matches!(&expr, Expr::Call(call) if call.data_type == DataType::Boolean);
        for (row, found) in found.into_iter().enumerate() {
            let expected = plain(&expr, &[left[row], right[row]]).map(|value| value.map(|value| match is_condition {
                true => (value == 1).to_string(),
                false => value.to_string(),
            }));
            prop_assert_eq!(found.map_err(|_| ()), expected, "{:?} of {:?} and {:?}", &expr, left[row], right[row]);
        }
    }
}
