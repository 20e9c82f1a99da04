//! A plan for people and for machines.

use std::fmt::Write as _;

use kpipe_compiler::diff::{Action, Change, ChangeClass, Consent, PipelineChange};
use kpipe_compiler::plan::Pipeline;
use kpipe_compiler::plan::explain::explain;
use kpipe_compiler::plan::story::{schema, steps};
use kpipe_engine::connector::{Inspection, PartitionInspection};
use serde_json::{Value, json};

use super::markdown::{escaped, fenced, span as code};
use super::paint::{Ink, harmless, paint};
use super::progress::grouped;
use crate::host::Style;
use crate::live::Conditions;

/// The sign before a pipeline's name; `None` is a pipeline that was not compared.
fn sign(action: Option<Action>) -> &'static str {
    match action {
        Some(Action::Create) => "+",
        Some(Action::Change) => "~",
        Some(Action::None) => "=",
        Some(Action::Delete) => "-",
        None => "?",
    }
}

fn word(action: Option<Action>) -> &'static str {
    match action {
        Some(Action::Create) => "create",
        Some(Action::Change) => "change",
        Some(Action::None) => "no change",
        Some(Action::Delete) => "delete",
        None => "not compared",
    }
}

fn ink(action: Option<Action>) -> Ink {
    match action {
        Some(Action::Create) => Ink::Good,
        Some(Action::Change) => Ink::Warning,
        Some(Action::None) | None => Ink::Faint,
        Some(Action::Delete) => Ink::Error,
    }
}

/// What the systems said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LiveView {
    /// The source.
    pub(crate) source: Inspection,
    /// The sink.
    pub(crate) sink: Inspection,
    /// What is not there, at any end.
    pub(crate) missing: Vec<String>,
    /// What the store of a ledger makes of conditions.
    pub(crate) conditions: Option<Conditions>,
    /// Why it is not known into how many folders records go, though it was tried.
    pub(crate) not_spread: Option<String>,
    /// What positions of the source count.
    pub(crate) unit: Unit,
}

/// What the positions of a source count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Records, as Kafka's offsets do.
    #[default]
    Records,
    /// Bytes of a file.
    Bytes,
}

impl Unit {
    fn word(self, count: u64) -> &'static str {
        match (self, count) {
            (Self::Records, 1) => "record",
            (Self::Records, _) => "records",
            (Self::Bytes, 1) => "byte",
            (Self::Bytes, _) => "bytes",
        }
    }
}

/// A planned pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PipelineView {
    /// Its name.
    pub(crate) name: String,
    /// The plan in words, a line each.
    pub(crate) explanation: Vec<String>,
    /// What differs from what was applied; `None` if that is not known.
    pub(crate) change: Option<PipelineChange>,
    /// Where each change is written, as `file.yaml:7`.
    pub(crate) places: Vec<Option<String>>,
    /// The world; `None` offline.
    pub(crate) live: Option<LiveView>,
    /// The plan as it is saved.
    pub(crate) plan: Pipeline,
}

impl PipelineView {
    fn action(&self) -> Option<Action> {
        self.change.as_ref().map(|change| change.action)
    }

    fn changes(&self) -> &[Change] {
        self.change.as_ref().map_or(&[], |change| &change.changes)
    }

    /// Classes of its changes, each once, the gravest first.
    fn classes(&self) -> Vec<ChangeClass> {
        let mut classes: Vec<ChangeClass> = self.changes().iter().map(|change| change.class).collect();
        classes.sort_by(|a, b| b.cmp(a));
        classes.dedup();
        classes
    }
}

/// The whole plan with its summary line. A pipeline that does not change is one line, unless everything is asked for.
pub(crate) fn human(style: Style, pipelines: &[PipelineView], everything: bool) -> String {
    let mut text = String::new();
    for pipeline in pipelines {
        one(&mut text, style, pipeline, everything || pipeline.action() != Some(Action::None));
    }
    let _ = writeln!(text, "{}", paint(style, Ink::Strong, &summary(pipelines)));
    text
}

