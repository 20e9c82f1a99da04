//! Statements of any form, for property tests.

use kpipe_grammar::ast::{Folder, Name, PartitionBy, Path, Property, PropertyValue, SelectItem, Statement, StoreAs, WriteMode};
use kpipe_grammar::expr::{BinaryOp, Branch, Expr, Literal, UnaryOp};
use kpipe_grammar::span::{Span, Spanned};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

fn at<T>(node: T) -> Spanned<T> {
    Spanned::new(node, Span::default())
}

/// Plain words, keywords, names of systems, and text that needs quotes.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z_][a-z0-9_]{0,8}",
        1 => "[A-Za-z0-9_+/#$@{}:.=-]{1,12}",
        1 => prop::sample::select(vec!["limit", "FROM", "select", "as", "Batch", "ttl", "group", "by", "_", "into", "--x", "12", "case"])
            .prop_map(str::to_owned),
        1 => "[a-zé'`\"; \n.*()\\[\\]-]{1,8}",
    ]
}

fn name() -> impl Strategy<Value = Spanned<Name>> {
    word().prop_map(|text| at(Name::new(text)))
}

fn path() -> impl Strategy<Value = Path> {
    vec(word().prop_map(at), 1..4).prop_map(|parts| Path { parts })
}

fn literal() -> impl Strategy<Value = Literal> {
    prop_oneof![
        Just(Literal::Null),
        any::<bool>().prop_map(Literal::Boolean),
        "-?[0-9]{1,4}(\\.[0-9]{1,3})?(e[0-9])?".prop_map(Literal::Number),
        "[a-zé'`; -]{0,8}".prop_map(Literal::Text),
        "[0-9T:-]{1,8}".prop_map(Literal::Timestamp),
        "[0-9-]{1,8}".prop_map(Literal::Date),
    ]
}

fn boxed(expr: Expr) -> Box<Spanned<Expr>> {
    Box::new(at(expr))
}

/// Expressions of any form.
fn expr() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![path().prop_map(Expr::Column), literal().prop_map(Expr::Literal)];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let one = || inner.clone();
        let many = || vec(inner.clone().prop_map(at), 1..4);
        prop_oneof![
            (any::<bool>(), one())
                .prop_map(|(not, operand)| Expr::Unary { op: if not { UnaryOp::Not } else { UnaryOp::Negate }, operand: boxed(operand) }),
            (prop::sample::select(&BinaryOp::ALL[..]), one(), one()).prop_map(|(op, left, right)| Expr::Binary {
                op,
                left: boxed(left),
                right: boxed(right)
            }),
            (one(), any::<bool>()).prop_map(|(operand, negated)| Expr::IsNull { operand: boxed(operand), negated }),
            (one(), many(), any::<bool>()).prop_map(|(operand, list, negated)| Expr::In { operand: boxed(operand), list, negated }),
            (one(), one(), one(), any::<bool>()).prop_map(|(operand, low, high, negated)| Expr::Between {
                operand: boxed(operand),
                low: boxed(low),
                high: boxed(high),
                negated
            }),
            (one(), one(), of("[!'a]"), any::<bool>()).prop_map(|(operand, pattern, escape, negated)| Expr::Like {
                operand: boxed(operand),
                pattern: boxed(pattern),
                escape: escape.map(at),
                negated
            }),
            (of(one()), vec((one(), one()), 1..3), of(one())).prop_map(|(operand, branches, otherwise)| Expr::Case {
                operand: operand.map(boxed),
                branches: branches.into_iter().map(|(condition, result)| Branch { condition: at(condition), result: at(result) }).collect(),
                otherwise: otherwise.map(boxed)
            }),
            (one(), prop::sample::select(vec!["INT", "DECIMAL(12, 2)", "DOUBLE PRECISION"]), any::<bool>()).prop_map(
                |(operand, data_type, is_try)| Expr::Cast { operand: boxed(operand), data_type: at(data_type.to_owned()), is_try }
            ),
            (prop::sample::select(vec!["upper", "date", "now", "left"]), vec(one().prop_map(at), 0..3))
                .prop_map(|(name, args)| Expr::Call { name: at(name.to_owned()), args }),
        ]
    })
}

/// A field more often than a calculation.
fn item() -> impl Strategy<Value = Expr> {
    prop_oneof![2 => path().prop_map(Expr::Column), 1 => expr()]
}

