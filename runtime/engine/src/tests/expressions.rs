//! A condition and computed columns: what is skipped, what fails, and the positions.

use kpipe_compiler::plan::{DeadLetter, Literal, Op, Projection};

use super::crashes::survive_where;
use super::*;

fn number(value: i64) -> Expr {
    Expr::Literal(Literal::Int64(value))
}

fn whole(op: Op, left: Expr, right: i64) -> Expr {
    Expr::call(op, vec![left, number(right)], &DataType::Int64, true)
}

/// `SELECT id, c, 100 / (id % 50) AS share ... WHERE id % 3 <> 0`.
fn calculate(pipeline: &mut Pipeline) {
    let route = &mut pipeline.routes[0];
    route.decode.columns.push(DecodeColumn { path: vec!["id".to_owned()], data_type: DataType::Int64, nullable: false });
    let (country, id) = (Expr::Column(0), Expr::Column(1));
    let rest = whole(Op::Modulo, id.clone(), 3);
    route.filter = Some(Expr::call(Op::NotEqual, vec![rest, number(0)], &DataType::Boolean, true));
    let share = Expr::call(Op::Divide, vec![number(100), whole(Op::Modulo, id.clone(), 50)], &DataType::Int64, true);
    let column = |name: &str, expr, data_type| Projection { name: name.to_owned(), expr, data_type, nullable: true };
    route.project =
        Some(vec![column("id", id, DataType::Int64), column("c", country, DataType::String), column("share", share, DataType::Int64)]);
}

/// The ids that the condition takes and that divide.
fn is_wanted(id: usize) -> bool {
    !id.is_multiple_of(3) && !id.is_multiple_of(50)
}

fn line(id: usize) -> String {
    format!("{{\"id\":{id},\"c\":\"c{}\",\"share\":{}}}", id % 3, 100 / (id % 50))
}

#[test]
fn rows_are_filtered_and_computed_and_bad_ones_put_aside() {
    let mut case = Case::new("expressions", 1);
    calculate(&mut case.pipeline);
    let cluster = case.pipeline.sink.clone();
    case.pipeline.errors.tolerance = Tolerance::All;
    case.pipeline.errors.dead_letter = Some(DeadLetter { topic: "dead".to_owned(), cluster });
    case.append(0, orders(0..400));
    let skipped = Arc::new(Mutex::new(0));
    let count = Arc::clone(&skipped);
    case.watch = Some(Arc::new(move |event, _, _| {
        if let Event::Filtered { records } = event {
            *count.lock().unwrap() += records;
        }
    }));
    let ran = case.run().well();
    let mut lines: Vec<String> = case.lines().into_values().flatten().collect();
    lines.sort_by_key(|line| id_of(line));
    assert_eq!(lines, (0..400).filter(|id| is_wanted(*id)).map(line).collect::<Vec<_>>());
    assert_eq!((case.committed(0), *skipped.lock().unwrap()), (Some(400), 134));
    // 0, 150 and 300 are skipped before their column can fail.
    let dead: Vec<_> = case.world.produced().into_iter().filter(|record| record.topic == "dead").collect();
    let ids: Vec<usize> = dead.iter().map(|record| id_of(std::str::from_utf8(record.value.as_ref().unwrap()).unwrap())).collect();
    assert_eq!(ids, [50, 100, 200, 250, 350]);
    let header = |name: &str| {
        let found = dead[0].headers.iter().find(|(key, _)| key == &format!("__connect.errors.{name}"));
        found.and_then(|(_, value)| value.clone()).map(|value| String::from_utf8(value.to_vec()).unwrap()).unwrap()
    };
    let place = ["offset", "stage", "exception.class.name", "exception.message"].map(header);
    assert_eq!(place, ["50", "TRANSFORMATION", "kpipe.expression", "expression 100 / (id % 50): division by zero"]);
    assert_eq!(ran.count("skipped 34 records"), 2, "{:#?}", ran.words);
}

#[test]
fn without_tolerance_the_pipeline_stops_at_the_row() {
    let mut case = Case::new("expressions-stop", 1);
    calculate(&mut case.pipeline);
    case.append(0, orders(1..120));
    let ran = case.run();
    let message = &ran.error().unwrap().message;
    assert_eq!(message, "topic \"orders\" partition 0 offset 49: expression 100 / (id % 50): division by zero");
    assert_eq!(case.committed(0), Some(49), "what stands before it is safe");
    let lines: Vec<String> = case.lines().into_values().flatten().collect();
    assert_eq!(lines.len(), (1..50).filter(|id| is_wanted(*id)).count());
}

#[test]
fn batches_without_a_row_that_is_taken_move_the_position() {
    for name in ["expressions-none", "expressions-none-records"] {
        let mut case = Case::new(name, 1);
        if name.ends_with("records") {
            case.pipeline = records(name);
        }
        case.pipeline.routes[0].filter = Some(Expr::call(Op::Less, vec![Expr::Offset, number(0)], &DataType::Boolean, false));
        case.append(0, orders(0..1500));
        case.run().well();
        assert_eq!((case.committed(0), case.lines().len(), case.world.produced().len()), (Some(1500), 0, 0), "{name}");
    }
}

#[test]
fn folders_and_keys_are_computed_too() {
    let upper = |expr| Expr::call(Op::Function("upper".to_owned()), vec![expr], &DataType::String, true);
    let mut case = Case::new("expressions-folders", 1);
    if let Tail::Files(tail) = &mut case.pipeline.routes[0].tail {
        tail.partition = vec![PartitionItem::Value { name: Some("land".to_owned()), expr: upper(Expr::Column(0)) }];
    }
    case.append(0, orders(0..3));
    case.run().well();
    let folders: Vec<String> = case.lines().into_keys().map(|key| key.split('/').nth(2).unwrap().to_owned()).collect();
    assert_eq!(folders, ["land=C0", "land=C1", "land=C2"]);
    let mut case = Case { pipeline: records("expressions-keys"), ..Case::new("expressions-keys", 1) };
    if let Tail::Records(tail) = &mut case.pipeline.routes[0].tail {
        tail.key = KeyPlan::Fields { fields: vec![upper(Expr::Column(0)), Expr::Offset], delimiter: "-".to_owned() };
    }
    case.append(0, orders(0..2));
    case.run().well();
    let keys: Vec<_> = case.world.produced().into_iter().map(|record| String::from_utf8(record.key.unwrap().to_vec()).unwrap()).collect();
    assert_eq!(keys, ["C0-0", "C1-1"]);
}

#[test]
fn crashes_lose_nothing_and_bring_back_nothing_that_was_skipped() {
    let mut crashes = 0;
    for seed in 0..40 {
        let name = format!("crash-expressions-{seed}");
        let mut case = Case::new(&name, seed);
        calculate(&mut case.pipeline);
        case.flush().records = Some(30 + seed % 50);
        case.flush().interval_ms = Some(5_000);
        crashes += survive_where(&mut case, seed, is_wanted).unwrap();
    }
    assert!(crashes > 60, "only {crashes} crashes in 40 runs");
}
