//! Statements of all pipelines together: no two may give their objects the same names.
//!
//! An object is never written over, it counts as there already. So of two statements with the same names one would lose its records.

use std::path::{Component, Path, PathBuf};

use miette::Diagnostic;
use thiserror::Error;

use crate::document::Document;
use crate::lower::Places;
use crate::plan::naming::FileNumbers;
use crate::plan::{FileTail, Pipeline, Route, Tail};
use crate::report::{Entry, Report};
use crate::sources::{Location, Sources};

/// Statements that write the same objects.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
#[error("two {who} write the records of `{topic}` to objects of the same names in `{target}`: those of one would be lost")]
#[diagnostic(code(KP0612), help("give one of the two another target, for example `INSERT INTO {target}-2`"))]
struct SameObjects {
    who: &'static str,
    topic: String,
    target: String,
}

/// A statement that writes files.
struct Writer<'a> {
    pipeline: usize,
    /// The system that the files go to, as far as the options say; `None` if that is not known in this run.
    store: Option<Vec<String>>,
    route: &'a Route,
    tail: &'a FileTail,
    at: Location,
}

/// Reports every statement whose objects are called as those of an earlier one. Gives the pipelines that are part of it.
pub(super) fn check(sources: &Sources, documents: &[Document], found: &[(&Pipeline, &Places)], report: &mut Report) -> Vec<usize> {
    let mut writers: Vec<Writer<'_>> = Vec::new();
    let mut refused = Vec::new();
    for (index, (pipeline, places)) in found.iter().enumerate() {
        // Of pipelines with the same name that is said, and one of them is to be renamed anyway.
        if found[..index].iter().any(|(other, _)| other.name == pipeline.name) {
            continue;
        }
        let document = documents.iter().find(|document| document.name.node == pipeline.name);
        let store = document.and_then(|document| store(sources, document, pipeline));
        for (number, route) in pipeline.routes.iter().enumerate() {
            let (Tail::Files(tail), Some(at)) = (&route.tail, places.find(&format!("kcql[{number}].into"))) else { continue };
            let writer = Writer { pipeline: index, store: store.clone(), route, tail, at };
            if let Some(first) = writers.iter().find(|first| same_objects(first, &writer)) {
                report.push(said(first, &writer));
                refused.extend([first.pipeline, index]);
            }
            writers.push(writer);
        }
    }
    refused
}

fn said(first: &Writer<'_>, second: &Writer<'_>) -> Entry {
    let together = first.pipeline == second.pipeline;
    let FileTail { bucket, prefix, .. } = second.tail;
    let target = if bucket.is_empty() || prefix.is_empty() { format!("{bucket}{prefix}") } else { format!("{bucket}:{prefix}") };
    let who = if together { "statements" } else { "pipelines" };
    let error = SameObjects { who, topic: second.route.from.clone(), target };
    Entry::new(second.at.file, error).label(second.at, "the same names again").label(first.at, "written here already")
}

fn same_objects(first: &Writer<'_>, second: &Writer<'_>) -> bool {
    let same_store = first.pipeline == second.pipeline || first.store.is_some() && first.store == second.store;
    same_store && overlap(&first.route.from, &second.route.from) && first.tail.bucket == second.tail.bucket && {
        let topic = &first.route.from;
        let numbers = FileNumbers { partition: 0, first_offset: 0, last_offset: 0, first_timestamp_ms: 0, last_timestamp_ms: 0 };
        let name = |tail: &FileTail| (tail.root(topic), tail.file_name(topic, &numbers));
        name(first.tail) == name(second.tail)
    }
}

/// Whether two names of a source may stand for the same topic or file. Patterns are compared by what they begin and end with.
fn overlap(first: &str, second: &str) -> bool {
    let wild = |c: char| matches!(c, '*' | '?' | '[' | '{');
    if !first.contains(wild) && !second.contains(wild) {
        return first == second;
    }
    let ends = |text: &'_ str| {
        let head = text.find(wild).unwrap_or(text.len());
        let tail = text.rfind(|c| wild(c) || matches!(c, ']' | '}')).map_or(0, |at| at + 1);
        (text[..head].to_owned(), text[tail..].to_owned())
    };
    let ((head, tail), (other_head, other_tail)) = (ends(first), ends(second));
    let one_begins = head.starts_with(&other_head) || other_head.starts_with(&head);
    one_begins && (tail.ends_with(&other_tail) || other_tail.ends_with(&tail))
}

