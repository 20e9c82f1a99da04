//! Objects: which keys lead to which columns, and a guess of the order in which they come.
//!
//! A writer nearly always writes the keys of its records in one order with one style of white space. So each object remembers the bytes
//! that stood between its values last time (`{"id":`, `, "ts": `) and compares whole pieces; only where they differ is the key read
//! letter by letter, looked up, and the memory corrected. Keys that no column wants are remembered too,
//! and so are the keys of objects under them: to compare is cheaper than to read.

use std::sync::Arc;

use ahash::AHashMap;
use arrow::array::ArrayRef;
use kpipe_compiler::plan::{DataType, Field};

use super::column::Column;
use super::error::{Bad, Step};
use super::scan::Text;
use super::{DEPTH_MAX, skip, string};

/// Longest piece that is remembered.
const PIECE_BYTES_MAX: usize = 47;
/// How many pieces more than there are columns: for keys that no column wants.
const PIECES_MORE: usize = 64;
/// How many remembered pieces may be passed over: keys that this record lacks.
const PASSED_MAX: usize = 4;
/// How many objects that no column wants have a memory of their own.
const GUESSED_MAX: usize = 16;

/// What happens to a value.
pub(super) enum Take {
    /// It is checked and forgotten.
    Skip,
    /// The same; if it is an object, its keys are guessed.
    Check(Box<Shape>),
    /// It goes into a column: the one with this number.
    Column(usize, Box<Column>),
    /// Values within it go into columns.
    Object(Box<Shape>),
    /// Several of these.
    Several(Vec<Take>),
}

/// The keys of an object that lead to columns.
pub(super) struct Shape {
    fields: Vec<Entry>,
    index: AHashMap<Vec<u8>, usize>,
    order: Vec<Piece>,
    /// Objects that no column wants; `None` within one of those.
    guessed: Option<Vec<Shape>>,
    /// Counts objects, to know which keys the present one had.
    object: u64,
    rows: usize,
}

struct Entry {
    key: Vec<u8>,
    take: Take,
    /// The object that had this key last.
    seen: u64,
}

/// The bytes in front of a value, and what to do with it.
struct Piece {
    to: To,
    length: u8,
    bytes: [u8; PIECE_BYTES_MAX],
}

/// Where a value goes.
#[derive(Clone, Copy)]
enum To {
    /// The field with this number.
    Field(usize),
    /// No column wants it.
    Nowhere,
    /// The same, and when the key was met first it was an object: it has this number.
    Guessed(usize),
}

/// What stands behind a value.
enum Next {
    /// Another value, at this position.
    Value(To, usize),
    /// The end of the object.
    End(usize),
}

impl Take {
    /// Adds a column for the value under `path`.
    pub(super) fn add(&mut self, path: &[String], slot: usize, data_type: &DataType, nullable: bool) {
        if let Self::Several(takes) = self
            && let (Some(Self::Object(shape)), false) = (takes.iter_mut().find(|take| matches!(take, Self::Object(_))), path.is_empty())
        {
            return shape.add(path, slot, data_type, nullable);
        }
        if let (Self::Object(shape), false) = (&mut *self, path.is_empty()) {
            return shape.add(path, slot, data_type, nullable);
        }
        let new = if path.is_empty() {
            Self::Column(slot, Box::new(Column::new(data_type, nullable)))
        } else {
            let mut shape = Shape::new();
            shape.add(path, slot, data_type, nullable);
            Self::Object(Box::new(shape))
        };
        match self {
            Self::Skip | Self::Check(_) => *self = new,
            Self::Several(takes) => takes.push(new),
            Self::Column(..) | Self::Object(_) => {
                let old = std::mem::replace(self, Self::Skip);
                *self = Self::Several(vec![old, new]);
            }
        }
    }

    /// Reads the value at `at`, which lies within `depth` objects and arrays.
    pub(super) fn read(&mut self, text: Text<'_>, at: usize, depth: usize) -> Step {
        match self {
            Self::Check(shape) if text.peek(at) == b'{' => shape.read(text, at, depth),
            Self::Skip | Self::Check(_) => skip::value(text, at, depth),
            Self::Column(_, column) => column.read(text, at, depth),
            Self::Object(shape) => shape.read_or_null(text, at, depth),
            Self::Several(takes) => {
                let mut end = at;
                for take in takes {
                    end = take.read(text, at, depth)?;
                }
                Ok(end)
            }
        }
    }

