//! `kpipe connectors`: what this binary can talk to, from the descriptions that the compiler checks options against.

use std::fmt::Write as _;

use kpipe_compiler::catalog::{ConnectorSpec, OptionKind, OptionSpec, PropertySpec, SinkKind};
use kpipe_connectors::ALL;
use serde_json::{Value, json};

use super::print;
use crate::args::{Common, Connectors, Format};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::host::{Host, Style};
use crate::render::json;
use crate::render::paint::{Ink, paint};

/// Lists the connectors, or one in full.
pub(crate) fn run(common: &Common, args: &Connectors, host: &mut Host<'_>) -> Result<Exit, Failure> {
    let specs: Vec<&ConnectorSpec> = ALL.iter().map(|def| def.spec).collect();
    let style = host.out_style(common.color);
    let chosen = args.name.as_deref().map(|name| find(&specs, name)).transpose()?;
    let text = match (args.format, chosen) {
        (Format::Json, Some(spec)) => json::document(Exit::Done, &[], &[], json!({ "connector": full(spec) })),
        (Format::Json, None) => {
            let all: Vec<Value> = specs.iter().map(|spec| full(spec)).collect();
            json::document(Exit::Done, &[], &[], json!({ "connectors": all }))
        }
        (Format::Human | Format::Plain, Some(spec)) => describe(spec, style),
        (Format::Human | Format::Plain, None) => list(&specs, style),
    };
    print(host, &text)?;
    Ok(Exit::Done)
}

fn find<'a>(specs: &[&'a ConnectorSpec], name: &str) -> Result<&'a ConnectorSpec, Failure> {
    specs.iter().copied().find(|spec| spec.name == name).ok_or_else(|| {
        let names: Vec<&str> = specs.iter().map(|spec| spec.name).collect();
        Failure::new(Exit::Usage, format!("there is no connector `{name}`")).help(format!("this binary has: {}", names.join(", ")))
    })
}

fn list(specs: &[&ConnectorSpec], style: Style) -> String {
    let mut text = String::new();
    for spec in specs {
        let name = format!("{:<8}", spec.name);
        let _ = writeln!(text, "{} {:<13} {}", paint(style, Ink::Strong, &name), ends(spec), spec.summary);
    }
    text.push_str("\n`kpipe connectors NAME` shows the options and an example of one.\n");
    text
}

fn ends(spec: &ConnectorSpec) -> &'static str {
    match (&spec.source, &spec.sink) {
        (Some(_), Some(_)) => "source, sink",
        (Some(_), None) => "source",
        (None, Some(_)) => "sink",
        (None, None) => "-",
    }
}

fn describe(spec: &ConnectorSpec, style: Style) -> String {
    let ConnectorSpec { name, summary, example, source, sink } = spec;
    let mut text = format!("{}: {summary}\n", paint(style, Ink::Strong, name));
    if let Some(source) = source {
        let _ = writeln!(text, "\n{}", paint(style, Ink::Strong, "As a source"));
        clauses(&mut text, source.clauses);
        options(&mut text, source.options, style);
    }
    if let Some(sink) = sink {
        let _ = writeln!(text, "\n{}", paint(style, Ink::Strong, "As a sink"));
        clauses(&mut text, sink.clauses);
        if !sink.formats.is_empty() {
            let _ = writeln!(text, "  formats: {}", sink.formats.join(", "));
        }
        options(&mut text, sink.options, style);
        properties(&mut text, sink.properties, style);
    }
    let _ = write!(text, "\n{}\n\n{}\n", paint(style, Ink::Strong, "Example"), example.trim_end());
    text
}

fn clauses(text: &mut String, clauses: &[&str]) {
    if !clauses.is_empty() {
        let _ = writeln!(text, "  clauses: {}", clauses.join(", "));
    }
}

fn options(text: &mut String, options: &[OptionSpec], style: Style) {
    for option in options {
        let OptionSpec { path, kind, required, default, secret, change: _, doc, example } = option;
        let mut facts = vec![kind_words(kind)];
        facts.extend(required.then(|| "required".to_owned()));
        facts.extend(default.map(|default| format!("default {default}")));
        facts.extend(secret.then(|| "secret".to_owned()));
        let _ = writeln!(text, "\n  {}  {}", paint(style, Ink::Strong, path), paint(style, Ink::Faint, &facts.join(", ")));
        let _ = writeln!(text, "      {doc}");
        if !example.is_empty() && Some(*example) != *default {
            let _ = writeln!(text, "      e.g. {example}");
        }
    }
}

