//! Statements of any form, for property tests.

use kpipe_grammar::ast::{Name, PartitionBy, Path, Property, PropertyValue, SelectItem, Statement, StoreAs, WriteMode};
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

/// Columns with an output name each of its own.
fn columns() -> impl Strategy<Value = Vec<Spanned<SelectItem>>> {
    let column = (path(), any::<bool>(), word());
    (any::<bool>(), vec(column, 0..6), of(path())).prop_map(|(star, columns, star_of)| {
        let columns = columns.into_iter().enumerate().map(|(index, (path, plain, alias))| {
            // Only the first column may do without: two could be called the same.
            // Not the name of any other column.
            let alias = (index > 0 || !plain).then(|| at(format!("{alias} as column {index}")));
            SelectItem::Column { path, alias }
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
        4 => vec(path(), 1..4).prop_map(|paths| {
            let mut different: Vec<Path> = Vec::new();
            for path in paths {
                if !different.contains(&path) {
                    different.push(path);
                }
            }
            PartitionBy::Paths(different.into_iter().map(at).collect())
        }),
    ]
}

fn store_as() -> impl Strategy<Value = StoreAs> {
    (word(), properties()).prop_map(|(format, options)| StoreAs { format: at(format), options })
}

/// Any statement, without the clauses that have no field.
pub(crate) fn statement() -> impl Strategy<Value = Statement> {
    let core = (any::<bool>(), name(), columns(), name());
    let clauses = (
        of(partition_by()),
        of(store_as()),
        of(vec(path().prop_map(at), 1..3)),
        of("[a-z.,;|' -]{1,3}"),
        of(word()),
        of(1..=i64::MAX as u64),
        of(properties()),
    );
    (core, clauses).prop_map(|((upsert, target, select, from), clauses)| {
        let (partition_by, store_as, with_key, key_delimiter, with_converter, limit, properties) = clauses;
        Statement {
            span: Span::default(),
            mode: at(if upsert { WriteMode::Upsert } else { WriteMode::Insert }),
            target,
            select: at(select),
            from,
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