    fn read_nothing(&mut self, at: usize) -> Result<(), Box<Bad>> {
        match self {
            Self::Skip | Self::Check(_) => Ok(()),
            Self::Column(_, column) => column.read_nothing(at),
            Self::Object(shape) => shape.read_nothing(at),
            Self::Several(takes) => takes.iter_mut().try_for_each(|take| take.read_nothing(at)),
        }
    }

    fn push_null(&mut self) {
        match self {
            Self::Skip | Self::Check(_) => {}
            Self::Column(_, column) => column.push_null(),
            Self::Object(shape) => shape.push_null(),
            Self::Several(takes) => takes.iter_mut().for_each(Self::push_null),
        }
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        match self {
            Self::Skip | Self::Check(_) => {}
            Self::Column(_, column) => column.truncate(rows),
            Self::Object(shape) => shape.truncate(rows),
            Self::Several(takes) => takes.iter_mut().for_each(|take| take.truncate(rows)),
        }
    }

    pub(super) fn finish(&mut self, arrays: &mut [ArrayRef]) {
        match self {
            Self::Skip | Self::Check(_) => {}
            Self::Column(slot, column) => arrays[*slot] = column.finish(),
            Self::Object(shape) => shape.finish_into(arrays),
            Self::Several(takes) => takes.iter_mut().for_each(|take| take.finish(arrays)),
        }
    }
}

impl Shape {
    /// An object without columns.
    pub(super) fn new() -> Self {
        Self { fields: Vec::new(), index: AHashMap::new(), order: Vec::new(), guessed: Some(Vec::new()), object: 0, rows: 0 }
    }

    pub(super) fn of_struct(fields: &[Field]) -> Self {
        let mut shape = Self::new();
        for (slot, field) in fields.iter().enumerate() {
            shape.add(std::slice::from_ref(&field.name), slot, &field.data_type, field.nullable);
        }
        shape
    }

    fn add(&mut self, path: &[String], slot: usize, data_type: &DataType, nullable: bool) {
        let Some((key, rest)) = path.split_first() else { return };
        let field = *self.index.entry(key.clone().into_bytes()).or_insert(self.fields.len());
        if field == self.fields.len() {
            self.fields.push(Entry { key: key.clone().into_bytes(), take: Take::Skip, seen: 0 });
        }
        self.fields[field].take.add(rest, slot, data_type, nullable);
    }

    /// An object on the way to columns: without it they are null.
    fn read_or_null(&mut self, text: Text<'_>, at: usize, depth: usize) -> Step {
        if text.peek(at) != b'n' {
            return self.read(text, at, depth);
        }
        let end = skip::literal(text, at)?;
        self.read_nothing(at)?;
        Ok(end)
    }

    /// Reads the object at `at`.
    pub(super) fn read(&mut self, text: Text<'_>, mut at: usize, depth: usize) -> Step {
        if text.peek(at) != b'{' {
            return Err(Bad::mismatch(text, at, "an object"));
        }
        if depth >= DEPTH_MAX {
            return Err(skip::too_deep(at));
        }
        self.object += 1;
        let (mut place, mut found) = (0, 0);
        loop {
            let (to, start) = match self.order.get(place) {
                Some(piece) if piece.stands_at(text, at) => {
                    let next = (piece.to, text.white(at + usize::from(piece.length)));
                    place += 1;
                    next
                }
                // Most objects end here: no need to look for a key.
                _ if place > 0 && text.peek(at) == b'}' => {
                    at += 1;
                    break;
                }
                _ => match self.next(text, at, &mut place)? {
                    Next::Value(to, start) => (to, start),
                    Next::End(end) => {
                        at = end;
                        break;
                    }
                },
            };
            at = match to {
                To::Field(field) => {
                    let entry = &mut self.fields[field];
                    if entry.seen == self.object {
                        // The last one of several keys of a name counts.
                        entry.take.truncate(self.rows);
                    } else {
                        entry.seen = self.object;
                        found += 1;
                    }
                    let end = match &mut entry.take {
                        Take::Column(_, column) => column.read(text, start, depth + 1),
                        other => other.read(text, start, depth + 1),
                    };
                    end.map_err(|bad| bad.within(&entry.key))?
                }
                To::Nowhere => skip::any(text, start, depth + 1)?,
                To::Guessed(number) => match &mut self.guessed {
                    Some(shapes) if text.peek(start) == b'{' => shapes[number].read(text, start, depth + 1)?,
                    _ => skip::value(text, start, depth + 1)?,
                },
            };
        }
        if found < self.fields.len() {
            self.fill(at)?;
        }
        self.rows += 1;
        Ok(at)
    }

