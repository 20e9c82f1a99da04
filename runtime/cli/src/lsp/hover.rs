//! What something means, in Markdown.

use kpipe_compiler::catalog::MetadataColumn;
use kpipe_compiler::functions::{self, Function};
use kpipe_compiler::lower::metadata_name;
use kpipe_compiler::schema::type_text;
use kpipe_compiler::shape::{Key, Shape};

use super::facts::Facts;
use crate::commands::kind_words;
use crate::reference;

/// What a key takes: its type, whether it must be there, its default.
pub(super) fn facts(key: &Key) -> Vec<String> {
    let kind = match &key.shape {
        Shape::Version => Some("1".to_owned()),
        Shape::PipelineName => Some("text".to_owned()),
        Shape::Kcql => Some("KCQL statements".to_owned()),
        Shape::Value(kind) => Some(kind_words(kind)),
        Shape::Format(formats) => Some(formats.iter().map(|format| format.name).collect::<Vec<_>>().join(" | ")),
        Shape::ConnectionName => Some("the name of a connection".to_owned()),
        Shape::TextOr(_) => Some("text, or a mapping".to_owned()),
        Shape::Keys(_) | Shape::Connector { .. } | Shape::Named(_) => None,
    };
    let required = key.required.then(|| "required".to_owned());
    let default = key.default.map(|default| format!("default `{default}`"));
    let secret = key.secret.then(|| "secret".to_owned());
    kind.into_iter().chain(required).chain(default).chain(secret).collect()
}

/// What a user must know about a key, and an example.
pub(super) fn words(key: &Key) -> String {
    let example = (!key.example.is_empty()).then(|| format!("e.g. `{}`", key.example));
    let doc = Some(key.doc.to_owned()).filter(|doc| !doc.is_empty());
    doc.into_iter().chain(example).collect::<Vec<_>>().join("\n\n")
}

/// A key under the mouse.
pub(super) fn key(path: &[String], key: &Key) -> String {
    let facts = facts(key).join(", ");
    let head = if facts.is_empty() { format!("**{}**", path.join(".")) } else { format!("**{}**: {facts}", path.join(".")) };
    [head, words(key)].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
}

/// What the reference says about a clause.
pub(super) fn clause(word: &str) -> Option<String> {
    let section = reference::about(word)?;
    Some(format!("**{}**\n\n{}", section.title, section.summary()))
}

/// A word of a statement: a column with its type, a metadata column, or a keyword.
pub(super) fn word(word: &str, facts: &Facts) -> Option<String> {
    let path: Vec<&str> = word.split('.').collect();
    if let Some(field) = facts.field(&path) {
        let null = if field.nullable { "" } else { " not null" };
        return Some(format!("**{word}**: `{}{null}`", type_text(&field.data_type)));
    }
    let function = || functions::find(word).map(|found| format!("**{}**\n\n{}", found.signature(), function(found)));
    metadata(&path, facts).or_else(|| is_keyword(word).then(|| clause(word)).flatten()).or_else(function)
}

/// What a function is for, and conditions that are true.
pub(super) fn function(function: &Function) -> String {
    let examples: Vec<String> = function.examples.iter().map(|example| format!("`{example}`")).collect();
    format!("{}\n\ne.g. {}", function.summary, examples.join(", "))
}

fn is_keyword(word: &str) -> bool {
    let same = |keyword: &str| keyword.split(' ').any(|part| part.eq_ignore_ascii_case(word));
    kpipe_grammar::keywords().into_iter().any(same)
}

fn metadata(path: &[&str], facts: &Facts) -> Option<String> {
    let source = facts.source?;
    let columns = source.source.as_ref()?.columns;
    let is_it = |column: &&MetadataColumn| metadata_name(**column).split('.').next() == path.first().copied();
    let column = columns.iter().find(is_it)?;
    let what = match column {
        MetadataColumn::Topic => "`string not null`: the topic, or the file, that the record comes from",
        MetadataColumn::Partition => "`int not null`: the partition of the source",
        MetadataColumn::Offset => "`bigint not null`: the position in the partition",
        MetadataColumn::Timestamp => "`timestamp`: the record's own time, or that of its arrival",
        MetadataColumn::Key => "`string`: the key of the record as text",
        MetadataColumn::Header => "`string`: a header of the record, by its name behind the dot",
        MetadataColumn::Qos => "`int not null`: the quality of service of the message",
        MetadataColumn::Retained => "`boolean not null`: whether the broker kept the message",
    };
    Some(format!("**{}**: {what}", metadata_name(*column)))
}
