//! Names that lead nowhere: what they were surely meant to be, and where that is declared.

use super::resolve::{Purpose, ResolveError, metadata_name};
use super::row::Reference;
use super::scope::{Label, Scope};
use crate::document::SchemaDoc;
use crate::near::nearest;
use crate::plan::Field;
use crate::schema::FieldError;
use crate::sources::Location;

impl Scope<'_> {
    /// M6: the wrong name, the near one, and where the fields come from.
    pub(super) fn unknown_field(&mut self, path: &Reference, skip: usize, error: FieldError, purpose: Purpose) {
        match error {
            FieldError::Unknown { part, nearest, count } => self.no_such_field(path, skip, part, nearest, count, purpose),
            FieldError::NotAStruct { part, data_type } => {
                let mut labels = vec![(path.part_at(skip + part), data_type.clone())];
                labels.extend(self.declared_at());
                let field = path.names[skip..=skip + part].join(".");
                self.error(ResolveError::NotAStruct { field, data_type }, labels);
            }
        }
    }

    fn no_such_field(
        &mut self,
        path: &Reference,
        skip: usize,
        part: usize,
        nearest: Option<(String, String)>,
        count: usize,
        purpose: Purpose,
    ) {
        let at = path.part_at(skip + part);
        let upto = path.names[skip..=skip + part].join(".");
        if self.said_before(&upto, at) {
            return self.fail();
        }
        let field = path.names[skip + part].clone();
        let above = &path.names[skip..skip + part];
        let metadata = self.near_metadata(&field, purpose).filter(|_| above.is_empty());
        // `-topic` is rather the column that begins with a line than the field without one.
        let metadata = metadata.filter(|_| nearest.is_none() || field.starts_with(['_', '-']));
        let label = match (metadata, &nearest) {
            (Some(column), _) => format!("did you mean `{column}`?"),
            (None, Some((name, data_type))) => format!("did you mean `{name}` ({data_type})?"),
            (None, None) => "no such field".to_owned(),
        };
        let declared = nearest.as_ref().and_then(|(name, _)| self.place_of(above, name)).filter(|_| metadata.is_none());
        let mut labels: Vec<Label> = vec![(at, label)];
        labels.extend(match (&nearest, declared) {
            (Some((name, _)), Some(at)) => Some((at, format!("`{name}` is declared here"))),
            _ => self.declared_at(),
        });
        let near = metadata.map(str::to_owned).or(nearest.map(|(name, _)| name));
        let mut edits = Vec::new();
        if let Some(near) = near {
            // What nobody reads by its declared name may be misspelt there.
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            let mut words = self.document.kcql.text.split(|c| !is_word(c));
            let unread = declared.filter(|_| !words.any(|word| word == near));
            edits.extend(Some((at, field.clone(), marked(&near, &field))));
            edits.extend(unread.map(|place| (place, near, field.clone())));
        }
        let help = self.schema.as_ref().filter(|_| above.is_empty()).map(|schema| field_list(schema.fields, count));
        let owner = if above.is_empty() { format!("`{}`", self.from) } else { format!("`{}`", above.join(".")) };
        let index = self.error_with_choices(ResolveError::UnknownField { owner, field, help }, labels, edits);
        self.unknown_fields.insert(upto, index);
    }

    /// The metadata column that a name may have meant.
    pub(super) fn near_metadata(&self, name: &str, purpose: Purpose) -> Option<&'static str> {
        let bare = |column: &_| metadata_name(*column).split('.').next().unwrap_or_default();
        let date = (purpose == Purpose::Folder).then_some("_date");
        nearest(name, self.source.columns.iter().map(bare).chain(date))
    }

    /// Where a field is declared, if the file says it.
    fn place_of(&self, above: &[String], name: &str) -> Option<Location> {
        let Some(SchemaDoc::Inline { fields, .. }) = self.document.source.schemas.get("value.schema") else { return None };
        let path: Vec<String> = above.iter().cloned().chain([name.to_owned()]).collect();
        fields.get(&path).copied()
    }
}

/// A name as it has to stand in the place of another one, which has marks if it needs them.
fn marked(name: &str, written: &str) -> String {
    if is_bare(name) || !is_bare(written) { name.to_owned() } else { format!("`{name}`") }
}

/// True for a name that needs no marks wherever it stands.
fn is_bare(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_ascii_digit())
}

fn field_list(fields: &[Field], count: usize) -> String {
    let shown: Vec<&str> = fields.iter().take(9).map(|field| field.name.as_str()).collect();
    let more = if count > shown.len() { format!(" and {} more", count - shown.len()) } else { String::new() };
    format!("the fields are {}{more}", shown.join(", "))
}
