//! Each row gets its folder. Paths are made once per distinct value, not once per row.
//!
//! | | kpipe | `compat: confluent` | `compat: lenses` |
//! |---|---|---|---|
//! | a value | `name=value`, escaped as Hive does | as it is, a `/` makes folders | as `confluent` |
//! | null | `name=__HIVE_DEFAULT_PARTITION__` | `name=null` | `name=[missing]` |
//! | an empty text | as null | `name=` | `name=` |
//! | a time | in the pattern and zone of the plan | the same | the same |
//!
//! Hive escapes control characters and `"#%'*/:=?\{[]^` as `%` and two hexadecimal digits. Whatever the layout, no folder is empty, `.` or
//! `..`, none has a control character or a backslash, and none without a name in front begins with a dot (`.kpipe` is kpipe's own). A time
//! that is null or out of range, bytes that are not UTF-8 and values that are too long for an object's name reject their row.

mod escape;
mod times;

use std::sync::Arc;

use ahash::AHashMap;
use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::{DataType as ArrowType, Date32Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType};
use kpipe_compiler::plan::{DataType, Decode, FileTail, Naming, PartitionItem, Route, ValueFormat};

use self::times::Times;
use super::{RouteRows, RowBatch, StageError};
use crate::expr::{Exprs, name_of, type_of};
use crate::format::json::{Cells, NoText};
use crate::records::RawBatch;
use crate::reject::{Reject, RejectReason};

/// Longest folder, in bytes: what file systems allow.
const FOLDER_BYTES_MAX: usize = 255;
/// Longest path of folders: an object's key has 1,024 bytes with prefix and name.
const PATH_BYTES_MAX: usize = 640;
/// How many distinct values are remembered before everything is forgotten.
const REMEMBERED_MAX: usize = 64 * 1024;

/// Finds the folders of one route's rows.
pub struct Partitioner {
    /// One per level.
    exprs: Exprs,
    levels: Vec<Level>,
    /// Whether a payload must be there: nothing before this stage asked.
    payload: bool,
    /// Numbers of paths by the numbers of their parts.
    joined: AHashMap<(u32, u32), u32>,
    paths: Paths,
}

/// One item of the plan.
struct Level {
    data_type: DataType,
    /// What a user calls it.
    title: String,
    kind: Kind,
}

enum Kind {
    Value { layout: Layout, seen: AHashMap<Vec<u8>, u32> },
    Time(Times),
}

/// How a value becomes a folder.
struct Layout {
    name: Option<String>,
    naming: Naming,
}

/// Distinct texts, each with a number.
#[derive(Default)]
struct Paths {
    numbers: AHashMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
}