/// The plan as Markdown: what changes in a table, what each pipeline does folded away.
pub(crate) fn markdown(pipelines: &[PipelineView]) -> String {
    let mut text = String::from("| | pipeline | changes | asks for |\n|---|---|---|---|\n");
    for pipeline in pipelines {
        let (action, classes) = (pipeline.action(), pipeline.classes());
        let words: Vec<&str> = classes.iter().map(|class| class.word()).collect();
        let words = if words.is_empty() { word(action).to_owned() } else { words.join(", ") };
        let flags: Vec<String> = classes.iter().filter_map(|class| class.consent().flag()).map(code).collect();
        let _ = writeln!(text, "| {} | {} | {words} | {} |", code(sign(action)), code(&pipeline.name), flags.join(" "));
    }
    for pipeline in pipelines.iter().filter(|pipeline| pipeline.action() != Some(Action::None)) {
        let mut drawn = String::new();
        one(&mut drawn, Style::PLAIN, pipeline, true);
        let (name, drawn) = (escaped(&pipeline.name), fenced("text", drawn.trim_end()));
        let _ = write!(text, "\n<details><summary>{name}: {}</summary>\n\n{drawn}\n</details>\n", word(pipeline.action()));
    }
    text
}

/// The columns of every step of every statement.
pub(crate) fn schemas(style: Style, pipelines: &[PipelineView]) -> String {
    let mut text = String::new();
    for pipeline in pipelines {
        let _ = writeln!(text, "{}", paint(style, Ink::Strong, &format!("Columns of {}", harmless(&pipeline.name))));
        for route in &pipeline.plan.routes {
            let lines =
                route.statement.lines().map(|line| format!("  {line}")).chain(schema(route).into_iter().map(|line| format!("  {line}")));
            lines.for_each(|line| text.push_str(&format!("{}\n", harmless(&line))));
        }
        text.push('\n');
    }
    text
}

/// The same for programs: by pipeline, the statements and their steps.
pub(crate) fn schemas_json(pipelines: &[PipelineView]) -> Value {
    let statement = |route: &kpipe_compiler::plan::Route| json!({ "statement": route.statement, "steps": steps(route) });
    let pipeline =
        |view: &PipelineView| json!({ "name": view.name, "statements": view.plan.routes.iter().map(statement).collect::<Vec<_>>() });
    pipelines.iter().map(pipeline).collect()
}

/// What each pipeline does, without what was applied before or what its systems say.
pub(crate) fn explanations(style: Style, pipelines: &[Pipeline]) -> String {
    let mut text = String::new();
    for pipeline in pipelines {
        let _ = writeln!(text, "{}", paint(style, Ink::Good, &format!("+ {}", pipeline.name)));
        explain(pipeline).iter().for_each(|line| text.push_str(&format!("    {}\n", harmless(&line.to_string()))));
        text.push('\n');
    }
    text
}