    /// Nulls for the keys that the object lacks.
    #[cold]
    fn fill(&mut self, at: usize) -> Result<(), Box<Bad>> {
        let object = self.object;
        for entry in self.fields.iter_mut().filter(|entry| entry.seen != object) {
            entry.take.read_nothing(at - 1).map_err(|bad| bad.within(&entry.key))?;
        }
        Ok(())
    }

    /// Reads the next key where the guess was wrong. `place` moves to the next guess.
    #[cold]
    fn next(&mut self, text: Text<'_>, at: usize, place: &mut usize) -> Result<Next, Box<Bad>> {
        let ahead = self.order.iter().enumerate().skip(*place + 1).take(PASSED_MAX);
        if let Some((index, piece)) = ahead.into_iter().find(|(_, piece)| piece.stands_at(text, at)).filter(|_| *place > 0) {
            *place = index + 1;
            return Ok(Next::Value(piece.to, text.white(at + usize::from(piece.length))));
        }
        let first = *place == 0;
        let mut key_at = text.white(at);
        match text.peek(key_at) {
            b'}' if !first => return Ok(Next::End(key_at + 1)),
            b',' if !first => key_at = text.white(key_at + 1),
            b'{' if first => {
                key_at = text.white(key_at + 1);
                if text.peek(key_at) == b'}' {
                    return Ok(Next::End(key_at + 1));
                }
            }
            _ => return Err(Bad::expected(text, key_at, "`,` or `}`")),
        }
        let mut key = Vec::new();
        let start = string::read_key(text, key_at, &mut key)?;
        let to = match self.index.get(&key) {
            Some(field) => To::Field(*field),
            None if text.peek(start) == b'{' => self.guess(*place),
            None => To::Nowhere,
        };
        self.remember(*place, to, &text.bytes()[at..start]);
        *place += 1;
        Ok(Next::Value(to, start))
    }

    /// A memory for an object that no column wants: that of the object that was at this place before, or a new one.
    fn guess(&mut self, place: usize) -> To {
        if let Some(Piece { to: To::Guessed(number), .. }) = self.order.get(place) {
            return To::Guessed(*number);
        }
        match &mut self.guessed {
            Some(shapes) if shapes.len() < GUESSED_MAX => {
                shapes.push(Self { guessed: None, ..Self::new() });
                To::Guessed(shapes.len() - 1)
            }
            _ => To::Nowhere,
        }
    }

    /// Expects `bytes` at this place from now on. The first place is only ever asked where the object begins.
    fn remember(&mut self, place: usize, to: To, bytes: &[u8]) {
        let mut piece = Piece { to, length: 0, bytes: [0; PIECE_BYTES_MAX] };
        if let Some(room) = piece.bytes.get_mut(..bytes.len()) {
            room.copy_from_slice(bytes);
            piece.length = bytes.len() as u8;
        }
        if place < self.order.len() {
            self.order[place] = piece;
        } else if place < self.fields.len() + PIECES_MORE {
            self.order.push(piece);
        }
    }

    fn read_nothing(&mut self, at: usize) -> Result<(), Box<Bad>> {
        for entry in &mut self.fields {
            entry.take.read_nothing(at).map_err(|bad| bad.within(&entry.key))?;
        }
        self.rows += 1;
        Ok(())
    }

