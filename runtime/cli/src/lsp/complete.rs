//! What can be written at a place.

use std::collections::BTreeSet;

use kpipe_compiler::catalog::OptionKind;
use kpipe_compiler::functions::FUNCTIONS;
use kpipe_compiler::lower::metadata_name;
use kpipe_compiler::plan::Field;
use kpipe_compiler::schema::{TYPE_NAMES, type_text};
use kpipe_compiler::shape::{Key, Shape};

use super::cursor::{Cursor, KeyAt};
use super::facts::{Facts, Names};
use super::hover;
use super::kcql::{Due, Spot};

/// Something to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// What is shown and searched.
    pub(super) label: String,
    /// What it is, as the protocol numbers it.
    pub(super) kind: Kind,
    /// Beside the label.
    pub(super) detail: String,
    /// Markdown.
    pub(super) doc: String,
    /// What is written.
    pub(super) insert: String,
}

/// Kinds of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Function = 3,
    Field = 5,
    Module = 9,
    Property = 10,
    Value = 12,
    Keyword = 14,
    Reference = 18,
    EnumMember = 20,
    TypeParameter = 25,
}

impl Item {
    fn new(label: impl Into<String>, kind: Kind) -> Self {
        let label = label.into();
        Self { insert: label.clone(), label, kind, detail: String::new(), doc: String::new() }
    }

    fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..self }
    }
}

/// The keys that may stand at a place and do not yet.
pub(super) fn keys(shape: &Shape, cursor: &Cursor, present: &[KeyAt]) -> Vec<Item> {
    let siblings: BTreeSet<&str> =
        present.iter().filter(|key| key.path == cursor.path && key.at.start != cursor.typed.start).map(|key| key.name.as_str()).collect();
    if let Some(Shape::Value(OptionKind::Map(names))) = shape.at(&cursor.path) {
        let free = names.iter().filter(|name| !siblings.contains(*name));
        return free.map(|name| Item { insert: format!("{name}: "), ..Item::new(*name, Kind::Property) }).collect();
    }
    let Some(here) = shape.at(&cursor.path) else { return Vec::new() };
    let connectors = connectors(here);
    let has_connector = siblings.iter().any(|name| connectors.contains(name));
    let keys = here.keys().into_iter().filter(|key| !siblings.contains(key.name));
    keys.filter(|key| !has_connector || !connectors.contains(&key.name)).map(|key| key_item(key, connectors.contains(&key.name))).collect()
}

/// The connectors of which only one may stand.
fn connectors(shape: &Shape) -> Vec<&'static str> {
    match shape {
        Shape::Connector { connectors, beside: _, is_open: false } => connectors.iter().map(|key| key.name).collect(),
        Shape::TextOr(shape) => connectors(shape),
        _ => Vec::new(),
    }
}

fn key_item(key: &Key, is_connector: bool) -> Item {
    let kind = if is_connector { Kind::Module } else { Kind::Property };
    let is_leaf = key.shape.keys().is_empty();
    let insert = format!("{}:{}", key.name, if is_leaf { " " } else { "" });
    Item { detail: hover::facts(key).join(", "), doc: hover::words(key), insert, ..Item::new(key.name, kind) }
}

/// The values that the key at a place may have.
pub(super) fn values(shape: &Shape, path: &[String], connections: &[String]) -> Vec<Item> {
    let Some(key) = shape.key(path) else {
        // Below a schema the user's own names stand; what is due is a type.
        let is_schema = |depth| matches!(shape.key(&path[..depth]).map(|key| &key.shape), Some(Shape::Value(OptionKind::Schema)));
        return if (1..path.len()).any(is_schema) { types() } else { Vec::new() };
    };
    let mut items = match &key.shape {
        Shape::Version => vec![Item::new("1", Kind::Value)],
        Shape::Format(formats) => formats.iter().map(|format| Item::new(format.name, Kind::EnumMember)).collect(),
        Shape::ConnectionName => connections.iter().map(|name| Item::new(name, Kind::Reference)).collect(),
        Shape::Value(kind) => words(kind).iter().map(|word| Item::new(*word, Kind::EnumMember)).collect(),
        Shape::PipelineName | Shape::Kcql | Shape::Keys(_) | Shape::Connector { .. } | Shape::Named(_) | Shape::TextOr(_) => Vec::new(),
    };
    let is_single = matches!(key.shape, Shape::Value(_));
    let examples = key.default.into_iter().chain(Some(key.example).filter(|example| !example.is_empty()));
    for example in examples.filter(|_| is_single) {
        if !items.iter().any(|item| item.label == example) {
            items.push(Item::new(example, Kind::Value));
        }
    }
    for item in &mut items {
        item.detail = if key.default == Some(item.label.as_str()) { "default".to_owned() } else { String::new() };
        item.doc = hover::words(key);
    }
    items
}

/// The words that a kind of option takes.
fn words(kind: &OptionKind) -> &'static [&'static str] {
    match kind {
        OptionKind::Choice(words) => words,
        OptionKind::Boolean => &["true", "false"],
        OptionKind::StartPosition => &["earliest", "latest"],
        OptionKind::Schema => &["infer"],
        OptionKind::List(inner) => words(inner),
        OptionKind::Text
        | OptionKind::Path
        | OptionKind::Integer { .. }
        | OptionKind::Bytes { .. }
        | OptionKind::Duration { .. }
        | OptionKind::Url(_)
        | OptionKind::HostPort
        | OptionKind::Format
        | OptionKind::Map(_) => &[],
    }
}