fn one(text: &mut String, style: Style, pipeline: &PipelineView, explain: bool) {
    let PipelineView { name, explanation, change: _, places: _, live, plan: _ } = pipeline;
    let (action, classes) = (pipeline.action(), pipeline.classes());
    let words: Vec<&str> = classes.iter().map(|class| class.word()).collect();
    let words = if words.is_empty() { word(action).to_owned() } else { words.join(" + ") };
    let head = format!("{} {name}", sign(action));
    let _ = writeln!(text, "{}  {}", paint(style, ink(action), &head), paint(style, Ink::Strong, &words));
    for (index, Change { class, path, before, after, place: _ }) in pipeline.changes().iter().enumerate() {
        let moved = match (before, after) {
            (Some(before), Some(after)) => format!("{} → {}", harmless(before), harmless(after)),
            (None, Some(after)) => format!("+ {}", harmless(after)),
            (Some(before), None) => format!("- {}", harmless(before)),
            (None, None) => "changed".to_owned(),
        };
        let class_ink = if class.consent() == Consent::NotNeeded { Ink::Faint } else { Ink::Warning };
        let place = pipeline.places.get(index).and_then(Option::as_deref).map(|place| format!("  {place}")).unwrap_or_default();
        let _ = writeln!(text, "    {path}  {moved}{}", paint(style, Ink::Faint, &place));
        let _ = writeln!(text, "        {}", paint(style, class_ink, &format!("{}: {}", class.word(), class.effect())));
    }
    for line in explanation.iter().filter(|_| explain) {
        let _ = writeln!(text, "    {}", harmless(line));
    }
    match live {
        None => {}
        Some(LiveView { source, sink, missing, conditions, not_spread, unit }) => {
            // Both ends may be in one system.
            let mut systems = vec![&source.system, &sink.system];
            systems.dedup();
            for system in systems.into_iter().filter(|system| !system.is_empty()) {
                let _ = writeln!(text, "    {:<10} {}", "found", harmless(system));
            }
            if let Some(conditions) = conditions {
                let line = format!("    {:<10} {}", "ledger", conditions_text(conditions));
                let line = if *conditions == Conditions::Honoured { line } else { paint(style, Ink::Warning, &line).to_string() };
                let _ = writeln!(text, "{line}");
            }
            if let Some(why) = not_spread {
                let line = format!("    {:<10} not counted in the newest records: {}", "folders", harmless(why));
                let _ = writeln!(text, "{}", paint(style, Ink::Warning, &line));
            }
            if let Some(starts) = starts(&source.partitions, *unit) {
                let _ = writeln!(text, "    {:<10} {starts}", "starts at");
            }
            for missing in missing {
                let line = format!("    {:<10} {}", "missing", harmless(missing));
                let _ = writeln!(text, "{}", paint(style, Ink::Warning, &line));
            }
        }
    }
    text.push('\n');
}

/// Whether the ledger that is planned can be kept.
fn conditions_text(conditions: &Conditions) -> String {
    match conditions {
        Conditions::Honoured => "can be kept: the store refuses to overwrite what is there".to_owned(),
        Conditions::Ignored => "the store overwrites what is there, so the group's committed offsets say which records count".to_owned(),
        Conditions::Unknown(why) => format!("not tried whether the store refuses to overwrite; the start will: {}", harmless(why)),
    }
}

/// The same for programs.
fn conditions_word(conditions: &Conditions) -> &'static str {
    match conditions {
        Conditions::Honoured => "honoured",
        Conditions::Ignored => "ignored",
        Conditions::Unknown(_) => "unknown",
    }
}

/// Where a source starts and how much lies before it, over all partitions.
fn starts(partitions: &[PartitionInspection], unit: Unit) -> Option<String> {
    let count = partitions.len();
    if count == 0 {
        return None;
    }
    let committed = partitions.iter().filter(|partition| partition.committed.is_some()).count();
    let place = match partitions {
        [only] => format!("{}/{} @{}", harmless(&only.topic), only.partition, only.start),
        _ if committed == count => format!("the committed offsets of {count} partitions"),
        _ if committed == 0 => format!("{} of {count} partitions", beginning(partitions)),
        _ => format!("the committed offsets of {committed} of {count} partitions, {} of the others", beginning(partitions)),
    };
    let ahead = ahead(partitions);
    let skipped: u64 = partitions
        .iter()
        .filter(|partition| partition.committed.is_none())
        .map(|partition| distance(partition.low.0, partition.start.0))
        .sum();
    let mut text = format!("{place}; {} {} to read", grouped(ahead), unit.word(ahead));
    if skipped > 0 {
        let _ = write!(text, "; {} older ones are not read", grouped(skipped));
    }
    Some(text)
}

/// Records between the start and the end.
pub(crate) fn ahead(partitions: &[PartitionInspection]) -> u64 {
    partitions.iter().map(|partition| distance(partition.start.0, partition.high.0)).sum()
}

fn distance(from: i64, to: i64) -> u64 {
    u64::try_from(to.saturating_sub(from)).unwrap_or(0)
}

fn beginning(partitions: &[PartitionInspection]) -> &'static str {
    let fresh = || partitions.iter().filter(|partition| partition.committed.is_none());
    if fresh().all(|partition| partition.start == partition.low) {
        "the beginning"
    } else if fresh().all(|partition| partition.start == partition.high) {
        "the end"
    } else {
        "the chosen time"
    }
}