/// The values of a level in one batch.
enum Values<'a> {
    Text(&'a StringArray),
    Cells(Cells<'a>),
    Time(&'a ArrayRef),
}

impl Partitioner {
    /// A partitioner for a route.
    ///
    /// # Errors
    /// A plan that does not fit itself.
    pub fn new(route: &Route, tail: &FileTail) -> Result<Self, StageError> {
        let levels = tail.partition.iter().map(|item| Level::new(item, &route.decode, tail.naming)).collect::<Result<_, _>>()?;
        let payload = route.project.is_none() && route.decode.format != ValueFormat::Json;
        let exprs = tail.partition.iter().map(|(PartitionItem::Value { expr, .. } | PartitionItem::Time { expr, .. })| expr);
        let exprs = Exprs::new(exprs, &route.decode).map_err(|misfit| StageError::new("partition", misfit.to_string()))?;
        Ok(Self { exprs, levels, payload, joined: AHashMap::new(), paths: Paths::default() })
    }

    /// Finds the folder of every row. Rows that can have none are dropped and added to `rejects`.
    ///
    /// # Errors
    /// A bug: a batch that is not what the plan says.
    pub fn split(&mut self, raw: &RawBatch, batch: RowBatch, rejects: &mut Vec<Reject>) -> Result<RouteRows, StageError> {
        let batch = if self.payload { without_nulls(raw, batch, rejects)? } else { batch };
        if self.levels.is_empty() || batch.is_empty() {
            return Ok(RouteRows { rows: batch, folders: vec![Arc::from("")], folder_of_row: Vec::new() });
        }
        self.forget();
        let evaluated = self.exprs.evaluate(raw, batch, rejects).map_err(|error| StageError::new("partition", error.to_string()));
        let (batch, arrays) = evaluated?;
        let values = arrays.iter().zip(&self.levels).map(|(array, level)| Values::new(array, level)).collect::<Result<Vec<_>, _>>()?;
        let (mut folders, mut drop) = (Folders::new(batch.len()), None);
        for row in 0..batch.len() {
            match self.folder(&values, row) {
                Ok(number) => folders.push(number, &self.paths),
                Err(message) => {
                    drop.get_or_insert_with(|| vec![false; batch.len()])[row] = true;
                    rejects.push(Reject { row: batch.rows[row], reason: RejectReason::PartitionValue, message });
                }
            }
        }
        let rows = match drop {
            None => batch,
            Some(drop) => batch.drop_rows(&drop).map_err(|error| StageError::new("partition", error.to_string()))?,
        };
        Ok(folders.of(rows))
    }

    /// The number of a row's path.
    fn folder(&mut self, values: &[Values<'_>], row: usize) -> Result<u32, String> {
        let mut whole: Option<u32> = None;
        for (level, values) in self.levels.iter_mut().zip(values) {
            let part = level.part(values, row, &mut self.paths)?;
            whole = Some(match whole {
                None => part,
                Some(before) => match self.joined.get(&(before, part)) {
                    Some(joined) => *joined,
                    None => {
                        let joined = self.paths.join(before, part)?;
                        self.joined.insert((before, part), joined);
                        joined
                    }
                },
            });
        }
        whole.ok_or_else(|| "no folder".to_owned())
    }

    /// Keeps the memory bounded when values hardly repeat. Numbers do not outlive a batch, so it may happen between two.
    fn forget(&mut self) {
        if self.paths.texts.len() > REMEMBERED_MAX {
            self.joined.clear();
            self.paths = Paths::default();
            self.levels.iter_mut().for_each(|level| match &mut level.kind {
                Kind::Value { seen, .. } => seen.clear(),
                Kind::Time(times) => times.forget(),
            });
        }
    }
}

/// Drops the rows whose payload is null: a file has no place for them.
fn without_nulls(raw: &RawBatch, batch: RowBatch, rejects: &mut Vec<Reject>) -> Result<RowBatch, StageError> {
    let is_null = |row: &u32| raw.records.value(*row as usize).is_none();
    if !batch.rows.iter().any(is_null) {
        return Ok(batch);
    }
    let drop: Vec<bool> = batch.rows.iter().map(is_null).collect();
    let nulls = batch.rows.iter().filter(|row| is_null(row));
    rejects.extend(nulls.map(|row| Reject { row: *row, reason: RejectReason::NullValue, message: "null value".to_owned() }));
    batch.drop_rows(&drop).map_err(|error| StageError::new("partition", error.to_string()))
}

impl Level {
    fn new(item: &PartitionItem, decode: &Decode, naming: Naming) -> Result<Self, StageError> {
        let (PartitionItem::Value { expr, .. } | PartitionItem::Time { expr, .. }) = item;
        let title = name_of(expr, decode);
        let wrong = |why: &str| StageError::new("partition", format!("field {title}: {why}"));
        let data_type = type_of(expr, decode).ok_or_else(|| wrong("no such decoded column"))?;
        let kind = match (item, &data_type) {
            (PartitionItem::Value { .. }, DataType::Struct(_) | DataType::List(_)) => {
                return Err(wrong("objects and arrays make no folder"));
            }
            (PartitionItem::Value { name, .. }, _) => Kind::Value { layout: Layout { name: name.clone(), naming }, seen: AHashMap::new() },
            (PartitionItem::Time { pattern, zone, name, .. }, DataType::Timestamp(_) | DataType::Date) => {
                Kind::Time(Times::new(pattern, zone, name.as_deref()).map_err(|why| wrong(&why))?)
            }
            (PartitionItem::Time { .. }, _) => return Err(wrong("not a time")),
        };
        Ok(Self { data_type, title, kind })
    }

    /// The number of the folder (or folders) of a row at this level.
    #[inline]
    fn part(&mut self, values: &Values<'_>, row: usize, paths: &mut Paths) -> Result<u32, String> {
        let Self { title, kind, .. } = self;
        let named = |why: String| format!("field {title}: {why}");
        match (kind, values) {
            (Kind::Time(times), Values::Time(array)) => match micros(array, row) {
                Ok(us) => times.number(us, |text| paths.number(text)).map_err(named),
                Err(why) => Err(named(why.to_owned())),
            },
            (Kind::Value { layout, seen }, Values::Text(array)) if array.is_valid(row) => {
                known(layout, seen, array.value(row).as_bytes(), paths).map_err(named)
            }
            (Kind::Value { layout, .. }, Values::Text(_)) => layout.folder(None).and_then(|folder| paths.number(folder)).map_err(named),
            (Kind::Value { layout, seen }, Values::Cells(cells)) => {
                let mut text = Vec::new();
                match cells.text(row, &mut text) {
                    Ok(()) => known(layout, seen, &text, paths),
                    Err(NoText::Null) => layout.folder(None).and_then(|folder| paths.number(folder)),
                    Err(why @ (NoText::Utf8 | NoText::Nested)) => Err(why.to_string()),
                }
                .map_err(named)
            }
            (Kind::Time(_), Values::Text(_) | Values::Cells(_)) | (Kind::Value { .. }, Values::Time(_)) => {
                Err(named("not a time".to_owned()))
            }
        }
    }
}

/// The number of a value's folder, from memory if it came before.
#[inline]
fn known(layout: &Layout, seen: &mut AHashMap<Vec<u8>, u32>, value: &[u8], paths: &mut Paths) -> Result<u32, String> {
    if let Some(number) = seen.get(value) {
        return Ok(*number);
    }
    let text = std::str::from_utf8(value).map_err(|_| NoText::Utf8.to_string())?;
    let number = paths.number(layout.folder(Some(text))?)?;
    seen.insert(value.to_vec(), number);
    Ok(number)
}

/// Microseconds since 1970.
fn micros(array: &ArrayRef, row: usize) -> Result<i64, &'static str> {
    const OUT_OF_RANGE: &str = "time out of range";
    if array.is_null(row) {
        return Err("no time");
    }
    match array.data_type() {
        ArrowType::Timestamp(TimeUnit::Microsecond, _) => Ok(array.as_primitive::<TimestampMicrosecondType>().value(row)),
        ArrowType::Date32 => Ok(i64::from(array.as_primitive::<Date32Type>().value(row)) * 86_400_000_000),
        _ => array.as_primitive::<TimestampMillisecondType>().value(row).checked_mul(1000).ok_or(OUT_OF_RANGE),
    }
}

impl Layout {
    /// The folder of a value.
    fn folder(&self, value: Option<&str>) -> Result<String, String> {
        let folder = match self.naming {
            Naming::Kpipe => escape::hive(self.name.as_deref(), value),
            Naming::Confluent => escape::plain(self.name.as_deref(), value.unwrap_or("null")),
            Naming::Lenses => escape::plain(self.name.as_deref(), value.unwrap_or("[missing]")),
        };
        if folder.split('/').any(|part| part.len() > FOLDER_BYTES_MAX) {
            return Err(format!("a folder of more than {FOLDER_BYTES_MAX} bytes"));
        }
        Ok(folder)
    }
}

impl<'a> Values<'a> {
    fn new(array: &'a ArrayRef, level: &Level) -> Result<Self, StageError> {
        Ok(match (&level.kind, array.data_type()) {
            (Kind::Time(_), _) => Self::Time(array),
            (Kind::Value { .. }, ArrowType::Utf8) => Self::Text(array.as_string()),
            (Kind::Value { .. }, _) => {
                Self::Cells(Cells::new(array, &level.data_type).map_err(|error| StageError::new("partition", error.to_string()))?)
            }
        })
    }
}

impl Paths {
    /// The number of a path.
    fn number(&mut self, text: String) -> Result<u32, String> {
        if let Some(number) = self.numbers.get(text.as_str()) {
            return Ok(*number);
        }
        if text.len() > PATH_BYTES_MAX {
            return Err(format!("folders of more than {PATH_BYTES_MAX} bytes"));
        }
        let number = self.texts.len() as u32;
        let text: Arc<str> = Arc::from(text);
        self.texts.push(Arc::clone(&text));
        self.numbers.insert(text, number);
        Ok(number)
    }

    fn join(&mut self, outer: u32, inner: u32) -> Result<u32, String> {
        self.number(format!("{}/{}", self.texts[outer as usize], self.texts[inner as usize]))
    }
}

/// The folders of one batch, in the order in which they come.
struct Folders {
    /// Place in `found` by path number, for this batch.
    places: AHashMap<u32, u32>,
    found: Vec<Arc<str>>,
    of_row: Vec<u32>,
    last: Option<(u32, u32)>,
}

impl Folders {
    fn new(rows: usize) -> Self {
        Self { places: AHashMap::new(), found: Vec::new(), of_row: Vec::with_capacity(rows), last: None }
    }

    #[inline]
    fn push(&mut self, number: u32, paths: &Paths) {
        let place = match self.last {
            Some((last, place)) if last == number => place,
            _ => *self.places.entry(number).or_insert_with(|| {
                self.found.push(Arc::clone(&paths.texts[number as usize]));
                self.found.len() as u32 - 1
            }),
        };
        self.last = Some((number, place));
        self.of_row.push(place);
    }

    fn of(self, rows: RowBatch) -> RouteRows {
        let folder_of_row = if self.found.len() > 1 { self.of_row } else { Vec::new() };
        let folders = if self.found.is_empty() { vec![Arc::from("")] } else { self.found };
        RouteRows { rows, folders, folder_of_row }
    }
}

#[cfg(test)]
mod tests;