/// What tells one store from another: its connector, its address, its directory as seen from where the command runs.
fn store(sources: &Sources, document: &Document, pipeline: &Pipeline) -> Option<Vec<String>> {
    const ADDRESS: [&str; 2] = ["endpoint", "dir"];
    if ADDRESS.iter().any(|option| document.sink.absent.contains(*option)) {
        return None;
    }
    let options = &pipeline.sink.options;
    let endpoint = options.text("endpoint").map(|url| url.trim_end_matches('/').to_ascii_lowercase()).unwrap_or_default();
    let home = Path::new(&sources.file(document.name.at.file).name).parent().unwrap_or(Path::new(""));
    let folder = options.text("dir").map(|dir| plain(&home.join(dir)).display().to_string()).unwrap_or_default();
    Some(vec![pipeline.sink.connector.clone(), endpoint, folder])
}

/// A path without `.` and without `..` behind a name.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(plain.components().next_back(), Some(Component::Normal(_))) => {
                plain.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::ParentDir | Component::Normal(_) => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::tests::compiled;
    use crate::document::tests::fixture::{World, lake, run, shown};
    use crate::sources::Sources;

    fn codes(texts: &[String]) -> Vec<String> {
        let (sources, found) = compiled(texts);
        let said = shown(&sources, &found);
        assert_eq!(found.pipelines.is_empty(), !said.is_empty(), "no pipeline of a collision comes out");
        said.iter().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect()
    }

    fn statements(kcql: &str) -> String {
        lake("    {}").replace("INSERT INTO lake SELECT * FROM t", kcql)
    }

    #[test]
    fn two_statements_of_one_name_are_refused_and_others_are_not() {
        for (second, expected) in [
            ("INSERT INTO lake:x SELECT b FROM t", true),
            ("INSERT INTO lake:x SELECT * FROM t PARTITIONBY _topic", true),
            ("INSERT INTO lake:x SELECT * FROM u", false),
            ("INSERT INTO lake:y SELECT * FROM t", false),
            ("INSERT INTO pond:x SELECT * FROM t", false),
        ] {
            let found = codes(&[statements(&format!("INSERT INTO lake:x SELECT a FROM t; {second}"))]);
            assert_eq!(found, if expected { vec!["0.yaml:8:55 KP0612"] } else { vec![] }, "{second}");
        }
    }

    #[test]
    fn so_are_two_pipelines_of_one_run_with_the_same_store() {
        let other = |sink: &str| lake(sink).replace("pipeline: lake", "pipeline: other");
        assert_eq!(codes(&[lake("    {}"), other("    {}")]), ["1.yaml:8:19 KP0612"]);
        assert_eq!(codes(&[lake("    endpoint: http://a:1"), other("    endpoint: http://A:1/")]), ["1.yaml:8:19 KP0612"]);
        assert!(codes(&[lake("    endpoint: http://a:1"), other("    endpoint: http://b:1")]).is_empty());
        assert!(codes(&[lake("    {}"), other("    {}").replace("FROM t", "FROM u")]).is_empty());
        assert!(codes(&[lake("    {}"), other("    prefix: x")]).is_empty());
    }

    #[test]
    fn both_places_are_shown() {
        let mut sources = Sources::new();
        sources.add("p.yaml", statements("INSERT INTO lake:x SELECT a FROM t; INSERT INTO lake:x SELECT b FROM t"));
        let views = run(&sources, &World::default()).report.views(&sources);
        let places: Vec<_> = views[0].primary.iter().chain(&views[0].secondary).map(|label| label.begin.column).collect();
        assert_eq!(places, [55, 19]);
        assert!(views[0].message.contains("`t`") && views[0].message.contains("`lake:x`"), "{}", views[0].message);
    }

    #[test]
    fn patterns_overlap_unless_their_ends_tell_them_apart() {
        for (first, second, expected) in [
            ("a", "a", true),
            ("a", "b", false),
            ("*.log", "a.log", true),
            ("*.log", "*.txt", false),
            ("a/*.log", "b/*.log", false),
            ("a*", "ab*c", true),
            ("{a,b}.log", "a.log", true),
            ("app-?.log", "app-[0-9].log", true),
        ] {
            assert_eq!((overlap(first, second), overlap(second, first)), (expected, expected), "{first} {second}");
        }
    }

    #[test]
    fn a_directory_is_the_same_however_it_is_written() {
        for (written, expected) in [("a/./b", "a/b"), ("a/../b", "b"), ("../b", "../b"), ("/x/../y", "/y"), ("", "")] {
            assert_eq!(plain(Path::new(written)), Path::new(expected));
        }
    }
}