fn types() -> Vec<Item> {
    let nullable = TYPE_NAMES.iter().map(|name| Item::new(*name, Kind::TypeParameter));
    nullable.chain([Item::new("not null", Kind::Keyword)]).collect()
}

/// What may stand at a place of a statement.
pub(super) fn statement(spot: &Spot, typed: &str, facts: &Facts, names: &Names) -> Vec<Item> {
    match spot.due {
        Due::Nothing => Vec::new(),
        Due::Statement => {
            let begins = |word: &&str| word.ends_with(" INTO") || *word == "SELECT";
            kpipe_grammar::keywords().into_iter().filter(begins).map(keyword).collect()
        }
        Due::Word(word) => vec![keyword(word)],
        Due::Target => known(&names.targets, "target").chain(known(&names.sources, "source")).collect(),
        Due::Source => known(&names.sources, "source").chain(known(&names.targets, "target")).collect(),
        Due::Field(then) => {
            let folders = spot.seen.last().filter(|clause| *clause == "PARTITIONBY").map(|_| dates(typed)).unwrap_or_default();
            fields(typed, facts).into_iter().chain(folders).chain(functions(spot, typed)).chain(then.map(keyword)).collect()
        }
        Due::FieldOrClause => fields(typed, facts).into_iter().chain(clauses(spot, facts)).collect(),
        Due::Clause => clauses(spot, facts),
        Due::Format => {
            let formats = facts.sink.and_then(|spec| spec.sink.as_ref()).map_or(&[][..], |sink| sink.formats);
            formats.iter().map(|format| Item::new(format.to_ascii_uppercase(), Kind::EnumMember)).collect()
        }
        Due::Property => {
            let properties = facts.sink.and_then(|spec| spec.sink.as_ref()).map_or(&[][..], |sink| sink.properties);
            let item = |key: &'static str, option: &str| Item {
                insert: format!("'{key}'="),
                ..Item::new(key, Kind::Property).detail(format!("as `{option}`"))
            };
            properties.iter().map(|property| item(property.key, property.option)).collect()
        }
    }
}

fn keyword(word: &'static str) -> Item {
    Item { doc: hover::clause(word).unwrap_or_default(), ..Item::new(word, Kind::Keyword) }
}

fn known<'n>(names: &'n BTreeSet<String>, what: &'static str) -> impl Iterator<Item = Item> + 'n {
    names.iter().map(move |name| Item::new(name, Kind::Reference).detail(format!("{what} of a statement")))
}

/// The clauses that the two ends honour and the statement does not have yet.
fn clauses(spot: &Spot, facts: &Facts) -> Vec<Item> {
    let core = ["INSERT INTO", "UPSERT INTO", "SELECT", "FROM"];
    let is_new = |word: &&str| !spot.seen.iter().any(|seen| seen == word) && !core.contains(word);
    kpipe_grammar::keywords().into_iter().filter(is_new).filter(|word| facts.honours(word)).map(keyword).collect()
}

/// The columns that a field may be, below what is typed of its path.
fn fields(typed: &str, facts: &Facts) -> Vec<Item> {
    let mut path: Vec<&str> = typed.split('.').collect();
    path.pop();
    let prefix: String = path.iter().map(|part| format!("{part}.")).collect();
    let own = facts.fields(&path).iter().map(|field| field_item(field, &prefix));
    let columns = facts.source.and_then(|spec| spec.source.as_ref()).map_or(&[][..], |source| source.columns);
    let metadata = columns.iter().filter(|_| path.is_empty()).map(|column| {
        let name = metadata_name(*column);
        Item::new(name.split('.').next().unwrap_or(name), Kind::Field).detail("metadata column")
    });
    own.chain(metadata).collect()
}

/// The functions, where a calculation can stand and no path has begun.
fn functions(spot: &Spot, typed: &str) -> impl Iterator<Item = Item> {
    let takes_expressions = |clause: &String| matches!(clause.as_str(), "SELECT" | "WHERE" | "PARTITIONBY" | "WITHKEY");
    let fits = !typed.contains('.') && spot.seen.last().is_some_and(takes_expressions);
    FUNCTIONS.iter().filter(move |_| fits).map(|function| Item {
        insert: format!("{}(", function.name),
        doc: hover::function(function),
        ..Item::new(function.name, Kind::Function).detail(function.signature())
    })
}

/// Folders of the record's time.
fn dates(typed: &str) -> Vec<Item> {
    let is_first = !typed.contains('.') || typed.starts_with("_date");
    let words = ["_date.daily", "_date.hourly", "_date.`yyyy/MM/dd`"].into_iter().filter(|_| is_first);
    words.map(|word| Item::new(word, Kind::Field).detail("folders of the record's time")).collect()
}

fn field_item(field: &Field, prefix: &str) -> Item {
    let bare = field.name.chars().all(|c| c.is_alphanumeric() || c == '_');
    let name = if bare { field.name.clone() } else { format!("`{}`", field.name.replace('`', "``")) };
    let null = if field.nullable { "" } else { " not null" };
    Item::new(format!("{prefix}{name}"), Kind::Field).detail(format!("{}{null}", type_text(&field.data_type)))
}
