//! The keys of a YAML file by their places: `source.kafka.brokers` for a byte in the list of brokers.

use kpipe_compiler::report::Report;
use kpipe_compiler::sources::SourceFile;
use kpipe_compiler::yaml::{Node, read};
use kpipe_grammar::span::Span;

/// The documents of one file.
#[derive(Debug)]
pub(crate) struct Outline(Vec<Node>);

impl Outline {
    /// Reads what can be read; mistakes are somebody else's business.
    pub(crate) fn of(file: &SourceFile) -> Self {
        Self(read(file, &mut Report::default()).roots)
    }

    /// The path of the innermost key that holds a place; none outside of every key.
    pub(crate) fn path(&self, place: Span) -> Option<String> {
        let mut path = String::new();
        inside(self.document(place)?, place, &mut path);
        (!path.is_empty()).then_some(path)
    }

    /// The name of the pipeline that a place belongs to.
    pub(crate) fn pipeline(&self, place: Span) -> Option<String> {
        self.document(place)?.get("pipeline")?.value.scalar().map(|name| name.text.clone())
    }

    /// The document that a place is in: the last one that begins at or before it, or the first for what stands before all.
    fn document(&self, place: Span) -> Option<&Node> {
        self.0.iter().rev().find(|root| root.at.span.start <= place.start).or_else(|| self.0.first())
    }
}

fn inside(node: &Node, place: Span, path: &mut String) {
    for entry in node.entries().unwrap_or_default() {
        let whole = Span::new(entry.at.span.start, entry.value.place().span.end.max(entry.at.span.end));
        if holds(whole, place) {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&entry.key);
            return inside(&entry.value, place, path);
        }
    }
    for (index, item) in node.items().unwrap_or_default().iter().enumerate() {
        if holds(item.place().span, place) {
            path.push_str(&format!("[{index}]"));
            return inside(item, place, path);
        }
    }
}

fn holds(whole: Span, place: Span) -> bool {
    whole.start <= place.start && place.end <= whole.end
}

#[cfg(test)]
mod tests {
    use kpipe_compiler::sources::Sources;

    use super::*;

    const TEXT: &str = "\
version: 1
pipeline: a
source:
  kafka: { brokers: [one:1, two:2] }
kcql: |
  INSERT INTO x
---
pipeline: b
sink: { s3: { region: r } }
";

    fn found(text: &str, word: &str) -> (Option<String>, Option<String>) {
        let mut sources = Sources::new();
        let id = sources.add("a.yaml", text);
        let outline = Outline::of(sources.file(id));
        let at = text.find(word).unwrap();
        let place = Span::new(at, at + word.len());
        (outline.pipeline(place), outline.path(place))
    }

    #[test]
    fn a_place_has_a_path_and_a_pipeline() {
        for (word, pipeline, path) in [
            ("two:2", "a", "source.kafka.brokers[1]"),
            ("brokers", "a", "source.kafka.brokers"),
            ("INSERT", "a", "kcql"),
            ("region", "b", "sink.s3.region"),
            ("version", "a", "version"),
            ("b\nsink", "b", ""),
        ] {
            let expected = (Some(pipeline.to_owned()), (!path.is_empty()).then(|| path.to_owned()));
            assert_eq!(found(TEXT, word), expected, "{word:?}");
        }
    }

    #[test]
    fn a_file_that_is_no_tree_has_no_paths() {
        assert_eq!(found("a: [1\n", "1"), (None, None));
        assert_eq!(found("just text", "text"), (None, None));
    }
}