    pub(super) fn push_null(&mut self) {
        self.fields.iter_mut().for_each(|entry| entry.take.push_null());
        self.rows += 1;
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        self.fields.iter_mut().for_each(|entry| entry.take.truncate(rows));
        self.rows = rows;
    }

    fn finish_into(&mut self, arrays: &mut [ArrayRef]) {
        self.fields.iter_mut().for_each(|entry| entry.take.finish(arrays));
        self.rows = 0;
    }

    /// The arrays of a struct's fields, and how many rows they have.
    pub(super) fn finish(&mut self, fields: usize) -> (Vec<ArrayRef>, usize) {
        let rows = self.rows;
        let nothing: ArrayRef = Arc::new(arrow::array::NullArray::new(0));
        let mut arrays = vec![nothing; fields];
        self.finish_into(&mut arrays);
        (arrays, rows)
    }
}

impl Piece {
    #[inline(always)]
    fn stands_at(&self, text: Text<'_>, at: usize) -> bool {
        // A piece too long to be kept has length 0 and stands nowhere.
        self.length > 0 && text.stands_at(at, &self.bytes[..usize::from(self.length)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str) -> Field {
        Field { name: name.to_owned(), data_type: DataType::Int64, nullable: true }
    }

    fn read(shape: &mut Shape, json: &str) {
        assert_eq!(shape.read(Text::new(json.as_bytes()), 0, 0).map_err(|bad| bad.to_string()), Ok(json.len()), "{json}");
    }

    #[test]
    fn one_order_is_learnt_at_once() {
        let mut shape = Shape::of_struct(&[column("b"), column("a")]);
        for id in 0..3 {
            read(&mut shape, &format!(r#"{{"a":{id},"more":{{"x":1,"y":[]}},"b":2}}"#));
            let fields: Vec<_> = shape.order.iter().map(|piece| matches!(piece.to, To::Field(_))).collect();
            assert_eq!(fields, [true, false, true]);
        }
        let guessed = shape.guessed.as_ref().unwrap();
        assert_eq!((guessed.len(), guessed[0].order.len(), guessed[0].guessed.is_none()), (1, 2, true));
    }

    #[test]
    fn what_was_an_object_may_be_something_else() {
        let mut shape = Shape::new();
        for json in [r#"{"a":{"b":1}}"#, r#"{"a":2}"#, r#"{"a":{"c":{"d":1}}}"#, r#"{"a":"x"}"#, r#"{"a":{"b":1}}"#] {
            read(&mut shape, json);
        }
        assert!(shape.read(Text::new(br#"{"a":{"b":1}"#), 0, 0).is_err());
        assert!(shape.read(Text::new(br#"{"a":{"b":1,}}"#), 0, 0).is_err());
    }

    #[test]
    fn memory_does_not_grow_with_the_keys() {
        let mut shape = Shape::of_struct(&[column("a")]);
        for round in 0..200 {
            let keys: Vec<String> = (0..200).map(|key| format!(r#""key {round} {key}":{{"x":{key}}}"#)).collect();
            read(&mut shape, &format!("{{{}}}", keys.join(",")));
        }
        let guessed = shape.guessed.as_ref().unwrap();
        assert!(shape.order.len() <= PIECES_MORE + 1 && guessed.len() <= GUESSED_MAX, "{} and {}", shape.order.len(), guessed.len());
        assert_eq!(shape.rows, 200);
    }

    #[test]
    fn many_columns_are_found() {
        let fields: Vec<Field> = (0..500).map(|index| column(&format!("column {index}"))).collect();
        let mut shape = Shape::of_struct(&fields);
        for turn in [1, 3, 7] {
            let pairs: Vec<String> = (0..500).map(|index| index * turn % 500).map(|index| format!(r#""column {index}":{index}"#)).collect();
            read(&mut shape, &format!("{{{}}}", pairs.join(",")));
        }
        let (arrays, rows) = shape.finish(500);
        assert_eq!(rows, 3);
        for (index, array) in arrays.iter().enumerate() {
            let array = arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(array);
            assert_eq!(array.values().to_vec(), [index as i64; 3]);
        }
    }
}