/// `Plan: 1 to create, 1 to change (1 new layout), 0 to delete.`
pub(crate) fn summary(pipelines: &[PipelineView]) -> String {
    let mut classes: Vec<(ChangeClass, usize)> = Vec::new();
    for class in pipelines.iter().filter(|pipeline| pipeline.action() == Some(Action::Change)).flat_map(PipelineView::classes) {
        match classes.iter_mut().find(|(known, _)| *known == class) {
            Some((_, count)) => *count += 1,
            None => classes.push((class, 1)),
        }
    }
    let listed: Vec<String> = classes.iter().map(|(class, count)| format!("{count} {}", class.word())).collect();
    let detail = if listed.is_empty() { String::new() } else { format!(" ({})", listed.join(", ")) };
    let unknown = count(pipelines, None);
    if unknown > 0 && unknown == pipelines.len() {
        let noun = if unknown == 1 { "pipeline" } else { "pipelines" };
        return format!("Plan: {unknown} {noun}, not compared with what runs.");
    }
    let [create, change, delete] = [Action::Create, Action::Change, Action::Delete].map(|action| count(pipelines, Some(action)));
    format!("Plan: {create} to create, {change} to change{detail}, {delete} to delete.")
}

fn count(pipelines: &[PipelineView], action: Option<Action>) -> usize {
    pipelines.iter().filter(|pipeline| pipeline.action() == action).count()
}

/// The body of the JSON document.
pub(crate) fn json(pipelines: &[PipelineView]) -> Value {
    json!({
        "plan": {
            "create": count(pipelines, Some(Action::Create)),
            "change": count(pipelines, Some(Action::Change)),
            "delete": count(pipelines, Some(Action::Delete)),
            "unchanged": count(pipelines, Some(Action::None)),
            "not_compared": count(pipelines, None),
            "pipelines": pipelines.iter().map(pipeline_json).collect::<Vec<Value>>(),
        }
    })
}

fn pipeline_json(pipeline: &PipelineView) -> Value {
    let PipelineView { name, explanation, change: _, places: _, live, plan } = pipeline;
    let changes: Vec<Value> = pipeline
        .changes()
        .iter()
        .enumerate()
        .map(|(index, change)| {
            let Change { class, path, before, after, place: _ } = change;
            let (flag, place) = (class.consent().flag(), pipeline.places.get(index));
            json!({ "class": class.word(), "path": path, "before": before, "after": after, "effect": class.effect(), "flag": flag, "place": place })
        })
        .collect();
    let live = live
        .as_ref()
        .map(|live| json!({ "source": inspection_json(&live.source), "sink": inspection_json(&live.sink), "missing": live.missing, "conditional_writes": live.conditions.as_ref().map(conditions_word), "folders_not_counted": live.not_spread, "unit": live.unit.word(2) }));
    let action = word(pipeline.action());
    json!({ "name": name, "action": action, "changes": changes, "explanation": explanation, "live": live, "pipeline": plan })
}

fn inspection_json(inspection: &Inspection) -> Value {
    let Inspection { system, partitions, missing: _, creates_by_itself: _ } = inspection;
    let partitions: Vec<Value> = partitions
        .iter()
        .map(|partition| {
            let PartitionInspection { topic, partition, low, high, committed, start, last_hour: _ } = partition;
            json!({ "topic": topic, "partition": partition, "low": low, "high": high, "committed": committed, "start": start })
        })
        .collect();
    json!({ "system": system, "partitions": partitions })
}

#[cfg(test)]
mod tests {
    use kpipe_compiler::plan::{CommitProtocol, Endpoint, ErrorPolicy, Guarantee, Options, Promise, Tolerance};
    use kpipe_engine::position::Position;

    use super::*;

