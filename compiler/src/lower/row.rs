//! The columns of one statement while they are gathered.

use crate::plan::{DataType, DecodeColumn, Expr, ValueFormat};
use crate::sources::Location;

/// What a statement reads of each value, and what it calls the results.
pub(super) struct Row {
    pub(super) format: ValueFormat,
    pub(super) columns: Vec<DecodeColumn>,
    pub(super) outputs: Vec<Output>,
    /// Columns of the SELECT that are wrong, which was said: nobody knows what they would be.
    pub(super) wrong: Vec<String>,
}

/// One column of the SELECT.
pub(super) struct Output {
    pub(super) name: String,
    /// The path it was made from: `_topic`, `meta.site`; empty for a calculation.
    pub(super) path: Vec<String>,
    /// What it is, if it is a calculation.
    pub(super) computed: Option<Resolved>,
    pub(super) at: Location,
}

/// A path as it is written somewhere, and where each of its parts is.
pub(super) struct Reference {
    pub(super) names: Vec<String>,
    pub(super) parts_at: Vec<Location>,
    pub(super) at: Location,
}

/// What a path is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Resolved {
    pub(super) expr: Expr,
    pub(super) data_type: DataType,
    pub(super) nullable: bool,
}

impl Row {
    pub(super) fn new(format: ValueFormat) -> Self {
        Self { format, columns: Vec::new(), outputs: Vec::new(), wrong: Vec::new() }
    }

    /// The index of a column to decode; the same path as the same type is decoded once.
    pub(super) fn column(&mut self, path: &[String], data_type: &DataType, nullable: bool) -> usize {
        let same = |column: &DecodeColumn| column.path == path && column.data_type == *data_type;
        if let Some(index) = self.columns.iter().position(same) {
            return index;
        }
        self.columns.push(DecodeColumn { path: path.to_vec(), data_type: data_type.clone(), nullable });
        self.columns.len() - 1
    }

    /// The calculation of the SELECT with this name.
    pub(super) fn computed(&self, path: &Reference) -> Option<Resolved> {
        match &path.names[..] {
            [name] => self.output(name)?.computed.clone(),
            _ => None,
        }
    }

    /// The column of the SELECT with this name.
    pub(super) fn output(&self, name: &str) -> Option<&Output> {
        self.outputs.iter().find(|output| output.name == name)
    }
}

impl Reference {
    /// The path as people write it: the word for the value itself only where it stands alone.
    pub(super) fn text(&self) -> String {
        match &self.names[..] {
            [first, rest @ ..] if first == "_value" && !rest.is_empty() => rest.join("."),
            names => names.join("."),
        }
    }

    /// Where a part stands.
    pub(super) fn part_at(&self, part: usize) -> Location {
        self.parts_at.get(part).copied().unwrap_or(self.at)
    }
}
