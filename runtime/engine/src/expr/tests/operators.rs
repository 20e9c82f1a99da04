//! Operators, one case a line.

use super::*;

fn cases(op: &Op, data_type: &DataType, cases: &[(&[Literal], &str)]) {
    for (args, expected) in cases {
        check(op, args, &[], data_type, expected);
    }
}

#[test]
fn whole_numbers() {
    let types = DataType::Int32;
    cases(
        &Op::Add,
        &types,
        &[(&[int(2), int(3)], "5"), (&[int(i32::MAX), int(1)], "! the result is beyond int"), (&[int(1), null(types.clone())], "NULL")],
    );
    cases(&Op::Subtract, &types, &[(&[int(2), int(3)], "-1"), (&[int(i32::MIN), int(1)], "! the result is beyond int")]);
    cases(&Op::Multiply, &types, &[(&[int(-2), int(3)], "-6"), (&[int(65_536), int(65_536)], "! the result is beyond int")]);
    cases(
        &Op::Divide,
        &types,
        &[
            (&[int(7), int(-2)], "-3"),
            (&[int(7), int(0)], "! division by zero"),
            (&[null(types.clone()), int(0)], "NULL"),
            (&[int(i32::MIN), int(-1)], "! the result is beyond int"),
        ],
    );
    cases(
        &Op::Modulo,
        &types,
        &[
            (&[int(-7), int(2)], "-1"),
            (&[int(7), int(-2)], "1"),
            (&[int(7), int(0)], "! division by zero"),
            (&[int(i32::MIN), int(-1)], "0"),
        ],
    );
    cases(&Op::Negate, &types, &[(&[int(7)], "-7"), (&[int(i32::MIN)], "! the result is beyond int"), (&[null(types.clone())], "NULL")]);
    cases(
        &Op::Add,
        &DataType::Int64,
        &[(&[big(i64::MAX), big(1)], "! the result is beyond bigint"), (&[big(1 << 40), big(1)], "1099511627777")],
    );
    cases(&Op::Multiply, &DataType::Int64, &[(&[big(i64::MIN), big(-1)], "! the result is beyond bigint")]);
}

#[test]
fn floating_numbers() {
    let types = DataType::Float64;
    cases(
        &Op::Add,
        &types,
        &[(&[real("0.1"), real("0.2")], "0.30000000000000004"), (&[real("1e308"), real("1e308")], "! the result is beyond double")],
    );
    cases(
        &Op::Divide,
        &types,
        &[
            (&[real("1"), real("4")], "0.25"),
            (&[real("1"), real("0")], "! division by zero"),
            (&[real("0"), real("0")], "! division by zero"),
            (&[real("1e308"), real("1e-308")], "! the result is beyond double"),
            (&[real("1"), null(DataType::Float64)], "NULL"),
        ],
    );
    cases(&Op::Modulo, &types, &[(&[real("-7.5"), real("2")], "-1.5"), (&[real("1"), real("0")], "! division by zero")]);
    cases(&Op::Negate, &types, &[(&[real("1.5")], "-1.5")]);
}

#[test]
fn decimals_keep_their_digits() {
    let two = decimal_type(10, 2);
    cases(
        &Op::Add,
        &two,
        &[
            (&[decimal("1.25", 10), decimal("2.50", 10)], "3.75"),
            (&[decimal("99999999.99", 10), decimal("0.01", 10)], "! the result is beyond decimal(10,2)"),
            (&[decimal("1.25", 10), null(two.clone())], "NULL"),
        ],
    );
    cases(&Op::Subtract, &two, &[(&[decimal("1.25", 10), decimal("2.50", 10)], "-1.25")]);
    cases(&Op::Negate, &two, &[(&[decimal("1.25", 10)], "-1.25")]);
    cases(&Op::Multiply, &decimal_type(20, 4), &[(&[decimal("1.25", 10), decimal("-2.50", 10)], "-3.1250")]);
    cases(
        &Op::Divide,
        &two,
        &[
            (&[decimal("10.00", 10), decimal("3.00", 10)], "3.33"),
            (&[decimal("20.00", 10), decimal("3.00", 10)], "6.67"),
            (&[decimal("-0.01", 10), decimal("2.00", 10)], "-0.01"),
            (&[decimal("1.00", 10), decimal("0.00", 10)], "! division by zero"),
            (&[decimal("99999999.99", 10), decimal("0.01", 10)], "! the result is beyond decimal(10,2)"),
        ],
    );
    cases(
        &Op::Modulo,
        &two,
        &[(&[decimal("-7.50", 10), decimal("2.00", 10)], "-1.50"), (&[decimal("1.00", 10), decimal("0.00", 10)], "! division by zero")],
    );
    let widest = decimal("99999999999999999999999999999999999999", 38);
    cases(
        &Op::Add,
        &decimal_type(38, 0),
        &[
            (&[widest.clone(), decimal("1", 38)], "! the result is beyond decimal(38,0)"),
            (&[widest, decimal("-1", 38)], "99999999999999999999999999999999999998"),
        ],
    );
}