    fn partition(partition: i32, low: i64, high: i64, committed: Option<i64>, start: i64) -> PartitionInspection {
        let topic = "orders".to_owned();
        PartitionInspection {
            topic,
            partition,
            low: Position(low),
            high: Position(high),
            committed: committed.map(Position),
            start: Position(start),
            last_hour: None,
        }
    }

    fn pipeline() -> Pipeline {
        let endpoint = |connector: &str| Endpoint { connector: connector.to_owned(), options: Options::default() };
        Pipeline {
            name: "p".to_owned(),
            source: endpoint("kafka"),
            sink: endpoint("s3"),
            sampled: None,
            routes: Vec::new(),
            flush: None,
            errors: ErrorPolicy { tolerance: Tolerance::None, dead_letter: None, retry_timeout_ms: None, retry_delay_max_ms: 1 },
            commit: CommitProtocol::Deterministic,
            promise: Promise { guarantee: Guarantee::AtLeastOnce, reason: String::new() },
        }
    }

    fn changed() -> PipelineView {
        let change = |class, path: &str, before: Option<&str>, after: &str| Change {
            class,
            path: path.to_owned(),
            before: before.map(str::to_owned),
            after: Some(after.to_owned()),
            place: None,
        };
        let changes = vec![
            change(ChangeClass::Restart, "source.kafka.client.fetch.wait.max.ms", None, "100"),
            change(ChangeClass::NewLayout, "kcql[0].partition", Some("date=yyyy-MM-dd"), "date=yyyy-MM-dd/hour=HH"),
        ];
        let source = Inspection {
            system: "Kafka at localhost:9092, 1 broker".to_owned(),
            partitions: vec![partition(0, 0, 1_500, Some(1_000), 1_000), partition(1, 5, 800, Some(700), 700)],
            ..Inspection::default()
        };
        let sink = Inspection { system: "S3 at http://localhost:9000".to_owned(), ..Inspection::default() };
        PipelineView {
            name: "sensors-to-lake".to_owned(),
            explanation: vec!["promise    at least once: ...".to_owned()],
            change: Some(PipelineChange { name: "sensors-to-lake".to_owned(), action: Action::Change, changes }),
            places: vec![None, Some("sensors.yaml:14".to_owned())],
            live: Some(LiveView {
                source,
                sink,
                missing: vec!["bucket `lake` does not exist; create it".to_owned()],
                conditions: None,
                not_spread: None,
                unit: Unit::Records,
            }),
            plan: pipeline(),
        }
    }

    fn plain(name: &str, action: Option<Action>) -> PipelineView {
        let change = action.map(|action| PipelineChange { name: name.to_owned(), action, changes: Vec::new() });
        PipelineView { name: name.to_owned(), explanation: Vec::new(), change, places: Vec::new(), live: None, plan: pipeline() }
    }

    #[test]
    fn a_plan_reads_as_a_change_set() {
        let mut unchanged = plain("audit-to-lake", Some(Action::None));
        unchanged.explanation = vec!["promise    at least once: long".to_owned()];
        let pipelines = [changed(), plain("mqtt-to-kafka", Some(Action::Create)), unchanged];
        assert!(human(Style::PLAIN, &pipelines, true).contains("at least once: long"));
        insta::assert_snapshot!(human(Style::PLAIN, &pipelines, false));
    }

    #[test]
    fn whether_the_ledger_can_be_kept_is_said() {
        let shown = |conditions| {
            let mut view = changed();
            view.live.iter_mut().for_each(|live| live.conditions = Some(Conditions::clone(&conditions)));
            let views = [view];
            let word = json(&views)["plan"]["pipelines"][0]["live"]["conditional_writes"].clone();
            (human(Style::PLAIN, &views, true), word)
        };
        let (text, word) = shown(Conditions::Honoured);
        assert!(text.contains("\n    ledger     can be kept: the store refuses") && word == "honoured", "{text}");
        let (text, word) = shown(Conditions::Ignored);
        assert!(text.contains("\n    ledger     the store overwrites what is there, so the group's") && word == "ignored", "{text}");
        let (text, word) = shown(Conditions::Unknown("no right to write".to_owned()));
        assert!(text.contains("\n    ledger     not tried") && text.contains("no right to write") && word == "unknown", "{text}");
    }

