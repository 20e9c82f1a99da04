//! Paths in pipelines: a plan keeps them as they are written, whoever talks to systems needs them as this process sees them.

use std::path::{Path, PathBuf};

use kpipe_compiler::catalog::{OptionKind, OptionSpec};
use kpipe_compiler::plan::{Endpoint, OptionValue, Pipeline, SecretRef};

use crate::catalog::catalog;

/// The folder of a file, empty for the directory of the command.
pub(crate) fn parent(name: &str) -> String {
    Path::new(name).parent().unwrap_or(Path::new("")).display().to_string()
}

/// The folder of a file that is named from `dir`.
pub(crate) fn folder(dir: &Path, name: &str) -> PathBuf {
    dir.join(parent(name))
}

/// The pipeline with its relative paths starting at `folder`.
pub(crate) fn situated(pipeline: &Pipeline, folder: &Path) -> Pipeline {
    let mut situated = pipeline.clone();
    let letters = situated.errors.dead_letter.as_mut().map(|letters| &mut letters.cluster);
    for endpoint in [&mut situated.source, &mut situated.sink].into_iter().chain(letters) {
        endpoint_at(endpoint, folder);
    }
    situated
}

fn endpoint_at(endpoint: &mut Endpoint, folder: &Path) {
    let Endpoint { connector, options } = endpoint;
    for (path, value) in &mut options.0 {
        match value {
            OptionValue::Text(text) if is_path(connector, path) => *text = joined(folder, text),
            OptionValue::Secret(SecretRef::File(file)) => *file = joined(folder, file),
            OptionValue::Text(_)
            | OptionValue::Integer(_)
            | OptionValue::Boolean(_)
            | OptionValue::Bytes(_)
            | OptionValue::DurationMs(_)
            | OptionValue::Secret(_)
            | OptionValue::List(_)
            | OptionValue::Map(_) => {}
        }
    }
}

fn joined(folder: &Path, path: &str) -> String {
    folder.join(path).display().to_string()
}

/// Whether an option of a connector, at either end, is a path.
fn is_path(connector: &str, path: &str) -> bool {
    let Some(spec) = catalog().connector(connector) else { return false };
    let source = spec.source.as_ref().map_or(&[][..], |source| source.options);
    let sink = spec.sink.as_ref().map_or(&[][..], |sink| sink.options);
    let named = |option: &&OptionSpec| option.path == path && option.kind == OptionKind::Path;
    source.iter().chain(sink).any(|option| named(&option))
}

#[cfg(test)]
mod tests {
    use kpipe_compiler::plan::{CommitProtocol, DeadLetter, ErrorPolicy, Guarantee, Options, Promise, Tolerance};

    use super::*;

    fn endpoint(connector: &str, options: &[(&str, OptionValue)]) -> Endpoint {
        Endpoint {
            connector: connector.to_owned(),
            options: Options(options.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()),
        }
    }

    fn text(text: &str) -> OptionValue {
        OptionValue::Text(text.to_owned())
    }

    fn file(path: &str) -> OptionValue {
        OptionValue::Secret(SecretRef::File(path.to_owned()))
    }

    #[test]
    fn relative_paths_start_at_the_folder_and_nothing_else_moves() {
        let cluster = endpoint("kafka", &[("tls.ca", text("ca.pem")), ("sasl.password", file("secret"))]);
        let pipeline = Pipeline {
            name: "p".to_owned(),
            source: endpoint("file", &[("dir", text("in")), ("mode", text("once")), ("positions", text("/abs/p.json"))]),
            sink: endpoint("local", &[("dir", text("../out")), ("prefix", text("a/b")), ("flush.records", OptionValue::Integer(1))]),
            sampled: None,
            routes: Vec::new(),
            flush: None,
            errors: ErrorPolicy {
                tolerance: Tolerance::All,
                dead_letter: Some(DeadLetter { topic: "t".to_owned(), cluster }),
                retry_timeout_ms: None,
                retry_delay_max_ms: 1,
            },
            commit: CommitProtocol::Deterministic,
            promise: Promise { guarantee: Guarantee::AtLeastOnce, reason: String::new() },
        };
        let found = situated(&pipeline, Path::new("pipes/x"));
        let source = [found.source.options.text("dir"), found.source.options.text("mode"), found.source.options.text("positions")];
        assert_eq!(source, [Some("pipes/x/in"), Some("once"), Some("/abs/p.json")]);
        assert_eq!([found.sink.options.text("dir"), found.sink.options.text("prefix")], [Some("pipes/x/../out"), Some("a/b")]);
        let letters = &found.errors.dead_letter.as_ref().unwrap().cluster.options;
        assert_eq!(letters.text("tls.ca"), Some("pipes/x/ca.pem"));
        assert_eq!(letters.secret("sasl.password"), Some(&SecretRef::File("pipes/x/secret".to_owned())));
        assert_eq!(situated(&pipeline, Path::new("")), pipeline, "in the directory of the command they are as they are written");
    }

    #[test]
    fn folders_of_files() {
        assert_eq!((parent("p.yaml"), parent("a/b/p.yaml"), parent("../p.yaml")), (String::new(), "a/b".to_owned(), "..".to_owned()));
        assert_eq!(folder(Path::new("/x"), "a/p.yaml"), PathBuf::from("/x/a"));
        assert_eq!(folder(Path::new("/x"), "/y/p.yaml"), PathBuf::from("/y"));
    }
}
