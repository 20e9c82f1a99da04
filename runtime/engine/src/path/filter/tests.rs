use arrow::datatypes::Int64Type;
use kpipe_compiler::plan::{Decode, DecodeColumn, Expr, KeyPlan, Literal, Op, RecordTail, Tail, TopicName, ValueFormat};

use super::*;
use crate::fixture::{self, Record};
use crate::path::decode::Decoder;
use crate::reject::RejectReason;

fn route(filter: Option<Expr>) -> Route {
    let column = |name: &str| DecodeColumn { path: vec![name.to_owned()], data_type: DataType::Int64, nullable: true };
    let tail = RecordTail { topic: TopicName::Fixed("out".into()), key: KeyPlan::Keep, format: None };
    Route {
        statement: String::new(),
        from: "orders".into(),
        decode: Decode { format: ValueFormat::Json, columns: vec![column("a"), column("b")] },
        filter,
        project: None,
        tail: Tail::Records(tail),
    }
}

fn number(value: i64) -> Expr {
    Expr::Literal(Literal::Int64(value))
}

fn condition(op: Op, left: Expr, right: Expr) -> Expr {
    Expr::call(op, vec![left, right], &DataType::Boolean, true)
}

/// The values of `a` that are kept, their rows, how many are skipped, and the rejects.
fn keep(filter: Option<Expr>, values: &[&str]) -> (Vec<i64>, Vec<u32>, u64, Vec<Reject>) {
    let raw = fixture::values(values);
    let route = route(filter);
    let mut rejects = Vec::new();
    let batch = Decoder::new(&route.decode).unwrap().decode(&raw, 0, &mut rejects);
    let (batch, skipped) = Filter::new(&route).unwrap().keep(&raw, batch, &mut rejects).unwrap();
    assert_eq!(batch.delta, raw.delta, "the delta covers what is skipped");
    assert_eq!((batch.decoded[0].len(), batch.decoded[1].len()), (batch.len(), batch.len()));
    (batch.decoded[0].as_primitive::<Int64Type>().values().to_vec(), batch.rows, skipped, rejects)
}

const VALUES: [&str; 6] = [r#"{"a":1,"b":2}"#, r#"{"a":2}"#, "{", r#"{"a":3,"b":0}"#, r#"{"a":4,"b":1}"#, r#"{"a":5,"b":9}"#];

#[test]
fn without_a_condition_all_are_taken() {
    let (kept, rows, skipped, rejects) = keep(None, &VALUES);
    assert_eq!((kept, rows, skipped, rejects.len()), (vec![1, 2, 3, 4, 5], vec![0, 1, 3, 4, 5], 0, 1));
}

#[test]
fn what_is_false_or_unknown_is_skipped_and_no_reject() {
    let above = condition(Op::Greater, Expr::Column(1), number(0));
    let (kept, rows, skipped, rejects) = keep(Some(above), &VALUES);
    assert_eq!((kept, rows, skipped), (vec![1, 4, 5], vec![0, 4, 5], 2));
    assert_eq!(rejects.iter().map(|reject| (reject.row, reject.reason)).collect::<Vec<_>>(), [(2, RejectReason::Malformed)]);
    let offsets = condition(Op::Less, Expr::Offset, number(0));
    let (kept, rows, skipped, _) = keep(Some(offsets), &VALUES);
    assert_eq!((kept.len(), rows.len(), skipped), (0, 0, 5));
    let (kept, ..) = keep(Some(Expr::Literal(Literal::Boolean(true))), &VALUES);
    assert_eq!(kept.len(), 5);
    let (_, _, skipped, _) = keep(Some(Expr::Literal(Literal::Null(DataType::Boolean))), &VALUES);
    assert_eq!(skipped, 5);
}

#[test]
fn a_condition_that_fails_rejects_its_row_alone() {
    let rest = Expr::call(Op::Divide, vec![number(10), Expr::Column(1)], &DataType::Int64, true);
    let (kept, rows, skipped, rejects) = keep(Some(condition(Op::GreaterOrEqual, rest, number(5))), &VALUES);
    assert_eq!((kept, rows, skipped), (vec![1, 4], vec![0, 4], 2));
    let found: Vec<_> = rejects.iter().map(|reject| (reject.row, reject.reason, reject.message.as_str())).collect();
    assert_eq!(found[1], (3, RejectReason::Expression, "expression (10 / b) >= 5: 10 / b: division by zero"));
    assert_eq!(found.len(), 2);
}

#[test]
fn metadata_can_be_asked_for() {
    let raw = fixture::batch(vec![
        Record { key: Some(b"k".to_vec()), ..Record::of("{}") },
        Record { key: Some(vec![0xff]), ..Record::of("{}") },
        Record::of("{}"),
    ]);
    let key = Expr::call(Op::Cast { is_try: true }, vec![Expr::Key], &DataType::String, true);
    let route = route(Some(condition(Op::Equal, key, Expr::Literal(Literal::String("k".into())))));
    let mut rejects = Vec::new();
    let batch = Decoder::new(&route.decode).unwrap().decode(&raw, 0, &mut rejects);
    let (batch, skipped) = Filter::new(&route).unwrap().keep(&raw, batch, &mut rejects).unwrap();
    assert_eq!((batch.rows, skipped, rejects), (vec![0], 2, vec![]));
}

#[test]
fn a_condition_is_true_or_false() {
    assert!(Filter::new(&route(Some(number(1)))).is_err());
    assert!(Filter::new(&route(Some(Expr::Column(9)))).is_err());
}