    #[test]
    fn a_comment_has_a_row_a_pipeline_and_what_it_asks_for() {
        let text = markdown(&[changed(), plain("mqtt-to-kafka", Some(Action::Create)), plain("audit_to_lake", Some(Action::None))]);
        assert!(text.contains("| `~` | `sensors-to-lake` | new layout, restart | `--yes` |\n"), "{text}");
        assert!(text.contains("| `=` | `audit_to_lake` | no change |  |\n"), "{text}");
        assert!(text.contains("date=yyyy-MM-dd → date=yyyy-MM-dd/hour=HH  sensors.yaml:14"), "{text}");
        assert_eq!(text.matches("<details>").count(), 2, "what does not change has nothing to unfold");
    }

    #[test]
    fn the_columns_of_every_step_are_shown_for_people_and_for_programs() {
        use kpipe_compiler::plan::{DataType, Decode, DecodeColumn, KeyPlan, RecordTail, Route, Tail, TopicName, ValueFormat};
        let mut view = plain("p", None);
        let field = DecodeColumn { path: vec!["meta".to_owned(), "site".to_owned()], data_type: DataType::String, nullable: false };
        view.plan.routes.push(Route {
            decode: Decode { format: ValueFormat::Json, columns: vec![field] },
            ..serde_json::from_value(json!({
                "statement": "INSERT INTO t SELECT meta.site FROM s",
                "from": "s",
                "decode": Decode { format: ValueFormat::Json, columns: Vec::new() },
                "project": null,
                "tail": Tail::Records(RecordTail { topic: TopicName::OfSource, key: KeyPlan::Keep, format: None }),
            }))
            .unwrap()
        });
        let text = schemas(Style::PLAIN, std::slice::from_ref(&view));
        assert!(text.starts_with("Columns of p\n  INSERT INTO t SELECT meta.site FROM s\n    1. Records of `s` are read"), "{text}");
        assert!(text.contains("\n         meta.site  string not null\n"), "{text}");
        let value = schemas_json(&[view]);
        let column = &value[0]["statements"][0]["steps"][0]["columns"][0];
        assert_eq!(column, &json!({ "name": "meta.site", "type": "string", "nullable": false, "from": null }));
    }

    #[test]
    fn offline_says_that_nothing_was_compared() {
        assert_eq!(summary(&[plain("a", None)]), "Plan: 1 pipeline, not compared with what runs.");
        assert_eq!(summary(&[plain("a", Some(Action::Delete))]), "Plan: 0 to create, 0 to change, 1 to delete.");
    }

    #[test]
    fn starts_are_summed_up() {
        let text = |partitions: &[PartitionInspection]| starts(partitions, Unit::Records).unwrap();
        assert_eq!(starts(&[], Unit::Records), None);
        assert_eq!(starts(&[partition(0, 0, 90, Some(0), 0)], Unit::Bytes).unwrap(), "orders/0 @0; 90 bytes to read");
        assert_eq!(text(&[partition(3, 0, 11, None, 10)]), "orders/3 @10; 1 record to read; 10 older ones are not read");
        assert_eq!(text(&[partition(0, 2, 9, None, 2), partition(1, 0, 5, None, 0)]), "the beginning of 2 partitions; 12 records to read");
        assert_eq!(
            text(&[partition(0, 0, 9, Some(4), 4), partition(1, 0, 5, None, 5)]),
            "the committed offsets of 1 of 2 partitions, the end of the others; 5 records to read; 5 older ones are not read"
        );
    }

    #[test]
    fn json_has_counts_changes_and_positions() {
        let value = json(&[changed(), plain("x", Some(Action::Create))]);
        assert_eq!((value["plan"]["create"].as_u64(), value["plan"]["change"].as_u64()), (Some(1), Some(1)));
        let pipeline = &value["plan"]["pipelines"][0];
        assert_eq!(pipeline["changes"][1]["class"], "new layout");
        assert_eq!(pipeline["live"]["source"]["partitions"][1]["committed"], 700);
    }
}