#[test]
fn logic_has_three_values() {
    let types = DataType::Boolean;
    let of = |text: &str| match text {
        "t" => truth(true),
        "f" => truth(false),
        _ => null(DataType::Boolean),
    };
    for (left, right, and, or) in [
        ("t", "t", "true", "true"),
        ("t", "f", "false", "true"),
        ("f", "t", "false", "true"),
        ("f", "f", "false", "false"),
        ("t", "?", "NULL", "true"),
        ("?", "t", "NULL", "true"),
        ("f", "?", "false", "NULL"),
        ("?", "f", "false", "NULL"),
        ("?", "?", "NULL", "NULL"),
    ] {
        check(&Op::And, &[of(left), of(right)], &[], &types, and);
        check(&Op::Or, &[of(left), of(right)], &[], &types, or);
    }
    cases(&Op::Not, &types, &[(&[truth(true)], "false"), (&[null(DataType::Boolean)], "NULL")]);
    cases(&Op::IsNull, &types, &[(&[null(DataType::String)], "true"), (&[text("")], "false")]);
    cases(&Op::IsNotNull, &types, &[(&[null(DataType::Int64)], "false"), (&[big(0)], "true")]);
}

#[test]
fn comparisons() {
    let ordered = [
        (int(1), int(2)),
        (big(-5), big(5)),
        (real("-0.5"), real("0.25")),
        (real("0"), real("0.25")),
        (real("-1"), real("0")),
        (decimal("1.20", 5), decimal("1.21", 5)),
        (text("a"), text("ab")),
        (text("Z"), text("a")),
        (truth(false), truth(true)),
        (Literal::Date(1), Literal::Date(2)),
        (time("2026-01-31T00:00:00Z"), time("2026-01-31T00:00:00.000001Z")),
    ];
    let all = [Op::Equal, Op::NotEqual, Op::Less, Op::LessOrEqual, Op::Greater, Op::GreaterOrEqual];
    for (low, high) in ordered {
        let nothing = null(literal_type(&low));
        for (op, up, down, same) in [
            (&all[0], "false", "false", "true"),
            (&all[1], "true", "true", "false"),
            (&all[2], "true", "false", "false"),
            (&all[3], "true", "false", "true"),
            (&all[4], "false", "true", "false"),
            (&all[5], "false", "true", "true"),
        ] {
            check(op, &[low.clone(), high.clone()], &[], &DataType::Boolean, up);
            check(op, &[high.clone(), low.clone()], &[], &DataType::Boolean, down);
            check(op, &[high.clone(), high.clone()], &[], &DataType::Boolean, same);
            check(op, &[high.clone(), nothing.clone()], &[], &DataType::Boolean, "NULL");
        }
    }
    // Zero has one value, with either sign, on either side, whether a literal or not.
    for fixed in [&[][..], &[0], &[1]] {
        for (left, right) in [("0", "-0"), ("-0", "0"), ("-0", "-0"), ("0", "0")] {
            for (op, expected) in all.iter().zip(["true", "false", "false", "true", "false", "true"]) {
                check(op, &[real(left), real(right)], fixed, &DataType::Boolean, expected);
            }
        }
    }
}

#[test]
fn one_of_several() {
    let types = DataType::Boolean;
    for fixed in [&[][..], &[1, 2]] {
        for (args, expected) in [
            (vec![int(2), int(1), int(2)], "true"),
            (vec![int(3), int(1), int(2)], "false"),
            (vec![int(3), int(1), null(DataType::Int32)], "NULL"),
            (vec![int(1), int(1), null(DataType::Int32)], "true"),
            (vec![null(DataType::Int32), int(1), int(2)], "NULL"),
            (vec![text("b"), text("a"), text("b")], "true"),
            (vec![real("-0"), real("1"), real("0")], "true"),
        ] {
            check(&Op::In, &args, fixed, &types, expected);
        }
    }
}

#[test]
fn like_is_that_of_the_standard() {
    let types = DataType::Boolean;
    for (value, pattern, escape, expected) in [
        ("kpipe", "k%", None, "true"),
        ("kpipe", "%pip%", None, "true"),
        ("kpipe", "kp_pe", None, "true"),
        ("kpipe", "kp_p", None, "false"),
        ("kpipe", "KPIPE", None, "false"),
        ("größe", "gr__e", None, "true"),
        ("a\\b", "a\\b", None, "true"),
        ("a\\%", "a\\%", None, "true"),
        ("a%", "a!%", Some('!'), "true"),
        ("ab", "a!%", Some('!'), "false"),
        ("a!", "a!!", Some('!'), "true"),
        ("a\\b", "a\\\\b", Some('\\'), "true"),
        ("a_c", "a\\_c", Some('\\'), "true"),
        ("abc", "a\\_c", Some('\\'), "false"),
        ("a\nb", "a%b", None, "true"),
        ("a", "a!", Some('!'), "! the pattern ends with its escape character"),
    ] {
        for fixed in [&[][..], &[1]] {
            check(&Op::Like { escape }, &[text(value), text(pattern)], fixed, &types, expected);
        }
    }
    cases(
        &Op::Like { escape: None },
        &types,
        &[(&[null(DataType::String), text("%")], "NULL"), (&[text("a"), null(DataType::String)], "NULL")],
    );
}

#[test]
fn branches() {
    let types = DataType::String;
    let one = |condition: Literal, otherwise: Literal| vec![condition, text("then"), otherwise];
    check(&Op::Case, &one(truth(true), text("else")), &[], &types, "then");
    check(&Op::Case, &one(truth(false), text("else")), &[], &types, "else");
    check(&Op::Case, &one(null(DataType::Boolean), text("else")), &[], &types, "else");
    check(&Op::Case, &one(truth(false), null(DataType::String)), &[], &types, "NULL");
    let two = [truth(false), text("a"), truth(true), text("b"), text("c")];
    check(&Op::Case, &two, &[], &types, "b");
}
