//! Every description of a connector, read by the compiler: examples compile, each option takes its own example and default.

use kpipe_compiler::catalog::{Catalog, ConnectorSpec, OptionKind, OptionSpec};
use kpipe_compiler::report::{Severity, View};
use kpipe_compiler::sources::{Lookups, Mode, Sources};
use kpipe_connectors::ALL;

/// Every variable is set, every file is an Avro schema.
struct World;

impl Lookups for World {
    fn env(&self, name: &str) -> Option<String> {
        Some(format!("value-of-{}", name.to_lowercase().replace('_', "-")))
    }

    fn file(&self, _base: &str, _path: &str) -> Result<String, String> {
        Ok("{\"type\": \"record\", \"name\": \"t\", \"fields\": [{\"name\": \"id\", \"type\": \"long\"}]}".to_owned())
    }
}

fn specs() -> Vec<&'static ConnectorSpec> {
    ALL.iter().map(|connector| connector.spec).collect()
}

/// Errors of a pipeline with a profile laid over it.
fn errors(pipeline: &str, profile: &str) -> (Vec<View>, usize) {
    let catalog = Catalog { connectors: specs().leak() };
    let mut sources = Sources::new();
    sources.add("pipeline.yaml", pipeline);
    sources.add_profile("profile.yaml", profile);
    let compiled = kpipe_compiler::compile(&sources, &catalog, &World, Mode::Plan);
    let mut views = compiled.report.views(&sources);
    views.retain(|view| view.severity == Severity::Error);
    (views, compiled.pipelines.len())
}

#[test]
fn examples_compile() {
    for spec in specs() {
        let (errors, pipelines) = errors(spec.example, "");
        assert!(errors.is_empty() && pipelines == 1, "{}: {errors:#?}", spec.name);
    }
}

/// A small pipeline that has the connector at this end.
fn around(spec: &ConnectorSpec, end: &str) -> String {
    let required = |options: &[OptionSpec]| {
        let written = options.iter().filter(|option| option.required).map(|option| format!("\"{}\": {}", option.path, option.example));
        written.collect::<Vec<_>>().join(", ")
    };
    let own = |options: &[OptionSpec]| format!("{{ {}: {{ {} }} }}", spec.name, required(options));
    let kafka = "{ kafka: { brokers: [localhost:9092] } }".to_owned();
    let (source, sink) = match (end, &spec.source, &spec.sink) {
        ("source", Some(source), _) => (own(source.options), kafka),
        (_, _, Some(sink)) => (kafka, own(sink.options)),
        _ => panic!("`{}` is no {end}", spec.name),
    };
    format!("version: 1\npipeline: p\nsource: {source}\nsink: {sink}\nkcql: INSERT INTO target SELECT * FROM origin\n")
}

/// What is wrong with an option alone; what does not go with the rest of a small pipeline is of no interest here.
fn own_errors(spec: &ConnectorSpec, end: &str, option: &OptionSpec, value: &str) -> Vec<String> {
    let profile = format!("all:\n  {end}.{}.{}: {value}\n", spec.name, option.path);
    let (errors, _) = errors(&around(spec, end), &profile);
    // One half of a pair is given, so the other half is missing.
    let of_values =
        |view: &&View| (view.code.starts_with("KP02") && view.code != "KP0220") || ["KP0341", "KP0349"].contains(&view.code.as_str());
    errors.iter().filter(of_values).map(|view| format!("{end}.{}.{}: {} {}", spec.name, option.path, view.code, view.message)).collect()
}

fn every_option() -> Vec<(&'static ConnectorSpec, &'static str, &'static OptionSpec)> {
    let mut options = Vec::new();
    for spec in specs() {
        let source = spec.source.iter().flat_map(|source| source.options).map(|option| (spec, "source", option));
        options.extend(source);
        options.extend(spec.sink.iter().flat_map(|sink| sink.options).map(|option| (spec, "sink", option)));
    }
    options
}

#[test]
fn each_option_takes_its_own_example() {
    let wrong: Vec<String> =
        every_option().into_iter().flat_map(|(spec, end, option)| own_errors(spec, end, option, option.example)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn each_option_takes_its_own_default() {
    let mut wrong = Vec::new();
    for (spec, end, option) in every_option() {
        if let Some(default) = option.default {
            wrong.extend(own_errors(spec, end, option, default));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn paths_are_unique_and_no_option_is_a_group_of_others() {
    for (spec, end, option) in every_option() {
        let same = every_option().into_iter().filter(|(other, other_end, _)| other.name == spec.name && *other_end == end);
        let paths: Vec<&str> = same.map(|(_, _, option)| option.path).collect();
        assert_eq!(paths.iter().filter(|path| **path == option.path).count(), 1, "{}.{}", spec.name, option.path);
        let group = format!("{}.", option.path);
        assert!(!paths.iter().any(|path| path.starts_with(&group)), "{}.{} is a value and a group", spec.name, option.path);
    }
}

#[test]
fn secrets_are_texts_without_a_default() {
    for (spec, _, option) in every_option().into_iter().filter(|(_, _, option)| option.secret) {
        assert!(option.kind == OptionKind::Text && option.default.is_none(), "{}.{}", spec.name, option.path);
    }
}

#[test]
fn a_wrong_value_would_be_seen() {
    for (spec, end, option) in every_option() {
        let wrong = own_errors(spec, end, option, "[[]]");
        assert!(!wrong.is_empty(), "{end}.{}.{} takes anything", spec.name, option.path);
    }
}