/// Columns with an output name each of its own.
fn columns() -> impl Strategy<Value = Vec<Spanned<SelectItem>>> {
    let column = (item(), any::<bool>(), word());
    (any::<bool>(), vec(column, 0..6), of(path())).prop_map(|(star, columns, star_of)| {
        let columns = columns.into_iter().enumerate().map(|(index, (expr, plain, alias))| {
            // Only the first column may do without: two could be called the same.
            // Not the name of any other column.
            let alias = (index > 0 || !plain).then(|| at(format!("{alias} as column {index}")));
            SelectItem::Value { expr, alias }
        });
        let mut items: Vec<SelectItem> = columns.chain(star_of.map(SelectItem::StarOf)).collect();
        if star || items.is_empty() {
            items.push(SelectItem::Star);
        }
        items.into_iter().map(at).collect()
    })
}

fn value() -> impl Strategy<Value = PropertyValue> {
    prop_oneof![any::<i64>().prop_map(PropertyValue::Integer), "[a-z0-9'`. \n-]{0,8}".prop_map(PropertyValue::Text)]
}

/// Options whose keys differ in more than their case.
fn properties() -> impl Strategy<Value = Vec<Property>> {
    vec((word(), value()), 0..4).prop_map(|list| {
        let keyed = list.into_iter().enumerate();
        keyed.map(|(index, (key, value))| Property { key: at(format!("{key}{index}")), value: at(value) }).collect()
    })
}

fn partition_by() -> impl Strategy<Value = PartitionBy> {
    prop_oneof![
        1 => Just(PartitionBy::None),
        4 => vec((item(), of(word())), 1..4).prop_map(|items| {
            let mut different: Vec<Folder> = Vec::new();
            for (expr, alias) in items {
                // A field is called as it is called.
                let alias = alias.filter(|_| expr.as_column().is_none()).map(at);
                if different.iter().all(|folder| folder.expr.to_string() != expr.to_string()) {
                    different.push(Folder { expr, alias });
                }
            }
            PartitionBy::Folders(different.into_iter().map(at).collect())
        }),
    ]
}

fn store_as() -> impl Strategy<Value = StoreAs> {
    (word(), properties()).prop_map(|(format, options)| StoreAs { format: at(format), options })
}

/// Any statement, without the clauses that have no field.
pub(crate) fn statement() -> impl Strategy<Value = Statement> {
    let mode = prop::sample::select(vec![WriteMode::Insert, WriteMode::Upsert, WriteMode::Update, WriteMode::Select]);
    let core = (mode, name(), columns(), name());
    let clauses = (
        of(partition_by()),
        of(store_as()),
        (of(vec(item().prop_map(at), 1..3)), of(expr().prop_map(at))),
        of("[a-z.,;|' -]{1,3}"),
        of(word()),
        of(1..=i64::MAX as u64),
        of(properties()),
    );
    (core, clauses).prop_map(|((mode, target, select, from), clauses)| {
        let (partition_by, store_as, (with_key, filter), key_delimiter, with_converter, limit, properties) = clauses;
        Statement {
            span: Span::default(),
            mode: at(mode),
            target: (mode != WriteMode::Select).then_some(target),
            select: at(select),
            from,
            filter,
            partition_by: partition_by.map(at),
            store_as: store_as.map(at),
            with_key: with_key.map(at),
            key_delimiter: key_delimiter.map(at),
            with_converter: with_converter.map(at),
            limit: limit.map(at),
            properties: properties.map(at),
            other: Vec::new(),
        }
    })
}

/// Texts that are valid, with comments, blanks, options and several statements.
pub(crate) fn text() -> impl Strategy<Value = String> {
    let blank =
        prop::sample::select(vec![" ", "\n", "  ", " -- note\n", " /* note; 'x */ ", "\n-- own line\n", "\n/* two\nlines */\n", "\t"]);
    let option = prop::sample::select(vec![
        "",
        " AUTOCREATE",
        " batch = 5",
        " PK a, b.c AUTOEVOLVE",
        " WITHTAG (a, b = c, d AS e)",
        " WITHTIMESTAMP sys_time()",
        " SAMPLE 10 EVERY 5",
    ]);
    let end = prop::sample::select(vec![";", " ; ", ";;\n", "; -- next\n", "\n-- above\n;\n"]);
    vec((statement(), option, vec(blank, 8), end), 1..4).prop_map(|statements| {
        let mut text = String::new();
        for (statement, option, blanks, end) in statements {
            let printed = format!("{statement}{option}");
            let mut blanks = blanks.into_iter().cycle();
            // Blanks inside quotes must stay as they are, so only those outside are replaced.
            let mut mark = None;
            for char in printed.chars() {
                match (mark, char) {
                    (None, ' ') => text.push_str(blanks.next().unwrap_or(" ")),
                    (None, '\'' | '`') => mark = Some(char),
                    (Some(open), close) if open == close => mark = None,
                    _ => {}
                }
                if mark.is_some() || char != ' ' {
                    text.push(char);
                }
            }
            text.push_str(end);
        }
        text
    })
}
