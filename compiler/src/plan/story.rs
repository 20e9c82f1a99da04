//! A pipeline in plain sentences, with the columns that each step of a statement leaves.

use serde::Serialize;

use super::explain::{endpoint, errors_text, example_name, flush_text, values, written};
use super::wording::{expr_text, key_text, partition_text, target_text};
use super::{Pipeline, Route, Tail};
use crate::promise::word;
use crate::schema::type_text;

/// A step of a statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// `read`, `select`, `write`.
    pub name: &'static str,
    /// What happens, as a sentence.
    pub what: String,
    /// The columns that there are behind it; none where values are not looked into.
    pub columns: Vec<StepColumn>,
}

/// A column behind a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepColumn {
    /// Its name, or the path of the field.
    pub name: String,
    /// As a schema writes it.
    #[serde(rename = "type")]
    pub data_type: String,
    /// Whether it may be null.
    pub nullable: bool,
    /// What it is made from, where that is not a field of the same name.
    pub from: Option<String>,
}

/// What a statement does, step by step.
#[must_use]
pub fn steps(route: &Route) -> Vec<Step> {
    let names: Vec<String> = route.decode.columns.iter().map(|column| column.path.join(".")).collect();
    let fields = route.decode.columns.iter().zip(&names).map(|(column, name)| StepColumn {
        name: name.clone(),
        data_type: type_text(&column.data_type),
        nullable: column.nullable,
        from: None,
    });
    let read =
        Step { name: "read", what: format!("Records of `{}` are read: {}.", route.from, values(&route.decode)), columns: fields.collect() };
    let filter = route.filter.as_ref().map(|filter| {
        let what = format!("Those for which {} is true are taken; the others are skipped and counted.", expr_text(filter, &names));
        Step { name: "filter", what, columns: Vec::new() }
    });
    [Some(read), filter, Some(select(route, &names)), Some(write(route, &names))].into_iter().flatten().collect()
}

fn select(route: &Route, names: &[String]) -> Step {
    let Some(columns) = &route.project else {
        return Step { name: "select", what: "The value stays as it came.".to_owned(), columns: Vec::new() };
    };
    let columns = columns.iter().map(|column| {
        let from = expr_text(&column.expr, names);
        StepColumn {
            name: column.name.clone(),
            data_type: type_text(&column.data_type),
            nullable: column.nullable,
            from: (from != column.name).then_some(from),
        }
    });
    Step { name: "select", what: "Each becomes a row of these columns.".to_owned(), columns: columns.collect() }
}

fn write(route: &Route, names: &[String]) -> Step {
    let (target, written) = (target_text(&route.tail), written(&route.tail));
    let what = match &route.tail {
        Tail::Records(tail) => format!("They go to {target}, {written}; the key is {}.", key_text(&tail.key, names)),
        Tail::Files(files) => {
            let folders = match files.partition.as_slice() {
                [] => "without folders".to_owned(),
                items => format!("in the folders {}", partition_text(items, names)),
            };
            let kept = if files.keep_partition_columns { "" } else { "; the columns of the folders are left out" };
            format!(
                "They go to {target}, {written}, {folders}{kept}. A file is called, for example, {}.",
                example_name(files, &route.from, names)
            )
        }
    };
    Step { name: "write", what, columns: Vec::new() }
}

/// All that a pipeline does, a line each; an empty one parts its paragraphs.
#[must_use]
pub fn story(pipeline: &Pipeline) -> Vec<String> {
    let mut lines = vec![
        format!("{} reads from {},", pipeline.name, endpoint(&pipeline.source)),
        format!("and writes to {}.", endpoint(&pipeline.sink)),
    ];
    for route in &pipeline.routes {
        lines.push(String::new());
        lines.extend(route.statement.lines().map(str::to_owned));
        lines.extend(schema(route));
    }
    lines.push(String::new());
    lines.extend(pipeline.flush.as_ref().map(|flush| format!("The files of a partition are closed together {}.", flush_text(flush))));
    lines.push(format!("If something fails: {}.", errors_text(&pipeline.errors)));
    lines.push(format!("The promise is {}: {}.", word(pipeline.promise.guarantee), pipeline.promise.reason));
    lines
}

/// The steps of a statement with their columns, indented.
#[must_use]
pub fn schema(route: &Route) -> Vec<String> {
    let mut lines = Vec::new();
    for (index, Step { name: _, what, columns }) in steps(route).into_iter().enumerate() {
        lines.push(format!("  {}. {what}", index + 1));
        let width = columns.iter().map(|column| column.name.chars().count()).max().unwrap_or(0);
        for StepColumn { name, data_type, nullable, from } in columns {
            let not_null = if nullable { "" } else { " not null" };
            let from = from.map(|from| format!("  from {from}")).unwrap_or_default();
            lines.push(format!("       {name:<width$}  {data_type}{not_null}{from}"));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::explain::tests::{files, pipeline};
    use super::super::{Decode, KeyPlan, RecordTail, TopicName, ValueFormat};
    use super::*;
    use crate::plan::{DataType, Expr, Literal, Op};

    #[test]
    fn a_pipeline_of_files_is_told_step_by_step() {
        assert_eq!(
            story(&pipeline(files())).join("\n"),
            "\
p reads from kafka: brokers a:9092, group p,
and writes to s3.

INSERT INTO lake:orders
SELECT id, meta.site AS site
FROM orders
  1. Records of `orders` are read: values decoded from JSON.
       id         bigint not null
       meta.site  string
  2. Each becomes a row of these columns.
       id    bigint not null
       site  string  from meta.site
  3. They go to lake:orders, files of parquet, zstd level 1, row groups of 64MiB, in the folders \
site={meta.site}/date={_timestamp as yyyy/MM/dd in Australia/Sydney}. A file is called, for example, \
lake/orders/site={meta.site}/date=2022/03/07/orders-0-000000001042-000000001999.parquet.

The files of a partition are closed together after 1000 records, 128MiB, 10m since the first record, or 5m without one.
If something fails: the first bad record stops the pipeline; a system that is away is waited for.
The promise is at_least_once: because."
        );
    }

    #[test]
    fn values_that_pass_through_have_no_columns() {
        let mut route = files();
        route.project = None;
        route.decode = Decode { format: ValueFormat::Bytes, columns: Vec::new() };
        route.tail = Tail::Records(RecordTail { topic: TopicName::OfSource, key: KeyPlan::SourceTopic, format: None });
        let steps = steps(&route);
        assert!(steps.iter().all(|step| step.columns.is_empty()), "{steps:?}");
        assert_eq!(steps[2].what, "They go to the source's topic, records as they came; the key is the source's topic.");
    }

    #[test]
    fn a_condition_is_a_step() {
        let mut route = files();
        let operands = vec![Expr::Column(0), Expr::Literal(Literal::Int64(5))];
        route.filter = Some(Expr::call(Op::Greater, operands, &DataType::Boolean, false));
        assert_eq!(steps(&route)[1].what, "Those for which id > 5 is true are taken; the others are skipped and counted.");
        assert_eq!(steps(&route).len(), 4);
    }

    #[test]
    fn files_without_their_folders_columns_say_so() {
        let mut route = files();
        let Tail::Files(tail) = &mut route.tail else { panic!("a sink of files") };
        (tail.keep_partition_columns, tail.partition) = (false, Vec::new());
        let what = steps(&route).remove(2).what;
        assert!(what.contains(", without folders; the columns of the folders are left out. "), "{what}");
    }
}