fn properties(text: &mut String, properties: &[PropertySpec], style: Style) {
    if properties.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{}", paint(style, Ink::Strong, "PROPERTIES of a statement"));
    for PropertySpec { key, option, factor: _ } in properties {
        let _ = writeln!(text, "  {key:<32} as `{option}`");
    }
}

/// What an option takes, in words.
pub(crate) fn kind_words(kind: &OptionKind) -> String {
    match kind {
        OptionKind::Text => "text".to_owned(),
        OptionKind::Path => "path".to_owned(),
        OptionKind::Choice(words) => words.join(" | "),
        OptionKind::Integer { min, max: i64::MAX } => format!("integer, {min} or more"),
        OptionKind::Integer { min, max } => format!("integer {min} to {max}"),
        OptionKind::Boolean => "true | false".to_owned(),
        OptionKind::Bytes { .. } => "size".to_owned(),
        OptionKind::Duration { .. } => "duration".to_owned(),
        OptionKind::Url(schemes) => format!("url ({})", schemes.join(", ")),
        OptionKind::HostPort => "host:port".to_owned(),
        OptionKind::StartPosition => "earliest | latest | time stamp".to_owned(),
        OptionKind::Schema => "schema".to_owned(),
        OptionKind::Format => "format".to_owned(),
        OptionKind::List(of) => format!("list of {}", kind_words(of)),
        OptionKind::Map(_) => "mapping".to_owned(),
    }
}

fn full(spec: &ConnectorSpec) -> Value {
    let ConnectorSpec { name, summary, example, source, sink } = spec;
    let source = source.as_ref().map(|source| json!({ "clauses": source.clauses, "options": options_json(source.options) }));
    let sink = sink.as_ref().map(|sink| {
        let kind = match sink.kind {
            SinkKind::Files => "files",
            SinkKind::Records => "records",
        };
        let properties: Vec<Value> = sink.properties.iter().map(|p| json!({ "key": p.key, "option": p.option })).collect();
        json!({ "kind": kind, "clauses": sink.clauses, "formats": sink.formats, "options": options_json(sink.options), "properties": properties })
    });
    json!({ "name": name, "summary": summary, "source": source, "sink": sink, "example": example })
}

fn options_json(options: &[OptionSpec]) -> Vec<Value> {
    options
        .iter()
        .map(|option| {
            let OptionSpec { path, kind, required, default, secret, change: _, doc, example } = option;
            json!({ "path": path, "kind": kind_words(kind), "required": required, "default": default, "secret": secret,
                    "doc": doc, "example": example })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::host::Terminal;
    use crate::host::tests::with_host;

    fn connectors(name: Option<&str>, format: Format) -> (Result<Exit, Failure>, String) {
        let args = Connectors { name: name.map(str::to_owned), format };
        let (result, out, _) = with_host(Path::new("."), Terminal::default(), |_| None, |host| run(&Common::default(), &args, host));
        (result, out)
    }

    #[test]
    fn every_connector_is_listed_and_described() {
        let (_, list) = connectors(None, Format::Human);
        for def in ALL {
            let spec = def.spec;
            assert!(list.contains(spec.name) && list.contains(spec.summary));
            let (_, text) = connectors(Some(spec.name), Format::Human);
            assert!(text.contains(spec.example.trim_end()));
            let options = spec.source.iter().flat_map(|s| s.options).chain(spec.sink.iter().flat_map(|s| s.options));
            for option in options {
                assert!(text.contains(option.path) && text.contains(option.doc), "{}", option.path);
            }
        }
    }

    #[test]
    fn json_is_one_document() {
        let (_, text) = connectors(None, Format::Json);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["connectors"].as_array().unwrap().len(), ALL.len());
        let (_, text) = connectors(Some("s3"), Format::Json);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["connector"]["sink"]["kind"], "files");
    }

    #[test]
    fn an_unknown_name_is_a_usage_error_that_lists_the_known_ones() {
        let (result, _) = connectors(Some("pulsar"), Format::Human);
        let failure = result.unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.help.unwrap().contains("s3"));
    }
}
