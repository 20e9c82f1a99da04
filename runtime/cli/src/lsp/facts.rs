//! What a pipeline is made of, as far as completion and hover need it. Kept from the last text that could be read.

use std::collections::BTreeSet;

use kpipe_compiler::catalog::ConnectorSpec;
use kpipe_compiler::document::{Document, SchemaDoc};
use kpipe_compiler::plan::{DataType, Field, Schema};
use kpipe_compiler::report::Report;
use kpipe_compiler::sources::Sources;
use kpipe_compiler::yaml::read;
use kpipe_grammar::ast::Name;

use super::cursor::KeyAt;
use crate::catalog::catalog;

/// A pipeline.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// The connector of its source.
    pub(super) source: Option<&'static ConnectorSpec>,
    /// The connector of its sink.
    pub(super) sink: Option<&'static ConnectorSpec>,
    /// The columns of a value, if they are declared.
    pub(super) value: Schema,
    /// The same of a key.
    pub(super) key: Schema,
}

impl Facts {
    /// Of a document that the compiler could read.
    pub(super) fn of(document: Document) -> Self {
        let Document { mut source, sink, .. } = document;
        let mut schema = |path: &str| match source.schemas.remove(path) {
            Some(SchemaDoc::Inline { schema, fields: _ } | SchemaDoc::File { path: _, schema }) => schema,
            Some(SchemaDoc::Infer) | None => Schema::new(),
        };
        let (value, key) = (schema("value.schema"), schema("key.schema"));
        Self { source: Some(source.connector), sink: Some(sink.connector), value, key }
    }

    /// The same with the connectors that the keys of the text name now.
    pub(super) fn with_keys(mut self, keys: &[KeyAt]) -> Self {
        let named = |section: &str| keys.iter().filter(|key| key.path == [section]).find_map(|key| catalog().connector(&key.name));
        self.source = named("source").or(self.source);
        self.sink = named("sink").or(self.sink);
        self
    }

    /// The fields below a path; of the value for an empty one.
    pub(super) fn fields(&self, path: &[&str]) -> &[Field] {
        let (mut fields, rest) = match path.split_first() {
            Some((&"_key", rest)) => (&self.key[..], rest),
            Some((&"_value", rest)) => (&self.value[..], rest),
            Some(_) | None => (&self.value[..], path),
        };
        for name in rest {
            match fields.iter().find(|field| field.name == *name).map(|field| &field.data_type) {
                Some(DataType::Struct(below)) => fields = below,
                Some(_) | None => return &[],
            }
        }
        fields
    }

    /// The field at a path.
    pub(super) fn field(&self, path: &[&str]) -> Option<&Field> {
        let (last, above) = path.split_last()?;
        self.fields(above).iter().find(|field| field.name == *last)
    }

    /// The clauses that both ends honour, if they are known.
    pub(super) fn honours(&self, clause: &str) -> bool {
        let (source, sink) = (self.source.and_then(|spec| spec.source.as_ref()), self.sink.and_then(|spec| spec.sink.as_ref()));
        match (source, sink) {
            (None, None) => true,
            (source, sink) => {
                source.is_some_and(|source| source.clauses.contains(&clause)) || sink.is_some_and(|sink| sink.clauses.contains(&clause))
            }
        }
    }
}

/// A name as a statement writes it.
fn written(name: Name) -> String {
    if name.quoted { format!("`{}`", name.text.replace('`', "``")) } else { name.text }
}

/// The names in the statements of a file: targets and sources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) targets: BTreeSet<String>,
    pub(super) sources: BTreeSet<String>,
}

impl Names {
    /// Adds those of the statements of a text that can be read.
    pub(super) fn add(&mut self, text: &str) {
        let mut sources = Sources::new();
        let id = sources.add("", text);
        for root in read(sources.file(id), &mut Report::default()).roots {
            let Some(kcql) = root.get("kcql").and_then(|entry| entry.value.scalar()) else { continue };
            for statement in kpipe_grammar::parse(&kcql.text).statements {
                self.targets.extend(statement.target.map(|target| written(target.node)));
                self.sources.insert(written(statement.from.node));
            }
        }
    }
}
